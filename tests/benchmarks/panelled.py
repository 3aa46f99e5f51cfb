"""A round with so many cases, and a panel of 20 who have scored nine of ten of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from services.grants import conflicts, meetings
from tests.grants.filling import a_fund, a_round, money_comes
from tests.grants.panelling import OFFICER, a_member, closes

MEMBERS, RESERVES, CRITERIA = 20, 3, 3
#: Signs that are kept for each case: what somebody wrote, what their papers show.
_WORDS = "I study each evening after work and cannot pay for the exam myself. " * 6

_STATEMENTS = (
    "INSERT INTO criteria (id, round_id, number, name, weight, words)"
    " SELECT gen_random_uuid(), $1, number, 'Criterion ' || number, number,"
    " '{None,Little,Some,Good,Strong,Full}' FROM generate_series(2, $2::integer) AS number",
    "INSERT INTO applications (id, round_id, reference, state, profession, qualified_abroad, purpose,"
    " amount_pence, exam_on, exam_passed, words, begun_at, link_sent_at, submitted_at, changed_at)"
    " SELECT gen_random_uuid(), $1, 'BENCH-' || number, 'under_review', 'doctor', true, 'plab_1',"
    " 10000 + 10 * number, date '2027-02-01' + number % 200, false, $3, now(), now(), now(), now()"
    " FROM generate_series(1, $2::integer) AS number",
    "INSERT INTO cases (application_id, id, label, words, papers, handed_at, changed_at)"
    " SELECT id, gen_random_uuid(), upper(substr(md5(id::text), 1, 8)), words, 'The booking is confirmed.',"
    " now(), now() FROM applications WHERE round_id = $1",
    "INSERT INTO conflicts (id, application_id, person_id, source, tie, state, noticed_at)"
    " SELECT gen_random_uuid(), applications.id, person_id, 'entered', 'team', 'confirmed', now()"
    " FROM applications JOIN panel_members USING (round_id)"
    " WHERE round_id = $1 AND hashtext(person_id::text || applications.reference) % 100 = 0",
    "INSERT INTO reviews (application_id, person_id, comment, shown, submitted_at, changed_at)"
    " SELECT applications.id, person_id, words, words, now(), now()"
    " FROM (VALUES ('A strong case, and the exam is near.')) AS said (words)"
    " CROSS JOIN applications JOIN panel_members USING (round_id)"
    " WHERE round_id = $1 AND hashtext(applications.reference || person_id::text) % 10 <> 0"
    " AND NOT EXISTS (SELECT FROM removals WHERE application_id = applications.id"
    " AND removals.person_id = panel_members.person_id)",
    "INSERT INTO scores (application_id, person_id, criterion_id, score)"
    " SELECT application_id, person_id, criteria.id,"
    " nullif(abs(hashtext(application_id::text || person_id::text || criteria.id::text)) % 7, 6)"
    " FROM reviews JOIN applications ON applications.id = application_id JOIN criteria USING (round_id)"
    " WHERE round_id = $1",
)


@dataclass(frozen=True)
class Panel:
    """What is looked at."""

    meeting: UUID
    member: Person
    #: What the members are called.
    names: Mapping[UUID, str]


async def a_large_panel(database: Database, cases: int) -> Panel:
    """A panel whose meeting has begun, with everybody there and the first case on."""
    fund = await a_fund(database)
    await money_comes(database, fund)
    round = await a_round(database, fund, opened=True, needs_funder=False)
    names = [f"Marker Member {number}" for number in range(1, MEMBERS + 1)]
    seats = ["reserve" if number >= MEMBERS - RESERVES else "member" for number in range(MEMBERS)]
    members = [
        await a_member(database, round, name, seat=seat, professions=["doctor"])
        for name, seat in zip(names, seats, strict=True)
    ]
    await closes(database, round)
    async with database.transaction() as tx:
        more: list[tuple[Any, ...]] = [(CRITERIA,), (cases, _WORDS), (), (), (), ()]
        for statement, values in zip(_STATEMENTS, more, strict=True):
            await tx.execute(statement, round, *values)
    async with database.connection() as connection:
        await connection.execute("ANALYZE")
    async with acting(database) as tx:
        for member in members:
            await conflicts.say_interests(tx, member.id, [])
        meeting = await meetings.begin(tx, round, OFFICER.id)
        for member in members:
            await meetings.arrive(tx, meeting, member.id)
        first = await tx.fetchval("SELECT id FROM cases ORDER BY label LIMIT 1")
        await meetings.open_item(tx, meeting, first)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM outbox")
        await connection.execute("VACUUM ANALYZE")
    return Panel(meeting, members[0], dict(zip([member.id for member in members], names, strict=True)))
