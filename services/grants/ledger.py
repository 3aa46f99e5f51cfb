"""The ledger: every penny's way through a fund, step by step. Nothing else changes what a fund has.

Each step adds an entry, moves the fund's balance and, where it is about one, the award's, in the caller's
transaction and with the fund's balance locked, so that steps of one fund come one after the other. The
database refuses an entry to be changed and a balance to be overspent, whatever this module does.

Each entry has a cause: the contribution, decision or payment that makes it. The same step for the same cause
is taken once, however often it is asked for; asked for with other figures, it is refused. A transaction that
moves money in several funds goes through them in the order of their ids.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from chassis.audit import person_of
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.failpoints import reach
from chassis.web import pounds
from services.grants.queries import LEDGER


class Kind(StrEnum):
    """What a step does with money."""

    #: It came from somebody who gives.
    RECEIVED = "received"
    #: It went back to whoever gave it.
    REFUNDED = "refunded"
    #: It is promised for an award.
    COMMITTED = "committed"
    #: It is promised no more.
    RELEASED = "released"
    #: What was promised left the bank.
    PAID = "paid"
    #: What was paid came back.
    RETURNED = "returned"


class FundExhausted(Conflict):
    """A fund has less than is to be taken out of it."""

    def __init__(self, free_pence: int) -> None:
        cure = "Take less, or wait until more money has come."
        super().__init__(f"This fund has {pounds(free_pence)} that is free.", cure, field="amount")


class FundClosed(Conflict):
    """Nothing is promised from a fund that has closed."""

    def __init__(self) -> None:
        super().__init__("This fund is closed.", "Open it again first, on its page.")


class MoreThanCommitted(Conflict):
    """More is to be paid, released or returned than an award has."""

    def __init__(self) -> None:
        cure = "Open the page again to see where the award stands."
        super().__init__("That is more than this award has.", cure)


class EnteredOtherwise(Conflict):
    """The same cause has made the same step before, with other figures."""

    def __init__(self) -> None:
        super().__init__("This was entered before, with other figures.", "Open the page again to see them.")


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a fund has. All in pence."""

    received_pence: int = 0
    #: Given back to whoever gave it.
    refunded_pence: int = 0
    #: Promised and not paid yet.
    committed_pence: int = 0
    #: Ever paid, also what came back.
    paid_pence: int = 0
    returned_pence: int = 0
    #: How many steps led here.
    entries: int = 0

    @property
    def held_pence(self) -> int:
        """What is at the bank."""
        return self.received_pence - self.refunded_pence - self.paid_pence + self.returned_pence

    @property
    def free_pence(self) -> int:
        """What may be committed."""
        return self.held_pence - self.committed_pence

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The balance in a row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def after(self, kind: Kind, pence: int) -> "Balance":
        """What it is after a step. May be nothing that can be: the caller looks."""
        moves = {"entries": 1, **{f"{part}_pence": sign * pence for part, sign in _MOVES[kind].items()}}
        return replace(self, **{name: getattr(self, name) + by for name, by in moves.items()})


#: What a step adds to a balance, or takes off it.
_MOVES: Mapping[Kind, Mapping[str, int]] = {
    Kind.RECEIVED: {"received": 1},
    Kind.REFUNDED: {"refunded": 1},
    Kind.COMMITTED: {"committed": 1},
    Kind.RELEASED: {"committed": -1},
    Kind.PAID: {"committed": -1, "paid": 1},
    Kind.RETURNED: {"returned": 1},
}


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """All that was ever committed for an award, and what became of it. All in pence."""

    committed_pence: int = 0
    released_pence: int = 0
    paid_pence: int = 0
    returned_pence: int = 0

    @property
    def open_pence(self) -> int:
        """What is still to be paid."""
        return self.committed_pence - self.released_pence - self.paid_pence

    @property
    def sound(self) -> bool:
        """Whether no more has left it than was in it."""
        return self.open_pence >= 0 and self.returned_pence <= self.paid_pence

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The commitment in a row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a step is about, and what makes it."""

    cause: UUID
    award: UUID | None = None
    contribution: UUID | None = None
    #: Today, where nothing is said.
    on: date | None = None


async def receive(tx: Transaction, fund_id: UUID, pence: int, *, contribution: UUID, on: date) -> Balance:
    """A contribution came."""
    about = _About(cause=contribution, contribution=contribution, on=on)
    return await _take(tx, Kind.RECEIVED, fund_id, pence, about)


async def refund(
    tx: Transaction, fund_id: UUID, pence: int, *, contribution: UUID, cause: UUID, on: date
) -> Balance:
    """Some of a contribution, or all, goes back to whoever gave it.

    Raises:
        FundExhausted: when so much is not free any more.
    """
    about = _About(cause=cause, contribution=contribution, on=on)
    return await _take(tx, Kind.REFUNDED, fund_id, pence, about)


async def commit(
    tx: Transaction, fund_id: UUID, pence: int, *, award: UUID, cause: UUID | None = None
) -> Balance:
    """Promise money for an award.

    Args:
        cause: the decision, where it is another one than that which made the award.

    Raises:
        FundExhausted, FundClosed: when so much is not free, or nothing is any more.
    """
    return await _take(tx, Kind.COMMITTED, fund_id, pence, _About(cause=cause or award, award=award))


async def release(tx: Transaction, fund_id: UUID, pence: int, *, award: UUID, cause: UUID) -> Balance:
    """What was promised for an award is free again.

    Raises:
        MoreThanCommitted: when the award has less that is not paid.
    """
    return await _take(tx, Kind.RELEASED, fund_id, pence, _About(cause=cause, award=award))


async def release_all(tx: Transaction, *, award: UUID, cause: UUID) -> int:
    """Whatever is promised for an award and not paid is free again: how many pence, which may be none."""
    row = await LEDGER.commitment_of(tx, award_id=award)
    pence = Commitment.of(row).open_pence if row else 0
    if pence:
        await release(tx, row["fund_id"], pence, award=award, cause=cause)
    return pence


async def pay(tx: Transaction, fund_id: UUID, pence: int, *, award: UUID, payment: UUID, on: date) -> Balance:
    """What was promised for an award left the bank.

    Raises:
        MoreThanCommitted: when the award has less that is not paid.
    """
    return await _take(tx, Kind.PAID, fund_id, pence, _About(cause=payment, award=award, on=on))


async def take_back(
    tx: Transaction, fund_id: UUID, pence: int, *, award: UUID, cause: UUID, on: date
) -> Balance:
    """What was paid came back, and is free: whoever wants to pay it again commits it again.

    Raises:
        MoreThanCommitted: when the award was paid less.
    """
    return await _take(tx, Kind.RETURNED, fund_id, pence, _About(cause=cause, award=award, on=on))


async def balance(tx: Transaction, fund_id: UUID) -> Balance:
    """What a fund has."""
    row = await LEDGER.balance_of(tx, fund_id=fund_id)
    if row is None:
        raise NotFound
    return Balance.of(row)


async def balance_of_all(tx: Transaction) -> Balance:
    """What all funds have together."""
    return Balance.of(await LEDGER.balance_of_all(tx))


async def commitment(tx: Transaction, award: UUID) -> Commitment:
    """What was committed for an award, and what became of it."""
    row = await LEDGER.commitment_of(tx, award_id=award)
    return Commitment.of(row) if row else Commitment()


async def differing(tx: Transaction) -> list[UUID]:
    """The funds whose entries do not come to their balance to the penny. There are none."""
    return [row["id"] async for row in LEDGER.differing(tx)]


async def _take(tx: Transaction, kind: Kind, fund_id: UUID, pence: int, about: _About) -> Balance:
    """Take a step, unless its cause has taken it before; the balance after it."""
    if pence <= 0:
        raise ValueError("a step moves at least a penny")
    row = await LEDGER.lock_balance(tx, fund_id=fund_id)
    if row is None:
        raise NotFound
    reach("ledger.locked")
    before = Balance.of(row)
    if await _taken_before(tx, kind, fund_id, pence, about):
        return before
    if kind is Kind.COMMITTED and await LEDGER.closed_on(tx, fund_id=fund_id) is not None:
        raise FundClosed
    after = before.after(kind, pence)
    if about.award is not None:
        await _settle_award(tx, kind, fund_id, pence, about.award)
    if after.free_pence < 0:
        raise FundExhausted(before.free_pence)
    await LEDGER.enter(
        tx,
        fund_id=fund_id,
        number=after.entries,
        kind=kind,
        amount_pence=pence,
        cause_id=about.cause,
        award_id=about.award,
        contribution_id=about.contribution,
        happened_on=about.on or tx.now.astimezone(LOCAL).date(),
        now=tx.now,
        person_id=person_of(tx),
        held_pence=after.held_pence,
        free_pence=after.free_pence,
    )
    reach("ledger.entered")
    await LEDGER.settle_balance(tx, fund_id=fund_id, **asdict(after))
    reach("ledger.settled")
    return after


async def _taken_before(tx: Transaction, kind: Kind, fund_id: UUID, pence: int, about: _About) -> bool:
    """Whether the cause has made this very entry.

    Raises:
        EnteredOtherwise: when it has made another one of the kind.
    """
    entry = await LEDGER.entry_by_cause(tx, cause_id=about.cause, kind=kind)
    if entry is None:
        return False
    if tuple(entry) != (fund_id, pence, about.award, about.contribution):
        raise EnteredOtherwise
    return True


async def _settle_award(tx: Transaction, kind: Kind, fund_id: UUID, pence: int, award: UUID) -> None:
    """Write down what the award has after the step."""
    row = await LEDGER.commitment_of(tx, award_id=award)
    if row is not None and row["fund_id"] != fund_id:
        raise EnteredOtherwise
    before = Commitment.of(row) if row else Commitment()
    part = f"{kind}_pence"
    after = replace(before, **{part: getattr(before, part) + pence})
    if not after.sound:
        raise MoreThanCommitted
    await LEDGER.settle_commitment(tx, award_id=award, fund_id=fund_id, **asdict(after))
