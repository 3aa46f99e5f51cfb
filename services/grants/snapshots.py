"""Repeating the present state, so that others can build their copies anew."""

from chassis.database import Transaction
from chassis.outbox import AnnouncePage, announce_many
from services.grants.counting import of_count
from services.grants.queries import QUERIES


async def announce_counts(tx: Transaction, after: str | None, most: int) -> str | None:
    """Announce the next counts as snapshots, in the order of their subjects."""
    rows = [row async for row in QUERIES.counts_after(tx, after=after or "", most=most)]
    await announce_many(tx, (of_count(row, snapshot=True) for row in rows))
    return str(rows[-1]["subject"]) if rows else None


SNAPSHOTS: dict[str, AnnouncePage] = {"registration_counts": announce_counts}
