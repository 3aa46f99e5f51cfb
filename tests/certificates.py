"""Certificates of the tests' own, and TLS in front of servers that speak none."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.testing import LOOPBACK

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in two files."""

    certificate: Path
    key: Path
    of: x509.Certificate
    secret: ec.EllipticCurvePrivateKey

    @classmethod
    def write(
        cls, folder: Path, *names: str, signer: Self | None = None, ends_in: timedelta = _HOUR
    ) -> "Certificate":
        """One that bears these names or addresses, and signs itself where nobody else does."""
        secret, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        bears = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        public = secret.public_key()
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(signer.of.subject if signer else name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _HOUR)
            .not_valid_after(now + ends_in)
            .add_extension(x509.SubjectAlternativeName(bears), critical=False)
            .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
            .sign(signer.secret if signer else secret, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        files = folder / "certificate.pem", folder / "key.pem"
        files[0].write_bytes(made.public_bytes(Encoding.PEM))
        files[1].write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cls(*files, made, secret)

    @property
    def context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Server:
    """Somebody who speaks TLS, and what came to them in it."""

    def __init__(self, shown: Certificate) -> None:
        self.heard = b""
        self.shown = shown

    @asynccontextmanager
    async def serving(self, upstream: int = 0) -> AsyncIterator[int]:
        """Listen; pass on to a port, or only greet and hear. The port."""

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if upstream:
                there, back = await asyncio.open_connection(LOOPBACK, upstream)
                await asyncio.gather(_carry(reader, back), _carry(there, writer))
                return
            async with closed_after(writer):
                writer.write(b"220 mail.example ESMTP\r\n")
                self.heard += await reader.read(1000)

        async with listening(meet, LOOPBACK, self.shown.context) as port:
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


@asynccontextmanager
async def closed_after(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Whoever has hung up is no fault. Nothing is left open, also when the other side says no goodbye."""
    try:
        with contextlib.suppress(OSError):
            yield
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 2)
        writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async with closed_after(writer):
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()


@contextmanager
def in_front_of(upstream: int, shown: Certificate) -> Iterator[int]:
    """TLS in front of a port, in a thread of its own; in front of nobody when it is 0. Its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    over, port = asyncio.Event(), Future[int]()

    async def serve() -> None:
        async with Server(shown).serving(upstream) as listening:
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
