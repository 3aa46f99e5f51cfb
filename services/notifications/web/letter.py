"""One letter as staff see it: what it says, what became of it, what came back and what to do."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import new_key, once, read_form, read_id, see, signed_in, site_of
from contracts.access import Action, may
from services.notifications.answers import confirm_pledge, settle_answer
from services.notifications.domain import LETTER_STAGES, AnswerKind, LetterState, and_words
from services.notifications.hrefs import campaign_href, confirm_href, letter_href, response_href, settle_href
from services.notifications.letters import (
    body_of,
    content_of,
    mark_sent,
    send_again,
    subject_of,
    token_of,
)
from services.notifications.queries import QUERIES
from services.notifications.rendering import render_html
from services.notifications.sending import SEND_LETTERS
from services.notifications.web import chasing
from services.notifications.web.printing import give_pdf

#: A letter has styles of its own and nothing else: no script, no form, nothing fetched.
LETTER_POLICY = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: What stands for the secret in a letter's link.
HIDDEN = "…"

_KINDS = {
    AnswerKind.ACKNOWLEDGE: "Acknowledged",
    AnswerKind.PLEDGE: "Pledged",
    AnswerKind.DECLINE: "Declined",
    AnswerKind.ASK: "Asked",
}
_DONE = {
    "arrived": "Marked as sent.",
    "again": "The letter will be sent again within a few seconds.",
    "confirmed": "The pledge is confirmed and was announced.",
    "settled": "Noted. It is no longer listed under “Needs you”.",
    "chaser_arrived": "Noted: the chaser arrived.",
    "chaser_again": "The chaser will be sent again within a few seconds.",
}


async def read_letter(request: Request) -> Any:
    """The letter that the address names."""
    async with site_of(request).database.reading() as tx:
        letter = await QUERIES.letter(tx, id=read_id(request))
    if letter is None:
        raise NotFound
    return letter


def _token(request: Request, letter: Any) -> str:
    """What stands in the letter's link.

    Whoever has the real one can answer in the recipient's place: it is shown to those alone who may settle
    answers.
    """
    if may(Action.SETTLE_ANSWERS, signed_in(request).roles):
        return token_of(site_of(request).context, letter["id"])
    return HIDDEN


async def show(request: Request) -> Response:
    """The letter's page; before sending, its preview."""
    site, letter = site_of(request), await read_letter(request)
    async with site.database.reading() as tx:
        history = [row async for row in QUERIES.history_of(tx, letter_id=letter["id"])]
        answers = [row async for row in QUERIES.answers_of(tx, letter_id=letter["id"])]
        waiting = QUERIES.open_answers_of(tx, campaign_id=letter["campaign_id"])
        open_ids = {row["id"] async for row in waiting}
        chased = await chasing.of_letter(tx, letter["id"])
    href, token = letter_href(letter["id"]), _token(request, letter)
    previous, following = letter["previous_id"], letter["next_id"]
    response: Response = site.page(
        request,
        "letter.html",
        letter=_shown(site.context, letter, token),
        campaign={"name": letter["campaign"], "href": campaign_href(letter["campaign_id"])},
        history=[{**row, "detail": ""} for row in history],
        answers=[_answer(row, is_open=row["id"] in open_ids) for row in answers],
        actions=[each for each in _actions(letter) if may(each["needs"], signed_in(request).roles)],
        **chased,
        pdf_href=f"{href}/pdf",
        html_href=f"{href}/html",
        response_href=response_href(token) if token != HIDDEN else None,
        neighbours={
            "previous_href": letter_href(previous) if previous else None,
            "next_href": letter_href(following) if following else None,
        },
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response


def _shown(context: Any, letter: Any, token: str) -> dict[str, Any]:
    frozen = letter["frozen"]
    values = frozen["values"]
    areas = and_words([_area(context, code) for code in letter["areas"]])
    counted = f"{letter['count']:,} registered {values['profession_plural']} in {areas}"
    return {
        **{field: letter[field] for field in ("reference", "state", "body_name", "ask_pence", "sent_at")},
        "state_words": LETTER_STAGES[LetterState(letter["state"])].staff,
        "subject": subject_of(context, letter, token),
        "text": body_of(context, letter, token),
        "contact_name": values["contact_name"],
        "contact_role": values["contact_role"],
        "count_words": counted if letter["count"] is not None else None,
        "evidence_source": letter["evidence_source"],
        "evidence_as_of": letter["evidence_on"],
        "formula_words": frozen["formula"],
        "formula_version": letter["formula_version"],
        "message_id": letter["message_id"],
        "failure": " ".join(filter(None, [letter["failure"], letter["cure"]])),
    }


def _area(context: Any, code: str) -> str:
    areas = context.house.lists["areas"]
    return str(areas[code].name) if code in areas else code


def _answer(row: Any, *, is_open: bool) -> dict[str, Any]:
    kind = AnswerKind(row["kind"])
    return {
        **row,
        "kind_words": _KINDS[kind],
        "standing": _standing(row),
        "confirm_href": confirm_href(row["id"]) if is_open and kind is AnswerKind.PLEDGE else None,
        "settle_href": settle_href(row["id"]) if is_open and kind is not AnswerKind.PLEDGE else None,
        "settle_label": "We have answered this" if kind is AnswerKind.ASK else "We have spoken with them",
    }


def _standing(row: Any) -> str:
    """What has become of an answer on our side."""
    if row["kind"] != "pledge":
        return "settled by us" if row["settled_at"] else ""
    if row["confirmed_at"]:
        return "confirmed by us"
    return "replaced by a later answer" if row["replaced"] else "not yet confirmed by us"


def _actions(letter: Any) -> list[dict[str, Any]]:
    href, state = letter_href(letter["id"]), LetterState(letter["state"])
    arrived = {
        "label": "It arrived: mark as sent",
        "href": f"{href}/arrived",
        "explains": "When the recipient has told you that they have it.",
        "danger": False,
        "needs": Action.SETTLE_ANSWERS,
    }
    resend = {
        "label": "Send it again",
        "href": f"{href}/again",
        "explains": "When the address was put right, or the mail server works again.",
        "danger": False,
        "needs": Action.SEND_LETTERS,
    }
    if state is LetterState.UNKNOWN:
        explains = "Only when you know that it did not arrive: otherwise they get it twice."
        return [arrived, {**resend, "explains": explains, "danger": True}]
    if state is LetterState.FAILED:
        return [resend]
    return []


async def as_pdf(request: Request) -> Response:
    """The letter as it is printed."""
    letter = await read_letter(request)
    return await pdf_of(request, letter, _token(request, letter))


async def pdf_of(request: Request, letter: Any, token: str = "") -> Response:
    """A letter as a PDF, made outside the loop."""
    return await give_pdf(
        content_of(site_of(request).context, letter, token), f"letter-{letter['reference']}.pdf"
    )


async def as_html(request: Request) -> Response:
    """The letter as it is mailed, in a sandbox."""
    letter = await read_letter(request)
    content = content_of(site_of(request).context, letter, _token(request, letter))
    return Response(
        render_html(content),
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": LETTER_POLICY},
    )


async def arrived(request: Request) -> Response:
    """A person knows that it arrived."""
    return await _act(request, mark_sent, "arrived")


async def again(request: Request) -> Response:
    """A person wants it to go again."""
    response = await _act(request, send_again, "again")
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def _act(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[None]], done: str
) -> Response:
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return see(f"{letter_href(id)}?done={done}")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def confirm(request: Request) -> Response:
    """A person has asked, and the pledge is real."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{letter_href(await confirm_pledge(tx, id))}?done=confirmed")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def settle(request: Request) -> Response:
    """A person has seen to what the recipient said."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{letter_href(await settle_answer(tx, id))}?done=settled")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)
