"""Importing registrations from a table: all lines or none, and the same file twice changes nothing.

A reference stands in the file and in this process's memory only. What is kept is its digest; faults go to
the person who imports and to no log.
"""

import asyncio
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import uuid_utils.compat

from chassis.audit import Actor, acting, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Database, Transaction
from chassis.sheets import Column, Fault, Limits, Notice, Row, Unreadable, iso_date, one_of, read_sheet, text
from services.grants.counting import recount
from services.grants.domain import ImportRunning, person_digest
from services.grants.queries import QUERIES

#: Lines read and written at once: bounds the memory, and keeps each statement far below its time limit.
CHUNK = 5_000

#: Faults after which the rest of the file is not read.
MOST_FAULTS = Limits().faults


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
    try:
        async with acting(database, actor) as tx:
            if not await QUERIES.claim_import(tx):
                raise ImportRunning
            written = await _write_all(tx, reading, progress or _tell_nobody)
            counts = 0 if reading.faults else await recount(tx)
            if dry_run or reading.faults:
                raise _TakenBack
            note(tx, "registrations_imported", "file", "", after=dataclasses.asdict(written))
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


async def _write_all(tx: Transaction, reading: "_Reading", progress: Callable[[int], None]) -> _Written:
    """Write chunk by chunk while the file is good; after the first fault only go on reading."""
    written = _Written()
    while (rows := await asyncio.to_thread(reading.next_rows)) is not None:
        progress(reading.lines)
        if rows and not reading.faults:
            outcome = await QUERIES.register(tx, **_as_columns(rows), now=tx.now)
            written.new += outcome["new"]
            written.changed += outcome["changed"]
    return written


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
        self._key = self.context.keys.derive("registrations")
        self._items: Iterator[Row | Fault | Notice] = read_sheet(self.source, columns(self.context))
        #: The line on which each person was met.
        self._met: dict[bytes, int] = {}

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
                person = person_digest(self._key, item.cells["reference"])
                first = self._met.setdefault(person, item.line)
                if first == item.line:
                    rows.append((person, item))
                else:
                    self.faults.append(_twice(first, item.line))
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
    """The columns of the file; codes are those of the house's lists."""
    lists = context.house.lists
    today = context.clock.now().astimezone(LOCAL).date()
    return (
        Column(name="reference", read=text(60), required=True),
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


def _twice(first: int, line: int) -> Fault:
    return Fault(
        line=line,
        column="reference",
        fault=f"The same reference stands on line {first} already, and each person is registered once.",
        cure=f"Delete line {first} or line {line}, or correct the reference on one of them.",
    )


def _tell_nobody(_lines: int) -> None:
    """Nobody wants to know."""
