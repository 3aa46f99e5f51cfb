"""Pages and API, attacked: hosts, other sites, bodies, keys, errors, streams, and the server under them."""

import asyncio
import html
import logging
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from chassis import metrics
from chassis.config import Settings
from chassis.context import Context, WayIn, current_cause
from chassis.database import Database, Transaction
from chassis.errors import Conflict, DatabaseAway, NotFound, Refused
from chassis.house import House
from chassis.keys import read_keys
from chassis.ports import PortTaken
from chassis.testing import free_port
from chassis.web import (
    SECURITY_HEADERS,
    Gate,
    Section,
    Site,
    Streamed,
    WebServer,
    application,
    asset,
    day,
    environment,
    live,
    new_key,
    once,
    page,
    pounds,
    read_form,
    read_id,
    read_json,
    read_pounds,
    see,
    site_of,
    when,
)
from chassis.web.pace import Pace
from chassis.web.words import dialled
from contracts.access import Action
from contracts.topology import GRANTS
from tests.access import token
from tests.conftest import MakeDatabase, client

MOUNT = "/things"
SECTIONS = (Section(title="Things", href=MOUNT, purpose="All the things.", action=Action.BE_PUBLIC),)
SECRET = "Zoë Marker"
LIMIT = 2048

PAGE = '{% extends "base.html" %}{% block content %}<p title="{{ text }}">{{ text }}</p>{% endblock %}'


class Pages:
    """The routes of a service, some of them badly behaved."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.version = "1"
        #: Seconds after which a live page looks even if nothing was told, and what it is about.
        self.pause, self.topic = 0.05, ""
        self.away = False
        #: How often a live page has looked.
        self.looks = 0
        self.acts = 0
        self.failing = False
        #: How many parts were made of an answer in parts, and what happens once it has begun.
        self.parts = 0
        self.begun: Callable[[], None] = lambda: None

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.show),
            Route("/key", self.key),
            Route("/source", self.source),
            Route("/fail", self.fail),
            Route("/fail-late", self.fail_late),
            Route("/raise/{name}", self.refuse),
            Route("/slow", self.slow),
            Route("/echo/{id}", self.echo_id),
            Route("/form", self.form, methods=["POST"]),
            page("/r/upload", self.form, Action.BE_PUBLIC, methods=("GET", "POST"), largest=2_000_000),
            Route("/act", self.act, methods=["POST"]),
            Route("/api/v1/json", self.json, methods=["POST"]),
            Route("/api/v1/fail", self.fail),
            Route("/live", self.live),
            Route("/parts", self.in_parts),
            Route("/many", self.in_many_parts),
            Route("/api/v1/act", self.act_for_program, methods=["POST"]),
            Route("/r/raise/{name}", self.refuse),
            Route("/r/fail", self.fail),
            Route("/r/form", self.form, methods=["POST"]),
            Mount("/deep", routes=[Route("/down/{token}", self.show)]),
            Mount("/r/deep", routes=[Route("/fail", self.fail)]),
        ]

    async def key(self, request: Request) -> Response:
        return PlainTextResponse(new_key(request))

    async def source(self, request: Request) -> Response:
        return PlainTextResponse(request.client.host if request.client else "")

    async def show(self, request: Request) -> Response:
        return site_of(request).page(request, "page.html", text=request.query_params.get("text", "hello"))

    async def fail(self, request: Request) -> Response:
        raise ValueError(SECRET)

    async def fail_late(self, request: Request) -> Response:
        async def begin() -> AsyncIterator[str]:
            yield "begun "
            raise ValueError(SECRET)

        return StreamingResponse(begin())

    async def refuse(self, request: Request) -> Response:
        raise {
            "refused": Refused("It <cannot> be.", "Do <something>.", field="amount"),
            "missing": NotFound(),
            "conflict": Conflict("Somebody was faster.", "Reload."),
            "away": DatabaseAway(),
            "deadlock": asyncpg.DeadlockDetectedError(SECRET),
            "lock": asyncpg.LockNotAvailableError(SECRET),
            "timeout": TimeoutError(SECRET),
        }[request.path_params["name"]]

    async def slow(self, request: Request) -> Response:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Response()

    async def echo_id(self, request: Request) -> Response:
        return PlainTextResponse(str(read_id(request)))

    async def form(self, request: Request) -> Response:
        form = await read_form(request)
        return JSONResponse({name: str(value) for name, value in form.multi_items()})

    async def json(self, request: Request) -> Response:
        return JSONResponse(await read_json(request))

    async def act(self, request: Request) -> Response:
        """Record the words of the form, once."""
        form = await read_form(request)
        words = str(form.get("words", ""))

        async def record(tx: Transaction) -> Response:
            self.acts += 1
            await tx.execute("INSERT INTO effects (subject) VALUES ($1)", words)
            if words == "refuse":
                return site_of(request).page(request, "page.html", status=422, text="no")
            if self.failing:
                raise ValueError(SECRET)
            return see(f"{MOUNT}/?done=recorded&n={self.acts}")

        return await once(request, record)

    async def act_for_program(self, request: Request) -> Response:
        await read_json(request)

        async def record(tx: Transaction) -> Response:
            return JSONResponse({}, 201)

        key = request.headers.get("idempotency-key", "")
        return await once(request, record, key)

    async def in_parts(self, request: Request) -> Response:
        """Each part is read by a transaction of its own."""

        async def read() -> AsyncIterator[str]:
            for _ in range(20):
                async with site_of(request).database.reading() as tx:
                    self.parts += 1
                    await tx.fetchval("SELECT pg_sleep(0.5)")
                yield "x"

        return Streamed(read())

    async def in_many_parts(self, request: Request) -> Response:
        """What is there already: nothing is waited for between two parts."""

        async def make() -> AsyncIterator[str]:
            self.begun()
            for _ in range(20):
                self.parts += 1
                yield "x"

        return Streamed(make())

    async def live(self, request: Request) -> Response:
        async def version() -> str:
            self.looks += 1
            if self.away:
                raise DatabaseAway
            return self.version

        return live(request, version, topic=self.topic, pause=self.pause)


async def a_key(browser: httpx.AsyncClient) -> str:
    """The key of a new form."""
    return (await browser.get(f"{MOUNT}/key")).text


@pytest.fixture
def quick(settings: Settings) -> Settings:
    return replace(settings, port=0, metrics_port=0, request_timeout=2.0, body_limit=LIMIT, grace=4.0)


@pytest.fixture
def pages() -> Pages:
    return Pages()


def site(pages: Pages, database: Database, folder: Path) -> Site:
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "page.html").write_text(PAGE)
    return Site(database, pages.routes(), folder / "templates", public=("/r/",))


@pytest.fixture
def unconnected(quick: Settings, house: House) -> Database:
    """A database that was never opened: enough for pages that ask nothing."""
    keys = read_keys(quick.keys_folder, GRANTS)
    context = Context(service=GRANTS, settings=quick, house=house, keys=keys, sections=SECTIONS)
    return Database("postgresql://nowhere", context)


@pytest.fixture
async def browser(pages: Pages, unconnected: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of the whole: gate, server's routing, service."""
    async with visiting(pages, unconnected, tmp_path) as visitor:
        yield visitor


@asynccontextmanager
async def visiting(pages: Pages, database: Database, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = database.context.settings
    server = WebServer(settings, database.context.house, SECTIONS)
    await server.mount(MOUNT, site(pages, database, folder).app)
    async with client(Gate(server, settings, server.templates)) as visitor:
        visitor.cookies.set("conduit", token(settings.keys_folder))
        yield visitor


@pytest.fixture
def lines(logged: Callable[[], list[dict[str, Any]]]) -> Callable[[], list[dict[str, Any]]]:
    """What is logged from now on."""

    def read() -> list[dict[str, Any]]:
        said = logged()
        assert SECRET not in str(said)
        return said

    return read


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000"]
    )
    async def test_known_ones_are_answered(self, browser: httpx.AsyncClient, host: str) -> None:
        assert (await browser.get(MOUNT + "/", headers={"host": host})).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "",
            "127.0.0.1.evil.example",
            "localhost.",
            "evil@127.0.0.1",
            "127.0.0.1@evil.example",
            "127.0.0.1:80:80",
            "127.0.0.1/evil",
            "[::1",
            "[::1]evil",
            "127.0.0.1, evil.example",
            " ",
            "127.0.0.1:999999",
            "ⅼocalhost".encode().decode("latin-1"),
        ],
    )
    async def test_others_are_not(self, browser: httpx.AsyncClient, host: str) -> None:
        answer = await browser.get(MOUNT + "/", headers=[(b"host", host.encode("latin-1"))])
        assert answer.status_code == 421
        assert "does not answer to that name" in answer.text

    async def test_only_what_the_page_that_says_so_looks_like_comes_by_any_name(
        self, browser: httpx.AsyncClient
    ) -> None:
        by = {"host": "evil.example"}
        for name in ("conduit.css", "conduit.js", "favicon.svg"):
            assert (await browser.get(asset(name), headers=by)).status_code == 200
        for path in (
            "/",
            "/robots.txt",
            "/static/000000000000/conduit.css",
            f"{MOUNT}{asset('conduit.css')}",
        ):
            assert (await browser.get(path, headers=by)).status_code == 421
        theirs = {**by, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
        assert (await browser.get(asset("conduit.js"), headers=theirs)).status_code == 403


class TestWhatTheGateSays:
    SENT = "zoe-marker"

    @pytest.fixture
    async def hasty(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Whoever has sent all that they may in a minute."""
        settings = replace(unconnected.context.settings, pace=1)
        server = WebServer(settings, unconnected.context.house, SECTIONS)
        transport = httpx.ASGITransport(Gate(server, settings, server.templates), client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as visitor:
            assert (await visitor.get("/robots.txt")).status_code == 200
            yield visitor

    async def refusals(
        self, browser: httpx.AsyncClient, hasty: httpx.AsyncClient, **headers: str
    ) -> list[tuple[httpx.Response, int, str]]:
        """Every answer by which the gate lets nobody in, its status, and what it says to do."""
        address, form = f"{MOUNT}/{self.SENT}?done=saved&text={self.SENT}", {"text": self.SENT}
        elsewhere = {"origin": f"https://{self.SENT}.example", **headers}
        host = {"host": f"{self.SENT}.example", **headers}
        return [
            (await browser.post(address, data=form, headers=elsewhere), 403, "Open the page here"),
            (await browser.get(address, headers=host), 421, "Use the address that you were given."),
            (await browser.post(address, data=form, headers=host), 421, "Use the address"),
            (await hasty.get(address, headers=headers), 429, "Wait a few seconds, then reload the page."),
        ]

    @pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*"])
    async def test_are_pages_that_say_what_to_do_and_quote_nothing(
        self, browser: httpx.AsyncClient, hasty: httpx.AsyncClient, house: House, accept: str
    ) -> None:
        page = await browser.get(MOUNT + "/")
        for answer, status, cure in await self.refusals(browser, hasty, accept=accept):
            assert answer.status_code == status
            assert answer.headers["content-type"] == page.headers["content-type"]
            assert answer.headers.items() >= SECURITY_HEADERS.items()
            assert (answer.headers.get("retry-after") == "10") is (status == 429)
            for words in (cure, house.telephone, asset("conduit.css"), "</html>"):
                assert words in answer.text
            assert self.SENT not in answer.text
            assert "Saved." not in answer.text
            assert "<nav" not in answer.text, "whoever asks may be from outside"
            assert "set-cookie" not in answer.headers

    async def test_are_problems_for_programs(
        self, browser: httpx.AsyncClient, hasty: httpx.AsyncClient
    ) -> None:
        for answer, status, cure in await self.refusals(browser, hasty, accept="application/json"):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers.items() >= SECURITY_HEADERS.items()
            assert (answer.headers.get("retry-after") == "10") is (status == 429)
            document = answer.json()
            assert (answer.status_code, document["status"]) == (status, status)
            assert cure in document["detail"]
            assert self.SENT not in answer.text


class TestOtherSites:
    HERE = "http://127.0.0.1"

    async def post(self, browser: httpx.AsyncClient, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await browser.post(MOUNT + "/form", data={"a": "b"}, headers=named)).status_code

    async def get(self, browser: httpx.AsyncClient, **headers: str) -> int:
        named = {f"sec-fetch-{name}": value for name, value in headers.items()}
        return (await browser.get(MOUNT + "/", headers=named)).status_code

    async def test_our_own_forms(self, browser: httpx.AsyncClient) -> None:
        assert await self.post(browser) == 200
        assert await self.post(browser, origin=self.HERE) == 200
        assert await self.post(browser, origin=self.HERE, sec_fetch_site="same-origin") == 200
        assert await self.post(browser, sec_fetch_site="none") == 200

    @pytest.mark.parametrize(
        "origin",
        [
            "http://evil.example",
            "null",
            "http://127.0.0.1:81",
            "http://127.0.0.1.evil.example",
            "http://evil.example#127.0.0.1",
            "http://[",
            "",
            "127.0.0.1",
            "http://127.0.0.1@evil.example",
        ],
    )
    async def test_forms_of_others_by_origin(self, browser: httpx.AsyncClient, origin: str) -> None:
        assert await self.post(browser, origin=origin) == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
    async def test_forms_of_others_by_sec_fetch_site(self, browser: httpx.AsyncClient, site: str) -> None:
        assert await self.post(browser, sec_fetch_site=site, sec_fetch_mode="navigate") == 403

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
    async def test_whatever_the_method(self, browser: httpx.AsyncClient, method: str) -> None:
        answer = await browser.request(method, MOUNT + "/", headers={"origin": "http://evil.example"})
        assert answer.status_code == 403

    async def test_they_may_link_here(self, browser: httpx.AsyncClient) -> None:
        assert await self.get(browser, site="cross-site", mode="navigate", dest="document") == 200
        assert await self.get(browser, site="same-site", mode="navigate", dest="document") == 200

    @pytest.mark.parametrize(
        ("mode", "dest"),
        [
            ("no-cors", "image"),
            ("no-cors", "script"),
            ("cors", "empty"),
            ("navigate", "iframe"),
            ("navigate", "object"),
            ("websocket", "websocket"),
        ],
    )
    async def test_but_not_use_our_pages(self, browser: httpx.AsyncClient, mode: str, dest: str) -> None:
        assert await self.get(browser, site="cross-site", mode=mode, dest=dest) == 403
        assert await self.get(browser, site="same-origin", mode=mode, dest=dest) == 200

    async def test_none_of_them_is_let_read_an_answer(self, browser: httpx.AsyncClient) -> None:
        theirs = {"origin": "http://evil.example", "access-control-request-method": "POST"}
        asked = [
            await browser.options(MOUNT + "/api/v1/json", headers=theirs),
            await browser.options(MOUNT + "/form", headers=theirs),
            await browser.get(MOUNT + "/", headers={"origin": "http://evil.example"}),
        ]
        assert [answer.status_code for answer in asked] == [405, 405, 200]
        for answer in asked:
            assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_a_proxy_may_have_a_public_name(
        self, pages: Pages, unconnected: Database, quick: Settings, tmp_path: Path
    ) -> None:
        context = replace(unconnected.context, settings=replace(quick, public_url="https://forum.example"))
        async with visiting(pages, Database("", context), tmp_path) as browser:
            assert await self.post(browser, origin="https://forum.example") == 200
            assert await self.post(browser, origin="https://evil.example") == 403
            answer = await browser.get(MOUNT + "/", headers={"host": "forum.example"})
            assert answer.status_code == 200


class TestPace:
    def test_a_bucket_is_emptied_at_once_and_filled_in_a_minute(self) -> None:
        clock = [0.0]
        pace = Pace(60, lambda: clock[0])
        assert [pace.admits("192.0.2.1") for _ in range(62)] == [True] * 60 + [False] * 2
        assert pace.admits("192.0.2.2"), "the others are not held up"
        for later, admitted in ((1, [True, False]), (2, [True, True, False]), (999, [True] * 60 + [False])):
            clock[0] += later
            assert [pace.admits("192.0.2.1") for _ in admitted] == admitted

    def test_this_computer_is_let_through(self) -> None:
        pace = Pace(60, lambda: 0.0)
        assert all(pace.admits(host) for host in ("127.0.0.1", "::1") for _ in range(100))

    def test_one_network_of_version_6_is_one_computer(self) -> None:
        pace = Pace(60, lambda: 0.0)
        assert [pace.admits(f"2001:db8::{n:x}") for n in range(61)] == [True] * 60 + [False]
        assert pace.admits("2001:db8:0:1::1")

    def test_it_remembers_so_many_and_no_more(self) -> None:
        pace = Pace(60, lambda: 0.0)
        for number in range(30_000):
            pace.admits(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        assert len(pace._buckets) == 10_000

    async def test_whoever_sends_too_much_is_told_when_to_come_back(
        self,
        pages: Pages,
        unconnected: Database,
        tmp_path: Path,
        lines: Callable[[], list[dict[str, Any]]],
    ) -> None:
        settings = replace(unconnected.context.settings, pace=60)
        server = WebServer(settings, unconnected.context.house, SECTIONS)
        await server.mount(MOUNT, site(pages, unconnected, tmp_path).app)
        gate = Gate(server, settings, server.templates)
        far, near = (httpx.ASGITransport(gate, client=(host, 1)) for host in ("192.0.2.1", "192.0.2.2"))
        async with (
            httpx.AsyncClient(transport=far, base_url="http://127.0.0.1") as hasty,
            httpx.AsyncClient(transport=near, base_url="http://127.0.0.1") as other,
        ):
            answers = [await hasty.get("/robots.txt") for _ in range(61)]
            assert [answer.status_code for answer in answers] == [200] * 60 + [429]
            assert answers[-1].headers["retry-after"] == "10"
            assert answers[-1].headers.items() >= SECURITY_HEADERS.items()
            assert (await other.get("/robots.txt")).status_code == 200
        assert [line["reason"] for line in lines()] == ["too_fast"]

    async def test_the_style_does_not_count_and_all_else_there_does(self, unconnected: Database) -> None:
        settings = replace(unconnected.context.settings, pace=3)
        server = WebServer(settings, unconnected.context.house, SECTIONS)
        transport = httpx.ASGITransport(Gate(server, settings, server.templates), client=("192.0.2.1", 1))
        style, wrong = asset("conduit.css"), "/static/000000000000/conduit.css"
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as visitor:
            first = [await visitor.request(method, style) for method in ("GET", "HEAD") for _ in range(10)]
            assert {answer.status_code for answer in first} == {200}
            counted = [await visitor.get(wrong), await visitor.post(style), await visitor.options(style)]
            assert [answer.status_code for answer in counted] == [404, 405, 405]
            assert (await visitor.get(wrong)).status_code == 429
            assert (await visitor.get(style)).status_code == 200, "the page that says so looks like one"


class TestAddresses:
    async def test_one_with_a_character_that_is_none_is_noted_and_answered_by_the_page_that_it_came_to(
        self, browser: httpx.AsyncClient, lines: Callable[[], list[dict[str, Any]]]
    ) -> None:
        for path in ("/nowhere%00", "/nowhere%ff", "/r/%00"):
            answer = await browser.get(MOUNT + path)
            assert (answer.status_code, "This page does not exist." in answer.text) == (404, True)
            assert "</html>" in answer.text
        shown = await browser.get(f"{MOUNT}/?text=a%00b")
        assert (shown.status_code, "a\ufffdb" in shown.text) == (200, True)
        assert [line["event"] for line in lines()] == ["address_mended"] * 3


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 200),
            ("GET", f"{MOUNT}/", 200),
            ("GET", MOUNT, 200),
            ("HEAD", f"{MOUNT}/", 200),
            ("GET", f"{MOUNT}/nowhere", 404),
            ("GET", f"{MOUNT}/fail", 500),
            ("GET", f"{MOUNT}/slow", 503),
            ("POST", f"{MOUNT}/", 405),
            ("GET", "/x?a=%00", 404),
        ],
    )
    async def test_every_answer_carries_them(
        self, browser: httpx.AsyncClient, method: str, path: str, status: int
    ) -> None:
        answer = await browser.request(method, path)
        assert answer.status_code == status
        assert answer.headers.items() >= SECURITY_HEADERS.items()

    async def test_refusals_too(self, browser: httpx.AsyncClient) -> None:
        for headers in ({"host": "evil.example"}, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}):
            answer = await browser.get("/", headers=headers)
            assert answer.headers.items() >= SECURITY_HEADERS.items()

    async def test_no_page_may_be_framed(self, browser: httpx.AsyncClient) -> None:
        for path in ("/", f"{MOUNT}/", f"{MOUNT}/nowhere"):
            assert "frame-ancestors 'none'" in (await browser.get(path)).headers["content-security-policy"]

    async def test_over_https_browsers_are_told_to_stay_there(
        self, browser: httpx.AsyncClient, quick: Settings, house: House
    ) -> None:
        assert "strict-transport-security" not in (await browser.get("/")).headers
        over_tls = replace(quick, public_url="https://conduit.forum.example")

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("here")(scope, receive, send)

        async with client(Gate(answer, over_tls, environment(house, ()))) as visitor:
            said = (await visitor.get("/")).headers["strict-transport-security"]
        assert int(said.partition("max-age=")[2].partition(";")[0]) > 31_536_000
        assert "includeSubDomains" in said

    async def test_no_script_of_a_page_may_run(self) -> None:
        policy = SECURITY_HEADERS["content-security-policy"]
        assert "unsafe" not in policy
        for directive in ("default-src 'self'", "object-src 'none'", "base-uri 'none'"):
            assert directive in policy


class TestStatic:
    async def test_its_address_may_be_kept_for_ever(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get(asset("conduit.css"))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r"/static/[0-9a-f]{12}/conduit\.js", asset("conduit.js"))

    async def test_another_version_is_not_under_this_address(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/static/000000000000/conduit.css")
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")

    @pytest.mark.parametrize(
        "path",
        [
            "../web/gate.py",
            "..%2fweb%2fgate.py",
            "%2e%2e/web/gate.py",
            "..%5cweb%5cgate.py",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "",
            ".",
            "conduit.css/",
        ],
    )
    async def test_nothing_else_can_be_read(self, browser: httpx.AsyncClient, path: str) -> None:
        digest = asset("conduit.css").split("/")[2]
        assert (await browser.get(f"/static/{digest}/{path}")).status_code in (404, 307)
        assert (await browser.get(f"/static/{path}")).status_code in (404, 307)

    @pytest.mark.parametrize(
        "path", ["/.git/config", "/.env", "/pyproject.toml", "/chassis/web/gate.py", "/static/", "/static"]
    )
    async def test_nor_anything_of_the_project(self, browser: httpx.AsyncClient, path: str) -> None:
        for place in (path, MOUNT + path):
            assert (await browser.get(place)).status_code in (404, 307)

    async def test_what_programs_ask_for_at_the_top(self, browser: httpx.AsyncClient) -> None:
        icon = await browser.get("/favicon.ico", follow_redirects=True)
        assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
        assert (await browser.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"

    async def test_a_page_names_only_assets_that_are_there(self, browser: httpx.AsyncClient) -> None:
        for address in set(re.findall(r'"(/static/[^"]+)"', (await browser.get("/")).text)):
            assert (await browser.get(address)).status_code == 200


class TestErrors:
    async def test_a_page_that_is_not_there(self, browser: httpx.AsyncClient) -> None:
        for path in ("/nowhere", f"{MOUNT}/nowhere", f"{MOUNT}/raise/missing"):
            answer = await browser.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "This page does not exist." in answer.text
            assert SECTIONS[0].title in answer.text

    async def test_an_error_is_said_once(self, browser: httpx.AsyncClient) -> None:
        shown = (await browser.get(f"{MOUNT}/raise/conflict")).text
        assert re.findall(r"<(\w+)[^>]*>Somebody was faster\.</", shown) == ["h1"]

    @pytest.mark.parametrize("path", ["/nowhere", "/raise/missing", "/raise/refused", "/r/raise/missing"])
    async def test_a_reference_is_only_for_what_the_log_knows(
        self, browser: httpx.AsyncClient, path: str
    ) -> None:
        assert " reference" not in (await browser.get(MOUNT + path)).text

    def is_for_outsiders(self, answer: httpx.Response, house: House) -> bool:
        ring = f'<a href="{dialled(house.telephone)}">{house.telephone}</a>'
        for words in (house.name, house.number, ring):
            assert words in answer.text
        return "<nav" not in answer.text and 'href="/' not in answer.text.split("<body>")[1]

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/r/raise/refused", 422),
            ("/r/raise/conflict", 409),
            ("/r/raise/missing", 404),
            ("/r/raise/away", 503),
            ("/r/nowhere/at/all", 404),
            ("/r/form", 405),
            ("/r/fail", 500),
            ("/r/deep/fail", 500),
        ],
    )
    async def test_people_outside_see_no_way_into_the_rest(
        self, browser: httpx.AsyncClient, house: House, path: str, status: int
    ) -> None:
        answer = await browser.get(MOUNT + path)
        assert answer.status_code == status
        assert self.is_for_outsiders(answer, house)
        assert "Go to the first page" not in answer.text

    async def test_people_outside_who_send_what_cannot_be_used(
        self, browser: httpx.AsyncClient, house: House
    ) -> None:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        for content, headers, status in (
            (b"a=%00", kind, 400),
            (b"a=" + b"x" * LIMIT, kind, 413),
            (b"{}", {"content-type": "text/plain"}, 415),
        ):
            answer = await browser.post(MOUNT + "/r/form", content=content, headers=headers)
            assert answer.status_code == status
            assert self.is_for_outsiders(answer, house)

    async def test_people_inside_see_the_rest(self, browser: httpx.AsyncClient) -> None:
        for path in ("/raise/refused", "/nowhere/r/", "/form"):
            assert "<nav" in (await browser.get(MOUNT + path)).text

    async def test_an_address_used_in_the_wrong_way(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.request("DELETE", MOUNT + "/form")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert "cannot be used that way" in answer.text

    @pytest.mark.parametrize("path", ["/", f"{MOUNT}/", f"{MOUNT}/form", asset("conduit.css")])
    async def test_a_request_is_never_sent_back(self, browser: httpx.AsyncClient, path: str) -> None:
        answer = await browser.request("TRACE", path, headers=[(b"x-secret", SECRET.encode())])
        assert answer.status_code == 405
        assert SECRET not in answer.text

    async def test_a_problem_for_programs(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get(MOUNT + "/raise/refused", headers={"accept": "application/json"})
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert re.fullmatch("[0-9a-f-]{36}", document.pop("reference"))
        assert document == {
            "type": "about:blank",
            "title": "It <cannot> be.",
            "status": 422,
            "detail": "Do <something>.",
            "field": "amount",
        }

    async def test_a_page_for_people(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get(MOUNT + "/raise/refused")
        assert answer.status_code == 422
        assert "It &lt;cannot&gt; be." in answer.text
        assert "Do &lt;something&gt;." in answer.text

    @pytest.mark.parametrize(
        ("path", "accept", "kind"),
        [
            ("/nowhere", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
            ("/nowhere", "*/*", "text/html; charset=utf-8"),
            ("/nowhere", "", "text/html; charset=utf-8"),
            ("/nowhere", "application/json", "application/problem+json"),
            ("/nowhere", "Application/Problem+JSON", "application/problem+json"),
            ("/nowhere", "text/html, application/json", "text/html; charset=utf-8"),
            ("/api/v1/nowhere", "text/html", "application/problem+json"),
            ("/api/v1/nowhere", "*/*", "application/problem+json"),
        ],
    )
    async def test_who_asks_decides_the_form(
        self, browser: httpx.AsyncClient, path: str, accept: str, kind: str
    ) -> None:
        answer = await browser.get(MOUNT + path, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, kind)

    async def test_the_gate_speaks_to_programs_as_well(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get(MOUNT + "/api/v1/json", headers={"host": "evil.example"})
        assert (answer.status_code, answer.json()["status"]) == (421, 421)

    @pytest.mark.parametrize("path", ["/fail", "/api/v1/fail", "/raise/timeout"])
    async def test_a_fault_of_ours_shows_nothing_and_logs_its_place(
        self, browser: httpx.AsyncClient, lines: Callable[[], list[dict[str, Any]]], path: str
    ) -> None:
        answer = await browser.get(MOUNT + path, headers={"accept": "application/json"})
        assert answer.status_code == 500
        for word in (SECRET, "ValueError", "TimeoutError", "Traceback", ".py"):
            assert word not in answer.text
        [line] = lines()
        assert line["event"] == "request_failed"
        assert line["error"] in ("ValueError", "TimeoutError")
        assert line["at"].startswith("test_web.py:")
        assert line["service"] == GRANTS
        assert line["correlationid"] == answer.json()["reference"]

    async def test_the_page_of_a_fault_names_the_same_reference(
        self, browser: httpx.AsyncClient, lines: Callable[[], list[dict[str, Any]]]
    ) -> None:
        answer = await browser.get(MOUNT + "/fail")
        assert lines()[0]["correlationid"] in answer.text
        assert SECRET not in answer.text

    async def test_a_fault_after_the_answer_began_is_logged(
        self, browser: httpx.AsyncClient, lines: Callable[[], list[dict[str, Any]]]
    ) -> None:
        with pytest.raises(ValueError, match=SECRET):
            await browser.get(MOUNT + "/fail-late")
        assert lines()[0]["event"] == "request_failed"

    async def test_a_broken_template_still_shows_nothing(
        self, browser: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        (tmp_path / "templates" / "page.html").write_text("{{ missing }}")
        (tmp_path / "templates" / "error.html").write_text("{{ missing }}")
        with suppress(Exception):
            answer = await browser.get(MOUNT + "/")
            assert answer.text == "Internal Server Error"

    @pytest.mark.parametrize("name", ["away", "deadlock", "lock"])
    async def test_what_will_pass_says_when_to_try_again(self, browser: httpx.AsyncClient, name: str) -> None:
        answer = await browser.get(f"{MOUNT}/raise/{name}")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert SECRET not in answer.text

    async def test_a_database_that_is_really_away(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post(MOUNT + "/act", data={"key": await a_key(browser)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


class TestRefusals:
    """Who tries to get round something is written down, without what they sent."""

    @pytest.mark.parametrize(
        ("method", "path", "sent", "reason"),
        [
            ("GET", "/", {"headers": {"host": "evil.example"}}, "unknown_host"),
            ("POST", f"{MOUNT}/form", {"headers": {"origin": "http://evil.example"}}, "other_site"),
            ("POST", f"{MOUNT}/form", {"data": {"words": SECRET * LIMIT}}, "TooLarge"),
            ("POST", f"{MOUNT}/act", {"data": {"key": "made elsewhere", "w": SECRET}}, "OfAnotherSession"),
        ],
    )
    async def test_are_logged(
        self,
        browser: httpx.AsyncClient,
        lines: Callable[[], list[dict[str, Any]]],
        method: str,
        path: str,
        sent: dict[str, Any],
        reason: str,
    ) -> None:
        answer = await browser.request(method, path, **sent)
        assert answer.status_code in (400, 403, 409, 413, 421)
        [line] = lines()
        assert (line["event"], line["reason"]) == ("request_refused", reason)
        assert "evil" not in str(line)

    async def test_what_happens_to_everybody_is_not(
        self, browser: httpx.AsyncClient, lines: Callable[[], list[dict[str, Any]]]
    ) -> None:
        for path in ("/nowhere", "/raise/refused", "/raise/missing", "/raise/conflict", "/form"):
            assert (await browser.get(MOUNT + path)).status_code in (404, 405, 409, 422)
        assert lines() == []


class TestPages:
    @pytest.mark.parametrize(
        "text",
        ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "{{ 7*7 }}"],
    )
    async def test_values_are_text_and_nothing_else(self, browser: httpx.AsyncClient, text: str) -> None:
        shown = (await browser.get(MOUNT + "/", params={"text": text})).text
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert '"><img src=x' not in shown
        assert "' onmouseover" not in shown
        assert "49" not in re.findall(r"<p title=[^>]*>([^<]*)</p>", shown)

    async def test_what_was_written_is_read_once(self, browser: httpx.AsyncClient) -> None:
        """An encoding within an encoding is text, and stays it."""
        for text in ("%3Cscript%3E", "&lt;b&gt;", "\\u003cb", "%2e%2e%2f", "=?utf-8?q?=3C?="):
            shown = (await browser.get(MOUNT + "/", params={"text": text})).text
            assert f">{html.escape(text)}</p>" in shown
            assert (await browser.post(MOUNT + "/form", data={"a": text})).json() == {"a": text}

    async def test_a_confirmation_is_named_by_its_code_only(self, browser: httpx.AsyncClient) -> None:
        assert "Recorded." in (await browser.get(MOUNT + "/?done=recorded")).text
        assert "Send money" not in (await browser.get(MOUNT + "/?done=Send money")).text

    async def test_the_navigation_marks_where_one_is(self, browser: httpx.AsyncClient) -> None:
        assert f'href="{MOUNT}" aria-current="true"' in (await browser.get(MOUNT + "/")).text
        assert "aria-current" not in (await browser.get("/")).text

    async def test_the_start_page_promises_nothing_that_it_does_not_show(
        self, browser: httpx.AsyncClient
    ) -> None:
        shown = (await browser.get("/")).text
        assert SECTIONS[0].purpose in shown
        assert "counts" not in shown

    async def test_a_section_needs_no_slash(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.get(MOUNT)).text == (await browser.get(MOUNT + "/")).text

    async def test_head_is_get_without_its_body(self, browser: httpx.AsyncClient) -> None:
        head, get = await browser.head(MOUNT + "/"), await browser.get(MOUNT + "/")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]

    async def test_a_neighbour_with_a_longer_name_is_another_place(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.get(MOUNT + "s/")).status_code == 404

    async def test_a_slow_page_is_cut(self, browser: httpx.AsyncClient, pages: Pages) -> None:
        answer = await browser.get(MOUNT + "/slow")
        assert answer.status_code == 503
        assert "may or may not have been done" in answer.text
        assert pages.cancelled == 1


class TestMetrics:
    def requests(self) -> dict[tuple[str, str, str], float]:
        [counted] = metrics.REQUESTS.collect()
        return {
            (each.labels["route"], each.labels["method"], each.labels["status"]): each.value
            for each in counted.samples
            if each.name.endswith("_total") and each.labels["service"] == GRANTS
        }

    async def test_name_routes_and_never_paths(self, browser: httpx.AsyncClient) -> None:
        before = self.requests()
        for path in (
            "/deep/down/token-1",
            "/deep/down/token-2",
            "/nowhere/token-3",
            "/fail",
            f"/echo/{uuid4()}",
        ):
            await browser.get(MOUNT + path)
        await browser.request("SECRETWORD", MOUNT + "/")
        new = {key: value - before.get(key, 0) for key, value in self.requests().items()}
        assert {key: value for key, value in new.items() if value} == {
            ("/down/{token}", "GET", "200"): 2,
            ("unmatched", "GET", "404"): 1,
            ("/fail", "GET", "500"): 1,
            ("/echo/{id}", "GET", "200"): 1,
            ("/", "other", "405"): 1,
        }
        shown = str(list(metrics.REGISTRY.collect()))
        assert "token-" not in shown
        assert "SECRETWORD" not in shown

    async def test_nothing_stays_in_progress(self, browser: httpx.AsyncClient) -> None:
        await asyncio.gather(*(browser.get(MOUNT + path) for path in ("/", "/fail", "/slow", "/nowhere")))
        [gauge] = metrics.IN_PROGRESS.collect()
        assert {each.value for each in gauge.samples if each.labels["service"] == GRANTS} == {0}


class TestCause:
    @pytest.fixture
    async def causes(self, quick: Settings, house: House) -> AsyncIterator[httpx.AsyncClient]:
        async def tell(request: Request) -> Response:
            return PlainTextResponse(current_cause().traceparent)

        app = application("site", quick, [Route("/", tell)], environment(house, ()))
        async with client(app) as visitor:
            yield visitor

    async def test_a_callers_trace_is_continued(self, causes: httpx.AsyncClient) -> None:
        """In a span of our own, and also where a later version of the standard says more than ours."""
        for given in (f"00-{'a' * 32}-{'b' * 16}-00", f"01-{'a' * 32}-{'b' * 16}-00-more"):
            told = (await causes.get("/", headers={"traceparent": given})).text
            assert re.fullmatch(f"00-{'a' * 32}-[0-9a-f]{{16}}-00", told)
            assert "b" * 16 not in told

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "x",
            f"00-{'0' * 32}-{'b' * 16}-01",
            f"00-{'a' * 32}-{'0' * 16}-01",
            f"ff-{'a' * 32}-{'b' * 16}-01",
            f"00-{'A' * 32}-{'b' * 16}-01",
            f"00-{'a' * 32}-{'b' * 16}-01\tx",
            SECRET.encode().decode("latin-1"),
        ],
    )
    async def test_anything_else_is_not(self, causes: httpx.AsyncClient, given: str) -> None:
        told = (await causes.get("/", headers=[(b"traceparent", given.encode("latin-1"))])).text
        assert told != given
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", told)


class TestBodies:
    async def test_a_form(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post(MOUNT + "/form", data={"name": "Zoë", "empty": ""})
        assert answer.json() == {"name": "Zoë", "empty": ""}

    async def test_a_form_with_a_file(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post(MOUNT + "/form", data={"a": "b"}, files={"file": ("x.csv", b"1,2")})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "kind", ["application/json", "text/plain", "", "application/x-www-form-urlencodedx"]
    )
    async def test_a_form_of_another_kind(self, browser: httpx.AsyncClient, kind: str) -> None:
        answer = await browser.post(MOUNT + "/form", content=b"a=b", headers={"content-type": kind})
        assert answer.status_code == 415

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("multipart/form-data", b"--x\r\n"),
            ("multipart/form-data; boundary=x", b"no boundary in here"),
            ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"),
            ("multipart/form-data; boundary=x", b"--x\r\n\x00\xff: y\r\n\r\n"),
            ("multipart/form-data; boundary=" + "x" * 400, b"--x\r\n"),
            (
                "multipart/form-data; boundary=x; charset=unicode_escape",
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\\ud800\r\n--x--\r\n',
            ),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="f"; filename="1"\r\n\r\n1\r\n'
                b'--x\r\nContent-Disposition: form-data; name="f"; filename="2"\r\n\r\n2\r\n--x--\r\n',
            ),
            ("application/x-www-form-urlencoded", b"a=%00"),
            ("application/x-www-form-urlencoded", b"%00=a"),
            ("application/x-www-form-urlencoded", b"a=1&" * 201),
        ],
    )
    async def test_a_form_that_cannot_be_used(
        self, browser: httpx.AsyncClient, kind: str, body: bytes
    ) -> None:
        answer = await browser.post(MOUNT + "/form", content=body, headers={"content-type": kind})
        assert answer.status_code == 400, answer.text

    async def test_bytes_that_are_no_text_become_signs_of_it(self, browser: httpx.AsyncClient) -> None:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = await browser.post(MOUNT + "/form", content=b"a=%ff%ed%a0%80", headers=kind)
        assert answer.json()["a"].strip("�") == ""

    async def test_json(self, browser: httpx.AsyncClient) -> None:
        document = {"name": "Zoë", "n": 1, "list": [None, True, {"x": "😀"}]}
        assert (await browser.post(MOUNT + "/api/v1/json", json=document)).json() == document

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/json"])
    async def test_json_of_another_kind(self, browser: httpx.AsyncClient, kind: str) -> None:
        answer = await browser.post(MOUNT + "/api/v1/json", content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, answer.json()["status"]) == (415, 415)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"1",
            b"null",
            b'"text"',
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": -Infinity}',
            b'{"a": 1e999}',
            b'{"a": "\xff"}',
            b'{"a": "\\u0000"}',
            b'{"\\u0000": 1}',
            b'{"a": ["\\ud800"]}',
            b'{"a":' * 32 + b"1" + b"}" * 32,
            b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
            b"[" * 2000,
            b'{"a": 1} {"b": 2}',
        ],
    )
    async def test_json_that_cannot_be_used(self, browser: httpx.AsyncClient, body: bytes) -> None:
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = await browser.post(MOUNT + "/api/v1/json", content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_json_as_deep_as_it_may_be(self, browser: httpx.AsyncClient) -> None:
        deep = b'{"a":' * 31 + b"1" + b"}" * 31
        kind = {"content-type": "application/json"}
        assert (await browser.post(MOUNT + "/api/v1/json", content=deep, headers=kind)).status_code == 200

    async def test_json_as_deep_as_it_fits(
        self, pages: Pages, unconnected: Database, quick: Settings, tmp_path: Path
    ) -> None:
        context = replace(unconnected.context, settings=replace(quick, body_limit=1_000_000))
        async with visiting(pages, Database("", context), tmp_path) as browser:
            for body in (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, b'{"a":' + b"[" * 900_000):
                kind = {"content-type": "application/json"}
                answer = await browser.post(MOUNT + "/api/v1/json", content=body, headers=kind)
                assert answer.status_code == 400

    async def test_a_declared_size_over_the_limit(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post(MOUNT + "/form", data={"a": "x" * LIMIT})
        assert answer.status_code == 413
        assert "2 kB" in answer.text

    async def test_a_file_over_its_own_limit_leads_back_to_its_form(self, browser: httpx.AsyncClient) -> None:
        address, host = f"{MOUNT}/r/upload", browser.base_url.netloc.decode()
        for content, kept in ((b"x" * 2_000_000, True), (b"x" * 2_100_000, False)):
            answer = await browser.post(address, files={"file": ("a.pdf", content)})
            assert (answer.status_code == 413) is not kept
        assert "at most 2 MB" in answer.text
        for referer, back in (
            (f"http://{host}/", address),
            ("https://evil.example/things", address),
            (f"http://{host}//evil.example/x", "/evil.example/x"),
            (f"http://{host}{MOUNT}/?text=1", f"{MOUNT}/"),
        ):
            files, headers = {"file": ("a.pdf", content)}, {"referer": referer}
            answer = await browser.post(address, files=files, headers=headers)
            assert f'<a class="button" href="{back}">Back to the form</a>' in answer.text
        elsewhere = await browser.post(MOUNT + "/form", data={"a": "x" * LIMIT})
        assert "Back to the form" not in elsewhere.text, "it is looked at nowhere"

    async def test_a_size_over_the_limit_that_was_not_declared(self, browser: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(LIMIT // 100 + 1):
                yield b"x" * 100

        for path, kind in (
            ("/form", "application/x-www-form-urlencoded"),
            ("/api/v1/json", "application/json"),
        ):
            answer = await browser.post(MOUNT + path, content=chunks(), headers={"content-type": kind})
            assert answer.status_code == 413

    async def test_a_false_declaration(self, browser: httpx.AsyncClient) -> None:
        for declared in ("-1", "abc", "٣", "9" * 5000):
            headers = [(b"content-length", declared.encode()), (b"content-type", b"application/json")]
            answer = await browser.post(MOUNT + "/api/v1/json", content=b"{}", headers=headers)
            assert answer.status_code in (200, 413)

    @pytest.mark.parametrize(
        ("path", "status"), [("/%00", 404), ("/?q=%00", 200), ("/echo/%00", 404), ("/?%00", 200)]
    )
    async def test_an_address_that_could_not_be_looked_up(
        self, browser: httpx.AsyncClient, path: str, status: int
    ) -> None:
        assert (await browser.get(MOUNT + path)).status_code == status


class TestIds:
    async def test_an_id(self, browser: httpx.AsyncClient) -> None:
        id = str(uuid4())
        assert (await browser.get(f"{MOUNT}/echo/{id}")).text == id
        assert (await browser.get(f"{MOUNT}/echo/{id.upper()}")).text == id

    @pytest.mark.parametrize(
        "text",
        [
            "1",
            "x" * 36,
            "{12345678-1234-5678-1234-567812345678}",
            "urn:uuid:12345678-1234-5678-1234-567812345678",
            "12345678123456781234567812345678",
            "1234567-81234-5678-1234-567812345678",
            "١2345678-1234-5678-1234-567812345678",
            "1_345678-1234-5678-1234-567812345678",
            "'; DROP TABLE x; --",
        ],
    )
    async def test_no_id(self, browser: httpx.AsyncClient, text: str) -> None:
        answer = await browser.get(f"{MOUNT}/echo/{quote(text, safe='')}")
        assert answer.status_code == 404
        assert "This page does not exist." in answer.text


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "pence"),
        [
            ("3,400", 340000),
            ("£3400", 340000),
            (" £ 3,400.50 ", 340050),
            ("12.50", 1250),
            ("0.01", 1),
            ("1,000,000", 100000000),
            ("007", 700),
        ],
    )
    def test_as_people_type_them(self, text: str, pence: int) -> None:
        assert read_pounds(text, field="amount") == pence

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "£",
            ".",
            ".50",
            "5.",
            "5.5",
            "5.505",
            "12,50",
            "1,2,3",
            ",100",
            "1,0000",
            "-5",
            "£-5",
            "--5",
            "+5",
            "1e5",
            "0x10",
            "1_000",
            "٣",
            "３",
            "½",
            "5²",
            "££5",
            "5 000",
            "five",
            "NaN",
            "inf",
            "0",
            "0.00",
            "1,000,000.01",
            "9" * 13,
            "9" * 100_000,
            "5\n6",
        ],
    )
    def test_none(self, text: str) -> None:
        with pytest.raises(Refused) as raised:
            read_pounds(text, field="amount")
        assert raised.value.field == "amount"
        assert raised.value.cure.startswith("Write ")
        assert len(text) < 5 or text not in str(raised.value) + raised.value.cure

    def test_nothing_is_no_amount(self) -> None:
        for text in ("0", "0.00", "£0"):
            with pytest.raises(Refused, match="at least 1p") as raised:
                read_pounds(text, field="a")
            assert "at most" not in raised.value.cure

    def test_more_than_may_be(self) -> None:
        assert read_pounds("50", field="a", most_pence=5000) == 5000
        with pytest.raises(Refused) as raised:
            read_pounds("50.01", field="a", most_pence=5000)
        assert raised.value.cure == "Write at most £50."


class TestWords:
    def test_money(self) -> None:
        assert [pounds(n) for n in (340000, 340050, 5, 0, -1250, None)] == [
            "£3,400",
            "£3,400.50",
            "£0.05",
            "£0",
            "−£12.50",
            "–",
        ]

    @pytest.mark.parametrize(
        ("written", "rings"),
        [
            ("020 7946 0000", "02079460000"),
            ("(020) 7946-0000 ext. 12", "02079460000"),
            ("+44 (0)20 7946 0000", "+442079460000"),
            ("020 7946 0000, mornings 9 to 12", "02079460000"),
        ],
    )
    def test_a_telephone_rings_what_is_written(self, written: str, rings: str) -> None:
        assert dialled(written) == f"tel:{rings}"

    def test_time_is_the_users_own(self) -> None:
        summer, winter = datetime(2012, 7, 1, 23, 30, tzinfo=UTC), datetime(2012, 2, 3, 14, 5, tzinfo=UTC)
        assert (when(summer), day(summer)) == ("2 July 2012, 00:30", "2 July 2012")
        assert (when(winter), day(winter)) == ("3 February 2012, 14:05", "3 February 2012")
        assert (when(None), day(None), day(date(2012, 2, 3))) == ("–", "–", "3 February 2012")


class TestOnce:
    @pytest.fixture
    async def database(self, make_bare: MakeDatabase) -> Database:
        return await make_bare(GRANTS)

    @pytest.fixture
    async def browser(
        self, pages: Pages, database: Database, tmp_path: Path
    ) -> AsyncIterator[httpx.AsyncClient]:
        async with visiting(pages, database, tmp_path) as visitor:
            yield visitor

    async def effects(self, database: Database) -> list[str]:
        async with database.reading() as tx:
            return [row["subject"] for row in await tx.fetch("SELECT subject FROM effects ORDER BY id")]

    async def test_the_same_form_again_gets_the_same_answer(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        form = {"key": await a_key(browser), "words": "hello"}
        first = await browser.post(MOUNT + "/act", data=form)
        again = await browser.post(MOUNT + "/act", data=form)
        assert (first.status_code, first.headers["location"]) == (303, f"{MOUNT}/?done=recorded&n=1")
        assert (again.status_code, again.headers["location"]) == (303, f"{MOUNT}/?done=recorded&n=1")
        assert again.headers.get("content-type") == first.headers.get("content-type")
        assert await self.effects(database) == ["hello"]

    async def test_another_key_acts_again(self, browser: httpx.AsyncClient, database: Database) -> None:
        for _ in range(2):
            await browser.post(MOUNT + "/act", data={"key": await a_key(browser), "words": "hello"})
        assert await self.effects(database) == ["hello", "hello"]

    async def test_the_same_key_with_other_words(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        key = await a_key(browser)
        await browser.post(MOUNT + "/act", data={"key": key, "words": "hello"})
        answer = await browser.post(MOUNT + "/act", data={"key": key, "words": "good-bye"})
        assert answer.status_code == 409
        assert "sent before with other content" in answer.text
        assert await self.effects(database) == ["hello"]

    async def test_a_file_sent_again_is_the_same_though_browsers_draw_a_new_boundary(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        key = await a_key(browser)
        for content, status in ((b"1", 303), (b"1", 303), (b"2", 409)):
            form = {"key": key, "words": "w"}
            answer = await browser.post(MOUNT + "/act", data=form, files={"file": ("x.csv", content)})
            assert answer.status_code == status
        assert await self.effects(database) == ["w"]

    async def test_twenty_at_once_act_once(self, browser: httpx.AsyncClient, database: Database) -> None:
        form = {"key": await a_key(browser), "words": "hello"}
        answers = await asyncio.gather(*(browser.post(MOUNT + "/act", data=form) for _ in range(20)))
        assert {(each.status_code, each.headers["location"]) for each in answers} == {
            (303, f"{MOUNT}/?done=recorded&n=1")
        }
        assert await self.effects(database) == ["hello"]

    async def test_an_act_that_fails_leaves_nothing_and_may_be_tried_again(
        self, browser: httpx.AsyncClient, database: Database, pages: Pages
    ) -> None:
        form = {"key": await a_key(browser), "words": "hello"}
        pages.failing = True
        assert (await browser.post(MOUNT + "/act", data=form)).status_code == 500
        assert await self.effects(database) == []
        pages.failing = False
        assert (await browser.post(MOUNT + "/act", data=form)).status_code == 303
        assert await self.effects(database) == ["hello"]

    async def test_an_answer_that_says_no_leaves_nothing_and_the_form_may_be_mended(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        key = await a_key(browser)
        assert (await browser.post(MOUNT + "/act", data={"key": key, "words": "refuse"})).status_code == 422
        assert await self.effects(database) == []
        assert (await browser.post(MOUNT + "/act", data={"key": key, "words": "better"})).status_code == 303
        assert await self.effects(database) == ["better"]

    @pytest.mark.parametrize("key", ["", "short", "x" * 101, "ключ-ключ-ключ"])
    async def test_without_a_usable_key(
        self, browser: httpx.AsyncClient, database: Database, key: str
    ) -> None:
        answer = await browser.post(MOUNT + "/act", data={"key": key, "words": "hello"})
        assert answer.status_code == 400
        assert "lost its key" in answer.text
        assert (await browser.post(MOUNT + "/act", data={"words": "hello"})).status_code == 400
        assert await self.effects(database) == []

    async def test_a_program_is_told_in_its_own_words(self, browser: httpx.AsyncClient) -> None:
        async def send(key: str | None, n: int) -> httpx.Response:
            headers = {} if key is None else {"idempotency-key": key}
            return await browser.post(MOUNT + "/api/v1/act", json={"n": n}, headers=headers)

        for key in (None, "", "short", "x" * 101):
            answer = await send(key, 1)
            assert (answer.status_code, answer.json()["title"]) == (
                400,
                "The Idempotency-Key header is missing or not 8 to 100 ASCII characters.",
            )
        assert (await send("a key of mine", 1)).status_code == 201
        answer = await send("a key of mine", 2)
        assert (answer.status_code, answer.json()["title"]) == (
            409,
            "This Idempotency-Key came with another body before.",
        )

    async def test_the_key_is_kept_where_no_token_can_be_read(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        key = await a_key(browser)
        await browser.post(MOUNT + "/act", data={"key": key, "words": "hello"})
        async with database.reading() as tx:
            [row] = await tx.fetch("SELECT * FROM idempotency")
        assert key not in row["key"]
        assert MOUNT not in row["key"]
        assert b"hello" not in row["digest"]


@asynccontextmanager
async def serving(
    pages: Pages, database: Database, folder: Path, **changed: Any
) -> AsyncIterator[tuple[WebServer, str]]:
    """The real server, on a free port."""
    server = WebServer(replace(database.context.settings, **changed), database.context.house, SECTIONS)
    await server.start()
    await server.mount(MOUNT, site(pages, database, folder).app)
    try:
        yield server, f"http://127.0.0.1:{server.ports[0]}"
    finally:
        await server.stop()


async def speak(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes and read the answer until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
def quiet() -> Iterator[None]:
    """uvicorn's own complaints go nowhere."""
    speaking = logging.getLogger("uvicorn.error")
    before, speaking.disabled = speaking.disabled, True
    yield
    speaking.disabled = before


class TestServer:
    async def test_serves_what_is_mounted_and_nothing_after(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with (
            serving(pages, unconnected, tmp_path) as (server, url),
            httpx.AsyncClient(base_url=url) as browser,
        ):
            assert server.sections == SECTIONS
            assert (await browser.get("/")).status_code == 200
            assert (await browser.get(MOUNT + "/")).status_code == 200
            assert "server" not in (await browser.get(MOUNT + "/fail")).headers
            await server.unmount(MOUNT)
            assert (await browser.get(MOUNT + "/")).status_code == 503

    async def test_a_section_that_is_not_there_yet_is_no_wrong_address(
        self, pages: Pages, unconnected: Database, house: House, tmp_path: Path
    ) -> None:
        settings = unconnected.context.settings
        server = WebServer(settings, house, SECTIONS)
        async with client(Gate(server, settings, server.templates)) as browser:
            for path in (MOUNT, f"{MOUNT}/", f"{MOUNT}/r/token"):
                answer = await browser.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                for words in ("starting, or away", "Nothing is lost", "Reload", house.telephone):
                    assert words in answer.text
                assert "<nav" not in answer.text  # whoever asks may be from outside
            answer = await browser.post(f"{MOUNT}/api/v1/json", json={})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.headers["content-type"] == "application/problem+json"
            for path in (MOUNT + "s/", "/nowhere", f"/x{MOUNT}"):
                assert (await browser.get(path)).status_code == 404
            await server.mount(MOUNT, site(pages, unconnected, tmp_path).app)
            assert (await browser.get(MOUNT + "/")).status_code == 200

    async def test_two_slashes_are_no_address(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, _):
            for target in (b"//things", b"//things/", b"//", b"///"):
                head = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                assert (await speak(server.ports[0], b"GET " + target + head)).startswith(b"HTTP/1.1 404")

    async def test_bytes_that_are_no_request(
        self, pages: Pages, unconnected: Database, tmp_path: Path, quiet: None
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, _):
            [port] = server.ports
            end = b"Host: 127.0.0.1\r\nConnection: close\r\n"
            assert (await speak(port, b"\x00\xff\r\n\r\n")).startswith(b"HTTP/1.1 400")
            assert (await speak(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400")
            twice = b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + end + b"\r\n"
            assert (await speak(port, twice)).startswith(b"HTTP/1.1 400")
            absolute = b"GET http://evil.example/ HTTP/1.1\r\n" + end + b"\r\n"
            assert b"evil.example" not in await speak(port, absolute)
            smuggled = (
                b"POST /things/form HTTP/1.1\r\n"
                + end
                + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"
            )
            assert (await speak(port, smuggled)).startswith(b"HTTP/1.1 400")
            # Where both say how long the body is, the chunks decide, and what follows them is no request.
            both = (
                b"POST /things/form HTTP/1.1\r\n"
                + end
                + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
                + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                + b"3\r\na=b\r\n0\r\n\r\nGET /things/ HTTP/1.1\r\n"
                + end
                + b"\r\n"
            )
            answered = await speak(port, both)
            assert (answered.count(b"HTTP/1.1 "), b"connection: close" in answered.lower()) == (1, True)
            assert answered.startswith(b"HTTP/1.1 400") or answered.endswith(b'{"a":"b"}')
            unknown = both.replace(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x, chunked")
            assert (await speak(port, unknown)).startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
            head = await speak(port, b"HEAD / HTTP/1.1\r\n" + end + b"\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert head.endswith(b"\r\n\r\n")

    async def test_a_body_over_the_limit_is_not_read_to_its_end(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, _):
            start = (
                b"POST /things/form HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n"
            )
            declared = await speak(server.ports[0], start + b"Content-Length: 99999999\r\n\r\nabc")
            assert declared.startswith(b"HTTP/1.1 413")
            chunk = b"%x\r\n%s\r\n" % (LIMIT, b"x" * LIMIT)
            chunked = await speak(
                server.ports[0], start + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk
            )
            assert chunked.startswith(b"HTTP/1.1 413")

    @pytest.mark.parametrize(
        ("asks", "until", "then"),
        [
            (b"POST /things/form", b"", b"HTTP/1.1 400"),
            (b"GET /robots.txt", b"", b"HTTP/1.1 400"),
            (b"GET /robots.txt", b"Disallow: /\n", b""),
            (b"GET /things/live", b"retry: 2000\n\n", b""),
        ],
        ids=[
            "while it is read",
            "before the answer",
            "after the answer",
            "in the midst of a stream",
        ],
    )
    async def test_a_body_that_goes_on_as_no_http_ends_the_connection_and_is_no_news(
        self,
        pages: Pages,
        unconnected: Database,
        tmp_path: Path,
        logged: Callable[[], list[dict[str, Any]]],
        asks: bytes,
        until: bytes,
        then: bytes,
    ) -> None:
        start = asks + (
            b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        async with serving(pages, unconnected, tmp_path) as (server, _), asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(start if until else start + b"no number\r\n")
            if until:
                await reader.readuntil(until)
                writer.write(b"no number\r\n")
            assert (await reader.read()).startswith(then)
            writer.close()
            await comes(lambda: in_progress() == 0)
        assert logged() == []

    async def test_a_body_that_does_not_come_holds_up_no_stop_and_is_no_news(
        self,
        pages: Pages,
        unconnected: Database,
        tmp_path: Path,
        logged: Callable[[], list[dict[str, Any]]],
    ) -> None:
        patient = replace(unconnected.context.settings, request_timeout=20)
        database = Database("postgresql://nowhere", replace(unconnected.context, settings=patient))
        async with serving(pages, database, tmp_path) as (server, _), asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
            writer.write(
                b"POST /things/form HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\na=b"
            )
            await comes(lambda: in_progress() == 1)
            await server.stop()
            assert await reader.read() == b""
            writer.close()
        assert logged() == []

    async def test_a_body_that_never_comes_is_not_waited_for(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, _):
            start = (
                b"POST /things/form HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=b"
            )
            assert (await speak(server.ports[0], start)).startswith(b"HTTP/1.1 503")

    async def test_a_port_that_is_taken(self, unconnected: Database) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            free, other_one = free_port(), taken + 10 if taken < 65_526 else taken - 10
            for changed, setting in (
                ({"port": taken}, "PORT"),
                ({"port": free, "metrics_port": taken}, "METRICS_PORT"),
            ):
                settings = replace(unconnected.context.settings, **changed)
                server = WebServer(settings, unconnected.context.house, SECTIONS)
                with pytest.raises(PortTaken) as raised:
                    await server.start()
                assert str(raised.value) == (
                    f"Port {taken} is taken. Choose another one: CONDUIT_{setting}={other_one}, or where "
                    f"you have named it: --{setting.lower().replace('_', '-')}, or PORT= with make run."
                )
                await server.stop()
            socket.create_server(("127.0.0.1", free)).close()  # was let go of

    async def test_an_address_that_is_not_ours(self, unconnected: Database) -> None:
        settings = replace(unconnected.context.settings, host="192.0.2.1")
        with pytest.raises(PortTaken, match=r"no such address\. Set CONDUIT_HOST"):
            await WebServer(settings, unconnected.context.house, SECTIONS).start()

    async def test_metrics_and_health_have_a_port_of_their_own(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        alive = True
        settings = replace(unconnected.context.settings, metrics_port=free_port())
        server = WebServer(settings, unconnected.context.house, SECTIONS, alive=lambda: alive)
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.ports[1]}") as ops:
                assert (await ops.get("/health/live")).status_code == 200
                await server.mount("/mail", PlainTextResponse("mail"))
                assert (await ops.get("/health/ready")).status_code == 503
                await server.mount(MOUNT, site(pages, unconnected, tmp_path).app)
                assert (await ops.get("/health/ready")).text == "ready\n"
                alive = False
                assert (await ops.get("/health/live")).status_code == 503
                scraped = await ops.get("/metrics")
                assert scraped.headers["content-type"].startswith("text/plain; version=")
                assert "# TYPE conduit_http_requests_total counter" in scraped.text
                assert 'conduit_build_info{version="' in scraped.text
                assert scraped.headers.items() >= SECURITY_HEADERS.items()
                assert (await ops.get("/")).status_code == 404
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.ports[0]}") as browser:
                assert (await browser.get("/metrics")).status_code == 404
        finally:
            await server.stop()

    async def test_metrics_stay_on_this_computer_wherever_pages_are_served(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        assert Settings(host="0.0.0.0").metrics_host == "127.0.0.1"
        port = free_port()
        async with (
            serving(pages, unconnected, tmp_path, host="127.0.0.2", metrics_port=port),
            httpx.AsyncClient() as ops,
        ):
            assert (await ops.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200
            with pytest.raises(httpx.ConnectError):
                await ops.get(f"http://127.0.0.2:{port}/metrics")

    @pytest.mark.parametrize(
        ("changed", "said", "source"),
        [
            ({}, "198.51.100.7", "127.0.0.1"),
            ({"public_url": "https://forum.example"}, "198.51.100.7", "198.51.100.7"),
            ({"public_url": "https://forum.example"}, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ({"public_url": "https://forum.example"}, "", "127.0.0.1"),
            (
                {"public_url": "https://forum.example", "proxies": ("10.0.0.5",)},
                "198.51.100.7",
                "127.0.0.1",
            ),
        ],
        ids=["no proxy", "a proxy", "what was made up before it", "nothing said", "somebody else"],
    )
    async def test_who_asks_is_whom_a_known_proxy_names(
        self,
        pages: Pages,
        unconnected: Database,
        tmp_path: Path,
        changed: dict[str, Any],
        said: str,
        source: str,
    ) -> None:
        async with (
            serving(pages, unconnected, tmp_path, **changed) as (_, url),
            httpx.AsyncClient(base_url=url) as browser,
        ):
            answer = await browser.get(MOUNT + "/source", headers={"x-forwarded-for": said})
        assert answer.text == source

    async def test_stopping_lets_what_is_being_answered_end(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with (
            serving(pages, unconnected, tmp_path) as (server, url),
            httpx.AsyncClient(base_url=url) as browser,
        ):
            answer = asyncio.create_task(browser.get(MOUNT + "/slow"))
            await comes(lambda: in_progress() == 1)
            await server.drain()
            assert (await answer).status_code == 503
            await server.stop()
            with pytest.raises(httpx.TransportError):
                await browser.get("/")


class TestStreamed:
    async def test_a_browser_that_goes_away_while_a_part_is_read_leaves_no_line_in_the_log(
        self,
        pages: Pages,
        make_bare: MakeDatabase,
        tmp_path: Path,
        lines: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """The part is read to its end: the connection goes back to its pool as it came."""
        database = await make_bare(GRANTS)
        async with serving(pages, database, tmp_path) as (server, _):
            with asks(server.ports[0], f"{MOUNT}/parts") as reader:
                await comes(lambda: pages.parts == 1)
                reset(reader)
            await comes(lambda: in_progress() == 0)
            await comes(lambda: database.busy()["in_use"] == 0)
            assert pages.parts == 1
            assert lines() == []

    async def test_no_more_is_written_to_a_connection_that_was_lost(
        self,
        pages: Pages,
        unconnected: Database,
        tmp_path: Path,
        lines: Callable[[], list[dict[str, Any]]],
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, _):
            with asks(server.ports[0], f"{MOUNT}/many") as reader:
                pages.begun = lambda: reset(reader)
                await comes(lambda: pages.parts > 0 and in_progress() == 0)
            assert pages.parts < 5
            assert lines() == []


def asks(port: int, path: str) -> socket.socket:
    """Somebody who has asked for a page and reads nothing yet."""
    reader = socket.create_connection(("127.0.0.1", port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return reader


def reset(reader: socket.socket) -> None:
    """They go away with what they have not read, as a browser does."""
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reader.close()


class TestLive:
    async def test_says_changed_and_no_more(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with (
            serving(pages, unconnected, tmp_path) as (_, url),
            httpx.AsyncClient(base_url=url) as browser,
            browser.stream("GET", MOUNT + "/live") as stream,
        ):
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.headers["cache-control"] == "no-store"
            told = stream.aiter_lines()
            assert await anext(told) == "retry: 2000"
            await asyncio.sleep(2.1)  # longer than a page may take
            pages.version = SECRET
            seen = [line async for line in until(told, "data: changed")]
            assert set(seen) == {"", ": still here", "data: changed"}
            pages.version = "3"
            assert SECRET not in "".join([line async for line in until(told, "data: changed")])

    async def test_ends_while_the_database_is_away(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        """A stream that stays open would say that the page is live."""
        async with (
            serving(pages, unconnected, tmp_path) as (_, url),
            httpx.AsyncClient(base_url=url) as browser,
        ):
            async with browser.stream("GET", MOUNT + "/live") as stream, asyncio.timeout(20):
                told = stream.aiter_lines()
                await anext(told)
                pages.away = True
                assert {line async for line in told} <= {"", ": still here"}
            assert in_progress() == 0
            pages.away = False
            async with browser.stream("GET", MOUNT + "/live") as stream:
                assert await anext(stream.aiter_lines()) == "retry: 2000"

    @pytest.mark.parametrize(("topic", "channel"), [("boxes", "live"), ("", "outbox")])
    async def test_a_commit_wakes_at_once_and_only_those_concerned(
        self, pages: Pages, make_bare: MakeDatabase, tmp_path: Path, topic: str, channel: str
    ) -> None:
        database = await make_bare(GRANTS)
        pages.pause, pages.topic = 60.0, topic

        async def tell(word: str) -> None:
            async with database.transaction() as tx:
                await tx.execute("SELECT pg_notify($1, $2)", channel, word)

        async with (
            serving(pages, database, tmp_path) as (_, url),
            httpx.AsyncClient(base_url=url) as browser,
            browser.stream("GET", MOUNT + "/live") as stream,
        ):
            lines = list[str]()

            async def read() -> None:
                async for line in stream.aiter_lines():
                    lines.append(line)

            reading = asyncio.create_task(read())
            await listens(database)
            looked = pages.looks
            await tell(topic)
            await comes(lambda: pages.looks > looked)
            await asyncio.sleep(0.3)
            pages.version = "2"
            if channel == "live":
                await tell("others")
                await asyncio.sleep(0.3)
            assert lines == ["retry: 2000", ""], "of what concerns it not there is no trace"
            await tell(topic)
            await comes(lambda: len(lines) >= 4)
            assert lines == ["retry: 2000", "", "data: changed", ""]
            reading.cancel()

    async def test_what_is_told_comes_at_once_also_after_the_connection_was_lost(
        self, pages: Pages, make_bare: MakeDatabase, tmp_path: Path
    ) -> None:
        database = await make_bare(GRANTS)
        pages.pause, pages.topic = 60.0, "boxes"
        async with (
            serving(pages, database, tmp_path) as (_, url),
            httpx.AsyncClient(base_url=url) as browser,
            browser.stream("GET", MOUNT + "/live") as stream,
        ):
            told = stream.aiter_lines()
            for version, change in (
                ("2", "SELECT pg_notify('live', 'boxes')"),
                (
                    "3",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%' AND datname = current_database()",
                ),
            ):
                await listens(database)
                pages.version = version
                async with database.transaction() as tx:
                    await tx.execute(change)
                assert "data: changed" in [line async for line in until(told, "data: changed")]

    async def test_ends_when_the_viewer_leaves(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (_, url):
            async with (
                httpx.AsyncClient(base_url=url) as browser,
                browser.stream("GET", MOUNT + "/live") as stream,
            ):
                await anext(stream.aiter_lines())
                assert in_progress() == 1
            await comes(lambda: in_progress() == 0)

    async def test_does_not_keep_the_server_from_stopping(
        self, pages: Pages, unconnected: Database, tmp_path: Path
    ) -> None:
        async with serving(pages, unconnected, tmp_path) as (server, url), httpx.AsyncClient() as browser:
            viewers = [asyncio.create_task(browser.get(f"{url}{MOUNT}/live")) for _ in range(3)]
            await comes(lambda: in_progress() == 3)
            await server.stop()
            assert {(await viewer).status_code for viewer in viewers} == {200}

    async def test_the_first_page_leads_those_who_have_no_account(
        self, unconnected: Database, house: House, quiet: None
    ) -> None:
        ways = [WayIn("Begin here", f"{MOUNT}/begin", "Without an account.")]
        server = WebServer(unconnected.context.settings, house, SECTIONS, ways_in=ways)
        await server.start()
        async with httpx.AsyncClient() as browser:
            page = (await browser.get(f"http://127.0.0.1:{server.ports[0]}/")).text
        await server.stop()
        assert f'<a href="{MOUNT}/begin">Begin here</a>' in page
        assert "Sign in" in page

    async def test_a_stream_that_hears_nothing_of_it_is_cut(
        self, unconnected: Database, house: House, quiet: None
    ) -> None:
        shown = asyncio.Event()

        async def endless() -> AsyncIterator[str]:
            while True:
                shown.set()
                yield "x"
                await asyncio.sleep(0.05)

        async def show(request: Request) -> Response:
            return StreamingResponse(endless())

        server = WebServer(unconnected.context.settings, house, SECTIONS)
        await server.start()
        await server.mount(
            MOUNT, application("x", server._settings, [Route("/", show)], environment(house, ()))
        )
        async with httpx.AsyncClient() as browser:
            viewer = asyncio.create_task(browser.get(f"http://127.0.0.1:{server.ports[0]}{MOUNT}/"))
            await asyncio.wait_for(shown.wait(), 20)
            await server.stop()
            with pytest.raises(httpx.TransportError):
                await viewer


async def comes(look: Callable[[], bool]) -> None:
    """Until it is so."""
    for _ in range(1_000):
        if look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not come")


async def listens(database: Database) -> None:
    """Until whoever follows something is told of it."""
    ears = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%outbox%' AND datname = current_database()"
    )
    async with database.connection() as connection:
        for _ in range(1_000):
            if await connection.fetchval(ears):
                return
            await asyncio.sleep(0.02)
    raise AssertionError("nobody listens")


async def until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async with asyncio.timeout(20):
        async for line in lines:
            yield line
            if line == last:
                return


def in_progress() -> float:
    [gauge] = metrics.IN_PROGRESS.collect()
    return sum(each.value for each in gauge.samples if each.labels["service"] == GRANTS)
