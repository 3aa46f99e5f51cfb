"""``conduit check`` on keys and passwords, auditors, who is heard, and databases that are behind."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from chassis.config import Settings
from chassis.testing import PrivatePostgres, RecordingMailServer, free_port
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services import admission
from services.checks import Finding, run_checks
from services.installation import Installation
from tests.conftest import EXAMPLES, clone, drop


def finding(settings: Settings, what: str) -> Finding:
    (found,) = [each for each in run_checks(Installation(settings)) if each.what == what]
    return found


@pytest.fixture
def begun(tmp_path: Path) -> Settings:
    """An installation with its keys, whose database does not run."""
    settings = Settings(home=tmp_path)
    Installation(settings).make_keys()
    return settings


def test_keys_that_were_just_made_are_good(begun: Settings) -> None:
    for what in ("keys", "keys of sessions", "keys of partners", "passwords"):
        assert finding(begun, what).good, what


def test_a_key_that_others_can_read_is_said(begun: Settings) -> None:
    (begun.keys_folder / "grants.public").chmod(0o644)
    assert finding(begun, "keys").good
    (begun.keys_folder / "grants.secret").chmod(0o640)
    said = finding(begun, "keys")
    assert not said.good
    assert "grants.secret" in said.says
    assert "chmod 600" in said.says


def test_a_missing_session_key_is_said(begun: Settings) -> None:
    for path in begun.keys_folder.glob("session-*"):
        path.unlink()
    said = finding(begun, "keys of sessions")
    assert (said.good, "conduit keys rotate" in said.says) == (False, True)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("amqp://guest:guest@127.0.0.1:1/", True),
        ("amqp://guest:guest@broker.example:1/", False),
        ("amqp://conduit:conduit@broker.example:1/", False),
        ("amqp://conduit@broker.example:1/", False),
        ("amqp://conduit:Ohkai7ae@broker.example:1/", True),
    ],
)
def test_a_password_that_everybody_knows_is_said_where_others_can_use_it(
    begun: Settings, address: str, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.checks._broker", lambda settings: ())
    settings = Settings(home=begun.home, amqp_url=address)
    said = finding(settings, "passwords")
    assert said.good is good
    assert "Ohkai7ae" not in said.says


def test_that_nobody_is_mailed_the_heads_is_no_fault_and_says_what_to_do(installation: Installation) -> None:
    def said() -> Finding:
        return finding(installation.settings, "audit")

    for role in ("ops", "auditor"):
        assert said().good
        assert said().says.startswith("nobody is mailed")
        assert "conduit person invite them@body.example --name 'Their Name' --role auditor" in said().says
        email = f"{role}@forum.example"
        admission.invite(installation, email=email, name=role, roles=[role], organisation="")
    assert (said().good, said().says) == (
        True,
        "auditors who are mailed each week how far the records go: 1",
    )
    admission.bar(installation, "auditor@forum.example")
    assert said().says.startswith("nobody is mailed")


def test_where_the_people_cannot_be_read_nothing_is_said_of_auditors(begun: Settings) -> None:
    assert "audit" not in {each.what for each in run_checks(Installation(begun))}


@pytest.fixture
def migrated(begun: Settings, postgres: PrivatePostgres, templates: dict[str, str]) -> Iterator[Settings]:
    """The same with databases that are at the newest version, and nobody at work."""
    url = postgres.database_url("checked_SERVICE").replace("SERVICE", "{service}")
    databases = {f"checked_{service}": templates[service] for service in SERVICES}
    asyncio.run(clone(postgres, databases))
    yield replace(begun, database_url=url, house_file=EXAMPLES / "house.toml")
    asyncio.run(drop(postgres, databases))


def tell(settings: Settings, service: str, statement: str) -> None:
    """Change something in the database of a service."""

    async def run() -> None:
        connection = await asyncpg.connect(settings.database_url.replace("{service}", service))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_it_is_said_when_whoever_signs_sessions_was_heard_last(migrated: Settings) -> None:
    heard = "INSERT INTO signs_of_life VALUES ('partners', now() - interval '{}')"
    tell(migrated, GRANTS, heard.format("5 seconds"))
    tell(migrated, NOTIFICATIONS, heard.format("90 minutes"))
    good = finding(migrated, "partners heard by grants")
    assert (good.good, good.says in {f"{seconds} s ago" for seconds in range(5, 15)}) == (True, True)
    silent = finding(migrated, "partners heard by notifications")
    assert not silent.good
    assert silent.says.startswith("5,40")
    assert "nobody acts on money or decisions" in silent.says
    assert "conduit declare" in silent.says
    tell(migrated, NOTIFICATIONS, "DELETE FROM signs_of_life")
    never = finding(migrated, "partners heard by notifications")
    assert (never.good, never.says.partition(":")[0]) == (False, "never")
    patient = finding(replace(migrated, silence=3), "partners heard by grants")
    assert not patient.good
    said = {each.what for each in run_checks(Installation(migrated))}
    assert "partners heard by partners" not in said


def test_a_database_that_is_behind_is_said_whatever_it_lacks(migrated: Settings) -> None:
    tell(migrated, PARTNERS, "DROP TABLE signs_of_life; UPDATE alembic_version SET version_num = '0001'")
    behind = finding(migrated, "database of partners")
    assert (behind.good, "Run: conduit migrate" in behind.says) == (False, True)
    assert finding(migrated, "database of grants").good


def test_the_mail_server_is_greeted_and_not_only_named(migrated: Settings) -> None:
    with RecordingMailServer() as mail:
        _greeted(migrated, f"{mail.host}:{mail.port}")


def _greeted(migrated: Settings, where: str) -> None:
    reached = finding(replace(migrated, smtp_url=f"smtp://{where}"), "mail")
    assert (reached.good, reached.says) == (True, f"the mail server at {where} answers, without TLS")
    assert finding(migrated, "mail").says == "letters go to the built-in mail box"
    port = free_port()
    for url, words in (
        (f"smtp://127.0.0.1:{port}", f"127.0.0.1:{port} takes no connections: is it running"),
        (f"smtp://user:Ohkai7ae@{where}", "takes no password"),
        (f"smtps://{where}", "does not speak TLS there"),
        ("smtp://nobody.invalid:25", "nobody.invalid:25 has a name that nobody knows"),
    ):
        away = finding(replace(migrated, smtp_url=url, mail_timeout=5), "mail")
        assert not away.good, url
        assert words in away.says
        assert "Ohkai7ae" not in away.says


def test_it_is_said_how_long_mail_has_been_waiting(migrated: Settings) -> None:
    assert finding(migrated, "waiting mail").says == "none"
    tell(
        migrated,
        NOTIFICATIONS,
        "INSERT INTO notices (id, kind, state, email, subject, body, not_after, next_try, made_at) VALUES ("
        "gen_random_uuid(), 'invitation', 'ready', 'a@b.example', 's', 'b', now() + interval '1 day', now(),"
        " now() - interval '2 hours')",
    )
    said = finding(migrated, "waiting mail")
    assert not said.good
    assert said.says.startswith("1, the oldest for 7,2")


def test_it_is_said_how_many_get_nothing_of_what_is_sent_to_them(installation: Installation) -> None:
    assert finding(installation.settings, "messages to people").good
    admission.invite(installation, email="a@b.example", name="A", roles=["ops"], organisation="")
    unreached = "INSERT INTO people_unreached SELECT id, 'invitation', now() FROM people"
    tell(installation.settings, PARTNERS, unreached)
    said = finding(installation.settings, "messages to people")
    assert not said.good
    assert said.says.startswith("did not arrive at 1. Put their addresses right")


def test_a_ledger_that_does_not_come_to_its_balance_is_said(migrated: Settings) -> None:
    assert finding(migrated, "ledger").good
    fund = "INSERT INTO funds VALUES ('{}', 'n', 'p', 'r', '{{}}', '{{}}', '2012-01-01', NULL, 1, now())"
    tell(migrated, GRANTS, fund.format(UUID(int=1)))
    tell(migrated, GRANTS, f"INSERT INTO fund_balances VALUES ('{UUID(int=1)}', 0, 1)")
    differs = finding(migrated, "ledger")
    assert (differs.good, str(UUID(int=1)) in differs.says) == (False, True)
