"""Servers and programs for measuring: private, on loopback, and as durable as in use."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from chassis.embedded import EmbeddedPostgres
from chassis.testing import PrivatePostgres
from tests.journeys.running import ROOT

#: The longest that one round of anything may take, in seconds.
PATIENCE = 60.0


class DurablePostgres(PrivatePostgres):
    """A PostgreSQL of our own that waits for the disk at every commit, as an installation's does."""

    def __init__(self) -> None:
        super().__init__()
        self.server = EmbeddedPostgres(self.directory)


def execute(url: str, *statements: str) -> None:
    """Run statements on a database, each for itself."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def count_in(url: str, query: str) -> int:
    """The one number that a query gives."""

    async def ask() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(ask())


def seconds_until(url: str, wanted: int, started: float) -> float:
    """How long after ``started`` (monotonic) so many effects were there."""

    async def watch() -> float:
        connection = await asyncpg.connect(url)
        try:
            while await connection.fetchval("SELECT count(*) FROM effects") < wanted:
                if time.monotonic() - started > PATIENCE:
                    raise TimeoutError(f"less than {wanted} effects within {PATIENCE:.0f} s")
                await asyncio.sleep(0.02)
            return time.monotonic() - started
        finally:
            await connection.close()

    return asyncio.run(watch())


@contextmanager
def program(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A module of ours in a process of its own, from its first line of output until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "EVENTLET_HUB": "asyncio"},  # for those that nameko hosts
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def line_from(running: "subprocess.Popen[str]") -> str:
    """What a program says next."""
    assert running.stdout is not None
    said = running.stdout.readline().strip()
    assert said, f"{running.args!r} ended"
    return said


def peak_megabytes(process: int | str = "self") -> float:
    """The most memory that a program has had. For getrusage, what its parent had counts as well."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM:"))
    return round(int(peak.split()[1]) / 1024, 1)


def family(process: int) -> Iterator[int]:
    """A process and everything that it started."""
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def processor_seconds(process: int) -> float:
    """Processor time so far, with that of children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
