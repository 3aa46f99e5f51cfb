"""The price of not integrating: what is lost in a year, by which formula, on assumptions that can be changed.

The assumptions stand in the address, so that a page can be kept, sent on and printed as it is.
"""

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.web import pounds, signed_in, site_of
from contracts.access import Action, may
from services.grants.disclosure import LEAST
from services.grants.domain import Price, price_of_not_integrating
from services.grants.queries import QUERIES
from services.grants.web.forms import Fields

HREF = "/grants/price"

#: Of a hundred people: how many could find work, in the chart.
_SHARES = (100, 75, 50, 25, 10)
_MOST_PEOPLE = 999_999


async def show(request: Request) -> Response:
    """The page, also where an assumption cannot be used: then with what is usual, and with what is wrong."""
    site, usual = site_of(request), price_of_not_integrating()
    fields = Fields(FormData([*request.query_params.multi_items()]))
    price = _read(fields, usual) or usual
    async with site.database.reading() as tx:
        registered = (await QUERIES.totals(tx))["registrations"]
    if registered < LEAST and not may(Action.READ_SMALL_COUNTS, signed_in(request).roles):
        registered = 0
    return site.page(
        request,
        "price.html",
        status=422 if fields.faults else 200,
        price=price,
        usual=usual,
        values=_values(price) | {name: value for name, value in fields.values.items() if value},
        faults=fields.faults,
        steps=[{"percent": percent, "price": price.if_some_worked(percent)} for percent in _SHARES],
        tax_share=round(100 * price.income_tax_each_pence / price.salary_pence)
        if price.salary_pence
        else None,
        registered=registered,
        registered_href=f"{HREF}?people={registered}" if registered else None,
        href=HREF,
    )


def _read(fields: Fields, usual: Price) -> Price | None:
    """What an address assumes; nothing where it cannot be read."""
    fields.values["people"] = str(fields.values.get("people", "")).replace(",", "")
    count = fields.number("people", least=1, most=_MOST_PEOPLE, required=False)
    each = {
        "income_tax_each_pence": fields.pounds("tax", required=False),
        "national_insurance_each_pence": fields.pounds("insurance", required=False),
        "salary_pence": fields.pounds("salary", required=False),
    }
    if fields.faults:
        return None
    said: dict[str, Any] = {name: pence for name, pence in each.items() if pence is not None}
    return Price(count=count or usual.count, **said)


def _values(price: Price) -> dict[str, str]:
    return {
        "people": str(price.count),
        "tax": pounds(price.income_tax_each_pence).removeprefix("£"),
        "insurance": pounds(price.national_insurance_each_pence).removeprefix("£"),
        "salary": pounds(price.salary_pence).removeprefix("£"),
    }
