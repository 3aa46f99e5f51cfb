"""Events on their way: announced, relayed with confirms, queued on a quorum queue, taken in, one effect each.

Beside it the raw limit of the same path on the same servers. Publisher and consumer are two processes on
both sides.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

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
from tests.benchmarks.servers import PATIENCE, DurablePostgres, execute, line_from, program, seconds_until
from tests.chassis.conftest import ROOT, Databases, Host

#: Rounds that count; one more before them warms everything up.
ROUNDS = 3
#: Events of one round on either side, and events announced in one transaction.
EVENTS, TOGETHER = 6_000, 200
#: For p50 and p99: so many a second, each announced in a transaction of its own, for so many seconds.
RATE, SECONDS = 200, 4

_SETTINGS = {"poll": 5, "database_timeout": 10, "confirm_timeout": 5, "heartbeat": 20, "log_level": "error"}

#: Tells whoever listens that an effect was committed.
_TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('effects', NEW.subject); RETURN NEW; END $$
"""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is measured, made ready: a round of each side answers with its figures."""

    conduit: Callable[[], float]
    limit: Callable[[], float]
    lateness: Callable[[], tuple[float, float]]


def measure() -> dict[str, float]:
    """Events a second, their share of the limit, and milliseconds from commit to effect."""
    with _ready() as sides:
        rounds = [(sides.conduit(), sides.limit(), *sides.lateness()) for _ in range(ROUNDS + 1)]
    conduit, limit, half, most = map(median, zip(*rounds[1:], strict=True))
    return {
        "conduit_per_s": round(conduit),
        "limit_per_s": round(limit),
        "share_of_limit": round(conduit / limit, 3),
        "p50_ms": round(half, 1),
        "p99_ms": round(most, 1),
    }


@contextmanager
def _ready() -> Iterator[Sides]:
    """Servers, two hosts of Conduit and two processes of the raw limit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        broker = stack.enter_context(PrivateRabbitMQ())
        declare(broker.url)
        databases = _databases(postgres)
        effects = databases.url.replace("{service}", NOTIFICATIONS)
        publisher = Host(folder, databases, GRANTS, amqp_url=broker.url, **_SETTINGS)
        stack.enter_context(publisher)
        stack.enter_context(Host(folder, databases, NOTIFICATIONS, amqp_url=broker.url, **_SETTINGS))
        raw_publisher = stack.enter_context(program("tests.benchmarks.limit", "publish", broker.url))
        line_from(raw_publisher)
        raw_consumer = stack.enter_context(program("tests.benchmarks.limit", "consume", broker.url, effects))
        line_from(raw_consumer)

        def conduit() -> float:
            return _conduit_per_second(publisher, effects)

        def limit() -> float:
            execute(effects, "TRUNCATE effects")
            started = time.monotonic()
            print(EVENTS, file=raw_publisher.stdin, flush=True)
            took = seconds_until(effects, EVENTS, started)
            line_from(raw_publisher)
            return EVENTS / took

        def lateness() -> tuple[float, float]:
            return asyncio.run(_lateness(folder, databases.url.replace("{service}", GRANTS), effects))

        yield Sides(conduit=conduit, limit=limit, lateness=lateness)


def _databases(postgres: DurablePostgres) -> Databases:
    databases = Databases(postgres, "bench")
    for service in SERVICES:
        execute(postgres.url, f"CREATE DATABASE bench_{service}")
        migrate(databases.url.replace("{service}", service), ROOT / "tests" / "chassis" / "migrations")
    execute(databases.url.replace("{service}", NOTIFICATIONS), _TELL)
    return databases


def _conduit_per_second(publisher: Host, effects: str) -> float:
    """From the first announcement until the last effect was committed."""
    execute(effects, "TRUNCATE effects")
    subjects = [f"area {number}" for number in range(EVENTS)]
    batches = [subjects[first : first + TOGETHER] for first in range(0, EVENTS, TOGETHER)]
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
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
            counted_on=tx.now.date(),
        )
        committed[subject] = time.monotonic()
