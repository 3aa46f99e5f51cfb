"""Errors as answers: a page for people, an RFC 9457 problem for programs. Neither quotes what went wrong
inside; both carry a reference by which the log can be searched.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.access import NoSession
from chassis.context import current_cause
from chassis.errors import Conflict, DatabaseFull, Refused
from chassis.log import describe, logger
from chassis.web.access import OfAnotherSession, id_of, is_api, is_open, to_prove, to_sign_in
from chassis.web.templates import render, ways_of
from contracts.access import PROVE

_log = logger(__name__)

#: Refusals that are logged: of what one may not, and of what would get round a limit.
_NOTED = frozenset({403, 413, 429})

_WORDS = {
    404: ("This page does not exist.", "Check the address, or start again."),
    405: ("This address cannot be used that way.", "Go back and use the buttons on the page."),
}


class BadRequest(Refused):
    """The request is not of the form that this address takes."""

    status = 400


class WrongMediaType(Refused):
    """The body is of a kind that this address does not take."""

    status = 415


class TooLarge(Refused):
    """The body is larger than this address takes."""

    status = 413


class Late(Refused):
    """The page took too long."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "This took too long. It may or may not have been done.", "Open the page again to see."
        )


class Absent(Refused):
    """The section is known, and nobody serves it here just now."""

    status = 503
    retry_after = 5

    def __init__(self) -> None:
        what = "This section is starting, or away for a moment. Nothing is lost."
        super().__init__(what, "Reload the page in a moment.")


class Errors:
    """Answers every error in the form that the client asked for.

    Args:
        public: the paths, below the mount, whose errors are read by people outside the house.
    """

    def __init__(self, service: str, templates: jinja2.Environment, public: Sequence[str] = ()) -> None:
        self._service = service
        self._templates = templates
        self._public = tuple(public)

    async def refused(self, request: Request, error: Refused) -> Response:
        """A person can do something about it; the error says what."""
        if error.status in _NOTED or isinstance(error, OfAnotherSession):
            self._note_refusal(request, type(error).__name__)
        headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else None
        back = error.back if isinstance(error, Conflict) else ""
        if not back and (isinstance(error, TooLarge) or (error.status == 409 and request.method == "POST")):
            back = _form_of(request)
        said: dict[str, Any] = {"field": error.field, "headers": headers, "back": back}
        return self._answer(request, error.status, error.what, error.cure, **said)

    async def sign_in_needed(self, request: Request, error: Exception) -> Response:
        """A browser is sent to sign in and comes back; a program is told."""
        reason = error.__cause__.reason if isinstance(error.__cause__, NoSession) else "absent"
        if reason not in ("absent", "expired"):  # which happens to everybody
            self._note_refusal(request, reason)
        if not wants_json(request):
            return to_sign_in(request)
        cure = (
            "Send a token that is good: Authorization: Bearer conduit_…. One makes it under “Your account”."
        )
        refused = problem(401, "You are not signed in.", cure, reference=current_cause().correlationid)
        refused.headers["www-authenticate"] = "Bearer"
        return refused

    async def proof_needed(self, request: Request, error: Exception) -> Response:
        """A browser is sent to show the second factor and comes back; a program is told."""
        if not wants_json(request):
            return to_prove(request)
        cure = f"Show it at {PROVE}, then send this again."
        reference = current_cause().correlationid
        return problem(403, "This needs your second factor.", cure, reference=reference)

    async def unrouted(self, request: Request, error: HTTPException) -> Response:
        """Starlette found nobody for the request."""
        what, cure = _WORDS.get(
            error.status_code, ("The request could not be used.", "Go back and try again.")
        )
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(ways := ways_of(request))
        if error.status_code == 405 and is_api(request):
            what, cure = f"{request.method} is not known at this address.", f"Use {' or '.join(ways)}."
        return self._answer(request, error.status_code, what, cure, headers=headers)

    async def away(self, request: Request, error: Exception) -> Response:
        """The database is away: the connection may have been lost in the commit itself. Or it has no room."""
        what, cure = "The database does not answer just now.", "Wait a moment, then try again."
        if isinstance(error, DatabaseFull):
            what = "There is no room left to keep anything."
            cure = "Tell whoever looks after this server that its disk is full, and try again later."
        cure += " What was done already is not done twice."
        return self._answer(request, 503, what, cure, headers={"retry-after": "5"})

    async def in_the_way(self, request: Request, error: Exception) -> Response:
        """Another transaction was in the way; this one was undone."""
        what = "Somebody else is changing the same thing just now. Nothing was changed."
        return self._answer(request, 503, what, "Try again.", headers={"retry-after": "1"})

    async def gone(self, request: Request, error: Exception) -> Response:
        """Nobody is there to read the answer."""
        return Response(status_code=400)

    async def failed(self, request: Request, error: Exception) -> Response:
        """A fault of ours."""
        what = "Something went wrong on our side."
        cure = (
            "Try again: what was done already is not done twice. If it happens again, tell us the reference."
        )
        return self._answer(request, 500, what, cure)

    def _note_refusal(self, request: Request, reason: str) -> None:
        _log.warning(
            "request_refused",
            service=self._service,
            route=route_of(request),
            reason=reason,
            id=id_of(request),
            correlationid=current_cause().correlationid,
        )

    def note(self, request: Request, error: Exception) -> None:
        """Log a fault of ours, without its text, which may quote data."""
        _log.error(
            "request_failed",
            service=self._service,
            route=route_of(request),
            correlationid=current_cause().correlationid,
            **describe(error),
        )

    def _answer(
        self,
        request: Request,
        status: int,
        what: str,
        cure: str,
        *,
        field: str = "",
        headers: Mapping[str, str] | None = None,
        back: str = "",
    ) -> Response:
        reference = current_cause().correlationid
        if wants_json(request):
            response = problem(status, what, cure, reference=reference, field=field)
        else:
            template = "error_public.html" if self._is_public(request) else "error.html"
            # Only a fault of ours is in the log: no other error is worth a telephone call with a reference.
            shown = reference if status == 500 else ""
            values = {"status": status, "what": what, "cure": cure, "reference": shown, "back": back}
            values["back_words"] = "See it as it is now" if status == 409 else "Back to the form"
            response = render(self._templates, request, template, status, values)
        response.headers.update(headers or {})
        return response

    def _is_public(self, request: Request) -> bool:
        path: str = request.scope["path"]
        mount = request.scope.get("app_root_path", request.scope.get("root_path", ""))
        return path.removeprefix(mount).startswith(self._public)


def page_for_anybody(templates: jinja2.Environment, status: int, what: str, cure: str) -> str:
    """An error as a page that is the same for whoever asks: nothing of a request is in it."""
    frame = {"answers_form": False, "silence": "", "back": "", "reference": ""}
    values = {**frame, "status": status, "what": what, "cure": cure}
    return templates.get_template("error_public.html").render(values)


def problem(status: int, what: str, cure: str, **more: str) -> Response:
    """An RFC 9457 problem."""
    document = {"type": "about:blank", "title": what, "status": status, "detail": cure}
    document |= {name: value for name, value in more.items() if value}
    return JSONResponse(document, status, media_type="application/problem+json")


def wants_json(request: Request) -> bool:
    """Whether a program asks. The API always answers programs, and so does what is published for them."""
    accept = request.headers.get("accept", "").lower()
    of_programs = is_api(request) or is_open(request.scope["path"])
    return of_programs or ("json" in accept and "text/html" not in accept)


def route_of(request: Request) -> str:
    """The template of the route that was found; a path would be endless in a metric and may carry a token."""
    return str(getattr(request.scope.get("route"), "path", "unmatched"))


def _form_of(request: Request) -> str:
    """Where a form stands that was not read, or came too late: on the page that it came from, or at its own
    address; nothing where that is no page. A page with a secret in its address does not say where it is.
    """
    came_from = urlsplit(request.headers.get("referer", ""))
    if came_from.netloc == request.headers.get("host") and came_from.path.strip("/"):
        return "/" + came_from.path.lstrip("/")
    return request.url.path if "GET" in ways_of(request) else ""
