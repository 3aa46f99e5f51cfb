"""How fast letters go to one domain: no faster than its mail server takes them; nobody else waits for that.

1,500 schools may have their mail at one host. Each domain gets its letters one after the other, spaced as the
settings say; one that says it is too much is left alone for a while, which doubles until it takes mail again.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.config import Settings
from chassis.database import Transaction, rows_of
from services.notifications.queries import PACING, QUERIES

#: Letters to one domain that may stand first in the queue, and letters of the queue that are looked at.
FREE, FRONT = 5, 5_000

_LONGEST_PAUSE = timedelta(hours=1)
_REMEMBERED = timedelta(days=1)


def domain_of(email: str) -> str:
    return email.rpartition("@")[2].lower()


def spacing(settings: Settings) -> timedelta:
    """Between two letters to one domain; where there is no limit, less than nothing."""
    return timedelta(minutes=1) / (settings.mail_domain_rate or -1)


async def spread(tx: Transaction) -> bool:
    """Let no domain stand in the way of others. Whether another look is worth it: there was much to move."""
    await PACING.forget_domains(tx, before=tx.now - _REMEMBERED)
    settings = tx.context.settings
    if not settings.mail_domain_rate:
        return False
    await QUERIES.follow_order(tx)
    moved = PACING.spread(tx, now=tx.now, spacing=spacing(settings), free=FREE, most=FRONT)
    return len(await rows_of(moved)) > FRONT // 10


async def slow_down(tx: Transaction, email: str) -> None:
    """Their mail server has said that it was too much."""
    first = timedelta(seconds=tx.context.settings.mail_retry)
    await PACING.slow_down(tx, domain=domain_of(email), first=first, longest=_LONGEST_PAUSE, now=tx.now)


async def pick_up(tx: Transaction, email: str) -> None:
    """Their mail server has taken a letter after it had said that it was too much."""
    await PACING.pick_up(tx, domain=domain_of(email))


async def waiting(tx: Transaction, campaign_id: UUID) -> list[Any]:
    """Where many letters of a campaign wait for their turn."""
    found = PACING.domains_waiting(tx, campaign_id=campaign_id, free=FREE, most=FRONT, now=tx.now)
    return [row async for row in found]
