"""The broker stops, dies, freezes, has no memory, or its connections go deaf: nothing is lost or doubled."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from contracts.grants import RegistrationsCounted
from contracts.topology import EXCHANGES, GRANTS, INBOXES, NOTIFICATIONS, PARTNERS, SERVICES
from tests.faults.world import HEARTBEAT, World, eventually
from tests.journeys.running import last_line_as_json

pytestmark = pytest.mark.timeout(400)

#: What a connection that was replaced needs beyond the heartbeats on a busy machine, in seconds.
_RECONNECTING = 10.0

Fault = Callable[[World], AbstractContextManager[None]]


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """In good order, as for an upgrade."""
    world.servers.rabbitmq.stop()
    try:
        yield
    finally:
        world.servers.rabbitmq.start()


@contextmanager
def killed(world: World) -> Iterator[None]:
    """As by the kernel, when memory runs out."""
    world.servers.rabbitmq.kill()
    try:
        yield
    finally:
        world.servers.rabbitmq.start()


@contextmanager
def frozen(world: World) -> Iterator[None]:
    """Connections stay open and nothing answers."""
    world.servers.rabbitmq.freeze()
    try:
        yield
    finally:
        world.servers.rabbitmq.thaw()


@contextmanager
def out_of_memory(world: World) -> Iterator[None]:
    """It takes no message from anybody who publishes."""
    world.servers.rabbitmq.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        world.servers.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")


@pytest.mark.parametrize("fault", [stopped, killed, frozen, out_of_memory], ids=lambda fault: fault.__name__)
def test_without_the_broker_people_go_on_working_and_nothing_is_lost(
    three_processes: World, fault: Fault
) -> None:
    world, before = three_processes, three_processes.ends()
    draft = world.begin_campaign()
    world.work()  # still on its way when it happens
    with fault(world):
        world.work()
        letters = world.send(draft)
        eventually(lambda: world.letters(draft).get("sent") == letters, lambda: "letters wait for the broker")
        assert world.pages() == dict.fromkeys(SERVICES, 200)
        eventually(
            lambda: world.pending(PARTNERS, tries=1) and world.pending(GRANTS, tries=1),
            lambda: "nobody tries to publish",
        )
    world.work()
    world.all_promises_are_kept()
    assert world.ends() == before, "a process was restarted"


@pytest.mark.parametrize("ends", [("consume",), ("publish",), ("consume", "publish")], ids="+".join)
def test_a_deaf_connection_is_replaced_within_two_heartbeats(
    three_processes: World, ends: tuple[str, ...]
) -> None:
    """And what the broker had sent to the deaf one comes again when the broker gives that up as well."""
    world, before, proxy = three_processes, three_processes.ends(), three_processes.servers.proxy
    names = [f"{service} {end}".encode() for service in SERVICES for end in ends]
    world.all_promises_are_kept()
    since = time.monotonic()
    assert [proxy.deafen(name) for name in names] == [1] * len(names)
    world.work()
    eventually(
        lambda: all(map(proxy.hearing, names)),
        lambda: f"still deaf: {[name for name in names if not proxy.hearing(name)]}",
        within=2 * HEARTBEAT + _RECONNECTING - (time.monotonic() - since),
    )
    # RabbitMQ gives up a silent peer after two to three heartbeats, and only then offers again what it had.
    world.all_promises_are_kept(within=3 * HEARTBEAT + _RECONNECTING - (time.monotonic() - since))
    assert world.ends() == before, "a process was restarted"


@contextmanager
def without_a_subscriber(world: World) -> Iterator[None]:
    """Notifications is stopped in good order, and started again."""
    away = world.running[NOTIFICATIONS]
    assert away.stop() == 0
    try:
        yield
    finally:
        away.start()
        away.wait_until_ready()


def test_a_subscriber_that_was_away_hears_of_thousands(three_processes: World) -> None:
    world = three_processes
    with without_a_subscriber(world):
        world.enlarge(3_000)
        eventually(lambda: world.pending(PARTNERS) == 0, lambda: "what is for a queue waits in the outbox")
    world.all_promises_are_kept()
    assert world.select(NOTIFICATIONS, "SELECT count(*) FROM organisations")[0]["count"] >= 3_000


@contextmanager
def unbound(world: World) -> Iterator[None]:
    """Somebody has removed the binding of what grants says; a deployment brings it back."""
    with world.channel() as channel:
        channel.queue_unbind(INBOXES[NOTIFICATIONS], EXCHANGES[GRANTS], RegistrationsCounted.type())
    try:
        yield
    finally:
        declared = world.conduit("declare")
        assert declared.returncode == 0, declared.stderr


@contextmanager
def full(world: World) -> Iterator[None]:
    """Nobody reads the queue, and it takes nothing more."""
    policy = '{"max-length":1,"overflow":"reject-publish"}'
    host = world.amqp_url.rpartition("/")[2]
    world.servers.rabbitmq.control("set_policy", "-p", host, "full", INBOXES[NOTIFICATIONS], policy)
    with without_a_subscriber(world):
        try:
            for _ in range(3):  # a quorum queue takes a few more than it should
                world.register()
            yield
        finally:
            world.servers.rabbitmq.control("clear_policy", "-p", host, "full")


@pytest.mark.parametrize(
    ("fault", "reason"), [(unbound, "no_queue_bound"), (full, "queue_refused")], ids=["unbound", "full"]
)
def test_what_no_queue_takes_stays_in_the_outbox_and_is_shown(
    three_processes: World, fault: Fault, reason: str
) -> None:
    world = three_processes
    failures = f'conduit_relay_failures_total{{reason="{reason}",service="grants"}}'
    failed = world.metric(GRANTS, failures)
    with fault(world):
        world.register()
        eventually(lambda: world.metric(GRANTS, failures) > failed, lambda: f"no metric tells of {reason}")
        assert world.pending(GRANTS) > 0
        checked = last_line_as_json(world.conduit("check", "--json").stdout)
        outbox = next(each for each in checked if each["what"] == "outbox of grants")
        assert (outbox["good"], reason in outbox["says"]) == (False, True)
        heard = world.select(GRANTS, "SELECT count(*) FROM inbox")
        world.amend()
        eventually(
            lambda: world.select(GRANTS, "SELECT count(*) FROM inbox") != heard,
            lambda: "whoever has a queue waits as well",
        )
    world.all_promises_are_kept()


def test_what_nobody_expects_is_published_and_does_not_wait(three_processes: World) -> None:
    world = three_processes
    letters = world.send(world.begin_campaign())
    unexpected = "SELECT count(*) FROM outbox WHERE NOT expected AND published_at IS NOT NULL"
    before = world.select(NOTIFICATIONS, unexpected)[0]["count"]
    eventually(
        lambda: world.select(NOTIFICATIONS, unexpected)[0]["count"] > before,
        lambda: f"the end of a campaign of {letters} letters is not announced, or waits for a queue",
    )
    world.all_promises_are_kept()
