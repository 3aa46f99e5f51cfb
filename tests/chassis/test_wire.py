"""What is done to py-amqp's transport: fewer calls, the same messages."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import amqp
import kombu
import pytest
from amqp.exceptions import FrameSyntaxError

from chassis.testing import PrivateRabbitMQ
from chassis.wire import read_ahead, writing_together

MESSAGES = [f"message {number} {'x' * 700}" for number in range(100)]


class Counted:
    """A callable that says how often it was called."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.times = 0

    def __call__(self, *arguments: Any) -> Any:
        self.times += 1
        return self._call(*arguments)


class CountedSocket:
    """A socket whose reads are counted; everything else is the socket's own."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.recv = Counted(socket.recv)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


@pytest.fixture
def connection(rabbitmq: PrivateRabbitMQ) -> Iterator[amqp.Connection]:
    opened = kombu.Connection(rabbitmq.url).transport.establish_connection()
    opened.channel(1).queue_declare("wire", exclusive=True)
    yield opened
    opened.close()


def received(connection: amqp.Connection) -> list[str]:
    bodies: list[str] = []
    connection.channel(1).basic_consume("wire", no_ack=True, callback=lambda each: bodies.append(each.body))
    with suppress(TimeoutError):
        while len(bodies) < len(MESSAGES):
            connection.drain_events(timeout=5)
    return bodies


def publish(connection: amqp.Connection, messages: Sequence[str | amqp.Message]) -> None:
    for message in messages:
        whole = amqp.Message(message) if isinstance(message, str) else message
        connection.channel(1).basic_publish(whole, routing_key="wire")


def test_a_batch_is_written_in_few_pieces_and_arrives_as_it_was(connection: amqp.Connection) -> None:
    written = connection.transport._write = Counted(connection.transport._write)
    with writing_together(connection):
        publish(connection, MESSAGES)
    assert written.times == 2, "80 KB in pieces of 64: py-amqp no longer writes through what is replaced here"
    assert received(connection) == MESSAGES


def test_a_batch_that_fails_leaves_nothing_to_be_written_later(connection: amqp.Connection) -> None:
    unwritable = amqp.Message("x", application_headers={"size": object()})
    with pytest.raises(FrameSyntaxError), writing_together(connection):
        publish(connection, [*MESSAGES[:3], unwritable])
    publish(connection, MESSAGES)
    assert received(connection) == MESSAGES


def test_what_is_there_is_read_at_once_and_taken_apart_later(connection: amqp.Connection) -> None:
    publish(connection, MESSAGES)
    connection.transport.sock = socket = CountedSocket(connection.transport.sock)
    read_ahead(connection)
    assert received(connection) == MESSAGES
    assert 0 < socket.recv.times < len(MESSAGES), "py-amqp no longer reads through what is replaced here"
