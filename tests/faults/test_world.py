"""The suite itself: what it started goes with it, also when it is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chassis.embedded import EmbeddedPostgres, alive
from tests.faults.world import eventually
from tests.journeys.running import ROOT

_SUITE = """
import os, pathlib, time
from tests.conftest import folder_of_its_own
from tests.journeys.running import Running

def test_that_goes_on():
    started = pathlib.Path(os.environ["STARTED"])
    house = {"CONDUIT_HOUSE_FILE": "examples/house.toml"}
    with folder_of_its_own() as folder, Running(folder / "home", **house) as running:
        running.wait_until_ready()
        draft = started.with_suffix(".draft")
        draft.write_text(f"{running.pid} {folder}")
        draft.rename(started)
        time.sleep(600)
"""


@pytest.mark.parametrize("processes", [0, 2], ids=["in one process", "in several"])
def test_a_suite_that_is_killed_leaves_nothing(tmp_path: Path, processes: int) -> None:
    file, started = tmp_path / "test_suite.py", tmp_path / "started"
    file.write_text(_SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-p", "no:pytest_nameko", "-p", "no:cacheprovider", "--numprocesses", str(processes)]
    suite = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(file)],
        cwd=ROOT,
        env={**os.environ, "STARTED": str(started)},
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(started.exists, lambda: "the suite starts nothing")
        command, _, place = started.read_text().partition(" ")
        folder = Path(place)
        server = EmbeddedPostgres(folder / "home").pid
        assert server is not None
    finally:
        suite.kill()
        suite.wait()
    eventually(lambda: not alive(int(command)), lambda: "the command goes on")
    eventually(lambda: not alive(server), lambda: "PostgreSQL goes on")
    eventually(lambda: not folder.exists(), lambda: f"{folder} is left")
    time.sleep(1)  # on its way out somebody might make it once more
    assert not folder.exists()
