"""Declaring the topology: exchanges, queues and bindings, by a user who may.

Done at deploy, not by whoever starts first: the services' own users can neither declare nor see arguments
and bindings. Plain kombu, in a process without the services' loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import kombu
from kombu.exceptions import OperationalError

from chassis.errors import ChassisError
from contracts.catalogue import facts_for
from contracts.topology import (
    EXCHANGES,
    SERVICES,
    Queue,
    canary_key,
    dead_letters_of,
    inbox_of,
    signs_heard_by,
)


class BrokerAway(ChassisError):
    """The broker does not answer, or refuses this user."""


class QueueDiffers(ChassisError):
    """A queue exists with other arguments than it should have."""


def address_of(url: str, **options: Any) -> kombu.Connection:
    """Where a broker is and how to speak with it. Over TLS its certificate must bear its name.

    py-amqp by itself asks only whether somebody known has signed the certificate, whoever it is of.
    """
    parts = urlsplit(url)
    ssl = {"server_hostname": parts.hostname} if parts.scheme == "amqps" else False
    return kombu.Connection(url, ssl=ssl, **options)


@contextmanager
def administrator(url: str) -> Iterator[Any]:
    """A channel of a user who may declare.

    Raises:
        BrokerAway: when there is no connection to be had. Never repeats the address.
    """
    limits = {"read_timeout": 10, "write_timeout": 10}
    address = address_of(url, connect_timeout=5, transport_options=limits)
    try:
        connection = address.transport.establish_connection()
    except (OSError, OperationalError, *address.connection_errors) as error:
        raise BrokerAway(f"The broker does not answer ({type(error).__name__}).") from None
    try:
        yield connection.channel()
    finally:
        with suppress(OSError, *address.connection_errors):
            connection.close()
        connection.collect()


def declare(url: str) -> list[str]:
    """Make everything that the catalogue needs; what exists stays. The names of the queues.

    Raises:
        QueueDiffers: names a queue that must be emptied and deleted first.
    """
    with administrator(url) as channel:
        for exchange in EXCHANGES.values():
            channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
    declared = []
    for service in SERVICES:
        for queue in (dead_letters_of(service), inbox_of(service)):
            _declare_queue(url, queue)
            declared.append(queue.name)
        _bind(url, service)
    return declared


def _declare_queue(url: str, queue: Queue) -> None:
    with administrator(url) as channel:
        try:
            channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
        except channel.connection.channel_errors as error:
            if getattr(error, "code", None) == 406:
                raise QueueDiffers(
                    f"The queue {queue.name} exists with other arguments. Let its service empty it, "
                    "delete it, and declare again."
                ) from None
            raise


def _bind(url: str, service: str) -> None:
    """Bind an inbox to the facts that its service handles, and to the signs of life that it hears."""
    inbox = inbox_of(service).name
    with administrator(url) as channel:
        for kind, fact in facts_for(service).items():
            channel.queue_bind(inbox, EXCHANGES[fact.OWNER], kind)
        for sender in (service, *signs_heard_by(service)):
            channel.queue_bind(inbox, EXCHANGES[sender], canary_key(sender))


def waiting(url: str) -> dict[str, tuple[int, int]]:
    """How many messages wait in each queue and how many consumers it has.

    Raises:
        BrokerAway: also when a queue does not exist: declare first.
    """
    counts = {}
    for service in SERVICES:
        for queue in (inbox_of(service), dead_letters_of(service)):
            with administrator(url) as channel:
                try:
                    answer = channel.queue_declare(queue.name, passive=True)
                except channel.connection.channel_errors:
                    raise BrokerAway(f"The queue {queue.name} does not exist. Run: conduit declare") from None
            counts[queue.name] = (answer.message_count, answer.consumer_count)
    return counts


def verify(url: str) -> int:
    """Check that every queue exists with the arguments that it should have. How many there are.

    Raises:
        BrokerAway: when a queue does not exist.
        QueueDiffers: when one has other arguments.
    """
    found = waiting(url)
    for service in SERVICES:
        for queue in (inbox_of(service), dead_letters_of(service)):
            _declare_queue(url, queue)
    return len(found)


def remove(url: str) -> None:
    """Delete every queue and exchange of the topology: the end of a throwaway instance."""
    with administrator(url) as channel:
        for service in SERVICES:
            for queue in (inbox_of(service), dead_letters_of(service)):
                channel.queue_delete(queue.name)
        for exchange in EXCHANGES.values():
            channel.exchange_delete(exchange)
