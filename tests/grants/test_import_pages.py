"""The pages that take in a list of registrations: it is looked at line by line, and then done whole."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import httpx
import pytest

from chassis.audit import every_row
from chassis.database import Database
from contracts.access import Role
from services.grants import imports, web
from services.grants.counting import figures
from services.grants.imports import IMPORTING, import_registrations
from services.grants.queries import IMPORTS
from services.grants.web.imports import LIST
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, announced, client
from tests.grants.applying import key_in
from tests.grants.test_imports import CAMDEN, a_file, a_line, everything


@dataclass
class Desk:
    """Somebody of staff at the pages, and the background that does what they ask for."""

    browser: httpx.AsyncClient
    grants: Database

    async def choose(self, content: bytes, name: str = "list.csv") -> httpx.Response:
        page = await self.browser.get(LIST)
        return await self.browser.post(LIST, data={"key": key_in(page)}, files={"file": (name, content)})

    async def read(self, content: bytes) -> str:
        """The address of the report on a file."""
        answer = await self.choose(content)
        assert answer.status_code == 303, answer.text
        await self.work()
        return answer.headers["location"]

    async def work(self) -> None:
        while await IMPORTING.turn(self.grants):
            pass

    async def order(self, href: str) -> dict[str, str]:
        """What the form says that lets it be done."""
        page = await self.browser.get(href)
        shown = re.search(r'name="shown" value="([0-9a-f]+)"', page.text)
        assert shown, page.text
        return {"key": key_in(page, "-apply"), "shown": shown[1], "confirm": "yes"}

    async def apply(self, href: str) -> httpx.Response:
        return await self.browser.post(f"{href}/apply", data=await self.order(href))

    async def text(self, href: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (await self.browser.get(href)).text))

    async def kept(self) -> int:
        async with self.grants.reading() as tx:
            return int(await tx.fetchval("SELECT count(*) FROM files"))


@pytest.fixture
async def desk(grants: Database) -> AsyncIterator[Desk]:
    staff = replace(EVERYTHING, roles=frozenset({Role.STAFF}))
    async with client(web.build(grants), "/grants", staff) as browser:
        yield Desk(browser, grants)


async def test_thousands_are_looked_at_and_then_taken_in_as_the_command_does(
    desk: Desk, grants: Database
) -> None:
    answer = await desk.choose((EXAMPLES / "registrations.csv").read_bytes(), "registrations.csv")
    href = answer.headers["location"]
    assert "It is being read and compared" in await desk.text(href)
    await desk.work()
    assert await everything(grants) == {"registrations": [], "counts": [], "outbox": []}
    page = await desk.text(href)
    assert "3,500 lines that could be read" in page
    assert "Take in 3,500 registrations" in page
    order = await desk.order(href)
    both = await asyncio.gather(*(desk.browser.post(f"{href}/apply", data=order) for _ in range(2)))
    assert {each.status_code for each in both} == {303}, "a double click is one"
    await desk.work()
    assert "Taken in" in await desk.text(href)
    async with grants.reading() as tx:
        assert (await figures(tx))["registrations"] == 3_500
        noted = [row async for row in every_row(tx) if row["action"] == "registrations_imported"]
    assert len(await announced(grants)) == 33
    assert [(row["person_id"], row["after"]) for row in noted] == [
        (str(EVERYTHING.id), {"new": 3_500, "changed": 0})
    ]
    assert await desk.kept() == 0, "whom it names is not kept any longer"
    again = await import_registrations(grants, EXAMPLES / "registrations.csv")
    assert (again.same, again.new, again.changed) == (3_500, 0, 0), "the command finds what the page wrote"
    assert (await desk.browser.post(f"{href}/apply", data=order | {"key": "x"})).status_code != 303


async def test_each_line_says_what_becomes_of_it_and_what_is_wrong(desk: Desk, grants: Database) -> None:
    await import_registrations(grants, a_file(a_line("a"), a_line("b")))
    href = await desk.read(
        a_file(a_line("a"), a_line("b", area=CAMDEN), a_line("c", country="Iraq"), a_line("d"))
    )
    page = await desk.text(href)
    assert "Nothing can be taken in yet: 1 line is refused" in page
    assert "To be corrected" in await desk.text("/grants/registrations/imports")
    assert "Borough: Kensington and Chelsea → Camden" in page
    assert "Country: “Iraq” is not a country code." in page
    for fate, line in (("same", 2), ("changed", 3), ("refused", 4), ("new", 5)):
        only = await desk.text(f"{href}?fate={fate}")
        assert re.findall(r"Line (\d+)", only) == [str(line)]
    answer = await desk.browser.get(f"{href}/refused.csv")
    [head, row] = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head == ["Line", "Column", "What is wrong", "What to do"]
    assert row[:2] == ["4", "country"]
    assert 'name="shown"' not in (await desk.browser.get(href)).text
    assert (await desk.browser.post(f"{href}/cancel", data=await _cancel(desk, href))).status_code == 303
    assert await desk.kept() == 0
    wrong = a_line("e", country="Iraq", basis="none")
    page = await desk.text(await desk.read(a_file(wrong, a_line("f"), a_line("E"))))
    assert "Nothing can be taken in yet: 2 lines are refused" in page, (
        "lines, and not all that is wrong with them"
    )
    assert page.count("Line 2 ") == 2
    assert "The same reference stands on line 2 already" in page
    for content, name in ((b"PK\x03\x04x", "list.xlsx"), (b"", "list.csv"), (b"{}", "list.json")):
        refused = await desk.choose(content, name)
        assert (refused.status_code, "file-fault" in refused.text) == (422, True), name


async def _cancel(desk: Desk, href: str) -> dict[str, str]:
    return {"key": key_in(await desk.browser.get(href), "-cancel")}


async def test_what_is_done_is_what_was_shown(desk: Desk, grants: Database) -> None:
    href = await desk.read(a_file(a_line("a"), a_line("b")))
    await import_registrations(grants, a_file(a_line("b", area=CAMDEN)))
    before = await everything(grants)
    await desk.apply(href)
    await desk.work()
    assert await everything(grants) == before
    page = await desk.text(href)
    assert "Registrations have changed since" in page
    assert "Take in 2 registrations" in page
    await desk.apply(href)
    await desk.work()
    assert "Taken in" in await desk.text(href)
    async with grants.reading() as tx:
        assert (await figures(tx))["registrations"] == 2


async def rename(grants: Database, table: str, name: str) -> None:
    async with grants.transaction() as tx:
        await tx.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def test_a_step_that_died_is_taken_again_and_one_that_always_does_is_given_up(
    desk: Desk, grants: Database
) -> None:
    first, second = [await desk.read(a_file(a_line(name))) for name in "ab"]
    await desk.apply(first)
    await rename(grants, "registration_counts", "away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await IMPORTING.turn(grants)
    await rename(grants, "away", "registration_counts")
    async with grants.reading() as tx:
        assert (await figures(tx))["registrations"] == 0, "undone whole"
    await desk.work()
    assert "Taken in" in await desk.text(first)
    await desk.apply(second)
    await rename(grants, "registration_counts", "away")
    for _ in range(3):
        with pytest.raises(asyncpg.UndefinedTableError):
            await IMPORTING.turn(grants)
    await desk.work()
    await rename(grants, "away", "registration_counts")
    assert "This file could not be read" in await desk.text(second)
    assert await desk.kept() == 0


async def test_nothing_is_kept_for_longer_than_a_day_nor_of_whoever_may_be_forgotten(
    desk: Desk, grants: Database
) -> None:
    href = await desk.read(a_file(a_line("a")))
    grants.context.clock.advance(timedelta(days=1, minutes=1))
    await desk.work()
    assert await desk.kept() == 0
    assert (await desk.browser.get(href)).status_code == 404
    await desk.read(a_file(a_line("a")))
    async with grants.transaction() as tx:
        await imports.drop_waiting(tx)
    assert await desk.kept() == 0


async def test_while_another_is_read_it_waits(desk: Desk, grants: Database) -> None:
    await desk.choose(a_file(a_line("a")))
    async with grants.transaction() as tx:
        assert await IMPORTS.claim_import(tx)
        assert not await IMPORTING.turn(grants)
    assert await IMPORTING.turn(grants)
