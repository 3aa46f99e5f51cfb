"""What people wrote about others, in notes, of referrals, to search by: finding them in it, taking them out.

Only what names them goes (`naming`), and the rest stays: what was agreed with a partner is not theirs alone.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from chassis.database import Transaction
from chassis.retention import Term
from chassis.rights import Held, Subject, written
from services.partners.naming import Naming
from services.partners.queries import REFERRALS, REGISTER, TIMELINE

#: What stays when files stand beside an entry in which somebody took part.
FILES_STAY = "Files beside notes of meetings and calls; they are of the organisation that it was with."

#: The columns of an entry that people wrote.
_TEXTS = ("what", "detail", "place")
#: Columns of an entry that are not told to whoever asks: ids, and whose it is.
_NOT_TOLD = ("id", "organisation_id", "our_people", "their_contacts", "written_by")


async def entries_naming(tx: Transaction, subjects: Collection[Subject]) -> list[list[Any]]:
    """The entries that would be changed if each of these were forgotten, found by one look at all of them."""
    rows, homes = await _looked_at(tx, subjects)
    return [[row for row in rows if _changes(row, subject, homes)] for subject in subjects]


async def _looked_at(tx: Transaction, subjects: Collection[Subject]) -> tuple[list[Any], Mapping[UUID, UUID]]:
    """Entries that may name one of these; and where everybody belongs, by their ids."""
    ids = [id for subject in subjects for id in subject.ids]
    homes = {row["id"]: row["organisation_id"] async for row in TIMELINE.homes_of(tx, ids=ids)}
    words = [word for subject in subjects for word in Naming.of(subject).looked_for()]
    asked = {"ids": ids, "words": words, "organisations": list({*homes.values()})}
    return [row async for row in TIMELINE.entries_held(tx, **asked)], homes


def _took_part(row: Mapping[str, Any], subject: Subject) -> bool:
    return not {*row["our_people"], *row["their_contacts"]}.isdisjoint(subject.ids)


def _changes(row: Mapping[str, Any], subject: Subject, homes: Mapping[UUID, UUID]) -> bool:
    texts = _texts_without(row, subject, homes)
    return _took_part(row, subject) or any(texts[name] != row[name] for name in _TEXTS)


def _texts_without(row: Mapping[str, Any], subject: Subject, homes: Mapping[UUID, UUID]) -> dict[str, str]:
    near = _took_part(row, subject) or _at_home(row, subject, homes)
    naming = Naming.of(subject)
    return {name: naming.without(row[name], near=near) for name in _TEXTS}


def _at_home(row: Mapping[str, Any], subject: Subject, homes: Mapping[UUID, UUID]) -> bool:
    return row["organisation_id"] in {homes.get(id) for id in subject.ids}


async def _referrals(tx: Transaction, subject: Subject) -> list[tuple[Any, str]]:
    """Referrals of theirs, or with a reason that names them; each with its reason without them."""
    naming = Naming.of(subject)
    homes = {row["id"]: row["organisation_id"] async for row in TIMELINE.homes_of(tx, ids=list(subject.ids))}
    asked = {"references": list(subject.references), "words": naming.looked_for()}
    rows = REFERRALS.referrals_held(tx, **asked, organisations=list({*homes.values()}))
    found = []
    async for row in rows:
        theirs = row["reference"] in subject.references
        reason = naming.without(row["reason"], near=theirs or _at_home(row, subject, homes))
        if theirs or reason != row["reason"]:
            found.append((row, reason))
    return found


async def _searches(tx: Transaction, subject: Subject) -> list[tuple[Any, dict[str, str]]]:
    """What is kept of searches of the list that name them; each with its words without them."""
    naming, found = Naming.of(subject), []
    async for row in REGISTER.searches_held(tx):
        own = row["person_id"] in subject.ids
        asked = dict(parse_qsl(row["query"]))
        words = {"name": row["name"], "q": asked.get("q", "")}
        without = {what: naming.without(text, near=own) for what, text in words.items()}
        if without != words:
            query = urlencode(asked | {"q": without["q"]}) if without["q"] else row["query"]
            found.append((row, {"name": without["name"], "query": query}))
    return found


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Entries that name them, that they took part in or wrote; referrals of theirs, and searches for them."""
    rows, homes = await _looked_at(tx, [subject])
    entries = [row for row in rows if row["written_by"] in subject.ids or _changes(row, subject, homes)]
    for number, row in enumerate(entries, 1):
        said = {
            **_told(row),
            "entered by them": row["written_by"] in subject.ids,
            "took part": _took_part(row, subject),
        }
        yield written(f"timeline-{number}.json", f"Entry {number} on a timeline", said)
    for number, (row, _) in enumerate(await _referrals(tx, subject), 1):
        yield written(f"referral-{number}.json", f"Referral {number}", _told(row))
    others = [row for row, _ in await _searches(tx, subject) if row["person_id"] not in subject.ids]
    for number, row in enumerate(others, 1):
        told = {"called": row["name"], "asked": dict(parse_qsl(row["query"]))}
        yield written(f"search-{number}.json", f"Search {number} of the list, kept by a colleague", told)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in row.items() if name not in _NOT_TOLD}


async def forget(tx: Transaction, subject: Subject) -> tuple[dict[str, int], tuple[str, ...]]:
    """Take them out of what people wrote. How much of each kind was changed; and what stays, in sentences."""
    rows, homes = await _looked_at(tx, [subject])
    entries = [row for row in rows if _changes(row, subject, homes)]
    for row in entries:
        texts = _texts_without(row, subject, homes)
        await TIMELINE.scrub_entry(tx, id=row["id"], ids=list(subject.ids), **texts, now=tx.now)
    referrals = await _referrals(tx, subject)
    for row, reason in referrals:
        reference = "" if row["reference"] in subject.references else row["reference"]
        await REFERRALS.scrub_referral(tx, id=row["id"], reference=reference, reason=reason)
    searches = await _searches(tx, subject)
    for row, without in searches:
        await REGISTER.scrub_search(tx, id=row["id"], **without)
    stays = (FILES_STAY,) if any(row["files"] for row in entries) else ()
    counts = {"notes, calls and meetings": entries, "referrals": referrals, "searches": searches}
    return {what: len(changed) for what, changed in counts.items()}, stays


# What goes by itself


async def _old_notes(tx: Transaction, before: datetime, most: int) -> int:
    return await _let_go(tx, [row["id"] async for row in TIMELINE.notes_until(tx, before=before, most=most)])


async def _removed_notes(tx: Transaction, before: datetime, most: int) -> int:
    rows = TIMELINE.notes_removed_until(tx, before=before, most=most)
    return await _let_go(tx, [row["id"] async for row in rows])


async def _removed_files(tx: Transaction, before: datetime, most: int) -> int:
    return int(await TIMELINE.forget_removed_files(tx, before=before, most=most))


async def _let_go(tx: Transaction, ids: list[Any]) -> int:
    return int(await TIMELINE.forget_entries(tx, ids=ids))


async def _old_references(tx: Transaction, before: datetime, most: int) -> int:
    return int(await REFERRALS.references_until(tx, before=before, most=most))


TERMS = (
    Term(what="notes", months=72, since="after what was noted happened", scrub=_old_notes),
    Term(what="removed-notes", months=1, since="after a note was removed", scrub=_removed_notes),
    Term(
        what="removed-files",
        months=1,
        since="after a file beside a note was removed",
        scrub=_removed_files,
    ),
    Term(what="referrals", months=24, since="after the last word on a referral", scrub=_old_references),
)
