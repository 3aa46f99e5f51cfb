"""The end of the Forum's year: a panel meets, its decisions are published, money is paid, and exams are sat.

Each step does what somebody would do on a page, by the same functions. Where more than one person acts, each
acts in a transaction of their own.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.process import Process
from contracts.access import Role
from contracts.topology import GRANTS
from services.grants import (
    allocation,
    applying,
    awards,
    decisions,
    ledger,
    meetings,
    payments,
    publishing,
    reporting,
)
from services.grants.allocation import Candidate
from services.grants.applicants import applicant_of
from services.grants.awards import HowToPay, Paper, Payee
from services.grants.bank_details import BankDetails
from services.grants.colleagues import colleagues_with
from services.grants.conflicts import Standing, Tie
from services.grants.decisions import Decision, Kind
from services.grants.payments import Why
from services.grants.queries import CONFLICTS, MONEY, SHOW
from services.grants.reporting import Result
from services.grants.rounds import RoundState
from services.grants.sitting import Item, Sitting, sitting
from services.grants.states import State
from services.play_grants import example_round, in_state, members, officer, people, score, take_part

#: What somebody reads who gets nothing.
_DECLINED = (
    "The panel gave your application fewer points than others, and the money did not reach further. What "
    "counts most is how ready you are for the exam."
)
_DEFERRED = "Too few members were left who could decide on it."
_AGAIN = "Enough members are there now."


# The meeting


async def answer_late(process: Process) -> None:
    """The member who had not answered takes part, and scores."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.CLOSED)
        for member in members():
            if round_id is not None and not member.get("answers", True):
                person = (await people(tx))[member["email"]]
                await take_part(tx, round_id, person, member)
                await score(tx, round_id, person, member)


async def meet(process: Process, *, absent: bool) -> None:
    """The panel meets and decides on whatever it may; what it may not is put off.

    Args:
        absent: somebody cannot be there.
    """
    database = process.database(GRANTS)
    async with database.transaction() as tx:
        round_id = await example_round(tx, RoundState.CLOSED, RoundState.DECIDED)
        if round_id is None:
            return
        by = await officer(tx)
        meeting = await meetings.begin(tx, round_id, by)
        for member in members():
            if not (absent and member.get("absent")):
                await meetings.arrive(tx, meeting, (await people(tx))[member["email"]])
        found = await sitting(tx, meeting)
        pot = (await ledger.balance(tx, found.plan.fund_id)).free_pence
    for item, pence in _shared_out(found, pot):
        await _decide(database, meeting, item, pence, by)
    async with database.transaction() as tx:
        await meetings.end(tx, meeting)


def _shared_out(found: Sitting, pot_pence: int) -> list[tuple[Item, int]]:
    """What each case is to get: as is suggested, and those who come next share what is left."""
    items = {item.case_id: item for item in found.items}
    cases = [
        Candidate(id=id, label=item.label, asked_pence=item.amount_pence, mean=found.mean(item))
        for id, item in items.items()
    ]
    proposed = allocation.by_mean(cases, pot_pence, found.plan.most_pence or pot_pence)
    shares = _split(proposed.part_pence, [each.full_pence for each in proposed.next])
    parts = dict(zip((each.case.id for each in proposed.next), shares, strict=True))
    return [(items[each.case.id], parts.get(each.case.id, each.pence)) for each in proposed.cases]


def _split(pence: int, most: Sequence[int]) -> list[int]:
    """Whole pounds as equal as can be; what is over goes to the first that has room."""
    shares = [min(pence // len(most) // 100 * 100, each) for each in most]
    for number, each in enumerate(most):
        shares[number] += min(pence - sum(shares), each - shares[number])
    return shares


async def _decide(database: Database, meeting: UUID, item: Item, pence: int, by: UUID) -> None:
    async with database.transaction() as tx:
        await meetings.open_item(tx, meeting, item.case_id)
    async with database.transaction() as tx:
        lacking = (await sitting(tx, meeting)).quorum(item).lacking
        said = Decision(kind=Kind.DECLINE, words=_DECLINED)
        if lacking:
            said = Decision(kind=Kind.DEFER, words=_DEFERRED)
        elif pence:
            said = Decision(kind=Kind.AWARD, amount_pence=pence)
        why = _AGAIN if item.number else ""
        said = replace(said, without_missing=True, follows=item.number, why_changed=why)
        await decisions.record(tx, meeting, item.case_id, said, by)


async def publish(process: Process) -> None:
    """All who applied are told."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.DECIDED)
        if round_id is not None:
            await publishing.publish(tx, round_id, await officer(tx))


# The money


async def accept(process: Process) -> None:
    """Whoever is offered money says yes, and where to pay it."""
    database = process.database(GRANTS)
    for row in await _in_state(database, State.AWARDED):
        async with database.transaction() as tx:
            who = await applicant_of(tx, row["id"])
            name = who.name if who else ""
            details = BankDetails(name=name, sort_code="000000", account="12345678")
            await awards.accept(tx, _token(tx, row), HowToPay(payee=Payee.PERSON, details=details))
            await awards.add_paper(
                tx,
                _token(tx, row),
                Paper.BOOKING,
                name="booking.pdf",
                media_type="application/pdf",
                content=_paper(),
            )


async def pay(process: Process) -> None:
    """The officer looks at the bookings and prepares the payments; somebody else makes them."""
    database = process.database(GRANTS)
    for row in await _in_state(database, State.ACCEPTED):
        async with database.transaction() as tx:
            by, payer = await officer(tx), await _payer(tx)
            newest = awards.newest_of(await awards.papers_of(tx, row["id"]), Paper.BOOKING)
            await awards.confirm_proof(tx, row["id"], by, seen=newest, exam_on=row["exam_on"], over=True)
            _, award = await awards.lock_award(tx, row["id"])
            payment = await payments.prepare(tx, row["id"], by, pence=award.left_pence, follows=0)
        async with database.transaction() as tx:
            today = applying.today_of(tx)
            await payments.make(tx, payment, payer, on=today, reference=f"FORUM {row['reference']}")


async def come_back(process: Process) -> None:
    """One payment comes back: whoever got it could not sit the exam, and needs the money no more."""
    database = process.database(GRANTS)
    async with database.transaction() as tx:
        row = min(await _paid(tx), key=lambda row: row["exam_on"] or date.max)
        by = await officer(tx)
        paid = [each async for each in MONEY.payments_of(tx, application_id=row["id"])]
        await payments.come_back(
            tx,
            paid[-1]["id"],
            by,
            pence=paid[-1]["amount_pence"],
            on=applying.today_of(tx),
            why=Why.NOT_SAT,
            words="Illness: the exam was not sat.",
        )
    async with database.transaction() as tx:
        await awards.give_up(tx, row["id"], by, "The exam was not sat.")


async def report(process: Process) -> None:
    """Those whose exam is over tell how it went, and send the receipt: three of four have passed."""
    database = process.database(GRANTS)
    async with database.reading() as tx:
        today = applying.today_of(tx)
        rows = [row for row in await _paid(tx) if row["exam_on"] and row["exam_on"] < today]
    for number, row in enumerate(rows, 1):
        result = Result.NOT_PASSED if number % 4 == 0 else Result.PASSED
        async with database.transaction() as tx:
            token = _token(tx, row)
            await awards.add_paper(
                tx,
                token,
                Paper.RECEIPT,
                name="receipt.pdf",
                media_type="application/pdf",
                content=_paper(),
            )
            await reporting.report(tx, token, result, None)


def _token(tx: Transaction, row: Any) -> str:
    return applying.token_of(tx.context, row["id"], row["link_number"])


async def _in_state(database: Database, state: State) -> list[Any]:
    async with database.reading() as tx:
        round_id = await example_round(tx, RoundState.PUBLISHED)
        return await in_state(tx, round_id, state) if round_id else []


async def _paid(tx: Transaction) -> list[Any]:
    round_id = await example_round(tx, RoundState.PUBLISHED)
    return await in_state(tx, round_id, State.PAID) if round_id else []


async def _payer(tx: Transaction) -> UUID:
    return (await colleagues_with(tx, Role.PAYER))[0].id


async def _paper() -> AsyncIterator[bytes]:
    yield b"%PDF-1.4\n%%EOF\n"


# What came of it


async def figures(tx: Transaction) -> dict[str, int]:
    """What the panel has shared out, in figures; amounts in pence."""
    kept = await SHOW.figures_kept(tx)
    round_id = await example_round(tx, *RoundState)
    noticed = [row async for row in CONFLICTS.conflicts_of_round(tx, round_id=round_id, most=200)]
    return {
        "awards": kept["awarded"],
        "awarded_in_part": kept["awarded_in_part"],
        **{name: kept[name] for name in ("awarded_pence", "paid_pence", "passed")},
        "returned_pence": (await ledger.balance_of_all(tx)).returned_pence,
        "conflicts": sum(
            row["state"] == Standing.CONFIRMED and row["tie"] != Tie.ACQUAINTANCE for row in noticed
        ),
    }
