"""A mailing of 100,000 letters by ``conduit up`` as anybody starts it: how fast, how large, pages meanwhile.

From the press of “send” to the last letter that the mail server has taken; somebody opens one page after the
other all the while, ten a second, and afterwards the board of the whole campaign.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from itertools import cycle
from math import inf
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID

import asyncpg

from chassis.access import LIFETIME, Person
from chassis.config import Settings
from chassis.database import Database
from contracts.topology import NOTIFICATIONS, SERVICES
from services.installation import EXAMPLES, Installation
from tests.access import EVERYTHING, token
from tests.benchmarks import letters
from tests.benchmarks.load import ask
from tests.benchmarks.pages import Side, conduit_up, context_of
from tests.benchmarks.servers import DurablePostgres, family, line_from, peak_megabytes, program

#: Letters, each to a body of its own.
LETTERS = 100_000
#: Seconds between two pages that are opened, and pages of the board.
PAUSE, BOARDS = 0.1, 100
#: Seconds that one statement may take which makes so many letters.
PATIENCE = 900.0

#: A page, and the seconds until it was there.
Wait = tuple[str, float]

#: Whoever opens pages.
READER: Person = EVERYTHING


def measure() -> dict[str, Any]:
    """Letters a second, megabytes at the peak, and milliseconds of 99 of 100 pages."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        port = line_from(stack.enter_context(program("tests.benchmarks.sink")))
        home = folder / "home"
        installation = Installation(
            Settings(
                home=home,
                house_file=EXAMPLES / "house.toml",
                database_url=postgres.url,
                database_timeout=PATIENCE,
            )
        )
        installation.make_keys()
        assert len(list(installation.migrate())) == len(SERVICES)
        campaign, pages = asyncio.run(_fill(installation, folder))
        mail = {"CONDUIT_SMTP_URL": f"smtp://127.0.0.1:{port}", "CONDUIT_MAIL_RATE": "100000"}
        conduit = stack.enter_context(conduit_up(home, postgres, {}, **mail))
        return asyncio.run(_watch(installation, conduit, campaign, pages))


async def _fill(installation: Installation, folder: Path) -> tuple[UUID, Sequence[str]]:
    """An approved campaign with a letter to every body, and pages that somebody may open."""
    async with _opened(installation) as databases:
        await letters.tell_of_everything(databases, folder, {LETTERS: "school"})
        database = databases[NOTIFICATIONS]
        campaign = await letters.draft(database, LETTERS, "school")
        await letters.approve(database, campaign)
        async with database.reading() as tx:
            some = await tx.fetch("SELECT id FROM letters ORDER BY md5(id::text) LIMIT 200")
    lists = ("/letters/", "/letters/chasing", "/partners/organisations", "/grants/")
    return campaign, [page for row in some for page in (f"/letters/letters/{row['id']}", *lists)]


@asynccontextmanager
async def _opened(installation: Installation) -> AsyncIterator[Mapping[str, Database]]:
    urls = installation.urls()
    databases = {name: Database(urls[name], context_of(installation.settings, name)) for name in SERVICES}
    try:
        for database in databases.values():
            await database.open()
        yield databases
    finally:
        for database in databases.values():
            await database.close()


async def _watch(
    installation: Installation, conduit: Side, campaign: UUID, pages: Sequence[str]
) -> dict[str, Any]:
    async with _opened(installation) as databases:
        started = time.monotonic()
        await letters.release(databases[NOTIFICATIONS], campaign)
    connection = await asyncpg.connect(installation.urls()[NOTIFICATIONS])
    done = asyncio.Event()
    visitor = asyncio.create_task(_visit(conduit, installation.settings.keys_folder, pages, done))
    try:
        while await connection.fetchval("SELECT state FROM campaigns WHERE id = $1", campaign) != "sent":
            await asyncio.sleep(0.2)
            if visitor.done():
                break  # a page failed: what it says is raised below
        took = time.monotonic() - started
        sent = await connection.fetchval("SELECT count(*) FROM letters WHERE state = 'sent'")
    finally:
        done.set()
        await connection.close()
    waits = await visitor
    assert sent == LETTERS
    peak = sum(map(peak_megabytes, family(conduit.pid)))
    board = [f"/letters/campaigns/{campaign}"]
    boards = await _visit(conduit, installation.settings.keys_folder, board, most=BOARDS)
    return {
        "letters": LETTERS,
        "sent_per_s": round(sent / took, 1),
        "peak_mb": round(peak, 1),
        "pages": len(waits),
        "pages_p99_ms": _p99(waits),
        "by_page_p99_ms": {kind: _p99(some) for kind, some in _by_kind(waits).items()},
        "board_p99_ms": _p99(boards),
    }


def _p99(waits: Sequence[Wait]) -> float:
    return round(quantiles((each for _path, each in waits), n=100)[-1] * 1000, 1)


def _by_kind(waits: Sequence[Wait]) -> Mapping[str, Sequence[Wait]]:
    found: dict[str, list[Wait]] = {}
    for path, wait in waits:
        kind = "/letters/letters/…" if path.startswith("/letters/letters/") else path
        found.setdefault(kind, []).append((path, wait))
    return found


async def _visit(
    side: Side, keys: Path, paths: Sequence[str], done: asyncio.Event | None = None, most: int = 1_000_000
) -> list[Wait]:
    """Open one page after the other until it is over. Each with the seconds that it took."""
    waits: list[Wait] = []
    connection = None
    good_until = -inf
    for path in cycle(paths):
        if len(waits) >= most or (done is not None and done.is_set()):
            break
        if time.monotonic() > good_until:  # a mailing takes longer than what a browser renews by itself
            cookie = f"Cookie: conduit={token(keys, READER)}\r\n"
            good_until = time.monotonic() + LIFETIME.total_seconds() / 2
        began = time.perf_counter()
        connection, _ = await ask(side.port, path, cookie, connection)
        waits.append((path, time.perf_counter() - began))
        await asyncio.sleep(PAUSE)
    if connection is not None:
        connection[1].close()
    return waits
