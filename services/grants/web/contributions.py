"""Contributions: what is pledged, what comes of it, what goes back."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import (
    new_key,
    pounds,
    read_form,
    read_id,
    see,
    site_of,
)
from services.grants import contributions, ledger
from services.grants.contributions import Pledge, Receipt, Said
from services.grants.queries import FUNDS
from services.grants.web.bodies import offered, read_body
from services.grants.web.forms import Act, Fields, submit
from services.grants.web.hrefs import contribution_href, fund_href, pledge_href
from services.grants.web.people import People
from services.grants.web.pressing import pledge, press

#: Pledges that can be chosen from.
MOST = 200

_DONE = {
    "matched": "Said. This pledge, and every other that names the same, has its fund.",
    "written_back": "Written back. Nobody waits for it any more.",
    "expected_again": "Taken back. It is waited for again.",
    "refunded": "Given back. It is out of the ledger’s free money.",
}


#: What was said of what has not come of a pledge, after how much.
_STEPS = {
    Said.WRITTEN_BACK: "was written back",
    Said.REPLACED: "was written back",
    Said.EXPECTED_AGAIN: "is waited for again",
}


async def show_receipt(request: Request) -> Response:
    """The form for money that came."""
    return await _receipt(
        request, read_id(request), {"pledge": request.query_params.get("pledge", "")[:36]}, {}
    )


async def receive(request: Request) -> Response:
    """Enter money that came, or show the form again with every fault."""
    site, id = site_of(request), read_id(request)
    fields = Fields(await read_form(request))
    async with site.database.reading() as tx:
        known = {str(row["id"]): row["id"] for row in await _open_pledges(tx, id)} | {"": None}
        pledge_id = fields.one_of("pledge", known)
        organisation_id = None if pledge_id else await read_body(tx, fields, "body")
    today = site.context.clock.today()
    receipt = Receipt(
        amount_pence=fields.pounds("amount") or 0,
        received_on=fields.day("received_on", latest=today) or today,
        bank_reference=fields.line("bank_reference", most=100),
        organisation_id=organisation_id,
        pledge_id=pledge_id,
    )

    async def act(tx: Transaction) -> Response:
        await contributions.receive(tx, id, receipt)
        return see(f"{fund_href(id)}?done=received")

    return await submit(request, fields, act, partial(_receipt, request, id))


async def _receipt(
    request: Request, id: UUID, values: Mapping[str, Any], faults: Mapping[str, Any], status: int = 200
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        fund = await FUNDS.fund_by_id(tx, id=id)
        if fund is None:
            raise NotFound
        pledges = await _open_pledges(tx, id)
        bodies = await offered(tx)
    names = ("pledge", "body", "amount", "received_on", "bank_reference")
    return site.page(
        request,
        "receive.html",
        status=status,
        fund=fund,
        href=fund_href(id),
        values=dict.fromkeys(names, "") | dict(values),
        faults=faults,
        pledges=[{"code": str(row["id"]), "name": _pledge_words(row)} for row in pledges],
        bodies=bodies,
        key=new_key(request),
    )


async def _open_pledges(tx: Transaction, fund_id: UUID) -> list[Mapping[str, Any]]:
    rows = [row async for row in FUNDS.pledges_of(tx, fund_id=fund_id, most=MOST)]
    return [row for row in rows if _still_to_come(row)]


def _still_to_come(row: Mapping[str, Any]) -> int:
    return int(row["amount_pence"] - row["received_pence"] - row["written_back_pence"])


def _pledge_words(row: Mapping[str, Any]) -> str:
    body = row["body_name"] or "A body whose name is still on its way"
    return f"{body}: {pounds(_still_to_come(row))} to come"


async def show_pledging(request: Request) -> Response:
    """The form for a pledge that came by no campaign."""
    return await _pledging(request, read_id(request), {}, {})


async def enter_pledge(request: Request) -> Response:
    """Enter a pledge, or show the form again with every fault."""
    site, id = site_of(request), read_id(request)
    fields = Fields(await read_form(request))
    async with site.database.reading() as tx:
        organisation_id = await read_body(tx, fields, "body")
    today = site.context.clock.today()
    pledge = Pledge(
        organisation_id=organisation_id,
        amount_pence=fields.pounds("amount") or 0,
        pledged_on=fields.day("pledged_on", latest=today) or today,
    )

    async def act(tx: Transaction) -> Response:
        await contributions.enter_pledge(tx, id, pledge)
        return see(f"{fund_href(id)}?done=pledged")

    return await submit(request, fields, act, partial(_pledging, request, id))


async def _pledging(
    request: Request, id: UUID, values: Mapping[str, Any], faults: Mapping[str, Any], status: int = 200
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        fund = await FUNDS.fund_by_id(tx, id=id)
        if fund is None:
            raise NotFound
        bodies = await offered(tx)
    return site.page(
        request,
        "pledge_new.html",
        status=status,
        fund=fund,
        href=fund_href(id),
        values=dict.fromkeys(("body", "amount", "pledged_on"), "") | dict(values),
        faults=faults,
        bodies=bodies,
        key=new_key(request),
    )


async def show_pledge(request: Request) -> Response:
    """A pledge: for which fund, what came of it, what is still to come."""
    return await _pledge(request, read_id(request), {}, {})


async def _pledge(
    request: Request, id: UUID, values: Mapping[str, Any], faults: Mapping[str, Any], status: int = 200
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        pledge = await FUNDS.pledge_by_id(tx, id=id)
        if pledge is None:
            raise NotFound
        came = [row async for row in FUNDS.contributions_to_pledge(tx, pledge_id=id)]
        funds = [row async for row in FUNDS.funds_listed(tx)] if pledge["fund_id"] is None else []
        steps = await contributions.steps_of(tx, id)
        people = await People.of(tx, [step["person_id"] for step in steps])
    fund_id, was_replaced = pledge["fund_id"], contributions.was_replaced(steps)
    return site.page(
        request,
        "pledge.html",
        status=status,
        pledge=pledge,
        open_pence=_still_to_come(pledge),
        href=pledge_href(id),
        fund_href=fund_href(fund_id) if fund_id else None,
        receive_href=f"{fund_href(fund_id)}/receive?pledge={id}" if fund_id else None,
        funds=[{"code": str(row["id"]), "name": row["name"]} for row in funds if not row["closed_on"]],
        came=[{**row, "href": contribution_href(row["id"])} for row in came],
        history=[_step(row, people) for row in steps],
        was_replaced=was_replaced,
        may_expect_again=pledge["written_back_pence"] > 0 and not was_replaced,
        values={"fund": "", "reason": "", "why_again": "", **values},
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _step(row: Mapping[str, Any], people: People) -> Mapping[str, Any]:
    return {
        "at": row["happened_at"] or "Before we kept the day",
        "what": f"{pounds(row['amount_pence'])} {_STEPS[row['what']]}",
        "detail": row["words"],
        "source_words": people.by(row["person_id"]),
        "href": None,
    }


async def say_which_fund(request: Request) -> Response:
    """Say which fund the name in a pledge means."""
    site, id = site_of(request), read_id(request)
    fields = Fields(await read_form(request))
    async with site.database.reading() as tx:
        known = {str(row["id"]): row["id"] async for row in FUNDS.funds_listed(tx)}
    fund_id = fields.one_of("fund", known)

    async def act(tx: Transaction) -> Response:
        await contributions.say_which_fund(tx, id, fund_id)
        return see(f"{pledge_href(id)}?done=matched")

    return await _submit(request, id, fields, act)


async def write_back(request: Request) -> Response:
    """What has not come of a pledge will not come."""
    id = read_id(request)
    fields = Fields(await read_form(request))
    reason = fields.words("reason", most=500)

    async def act(tx: Transaction) -> Response:
        await contributions.write_back(tx, id, reason)
        return see(f"{pledge_href(id)}?done=written_back")

    return await _submit(request, id, fields, act)


async def expect_again(request: Request) -> Response:
    """What was written back of a pledge is waited for after all."""
    id = read_id(request)
    fields = Fields(await read_form(request))
    reason = fields.words("why_again", most=500)

    async def act(tx: Transaction) -> Response:
        await contributions.expect_again(tx, id, reason)
        return see(f"{pledge_href(id)}?done=expected_again")

    return await _submit(request, id, fields, act)


async def _submit(request: Request, id: UUID, fields: Fields, act: Act) -> Response:
    pressed = partial(press, of=pledge(id), does={}, back=pledge_href(id))
    return await submit(request, fields, act, partial(_pledge, request, id), pressed)


async def show_contribution(request: Request) -> Response:
    """Money that came: from whom, when, and what of it went back."""
    return await _contribution(request, read_id(request), {}, {})


async def _contribution(
    request: Request, id: UUID, values: Mapping[str, Any], faults: Mapping[str, Any], status: int = 200
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        given = await FUNDS.contribution_by_id(tx, id=id)
        if given is None:
            raise NotFound
        balance = await ledger.balance(tx, given["fund_id"])
        people = await People.of(tx, [given["entered_by"]])
    pledge = given["pledge_id"]
    return site.page(
        request,
        "contribution.html",
        status=status,
        given=given,
        entered_who=people.by(given["entered_by"]),
        left_pence=given["amount_pence"] - given["refunded_pence"],
        free_pence=balance.free_pence,
        href=contribution_href(id),
        fund_href=fund_href(given["fund_id"]),
        pledge_href=pledge_href(pledge) if pledge else None,
        values={"amount": "", "on": "", **values},
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def refund(request: Request) -> Response:
    """Give money back to whoever gave it."""
    site, id = site_of(request), read_id(request)
    fields = Fields(await read_form(request))
    today = site.context.clock.today()
    pence, on = fields.pounds("amount") or 0, fields.day("on", latest=today) or today

    async def act(tx: Transaction) -> Response:
        await contributions.refund(tx, id, pence, on)
        return see(f"{contribution_href(id)}?done=refunded")

    return await submit(request, fields, act, partial(_contribution, request, id))
