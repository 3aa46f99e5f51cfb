"""PostgreSQL itself accepts every statement: each is prepared on a migrated database of its service."""

import re

import asyncpg
import pytest

from chassis.testing import PrivatePostgres
from contracts.topology import SERVICES
from tests.statements import prepared, statements_of

#: Makes something that would outlive its transaction, on a connection that the next one is given as it is.
_LASTING = re.compile(
    r"pg_(try_)?advisory_lock|\bWITH HOLD\b|\A\s*(SET (?!LOCAL)|LISTEN|PREPARE)|ON COMMIT (PRESERVE|DELETE)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_statement_can_be_prepared(
    postgres: PrivatePostgres, templates: dict[str, str], service: str
) -> None:
    asked = statements_of(service)
    assert len(asked) > 20
    assert [name for name, sql in asked.items() if _LASTING.search(sql)] == []
    connection = await asyncpg.connect(postgres.database_url(templates[service]))
    try:
        found = await prepared(connection, asked)
    finally:
        await connection.close()
    assert {name: refused for name, refused in found.items() if isinstance(refused, str)} == {}
