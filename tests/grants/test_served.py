"""What is held of somebody's work on panels: told to them, and forgotten where no decision rests on it."""

import json
from typing import Any

from chassis.audit import acting
from chassis.database import Database
from chassis.rights import Forgotten, Subject
from services.grants import applying, held, meetings
from services.grants.served import KEPT
from services.grants.sitting import sitting
from tests.grants.panelling import OFFICER, a_conflict, a_decision, a_meeting, a_panel, scores

WORDS = "Marker words of مرحبا O'Brien"


async def told(grants: Database, subject: Subject) -> dict[str, Any]:
    async with grants.reading() as tx:
        files = [each async for each in held.gather(tx, subject)]
    return {each.path: json.loads(each.content) for each in files if each.path.startswith("panel-")}


async def forgets(grants: Database, subject: Subject) -> Forgotten:
    async with acting(grants) as tx:
        return await held.forget(tx, subject)


async def rows(grants: Database, query: str) -> list[tuple[Any, ...]]:
    async with grants.reading() as tx:
        return [tuple(row) for row in await tx.fetch(query)]


async def test_a_member_is_told_what_they_did_and_not_what_would_tell_them_of_a_case(
    grants: Database,
) -> None:
    at = await a_panel(grants, 2)
    me, meeting = at.members[0], await a_meeting(grants, at)
    await scores(grants, at.cases[0], me, dict.fromkeys(at.criteria, 3), comment=WORDS)
    await scores(grants, at.cases[0], at.members[1], dict.fromkeys(at.criteria, 1), comment="Theirs")
    await a_decision(grants, at, at.cases[0], meeting)
    await a_conflict(grants, at.cases[1].application_id, me, source="ticked", state="suggested", tie=None)
    subject = Subject(ids=(me.id,))
    before = await told(grants, subject)
    assert set(before) == {"panel-seats.json", "panel-attendance.json", "panel-reviews.json"}
    [review] = before["panel-reviews.json"]["reviews"]
    assert (review["case"], review["comment"]) == (at.cases[0].label, WORDS)
    assert set(review["scores"].values()) == {3}
    assert at.cases[1].label not in str(before)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'published'")
    after = await told(grants, subject)
    assert [each["counted"] for each in after["panel-decisions.json"]["decisions"]] == [True]
    assert [each["source"] for each in after["panel-conflicts.json"]["conflicts"]] == ["ticked"]
    assert "Theirs" not in str(after)


async def test_the_officer_is_told_what_they_recorded(grants: Database) -> None:
    at = await a_panel(grants, 1)
    await a_decision(grants, at, at.cases[0], await a_meeting(grants, at))
    [decision] = (await told(grants, Subject(ids=(OFFICER.id,))))["panel-decisions.json"]["decisions"]
    assert (decision["recorded"], decision["counted"], decision["case"]) == (True, False, at.cases[0].label)


async def test_words_go_and_what_decisions_rest_on_stays_without_a_name(grants: Database) -> None:
    at = await a_panel(grants, 2)
    me, other = at.members[:2]
    meeting = await a_meeting(grants, at)
    for who in (me, other):
        await scores(grants, at.cases[0], who, dict.fromkeys(at.criteria, 3), comment=WORDS)
    await scores(grants, at.cases[1], me, dict.fromkeys(at.criteria, 5), comment="Begun", submitted=False)
    await a_conflict(grants, at.cases[0].application_id, me)
    await a_decision(grants, at, at.cases[0], meeting)
    before = await rows(grants, "SELECT * FROM decisions")
    done = await forgets(grants, Subject(ids=(me.id,)))
    assert done.counts["comments of panel members"] == 1
    assert KEPT in done.kept
    assert set(await rows(grants, "SELECT person_id, comment FROM reviews")) == {
        (me.id, ""),
        (other.id, WORDS),
    }
    assert await rows(grants, "SELECT * FROM decisions") == before
    async with grants.reading() as tx:
        found = await sitting(tx, meeting)
        assert me.id not in {seat.person_id for seat in found.seats}
        item = found.item(at.cases[0].id)
        assert {each.person_id for each in found.scores(item)} == {other.id}, (
            "who was too close does not count again when it is forgotten why"
        )
    again = await forgets(grants, Subject(ids=(me.id,)))
    assert again.counts["comments of panel members"] == 0


async def test_a_seat_on_a_panel_that_has_done_its_work_stays(grants: Database) -> None:
    at = await a_panel(grants, 1)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE rounds SET state = 'published'")
    await forgets(grants, Subject(ids=(at.members[0].id,)))
    assert await rows(grants, "SELECT count(*) FROM panel_members WHERE left_at IS NOT NULL") == [(0,)]


async def test_what_members_said_of_an_applicant_goes_with_them(grants: Database) -> None:
    at = await a_panel(grants, 2)
    for case in at.cases:
        await scores(grants, case, at.members[0], dict.fromkeys(at.criteria, 3), comment=WORDS)
    async with acting(grants) as tx:
        await meetings.begin(tx, at.id, OFFICER.id)
        await applying.forget(tx, [at.cases[0].application_id])
    comments = dict(await rows(grants, "SELECT application_id, comment FROM reviews"))
    assert comments == {at.cases[0].application_id: "", at.cases[1].application_id: WORDS}
