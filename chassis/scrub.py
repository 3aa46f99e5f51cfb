"""Ridding what was announced, and what is parked, of its sealed parts.

Once everybody has an event, nobody needs its sealed part here any more: it goes after a day, and at once
when the person whom it is about is forgotten. An event that is not published yet keeps it: on another try it
must be the same bytes as on the first. The rest of an event stays, so that its way can still be followed.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.outbox import QUERIES
from contracts.catalogue import FACTS
from contracts.envelope import Sealed

#: How long the sealed part of a published event is kept.
KEPT = timedelta(days=1)

#: Events that are looked at together.
_AT_A_TIME = 500

#: The sealed parts of each fact that has any, by wire type.
_PARTS = {
    type: names
    for type, fact in FACTS.items()
    if (names := [name for name, part in fact().fields.items() if isinstance(part, Sealed)])
}


async def scrub_published(database: Database) -> None:
    """Scrub whatever everybody has had for a day."""
    while True:
        async with database.transaction() as tx:
            rows = QUERIES.sealed_until(tx, types=list(_PARTS), before=tx.now - KEPT, most=_AT_A_TIME)
            found = [row async for row in rows]
            await _rewrite_announced(tx, found)
        if len(found) < _AT_A_TIME:
            return


async def scrub_about(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Scrub whatever is about one of these: what was published, and what waits in *parked*."""
    about = {str(id) for id in ids}
    announced = [row async for row in QUERIES.sealed_of_types(tx, types=list(_PARTS))]
    await _rewrite_announced(tx, [row for row in announced if _is_about(row, about)])
    async for row in QUERIES.every_parked(tx):
        if _is_about(row, about):
            await QUERIES.rewrite_parked(tx, id=row["id"], body=_without_parts(row))


def _is_about(row: Any, ids: set[str]) -> bool:
    """Whether an event with sealed parts says in its readable ones that it is about one of these."""
    event = _event(row)
    if event is None or event["type"] not in _PARTS:
        return False
    said = (event.get("subject"), *event["data"].values())
    return any(isinstance(value, str) and value in ids for value in said)


def _event(row: Any) -> Any:
    """What is in a row; nothing where that is no event, which only a parked one may be."""
    try:
        event = json.loads(bytes(row["body"]))
        return event if isinstance(event["data"], dict) and isinstance(event["type"], str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def _rewrite_announced(tx: Transaction, rows: Sequence[Any]) -> None:
    ids, bodies = [row["id"] for row in rows], [_without_parts(row) for row in rows]
    await QUERIES.rewrite_announced(tx, ids=ids, bodies=bodies, now=tx.now)


def _without_parts(row: Any) -> bytes:
    event = _event(row)
    event["data"] |= dict.fromkeys(_PARTS[event["type"]])
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
