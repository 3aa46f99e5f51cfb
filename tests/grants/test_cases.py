"""Cases: what is taken out of an applicant's words, preparing, handing over, taking back, progress."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from services.grants import cases, conflicts, web
from services.grants.applicants import Applicant
from services.grants.cases import SuggestionWaits
from services.grants.conflicts import Interest, Kind, Tie
from services.grants.redaction import redact, still_says
from services.grants.web.cases import PAGE
from services.grants.web.hrefs import cases_href
from tests.conftest import client
from tests.grants.applying import ASKED, key_in, later, state_of
from tests.grants.panelling import (
    OFFICER,
    Panelled,
    a_conflict,
    a_panel,
    an_eligible,
    closes,
    scores,
    to_state,
)

ZYTA = Applicant(
    email="zyta.zzyzx@mail.example",
    name="Dr Zyta Zzyzxová-O’Brien",
    telephone="07700 900123",
    address="1 Zzyzx Road\nLondon W10 5XX",
    registration="REG-0042",
    workplace="St Mary’s Hospital",
)


@pytest.fixture
async def at(grants: Database) -> Panelled:
    """A panel without a case, in a round with three eligible applications."""
    made = await a_panel(grants, 0, closed=False)
    for number in (1, 2, 3):
        await an_eligible(grants, made.id, number)
    await closes(grants, made.id)
    return made


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


async def eligible(grants: Database, at: Panelled) -> list[UUID]:
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT id FROM applications WHERE round_id = $1 ORDER BY reference", at.id)
    return [row["id"] for row in rows]


async def prepares(grants: Database, id: UUID, words: str = "I study.", papers: str = "Booked.") -> None:
    async with acting(grants) as tx:
        await cases.prepare(tx, await cases.to_prepare(tx, id), words=words, papers=papers)


async def hands_over(grants: Database, id: UUID) -> None:
    async with acting(grants) as tx:
        await cases.hand_over(tx, id, OFFICER.id)


# Taking names out


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("I am Zyta Zzyzxová-O'Brien.", "I am [name]."),
        ("My name is ZYTA ZZYZXOVA O BRIEN, I study.", "My name is [name], I study."),
        ("Zyta’s exam", "[name]’s exam"),
        ("Write to zyta.zzyzx@mail.example, or to x@y.example!", "Write to [e-mail], or to [e-mail]!"),
        ("Ring 07700 900123 or +44 (0)7700 900 123.", "Ring [telephone] or [telephone]."),
        ("I live at 1 Zzyzx Road, London W10 5XX.", "I live at [address], London [address]."),
        ("I train at St Mary's Hospital.", "I train at [place of work]."),
        ("My number is REG-0042.", "My number is [number]."),
        ("See https://zyta.example/me", "See [web address]"),
        ("The exam is on 2012-05-01 and costs £145.", "The exam is on 2012-05-01 and costs £145."),
        ("", ""),
    ],
)
def test_what_says_who_it_is_is_taken_out(words: str, left: str) -> None:
    assert redact(words, ZYTA) == left
    assert redact(left, ZYTA) == left, "once is enough"


@pytest.mark.parametrize(
    ("name", "words", "left"),
    [
        ("Nguyễn Thị Đào", "Tôi là NGUYỄN THỊ ĐÀO.", "Tôi là [name]."),
        ("Nguyễn Thị Đào", "Nguyen is my name", "[name] is my name"),
        ("محمد الأحمد", "اسمي محمد الأحمد", "اسمي [name]"),
        ("Do An", "What I do is an exam. I am Do An.", "What I do is an exam. I am [name]."),
        ("Zyta\u202e Zzyzx", "I am Zyta Zzyzx", "I am [name]"),
        ("x" * 300, "x" * 300, "[name]"),
        ("", "Nothing is known.", "Nothing is known."),
    ],
)
def test_names_of_every_kind_are_taken_out(name: str, words: str, left: str) -> None:
    assert redact(words, replace(ZYTA, name=name)) == left


def test_what_still_tells_who_it_is_is_said() -> None:
    assert still_says("I study each evening.", ZYTA) == []
    assert still_says("", ZYTA) == []
    [said] = still_says("They call me zyta.", ZYTA)
    assert "“zyta”" in said
    assert still_says("At st marys hospital", ZYTA) == []
    assert still_says("At st mary’s HOSPITAL", ZYTA) == ["The applicant’s place of work is named."]
    assert len(still_says("a@b.example www.c.example 07700 900123 W10 5XX", ZYTA)) == 4
    short = replace(ZYTA, name="Do An")
    assert still_says("What I do", short) == []
    assert still_says("I am Do", short) == ["“Do” is in the applicant’s name."]


# Preparing and handing over


async def test_one_is_prepared_handed_over_and_taken_back(grants: Database, at: Panelled) -> None:
    [id, *_] = await eligible(grants, at)
    with pytest.raises(Refused, match="not prepared"):
        await hands_over(grants, id)
    await prepares(grants, id)
    await prepares(grants, id, "I study hard.")
    await hands_over(grants, id)
    assert await state_of(grants, id) == "under_review"
    async with grants.reading() as tx:
        [seen] = await tx.fetch("SELECT * FROM cases_for($1)", at.members[0].id)
    assert (seen["words"], seen["papers"], len(seen["label"])) == ("I study hard.", "Booked.", 4)
    with pytest.raises(Conflict):
        await hands_over(grants, id)
    with pytest.raises(Conflict, match="does not wait"):
        await prepares(grants, id)
    async with acting(grants) as tx:
        await cases.take_back(tx, id, OFFICER.id)
    assert await state_of(grants, id) == "eligible"
    async with grants.reading() as tx:
        assert await tx.fetch("SELECT * FROM cases_for($1)", at.members[0].id) == []
    with pytest.raises(Conflict):
        async with acting(grants) as tx:
            await cases.take_back(tx, id, OFFICER.id)


async def test_what_somebody_has_begun_to_score_is_not_taken_back(grants: Database, at: Panelled) -> None:
    made = await a_panel_of_one(grants)
    [case] = made.cases
    await scores(grants, case, made.members[0], {}, submitted=False)
    with pytest.raises(Conflict, match="begun"):
        async with acting(grants) as tx:
            await cases.take_back(tx, case.application_id, OFFICER.id)


async def a_panel_of_one(grants: Database) -> Panelled:
    async with grants.transaction() as tx:
        await tx.execute("UPDATE fund_names SET name = name || ' once'")
    return await a_panel(grants, 1)


async def test_what_cannot_be_prepared(grants: Database, at: Panelled) -> None:
    [id, *_] = await eligible(grants, at)
    for state in ("submitted", "returned", "withdrawn", "ineligible"):
        await to_state(grants, id, state)
        with pytest.raises(Conflict):
            await prepares(grants, id)
    with pytest.raises(NotFound):
        await prepares(grants, uuid4())
    await to_state(grants, id, "eligible")
    for state in ("open", "decided", "published"):
        async with grants.transaction() as tx:
            await tx.execute("UPDATE rounds SET state = $1", state)
        with pytest.raises(Conflict, match="not closed"):
            await prepares(grants, id)


async def test_what_was_sent_again_is_prepared_again(grants: Database, at: Panelled) -> None:
    [id, *_] = await eligible(grants, at)
    await prepares(grants, id)
    later(grants, minutes=1)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET submitted_at = $1 WHERE id = $2", tx.now, id)
    with pytest.raises(Refused, match="sent again"):
        await hands_over(grants, id)
    async with acting(grants) as tx:
        assert (await cases.hand_over_all(tx, at.id, OFFICER.id)).done == 0
    later(grants, minutes=1)
    await prepares(grants, id)
    await hands_over(grants, id)


async def test_nothing_is_handed_over_while_a_suggestion_waits(
    grants: Database, at: Panelled, officer: httpx.AsyncClient
) -> None:
    first, second, third = await eligible(grants, at)
    for id in (first, second):
        await prepares(grants, id)
    async with acting(grants) as tx:
        await conflicts.tick(tx, first, [at.members[0].id])
    with pytest.raises(SuggestionWaits):
        await hands_over(grants, first)
    async with acting(grants) as tx:
        came = await cases.hand_over_all(tx, at.id, OFFICER.id)
    assert (came.done, came.waiting) == (1, 1)
    assert [await state_of(grants, id) for id in (first, second, third)] == [
        "eligible",
        "under_review",
        "eligible",
    ]
    path = cases_href(at.id)
    answer = await officer.post(f"{path}/hand-over", data={"key": key_in(await officer.get(path), "-all")})
    said = (await officer.get(answer.headers["location"])).text
    assert "Nothing was handed over: on what is prepared, a conflict of interest waits to be settled." in said
    async with grants.reading() as tx:
        id = await tx.fetchval("SELECT id FROM conflicts")
    async with acting(grants) as tx:
        await conflicts.settle(tx, id, OFFICER.id, tie=Tie.TEAM)
    await hands_over(grants, first)


async def test_what_a_member_said_is_found_when_a_case_is_prepared(grants: Database) -> None:
    at = await a_panel(grants, 0, closed=False)
    async with acting(grants) as tx:
        ward = Interest(Kind.EMPLOYER, "St Mary's Hospital")
        await conflicts.say_interests(tx, at.members[0].id, [ward])
    id = await an_eligible(grants, at.id, 1, who=ZYTA)
    await closes(grants, at.id)
    await prepares(grants, id)
    async with grants.reading() as tx:
        assert await conflicts.suggested_on(tx, [id]) == {id}
    with pytest.raises(SuggestionWaits):
        await hands_over(grants, id)


async def test_a_suggestion_about_somebody_who_is_off_the_panel_stops_nothing(
    grants: Database, at: Panelled
) -> None:
    [id, *_] = await eligible(grants, at)
    await prepares(grants, id)
    await a_conflict(grants, id, at.members[0], tie=None, state="suggested", source="ticked")
    async with grants.transaction() as tx:
        await tx.execute(
            "UPDATE panel_members SET left_at = invited_at WHERE person_id = $1", at.members[0].id
        )
    await hands_over(grants, id)


async def test_two_presses_at_once_hand_over_once(grants: Database, at: Panelled) -> None:
    [id, *_] = await eligible(grants, at)
    await prepares(grants, id)
    came = await asyncio.gather(hands_over(grants, id), hands_over(grants, id), return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["NoneType", "Overtaken"]
    async with grants.reading() as tx:
        steps = await tx.fetchval(
            "SELECT count(*) FROM application_steps WHERE application_id = $1 AND state = 'under_review'", id
        )
    assert steps == 1


async def test_labels_tell_nothing(grants: Database, at: Panelled) -> None:
    ids = await eligible(grants, at)
    for id in ids:
        await prepares(grants, id)
    async with grants.reading() as tx:
        rows = await tx.fetch(
            "SELECT label, reference FROM cases JOIN applications ON applications.id = application_id"
        )
    assert len({row["label"] for row in rows}) == 3
    assert all(row["label"] not in row["reference"] for row in rows)


# The pages


async def test_the_officer_prepares_and_hands_over_on_the_page(
    grants: Database, officer: Any, at: Panelled
) -> None:
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'open'")
    said = "I am Zyta Zzyzxová-O'Brien <script>alert(1)</script>."
    id = await an_eligible(grants, at.id, 9, who=ZYTA, asked=replace(ASKED, words=said))
    path = f"/grants/applications/{id}/case"
    assert "The round is not closed" in (await officer.get(path)).text
    await closes(grants, at.id)
    page = await officer.get(path)
    assert "I am [name] &lt;script&gt;" in page.text
    kept = {"words": "They call me Zyta.", "papers": "The booking is confirmed."}
    form = {"key": key_in(page, "-save"), "revision": "0"}
    empty = await officer.post(path, data={**form, "words": " ", "papers": "x" * 2_000})
    assert empty.status_code == 422
    assert "This is empty" in empty.text
    assert "This is too long" in empty.text
    answer = await officer.post(path, data={**form, **kept})
    page = await officer.get(answer.headers["location"])
    assert "“Zyta” is in the applicant’s name." in page.text
    other = await officer.post(
        path, data={"key": key_in(page, "-save"), "revision": "0", **kept, "words": "I study."}
    )
    assert other.status_code == 409
    assert "You have changed this meanwhile, in another window" in other.text
    mine = {"key": key_in(other, "-save"), "revision": "1", **kept, "words": "I study."}
    page = await officer.get((await officer.post(path, data=mine)).headers["location"])
    assert "This may tell who it is" not in page.text
    done = await officer.post(f"{path}/hand-over", data={"key": key_in(page, "-over")})
    page = await officer.get(done.headers["location"])
    assert "The panel has it." in page.text
    again = await officer.post(
        f"{path}/hand-over", data={"key": key_in(page, "-back").replace("-back", "-over")}
    )
    assert again.headers["location"] == done.headers["location"], "it reads as what one has done"
    back = await officer.post(f"{path}/take-back", data={"key": key_in(page, "-back")})
    assert back.headers["location"].endswith("?done=back")
    assert await state_of(grants, id) == "eligible"


async def test_handing_over_all_says_what_came_of_it(grants: Database, officer: Any, at: Panelled) -> None:
    first, second, _ = await eligible(grants, at)
    for id in (first, second):
        await prepares(grants, id)
    await a_conflict(grants, first, at.members[0], tie=None, state="suggested", source="ticked")
    path = f"/grants/rounds/{at.id}/cases"
    page = await officer.get(path)
    assert "Hand over 2 cases" in page.text
    answer = await officer.post(f"{path}/hand-over", data={"key": key_in(page, "-all")})
    page = await officer.get(answer.headers["location"])
    assert "but for that on which a conflict of interest waits" in page.text
    assert "1 conflict to settle" in page.text
    assert (await officer.get(f"/grants/applications/{first}/case")).text.count("Settle that first")


async def test_accepting_is_not_offered_once_the_panel_has_it(grants: Database, officer: Any) -> None:
    at = await a_panel(grants, 1)
    id = at.cases[0].application_id
    page = await officer.get(f"/grants/applications/{id}")
    assert "Accept as eligible" not in page.text
    answer = await officer.post(
        f"/grants/applications/{id}/accept",
        data={"key": key_in(page) if 'name="key"' in page.text else "", "looked": "yes", "revision": "1"},
    )
    assert answer.status_code in (400, 409, 422)
    assert await state_of(grants, id) == "under_review"


async def test_progress_counts_only_what_each_may_see(grants: Database, officer: Any) -> None:
    at = await a_panel(grants, 3)
    one, two, funder, _ = at.members
    first, second, _ = at.cases
    await scores(grants, first, one, dict.fromkeys(at.criteria, 3))
    await scores(grants, second, one, dict.fromkeys(at.criteria, 3), submitted=False)
    await scores(grants, first, two, dict.fromkeys(at.criteria, 4))
    await a_conflict(grants, first.application_id, two, tie="family")
    await a_conflict(grants, second.application_id, funder, tie="family")
    page = (await officer.get(f"/grants/rounds/{at.id}/cases")).text
    rows = {
        name: [cell.strip() for cell in page.split(f">{name}<", 1)[1].split("</tr>")[0].split("</td>")[:2]]
        for name in ("Marker Doctor One", "Marker Doctor Two", "Marker Funder")
    }
    counted = {name: [cell.rpartition(">")[2] for cell in cells] for name, cells in rows.items()}
    assert counted["Marker Doctor One"][0] == "1"
    assert counted["Marker Doctor Two"][0] == "0"
    assert "<span>3" in rows["Marker Doctor One"][1]
    assert "<span>2" in rows["Marker Doctor Two"][1]
    assert f"{first.label}" in page
    assert "1 of 3" in page, "whoever is removed counts neither here nor there"
    assert page.count("2 may decide on it, and 3 must be there.") == 2
    assert "Nobody for the funder may decide on it." in page


async def test_many_cases_come_page_by_page(grants: Database, officer: Any) -> None:
    at = await a_panel(grants, 0, closed=False)
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO applications (id, round_id, reference, state, profession, purpose, amount_pence,"
            " begun_at, link_sent_at, submitted_at, changed_at)"
            " SELECT gen_random_uuid(), $1, 'R' || n, 'under_review', 'doctor', 'plab_1', 100, $2, $2, $2, $2"
            " FROM generate_series(1, $3) AS n",
            at.id,
            tx.now,
            PAGE + 2,
        )
        await tx.execute(
            "INSERT INTO cases (application_id, id, label, words, papers, handed_at, changed_at)"
            " SELECT id, gen_random_uuid(), 'L' || reference, 'w', 'p', $1, $1 FROM applications",
            tx.now,
        )
    path, seen = f"/grants/rounds/{at.id}/cases", 0
    while path:
        page = (await officer.get(path)).text
        seen += page.count('/case">')
        found = page.partition('href="/grants/rounds/' + str(at.id) + "/cases?after=")[2].partition('"')[0]
        path = f"/grants/rounds/{at.id}/cases?after={found}" if found else ""
    assert seen == PAGE + 2
    assert (await officer.get(f"/grants/rounds/{at.id}/cases?after=x%27")).status_code == 200


async def test_one_conflict_is_settled_on_its_page(grants: Database, officer: Any) -> None:
    at = await a_panel(grants, 0, closed=False)
    async with acting(grants) as tx:
        ward = Interest(Kind.TEAM, "Ward <b>9</b>, St Mary's Hospital")
        await conflicts.say_interests(tx, at.members[0].id, [ward])
    id = await an_eligible(grants, at.id, 1, who=ZYTA)
    await closes(grants, at.id)
    await prepares(grants, id)
    listed = await officer.get(f"/grants/rounds/{at.id}/conflicts")
    assert "Found by comparing" in listed.text
    assert "works in the team: Ward &lt;b&gt;9&lt;/b&gt;, St Mary" in listed.text
    async with grants.reading() as tx:
        conflict = await tx.fetchval("SELECT id FROM conflicts")
    path = f"/grants/conflicts/{conflict}"
    page = await officer.get(path)
    unsaid = await officer.post(
        f"{path}/dismiss", data={"key": key_in(page, "-dismiss"), "seen": "suggested", "words": " "}
    )
    assert unsaid.status_code == 422
    odd = await officer.post(
        f"{path}/confirm", data={"key": key_in(page, "-confirm"), "seen": "suggested", "tie": "x"}
    )
    assert odd.status_code == 422
    done = await officer.post(
        f"{path}/dismiss",
        data={"key": key_in(page, "-dismiss"), "seen": "suggested", "words": "Another O'Brien."},
    )
    page = await officer.get(done.headers["location"])
    assert "It is dismissed" in page.text
    assert "Another O&#39;Brien." in page.text
    late = await officer.post(
        f"{path}/confirm",
        data={"key": key_in(await officer.get(path), "-confirm"), "seen": "suggested", "tie": "team"},
    )
    assert late.status_code == 409
    assert (await officer.get(f"/grants/conflicts/{uuid4()}")).status_code == 404


async def test_one_is_entered_on_the_application(grants: Database, officer: Any, at: Panelled) -> None:
    [id, *_] = await eligible(grants, at)
    path = f"/grants/applications/{id}/conflicts"
    page = await officer.get(path)
    form = {"key": key_in(page, "-enter"), "person": str(at.members[1].id), "tie": "referee"}
    for wrong in ({"person": "x"}, {"tie": ""}, {"person": str(uuid4())}):
        assert (await officer.post(path, data=form | wrong)).status_code == 422, wrong
    answer = await officer.post(path, data=form)
    page = await officer.get(answer.headers["location"])
    assert "It is entered" in page.text
    assert "Steps out" in page.text
    assert (await officer.get(f"/grants/applications/{uuid4()}/conflicts")).status_code == 404
    await a_case_is_shown(officer, id)


async def a_case_is_shown(officer: httpx.AsyncClient, id: UUID) -> None:
    page = await officer.get(f"/grants/applications/{id}")
    assert f"/grants/applications/{id}/case" in page.text
