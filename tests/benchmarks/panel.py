"""A member's desk, one case and the ranked agenda of a meeting, beside Django on the same database."""

import asyncio
import re
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from chassis.access import Person
from chassis.config import Settings
from contracts.topology import GRANTS
from services.grants.web import build
from services.grants.web.hrefs import DESK, desk_case_href, meeting_href
from services.installation import EXAMPLES, Installation
from tests.benchmarks.pages import (
    Paths,
    Side,
    conduit_up,
    context_of,
    django,
    side_by_side,
    statement_figures,
    statements_of_django,
    statements_of_ours,
)
from tests.benchmarks.panelled import Panel, a_large_panel
from tests.benchmarks.servers import DurablePostgres
from tests.grants.panelling import OFFICER
from tests.watching import Watched

#: Cases of the round; each is scored by nine of ten of 20 members.
SIZES = (1_000, 10_000)
#: Seconds that one statement may take which fills a table.
PATIENCE = 300.0


def measure() -> dict[str, Any]:
    """Pages a second and milliseconds for 99 of 100, by either; statements of a page, by cases."""
    statements: dict[int, dict[str, dict[str, int]]] = {}
    measured: dict[str, float] = {}
    for size in SIZES:
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-"))) / "home"
            postgres = stack.enter_context(DurablePostgres())
            settings = Settings(home=home, house_file=EXAMPLES / "house.toml", database_url=postgres.url)
            installation = Installation(settings)
            installation.make_keys()
            assert len(list(installation.migrate())) == 3
            url = installation.urls()[GRANTS]
            patient = replace(settings, database_timeout=PATIENCE)
            database = Watched(url, context_of(patient, GRANTS))
            panel, paths = asyncio.run(_fill(database, size))
            people = _people(panel)
            peer = stack.enter_context(_django(url, panel))
            ours = statements_of_ours(database, build(database), "/grants", paths, people)
            statements[size] = {
                "conduit": asyncio.run(ours),
                "django": statements_of_django(peer, paths),
            }
            if size == max(SIZES):
                conduit = stack.enter_context(conduit_up(home, postgres, people))
                measured = side_by_side({"conduit": conduit, "django": peer}, paths, _named)
    return measured | statement_figures(statements)


def _people(panel: Panel) -> Mapping[str, Person]:
    """Who asks for each page."""
    return {"desk": panel.member, "case": panel.member, "agenda": OFFICER}


def _django(url: str, panel: Panel) -> AbstractContextManager[Side]:
    names = {str(id): name for id, name in panel.names.items()}
    return django(url, {page: str(who.id) for page, who in _people(panel).items()}, names=names)


async def _fill(database: Watched, size: int) -> tuple[Panel, Paths]:
    """The panel, and what the users ask for: the desk from many labels on, many cases, the agenda's pages."""
    await database.open()
    try:
        panel = await a_large_panel(database, size)
        async with database.reading() as tx:
            seen = await tx.fetch(
                "SELECT id, label FROM cases_for($1) ORDER BY md5(label) LIMIT 500", panel.member.id
            )
    finally:
        await database.close()
    meeting = meeting_href(panel.meeting)
    paths = {
        "desk": [address for row in seen for address in (DESK, f"{DESK}?after={row['label']}")],
        "case": [desk_case_href(row["id"]) for row in seen],
        "agenda": [each for row in seen for each in (meeting, f"{meeting}?part=0&after={row['id']}")],
    }
    return panel, paths


def _named(page: bytes) -> set[bytes]:
    """The cases and the members that a page names."""
    return set(re.findall(rb"(?<![\w-])[0-9A-F]{8}(?![\w-])|Marker Member \d+", page))
