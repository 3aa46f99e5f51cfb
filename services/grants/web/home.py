"""Where one begins: counts, money and bodies, and no person."""

from collections.abc import Iterable
from typing import Any

from marshmallow import Schema, fields
from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.web import give, signed_in, site_of
from contracts.access import Action, may
from contracts.envelope import WholeNumber
from services.grants import ledger
from services.grants.demographics import Crossed, cross, names_of
from services.grants.domain import price_of_not_integrating
from services.grants.queries import FUNDS, QUERIES, ROUNDS
from services.grants.today import needed, to_make
from services.grants.web.funds import listed, round_listed
from services.grants.web.hrefs import pledge_href


class CountDocument(Schema):
    """How many people of one profession live in one area."""

    area = fields.String(required=True)
    area_name = fields.String(required=True)
    profession = fields.String(required=True)
    profession_name = fields.String(required=True)
    #: Nothing where it is so small, or tells so much of a small one, that it is not for whoever asks.
    count = WholeNumber(required=True, allow_none=True)
    counted_on = fields.Date(required=True)


class CountsDocument(Schema):
    """How many people are registered."""

    #: Nothing where fewer than five are, and that is not for whoever asks.
    total = WholeNumber(required=True, allow_none=True)
    counts = fields.List(fields.Nested(CountDocument), required=True)


#: What the first page shows of each at the most.
MOST_PLEDGES, MOST_NEEDED, MOST_ROUNDS = 50, 20, 8


async def home(request: Request) -> Response:
    """What waits for whom, what money there is, which rounds there are, and who is registered where."""
    site, query = site_of(request), request.query_params.get("q", "").strip()[:100]
    roles = signed_in(request).roles
    async with site.database.reading() as tx:
        counts = [row async for row in QUERIES.counts(tx)]
        money = await _money(tx, roles) if may(Action.READ_FUNDS, roles) else {}
        to_pay = await to_make(tx, signed_in(request).id) if may(Action.MAKE_PAYMENTS, roles) else None
        may_read = may(Action.READ_PLEDGES, roles)
        pledges = [row async for row in FUNDS.pledges(tx, most=MOST_PLEDGES)] if may_read else []
        pledged_pence = await FUNDS.pledged_pence(tx)
        balance = await ledger.balance_of_all(tx)
    table = _crossed(request, counts)
    total = table.total.count
    return site.page(
        request,
        "home.html",
        table=table,
        lines=[line for line in table.lines if query.casefold() in line.name.casefold()],
        most=max((line.total.count or 0 for line in table.lines if line.code), default=0),
        query=query,
        to_pay=to_pay,
        price=price_of_not_integrating(total) if total else None,
        pledges=[{**row, "href": pledge_href(row["id"])} for row in pledges],
        pledged_pence=pledged_pence,
        balance=balance,
        as_of=max((pledge["heard_at"] for pledge in pledges), default=None),
        **{"needed": [], "funds": [], "rounds": [], **money},
    )


async def _money(tx: Transaction, roles: Iterable[str]) -> dict[str, Any]:
    """The part of the page that is about single funds and rounds."""
    today = tx.now.astimezone(LOCAL).date()
    return {
        "needed": await needed(tx, today, MOST_NEEDED, roles),
        "funds": [listed(row) async for row in FUNDS.funds_listed(tx)],
        "rounds": [round_listed(row) async for row in ROUNDS.rounds_listed(tx, most=MOST_ROUNDS)],
    }


async def list_counts(request: Request) -> Response:
    """How many are registered by area and profession."""
    site = site_of(request)
    async with site.database.reading() as tx:
        counts = [row async for row in QUERIES.counts(tx)]
    table, house = _crossed(request, counts), site.context.house
    areas = names_of(house, "area", (row["area"] for row in counts))
    professions = names_of(house, "profession", (row["profession"] for row in counts))
    return give(
        CountsDocument,
        {
            "total": table.total.count,
            "counts": [
                {
                    "area": row["area"],
                    "area_name": areas[row["area"]],
                    "profession": row["profession"],
                    "profession_name": professions[row["profession"]],
                    "count": table.number(row["area"], row["profession"]).count,
                    "counted_on": row["counted_on"],
                }
                for row in counts
            ],
        },
    )


def _crossed(request: Request, counts: list[Any]) -> Crossed:
    """The counts by area and profession, as far as whoever asks may see them."""
    house = site_of(request).context.house
    return cross(
        {(row["area"], row["profession"]): row["count"] for row in counts},
        names_of(house, "area", (row["area"] for row in counts)),
        names_of(house, "profession", (row["profession"] for row in counts)),
        whole=may(Action.READ_SMALL_COUNTS, signed_in(request).roles),
    )
