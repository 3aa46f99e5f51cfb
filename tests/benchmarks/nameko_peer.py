"""Plain nameko: ``event_handler`` and its standalone dispatcher, with an outbox and an inbox on asyncpg.

nameko declares the queue by itself, so it is a classic one, not a quorum queue; the dispatcher waits for the
confirm of each message. asyncpg runs on eventlet's asyncio hub, as in Conduit.
"""

import chassis.loop  # isort: skip  # first: it patches before anything opens a socket

import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from nameko.containers import ServiceContainer
from nameko.events import event_handler
from nameko.standalone.events import event_dispatcher

from contracts.grants import RegistrationsCounted
from tests.benchmarks.peer import announce_and_relay, have_effect

FACT = RegistrationsCounted()
#: Workers, which nameko also takes as the prefetch; connections of the pool; rows relayed at once.
WORKERS = POOL = 10
BATCH = 100


class Listener:
    """Notes what it hears, one message at a time in each of its workers."""

    name = "listener"
    pool: asyncpg.Pool

    @event_handler("grants", "counted")
    def note(self, event: dict[str, Any]) -> None:
        FACT.load(event["data"])
        subject, sequence = event["subject"], event["sequence"]
        chassis.loop.wait(have_effect(self.pool, UUID(event["id"]), subject, sequence), 30)


async def open_pool(database_url: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(database_url, min_size=POOL, max_size=POOL)


def consume(amqp_url: str, database_url: str) -> None:
    Listener.pool = chassis.loop.wait(open_pool(database_url), 30)
    container = ServiceContainer(Listener, {"AMQP_URI": amqp_url, "max_workers": WORKERS})
    container.start()
    print("ready", flush=True)
    container.wait()


def publish(amqp_url: str, database_url: str) -> None:
    dispatch = event_dispatcher({"AMQP_URI": amqp_url})

    async def publish_all(rows: Sequence[Any]) -> None:
        await chassis.loop.green(dispatch_all, rows)

    def dispatch_all(rows: Sequence[Any]) -> None:
        for row in rows:
            dispatch("grants", "counted", json.loads(row["body"]))

    async def run() -> None:
        async with asyncpg.create_pool(database_url, max_size=POOL) as pool:
            await announce_and_relay(pool, encode, publish_all, BATCH)

    chassis.loop.wait(run())


def encode(document: dict[str, Any]) -> bytes:
    FACT.load(document["data"])
    return json.dumps(document).encode()


if __name__ == "__main__":
    {"publish": publish, "consume": consume}[sys.argv[1]](*sys.argv[2:])
