"""Events on their way: announced, relayed with confirms, queued on a quorum queue, taken in, one effect each.

Beside it, on the same servers and in rounds that take turns: FastStream and plain nameko with the same outbox
and inbox, and the raw limit of the path. Publisher and consumer are two processes on every side.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import asyncpg

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.declare import declare
from chassis.house import read_house
from chassis.keys import read_keys
from chassis.migrations import migrate
from chassis.outbox import announce
from chassis.testing import PrivateRabbitMQ
from contracts.grants import RegistrationsCounted
from contracts.topology import GRANTS, NOTIFICATIONS, SERVICES
from tests.benchmarks.peer import AT_ONCE, TABLES, TOGETHER
from tests.benchmarks.servers import PATIENCE, DurablePostgres, execute, line_from, program, seconds_until
from tests.chassis.conftest import ROOT, Databases, Host

#: Rounds that count; one more before them warms everything up.
ROUNDS = 3
#: Events of one round, and of one of the slower peers.
EVENTS, PEER_EVENTS = 15_000, 3_000
#: For p50 and p99: so many a second, each announced in a transaction of its own, for so many seconds.
RATE, SECONDS = 200, 8

EFFECTS = "CREATE TABLE effects (id serial, subject text, sequence integer)"

_SETTINGS: dict[str, Any] = {
    "poll": 5,
    "database_timeout": 10,
    "confirm_timeout": 5,
    "heartbeat": 20,
    "log_level": "error",
}

#: Tells whoever listens that an effect was committed.
_TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('effects', NEW.subject); RETURN NEW; END $$
"""


#: A round: how many events, or messages, a second. What each side is called in the figures.
Round = Callable[[], float]
SIDES = ("conduit", "conduit_set", "faststream", "nameko", "limit")


def measure() -> dict[str, float]:
    """Events a second on every side, their ratios, and milliseconds from commit to effect."""
    with _ready() as (sides, lateness):
        rounds = [[side() for side in sides] for _ in range(ROUNDS + 1)]
        late = [lateness() for _ in range(ROUNDS)]
    conduit, sets, faststream, nameko, limit = map(median, zip(*rounds[1:], strict=True))
    half, most = map(median, zip(*late, strict=True))
    return {
        "conduit_per_s": round(conduit),
        "conduit_set_per_s": round(sets),
        "faststream_per_s": round(faststream),
        "nameko_per_s": round(nameko),
        "limit_per_s": round(limit),
        "ratio_faststream": round(conduit / faststream, 2),
        "ratio_set_faststream": round(sets / faststream, 2),
        "ratio_nameko": round(conduit / nameko, 2),
        "share_of_limit": round(conduit / limit, 3),
        "share_of_limit_set": round(sets / limit, 3),
        "p50_ms": round(half, 1),
        "p99_ms": round(most, 1),
    }


@contextmanager
def _ready() -> Iterator[tuple[list[Round], Callable[[], tuple[float, float]]]]:
    """Every side with its publisher and its consumer in two processes, on the same servers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        broker = stack.enter_context(PrivateRabbitMQ())
        single = hosts(stack, folder, postgres, broker, "single", "tests.chassis.hosted")
        together = hosts(stack, folder, postgres, broker, "together", "tests.benchmarks.sets")
        sides: list[Round] = [
            partial(conduit_per_second, single.publisher, single.effects),
            partial(conduit_per_second, together.publisher, together.effects),
            _peer(stack, postgres, broker, "faststream", PEER_EVENTS),
            _peer(stack, postgres, broker, "nameko", PEER_EVENTS),
            _limit(stack, postgres, broker),
        ]
        execute(single.effects, _TELL)
        yield sides, lambda: asyncio.run(_lateness(folder, single.outbox, single.effects))


@dataclass(frozen=True)
class Hosts:
    """A process that announces, and those that hear it."""

    publisher: Host
    subscribers: Sequence[Host]
    #: The address of the database of the one that announces.
    outbox: str
    #: The address of the database where the others note what they hear.
    effects: str


def hosts(
    stack: ExitStack,
    folder: Path,
    postgres: DurablePostgres,
    broker: PrivateRabbitMQ,
    name: str,
    module: str,
    subscribers: int = 1,
    **settings: Any,
) -> Hosts:
    """Start them, on a virtual host and in databases of their own, with further settings."""
    broker.control("add_vhost", name)
    broker.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    address = broker.url_for("guest", "guest", name)
    declare(address)
    databases = Databases(postgres, name)
    for service in SERVICES:
        execute(postgres.url, f"CREATE DATABASE {name}_{service}")
        migrate(databases.url.replace("{service}", service), ROOT / "tests" / "chassis" / "migrations")
    settings = {**_SETTINGS, "amqp_url": address, **settings}
    publisher = stack.enter_context(Host(folder, databases, GRANTS, **settings))
    hearing = [
        stack.enter_context(Host(folder, databases, NOTIFICATIONS, module=module, **settings))
        for _ in range(subscribers)
    ]
    outbox, effects = (postgres.database_url(f"{name}_{service}") for service in (GRANTS, NOTIFICATIONS))
    return Hosts(publisher, hearing, outbox, effects)


def _peer(
    stack: ExitStack, postgres: DurablePostgres, broker: PrivateRabbitMQ, name: str, events: int
) -> Round:
    """A peer that publishes and one that consumes."""
    execute(postgres.url, f"CREATE DATABASE {name}")
    database = postgres.database_url(name)
    execute(database, TABLES, EFFECTS)
    consumer = stack.enter_context(program(f"tests.benchmarks.{name}_peer", "consume", broker.url, database))
    line_from(consumer)
    publisher = stack.enter_context(program(f"tests.benchmarks.{name}_peer", "publish", broker.url, database))
    line_from(publisher)
    return partial(_driven_per_second, publisher, database, events)


def _limit(stack: ExitStack, postgres: DurablePostgres, broker: PrivateRabbitMQ) -> Round:
    """One process that publishes and one that consumes; nothing is checked or remembered."""
    execute(postgres.url, "CREATE DATABASE raw")
    database = postgres.database_url("raw")
    execute(database, EFFECTS)
    publisher = stack.enter_context(program("tests.benchmarks.limit", "publish", broker.url))
    line_from(publisher)
    consumer = stack.enter_context(program("tests.benchmarks.limit", "consume", broker.url, database))
    line_from(consumer)
    return partial(_driven_per_second, publisher, database, EVENTS)


def _driven_per_second(publisher: "subprocess.Popen[str]", effects: str, events: int) -> float:
    """From the order on stdin until the last effect was committed."""
    execute(effects, "TRUNCATE effects")
    started = time.monotonic()
    print(events, file=publisher.stdin, flush=True)
    took = seconds_until(effects, events, started)
    line_from(publisher)
    return events / took


def conduit_per_second(publisher: Host, effects: str) -> float:
    """From the first announcement until the last effect was committed."""
    execute(effects, "TRUNCATE effects")
    subjects = [f"area {number}" for number in range(EVENTS)]
    batches = [subjects[first : first + TOGETHER] for first in range(0, EVENTS, TOGETHER)]
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        announced = threads.map(lambda batch: publisher.announce(*batch), batches)
        took = seconds_until(effects, EVENTS, started)
        assert sum(map(len, announced)) == EVENTS
    return EVENTS / took


async def _lateness(folder: Path, outbox: str, effects: str) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds, from just before a commit to the word of its effect."""
    house = read_house(ROOT / "examples" / "house.toml")
    context = Context(
        service=GRANTS,
        settings=Settings(home=folder, acquire_timeout=PATIENCE),
        house=house,
        keys=read_keys(folder / "keys", GRANTS),
    )
    database, ear = Database(outbox, context), await asyncpg.connect(effects)
    committed: dict[str, float] = {}
    heard: dict[str, float] = {}
    all_heard = asyncio.Event()

    def hear(_connection: object, _sender: int, _channel: str, subject: object) -> None:
        heard[str(subject)] = time.monotonic()
        if len(heard) == RATE * SECONDS:
            all_heard.set()

    await ear.execute("CREATE TRIGGER tell AFTER INSERT ON effects FOR EACH ROW EXECUTE FUNCTION tell()")
    await ear.add_listener("effects", hear)
    await database.open()
    try:
        async with asyncio.timeout(SECONDS + PATIENCE), asyncio.TaskGroup() as tasks:
            started = time.monotonic()
            for number in range(RATE * SECONDS):
                await asyncio.sleep(started + number / RATE - time.monotonic())
                tasks.create_task(_announce_one(database, f"late {number}", committed))
        async with asyncio.timeout(PATIENCE):
            await all_heard.wait()
    finally:
        await database.close()
        await ear.execute("DROP TRIGGER tell ON effects")
        await ear.close()
    took = [(heard[subject] - moment) * 1000 for subject, moment in committed.items()]
    return median(took), quantiles(took, n=100)[98]


async def _announce_one(database: Database, subject: str, committed: dict[str, float]) -> None:
    async with database.transaction() as tx:
        await announce(
            tx,
            RegistrationsCounted,
            subject=subject,
            sequence=1,
            area="E09000020",
            profession="dentist",
            count=5,
            counted_on=tx.today,
        )
        committed[subject] = time.monotonic()
