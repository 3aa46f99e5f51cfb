"""Our list of partners as a CSV file: its columns, and what its lines say of whom.

Knows nothing of the register: what is wrong here is wrong wherever the file is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from chassis import sheets
from chassis.house import House
from chassis.sheets import Column, Fault, Notice, Row, Unreadable


def columns(house: House) -> list[Column]:
    """The columns of the file; codes are those of the house's lists."""
    lists = house.lists
    channels = [code for code in lists["channels"] if code in _NEEDED_FOR]
    return [
        Column(name="identifier", read=_identifier, required=True),
        Column(name="name", read=sheets.text(200), required=True),
        Column(name="kinds", read=sheets.many_of(lists["kinds"]), required=True),
        Column(name="areas", read=sheets.many_of(lists["areas"])),
        Column(name="closeness", read=sheets.one_of(lists["closeness"]), required=True),
        Column(name="opened_on", read=sheets.iso_date),
        Column(name="closed_on", read=sheets.iso_date),
        Column(name="successor", read=_identifier),
        Column(name="contact_name", read=sheets.text(200)),
        Column(name="contact_role", read=sheets.one_of(lists["contact_roles"])),
        Column(name="contact_channel", read=sheets.one_of(channels)),
        Column(name="contact_email", read=sheets.email_address),
        Column(name="contact_address", read=_address, multiline=True),
        Column(name="contact_postcode", read=sheets.postcode),
        Column(name="contact_source", read=sheets.text(300)),
        Column(name="contact_listed_on", read=sheets.iso_date),
        Column(name="contact_withdrawn_on", read=sheets.iso_date),
    ]


ORGANISATION_COLUMNS = ("name", "kinds", "areas", "closeness", "opened_on", "closed_on", "successor")
CONTACT_COLUMNS = (
    *("contact_name", "contact_role", "contact_channel", "contact_email", "contact_address"),
    *("contact_postcode", "contact_source", "contact_listed_on", "contact_withdrawn_on"),
)
#: What every contact has, and what a channel needs besides.
_NEEDED = ("contact_name", "contact_role", "contact_channel", "contact_source", "contact_listed_on")
_NEEDED_FOR = {"email": ("contact_email",), "post": ("contact_address", "contact_postcode")}


def _identifier(cell: str) -> str:
    if not re.fullmatch(r"(?:[A-Z]{2}-[A-Z0-9]{2,10}|CONDUIT)-[A-Za-z0-9][A-Za-z0-9._-]{0,39}", cell):
        raise Unreadable(
            "This is not an identifier.",
            "Write an org-id such as GB-CHC-1047692, or CONDUIT- and a short name where there is none.",
        )
    return cell


_address_lines = sheets.lines()


def _address(cell: str) -> tuple[str, ...]:
    found = _address_lines(cell)
    if len(found) > 8 or any(len(line) > 200 for line in found):
        raise Unreadable("The address is too long.", "Write at most 8 lines of at most 200 characters.")
    return found


@dataclass(kw_only=True)
class PartnersFile:
    """The file's lines, by organisation."""

    #: The first line of each organisation, by identifier.
    organisations: dict[str, Row] = field(default_factory=dict)
    #: The line of each contact, by identifier, role and name.
    contacts: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    lines: int = 0
    notices: list[Notice] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def enter(self, row: Row) -> None:
        """Take in a line, or the faults that it has by itself or beside the others."""
        self.lines += 1
        first = self.organisations.setdefault(row.cells["identifier"], row)
        faults = [*(_own_faults(row) if row is first else _disagreements(first, row)), *_contact_faults(row)]
        if not faults and row.cells["contact_name"] is not None:
            key = (row.cells["identifier"], row.cells["contact_role"], row.cells["contact_name"])
            before = self.contacts.setdefault(key, row)
            if before is not row:
                faults = [_twice(before, row)]
        self.faults += faults


def _disagreements(first: Row, row: Row) -> Iterator[Fault]:
    """The columns in which a later line contradicts the first one of the same organisation."""
    for column in ORGANISATION_COLUMNS:
        if row.cells[column] != first.cells[column]:
            yield fault_of(
                row,
                column,
                f"Line {first.line} says something else about the same organisation.",
                "Make all lines of one organisation agree, or correct the identifier.",
            )


def _own_faults(row: Row) -> Iterator[Fault]:
    """What is wrong with an organisation in itself."""
    opened, closed = row.cells["opened_on"], row.cells["closed_on"]
    if opened and closed and closed < opened:
        yield fault_of(row, "closed_on", "It closed before it opened.", "Correct one of the two dates.")
    if row.cells["successor"] and row.cells["successor"] == row.cells["identifier"]:
        yield fault_of(row, "successor", "An organisation cannot succeed itself.", "Name another, or none.")


def _contact_faults(row: Row) -> Iterator[Fault]:
    """What a line's contact lacks; a line without any contact is good."""
    cells = row.cells
    if all(cells[column] is None for column in CONTACT_COLUMNS):
        return
    for column in (*_NEEDED, *_NEEDED_FOR.get(cells["contact_channel"], ())):
        if cells[column] is None:
            yield fault_of(
                row,
                column,
                "The contact of this line lacks it.",
                "Fill it in, or empty every contact column of the line.",
            )
    listed, withdrawn = cells["contact_listed_on"], cells["contact_withdrawn_on"]
    if listed and withdrawn and withdrawn < listed:
        yield fault_of(
            row,
            "contact_withdrawn_on",
            "The contact was withdrawn before being listed.",
            "Correct one of the two dates.",
        )


def _twice(before: Row, row: Row) -> Fault:
    return fault_of(
        row,
        "contact_name",
        f"The same person stands in the same role on line {before.line}.",
        "Delete one of the two lines.",
    )


def fault_of(row: Row, column: str, fault: str, cure: str) -> Fault:
    """A fault in one column of a line that could be read."""
    return Fault(line=row.line, column=column, fault=fault, cure=cure)
