"""The register of the NHS in the older form of its Organisation Data Service: a CSV file for each kind.

27 columns without a header, capitals, dates as ``20010401``. What a body belongs to (column 15) is not who
took over from it: that register names successors elsewhere, so it is not taken for one.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from chassis import sheets
from chassis.sheets import Column, Fault, Header, Notice, Row, Unreadable, read_sheet
from services.partners.capitals import readable
from services.partners.lines import if_usable, line_of

PREFIX = "GB-NHS-"

#: Of what the file speaks.
COLUMNS = ("name", "opened_on", "closed_on", "postal_address", "postcode", "telephone")

_WIDTH = 27
_ADDRESS = ("address_1", "address_2", "address_3", "address_4", "address_5")
#: The columns by their place, counted from 1.
_PLACES = {1: "code", 2: "name", 10: "postcode", 11: "opened", 12: "closed", 18: "telephone"}
_PLACES |= dict(enumerate(_ADDRESS, 5))
_NAMES = tuple(_PLACES.get(place, "") for place in range(1, _WIDTH + 1))


def looks_like(header: Header) -> bool:
    """Whether a first line is one of this register: as many cells, a code, and days or nothing."""
    cells = header.spelt
    return (
        header.width == _WIDTH
        and bool(cells and re.fullmatch(r"[A-Z0-9]{2,10}", cells[0]))
        and all(re.fullmatch(r"([0-9]{8})?", day) for day in cells[10:12])
    )


def read(source: Path | bytes) -> Iterator[Row | Fault | Notice]:
    """The bodies of the file."""
    for item in read_sheet(source, _columns(), names=_NAMES, headed=False):
        if not isinstance(item, Row):
            yield item
            continue
        cells = item.cells
        if cells["opened"] and cells["closed"] and cells["closed"] < cells["opened"]:
            yield Fault(
                line=item.line,
                column="closed",
                fault="It closed before it opened.",
                cure="Correct one of the two dates.",
            )
            continue
        said = {
            "identifier": f"{PREFIX}{cells['code']}",
            "name": readable(cells["name"]),
            "postal_address": tuple(readable(cells[each]) for each in _ADDRESS if cells[each]) or None,
            "postcode": cells["postcode"],
            "opened_on": cells["opened"],
            "closed_on": cells["closed"],
            "telephone": cells["telephone"],
        }
        yield line_of(item.line, said)


def _columns() -> list[Column]:
    return [
        Column(name="code", read=_code, required=True),
        Column(name="name", read=sheets.text(200), required=True),
        *(Column(name=name, read=sheets.text(200)) for name in _ADDRESS),
        Column(name="postcode", read=if_usable(sheets.postcode)),
        Column(name="opened", read=_day),
        Column(name="closed", read=_day),
        Column(name="telephone", read=if_usable(sheets.telephone)),
    ]


def _code(cell: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{2,10}", cell):
        raise Unreadable(
            "This is not a code of the NHS.", "Write its capital letters and figures, such as 5LA."
        )
    return cell


def _day(cell: str) -> date:
    cure = "Write it as year, month and day without anything between, for example 20120331."
    if not re.fullmatch("[0-9]{8}", cell):
        raise Unreadable("This is not a date.", cure)
    try:
        return date.fromisoformat(f"{cell[:4]}-{cell[4:6]}-{cell[6:]}")
    except ValueError:
        raise Unreadable("This is no day of the calendar.", cure) from None
