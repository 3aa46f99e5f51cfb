"""A campaign is copied into a new draft: its purpose, who receives it and what it says, and nothing else."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.errors import Conflict
from contracts.access import Role
from services.notifications import composing, web
from services.notifications.composing import copy_campaign
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.notifications.composing import NO_ASK, OTHER, WORDS_WITHOUT_ASK, approves, composed
from tests.notifications.conftest import (
    WRITER,
    SendAll,
    chase_so,
    counted,
    drafted,
    hear,
    letters,
    person,
    released,
    rows,
)

#: What a copy has of a campaign.
COPIED = (
    *("purpose", "fund", "profession", "asks", "formula_version", "least_pence", "each_pence", "step_pence"),
    *("most_pence", "kind", "areas", "roles", "in_turn", "by_post", "subject", "body", "signatory"),
)


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of whoever writes."""
    object.__setattr__(book.context, "wake", lambda timer: None)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def copies(browser: httpx.AsyncClient, page: str, key: str = "") -> httpx.Response:
    return await browser.post(f"{page}/copy", data={"key": key or form_key()})


async def campaign_at(database: Database, page: str) -> dict[str, Any]:
    id = UUID(re.findall(r"/campaigns/([0-9a-f-]{36})", page)[0])
    [campaign] = await rows(database, "SELECT * FROM campaigns WHERE id = $1", id)
    return campaign


async def test_a_copy_is_a_draft_with_the_purpose_the_recipients_and_the_words(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    first = await campaign_at(book, f"/letters/campaigns/{await released(book)}")
    await send_due()
    async with book.transaction() as tx:
        await chase_so(tx, first["id"], most=1)
    before = await letters(book)
    copied = await copies(browser, f"/letters/campaigns/{first['id']}")
    assert copied.headers["location"].endswith("/purpose?done=copied")
    assert "Give it a name of its own" in (await browser.get(copied.headers["location"])).text
    copy = await campaign_at(book, copied.headers["location"])
    assert {name: copy[name] for name in COPIED} == {name: first[name] for name in COPIED}
    assert copy["name"] == f"Copy of {first['name']}"
    assert (copy["state"], copy["hands"], copy["words_version"]) == ("draft", [EVERYTHING.id], 1)
    for name in ("approved_by", "submitted_by", "returned_by", "send_at", "sent_at", "released_at"):
        assert copy[name] is None
    assert [each for each in await letters(book) if each["campaign_id"] == first["id"]] == before
    versions = await rows(book, "SELECT written_by FROM campaign_words WHERE campaign_id = $1", copy["id"])
    assert [version["written_by"] for version in versions] == [EVERYTHING.id]
    assert await rows(book, "SELECT * FROM chaser_words WHERE campaign_id = $1", copy["id"]) == []


async def test_letters_of_a_copy_say_what_is_known_now(browser: httpx.AsyncClient, book: Database) -> None:
    first = await drafted(book)
    async with book.transaction() as tx:
        letter = await tx.fetchval("SELECT id FROM letters ORDER BY number LIMIT 1")
        await composing.give_own_words(tx, letter, ("Own", "Own"), WRITER, lambda letter: None)
    await hear(book, counted("E09000020", 200, sequence=2))
    copy = await campaign_at(book, (await copies(browser, f"/letters/campaigns/{first}")).headers["location"])
    made = [each for each in await letters(book) if each["campaign_id"] == copy["id"]]
    assert len(made) == len(await letters(book)) / 2
    assert {each["own_body"] for each in made} == {None}
    assert {each["count"] for each in made if each["areas"] == ["E09000020"]} == {200}
    assert {each["state"] for each in made} == {"draft"}
    assert "Submit for approval" in (await browser.get(f"/letters/campaigns/{copy['id']}/check")).text


async def test_its_history_says_of_which_campaign_it_is_a_copy(
    browser: httpx.AsyncClient, book: Database
) -> None:
    await hear(book, person(book, EVERYTHING.id, "Amina Writer"))
    first = await composed(browser, submit=False)
    copy = (await copies(browser, first)).headers["location"].partition("/purpose")[0]
    shown = (await browser.get(copy)).text
    assert f'<a href="{first}">It was made as a copy</a>' in shown
    assert re.search(r"Of “Another campaign”</p>\s*<p[^>]*>By Amina Writer", shown)
    assert "It was made as a copy" not in (await browser.get(first)).text
    await browser.post(f"{first}/discard", data={"key": form_key(), "confirm": "yes"})
    assert "Of a draft that was thrown away" in (await browser.get(copy)).text
    said = await rows(book, "SELECT * FROM audit WHERE action = 'campaign_copied'")
    assert said[0]["after"] == {"from": first.rpartition("/")[2]}
    assert "Another campaign" not in str(said)


async def test_a_copy_goes_the_whole_way_of_a_campaign(browser: httpx.AsyncClient, book: Database) -> None:
    first = await composed(browser, NO_ASK, words=WORDS_WITHOUT_ASK)
    copy = (await copies(browser, first)).headers["location"].partition("/purpose")[0]
    submitted = await browser.post(f"{copy}/submit", data={"key": form_key()})
    assert submitted.headers["location"] == f"{copy}/approve?done=submitted"
    assert "You have written, changed or submitted" in (await browser.get(f"{copy}/approve")).text
    async with client(web.build(book), "/letters", OTHER) as colleague:
        await approves(colleague, f"{copy}/approve")


async def test_a_draft_that_is_not_finished_is_copied_as_far_as_it_is(
    browser: httpx.AsyncClient, book: Database
) -> None:
    made = await browser.post("/letters/campaigns/new", data=NO_ASK | {"key": form_key()})
    copied = await copies(browser, made.headers["location"].removesuffix("/who"))
    copy = await campaign_at(book, copied.headers["location"])
    assert (copy["name"], copy["roles"], copy["words_version"]) == ("Copy of Open day", [], 0)


async def test_what_our_lists_do_not_have_any_more_is_left_to_be_chosen(
    browser: httpx.AsyncClient, book: Database
) -> None:
    first = await drafted(book)
    before = len(await letters(book))
    house = book.context.house
    fewer = replace(
        house, signatories={code: who for code, who in house.signatories.items() if code != "director"}
    )
    object.__setattr__(book.context, "house", fewer)
    led_to = (await copies(browser, f"/letters/campaigns/{first}")).headers["location"]
    page, copy = led_to.partition("/purpose")[0], await campaign_at(book, led_to)
    assert (copy["signatory"], copy["words_version"], len(await letters(book))) == ("", 1, before)
    assert f'href="{page}/words"' in (await browser.get(page)).text
    assert "who signs them" in (await browser.get(f"{page}/check")).text
    fewer = replace(house, lists={**house.lists, "contact_roles": {}})
    object.__setattr__(book.context, "house", fewer)
    led_to = (await copies(browser, f"/letters/campaigns/{first}")).headers["location"]
    assert (await campaign_at(book, led_to))["roles"] == []
    object.__setattr__(book.context, "house", replace(house, lists={**house.lists, "professions": {}}))
    async with book.transaction() as tx:
        with pytest.raises(Conflict, match="its profession does not fit any more"):
            await copy_campaign(tx, first, WRITER)


async def test_a_long_name_stays_within_what_a_name_may_be(
    browser: httpx.AsyncClient, book: Database
) -> None:
    first = await composed(browser, NO_ASK | {"name": "n" * 195}, words=WORDS_WITHOUT_ASK, submit=False)
    copy = await campaign_at(book, (await copies(browser, first)).headers["location"])
    assert copy["name"] == f"Copy of {'n' * 192}"


async def test_one_press_makes_one_copy_from_the_page_or_from_the_list(
    browser: httpx.AsyncClient, book: Database
) -> None:
    first = await composed(browser, submit=False)
    for place, copies_after in ((first, 1), ("/letters/", 2)):
        shown = (await browser.get(place)).text
        key = re.search(rf'action="{first}/copy"[^>]*><input type="hidden" name="key" value="([^"]+)"', shown)
        assert key, place
        pressed = {(await copies(browser, first, key[1])).headers["location"] for _ in range(2)}
        assert len(pressed) == 1
        named = await rows(
            book, "SELECT count(*) AS n FROM campaigns WHERE name = 'Copy of Another campaign'"
        )
        assert named[0]["n"] == copies_after


async def test_whoever_may_not_write_copies_nothing(browser: httpx.AsyncClient, book: Database) -> None:
    first = await composed(browser, submit=False)
    reader = replace(OTHER, roles=frozenset({Role.AUDITOR}))
    async with client(web.build(book), "/letters", reader) as visitor:
        for place in (first, "/letters/"):
            assert "/copy" not in (await visitor.get(place)).text
        assert (await copies(visitor, first)).status_code == 403
    assert (await copies(browser, f"/letters/campaigns/{uuid4()}")).status_code == 404
    assert len(await rows(book, "SELECT id FROM campaigns")) == 1
