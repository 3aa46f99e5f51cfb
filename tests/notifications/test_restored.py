"""The send ledger, and a database that was put back in time: nothing that was begun goes twice by itself."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis import failpoints
from chassis.config import Settings
from chassis.database import Database
from chassis.failpoints import FailPoint
from chassis.testing import LATER, PrivatePostgres, RecordingMailServer
from services.notifications import web
from services.notifications.ledger import Attempt, Ledger, LedgerAway, drop_old, files_of, read_page
from services.notifications.notices.courier import Courier
from services.notifications.restored import let_go_of_ledger, not_compared, standing
from services.notifications.sending import Sender
from services.notifications.stages import pause_campaign, resume_campaign, send_campaign
from tests.conftest import EXAMPLES, administer, client
from tests.notifications.conftest import (
    SendAll,
    address_of,
    approved,
    example_plan,
    fill,
    hear,
    letters,
    released,
    rows,
)
from tests.notifications.test_chasing import BARNET, BRENT, go, order, pass_working_days
from tests.notifications.test_notices import invited
from tests.test_checks import finding

ALL_AREAS = {f"E09000{number:03}": 100 + number for number in range(1, 34)}


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


# The ledger itself


def everything(folder: Path) -> list[dict[str, Any]]:
    """All that is read of a ledger, part by part."""
    found: list[dict[str, Any]] = []
    for path, size in files_of(folder).items():
        reached = -1
        page = read_page(path, 0, most=7)
        while page.reached > reached:
            found += [dict(entry) for entry in (*page.begun, *page.ended)]
            reached = page.reached
            page = read_page(path, reached, most=7)
        assert reached <= size
    return found


def an_attempt(number: int = 1) -> Attempt:
    id = uuid4()
    return Attempt(kind="letter", id=id, message_id=f"<{id}@forum.example>", number=number)


async def test_lines_of_many_writers_stay_whole_and_a_torn_one_spoils_no_other(book: Database) -> None:
    ledgers, attempts = [Ledger(book.context) for _ in range(4)], [an_attempt() for _ in range(200)]
    begin = [ledgers[n % 4].begin(each, f"somebody.{n}@trust.example") for n, each in enumerate(attempts)]
    await asyncio.gather(*begin)
    folder = book.context.settings.ledger_folder
    [path] = files_of(folder)
    with path.open("ab") as file:
        file.write(b'{"begun":"2026-11-26T10:00:00+00:00","kind":"letter","id":"')  # the power went
    assert len(everything(folder)) == 200
    last = an_attempt()
    await ledgers[0].begin(last, "somebody@trust.example")
    await ledgers[0].end(last, "sent")
    found = everything(folder)
    assert Counter(each["message_id"] for each in found) == Counter(
        [each.message_id for each in (*attempts, last, last)]
    )
    assert "trust.example" not in path.read_text()
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert drop_old(folder, book.context.clock.now()) == 0
    assert drop_old(folder, book.context.clock.now() + timedelta(days=32)) == 1


async def test_what_cannot_be_noted_is_not_sent_and_loses_no_try(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    folder = book.context.settings.ledger_folder
    folder.write_text("a file where the folder should be")
    await released(book)
    await send_due()
    assert mail.messages == []
    assert {(each["state"], each["attempts"]) for each in await letters(book)} == {("ready", 0)}
    with pytest.raises(LedgerAway):
        await Ledger(book.context).begin(an_attempt(), "somebody@trust.example")
    folder.unlink()
    book.context.clock.advance(timedelta(hours=1))
    await send_due()
    assert len(mail.messages) == 9


async def test_an_attempt_is_noted_before_the_mail_server_hears_of_it(
    book: Database, mail: RecordingMailServer
) -> None:
    await released(book)
    failpoints.arm("mail.entered=raise")
    with pytest.raises(FailPoint):
        await Sender(book).turn()
    noted = everything(book.context.settings.ledger_folder)
    sent = {message.parsed["Message-ID"] for message in mail.messages}
    begun = {entry["message_id"] for entry in noted if "begun" in entry}
    assert len(begun - sent) == 1
    assert sent <= begun


async def test_whoever_was_not_put_back_in_time_holds_nothing(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """Not after a refusal, and not when all is read from the beginning."""
    mail.treat(LATER, address_of(BARNET, "dental_care"), times=1)
    await released(book)
    await send_due()
    async with book.transaction() as tx:
        await tx.execute("DELETE FROM ledger_files")
    book.context.clock.advance(timedelta(hours=1))
    await send_due()
    async with book.reading() as tx:
        assert (await standing(tx)).held == (await standing(tx)).elsewhere == 0
    assert len(mail.messages) == 9


# A backup


async def run(*command: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def put_back(postgres: PrivatePostgres, dump: Path, name: str) -> None:
    await administer(postgres, f'DROP DATABASE IF EXISTS "{name}"', f'CREATE DATABASE "{name}"')
    await run(postgres.programs / "pg_restore", "--dbname", postgres.database_url(name), dump)


async def save(postgres: PrivatePostgres, database: Database, dump: Path) -> None:
    [[name]] = [row.values() for row in await rows(database, "SELECT current_database()")]
    await run(postgres.programs / "pg_dump", "--format=custom", "--file", dump, postgres.database_url(name))


@pytest.fixture
async def restored(postgres: PrivatePostgres, book: Database) -> AsyncIterator[Database]:
    """The same service on the database that a backup becomes, once it is made."""
    database = Database(postgres.database_url("restored_notifications"), book.context)
    yield database
    await database.close()
    await administer(postgres, 'DROP DATABASE IF EXISTS "restored_notifications" WITH (FORCE)')


async def send_half(database: Database, mail: RecordingMailServer, campaign: UUID) -> None:
    """Let two senders work side by side until some of the letters have left, then pause the campaign."""
    working = [asyncio.create_task(Sender(database).turn()) for _ in range(2)]
    await mail.arrived(40, within=60)
    async with database.transaction() as tx:
        await pause_campaign(tx, campaign)
    await asyncio.gather(*working)


async def exhaust(database: Database) -> None:
    while await Sender(database).turn():
        pass
    while await Courier(database).turn():
        pass


def ticked(page: str) -> list[str]:
    """What the mail server took, which is ticked from the beginning."""
    return re.findall(r'name="held" value="([^"]+)" checked', page)


async def become(browser: httpx.AsyncClient, what: str, *values: str, page: str = "") -> httpx.Response:
    """Say on the page, as it is or was, what became of these."""
    found = re.search(r'name="key" value="([^"]+)"', page or (await browser.get("/letters/restored")).text)
    assert found
    return await browser.post("/letters/restored", data={"held": values, "became": what, "key": found[1]})


async def test_an_older_backup_sends_nothing_twice_and_a_person_settles_what_was_begun(
    book: Database,
    restored: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
    postgres: PrivatePostgres,
    settings: Settings,
    tmp_path: Path,
) -> None:
    # A campaign that is chased, one that is being sent, one that was approved, and messages to people.
    pass_working_days(book, 1)
    first = await released(book)
    await send_due()
    pass_working_days(book, 21)
    await fill(book, ALL_AREAS)
    await order(book, first, BARNET)
    campaign = await released(book, example_plan(name="Half"))
    later = await approved(book, example_plan(name="Later"))
    await hear(book, *(invited(book) for _ in range(2)))
    before = {message.parsed["Message-ID"] for message in mail.messages}
    mail.forget()
    await save(postgres, book, tmp_path / "older.dump")

    # Life goes on: half of it leaves, the approved one whole, more is chased, the messages go.
    await send_half(book, mail, campaign)
    half = {message.parsed["Message-ID"] for message in mail.messages}
    async with book.transaction() as tx:
        await send_campaign(tx, later)
    await order(book, first, BRENT)
    await go(book, send_due)
    await exhaust(book)
    begun = Counter(message.parsed["Message-ID"] for message in mail.messages)
    assert 40 <= len(half) < 99
    assert len(begun) == len(half) + 99 + 6 + 2
    assert set(begun.values()) == {1}

    # The backup is restored under the running service.
    await put_back(postgres, tmp_path / "older.dump", "restored_notifications")
    await restored.open()
    async with restored.reading() as tx:
        assert await not_compared(tx, files_of(settings.ledger_folder)) == len(begun)
    address = postgres.database_url("restored_SERVICE").replace("SERVICE", "{service}")
    installed = replace(settings, database_url=address, house_file=EXAMPLES / "house.toml")
    said = await asyncio.to_thread(finding, installed, "send ledger")
    assert not said.good
    assert f"{len(begun)} mails were begun" in said.says

    await asyncio.gather(exhaust(restored), exhaust(restored))
    async with restored.transaction() as tx:
        await send_campaign(tx, later)
    await order(restored, first, BRENT)
    restored.context.clock.advance(timedelta(minutes=5))
    await exhaust(restored)

    # Each began once, and what was not begun before has gone now.
    sent = Counter(message.parsed["Message-ID"] for message in mail.messages)
    assert set(sent.values()) == {1}
    assert len(sent) == 2 * 99 + 6 + 2
    assert not before & set(sent)
    held = {each["message_id"] for each in await letters(restored) if each["state"] == "unknown"}
    assert held == {id for id in begun if id in {each["message_id"] for each in await letters(restored)}}
    assert len(held) == len(half) + 99
    chased = await rows(restored, "SELECT state, count(*) FROM chasers GROUP BY 1")
    assert [tuple(row.values()) for row in chased] == [("unknown", 6)]
    noticed = await rows(restored, "SELECT state, body IS NOT NULL AS kept, settled_at FROM notices")
    assert [tuple(row.values()) for row in noticed] == [("unknown", True, None)] * 2
    said = await asyncio.to_thread(finding, installed, "send ledger")
    assert not said.good
    assert f"{len(held)} letters, 6 chasers, 2 messages. Say what became of them" in said.says

    # A person settles them.
    async with client(web.build(restored), "/letters") as browser:
        assert "A backup was restored" in (await browser.get("/letters/")).text
        page = (await browser.get("/letters/restored")).text
        assert f"Held: {len(held) + 8} mails" in page
        one = next(value for value in ticked(page) if value.startswith("letter:"))
        message = next(value for value in ticked(page) if value.startswith("notice:"))
        for value in (one, message):
            assert (await become(browser, "again", value)).headers[
                "location"
            ] == "/letters/restored?done=again"
        while values := ticked((await browser.get("/letters/restored")).text):
            assert (await become(browser, "sent", *values)).headers[
                "location"
            ] == "/letters/restored?done=sent"
        assert "Nothing is held" in (await browser.get("/letters/restored")).text
        assert (await become(browser, "sent", one, page=page)).status_code == 409
    await exhaust(restored)
    after = Counter(message.parsed["Message-ID"] for message in mail.messages)
    assert sorted(after.values())[-3:] == [1, 2, 2]
    assert {each["state"] for each in await letters(restored)} == {"sent"}
    assert (await asyncio.to_thread(finding, installed, "send ledger")).good
    await let_go_of_ledger(restored)
    async with restored.reading() as tx:
        assert await not_compared(tx, files_of(settings.ledger_folder)) == 0


async def test_what_the_backup_does_not_know_at_all_is_said(
    book: Database,
    restored: Database,
    mail: RecordingMailServer,
    send_due: SendAll,
    postgres: PrivatePostgres,
    tmp_path: Path,
) -> None:
    await save(postgres, book, tmp_path / "older.dump")
    campaign = await released(book)
    await send_due()
    async with book.transaction() as tx:
        with pytest.raises(Exception, match="not possible now"):
            await resume_campaign(tx, campaign)
    await put_back(postgres, tmp_path / "older.dump", "restored_notifications")
    await restored.open()
    await exhaust(restored)
    async with restored.reading() as tx:
        found = await standing(tx)
    assert (found.held, found.elsewhere) == (0, 9)
    async with client(web.build(restored), "/letters") as browser:
        page = (await browser.get("/letters/restored")).text
    assert "Not in this backup at all: 9 mails" in page
    assert len(mail.messages) == 9
