"""The private servers of the tests do what they say, and leave nothing behind."""

import os
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import amqp
import asyncpg
import pytest

from chassis import testing
from chassis.embedded import alive
from chassis.testing import (
    CUT_AFTER_DOT,
    CUT_BEFORE_DOT,
    GREYLISTED,
    LATER,
    LOOPBACK,
    NO_SUCH_MAILBOX,
    REFUSED,
    PrivatePostgres,
    PrivateRabbitMQ,
    RawProxy,
    RecordingMailServer,
    TestServerError,
    Treatment,
    eventually,
    free_port,
)

ROOT = Path(testing.__file__).parent.parent


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server((LOOPBACK, free_port())) as listening:
        assert listening.getsockname()[1] < 32_768


def test_a_port_is_given_once_also_while_nothing_listens_on_it() -> None:
    given = free_port()
    with socket.socket(type=socket.SOCK_DGRAM) as mark, pytest.raises(OSError, match="in use"):
        mark.bind((LOOPBACK, given))


# PostgreSQL


async def test_a_private_postgres_keeps_committed_rows_when_killed() -> None:
    with PrivatePostgres() as postgres:
        url = postgres.url
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        postgres.kill()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.execute("SELECT 1")
        connection.terminate()
        assert not postgres.running

        postgres.start()
        assert postgres.url == url
        connection = await asyncpg.connect(postgres.database_url("postgres"))
        assert await connection.fetchval("SELECT seven FROM kept") == 7
        assert await connection.fetchval("SHOW fsync") == "off"
        await connection.close()
    assert not postgres.directory.exists()


# RabbitMQ


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[PrivateRabbitMQ]:
    with PrivateRabbitMQ() as broker:
        yield broker


def connect(broker: PrivateRabbitMQ) -> amqp.Connection:
    connection = amqp.Connection(f"{LOOPBACK}:{broker.port}", "guest", "guest", connect_timeout=5)
    connection.connect()
    return connection


def test_a_private_broker_listens_on_loopback_only_and_obeys_rabbitmqctl(rabbitmq: PrivateRabbitMQ) -> None:
    assert rabbitmq.url == f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}//"
    assert rabbitmq.control("list_vhosts", "name", "--no-table-headers").split() == ["/"]
    with pytest.raises(TestServerError, match="rabbitmqctl no_such_command"):
        rabbitmq.control("no_such_command")
    inodes = {str(link.readlink()) for link in _descriptors(rabbitmq.pid)}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    ours = {columns[1] for columns in listening if f"socket:[{columns[9]}]" in inodes}
    assert f"0100007F:{rabbitmq.port:04X}" in ours
    assert {address.partition(":")[0] for address in ours} == {"0100007F"}


def _descriptors(pid: int) -> list[Path]:
    return [path for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]


def test_a_frozen_broker_keeps_connections_open_and_silent(rabbitmq: PrivateRabbitMQ) -> None:
    connection = connect(rabbitmq)
    rabbitmq.freeze()
    try:
        with pytest.raises((TimeoutError, OSError)):
            _ask_for_channel(connection, timeout=0.3)
    finally:
        rabbitmq.thaw()
    connection.collect()
    connect(rabbitmq).close()


def _ask_for_channel(connection: amqp.Connection, timeout: float) -> None:
    connection.transport.sock.settimeout(timeout)
    connection.channel()


def test_a_persistent_message_survives_kill_9_of_the_broker(rabbitmq: PrivateRabbitMQ) -> None:
    connection = connect(rabbitmq)
    channel = connection.channel()
    quorum = {"x-queue-type": "quorum"}
    channel.queue_declare("kept", durable=True, exclusive=False, auto_delete=False, arguments=quorum)
    message = amqp.Message(b"seven", delivery_mode=2)
    channel.basic_publish_confirm(message, routing_key="kept", mandatory=True, confirm_timeout=5)
    time.sleep(1)  # RabbitMQ writes the list of its quorum queues twice a second, not at once
    rabbitmq.kill()
    assert not rabbitmq.running
    connection.collect()

    rabbitmq.start()
    found: list[bytes] = []
    eventually(lambda: _took(rabbitmq, found), within=60, otherwise="the message is gone")
    assert found == [b"seven"]


def _took(rabbitmq: PrivateRabbitMQ, found: list[bytes]) -> bool:
    """Whether a message came; a quorum queue needs a moment to elect its leader, and may refuse before."""
    try:
        with connect(rabbitmq) as again, again.channel() as channel:
            message = channel.basic_get("kept", no_ack=True)
    except amqp.InternalError:
        return False
    if message is not None:
        found.append(message.body.encode() if isinstance(message.body, str) else message.body)
    return bool(found)


def test_without_rabbitmq_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(TestServerError, match=r"^RabbitMQ is missing: apt-get install rabbitmq-server$"):
        testing.rabbitmq_scripts()


# When the tests themselves are killed


def test_every_server_vanishes_soon_after_kill_9_of_the_tests() -> None:
    program = """
import threading, time
from chassis.testing import *
postgres, rabbitmq = PrivatePostgres(), PrivateRabbitMQ()
postgres.start()
threading.Thread(target=rabbitmq.start, daemon=True).start()
while not (rabbitmq.directory / "mnesia").exists(): time.sleep(0.05)
print(postgres.server.pid, rabbitmq.pid, postgres.directory, rabbitmq.directory, flush=True)
time.sleep(60)
"""
    tests = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    told = tests.stdout.readline().split()
    pids, directories = [int(word) for word in told[:2]], [Path(word) for word in told[2:]]
    group = pids[1]
    assert all(alive(pid) for pid in pids)
    assert _members(group), "epmd and the node share a process group"

    tests.kill()
    tests.communicate()
    eventually(
        lambda: not any(alive(pid) for pid in pids), within=20, otherwise="a server outlived the tests"
    )
    eventually(lambda: not _members(group), within=20, otherwise="epmd outlived the tests")
    eventually(lambda: not any(d.exists() for d in directories), within=20, otherwise="a directory is left")


def _members(group: int) -> list[int]:
    told = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in told.split() if alive(int(pid))]


def test_a_server_that_is_forgotten_vanishes_with_the_process() -> None:
    program = """
from chassis.testing import *
postgres = PrivatePostgres()
postgres.start()
print(postgres.server.pid, postgres.directory, flush=True)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    pid, directory = told.stdout.split()
    eventually(lambda: not alive(int(pid)), within=20, otherwise="PostgreSQL outlived its process")
    eventually(lambda: not Path(directory).exists(), within=20, otherwise="the directory is left")


def test_a_ctrl_c_does_not_take_the_guardian_along() -> None:
    with PrivatePostgres() as postgres:
        guardian = postgres._guardian._process.pid
        assert os.getsid(guardian) != os.getsid(0)


# Mail


@pytest.fixture
def mail() -> Iterator[RecordingMailServer]:
    with RecordingMailServer() as server:
        yield server


def letter(to: str = "reader@trust.example") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "office@forum.example", to, "Société"
    message.set_content("Dear reader,\n.\nyours")
    return message


async def send(mail: RecordingMailServer, message: EmailMessage, within: float = 20.0) -> None:
    await aiosmtplib.send(message, hostname=mail.host, port=mail.port, timeout=within, start_tls=False)


async def test_an_accepted_message_is_recorded_with_its_envelope(mail: RecordingMailServer) -> None:
    await send(mail, letter())
    [received] = await mail.arrived(1)
    assert (received.sender, received.recipients) == ("office@forum.example", ("reader@trust.example",))
    assert received.parsed["Subject"] == "Société"
    assert received.parsed.get_content().splitlines() == ["Dear reader,", ".", "yours"]
    assert mail.to("reader@trust.example") == [received]
    assert mail.to("someone@else.example") == []


def test_a_blocking_client_is_served_too(mail: RecordingMailServer) -> None:
    with smtplib.SMTP(mail.host, mail.port, timeout=20) as client:
        client.send_message(letter())
    assert len(mail.messages) == 1


async def test_a_recipient_may_be_refused_while_others_are_accepted(mail: RecordingMailServer) -> None:
    mail.treat(NO_SUCH_MAILBOX, "Gone@trust.example")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refusal:
        await send(mail, letter("gone@trust.example"))
    assert refusal.value.recipients[0].code == 550
    await send(mail, letter())
    assert [received.recipients for received in mail.messages] == [("reader@trust.example",)]


async def test_a_greylisted_recipient_is_accepted_the_second_time(mail: RecordingMailServer) -> None:
    mail.treat(GREYLISTED, times=1)
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await send(mail, letter())
    await send(mail, letter())
    assert len(mail.messages) == 1


@pytest.mark.parametrize(("treatment", "code"), [(LATER, 451), (REFUSED, 554)])
async def test_a_message_may_be_refused_for_now_or_for_good(
    mail: RecordingMailServer, treatment: Treatment, code: int
) -> None:
    mail.treat(treatment)
    with pytest.raises(aiosmtplib.SMTPDataError) as refusal:
        await send(mail, letter())
    assert refusal.value.code == code
    assert mail.messages == []
    mail.forget()
    await send(mail, letter())
    assert len(mail.messages) == 1


async def test_a_connection_cut_before_the_dot_has_delivered_nothing(mail: RecordingMailServer) -> None:
    mail.treat(CUT_BEFORE_DOT, times=1)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, OSError)):
        await send(mail, letter())
    assert mail.messages == []
    await send(mail, letter())
    assert mail.connections == 2


async def test_a_connection_cut_after_the_dot_has_delivered_unbeknown_to_the_sender(
    mail: RecordingMailServer,
) -> None:
    mail.treat(CUT_AFTER_DOT, "reader@trust.example")
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, OSError)):
        await send(mail, letter())
    assert len(await mail.arrived(1)) == 1


async def test_a_late_answer_outlasts_an_impatient_sender(mail: RecordingMailServer) -> None:
    mail.treat(Treatment(delay=3), times=1)
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await send(mail, letter(), within=1.5)
    assert len(mail.messages) == 1
    mail.treat(Treatment(delay=0.1))
    await send(mail, letter())
    assert len(mail.messages) == 2


async def test_a_stopped_mail_server_refuses_and_comes_back_at_the_same_port(
    mail: RecordingMailServer,
) -> None:
    port = mail.port
    mail.stop()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await send(mail, letter())
    mail.start()
    assert mail.port == port
    await send(mail, letter())
    assert len(mail.messages) == 1


async def test_waiting_for_mail_that_does_not_come_says_how_much_came(mail: RecordingMailServer) -> None:
    with pytest.raises(TestServerError, match="0 of 1 messages"):
        await mail.arrived(1, within=0.05)


# Networks


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(65536):
            self.request.sendall(received)


@pytest.fixture
def proxy() -> Iterator[RawProxy]:
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with RawProxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()


def client(proxy: RawProxy) -> socket.socket:
    return socket.create_connection((proxy.host, proxy.port), timeout=20)


def exchange(connection: socket.socket, sent: bytes, within: float = 20) -> bytes:
    connection.settimeout(within)
    connection.sendall(sent)
    received = b""
    while len(received) < len(sent):
        received += connection.recv(65536)
    return received


def test_a_proxy_passes_bytes_and_goodbyes(proxy: RawProxy) -> None:
    with client(proxy) as connection:
        assert exchange(connection, b"x" * 1_000_000) == b"x" * 1_000_000
        assert len(proxy.links) == 1
    eventually(lambda: not proxy.links, within=20, otherwise="a link stays open")


def test_dropped_bytes_vanish_while_the_connection_stays_open(proxy: RawProxy) -> None:
    with client(proxy) as before, client(proxy) as idle:
        assert exchange(before, b"1") == b"1"
        assert exchange(idle, b"1") == b"1"
        proxy.drop()
        with pytest.raises(TimeoutError):
            exchange(before, b"2", within=0.2)
        with client(proxy) as during, pytest.raises(TimeoutError):
            exchange(during, b"3", within=0.2)

        proxy.heal()
        with pytest.raises(TimeoutError):
            exchange(before, b"4", within=0.2)
        assert exchange(idle, b"5") == b"5"
        with client(proxy) as after:
            assert exchange(after, b"6") == b"6"


def test_one_connection_goes_deaf_by_what_its_client_said_first(proxy: RawProxy) -> None:
    with client(proxy) as reader, client(proxy) as writer:
        assert exchange(reader, b"I read") == b"I read"
        assert exchange(writer, b"I write") == b"I write"
        assert proxy.deafen(b"I read") == 1
        assert proxy.hearing(b"I read") == 0
        with pytest.raises(TimeoutError):
            exchange(reader, b"2", within=0.2)
        assert exchange(writer, b"3") == b"3"
        with client(proxy) as another:
            assert exchange(another, b"I read again") == b"I read again"
            assert proxy.hearing(b"I read") == 1
        assert proxy.deafen(b"I write") == 1


def test_a_cut_resets_what_is_open_and_lets_new_connections_in(proxy: RawProxy) -> None:
    with client(proxy) as connection:
        assert exchange(connection, b"1") == b"1"
        proxy.cut()
        with pytest.raises(ConnectionError):
            connection.recv(1)
    with client(proxy) as connection:
        assert exchange(connection, b"4") == b"4"


def test_a_proxy_to_nobody_closes_at_once() -> None:
    with RawProxy(free_port()) as proxy, pytest.raises(ConnectionError), client(proxy) as connection:
        connection.recv(1)  # unless the end came while it still connected
