"""What comes back for a letter: an acknowledgement, a pledge, a refusal or a question.

What somebody writes stays here, beside the letter. What is announced says which letter and which kind of
answer, and nothing in anybody's words. An answer never lowers what was known before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import announce
from contracts.envelope import pounds_sterling
from contracts.notifications import ContributionPledged, LetterAcknowledged, LetterAnswered
from services.notifications.campaigns import STAFF
from services.notifications.domain import ANSWER_LEADS_TO, AnswerKind, AnswerState, LetterState, answer_after
from services.notifications.letters import facts_of, lock_letter, mark_sent
from services.notifications.queries import QUERIES

LONGEST_NAME = 200
LONGEST_WORDS = 4_000
#: Kept for one letter.
MOST_ANSWERS = 20
MOST_PLEDGED_PENCE = 100_000_000

THE_RECIPIENT = "the recipient"

#: What the history says of each kind.
NOTED = {
    AnswerKind.ACKNOWLEDGE: "Acknowledged",
    AnswerKind.PLEDGE: "Pledged, to be confirmed by us",
    AnswerKind.DECLINE: "Declined",
    AnswerKind.ASK: "Asked us something",
}

#: What the history says once a person has seen to it.
SETTLED = {
    AnswerKind.ASK: "Question answered by us",
    AnswerKind.DECLINE: "Spoken with them about the refusal",
}


class TooManyAnswers(Refused):
    """The letter has been answered so often that talking is better."""

    def __init__(self, telephone: str) -> None:
        what = "Thank you: we already have many answers to this letter, so this one was not recorded."
        super().__init__(what, f"Please telephone us on {telephone}. We shall gladly put things right.")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a recipient says, as it was typed."""

    kind: AnswerKind
    #: The reason or the question.
    detail: str = ""
    #: Who pledges, and in which position.
    name: str = ""
    position: str = ""
    pledge_pence: int | None = None


def answer_faults(answer: Answer) -> Iterator[Refused]:
    """Everything that has to be mended; the fields are named as on the response page."""
    detail = "question" if answer.kind is AnswerKind.ASK else "reason"
    if answer.kind is AnswerKind.PLEDGE:
        if answer.pledge_pence is None or not 0 < answer.pledge_pence <= MOST_PLEDGED_PENCE:
            yield Refused("This is not an amount.", "Write it in figures, for example 1500.", field="amount")
        for field, text in (("name", answer.name), ("position", answer.position)):
            if not text:
                yield Refused(f"Your {field} is missing.", "We need it to confirm the pledge.", field=field)
            elif len(text) > LONGEST_NAME:
                cure = f"Write at most {LONGEST_NAME} characters."
                yield Refused(f"Your {field} is too long.", cure, field=field)
    if answer.kind is AnswerKind.ASK and not answer.detail:
        yield Refused("There is no question yet.", "Write what you would like to know.", field="question")
    if len(answer.detail) > LONGEST_WORDS:
        yield Refused("This is too long.", f"Write at most {LONGEST_WORDS:,} characters.", field=detail)


async def record_answer(
    tx: Transaction, letter_id: UUID, answer: Answer, who: str = THE_RECIPIENT
) -> AnswerState:
    """Record an answer and announce it. Where the letter's answer stands afterwards.

    A second acknowledgement, or one after an answer, changes nothing and announces nothing.

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
    before = AnswerState(letter["answer"])
    standing = await QUERIES.standing_answers(tx, letter_id=letter_id)
    after = answer_after(before, answer.kind, confirmed=standing["confirmed"])
    if answer.kind is AnswerKind.ACKNOWLEDGE and after is before:
        return before
    if standing["count"] >= MOST_ANSWERS:
        raise TooManyAnswers(tx.context.house.telephone)
    if letter["state"] == LetterState.UNKNOWN:
        await mark_sent(tx, letter_id, who=who)  # who answers has it
    await _enter(tx, letter_id, answer, who)
    version = await QUERIES.set_answer(tx, id=letter_id, answer=after.value, now=tx.now)
    await _announce(tx, letter, answer.kind, version)
    return after


async def _enter(tx: Transaction, letter_id: UUID, answer: Answer, who: str) -> None:
    await QUERIES.enter_answer(
        tx,
        id=uuid_utils.compat.uuid7(),
        letter_id=letter_id,
        kind=answer.kind.value,
        detail=answer.detail,
        name=answer.name if answer.kind is AnswerKind.PLEDGE else "",
        position=answer.position if answer.kind is AnswerKind.PLEDGE else "",
        pledge_pence=answer.pledge_pence if answer.kind is AnswerKind.PLEDGE else None,
        now=tx.now,
    )
    await QUERIES.note(tx, letter_id=letter_id, what=NOTED[answer.kind], who=who, now=tx.now)


async def _announce(tx: Transaction, letter: Any, kind: AnswerKind, version: int) -> None:
    facts = {"subject": letter["id"], "sequence": version, **facts_of(letter)}
    if kind is AnswerKind.ACKNOWLEDGE:
        await announce(tx, LetterAcknowledged, acknowledged_at=tx.now, **facts)
    else:
        await announce(tx, LetterAnswered, answered_at=tx.now, answer=ANSWER_LEADS_TO[kind].value, **facts)


async def confirm_pledge(tx: Transaction, pledge_id: UUID) -> UUID:
    """Confirm a pledge, which announces it to everybody who counts money. The letter it came for.

    Raises:
        NotFound: when there is no such pledge.
        Conflict: when it was confirmed before, or a newer answer took its place.
    """
    found = await QUERIES.pledge(tx, id=pledge_id)
    if found is None:
        raise NotFound
    letter_id: UUID = found["letter_id"]
    await lock_letter(tx, letter_id)
    pledge = await QUERIES.pledge(tx, id=pledge_id)  # as it stands now that the letter is ours
    if pledge["confirmed_at"] is not None:
        raise Conflict("This pledge was confirmed before.", "Reload the page.")
    if pledge["replaced"]:
        raise Conflict("A newer answer has taken the place of this pledge.", "Look at the newest answer.")
    pence = {"pence": pledge["pledge_pence"]}
    note(tx, "pledge_confirmed", "pledge", pledge_id, after=pence)
    await QUERIES.confirm_pledge(tx, id=pledge_id, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what="Pledge confirmed", who=STAFF, now=tx.now)
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
        pledged_on=pledge["at"].astimezone(LOCAL).date(),
    )
    return letter_id


async def settle_answer(tx: Transaction, answer_id: UUID) -> UUID:
    """Note that a person has seen to a question, or to a refusal. The letter it came for.

    Raises:
        NotFound: when there is no such answer, or it is of a kind that leaves nothing to see to.
        Conflict: when it was settled before.
    """
    found = await QUERIES.answer(tx, id=answer_id)
    if found is None or AnswerKind(found["kind"]) not in SETTLED:
        raise NotFound
    letter_id: UUID = found["letter_id"]
    await lock_letter(tx, letter_id)
    answer = await QUERIES.answer(tx, id=answer_id)  # as it stands now that the letter is ours
    if answer["settled_at"] is not None:
        raise Conflict("This was settled before.", "Reload the page.")
    note(tx, "answer_settled", "answer", answer_id)
    await QUERIES.settle_answer(tx, id=answer_id, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    what = SETTLED[AnswerKind(answer["kind"])]
    await QUERIES.note(tx, letter_id=letter_id, what=what, who=STAFF, now=tx.now)
    return letter_id
