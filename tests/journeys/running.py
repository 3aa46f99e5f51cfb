"""Conduit as a person starts it: the command in a process of its own, in a home folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from chassis.testing import free_port
from tests.access import cookies

ROOT = Path(__file__).parent.parent.parent


def conduit(
    *arguments: str, home: Path, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, with what somebody types while it asks."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=ROOT,
        env=_environment(home, variables),
        capture_output=True,
        input=typed,
        text=True,
        timeout=90,
        check=False,
    )


def last_line_as_json(text: str) -> Any:
    return json.loads(text.strip().splitlines()[-1])


def _environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONDUIT_")}
    return {**inherited, "CONDUIT_HOME": str(home), **variables}


#: A suite that is killed takes what it has started with it: SIGTERM when the thread that started this ends.
_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")


class Running:
    """``conduit up`` with the given arguments, until the block ends.

    Its stderr goes to a file in its home folder, so that a test can read what was logged.
    """

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        self.home = home
        self.port, self.metrics_port = free_port(), free_port()
        self.log = home.parent / f"{home.name}-{self.port}.log"
        self._arguments = arguments
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def cookies(self) -> dict[str, str]:
        """Of a browser that is signed in as somebody who may do whatever anybody may."""
        return cookies(self.home / "keys")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        ports = ["--port", str(self.port), "--metrics-port", str(self.metrics_port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_WITH_PARENT, sys.executable, "-m", "services", "up", *ports, *self._arguments],
                cwd=ROOT,
                env=_environment(self.home, self._variables),
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self, within: float = 45) -> None:
        """Until it answers that it is ready; fails with the log when it ends instead."""
        deadline = time.monotonic() + within
        while not self._ready():
            code = self._process.poll() if self._process is not None else None
            assert code is None, f"conduit up ended with {code}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"not ready within {within} s:\n{self.log.read_text()}"
            time.sleep(0.1)

    def _ready(self) -> bool:
        url = f"http://127.0.0.1:{self.metrics_port}/health/ready"
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def wait_for_words(self, words: str, within: float = 60) -> None:
        """Until the log says these words."""
        deadline = time.monotonic() + within
        while words not in self.log.read_text():
            if time.monotonic() > deadline:
                raise AssertionError(f"did not say “{words}” within {within} s:\n{self.log.read_text()}")
            time.sleep(0.1)

    def link(self, role: str) -> str:
        """The link that was printed for the example's person of this role; it works once."""
        found = re.search(rf"^ *{re.escape(role)}: .*(http://\S+)$", self.log.read_text(), re.MULTILINE)
        assert found, self.log.read_text()
        return found.group(1)

    def stop(self, number: int = signal.SIGINT, within: float = 45) -> int:
        """Send a signal and wait for the end. The exit code."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop within {within} s:\n{self.log.read_text()}") from None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGTERM)
