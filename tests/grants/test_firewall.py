"""The firewall: what is kept from a member is nowhere, whatever happens.

Two worlds run side by side, one with an application that is kept from a member and one in which it never was.
Everything that the member can fetch must be the same in both, byte by byte: pages, headers, errors of ids
that they should not know, and what they get for what they send.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.access import Person
from chassis.config import Settings
from chassis.database import Database
from chassis.house import House
from chassis.testing import PrivatePostgres
from chassis.web.stream import STOPPING
from contracts.access import RULES, Role, may
from services.grants.conflicts import Tie
from tests.access import form_key
from tests.conftest import MakeDatabase, client, databases
from tests.grants.worlds import (
    ACTS,
    MOST_CASES,
    SEATS,
    Act,
    Answers,
    Decided,
    Declares,
    Entered,
    Gives,
    Meets,
    Ticked,
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
Answer = tuple[int, tuple[tuple[str, str], ...], bytes]


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
        before=draw(st.lists(ACTS, max_size=6)),
        removal=draw(removals(viewer, kept)),
        after=draw(st.lists(ACTS, max_size=6)),
    )


async def ids_in(grants: Database) -> list[str]:
    """What things have for ids in a world: what somebody could put into an address."""
    async with grants.reading() as tx:
        tables = await tx.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_name = 'id' AND data_type = 'uuid' ORDER BY 1"
        )
        found: list[UUID] = [
            row["person_id"] for row in await tx.fetch("SELECT person_id FROM panel_members")
        ]
        for [table] in tables:
            if table not in _NOT_BUSINESS:
                found += [row["id"] for row in await tx.fetch(f'SELECT id FROM "{table}" ORDER BY id')]
    return [str(id) for id in found]


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
        query.format(id) for query in _QUERIES.get(route.path, ()) for id in (ids if "{" in query else [""])
    ]
    return [*filled, *(f"{address}{query}" for address in filled for query in queries)]


def stopping(app: Starlette) -> ASGIApp:
    """The application while it stops: a stream says its first words and ends."""
    over = asyncio.Event()
    over.set()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, STOPPING: over}, receive, send)

    answer.state = app.state  # type: ignore[attr-defined]
    return answer


async def everything(
    world: World, viewer: Person, ids: Sequence[str], hidden: Sequence[str]
) -> dict[str, Answer]:
    """All that a member gets, by address.

    Args:
        hidden: of these ids, what is kept from them: enough for pages that are not for members alone.
    """
    found: dict[str, Answer] = {}
    async with client(stopping(world.app), "/grants", viewer) as browser:
        for route in routes(world, "GET"):
            for address in addresses(route, hidden if _is_public(route) else ids):
                with the_same(address):
                    answer = await browser.get(address)
                found[address] = (answer.status_code, tuple(answer.headers.items()), answer.content)
    return found


async def all_answers(world: World, viewer: Person, ids: Sequence[str]) -> dict[str, Answer]:
    """What a member gets for whatever they send about things that are not theirs, by address."""
    found: dict[str, Answer] = {}
    fields = {
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
                found[f"POST {address}"] = (answer.status_code, tuple(answer.headers.items()), answer.content)
    return found


def differences(one: dict[str, Answer], other: dict[str, Answer]) -> list[str]:
    """Where two worlds are not the same, with the first line that is not."""
    assert one.keys() == other.keys()
    return [
        f"{address}: {_told(one[address], other[address])}"
        for address in one
        if one[address] != other[address]
    ]


def _told(one: Answer, other: Answer) -> str:
    if one[:2] != other[:2]:
        return f"{one[:2]} or {other[:2]}"
    lines = zip(one[2].splitlines(), other[2].splitlines(), strict=False)
    return next((f"{a!r} or {b!r}" for a, b in lines if a != b), "one is longer")


async def told_by(make: MakeDatabase, plan: Plan, breach: Breach | None = None) -> list[str]:
    """By what the member could tell the worlds apart; nothing where the case is not kept from them."""
    real = await begin(make, plan.cases)
    other = await begin(make, plan.cases, without=plan.kept)
    worlds = (real, other)
    viewer = real.member(plan.viewer)
    acts = [*plan.before, plan.removal, *plan.after]
    looks = {len(plan.before), len(acts) - 1}
    for world in worlds:
        if breach is not None:
            await breach(world.grants)
    case, found = real.case(plan.kept), list[str]()
    hidden = [str(case.id), str(case.application_id), str(real.at.id)]
    for number, act in enumerate(acts):
        for world in worlds:
            await happen(world, number, act)
        if number in looks and await real.keeps(viewer, plan.kept):
            ids = await ids_in(real.grants)
            seen = [await everything(world, viewer, ids, hidden) for world in worlds]
            found += differences(*seen)
    if await real.keeps(viewer, plan.kept):
        said = [await all_answers(world, viewer, hidden) for world in worlds]
        found += differences(*said)
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

    @hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(plan=plans())
    def property_holds(plan: Plan) -> None:
        assert asyncio.run_coroutine_threadsafe(run(plan), loop).result(240) == []

    await asyncio.to_thread(property_holds)


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


@pytest.mark.parametrize("viewer", range(len(SEATS)))
async def test_a_whole_meeting_tells_nothing(run: Run, viewer: int) -> None:
    """What a random draw rarely brings: everybody has scored everything, and all is decided."""
    scored = [Gives(member, case, 3, "é", True) for member in range(len(SEATS)) for case in range(3)]
    decided = [Decided(0, case, kind) for case, kind in enumerate(("award", "decline", "defer"))]
    told = await run(
        Plan(
            cases=3,
            viewer=viewer,
            kept=1,
            before=[*scored, Meets(3), *decided[:1]],
            removal=Declares(viewer, 1, Tie.TEAM),
            after=[*decided[1:], Answers(viewer, True)],
        )
    )
    assert told == []
