"""What watching costs: a look at the metrics of everything in one process, after each route was asked for."""

import re
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID

import httpx
from starlette.routing import Route

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from contracts.topology import SERVICES
from services.installation import EXAMPLES
from tests.benchmarks.servers import family, processor_seconds
from tests.faults.world import PATHS
from tests.journeys.running import Running

#: Looks that are measured, after some that warm everything up.
LOOKS, WARMING = 200, 20

#: Requests a minute.
_PACE = "1000000"


def measure() -> dict[str, float]:
    """Milliseconds of a look, also of a processor for it, and the lines that it brings."""
    with tempfile.TemporaryDirectory(prefix="conduit-bench-") as folder:
        Path(folder).chmod(0o755)
        variables = {"CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml"), "CONDUIT_PACE": _PACE}
        with Running(Path(folder) / "home", **variables) as running:
            running.wait_until_ready(120)
            with httpx.Client(base_url=running.url, cookies=running.cookies, timeout=20) as browser:
                for path in _paths(running.home):
                    browser.get(path)
                    browser.post(path)
            with httpx.Client(base_url=f"http://127.0.0.1:{running.metrics_port}", timeout=20) as watcher:
                for _ in range(WARMING):
                    _look(watcher)
                before = _used(running)
                looks = [_look(watcher) for _ in range(LOOKS)]
                used = _used(running) - before
    times = [seconds for seconds, _ in looks]
    return {
        "p50_ms": round(median(times) * 1000, 1),
        "p99_ms": round(quantiles(times, n=100)[-1] * 1000, 1),
        "cpu_ms": round(used / LOOKS * 1000, 1),
        "lines": looks[-1][1],
    }


def _paths(home: Path) -> Iterator[str]:
    """An address of every route but those that last."""
    settings, house = Settings(home=home), read_house(EXAMPLES / "house.toml")
    for service in SERVICES:
        keys = read_keys(settings.keys_folder, service)
        database = Database("", Context(service=service, settings=settings, house=house, keys=keys))
        for route in import_module(f"services.{service}.web").build(database).routes:
            if isinstance(route, Route) and not route.path.endswith("/live"):
                yield PATHS[service] + re.sub(r"\{[^}]*\}", str(UUID(int=0)), route.path)


def _used(running: Running) -> float:
    """Seconds of a processor so far."""
    return sum(map(processor_seconds, family(running.pid)))


def _look(watcher: httpx.Client) -> tuple[float, int]:
    began = time.perf_counter()
    text = watcher.get("/metrics").text
    return time.perf_counter() - began, text.count("\n")
