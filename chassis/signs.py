"""Signs of life: whom a service has heard last and when, and since when it has been listening.

Whoever has only just begun to listen cannot have heard anybody: that is no silence yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chassis.clock import real_now
from chassis.database import Transaction
from chassis.outbox import QUERIES


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What a service has heard of the others, by the computers' own clocks."""

    #: When the newest sign of each was sent, of those that were ever heard.
    sent_at: Mapping[str, datetime]
    #: When the service began to listen, at its last start; nothing where it never did.
    listening_since: datetime | None

    def silent_for(self, sender: str) -> float | None:
        """Seconds since the newest sign of a service was sent; nothing where there was none."""
        return _seconds_since(self.sent_at.get(sender))

    @property
    def listening_for(self) -> float | None:
        """Seconds since the service began to listen."""
        return _seconds_since(self.listening_since)

    def awaited(self, sender: str, limit: float) -> bool:
        """Whether a first sign may still be under way.

        Args:
            limit: seconds in which one must come.
        """
        return is_awaited(self.silent_for(sender), limit, self.listening_for)


def is_awaited(silent_for: float | None, limit: float, listening_for: float | None) -> bool:
    """The same of a silence that is told in seconds."""
    silent = silent_for is None or silent_for > limit
    return silent and listening_for is not None and listening_for <= limit


def _seconds_since(moment: datetime | None) -> float | None:
    return max((real_now() - moment).total_seconds(), 0.0) if moment else None


async def signs_heard(tx: Transaction) -> Signs:
    """What this service has heard."""
    sent_at = {row["service"]: row["sent_at"] async for row in QUERIES.signs_of_life(tx)}
    return Signs(listening_since=sent_at.pop(tx.context.service, None), sent_at=sent_at)


async def begin_to_listen(tx: Transaction) -> None:
    """Note that this service listens from now on."""
    await QUERIES.note_life(tx, services=[tx.context.service], moments=[real_now()])
