"""Answers that came by post, telephone or plain e-mail: staff enter them against the letter, and put right
what was entered wrongly. The same rules hold as on the response page.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import (
    Faults,
    fault,
    fault_of,
    new_key,
    once,
    read_form,
    see,
    signed_in,
    site_of,
)
from services.notifications.answers import (
    WAYS,
    WORDS_FIELDS,
    Answer,
    Told,
    Way,
    correct_answer,
    record_answer,
)
from services.notifications.colleagues import STAFF
from services.notifications.domain import AnswerKind, StopScope
from services.notifications.hrefs import enter_href, letter_href
from services.notifications.letters import lock_letter
from services.notifications.queries import QUERIES
from services.notifications.stops import stop
from services.notifications.web.letter import KINDS, read_letter
from services.notifications.web.respond import FIELDS, WORDS, read_answer

#: What may have been said besides an answer.
_STOPS = {
    "stop_person": ("Never write to them again", StopScope.PERSON),
    "stop_body": ("Never write to anybody at this body again", StopScope.BODY),
}

#: What a correction may say instead of an answer.
_NOTHING = "nothing"

_WORDS = "detail"
_FIELDS = (
    *("answer", "way", "told_on", "name", "position", "amount", _WORDS),
    *("colleague_name", "colleague_role", "colleague_email"),
)


async def show_form(request: Request) -> Response:
    """The form: empty, or with what is to be put right."""
    letter = await read_letter(request)
    async with site_of(request).database.reading() as tx:
        wrong = await _wrong(tx, letter["id"], request.query_params.get("corrects"))
        values = {**dict.fromkeys(_FIELDS, ""), "told_on": tx.today.isoformat()}
    return _form(request, letter, values | _typed_of(wrong), {}, wrong)


async def _wrong(tx: Transaction, letter_id: UUID, id: str | None) -> Any:
    """The entry of this letter that is to be put right, where there is one."""
    if not id:
        return None
    try:
        found = await QUERIES.answer(tx, id=UUID(id))
    except ValueError:
        raise NotFound from None
    if found is None or found["letter_id"] != letter_id or found["corrected_at"] is not None:
        raise NotFound
    return found


def _typed_of(wrong: Any) -> dict[str, str]:
    if wrong is None:
        return {}
    pence = wrong["pledge_pence"]
    return {
        "answer": wrong["kind"],
        "way": wrong["way"] if wrong["way"] != Way.PAGE else "",
        "name": wrong["name"],
        "position": wrong["position"],
        "amount": f"{pence / 100:.2f}" if pence else "",
        _WORDS: wrong["detail"],
    }


async def enter(request: Request) -> Response:
    """Keep what was told, or show the form again with what is wrong."""
    letter, form = await read_letter(request), await read_form(request)
    database, by = site_of(request).database, signed_in(request).id
    values = {field: str(form.get(field, "")).strip() for field in _FIELDS}
    async with database.reading() as tx:
        wrong = await _wrong(tx, letter["id"], str(form.get("corrects", "")))
    told, faults = _read_told(values, by)
    answer = _read_answer(values, faults)
    if faults or told is None:
        return _form(request, letter, values, faults, wrong, 422)

    async def act(tx: Transaction) -> Response:
        try:
            done = await _keep(tx, letter["id"], values["answer"], answer, told, wrong)
        except Refused as refused:
            return _form(request, letter, values, fault_of(refused), wrong, refused.status)
        return see(f"{letter_href(letter['id'])}?done={done}")

    return await once(request, act)


async def _keep(
    tx: Transaction, letter_id: UUID, chosen: str, answer: Answer | None, told: Told, wrong: Any
) -> str:
    """Which word of confirmation fits."""
    if wrong is not None:
        await correct_answer(tx, wrong["id"], answer, told)
        return "corrected"
    if chosen in _STOPS:
        scope = _STOPS[chosen][1]
        new = await stop(tx, await lock_letter(tx, letter_id), scope, way=told.way.value, who=STAFF)
        return "stopped" if new else "stopped_before"
    if answer is not None:
        await record_answer(tx, letter_id, answer, STAFF, told)
    return "entered"


def _read_told(values: Mapping[str, str], by: UUID) -> tuple[Told | None, Faults]:
    faults: Faults = {}
    if values["way"] not in list(WAYS):
        faults["way"] = fault("How it came is missing.", "Choose one.")
    try:
        on = date.fromisoformat(values["told_on"])
    except ValueError:
        faults["told_on"] = fault("This is not a day.", "Write it as 2026-11-26.")
    if faults:
        return None, faults
    return Told(way=Way(values["way"]), on=on, by=by), faults


def _read_answer(values: Mapping[str, str], faults: Faults) -> Answer | None:
    """The answer; none where it is a stop, or was no answer at all."""
    if values["answer"] in (*_STOPS, _NOTHING):
        return None
    if values["answer"] not in list(AnswerKind):
        faults["answer"] = fault("What they said is missing.", "Choose one.")
        return None
    typed = {field: values.get(field, values[_WORDS]) for field in (*FIELDS, WORDS)}
    said, wrong = read_answer(values["answer"], typed)
    for field, why in wrong.items():
        faults.setdefault(_WORDS if field in WORDS_FIELDS.values() else field, why)
    return said


def _form(
    request: Request, letter: Any, values: Mapping[str, str], faults: Faults, wrong: Any, status: int = 200
) -> Response:
    choices = [(kind.value, words) for kind, words in KINDS.items()]
    others = [(code, words) for code, (words, _) in _STOPS.items()]
    if wrong is not None:
        others = [(_NOTHING, "It was no answer: entered by mistake")]
    response: Response = site_of(request).page(
        request,
        "letter_answer.html",
        status=status,
        letter=letter,
        contact_name=letter["frozen"]["values"]["contact_name"],
        letter_href=letter_href(letter["id"]),
        action=enter_href(letter["id"]),
        corrects=wrong["id"] if wrong else None,
        wrong_words=KINDS[AnswerKind(wrong["kind"])] if wrong else "",
        choices=choices + others,
        ways=[{"code": way.value, "name": words[:1].upper() + words[1:]} for way, words in WAYS.items()],
        values=values,
        faults=faults,
        key=new_key(request),
    )
    return response
