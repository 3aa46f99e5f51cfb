"""Work that goes on by itself: the relay, the retries, the senders, the nightly jobs. One mechanism for all.

A turn that fails or hangs is counted, logged and tried again after a pause; it never ends the loop. A turn
that says "more" is followed by the next one at once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from chassis import metrics
from chassis.errors import DatabaseAway
from chassis.log import describe, logger

_log = logger(__name__)

#: Seconds that a timer may be late for reasons of the whole computer.
_LENIENCE = 60.0

Turn = Callable[[], Awaitable[bool | None]]


class Background:
    """Takes turns until it is stopped.

    Args:
        name: for logs and metrics.
        turn: does a piece of work; a true answer means that there is more to do at once.
        pause: seconds until the next turn when nothing wakes it.
        longest: seconds after which a turn is cancelled.
    """

    def __init__(self, service: str, name: str, turn: Turn, *, pause: float, longest: float) -> None:
        self._service = service
        self._name = name
        self._turn = turn
        self._pause = pause
        self._longest = longest
        self._awake = asyncio.Event()
        self._stopping = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        metrics.TIMER_SUCCESS.labels(service, name).set(0)
        metrics.TIMER_PATIENCE.labels(service, name).set(3 * pause + longest + _LENIENCE)
        metrics.TIMER_FAILURES.labels(service, name)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"{self._service} {self._name}")

    def wake(self) -> None:
        """Take the next turn now."""
        self._awake.set()

    async def stop(self, grace: float) -> None:
        """Let the present turn finish, for as long as the grace period (seconds) lasts."""
        self._stopping = True
        self._awake.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=grace)
        if not done:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            try:
                more = await asyncio.wait_for(self._turn(), self._longest)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next turn comes
                self._note_failure(error)
                await self._rest(min(0.2 * 2 ** min(self._failures, 8), 5.0) * random.uniform(0.5, 1))
            else:
                self._failures = 0
                metrics.TIMER_SUCCESS.labels(self._service, self._name).set_to_current_time()
                if not more:
                    await self._rest(self._pause)

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        metrics.TIMER_FAILURES.labels(self._service, self._name).inc()
        # A database that is away is one fact, not one for every turn.
        speak = _log.info if isinstance(error, DatabaseAway) and self._failures > 1 else _log.warning
        reason = describe(error)
        speak("turn_failed", service=self._service, name=self._name, attempts=self._failures, **reason)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), seconds)


async def start_all(turns: Iterable[Background]) -> None:
    for each in turns:
        await each.start()


async def stop_all(turns: Iterable[Background], grace: float) -> None:
    """Let all of them finish their present turn, side by side."""
    await asyncio.gather(*(each.stop(grace) for each in turns))
