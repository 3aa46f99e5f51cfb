"""Processes that host the small services of ``hosted.py``, on databases and a broker of the tests' own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx
import pytest

from chassis.clock import real_now
from chassis.config import SUPERVISOR
from chassis.declare import declare
from chassis.keys import create_keys
from chassis.migrations import migrate
from chassis.testing import (
    LOOPBACK,
    PrivatePostgres,
    PrivateRabbitMQ,
    TestServerError,
    eventually,
    free_port,
    memory_folder,
)
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from tests.conftest import administer, clone

ROOT = Path(__file__).parents[2]
HOSTED = (GRANTS, NOTIFICATIONS)

#: The longest wait for anything, in seconds: whoever is busy with something else takes long.
PATIENCE = 30.0

_numbers = count(1)


class Databases:
    """A database for each hosted service."""

    def __init__(self, server: PrivatePostgres, name: str) -> None:
        #: With ``{service}`` in it. By host name, because that needs a look-up in a patched process.
        self.url = (
            server.database_url(f"{name}_NAME").replace("NAME", "{service}").replace(LOOPBACK, "localhost")
        )

        #: Those that the first process came with; any other would be refused.
        self.keys: Path | None = None

    def fetch(self, service: str, statement: str, *values: object) -> list[Any]:
        """The first column of what a service's database answers."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url.replace("{service}", service))
            try:
                return [row[0] for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def effects(self, like: str = "%") -> list[str]:
        """The subjects that were noted, in order."""
        return self.fetch(
            NOTIFICATIONS, "SELECT subject FROM effects WHERE subject LIKE $1 ORDER BY id", like
        )

    def pending(self, service: str = GRANTS) -> list[str | None]:
        """The last failure of each event that is not published yet."""
        return self.fetch(service, "SELECT last_failure FROM outbox WHERE published_at IS NULL ORDER BY id")

    def heard_at(self, service: str = NOTIFICATIONS) -> list[datetime]:
        """When the newest sign of life of partners was sent, if a service has heard one."""
        return self.fetch(service, "SELECT sent_at FROM signs_of_life WHERE service = $1", PARTNERS)

    def listening_since(self, service: str) -> list[datetime]:
        """When a service began to listen, if it ever did."""
        return self.fetch(service, "SELECT sent_at FROM signs_of_life WHERE service = $1", service)

    def parked(self) -> list[str]:
        """Why the parked messages are parked."""
        return self.fetch(NOTIFICATIONS, "SELECT reason FROM parked ORDER BY parked_at, id")

    def clear(self) -> None:
        """Forget what earlier tests left."""
        for service in HOSTED:
            self.fetch(service, "WITH gone AS (DELETE FROM parked) DELETE FROM outbox")
            self.fetch(service, "WITH gone AS (DELETE FROM signs_of_life) DELETE FROM effects")


MakeDatabases = Callable[[], Databases]


#: Made once, because making one reads every certificate of the machine. Nothing is kept alive: hosts die.
_CLIENT = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))


class Host:
    """A process with hosted services in it. Leaving its block ends it, by force if need be."""

    def __init__(
        self,
        folder: Path,
        databases: Databases,
        *services: str,
        module: str = "tests.chassis.hosted",
        **settings: object,
    ) -> None:
        self.services = services or HOSTED
        self.module = module
        self.databases = databases
        self.port, self.metrics_port = free_port(), free_port()
        self.output = folder / f"host-{next(_numbers)}.log"
        databases.keys = databases.keys or folder / "keys"
        create_keys(databases.keys, SERVICES)
        values = {
            "home": folder,
            "keys": databases.keys,
            "house_file": ROOT / "examples" / "house.toml",
            "database_url": databases.url,
            "port": self.port,
            "metrics_port": self.metrics_port,
            "retry_first": 0.05,
            "poll": 0.2,
            "heartbeat": 2,
            "confirm_timeout": 1,
            "close_timeout": 1,
            "acquire_timeout": 2,
            "database_timeout": 2,
            **settings,
        }
        self.environment = {f"CONDUIT_{name.upper()}": str(value) for name, value in values.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """Everything that the process has written, on either stream."""
        return self.output.read_text(errors="replace")

    def launch(self, *command: str, pipe: int | None = None) -> None:
        """Start, without waiting until it is ready."""
        supervised = {} if pipe is None else {SUPERVISOR: str(pipe)}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *(command or ("-m", self.module, *self.services))],
                env={**os.environ, **self.environment, **supervised, "EVENTLET_HUB": "asyncio"},
                cwd=ROOT,
                stdout=output,
                stderr=output,
                pass_fds=[] if pipe is None else [pipe],
            )

    def start(self) -> None:
        before = self.log.count("ready\n") if self.output.exists() else 0
        self.launch()
        eventually(
            lambda: self.process.poll() is not None or self.log.count("ready\n") > before,
            within=PATIENCE,
            otherwise="it is not ready",
        )
        assert self.process.poll() is None, self.log

    def stop(self, number: int = signal.SIGTERM, within: float = PATIENCE) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=within)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def announce(self, *subjects: str, service: str = GRANTS) -> list[str]:
        """Have a service announce a fact about each subject; the events' ids."""
        answer = _CLIENT.post(f"{self.url(service)}/announce", json=subjects)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def url(self, service: str = GRANTS) -> str:
        return f"http://{LOOPBACK}:{self.port}/{service}"

    def metric(self, line: str) -> float:
        """The value of a metric, by its name and labels as they are printed."""
        text = _CLIENT.get(f"http://{LOOPBACK}:{self.metrics_port}/metrics").text
        return next(float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def becomes(look: Callable[[], object], expected: object, within: float = PATIENCE) -> None:
    """Wait until a look at the outside world shows what is expected."""
    with suppress(TestServerError):
        eventually(lambda: look() == expected, within=within, otherwise="it does not")
    assert look() == expected


def heard(databases: Databases, *subjects: str) -> None:
    """Wait until each of these had its effect, once."""
    becomes(lambda: sorted(s for s in databases.effects() if s in subjects), sorted(subjects))


def begun(databases: Databases, *services: str) -> None:
    """Wait until a service is in the middle of a handler, or a page of a query, that is slow."""
    slow = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND ("
        "state = 'idle in transaction' AND query LIKE 'INSERT INTO effects%$1%'"
        " OR state = 'active' AND query LIKE 'SELECT pg_sleep($1%'))"
    )
    for service in services or (NOTIFICATIONS,):
        becomes(lambda service=service: databases.fetch(service, slow), [True])  # type: ignore[misc]


def lives(databases: Databases, service: str) -> None:
    """Wait until a service has heard a sign of life of partners that was sent after this was called."""
    before = real_now()
    becomes(lambda: [moment > before for moment in databases.heard_at(service)], [True])


def signs_are_no_events(databases: Databases) -> None:
    """They pass every table of messages by."""
    for service in SERVICES:
        for table in ("outbox", "inbox", "parked"):
            assert databases.fetch(service, f"SELECT count(*) FROM {table}") == [0], (service, table)


@pytest.fixture(scope="session")
def hosted_template(postgres: PrivatePostgres) -> str:
    """The name of a database with the tables of ``hosted.py``."""
    asyncio.run(administer(postgres, "CREATE DATABASE template_hosted"))
    migrate(postgres.database_url("template_hosted"), ROOT / "tests" / "chassis" / "migrations")
    return "template_hosted"


@pytest.fixture(scope="session")
def make_databases(postgres: PrivatePostgres, hosted_template: str) -> MakeDatabases:
    """Makes databases for hosts, which outlive each of them."""

    def make() -> Databases:
        name = f"hosted_{next(_numbers)}"
        asyncio.run(clone(postgres, {f"{name}_{service}": hosted_template for service in SERVICES}))
        return Databases(postgres, name)

    return make


@pytest.fixture
def databases(make_databases: MakeDatabases) -> Databases:
    """Databases of one test."""
    return make_databases()


@pytest.fixture(scope="session")
def broker() -> Iterator[PrivateRabbitMQ]:
    """A RabbitMQ node with the whole topology declared."""
    with PrivateRabbitMQ(memory_folder()) as node:
        declare(node.url)
        yield node
