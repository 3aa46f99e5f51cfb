"""Events on their way: announced, relayed with confirms, queued on a quorum queue, taken in, one effect each.

Beside it the raw limit of the same path on the same servers. Publisher and consumer are two processes on
both sides.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import asyncpg
import httpx

from chassis.declare import declare
from chassis.migrations import migrate
from chassis.testing import PrivateRabbitMQ
from contracts.topology import GRANTS, NOTIFICATIONS, SERVICES
from tests.benchmarks.limit import BATCH
from tests.benchmarks.servers import DurablePostgres, execute, line_from, program, seconds_until
from tests.chassis.conftest import ROOT, Databases, Host

#: Rounds that count; one more before them warms everything up.
ROUNDS = 3
#: Events of one round, on either side; events announced in one transaction.
EVENTS, TOGETHER = 6_000, 200
#: Announced at this rate, each in a transaction of its own, for so many seconds: what p50 and p99 are of.
RATE, SECONDS = 200, 4

_SETTINGS = {"poll": 5, "database_timeout": 10, "confirm_timeout": 5, "heartbeat": 20, "log_level": "error"}


@dataclass(frozen=True)
class Side:
    """The two hosts and their databases."""

    publisher: Host
    consumer: Host
    effects: str


def measure() -> dict[str, float]:
    """The figures: events a second, their share of the limit, milliseconds from commit to effect."""
    conduit: list[float] = []
    limit: list[float] = []
    lateness: list[tuple[float, float]] = []
    with _sides() as (side, raw):
        for number in range(ROUNDS + 1):
            figures = _conduit_per_second(side), raw(), _lateness(side)
            if number:
                conduit.append(figures[0])
                limit.append(figures[1])
                lateness.append(figures[2])
    return {
        "conduit_per_s": round(median(conduit)),
        "limit_per_s": round(median(limit)),
        "share_of_limit": round(median(conduit) / median(limit), 3),
        "p50_ms": round(median(half for half, _ in lateness), 1),
        "p99_ms": round(median(most for _, most in lateness), 1),
    }


@contextmanager
def _sides() -> Iterator[tuple[Side, "_Limit"]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        broker = stack.enter_context(PrivateRabbitMQ())
        declare(broker.url)
        databases = _databases(postgres)
        hosts = [Host(folder, databases, each, amqp_url=broker.url, **_SETTINGS) for each in (GRANTS, NOTIFICATIONS)]
        for host in hosts:
            stack.enter_context(host)
        raw = stack.enter_context(_limit(postgres, broker))
        yield Side(*hosts, effects=databases.url.replace("{service}", NOTIFICATIONS)), raw


def _databases(postgres: DurablePostgres) -> Databases:
    databases = Databases(postgres, "bench")
    for service in SERVICES:
        execute(postgres.url, f"CREATE DATABASE bench_{service}")
        migrate(databases.url.replace("{service}", service), ROOT / "tests" / "chassis" / "migrations")
    return databases


class _Limit:
    """Publishes a round's messages by the raw path."""

    def __init__(self, publisher: "asyncio.subprocess.Process", effects: str) -> None:
        raise NotImplementedError


def _conduit_per_second(side: Side) -> float:
    execute(side.effects, "TRUNCATE effects")
    subjects = [f"area {number}" for number in range(EVENTS)]
    batches = [subjects[first : first + TOGETHER] for first in range(0, EVENTS, TOGETHER)]
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        announced = threads.map(lambda batch: side.publisher.announce(*batch), batches)
        took = seconds_until(side.effects, EVENTS, started)
        assert sum(map(len, announced)) == EVENTS
    return EVENTS / took
