"""One letter as staff see it: what it says, what became of it, what came back and what to do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound
from chassis.house import word
from chassis.web import new_key, pounds, read_form, read_id, see, signed_in, site_of
from contracts.access import Action, may
from services.notifications.answers import TURNS, WAYS, Way, confirm_pledge, settle_answer, turn_words
from services.notifications.colleagues import called
from services.notifications.domain import (
    LETTER_STAGES,
    AnswerKind,
    AnswerState,
    CampaignState,
    Channel,
    LetterState,
    and_words,
)
from services.notifications.hrefs import (
    campaign_href,
    confirm_href,
    enter_href,
    letter_href,
    response_href,
    settle_href,
    stops_href,
)
from services.notifications.letters import (
    HIDDEN,
    content_of,
    mark_sent,
    send_again,
    token_of,
)
from services.notifications.queries import ANSWERING, QUERIES
from services.notifications.rendering import render_html, said
from services.notifications.sending import SEND_LETTERS
from services.notifications.web import chasing, posting
from services.notifications.web.incoming import of_letter
from services.notifications.web.pressing import press
from services.notifications.web.printing import give_pdf
from services.notifications.web.roles import roles_that_may
from services.notifications.web.specimens import give_specimen

#: A letter has styles of its own and nothing else: no script, no form, nothing fetched.
LETTER_POLICY = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: What is known of a letter's arrival.
DELIVERIES = {"delivered": "Arrived", "bounced": "Came back by e-mail", "returned": "Came back by post"}

#: What staff call each kind of answer.
KINDS = {
    AnswerKind.ACKNOWLEDGE: "Acknowledged",
    AnswerKind.PLEDGE: "Pledged",
    AnswerKind.MEET: "Will meet us",
    AnswerKind.DECLINE: "Declined",
    AnswerKind.ASK: "Asked",
    AnswerKind.PASS_ON: "Passed on to a colleague",
}
#: By which later answer another one was replaced.
_REPLACED = {
    AnswerKind.MEET: "a later wish to meet has taken its place",
    AnswerKind.PLEDGE: "a later pledge has taken its place",
    AnswerKind.DECLINE: "a later refusal has taken its place",
}

#: Where an organisation is shown, by its id.
_ORGANISATIONS = "/partners/organisations"

#: Where it is said that a pledge will not come, by its id.
_PLEDGES = "/grants/pledges"

#: What a person presses once they have seen to an answer of this kind.
_SETTLE = {
    AnswerKind.ASK: "We have answered this",
    AnswerKind.MEET: "We have agreed on a day",
    AnswerKind.DECLINE: "We have spoken with them",
}

_NOT_SENT = (LetterState.DRAFT, LetterState.BLOCKED)

_DONE = {
    "arrived": "Marked as sent.",
    "again": "The letter will be sent again within a few seconds.",
    "confirmed": "The pledge is confirmed and was announced.",
    "settled": "Noted. It is no longer listed under “Needs you”.",
    "own": "This letter has words of its own now.",
    "common": "This letter says what all letters say.",
    "entered": "The answer is entered.",
    "corrected": "Put right. The wrong entry stays in the history and counts no more.",
    "stopped": "Noted: nobody writes to them again.",
    "stopped_before": "That was known already: nobody writes to them.",
    "chaser_arrived": "Noted: the chaser arrived.",
    "returned": "Noted: it came back. Put the address right, or write to somebody else there.",
    "chaser_returned": "Noted: the chaser came back. Put the address right, or write to somebody else there.",
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
    answers, and to nobody before it can be answered.
    """
    if LetterState(letter["state"]) in _NOT_SENT:
        return HIDDEN
    if may(Action.SETTLE_ANSWERS, signed_in(request).roles):
        return token_of(site_of(request).context, letter["id"])
    return HIDDEN


async def show(request: Request) -> Response:
    """The letter's page; before sending, its preview."""
    site, letter = site_of(request), await read_letter(request)
    async with site.database.reading() as tx:
        came = await of_letter(tx, letter["id"], signed_in(request).roles)
        chased = await chasing.of_letter(tx, letter, site.context.house)
        posts = await posting.of_letter(tx, letter["id"])
        history, answers, waiting, passed_on, stops, addresses, passed_from = await tx.together(
            rows_of(QUERIES.history_of(tx, letter_id=letter["id"])),
            rows_of(QUERIES.answers_of(tx, letter_id=letter["id"])),
            rows_of(QUERIES.open_answers_of(tx, campaigns=[letter["campaign_id"]])),
            rows_of(ANSWERING.suggestions_of_letter(tx, letter_id=letter["id"])),
            rows_of(ANSWERING.stops_of_letter(tx, letter_id=letter["id"])),
            rows_of(ANSWERING.addresses_of_contacts(tx, ids=[letter["contact_id"]])),
            ANSWERING.passed_on_from(tx, letter_id=letter["id"]),
        )
        acted = [row["person_id"] for row in history] + [row["entered_by"] for row in answers]
        names = await called(tx, acted)
    open_ids = {row["id"] for row in waiting}
    colleagues, turned = {row["answer_id"]: row for row in passed_on}, _turned(answers)
    href, token = letter_href(letter["id"]), _token(request, letter)
    response: Response = site.page(
        request,
        "letter.html",
        letter=_shown(site.context, letter, token),
        campaign={"name": letter["campaign"], "href": campaign_href(letter["campaign_id"])},
        history=[
            {**row, "who": names[row["person_id"]] if row["person_id"] else row["who"]} for row in history
        ],
        answers=[
            _answer(row, letter, is_open=row["id"] in open_ids, colleague=colleagues.get(row["id"]))
            | {"entered_by": names[row["entered_by"]], "turned": turned.get(row["id"], "")}
            for row in answers
        ],
        pledged_before=sum(map(_counted_pence, answers)),
        posts=posts,
        reached_at=addresses[0]["email"] if addresses else None,
        organisation_href=f"{_ORGANISATIONS}/{letter['organisation_id']}",
        passed_from=passed_from and {**passed_from, "href": letter_href(passed_from["id"])},
        stopped=[row["scope"] for row in stops if row["lifted_at"] is None],
        stops_href=stops_href(),
        enter_href=enter_href(letter["id"]) if LetterState(letter["state"]) not in _NOT_SENT else None,
        **came,
        actions=[each for each in _actions(letter) if may(each["needs"], signed_in(request).roles)],
        **chased,
        pdf_href=f"{href}/pdf",
        html_href=f"{href}/html" if letter["channel"] == Channel.EMAIL else None,
        mail_href=f"{href}/mail" if letter["channel"] == Channel.EMAIL else None,
        response_href=response_href(token) if token != HIDDEN else None,
        confirmers=roles_that_may(Action.CONFIRM_PLEDGES),
        place=_place(letter),
        words_href=f"{href}/words" if may_differ(letter) else None,
        versions_href=f"{campaign_href(letter['campaign_id'])}/words/versions",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response


def may_differ(letter: Any) -> bool:
    """Whether a letter may still be given words of its own: only in a draft."""
    return letter["campaign_state"] == CampaignState.DRAFT and letter["state"] in (
        LetterState.DRAFT,
        LetterState.BLOCKED,
    )


def _place(letter: Any) -> dict[str, Any]:
    """Where the letter stands among those of its campaign, and how one comes to the others."""
    first, previous, following = letter["first_id"], letter["previous_id"], letter["next_id"]
    return {
        "number": letter["number"],
        "of": letter["last_number"],
        "first_href": letter_href(first) if first != letter["id"] else None,
        "previous_href": letter_href(previous) if previous else None,
        "next_href": letter_href(following) if following else None,
        "jump_href": f"{campaign_href(letter['campaign_id'])}/letter",
    }


def _shown(context: Any, letter: Any, token: str) -> dict[str, Any]:
    frozen = letter["frozen"]
    values = frozen["values"]
    areas = and_words([_area(context, code) for code in letter["areas"]])
    known = letter["count"] is not None
    return {
        "delivery_words": DELIVERIES.get(letter["delivery"], ""),
        "delivery": letter["delivery"],
        **{field: letter[field] for field in ("reference", "state", "body_name", "ask_pence", "sent_at")},
        "state_words": _state_words(letter),
        "handed_over_at": letter["claimed_at"] if letter["state"] == LetterState.SENDING else None,
        "said": said(content_of(context, letter, token)),
        "contact_name": values["contact_name"],
        "contact_role": values["contact_role"],
        "count_words": f"{letter['count']:,} registered {values['profession_plural']} in {areas}"
        if known
        else None,
        "evidence_source": letter["evidence_source"],
        "evidence_as_of": letter["evidence_on"],
        "formula_words": frozen["formula"],
        "formula_version": letter["formula_version"],
        "message_id": letter["message_id"] if letter["channel"] == Channel.EMAIL else None,
        "words_version": letter["words_version"],
        "own": letter["own_body"] is not None,
        "failure": " ".join(filter(None, [letter["failure"], letter["cure"]])),
    }


def _state_words(letter: Any) -> str:
    by_post = letter["channel"] == Channel.POST
    words = {LetterState.READY: "Waits to be printed", LetterState.SENT: "Posted"} if by_post else {}
    return words.get(letter["state"], LETTER_STAGES[LetterState(letter["state"])].staff)


def _area(context: Any, code: str) -> str:
    return word(context.house.lists["areas"], code)


def _answer(row: Any, letter: Any, *, is_open: bool, colleague: Any) -> dict[str, Any]:
    kind = AnswerKind(row["kind"])
    correctable = row["corrected_at"] is None and row["confirmed_at"] is None
    return {
        **row,
        "kind_words": KINDS[kind],
        "standing": _standing(row),
        "pressed_by_us": row["entered_by"] is not None and not row["told_on"],
        "told": WAYS[Way(row["way"])] if row["told_on"] else "",
        "for_whom": letter["frozen"]["values"]["contact_name"] if row["name"] else "",
        "colleague": colleague and _colleague(colleague, letter),
        "confirm_href": confirm_href(row["id"]) if is_open and kind is AnswerKind.PLEDGE else None,
        "settle_href": settle_href(row["id"]) if is_open and kind in _SETTLE else None,
        "settle_label": _SETTLE.get(kind, ""),
        "correct_href": enter_href(letter["id"], row["id"]) if correctable else None,
        "pledge_href": f"{_PLEDGES}/{row['id']}" if row["confirmed_at"] and not row["corrected_at"] else None,
        "counts": _counted_pence(row) > 0,
    }


def _counted_pence(row: Any) -> int:
    """What of an answer counts as money: of a pledge that was confirmed, all but what will not come."""
    if row["confirmed_at"] is None or row["corrected_at"] is not None:
        return 0
    return int(row["pledge_pence"] - row["written_back_pence"])


def _colleague(row: Any, letter: Any) -> dict[str, Any]:
    """To whom it was passed on: until somebody has decided by name, then by their letter."""
    return {
        "name": row["name"],
        "role": row["role"],
        "email": row["email"],
        "waits": row["settled_at"] is None,
        "confirm_href": f"{_ORGANISATIONS}/{letter['organisation_id']}#suggested-title",
        "letter_href": letter_href(row["new_letter_id"]) if row["new_letter_id"] else None,
        "reference": row["new_reference"],
    }


def _standing(row: Any) -> str:
    """What has become of an answer on our side."""
    if row["corrected_at"] and row["confirmed_at"]:
        gone = row["written_back_pence"] == row["pledge_pence"]
        return f"replaced by another pledge: {'counts no more' if gone else 'what came of it counts'}"
    if row["corrected_at"]:
        return "entered by mistake: counts no more"
    if row["written_back_pence"] == row["pledge_pence"]:
        return "confirmed by us, but it will not come: counts no more"
    if row["written_back_pence"]:
        return f"confirmed by us, but {pounds(row['written_back_pence'])} of it will not come"
    if row["confirmed_at"]:
        return "confirmed by us"
    settled = "settled by us" if row["settled_at"] else ""
    if row["replaced_by"]:
        return "; ".join(filter(None, [settled, _REPLACED[row["replaced_by"]]]))
    return settled or ("not yet confirmed by us" if row["kind"] == "pledge" else "")


def _turned(answers: Sequence[Any]) -> Mapping[UUID, str]:
    """Of the last pledge or refusal, by its id, whose place it has taken.

    Args:
        answers: the newest first.
    """
    turns = [row for row in answers if row["kind"] in TURNS and row["corrected_at"] is None]
    if len(turns) < 2:
        return {}
    last, *before = turns
    if any(map(_counted_pence, before)):
        return {last["id"]: "the pledge confirmed before still counts"}
    if last["kind"] == before[0]["kind"]:
        return {}
    return {last["id"]: f"stands in place of {turn_words(before[0])}"}


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
    if _may_come_back(letter):
        returned = {
            "label": "It came back by post",
            "href": f"{href}/returned",
            "explains": "“Gone away” or “not known here”: then nobody there has seen it.",
            "danger": False,
            "needs": Action.SETTLE_ANSWERS,
        }
        return [returned]
    return []


def _may_come_back(letter: Any) -> bool:
    """Whether a letter was posted and nothing is known of it since."""
    silent = letter["answer"] in (AnswerState.SILENT, AnswerState.AUTO_REPLIED)
    posted = letter["channel"] == Channel.POST and letter["state"] == LetterState.SENT
    return posted and silent and not letter["delivery"]


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


async def as_file(request: Request) -> Response:
    """The e-mail, for one's own mail program: a specimen, so with nobody's link, whoever reads it."""
    context, letter = site_of(request).context, await read_letter(request)
    content = content_of(context, letter, HIDDEN)
    return await give_specimen(context, content, content)


async def arrived(request: Request) -> Response:
    """A person knows that it arrived."""
    return await _act(request, mark_sent, "arrived", "letter_marked_sent")


async def again(request: Request) -> Response:
    """A person wants it to go again."""
    response = await _act(request, send_again, "again", "")
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def _act(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[None]], done: str, noted: str
) -> Response:
    id = read_id(request)
    there = f"{letter_href(id)}?done={done}"

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return see(there)

    return await press(request, act, id, {noted: there} if noted else {}, letter_href(id))


async def confirm(request: Request) -> Response:
    """A person has asked, and the pledge is real."""
    form = await read_form(request)
    instead = {"yes": True, "no": False}.get(str(form.get("instead", "")))

    noted = "pledge_confirmed" if instead is None else ""
    return await _act_on_answer(request, partial(confirm_pledge, instead=instead), "confirmed", noted)


async def settle(request: Request) -> Response:
    """A person has seen to what the recipient said."""
    return await _act_on_answer(request, settle_answer, "settled", "answer_settled")


async def _act_on_answer(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[UUID]], done: str, noted: str
) -> Response:
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        answer = await QUERIES.answer(tx, id=id)
    if answer is None:
        raise NotFound
    there = f"{letter_href(answer['letter_id'])}?done={done}"

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return see(there)

    return await press(request, act, id, {noted: there} if noted else {}, letter_href(answer["letter_id"]))
