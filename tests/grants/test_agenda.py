"""The agenda in its order, which the database keeps: the same that the rules say, exactly, page by page."""

import asyncio
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.audit import acting
from chassis.database import Database, rows_of
from chassis.errors import Conflict
from services.grants import meetings, panel, reviews, web
from services.grants.queries import MEETING
from services.grants.reviews import Review
from services.grants.sitting import Item, Sitting, sitting
from services.grants.web.meeting import PAGE
from tests.conftest import client
from tests.grants.applying import key_in
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_case,
    a_conflict,
    a_decision,
    a_meeting,
    a_panel,
    closes,
    scores,
    to_state,
)

WEIGHTS = (60, 7, 33)


async def a_weighted_panel(grants: Database, cases: int) -> Panelled:
    """A panel that scores by three criteria."""
    at = await a_panel(grants, cases)
    added = [uuid4() for _ in WEIGHTS[1:]]
    async with grants.transaction() as tx:
        await tx.execute(
            "INSERT INTO criteria (id, round_id, number, name, weight, words)"
            " SELECT id, $1, number + 1, 'Another', weight, '{0,1,2,3,4,5}'"
            " FROM unnest($2::uuid[], $3::integer[]) WITH ORDINALITY AS added (id, weight, number)",
            at.id,
            added,
            WEIGHTS[1:],
        )
    return Panelled(at.fund, at.id, at.cases, at.members, [*at.criteria, *added])


def part_of(found: Sitting, item: Item) -> int:
    if found.decided_here(item) is not None:
        return 2
    return 0 if found.quorum(item).holds else 1


def as_the_rules_say(found: Sitting) -> list[tuple[int, str]]:
    """The order by the pure rules: parts and labels."""

    def rank(item: Item) -> tuple[int, Fraction, str]:
        mean = found.mean(item)
        return part_of(found, item), Fraction(1) if mean is None else -mean, item.label

    return [(part_of(found, item), item.label) for item in sorted(found.items, key=rank)]


async def listed(tx: Any, meeting: UUID, most: int, find: str = "") -> list[tuple[int, str]]:
    """The order as pages show it, so many cases on each."""
    shown: list[Any] = []
    while True:
        last = shown[-1] if shown else {"part": 0, "case_id": None}
        wanted = {"part": last["part"], "after": last["case_id"], "find": find, "most": most}
        rows = await rows_of(MEETING.agenda_of(tx, meeting_id=meeting, **wanted))
        if not rows:
            return [(row["part"], row["label"]) for row in shown]
        shown += rows


async def holds(grants: Database, meeting: UUID) -> list[tuple[int, str]]:
    """The order, which is the same by the rules and on pages of any size."""
    async with grants.reading() as tx:
        order = as_the_rules_say(await sitting(tx, meeting))
        for most in (2, 100):
            assert await listed(tx, meeting, most) == order
    return order


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_the_order_is_the_one_that_the_rules_say(grants: Database, seed: int) -> None:
    lots = random.Random(seed)
    at = await a_weighted_panel(grants, 7)
    meeting = await a_meeting(grants, at, present=at.members[: lots.randint(0, 4)])
    await holds(grants, meeting)
    for happen in _happenings(grants, at, meeting, lots):
        await happen
        await holds(grants, meeting)


def _happenings(grants: Database, at: Panelled, meeting: UUID, lots: random.Random) -> Iterator[Any]:
    """What may happen at a meeting, in any order; each once."""
    for case in at.cases:
        for member in at.members:
            if lots.random() < 0.8:
                given = {criterion: lots.choice([None, 1, 2, 4]) for criterion in at.criteria}
                yield scores(grants, case, member, given, submitted=lots.random() < 0.8)
        if lots.random() < 0.5:
            tie = lots.choice(["family", "acquaintance", None])
            state = "suggested" if tie is None else "confirmed"
            yield a_conflict(grants, case.application_id, lots.choice(at.members), tie=tie, state=state)
        if lots.random() < 0.3:
            yield a_decision(grants, at, case, meeting, kind=lots.choice(["decline", "defer"]))
        if lots.random() < 0.4:
            yield _stands_in(grants, at, meeting, case)
        if lots.random() < 0.4:
            yield _comes_or_goes(grants, at, meeting, lots)
    yield _leaves(grants, at, lots)


async def _stands_in(grants: Database, at: Panelled, meeting: UUID, case: Case) -> None:
    for change in (meetings.stand_in, meetings.stand_back, meetings.stand_in):
        try:
            async with acting(grants) as tx:
                await change(tx, meeting, case.id, at.members[3].id)
        except Conflict:
            return  # the case is kept from them


async def _comes_or_goes(grants: Database, at: Panelled, meeting: UUID, lots: random.Random) -> None:
    async with acting(grants) as tx:
        await lots.choice([meetings.arrive, meetings.leave])(tx, meeting, lots.choice(at.members).id)


async def _leaves(grants: Database, at: Panelled, lots: random.Random) -> None:
    async with acting(grants) as tx:
        await panel.leave(tx, at.id, lots.choice(at.members).id)


async def test_what_can_be_decided_comes_first(grants: Database) -> None:
    at = await a_panel(grants, 3)
    meeting = await a_meeting(grants, at)
    for case, score in zip(at.cases, (3, 5, 4), strict=True):
        await scores(grants, case, at.members[0], dict.fromkeys(at.criteria, score))
    await a_conflict(grants, at.cases[1].application_id, at.members[2])
    order = [label for _, label in await holds(grants, meeting)]
    assert order == [at.cases[number].label for number in (2, 0, 1)]


async def test_the_same_mean_by_other_scores_is_the_same(grants: Database) -> None:
    """Thirds do not end: cut off one by one they would add up to less than they are."""
    at = await a_weighted_panel(grants, 3)
    meeting = await a_meeting(grants, at)
    one, other, less = at.cases
    for member, score, turn in zip(at.members[:3], (1, 2, 2), range(3), strict=True):
        by_turns = [2 if number != turn else 1 for number in range(3)]
        await scores(grants, one, member, dict(zip(at.criteria, by_turns, strict=True)))
        await scores(grants, other, member, dict.fromkeys(at.criteria, score))
        await scores(grants, less, member, dict.fromkeys(at.criteria, 1))
    async with grants.reading() as tx:
        rows = await tx.fetch("SELECT application_id, low FROM items WHERE meeting_id = $1", meeting)
    lows = {row["application_id"]: row["low"] for row in rows}
    assert lows[one.application_id] == lows[other.application_id] < lows[less.application_id] < 0
    await holds(grants, meeting)


async def test_scores_of_the_same_moment_are_all_counted(grants: Database) -> None:
    at = await a_weighted_panel(grants, 2)
    meeting = await a_meeting(grants, at)

    async def hand_in(member: Any, case: Case, score: int) -> None:
        async with acting(grants) as tx:
            held = await reviews.hold(tx, member.id, case.id)
            await asyncio.sleep(0.05)
            said = Review(scores=dict.fromkeys(at.criteria, score))
            await reviews.save(tx, member.id, held, said, submit=True)

    await asyncio.gather(
        *(hand_in(member, case, number) for number, member in enumerate(at.members[:3]) for case in at.cases)
    )
    await holds(grants, meeting)


async def test_scores_are_counted_that_come_while_the_meeting_begins(grants: Database) -> None:
    at = await a_weighted_panel(grants, 2)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hand_in() -> None:
        async with acting(grants) as tx:
            held = await reviews.hold(tx, at.members[0].id, at.cases[1].id)
            said = Review(scores=dict.fromkeys(at.criteria, 5))
            await reviews.save(tx, at.members[0].id, held, said, submit=True)
            entered.set()
            await go_on.wait()

    async def begin() -> UUID:
        await entered.wait()
        asyncio.get_running_loop().call_later(0.3, go_on.set)
        async with acting(grants) as tx:
            return await meetings.begin(tx, at.id, OFFICER.id)

    _, meeting = await asyncio.gather(hand_in(), begin())
    assert (await holds(grants, meeting))[0][1] == at.cases[1].label


async def test_a_long_agenda_has_pages(grants: Database, statements: list[str]) -> None:
    at = await a_panel(grants, 1, closed=False)
    cases = [*at.cases, *[await a_case(grants, at.id, number) for number in range(2, PAGE + 3)]]
    await closes(grants, at.id)
    async with acting(grants) as tx:
        meeting = await meetings.begin(tx, at.id, OFFICER.id)
    path = f"/grants/meetings/{meeting}"
    await to_state(grants, cases[0].application_id, "withdrawn")
    async with client(web.build(grants), "/grants", OFFICER) as browser:

        async def labels(address: str) -> list[str]:
            page = await browser.get(address)
            assert page.status_code == 200
            return re.findall(r"<li[^>]*><span><b>([^<]+)</b>", page.text)

        first = await labels(path)
        assert first == sorted(case.label for case in cases)[:PAGE]
        statements.clear()
        page = await browser.get(path)
        asked = len(statements)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        assert following
        rest = await labels(following.group(1).replace("&amp;", "&"))
        assert first + rest == sorted(case.label for case in cases)
        statements.clear()
        assert await labels(f"{path}?find={cases[7].label.lower()}") == [cases[7].label]
        assert len(statements) == asked
        assert "No case on the agenda" in (await browser.get(path, params={"find": "Ø'%_"})).text
        for wrong in ({"after": "x"}, {"after": str(cases[0].id), "part": "9"}, {"after": str(uuid4())}):
            assert (await browser.get(path, params=wrong)).status_code == 400


async def test_a_short_agenda_has_no_search(grants: Database) -> None:
    at = await a_panel(grants, 2)
    meeting = await a_meeting(grants, at)
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        assert "Find a case by its label" not in (await browser.get(f"/grants/meetings/{meeting}")).text


async def test_each_button_of_the_agenda_acts_once(grants: Database) -> None:
    """They share the key of their form."""
    at = await a_panel(grants, 2)
    meeting = await a_meeting(grants, at)
    path = f"/grants/meetings/{meeting}"
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        key = key_in(await browser.get(path), "-open")
        for case in (at.cases[0], at.cases[1], at.cases[0]):
            answer = await browser.post(f"{path}/open", data={"key": key, "case": str(case.id)})
            assert answer.status_code == 303, answer.text
        page = (await browser.get(path)).text
    assert f"On now: case {at.cases[1].label}" in page, "the first button came a second time"
