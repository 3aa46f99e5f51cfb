"""The panel's part of the Forum's year: a fund, doctors who apply to it, and a panel that shares it out.

Each step does what somebody would do on a page, by the same functions, and nothing if it was done before.
"""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.process import Process
from contracts.access import Role
from contracts.topology import GRANTS
from services.grants import applying, cases, conflicts, judging, panel, reviews, rounds
from services.grants.applicants import applicant_of
from services.grants.colleagues import colleagues_with
from services.grants.conflicts import Interest, Kind, Tie
from services.grants.contributions import Receipt, receive
from services.grants.examples import apply
from services.grants.funds import Fund, open_fund
from services.grants.panel import Place, Seat
from services.grants.queries import APPLICATIONS, CONFLICTS, DESK, FUNDS, ROUNDS
from services.grants.reviews import Review
from services.grants.rounds import Criterion, Round, RoundState, takes_applications
from services.grants.states import State
from services.installation import EXAMPLES


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / f"{name}.toml").read_text("utf-8"))


# Funds and rounds


async def open_funds(process: Process) -> None:
    """The two funds, what came for one of them, and a round of it."""
    async with process.database(GRANTS).transaction() as tx:
        if not [row async for row in FUNDS.funds_listed(tx)]:
            for each in _read("funds")["funds"]:
                await _open_fund(tx, each)


async def _open_fund(tx: Transaction, described: dict[str, Any]) -> None:
    """A fund with what came for it and its rounds, each of which is opened."""
    came, planned = described.pop("received", []), described.pop("rounds", [])
    described.pop("next_round", None)
    funders = [await _body(tx, name) for name in described.pop("funders")]
    restrictions = tuple(described.pop("restrictions"))
    fund = Fund(**described, funders=tuple(funders), restrictions=restrictions)
    id = await open_fund(tx, fund)
    for receipt in came:
        body = await _body(tx, receipt.pop("body"))
        await receive(tx, id, Receipt(**receipt, organisation_id=body))
    for plan in planned:
        await _open_round(tx, id, plan)


async def open_next_round(process: Process) -> None:
    """People may apply once more, on the terms of the first round, unless they may already."""
    [fund] = [each for each in _read("funds")["funds"] if "next_round" in each]
    plan = fund["rounds"][0] | {"name": fund["next_round"]}
    async with process.database(GRANTS).transaction() as tx:
        known = {row["name"] async for row in ROUNDS.rounds_listed(tx, most=200)}
        ids = {row["name"]: row["id"] async for row in FUNDS.funds_listed(tx)}
        if plan["name"] not in known:
            await _open_round(tx, ids[fund["name"]], plan)


async def _body(tx: Transaction, name: str) -> UUID:
    [row] = [row async for row in FUNDS.bodies_called(tx, names=[name])]
    id: UUID = row["id"]
    return id


async def _open_round(tx: Transaction, fund_id: UUID, plan: dict[str, Any]) -> None:
    today, criteria = tx.context.clock.today(), plan.pop("criteria")
    described: dict[str, Any] = {
        "fund_id": fund_id,
        "opens_on": today,
        "closes_on": today + timedelta(days=plan.pop("closes_after")),
        "meets_on": today + timedelta(days=plan.pop("meets_after")),
        **{name: tuple(plan.pop(name)) for name in ("professions", "purposes", "eligibility")},
    }
    id = await rounds.begin_round(tx, Round(**described, **plan))
    for each in criteria:
        words = tuple(each.pop("words"))
        await rounds.add_criterion(tx, id, Criterion(**each, words=words))
    await rounds.open_round(tx, id)


async def example_round(tx: Transaction, *states: RoundState) -> UUID | None:
    """The round of the example, if it is in one of these states."""
    [name] = [plan["name"] for each in _read("funds")["funds"] for plan in each.get("rounds", [])]
    for row in [each async for each in ROUNDS.rounds_listed(tx, most=200)]:
        if row["name"] == name and row["state"] in states:
            id: UUID = row["id"]
            return id
    return None


# The panel


def members() -> list[dict[str, Any]]:
    """The panel, as its file describes it."""
    found: list[dict[str, Any]] = _read("panel")["members"]
    return found


async def seat_panel(process: Process) -> None:
    """Ask the panel before anybody applies, so that applicants can say whom they know; all but one answer."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.OPEN)
        if round_id is None or await panel.members_of(tx, round_id):
            return
        ids = await people(tx)
        for member in members():
            place = Place(
                seat=Seat(member.get("seat", "member")),
                professions=tuple(member.get("professions", ())),
                for_funder=member.get("for_funder", False),
            )
            await panel.invite(tx, round_id, ids[member["email"]], place)
            if member.get("answers", True):
                await take_part(tx, round_id, ids[member["email"]], member)


async def take_part(tx: Transaction, round_id: UUID, person: UUID, member: Mapping[str, Any]) -> None:
    """A member says yes, and to whom and what they are close."""
    await panel.answer(tx, round_id, person, True)
    said = [Interest(Kind(kind), words) for kind, words in member.get("interests", [])]
    await conflicts.say_interests(tx, person, said)


async def people(tx: Transaction) -> dict[str, UUID]:
    """Those who may sit on a panel, by e-mail address."""
    return {each.email: each.id for each in await colleagues_with(tx, Role.PANEL_MEMBER)}


async def officer(tx: Transaction) -> UUID:
    """Who keeps the round."""
    return (await colleagues_with(tx, Role.GRANTS_OFFICER))[0].id


# Applications


async def applications(process: Process) -> None:
    """Doctors ask for more than there is, unless they have, or the round does not take it today."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.OPEN)
        if round_id is None or await _count(tx, round_id):
            return
        row = await ROUNDS.round_by_id(tx, id=round_id)
        today = tx.context.clock.today()
        if takes_applications(row["state"], row["opens_on"], row["closes_on"], today):
            ids = await people(tx)
            for each in _read("applications")["applications"]:
                knows = [ids[email] for email in each.get("knows", ())]
                await apply(tx, round_id, each, knows=knows)


async def _count(tx: Transaction, round_id: UUID) -> int:
    """How many there are in a round, drafts among them."""
    return sum([row["count"] async for row in APPLICATIONS.applications_counted(tx, round_id=round_id)])


async def check(process: Process) -> None:
    """The round closes, and the officer says of each application whether it may go to the panel."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.OPEN)
        if round_id is None:
            return
        await rounds.close_round(tx, round_id)
        by = await officer(tx)
        sent = await in_state(tx, round_id, State.SUBMITTED)
        for row in reversed(sent):  # of what was sent twice, the first counts
            unmet = (await judging.examine(tx, row)).unmet()
            if unmet:
                await judging.refuse(tx, row["id"], by, seen=row["version"], rule=unmet[0].rule, words="")
            else:
                await judging.accept(tx, row["id"], by, seen=row["version"])


async def in_state(tx: Transaction, round_id: UUID, state: State) -> list[Any]:
    """The applications of a round that stand there."""
    rows = APPLICATIONS.applications_listed(tx, round_id=round_id, states=[state], after=None, most=200)
    return [await APPLICATIONS.application_by_id(tx, id=row["id"]) for row in [each async for each in rows]]


async def hand_over(process: Process) -> None:
    """The officer writes what the panel reads, settles who is too close to whom, and hands over."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.CLOSED)
        if round_id is None:
            return
        by = await officer(tx)
        for row in await in_state(tx, round_id, State.ELIGIBLE):
            at = await cases.to_prepare(tx, row["id"])
            words = await cases.first_words(tx, row)
            await cases.prepare(tx, at, words=words, papers=await _papers(tx, row))
        noticed = CONFLICTS.conflicts_of_round(tx, round_id=round_id, most=200)
        for each in [row async for row in noticed]:
            if each["state"] == conflicts.Standing.SUGGESTED:
                await conflicts.settle(tx, each["id"], by, tie=Tie.TEAM)
        await cases.hand_over_all(tx, round_id, by)


async def _papers(tx: Transaction, row: Mapping[str, Any]) -> str:
    papers = await applying.evidence_of(tx, row["id"])
    if not papers:
        return "No paper was sent. The booking has to be shown before anything is paid."
    booked = row["exam_on"] is not None and len(papers) > 1
    seen = "the booking of the exam" if booked else "registration with the Forum"
    return f"Seen by the officer: {seen}."


# Reviews


async def review(process: Process) -> None:
    """Those who have answered say whom they know, and score what they have."""
    async with process.database(GRANTS).transaction() as tx:
        round_id = await example_round(tx, RoundState.CLOSED)
        if round_id is None:
            return
        ids = await people(tx)
        for member in members():
            if member.get("answers", True):
                await score(tx, round_id, ids[member["email"]], member)


async def reviewed(process: Process) -> bool:
    """Whether the panel has begun to score, or has done more than that since."""
    async with process.database(GRANTS).reading() as tx:
        round_id = await example_round(tx, RoundState.CLOSED)
        if round_id is None:
            return await example_round(tx, RoundState.DECIDED, RoundState.PUBLISHED) is not None
        ids = (await people(tx)).values()
        desks = [await _desk(tx, round_id, person) for person in ids]
        return any(row["done"] for desk in desks for row in desk)


async def score(tx: Transaction, round_id: UUID, person: UUID, member: Mapping[str, Any]) -> None:
    """A member says whom they know, and gives scores for each case that they have and have not scored."""
    asked = _read("applications")["applications"]
    given = {each["email"]: each["scores"] for each in asked if "scores" in each}
    declared = dict(member.get("declares", ()))
    criteria = [row["id"] async for row in ROUNDS.criteria_of(tx, round_id=round_id)]
    for row in await _desk(tx, round_id, person):
        case = await reviews.case_for(tx, person, row["id"])
        who = await applicant_of(tx, case["application_id"])
        tie = Tie(declared[who.email]) if who and who.email in declared else None
        if tie is not None:
            await conflicts.declare(tx, person, case["application_id"], tie)
        if who is None or row["done"] or tie not in (None, Tie.ACQUAINTANCE):
            continue
        leaning = zip(given[who.email], member["leaning"], strict=True)
        scores = [min(max(base + more, 0), 5) for base, more in leaning]
        said = Review(scores=dict(zip(criteria, scores, strict=True)))
        held = await reviews.hold(tx, person, row["id"])
        await reviews.save(tx, person, held, said, submit=True)


async def _desk(tx: Transaction, round_id: UUID, person: UUID) -> list[Any]:
    rows = DESK.desk_of(tx, person_id=person, round_id=round_id, after=None, most=200)
    return [row async for row in rows]
