"""PostgreSQL itself accepts every statement: each is prepared on a migrated database of its service."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from chassis.access import QUERIES as ACCESS
from chassis.audit import QUERIES as AUDIT
from chassis.copies import QUERIES as COPIES
from chassis.database import read_queries
from chassis.outbox import QUERIES as MESSAGES
from contracts.topology import SERVICES
from tests.conftest import MakeDatabase

#: Makes a table that other statements of the same transaction speak of.
_TEMPORARY = re.compile("CREATE TEMPORARY TABLE", re.IGNORECASE)
#: Makes something that would outlive its transaction, on a connection that the next one is given as it is.
_LASTING = re.compile(
    r"pg_(try_)?advisory_lock|\bWITH HOLD\b|\A\s*(SET (?!LOCAL)|LISTEN|PREPARE)|ON COMMIT (PRESERVE|DELETE)",
    re.IGNORECASE,
)


def statements(queries: Any) -> dict[str, str]:
    """The statements of one file, by name, with numbered parameters."""
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    return {name: getattr(queries, name).sql for name in names}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_statement_can_be_prepared(make_database: MakeDatabase, service: str) -> None:
    database = await make_database(service)
    package = import_module(f"services.{service}").__file__ or ""
    files = [read_queries(package, path.name) for path in Path(package).parent.glob("*.sql")]
    files += [MESSAGES, ACCESS, AUDIT, COPIES]
    asked = {name: sql for queries in files for name, sql in statements(queries).items()}
    assert len(asked) > 20
    assert [name for name, sql in asked.items() if _LASTING.search(sql)] == []
    refused = {}
    for name, statement in asked.items():
        async with database.transaction() as tx:
            for table in filter(_TEMPORARY.match, asked.values()):
                await tx.execute(table)
            try:
                await tx.prepare(statement)
            except Exception as error:  # noqa: BLE001 - all of them are reported together
                refused[name] = str(error)
    assert refused == {}
