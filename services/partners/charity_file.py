"""The register of charities of England and Wales, as the Charity Commission gives it out: a list in JSON.

Read as a stream, one charity after another, so that its length costs no memory. A "line" is here the number
of a charity in the list, because the whole of it may stand on one line.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from chassis import sheets
from chassis.sheets import Column, Fault, Row, Unreadable
from services.partners.capitals import readable
from services.partners.lines import PassedOver, if_usable, line_of
from services.partners.partners_file import website

PREFIX = "GB-CHC-"

#: Of what the file speaks.
COLUMNS = (
    *("name", "opened_on", "closed_on"),
    *("postal_address", "postcode", "telephone", "website"),
)

_ADDRESS = tuple(f"charity_contact_address{number}" for number in range(1, 6))

#: Faults after which the rest is not read.
_MOST_FAULTS = 1_000

#: Lists within lists, at the most.
_DEEPEST = 16

_EXPORT_AGAIN = "Download the extract again, as JSON, and choose it as it is."


def read(source: Path | bytes) -> Iterator[Row | Fault | PassedOver]:
    """The charities of the file."""
    try:
        with _Text(source) as text:
            yield from _entries(text)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        yield _of_file(f"The file cannot be read: {reason}.", "Check that it is there and may be opened.")


def _entries(text: "_Text") -> Iterator[Row | Fault | PassedOver]:
    # As floats, or a number of some thousand figures ends the process: the library makes an integer of it.
    faults, number, entries = 0, 0, _listed(ijson.basic_parse(text, use_float=True))
    for number in count(1):
        try:
            entry = next(entries)
        except StopIteration:
            break
        except Unreadable as why:
            yield _of_file(why.fault, why.cure)
            return
        except (ijson.JSONError, ValueError, RecursionError):
            what = f"What follows entry {number - 1:,} is not JSON." if number > 1 else "This is not JSON."
            yield Fault(line=number - 1, column=None, fault=what, cure=_EXPORT_AGAIN)
            return
        item = _charity(number, entry)
        yield item
        faults += isinstance(item, Fault)
        if faults == _MOST_FAULTS:
            yield _of_file(f"There are {faults:,} faults already; the rest was not read.", _EXPORT_AGAIN)
            return
    if number == 1:
        yield _of_file("There is no list of charities in this file.", _EXPORT_AGAIN)


def _listed(events: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """The things of a list, one by one: each a mapping of names to plain values, or a plain value.

    What is nested deeper says nothing to us. How deep is bounded, because a file may be made to do harm.
    """
    depth, entry, name = 0, dict[str, Any](), ""
    for event, value in events:
        match event:
            case "start_array" | "start_map":
                depth += 1
                if depth > _DEEPEST or (depth == 1 and event == "start_map"):
                    raise ValueError
                if depth == 2:
                    entry = {}
            case "end_array" | "end_map":
                if depth == 2:
                    yield entry if event == "end_map" else None
                depth -= 1
            case "map_key":
                name = value
            case _ if depth == 1:
                yield value
            case _ if depth == 2:
                entry[name] = value


def _charity(number: int, entry: Any) -> Row | Fault | PassedOver:
    """One charity of the list."""
    if not isinstance(entry, Mapping):
        return Fault(line=number, column=None, fault="This entry is not a charity.", cure=_EXPORT_AGAIN)
    column = "registered_charity_number"
    try:
        code = _cell(entry, column, _number)
        if code is None:
            raise Unreadable("The charity has no number.", "Add it, or delete the entry.")
        column = "charity_name"
        name = _cell(entry, column, sheets.text(200))
        if name is None:
            raise Unreadable("The charity has no name.", "Add it, or delete the entry.")
        if _cell(entry, "linked_charity_number", str) not in (None, "0"):
            return PassedOver(
                line=number,
                name=readable(name),
                reason=f"It belongs to charity {code} and has no number of its own.",
            )
        column = "date_of_registration"
        opened = _cell(entry, column, _day)
        column = "date_of_removal"
        closed = _cell(entry, column, _day)
        if opened and closed and closed < opened:
            raise Unreadable("It was removed before it was registered.", "Correct one of the two dates.")
    except Unreadable as why:
        return Fault(line=number, column=column, fault=why.fault, cure=why.cure)
    address = [_cell(entry, each, if_usable(sheets.text(200))) for each in _ADDRESS]
    said = {
        "identifier": f"{PREFIX}{code}",
        "name": readable(name),
        "opened_on": opened,
        "closed_on": closed,
        "postal_address": tuple(readable(line) for line in address if line) or None,
        "postcode": _cell(entry, "charity_contact_postcode", if_usable(sheets.postcode)),
        "telephone": _cell(entry, "charity_contact_phone", if_usable(sheets.telephone)),
        "website": _cell(entry, "charity_contact_web", if_usable(website)),
    }
    return line_of(number, said)


def _cell(entry: Mapping[str, Any], name: str, read: Any) -> Any:
    """What an entry says under a name, read as a cell of a table would be; nothing when it says nothing."""
    value = entry.get(name)
    if value is None or isinstance(value, bool | Mapping | list):
        return None
    return sheets.read_cell(Column(name=name, read=read), str(value))


def _number(cell: str) -> str:
    if not re.fullmatch("[1-9][0-9]{4,7}", cell):
        raise Unreadable("This is not the number of a charity.", "Write its 5 to 8 figures.")
    return cell


def _day(cell: str) -> date:
    """``1962-09-17T00:00:00``; the time says nothing."""
    return sheets.iso_date(re.sub(r"T[0-9:.]*Z?$", "", cell))


def _of_file(fault: str, cure: str) -> Fault:
    return Fault(line=0, column=None, fault=fault, cure=cure)


class _Text:
    """The bytes of a file, which must be UTF-8; the mark with which it may begin is left out."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._begun = False
        #: The line, as an editor counts it, up to which it is good.
        self.line = 1

    def __enter__(self) -> "_Text":
        self._stream: BinaryIO = (
            io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")
        )
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        if size == 0:  # as a reader asks that wants to know of which kind it is
            return b""
        part = self._stream.read(size)
        if not self._begun and part:
            self._begun = True
            part = part.removeprefix(codecs.BOM_UTF8)
            part = part or self._stream.read(size)
        try:
            self._decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            self.line += part.count(b"\n", 0, max(error.start, 0))
            raise Unreadable(
                f"Line {self.line:,} of the file has a character that cannot be decoded.",
                "Save the file as UTF-8, or download it again.",
            ) from None
        self.line += part.count(b"\n")
        return part
