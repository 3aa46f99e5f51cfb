"""The ledger of a fund, as a page and as a table to take away."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.web import BadRequest, give_table, read_id, site_of
from contracts.access import PEOPLE
from services.grants import ledger
from services.grants.ledger import Kind
from services.grants.queries import FUNDS, LEDGER
from services.grants.web.hrefs import award_href, contribution_href, fund_href
from services.grants.web.people import People

#: Entries on one page, and in one part of the table that is taken away.
PAGE, PART = 100, 1_000

#: What a step is called, and which way money goes at the bank.
STEPS: Mapping[Kind, tuple[str, int]] = {
    Kind.RECEIVED: ("Received", 1),
    Kind.REFUNDED: ("Given back to the funder", -1),
    Kind.COMMITTED: ("Committed to an award", 0),
    Kind.RELEASED: ("Released from an award", 0),
    Kind.PAID: ("Paid for an award", -1),
    Kind.RETURNED: ("Came back from an award", 1),
}


#: Where nobody of ours has entered it: whoever was awarded the money said no, or did not answer in time.
_NOBODY = "None of us: an applicant, or a last day that was over"


async def show(request: Request) -> Response:
    """Every step of a fund's money, newest first."""
    site, id = site_of(request), read_id(request)
    before = _before(request)
    async with site.database.reading() as tx:
        fund = await FUNDS.fund_by_id(tx, id=id)
        if fund is None:
            raise NotFound
        rows = [row async for row in LEDGER.entries_before(tx, fund_id=id, before=before, most=PAGE + 1)]
        balance = await ledger.balance(tx, id)
        people = await People.of(tx, [row["person_id"] for row in rows])
    href = f"{fund_href(id)}/ledger"
    return site.page(
        request,
        "ledger.html",
        fund=fund,
        href=fund_href(id),
        balance=balance,
        entries=[_entry(row, people) for row in rows[:PAGE]],
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


def _entry(row: Mapping[str, Any], people: People) -> dict[str, Any]:
    words, sign = STEPS[Kind(row["kind"])]
    person = row["person_id"]
    return {
        **row,
        "words": words,
        "sign": sign,
        "contribution_href": contribution_href(row["contribution_id"]) if row["contribution_id"] else None,
        "award_href": award_href(row["award_id"]) if row["offered"] else None,
        "who": people.name(person) if person else _NOBODY,
        "who_href": f"{PEOPLE}/{person}" if person else None,
    }


async def download(request: Request) -> Response:
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
        row["reference"],
        row["contribution_id"],
        _decimal(row["held_pence"]),
        _decimal(row["free_pence"]),
        row["person_id"],
    )


def _decimal(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02}"
