"""A meeting with 50 viewers: how long after the officer's button each screen knows, and has its page.

Conduit is ``conduit up`` as anybody starts it, everything in one process. From a fifth of the members one
case or another is kept. A viewer fetches the page again as soon as the stream says so, as the browser does.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID

import httpx

from chassis.access import Person
from chassis.audit import acting
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from contracts.topology import GRANTS
from services.grants import meetings
from services.installation import EXAMPLES, Installation
from tests.access import form_key, token
from tests.benchmarks.load import ask
from tests.benchmarks.servers import DurablePostgres
from tests.grants.panelling import OFFICER, Case, a_conflict, a_member, a_panel, scores
from tests.journeys.running import Running

#: Members with a page open, besides the screen on the wall; cases on the agenda.
MEMBERS, CASES = 49, 20
#: Decisions that are measured, after one that warms everything up; seconds of quiet between two.
DECISIONS, QUIET = 40, 0.5


@dataclass(frozen=True)
class Meeting:
    """What is measured."""

    id: UUID
    cases: Sequence[Case]
    members: Sequence[Person]


def measure() -> dict[str, float]:
    """Milliseconds until all screens know of a decision, and until they have the page that shows it."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-"))) / "home"
        postgres = stack.enter_context(DurablePostgres())
        house = EXAMPLES / "house.toml"
        settings = Settings(home=home, house_file=house, database_url=postgres.url)
        installation = Installation(settings)
        installation.make_keys()
        assert len(list(installation.migrate())) == 3
        meeting = asyncio.run(_fill(settings, installation.urls()[GRANTS]))
        pace = {"CONDUIT_HOUSE_FILE": str(house), "CONDUIT_LOG_LEVEL": "error"}
        conduit = stack.enter_context(Running(home, "--database-url", postgres.url, **pace))
        conduit.wait_until_ready()
        told, shown = asyncio.run(_watch(conduit.port, home / "keys", meeting))
    return {
        "viewers": MEMBERS + 1,
        "told_p50_ms": _ms(median(told)),
        "told_p99_ms": _ms(quantiles(told, n=100)[-1]),
        "shown_p50_ms": _ms(median(shown)),
        "shown_p99_ms": _ms(quantiles(shown, n=100)[-1]),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


async def _fill(settings: Settings, url: str) -> Meeting:
    """A meeting that has begun, with everybody there, all scores in, and a case open."""
    keys = read_keys(settings.keys_folder, GRANTS)
    house = read_house(EXAMPLES / "house.toml")
    database = Database(url, Context(service=GRANTS, settings=settings, house=house, keys=keys))
    await database.open()
    try:
        lots = random.Random(2012)
        panel = await a_panel(database, CASES)
        others = [
            await a_member(database, panel.id, f"Marker Member {number}", professions=["doctor"])
            for number in range(MEMBERS - 3)
        ]
        members = [*panel.members[:3], *others]
        for number, member in enumerate(members):
            if number % 5 == 4:
                await a_conflict(database, lots.choice(panel.cases).application_id, member)
        async with acting(database) as tx:
            id = await meetings.begin(tx, panel.id, OFFICER.id)
            for member in members:
                await meetings.arrive(tx, id, member.id)
            await meetings.open_item(tx, id, panel.cases[0].id)
        for case in panel.cases:
            for member in members[:8]:
                await scores(database, case, member, {each: lots.randint(0, 5) for each in panel.criteria})
        return Meeting(id, panel.cases, members)
    finally:
        await database.close()


class _Viewer:
    """A browser with the page open: it hears of changes, and fetches the page again."""

    def __init__(self, port: int, path: str, changes: str, cookie: str) -> None:
        self._port, self._path, self._changes = port, path, changes
        self._headers = f"Cookie: conduit={cookie}\r\n"
        self.told_at = self.shown_at = 0.0

    async def look(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = f"GET {self._changes} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{self._headers}\r\n"
        writer.write(request.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        connection = None
        while line := await reader.readline():
            if line.startswith(b"data: changed"):
                self.told_at = time.perf_counter()
                connection, page = await ask(self._port, self._path, self._headers, connection)
                assert b"</html>" in page
                self.shown_at = time.perf_counter()


async def _watch(port: int, keys: Path, meeting: Meeting) -> tuple[list[float], list[float]]:
    """For each decision and each viewer, the seconds until they were told, and until they had the page."""
    officer, wall = token(keys, OFFICER), f"/grants/meetings/{meeting.id}"
    viewers = [_Viewer(port, f"{wall}/screen", f"{wall}/changes", officer)]
    for member in meeting.members:
        theirs = f"/grants/attend/{meeting.id}"
        viewers.append(_Viewer(port, theirs, f"{theirs}/changes", token(keys, member)))
    looking = [asyncio.create_task(viewer.look()) for viewer in viewers]
    told, shown = list[float](), list[float]()
    cookies = {"conduit": officer}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", cookies=cookies) as browser:
        await asyncio.sleep(3)
        for number in range(DECISIONS + 1):
            case = meeting.cases[number % CASES]
            fields = {
                "key": form_key(OFFICER),
                "case": str(case.id),
                "follows": str(number // CASES),
                "kind": "defer" if number // CASES % 2 else "award",
                "amount": "10",
                "words": "The panel has read it with care.",
                "why_changed": "Measured.",
                "without_missing": "yes",
            }
            pressed = time.perf_counter()
            answer = await browser.post(f"{wall}/decide", data=fields)
            assert answer.status_code == 303, answer.text
            await _quiet(viewers)
            if number:
                told += [viewer.told_at - pressed for viewer in viewers if viewer.told_at > pressed]
                shown += [viewer.shown_at - pressed for viewer in viewers if viewer.shown_at > pressed]
    for each in looking:
        each.cancel()
    assert len(told) > DECISIONS * MEMBERS * 0.9, "somebody was not told"
    return told, shown


async def _quiet(viewers: Sequence[_Viewer]) -> None:
    """Until no screen has changed for a while."""
    rest = QUIET
    while rest > 0:
        await asyncio.sleep(rest)
        last = max(max(viewer.told_at, viewer.shown_at) for viewer in viewers)
        rest = last + QUIET - time.perf_counter()
