"""Every route of every service with every role and with none, beside the table of permission."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.access import LIFETIME, token_digest
from chassis.web.access import session_name
from contracts.access import RENEW, ROLES, RULES, SIGNED_BY, Action, Role, may
from contracts.envelope import Event, Fact
from contracts.partners import PersonAdmitted, RolesChanged, TokenIssued
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES, signs_heard_by
from services.sections import SECTIONS
from tests.access import EVERYTHING, token
from tests.conftest import MakeDatabase, client, hear, take

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
    asking = browser.request(way.method, way.path, content=None if way.method == "GET" else b"\xff")
    try:
        return await asyncio.wait_for(asking, 1 if way.path.endswith("/ops/live") else 60)
    except TimeoutError:  # it goes on for as long as somebody looks
        return httpx.Response(200)


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
    heard = signs_heard_by(database.context.service)
    silent = [await hear(database, sender, ago=61) for sender in heard if sender == SIGNED_BY]
    refused = 0
    async with client(app, mount) as browser:
        for way in ways(app, mount):
            status = (await ask(browser, way)).status_code
            weighs = way.method != "GET" and RULES[way.action].weighs
            assert (status == 503) is (weighs and bool(silent)), f"{way.method} {way.path}: {status}"
            refused += status == 503
    assert (refused > 0) is (database.context.service in (GRANTS, NOTIFICATIONS))


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
                # Nobody can show a second factor while whoever signs is silent.
                assert status in ((303,) if RULES[way.action].proof else (200, 404)), said
            else:
                assert status == 503, said
    async with database.transaction() as tx:
        await tx.execute(f"INSERT INTO standings VALUES ('{EVERYTHING.id}', 1, 2, '{{}}', false)")
    fresh = import_module(f"services.{database.context.service}.web").build(database)
    async with client(fresh, mount, age=LIFETIME) as browser:
        for way in asked:
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


def test_what_a_panel_member_may() -> None:
    """Written out once more, so that a cross in the wrong place of the table is seen."""
    theirs = {action for action in Action if may(action, {Role.PANEL_MEMBER})}
    assert theirs == {Action.REVIEW_CASES, Action.KEEP_ACCOUNT, Action.PROVE, Action.BE_PUBLIC}
    assert [section.title for section in SECTIONS if may(Action(section.action), {Role.PANEL_MEMBER})] == [
        "Panel"
    ]


async def test_a_section_is_offered_to_whoever_may_open_it(built: tuple[Starlette, str]) -> None:
    opens = {way.path.rstrip("/"): way.action for way in ways(*built) if way.method == "GET"}
    offered = {section.href: section.action for section in SECTIONS if section.href in opens}
    assert offered
    assert offered == {href: opens[href] for href in offered}


PANEL_MEMBER = replace(EVERYTHING, roles=frozenset({Role.PANEL_MEMBER}), version=(1, 2))
#: Rooms of staff, by page and by program.
OF_STAFF = {
    NOTIFICATIONS: (
        "/letters/",
        "/letters/campaigns/new",
        "/letters/audit",
        f"/letters/api/v1/campaigns/{UUID(int=1)}",
    ),
    GRANTS: ("/grants/audit",),
}


@pytest.mark.parametrize("service", OF_STAFF)
async def test_a_panel_member_who_was_staff_comes_nowhere_by_address_program_or_an_old_event(
    make_database: MakeDatabase, service: str
) -> None:
    database = await make_database(service)
    build = import_module(f"services.{service}.web").build
    was_staff, old_program = replace(EVERYTHING, roles=frozenset({Role.STAFF})), "conduit_" + "a" * 32
    admitted = said(PersonAdmitted, 1, roles=["staff"])
    subscriptions = import_module(f"services.{service}.handlers").SUBSCRIPTIONS
    await take(database, subscriptions, admitted, the_token(old_program))
    await take(database, subscriptions, said(RolesChanged, 2, roles=["panel_member"]))
    replayed = (
        None,
        admitted,
        said(PersonAdmitted, 1, roles=["staff"]),
        said(PersonAdmitted, 1, roles=["staff"], snapshot=True),
        said(RolesChanged, 1, roles=["ops", "auditor"]),
        the_token(old_program),
    )
    for event in replayed:
        await take(database, subscriptions, *([event] if event else []))
        for path in OF_STAFF[service]:
            async with client(build(database), MOUNTS[service], PANEL_MEMBER) as browser:
                assert (await browser.get(path)).status_code == 403, f"{path} after {event}"
            async with client(build(database), MOUNTS[service], was_staff) as browser:
                assert (await browser.get(path)).status_code in (303, 401), f"{path} after {event}"
            async with client(build(database), MOUNTS[service], None) as program:
                headers = {"authorization": f"Bearer {old_program}", "accept": "application/json"}
                assert (await program.get(path, headers=headers)).status_code == 401, f"{path} after {event}"


def said(fact: type[Fact], version: int, *, roles: list[str], snapshot: bool = False) -> Event:
    data = {"person_id": EVERYTHING.id, "organisation_id": UUID(int=2), "roles": roles, "barred": False}
    return of(fact, EVERYTHING.id, data, version, snapshot)


def the_token(token: str) -> Event:
    """A program of theirs, from when they were staff."""
    data = {
        "token_id": UUID(int=3),
        "person_id": EVERYTHING.id,
        "digest": token_digest(token),
        "role": "staff",
        "writes": True,
        "expires_at": datetime.now(UTC) + timedelta(days=30),
        "revoked": False,
    }
    return of(TokenIssued, UUID(int=3), data, 1, False)


def of(fact: type[Fact], subject: UUID, data: dict[str, Any], version: int, snapshot: bool) -> Event:
    return Event(
        fact=fact,
        id=uuid4(),
        subject=str(subject),
        time=datetime.now(UTC),
        data=data,
        sequence=version,
        snapshot=snapshot,
    )


def test_who_only_reads_changes_nothing() -> None:
    changing = {action for action, rule in RULES.items() if rule.roles and not action.startswith("read_")}
    for role in (Role.AUDITOR, Role.TRUSTEE):
        assert not any(may(action, {role}) for action in changing)
    assert not may(Action.READ_LETTERS, {Role.TRUSTEE}), "a trustee sees aggregates only"
