"""Hosting: nameko, coroutines and pages in one process, without a broker. It starts, serves and stops."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from chassis.embedded import alive
from chassis.testing import PrivatePostgres, eventually
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from tests.chassis.conftest import (
    PATIENCE,
    ROOT,
    Databases,
    Host,
    MakeDatabases,
    becomes,
    begun,
    heard,
    lives,
    signs_are_no_events,
)


@pytest.fixture(scope="module")
def host(make_databases: MakeDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Both services in one process. It polls so rarely that only a commit's own word can wake the relay."""
    with Host(tmp_path_factory.mktemp("host"), make_databases(), poll=3600) as running:
        yield running


class TestServing:
    def test_what_is_announced_is_heard_at_once(self, host: Host) -> None:
        host.announce("first", "second")
        heard(host.databases, "first", "second")
        becomes(host.databases.pending, [])

    def test_what_nobody_waits_for_is_published_all_the_same(self, host: Host) -> None:
        host.announce("told to nobody", service=NOTIFICATIONS)
        becomes(lambda: host.databases.pending(NOTIFICATIONS), [])

    def test_what_its_handler_refuses_is_parked_and_hinders_nobody(self, host: Host) -> None:
        host.announce("before", "fail it", "behind")
        heard(host.databases, "before", "behind")
        assert host.databases.parked() == ["handler_failed"]
        assert "Jane Doe" not in host.log

    def test_files_threads_programs_and_names_work_under_the_patch(self, host: Host) -> None:
        found = httpx.get(f"{host.url()}/native", timeout=PATIENCE).json()
        assert found == {
            "thread": "thread",
            "executor": "executor",
            "program": "program",
            "name": True,
            "database": "database",
        }
        assert httpx.get(f"{host.url()}/plain", timeout=PATIENCE).json() == "plain"
        assert (
            httpx.get(f"{host.url()}/file", timeout=PATIENCE).text
            == (ROOT / "tests/chassis/hosted.py").read_text()
        )

    def test_a_query_that_takes_too_long_is_an_error_without_a_trace(self, host: Host) -> None:
        assert httpx.get(f"{host.url()}/query?seconds=60", timeout=PATIENCE).status_code == 500
        assert '"error": "QueryCanceledError"' in host.log
        assert "Traceback" not in host.log

    def test_a_hung_turn_is_undone_and_does_not_stop_its_timer(self, host: Host) -> None:
        labels = '{name="tick",service="notifications"}'
        success = f"conduit_timer_last_success_timestamp_seconds{labels}"
        eventually(lambda: host.metric(success) > 0, within=PATIENCE, otherwise="the timer has stopped")
        before = host.metric(success)
        eventually(lambda: host.metric(success) > before, within=PATIENCE, otherwise="the timer has stopped")
        assert host.metric(f"conduit_timer_failures_total{labels}") == 1
        assert "hung tick" not in host.databases.effects()

    def test_lost_database_connections_are_replaced(self, host: Host) -> None:
        for service in (GRANTS, NOTIFICATIONS):
            host.databases.fetch(
                service,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()",
            )

        def announced() -> bool:
            return (
                httpx.post(f"{host.url()}/announce", json=["after the loss"], timeout=PATIENCE).status_code
                == 200
            )

        eventually(announced, within=PATIENCE, otherwise="it does not connect again")
        heard(host.databases, "after the loss")
        assert "Traceback" not in host.log


#: A next sign of life would come after half a minute.
SELDOM: dict[str, Any] = {"silence": 90, "heartbeat": 90, "watchdog": 120}


#: A busy database.
SLOW_TO_NOTE = """
CREATE OR REPLACE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(1); RETURN NEW; END'
"""
SLOW_TO_NOTE_FROM_NOW_ON = """
CREATE TRIGGER slow BEFORE INSERT ON signs_of_life FOR EACH ROW EXECUTE FUNCTION pause()
"""


class TestSignsOfLife:
    def test_every_start_notes_since_when_one_listens(self, databases: Databases, tmp_path: Path) -> None:
        moments = []
        for _ in range(2):
            with Host(tmp_path, databases, GRANTS, NOTIFICATIONS):
                services = (GRANTS, NOTIFICATIONS)
                moments.append([moment for each in services for moment in databases.listening_since(each)])
        assert len(moments[0]) == 2
        assert all(later > earlier for earlier, later in zip(*moments, strict=True))

    def test_it_is_noted_before_any_timer_looks(self, databases: Databases, tmp_path: Path) -> None:
        """However long that takes: a report that came first said of partners that it was never heard."""
        databases.fetch(GRANTS, SLOW_TO_NOTE)
        databases.fetch(GRANTS, SLOW_TO_NOTE_FROM_NOW_ON)
        with Host(tmp_path, databases, GRANTS):
            becomes(lambda: databases.fetch(GRANTS, "SELECT subject FROM effects"), ["listens"], within=20)

    def test_whoever_begins_to_listen_is_told_at_once(self, databases: Databases, tmp_path: Path) -> None:
        """Not when it is the next one's turn."""
        with Host(tmp_path, databases, PARTNERS, "late", **SELDOM):
            becomes(lambda: len(databases.heard_at(GRANTS)), 1, within=20)

    def test_they_come_at_once_and_again_and_again(self, databases: Databases, tmp_path: Path) -> None:
        """The first does not wait for its turn, whichever service was up first."""
        with Host(tmp_path, databases, *SERVICES, **SELDOM):
            began = databases.listening_since(PARTNERS)
            becomes(
                lambda: [len(databases.heard_at(each)) for each in (GRANTS, NOTIFICATIONS)], [1, 1], within=20
            )
            assert databases.listening_since(PARTNERS) == began, "it does not hear itself"
            signs_are_no_events(databases)
        with Host(tmp_path, databases, *SERVICES, silence=3, heartbeat=30) as host:
            for service in (GRANTS, NOTIFICATIONS):
                lives(databases, service)
                lives(databases, service)
            signs_are_no_events(databases)
            age = 'conduit_sign_of_life_age_seconds{sender="partners",service="grants"}'
            assert 0 <= host.metric(age) < 15


class TestStopping:
    def test_finishes_what_is_in_flight(self, databases: Databases, tmp_path: Path) -> None:
        with Host(tmp_path, databases) as host:
            host.announce("slow 2 in flight")
            slow = Thread(target=httpx.get, args=[f"{host.url()}/query?seconds=1.5"])
            with httpx.stream("GET", f"{host.url()}/changes", timeout=PATIENCE) as viewer:
                assert next(viewer.iter_lines()) == "retry: 2000"
                slow.start()
                begun(databases, NOTIFICATIONS, GRANTS)
                started = time.monotonic()
                assert host.stop() == 0
            took = time.monotonic() - started
            slow.join()
            assert "slow 2 in flight" in databases.effects()
            assert databases.pending() == []
            assert took < 10, "it did not stop within the grace period"
            assert [line for line in host.log.splitlines() if "traceback" in line.lower()] == []

    def test_threads_that_worked_for_a_page_do_not_keep_it_alive(
        self, databases: Databases, tmp_path: Path
    ) -> None:
        with Host(tmp_path, databases) as host:
            assert httpx.get(f"{host.url()}/plain", timeout=PATIENCE).json() == "plain"
            assert host.stop(signal.SIGINT) == 0

    def test_a_crash_between_publishing_and_noting_it_doubles_nothing(
        self, databases: Databases, tmp_path: Path
    ) -> None:
        host = Host(tmp_path, databases, failpoints="relay.published=kill")
        with host:
            host.announce("survivor")
            assert host.process.wait(timeout=PATIENCE) == -signal.SIGKILL
            assert databases.effects("survivor") == ["survivor"]
            assert databases.pending() == [None]
            del host.environment["CONDUIT_FAILPOINTS"]
            host.start()
            becomes(databases.pending, [])
            assert databases.effects("survivor") == ["survivor"]

    def test_a_container_that_dies_ends_the_process(self, databases: Databases, tmp_path: Path) -> None:
        with Host(tmp_path, databases, GRANTS, "doomed") as host:
            assert host.process.wait(timeout=PATIENCE) == 1
            assert '"event": "container_died"' in host.log

    def test_refuses_to_start_on_a_schema_that_it_does_not_know(
        self, databases: Databases, postgres: PrivatePostgres, tmp_path: Path
    ) -> None:
        host = Host(tmp_path, databases, database_url=postgres.database_url("postgres"))
        host.launch()
        with pytest.raises(AssertionError, match=r"The database of .* is at nothing, this code needs 0001"):
            assert host.process.wait(timeout=20) == 0, host.log


class TestSupervising:
    """The parent that `conduit up` is."""

    PARENT = "import chassis.supervisor as s; exit(s.supervise('tests.chassis.hosted', ['grants'], {}, 12))"

    @pytest.fixture
    def parent(self, databases: Databases, tmp_path: Path) -> Iterator[Host]:
        with Host(tmp_path, databases) as host:
            host.stop()
            host.launch("-c", self.PARENT)
            self.await_ready(host, 2)
            yield host

    def await_ready(self, host: Host, times: int) -> None:
        eventually(
            lambda: host.log.count("ready\n") == times,
            within=PATIENCE,
            otherwise=f"it did not start: {host.log}",
        )

    def child(self, host: Host) -> int:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(host.process.pid)], capture_output=True, text=True, check=True
        )
        return int(found.stdout)

    def test_a_killed_child_comes_back_and_ctrl_c_ends_both(self, parent: Host) -> None:
        first = self.child(parent)
        os.kill(first, signal.SIGKILL)
        self.await_ready(parent, 3)
        second = self.child(parent)
        assert second != first
        assert parent.stop(signal.SIGINT) == 0
        assert not alive(second)

    def test_the_child_goes_when_its_parent_was_killed(self, parent: Host) -> None:
        child = self.child(parent)
        parent.kill()
        eventually(lambda: not alive(child), within=PATIENCE, otherwise="the child lives on")
        assert '"event": "stopping"' in parent.log

    def test_one_that_fails_once_it_serves_comes_back_however_fast_it_failed(
        self, databases: Databases, tmp_path: Path
    ) -> None:
        host = Host(tmp_path, databases)
        doomed = self.PARENT.replace("['grants']", "['grants', 'doomed']")
        host.launch("-c", doomed)
        try:
            self.await_ready(host, 2)
            assert '"event": "container_died"' in host.log
        finally:
            host.stop()

    def test_one_that_never_serves_is_not_tried_again_however_long_that_took(self, tmp_path: Path) -> None:
        (tmp_path / "slow.py").write_text(
            "import time\ntime.sleep(0.6)\nprint('tried', flush=True)\nexit(3)\n"
        )
        code = "import chassis.supervisor as s; s._SHORT = 0.1; exit(s.supervise('slow', [], {}, 1))"
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (3, "tried\n")

    def test_a_child_that_cannot_start_is_not_tried_again(self) -> None:
        ended = subprocess.run(
            [
                sys.executable,
                "-c",
                "from chassis.supervisor import supervise; exit(supervise('no_such', [], {}, 1))",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr.count("No module named no_such")) == (1, 1)


BRIDGE = """
import chassis.loop as loop
import asyncio, json, sys
said = []

async def slow(word):
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        said.append(word + " ended")

def attempt(function):
    try:
        return function()
    except BaseException as error:
        return type(error).__name__

async def cancelled():
    task = asyncio.create_task(loop.green(loop.wait, slow("green")))
    await asyncio.sleep(0.1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        said.append("cancelled")

async def refuse():
    raise LookupError("Jane Doe")

async def later():
    return await loop.green(lambda: loop.wait(asyncio.sleep(0.01, "there and back")))

said.append(attempt(lambda: loop.wait(slow("late"), 0.1)))
loop.wait(cancelled())
said.append(attempt(lambda: loop.wait(refuse())))
said.append(loop.wait(later()))
loop.spawn(lambda: loop.wait(refuse()))
loop.sleep(0.1)
print(json.dumps(said))
loop.end()
"""


def test_the_bridge_cancels_what_nobody_waits_for_any_longer() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BRIDGE],
        env={**os.environ, "EVENTLET_HUB": "asyncio"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (
        '["late ended", "TimeoutError", "green ended", "cancelled", "LookupError", "there and back"]'
        in ran.stdout
    )
    assert "Jane Doe" not in ran.stdout + ran.stderr


def test_the_loop_refuses_a_process_that_was_started_without_its_hub() -> None:
    variables = {name: value for name, value in os.environ.items() if name != "EVENTLET_HUB"}
    ran = subprocess.run(
        [sys.executable, "-c", "import chassis.loop"],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Services need EVENTLET_HUB=asyncio" in ran.stderr
