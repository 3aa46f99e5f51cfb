"""The gate in front of every page: known hosts, no other site's requests, and the headers of every answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import jinja2
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.config import Settings
from chassis.log import logger
from chassis.web.access import is_open
from chassis.web.errors import page_for_anybody, problem, wants_json
from chassis.web.pace import Pace
from chassis.web.static import is_asset

#: Of a page whose address is a secret: no page learns that one came from there, ours neither. With
#: "no-referrer" browsers would hide the origin of its forms as well, and the gate would refuse them.
SECRET_ADDRESS = {"referrer-policy": "strict-origin"}

_log = logger(__name__)

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

#: Of what is published for everybody: pages of other sites may read it, and browsers send no cookie with it.
OPEN_HEADERS = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}

#: The policy of a file that somebody made: nothing in it runs, loads, sends or is framed.
FILE_POLICY = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#: Browsers come back over HTTPS only, for two years.
_OVER_TLS = {"strict-transport-security": "max-age=63072000; includeSubDomains"}

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

#: A name or an address, and a port: nothing that a parser could read another name from.
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-fA-F:.]+)\]|(?P<name>[0-9A-Za-z.-]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """Why a request is not let in, and what whoever sent it can do."""

    status: int
    #: As the log says it.
    reason: str
    what: str
    cure: str
    #: Seconds after which it may be sent again; nothing where waiting is no cure.
    retry_after: int | None = None


_TOO_FAST = _Refusal(
    status=429,
    reason="too_fast",
    what="So many requests from one place are too many.",
    cure="Wait a few seconds, then reload the page. Nothing was changed.",
    retry_after=10,
)
_UNKNOWN_HOST = _Refusal(
    status=421,
    reason="unknown_host",
    what="This server does not answer to that name.",
    cure="Use the address that you were given.",
)
_OTHER_SITE = _Refusal(
    status=403,
    reason="other_site",
    what="Other sites may link to this one, but not use it.",
    cure="Open the page here and use it from there. Nothing was changed.",
)


class Protected:
    """Adds the headers that every answer carries, where the answer itself says nothing else."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = SECURITY_HEADERS) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", ()))
                names = {name.lower() for name, _ in said}
                message["headers"] = said + [each for each in self._headers if each[0] not in names]
            await send(message)

        await self._app(scope, receive, protected)


class Gate:
    """Answers known hosts only, refuses cross-site requests, adds the headers that every answer carries.

    Its pages are made beforehand: they quote nothing of a request, and a flood of them costs little.
    """

    def __init__(self, app: ASGIApp, settings: Settings, templates: jinja2.Environment) -> None:
        self._app = app
        self._hosts = settings.known_hosts
        self._origin = settings.origin.lower()
        self._pace = Pace(settings.pace)
        self._pages = {
            each: page_for_anybody(templates, each.status, each.what, each.cure)
            for each in (_TOO_FAST, _UNKNOWN_HOST, _OTHER_SITE)
        }
        headers = {**SECURITY_HEADERS, **(_OVER_TLS if settings.over_tls else {})}
        self._answer = Protected(self._admit, headers)
        self._answer_all = Protected(self._admit, headers | OPEN_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer_all if is_open(scope.get("path", "")) else self._answer
        await answer(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http":
            refusal, scope = self._refusal(scope), _as_text(scope)
            if refusal is not None:
                answer = self._told(scope, refusal)
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        headers = Headers(scope=scope)
        # A page that refuses is to look like one, and a first visit is to count once: the style is the same
        # for everybody, lies in memory and is kept by browsers.
        if not (scope["method"] in ("GET", "HEAD") and is_asset(scope["path"])):
            if not self._pace.admits((scope.get("client") or ("",))[0]):
                return _TOO_FAST
            if _host(headers.get("host", "")) not in self._hosts:
                return _UNKNOWN_HOST
        return _OTHER_SITE if self._from_elsewhere(scope, headers) else None

    def _told(self, scope: Scope, refusal: _Refusal) -> Response:
        """A page for people, a problem for programs."""
        _log.warning("request_refused", reason=refusal.reason, status=refusal.status)
        if wants_json(Request(scope)):
            response = problem(refusal.status, refusal.what, refusal.cure)
        else:
            response = HTMLResponse(self._pages[refusal], refusal.status)
        if refusal.retry_after is not None:
            response.headers["retry-after"] = str(refusal.retry_after)
        return response

    def _from_elsewhere(self, scope: Scope, headers: Headers) -> bool:
        """Whether another site made the browser send this. It may link here: a document, fetched safely; and
        read what is published for all.
        """
        safe, origin = scope["method"] in _SAFE, headers.get("origin")
        if not safe and origin is not None and not self._is_ours(origin, headers.get("host", "")):
            return True
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return False
        if safe and is_open(scope["path"]):
            return False
        mode, target = headers.get("sec-fetch-mode", "navigate"), headers.get("sec-fetch-dest", "document")
        return not (safe and mode == "navigate" and target == "document")

    def _is_ours(self, origin: str, host: str) -> bool:
        try:
            return origin.lower() == self._origin or urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False


def _as_text(scope: Scope) -> Scope:
    """A character that no database takes becomes the sign for one that is none, as all do that are no text.

    So nothing is found under that address, and whoever serves it says so.
    """
    path, asked = scope["path"], scope.get("query_string", b"")
    if "\x00" not in path and b"%00" not in asked:
        return scope
    _log.warning("address_mended")
    return {
        **scope,
        "path": path.replace("\x00", "\ufffd"),
        "query_string": asked.replace(b"%00", b"%EF%BF%BD"),
    }


def _host(header: str) -> str:
    found = _HOST.fullmatch(header)
    return (found["address"] or found["name"]).lower() if found else ""
