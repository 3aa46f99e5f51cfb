"""Live pages: a stream that says "changed", and nothing else. The page then fetches itself again.

Whoever looks is woken by the commit that changes something, and then compares what stands for what they see
with what stood for it before. Of a change that is none for them their stream shows no trace, not even in when
it says that it is still there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import DatabaseAway
from chassis.listening import ANYTHING, Listener
from chassis.web.pages import site_of
from chassis.web.streamed import Streamed

#: Under this name the server's own "stopping" event travels with a request.
STOPPING = "conduit.stopping"

#: Seconds after a comparison until the next one, however often something wakes.
_REST = 0.05


def live(
    request: Request,
    version: Callable[[], Awaitable[str | None]],
    *,
    topic: str = ANYTHING,
    pause: float = 1.0,
) -> Response:
    """Server-sent events: one whenever ``version`` gives another answer than before.

    Ends when the viewer leaves, the server stops, or the database is away: a stream that stays open says that
    the page is live. The page asks for it again until there is one.

    Args:
        topic: what commits tell of that change it; else every announcement wakes.
        pause: seconds after which it looks even if nothing was told, and says that it is still there.
    """
    headers = {"x-accel-buffering": "no"}
    changes = _changes(request, site_of(request).listener, version, topic, pause)
    return Streamed(changes, media_type="text/event-stream", headers=headers)


async def _changes(
    request: Request,
    listener: Listener,
    version: Callable[[], Awaitable[str | None]],
    topic: str,
    pause: float,
) -> AsyncIterator[str]:
    stopping: asyncio.Event = request.scope.get(STOPPING) or asyncio.Event()
    with listener.following(topic) as awake, suppress(DatabaseAway):
        seen = await version()
        yield "retry: 2000\n\n"
        due = monotonic() + pause
        while not stopping.is_set():
            await _first_of(due - monotonic(), stopping, awake)
            awake.clear()
            present = await version()
            if present is not None and present != seen:
                seen, due = present, monotonic() + pause
                yield "data: changed\n\n"
            elif monotonic() >= due:
                due = monotonic() + pause
                yield ": still here\n\n"
            await _first_of(min(_REST, due - monotonic()), stopping)


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of them is set, or for so long."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
