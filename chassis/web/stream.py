"""Live pages: a stream that says "changed", and nothing else. The page then fetches itself again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.errors import DatabaseAway

#: Under this name the server's own "stopping" event travels with a request.
STOPPING = "conduit.stopping"


def live(request: Request, version: Callable[[], Awaitable[str]], *, pause: float = 1.0) -> Response:
    """Server-sent events: one whenever ``version`` gives another answer than before.

    Ends when the viewer leaves or the server stops. While the database is away it says nothing.
    """
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(
        _changes(request, version, pause), media_type="text/event-stream", headers=headers
    )


async def _changes(
    request: Request, version: Callable[[], Awaitable[str]], pause: float
) -> AsyncIterator[str]:
    stopping: asyncio.Event = request.scope.get(STOPPING) or asyncio.Event()
    seen = await _present(version)
    yield "retry: 2000\n\n"
    while not stopping.is_set() and not await request.is_disconnected():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        present = await _present(version)
        if present is not None and present != seen:
            seen = present
            yield "data: changed\n\n"
        else:
            yield ": still here\n\n"


async def _present(version: Callable[[], Awaitable[str]]) -> str | None:
    try:
        return await version()
    except DatabaseAway:
        return None
