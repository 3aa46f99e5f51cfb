"""The firewall: what is kept from a member is nowhere, whatever happens.

Two worlds run side by side, one with an application that is kept from a member and one in which it never was.
Everything that the member can fetch must be the same in both, byte by byte: pages, headers, errors of ids
that they should not know, and what they get for what they send.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.routing import Route

from chassis.access import Person
from chassis.config import Settings
from chassis.database import Database, read_queries
from chassis.house import House
from chassis.testing import PrivatePostgres
from contracts.access import RULES, Role, may
from services.grants import sitting
from services.grants.conflicts import Tie
from services.grants.decisions import Kind
from services.grants.panel import Seat
from services.grants.queries import ATTENDING, MEETING
from tests.access import form_key
from tests.conftest import MakeDatabase, announced, client, databases
from tests.grants.applying import letter_in
from tests.grants.following import Answer, Following, a_glance
from tests.grants.worlds import (
    ACTS,
    MOST_CASES,
    OPENING,
    RESERVE,
    SEATS,
    Act,
    Answers,
    AskedAnew,
    Decided,
    Declares,
    Ended,
    Entered,
    Gives,
    Leaves,
    Opens,
    Reseated,
    Says,
    Settled,
    StandsIn,
    Ticked,
    Withdrawn,
    World,
    begin,
    happen,
    removals,
    the_same,
)

#: Tables of the machinery: nothing in them could be named in an address.
_NOT_BUSINESS = {"audit", "inbox", "outbox", "parked", "tokens"}

Breach = Callable[[Database], Awaitable[None]]
Run = Callable[..., Coroutine[Any, Any, list[str]]]


@dataclass(frozen=True)
class Plan:
    """What happens in a world."""

    cases: int
    #: From whom which case is kept.
    viewer: int
    kept: int
    before: Sequence[Act]
    removal: Act
    after: Sequence[Act]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    cases = draw(st.integers(1, MOST_CASES))
    viewer, kept = draw(st.integers(0, len(SEATS) - 1)), draw(st.integers(0, cases - 1))
    return Plan(
        cases=cases,
        viewer=viewer,
        kept=kept,
        before=[*draw(st.sampled_from([(), OPENING])), *draw(st.lists(ACTS, max_size=6))],
        removal=draw(removals(viewer, kept)),
        after=draw(st.lists(ACTS, max_size=6)),
    )


#: Things of one kind that are in both worlds and tried, each.
_OF_EACH = 4


async def ids_in(real: World, other: World) -> list[str]:
    """What things have for ids: what somebody could put into an address. All that is in one world alone, and
    some of each kind that is in both.
    """
    found: list[UUID] = [member.id for member in real.at.members]
    theirs = await _ids_by_table(other)
    for table, ids in (await _ids_by_table(real)).items():
        both = [id for id in ids if id in theirs[table]]
        found += [id for id in ids if id not in theirs[table]] + both[:_OF_EACH]
    return [str(id) for id in dict.fromkeys(found)]


async def _ids_by_table(world: World) -> dict[str, list[UUID]]:
    async with world.grants.reading() as tx:
        tables = await tx.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_name = 'id' AND data_type = 'uuid' ORDER BY 1"
        )
        return {
            table: [row["id"] for row in await tx.fetch(f'SELECT id FROM "{table}" ORDER BY id')]
            for [table] in tables
            if table not in _NOT_BUSINESS
        }


def routes(world: World, method: str) -> list[Route]:
    """The routes that a member of a panel may reach."""
    return [
        route
        for route in world.app.routes
        if isinstance(route, Route)
        and method in (route.methods or ())
        and may(route.endpoint.action, {Role.PANEL_MEMBER})  # type: ignore[attr-defined]
    ]


def _is_public(route: Route) -> bool:
    return RULES[route.endpoint.action].public  # type: ignore[attr-defined]


#: What stands in braces in an address and is no id.
_WORDS = {"step": ["you"]}
#: What stands behind an address, besides nothing.
_QUERIES = {"/desk": ["?round={}", "?after=4", "?done=removed"]}


def addresses(route: Route, ids: Sequence[str]) -> list[str]:
    """Where a route leads, with whatever there is anywhere."""
    names = re.findall(r"\{(\w+)", route.path)
    filled = [
        "/grants" + re.sub(r"\{\w+(:\w+)?\}", "{}", route.path).format(*chosen)
        for chosen in product(*(_WORDS.get(name, ids) for name in names))
    ]
    queries = [
        query.format(id)
        for query in _QUERIES.get(route.path, ())
        for id in (ids[:_OF_EACH] if "{" in query else [""])
    ]
    return [*filled, *(f"{address}{query}" for address in filled for query in queries)]


async def everything(
    world: World, viewer: Person, ids: Sequence[str], hidden: Sequence[str]
) -> dict[str, Answer]:
    """All that a member gets, by address.

    Args:
        hidden: of these ids, what is kept from them: enough for pages that are not for members alone.
    """
    found: dict[str, Answer] = {}
    async with client(world.app, "/grants", viewer) as browser:
        for route in routes(world, "GET"):
            for address in addresses(route, hidden if _is_public(route) else ids):
                with the_same(address):
                    found[address] = (
                        await a_glance(world, viewer, address)
                        if address.endswith("/changes")
                        else _answer(await browser.get(address))
                    )
    return found


def _answer(answer: httpx.Response) -> Answer:
    return answer.status_code, tuple(answer.headers.items()), answer.content


async def all_answers(world: World, viewer: Person, ids: Sequence[str]) -> dict[str, Answer]:
    """What a member gets for whatever they send about things that are not theirs, by address."""
    found: dict[str, Answer] = {}
    fields = {
        "here": "yes",
        "revision": "0",
        "tie": "family",
        "act": "done",
        "answer": "yes",
        "nothing": "yes",
        "comment": "x",
    }
    fields |= {f"score-{criterion}": "5" for criterion in world.at.criteria}
    async with client(world.app, "/grants", viewer) as browser:
        for route in routes(world, "POST"):
            if _is_public(route):
                continue
            for address in addresses(route, ids):
                with the_same(f"POST {address}"):
                    answer = await browser.post(address, data={"key": form_key(viewer), **fields})
                found[f"POST {address}"] = _answer(answer)
                if answer.has_redirect_location:
                    with the_same(f"after {address}"):
                        found[f"after {address}"] = _answer(await browser.get(answer.headers["location"]))
    return found


def differences(one: dict[str, Answer], other: dict[str, Answer]) -> list[str]:
    """Where two worlds are not the same, with the first line that is not."""
    gone = [f"{address}: in one world alone" for address in one.keys() ^ other.keys()]
    return gone + [
        f"{address}: {_told(one[address], other[address])}"
        for address in one.keys() & other.keys()
        if one[address] != other[address]
    ]


def _told(one: Answer, other: Answer) -> str:
    if one[:2] != other[:2]:
        return f"{one[:2]} or {other[:2]}"
    lines = zip(one[2].splitlines(), other[2].splitlines(), strict=False)
    return next((f"{a!r} or {b!r}" for a, b in lines if a != b), "one is longer")


async def mails(world: World, viewer: Person) -> dict[str, Answer]:
    """What is announced that has to do with a member, and so what they are written, in order."""
    found: dict[str, Answer] = {}
    for event in await announced(world.grants):
        if str(viewer.id) in f"{event.subject} {event.data}":
            said = {name: value for name, value in event.data.items() if name != "letter"}
            letter = letter_in(world.grants, event) if "letter" in event.data else {}
            text = f"{event.subject} {event.sequence} {said} {letter}"
            found[f"mail {len(found)}"] = (0, (), text.encode())
    return found


async def looks(worlds: tuple[World, World], viewer: Person, hidden: Sequence[str]) -> list[str]:
    """What is not the same in what they can fetch and were written."""
    ids = await ids_in(*worlds)
    pages = [await everything(world, viewer, ids, hidden) for world in worlds]
    letters = [await mails(world, viewer) for world in worlds]
    return differences(*pages) + differences(*letters)


async def sent_by(act: Act, real: World, followed: Sequence[Following]) -> list[str]:
    """What is not the same in what their streams sent when something happened."""
    one, other = await asyncio.gather(*(each.sent(real.meetings) for each in followed))
    return [f"after {act}: {one} or {other}"] if one != other else []


async def told_by(make: MakeDatabase, plan: Plan, breach: Breach | None = None) -> list[str]:
    """By what the member could tell the worlds apart; nothing where the case is not kept from them."""
    real = await begin(make, plan.cases)
    other = await begin(make, plan.cases, without=plan.kept)
    worlds = (real, other)
    viewer = real.member(plan.viewer)
    acts = [*plan.before, plan.removal, *plan.after]
    moments = {len(plan.before), len(acts) - 1}
    for world in worlds:
        if breach is not None:
            await breach(world.grants)
    case, found = real.case(plan.kept), list[str]()
    hidden = [str(case.id), str(case.application_id), str(real.at.id)]
    async with AsyncExitStack() as streams:
        followed = [Following(world, viewer, streams) for world in worlds]
        kept = False
        for number, act in enumerate(acts):
            for world in worlds:
                await happen(world, number, act)
            was_kept, kept = kept, await real.keeps(viewer, plan.kept)
            if was_kept and not kept:
                break
            found += await sent_by(act, real, followed) if kept else []
            if kept and number in moments:
                found += await looks(worlds, viewer, hidden)
            if breach is not None and found:
                return found
    if kept:
        ids = await ids_in(*worlds)
        said = [await all_answers(world, viewer, ids) for world in worlds]
        found += differences(*said)
        found += await looks(worlds, viewer, hidden)
    return found


@pytest.fixture
def run(postgres: PrivatePostgres, templates: dict[str, str], settings: Settings, house: House) -> Run:
    async def run(plan: Plan, breach: Breach | None = None) -> list[str]:
        async with databases(postgres, templates.__getitem__, settings, house) as make:
            return await told_by(make, plan, breach)

    return run


@pytest.mark.timeout(600)
async def test_a_member_cannot_tell_that_there_is_what_is_kept_from_them(
    run: Run,
) -> None:
    loop = asyncio.get_running_loop()

    @hypothesis_settings(
        max_examples=int(os.environ.get("EXAMPLES", "6")),
        suppress_health_check=list(HealthCheck),
    )
    @given(plan=plans())
    def property_holds(plan: Plan) -> None:
        assert asyncio.run_coroutine_threadsafe(run(plan), loop).result(240) == []

    await asyncio.to_thread(property_holds)


@pytest.fixture
def tried(postgres: PrivatePostgres, templates: dict[str, str], settings: Settings, house: House) -> Run:
    async def tried(before: Sequence[Act], viewer: int, name: int) -> list[str]:
        async with databases(postgres, templates.__getitem__, settings, house) as make:
            world = await begin(make, MOST_CASES)
            return await told_by_a_name(world, before, viewer, name)

    return tried


async def told_by_a_name(world: World, before: Sequence[Act], viewer: int, name: int) -> list[str]:
    """What is not the same for a member once they have added the name of one who applies."""
    for number, act in enumerate(before):
        await happen(world, number, act)
    member, ids = world.member(viewer), [str(case.id) for case in world.at.cases]
    ids += [str(world.at.id), *map(str, world.meetings)]
    async with AsyncExitStack() as streams:
        followed = Following(world, member, streams)
        await followed.sent(world.meetings)
        was = await everything(world, member, ids, [])
        await happen(world, len(before), Says(viewer, name))
        sent = await followed.sent(world.meetings)
        found = differences(was, await everything(world, member, ids, []))
    own = "/grants/desk/interests"
    return [each for each in found if not each.startswith(own)] + ([f"sent: {sent}"] if any(sent) else [])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("before", [(), (*OPENING, Opens(0, 0), Settled(0, 0, True))])
async def test_a_name_that_is_tried_tells_nothing(tried: Run, before: Sequence[Act]) -> None:
    assert await tried(before, 0, 0) == []


# A test of the test: each breach is found.

_WALL = re.compile(r"AND NOT EXISTS \(\s*SELECT FROM removals.*?\)\s*$", re.DOTALL)

BREACHES: dict[str, Callable[[str], str]] = {
    "no wall": lambda body: _WALL.sub("", body),
    "labels that number all cases": lambda body: body.replace(
        "cases.label,", "(SELECT count(*) FROM cases AS each WHERE each.label <= cases.label)::text,"
    ),
    "a figure over all cases": lambda body: body.replace(
        "applications.amount_pence,",
        "(SELECT count(*) FROM applications AS each WHERE each.round_id = applications.round_id),",
    ),
    "what is only suggested stays": lambda body: body.replace(
        "WHERE removals.application_id",
        "WHERE EXISTS (SELECT FROM conflicts AS said WHERE said.state = 'confirmed'"
        " AND said.application_id = removals.application_id) AND removals.application_id",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_a_breach_is_found(run: Run, breach: str) -> None:
    async def break_it(grants: Database) -> None:
        async with grants.transaction() as tx:
            whole: str = await tx.fetchval("SELECT pg_get_functiondef('cases_for'::regproc)")
            head, sign, rest = whole.partition("$function$")
            body, end, tail = rest.partition("$function$")
            broken = BREACHES[breach](body)
            assert broken != body
            await tx.execute(head + sign + broken + end + tail)

    only_suggested = breach == "what is only suggested stays"
    removal: Act = Ticked(0, 0) if only_suggested else Entered(0, 0, Tie.FAMILY)
    told = await run(Plan(cases=3, viewer=0, kept=0, before=(), removal=removal, after=()), break_it)
    assert told, "the two worlds looked the same"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("viewer", range(len(SEATS)))
async def test_a_whole_meeting_tells_nothing(run: Run, viewer: int) -> None:
    """What a random draw rarely brings: everybody has scored everything, all is decided, some of it anew."""
    told = await run(a_meeting_of_all(viewer, Declares(viewer, 1, Tie.TEAM)))
    assert told == []


def a_meeting_of_all(viewer: int, removal: Act) -> Plan:
    """Two meetings on three cases; the second is kept from somebody during the first."""
    scored = [Gives(member, case, 3, "é", True) for member in range(len(SEATS)) for case in range(3)]
    return Plan(
        cases=3,
        viewer=viewer,
        kept=1,
        before=[*scored, *OPENING, StandsIn(RESERVE, 0, True), Opens(0, 0), Decided(0, 0, Kind.AWARD)],
        removal=removal,
        after=[
            *(Opens(0, 1), StandsIn(RESERVE, 1, True), Decided(0, 1, Kind.DECLINE)),
            *(Entered((viewer + 1) % 3, 1, Tie.ACQUAINTANCE), Decided(0, 1, Kind.DEFER)),
            *(Opens(0, 2), Decided(0, 2, Kind.DEFER), Opens(0, 1), Decided(0, 1, Kind.DEFER)),
            *(Ended(0), Reseated((viewer + 1) % 3, Seat.MEMBER), *OPENING, Leaves(RESERVE), *OPENING[-1:]),
            *(Opens(0, 2), Decided(0, 2, Kind.AWARD), StandsIn(RESERVE, 1, True), Opens(0, 1)),
            *(Decided(0, 1, Kind.AWARD),),
        ],
    )


#: What happens when nothing is left for a member but what is kept from them.
ALONE: dict[str, Plan] = {
    "a meeting for it alone": Plan(1, 0, 0, (), Entered(0, 0, Tie.FAMILY), [*OPENING, Opens(0, 0)]),
    "a later meeting for it alone": Plan(
        cases=2,
        viewer=0,
        kept=0,
        before=[*OPENING, Decided(0, 1, Kind.DECLINE), Decided(0, 0, Kind.DEFER)],
        removal=Entered(0, 0, Tie.FAMILY),
        after=[Ended(0), *OPENING, Opens(0, 0), Ended(0)],
    ),
    "the panel changes while only it waits": Plan(
        cases=2,
        viewer=0,
        kept=0,
        before=[*OPENING, Decided(0, 1, Kind.DECLINE)],
        removal=Entered(0, 0, Tie.FAMILY),
        after=[Ended(0), Reseated(1, Seat.RESERVE), AskedAnew(2), AskedAnew(0), Answers(0, True)],
    ),
    "it is taken back while it is on": Plan(
        cases=2,
        viewer=0,
        kept=0,
        before=[*OPENING, Opens(0, 1)],
        removal=Entered(0, 0, Tie.FAMILY),
        after=[Opens(0, 0), Decided(0, 0, Kind.DEFER), Withdrawn(0, 0), Ended(0)],
    ),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", ALONE)
async def test_what_is_kept_leaves_no_gap(run: Run, what: str) -> None:
    assert await run(ALONE[what]) == []


# A test of the test at a meeting: each breach is found.


def changed(statement: str, change: Callable[[str], str], queries: Any = ATTENDING) -> tuple[Any, str, Any]:
    """A statement in other words."""
    text = (
        Path(sitting.__file__).parent / ("attending.sql" if queries is ATTENDING else "meeting.sql")
    ).read_text()
    [own] = re.findall(rf"(?ms)^-- name: {statement}\b.*?(?=^-- name: |\Z)", text)
    broken = change(own)
    assert broken != own
    with TemporaryDirectory() as folder:
        (Path(folder) / "queries.sql").write_text(broken)
        return queries, statement, getattr(read_queries(folder), statement)


MEETING_BREACHES: dict[str, Callable[[], tuple[Any, str, Any]]] = {
    "the present item of all": lambda: changed(
        "items_for",
        lambda sql: sql.replace(
            "opened_at\n",
            "nullif(opened_at, least(opened_at, (SELECT max(opened_at) FROM items AS each"
            " WHERE each.meeting_id = items.meeting_id) - interval '1 second')) AS opened_at\n",
        ),
    ),
    "items numbered as they were opened": lambda: changed(
        "items_for",
        lambda sql: sql.replace(
            " seen.label,",
            " (SELECT count(*) FROM items AS each WHERE each.opened_at <= items.opened_at)::text AS label,",
        ),
    ),
    "the last decision of all": lambda: changed(
        "decisions_of",
        lambda sql: sql.replace("decided_at,", "(SELECT max(decided_at) FROM decisions) AS decided_at,"),
        MEETING,
    ),
    "whoever stands in for one counts for all": lambda: changed(
        "standing_in",
        lambda sql: sql.replace(
            "SELECT application_id, person_id FROM stand_ins\nWHERE meeting_id = :meeting_id"
            " AND application_id = ANY(:ids::uuid[])",
            "SELECT unnest(:ids::uuid[]) AS application_id, person_id FROM stand_ins"
            " WHERE meeting_id = :meeting_id",
        ),
        MEETING,
    ),
    "a stream that tells of all": lambda: changed(
        "marks_for",
        lambda sql: sql.replace(
            "FROM cases_for(viewer) AS seen JOIN item USING (application_id)",
            "FROM cases AS seen JOIN item USING (application_id)",
        ),
    ),
    "whoever steps out is shown to be gone": lambda: changed(
        "seats_at",
        lambda sql: sql.replace(
            "attendance.left_at IS NULL\n)",
            "attendance.left_at IS NULL\n) AND NOT EXISTS ("
            "SELECT FROM removals JOIN items USING (application_id) WHERE "
            "removals.person_id = panel_members.person_id AND opened_at = ("
            "SELECT max(opened_at) FROM items AS each WHERE each.meeting_id = meetings.id))",
        ),
        MEETING,
    ),
    "a meeting that nobody but others has": lambda: changed(
        "seen_by",
        lambda sql: (
            "-- name: seen_by\n-- All of them.\n"
            "SELECT viewer, ARRAY(SELECT application_id FROM cases_for(viewer)) AS ids"
            " FROM unnest(:viewers::uuid[]) AS viewer"
            " WHERE EXISTS (SELECT FROM meetings WHERE id = :meeting_id)"
        ),
    ),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("breach", MEETING_BREACHES)
async def test_a_breach_at_a_meeting_is_found(run: Run, breach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MEETING_BREACHES[breach]())
    alone = "nobody but others" in breach
    plan = ALONE["a meeting for it alone"] if alone else a_meeting_of_all(0, Declares(0, 1, Tie.TEAM))
    assert await run(plan), "the two worlds looked the same"
