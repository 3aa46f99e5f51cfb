"""Copies of whole databases, by PostgreSQL's own programs, all as of one moment.

One moment of several databases is a *consistent cut*: nothing that one of them has heard is missing where it
was said. No clock gives that. Here the inboxes are closed for the milliseconds in which each database says
what it looks like; whatever was heard before that had been said before, and is in what its owner says after.
What is on its way at that moment stands in an outbox, and is sent once more after a restore.
(Chandy and Lamport, Distributed Snapshots, 1985, with the outboxes as the channels.)
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from chassis.database import database_errors
from chassis.embedded import installed_programs
from chassis.errors import ChassisError

#: Seconds that an inbox may be busy with one batch before we ask again, and how often we ask.
_PATIENCE, _TRIES = 10, 6

#: Where Debian puts the programs of each version.
_DEBIAN = Path("/usr/lib/postgresql")


class NoDump(ChassisError):
    """A database could not be copied, or not be put back. Names it, and what PostgreSQL said."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a database looked like at the common moment."""

    #: Opens the view in another session, while the cut is held.
    snapshot: str
    #: The major version of its server.
    server: int
    #: The newest revision of its schema.
    version: str
    #: What it had announced and heard so far, in events that are still kept.
    announced: int
    heard: int


@asynccontextmanager
async def cut(urls: Mapping[str, str]) -> AsyncIterator[dict[str, Cut]]:
    """Hold one view of several databases for as long as the block lasts. Everything else goes on.

    Args:
        urls: each database's address, as its owner, by service.

    Raises:
        NoDump: when an inbox is busy for a minute.
    """
    async with AsyncExitStack() as stack:
        views = {service: await stack.enter_async_context(_connected(url)) for service, url in urls.items()}
        async with AsyncExitStack() as closed:
            for service, url in urls.items():
                await _close_inbox(await closed.enter_async_context(_connected(url)), service)
            cuts = {service: await _look(view) for service, view in views.items()}
        yield cuts


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def _close_inbox(connection: asyncpg.Connection, service: str) -> None:
    """Let nothing more be heard until this session ends. A batch that is being handled is waited for."""
    for _ in range(_TRIES):
        await connection.execute(f"BEGIN; SET LOCAL lock_timeout = '{_PATIENCE}s'")
        try:
            await connection.execute("LOCK TABLE inbox IN SHARE MODE")
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await connection.execute("ROLLBACK")
        else:
            return
    raise NoDump(f"The inbox of {service} is busy. Try again when it has less to do.")


async def _look(view: asyncpg.Connection) -> Cut:
    await view.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    row = await view.fetchrow(
        "SELECT pg_export_snapshot() AS snapshot, (SELECT version_num FROM alembic_version) AS version, "
        "(SELECT count(*) FROM outbox) AS announced, (SELECT count(*) FROM inbox) AS heard"
    )
    if row is None:
        raise AssertionError("a SELECT without FROM has a row")
    return Cut(server=view.get_server_version().major, **row)


@contextmanager
def dumped(url: str, seen: Cut) -> Iterator[IO[bytes]]:
    """A database in PostgreSQL's custom format, as it comes: it is nowhere as a whole.

    Raises:
        NoDump: when it did not come to its end.
    """
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={seen.snapshot}"]
    with _running(_program("pg_dump", seen.server), arguments, url, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise AssertionError("it was given a pipe")
        yield process.stdout


@contextmanager
def restoring(url: str) -> Iterator[IO[bytes]]:
    """Takes what `dumped` gave and makes of it what an empty database holds: all of it or nothing.

    Raises:
        NoDump: when PostgreSQL refuses it.
    """
    name = _connection(url)["PGDATABASE"]
    arguments = ["--no-owner", "--no-privileges", "--single-transaction", f"--dbname={name}"]
    program = _program("pg_restore", asyncio.run(_server(url)))
    with _running(program, arguments, url, stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise AssertionError("it was given a pipe")
        yield process.stdin


async def _server(url: str) -> int:
    async with _connected(url) as connection:
        return connection.get_server_version().major


def _program(name: str, server: int) -> Path:
    """The program for a server: of its own version where there is one, else of the newest.

    A newer one reads an older server, but what it writes is at times more than that one understands.
    """
    ours = {programs.major: programs[name] for programs in installed_programs()}
    debian = _DEBIAN / str(server) / "bin" / name
    return ours.get(server) or (debian if debian.exists() else ours[max(ours)])


@contextmanager
def _running(
    program: Path,
    arguments: list[str],
    url: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's programs. The password stands in its environment, which only its user can read."""
    connection = _connection(url)
    process = subprocess.Popen(
        [program, "--no-password", *arguments],
        env={"PATH": os.defpath, "LC_ALL": "C", "PGAPPNAME": f"conduit {program.name}", **connection},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            with suppress(BrokenPipeError):  # it has ended before it took everything: what it says tells why
                yield process
        except BaseException:
            process.kill()
            raise
        said = _last_words(process)
    if process.returncode:
        raise NoDump(f"The database {connection['PGDATABASE']}: {program.name} says: {said}")


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """What a program complains of; never a row, which could name somebody."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    errors = [line.partition("error:")[2].strip() for line in said.splitlines() if "error:" in line]
    return (errors or ["it ended without a word"])[0]


def _connection(url: str) -> dict[str, str]:
    """An address as libpq's variables, so that it stands in no list of processes."""
    parts = urlsplit(url)
    given = {
        "PGHOST": (parse_qs(parts.query).get("host") or [parts.hostname or ""])[0],
        "PGPORT": str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGSSLMODE": (parse_qs(parts.query).get("sslmode") or [""])[0],
    }
    return {name: value for name, value in given.items() if value}


async def is_empty(url: str) -> bool:
    """Whether a database holds no table yet."""
    async with _connected(url) as connection:
        return not await connection.fetchval(
            "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm')"
        )


async def users_of(url: str) -> int:
    """Sessions in a database beside ours."""
    async with _connected(url) as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return count
