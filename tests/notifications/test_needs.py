"""What waits for a person in Letters stands on its first page, until somebody has seen to it."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from chassis.database import Database
from chassis.testing import RecordingMailServer
from contracts.access import Role
from services.notifications import web
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import lock_campaign
from services.notifications.chasing_settings import chasing_of, set_chasing
from services.notifications.domain import AnswerKind, ByPost
from services.notifications.posting import order_batch
from services.notifications.printing import Printer
from services.notifications.receiving import receive
from services.notifications.stages import send_back
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.notifications.composing import OTHER, composed, field_on
from tests.notifications.conftest import (
    READER,
    WRITER,
    SendAll,
    example_plan,
    letters,
    released,
    rows,
)
from tests.notifications.test_reading_mail import mail as a_mail


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def today(browser: httpx.AsyncClient) -> list[str]:
    """The lines that say what waits; each leads to a page that is there."""
    page = (await browser.get("/letters/")).text
    found = re.findall(r'<a class="strong" href="([^"]+)">([^<]+)</a>', page)
    for address, words in found:
        assert (await browser.get(address)).status_code == 200, words
    return [words for _, words in found]


async def test_letters_to_be_approved_and_those_that_were_sent_back(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser)
    assert await today(browser) == ["Letters: somebody else has to approve it"]
    assert "These roles may approve it: Staff and Outreach." in (await browser.get(f"{page}/approve")).text
    async with client(web.build(book), "/letters", OTHER) as colleague:
        assert await today(colleague) == ["Letters: to be approved"]
        shown = (await colleague.get(f"{page}/approve")).text
        said = {"revision": field_on(shown, "revision"), "because": "Say who <b>we</b> are."}
        await colleague.post(f"{page}/send-back", data=said | {"key": form_key()})
    assert await today(browser) == ["Letters: sent back, to be put right"]
    for where in ("/letters/", page):
        assert "Sent back: to be put right" in (await browser.get(where)).text
    assert "Say who &lt;b&gt;we&lt;/b&gt; are." in (await browser.get("/letters/")).text


async def test_how_a_campaign_is_to_chase(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    id = await released(book)
    await send_due()
    assert await today(browser) == []
    async with book.transaction() as tx:
        before = (await chasing_of(tx, id)).chasing
        await set_chasing(tx, id, replace(before, most=9), EVERYTHING.id)
    assert await today(browser) == ["How it chases: somebody else has to approve it"]
    async with book.transaction() as tx:
        await send_back(tx, id, READER, (await lock_campaign(tx, id))["version"], "Too often.")
    assert await today(browser) == ["How it chases: sent back, to be put right"]
    async with book.transaction() as tx:
        await set_chasing(tx, id, before, EVERYTHING.id)
    assert await today(browser) == []


async def test_what_recipients_said_and_what_came_back(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    await released(book, example_plan(roles=("dental_care",)))
    await send_due()
    asked, pledged, lost = await letters(book)
    pledge = Answer(kind=AnswerKind.PLEDGE, name="Zuzana", position="Chair", pledge_pence=100_000)
    async with book.transaction() as tx:
        await record_answer(tx, asked["id"], Answer(kind=AnswerKind.ASK, detail="Who are you?"))
        await record_answer(tx, pledged["id"], pledge)
        await tx.execute(f"UPDATE letters SET delivery = 'bounced' WHERE id = '{lost['id']}'")
    trouble = "1 letter that did not go, came back, or may not have arrived"
    lines = ["1 question to answer", "1 pledge to confirm", trouble]
    assert await today(browser) == lines
    [question] = await rows(book, "SELECT id FROM answers WHERE kind = 'ask'")
    await browser.post(f"/letters/answers/{question['id']}/settle", data={"key": form_key()})
    assert await today(browser) == lines[1:]
    async with book.transaction() as tx:
        await tx.execute(f"UPDATE letters SET delivery = '', state = 'unknown' WHERE id = '{lost['id']}'")
    assert await today(browser) == lines[1:], "perhaps it has arrived"


async def test_mails_that_wait_for_us_lead_to_them(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    await released(book, example_plan(roles=("dental_care",)))
    await send_due()
    one, two, _ = [letter["message_id"] for letter in await letters(book)]
    first = await receive(book, a_mail("We shall think about it.", in_reply_to=one))
    held = await receive(book, a_mail("Who are you?"))
    assert await today(browser) == ["1 mail from a recipient to see to", "1 mail to match with a letter"]
    page = (await browser.get("/letters/")).text
    for id in (first, held):
        assert f'<a class="strong" href="/letters/incoming/{id}">' in page
    await receive(book, a_mail("We have a question.", in_reply_to=two))
    assert (await today(browser))[0] == "2 mails from recipients to see to"
    assert '<a class="strong" href="/letters/incoming?show=turn">' in (await browser.get("/letters/")).text
    reader = replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    async with client(web.build(book), "/letters", reader) as auditor:
        shown = await auditor.get("/letters/")
    assert shown.status_code == 200
    assert "to see to" not in shown.text, "they may not open it"


async def test_a_print_file_that_nobody_has_posted(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer
) -> None:
    await released(book, example_plan(roles=("dental_care",), by_post=ByPost.ALL))
    async with book.transaction() as tx:
        await order_batch(tx, None, duplex=False, by=WRITER)
    assert await today(browser) == []
    assert await Printer(book).turn()
    [made] = await rows(book, "SELECT number FROM post_batches")
    assert await today(browser) == [f"Post batch {made['number']}: printed, to be posted"]
