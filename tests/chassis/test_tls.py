"""TLS to the servers that we use: who cannot show their name hears nothing; no password goes in clear."""

import asyncio
from pathlib import Path

import pytest

from chassis.declare import BrokerAway, administrator
from chassis.testing import LOOPBACK, PrivateRabbitMQ
from services.notifications.handover import Connection, ServerAway
from tests.certificates import Certificate, Server, closed_after, in_front_of, listening
from tests.chassis.conftest import Databases, Host, heard


@pytest.fixture
def ours(tmp_path: Path) -> Server:
    return Server(Certificate.write(tmp_path, "localhost"))


#: An address of the server, whether its certificate is known, and whether it hears anything then.
MEETINGS = [("localhost", True, True), (LOOPBACK, True, False), ("localhost", False, False)]


@pytest.mark.parametrize(("host", "known", "speaks"), MEETINGS)
async def test_a_broker_must_bear_its_name(
    ours: Server, monkeypatch: pytest.MonkeyPatch, host: str, known: bool, speaks: bool
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.shown.certificate))

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
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.shown.certificate))
    async with ours.serving() as port:
        connection = Connection(f"smtps://user:Ohkai7ae@{host}:{port}", greeting="here.example", timeout=20)
        with pytest.raises(ServerAway):
            await connection.open()
    assert ours.heard.startswith(b"EHLO") is speaks


async def test_a_password_goes_to_no_mail_server_in_clear() -> None:
    lines = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closed_after(writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            while line := await reader.readline():
                lines.append(line)
                writer.write(b"250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n")

    # No address that counts as this computer's own.
    async with listening(meet, "127.0.0.2") as port:
        connection = Connection(f"smtp://user:Ohkai7ae@127.0.0.2:{port}", greeting="here.example", timeout=20)
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
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.shown.certificate))
    with in_front_of(broker.port, ours.shown) as port:
        url = f"amqps://guest:guest@localhost:{port}/"
        with Host(tmp_path / "host", databases, amqp_url=url) as host:
            host.announce("over tls")
            heard(databases, "over tls")
