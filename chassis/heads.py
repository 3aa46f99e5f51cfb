"""How far the chain of a service goes, told to others once a week.

A chain shows by itself that a row was changed or taken out of its middle, but not that its end was cut off or
that all of it was written anew: only whoever knows how far it once went can see that. Who is told, and how,
is up to the service.
"""

from datetime import date, datetime, timedelta
from typing import Any

from chassis.audit import QUERIES
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.outbox import announce
from contracts.chains import ChainHead

#: Seconds between two looks at whether another week has begun.
LOOK = 3600.0


def week_of(moment: datetime) -> date:
    """The Monday of the week, where the users are: a week begins and ends at their midnight."""
    day = moment.astimezone(LOCAL).date()
    return day - timedelta(days=day.weekday())


async def take_head(tx: Transaction) -> dict[str, Any] | None:
    """The head of this service's own chain, for whoever asks first in a week; nothing for anybody else.

    While the chain is empty there is nothing for anybody. Of two replicas, the second waits for the first.
    """
    head = await QUERIES.tell_head(tx, week=week_of(tx.now), now=tx.now)
    return {"service": tx.context.service, **head} if head is not None else None


async def tell_head(tx: Transaction, fact: type[ChainHead]) -> None:
    """Announce the head of this service's own chain by its fact, unless that was done in this week."""
    head = await take_head(tx)
    if head is not None:
        await announce(tx, fact, subject=f"{head['service']}/{head['week']}", sequence=1, **head)
