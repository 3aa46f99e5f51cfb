"""``conduit check`` on keys and passwords, auditors, who is heard, and databases that are behind."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from shutil import disk_usage
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import embedded
from chassis.belonging import refuse_other_keys
from chassis.config import Settings
from chassis.database import Transaction
from chassis.keys import KeysError
from chassis.testing import (
    LOOPBACK,
    PrivateDovecot,
    PrivatePostgres,
    PrivateRabbitMQ,
    RecordingMailServer,
    free_port,
)
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services import admission
from services.checks import Finding, run_checks
from services.installation import Installation
from services.messages import accept_keys, opened
from services.notifications.ledger import Attempt, Ledger
from services.notifications.notices.courier import waiting_mail
from services.start import _refuse_other_keys
from tests.certificates import Certificate, in_front_of
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
        assert str(said()).startswith("note audit: nobody is mailed")
        assert said().good, "it is no fault"
        assert "conduit person invite them@body.example --name 'Their Name' --role auditor" in said().says
        email = f"{role}@forum.example"
        admission.invite(installation, email=email, name=role, roles=[role], organisation="")
    assert str(said()) == "ok   audit: auditors who are mailed each week how far the records go: 1"
    admission.bar(installation, "auditor@forum.example")
    assert said().says.startswith("nobody is mailed")


def test_it_is_said_where_the_database_stands_and_what_was_left_behind(
    begun: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root PostgreSQL runs as another user, which may not reach the home folder."""
    shared = tmp_path_factory.mktemp("shared")
    monkeypatch.setattr(embedded, "SHARED_DIRECTORY", shared)
    for name, home in (("ours", begun.home), ("theirs", shared / "deleted")):
        (shared / name).mkdir()
        (shared / name / "home").write_text(f"{home}\n")
    (begun.home / "postgres.location").write_text(f"{shared / 'ours'}\n")
    said = finding(begun, "place of the database")
    assert (said.good, said.says) == (True, f"{shared / 'ours'}, outside of {begun.home}")
    assert f"rm -r {shared / 'theirs'}" in finding(begun, "database left behind").says
    whole = disk_usage(shared)
    free = {begun.home: whole.total, shared / "ours": 1}
    monkeypatch.setattr("services.checks.disk_usage", lambda place: whole._replace(free=free[place]))
    assert (finding(begun, "disk").good, "ours" in finding(begun, "disk").says) == (False, True)


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


def test_who_has_just_been_started_waits_for_the_first_sign_and_no_longer(migrated: Settings) -> None:
    started = "INSERT INTO signs_of_life VALUES ('{}', now() - interval '{} seconds')"
    tell(migrated, GRANTS, started.format(GRANTS, 5))
    tell(migrated, NOTIFICATIONS, started.format(NOTIFICATIONS, 90))
    tell(migrated, PARTNERS, started.format(PARTNERS, 5))
    for what in ("partners heard by grants", "grants heard by partners"):
        awaited = finding(migrated, what)
        assert awaited.good
        assert awaited.says.startswith("waiting for the first sign, for ")
    never = finding(migrated, "partners heard by notifications")
    assert (never.good, never.says.partition(":")[0]) == (False, "never")
    tell(migrated, GRANTS, started.format(PARTNERS, 5400))
    assert finding(migrated, "partners heard by grants").good, "what was heard before the start is no silence"
    tell(migrated, GRANTS, "UPDATE signs_of_life SET sent_at = now() - interval '5400 seconds'")
    silent = finding(migrated, "partners heard by grants")
    assert (silent.good, silent.says.startswith("5,40")) == (False, True)


def test_keys_of_another_installation_are_said_and_nothing_starts_with_them(
    migrated: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def start(settings: Settings, service: str) -> None:
        async with opened(Installation(settings), service) as database:
            await refuse_other_keys(database)

    for service in SERVICES:
        asyncio.run(start(migrated, service))
    other = replace(migrated, keys=tmp_path_factory.mktemp("other") / "keys")
    Installation(other).make_keys()
    for name in ("grants.private", "grants.public", "grants.secret"):
        (other.keys_folder / name).write_bytes((migrated.keys_folder / name).read_bytes())
    assert finding(migrated, "database of partners").good
    assert finding(other, "database of grants").good
    said = finding(other, "database of partners")
    assert (said.good, said.says[: len("The keys of partners in")]) == (False, "The keys of partners in")
    with pytest.raises(KeysError, match=r"The keys of partners in .* are not those of its database"):
        asyncio.run(start(other, PARTNERS))
    with pytest.raises(KeysError) as told:
        asyncio.run(_refuse_other_keys(Installation(other), SERVICES))
    assert str(told.value).startswith("The keys of partners and notifications in ")
    assert "those of their databases: what is sealed in them" in str(told.value)
    accept_keys(Installation(other))
    assert finding(other, "database of partners").good
    assert not finding(migrated, "database of partners").good


def test_where_nothing_was_begun_one_line_says_so(tmp_path: Path) -> None:
    (said,) = run_checks(Installation(Settings(home=tmp_path / "nowhere")))
    assert (said.what, said.good) == ("installation", False)
    assert "conduit init" in said.says


def test_a_database_that_was_never_made_is_said_with_the_step_that_makes_it(
    begun: Settings, postgres: PrivatePostgres
) -> None:
    settings = replace(
        begun,
        database_url=postgres.url,
        database_prefix=f"never_{token_hex(4)}",
        house_file=EXAMPLES / "house.toml",
    )
    said = finding(settings, "database of grants")
    assert (said.good, said.says) == (False, "there is none yet. Run: conduit migrate")


def test_a_database_that_is_behind_is_said_whatever_it_lacks(migrated: Settings) -> None:
    tell(migrated, PARTNERS, "DROP TABLE signs_of_life; UPDATE alembic_version SET version_num = '0001'")
    behind = finding(migrated, "database of partners")
    assert (behind.good, "Run: conduit migrate" in behind.says) == (False, True)
    assert finding(migrated, "database of grants").good


#: Where each server that we use stands in the settings, and what of ``conduit check`` speaks of it.
SERVERS = {
    "database of grants": ("database_url", "postgresql://conduit_{service}:Ohkai7ae@HERE/conduit_{service}"),
    "broker": ("amqp_url", "amqp://conduit:Ohkai7ae@HERE/conduit"),
    "broker declarations": ("amqp_admin_url", "amqps://conduit:Ohkai7ae@HERE/conduit"),
    "mail": ("smtp_url", "smtp://conduit:Ohkai7ae@HERE"),
    "mailbox": ("imap_url", "imaps://conduit:Ohkai7ae@HERE/INBOX"),
    "public address": ("public_url", "https://HERE"),
}


def told(settings: Settings) -> dict[str, Finding]:
    """What is said of each server; never a password."""
    found = {each.what: each for each in run_checks(Installation(settings))}
    assert "Ohkai7ae" not in str(found)
    return {what: found[what] for what in SERVERS if what in found}


def everything_at(begun: Settings, where: str) -> Settings:
    addresses: dict[str, Any] = {name: url.replace("HERE", where) for name, url in SERVERS.values()}
    return replace(begun, house_file=EXAMPLES / "house.toml", **addresses)


@contextmanager
def silent() -> Iterator[int]:
    """A port whose host lets every packet vanish: nobody takes the connections that wait there."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind((LOOPBACK, 0))
        listening.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def test_a_server_that_is_not_reached_is_said_with_the_cure_for_each(begun: Settings) -> None:
    """A name that nobody knows, a port that nobody serves; and a host that swallows packets, side by side."""
    unknown = told(everything_at(begun, "nobody.invalid:5000"))
    assert [*unknown] == [*SERVERS]
    for what, (setting, _) in SERVERS.items():
        assert not unknown[what].good
        assert "has a name that nobody knows" in unknown[what].says, unknown[what]
        assert f"CONDUIT_{'amqp_url' if 'broker' in what else setting}".upper() in unknown[what].says
    for what, refused in told(everything_at(begun, f"{LOOPBACK}:{free_port()}")).items():
        assert (refused.good, "takes no connections: is it running" in refused.says) == (False, True), what
    with silent() as port:
        started = monotonic()
        swallowed = told(everything_at(begun, f"{LOOPBACK}:{port}"))
        assert monotonic() - started < 5 * len(SERVERS), "one waits for another"
    public = swallowed.pop("public address")
    assert (public.note, "cannot be seen from here" in public.says) == (True, True)
    for late in swallowed.values():
        assert (late.good, "does not answer in time" in late.says) == (False, True), late


def test_a_wrong_password_is_said_with_the_cure_for_each(
    begun: Settings, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ
) -> None:
    with RecordingMailServer(password="other") as mail, PrivateDovecot() as dovecot:
        wrong = replace(
            begun,
            house_file=EXAMPLES / "house.toml",
            database_url=postgres.database_url("postgres_{service}", "administrator", "Ohkai7ae").replace(
                "%7Bservice%7D", "{service}"
            ),
            amqp_url=rabbitmq.url_for("guest", "Ohkai7ae"),
            amqp_admin_url=rabbitmq.url_for("guest", "guest", "nowhere"),
            smtp_url=f"smtp://conduit:Ohkai7ae@{mail.host}:{mail.port}",
            imap_url=f"imap://conduit:Ohkai7ae@{LOOPBACK}:{dovecot.port}/INBOX",
        )
        found = told(wrong)
    assert len(found) == len(SERVERS) - 1
    for what, each in found.items():
        assert (each.good, "does not let us in" in each.says) == (False, True), each
        assert f"CONDUIT_{'amqp_url' if 'broker' in what else SERVERS[what][0]}".upper() in each.says


def test_a_certificate_is_looked_at_wherever_one_is_shown(
    begun: Settings, tmp_path: Path, rabbitmq: PrivateRabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has ended, of another name, or of somebody whom nobody knows; and a good one."""
    ours = Certificate.write(tmp_path / "ours", "ca.example")
    days = timedelta(days=30)
    shown = {
        "good": Certificate.write(tmp_path / "good", "localhost", signer=ours, ends_in=days),
        "has ended": Certificate.write(
            tmp_path / "ended", "localhost", signer=ours, ends_in=timedelta(hours=-1)
        ),
        "of another name": Certificate.write(tmp_path / "other", "b.example", signer=ours, ends_in=days),
        "nobody here knows": Certificate.write(tmp_path / "stranger", "localhost", ends_in=days),
    }
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
    for words, certificate in shown.items():
        with (
            in_front_of(rabbitmq.port, certificate) as broker,
            in_front_of(0, certificate) as page,
            RecordingMailServer(tls=certificate.context) as mail,
            PrivateDovecot(tls=(certificate.certificate, certificate.key)) as dovecot,
        ):
            over_tls = replace(
                begun,
                house_file=EXAMPLES / "house.toml",
                amqp_url=f"amqps://guest:guest@localhost:{broker}/nowhere",
                amqp_admin_url=f"amqps://guest:guest@localhost:{broker}/nowhere",
                smtp_url=f"smtp://localhost:{mail.port}",
                imap_url=dovecot.url("ana"),
                public_url=f"https://localhost:{page}",
            )
            found = told(over_tls)
            with in_front_of(mail.port, certificate) as encrypted:
                smtps = told(replace(over_tls, smtp_url=f"smtps://localhost:{encrypted}"))["mail"]
        assert len(found) == len(SERVERS) - 1
        for what, each in {**found, "smtps": smtps}.items():
            if words != "good":
                assert (each.good, words in each.says) == (False, True), (what, each)
            elif "broker" in what:  # which has let us come so far
                assert "does not let us in" in each.says, each
            else:
                assert (each.good, "TLS" in each.says or "is good until" in each.says) == (True, True), each


def test_the_mail_server_is_greeted_and_not_only_named(migrated: Settings) -> None:
    with RecordingMailServer() as mail:
        where = f"{mail.host}:{mail.port}"
        reached = finding(replace(migrated, smtp_url=f"smtp://{where}"), "mail")
        assert (reached.good, reached.says) == (True, f"the mail server at {where} answers, without TLS")
        assert finding(migrated, "mail").says == "letters go to the built-in mail box"
        for url, words in (
            (f"smtp://user:Ohkai7ae@{where}", "takes no password"),
            (f"smtps://{where}", "does not speak TLS there"),
        ):
            away = finding(replace(migrated, smtp_url=url), "mail")
            assert (away.good, words in away.says, "Ohkai7ae" in away.says) == (False, True, False), away


def test_a_send_ledger_that_cannot_be_written_is_said_with_its_cure(migrated: Settings) -> None:
    assert finding(migrated, "send ledger").good
    shut = replace(migrated, ledger=Path("/proc/1/ledger"))
    said = finding(shut, "send ledger")
    assert (said.good, "no letter and no message leaves" in said.says) == (False, True)
    assert "chown -R" in said.says


def test_mail_that_is_begun_during_the_look_is_no_sign_of_a_restored_backup(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waiting_meanwhile(tx: Transaction) -> tuple[int, float]:
        attempt = Attempt(kind="notice", id=uuid4(), message_id="<1@forum.example>", number=1)
        await Ledger(tx.context).begin(attempt, "ana@forum.example")
        return await waiting_mail(tx)

    monkeypatch.setattr("services.checks.waiting_mail", waiting_meanwhile)
    assert finding(migrated, "send ledger").good
    said = finding(migrated, "send ledger")
    assert (said.good, "1 mail was begun" in said.says) == (False, True), "the next look knows of the first"


def test_links_that_lead_to_nobody_are_said(migrated: Settings) -> None:
    """Whether a mail server on this computer passes mail on, nobody can tell."""
    assert "links" not in {each.what for each in run_checks(Installation(migrated))}
    far = finding(replace(migrated, smtp_url="smtp://nobody.invalid"), "links")
    assert (far.good, "no mail with one goes. Set CONDUIT_PUBLIC_URL" in far.says) == (False, True)
    near = finding(replace(migrated, smtp_url=f"smtp://{LOOPBACK}:{free_port()}"), "links")
    assert (near.note, "If the mail server passes mail on" in near.says) == (True, True)
    public: dict[str, Any] = {
        "public_url": "https://conduit.forum.example",
        "smtp_url": f"smtp://{LOOPBACK}:{free_port()}",
    }
    assert "links" not in {each.what for each in run_checks(Installation(replace(migrated, **public)))}


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


def test_that_no_backup_was_made_is_said_as_on_the_page_of_ops(migrated: Settings) -> None:
    """It is a fault where others rely on it, and else to be known."""
    said = finding(migrated, "backups")
    assert str(said) == "note backups: none was ever made. Run: conduit backup"
    outside = replace(migrated, public_url=f"https://localhost:{free_port()}", smtp_url="smtp://127.0.0.1:1")
    assert str(finding(outside, "backups")) == f"BAD  backups: {said.says}"


def test_a_ledger_that_does_not_come_to_its_balance_is_said(migrated: Settings) -> None:
    assert finding(migrated, "ledger").good
    fund = "INSERT INTO funds VALUES ('{}', 'n', 'p', 'r', '{{}}', '{{}}', '2012-01-01', NULL, 1, now())"
    tell(migrated, GRANTS, fund.format(UUID(int=1)))
    tell(migrated, GRANTS, f"INSERT INTO fund_balances VALUES ('{UUID(int=1)}', 0, 1)")
    differs = finding(migrated, "ledger")
    assert (differs.good, str(UUID(int=1)) in differs.says) == (False, True)
