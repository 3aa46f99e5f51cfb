"""Reporting back: how the exam went, the receipt, an exam moved or not sat, and asking for all that."""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, Refused
from contracts.grants import PostAsked, ReportDue
from services.grants.applying import move, tell, today_of
from services.grants.awards import (
    AT_A_TIME,
    Award,
    Paper,
    enter_step,
    lock_award,
    lock_linked,
    papers_of,
)
from services.grants.queries import MONEY
from services.grants.states import Mover, State, check_move

#: How often somebody is asked how their exam went, and how long after the time before.
TIMES, AGAIN = 3, timedelta(days=14)
#: Days after the payment on which the first question comes where the day of the exam is not known.
WITHOUT_DAY = 60
#: How long after they last spoke of it whoever has passed, and had no post, is asked once more.
POST_AFTER = timedelta(days=182)


class Result(StrEnum):
    """How an exam went."""

    PASSED = "passed"
    NOT_PASSED = "not_passed"
    NOT_SAT = "not_sat"


RESULTS: Mapping[Result, str] = {
    Result.PASSED: "Passed",
    Result.NOT_PASSED: "Not passed",
    Result.NOT_SAT: "Did not sit it",
}


async def report(tx: Transaction, token: str, result: Result, in_post: bool | None) -> None:
    """Say how the exam went, as whoever sat it.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or there is nothing to be told.
    """
    row, award = await lock_linked(tx, token)
    await _say(tx, row, award, result, in_post)


async def record(
    tx: Transaction, application_id: UUID, by: UUID, result: Result, in_post: bool | None
) -> None:
    """The same, by somebody of ours whom they have told.

    Raises:
        NotFound, Conflict: when nothing is awarded, or there is nothing to be told.
    """
    row, award = await lock_award(tx, application_id)
    await _say(tx, row, award, result, in_post, by)


async def _say(
    tx: Transaction, row: Any, award: Award, result: Result, in_post: bool | None, by: UUID | None = None
) -> None:
    _check_paid(award)
    id = award.application_id
    await MONEY.say_outcome(tx, application_id=id, result=result.value, by=by, now=tx.now)
    if in_post is not None:
        await MONEY.say_post(tx, application_id=id, in_post=in_post, now=tx.now)
    note(tx, "outcome_said", "award", id, after={"result": result.value, "in_post": in_post})
    await finish(tx, row, award, by)


async def say_post(tx: Transaction, token: str, in_post: bool) -> None:
    """Say whether one works in one's profession: with the report, or at any time after it.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or nothing was reported.
    """
    _, award = await lock_linked(tx, token)
    if award.state is not State.REPORTED:
        raise _moved_on()
    await MONEY.say_post(tx, application_id=award.application_id, in_post=in_post, now=tx.now)
    note(tx, "post_said", "award", award.application_id, after={"in_post": in_post})


async def confirm_receipt(tx: Transaction, application_id: UUID, by: UUID) -> None:
    """Say that a receipt was seen on paper.

    Raises:
        NotFound, Conflict: when nothing is awarded, or no receipt is needed now.
    """
    row, award = await lock_award(tx, application_id)
    if award.receipt_seen_at is not None:
        raise _moved_on()
    _check_paid(award)
    await MONEY.see_receipt(tx, application_id=application_id, now=tx.now)
    await enter_step(tx, award, "receipt_seen", by)
    await finish(tx, row, award, by)


async def receipt_came(tx: Transaction, token: str) -> None:
    """A receipt was added: nothing more may be missing."""
    row, award = await lock_linked(tx, token)
    await finish(tx, row, award)


async def finish(tx: Transaction, row: Any, award: Award, by: UUID | None = None) -> None:
    """End it once it is known how the exam went and what it has cost, and the money is settled."""
    id = award.application_id
    award_now, outcome = (
        await MONEY.award_by_id(tx, application_id=id),
        await MONEY.outcome_of(tx, application_id=id),
    )
    receipt = award_now["receipt_seen_at"] or any(
        paper["kind"] == Paper.RECEIPT for paper in await papers_of(tx, id)
    )
    open_question = outcome is None or (
        outcome["result"] == Result.NOT_SAT and award_now["waived_at"] is None
    )
    if award.state is State.PAID and receipt and not open_question:
        check_move(award.state, State.REPORTED, Mover.APPLICANT)
        await move(tx, row, State.REPORTED, by=by)


# An exam that is moved, or not sat


async def move_exam(tx: Transaction, token: str, exam_on: date, words: str) -> None:
    """Say another day of the exam, as whoever sits it.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or nothing is accepted or paid.
        Refused: when the day is over.
    """
    _, award = await lock_linked(tx, token)
    await _move(tx, award, exam_on, words)


async def record_move(tx: Transaction, application_id: UUID, by: UUID, exam_on: date, words: str) -> None:
    """The same, by somebody of ours whom they have told.

    Raises:
        NotFound, Conflict, Refused: as above.
    """
    _, award = await lock_award(tx, application_id)
    await _move(tx, award, exam_on, words, by)


async def _move(tx: Transaction, award: Award, exam_on: date, words: str, by: UUID | None = None) -> None:
    if award.state not in (State.ACCEPTED, State.PAID):
        raise _moved_on()
    if exam_on <= today_of(tx):
        raise Refused("This day is over.", "Write the day on which the exam is now.", field="exam_on")
    outcome = await MONEY.outcome_of(tx, application_id=award.application_id)
    if outcome is not None and outcome["result"] == Result.NOT_SAT:
        await MONEY.drop_outcome(tx, application_id=award.application_id)
    await MONEY.move_exam(tx, application_id=award.application_id, exam_on=exam_on)
    await enter_step(tx, award, "exam_moved", by, day=exam_on, words=words)


async def waive(tx: Transaction, application_id: UUID, by: UUID, words: str) -> None:
    """Ask no money back although the exam was not sat.

    Raises:
        NotFound, Conflict: when nothing is awarded, or the exam is not said to have been missed.
    """
    row, award = await lock_award(tx, application_id)
    outcome = await MONEY.outcome_of(tx, application_id=application_id)
    missed = outcome is not None and outcome["result"] == Result.NOT_SAT
    if award.state is not State.PAID or award.waived_at is not None or not missed:
        raise _moved_on()
    await MONEY.waive(tx, application_id=application_id, now=tx.now)
    await enter_step(tx, award, "waived", by, words=words)
    await finish(tx, row, award, by)


def _check_paid(award: Award) -> None:
    if award.state is not State.PAID:
        raise _moved_on()


def _moved_on() -> Conflict:
    return Conflict("This award has moved on.", "Open the page again to see where it stands.")


# What time does


async def ask(tx: Transaction) -> int:
    """Ask those whose exam is over how it went: after it, and twice more. How many."""
    rows = MONEY.awards_to_ask(
        tx,
        today=today_of(tx),
        again=tx.now - AGAIN,
        days=WITHOUT_DAY,
        times=TIMES,
        most=AT_A_TIME,
        now=tx.now,
    )
    found = [row async for row in rows]
    for row in found:
        id = row["application_id"]
        await MONEY.touch_application(tx, id=id, now=tx.now)
        await tell(tx, ReportDue, id, due_on=today_of(tx) + AGAIN, asked_before=row["asked_before"])
    return len(found)


async def ask_post(tx: Transaction, after: timedelta = POST_AFTER) -> int:
    """Ask those who have passed, and had no post then, once more whether they have one now. How many.

    Args:
        after: since they last told us of it.
    """
    found = [row async for row in MONEY.posts_to_ask(tx, before=tx.now - after, most=AT_A_TIME, now=tx.now)]
    for row in found:
        id = row["application_id"]
        await MONEY.touch_application(tx, id=id, now=tx.now)
        await tell(tx, PostAsked, id)
    return len(found)
