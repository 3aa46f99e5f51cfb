"""The raw limit of a path: nothing is checked, remembered or retried. One process publishes, one consumes.

``python -m tests.benchmarks.limit publish AMQP_URL`` reads how many from stdin, again and again;
``python -m tests.benchmarks.limit consume AMQP_URL DATABASE_URL`` notes what it receives until it is ended.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any

import amqp
import asyncpg
import kombu

from contracts.catalogue import sample
from contracts.envelope import CONTENT_TYPE, encode
from contracts.grants import RegistrationsCounted
from contracts.topology import NOTIFICATIONS, inbox_of

#: The same kind of queue, under a name of its own.
QUEUE = "limit"

#: Messages published until their confirms are awaited, and messages noted in one transaction.
BATCH = 500


def connect(url: str) -> Any:
    """A connection without any recovery."""
    return kombu.Connection(url).transport.establish_connection()


def publish(url: str) -> None:
    """Publish so many persistent messages as a line says, and say when all of them are confirmed."""
    connection = connect(url)
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=inbox_of(NOTIFICATIONS).arguments)
    channel.confirm_select()
    waiting: set[int] = set()
    channel.events["basic_ack"].add(lambda tag, multiple: _settle(waiting, tag, multiple))
    body = encode(sample(RegistrationsCounted))
    tag = 0
    print("ready", flush=True)
    for line in sys.stdin:
        last = tag + int(line)
        while tag < last:
            for _ in range(min(last - tag, BATCH)):
                tag += 1
                waiting.add(tag)
                message = amqp.Message(body, content_type=CONTENT_TYPE, delivery_mode=2)
                channel.basic_publish(message, routing_key=QUEUE, mandatory=True)
            while waiting:
                connection.drain_events()
        print("confirmed", flush=True)


def _settle(waiting: set[int], tag: int, multiple: bool) -> None:
    waiting -= {each for each in waiting if each <= tag} if multiple else {tag}


async def consume(url: str, database_url: str) -> None:
    """Note every message by one insert for all that is there, then acknowledge all of it at once."""
    database = await asyncpg.connect(database_url)
    connection = connect(url)
    channel = connection.channel()
    channel.basic_qos(0, 2 * BATCH, False)
    received: list[int] = []
    channel.basic_consume(QUEUE, callback=lambda message: received.append(message.delivery_tag))
    print("ready", flush=True)
    while True:
        with suppress(TimeoutError):
            while len(received) < BATCH:
                connection.drain_events(timeout=0.002 if received else 0.5)
        if received:
            batch, received[:] = list(received), []
            await database.execute(
                "INSERT INTO effects (subject, sequence) SELECT unnest($1::text[]), 1", list(map(str, batch))
            )
            channel.basic_ack(batch[-1], multiple=True)


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(sys.argv[2])
    else:
        asyncio.run(consume(sys.argv[2], sys.argv[3]))
