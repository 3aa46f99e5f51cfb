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
from contracts.grants import (
    ApplicationWithdrawn,
    AwardAccepted,
    AwardProofReturned,
    AwardReminded,
    AwardReturned,
)
from services.grants import applying, ledger
from services.grants.applying import by_token, move, tell, today_of
from services.grants.bank_details import BankDetails
from services.grants.domain import Overtaken
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
    #: What the body that holds the exam asks for, and to which account.
    INVOICE = "invoice"
    #: What the exam has cost.
    RECEIPT = "receipt"


#: What must be seen before money goes to each.
PROOFS = {Payee.PERSON: Paper.BOOKING, Payee.EXAM_BODY: Paper.INVOICE}

_UNSEEN = {
    Paper.BOOKING: "Nobody has confirmed that the exam is booked.",
    Paper.INVOICE: "Nobody has confirmed the invoice.",
}


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
    #: What they asked for.
    wanted_pence: int
    #: What the invoice of the body says that holds the exam.
    invoice: str
    #: How much it is over, once it was seen.
    invoice_pence: int | None
    #: Of that, what was paid or prepared.
    invoice_used_pence: int
    #: When they last said where to pay; nothing while that is not held.
    given_at: datetime | None
    #: When the booking or the invoice was seen, whichever it needs.
    proof_seen_at: datetime | None
    #: What is wrong with it, while another one is awaited.
    proof_wrong: str
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
        if self.payee is None or self.proof is None:
            return "They have not said to whom it is to be paid."
        if self.payee is Payee.PERSON and self.given_at is None:
            return "They have not said where to pay."
        return "" if self.proof_seen_at else _UNSEEN[self.proof]

    @property
    def proof(self) -> Paper | None:
        """What must be seen before it is paid; nothing while they have not said to whom."""
        return PROOFS[self.payee] if self.payee else None

    @property
    def own_pence(self) -> int:
        """What they pay themselves of the exam: by the invoice, or before that by what they asked for."""
        return max((self.invoice_pence or self.wanted_pence) - self.amount_pence, 0)

    @classmethod
    def of(cls, row: Any) -> Self:
        """The award in a row."""
        said = {each.name: row[each.name] for each in fields(cls)}
        said |= {"state": State(row["state"]), "payee": Payee(row["payee"]) if row["payee"] else None}
        return cls(**said)


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """An invoice as whoever has looked at it says."""

    reference: str
    pence: int


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
            cure = "Open the page again. Then open “Change how we pay”."
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
    own = pounds_sterling(award.own_pence) if award.own_pence else None
    await tell(tx, AwardAccepted, award.application_id, awarded=awarded, paid_to=paid_to, own_share=own)


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
    if kind is award.proof and award.proof_wrong:
        await MONEY.say_proof_wrong(tx, application_id=id, words="")
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
    """Whether a paper may be added or taken out now: what shows that it is to be paid until it was seen."""
    if kind is Paper.RECEIPT:
        return award.state in (State.ACCEPTED, State.PAID)
    return award.state is State.ACCEPTED and kind is award.proof and award.proof_seen_at is None


def _check_takes(award: Award, kind: Paper) -> None:
    if not takes(award, kind):
        raise Conflict("Nothing can be changed here now.", "Open the page again to see where it stands.")


async def papers_of(tx: Transaction, application_id: UUID) -> list[Any]:
    """The papers of an award, without their content."""
    return [row async for row in MONEY.papers_of_award(tx, application_id=application_id)]


# What the officer does


async def confirm_proof(
    tx: Transaction,
    application_id: UUID,
    by: UUID,
    *,
    seen: UUID | None,
    elsewhere: bool = False,
    exam_on: date | None,
    over: bool = False,
    invoice: Invoice | None = None,
) -> None:
    """Say that the exam is booked, or that the invoice is right: from then on it can be paid.

    Args:
        seen: the newest of its papers that whoever confirms it has seen.
        elsewhere: they saw a booking that is none of the papers here.
        exam_on: the day that it says, where it says one.
        over: the exam was already on that day.
        invoice: what it says, where the body that holds the exam is paid.

    Raises:
        NotFound, Conflict: when nothing is awarded, it has moved on, or another paper came meanwhile.
        Refused: when there is no paper, or the day is over unexpectedly.
    """
    _, award = await lock_award(tx, application_id)
    await _check_proof(tx, award, seen, Paper.INVOICE if invoice else Paper.BOOKING, elsewhere=elsewhere)
    if exam_on is not None and exam_on < today_of(tx) and not over:
        cure = "Check the year. If the exam was on this day already, tick the box that says so."
        raise Refused("This day is over.", cure, field="booked_on")
    said = {
        "invoice": invoice.reference if invoice else "",
        "invoice_pence": invoice.pence if invoice else None,
    }
    await MONEY.see_proof(tx, application_id=application_id, exam_on=exam_on, **said, now=tx.now)
    await enter_step(tx, award, f"{award.proof}_seen", by, day=exam_on, amount_pence=said["invoice_pence"])


async def return_proof(
    tx: Transaction, application_id: UUID, by: UUID, words: str, *, proof: Paper, seen: UUID | None
) -> None:
    """Say what is wrong with a booking or an invoice: they are asked for another one.

    Args:
        seen: the newest of its papers that whoever sends it back has seen.

    Raises:
        NotFound, Conflict: as above.
    """
    _, award = await lock_award(tx, application_id)
    await _check_proof(tx, award, seen, proof)
    await MONEY.return_papers(tx, application_id=application_id, kind=proof.value, now=tx.now)
    await MONEY.say_proof_wrong(tx, application_id=application_id, words=words)
    await enter_step(tx, award, f"{award.proof}_returned", by, words=words)
    await MONEY.touch_application(tx, id=application_id, now=tx.now)
    await tell(tx, AwardProofReturned, application_id, words=words, proof=proof.value)


async def _check_proof(
    tx: Transaction, award: Award, seen: UUID | None, proof: Paper, *, elsewhere: bool = False
) -> None:
    """Let nobody say of a paper what they saw on another one: whoever has the award can change them."""
    if award.state is not State.ACCEPTED or award.proof_seen_at is not None or award.proof is not proof:
        raise Overtaken(
            "There is nothing to be confirmed now.", "Open the page again to see where it stands."
        )
    newest = newest_of(await papers_of(tx, award.application_id), proof)
    if newest != seen:
        raise Conflict("Their papers have changed meanwhile.", "Open the page again, and look at them again.")
    if newest is None and proof is Paper.INVOICE:
        cure = "Ask them to add it on the page behind their link: whoever pays reads the account on it."
        raise Refused("There is no invoice here.", cure, field="elsewhere")
    if newest is None and not elsewhere:
        cure = "Ask them for it. If you have seen it on paper, tick the box that says so."
        raise Refused("There is no booking confirmation here.", cure, field="elsewhere")


def newest_of(papers: Sequence[Any], kind: Paper | None) -> UUID | None:
    """Which of the papers of one kind came last; none that was sent back."""
    ids: list[UUID] = [row["file_id"] for row in papers if row["kind"] == kind and not row["returned_at"]]
    return ids[-1] if ids else None


async def commit_again(tx: Transaction, application_id: UUID, by: UUID, pence: int) -> None:
    """Promise once more what came back, so that it can be paid again.

    Raises:
        NotFound, Conflict: when nothing is awarded, it has moved on, or less came back.
        FundExhausted, FundClosed: when the fund has less that is free, or nothing any more.
    """
    _, award = await lock_award(tx, application_id)
    if award.state is not State.ACCEPTED or pence > award.missing_pence:
        what = f"{pounds(award.missing_pence)} of this award came back and is not promised again."
        raise Conflict(what, "Open the page again to see where it stands.", field="again")
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
        receipts: also of what the accounts need where anything was paid: invoices, receipts, and whom it was
            paid to.
    """
    given = list(ids)
    kinds = [each.value for each in (Paper if receipts else (Paper.BOOKING,))]
    files = [row["file_id"] async for row in MONEY.take_award_papers(tx, ids=given, kinds=kinds)]
    await drop_files(tx, files)
    await MONEY.drop_details(tx, ids=given)
    await MONEY.scrub_award_steps(tx, ids=given)
    await MONEY.scrub_returns(tx, ids=given)
    await MONEY.scrub_awards(tx, ids=given)
    if receipts:
        await MONEY.scrub_payments(tx, ids=given)
