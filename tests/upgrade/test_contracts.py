"""What earlier releases said is still handled, and what this code says is still understood by them."""

import json
from importlib import import_module
from typing import Any

import pytest

from chassis.database import Database
from chassis.inbox import Inbox
from chassis.transports import Delivery
from contracts.catalogue import FACTS, sample_file
from contracts.envelope import Undecodable, decode
from contracts.shapes import breaking_changes, shape_of
from contracts.topology import NOTIFICATIONS, PARTNERS, SERVICES
from tests.conftest import MakeDatabase
from tests.upgrade.readers import reader
from tests.upgrade.releases import Release

#: What a service must have itself before it can hear more of it: there, samples speak of one that it has.
_ITS_OWN = {
    PARTNERS: {
        "organisation_id": "SELECT id FROM organisations WHERE closed_on IS NULL ORDER BY id LIMIT 1",
        "person_id": "SELECT id FROM people ORDER BY id LIMIT 1",
    },
    NOTIFICATIONS: {
        "letter_id": "SELECT id FROM letters WHERE state = 'sent' ORDER BY id LIMIT 1",
        "suggestion_id": "SELECT id FROM contacts WHERE name IS NOT NULL ORDER BY id LIMIT 1",
    },
}

_REQUEST = """
DELETE FROM rights_answers; DELETE FROM rights_findings; DELETE FROM rights_requests;
INSERT INTO rights_requests (id, kind, state, asked_at, due_on, changed_at)
VALUES ('{{request_id}}', '{}', '{}', now(), now(), now());
"""
_SUGGESTION = """
INSERT INTO answers (id, letter_id, kind, at) VALUES ('{suggestion_id}', '{letter_id}', 'pass_on', now());
INSERT INTO suggestions (id, answer_id, letter_id, name, role, email, made_at)
VALUES ('{suggestion_id}', '{suggestion_id}', '{letter_id}', 'Jo', 'Director', 'jo@body.example', now());
"""

#: What a service has asked or waits for when it hears the answer.
_WAITING_FOR = {
    "person_data_gathered": _REQUEST.format("export", "gathering"),
    "erasure_answered": _REQUEST.format("erasure", "asking"),
    "person_scrubbed": _REQUEST.format("erasure", "erasing"),
    "contact_suggestion_settled": _SUGGESTION,
}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_sample_of_an_earlier_release_has_its_effect(
    release: Release, make_migrated: MakeDatabase, service: str
) -> None:
    database = await make_migrated(service)
    inbox = Inbox(database, import_module(f"services.{service}.handlers").SUBSCRIPTIONS)
    heard = [type_ for type_, shape in release.shapes.items() if service in shape["subscribers"]]
    assert len(heard) > 15
    quiet = set()
    for number, type_ in enumerate(sorted(heard, key=lambda type_: str(release.samples[type_]["time"]))):
        sample = await about_its_own(database, release.samples[type_])
        async with database.transaction() as tx:
            await tx.execute(_WAITING_FOR.get(type_.split(".")[1], "SELECT").format(**sample["data"]))
        before = await contents(database)
        # Newer than whatever else tells of the same.
        await inbox.take([Delivery(body=json.dumps({**sample, "sequence": 10_000 + number}).encode())])
        if await contents(database) == before:
            quiet.add(type_)
    async with database.reading() as tx:
        parked = await tx.fetch("SELECT type, reason, failure FROM parked")
    assert [tuple(row) for row in parked] == []
    assert quiet == set()


async def about_its_own(database: Database, sample: dict[str, Any]) -> dict[str, Any]:
    """A sample that speaks of what the service has, where it must have it."""
    for name, look in _ITS_OWN.get(database.context.service, {}).items():
        if spoken_of := sample["data"].get(name):
            async with database.reading() as tx:
                its_own = str(await tx.fetchval(look))
            sample = json.loads(json.dumps(sample).replace(spoken_of, its_own))
    return sample


async def contents(database: Database) -> dict[str, str]:
    """A digest of every table, but for what says that something was received."""
    async with database.reading() as tx:
        tables = await tx.fetch(
            "SELECT relname FROM pg_stat_user_tables WHERE relname NOT IN ('inbox', 'parked')"
        )
        digest = "SELECT '{0}' AS name, md5(string_agg(t::text, '' ORDER BY t::text)) AS digest FROM {0} AS t"
        rows = await tx.fetch(" UNION ALL ".join(digest.format(row["relname"]) for row in tables))
    return {row["name"]: row["digest"] for row in rows}


def test_every_sample_of_today_is_understood_by_earlier_readers(release: Release) -> None:
    """Readers of that day bind what there was then, and ignore what has come since."""
    refused = {}
    for type_, shape in release.shapes.items():
        today = json.loads(sample_file(FACTS[type_]).read_bytes())
        today["data"]["a_field_to_come"] = {"of": ["a", "later", "release"]}
        old = reader(type_, shape)
        try:
            event = decode(json.dumps(today).encode(), {type_: old})
        except Undecodable as cannot:
            refused[type_] = str(cannot)
        else:
            assert "a_field_to_come" not in event.data
            assert set(event.data) >= {name for name, each in shape["fields"].items() if each["required"]}
    assert refused == {}


def test_a_reader_is_what_its_shape_says(release: Release) -> None:
    """Which shows that the readers made here refuse what the code of that day refused."""
    for type_, shape in release.shapes.items():
        made = reader(type_, shape)
        made.SUBSCRIBERS = tuple(shape["subscribers"])
        assert shape_of(made) == shape


def test_nothing_that_a_supported_release_relies_on_has_changed(release: Release) -> None:
    today = {type_: shape_of(fact) for type_, fact in FACTS.items()}
    assert breaking_changes(release.shapes, today) == []
