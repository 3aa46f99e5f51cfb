"""How far a chain goes: told once in each week of London, by whichever replica comes first, and of nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from chassis.audit import verify
from chassis.database import Database, Transaction
from chassis.heads import tell_head, week_of
from contracts import grants, notifications
from contracts.catalogue import sample
from contracts.chains import ChainHead
from contracts.topology import GRANTS, NOTIFICATIONS
from tests.conftest import MakeDatabase, announced, move_to, somebody_acts

#: A Monday, in the middle of the day.
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    made = await make_database(GRANTS)
    move_to(made, MONDAY)
    return made


@asynccontextmanager
async def replica_of(database: Database) -> AsyncIterator[Database]:
    """Another process of the same service: other connections to the same database."""
    second = Database(database._url, database.context)
    await second.open()
    yield second
    await second.close()


async def look(database: Database, fact: type[ChainHead] = grants.ChainHeadTold) -> None:
    """One turn of the timer."""
    async with database.transaction() as tx:
        await tell_head(tx, fact)


async def told(database: Database) -> list[tuple[date, int]]:
    """Of which weeks it was said how far the chain goes, and how far."""
    return [(event.data["week"], event.data["number"]) for event in await announced(database)]


@pytest.mark.parametrize(
    ("moment", "monday"),
    [
        # A week begins at midnight in London, which in summer is an hour before that of UTC.
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 6, 7, 22, 59, tzinfo=UTC), date(2026, 6, 1)),
        (datetime(2026, 6, 7, 23, 0, tzinfo=UTC), date(2026, 6, 8)),
        # The clocks go forward on the Sunday: the week is an hour shorter, and ends an hour sooner.
        (datetime(2026, 3, 29, 22, 59, tzinfo=UTC), date(2026, 3, 23)),
        (datetime(2026, 3, 29, 23, 0, tzinfo=UTC), date(2026, 3, 30)),
        # They go back: the hour that comes twice belongs to the Sunday both times.
        (datetime(2026, 10, 25, 23, 59, tzinfo=UTC), date(2026, 10, 19)),
        (datetime(2026, 10, 26, 0, 0, tzinfo=UTC), date(2026, 10, 26)),
        # The 53rd week of 2026 ends in 2027; the first of 2025 began in 2024.
        (datetime(2026, 12, 31, 12, tzinfo=UTC), date(2026, 12, 28)),
        (datetime(2027, 1, 3, 23, 59, tzinfo=UTC), date(2026, 12, 28)),
        (datetime(2027, 1, 4, 0, 0, tzinfo=UTC), date(2027, 1, 4)),
        (datetime(2024, 12, 30, 0, 0, tzinfo=UTC), date(2024, 12, 30)),
    ],
)
def test_a_week_is_a_week_of_london(moment: datetime, monday: date) -> None:
    assert week_of(moment) == monday
    assert week_of(moment).isocalendar().weekday == 1


@pytest.mark.parametrize(
    ("service", "fact"), [(GRANTS, grants.ChainHeadTold), (NOTIFICATIONS, notifications.ChainHeadTold)]
)
async def test_what_is_said_is_the_head_of_the_own_chain_and_nothing_else(
    make_database: MakeDatabase, service: str, fact: type[ChainHead]
) -> None:
    database = await make_database(service)
    move_to(database, MONDAY)
    await somebody_acts(database, times=3)
    await look(database, fact)
    (event,) = await announced(database)
    async with database.reading() as tx:
        head = (await verify(tx)).head
    week = date(2026, 11, 23)
    assert event.fact is fact
    assert event.data == {"service": service, "week": week, "number": 3, "digest": head}
    assert set(event.data) == set(sample(fact).data)
    assert (event.subject, event.sequence) == (f"{service}/{week}", sample(fact).sequence)


async def test_it_is_said_once_a_week_however_often_one_looks(database: Database) -> None:
    await somebody_acts(database)
    for _ in range(3):
        await look(database)
        await somebody_acts(database)
    move_to(database, MONDAY + timedelta(days=6))
    await look(database)
    assert await told(database) == [(date(2026, 11, 23), 1)]
    move_to(database, MONDAY + timedelta(days=7))
    for _ in range(2):
        await look(database)
    assert await told(database) == [(date(2026, 11, 23), 1), (date(2026, 11, 30), 4)]


async def test_a_week_in_which_nothing_was_done_is_told_as_well(database: Database) -> None:
    """The same head twice says that the record is still there."""
    await somebody_acts(database)
    for days in (0, 7, 14):
        move_to(database, MONDAY + timedelta(days=days))
        await look(database)
    assert [number for _, number in await told(database)] == [1, 1, 1]


async def test_an_empty_chain_is_not_told_until_it_has_a_row(database: Database) -> None:
    await look(database)
    assert await told(database) == []
    move_to(database, MONDAY + timedelta(days=2))
    await somebody_acts(database)
    await look(database)
    assert await told(database) == [(date(2026, 11, 23), 1)]


async def test_of_two_replicas_the_second_waits_for_the_first_and_says_nothing(database: Database) -> None:
    await somebody_acts(database)
    async with replica_of(database) as second:
        async with database.transaction() as tx:
            await tell_head(tx, grants.ChainHeadTold)
            other = asyncio.create_task(look(second))
            await waits_for_another(tx)
            assert not other.done()
        await other
    assert await told(database) == [(date(2026, 11, 23), 1)]


async def test_of_two_replicas_the_second_speaks_when_the_first_dies(database: Database) -> None:
    await somebody_acts(database)
    others = []

    async def look_and_die(second: Database) -> None:
        async with database.transaction() as tx:
            await tell_head(tx, grants.ChainHeadTold)
            others.append(asyncio.create_task(look(second)))
            await waits_for_another(tx)
            raise ZeroDivisionError

    async with replica_of(database) as second:
        with pytest.raises(ZeroDivisionError):
            await look_and_die(second)
        await asyncio.gather(*others)
    assert await told(database) == [(date(2026, 11, 23), 1)]


async def test_many_at_once_say_it_once(database: Database) -> None:
    await somebody_acts(database)
    async with replica_of(database) as second:
        await asyncio.gather(*(look(each) for each in (database, second) * 10))
    assert await told(database) == [(date(2026, 11, 23), 1)]


async def waits_for_another(tx: Transaction) -> None:
    """Until a connection to this database waits for a lock, which only ours can be holding."""
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    for _ in range(500):
        if await tx.fetchval(blocked):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")
