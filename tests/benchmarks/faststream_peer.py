"""FastStream on aio-pika with asyncpg, with an outbox and an inbox, as well as its documentation allows.

``publish AMQP_URL DATABASE_URL`` relays a hundred rows at once, published concurrently with confirms;
``consume AMQP_URL DATABASE_URL`` handles messages concurrently, up to a prefetch of a hundred, with a pool of
ten connections. pydantic validates on both sides, its native way.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from pydantic import AwareDatetime, BaseModel, Field, StrictInt

from tests.benchmarks.peer import announce_and_relay, have_effect

_Code = Annotated[str, Field(min_length=1, max_length=60)]


class Counted(BaseModel):
    """As strict as the contract."""

    area: _Code
    profession: _Code
    count: Annotated[StrictInt, Field(ge=0, le=10**9)]
    counted_on: date


class CloudEvent(BaseModel):
    """The envelope around it."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    time: AwareDatetime
    sequence: Annotated[StrictInt, Field(ge=0, le=2**53)]
    data: Counted


EXCHANGE = RabbitExchange("faststream", durable=True)
QUEUE = RabbitQueue("faststream", durable=True, queue_type=QueueType.QUORUM, routing_key="faststream")
#: Messages handed out ahead, and rows relayed at once.
PREFETCH = BATCH = 100


async def publish(amqp_url: str, database_url: str) -> None:
    broker = RabbitBroker(amqp_url, logger=None)

    async def publish_all(rows: Sequence[Any]) -> None:
        await asyncio.gather(*(publish_one(row) for row in rows))

    async def publish_one(row: Any) -> None:
        await broker.publish(
            row["body"],
            exchange=EXCHANGE,
            routing_key=QUEUE.routing_key,
            mandatory=True,
            persist=True,
            message_id=str(row["id"]),
            content_type="application/json",
        )

    async with broker, asyncpg.create_pool(database_url, max_size=10) as pool:
        await broker.declare_exchange(EXCHANGE)
        await announce_and_relay(pool, encode, publish_all, BATCH)


def encode(document: dict[str, Any]) -> bytes:
    return CloudEvent.model_validate(document).model_dump_json().encode()


async def consume(amqp_url: str, database_url: str) -> None:
    broker = RabbitBroker(amqp_url, default_channel=Channel(prefetch_count=PREFETCH), logger=None)
    async with asyncpg.create_pool(database_url, min_size=10, max_size=10) as pool:

        @broker.subscriber(QUEUE, EXCHANGE, ack_policy=AckPolicy.NACK_ON_ERROR, no_reply=True)
        async def note(event: CloudEvent) -> None:
            await have_effect(pool, event.id, event.subject, event.sequence)

        async with broker:
            await broker.start()
            print("ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run({"publish": publish, "consume": consume}[sys.argv[1]](*sys.argv[2:]))
