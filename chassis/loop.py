"""The one bridge between green threads and coroutines, and the only place that knows eventlet.

``EVENTLET_HUB=asyncio`` puts eventlet's hub on a real asyncio loop. On it run the nameko container, the
broker connections (green threads) and everything else (coroutines). Two functions cross the border:
:func:`wait` lets a green thread wait for a coroutine, :func:`green` lets a coroutine wait for a blocking
green function. Nothing above the chassis imports this module; that is the way out if eventlet goes.

Import it before anything that opens sockets, in a process that was started with the variable set.
"""

import asyncio
import os
import signal
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

HUB = "EVENTLET_HUB"

if os.environ.get(HUB) != "asyncio":
    raise RuntimeError(f"Services need {HUB}=asyncio in the environment from the start: use the command.")

with warnings.catch_warnings():
    # Its own deprecation notice: known, and the reason why this module stands alone.
    warnings.simplefilter("ignore")
    import eventlet

    # Threads and os stay native: with them patched, executors, static files and asyncio's subprocesses
    # fail with "Cannot switch to MAINLOOP from MAINLOOP".
    eventlet.monkey_patch(thread=False, os=False)

import eventlet.debug
import eventlet.event
import eventlet.hubs
import eventlet.queue

from chassis.log import describe, logger

# When a green thread fails, eventlet would print the error, text and all. It is logged below instead.
eventlet.debug.hub_exceptions(False)

_log = logger(__name__)

Timeout = eventlet.Timeout
Event = eventlet.event.Event
Queue = eventlet.queue.LightQueue
sleep = eventlet.sleep
GreenletExit = eventlet.greenlet.GreenletExit


def running_loop() -> asyncio.AbstractEventLoop:
    """The asyncio loop under eventlet's hub."""
    loop: asyncio.AbstractEventLoop = eventlet.hubs.get_hub().loop
    return loop


def wait(coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Let the calling green thread wait for a coroutine.

    When the wait ends early, because of the timeout (seconds) or because the green thread is killed, the
    coroutine is cancelled and its end awaited: a query that goes on by itself might commit after the
    message was handed to somebody else.

    Raises:
        TimeoutError: when the coroutine took longer.
    """
    ended = Event()
    task = running_loop().create_task(coroutine)
    task.add_done_callback(lambda _: ended.send(None))
    try:
        with Timeout(timeout, TimeoutError()):
            ended.wait()
    finally:
        if not task.done():
            task.cancel()
            ended.wait()
    return task.result()


async def green(function: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking green function in a green thread of its own and await its result.

    When the awaiting coroutine is cancelled, the green thread is killed and its end awaited: whatever it
    held, a connection for instance, has no other owner before.
    """
    settled: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            settled.set_result(function(*arguments))
        except GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            settled.set_exception(error)

    thread = eventlet.spawn(run)
    # Also when it was killed before its first step.
    thread.link(lambda _: settled.cancel())
    try:
        return await asyncio.shield(settled)
    except asyncio.CancelledError:
        eventlet.spawn(thread.kill)
        await asyncio.wait({settled})
        raise


def spawn(function: Callable[..., Any], *arguments: Any) -> None:
    """Start a green thread that nobody waits for. When it fails, that is logged."""

    def run() -> None:
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001 - there is nobody above
            _log.error("green_thread_failed", name=function.__name__, **describe(error))

    eventlet.spawn(run)


def when_signalled(end: Callable[[int], object]) -> None:
    """Call with the signal's number when SIGTERM or SIGINT arrives."""
    for number in (signal.SIGTERM, signal.SIGINT):
        running_loop().add_signal_handler(number, end, number)


def when_closed(descriptor: int, end: Callable[[], object]) -> None:
    """Call when the other end of a pipe or connection has gone."""

    def closed() -> None:
        running_loop().remove_reader(descriptor)
        end()

    running_loop().add_reader(descriptor, closed)


def end() -> None:
    """End the loop, as the last thing that a process does.

    Threads that worked for it (files, routes that are no coroutines) end with it. The interpreter would
    wait for them without limit.
    """
    eventlet.hubs.get_hub().abort(wait=True)
