"""Meetings of a panel: who counts, what is shown to whom, how it goes on, live, and its minutes."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound
from contracts.access import Role
from services.grants import meetings, web
from services.grants.decisions import Decision, Kind
from services.grants.quorum import Needs, Seat, quorum
from services.grants.sitting import sitting
from services.grants.web.watching import watching
from tests.access import form_key
from tests.conftest import client
from tests.crawling import contents
from tests.grants.applying import later
from tests.grants.panelling import (
    OFFICER,
    Panelled,
    a_conflict,
    a_meeting,
    a_member,
    a_panel,
    scores,
    to_state,
)
from tests.grants.test_decisions import AWARD, decide, ends, free, publishes


@pytest.fixture
async def at(grants: Database) -> Panelled:
    return await a_panel(grants, 3)


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


@asynccontextmanager
async def signed_in(grants: Database, person: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", person) as browser:
        yield browser


async def sends(browser: httpx.AsyncClient, path: str, by: Person = OFFICER, **fields: Any) -> httpx.Response:
    return await browser.post(path, data={"key": form_key(by), **fields})


async def begins(grants: Database, at: Panelled) -> UUID:
    async with acting(grants) as tx:
        return await meetings.begin(tx, at.id, OFFICER.id)


# Who counts


def a_seat(number: int, *, reserve: bool = False, funder: bool = False, here: bool = True) -> Seat:
    professions = frozenset({"doctor"} if number % 2 else set())
    return Seat(
        person_id=UUID(int=number),
        reserve=reserve,
        professions=professions,
        for_funder=funder,
        here=here,
    )


NEEDS = Needs(least=3, peer=True, funder=True)
PEER, FUNDER, OTHER = a_seat(1), a_seat(2, funder=True), a_seat(4)


def test_enough_are_there() -> None:
    found = quorum(NEEDS, "doctor", [PEER, FUNDER, OTHER], removed=(), standing_in=())
    assert (found.holds, len(found.counted)) == (True, 3)


@pytest.mark.parametrize(
    ("gone", "lacking"),
    [
        (PEER, ["1 more member", "somebody of the applicant’s profession"]),
        (FUNDER, ["1 more member", "somebody for the funder"]),
        (OTHER, ["1 more member"]),
    ],
)
def test_whoever_steps_out_is_missing(gone: Seat, lacking: list[str]) -> None:
    seats = [PEER, FUNDER, OTHER]
    stepped_out = quorum(NEEDS, "doctor", seats, removed={gone.person_id}, standing_in=())
    away = [replace(seat, here=seat is not gone) for seat in seats]
    not_here = quorum(NEEDS, "doctor", away, removed=(), standing_in=())
    assert list(stepped_out.lacking) == list(not_here.lacking) == lacking


def test_it_is_said_which_reserve_would_mend_it() -> None:
    reserves = [a_seat(6, reserve=True), a_seat(7, reserve=True), a_seat(9, reserve=True, here=False)]
    seats = [PEER, FUNDER, OTHER, *reserves]
    found = quorum(NEEDS, "doctor", seats, removed={UUID(int=1)}, standing_in=())
    assert [seat.person_id.int for seat in found.menders] == [7]
    assert [seat.person_id.int for seat in found.helpers] == [6]
    mended = quorum(NEEDS, "doctor", seats, removed={UUID(int=1)}, standing_in={UUID(int=7)})
    assert (mended.holds, mended.menders) == (True, [])
    kept = quorum(NEEDS, "doctor", seats, removed={UUID(int=1), UUID(int=7)}, standing_in={UUID(int=7)})
    assert not kept.holds, "a reserve who is too close does not count either"


# How it goes on


async def test_a_meeting_begins_when_the_round_has_closed_and_only_one_at_a_time(grants: Database) -> None:
    at = await a_panel(grants, 1, closed=False)
    with pytest.raises(Conflict, match="cannot meet yet"):
        await begins(grants, at)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'closed'")

    async def tries() -> bool:
        try:
            await begins(grants, at)
        except Conflict:
            return False
        return True

    assert sorted(await asyncio.gather(*(tries() for _ in range(5)))) == [False] * 4 + [True]
    with pytest.raises(NotFound):
        async with acting(grants) as tx:
            await meetings.begin(tx, uuid4(), OFFICER.id)


async def test_a_later_meeting_has_what_was_put_off(grants: Database, at: Panelled) -> None:
    first = await a_meeting(grants, at)
    await decide(grants, first, at.cases[0])
    await decide(grants, first, at.cases[1], Decision(kind=Kind.DEFER))
    await ends(grants, first)
    second = await begins(grants, at)
    async with acting(grants) as tx:
        labels = {item.label for item in (await sitting(tx, second)).items}
        assert labels == {at.cases[1].label, at.cases[2].label}
        await meetings.open_item(tx, second, at.cases[0].id)
        assert (await sitting(tx, second)).present.label == at.cases[0].label  # type: ignore[union-attr]
    with pytest.raises(Conflict, match="over"):
        async with acting(grants) as tx:
            await meetings.open_item(tx, first, at.cases[0].id)


async def test_coming_and_going(grants: Database, at: Panelled) -> None:
    meeting, who = await a_meeting(grants, at, present=[]), at.members[0]

    async def change(what: str) -> None:
        async with acting(grants) as tx:
            await (meetings.arrive if what == "comes" else meetings.leave)(tx, meeting, who.id)

    await asyncio.gather(*(change("comes") for _ in range(5)))
    for what in ("goes", "goes", "comes"):
        await change(what)
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT left_at FROM attendance ORDER BY arrived_at, left_at")
        assert len(rows) in (1, 2)
        assert [seat.here for seat in (await sitting(tx, meeting)).seats].count(True) == 1
    stranger = await a_member(grants, at.id, "Not coming", takes_part=False)
    with pytest.raises(NotFound):
        async with acting(grants) as tx:
            await meetings.arrive(tx, meeting, stranger.id)


async def test_only_a_reserve_who_is_not_too_close_stands_in(grants: Database, at: Panelled) -> None:
    meeting, reserve = await a_meeting(grants, at), at.members[3]
    await a_conflict(grants, at.cases[0].application_id, reserve)
    for who, case in ((reserve, at.cases[0]), (at.members[0], at.cases[1])):
        with pytest.raises(Conflict, match="cannot stand in"):
            async with acting(grants) as tx:
                await meetings.stand_in(tx, meeting, case.id, who.id)
    async with acting(grants) as tx:
        for _ in range(2):
            await meetings.stand_in(tx, meeting, at.cases[1].id, reserve.id)
        await meetings.stand_back(tx, meeting, at.cases[1].id, reserve.id)


# The officer's pages


async def test_the_officer_leads_a_meeting_by_the_pages(
    grants: Database, at: Panelled, officer: httpx.AsyncClient
) -> None:
    begun = await sends(officer, f"/grants/rounds/{at.id}/meetings")
    path = begun.headers["location"].partition("?")[0]
    for member in at.members[:3]:
        answer = await sends(officer, f"{path}/attendance", person=str(member.id), here="yes")
        assert answer.headers["location"] == f"{path}?done=here"
    case = at.cases[0]
    assert (await sends(officer, f"{path}/open", case=str(case.id))).status_code == 303
    for member in at.members[:2]:
        await scores(grants, case, member, dict.fromkeys(at.criteria, 4), comment="Sound <b>plan</b>")
    page = (await officer.get(path)).text
    assert f"On now: case {case.label}" in page
    assert "Still to come: Marker Funder" in page
    assert "Sound" not in page, "no score is shown before all are in"
    await scores(grants, case, at.members[2], dict.fromkeys(at.criteria, 1))
    page = (await officer.get(path)).text
    assert "3.00" in page
    assert "Sound &lt;b&gt;plan&lt;/b&gt;" in page
    fields: dict[str, Any] = {
        "case": str(case.id),
        "follows": "0",
        "kind": "award",
        "amount": "100.50",
        "words": "Well done.",
    }
    key = form_key(OFFICER)
    for _ in range(2):
        answer = await officer.post(f"{path}/decide", data={"key": key, **fields})
        assert answer.headers["location"] == f"{path}?done=decided"
    again = await sends(officer, f"{path}/decide", **fields)
    assert again.status_code == 303, "from the page of before: the same, so nothing happens"
    other = await sends(officer, f"{path}/decide", **(fields | {"amount": "99"}))
    assert other.status_code == 409
    assert "Somebody has recorded a decision on this case meanwhile" in other.text
    page = (await officer.get(path)).text
    assert "Awarded £100.50" in page
    assert "£4,899.50" in page
    wall = (await officer.get(f"{path}/screen")).text
    assert case.label in wall
    assert "£4,899.50" in wall
    assert (await sends(officer, f"{path}/end", confirm="")).status_code == 422
    assert (await sends(officer, f"{path}/end", confirm="yes")).status_code == 303
    assert (await sends(officer, f"{path}/open", case=str(case.id))).status_code == 409
    over = (await officer.get(path)).text
    assert "Who was here" in over
    assert ", was here" in over
    [how] = re.findall(f'href="([^"]+/dossier)">{case.label}', over)
    assert (await officer.get(how)).status_code == 200
    assert over.count("Not decided") == 2
    round = (await officer.get(f"/grants/rounds/{at.id}")).text
    assert "3 cases, 1 decision" in round


AMOUNTS = [
    "",
    "-1",
    "0",
    "0.005",
    "1e400",
    "NaN",
    "１０",
    "10,50",
    "true",
    "[10]",
    "£",
    "99999999999999999999",
]


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_an_amount_that_is_none_is_a_sentence(
    grants: Database, at: Panelled, officer: httpx.AsyncClient, amount: str
) -> None:
    meeting = await a_meeting(grants, at)
    said: dict[str, Any] = {
        "case": str(at.cases[0].id),
        "follows": "0",
        "kind": "award",
        "without_missing": "yes",
    }
    answer = await sends(
        officer, f"/grants/meetings/{meeting}/decide", **said, amount=amount, words="Trần مرحبا O'Brien"
    )
    assert answer.status_code == 422, answer.text[:500]
    assert "amount-fault" in answer.text
    assert "Trần مرحبا O&#39;Brien" in answer.text, "nothing that was typed is lost"
    assert await free(grants, at) == 500_000


async def test_a_form_that_is_no_form(grants: Database, at: Panelled, officer: httpx.AsyncClient) -> None:
    meeting = await a_meeting(grants, at)
    path = f"/grants/meetings/{meeting}"
    case = str(at.cases[0].id)
    forms: list[tuple[dict[str, Any], int]] = [
        ({"case": "x", "follows": "0", "kind": "defer"}, 404),
        ({"case": case, "follows": "x", "kind": "defer"}, 400),
        ({"case": case, "follows": "0", "kind": "maybe"}, 422),
        ({"case": case, "follows": "0", "kind": "decline", "words": "x" * 1_501}, 422),
        ({"case": case, "follows": "0", "kind": "decline", "words": "a\u202eb"}, 422),
        ({"case": str(uuid4()), "follows": "0", "kind": "defer"}, 404),
    ]
    for fields, status in forms:
        assert (await sends(officer, f"{path}/decide", **fields)).status_code == status, fields
    for where in ("attendance", "open", "reserve"):
        assert (await sends(officer, f"{path}/{where}", case="1", person="1")).status_code == 404
    assert (await officer.get(f"/grants/meetings/{uuid4()}")).status_code == 404


async def test_what_if_commits_nothing(grants: Database, at: Panelled, officer: httpx.AsyncClient) -> None:
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET most_pence = 20000")
    meeting = await a_meeting(grants, at)
    for case, score in zip(at.cases, (3, 3, 5), strict=True):
        for member in at.members[:3]:
            await scores(grants, case, member, dict.fromkeys(at.criteria, score))
    path = f"/grants/meetings/{meeting}/simulation"
    before = await contents(grants)
    page = (await officer.get(path)).text
    assert "£4,565" in page, "all of them fit"
    first = at.cases[0]
    tried = {"tried": "yes", "way": "mean", "fund": str(first.id), f"amount-{first.id}": "4999.99"}
    assert "£0.01" in (await officer.get(path, params=tried)).text
    over = await officer.get(path, params={**tried, f"amount-{first.id}": "5001"})
    assert "more than there is" in over.text
    wrong = await officer.get(path, params={**tried, f"amount-{first.id}": "NaN"})
    assert wrong.status_code == 422
    assert "favours cheap exams" in (await officer.get(path, params={"way": "total"})).text
    assert (await officer.get(path, params={"way": "lots"})).status_code == 400
    assert await contents(grants) == before


async def test_ties_are_shown_and_not_split(grants: Database, officer: httpx.AsyncClient) -> None:
    at = await a_panel(grants, 3, pence=20_000)
    meeting = await a_meeting(grants, at)
    for case in at.cases:
        await scores(grants, case, at.members[0], dict.fromkeys(at.criteria, 3))
    page = (await officer.get(f"/grants/meetings/{meeting}/simulation")).text
    assert "have the same mean, and there is not enough for all of them" in page
    assert page.count("checked") == 0


async def test_publishing_by_the_pages(grants: Database, at: Panelled, officer: httpx.AsyncClient) -> None:
    meeting = await a_meeting(grants, at)
    for case in at.cases:
        await decide(grants, meeting, case)
    path = f"/grants/rounds/{at.id}/publish"
    assert "A meeting is going on" in (await officer.get(path)).text
    assert (await sends(officer, path, confirm="yes")).status_code == 409
    await ends(grants, meeting)
    page = (await officer.get(path)).text
    assert "£435" in page
    assert "All 3 letters may go out now" in page
    assert (await sends(officer, path)).status_code == 422
    assert (await sends(officer, path, confirm="yes")).headers["location"].endswith("?done=published")
    assert "Publish all of it" not in (await officer.get(path)).text


async def test_statements_of_a_page_do_not_grow(
    grants: Database, at: Panelled, officer: httpx.AsyncClient, statements: list[str]
) -> None:
    meeting = await a_meeting(grants, at)
    for path in (f"/grants/meetings/{meeting}", f"/grants/meetings/{meeting}/simulation"):
        await officer.get(path)  # which also finds out who asks
    counts = []
    for case in at.cases:
        for member in at.members:
            await scores(grants, case, member, dict.fromkeys(at.criteria, 3))
        for path in (f"/grants/meetings/{meeting}", f"/grants/meetings/{meeting}/simulation"):
            statements.clear()
            await officer.get(path)
            counts.append(len(statements))
    assert counts[0::2] == [counts[0]] * 3
    assert counts[1::2] == [counts[1]] * 3


# Members' pages


async def test_a_member_says_that_they_are_here(grants: Database, at: Panelled) -> None:
    meeting, me = await a_meeting(grants, at, present=[]), at.members[0]
    async with signed_in(grants, me) as browser:
        path = f"/grants/attend/{meeting}"
        assert "You are not noted as here" in (await browser.get(path)).text
        for here, words in (("yes", "You are here"), ("", "You are not noted as here")):
            answer = await sends(browser, f"{path}/here", me, here=here)
            assert answer.status_code == 303
            assert words in (await browser.get(path)).text


async def test_nobody_else_gets_in(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    refused = await a_member(grants, at.id, "Said no", takes_part=False)
    silent = await a_member(grants, at.id, "Not answered", seat="reserve", takes_part=None)
    stranger = replace(refused, id=uuid4())
    for person in (refused, silent, stranger):
        async with signed_in(grants, person) as browser:
            for path in ("", "/changes", "/minutes.pdf"):
                unknown = await browser.get(f"/grants/attend/{uuid4()}{path}")
                theirs = await browser.get(f"/grants/attend/{meeting}{path}")
                assert (theirs.status_code, theirs.text) == (404, unknown.text)
            assert (
                await sends(browser, f"/grants/attend/{meeting}/here", person, here="yes")
            ).status_code == 404
    async with signed_in(grants, at.members[0]) as browser:
        for path in ("", "/screen", "/simulation", "/minutes.pdf", "/changes"):
            assert (await browser.get(f"/grants/meetings/{meeting}{path}")).status_code == 403


async def test_others_scores_are_seen_when_all_are_in_and_ones_own(grants: Database, at: Panelled) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, case.id)
    for member in at.members[:3]:
        async with signed_in(grants, at.members[0]) as browser:
            assert "4.00" not in (await browser.get(f"/grants/attend/{meeting}")).text
        await scores(grants, case, member, dict.fromkeys(at.criteria, 4))
    for member, sees in ((at.members[0], True), (at.members[3], False)):
        async with signed_in(grants, member) as browser:
            page = (await browser.get(f"/grants/attend/{meeting}")).text
            assert ("4.00" in page) is sees, "a reserve who has not scored is not led either"
    await scores(grants, case, at.members[3], dict.fromkeys(at.criteria, 1))
    async with signed_in(grants, at.members[0]) as browser:
        page = (await browser.get(f"/grants/attend/{meeting}")).text
        assert "4.00" in page
        assert "The scores of Marker Reserve do not count" in page
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, case.id, at.members[3].id)
    async with signed_in(grants, at.members[0]) as browser:
        page = (await browser.get(f"/grants/attend/{meeting}")).text
        assert "Reserve, stands in" in page
        assert "3.25" in page


async def test_a_meeting_is_begun_where_there_is_something_to_decide_and_twice_is_once(
    grants: Database, at: Panelled
) -> None:
    async with grants.transaction() as tx:
        await tx.execute("UPDATE cases SET handed_at = NULL")
    async with signed_in(grants, OFFICER) as officer:
        page = (await officer.get(f"/grants/rounds/{at.id}")).text
        assert "There is nothing to decide: no case is with the panel." in page
        assert "Begin a meeting" not in page
        answer = await sends(officer, f"/grants/rounds/{at.id}/meetings")
        assert answer.status_code == 303
        page = (await officer.get(answer.headers["location"])).text
        assert "No meeting was begun: there is nothing to decide." in page
        async with grants.transaction() as tx:
            await tx.execute("UPDATE cases SET handed_at = changed_at")
        assert "Begin a meeting" in (await officer.get(f"/grants/rounds/{at.id}")).text
        both = [
            answer.headers["location"]
            for answer in await asyncio.gather(
                *(sends(officer, f"/grants/rounds/{at.id}/meetings") for _ in range(2))
            )
        ]
        assert len({path.partition("?")[0] for path in both}) == 1
        assert sorted(path.partition("?done=")[2] for path in both) == ["begun", "goes-on"]


async def test_what_was_put_off_is_still_scored_by_who_has_not_seen_what_others_gave(
    grants: Database, at: Panelled
) -> None:
    meeting, case = await a_meeting(grants, at), at.cases[0]
    await scores(grants, case, at.members[1], dict.fromkeys(at.criteria, 4), comment="Zzyzx")
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, case.id)
    for said, sees in (
        (Decision(kind=Kind.DEFER), False),
        (replace(AWARD, follows=1, why_changed="x"), True),
    ):
        await decide(grants, meeting, case, said)
        async with signed_in(grants, at.members[0]) as browser:
            page = (await browser.get(f"/grants/attend/{meeting}")).text
            assert ("Zzyzx" in page, "4.00" in page) == (sees, sees)


async def test_a_later_meeting_for_what_is_kept_from_somebody_is_not_there_for_them(
    grants: Database, at: Panelled
) -> None:
    first, me = await a_meeting(grants, at), at.members[0]
    for case in at.cases:
        await decide(grants, first, case, Decision(kind=Kind.DEFER) if case == at.cases[0] else AWARD)
    await ends(grants, first)
    await a_conflict(grants, at.cases[0].application_id, me)
    second = await begins(grants, at)
    for person, there in ((me, False), (at.members[1], True)):
        async with signed_in(grants, person) as browser:
            for path in ("", "/changes", "/minutes.pdf") if not there else ("", "/minutes.pdf"):
                answer = await browser.get(f"/grants/attend/{second}{path}")
                assert answer.status_code == (200 if there else 404)
            said = await sends(browser, f"/grants/attend/{second}/here", person, here="yes")
            assert said.status_code == (303 if there else 404)
            assert (str(second) in (await browser.get("/grants/desk")).text) is there
            assert (await browser.get(f"/grants/attend/{first}")).status_code == 200


async def test_the_page_has_no_money_of_the_round(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0])
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, at.cases[0].id)
    async with signed_in(grants, at.members[0]) as browser:
        page = (await browser.get(f"/grants/attend/{meeting}")).text
    assert set(re.findall(r"£[\d,.]+\d", page)) == {"£145"}


async def shown_to(grants: Database, meeting: UUID, person: Person) -> tuple[str, bytes, str | None]:
    """The page without its keys, the minutes, and what stands for them in the stream."""
    async with signed_in(grants, person) as browser:
        page = (await browser.get(f"/grants/attend/{meeting}")).text
        minutes = (await browser.get(f"/grants/attend/{meeting}/minutes.pdf")).content
    mark = await watching(grants).get((meeting, person.id))
    return re.sub(r'value="[0-9a-f-]{36}\.[^"]+"', "", page), minutes, mark


async def test_whatever_happens_to_a_case_that_is_kept_from_somebody_leaves_no_trace(
    grants: Database, at: Panelled
) -> None:
    meeting, me, hidden = await a_meeting(grants, at), at.members[0], at.cases[0]
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, at.cases[1].id)
    await a_conflict(grants, hidden.application_id, me, state="suggested", tie=None)
    before = await shown_to(grants, meeting, me)
    assert hidden.label not in before[0]
    others = await shown_to(grants, meeting, at.members[1])
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, hidden.id)
        await meetings.stand_in(tx, meeting, hidden.id, at.members[3].id)
    await scores(grants, hidden, at.members[1], dict.fromkeys(at.criteria, 4))
    await decide(grants, meeting, hidden)
    await a_conflict(grants, hidden.application_id, at.members[2], tie="acquaintance")
    assert await shown_to(grants, meeting, me) == before
    now = await shown_to(grants, meeting, at.members[1])
    assert all(one != other for one, other in zip(now, others, strict=True))


async def test_declaring_at_the_meeting_takes_the_case_away_at_once(grants: Database, at: Panelled) -> None:
    meeting, me = await a_meeting(grants, at), at.members[0]
    for case in at.cases[:2]:
        async with acting(grants) as tx:
            await meetings.open_item(tx, meeting, case.id)
        later(grants, seconds=1)
    async with signed_in(grants, me) as browser:
        assert f"On now: case {at.cases[1].label}" in (await browser.get(f"/grants/attend/{meeting}")).text
        await a_conflict(grants, at.cases[1].application_id, me)
        page = (await browser.get(f"/grants/attend/{meeting}")).text
    assert at.cases[1].label not in page
    assert f"On now: case {at.cases[0].label}" in page, "what was opened last of what they may see"


# Minutes


async def minutes_of(grants: Database, path: str, person: Person) -> bytes:
    async with signed_in(grants, person) as browser:
        answer = await browser.get(path)
    assert answer.headers["content-type"] == "application/pdf"
    return answer.content


async def test_minutes_keep_from_a_member_what_is_kept_from_them_also_later(
    grants: Database, at: Panelled
) -> None:
    meeting, me = await a_meeting(grants, at), at.members[0]
    await a_conflict(grants, at.cases[0].application_id, me)
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, at.cases[0].id, at.members[3].id)
    own = f"/grants/attend/{meeting}/minutes.pdf"
    await ends_after(grants, meeting, at, decides=False)
    before = await minutes_of(grants, own, me)
    assert before == await minutes_of(grants, own, me), "the same gives the same bytes"
    assert before != await minutes_of(grants, own, at.members[1])
    whole = await minutes_of(grants, f"/grants/meetings/{meeting}/minutes.pdf", OFFICER)
    assert whole[:5] == b"%PDF-"
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'published'")
    assert await minutes_of(grants, own, me) == before


async def ends_after(grants: Database, meeting: UUID, at: Panelled, *, decides: bool) -> None:
    for case in at.cases if decides else ():
        await decide(grants, meeting, case)
    await ends(grants, meeting)


# Live


async def test_a_decision_wakes_all_who_see_it_and_nobody_else(grants: Database, at: Panelled) -> None:
    meeting, hidden = await a_meeting(grants, at), at.cases[0]
    await a_conflict(grants, hidden.application_id, at.members[0])
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, hidden.id, at.members[3].id)
    marks = watching(grants)
    keys = [(meeting, person.id) for person in at.members] + [(meeting, None)]

    async def look() -> list[str | None]:
        return list(await asyncio.gather(*map(marks.get, keys)))

    before = await look()
    assert await look() == before
    assert len({*before}) == 3, "those who see the same share what stands for it"
    told = asyncio.Event()
    ear = await grants.listen()
    await ear.add_listener("live", lambda *_: told.set())
    await decide(grants, meeting, hidden, AWARD)
    await asyncio.wait_for(told.wait(), 20)
    await ear.close()
    after = await look()
    assert [one == other for one, other in zip(after, before, strict=True)] == [True, *[False] * 4]


async def test_roles_other_than_the_officers_lead_nothing(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    for role in set(Role) - {Role.GRANTS_OFFICER}:
        person = replace(OFFICER, roles=frozenset({role}))
        async with signed_in(grants, person) as browser:
            answer = await sends(browser, f"/grants/meetings/{meeting}/decide", person)
            assert answer.status_code == 403
    unproved = replace(OFFICER, proved_at=None)
    async with signed_in(grants, unproved) as browser:
        said: dict[str, Any] = {"case": str(at.cases[0].id), "follows": "0", "kind": "defer"}
        answer = await sends(browser, f"/grants/meetings/{meeting}/decide", unproved, **said)
        assert answer.status_code != 303 or "/prove" in answer.headers["location"]
    await to_state(grants, at.cases[0].application_id, "under_review")
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM decisions") == 0


async def test_after_publication_the_round_says_so(grants: Database, at: Panelled) -> None:
    meeting = await a_meeting(grants, at)
    await ends_after(grants, meeting, at, decides=True)
    await publishes(grants, at)
    async with signed_in(grants, OFFICER) as browser:
        assert "Published" in (await browser.get(f"/grants/rounds/{at.id}")).text


async def test_the_wall_names_who_steps_out_only_until_it_is_decided(
    grants: Database, at: Panelled, officer: httpx.AsyncClient
) -> None:
    meeting, [kept, put_off, other] = await a_meeting(grants, at), at.cases
    await a_conflict(grants, kept.application_id, at.members[0])
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, kept.id, at.members[3].id)
        await meetings.open_item(tx, meeting, kept.id)
    wall = f"/grants/meetings/{meeting}/screen"
    assert "Step out:</b> Marker Doctor One" in (await officer.get(wall)).text
    await decide(grants, meeting, kept)
    await decide(grants, meeting, put_off, Decision(kind=Kind.DEFER))
    await decide(grants, meeting, other)
    shown = (await officer.get(wall)).text
    assert "Step out" not in shown
    assert "Decided: 2 of 3" in shown
    assert shown.count(kept.label) == 1, "it is on, and is not in the list"
    assert shown.count(other.label) == 1
