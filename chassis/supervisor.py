"""Runs the services in a child process and brings it back when it dies.

The parent holds what must outlive a crash (the claim on the home folder, the embedded database) and stays
small. Between them is a connection: the child says on it that it serves, and learns from its end that the
parent is gone, however it went; then it stops by itself.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from chassis.config import SUPERVISOR
from chassis.log import logger

_log = logger(__name__)

#: The exit code of a child that says itself that another try would end the same way.
GIVE_UP = 78

#: The exit code of a child that says that something was away which may come back.
TRY_AGAIN = 75

#: Seconds between a death and the next birth: twice as many after each life that has served for a short time
#: or never, up to the longest.
_PAUSE, _LONGEST_PAUSE, _SHORT = 0.5, 30.0, 5.0

#: What the child says once it serves.
_SERVES = b"."

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

    When the first that ends by itself has never served, that is the end: another try would end the same way.

    Args:
        environment: settings for the child, on top of this process's own variables.
        grace: seconds that the child may take to stop.
        tend: called every second, or more often between two lives; brings back what both live on.

    Returns:
        the exit code: 0 after a signal that the child obeyed.
    """
    has_served, pause = False, _PAUSE
    with _told_to_stop() as stopping:
        while not stopping():
            code, served = _live(module, arguments, environment, stopping, grace, tend)
            if stopping():
                return 0 if code in (0, -signal.SIGTERM) else 1
            if code == GIVE_UP:
                return 1
            has_served = has_served or served is not None
            if code == 0 or (code > 0 and not has_served and code != TRY_AGAIN):
                return code
            pause = _PAUSE if served is not None and served >= _SHORT else min(pause * 2, _LONGEST_PAUSE)
            _log.error("services_died", status=code, served=None if served is None else round(served))
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
) -> tuple[int, float | None]:
    """One life of the child.

    Returns:
        its exit code, negative when a signal ended it; and for how many seconds it has served, if it did.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        handed_on = theirs.fileno()
        variables = {**os.environ, **environment, "EVENTLET_HUB": "asyncio", SUPERVISOR: str(handed_on)}
        command = [sys.executable, "-m", module, *arguments]
        # A session of its own: ctrl-C in a terminal reaches the parent alone, which stops the child once.
        child = subprocess.Popen(command, env=variables, pass_fds=[handed_on], start_new_session=True)
        theirs.close()
        return _await_end(child, ours, stopping, grace, tend)


def _await_end(
    child: subprocess.Popen[bytes],
    connection: socket.socket,
    stopping: Callable[[], bool],
    grace: float,
    tend: Callable[[], None],
) -> tuple[int, float | None]:
    """Wait for the child; once it is to stop, tell it so and wait for the grace period at the most."""
    tended, serves_since = time.monotonic(), None
    while not stopping():
        code = _ended(child, _LOOK)
        if serves_since is None and _says_that_it_serves(connection):
            serves_since = time.monotonic()
        if code is not None:
            return code, None if serves_since is None else time.monotonic() - serves_since
        if time.monotonic() - tended >= _TEND:
            tend()
            tended = time.monotonic()
    child.terminate()
    if (code := _ended(child, grace)) is None:
        child.kill()
        code = child.wait()
    return code, None


def say_that_we_serve(environment: Mapping[str, str]) -> None:
    """The child's word to its supervisor, where it has one."""
    if descriptor := environment.get(SUPERVISOR):
        with suppress(BrokenPipeError):  # that it is gone is noticed by the connection's end
            os.write(int(descriptor), _SERVES)


def _says_that_it_serves(connection: socket.socket) -> bool:
    with suppress(BlockingIOError, ConnectionError):
        return connection.recv(1, socket.MSG_DONTWAIT) == _SERVES
    return False


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
