"""The register's list and one organisation's page, at 20 parallel users, beside Django on the same database.

Conduit is ``conduit up`` as anybody starts it, everything in one process; Django is one worker of gunicorn,
with a thread for each user. Both read the same rows, send as many bytes and know who asks by a signed cookie.
"""

import asyncio
import csv
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from chassis.config import Settings
from chassis.context import Context
from chassis.house import read_house
from chassis.keys import read_keys
from chassis.testing import free_port
from contracts.topology import PARTNERS
from services.installation import EXAMPLES, Installation
from services.partners.web import build
from tests.benchmarks.load import USERS, ask, load
from tests.benchmarks.servers import DurablePostgres, execute, family, line_from, processor_seconds, program
from tests.conftest import client
from tests.journeys.running import ROOT, Running
from tests.watching import Watched

#: Organisations; each has so many contacts and so many lines of its timeline.
SIZES = (1_000, 10_000)
CONTACTS, LINES = 3, 20
#: Rounds that count, after one that warms everything up, and seconds of each page in a round.
ROUNDS, SECONDS = 3, 6.0

LIST = "/partners/organisations"
PAGES = ("list", "organisation")

_FIRST = "Golborne Ladbroke Portobello Westbourne Harrow Kilburn Acton Wembley Peckham Hackney".split()
_SECOND = "Refugee Migrant Somali Kurdish Women's Youth Elders' Health Housing Advice".split()
_THIRD = "Forum Centre Project Network Association Circle Trust Group Council Partnership".split()


@dataclass(frozen=True)
class Round:
    """What came of some seconds of asking, and what a page cost the server: seconds of a processor."""

    per_second: float
    p99: float
    processor: float


@dataclass(frozen=True)
class Side:
    """A server, and the cookie of somebody whom it knows."""

    port: int
    pid: int
    cookie: str

    def headers(self, size: int) -> str:
        return f"Cookie: {self.cookie}\r\nX-Bytes: {size}\r\n"

    def round(self, paths: Sequence[str], size: int) -> Round:
        before = self._processor()
        waits = asyncio.run(load(self.port, paths, self.headers(size), SECONDS))
        took = self._processor() - before
        return Round(len(waits) / SECONDS, quantiles(waits, n=100)[-1], took / len(waits))

    def _processor(self) -> float:
        return sum(map(processor_seconds, family(self.pid)))


def measure() -> dict[str, Any]:
    """Pages a second and milliseconds for 99 of 100, by either; statements of a page, by organisations."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-"))) / "home"
        postgres = stack.enter_context(DurablePostgres())
        settings = Settings(home=home, house_file=EXAMPLES / "house.toml", database_url=postgres.url)
        installation = Installation(settings)
        installation.make_keys()
        assert len(list(installation.migrate())) == 3
        url = installation.urls()[PARTNERS]
        statements = {}
        for size in SIZES:
            _fill(home, url, size)
            statements[size] = {"conduit": asyncio.run(_statements(settings, url))}
            with _django(url) as django:
                statements[size]["django"] = _statements_of(django, asyncio.run(_paths(url)))
        measured = _side_by_side(stack, home, postgres, url)
    return measured | {
        f"{side}_{page}_statements": {str(size): statements[size][side][page] for size in SIZES}
        for page in PAGES
        for side in ("conduit", "django")
    }


# Rows


def _fill(home: Path, url: str, size: int) -> None:
    """Have the register import so many organisations with contacts, and copy lines of their timelines in."""
    path = home / f"{size}.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        opened.write((EXAMPLES / "partners.csv").read_text("utf-8").splitlines()[0] + "\n")
        csv.writer(opened).writerows(_lines(size))
    with program("tests.benchmarks.importer", str(home), url, str(path)) as importer:
        line_from(importer)
    # What it announced is of no interest here, and must not be taken in while pages are measured.
    execute(url, "DELETE FROM outbox", "DELETE FROM timeline")
    asyncio.run(_copy_timeline(url))
    execute(url, "ANALYZE")


def _lines(size: int) -> Iterator[Sequence[str]]:
    lots = random.Random(2012)
    house = read_house(EXAMPLES / "house.toml")
    kinds, areas, roles = (list(house.lists[name]) for name in ("kinds", "areas", "contact_roles"))
    for number in range(size):
        name = f"{lots.choice(_FIRST)} {lots.choice(_SECOND)} {lots.choice(_THIRD)} {number}"
        several = ";".join(lots.sample(areas, lots.randint(1, 3)))
        body = [f"CONDUIT-{number}", name, lots.choice(kinds), several, lots.choice(["working", "contact"])]
        for role in lots.sample(roles, CONTACTS):
            email = f"{role}@body-{number}.example"
            person = [
                f"Jo {lots.choice(_FIRST)} {role}",
                role,
                "email",
                email,
                "1 Example Road;London",
                "W10 5XL",
            ]
            yield [*body, "2001-04-01", "", "", *person, "its annual report of 2011", "2011-11-01", ""]


async def _copy_timeline(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        lots, start = random.Random(2012), datetime(2012, 1, 2, 9, tzinfo=UTC)
        ids = [
            row["id"] for row in await connection.fetch("SELECT id FROM organisations ORDER BY identifier")
        ]
        records = [
            _entry(id, start + timedelta(hours=lots.randint(0, 20_000)), lots)
            for id in ids
            for _ in range(LINES)
        ]
        columns = ("id", "organisation_id", "happened_at", "kind", "what", "detail", "letter_id", "heard_at")
        await connection.copy_records_to_table("timeline", records=records, columns=columns)
    finally:
        await connection.close()


def _entry(organisation: UUID, at: datetime, lots: random.Random) -> tuple[Any, ...]:
    kind = lots.choice(["letter_sent", "letter_acknowledged", "letter_answered"])
    what = "Letter to the chief executive: “Dentists' training scheme 2012”, asking £3,700"
    detail = "They said that it arrived, which commits them to nothing."
    return (uuid4(), organisation, at, kind, what, detail, uuid4(), at)


async def _paths(url: str) -> dict[str, list[str]]:
    """What the users ask for: searches by a word or two, and organisations."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT id FROM organisations ORDER BY md5(identifier) LIMIT 500")
    finally:
        await connection.close()
    words = [f"{first.lower()}+{second.lower()}" for first in _FIRST for second in _SECOND]
    searches = [f"{LIST}?q={word.replace(chr(39), '%27')}" for word in [*words, *map(str.lower, _THIRD)]]
    return {"list": searches, "organisation": [f"{LIST}/{row['id']}" for row in rows]}


# Statements


async def _statements(settings: Settings, url: str) -> dict[str, int]:
    """How many statements each of our pages takes."""
    keys, house = read_keys(settings.keys_folder, PARTNERS), read_house(EXAMPLES / "house.toml")
    database = Watched(url, Context(service=PARTNERS, settings=settings, house=house, keys=keys))
    await database.open()
    counts = {}
    try:
        async with client(build(database), "/partners") as browser:
            for page, paths in (await _paths(url)).items():
                await browser.get(paths[0])
                database.asked.clear()
                (await browser.get(paths[1])).raise_for_status()
                counts[page] = len([each for each in database.asked if _is_statement(each)])
    finally:
        await database.close()
    return counts


def _is_statement(query: str) -> bool:
    """Django does not begin a transaction, which is no merit."""
    return not query.upper().startswith(("BEGIN", "COMMIT", "ROLLBACK"))


def _statements_of(django: Side, paths: dict[str, list[str]]) -> dict[str, int]:
    counts = {}
    for page, asked in paths.items():
        address = f"http://127.0.0.1:{django.port}{asked[1]}"
        answers = [httpx.get(address, headers={"cookie": django.cookie}) for _ in range(2 * USERS)]
        # Each thread opens a connection with its first page, which takes statements of its own.
        counts[page] = min(int(each.raise_for_status().headers["x-statements"]) for each in answers)
    return counts


# Speed


def _side_by_side(stack: ExitStack, home: Path, postgres: DurablePostgres, url: str) -> dict[str, float]:
    house = str(EXAMPLES / "house.toml")
    pace = {"CONDUIT_HOUSE_FILE": house, "CONDUIT_LOG_LEVEL": "error"}
    conduit = stack.enter_context(Running(home, "--database-url", postgres.url, **pace))
    conduit.wait_until_ready()
    [(name, token)] = conduit.cookies.items()
    ours = Side(conduit.port, conduit.pid, f"{name}={token}")
    sides = {"conduit": ours, "django": stack.enter_context(_django(url))}
    figures: dict[str, float] = {}
    for page, paths in asyncio.run(_paths(url)).items():
        size = asyncio.run(_same_content(sides, paths))
        measured: dict[str, list[Round]] = {name: [] for name in sides}
        for number in range(ROUNDS + 1):
            for name, side in sides.items():
                one = side.round(paths, size)
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


async def _same_content(sides: dict[str, Side], paths: Sequence[str]) -> int:
    """How many bytes our pages have on average; fails when the sides do not show the same organisations."""
    shown: dict[str, list[bytes]] = {}
    for name, side in sides.items():
        shown[name] = [(await ask(side.port, path, side.headers(0)))[1] for path in paths[:20]]
    for ours, theirs in zip(shown["conduit"], shown["django"], strict=True):
        assert _named(ours) == _named(theirs), "the two sides do not show the same"
    return sum(map(len, shown["conduit"])) // len(shown["conduit"])


def _named(page: bytes) -> tuple[set[bytes], set[bytes]]:
    """The organisations and the people that a page names."""
    organisations = re.findall(rb'<th scope="row">\s*<a href="/partners/organisations/([0-9a-f-]{36})"', page)
    return set(organisations), set(re.findall(rb"mailto:([a-z_]+@body-\d+\.example)", page))


@contextmanager
def _django(url: str) -> Iterator[Side]:
    """One worker of gunicorn with the peer's pages."""
    environment = {**os.environ, "PEER_DATABASE_URL": url, "PYTHONWARNINGS": "ignore"}
    peer = "tests.benchmarks.django_peer"
    said = subprocess.run(
        [sys.executable, "-m", peer], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    port = free_port()
    serve = ["-m", "gunicorn", f"{peer}:application", "--workers", "1", "--threads", str(USERS)]
    serve += [
        "--keep-alive",
        "60",
        "--log-level",
        "error",
        "--no-control-socket",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    with subprocess.Popen([sys.executable, *serve], cwd=ROOT, env=environment) as running:
        try:
            _wait_for(port)
            yield Side(port, running.pid, said.stdout.strip())
        finally:
            running.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}{LIST}", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("gunicorn did not start")
