"""Reads a table out of a file that somebody exported from somewhere, line by line, in bounded memory.

Every fault comes back with its line, its column, what is wrong and what to do about it; nothing is
guessed silently.  A line is either a `Row`, with every cell converted, or one `Fault` or more.  This
module does not know what the columns mean: it gets a `Column` for each, with a reader for its cells.

What it accepts: UTF-8 with or without a byte order mark, UTF-16 with one, Windows-1252 (with a
`Notice`); commas, semicolons or tabs; any line ending; quoted cells that span lines.  Text is
normalised to NFC, every kind of space to a plain one, and space around a cell is dropped.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

from chassis.writing import UNSEEN, mailable

__all__ = [
    "Column",
    "Fault",
    "Header",
    "Limits",
    "Notice",
    "Row",
    "Unreadable",
    "email_address",
    "inert",
    "iso_date",
    "lines",
    "many_of",
    "money_pence",
    "not_a_table",
    "one_of",
    "postcode",
    "read_cell",
    "read_header",
    "read_sheet",
    "telephone",
    "text",
    "web_address",
    "whole_number",
]

Item = TypeVar("Item")

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


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something in the file that cannot be used; it quotes at most 40 characters of a cell.

    It goes to the person who imports and never to a log, because the cell may be about a person.
    """

    #: The line as an editor counts it; 0 when the fault is the whole file's.
    line: int
    #: The header as the file spells it.
    column: str | None
    fault: str
    cure: str

    def __str__(self) -> str:
        where = f"Line {self.line}" if self.line else ""
        if self.column is not None:
            where += f", column “{self.column}”" if where else f"Column “{self.column}”"
        said = f"{_sentence(self.fault)} {_sentence(self.cure)}"
        return f"{where}: {said}" if where else said


@dataclass(frozen=True)
class Notice:
    """Something that the person who imports should look at, although nothing is wrong."""

    #: A code for machines.
    kind: str
    notice: str

    def __str__(self) -> str:
        return self.notice


@dataclass(frozen=True)
class Row:
    """One line of the table; every known column is in `cells`, None where it is empty or absent."""

    #: The line on which the row begins.
    line: int
    cells: Mapping[str, Any]


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


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line of a file beside the columns that are expected."""

    #: How many cells it has.
    width: int
    #: What stands in them up to the last that is not empty, as it can safely be shown.
    spelt: tuple[str, ...]
    #: For each cell the name of the column that it names, or None.
    names: tuple[str | None, ...]
    #: For each cell the name of the column that it is most like, or None.
    likely: tuple[str | None, ...]
    #: The first lines under it, as they can safely be shown.
    samples: tuple[tuple[str, ...], ...]


_LIMITS = Limits()


def read_header(
    source: Path | bytes, columns: Sequence[Column], *, samples: int = 2, limits: Limits | None = None
) -> Header | Fault:
    """What the first line of a file names, and the first few lines under it; or why it is no table."""
    limits = limits or _LIMITS
    known = _by_header(columns)

    def begin(physical: _Lines) -> Iterator[Header | Fault]:
        records = _records(physical, _find_separator(physical, known), limits)
        first = next(records, None)
        if first is None:
            yield _empty()
        elif isinstance(first, Fault):
            yield first
        else:
            yield _described(first, [item for item, _ in zip(records, range(samples), strict=False)], known)

    for item in _read(source, begin, limits):
        if not isinstance(item, Notice):
            return item
    return _empty()


def _described(first: _Record, following: Sequence[_Record | Fault], known: Mapping[str, Column]) -> Header:
    cells = _without_trailing_empty(first.cells)
    names = {column.name for column in known.values()}
    found = [known.get(_header_key(cell)) for cell in cells]
    return Header(
        width=len(first.cells),
        spelt=tuple(_shown(cell.strip()) for cell in cells),
        names=tuple(column.name if column else None for column in found),
        likely=tuple(_nearest(cell, names) for cell in cells),
        samples=tuple(
            tuple(_shown(cell.strip()) for cell in item.cells)
            for item in following
            if isinstance(item, _Record)
        ),
    )


def read_sheet(
    source: Path | bytes,
    columns: Sequence[Column],
    *,
    names: Sequence[str] | None = None,
    headed: bool = True,
    limits: Limits | None = None,
) -> Iterator[Row | Fault | Notice]:
    """Yields the rows of the file and the faults in it, in the order of its lines.

    A line with a fault yields no row.  Reading goes on after a fault as long as the lines that follow
    make sense: not after a header that cannot be used, nor after a quotation mark that nothing closes.

    Args:
        names: the column that each cell of a line is, whatever the header says; where it is empty, the cell
            is left out.
        headed: whether the first line is a header. Where there is none, give the names.
    """
    limits = limits or _LIMITS
    known = _by_header(columns)

    def read(physical: _Lines) -> Iterator[Row | Fault]:
        return _read_table(physical, known, names, headed, limits)

    return _up_to_limit(_read(source, read, limits), limits)


def _up_to_limit(items: Iterator[Row | Fault | Notice], limits: Limits) -> Iterator[Row | Fault | Notice]:
    faults = 0
    for item in items:
        yield item
        faults += isinstance(item, Fault)
        if faults == limits.faults:
            yield _file_fault(
                f"There are {faults:,} faults already; the rest of the file was not read.",
                "Correct these first: what causes many of them is often one thing.",
            )
            return


def _read(
    source: Path | bytes, read: Callable[[_Lines], Iterator[Item]], limits: Limits
) -> Iterator[Item | Fault | Notice]:
    try:
        size = len(source) if isinstance(source, bytes) else _size(source)
        refusal = _size_fault(size, limits)
        if refusal:
            yield refusal
            return
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
            yield from _read_stream(stream, read, limits)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        yield _file_fault(f"The file cannot be read: {reason}.", "Check that it is there and may be opened.")


def _read_stream(
    stream: BinaryIO, read: Callable[[_Lines], Iterator[Item]], limits: Limits
) -> Iterator[Item | Fault | Notice]:
    head = stream.read(65_536)
    refusal = not_a_table(head)
    if refusal:
        yield refusal
        return
    stream.seek(0)
    encoding = _encoding(stream, head)
    if encoding == "cp1252":
        yield Notice(
            "windows-1252",
            "The file is not UTF-8, so it was read as Windows-1252. Check the accents and pound signs.",
        )
    stream.seek(0)
    # What does not decode becomes U+FFFD, which no cell may hold: so the fault has a line and a column.
    with io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline=None) as decoded:
        yield from read(_Lines(decoded, limits))


def _read_table(
    physical: _Lines,
    known: Mapping[str, Column],
    names: Sequence[str] | None,
    headed: bool,
    limits: Limits,
) -> Iterator[Row | Fault]:
    separator = _find_separator(physical, known)
    records = _records(physical, separator, limits)
    first = next(records, None) if headed else _Record(0, list(names or ()))
    if first is None:
        yield _empty()
        return
    if isinstance(first, Fault):
        yield first
        return
    header = _Header(first, known, names, limits)
    yield from header.faults
    if not header.usable:
        return
    physical.names = header.spelt
    empty = True
    for record in records:
        empty = False
        if isinstance(record, Fault):
            yield record
        else:
            yield from _row(record, header, limits)
    if empty:
        yield Fault(
            line=header.line,
            column=None,
            fault="The file has a header and no lines under it." if headed else "The file has no lines.",
            cure="Export it again and check that the table is not filtered to nothing.",
        )


# Files and encodings


def _size(path: Path) -> int:
    """The size in bytes; only a plain file can be read twice, which finding the encoding needs."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a file")
    return path.stat().st_size


def _size_fault(size: int, limits: Limits) -> Fault | None:
    if size == 0:
        return _empty()
    if size > limits.file_bytes:
        return _file_fault(
            f"The file has {size:,} bytes; at most {limits.file_bytes:,} are read.",
            "Split it into smaller files, each with the header.",
        )
    return None


#: What files begin with when they are no tables of text, and what to call them.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "a word-processor document"),
    (b"SQLite format 3\x00", "a database"),
    (b"\xff\xfe\x00\x00", "text in UTF-32"),
    (b"\x00\x00\xfe\xff", "text in UTF-32"),
)


def not_a_table(head: bytes) -> Fault | None:
    """Names the kind of a file that is no table of text, by what it begins with; nothing where it may be."""
    kind = next((name for start, name in _SIGNATURES if head.startswith(start)), None)
    if head.startswith(b"PK\x03\x04"):
        kind = _zip_kind(head)
    elif re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|table|meta|style)", head, re.IGNORECASE):
        kind = "a web page or XML"
    elif kind is None and _looks_like_utf16(head):
        kind = "text in UTF-16 without a byte order mark"
    if kind is None:
        return None
    if kind.startswith("a compressed"):
        return _file_fault(f"This is {kind}.", "Unpack it and import the CSV file that is in it.")
    return _file_fault(f"This is {kind}, not a CSV file.", SAVE_AS_CSV)


def _zip_kind(head: bytes) -> str:
    if b"opendocument.spreadsheet" in head:
        return "a LibreOffice workbook"
    if b"xl/" in head:
        return "an Excel workbook"
    if b"[Content_Types].xml" in head:
        return "an Office document (a workbook, perhaps)"
    return "a compressed file (zip)"


def _looks_like_utf16(head: bytes) -> bool:
    """Every other byte of Western text in UTF-16 is NUL; a stray NUL is found with its cell later."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or len(head) < 4:
        return False
    even, odd = head[0::2].count(0), head[1::2].count(0)
    return max(even, odd) * 4 > len(head) and min(even, odd) * 10 < max(even, odd)


def _encoding(stream: BinaryIO, head: bytes) -> str:
    """Decides the encoding from the whole file, because its first accent may be in its last line.

    Windows-1252 is believed only when no character at all reads as UTF-8; a file with some of both is
    taken for damaged UTF-8, whose bad characters then become faults.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    stray = False
    while True:
        block = stream.read(65_536)
        decoded = decoder.decode(block, final=not block)
        if not decoded.isascii():
            if re.search("[^\x00-\x7f\udc80-\udcff]", decoded):
                return "utf-8"
            stray = True
        if not block:
            return "cp1252" if stray else "utf-8"


# Lines and records


class _RowTooLong(Exception):
    """The row is longer than the limit; what was read of it is in `_Lines.held`."""


class _Lines:
    """The file's lines for the csv module; it holds those of the row at hand, up to a row's limit.

    The csv module asks for another line while a quotation mark is open: held lines tell where it opened.
    """

    def __init__(self, decoded: TextIO, limits: Limits) -> None:
        self._decoded = decoded
        self._limit = limits.row
        self._again: str | None = None
        self._length = 0
        #: The number of the last line read.
        self.number = 0
        #: The lines of the row at hand.
        self.held: list[str] = []
        #: The headers, once they are known, to name columns in faults.
        self.names: tuple[str, ...] = ()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._decoded.readline(self._limit + 1) if self._again is None else self._again
        self._again = None
        if not line:
            raise StopIteration
        self.number += 1
        self.held.append(line[: self._limit - self._length])
        self._length += len(line)
        if self._length > self._limit:
            self._skip_rest(line)
            raise _RowTooLong
        return line

    def _skip_rest(self, line: str) -> None:
        while line and not line.endswith("\n"):
            line = self._decoded.readline(65_536)

    def begin_row(self) -> None:
        self.held.clear()
        self._length = 0

    def put_back(self, line: str) -> None:
        """Gives the last line read once more."""
        self._again = line
        self.number -= 1
        self.begin_row()


@dataclass(frozen=True)
class _Record:
    line: int
    cells: list[str]


def _find_separator(physical: _Lines, known: Mapping[str, Column]) -> str:
    """Takes the separator that finds most known headers in the first line that is not blank."""
    try:
        for line in physical:
            directive = re.fullmatch(r'"?sep=([,;\t])"?\s*', line, re.IGNORECASE)
            if directive and physical.number == 1:
                return directive[1]
            if line.strip():
                physical.put_back(line)
                return max(",;\t", key=lambda separator: _headers_found(line, separator, known))
            physical.begin_row()
    except _RowTooLong:
        # The line once more, too long still, so that reading it as a record reports it.
        physical.put_back("".join(physical.held) + " ")
    return ","


def _headers_found(line: str, separator: str, known: Mapping[str, Column]) -> tuple[int, int]:
    try:
        cells = next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return 0, 0
    return sum(_header_key(cell) in known for cell in cells), len(cells)


def _records(physical: _Lines, separator: str, limits: Limits) -> Iterator[_Record | Fault]:
    """Splits lines into cells; blank lines, and lines of separators only, are skipped."""
    rows = csv.reader(physical, delimiter=separator, strict=True)
    while True:
        physical.begin_row()
        begins = physical.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, _RowTooLong) as error:
            fault, ends = _broken_row(physical, begins, separator, limits, isinstance(error, _RowTooLong))
            yield fault
            if ends:
                return
            continue
        if any(cell and not cell.isspace() for cell in cells):
            yield _Record(begins, cells)


def _broken_row(
    physical: _Lines, begins: int, separator: str, limits: Limits, too_long: bool
) -> tuple[Fault, bool]:
    """Says why the held lines are no row, and whether the lines after them are lost as well."""
    held = "".join(physical.held)
    kind, index, start = _find_break(held, separator, limits)
    line = begins + held.count("\n", 0, start)
    column = physical.names[index] if index < len(physical.names) else None

    def fault(what: str, cure: str) -> Fault:
        return Fault(line=line, column=column, fault=what, cure=cure)

    if kind == "open" and not (too_long and len(physical.held) == 1):
        return fault(
            'A quotation mark (") opens a cell here and nothing closes it; the lines after it were not read.',
            "Close it at the end of the cell, and write a quotation mark that belongs to the text twice.",
        ), True
    if kind == "stray":
        return fault(
            'A cell that begins with a quotation mark (") goes on after the mark that closes it.',
            "Write each quotation mark that belongs to the text twice, and one at each end of the cell.",
        ), False
    if kind in ("open", "long"):
        return fault(*_long_cell(limits)), False
    line, column = begins, None
    if too_long:
        return fault(
            f"The row has more than {limits.row:,} characters.",
            "Check that the file has line breaks between its rows, and shorten the longest cells.",
        ), False
    return fault(
        "The line cannot be split into cells.", "Type the line again or export the file again."
    ), False


def _find_break(held: str, separator: str, limits: Limits) -> tuple[str, int, int]:
    """Walks the cells up to the first that is broken: its kind of fault, its index and where it starts."""
    bare = re.compile(f"[^{separator}\n]*")
    index = at = 0
    while at < len(held):
        start = at
        if held[at] == '"':
            at = _closing_quote(held, at + 1)
            if at < 0:
                return "open", index, start
            if at < len(held) and held[at] not in (separator, "\n"):
                return "stray", index, start
        else:
            at = bare.match(held, at).end()  # type: ignore[union-attr]  # it matches nothing, at least
        if at - start > limits.cell:
            return "long", index, start
        if held[at : at + 1] == "\n":
            break
        index, at = index + 1, at + 1
    return "", 0, 0


def _closing_quote(held: str, at: int) -> int:
    """The position after the mark that closes a quoted cell, or -1."""
    while (at := held.find('"', at)) >= 0:
        if held[at + 1 : at + 2] != '"':
            return at + 1
        at += 2
    return -1


def _long_cell(limits: Limits) -> tuple[str, str]:
    return f"The cell has more than {limits.cell:,} characters.", "Shorten it."


# Headers and rows


class _Header:
    """The first line of the table: which cell belongs to which column, and what is wrong with it."""

    def __init__(
        self,
        record: _Record,
        known: Mapping[str, Column],
        names: Sequence[str] | None,
        limits: Limits,
    ) -> None:
        self.line = record.line
        headers = _without_trailing_empty(record.cells)
        #: The headers as the file spells them, without the empty ones that trailing separators leave.
        self.spelt = tuple(_shown(header.strip()) for header in headers)
        #: For each cell its column, or None where the header is unknown or comes twice.
        self.columns: list[Column | None] = []
        #: Every column by its own name.
        self.known = {column.name: column for column in known.values()}
        self.faults: list[Fault] = []
        #: Whether the lines below can be read at all.
        self.usable = True
        if len(self.spelt) > limits.columns:
            self._fault(
                None,
                f"The header has {len(self.spelt):,} columns; at most {limits.columns:,} are read.",
                "Delete the columns that are not needed.",
            )
            self.usable = False
            return
        if names is None:
            self._match([known.get(_header_key(header)) for header in headers])
        else:
            self._take(names)

    def _take(self, names: Sequence[str]) -> None:
        """Each cell is the column that was said."""
        self.spelt = tuple(
            spelt or name for spelt, name in itertools.zip_longest(self.spelt, names, fillvalue="")
        )
        self.columns = [self.known.get(name) for name in names]
        self._miss()
        self.usable = not self.faults

    def _fault(self, column: str | None, fault: str, cure: str) -> None:
        self.faults.append(Fault(line=self.line, column=column, fault=fault, cure=cure))

    def _match(self, found: list[Column | None]) -> None:
        if not any(found) and not any(_nearest(spelt, self.known) for spelt in self.spelt):
            self._fault(
                None,
                "The first line is not a header: it names none of the columns that are expected.",
                f"Put the names of the columns there: {_listed(self.known)}.",
            )
            self.usable = False
            return
        for position, (spelt, column) in enumerate(zip(self.spelt, found, strict=True), start=1):
            if column is None:
                self._refuse(position, spelt)
            elif column in self.columns:
                self._fault(spelt, f"The column “{column.name}” comes twice.", "Delete one of the two.")
                self.columns.append(None)
                continue
            self.columns.append(column)
        self._miss()
        self.usable = any(self.columns)

    def _refuse(self, position: int, spelt: str) -> None:
        if not spelt:
            self._fault(None, f"Column {position} has no name.", "Name it in the header, or delete it.")
            return
        nearest = _nearest(spelt, self.known)
        self._fault(
            spelt,
            "There is no such column.",
            f"Did you mean “{nearest}”? If not, delete the column."
            if nearest
            else f"Delete it, or give it one of these names: {_listed(self.known)}.",
        )

    def _miss(self) -> None:
        required = [column for column in self.known.values() if column.required]
        missing = [column.name for column in required if column not in self.columns]
        if missing:
            self._fault(
                None,
                f"The header lacks the column{'s' if len(missing) > 1 else ''} {_listed(missing)}.",
                "Add what is missing; its place does not matter.",
            )


def _row(record: _Record, header: _Header, limits: Limits) -> Iterator[Row | Fault]:
    given = len(record.cells)
    wanted = len(header.columns)
    if given > wanted:
        given = len(_without_trailing_empty(record.cells))
    if given > wanted or given < wanted:
        more = given > wanted
        yield Fault(
            line=record.line,
            column=None,
            fault=f"The line has {_counted(given)} and the header {wanted}.",
            cure='Put a cell that contains the separator in quotation marks ("…").'
            if more
            else "Add a separator for every empty cell, and check that the line is not broken in two.",
        )
        return
    cells: dict[str, Any] = dict.fromkeys(header.known)
    good = True
    for spelt, column, cell in zip(header.spelt, header.columns, record.cells[:wanted], strict=True):
        if column is None:
            continue
        try:
            cells[column.name] = read_cell(column, cell, limits)
        except Unreadable as why:
            good = False
            yield Fault(line=record.line, column=spelt, fault=why.fault, cure=why.cure)
    if good:
        yield Row(record.line, cells)


def read_cell(column: Column, cell: str, limits: Limits = _LIMITS) -> object:
    """What one cell says; None where it is empty.

    Raises:
        Unreadable: says why it cannot be used and what to write instead.
    """
    if len(cell) > limits.cell:
        raise Unreadable(*_long_cell(limits))
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
        raise Unreadable(f"{_quoted(cell)} cannot be used here.", "Correct it.") from None


def _by_header(columns: Sequence[Column]) -> dict[str, Column]:
    """Finds each column by any of its headers; two columns that share one are a mistake of the caller."""
    known: dict[str, Column] = {}
    for column in columns:
        for header in (column.name, *column.aliases):
            if known.setdefault(_header_key(header), column) is not column:
                raise ValueError(f"two columns are called {header!r}")
    return known


def _header_key(header: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", header).strip().casefold())


def _without_trailing_empty(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


# Characters and words

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
                f"The cell contains a character that cannot be decoded: {_quoted(cell)}.",
                f"Correct it. {SAVE_AS_CSV}",
            )
        case character:
            raise Unreadable(f"The cell contains an invisible character (U+{ord(character):04X}).", RETYPE)


def _sentence(words: str) -> str:
    return words if words.endswith((".", "?", "!")) else f"{words}."


def _shown(words: str, most: int = 40) -> str:
    """The words as they can safely be printed on a line, at most so many characters of them."""
    cut = words if len(words) <= most else words[: most - 1] + "…"
    return "".join(character if character.isprintable() else "·" for character in cut)


def _quoted(cell: str) -> str:
    return f"“{_shown(cell)}”"


def _listed(words: Collection[str], most: int = 40) -> str:
    names = [f"“{word}”" for word in list(words)[:most]]
    if len(words) > most:
        names.append(f"{len(words) - most:,} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells:,} cells"


def _nearest(word: str, names: Collection[str]) -> str | None:
    """The known name most like the word, whatever its case, if any is like it at all."""
    by_key = {_header_key(name): name for name in names}
    near = difflib.get_close_matches(_header_key(word[:100]), by_key, n=1, cutoff=0.65)
    return by_key[near[0]] if near else None


def _file_fault(fault: str, cure: str) -> Fault:
    return Fault(line=0, column=None, fault=fault, cure=cure)


def _empty() -> Fault:
    return _file_fault(
        "The file is empty.", "Export it again, with the names of the columns in its first line."
    )


# Readers of cells


#: With their full-width twins, which some spreadsheets read alike.
_FORMULA_BEGINS = frozenset("=@+-\uff1d\uff20\uff0b\uff0d")


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
            raise Unreadable(f"{_quoted(cell)} is a spreadsheet's error.", "Write the value itself.")
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
            f"{_quoted(cell)} begins with “{begins}”, so a spreadsheet would run it as a formula.",
            f"Remove the “{begins}” at the beginning.",
        )
    return cell


def iso_date(cell: str) -> date:
    """A date written as 2012-02-29 and in no other way, because 3/4/2012 is a day in March or in April."""
    cure = "Write it as year-month-day, for example 2012-03-31."
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        raise Unreadable(f"{_quoted(cell)} is not a date.", cure)
    try:
        return date.fromisoformat(cell)
    except ValueError:
        raise Unreadable(f"{_quoted(cell)} is no day of the calendar.", cure) from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number in plain digits, both ends included."""

    def read(cell: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", cell):
            raise Unreadable(
                f"{_quoted(cell)} is not a whole number.", "Write digits only, for example 1200."
            )
        number = int(cell)
        if not least <= number <= most:
            raise Unreadable(
                f"{_quoted(cell)} is out of range.", f"Write a number from {least:,} to {most:,}."
            )
        return number

    return read


def money_pence(cell: str) -> int:
    """An amount in pounds, such as £3,400 or 3400.50, as whole pence; never negative."""
    amount = re.fullmatch(r"£? ?([0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.([0-9]{2}))?", cell)
    if amount is None:
        raise Unreadable(f"{_quoted(cell)} is not an amount in pounds.", "Write it like 3400 or 3,400.50.")
    return int(amount[1].replace(",", "")) * 100 + int(amount[2] or 0)


def one_of(codes: Collection[str]) -> Callable[[str], str]:
    """One of the codes, spelt exactly so."""

    def read(cell: str) -> str:
        if cell in codes:
            return cell
        # Where codes are numbers, one that is alike means something else.
        nearest = None if any(map(str.isdecimal, cell)) else _nearest(cell, codes)
        if nearest:
            cure = f"Did you mean “{nearest}”?"
        else:
            cure = f"Use one of these: {_listed(codes, 12)}." if codes else "Leave the cell empty."
        raise Unreadable(f"{_quoted(cell)} is not a known code.", cure)

    return read


def many_of(codes: Collection[str], separator: str = ";") -> Callable[[str], tuple[str, ...]]:
    """Some of the codes, each once, in the order of the cell."""
    read_one = one_of(codes)

    def read(cell: str) -> tuple[str, ...]:
        parts = (part.strip() for part in cell.split(separator))
        found = tuple(dict.fromkeys(read_one(part) for part in parts if part))
        if not found:
            raise Unreadable(f"{_quoted(cell)} holds no code.", "Write one, or leave the cell empty.")
        return found

    return read


def lines(separator: str = ";") -> Callable[[str], tuple[str, ...]]:
    """Some lines of text, as of an address; line breaks separate as well where the column allows them."""

    def read(cell: str) -> tuple[str, ...]:
        parts = (part.strip() for part in cell.replace("\n", separator).split(separator))
        found = tuple(_no_formula(part) for part in parts if part)
        if not found:
            raise Unreadable(f"{_quoted(cell)} holds no text.", "Write some, or leave the cell empty.")
        return found

    return read


def email_address(cell: str) -> str:
    """One address that can stand in a mail header as it is; its domain comes back in lower case."""
    example = "for example name@body.example"
    if re.search(r"[\s<>()\[\]\\\",;:]", cell) or cell.count("@") > 1:
        raise Unreadable(
            f"{_quoted(cell)} is not one plain e-mail address.",
            f"Write one address and nothing else, {example}.",
        )
    local, _, domain = cell.rpartition("@")
    if len(cell) > 254 or len(local) > 64:
        raise Unreadable(
            "The e-mail address is too long.", "Check it: 254 characters at most, 64 before the @."
        )
    if not cell.isascii() or not cell.isprintable():
        raise Unreadable(
            f"{_quoted(cell)} has characters that not every mail server takes.",
            "Write it without accents; a domain with accents has a spelling that begins with xn--.",
        )
    if not mailable(cell):
        raise Unreadable(
            f"{_quoted(cell)} is not an e-mail address.",
            f"Write a name, one @ and a domain with a dot, {example}.",
        )
    return f"{_no_formula(local)}@{domain.lower()}"


def telephone(cell: str) -> str:
    """A telephone number in any usual form; it may begin with +."""
    digits = sum(character in "0123456789" for character in cell)
    if not re.fullmatch(r"\+?[0-9 ().-]+(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", cell) or not 3 <= digits <= 20:
        raise Unreadable(f"{_quoted(cell)} is not a telephone number.", "Write it like 020 7946 0000.")
    return re.sub(" +", " ", cell)


def web_address(cell: str) -> str:
    """The address of a page, with https:// put before it where nothing stands there."""
    written = cell if "://" in cell else f"https://{cell}"
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    usable = re.fullmatch(
        rf"https?://{label}(?:\.{label})+(?::[0-9]{{1,5}})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?", written
    )
    if not usable or len(written) > 300:
        raise Unreadable(
            f"{_quoted(cell)} is not the address of a website.", "Write it like https://www.body.example."
        )
    return written


def postcode(cell: str) -> str:
    """A postcode of the United Kingdom, as W10 0XX: capitals, one space."""
    packed = re.sub(r"\s", "", cell).upper()
    if not re.fullmatch(
        r"(?:[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-Z]?|GIR)[0-9][ABD-HJLNP-UW-Z]{2}", packed, re.ASCII
    ):
        raise Unreadable(
            f"{_quoted(cell)} is not a UK postcode.",
            "Write it like W10 0XX; check O against 0 and I against 1.",
        )
    return f"{packed[:-3]} {packed[-3:]}"
