"""Tags: words of our own on organisations, put on one or on many at once, and taken back.

Many at once are asked for first, shown with their number, and done when that is confirmed. Tags stay with
partners: nobody else hears of them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.sheets import Column, text
from chassis.web import read_field
from services.partners.domain import folded
from services.partners.queries import REGISTER

#: Organisations that get or lose a tag by one act.
MOST = 1_000

#: Names of organisations that are shown before it is done.
_NAMES = 12

_NAME = Column(name="tag", read=text(40), required=True)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A tagging of many that was done, as a page tells it."""

    id: UUID
    words: str
    undone: bool


async def tag(tx: Transaction, organisation_id: UUID, name: str) -> None:
    """Put a tag on one organisation."""
    made = await _tag(tx, read_field(_NAME, name))
    await _put(tx, made["id"], [organisation_id])


async def untag(tx: Transaction, organisation_id: UUID, tag_id: UUID) -> None:
    """Take a tag from one organisation."""
    await _take(tx, tag_id, [organisation_id])


async def move(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """The tags of an organisation that was merged go to the one that stays."""
    await REGISTER.move_tags(tx, losing=losing, surviving=surviving)


async def _tag(tx: Transaction, name: str) -> Any:
    key = folded(name)
    # A tag that is there already is found without a write, so that nobody waits for anybody.
    known = await REGISTER.tag_by_key(tx, key=key)
    return known or await REGISTER.make_tag(tx, id=uuid_utils.compat.uuid7(), name=name, key=key, now=tx.now)


async def _put(tx: Transaction, tag_id: UUID, organisations: Collection[UUID]) -> list[UUID]:
    """Put a tag on organisations. Those that had it already are not among the answer."""
    rows = REGISTER.tag_organisations(tx, tag_id=tag_id, organisations=list(organisations), now=tx.now)
    changed = [row["organisation_id"] async for row in rows]
    note(tx, "tagged", "tag", tag_id, after={"organisations": _few(changed), "count": len(changed)})
    return changed


async def _take(tx: Transaction, tag_id: UUID, organisations: Collection[UUID]) -> list[UUID]:
    """Take a tag from organisations. Those that did not have it are not among the answer."""
    rows = REGISTER.untag_organisations(tx, tag_id=tag_id, organisations=list(organisations))
    changed = [row["organisation_id"] async for row in rows]
    note(tx, "untagged", "tag", tag_id, after={"organisations": _few(changed), "count": len(changed)})
    return changed


def _few(ids: Collection[UUID]) -> list[str]:
    """As many as a row of the audit lists; their number stands beside them."""
    return sorted(map(str, ids))[:20]


# Many at once


async def ask(
    tx: Transaction, person: UUID, name: str, organisations: Collection[UUID], *, removes: bool, query: str
) -> UUID:
    """Note what is to be done, to be confirmed.

    Args:
        query: the list from which it was begun, as the end of its address.

    Raises:
        Refused: when there are none, too many, or no such tag to be taken off.
    """
    if not organisations:
        raise Refused("No organisation is ticked.", "Tick some of them, or “all that were found”.")
    if len(organisations) > MOST:
        what = f"These are more than {MOST:,} organisations, the most that are tagged at once."
        raise Refused(what, "Narrow the search, and do it in parts.")
    name = read_field(_NAME, name)
    tag = await REGISTER.tag_by_key(tx, key=folded(name)) if removes else await _tag(tx, name)
    if tag is None:
        raise Refused(f"No organisation has the tag “{name}”.", "Choose one that stands in the list.")
    await REGISTER.forget_taggings_asked(tx, person_id=person)
    id = uuid_utils.compat.uuid7()
    await REGISTER.ask_tagging(
        tx,
        id=id,
        person_id=person,
        tag_id=tag["id"],
        removes=removes,
        organisations=list(organisations),
        query=query,
        now=tx.now,
    )
    note(tx, "tagging_asked", "tagging", id, after={"tag": str(tag["id"]), "count": len(organisations)})
    return id


async def shown(tx: Transaction, person: UUID, id: UUID) -> Any:
    """What is to be done, or was done, with the names of the first.

    Raises:
        NotFound: also when somebody else has asked for it.
    """
    row = await REGISTER.tagging(tx, id=id, person_id=person, most=_NAMES)
    if row is None:
        raise NotFound
    return row


async def done(tx: Transaction, person: UUID, id: str) -> Done | None:
    """What was just done, in words; nothing when the id is none of somebody's own."""
    row = await REGISTER.tagging(tx, id=_id(id), person_id=person, most=0) if _id(id) else None
    if row is None or row["done_at"] is None:
        return None
    counted = "1 organisation" if row["count"] == 1 else f"{row['count']:,} organisations"
    act = "taken from" if row["removes"] else "put on"
    again = " That is undone." if row["undone_at"] else ""
    words = f"The tag “{row['tag']}” was {act} {counted}.{again}"
    return Done(id=row["id"], words=words, undone=row["undone_at"] is not None)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def carry_out(tx: Transaction, person: UUID, id: UUID) -> str:
    """Do what was confirmed. The list from which it was begun."""
    row = await _locked(tx, person, id)
    if row["done_at"] is None:
        act = _take if row["removes"] else _put
        changed = await act(tx, row["tag_id"], row["organisations"])
        await REGISTER.finish_tagging(tx, id=id, organisations=changed, now=tx.now)
    return str(row["query"])


async def undo(tx: Transaction, person: UUID, id: UUID) -> str:
    """Take back what was done, for those whom it has changed. The list from which it was begun."""
    row = await _locked(tx, person, id)
    if row["done_at"] is None:
        raise Conflict("This has not been done.", "Go back to the list.")
    if row["undone_at"] is None:
        act = _put if row["removes"] else _take
        await act(tx, row["tag_id"], row["organisations"])
        await REGISTER.note_undone(tx, id=id, now=tx.now)
    return str(row["query"])


async def _locked(tx: Transaction, person: UUID, id: UUID) -> Any:
    row = await REGISTER.lock_tagging(tx, id=id, person_id=person)
    if row is None:
        raise NotFound
    return row
