"""Where one begins: counts, money and bodies, and no person."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields
from starlette.requests import Request
from starlette.responses import Response

from chassis.house import Entry
from chassis.web import give, signed_in, site_of
from contracts.access import Action, may
from contracts.envelope import WholeNumber
from services.grants.domain import price_of_not_integrating
from services.grants.queries import QUERIES


class CountDocument(Schema):
    """How many people of one profession live in one area."""

    area = fields.String(required=True)
    area_name = fields.String(required=True)
    profession = fields.String(required=True)
    profession_name = fields.String(required=True)
    count = WholeNumber(required=True)
    counted_on = fields.Date(required=True)


class CountsDocument(Schema):
    """How many people are registered."""

    total = WholeNumber(required=True)
    counts = fields.List(fields.Nested(CountDocument), required=True)


#: Pledges that the home page shows.
MOST_PLEDGES = 200


async def home(request: Request) -> Response:
    """Who is registered where, the price of not integrating, and what was pledged."""
    site, query = site_of(request), request.query_params.get("q", "").strip()[:100]
    async with site.database.reading() as tx:
        counts = [row async for row in QUERIES.counts(tx)]
        may_read = may(Action.READ_PLEDGES, signed_in(request).roles)
        pledges = [row async for row in QUERIES.pledges(tx, most=MOST_PLEDGES)] if may_read else []
        pledged_pence = await QUERIES.pledged_pence(tx)
    total = sum(row["count"] for row in counts)
    rows = _by_area(counts, site.context.house.lists)
    response: Response = site.page(
        request,
        "home.html",
        total=total,
        rows=[row for row in rows if query.casefold() in row["name"].casefold()],
        query=query,
        price=price_of_not_integrating(total) if total else None,
        pledges=pledges,
        pledged_pence=pledged_pence,
        as_of=max((pledge["heard_at"] for pledge in pledges), default=None),
    )
    return response


async def list_counts(request: Request) -> Response:
    """How many are registered by area and profession."""
    site = site_of(request)
    async with site.database.reading() as tx:
        counts = [row async for row in QUERIES.counts(tx)]
    lists = site.context.house.lists
    return give(
        CountsDocument,
        {
            "total": sum(row["count"] for row in counts),
            "counts": [
                {
                    "area": row["area"],
                    "area_name": _name(lists["areas"], row["area"]),
                    "profession": row["profession"],
                    "profession_name": _name(lists["professions"], row["profession"]),
                    "count": row["count"],
                    "counted_on": row["counted_on"],
                }
                for row in counts
            ],
        },
    )


def _by_area(counts: list[Any], lists: Mapping[str, Mapping[str, Entry]]) -> list[dict[str, Any]]:
    """One row for each area, in the order of names, with its count for each profession."""
    areas: dict[str, dict[str, int]] = {}
    for row in counts:
        areas.setdefault(row["area"], {})[_name(lists["professions"], row["profession"])] = row["count"]
    rows: list[dict[str, Any]] = [
        {
            "name": _name(lists["areas"], area),
            "total": sum(by_profession.values()),
            "by_profession": by_profession,
        }
        for area, by_profession in areas.items()
    ]
    return sorted(rows, key=lambda row: str(row["name"]).casefold())


def _name(entries: Mapping[str, Entry], code: str) -> str:
    """The name of a code; the code itself when the list has it no more."""
    return entries[code].name if code in entries else code
