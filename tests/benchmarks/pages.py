"""Pages of ours beside the same by Django, on the same database, at 20 parallel users.

Conduit is ``conduit up`` as anybody starts it, everything in one process; Django is one worker of gunicorn,
with a thread for each user. Both read the same rows, send as many bytes and know who asks by a signed cookie.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from starlette.types import ASGIApp

from chassis.access import Person
from chassis.config import Settings
from chassis.context import Context
from chassis.house import read_house
from chassis.keys import read_keys
from chassis.testing import free_port
from services.installation import EXAMPLES
from tests.access import token
from tests.benchmarks.load import USERS, ask, load
from tests.benchmarks.servers import DurablePostgres, family, processor_seconds
from tests.conftest import client
from tests.journeys.running import ROOT, Running
from tests.watching import Watched

#: Rounds that count, after one that warms everything up, and seconds of each page in a round.
ROUNDS, SECONDS = 3, 6.0

#: Addresses of each page.
Paths = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Round:
    """What came of some seconds of asking, and what a page cost the server: seconds of a processor."""

    per_second: float
    p99: float
    processor: float


@dataclass(frozen=True)
class Side:
    """A server, and for each page the cookie of somebody whom it knows."""

    port: int
    pid: int
    cookies: Mapping[str, str]

    def headers(self, page: str, size: int) -> str:
        return f"Cookie: {self.cookies[page]}\r\nX-Bytes: {size}\r\n"

    def round(self, page: str, paths: Sequence[str], size: int) -> Round:
        before = self._processor()
        waits = asyncio.run(load(self.port, paths, self.headers(page, size), SECONDS))
        took = self._processor() - before
        return Round(len(waits) / SECONDS, quantiles(waits, n=100)[-1], took / len(waits))

    def _processor(self) -> float:
        return sum(map(processor_seconds, family(self.pid)))


# Statements


async def statements_of_ours(
    database: Watched, app: ASGIApp, root: str, paths: Paths, people: Mapping[str, Person]
) -> dict[str, int]:
    """How many statements each of our pages takes."""
    counts = {}
    await database.open()
    try:
        for page, asked in paths.items():
            async with client(app, root, people[page]) as browser:
                found = []
                for path in asked[:5]:
                    database.asked.clear()
                    (await browser.get(path)).raise_for_status()
                    found.append(len([each for each in database.asked if _is_statement(each)]))
                # A connection's first page takes statements of its own.
                counts[page] = min(found)
    finally:
        await database.close()
    return counts


def _is_statement(query: str) -> bool:
    """Django does not begin a transaction, which is no merit."""
    return not query.upper().startswith(("BEGIN", "COMMIT", "ROLLBACK"))


def statements_of_django(django: Side, paths: Paths) -> dict[str, int]:
    """How many statements each of Django's pages takes."""
    counts = {}
    for page, asked in paths.items():
        address = f"http://127.0.0.1:{django.port}{asked[1]}"
        headers = {"cookie": django.cookies[page]}
        answers = [httpx.get(address, headers=headers) for _ in range(2 * USERS)]
        # Each thread opens a connection with its first page, which takes statements of its own.
        counts[page] = min(int(each.raise_for_status().headers["x-statements"]) for each in answers)
    return counts


def statement_figures(statements: Mapping[int, Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """Statements by size, side and page as figures."""
    sides = next(iter(statements.values()))
    return {
        f"{side}_{page}_statements": {str(size): each[side][page] for size, each in statements.items()}
        for page in sides["conduit"]
        for side in sides
    }


# Speed


def side_by_side(sides: Mapping[str, Side], paths: Paths, named: Callable[[bytes], Any]) -> dict[str, float]:
    """Pages a second, milliseconds for 99 of 100 and processor time by either side, and their ratio.

    Args:
        named: what a page names, which must be the same on both sides.
    """
    figures: dict[str, float] = {}
    for page, asked in paths.items():
        size = asyncio.run(_same_content(sides, page, asked, named))
        measured: dict[str, list[Round]] = {name: [] for name in sides}
        for number in range(ROUNDS + 1):
            for name, side in sides.items():
                one = side.round(page, asked, size)
                measured[name] += [one] if number else []
        figures |= _figures(page, measured)
    return figures


def _figures(page: str, measured: dict[str, list[Round]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for side, rounds in measured.items():
        figures[f"{side}_{page}_per_s"] = round(median(each.per_second for each in rounds), 1)
        figures[f"{side}_{page}_p99_ms"] = round(median(each.p99 for each in rounds) * 1000, 1)
        figures[f"{side}_{page}_cpu_ms"] = round(median(each.processor for each in rounds) * 1000, 2)
    ratio = figures[f"conduit_{page}_per_s"] / figures[f"django_{page}_per_s"]
    return figures | {f"ratio_{page}": round(ratio, 2)}


async def _same_content(
    sides: Mapping[str, Side], page: str, paths: Sequence[str], named: Callable[[bytes], Any]
) -> int:
    """How many bytes our pages have on average; fails when the sides do not show the same."""
    shown: dict[str, list[bytes]] = {}
    for name, side in sides.items():
        shown[name] = [(await ask(side.port, path, side.headers(page, 0)))[1] for path in paths[:20]]
    for ours, theirs in zip(shown["conduit"], shown["django"], strict=True):
        assert named(ours) == named(theirs), "the two sides do not show the same"
    return sum(map(len, shown["conduit"])) // len(shown["conduit"])


def context_of(settings: Settings, service: str) -> Context:
    """What a service knows, with the example's house."""
    keys, house = read_keys(settings.keys_folder, service), read_house(EXAMPLES / "house.toml")
    return Context(service=service, settings=settings, house=house, keys=keys)


@contextmanager
def conduit_up(
    home: Path, postgres: DurablePostgres, people: Mapping[str, Person], **variables: str
) -> Iterator[Side]:
    """Conduit as anybody starts it.

    Args:
        people: for each page, whoever asks for it.
        variables: further settings.
    """
    pace = {"CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml"), "CONDUIT_LOG_LEVEL": "error", **variables}
    with Running(home, "--database-url", postgres.url, **pace) as conduit:
        conduit.wait_until_ready()
        cookies = {page: f"conduit={token(home / 'keys', person)}" for page, person in people.items()}
        yield Side(conduit.port, conduit.pid, cookies)


@contextmanager
def django(url: str, people: Mapping[str, str], **more: Any) -> Iterator[Side]:
    """One worker of gunicorn with the peer's pages.

    Args:
        people: for each page, the id of whoever asks for it.
        more: what the peer is told besides.
    """
    environment = {**os.environ, "PEER_DATABASE_URL": url, "PYTHONWARNINGS": "ignore"}
    environment["PEER_TOLD"] = json.dumps(more)
    peer = "tests.benchmarks.django_peer"
    said = subprocess.run(
        [sys.executable, "-m", peer, *people.values()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    port = free_port()
    serve = ["-m", "gunicorn", f"{peer}:application", "--workers", "1", "--threads", str(USERS)]
    serve += ["--keep-alive", "60", "--log-level", "error", "--no-control-socket"]
    serve += ["--bind", f"127.0.0.1:{port}"]
    with subprocess.Popen([sys.executable, *serve], cwd=ROOT, env=environment) as running:
        try:
            _wait_for(port)
            yield Side(port, running.pid, dict(zip(people, said.stdout.split(), strict=True)))
        finally:
            running.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("gunicorn did not start")
