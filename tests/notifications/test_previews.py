"""A letter on our pages before it goes says what the e-mail will say: all of it, and in its order."""

import html
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from chassis.testing import RecordingMailServer
from services.notifications import web
from services.notifications.letters import HIDDEN
from services.notifications.stages import send_campaign
from tests.access import form_key
from tests.conftest import client
from tests.notifications.composing import (
    NO_ASK,
    PURPOSE,
    WORDS,
    WORDS_WITHOUT_ASK,
    composed,
    hidden,
    saves,
)
from tests.notifications.conftest import SendAll, approve, approved, drafted, letters


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of whoever writes."""
    object.__setattr__(book.context, "wake", lambda timer: None)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


def words_of(page: str) -> str:
    """What a page says to whoever reads it: without its markup, with its spaces made equal."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def previews_on(page: str) -> list[str]:
    """The markup of every letter that is shown on a page."""
    return re.findall(r'<article class="paper mailed"[^>]*>(.*?)</article>', page, re.DOTALL)


def without_secrets(words: str) -> str:
    """The same with the secret of every link left out."""
    return re.sub(r"(/letters/r/)[^\s]+", rf"\1{HIDDEN}", words)


async def mailed(database: Database, campaign: UUID, mail: RecordingMailServer, send_due: SendAll) -> str:
    """Let a draft go, and read the first of its e-mails as its recipient sees it."""
    async with database.transaction() as tx:
        await approve(tx, campaign)
        await send_campaign(tx, campaign)
    await send_due()
    reference = (await letters(database))[0]["reference"]
    parts = [part for message in mail.messages for part in message.parsed.walk()]
    pages = [part.get_content() for part in parts if part.get_content_type() == "text/html"]
    [page] = [page for page in pages if f"Our reference: {reference}<" in page]
    return words_of(page[page.index("<body") :])


async def test_a_letters_page_shows_all_that_its_e_mail_says(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    campaign = await drafted(book)
    letter = (await letters(book))[0]["id"]
    [before] = previews_on((await browser.get(f"/letters/letters/{letter}")).text)
    arrived = await mailed(book, campaign, mail, send_due)
    assert words_of(before) == without_secrets(arrived)
    for part in (
        "Yours sincerely,",
        "Please answer: it takes one minute",
        "How we worked out",
        "Where we got",
    ):
        assert part in arrived
    [after] = previews_on((await browser.get(f"/letters/letters/{letter}")).text)
    assert words_of(after) == arrived


async def test_the_words_are_shown_in_the_whole_letter_while_they_are_typed(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    page = await composed(browser, submit=False)
    typed = WORDS | {"subject": "For {body_name}", "body": "Dear {contact_name},\n\n- one\n- two\n\nDo come."}
    carried = await hidden(browser, f"{page}/words")
    [shown] = previews_on((await browser.post(f"{page}/words/check", data=carried | typed)).text)
    await saves(browser, f"{page}/words", typed)
    [kept] = previews_on((await browser.get(f"{page}/words")).text)
    arrived = await mailed(book, UUID(page.rpartition("/")[2]), mail, send_due)
    assert words_of(shown) == words_of(kept) == without_secrets(arrived)
    assert "<li>one</li>" in shown


async def test_the_words_of_one_letter_are_shown_in_the_whole_of_it(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    letter = (await letters(book))[1]
    address = f"/letters/letters/{letter['id']}/words"
    typed = {"subject": "Just you", "body": "Dear friend,\n\nhello.\n\nKind regards,"}
    carried = await hidden(browser, address)
    [shown] = previews_on((await browser.post(f"{address}/check", data=carried | typed)).text)
    saved = await saves(browser, address, typed)
    [after] = previews_on((await browser.get(saved.headers["location"])).text)
    assert words_of(shown) == without_secrets(words_of(after))
    assert words_of(shown).count("Kind regards,") == 1
    assert "Yours sincerely" not in shown
    assert letter["reference"] in shown


async def test_whoever_is_chosen_to_sign_signs_the_letter_on_the_same_page(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    other = next(
        (code, who) for code, who in book.context.house.signatories.items() if code != WORDS["signatory"]
    )
    carried = await hidden(browser, f"{page}/words")
    checked = await browser.post(f"{page}/words/check", data=carried | WORDS | {"signatory": other[0]})
    [shown] = previews_on(checked.text)
    assert f"Yours sincerely, {other[1].name} {other[1].position}" in words_of(shown)


@pytest.mark.parametrize("asks", [True, False])
async def test_before_there_are_letters_what_differs_is_described_and_the_rest_is_as_it_will_be(
    browser: httpx.AsyncClient, book: Database, asks: bool
) -> None:
    made = await browser.post(
        "/letters/campaigns/new", data=(PURPOSE if asks else NO_ASK) | {"key": form_key()}
    )
    page = made.headers["location"].removesuffix("/who")
    typed = (WORDS if asks else WORDS_WITHOUT_ASK) | {"body": "Dear {contact_name}, come.", "signatory": ""}
    carried = await hidden(browser, f"{page}/words")
    [shown] = previews_on((await browser.post(f"{page}/words/check", data=carried | typed)).text)
    said, house = words_of(shown), book.context.house
    assert "Dear [the person we write to], come. Yours sincerely, [who signs]" in said
    assert f"{house.name}. Registered charity {house.number}. {', '.join(house.address)}" in said
    assert "Where we got your address: [where we have it from]. If you want no more letters" in said
    assert ("How we worked out the sum: £3,000, plus £10 for each registered dentist" in said) is asks
    assert ("make a pledge" in said) is asks
    assert await letters(book) == []


async def test_a_chaser_is_shown_whole_before_it_is_approved(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    [campaign] = {letter["campaign_id"] for letter in await letters(book)}
    for place in ("check", "approve", "chasing"):
        shown, thanks = previews_on((await browser.get(f"/letters/campaigns/{campaign}/{place}")).text)
        said = words_of(shown)
        assert "Re: " in said
        assert "We have not heard from you yet." in said
        assert "We have not heard from you yet." not in words_of(thanks)
        assert f"Yours sincerely, {book.context.house.signatories['director'].name} " in said
        assert "Please answer: it takes one minute" in said
        assert "How we worked out" not in said  # the letter, which says so, is attached
        assert HIDDEN in said


async def test_no_preview_leads_to_the_recipients_page_and_nothing_in_it_runs(
    browser: httpx.AsyncClient, book: Database
) -> None:
    page = await composed(browser, submit=False)
    typed = WORDS | {"body": "Dear <img src=x onerror=y>,\n\n<script>1</script> {response_url}"}
    carried = await hidden(browser, f"{page}/words")
    [shown] = previews_on((await browser.post(f"{page}/words/check", data=carried | typed)).text)
    await saves(browser, f"{page}/words", typed)
    letter = (await letters(book))[0]["id"]
    [after] = previews_on((await browser.get(f"/letters/letters/{letter}")).text)
    for each in (shown, after):
        assert not re.search(r"<(a|img|script|form)\b|style=|href=", each)
        assert "<script>1</script>" in html.unescape(each)


async def test_a_letter_that_waits_to_go_is_dated_on_the_day_on_which_it_is_read(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await approved(book)
    letter = (await letters(book))[0]["id"]
    [shown] = previews_on((await browser.get(f"/letters/letters/{letter}")).text)
    today = book.context.clock.today()
    assert f"{today.day} {today:%B %Y} Our reference" in words_of(shown)
