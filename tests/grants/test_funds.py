"""Funds: who gives, what for, what is pledged, what comes, what goes back."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.errors import Conflict, Refused
from contracts.envelope import Event
from contracts.grants import ContributionReceived, ContributionRefunded, ContributionWrittenBack
from contracts.partners import OrganisationAmended, OrganisationRegistered
from services.grants import contributions, ledger, metrics, web
from services.grants.contributions import Pledge
from services.grants.funds import Allowed, allowed_by
from services.grants.queries import FUNDS
from tests.access import EVERYTHING, form_key
from tests.conftest import announced, client, summed_up
from tests.grants.filling import FUND, a_fund, a_round, money_comes, post
from tests.grants.panelling import a_colleague
from tests.grants.test_handlers import CAMDEN, ORGANISATION, PLEDGE, a_pledge, an_organisation, receive

PDF = b"%PDF-1.7\n%terms of the funder\n%%EOF\n"
HOSTILE = "O’Brien & “Söhne” أطباء Việt'; DROP TABLE funds; --<b>"


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    await receive(grants, *ORGANISATION[:2])
    async with client(web.build(grants), "/grants") as browser:
        yield browser


def another_pledge(number: int, **more: Any) -> Event:
    """A pledge of another id."""
    pledge = a_pledge()
    return replace(pledge, data={**pledge.data, "pledge_id": UUID(int=number), **more})


async def only_fund(database: Database) -> UUID:
    async with database.reading() as tx:
        id: UUID = await tx.fetchval("SELECT id FROM funds")
    return id


async def pledge_now(database: Database, id: UUID = PLEDGE) -> tuple[UUID | None, int, int]:
    async with database.reading() as tx:
        row = await FUNDS.pledge_by_id(tx, id=id)
    return row["fund_id"], row["received_pence"], row["written_back_pence"]


async def notes(database: Database) -> list[str]:
    async with database.reading() as tx:
        return [row["action"] for row in await tx.fetch("SELECT action FROM audit ORDER BY number")]


# Describing a fund


async def test_a_fund_is_opened_and_shown(grants: Database, browser: httpx.AsyncClient) -> None:
    empty = await browser.get("/grants/funds")
    assert "No fund yet" in empty.text
    answer = await post(browser, "/grants/funds/new", FUND)
    id = await only_fund(grants)
    assert answer.headers["location"] == f"/grants/funds/{id}?done=opened"
    page = (await browser.get(answer.headers["location"])).text
    for words in ("Exam fund", "Only exams of refugee doctors.", "Exams of doctors", "The fund is open."):
        assert words in page
    assert f'<a href="/partners/organisations/{CAMDEN}">Camden Primary Care Trust</a>' in page
    assert "Exam fund" in (await browser.get("/grants/funds")).text
    assert await notes(grants) == ["fund_opened"]
    async with grants.reading() as tx:
        assert "Exam fund" not in str(await tx.fetch("SELECT before, after FROM audit"))


async def test_the_summary_of_a_form_says_which_field_each_fault_is_about(
    browser: httpx.AsyncClient,
) -> None:
    wrong = {"name": "", "purpose": "x" * 3_000, "opened_on": "soon", "funder_1": ""}
    page = (await post(browser, "/grants/funds/new", {**FUND, **wrong})).text
    assert 'role="alert" tabindex="-1" autofocus id="faults"' in page, "one begins there"
    assert sorted(summed_up(page)) == [
        "Funder: Nobody is named here.",
        "Name: This is empty.",
        "Open since: This is not a day.",
        "What it is for: This is too long: 3,000 signs.",
    ]


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("name", "", "This is empty."),
        ("name", "x" * 300, "This is too long: 300 signs."),
        ("name", "abc\u202edef", "a sign that cannot be shown"),
        ("purpose", "two\nlines", "a sign that cannot be shown"),
        ("restriction", "", "This is empty."),
        ("restrictions", "no_such", "not on the list any more"),
        ("funder_1", "", "Nobody is named here."),
        ("funder_1", "Atlantis", "We know no body of this name."),
        ("funder_2", "'; --", "We know no body of this name."),
        ("opened_on", "", "This is not a day."),
        ("opened_on", "2012-02-30", "This is not a day."),
        ("opened_on", "1/1/2012", "This is not a day."),
        ("opened_on", "٢٠١٢-٠١-٠١", "This is not a day."),
        ("opened_on", "2099-01-01", "This day is still to come."),
        ("opened_on", "0012-01-01", "This day is too far away."),
    ],
)
async def test_each_field_says_what_is_wrong_and_nothing_is_lost(
    grants: Database, browser: httpx.AsyncClient, field: str, typed: str, says: str
) -> None:
    answer = await post(browser, "/grants/funds/new", {**FUND, field: typed})
    assert answer.status_code == 422
    assert says in answer.text
    assert f'id="{field}-fault"' in answer.text
    assert "Only exams of refugee doctors." in answer.text or field == "restriction"
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM funds") == 0


async def test_hostile_words_are_words(grants: Database, browser: httpx.AsyncClient) -> None:
    answer = await post(browser, "/grants/funds/new", {**FUND, "name": HOSTILE})
    page = (await browser.get(answer.headers["location"])).text
    assert "DROP TABLE funds; --&lt;b&gt;" in page
    assert "<b>" not in page.partition("<h1>")[2].partition("</h1>")[0]


async def test_two_funds_never_have_one_name(grants: Database, browser: httpx.AsyncClient) -> None:
    await a_fund(grants)
    answer = await post(browser, "/grants/funds/new", {**FUND, "name": " EXAM  Fund "})
    assert answer.status_code == 422
    assert "Another fund has this name, or had it." in answer.text
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM funds") == 1


async def test_two_bodies_of_one_name_are_not_guessed_at(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO organisations SELECT gen_random_uuid(), name, NULL, 1, 1, NULL FROM organisations"
        )
    answer = await post(browser, "/grants/funds/new", FUND)
    assert answer.status_code == 422
    assert "Several bodies are called this." in answer.text


async def test_whoever_comes_second_sees_both_and_loses_nothing(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    id = await a_fund(grants)
    path = f"/grants/funds/{id}/edit"
    assert 'name="revision" value="1"' in (await browser.get(path)).text
    mine, theirs = {**FUND, "purpose": "Mine"}, {**FUND, "purpose": "Theirs"}
    assert (await post(browser, path, {**theirs, "revision": "1"})).status_code == 303
    late = await post(browser, path, {**mine, "revision": "1"})
    assert late.status_code == 409
    assert "You have changed this meanwhile, in another window" in late.text
    assert "Theirs" in late.text
    assert 'name="revision" value="2"' in late.text
    assert (await post(browser, path, {**mine, "revision": "2"})).status_code == 303
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT purpose FROM funds") == "Mine"
    assert (await post(browser, path, mine)).status_code == 400


async def test_a_fund_is_closed_only_when_nobody_counts_on_it(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    id, award = await a_fund(grants), uuid4()
    path = f"/grants/funds/{id}"
    await money_comes(grants, id, 1_000)
    assert (await post(browser, f"{path}/close", {})).status_code == 422
    async with grants.transaction() as tx:
        await ledger.commit(tx, id, 1_000, award=award)
    refused = await post(browser, f"{path}/close", {"confirm": "yes"})
    assert refused.status_code == 409
    assert "wait to be paid" in refused.text
    async with grants.transaction() as tx:
        await ledger.release(tx, id, 1_000, award=award, cause=uuid4())
    await a_round(grants, id, opened=True)
    assert (
        "A round of this fund is under way" in (await post(browser, f"{path}/close", {"confirm": "yes"})).text
    )
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'decided'")
    assert (await post(browser, f"{path}/close", {"confirm": "yes"})).status_code == 303
    for what in ("receive", "pledge"):
        fields = {"pledge": "", "body": "Camden Primary Care Trust", "amount": "10", "bank_reference": "x"}
        days = dict.fromkeys(("received_on", "pledged_on"), grants.context.clock.today().isoformat())
        assert (await post(browser, f"{path}/{what}", fields | days)).status_code == 409
    with pytest.raises(Conflict, match="closed"):
        async with grants.transaction() as tx:
            await ledger.commit(tx, id, 1, award=uuid4())
    assert (await post(browser, f"{path}/open", {})).status_code == 303
    async with grants.transaction() as tx:
        await ledger.commit(tx, id, 1, award=uuid4())


async def test_terms_are_put_on_file(grants: Database, browser: httpx.AsyncClient) -> None:
    id = await a_fund(grants)
    path = f"/grants/funds/{id}"
    for name, content in (("a.pdf", b"no pdf"), ("a.exe", PDF), ("a.pdf", b""), ("", b"")):
        refused = await post(browser, f"{path}/terms", {}, files={"file": (name, content)})
        assert refused.status_code == 422, name
        assert 'id="file-fault"' in refused.text, "the page again, with what is wrong"
    assert (await post(browser, f"{path}/terms", {})).status_code == 422
    for requires in ({"requires_status": "yes"}, {}):
        sent = await post(browser, f"{path}/terms", requires, files={"file": ("../Terms.pdf", PDF)})
        assert sent.headers["location"] == f"{path}?done=terms"
    page = (await browser.get(path)).text
    assert page.count("Terms.pdf") == 2
    assert "../" not in page
    href = page.partition('href="/grants/terms/')[2].partition('"')[0]
    file = await browser.get(f"/grants/terms/{href}")
    assert file.content == PDF
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["content-disposition"].startswith("attachment")
    async with grants.reading() as tx:
        newest = [row["requires_status"] async for row in FUNDS.terms_of(tx, fund_id=id)]
    assert newest == [False, True]


def test_restrictions_allow_together_what_each_allows(grants: Database) -> None:
    restrictions = grants.context.house.lists["restrictions"]
    assert allowed_by([], restrictions) == Allowed(None, None)
    both = allowed_by(["doctors_exams", "dentists_exams"], restrictions)
    assert both.professions == frozenset({"doctor", "dentist"})
    assert both.purposes == frozenset({"ielts", "oet", "plab_1", "plab_2", "ore_1", "ore_2"})
    assert allowed_by(["training"], restrictions) == Allowed(frozenset(), frozenset())
    assert allowed_by(["gone"], restrictions) == Allowed(frozenset(), frozenset())


# Pledges


async def test_a_pledge_finds_the_fund_that_it_names(grants: Database) -> None:
    """Whichever comes first, and however the name is written."""
    await receive(grants, a_pledge())
    assert await pledge_now(grants) == (None, 0, 0)
    exams = await a_fund(grants)
    training = await a_fund(grants, " Training  SCHEME")
    assert await pledge_now(grants) == (training, 0, 0)
    await receive(grants, another_pledge(99, fund="exam fund"))
    assert (await pledge_now(grants, UUID(int=99)))[0] == exams


async def test_a_pledge_for_an_unknown_fund_waits_to_be_seen(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    await receive(grants, a_pledge(), another_pledge(99))
    fund = await a_fund(grants)
    for page in ("/grants/", "/grants/funds"):
        assert f"/grants/pledges/{PLEDGE}" in (await browser.get(page)).text
    assert "Say which fund “training scheme” means" in (await browser.get("/grants/")).text
    path = f"/grants/pledges/{PLEDGE}"
    assert "Which fund does “training scheme” mean?" in (await browser.get(path)).text
    assert (await post(browser, f"{path}/fund", {"fund": "x"})).status_code == 422
    said = await post(browser, f"{path}/fund", {"fund": str(fund)})
    assert said.headers["location"] == f"{path}?done=matched"
    assert (await pledge_now(grants))[0] == (await pledge_now(grants, UUID(int=99)))[0] == fund
    assert (await post(browser, f"{path}/fund", {"fund": str(fund)})).status_code == 409
    assert "Say which fund" not in (await browser.get("/grants/")).text
    await receive(grants, another_pledge(100))
    assert (await pledge_now(grants, UUID(int=100)))[0] == fund, "the name is known from now on"


async def test_a_pledge_comes_in_parts_and_its_rest_is_written_back(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    await receive(grants, a_pledge())
    fund = await a_fund(grants, "training scheme")
    path = f"/grants/funds/{fund}/receive"
    assert "Camden Primary Care Trust: £3,700 to come" in (await browser.get(path)).text
    today = grants.context.clock.today().isoformat()
    came = {"pledge": str(PLEDGE), "body": "", "received_on": today, "bank_reference": "BACS 77"}
    too_much = await post(browser, path, {**came, "amount": "3,700.01"})
    assert too_much.status_code == 422
    assert "£3,700 of this pledge is open." in too_much.text
    assert "BACS 77" in too_much.text
    assert (await post(browser, path, {**came, "amount": "1,000"})).status_code == 303
    assert (await post(browser, path, {**came, "amount": "2,500"})).status_code == 303
    assert await pledge_now(grants) == (fund, 350_000, 0)
    write_back = f"/grants/pledges/{PLEDGE}/write-back"
    assert (await post(browser, write_back, {"reason": ""})).status_code == 422
    assert (await post(browser, write_back, {"reason": HOSTILE})).status_code == 303
    assert await pledge_now(grants) == (fund, 350_000, 20_000)
    page = (await browser.get(f"/grants/pledges/{PLEDGE}")).text
    assert "£200 was written back" in page
    assert "Part came, the rest will not" in page
    assert '<dt>Will not come</dt><dd class="big">£200</dd>' in page
    assert "O’Brien &amp;" in page
    assert (await post(browser, write_back, {"reason": "again"})).status_code == 409
    *received, gone = await announced(grants)
    assert [event.data["amount"]["amount_pence"] for event in received] == [100_000, 250_000]
    assert (gone.fact, gone.subject, gone.sequence) == (ContributionWrittenBack, str(PLEDGE), 1)
    assert (gone.data["pledge_id"], gone.data["amount"]["amount_pence"]) == (PLEDGE, 20_000)
    assert (gone.data["fund"], gone.data["organisation_id"]) == ("training scheme", CAMDEN)
    assert gone.data["written_back_on"] == grants.context.clock.today()
    assert "Söhne" not in str(gone), "the reason is in somebody's words"
    assert {event.data["campaign_id"] for event in (*received, gone)} == {UUID(int=9)}


async def test_a_pledge_that_came_by_no_campaign_is_written_back_without_one(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants, "exam fund")
    pledge = Pledge(organisation_id=CAMDEN, amount_pence=5_000, pledged_on=grants.context.clock.today())
    async with grants.transaction() as tx:
        id = await contributions.enter_pledge(tx, fund, pledge)
    assert (await post(browser, f"/grants/pledges/{id}/write-back", {"reason": "gone"})).status_code == 303
    [gone] = await announced(grants)
    assert (gone.fact, gone.data["campaign_id"]) == (ContributionWrittenBack, None)
    assert (gone.data["fund"], gone.data["amount"]["amount_pence"]) == ("exam fund", 5_000)


async def test_nobody_waits_for_a_pledge_that_another_one_has_replaced(grants: Database) -> None:
    """What came of it before stays; and whichever of the two is heard first."""
    fund = await a_fund(grants, "training scheme")
    await receive(grants, another_pledge(99, replaces=[PLEDGE]))
    async with grants.reading() as tx:
        assert await FUNDS.pledge_by_id(tx, id=UUID(int=99)) is None, "it waits for the other one"
    await receive(grants, a_pledge())
    await money_comes(grants, fund, 100_000, pledge_id=PLEDGE)
    await receive(grants, replace(another_pledge(100, replaces=[PLEDGE]), id=UUID(int=7)))
    assert await pledge_now(grants) == (fund, 100_000, 270_000)
    assert await pledge_now(grants, UUID(int=100)) == (fund, 0, 0)
    [gone] = [event for event in await announced(grants) if event.fact is ContributionWrittenBack]
    assert (gone.data["pledge_id"], gone.data["amount"]["amount_pence"]) == (PLEDGE, 270_000)


async def written_back_of(database: Database) -> list[tuple[int, int]]:
    """What Grants has said of what will not come, each with its place in the order."""
    events = [event for event in await announced(database) if event.fact is ContributionWrittenBack]
    return [(event.sequence, event.data["amount"]["amount_pence"]) for event in events]


async def test_what_was_written_back_by_mistake_is_waited_for_again(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    await receive(grants, a_pledge())
    fund = await a_fund(grants, "training scheme")
    await money_comes(grants, fund, 100_000, pledge_id=PLEDGE)
    page = f"/grants/pledges/{PLEDGE}"
    assert "Was it a mistake?" not in (await browser.get(page)).text
    assert (await post(browser, f"{page}/expect-again", {"why_again": "x"})).status_code == 409
    await post(browser, f"{page}/write-back", {"reason": "They are in debt."})
    assert (await post(browser, f"{page}/expect-again", {"why_again": ""})).status_code == 422
    done = await post(browser, f"{page}/expect-again", {"why_again": HOSTILE})
    assert done.headers["location"] == f"{page}?done=expected_again"
    assert await pledge_now(grants) == (fund, 100_000, 0)
    said = (await browser.get(f"{page}?done=expected_again")).text
    assert "Taken back. It is waited for again." in said
    assert said.index("£2,700 is waited for again") < said.index("£2,700 was written back"), "newest first"
    assert "O’Brien &amp;" in said
    assert "They are in debt." in said, "what was said before stays"
    assert "Was it a mistake?" not in said
    assert "£2,700 to come" in (await browser.get(f"/grants/funds/{fund}/receive")).text
    async with grants.reading() as tx:
        assert dict(await FUNDS.promised_to(tx, fund_id=fund)) == {
            "pledged_pence": 370_000,
            "promised_pence": 270_000,
        }
    await money_comes(grants, fund, 200_000, pledge_id=PLEDGE)
    await post(browser, f"{page}/write-back", {"reason": "now really"})
    assert await pledge_now(grants) == (fund, 300_000, 70_000)
    assert await written_back_of(grants) == [(1, 270_000), (2, 0), (3, 70_000)]
    events = [event for event in await announced(grants) if event.fact is ContributionWrittenBack]
    again = [event.data["expected_again"] for event in events]
    assert again == [None, {"amount_pence": 270_000, "currency": "GBP"}, None], "partners says how much"
    assert "Söhne" not in str(await announced(grants)), "reasons are in somebody's words"


async def test_what_another_pledge_has_replaced_is_not_waited_for_again(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    """Also where it was written back before we heard of the other one."""
    await receive(grants, a_pledge(), replace(another_pledge(98), id=UUID(int=6)))
    await post(browser, f"/grants/pledges/{UUID(int=98)}/write-back", {"reason": "x"})
    await receive(grants, replace(another_pledge(99, replaces=[PLEDGE, UUID(int=98)]), id=UUID(int=7)))
    for id in (PLEDGE, UUID(int=98)):
        page = f"/grants/pledges/{id}"
        shown = (await browser.get(page)).text
        assert "Was it a mistake?" not in shown
        assert "<dt>Replaced</dt>" in shown
        refused = await post(browser, f"{page}/expect-again", {"why_again": "x"})
        assert refused.status_code == 409
        assert "They have pledged anew instead of this." in refused.text
    assert await written_back_of(grants) == [(1, 370_000), (1, 370_000)]


async def test_what_an_earlier_release_wrote_back_is_taken_back_by_a_newer_word(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    """It writes no step beside the newer schema, and announces the first."""
    await receive(grants, a_pledge())
    async with grants.transaction() as tx:
        await tx.execute("UPDATE pledges SET written_back_pence = amount_pence")
    await post(browser, f"/grants/pledges/{PLEDGE}/expect-again", {"why_again": "x"})
    assert await written_back_of(grants) == [(2, 0)]


async def test_of_a_pledge_no_more_comes_than_was_pledged_however_many_enter_it(grants: Database) -> None:
    await receive(grants, a_pledge())
    fund = await a_fund(grants, "training scheme")

    async def comes() -> bool:
        try:
            await money_comes(grants, fund, 100_000, pledge_id=PLEDGE)
        except Refused:
            return False
        return True

    assert sum(await asyncio.gather(*(comes() for _ in range(12)))) == 3
    assert await pledge_now(grants) == (fund, 300_000, 0)
    assert len(await announced(grants)) == 3
    async with grants.reading() as tx:
        assert await ledger.differing(tx) == []


async def test_a_contribution_goes_back_once_however_many_give_it_back(grants: Database) -> None:
    fund = await a_fund(grants)
    given = await money_comes(grants, fund, 1_000)

    async def goes_back() -> bool:
        try:
            async with grants.transaction() as tx:
                await contributions.refund(tx, given, 600, tx.today)
        except (Refused, Conflict):
            return False
        return True

    assert sum(await asyncio.gather(*(goes_back() for _ in range(8)))) == 1
    async with grants.reading() as tx:
        assert (await ledger.balance(tx, fund)).free_pence == 400
        assert await ledger.differing(tx) == []


async def test_money_pledged_for_one_fund_never_enters_another(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    await receive(grants, a_pledge())
    await a_fund(grants, "training scheme")
    exams = await a_fund(grants)
    assert str(PLEDGE) not in (await browser.get(f"/grants/funds/{exams}/receive")).text
    came = {"pledge": str(PLEDGE), "amount": "10", "received_on": "2012-03-05", "bank_reference": "x"}
    assert (await post(browser, f"/grants/funds/{exams}/receive", came)).status_code == 422
    with pytest.raises(Exception, match="not for this fund"):
        await money_comes(grants, exams, 1_000, pledge_id=PLEDGE)
    assert await announced(grants) == []


async def test_a_pledge_may_be_entered_by_hand(grants: Database, browser: httpx.AsyncClient) -> None:
    fund = await a_fund(grants)
    fields = {"body": "camden primary care trust", "amount": "£250", "pledged_on": "2012-03-05"}
    assert (await post(browser, f"/grants/funds/{fund}/pledge", {**fields, "body": "x"})).status_code == 422
    assert (await post(browser, f"/grants/funds/{fund}/pledge", fields)).status_code == 303
    page = (await browser.get(f"/grants/funds/{fund}")).text
    assert "£250" in page
    assert await announced(grants) == []


# Money


@pytest.mark.parametrize(
    "amount",
    ["", "-1", "0", "0.005", "1e400", "NaN", "１０", "10,50", "true", "[10]", "£", "1000001"],
)
async def test_what_is_no_amount_is_a_sentence(
    grants: Database, browser: httpx.AsyncClient, amount: str
) -> None:
    fund = await a_fund(grants)
    came = {"pledge": "", "body": "Camden Primary Care Trust", "bank_reference": "x", "amount": amount}
    answer = await post(browser, f"/grants/funds/{fund}/receive", {**came, "received_on": "2012-03-05"})
    assert answer.status_code == 422
    assert 'id="amount-fault"' in answer.text
    async with grants.reading() as tx:
        assert (await ledger.balance(tx, fund)).entries == 0


async def test_money_that_came_is_entered_once_announced_and_can_be_followed(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    came = {
        "pledge": "",
        "body": "Camden Primary Care Trust",
        "amount": "5,000",
        "received_on": "2012-03-05",
        "bank_reference": "MARKER-REF",
        "key": form_key(),
    }
    for _ in range(3):  # a double click, and the back button
        answer = await browser.post(f"/grants/funds/{fund}/receive", data=came)
        assert answer.headers["location"] == f"/grants/funds/{fund}?done=received"
    other = await post(browser, f"/grants/funds/{fund}/receive", {**came, "key": form_key()})
    assert other.status_code == 422, "a colleague with the same bank statement"
    assert "This was entered before" in other.text
    [event] = await announced(grants)
    assert event.fact is ContributionReceived
    assert event.data["organisation_id"] == CAMDEN
    assert event.data["received_on"] == date(2012, 3, 5)
    assert event.data["campaign_id"] is None
    assert "MARKER-REF" not in str(event)
    await a_colleague(grants, "Rosa Quispe", id=EVERYTHING.id)
    page = (await browser.get(f"/grants/funds/{fund}/ledger")).text
    assert "1. Received" in page
    assert "+£5,000" in page
    assert "Rosa Quispe" in page
    given = (await browser.get(f"/grants/contributions/{event.subject}")).text
    assert "MARKER-REF" in given
    assert "By Rosa Quispe" in given
    async with grants.reading() as tx:
        assert "MARKER-REF" not in str(await tx.fetch("SELECT * FROM audit"))
        assert await ledger.differing(tx) == []


async def test_money_can_go_back_as_far_as_it_is_free(grants: Database, browser: httpx.AsyncClient) -> None:
    fund = await a_fund(grants)
    given = await money_comes(grants, fund, 100_000)
    async with grants.transaction() as tx:
        await ledger.commit(tx, fund, 60_000, award=uuid4())
    path, today = f"/grants/contributions/{given}", grants.context.clock.today()
    back = {"on": today.isoformat()}
    for amount, says in (("1,001", "£1,000 of this contribution is left"), ("401", "This fund has £400")):
        refused = await post(browser, f"{path}/refund", {**back, "amount": amount})
        assert refused.status_code in (409, 422)
        assert says in refused.text
        assert f'value="{amount}"' in refused.text
    early = {"on": (today - timedelta(days=1)).isoformat(), "amount": "1"}
    assert "before the money came" in (await post(browser, f"{path}/refund", early)).text
    assert (await post(browser, f"{path}/refund", {**back, "amount": "400"})).status_code == 303
    events = await announced(grants)
    assert [event.fact for event in events] == [ContributionReceived, ContributionRefunded]
    assert [event.sequence for event in events] == [1, 2]
    async with grants.reading() as tx:
        assert (await ledger.balance(tx, fund)).free_pence == 0
        assert await ledger.differing(tx) == []


async def test_the_ledger_can_be_taken_away_and_runs_nothing(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE organisations SET name = '=HYPERLINK(\"x\")'")
    await money_comes(grants, fund, 12_345)
    async with grants.transaction() as tx:
        for _ in range(1_001):
            await ledger.commit(tx, fund, 1, award=uuid4())
    answer = await browser.get(f"/grants/funds/{fund}/ledger.csv")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == 1 + 1_002
    assert rows[0][0] == "Number"
    assert rows[1][3:6] == ["Received", "123.45", '\'=HYPERLINK("x")']
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, 1_003)]
    assert rows[-1][9] == "113.44"
    first = (await browser.get(f"/grants/funds/{fund}/ledger")).text
    assert "1002. Committed" in first
    assert "?before=903" in first
    assert "902. Committed" in (await browser.get(f"/grants/funds/{fund}/ledger?before=903")).text
    for before in ("x", "-1", "٣", "9" * 20):
        assert (await browser.get(f"/grants/funds/{fund}/ledger?before={before}")).status_code == 400


async def test_pages_take_the_same_number_of_statements_whatever_there_is(
    grants: Database, browser: httpx.AsyncClient, statements: list[str]
) -> None:
    fund = await a_fund(grants)
    paths = ("/grants/", "/grants/funds", f"/grants/funds/{fund}", f"/grants/funds/{fund}/ledger")
    await browser.get("/grants/")  # it is asked once who may still act
    counts = []
    for _ in range(2):
        found = []
        for path in paths:
            statements.clear()
            assert (await browser.get(path)).status_code == 200
            found.append(len(statements))
        counts.append(found)
        for _ in range(5):
            other = await a_fund(grants, f"Fund {uuid4()}")
            await money_comes(grants, fund)
            await a_round(grants, other)
    assert counts[0] == counts[1]


async def test_trustees_see_all_funds_together_and_no_single_one(grants: Database) -> None:
    await receive(grants, *ORGANISATION[:2])
    fund = await a_fund(grants)
    await money_comes(grants, fund)
    trustee = replace(EVERYTHING, roles=frozenset({"trustee"}))
    async with client(web.build(grants), "/grants", trustee) as browser:
        page = (await browser.get("/grants/")).text
        assert "Money of all funds" in page
        assert "£5,000" in page
        assert "Exam fund" not in page
        assert (await browser.get(f"/grants/funds/{fund}")).status_code == 403


async def test_what_was_one_bodys_is_anothers_after_merging(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    """Its name is the other's, and what is said from now on is said of the other."""
    await receive(grants, a_pledge())
    fund = await a_fund(grants, "training scheme", funders=(CAMDEN,))
    given = await money_comes(grants, fund, 1_000)
    surviving = an_organisation(OrganisationRegistered, "Survivor", 1)
    survivor = UUID(int=70)
    merged = an_organisation(OrganisationAmended, "Camden Primary Care Trust", 9)
    await receive(
        grants,
        replace(surviving, data={**surviving.data, "organisation_id": survivor}),
        replace(merged, data={**merged.data, "merged_into": survivor}),
    )
    for path in (f"funds/{fund}", f"funds/{fund}/ledger", f"contributions/{given}", f"pledges/{PLEDGE}"):
        page = (await browser.get(f"/grants/{path}")).text
        assert "Survivor" in page
        assert "Camden" not in page
    assert f"/partners/organisations/{survivor}" in (await browser.get(f"/grants/funds/{fund}")).text
    payer = replace(EVERYTHING, roles=frozenset({"payer"}))
    async with client(web.build(grants), "/grants", payer) as browser_of_payer:
        page = (await browser_of_payer.get(f"/grants/funds/{fund}")).text
        assert "Survivor" in page
        assert "/partners/organisations" not in page, "a payer may not open it"
    assert "Camden" not in (await browser.get(f"/grants/funds/{fund}/edit")).text
    await money_comes(grants, fund, 1_000, pledge_id=PLEDGE)
    async with grants.transaction() as tx:
        await contributions.refund(tx, given, 500, tx.today)
    events = await announced(grants)
    assert [event.data["organisation_id"] for event in events] == [CAMDEN, survivor, survivor]


async def test_the_money_is_measured(grants: Database) -> None:
    await receive(grants, a_pledge())
    fund = await a_fund(grants, "training scheme")
    await money_comes(grants, fund, 1_000)
    async with grants.transaction() as tx:
        await ledger.commit(tx, fund, 400, award=uuid4())
    await metrics.observe(grants)
    found = {state: metrics.MONEY.labels(state)._value.get() for state in metrics.STATES}
    assert found == {"pledged": 370_000, "free": 600, "committed": 400, "paid": 0, "refunded": 0}


async def test_unknown_ids_are_all_answered_alike(browser: httpx.AsyncClient) -> None:
    for kind in ("funds/{}", "funds/{}/ledger", "funds/{}/ledger.csv", "funds/{}/edit", "funds/{}/receive"):
        for id in (uuid4(), "x", "1'"):
            assert (await browser.get(f"/grants/{kind.format(id)}")).status_code == 404
    for path in ("funds/{}/close", "funds/{}/open", "pledges/{}/write-back", "pledges/{}/expect-again"):
        fields = {"confirm": "yes", "reason": "r", "why_again": "r"}
        assert (await post(browser, f"/grants/{path.format(uuid4())}", fields)).status_code == 404


async def test_opening_and_matching_at_once_gives_each_pledge_one_fund(grants: Database) -> None:
    """Two officers say different funds for the same name: one is told that the other was faster."""
    await receive(grants, a_pledge())
    both = [await a_fund(grants, "One"), await a_fund(grants, "Two")]

    async def say(fund: UUID) -> bool:
        try:
            async with grants.transaction() as tx:
                await contributions.say_which_fund(tx, PLEDGE, fund)
        except Conflict:
            return False
        return True

    done = await asyncio.gather(*map(say, both))
    assert sorted(done) == [False, True]
    assert (await pledge_now(grants))[0] == both[done.index(True)]
