"""Work in other processes: what comes back, and what becomes of whoever ends over it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chassis import apart as module
from chassis.apart import EndedWithoutAnswer, apart
from chassis.embedded import alive
from chassis.errors import Refused

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, and one of this test's own, which soon goes by itself."""
    monkeypatch.setattr(module, "_crew", module._Crew(most=1, idle=1.0))


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


async def test_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    begun, meanwhile = tmp_path / "begun", tmp_path / "meanwhile"
    working = asyncio.create_task(apart(begin_and_wait_for, begun, meanwhile))
    for _ in range(2_000):
        if begun.exists():
            break
        await asyncio.sleep(0.01)
    assert begun.exists()
    meanwhile.touch()
    await working


def begin_and_wait_for(begun: Path, meanwhile: Path) -> None:
    begun.touch()
    while not meanwhile.exists():
        time.sleep(0.01)


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


async def test_what_never_ends_is_ended() -> None:
    before = await apart(signal.alarm, 0)
    assert before == module.LONGEST
    with pytest.raises(EndedWithoutAnswer):
        await apart(sleep_too_long)
    assert await apart(pow, 2, 3) == 8


def sleep_too_long() -> None:
    """As if the minute were nearly over."""
    signal.alarm(1)
    time.sleep(60)


async def test_whoever_has_nothing_to_do_goes_and_another_comes_when_there_is_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_crew", module._Crew(most=1, idle=0.05))
    first = await apart(os.getpid)
    await asyncio.to_thread(gone, first)
    second = await apart(os.getpid)
    assert second not in (first, os.getpid())
    await asyncio.to_thread(gone, second)


async def test_what_is_asked_at_the_moment_of_going_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_crew", module._Crew(most=1, idle=0.0))
    assert [await apart(pow, 2, number) for number in range(20)] == [2**number for number in range(20)]


async def test_no_more_work_at_once_than_there_may_be_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_crew", module._Crew(most=2, idle=1.0))
    by = await asyncio.gather(*(apart(work_for_a_moment) for _ in range(12)))
    assert len(set(by)) == 2


def work_for_a_moment() -> int:
    time.sleep(0.05)
    return os.getpid()


def gone(process: int) -> None:
    """Wait until it is."""
    until = time.monotonic() + 20
    while alive(process):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_it_works_where_eventlet_has_put_its_own_in_the_place_of_subprocesses() -> None:
    """Services run on its hub, and its pipes would wait there for ever."""
    code = (
        "from chassis import loop\n"
        "from chassis.apart import apart\n"
        "import subprocess\n"
        "assert subprocess.Popen.__module__.startswith('eventlet')\n"
        "print(loop.wait(apart(pow, 2, 5), timeout=30))\n"
    )
    here = {**os.environ, "EVENTLET_HUB": "asyncio"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=here, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("32\n", 0), done.stderr


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
    gone(other)


def test_it_works_where_it_may_not_let_others_go_first() -> None:
    """A unit of systemd without ``@resources`` refuses, and whoever asked waits all the same."""
    code = (
        "import os\n"
        "def refuse(_): raise PermissionError\n"
        "os.nice = refuse\n"
        "from chassis.apart import _main\n"
        "_main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
