"""What tests run against: real servers that are ours alone, and that may be frozen, cut off and killed.

Nothing here pretends: a mail server speaks SMTP, a broker is RabbitMQ, a lost connection is one whose
bytes vanish. Every server goes away with the test process, however that ends (see `Guardian`).
"""

import asyncio
import contextlib
import email
import email.policy
import json
import os
import pwd
import random
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self, TypeVar, cast
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from chassis.embedded import EmbeddedPostgres, alive, installed_programs

LOOPBACK: Final = "127.0.0.1"

#: The system's: what others seed repeats itself, and so would ports.
_CHANCE: Final = random.SystemRandom()

#: What the servers of a suite take at most, in bytes.
_ROOM: Final = 2_000_000_000

#: Where an embedded PostgreSQL below a home says that it runs.
_PID_FILE: Final = "postgres/data/postmaster.pid"

#: What a mail server's treatment answers: one recipient, or the message as a whole.
Stage = Literal["recipient", "message"]

_T = TypeVar("_T")


class TestServerError(Exception):
    """A private server of the tests does not do what it should."""

    __test__ = False  # the name begins like a test's; it is none


def free_port() -> int:
    """A loopback port that nobody listens on, below those that the system gives to outgoing connections.

    It is given once while this process lives, in all processes of the suite, also when its server is away for
    a while: a UDP socket of the same number, which nobody else needs, says that it is taken.
    """
    for _ in range(200):
        port = _CHANCE.randrange(15_000, 32_000)
        mark = socket.socket(type=socket.SOCK_DGRAM)
        with contextlib.suppress(OSError), mark, socket.socket() as probe:
            mark.bind((LOOPBACK, port))
            probe.bind((LOOPBACK, port))
            mark.detach()
            return port
    raise TestServerError("no free port between 15000 and 32000")


def memory_folder() -> Path | None:
    """A folder whose files stay in memory, with room for a suite's servers; None where there is none.

    Cloning and dropping a database there takes a tenth of the time that it takes on a disk.
    """
    folder = Path("/dev/shm")  # noqa: S108 - a folder of the server's own is made in it
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > _ROOM else None


def eventually(condition: Callable[[], bool], *, within: float, otherwise: str) -> None:
    """Wait for a condition of the outside world, or raise what did not come to pass."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TestServerError(otherwise)
        time.sleep(0.02)


class Guardian:
    """A small process that owns a directory and what runs in it, and ends both when we are gone.

    It runs in a session of its own, so a Ctrl-C does not reach it, and takes the end of its standard input
    or of its parent as the sign; `kill -9` of the tests is therefore no leak. A clean end takes the same way.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        package = str(Path(__file__).resolve().parent.parent)
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chassis.testing", "guard", str(os.getpid()), str(directory)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._requests = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def spawn(self, command: Sequence[str], environment: Mapping[str, str], output: Path) -> int:
        """Run a command in a process group of its own and return its process id."""
        request = {"command": list(command), "environment": dict(environment), "output": str(output)}
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return int(self._answers.readline())

    def close(self) -> None:
        """End everything in the directory, and the directory."""
        self._requests.close()
        self._process.wait(timeout=60)
        self._answers.close()


def guard(parent: int, directory: Path) -> None:
    """The guardian's own process: run what is asked for until the parent is gone, then leave nothing."""
    children: list[subprocess.Popen[bytes]] = []
    requests = _requests(parent)
    with contextlib.suppress(BrokenPipeError):
        for request in requests:
            # First: what a server that died left running would be in the way of the next one.
            for child in [child for child in children if child.poll() is not None]:
                _end_group(child.pid)
                children.remove(child)
            if request is not None:
                children.append(_spawned(json.loads(request)))
                print(children[-1].pid, flush=True)
    for child in children:
        _end_group(child.pid)
    for _ in range(20):
        _end_postgres(directory)
        if os.getppid() != parent:
            _end_users(directory)
        _unmount(directory)
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            break
        time.sleep(0.1)


def _requests(parent: int) -> Iterator[bytes | None]:
    """Lines from standard input, and nothing twice a second, until it ends or the parent does."""
    unread = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], 0.25)[0]:
            yield None
            continue
        received = os.read(0, 65536)
        if not received:
            return
        *lines, unread = (unread + received).split(b"\n")
        yield from lines


def _spawned(request: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    with Path(request["output"]).open("ab") as output:
        return subprocess.Popen(
            request["command"],
            env=request["environment"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def _end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _end_postgres(directory: Path) -> None:
    """End servers by their pid files; SIGQUIT first, since SIGKILL would leave a shared memory segment.

    They stand in the directory, or in homes in it.
    """
    for file in [each for depth in ("", "*/", "*/*/") for each in directory.glob(f"{depth}{_PID_FILE}")]:
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text().split()[0])
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGQUIT)
            deadline = time.monotonic() + 1.5
            while alive(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def _end_users(directory: Path) -> None:
    """End what was told of the directory: on its own way out it would make something there once more."""
    told = os.fsencode(directory)
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command, environment = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
            if told in command + environment and b"\0guard\0" not in command:
                os.kill(int(place.name), signal.SIGKILL)


def _unmount(directory: Path) -> None:
    """Let go of file systems that were mounted in the directory."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in mounted:
        if directory in Path(place).parents:
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


def _children(parent: int) -> list[int]:
    """The processes that a process has started; where the system does not tell, none."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if file.read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append(int(file.parent.name))
    return found


class _PrivateServer:
    """A server in a temporary directory under a guardian; `close` and leaving a `with` block remove both.

    The directory is made in the given folder, or where the system keeps temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="conduit-test-", dir=folder))
        self.directory.chmod(0o711)  # PostgreSQL's own user passes through when we are root
        self._guardian = Guardian(self.directory)

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        """Stop in good order and start again with the same data at the same address."""
        self.stop()
        self.start()

    def close(self) -> None:
        self._guardian.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PrivatePostgres(_PrivateServer):
    """A PostgreSQL of the tests' own: the embedded one, without fsync."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.server = EmbeddedPostgres(self.directory, durable=False)
        #: The administrator's address, the same after every restart.
        self.url = ""

    @property
    def running(self) -> bool:
        return self.server.running

    @property
    def programs(self) -> Path:
        """The directory that holds ``psql``, ``pg_dump`` and so on."""
        return installed_programs()[0].directory / "bin"

    def start(self) -> None:
        self.url = self.server.start()
        if self.directory not in self.server.location.parents:
            self.server.stop("immediate")
            raise TestServerError("PostgreSQL's own user cannot reach the temporary directory: unset TMPDIR")

    def database_url(self, database: str, role: str | None = None, password: str = "") -> str:
        """The address of another database, for the administrator or for a role."""
        return self.server.url(database) if role is None else self.server.url(database, role, password)

    def stop(self) -> None:
        self.server.stop("fast")

    def kill(self) -> None:
        """SIGKILL, sessions included: connections break at once and the next start recovers from the log."""
        pid = self.server.pid
        if pid is None:
            return
        doomed = [pid, *_children(pid)]
        for each in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        eventually(lambda: not any(map(alive, doomed)), within=10, otherwise="PostgreSQL survived SIGKILL")


#: What Dovecot's settings say of a certificate and its key.
_DOVECOT_TLS: Final = """ssl = required
ssl_cert = <{}
ssl_key = <{}"""


class PrivateDovecot(_PrivateServer):
    """An IMAP server of the tests' own: own port and directory, loopback only, any user, one password."""

    PASSWORD = "let-me/in"  # noqa: S105  # of a server that nobody else can reach

    def __init__(self, folder: Path | None = None, tls: tuple[Path, Path] | None = None) -> None:
        """With a certificate and its key it speaks IMAP over TLS alone, as localhost."""
        super().__init__(folder)
        self._tls = tls
        self.port = free_port()
        self._pid: int | None = None
        self._log = self.directory / "dovecot.log"
        self._settings = self.directory / "dovecot.conf"

    def url(self, user: str, folder: str = "INBOX") -> str:
        """The address of somebody's mailbox."""
        scheme, host = ("imaps", "localhost") if self._tls else ("imap", LOOPBACK)
        return f"{scheme}://{user}:{quote(self.PASSWORD, safe='')}@{host}:{self.port}/{folder}"

    def start(self, within: float = 20) -> None:
        """Start the server and wait until it greets."""
        self._settings.write_text(self._written(), "utf-8")
        command = ["/usr/sbin/dovecot", "-F", "-c", str(self._settings)]
        self._pid = self._guardian.spawn(command, dict(os.environ), self._log)
        eventually(
            lambda: _listens(self.port) if self._tls else _greets(self.port, b"* OK"),
            within=within,
            otherwise=f"Dovecot did not start: {self._log}",
        )

    def stop(self) -> None:
        """Stop; mailboxes are kept for the next start."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            eventually(lambda: not alive(self._pid or 0), within=10, otherwise="Dovecot did not stop")
            self._pid = None

    def _written(self) -> str:
        """Everything under our own directory. Root lets the users of the Debian package do the work."""
        owner = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        mails = self.directory / "mails"
        mails.mkdir(mode=0o700, exist_ok=True)
        os.chown(mails, owner.pw_uid, owner.pw_gid)
        lines = [
            f"base_dir = {self.directory}/run",
            f"state_dir = {self.directory}/state",
            f"log_path = {self.directory}/dovecot.log",
            f"listen = {LOOPBACK}",
            "protocols = imap",
            *(("ssl = no",) if not self._tls else _DOVECOT_TLS.format(*self._tls).splitlines()),
            "disable_plaintext_auth = no",
            "first_valid_uid = 1",
            f"mail_location = maildir:{mails}/%u",
            f"passdb {{\n driver = static\n args = password={self.PASSWORD}\n}}",
            f"userdb {{\n driver = static\n args = uid={owner.pw_uid} gid={owner.pw_gid} home={mails}/%u\n}}",
            "service imap-login {\n chroot =",
            f" inet_listener imap {{\n  port = {0 if self._tls else self.port}\n }}",
            f" inet_listener imaps {{\n  port = {self.port if self._tls else 0}\n  ssl = yes\n }}\n}}",
            "service anvil {\n chroot =\n}",
        ]
        if os.geteuid() != 0:
            lines += [f"default_internal_user = {owner.pw_name}", f"default_login_user = {owner.pw_name}"]
        return "\n".join(lines) + "\n"


class PrivatePrometheus(_PrivateServer):
    """A Prometheus of the tests' own: own port and directory, loopback only.

    Args:
        settings: what stands in its file, as a document; YAML takes JSON.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._pid: int | None = None
        self._log = self.directory / "prometheus.log"
        self._settings = self.directory / "prometheus.yml"
        self._settings.write_text(json.dumps(settings), "utf-8")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, within: float = 30) -> None:
        """Start the server and wait until it listens."""
        command = [
            "/usr/bin/prometheus",
            f"--config.file={self._settings}",
            f"--storage.tsdb.path={self.directory}/data",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        ]
        self._pid = self._guardian.spawn(command, dict(os.environ), self._log)
        eventually(
            lambda: _listens(self.port),
            within=within,
            otherwise=f"Prometheus did not start: {self._log}",
        )

    def stop(self) -> None:
        """Stop; what was gathered is kept for the next start."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            eventually(lambda: not alive(self._pid or 0), within=10, otherwise="Prometheus did not stop")
            self._pid = None


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _greets(port: int, greeting: bytes) -> bool:
    """Whether whatever listens there says something that begins so."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            return connection.recv(64).startswith(greeting)
    except OSError:
        return False


class PrivateRabbitMQ(_PrivateServer):
    """A RabbitMQ node of the tests' own: own ports, own epmd, own cookie, no plugins, loopback only."""

    def __init__(self, folder: Path | None = None) -> None:
        self._scripts = rabbitmq_scripts()
        super().__init__(folder)
        self.port = free_port()
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._pid: int | None = None
        #: The name rabbitmqctl knows the node by.
        self.node = f"conduit-test-{self.port}@localhost"
        self.log = self.directory / "node.log"
        self._write_settings()

    @property
    def url(self) -> str:
        return self.url_for("guest", "guest")

    def url_for(self, user: str, password: str, virtual_host: str = "/") -> str:
        return f"amqp://{user}:{password}@{LOOPBACK}:{self.port}/{virtual_host}"

    @property
    def running(self) -> bool:
        return self._pid is not None and alive(self._pid)

    @property
    def pid(self) -> int:
        """The Erlang machine's process."""
        if self._pid is None or not alive(self._pid):
            raise TestServerError("the private RabbitMQ node is not running")
        return self._pid

    def start(self, within: float = 90) -> None:
        """Start the node and wait until it speaks AMQP; 6 to 8 seconds of work for two processors."""
        if self.running:
            return
        self._epmd_port = free_port()  # the last one's epmd may not have let go of its port yet
        self._pid = self._guardian.spawn(self._command(), self._environment(), self.log)
        eventually(
            lambda: not self.running or _speaks_amqp(self.port),
            within=within,
            otherwise=f"RabbitMQ did not start: {self._last_words()}",
        )
        if not self.running:
            raise TestServerError(f"RabbitMQ did not start: {self._last_words()}")

    def stop(self) -> None:
        """Stop in good order; messages on durable queues are kept for the next start."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def control(self, *arguments: str, within: float = 60) -> str:
        """Run rabbitmqctl against this node and return what it prints; about 0.7 s."""
        told = subprocess.run(
            [self._scripts / "rabbitmqctl", "--quiet", "--node", self.node, *arguments],
            env=self._environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        if told.returncode != 0:
            raise TestServerError(f"rabbitmqctl {arguments[0]}: {(told.stderr or told.stdout).strip()}")
        return told.stdout

    def add_virtual_host(self, name: str) -> None:
        """Add one that the guest may use as it likes. In one call: each starts an Erlang machine."""
        host, guest, everything = (f'<<"{each}">>' for each in (name, "guest", ".*"))
        self.control(
            "eval",
            f"ok = rabbit_vhost:add({host}, {guest}), ok = rabbit_auth_backend_internal:set_permissions("
            f"{guest}, {host}, {everything}, {everything}, {everything}, {guest}).",
        )

    def _end(self, number: signal.Signals) -> None:
        pid = self._pid
        if pid is None or not alive(pid):
            return
        os.kill(pid, number)
        if number is not signal.SIGKILL:
            os.kill(pid, signal.SIGCONT)  # a frozen node cannot stop in good order
        eventually(lambda: not alive(pid), within=30, otherwise=f"RabbitMQ does not end after {number.name}")
        self._pid = None

    def _command(self) -> list[str]:
        """An epmd in the node's own process group, so that Erlang starts none that would outlive it."""
        epmd = shutil.which("epmd", path=self._environment()["PATH"]) or "epmd"
        script = (
            f'"{epmd}" -port {self._epmd_port} -address {LOOPBACK} & '
            f'until "{epmd}" -port {self._epmd_port} -names >/dev/null 2>&1; do sleep 0.05; done; '
            f'exec "{self._scripts / "rabbitmq-server"}" -noinput'
        )
        return ["/bin/sh", "-c", script]

    def _environment(self) -> dict[str, str]:
        here = self.directory
        return {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(here),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(here / "environment"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(here / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(here / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(here / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(here / "plugins"),
            # The script then becomes the Erlang machine itself, which is what gets our signals.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none "
            f"-kernel inet_dist_use_interface {{{LOOPBACK.replace('.', ',')}}}",
        }

    def _write_settings(self) -> None:
        settings = [
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}",
            "vm_memory_high_watermark.absolute = 512MB",
            "disk_free_limit.absolute = 50MB",
            "raft.wal_max_size_bytes = 16000000",
            "log.console.level = warning",
        ]
        (self.directory / "rabbitmq.conf").write_text("\n".join(settings) + "\n")
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "environment").touch()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()
            return " / ".join([line.strip() for line in lines if line.strip()][-5:])
        return "it said nothing"


def rabbitmq_scripts() -> Path:
    """Where rabbitmq-server's own scripts are: Debian's wrappers would switch to another user."""
    places = [*Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"), Path("/opt/rabbitmq/sbin")]
    if found := shutil.which("rabbitmq-server"):
        places.append(Path(found).resolve().parent)
    for place in places:
        if (place / "rabbitmq-env").exists():
            return place
    raise TestServerError("RabbitMQ is missing: apt-get install rabbitmq-server")


def _speaks_amqp(port: int) -> bool:
    """Whether a broker answers a protocol header with the first frame of AMQP 0-9-1, Connection.Start."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


class _Thread:
    """An asyncio loop in a thread of its own, so that a server answers whatever the test is busy with."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(timeout=10)

    def close(self) -> None:
        self.run(_end_other_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


async def _end_other_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """How a mail server meets a recipient, or a message to that recipient."""

    #: The reply, such as ``250 OK`` or ``451 4.3.0 later``.
    reply: str = "250 OK"
    #: Whether the reply answers RCPT or the message itself.
    to: Stage = "message"
    #: Cut the connection while the message comes in, or when it is whole and accepted but not yet confirmed.
    cut: Literal["before_dot", "after_dot"] | None = None
    #: Seconds to wait with the reply.
    delay: float = 0.0

    @property
    def accepts(self) -> bool:
        return self.reply.startswith("2") and self.cut != "before_dot"


ACCEPT: Final = Treatment()
CUT_BEFORE_DOT: Final = Treatment(cut="before_dot")
CUT_AFTER_DOT: Final = Treatment(cut="after_dot")
LATER: Final = Treatment(reply="451 4.3.0 Try again later")
GREYLISTED: Final = Treatment(reply="450 4.2.0 Greylisted", to="recipient")
NO_SUCH_MAILBOX: Final = Treatment(reply="550 5.1.1 No such mailbox", to="recipient")
REFUSED: Final = Treatment(reply="554 5.7.1 Message refused")


@dataclass(frozen=True, kw_only=True)
class ReceivedMail:
    """A message that the mail server took responsibility for."""

    #: The envelope's sender; empty for a bounce.
    sender: str
    #: The envelope's recipients, as accepted.
    recipients: tuple[str, ...]
    #: The bytes between DATA and the dot.
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@dataclass
class _Rule:
    treatment: Treatment
    recipient: str | None
    times: int | None

    def fits(self, addresses: set[str], stage: Stage) -> bool:
        wanted = self.recipient is None or self.recipient in addresses
        return wanted and self.times != 0 and self.treatment.to == stage


@dataclass
class _Rules:
    """Which treatment comes next; the newest rule that fits wins, one for a recipient before one for all."""

    rules: list[_Rule] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: _Rule) -> None:
        with self.lock:
            self.rules.insert(0, rule)

    def clear(self) -> None:
        with self.lock:
            self.rules.clear()

    def next_for(self, recipients: Sequence[str], stage: Stage) -> Treatment:
        addresses = {recipient.casefold() for recipient in recipients}
        with self.lock:
            fitting = [rule for rule in self.rules if rule.fits(addresses, stage)]
            fitting.sort(key=lambda rule: rule.recipient is None)
            if not fitting:
                return ACCEPT
            if fitting[0].times is not None:
                fitting[0].times -= 1
            return fitting[0].treatment


class RecordingMailServer:
    """An SMTP server on loopback that records what it accepts, and treats recipients as it is told.

    It runs in a thread of its own: blocking clients and asyncio clients both work.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, password: str = "") -> None:
        """With TLS it offers STARTTLS; with a password it asks everybody for that one."""
        self.tls = tls
        self.password = password
        #: What was accepted, in order of arrival, also where the client never got to know.
        self.messages: list[ReceivedMail] = []
        #: How many clients have connected.
        self.connections = 0
        self.sessions: set[_MailSession] = set()
        self.host = LOOPBACK
        self.port = 0
        self._rules = _Rules()
        self._thread: _Thread | None = None
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listen; on the same port again after a `stop`."""
        self._thread = _Thread("recording-mail-server")
        self._server = self._thread.run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Refuse connections from now on; what was recorded stays."""
        if self._thread is not None and self._server is not None:
            self._thread.run(self._hang_up(self._server))
            self._thread.close()
            self._thread = self._server = None

    def treat(self, treatment: Treatment, recipient: str | None = None, times: int | None = None) -> None:
        """Treat a recipient (or everybody) so from now on, or the next `times` times."""
        self._rules.add(_Rule(treatment, recipient.casefold() if recipient else None, times))

    def accept_everything(self) -> None:
        """No treatment holds any more; what came stays."""
        self._rules.clear()

    def forget(self) -> None:
        """Accept everything again and forget what came."""
        self.accept_everything()
        self.messages.clear()

    def to(self, recipient: str) -> list[ReceivedMail]:
        """What was accepted for an address."""
        return [mail for mail in list(self.messages) if recipient in mail.recipients]

    async def arrived(self, count: int, within: float = 20.0) -> list[ReceivedMail]:
        """Wait until at least so many messages were accepted, and return them all."""
        deadline = time.monotonic() + within
        while len(self.messages) < count:
            if time.monotonic() > deadline:
                raise TestServerError(f"{len(self.messages)} of {count} messages arrived within {within} s")
            await asyncio.sleep(0.01)
        return list(self.messages)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _MailSession(self, loop), self.host, self.port)

    async def _hang_up(self, server: asyncio.Server) -> None:
        server.close()  # on its own loop: a session that ends meanwhile would meet it half closed
        for session in list(self.sessions):
            session.cut()

    def treatment_of(self, recipients: Sequence[str], stage: Stage) -> Treatment:
        return self._rules.next_for(recipients, stage)


class _MailSession(SMTP):
    """One client's connection. The names of the hooks are aiosmtpd's."""

    def __init__(self, recorder: RecordingMailServer, loop: asyncio.AbstractEventLoop) -> None:
        asks: dict[str, Any] = {"authenticator": self._lets_in, "auth_require_tls": False}
        super().__init__(
            _MailHooks(),
            hostname="mail.example",
            enable_SMTPUTF8=True,
            loop=loop,
            tls_context=recorder.tls,
            **(asks if recorder.password else {}),
        )
        self.recorder = recorder
        self.treatment = ACCEPT

    def _lets_in(self, _server: Any, _session: Any, _envelope: Any, _how: str, said: Any) -> AuthResult:
        return AuthResult(success=said.password == self.recorder.password.encode(), handled=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.recorder.connections += 1
        self.recorder.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.recorder.sessions.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            _reset(self.transport)

    async def cut_here(self) -> None:
        """Cut and never return: the end of the connection cancels the session."""
        self.cut()
        await asyncio.Event().wait()

    async def smtp_DATA(self, arg: str) -> None:
        recipients = self.envelope.rcpt_tos if self.envelope else []
        if not recipients or arg:
            await super().smtp_DATA(arg)
            return
        self.treatment = self.recorder.treatment_of(recipients, "message")
        if self.treatment.cut == "before_dot":
            # At once: the dot may follow the text sooner than a busy machine comes to cut.
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self.cut_here()
        await super().smtp_DATA(arg)


class _MailHooks:
    """What aiosmtpd asks about a recipient and about a whole message."""

    async def handle_RCPT(
        self, server: _MailSession, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        treatment = server.recorder.treatment_of([address], "recipient")
        await asyncio.sleep(treatment.delay)
        if treatment.accepts:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return treatment.reply

    async def handle_DATA(self, server: _MailSession, _session: Session, envelope: Envelope) -> str:
        treatment = server.treatment
        if treatment.accepts:
            server.recorder.messages.append(
                ReceivedMail(
                    sender=envelope.mail_from or "",
                    recipients=tuple(envelope.rcpt_tos),
                    raw=envelope.original_content or b"",
                )
            )
        await asyncio.sleep(treatment.delay)
        if treatment.cut == "after_dot":
            await server.cut_here()
        return treatment.reply


def _reset(transport: asyncio.Transport) -> None:
    """Close with a reset rather than a goodbye, as a firewall or a crashed machine does."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


#: Bytes of a client's first words that a proxy remembers.
_INTRODUCTION = 2048


class RawProxy:
    """A TCP proxy on loopback whose connections can be made to fail, each in the way networks fail.

    `drop` lets bytes vanish while every socket stays open (half-open). A connection that has lost bytes stays
    deaf for ever, also after `heal`, as behind a firewall that forgot it; new ones get through. `cut` resets.
    """

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        #: Where the server is.
        self.upstream = (host, port)
        self.host = LOOPBACK
        #: Where clients connect to; known once started.
        self.port = 0
        self.dropping = False
        #: How many connections are open.
        self.links: set[_Link] = set()
        self._thread: _Thread | None = None
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        self._thread = _Thread("raw-proxy")
        self._server = self._thread.run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]

    def drop(self) -> None:
        """From now on every byte vanishes, both ways, as do goodbyes and answers to new connections."""
        self._switch(dropping=True)

    def heal(self) -> None:
        self._switch(dropping=False)

    def deafen(self, said: bytes) -> int:
        """Let the bytes vanish, both ways, of those connections whose client began by saying this.

        New connections get through. Returns how many went deaf.
        """

        async def deafen() -> int:
            chosen = [link for link in self.links if said in link.beginning and not link.deaf]
            for link in chosen:
                link.deaf = True
            return len(chosen)

        return self._thread.run(deafen()) if self._thread is not None else 0

    def hearing(self, said: bytes) -> int:
        """How many connections are open and not deaf whose client began by saying this."""

        async def hearing() -> int:
            return sum(said in link.beginning and not link.deaf for link in self.links)

        return self._thread.run(hearing()) if self._thread is not None else 0

    def cut(self) -> None:
        """Reset every connection that is open; new ones are accepted."""
        if self._thread is not None:
            self._thread.run(self._cut())

    def close(self) -> None:
        if self._thread is not None and self._server is not None:
            self._thread.run(self._shut(self._server))
            self._thread.close()
            self._thread = self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(lambda: _Link(self).near, self.host, self.port)

    def _switch(self, *, dropping: bool) -> None:
        async def switch() -> None:
            self.dropping = dropping

        if self._thread is not None:
            self._thread.run(switch())

    async def _shut(self, server: asyncio.Server) -> None:
        server.close()  # on its own loop, like everything that happens to a connection
        await self._cut()

    async def _cut(self) -> None:
        for link in list(self.links):
            link.cut()
        await asyncio.sleep(0)  # the sockets close on the loop's next turn


class _Link:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: RawProxy) -> None:
        self.proxy = proxy
        self.near = _End(self)
        self.far = _End(self)
        #: Whether bytes have vanished: then nothing that follows could be understood.
        self.deaf = False
        #: What the client said first, where it introduces itself.
        self.beginning = b""
        self._connecting: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    @property
    def mute(self) -> bool:
        self.deaf = self.deaf or self.proxy.dropping
        return self.deaf

    def opened(self, end: "_End") -> None:
        if end is self.far:
            self.forward(end, b"".join(self._early))
            return
        self.proxy.links.add(self)
        if not self.mute:
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.far, *self.proxy.upstream)
        except OSError:
            self.cut()

    def forward(self, to: "_End", received: bytes) -> None:
        """Send on, keep until the server's side is connected, or let vanish."""
        if to is self.far and len(self.beginning) < _INTRODUCTION:
            self.beginning += received
        if self.mute:
            return
        if to.transport is None:
            self._early.append(received)
        else:
            to.transport.write(received)

    def other(self, end: "_End") -> "_End":
        return self.far if end is self.near else self.near

    def closed(self, end: "_End") -> None:
        if end is self.near and self._connecting is not None:
            self._connecting.cancel()
        other = self.other(end)
        if other.transport is None:
            self.proxy.links.discard(self)
        elif not self.mute:
            other.transport.close()

    def cut(self) -> None:
        for end in (self.near, self.far):
            if end.transport is not None:
                _reset(end.transport)


class _End(asyncio.Protocol):
    """One side of a link: what it receives, the other side sends."""

    def __init__(self, link: _Link) -> None:
        self.link = link
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.link.opened(self)

    def data_received(self, received: bytes) -> None:
        self.link.forward(self.link.other(self), received)

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None
        self.link.closed(self)

    def pause_writing(self) -> None:
        self.link.other(self).pause()

    def resume_writing(self) -> None:
        self.link.other(self).resume()

    def pause(self) -> None:
        if self.transport is not None:
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()


if __name__ == "__main__" and sys.argv[1:2] == ["guard"]:
    guard(int(sys.argv[2]), Path(sys.argv[3]))
