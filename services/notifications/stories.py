"""What was mailed in a story, by the events and the requests that asked for it; never to whom."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from services.notifications.queries import QUERIES


async def notices_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """What was to be said to one person because of each of these events: its kind, state and since when."""
    return {row["id"]: row async for row in QUERIES.notices_because_of(tx, ids=ids)}


async def letters_in(tx: Transaction, correlationid: str) -> list[Any]:
    """The letters that a request in this story let go: how many are in which state, and since when."""
    return [row async for row in QUERIES.letters_in_story(tx, correlationid=correlationid)]
