"""Announcing: an event becomes a row in the caller's own transaction. State and announcement commit together."""

from typing import Any

import uuid_utils.compat

from chassis.database import Transaction, read_queries
from contracts.envelope import Event, Fact, encode

QUERIES = read_queries(__file__, "messages.sql")

#: PostgreSQL notification channel that wakes the relay at commit.
CHANNEL = "outbox"


async def announce(
    tx: Transaction, fact: type[Fact], *, subject: object, sequence: int, snapshot: bool = False, **data: Any
) -> Event:
    """Announce a fact when, and only when, this transaction commits.

    Args:
        subject: the aggregate that the fact is about.
        sequence: the aggregate's version after the fact.
        snapshot: a repetition of the present state, for copies to be rebuilt from.
        data: the fields of the fact.

    Raises:
        InvalidFact: when the contract refuses the data; names the fields.
    """
    event = Event(
        fact=fact,
        id=uuid_utils.compat.uuid7(),
        subject=str(subject),
        time=tx.now,
        data=data,
        sequence=sequence,
        epoch=await QUERIES.present_epoch(tx) if not tx.epoch else tx.epoch,
        correlationid=tx.cause.correlationid,
        causationid=tx.cause.causationid,
        traceparent=tx.cause.traceparent,
        snapshot=snapshot,
    )
    tx.epoch = event.epoch
    await QUERIES.record_announcement(
        tx,
        id=event.id,
        type=fact.type(),
        subject=event.subject,
        body=encode(event),
        expected=bool(fact.SUBSCRIBERS),
        now=tx.now,
    )
    if not tx.announced:
        await tx.execute(f"NOTIFY {CHANNEL}")
    tx.announced += 1
    return event
