"""Settings that cannot work end with one sentence and no circle; wrong passwords are nowhere to be read."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from chassis.config import Settings
from chassis.supervisor import GIVE_UP
from chassis.testing import (
    LOOPBACK,
    PrivateDovecot,
    PrivatePostgres,
    PrivateRabbitMQ,
    RecordingMailServer,
    free_port,
)
from contracts.topology import NOTIFICATIONS, SERVICES
from services.installation import Installation
from services.messages import accept_keys
from tests.conftest import EXAMPLES, clone, drop, virtual_host
from tests.journeys.running import ROOT, Running, conduit

#: Something to be mailed, so that the mail server is asked for.
_TO_MAIL = """
INSERT INTO notices (id, kind, state, email, subject, body, not_after, next_try, made_at)
SELECT gen_random_uuid(), 'invitation', 'ready', 'a@b.example', 's', 'b', now() + interval '1 day',
       now(), now()
"""

#: Halves of keys that anybody may see.
_PUBLIC = {".public", ".verifying"}

#: In every address of a server, and known to none of them.
WRONG = "Ohkai7ae"


@pytest.fixture
def home(tmp_path: Path, postgres: PrivatePostgres, templates: dict[str, str]) -> Iterator[Path]:
    """An installation with keys, a house file and migrated databases, of which nothing runs."""
    home = tmp_path / "home"
    home.mkdir()
    Installation(Settings(home=home)).make_keys()
    (home / "house.toml").write_bytes((EXAMPLES / "house.toml").read_bytes())
    databases = {f"misconfigured_{service}": templates[service] for service in SERVICES}
    asyncio.run(clone(postgres, databases))
    yield home
    asyncio.run(drop(postgres, databases))


@pytest.fixture
def variables(postgres: PrivatePostgres) -> dict[str, str]:
    url = postgres.database_url("misconfigured_NAME").replace("NAME", "{service}")
    return {
        "CONDUIT_DATABASE_URL": url,
        "CONDUIT_PORT": str(free_port()),
        "CONDUIT_METRICS_PORT": str(free_port()),
    }


def served(home: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """The services' own process, as its supervisor starts it, to its end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONDUIT_")}
    return subprocess.run(
        [sys.executable, "-m", "services.serve"],
        cwd=ROOT,
        env={**inherited, "EVENTLET_HUB": "asyncio", "CONDUIT_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def port_taken(home: Path, variables: dict[str, str]) -> None:
    """The test listens there until its end."""
    _LISTENING.append(socket.create_server((LOOPBACK, int(variables["CONDUIT_PORT"]))))


def lmtp_taken(home: Path, variables: dict[str, str]) -> None:
    taken = socket.create_server((LOOPBACK, 0))
    _LISTENING.append(taken)
    variables["CONDUIT_LMTP"] = f"{LOOPBACK}:{taken.getsockname()[1]}"


_LISTENING: list[socket.socket] = []


def spoilt_keys(home: Path, variables: dict[str, str]) -> None:
    (home / "keys" / "grants.secret").write_text("none")


def broken_house(home: Path, variables: dict[str, str]) -> None:
    (home / "house.toml").write_text('name = "Forum')


def schema_behind(home: Path, variables: dict[str, str]) -> None:
    url = variables["CONDUIT_DATABASE_URL"].replace("{service}", "grants")
    asyncio.run(_tell(url, "UPDATE alembic_version SET version_num = '0001'"))


def wrong_password(home: Path, variables: dict[str, str]) -> None:
    url = variables["CONDUIT_DATABASE_URL"]
    variables["CONDUIT_DATABASE_URL"] = re.sub(r":[^:@/]+@", f":{WRONG}@", url)


async def _tell(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (port_taken, "is taken. Choose another one: CONDUIT_PORT="),
        (lmtp_taken, "(Address already in use). Free it, or correct CONDUIT_LMTP."),
        (spoilt_keys, "The keys of grants in"),
        (broken_house, "is not valid TOML"),
        (schema_behind, "The database of grants is at 0001"),
        (wrong_password, "does not let us in. Correct name and password in CONDUIT_DATABASE_URL"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_work_is_said_in_one_line_and_not_tried_again(
    home: Path, variables: dict[str, str], spoil: Callable[[Path, dict[str, str]], None], words: str
) -> None:
    spoil(home, variables)
    try:
        ended = served(home, variables)
        lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
        assert ended.returncode == GIVE_UP, ended.stderr
        assert len(lines) == 1, ended.stderr
        assert words in lines[0]
        if spoil is not schema_behind:  # which “up” mends by itself
            started = conduit("up", home=home, **variables)
            assert started.returncode == 1
            assert started.stderr.count(words) == 1, started.stderr
            assert "services_died" not in started.stderr
    finally:
        while _LISTENING:
            _LISTENING.pop().close()


def test_all_services_whose_keys_are_others_are_named_at_once(
    home: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    other = Settings(home=home, keys=tmp_path / "other", database_url=variables["CONDUIT_DATABASE_URL"])
    Installation(other).make_keys()
    accept_keys(Installation(other))
    started = conduit("up", home=home, **variables)
    assert started.returncode == 1
    assert started.stderr.count("The keys of ") == 1, started.stderr
    assert f"The keys of partners, grants and notifications in {home / 'keys'} are not" in started.stderr


def test_a_taken_port_is_said_before_any_server_is_waited_for(home: Path, variables: dict[str, str]) -> None:
    variables["CONDUIT_DATABASE_URL"] = f"postgresql://conduit@{LOOPBACK}:{free_port()}/conduit"
    port_taken(home, variables)
    try:
        started = conduit("up", home=home, **variables)
        assert (started.returncode, started.stdout) == (1, "")
        assert started.stderr.count(f"Port {variables['CONDUIT_PORT']} is taken") == 1, started.stderr
    finally:
        _LISTENING.pop().close()


@pytest.mark.timeout(400)
def test_no_password_is_to_be_read_wherever_one_looks(
    home: Path, variables: dict[str, str], rabbitmq: PrivateRabbitMQ, tmp_path: Path
) -> None:
    """Services run for a while on a broker, a mail server, a mailbox and a collector that refuse them."""
    with (
        RecordingMailServer(password="other") as mail,
        PrivateDovecot() as dovecot,
        virtual_host(rabbitmq) as amqp,
    ):
        variables |= {
            "CONDUIT_AMQP_ADMIN_URL": amqp,
            "CONDUIT_AMQP_URL": amqp.replace("guest:guest", f"guest:{WRONG}"),
            "CONDUIT_SMTP_URL": f"smtp://conduit:{WRONG}@{mail.host}:{mail.port}",
            "CONDUIT_IMAP_URL": f"imap://conduit:{WRONG}@{LOOPBACK}:{dovecot.port}/INBOX",
            "CONDUIT_OTLP_URL": f"http://conduit:{WRONG}@{LOOPBACK}:{free_port()}",
            "CONDUIT_LOG_LEVEL": "debug",
        }
        del variables["CONDUIT_PORT"], variables["CONDUIT_METRICS_PORT"]
        with Running(home, **variables) as running:
            running.wait_until_ready()
            asyncio.run(_tell(variables["CONDUIT_DATABASE_URL"].format(service=NOTIFICATIONS), _TO_MAIL))
            running.wait_for_words("mail_server_away")
            running.wait_for_words("mailbox_away")
            running.wait_for_words("publishing_failed")
            running.wait_for_words("consuming_failed")
            metrics = httpx.get(f"http://127.0.0.1:{running.metrics_port}/metrics", timeout=20).text
            check = conduit("check", home=home, **variables)
            bundle = tmp_path / "bundle.zip"
            told = ("doctor", "--to", str(bundle), "--log", str(running.log))
            doctor = conduit(*told, home=home, **variables)
            assert doctor.returncode == 0, doctor.stderr
            refused = conduit("up", home=home, **variables | {"CONDUIT_AMQP_ADMIN_URL": ""})
            assert (refused.returncode, "does not let us in" in refused.stderr) == (1, True), refused.stderr
        said = {
            "log": running.log.read_text(),
            "metrics": metrics,
            "check": check.stdout + check.stderr,
            "up": refused.stdout + refused.stderr,
        }
    with zipfile.ZipFile(bundle) as opened:
        said |= {name: opened.read(name).decode() for name in opened.namelist()}
    assert said["check"].count("does not let us in") == 3
    assert check.stderr == "", "a line of the log stands among the sentences"
    keys = [path.read_text().strip() for path in (home / "keys").iterdir() if path.suffix not in _PUBLIC]
    database = re.findall(r":([^:@/]+)@", variables["CONDUIT_DATABASE_URL"])
    secrets = {WRONG, *keys, *database}
    assert len(secrets) > 10
    assert [(where, secret) for where, text in said.items() for secret in secrets if secret in text] == []
    assert "Traceback" not in said["log"]
