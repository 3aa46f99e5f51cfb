"""What a person decides about parked messages: to try them again, or that they need not be handled."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Transaction
from chassis.outbox import QUERIES
from contracts.envelope import Event


async def retry(tx: Transaction, ids: Sequence[UUID]) -> int:
    """Make parked messages due at once; all of them when no id is given. How many."""
    return len([row async for row in QUERIES.retry_parked(tx, ids=ids, now=tx.now)])


async def discard(tx: Transaction, ids: Sequence[UUID]) -> int:
    """Drop parked messages; the inbox still knows their ids. How many."""
    gone = [row["id"] async for row in QUERIES.discard_parked(tx, ids=ids)]
    await QUERIES.set_outcome(tx, ids=gone, outcome="discarded", now=tx.now)
    return len(gone)


async def retry_asked(tx: Transaction, event: Event) -> None:
    """Try again what somebody has asked for, if it is ours."""
    if event.data["service"] == tx.context.service:
        ids = await chosen(tx, event)
        await _note(tx, event, await retry(tx, ids) if ids else 0)


async def discard_asked(tx: Transaction, event: Event) -> None:
    """Drop what somebody has asked for, if it is ours."""
    if event.data["service"] == tx.context.service:
        await _note(tx, event, await discard(tx, await chosen(tx, event)))


async def chosen(tx: Transaction, event: Event) -> list[UUID]:
    """The messages that a request is about and that are still there. Nobody else changes them meanwhile."""
    asked = {"id": event.data["message_id"], "reason": event.data["reason"], "until": event.data["until"]}
    return [row["id"] async for row in QUERIES.parked_chosen(tx, **asked)]


async def _note(tx: Transaction, event: Event, number: int) -> None:
    await QUERIES.note_settled(tx, ask_id=event.data["ask_id"], number=number, now=tx.now)
