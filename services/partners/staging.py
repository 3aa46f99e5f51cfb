"""The lines of one file in two temporary tables, so that its length costs no memory.

They live in one transaction and go with it. What lines say beside each other is found there; a line by itself
was looked at before it came in.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import uuid_utils.compat

from chassis.database import Transaction
from chassis.sheets import Fault, Notice, Row, read_sheet
from services.partners.domain import Contact, Organisation
from services.partners.held import address_digest
from services.partners.partners_file import (
    columns,
    disagreement,
    faults_in,
    repetition,
    unknown_successor,
    was_erased,
)
from services.partners.queries import QUERIES, RIGHTS

#: Lines that are read, and rows that are written, before others get a turn.
SLICE = 500

#: Faults that are listed; what causes more of them is one thing.
MOST_FAULTS = 1_000


class Steps(Protocol):
    """Counts what is done and lets others have a turn."""

    async def more(self, steps: int) -> None: ...


@dataclass(kw_only=True)
class Reading:
    """What was found while a file was read."""

    #: Lines under the header that could be read.
    lines: int = 0
    notices: list[Notice] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


async def stage(tx: Transaction, source: Path | bytes, steps: Steps) -> Reading:
    """Take in the lines of a file. Reading stops when there are more faults than anybody reads."""
    await QUERIES.begin_lines(tx)
    await QUERIES.begin_organisations(tx)
    found = Reading()
    erased = {bytes(row["digest"]) async for row in RIGHTS.erased_addresses(tx)}
    items = read_sheet(source, columns(tx.context.house))
    while piece := list(islice(items, SLICE)):
        rows = [item for item in piece if isinstance(item, Row)]
        await tx.copy_records_to_table("staged_lines", records=map(_record, rows), columns=_COLUMNS)
        found.lines += len(rows)
        found.notices += [item for item in piece if isinstance(item, Notice)]
        found.faults += [item for item in piece if isinstance(item, Fault)]
        found.faults += [fault for row in rows for fault in faults_in(row)]
        found.faults += [was_erased(row.line) for row in rows if erased and _digest(tx, row) in erased]
        if len(found.faults) > MOST_FAULTS:
            break
        await steps.more(len(piece))
    await QUERIES.count_lines(tx)
    return found


async def faults_between_lines(tx: Transaction) -> list[Fault]:
    """What is wrong with lines beside each other, and beside the register."""
    await QUERIES.tell_organisations_apart(tx)
    await QUERIES.count_organisations(tx)
    faults = [
        disagreement(row["line"], row["first"], column)
        async for row in QUERIES.lines_that_disagree(tx, most=MOST_FAULTS)
        for column in row["columns"]
    ]
    faults += [
        repetition(row["line"], row["first"]) async for row in QUERIES.lines_that_repeat(tx, most=MOST_FAULTS)
    ]
    faults += [
        unknown_successor(row["line"], row["successor"])
        async for row in QUERIES.unknown_successors(tx, most=MOST_FAULTS)
    ]
    return faults


async def organisations(tx: Transaction) -> AsyncIterator[list[tuple[Organisation | None, Organisation]]]:
    """The organisations of the file in slices: as the register has each, and as the file says it is."""
    async for rows in _slices(tx, QUERIES.staged_organisations_after):
        found = QUERIES.organisations_by_id(tx, ids=[row["id"] for row in rows])
        yield _beside(map(Organisation.of, rows), [Organisation.of(row) async for row in found])


async def contacts(tx: Transaction) -> AsyncIterator[list[tuple[Contact | None, Contact]]]:
    """The contacts of the file in slices: as the register has each, and as the file says they are."""
    async for rows in _slices(tx, QUERIES.staged_contacts_after):
        found = QUERIES.contacts_by_id(tx, ids=[row["id"] for row in rows])
        yield _beside(map(Contact.of, rows), [Contact.of(row) async for row in found])


def _beside(said: Iterable[Any], found: Iterable[Any]) -> list[tuple[Any, Any]]:
    known = {each.id: each for each in found}
    return [(known.get(each.id), each) for each in said]


async def _slices(tx: Transaction, after: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[list[Any]]:
    line = 0
    while rows := [row async for row in after(tx, after=line, most=SLICE)]:
        line = rows[-1]["line"]
        yield rows


def _digest(tx: Transaction, row: Row) -> bytes:
    return address_digest(tx, row.cells["contact_email"] or "")


#: Columns that the table has as lists, in which nothing is an empty list.
_LISTS = ("kinds", "areas", "contact_address")
_CELLS = (
    *("identifier", "name", "kinds", "areas", "closeness", "opened_on", "closed_on", "successor"),
    *(
        "contact_role",
        "contact_name",
        "contact_channel",
        "contact_email",
        "contact_address",
        "contact_postcode",
    ),
    *("contact_source", "contact_listed_on", "contact_withdrawn_on"),
)
_COLUMNS = ("line", "organisation_id", "contact_id", *_CELLS)


def _record(row: Row) -> tuple[Any, ...]:
    cells = (row.cells[name] or () if name in _LISTS else row.cells[name] for name in _CELLS)
    return (row.line, uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7(), *cells)
