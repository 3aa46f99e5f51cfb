"""What it costs to know who asks: verifying a session beside the whole page that it is verified for."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import httpx

from chassis.access import SessionKeys, Standings, create_session_key
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import create_keys, read_keys
from chassis.migrations import migrate
from chassis.testing import PrivatePostgres
from contracts.topology import PARTNERS, SERVICES
from services.installation import migrations_of
from services.partners.imports import import_partners
from services.partners.web import build
from tests.access import token
from tests.conftest import EXAMPLES

ROUNDS, PAGES, SESSIONS = 9, 60, 600
PAGE = "/partners/organisations"


def measure() -> dict[str, float]:
    """Microseconds of a page of the register and of verifying its session, and the second's share."""
    with tempfile.TemporaryDirectory(prefix="conduit-bench-") as folder, PrivatePostgres() as server:
        migrate(server.database_url("postgres"), migrations_of(PARTNERS))
        return asyncio.run(_measure(Path(folder), server.database_url("postgres")))


async def _measure(folder: Path, database_url: str) -> dict[str, float]:
    settings = Settings(home=folder)
    create_keys(settings.keys_folder, SERVICES)
    create_session_key(settings.keys_folder)
    keys, house = read_keys(settings.keys_folder, PARTNERS), read_house(EXAMPLES / "house.toml")
    database = Database(database_url, Context(service=PARTNERS, settings=settings, house=house, keys=keys))
    await database.open()
    try:
        await import_partners(database, EXAMPLES / "partners.csv", dry_run=False)
        cookie = token(settings.keys_folder)
        sessions, standings = SessionKeys(settings.keys_folder), Standings(database)

        async def verify() -> None:
            await standings.check(sessions.verify(cookie, database.context.clock.now()))

        transport = httpx.ASGITransport(build(database), root_path="/partners")
        cookies = {"conduit": cookie}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", cookies=cookies
        ) as browser:

            async def show() -> None:
                (await browser.get(PAGE)).raise_for_status()

            rounds = [(await _each(show, PAGES), await _each(verify, SESSIONS)) for _ in range(ROUNDS)]
    finally:
        await database.close()
    page, session = (median(times) for times in zip(*rounds, strict=True))
    return {
        "page_us": round(page * 1e6),
        "session_us": round(session * 1e6, 1),
        "percent": round(100 * session / page, 2),
    }


async def _each(act: Callable[[], Awaitable[None]], times: int) -> float:
    """Seconds of one of many."""
    began = time.perf_counter()
    for _ in range(times):
        await act()
    return (time.perf_counter() - began) / times
