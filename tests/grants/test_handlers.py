"""What grants does when it hears of organisations and pledges."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from contracts.envelope import Event, Fact, pounds_sterling
from contracts.notifications import ContributionPledged
from contracts.partners import OrganisationAmended, OrganisationClosed, OrganisationRegistered
from services.grants.handlers import FORGETTING, SUBSCRIPTIONS
from services.grants.queries import FUNDS
from tests.conftest import take

CAMDEN, PLEDGE = UUID(int=7), UUID(int=8)


def an_event(fact: type[Fact], subject: UUID, data: Mapping[str, Any], **more: Any) -> Event:
    return Event(
        fact=fact, id=uuid4(), subject=str(subject), time=datetime(2012, 3, 5, tzinfo=UTC), data=data, **more
    )


def an_organisation(fact: type[Fact], name: str, version: int, closed_on: date | None = None) -> Event:
    data = {
        "organisation_id": CAMDEN,
        "name": name,
        "identifier": "GB-NHS-5K7",
        "kinds": ["primary_care_trust"],
        "areas": ["E09000007"],
        "closeness": "contact",
        "opened_on": None,
        "closed_on": closed_on,
        "successor_id": None,
    }
    return an_event(fact, CAMDEN, data, sequence=version)


def a_pledge(**more: Any) -> Event:
    data = {
        "pledge_id": PLEDGE,
        "organisation_id": CAMDEN,
        "campaign_id": UUID(int=9),
        "campaign": "Training for refugee dentists 2012",
        "fund": "training scheme",
        "amount": pounds_sterling(370_000),
        "pledged_on": date(2012, 3, 5),
        "replaces": [],
    }
    return an_event(ContributionPledged, PLEDGE, data, sequence=1, **more)


async def receive(database: Database, *events: Event) -> None:
    """Let the service receive these events, one delivery after the other."""
    for event in events:
        await take(database, SUBSCRIPTIONS, event)


async def pledges(database: Database) -> list[tuple[str | None, str, int, date]]:
    async with database.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM parked") == 0
        rows = [row async for row in FUNDS.pledges(tx, most=10)]
    return [(row["body_name"], row["fund"], row["amount_pence"], row["pledged_on"]) for row in rows]


ORGANISATION = (
    an_organisation(OrganisationRegistered, "Camden", 1),
    an_organisation(OrganisationAmended, "Camden Primary Care Trust", 2),
    an_organisation(OrganisationClosed, "Camden Primary Care Trust", 3, date(2013, 3, 31)),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_copy_of_an_organisation_ends_the_same_in_any_order(
    grants: Database, order: tuple[int, ...]
) -> None:
    await receive(grants, *(ORGANISATION[number] for number in order))
    async with grants.reading() as tx:
        [row] = await tx.fetch("SELECT * FROM organisations")
    assert tuple(row) == (CAMDEN, "Camden Primary Care Trust", date(2013, 3, 31), 1, 3, None)


async def test_a_forgotten_copy_is_rebuilt_from_snapshots(grants: Database) -> None:
    await receive(grants, *ORGANISATION)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE organisations SET name = 'damaged'")
        await FORGETTING["organisations"](tx)
    closed = ORGANISATION[2]
    await receive(grants, an_event(closed.fact, CAMDEN, closed.data, sequence=closed.sequence, snapshot=True))
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT name FROM organisations") == "Camden Primary Care Trust"


async def test_a_pledge_is_entered_once_and_finds_its_body_later(grants: Database) -> None:
    pledge = a_pledge()
    await receive(grants, pledge, pledge, a_pledge())
    assert await pledges(grants) == [(None, "training scheme", 370_000, date(2012, 3, 5))]
    await receive(grants, *ORGANISATION[:2])
    assert await pledges(grants) == [
        ("Camden Primary Care Trust", "training scheme", 370_000, date(2012, 3, 5))
    ]


async def test_a_pledge_is_no_reaction_to_a_snapshot(grants: Database) -> None:
    await receive(grants, a_pledge(snapshot=True))
    assert await pledges(grants) == []


async def test_a_pledge_of_a_merged_body_is_shown_by_the_name_of_the_one_that_stays(grants: Database) -> None:
    """Whatever is heard first: the pledge, the merge or the one that stays."""
    stays = UUID(int=77)
    data = an_organisation(OrganisationAmended, "Camden", 2).data
    goes = an_event(OrganisationAmended, CAMDEN, {**data, "merged_into": stays}, sequence=2)
    staying = {**data, "organisation_id": stays, "name": "The United Trust"}
    other = an_event(OrganisationRegistered, stays, staying, sequence=1)
    for order in permutations([a_pledge(), goes, other]):
        async with grants.transaction() as tx:
            await tx.execute("TRUNCATE contributions, pledge_steps, pledges, organisations, inbox")
        await receive(grants, *order)
        assert [name for name, *_ in await pledges(grants)] == ["The United Trust"]
