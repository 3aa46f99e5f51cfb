"""PostgreSQL: every wait is bounded, every absence is one error, a mistake of ours is never taken for one."""

import asyncio
import dataclasses
from time import monotonic
from typing import Any

import asyncpg
import pytest

from chassis import metrics
from chassis.context import Cause
from chassis.database import IN_THE_WAY, Database, Transaction
from chassis.errors import DatabaseAway
from chassis.testing import PrivatePostgres
from contracts.topology import GRANTS
from tests.conftest import MakeDatabase


@pytest.fixture
async def database(make_bare: MakeDatabase) -> Database:
    return await make_bare(GRANTS)


async def asleep(database: Database) -> None:
    """Wait until somebody is in the middle of a statement that takes its time."""
    sleepers = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    )
    async with database.connection() as connection:
        for _ in range(1_000):
            if await connection.fetchval(sleepers):
                return
            await asyncio.sleep(0.02)
    raise AssertionError("nobody is")


async def terminate(database: Database) -> int:
    """Cut every other connection to the database, as an administrator does, and wait until each is."""
    watcher = await database.listen()
    try:
        return len(
            await watcher.fetch(
                "SELECT pg_terminate_backend(pid, 4000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await watcher.close()


async def subjects(database: Database) -> list[str]:
    async with database.reading() as tx:
        return [row["subject"] for row in await tx.fetch("SELECT subject FROM effects ORDER BY id")]


def impatient(database: Database, **settings: Any) -> Database:
    """The same database, opened with other settings."""
    context = dataclasses.replace(
        database.context, settings=dataclasses.replace(database.context.settings, **settings)
    )
    return Database(database._url, context)


def counted(name: str, **labels: str) -> float:
    """What is measured of the database of the service that the tests here are for."""
    found = metrics.REGISTRY.get_sample_value(f"conduit_database_{name}", {"service": GRANTS, **labels})
    return found or 0.0


class TestTransaction:
    async def test_keeps_all_of_the_block(self, database: Database) -> None:
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO effects (subject) VALUES ('a'), ('b')")
        assert await subjects(database) == ["a", "b"]

    async def test_or_nothing_of_it(self, database: Database) -> None:
        async def fail() -> None:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                raise LookupError("ours")

        with pytest.raises(LookupError, match="ours"):
            await fail()
        assert await subjects(database) == []

    async def test_has_one_moment_and_one_cause(self, database: Database) -> None:
        cause = Cause.new()
        async with database.transaction(cause) as tx:
            before = tx.now
            await tx.execute("SELECT pg_sleep(0.01)")
            assert (tx.now, tx.cause) == (before, cause)

    async def test_reading_cannot_change_anything(self, database: Database) -> None:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with database.reading() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")

    async def test_reading_sees_one_state(self, database: Database) -> None:
        async with database.reading() as tx:
            assert await tx.fetchval("SELECT count(*) FROM effects") == 0
            async with database.transaction() as other:
                await other.execute("INSERT INTO effects (subject) VALUES ('a')")
            assert await tx.fetchval("SELECT count(*) FROM effects") == 0


class TestMistakesOfOurs:
    """None of these may look like an absence: they would be tried again for ever."""

    @pytest.mark.parametrize(
        ("statement", "arguments"),
        [
            ("SELECT $1::int", ()),
            ("SELECT $1::int", (1, 2)),
            ("SELECT $1::int", ("no number",)),
            ("SELECT $1::uuid", ("no id",)),
            ("SELECT $1::text", ("\x00",)),
            ("SELECT * FROM no_such_table", ()),
            ("SELECT 1/0", ()),
            ("no statement", ()),
        ],
    )
    async def test_stay_what_they_are(
        self, database: Database, statement: str, arguments: tuple[object, ...]
    ) -> None:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as raised:
            async with database.transaction() as tx:
                await tx.fetch(statement, *arguments)
        assert not isinstance(raised.value, DatabaseAway)
        assert database.busy()["in_use"] == 0

    async def test_two_statements_at_once_on_one_connection(self, database: Database) -> None:
        with pytest.raises(asyncpg.InterfaceError):
            async with database.transaction() as tx:
                await asyncio.gather(tx.fetch("SELECT pg_sleep(0.2)"), tx.fetch("SELECT 1"))
        assert await subjects(database) == []


class TestTime:
    async def test_a_statement_that_takes_too_long_is_cancelled_by_the_server(
        self, database: Database
    ) -> None:
        quick = impatient(database, database_timeout=1.0)
        await quick.open()
        try:
            started = monotonic()
            with pytest.raises(asyncpg.QueryCanceledError):
                async with quick.transaction() as tx:
                    await tx.execute("SELECT pg_sleep(30)")
            assert monotonic() - started < 15
            assert await subjects(quick) == []
        finally:
            await quick.close()

    async def test_a_lock_is_waited_for_a_bounded_time(self, database: Database) -> None:
        quick = impatient(database, database_timeout=1.0)
        await quick.open()
        try:
            async with database.transaction() as tx:
                await tx.execute("LOCK TABLE effects")
                with pytest.raises((asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)):
                    async with quick.transaction() as other:
                        await other.execute("INSERT INTO effects (subject) VALUES ('a')")
        finally:
            await quick.close()

    async def test_a_connection_is_waited_for_a_bounded_time(self, database: Database) -> None:
        small = impatient(database, pool_size=2, acquire_timeout=1.0)
        await small.open()
        try:
            async with small.transaction(), small.transaction():
                await small.observe()
                started, refused = monotonic(), counted("refused_total")
                with pytest.raises(DatabaseAway):
                    async with small.transaction():
                        pass
                assert monotonic() - started < 10
                assert small.busy() == {"in_use": 2, "idle": 1}  # the one that can only look
                assert counted("connections", state="in_use") == 2
                assert (counted("refused_total"), counted("waiting")) == (refused + 1, 0)
            assert await subjects(small) == []
        finally:
            await small.close()

    async def test_a_page_that_is_cancelled_gives_its_connection_back(self, database: Database) -> None:
        async def page() -> None:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await tx.execute("SELECT pg_sleep(30)")

        tasks = [asyncio.create_task(page()) for _ in range(10)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert database.busy()["in_use"] == 0
        assert await subjects(database) == []


class TestAbsence:
    async def test_a_database_that_was_not_opened(self, database: Database) -> None:
        with pytest.raises(DatabaseAway):
            async with impatient(database).transaction():
                pass

    async def test_a_server_that_is_not_there(self, database: Database) -> None:
        nowhere = Database("postgresql://a:b@127.0.0.1:1/c", database.context)
        with pytest.raises(DatabaseAway):
            await nowhere.open()
        with pytest.raises(DatabaseAway):
            await nowhere.listen()

    async def test_a_connection_that_is_cut_under_a_statement(self, database: Database) -> None:
        async def work() -> None:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await tx.execute("SELECT pg_sleep(30)")

        task = asyncio.create_task(work())
        await asleep(database)
        await terminate(database)
        with pytest.raises(DatabaseAway):
            await task
        assert await subjects(database) == []

    async def test_a_connection_that_is_cut_between_two_statements(self, database: Database) -> None:
        async def work() -> None:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await terminate(database)
                await tx.execute("INSERT INTO effects (subject) VALUES ('b')")

        with pytest.raises(DatabaseAway):
            await work()
        assert await subjects(database) == []

    async def test_a_connection_that_is_cut_before_the_commit(self, database: Database) -> None:
        async def work() -> None:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await terminate(database)

        with pytest.raises(DatabaseAway):
            await work()
        assert await subjects(database) == []

    async def test_an_error_of_ours_on_a_cut_connection_is_an_absence(self, database: Database) -> None:
        async def work() -> None:
            async with database.transaction():
                await terminate(database)
                await asyncio.sleep(0.1)
                raise LookupError("ours")

        with pytest.raises(DatabaseAway):
            await work()

    async def test_every_idle_connection_was_cut_meanwhile(self, database: Database) -> None:
        async with database.transaction(), database.transaction(), database.transaction():
            pass
        assert await terminate(database) >= 3
        await asyncio.sleep(0.1)  # a turn of the loop, which hears of their ends
        assert await subjects(database) == []

    async def test_closing_waits_for_what_is_in_flight(self, database: Database) -> None:
        second, in_flight = impatient(database), asyncio.Event()
        await second.open()

        async def work() -> None:
            async with second.transaction() as tx:
                in_flight.set()
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await asyncio.sleep(0.3)

        task = asyncio.create_task(work())
        await in_flight.wait()
        await second.close()
        await task
        assert await subjects(database) == ["a"]

    async def test_closing_cuts_what_does_not_end(self, database: Database) -> None:
        second = impatient(database, close_timeout=0.3)
        await second.open()

        async def work() -> None:
            async with second.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")
                await tx.execute("SELECT pg_sleep(30)")

        task = asyncio.create_task(work())
        await asleep(database)
        started = monotonic()
        await second.close()
        with pytest.raises(DatabaseAway):
            await task
        assert monotonic() - started < 15
        assert await subjects(database) == []
        await second.close()  # twice does no harm


class TestRestart:
    async def test_the_pool_recovers(self, database: Database) -> None:
        with PrivatePostgres() as server:  # of this test's own: the others must not feel its death
            own = Database(server.url, database.context)
            await own.open()
            async with own.transaction() as tx:
                await tx.execute("CREATE TABLE effects (id serial, subject text)")
                await tx.execute("INSERT INTO effects (subject) VALUES ('a')")

            async def work() -> None:
                async with own.transaction() as tx:
                    await asyncio.to_thread(server.kill)
                    await tx.execute("INSERT INTO effects (subject) VALUES ('b')")

            with pytest.raises(DatabaseAway):
                await work()
            for _ in range(3):
                with pytest.raises(DatabaseAway):
                    await subjects(own)

            await asyncio.to_thread(server.start)
            assert await subjects(own) == ["a"]

            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            assert await subjects(own) == ["a"]
            await own.close()


async def test_a_column_that_comes_while_it_runs_is_in_the_way_once_at_most(make_bare: MakeDatabase) -> None:
    """As when a newer release migrates: what was prepared for the old columns is prepared anew."""
    database = await make_bare(GRANTS)
    every, number = "SELECT *, 1 AS last FROM effects", "SELECT count(*) AS count FROM effects"

    async def effects(tx: Transaction) -> list[Any]:
        return [dict(row) for row in await tx.fetch(every)]

    async def count(tx: Transaction) -> Any:
        return await tx.fetchval(number)

    async with database.transaction() as tx:
        await tx.execute("INSERT INTO effects (subject, sequence) VALUES ('a', 1)")
    for column in ("first_seen", "last_seen"):
        async with database.reading() as tx:
            before = await effects(tx)
            assert await tx.together(effects(tx), count(tx)) == [before, 1]
        async with database.glance() as tx:
            assert await tx.together(effects(tx), count(tx)) == [before, 1]
        async with database.transaction() as tx:
            await tx.execute(f"ALTER TABLE effects ADD COLUMN {column} date")
        after = [{**row, column: None} for row in before]
        async with database.glance() as tx:
            assert await tx.together(effects(tx), count(tx)) == [after, 1]
        with pytest.raises(IN_THE_WAY):
            async with database.reading() as tx:
                await effects(tx)
        async with database.reading() as tx:
            assert await effects(tx) == after
            assert await tx.together(effects(tx), count(tx)) == [after, 1]
