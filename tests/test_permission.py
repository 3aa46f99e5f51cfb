"""Every route of every service with every role and with none, beside the table of permission."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.access import LIFETIME
from contracts.access import RENEW, ROLES, RULES, SIGNED_BY, Action, Role, may
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES, signs_heard_by
from tests.access import EVERYTHING
from tests.conftest import MakeDatabase, client, hear

MOUNTS = {PARTNERS: "/partners", GRANTS: "/grants", NOTIFICATIONS: "/letters"}
NOBODY = replace(EVERYTHING, roles=frozenset())
PEOPLE = [NOBODY, *(replace(EVERYTHING, roles=frozenset({role})) for role in Role)]


@dataclass(frozen=True)
class Way:
    """One address of one service and a method."""

    method: str
    path: str
    action: Action

    @property
    def of_program(self) -> bool:
        return "/api/" in self.path


@pytest.fixture(params=SERVICES)
async def built(request: pytest.FixtureRequest, make_database: MakeDatabase) -> tuple[Starlette, str]:
    """A service's application and where it is mounted."""
    service: str = request.param
    database = await make_database(service)
    app: Starlette = import_module(f"services.{service}.web").build(database)
    return app, MOUNTS[service]


def ways(app: Starlette, mount: str) -> Iterator[Way]:
    for route in app.routes:
        assert isinstance(route, Route)
        path = re.sub(r"\{[a-z]+\}", str(uuid4()), mount + route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield Way(method, path, route.endpoint.action)  # type: ignore[attr-defined]


async def ask(browser: httpx.AsyncClient, way: Way) -> httpx.Response:
    """Nothing that could be acted on: whoever may not, is told so before the body is looked at."""
    return await browser.request(way.method, way.path, content=None if way.method == "GET" else b"\xff")


async def test_every_route_names_its_action(built: tuple[Starlette, str]) -> None:
    found = list(ways(*built))
    assert found
    assert all(isinstance(way.action, Action) for way in found)


async def test_every_role_may_do_what_the_table_says_and_nothing_else(built: tuple[Starlette, str]) -> None:
    app, mount = built
    for person in PEOPLE:
        async with client(app, mount, person) as browser:
            for way in ways(app, mount):
                status = (await ask(browser, way)).status_code
                said = f"{sorted(person.roles)} {way.method} {way.path}: {status}"
                assert (status != 403) is may(way.action, person.roles), said
                assert status != 401, said


async def test_without_a_session_only_what_is_public_answers(built: tuple[Starlette, str]) -> None:
    app, mount = built
    async with client(app, mount, None) as browser:
        for way in ways(app, mount):
            answer = await ask(browser, way)
            said = f"{way.method} {way.path}: {answer.status_code}"
            to_sign_in = answer.headers.get("location", "").startswith(RENEW)
            if RULES[way.action].public:
                assert answer.status_code not in (401, 403), said
                assert not to_sign_in, said
            elif way.of_program:
                assert answer.status_code == 401, said
                assert answer.headers["content-type"] == "application/problem+json"
            else:
                assert answer.status_code == (303 if way.method == "GET" else 307), said
                assert to_sign_in, said


async def test_whom_we_have_barred_is_as_good_as_nobody(
    built: tuple[Starlette, str],
) -> None:
    """A token that is older than what was heard of its person."""
    app, mount = built
    async with app.state.site.database.transaction() as tx:
        await tx.execute(f"INSERT INTO standings VALUES ('{EVERYTHING.id}', 1, 2, '{{}}', false)")
    async with client(app, mount) as browser:
        for way in ways(app, mount):
            if not RULES[way.action].public:
                assert (await ask(browser, way)).status_code in (303, 307, 401), way


async def test_while_whoever_signs_is_silent_nothing_is_done_that_weighs_and_reading_goes_on(
    built: tuple[Starlette, str],
) -> None:
    app, mount = built
    database = app.state.site.database
    silent = [await hear(database, sender, ago=61) for sender in signs_heard_by(database.context.service)]
    refused = 0
    async with client(app, mount) as browser:
        for way in ways(app, mount):
            status = (await ask(browser, way)).status_code
            weighs = way.method != "GET" and RULES[way.action].weighs
            assert (status == 503) is (weighs and bool(silent)), f"{way.method} {way.path}: {status}"
            refused += status == 503
    assert (refused > 0) is (database.context.service == NOTIFICATIONS)


async def test_then_reading_goes_on_beyond_the_end_of_a_session_and_nothing_else_does(
    built: tuple[Starlette, str],
) -> None:
    """A token that was void, is too old or was never good opens nothing even so."""
    app, mount = built
    database = app.state.site.database
    for sender in signs_heard_by(database.context.service):
        await hear(database, sender, ago=61)
    silent = database.context.service != SIGNED_BY
    asked = [way for way in ways(app, mount) if not RULES[way.action].public]
    statuses: dict[timedelta, list[int]] = {}
    for age in (LIFETIME, timedelta(hours=11.9), timedelta(hours=12.1), -timedelta(minutes=2)):
        async with client(app, mount, age=age) as browser:
            statuses[age] = [(await ask(browser, way)).status_code for way in asked]
        for way, status in zip(asked, statuses[age], strict=True):
            said = f"{way.method} {way.path} after {age}: {status}"
            if not silent or not timedelta(0) < age < timedelta(hours=12):
                assert status in (303, 307, 401), said
            elif way.method == "GET":
                assert status in (200, 404), said
            else:
                assert status == 503, said
    async with database.transaction() as tx:
        await tx.execute(f"INSERT INTO standings VALUES ('{EVERYTHING.id}', 1, 2, '{{}}', false)")
    fresh = import_module(f"services.{database.context.service}.web").build(database)
    async with client(fresh, mount, age=LIFETIME) as browser:
        for way in asked:
            assert (await ask(browser, way)).status_code in (303, 307, 401), way


@pytest.fixture
async def letters(make_database: MakeDatabase) -> AsyncIterator[httpx.AsyncClient]:
    app = import_module("services.notifications.web").build(await make_database(NOTIFICATIONS))
    async with client(app, "/letters") as browser:
        yield browser


async def test_what_does_not_exist_and_what_is_no_id_get_the_same_answer(letters: httpx.AsyncClient) -> None:
    answers = [await letters.get(f"/letters/letters/{id}") for id in (uuid4(), "x", "1' OR 1=1")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r"[0-9a-f-]{36}", "", answer.text) for answer in answers}) == 1


def test_the_table_speaks_of_everything_once() -> None:
    assert set(RULES) == set(Action)
    assert set(ROLES) == set(Role)
    everybody: set[Any] = set()
    for rule in RULES.values():
        assert not (rule.roles and (rule.public or rule.signed_in))
        everybody |= rule.roles
    assert everybody == set(Role), "a role that may do nothing is none"


def test_who_only_reads_changes_nothing() -> None:
    changing = {action for action, rule in RULES.items() if rule.roles and not action.startswith("read_")}
    for role in (Role.AUDITOR, Role.TRUSTEE):
        assert not any(may(action, {role}) for action in changing)
    assert not may(Action.READ_LETTERS, {Role.TRUSTEE}), "a trustee sees aggregates only"
