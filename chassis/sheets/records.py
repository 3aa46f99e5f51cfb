"""Records: the lines of a file, split into cells; one that is broken is named by what broke it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from chassis.sheets.cells import Column, Limits, long_cell
from chassis.sheets.faults import Fault
from chassis.sheets.words import header_key


class _RowTooLong(Exception):
    """The row is longer than the limit; what was read of it is in `Lines.held`."""


class Lines:
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

    def __iter__(self) -> Lines:
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
class Record:
    line: int
    cells: list[str]


def find_separator(physical: Lines, known: Mapping[str, Column]) -> str:
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
    return sum(header_key(cell) in known for cell in cells), len(cells)


def records_of(physical: Lines, separator: str, limits: Limits) -> Iterator[Record | Fault]:
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
            yield Record(begins, cells)


def _broken_row(
    physical: Lines, begins: int, separator: str, limits: Limits, too_long: bool
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
        return fault(*long_cell(limits)), False
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
