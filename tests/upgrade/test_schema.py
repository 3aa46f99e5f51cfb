"""Migrations only add: code of every supported release goes on with the newest schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chassis.testing import PrivatePostgres
from contracts.topology import GRANTS, SERVICES
from tests.conftest import clone
from tests.statements import Prepared, prepared
from tests.upgrade.contracted import CONTRACTED, contractions, tables
from tests.upgrade.releases import SUPPORTED, Release


@asynccontextmanager
async def connected(postgres: PrivatePostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.database_url(database))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_statement_of_an_earlier_release_is_accepted_and_answered_as_it_was(
    release: Release,
    postgres: PrivatePostgres,
    restored: dict[str, str],
    migrated: dict[str, str],
    service: str,
) -> None:
    statements = release.statements(service)
    assert len(statements) > 200
    async with connected(postgres, restored[service]) as old, connected(postgres, migrated[service]) as new:
        before, now = await prepared(old, statements), await prepared(new, statements)
    assert [name for name, found in before.items() if isinstance(found, str)] == []
    assert {name: found for name, found in now.items() if isinstance(found, str)} == {}
    assert [name for name, found in before.items() if not _the_same(found, now[name])] == []


def _the_same(before: Prepared | str, now: Prepared | str) -> bool:
    """It takes what it took and gives what it gave; more columns harm nobody."""
    if isinstance(before, str) or isinstance(now, str):
        return False
    return now.takes == before.takes and now.gives.items() >= before.gives.items()


async def test_nothing_is_taken_from_a_supported_release_that_it_uses(
    postgres: PrivatePostgres, restored: dict[str, str], migrated: dict[str, str]
) -> None:
    found = set()
    for service in SERVICES:
        async with (
            connected(postgres, restored[service]) as old,
            connected(postgres, migrated[service]) as new,
        ):
            found |= {(service, what) for what in contractions(await tables(old), await tables(new))}
    assert sorted(found - set(CONTRACTED)) == [], (
        "add beside it, and take away later: tests/upgrade/contracted.py"
    )
    old_news = [each for each in CONTRACTED if each not in found]
    assert len(SUPPORTED) > 1 or old_news == [], "nobody supported knows of these any more: take them out"


async def test_what_would_harm_old_code_is_seen_and_what_would_not_is_not(
    postgres: PrivatePostgres, templates: dict[str, str]
) -> None:
    await clone(postgres, {"harmed": templates[GRANTS]})
    async with connected(postgres, "harmed") as connection:
        old = await tables(connection)
        for harmless in (
            "ALTER TABLE awards ADD COLUMN note text NOT NULL DEFAULT '' CHECK (note <> 'x')",
            "ALTER TABLE awards ADD COLUMN seen_by uuid UNIQUE REFERENCES applications (id)",
            "ALTER TABLE awards ALTER COLUMN asked TYPE integer, ALTER COLUMN invoice DROP NOT NULL",
            "ALTER TABLE awards DROP CONSTRAINT awards_payee_check, ADD CONSTRAINT awards_payee_check "
            "CHECK (payee IN ('person', 'exam_body', 'employer'))",
            "CREATE INDEX ON awards (paid_on); CREATE TABLE added (id uuid PRIMARY KEY)",
        ):
            await connection.execute(harmless)
        assert list(contractions(old, await tables(connection))) == []
        for harm in (
            "DROP TABLE pledges CASCADE",
            "ALTER TABLE awards RENAME COLUMN exam_on TO sits_on",
            "ALTER TABLE awards ALTER COLUMN amount_pence TYPE integer, ALTER COLUMN paid_on SET NOT NULL",
            "ALTER TABLE awards ALTER COLUMN version DROP DEFAULT, ADD COLUMN bank text NOT NULL",
            "ALTER TABLE awards DROP CONSTRAINT awards_payee_check, ADD CONSTRAINT awards_payee_check "
            "CHECK (payee IN ('person', 'employer'))",
            "CREATE UNIQUE INDEX one_invoice ON awards (invoice)",
        ):
            await connection.execute(harm)
        assert set(contractions(old, await tables(connection))) == {
            "table pledges is gone",
            "awards.exam_on is gone",
            "awards.amount_pence was bigint and is integer",
            "awards.paid_on may not be empty any more",
            "awards.version must be given now",
            "awards.bank is new, and must be given",
            "awards has a rule that it did not have: awards_payee_check",
            "awards has a rule that it did not have: one_invoice",
        }


def test_a_release_is_supported_for_a_year_after_the_next_one() -> None:
    newer = [release.day for release in SUPPORTED[1:]]
    late = [r.folder for r, next_ in zip(SUPPORTED, newer, strict=False) if (newer[-1] - next_).days > 366]
    assert late == [], "nobody upgrades from there any more: remove the folder"
