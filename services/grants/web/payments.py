"""Payments as staff see them: the list, each one, making it, and the bank's file.

Where somebody is paid is shown on two pages alone, to whoever makes payments and has not prepared this one;
both leave a row in the audit.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import acting
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.web import (
    BadRequest,
    day,
    give_table,
    new_key,
    pounds,
    read_form,
    read_id,
    see,
    signed_in,
    site_of,
)
from chassis.web.access import actor_of, check_key
from contracts.access import Action, may
from services.grants import payments
from services.grants.awards import Paper, Payee, papers_of
from services.grants.payments import PaymentState, Why, exam_body, reference_of
from services.grants.queries import MONEY
from services.grants.reporting import Result
from services.grants.web.award_way import PAYMENT_LOOKS, WHYS, payee_in_words
from services.grants.web.awards import LONGEST_REASON, give, paper_in_words, typed_pounds
from services.grants.web.forms import Fields, submit
from services.grants.web.hrefs import PAYMENTS, award_href, payment_href
from services.grants.web.people import People
from services.grants.web.pressing import press

#: Payments on one page of the list.
PAGE = 50

_S = PaymentState
#: What the list may be narrowed to, besides what is to be prepared.
GROUPS: Mapping[str, tuple[str, tuple[PaymentState, ...], bool]] = {
    "make": ("To be made", (_S.PREPARED,), False),
    "made": ("Made", (_S.PAID, _S.RETURNED), False),
    "returned": ("Came back", (_S.PAID, _S.RETURNED), True),
    "stopped": ("Sent back or cancelled", (_S.SENT_BACK, _S.CANCELLED), False),
}
#: The same for awards: what is to be prepared, and what is to be reported.
PREPARE, REPORT = "prepare", "report"

_DONE = {
    "made": "It is kept that the payment left the bank. The applicant is told.",
    "sent-back": "The payment is sent back to the grants officer.",
    "cancelled": "The payment is cancelled.",
    "returned": "It is kept that the money came back. It is free in its fund again.",
}


async def show_all(request: Request) -> Response:
    """What is to be prepared, to be made, was made, and came back."""
    site, roles = site_of(request), signed_in(request).roles
    group, at = _asked(request)
    group = group or ("make" if may(Action.MAKE_PAYMENTS, roles) else PREPARE)
    async with site.database.reading() as tx:
        waiting = await MONEY.money_waiting(tx)
        counted = {row["state"]: row async for row in MONEY.payments_counted(tx)}
        if group == PREPARE:
            rows = [_to_prepare(tx, r) async for r in MONEY.awards_to_prepare(tx, after=at, most=PAGE + 1)]
        elif group == REPORT:
            rows = [_to_report(tx, r) async for r in MONEY.awards_to_report(tx, after=at, most=PAGE + 1)]
        else:
            _, states, came_back = GROUPS[group]
            wanted = {"states": list(states), "came_back": came_back, "before": at, "most": PAGE + 1}
            rows = [_listed(tx, row) async for row in MONEY.payments_listed(tx, **wanted)]
        to_file = await MONEY.to_file(tx, but_by=signed_in(request).id)
        people = await People.of(tx, [to_file["first_by"]])
    more = (
        f"{PAYMENTS}?{urlencode({'state': group, 'at': rows[PAGE - 1]['id']})}" if len(rows) > PAGE else None
    )
    return site.page(
        request,
        "payments.html",
        group=group,
        groups=_groups(group, waiting, counted),
        rows=rows[:PAGE],
        figures=_figures(waiting, counted),
        older_href=more,
        to_file=to_file,
        first_who=people.by(to_file["first_by"]),
        file_href=f"{PAYMENTS}/bank-file",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _asked(request: Request) -> tuple[str, UUID | None]:
    group, at = request.query_params.get("state", ""), request.query_params.get("at", "")
    if group and group not in {PREPARE, REPORT, *GROUPS}:
        raise BadRequest("There is no such group of payments.", "Choose one from the list.")
    try:
        return group, UUID(at) if at else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None


def _groups(chosen: str, waiting: Any, counted: Mapping[str, Any]) -> list[dict[str, Any]]:
    counts = {PREPARE: ("To be prepared", waiting["to_prepare"])}
    for code, (words, states, came_back) in GROUPS.items():
        column = "came_back" if came_back else "count"
        counts[code] = (words, sum(counted[state][column] for state in states if state in counted))
    counts[REPORT] = ("To be reported", waiting["to_report"])
    return [
        {"words": words, "count": count, "href": f"{PAYMENTS}?state={code}", "chosen": code == chosen}
        for code, (words, count) in counts.items()
    ]


def _figures(waiting: Any, counted: Mapping[str, Any]) -> dict[str, int]:
    """Totals, in pence."""

    def total(column: str, *states: PaymentState) -> int:
        return sum(counted[state][column] for state in states if state in counted)

    return {
        "to_prepare": waiting["to_prepare_pence"],
        "to_make": total("pence", _S.PREPARED),
        "made": total("pence", _S.PAID, _S.RETURNED),
        "returned": total("returned_pence", _S.PAID, _S.RETURNED),
    }


def _to_prepare(tx: Transaction, row: Any) -> dict[str, Any]:
    """An award of which something is to be prepared."""
    if row["missing_pence"] and not row["left_pence"]:
        lacks = "Money came back: decide"
    elif row["payee"] == "person":
        lacks = "" if row["given_at"] else "Where to pay is missing"
        lacks = lacks or _proof_lacks(row, "booking")
    else:
        lacks = _proof_lacks(row, "invoice") if row["payee"] else "They have not said how to be paid"
    return {
        **_in_words(tx, row),
        "id": row["application_id"],
        "href": award_href(row["application_id"]),
        "amount_pence": row["left_pence"] or row["missing_pence"],
        "on": row["accepted_at"],
        "look": "asked" if lacks else "ready",
        "look_words": lacks or "Ready",
    }


def _proof_lacks(row: Any, what: str) -> str:
    if row["proof_seen_at"]:
        return ""
    return f"Look at the {what}" if row["proof_came"] else f"The {what} is missing"


def _to_report(tx: Transaction, row: Any) -> dict[str, Any]:
    """A paid award that is not at its end."""
    missed = row["result"] == Result.NOT_SAT and row["waived_at"] is None
    if missed:
        words = "Not sat: decide"
    elif row["result"] is None:
        times = {0: "Not asked yet", 1: "Asked once", 2: "Asked twice"}
        words = times.get(row["asked"], f"Asked {row['asked']} times")
    else:
        words = "The receipt is missing"
    return {
        **_in_words(tx, row),
        "id": row["application_id"],
        "href": award_href(row["application_id"]),
        "amount_pence": row["amount_pence"],
        "on": row["exam_on"] or row["paid_on"],
        "look": "asked" if missed else "silent" if row["asked"] else "pending",
        "look_words": words,
    }


def _listed(tx: Transaction, row: Any) -> dict[str, Any]:
    look, words = PAYMENT_LOOKS[PaymentState(row["state"])]
    if row["returned_pence"] and row["state"] == PaymentState.PAID:
        words = f"{words}, {pounds(row['returned_pence'])} came back"
    if row["filed_at"] and row["state"] == PaymentState.PREPARED:
        words = f"{words}, in the bank’s file of {day(row['filed_at'])}"
    return {
        **_in_words(tx, row),
        "id": row["id"],
        "reference": reference_of(row),
        "href": payment_href(row["id"]),
        "amount_pence": row["amount_pence"],
        "on": row["paid_on"] or row["settled_at"] or row["prepared_at"],
        "look": look,
        "look_words": words,
    }


def _in_words(tx: Transaction, row: Any) -> dict[str, Any]:
    house = tx.context.house
    entry = house.lists["purposes"].get(row["purpose"])
    return {
        "reference": row["reference"],
        "fund": row["fund"],
        "purpose": entry.name if entry else row["purpose"],
        "to": payee_in_words(row["payee"], house, row),
    }


# One payment


async def show(request: Request) -> Response:
    """One payment: what of it is done, by whom, and what can be done. Never where it goes."""
    return await _page(request, {}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id, me = site_of(request), read_id(request), signed_in(request).id
    async with site.database.reading() as tx:
        row = await MONEY.payment_by_id(tx, id=id)
        if row is None:
            raise NotFound
        rows = MONEY.returns_of(tx, application_id=row["application_id"])
        returns = [each async for each in rows if each["payment_id"] == id]
        invoices = await _invoices(tx, row)
        people = await _people(tx, row, returns)
    out = row["amount_pence"] - row["returned_pence"] if row["state"] == PaymentState.PAID else 0
    return site.page(
        request,
        "payment.html",
        status=status,
        **_about(request, row, people),
        invoices=invoices,
        returns=[
            {**each, "why_words": WHYS[Why(each["why"])], "who": people.by(each["recorded_by"])}
            for each in returns
        ],
        out_pence=out,
        own=row["prepared_by"] == me,
        waits=row["state"] == PaymentState.PREPARED,
        whys=[{"code": why.value, "name": words} for why, words in WHYS.items()],
        values={"why": "", "amount": typed_pounds(out), **values},
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def _people(tx: Transaction, row: Any, returns: Sequence[Any]) -> People:
    acted = [
        row["prepared_by"],
        row["settled_by"],
        row["filed_by"],
        *(each["recorded_by"] for each in returns),
    ]
    return await People.of(tx, acted)


def _about(request: Request, row: Any, people: People) -> dict[str, Any]:
    """A payment in words, for both of its pages."""
    house = site_of(request).context.house
    look, words = PAYMENT_LOOKS[PaymentState(row["state"])]
    purposes = house.lists["purposes"]
    return {
        "payment": row,
        "look": look,
        "look_words": words,
        "to": payee_in_words(row["payee"], house, row),
        "purpose": purposes[row["purpose"]].name if row["purpose"] in purposes else row["purpose"],
        "prepared_who": people.by(row["prepared_by"]),
        "settled_who": people.by(row["settled_by"]),
        "filed_who": people.by(row["filed_by"]),
        "reference": reference_of(row),
        "award_href": award_href(row["application_id"]),
        "href": payment_href(row["id"]),
        "list_href": PAYMENTS,
    }


async def _invoices(tx: Transaction, row: Any) -> list[dict[str, Any]]:
    """What the body that holds the exam has sent for a payment, as it was when that was prepared."""
    if row["payee"] != Payee.EXAM_BODY:
        return []
    return [
        {**paper, **paper_in_words(paper), "href": f"{payment_href(row['id'])}/invoices/{paper['file_id']}"}
        for paper in await papers_of(tx, row["application_id"])
        if paper["kind"] == Paper.INVOICE
        and paper["added_at"] <= row["prepared_at"]
        and not paper["returned_at"]
    ]


async def give_invoice(request: Request) -> Response:
    """An invoice of a payment: whoever pays reads the account on it."""
    id, file_id = read_id(request), read_id(request, "file")
    async with site_of(request).database.reading() as tx:
        row = await MONEY.payment_by_id(tx, id=id)
        invoices = await _invoices(tx, row) if row is not None else []
        if file_id not in {paper["file_id"] for paper in invoices}:
            raise NotFound
        paper = await MONEY.award_paper_by_id(tx, file_id=file_id)
    return give(request, paper)


async def show_making(request: Request) -> Response:
    """Where a payment goes, and the form that says that it left the bank."""
    try:
        return await _making(request, {}, {})
    except Conflict:  # the payment's own page says why
        return see(payment_href(read_id(request)))


async def _making(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, me = site_of(request), signed_in(request).id
    async with acting(site.database, actor_of(request)) as tx:
        found = await payments.to_pay(tx, read_id(request), me)
        invoices = await _invoices(tx, found.row)
        people = await _people(tx, found.row, [])
    house, today = site.context.house, site.context.clock.today()
    return site.page(
        request,
        "payment_make.html",
        status=status,
        **_about(request, found.row, people),
        invoices=invoices,
        details=found.details,
        body=exam_body(house, found.row),
        today=today,
        values={"on": today.isoformat(), **values},
        faults=faults,
        key=new_key(request),
    )


#: Shows a page with what was typed and what is wrong with it.
Page = Callable[..., Awaitable[Response]]
Act = Callable[[Transaction, UUID, UUID], Awaitable[object]]


async def make(request: Request) -> Response:
    """The payment left the bank."""
    fields, today = await _read_making(request), site_of(request).context.clock.today()
    on, reference = fields.day("on"), fields.line("bank_reference", most=100)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await payments.make(tx, id, by, on=on or today, reference=reference)

    return await _submit(request, fields, act, "made", _making)


async def _read_making(request: Request) -> Fields:
    """A form that is shown again beside where the payment goes: only for whom it was made."""
    fields = Fields(await read_form(request))
    check_key(request, fields.key)
    return fields


async def send_back(request: Request) -> Response:
    """Something is wrong with it: the officer looks again."""
    fields = await _read_making(request)
    words = fields.words("wrong", most=LONGEST_REASON)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await payments.send_back(tx, id, by, words)

    return await _submit(request, fields, act, "sent-back", _making)


async def cancel(request: Request) -> Response:
    """It is not to be made."""
    fields = Fields(await read_form(request))
    words = fields.words("cancelled", most=LONGEST_REASON)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await payments.cancel(tx, id, by, words)

    return await _submit(request, fields, act, "cancelled", _page)


async def come_back(request: Request) -> Response:
    """Money of it came back."""
    fields, today = Fields(await read_form(request)), site_of(request).context.clock.today()
    pence, on = fields.pounds("amount") or 0, fields.day("on") or today
    why = fields.one_of("why", {each.value: each for each in Why})
    words = fields.words("said", most=LONGEST_REASON, required=False)

    async def act(tx: Transaction, id: UUID, by: UUID) -> None:
        await payments.come_back(tx, id, by, pence=pence, on=on, why=why, words=words)

    return await _submit(request, fields, act, "returned", _page)


async def _submit(request: Request, fields: Fields, what: Act, done: str, page: Page) -> Response:
    id, by = read_id(request), signed_in(request).id

    async def act(tx: Transaction) -> Response:
        await what(tx, id, by)
        return see(f"{payment_href(id)}?done={done}")

    pressed = partial(press, of=id, does={}, back=payment_href(id))
    return await submit(request, fields, act, partial(page, request), pressed)


# The bank's file


async def download(request: Request) -> Response:
    """What is to be paid to people, as a table for the bank: what stood in none yet, or what did, once more.

    Nothing counts as paid by that. It is marked, because a bank that gets two files may pay twice.
    """
    database, me, fields = site_of(request).database, signed_in(request).id, Fields(await read_form(request))
    check_key(request, fields.key)
    async with acting(database, actor_of(request)) as tx:
        file = await payments.file_for_the_bank(tx, me, again=fields.ticked("again"))

    async def parts() -> AsyncIterator[list[Sequence[object]]]:
        after: UUID | None = None
        while True:
            async with database.reading() as tx:
                found = await payments.for_the_bank(tx, me, file, after)
            if not found:
                return
            after = found[-1].row["id"]
            yield [_cells(each) for each in found]

    head = ("Payee name", "Sort code", "Account number", "Amount", "Reference")
    return give_table(f"payments-{site_of(request).context.clock.today()}.csv", head, parts())


def _cells(each: payments.ToPay) -> Sequence[object]:
    details, pence = each.details, each.row["amount_pence"]
    where = (details.name, details.sort_code_in_pairs, details.account) if details else ("", "", "")
    return (*where, f"{pence // 100}.{pence % 100:02}", reference_of(each.row))
