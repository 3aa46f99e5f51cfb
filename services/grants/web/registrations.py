"""Who is registered: a table by one or two traits, as bars and as a map, and to be taken away."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.house import Entry, House
from chassis.web import give_table, short_name, signed_in, site_of
from contracts.access import Action, may
from services.grants.demographics import TRAITS, Crossed, Number, alone, cross, names_of
from services.grants.queries import REGISTRATIONS

LIST = "/grants/registrations"

#: Stands in an address for no second trait.
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an address asks for; what it cannot be taken for is left out."""

    rows: str
    #: Empty where people are told apart by one trait alone.
    columns: str
    #: By trait, a code that everybody has who is counted.
    filters: Mapping[str, str]
    #: Whether every number may be shown.
    whole: bool

    @classmethod
    def of(cls, request: Request) -> "Asked":
        query = request.query_params
        rows = query.get("rows", "")
        rows = rows if rows in TRAITS else "area"
        columns = query.get("columns", "profession")
        whole = may(Action.READ_SMALL_COUNTS, signed_in(request).roles)
        filters = {trait: query.get(trait, "")[:60] for trait in TRAITS} if whole else {}
        return cls(
            rows=rows,
            columns=columns if columns in TRAITS and columns != rows else "",
            filters={trait: code for trait, code in filters.items() if code},
            whole=whole,
        )

    @property
    def query(self) -> str:
        return urlencode({"rows": self.rows, "columns": self.columns or NONE, **self.filters})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is to be shown."""

    asked: Asked
    table: Crossed
    #: The first trait by itself, for the map.
    alone: Mapping[str, Number]
    #: Codes and names of every trait that one can filter by.
    names: Mapping[str, Mapping[str, str]]


async def _find(request: Request) -> Found:
    site, asked = site_of(request), Asked.of(request)
    house = site.context.house
    async with site.database.reading() as tx:
        filters = {trait: asked.filters.get(trait) for trait in TRAITS}
        both = {"row_trait": asked.rows, "column_trait": asked.columns or asked.rows}
        rows = [row async for row in REGISTRATIONS.crossed(tx, **both, **filters)]
        countries = [row["country"] async for row in REGISTRATIONS.countries(tx)] if asked.whole else []
    across = bool(asked.columns)
    counts = {(row["row_code"], row["column_code"] if across else ""): row["count"] for row in rows}
    names = {asked.rows: names_of(house, asked.rows, (row for row, _ in counts))}
    columns = names_of(house, asked.columns, (column for _, column in counts)) if across else None
    make = partial(cross, counts, names[asked.rows], columns, whole=asked.whole)
    sums: dict[str, int] = dict.fromkeys(names[asked.rows], 0)
    for (row, _), count in counts.items():
        sums[row] += count
    return Found(
        asked=asked,
        # A large table takes a moment to find out about: others go on meanwhile.
        table=await asyncio.to_thread(make),
        alone=alone(sums, whole=asked.whole),
        names={trait: names_of(house, trait, countries if trait == "country" else ()) for trait in TRAITS},
    )


async def show(request: Request) -> Response:
    """The page."""
    found = await _find(request)
    asked, table, house = found.asked, found.table, site_of(request).context.house
    totals = [line.total.count for line in table.lines if line.code and line.total.count]
    return site_of(request).page(
        request,
        "registrations.html",
        table=table,
        asked=asked,
        rows_name=TRAITS[asked.rows],
        columns_name=TRAITS.get(asked.columns, ""),
        most=max(totals, default=0),
        traits=[{"code": code, "name": name} for code, name in TRAITS.items()],
        filters=_filters(found) if asked.whole else [],
        chosen=[
            f"{TRAITS[trait]}: {found.names[trait].get(code, code)}" for trait, code in asked.filters.items()
        ],
        tiles=_tiles(house, found) if asked.rows == "area" and table.lines else [],
        href=LIST,
        csv_href=f"{LIST}.csv?{asked.query}",
    )


def _filters(found: Found) -> list[dict[str, Any]]:
    return [
        {
            "field": trait,
            "name": name,
            "chosen": found.asked.filters.get(trait, ""),
            "options": [{"code": code, "name": said} for code, said in found.names[trait].items()],
        }
        for trait, name in TRAITS.items()
    ]


def _tiles(house: House, found: Found) -> list[dict[str, Any]]:
    """A tile for each area that has a place on the map, the darker the more people live there."""
    most = max((number.count or 0 for number in found.alone.values()), default=0)
    return [
        _tile(area, found.alone.get(code, Number(0)), most) | {"href": _href_of_area(found.asked, code)}
        for code, area in house.lists["areas"].items()
        if "column" in area.attributes
    ]


def _tile(area: Entry, number: Number, most: int) -> dict[str, Any]:
    return {
        "name": area.name,
        "short": short_name(area.name),
        "column": area.attributes["column"],
        "row": area.attributes["row"],
        "status": "",
        "status_words": number.words,
        "figure": "–" if number.count is None else number.words,
        "ask_pence": None,
        "share": (number.count or 0) / most if most else 0,
    }


def _href_of_area(asked: Asked, code: str) -> str | None:
    """Where one area is looked at more closely, by whoever may."""
    if not asked.whole or asked.filters.get("area"):
        return None
    rows = "country" if asked.columns != "country" else "exam_stage"
    said = {"rows": rows, "columns": asked.columns or NONE, **asked.filters, "area": code}
    return f"{LIST}?{urlencode(said)}"


async def download(request: Request) -> Response:
    """The same table as CSV."""
    found = await _find(request)
    table, asked = found.table, found.asked
    code = f"{TRAITS[asked.rows]} (code)"
    head = [code, TRAITS[asked.rows], *(name for _, name in table.columns), "Together"]

    async def parts() -> AsyncIterator[Iterable[Sequence[object]]]:
        yield ([line.code, line.name, *map(_cell, line.cells), _cell(line.total)] for line in table.lines)
        yield [["", "Together", *map(_cell, table.foot), _cell(table.total)]]

    return give_table("registrations.csv", head, parts())


def _cell(number: Number) -> object:
    return number.words if number.count is None else number.count
