"""Pages and API: one web server per process, one application per service, the same rules for all.

The gate answers only to known Host names and refuses cross-site requests, because loopback is no wall
against a browser. Every error becomes a page or an RFC 9457 problem that says what to do, never a trace.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics
from chassis.clock import LOCAL
from chassis.config import Settings
from chassis.context import Cause, because_of, current_cause
from chassis.database import Database, Transaction
from chassis.errors import Conflict, DatabaseAway, NotFound, Refused
from chassis.house import House
from chassis.log import describe, logger
from chassis.outbox import QUERIES

_log = logger(__name__)
_HERE = Path(__file__).parent
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One service as the navigation shows it."""

    title: str
    href: str
    purpose: str


class BadRequest(Refused):
    """The request is not of the form that this address takes."""

    status = 400


class WrongMediaType(Refused):
    """The body is of a kind that this address does not take."""

    status = 415


class TooLarge(Refused):
    """The body is larger than this address takes."""

    status = 413




class Site:
    """The application of one service: its routes, its templates, its way of answering errors.

    Args:
        database: the service's own.
        routes: paths relative to where it is mounted.
        templates: the service's folder of templates; the chassis's stand behind it.
        sections: the navigation.
    """

    def __init__(
        self, database: Database, routes: Sequence[BaseRoute], templates: Path, sections: Sequence[Section] = ()
    ) -> None:
        self.database = database
        self.context = database.context
        self._templates = environment(self.context.house, sections, templates)
        self.app = application(self.context.service, self.context.settings, routes, self._templates)
        self.app.state.site = self

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """An HTML page. ``?done=…`` in the address shows a word of confirmation."""
        return render(self._templates, request, template, status, values)


def site_of(request: Request) -> Any:
    """The site that a request came to."""
    return request.app.state.site


def environment(house: House, sections: Sequence[Section], *folders: Path) -> jinja2.Environment:
    """Templates: the given folders first, then the chassis's own."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _HERE / "templates"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(pounds=pounds, when=when, day=day)
    made.globals.update(house=house, sections=sections, asset=asset)
    return made


def render(
    templates: jinja2.Environment, request: Request, template: str, status: int, values: Mapping[str, Any]
) -> Response:
    section = request.scope.get("root_path", "").strip("/")
    text = templates.get_template(template).render({"current": section, "request": request, **values})
    return HTMLResponse(text, status)


def application(
    service: str, settings: Settings, routes: Sequence[BaseRoute], templates: jinja2.Environment
) -> Starlette:
    """A Starlette application with the rules that hold for every page."""
    answer = _Errors(service, templates)
    app = Starlette(
        routes=list(routes),
        middleware=[Middleware(_Measured, service=service), Middleware(_Bounded, settings=settings)],
        exception_handlers={
            Refused: answer.refused,
            HTTPException: answer.http,
            DatabaseAway: answer.away,
            ClientDisconnect: answer.gone,
        },
    )
    app.state.answer_failure = answer.failed
    return app




def pounds(pence: int | None) -> str:
    """An amount in pence as people write it: ``£3,400`` or ``£3,400.50``."""
    if pence is None:
        return "–"
    whole, rest = divmod(abs(pence), 100)
    return f"{'−' if pence < 0 else ''}£{whole:,}" + (f".{rest:02}" if rest else "")


def when(moment: datetime | None) -> str:
    """A moment in the users' own time: ``3 February 2012, 14:05``."""
    if moment is None:
        return "–"
    local = moment.astimezone(LOCAL)
    return f"{local.day} {local:%B %Y, %H:%M}"


def day(moment: date | datetime | None) -> str:
    """A day: ``3 February 2012``."""
    if moment is None:
        return "–"
    local = moment.astimezone(LOCAL) if isinstance(moment, datetime) else moment
    return f"{local.day} {local:%B %Y}"


_ASSETS = {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in (_HERE / "static").glob("*.*")
}


def asset(name: str) -> str:
    """The address of a static file, which changes with its content and may be cached for ever."""
    return f"/static/{_ASSETS[name]}/{name}"




def read_id(request: Request, name: str = "id") -> UUID:
    """The id in the path. One that is no id is answered like one that does not exist.

    Raises:
        NotFound: always the same words.
    """
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise NotFound from None


async def read_form(request: Request) -> FormData:
    """The fields of a posted form.

    Raises:
        WrongMediaType: when the body is anything else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise WrongMediaType("This address takes a form.", "Send application/x-www-form-urlencoded.")
    try:
        form = await request.form(max_files=1, max_fields=200)
    except (HTTPException, ValueError, UnicodeDecodeError):
        raise BadRequest("The form could not be read.", "Go back, reload the page and send it again.") from None
    for value in form.values():
        if isinstance(value, str) and "\x00" in value:
            raise BadRequest("The form contains a character that cannot be kept.", "Remove it and send again.")
    return form


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        WrongMediaType, BadRequest: says what was expected; quotes nothing.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongMediaType("This address takes JSON.", "Send application/json.")
    try:
        document = json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.", "Send one JSON object, in UTF-8.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.", "Send one JSON object, in UTF-8.")
    return document


def _refuse_constant(_: str) -> None:
    raise ValueError


def read_pounds(text: str, *, field: str, most_pence: int = 100_000_000) -> int:
    """An amount that a person typed, in pounds, as pence: ``3,400``, ``£3400``, ``12.50``.

    Raises:
        Refused: names the field and says what to type.
    """
    cleaned = text.strip().removeprefix("£").replace(",", "").strip()
    whole, point, rest = cleaned.partition(".")
    if not whole.isascii() or not whole.isdigit() or (point and not (rest.isascii() and rest.isdigit() and len(rest) == 2)):
        raise Refused("This is not an amount.", "Write it in pounds, for example 3,400 or 12.50.", field=field)
    if len(whole) > 12:
        raise Refused("This amount is too large.", f"Write at most {pounds(most_pence)}.", field=field)
    pence = int(whole) * 100 + int(rest or 0)
    if not 0 < pence <= most_pence:
        raise Refused("This amount cannot be used.", f"Write more than £0 and at most {pounds(most_pence)}.", field=field)
    return pence


def new_key() -> str:
    """The hidden key of a form: the same form sent twice acts once."""
    return str(uuid4())


async def once(
    request: Request, database: Database, key: str, act: Callable[[Transaction], Awaitable[Response]]
) -> Response:
    """Act on a POST once. The same key gives the same answer, also in parallel and after a restart.

    Args:
        key: from the form's hidden field or the ``Idempotency-Key`` header.
        act: does the work in the transaction that also keeps its answer.

    Raises:
        BadRequest: without a usable key.
        Conflict: when the key came with another body before.
    """
    if not 8 <= len(key) <= 100 or not key.isascii():
        raise BadRequest("The form has lost its key.", "Go back, reload the page and send it again.")
    scoped = f"{request.url.path} {key}"
    digest = hashlib.sha256(await _content(request)).digest()
    async with database.transaction() as tx:
        await QUERIES.lock_key(tx, key=scoped)
        given = await QUERIES.given_answer(tx, key=scoped)
        if given is None:
            response = await act(tx)
            await QUERIES.keep_answer(
                tx,
                key=scoped,
                digest=digest,
                status=response.status_code,
                location=response.headers.get("location"),
                body=bytes(response.body),
                media_type=response.media_type,
                now=tx.now,
            )
            return response
    if bytes(given["digest"]) != digest:
        raise Conflict("This form was sent before with other content.", "Reload the page to see what was recorded.")
    repeated = Response(bytes(given["body"]), given["status"], media_type=given["media_type"])
    if given["location"]:
        repeated.headers["location"] = given["location"]
    return repeated


async def _content(request: Request) -> bytes:
    if hasattr(request, "_form") and request._form is not None:
        return repr(sorted((name, str(value)) for name, value in request._form.multi_items())).encode()
    return await request.body()


def see(location: str) -> Response:
    """Answer a POST by sending the browser to a page."""
    return RedirectResponse(location, status_code=303)


def live(request: Request, version: Callable[[], Awaitable[str]], *, pause: float = 1.0) -> Response:
    """Server-sent events: one whenever ``version`` gives another answer than before.

    The page fetches itself again; nothing but "changed" travels here. Ends with the connection or the
    server.
    """

    async def changes() -> Any:
        seen = await version()
        yield "retry: 2000\n\n"
        while not await request.is_disconnected():
            await asyncio.sleep(pause)
            with suppress(DatabaseAway):
                present = await version()
                if present != seen:
                    seen = present
                    yield "data: changed\n\n"
                    continue
            yield ": still here\n\n"

    return StreamingResponse(changes(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})




class _Errors:
    """Answers every error in the form that the client asked for."""

    def __init__(self, service: str, templates: jinja2.Environment) -> None:
        self._service = service
        self._templates = templates

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return self._answer(request, error.status, error.what, error.cure, error.field)

    async def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what, cure = {
            404: ("This page does not exist.", "Check the address, or start again."),
            405: ("This address cannot be used that way.", "Go back and use the buttons on the page."),
        }.get(error.status_code, ("The request could not be used.", "Go back and try again."))
        return self._answer(request, error.status_code, what, cure)

    async def away(self, request: Request, error: Exception) -> Response:
        response = self._answer(
            request,
            503,
            "The database does not answer just now. Nothing was changed.",
            "Wait a moment, then reload the page.",
        )
        response.headers["retry-after"] = "5"
        return response

    async def gone(self, request: Request, error: Exception) -> Response:
        return Response(status_code=400)

    async def failed(self, request: Request, error: Exception) -> Response:
        _log.error(
            "request_failed",
            service=self._service,
            correlationid=current_cause().correlationid,
            method=request.method,
            **describe(error),
        )
        return self._answer(
            request,
            500,
            "Something went wrong on our side. Nothing was changed.",
            "Try again; if it happens again, tell us the reference below.",
        )

    def _answer(self, request: Request, status: int, what: str, cure: str, field: str = "") -> Response:
        reference = current_cause().correlationid
        if _wants_json(request):
            problem = {"type": "about:blank", "title": what, "status": status, "detail": cure, "reference": reference}
            return JSONResponse(
                problem | ({"field": field} if field else {}), status, media_type="application/problem+json"
            )
        values = {"status": status, "title": what, "what": what, "cure": cure, "reference": reference}
        return render(self._templates, request, "error.html", status, values)


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "/api/" in request.url.path or ("json" in accept and "text/html" not in accept)


class _Measured:
    """Notes the cause of what a request does, counts it, and answers what nothing else has answered."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = monotonic(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        cause = Cause.new(_valid_traceparent(Headers(scope=scope).get("traceparent", "")))
        metrics.IN_PROGRESS.labels(self._service).inc()
        try:
            with because_of(cause):
                await self._guarded(scope, receive, note)
        finally:
            metrics.IN_PROGRESS.labels(self._service).dec()
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.REQUESTS.labels(self._service, route, scope["method"], str(status)).inc()
            metrics.REQUEST_SECONDS.labels(self._service, route).observe(monotonic() - started)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as error:
            if begun:
                raise
            request = Request(scope, receive)
            response = await scope["app"].state.answer_failure(request, error)
            await response(scope, receive, send)


def _valid_traceparent(text: str) -> str:
    parts = text.split("-")
    fits = [len(part) for part in parts] == [2, 32, 16, 2] and all(c in "0123456789abcdef-" for c in text)
    return text if fits else ""


class _Bounded:
    """Bounds what a request may send and how long it may take."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._limit = settings.body_limit
        self._timeout = settings.request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        received, streaming = 0, False
        declared = Headers(scope=scope).get("content-length", "0")
        too_large = TooLarge(f"The body is larger than {self._limit:,} bytes.", "Send less at once.")

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise too_large
            return message

        async def note(message: Message) -> None:
            nonlocal streaming
            streaming = streaming or message["type"] == "http.response.start"
            await send(message)

        if declared.isdigit() and int(declared) > self._limit:
            return await self._refuse(scope, receive, send, too_large)
        work = asyncio.ensure_future(self._app(scope, bounded, note))
        try:
            # A stream of live changes may last; what has not begun to answer in time may not.
            done, _ = await asyncio.wait({work}, timeout=self._timeout)
            if done or streaming:
                return await work
        finally:
            if not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
        await self._refuse(scope, receive, send, _Late())

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, error: Refused) -> None:
        handler = scope["app"].exception_handlers[Refused]
        response = await handler(Request(scope, receive), error)
        await response(scope, receive, send)


class _Late(Refused):
    """The page took too long."""

    status = 503

    def __init__(self) -> None:
        super().__init__("This took too long. It may or may not have been done.", "Reload the page to see.")




class Gate:
    """Answers known hosts only, refuses cross-site requests, and adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.known_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal:
            return await refusal(scope, receive, self._protecting(send))
        await self._app(scope, receive, self._protecting(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if _host(headers.get("host", "")) not in self._hosts:
            return _plain(421, "This server does not answer to that name.")
        site, safe = headers.get("sec-fetch-site", "none"), scope["method"] in _SAFE
        origin = headers.get("origin")
        if not safe and origin is not None and not self._same_origin(origin, headers.get("host", "")):
            return _plain(403, "This form was sent from another site. Open the page here and send it again.")
        navigating = safe and headers.get("sec-fetch-mode", "navigate") == "navigate"
        if site in ("cross-site", "same-site") and not navigating:
            return _plain(403, "Other sites may link to this one, but not use it.")
        return None

    def _same_origin(self, origin: str, host: str) -> bool:
        return urlsplit(origin).netloc.lower() == host.lower()

    def _protecting(self, send: Send) -> Send:
        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return protected


def _host(header: str) -> str:
    return (urlsplit(f"//{header}").hostname or "").lower() if header else ""


def _plain(status: int, text: str) -> Response:
    return Response(text + "\n", status, media_type="text/plain; charset=utf-8")


class _Static(StaticFiles):
    """Static files under a name that contains their digest: they never change."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response

    def get_path(self, scope: Scope) -> str:
        return super().get_path(scope).partition("/")[2]


class PortTaken(Exception):
    """Another program listens on the port."""


class WebServer:
    """uvicorn inside the process: services mount and unmount themselves, nothing else restarts.

    Args:
        sections: the navigation, whichever of them live in this process.
        routes: further pages of the process itself, such as the mail box.
        alive: whether this process still receives (liveness).
    """

    def __init__(
        self,
        settings: Settings,
        house: House,
        sections: Sequence[Section],
        *,
        mail_href: str = "",
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._alive = alive
        self._ready = False
        self._mail_href = mail_href
        self._sections = sections
        self.templates = environment(house, sections)
        static = Mount("/static", _Static(directory=_HERE / "static"))
        self._site = application("site", settings, [Route("/", self._start_page), static], self.templates)
        self._mounted: dict[str, ASGIApp] = {}
        self._servers: list[uvicorn.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen.

        Raises:
            PortTaken: names the port.
        """
        await self._serve(Gate(self, self._settings), self._settings.host, self._settings.port)
        if self._settings.metrics_port:
            await self._serve(self._operations(), self._settings.host, self._settings.metrics_port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to whoever is mounted there, else to the pages of the process itself."""
        if scope["type"] == "http":
            for path, app in self._mounted.items():
                if scope["path"] == path or scope["path"].startswith(path + "/"):
                    return await app({**scope, "root_path": path}, receive, send)
        await self._site(scope, receive, send)

    async def mount(self, path: str, app: ASGIApp) -> None:
        """Serve an application under a path from now on."""
        self._mounted[path] = app
        self._ready = True

    async def unmount(self, path: str) -> None:
        self._mounted.pop(path, None)

    async def drain(self) -> None:
        """Take no more requests; those in flight go on."""
        self._ready = False
        for server in self._servers:
            server.should_exit = True

    async def stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.grace)

    async def _serve(self, app: Any, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=15,
            limit_concurrency=500,
        )
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        try:
            listening = config.bind_socket()
        except SystemExit:
            raise PortTaken(f"Port {port} is taken. Choose another one: --port {port + 1}") from None
        self._servers.append(server)
        self._tasks.append(asyncio.get_running_loop().create_task(server.serve([listening])))

    async def _start_page(self, request: Request) -> Response:
        values = {"figures": [], "mail_href": self._mail_href}
        return render(self.templates, request, "start.html", 200, values)

    def _operations(self) -> Starlette:
        """Metrics and health on a port of their own."""

        async def scrape(request: Request) -> Response:
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

            return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)

        async def live_now(request: Request) -> Response:
            return _plain(200, "alive") if self._alive() else _plain(503, "deaf: receives nothing")

        async def ready_now(request: Request) -> Response:
            return _plain(200, "ready") if self._ready else _plain(503, "starting or stopping")

        return Starlette(
            routes=[Route("/metrics", scrape), Route("/health/live", live_now), Route("/health/ready", ready_now)]
        )
