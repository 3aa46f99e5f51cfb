"""Importing registrations from a table: all lines or none, and the same file twice changes nothing.

By command a file is read and written in one transaction. On the pages there are two steps with a person
between them: what would become of each line is shown first, and done only if it is still the same when it is
done. Both go the same way, and both read the file itself.

A reference stands in the file and in this process's memory only. What is kept is its digest; faults go to
the person who imports and to no log. A file from the pages is kept until it is taken in or a day is over.
"""

import asyncio
import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import Actor, acting, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Database, Transaction
from chassis.files import on_disk
from chassis.imports import Changed, File, GivenUp, Importing, State, Steps, by, drop
from chassis.sheets import Column, Fault, Limits, Notice, Row, Unreadable, iso_date, one_of, read_sheet, text
from services.grants.counting import recount
from services.grants.domain import ImportRunning, person_digest
from services.grants.queries import IMPORTS, QUERIES

#: Lines read and written at once: bounds the memory, and keeps each statement far below its time limit.
CHUNK = 5_000

#: Faults after which the rest of the file is not read.
MOST_FAULTS = Limits().faults

#: What it is in the audit when a file was taken in.
_TAKEN_IN = "registrations_imported"


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did, or would do. With faults it did nothing."""

    dry_run: bool
    #: Lines that were read, the header not among them.
    lines: int = 0
    new: int = 0
    same: int = 0
    changed: int = 0
    #: Counts by area and profession that are different now, each of which was announced.
    counts: int = 0
    faults: tuple[Fault, ...] = ()
    notices: tuple[Notice, ...] = ()


async def import_registrations(
    database: Database,
    source: Path | bytes,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
    actor: Actor | None = None,
) -> ImportReport:
    """Import a file of registrations in one transaction, which is taken back when a line has a fault.

    A dry run does the same and takes it back at the end, so that its report is exact.

    Args:
        actor: whoever imports, for the audit.
        progress: is told how many lines have been read.

    Raises:
        ImportRunning: when another import has not ended.
    """
    reading = _Reading(database.context, source)
    tell = progress or _tell_nobody

    async def more(_steps: int) -> None:
        tell(reading.lines)

    try:
        async with acting(database, actor) as tx:
            if not await IMPORTS.claim_import(tx):
                raise ImportRunning
            await QUERIES.lock_counts(tx)
            written = await _write_all(tx, reading, more)
            counts = 0 if reading.faults else await recount(tx)
            if dry_run or reading.faults:
                raise _TakenBack
            note(tx, _TAKEN_IN, "file", "", after=dataclasses.asdict(written))
    except _TakenBack:
        pass
    return reading.report(dry_run, written, counts)


class _TakenBack(Exception):
    """Ends the transaction without a trace."""


@dataclass
class _Written:
    """How many registrations were entered and changed."""

    new: int = 0
    changed: int = 0

    def add(self, outcome: Mapping[str, int]) -> None:
        """So many more were."""
        self.new += outcome["new"]
        self.changed += outcome["changed"]


#: Is told that so many more lines were read.
_More = Callable[[int], Awaitable[None]]


async def _write_all(tx: Transaction, reading: "_Reading", more: _More) -> _Written:
    """Write chunk by chunk while the file is good; after the first fault only go on reading."""
    written = _Written()
    async for rows in _chunks(reading, more):
        if rows and not reading.faults:
            written.add(await QUERIES.register(tx, **_as_columns(rows), now=tx.now))
    return written


async def _chunks(reading: "_Reading", more: _More) -> AsyncIterator[list[tuple[bytes, Row]]]:
    """The good rows of a file, and word of how many lines were read."""
    lines = 0
    while (rows := await asyncio.to_thread(reading.next_rows)) is not None:
        await more(reading.lines - lines)
        lines = reading.lines
        yield rows


def _as_columns(rows: Sequence[tuple[bytes, Row]]) -> dict[str, list[Any]]:
    cells = [row.cells for _, row in rows]
    return {
        "ids": [uuid_utils.compat.uuid7() for _ in rows],
        "persons": [person for person, _ in rows],
        "professions": [each["profession"] for each in cells],
        "areas": [each["area"] for each in cells],
        "countries": [each["country"] for each in cells],
        "exam_stages": [each["exam_stage"] for each in cells],
        "lawful_bases": [each["lawful_basis"] for each in cells],
        "dates": [each["registered_on"] for each in cells],
    }


@dataclass
class _Reading:
    """A file being read: its rows by chunks, and what was found wrong on the way."""

    context: Context
    source: Path | bytes
    lines: int = 0
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._items: Iterator[Row | Fault | Notice] = read_sheet(self.source, columns(self.context))

    def next_rows(self) -> list[tuple[bytes, Row]] | None:
        """The next good rows, each with its person's digest; None at the end of the file."""
        items = list(islice(self._items, CHUNK))
        if not items or len(self.faults) > MOST_FAULTS:
            return None
        rows = []
        for item in items:
            if isinstance(item, Notice):
                self.notices.append(item)
            elif isinstance(item, Fault):
                self.faults.append(item)
            else:
                self.lines += 1
                rows.append((item.cells["reference"], item))
        return rows

    def report(self, dry_run: bool, written: _Written, counts: int) -> ImportReport:
        faults = tuple(self.faults[:MOST_FAULTS])
        if faults:
            return ImportReport(dry_run=dry_run, lines=self.lines, faults=faults, notices=tuple(self.notices))
        return ImportReport(
            dry_run=dry_run,
            lines=self.lines,
            new=written.new,
            changed=written.changed,
            same=self.lines - written.new - written.changed,
            counts=counts,
            notices=tuple(self.notices),
        )


def columns(context: Context) -> tuple[Column, ...]:
    """The columns of the file; codes are those of the house's lists. A reference is read as its digest."""
    lists, key = context.house.lists, context.keys.derive("registrations")
    today = context.clock.now().astimezone(LOCAL).date()
    return (
        Column(
            name="reference",
            read=lambda cell: person_digest(key, text(60)(cell)),
            required=True,
            unique="each person is registered once",
        ),
        Column(name="registered_on", read=_day_until(today), required=True),
        Column(name="profession", read=one_of(lists["professions"]), required=True),
        Column(name="area", read=one_of(lists["areas"]), required=True, aliases=("borough",)),
        Column(name="country", read=_country, required=True),
        Column(name="exam_stage", read=one_of(lists["exam_stages"]), required=True),
        Column(name="lawful_basis", read=one_of(lists["lawful_bases"]), required=True),
    )


def _day_until(today: date) -> Callable[[str], date]:
    def read(cell: str) -> date:
        day = iso_date(cell)
        if day > today:
            raise Unreadable(
                f"{day.isoformat()} is in the future.", "Write the day on which the person registered."
            )
        return day

    return read


def _country(cell: str) -> str:
    if not re.fullmatch("[A-Z]{2}", cell):
        raise Unreadable(
            f"“{cell[:40]}” is not a country code.",
            "Write its two capital letters (ISO 3166), for example IQ.",
        )
    return cell


# On the pages


class Fate(StrEnum):
    """What becomes of a line."""

    REFUSED = "refused"
    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


#: The timer that reads and takes in files, by its name for whoever wakes it.
TAKE_FILES = "take registrations"

#: What a registration says of a person, by which it is compared.
SAID = ("profession", "area", "country", "exam_stage", "lawful_basis", "registered_on")


async def begin(tx: Transaction, *, file_id: UUID, file_name: str, actor: Actor) -> UUID:
    """Let a file that somebody has chosen be read."""
    id: UUID = uuid_utils.compat.uuid7()
    await IMPORTS.enter_import(tx, id=id, file_id=file_id, file_name=file_name, **by(actor), now=tx.now)
    note(tx, "import_begun", "import", id)
    return id


async def drop_waiting(tx: Transaction) -> None:
    """Let go of files that wait, because somebody in them may have asked to be forgotten."""
    await drop(tx, IMPORTS.drop_waiting_imports(tx))


# In the background


async def _step(tx: Transaction, database: Database, file: File) -> None:
    if file.file_id is None:
        raise GivenUp
    await QUERIES.lock_counts(tx)
    async with on_disk(database, file.file_id) as (path, breaks):
        steps = await IMPORTING.begin(database, file, max(breaks, 1))
        reading = _Reading(database.context, path)
        await (_apply if file.state is State.APPLYING else _read)(tx, file, reading, steps)


async def _read(tx: Transaction, file: File, reading: "_Reading", steps: Steps) -> None:
    """Read a file anew and write down what would become of each line."""
    await _forget(tx, file.id)
    found, told = _Compared(), 0
    async for rows in _chunks(reading, steps.more):
        fates = [*map(_refused, reading.faults[told:MOST_FAULTS]), *await found.compare(tx, rows)]
        told = len(reading.faults)
        await IMPORTS.enter_fates(tx, import_id=file.id, **_as_lists(fates))
    await IMPORTING.show(tx, file, lines=reading.lines, shown=found.digest)


async def _apply(tx: Transaction, file: File, reading: "_Reading", steps: Steps) -> None:
    """Do what was shown, if the same comes out now."""
    found, written = _Compared(), _Written()
    async for rows in _chunks(reading, steps.more):
        await found.compare(tx, rows)
        written.add(await QUERIES.register(tx, **_as_columns(rows), now=tx.now))
    as_compared = (found.counts[Fate.NEW], found.counts[Fate.CHANGED])
    if found.digest != file.shown or as_compared != (written.new, written.changed) or reading.faults:
        raise Changed
    await recount(tx)
    await IMPORTING.finish(tx, file, dataclasses.asdict(written))


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What becomes of a line, and why."""

    line: int
    fate: Fate
    column: str = ""
    reason: str = ""
    cure: str = ""
    #: For each column that changes: its name, what stands there now, what will.
    changes: tuple[str, ...] = ()


def _refused(fault: Fault) -> _Line:
    return _Line(
        line=fault.line, fate=Fate.REFUSED, column=fault.column or "", reason=fault.fault, cure=fault.cure
    )


class _Compared:
    """What becomes of the lines of a file, found out chunk by chunk."""

    def __init__(self) -> None:
        self.counts: Counter[Fate] = Counter()
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """Of all that was found out: the same again when nothing has changed."""
        return self._digest.digest()

    async def compare(self, tx: Transaction, rows: Sequence[tuple[bytes, Row]]) -> list[_Line]:
        """What becomes of these."""
        known = {
            bytes(row["person"]): row
            async for row in QUERIES.registrations_of(tx, persons=[person for person, _ in rows])
        }
        found = [_compared(row, known.get(person)) for person, row in rows]
        for each in found:
            self.counts[each.fate] += 1
            self._digest.update(repr((each.line, each.fate.value, each.changes)).encode())
        return found


def _compared(row: Row, known: Mapping[str, Any] | None) -> _Line:
    if known is None:
        return _Line(line=row.line, fate=Fate.NEW)
    changes = [
        (name, str(known[name]), str(row.cells[name])) for name in SAID if known[name] != row.cells[name]
    ]
    fate = Fate.CHANGED if changes else Fate.SAME
    return _Line(line=row.line, fate=fate, changes=tuple(chain.from_iterable(changes)))


def _as_lists(fates: Sequence[_Line]) -> dict[str, list[Any]]:
    return {
        "lines": [each.line for each in fates],
        "fates": [each.fate.value for each in fates],
        "columns": [each.column for each in fates],
        "reasons": [each.reason for each in fates],
        "cures": [each.cure for each in fates],
        "changes": [json.dumps(each.changes) for each in fates],
    }


async def _forget(tx: Transaction, id: UUID) -> None:
    await IMPORTS.drop_fates(tx, import_id=id)


IMPORTING = Importing(
    queries=IMPORTS,
    file=File.of,
    step=_step,
    forget=_forget,
    action=_TAKEN_IN,
    timer=TAKE_FILES,
)


def _tell_nobody(_lines: int) -> None:
    """Nobody wants to know."""
