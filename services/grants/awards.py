"""Awards: offered, answered, made ready to be paid, and given up. Their payments stand beside this.

An award has the id of its application. Whoever changes one locks the application first: all that happens to
one award happens one after the other.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.files import drop_files, keep_file
from chassis.web import day, pounds
from contracts.envelope import pounds_sterling
from contracts.grants import ApplicationWithdrawn, AwardAccepted, AwardReminded, AwardReturned
from services.grants import applying, ledger
from services.grants.applying import by_token, move, tell, today_of
from services.grants.bank_details import BankDetails
from services.grants.queries import APPLICATIONS, MONEY
from services.grants.states import Mover, State, check_move

#: Papers of one kind for one award.
MOST_PAPERS = 5
#: How long before the last day whoever has not answered is told.
REMIND_BEFORE = timedelta(days=7)
#: Awards that one turn of the clock sees to.
AT_A_TIME = 200


class Payee(StrEnum):
    """To whom an award is paid."""

    #: Who was awarded it, and has paid for the exam.
    PERSON = "person"
    #: Whoever holds the exam, where they send an invoice.
    EXAM_BODY = "exam_body"


class Paper(StrEnum):
    """What a paper of an award shows."""

    #: That the exam is booked and paid for.
    BOOKING = "booking"
    #: What the exam has cost.
    RECEIPT = "receipt"


#: States of an application in which each paper is added.
TAKES = {Paper.BOOKING: frozenset({State.ACCEPTED}), Paper.RECEIPT: frozenset({State.ACCEPTED, State.PAID})}


@dataclass(frozen=True, kw_only=True)
class Award:
    """An award, and what the ledger says of it. All amounts in pence."""

    application_id: UUID
    fund_id: UUID
    round_id: UUID
    #: Of the application.
    reference: str
    state: State
    purpose: str | None
    amount_pence: int
    offered_at: datetime
    #: The last day on which it can be accepted.
    answer_by: date
    accepted_at: datetime | None
    payee: Payee | None
    #: What the invoice of the body says that holds the exam.
    invoice: str
    #: When they last said where to pay; nothing while that is not held.
    given_at: datetime | None
    booking_seen_at: datetime | None
    exam_on: date | None
    #: On which day the last of it was paid.
    paid_on: date | None
    receipt_seen_at: datetime | None
    waived_at: datetime | None
    asked: int
    asked_at: datetime | None
    #: Promised and not paid.
    open_pence: int
    #: Of that, what somebody has prepared.
    waiting_pence: int
    #: Paid and not come back.
    paid_pence: int
    #: How many payments were ever prepared.
    payments: int

    @property
    def left_pence(self) -> int:
        """What can still be prepared."""
        return self.open_pence - self.waiting_pence

    @property
    def missing_pence(self) -> int:
        """What came back and is not promised again."""
        return self.amount_pence - self.paid_pence - self.open_pence

    @property
    def lacks(self) -> str:
        """What must be there before it can be paid, in a sentence; nothing when all is."""
        if self.payee is Payee.PERSON and self.given_at is None:
            return "They have not said where to pay."
        if self.payee is Payee.PERSON and self.booking_seen_at is None:
            return "Nobody has confirmed that the exam is booked."
        return "" if self.payee else "They have not said to whom it is to be paid."

    @classmethod
    def of(cls, row: Any) -> Self:
        """The award in a row."""
        said = {each.name: row[each.name] for each in fields(cls)}
        said |= {"state": State(row["state"]), "payee": Payee(row["payee"]) if row["payee"] else None}
        return cls(**said)


@dataclass(frozen=True, kw_only=True)
class HowToPay:
    """To whom an award is to be paid, and where."""

    payee: Payee
    #: Where the person is paid.
    details: BankDetails | None = None
    #: What the invoice of the exam's body says.
    invoice: str = ""


async def award_of(tx: Transaction, application_id: UUID) -> Award | None:
    """An award; nothing where nothing is awarded, or it is not published."""
    row = await MONEY.award_by_id(tx, application_id=application_id)
    return Award.of(row) if row else None


async def lock_award(tx: Transaction, application_id: UUID) -> tuple[Any, Award]:
    """The row of an application and its award, which nobody else changes until this transaction has ended.

    Raises:
        NotFound: when nothing is awarded.
    """
    row = await APPLICATIONS.lock_application(tx, id=application_id)
    award = await award_of(tx, application_id) if row is not None else None
    if award is None:
        raise NotFound
    return row, award


async def lock_linked(tx: Transaction, token: str) -> tuple[Any, Award]:
    """The same, of what a link leads to.

    Raises:
        NotFound: when it leads nowhere, or nothing is awarded.
    """
    found = await by_token(tx, token)
    if found is None:
        raise NotFound
    return await lock_award(tx, found["id"])


async def enter_step(tx: Transaction, award: Award, what: str, by: UUID | None = None, **more: Any) -> None:
    """Write down what was done about an award, in the audit as well: there without words.

    Args:
        more: ``amount_pence``, ``day``, ``words``.
    """
    said = {"amount_pence": None, "day": None, "words": "", **more}
    id = award.application_id
    await MONEY.enter_award_step(tx, application_id=id, what=what, person_id=by, **said, now=tx.now)
    after = {**said, "words": digest_of(tx, said["words"]) if said["words"] else None}
    note(tx, f"award_{what}", "award", id, after=after)


# What the applicant says


async def accept(tx: Transaction, token: str, how: HowToPay) -> None:
    """Say yes, once: whoever says it again changes nothing.

    Raises:
        NotFound, Conflict: when the link leads nowhere, the last day is over, it has moved on, or they said
            yes before and were to be paid in another way.
    """
    row, award = await lock_linked(tx, token)
    if award.state is State.ACCEPTED:
        if (award.payee, award.invoice) != (how.payee, how.invoice):
            cure = "Reload the page. Then open “Change how we pay”."
            raise Conflict("You have said yes before, with another way to be paid.", cure)
        return
    check_move(award.state, State.ACCEPTED, Mover.APPLICANT)
    if today_of(tx) > award.answer_by:
        raise Conflict(
            f"The last day to say yes was {day(award.answer_by)}.", "Ring us, and we tell you more."
        )
    await MONEY.accept_award(tx, application_id=award.application_id, now=tx.now)
    await _keep_payee(tx, award, how)
    await move(tx, row, State.ACCEPTED)
    awarded, paid_to = pounds_sterling(award.amount_pence), how.payee.value
    await tell(tx, AwardAccepted, award.application_id, awarded=awarded, paid_to=paid_to)


async def say_payee(tx: Transaction, token: str, how: HowToPay) -> None:
    """Say anew how to be paid: until a payment is prepared, and again once it came back.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or it is too late.
    """
    _, award = await lock_linked(tx, token)
    if not may_say_payee(award):
        cure = "Ring us at once if something in it is wrong."
        raise Conflict("How you are paid cannot be changed now.", cure)
    await _keep_payee(tx, award, how)


def may_say_payee(award: Award) -> bool:
    """Whether it can be changed how somebody is paid: not while a payment waits to be made."""
    return award.state is State.ACCEPTED and not award.waiting_pence


async def _keep_payee(tx: Transaction, award: Award, how: HowToPay) -> None:
    id = award.application_id
    await MONEY.say_payee(tx, application_id=id, payee=how.payee.value, invoice=how.invoice)
    if how.details is not None:
        sealed = how.details.sealed(tx.context, id)
        await MONEY.keep_details(tx, application_id=id, sealed=sealed, now=tx.now)
    else:
        await MONEY.drop_details(tx, ids=[id])
    note(tx, "award_payee_said", "award", id, after={"payee": how.payee.value})


async def withdraw(tx: Transaction, token: str) -> bool:
    """Take an application back, or say no to what was awarded. Whether it still leads somewhere.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or it has come too far.
    """
    found = await by_token(tx, token)
    row = await APPLICATIONS.lock_application(tx, id=found["id"]) if found else None
    if row is not None and row["state"] in (State.AWARDED, State.ACCEPTED):
        await give_back(tx, row, "given_up")
        return True
    return await applying.withdraw(tx, token)


async def give_back(tx: Transaction, row: Any, why: str, *, by: UUID | None = None) -> None:
    """Let go of an award of which nothing is paid: by whoever has it, or who no longer wants to be known.

    Args:
        row: of the application, locked.

    Raises:
        Conflict: when something of it was paid and has not come back.
    """
    award = Award.of(await MONEY.award_by_id(tx, application_id=row["id"]))
    check_move(award.state, State.WITHDRAWN, Mover.APPLICANT)
    if award.paid_pence:
        raise Conflict(f"{pounds(award.paid_pence)} of it was paid already.", "Ring us, and we sort it out.")
    await move(tx, row, State.WITHDRAWN, by=by)
    if not await _let_go(tx, award, why, by):
        await tell(tx, ApplicationWithdrawn, row["id"])


async def _let_go(tx: Transaction, award: Award, why: str, by: UUID | None = None) -> int:
    """Release what is promised, cancel what is prepared, and forget where to pay. How many pence are free."""
    id = award.application_id
    await MONEY.cancel_waiting(tx, application_id=id, by=by, now=tx.now)
    await MONEY.drop_details(tx, ids=[id])
    pence = await ledger.release_all(tx, award=id, cause=uuid_utils.compat.uuid7())
    if pence:
        await enter_step(tx, award, "released", by, amount_pence=pence)
        await tell_returned(tx, award, pence, why, today_of(tx))
    return pence


async def tell_returned(
    tx: Transaction, award: Award, pence: int, why: str, on: date, words: str = ""
) -> None:
    """Announce that money of an award is free again."""
    said = {"returned": pounds_sterling(pence), "why": why, "returned_on": on}
    await MONEY.touch_application(tx, id=award.application_id, now=tx.now)
    await tell(tx, AwardReturned, award.application_id, words=words, **said)


# Papers


async def add_paper(
    tx: Transaction, token: str, kind: Paper, *, name: str, media_type: str, content: AsyncIterator[bytes]
) -> None:
    """Add a paper to an award.

    Raises:
        NotFound, Conflict: when the link leads nowhere, or no such paper is needed now.
        Refused: when there are enough.
    """
    _, award = await lock_linked(tx, token)
    _check_takes(award, kind)
    papers = [row for row in await papers_of(tx, award.application_id) if row["kind"] == kind]
    if len(papers) >= MOST_PAPERS:
        cure = "Take one out first, or put several pages into one PDF."
        raise Refused(f"You can add at most {MOST_PAPERS} papers.", cure, field="file")
    file = await keep_file(tx, name=name, media_type=media_type, content=content)
    id = award.application_id
    await MONEY.add_award_paper(tx, file_id=file.id, application_id=id, kind=kind.value, now=tx.now)
    await enter_step(tx, award, f"{kind}_added")


async def remove_paper(tx: Transaction, token: str, kind: Paper, file_id: UUID) -> None:
    """Take a paper out, for good.

    Raises:
        NotFound, Conflict: when it is none of theirs, or was used already.
    """
    _, award = await lock_linked(tx, token)
    _check_takes(award, kind)
    said = {"file_id": file_id, "application_id": award.application_id, "kind": kind.value}
    if await MONEY.remove_award_paper(tx, **said) is None:
        raise NotFound
    await drop_files(tx, [file_id])


def takes(award: Award, kind: Paper) -> bool:
    """Whether a paper may be added or taken out now: no booking once it was seen."""
    seen = kind is Paper.BOOKING and award.booking_seen_at is not None
    return award.state in TAKES[kind] and not seen


def _check_takes(award: Award, kind: Paper) -> None:
    if not takes(award, kind):
        raise Conflict("Nothing can be changed here now.", "Reload the page to see where it stands.")


async def papers_of(tx: Transaction, application_id: UUID) -> list[Any]:
    """The papers of an award, without their content."""
    return [row async for row in MONEY.papers_of_award(tx, application_id=application_id)]


# What the officer does


async def confirm_booking(
    tx: Transaction,
    application_id: UUID,
    by: UUID,
    *,
    elsewhere: bool,
    exam_on: date | None,
    over: bool = False,
) -> None:
    """Say that the exam is booked: from then on it can be paid back.

    Args:
        elsewhere: it was seen, and is none of the papers here.
        exam_on: the day that it says, where it says one.
        over: the exam was already on that day.

    Raises:
        NotFound, Conflict: when nothing is awarded, or it has moved on.
        Refused: when there is no paper, or the day is over unexpectedly.
    """
    _, award = await lock_award(tx, application_id)
    if award.state is not State.ACCEPTED or award.booking_seen_at is not None:
        raise Conflict("The booking is not to be confirmed now.", "Reload the page to see where it stands.")
    booked = any(row["kind"] == Paper.BOOKING for row in await papers_of(tx, application_id))
    if not booked and not elsewhere:
        cure = "Ask them for it. If you have seen it on paper, tick the box that says so."
        raise Refused("There is no booking confirmation here.", cure, field="elsewhere")
    if exam_on is not None and exam_on < today_of(tx) and not over:
        cure = "Check the year. If the exam was on this day already, tick the box that says so."
        raise Refused("This day is over.", cure, field="booked_on")
    await MONEY.see_booking(tx, application_id=application_id, exam_on=exam_on, now=tx.now)
    await enter_step(tx, award, "booking_seen", by, day=exam_on)


async def commit_again(tx: Transaction, application_id: UUID, by: UUID, pence: int) -> None:
    """Promise once more what came back, so that it can be paid again.

    Raises:
        NotFound, Conflict: when nothing is awarded, it has moved on, or less came back.
        FundExhausted, FundClosed: when the fund has less that is free, or nothing any more.
    """
    _, award = await lock_award(tx, application_id)
    if award.state is not State.ACCEPTED or pence > award.missing_pence:
        what = f"{pounds(award.missing_pence)} of this award came back and is not promised again."
        raise Conflict(what, "Reload the page to see where it stands.", field="again")
    cause = uuid_utils.compat.uuid7()
    await ledger.commit(tx, award.fund_id, pence, award=application_id, cause=cause)
    await enter_step(tx, award, "committed_again", by, amount_pence=pence)


async def give_up(tx: Transaction, application_id: UUID, by: UUID, words: str) -> None:
    """No more of an award will be paid: what is promised is free again. It ends where nothing was paid.

    Raises:
        NotFound, Conflict: when nothing is awarded, it has moved on, or a payment waits to be made.
    """
    row, award = await lock_award(tx, application_id)
    if award.waiting_pence:
        raise Conflict("A payment waits to be made.", "Cancel it first, or let it be made.")
    to, mover = (State.PAID, Mover.PAYER) if award.paid_pence else (State.WITHDRAWN, Mover.APPLICANT)
    check_move(award.state, to, mover)
    await enter_step(tx, award, "given_up", by, words=words)
    if not award.paid_pence:
        await give_back(tx, row, "given_up", by=by)
        return
    await _let_go(tx, award, "given_up", by)
    await MONEY.set_paid_on(tx, application_id=application_id, paid_on=today_of(tx))
    await move(tx, row, State.PAID, by=by)


# What time does


async def remind(tx: Transaction) -> int:
    """Tell whoever has not answered that the last day is near, once. How many."""
    today = today_of(tx)
    said = {"today": today, "until": today + REMIND_BEFORE, "most": AT_A_TIME, "now": tx.now}
    rows = [row async for row in MONEY.awards_to_remind(tx, **said)]
    for row in rows:
        id, awarded = row["application_id"], pounds_sterling(row["amount_pence"])
        await MONEY.touch_application(tx, id=id, now=tx.now)
        await tell(tx, AwardReminded, id, awarded=awarded, answer_by=row["answer_by"])
    return len(rows)


async def lapse(tx: Transaction) -> int:
    """End the awards that nobody has answered in time; their money is free again. How many."""
    rows = MONEY.awards_unanswered(tx, today=today_of(tx), most=AT_A_TIME)
    ids = [row["application_id"] async for row in rows]
    for id in await _by_fund(tx, ids):
        row, award = await lock_award(tx, id)
        check_move(award.state, State.LAPSED, Mover.TIME)
        await _let_go(tx, award, "not_answered")
        await move(tx, row, State.LAPSED)
    return len(ids)


async def _by_fund(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    """In the order in which funds are locked."""
    awards = [award for id in ids if (award := await award_of(tx, id))]
    return [each.application_id for each in sorted(awards, key=lambda each: each.fund_id)]


# Forgetting


async def forget(tx: Transaction, ids: Sequence[UUID], *, receipts: bool) -> None:
    """Rid awards of where to pay, of their papers and of words.

    Args:
        receipts: also of what the accounts need, whom it was paid to among it.
    """
    given = list(ids)
    kinds = [Paper.BOOKING.value, *([Paper.RECEIPT.value] if receipts else [])]
    files = [row["file_id"] async for row in MONEY.take_award_papers(tx, ids=given, kinds=kinds)]
    await drop_files(tx, files)
    await MONEY.drop_details(tx, ids=given)
    await MONEY.scrub_award_steps(tx, ids=given)
    await MONEY.scrub_returns(tx, ids=given)
    await MONEY.scrub_awards(tx, ids=given)
    if receipts:
        await MONEY.scrub_payments(tx, ids=given)
