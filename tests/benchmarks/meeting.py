"""A meeting with 50 viewers: how long after the officer's button each screen knows, and has its page.

Conduit is ``conduit up`` as anybody starts it, everything in one process. From a fifth of the members one
case or another is kept. A viewer fetches the page again as soon as the stream says so, as the browser does.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
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
#: Decisions that are measured, after some that warm everything up; seconds that a screen may take.
DECISIONS, WARMING, PATIENCE = 40, 5, 20.0


@dataclass(frozen=True)
class Meeting:
    """What is measured."""

    id: UUID
    cases: Sequence[Case]
    members: Sequence[Person]
    #: Which case is kept from whom.
    kept: Mapping[UUID, UUID]


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
        kept = {member.id: lots.choice(panel.cases) for member in members[4::5]}
        for member in members[4::5]:
            await a_conflict(database, kept[member.id].application_id, member)
        async with acting(database) as tx:
            id = await meetings.begin(tx, panel.id, OFFICER.id)
            for member in members:
                await meetings.arrive(tx, id, member.id)
            await meetings.open_item(tx, id, panel.cases[0].id)
        for case in panel.cases:
            for member in members[:8]:
                await scores(database, case, member, {each: lots.randint(0, 5) for each in panel.criteria})
        return Meeting(id, panel.cases, members, {member: case.id for member, case in kept.items()})
    finally:
        await database.close()


class _Viewer:
    """A browser with the page open: it hears of changes, and fetches the page again."""

    def __init__(self, port: int, path: str, changes: str, cookie: str, kept: UUID | None = None) -> None:
        self._port, self._path, self._changes = port, path, changes
        #: The case that is kept from them.
        self.kept = kept
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

    async def shown_after(self, moment: float) -> None:
        """Wait until they have a page that is newer."""
        async with asyncio.timeout(PATIENCE):
            while self.shown_at < moment:  # noqa: ASYNC110 - looking must cost the server nothing
                await asyncio.sleep(0.005)


async def _watch(port: int, keys: Path, meeting: Meeting) -> tuple[list[float], list[float]]:
    """For each decision and each viewer, the seconds until they were told, and until they had the page."""
    officer, wall = token(keys, OFFICER), f"/grants/meetings/{meeting.id}"
    viewers = [_Viewer(port, f"{wall}/screen", f"{wall}/changes", officer)]
    for member in meeting.members:
        theirs = f"/grants/attend/{meeting.id}"
        cookie, kept = token(keys, member), meeting.kept.get(member.id)
        viewers.append(_Viewer(port, theirs, f"{theirs}/changes", cookie, kept))
    looking = [asyncio.create_task(viewer.look()) for viewer in viewers]
    told, shown = list[float](), list[float]()
    cookies = {"conduit": officer}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", cookies=cookies) as browser:
        await asyncio.sleep(3)
        for number in range(DECISIONS + WARMING):
            case = meeting.cases[number % CASES]
            pressed = time.perf_counter()
            answer = await browser.post(f"{wall}/decide", data=_form(case, number // CASES))
            assert answer.status_code == 303, answer.text
            seeing = [viewer for viewer in viewers if viewer.kept != case.id]
            await asyncio.gather(*(viewer.shown_after(pressed) for viewer in seeing))
            if number >= WARMING:
                told += [viewer.told_at - pressed for viewer in seeing]
                shown += [viewer.shown_at - pressed for viewer in seeing]
            assert all(viewer.told_at < pressed for viewer in viewers if viewer not in seeing)
    for each in looking:
        each.cancel()
    return told, shown


def _form(case: Case, before: int) -> dict[str, str]:
    """The form that decides: an award, then put off, in turns."""
    return {
        "key": form_key(OFFICER),
        "case": str(case.id),
        "follows": str(before),
        "kind": "defer" if before % 2 else "award",
        "amount": "10",
        "words": "The panel has read it with care.",
        "why_changed": "Measured.",
        "without_missing": "yes",
    }
