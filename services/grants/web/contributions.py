"""Contributions: what is pledged, what comes of it, what goes back; and the ledger it stands in."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import (
    BadRequest,
    give_table,
    new_key,
    pounds,
    read_form,
    read_id,
    see,
    signed_in,
    site_of,
)
from contracts.access import PEOPLE
from services.grants import contributions, ledger
from services.grants.contributions import Pledge, Receipt
from services.grants.ledger import Kind
from services.grants.queries import FUNDS, LEDGER
from services.grants.web.bodies import offered, read_body
from services.grants.web.forms import Fields, submit
from services.grants.web.hrefs import contribution_href, fund_href, pledge_href

#: Entries of the ledger on one page, and in one part of the table that is taken away.
PAGE, PART = 100, 1_000
#: Pledges that can be chosen from.
MOST = 200

#: What a step is called, and which way money goes at the bank.
STEPS: Mapping[Kind, tuple[str, int]] = {
    Kind.RECEIVED: ("Received", 1),
    Kind.REFUNDED: ("Given back to the funder", -1),
    Kind.COMMITTED: ("Committed to an award", 0),
    Kind.RELEASED: ("Released from an award", 0),
    Kind.PAID: ("Paid for an award", -1),
    Kind.RETURNED: ("Came back from an award", 1),
}

_DONE = {
    "matched": "Said. This pledge, and every other that names the same, has its fund.",
    "written_back": "Written back. Nobody waits for it any more.",
    "refunded": "Given back. It is out of the ledger’s free money.",
}


async def show_ledger(request: Request) -> Response:
    """Every step of a fund's money, newest first."""
    site, id = site_of(request), read_id(request)
    before = _before(request)
    async with site.database.reading() as tx:
        fund = await FUNDS.fund_by_id(tx, id=id)
        if fund is None:
            raise NotFound
        rows = [row async for row in LEDGER.entries_before(tx, fund_id=id, before=before, most=PAGE + 1)]
        balance = await ledger.balance(tx, id)
    href = f"{fund_href(id)}/ledger"
    me = signed_in(request).id
    return site.page(
        request,
        "ledger.html",
        fund=fund,
        href=fund_href(id),
        balance=balance,
        entries=[_entry(row, me) for row in rows[:PAGE]],
        csv_href=f"{href}.csv",
        older_href=f"{href}?before={rows[PAGE - 1]['number']}" if len(rows) > PAGE else None,
        newer_href=href if before <= balance.entries else None,
    )


def _before(request: Request) -> int:
    text = request.query_params.get("before", "")
    if not text:
        return 2**62
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadRequest("There is no such page of this ledger.", "Begin it again.")
    return int(text)


def _entry(row: Mapping[str, Any], me: UUID) -> dict[str, Any]:
    words, sign = STEPS[Kind(row["kind"])]
    person = row["person_id"]
    return {
        **row,
        "words": words,
        "sign": sign,
        "contribution_href": contribution_href(row["contribution_id"]) if row["contribution_id"] else None,
        "award": str(row["award_id"])[-8:] if row["award_id"] else None,
        "who": "You" if person == me else f"Colleague {str(person)[-8:]}" if person else "Conduit itself",
        "who_href": f"{PEOPLE}/{person}" if person else None,
    }


async def download_ledger(request: Request) -> Response:
    """The whole ledger as CSV, oldest first."""
    database, id = site_of(request).database, read_id(request)
    async with database.reading() as tx:
        if await FUNDS.fund_by_id(tx, id=id) is None:
            raise NotFound
    head = (
        "Number",
        "Day",
        "Entered",
        "Step",
        "Amount (£)",
        "Body",
        "Award",
        "Contribution",
        "At the bank (£)",
    )

    async def parts() -> AsyncIterator[list[Sequence[object]]]:
        after = 0
        while True:
            async with database.reading() as tx:
                rows = [row async for row in LEDGER.entries_after(tx, fund_id=id, after=after, most=PART)]
            if not rows:
                return
            after = rows[-1]["number"]
            yield [_cells(row) for row in rows]

    return give_table(f"ledger-{id}.csv", (*head, "Free to commit (£)", "Entered by"), parts())


def _cells(row: Mapping[str, Any]) -> Sequence[object]:
    return (
        row["number"],
        row["happened_on"],
        row["recorded_at"].isoformat(timespec="seconds"),
        STEPS[Kind(row["kind"])][0],
        _decimal(row["amount_pence"]),
        row["body_name"],
        row["award_id"],
        row["contribution_id"],
        _decimal(row["held_pence"]),
        _decimal(row["free_pence"]),
        row["person_id"],
    )


def _decimal(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02}"


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

    async def again(status: int) -> Response:
        return await _receipt(request, id, fields.values, fields.faults, status)

    return await submit(request, fields, act, again)


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

    async def again(status: int) -> Response:
        return await _pledging(request, id, fields.values, fields.faults, status)

    return await submit(request, fields, act, again)


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
    fund_id = pledge["fund_id"]
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
        values={"fund": "", "reason": "", **values},
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


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

    async def again(status: int) -> Response:
        return await _pledge(request, id, fields.values, fields.faults, status)

    return await submit(request, fields, act, again)


async def write_back(request: Request) -> Response:
    """What has not come of a pledge will not come."""
    id = read_id(request)
    fields = Fields(await read_form(request))
    reason = fields.words("reason", most=500)

    async def act(tx: Transaction) -> Response:
        await contributions.write_back(tx, id, reason)
        return see(f"{pledge_href(id)}?done=written_back")

    async def again(status: int) -> Response:
        return await _pledge(request, id, fields.values, fields.faults, status)

    return await submit(request, fields, act, again)


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
    pledge = given["pledge_id"]
    return site.page(
        request,
        "contribution.html",
        status=status,
        given=given,
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

    async def again(status: int) -> Response:
        return await _contribution(request, id, fields.values, fields.faults, status)

    return await submit(request, fields, act, again)
