"""Payments: prepared by one, made by another, sent back or cancelled before that, and what comes back after.

Who prepared a payment does not make it, whatever their roles are by then: the ids decide, here and in the
database.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat
from nacl.secret import SecretBox

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.house import House
from chassis.web import pounds
from contracts.envelope import pounds_sterling
from contracts.grants import AwardPaid
from services.grants import ledger
from services.grants.applicants import applicant_of
from services.grants.applying import move, tell, today_of
from services.grants.awards import Award, Payee, lock_award, tell_returned
from services.grants.bank_details import BankDetails
from services.grants.domain import Overtaken
from services.grants.queries import MONEY
from services.grants.states import Mover, State, check_move

#: Payments that are read together for the bank's file.
PART = 200


class PaymentState(StrEnum):
    """Where a payment stands."""

    #: It waits for somebody else to make it.
    PREPARED = "prepared"
    #: Whoever was to make it found something wrong.
    SENT_BACK = "sent_back"
    CANCELLED = "cancelled"
    PAID = "paid"
    #: All of it came back.
    RETURNED = "returned"


class Why(StrEnum):
    """Why paid money came back."""

    BANK_REFUSED = "bank_refused"
    CAME_BACK = "came_back"
    NOT_SAT = "not_sat"


class OwnPayment(Conflict):
    """Somebody is to pay what they have prepared."""

    def __init__(self) -> None:
        cure = "Ask a colleague who pays. Two people look at each payment."
        super().__init__("You have prepared this payment yourself, so you cannot make it.", cure)


@dataclass(frozen=True, kw_only=True)
class ToPay:
    """A payment as whoever makes it sees it."""

    row: Any
    details: BankDetails | None = field(repr=False)


async def prepare(tx: Transaction, application_id: UUID, by: UUID, *, pence: int, follows: int) -> UUID:
    """Prepare a payment of an award, or of a part of it, for somebody else to make: to whom the award says.

    Args:
        follows: how many payments of the award whoever prepares it has seen.

    Raises:
        NotFound, Conflict: when nothing is awarded, it has moved on, or another was prepared meanwhile.
        Refused: when less is left of it or of its invoice, or something is missing.
    """
    _, award = await lock_award(tx, application_id)
    if award.state is not State.ACCEPTED or award.payments != follows:
        raise Overtaken("This award has moved on.", "Open the page again to see where it stands.")
    if pence > award.left_pence:
        raise Refused(
            f"{pounds(award.left_pence)} of this award is left.", "Write at most that.", field="amount"
        )
    if award.payee is None or award.lacks:
        raise Refused(award.lacks, "Nothing can be paid before that.", field="amount")
    if award.invoice_pence is not None and pence > award.invoice_pence - award.invoice_used_pence:
        left = pounds(award.invoice_pence - award.invoice_used_pence)
        raise Refused(f"{left} of the invoice is left to be paid.", "Write at most that.", field="amount")
    id = uuid_utils.compat.uuid7()
    said = {"amount_pence": pence, "payee": award.payee.value, "number": award.payments + 1}
    await MONEY.prepare_payment(
        tx, id=id, application_id=application_id, **said, invoice=award.invoice, by=by, now=tx.now
    )
    note(tx, "payment_prepared", "payment", id, after={"award": application_id, **said})
    return id


def reference_of(row: Any) -> str:
    """What a payment is called at the bank and among us: the parts of one award are told apart by it."""
    return f"{row['reference']}-{row['number']}"


async def make(tx: Transaction, id: UUID, by: UUID, *, on: date, reference: str) -> None:
    """Write down that a payment left the bank.

    Args:
        reference: as the bank has it.

    Raises:
        NotFound, Conflict: when there is none, it has moved on, or whoever pays it has prepared it.
        Refused: when the day cannot be, or the reference is the account.
    """
    row, application, award = await _locked(tx, id, by=by)
    if not row["prepared_at"].astimezone(LOCAL).date() <= on <= today_of(tx):
        cure = "Write the day on which it left the bank: not before it was prepared, and not after today."
        raise Refused("It cannot have been paid on that day.", cure, field="on")
    await _check_reference(tx, row, reference)
    pence = row["amount_pence"]
    await ledger.pay(tx, award.fund_id, pence, award=award.application_id, payment=id, on=on)
    who = await applicant_of(tx, award.application_id)
    name = exam_body(tx.context.house, row) if row["payee"] == Payee.EXAM_BODY else who.name if who else ""
    sealed = bytes(_names(tx.context).encrypt(name.encode()))
    said = {"paid_on": on, "bank_reference": reference, "payee_sealed": sealed}
    await MONEY.make_payment(tx, id=id, by=by, now=tx.now, **said)
    if award.open_pence == pence:
        await MONEY.set_paid_on(tx, application_id=award.application_id, paid_on=on)
        await move(tx, application, State.PAID, by=by)
    await MONEY.touch_application(tx, id=award.application_id, now=tx.now)
    told = {"payment_id": id, "paid": pounds_sterling(pence), "paid_to": row["payee"], "paid_on": on}
    by_invoice = row["payee"] == Payee.EXAM_BODY and award.own_pence
    own = pounds_sterling(award.own_pence) if by_invoice else None
    await tell(tx, AwardPaid, award.application_id, **told, own_share=own)
    after = {"pence": pence, "on": on, "bank_reference": digest_of(tx, reference)}
    note(tx, "payment_made", "payment", id, after=after)


async def _check_reference(tx: Transaction, row: Any, reference: str) -> None:
    """Keep an account out of what is kept for long and shown to many."""
    sealed = await MONEY.details_of(tx, application_id=row["application_id"])
    if sealed is None:
        return
    account = BankDetails.opened(tx.context, row["application_id"], sealed).account
    if account in "".join(str(int(sign)) for sign in reference if sign.isdecimal()):  # of any script
        cure = "Write the bank’s own reference of this payment."
        raise Refused("This is the account, and not a reference.", cure, field="bank_reference")


async def send_back(tx: Transaction, id: UUID, by: UUID, words: str) -> None:
    """Something is wrong: whoever prepares payments looks at it again.

    Raises:
        NotFound, Conflict: when there is none, it has moved on, or whoever sends it back has prepared it.
    """
    await _locked(tx, id, by=by)
    await _settle(tx, id, by, PaymentState.SENT_BACK, words)


async def cancel(tx: Transaction, id: UUID, by: UUID, words: str) -> None:
    """It is not to be made.

    Raises:
        NotFound, Conflict: when there is none, or it has moved on.
    """
    await _locked(tx, id)
    await _settle(tx, id, by, PaymentState.CANCELLED, words)


async def _settle(tx: Transaction, id: UUID, by: UUID, state: PaymentState, words: str) -> None:
    await MONEY.settle_payment(tx, id=id, state=state.value, by=by, words=words, now=tx.now)
    note(tx, f"payment_{state}", "payment", id, after={"words": digest_of(tx, words)})


async def come_back(
    tx: Transaction, id: UUID, by: UUID, *, pence: int, on: date, why: Why, words: str
) -> None:
    """Write down that paid money came back, all of it or a part: it is free again, for whatever comes next.

    Where the bank refused an account, it is forgotten: they say it anew.

    Raises:
        NotFound, Conflict: when there is none, or it was not made.
        Refused: when less was paid, or the day cannot be.
    """
    row, application, award = await _locked(tx, id, to_be=PaymentState.PAID)
    out = row["amount_pence"] - row["returned_pence"]
    if pence > out:
        raise Refused(f"{pounds(out)} of this payment is out.", "Write at most that.", field="amount")
    if not row["paid_on"] <= on <= today_of(tx):
        cure = "Write the day on which it came back: not before it was paid, and not after today."
        raise Refused("It cannot have come back on that day.", cure, field="on")
    cause = uuid_utils.compat.uuid7()
    await ledger.take_back(tx, award.fund_id, pence, award=award.application_id, cause=cause, on=on)
    said = {"payment_id": id, "amount_pence": pence, "why": why.value, "words": words, "returned_on": on}
    await MONEY.enter_return(tx, id=cause, by=by, now=tx.now, **said)
    await MONEY.note_return(tx, id=id, pence=pence)
    if why is Why.BANK_REFUSED and row["payee"] == Payee.PERSON:
        await MONEY.drop_details(tx, ids=[award.application_id])
    if award.state is State.PAID:
        check_move(award.state, State.ACCEPTED, Mover.PAYER)
        await MONEY.set_paid_on(tx, application_id=award.application_id, paid_on=None)
        await move(tx, application, State.ACCEPTED, by=by)
    await tell_returned(tx, award, pence, why.value, on)
    note(tx, "payment_returned", "payment", id, after={**said, "words": digest_of(tx, words)})


async def _locked(
    tx: Transaction, id: UUID, *, by: UUID | None = None, to_be: PaymentState = PaymentState.PREPARED
) -> tuple[Any, Any, Award]:
    """A payment, its application and its award, all locked.

    Args:
        by: somebody who must not have prepared it.

    Raises:
        NotFound, Conflict: when there is none, it is in another state, or they have prepared it.
    """
    found = await MONEY.payment_by_id(tx, id=id)
    if found is None:
        raise NotFound
    application, award = await lock_award(tx, found["application_id"])
    row = await MONEY.payment_by_id(tx, id=id)
    if row["state"] != to_be:
        raise Overtaken("This payment has moved on.", "Open the page again to see where it stands.")
    if row["prepared_by"] == by:
        raise OwnPayment
    return row, application, award


# What whoever pays sees


async def to_pay(tx: Transaction, id: UUID, by: UUID) -> ToPay:
    """A payment with where it goes: for whoever makes it, and for nobody else.

    Raises:
        NotFound, Conflict: when there is none, it has moved on, or they have prepared it.
    """
    row = await MONEY.payment_by_id(tx, id=id)
    if row is None:
        raise NotFound
    if row["state"] != PaymentState.PREPARED:
        raise Overtaken("This payment has moved on.", "Go back to the list of payments.")
    if row["prepared_by"] == by:
        raise OwnPayment
    details = None
    if row["payee"] == Payee.PERSON:
        sealed = await MONEY.details_of(tx, application_id=row["application_id"])
        details = BankDetails.opened(tx.context, row["application_id"], sealed) if sealed else None
    note(tx, "bank_details_looked_at", "payment", id)
    return ToPay(row=row, details=details)


async def file_for_the_bank(tx: Transaction, by: UUID, *, again: bool) -> UUID | None:
    """Mark what is to be paid to people as taken in a file for the bank. The file; nothing where it is anew.

    Args:
        again: the file is to have what stood in one before, and nothing else.
    """
    found = await MONEY.to_file(tx, but_by=by)
    after = {"count": found["filed"], "pence": found["filed_pence"], "again": True}
    id = None
    if not again:
        id = uuid_utils.compat.uuid7()
        after = {**await MONEY.file_payments(tx, id=id, by=by, now=tx.now), "again": False}
    note(tx, "bank_file_downloaded", "payments", id or "", after=after)
    return id


async def for_the_bank(
    tx: Transaction, by: UUID, file: UUID | None, after: UUID | None = None
) -> list[ToPay]:
    """The next payments to people in a file for the bank that somebody may make, with where they go.

    Args:
        file: the one in which they stood first; any where it is nothing.
    """
    rows = MONEY.payments_filed(tx, but_by=by, filed_in=file, after=after, most=PART)
    return [
        ToPay(row=row, details=BankDetails.opened(tx.context, row["application_id"], row["sealed"]))
        async for row in rows
    ]


def exam_body(house: House, row: Any) -> str:
    """The body that holds an exam, by what was applied for."""
    entry = house.lists["purposes"].get(row["purpose"])
    return str(entry.attributes.get("body", "")) if entry else ""


def _names(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("payees"))
