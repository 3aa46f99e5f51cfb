"""The response page: what a recipient sees behind the link in a letter. No account; looking is no act.

The token is compared by digest and stands in no log, metric or Referer. Whatever is wrong with a link, the
answer is the same page: what to do instead.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.links import link_digest
from chassis.web import SECRET_ADDRESS, new_key, once, pounds, read_form, read_pounds, see, site_of
from services.notifications.answers import (
    MOST_PLEDGED_PENCE,
    Answer,
    TooManyAnswers,
    answer_faults,
    record_answer,
)
from services.notifications.domain import AnswerKind
from services.notifications.hrefs import response_href
from services.notifications.letters import subject_of
from services.notifications.queries import QUERIES
from services.notifications.web.letter import pdf_of

#: In an address, in the words of the template: which form stands open.
_FIELDS = ("amount", "name", "position", "reason", "question")

_TOLD = {
    "acknowledge": "You told us that the letter arrived.",
    "decline": "You told us that you cannot contribute.",
    "ask": "You asked us a question.",
}
_RECORDED = {
    "acknowledge": "We have recorded that the letter arrived. You have committed to nothing.",
    "pledge": "We have recorded your pledge. Thank you for your help.",
    "decline": "We have recorded that you cannot contribute. Thank you for telling us.",
    "ask": "We have recorded your question.",
}
_NEXT = {
    "acknowledge": "If you want to tell us more, the same link works.",
    "pledge": "We will telephone or write to you to confirm before we count on it.",
    "decline": "You need do nothing more. If anything changes, the same link works.",
    "ask": "Somebody here will answer the person that the letter was written to.",
}

_CONFIRMED = "We have confirmed your pledge with you. You need do nothing more."


async def show(request: Request) -> Response:
    """The page behind the link. Opening it is no answer."""
    letter = await _find(request)
    return _unknown(request) if letter is None else await _page(request, letter)


async def answer(request: Request) -> Response:
    """Record an answer, or show the page again with every fault."""
    letter = await _find(request)
    if letter is None:
        return _unknown(request)
    form = await read_form(request)
    values = {field: str(form.get(field, "")).strip() for field in _FIELDS}
    kind = str(form.get("answer", ""))
    if kind not in list(AnswerKind) or (kind == AnswerKind.PLEDGE and not letter["asks"]):
        raise Refused("We could not tell what you want to say.", "Go back and choose one of the answers.")
    faults: dict[str, dict[str, str]] = {}
    said = _read(AnswerKind(kind), values, faults)
    for fault in answer_faults(said):
        faults.setdefault(fault.field, {"fault": fault.what, "cure": fault.cure})
    if faults:
        return await _page(request, letter, status=422, values=values, faults=faults, open_form=kind)

    async def act(tx: Transaction) -> Response:
        await record_answer(tx, letter["id"], said)
        return see(f"{response_href(request.path_params['token'])}/done")

    try:
        recorded = await once(request, site_of(request).database, str(form.get("key", "")), act)
    except TooManyAnswers as refused:
        return await _page(request, letter, status=422, values=values, refused=refused)
    return _private(recorded)


def _read(kind: AnswerKind, values: dict[str, str], faults: dict[str, dict[str, str]]) -> Answer:
    pence = None
    if kind is AnswerKind.PLEDGE:
        try:
            pence = read_pounds(values["amount"], field="amount", most_pence=MOST_PLEDGED_PENCE)
        except Refused as fault:
            faults["amount"] = {"fault": fault.what, "cure": fault.cure}
    detail = {AnswerKind.DECLINE: values["reason"], AnswerKind.ASK: values["question"]}.get(kind, "")
    who = {field: values[field] for field in ("name", "position")}
    return Answer(kind=kind, detail=detail, pledge_pence=pence, **who)


async def done(request: Request) -> Response:
    """Thank you, with the newest answer that we have. May be reloaded."""
    letter = await _find(request)
    if letter is None:
        return _unknown(request)
    back_href = response_href(request.path_params["token"])
    async with site_of(request).database.reading() as tx:
        newest = await QUERIES.newest_answer(tx, letter_id=letter["id"])
    if newest is None:
        return _private(see(back_href))
    response: Response = site_of(request).page(
        request,
        "respond_done.html",
        recorded=_RECORDED[newest["kind"]],
        next_words=_CONFIRMED if newest["confirmed_at"] else _NEXT[newest["kind"]],
        back_href=back_href,
        body_name=letter["body_name"],
    )
    return _private(response)


async def as_pdf(request: Request) -> Response:
    """The letter that the link belongs to."""
    letter = await _find(request)
    return _unknown(request) if letter is None else _private(await pdf_of(request, letter))


async def _find(request: Request) -> Any:
    digest = link_digest(request.path_params["token"][:200])
    async with site_of(request).database.reading() as tx:
        return await QUERIES.letter_by_token(tx, digest=digest)


async def _page(request: Request, letter: Any, *, status: int = 200, **values: Any) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        answers = [row async for row in QUERIES.answers_of(tx, letter_id=letter["id"])]
    shown = {"values": dict.fromkeys(_FIELDS, ""), "faults": {}, "open_form": "", "refused": None, **values}
    response: Response = site.page(
        request,
        "respond.html",
        status=status,
        body_name=letter["body_name"],
        contact_name=letter["frozen"]["values"]["contact_name"],
        subject=subject_of(site.context, letter),
        ask_pence=letter["ask_pence"],
        asks=letter["asks"],
        fund=letter["fund"],
        already=[{"words": _told(row), "at": row["at"]} for row in reversed(answers)],
        pdf_href=f"{response_href(request.path_params['token'])}/pdf",
        key=new_key(request),
        **shown,
    )
    return _private(response)


def _told(row: Any) -> str:
    if row["kind"] == "pledge":
        return f"You pledged {pounds(row['pledge_pence'])}."
    return _TOLD[row["kind"]]


def _unknown(request: Request) -> Response:
    response: Response = site_of(request).page(request, "unknown_link.html", status=404)
    return _private(response)


def _private(response: Response) -> Response:
    """The address is the key: it must not travel on as a Referer."""
    response.headers.update(SECRET_ADDRESS)
    return response
