"""TLS to the servers that we use: who cannot show their name hears nothing; no password goes in clear."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.declare import BrokerAway, administrator
from chassis.testing import LOOPBACK, PrivateRabbitMQ
from services.notifications.handover import Connection, ServerAway
from tests.chassis.conftest import Databases, Host, heard


class Server:
    """Somebody who speaks TLS, and what came to them in it."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.heard = b""
        self.certificate = folder / "certificate.pem"
        self._key = folder / "key.pem"
        self._write(names)

    def _write(self, names: tuple[str, ...]) -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        bears = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName(bears), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        self._key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @asynccontextmanager
    async def serving(self, upstream: int = 0) -> AsyncIterator[int]:
        """Listen; pass on to a port, or only greet and hear. The port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if upstream:
                there, back = await asyncio.open_connection(LOOPBACK, upstream)
                await asyncio.gather(_carry(reader, back), _carry(there, writer))
                return
            with closed_after(writer):
                writer.write(b"220 mail.example ESMTP\r\n")
                self.heard += await reader.read(1000)

        async with listening(meet, LOOPBACK, context) as port:
            yield port


@asynccontextmanager
async def listening(
    meet: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    host: str,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server until the block ends and everybody has gone. Its port."""
    meetings = set[asyncio.Task[Any]]()

    async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        meetings.add(task)
        await meet(reader, writer)

    server = await asyncio.start_server(noted, host, 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*meetings, return_exceptions=True), 5)


@contextmanager
def closed_after(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Whoever has hung up is no fault."""
    with contextlib.suppress(OSError):
        yield
    writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closed_after(writer):
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()


@pytest.fixture
def ours(tmp_path: Path) -> Server:
    return Server(tmp_path, "localhost")


#: An address of the server, whether its certificate is known, and whether it hears anything then.
MEETINGS = [("localhost", True, True), (LOOPBACK, True, False), ("localhost", False, False)]


@pytest.mark.parametrize(("host", "known", "speaks"), MEETINGS)
async def test_a_broker_must_bear_its_name(
    ours: Server, monkeypatch: pytest.MonkeyPatch, host: str, known: bool, speaks: bool
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))

    def connect(port: int) -> None:
        with pytest.raises(BrokerAway), administrator(f"amqps://user:Ohkai7ae@{host}:{port}/"):
            pass

    async with ours.serving() as port:
        await asyncio.to_thread(connect, port)
    assert ours.heard.startswith(b"AMQP") is speaks


@pytest.mark.parametrize(("host", "known", "speaks"), MEETINGS)
async def test_a_mail_server_must_bear_its_name(
    ours: Server, monkeypatch: pytest.MonkeyPatch, host: str, known: bool, speaks: bool
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
    async with ours.serving() as port:
        connection = Connection(f"smtps://user:Ohkai7ae@{host}:{port}", greeting="here.example", timeout=2)
        with pytest.raises(ServerAway):
            await connection.open()
    assert ours.heard.startswith(b"EHLO") is speaks


async def test_a_password_goes_to_no_mail_server_in_clear() -> None:
    lines = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closed_after(writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            while line := await reader.readline():
                lines.append(line)
                writer.write(b"250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n")

    # No address that counts as this computer's own.
    async with listening(meet, "127.0.0.2") as port:
        connection = Connection(f"smtp://user:Ohkai7ae@127.0.0.2:{port}", greeting="here.example", timeout=2)
        with pytest.raises(ServerAway):
            await connection.open()
    assert lines
    assert not [line for line in lines if line.startswith(b"AUTH")]


def test_events_travel_over_tls(
    broker: PrivateRabbitMQ,
    ours: Server,
    tmp_path: Path,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
    with in_front_of(broker, ours) as port:
        url = f"amqps://guest:guest@localhost:{port}/"
        with Host(tmp_path / "host", databases, amqp_url=url) as host:
            host.announce("over tls")
            heard(databases, "over tls", within=20)


@contextmanager
def in_front_of(broker: PrivateRabbitMQ, server: Server) -> Iterator[int]:
    """A TLS front of the broker, in a thread of its own. Its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    over, port = asyncio.Event(), Future[int]()

    async def serve() -> None:
        async with server.serving(broker.port) as listening:
            port.set_result(listening)
            await over.wait()

    serving = asyncio.run_coroutine_threadsafe(serve(), loop)
    try:
        yield port.result(5)
    finally:
        loop.call_soon_threadsafe(over.set)
        with contextlib.suppress(TimeoutError):
            serving.result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
