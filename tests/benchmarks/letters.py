"""Letters: set as text, HTML and PDF with a QR code of their own, and handed over to a mail server.

The Forum's campaign to the 33 trusts, three letters each, from its example files. Rendering uses every
processor; sending is the service's own sender, as it claims, renders, hands over, settles and announces.
"""

import asyncio
import os
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.inbox import Inbox
from chassis.keys import create_keys, read_keys
from chassis.migrations import migrate
from chassis.relay import Relay
from chassis.transports import InProcess
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.grants.imports import import_registrations
from services.installation import EXAMPLES, migrations_of
from services.notifications.campaigns import create_campaign, prepare_letters, read_plan, send_campaign
from services.notifications.handlers import SUBSCRIPTIONS
from services.notifications.sending import Sender, compose
from services.partners.imports import import_partners
from tests.benchmarks.servers import PATIENCE, DurablePostgres, execute, line_from, program

#: Rounds that count; one more before them warms everything up.
ROUNDS = 3

Databases = dict[str, Database]


def measure() -> dict[str, float]:
    """Letters a second: rendered, and accepted by the mail server."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        port = line_from(stack.enter_context(program("tests.benchmarks.sink")))
        rendered, sent = asyncio.run(_measure(folder, postgres, f"smtp://127.0.0.1:{port}"))
    return {"conduit_per_s": round(median(rendered), 1), "sent_per_s": round(median(sent), 1)}


async def _measure(folder: Path, postgres: DurablePostgres, smtp_url: str) -> tuple[list[float], list[float]]:
    rendered, sent = [], []
    async with _services(folder, postgres, smtp_url) as databases:
        await _tell_of_everything(databases)
        database = databases[NOTIFICATIONS]
        for number in range(ROUNDS + 1):
            letters = await _release(database, number)
            figures = (
                _rendered_per_second(database.context, letters),
                await _sent_per_second(database, letters),
            )
            if number:
                rendered.append(figures[0])
                sent.append(figures[1])
    return rendered, sent


@asynccontextmanager
async def _services(folder: Path, postgres: DurablePostgres, smtp_url: str) -> AsyncIterator[Databases]:
    create_keys(folder / "keys", SERVICES)
    settings = Settings(home=folder, smtp_url=smtp_url, mail_rate=100_000.0)
    databases = {}
    for service in SERVICES:
        await asyncio.to_thread(execute, postgres.url, f"CREATE DATABASE {service}")
        url = postgres.database_url(service)
        await asyncio.to_thread(migrate, url, migrations_of(service))
        keys, house = read_keys(settings.keys_folder, service), read_house(EXAMPLES / "house.toml")
        databases[service] = Database(
            url, Context(service=service, settings=settings, house=house, keys=keys)
        )
        await databases[service].open()
    try:
        yield databases
    finally:
        for database in databases.values():
            await database.close()


async def _tell_of_everything(databases: Databases) -> None:
    """Import the example files and let notifications hear of them."""
    await import_partners(databases[PARTNERS], EXAMPLES / "partners.csv", dry_run=False)
    await import_registrations(databases[GRANTS], EXAMPLES / "registrations.csv", dry_run=False)
    port = InProcess()
    port.register(NOTIFICATIONS, Inbox(databases[NOTIFICATIONS], SUBSCRIPTIONS).take)
    port.register(GRANTS, _ignore)
    for service in (PARTNERS, GRANTS):
        while await Relay(databases[service], port).turn():
            pass


async def _ignore(_deliveries: Any) -> None:
    """Grants' part of what partners says makes no difference to letters."""


async def _release(database: Database, number: int) -> list[Any]:
    """A campaign whose letters may go, as the sender will claim them."""
    plan = tomllib.loads((EXAMPLES / "campaign.toml").read_text("utf-8"))
    async with database.transaction() as tx:
        campaign = await create_campaign(tx, read_plan(plan | {"name": f"Round {number}"}))
        await prepare_letters(tx, campaign)
        await send_campaign(tx, campaign)
        return list(
            await tx.fetch(
                "SELECT l.*, c.email, m.subject, m.body, m.name AS campaign FROM letters l "
                "JOIN contacts c ON c.id = l.contact_id JOIN campaigns m ON m.id = l.campaign_id "
                "WHERE l.campaign_id = $1 AND l.state = 'ready'",
                campaign,
            )
        )


def _rendered_per_second(context: Context, letters: list[Any]) -> float:
    """As bytes of an e-mail with text, HTML and PDF, by as many threads as there are processors."""
    now = context.clock.now()
    started = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        made = list(threads.map(lambda letter: compose(context, letter, now), letters))
    assert all(b"application/pdf" in message for message in made)
    return len(letters) / (time.monotonic() - started)


async def _sent_per_second(database: Database, letters: list[Any]) -> float:
    """From the first claim until each of these is settled as sent."""
    ids = [letter["id"] for letter in letters]
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while await Sender(database).turn():
            pass
    took = time.monotonic() - started
    async with database.reading() as tx:
        sent = await tx.fetchval("SELECT count(*) FROM letters WHERE id = ANY($1) AND state = 'sent'", ids)
    assert sent == len(ids)
    return len(ids) / took
