"""The register's list and one organisation's page, beside Django on the same database."""

import asyncio
import csv
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from chassis.config import Settings
from chassis.house import read_house
from contracts.topology import PARTNERS
from services.installation import EXAMPLES, Installation
from services.partners.web import build
from tests.access import EVERYTHING
from tests.benchmarks.pages import (
    Side,
    conduit_up,
    context_of,
    django,
    side_by_side,
    statement_figures,
    statements_of_django,
    statements_of_ours,
)
from tests.benchmarks.servers import DurablePostgres, execute, line_from, program
from tests.watching import Watched

#: Organisations; each has so many contacts and so many lines of its timeline.
SIZES = (1_000, 10_000)
CONTACTS, LINES = 3, 20
LIST = "/partners/organisations"
PAGES = ("list", "organisation")

_FIRST = "Golborne Ladbroke Portobello Westbourne Harrow Kilburn Acton Wembley Peckham Hackney".split()
_SECOND = "Refugee Migrant Somali Kurdish Women's Youth Elders' Health Housing Advice".split()
_THIRD = "Forum Centre Project Network Association Circle Trust Group Council Partnership".split()


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
        people = dict.fromkeys(PAGES, EVERYTHING)
        statements = {}
        for size in SIZES:
            _fill(home, url, size)
            paths = asyncio.run(_paths(url))
            database = Watched(url, context_of(settings, PARTNERS))
            ours = statements_of_ours(database, build(database), "/partners", paths, people)
            statements[size] = {"conduit": asyncio.run(ours)}
            with _django(url) as peer:
                statements[size]["django"] = statements_of_django(peer, paths)
        conduit = stack.enter_context(conduit_up(home, postgres, people))
        sides = {"conduit": conduit, "django": stack.enter_context(_django(url))}
        measured = side_by_side(sides, paths, _named)
    return measured | statement_figures(statements)


def _django(url: str) -> AbstractContextManager[Side]:
    return django(url, dict.fromkeys(PAGES, str(EVERYTHING.id)))


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


def _named(page: bytes) -> tuple[set[bytes], set[bytes]]:
    """The organisations and the people that a page names."""
    organisations = re.findall(rb'<th scope="row">\s*<a href="/partners/organisations/([0-9a-f-]{36})"', page)
    return set(organisations), set(re.findall(rb"mailto:([a-z_]+@body-\d+\.example)", page))
