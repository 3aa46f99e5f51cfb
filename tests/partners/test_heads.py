"""The heads of all chains, gathered in any order and reported to each auditor once a week."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.audit import verify
from chassis.database import Database
from chassis.keys import KeysError, read_keys
from chassis.sealed import Unopenable, unseal
from contracts import grants, notifications
from contracts.catalogue import sample
from contracts.chains import ChainHead
from contracts.envelope import Event
from contracts.partners import ChainHeadsReported
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.partners import people
from services.partners.heads import PATIENCE, turn
from tests.conftest import EXAMPLES, announced, move_to, somebody_acts
from tests.journeys.running import ROOT
from tests.partners.browsing import rows
from tests.partners.conftest import hear

MONDAY = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
WEEK = date(2026, 11, 23)
FACTS: dict[str, type[ChainHead]] = {
    GRANTS: grants.ChainHeadTold,
    NOTIFICATIONS: notifications.ChainHeadTold,
}


@pytest.fixture
async def register(register: Database) -> Database:
    """Partners at the beginning of a week, with one act in its own chain and somebody who administers."""
    move_to(register, MONDAY)
    await somebody_acts(register)
    await admit(register, "Marek", "ops")
    return register


async def admit(register: Database, name: str, *roles: str) -> UUID:
    async with register.transaction() as tx:
        return await people.invite(tx, name=name, email=f"{name.lower()}@marker.example", roles=roles)


async def bar(register: Database, id: UUID) -> None:
    async with register.transaction() as tx:
        await people.bar(tx, id)


def head_of(sender: str, number: int = 7, week: date = WEEK, **more: Any) -> Event:
    """What another service says of its chain."""
    digest = hashlib.sha256(f"{sender} {number}".encode()).hexdigest()
    data = {"service": sender, "number": number, "digest": digest, "week": week, **more}
    return Event(
        fact=FACTS[sender], id=uuid4(), subject=f"{sender}/{week}", time=MONDAY, data=data, sequence=1
    )


async def hear_others(register: Database, week: date = WEEK) -> None:
    await hear(register, [head_of(service, week=week) for service in FACTS])


async def reports(register: Database) -> list[Event]:
    return [event for event in await announced(register) if event.fact is ChainHeadsReported]


async def told(register: Database) -> list[tuple[UUID, date]]:
    """Who is to be told of which week."""
    return [(event.data["person_id"], event.data["week"]) for event in await reports(register)]


def services_in(event: Event) -> list[str]:
    return [head["service"] for head in event.data["heads"]]


async def test_every_auditor_is_told_what_each_service_has_said(register: Database) -> None:
    first, second = await admit(register, "Ingrid", "auditor"), await admit(register, "Ada", "auditor")
    await hear_others(register)
    await turn(register)
    assert sorted(await told(register)) == sorted([(first, WEEK), (second, WEEK)])
    async with register.reading() as tx:
        own = await verify(tx)
    said = {
        GRANTS: head_of(GRANTS).data,
        NOTIFICATIONS: head_of(NOTIFICATIONS).data,
        PARTNERS: {"number": own.rows, "digest": own.head},
    }
    for event in await reports(register):
        assert event.subject == f"{event.data['person_id']}/{WEEK}"
        assert event.data["heads"] == [
            {"service": name, "number": said[name]["number"], "digest": said[name]["digest"]}
            for name in sorted(said)
        ]


async def test_nobody_is_named_but_to_the_service_that_writes(register: Database) -> None:
    await admit(register, "Ingrid", "auditor")
    await hear_others(register)
    await turn(register)
    (event,) = await reports(register)
    golden = sample(ChainHeadsReported).data
    assert set(event.data) == set(golden)
    assert {name for head in event.data["heads"] for name in head} == set(golden["heads"][0])
    [row] = await rows(register, "SELECT body FROM outbox WHERE type = 'partners.chain_heads_reported.v1'")
    assert b"ngrid" not in bytes(row["body"])
    assert b"marker.example" not in bytes(row["body"])
    folder, sealed = register.context.settings.keys_folder, event.data["address"]
    opened = unseal(read_keys(folder, NOTIFICATIONS), ChainHeadsReported, "address", sealed)
    assert opened == {"name": "Ingrid", "email": "ingrid@marker.example"}
    with pytest.raises(Unopenable):
        unseal(read_keys(folder, GRANTS), ChainHeadsReported, "address", sealed)


@pytest.mark.parametrize("order", list(permutations((GRANTS, NOTIFICATIONS, PARTNERS))))
async def test_the_heads_come_in_any_order_and_are_reported_when_the_last_is_there(
    register: Database, order: Sequence[str]
) -> None:
    """Our own comes with the first turn, which is where it stands in the order."""
    await admit(register, "Ingrid", "auditor")
    for place, service in enumerate(order):
        if service != PARTNERS:
            await hear(register, [head_of(service)])
        if PARTNERS in order[: place + 1]:
            await turn(register)
        assert len(await told(register)) == (place == 2)
    (event,) = await reports(register)
    assert services_in(event) == [GRANTS, NOTIFICATIONS, PARTNERS]


async def test_what_was_heard_first_of_a_week_stands(register: Database) -> None:
    await admit(register, "Ingrid", "auditor")
    event = head_of(GRANTS, number=9)
    await hear(register, [event, event, head_of(GRANTS, number=3), head_of(NOTIFICATIONS)])
    await hear(register, [head_of(GRANTS, number=2)])
    await turn(register)
    (report,) = await reports(register)
    assert report.data["heads"][0]["number"] == 9


async def test_no_service_speaks_for_another(register: Database) -> None:
    """A head is its sender's, whatever service it names."""
    await admit(register, "Ingrid", "auditor")
    await hear(register, [head_of(GRANTS, number=1, service=NOTIFICATIONS)])
    await hear(register, [head_of(NOTIFICATIONS, number=312)])
    await turn(register)
    (report,) = await reports(register)
    assert [(head["service"], head["number"]) for head in report.data["heads"]][:2] == [
        (GRANTS, 1),
        (NOTIFICATIONS, 312),
    ]


async def test_a_head_that_does_not_come_is_waited_for_a_day(register: Database) -> None:
    await admit(register, "Ingrid", "auditor")
    await hear(register, [head_of(GRANTS)])
    await turn(register)
    move_to(register, MONDAY + PATIENCE - timedelta(minutes=1))
    await turn(register)
    assert await told(register) == []
    move_to(register, MONDAY + PATIENCE + timedelta(minutes=1))
    await turn(register)
    (event,) = await reports(register)
    assert services_in(event) == [GRANTS, PARTNERS]
    await hear(register, [head_of(NOTIFICATIONS)])
    await turn(register)
    assert len(await told(register)) == 1


async def test_heads_that_come_late_in_the_week_wait_for_each_other_as_well(register: Database) -> None:
    """Everything was stopped from Sunday to Thursday: whoever starts first does not go without the others."""
    await admit(register, "Ingrid", "auditor")
    move_to(register, MONDAY + timedelta(days=3))
    await turn(register)
    assert await told(register) == []
    await hear_others(register)
    await turn(register)
    (event,) = await reports(register)
    assert len(services_in(event)) == 3


async def test_each_week_is_reported_once(register: Database) -> None:
    ingrid = await admit(register, "Ingrid", "auditor")
    for week in (WEEK, WEEK + timedelta(days=7)):
        await hear_others(register, week)
        for hours in (0, 1, 30, 160):
            move_to(register, MONDAY + (week - WEEK) + timedelta(hours=hours))
            await turn(register)
    assert await told(register) == [(ingrid, WEEK), (ingrid, WEEK + timedelta(days=7))]


async def test_the_heads_of_another_week_are_no_report_of_this_one(register: Database) -> None:
    await admit(register, "Ingrid", "auditor")
    await hear(register, [head_of(GRANTS, week=WEEK - timedelta(days=7))])
    await hear(register, [head_of(NOTIFICATIONS, week=WEEK + timedelta(days=7))])
    await turn(register)
    assert await told(register) == []


async def test_replicas_at_once_report_once(register: Database) -> None:
    await admit(register, "Ingrid", "auditor")
    await admit(register, "Ada", "auditor")
    await hear_others(register)
    second = Database(register._url, register.context)
    await second.open()
    try:
        await asyncio.gather(*(turn(each) for each in (register, second) * 10))
    finally:
        await second.close()
    assert len(await told(register)) == 2


async def test_whoever_was_barred_before_is_told_nothing_and_is_told_the_next_week_when_let_in_again(
    register: Database,
) -> None:
    ingrid, ada = await admit(register, "Ingrid", "auditor"), await admit(register, "Ada", "auditor")
    await bar(register, ingrid)
    await hear_others(register)
    await turn(register)
    assert await told(register) == [(ada, WEEK)]
    assert await admit(register, "Ingrid", "auditor") == ingrid
    newcomer = await admit(register, "Noor", "auditor")
    await turn(register)
    assert await told(register) == [(ada, WEEK)]
    following = WEEK + timedelta(days=7)
    move_to(register, MONDAY + timedelta(days=7))
    await hear_others(register, following)
    await turn(register)
    assert sorted((await told(register))[1:]) == sorted((id, following) for id in (ada, ingrid, newcomer))


async def test_whoever_is_no_auditor_any_more_is_told_nothing(register: Database) -> None:
    ingrid = await admit(register, "Ingrid", "auditor")
    async with register.transaction() as tx:
        await people.change_roles(tx, ingrid, ["trustee"])
    await hear_others(register)
    await turn(register)
    assert await told(register) == []


async def test_without_an_auditor_the_week_stays_open_for_the_first_one(register: Database) -> None:
    await hear_others(register)
    await turn(register)
    assert await told(register) == []
    move_to(register, MONDAY + timedelta(days=4))
    ingrid = await admit(register, "Ingrid", "auditor")
    await turn(register)
    assert await told(register) == [(ingrid, WEEK)]


async def test_a_report_that_cannot_be_sealed_leaves_the_own_head_and_is_made_later(
    register: Database,
) -> None:
    ingrid = await admit(register, "Ingrid", "auditor")
    await hear_others(register)
    public = register.context.keys.public
    taken = public.pop(NOTIFICATIONS)
    with pytest.raises(KeysError):
        await turn(register)
    assert len(await rows(register, "SELECT * FROM chain_heads WHERE service = 'partners'")) == 1
    assert await told(register) == []
    public[NOTIFICATIONS] = taken
    await turn(register)
    assert await told(register) == [(ingrid, WEEK)]


#: One turn in a process of its own, which dies where it is told to.
_TURN = """
import asyncio, sys
from datetime import timedelta
from chassis import failpoints
from chassis.clock import Clock
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from services.partners.heads import turn

async def main(url):
    settings = Settings.load()
    failpoints.arm(settings.failpoints)
    house, keys = read_house(settings.house_path), read_keys(settings.keys_folder, "partners")
    clock = Clock(timedelta(seconds=float(sys.argv[2])))
    context = Context(service="partners", settings=settings, house=house, keys=keys, clock=clock)
    database = Database(url, context)
    await database.open()
    await turn(database)
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_process_that_is_killed_while_it_reports_has_said_nothing_and_the_next_says_it_once(
    register: Database,
) -> None:
    ids = [await admit(register, name, "auditor") for name in ("Ingrid", "Ada")]
    await hear_others(register)
    offset = register.context.clock.now() - datetime.now(UTC)
    variables = {
        "CONDUIT_HOME": str(register.context.settings.home),
        "CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml"),
    }

    async def a_turn(**more: str) -> int:
        command = [sys.executable, "-c", _TURN, register._url, str(offset.total_seconds())]
        environment = {**os.environ, **variables, **more}
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=environment, timeout=60, check=False
        )
        return done.returncode

    assert await a_turn(CONDUIT_FAILPOINTS="announce.before_commit=kill") == -9
    assert await told(register) == []
    assert await rows(register, "SELECT * FROM head_reports") == []
    assert [await a_turn() for _ in range(2)] == [0, 0]
    assert sorted(await told(register)) == sorted((id, WEEK) for id in ids)
