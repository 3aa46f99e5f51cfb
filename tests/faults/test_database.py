"""PostgreSQL restarts, dies, cuts sessions or leaves them without an answer: bounded waits, nothing lost."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle

import httpx
import pytest

from chassis.embedded import EmbeddedPostgres
from contracts.topology import GRANTS, NOTIFICATIONS, SERVICES
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(400)

Fault = Callable[[World], AbstractContextManager[None]]

#: The sessions of the services' pools, and the server process that serves each.
_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE $1 AND pid <> pg_backend_pid()"


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """In good order: sessions are ended, what they did in mid-transaction is undone."""
    world.servers.postgres.stop()
    yield
    world.servers.postgres.start()


@contextmanager
def stopped_at_once(world: World) -> Iterator[None]:
    """Without a word to anybody; the next start recovers from the log."""
    world.servers.postgres.server.stop("immediate")
    yield
    world.servers.postgres.start()


@contextmanager
def killed(world: World) -> Iterator[None]:
    """As by the kernel, when memory runs out."""
    world.servers.postgres.kill()
    yield
    world.servers.postgres.start()


@pytest.mark.parametrize("fault", [stopped, stopped_at_once, killed], ids=lambda fault: fault.__name__)
def test_without_the_database_pages_say_so_at_once_and_nothing_is_lost(
    three_processes: World, fault: Fault
) -> None:
    world, before = three_processes, three_processes.ends()
    world.work()  # still on its way when it happens
    with ThreadPoolExecutor() as threads:
        with fault(world):
            asked = threads.submit(world.ask)
            eventually(
                lambda: world.pages() == dict.fromkeys(SERVICES, 503), lambda: f"pages answer {world.pages()}"
            )
        asked.result()
    world.work()
    world.all_promises_are_kept()
    assert world.pages() == dict.fromkeys(SERVICES, 200)
    assert world.ends() == before, "a process was restarted"


def test_a_live_page_is_not_live_without_the_database(three_processes: World) -> None:
    """Its process goes on, and so would its stream."""
    world = three_processes
    process, live = world.running[NOTIFICATIONS], f"/letters/campaigns/{world.begin_campaign()}/live"
    with ThreadPoolExecutor() as threads, httpx.Client(cookies=process.cookies) as browser:
        with browser.stream("GET", process.url + live) as stream:
            said = stream.iter_lines()
            assert next(said) == "retry: 2000"
            with stopped(world):
                threads.submit(list, said).result(timeout=30)  # it ends
                assert browser.get(process.url + live).status_code == 503
        eventually(lambda: world.pages() == dict.fromkeys(SERVICES, 200), lambda: "the pages stay away")
        with browser.stream("GET", process.url + live) as stream:
            assert next(stream.iter_lines()) == "retry: 2000"
    world.all_promises_are_kept()


def test_an_embedded_database_that_was_killed_comes_back_by_itself(one_process: World) -> None:
    world, before = one_process, one_process.ends()
    server = EmbeddedPostgres(world.installation.settings.home)
    world.work()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    world.work()
    world.all_promises_are_kept()
    assert world.pages() == dict.fromkeys(SERVICES, 200)
    assert world.ends() == before, "a process was restarted"


def work_on(world: World) -> None:
    for _ in range(8):
        world.work()


def test_sessions_that_are_cut_in_mid_transaction_are_replaced(world: World) -> None:
    before = world.ends()
    cut = _SESSIONS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)")
    with ThreadPoolExecutor() as threads:
        working = threads.submit(work_on, world)
        # Of different lengths: some hit one piece of work again and again, some leave it the time it needs.
        pauses = cycle((0.05, 0.1, 0.2, 0.4, 0.8, 1.6))
        while not working.done():
            for service in SERVICES:
                world.select(service, cut, f"conduit {service}")
            time.sleep(next(pauses))
        working.result()
    world.all_promises_are_kept()
    assert world.ends() == before, "a process was restarted"


def test_a_session_without_an_answer_costs_a_bounded_wait(world: World) -> None:
    """The processes behind all of a pool's sessions stand still: no page of that service hangs for it."""
    before = world.ends()
    frozen = [row["pid"] for row in world.select(GRANTS, _SESSIONS, f"conduit {GRANTS}")]
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    try:
        answered = [world.pages() for _ in range(4)]
        world.work()
        world.pages_are_well()
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    assert {status for pages in answered for status in pages.values()} <= {200, 503}
    world.all_promises_are_kept()
    assert world.ends() == before, "a process was restarted"
