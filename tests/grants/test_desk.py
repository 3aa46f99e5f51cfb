"""A panel member's desk: what they are asked, what they may read and score, and what is kept from them."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from contracts.access import Role
from services.grants import conflicts, meetings, web
from services.grants.applicants import Applicant
from services.grants.conflicts import Tie
from services.grants.queries import ATTENDING
from services.grants.queries import DESK as STATEMENTS
from services.grants.web.desk import PAGE
from services.grants.web.hrefs import DESK, desk_case_href
from services.grants.web.reviews import TIES
from tests.access import EVERYTHING, form_key
from tests.conftest import client
from tests.grants.applying import ASKED, key_in
from tests.grants.filling import a_fund, a_round
from tests.grants.panelling import (
    Case,
    Panelled,
    a_case,
    a_conflict,
    a_decision,
    a_meeting,
    a_member,
    a_panel,
    scores,
    sits,
)

Browse = Callable[[Person], httpx.AsyncClient]


@pytest.fixture
async def panel(grants: Database) -> Panelled:
    at = await a_panel(grants, 3)
    for member in at.members:
        await says_nothing(grants, member)
    return at


@pytest.fixture
def browse(grants: Database) -> Browse:
    app = web.build(grants)
    return lambda person: client(app, "/grants", person)


async def says_nothing(grants: Database, member: Person) -> None:
    async with acting(grants) as tx:
        await conflicts.say_interests(tx, member.id, [])


async def fills(browser: httpx.AsyncClient, path: str, on: str = "", suffix: str = "", **fields: str) -> Any:
    """Send a form of a page."""
    page = await browser.get(on or path)
    sent = {"key": key_in(page, suffix), **fields}
    if found := re.search(r'name="revision" value="(\d+)"', page.text):
        sent["revision"] = found.group(1)
    return await browser.post(path, data=sent)


def given(at: Panelled, score: str = "4", **more: str) -> dict[str, str]:
    """What a form says that gives each criterion the same."""
    return {**{f"score-{criterion}": score for criterion in at.criteria}, "comment": "", **more}


def by_label(cases: Any) -> list[Case]:
    return sorted(cases, key=lambda case: case.label)


async def rows(grants: Database, query: str, *values: object) -> list[dict[str, Any]]:
    async with grants.reading() as tx:
        return [dict(row) for row in await tx.fetch(query, *values)]


async def another_round(grants: Database) -> tuple[UUID, Case, UUID]:
    """A round of another fund, with a case and a criterion."""
    round = await a_round(grants, await a_fund(grants, "Other fund"), opened=True)
    case = await a_case(grants, round, 9)
    [criterion] = await rows(grants, "SELECT id FROM criteria WHERE round_id = $1", round)
    return round, case, criterion["id"]


# Invitations


async def test_whoever_sits_on_no_panel_is_told_so(grants: Database, browse: Browse) -> None:
    nobody = replace(EVERYTHING, id=uuid4(), roles=frozenset({Role.PANEL_MEMBER}))
    async with browse(nobody) as browser:
        assert "You sit on no panel at the moment" in (await browser.get(DESK)).text


@pytest.mark.parametrize("seat", ["member", "reserve"])
async def test_an_invitation_is_taken_with_one_press_and_leads_to_what_one_is_close_to(
    grants: Database, browse: Browse, panel: Panelled, seat: str
) -> None:
    member = await a_member(grants, panel.id, "Marker Asked", seat=seat, takes_part=None)
    path = f"{DESK}/rounds/{panel.id}/answer"
    async with browse(member) as browser:
        page = (await browser.get(DESK)).text
        assert "Will you sit on a panel?" in page
        assert ("as a reserve" in page) is (seat == "reserve")
        assert "Case " not in page
        answer = await fills(browser, path, on=DESK, suffix="-1", answer="yes")
        assert answer.headers["location"] == f"{DESK}/interests?done=taking"
        page = (await browser.get(DESK)).text
        assert "First: what are you close to?" in page
        assert panel.cases[0].label not in page, "first the interests, then the cases"
        for id in (panel.cases[0].id, uuid4()):
            answer = await browser.get(desk_case_href(id))
            assert answer.status_code == 200
            assert "What are you close to?" in answer.text
            assert "What their papers" not in answer.text
        answer = await fills(browser, f"{DESK}/interests", nothing="yes", employer="", team="", person="")
        assert answer.headers["location"] == f"{DESK}?done=interests"
        page = (await browser.get(DESK)).text
        assert all(case.label in page for case in panel.cases)


async def test_whoever_cannot_sees_no_case(grants: Database, browse: Browse, panel: Panelled) -> None:
    member = await a_member(grants, panel.id, "Marker Asked", takes_part=None)
    path = f"{DESK}/rounds/{panel.id}/answer"
    async with browse(member) as browser:
        answer = await fills(browser, path, on=DESK, suffix="-1", answer="no")
        assert answer.headers["location"] == f"{DESK}?done=declined"
        page = (await browser.get(DESK)).text
        assert "You have said that you cannot take part" in page
        assert "Case " not in page
        answer = await fills(browser, path, on=DESK, suffix="-again-1", answer="yes")
        assert answer.headers["location"] == f"{DESK}/interests?done=taking", "one may think again"


async def test_an_answer_is_one_of_two_and_to_an_invitation_of_ones_own(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    member = await a_member(grants, panel.id, "Marker Asked", takes_part=None)
    other, _, _ = await another_round(grants)
    async with browse(member) as browser:
        for answer, round, status in (("", panel.id, 400), ("perhaps", panel.id, 400), ("yes", other, 404)):
            path = f"{DESK}/rounds/{round}/answer"
            sent = await fills(browser, path, on=DESK, suffix="-1", answer=answer)
            assert sent.status_code == status, answer
    assert await rows(grants, "SELECT takes_part FROM panel_members WHERE person_id = $1", member.id) == [
        {"takes_part": None}
    ]


# Interests


async def test_what_one_is_close_to_is_kept_line_by_line_and_can_be_changed(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    said = {"employer": "St Mary’s\r\n\r\nO'Brien & Sons", "team": "", "person": "Nguyễn Thị Ánh\nيوسف"}
    async with browse(panel.members[0]) as browser:
        answer = await fills(browser, f"{DESK}/interests", **said)
        assert answer.status_code == 303
        page = (await browser.get(f"{DESK}/interests")).text
        assert "O&#39;Brien &amp; Sons" in page
        assert "Nguyễn Thị Ánh\nيوسف" in page
        assert 'value="yes" checked' not in page
        await fills(browser, f"{DESK}/interests", nothing="yes")
        page = (await browser.get(f"{DESK}/interests")).text
        assert "O&#39;Brien" not in page
        assert 'value="yes" checked' in page
    [kept] = await rows(
        grants, "SELECT count(*) AS n FROM interests WHERE position('Sons' IN encode(sealed, 'escape')) > 0"
    )
    assert kept["n"] == 0, "others are named in it: it is sealed"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "Nothing is written above."),
        ({"team": "x" * 201}, "One of these lines is too long."),
        ({"person": "\n".join(map(str, range(41)))}, "This is more than can be kept."),
        ({"person": "evil \u202e txt"}, "a sign that cannot be shown"),
    ],
)
async def test_what_cannot_be_kept_is_shown_again_with_why(
    browse: Browse, panel: Panelled, said: dict[str, str], words: str
) -> None:
    async with browse(panel.members[0]) as browser:
        answer = await fills(browser, f"{DESK}/interests", **said)
        assert answer.status_code == 422
        assert words in answer.text
        assert all(each.split("\n")[0] in answer.text for each in said.values())


# The list


async def test_the_desk_says_what_is_to_read_what_is_begun_and_what_is_done(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    member, cases = panel.members[0], by_label(panel.cases)
    await scores(grants, cases[0], member, {panel.criteria[0]: 3})
    await scores(grants, cases[1], member, {}, submitted=False)
    meeting = await a_meeting(grants, panel)
    async with browse(member) as browser:
        page = (await browser.get(DESK)).text
        assert "1 of 3 done" in page
        found = re.findall(r"Case (\S+)</a>.*?<span>([A-Z][a-z ]+)</span>", page, re.DOTALL)
        assert found == [(cases[0].label, "Done"), (cases[1].label, "Begun"), (cases[2].label, "To read")]
        assert f'href="/grants/attend/{meeting}"' in page
        await a_decision(grants, panel, cases[2], meeting, kind="decline")
        assert "Decided" in (await browser.get(DESK)).text
        for case in cases[1:]:
            await a_conflict(grants, case.application_id, member)
        page = (await browser.get(DESK)).text
        assert "1 of 1 done" in page
        assert cases[1].label not in page


async def test_a_long_list_has_pages(grants: Database, browse: Browse) -> None:
    at = await a_panel(grants, 0)
    member = at.members[0]
    await says_nothing(grants, member)
    async with browse(member) as browser:
        assert "Nothing to read yet" in (await browser.get(DESK)).text
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'open' WHERE id = $1", at.id)
    for number in range(PAGE + 2):
        await a_case(grants, at.id, number)
    async with browse(member) as browser:
        page = (await browser.get(DESK)).text
        assert page.count(">Case ") == PAGE
        assert f"0 of {PAGE + 2} done" in page
        [href] = re.findall(r'rel="next" href="([^"]+)"', page)
        page = (await browser.get(href.replace("&amp;", "&"))).text
        assert page.count(">Case ") == 2
        assert (await browser.get(f"{DESK}?round={uuid4()}")).status_code == 404
        assert (await browser.get(f"{DESK}?round=x")).status_code == 400


async def test_the_desk_and_a_case_ask_the_same_however_much_there_is(
    grants: Database, browse: Browse, panel: Panelled, statements: list[str]
) -> None:
    counted = []
    for _ in range(2):
        async with browse(panel.members[0]) as browser:
            for path in (DESK, desk_case_href(panel.cases[0].id)):
                await browser.get(path)  # once for what is asked once
                statements.clear()
                assert (await browser.get(path)).status_code == 200
                counted.append(len(statements))
        for case in panel.cases if not counted[2:] else ():
            for member in panel.members:
                await scores(grants, case, member, {panel.criteria[0]: 3}, comment="x")
    assert counted[:2] == counted[2:]


# A case


async def test_a_case_is_scored_saved_and_done(grants: Database, browse: Browse, panel: Panelled) -> None:
    member, [case, other, _] = panel.members[0], by_label(panel.cases)
    path = desk_case_href(case.id)
    async with browse(member) as browser:
        page = (await browser.get(path)).text
        assert "Weight 60 of 60" in page
        assert "£145" in page
        assert "What their papers show" in page
        answer = await fills(browser, path, **given(panel, "", comment="Well made."), act="save")
        assert answer.headers["location"] == f"{path}?done=saved"
        answer = await fills(browser, path, **given(panel, "", comment="Well made."), act="done")
        assert answer.status_code == 422
        assert "You have not said anything on “Need”." in answer.text
        assert "Well made." in answer.text
        answer = await fills(browser, path, **given(panel, "4", comment="Well made."), act="done")
        assert answer.headers["location"] == f"{path}?done=done"
        page = (await browser.get(f"{path}?done=done")).text
        assert "Nobody else is done with this case yet." in page
        assert f'href="{desk_case_href(other.id)}"' in page, "the next one"
        answer = await fills(browser, path, **given(panel, "none", comment="Changed."), act="save")
        assert answer.status_code == 303
    found = await rows(
        grants, "SELECT comment, submitted_at, version, score FROM reviews NATURAL JOIN scores"
    )
    [kept] = found
    assert (kept["comment"], kept["score"], kept["version"]) == ("Changed.", None, 3)
    assert kept["submitted_at"] is not None, "what is handed in stays so"
    [noted] = await rows(grants, "SELECT * FROM audit WHERE action = 'review_submitted'")
    assert (noted["kind"], noted["object"]) == ("case", str(case.id))
    assert "Well made" not in str(noted)


@pytest.mark.parametrize("score", ["6", "-1", "2.5", "٣", "NaN", "1e400", "<b>", "5" * 300])
async def test_what_is_no_score_is_refused(browse: Browse, panel: Panelled, score: str) -> None:
    async with browse(panel.members[0]) as browser:
        answer = await fills(browser, desk_case_href(panel.cases[0].id), **given(panel, score))
        assert answer.status_code == 422
        assert "This is not a score." in answer.text


async def test_a_comment_may_be_written_in_any_script_but_not_be_endless(
    browse: Browse, panel: Panelled
) -> None:
    path = desk_case_href(panel.cases[0].id)
    async with browse(panel.members[0]) as browser:
        for words, status in (("O'Brien\nيوسف Ánh", 303), ("x" * 3_001, 422), ("a\u202eb", 422)):
            answer = await fills(browser, path, **given(panel, comment=words))
            assert answer.status_code == status, words
        assert "يوسف Ánh" in (await browser.get(path)).text


async def test_only_criteria_of_the_round_are_scored(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    _, _, other = await another_round(grants)
    async with browse(panel.members[0]) as browser:
        sent = {**given(panel), f"score-{other}": "5"}
        assert (await fills(browser, desk_case_href(panel.cases[0].id), **sent)).status_code == 303
    found = await rows(grants, "SELECT criterion_id FROM scores")
    assert [row["criterion_id"] for row in found] == list(panel.criteria)


async def test_others_are_seen_by_name_once_ones_own_is_handed_in_and_only_those_who_have_as_well(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    me, two, funder, reserve = panel.members
    case, path, need = panel.cases[0], desk_case_href(panel.cases[0].id), panel.criteria[0]
    await scores(grants, case, two, {need: 5}, comment="Marker words of two")
    await scores(grants, case, funder, {need: 1}, comment="Marker words of the funder", submitted=False)
    await scores(grants, case, reserve, {need: None}, comment="Marker words of the reserve")
    async with browse(me) as browser:
        page = (await browser.get(path)).text
        assert "Marker words" not in page
        assert "Marker Doctor Two" not in page
        await fills(browser, path, **given(panel, "2"), act="save")
        assert "Marker" not in (await browser.get(path)).text
        await fills(browser, path, **given(panel, "2"), act="done")
        page = (await browser.get(path)).text
        assert "Marker words of two" in page
        assert "Marker Doctor Two" in page
        assert "Marker Reserve (reserve)" in page
        assert "Marker words of the funder" not in page
        assert "Marker Funder" not in page
        await a_conflict(grants, case.application_id, two)
        assert "Marker Doctor Two" not in (await browser.get(path)).text, "what they gave does not count"


async def test_after_the_decision_scores_stay_until_it_is_only_deferred(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    case, path = panel.cases[0], desk_case_href(panel.cases[0].id)
    meeting = await a_meeting(grants, panel)
    async with browse(panel.members[0]) as browser:
        before = await browser.get(path)
        sent = {"key": key_in(before), "revision": "0", **given(panel)}
        await a_decision(grants, panel, case, meeting, kind="defer")
        assert "Done</button>" in (await browser.get(path)).text, "the panel comes back to it"
        await a_decision(grants, panel, case, meeting, kind="decline")
        assert "its scores stay as they are" in (await browser.get(path)).text
        answer = await browser.post(path, data=sent)
        assert answer.status_code == 409
        assert await rows(grants, "SELECT * FROM reviews") == []
        other = desk_case_href(panel.cases[1].id)
        sent = {"key": key_in(await browser.get(other)), "revision": "0", **given(panel)}
        async with grants.transaction() as tx:
            await tx.execute("UPDATE rounds SET state = 'published' WHERE id = $1", panel.id)
        assert (await browser.post(other, data=sent)).status_code == 409
        assert "Earlier rounds" in (await browser.get(DESK)).text


async def test_two_devices_lose_nothing(grants: Database, browse: Browse, panel: Panelled) -> None:
    path = desk_case_href(panel.cases[0].id)
    async with browse(panel.members[0]) as phone, browse(panel.members[0]) as laptop:
        old = await laptop.get(path)
        await fills(phone, path, **given(panel, "4", comment="From the phone"))
        sent = {"key": key_in(old), "revision": "0", **given(panel, "4", comment="From the laptop")}
        answer = await laptop.post(path, data=sent)
        assert answer.status_code == 409
        assert "From the phone" in answer.text
        assert "From the laptop" in answer.text
        [revision] = re.findall(r'name="revision" value="(\d+)"', answer.text)
        again = await laptop.post(path, data={**sent, "key": key_in(answer), "revision": revision})
        assert again.status_code == 303
        assert "From the laptop" in (await phone.get(path)).text


async def test_the_same_form_twice_acts_once(grants: Database, browse: Browse, panel: Panelled) -> None:
    path = desk_case_href(panel.cases[0].id)
    async with browse(panel.members[0]) as browser:
        sent = {"key": key_in(await browser.get(path)), "revision": "0", **given(panel)}
        answers = [await browser.post(path, data=sent) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
    assert [row["version"] for row in await rows(grants, "SELECT version FROM reviews")] == [1]


# I know this person


@pytest.mark.parametrize("tie", [tie for tie in TIES if tie is not Tie.ACQUAINTANCE])
@pytest.mark.parametrize("scored", [False, True])
async def test_whoever_knows_the_person_is_rid_of_the_case_at_once_and_everywhere(
    grants: Database, browse: Browse, panel: Panelled, tie: str, scored: bool
) -> None:
    member, case = panel.members[0], panel.cases[0]
    path = desk_case_href(case.id)
    if scored:
        await scores(grants, case, member, {panel.criteria[0]: 3}, comment="Marker")
        await a_meeting(grants, panel)
    async with browse(member) as browser:
        answer = await fills(browser, f"{path}/know", on=path, suffix="-know", tie=tie)
        assert answer.headers["location"] == f"{DESK}?done=removed"
        page = (await browser.get(f"{DESK}?done=removed")).text
        assert "That case has left your desk" in page
        assert case.label not in page
        assert str(case.id) not in page
        assert "0 of 2 done" in page
        unknown = desk_case_href(uuid4())
        key = key_in(await browser.get(DESK + "/interests"))
        for address in (path, unknown):
            assert (await browser.get(address)).status_code == 404
            form = {"key": key, "revision": "0", "tie": tie, **given(panel)}
            assert (await browser.post(address, data=form)).status_code == 404
            assert (await browser.post(f"{address}/know", data=form)).status_code == 404
        assert (await browser.get(path)).text == (await browser.get(unknown)).text
    assert len(await rows(grants, "SELECT * FROM conflicts")) == 1


async def test_whoever_has_only_met_them_stays_and_it_is_noted(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    path = desk_case_href(panel.cases[0].id)
    async with browse(panel.members[0]) as browser:
        answer = await fills(browser, f"{path}/know", on=path, suffix="-know", tie="acquaintance")
        assert answer.headers["location"] == f"{path}?done=met"
        page = (await browser.get(path)).text
        assert "It is noted that you have met." in page
        assert "and no more" not in page, "it is said already"
        answer = await fills(browser, f"{path}/know", on=path, suffix="-know", tie="family")
        assert answer.headers["location"] == f"{DESK}?done=removed", "and may turn out to be more"
        assert (await fills(browser, f"{path}/know", on=DESK + "/interests", tie="foe")).status_code == 400


# Who sees what


async def test_a_case_is_for_members_of_its_round_who_take_part(
    grants: Database, browse: Browse, panel: Panelled
) -> None:
    round, other, _ = await another_round(grants)
    stranger = await a_member(grants, round, "Marker Stranger")
    await says_nothing(grants, stranger)
    path = desk_case_href(panel.cases[0].id)
    async with browse(stranger) as browser:
        assert (await browser.get(path)).status_code == 404
        await sits(grants, panel.id, stranger)
        assert (await browser.get(path)).status_code == 200
        page = (await browser.get(DESK)).text
        assert all(case.label in page for case in (*panel.cases, other))
        async with grants.transaction() as tx:
            await tx.execute(
                "UPDATE panel_members SET left_at = $1 WHERE person_id = $2", tx.now, stranger.id
            )
        assert (await browser.get(path)).status_code == 404
        assert "You sit on no panel" in (await browser.get(DESK)).text
    for role in set(Role) - {Role.PANEL_MEMBER}:
        async with browse(replace(EVERYTHING, roles=frozenset({role}))) as browser:
            assert (await browser.get(path)).status_code == 403, role


async def test_nothing_that_a_member_receives_tells_who_applies(grants: Database, browse: Browse) -> None:
    """Marker strings in all that is known of an applicant, but for the words that the officer passed."""
    at = await a_panel(grants, 0, closed=False)
    who = Applicant(
        email="blind.marker@mail.example",
        name="Blindmarker Name",
        telephone="07700 900777",
        address="Blindmarker House\nBlindmarker Road",
        registration="BLINDMARKER-1",
    )
    area = next(iter(grants.context.house.lists["areas"]))
    asked = replace(ASKED, area=area, words="Blindmarker in the words as they were typed.")
    case = await a_case(grants, at.id, 1, who=who, asked=asked, words="I study each evening.")
    async with grants.transaction() as tx:
        [row] = await tx.fetch("SELECT * FROM applications WHERE id = $1", case.application_id)
        await tx.execute("UPDATE applications SET submitted_at = '2026-01-02 03:04:05Z'")
    await a_meeting(grants, replace(at, cases=[case]))
    hidden = ["lindmarker", "blind.marker", "BLINDMARKER", "07700 900777", "900777", row["reference"]]
    hidden += [
        str(case.application_id),
        area,
        grants.context.house.lists["areas"][area].name,
        "2 January 2026",
    ]
    member = at.members[0]
    received: list[str] = []
    async with browse(member) as browser:
        browser.event_hooks["response"].append(_remembers(received))
        await browser.get(DESK)
        await fills(browser, f"{DESK}/interests", nothing="yes")
        path = desk_case_href(case.id)
        await browser.get(DESK)
        await fills(browser, path, **given(at, ""), act="done")
        await fills(browser, path, **given(at, "7"))
        await fills(browser, path, **given(at, "3"), act="done")
        await browser.get(path)
        await fills(browser, f"{path}/know", on=path, suffix="-know", tie="acquaintance")
        await fills(browser, f"{path}/know", on=path, suffix="-know", tie="family")
        await browser.get(path)
        await browser.get(DESK)
    assert len(received) > 12
    for text in received:
        assert [word for word in hidden if word in text] == []


def _remembers(received: list[str]) -> Callable[[httpx.Response], Any]:
    async def remember(answer: httpx.Response) -> None:
        await answer.aread()
        received.append(f"{answer.headers}\n{answer.text}")

    return remember


#: The tables from which a case is made.
_BEHIND = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE|USING)\s+(ONLY\s+)?(applications|applicants|evidence|cases)\b", re.IGNORECASE
)
#: What is made of cases: read by what cases_for gives alone, or by the meetings that there are for somebody.
_OF_CASES = re.compile(r"\b(FROM|JOIN)\s+(items|stand_ins|item_marks)\b", re.IGNORECASE)


def statements_of(queries: Any) -> dict[str, str]:
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    return {name: getattr(queries, name).sql for name in names}


def test_members_read_applications_through_the_firewall_alone() -> None:
    """No statement for members speaks of the tables from which a case is made."""
    desk, meeting = statements_of(STATEMENTS), statements_of(ATTENDING)
    assert len(desk) > 8
    assert {"items_for", "marks_for", "seen_by", "is_seen"} == set(meeting)
    for name, sql in (desk | meeting).items():
        assert not _BEHIND.search(sql), f"{name}: read cases_for(viewer)"
    for name, sql in meeting.items():
        assert re.search(r"\b(cases|meetings)_for\(", sql), f"{name}: read cases_for(viewer)"


async def test_whatever_a_member_opens_at_a_meeting_is_read_through_the_firewall(
    grants: Database, panel: Panelled, statements: list[str]
) -> None:
    """What is really asked: also by statements that are not for members alone."""
    member, case = panel.members[0], panel.cases[0]
    meeting = await a_meeting(grants, panel)
    await scores(grants, case, member, dict.fromkeys(panel.criteria, 3), comment="é")
    await a_decision(grants, panel, case, meeting)
    async with acting(grants) as tx:
        await meetings.open_item(tx, meeting, case.id)
    statements.clear()
    async with client(web.build(grants), "/grants", member) as browser:
        for path in ("/grants/desk", f"/grants/attend/{meeting}", f"/grants/attend/{meeting}/minutes.pdf"):
            assert (await browser.get(path)).status_code == 200
        said = {"key": form_key(member), "here": "yes"}
        assert (await browser.post(f"/grants/attend/{meeting}/here", data=said)).status_code == 303
    asked = [sql for sql in statements if " " in sql]
    assert len(asked) > 15
    assert [sql for sql in asked if _BEHIND.search(sql)] == []
    of_cases = [
        sql for sql in asked if _OF_CASES.search(sql) and not re.search(r"(cases|meetings)_for\(", sql)
    ]
    assert [sql for sql in of_cases if "application_id = ANY(" not in sql] == []
