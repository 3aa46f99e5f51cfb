"""What the lines of every kind of file come to, and what may be wrong with them beside each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.sheets import Fault, Row, Unreadable
from services.partners.partners_file import CONTACT_COLUMNS, ORGANISATION_COLUMNS

#: Every column of a line, beside the number that it stands under.
COLUMNS = ("identifier", *ORGANISATION_COLUMNS, *CONTACT_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """A line that is nothing for the register although nothing is wrong with it."""

    line: int
    name: str
    reason: str


def line_of(number: int, said: Mapping[str, Any]) -> Row:
    """A line with what was said; nothing in every other column."""
    return Row(number, {column: said.get(column) for column in COLUMNS})


def if_usable(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """A reader for what nobody here can correct: a cell that cannot be used says nothing."""

    def reading(cell: str) -> Any:
        try:
            return read(cell)
        except Unreadable:
            return None

    return reading


def disagreement(line: int, first: int, column: str) -> Fault:
    """A later line contradicts the first one of the same organisation."""
    return Fault(
        line=line,
        column=column,
        fault=f"Line {first} says something else about the same organisation than line {line}.",
        cure="Make all lines of one organisation agree, or correct the identifier.",
    )


def repetition(line: int, first: int) -> Fault:
    """A later line names a contact that an earlier one has named."""
    return Fault(
        line=line,
        column="contact_name",
        fault=f"The same person stands in the same role on line {first}.",
        cure="Delete one of the two lines.",
    )


def unknown_successor(line: int, successor: str) -> Fault:
    """An organisation is succeeded by one that nobody has heard of."""
    return Fault(
        line=line,
        column="successor",
        fault=f"{successor} is neither in this file nor in the register.",
        cure="Add a line for it, correct the identifier, or leave the cell empty.",
    )


def ring(line: int) -> Fault:
    """Whoever follows the successors comes back, or to no end."""
    return Fault(
        line=line,
        column="successor",
        fault="Whoever follows the successors from here never comes to an end.",
        cure="Name the organisation that took over in the end, and leave its own successor empty.",
    )


def merged(line: int, column: str, identifier: str, survivor: str) -> Fault:
    """An organisation was merged into another one here."""
    return Fault(
        line=line,
        column=column,
        fault=f"{identifier} was merged into {survivor} here.",
        cure=f"Write {survivor} instead, or delete the line.",
    )


def was_erased(line: int) -> Fault:
    """A contact has asked to be forgotten, and no list brings them back."""
    return Fault(
        line=line,
        column="contact_email",
        fault="Whoever has this address has asked to be forgotten.",
        cure="Take the contact out of the line, or the line out of the file.",
    )


def before_the_beginning(line: int, column: str) -> Fault:
    """A date that does not fit one that the register has."""
    what = "closed before it opened" if column == "closed_on" else "were withdrawn before they were listed"
    return Fault(
        line=line,
        column=column,
        fault=f"With what the register says already, they would have {what}."
        if column != "closed_on"
        else f"With what the register says already, it would have {what}.",
        cure="Correct the date, or say both dates in the file.",
    )
