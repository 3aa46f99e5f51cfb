"""Bad surroundings: whoever starts first waits for the others, and full disks lose nothing.

Three processes on a PostgreSQL and a RabbitMQ whose disks are small and theirs alone.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import asyncpg
import httpx
import pytest

from chassis.config import Settings
from chassis.embedded import EmbeddedPostgres
from chassis.errors import DatabaseFull
from chassis.testing import PrivatePostgres, PrivateRabbitMQ, RawProxy, RecordingMailServer
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.checks import run_checks
from services.doctor import NotWritten, write_bundle
from services.installation import Installation
from services.mail import TRY_AGAIN
from services.start import begin
from tests.conftest import EXAMPLES, folder_of_its_own, virtual_host
from tests.faults.world import LONGEST_PAGE, PATIENCE, THREE_PROCESSES, Servers, World, eventually
from tests.journeys.running import Running, conduit, last_line_as_json

pytestmark = pytest.mark.timeout(400)

_NO_DATABASE = "The database takes no connections: is it running, and is"
#: A proxy stands before it, which takes connections and cuts them.
_NO_BROKER = "The broker hangs up or cannot be reached"

#: What PostgreSQL and RabbitMQ get, in megabytes: little more than they need before anything happens.
_ROOM = {"postgres": 400, "rabbitmq": 300}

#: Bytes of a segment of PostgreSQL's log, and more segments than it keeps.
_SEGMENT, _SEGMENTS = 16 * 1024 * 1024, 64

#: A user who owns nothing.
_NOBODY = 65534

#: Bytes that are written at once to fill a disk.
_BLOCK = 65536


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own that holds no more than this."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "conduit-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert mounted.returncode == 0, f"{mounted.stderr}A full disk is a small one: run these tests as root."
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path, but: int = 0) -> Iterator[None]:
    """Somebody else's file takes all of a disk, but for so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # others take room meanwhile
        while (left := os.statvfs(disk)).f_bavail * left.f_frsize > but:
            file.write(bytes(_BLOCK))
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def disks() -> Iterator[dict[str, Path]]:
    with folder_of_its_own() as folder, ExitStack() as stack:
        yield {name: stack.enter_context(small_disk(folder / name, size)) for name, size in _ROOM.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, disks: dict[str, Path]) -> Iterator[World]:
    with (
        PrivatePostgres(disks["postgres"]) as postgres,
        PrivateRabbitMQ(disks["rabbitmq"]) as rabbitmq,
        RecordingMailServer() as mail,
        RawProxy(rabbitmq.port) as proxy,
        virtual_host(rabbitmq) as address,
    ):
        servers = Servers(postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address)
        world = World(tmp_path_factory.mktemp("outages") / "home", THREE_PROCESSES, mail, servers)
        with world.alive():
            world.prepare()
            yield world


def start(world: World, *services: str) -> None:
    for service in services:
        world.running[service].start()
        world.running[service].wait_until_ready(PATIENCE)


def stop(world: World, *services: str) -> None:
    with ThreadPoolExecutor() as threads:
        ended = threads.map(lambda service: world.running[service].stop(within=PATIENCE), services)
        assert set(ended) == {0}


def everything_moves(world: World) -> None:
    world.pages_are_well()
    world.work()
    world.all_promises_are_kept()


def says(world: World, words: str, times: int, *services: str) -> None:
    """Whether each service's process says these words so often, once each time that they are true."""
    eventually(
        lambda: {world.log(service).count(words) for service in services} == {times},
        lambda: f"“{words}” is not said {times} times:\n{world.log(services[0])}",
    )


def test_in_whatever_order_services_are_stopped_and_started_they_go_on(world: World) -> None:
    """Every step of all six orders: each service starts beside each set of the others."""
    before = world.ends()
    for order in ((PARTNERS, GRANTS, NOTIFICATIONS), (GRANTS, NOTIFICATIONS, PARTNERS)):
        stop(world, *SERVICES)
        start(world, *order)
        everything_moves(world)
    stop(world, *SERVICES)
    start(world, NOTIFICATIONS, PARTNERS)
    for leaves, comes in ((NOTIFICATIONS, GRANTS), (PARTNERS, NOTIFICATIONS), (GRANTS, PARTNERS)):
        # Whoever stays has work that the one that is away hears of later.
        {GRANTS: world.register, PARTNERS: world.amend, NOTIFICATIONS: world.ask}[
            ({NOTIFICATIONS: PARTNERS, PARTNERS: GRANTS, GRANTS: NOTIFICATIONS})[leaves]
        ]()
        stop(world, leaves)
        start(world, comes)
    start(world, GRANTS)
    everything_moves(world)
    assert world.ends() == before, "a process was restarted"


def test_services_that_start_before_their_servers_wait_and_say_for_what(world: World) -> None:
    before, servers = world.ends(), world.servers
    stop(world, *SERVICES)
    said = {words: world.log(PARTNERS).count(words) for words in (_NO_DATABASE, _NO_BROKER)}
    servers.postgres.stop()
    servers.rabbitmq.stop()
    for service in SERVICES:
        world.running[service].start()
    says(world, _NO_DATABASE, said[_NO_DATABASE] + 1, *SERVICES)
    servers.postgres.start()
    says(world, _NO_BROKER, said[_NO_BROKER] + 1, *SERVICES)
    servers.rabbitmq.start()
    for service in SERVICES:
        world.running[service].wait_until_ready(PATIENCE)
    everything_moves(world)
    says(world, _NO_DATABASE, said[_NO_DATABASE] + 1, *SERVICES)
    assert world.ends() == before, "a process was restarted"
    assert "Traceback" not in "".join(map(world.log, SERVICES))


def test_a_process_that_dies_while_the_database_is_away_comes_back_once_and_waits(world: World) -> None:
    before, said = world.ends(), world.log(GRANTS).count(_NO_DATABASE)
    world.servers.postgres.stop()
    world.kill(GRANTS)
    says(world, _NO_DATABASE, said + 1, GRANTS)
    assert world.pages()[GRANTS] == 503
    process = world.running[GRANTS]
    health = f"http://127.0.0.1:{process.metrics_port}/health"
    assert httpx.get(f"{health}/live", timeout=20).status_code == 200
    assert httpx.get(f"{health}/ready", timeout=20).status_code == 503
    stop(world, GRANTS)  # it listens also while it waits
    process.start()
    world.servers.postgres.start()
    process.wait_until_ready(PATIENCE)
    everything_moves(world)
    assert world.ends() == before + 1, "it went in circles"


def checked(world: World, what: str) -> tuple[bool, str]:
    """What ``conduit check`` says of something."""
    found = last_line_as_json(world.conduit("check", "--json").stdout)
    each = next(each for each in found if each["what"] == what)
    return each["good"], each["says"]


def answered(world: World) -> str:
    """What somebody is told whose question was not kept; nothing where it was."""
    path, fields = world.question()
    answer = httpx.post(world.running[NOTIFICATIONS].url + path, data=fields, timeout=20)
    assert answer.status_code in (303, 503), answer.text
    return answer.text


def test_a_full_disk_of_the_database_loses_nothing_and_pages_say_so(
    world: World, disks: dict[str, Path]
) -> None:
    before, servers = world.ends(), world.servers
    with ThreadPoolExecutor() as threads:
        with full(disks["postgres"]):
            # A few find room in what PostgreSQL has taken before.
            eventually(lambda: "disk is full" in answered(world), lambda: "nobody is told")
            assert world.pages() == dict.fromkeys(SERVICES, 200), "reading needs no room"
            assert checked(world, f"database of {GRANTS}") == (False, str(DatabaseFull()))
            asked = threads.submit(world.ask)
            # Where the log of what was done finds no room, PostgreSQL ends by itself.
            asyncio.run(fill_log(servers.postgres.url))
            eventually(lambda: not servers.postgres.running, lambda: "it goes on without its log")
            eventually(lambda: set(world.pages().values()) == {503}, lambda: f"pages: {world.pages()}")
        servers.postgres.start()
        asked.result()
    everything_moves(world)
    assert world.ends() == before, "a process was restarted"


def test_a_full_disk_of_the_broker_lets_people_work_and_loses_nothing(
    world: World, disks: dict[str, Path]
) -> None:
    before = world.ends()
    with full(disks["rabbitmq"], but=20_000_000):
        blocked = f'conduit_broker_blocked{{service="{PARTNERS}"}}'
        eventually(lambda: world.metric(PARTNERS, blocked), lambda: "the broker takes messages")
        world.work()
        assert world.pages() == dict.fromkeys(SERVICES, 200)
        assert world.pending(PARTNERS) > 0
        good, words = checked(world, "broker")
        assert (good, "its disk is nearly used up" in words) == (False, True), words
    everything_moves(world)
    assert world.ends() == before, "a process was restarted"


def test_a_small_installation_whose_disk_is_full_goes_on_by_itself_once_there_is_room() -> None:
    """Everything on one disk: the database that Conduit brings along is away, and comes back."""
    with folder_of_its_own() as folder, small_disk(folder / "disk", _ROOM["postgres"]) as disk:
        home = disk / "home"
        variables = {"CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml")}
        with Running(home, **variables) as running:
            running.wait_until_ready(PATIENCE)
            server = EmbeddedPostgres(home)
            page = f"{running.url}/partners"

            def shown() -> int:
                return httpx.get(page, timeout=LONGEST_PAGE, cookies=running.cookies).status_code

            assert shown() == 200
            with full(disk):
                asyncio.run(fill_log(server.url()))
                eventually(lambda: shown() == 503, lambda: "pages know nothing of it")
            eventually(lambda: shown() == 200, lambda: "it does not come back")
            log = running.log.read_text()
        # PostgreSQL begins anew by itself where it still can, and is begun anew by us where it has ended.
        assert ("services_died" in log, "Traceback" in log) == (False, False)


def test_a_home_folder_that_cannot_be_used_is_said_with_its_own_cure() -> None:
    """It is somebody else's, its disk can only be read, or is full: no other cure helps, and none is said."""
    with folder_of_its_own() as folder, small_disk(folder / "disk", 2) as disk:
        installation = Installation(Settings(home=disk / "home"))
        begin(installation, name="Harbour", email="office@harbour.example", person="Ana")

        nobody = ProcessPoolExecutor(1, get_context("fork"), os.setresuid, (_NOBODY, _NOBODY, _NOBODY))
        with nobody as processes:
            [belongs] = processes.submit(faults_of, installation).result()
        assert belongs == f"{disk}/home belongs to root, and you are nobody. Type it as root: sudo -u root …"

        remount(disk, "ro")
        [read_only] = faults_of(installation)
        assert (
            read_only
            == f"{disk}/home can only be read from here: its disk takes nothing. Mount it for writing, "
            "or name it in the unit of systemd that shuts us in: ReadWritePaths="
        )
        received = conduit("mail", "receive", home=disk / "home")
        assert (received.returncode, received.stderr) == (TRY_AGAIN, f"{read_only}\n")
        remount(disk, "rw")

        with full(disk):
            _, room, database = faults_of(installation)
            assert (room.startswith("only 0.0 GB"), "First make room" in database) == (True, True)
            rotated = conduit("keys", "rotate", home=disk / "home")
            is_full = f"The disk that holds {disk}/home/keys is full. Make room there, and type it again.\n"
            assert (rotated.returncode, rotated.stderr) == (1, is_full)
            with pytest.raises(NotWritten):
                write_bundle(installation, disk / "bundle.zip", [])
            assert not (disk / "bundle.zip").exists()
        assert len(faults_of(installation)) == 2, "of a house file with gaps, and of nobody who serves"


def faults_of(installation: Installation) -> list[str]:
    """What ``conduit check`` finds that is not well."""
    return [each.says for each in run_checks(installation) if not each.good]


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


async def fill_log(url: str) -> None:
    """Write into the log of a database until it finds no room; a table would need some elsewhere."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection = await asyncpg.connect(url)
        try:
            for _ in range(_SEGMENTS):
                await connection.execute(
                    "SELECT pg_logical_emit_message(false, 'test', repeat('x', $1))", _SEGMENT
                )
        finally:
            await connection.close()
