"""Small services in one process: ``python -m tests.chassis.hosted SERVICE…``, started by the tests.

What a handler does is written in the subject of what it hears: ``slow 2 …`` takes two seconds, ``fail …``
never succeeds. Everything else comes from the environment, as for the real services.
"""

import chassis.loop  # isort: skip  # first: it patches before anything opens a socket

import asyncio
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nameko.extensions import DependencyProvider
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from chassis import log
from chassis.config import Settings
from chassis.database import Database, Transaction
from chassis.errors import ChassisError
from chassis.extensions import Announcements, Pages, Store, every, subscribe
from chassis.house import read_house
from chassis.inbox import Inbox, reaction
from chassis.outbox import Announcement, announce_many
from chassis.process import Process, run
from chassis.rabbitmq import RabbitPublisher
from chassis.signs import signs_heard
from chassis.transports import Delivery
from chassis.web import Site, WebServer, live, site_of
from contracts.envelope import Event
from contracts.grants import RegistrationsCounted
from contracts.notifications import CampaignSent
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES

#: Services that there are only here.
DOOMED, LATE = "doomed", "late"

MIGRATIONS = Path(__file__).parent / "migrations"


async def note(tx: Transaction, event: Event) -> None:
    """Write down what was heard, in the way that its subject asks for."""
    await tx.execute("INSERT INTO effects (subject, sequence) VALUES ($1, $2)", event.subject, event.sequence)
    act, _, rest = event.subject.partition(" ")
    if act == "slow":
        await asyncio.sleep(float(rest.split()[0]))
    if act == "fail":
        raise LookupError("Jane Doe")


def counted(tx: Transaction, subject: str) -> Announcement:
    """A fact that somebody must hear of."""
    data = {"area": "E09000020", "profession": "dentist", "count": 5, "counted_on": tx.today}
    return Announcement(fact=RegistrationsCounted, subject=subject, sequence=1, data=data)


def sent(tx: Transaction, subject: str) -> Announcement:
    """A fact that nobody waits for."""
    data = {"campaign_id": "0197f6a0-0000-7000-8000-000000000000", "campaign": "x", "bodies": 1, "letters": 1}
    return Announcement(fact=CampaignSent, subject=subject, sequence=1, data=data)


async def announce(request: Request) -> Response:
    """Announce one fact for each subject in the body: what this service says, in one transaction."""
    make = sent if site_of(request).context.service == NOTIFICATIONS else counted
    async with site_of(request).database.transaction() as tx:
        events = await announce_many(tx, [make(tx, subject) for subject in await request.json()])
    return JSONResponse([str(event.id) for event in events])


async def query(request: Request) -> Response:
    """A page whose query takes so many seconds."""
    async with site_of(request).database.transaction() as tx:
        await tx.execute("SELECT pg_sleep($1)", float(request.query_params["seconds"]))
    return JSONResponse("done")


async def native(request: Request) -> Response:
    """Everything that a fully patched process could not do."""
    program = await asyncio.create_subprocess_exec("echo", "program", stdout=asyncio.subprocess.PIPE)
    said, _ = await program.communicate()
    found = await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    async with site_of(request).database.reading() as tx:
        database = await tx.fetchval("SELECT 'database'")
    return JSONResponse(
        {
            "thread": await run_in_threadpool(lambda: "thread"),
            "executor": await asyncio.get_running_loop().run_in_executor(None, lambda: "executor"),
            "program": said.decode().strip(),
            "name": bool(found),
            "database": database,
        }
    )


def plain(request: Request) -> Response:
    """A route that is no coroutine: Starlette runs it in a thread."""
    return JSONResponse("plain")


async def file(request: Request) -> Response:
    return FileResponse(__file__)


async def changes(request: Request) -> Response:
    async def version() -> str:
        return "always the same"

    return live(request, version, pause=0.2)


def build(database: Database) -> Site:
    """The same pages for each of the services."""
    routes = [
        Route("/announce", announce, methods=["POST"]),
        Route("/query", query),
        Route("/native", native),
        Route("/plain", plain),
        Route("/file", file),
        Route("/changes", changes),
    ]
    return Site(database, routes, Path(__file__).parent)


class Grants:
    """Says what it is told to say, hears nothing but its own canary, and notes whether it listens yet."""

    name = GRANTS
    store: Database = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(lambda database: build(database).app, "/grants")

    @subscribe([])
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        await inbox.take(deliveries)

    @every(seconds=60, name="look")
    async def look(self) -> None:
        async with self.store.transaction() as tx:
            listens = (await signs_heard(tx)).listening_since is not None
            subject = "listens" if listens else "is deaf"
            await tx.execute("INSERT INTO effects (subject, sequence) VALUES ($1, 0)", subject)


class Notifications:
    """Hears, says what nobody waits for, and has a timer whose first turn hangs."""

    name = NOTIFICATIONS
    store: Database = Store(MIGRATIONS)
    announcements = Announcements()
    pages = Pages(lambda database: build(database).app, "/notifications")
    turns = 0

    @subscribe([reaction(RegistrationsCounted, note)])
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        await inbox.take(deliveries)

    @every(seconds=0.2, name="tick", longest=0.5)
    async def tick(self) -> None:
        Notifications.turns += 1
        if Notifications.turns == 1:
            async with self.store.transaction() as tx:
                await tx.execute("INSERT INTO effects (subject, sequence) VALUES ('hung tick', 0)")
                await asyncio.sleep(3600)


class Mortal(DependencyProvider):  # type: ignore[misc]
    """Dies soon after the start, as an extension with a fault in it would."""

    def start(self) -> None:
        self.container.spawn_managed_thread(self._die)

    def _die(self) -> None:
        chassis.loop.sleep(0.3)
        raise LookupError


class Doomed:
    """Does not live long."""

    name = DOOMED
    mortal = Mortal()


class Partners:
    """Signs sessions elsewhere: here it says that it lives."""

    name = PARTNERS
    store = Store(MIGRATIONS)
    announcements = Announcements()

    @subscribe([])
    async def receive(self, inbox: Inbox, deliveries: Sequence[Delivery]) -> None:
        await inbox.take(deliveries)


class Slow(Store):
    """A database that takes its time to open."""

    def setup(self) -> None:
        chassis.loop.sleep(0.7)
        super().setup()


class Latecomer(Grants):
    """Is up when the others have spoken already."""

    store = Slow(MIGRATIONS)


CLASSES = {
    GRANTS: Grants,
    NOTIFICATIONS: Notifications,
    PARTNERS: Partners,
    DOOMED: Doomed,
    LATE: Latecomer,
}


def main(names: Sequence[str]) -> int:
    settings = Settings.load()
    log.configure(settings.log_level, json=True)
    house = read_house(settings.house_path)
    web = WebServer(settings, house, [], alive=lambda: not process.watchdog.deaf)
    process = Process(
        settings=settings,
        house=house,
        urls={service: settings.database_url.replace("{service}", service) for service in SERVICES},
        web=web,
        carrier=partial(_carrier, settings) if settings.amqp_url else None,
    )
    try:
        return run(process, [CLASSES[name] for name in names], ready=lambda: print("ready", flush=True))
    except ChassisError as error:
        print(error, flush=True)
        return 1


def _carrier(settings: Settings, service: str) -> RabbitPublisher:
    return RabbitPublisher(service, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
