"""Payments: prepared by one, made by another, exactly once, and what becomes of money that comes back."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import failpoints
from chassis.audit import Actor, acting
from chassis.database import Database, Transaction
from chassis.errors import Conflict, NotFound, Refused
from contracts.grants import AwardPaid, AwardReturned
from services.grants import awards, ledger, payments
from services.grants.awards import Paper
from services.grants.payments import OwnPayment, PaymentState, Why
from services.grants.states import State
from tests.conftest import announced
from tests.grants.applying import WHO, later, letters, state_of
from tests.grants.awarding import (
    DETAILS,
    INVOICED,
    OFFICER,
    PAYER,
    REIMBURSED,
    a_funded_round,
    a_paid,
    a_prepared,
    adds_paper,
    an_accepted,
    an_award,
    award,
    by,
    confirms,
    free,
    payment,
    pays,
    prepares,
    token_of,
)
from tests.grants.mortal import elsewhere

#: How often the races are run; more by hand and before a release.
ROUNDS = int(os.environ.get("ROUNDS", "5"))

Act = Callable[[Transaction], Awaitable[Any]]


async def take(grants: Database, act: Act, person: UUID = PAYER.id) -> str:
    """Why an act was refused; nothing when it was allowed."""
    try:
        async with acting(grants, by(person)) as tx:
            await act(tx)
    except (Conflict, Refused) as refused:
        return refused.what
    return ""


def made(id: UUID, person: UUID = PAYER.id) -> Act:
    return lambda tx: payments.make(tx, id, person, on=tx.today, reference="BACS 7")


def back(id: UUID, pence: int, why: Why = Why.CAME_BACK, person: UUID = PAYER.id) -> Act:
    said: dict[str, Any] = {"pence": pence, "why": why, "words": "The bank says so."}
    return lambda tx: payments.come_back(tx, id, person, on=tx.today, **said)


async def test_a_payment_goes_its_way(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    found = await award(grants, id)
    assert (found.open_pence, found.waiting_pence, found.left_pence) == (14_500, 14_500, 0)
    await pays(grants, waiting)
    found = await award(grants, id)
    assert (found.state, found.open_pence, found.paid_pence) == (State.PAID, 0, 14_500)
    assert found.paid_on == grants.context.clock.today()
    [told] = [event for event in await announced(grants) if event.fact is AwardPaid]
    assert told.data["payment_id"] == waiting
    assert (told.data["paid"]["amount_pence"], told.data["paid_to"]) == (14_500, "person")
    [letter] = await letters(grants, AwardPaid)
    assert letter["email"] == WHO.email


async def test_a_part_leaves_the_rest_to_be_paid(grants: Database) -> None:
    id = await an_accepted(grants)
    first = await prepares(grants, id, 4_500)
    second = await prepares(grants, id, 10_000)
    await pays(grants, second)
    assert (await award(grants, id)).state is State.ACCEPTED
    await pays(grants, first)
    assert (await award(grants, id)).state is State.PAID
    assert len(await letters(grants, AwardPaid)) == 2


async def test_no_more_is_prepared_than_is_left(grants: Database) -> None:
    id = await an_accepted(grants)
    first = await prepares(grants, id, 10_000)
    with pytest.raises(Refused, match="£45 of this award is left") as refused:
        await prepares(grants, id, 4_501)
    assert refused.value.field == "amount"
    await take(grants, lambda tx: payments.cancel(tx, first, OFFICER.id, "Not now."))
    await prepares(grants, id, 14_500)


async def test_it_is_not_prepared_before_all_is_there(grants: Database) -> None:
    id = await an_accepted(grants, booked=False)
    with pytest.raises(Refused, match="Nobody has confirmed that the exam is booked"):
        await prepares(grants, id, 14_500)
    offered = await an_award(grants, email="minh@mail.example")
    said: dict[str, Any] = {"pence": 100, "follows": 0}
    assert await take(grants, lambda tx: payments.prepare(tx, offered, OFFICER.id, **said))
    with pytest.raises(NotFound):
        async with acting(grants, by(OFFICER.id)) as tx:
            await payments.prepare(tx, uuid4(), OFFICER.id, **said)
    await adds_paper(grants, id, Paper.BOOKING)
    await confirms(grants, id)
    await take(grants, lambda tx: payments.prepare(tx, id, OFFICER.id, **said))
    assert (await award(grants, id)).waiting_pence == 100


async def test_an_invoice_of_the_exam_body_needs_no_account(grants: Database) -> None:
    id, waiting = await a_prepared(grants, how=INVOICED)
    async with acting(grants, by(PAYER.id)) as tx:
        found = await payments.to_pay(tx, waiting, PAYER.id)
    assert (found.row["invoice"], found.details) == ("INV-7731", None)
    await pays(grants, waiting)
    assert (await award(grants, id)).state is State.PAID


async def test_nobody_pays_what_they_have_prepared_whatever_their_roles_are_by_then(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    for act in (
        made(waiting, OFFICER.id),
        lambda tx: payments.send_back(tx, waiting, OFFICER.id, "No."),
        lambda tx: payments.to_pay(tx, waiting, OFFICER.id),
    ):
        assert await take(grants, act, OFFICER.id) == OwnPayment().what
    for person, wanted in ((OFFICER.id, []), (PAYER.id, [DETAILS])):
        async with acting(grants, by(person)) as tx:
            file = await payments.file_for_the_bank(tx, person, again=False)
            assert [each.details for each in await payments.for_the_bank(tx, person, file)] == wanted
    assert (await award(grants, id)).paid_pence == 0
    with pytest.raises(asyncpg.CheckViolationError):
        async with grants.transaction() as tx:
            await tx.execute(
                "UPDATE payments SET state = 'paid', settled_by = prepared_by, settled_at = $1, paid_on = $2",
                *(tx.now, tx.today),
            )


async def test_what_was_sent_back_or_cancelled_is_not_paid(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    assert not await take(grants, lambda tx: payments.send_back(tx, waiting, PAYER.id, "Wrong amount."))
    assert await take(grants, made(waiting)) == "This payment has moved on."
    second = await prepares(grants, id, 14_500)
    assert not await take(grants, lambda tx: payments.cancel(tx, second, OFFICER.id, "Twice."), OFFICER.id)
    assert await take(grants, made(second)) == "This payment has moved on."
    assert (await award(grants, id)).left_pence == 14_500


async def test_days_that_cannot_be_are_refused(grants: Database) -> None:
    _, waiting = await a_prepared(grants)
    today = grants.context.clock.today()
    for on in (today - timedelta(days=1), today + timedelta(days=1), date(1990, 1, 1)):
        with pytest.raises(Refused) as refused:
            async with acting(grants, by(PAYER.id)) as tx:
                await payments.make(tx, waiting, PAYER.id, on=on, reference="BACS 7")
        assert refused.value.field == "on"
    with pytest.raises(Refused, match="the account, and not a reference"):
        async with acting(grants, by(PAYER.id)) as tx:
            await payments.make(tx, waiting, PAYER.id, on=today, reference="40-73-12 ٦٨٢ 49153")
    later(grants, days=3)
    await pays(grants, waiting)
    for on in (today, today + timedelta(days=4)):
        said: dict[str, Any] = {"pence": 1, "why": Why.CAME_BACK, "words": "", "on": on}
        act = partial(payments.come_back, id=waiting, by=PAYER.id, **said)
        assert "on that day" in await take(grants, act)


# What comes back


async def test_money_that_came_back_is_free_and_may_be_promised_and_paid_again(grants: Database) -> None:
    id, first = await a_paid(grants)
    assert await free(grants, id) == 485_500
    assert not await take(grants, back(first, 14_500, Why.BANK_REFUSED))
    found = await award(grants, id)
    assert (found.state, found.paid_pence, found.open_pence) == (State.ACCEPTED, 0, 0)
    assert (found.missing_pence, found.given_at, found.paid_on) == (14_500, None, None)
    assert (await payment(grants, first))["state"] == PaymentState.RETURNED
    assert await free(grants, id) == 500_000
    [told] = [event for event in await announced(grants) if event.fact is AwardReturned]
    assert (told.data["why"], told.data["returned"]["amount_pence"]) == ("bank_refused", 14_500)
    assert await take(grants, back(first, 1)) == "This payment has moved on."
    assert await take(grants, lambda tx: awards.commit_again(tx, id, OFFICER.id, 14_501))
    assert not await take(grants, lambda tx: awards.commit_again(tx, id, OFFICER.id, 14_500))
    assert await take(grants, lambda tx: awards.commit_again(tx, id, OFFICER.id, 1))
    with pytest.raises(Refused, match="They have not said where to pay"):
        await prepares(grants, id, 14_500)
    async with grants.transaction() as tx:
        await awards.say_payee(tx, token_of(grants, id), REIMBURSED)
    await pays(grants, await prepares(grants, id, 14_500))
    found = await award(grants, id)
    assert (found.state, found.paid_pence, await free(grants, id)) == (State.PAID, 14_500, 485_500)


async def test_a_part_that_came_back_is_promised_again_or_given_up(grants: Database) -> None:
    id, first = await a_paid(grants)
    assert await take(grants, back(first, 14_501)) == "£145 of this payment is out."
    assert not await take(grants, back(first, 4_500, Why.NOT_SAT))
    found = await award(grants, id)
    assert (found.state, found.paid_pence, found.missing_pence) == (State.ACCEPTED, 10_000, 4_500)
    assert not await take(grants, lambda tx: awards.give_up(tx, id, OFFICER.id, "They need no more."))
    found = await award(grants, id)
    assert (found.state, found.paid_pence, found.open_pence) == (State.PAID, 10_000, 0)
    assert await free(grants, id) == 490_000


async def test_what_was_given_up_ends_and_its_money_is_free(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    give_up: Act = lambda tx: awards.give_up(tx, id, OFFICER.id, "They told us.")  # noqa: E731
    assert await take(grants, give_up) == "A payment waits to be made."
    await take(grants, lambda tx: payments.cancel(tx, waiting, OFFICER.id, "No."))
    assert not await take(grants, give_up)
    assert (await award(grants, id)).state is State.WITHDRAWN
    assert await free(grants, id) == 500_000
    [told] = [event for event in await announced(grants) if event.fact is AwardReturned]
    assert (told.data["why"], told.data["returned"]["amount_pence"]) == ("given_up", 14_500)


async def test_it_is_promised_again_only_if_the_fund_has_it(grants: Database) -> None:
    round = await a_funded_round(grants, 14_500)
    id, first = await a_paid(grants, round=round)
    await take(grants, back(first, 14_500))
    await an_award(grants, 10_000, round=round, email="minh@mail.example")
    assert "£45 that is free" in await take(grants, lambda tx: awards.commit_again(tx, id, OFFICER.id, 4_501))
    assert not await take(grants, lambda tx: awards.commit_again(tx, id, OFFICER.id, 4_500))
    assert await free(grants, id) == 0


# At once


async def test_one_payment_made_two_hundred_times_at_once_is_made_once(grants: Database) -> None:
    id, waiting = await a_prepared(grants)
    people = [UUID(int=500 + n) for n in range(200)]
    answers = await asyncio.gather(*(take(grants, made(waiting, who), who) for who in people))
    assert sorted(answers)[:2] == ["", "This payment has moved on."]
    assert answers.count("") == 1
    found = await award(grants, id)
    assert (found.paid_pence, found.open_pence) == (14_500, 0)
    assert len(await letters(grants, AwardPaid)) == 1


async def test_two_hundred_payments_at_once_pay_no_more_than_was_awarded(grants: Database) -> None:
    """Whatever comes first, and with money that comes back between them."""
    round = await a_funded_round(grants, 2_000)
    ids = [await an_accepted(grants, 100, round=round, email=f"p{n}@mail.example") for n in range(20)]
    asked = [(id, pence) for id in ids for pence in (40, 60, 70, 30, 100)] * 2
    random.shuffle(asked)

    async def one(id: UUID, pence: int) -> None:
        try:
            waiting = await prepares(grants, id, pence)
        except (Conflict, Refused):
            return
        await asyncio.gather(*(take(grants, made(waiting)) for _ in range(2)))
        if random.random() < 0.2:
            await asyncio.gather(*(take(grants, back(waiting, 10)) for _ in range(2)))

    await asyncio.gather(*(one(id, pence) for id, pence in asked))
    async with grants.reading() as tx:
        rows = await tx.fetch(
            "SELECT application_id, amount_pence, returned_pence FROM payments"
            " WHERE state IN ('paid', 'returned')"
        )
    for id in ids:
        found = await award(grants, id)
        paid = sum(r["amount_pence"] - r["returned_pence"] for r in rows if r["application_id"] == id)
        assert found.paid_pence == paid <= 100
        assert found.paid_pence + found.open_pence + found.missing_pence == 100
    async with grants.reading() as tx:
        balance = await ledger.balance_of_all(tx)
    assert balance.paid_pence - balance.returned_pence == sum(
        r["amount_pence"] - r["returned_pence"] for r in rows
    )


async def test_made_cancelled_sent_back_and_withdrawn_in_the_same_moment(grants: Database) -> None:
    for number in range(ROUNDS):
        id, waiting = await a_prepared(grants, email=f"p{number}@mail.example")
        acts: list[tuple[Act, UUID]] = [
            (made(waiting), PAYER.id),
            (partial(payments.cancel, id=waiting, by=OFFICER.id, words="No."), OFFICER.id),
            (partial(payments.send_back, id=waiting, by=PAYER.id, words="No."), PAYER.id),
            (partial(awards.withdraw, token=token_of(grants, id)), PAYER.id),
        ]
        random.shuffle(acts)
        await asyncio.gather(*(take(grants, act, who) for act, who in acts))
        found, state = await award(grants, id), (await payment(grants, waiting))["state"]
        if state == PaymentState.PAID:
            assert (found.state, found.paid_pence, found.open_pence) == (State.PAID, 14_500, 0)
        else:
            assert (found.state, found.paid_pence, found.open_pence) == (State.WITHDRAWN, 0, 0)


async def test_two_officers_who_saw_the_same_prepare_one_payment(grants: Database) -> None:
    """Half of it each: both would fit, and one was enough."""
    id = await an_accepted(grants)
    said: dict[str, Any] = {"pence": 7_000, "follows": 0}
    act = partial(payments.prepare, application_id=id, by=OFFICER.id, **said)
    answers = await asyncio.gather(*(take(grants, act, OFFICER.id) for _ in range(10)))
    assert answers.count("") == 1
    assert (await award(grants, id)).waiting_pence == 7_000


# Killed


async def pays_and_takes_back(database: Database, payment: UUID, step: int, place: str) -> None:
    """One of the two, until it is killed at this place."""
    payer = UUID(int=102)
    failpoints.arm(f"{place}=kill" if place else "")
    async with acting(database, Actor(person=payer, source="test", action="test")) as tx:
        today = tx.today
        if step == 0:
            await payments.make(tx, payment, payer, on=today, reference="BACS 7")
        else:
            why = Why.CAME_BACK
            await payments.come_back(tx, payment, payer, pence=4_500, on=today, why=why, words="")


@pytest.mark.parametrize("place", ["ledger.locked", "ledger.entered", "ledger.settled"])
async def test_killed_between_any_two_steps_nothing_is_half_done(grants: Database, place: str) -> None:
    id, waiting = await a_prepared(grants)
    for step, paid in ((0, (0, 14_500)), (1, (14_500, 10_000))):
        for armed, expected in zip((place, ""), paid, strict=True):
            ended = await elsewhere(grants, pays_and_takes_back, waiting, step, armed)
            assert ended == (-signal.SIGKILL if armed else 0)
            found = await award(grants, id)
            assert found.paid_pence == expected
            assert len(await letters(grants, AwardPaid)) == (0 if expected == 0 else 1)
    assert await state_of(grants, id) == State.ACCEPTED
