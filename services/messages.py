"""What ops does with messages: see what is parked, retry, discard, and rebuild a copy from its owner.

Works on the databases alone, beside services that run or without any.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, TypeVar
from uuid import UUID

from chassis import parking
from chassis.belonging import enter_keys
from chassis.context import Context
from chassis.copies import drop_strangers
from chassis.database import Database
from chassis.errors import ChassisError
from chassis.inbox import Forget
from chassis.keys import read_keys
from chassis.outbox import QUERIES, AnnouncePage
from contracts.topology import SERVICES
from services.copies import COPIES, kept, strangers
from services.example_clock import clock_of
from services.installation import Installation

T = TypeVar("T")

COLUMNS = ("service", "id", "type", "reason", "failure", "attempts", "parked_at", "next_try")

#: States announced in one transaction.
_PAGE = 500

#: Parked messages that are listed of one service.
_MOST = 1000


class NoSuch(ChassisError):
    """There is nothing of that name."""


def parked(installation: Installation) -> list[dict[str, Any]]:
    """Every parked message of every service, oldest first; never a body."""

    async def look(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as tx:
            rows = [dict(row) async for row in QUERIES.parked_messages(tx, most=_MOST)]
        return [{"service": database.context.service, **row} for row in rows]

    with installation.database():
        found = [row for service in SERVICES for row in asyncio.run(_with(installation, service, look))]
    return [{name: row[name] for name in COLUMNS} for row in found]


def retry(installation: Installation, service: str, ids: Sequence[str]) -> int:
    """Make parked messages due at once. How many."""

    async def act(database: Database) -> int:
        async with database.transaction() as tx:
            return await parking.retry(tx, _ids(ids))

    with installation.database():
        return asyncio.run(_with(installation, _service(service), act))


def discard(installation: Installation, service: str, ids: Sequence[str]) -> int:
    """Drop parked messages; the inbox still knows their ids. How many."""

    async def act(database: Database) -> int:
        async with database.transaction() as tx:
            return await parking.discard(tx, _ids(ids))

    with installation.database():
        return asyncio.run(_with(installation, _service(service), act))


def replay(installation: Installation, name: str, progress: Callable[[int], None]) -> int:
    """Let the owner of a copy announce every present state. How many.

    Raises:
        NoSuch: when no copy has that name; lists those there are.
    """
    if name not in COPIES:
        raise NoSuch(f"There is no copy {name}. Choose from: {', '.join(sorted(COPIES))}.")
    with installation.database():
        return announce_anew(installation, name, progress)


def announce_anew(installation: Installation, name: str, progress: Callable[[int], None]) -> int:
    """The same on databases that can be reached.

    Most copies forget their versions first, so that any state replaces what they hold. Those that say who
    may still act never do: a state of the same version mends them. What the owner never had goes.
    """
    copy = COPIES[name]
    consumer, table = name.split(".")
    let_go: Forget | None = import_module(f"services.{consumer}.handlers").FORGETTING.get(table)
    announce: AnnouncePage = import_module(f"services.{copy.owner}.snapshots").SNAPSHOTS[copy.snapshot]

    async def forget(database: Database) -> None:
        if let_go is not None:
            async with database.transaction() as tx:
                await let_go(tx)

    async def announce_all(database: Database) -> int:
        after, count = None, 0
        while True:
            async with database.transaction() as tx:
                after = await announce(tx, after, _PAGE)
                count += tx.announced
            progress(count)
            if after is None:
                return count

    async def drop(keeper: Database) -> None:
        async with opened(installation, copy.owner) as owner:
            await drop_strangers(keeper, kept(name), await strangers(name, owner, keeper))

    asyncio.run(_with(installation, consumer, drop))
    asyncio.run(_with(installation, consumer, forget))
    return asyncio.run(_with(installation, copy.owner, announce_all))


def accept_keys(installation: Installation) -> None:
    """Note in every database that the present keys are its own from now on."""
    with installation.database():
        for service in SERVICES:
            asyncio.run(_with(installation, service, enter_keys))


async def _with(installation: Installation, service: str, act: Callable[[Database], Awaitable[T]]) -> T:
    async with opened(installation, service) as database:
        return await act(database)


@asynccontextmanager
async def opened(installation: Installation, service: str) -> AsyncIterator[Database]:
    """One service's database, for as long as the block lasts, with the clock of the process that serves."""
    settings = installation.settings
    context = Context(
        service=service,
        settings=settings,
        house=installation.house(),
        keys=read_keys(settings.keys_folder, service),
        clock=clock_of(settings),
    )
    database = Database(installation.urls()[service], context)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _service(name: str) -> str:
    if name not in SERVICES:
        raise NoSuch(f"There is no service {name}. Choose from: {', '.join(SERVICES)}.")
    return name


def _ids(texts: Sequence[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise NoSuch("That is not an id. Copy it from: conduit events parked") from None
