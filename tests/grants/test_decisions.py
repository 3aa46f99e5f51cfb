"""Decisions of a panel: each once, with its money, by those who may; changed only by another one."""

import asyncio
import os
import random
import signal
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis import failpoints
from chassis.audit import Actor, acting
from chassis.database import Database
from chassis.errors import Conflict, NotFound, Refused
from chassis.rights import Subject
from contracts.envelope import pounds_sterling
from contracts.grants import ApplicationDecided, ApplicationWithdrawn
from services.grants import applying, held, ledger, meetings, publishing, reviews
from services.grants.applying import token_of
from services.grants.decisions import Decision, Kind, record
from services.grants.reviews import Review
from services.grants.states import State
from tests.conftest import MakeDatabase, announced
from tests.grants.applying import letters, state_of
from tests.grants.mortal import elsewhere
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_conflict,
    a_meeting,
    a_panel,
    an_applicant,
    scores,
)

#: How often the races are run; more by hand and before a release.
ROUNDS = int(os.environ.get("ROUNDS", "3"))

AWARD = Decision(kind=Kind.AWARD, amount_pence=14_500, without_missing=True)
DECLINE = Decision(kind=Kind.DECLINE, words="There was not enough money.", without_missing=True)
DEFER = Decision(kind=Kind.DEFER)


async def decide(database: Database, meeting: UUID, case: Case, said: Decision = AWARD) -> UUID:
    actor = Actor(person=OFFICER.id, source="test", action="test")
    async with acting(database, actor) as tx:
        return await record(tx, meeting, case.id, said, OFFICER.id)


async def decided(database: Database, meeting: UUID, case: Case, said: Decision = AWARD) -> bool:
    """Whether it was recorded."""
    try:
        await decide(database, meeting, case, said)
    except Conflict:
        return False
    return True


async def all_score(database: Database, at: Panelled, case: Case, score: int = 4) -> None:
    for member in at.members[:3]:
        await scores(database, case, member, dict.fromkeys(at.criteria, score))


async def free(database: Database, at: Panelled) -> int:
    """What is free, once it is certain that the ledger is sound."""
    async with database.reading() as tx:
        assert await ledger.differing(tx) == []
        return (await ledger.balance(tx, at.fund)).free_pence


async def rows(database: Database, case: Case) -> list[Any]:
    async with database.reading() as tx:
        return await tx.fetch(
            "SELECT * FROM decisions LEFT JOIN reasons ON decision_id = id WHERE application_id = $1"
            " ORDER BY number",
            case.application_id,
        )


async def ends(database: Database, meeting: UUID) -> None:
    async with acting(database) as tx:
        await meetings.end(tx, meeting)


async def publishes(database: Database, at: Panelled) -> None:
    async with acting(database) as tx:
        await publishing.publish(tx, at.id, OFFICER.id)


async def test_an_award_keeps_who_decided_and_on_what(grants: Database) -> None:
    at = await a_panel(grants)
    case, meeting = at.cases[0], await a_meeting(grants, at)
    await all_score(grants, at, case)
    await a_conflict(grants, case.application_id, at.members[1], tie="acquaintance")
    await decide(grants, meeting, case, Decision(kind=Kind.AWARD, amount_pence=10_000))
    [row] = await rows(grants, case)
    assert set(row["present"]) == {member.id for member in at.members[:3]}
    assert (row["stepped_out"], row["acquainted"]) == ([], [at.members[1].id])
    assert row["basis"]["mean"] == "4"
    assert len(row["basis"]["scores"]) == 3 * len(at.criteria)
    assert row["basis"]["quorum"]["counted"] == 3
    assert await free(grants, at) == 490_000
    assert await state_of(grants, case.application_id) == "under_review", "nobody is told yet"
    assert not [event for event in await announced(grants) if event.fact is ApplicationDecided]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (Decision(kind=Kind.AWARD), "amount"),
        (Decision(kind=Kind.AWARD, amount_pence=14_501, without_missing=True), "amount"),
        (Decision(kind=Kind.AWARD, amount_pence=-1, without_missing=True), "amount"),
        (Decision(kind=Kind.DECLINE, amount_pence=1, words="no", without_missing=True), "amount"),
        (Decision(kind=Kind.DECLINE, without_missing=True), "words"),
        (Decision(kind=Kind.AWARD, amount_pence=14_500), "without_missing"),
        (Decision(kind=Kind.AWARD, amount_pence=14_500, without_missing=True, follows=1), "follows"),
    ],
)
async def test_what_is_not_whole_is_refused_at_its_field(
    grants: Database, said: Decision, field: str
) -> None:
    at = await a_panel(grants, 1)
    meeting = await a_meeting(grants, at)
    with pytest.raises(Refused) as refused:
        await decide(grants, meeting, at.cases[0], said)
    assert refused.value.field == field
    assert await rows(grants, at.cases[0]) == []
    assert await free(grants, at) == 500_000


async def test_the_round_says_how_much_one_award_may_be(grants: Database) -> None:
    at = await a_panel(grants, 1, most_pence=9_000)
    meeting = await a_meeting(grants, at)
    with pytest.raises(Refused, match=r"too much"):
        await decide(grants, meeting, at.cases[0])
    await decide(
        grants, meeting, at.cases[0], Decision(kind=Kind.AWARD, amount_pence=9_000, without_missing=True)
    )


async def test_nothing_is_decided_by_too_few(grants: Database) -> None:
    at = await a_panel(grants, 1)
    case, meeting = at.cases[0], await a_meeting(grants, at)
    await a_conflict(grants, case.application_id, at.members[2])
    for said in (AWARD, DECLINE):
        with pytest.raises(Conflict, match=r"1 more member, somebody for the funder") as refused:
            await decide(grants, meeting, case, said)
        assert refused.value.field == "quorum"
    await decide(grants, meeting, case, DEFER)
    [row] = await rows(grants, case)
    assert row["stepped_out"] == [at.members[2].id]
    assert row["basis"]["quorum"]["lacking"] == ["1 more member", "somebody for the funder"]


async def test_a_reserve_mends_the_quorum_of_one_case(grants: Database) -> None:
    at = await a_panel(grants, 2)
    meeting, reserve = await a_meeting(grants, at), at.members[3]
    for case in at.cases:
        await a_conflict(grants, case.application_id, at.members[0])
    async with acting(grants) as tx:
        await meetings.stand_in(tx, meeting, at.cases[0].id, reserve.id)
    await decide(grants, meeting, at.cases[0])
    [row] = await rows(grants, at.cases[0])
    assert reserve.id in row["present"]
    assert row["basis"]["quorum"]["stood_in"] == [str(reserve.id)]
    assert not await decided(grants, meeting, at.cases[1]), "it counts for the other case only"


async def test_scores_of_whoever_steps_out_are_not_counted(grants: Database) -> None:
    at = await a_panel(grants, 1, quorum=2, needs_funder=False)
    case, meeting = at.cases[0], await a_meeting(grants, at)
    for member, score in zip(at.members, (5, 1, 1, 5), strict=True):
        await scores(grants, case, member, dict.fromkeys(at.criteria, score))
    await a_conflict(grants, case.application_id, at.members[0])
    await decide(grants, meeting, case, Decision(kind=Kind.AWARD, amount_pence=100))
    [row] = await rows(grants, case)
    assert row["basis"]["mean"] == "1", "neither of whoever stepped out nor of a reserve"


async def test_more_than_is_free_is_refused_with_what_is(grants: Database) -> None:
    at = await a_panel(grants, 2, pence=20_000)
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0])
    with pytest.raises(Conflict, match=r"This fund has £55 that is free") as refused:
        await decide(grants, meeting, at.cases[1])
    assert refused.value.field == "amount"
    assert await rows(grants, at.cases[1]) == []
    part = Decision(kind=Kind.AWARD, amount_pence=5_500, without_missing=True)
    await decide(grants, meeting, at.cases[1], part)
    assert await free(grants, at) == 0


async def test_another_decision_has_the_next_number_and_moves_the_money(grants: Database) -> None:
    at = await a_panel(grants, 1, pence=15_000)
    case, meeting = at.cases[0], await a_meeting(grants, at)
    await decide(grants, meeting, case)
    less: dict[str, Any] = {"amount_pence": 10_000, "follows": 1, "without_missing": True}
    with pytest.raises(Refused, match="not said why"):
        await decide(grants, meeting, case, Decision(kind=Kind.AWARD, **less))
    await decide(grants, meeting, case, Decision(kind=Kind.AWARD, why_changed="Mistyped.", **less))
    assert await free(grants, at) == 5_000
    no = Decision(kind=Kind.DECLINE, words="No.", why_changed="?", follows=2, without_missing=True)
    await decide(grants, meeting, case, no)
    assert await free(grants, at) == 15_000
    found = await rows(grants, case)
    assert [(row["number"], row["kind"], row["why_changed"]) for row in found] == [
        (1, "award", ""),
        (2, "award", "Mistyped."),
        (3, "decline", "?"),
    ]


async def test_a_decision_stays_as_it_was_recorded(grants: Database) -> None:
    at = await a_panel(grants, 1)
    meeting = await a_meeting(grants, at)
    first = await decide(grants, meeting, at.cases[0])
    assert await decide(grants, meeting, at.cases[0]) == first, "the same once more is the same"
    assert not await decided(grants, meeting, at.cases[0], DECLINE), "another one says what it follows on"
    for statement in ("UPDATE decisions SET kind = 'defer'", "DELETE FROM decisions"):
        with pytest.raises(Exception, match="only followed by another"):
            async with grants.transaction() as tx:
                await tx.execute(statement)
    await ends(grants, meeting)
    assert not await decided(grants, meeting, at.cases[0]), "the meeting is over"


async def test_unknown_meetings_and_cases(grants: Database) -> None:
    at = await a_panel(grants, 1)
    meeting = await a_meeting(grants, at)
    for where, case in ((uuid4(), at.cases[0]), (meeting, Case(uuid4(), uuid4(), "XXXX"))):
        with pytest.raises(NotFound):
            await decide(grants, where, case)


# Publishing


async def test_publishing_tells_everybody_in_one_step(grants: Database) -> None:
    at = await a_panel(grants, 3)
    meeting = await a_meeting(grants, at)
    for case, said in zip(at.cases, (AWARD, DECLINE, DEFER), strict=True):
        await decide(grants, meeting, case, said)
    with pytest.raises(Conflict, match="A meeting is going on"):
        await publishes(grants, at)
    await ends(grants, meeting)
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT state FROM rounds WHERE id = $1", at.id) == "decided"
    await publishes(grants, at)
    states = [await state_of(grants, case.application_id) for case in at.cases]
    assert states == ["awarded", "declined", "deferred"]
    told = [event.data for event in await announced(grants) if event.fact is ApplicationDecided]
    by_case = {data["application_id"]: data for data in told}
    award, decline, _ = (by_case[case.application_id] for case in at.cases)
    assert len(told) == 3
    assert award["awarded"] == pounds_sterling(14_500)
    assert (decline["awarded"], decline["answer_by"]) == (None, None)
    words = {letter["words"] for letter in await letters(grants, ApplicationDecided)}
    assert words == {"", "There was not enough money."}
    async with grants.reading() as tx:
        [offer] = await tx.fetch("SELECT * FROM awards")
        assert (offer["application_id"], offer["amount_pence"]) == (at.cases[0].application_id, 14_500)
        assert (offer["answer_by"] - tx.today).days in (28, 29)
    with pytest.raises(Conflict, match="published already"):
        await publishes(grants, at)


async def test_who_was_told_nothing_before_is_not_told_that_anything_is_replaced(grants: Database) -> None:
    at = await a_panel(grants, 1)
    for said in (DEFER, Decision(kind=Kind.AWARD, amount_pence=9_000, **LATER)):
        meeting = await a_meeting(grants, at)
        await decide(grants, meeting, at.cases[0], said)
        await ends(grants, meeting)
    await publishes(grants, at)
    [told] = [event.data for event in await announced(grants) if event.fact is ApplicationDecided]
    assert (told["decision"], told["number"], told["replaces"]) == ("award", 2, False)


async def test_nothing_is_published_while_a_case_waits(grants: Database) -> None:
    at = await a_panel(grants, 2)
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0])
    await ends(grants, meeting)
    with pytest.raises(Conflict, match="Cases without a decision: 1"):
        await publishes(grants, at)
    assert await state_of(grants, at.cases[0].application_id) == "under_review"


async def a_published(grants: Database, said: Decision, pence: int = 500_000) -> tuple[Panelled, UUID]:
    """A published round with one case, and a later meeting of it."""
    at = await a_panel(grants, 1, pence=pence)
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0], said)
    await ends(grants, meeting)
    await publishes(grants, at)
    async with acting(grants) as tx:
        later = await meetings.begin(tx, at.id, OFFICER.id)
        for member in at.members:
            await meetings.arrive(tx, later, member.id)
        await meetings.open_item(tx, later, at.cases[0].id)
    return at, later


LATER: dict[str, Any] = {"follows": 1, "why_changed": "The panel met again.", "without_missing": True}


@pytest.mark.parametrize(
    ("first", "then", "state", "pence"),
    [
        (DECLINE, Decision(kind=Kind.AWARD, amount_pence=9_000, **LATER), "awarded", 9_000),
        (DEFER, Decision(kind=Kind.AWARD, amount_pence=9_000, **LATER), "awarded", 9_000),
        (DEFER, Decision(kind=Kind.DECLINE, words="No.", **LATER), "declined", 0),
        (DEFER, Decision(kind=Kind.DEFER, **LATER), "deferred", 0),
        (AWARD, Decision(kind=Kind.DECLINE, words="No.", **LATER), "declined", 0),
        (AWARD, Decision(kind=Kind.AWARD, amount_pence=9_000, **LATER), "awarded", 9_000),
    ],
)
async def test_after_publication_another_decision_is_told_at_once(
    grants: Database, first: Decision, then: Decision, state: str, pence: int
) -> None:
    at, meeting = await a_published(grants, first)
    await decide(grants, meeting, at.cases[0], then)
    assert await state_of(grants, at.cases[0].application_id) == state
    told = [event.data for event in await announced(grants) if event.fact is ApplicationDecided]
    assert [(data["number"], data["replaces"]) for data in told] == [(1, False), (2, True)]
    assert await free(grants, at) == 500_000 - pence
    async with grants.reading() as tx:
        offered = [row["amount_pence"] for row in await tx.fetch("SELECT amount_pence FROM awards")]
    assert offered == ([pence] if pence else [])


async def test_what_was_accepted_is_not_taken_away(grants: Database) -> None:
    at, meeting = await a_published(grants, AWARD)
    async with grants.transaction() as tx:
        await tx.execute("UPDATE applications SET state = 'accepted'")
        await tx.execute("UPDATE awards SET accepted_at = $1", tx.now)
    no = Decision(kind=Kind.DECLINE, words="No.", **LATER)
    with pytest.raises(Conflict, match="moved on"):
        await decide(grants, meeting, at.cases[0], no)
    assert await free(grants, at) == 485_500


# Taking back and forgetting


async def test_taking_an_application_back_frees_what_was_committed(grants: Database) -> None:
    at = await a_panel(grants, 2)
    meeting = await a_meeting(grants, at)
    for case in at.cases:
        await decide(grants, meeting, case)
    token = token_of(grants.context, at.cases[0].application_id, 1)
    for _ in range(2):
        async with acting(grants) as tx:
            await applying.withdraw(tx, token)
    assert await free(grants, at) == 485_500
    assert not await decided(grants, meeting, at.cases[0], Decision(kind=Kind.AWARD, amount_pence=1, **LATER))
    await ends(grants, meeting)
    await publishes(grants, at)
    assert await state_of(grants, at.cases[0].application_id) == "withdrawn"
    told = [event.fact for event in await announced(grants)]
    assert (told.count(ApplicationDecided), told.count(ApplicationWithdrawn)) == (1, 1)


async def test_forgetting_somebody_frees_what_was_committed_and_drops_the_reason(grants: Database) -> None:
    at = await a_panel(grants, 1)
    meeting = await a_meeting(grants, at)
    await decide(grants, meeting, at.cases[0])
    async with grants.transaction() as tx:
        await held.forget(tx, Subject(emails=(an_applicant(1).email,)))
    assert await free(grants, at) == 500_000
    [row] = await rows(grants, at.cases[0])
    assert row["words"] is None
    assert await state_of(grants, at.cases[0].application_id) == State.WITHDRAWN


# At once


async def test_two_hundred_awards_at_once_and_room_for_ten(make_database: MakeDatabase) -> None:
    for _ in range(ROUNDS):
        grants = await make_database("grants")
        at = await a_panel(grants, 20, pence=1_000)
        meeting = await a_meeting(grants, at)
        said = Decision(kind=Kind.AWARD, amount_pence=100, without_missing=True)
        asked: list[Case] = [*at.cases] * 10
        random.shuffle(asked)
        taken = await asyncio.gather(*(decided(grants, meeting, case, said) for case in asked))
        won = {case.label for case, done in zip(asked, taken, strict=True) if done}
        assert len(won) == 10
        assert await free(grants, at) == 0
        async with grants.reading() as tx:
            found = await tx.fetch("SELECT count(*) AS n FROM decisions WHERE meeting_id = $1", meeting)
        assert found[0]["n"] == 10


async def test_approved_and_declined_in_the_same_moment(grants: Database) -> None:
    at = await a_panel(grants, 10)
    meeting = await a_meeting(grants, at)
    for case in at.cases:
        both = await asyncio.gather(
            *(decided(grants, meeting, case, said) for said in random.sample([AWARD, DECLINE], 2))
        )
        assert sorted(both) == [False, True]
        assert len(await rows(grants, case)) == 1
    async with grants.reading() as tx:
        awarded = await tx.fetchval("SELECT coalesce(sum(amount_pence), 0) FROM decisions")
    assert await free(grants, at) == 500_000 - awarded


async def test_deciding_and_taking_back_in_the_same_moment(grants: Database) -> None:
    at = await a_panel(grants, 8)
    meeting = await a_meeting(grants, at)

    async def takes_back(case: Case) -> None:
        async with acting(grants) as tx:
            await applying.withdraw(tx, token_of(grants.context, case.application_id, 1))

    acts = [act for case in at.cases for act in (decided(grants, meeting, case), takes_back(case))]
    await asyncio.gather(*acts)
    assert await free(grants, at) == 500_000


async def decides_and_publishes(database: Database, at: Panelled, meeting: UUID, place: str) -> None:
    """Whatever of it is not done yet, until it is killed at this place."""
    failpoints.arm(f"{place}=kill" if place else "")
    said = Decision(kind=Kind.AWARD, amount_pence=14_500, without_missing=True)
    async with database.reading() as tx:
        over = (await tx.fetchval("SELECT ended_at FROM meetings")) is not None
        state = await tx.fetchval("SELECT state FROM rounds")
    if not over:
        async with acting(database) as tx:
            await record(tx, meeting, at.cases[0].id, said, UUID(int=1))
        async with acting(database) as tx:
            await meetings.end(tx, meeting)
    if state != "published":
        async with acting(database) as tx:
            await publishing.publish(tx, at.id, UUID(int=1))


PLACES = (
    "decision.checked",
    "decision.entered",
    "ledger.locked",
    "ledger.settled",
    "decision.settled",
    "publishing.moved",
    "publishing.offered",
    "announce.before_commit",
)


@pytest.mark.timeout(180)
async def test_killed_between_any_two_steps_it_is_done_once(grants: Database) -> None:
    at = await a_panel(grants, 1)
    meeting, case = await a_meeting(grants, at), at.cases[0]
    for place in (*PLACES, ""):
        ended = await elsewhere(grants, decides_and_publishes, at, meeting, place)
        assert ended == (-signal.SIGKILL if place else 0), place
        assert len(await rows(grants, case)) == (place not in PLACES[:5])
        assert await free(grants, at) == (500_000 if place in PLACES[:5] else 485_500)
        assert (await state_of(grants, case.application_id) == "awarded") is (not place)
    told = [event for event in await announced(grants) if event.fact is ApplicationDecided]
    assert len(told) == 1


# What somebody gives while it is decided


async def gives(tx: Any, at: Panelled, member: UUID, score: int) -> None:
    case = await reviews.hold(tx, member, at.cases[0].id)
    said = Review(scores=dict.fromkeys(at.criteria, score))
    await reviews.save(tx, member, case, said, submit=True)


async def until_it_waits(database: Database, task: asyncio.Task[Any]) -> None:
    """Until a session waits for another one."""
    while not task.done():
        async with database.transaction() as tx:
            if await tx.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database())"
            ):
                return
    raise AssertionError("it did not wait")


@pytest.mark.parametrize("anew", [True, False])
async def test_a_decision_waits_for_a_score_that_is_being_saved_and_counts_it(
    grants: Database, *, anew: bool
) -> None:
    at = await a_panel(grants, 1)
    case, meeting, me = at.cases[0], await a_meeting(grants, at), at.members[0]
    if anew:
        await scores(grants, case, me, dict.fromkeys(at.criteria, 1))
    async with acting(grants) as tx:
        await gives(tx, at, me.id, 5)
        deciding = asyncio.create_task(decide(grants, meeting, case))
        await until_it_waits(grants, deciding)
    await deciding
    [row] = await rows(grants, case)
    assert [each["score"] for each in row["basis"]["scores"]] == [5] * len(at.criteria)


@pytest.mark.parametrize("anew", [True, False])
async def test_a_score_that_comes_while_it_is_decided_is_refused(grants: Database, *, anew: bool) -> None:
    at = await a_panel(grants, 1)
    case, meeting, me = at.cases[0], await a_meeting(grants, at), at.members[0]
    if anew:
        await scores(grants, case, me, dict.fromkeys(at.criteria, 1))

    async def saves() -> None:
        async with acting(grants) as tx:
            await gives(tx, at, me.id, 5)

    actor = Actor(person=OFFICER.id, source="test", action="test")
    async with acting(grants, actor) as tx:
        await record(tx, meeting, case.id, AWARD, OFFICER.id)
        saving = asyncio.create_task(saves())
        await until_it_waits(grants, saving)
    with pytest.raises(Conflict, match="decided on this case"):
        await saving
    [row] = await rows(grants, case)
    assert [each["score"] for each in row["basis"]["scores"]] == [1] * len(at.criteria) * anew
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM scores WHERE score = 5") == 0
