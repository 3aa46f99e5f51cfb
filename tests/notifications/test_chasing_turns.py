"""Whose turn it is: who has said something and is not chased, or is thanked; and what they said elsewhere."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.audit import Actor, acting
from chassis.config import Settings
from chassis.database import Database
from chassis.testing import RecordingMailServer
from contracts.partners import ContactSuggestionSettled
from services.notifications import web
from services.notifications.answers import Answer, correct_answer, record_answer
from services.notifications.chasing import whom_to_chase
from services.notifications.domain import AnswerKind
from services.notifications.passing_on import Colleague
from services.notifications.receiving import receive, settle_mail
from services.notifications.replies import reply_address
from services.notifications.waiting import chase_where_wanted
from tests.conftest import client
from tests.notifications.conftest import (
    SendAll,
    address_of,
    chase_so,
    contact,
    contact_of,
    example_plan,
    hear,
    letters,
    pledged,
    released,
    rows,
    told,
    trust_of,
    written_back,
)
from tests.notifications.test_chasing import (
    ACKNOWLEDGE,
    BARNET,
    BRENT,
    DECLINE,
    answer,
    chasers,
    claim,
    go,
    letter_to,
    order,
    pass_working_days,
    take,
    to_chase,
)
from tests.notifications.test_reading_mail import mail as written

WHO = Actor(person=None, source="test", action="test")
BROMLEY = "E09000007"
THANKS, NOT_HEARD = "Thank you for telling us that our letter", "We have not heard from you yet."
PASS_ON = Answer(kind=AnswerKind.PASS_ON, colleague=Colleague(name="Mai Nguyễn", email="mai@trust.example"))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, reply_to="answers+{token}@forum.example")


@pytest.fixture
async def sent(book: Database, send_due: SendAll, mail: RecordingMailServer) -> UUID:
    """A campaign that was sent on a working day."""
    pass_working_days(book, 1)
    id = await released(book)
    await send_due()
    mail.forget()
    return id


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def due_at(database: Database, area: str) -> list[UUID]:
    """The letters to a body about which somebody is chased."""
    async with database.reading() as tx:
        found = await whom_to_chase(tx)
    return [id for row in found.rows if row["organisation_id"] == trust_of(area) for id in row["letter_ids"]]


async def page_of(browser: httpx.AsyncClient, letter_id: UUID) -> str:
    return html.unescape((await browser.get(f"/letters/letters/{letter_id}")).text)


async def the_list(browser: httpx.AsyncClient, campaign: UUID | None = None) -> str:
    only = f"?campaign={campaign}" if campaign else ""
    return html.unescape((await browser.get(f"/letters/chasing{only}")).text)


async def settled(database: Database, contact_id: UUID | None) -> None:
    """Partners has decided on the colleague."""
    [found] = await rows(database, "SELECT id, letter_id FROM suggestions")
    id = found["id"]
    said = {"suggestion_id": id, "letter_id": found["letter_id"], "organisation_id": trust_of(BARNET)}
    await hear(database, told(ContactSuggestionSettled, id, contact_id=contact_id, **said))


async def confirmed(database: Database) -> UUID:
    """The colleague is confirmed. Their id."""
    [found] = await rows(database, "SELECT id FROM suggestions")
    id: UUID = found["id"]
    await hear(
        database, contact(database, id, trust_of(BARNET), name="Mai Nguyễn", email="mai@trust.example")
    )
    await settled(database, id)
    return id


async def states_of(database: Database, letter_id: UUID) -> list[tuple[str, str | None]]:
    found = [each for each in await chasers(database) if each["letter_id"] == letter_id]
    return [(each["state"], each["reason"]) for each in found]


class TestWords:
    async def test_whoever_has_said_that_it_is_there_is_thanked_and_others_are_not(
        self,
        browser: httpx.AsyncClient,
        book: Database,
        sent: UUID,
        mail: RecordingMailServer,
        send_due: SendAll,
    ) -> None:
        letter, other = await letter_to(book, BARNET), await letter_to(book, BRENT)
        in_place = replace(ACKNOWLEDGE, name="Sam Okafor", position="Assistant", in_place=True)
        await answer(book, letter["id"], in_place)
        pass_working_days(book, 21)
        await order(book, sent, BARNET, BRENT)
        await go(book, send_due)
        for area, says, never in ((BARNET, THANKS, NOT_HEARD), (BRENT, NOT_HEARD, THANKS)):
            [received] = mail.to(address_of(area, "chief_executive"))
            body = received.parsed.get_body(("plain",))
            assert body is not None
            text = " ".join(body.get_content().split())
            assert says in text
            assert never not in text
            assert "{" not in text
        await answer(book, other["id"], ACKNOWLEDGE)
        for chaser in await chasers(book):  # what went stays as it went
            shown = (await browser.get(f"/letters/chasers/{chaser['id']}/mail")).text
            assert (THANKS in shown.replace("=\r\n", "")) is (chaser["letter_id"] == letter["id"])

    async def test_both_are_shown_before_they_are_approved(
        self, browser: httpx.AsyncClient, sent: UUID
    ) -> None:
        page = " ".join((await browser.get(f"/letters/campaigns/{sent}/chasing")).text.split())
        preview = page.partition('id="words-check"')[2]
        assert "Where they have told us that our letter is there:" in preview
        assert preview.index(NOT_HEARD) < preview.index(THANKS)
        assert "{acknowledged}" in page

    async def test_words_of_a_campaign_that_thank_nobody_go_on_and_it_is_said(
        self,
        browser: httpx.AsyncClient,
        book: Database,
        sent: UUID,
        mail: RecordingMailServer,
        send_due: SendAll,
    ) -> None:
        async with book.transaction() as tx:
            await chase_so(tx, sent, words="Dear {contact_name}, have you seen it?")
        await answer(book, (await letter_to(book, BARNET))["id"], ACKNOWLEDGE)
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        await go(book, send_due)
        assert len(mail.to(address_of(BARNET, "chief_executive"))) == 1
        page = html.unescape((await browser.get(f"/letters/campaigns/{sent}/chasing")).text)
        assert "{if acknowledged} … {else} … {end}" in page
        assert "Where they have told us" not in page


class TestPassedOn:
    async def test_it_is_our_turn_until_the_colleague_is_confirmed_and_then_theirs(
        self, browser: httpx.AsyncClient, book: Database, sent: UUID, send_due: SendAll
    ) -> None:
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], PASS_ON)
        pass_working_days(book, 21)
        assert await due_at(book, BARNET) == []
        page = await the_list(browser)
        assert "Our turn at 1 body" in page
        assert re.search(r"Trust E09000020</a>: A colleague whom they named waits", page)
        shown = await page_of(browser, letter["id"])
        assert "Not chased now: a colleague whom they named waits to be confirmed" in shown
        colleague = await confirmed(book)
        await send_due()
        assert "Our turn" not in await the_list(browser)
        assert trust_of(BARNET) not in await to_chase(book)
        pass_working_days(book, 21)
        [theirs] = [each for each in await letters(book) if each["contact_id"] == colleague]
        assert await due_at(book, BARNET) == [theirs["id"]]
        assert "Not chased now: they have passed our letter on" in await page_of(browser, letter["id"])
        assert "Is chased today" in await page_of(browser, theirs["id"])
        await order(book, sent, BARNET)
        assert {each["letter_id"] for each in await chasers(book)} == {theirs["id"]}

    async def test_where_the_colleague_was_left_out_nobody_is_chased_and_it_is_said(
        self, browser: httpx.AsyncClient, book: Database, sent: UUID
    ) -> None:
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], PASS_ON)
        await settled(book, None)
        pass_working_days(book, 21)
        assert await due_at(book, BARNET) == []
        left = (await the_list(browser)).partition("Left out at 1 body")[2]
        assert "Trust E09000020</a>: They have passed our letter on" in left

    async def test_one_that_was_a_wrong_entry_counts_no_more(self, book: Database, sent: UUID) -> None:
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], PASS_ON)
        [wrong] = await rows(book, "SELECT id FROM answers")
        async with book.transaction() as tx:
            await correct_answer(tx, wrong["id"], None, None)
        pass_working_days(book, 21)
        assert letter["id"] in await due_at(book, BARNET)

    async def test_who_passes_it_on_while_a_chaser_is_made_is_not_chased(
        self, book: Database, sent: UUID
    ) -> None:
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], ACKNOWLEDGE)
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(timedelta(minutes=3))
        taken = await take(book)
        async with book.transaction() as tx:  # as it is, but for the clock that begins anew
            await record_answer(tx, letter["id"], PASS_ON)
            await tx.execute(
                "UPDATE letters SET waits_since = $2, version = $3 WHERE id = $1",
                *(letter["id"], letter["waits_since"], taken.row["version"]),
            )
        assert await claim(book, taken) is None
        assert await states_of(book, letter["id"]) == [("withheld", "our_turn")]


class TestOurTurn:
    @pytest.mark.parametrize("words", ["When is it due?", "Please never write to us again."])
    async def test_whoever_has_written_is_not_chased_until_somebody_has_seen_to_it(
        self, browser: httpx.AsyncClient, book: Database, sent: UUID, words: str
    ) -> None:
        letter = await letter_to(book, BARNET)
        id = await receive(book, written(words, to=reply_address(book.context, letter["id"])))
        assert id is not None
        pass_working_days(book, 21)
        assert await due_at(book, BARNET) == []
        assert "Trust E09000020</a>: They have written to us" in await the_list(browser)
        shown = await page_of(browser, letter["id"])
        assert "Not chased now: they have written to us and nobody has seen to it yet" in shown
        async with acting(book, WHO) as tx:
            await settle_mail(tx, id)
        assert await due_at(book, BARNET) == [letter["id"]]

    async def test_nor_where_nobody_knows_yet_which_letter_it_is_about(
        self, book: Database, sent: UUID
    ) -> None:
        pass_working_days(book, 21)
        letter = await letter_to(book, BARNET)
        before = await due_at(book, BARNET)
        await receive(book, written("Stop.", **{"from": address_of(BARNET, "chief_executive").title()}))
        assert await due_at(book, BARNET) == [id for id in before if id != letter["id"]]

    async def test_who_writes_while_a_chaser_is_made_is_not_chased(self, book: Database, sent: UUID) -> None:
        letter = await letter_to(book, BARNET)
        await answer(book, letter["id"], ACKNOWLEDGE)
        pass_working_days(book, 21)
        await order(book, sent, BARNET)
        book.context.clock.advance(timedelta(minutes=3))
        taken = await take(book)
        await receive(book, written("We look at it.", **{"from": address_of(BARNET, "chief_executive")}))
        assert await claim(book, taken) is None
        assert await states_of(book, letter["id"]) == [("withheld", "our_turn")]


class TestElsewhere:
    @pytest.fixture
    async def later(self, book: Database, sent: UUID, send_due: SendAll) -> dict[str, Any]:
        """Another campaign to the same bodies, by area the first letter of it."""
        pass_working_days(book, 5)
        id = await released(book, example_plan(name="Spring"))
        await send_due()
        found = [each for each in await letters(book) if each["campaign_id"] == id]
        return {
            area: next(each["id"] for each in found if each["contact_id"] == contact_of(area, "dental_care"))
            for area in (BARNET, BRENT, BROMLEY)
        }

    async def test_what_they_said_for_the_same_fund_stands_beside_them_and_they_are_not_ticked(
        self, browser: httpx.AsyncClient, book: Database, sent: UUID, later: dict[str, Any]
    ) -> None:
        await pledged(book, later[BARNET], 450_000)
        await answer(book, later[BRENT], DECLINE)
        pass_working_days(book, 16)
        page = await the_list(browser, sent)
        assert "Pledged £4,500 in “Spring”" in page
        assert "Declined in “Spring”" in page
        found = re.findall(r'name="body" value="[^":]+:([^"]+)"( checked)?', page)
        ticked = {UUID(body) for body, ticked in found if ticked}
        assert (len(found), ticked) == (3, {trust_of(BROMLEY)})

    async def test_nothing_that_will_not_come_or_is_not_confirmed(
        self, browser: httpx.AsyncClient, book: Database, sent: UUID, later: dict[str, Any]
    ) -> None:
        await hear(book, written_back(await pledged(book, later[BARNET])))
        said = Answer(kind=AnswerKind.PLEDGE, name="Sam Okafor", position="Finance", pledge_pence=100)
        await answer(book, later[BRENT], said)
        pass_working_days(book, 16)
        page = await the_list(browser, sent)
        assert "“Spring”" not in page.partition("to chase</h2>")[2]
        assert page.count(" checked>") == 3

    async def test_by_itself_a_campaign_chases_none_of_them(
        self, book: Database, sent: UUID, later: dict[str, Any]
    ) -> None:
        async with book.transaction() as tx:
            await chase_so(tx, sent, by_itself=True)
        await pledged(book, later[BARNET])
        await answer(book, later[BRENT], DECLINE)
        pass_working_days(book, 16)
        async with book.transaction() as tx:
            assert await chase_where_wanted(tx) == 1
