"""What keeps every letter here: a house file that is not filled in, links that lead nowhere."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.errors import Refused
from chassis.testing import RecordingMailServer
from services.notifications import web
from services.notifications.chasing import order_chasers
from services.notifications.domain import ByPost
from services.notifications.leaving import KeptHere, check_may_leave
from services.notifications.letters import content_of
from services.notifications.notices.courier import Courier
from services.notifications.notices.writing import house_values
from services.notifications.posting import order_batch
from services.notifications.preparing import prepare_letters
from services.notifications.printing import Printer
from services.notifications.queries import QUERIES
from services.notifications.stages import send_campaign
from tests.conftest import client, move_to
from tests.notifications.conftest import (
    WRITER,
    SendAll,
    approve,
    approved,
    drafted,
    example_plan,
    letters,
    released,
    rows,
)

TO_DO = {
    "number": "TO DO: your number",
    "telephone": "TO DO: a number",
    "address": ("TO DO: street", "London"),
}


def fill_in(book: Database, **changes: Any) -> None:
    """Another house file from now on."""
    house = replace(book.context.house, **changes)
    book.context = replace(book.context, house=house)


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of whoever writes, at a house that is not filled in."""
    fill_in(book, **TO_DO)
    object.__setattr__(book.context, "wake", lambda timer: None)
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def test_no_letter_goes_until_the_house_file_is_filled_in(
    browser: httpx.AsyncClient, book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    id = await drafted(book)
    check = (await browser.get(f"/letters/campaigns/{id}/check")).text
    path = book.context.settings.house_path
    assert f"still TO DO in {path}: number, telephone, address" in check
    assert "cannot go: the house file is not filled in" in check
    assert {letter["reason"] for letter in await letters(book)} == {"house_unfinished"}
    async with book.transaction() as tx:
        with pytest.raises(Refused, match="None of these letters can go"):
            await approve(tx, id)
    number = (await letters(book))[0]
    page = (await browser.get(f"/letters/letters/{number['id']}")).text
    assert "write the letters anew" in page
    fill_in(book, number="1", telephone="020 7946 0001", address=("1 Road",))
    async with book.transaction() as tx:
        await prepare_letters(tx, id)
        await approve(tx, id)
        await send_campaign(tx, id)
    await send_due()
    assert len(mail.messages) == 9


async def test_what_was_approved_before_is_not_sent_either(book: Database) -> None:
    id = await approved(book)
    fill_in(book, **TO_DO)
    async with book.transaction() as tx:
        with pytest.raises(Refused, match="number, telephone, address"):
            await send_campaign(tx, id)


async def test_a_letterhead_that_says_to_do_is_noticed_as_it_leaves(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """Of letters that were released before this was looked at, and of chasers after them."""
    await released(book)
    await letterheads_say_to_do(book)
    await send_due()
    assert mail.messages == []
    found = await letters(book)
    assert {letter["state"] for letter in found} == {"failed"}
    assert "Its letterhead says TO DO" in found[0]["failure"]
    assert "in another one" in found[0]["cure"]


async def test_chasers_have_the_same_letterhead(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    await released(book)
    await send_due()
    mail.messages.clear()
    await letterheads_say_to_do(book)
    move_to(book, book.context.clock.now() + timedelta(days=60))
    async with book.transaction() as tx:
        order = await order_chasers(tx, [letter["id"] for letter in await letters(book)], after=timedelta())
    assert order.chasers
    await send_due()
    assert mail.messages == []
    chasers = await rows(book, "SELECT state, failure FROM chasers")
    assert {chaser["state"] for chaser in chasers} == {"failed"}
    assert "Its letterhead says TO DO" in chasers[0]["failure"]


async def test_post_has_the_same_letterhead(book: Database) -> None:
    await released(book, example_plan(by_post=ByPost.ALL))
    await letterheads_say_to_do(book)
    async with book.transaction() as tx:
        await order_batch(tx, None, duplex=False, by=WRITER)
    await Printer(book).turn()
    found = await letters(book)
    assert {letter["state"] for letter in found} == {"blocked"}
    assert "Its letterhead says TO DO" in found[0]["failure"]


async def letterheads_say_to_do(book: Database) -> None:
    async with book.transaction() as tx:
        await tx.execute('UPDATE letters SET frozen = frozen || \'{"house_number": "TO DO: number"}\'')


async def test_no_letter_goes_to_a_real_mail_server_with_links_to_this_computer(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    there: dict[str, Any] = {"smtp_url": "smtp://mail.example", "public_url": "", "host": "127.0.0.1"}
    book.context = replace(book.context, settings=replace(book.context.settings, **there))
    id = await drafted(book)
    [one, *_] = found = await letters(book)
    assert {letter["reason"] for letter in found} == {"links_nowhere"}
    assert f"lead to {book.context.settings.origin}" in one["failure"]
    assert "Set CONDUIT_PUBLIC_URL" in one["cure"]
    async with client(web.build(book), "/letters") as visitor:
        check = (await visitor.get(f"/letters/campaigns/{id}/check")).text
    assert f"would lead to {book.context.settings.origin}" in check
    assert "Set CONDUIT_PUBLIC_URL" in check


async def test_a_mail_server_on_this_computer_may_keep_all_mail(
    book: Database, mail: RecordingMailServer, send_due: SendAll
) -> None:
    """As the built-in mail box does. What was made so does not leave by another server later."""
    book.context = replace(book.context, settings=replace(book.context.settings, public_url=""))
    await released(book)
    here = book.context
    book.context = replace(here, settings=replace(here.settings, smtp_url="smtp://mail.example"))
    content = content_of(book.context, await one_letter(book))
    with pytest.raises(KeptHere, match="Its link leads to this computer only"):
        check_may_leave(book.context.settings, content)
    book.context = here
    await send_due()
    assert len(mail.messages) == 9


async def one_letter(book: Database) -> Any:
    first = (await letters(book))[0]["id"]
    async with book.reading() as tx:
        return await QUERIES.letter(tx, id=first)


async def test_a_message_with_a_link_to_this_computer_does_not_leave_it(
    book: Database, mail: RecordingMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.config.is_loopback", lambda host: host == "localhost")  # our server is not
    near = "http://localhost:8000/partners/sign-in/abc"
    for words in (near, f"See {near}, if you are here.", "http://[no-address"):
        await say(book, f"Hello,\n\n{words}\n")
    await Courier(book).turn()
    states = await rows(book, "SELECT state FROM notices ORDER BY id")
    assert [row["state"] for row in states] == ["failed", "sent", "sent"]
    assert len(mail.messages) == 2
    monkeypatch.undo()
    await say(book, f"Hello,\n\n{near}\n")
    await Courier(book).turn()
    assert len(mail.messages) == 3, "a mail server on this computer may keep all mail"


async def say(book: Database, body: str) -> None:
    """Somebody is to be told something."""
    said: dict[str, Any] = dict.fromkeys(("person_id", "words"))
    said |= {"kind": "sign_in", "email": "ana@forum.example", "language": "en", "runs": "ltr"}
    said |= {"subject": "Hello", "body": body, "correlationid": "", "traceparent": ""}
    async with book.transaction() as tx:
        later = tx.now + timedelta(minutes=30)
        await QUERIES.write_notice(tx, id=uuid7(), **said, not_after=later, now=tx.now)


def test_messages_leave_out_what_is_not_filled_in(book: Database) -> None:
    """People sign in before the house file is filled in."""
    fill_in(book, **TO_DO, complaints="TO DO: one sentence")
    values = house_values(book.context.house)
    assert (values["house_telephone"], values["complaints"]) == ("", "")
    assert values["house_name"] == book.context.house.name
