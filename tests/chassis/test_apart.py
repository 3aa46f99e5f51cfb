"""Work in other processes: what comes back, and what becomes of whoever ends over it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from chassis import apart as module
from chassis.apart import EndedWithoutAnswer, apart
from chassis.embedded import alive
from chassis.errors import Refused

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One process, and one of this test's own: nobody else's letters wait behind it."""
    process = module._Process()
    monkeypatch.setattr(module, "_process", process)
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(module, "_THREADS", threads)
        yield
        threads.submit(process.end).result()


async def test_what_comes_back_is_what_the_function_answers_or_raises() -> None:
    assert await apart(pow, 2, 5) == 32
    assert await apart(int, "ff", base=16) == 255
    assert await apart(bytes, 5_000_000) == bytes(5_000_000)
    with pytest.raises(ZeroDivisionError):
        await apart(divmod, 1, 0)


async def test_it_is_another_process_that_goes_on_and_lets_others_go_first() -> None:
    first, second = await apart(os.getpid), await apart(os.getpid)
    assert first == second != os.getpid()
    assert await apart(os.getpriority, os.PRIO_PROCESS, 0) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_the_loop_goes_on_meanwhile() -> None:
    working = asyncio.create_task(apart(time.sleep, 0.3))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5


async def test_what_is_printed_is_no_answer() -> None:
    assert await apart(os.write, 1, b"\0" * 100) == 100
    assert await apart(pow, 2, 3) == 8


class Odd(Exception):
    """Cannot be made from what it says."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def odd() -> None:
    raise Odd("one", "two")


def refuse() -> None:
    raise Refused("It is too late.", "Come earlier.", field="day")


async def test_an_error_comes_whole_where_its_class_allows_it_and_says_which_it_was_elsewhere() -> None:
    with pytest.raises(Refused) as refused:
        await apart(refuse)
    assert (refused.value.what, refused.value.cure, refused.value.field) == (
        "It is too late.",
        "Come earlier.",
        "day",
    )
    with pytest.raises(RuntimeError, match="Odd"):
        await apart(odd)


def die_once(mark: Path) -> int:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


async def test_whoever_is_killed_is_followed_by_another_who_is_asked_once_more(tmp_path: Path) -> None:
    before = await apart(os.getpid)
    after = await apart(die_once, tmp_path / "mark")
    assert before != after == await apart(os.getpid)


async def test_what_always_ends_the_process_is_not_tried_for_ever() -> None:
    with pytest.raises(EndedWithoutAnswer):
        await apart(os.abort)
    assert await apart(pow, 2, 3) == 8


async def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    held = await apart(os.getpid)
    monkeypatch.setattr(module, "LONGEST", 0.2)
    with pytest.raises(TimeoutError):
        await apart(time.sleep, 60)
    monkeypatch.undo()
    assert not alive(held)


async def test_whoever_had_nothing_to_do_for_a_while_leaves_and_is_missed_by_nobody() -> None:
    asked, answers = os.pipe(), os.pipe()
    with os.fdopen(asked[0], "rb") as reads, os.fdopen(answers[1], "wb") as writes:
        waited = partial(module._serve, reads, writes, idle=0.1)
        await asyncio.wait_for(asyncio.to_thread(waited), 10)
    for each in (asked[1], answers[0]):
        os.close(each)
    assert await apart(os.getpid) != os.getpid()
    await asyncio.get_running_loop().run_in_executor(module._THREADS, module._process.end)
    assert await apart(pow, 2, 3) == 8


def test_stopping_the_service_does_not_stop_it_in_the_middle_and_the_end_of_the_service_does() -> None:
    """Ctrl-C and systemd reach both at once; a killed service reaches nobody, but its pipe ends."""
    code = (
        "import asyncio, os, time\n"
        "from chassis.apart import apart\n"
        "print(asyncio.run(apart(os.getpid)), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        other = int(service.stdout.readline())
        os.kill(other, signal.SIGINT)
        os.kill(other, signal.SIGTERM)
        time.sleep(0.2)
        assert alive(other)
        service.kill()
        service.wait()
    until = time.monotonic() + 20
    while alive(other):
        assert time.monotonic() < until
        time.sleep(0.05)
