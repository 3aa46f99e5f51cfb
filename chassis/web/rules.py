"""What holds for every request: it is counted, it has a cause, and it is bounded in size and time."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics
from chassis.config import Settings
from chassis.context import Cause, because_of
from chassis.traces import Kind, Span, begin, end
from chassis.web.errors import Errors, Late, TooLarge, route_of
from chassis.web.files import ROOM
from chassis.web.reading import FORMS
from chassis.web.words import size_in_words

#: A method is whatever word a client sends: the others are one label, or the metric would be endless.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """Notes the cause of what a request does, counts it, and answers what nothing else has answered."""

    def __init__(self, app: ASGIApp, service: str, errors: Errors) -> None:
        self._app = app
        self._service = service
        self._errors = errors
        metrics.initialise_pages(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = monotonic(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics.IN_PROGRESS.labels(self._service).inc()
        span = begin(self._service, "", Kind.SERVER, Headers(scope=scope).get("traceparent", ""))
        try:
            with because_of(Cause.new(span.traceparent)):
                try:
                    await self._app(scope, receive, note)
                except Exception as error:
                    request = Request(scope, receive)
                    self._errors.note(request, error)
                    if status:  # the answer has begun: breaking the connection is all that is left
                        raise
                    response = await self._errors.failed(request, error)
                    await response(scope, receive, note)
        finally:
            metrics.IN_PROGRESS.labels(self._service).dec()
            self._count(Request(scope), status, monotonic() - started, span)
            for form in scope.get(FORMS, ()):
                await form.close()

    def _count(self, request: Request, status: int, seconds: float, span: Span) -> None:
        route = route_of(request)
        method = request.method if request.method in _METHODS else "other"
        span.name = f"{method} {route}"
        span.attributes |= {"http.request.method": method, "http.route": route}
        span.attributes |= {"http.response.status_code": status}
        end(span, failed=not status or status >= 500)
        metrics.REQUESTS.labels(self._service, route, method, str(status or "none")).inc()
        metrics.REQUEST_SECONDS.labels(self._service).observe(seconds)
        metrics.ROUTE_SECONDS.labels(self._service, route).inc(seconds)


class Bounded:
    """Bounds what a request may send and how long it may take until its answer begins.

    A stream of live changes may last; what has not begun to answer in time is cancelled, and its
    transaction with it.
    """

    def __init__(self, app: ASGIApp, settings: Settings, errors: Errors, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._limit = settings.body_limit
        self._larger = [
            (route, largest)
            for route in routes
            if (largest := getattr(getattr(route, "endpoint", None), "largest", None))
        ]
        self._timeout = settings.request_timeout
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            largest = self._largest_file(scope)
            limit, too_large = self._limit, _too_large(self._limit)
            if largest:
                limit, too_large = max(limit, largest + ROOM), _file_too_large(largest)
            self._refuse_declared(scope, limit, too_large)
            async with asyncio.timeout(self._timeout) as time:

                async def note(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        time.reschedule(None)
                    await send(message)

                await self._app(scope, self._counting(receive, limit, too_large), note)
        except (TooLarge, TimeoutError) as error:
            if isinstance(error, TimeoutError) and not time.expired():
                raise
            refusal = error if isinstance(error, TooLarge) else Late()
            response = await self._errors.refused(Request(scope, receive), refusal)
            await response(scope, receive, send)

    def _largest_file(self, scope: Scope) -> int:
        """Bytes of the largest file that this route takes; none where it takes no file, as by GET."""
        if scope["method"] in ("GET", "HEAD"):
            return 0
        matching = (largest for route, largest in self._larger if route.matches(scope)[0] is Match.FULL)
        return next(matching, 0)

    def _refuse_declared(self, scope: Scope, limit: int, refusal: TooLarge) -> None:
        declared = Headers(scope=scope).get("content-length", "0")
        # Python refuses to read a number of thousands of digits.
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > limit):
            raise refusal

    def _counting(self, receive: Receive, limit: int, refusal: TooLarge) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise refusal
            return message

        return counted


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"What was sent is larger than {size_in_words(limit)}.", "Send less at once.")


def _file_too_large(largest: int) -> TooLarge:
    size = size_in_words(largest)
    cure = f"Choose one of at most {size}, or make it smaller. Nothing of it was kept."
    return TooLarge("This file is too large.", cure)
