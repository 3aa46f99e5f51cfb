"""Writing one down, in the transaction that heard of what it is about."""

from datetime import datetime
from typing import Any

from chassis.database import Transaction
from chassis.sealed import unseal
from contracts.envelope import Event
from services.notifications.queries import QUERIES

#: The timer that sends; whoever writes a notice wakes it.
SEND_NOTICES = "send notices"

#: Whoever waits for this one asks again by themselves: that it came too late is no news.
SIGN_IN_KIND = "sign_in"


def opened(tx: Transaction, event: Event, name: str) -> dict[str, Any] | None:
    """The sealed part of an event; nothing when it was scrubbed."""
    sealed = event.data[name]
    return unseal(tx.context.keys, event.fact, name, sealed) if sealed is not None else None


async def write(
    tx: Transaction, event: Event, kind: str, email: str, subject: str, body: str, not_after: datetime
) -> None:
    words = {"kind": kind, "email": email, "subject": subject, "body": body, "not_after": not_after}
    whom = event.data.get("person_id")
    await QUERIES.write_notice(tx, id=event.id, person_id=whom, **words, now=tx.now)
    tx.context.wake(SEND_NOTICES)


def farewell(tx: Transaction) -> str:
    house = tx.context.house
    return f"{house.name}\n{house.telephone}\n{house.email}\n"
