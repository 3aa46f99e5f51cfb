"""The drill: a backup under load, everything wrecked, the backup brought back, nothing twice or lost."""

import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.embedded import EmbeddedPostgres
from chassis.migrations import drop_databases
from chassis.testing import PrivatePostgres, PrivateRabbitMQ, RawProxy, RecordingMailServer
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.backups import backups_in, create_identity
from tests.conftest import virtual_host
from tests.faults.world import ONE_PROCESS, THREE_PROCESSES, Servers, World, eventually

pytestmark = pytest.mark.timeout(600)


@dataclass
class Drill:
    """A world, and a place for its backups that nobody wrecks."""

    world: World
    safe: Path
    home: Path

    def __post_init__(self) -> None:
        recipient = create_identity(self.safe / "identity")
        for name in ("backups", "keys"):
            (self.safe / name).mkdir()
        self._where = {
            "CONDUIT_BACKUP_TO": str(self.safe / "backups"),
            "CONDUIT_BACKUP_KEYS_TO": str(self.safe / "keys"),
            "CONDUIT_BACKUP_FOR": recipient,
        }

    def back_up(self) -> None:
        done = self.world.conduit("backup", **self._where)
        assert done.returncode == 0, done.stderr

    def restore(self) -> str:
        """Bring the newest backup back, with its keys; what the command says."""
        (backup,) = backups_in(self.safe / "backups")
        (keys,) = (self.safe / "keys").iterdir()
        done = self.world.conduit(
            *("restore", str(backup.folder), "--identity", str(self.safe / "identity"), "--keys", str(keys))
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def one_process(tmp_path: Path, home: Path) -> Iterator[Drill]:
    with RecordingMailServer() as mail:
        (tmp_path / "safe").mkdir()
        yield Drill(World(home, ONE_PROCESS, mail), tmp_path / "safe", home)


@pytest.fixture
def three_processes(tmp_path: Path, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ) -> Iterator[Drill]:
    with RecordingMailServer() as mail, RawProxy(rabbitmq.port) as proxy, virtual_host(rabbitmq) as address:
        prefix = f"drill_{secrets.token_hex(3)}"
        servers = Servers(postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address, prefix=prefix)
        (tmp_path / "safe").mkdir()
        home = tmp_path / "home"
        yield Drill(World(home, THREE_PROCESSES, mail, servers), tmp_path / "safe", home)
        drop_databases(postgres.url, prefix, SERVICES)


def work_on(world: World, campaigns: int) -> list[str]:
    begun = []
    for _ in range(campaigns):
        world.work()
        begun.append(world.begin_campaign())
        world.send(begun[-1])
        world.work()
    return begun


def wreck(drill: Drill) -> None:
    """The databases, the keys and the house go; the ledger lies on another disk."""
    world = drill.world
    if world.amqp_url:
        drop_databases(world.servers.postgres.url, world.servers.prefix, SERVICES)
    else:
        shutil.rmtree(EmbeddedPostgres(drill.home).log.parent)
    for path in drill.home.iterdir():
        if path.name != "ledger":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("kind", ["one_process", "three_processes"])
def test_a_backup_under_load_comes_back_whole(kind: str, request: pytest.FixtureRequest) -> None:
    drill: Drill = request.getfixturevalue(kind)
    world = drill.world
    with world.alive():
        world.prepare()
        with ThreadPoolExecutor() as threads:
            load = threads.submit(work_on, world, 3)
            eventually(lambda: len(world.mail.messages) > 10, lambda: "no load")
            drill.back_up()
            load.result()
        lost = work_on(world, 1)  # everything from here on is lost, but for the letters that have left
        eventually(lambda: world.letters(lost[0]).get("sent"), lambda: "nothing is sent after the backup")
    before = Counter(message.parsed["Message-ID"] for message in world.mail.messages)
    wreck(drill)
    said = drill.restore()
    assert "letters and messages wait" not in said, "the ledger is there"
    with world.installation.in_use():
        nothing_was_heard_that_was_not_said(world)
        strange = forget_strange_mail(world)
    with world.alive():
        world.pages_are_well()
        world.an_hour_goes_by()
        eventually(
            lambda: (
                not world.select(NOTIFICATIONS, "SELECT 1 FROM letters WHERE state IN ('ready', 'sending')")
            ),
            lambda: "letters stay behind",
        )
        world.all_promises_are_kept()
        known = world.select(NOTIFICATIONS, "SELECT DISTINCT message_id FROM begun_sends")
        assert strange <= {row["message_id"] for row in known}, "the ledger's word was not heard"
        for command in (["check", "--copies"], ["audit", "verify"]):
            done = world.conduit(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        world.work()
        world.all_promises_are_kept()
    after = Counter(message.parsed["Message-ID"] for message in world.mail.messages)
    assert max(after.values()) == 1, "a letter went twice"
    assert strange
    assert not strange & after.keys()
    assert before.keys() == (before.keys() & after.keys()) | strange


def forget_strange_mail(world: World) -> set[str]:
    """Forget what was sent that the backup does not know of, or knows as a draft; the Message-IDs."""
    released = "SELECT message_id FROM letters WHERE state != 'draft'"
    known = {row["message_id"] for row in world.select(NOTIFICATIONS, released)}
    strange = [mail for mail in world.mail.messages if mail.parsed["Message-ID"] not in known]
    for mail in strange:
        world.mail.messages.remove(mail)
    return {str(mail.parsed["Message-ID"]) for mail in strange}


def nothing_was_heard_that_was_not_said(world: World) -> None:
    """The cut: whatever stands in an inbox stands in its owner's outbox."""
    said = {row["id"] for service in SERVICES for row in world.select(service, "SELECT id FROM outbox")}
    for service in (PARTNERS, GRANTS, NOTIFICATIONS):
        heard = {row["id"] for row in world.select(service, "SELECT id FROM inbox")}
        assert heard <= said, service
    assert [row["value"] for s in SERVICES for row in world.select(s, "SELECT value FROM epoch")] == [2] * 3


def test_without_the_ledger_everything_unsent_waits_for_a_person(one_process: Drill) -> None:
    drill, world = one_process, one_process.world
    with world.alive():
        world.prepare()
        draft = world.begin_campaign()
        eventually(lambda: world.letters(draft).get("draft"), lambda: "no letters")
        drill.back_up()
        world.send(draft)
        eventually(lambda: not set(world.letters(draft)) - {"sent"}, lambda: "letters stay behind")
    sent = len(world.mail.messages)
    wreck(drill)
    shutil.rmtree(drill.home / "ledger")
    assert "letters and messages wait until somebody says" in drill.restore()
    with world.alive():
        world.pages_are_well()
        world.send(draft)
        eventually(lambda: set(world.letters(draft)) == {"unknown"}, lambda: f"{world.letters(draft)}")
    assert len(world.mail.messages) == sent
