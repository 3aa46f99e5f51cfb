"""Runs the services in a child process and brings it back when it dies.

The parent holds what must outlive a crash (the claim on the home folder, the embedded database) and stays
small. The child learns from a pipe when the parent is gone, however it went, and stops by itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chassis.config import SUPERVISOR_PIPE
from chassis.log import logger

_log = logger(__name__)

#: The exit code of a child that says itself that another try would end the same way.
GIVE_UP = 78

#: The exit code of a child that says that something was away which may come back.
TRY_AGAIN = 75

#: A first child that fails sooner than this, in seconds, did not start: another try would end the same way.
_TOO_SOON = 5.0

#: Seconds between a death and the next birth: twice as many after each short life, up to the longest.
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

#: Seconds between two looks at the child, and at what both live on.
_LOOK, _TEND = 0.2, 1.0


def supervise(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    grace: float,
    tend: Callable[[], None] = lambda: None,
) -> int:
    """Run ``python -m module`` until it ends by itself or a signal ends both.

    Args:
        environment: settings for the child, on top of this process's own variables.
        grace: seconds that the child may take to stop.
        tend: called every second, or more often between two lives; brings back what both live on.

    Returns:
        the exit code: 0 after a signal that the child obeyed.
    """
    has_started, pause = False, _PAUSE
    with _told_to_stop() as stopping:
        while not stopping():
            started = time.monotonic()
            code = _live(module, arguments, environment, stopping, grace, tend)
            lasted = time.monotonic() - started
            if stopping():
                return 0 if code in (0, -signal.SIGTERM) else 1
            if code == GIVE_UP:
                return 1
            short = lasted < _TOO_SOON
            has_started = has_started or not short
            if code == 0 or (code > 0 and not has_started and code != TRY_AGAIN):
                return code
            pause = min(pause * 2, _LONGEST_PAUSE) if short else _PAUSE
            _log.error("services_died", status=code, seconds=round(lasted))
            _rest(pause, stopping, tend)
    return 0


@contextmanager
def _told_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM or SIGINT has come."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _live(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stopping: Callable[[], bool],
    grace: float,
    tend: Callable[[], None],
) -> int:
    """One life of the child: its exit code, negative when a signal ended it."""
    reading, writing = os.pipe()
    try:
        variables = {**os.environ, **environment, "EVENTLET_HUB": "asyncio", SUPERVISOR_PIPE: str(reading)}
        command = [sys.executable, "-m", module, *arguments]
        # A session of its own: ctrl-C in a terminal reaches the parent alone, which stops the child once.
        child = subprocess.Popen(command, env=variables, pass_fds=[reading], start_new_session=True)
        os.close(reading)
        return _await_end(child, stopping, grace, tend)
    finally:
        os.close(writing)


def _await_end(
    child: subprocess.Popen[bytes], stopping: Callable[[], bool], grace: float, tend: Callable[[], None]
) -> int:
    """Wait for the child; once it is to stop, tell it so and wait for the grace period at the most."""
    tended = time.monotonic()
    while not stopping():
        if (code := _ended(child, _LOOK)) is not None:
            return code
        if time.monotonic() - tended >= _TEND:
            tend()
            tended = time.monotonic()
    child.terminate()
    if (code := _ended(child, grace)) is None:
        child.kill()
        return child.wait()
    return code


def _rest(seconds: float, stopping: Callable[[], bool], tend: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while not stopping() and time.monotonic() < end:
        time.sleep(_LOOK)
        tend()


def _ended(child: subprocess.Popen[bytes], within: float) -> int | None:
    try:
        return child.wait(timeout=within)
    except subprocess.TimeoutExpired:
        return None
