"""What worked: honest intervals, counted by body, with the silent in and the lost letters out."""

import csv
import io
import random
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some

from chassis.database import Database, Transaction, read_queries, rows_of
from chassis.testing import RecordingMailServer
from services.notifications import looking_back, web
from services.notifications.answers import Answer, confirm_pledge, record_answer
from services.notifications.domain import AnswerKind
from services.notifications.looking_back import Line, LookBack, Share, keep_outcomes, look_back, wilson
from tests.conftest import client
from tests.notifications.conftest import (
    ROLES,
    SendAll,
    contact_of,
    example_plan,
    fill,
    hear,
    letters,
    released,
    rows,
    trust_of,
    written_back,
)
from tests.notifications.test_chasing import go, order, pass_working_days

#: Seven boroughs with one trust each.
BOROUGHS = {f"E090000{number}": 50 + number for number in range(10, 17)}
ACKNOWLEDGED, DECLINED, PLEDGED, CHASED, BOUNCED, LOST, SILENT = BOROUGHS
DECLINE = Answer(kind=AnswerKind.DECLINE)
PLEDGE = Answer(kind=AnswerKind.PLEDGE, name="Sam", position="Head", pledge_pence=100_000)

#: Everything counted from the letters themselves.
RECOUNT = read_queries(__file__, "recount.sql")


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(count: int, of: int, low: float, high: float) -> None:
    assert tuple(round(each, 4) for each in wilson(count, of)) == (low, high)
    mirrored = reversed(wilson(of - count, of))
    assert tuple(round(1 - each, 4) for each in mirrored) == (low, high)


@given(some.integers(1, 100_000), some.data())
def test_an_interval_holds_the_share_and_stays_between_none_and_all(of: int, data: some.DataObject) -> None:
    count = data.draw(some.integers(0, of))
    low, high = wilson(count, of)
    assert 0 <= low <= count / of <= high <= 1
    words = Share(count, of).words
    assert words == "too few to say" if of < 5 else re.fullmatch(r"between \d+ and \d+ in 100", words)


@pytest.mark.parametrize(("count", "of"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_has_no_interval(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="A share"):
        wilson(count, of)


@pytest.fixture
async def campaign(book: Database, mail: RecordingMailServer, send_due: SendAll) -> UUID:
    """What seven trusts did; two are silent, and one of these was chased.

    One acknowledged on the second working day, one declined on the third, one pledged after a chaser; one
    letter to one came back, and all letters to another.
    """
    await fill(book, BOROUGHS)
    pass_working_days(book, 1)
    id = await released(book, example_plan(areas=tuple(BOROUGHS)))
    await send_due()
    pass_working_days(book, 2)
    await say(book, ACKNOWLEDGED, Answer(kind=AnswerKind.ACKNOWLEDGE))
    pass_working_days(book, 1)
    await say(book, DECLINED, DECLINE)
    async with book.transaction() as tx:
        back = "UPDATE letters SET delivery = 'bounced' WHERE areas && $1::text[] AND role = ANY ($2::text[])"
        await tx.execute(back, [BOUNCED], [ROLES[0]])
        await tx.execute(back, [LOST], list(ROLES))
    pass_working_days(book, 18)
    await order(book, id, CHASED, PLEDGED)
    await go(book, send_due)
    pass_working_days(book, 2)
    await say(book, PLEDGED, PLEDGE)
    return id


async def say(database: Database, area: str, answer: Answer) -> None:
    [letter] = [each for each in await letters(database) if each["contact_id"] == contact_of(area, ROLES[0])]
    async with database.transaction() as tx:
        await record_answer(tx, letter["id"], answer)


async def looked(database: Database, campaign: UUID | None = None) -> LookBack:
    async with database.reading() as tx:
        return await look_back(tx, lambda _, code: code, campaign)


async def test_counted_by_body_and_nobody_silent_over_a_letter_that_was_lost(
    book: Database, campaign: UUID
) -> None:
    found = await looked(book, campaign)
    assert (found.whole.acknowledged, found.whole.answered) == (Share(3, 6), Share(2, 6))
    assert [(line.name, line.answered) for line in found.kinds] == [("primary_care_trust", Share(2, 6))]
    assert {line.name: (line.acknowledged, line.answered) for line in found.roles} == {
        ROLES[0]: (Share(3, 5), Share(2, 5)),
        ROLES[1]: (Share(0, 6), Share(0, 6)),
        ROLES[2]: (Share(0, 6), Share(0, 6)),
    }
    assert [(line.name, line.answered) for line in found.channels] == [("email", Share(2, 6))]
    assert [(line.name, line.acknowledged, line.answered) for line in found.chasers] == [
        ("Before any chaser", Share(2, 6), Share(1, 6)),
        ("After one chaser", Share(1, 2), Share(1, 2)),
    ]
    assert (found.apart["bounced"], found.apart["bodies"]) == (4, 1)
    [pledge] = await rows(book, "SELECT id FROM answers WHERE kind = 'pledge'")
    async with book.transaction() as tx:
        await confirm_pledge(tx, pledge["id"])
    await hear(book, written_back(pledge["id"], PLEDGE.pledge_pence or 0))
    assert await looked(book, campaign) == found, "they have answered, though the money will not come"
    assert await looked(book) == found, "there is but one campaign"
    async with book.transaction() as tx:
        await tx.execute("UPDATE answers SET corrected_at = $1 WHERE kind = 'decline'", tx.now)
    assert (await looked(book, campaign)).whole.answered == Share(1, 6), "a wrong entry counts no more"


async def test_the_silent_stay_in_as_not_yet_answered(book: Database, campaign: UUID) -> None:
    found = await looked(book, campaign)
    counts = {point.day: point.share.count for point in found.curve}
    assert [counts[day] for day in (2, 3, 22, 23)] == [0, 1, 1, 2]
    assert {point.share.of for point in found.curve} == {6}
    assert [found.reached(share) for share in (0.25, 0.5)] == [23, None]
    pass_working_days(book, 30)
    assert len((await looked(book, campaign)).curve) == 41


@pytest.fixture
async def browser(book: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(book), "/letters") as visitor:
        yield visitor


async def test_the_page_says_it_in_plain_words_and_of_few_it_says_nothing(
    browser: httpx.AsyncClient, book: Database, campaign: UUID
) -> None:
    for address in (f"/letters/campaigns/{campaign}/worked", "/letters/worked"):
        page = (await browser.get(address)).text
        for words in (
            "2 of 6 bodies answered",
            "also where the money did not come",
            "between 9 and 71 in 100 would answer",
            "4 letters came back by e-mail",
            "1 body has no letter of ours and is not called silent.",
            "too few to say",
            "by working day 23",
            "Half had answered</dt><dd>not yet",
        ):
            assert words in page, words
        assert page.count("<polyline") == 1
        text = (await browser.get(f"{address}.csv")).text.removeprefix("\ufeff")
        table = list(csv.reader(io.StringIO(text)))
        assert ["Chasers before", "After one chaser", "Answered", "2", "1", *["too few to say"] * 2] in table
        assert ["All", "All", "Answered", "6", "2", "9", "71"] in table
    assert (await browser.get(f"/letters/campaigns/{UUID(int=1)}/worked")).status_code == 404


async def test_a_body_that_two_campaigns_ask_is_one_body(
    browser: httpx.AsyncClient, book: Database, campaign: UUID, send_due: SendAll
) -> None:
    await released(book, example_plan(areas=tuple(BOROUGHS)))
    await send_due()
    found = await looked(book)
    assert (found.whole.acknowledged, found.whole.answered) == (Share(3, 7), Share(2, 7)), "now all have one"
    assert {line.answered.of for group in (found.kinds, found.channels, found.roles) for line in group} == {7}
    assert (found.apart["bodies"], found.asked) == (0, {"campaigns": 2, "times": 13})
    assert (await looked(book, campaign)).whole.answered == Share(2, 6)
    page = (await browser.get("/letters/worked")).text
    assert "2 of 7 bodies answered" in page
    assert "asked in 2 campaigns, 13 times in all" in page


async def test_before_the_first_letter_it_says_so(browser: httpx.AsyncClient) -> None:
    assert "No letter has arrived yet" in (await browser.get("/letters/worked")).text


async def recounted(tx: Transaction, campaign_id: UUID | None) -> LookBack:
    """What worked, counted from every letter, answer and chaser."""

    def of(row: Any) -> Line:
        asked = row["asked"]
        return Line(row["what"], Share(row["acknowledged"], asked), Share(row["answered"], asked))

    which = {"campaign_id": campaign_id}
    replies = await rows_of(RECOUNT.replies_of(tx, **which))
    bodies = sum(row["bodies"] for row in replies)
    said = {
        what: sum(row["bodies"] for row in replies if row[f"{what}_on"])
        for what in ("acknowledged", "answered")
    }
    return LookBack(
        whole=Line("All", Share(said["acknowledged"], bodies), Share(said["answered"], bodies)),
        kinds=[of(row) async for row in RECOUNT.asked_by_kind(tx, **which)],
        roles=[of(row) async for row in RECOUNT.asked_by_role(tx, **which)],
        channels=[of(row) async for row in RECOUNT.asked_by_channel(tx, **which)],
        chasers=looking_back._by_chasers(replies),
        curve=looking_back._curve(replies, tx.today),
        apart=dict(await RECOUNT.apart_of(tx, **which)),
        asked=dict(await RECOUNT.asked_in(tx, **which)),
    )


def something(chance: random.Random, moment: datetime) -> str:
    """A change, whether or not anybody could make it."""
    at, one_of = f"'{moment.isoformat()}'::timestamptz", chance.choice
    some = f"md5(id::text || '{moment}')"
    one = f"(SELECT id FROM letters ORDER BY {some} LIMIT 1)"
    state = one_of("draft blocked ready sending sent sent sent sent failed unknown".split())
    answer = one_of("silent silent silent auto_replied acknowledged asked declined will_meet pledged".split())
    kind = one_of("acknowledge pledge meet decline ask pass_on".split())
    pence = 5 if kind == "pledge" else "NULL"
    way, told_on = one_of((("page", "NULL"), ("post", f"{at}::date - 3")))
    kinds = ",".join(chance.sample("school hospital council".split(), chance.randrange(3)))
    return one_of(
        (
            f"UPDATE letters SET state = '{state}', answer = '{answer}', dated = {at}, claimed_at = {at},"
            f" delivery = '{one_of(['', '', '', 'delivered', 'bounced', 'returned'])}',"
            f" channel = '{one_of(['email', 'email', 'post'])}', ask_pence = 1, version = version + 1,"
            f" sent_at = {at if state == 'sent' or chance.random() < 0.3 else 'NULL'} WHERE id = {one}",
            "INSERT INTO answers (id, letter_id, kind, pledge_pence, at, way, told_on)"
            f" VALUES (gen_random_uuid(), {one}, '{kind}', {pence}, {at}, '{way}', {told_on})",
            f"UPDATE answers SET corrected_at = {at} WHERE {some} < '3'",
            "INSERT INTO chasers (id, letter_id, number, contact_id, channel, state, words, message_id,"
            " batch_id, because, sent_at, made_at, changed_at)"
            " SELECT gen_random_uuid(), id, 1 + (SELECT count(*) FROM chasers WHERE letter_id = l.id),"
            f" contact_id, 'email', '{one_of(['sent', 'sent', 'failed'])}', 1, gen_random_uuid(), id, '',"
            f" {at}, {at}, {at} FROM letters l WHERE id = {one}",
            f"UPDATE chasers SET state = '{one_of(['sent', 'unknown'])}' WHERE {some} < '3'",
            f"UPDATE organisations SET kinds = '{{{kinds}}}' WHERE {some} < '4'",
            f"DELETE FROM organisations WHERE {some} < '1'",
            f"UPDATE letters SET organisation_id = '{trust_of(SILENT)}' WHERE id = {one}",
            f"DELETE FROM letters l WHERE id = {one} AND id NOT IN (SELECT letter_id FROM answers)",
        )
    )


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_kept_is_what_a_count_of_all_letters_brings_whatever_happened(
    book: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(looking_back, "MOST", 3)
    await fill(book, BOROUGHS)
    campaigns = [await released(book, example_plan(areas=tuple(BOROUGHS))) for _ in range(2)]
    chance, kept = random.Random(seed), 0

    async def compare() -> None:
        async with book.reading() as tx:
            for scope in (*campaigns, None):
                assert await look_back(tx, lambda _, code: code, scope) == await recounted(tx, scope)

    for _ in range(200):
        async with book.transaction() as tx:
            await tx.execute(something(chance, tx.now - timedelta(minutes=chance.randrange(90_000))))
            if chance.random() < 0.3:
                await keep_outcomes(book)  # while something is under way
        if chance.random() < 0.2:
            await compare()
            kept += len(await rows(book, "SELECT scope FROM outcomes"))
    while await keep_outcomes(book):
        pass
    await compare()
    assert kept > 100, "some was kept, and some was reckoned"
    assert await rows(book, "SELECT id FROM outcomes_changed") == []
