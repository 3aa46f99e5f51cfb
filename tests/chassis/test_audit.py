"""The audit: one row for each act, in a chain that tells when any of it was changed, taken out or put in."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from chassis.audit import Actor, acting, digest_of, every_row, note, verify
from chassis.database import Database
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.grants import web
from tests.access import EVERYTHING
from tests.conftest import MakeDatabase, client

LONG = uuid4()
AMINA = Actor(person=uuid4(), session=uuid4(), source="192.0.2.1", action="keep_account", object="7")


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database(GRANTS)


async def act(database: Database, *names: str, actor: Actor | None = AMINA) -> None:
    async with acting(database, actor) as tx:
        for name in names:
            note(tx, name, "thing", "1", before={"n": 1}, after={"n": [2, "x"], "who": AMINA.person})


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as tx:
        return [row async for row in every_row(tx)]


async def broken_at(database: Database) -> int | None:
    async with database.reading() as tx:
        return (await verify(tx)).broken_at


async def test_each_act_is_a_row_that_says_who_what_and_from_where(database: Database) -> None:
    await act(database, "opened", "closed")
    first, second = await rows(database)
    assert first["number"] == 1
    assert UUID(first["person_id"]) == AMINA.person
    assert UUID(first["session_id"]) == AMINA.session
    assert (first["source"], first["action"], first["kind"], first["object"]) == (
        "192.0.2.1",
        "opened",
        "thing",
        "1",
    )
    assert (first["before"], first["after"]["n"]) == ({"n": 1}, [2, "x"])
    assert (second["number"], second["action"]) == (2, "closed")
    assert await broken_at(database) is None


async def test_an_act_that_says_nothing_of_itself_is_noted_all_the_same(database: Database) -> None:
    await act(database)
    (row,) = await rows(database)
    assert (row["action"], row["object"]) == ("keep_account", "7")


async def test_what_nobody_did_is_no_act(database: Database) -> None:
    await act(database, "opened", actor=None)
    assert await rows(database) == []


async def test_what_was_undone_was_not_done(database: Database) -> None:
    async def act_and_fail() -> None:
        async with acting(database, AMINA) as tx:
            note(tx, "opened", "thing", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await act_and_fail()
    assert await rows(database) == []


async def test_many_at_once_make_one_chain_without_a_gap(database: Database) -> None:
    await asyncio.gather(*(act(database, f"act{n}", f"and{n}") for n in range(20)))
    found = await rows(database)
    assert [row["number"] for row in found] == list(range(1, 41))
    assert len({row["digest"] for row in found}) == 40
    assert await broken_at(database) is None
    # What belongs to one act stays together.
    assert all(a["action"][3:] == b["action"][3:] for a, b in zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET action = 'x'",
        "UPDATE audit SET digest = digest",
        "DELETE FROM audit WHERE number = 1",
        "TRUNCATE audit",
    ],
)
async def test_the_database_lets_nobody_change_a_row(
    make_database: MakeDatabase, service: str, statement: str
) -> None:
    database = await make_database(service)
    await act(database, "opened")
    with pytest.raises((asyncpg.RaiseError, asyncpg.InsufficientPrivilegeError)):
        async with database.transaction() as tx:
            await tx.execute(statement)
    assert len(await rows(database)) == 1


Tamper = Callable[[Any], Awaitable[Any]]


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE audit SET person_id = gen_random_uuid() WHERE number = 3", 3),
        ('UPDATE audit SET after = \'{"n": [2, "y"]}\' WHERE number = 2', 2),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE number = 5", 5),
        ("UPDATE audit SET source = '192.0.2.2' WHERE number = 1", 1),
        ("UPDATE audit SET digest = 'x' WHERE number = 4", 4),
        ("DELETE FROM audit WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("UPDATE audit SET number = 9 WHERE number = 5", 5),
        (
            "INSERT INTO audit SELECT 6, at, person_id, session_id, source, action, kind, object, before, "
            "after, cause, 'made up' FROM audit WHERE number = 5",
            6,
        ),
    ],
)
async def test_whoever_gets_round_that_is_found_out(database: Database, statement: str, at: int) -> None:
    """With the rights of the server's administrator, who may switch the triggers off."""
    for number in range(5):
        await act(database, f"act{number}")
    async with database.transaction() as tx:
        await tx.execute("GRANT ALL ON audit TO CURRENT_USER")
        await tx.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        await tx.execute(statement)
    assert await broken_at(database) == at


async def test_an_end_that_was_cut_off_shows_in_the_head(database: Database) -> None:
    await act(database, "opened", "closed")
    async with database.reading() as tx:
        before = await verify(tx)
    async with database.transaction() as tx:
        await tx.execute("GRANT ALL ON audit TO CURRENT_USER")
        await tx.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        await tx.execute("DELETE FROM audit WHERE number = 2")
    async with database.reading() as tx:
        after = await verify(tx)
    assert (after.rows, after.broken_at) == (1, None)
    assert after.head != before.head


async def test_a_text_is_there_as_a_digest_that_others_cannot_make(make_database: MakeDatabase) -> None:
    digests = set()
    for service in (PARTNERS, NOTIFICATIONS):
        database = await make_database(service)
        async with database.reading() as tx:
            digests |= {digest_of(tx, "amina@forum.example"), digest_of(tx, "amina@forum.example")}
    assert len(digests) == 2
    assert all(len(digest) == 16 for digest in digests)


# The page


async def test_the_page_shows_the_newest_first_and_finds_what_one_looks_for(database: Database) -> None:
    other = Actor(person=uuid4(), source="192.0.2.9", action="x", object="")
    for number in range(102):
        await act(database, f"act_{number}")
    async with acting(database, other) as tx:
        note(tx, "something_else", "thing", LONG)
    async with client(web.build(database), "/grants") as browser:
        page = await browser.get("/grants/audit")
        shown = re.findall(r'<th scope="row">([^<]+)<', page.text)
        assert shown[:3] == ["something else", "act 101", "act 100"]
        assert len(shown) == 100
        assert "103 rows" in page.text
        older = await browser.get("/grants/audit?below=4")
        assert re.findall(r'<th scope="row">([^<]+)<', older.text) == ["act 2", "act 1", "act 0"]
        async with database.reading() as tx:
            assert (await verify(tx)).head in page.text
        theirs = await browser.get("/grants/audit", params={"person": str(other.person)})
        assert theirs.text.count('<th scope="row">') == 1
        for params, found in (
            ({"action": "act_5"}, 1),
            ({"object": "1", "action": "act_7"}, 1),
            ({"since": "2001-01-01", "until": "2001-12-31"}, 0),
            ({"object": "nothing"}, 0),
            ({"person": str(other.person)[-12:].upper()}, 1),
            ({"object": str(LONG)[-12:]}, 1),
            ({"object": str(LONG)}, 1),
        ):
            answer = await browser.get("/grants/audit", params=params)
            assert answer.text.count('<th scope="row">') == found, params


@pytest.mark.parametrize("asked", [{"person": "Amina"}, {"since": "yesterday"}, {"until": "2026-13-01"}])
async def test_what_cannot_be_looked_for_is_said(database: Database, asked: dict[str, str]) -> None:
    await act(database, "opened")
    async with client(web.build(database), "/grants") as browser:
        page = await browser.get("/grants/audit", params=asked)
    assert page.status_code == 422
    assert "This cannot be looked for." in page.text


async def test_an_empty_record_says_what_will_stand_there(database: Database) -> None:
    async with client(web.build(database), "/grants") as browser:
        page: httpx.Response = await browser.get("/grants/audit")
    assert "Nobody has done anything here yet" in page.text
    assert EVERYTHING.id.hex not in page.text
