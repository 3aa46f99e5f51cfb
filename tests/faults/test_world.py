"""The suite itself: what it started goes with it, also when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from chassis.embedded import EmbeddedPostgres, alive
from tests.faults.world import eventually
from tests.journeys.running import ROOT

_SUITE = """
import pathlib, sys, time
from tests.journeys.running import Running
running = Running(pathlib.Path(sys.argv[1]), CONDUIT_HOUSE_FILE="examples/house.toml")
running.start()
running.wait_until_ready()
print(running.pid, flush=True)
time.sleep(600)
"""


def test_a_suite_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    suite = subprocess.Popen(
        [sys.executable, "-c", _SUITE, str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert suite.stdout is not None
    with suite, suite.stdout:
        started, server = int(suite.stdout.readline()), EmbeddedPostgres(home).pid
        assert server is not None
        os.kill(suite.pid, signal.SIGKILL)
    eventually(lambda: not alive(started), lambda: "the command goes on")
    eventually(lambda: not alive(server), lambda: "PostgreSQL goes on")
