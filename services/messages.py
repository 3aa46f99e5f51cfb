"""What ops does with messages: see what is parked, retry, discard, and rebuild a copy from its owner.

Works on the databases alone, beside services that run or without any.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from chassis.context import Context
from chassis.database import Database, Transaction, read_queries
from chassis.errors import ChassisError
from chassis.keys import read_keys
from chassis.outbox import QUERIES
from contracts.topology import GRANTS, PARTNERS, SERVICES
from services.installation import Installation, migrations_of

COLUMNS = ("service", "id", "type", "reason", "failure", "attempts", "parked_at", "next_try")

#: Announces a page of present states after a subject; the last subject, or ``None`` at the end.
Announce = Callable[[Transaction, str | None, int], Awaitable[str | None]]

_PAGE = 500


@dataclass(frozen=True)
class Copy:
    """A copy that a service keeps of what another one owns."""

    owner: str
    #: The owner's name for it, in its ``snapshots.SNAPSHOTS``.
    snapshot: str


COPIES = {
    "grants.organisations": Copy(PARTNERS, "organisations"),
    "notifications.organisations": Copy(PARTNERS, "organisations"),
    "notifications.contacts": Copy(PARTNERS, "contacts"),
    "notifications.registration_counts": Copy(GRANTS, "registration_counts"),
}


class NoSuch(ChassisError):
    """There is nothing of that name."""


def parked(installation: Installation) -> list[dict[str, Any]]:
    """Every parked message of every service, oldest first; never a body."""

    async def look(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as tx:
            return [{"service": database.context.service, **row} async for row in _rows(tx)]

    with installation.database():
        found = [row for service in SERVICES for row in asyncio.run(_with(installation, service, look))]
    return [{name: row[name] for name in COLUMNS} for row in found]


async def _rows(tx: Transaction) -> Any:
    async for row in QUERIES.parked_messages(tx, most=1000):
        yield dict(row)


def retry(installation: Installation, service: str, ids: Sequence[str]) -> int:
    """Make parked messages due at once. How many."""

    async def act(database: Database) -> int:
        async with database.transaction() as tx:
            return len([row async for row in QUERIES.retry_parked(tx, ids=_ids(ids), now=tx.now)])

    with installation.database():
        return asyncio.run(_with(installation, _service(service), act))


def discard(installation: Installation, service: str, ids: Sequence[str]) -> int:
    """Drop parked messages; the inbox still knows their ids. How many."""

    async def act(database: Database) -> int:
        async with database.transaction() as tx:
            gone = [row["id"] async for row in QUERIES.discard_parked(tx, ids=_ids(ids))]
            await QUERIES.set_outcome(tx, ids=gone, outcome="discarded", now=tx.now)
            return len(gone)

    with installation.database():
        return asyncio.run(_with(installation, _service(service), act))


def replay(installation: Installation, name: str, progress: Callable[[int], None]) -> int:
    """Forget the versions of a copy, then let its owner announce every present state. How many.

    Raises:
        NoSuch: when no copy has that name; lists those there are.
    """
    copy = COPIES.get(name)
    if copy is None:
        raise NoSuch(f"There is no copy {name}. Choose from: {', '.join(sorted(COPIES))}.")
    consumer, table = name.split(".")
    queries = read_queries(migrations_of(consumer).parent)
    announce: Announce = import_module(f"services.{copy.owner}.snapshots").SNAPSHOTS[copy.snapshot]

    async def forget(database: Database) -> None:
        async with database.transaction() as tx:
            await getattr(queries, f"forget_{table}")(tx)

    async def announce_all(database: Database) -> int:
        after, count = None, 0
        while True:
            async with database.transaction() as tx:
                after = await announce(tx, after, _PAGE)
                count += tx.announced
            progress(count)
            if after is None:
                return count

    with installation.database():
        asyncio.run(_with(installation, consumer, forget))
        return asyncio.run(_with(installation, copy.owner, announce_all))


async def _with(installation: Installation, service: str, act: Callable[[Database], Awaitable[Any]]) -> Any:
    async with opened(installation, service) as database:
        return await act(database)


@asynccontextmanager
async def opened(installation: Installation, service: str) -> Any:
    """One service's database, for as long as the block lasts."""
    settings = installation.settings
    context = Context(
        service=service,
        settings=settings,
        house=installation.house(),
        keys=read_keys(settings.keys_folder, service),
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
