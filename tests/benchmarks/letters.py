"""Letters: set as PDF beside WeasyPrint and LibreOffice's mail merge, and mailed beside Django.

One campaign to as many bodies as wanted, each in an area with a count of its own: every letter has its own
figures, asks for its own sum and carries its own link. Sending is the service's own sender in a process
of its own, as it claims, renders, hands over, settles and announces.
"""

import asyncio
import csv
import json
import os
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from chassis.apart import apart
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
from services.notifications.campaigns import create_campaign, lock_campaign
from services.notifications.handlers import SUBSCRIPTIONS
from services.notifications.letters import content_of
from services.notifications.plans import read_plan
from services.notifications.preparing import prepare_letters
from services.notifications.rendering import pdf_values, render_pdf
from services.notifications.stages import approve_campaign, send_campaign, submit_campaign
from services.partners.imports import import_partners
from tests.benchmarks import libreoffice_peer, weasyprint_peer
from tests.benchmarks.libreoffice_peer import pages_and_words
from tests.benchmarks.servers import DurablePostgres, execute, line_from, program

#: Rounds that count; one more before them warms everything up.
ROUNDS = 3
#: Letters of one round, and of one of the peer's.
LETTERS, PEER_LETTERS = 1_500, 150
#: Letters sent by one sender, one after the other, to see what its memory does.
SIZES = (150, 1_500, 15_000)

Databases = Mapping[str, Database]


def measure() -> dict[str, Any]:
    """Letters a second, rendered by either and taken by the mail server; the sender's peak in megabytes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        smtp_url = f"smtp://127.0.0.1:{line_from(stack.enter_context(program('tests.benchmarks.sink')))}"
        context, letters = asyncio.run(_prepare(folder, postgres))
        speeds = _rendered(context, letters, folder)
        rendered, peer, office = (speeds[name] for name in ("conduit", "weasyprint", "libreoffice"))
        django = _sent_by_django(postgres, smtp_url, _for_peers(context, letters))
        sent = {size: _sent(folder, postgres, smtp_url, size) for size in SIZES}
    return {
        "conduit_per_s": round(rendered, 1),
        "weasyprint_per_s": round(peer, 1),
        "ratio_weasyprint": round(rendered / peer, 2),
        "libreoffice_per_s": round(office, 1),
        "ratio_libreoffice": round(rendered / office, 2),
        "sent_per_s": round(sent[LETTERS]["sent"] / sent[LETTERS]["seconds"], 1),
        "django_sent_per_s": round(django, 1),
        "ratio_django_sent": round(sent[LETTERS]["sent"] / sent[LETTERS]["seconds"] / django, 2),
        "peak_mb": {str(size): sent[size]["peak_mb"] for size in SIZES},
        "ms_per_letter": {str(size): round(sent[size]["seconds"] / size * 1000, 1) for size in SIZES},
    }


async def _prepare(folder: Path, postgres: DurablePostgres) -> tuple[Context, list[Any]]:
    """A draft of each size, and the letters of one of them with what they are made from."""
    async with services(folder, postgres) as databases:
        await tell_of_everything(databases, folder)
        database = databases[NOTIFICATIONS]
        for size, kind in KINDS.items():
            await draft(database, size, kind)
        return database.context, await _letters(database)


@asynccontextmanager
async def services(folder: Path, postgres: DurablePostgres) -> AsyncIterator[Databases]:
    create_keys(folder / "keys", SERVICES)
    settings = Settings(home=folder)
    databases = {}
    for service in SERVICES:
        await asyncio.to_thread(execute, postgres.url, f"CREATE DATABASE {service}")
        url = postgres.database_url(service)
        await asyncio.to_thread(migrate, url, migrations_of(service))
        keys, house = read_keys(settings.keys_folder, service), read_house(EXAMPLES / "house.toml")
        context = Context(service=service, settings=settings, house=house, keys=keys)
        databases[service] = Database(url, context)
        await databases[service].open()
    try:
        yield databases
    finally:
        for database in databases.values():
            await database.close()


#: To whom letters go, in scripts that want fonts of their own.
NAMES = ("Jo Smith", "Zoë Żółkiewska", "Олена Коваль", "محمد علي", "ሰላም ተስፋዬ", "王小明")

#: A kind of body for each size, so that a campaign reaches so many.
KINDS = dict(zip(SIZES, ("library", "school", "gp_practice"), strict=True))


async def tell_of_everything(
    databases: Databases, folder: Path, kinds: Mapping[int, str] = MappingProxyType(KINDS)
) -> None:
    """Import so many bodies of each kind and registrations, and let notifications hear of them."""
    await import_partners(databases[PARTNERS], _bodies(folder, kinds), dry_run=False)
    await import_registrations(databases[GRANTS], EXAMPLES / "registrations.csv", dry_run=False)
    port = InProcess()
    port.register(NOTIFICATIONS, Inbox(databases[NOTIFICATIONS], SUBSCRIPTIONS).take)
    port.register(GRANTS, _ignore)
    for service in (PARTNERS, GRANTS):
        while await Relay(databases[service], port).turn():
            pass


async def _ignore(_deliveries: Any) -> None:
    """Grants' part of what partners says makes no difference to letters."""


def _bodies(folder: Path, kinds: Mapping[int, str]) -> Path:
    """A register with as many bodies of each kind as its campaign is to reach, each with one contact."""
    path = folder / "bodies.csv"
    header = (EXAMPLES / "partners.csv").read_text("utf-8").splitlines()[0]
    areas = sorted({row["area"] for row in _read(EXAMPLES / "registrations.csv")})
    with path.open("w", encoding="utf-8", newline="") as opened:
        opened.write(header + "\n")
        csv.writer(opened).writerows(
            _body(size, kind, number, areas[number % len(areas)])
            for size, kind in kinds.items()
            for number in range(size)
        )
    return path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _body(size: int, kind: str, number: int, area: str) -> Sequence[str]:
    body = [f"CONDUIT-{size}-{number}", f"Body {number} of {size}", kind, area, "contact", "", "", ""]
    address = f"office@body-{size}-{number}.example"
    name = f"{NAMES[number % len(NAMES)]} {number}"
    contact = [name, "dental_care", "email", address, "1 Example Road;London", "W10 0XX"]
    return [*body, *contact, "its web page", "2011-11-01", ""]


async def draft(database: Database, size: int, kind: str) -> UUID:
    """A campaign with a letter to each body of a kind, called after its size."""
    plan = tomllib.loads((EXAMPLES / "campaign.toml").read_text("utf-8"))
    recipients = {"kind": kind, "roles": ["dental_care"]}
    async with database.transaction() as tx:
        campaign = await create_campaign(
            tx, read_plan(plan | {"name": str(size), "recipients": recipients}), None
        )
        await prepare_letters(tx, campaign)
    return campaign


async def approve(database: Database, campaign: UUID) -> None:
    async with database.transaction() as tx:
        await submit_campaign(tx, campaign, None)
        found = await lock_campaign(tx, campaign)
        await approve_campaign(tx, campaign, uuid4(), found["version"])


async def release(database: Database, campaign: UUID) -> None:
    async with database.transaction() as tx:
        await send_campaign(tx, campaign)


async def _letters(database: Database) -> list[Any]:
    letters = (
        "SELECT l.*, c.email, m.subject, m.body, m.name AS campaign FROM letters l "
        "JOIN contacts c ON c.id = l.contact_id JOIN campaigns m ON m.id = l.campaign_id WHERE m.name = $1"
    )
    async with database.reading() as tx:
        return await tx.fetch(letters, str(LETTERS))


def _for_peers(context: Context, letters: list[Any]) -> list[dict[str, object]]:
    """What is printed in the letters that peers print too, merged beforehand."""
    return [pdf_values(content_of(context, letter)) for letter in letters[:PEER_LETTERS]]


def _rendered(context: Context, letters: list[Any], folder: Path) -> dict[str, float]:
    """PDFs a second by each, with as many workers as there are processors, in rounds that take turns.

    Nobody's start is in the time. Merging is, for us and for LibreOffice; WeasyPrint is spared it.
    """
    assert len(letters) == LETTERS
    workers = os.cpu_count() or 1
    values = _for_peers(context, letters)
    speeds: dict[str, list[float]] = {"conduit": [], "weasyprint": [], "libreoffice": []}
    with (
        weasyprint_peer.pool(workers) as processes,
        libreoffice_peer.offices(folder, context, letters[:PEER_LETTERS], workers) as offices,
    ):
        for number in range(ROUNDS + 1):
            started = time.monotonic()
            pdfs = asyncio.run(_set(context, letters))
            between = time.monotonic()
            weasyprint_peer.print_all(processes, values)
            then = time.monotonic()
            assert libreoffice_peer.merge_all(offices) == PEER_LETTERS
            ended = time.monotonic()
            if number:
                speeds["conduit"].append(LETTERS / (between - started))
                speeds["weasyprint"].append(PEER_LETTERS / (then - between))
                speeds["libreoffice"].append(PEER_LETTERS / (ended - then))
    for number, pdf in libreoffice_peer.merged(folder):
        assert pages_and_words(pdf) == pages_and_words(pdfs[number])
    return {name: median(each) for name, each in speeds.items()}


async def _set(context: Context, letters: Sequence[Any]) -> list[bytes]:
    """Merge every letter and have it set as the service has it set."""
    return await asyncio.gather(*(apart(render_pdf, content_of(context, letter)) for letter in letters))


def _sent_by_django(
    postgres: DurablePostgres, smtp_url: str, values: Sequence[Mapping[str, object]]
) -> float:
    """Letters a second from waiting to taken, by a process for each processor."""
    execute(postgres.url, "CREATE DATABASE peer")
    url = postgres.database_url("peer")
    asyncio.run(_write_for_django(url, values))
    port, workers = smtp_url.rpartition(":")[2], str(os.cpu_count() or 1)
    with program("tests.benchmarks.django_sender", url, port, workers) as sender:
        figures: dict[str, float] = json.loads(line_from(sender))
    assert figures["sent"] == PEER_LETTERS
    return figures["sent"] / figures["seconds"]


async def _write_for_django(url: str, values: Sequence[Mapping[str, object]]) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE TABLE peer_letters (id serial PRIMARY KEY, email text, state text, values jsonb)"
        )
        await connection.executemany(
            "INSERT INTO peer_letters (email, state, values) VALUES ('office@body.example', 'ready', $1)",
            [(json.dumps(each),) for each in values],
        )
    finally:
        await connection.close()


def _sent(folder: Path, postgres: DurablePostgres, smtp_url: str, size: int) -> dict[str, float]:
    """Release one campaign and have a new process send it."""
    asyncio.run(_release(folder, postgres, str(size)))
    url = postgres.database_url(NOTIFICATIONS)
    with program("tests.benchmarks.letter_sender", str(folder), url, smtp_url) as sender:
        figures: dict[str, float] = json.loads(line_from(sender))
    assert figures["sent"] == size
    return figures


async def _release(folder: Path, postgres: DurablePostgres, name: str) -> None:
    settings = Settings(home=folder)
    context = Context(
        service=NOTIFICATIONS,
        settings=settings,
        house=read_house(EXAMPLES / "house.toml"),
        keys=read_keys(settings.keys_folder, NOTIFICATIONS),
    )
    database = Database(postgres.database_url(NOTIFICATIONS), context)
    await database.open()
    try:
        async with database.transaction() as tx:
            campaign = await tx.fetchval("SELECT id FROM campaigns WHERE name = $1", name)
        await approve(database, campaign)
        await release(database, campaign)
    finally:
        await database.close()
