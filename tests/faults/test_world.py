"""The suite itself: what it started goes with it, also when it is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.embedded import EmbeddedPostgres, alive
from tests.faults.world import eventually
from tests.journeys.running import ROOT

_SUITE = """
import os, pathlib, time
from tests.journeys.running import Running

def test_that_goes_on():
    home = pathlib.Path(os.environ["HOME_OF_SUITE"])
    running = Running(home, CONDUIT_HOUSE_FILE="examples/house.toml")
    running.start()
    running.wait_until_ready()
    draft = home.parent / "draft"
    draft.write_text(str(running.pid))
    draft.rename(home.parent / "started")
    time.sleep(600)
"""


@pytest.mark.parametrize("processes", [0, 2], ids=["in one process", "in several"])
def test_a_suite_that_is_killed_leaves_nothing_running(tmp_path: Path, processes: int) -> None:
    home, file, started = tmp_path / "home", tmp_path / "test_suite.py", tmp_path / "started"
    file.write_text(_SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-p", "no:pytest_nameko", "-p", "no:cacheprovider", "--numprocesses", str(processes)]
    suite = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(file)],
        cwd=ROOT,
        env={**os.environ, "HOME_OF_SUITE": str(home)},
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(started.exists, lambda: "the suite starts nothing")
        command, server = int(started.read_text()), EmbeddedPostgres(home).pid
        assert server is not None
    finally:
        suite.kill()
        suite.wait()
    eventually(lambda: not alive(command), lambda: "the command goes on")
    eventually(lambda: not alive(server), lambda: "PostgreSQL goes on")
