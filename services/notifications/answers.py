"""What comes back for a letter, on its page or in any other way: acknowledged, pledged, refused, passed on …

What somebody writes stays here, beside the letter. What is announced says which letter and which kind of
answer, and nothing in anybody's words. An answer never lowers what was known before; a wrong entry is put
right by another one, and stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note, person_of
from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, NotYetKnown, Refused
from chassis.outbox import announce
from chassis.writing import can_be_seen, can_be_shown, mailable
from contracts.envelope import Event, pounds_sterling
from contracts.notifications import (
    ContributionPledged,
    LetterAcknowledged,
    LetterAnswerCorrected,
    LetterAnswered,
)
from services.notifications.colleagues import STAFF, THE_RECIPIENT, done_by
from services.notifications.domain import (
    ANSWER_LEADS_TO,
    AnswerKind,
    AnswerState,
    LetterState,
    answer_after,
    day_words,
    pounds,
)
from services.notifications.letters import HANDED_OVER, facts_of, lock_letter, mark_sent
from services.notifications.passing_on import Colleague, is_suggested, suggest
from services.notifications.queries import ANSWERING, QUERIES

LONGEST_NAME = 200
LONGEST_WORDS = 4_000
#: Kept for one letter.
MOST_ANSWERS = 20
MOST_PLEDGED_PENCE = 100_000_000

#: Somebody of ours, who looked at the page behind the link while signed in.
A_COLLEAGUE = "a colleague of ours, on the recipient’s page"
#: Who says that a pledge will not come.
GRANTS_SAYS = "Grants"

#: What the history says of each kind.
NOTED = {
    AnswerKind.ACKNOWLEDGE: "Acknowledged",
    AnswerKind.PLEDGE: "Pledged, to be confirmed by us",
    AnswerKind.MEET: "Will meet us",
    AnswerKind.DECLINE: "Declined",
    AnswerKind.ASK: "Asked us something",
    AnswerKind.PASS_ON: "Passed on to a colleague, to be confirmed by us",
}

#: What the history says once a person has seen to it.
SETTLED = {
    AnswerKind.ASK: "Question answered by us",
    AnswerKind.MEET: "A day to meet was agreed on",
    AnswerKind.DECLINE: "Spoken with them about the refusal",
}

#: Of these the last that a recipient says takes the place of the one before.
TURNS = (AnswerKind.PLEDGE, AnswerKind.DECLINE)

#: The field on the response page in which somebody's words stand.
WORDS_FIELDS = {AnswerKind.DECLINE: "reason", AnswerKind.ASK: "question", AnswerKind.MEET: "when"}


class Way(StrEnum):
    """How an answer came."""

    PAGE = "page"
    EMAIL = "email"
    POST = "post"
    TELEPHONE = "telephone"
    PERSON = "person"


#: Each way but the letter's own page, as it stands behind "told us".
WAYS = {
    Way.EMAIL: "by e-mail",
    Way.POST: "by post",
    Way.TELEPHONE: "by telephone",
    Way.PERSON: "in person",
}


class TooManyAnswers(Refused):
    """The letter has been answered so often that talking is better."""

    def __init__(self, to_reach: str) -> None:
        what = "Thank you: we already have many answers to this letter, so this one was not recorded."
        super().__init__(what, f"Please {to_reach}. We shall gladly put things right.")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a recipient says, as it was typed."""

    kind: AnswerKind
    #: The reason, the question, or when they could meet.
    detail: str = ""
    #: Who says so, and in which position, where they said it.
    name: str = ""
    position: str = ""
    #: They answer for whoever the letter was for, so they have to say who they are.
    in_place: bool = False
    pledge_pence: int | None = None
    #: To whom the letter is passed on.
    colleague: Colleague | None = None


@dataclass(frozen=True, kw_only=True)
class Told:
    """How an answer came that somebody of ours enters."""

    way: Way
    #: The day on which it was said, or came.
    on: date
    by: UUID


def answer_faults(answer: Answer) -> Iterator[Refused]:
    """Everything that has to be mended; the fields are named as on the response page."""
    pence = answer.pledge_pence or 0
    if answer.kind is AnswerKind.PLEDGE and not 0 < pence <= MOST_PLEDGED_PENCE:
        yield Refused("This is not an amount.", "Write it in figures, for example 1500.", field="amount")
    yield from _who_faults(answer)
    if answer.kind is AnswerKind.ASK and not answer.detail:
        yield Refused("There is no question yet.", "Write what is to be answered.", field="question")
    yield from _words_faults(WORDS_FIELDS.get(answer.kind, "reason"), answer.detail)
    if answer.kind is AnswerKind.PASS_ON:
        yield from _colleague_faults(answer.colleague or Colleague())


def _words_faults(field: str, words: str) -> Iterator[Refused]:
    if len(words) > LONGEST_WORDS:
        yield Refused("This is too long.", f"Write at most {LONGEST_WORDS:,} characters.", field=field)
    elif not can_be_shown(words, lines=True):
        yield Refused("This has characters that cannot be shown.", "Type it anew.", field=field)


def _who_faults(answer: Answer) -> Iterator[Refused]:
    needed = answer.in_place or answer.kind is AnswerKind.PLEDGE
    why = "We need it to confirm the pledge." if answer.kind is AnswerKind.PLEDGE else "We keep who answered."
    for field, text in (("name", answer.name), ("position", answer.position)):
        if needed and not text:
            yield Refused(f"The {field} of whoever answers is missing.", why, field=field)
        else:
            yield from _line_faults(field, f"The {field}", text)


def _colleague_faults(colleague: Colleague) -> Iterator[Refused]:
    if not colleague.name:
        what = "The name of your colleague is missing."
        yield Refused(what, "We put it on the letter.", field="colleague_name")
    yield from _line_faults("colleague_name", "The name", colleague.name)
    yield from _line_faults("colleague_role", "What they do", colleague.role)
    if not mailable(colleague.email):
        what, cure = "This is not an e-mail address.", "Write one like name@trust.example."
        yield Refused(what, cure, field="colleague_email")


def _line_faults(field: str, what: str, text: str) -> Iterator[Refused]:
    if len(text) > LONGEST_NAME:
        yield Refused(f"{what} is too long.", f"Write at most {LONGEST_NAME} characters.", field=field)
    elif text and not can_be_seen(text):
        yield Refused(f"{what} has characters that cannot be seen.", "Type it anew.", field=field)


async def record_answer(
    tx: Transaction,
    letter_id: UUID,
    answer: Answer,
    who: str = THE_RECIPIENT,
    told: Told | None = None,
    *,
    pressed_by: UUID | None = None,
) -> AnswerState:
    """Record an answer and announce it. Where the letter's answer stands afterwards.

    A second acknowledgement, or one after an answer, changes nothing and announces nothing; it is kept where
    it says who answers. Who passes a letter on twice to the same colleague has done so once.

    Args:
        told: where it did not come by the letter's own page.
        pressed_by: somebody of ours, where it came by that page and they pressed there.

    Raises:
        NotFound: when there is no such letter.
        Conflict: when the letter has not been sent yet.
        Refused: names the first field at fault.
        TooManyAnswers: when no more are kept.
    """
    for fault in answer_faults(answer):
        raise fault
    letter = await lock_letter(tx, letter_id)
    if letter["state"] in (LetterState.DRAFT, LetterState.BLOCKED):
        raise Conflict("This letter has not been sent yet.", "It can be answered once it was sent.")
    if told is not None:
        _check_day(tx, letter, told)
    before = AnswerState(letter["answer"])
    standing = await QUERIES.standing_answers(tx, letter_id=letter_id)
    after = answer_after(before, answer.kind, counted=standing["counted"])
    says_nothing_new = answer.kind is AnswerKind.ACKNOWLEDGE and after is before
    if says_nothing_new and not answer.name and told is None:
        return before
    if answer.colleague and await is_suggested(tx, letter_id, answer.colleague):
        if told is None:
            return before
        cure = "What came of it stands on the letter’s page."
        raise Refused("The letter was passed on to them before.", cure, field="colleague_email")
    if standing["count"] >= MOST_ANSWERS:
        raise TooManyAnswers(tx.context.house.to_reach)
    if letter["state"] in HANDED_OVER:
        await mark_sent(tx, letter_id, who=who)  # who answers has it
    await _enter(tx, letter, answer, who, told, pressed_by)
    version = await QUERIES.set_answer(tx, id=letter_id, answer=after.value, now=tx.now)
    if ANSWER_LEADS_TO[answer.kind] is not AnswerState.ACKNOWLEDGED or after is not before:
        await _announce(tx, letter, answer.kind, version, _said_at(tx, told))
    return after


def _check_day(tx: Transaction, letter: Any, told: Told) -> None:
    sent_on = letter["sent_at"].astimezone(LOCAL).date() if letter["sent_at"] else None
    if told.on > tx.today:
        raise Refused("This day has not come yet.", "Write the day on which it came.", field="told_on")
    if sent_on and told.on < sent_on:
        what = f"The letter was sent on {day_words(sent_on)}, after this day."
        raise Refused(what, "Write the day on which the answer came.", field="told_on")


def _said_at(tx: Transaction, told: Told | None) -> datetime:
    """When it was said: the moment, or noon of the day."""
    if told is None or told.on == tx.today:
        return tx.now
    return datetime.combine(told.on, time(12), LOCAL)


async def _enter(
    tx: Transaction,
    letter: Any,
    answer: Answer,
    who: str,
    told: Told | None,
    pressed_by: UUID | None = None,
    corrects: UUID | None = None,
) -> UUID:
    id: UUID = uuid_utils.compat.uuid7()
    instead = await _in_place_of(tx, letter["id"], answer.kind, corrects)
    await QUERIES.enter_answer(
        tx,
        id=id,
        letter_id=letter["id"],
        kind=answer.kind.value,
        detail=answer.detail,
        name=answer.name,
        position=answer.position,
        pledge_pence=answer.pledge_pence if answer.kind is AnswerKind.PLEDGE else None,
        way=(told.way if told else Way.PAGE).value,
        entered_by=told.by if told else pressed_by,
        told_on=told.on if told else None,
        now=tx.now,
    )
    what = NOTED[answer.kind]
    if told is not None:
        note(tx, "answer_entered", "answer", id, after={"kind": answer.kind.value, "way": told.way.value})
        what += f": told us {WAYS[told.way]} on {day_words(told.on)}"
    await QUERIES.note(tx, letter_id=letter["id"], what=what + instead, **done_by(tx, who), now=tx.now)
    if answer.kind is AnswerKind.PASS_ON and answer.colleague:
        await suggest(tx, letter, id, answer.colleague)
    return id


async def _in_place_of(tx: Transaction, letter_id: UUID, kind: AnswerKind, but: UUID | None) -> str:
    """Whose place an answer of this kind takes among those to a letter, as its history says it.

    Args:
        but: an answer that is being corrected.
    """
    rows = await rows_of(ANSWERING.answers_standing(tx, letter_id=letter_id))
    before = [row for row in rows if row["kind"] in TURNS and row["id"] != but]
    if kind not in TURNS or not before:
        return ""
    if any(row["counted"] for row in before):
        return ". The pledge that we have confirmed counts until a person changes it"
    if kind == before[-1]["kind"] == AnswerKind.DECLINE:
        return ""
    return f", in place of {turn_words(before[-1])}"


def turn_words(turn: Mapping[str, Any]) -> str:
    """A pledge or a refusal, in the midst of a sentence."""
    return f"their pledge of {pounds(turn['pledge_pence'])}" if turn["pledge_pence"] else "their refusal"


async def _announce(tx: Transaction, letter: Any, kind: AnswerKind, version: int, at: datetime) -> None:
    facts = {"subject": letter["id"], "sequence": version, **facts_of(letter)}
    state = ANSWER_LEADS_TO[kind]
    if state is AnswerState.ACKNOWLEDGED:
        await announce(tx, LetterAcknowledged, acknowledged_at=at, **facts)
    else:
        await announce(tx, LetterAnswered, answered_at=at, answer=state.value, **facts)


async def correct_answer(tx: Transaction, answer_id: UUID, right: Answer | None, told: Told | None) -> UUID:
    """Put a wrong entry right: by another one, or by nothing where it was no answer. The letter it came for.

    The wrong one stays and counts no more; where the letter's answer stands follows from the others.

    Raises:
        NotFound: when there is no such answer.
        Conflict: when it was corrected before, or is a pledge that was confirmed.
        Refused: names the first field at fault.
    """
    for fault in answer_faults(right) if right else ():
        raise fault
    found = await QUERIES.answer(tx, id=answer_id)
    if found is None:
        raise NotFound
    letter = await lock_letter(tx, found["letter_id"])
    wrong = await QUERIES.answer(tx, id=answer_id)  # as it stands now that the letter is ours
    _check_correctable(wrong)
    if told is not None:
        _check_day(tx, letter, told)
    note(tx, "answer_corrected", "answer", answer_id, before={"kind": wrong["kind"]})
    what = f"Put right by us: “{NOTED[AnswerKind(wrong['kind'])]}” was entered by mistake"
    await QUERIES.note(tx, letter_id=letter["id"], what=what, **done_by(tx), now=tx.now)
    by = await _enter(tx, letter, right, STAFF, told, corrects=answer_id) if right else None
    await ANSWERING.correct_answer(tx, id=answer_id, by=by, now=tx.now)
    await ANSWERING.drop_suggestion_of(tx, answer_id=answer_id, now=tx.now)
    state = await _reckoned(tx, letter["id"])
    version = await QUERIES.set_answer(tx, id=letter["id"], answer=state.value, now=tx.now)
    facts = {"subject": letter["id"], "sequence": version, **facts_of(letter)}
    await announce(tx, LetterAnswerCorrected, corrected_at=tx.now, answer=state.value, **facts)
    return UUID(str(letter["id"]))


def _check_correctable(wrong: Any) -> None:
    if wrong["corrected_at"] is not None:
        raise Conflict("This was put right before.", "Open the page again.")
    if wrong["confirmed_at"] is not None:
        cure = "Enter what they say now as a new answer; the pledge counts until its money is settled."
        raise Conflict("This pledge was confirmed and announced, so it stays as it is.", cure)


async def _reckoned(tx: Transaction, letter_id: UUID) -> AnswerState:
    """Where the answer stands by all that was said and not corrected."""
    state, counted = AnswerState.SILENT, False
    async for row in ANSWERING.answers_standing(tx, letter_id=letter_id):
        state = answer_after(state, AnswerKind(row["kind"]), counted=counted)
        counted = counted or row["counted"]
    return state


async def confirm_pledge(tx: Transaction, pledge_id: UUID, *, instead: bool | None = None) -> UUID:
    """Confirm a pledge, which announces it to everybody who counts money. The letter it came for.

    Args:
        instead: whether it comes in place of what was confirmed for this letter before, or besides it.

    Raises:
        NotFound: when there is no such pledge.
        Conflict: when it was confirmed before, or a newer answer took its place.
        Refused: when another one was confirmed for this letter, and nobody has said whether that stays.
    """
    found = await QUERIES.pledge(tx, id=pledge_id)
    if found is None:
        raise NotFound
    letter_id: UUID = found["letter_id"]
    await lock_letter(tx, letter_id)
    pledge = await QUERIES.pledge(tx, id=pledge_id)  # as it stands now that the letter is ours
    if pledge["confirmed_at"] is not None:
        raise Conflict("This pledge was confirmed before.", "Open the page again.")
    if pledge["replaced"] or pledge["corrected_at"] is not None:
        raise Conflict("A newer answer has taken the place of this pledge.", "Look at the newest answer.")
    before = [row["id"] async for row in ANSWERING.pledges_confirmed(tx, letter_id=letter_id)]
    if before and instead is None:
        what = "They have pledged before, and that was confirmed."
        raise Refused(what, "Say whether this comes instead of it, or besides it.", field="instead")
    replaced = before if instead else []
    pence = {"pence": pledge["pledge_pence"]}
    note(tx, "pledge_confirmed", "pledge", pledge_id, after=pence)
    await QUERIES.confirm_pledge(tx, id=pledge_id, now=tx.now)
    for id in replaced:
        note(tx, "pledge_replaced", "pledge", id)
        await ANSWERING.correct_answer(tx, id=id, by=pledge_id, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    what = "Pledge confirmed, instead of the one before" if replaced else "Pledge confirmed"
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx), now=tx.now)
    await announce(
        tx,
        ContributionPledged,
        subject=pledge_id,
        sequence=1,
        pledge_id=pledge_id,
        organisation_id=pledge["organisation_id"],
        campaign_id=pledge["campaign_id"],
        campaign=pledge["campaign"],
        fund=pledge["fund"],
        amount=pounds_sterling(pledge["pledge_pence"]),
        pledged_on=pledge["told_on"] or pledge["at"].astimezone(LOCAL).date(),
        replaces=replaced,
        confirmed_by=person_of(tx),
    )
    return letter_id


async def write_back(tx: Transaction, event: Event) -> None:
    """So much of a pledge will not come, as Grants says: it counts no more. What they have said stays.

    Once nothing of it counts, a refusal that came after it stands as their answer. A newer word of Grants may
    take it back; an older one that comes late changes nothing.

    Raises:
        NotYetKnown: when we know no such pledge, or none that was confirmed, as after a restore.
    """
    if event.data["campaign_id"] is None:  # it was entered in Grants, and no letter of ours was answered
        return
    found = await QUERIES.answer(tx, id=event.data["pledge_id"])
    if found is None:
        raise NotYetKnown
    letter_id: UUID = found["letter_id"]
    await lock_letter(tx, letter_id)
    pledge = await QUERIES.answer(tx, id=found["id"])  # as it stands now that the letter is ours
    if pledge["confirmed_at"] is None:
        raise NotYetKnown
    epoch, version = event.version
    if (epoch, version) <= (pledge["written_back_epoch"], pledge["written_back_version"]):
        return
    pence = event.data["amount"]["amount_pence"]
    await QUERIES.write_back(tx, id=pledge["id"], pence=pence, epoch=epoch, version=version)
    state = await _reckoned(tx, letter_id)
    await QUERIES.set_answer(tx, id=letter_id, answer=state.value, now=tx.now)
    if pence == pledge["written_back_pence"]:  # an earlier word of Grants is still under way
        return
    what = await _write_back_in_words(tx, pledge, pence)
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx, GRANTS_SAYS), now=tx.now)


async def _write_back_in_words(tx: Transaction, pledge: Any, pence: int) -> str:
    """What the history says of it. Nothing is lost of a pledge that another one has replaced."""
    if pence < pledge["written_back_pence"]:
        expected = pounds(pledge["written_back_pence"] - pence)
        return f"{expected} of what was pledged is expected after all"
    if pledge["corrected_at"] is None:
        return f"{pounds(pence)} of what was pledged will not come"
    instead = await QUERIES.answer(tx, id=pledge["corrected_by"])
    came = pledge["pledge_pence"] - pence
    before, now = pounds(pledge["pledge_pence"]), pounds(instead["pledge_pence"])
    still = f", but the {pounds(came)} that came counts" if came else ""
    return f"The pledge of {before} was replaced by one of {now}{still}"


async def settle_answer(tx: Transaction, answer_id: UUID) -> UUID:
    """Note that a person has seen to a question, a meeting or a refusal. The letter it came for.

    Raises:
        NotFound: when there is no such answer, or it is of a kind that leaves nothing to see to.
        Conflict: when it was settled before, or a newer answer took its place.
    """
    found = await QUERIES.answer(tx, id=answer_id)
    if found is None or AnswerKind(found["kind"]) not in SETTLED:
        raise NotFound
    letter_id: UUID = found["letter_id"]
    await lock_letter(tx, letter_id)
    answer = await QUERIES.answer(tx, id=answer_id)  # as it stands now that the letter is ours
    if answer["settled_at"] is not None:
        raise Conflict("This was settled before.", "Open the page again.")
    if answer["replaced"]:
        raise Conflict("A newer answer has taken the place of this one.", "Look at the newest answer.")
    note(tx, "answer_settled", "answer", answer_id)
    await QUERIES.settle_answer(tx, id=answer_id, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    what = SETTLED[AnswerKind(answer["kind"])]
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx), now=tx.now)
    return letter_id
