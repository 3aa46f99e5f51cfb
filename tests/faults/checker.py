"""One look at everything that must hold once things are quiet, whatever was killed before.

It reads the services' own databases, the broker's queues and what the recording mail server accepted, and
answers with sentences: one for each promise that was broken, none when all were kept.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

import asyncpg

from chassis.declare import waiting
from contracts.catalogue import FACTS
from contracts.envelope import Event, decode
from contracts.notifications import (
    ContributionPledged,
    LetterAcknowledged,
    LetterAnswered,
    LetterFailed,
    LetterSent,
)
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.installation import Installation

Row = Mapping[str, Any]

#: How much is on its way.
_WAITING = (
    "SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS pending,"
    " (SELECT count(*) FROM parked WHERE next_try IS NOT NULL) AS tried"
)

#: What stands in the databases, by service and table.
_LOOKS = {
    "outbox": "SELECT id, body FROM outbox",
    "inbox": "SELECT id, type, outcome FROM inbox",
    "parked": "SELECT id, reason FROM parked",
    "twice": (
        "SELECT what, about, count(*) AS times FROM effects_counted GROUP BY what, about HAVING count(*) > 1"
    ),
}

#: Where each subscriber's handlers write. They write so that a second time changes nothing, so the attempts
#: are counted: this trigger fires also for a row that is then left as it is, and counts what was committed.
_EFFECTS = {
    PARTNERS: ("timeline",),
    GRANTS: ("organisations", "pledges"),
    NOTIFICATIONS: ("organisations", "contacts", "registration_counts"),
}
_COUNTING = """
CREATE TABLE effects_counted (what text NOT NULL, about text NOT NULL);
CREATE FUNCTION count_effect() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE written jsonb := to_jsonb(NEW);
BEGIN
    INSERT INTO effects_counted VALUES (TG_TABLE_NAME, concat_ws(' ', written->>'id', written->>'area',
        written->>'profession', written->>'epoch', written->>'version'));
    RETURN NEW;
END $$;
GRANT SELECT, INSERT ON effects_counted TO PUBLIC;
"""
_COUNTED = "CREATE TRIGGER count_effect BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION count_effect();"
_COPIED_BODY = "name, kinds, areas, closed_on, successor_id, handed_over, merged_into"
_COPIED_CONTACT = "organisation_id, role, channel, listed_on, withdrawn_on"
_COPIED_COUNT = "area || '/' || profession AS id, count, counted_on, version"
_ADDRESS = "name, email, postal_address, postcode, source"
#: What a reader may know of an address: nothing of a contact that was withdrawn.
_OPEN_ADDRESS = ", ".join(
    f"CASE WHEN withdrawn_on IS NULL THEN {column} END AS {column}" for column in _ADDRESS.split(", ")
)
_OWN_LOOKS = {
    PARTNERS: {
        "organisations": f"SELECT id, {_COPIED_BODY}, version FROM organisations",
        "contacts": f"SELECT id, {_COPIED_CONTACT}, {_OPEN_ADDRESS}, version FROM contacts",
        "timeline": "SELECT id, kind, organisation_id FROM timeline",
        "people": "SELECT id, organisation_id FROM people",
        "heads": "SELECT service || '/' || week AS id FROM chain_heads WHERE service <> 'partners'",
    },
    GRANTS: {
        "organisations": "SELECT id, name, closed_on, merged_into, version FROM organisations",
        "registration_counts": f"SELECT {_COPIED_COUNT} FROM registration_counts",
        "registrations": (
            "SELECT area || '/' || profession AS id, count(*) AS count FROM registrations GROUP BY 1"
        ),
        "pledges": "SELECT id, organisation_id FROM pledges",
        "told": "SELECT 'grants/' || week AS id FROM audit_heads",
    },
    NOTIFICATIONS: {
        "organisations": f"SELECT id, {_COPIED_BODY}, version FROM organisations",
        "contacts": f"SELECT id, {_COPIED_CONTACT}, {_ADDRESS}, version FROM contacts",
        "registration_counts": f"SELECT {_COPIED_COUNT} FROM registration_counts",
        "letters": "SELECT id, state, message_id, organisation_id, contact_id FROM letters",
        "chasers": "SELECT id, state, message_id FROM chasers",
        "answers": "SELECT id, letter_id, kind, confirmed_at FROM answers",
        "told": "SELECT 'notifications/' || week AS id FROM audit_heads",
    },
}

#: How far the audit of a service goes, which it tells once a week.
_HEAD = "chain_head_told"
#: How a service is, which is kept beside what was heard last and not as a line of anybody's history.
_REPORT = "service_reported"

#: What partners notes of its own acts, and not because of an event.
_DONE_HERE = {"merged", "closed", "reopened"}

#: States of a letter that nobody works on any more.
_SETTLED = {"draft", "blocked", "sent", "failed", "unknown", "withheld"}


class Found:
    """Everything that was read, from every service at one time."""

    def __init__(self, tables: Mapping[str, Mapping[str, list[Row]]], handed_over: Counter[str]) -> None:
        self._tables = tables
        #: How often the mail server accepted which Message-ID.
        self.handed_over = handed_over
        self.announced = {
            service: [_decoded(row["body"]) for row in self.rows(service, "outbox")] for service in SERVICES
        }
        self._heard: dict[str, dict[UUID, Event]] = {service: {} for service in SERVICES}
        for event in chain.from_iterable(self.announced.values()):
            for service in event.fact.SUBSCRIBERS:
                self._heard[service][event.id] = event

    def rows(self, service: str, table: str) -> list[Row]:
        return self._tables[service][table]

    def ids(self, service: str, table: str) -> set[UUID]:
        return {row["id"] for row in self.rows(service, table)}

    def heard(self, service: str) -> dict[UUID, Event]:
        """What a subscriber must have heard of."""
        return self._heard[service]


@cache
def _decoded(body: bytes) -> Event:
    """What is announced never changes, and is looked at again and again."""
    return decode(body, FACTS)


def count_effects(installation: Installation) -> None:
    """Prepare the databases, before the services do anything, so that an effect that came twice is seen."""

    async def prepare() -> None:
        for service, url in installation.owner_urls().items():
            connection = await asyncpg.connect(url)
            try:
                await connection.execute(_COUNTING + "".join(map(_COUNTED.format, _EFFECTS[service])))
            finally:
                await connection.close()

    asyncio.run(prepare())


def broken_promises(installation: Installation, mail: list[bytes], amqp_url: str = "") -> list[str]:
    """What does not hold, in sentences. While something is on its way, only that.

    Args:
        mail: every message that the mail server has accepted.
        amqp_url: the broker, where there is one.
    """
    if waits := [*_what_waits(installation, amqp_url)]:
        return waits
    found = Found(asyncio.run(_read(installation)), Counter(map(_message_id, mail)))
    broken = [
        *_what_was_not_handled_once(found),
        *_what_had_no_effect(found),
        *_what_had_its_effect_twice(found),
        *_what_was_not_announced(found),
        *_what_differs_from_its_owner(found),
        *_what_went_wrong_with_letters(found),
        *_what_points_to_nothing(found),
    ]
    return sorted(broken)


async def _read(installation: Installation) -> dict[str, dict[str, list[Row]]]:
    """One consistent look at each database."""
    return {
        service: await _looked_at(url, _LOOKS | _OWN_LOOKS[service])
        for service, url in installation.urls().items()
    }


async def _looked_at(url: str, looks: Mapping[str, str]) -> dict[str, list[Row]]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {name: [*map(dict, await connection.fetch(look))] for name, look in looks.items()}
    finally:
        await connection.close()


def _message_id(raw: bytes) -> str:
    for line in raw.partition(b"\r\n\r\n")[0].splitlines():
        if line.lower().startswith(b"message-id:"):
            return line.partition(b":")[2].strip().decode()
    return "a message without an id"


def _what_waits(installation: Installation, amqp_url: str) -> Iterator[str]:
    for service, url in installation.urls().items():
        [row] = asyncio.run(_looked_at(url, {"waiting": _WAITING}))["waiting"]
        if row["pending"]:
            yield f"{service}: {row['pending']} events are not published"
        if row["tried"]:
            yield f"{service}: {row['tried']} parked events are still tried"
    for queue, (number, _) in waiting(amqp_url).items() if amqp_url else ():
        if number:
            yield f"{queue}: {number} messages in the queue"


def _what_was_not_handled_once(found: Found) -> Iterator[str]:
    for service in SERVICES:
        outcomes = {row["id"]: row["outcome"] for row in found.rows(service, "inbox")}
        parked = {row["id"]: row["reason"] for row in found.rows(service, "parked")}
        heard = found.heard(service)
        for id, event in heard.items():
            outcome = outcomes.get(id, "never received")
            if outcome not in ("handled", "ignored", "discarded") and not (
                outcome == "parked" and parked.get(id)
            ):
                yield f"{service}: {event.fact.type()} is {outcome}"
        for id in set(parked) - {id for id, outcome in outcomes.items() if outcome == "parked"}:
            yield f"{service}: parked as {parked[id]}, which the inbox does not know"
        discarded = {id for id, outcome in outcomes.items() if outcome == "discarded"}
        if unknown := set(outcomes) - set(heard) - set(parked) - discarded:
            yield f"{service}: {len(unknown)} events received that nobody announced"


def _what_had_no_effect(found: Found) -> Iterator[str]:
    """Reactions leave one row for each event: a row too many is as wrong as a row too few."""
    handled = {
        service: {row["id"] for row in found.rows(service, "inbox") if row["outcome"] == "handled"}
        for service in (PARTNERS, GRANTS)
    }
    heads = {
        id: event.subject
        for id, event in found.heard(PARTNERS).items()
        if event.fact.NAME == _HEAD and id in handled[PARTNERS]
    }
    if set(heads.values()) != {row["id"] for row in found.rows(PARTNERS, "heads")}:
        yield "partners: the heads of chains differ from those it has heard of"
    noted = {row["id"] for row in found.rows(PARTNERS, "timeline") if row["kind"] not in _DONE_HERE}
    reports = {id for id, event in found.heard(PARTNERS).items() if event.fact.NAME == _REPORT}
    wanted = handled[PARTNERS] - set(heads) - reports
    if noted != wanted:
        missing, extra = len(wanted - noted), len(noted - wanted)
        yield f"partners: {missing} handled events are not noted, {extra} notes belong to none"
    pledged = {
        UUID(event.subject)
        for id, event in found.heard(GRANTS).items()
        if event.fact.NAME == "contribution_pledged" and id in handled[GRANTS]
    }
    if pledged != found.ids(GRANTS, "pledges"):
        yield "grants: the pledges differ from those it has heard of"


def _what_had_its_effect_twice(found: Found) -> Iterator[str]:
    """A version may be written as often as it was announced: again only as a snapshot, for a copy."""
    for service in SERVICES:
        said = Counter(map(_version_said, found.heard(service).values()))
        for row in found.rows(service, "twice"):
            if row["times"] > said[row["about"]]:
                yield f"{service}: an event was written into {row['what']} {row['times']} times"


def _version_said(event: Event) -> str:
    """As the trigger that counts notes it."""
    return " ".join([*event.subject.split("/"), str(event.epoch), str(event.sequence)])


def _what_was_not_announced(found: Found) -> Iterator[str]:
    """State and announcement commit together: the newest version of everything owned was announced."""
    for service, table in (
        (PARTNERS, "organisations"),
        (PARTNERS, "contacts"),
        (GRANTS, "registration_counts"),
    ):
        newest: dict[str, int] = {}
        for event in found.announced[service]:
            newest[event.subject] = max(event.sequence, newest.get(event.subject, 0))
        for row in found.rows(service, table):
            if (said := newest.get(str(row["id"]))) != row["version"]:
                yield f"{service}: a row of {table} is at {row['version']} and was announced at {said}"
    for service in (GRANTS, NOTIFICATIONS):
        heads = Counter(event.subject for event in found.announced[service] if event.fact.NAME == _HEAD)
        if heads != Counter(row["id"] for row in found.rows(service, "told")):
            yield f"{service}: the heads that were announced are not those that were noted, once each"
    letters, answers = found.rows(NOTIFICATIONS, "letters"), found.rows(NOTIFICATIONS, "answers")
    for fact, abouts in (
        (LetterSent, [row["id"] for row in letters if row["state"] == "sent"]),
        (LetterFailed, [row["id"] for row in letters if row["state"] == "failed"]),
        (LetterAcknowledged, [row["letter_id"] for row in answers if row["kind"] == "acknowledge"]),
        (LetterAnswered, [row["letter_id"] for row in answers if row["kind"] != "acknowledge"]),
        (ContributionPledged, [row["id"] for row in answers if row["confirmed_at"]]),
    ):
        told = Counter(UUID(event.subject) for event in found.announced[NOTIFICATIONS] if event.fact is fact)
        if told != Counter(abouts):
            yield f"notifications: {len(abouts)} times {fact.NAME}, announced {told.total()} times"


def _what_differs_from_its_owner(found: Found) -> Iterator[str]:
    for owner, table, reader in (
        (PARTNERS, "organisations", NOTIFICATIONS),
        (PARTNERS, "contacts", NOTIFICATIONS),
        (GRANTS, "registration_counts", NOTIFICATIONS),
    ):
        if _by_id(found.rows(owner, table)) != _by_id(found.rows(reader, table)):
            yield f"{reader}: its copy of {table} differs from what {owner} has"
    names = {row["id"]: _named(row) for row in found.rows(PARTNERS, "organisations")}
    if names != {row["id"]: _named(row) for row in found.rows(GRANTS, "organisations")}:
        yield "grants: its copy of organisations differs from what partners has"
    people = {row["id"]: row["count"] for row in found.rows(GRANTS, "registrations")}
    if people != {
        row["id"]: row["count"] for row in found.rows(GRANTS, "registration_counts") if row["count"]
    }:
        yield "grants: the counts differ from the registrations"


def _named(row: Row) -> tuple[Any, ...]:
    return (row["name"], row["closed_on"], row["merged_into"])


def _by_id(rows: list[Row]) -> dict[Any, tuple[Any, ...]]:
    return {row["id"]: tuple(row.values()) for row in rows}


def _what_went_wrong_with_letters(found: Found) -> Iterator[str]:
    letters = [*found.rows(NOTIFICATIONS, "letters"), *found.rows(NOTIFICATIONS, "chasers")]
    for row in letters:
        times, state = found.handed_over[row["message_id"]], row["state"]
        if state not in _SETTLED:
            yield f"notifications: a letter is still {state}"
        allowed = {"sent": {1}, "unknown": {0, 1}}.get(state, {0} if state in _SETTLED else {0, 1})
        if times not in allowed:
            yield f"notifications: a letter that is {state} was handed over {times} times"
    if strange := set(found.handed_over) - {row["message_id"] for row in letters}:
        yield f"notifications: {len(strange)} messages handed over that are no letters"


def _what_points_to_nothing(found: Found) -> Iterator[str]:
    """Whatever belongs to a body belongs to one that is there: after a merge, to the entry that stays."""
    for service, tables in (
        (PARTNERS, ("timeline", "people", "contacts")),
        (NOTIFICATIONS, ("letters",)),
    ):
        there = {row["id"] for row in found.rows(service, "organisations") if row["merged_into"] is None}
        for table in tables:
            # A contact who was withdrawn stays where they were: the same person is at the other entry.
            rows = (row for row in found.rows(service, table) if not row.get("withdrawn_on"))
            if lost := sum(row["organisation_id"] not in there for row in rows):
                yield f"{service}: {lost} rows of {table} point to a body that is not there"
    contacts = found.ids(NOTIFICATIONS, "contacts")
    if lost := sum(row["contact_id"] not in contacts for row in found.rows(NOTIFICATIONS, "letters")):
        yield f"notifications: {lost} letters are to contacts that are not there"
    bodies = found.rows(GRANTS, "organisations")
    known = {row["id"] for row in bodies if row["merged_into"] in {None, *(each["id"] for each in bodies)}}
    if lost := sum(row["organisation_id"] not in known for row in found.rows(GRANTS, "pledges")):
        yield f"grants: {lost} pledges are of bodies that are not there"
