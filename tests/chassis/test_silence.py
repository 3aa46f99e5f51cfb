"""What people and programs are told while whoever signs sessions is silent."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.access import (
    LIFETIME,
    Person,
    remember_standings,
    remember_tokens,
    token_digest,
)
from chassis.clock import LOCAL, real_now
from chassis.database import Database
from chassis.web import Site, operation, page, site_of
from chassis.web.access import set_session
from chassis.web.words import lately
from contracts.access import PROVE, Action, Role
from contracts.topology import GRANTS, PARTNERS
from tests.access import EVERYTHING, Said
from tests.conftest import MakeDatabase, client, hear

MOUNT = "/things"
PAGE = '{% extends "base.html" %}{% block content %}<p>a page</p>{% endblock %}'
TOKEN = "conduit_token"

Open = Callable[..., httpx.AsyncClient]


async def show(request: Request) -> Response:
    """Show a page."""
    return site_of(request).page(request, "page.html")


async def act(request: Request) -> Response:
    """Do something."""
    return JSONResponse({}, 201)


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database(GRANTS)


def things(database: Database, folder: Path) -> Site:
    """A service that has one of each: to read and to change, to weigh and not to weigh."""
    (folder / "page.html").write_text(PAGE)
    post = ("POST",)
    routes = [
        page("/", show, Action.READ_LETTERS),
        page("/public", show, Action.BE_PUBLIC),
        page("/note", act, Action.WRITE_LETTERS, methods=post),
        page("/pay", act, Action.CONFIRM_PLEDGES, methods=post),
        operation("/things", act, Action.READ_LETTERS, gives=Schema),
        operation("/note", act, Action.WRITE_LETTERS, gives=Schema, method="POST"),
        operation("/pay", act, Action.CONFIRM_PLEDGES, gives=Schema, method="POST"),
    ]
    return Site(database, routes, folder)


@pytest.fixture
def open_browser(database: Database, tmp_path: Path) -> Open:
    """Opens a browser on such a service."""

    def opened(person: Person | None = EVERYTHING, age: timedelta = timedelta(0)) -> httpx.AsyncClient:
        return client(things(database, tmp_path).app, MOUNT, person, age)

    return opened


def line_in(answer: httpx.Response) -> str:
    """What the frame of a page says of the silence."""
    found = re.search(r'<p class="hush">(.*?)</p>', answer.text)
    return found.group(1) if found else ""


async def test_an_act_that_weighs_is_refused_with_the_reason_the_moment_and_what_to_do(
    database: Database, open_browser: Open
) -> None:
    since = lately(await hear(database, PARTNERS, ago=90), real_now())
    async with open_browser() as browser:
        answer = await browser.post(f"{MOUNT}/pay")
        told = await browser.post(f"{MOUNT}/api/v1/pay")
    what = (
        f"Partners, which says who may still act, has not been heard from since {since}. Nothing was changed."
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert what in answer.text
    assert "Try again in a few minutes." in answer.text
    assert "conduit check" in answer.text
    assert "Your account" in answer.text
    assert (told.status_code, told.headers["retry-after"]) == (503, "30")
    assert told.headers["content-type"] == "application/problem+json"
    document = told.json()
    assert (document["title"], document["status"]) == (what, 503)
    assert "conduit check" in document["detail"]


async def test_it_is_refused_before_anything_is_read_of_it(database: Database, open_browser: Open) -> None:
    asked_for: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        asked_for.append(1)
        yield b"key=x"

    async with open_browser() as browser:
        await hear(database, PARTNERS, ago=90)
        assert (await browser.post(f"{MOUNT}/pay", content=body())).status_code == 503
    assert asked_for == []


async def test_everything_else_goes_on_in_a_session_that_lasts(
    database: Database, open_browser: Open
) -> None:
    await hear(database, PARTNERS, ago=90)
    async with open_browser() as browser:
        assert (await browser.get(f"{MOUNT}/")).status_code == 200
        assert (await browser.head(f"{MOUNT}/")).status_code == 200
        assert (await browser.post(f"{MOUNT}/note")).status_code == 201
        assert (await browser.post(f"{MOUNT}/api/v1/note")).status_code == 201


async def test_a_page_says_in_one_line_that_it_is_so_and_since_when(
    database: Database, open_browser: Open
) -> None:
    waits = "you can read; what concerns money or decisions waits."
    since = lately(await hear(database, PARTNERS, ago=90), real_now())
    async with open_browser() as browser:
        said = f"Partners has not been heard from since {since}: {waits}"
        assert line_in(await browser.get(f"{MOUNT}/")) == said
        assert line_in(await browser.post(f"{MOUNT}/pay")) == said
        assert line_in(await browser.get(f"{MOUNT}/public")) == ""
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM signs_of_life")
    async with open_browser() as browser:
        assert line_in(await browser.get(f"{MOUNT}/")) == f"Partners has not been heard from yet: {waits}"
        assert (
            "has not been heard from yet. Nothing was changed." in (await browser.post(f"{MOUNT}/pay")).text
        )


async def test_while_it_is_heard_nothing_is_said(open_browser: Open) -> None:
    async with open_browser() as browser:
        answer = await browser.get(f"{MOUNT}/")
        assert (answer.status_code, line_in(answer)) == (200, "")
        assert (await browser.post(f"{MOUNT}/pay")).status_code == 201
    async with open_browser(None) as stranger:
        assert line_in(await stranger.get(f"{MOUNT}/public")) == ""


async def test_a_form_in_an_ended_session_is_not_sent_to_where_nobody_answers(
    database: Database, open_browser: Open
) -> None:
    await hear(database, PARTNERS, ago=90)
    async with open_browser(age=LIFETIME) as browser:
        assert (await browser.get(f"{MOUNT}/")).status_code == 200
        answer = await browser.post(f"{MOUNT}/note")
        told = await browser.post(f"{MOUNT}/api/v1/note")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "You cannot be signed in anew just now. Nothing was changed." in answer.text
    assert re.search(
        r"Partners has not been heard from since .{5,30}\. Go back: your browser has kept the form\.",
        answer.text,
    )
    assert (told.status_code, told.headers["content-type"]) == (503, "application/problem+json")


async def test_what_is_not_for_somebody_is_not_for_them_then_either(
    database: Database, open_browser: Open
) -> None:
    await hear(database, PARTNERS, ago=90)
    trustee = replace(EVERYTHING, roles=frozenset({Role.TRUSTEE}))
    async with open_browser(trustee, LIFETIME) as browser:
        for method, path in (("GET", "/"), ("POST", "/note"), ("POST", "/pay")):
            assert (await browser.request(method, MOUNT + path)).status_code == 403


async def test_whoever_owes_their_second_factor_reads_nothing_then_either(
    database: Database, open_browser: Open
) -> None:
    await hear(database, PARTNERS, ago=90)
    owes = replace(EVERYTHING, owes_proof=True, proved_at=None)
    for age in (timedelta(0), LIFETIME):
        async with open_browser(owes, age) as browser:
            answer = await browser.get(f"{MOUNT}/")
            assert answer.status_code == 303
            assert answer.headers["location"].startswith(PROVE)


async def test_a_program_reads_on_and_does_nothing_that_weighs(
    database: Database, open_browser: Open
) -> None:
    await hear(database, PARTNERS, ago=90)
    person: Any = Said(person_id=EVERYTHING.id, roles=["staff"], barred=False)
    token: Any = Said(
        token_id=EVERYTHING.session,
        person_id=EVERYTHING.id,
        digest=token_digest(TOKEN),
        role="staff",
        writes=True,
        expires_at=datetime(2126, 1, 1, tzinfo=UTC),
        revoked=False,
    )
    async with database.transaction() as tx:
        await remember_standings(tx, [person])
        await remember_tokens(tx, [token])
    async with open_browser(None) as program:
        program.headers["authorization"] = f"Bearer {TOKEN}"
        assert (await program.get(f"{MOUNT}/api/v1/things")).status_code == 201
        assert (await program.post(f"{MOUNT}/api/v1/note")).status_code == 201
        assert (await program.post(f"{MOUNT}/api/v1/pay")).status_code == 503


async def test_a_browser_keeps_its_token_for_as_long_as_it_may_be_read_with(database: Database) -> None:
    response = Response()
    set_session(response, database.context.settings, "token")
    kept = re.search(r"Max-Age=(\d+)", response.headers["set-cookie"])
    assert kept
    assert int(kept.group(1)) == database.context.settings.session_idle * 3600


def test_a_moment_of_the_same_day_is_told_without_its_day() -> None:
    now = datetime(2026, 7, 1, 14, 5, tzinfo=LOCAL)
    assert lately(datetime(2026, 7, 1, 8, 0, tzinfo=UTC), now) == "09:00"
    assert lately(datetime(2026, 6, 30, 22, 59, tzinfo=UTC), now) == "30 June 2026, 23:59"
    assert lately(datetime(2026, 6, 30, 23, 0, tzinfo=UTC), now) == "00:00"
