"""Every SQL statement that a service runs: its own and the chassis's, as PostgreSQL is given it."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

import chassis
from chassis.database import read_queries

#: Makes a table that other statements of the same transaction speak of.
_TEMPORARY = re.compile("CREATE TEMPORARY TABLE", re.IGNORECASE)


def statements_of(service: str) -> dict[str, str]:
    """Each by its file and name, as in ``money.sql award_by_id``, with numbered parameters."""
    packages = (import_module(f"services.{service}"), chassis)
    folders = [Path(package.__file__ or "").parent for package in packages]
    files = sorted(file for folder in folders for file in folder.glob("*.sql"))
    return {
        f"{file.name} {name}": sql
        for file in files
        for name, sql in _named(read_queries(file, file.name)).items()
    }


def _named(queries: Any) -> dict[str, str]:
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    return {name: getattr(queries, name).sql for name in names}


class Prepared(NamedTuple):
    """What a statement takes, and what it gives: types by position, and by the name of the column."""

    takes: list[str]
    gives: dict[str, str]


async def prepared(
    connection: asyncpg.Connection, statements: Mapping[str, str]
) -> dict[str, Prepared | str]:
    """What PostgreSQL makes of each statement; of one that it refuses, why. Nothing is run for good."""
    temporary = [sql for sql in statements.values() if _TEMPORARY.match(sql)]
    made: dict[str, Prepared | str] = {}
    for name, sql in statements.items():
        transaction = connection.transaction()
        await transaction.start()
        try:
            for table in temporary:
                await connection.execute(table)
            one = await connection.prepare(sql)
            takes = [each.name for each in one.get_parameters()]
            made[name] = Prepared(takes, {each.name: each.type.name for each in one.get_attributes()})
        except asyncpg.PostgresError as refused:
            made[name] = str(refused)
        finally:
            await transaction.rollback()
    return made
