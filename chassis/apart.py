"""Work that keeps a processor busy, done in other processes.

Python runs one thread at a time, so what takes a thread long makes every page wait. This process waits for an
answer instead. Another one is started when there is something to do, lets everybody else go first, is ended
when there was nothing for it for a while, and ends at once when this one has ended, however that came.
"""

import asyncio
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast

from chassis.errors import Refused

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

#: Processes at most. One that hands out what they make can keep two of these busy, and no more.
MOST = min(os.cpu_count() or 1, 2)
#: Whole seconds after which a call counts as one that never ends.
LONGEST = 60
#: Seconds without work after which a process goes, and gives its memory back.
IDLE = 60.0

_ROOT = str(Path(__file__).parents[1])


class EndedWithoutAnswer(Refused):
    """What was to be done ended the process that did it, or took it more than a minute; and so once more.

    That may be its own fault, or that of a computer whose memory is full.
    """

    status = 503
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "It could not be made: the program that makes it ended over it.",
            "Try again in a minute. When it happens again, see whether the computer has memory left.",
        )


async def apart(
    function: Callable[_Arguments, _Answer], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Answer:
    """Call a function of a module in another process. It, what it is given and what it answers are pickled.

    Raises:
        EndedWithoutAnswer: when there is none, because memory ran out, a library broke, or it took too long.
        Exception: whatever the function raises.
    """
    answer = await asyncio.wrap_future(_crew.ask(pickle.dumps((function, arguments, named))))
    done, what = pickle.loads(answer)  # noqa: S301 - from a process that we have started
    if not done:
        raise what
    return cast(_Answer, what)


class _Crew:
    """Threads, each with a process of its own that comes and goes with it; none before it is needed."""

    def __init__(self, most: int = MOST, idle: float = IDLE) -> None:
        self._most, self._idle = most, idle
        self._asked: SimpleQueue[tuple[bytes, Future[bytes]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._all = self._free = 0

    def ask(self, asked: bytes) -> "Future[bytes]":
        answer: Future[bytes] = Future()
        self._asked.put((asked, answer))
        with self._lock:
            if self._asked.qsize() > self._free and self._all < self._most:
                self._all += 1
                threading.Thread(target=self._work, name="apart", daemon=True).start()
        return answer

    def _work(self) -> None:
        process = None
        while (next_one := self._next()) is not None:
            asked, answer = next_one
            if answer.set_running_or_notify_cancel():
                process = _answer(process, asked, answer)
        if process is not None:
            process.end()

    def _next(self) -> tuple[bytes, "Future[bytes]"] | None:
        """What to do next. Nothing, when there was nothing for a while: then this thread counts no more."""
        with self._lock:
            self._free += 1
        try:
            found = self._asked.get(timeout=self._idle)
        except Empty:
            found = None
        with self._lock:
            self._free -= 1
            if found is None and not self._asked.empty():  # at this very moment
                found = self._asked.get()
            self._all -= found is None
        return found


def _answer(process: "_Process | None", asked: bytes, answer: "Future[bytes]") -> "_Process | None":
    """Answer by this process, or by another one when it ends over it. Whichever is left then."""
    for _ in range(2):  # it may have been killed for the memory that others take
        try:
            process = process or _Process()
            answer.set_result(process.ask(asked))
            return process
        except (OSError, EOFError):
            if process is not None:
                process.end()
            process = None
    answer.set_exception(EndedWithoutAnswer())
    return None


class _Process:
    """Another process. Made of what eventlet leaves alone: its subprocesses wait for its own loop."""

    def __init__(self) -> None:
        asked, to = os.pipe()
        back, answers = os.pipe()
        ends = [(os.POSIX_SPAWN_DUP2, asked, 0), (os.POSIX_SPAWN_DUP2, answers, 1)]
        path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", __name__]
        self._to, self._back = os.fdopen(to, "wb"), os.fdopen(back, "rb")
        try:
            self._id = os.posix_spawn(
                sys.executable, command, os.environ | {"PYTHONPATH": path}, file_actions=ends
            )
        finally:
            os.close(asked)
            os.close(answers)

    def ask(self, asked: bytes) -> bytes:
        """Blocks until there is an answer. Raises OSError or EOFError when there will be none."""
        _write(self._to, asked)
        return _read(self._back)

    def end(self) -> None:
        """End it, whatever it is doing."""
        os.kill(self._id, signal.SIGKILL)
        os.waitpid(self._id, 0)
        for pipe in (self._to, self._back):
            with suppress(OSError):  # something was not written yet
                pipe.close()


_crew = _Crew()


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


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            function, arguments, named = pickle.loads(_read(asked))  # noqa: S301 - from who started us
            signal.alarm(LONGEST)  # ends us
            answer = _answered(function, arguments, named)
            signal.alarm(0)
            _write(answers, answer)
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
    # Whoever stops the service does not stop us in the middle of it. Then our input ends, and so do we.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    with suppress(OSError):  # systemd may not allow even that
        os.nice(5)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
