"""What partners says: the golden facts, in whole, in order of versions, and no name in clear."""

from typing import Any

import pytest

from chassis.database import Database
from chassis.keys import read_keys
from chassis.sealed import Unopenable, unseal
from contracts.catalogue import sample
from contracts.envelope import Event, Fact
from contracts.partners import (
    ContactListed,
    ContactWithdrawn,
    OrganisationAmended,
    OrganisationClosed,
    OrganisationRegistered,
)
from services.partners.imports import import_partners
from services.partners.snapshots import SNAPSHOTS
from tests.conftest import EXAMPLES, announced
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line

POSTAL = {
    "contact_channel": "post",
    "contact_address": "Marker House;1 Markerstone Road",
    "contact_postcode": "W10 0XX",
}


def facts(events: list[Event]) -> list[tuple[type[Fact], int]]:
    """Which facts were said, of which version."""
    return [(event.fact, event.sequence) for event in events]


def said_like_golden(event: Event) -> None:
    """The event has what the golden sample has, apart from ids and the sealed part, which always differ."""
    golden = sample(event.fact)
    assert {name: _kept(name, value) for name, value in event.data.items()} == {
        name: _kept(name, value) for name, value in golden.data.items()
    }
    assert (event.sequence, event.epoch) == (golden.sequence, golden.epoch)


def _kept(name: str, value: Any) -> Any:
    return type(value) if name.endswith("_id") or name == "address" else value


async def test_an_organisation_is_said_as_in_the_golden_samples(bring: Bring, register: Database) -> None:
    await bring(line(TRUST))
    amended = line(TRUST, closeness="strategic", kinds="primary_care_trust;funder")
    await bring(amended)
    await bring(line(amended, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    said = [event for event in await announced(register) if event.data["identifier"] == "GB-NHS-5LA"]
    assert facts(said) == [(OrganisationRegistered, 1), (OrganisationAmended, 2), (OrganisationClosed, 3)]
    assert {event.subject for event in said} == {str(said[0].data["organisation_id"])}
    said_like_golden(said[0])
    for event in said[1:]:
        golden = sample(event.fact).data
        different = {name for name in golden if _kept(name, event.data[name]) != _kept(name, golden[name])}
        # The house's list has no kind "partner", as the sample has.
        assert different == {"kinds"}


async def test_a_contact_is_said_as_in_the_golden_samples(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER))
    await bring(line(TRUST, OFFICER, contact_withdrawn_on="2013-03-31"))
    said = [event for event in await announced(register) if "contact_id" in event.data]
    assert facts(said) == [(ContactListed, 1), (ContactWithdrawn, 2)]
    for event in said:
        said_like_golden(event)
    assert said[1].data["address"] is None


async def test_a_contact_who_is_withdrawn_from_the_start_has_no_address(
    bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER, contact_withdrawn_on="2013-03-31"))
    assert facts(await announced(register)) == [(OrganisationRegistered, 1), (ContactWithdrawn, 1)]


async def test_no_name_or_address_leaves_in_clear(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER), line(TRUST, OFFICER, POSTAL, contact_name="Second Marker"))
    await bring(line(TRUST, OFFICER, contact_email="marker.other@trust.example"))
    async with register.reading() as tx:
        bodies = [bytes(row["body"]) for row in await tx.fetch("SELECT body FROM outbox")]
    assert len(bodies) == 4
    assert [body for body in bodies if b"marker" in body.lower() or b"W10 0XX" in body] == []


async def test_notifications_and_nobody_else_can_open_the_address(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER, POSTAL))
    sealed = (await announced(register))[-1].data["address"]
    folder = register.context.settings.keys_folder
    assert unseal(read_keys(folder, "notifications"), ContactListed, "address", sealed) == {
        "name": "Marker Zzyzxova",
        "email": "marker.zzyzxova@trust.example",
        "postal_address": ["Marker House", "1 Markerstone Road"],
        "postcode": "W10 0XX",
        "source": "marker-source, read on 12 October 2011",
    }
    for service in ("partners", "grants"):
        with pytest.raises(Unopenable):
            unseal(read_keys(folder, service), ContactListed, "address", sealed)


async def test_snapshots_repeat_the_present_state_in_pages(register: Database) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    before = await announced(register)
    pages = 0
    for announce in SNAPSHOTS.values():
        after: str | None = None
        while True:
            async with register.transaction() as tx:
                after = await announce(tx, after, 100)
            if after is None:
                break
            pages += 1
    repeated = (await announced(register))[len(before) :]
    assert pages == 2 + 3
    assert all(event.snapshot for event in repeated)
    assert {(event.subject, event.version) for event in repeated} == {(e.subject, e.version) for e in before}
    state = {event.subject: {**event.data, "address": None} for event in before}
    assert {event.subject: {**event.data, "address": None} for event in repeated} == state


async def test_a_snapshot_has_the_latest_version(bring: Bring, register: Database) -> None:
    await bring(line(TRUST))
    await bring(line(TRUST, closed_on="2013-03-31"))
    async with register.transaction() as tx:
        last = await SNAPSHOTS["organisations"](tx, None, 10)
        assert last is not None
        assert await SNAPSHOTS["organisations"](tx, last, 10) is None
    assert facts(await announced(register))[-1] == (OrganisationClosed, 2)
