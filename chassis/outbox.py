"""Announcing: an event becomes a row in the caller's own transaction.

State and announcement commit together.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import uuid_utils.compat

from chassis.database import Transaction, read_queries
from contracts.envelope import Event, Fact, encode

QUERIES = read_queries(__file__, "messages.sql")

#: Announces a page of one aggregate's present state, for copies to be rebuilt from: after which subject, how
#: many at the most. Answers the last subject announced, or ``None`` when there are no more.
AnnouncePage = Callable[[Transaction, str | None, int], Awaitable[str | None]]

#: PostgreSQL notification channel that wakes the relay at commit.
CHANNEL = "outbox"


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """A fact to be announced, before it has an id, a time and a cause."""

    fact: type[Fact]
    #: The aggregate that the fact is about.
    subject: object
    #: The aggregate's version after the fact.
    sequence: int
    #: The fields of the fact.
    data: Mapping[str, Any]
    #: A repetition of the present state, for copies to be rebuilt from.
    snapshot: bool = False


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
    said = Announcement(fact=fact, subject=subject, sequence=sequence, data=data, snapshot=snapshot)
    [event] = await announce_many(tx, [said])
    return event


async def announce_many(tx: Transaction, announcements: Iterable[Announcement]) -> list[Event]:
    """Announce many facts at once, in the given order, by one statement.

    Raises:
        InvalidFact: when a contract refuses the data; names the fields. None of them is then announced.
    """
    tx.epoch = tx.epoch or await QUERIES.present_epoch(tx)
    events = [_event(tx, each) for each in announcements]
    if not events:
        return []
    await QUERIES.record_announcements(
        tx,
        ids=[event.id for event in events],
        types=[event.fact.type() for event in events],
        subjects=[event.subject for event in events],
        bodies=[encode(event) for event in events],
        expected=[bool(event.fact.SUBSCRIBERS) for event in events],
        channel=CHANNEL,
        now=tx.now,
    )
    tx.announced += len(events)
    return events


def _event(tx: Transaction, said: Announcement) -> Event:
    return Event(
        fact=said.fact,
        id=uuid_utils.compat.uuid7(),
        subject=str(said.subject),
        time=tx.now,
        data=said.data,
        sequence=said.sequence,
        epoch=tx.epoch,
        correlationid=tx.cause.correlationid,
        causationid=tx.cause.causationid,
        traceparent=tx.cause.traceparent,
        snapshot=said.snapshot,
    )
