"""The panel of a round: who is asked, who answers, what is missing, and the pages on which one keeps it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.access import Person
from chassis.audit import BY_COMMAND, acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from contracts.access import Role
from contracts.grants import PanelInvited
from services.grants import panel, web
from services.grants.panel import Member, Place, Seat
from services.grants.today import needed
from tests.conftest import announced, client
from tests.grants.applying import key_in, later, letter_in
from tests.grants.filling import a_fund, a_plan, a_round
from tests.grants.panelling import (
    OFFICER,
    a_case,
    a_colleague,
    a_conflict,
    a_member,
    a_panel,
    an_award,
    an_eligible,
    closes,
    scores,
)

DOCTOR = Place(seat=Seat.MEMBER, professions=("doctor",), for_funder=False)
FUNDER = Place(seat=Seat.MEMBER, professions=(), for_funder=True)
RESERVE = Place(seat=Seat.RESERVE, professions=("doctor",), for_funder=True)
NAMES = {"doctor": "Doctor", "dentist": "Dentist"}


@pytest.fixture
async def round(grants: Database) -> UUID:
    return await a_round(grants, await a_fund(grants), opened=True)


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


@pytest.fixture
async def auditor(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    person = replace(OFFICER, roles=frozenset({Role.AUDITOR}))
    async with client(web.build(grants), "/grants", person) as browser:
        yield browser


async def invites(grants: Database, round: UUID, person: UUID, place: Place = DOCTOR) -> None:
    async with acting(grants, BY_COMMAND) as tx:
        await panel.invite(tx, round, person, place)


async def answers(grants: Database, round: UUID, person: Person, takes_part: bool = True) -> None:
    async with acting(grants) as tx:
        await panel.answer(tx, round, person.id, takes_part)


async def the_member(grants: Database, round: UUID, person: Person) -> Member:
    async with grants.reading() as tx:
        [found] = [it for it in await panel.members_of(tx, round) if it.person_id == person.id]
    return found


# The firewall, as the tables have it


async def test_the_firewall_keeps_what_is_only_suggested(grants: Database) -> None:
    at = await a_panel(grants)
    first, second, _ = at.cases
    member = at.members[0]
    await scores(grants, first, member, dict.fromkeys(at.criteria, 3))
    await a_conflict(grants, first.application_id, member, tie=None, state="suggested", source="derived")
    await a_conflict(grants, second.application_id, member, tie="acquaintance")
    await an_award(grants, at, at.cases[2])
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT label FROM cases_for($1)", member.id)
    assert {row["label"] for row in rows} == {second.label, at.cases[2].label}


# Composition


def a_place(place: Place, takes_part: bool | None = True, left: bool = False) -> Member:
    now = datetime(2012, 1, 1, tzinfo=UTC)
    return Member(
        person_id=uuid4(),
        place=place,
        invited_at=now,
        takes_part=takes_part,
        answered_at=now,
        left_at=now if left else None,
        version=1,
    )


async def test_what_a_panel_lacks_is_said_in_words(grants: Database) -> None:
    plan = a_plan(grants, uuid4(), quorum=3, professions=("doctor", "dentist"))

    def lacks(members: Sequence[Member]) -> list[str]:
        return panel.lacking(plan, members, NAMES)

    assert lacks([]) == [
        "Nobody has said yes, and 3 must be there.",
        "Nobody among them is a peer of applicants who are: Doctor.",
        "Nobody among them is a peer of applicants who are: Dentist.",
        "Nobody among them is there for the funder.",
    ]
    dentist = replace(DOCTOR, professions=("dentist",))
    full = [a_place(DOCTOR), a_place(dentist), a_place(FUNDER)]
    assert lacks(full) == []
    for gone in (a_place(FUNDER, None), a_place(FUNDER, False), a_place(FUNDER, left=True), a_place(RESERVE)):
        assert lacks([*full[:2], gone]) == [
            "2 have said yes, and 3 must be there.",
            "Nobody among them is there for the funder.",
        ]
    doctor, dentists, funder = full
    assert panel.lacking_for(plan, "dentist", full, set()) == []
    assert panel.lacking_for(plan, "dentist", full, {dentists.person_id}) == [
        "2 may decide on it, and 3 must be there.",
        "No peer of the applicant may decide on it.",
    ]
    assert panel.lacking_for(plan, "doctor", [*full, a_place(FUNDER)], {funder.person_id}) == []
    assert panel.lacking_for(plan, "doctor", [*full, a_place(DOCTOR)], {funder.person_id}) == [
        "Nobody for the funder may decide on it."
    ]
    alone = panel.lacking_for(plan, "doctor", [doctor], set())
    assert alone == [], "what the whole panel lacks is said once"


# Asking and answering


async def test_whoever_is_asked_gets_a_letter_with_the_way_to_their_desk(
    grants: Database, round: UUID
) -> None:
    person = await a_colleague(grants, "Zyta Zzyzxová-O'Brien")
    await invites(grants, round, person.id, RESERVE)
    [fact] = [event for event in await announced(grants) if event.fact is PanelInvited]
    assert fact.subject == f"{round}/{person.id}"
    assert (fact.sequence, fact.data["reserve"]) == (1, True)
    origin = grants.context.settings.origin
    assert letter_in(grants, fact) == {
        "name": "Zyta Zzyzxová-O'Brien",
        "email": f"{person.id}@members.example",
        "round": "Doctors’ exams, spring",
        "link": f"{origin}/grants/desk",
        "help_name": "Marker Helper",
        "help_telephone": "020 7946 0001",
    }
    async with grants.reading() as tx:
        said = str(await tx.fetch("SELECT * FROM audit"))
    assert "Zyta" not in said
    assert str(person.id) in said


async def test_who_cannot_be_asked(grants: Database, round: UUID) -> None:
    person = await a_colleague(grants)
    await invites(grants, round, person.id)
    staff, barred = await a_colleague(grants, role=Role.STAFF), await a_colleague(grants, barred=True)
    for refused in (staff.id, barred.id, uuid4(), person.id):
        with pytest.raises(Refused):
            await invites(grants, round, refused)
    draft = await a_round(grants, await a_fund(grants, "Another fund"))
    with pytest.raises(Conflict, match="draft"):
        await invites(grants, draft, person.id)
    with pytest.raises(NotFound):
        await invites(grants, uuid4(), person.id)
    at = await a_round(grants, await a_fund(grants, "A third"), opened=True)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'published' WHERE id = $1", at)
    with pytest.raises(Conflict, match="done its work"):
        await invites(grants, at, person.id)


async def test_a_member_answers_and_may_think_again(grants: Database, round: UUID) -> None:
    person = await a_colleague(grants)
    with pytest.raises(NotFound):
        await answers(grants, round, person)
    await invites(grants, round, person.id)
    assert (await the_member(grants, round, person)).unanswered
    for takes_part in (True, True, False, True):
        await answers(grants, round, person, takes_part)
        assert (await the_member(grants, round, person)).takes_part is takes_part


async def test_asking_again_waits_a_day_and_whoever_said_yes_is_not_asked(
    grants: Database, round: UUID
) -> None:
    person = await a_colleague(grants)
    await invites(grants, round, person.id)

    async def again() -> None:
        async with acting(grants) as tx:
            await panel.invite_again(tx, round, person.id)

    with pytest.raises(Conflict, match="less than a day"):
        await again()
    later(grants, days=1)
    await again()
    facts = [event for event in await announced(grants) if event.fact is PanelInvited]
    assert [fact.sequence for fact in facts] == [1, 2]
    await answers(grants, round, person, False)
    later(grants, days=1)
    await again()
    assert (await the_member(grants, round, person)).unanswered
    await answers(grants, round, person)
    later(grants, days=1)
    with pytest.raises(Conflict, match="said yes"):
        await again()


async def test_whoever_is_taken_off_sees_nothing_and_can_come_back(grants: Database) -> None:
    at = await a_panel(grants)
    member = at.members[0]

    async def seen() -> int:
        async with grants.reading() as tx:
            return int(await tx.fetchval("SELECT count(*) FROM cases_for($1)", member.id))

    assert await seen() == 3
    async with acting(grants) as tx:
        await panel.leave(tx, at.id, member.id)
    assert await seen() == 0
    for act in (panel.leave, panel.invite_again):
        with pytest.raises(NotFound):
            async with acting(grants) as tx:
                await act(tx, at.id, member.id)
    with pytest.raises(NotFound):
        await answers(grants, at.id, member)
    await invites(grants, at.id, member.id)
    assert await seen() == 0, "they have not said yes again"
    await answers(grants, at.id, member)
    assert await seen() == 3


async def test_a_reserve_is_called_up(grants: Database) -> None:
    at = await a_panel(grants)
    async with acting(grants) as tx:
        await panel.change(tx, at.id, at.members[3].id, DOCTOR)
    assert (await the_member(grants, at.id, at.members[3])).counts


# The pages


async def test_the_officer_asks_somebody_on_the_page(grants: Database, round: UUID, officer: Any) -> None:
    person = await a_colleague(grants, "Ayşe <b>O'Brien</b>")
    await a_colleague(grants, "Marker Staff", role=Role.STAFF)
    path = f"/grants/rounds/{round}/panel"
    page = await officer.get(path)
    assert "Nobody is on the panel yet" in page.text
    assert "Ayşe &lt;b&gt;O&#39;Brien" in page.text
    assert "Marker Staff" not in page.text
    said = {
        "person": str(person.id),
        "seat": "member",
        "professions": ["doctor", "nurse"],
        "for_funder": "yes",
    }
    wrong = await officer.post(path, data={**said, "key": key_in(page, "-invite"), "seat": "chair"})
    assert wrong.status_code == 422
    assert f'value="{person.id}" selected' in wrong.text
    for nobody in ("", "x", str(uuid4())):
        answer = await officer.post(path, data={**said, "key": key_in(wrong, "-invite"), "person": nobody})
        assert answer.status_code == 422, nobody
    answer = await officer.post(path, data={**said, "key": key_in(wrong, "-invite")})
    assert answer.status_code == 303
    page = await officer.get(answer.headers["location"])
    assert "A letter with the way to their desk" in page.text
    assert "No answer yet" in page.text
    assert "Every colleague with the role" in page.text
    member = await the_member(grants, round, person)
    assert member.place == Place(seat=Seat.MEMBER, professions=("doctor", "nurse"), for_funder=True)


async def test_the_officer_changes_a_seat_asks_again_and_takes_off(grants: Database, officer: Any) -> None:
    at = await a_panel(grants)
    person = await a_member(grants, at.id, "Marker Late", takes_part=None)
    path = f"/grants/rounds/{at.id}/panel/{person.id}"
    page = await officer.get(path)
    assert "less than a day ago" in page.text
    seat = {"seat": "reserve", "professions": ["dentist"]}
    answer = await officer.post(path, data={**seat, "key": key_in(page, "-place")})
    assert answer.status_code == 303
    member = await the_member(grants, at.id, person)
    assert member.place == Place(seat=Seat.RESERVE, professions=("dentist",), for_funder=False)
    wrong = await officer.post(path, data={"seat": "x", "professions": ["y"], "key": key_in(page, "-place")})
    assert wrong.status_code == 422
    later(grants, days=2)
    page = await officer.get(path)
    again = await officer.post(f"{path}/again", data={"key": key_in(page, "-again")})
    assert again.headers["location"].endswith("?done=again")
    unsaid = await officer.post(f"{path}/leave", data={"key": key_in(page, "-leave")})
    assert unsaid.status_code == 422
    gone = await officer.post(f"{path}/leave", data={"key": key_in(page, "-leave"), "confirm": "yes"})
    page = await officer.get(gone.headers["location"])
    assert "1 person has left" in page.text
    assert (await officer.get(path)).status_code == 200
    assert (await officer.get(f"/grants/rounds/{at.id}/panel/{uuid4()}")).status_code == 404
    assert (await officer.get(f"/grants/rounds/{uuid4()}/panel")).status_code == 404


async def test_an_auditor_looks_and_is_offered_nothing(grants: Database, auditor: Any) -> None:
    at = await a_panel(grants)
    id = await a_conflict(grants, at.cases[0].application_id, at.members[0])
    of_case = f"/grants/applications/{at.cases[0].application_id}"
    for path in (
        f"/grants/rounds/{at.id}/panel",
        f"/grants/rounds/{at.id}/panel/{at.members[0].id}",
        f"/grants/rounds/{at.id}/conflicts",
        f"/grants/conflicts/{id}",
        f"{of_case}/conflicts",
        f"{of_case}/case",
        f"/grants/rounds/{at.id}/cases",
    ):
        page = await auditor.get(path)
        assert page.status_code == 200, path
        assert 'method="post"' not in page.text.partition("<main")[2], path


async def test_pages_ask_a_constant_number_of_questions(
    grants: Database, officer: Any, statements: list[str]
) -> None:
    at = await a_panel(grants, 2)
    paths = [f"/grants/rounds/{at.id}/{part}" for part in ("panel", "conflicts", "cases")] + ["/grants/"]

    async def counted() -> list[int]:
        counts = []
        for path in paths:
            statements.clear()
            assert (await officer.get(path)).status_code == 200
            counts.append(len(statements))
        return counts

    await officer.get("/grants/")
    await a_conflict(grants, at.cases[0].application_id, at.members[0])
    before = await counted()
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'open' WHERE id = $1", at.id)
    for number in range(10, 14):
        case = await a_case(grants, at.id, number)
        member = await a_member(grants, at.id, f"Marker {number}")
        await a_conflict(grants, case.application_id, member, tie=None, state="suggested", source="derived")
    await closes(grants, at.id)
    assert await counted() == before


# Today


async def test_what_a_panel_waits_for_is_on_the_first_page(grants: Database, round: UUID) -> None:
    async def lines() -> list[str]:
        async with grants.reading() as tx:
            return [it.what for it in await needed(tx, grants.context.clock.today(), 50)]

    person = await a_member(grants, round, takes_part=None)
    application = await an_eligible(grants, round)
    assert await lines() == []
    await a_conflict(grants, application, person, tie=None, state="suggested", source="ticked")
    assert await lines() == ["Settle a conflict of interest in “Doctors’ exams, spring”"]
    later(grants, days=6)
    await closes(grants, round)
    assert await lines() == [
        "Settle a conflict of interest in “Doctors’ exams, spring”",
        "Prepare a case of “Doctors’ exams, spring”, and hand over",
        "Ask a member of the panel of “Doctors’ exams, spring” again",
        "Complete the panel of “Doctors’ exams, spring”",
        "Prepare the meeting of “Doctors’ exams, spring”",
    ]
