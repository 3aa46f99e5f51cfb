"""Panels for tests: members with accounts, cases that were handed over, scores, conflicts, decisions, awards.

What each test is not about is put straight into the tables.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from nacl.secret import SecretBox

from chassis.access import Person
from chassis.audit import acting
from chassis.database import Database
from contracts.access import Role
from services.grants import ledger, rounds
from services.grants.applicants import Applicant, email_digest
from services.grants.applying import Asked
from services.grants.queries import COLLEAGUES
from services.grants.rounds import RoundState
from tests.access import EVERYTHING
from tests.grants.applying import ASKED, an_application
from tests.grants.filling import a_fund, a_round, money_comes

OFFICER = replace(EVERYTHING, roles=frozenset({Role.GRANTS_OFFICER}))


@dataclass(frozen=True)
class Case:
    """A case that the panel has."""

    application_id: UUID
    id: UUID
    label: str


@dataclass(frozen=True)
class Panelled:
    """A round with what it has."""

    fund: UUID
    id: UUID
    cases: Sequence[Case]
    #: They can sign in: ``client(web.build(grants), "/grants", member)``.
    members: Sequence[Person]
    criteria: Sequence[UUID]


async def a_colleague(
    grants: Database,
    name: str = "Marker Member",
    *,
    role: Role = Role.PANEL_MEMBER,
    barred: bool = False,
    id: UUID | None = None,
) -> Person:
    """Somebody with an account, whose name and address grants knows."""
    id, context = id or uuid4(), grants.context
    email = f"{id}@members.example"
    sealed = SecretBox(context.keys.derive("colleagues")).encrypt(
        json.dumps({"name": name, "email": email}).encode()
    )
    state = {"person_id": str(id), "epoch": 1, "version": 1, "sealed": sealed.hex()}
    state["email_digest"] = email_digest(context, email).hex()
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO standings (person_id, epoch, version, roles, barred) VALUES ($1, 1, 1, $2, $3)",
            id,
            [role.value],
            barred,
        )
        await COLLEAGUES.remember_colleagues(tx, states=[state])
    return replace(EVERYTHING, id=id, session=uuid4(), roles=frozenset({role}))


async def a_member(
    grants: Database,
    round: UUID,
    name: str = "Marker Member",
    *,
    seat: str = "member",
    professions: Sequence[str] = (),
    for_funder: bool = False,
    takes_part: bool | None = True,
) -> Person:
    """Somebody who sits on the panel of a round."""
    person = await a_colleague(grants, name)
    await sits(
        grants,
        round,
        person,
        seat=seat,
        professions=professions,
        for_funder=for_funder,
        takes_part=takes_part,
    )
    return person


async def sits(
    grants: Database,
    round: UUID,
    person: Person,
    *,
    seat: str = "member",
    professions: Sequence[str] = (),
    for_funder: bool = False,
    takes_part: bool | None = True,
) -> None:
    """Somebody sits on the panel of one more round."""
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO panel_members (round_id, person_id, seat, professions, for_funder, invited_at,"
            " takes_part, answered_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            round,
            person.id,
            seat,
            list(professions),
            for_funder,
            tx.now,
            takes_part,
            None if takes_part is None else tx.now,
        )


def an_applicant(number: int) -> Applicant:
    """Whoever applies as one of many: no two are alike."""
    return Applicant(
        email=f"applicant.{number}@mail.example",
        name=f"Marker Applicant {chr(65 + number % 26)}{number}",
        telephone=f"07700 90{number:04}",
        address=f"{number} Zzyzx Road",
    )


async def an_eligible(
    grants: Database, round: UUID, number: int = 1, *, asked: Asked = ASKED, who: Applicant | None = None
) -> UUID:
    """An application that may go to the panel; its round is open."""
    id = await an_application(grants, round, who=who or an_applicant(number), asked=asked)
    await to_state(grants, id, "eligible")
    return id


async def to_state(grants: Database, application: UUID, state: str) -> None:
    """Put an application where a test begins."""
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET state = $1 WHERE id = $2", state, application)


async def a_case(
    grants: Database,
    round: UUID,
    number: int = 1,
    *,
    asked: Asked = ASKED,
    who: Applicant | None = None,
    words: str = "",
    papers: str = "The booking is confirmed.",
    handed: bool = True,
) -> Case:
    """A case of a round that is open, as the panel has it; or as it is being prepared."""
    application = await an_eligible(grants, round, number, asked=asked, who=who)
    id = uuid4()
    label = f"{str(id)[:4].upper()}-{number}"
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO cases (application_id, id, label, words, papers, handed_at, handed_by, changed_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            application,
            id,
            label,
            words or f"Case words {number}.",
            papers,
            tx.now if handed else None,
            OFFICER.id if handed else None,
            tx.now,
        )
    if handed:
        await to_state(grants, application, "under_review")
    return Case(application, id, label)


async def a_panel(
    grants: Database,
    cases: int = 3,
    *,
    pence: int = 500_000,
    closed: bool = True,
    **more: Any,
) -> Panelled:
    """A round with money and cases; its members are a doctor, a doctor and one for the funder, then a
    reserve, a doctor too. All take part.
    """
    fund = await a_fund(grants)
    await money_comes(grants, fund, pence)
    round = await a_round(grants, fund, opened=True, **more)
    handed = [await a_case(grants, round, number) for number in range(1, cases + 1)]
    members = [
        await a_member(grants, round, "Marker Doctor One", professions=["doctor"]),
        await a_member(grants, round, "Marker Doctor Two", professions=["doctor"]),
        await a_member(grants, round, "Marker Funder", for_funder=True),
        await a_member(grants, round, "Marker Reserve", seat="reserve", professions=["doctor"]),
    ]
    if closed:
        await closes(grants, round)
    async with grants.reading() as tx:
        found = await tx.fetch("SELECT id FROM criteria WHERE round_id = $1 ORDER BY number", round)
    return Panelled(fund, round, handed, members, [row["id"] for row in found])


async def closes(grants: Database, round: UUID) -> None:
    """Nobody can apply any more."""
    async with acting(grants) as tx:
        await rounds.close_round(tx, round)


async def scores(
    grants: Database,
    case: Case,
    member: Person,
    given: dict[UUID, int | None],
    *,
    comment: str = "",
    submitted: bool = True,
) -> None:
    """A member has scored a case, by criterion; ``None`` where they cannot judge.

    Others may read the comment.
    """
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO reviews (application_id, person_id, comment, shown, submitted_at, changed_at)"
            " VALUES ($1, $2, $3, $3, $4, $5)",
            case.application_id,
            member.id,
            comment,
            tx.now if submitted else None,
            tx.now,
        )
        rows = [(case.application_id, member.id, criterion, score) for criterion, score in given.items()]
        await tx.executemany("INSERT INTO scores VALUES ($1, $2, $3, $4)", rows)


async def a_conflict(
    grants: Database,
    application: UUID,
    member: Person,
    *,
    tie: str | None = "family",
    source: str = "entered",
    state: str = "confirmed",
) -> UUID:
    """A member is, or may be, too close to whoever applies."""
    id = uuid4()
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO conflicts (id, application_id, person_id, source, tie, state, noticed_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            id,
            application,
            member.id,
            source,
            tie,
            state,
            tx.now,
        )
    return id


async def a_meeting(grants: Database, at: Panelled, *, present: Sequence[Person] | None = None) -> UUID:
    """A meeting that has begun, with everything on its agenda; all members are there unless it is said."""
    id = uuid4()
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO meetings (id, round_id, begun_at, begun_by) VALUES ($1, $2, $3, $4)",
            id,
            at.id,
            tx.now,
            OFFICER.id,
        )
        for person in at.members if present is None else present:
            await tx.execute(
                "INSERT INTO attendance (meeting_id, person_id, arrived_at) VALUES ($1, $2, $3)",
                id,
                person.id,
                tx.now,
            )
        for case in at.cases:
            await tx.execute(
                "INSERT INTO items (meeting_id, application_id) VALUES ($1, $2)", id, case.application_id
            )
    return id


async def a_decision(
    grants: Database,
    at: Panelled,
    case: Case,
    meeting: UUID,
    *,
    kind: str = "award",
    pence: int | None = None,
    words: str = "The panel has read it with care.",
    why_changed: str = "",
    counted: Sequence[UUID] = (),
) -> UUID:
    """What was decided on a case, with the money committed for it.

    Args:
        counted: those whose scores it rests on.
    """
    id = uuid4()
    if kind == "award" and pence is None:
        pence = 14_500
    async with grants.transaction() as tx:
        number = await tx.fetchval(
            "SELECT count(*) + 1 FROM decisions WHERE application_id = $1", case.application_id
        )
        await tx.execute(
            "INSERT INTO decisions (id, application_id, number, meeting_id, kind, amount_pence, present,"
            " stepped_out, acquainted, basis, decided_by, decided_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, '{}', '{}', $8, $9, $10)",
            id,
            case.application_id,
            number,
            meeting,
            kind,
            pence,
            [member.id for member in at.members],
            {"scores": [{"person": str(id)} for id in counted]},
            OFFICER.id,
            tx.now,
        )
        await tx.execute(
            "INSERT INTO reasons (decision_id, words, why_changed) VALUES ($1, $2, $3)",
            id,
            words,
            why_changed,
        )
        if pence:
            await ledger.commit(tx, at.fund, pence, award=case.application_id, cause=id)
    return id


async def an_award(grants: Database, at: Panelled, case: Case, *, pence: int = 14_500) -> None:
    """A published award that nobody has answered yet, with the money committed for it."""
    meeting = await a_meeting_of(grants, at)
    await a_decision(grants, at, case, meeting, pence=pence)
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO awards (application_id, fund_id, amount_pence, offered_at, answer_by)"
            " VALUES ($1, $2, $3, $4, $5)",
            case.application_id,
            at.fund,
            pence,
            tx.now,
            (tx.now + timedelta(days=28)).date(),
        )
        await tx.execute("UPDATE rounds SET state = $1 WHERE id = $2", RoundState.PUBLISHED.value, at.id)
    await to_state(grants, case.application_id, "awarded")


async def a_meeting_of(grants: Database, at: Panelled) -> UUID:
    """The meeting of a round, begun if there is none yet."""
    async with grants.reading() as tx:
        found: UUID | None = await tx.fetchval("SELECT id FROM meetings WHERE round_id = $1", at.id)
    return found or await a_meeting(grants, at)
