"""Where bodies stand, kept beside their letters: what is counted, what is shown apart, and nobody twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from chassis.testing import NO_SUCH_MAILBOX, RecordingMailServer
from services.notifications import web
from services.notifications.domain import BODY_STATUSES, BodyStatus
from services.notifications.figures import Group, Standings, figures
from tests.conftest import client
from tests.notifications.conftest import (
    ROLES,
    SendAll,
    address_of,
    contact_of,
    letters,
    released,
    rows,
    trust_of,
)

KENSINGTON, WESTMINSTER, BROMLEY = "E09000020", "E09000033", "E09000007"

#: What one letter can be: its state, its delivery, its answer; and where a body with it alone stands.
LONE = {
    ("sent", "", "silent"): "silent",
    ("sent", "delivered", "silent"): "silent",
    ("sent", "", "auto_replied"): "silent",
    ("unknown", "", "auto_replied"): "silent",
    ("sent", "bounced", "silent"): "problem",
    ("sent", "returned", "silent"): "problem",
    ("failed", "", "silent"): "problem",
    ("unknown", "", "silent"): "problem",
    ("blocked", "", "silent"): "blocked",
    ("draft", "", "silent"): "waiting",
    ("ready", "", "silent"): "waiting",
    ("sent", "bounced", "acknowledged"): "acknowledged",
    ("unknown", "", "declined"): "declined",
    ("sent", "", "pledged"): "pledged",
}

#: Of two letters to a body, whichever comes first here says where it stands.
ORDER = ("pledged", "declined", "acknowledged", "silent", "waiting", "problem", "blocked")


@pytest.fixture
async def sent(book: Database, send_due: SendAll) -> UUID:
    id = await released(book)
    await send_due()
    return id


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def make(database: Database, area: str, role: str, kind: tuple[str, str, str]) -> None:
    """Let a letter be in this state, with this delivery and this answer."""
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE letters SET state = $2, delivery = $3, answer = $4, version = version + 1"
            " WHERE contact_id = $1",
            contact_of(area, role),
            *kind,
        )


async def body(database: Database, area: str) -> dict[str, Any]:
    [found] = await rows(database, "SELECT * FROM bodies WHERE organisation_id = $1", trust_of(area))
    return found


async def test_the_best_answer_wins_and_nobody_is_silent_over_a_letter_that_never_arrived(
    book: Database, sent: UUID
) -> None:
    one, two, three = ROLES
    for first, second in product(LONE, LONE):
        for role, kind in ((one, first), (two, second), (three, second)):
            await make(book, KENSINGTON, role, kind)
        expected = min((LONE[first], LONE[second]), key=ORDER.index)
        if {LONE[first], LONE[second]} == {"blocked", "problem"}:
            expected = "problem"
        assert (await body(book, KENSINGTON))["standing"] == expected, (first, second)


async def test_a_body_is_late_from_the_first_letter_that_arrived(book: Database, sent: UUID) -> None:
    async with book.transaction() as tx:
        late = "UPDATE letters SET waits_since = waits_since - $2::interval WHERE contact_id = $1"
        await tx.execute(late, contact_of(KENSINGTON, ROLES[0]), timedelta(days=40))
        await tx.execute(late, contact_of(WESTMINSTER, ROLES[0]), timedelta(days=80))
        await tx.execute(late, contact_of(BROMLEY, ROLES[0]), timedelta(days=80))
    await make(book, BROMLEY, ROLES[0], ("sent", "bounced", "silent"))
    async with book.reading() as tx:
        found = await figures(tx, sent)
    assert [found.bodies(status) for status in (BodyStatus.LATE, BodyStatus.VERY_LATE)] == [1, 1]
    assert found.bodies(BodyStatus.SILENT) == 1, "the letter that came back is not waited for"


async def test_two_letters_to_one_body_that_change_at_once_are_both_counted(
    book: Database, sent: UUID
) -> None:
    async def many(role: str) -> None:
        for answer in ("acknowledged", "silent", "declined"):
            await make(book, KENSINGTON, role, ("sent", "", answer))

    await asyncio.gather(*(many(role) for role in ROLES))
    found = await body(book, KENSINGTON)
    theirs = [each for each in await letters(book) if each["organisation_id"] == trust_of(KENSINGTON)]
    assert (found["standing"], found["version"]) == ("declined", sum(each["version"] for each in theirs))


async def test_standings_are_counted_again_once_something_has_changed_and_not_before(
    book: Database, sent: UUID
) -> None:
    standings = Standings()

    async def look() -> Sequence[Group]:
        async with book.reading() as tx:
            return (await standings.of(tx, [sent]))[sent]

    def heard(groups: Sequence[Group]) -> set[str]:
        return {group.status.value for group in groups if BODY_STATUSES[group.status].acknowledged}

    first = await look()
    assert await look() is first
    async with book.transaction() as slow:
        change = "UPDATE letters SET answer = 'acknowledged', version = version + 1 WHERE contact_id = $1"
        await slow.execute(change, contact_of(KENSINGTON, ROLES[0]))
        await make(book, BROMLEY, ROLES[0], ("sent", "", "declined"))  # begun later, done first
        assert heard(await look()) == {"declined"}
    after = await look()
    assert heard(after) == {"acknowledged", "declined"}, "what was under way meanwhile is not missed"
    assert await look() is after
    async with book.transaction() as tx:  # that it is due at another time is nothing to a board
        await tx.execute("UPDATE letters SET next_try = $1", tx.now)
    assert await look() is after


async def test_nobody_waits_for_the_figures_of_a_large_campaign_while_it_is_being_sent(
    book: Database, sent: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted beside those who look, and are right again once it has been sent."""
    monkeypatch.setattr("services.notifications.figures.MANY", 1)
    monkeypatch.setattr("services.notifications.figures.AGAIN", 0.0)
    monkeypatch.setattr("services.notifications.figures.REST", 0)
    standings = Standings(book)

    async def look() -> Sequence[Group]:
        async with book.reading() as tx:
            return (await standings.of(tx, [sent]))[sent]

    async def state(name: str) -> None:
        async with book.transaction() as tx:
            await tx.execute("UPDATE campaigns SET state = $2 WHERE id = $1", sent, name)

    def declined(groups: Sequence[Group]) -> bool:
        return any(group.status.value == "declined" for group in groups)

    await state("sending")
    first = await look()
    await make(book, BROMLEY, ROLES[0], ("sent", "", "declined"))
    assert await look() is first
    await asyncio.gather(*standings._counting.values())
    assert declined(await look())
    await make(book, KENSINGTON, ROLES[0], ("sent", "", "acknowledged"))
    await state("sent")
    assert any(group.status.value == "acknowledged" for group in await look())
    await state("sending")
    monkeypatch.setattr("services.notifications.figures.OLDEST", 0.0)
    await make(book, KENSINGTON, ROLES[0], ("sent", "", "declined"))
    assert not any(group.status.value == "acknowledged" for group in await look()), "too old to be shown"


async def test_readers_who_ask_at_once_are_given_one_reading_and_never_an_older_one(
    book: Database, browser: httpx.AsyncClient, sent: UUID
) -> None:
    address = f"/letters/campaigns/{sent}"
    asked = [address, f"{address}?status=silent", f"{address}?q=trust", f"/letters/campaigns/{UUID(int=1)}"]
    many = [browser.get(each) for each in asked * 5]
    assert [page.status_code for page in await asyncio.gather(*many)] == [200, 200, 200, 404] * 5
    await make(book, BROMLEY, ROLES[0], ("sent", "", "declined"))
    pages = await asyncio.gather(*(browser.get(address) for _ in range(5)))
    assert all("<b>2</b> of 3 have not acknowledged" in page.text for page in pages)


async def test_what_did_not_arrive_is_shown_apart_and_needs_somebody(
    book: Database, browser: httpx.AsyncClient, mail: RecordingMailServer, send_due: SendAll
) -> None:
    for role in ROLES:
        mail.treat(NO_SUCH_MAILBOX, address_of(KENSINGTON, role))
    id = await released(book)
    await send_due()
    await make(book, WESTMINSTER, ROLES[0], ("sent", "bounced", "silent"))
    await make(book, WESTMINSTER, ROLES[1], ("unknown", "", "silent"))
    await make(book, BROMLEY, ROLES[0], ("sent", "returned", "silent"))
    board = (await browser.get(f"/letters/campaigns/{id}")).text
    assert "<b>2</b> of 2 have not acknowledged" in board
    for words in (
        "3 letters were refused by the mail server",
        "1 letter came back by e-mail",
        "1 letter came back by post",
        "1 letter may or may not have arrived",
        "1 body has no letter of ours, so nobody there is called silent.",
        "Needs you: 6 letters",
        "Our letter came back by e-mail.",
    ):
        assert words in board, words
    assert "Kensington and Chelsea: Our letters did not arrive" in board
    await make(book, WESTMINSTER, ROLES[2], ("sent", "", "declined"))
    board = (await browser.get(f"/letters/campaigns/{id}")).text
    assert "Our letter came back by e-mail." not in board, "somebody else there has answered"


async def test_a_board_is_gone_through_page_by_page(
    book: Database, browser: httpx.AsyncClient, sent: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.board, "BODIES", 1)
    monkeypatch.setattr(web.board._Board.rows, "__defaults__", ("", "", None, 1))
    await make(book, BROMLEY, ROLES[0], ("sent", "", "pledged"))
    seen, address = [], f"/letters/campaigns/{sent}"
    for _ in range(3):
        page = (await browser.get(address)).text
        seen.append(page.split('<th scope="row"><a href="')[1].partition(">")[2].partition("<")[0])
        more = page.partition("&amp;after=")[2].partition("#")[0]
        address = f"/letters/campaigns/{sent}?after={more}"
    assert seen == [f"Trust {area}" for area in (KENSINGTON, WESTMINSTER, BROMLEY)]
    assert more == ""
    assert (await browser.get(f"/letters/campaigns/{sent}?after=x")).status_code == 404
