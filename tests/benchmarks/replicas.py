"""One, two and four processes of a service read one queue: how many events a second they take in together.

The queue is filled while they stand still, so that nobody who announces takes time from them. What is left is
they, the broker and the database, all on this computer's processors.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from chassis.testing import PrivateRabbitMQ, eventually
from tests.benchmarks.events import Hosts, hosts
from tests.benchmarks.servers import PATIENCE, DurablePostgres, count_in, execute, seconds_until
from tests.chassis.conftest import Host

#: How many read.
REPLICAS = (1, 2, 4)
#: Rounds that count; one more before them warms everything up.
ROUNDS = 3
EVENTS, TOGETHER = 12_000, 500


def measure() -> dict[str, Any]:
    """Events a second by number of replicas, and how busy all processors were meanwhile."""
    measured = {count: _measured(count) for count in REPLICAS}
    one = measured[1]["per_s"]
    return {
        "per_s": {count: round(each["per_s"]) for count, each in measured.items()},
        "ratio_two": round(measured[2]["per_s"] / one, 2),
        "ratio_four": round(measured[4]["per_s"] / one, 2),
        "busy_percent": {count: round(each["busy"]) for count, each in measured.items()},
    }


def _measured(count: int) -> Mapping[str, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres, broker = stack.enter_context(DurablePostgres()), stack.enter_context(PrivateRabbitMQ())
        given = hosts(stack, folder, postgres, broker, "replicas", "tests.chassis.hosted", count)
        rounds = [_round(given) for _ in range(ROUNDS + 1)][1:]
    return {"per_s": median(each[0] for each in rounds), "busy": median(each[1] for each in rounds)}


def _round(given: Hosts) -> tuple[float, float]:
    execute(given.effects, "TRUNCATE effects")
    with _standing_still(given.subscribers):
        for first in range(0, EVENTS, TOGETHER):
            given.publisher.announce(*(f"area {number}" for number in range(first, first + TOGETHER)))
        waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
        eventually(
            lambda: not count_in(given.outbox, waiting), within=PATIENCE, otherwise="not all is published"
        )
        busy, started = _busy_seconds(), time.monotonic()
    took = seconds_until(given.effects, EVENTS, started)
    return EVENTS / took, (_busy_seconds() - busy) / took / (os.cpu_count() or 1) * 100


@contextmanager
def _standing_still(processes: Sequence[Host]) -> Iterator[None]:
    for each in processes:
        each.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            each.process.send_signal(signal.SIGCONT)


def _busy_seconds() -> float:
    """What all processors have worked since the computer was started."""
    first, *_ = Path("/proc/stat").read_text().splitlines()
    ticks = [int(each) for each in first.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
