"""Reading a table: its header beside the columns that are expected, then row by row."""

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from chassis.sheets.cells import LIMITS, Column, Limits, Unreadable, read_cell
from chassis.sheets.faults import Fault, Notice, empty_file, file_fault
from chassis.sheets.files import encoding_of, not_a_table, size_fault, size_of
from chassis.sheets.records import Lines, Record, find_separator, records_of
from chassis.sheets.words import header_key, listed, nearest_of, shown

Item = TypeVar("Item")


@dataclass(frozen=True)
class Row:
    """One line of the table; every known column is in `cells`, None where it is empty or absent."""

    #: The line on which the row begins.
    line: int
    cells: Mapping[str, Any]


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


def read_header(
    source: Path | bytes, columns: Sequence[Column], *, samples: int = 2, limits: Limits | None = None
) -> Header | Fault:
    """What the first line of a file names, and the first few lines under it; or why it is no table."""
    limits = limits or LIMITS
    known = by_header(columns)

    def begin(physical: Lines) -> Iterator[Header | Fault]:
        records = records_of(physical, find_separator(physical, known), limits)
        first = next(records, None)
        if first is None:
            yield empty_file()
        elif isinstance(first, Fault):
            yield first
        else:
            yield _described(first, [item for item, _ in zip(records, range(samples), strict=False)], known)

    for item in _read(source, begin, limits):
        if not isinstance(item, Notice):
            return item
    return empty_file()


def _described(first: Record, following: Sequence[Record | Fault], known: Mapping[str, Column]) -> Header:
    cells = without_trailing_empty(first.cells)
    names = {column.name for column in known.values()}
    found = [known.get(header_key(cell)) for cell in cells]
    return Header(
        width=len(first.cells),
        spelt=tuple(shown(cell.strip()) for cell in cells),
        names=tuple(column.name if column else None for column in found),
        likely=tuple(nearest_of(cell, names) for cell in cells),
        samples=tuple(
            tuple(shown(cell.strip()) for cell in item.cells)
            for item in following
            if isinstance(item, Record)
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
    limits = limits or LIMITS
    known = by_header(columns)

    def read(physical: Lines) -> Iterator[Row | Fault]:
        return _read_table(physical, known, names, headed, limits)

    return _up_to_limit(_read(source, read, limits), limits)


def _up_to_limit(items: Iterator[Row | Fault | Notice], limits: Limits) -> Iterator[Row | Fault | Notice]:
    faults = 0
    for item in items:
        yield item
        faults += isinstance(item, Fault)
        if faults == limits.faults:
            yield file_fault(
                f"There are {faults:,} faults already; the rest of the file was not read.",
                "Correct these first: what causes many of them is often one thing.",
            )
            return


def _read(
    source: Path | bytes, read: Callable[[Lines], Iterator[Item]], limits: Limits
) -> Iterator[Item | Fault | Notice]:
    try:
        size = len(source) if isinstance(source, bytes) else size_of(source)
        refusal = size_fault(size, limits)
        if refusal:
            yield refusal
            return
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
            yield from _read_stream(stream, read, limits)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        yield file_fault(f"The file cannot be read: {reason}.", "Check that it is there and may be opened.")


def _read_stream(
    stream: BinaryIO, read: Callable[[Lines], Iterator[Item]], limits: Limits
) -> Iterator[Item | Fault | Notice]:
    head = stream.read(65_536)
    refusal = not_a_table(head)
    if refusal:
        yield refusal
        return
    stream.seek(0)
    encoding = encoding_of(stream, head)
    if encoding == "cp1252":
        yield Notice(
            "windows-1252",
            "The file is not UTF-8, so it was read as Windows-1252. Check the accents and pound signs.",
        )
    stream.seek(0)
    # What does not decode becomes U+FFFD, which no cell may hold: so the fault has a line and a column.
    with io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline=None) as decoded:
        yield from read(Lines(decoded, limits))


def _read_table(
    physical: Lines,
    known: Mapping[str, Column],
    names: Sequence[str] | None,
    headed: bool,
    limits: Limits,
) -> Iterator[Row | Fault]:
    separator = find_separator(physical, known)
    records = records_of(physical, separator, limits)
    first = next(records, None) if headed else Record(0, list(names or ()))
    if first is None:
        yield empty_file()
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


class _Header:
    """The first line of the table: which cell belongs to which column, and what is wrong with it."""

    def __init__(
        self,
        record: Record,
        known: Mapping[str, Column],
        names: Sequence[str] | None,
        limits: Limits,
    ) -> None:
        self.line = record.line
        headers = without_trailing_empty(record.cells)
        #: The headers as the file spells them, without the empty ones that trailing separators leave.
        self.spelt = tuple(shown(header.strip()) for header in headers)
        #: For each cell its column, or None where the header is unknown or comes twice.
        self.columns: list[Column | None] = []
        #: Every column by its own name.
        self.known = {column.name: column for column in known.values()}
        self.faults: list[Fault] = []
        #: Of each column that says something else on each line: on which line what was said.
        self._said: dict[str, dict[object, int]] = {
            name: {} for name in self.known if self.known[name].unique
        }
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
            self._match([known.get(header_key(header)) for header in headers])
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
        if not any(found) and not any(nearest_of(spelt, self.known) for spelt in self.spelt):
            self._fault(
                None,
                "The first line is not a header: it names none of the columns that are expected.",
                f"Put the names of the columns there: {listed(self.known)}.",
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
        nearest = nearest_of(spelt, self.known)
        self._fault(
            spelt,
            "There is no such column.",
            f"Did you mean “{nearest}”? If not, delete the column."
            if nearest
            else f"Delete it, or give it one of these names: {listed(self.known)}.",
        )

    def check_unique(self, column: Column, value: object, line: int) -> None:
        """Remember what a cell says, where no other may say the same; also on a line with other faults.

        Raises:
            Unreadable: when an earlier line says it.
        """
        if not column.unique or value is None:
            return
        first = self._said[column.name].setdefault(value, line)
        if first != line:
            raise Unreadable(
                f"The same {column.name} stands on line {first} already, and {column.unique}.",
                f"Delete line {first} or line {line}, or correct the {column.name} on one of them.",
            )

    def _miss(self) -> None:
        required = [column for column in self.known.values() if column.required]
        missing = [column.name for column in required if column not in self.columns]
        if missing:
            self._fault(
                None,
                f"The header lacks the column{'s' if len(missing) > 1 else ''} {listed(missing)}.",
                "Add what is missing; its place does not matter.",
            )


def _row(record: Record, header: _Header, limits: Limits) -> Iterator[Row | Fault]:
    given = len(record.cells)
    wanted = len(header.columns)
    if given > wanted:
        given = len(without_trailing_empty(record.cells))
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
            header.check_unique(column, cells[column.name], record.line)
        except Unreadable as why:
            good = False
            yield Fault(line=record.line, column=spelt, fault=why.fault, cure=why.cure)
    if good:
        yield Row(record.line, cells)


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells:,} cells"


def by_header(columns: Sequence[Column]) -> dict[str, Column]:
    """Finds each column by any of its headers; two columns that share one are a mistake of the caller."""
    known: dict[str, Column] = {}
    for column in columns:
        for header in (column.name, *column.aliases):
            if known.setdefault(header_key(header), column) is not column:
                raise ValueError(f"two columns are called {header!r}")
    return known


def without_trailing_empty(cells: list[str]) -> list[str]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]
