"""Idle: what ``conduit up --example`` costs while nobody does anything, its PostgreSQL included."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from chassis.embedded import EmbeddedPostgres
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
            processes = [*_family(running.pid), *_servers(Path(folder) / "home")]
            before = sum(map(_seconds, processes))
            time.sleep(LOOKING)
            used = sum(map(_seconds, processes)) - before
            memory = sum(map(_megabytes, processes))
    return {"cpu_percent": round(used / LOOKING * 100, 2), "rss_mb": round(memory, 1)}


def _family(process: int) -> Iterator[int]:
    """A process and everything that it started."""
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _servers(home: Path) -> Iterator[int]:
    """The embedded PostgreSQL, which is nobody's child."""
    server = EmbeddedPostgres(home).pid
    assert server is not None
    yield from _family(server)


def _seconds(process: int) -> float:
    """Processor time so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(process: int) -> float:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError("the kernel does not say how much memory a process has")
