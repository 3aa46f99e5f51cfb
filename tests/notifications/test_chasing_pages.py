"""The pages of chasing: the list, the order, thinking again, what a campaign sets, and a letter’s page."""

import html
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from chassis.house import word
from chassis.testing import CUT_AFTER_DOT, RecordingMailServer
from services.notifications import web
from services.notifications.chasing import chase_bodies
from services.notifications.domain import StopScope
from services.notifications.letters import lock_letter
from services.notifications.stops import stop
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.notifications.composing import OTHER, field_on
from tests.notifications.conftest import (
    ROLES,
    SendAll,
    address_of,
    chase_so,
    contact,
    contact_of,
    example_plan,
    hear,
    person,
    released,
    rows,
    trust_of,
    withdrawn,
)
from tests.notifications.test_chasing import (
    BARNET,
    BRENT,
    answer,
    chasers,
    go,
    history,
    letter_to,
    order,
    pass_working_days,
    states,
)

CHASING = "/letters/chasing"


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


@pytest.fixture
async def late(book: Database, send_due: SendAll, mail: RecordingMailServer) -> UUID:
    """A campaign that was sent 21 working days ago."""
    pass_working_days(book, 1)
    id = await released(book)
    await send_due()
    mail.forget()
    pass_working_days(book, 21)
    return id


@pytest.fixture
async def colleague(book: Database, late: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of somebody else; whoever has the first one is called Leyla Demir."""
    await hear(book, person(book, EVERYTHING.id, "Leyla Demir"))
    async with client(web.build(book), "/letters", OTHER) as visitor:
        yield visitor


async def presses(browser: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    return await browser.post(address, data={"key": form_key(), **fields})


def says(late: httpx.Response, what: str, cause: str, back: str = CHASING) -> None:
    """A press that came too late says why, who did what, and leads to where one sees it."""
    assert late.status_code == 409
    text = html.unescape(late.text)
    assert f"<h1>{cause}</h1>" in text
    assert re.search(rf"{what}, \d+ \w+ \d{{4}}, \d\d:\d\d\. ", text)
    assert f'<a class="button" href="{back}">See it as it is now</a>' in text


def key_on(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found
    return re.sub(r"-(back|posted|other|post|arrived|again)[-\d]*$", "", found[1])


def pair(campaign: UUID, area: str) -> str:
    return f"{campaign}:{trust_of(area)}"


async def chased_in_vain(book: Database, late: UUID, send_due: SendAll) -> UUID:
    """Chases two bodies as often as the campaign does. Somebody else at the first of them, to write to."""
    chair = contact_of(BARNET, "chair")
    await hear(book, contact(book, chair, trust_of(BARNET), role="chair", name="Ada"))
    async with book.transaction() as tx:
        await chase_so(tx, late, most=1, every=5, words="Dear {contact_name}")
    await order(book, late, BARNET, BRENT)
    await go(book, send_due)
    pass_working_days(book, 5)
    return chair


async def test_one_is_chased_and_called_back(browser: httpx.AsyncClient, book: Database, late: UUID) -> None:
    page = await browser.get(CHASING)
    assert "3 bodies to chase" in page.text
    assert "3 bodies to chase" in (await browser.get("/letters/")).text
    done = await browser.post(CHASING, data={"key": key_on(page), "only": pair(late, BARNET)})
    assert done.status_code == 303
    page = await browser.get(done.headers["location"])
    assert "Ordered." in page.text
    assert "2 bodies to chase" in page.text
    back = re.search(r'action="([^"]+/back)"', page.text)
    assert back
    gone = await browser.post(back[1], data={"key": key_on(page) + "-back"})
    assert "Called back." in (await browser.get(gone.headers["location"])).text
    assert await states(book) == {"withheld": 3}


async def test_those_that_are_ticked_are_chased(
    browser: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll, mail: RecordingMailServer
) -> None:
    page = await browser.get(f"{CHASING}?campaign={late}")
    chosen = [pair(late, BARNET), pair(late, BRENT)]
    data = {"key": key_on(page), "body": chosen}
    first, second = await browser.post(CHASING, data=data), await browser.post(CHASING, data=data)
    assert first.status_code == second.status_code == 303
    await go(book, send_due)
    assert len(mail.messages) == 6
    board = await browser.get(f"/letters/campaigns/{late}")
    assert "1 body to chase today" in board.text
    assert "chased once" in board.text
    table = (await browser.get(f"/letters/campaigns/{late}.csv")).text
    assert "Chased" in table.splitlines()[0]
    letter = await browser.get(f"/letters/letters/{(await letter_to(book, BARNET))['id']}")
    assert "Not chased now: chased on" in letter.text
    assert "Chaser 1" in letter.text
    assert "because nobody has answered since" in letter.text


async def test_one_stays_in_the_campaign_that_one_came_from(
    browser: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll
) -> None:
    there = f"{CHASING}?campaign={late}"

    async def at(form: str, **data: str) -> str:
        """Presses what the list leads to, and says where one lands."""
        page = await browser.get(there)
        found = re.search(rf'action="({CHASING}{form}[?][^"]+)"', page.text)
        assert found, form
        done = await presses(browser, html.unescape(found[1]), **data)
        return str(done.headers["location"])

    assert await at("", only=pair(late, BARNET)) == f"{there}&done=ordered"
    assert await at("/[^/]+/back") == f"{there}&done=back"
    whom = {"campaign_id": str(late), "contact_id": str(await chased_in_vain(book, late, send_due))}
    assert await at("/other", **whom) == f"{there}&done=other"
    where = {"campaign_id": str(late), "organisation_id": str(trust_of(BRENT))}
    assert await at("/post", **where) == f"{there}&done=post"
    late_press = await presses(browser, f"{CHASING}/post?campaign={late}", **where)
    says(late_press, "handed to whoever posts it by you", "This body has moved on meanwhile.", there)
    assert (await presses(browser, f"{CHASING}/post?campaign=x", **where)).status_code == 404


async def test_a_campaign_names_and_calls_back_its_own_chasers_alone(
    browser: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll
) -> None:
    other = await released(book, example_plan(name="Second campaign"))
    await send_due()
    pass_working_days(book, 21)
    async with book.transaction() as tx:  # one order, over both campaigns
        await chase_bodies(tx, [(late, trust_of(BARNET)), (other, trust_of(BRENT))])
    assert "2 bodies: 6 chasers" in re.sub(r"\s+", " ", (await browser.get(CHASING)).text)

    page = html.unescape((await browser.get(f"{CHASING}?campaign={other}")).text)
    assert f"<li>Trust {BRENT}: 3 chasers" in page
    back = re.search(rf'action="({CHASING}/[^/]+/back[?][^"]+)"', page)
    assert back
    await presses(browser, back[1])
    assert await states(book) == {"ready": 3, "withheld": 3}
    assert "Going soon" not in (await browser.get(f"{CHASING}?campaign={other}")).text
    assert f"<li>Trust {BARNET}: 3 chasers" in (await browser.get(f"{CHASING}?campaign={late}")).text


async def test_nobody_ticked_is_said_so(browser: httpx.AsyncClient, late: UUID) -> None:
    page = await browser.get(CHASING)
    none = await browser.post(CHASING, data={"key": key_on(page)})
    assert (none.status_code, "You have ticked nobody." in none.text) == (422, True)
    odd = await browser.post(CHASING, data={"key": key_on(page), "only": "x' OR 1=1"})
    assert odd.status_code == 422
    assert (await browser.get(f"{CHASING}?campaign={trust_of('x')}")).status_code == 404
    assert (await browser.get(f"{CHASING}?campaign=x")).status_code == 404


async def test_all_are_ticked_or_none(browser: httpx.AsyncClient, late: UUID) -> None:
    ticked = (await browser.get(f"{CHASING}?campaign={late}")).text
    assert ticked.count('type="checkbox"') == ticked.count(" checked>") > 1
    assert f'href="?campaign={late}&amp;tick=none">Tick none' in ticked
    none = (await browser.get(f"{CHASING}?campaign={late}&tick=none")).text
    assert " checked>" not in none
    assert f'href="?campaign={late}&amp;tick=all">Tick all' in none


async def test_whoever_cannot_be_reached_is_left_out_and_it_is_said_why(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    barnet, brent = await letter_to(book, BARNET), await letter_to(book, BRENT)
    async with book.transaction() as tx:
        await stop(tx, await lock_letter(tx, barnet["id"]), StopScope.BODY, way="page", who="them")
    await hear(book, withdrawn(brent["contact_id"], trust_of(BRENT)))
    page = html.unescape((await browser.get(CHASING)).text)
    assert "2 bodies to chase" in page
    assert "Left out at 2 bodies" in page
    assert re.search(r"Trust E09000020</a>: They want no letters from us\.", page)
    left = page.partition("Left out at")[2]
    assert re.search(rf'href="/letters/letters/{brent["id"]}">[^<]+</a>: This contact was withdrawn\.', left)
    assert "2 bodies to chase" in (await browser.get("/letters/")).text
    for letter, why in ((barnet, "they want no letters from us"), (brent, "this contact was withdrawn")):
        shown = await browser.get(f"/letters/letters/{letter['id']}")
        assert f"Not chased now: {why}." in shown.text
    await browser.post(CHASING, data={"key": key_on(await browser.get(CHASING)), "only": pair(late, BRENT)})
    chased = {each["letter_id"] for each in await chasers(book)}
    assert len(chased) == 2
    assert brent["id"] not in chased, "the others there are chased"


async def test_who_wants_no_letters_is_left_out_by_name_beside_others_there(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    brent = await letter_to(book, BRENT)
    role = word(book.context.house.lists["contact_roles"], brent["role"])
    listed = rf"Trust {BRENT}</a><small>([^<]+)</small>"
    [before] = re.findall(listed, html.unescape((await browser.get(CHASING)).text))
    assert role in before
    who = {"role": brent["role"], "name": "Meera Patel"}
    await hear(book, contact(book, brent["contact_id"], trust_of(BRENT), 2, **who))
    async with book.transaction() as tx:
        await stop(tx, await lock_letter(tx, brent["id"]), StopScope.PERSON, way="page", who="them")
    page = html.unescape((await browser.get(CHASING)).text)
    assert "3 bodies to chase" in page
    assert role not in re.findall(listed, page)[0]
    [shown] = re.findall(rf"{brent['id']}\">[^<]+</a>: They want no letters from us\. <[^>]+>([^<]+)<", page)
    assert shown == f"({role})"


async def test_somebody_answers_while_the_list_is_open(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    page = await browser.get(CHASING)
    await answer(book, (await letter_to(book, BARNET))["id"])
    told = await browser.post(CHASING, data={"key": key_on(page), "only": pair(late, BARNET)})
    assert told.status_code == 409
    assert "have answered" in html.unescape(told.text) or "has answered" in told.text
    assert await chasers(book) == []


async def test_a_chaser_of_which_nobody_knows_is_settled_on_the_letter(
    browser: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll, mail: RecordingMailServer
) -> None:
    mail.treat(CUT_AFTER_DOT, address_of(BARNET, "chief_executive"), times=1)
    await order(book, late, BARNET)
    await go(book, send_due)
    letter = await letter_to(book, BARNET)
    page = await browser.get(f"/letters/letters/{letter['id']}")
    assert "Perhaps sent: please check" in page.text
    arrived = re.search(r'action="([^"]+/arrived)"', page.text)
    assert arrived
    done = await browser.post(arrived[1], data={"key": key_on(page) + "-arrived"})
    assert "Noted: the chaser arrived." in (await browser.get(done.headers["location"])).text
    assert (await history(book, letter["id"]))[-1] == "Chaser 1: it arrived"


async def test_who_has_chased_a_body_or_called_it_back_is_said_to_whoever_comes_later(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    only, nobody = pair(late, BARNET), "Nobody of these is chased any more."
    assert (await presses(browser, CHASING, only=only)).headers["location"] == f"{CHASING}?done=ordered"
    says(await presses(colleague, CHASING, only=only), "Chasers were ordered by Leyla Demir", nobody)
    says(await presses(browser, CHASING, only=only), "Chasers were ordered by you", nobody)
    [batch] = await rows(book, "SELECT DISTINCT batch_id FROM chasers")
    back = f"{CHASING}/{batch['batch_id']}/back"
    for _ in range(2):
        assert (await presses(browser, back)).headers["location"] == f"{CHASING}?done=back"
    too_late = "It is too late to call these chasers back."
    says(await presses(colleague, back), "The chasers were called back by Leyla Demir", too_late)
    noted = await rows(book, "SELECT action FROM audit WHERE action LIKE 'chase%' ORDER BY number")
    assert [row["action"] for row in noted] == ["chased", "chasers_called_back"], "nothing was done in vain"


async def test_of_a_body_of_which_nothing_is_known_nobody_is_named(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    await order(book, late, BARNET)  # as the calendar does
    refused = await presses(browser, CHASING, only=pair(late, BARNET))
    assert refused.status_code == 409
    assert "Chasers were ordered" not in refused.text


async def test_who_has_settled_a_chaser_is_said_to_whoever_comes_later(
    browser: httpx.AsyncClient,
    colleague: httpx.AsyncClient,
    book: Database,
    late: UUID,
    send_due: SendAll,
    mail: RecordingMailServer,
) -> None:
    mail.treat(CUT_AFTER_DOT, address_of(BARNET, "chief_executive"), times=1)
    await order(book, late, BARNET)
    await go(book, send_due)
    [chaser] = await rows(book, "SELECT id, letter_id FROM chasers WHERE state = 'unknown'")
    address, page = f"/letters/chasers/{chaser['id']}", f"/letters/letters/{chaser['letter_id']}"
    for _ in range(2):
        arrived = await presses(browser, f"{address}/arrived")
        assert arrived.headers["location"] == f"{page}?done=chaser_arrived"
    moved = "This chaser has moved on meanwhile."
    for act in ("arrived", "again"):
        said = "It was marked as sent by Leyla Demir"
        says(await presses(colleague, f"{address}/{act}"), said, moved, page)
    says(await presses(browser, f"{address}/again"), "It was marked as sent by you", moved, page)
    assert (await presses(browser, f"/letters/chasers/{late}/arrived")).status_code == 404


async def test_who_has_tried_something_else_is_said_to_whoever_comes_later(
    browser: httpx.AsyncClient, colleague: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll
) -> None:
    whom = {"campaign_id": str(late), "contact_id": str(await chased_in_vain(book, late, send_due))}
    first, again = [await presses(browser, f"{CHASING}/other", **whom) for _ in range(2)]
    assert first.headers["location"] == f"{CHASING}?done=other"
    assert (
        "You have ordered the letter to them before." in (await browser.get(again.headers["location"])).text
    )
    cannot = "They cannot be written to in this campaign."
    ordered = "A letter to somebody else there was ordered by Leyla Demir"
    says(await presses(colleague, f"{CHASING}/other", **whom), ordered, cannot)
    where = {"campaign_id": str(late), "organisation_id": str(trust_of(BRENT))}
    assert (await presses(browser, f"{CHASING}/post", **where)).status_code == 303
    handed, moved = "The letter was handed to whoever posts it by", "This body has moved on meanwhile."
    says(await presses(colleague, f"{CHASING}/post", **where), f"{handed} Leyla Demir", moved)
    says(await presses(browser, f"{CHASING}/post", **where), f"{handed} you", moved)


async def test_where_chasing_has_not_helped(
    browser: httpx.AsyncClient, book: Database, late: UUID, send_due: SendAll, mail: RecordingMailServer
) -> None:
    name = "Đặng O’Brien <b>" + "ä" * 120
    await hear(book, contact(book, contact_of(BARNET, "chair"), trust_of(BARNET), role="chair", name=name))
    async with book.transaction() as tx:
        await chase_so(tx, late, most=1, every=5, words="Dear {contact_name}")
    await order(book, late, BARNET, BRENT)
    await go(book, send_due)
    pass_working_days(book, 5)
    mail.forget()
    page = await browser.get(CHASING)
    assert "Chased as often as we do: 2 bodies" in page.text
    assert html.escape(name, quote=False) in page.text
    whom = {"campaign_id": str(late), "contact_id": str(contact_of(BARNET, "chair"))}
    done = await browser.post(f"{CHASING}/other", data={"key": key_on(page) + "-other-1-1", **whom})
    assert done.status_code == 303
    await send_due()
    assert len(mail.messages) == 1
    page = await browser.get(CHASING)
    where = {"campaign_id": str(late), "organisation_id": str(trust_of(BRENT))}
    done = await browser.post(f"{CHASING}/post", data={"key": key_on(page) + "-post-1", **where})
    page = await browser.get(done.headers["location"])
    assert "1 letter waits to be printed" in page.text.replace("</a>", "")
    [chaser] = [each for each in await chasers(book) if each["channel"] == "post"]
    letter = (await browser.get(f"/letters/letters/{chaser['letter_id']}")).text
    assert "Waits to be printed" in letter
    pdf = re.search(r'href="([^"]+/chasers/[^"]+/pdf)"', letter)
    assert pdf
    assert (await browser.get(pdf[1])).content[:5] == b"%PDF-"
    assert "1 chaser" in (await browser.get("/letters/post")).text


async def test_what_a_campaign_sets_comes_back_with_every_fault(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    address = f"/letters/campaigns/{late}/chasing"
    page = await browser.get(address)
    assert "Some weeks ago we wrote to you" in page.text
    wrong = {"key": key_on(page), "most": "77", "every": "-1", "words": "You are overdue, {contact_nam}"}
    again = await browser.post(address, data=wrong)
    assert again.status_code == 422
    for words in ("We chase nobody that often", "no pause", "Did you mean {contact_name}", "You are overdue"):
        assert words in again.text
    right = {
        "key": key_on(again),
        "most": "3",
        "every": "7",
        "by_itself": "yes",
        "words": "Hello {contact_name}",
    }
    done = await browser.post(address, data=right)
    page = await browser.get(done.headers["location"])
    assert "Saved. Somebody else reads it" in page.text
    assert "(version 2)" in page.text
    assert re.search(r'name="by_itself" value="yes" checked', page.text)


async def test_a_second_person_reads_how_a_campaign_chases_and_says_that_it_may(
    browser: httpx.AsyncClient, book: Database, late: UUID
) -> None:
    address = f"/letters/campaigns/{late}"
    assert f'How they read: <a href="{address}/chasing">' in (await browser.get(CHASING)).text
    page = await browser.get(f"{address}/chasing")
    assert "Dear Zuzana" in page.text  # how it reads
    typed = {"key": key_on(page), "most": "2", "every": "10", "words": "Hello {contact_nam}"}
    checked = await browser.post(f"{address}/chasing/check", data=typed)
    assert "There is one thing to mend." in checked.text
    assert "Hello {contact_nam}" in checked.text
    typed["words"] = "Hello {contact_name}, at {body_name}"
    saved = await browser.post(f"{address}/chasing", data=typed)
    assert "waits for approval" in (await browser.get(saved.headers["location"])).text
    own = await browser.get(f"{address}/approve")
    assert "You have written, changed or submitted how it chases" in own.text
    async with client(web.build(book), "/letters", OTHER) as colleague:
        page = await colleague.get(f"{address}/approve")
        assert "May it chase like this?" in page.text
        assert "Hello Zuzana" in page.text
        said = {"key": form_key(), "confirm": "yes", "revision": field_on(page.text, "revision")}
        done = await colleague.post(f"{address}/approve", data=said)
        assert (
            "The campaign chases like this from now on."
            in (await colleague.get(done.headers["location"])).text
        )


async def test_two_campaigns_to_a_body_are_one_body_and_nobody_is_chased_twice_on_one_day(
    browser: httpx.AsyncClient, book: Database, send_due: SendAll
) -> None:
    pass_working_days(book, 1)
    for _ in range(2):
        await released(book)
        await send_due()
    pass_working_days(book, 21)
    page = await browser.get("/letters/chasing")
    assert "3 bodies to chase" in page.text
    rows = re.findall(r'name="body" value="([^"]+)"( checked)?', page.text)
    assert (len(rows), sum(bool(ticked) for _, ticked in rows)) == (6, 3)
    every = {"key": key_on(page), "body": [value for value, _ in rows]}
    assert (await browser.post("/letters/chasing", data=every)).status_code == 303
    async with book.reading() as tx:
        chased = await tx.fetch("SELECT contact_id FROM chasers")
    assert len(chased) == len({row["contact_id"] for row in chased}) == 3 * len(ROLES)
    page = await browser.get("/letters/chasing")
    late = await browser.post("/letters/chasing", data={"key": key_on(page), "only": rows[-1][0]})
    assert (late.status_code, "about another campaign today" in late.text) == (409, True)
