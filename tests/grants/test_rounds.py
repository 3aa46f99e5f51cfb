"""Rounds: what they lack, how they are opened and closed, and what stays as it is from then on."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database, Transaction
from chassis.errors import Conflict
from contracts.grants import RoundClosed, RoundOpened
from services.grants import funds, rounds, web
from services.grants.eligibility import RULES
from services.grants.funds import Allowed
from services.grants.queries import ROUNDS
from services.grants.rounds import STATES, Criterion, Means, RoundState, missing, takes_applications
from services.grants.today import needed
from tests.access import EVERYTHING
from tests.conftest import announced, client
from tests.grants.filling import CRITERION, a_fund, a_plan, a_round, post
from tests.grants.panelling import a_colleague, a_member

TODAY = date(2012, 4, 2)
MEANS = Means(closed=False, allowed=Allowed(None, None), terms_on_status=False)


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants") as browser:
        yield browser


def form_of(fund: UUID, today: date, **more: Any) -> dict[str, Any]:
    """What the form of a whole round holds."""
    return {
        "name": "Doctors’ exams, spring",
        "fund_id": str(fund),
        "opens_on": today.isoformat(),
        "closes_on": (today + timedelta(days=28)).isoformat(),
        "meets_on": (today + timedelta(days=42)).isoformat(),
        "most": "430",
        "professions": ["doctor"],
        "purposes": ["plab_1", "plab_2"],
        "eligibility": ["profession"],
        "quorum": "3",
        "needs_peer": "yes",
        "needs_funder": "yes",
        "help_name": "Marker Helper",
        "help_telephone": "020 7946 0001",
        **more,
    }


async def one(database: Database) -> Any:
    async with database.reading() as tx:
        return await tx.fetchrow("SELECT * FROM rounds")


# What is missing


def a_whole(**more: Any) -> rounds.Round:
    described: dict[str, Any] = {
        "name": "Spring",
        "fund_id": UUID(int=1),
        "opens_on": TODAY,
        "closes_on": TODAY,
        "meets_on": TODAY + timedelta(days=1),
        "most_pence": 1,
        "professions": ("doctor",),
        "purposes": ("ielts",),
        "eligibility": ("profession",),
        "quorum": 3,
        "needs_peer": True,
        "needs_funder": True,
        "help_name": "A",
        "help_telephone": "1",
    }
    return rounds.Round(**described | more)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"opens_on": None}, "opens_on"),
        ({"closes_on": None}, "closes_on"),
        ({"closes_on": TODAY - timedelta(days=1), "opens_on": TODAY - timedelta(days=2)}, "closes_on"),
        ({"closes_on": TODAY, "opens_on": TODAY + timedelta(days=1)}, "closes_on"),
        ({"meets_on": None}, "meets_on"),
        ({"meets_on": TODAY}, "meets_on"),
        ({"most_pence": None}, "most"),
        ({"professions": ()}, "professions"),
        ({"purposes": ()}, "purposes"),
        ({"eligibility": ()}, "eligibility"),
        ({"eligibility": ("profession", "status")}, "eligibility"),
        ({"quorum": None}, "quorum"),
        ({"quorum": 2}, "quorum"),
        ({"help_name": ""}, "help_name"),
        ({"help_telephone": ""}, "help_name"),
    ],
)
def test_what_a_round_lacks_is_named(change: dict[str, Any], field: str) -> None:
    assert missing(a_whole(), [CRITERION], MEANS, TODAY) == []
    assert [each.field for each in missing(a_whole(**change), [CRITERION], MEANS, TODAY)] == [field]


@pytest.mark.parametrize(
    ("means", "field"),
    [
        ({"closed": True}, "fund_id"),
        ({"allowed": Allowed(frozenset({"dentist"}), None)}, "professions"),
        ({"allowed": Allowed(None, frozenset({"plab_1"}))}, "purposes"),
    ],
)
def test_a_round_is_held_to_its_fund(means: dict[str, Any], field: str) -> None:
    found = missing(a_whole(), [CRITERION], replace(MEANS, **means), TODAY)
    assert [each.field for each in found] == [field]


def test_a_rule_on_status_needs_terms_that_ask_for_it() -> None:
    plan = a_whole(eligibility=("status",))
    assert missing(plan, [CRITERION], MEANS, TODAY) != []
    assert missing(plan, [CRITERION], replace(MEANS, terms_on_status=True), TODAY) == []
    assert [name for name, rule in RULES.items() if rule.of_status] == ["status"]


def test_each_score_of_each_criterion_has_words() -> None:
    lacking = Criterion(name="Plan", weight=1, words=("a", "b", "", "d", "e", "f"))
    found = missing(a_whole(), [CRITERION, lacking], MEANS, TODAY)
    assert [each.words for each in found] == ["Say what each score means for “Plan”."]
    assert [each.field for each in missing(a_whole(), [], MEANS, TODAY)] == ["criteria"]


def test_a_round_takes_applications_on_its_days() -> None:
    days = [TODAY + timedelta(days=number) for number in range(-1, 3)]
    last = TODAY + timedelta(days=1)
    assert [takes_applications("open", TODAY, last, day) for day in days] == [False, True, True, False]
    assert not takes_applications("closed", TODAY, last, TODAY)
    assert not takes_applications("draft", None, None, TODAY)


def test_states_follow_each_other_to_the_end() -> None:
    state, met = RoundState.DRAFT, [RoundState.DRAFT]
    while STATES[state].next:
        [state] = STATES[state].next
        met.append(state)
    assert met == list(RoundState) == list(STATES)


# From a draft to a closed round


async def test_a_round_is_prepared_opened_and_closed(grants: Database, browser: httpx.AsyncClient) -> None:
    fund, today = await a_fund(grants), grants.context.clock.today()
    begun = await post(browser, "/grants/rounds/new", form_of(fund, today))
    id = (await one(grants))["id"]
    path = f"/grants/rounds/{id}"
    assert begun.headers["location"] == f"{path}?done=begun"
    assert "Add at least one criterion." in (await browser.get(path)).text
    assert (await post(browser, f"{path}/open", {"confirm": "yes"})).status_code == 409
    scores = {f"score_{score}": f"means {score}" for score in range(6)}
    criterion = {"name": "Need", "weight": "60", **scores}
    assert (await post(browser, f"{path}/criteria/new", criterion)).status_code == 303
    page = (await browser.get(path)).text
    for words in (
        "Nothing is missing",
        "means 5",
        "PLAB 1",
        "General Medical Council",
        "£430",
        "Marker Helper",
    ):
        assert words in page
    assert (await post(browser, f"{path}/open", {})).status_code == 422
    assert (await post(browser, f"{path}/open", {"confirm": "yes"})).status_code == 303
    assert (await post(browser, f"{path}/close", {"confirm": "yes"})).status_code == 303
    await a_colleague(grants, "Rosa Quispe", id=EVERYTHING.id)
    history = (await browser.get(path)).text.split("What happened")[1]
    assert re.findall("(The draft was begun|It was opened|It was closed)</p>", history)[::-1] == [
        "The draft was begun",
        "It was opened",
        "It was closed",
    ]
    assert history.count("By Rosa Quispe") == 3
    opened, closed = await announced(grants)
    assert (opened.fact, closed.fact) == (RoundOpened, RoundClosed)
    assert opened.data == closed.data
    assert opened.sequence < closed.sequence
    assert opened.data["most"]["amount_pence"] == 43_000
    assert "Marker" not in str(opened)
    assert "7946 0001" not in str(opened)
    async with grants.reading() as tx:
        assert "Marker" not in str(await tx.fetch("SELECT * FROM audit"))


async def test_a_draft_may_lack_everything_but_a_name_and_a_fund(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    assert (await post(browser, "/grants/rounds/new", {"name": "", "fund_id": ""})).status_code == 422
    draft = {"name": "Bác sĩ أطباء ‘x’", "fund_id": str(fund)}
    assert (await post(browser, "/grants/rounds/new", draft)).status_code == 303
    id = (await one(grants))["id"]
    page = (await browser.get(f"/grants/rounds/{id}")).text
    assert "Bác sĩ أطباء ‘x’" in page
    assert page.partition("Before it can be opened")[2].count("<li>") >= 9
    assert "Finish “Bác sĩ أطباء ‘x’”" in (await browser.get("/grants/")).text


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", "x" * 201),
        ("name", "a\u202eb"),
        ("fund_id", "6f9b1d2e-0c4a-4d57-8e21-3a5c7b9d0f11"),
        ("opens_on", "soon"),
        ("meets_on", "2012-13-01"),
        ("most", "-1"),
        ("most", "0.005"),
        ("most", "1e400"),
        ("professions", ["astronaut"]),
        ("purposes", ["ielts", "x"]),
        ("eligibility", ["x"]),
        ("quorum", "0"),
        ("quorum", "51"),
        ("quorum", "٣"),
        ("help_name", "x" * 300),
        ("help_telephone", "1\u202e2"),
        ("help_telephone", "abc"),
        ("closes_on", "2012-04-02"),
    ],
)
async def test_each_field_says_what_is_wrong(
    grants: Database, browser: httpx.AsyncClient, field: str, typed: Any
) -> None:
    form = form_of(await a_fund(grants), grants.context.clock.today(), **{field: typed})
    answer = await post(browser, "/grants/rounds/new", form)
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in answer.text
    assert await one(grants) is None


@pytest.mark.parametrize(
    ("field", "typed"), [("name", ""), ("weight", "0"), ("weight", "101"), ("score_3", "x" * 301)]
)
async def test_each_field_of_a_criterion_says_what_is_wrong(
    grants: Database, browser: httpx.AsyncClient, field: str, typed: str
) -> None:
    id = await a_round(grants, await a_fund(grants))
    form = {"name": "Plan", "weight": "1", field: typed}
    answer = await post(browser, f"/grants/rounds/{id}/criteria/new", form)
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in answer.text


async def test_criteria_are_added_changed_and_taken_out_while_it_is_a_draft(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    id = await a_round(grants, await a_fund(grants))
    path = f"/grants/rounds/{id}"
    for number in range(rounds.MOST_CRITERIA - 1):
        form = {"name": f"Criterion {number}", "weight": "1"}
        assert (await post(browser, f"{path}/criteria/new", form)).status_code == 303
    one_more = {"name": "One more", "weight": "1"}
    assert (await post(browser, f"{path}/criteria/new", one_more)).status_code == 409
    async with grants.reading() as tx:
        criteria = [row async for row in ROUNDS.criteria_of(tx, round_id=id)]
    href = f"/grants/criteria/{criteria[1]['id']}"
    assert 'value="Criterion 0"' in (await browser.get(href)).text
    changed = {"name": "Changed", "weight": "7", "revision": "1"}
    assert (await post(browser, href, changed)).status_code == 303
    late = await post(browser, href, {**changed, "name": "Late"})
    assert late.status_code == 409
    assert "You have changed this meanwhile, in another window" in late.text
    assert (await post(browser, f"{href}/remove", {})).status_code == 303
    assert (await post(browser, f"{href}/remove", {})).status_code == 404
    page = (await browser.get(path)).text
    assert "Changed" not in page
    assert "Criterion 6" in page


async def test_whoever_comes_second_sees_both(grants: Database, browser: httpx.AsyncClient) -> None:
    fund, today = await a_fund(grants), grants.context.clock.today()
    await post(browser, "/grants/rounds/new", form_of(fund, today))
    path = f"/grants/rounds/{(await one(grants))['id']}/edit"
    assert (await post(browser, path, form_of(fund, today, most="400", revision="1"))).status_code == 303
    late = await post(browser, path, form_of(fund, today, most="300", quorum="4", revision="1"))
    assert late.status_code == 409
    for words in ("£400", "£300", "Members who must be there", 'name="revision" value="2"'):
        assert words in late.text
    same = await post(browser, path, form_of(fund, today, most="400", revision="1"))
    assert same.status_code == 303, "both want the same"


async def test_a_draft_on_which_nothing_hangs_is_deleted(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    draft, asked = await a_round(grants, fund), await a_round(grants, fund)
    opened = await a_round(grants, fund, opened=True)
    await a_member(grants, asked, "Marker Member")
    assert (await post(browser, f"/grants/rounds/{draft}/remove", {})).status_code == 422
    for id, status in ((asked, 409), (opened, 409), (draft, 303), (draft, 303)):
        answer = await post(browser, f"/grants/rounds/{id}/remove", {"confirm": "yes"})
        assert answer.status_code == status, answer.text
    assert "Delete the draft" not in (await browser.get(f"/grants/rounds/{opened}")).text
    assert (await browser.get(f"/grants/rounds/{draft}")).status_code == 404
    assert "The draft is deleted." in (await browser.get("/grants/rounds?done=removed")).text


async def test_once_opened_only_the_meeting_and_the_help_change(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    id = await a_round(grants, fund, opened=True)
    before, path = await one(grants), f"/grants/rounds/{id}"
    page = (await browser.get(f"{path}/edit")).text
    assert 'name="purposes"' not in page
    meets_on = before["meets_on"] + timedelta(days=7)
    sent = {"meets_on": meets_on.isoformat(), "help_name": "Other", "help_telephone": "111", "most": "9999"}
    revision = {"revision": str(before["version"])}
    assert (await post(browser, f"{path}/edit", {**sent, **revision})).status_code == 303
    now = await one(grants)
    assert (now["meets_on"], now["help_name"], now["most_pence"]) == (meets_on, "Other", 43_000)
    criterion = {"name": "Plan", "weight": "1"}
    assert (await post(browser, f"{path}/criteria/new", criterion)).status_code == 409
    with pytest.raises(Exception, match="those who apply rely on what it says"):
        async with grants.transaction() as tx:
            await rounds.amend_round(tx, id, a_plan(grants, fund, most_pence=1))


async def test_a_round_is_opened_once_and_its_fund_closed_never_meanwhile(grants: Database) -> None:
    fund = await a_fund(grants)
    id = await a_round(grants, fund)

    async def act(move: Callable[[Transaction, UUID], Awaitable[None]], what: UUID) -> bool:
        try:
            async with grants.transaction() as tx:
                await move(tx, what)
        except Conflict:
            return False
        return True

    acts = [(rounds.open_round, id)] * 4 + [(funds.close_fund, fund)] * 2
    done = await asyncio.gather(*(act(*each) for each in acts))
    assert sum(done[:4]) + sum(done[4:]) == 1, "whoever came second was told"
    assert len(await announced(grants)) == sum(done[:4])


async def test_a_round_asks_about_status_only_by_the_terms_of_its_fund(
    grants: Database, browser: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants)
    id = await a_round(grants, fund, eligibility=("status",))
    path = f"/grants/rounds/{id}/open"

    async def content() -> AsyncIterator[bytes]:
        yield b"%PDF-"

    for requires, status in ((False, 409), (True, 303)):
        async with grants.transaction() as tx:
            file: dict[str, Any] = {
                "name": "terms.pdf",
                "media_type": "application/pdf",
                "content": content(),
            }
            await funds.keep_terms(tx, fund, requires_status=requires, **file)
        assert (await post(browser, path, {"confirm": "yes"})).status_code == status


async def test_what_waits_is_said(grants: Database) -> None:
    fund = await a_fund(grants)
    id = await a_round(grants, fund, opened=True)
    today = grants.context.clock.today()

    async def said(day: date) -> list[str]:
        async with grants.reading() as tx:
            return [each.what for each in await needed(tx, day, 10)]

    assert await said(today) == []
    assert await said(today + timedelta(days=29)) == ["Close “Doctors’ exams, spring”"]
    async with grants.transaction() as tx:
        await rounds.close_round(tx, id)
    assert await said(today) == [
        "Complete the panel of “Doctors’ exams, spring”",
        "Prepare the meeting of “Doctors’ exams, spring”",
    ]


async def test_what_waits_is_cut_after_what_somebody_may_not_do_is_left_out(grants: Database) -> None:
    fund = await a_fund(grants)
    id = await a_round(grants, fund, opened=True)
    async with grants.transaction() as tx:
        await rounds.close_round(tx, id)
        today = grants.context.clock.today()
        whole = [each.what for each in await needed(tx, today, 1)]
        of_staff = [each.what for each in await needed(tx, today, 1, {"staff"})]
    assert [whole, of_staff] == [
        ["Complete the panel of “Doctors’ exams, spring”"],
        ["Prepare the meeting of “Doctors’ exams, spring”"],
    ]


async def test_unknown_rounds_and_criteria_are_answered_alike(browser: httpx.AsyncClient) -> None:
    for path in ("rounds/{}", "rounds/{}/edit", "rounds/{}/criteria/new", "criteria/{}"):
        for id in (uuid4(), "x"):
            assert (await browser.get(f"/grants/{path.format(id)}")).status_code == 404
    for path in ("rounds/{}/open", "rounds/{}/close", "rounds/{}/remove", "criteria/{}/remove"):
        assert (await post(browser, f"/grants/{path.format(uuid4())}", {"confirm": "yes"})).status_code == 404
