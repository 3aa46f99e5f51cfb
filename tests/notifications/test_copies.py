"""The copies that letters rest on end the same whatever order the events arrive in, and however often."""

import asyncio
import random
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chassis.database import Database
from contracts.envelope import Event
from contracts.partners import ContactListed, OrganisationAmended, OrganisationClosed
from tests.conftest import MakeDatabase
from tests.notifications.conftest import contact, counted, hear, organisation, rows, told, withdrawn


@pytest.fixture
async def copies(make_database: MakeDatabase) -> Database:
    return await make_database("notifications")


def _life_of(database: Database) -> list[Event]:
    """Three states each of an organisation, a contact who was withdrawn and listed again, and a count."""
    body, person = UUID(int=1), UUID(int=2)
    closing = organisation(body, "Third Name", ["E09000033"], closed_on=date(2013, 3, 31)).data
    amended = organisation(body, "Second Name", ["E09000020", "E09000033"]).data
    return [
        organisation(body, "First Name", ["E09000020"]),
        told(OrganisationAmended, body, 2, **amended),
        told(OrganisationClosed, body, 3, **closing),
        contact(database, person, body, name="First Officer"),
        withdrawn(person, body, sequence=2),
        contact(database, person, body, sequence=3, name="Third Officer", email=None, channel="post"),
        counted("E09000020", 52),
        counted("E09000020", 0, sequence=2),
        counted("E09000020", 53, sequence=3),
    ]


async def _copy(database: Database) -> list[list[dict[str, Any]]]:
    tables = ("organisations", "contacts", "registration_counts")
    return [await rows(database, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def _empty(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("TRUNCATE organisations, contacts, registration_counts, inbox, parked")


async def test_any_order_of_delivery_ends_in_the_same_copy(copies: Database) -> None:
    loop = asyncio.get_running_loop()
    life = _life_of(copies)
    await hear(copies, *life)
    expected = await _copy(copies)
    assert expected[1][0]["name"] == "Third Officer"

    async def deliver(order: list[Event], cuts: int) -> None:
        await _empty(copies)
        step = max(1, len(order) // cuts)
        for start in range(0, len(order), step):
            await hear(copies, *order[start : start + step])
        assert await _copy(copies) == expected

    @hypothesis_settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(order=st.permutations(life), twice=st.lists(st.sampled_from(life)), cuts=st.integers(1, 9))
    def property_holds(order: list[Event], twice: list[Event], cuts: int) -> None:
        again = [*order, *twice]
        random.Random(cuts).shuffle(again)
        asyncio.run_coroutine_threadsafe(deliver(again, cuts), loop).result(30)

    await asyncio.to_thread(property_holds)


async def test_a_withdrawn_contact_leaves_a_stone_without_name_or_address(copies: Database) -> None:
    body, person = uuid4(), uuid4()
    listed, gone = contact(copies, person, body), withdrawn(person, body)
    for order in ([listed, gone], [gone, listed]):
        await _empty(copies)
        await hear(copies, *order)
        [stone] = await rows(copies, "SELECT * FROM contacts")
        assert (stone["id"], stone["withdrawn_on"]) == (person, date(2012, 1, 8))
        personal = ("name", "email", "postal_address", "postcode", "source")
        assert [stone[field] for field in personal] == [None] * 5


async def test_a_higher_epoch_beats_a_higher_version(copies: Database) -> None:
    body = uuid4()
    old, new = organisation(body, "Before the restore", [], sequence=9), organisation(body, "After it", [])
    object.__setattr__(new, "epoch", 2)
    for order in ([old, new], [new, old]):
        await _empty(copies)
        await hear(copies, *order)
        assert [row["name"] for row in await rows(copies, "SELECT name FROM organisations")] == ["After it"]


async def test_an_address_that_was_scrubbed_or_sealed_for_another_is_never_guessed(copies: Database) -> None:
    body, scrubbed, damaged = uuid4(), uuid4(), uuid4()
    await hear(
        copies,
        contact(copies, scrubbed, body, address=None),
        contact(copies, damaged, body, address="bm90IGEgc2VhbGVkIGJveA=="),
    )
    assert [row["name"] for row in await rows(copies, "SELECT name FROM contacts")] == [None]
    [parked] = await rows(copies, "SELECT reason, type FROM parked")
    assert parked == {"reason": "handler_failed", "type": ContactListed.type()}
