"""Playing the Forum's year: when everything has been heard by everybody."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from chassis.clock import Clock, real_now
from chassis.config import Settings
from chassis.database import Database
from chassis.inbox import Inbox
from chassis.relay import Relay
from chassis.transports import InProcess
from contracts.topology import NOTIFICATIONS, PARTNERS, SERVICES
from services.example_clock import clock_of
from services.notifications.notices.courier import Courier
from services.notifications.queries import QUERIES
from services.partners.imports import import_partners
from services.play import _back, _pass, quiet, settled
from tests.conftest import EXAMPLES, MakeDatabase


@pytest.fixture
async def databases(make_database: MakeDatabase) -> dict[str, Database]:
    return {service: await make_database(service) for service in SERVICES}


def inbox_of(service: str, database: Database) -> Inbox:
    return Inbox(database, import_module(f"services.{service}.handlers").SUBSCRIPTIONS)


async def carry(databases: dict[str, Database]) -> None:
    """Let everybody hear what was said."""
    port = InProcess()
    for service, database in databases.items():
        port.register(service, inbox_of(service, database).take)
    relay = Relay(databases[PARTNERS], port)
    while await relay.next_due():
        await relay.turn()


async def test_it_is_settled_when_everybody_has_heard_and_stays_so_when_the_old_is_forgotten(
    databases: dict[str, Database],
) -> None:
    register = databases[PARTNERS]
    assert await settled(databases.__getitem__)
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    assert not await settled(databases.__getitem__), "nothing is published yet"
    await carry(databases)
    assert await settled(databases.__getitem__)
    register.context.clock.advance(timedelta(days=register.context.settings.outbox_days + 1))
    await inbox_of(PARTNERS, register).tidy()
    async with register.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM outbox") == 0
    assert await settled(databases.__getitem__), "the inboxes remember more than the outboxes"


async def test_it_is_not_settled_while_one_has_not_heard_although_another_has_heard_more(
    databases: dict[str, Database],
) -> None:
    register = databases[PARTNERS]
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    await carry(databases)
    async with databases["notifications"].transaction() as tx:
        await tx.execute("DELETE FROM inbox WHERE id = (SELECT id FROM inbox LIMIT 1)")
    assert not await settled(databases.__getitem__)


async def test_the_clock_waits_for_a_mail_that_is_on_its_way(databases: dict[str, Database]) -> None:
    """Weeks later it would be too late for it, and until then it would seem to have waited for weeks."""
    book = databases[NOTIFICATIONS]
    said: dict[str, Any] = dict.fromkeys(("person_id", "words"))
    said |= {
        "correlationid": "",
        "traceparent": "",
        "runs": "ltr",
        "kind": "sign_in",
        "email": "amina@forum.example",
        "language": "en",
        "subject": "a",
        "body": "b",
    }
    async with book.transaction() as tx:
        due = tx.now + timedelta(minutes=30)
        await QUERIES.write_notice(tx, id=uuid4(), **said, not_after=due, now=tx.now)
    waiting = asyncio.create_task(quiet(cast(Any, SimpleNamespace(database=databases.__getitem__))))
    for _ in range(3):
        assert waiting not in (await asyncio.wait({waiting}, timeout=0.2))[0]
    book.context.clock.advance(timedelta(minutes=31))
    await Courier(book).tidy()
    await waiting


async def test_the_time_of_an_example_that_is_loaded_is_that_of_commands(
    databases: dict[str, Database], settings: Settings
) -> None:
    example = replace(settings, database_url="", amqp_url="")
    (example.home / "example").touch()
    process = SimpleNamespace(database=databases.__getitem__, clock=Clock(), settings=example)
    await _back(cast(Any, process), days=49)
    await _pass(cast(Any, process), days=8)
    assert timedelta(days=40) < real_now() - clock_of(example).now() < timedelta(days=42)
