"""RabbitMQ: what is announced arrives once, whatever the broker, the network or a crash does in between.

The hosts use a user as weak as the services' own: it may declare nothing.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import amqp
import pytest

from chassis.clock import real_now
from chassis.declare import QueueDiffers, declare, verify, waiting
from chassis.testing import LOOPBACK, PrivateRabbitMQ, RawProxy, eventually
from chassis.transports import sign_of_life
from contracts.catalogue import sample
from contracts.envelope import CONTENT_TYPE, Event, encode
from contracts.grants import RegistrationsCounted
from contracts.topology import (
    DEAD_LETTERS,
    EXCHANGES,
    GRANTS,
    INBOXES,
    NOTIFICATIONS,
    PARTNERS,
    SERVICES,
    canary_key,
)
from tests.chassis.conftest import (
    HOSTED,
    PATIENCE,
    Databases,
    Host,
    MakeDatabases,
    becomes,
    begun,
    heard,
    lives,
    signs_are_no_events,
)

INBOX = INBOXES[NOTIFICATIONS]
COUNTED = RegistrationsCounted.type()


@pytest.fixture(scope="module")
def user(broker: PrivateRabbitMQ) -> str:
    """The address of a user who may write and read what is its own, and nothing else."""
    broker.control("add_user", "hosted", "secret")
    broker.control(
        "set_permissions",
        "hosted",
        "^$",
        r"^(partners|grants|notifications)\.events$",
        r"^(partners|grants|notifications)\.(inbox|dead)$",
    )
    return broker.url_for("hosted", "secret")


@pytest.fixture(scope="module")
def host(
    user: str, make_databases: MakeDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Both services in one process, on the broker. Tests leave it running and its queues empty."""
    with Host(tmp_path_factory.mktemp("host"), make_databases(), amqp_url=user) as running:
        yield running


@pytest.fixture
def databases(host: Host) -> Databases:
    host.databases.clear()
    return host.databases


@contextmanager
def channel_of(broker: PrivateRabbitMQ) -> Iterator[Any]:
    """An administrator's channel."""
    with amqp.Connection(f"{LOOPBACK}:{broker.port}") as connection, closing(connection.channel()) as channel:
        channel.auto_decode = False
        yield channel


def put(broker: PrivateRabbitMQ, queue: str, body: bytes, **properties: Any) -> None:
    """Put a message straight into a queue, as somebody who does not play by the rules."""
    with channel_of(broker) as channel:
        message = amqp.Message(body, **{"content_type": CONTENT_TYPE, "delivery_mode": 2} | properties)
        channel.basic_publish(message, routing_key=queue)


def event(id: int, subject: str) -> bytes:
    """What a well-meaning publisher would send."""
    golden = sample(RegistrationsCounted)
    return encode(
        Event(
            fact=golden.fact, id=UUID(int=id), subject=subject, time=golden.time, data=golden.data, sequence=1
        )
    )


def drained(broker: PrivateRabbitMQ) -> None:
    """Wait until the broker holds nothing any more: everything was acknowledged."""
    ours = [names[service] for service in HOSTED for names in (INBOXES, DEAD_LETTERS)]
    becomes(lambda: [waiting(broker.url)[name][0] for name in ours], [0, 0, 0, 0])


def left(broker: PrivateRabbitMQ, queue: str) -> Iterator[str]:
    """The types of the messages in a queue, which stay there."""
    with channel_of(broker) as channel:
        while (message := channel.basic_get(queue)) is not None:
            yield message.properties["type"]


def gone(databases: Databases) -> None:
    """Wait until nothing is pending in the outbox."""
    becomes(databases.pending, [])


class TestPublishing:
    def test_what_is_confirmed_is_no_longer_pending(self, host: Host, databases: Databases) -> None:
        subjects = [f"area {number}" for number in range(450)]
        host.announce(*subjects)
        heard(databases, *subjects)
        gone(databases)

    def test_a_message_carries_what_the_contract_says(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        with channel_of(broker) as channel:
            queue = channel.queue_declare(exclusive=True).queue
            channel.queue_bind(queue, EXCHANGES[GRANTS], COUNTED)
            [id] = host.announce("seen")
            gone(databases)
            message = channel.basic_get(queue, no_ack=True)
        assert message.properties == {
            "content_type": CONTENT_TYPE,
            "delivery_mode": 2,
            "message_id": id,
            "type": COUNTED,
        }

    def test_an_unroutable_event_stays_pending_until_somebody_is_bound(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        with channel_of(broker) as channel:
            channel.queue_unbind(INBOX, EXCHANGES[GRANTS], COUNTED)
            host.announce("unroutable", "as well")
            becomes(databases.pending, ["no_queue_bound"] * 2)
        declare(broker.url)
        heard(databases, "unroutable", "as well")
        gone(databases)

    def test_an_event_that_nobody_expects_need_not_be_routed(self, host: Host, databases: Databases) -> None:
        host.announce("told to nobody", service=NOTIFICATIONS)
        becomes(lambda: databases.pending(NOTIFICATIONS), [])

    def test_a_queue_that_refuses_keeps_it_pending_and_the_others_get_their_copy_once(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        with channel_of(broker) as channel:
            queue = channel.queue_declare("full", exclusive=True, arguments=full).queue
            channel.queue_bind(queue, EXCHANGES[GRANTS], COUNTED)
            host.announce("fills it")
            gone(databases)
            host.announce("refused")
            heard(databases, "fills it", "refused")
            becomes(databases.pending, ["queue_refused"])
        gone(databases)
        heard(databases, "fills it", "refused")

    def test_two_publishers_share_a_connection_without_meeting(
        self, user: str, databases: Databases, tmp_path: Path
    ) -> None:
        """The canary and the relay: one owner at a time."""
        with Host(tmp_path, databases, amqp_url=user, watchdog=1) as busy:
            for number in range(12):
                busy.announce(*(f"turn {number}.{each}" for each in range(20)))
            heard(databases, *(f"turn {number}.{each}" for number in range(12) for each in range(20)))
            assert "publishing_failed" not in busy.log
            assert "simultaneous" not in busy.log


class TestConsuming:
    def test_takes_many_at_once_and_acknowledges_them(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        batches = 'conduit_event_batch_seconds_count{service="notifications"}'
        before = host.metric(batches)
        subjects = [f"many {number}" for number in range(400)]
        host.announce(*subjects)
        heard(databases, *subjects)
        assert host.metric(batches) - before <= 20
        drained(broker)

    def test_neighbours_of_what_nobody_can_read_are_handled(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        poison = [b"Jane Doe, 020 7946 0000", b"Jane Doe \xff\xfe", b'{"name": "Jane Doe"}', b""]
        put(broker, INBOX, event(1, "before"))
        for body in poison:
            put(broker, INBOX, body)
        put(broker, INBOX, b"\x80\x04Jane Doe", content_type="application/x-python-serialize")
        put(broker, INBOX, b"Jane Doe", content_type="application/json", content_encoding="gzip")
        put(broker, INBOX, event(2, "behind"))
        heard(databases, "before", "behind")
        becomes(lambda: len(databases.parked()), 6)
        kept = {bytes(body) for body in databases.fetch(NOTIFICATIONS, "SELECT body FROM parked")}
        assert kept == {*poison, b"\x80\x04Jane Doe", b"Jane Doe"}
        drained(broker)
        assert "Jane Doe" not in host.log
        assert "consuming_failed" not in host.log

    @pytest.mark.parametrize("value", [12345, "\x00", {"nested": ["table"]}])
    def test_headers_that_nameko_would_trip_over_are_not_looked_at(
        self, broker: PrivateRabbitMQ, databases: Databases, value: object
    ) -> None:
        names = ("nameko.call_id_stack", "nameko.language", "nameko.", "x-death")
        id = time.monotonic_ns()
        put(broker, INBOX, event(id, "odd headers"), application_headers=dict.fromkeys(names, value))
        heard(databases, "odd headers")
        drained(broker)

    def test_a_handler_that_raises_waits_before_it_is_tried_again(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        host.announce("fail again and again")
        becomes(databases.parked, ["handler_failed"])
        drained(broker)
        time.sleep(1)
        [attempts] = databases.fetch(NOTIFICATIONS, "SELECT attempts FROM parked")
        assert 1 <= attempts <= 8
        assert databases.effects() == []
        assert "Jane Doe" not in host.log

    def test_what_was_given_up_is_drained_from_the_dead_letters_and_parked(
        self, broker: PrivateRabbitMQ, databases: Databases
    ) -> None:
        put(broker, DEAD_LETTERS[NOTIFICATIONS], event(3, "given up"))
        becomes(databases.parked, ["dead_lettered"])
        assert databases.effects() == []
        drained(broker)

    @pytest.mark.parametrize("place", ["inbox.before_commit", "inbox.committed"])
    def test_what_a_killed_consumer_held_is_delivered_again_and_handled_once(
        self, user: str, host: Host, databases: Databases, broker: PrivateRabbitMQ, tmp_path: Path, place: str
    ) -> None:
        host.stop()
        with Host(tmp_path, databases, amqp_url=user, failpoints=f"{place}=kill") as doomed:
            doomed.announce("one", "two", "three")
            assert doomed.process.wait(timeout=PATIENCE) < 0
        host.start()
        heard(databases, "one", "two", "three")
        gone(databases)
        drained(broker)


class TestSignsOfLife:
    """One of partners takes the way of its events, into the queues of those who go by what it signs."""

    def send(self, broker: PrivateRabbitMQ, body: bytes | str = "") -> None:
        """Publish one as partners does: of this moment, or with another body."""
        sign = sign_of_life(PARTNERS)
        with channel_of(broker) as channel:
            message = amqp.Message(body or sign.body, content_type=CONTENT_TYPE, type=sign.type)
            channel.basic_publish(message, exchange=EXCHANGES[PARTNERS], routing_key=sign.type)

    def test_they_reach_those_who_hear_them_again_and_again(
        self,
        broker: PrivateRabbitMQ,
        user: str,
        host: Host,
        make_databases: MakeDatabases,
        tmp_path: Path,
    ) -> None:
        databases = make_databases()
        host.stop()
        with Host(tmp_path, databases, *SERVICES, amqp_url=user, silence=3) as everybody:
            began = databases.listening_since(PARTNERS)
            for service in HOSTED:
                lives(databases, service)
                lives(databases, service)
            signs_are_no_events(databases)
            assert databases.listening_since(PARTNERS) == began, "it does not hear itself"
            assert "publishing_failed" not in everybody.log
            assert not everybody.metric('conduit_timer_failures_total{name="canary",service="partners"}')
        host.start()
        drained(broker)

    def test_nobody_else_gives_one(self, broker: PrivateRabbitMQ, host: Host, databases: Databases) -> None:
        """Grants may write to its own exchange, and whatever it names there."""
        sign = sign_of_life(PARTNERS)
        with channel_of(broker) as channel:
            forged = amqp.Message(sign.body, content_type=CONTENT_TYPE, type=sign.type)
            channel.basic_publish(forged, exchange=EXCHANGES[GRANTS], routing_key=COUNTED)
        put(broker, DEAD_LETTERS[NOTIFICATIONS], sign.body, type=sign.type)
        becomes(databases.parked, ["not_json"])
        drained(broker)
        assert databases.heard_at() == []

    def test_one_that_could_not_be_sent_is_soon_sent_again(
        self, broker: PrivateRabbitMQ, user: str, host: Host, databases: Databases, tmp_path: Path
    ) -> None:
        """Its next turn would come after 20 seconds."""
        host.stop()
        broker.stop()
        with Host(tmp_path, databases, *SERVICES, amqp_url=user, silence=60, heartbeat=20) as early:
            eventually(
                lambda: "publishing_failed" in early.log, within=PATIENCE, otherwise="it was not tried"
            )
            broker.start()
            lives(databases, GRANTS)
        host.start()
        drained(broker)

    def test_what_was_said_before_it_is_in_before_it(
        self, broker: PrivateRabbitMQ, databases: Databases
    ) -> None:
        put(broker, INBOX, event(time.monotonic_ns(), "slow 1.5 said before"))
        self.send(broker)
        both = (
            "SELECT ARRAY[(SELECT count(*) FROM effects), "
            "(SELECT count(*) FROM signs_of_life WHERE service = 'partners')]"
        )
        seen: list[list[int]] = []
        while [1, 1] not in seen and len(seen) < 100:
            seen += databases.fetch(NOTIFICATIONS, both)
            time.sleep(0.1)
        assert [0, 0] in seen, "it was not slow"
        assert [0, 1] not in seen
        assert seen[-1] == [1, 1]

    def test_what_a_service_finds_when_it_comes_back_is_as_old_as_it_was_sent(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        host.stop()
        old = real_now() - timedelta(minutes=10)
        self.send(broker, old.isoformat())
        host.start()
        becomes(databases.heard_at, [old])
        drained(broker)

    def test_a_broken_one_is_let_go_of_and_its_neighbours_are_handled(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        put(broker, INBOX, event(time.monotonic_ns(), "before"))
        for body in (b"Jane Doe", b"Jane Doe \xff", "2026-11-25T12:00:00"):
            self.send(broker, body)
        put(broker, INBOX, event(time.monotonic_ns(), "behind"))
        heard(databases, "before", "behind")
        drained(broker)
        assert (databases.heard_at(), databases.parked()) == ([], [])
        assert "Jane Doe" not in host.log

    def test_where_it_was_declared_before_there_were_any_it_is_declared_again(
        self, broker: PrivateRabbitMQ, databases: Databases
    ) -> None:
        with channel_of(broker) as channel:
            channel.queue_unbind(INBOX, EXCHANGES[PARTNERS], canary_key(PARTNERS))
        self.send(broker)
        becomes(lambda: len(databases.heard_at(GRANTS)), 1)
        assert databases.heard_at(NOTIFICATIONS) == []
        declare(broker.url)
        declare(broker.url)
        self.send(broker)
        becomes(lambda: len(databases.heard_at(NOTIFICATIONS)), 1)


class TestTrouble:
    def test_a_broker_that_restarts_loses_and_doubles_nothing(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        host.announce("before the restart")
        broker.stop()
        host.announce("during the restart")
        becomes(lambda: set(databases.pending()), {"broker_away"})
        broker.start()
        host.announce("after the restart")
        heard(databases, "before the restart", "during the restart", "after the restart")
        gone(databases)
        assert host.process.poll() is None

    def test_a_broker_that_takes_no_messages_costs_a_bounded_wait(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        broker.control("set_vm_memory_high_watermark", "0")
        try:
            host.announce("under the alarm")
            becomes(databases.pending, ["not_confirmed"])
            becomes(lambda: host.metric('conduit_broker_blocked{service="grants"}'), 1)
        finally:
            broker.control("set_vm_memory_high_watermark", "absolute", "512MB")
        gone(databases)
        heard(databases, "under the alarm")
        becomes(lambda: host.metric('conduit_broker_blocked{service="grants"}'), 0)

    def test_a_frozen_broker_costs_a_bounded_wait(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        broker.freeze()
        try:
            host.announce("into the frost")
            becomes(databases.pending, ["not_confirmed"])
        finally:
            broker.thaw()
        gone(databases)
        heard(databases, "into the frost")

    def test_a_connection_whose_bytes_vanish_is_replaced_and_never_hinders_the_end(
        self, broker: PrivateRabbitMQ, user: str, host: Host, databases: Databases, tmp_path: Path
    ) -> None:
        host.stop()
        with RawProxy(broker.port) as proxy:
            address = user.replace(str(broker.port), str(proxy.port))
            with Host(tmp_path, databases, amqp_url=address, heartbeat=1) as cut_off:
                cut_off.announce("before the loss")
                heard(databases, "before the loss")
                proxy.drop()
                cut_off.announce("into the void")
                time.sleep(0.3)
                proxy.heal()
                heard(databases, "before the loss", "into the void")
                proxy.drop()
                time.sleep(0.5)
                assert cut_off.stop() == 0
        host.start()
        drained(broker)

    def test_a_batch_that_ends_after_a_reconnect_is_acknowledged_by_nobody_and_handled_once(
        self, broker: PrivateRabbitMQ, user: str, host: Host, databases: Databases, tmp_path: Path
    ) -> None:
        host.stop()
        with RawProxy(broker.port) as proxy:
            address = user.replace(str(broker.port), str(proxy.port))
            with Host(tmp_path, databases, amqp_url=address) as cut_off:
                cut_off.announce("slow 1.5 beyond")
                begun(databases)
                proxy.cut()
                heard(databases, "slow 1.5 beyond")
                drained(broker)
                cut_off.announce("afterwards")
                heard(databases, "slow 1.5 beyond", "afterwards")
                assert "container_died" not in cut_off.log
        host.start()

    def test_a_slow_handler_ends_and_is_acknowledged_before_the_process_stops(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        host.announce("slow 3 to the end")
        begun(databases)
        assert host.stop() == 0
        assert databases.effects() == ["slow 3 to the end"]
        assert set(left(broker, INBOX)) <= {canary_key(NOTIFICATIONS)}
        host.start()
        drained(broker)
        assert databases.effects() == ["slow 3 to the end"]

    def test_what_arrived_while_nobody_was_there_is_handled_at_the_start(
        self, broker: PrivateRabbitMQ, host: Host, databases: Databases
    ) -> None:
        host.stop()
        put(broker, INBOX, event(time.monotonic_ns(), "waited"))
        host.start()
        heard(databases, "waited")
        assert "library_notice" not in host.log


class TestDeclaring:
    def test_services_need_no_right_to_declare(self, broker: PrivateRabbitMQ, host: Host) -> None:
        assert "AccessRefused" not in host.log
        assert waiting(broker.url)[INBOX] == (0, 1)

    def test_every_queue_outlives_a_restart_and_is_replicated(self, broker: PrivateRabbitMQ) -> None:
        lines = broker.control("list_queues", "name", "durable", "type", "auto_delete").split("\n")
        found = {
            tuple(line.split("\t")[1:]) for line in lines if line.startswith(("grants", "notifications"))
        }
        assert found == {("true", "quorum", "false")}

    def test_again_changes_nothing_and_another_queue_in_the_way_is_named(
        self, broker: PrivateRabbitMQ
    ) -> None:
        declare(broker.url)
        assert verify(broker.url) == 6
        with channel_of(broker) as channel:
            channel.queue_delete("partners.dead")
            channel.queue_declare("partners.dead", durable=True, auto_delete=False)
        with pytest.raises(QueueDiffers, match=r"partners\.dead"):
            verify(broker.url)
        with channel_of(broker) as channel:
            channel.queue_delete("partners.dead")
        declare(broker.url)
