"""Work that keeps a processor busy, done in other processes.

Python runs one thread at a time, so what takes a thread long makes every page wait. This process waits for an
answer instead. Another one is started when there is something to do, lets everybody else go first, leaves
when there was nothing for it for a while, and leaves at once when this one has ended, however that ended.
"""

import asyncio
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast

from chassis.errors import ChassisError

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

#: Processes at most. One that sends letters can keep two of these busy, and no more.
MOST = 2
#: Seconds after which a call counts as one that never ends.
LONGEST = 60.0
#: Seconds without work after which the process leaves and gives its memory back.
IDLE = 60.0

_ROOT = Path(__file__).parents[1]


class EndedWithoutAnswer(ChassisError):
    """The process that does the work ended over it, also when it was asked a second time."""


async def apart(
    function: Callable[_Arguments, _Answer], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Answer:
    """Call a function of a module in another process. It, what it is given and what it answers are pickled.

    Raises:
        TimeoutError: when it takes longer than a minute; then it was ended.
        EndedWithoutAnswer: when it is the end of the process twice: memory ran out, or a library broke.
        Exception: whatever the function raises.
    """
    asked = pickle.dumps((function, arguments, named))
    answer = await asyncio.get_running_loop().run_in_executor(_THREADS, _ask, asked)
    done, what = pickle.loads(answer)  # noqa: S301 - from a process that we have started
    if not done:
        raise what
    return cast(_Answer, what)


class _Process(threading.local):
    """Another process, for each thread that speaks to one."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, asked: bytes) -> bytes:
        """Blocks until there is an answer."""
        for _ in range(2):  # it may be leaving for want of work, or be killed for the memory that it takes
            running = self._started()
            try:
                _write(cast(BinaryIO, running.stdin), asked)
                return self._read(cast(BinaryIO, running.stdout))
            except (OSError, EOFError) as error:
                self.end()
                if isinstance(error, TimeoutError):
                    raise
        raise EndedWithoutAnswer

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._running is None or self._running.poll() is not None:
            self.end()
            command = [sys.executable, "-m", __name__]
            pipe = subprocess.PIPE
            self._running = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=_ROOT)
        return self._running

    def _read(self, answers: BinaryIO) -> bytes:
        waiting = select.poll()
        waiting.register(answers, select.POLLIN)
        if not waiting.poll(LONGEST * 1000):
            raise TimeoutError
        return _read(answers)

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self._running is not None:
            self._running.kill()
            with self._running:  # closes the pipes and waits
                self._running = None


_process = _Process()
#: Whoever asks waits for one of these and not for the threads that everything else shares.
_THREADS = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST), "apart")


def _ask(asked: bytes) -> bytes:
    return _process.ask(asked)


def _write(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(len(content).to_bytes(8))
    pipe.write(content)
    pipe.flush()


def _read(pipe: BinaryIO) -> bytes:
    """Raises EOFError where the other side has ended."""
    head = pipe.read(8)
    content = pipe.read(int.from_bytes(head))
    if len(head) < 8 or len(content) < int.from_bytes(head):
        raise EOFError
    return content


# In another process


def _serve(asked: BinaryIO, answers: BinaryIO, idle: float = IDLE) -> None:
    waiting = select.poll()
    waiting.register(asked, select.POLLIN)
    while waiting.poll(idle * 1000):
        try:
            function, arguments, named = pickle.loads(_read(asked))  # noqa: S301 - from who started us
            _write(answers, _answered(function, arguments, named))
        except (EOFError, BrokenPipeError):
            return


def _answered(function: Callable[..., Any], arguments: Any, named: Any) -> bytes:
    try:
        return pickle.dumps((True, function(*arguments, **named)))
    except Exception as error:  # noqa: BLE001 - whoever asked is to have it, whatever it is
        return _as_it_travels(error)


def _as_it_travels(error: Exception) -> bytes:
    """An error whose own class cannot be pickled there and back comes as another that says which it was."""
    try:
        pickled = pickle.dumps((False, error))
        pickle.loads(pickled)  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - a class may raise anything of its own as it is made anew
        return pickle.dumps((False, RuntimeError(type(error).__name__)))
    return pickled


def _main() -> None:
    # Whoever stops the service stops it, not us in the middle of a letter; then our input ends, and so do we.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    os.nice(5)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
