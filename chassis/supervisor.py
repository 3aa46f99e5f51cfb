"""Runs the services in a child process and brings it back when it dies.

The parent holds what must outlive a crash (the claim on the home folder, the embedded database) and stays
small. The child learns from a pipe when the parent is gone, however it went, and stops by itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from chassis.config import SUPERVISOR_PIPE
from chassis.log import logger

_log = logger(__name__)

#: A child that dies sooner than this, in seconds, did not start: another try would end the same way.
_TOO_SOON = 5.0


def supervise(module: str, arguments: Sequence[str], environment: Mapping[str, str], grace: float) -> int:
    """Run ``python -m module`` until it ends by itself or a signal ends both.

    Args:
        environment: settings for the child, on top of this process's own variables.
        grace: seconds that the child may take to stop.

    Returns:
        the exit code: 0 after a signal that the child obeyed.
    """
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while True:
            started = time.monotonic()
            reading, writing = os.pipe()
            child = _start(module, arguments, environment, reading)
            os.close(reading)
            if stopping:
                child.terminate()
            code = _await_end(child, lambda: stopping, grace)
            os.close(writing)
            if stopping or code == 0 or time.monotonic() - started < _TOO_SOON:
                return 0 if stopping else code
            _log.error("services_died", status=code, seconds=round(time.monotonic() - started))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], pipe: int
) -> subprocess.Popen[bytes]:
    variables = {**os.environ, **environment, "EVENTLET_HUB": "asyncio", SUPERVISOR_PIPE: str(pipe)}
    # A group of its own: ctrl-C in a terminal must reach the parent alone, which then stops the child once.
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=variables, pass_fds=[pipe], start_new_session=True
    )


def _await_end(child: subprocess.Popen[bytes], stopping: Callable[[], bool], grace: float) -> int:
    """Wait for the child; once it was told to stop, for the grace period at the most."""
    deadline = None
    while True:
        try:
            return child.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if stopping():
                deadline = deadline or time.monotonic() + grace
                if time.monotonic() > deadline:
                    child.kill()
