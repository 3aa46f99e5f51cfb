"""Declaring the topology: exchanges, queues and bindings, by a user who may.

Done at deploy, not by whoever starts first: the services' own users can neither declare nor see arguments
and bindings. Plain kombu, in a process without the services' loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import amqp
import kombu
from kombu.exceptions import OperationalError

from chassis.errors import Away, ChassisError
from chassis.reachable import sentence, why_not
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

#: The longest that one step of a connection may take, in seconds.
_PATIENCE = 5


class BrokerAway(Away):
    """The broker does not answer."""


class BrokerRefuses(ChassisError):
    """The broker is there but does not let us in.

    Correct user, password and virtual host in CONDUIT_AMQP_URL and CONDUIT_AMQP_ADMIN_URL.
    """


class MayNot(ChassisError):
    """The broker lets this user in but not do this. Give CONDUIT_AMQP_ADMIN_URL a user who may declare."""


class NotDeclared(ChassisError):
    """A queue does not exist."""


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
def administrator(url: str, **options: Any) -> Iterator[Any]:
    """A channel of a user who may declare.

    Args:
        options: of the connection, beside its limits.

    Raises:
        BrokerAway: when there is no connection to be had, or it is lost. Never repeats the address.
        BrokerRefuses: when user, password or virtual host are wrong.
        MayNot: when this user may not do what the block does.
    """
    limits = {"read_timeout": _PATIENCE, "write_timeout": _PATIENCE}
    address = address_of(url, connect_timeout=_PATIENCE, transport_options=limits | options)
    try:
        connection = address.transport.establish_connection()
    except (amqp.AccessRefused, amqp.NotAllowed):
        raise BrokerRefuses from None
    except (OSError, OperationalError, *address.connection_errors) as error:
        raise _away(error) from None
    try:
        yield connection.channel()
    except amqp.AccessRefused:
        raise MayNot from None
    except (OSError, *address.connection_errors) as error:
        raise _away(error) from None
    finally:
        with suppress(OSError, *address.connection_errors):
            connection.close()
        connection.collect()


def _away(error: BaseException) -> BrokerAway:
    return BrokerAway(sentence("The broker", why_not(error, "CONDUIT_AMQP_URL")))


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
    inbox = inbox_of(service).name
    with administrator(url) as channel:
        for exchange, key in bindings_of(service):
            channel.queue_bind(inbox, exchange, key)


def bindings_of(service: str) -> list[tuple[str, str]]:
    """What goes to an inbox: the facts that its service handles and the signs of life that it hears.

    Returns:
        an exchange and a routing key for each.
    """
    facts = [(EXCHANGES[fact.OWNER], kind) for kind, fact in facts_for(service).items()]
    signs = [(EXCHANGES[sender], canary_key(sender)) for sender in (service, *signs_heard_by(service))]
    return [*facts, *signs]


def waiting(url: str) -> dict[str, tuple[int, int]]:
    """How many messages wait in each queue and how many consumers it has.

    Raises:
        NotDeclared: when a queue does not exist.
    """
    counts = {}
    for service in SERVICES:
        for queue in (inbox_of(service), dead_letters_of(service)):
            with administrator(url) as channel:
                try:
                    answer = channel.queue_declare(queue.name, passive=True)
                except channel.connection.channel_errors:
                    raise NotDeclared(
                        f"The queue {queue.name} does not exist. Run: conduit declare"
                    ) from None
            counts[queue.name] = (answer.message_count, answer.consumer_count)
    return counts


def verify(url: str) -> int:
    """Check that every queue exists with the arguments that it should have. How many there are.

    Raises:
        NotDeclared: when a queue does not exist.
        QueueDiffers: when one has other arguments.
    """
    found = waiting(url)
    for service in SERVICES:
        for queue in (inbox_of(service), dead_letters_of(service)):
            _declare_queue(url, queue)
    return len(found)


def takes_messages(url: str) -> bool:
    """Whether the broker takes any. It takes none once its memory or its disk is nearly used up.

    Nobody but whoever offers one is told, so one is offered, which no queue gets.
    """
    told: list[str] = []
    answered: list[object] = []
    with administrator(url, on_blocked=told.append) as channel:
        channel.events["basic_ack"].add(lambda *_: answered.append(True))
        channel.confirm_select()
        try:
            channel.basic_publish(amqp.Message(b""), exchange="", routing_key="conduit.nobody")
            while not told and not answered:
                channel.connection.drain_events(timeout=_PATIENCE)
        except amqp.AccessRefused:  # who may not offer one there was listened to all the same
            return True
        if told:
            channel.connection.collect()  # it does not listen to a goodbye either
    return not told


def empty(url: str) -> int:
    """Drop everything that waits, which a restored installation never said. How many messages that was."""
    dropped = 0
    with administrator(url) as channel:
        for service in SERVICES:
            for queue in (dead_letters_of(service), inbox_of(service)):
                dropped += channel.queue_purge(queue.name)
    return dropped


def remove(url: str) -> None:
    """Delete every queue and exchange of the topology: the end of a throwaway instance."""
    with administrator(url) as channel:
        for service in SERVICES:
            for queue in (inbox_of(service), dead_letters_of(service)):
                channel.queue_delete(queue.name)
        for exchange in EXCHANGES.values():
            channel.exchange_delete(exchange)
