"""Idle: what ``conduit up --example`` costs while nobody does anything, its PostgreSQL included."""

import tempfile
import time
from pathlib import Path

from chassis.embedded import EmbeddedPostgres
from tests.benchmarks.servers import family, processor_seconds
from tests.journeys.running import Running

#: Seconds until the start is over, and seconds that are looked at.
SETTLING, LOOKING = 30, 30


def measure() -> dict[str, float]:
    """Percent of one core over half a minute, and megabytes.

    Memory is the proportional set size: a page that several processes share counts once in all.
    """
    with tempfile.TemporaryDirectory(prefix="conduit-bench-") as folder:
        Path(folder).chmod(0o755)
        with Running(Path(folder) / "home", "--example") as running:
            running.wait_until_ready(120)
            time.sleep(SETTLING)
            before = sum(map(processor_seconds, _everything(running, Path(folder))))
            time.sleep(LOOKING)
            everything = _everything(running, Path(folder))
            used = sum(map(processor_seconds, everything)) - before
            memory = sum(map(_megabytes, everything))
    return {"cpu_percent": round(used / LOOKING * 100, 2), "rss_mb": round(memory, 1)}


def _everything(running: Running, folder: Path) -> list[int]:
    """The command with its child, and the embedded PostgreSQL, which is nobody's child."""
    server = EmbeddedPostgres(folder / "home").pid
    assert server is not None
    return [*family(running.pid), *family(server)]


def _megabytes(process: int) -> float:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError("the kernel does not say how much memory a process has")
