"""The timeline of an organisation: what events told, and what people enter, change, remove and put back.

What an event told stays as it is. A note or a call is changed by whoever entered it; a meeting, which is in
several people's diaries, by any of them. What was removed can be put back until the nightly work lets it go.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.files import StoredFile, keep_file
from chassis.house import Entry as Listed
from services.partners.queries import TIMELINE
from services.partners.today import Needed

#: People of ours and contacts from whom one chooses who took part, of each.
_MOST_PEOPLE = 200


class Kind(StrEnum):
    """What a person may enter."""

    NOTE = "note"
    CALL = "call"
    MEETING = "meeting"


#: What each kind is called on its own.
KINDS: Mapping[Kind, str] = {Kind.NOTE: "Note", Kind.CALL: "Call", Kind.MEETING: "Meeting"}

#: What one may look for on a timeline: a word for the address, one for people, and how the kinds begin.
GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "notes": ("Notes", ("note",)),
    "calls": ("Calls", ("call",)),
    "meetings": ("Meetings", ("meeting",)),
    "letters": ("Letters", ("letter%",)),
    "pledges": ("Pledges", ("contribution%",)),
    "referrals": ("Referrals", ("referral%",)),
    "agreements": ("Agreements", ("agreement%", "outcome%")),
}
_ALL = ("%",)


_TEXTS = ("happened_at", "what", "detail", "ends_at", "place")
_TOOK_PART = ("our_people", "their_contacts")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a person enters."""

    kind: Kind
    #: When it was, or will be.
    happened_at: datetime
    what: str
    detail: str = ""
    #: Of a meeting.
    ends_at: datetime | None = None
    place: str = ""
    #: Who took part: people of ours, and contacts of the organisation.
    our_people: tuple[UUID, ...] = ()
    their_contacts: tuple[UUID, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Entry":
        """The entry in a row of the table."""
        took_part: dict[str, Any] = {name: tuple(row[name]) for name in _TOOK_PART}
        return cls(kind=Kind(row["kind"]), **{name: row[name] for name in _TEXTS}, **took_part)


def may_change(row: Mapping[str, Any], person: UUID) -> bool:
    """Whether somebody may change an entry, or remove it and put it back."""
    if row["written_by"] is None or row["kind"] not in list(Kind):
        return False
    return row["kind"] == Kind.MEETING or bool(row["written_by"] == person)


# Entering and changing


async def enter(tx: Transaction, organisation_id: UUID, entry: Entry, author: UUID) -> UUID:
    """Enter something; with the organisation that this one was merged into, if it was.

    Raises:
        NotFound: when there is no such organisation.
        Refused: when somebody is said to have taken part who is not listed there.
    """
    organisation = await TIMELINE.hold_organisation(tx, id=organisation_id)
    if organisation is None:
        raise NotFound
    where: UUID = organisation["merged_into"] or organisation["id"]
    await _check_people(tx, where, entry, Entry(kind=entry.kind, happened_at=tx.now, what=""))
    id: UUID = uuid_utils.compat.uuid7()
    await TIMELINE.enter_note(
        tx,
        id=id,
        organisation_id=where,
        kind=entry.kind,
        **_said(entry),
        written_by=author,
        referral_id=None,
        now=tx.now,
    )
    about = {"organisation": where, "kind": entry.kind, "text": _digest(tx, entry)}
    note(tx, "entry_written", "entry", id, after=about)
    return id


async def lock(tx: Transaction, id: UUID, person: UUID) -> Any:
    """An entry that somebody may change, locked; whether it was removed or not.

    Raises:
        NotFound: when there is none, or it is not theirs to change.
    """
    row = await TIMELINE.lock_entry(tx, id=id)
    if row is None or not may_change(row, person):
        raise NotFound
    return row


async def change(tx: Transaction, row: Mapping[str, Any], entry: Entry) -> None:
    """Put other words in place of what was there.

    Args:
        row: locked.

    Raises:
        Refused: when somebody is said to have taken part who is not listed there.
    """
    before = Entry.of(row)
    if entry == before:
        return
    await _check_people(tx, row["organisation_id"], entry, before)
    await TIMELINE.change_note(tx, id=row["id"], **_said(entry), now=tx.now)
    texts = {"before": {"text": _digest(tx, before)}, "after": {"text": _digest(tx, entry)}}
    note(tx, "entry_changed", "entry", row["id"], **texts)


async def remove(tx: Transaction, row: Mapping[str, Any], *, put_back: bool = False) -> None:
    """Take an entry from the timeline, or put it back.

    Args:
        row: locked.
    """
    if (row["removed_at"] is None) is put_back:
        return
    await TIMELINE.mark_removed(tx, id=row["id"], removed_at=None if put_back else tx.now, now=tx.now)
    note(tx, "entry_put_back" if put_back else "entry_removed", "entry", row["id"])


def _said(entry: Entry) -> dict[str, Any]:
    took_part = {name: list(getattr(entry, name)) for name in _TOOK_PART}
    return {name: getattr(entry, name) for name in _TEXTS} | took_part


def _digest(tx: Transaction, entry: Entry) -> str:
    return digest_of(tx, "\n".join((entry.what, entry.detail, entry.place)))


async def _check_people(tx: Transaction, organisation_id: UUID, entry: Entry, before: Entry) -> None:
    """Let nobody have taken part whom the form does not offer now: they may be gone since it was opened."""
    offered = {row["id"] for row in await who_may_take_part(tx, organisation_id, before)}
    if not offered.issuperset([*entry.our_people, *entry.their_contacts]):
        cure = "Tick anew who took part. What you wrote is below."
        raise Refused("Somebody whom you ticked is no longer listed here.", cure, field="took_part")


async def who_may_take_part(tx: Transaction, organisation_id: UUID, before: Entry | None) -> list[Any]:
    """Whom a form offers: people of ours, contacts of the organisation, and who has taken part already."""
    asked = {"people": before.our_people, "contacts": before.their_contacts} if before else {}
    already = {name: list(asked.get(name, ())) for name in ("people", "contacts")}
    rows = TIMELINE.may_take_part(tx, organisation_id=organisation_id, **already, most=_MOST_PEOPLE)
    return [row async for row in rows]


# Files


async def attach(
    tx: Transaction, row: Mapping[str, Any], *, name: str, media_type: str, content: AsyncIterator[bytes]
) -> None:
    """Put a file beside an entry.

    Args:
        row: locked.
    """
    kept = await keep_file(tx, name=name, media_type=media_type, content=content)
    await TIMELINE.put_beside(tx, file_id=kept.id, entry_id=row["id"])
    about = {"file": kept.id, "digest": kept.digest.hex()}
    note(tx, "file_attached", "entry", row["id"], after=about)


async def files_of(tx: Transaction, entry_id: UUID, *, removed: bool = False) -> list[StoredFile]:
    """The files beside an entry, in the order in which they came; or those that were removed."""
    rows = TIMELINE.files_beside(tx, entry_id=entry_id)
    return [StoredFile.of(row) async for row in rows if (row["removed_at"] is not None) is removed]


async def file_of(tx: Transaction, entry_id: UUID, file_id: UUID, *, removed: bool = False) -> StoredFile:
    """One file beside an entry, or one that was removed.

    Raises:
        NotFound: when there is none.
    """
    for file in await files_of(tx, entry_id, removed=removed):
        if file.id == file_id:
            return file
    raise NotFound


async def detach(tx: Transaction, row: Mapping[str, Any], file_id: UUID, *, put_back: bool = False) -> None:
    """Take a file from beside an entry, or put it back.

    Args:
        row: of the entry, locked.

    Raises:
        NotFound: when it stands beside no such entry.
    """
    file = await file_of(tx, row["id"], file_id, removed=put_back)
    await TIMELINE.mark_file_removed(tx, file_id=file.id, removed_at=None if put_back else tx.now)
    about = {"file": file.id, "digest": file.digest.hex()}
    if put_back:
        note(tx, "file_put_back", "entry", row["id"], after=about)
    else:
        note(tx, "file_removed", "entry", row["id"], before=about)


# Reading


async def listed(
    tx: Transaction, organisation_id: UUID, *, group: str = "", after: UUID | None = None, most: int
) -> list[Any]:
    """What happened with an organisation, newest first; meetings to come stand at the top."""
    kinds = list(GROUPS[group][1] if group in GROUPS else _ALL)
    where = {"organisation_id": organisation_id, "after": after}
    return [row async for row in TIMELINE.timeline_listed(tx, **where, kinds=kinds, most=most)]


async def move(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """What happened with one organisation happened with the other that it is merged into."""
    await TIMELINE.move_timeline(tx, losing=losing, surviving=surviving)


# Today's work


async def meetings_needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """Meetings of today and of tomorrow."""
    since, until = (_midnight(today + timedelta(days=days)) for days in (0, 2))
    rows = TIMELINE.meetings_between(tx, since=since, until=until, most=most)
    return [_meeting(row) async for row in rows]


def _meeting(row: Mapping[str, Any]) -> Needed:
    local = row["happened_at"].astimezone(LOCAL)
    return Needed(
        kind="meeting",
        what=f"Meeting at {local:%H:%M}: {row['what']}",
        organisation_id=row["organisation_id"],
        organisation=row["organisation"],
        due_on=local.date(),
        href=f"/partners/timeline/{row['id']}",
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL)


async def letters_needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """Contacts whose letter did not arrive, until their address is put right or they are withdrawn."""
    roles = tx.context.house.lists["contact_roles"]
    return [_not_arrived(row, roles) async for row in TIMELINE.letters_not_arrived(tx, most=most)]


def _not_arrived(row: Mapping[str, Any], roles: Mapping[str, Listed]) -> Needed:
    role = roles[row["role"]].name if row["role"] in roles else row["role"]
    return Needed(
        kind="letter_failed",
        what=f"Put right the address of: {role}",
        organisation_id=row["organisation_id"],
        organisation=row["organisation"],
        due_on=row["happened_at"].astimezone(LOCAL).date(),
        href=f"/partners/contacts/{row['id']}/edit",
    )
