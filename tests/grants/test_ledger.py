"""The ledger: nothing is ever overspent, nothing happens twice, and the entries come to the balance."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import failpoints
from chassis.database import Database, Transaction
from chassis.errors import Conflict
from services.grants import ledger
from services.grants.ledger import Balance, EnteredOtherwise, FundExhausted, MoreThanCommitted
from tests.grants.mortal import elsewhere

Act = Callable[[Transaction], Awaitable[object]]

TODAY = date(2012, 3, 5)
TRUST = UUID(int=7)

#: How often the races are run; more by hand and before a release.
ROUNDS = int(os.environ.get("ROUNDS", "5"))


async def a_fund(database: Database, pence: int = 0) -> UUID:
    """A new fund, with so much received."""
    id = uuid4()
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO funds VALUES ($1, 'Exams', 'p', 'r', '{}', '{}', $2, NULL, 1, $3)", id, TODAY, tx.now
        )
        await tx.execute("INSERT INTO fund_balances (fund_id) VALUES ($1)", id)
        if pence:
            await comes(tx, id, pence)
    return id


async def comes(tx: Transaction, fund: UUID, pence: int) -> UUID:
    """A contribution, as the page enters one."""
    id = uuid4()
    await tx.execute(
        "INSERT INTO contributions VALUES ($1, $2, $3, NULL, $4, $5, 'ref', NULL, 0, 1, $6)",
        *(id, fund, TRUST, pence, TODAY, tx.now),
    )
    await ledger.receive(tx, fund, pence, contribution=id, on=TODAY)
    return id


async def take(database: Database, act: Act) -> bool:
    """Whether an act was allowed."""
    try:
        async with database.transaction() as tx:
            await act(tx)
    except Conflict:
        return False
    return True


async def balance(database: Database, fund: UUID) -> Balance:
    """What the fund has, once it is certain that its entries come to that."""
    async with database.reading() as tx:
        assert await ledger.differing(tx) == []
        return await ledger.balance(tx, fund)


async def test_a_penny_is_followed_from_the_giver_to_the_exam_and_back(grants: Database) -> None:
    fund, award = await a_fund(grants, 500_000), uuid4()
    async with grants.transaction() as tx:
        await ledger.commit(tx, fund, 40_000, award=award)
        await ledger.release(tx, fund, 5_000, award=award, cause=uuid4())
        await ledger.pay(tx, fund, 35_000, award=award, payment=uuid4(), on=TODAY)
        await ledger.take_back(tx, fund, 35_000, award=award, cause=uuid4(), on=TODAY)
        await ledger.commit(tx, fund, 35_000, award=award, cause=uuid4())
        found = await ledger.commitment(tx, award)
    assert (found.committed_pence, found.released_pence, found.open_pence) == (75_000, 5_000, 35_000)
    assert await balance(grants, fund) == Balance(
        received_pence=500_000,
        committed_pence=35_000,
        paid_pence=35_000,
        returned_pence=35_000,
        entries=6,
    )
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT kind, held_pence, free_pence FROM ledger ORDER BY number")
    assert [tuple(row) for row in rows] == [
        ("received", 500_000, 500_000),
        ("committed", 500_000, 460_000),
        ("released", 500_000, 465_000),
        ("paid", 465_000, 465_000),
        ("returned", 500_000, 500_000),
        ("committed", 500_000, 465_000),
    ]


async def test_only_what_was_received_can_be_committed(grants: Database) -> None:
    fund = await a_fund(grants)
    assert not await take(grants, lambda tx: ledger.commit(tx, fund, 1, award=uuid4()))
    async with grants.transaction() as tx:
        given = await comes(tx, fund, 100)
    assert not await take(grants, lambda tx: ledger.commit(tx, fund, 101, award=uuid4()))
    assert await take(grants, lambda tx: ledger.commit(tx, fund, 100, award=uuid4()))
    assert not await take(
        grants, lambda tx: ledger.refund(tx, fund, 1, contribution=given, cause=uuid4(), on=TODAY)
    )
    assert (await balance(grants, fund)).free_pence == 0


@pytest.mark.parametrize("pence", [0, -1])
async def test_a_step_moves_something(grants: Database, pence: int) -> None:
    fund = await a_fund(grants, 100)
    with pytest.raises(ValueError, match="at least a penny"):
        await take(grants, lambda tx: ledger.commit(tx, fund, pence, award=uuid4()))


async def test_an_award_gives_no_more_than_it_has(grants: Database) -> None:
    """Also where the fund has more: that is for others."""
    fund, award, other = await a_fund(grants, 1_000), uuid4(), uuid4()
    async with grants.transaction() as tx:
        await ledger.commit(tx, fund, 100, award=award)
        await ledger.commit(tx, fund, 500, award=other)
    acts: list[Act] = [
        lambda tx: ledger.pay(tx, fund, 101, award=award, payment=uuid4(), on=TODAY),
        lambda tx: ledger.release(tx, fund, 101, award=award, cause=uuid4()),
        lambda tx: ledger.take_back(tx, fund, 1, award=award, cause=uuid4(), on=TODAY),
        lambda tx: ledger.pay(tx, fund, 1, award=uuid4(), payment=uuid4(), on=TODAY),
    ]
    for act in acts:
        with pytest.raises(MoreThanCommitted):
            async with grants.transaction() as tx:
                await act(tx)
    assert (await balance(grants, fund)).entries == 3


async def test_a_cause_makes_a_step_once_and_never_another_one(grants: Database) -> None:
    fund, second, award = await a_fund(grants, 1_000), await a_fund(grants, 1_000), uuid4()
    for _ in range(3):
        assert await take(grants, lambda tx: ledger.commit(tx, fund, 400, award=award))
    assert (await balance(grants, fund)).committed_pence == 400
    others: list[Act] = [
        lambda tx: ledger.commit(tx, fund, 399, award=award),
        lambda tx: ledger.commit(tx, second, 400, award=award),
        lambda tx: ledger.commit(tx, fund, 400, award=uuid4(), cause=award),
        lambda tx: ledger.commit(tx, second, 100, award=award, cause=uuid4()),
    ]
    for other in others:
        with pytest.raises(EnteredOtherwise):
            async with grants.transaction() as tx:
                await other(tx)
    payment = uuid4()
    for _ in range(2):
        await take(grants, lambda tx: ledger.pay(tx, fund, 400, award=award, payment=payment, on=TODAY))
    assert (await balance(grants, fund)).paid_pence == 400


async def test_two_hundred_at_once_and_room_for_ten(grants: Database) -> None:
    """Each of 200 awards takes a tenth of what there is, half of them asked for twice."""
    for _ in range(ROUNDS):
        fund = await a_fund(grants, 100_000)
        awards = [uuid4() for _ in range(100)]
        asked = awards + awards
        random.shuffle(asked)

        async def one(award: UUID, fund: UUID = fund) -> bool:
            return await take(grants, lambda tx: ledger.commit(tx, fund, 10_000, award=award))

        taken = await asyncio.gather(*map(one, asked))
        committed = {award for award, done in zip(asked, taken, strict=True) if done}
        assert len(committed) == 10
        found = await balance(grants, fund)
        assert (found.committed_pence, found.free_pence, found.entries) == (100_000, 0, 11)


async def test_awards_returns_and_contributions_at_once(grants: Database) -> None:
    for _ in range(ROUNDS):
        fund, award = await a_fund(grants, 50_000), uuid4()
        async with grants.transaction() as tx:
            await ledger.commit(tx, fund, 50_000, award=award)
            await ledger.pay(tx, fund, 30_000, award=award, payment=uuid4(), on=TODAY)
        back = uuid4()
        acts: list[Act] = [
            *[lambda tx, f=fund: ledger.commit(tx, f, 10_000, award=uuid4()) for _ in range(20)],
            *[
                partial(ledger.take_back, fund_id=fund, pence=30_000, award=award, cause=back, on=TODAY)
                for _ in range(3)
            ],
            *[lambda tx, f=fund, a=award: ledger.release(tx, f, 15_000, award=a, cause=uuid4())] * 2,
            *[lambda tx, f=fund: comes(tx, f, 20_000)] * 2,
        ]
        random.shuffle(acts)
        await asyncio.gather(*(take(grants, act) for act in acts))
        # Whatever was too early is asked for again.
        while await take(grants, partial(ledger.commit, fund_id=fund, pence=10_000, award=uuid4())):
            pass
        found = await balance(grants, fund)
        assert (found.received_pence, found.returned_pence) == (90_000, 30_000)
        assert 0 <= found.free_pence < 10_000


async def test_the_database_itself_refuses(grants: Database) -> None:
    """Whatever a program does, or somebody with a prompt."""
    fund = await a_fund(grants, 1_000)
    for statement in (
        "UPDATE fund_balances SET committed_pence = 1001",
        "UPDATE fund_balances SET paid_pence = 1001",
        "UPDATE fund_balances SET returned_pence = 1",
        "UPDATE fund_balances SET refunded_pence = 1001",
        "UPDATE fund_balances SET received_pence = -1",
        "UPDATE ledger SET amount_pence = 999",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "INSERT INTO commitments VALUES (gen_random_uuid(), (SELECT id FROM funds), 10, 0, 11, 0)",
        "INSERT INTO ledger SELECT fund_id, 2, kind, amount_pence, cause_id, award_id, contribution_id,"
        " happened_on, recorded_at, person_id, held_pence, free_pence FROM ledger",
    ):
        with pytest.raises(asyncpg.PostgresError):
            async with grants.transaction() as tx:
                await tx.execute(statement)
    assert (await balance(grants, fund)).free_pence == 1_000


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fund_balances SET received_pence = received_pence + 1",
        "UPDATE fund_balances SET entries = entries + 1",
        "UPDATE commitments SET committed_pence = committed_pence + 1",
        "UPDATE contributions SET amount_pence = amount_pence + 1",
        "DELETE FROM commitments",
    ],
)
async def test_a_difference_of_a_penny_is_found(grants: Database, damage: str) -> None:
    sound, fund = await a_fund(grants, 1_000), await a_fund(grants, 1_000)
    await take(grants, lambda tx: ledger.commit(tx, fund, 10, award=uuid4()))
    async with grants.transaction() as tx:
        assert await ledger.differing(tx) == []
        where = "" if "commitments" in damage else f" WHERE fund_id = '{fund}'"
        await tx.execute(damage + where)
        assert await ledger.differing(tx) == [fund]
        assert sound != fund


def test_what_is_free_is_told() -> None:
    assert str(FundExhausted(123_450)) == "This fund has £1,234.50 that is free."


async def commits_and_pays(database: Database, fund: UUID, award: UUID, armed_at: int, place: str) -> None:
    """All steps, until it is killed at this place of one of them."""
    second = UUID(int=award.int ^ 1)
    steps: Sequence[Act] = (
        lambda tx: ledger.commit(tx, fund, 40_000, award=award),
        lambda tx: ledger.commit(tx, fund, 30_000, award=award, cause=second),
        lambda tx: ledger.pay(tx, fund, 70_000, award=award, payment=award, on=tx.today),
    )
    for number, step in enumerate(steps):
        if number == armed_at:
            failpoints.arm(f"{place}=kill")
        async with database.transaction() as tx:
            await step(tx)


@pytest.mark.parametrize("place", ["ledger.locked", "ledger.entered", "ledger.settled"])
async def test_killed_between_any_two_steps_it_goes_on_where_it_was(grants: Database, place: str) -> None:
    """Each start dies in the next step; the last ones go through, and find everything done."""
    fund, award = await a_fund(grants, 100_000), uuid4()
    for step, free in enumerate((100_000, 60_000, 30_000, 30_000, 30_000)):
        ended = await elsewhere(grants, commits_and_pays, fund, award, step, place)
        assert ended == (-signal.SIGKILL if step < 3 else 0)
        found = await balance(grants, fund)
        assert found.free_pence == free
    assert (found.paid_pence, found.committed_pence, found.entries) == (70_000, 0, 4)
