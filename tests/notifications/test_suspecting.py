"""Mail boxes that swallow everything: when one is suspected, what lifts it, and what staff see."""

import re
from uuid import UUID

import pytest

from chassis.database import Database
from chassis.errors import Conflict
from contracts.notifications import ContactCleared, ContactSuspected
from services.notifications import web
from services.notifications.domain import Channel
from services.notifications.suspecting import say_it_works, suspect_silent
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.notifications.composing import OTHER
from tests.notifications.conftest import ROLES, SendAll, contact_of, drafted, hear, person, released
from tests.notifications.test_chasing import (
    ACKNOWLEDGE,
    BARNET,
    answer,
    facts,
    go,
    letter_to,
    order,
    pass_working_days,
)
from tests.notifications.test_chasing_pages import key_on


async def look(database: Database) -> int:
    async with database.transaction() as tx:
        return await suspect_silent(tx)


@pytest.fixture
async def chased(book: Database, send_due: SendAll) -> UUID:
    """At one body they were chased 21 working days after our letter, and that is 26 working days ago."""
    pass_working_days(book, 1)
    id = await released(book)
    await send_due()
    pass_working_days(book, 21)
    await order(book, id, BARNET)
    await go(book, send_due)
    for days in (5, 20):
        pass_working_days(book, days)
        assert await look(book) == 0, "the letter is old enough, the chaser is not"
    pass_working_days(book, 1)
    return id


async def test_two_mails_and_not_a_word_for_over_25_working_days(book: Database, chased: UUID) -> None:
    assert [await look(book), await look(book)] == [3, 0]
    said = await facts(book, ContactSuspected)
    assert {event.data["contact_id"] for event in said} == {contact_of(BARNET, role) for role in ROLES}
    draft = await drafted(book)
    async with client(web.build(book), "/letters") as browser:
        check = await browser.get(f"/letters/campaigns/{draft}/check")
        assert re.search(r"3 letters</a> go to an address that may be dead", check.text)
        listed = await browser.get(f"/letters/campaigns/{draft}/letters?which=suspect")
        assert set(re.findall(r"Trust (E\d+)", listed.text)) == {BARNET}


async def test_two_mails_of_one_week_are_one_try_and_a_new_campaign_is_given_its_time(
    book: Database, send_due: SendAll
) -> None:
    for days in (1, 2):
        pass_working_days(book, days)
        await released(book)
        await send_due()
    pass_working_days(book, 30)
    assert await look(book) == 0, "two days apart"
    await released(book)
    await send_due()
    assert await look(book) == 0, "the third has only just gone"
    pass_working_days(book, 26)
    assert await look(book) == 3 * len(ROLES)


async def test_an_answer_lifts_it_at_once_and_keeps_it_away(book: Database, chased: UUID) -> None:
    await look(book)
    await answer(book, (await letter_to(book, BARNET))["id"], ACKNOWLEDGE)
    assert await look(book) == 0
    [cleared] = await facts(book, ContactCleared)
    assert cleared.data["contact_id"] == contact_of(BARNET, ROLES[0])
    pass_working_days(book, 30)
    assert await look(book) == 0


async def test_somebody_who_answered_before_is_not_suspected(book: Database, chased: UUID) -> None:
    await answer(book, (await letter_to(book, BARNET))["id"])
    assert await look(book) == 2


async def test_staff_say_that_it_works(book: Database, chased: UUID) -> None:
    await look(book)
    async with client(web.build(book), "/letters") as browser:
        page = await browser.get("/letters/suspects")
        assert page.text.count("It works") == 3
        who = contact_of(BARNET, ROLES[0])
        done = await browser.post(f"/letters/suspects/{who}/works", data={"key": key_on(page)})
        assert "Noted." in (await browser.get(done.headers["location"])).text
        again = await browser.post(f"/letters/suspects/{who}/works", data={"key": form_key()})
        assert again.headers["location"] == done.headers["location"], "they have said that already"
        by_post = {"key": form_key(), "channel": "post"}
        other = await browser.post(f"/letters/suspects/{who}/works", data=by_post)
        assert other.status_code == 409, "they have said nothing of that address"
    async with client(web.build(book), "/letters", OTHER) as colleague:
        await hear(book, person(book, EVERYTHING.id, "Leyla Demir"))
        late = await colleague.post(f"/letters/suspects/{who}/works", data={"key": form_key()})
    assert late.status_code == 409
    assert "This address is not suspected any more." in late.text
    assert "That an address of theirs works was said by Leyla Demir, " in late.text
    assert '<a class="button" href="/letters/suspects">See it as it is now</a>' in late.text
    with pytest.raises(Conflict):
        async with book.transaction() as tx:
            await say_it_works(tx, who, Channel.EMAIL)
    assert await look(book) == 0
    assert len(await facts(book, ContactCleared)) == 1
