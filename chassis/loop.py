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
    raise RuntimeError(f"Services need {HUB}=asyncio in the environment from the start; use the conduit command.")

with warnings.catch_warnings():
    # Its own deprecation notice: known, and the reason why this module stands alone.
    warnings.simplefilter("ignore")
    import eventlet

    # Threads and os stay native: with them patched, executors, static files and asyncio's subprocesses
    # fail with "Cannot switch to MAINLOOP from MAINLOOP".
    eventlet.monkey_patch(thread=False, os=False)

import eventlet.event
import eventlet.hubs
import eventlet.semaphore

Timeout = eventlet.Timeout
Event = eventlet.event.Event
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
    done = Event()
    task = running_loop().create_task(coroutine)
    task.add_done_callback(lambda _: done.send(None))
    try:
        with Timeout(timeout, TimeoutError()):
            done.wait()
    finally:
        if not task.done():
            task.cancel()
            done.wait()
    return task.result()


async def green(function: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking green function in a green thread of its own and await its result."""
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = function(*arguments)
        except GreenletExit:
            settled.cancel()
        except BaseException as error:
            if not settled.done():
                settled.set_exception(error)
        else:
            if not settled.done():
                settled.set_result(result)

    thread = eventlet.spawn(run)
    try:
        return await settled
    except asyncio.CancelledError:
        eventlet.spawn(thread.kill)
        raise


def spawn(function: Callable[..., Any], *arguments: Any) -> Any:
    """Start a green thread."""
    return eventlet.spawn(function, *arguments)


def until_signalled() -> int:
    """Block the main green thread until SIGTERM or SIGINT arrives; the signal's number."""
    arrived = Event()

    def note(number: int) -> None:
        if not arrived.ready():
            arrived.send(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        running_loop().add_signal_handler(number, note, number)
    return int(arrived.wait())
