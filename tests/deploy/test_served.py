"""The services as containers run them: each with its own weak users, its own keys and nothing else.

No engine: the same commands, with the same secrets, on a PostgreSQL and a RabbitMQ of the test's own.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from chassis.config import Settings
from chassis.definitions import VIRTUAL_HOST
from chassis.migrations import drop_databases
from chassis.testing import PrivatePostgres, PrivateRabbitMQ, free_port
from contracts.topology import GRANTS, PARTNERS, SERVICES
from services.deploying import make_secrets
from services.installation import Installation
from tests.access import cookies
from tests.conftest import EXAMPLES
from tests.journeys.running import ROOT

pytestmark = pytest.mark.timeout(240)

PREFIX = "served"


class Deployed:
    """What ``docker-compose.yml`` does, step by step."""

    def __init__(self, home: Path, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ) -> None:
        self.home = home
        settings = Settings(home=home, database_prefix=PREFIX)
        shutil.copyfile(EXAMPLES / "house.toml", home / "house.toml")
        self.secrets = make_secrets(Installation(settings))
        self.ports = {service: (free_port(), free_port()) for service in SERVICES}
        self._move(postgres, rabbitmq)

    def _move(self, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ) -> None:
        """Where the map says ``postgres`` and ``rabbitmq``, say where these are. Nothing else changes."""
        for path in self.secrets.glob("*-url"):
            text = path.read_text()
            if path.name == "postgres-url":
                path.write_text(postgres.url)
            elif text.startswith("postgresql:"):
                # By parts: a password is made of anything, also of what looks like a name.
                here, said = urlsplit(postgres.url), urlsplit(text)
                account, server = said.netloc.rpartition("@")[0], here.netloc.rpartition("@")[2]
                path.write_text(here._replace(netloc=f"{account}@{server}", path=said.path).geturl())
            else:
                path.write_text(text.replace("rabbitmq:5672", f"127.0.0.1:{rabbitmq.port}"))

    def run(self, *arguments: str, **variables: str) -> None:
        """A one-shot step; it ends well."""
        done = subprocess.run(
            [sys.executable, "-m", "services", *arguments],
            env=self._environment(variables),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def serve(self, service: str) -> "subprocess.Popen[bytes]":
        port, metrics_port = self.ports[service]
        variables = {
            "CONDUIT_HOUSE_FILE": str(self.home / "house.toml"),
            "CONDUIT_KEYS": str(self.secrets / f"keys-{service}"),
            "CONDUIT_DATABASE_URL_FILE": str(self.secrets / f"{service}-database-url"),
            "CONDUIT_AMQP_URL_FILE": str(self.secrets / f"{service}-broker-url"),
            "CONDUIT_PORT": str(port),
            "CONDUIT_METRICS_PORT": str(metrics_port),
            "CONDUIT_POLL": "0.2",
        }
        with (self.home / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "services", "serve", service],
                env=self._environment(variables),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONDUIT_")}
        # An empty home of its own, which is what a read-only container has.
        own = self.home / "empty"
        own.mkdir(exist_ok=True)
        return {**inherited, "CONDUIT_HOME": str(own), "CONDUIT_DATABASE_PREFIX": PREFIX, **variables}

    def get(self, service: str, path: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ports[service][0]}{path}"
        return httpx.get(url, cookies=cookies(self.home / "keys"), follow_redirects=True, timeout=20)

    def passwords(self) -> list[str]:
        files = [*self.secrets.glob("broker-password-*"), *self.secrets.glob("databases/*")]
        return [file.read_text() for file in files]

    async def copied(self) -> int:
        """How many organisations grants has heard of."""
        url = (self.secrets / f"{GRANTS}-database-url").read_text().replace("{service}", GRANTS)
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM organisations"))
        finally:
            await connection.close()

    def ready(self, service: str) -> bool:
        try:
            url = f"http://127.0.0.1:{self.ports[service][1]}/health/ready"
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def deployed(
    tmp_path: Path, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ
) -> Iterator[tuple[Deployed, dict[str, "subprocess.Popen[bytes]"]]]:
    here = Deployed(tmp_path, postgres, rabbitmq)
    rabbitmq.control("import_definitions", str(here.secrets / "rabbitmq-definitions.json"))
    with ExitStack() as after:
        after.callback(rabbitmq.control, "delete_vhost", VIRTUAL_HOST)
        after.callback(drop_databases, postgres.url, PREFIX, SERVICES)
        here.run(
            "prepare",
            CONDUIT_KEYS=str(here.secrets / "databases"),
            CONDUIT_DATABASE_URL_FILE=str(here.secrets / "postgres-url"),
        )
        for service in SERVICES:
            owner = str(here.secrets / f"{service}-owner-url")
            here.run("migrate", "--only", service, CONDUIT_DATABASE_URL_FILE=owner)
        running = {service: here.serve(service) for service in SERVICES}
        for process in running.values():
            after.callback(process.wait, timeout=30)
            after.callback(process.terminate)
        yield here, running


def becomes(look: Callable[[], bool], what: str, within: float = 90) -> None:
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def test_what_partners_says_reaches_the_others_and_each_stops_in_good_order(
    deployed: tuple[Deployed, dict[str, "subprocess.Popen[bytes]"]],
) -> None:
    here, running = deployed
    for service in SERVICES:
        becomes(partial(here.ready, service), f"{service} is not ready")
    here.run(
        "import",
        "partners",
        str(EXAMPLES / "partners.csv"),
        CONDUIT_HOUSE_FILE=str(here.home / "house.toml"),
        CONDUIT_KEYS=str(here.secrets / f"keys-{PARTNERS}"),
        CONDUIT_DATABASE_URL_FILE=str(here.secrets / f"{PARTNERS}-database-url"),
    )
    page = here.get(PARTNERS, "/partners/organisations?q=Westminster")
    assert page.status_code == 200
    assert "Westminster" in page.text
    becomes(lambda: asyncio.run(here.copied()) > 10, "grants hears nothing")
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=40) for process in running.values()] == [0, 0, 0]
    for service in SERVICES:
        log = (here.home / f"{service}.log").read_text()
        assert "Traceback" not in log
        assert not any(password in log for password in here.passwords())
