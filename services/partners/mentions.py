"""What people wrote about others, on timelines and of referrals: finding somebody in it, and taking them out.

A text is searched for the whole name and the address. Where it has either, or somebody took part, each part
of the name goes, and the rest stays: what was agreed with a partner is not theirs alone.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from chassis.database import Transaction
from chassis.retention import Term
from chassis.rights import Held, Subject, written
from services.partners.queries import REFERRALS, TIMELINE

#: What stands in the place of a name.
GONE = "[somebody who was erased]"
#: What stays when files stand beside an entry in which somebody took part.
FILES_STAY = "Files beside notes of meetings and calls; they are of the organisation that it was with."

#: Parts of a name that are words of their own too often.
_SHORTEST = 3
_ADDRESS_OR_WORD = re.compile(r"[\w.+'’-]+@[\w.-]+\w|[\w'’-]+")


def _sought(subject: Subject) -> list[str]:
    """What a text is searched for."""
    return list({word for word in (*subject.names, *subject.emails) if len(word) >= _SHORTEST})


async def _entries(tx: Transaction, subject: Subject) -> list[Any]:
    asked = {"ids": list(subject.ids), "words": _sought(subject)}
    return [row async for row in TIMELINE.entries_held(tx, **asked)]


async def _referrals(tx: Transaction, subject: Subject) -> list[Any]:
    asked = {"references": list(subject.references), "words": _sought(subject)}
    return [row async for row in REFERRALS.referrals_held(tx, **asked)]


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Every entry that names them, that they took part in or wrote, and every referral of theirs."""
    for number, row in enumerate(await _entries(tx, subject), 1):
        yield written(f"timeline-{number}.json", f"Entry {number} on a timeline", _told(row))
    for number, row in enumerate(await _referrals(tx, subject), 1):
        yield written(f"referral-{number}.json", f"Referral {number}", _told(row))


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in row.items() if name != "id"}


async def forget(tx: Transaction, subject: Subject) -> tuple[dict[str, int], tuple[str, ...]]:
    """Take them out of what people wrote. How much of each kind was changed; and what stays, in sentences."""
    parts = _parts(subject)
    entries = [row for row in await _entries(tx, subject) if row["took_part"] or _names(row, parts)]
    for row in entries:
        texts = {name: without(row[name], parts) for name in ("what", "detail", "place")}
        await TIMELINE.scrub_entry(tx, id=row["id"], ids=list(subject.ids), **texts, now=tx.now)
    rows = await _referrals(tx, subject)
    for row in rows:
        reference = "" if row["reference"] in subject.references else row["reference"]
        said = {"reference": reference, "reason": without(row["reason"], parts)}
        await REFERRALS.scrub_referral(tx, id=row["id"], **said)
    stays = (FILES_STAY,) if any(row["files"] for row in entries) else ()
    return {"notes, calls and meetings": len(entries), "referrals": len(rows)}, stays


def _parts(subject: Subject) -> frozenset[str]:
    """The words by which somebody is named: their addresses, and the parts of their names."""
    words = [word for name in subject.names for word in _ADDRESS_OR_WORD.findall(name)]
    return frozenset(word.casefold() for word in (*words, *subject.emails) if len(word) >= _SHORTEST)


def _names(row: Mapping[str, Any], parts: Iterable[str]) -> bool:
    return any(without(row[name], parts) != row[name] for name in ("what", "detail", "place"))


def without(text: str, parts: Iterable[str]) -> str:
    """A text without these words, which are in small letters. Several that follow each other go as one."""
    taken = set(parts)

    def put(found: re.Match[str]) -> str:
        word = found[0].casefold()
        bare = word.removesuffix("'s").removesuffix("’s")
        return GONE if taken & {word, bare} else found[0]

    return _ADDRESS_OR_WORD.sub(put, text).replace(f"{GONE} {GONE}", GONE)


# What goes by itself


async def _old_notes(tx: Transaction, before: datetime, most: int) -> int:
    return await _let_go(tx, [row["id"] async for row in TIMELINE.notes_until(tx, before=before, most=most)])


async def _removed_notes(tx: Transaction, before: datetime, most: int) -> int:
    rows = TIMELINE.notes_removed_until(tx, before=before, most=most)
    return await _let_go(tx, [row["id"] async for row in rows])


async def _let_go(tx: Transaction, ids: list[Any]) -> int:
    return int(await TIMELINE.forget_entries(tx, ids=ids))


async def _old_references(tx: Transaction, before: datetime, most: int) -> int:
    return int(await REFERRALS.references_until(tx, before=before, most=most))


TERMS = (
    Term(what="notes", months=72, since="after what was noted happened", scrub=_old_notes),
    Term(what="removed-notes", months=1, since="after a note was removed", scrub=_removed_notes),
    Term(what="referrals", months=24, since="after the last word on a referral", scrub=_old_references),
)
