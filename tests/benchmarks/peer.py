"""What the peers share: the same outbox and inbox as ours, on asyncpg, and the way they are driven.

A publisher reads how many events from stdin, announces them while its relay runs, and says ``confirmed`` when
all of them are marked. A consumer says ``ready`` and works until it is ended.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

#: Events announced in one transaction, and such transactions at once: as for Conduit.
TOGETHER, AT_ONCE = 200, 2

TABLES = """
CREATE TABLE peer_outbox (
    id uuid PRIMARY KEY, body bytea NOT NULL, next_try timestamptz NOT NULL, published_at timestamptz
);
CREATE INDEX ON peer_outbox (next_try) WHERE published_at IS NULL;
CREATE TABLE peer_inbox (id uuid PRIMARY KEY, handled_at timestamptz NOT NULL);
"""

_RECORD = "INSERT INTO peer_outbox (id, body, next_try) SELECT *, now() FROM unnest($1::uuid[], $2::bytea[])"
_CLAIM = (
    "SELECT id, body FROM peer_outbox WHERE published_at IS NULL AND next_try <= now() "
    "ORDER BY next_try, id LIMIT $1 FOR UPDATE SKIP LOCKED"
)
_MARK = "UPDATE peer_outbox SET published_at = now() WHERE id = ANY($1)"
_ENTER = "INSERT INTO peer_inbox VALUES ($1, now()) ON CONFLICT DO NOTHING RETURNING id"
_EFFECT = "INSERT INTO effects (subject, sequence) VALUES ($1, $2)"

#: Publishes rows of the outbox with confirms, and returns when all of them are confirmed.
Publish = Callable[[Sequence[Any]], Awaitable[None]]


def event(number: int) -> dict[str, Any]:
    """What every side says: a CloudEvent about one count."""
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/conduit/grants",
        "type": "grants.registrations_counted.v1",
        "subject": f"area {number}",
        "time": datetime.now(UTC).isoformat(),
        "sequence": 1,
        "data": {"area": "E09000020", "profession": "dentist", "count": 5, "counted_on": "2012-01-31"},
    }


async def announce_and_relay(
    pool: asyncpg.Pool, encode: Callable[[dict[str, Any]], bytes], publish: Publish, batch: int
) -> None:
    """Announce as many as each line of stdin says, and relay them, at the same time."""
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        total, gate = int(line), asyncio.Semaphore(AT_ONCE)
        numbers = range(total)
        parts = [numbers[first : first + TOGETHER] for first in range(0, total, TOGETHER)]
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                tasks.create_task(_announce(pool, gate, encode, part))
            tasks.create_task(_relay(pool, publish, batch, total))
        print("confirmed", flush=True)


async def _announce(
    pool: asyncpg.Pool, gate: asyncio.Semaphore, encode: Callable[[dict[str, Any]], bytes], part: range
) -> None:
    async with gate:
        events = [event(number) for number in part]
        ids, bodies = [UUID(each["id"]) for each in events], [encode(each) for each in events]
        async with pool.acquire() as connection:
            await connection.execute(_RECORD, ids, bodies)


async def _relay(pool: asyncpg.Pool, publish: Publish, batch: int, total: int) -> None:
    relayed = 0
    while relayed < total:
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_CLAIM, batch)
            if rows:
                await publish(rows)
                await connection.execute(_MARK, [row["id"] for row in rows])
        relayed += len(rows)
        if not rows:
            await asyncio.sleep(0.005)


async def have_effect(pool: asyncpg.Pool, id: UUID, subject: str, sequence: int) -> None:
    """Inbox row and effect in one transaction; nothing the second time."""
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_ENTER, id) is not None:
            await connection.execute(_EFFECT, subject, sequence)
