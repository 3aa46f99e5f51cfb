"""The pages and the API, as a browser and a program meet them."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from pypdf import PdfReader

from chassis.audit import every_row, verify
from chassis.database import Database
from chassis.metrics import REGISTRY
from chassis.testing import CUT_AFTER_DOT, NO_SUCH_MAILBOX, RecordingMailServer
from chassis.web import short_name, when
from contracts.access import Role
from contracts.notifications import ContributionPledged, LetterAcknowledged
from services.notifications import web
from services.notifications.answers import MOST_ANSWERS, Answer, correct_answer, record_answer
from services.notifications.domain import AnswerKind
from services.notifications.letters import letter_to_area, token_of
from services.notifications.sending import SEND_LETTERS, lease
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client
from tests.crawling import contents, opened
from tests.notifications.composing import OTHER, approves, composed
from tests.notifications.conftest import (
    SendAll,
    address_of,
    counted,
    drafted,
    example_document,
    example_plan,
    hear,
    letters,
    organisation,
    pledged,
    released,
    rows,
    trust_of,
    written_back,
)


class Bell:
    """Counts how often the sender was woken."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self, timer: str) -> None:
        assert timer == SEND_LETTERS
        self.rung += 1


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
async def browser(book: Database, bell: Bell) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on the service as it is mounted."""
    object.__setattr__(book.context, "wake", bell)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


@pytest.fixture
async def sent(book: Database, send_due: SendAll) -> UUID:
    """A campaign that was sent."""
    id = await released(book)
    await send_due()
    return id


async def a_letter(database: Database, campaign: UUID) -> UUID:
    async with database.reading() as tx:
        return await letter_to_area(tx, campaign, "E09000020")


PLEDGE = Answer(kind=AnswerKind.PLEDGE, name="Sam Okafor", position="Finance", pledge_pence=150_000)
DECLINE = Answer(kind=AnswerKind.DECLINE, detail="No means left.")
ASK = Answer(kind=AnswerKind.ASK, detail="Who else gives?")


async def response_page(database: Database, campaign: UUID) -> str:
    return f"/letters/r/{token_of(database.context, await a_letter(database, campaign))}"


async def a_key(browser: httpx.AsyncClient, address: str) -> str:
    """The key of a form for people outside."""
    return _key_on((await browser.get(address)).text)


async def test_before_the_first_campaign_the_page_says_what_one_is(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/letters/")
    assert page.status_code == 200
    assert "No campaigns yet" in page.text
    assert 'href="/letters/campaigns/new"' in page.text


def _key_on(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_letters_of_a_draft_are_made_anew_by_a_button(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, counted("E09000020", 0, sequence=2))
    id = await drafted(book)
    board = await browser.get(f"/letters/campaigns/{id}")
    assert "Needs you: 3 letters" in board.text
    check = await browser.get(f"/letters/campaigns/{id}/check")
    assert "cannot go: nobody is registered there" in check.text
    await hear(book, counted("E09000020", 52, sequence=3))
    again = await browser.post(f"/letters/campaigns/{id}/letters", data={"key": form_key()})
    check = await browser.get(again.headers["location"])
    assert "written anew" in check.text
    assert "cannot go: " not in check.text


async def test_a_draft_to_nobody_says_why(browser: httpx.AsyncClient, book: Database) -> None:
    id = await drafted(book, example_plan(kind="police"))
    check = await browser.get(f"/letters/campaigns/{id}/check")
    assert "nobody of these roles" in check.text
    refused = await browser.post(f"/letters/campaigns/{id}/submit", data={"key": form_key()})
    assert refused.status_code == 422


async def test_the_board_shows_who_is_silent_and_who_answered(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    async with book.transaction() as tx:
        said = Answer(kind=AnswerKind.DECLINE, detail="No <b>means</b> left.")
        await record_answer(tx, await a_letter(book, sent), said)
    board = await browser.get(f"/letters/campaigns/{sent}")
    assert re.search(r"<b>2</b> of 3 have not acknowledged", board.text)
    assert "“No &lt;b&gt;means&lt;/b&gt; left.”" in board.text
    assert f'data-live="/letters/campaigns/{sent}/live"' in board.text
    assert "Kensington and Chelsea: Declined, ask £3,500" in board.text
    assert 'id="E09' not in board.text
    filtered = await browser.get(f"/letters/campaigns/{sent}?status=declined")
    assert _bodies_on(filtered.text) == ["Trust E09000020"]
    found = await browser.get(f"/letters/campaigns/{sent}?q=westMINSTER")
    assert _bodies_on(found.text) == ["Trust E09000033"]
    nothing = await browser.get(f"/letters/campaigns/{sent}?q=nowhere")
    assert "Nothing found for “nowhere”" in nothing.text
    assert "No body is in this state" not in nothing.text
    none = await browser.get(f"/letters/campaigns/{sent}?status=late")
    assert "No body is in this state" in none.text


async def test_the_board_says_as_of_when_the_figures_in_its_letters_are(
    browser: httpx.AsyncClient, book: Database
) -> None:
    first = await drafted(book)
    await hear(book, counted("E09000007", 261, sequence=2, on=date(2012, 1, 5)))
    second = await drafted(book)
    for campaign, days in (
        (first, "31 December 2011"),
        (second, "31 December 2011 to 5 January 2012"),
    ):
        board = await browser.get(f"/letters/campaigns/{campaign}")
        assert re.findall(r"Evidence: .*, as of (.*)\.</p>", board.text) == [days]
        assert f"counts as of {days}. Counting" in board.text


def _bodies_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page)


async def test_problems_stand_on_top_with_what_to_do(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(NO_SUCH_MAILBOX, address_of("E09000020", "chief_executive"))
    mail.treat(CUT_AFTER_DOT, address_of("E09000020", "dental_care"))
    id = await released(book)
    await send_due()
    board = await browser.get(f"/letters/campaigns/{id}")
    assert "Needs you: 2 letters" in board.text
    assert "550 5.1.1" in board.text
    assert "mark it as sent or send it again" in board.text


async def test_the_table_can_be_taken_away_and_runs_nothing(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, organisation(trust_of("E09000020"), '=HYPERLINK("x")', ["E09000020"], sequence=2))
    id = await drafted(book)
    download = await browser.get(f"/letters/campaigns/{id}.csv")
    assert download.headers["content-type"].startswith("text/csv")
    assert re.match(r'attachment; filename="campaign-\d+\.csv";', download.headers["content-disposition"])
    table = list(csv.DictReader(io.StringIO(download.text.removeprefix("\ufeff"))))
    assert [row["Body"] for row in table] == ['\'=HYPERLINK("x")', "Trust E09000007", "Trust E09000033"]
    assert [row["Asked (£)"] for row in table] == ["3500.00", "5000.00", "4800.00"]


async def test_the_table_is_of_what_is_looked_at_with_what_was_pledged_and_days_that_sort(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    await reply(book, sent, PLEDGE)
    href = f"/letters/campaigns/{sent}"
    board = (await browser.get(f"{href}?status=pledged")).text
    assert "<small>£1,500 to be confirmed by us</small>" in board
    assert f'href="{href}.csv?status=pledged">Download these bodies (CSV)' in board
    download = await browser.get(f"{href}.csv?status=pledged")
    [row] = csv.DictReader(io.StringIO(download.text.removeprefix("\ufeff")))
    assert (row["Pledged and confirmed (£)"], row["Pledged, to be confirmed (£)"]) == ("", "1500.00")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row["Last event"])
    nobody = (await browser.get(f"{href}.csv?status=declined")).text
    assert len(nobody.splitlines()) == 1


@pytest.mark.parametrize(
    ("later", "to_be_confirmed"),
    [
        ([replace(PLEDGE, pledge_pence=20_000)], ["200.00"]),
        ([DECLINE], [""]),
        ([ASK], ["1500.00"]),
    ],
)
async def test_a_pledge_whose_place_a_later_answer_took_is_not_to_be_confirmed_in_the_table(
    browser: httpx.AsyncClient, book: Database, sent: UUID, later: list[Answer], to_be_confirmed: list[str]
) -> None:
    letter = await reply(book, sent, PLEDGE, *later)
    [body] = await rows(book, "SELECT body_name FROM letters WHERE id = $1", letter)
    download = await browser.get(f"/letters/campaigns/{sent}.csv")
    table = csv.DictReader(io.StringIO(download.text.removeprefix("\ufeff")))
    sums = [row["Pledged, to be confirmed (£)"] for row in table if row["Body"] == body["body_name"]]
    assert sums == to_be_confirmed


async def test_the_board_says_what_will_not_come_of_pledges(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    letter, href = await a_letter(book, sent), f"/letters/campaigns/{sent}"
    part, whole = await pledged(book, letter, 150_000), await pledged(book, letter, 20_000)

    async def table(status: str) -> list[str]:
        text = (await browser.get(f"{href}.csv?status={status}")).text.removeprefix("\ufeff")
        [row] = csv.DictReader(io.StringIO(text))
        return [row[f"Pledged{what} (£)"] for what in (" and confirmed", ", will not come")] + [row["Note"]]

    assert "it will not come" not in (await browser.get(href)).text
    await hear(book, written_back(whole, 20_000))
    says = "£1,500 confirmed by us, £200 will not come"
    assert await table("pledged") == ["1500.00", "200.00", says]
    assert says in (await browser.get(href)).text
    await hear(book, written_back(part, 150_000))
    board = re.sub(r"\s+", " ", (await browser.get(href)).text)
    assert '<dt>Pledged</dt><dd class="big">£0</dd>' in board
    assert '<dt>Pledged, but it will not come</dt><dd class="big">£1,700</dd>' in board
    assert "Kensington and Chelsea: Pledged, but it will not come" in board
    assert "what of a pledge will not come, is as Grants has announced it" in board
    [state, *sums] = ["written_back", *await table("written_back")]
    assert (state, sums[:2]) == ("written_back", ["", "1700.00"])
    assert sums[2] == "£1,700 will not come"
    only = (await browser.get(f"{href}?status=written_back")).text
    assert _bodies_on(only) == ["Trust E09000020"]
    await hear(book, written_back(part, 0, word=2))
    assert await table("pledged") == ["1500.00", "200.00", says], "it comes after all"
    board = re.sub(r"\s+", " ", (await browser.get(href)).text)
    assert '<dt>Pledged</dt><dd class="big">£1,500</dd>' in board
    assert "Kensington and Chelsea: Pledged, but" not in board


async def test_a_refusal_needs_nobody_once_nothing_of_the_pledge_will_come(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    pledge = await pledged(book, await a_letter(book, sent))
    await reply(book, sent, DECLINE)
    href = f"/letters/campaigns/{sent}"
    assert "says now that they cannot contribute" in _needs_you((await browser.get(href)).text)
    await hear(book, written_back(pledge))
    board = (await browser.get(href)).text
    assert "says now that they cannot contribute" not in board
    assert "Kensington and Chelsea: Declined" in board


async def test_a_search_within_one_state_says_so_and_leads_to_all(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    board = (await browser.get(f"/letters/campaigns/{sent}?status=declined&q=Trust")).text
    assert "Nothing found for “Trust” among those that are “Declined”" in board
    assert 'href="?q=Trust#bodies-title">Look in all states' in board


async def test_several_letters_to_a_body_lead_to_all_of_them(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    board = (await browser.get(f"/letters/campaigns/{sent}")).text
    href = f"/letters/campaigns/{sent}/letters?body={trust_of('E09000020')}"
    assert f'href="{href}">3 of 3 arrived' in board
    page = (await browser.get(href)).text
    assert re.search(r"<h1>Letters to [^<]+</h1>", page)
    assert page.count("/letters/letters/") == 3


async def test_a_letter_says_how_to_reach_whoever_it_is_for(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    letter = (await letters(book))[0]
    page = (await browser.get(f"/letters/letters/{letter['id']}")).text
    async with book.reading() as tx:
        email = await tx.fetchval("SELECT email FROM contacts WHERE id = $1", letter["contact_id"])
    assert f'href="mailto:{email}"' in page
    assert f'href="/partners/organisations/{letter["organisation_id"]}"' in page


async def test_a_letter_can_be_read_printed_and_seen_as_mailed(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    id = await a_letter(book, sent)
    page = await browser.get(f"/letters/letters/{id}")
    assert "52 registered dentists in Kensington and Chelsea" in page.text
    assert "Taken by the mail server" in page.text
    pdf = await browser.get(f"/letters/letters/{id}/pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    html = await browser.get(f"/letters/letters/{id}/html")
    assert html.headers["content-security-policy"].startswith("sandbox")
    assert "Dear Zuzana Marková" in html.text


async def test_what_nobody_knows_is_settled_by_a_button(
    browser: httpx.AsyncClient, book: Database, bell: Bell, mail: RecordingMailServer, send_due: SendAll
) -> None:
    mail.treat(CUT_AFTER_DOT, address_of("E09000020", "chief_executive"))
    mail.treat(NO_SUCH_MAILBOX, address_of("E09000020", "dental_care"))
    await released(book)
    await send_due()
    by_state = {letter["state"]: letter["id"] for letter in await letters(book)}
    page = await browser.get(f"/letters/letters/{by_state['unknown']}")
    assert "It arrived: mark as sent" in page.text
    assert "Send it again" in page.text
    done = await browser.post(f"/letters/letters/{by_state['unknown']}/arrived", data={"key": form_key()})
    assert done.status_code == 303
    late = await browser.post(f"/letters/letters/{by_state['unknown']}/again", data={"key": form_key()})
    assert late.status_code == 409
    assert "may name a colleague" in late.text
    assert "Send it again" in (await browser.get(f"/letters/letters/{by_state['failed']}")).text
    await browser.post(f"/letters/letters/{by_state['failed']}/again", data={"key": form_key()})
    assert bell.rung == 1
    states = {letter["id"]: letter["state"] for letter in await letters(book)}
    assert (states[by_state["unknown"]], states[by_state["failed"]]) == ("sent", "ready")


# What needs a person


async def reply(database: Database, campaign: UUID, *said: Answer) -> UUID:
    """Answers to one letter, an hour apart."""
    letter = await a_letter(database, campaign)
    for answer in said:
        database.context.clock.advance(timedelta(hours=1))
        async with database.transaction() as tx:
            await record_answer(tx, letter, answer)
    return letter


def _needs_you(page: str) -> str:
    found = re.search(r'id="needs-you">(.*?)</section>', page, re.DOTALL)
    return found[1] if found else ""


async def test_a_question_after_a_refusal_is_not_overlooked_until_it_is_settled(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    letter = await reply(book, sent, DECLINE, ASK)
    board = await browser.get(f"/letters/campaigns/{sent}")
    assert "Asks: <bdi>“Who else gives?”</bdi>" in _needs_you(board.text)
    notes = "<small><bdi>“No means left.”</bdi> Question: <bdi>“Who else gives?”</bdi></small>"
    assert notes in board.text
    page = await browser.get(f"/letters/letters/{letter}")
    [action] = re.findall(r'action="(/letters/answers/[^"]+)"', page.text)
    settled = await browser.post(action, data={"key": form_key()})
    page = await browser.get(settled.headers["location"])
    assert "We have answered this" not in page.text
    assert "Question answered by us" in page.text
    board = await browser.get(f"/letters/campaigns/{sent}")
    assert _needs_you(board.text) == ""
    assert "<small><bdi>“No means left.”</bdi></small>" in board.text
    again = await browser.post(action, data={"key": form_key()})
    assert again.headers["location"] == settled.headers["location"], "they have done that already"


async def test_a_question_that_was_answered_is_no_longer_our_turn(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    await reply(book, sent, ASK)
    assert "our turn" in (await browser.get(f"/letters/campaigns/{sent}")).text
    [asked] = await rows(book, "SELECT id FROM answers")
    await browser.post(f"/letters/answers/{asked['id']}/settle", data={"key": form_key()})
    board = (await browser.get(f"/letters/campaigns/{sent}")).text
    assert "our turn" not in board
    assert "We answered the question: <bdi>“Who else gives?”</bdi>" in board


async def test_bodies_that_wait_for_us_come_first(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    before = await browser.get(f"/letters/campaigns/{sent}")
    assert _bodies_on(before.text)[0] == "Trust E09000007"
    await reply(book, sent, PLEDGE, ASK)
    board = await browser.get(f"/letters/campaigns/{sent}")
    assert _bodies_on(board.text)[0] == "Trust E09000020"
    assert "Needs you: 1 letter, 2 matters" in re.sub(r"\s+", " ", board.text)
    assert "Pledged £1,500, which nobody has confirmed yet." in _needs_you(board.text)
    assert (
        "Then it is confirmed on the letter’s page; these roles may: Staff and Grants officer."
        in _needs_you(board.text)
    )
    assert "Asks: <bdi>“Who else gives?”</bdi>" in _needs_you(board.text)


async def test_whoever_may_not_confirm_a_pledge_is_told_who_may(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    await reply(book, sent, PLEDGE)
    page = f"/letters/letters/{await a_letter(book, sent)}"
    told = "These roles may confirm it: Staff and Grants officer."
    for role, may in ((Role.OUTREACH, False), (Role.STAFF, True)):
        async with client(web.build(book), "/letters", replace(OTHER, roles=frozenset({role}))) as colleague:
            shown = (await colleague.get(page)).text
            assert ("Confirm this pledge" in shown, told in shown) == (may, not may)


async def test_a_refusal_after_a_confirmed_pledge_is_listed_and_changes_no_figure(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    letter = await reply(book, sent, PLEDGE)
    [pledge] = await rows(book, "SELECT id FROM answers")
    await browser.post(f"/letters/pledges/{pledge['id']}/confirm", data={"key": form_key()})
    await reply(book, sent, DECLINE)
    board = (await browser.get(f"/letters/campaigns/{sent}")).text
    assert "says now that they cannot contribute. <bdi>“No means left.”</bdi>" in _needs_you(board)
    assert "Kensington and Chelsea: Pledged" in board
    told = (await browser.get(f"/letters/api/v1/campaigns/{sent}")).json()
    counted = {"bodies": 1, "pence": 150_000, "written_back_pence": 0}
    assert (told["pledged"], told["declined"]) == (counted, 0)
    page = (await browser.get(f"/letters/letters/{letter}")).text
    assert "confirmed by us" in page
    assert "has taken its place" not in page
    assert " · the pledge confirmed before still counts</p>" in page
    assert "Declined. The pledge that we have confirmed counts until a person changes it" in page
    since = "They have declined since. The pledge that we have confirmed counts until a person changes it."
    assert f"<small>£1,500 confirmed by us. {since}" in board
    [action] = re.findall(r'action="(/letters/answers/[^"]+)"', page)
    await browser.post(action, data={"key": form_key()})
    assert _needs_you((await browser.get(f"/letters/campaigns/{sent}")).text) == ""


async def test_a_pledge_that_was_replaced_has_no_button(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    page = await browser.get(f"/letters/letters/{await reply(book, sent, PLEDGE, DECLINE)}")
    assert " · a later refusal has taken its place</p>" in page.text
    assert "/letters/pledges/" not in page.text
    board = await browser.get(f"/letters/campaigns/{sent}")
    assert _needs_you(board.text) == ""
    assert "Kensington and Chelsea: Declined" in board.text


@pytest.mark.parametrize(
    ("said", "state", "before"),
    [
        ([PLEDGE, DECLINE], "Declined", "their pledge of £1,500"),
        ([DECLINE, PLEDGE], "Pledged, to be confirmed by us", "their refusal"),
    ],
)
async def test_it_is_said_which_answer_stands_and_whose_place_it_has_taken(
    browser: httpx.AsyncClient, book: Database, sent: UUID, said: list[Answer], state: str, before: str
) -> None:
    page = (await browser.get(f"/letters/letters/{await reply(book, sent, *said)}")).text
    assert page.count("has taken its place") == 1
    assert f" · stands in place of {before}</p>" in page
    assert f'<p class="strong">{state}, in place of {before}</p>' in page
    assert f"In place of {before}.</small>" in (await browser.get(f"/letters/campaigns/{sent}")).text
    assert f"In place of {before}." in (await browser.get(f"/letters/campaigns/{sent}.csv")).text


async def test_a_later_wish_to_meet_takes_the_place_of_an_earlier_one(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    earlier, later = (
        Answer(kind=AnswerKind.MEET, detail=detail) for detail in ("In May, please.", "In June, rather.")
    )
    page = (await browser.get(f"/letters/letters/{await reply(book, sent, earlier, later)}")).text
    assert page.count("a later wish to meet has taken its place") == 1
    [settle] = re.findall(r'action="(/letters/answers/[^"]+)"', page)
    board = _needs_you((await browser.get(f"/letters/campaigns/{sent}")).text)
    assert "In June, rather." in board
    assert "In May, please." not in board
    assert "1 meeting to agree on" in (await browser.get("/letters/")).text
    first, last = await rows(book, "SELECT id FROM answers ORDER BY at")
    stale = await browser.post(f"/letters/answers/{first['id']}/settle", data={"key": form_key()})
    assert (stale.status_code, "A newer answer has taken the place" in stale.text) == (409, True)
    async with book.transaction() as tx:
        await correct_answer(tx, last["id"], None, None)
    board = _needs_you((await browser.get(f"/letters/campaigns/{sent}")).text)
    assert "In May, please." in board, "the later one was entered by mistake"
    assert (await browser.post(settle, data={"key": form_key()})).status_code == 303


# Drafts


async def test_a_draft_is_thrown_away_once_somebody_says_so(
    browser: httpx.AsyncClient, book: Database
) -> None:
    id = await drafted(book)
    board = await browser.get(f"/letters/campaigns/{id}")
    assert "Throw this draft away" in board.text
    assert f'data-live="/letters/campaigns/{id}/live"' in board.text
    assert "<dt>Pledged</dt>" not in board.text
    unsaid = await browser.post(f"/letters/campaigns/{id}/discard", data={"key": form_key()})
    assert unsaid.status_code == 422
    form = {"key": form_key(), "confirm": "yes"}
    gone = await browser.post(f"/letters/campaigns/{id}/discard", data=form)
    assert "The draft was thrown away" in (await browser.get(gone.headers["location"])).text
    assert await rows(book, "SELECT FROM letters UNION ALL SELECT FROM campaigns") == []


async def test_what_was_released_cannot_be_thrown_away(browser: httpx.AsyncClient, book: Database) -> None:
    id = await released(book)
    form = {"key": form_key(), "confirm": "yes"}
    assert (await browser.post(f"/letters/campaigns/{id}/discard", data=form)).status_code == 409
    board = (await browser.get(f"/letters/campaigns/{id}")).text
    assert "No letter has arrived yet" in board
    assert "£– to" not in board
    assert "Throw this draft away" not in board
    assert len(await letters(book)) == 9


async def test_the_form_says_how_text_becomes_a_letter(browser: httpx.AsyncClient, book: Database) -> None:
    form = (await browser.get(f"/letters/campaigns/{await drafted(book)}/words")).text
    assert "An empty line starts a new paragraph; lines that begin with “- ” become a list." in form


# The response page


async def test_thanks_say_what_was_recorded_and_not_what_the_address_says(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    await reply(book, sent, ASK, DECLINE)
    done = await browser.get(f"{await response_page(book, sent)}/done?answer=pledge")
    assert "We have recorded that you cannot contribute." in done.text
    assert "pledge" not in done.text


async def test_the_secret_of_a_link_is_kept_nowhere_after_an_answer(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    address = await response_page(book, sent)
    form = {"answer": "acknowledge", "key": await a_key(browser, address)}
    answers = [await browser.post(address, data=form) for _ in range(2)]
    assert {(a.status_code, a.headers["location"]) for a in answers} == {(303, f"{address}/done")}
    token = address.rpartition("/")[2]
    async with book.reading() as tx:
        for table in await tx.fetch("SELECT relname FROM pg_stat_user_tables"):
            kept = str(await tx.fetch(f'SELECT * FROM "{table["relname"]}"'))
            assert token not in kept, table["relname"]
        assert await tx.fetchval("SELECT location FROM idempotency") == "./done"


async def test_after_many_answers_the_page_asks_to_telephone(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    await reply(book, sent, *[ASK] * MOST_ANSWERS)
    address = await response_page(book, sent)
    form = {"answer": "ask", "question": "And another?", "key": await a_key(browser, address)}
    page = await browser.post(address, data=form)
    assert page.status_code == 422
    assert f"Please ring us on {book.context.house.telephone}" in page.text
    assert len(await rows(book, "SELECT FROM answers")) == MOST_ANSWERS


async def test_looking_is_no_answer(browser: httpx.AsyncClient, book: Database, sent: UUID) -> None:
    address = await response_page(book, sent)
    before = await letters(book)
    for _ in range(3):
        page = await browser.get(address)
        assert page.status_code == 200
        assert page.headers["referrer-policy"] == "strict-origin"
        assert 'name="referrer"' not in page.text
    assert (await browser.head(address)).status_code == 200
    assert (await browser.get(f"{address}/pdf")).content[:5] == b"%PDF-"
    done = await browser.get(f"{address}/done?answer=pledge")
    assert (done.status_code, done.headers["location"]) == (303, address)
    assert await letters(book) == before
    assert await rows(book, "SELECT FROM answers") == []


async def test_the_link_of_a_draft_says_that_it_leads_nowhere(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await drafted(book)
    page = f"/letters/letters/{(await letters(book))[0]['id']}"
    shown, mailed = [(await browser.get(page + part)).text for part in ("", "/html")]
    for said in (shown, mailed):
        assert set(re.findall(r"/letters/r/([^<\"\s]*)", said)) == {"this-copy-leads-nowhere"}
    assert "recipient’s response page" not in shown
    assert (await browser.get("/letters/r/this-copy-leads-nowhere")).status_code == 404


async def test_what_is_known_of_letters_whose_sender_was_lost_is_said_and_no_more(
    browser: httpx.AsyncClient, book: Database
) -> None:
    board, ids = f"/letters/campaigns/{await released(book)}", [each["id"] for each in await letters(book)]

    async def claims(*some: UUID) -> datetime:
        async with book.transaction() as tx:
            claimed = "UPDATE letters SET state = 'sending', claimed_at = $1 WHERE id = ANY ($2)"
            await tx.execute(claimed, tx.now, some)
            return tx.now

    async def said(page: str) -> str:
        return re.sub(r"<[^>]*>", "", (await browser.get(page)).text)

    since = await claims(ids[0])
    told = await said(board)
    way = f"way to the mail server since {when(since)}, and nobody knows yet whether it has taken"
    assert f"sending goes on. 1 letter has been on its {way} it." in told
    asked = since + lease(book.context.settings)
    assert f"What is still not known by {when(asked)} will stand under “Needs you”." in told
    assert f"On its way to the mail server since {when(since)}" in await said(f"/letters/letters/{ids[0]}")
    await claims(*ids[1:])
    told = await said(board)
    assert "sending goes on" not in told
    assert f"9 letters have been on their {way} them." in told


@pytest.mark.parametrize(("role", "has_it"), [("staff", True), ("grants_officer", True), ("auditor", False)])
async def test_whoever_only_reads_cannot_answer_in_the_recipients_place(
    book: Database, sent: UUID, role: str, has_it: bool
) -> None:
    token = (await response_page(book, sent)).rpartition("/")[2]
    page = f"/letters/letters/{await a_letter(book, sent)}"
    async with client(web.build(book), "/letters", replace(EVERYTHING, roles=frozenset({role}))) as reader:
        shown, mailed, printed = [await reader.get(page + part) for part in ("", "/html", "/pdf")]
    for answer in (shown, mailed):
        assert (token in answer.text) is has_it
        assert "/letters/r/" in answer.text, "the letter is shown all the same"
    assert ("recipient’s response page" in shown.text) is has_it
    words = "".join(each.extract_text() for each in PdfReader(io.BytesIO(printed.content)).pages)
    assert (token in words.replace("\n", "")) is has_it


async def test_one_press_acknowledges_however_often_it_arrives(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    address = await response_page(book, sent)
    form = {"key": await a_key(browser, address), "answer": "acknowledge"}
    answers = await asyncio.gather(*(browser.post(address, data=form) for _ in range(5)))
    answers.append(await browser.post(address, data=form | {"key": await a_key(browser, address)}))
    assert {answer.status_code for answer in answers} == {303}
    assert len([event for event in await announced(book) if event.fact is LetterAcknowledged]) == 1
    done = await browser.get(answers[0].headers["location"])
    assert "committed to nothing" in done.text
    assert "You told us that the letter arrived." in (await browser.get(address)).text


@pytest.mark.parametrize("spoilt", ["cut", "other", "long", "empty", "strange"])
async def test_a_link_that_is_not_whole_says_what_to_do(
    browser: httpx.AsyncClient, book: Database, sent: UUID, spoilt: str
) -> None:
    address = await response_page(book, sent)
    links = {
        "cut": address[:-1],
        "other": "/letters/r/" + "0" * 26,
        "long": address + "x" * 5_000,
        "empty": "/letters/r/%20",
        "strange": "/letters/r/%00%ff\u2028",
    }
    for answer in (
        await browser.get(links[spoilt]),
        await browser.post(links[spoilt], data={"answer": "acknowledge", "key": form_key()}),
    ):
        assert answer.status_code == 404
        assert "We do not recognise this link" in answer.text
        assert book.context.house.telephone in answer.text


@pytest.mark.parametrize(
    "amount", ["", "-3", "0", "1.5", "1e9", "NaN", "lots", "99999999999999999999", "１２"]
)
async def test_an_amount_that_cannot_be_used_is_shown_with_its_cure(
    browser: httpx.AsyncClient, book: Database, sent: UUID, amount: str
) -> None:
    address = await response_page(book, sent)
    key = await a_key(browser, address)
    form = {"answer": "pledge", "amount": amount, "name": "Sam Okafor", "position": "", "key": key}
    page = await browser.post(address, data=form)
    assert page.status_code == 422
    assert page.headers["referrer-policy"] == "strict-origin"
    assert 'id="pledge-amount-fault"' in page.text
    assert 'id="pledge-position-fault"' in page.text
    assert 'value="Sam Okafor"' in page.text
    assert await rows(book, "SELECT FROM answers") == []


async def test_a_pledge_is_made_by_one_side_and_confirmed_by_the_other(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    address = await response_page(book, sent)
    form = {"answer": "pledge", "amount": "1,500", "name": "Sam Okafor", "position": "Head of Finance"}
    key = await a_key(browser, address)
    assert (await browser.post(address, data=form | {"key": key})).status_code == 303
    page = await browser.get(f"/letters/letters/{await a_letter(book, sent)}")
    action = re.search(r'action="(/letters/pledges/[^"]+)"', page.text)
    assert action
    assert "not yet confirmed by us" in page.text
    confirmed = await browser.post(action[1], data={"key": form_key()})
    assert "confirmed by us" in (await browser.get(confirmed.headers["location"])).text
    assert [
        event.data["amount"]["amount_pence"]
        for event in await announced(book)
        if event.fact is ContributionPledged
    ] == [150_000]
    again = await browser.post(action[1], data={"key": form_key()})
    assert again.headers["location"] == confirmed.headers["location"], "they have done that already"
    assert len([event for event in await announced(book) if event.fact is ContributionPledged]) == 1


async def test_an_answer_that_is_none_is_refused(
    browser: httpx.AsyncClient, book: Database, sent: UUID
) -> None:
    address = await response_page(book, sent)
    key = await a_key(browser, address)
    assert (await browser.post(address, data={"answer": "shout", "key": key})).status_code == 422
    assert (await browser.post(address, data={"answer": "acknowledge"})).status_code == 400
    assert (await browser.post(address, json={"answer": "acknowledge"})).status_code == 415


async def test_no_token_becomes_a_label(browser: httpx.AsyncClient, book: Database, sent: UUID) -> None:
    address = await response_page(book, sent)
    await browser.get(address)
    labels = {
        value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        for value in sample.labels.values()
    }
    token = address.rpartition("/")[2]
    assert not any(token in label for label in labels)
    assert any("/r/{token}" in label for label in labels)


@pytest.mark.parametrize(
    "path",
    [
        "/letters/campaigns/{id}",
        "/letters/campaigns/{id}.csv",
        "/letters/campaigns/{id}/live",
        "/letters/letters/{id}",
    ],
)
@pytest.mark.parametrize("id", ["no-id", "00000000-0000-0000-0000-000000000000"])
async def test_what_does_not_exist_is_404(browser: httpx.AsyncClient, path: str, id: str) -> None:
    assert (await browser.get(path.format(id=id))).status_code == 404


async def test_whoever_shortens_the_address_of_a_campaign_sees_their_list(
    browser: httpx.AsyncClient, sent: UUID
) -> None:
    for address in ("/letters/campaigns", "/letters/campaigns/"):
        page = await browser.get(address, follow_redirects=True)
        assert f'href="/letters/campaigns/{sent}"' in page.text


# The API


def _api(key: str | None = None) -> dict[str, str]:
    return {"idempotency-key": key or form_key()}


async def test_a_program_makes_and_sends_a_campaign(
    browser: httpx.AsyncClient, book: Database, bell: Bell, send_due: SendAll
) -> None:
    key = _api()
    made = await browser.post("/letters/api/v1/campaigns", json=example_document(), headers=key)
    again = await browser.post("/letters/api/v1/campaigns", json=example_document(), headers=key)
    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json() == again.json()
    assert made.json()["letters"] == 9
    address = made.headers["location"]
    assert (await browser.post(f"{address}/send", headers=_api())).status_code == 409, (
        "nobody has approved it"
    )
    submitted = await browser.post(f"{address}/submit", headers=_api())
    assert (submitted.status_code, submitted.json()["state"]) == (200, "submitted")
    async with client(web.build(book), "/letters", OTHER) as colleague:
        await approves(colleague, submitted.json()["href"])
    going = await browser.post(f"{address}/send", headers=_api())
    assert (going.status_code, going.json()["letters"], bell.rung) == (202, 9, 1)
    await send_due()
    told = (await browser.get(address)).json()
    assert {field: told[field] for field in ("state", "asked", "never_acknowledged", "chased")} == {
        "state": "sent",
        "asked": 3,
        "never_acknowledged": 3,
        "chased": 0,
    }
    assert told["asks_pence"] == {"min": 350_000, "max": 500_000, "total": 1_330_000}
    assert (await browser.post(f"{address}/send", headers=_api())).status_code == 409


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (json.dumps({"name": "x"}), _api(), 422, "purpose"),
        (json.dumps(example_document() | {"fund": 3}), _api(), 422, "fund"),
        (json.dumps(example_document()), {}, 400, None),
        ("[]", _api(), 400, None),
        ('{"ask": NaN}', _api(), 400, None),
        ("{", _api(), 400, None),
    ],
    ids=["parts missing", "wrong kind", "no key", "no object", "NaN", "no JSON"],
)
async def test_a_program_that_sends_something_else_is_told_what_is_wrong(
    browser: httpx.AsyncClient, body: str, headers: dict[str, str], status: int, field: str | None
) -> None:
    headers = headers | {"content-type": "application/json"}
    answer = await browser.post("/letters/api/v1/campaigns", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json().get("field") == field
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "short"),
    [("Kensington and Chelsea", "K&C"), ("Camden", "CAMD"), ("City of London", "CITY"), ("Ely", "ELY")],
)
def test_a_tile_bears_a_short_name(name: str, short: str) -> None:
    assert short_name(name) == short


async def test_opening_pages_changes_nothing(browser: httpx.AsyncClient, book: Database, sent: UUID) -> None:
    await drafted(book)
    before = await contents(book)
    found = await opened(browser, "/letters", "/letters/", await response_page(book, sent))
    assert len(found) > 30
    assert {f"/letters/campaigns/{sent}", f"/letters/campaigns/{sent}.csv"} <= set(found)
    # What only forms lead to has no page of its own.
    assert set(found.values()) <= {200, 405}, found
    assert await contents(book) == before


async def test_what_people_do_is_in_the_audit_once_and_names_nobody(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    page = await composed(browser)
    async with client(web.build(book), "/letters", OTHER) as colleague:
        await approves(colleague, f"{page}/approve")
    await browser.post(f"{page}/send", data={"key": form_key(), "confirm": "yes"})
    await send_due()
    letter = (await letters(book))[0]
    address = f"/letters/r/{token_of(book.context, letter['id'])}"
    pledge = {"answer": "pledge", "amount": "1,500", "name": "Sam Marker", "position": "Head of Finance"}
    await browser.post(address, data=pledge | {"key": await a_key(browser, address)})
    [pledged] = await rows(book, "SELECT id FROM answers")
    await browser.post(f"/letters/pledges/{pledged['id']}/confirm", data={"key": form_key()})
    async with book.reading() as tx:
        said = [row async for row in every_row(tx)]
        assert (await verify(tx)).broken_at is None
    assert [row["action"] for row in said] == [
        "campaign_made",
        "campaign_recipients_changed",
        "campaign_words_changed",
        "letters_written",
        "campaign_submitted",
        "campaign_approved",
        "campaign_sent",
        "pledge_confirmed",
    ]
    by = {row["person_id"] for row in said if row["action"] == "campaign_approved"}
    assert by == {str(OTHER.id)}
    assert {row["person_id"] for row in said} - by == {str(EVERYTHING.id)}
    assert said[-1]["after"] == {"pence": 150_000}
    assert not re.search("Marker|Another campaign|@|Dear", str(said))
