"""What is held here on somebody who is registered: telling it, and forgetting it."""

from collections.abc import AsyncIterator
from datetime import datetime

from chassis.database import Transaction
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Keeper, Subject, written
from contracts.grants import ErasureAnswered, PersonDataGathered, PersonScrubbed
from services.grants import registrations
from services.grants.counting import recount
from services.grants.domain import person_digest
from services.grants.queries import QUERIES, REGISTRATIONS


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Every registration under one of their references or addresses, and what they have not confirmed."""
    persons = _persons(tx, subject)
    for title, find in _HELD.items():
        rows = [row async for row in find(tx, persons=persons)]
        for number, row in enumerate(rows, 1):
            said = {name.replace("_", " "): value for name, value in row.items()}
            path = f"{title.lower().replace(' ', '-')}-{number}.json"
            yield written(path, f"{title} {number}", said)


_HELD = {
    "Registration": REGISTRATIONS.registrations_held,
    "Unconfirmed registration": REGISTRATIONS.askings_held,
}


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """A registration can be forgotten at any time."""
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Delete their registrations and what they have not confirmed, and count anew."""
    count, unconfirmed = await registrations.forget(tx, _persons(tx, subject))
    return Forgotten(counts={"registrations": count, "unconfirmed registrations": unconfirmed})


def _persons(tx: Transaction, subject: Subject) -> list[bytes]:
    key = tx.context.keys.derive("registrations")
    return [person_digest(key, text) for text in (*subject.references, *subject.emails)]


async def _old_registrations(tx: Transaction, before: datetime, most: int) -> int:
    await QUERIES.lock_counts(tx)
    count = int(await REGISTRATIONS.purge_registrations(tx, before=before, most=most))
    if count:
        await recount(tx)
    return count


async def _old_askings(tx: Transaction, before: datetime, most: int) -> int:
    return int(await REGISTRATIONS.purge_askings(tx, before=before, most=most))


REGISTRATIONS_TERM = Term(
    what="registrations", months=24, since="after the last contact", scrub=_old_registrations
)
TERMS = (
    REGISTRATIONS_TERM,
    Term(what="unconfirmed registrations", months=1, since="after they were typed", scrub=_old_askings),
)

KEEPER = Keeper(
    part="for_grants",
    gather=gather,
    objection=objection,
    forget=forget,
    gathered=PersonDataGathered,
    answered=ErasureAnswered,
    scrubbed=PersonScrubbed,
)
