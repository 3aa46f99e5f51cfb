"""Where one begins: counts, money and bodies, and no person."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields
from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.house import Entry
from chassis.web import give, signed_in, site_of
from contracts.access import Action, may
from contracts.envelope import WholeNumber
from services.grants import ledger
from services.grants.domain import price_of_not_integrating
from services.grants.queries import FUNDS, QUERIES, ROUNDS
from services.grants.today import needed
from services.grants.web.funds import listed, round_listed
from services.grants.web.hrefs import pledge_href


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


#: What the first page shows of each at the most.
MOST_PLEDGES, MOST_NEEDED, MOST_ROUNDS = 50, 20, 8


async def home(request: Request) -> Response:
    """What waits for whom, what money there is, which rounds there are, and who is registered where."""
    site, query = site_of(request), request.query_params.get("q", "").strip()[:100]
    roles = signed_in(request).roles
    async with site.database.reading() as tx:
        counts = [row async for row in QUERIES.counts(tx)]
        money = await _money(tx) if may(Action.READ_FUNDS, roles) else {}
        may_read = may(Action.READ_PLEDGES, roles)
        pledges = [row async for row in FUNDS.pledges(tx, most=MOST_PLEDGES)] if may_read else []
        pledged_pence = await FUNDS.pledged_pence(tx)
        balance = await ledger.balance_of_all(tx)
    total = sum(row["count"] for row in counts)
    rows = _by_area(counts, site.context.house.lists)
    return site.page(
        request,
        "home.html",
        total=total,
        rows=[row for row in rows if query.casefold() in row["name"].casefold()],
        query=query,
        price=price_of_not_integrating(total) if total else None,
        pledges=[{**row, "href": pledge_href(row["id"])} for row in pledges],
        pledged_pence=pledged_pence,
        balance=balance,
        as_of=max((pledge["heard_at"] for pledge in pledges), default=None),
        **{"needed": [], "funds": [], "rounds": [], **money},
    )


async def _money(tx: Transaction) -> dict[str, Any]:
    """The part of the page that is about single funds and rounds."""
    today = tx.now.astimezone(LOCAL).date()
    return {
        "needed": await needed(tx, today, MOST_NEEDED),
        "funds": [listed(row) async for row in FUNDS.funds_listed(tx)],
        "rounds": [round_listed(row) async for row in ROUNDS.rounds_listed(tx, most=MOST_ROUNDS)],
    }


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
