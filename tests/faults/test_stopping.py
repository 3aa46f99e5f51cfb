"""SIGTERM while a handler and a request are slow and somebody watches a page: soon over, each effect once."""

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
import httpx
import pytest

from chassis.config import Settings
from contracts.topology import NOTIFICATIONS
from tests.faults.world import World, eventually
from tests.journeys.running import Running

pytestmark = pytest.mark.timeout(400)

#: What a process may take to leave beyond the grace period: the supervisor's own, and the interpreter's end.
_LEAVING = 5.0


@contextmanager
def locked(world: World, *tables: str) -> Iterator[None]:
    """Whoever writes to these waits until the block ends; readers do not."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(world.installation.urls()[NOTIFICATIONS]))
        transaction = connection.transaction()
        runner.run(transaction.start())
        runner.run(connection.execute(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE"))
        yield
        runner.run(transaction.rollback())
        runner.run(connection.close())


def waiting(world: World) -> int:
    """How many sessions wait for a lock."""
    queued = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return len(world.select(NOTIFICATIONS, queued))


def watch(process: Running, path: str) -> int:
    """Follow a live page until the server ends it. How much it said."""
    with httpx.stream("GET", process.url + path, timeout=30, cookies=process.cookies) as stream:
        try:
            return sum(len(part) for part in stream.iter_raw())
        except httpx.RemoteProtocolError:
            return 1


def test_a_process_that_is_told_to_stop_finishes_what_is_in_flight(world: World) -> None:
    world.all_promises_are_kept()
    campaign = world.begin_campaign()
    process = world.running[NOTIFICATIONS]
    with ThreadPoolExecutor() as threads:
        watching = threads.submit(watch, process, f"/letters/campaigns/{campaign}/live")
        with locked(world, "organisations", "answers"):
            world.amend()
            asking = threads.submit(world.ask_once)
            eventually(lambda: waiting(world) >= 2, lambda: "neither handler nor request is under way")
            started = time.monotonic()
            stopping = threads.submit(process.stop, signal.SIGTERM, 30)
            time.sleep(0.5)  # it has been told, and both still wait
        assert stopping.result() == 0
        assert time.monotonic() - started < Settings().grace + _LEAVING
        assert watching.result() > 0
        assert asking.result() == 303, "the request was cut off instead of being answered"
        process.start()
        process.wait_until_ready()
    world.all_promises_are_kept()
