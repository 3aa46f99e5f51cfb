"""The lines of one file in tables, so that its length costs no memory: taken in, told apart, compared.

What a line says by itself was looked at before it came in. What lines say beside each other, and beside the
register, is found here by statements over all of them.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

import uuid_utils.compat

from chassis.database import Transaction
from chassis.outbox import announce_many
from chassis.sheets import Fault, Notice, Row
from services.partners import announcements, lines
from services.partners.domain import (
    Contact,
    Fate,
    Organisation,
    Plan,
    contact_after,
    contact_said,
    day_fault,
    organisation_after,
    organisation_said,
)
from services.partners.formats import Format, Item
from services.partners.held import address_digest
from services.partners.lines import PassedOver
from services.partners.partners_file import ORGANISATION_COLUMNS
from services.partners.queries import IMPORTS, QUERIES
from services.partners.register import put_contacts, put_organisations
from services.partners.words import write_words

#: Lines that are read, and rows that are written, before others get a turn.
SLICE = 500

#: Faults that are listed; what causes more of them is one thing.
MOST_FAULTS = 1_000

#: Bodies that may succeed each other in a row, from a first one to one that is still there.
LONGEST_CHAIN = 20

#: What becomes of a line, beside what becomes of an organisation or a contact.
REFUSED, PASSED_OVER, NOTICE = "refused", "passed_over", "notice"


class Steps(Protocol):
    """Counts what is done and lets others have a turn."""

    async def more(self, steps: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Staged:
    """One file whose lines are in the tables."""

    id: UUID
    format: Format
    plan: Plan


@dataclass(kw_only=True)
class Compared:
    """What became of all that a file names, or would."""

    organisations: Counter[Fate] = field(default_factory=Counter)
    contacts: Counter[Fate] = field(default_factory=Counter)
    #: A digest of every single fate, in the order of the lines.
    digest: bytes = b""


# Taking in


async def take_in(tx: Transaction, staged: Staged, items: Iterator[Item], steps: Steps) -> int:
    """Take in the lines of a file; how many could be read. Reading stops when there are more faults than
    anybody reads.
    """
    count = faults = 0
    foreign, today = staged.format.foreign, tx.today
    while piece := await asyncio.to_thread(lambda: list(islice(items, SLICE))):
        piece = [each for item in piece for each in _with_days_that_can_be(item, today, foreign=foreign)]
        rows = [item for item in piece if isinstance(item, Row)]
        records = [_record(tx, staged.id, row) for row in rows]
        await tx.copy_records_to_table("import_lines", records=records, columns=_COLUMNS)
        await note_fates(tx, staged.id, _fates_of(piece))
        count += sum(isinstance(item, Row | PassedOver) for item in piece)
        faults += sum(isinstance(item, Fault) for item in piece)
        if faults > MOST_FAULTS:
            break
        await steps.more(len(piece))
    return count


#: Days of a line, and whether they may be still to come.
_DAYS = {"opened_on": True, "closed_on": True, "contact_listed_on": False, "contact_withdrawn_on": True}


def _with_days_that_can_be(item: Item, today: date, *, foreign: bool) -> list[Item]:
    """A line, or what is wrong with its days. Of another register, which nobody here can correct, such a day
    says nothing.
    """
    if not isinstance(item, Row):
        return [item]
    days = {name: item.cells[name] for name in _DAYS if item.cells[name] is not None}
    wrong = {name: found for name, on in days.items() if (found := day_fault(on, today, ahead=_DAYS[name]))}
    if not wrong:
        return [item]
    if foreign:
        return [Row(item.line, {**item.cells, **dict.fromkeys(wrong)})]
    return [
        Fault(line=item.line, column=name, fault=fault, cure=cure) for name, (fault, cure) in wrong.items()
    ]


def _fates_of(items: Iterable[Item]) -> Iterator[tuple[Any, ...]]:
    for item in items:
        if isinstance(item, Fault):
            yield _refusal(item)
        elif isinstance(item, PassedOver):
            yield _fate(item.line, PASSED_OVER, name=item.name, reason=item.reason)
        elif isinstance(item, Notice):
            yield _fate(0, NOTICE, name=item.kind, reason=item.notice)


_COLUMNS = ("import_id", "line", "organisation_id", "contact_id", *lines.COLUMNS, "email_digest")


def _record(tx: Transaction, id: UUID, row: Row) -> tuple[Any, ...]:
    email = row.cells["contact_email"]
    digest = address_digest(tx, email) if email else None
    cells = (row.cells[name] for name in lines.COLUMNS)
    return (id, row.line, uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7(), *cells, digest)


# Telling apart


async def tell_apart(tx: Transaction, staged: Staged, *, listed: bool = True) -> set[int]:
    """Find out which organisations a file has and what is wrong with its lines beside each other and beside
    the register. The lines that are refused because of that.

    Args:
        listed: write down what becomes of them.
    """
    id = staged.id
    await IMPORTS.count_lines(tx)
    await IMPORTS.join_whole_files(tx)
    await IMPORTS.tell_organisations_apart(tx, import_id=id)
    await IMPORTS.count_organisations(tx)
    passed = []
    if staged.format.foreign:
        passed = [
            _fate(
                row["line"],
                PASSED_OVER,
                name=row["name"],
                reason=f"{row['identifier']} was merged into {row['survivor']} here.",
            )
            async for row in IMPORTS.pass_over_merged(tx, import_id=id)
        ]
    await IMPORTS.find_successors(tx, import_id=id, speaks_of=sorted(staged.plan.speaks_of))
    faults = [fault async for fault in _faults_between(tx, staged)]
    if listed:
        await note_fates(tx, id, [*passed, *map(_refusal, faults)])
        await IMPORTS.lines_of_nothing_new(tx, import_id=id)
    await IMPORTS.join_as_planned(tx)
    return {fault.line for fault in faults}


async def _faults_between(tx: Transaction, staged: Staged) -> AsyncIterator[Fault]:
    asked = {"import_id": staged.id, "most": MOST_FAULTS}
    async for row in IMPORTS.lines_that_disagree(tx, **asked):
        for column in row["columns"]:
            yield lines.disagreement(row["line"], row["first"], column)
    async for row in IMPORTS.lines_that_repeat(tx, **asked):
        yield lines.repetition(row["line"], row["first"])
    async for row in IMPORTS.unknown_successors(tx, **asked):
        yield lines.unknown_successor(row["line"], row["successor"])
    async for row in IMPORTS.rings_of_successors(tx, **asked, longest=LONGEST_CHAIN):
        yield lines.ring(row["line"])
    async for row in IMPORTS.lines_of_merged(tx, **asked):
        yield lines.merged(row["line"], row["column_name"], row["identifier"], row["survivor"])
    async for row in IMPORTS.lines_of_the_erased(tx, **asked):
        yield lines.was_erased(row["line"])


# Comparing


async def compare(
    tx: Transaction, staged: Staged, refused: set[int], steps: Steps, *, write: bool, listed: bool
) -> Compared:
    """Settle what becomes of all that a file names, organisations before the contacts that they have.

    Args:
        refused: lines that are left out.
        write: carry it out and announce it.
        listed: write down what becomes of each line.
    """
    compared, digest = Compared(), hashlib.sha256()
    settle: Callable[..., AsyncIterator[list[_Settled]]]
    for settle, counts, carry_out in (
        (_organisations, compared.organisations, _amend_organisations),
        (_contacts, compared.contacts, _amend_contacts),
    ):
        async for settled in settle(tx, staged, refused):
            records = [each.record for each in settled]
            digest.update(repr(records).encode())
            if listed:
                await note_fates(tx, staged.id, records)
            counts.update(each.fate for each in settled if each.fate)
            if write:
                await carry_out(tx, [each for each in settled if each.fate not in (None, Fate.SAME)])
            await steps.more(len(settled))
    if write:
        # Once for each organisation, when all of its contacts are there.
        async for rows in _slices(tx, staged.id, IMPORTS.organisations_amended_after, now=tx.now):
            await write_words(tx, [row["id"] for row in rows])
    compared.digest = digest.digest()
    return compared


@dataclass(frozen=True)
class _Settled:
    """What becomes of one thing of a file; no fate when it cannot be taken."""

    thing: Any
    fate: Fate | None
    #: What is written down of it.
    record: tuple[Any, ...]


async def _organisations(tx: Transaction, staged: Staged, refused: set[int]) -> AsyncIterator[list[_Settled]]:
    async for rows in _slices(tx, staged.id, IMPORTS.staged_organisations_after):
        found = QUERIES.organisations_by_id(tx, ids=[row["id"] for row in rows])
        known = {row["id"]: Organisation.of(row) async for row in found}
        yield [
            _organisation(row, known.get(row["id"]), staged.plan)
            for row in rows
            if row["line"] not in refused
        ]


def _organisation(row: Any, known: Organisation | None, plan: Plan) -> _Settled:
    said = organisation_said(known, row, plan)
    if said.opened_on and said.closed_on and said.closed_on < said.opened_on:
        return _Settled(said, None, _refusal(lines.before_the_beginning(row["line"], "closed_on")))
    after, fate = organisation_after(known, said)
    names = tuple(name for name in ORGANISATION_COLUMNS if name != "successor")
    changes = _changes(known, after, {name: name for name in names})
    if known and known.successor_id != after.successor_id:
        then = row["successor"] if after.successor_id else None
        changes += ["successor", _in_words(row["known_successor"]), _in_words(then)]
    record = _fate(row["line"], fate, "organisation", id=after.id, name=after.name, changes=changes)
    return _Settled(after, fate, record)


#: The columns of a contact, by what the contact calls each.
_OF_CONTACT = {
    "channel": "contact_channel",
    "email": "contact_email",
    "postal_address": "contact_address",
    "postcode": "contact_postcode",
    "source": "contact_source",
    "listed_on": "contact_listed_on",
    "withdrawn_on": "contact_withdrawn_on",
}


async def _contacts(tx: Transaction, staged: Staged, refused: set[int]) -> AsyncIterator[list[_Settled]]:
    async for rows in _slices(tx, staged.id, IMPORTS.staged_contacts_after):
        found = QUERIES.contacts_by_id(tx, ids=[row["id"] for row in rows])
        known = {row["id"]: Contact.of(row) async for row in found}
        yield [_contact(row, known.get(row["id"]), staged.plan) for row in rows if row["line"] not in refused]


def _contact(row: Any, known: Contact | None, plan: Plan) -> _Settled:
    said = contact_said(known, row, plan)
    if said.withdrawn_on and said.withdrawn_on < said.listed_on:
        return _Settled(said, None, _refusal(lines.before_the_beginning(row["line"], "contact_withdrawn_on")))
    after, fate = contact_after(known, said)
    name = f"{after.name}, {row['organisation']}"
    changes = _changes(known, after, _OF_CONTACT)
    return _Settled(
        after, fate, _fate(row["line"], fate, "contact", id=after.organisation_id, name=name, changes=changes)
    )


def _changes(known: Any, after: Any, columns: dict[str, str]) -> list[str]:
    """For each column that changes: its name, what stood there, what will."""
    if known is None:
        return []
    return [
        word
        for name, column in columns.items()
        if getattr(known, name) != getattr(after, name)
        for word in (column, _in_words(getattr(known, name)), _in_words(getattr(after, name)))
    ]


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    return value.isoformat() if isinstance(value, date) else str(value or "")


async def _slices(
    tx: Transaction, id: UUID, after: Callable[..., AsyncIterator[Any]], **asked: Any
) -> AsyncIterator[list[Any]]:
    line = 0
    while rows := [row async for row in after(tx, import_id=id, after=line, most=SLICE, **asked)]:
        line = rows[-1]["line"]
        yield rows


# Carrying out


async def _amend_organisations(tx: Transaction, settled: Sequence[_Settled]) -> None:
    await put_organisations(tx, [each.thing for each in settled])
    said = (announcements.of_organisation(each.thing, each.fate) for each in settled if each.fate)
    await announce_many(tx, said)


async def _amend_contacts(tx: Transaction, settled: Sequence[_Settled]) -> None:
    await put_contacts(tx, [each.thing for each in settled])
    await announce_many(tx, (announcements.of_contact(tx.context.keys, each.thing) for each in settled))


# Writing down what becomes of each line


_FATE = ("line", "fate", "what", "thing_id", "name", "column_name", "reason", "cure", "changes")


def _fate(
    line: int,
    fate: str,
    what: str = "line",
    *,
    id: UUID | None = None,
    name: str = "",
    column: str | None = None,
    reason: str | None = None,
    cure: str | None = None,
    changes: Sequence[str] = (),
) -> tuple[Any, ...]:
    return (line, str(fate), what, id, name, column, reason, cure, list(changes))


def _refusal(fault: Fault) -> tuple[Any, ...]:
    return _fate(fault.line, REFUSED, column=fault.column, reason=fault.fault, cure=fault.cure)


async def note_fates(tx: Transaction, id: UUID, records: Iterable[tuple[Any, ...]]) -> None:
    """Write down what becomes of some lines."""
    rows = [(id, *record) for record in records]
    if rows:
        await tx.copy_records_to_table("import_fates", records=rows, columns=("import_id", *_FATE))
