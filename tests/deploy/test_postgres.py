"""The walls in PostgreSQL: between the services, and between a service and what it may only add to."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.config import Settings
from chassis.migrations import drop_databases, migrate, service_url, with_database
from chassis.testing import PrivatePostgres
from contracts.topology import GRANTS, PARTNERS, SERVICES
from services.installation import Installation, migrations_of
from tests.conftest import administer

#: What nobody may do to what is only added to.
CHANGES = ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE")

#: The tables that are only added to, each with one of its columns.
ADDED_TO = {
    PARTNERS: {"audit": "action"},
    GRANTS: {"audit": "action", "ledger": "amount_pence", "decisions": "kind"},
    "notifications": {"audit": "action"},
}


@pytest.fixture(scope="module")
def walled(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The databases of an installation, made and migrated as ``conduit migrate`` does."""
    settings = Settings(
        home=tmp_path_factory.mktemp("walled"),
        database_url=postgres.url,
        database_prefix="walled",
        database_connections=5,
    )
    installation = Installation(settings)
    assert tuple(installation.migrate()) == SERVICES
    yield installation
    drop_databases(postgres.url, "walled", SERVICES)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_service_enters_its_own_database_and_no_other(walled: Installation) -> None:
    for service, url in walled.urls().items():
        async with connected(url) as connection:
            assert await connection.fetchval("SELECT current_user") == f"walled_{service}"
        for other in {*SERVICES} - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(with_database(url, f"walled_{other}"))


async def test_a_service_adds_to_the_record_and_changes_nothing_in_it(walled: Installation) -> None:
    for service, url in walled.urls().items():
        async with connected(url) as connection:
            refused = await connection.fetch(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger "
                "WHERE tgfoid::regproc::text LIKE 'refuse_to_change_%'"
            )
            assert {row[0] for row in refused} == set(ADDED_TO[service])
            for table, column in ADDED_TO[service].items():
                may = {
                    each: await connection.fetchval("SELECT has_table_privilege($1, $2)", table, each)
                    for each in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
                }
                assert [each for each, is_so in may.items() if is_so] == ["SELECT", "INSERT"]
                for change in CHANGES:
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(change.format(table, column, column))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE outbox ADD COLUMN x int",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TABLE outbox",
        "UPDATE alembic_version SET version_num = '9999'",
        "SET ROLE walled_partners_owner",
        "SET session_replication_role = replica",
        "CREATE ROLE mine",
        "COPY outbox TO PROGRAM 'true'",
    ],
)
async def test_a_service_changes_rows_and_nothing_else(walled: Installation, statement: str) -> None:
    async with connected(walled.urls()[PARTNERS]) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_no_service_takes_all_connections_or_waits_for_ever(walled: Installation) -> None:
    url = walled.urls()[GRANTS]
    held = [await asyncpg.connect(url) for _ in range(5)]
    try:
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(url)
        async with connected(walled.urls()[PARTNERS]) as connection:
            for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                assert await connection.fetchval(f"SHOW {limit}") == "1min"
            assert await connection.fetchval("SHOW lock_timeout") == "20s"
    finally:
        for connection in held:
            await connection.close()


def test_the_owners_migrate_by_an_address_of_their_own_and_passwords_are_changed_by_their_files(
    walled: Installation,
) -> None:
    """As in containers: one step for each service, which knows its owner's password and no other."""
    owner = walled.owner_urls()[PARTNERS].replace(f"walled_{PARTNERS}", "walled_{service}")
    owners = Installation(replace(walled.settings, database_url=owner))
    assert list(owners.migrate([PARTNERS])) == [PARTNERS]
    before = walled.urls()[GRANTS]
    (walled.settings.keys_folder / f"{GRANTS}.database").unlink()
    walled.prepare()
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_enter(before))
    asyncio.run(_enter(walled.urls()[GRANTS]))


async def _enter(url: str) -> None:
    async with connected(url):
        pass


def test_what_one_role_has_made_before_is_handed_over(postgres: PrivatePostgres, tmp_path: Path) -> None:
    """Installations that began when there was one role for each service: its data stays, its rights go."""
    name = f"once_{GRANTS}"
    asyncio.run(
        administer(
            postgres, f"CREATE ROLE {name} LOGIN PASSWORD 'old'", f"CREATE DATABASE {name} OWNER {name}"
        )
    )
    old = service_url(postgres.url, name, name, "old")
    migrate(old, migrations_of(GRANTS))
    asyncio.run(_note(old))
    settings = Settings(home=tmp_path, database_url=postgres.url, database_prefix="once")
    installation = Installation(settings)
    try:
        list(installation.migrate())
        list(installation.migrate())
        assert asyncio.run(_owners(installation.urls()[GRANTS])) == {f"{name}_owner"}
    finally:
        drop_databases(postgres.url, "once", SERVICES)


async def _note(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute("INSERT INTO audit_heads VALUES ('2026-11-23', 1, 'x', '2026-11-23Z')")


async def _owners(url: str) -> set[str]:
    async with connected(url) as connection:
        assert await connection.fetchval("SELECT digest FROM audit_heads") == "x"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM audit")
        of_tables = "SELECT tableowner FROM pg_tables WHERE schemaname = 'public'"
        of_database = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        owners = await connection.fetch(f"{of_tables} UNION {of_database}")
        return {row[0] for row in owners}
