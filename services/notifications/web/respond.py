"""The response page: what a recipient sees behind the link in a letter. No account; looking is no act.

The token is compared by digest and stands in no log, metric or Referer. Whatever is wrong with a link, the
answer is the same page: what to do instead. So it is once nobody knows any more whom a letter was for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import acting
from chassis.database import Transaction, rows_of
from chassis.errors import Refused
from chassis.links import link_digest
from chassis.web import (
    Faults,
    at_a_glance,
    fault,
    new_key,
    once,
    pounds,
    private,
    read_form,
    read_pounds,
    see,
    site_of,
    unknown_link,
)
from contracts.access import Action, may
from services.notifications.answers import (
    A_COLLEAGUE,
    MOST_PLEDGED_PENCE,
    WORDS_FIELDS,
    Answer,
    TooManyAnswers,
    Way,
    answer_faults,
    record_answer,
)
from services.notifications.colleagues import THE_RECIPIENT
from services.notifications.domain import AnswerKind, LetterState, StopScope
from services.notifications.hrefs import letter_href, response_href, stop_href, take_back_href
from services.notifications.letters import HANDED_OVER, lock_letter, subject_of
from services.notifications.passing_on import Colleague
from services.notifications.queries import ANSWERING, QUERIES
from services.notifications.stops import may_be_taken_back, stop, take_back
from services.notifications.web.letter import pdf_of

#: The fields of the forms, in which somebody types.
FIELDS = (
    *("amount", "name", "position", "reason", "question", "when"),
    *("colleague_name", "colleague_role", "colleague_email"),
)

#: Somebody's words with an answer for which the page has no field: staff enter them.
WORDS = "words"

#: The form in which somebody answers for whoever the letter was for: an acknowledgement with a name.
IN_PLACE = "in_place"

#: What the body of a mail program's one click is (RFC 8058).
_ONE_CLICK = ("List-Unsubscribe", "One-Click")

_TOLD = {
    AnswerKind.ACKNOWLEDGE: "You told us that the letter arrived.",
    AnswerKind.MEET: "You told us that you would like to meet.",
    AnswerKind.DECLINE: "You told us that you cannot contribute.",
    AnswerKind.ASK: "You asked us a question.",
    AnswerKind.PASS_ON: "You passed the letter on to a colleague.",
}
_RECORDED = {
    AnswerKind.ACKNOWLEDGE: "We have recorded that the letter arrived. You have committed to nothing.",
    AnswerKind.PLEDGE: "We have recorded that you pledge {pledged}. Thank you for your help.",
    AnswerKind.MEET: "We have recorded that you would like to meet us. You have committed to nothing else.",
    AnswerKind.DECLINE: "We have recorded that you cannot contribute. Thank you for telling us.",
    AnswerKind.ASK: "We have recorded your question.",
    AnswerKind.PASS_ON: "We have recorded to whom you passed the letter on. You need do nothing more.",
}
_NEXT = {
    AnswerKind.ACKNOWLEDGE: "If you want to tell us more, the same link works.",
    AnswerKind.PLEDGE: "We will telephone or write to you to confirm before we count on it.",
    AnswerKind.MEET: "Somebody here will get in touch to agree on a day.",
    AnswerKind.DECLINE: "You need do nothing more. If anything changes, the same link works.",
    AnswerKind.ASK: "Somebody here will answer the person that the letter was written to.",
    AnswerKind.PASS_ON: "Somebody here looks at it first. Then your colleague gets a letter of their own, "
    "which says where we got their address. We do not write to you about this again.",
}

_CONFIRMED = "We have confirmed your pledge with you. You need do nothing more."

_STOPPED = {
    StopScope.PERSON: "You told us never to write to you again.",
    StopScope.BODY: "You told us never to write to anybody at your organisation again.",
}


async def show(request: Request) -> Response:
    """The page behind the link. Opening it is no answer."""
    letter = await _find(request)
    return unknown_link(request) if letter is None else await _page(request, letter)


async def answer(request: Request) -> Response:
    """Record an answer, or show the page again with every fault."""
    letter = await _find(request)
    if letter is None:
        return unknown_link(request)
    form = await read_form(request)
    values = read_values(form)
    chosen = str(form.get("answer", ""))
    if chosen == AnswerKind.PLEDGE and not letter["asks"]:
        raise Refused("We could not tell what you want to say.", "Go back and choose one of the answers.")
    said, faults = read_answer(chosen, values)
    if said.colleague and await _is_theirs(request, letter, said.colleague.email):
        cure = "Write your colleague’s address, or choose another answer."
        faults.setdefault("colleague_email", fault("Our letter went to this address.", cure))
    if faults:
        return await _page(request, letter, status=422, values=values, faults=faults, open_form=chosen)

    async def act(tx: Transaction) -> Response:
        await record_answer(tx, letter["id"], said, _who(request), pressed_by=_colleague(request))
        return see(f"{response_href(request.path_params['token'])}/done")

    try:
        recorded = await once(request, act)
    except TooManyAnswers as refused:
        return await _page(request, letter, status=422, values=values, refused=refused)
    return private(recorded)


async def _is_theirs(request: Request, letter: Any, address: str) -> bool:
    """Whether this is the address of whoever the letter was for."""
    async with site_of(request).database.reading() as tx:
        known = await rows_of(ANSWERING.addresses_of_contacts(tx, ids=[letter["contact_id"]]))
    return any((row["email"] or "").casefold() == address.casefold() for row in known if address)


def read_values(form: Mapping[str, Any]) -> dict[str, str]:
    """What was typed into the forms."""
    return {field: str(form.get(field, "")).strip() for field in FIELDS}


def read_answer(chosen: str, values: Mapping[str, str]) -> tuple[Answer, Faults]:
    """The answer in a form, and what is wrong with it.

    Args:
        chosen: a kind of answer, or ``in_place``.

    Raises:
        Refused: when it is neither.
    """
    if chosen != IN_PLACE and chosen not in list(AnswerKind):
        raise Refused("We could not tell what you want to say.", "Go back and choose one of the answers.")
    kind = AnswerKind.ACKNOWLEDGE if chosen == IN_PLACE else AnswerKind(chosen)
    faults: Faults = {}
    said = _read(kind, values, faults, in_place=chosen == IN_PLACE)
    for wrong in answer_faults(said):
        faults.setdefault(wrong.field, fault(wrong.what, wrong.cure))
    return said, faults


def _read(kind: AnswerKind, values: Mapping[str, str], faults: Faults, *, in_place: bool) -> Answer:
    pence = None
    if kind is AnswerKind.PLEDGE:
        try:
            pence = read_pounds(values["amount"], field="amount", most_pence=MOST_PLEDGED_PENCE)
        except Refused as wrong:
            faults["amount"] = fault(wrong.what, wrong.cure)
    colleague = None
    if kind is AnswerKind.PASS_ON:
        colleague = Colleague(**{name: values[f"colleague_{name}"] for name in ("name", "role", "email")})
    return Answer(
        kind=kind,
        detail=values.get(WORDS_FIELDS.get(kind, WORDS), ""),
        name=values["name"],
        position=values["position"],
        in_place=in_place,
        pledge_pence=pence,
        colleague=colleague,
    )


async def done(request: Request) -> Response:
    """Thank you, with the newest answer that we have. May be reloaded."""
    letter = await _find(request)
    if letter is None:
        return unknown_link(request)
    back_href = response_href(request.path_params["token"])
    async with site_of(request).database.reading() as tx:
        answers, _ = await _heard(tx, letter["id"])
    newest = next(iter(answers), None)
    if newest is None:
        return private(see(back_href))
    response: Response = site_of(request).page(
        request,
        "respond_done.html",
        recorded=_RECORDED[newest["kind"]].format(pledged=pounds(newest["pledge_pence"] or 0)),
        in_place=_is_in_place(newest),
        contact_name=letter["frozen"]["values"]["contact_name"],
        next_words=_CONFIRMED if newest["confirmed_at"] else _NEXT[newest["kind"]],
        back_href=back_href,
        body_name=letter["body_name"],
    )
    return private(response)


async def show_stop(request: Request) -> Response:
    """No more letters: two buttons, or that it was done and what that means. Opening it changes nothing."""
    letter = await _find(request)
    return unknown_link(request) if letter is None else await _stop_page(request, letter)


async def stop_letters(request: Request) -> Response:
    """Never write to them again: by a press on a page, or by one click in a mail program."""
    letter = await _find(request)
    if letter is None:
        return unknown_link(request)
    form, database = await read_form(request), site_of(request).database
    if form.multi_items() == [_ONE_CLICK]:  # it comes with no key, and twice does no harm
        async with acting(database) as tx:
            await stop(
                tx, await lock_letter(tx, letter["id"]), StopScope.PERSON, way="one_click", who=THE_RECIPIENT
            )
        return await _stop_page(request, letter)
    if form.get("whom") not in list(StopScope):
        raise Refused("We could not tell whom you mean.", "Go back and press one of the buttons.")
    scope = StopScope(str(form.get("whom")))

    async def act(tx: Transaction) -> Response:
        locked = await lock_letter(tx, letter["id"])
        who = _who(request)
        await stop(tx, locked, scope, way="page", who=who)
        if who == THE_RECIPIENT and locked["state"] in (LetterState.SENT, *HANDED_OVER):
            # Whoever says so has read it.
            await record_answer(tx, letter["id"], Answer(kind=AnswerKind.ACKNOWLEDGE))
        return see(stop_href(request.path_params["token"]))

    return private(await once(request, act))


async def take_back_stop(request: Request) -> Response:
    """They want our letters after all."""
    letter = await _find(request)
    if letter is None:
        return unknown_link(request)

    async def act(tx: Transaction) -> Response:
        await lock_letter(tx, letter["id"])
        await take_back(tx, letter["id"], who=THE_RECIPIENT)
        return see(f"{stop_href(request.path_params['token'])}?done=taken_back")

    return private(await once(request, act))


async def _stop_page(request: Request, letter: Any) -> Response:
    site, token = site_of(request), request.path_params["token"]
    async with site.database.reading() as tx:
        found = await rows_of(ANSWERING.stops_of_letter(tx, letter_id=letter["id"]))
    stands = {row["scope"] for row in found if row["lifted_at"] is None}
    response: Response = site.page(
        request,
        "respond_stop.html",
        contact_name=letter["frozen"]["values"]["contact_name"],
        body_name=letter["body_name"],
        letter_href=letter_href(letter["id"]) if _colleague(request) else None,
        person=StopScope.PERSON in stands,
        body=StopScope.BODY in stands,
        take_back_href=take_back_href(token) if any(map(may_be_taken_back, found)) else None,
        taken_back=bool(found) and not stands and request.query_params.get("done") == "taken_back",
        back_href=response_href(token),
        key=new_key(request),
    )
    return private(response)


def _colleague(request: Request) -> UUID | None:
    """Which of ours looks at this, in the browser in which they are signed in; for attribution alone."""
    person = at_a_glance(request)
    return person.id if person is not None and may(Action.READ_LETTERS, person.roles) else None


def _who(request: Request) -> str:
    """Who says what is said here, as the history of the letter has it."""
    return A_COLLEAGUE if _colleague(request) else THE_RECIPIENT


async def as_pdf(request: Request) -> Response:
    """The letter that the link belongs to."""
    letter = await _find(request)
    return unknown_link(request) if letter is None else private(await pdf_of(request, letter))


async def _find(request: Request) -> Any:
    digest = link_digest(request.path_params["token"][:200])
    async with site_of(request).database.reading() as tx:
        letter = await QUERIES.letter_by_token(tx, digest=digest)
    return None if letter is None or letter["scrubbed_at"] is not None else letter


async def _page(request: Request, letter: Any, *, status: int = 200, **values: Any) -> Response:
    site, token = site_of(request), request.path_params["token"]
    async with site.database.reading() as tx:
        answers, stops = await _heard(tx, letter["id"])
    shown = {"values": dict.fromkeys(FIELDS, ""), "faults": {}, "open_form": "", "refused": None, **values}
    response: Response = site.page(
        request,
        "respond.html",
        status=status,
        body_name=letter["body_name"],
        letter_href=letter_href(letter["id"]) if _colleague(request) else None,
        contact_name=letter["frozen"]["values"]["contact_name"],
        subject=subject_of(site.context, letter),
        ask_pence=letter["ask_pence"],
        asks=letter["asks"],
        fund=letter["fund"],
        answered=bool(answers),
        already=sorted(_already(answers, stops), key=lambda it: it["at"]),
        pdf_href=f"{response_href(token)}/pdf",
        stop_href=stop_href(token),
        stopped={row["scope"] for row in stops if row["lifted_at"] is None},
        summary={f"{shown['open_form']}-{field}": it for field, it in shown["faults"].items()},
        key=new_key(request),
        **shown,
    )
    return private(response)


async def _heard(tx: Transaction, letter_id: UUID) -> tuple[Sequence[Any], Sequence[Any]]:
    """What was said about a letter and stands, and who was stopped by way of it; the newest first."""
    answers, stops = await tx.together(
        rows_of(QUERIES.answers_of(tx, letter_id=letter_id)),
        rows_of(ANSWERING.stops_of_letter(tx, letter_id=letter_id)),
    )
    # Whoever stopped us has read the letter, so that was recorded with it; they did not say so.
    stopped = {row["stopped_at"] for row in stops}
    said = [
        row
        for row in answers
        if row["corrected_at"] is None
        and not (row["kind"] == AnswerKind.ACKNOWLEDGE and row["at"] in stopped)
    ]
    return said, stops


def _is_in_place(row: Any) -> bool:
    """Whether somebody said, on this page, that they answer for whoever the letter was for."""
    return bool(row["kind"] == AnswerKind.ACKNOWLEDGE and row["way"] == Way.PAGE and row["name"])


def _already(answers: Iterable[Any], stops: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """What they have told us, each with its moment."""
    for row in answers:
        pledged = f"You pledged {pounds(row['pledge_pence'])}." if row["pledge_pence"] else ""
        yield {
            "words": pledged or _TOLD[row["kind"]],
            "in_place": _is_in_place(row),
            "standing": _standing(row),
            "at": row["at"],
        }
    for row in stops:
        if row["lifted_at"] is None:
            words = _STOPPED[StopScope(row["scope"])]
            yield {"words": words, "in_place": False, "standing": "", "at": row["stopped_at"]}


def _standing(row: Any) -> str:
    """Which of several answers holds, where that is not plain."""
    if row["confirmed_at"]:  # until another is confirmed in its place, or it is known that it will not come
        return "" if row["written_back_pence"] == row["pledge_pence"] else "We have confirmed this with you."
    return "Your later answer has taken its place." if row["replaced_by"] and not row["settled_at"] else ""
