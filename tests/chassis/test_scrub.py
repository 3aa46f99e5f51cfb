"""Sealed parts that nobody needs any more: they go, and the rest of an event stays as it was."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.inbox import Inbox, reaction
from chassis.outbox import announce
from chassis.scrub import scrub_about, scrub_published
from chassis.sealed import seal
from chassis.transports import Delivery
from contracts.catalogue import sample
from contracts.envelope import Event, encode
from contracts.grants import RegistrationsCounted
from contracts.partners import PersonInvited
from contracts.topology import PARTNERS
from tests.conftest import MakeDatabase, announced


@pytest.fixture
async def database(make_bare: MakeDatabase) -> Database:
    return await make_bare(PARTNERS)


async def invite(database: Database, person: UUID, *, published: bool = True) -> bytes:
    """Say that somebody was invited. The bytes of it."""
    address = {"name": "Marker Zzyzxova", "email": "marker@body.example"}
    async with database.transaction() as tx:
        sealed = seal(tx.context.keys, PersonInvited, "address", address)
        event = await announce(
            tx, PersonInvited, subject=person, sequence=1, person_id=person, address=sealed
        )
        if published:
            await tx.execute("UPDATE outbox SET published_at = $2 WHERE id = $1", event.id, tx.now)
    return encode(event)


async def bodies(database: Database, table: str = "outbox") -> list[bytes]:
    async with database.reading() as tx:
        return [bytes(row["body"]) for row in await tx.fetch(f"SELECT body FROM {table} ORDER BY id")]


async def test_after_a_day_what_was_sealed_goes_and_the_rest_stays(database: Database) -> None:
    said = await invite(database, uuid4())
    database.context.clock.advance(timedelta(hours=23))
    await scrub_published(database)
    assert await bodies(database) == [said]
    database.context.clock.advance(timedelta(hours=2))
    await scrub_published(database)
    [left] = await bodies(database)
    assert json.loads(left) == {**json.loads(said), "data": {**json.loads(said)["data"], "address": None}}
    [event] = await announced(database)
    assert event.data["address"] is None
    await scrub_published(database)
    assert await bodies(database) == [left]


async def test_what_is_not_published_keeps_the_same_bytes_for_the_next_try(database: Database) -> None:
    person = uuid4()
    said = await invite(database, person, published=False)
    database.context.clock.advance(timedelta(days=5))
    await scrub_published(database)
    async with database.transaction() as tx:
        await scrub_about(tx, [person])
    assert await bodies(database) == [said]


async def test_however_much_there_is(database: Database) -> None:
    for _ in range(3):
        await invite(database, uuid4())
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO outbox (id, type, subject, body, expected, recorded_at, next_try, published_at) "
            "SELECT gen_random_uuid(), type, subject, body, expected, recorded_at, next_try, published_at "
            "FROM outbox CROSS JOIN generate_series(1, 600)"
        )
    database.context.clock.advance(timedelta(days=2))
    await scrub_published(database)
    assert not [body for body in await bodies(database) if json.loads(body)["data"]["address"]]


async def test_whoever_is_forgotten_is_forgotten_at_once_and_nobody_else(database: Database) -> None:
    forgotten, other = uuid4(), uuid4()
    await invite(database, forgotten)
    kept = await invite(database, other)
    async with database.transaction() as tx:
        await scrub_about(tx, [forgotten])
    left = await bodies(database)
    assert kept in left
    assert [json.loads(body)["data"]["address"] for body in left if body != kept] == [None]


async def test_facts_without_sealed_parts_are_left_alone(database: Database) -> None:
    golden = sample(RegistrationsCounted)
    async with database.transaction() as tx:
        await announce(tx, RegistrationsCounted, subject="x", sequence=1, **golden.data)
        await tx.execute("UPDATE outbox SET published_at = $1", tx.now)
    before = await bodies(database)
    database.context.clock.advance(timedelta(days=2))
    await scrub_published(database)
    assert await bodies(database) == before


async def test_a_parked_message_is_scrubbed_and_can_still_be_tried(database: Database) -> None:
    heard = []

    async def remember(tx: object, event: Event) -> None:
        heard.append(event.data["address"])
        if event.data["address"] is not None:
            raise ZeroDivisionError

    person = uuid4()
    said = await invite(database, person)
    dead = await invite(database, person)
    inbox = Inbox(database, [reaction(PersonInvited, remember)])
    await inbox.take([Delivery(body=said), Delivery(body=dead, dead=True), Delivery(body=b"no event")])
    async with database.transaction() as tx:
        await scrub_about(tx, [person])
    parked = await bodies(database, "parked")
    assert b"no event" in parked
    assert [json.loads(body)["data"]["address"] for body in parked if body != b"no event"] == [None, None]
    database.context.clock.advance(timedelta(minutes=1))
    assert await inbox.retry()
    assert heard[-1] is None
    async with database.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM parked WHERE reason = 'handler_failed'") == 0
