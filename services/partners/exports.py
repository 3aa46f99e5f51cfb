"""Gives the register out: as the lines of our own list, which can be taken in again, as a workbook, and as
address cards.

Written as it is read, a few organisations at a time, so that the length of the register costs no memory. What
a spreadsheet would run is made harmless where it is written.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from chassis.database import Database, Transaction
from chassis.files import PART
from chassis.sheets import inert
from services.partners.domain import Contact, Organisation
from services.partners.partners_file import CONTACT_COLUMNS, ORGANISATION_COLUMNS
from services.partners.queries import QUERIES

#: Organisations that are read and written together.
SLICE = 200

ORGANISATIONS = ("identifier", *ORGANISATION_COLUMNS)
CONTACTS = (*ORGANISATIONS, *CONTACT_COLUMNS)

#: The next organisations after one: rows of the register.
Page = Callable[[Transaction, Any], AsyncIterator[Any]]

Cells = Sequence[str]


async def organisation_lines(database: Database, page: Page) -> AsyncIterator[list[Cells]]:
    """The organisations of a search, some at a time, each as the cells of a line."""
    async for organisations, successors, _ in _slices(database, page, contacts=False):
        yield [_of_organisation(each, successors) for each in organisations]


async def contact_lines(database: Database, page: Page) -> AsyncIterator[list[Cells]]:
    """The same with a line for each contact, as our own list has them; without any there is a line too."""
    async for organisations, successors, contacts in _slices(database, page, contacts=True):
        found: list[Cells] = []
        for each in organisations:
            cells = _of_organisation(each, successors)
            lines = [_of_contact(contact) for contact in contacts.get(each.id, ())]
            found += [[*cells, *line] for line in lines or [_NOBODY]]
        yield found


async def _slices(
    database: Database, page: Page, *, contacts: bool
) -> AsyncIterator[tuple[list[Organisation], dict[Any, str], dict[Any, list[Contact]]]]:
    """No transaction lasts while a browser reads, so each slice is as of when it was read."""
    after = None
    while True:
        async with database.reading() as tx:
            found = [Organisation.of(row) async for row in page(tx, after)]
            successors = await _successors(tx, found)
            people = await _contacts(tx, found) if contacts else {}
        if not found:
            return
        after = found[-1].id
        yield found, successors, people


async def _successors(tx: Transaction, organisations: Iterable[Organisation]) -> dict[Any, str]:
    """The identifiers of those who took over."""
    ids = [each.successor_id for each in organisations if each.successor_id]
    return {row["id"]: row["identifier"] async for row in QUERIES.organisations_by_id(tx, ids=ids)}


async def _contacts(tx: Transaction, organisations: Iterable[Organisation]) -> dict[Any, list[Contact]]:
    found: dict[Any, list[Contact]] = {}
    async for row in QUERIES.contacts_of(tx, organisations=[each.id for each in organisations]):
        contact = Contact.of(row)
        if contact.source:  # of whoever was erased nothing is left to be given
            found.setdefault(contact.organisation_id, []).append(contact)
    return {id: sorted(some, key=lambda each: (each.role, each.name)) for id, some in found.items()}


def _of_organisation(each: Organisation, successors: dict[Any, str]) -> list[str]:
    said = {
        **{name: getattr(each, name) for name in ORGANISATIONS if name != "successor"},
        "successor": successors.get(each.successor_id),
    }
    return [_cell(said[name]) for name in ORGANISATIONS]


_NOBODY = ("",) * len(CONTACT_COLUMNS)


def _of_contact(contact: Contact) -> tuple[str, ...]:
    names = {"contact_address": "postal_address"}
    values = (getattr(contact, names.get(name, name.removeprefix("contact_"))) for name in CONTACT_COLUMNS)
    return tuple(_cell(value) for value in values)


def _cell(value: Any) -> str:
    """A value as our own list writes it."""
    if isinstance(value, tuple):
        value = ";".join(value)
    return value.isoformat() if isinstance(value, date) else str(value or "")


# As a workbook


async def as_workbook(
    sheets: Sequence[tuple[str, Cells, AsyncIterator[list[Cells]]]],
) -> AsyncIterator[bytes]:
    """A workbook with a sheet for each table. It is written to the disk and given out from there.

    Args:
        sheets: for each its title, its header and its lines.
    """
    with tempfile.TemporaryDirectory(prefix="conduit-export-") as folder:
        path = Path(folder) / "register.xlsx"
        # In this mode a line goes to the disk as soon as it is written; every cell is text.
        book = xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": folder})
        for title, header, slices in sheets:
            sheet = book.add_worksheet(title)
            sheet.freeze_panes(1, 0)
            count = _write(sheet, 0, [header])
            async for some in slices:
                count = await asyncio.to_thread(_write, sheet, count, some)
        await asyncio.to_thread(book.close)
        with path.open("rb") as made:
            while part := await asyncio.to_thread(made.read, PART):
                yield part


def _write(sheet: Any, count: int, some: Iterable[Cells]) -> int:
    """Write lines under so many others; how many there are then."""
    for cells in some:
        for place, cell in enumerate(cells):
            if cell:
                sheet.write_string(count, place, inert(cell))
        count += 1
    return count


# As address cards


def as_cards(organisation: Organisation, contacts: Iterable[Contact], roles: Callable[[str], str]) -> bytes:
    """Contacts as address cards (vCard 4.0, RFC 6350).

    Args:
        roles: what a code of a role is called.
    """
    return b"".join(_card(organisation, contact, roles(contact.role)) for contact in contacts)


def _card(organisation: Organisation, contact: Contact, role: str) -> bytes:
    postal = ", ".join(contact.postal_address), contact.postcode or ""
    *given, family = contact.name.split() or [""]
    lines = [
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"UID:urn:uuid:{contact.id}",
        f"FN:{_text(contact.name)}",
        f"N:{_text(family)};{_text(' '.join(given))};;;",
        f"ORG:{_text(organisation.name)}",
        f"ROLE:{_text(role)}",
    ]
    if contact.email:
        lines.append(f"EMAIL:{_text(contact.email)}")
    if organisation.telephone:
        lines.append(f"TEL;TYPE=work:{_text(organisation.telephone)}")
    if any(postal):
        lines.append(f"ADR:;;{_text(postal[0])};;;{_text(postal[1])};")
    if organisation.website:
        lines.append(f"URL:{_line(organisation.website)}")
    lines += [f"NOTE:{_text(f'From {contact.source}')}", "END:VCARD"]
    return b"".join(_folded(line) for line in lines)


def _line(value: str) -> str:
    return "".join(character for character in value if character.isprintable())


def _text(value: str) -> str:
    """A value that ends neither its field nor its line."""
    plain = _line(value.replace("\n", ", "))
    return plain.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")


def _folded(line: str) -> bytes:
    """A line of at most 75 bytes, going on in the next ones; no character is cut in two."""
    parts, part = [], b""
    for character in line:
        encoded = character.encode()
        if len(part) + len(encoded) > 75:
            parts.append(part)
            part = b" "
        part += encoded
    return b"\r\n".join([*parts, part]) + b"\r\n"
