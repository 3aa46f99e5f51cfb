"""Migrations: a step of their own, one history per service, plain SQL run by Alembic over asyncpg.

A service's ``migrations/`` holds numbered revisions that are never edited. Services refuse to start on a
schema that they do not know: behind (run ``conduit migrate``) or not theirs. Old code runs on a newer
schema, because changes expand first and contract later.

Each database has two roles: the owner, which migrates, and the one that its service runs as, which may read
and write rows (``schema/walls.sql``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from chassis.clock import real_now
from chassis.database import IN_THE_WAY, Database, database_errors
from chassis.errors import DatabaseAway, DatabaseRefuses, NotMigrated, TablesBusy

_SERVER_LOCK = 7_204_010

#: How many may migrate one database at once, or look into it as its owner.
_OWNERS_CONNECTIONS = 5

#: What a role waits at the most where its program sets no limit of its own.
_LIMITS = {
    "statement_timeout": "60s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "60s",
}

#: Between one try to change tables that are in use and the next, in seconds.
_PAUSES = (0.1, 0.2, 0.5, 1, 2, 2, 2, 2, 2, 2)

#: The comment on a database: it is there also when everything in it is half there.
_UNFINISHED = "a backup is being brought back"
#: The same on what had to make room for it.
_IN_WAITING = "put aside until a backup is brought back"
_COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"

Done = TypeVar("Done")

_SCRIPTS = Path(__file__).parent / "alembic"
_SCHEMA = Path(__file__).parent / "schema"
_WALLS = _SCHEMA / "walls.sql"


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


def migrate(url: str, folder: Path, runtime: str = "") -> None:
    """Bring one database to the newest revision. Blocks; runs in a process without the services' loop.

    Two migrations of one database at once wait for each other. A database that a newer release has migrated
    is left as it is.

    Args:
        url: of the owner of the tables.
        runtime: the role that the service runs as, which is given what it needs and nothing else. Nothing
            happens where there is no such role, or it is the owner itself.

    Raises:
        TablesBusy: when whoever uses the tables does not let us in for a quarter of a minute.
    """
    version = asyncio.run(_present(url))
    if version is not None and version > newest(folder):
        return  # a newer release was here: it has done all this, and more
    with database_errors():
        if version != newest(folder):
            _upgrade(_configuration(url, folder, runtime))
        elif runtime:
            asyncio.run(raise_walls(url, runtime))


def _upgrade(configuration: Any) -> None:
    """All that is missing or nothing, again while services that go on meanwhile are in the way."""
    from alembic import command  # takes longer to import than it takes to ask

    for pause in (*_PAUSES, None):
        try:
            command.upgrade(configuration, "head")
            return
        except IN_THE_WAY as error:
            if pause is None:
                raise TablesBusy from error
            sleep(pause)


async def raise_walls(url: str, runtime: str) -> None:
    """Give the role that a service runs as what it needs of the owner's tables, and nothing else."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10, server_settings={"conduit.runtime": runtime})
    try:
        await connection.execute(_WALLS.read_text())
    finally:
        await connection.close()


def _configuration(url: str, folder: Path, runtime: str) -> Any:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(_SCRIPTS))
    configuration.set_main_option("version_locations", str(folder))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes.update(url=url, runtime=runtime, walls=_WALLS.read_text())
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
    if await is_unfinished(database):  # before anything is read, which a service may not yet
        raise _half_back(database.context.service)
    version, needed = await version_of(database), newest(folder)
    if version is None or version < needed:
        raise NotMigrated(
            f"The database of {database.context.service} is at {version or 'nothing'}, "
            f"this code needs {needed}. Run: conduit migrate"
        )


def _half_back(service: str) -> NotMigrated:
    return NotMigrated(
        f"A backup was being brought back into the database of {service}, and that did not come to its end. "
        "Type it again: conduit restore … --over. Or put back what was there before: "
        "conduit backup aside --back"
    )


def refuse_unfinished(urls: Mapping[str, str]) -> None:
    """Refuse to work on what was brought back by half. What cannot be reached is said by whoever needs it.

    Args:
        urls: of each service's database.

    Raises:
        NotMigrated: names the first of them, and what to type.
    """
    with suppress(DatabaseAway, DatabaseRefuses):
        for service, url in urls.items():
            if brought_back_by_half(url):
                raise _half_back(service)


def brought_back_by_half(url: str) -> bool:
    """Whether a backup was being brought back into a database, and that did not come to its end."""

    async def look(connection: asyncpg.Connection) -> bool:
        return bool(await connection.fetchval(_COMMENT) == _UNFINISHED)

    return _connected(url, look, timeout=5)


def mark_unfinished(url: str, *, unfinished: bool) -> None:
    """Say in a database itself that a backup is being brought back into it, or that this is over.

    Args:
        url: of its owner.
    """
    said = _literal(_UNFINISHED) if unfinished else "NULL"

    async def mark(connection: asyncpg.Connection) -> None:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"COMMENT ON DATABASE {_quoted(name)} IS {said}")

    _connected(url, mark)


async def is_unfinished(database: Database) -> bool:
    """Whether a backup was being brought back into a database, and that did not come to its end."""
    async with database.connection() as connection:
        return bool(await connection.fetchval(_COMMENT) == _UNFINISHED)


class Passwords(NamedTuple):
    """Of the two roles of a database."""

    runtime: str
    owner: str


def runtime_role(prefix: str, service: str) -> str:
    """The role that a service runs as, which is also the name of its database."""
    return f"{prefix}_{service}"


def owner_role(prefix: str, service: str) -> str:
    """The role that owns a service's tables and changes them."""
    return f"{prefix}_{service}_owner"


def prepare_server(admin_url: str, prefix: str, passwords: Mapping[str, Passwords], connections: int) -> None:
    """Make two roles and a database for each service. Existing ones are kept, and get these passwords.

    Args:
        admin_url: of a user who may create roles and databases.
        prefix: begins the name of each.
        passwords: by service.
        connections: as many may each service have at once.
    """
    asyncio.run(_prepare_server(admin_url, prefix, passwords, connections))


async def _prepare_server(
    admin_url: str, prefix: str, passwords: Mapping[str, Passwords], connections: int
) -> None:
    with database_errors():
        connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        # Processes that start side by side prepare the server one after the other.
        await connection.execute(f"SELECT pg_advisory_lock({_SERVER_LOCK})")
        for service, of_service in passwords.items():
            runtime, owner = runtime_role(prefix, service), owner_role(prefix, service)
            await _make_role(connection, runtime, of_service.runtime, connections)
            await _make_role(connection, owner, of_service.owner, _OWNERS_CONNECTIONS)
            if await _make_database(connection, runtime, owner):
                await _hand_over(with_database(admin_url, runtime), runtime, owner)
    finally:
        await connection.close()


async def _make_role(connection: Any, name: str, password: str, connections: int) -> None:
    """Its limits hold for whatever a program has not set itself."""
    own = _quoted(name)  # a role or a database cannot be a parameter
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {own} LOGIN")
    await connection.execute(f"ALTER ROLE {own} CONNECTION LIMIT {connections} PASSWORD {_literal(password)}")
    for limit, time in _LIMITS.items():
        await connection.execute(f"ALTER ROLE {own} SET {limit} = {_literal(time)}")


async def _make_database(connection: Any, name: str, owner: str) -> bool:
    """Make a database that only these two may enter. Whether there is one that another role owns."""
    found = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1"
    belongs_to = await connection.fetchval(found, name)
    if belongs_to is None:
        await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(owner)} TEMPLATE template0")
    await connection.execute(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {_quoted(name)} TO {_quoted(name)}")
    return belongs_to not in (None, owner)


async def _hand_over(url: str, runtime: str, owner: str) -> None:
    """Give the owner what the service's own role had made before the two were apart."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(f"REASSIGN OWNED BY {_quoted(runtime)} TO {_quoted(owner)}")
        await connection.execute(f"ALTER DATABASE {_quoted(runtime)} OWNER TO {_quoted(owner)}")
        await connection.execute(f"GRANT CONNECT ON DATABASE {_quoted(runtime)} TO {_quoted(runtime)}")
    finally:
        await connection.close()


def put_aside(admin_url: str, prefix: str, services: Sequence[str]) -> dict[str, str]:
    """Give the databases of services other names, so that new ones can be made. Nobody may be using them.

    They are marked as those that are put back, until `keep_aside`.

    Returns:
        the new names, by service: with the moment in them.
    """
    until = f"until_{real_now():%Y%m%d_%H%M%S}"
    named = {service: f"{runtime_role(prefix, service)}_{until}" for service in services}

    async def rename(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            for service, new in named.items():
                old = _quoted(runtime_role(prefix, service))
                await connection.execute(f"COMMENT ON DATABASE {old} IS {_literal(_IN_WAITING)}")
                await connection.execute(f"ALTER DATABASE {old} RENAME TO {_quoted(new)}")

    _connected(admin_url, rename)
    return named


def keep_aside(admin_url: str, aside: Mapping[str, str]) -> None:
    """What was put aside is not put back any more: something else has taken its place."""

    async def unmark(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            for name in aside.values():
                await connection.execute(f"COMMENT ON DATABASE {_quoted(name)} IS NULL")

    _connected(admin_url, unmark)


def put_back(admin_url: str, prefix: str, aside: Mapping[str, str]) -> None:
    """Give databases that were put aside their names again; what stands in their place goes.

    Args:
        aside: the names that they have now, by service.
    """

    async def rename(connection: asyncpg.Connection) -> None:
        here = {service: _quoted(runtime_role(prefix, service)) for service in aside}
        for name in here.values():
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        async with connection.transaction():
            for service, name in aside.items():
                await connection.execute(f"ALTER DATABASE {_quoted(name)} RENAME TO {here[service]}")
                await connection.execute(f"COMMENT ON DATABASE {here[service]} IS NULL")

    _connected(admin_url, rename)


def in_waiting(admin_url: str, prefix: str, services: Sequence[str]) -> dict[str, str]:
    """The databases, by service, that were put aside for a backup that was not brought back to the end."""
    marked = "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = $1"

    async def look(connection: asyncpg.Connection) -> list[str]:
        return [row["datname"] for row in await connection.fetch(marked, _IN_WAITING)]

    names = _connected(admin_url, look)
    beginnings = {service: f"{runtime_role(prefix, service)}_until_" for service in services}
    return {each: name for each, start in beginnings.items() for name in names if name.startswith(start)}


def aside(admin_url: str, prefix: str, services: Sequence[str], *, drop: bool = False) -> list[str]:
    """The databases that were put aside. Their names.

    Args:
        drop: them for good, except what is still to be put back.
    """
    waiting = in_waiting(admin_url, prefix, services).values() if drop else ()
    beginnings = tuple(f"{runtime_role(prefix, service)}_until_" for service in services)

    async def look(connection: asyncpg.Connection) -> list[str]:
        rows = await connection.fetch("SELECT datname FROM pg_database ORDER BY datname")
        found = [row["datname"] for row in rows if row["datname"].startswith(beginnings)]
        for name in set(found).difference(waiting) if drop else ():
            await connection.execute(f"DROP DATABASE {_quoted(name)} WITH (FORCE)")
        return found

    return _connected(admin_url, look)


def _connected(
    url: str, act: Callable[[asyncpg.Connection], Awaitable[Done]], *, timeout: float = 10
) -> Done:
    """Do something on a connection of its own, outside of any loop."""

    async def run() -> Done:
        connection = await asyncpg.connect(url, timeout=timeout)
        try:
            return await act(connection)
        finally:
            await connection.close()

    with database_errors():
        return asyncio.run(run())


def database_is_there(admin_url: str, prefix: str, service: str) -> bool:
    """Whether a service's database was made, as the administrator sees it."""

    async def look(connection: asyncpg.Connection) -> bool:
        found = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
        return bool(await connection.fetchval(found, runtime_role(prefix, service)))

    return _connected(admin_url, look, timeout=5)


def drop_databases(admin_url: str, prefix: str, services: tuple[str, ...]) -> None:
    """Remove the roles and databases of a throwaway instance."""

    async def drop() -> None:
        connection = await asyncpg.connect(admin_url, timeout=10)
        try:
            for service in services:
                runtime, owner = runtime_role(prefix, service), owner_role(prefix, service)
                await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(runtime)} WITH (FORCE)")
                for role in (runtime, owner):
                    await connection.execute(f"DROP ROLE IF EXISTS {_quoted(role)}")
        finally:
            await connection.close()

    asyncio.run(drop())


def service_url(admin_url: str, database: str, role: str, password: str) -> str:
    """The administrator's address with another database and user."""
    parts = urlsplit(with_database(admin_url, database))
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password)}@{server}"))


def with_database(url: str, database: str) -> str:
    """The same address of another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database)}"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
