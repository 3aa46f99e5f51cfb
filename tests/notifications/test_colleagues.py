"""Histories name the colleague who did something, and no longer once they are erased."""

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from importlib import import_module
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.audit import Actor, acting
from chassis.clock import LOCAL
from chassis.database import Database
from chassis.rights import Subject
from chassis.sealed import seal
from chassis.testing import RecordingMailServer
from contracts.notifications import ContributionPledged
from contracts.partners import PersonBarred, PersonSignedOut, RolesChanged
from contracts.topology import GRANTS, NOTIFICATIONS
from services.notifications import held, web
from services.notifications.colleagues import FORMER, NOBODY, STAFF, called
from services.notifications.handlers import FORGETTING
from services.notifications.letters import letter_to_area, token_of
from services.notifications.stages import pause_campaign
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client
from tests.notifications.composing import OTHER, approves, composed
from tests.notifications.conftest import SendAll, hear, letters, person, released, rows

HANA, TEKLE = UUID(int=21), UUID(int=22)
MARKER = "Marker Zzyzxova"
AREA = "E09000020"


async def names(database: Database, *ids: UUID | None) -> dict[UUID | None, str]:
    async with database.reading() as tx:
        return dict(await called(tx, ids))


async def barred(database: Database, id: UUID) -> bool:
    [row] = await rows(database, "SELECT barred FROM standings WHERE person_id = $1", id)
    return bool(row["barred"])


# The copy


@pytest.mark.parametrize("name", [MARKER, "O’Neil-d'Arcy", "علی\u200cرضا نوری", "Nguyễn Thị Ánh", "x" * 200])
async def test_names_of_every_script_come_as_they_are(book: Database, name: str) -> None:
    await hear(book, person(book, HANA, name))
    assert await names(book, HANA, TEKLE, None) == {HANA: name, TEKLE: STAFF, None: NOBODY}


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_the_copy_ends_the_same_in_any_order(book: Database, order: tuple[int, ...]) -> None:
    said = (
        person(book, HANA, MARKER),
        person(book, HANA, "Hana", 2, fact=RolesChanged),
        person(book, HANA, "Hana", 3, fact=PersonBarred, barred=True),
        person(book, HANA, None, 4, fact=PersonBarred, barred=True),
    )
    for number in order:
        await hear(book, said[number])
    assert await rows(book, "SELECT version, name FROM colleagues") == [{"version": 4, "name": None}]
    assert await barred(book, HANA)
    assert await names(book, HANA) == {None: NOBODY, HANA: FORMER}


async def test_whoever_is_barred_is_so_even_when_their_name_cannot_be_opened(
    book: Database, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    await hear(book, person(book, HANA, MARKER))
    keys = replace(book.context.keys, public={NOTIFICATIONS: book.context.keys.public[GRANTS]})
    wrong = person(book, HANA, MARKER, 2, fact=PersonBarred, barred=True)
    other = seal(keys, PersonBarred, "name", {"name": MARKER})
    await hear(book, replace(wrong, data={**wrong.data, "name": other}))
    assert await barred(book, HANA)
    assert (await names(book, HANA))[HANA] == MARKER
    [line] = [each for each in logged() if each["event"] == "colleague_not_opened"]
    assert line["id"] == str(HANA)
    assert "Marker" not in str(line)


async def test_what_was_said_before_names_were_told_here_makes_nobody_a_former_colleague(
    book: Database,
) -> None:
    bare = person(book, HANA, MARKER)
    await hear(book, replace(bare, data={each: it for each, it in bare.data.items() if each != "name"}))
    assert (await names(book, HANA))[HANA] == STAFF
    await hear(book, replace(person(book, HANA, MARKER), snapshot=True))
    assert (await names(book, HANA))[HANA] == MARKER


async def test_it_is_rebuilt_from_snapshots(book: Database) -> None:
    await hear(book, person(book, HANA, MARKER, 2))
    async with book.transaction() as tx:
        await tx.execute("UPDATE colleagues SET name = 'Wrong'")
        await FORGETTING["colleagues"](tx)
    await hear(book, replace(person(book, HANA, MARKER, 2), snapshot=True))
    assert (await names(book, HANA))[HANA] == MARKER


async def test_whoever_is_forgotten_is_not_brought_back_by_what_was_said_before(book: Database) -> None:
    await hear(book, person(book, HANA, MARKER), person(book, TEKLE, "Tekle"))
    subject = Subject(ids=(HANA,), emails=("hana@forum.example",), names=(MARKER,))
    async with book.reading() as tx:
        told = [each async for each in held.gather(tx, subject)]
    assert [json.loads(each.content) for each in told] == [{"name": MARKER}]
    assert MARKER not in told[0].path + told[0].title
    async with book.transaction() as tx:
        done = await held.forget(tx, subject)
        again = await held.forget(tx, subject)
    assert (done.counts["names of colleagues"], again.counts["names of colleagues"]) == (1, 0)
    await hear(book, person(book, HANA, MARKER), person(book, HANA, MARKER, fact=PersonSignedOut))
    assert await names(book, HANA, TEKLE) == {None: NOBODY, HANA: FORMER, TEKLE: "Tekle"}


# What pages say


@pytest.fixture
async def staff(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    object.__setattr__(book.context, "wake", lambda timer: None)
    await hear(book, person(book, EVERYTHING.id, MARKER), person(book, OTHER.id, "Tekle Reader"))
    async with client(web.build(book), "/letters") as browser:
        yield browser


@pytest.fixture
async def letter(book: Database, send_due: SendAll) -> UUID:
    id = await released(book)
    await send_due()
    async with book.reading() as tx:
        return await letter_to_area(tx, id, AREA)


async def history(browser: httpx.AsyncClient, letter: UUID) -> dict[str, str]:
    """Who did what, as the letter's page tells it."""
    page = (await browser.get(f"/letters/letters/{letter}")).text
    part = page[page.index('id="history-title"') :]
    line = r'<p class="strong">([^<]*)</p>\s*<p class="quiet small">.*? · ([^<]*)</p>'
    return dict(re.findall(line, part))


async def erase(database: Database) -> None:
    await hear(database, person(database, EVERYTHING.id, None, 2, fact=PersonBarred, barred=False))


async def test_a_letter_names_who_entered_what_was_told_and_who_confirmed_it(
    staff: httpx.AsyncClient, book: Database, letter: UUID
) -> None:
    href = f"/letters/letters/{letter}"
    today = re.search(r'name="told_on" value="([^"]+)"', (await staff.get(f"{href}/answers/new")).text)
    assert today
    pledge = {
        "answer": "pledge",
        "amount": "3000",
        "name": "Sam",
        "position": "Director",
        "way": "telephone",
        "told_on": today[1],
    }
    kept = await staff.post(f"{href}/answers/new", data=pledge | {"key": form_key()})
    assert kept.status_code == 303, re.findall(r"-fault.*", kept.text)
    page = (await staff.get(href)).text
    assert f"entered by {MARKER}, " in page
    confirm = re.search(r'action="(/letters/pledges/[^"]+/confirm)"', page)
    assert confirm
    assert (await staff.post(confirm[1], data={"key": form_key()})).status_code == 303
    told = await history(staff, letter)
    assert told["Pledge confirmed"] == MARKER
    assert [who for what, who in told.items() if "told us by telephone" in what] == [MARKER]
    assert told["Released"] == STAFF  # nobody knows: it was not by way of a page
    [event] = [each for each in await announced(book) if each.fact is ContributionPledged]
    assert event.data["confirmed_by"] == EVERYTHING.id
    await erase(book)
    told = await history(staff, letter)
    assert told["Pledge confirmed"] == FORMER
    assert MARKER not in (await staff.get(href)).text


async def test_what_recipients_and_programs_do_is_nobody_of_ours(
    staff: httpx.AsyncClient, book: Database, letter: UUID, mail: RecordingMailServer
) -> None:
    address = f"/letters/r/{token_of(book.context, letter)}"
    async with client(web.build(book), "/letters", None) as theirs:
        key = re.search(r'name="key" value="([^"]+?)-[a-z_0-9]+"', (await theirs.get(address)).text)
        assert key
        done = await theirs.post(address, data={"answer": "acknowledge", "key": f"{key[1]}-acknowledge"})
    assert done.status_code in (200, 303)
    kept = await rows(book, "SELECT what FROM letter_history WHERE person_id IS NOT NULL")
    assert kept == []
    assert "the recipient" in (await history(staff, letter)).values()


async def test_a_dossier_tells_outsiders_of_no_colleague(
    staff: httpx.AsyncClient, book: Database, letter: UUID
) -> None:
    await staff.post(f"/letters/letters/{letter}/returned", data={"key": form_key()})
    async with book.reading() as tx:
        contact = await tx.fetchval("SELECT contact_id FROM letters WHERE id = $1", letter)
        told = [each async for each in held.gather(tx, Subject(ids=(contact,)))]
    text = "".join(each.content.decode() for each in told)
    assert STAFF in text
    assert MARKER not in text
    assert str(EVERYTHING.id) not in text


async def test_a_campaign_names_who_wrote_approved_sent_and_paused_it(
    staff: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(staff)
    async with client(web.build(book), "/letters", OTHER) as reader:
        await approves(reader, f"{page}/approve")
        shown = (await reader.get(f"{page}/approve")).text
        assert f"by {MARKER}</small>" in shown
        assert "by Tekle Reader</small>" in shown
        assert f"written by {MARKER}" in (await reader.get(f"{page}/words/versions")).text
        await reader.post(f"{page}/send", data={"key": form_key(OTHER), "confirm": "yes"})
        await reader.post(f"{page}/pause", data={"key": form_key(OTHER)})
    board = (await staff.get(page)).text
    at = f"{book.context.clock.now().astimezone(LOCAL):%H:}"
    line = rf'<p class="strong">(.*?)</p>\s*<p class="quiet small">(.*?), {at}\d\d</p>'
    acts = re.findall(line, board[board.index("acts-title") :])
    assert acts == [
        ("It was paused", "By Tekle Reader"),
        ("It was sent", "By Tekle Reader"),
        ("It was approved", "By Tekle Reader"),
        ("It was submitted", f"By {MARKER}"),
        ("The draft was begun", f"By {MARKER}"),
    ]
    one = (await letters(book))[0]["id"]
    assert (await history(staff, one))["Released"] == "Tekle Reader"
    await erase(book)
    assert MARKER not in (await staff.get(page)).text
    assert f"By {FORMER}" in (await staff.get(page)).text


async def test_what_a_command_did_is_said_to_be_one(staff: httpx.AsyncClient, book: Database) -> None:
    id = await released(book)
    command = Actor(person=None, source="command", action="command")
    async with acting(book, command) as tx:
        await pause_campaign(tx, id)
    assert "By a command" in (await staff.get(f"/letters/campaigns/{id}")).text


async def test_what_was_done_before_names_were_kept_is_told_from_the_audit(
    staff: httpx.AsyncClient, book: Database
) -> None:
    await composed(staff)
    [one, *_] = await letters(book)
    written = await rows(book, "SELECT person_id FROM letter_history WHERE letter_id = $1", one["id"])
    assert written == [{"person_id": EVERYTHING.id}]
    migration = import_module("services.notifications.migrations.0026_colleagues")
    update = migration.STATEMENTS[migration.STATEMENTS.index("UPDATE letter_history") :]
    async with book.transaction() as tx:
        await tx.execute("UPDATE letter_history SET person_id = NULL")
        await tx.execute(
            "INSERT INTO letter_history (letter_id, at, what, who) "
            "SELECT letter_id, at, 'Sent', 'the mail server' FROM letter_history"
        )
        await tx.execute(update)
    again = await rows(book, "SELECT DISTINCT what, person_id FROM letter_history ORDER BY what")
    assert again == [{"what": "Sent", "person_id": None}, {"what": "Written", "person_id": EVERYTHING.id}]
