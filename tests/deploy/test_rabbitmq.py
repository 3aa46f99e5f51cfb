"""The broker's definitions, loaded into a real broker: who may do what there."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import amqp
import pytest

from chassis.declare import declare, verify
from chassis.definitions import ADMINISTRATOR, USERS, VIRTUAL_HOST, as_text, definitions, digest, user_of
from chassis.testing import LOOPBACK, PrivateRabbitMQ, memory_folder
from contracts.grants import RegistrationsCounted
from contracts.topology import DEAD_LETTERS, EXCHANGES, GRANTS, INBOXES, PARTNERS, SERVICES, inbox_of

ROOT = Path(__file__).parents[2]


class Loading(PrivateRabbitMQ):
    """A broker with the settings of containers, but for the paths; it knows its users from its start on."""

    def _write_settings(self) -> None:
        super()._write_settings()
        file = self.directory / "definitions.json"
        file.write_text(as_text(definitions({user: digest(user[::-1]) for user in USERS})))
        settings = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
        assert "load_definitions = /run/secrets/rabbitmq-definitions.json\n" in settings
        with (self.directory / "rabbitmq.conf").open("a") as kept:
            kept.write(settings.replace("/run/secrets/rabbitmq-definitions.json", str(file)))


@pytest.fixture(scope="module")
def loaded() -> Iterator[PrivateRabbitMQ]:
    """A broker that has loaded the definitions. The password of each user is its name, backwards."""
    with Loading(memory_folder()) as server:
        yield server


def address(broker: PrivateRabbitMQ, user: str) -> str:
    return broker.url_for(user, user[::-1], VIRTUAL_HOST)


@contextmanager
def channel_of(broker: PrivateRabbitMQ, user: str, password: str = "") -> Iterator[Any]:
    credentials = {"userid": user, "password": password or user[::-1], "virtual_host": VIRTUAL_HOST}
    with (
        amqp.Connection(f"{LOOPBACK}:{broker.port}", **credentials) as connection,
        closing(connection.channel()) as channel,
    ):
        channel.confirm_select()
        yield channel


def publish(channel: Any, exchange: str, key: str) -> None:
    channel.basic_publish_confirm(amqp.Message(b"x"), exchange=exchange, routing_key=key, confirm_timeout=5)


def test_a_service_writes_to_its_own_exchange_and_reads_its_own_queues(loaded: PrivateRabbitMQ) -> None:
    for service in SERVICES:
        with channel_of(loaded, user_of(service)) as channel:
            publish(channel, EXCHANGES[service], RegistrationsCounted.type())
            for own in (INBOXES[service], DEAD_LETTERS[service]):
                channel.basic_get(own)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_does_nothing_else(loaded: PrivateRabbitMQ, service: str) -> None:
    """What one that was taken over would try."""
    forbidden: list[Callable[[Any], object]] = [
        lambda channel: publish(channel, "", INBOXES[GRANTS]),
        lambda channel: publish(channel, "amq.topic", "x"),
        lambda channel: channel.queue_bind(INBOXES[service], EXCHANGES[GRANTS], "#"),
        lambda channel: channel.queue_declare("mine", durable=True, auto_delete=False),
        lambda channel: channel.queue_purge(INBOXES[other_than(service)]),
        lambda channel: channel.queue_delete(INBOXES[service]),
        lambda channel: channel.exchange_declare("mine", "topic"),
        lambda channel: channel.exchange_delete(EXCHANGES[service]),
    ]
    for other in {*SERVICES} - {service}:
        forbidden += [
            partial(publish, exchange=EXCHANGES[other], key=RegistrationsCounted.type()),
            methodcaller("basic_get", INBOXES[other]),
            methodcaller("basic_consume", INBOXES[other], callback=print),
            methodcaller("basic_get", DEAD_LETTERS[other]),
        ]
    for attempt in forbidden:
        with pytest.raises(amqp.AccessRefused), channel_of(loaded, user_of(service)) as channel:
            attempt(channel)
    with (
        pytest.raises(amqp.NotAllowed),
        amqp.Connection(
            f"{LOOPBACK}:{loaded.port}", userid=user_of(service), password=user_of(service)[::-1]
        ),
    ):
        pass


def other_than(service: str) -> str:
    return GRANTS if service == PARTNERS else PARTNERS


def test_nobody_signs_in_by_what_lies_in_the_tree(loaded: PrivateRabbitMQ, tmp_path: Path) -> None:
    """Nor as the user that RabbitMQ comes with, whom everybody knows."""
    file = tmp_path / "definitions.json"
    file.write_text(as_text(definitions()).replace("conduit", "nobody"))
    loaded.control("import_definitions", str(file))
    tries = [("guest", "guest"), *(("nobody_partners", each) for each in ("", "nobody_partners"))]
    for user, password in tries:
        host = VIRTUAL_HOST if user == "guest" else "nobody"
        server = f"{LOOPBACK}:{loaded.port}"
        with (
            pytest.raises(amqp.AccessRefused),
            amqp.Connection(server, userid=user, password=password, virtual_host=host),
        ):
            pass


def test_the_definitions_are_what_the_command_declares(loaded: PrivateRabbitMQ) -> None:
    """Loaded or declared: the same exchanges, queues, arguments and bindings, and either may come second."""
    administrator = address(loaded, ADMINISTRATOR)
    assert verify(administrator) == 2 * len(SERVICES)
    declare(administrator)
    loaded.control("add_vhost", "declared")
    loaded.control("set_permissions", "-p", "declared", ADMINISTRATOR, ".*", ".*", ".*")
    declare(loaded.url_for(ADMINISTRATOR, ADMINISTRATOR[::-1], "declared"))
    theirs = VIRTUAL_HOST, "declared"
    for what in (
        ("list_exchanges", "name", "type", "durable", "auto_delete"),
        ("list_queues", "name", "durable", "auto_delete", "arguments"),
        ("list_bindings", "source_name", "destination_name", "routing_key", "arguments"),
    ):
        assert _told(loaded, theirs[0], what) == _told(loaded, theirs[1], what)


def _told(broker: PrivateRabbitMQ, virtual_host: str, what: tuple[str, ...]) -> list[Any]:
    rows = json.loads(broker.control(what[0], "-p", virtual_host, "--formatter", "json", *what[1:]))
    for row in rows:
        # Their order, and of which size of integers they are, depends on who declared them.
        row["arguments"] = {name: value for name, _, value in row.get("arguments", ())}
    return sorted(rows, key=str)


def test_every_queue_is_bounded_by_the_policy(loaded: PrivateRabbitMQ) -> None:
    """The policy comes on top of the arguments, which are in the queue for good."""
    rows = _told(loaded, VIRTUAL_HOST, ("list_queues", "name", "policy", "type"))
    assert {row["name"] for row in rows} == {*INBOXES.values(), *DEAD_LETTERS.values()}
    assert {(row["policy"], row["type"]) for row in rows} == {("conduit", "quorum")}


def test_the_definitions_use_nothing_that_newer_brokers_refuse() -> None:
    """RabbitMQ 4 knows no mirrored queues and no transient ones that several may use."""
    document = definitions()
    assert all(queue["durable"] and not queue["auto_delete"] for queue in document["queues"])
    assert {queue["arguments"]["x-queue-type"] for queue in document["queues"]} == {"quorum"}
    assert not any("ha-" in json.dumps(policy) for policy in document["policies"])
    assert inbox_of(PARTNERS).arguments["x-delivery-limit"] == 1000
