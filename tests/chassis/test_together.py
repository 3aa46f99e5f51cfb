"""Parts of a page that ask the database together, and what one statement can tell at a glance."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis.database import Database, Transaction, rows_of
from chassis.errors import NotFound
from chassis.together import combined
from tests.conftest import MakeDatabase
from tests.watching import Watched

_ID = UUID("01a21772-6178-7792-9e0a-e05f9c6f9c19")


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("partners")


async def numbers(tx: Transaction, until: int) -> list[int]:
    return [row["number"] for row in await tx.fetch("SELECT generate_series(1, $1::int) AS number", until)]


async def asked(database: Database) -> Watched:
    watched = Watched(database._url, database.context)
    await watched.open()
    return watched


class TestTogether:
    async def test_what_is_asked_at_one_step_is_one_statement(self, database: Database) -> None:
        watched = await asked(database)
        try:
            for _ in range(2):
                watched.asked.clear()  # a new connection asks for types first
                async with watched.glance() as tx:
                    found = await tx.together(
                        numbers(tx, 3),
                        numbers(tx, 0),
                        tx.fetchval("SELECT $1::text || $2", "a", "b"),
                        tx.fetchrow("SELECT 1 AS one WHERE false"),
                        tx.fetchval("SELECT 1 WHERE false"),
                    )
        finally:
            await watched.close()
        assert found == [[1, 2, 3], [], "ab", None, None]
        assert len(watched.asked) == 1

    async def test_values_are_those_of_a_statement_of_its_own(self, database: Database) -> None:
        statement = """
            SELECT $1::uuid AS id, now() AS at, current_date AS day, '{"a": [1, "ö"]}'::jsonb AS said,
                   ARRAY['x', NULL]::text[] AS words, NULL::bigint AS nothing, 1.50::numeric AS n,
                   '\\x00ff'::bytea AS bytes, ARRAY[]::uuid[] AS none -- the last one;
            """
        async with database.reading() as tx:
            alone = dict(await tx.fetchrow(statement, _ID))
            both = await tx.together(tx.fetchrow(statement, _ID), tx.fetchrow(statement, _ID))
        assert both == [alone, alone]

    async def test_parts_have_parts_and_may_ask_again(self, database: Database) -> None:
        async def of_parts(tx: Transaction) -> Any:
            few, more = await tx.together(numbers(tx, 1), numbers(tx, 2))
            return few + more + await numbers(tx, 3)

        async with database.reading() as tx:
            assert await tx.together(of_parts(tx), numbers(tx, 1)) == [[1, 1, 2, 1, 2, 3], [1]]
            assert await tx.together(numbers(tx, 2)) == [[1, 2]]
            assert await tx.together() == []
            assert await numbers(tx, 2) == [1, 2]

    async def test_the_first_part_that_fails_ends_all(self, database: Database) -> None:
        ended = []

        async def fails(tx: Transaction) -> None:
            await numbers(tx, 1)
            raise NotFound

        async def goes_on(tx: Transaction) -> None:
            try:
                await numbers(tx, 1)
                await numbers(tx, 2)
            finally:
                ended.append(True)

        async with database.reading() as tx:
            with pytest.raises(NotFound):
                await tx.together(goes_on(tx), fails(tx), goes_on(tx))
            assert await numbers(tx, 1) == [1]
        assert ended == [True, True]
        assert database.busy()["in_use"] == 0

    async def test_a_part_that_waits_for_anything_else_is_refused(self, database: Database) -> None:
        async def writes(tx: Transaction) -> None:
            await tx.execute("DELETE FROM organisations")

        async def waits() -> None:
            await asyncio.sleep(0.01)

        async with database.transaction() as tx:
            for part in (writes(tx), waits()):
                with pytest.raises(RuntimeError, match="nothing else"):
                    await tx.together(part)
            assert await numbers(tx, 1) == [1]

    def test_parameters_are_counted_on(self) -> None:
        whole = combined(("SELECT $2, $1;", "SELECT $1, $10"), (2, 10))
        assert "SELECT $2, $1\n" in whole
        assert "SELECT $3, $12\n" in whole


class TestAGlance:
    async def test_nothing_is_written(self, database: Database) -> None:
        write = "UPDATE organisations SET name = '' RETURNING id"
        for statement in (write, "SELECT id FROM organisations FOR UPDATE", f"WITH w AS ({write}) SELECT 1"):
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with database.glance() as tx:
                    await tx.fetch(statement)

    async def test_together_nothing_is_written_either(self, database: Database) -> None:
        write = "WITH w AS (UPDATE organisations SET name = '' RETURNING id) SELECT * FROM w"
        for open_it in (database.glance, database.transaction):
            with pytest.raises((asyncpg.FeatureNotSupportedError, asyncpg.PostgresSyntaxError)):
                async with open_it() as tx:
                    await tx.together(tx.fetch(write), tx.fetch("SELECT 1"))

    async def test_a_second_statement_is_refused(self, database: Database) -> None:
        async with database.glance() as tx:
            assert await rows_of(_rows(tx)) == [1]
            with pytest.raises(RuntimeError, match="one statement"):
                await tx.fetchval("SELECT 1")
        async with database.glance() as tx:
            with pytest.raises(RuntimeError, match="one statement"):
                await tx.together(_twice(tx))

    async def test_one_that_is_cancelled_gives_its_connection_back(self, database: Database) -> None:
        async def look() -> None:
            async with database.glance() as tx:
                await tx.together(tx.fetch("SELECT pg_sleep(30)"), numbers(tx, 1))

        looking = [asyncio.create_task(look()) for _ in range(4)]
        await asyncio.sleep(0.3)
        for task in looking:
            task.cancel()
        ends = await asyncio.gather(*looking, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert database.busy()["in_use"] == 0
        async with database.glance() as tx:
            assert await tx.together(numbers(tx, 2)) == [[1, 2]]

    async def test_all_parts_see_the_same_state(self, database: Database) -> None:
        async with database.glance() as tx:
            seen = "SELECT pg_current_snapshot()::text, transaction_timestamp()"
            first, second = await tx.together(tx.fetchrow(seen), tx.fetchrow(seen))
        assert first == second


async def _rows(tx: Transaction) -> Any:
    for row in await tx.fetch("SELECT 1 AS one"):
        yield row["one"]


async def _twice(tx: Transaction) -> None:
    await numbers(tx, 1)
    await numbers(tx, 1)
