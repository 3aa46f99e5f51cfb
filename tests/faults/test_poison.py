"""What nobody can use is parked with its reason, is in no log, and hinders neither neighbour nor process."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import amqp
import pytest

from contracts.catalogue import sample
from contracts.envelope import CONTENT_TYPE, encode
from contracts.grants import RegistrationsCounted
from contracts.notifications import ContributionPledged, LetterSent
from contracts.partners import ContactListed
from contracts.topology import GRANTS, INBOXES, NOTIFICATIONS, PARTNERS, SERVICES
from tests.faults.world import World, eventually
from tests.journeys.running import last_line_as_json

pytestmark = pytest.mark.timeout(400)

#: In every poison, and nowhere else: no log may hold it.
SECRET = "Nana Kvaratskhelia"


def altered(fact: Any, **changed: Any) -> bytes:
    """A sample event with an id of its own and something wrong with it."""
    document = json.loads(encode(sample(fact)))
    document |= {"id": str(uuid4()), "correlationid": SECRET}
    document["data"] |= changed.pop("data", {})
    return json.dumps(document | changed).encode()


def without(fact: Any, field: str) -> bytes:
    document = json.loads(altered(fact))
    del document["data"][field]
    return json.dumps(document).encode()


def poisons() -> Iterator[tuple[str, bytes, str, str]]:
    """For whom, the body, its content type, and the reason that it must be parked with."""
    sealed = {"address": SECRET, "contact_id": str(uuid4())}
    pledge = altered(ContributionPledged)
    pickled, version = "application/x-python-serialize", RegistrationsCounted.type().replace(".v1", ".v9")
    yield NOTIFICATIONS, f"\0not json {SECRET} {uuid4()}".encode(), CONTENT_TYPE, "not_json"
    yield NOTIFICATIONS, altered(RegistrationsCounted), f"{CONTENT_TYPE}; charset=utf-16", "wrong_charset"
    yield NOTIFICATIONS, altered(RegistrationsCounted), pickled, "unknown_content_type"
    yield NOTIFICATIONS, without(RegistrationsCounted, "count"), CONTENT_TYPE, "invalid_data"
    yield NOTIFICATIONS, altered(RegistrationsCounted, type=SECRET), CONTENT_TYPE, "unknown_type"
    yield NOTIFICATIONS, altered(RegistrationsCounted, type=version), CONTENT_TYPE, "unknown_type"
    yield NOTIFICATIONS, altered(ContactListed, data=sealed), CONTENT_TYPE, "handler_failed"
    amount = str(sample(ContributionPledged).data["amount"]["amount_pence"]).encode()
    yield GRANTS, pledge.replace(amount, b"NaN", 1), CONTENT_TYPE, "invalid_number"
    yield PARTNERS, altered(LetterSent, data={"organisation_id": str(uuid4())}), CONTENT_TYPE, "not_yet_known"


def put(
    world: World,
    service: str,
    body: bytes,
    content_type: str = CONTENT_TYPE,
    headers: Mapping[str, object] | None = None,
) -> None:
    """Put a message straight into a service's queue."""
    more = {"application_headers": dict(headers or {})}
    message = amqp.Message(body, content_type=content_type, delivery_mode=2, **more)
    with world.channel() as channel:
        channel.basic_publish(message, routing_key=INBOXES[service])


def parked_reasons(world: World) -> list[tuple[str, str]]:
    """The service and the reason of each message that is parked."""
    return sorted(
        (service, row["reason"])
        for service in SERVICES
        for row in world.select(service, "SELECT reason FROM parked")
    )


def discard(world: World, expected: Sequence[tuple[str, str]]) -> None:
    """What a person does with what is of no use: see what there is, and let go of it."""
    found = last_line_as_json(world.conduit("events", "parked", "--json").stdout)
    assert sorted((row["service"], row["reason"]) for row in found) == expected
    in_words = world.conduit("events", "parked").stdout
    assert [each for each in (", ,", "tried 1 times") if each in in_words] == []
    for service in {row["service"] for row in found}:
        ids = [row["id"] for row in found if row["service"] == service]
        assert world.conduit("events", "discard", service, *ids).returncode == 0
    assert parked_reasons(world) == []


def test_poison_is_parked_with_its_reason_and_its_neighbours_are_handled(three_processes: World) -> None:
    world, before = three_processes, three_processes.ends()
    world.all_promises_are_kept()
    for process in world.processes:  # so that poison and neighbours come in one batch
        assert process.stop() == 0
    sent = list(poisons())
    for service, body, content_type, _ in sent:
        put(world, service, body, content_type)
    world.amend()
    world.register()
    for process in world.processes:
        process.start()
    for process in world.processes:
        process.wait_until_ready()
    expected = sorted((service, reason) for service, _, _, reason in sent)
    eventually(lambda: parked_reasons(world) == expected, lambda: f"parked is {parked_reasons(world)}")
    world.ask()
    discard(world, expected)
    world.all_promises_are_kept()
    assert not [service for service in SERVICES if SECRET in world.log(service)]
    assert world.ends() == before, "a process was restarted"


def test_what_was_said_before_has_no_second_effect_and_its_id_is_no_cover(three_processes: World) -> None:
    """The same message again, with a header that nameko would die of; and another body under its id."""
    world, before = three_processes, three_processes.ends()
    world.register()
    world.all_promises_are_kept()
    newest = "SELECT body FROM outbox WHERE type = $1 ORDER BY recorded_at DESC LIMIT 1"
    body = bytes(world.select(GRANTS, newest, RegistrationsCounted.type())[0]["body"])
    document = json.loads(body)
    forged = {**document, "sequence": document["sequence"] + 1, "data": document["data"] | {"count": 0}}
    put(world, NOTIFICATIONS, body, headers={"nameko.call_id_stack": 12345})
    put(world, NOTIFICATIONS, body)
    put(world, NOTIFICATIONS, json.dumps(forged | {"correlationid": SECRET}).encode())
    expected = [(NOTIFICATIONS, "id_reused")]
    eventually(lambda: parked_reasons(world) == expected, lambda: f"parked is {parked_reasons(world)}")
    discard(world, expected)
    world.all_promises_are_kept()
    assert SECRET not in world.log(NOTIFICATIONS)
    assert world.ends() == before, "a process was restarted"
