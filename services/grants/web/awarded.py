"""What somebody sees behind their link who is awarded money: yes or no, how to be paid, papers, the report.

What is wrong with a form is shown on it again with what was typed, but for the number of an account: that is
asked for once more.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import (
    JPEG,
    PDF,
    PNG,
    day,
    fault,
    new_key,
    once,
    private,
    read_form,
    read_upload,
    see,
    site_of,
    size_in_words,
    unknown_link,
)
from services.grants import awards, reporting
from services.grants.applying import LARGEST_EVIDENCE, by_token, today_of
from services.grants.awards import (
    MOST_PAPERS,
    Award,
    HowToPay,
    Paper,
    Payee,
    award_of,
    may_say_payee,
    papers_of,
    takes,
)
from services.grants.bank_details import LONGEST_NAME, BankDetails, read_account, read_sort_code
from services.grants.payments import exam_body
from services.grants.queries import MONEY, ROUNDS
from services.grants.reporting import RESULTS, Result
from services.grants.states import State
from services.grants.web.awards import LONGEST_REASON, read_in_post
from services.grants.web.forms import Fields
from services.grants.web.frame import frame
from services.grants.web.hrefs import APPLYING

_DONE = {
    "accepted": "Thank you. You have said yes.",
    "payee": "How we pay you is kept.",
    "added": "The paper is added.",
    "removed": "The paper is deleted.",
    "moved": "The new day of your exam is kept. We ask you after it how it went.",
    "told": "Thank you for telling us.",
}

_TITLES = {
    State.AWARDED: "You are offered money",
    State.ACCEPTED: "Your award",
    State.PAID: "Tell us how it went",
    State.REPORTED: "Your award",
}

#: Words that are said on the first page, because there is nothing more to see here.
_ELSEWHERE = {"declined"}

#: What is never shown again, whoever sees the form: a page may stay in a browser that others use as well.
_ASKED_AGAIN = "account"
_AGAIN = fault(
    "Please write your account number again.", "To keep it safe we never show it on a page once it was sent."
)
_EMPTY = {"payee": "", "result": "", "in_post": ""}


def awarded_href(token: str) -> str:
    """What is awarded to somebody, behind their link."""
    return f"{APPLYING}/{token}/award"


def offered(award: Award | None, token: str, today: date) -> dict[str, Any] | None:
    """What the first page behind the link says of an award; nothing where none is."""
    if award is None or award.state not in _TITLES:
        return None
    what = {
        State.AWARDED: ("See what you can do", f"The last day to say yes was {day(award.answer_by)}.")
        if today > award.answer_by
        else ("Say yes or no", f"Please answer by {day(award.answer_by)}."),
        State.ACCEPTED: ("See how it is paid", "We need to know how to pay, and that your exam is booked."),
        State.PAID: ("Tell us how it went", "After your exam, send us the receipt."),
        State.REPORTED: ("See your award", ""),
    }[award.state]
    return {
        "href": awarded_href(token),
        "amount_pence": award.amount_pence,
        "label": what[0],
        "words": what[1],
    }


async def show(request: Request) -> Response:
    """What is awarded, and what comes next."""
    return await _page(request, {}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, token = site_of(request), request.path_params["token"]
    async with site.database.reading() as tx:
        found = await by_token(tx, token)
        award = await award_of(tx, found["id"]) if found else None
        if found is None:
            return unknown_link(request)
        if award is None or award.state not in _TITLES:
            done = request.url.query if request.query_params.get("done") in _ELSEWHERE else ""
            return private(see(f"{APPLYING}/{token}?{done}".rstrip("?")))
        round_row = await ROUNDS.round_by_id(tx, id=award.round_id)
        papers = await papers_of(tx, award.application_id)
        outcome = await MONEY.outcome_of(tx, application_id=award.application_id)
        today = today_of(tx)
    if values.get(_ASKED_AGAIN) and faults and _ASKED_AGAIN not in faults:
        faults = {**faults, _ASKED_AGAIN: _AGAIN}
    ahead = award.state is State.PAID and award.exam_on is not None and award.exam_on >= today
    house = site.context.house
    entry = house.lists["purposes"].get(award.purpose or "")
    answer = site.page(
        request,
        "applying_award.html",
        status=status,
        **frame(site.context, round_row),
        title=_TITLES[State.ACCEPTED if ahead else award.state],
        ahead=ahead,
        award=award,
        late=today > award.answer_by,
        purpose=entry.name if entry else award.purpose,
        body=exam_body(house, {"purpose": award.purpose}),
        papers={kind.value: _listed(papers, kind) for kind in Paper},
        takes={kind.value: takes(award, kind) for kind in Paper},
        most=MOST_PAPERS,
        largest=size_in_words(LARGEST_EVIDENCE),
        outcome={**outcome, "words": RESULTS[Result(outcome["result"])]} if outcome else None,
        results=[
            {"code": Result.PASSED.value, "name": "I passed"},
            {"code": Result.NOT_PASSED.value, "name": "I did not pass"},
            {"code": Result.NOT_SAT.value, "name": "I did not sit it"},
        ],
        yes_no=[{"code": "yes", "name": "Yes"}, {"code": "no", "name": "Not yet"}],
        may_say=may_say_payee(award),
        may_decline=award.state in (State.AWARDED, State.ACCEPTED) and not award.paid_pence,
        values={
            **_EMPTY,
            "in_post": _in_post(outcome),
            **{name: value for name, value in values.items() if name != _ASKED_AGAIN},
        },
        faults=faults,
        href=awarded_href(token),
        overview_href=f"{APPLYING}/{token}",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return private(answer)


def _listed(papers: list[Any], kind: Paper) -> list[dict[str, Any]]:
    return [{**row, "size_words": size_in_words(row["size"])} for row in papers if row["kind"] == kind]


def _in_post(outcome: Any) -> str:
    """What they said of their work, as the form holds it."""
    said = outcome["in_post"] if outcome else None
    return "" if said is None else "yes" if said else "no"


async def act(request: Request) -> Response:
    """Whatever one of the forms says. Looking changes nothing; each form acts once."""
    form = await read_form(request)
    fields, read = Fields(form), _ACTS.get(str(form.get("act", "")))
    if read is None:
        raise Refused("It is not said what to do.", "Go back and press one of the buttons.")
    token = request.path_params["token"]
    what = read(fields, form)
    if fields.faults:
        return await _page(request, fields.values, fields.faults, status=422)

    async def act(tx: Transaction) -> Response:
        return see(await what(tx, token))

    try:
        return private(await once(request, act))
    except NotFound:
        return unknown_link(request)
    except Refused as refused:
        if not refused.field:
            raise
        fields.add(refused)
        return await _page(request, fields.values, fields.faults, status=refused.status)


# What each form says: reads it, and gives what is to be done. The answer is where one goes on.


def _how(fields: Fields) -> HowToPay:
    """To whom, and where. Faults are kept for their fields."""
    payee = fields.one_of("payee", {each.value: each for each in Payee})
    if payee is Payee.EXAM_BODY:
        return HowToPay(payee=payee, invoice=fields.line("invoice", most=60))
    read = {"name": fields.line("name", most=LONGEST_NAME), "sort_code": "", "account": ""}
    for field, reader in (("sort_code", read_sort_code), ("account", read_account)):
        try:
            read[field] = reader(str(fields.values.get(field, "")))
        except Refused as fault:
            fields.add(fault)
    return HowToPay(payee=Payee.PERSON, details=BankDetails(**read))


def _accept(fields: Fields, form: FormData) -> Any:
    how = _how(fields)

    async def what(tx: Transaction, token: str) -> str:
        await awards.accept(tx, token, how)
        return f"{awarded_href(token)}?done=accepted"

    return what


def _say_payee(fields: Fields, form: FormData) -> Any:
    how = _how(fields)

    async def what(tx: Transaction, token: str) -> str:
        await awards.say_payee(tx, token, how)
        return f"{awarded_href(token)}?done=payee"

    return what


def _decline(fields: Fields, form: FormData) -> Any:
    if form.get("confirm") != "yes":
        fields.add(
            Refused("The box is not ticked.", "Tick it, then press the button again.", field="decline")
        )

    async def what(tx: Transaction, token: str) -> str:
        await awards.withdraw(tx, token)
        return f"{awarded_href(token)}?done=declined"

    return what


def _add(fields: Fields, form: FormData) -> Any:
    kind = fields.one_of("kind", {each.value: each for each in Paper})

    async def what(tx: Transaction, token: str) -> str:
        upload = await read_upload(form, "file", (PDF, JPEG, PNG), most=LARGEST_EVIDENCE)
        if upload is None:
            raise Refused("No file was chosen.", "Choose a file, then press the button.", field="file")
        said = {"name": upload.name, "media_type": upload.kind.media_type}
        await awards.add_paper(tx, token, kind, **said, content=upload.parts())
        if kind is Paper.RECEIPT:
            await reporting.receipt_came(tx, token)
        return f"{awarded_href(token)}?done=added"

    return what


def _remove(fields: Fields, form: FormData) -> Any:
    kind = fields.one_of("kind", {each.value: each for each in Paper})
    given = str(form.get("file_id", ""))

    async def what(tx: Transaction, token: str) -> str:
        try:
            file_id = UUID(given)
        except ValueError:
            raise NotFound from None
        await awards.remove_paper(tx, token, kind, file_id)
        return f"{awarded_href(token)}?done=removed"

    return what


def _move(fields: Fields, form: FormData) -> Any:
    exam_on, words = fields.day("exam_on"), fields.words("moved", most=LONGEST_REASON)

    async def what(tx: Transaction, token: str) -> str:
        if exam_on is not None:
            await reporting.move_exam(tx, token, exam_on, words)
        return f"{awarded_href(token)}?done=moved"

    return what


def _report(fields: Fields, form: FormData) -> Any:
    result = fields.one_of("result", {each.value: each for each in Result})
    in_post = read_in_post(fields)

    async def what(tx: Transaction, token: str) -> str:
        await reporting.report(tx, token, result, in_post)
        return f"{awarded_href(token)}?done=told"

    return what


def _post(fields: Fields, form: FormData) -> Any:
    in_post = fields.one_of("in_post", {"yes": True, "no": False})

    async def what(tx: Transaction, token: str) -> str:
        await reporting.say_post(tx, token, in_post)
        return f"{awarded_href(token)}?done=told"

    return what


_ACTS = {
    "accept": _accept,
    "payee": _say_payee,
    "decline": _decline,
    "add": _add,
    "remove": _remove,
    "move": _move,
    "report": _report,
    "post": _post,
}
