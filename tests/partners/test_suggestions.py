"""Whoever a letter was passed on to: nobody is a contact until somebody of ours has looked at it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.rights import Subject
from contracts.access import Role
from contracts.partners import ContactListed, ContactSuggestionSettled
from contracts.topology import NOTIFICATIONS, PARTNERS
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import create_campaign
from services.notifications.domain import AnswerKind
from services.notifications.passing_on import Colleague
from services.notifications.preparing import prepare_letters
from services.notifications.stages import send_campaign
from services.partners import suggestions
from services.partners.held import address_digest, forget, gather
from services.partners.imports import import_partners
from services.partners.queries import RIGHTS
from services.partners.web import build
from services.play import plan
from tests.access import EVERYTHING, form_key
from tests.conftest import MakeDatabase, announced, client
from tests.notifications.conftest import WRITER, approve
from tests.partners.browsing import MOUNT, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, partners_csv
from tests.partners.suggesting import MAI, passed_on
from tests.world import make_world


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    [row] = await rows(register, "SELECT id FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    return UUID(str(row["id"]))


@pytest.fixture
async def staff(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT, replace(EVERYTHING, roles=frozenset({Role.STAFF}))) as browser:
        yield browser


async def suggested(register: Database, trust: UUID, **said: str) -> str:
    """The address of somebody's page."""
    event = passed_on(register, trust, **said)
    await hear(register, [event])
    return f"{MOUNT}/suggestions/{event.data['suggestion_id']}"


def form(**said: str) -> dict[str, str]:
    return {
        "contact_name": MAI["name"],
        "contact_role": "chief_executive",
        "contact_channel": "email",
        "contact_email": MAI["email"],
        "contact_source": "a colleague there",
        "contact_listed_on": "2012-03-02",
        "key": form_key(),
        **said,
    }


async def settled(register: Database) -> list[Any]:
    return [event for event in await announced(register) if event.fact is ContactSuggestionSettled]


async def test_whoever_was_named_stands_on_the_page_and_is_no_contact(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    before = len(await rows(register, "SELECT FROM contacts"))
    address = await suggested(register, trust)
    page = (await staff.get(f"{MOUNT}/organisations/{trust}")).text
    assert "Our letter was passed on" in page
    assert "Mai Nguyễn" in page
    assert f'href="{address}"' in page
    assert len(await rows(register, "SELECT FROM contacts")) == before
    shown = (await staff.get(address)).text
    assert 'value="mai@trust.example"' in shown
    assert '<option value="dental_care" selected>' in shown


async def test_whoever_has_the_address_already_is_named(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    other = (await staff.get(await suggested(register, trust))).text
    assert "has this e-mail address already" not in other
    same = await suggested(register, trust, email=OFFICER["contact_email"].upper())
    assert f"{OFFICER['contact_name']} has this e-mail address already" in (await staff.get(same)).text


async def test_whoever_is_entered_is_announced_as_contact_and_as_settled(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    address = await suggested(register, trust)
    id = UUID(address.rpartition("/")[2])
    faulty = await staff.post(address, data=form(contact_role=""))
    assert faulty.status_code == 422
    assert "Mai Nguyễn" in faulty.text
    form_twice = form()
    done = await asyncio.gather(*(staff.post(address, data=form_twice) for _ in range(3)))
    assert {each.status_code for each in done} == {303}
    listed = [event for event in await announced(register) if event.fact is ContactListed]
    assert id in [event.data["contact_id"] for event in listed]
    [event] = await settled(register)
    assert (event.data["suggestion_id"], event.data["contact_id"]) == (id, id)
    assert event.data["settled_by"] == EVERYTHING.id
    [kept] = await rows(register, "SELECT name, role, email FROM suggested_contacts")
    assert set(kept.values()) == {""}
    assert (await staff.get(address)).status_code == 404
    assert (await staff.post(address, data=form())).status_code == 404


async def test_two_people_who_decide_at_once_decide_once(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    address = await suggested(register, trust)
    enter = staff.post(address, data=form())
    out = staff.post(f"{address}/leave-out", data={"key": form_key()})
    statuses = sorted(each.status_code for each in await asyncio.gather(enter, out))
    assert statuses[0] == 303
    assert statuses[1] in (404, 409)
    assert len(await settled(register)) == 1


async def test_who_is_there_already_gets_the_letter_as_they_are(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    [there] = await rows(register, "SELECT id FROM contacts")
    address = await suggested(register, trust, name=OFFICER["contact_name"])
    there_too = form(contact_name=OFFICER["contact_name"], contact_role=OFFICER["contact_role"])
    assert (await staff.post(address, data=there_too)).status_code == 303
    [event] = await settled(register)
    assert event.data["contact_id"] == there["id"]


async def test_left_out_nobody_keeps_who_it_was(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    address = await suggested(register, trust)
    assert (await staff.post(f"{address}/leave-out", data={"key": form_key()})).status_code == 303
    [event] = await settled(register)
    assert event.data["contact_id"] is None
    assert "Mai" not in str(await rows(register, "SELECT * FROM suggested_contacts"))


async def test_whoever_asked_to_be_forgotten_is_not_brought_back(
    register: Database, trust: UUID, staff: httpx.AsyncClient
) -> None:
    async with register.transaction() as tx:
        digest = address_digest(tx, MAI["email"])
        await RIGHTS.note_erased_address(tx, digest=digest, now=tx.now)
    await suggested(register, trust)
    [event] = await settled(register)
    assert event.data["contact_id"] is None
    assert "Mai" not in str(await rows(register, "SELECT * FROM suggested_contacts"))


async def test_who_waits_is_told_and_forgotten(register: Database, trust: UUID) -> None:
    await suggested(register, trust)
    mai = Subject(emails=[MAI["email"]], names=[MAI["name"].lower()])
    async with register.reading() as tx:
        assert "suggested.json" in [held.path async for held in gather(tx, mai)]
    async with register.transaction() as tx:
        assert (await forget(tx, mai)).counts["suggestions"] == 1
    assert len(await settled(register)) == 1


async def test_who_waits_too_long_is_left_out(register: Database, trust: UUID) -> None:
    await suggested(register, trust)
    async with register.transaction() as tx:
        assert await suggestions.TERMS[0].scrub(tx, tx.now, 10) == 1
    assert len(await settled(register)) == 1


async def test_merged_they_wait_at_the_other_entry(register: Database, trust: UUID) -> None:
    [other] = await rows(register, "SELECT id FROM organisations WHERE identifier = 'GB-NHS-08Y'")
    await suggested(register, trust)
    async with register.transaction() as tx:
        await suggestions.move(tx, trust, other["id"])
        assert await suggestions.count(tx, other["id"]) == 1


async def test_from_the_answer_to_the_colleagues_own_letter(make_database: MakeDatabase) -> None:
    world = await make_world(make_database)
    report = await import_partners(world[PARTNERS], partners_csv(line(TRUST, OFFICER)), dry_run=False)
    assert not report.faults
    await world.carry()
    async with world[NOTIFICATIONS].transaction() as tx:
        await tx.execute(
            "INSERT INTO registration_counts VALUES ('E09000020', 'dentist', 52, '2011-12-31', 1, 1)"
        )
        campaign = await create_campaign(tx, replace(plan(), roles=("dental_care",)), WRITER)
        await prepare_letters(tx, campaign)
        await approve(tx, campaign)
        await send_campaign(tx, campaign)
        letter = await tx.fetchval("SELECT id FROM letters")
        colleague = Colleague(**MAI)
        await record_answer(tx, letter, Answer(kind=AnswerKind.PASS_ON, colleague=colleague))
    await world.carry()
    [waits] = await rows(world[PARTNERS], "SELECT id, email FROM suggested_contacts")
    assert waits["email"] == MAI["email"]
    async with client(build(world[PARTNERS]), MOUNT) as browser:
        done = await browser.post(f"{MOUNT}/suggestions/{waits['id']}", data=form())
        assert done.status_code == 303
    await world.carry()
    made = await rows(world[NOTIFICATIONS], "SELECT contact_id, state, frozen FROM letters ORDER BY number")
    assert [row["contact_id"] for row in made[1:]] == [waits["id"]]
    assert made[1]["state"] == "ready"
    assert made[1]["frozen"]["address_source"] == "a colleague there"


async def test_an_unknown_one_is_not_found(register: Database, staff: httpx.AsyncClient) -> None:
    for id in (uuid4(), "x"):
        assert (await staff.get(f"{MOUNT}/suggestions/{id}")).status_code == 404
        assert (await staff.post(f"{MOUNT}/suggestions/{id}", data=form())).status_code == 404
        out = f"{MOUNT}/suggestions/{id}/leave-out"
        assert (await staff.post(out, data={"key": form_key()})).status_code == 404
