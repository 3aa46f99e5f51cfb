"""Every route of every service with every role and with none, beside the table of permission."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.web.access import session_name
from contracts.access import RENEW, ROLES, RULES, Action, Role, may
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from tests.access import EVERYTHING, token
from tests.conftest import MakeDatabase, client

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


async def test_whoever_tries_what_is_not_for_them_is_written_down(
    built: tuple[Starlette, str], logged: Callable[[], list[dict[str, Any]]]
) -> None:
    app, mount = built
    [way, *_] = [way for way in ways(app, mount) if RULES[way.action].roles and way.method == "GET"]
    async with client(app, mount, NOBODY) as browser:
        assert (await ask(browser, way)).status_code == 403
    [line] = logged()
    assert (line["event"], line["reason"], line["id"]) == ("request_refused", "Forbidden", str(NOBODY.id))
    assert line["route"] in {route.path for route in app.routes if isinstance(route, Route)}
    settings, now = app.state.settings, datetime.now(UTC)
    old = token(settings.keys_folder, EVERYTHING, now=now - timedelta(hours=1))
    async with client(app, mount, None) as browser:
        for cookie, reason in (("", None), (old, None), (old[:-8], "invalid"), ("x", "invalid")):
            await browser.get(way.path, headers={"cookie": f"{session_name(settings)}={cookie}"})
            assert [line.get("reason") for line in logged()] == ([reason] if reason else []), cookie
        await browser.get(f"{mount}/api/v1/x/{uuid4()}", headers={"authorization": "Bearer conduit_x"})
        assert logged() == [], "there is no such address"


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
