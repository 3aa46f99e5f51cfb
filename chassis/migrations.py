"""Migrations: a step of their own, one history per service, plain SQL run by Alembic over asyncpg.

A service's ``migrations/`` holds numbered revisions that are never edited. Services refuse to start on a
schema that they do not know: behind (run ``conduit migrate``) or not theirs. Old code runs on a newer
schema, because changes expand first and contract later.
"""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from chassis.database import Database, database_errors
from chassis.errors import NotMigrated

_SERVER_LOCK = 7_204_010
_SCRIPTS = Path(__file__).parent / "alembic"
_SCHEMA = Path(__file__).parent / "schema"


def newest(folder: Path) -> str:
    """The newest revision in a folder of migrations: ``0002`` when the last file is ``0002_timeline.py``."""
    return max(path.name.split("_")[0] for path in folder.glob("[0-9]*.py"))


def run(statements: str) -> None:
    """Run plain SQL, several statements at once, inside the revision's transaction."""
    from alembic import op

    connection = op.get_bind()
    # The driver's own connection takes a whole script; the first statement has opened the transaction.
    connection.exec_driver_sql("SELECT 1")
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda wire: wire.execute(statements))


def run_chassis_schema(number: str) -> None:
    """Run one of the chassis's own scripts: outbox, inbox and what else every service keeps."""
    run((_SCHEMA / f"{number}.sql").read_text())


def migrate(url: str, folder: Path) -> None:
    """Bring one database to the newest revision. Blocks; runs in a process without the services' loop.

    Two migrations of one database at once wait for each other.
    """
    if asyncio.run(_present(url)) == newest(folder):
        return  # Alembic takes longer to import than this takes to ask

    from alembic import command

    with database_errors():
        command.upgrade(_configuration(url, folder), "head")


def _configuration(url: str, folder: Path) -> Any:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(_SCRIPTS))
    configuration.set_main_option("version_locations", str(folder))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["url"] = url
    return configuration


async def version_of(database: Database) -> str | None:
    """The revision that a database is at; ``None`` when it was never migrated."""
    async with database.connection() as connection:
        return await _version(connection)


async def _present(url: str) -> str | None:
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        return await _version(connection)
    finally:
        await connection.close()


async def _version(connection: Any) -> str | None:
    try:
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return version


async def refuse_to_start_behind(database: Database, folder: Path) -> None:
    """Check that the database is at least where this code needs it.

    Raises:
        NotMigrated: names the service, where it is and where it must be.
    """
    version, needed = await version_of(database), newest(folder)
    if version is None or version < needed:
        raise NotMigrated(
            f"The database of {database.context.service} is at {version or 'nothing'}, "
            f"this code needs {needed}. Run: conduit migrate"
        )


def prepare_server(admin_url: str, prefix: str, passwords: dict[str, str]) -> dict[str, str]:
    """Make a role and a database of its own for each service; existing ones are kept.

    Args:
        admin_url: of a user who may create roles and databases.
        prefix: both are called ``<prefix>_<service>``.
        passwords: by service.

    Returns:
        the address of each service's database, with its own role.
    """
    return asyncio.run(_prepare_server(admin_url, prefix, passwords))


async def _prepare_server(admin_url: str, prefix: str, passwords: dict[str, str]) -> dict[str, str]:
    with database_errors():
        connection = await asyncpg.connect(admin_url, timeout=10)
    urls = {}
    try:
        # Processes that start side by side prepare the server one after the other.
        await connection.execute(f"SELECT pg_advisory_lock({_SERVER_LOCK})")
        for service, password in passwords.items():
            name = f"{prefix}_{service}"
            own = _quoted(name)  # a role or a database cannot be a parameter
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
                await connection.execute(f"CREATE ROLE {own} LOGIN PASSWORD {_literal(password)}")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f"CREATE DATABASE {own} OWNER {own} TEMPLATE template0")
                await connection.execute(f"REVOKE ALL ON DATABASE {own} FROM PUBLIC")
            urls[service] = service_url(admin_url, name, password)
    finally:
        await connection.close()
    return urls


def drop_databases(admin_url: str, prefix: str, services: tuple[str, ...]) -> None:
    """Remove the roles and databases of a throwaway instance."""

    async def drop() -> None:
        connection = await asyncpg.connect(admin_url, timeout=10)
        try:
            for service in services:
                own = _quoted(f"{prefix}_{service}")
                await connection.execute(f"DROP DATABASE IF EXISTS {own} WITH (FORCE)")
                await connection.execute(f"DROP ROLE IF EXISTS {own}")
        finally:
            await connection.close()

    asyncio.run(drop())


def service_url(admin_url: str, name: str, password: str) -> str:
    """The administrator's address with another user and database."""
    parts = urlsplit(admin_url)
    server = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(name)}:{quote(password)}@{server}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{quote(name)}"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
