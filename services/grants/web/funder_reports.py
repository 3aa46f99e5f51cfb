"""What a funder is told of a fund, for some time: on a page, on paper and as a table."""

import asyncio
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.errors import NotFound
from chassis.web import CSV, PDF, BadRequest, give_made, read_id, site_of, table
from services.grants.funder_reports import Period, report, tell
from services.grants.queries import FUNDS
from services.grants.telling import Told, lines_of, print_told
from services.grants.web.forms import Fields
from services.grants.web.hrefs import fund_href, report_href


async def show(request: Request) -> Response:
    """The page, also where a day cannot be used: then with what is wrong."""
    site, id, fields = site_of(request), read_id(request), _asked(request)
    async with site.database.reading() as tx:
        fund = await _fund(tx, id)
        period = _period(fields, fund, _today(request))
        found = await report(tx, id, period)
    asked = f"from={period.first}&to={period.last}"
    return site.page(
        request,
        "funder_report.html",
        status=422 if fields.faults else 200,
        fund=fund,
        fund_href=fund_href(id),
        href=report_href(id),
        story=tell(found, fund, period, _today(request)),
        values={"from": period.first.isoformat(), "to": period.last.isoformat()} | _kept(fields),
        faults=fields.faults,
        files=[(words, f"{report_href(id)}.{ending}?{asked}") for words, ending in _FILES],
    )


_FILES = (("PDF", "pdf"), ("CSV", "csv"))


async def as_pdf(request: Request) -> Response:
    """The report on paper."""
    told, name = await _told(request)
    house = site_of(request).context.house
    return give_made(name, PDF, await asyncio.to_thread(print_told, told, house.name, _today(request)))


async def as_csv(request: Request) -> Response:
    """The report as a table."""
    told, name = await _told(request)
    return give_made(name, CSV, table(("Part", "Line", "What", "Value"), lines_of(told)))


async def _told(request: Request) -> tuple[Told, str]:
    """A report in words, and what its file is called.

    Raises:
        BadRequest: when a day cannot be used.
    """
    id, fields = read_id(request), _asked(request)
    async with site_of(request).database.reading() as tx:
        fund = await _fund(tx, id)
        period = _period(fields, fund, _today(request))
        if fields.faults:
            raise BadRequest("There is no such time.", "Choose the days on the page of the report.")
        found = await report(tx, id, period)
    name = f"report-{period.first}-{period.last}"
    return tell(found, fund, period, _today(request)), name


async def _fund(tx: Any, id: UUID) -> Any:
    fund = await FUNDS.fund_by_id(tx, id=id)
    if fund is None:
        raise NotFound
    return fund


def _asked(request: Request) -> Fields:
    return Fields(FormData([*request.query_params.multi_items()]))


def _kept(fields: Fields) -> dict[str, str]:
    return {name: value for name, value in fields.values.items() if value}


def _period(fields: Fields, fund: Any, today: Any) -> Period:
    """The time that an address asks for: since the fund was opened, where nothing can be read."""
    first = fields.day("from", required=False) or min(fund["opened_on"], today)
    last = fields.day("to", required=False, latest=today)
    if last is not None and last < first:
        fields.add_fault("to", "This is before the first day.", "Choose a later day.")
    if last is None or fields.faults:
        return Period(first=min(fund["opened_on"], today) if fields.faults else first, last=today)
    return Period(first=first, last=last)


def _today(request: Request) -> Any:
    return site_of(request).context.clock.now().astimezone(LOCAL).date()
