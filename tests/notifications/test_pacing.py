"""No domain gets more than it takes, and nobody else waits for that."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from chassis.clock import Clock
from chassis.database import Database
from chassis.testing import RecordingMailServer, Treatment
from services.notifications import web
from services.notifications.handover import Fate, _verdict
from services.notifications.sending import Sender
from tests.conftest import MakeDatabase, client
from tests.notifications.conftest import (
    contact,
    contact_of,
    counted,
    hear,
    letters,
    organisation,
    released,
    trust_of,
)

HOST, OTHERS = "schools.example", 12


class StandingClock(Clock):
    """Moves only when it is moved, however long the machine takes."""

    def __init__(self) -> None:
        super().__init__()
        self._stands_at = super().now()

    def now(self) -> datetime:
        return self._stands_at + self._offset


@pytest.fixture
async def crowded(make_database: MakeDatabase) -> Database:
    """Twenty-one bodies with their mail at one host, and twelve with a host of their own after them."""
    database = await make_database("notifications")
    settings = replace(database.context.settings, mail_domain_rate=30.0)
    database.context = replace(database.context, settings=settings, clock=StandingClock())
    areas = [f"E09000{number:03}" for number in range(1, 34)]
    for number, area in enumerate(areas):
        host = HOST if number < len(areas) - OTHERS else f"mail.body-{number}.example"
        await hear(
            database,
            organisation(trust_of(area), f"Trust {number:02}", [area]),
            contact(
                database,
                contact_of(area, "chief_executive"),
                trust_of(area),
                role="chief_executive",
                email=f"office.{number}@{host if number % 2 else host.upper()}",
            ),
            counted(area, 100),
        )
    return database


def hosts(mail: RecordingMailServer) -> Counter[str]:
    found = (message.recipients[0].rpartition("@")[2].lower() for message in mail.messages)
    return Counter(HOST if host == HOST else "others" for host in found)


async def turns(database: Database) -> None:
    while await Sender(database).turn():
        pass


async def board(database: Database, campaign: UUID) -> str:
    async with client(web.build(database), "/letters") as browser:
        return (await browser.get(f"/letters/campaigns/{campaign}")).text


async def test_a_host_of_many_gets_them_one_by_one_and_the_others_do_not_wait(
    crowded: Database, mail: RecordingMailServer
) -> None:
    campaign = await released(crowded)
    await turns(crowded)
    assert hosts(mail) == {HOST: 1, "others": OTHERS}
    assert f"20 letters wait: {HOST} takes 30 a minute." in await board(crowded, campaign)
    for passed in range(1, 31):
        crowded.context.clock.advance(timedelta(seconds=2))
        await turns(crowded)
        assert hosts(mail)[HOST] <= passed + 1
    assert hosts(mail) == {HOST: 21, "others": OTHERS}
    assert {each["state"] for each in await letters(crowded)} == {"sent"}
    assert len({message.parsed["Message-ID"] for message in mail.messages}) == 33


async def test_whoever_says_that_it_is_too_much_is_left_alone_for_longer_each_time(
    crowded: Database, mail: RecordingMailServer
) -> None:
    mail.treat(
        Treatment(reply="451 4.7.1 Too many messages from you, slow down"), recipient="office.1@" + HOST
    )
    campaign = await released(crowded)
    await turns(crowded)
    crowded.context.clock.advance(timedelta(seconds=2))
    await turns(crowded)
    assert hosts(mail) == {HOST: 1, "others": OTHERS}
    assert f"{HOST} has asked us to slow down" in await board(crowded, campaign)
    crowded.context.clock.advance(timedelta(seconds=20))
    await turns(crowded)
    assert hosts(mail)[HOST] == 1
    crowded.context.clock.advance(timedelta(seconds=11))
    await turns(crowded)
    assert hosts(mail)[HOST] == 2
    assert "slow down" not in await board(crowded, campaign)
    mail.accept_everything()
    for _ in range(40):
        crowded.context.clock.advance(timedelta(seconds=30))
        await turns(crowded)
    assert hosts(mail) == {HOST: 21, "others": OTHERS}


@pytest.mark.parametrize(
    ("reply", "too_much"),
    [
        ("421 Service not available", True),
        ("450 4.7.1 Policy", True),
        ("451 Too many connections from your host", True),
        ("452 4.2.2 Rate limit exceeded", True),
        ("450 4.2.0 Greylisted", False),
        ("451 4.3.0 Try again later", False),
        ("550 5.7.1 Too many complaints", False),
    ],
)
def test_what_servers_say_when_it_is_too_much(reply: str, too_much: bool) -> None:
    code, _, words = reply.partition(" ")
    outcome = _verdict(int(code), words, otherwise=Fate.LATER)
    assert outcome.too_much is too_much
