"""Cells: what a column is, and the readers that turn the text of a cell into a value or say what to write.

Text is normalised to NFC, every kind of space to a plain one, and space around a cell is dropped.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date

from chassis.sheets.words import listed, nearest_of, quoted
from chassis.writing import UNSEEN, is_web_address, mailable

SAVE_AS_CSV = "Open it in the program that made it and save it as CSV (UTF-8)."
RETYPE = "Delete what is in the cell and type it again instead of pasting it."


class Unreadable(ValueError):
    """A cell cannot be used: `fault` says why, `cure` what to write instead."""

    def __init__(self, fault: str, cure: str) -> None:
        super().__init__(fault, cure)
        self.fault = fault
        self.cure = cure


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that may appear in the file, in any position."""

    #: The key in `Row.cells`, and the header expected; case, spaces and hyphens make no difference.
    name: str
    #: Turns the text of a cell that is not empty into a value, or raises `Unreadable`.
    read: Callable[[str], object]
    #: The column must be there, and no cell of it may be empty.
    required: bool = False
    #: Other headers under which the column is known.
    aliases: tuple[str, ...] = ()
    #: Whether a cell may hold line breaks; the reader then sees them as "\n".
    multiline: bool = False
    #: Why no two lines may say the same, as after an “and”; nothing where they may.
    unique: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large a file and its pieces may be."""

    #: Bytes of the whole file.
    file_bytes: int = 64 * 1024 * 1024
    #: Characters of one cell.
    cell: int = 10_000
    #: Characters of one row, its line breaks included.
    row: int = 200_000
    #: Columns of the header.
    columns: int = 200
    #: Faults after which the rest of the file is left unread, because the file as a whole is wrong.
    faults: int = 1_000


LIMITS = Limits()
#: With their full-width twins, which some spreadsheets read alike.
_FORMULA_BEGINS = frozenset("=@+-\uff1d\uff20\uff0b\uff0d")


def read_cell(column: Column, cell: str, limits: Limits = LIMITS) -> object:
    """What one cell says; None where it is empty.

    Raises:
        Unreadable: says why it cannot be used and what to write instead.
    """
    if len(cell) > limits.cell:
        raise Unreadable(*long_cell(limits))
    cell = _cleaned(cell, column.multiline)
    if cell[:1] == "'" and cell[1:2] in _FORMULA_BEGINS:  # as `inert` has left it
        cell = cell[1:]
    if not cell:
        if column.required:
            raise Unreadable("The cell is empty.", "Fill it in: every line needs it.")
        return None
    try:
        return column.read(cell)
    except Unreadable:
        raise
    except ValueError:
        raise Unreadable(f"{quoted(cell)} cannot be used here.", "Correct it.") from None


#: Spaces of every width, which would make two equal names differ.
_WIDE_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def _cleaned(cell: str, multiline: bool = False) -> str:
    """The cell in NFC, without space around it; refuses characters that cannot be seen."""
    if cell.isascii() and cell.isprintable():
        return cell.strip(" ")
    cell = unicodedata.normalize("NFC", _WIDE_SPACES.sub(" ", cell)).strip(" \t\n")
    refused = UNSEEN.search(cell.replace("\n", "") if multiline else cell)
    if refused is None:
        return cell
    match refused[0]:
        case "\n":
            raise Unreadable(
                "The cell contains a line break.",
                'Put its text on one line. If it is on one, a quotation mark (") is missing.',
            )
        case "\t":
            raise Unreadable("The cell contains a tab.", "Write a space instead.")
        case "\0":
            raise Unreadable("The cell contains a NUL character.", f"The file may be damaged. {SAVE_AS_CSV}")
        case "\ufffd":
            raise Unreadable(
                f"The cell contains a character that cannot be decoded: {quoted(cell)}.",
                f"Correct it. {SAVE_AS_CSV}",
            )
        case character:
            raise Unreadable(f"The cell contains an invisible character (U+{ord(character):04X}).", RETYPE)


def long_cell(limits: Limits) -> tuple[str, str]:
    return f"The cell has more than {limits.cell:,} characters.", "Shorten it."


def text(max_length: int) -> Callable[[str], str]:
    """One line of text; refuses what a spreadsheet would run as a formula, or has failed to compute.

    A cell that begins with + or - is refused too, unless only figures follow: +44 20 7946 0000 and -5
    do no harm, and neither does a lone dash.
    """

    def read(cell: str) -> str:
        if len(cell) > max_length:
            raise Unreadable(
                f"The text has {len(cell):,} characters; there is room for {max_length:,}.", "Shorten it."
            )
        if re.fullmatch(r"#(N/A|REF!|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|#+)", cell):
            raise Unreadable(f"{quoted(cell)} is a spreadsheet's error.", "Write the value itself.")
        return _no_formula(cell)

    return read


def inert(cell: object) -> str:
    """A cell of a table that we give out, so that no spreadsheet takes it for a formula."""
    text = "" if cell is None else str(cell)
    begins = text[:1] in ("\t", "\r") or text.lstrip()[:1] in _FORMULA_BEGINS
    return f"'{text}" if begins else text


def _no_formula(cell: str) -> str:
    begins = cell[:1]
    figures = re.fullmatch(r"[+-]([0-9][0-9 ().,/-]*|\([0-9 ()./-]*)?", cell)
    if begins in _FORMULA_BEGINS and not figures:
        raise Unreadable(
            f"{quoted(cell)} begins with “{begins}”, so a spreadsheet would run it as a formula.",
            f"Remove the “{begins}” at the beginning.",
        )
    return cell


def iso_date(cell: str) -> date:
    """A date written as 2012-02-29 and in no other way, because 3/4/2012 is a day in March or in April."""
    cure = "Write it as year-month-day, for example 2012-03-31."
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        raise Unreadable(f"{quoted(cell)} is not a date.", cure)
    try:
        return date.fromisoformat(cell)
    except ValueError:
        raise Unreadable(f"{quoted(cell)} is no day of the calendar.", cure) from None


def one_of(codes: Collection[str]) -> Callable[[str], str]:
    """One of the codes, spelt exactly so."""

    def read(cell: str) -> str:
        if cell in codes:
            return cell
        # Where codes are numbers, one that is alike means something else.
        nearest = None if any(map(str.isdecimal, cell)) else nearest_of(cell, codes)
        if nearest:
            cure = f"Did you mean “{nearest}”?"
        else:
            cure = f"Use one of these: {listed(codes, 12)}." if codes else "Leave the cell empty."
        raise Unreadable(f"{quoted(cell)} is not a known code.", cure)

    return read


def many_of(codes: Collection[str], separator: str = ";") -> Callable[[str], tuple[str, ...]]:
    """Some of the codes, each once, in the order of the cell."""
    read_one = one_of(codes)

    def read(cell: str) -> tuple[str, ...]:
        parts = (part.strip() for part in cell.split(separator))
        found = tuple(dict.fromkeys(read_one(part) for part in parts if part))
        if not found:
            raise Unreadable(f"{quoted(cell)} holds no code.", "Write one, or leave the cell empty.")
        return found

    return read


def lines(separator: str = ";") -> Callable[[str], tuple[str, ...]]:
    """Some lines of text, as of an address; line breaks separate as well where the column allows them."""

    def read(cell: str) -> tuple[str, ...]:
        parts = (part.strip() for part in cell.replace("\n", separator).split(separator))
        found = tuple(_no_formula(part) for part in parts if part)
        if not found:
            raise Unreadable(f"{quoted(cell)} holds no text.", "Write some, or leave the cell empty.")
        return found

    return read


def email_address(cell: str) -> str:
    """One address that can stand in a mail header as it is; its domain comes back in lower case."""
    example = "for example name@body.example"
    if re.search(r"[\s<>()\[\]\\\",;:]", cell) or cell.count("@") > 1:
        raise Unreadable(
            f"{quoted(cell)} is not one plain e-mail address.",
            f"Write one address and nothing else, {example}.",
        )
    local, _, domain = cell.rpartition("@")
    if len(cell) > 254 or len(local) > 64:
        raise Unreadable(
            "The e-mail address is too long.", "Check it: 254 characters at most, 64 before the @."
        )
    if not cell.isascii() or not cell.isprintable():
        raise Unreadable(
            f"{quoted(cell)} has characters that not every mail server takes.",
            "Write it without accents; a domain with accents has a spelling that begins with xn--.",
        )
    if not mailable(cell):
        raise Unreadable(
            f"{quoted(cell)} is not an e-mail address.",
            f"Write a name, one @ and a domain with a dot, {example}.",
        )
    return f"{_no_formula(local)}@{domain.lower()}"


def telephone(cell: str) -> str:
    """A telephone number in any usual form; it may begin with +."""
    digits = sum(character in "0123456789" for character in cell)
    if not re.fullmatch(r"\+?[0-9 ().-]+(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", cell) or not 3 <= digits <= 20:
        raise Unreadable(f"{quoted(cell)} is not a telephone number.", "Write it like 020 7946 0000.")
    return re.sub(" +", " ", cell)


def web_address(cell: str) -> str:
    """The address of a page, with https:// put before it where nothing stands there."""
    written = cell if "://" in cell else f"https://{cell}"
    if not is_web_address(written):
        raise Unreadable(
            f"{quoted(cell)} is not the address of a website.", "Write it like https://www.body.example."
        )
    return written


def postcode(cell: str) -> str:
    """A postcode of the United Kingdom, as W10 0XX: capitals, one space."""
    packed = re.sub(r"\s", "", cell).upper()
    if not re.fullmatch(
        r"(?:[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-Z]?|GIR)[0-9][ABD-HJLNP-UW-Z]{2}", packed, re.ASCII
    ):
        raise Unreadable(
            f"{quoted(cell)} is not a UK postcode.",
            "Write it like W10 0XX; check O against 0 and I against 1.",
        )
    return f"{packed[:-3]} {packed[-3:]}"
