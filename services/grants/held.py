"""What is held here on somebody who is registered: telling it, and forgetting it."""

from collections.abc import AsyncIterator
from datetime import datetime

from chassis.database import Transaction
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Keeper, Subject, written
from contracts.grants import ErasureAnswered, PersonDataGathered, PersonScrubbed
from services.grants.counting import recount
from services.grants.domain import person_digest
from services.grants.queries import QUERIES


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Every registration under one of their references."""
    rows = [row async for row in QUERIES.registrations_held(tx, persons=_persons(tx, subject))]
    for number, row in enumerate(rows, 1):
        said = {name.replace("_", " "): value for name, value in row.items()}
        yield written(f"registration-{number}.json", f"Registration {number}", said)


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """A registration can be forgotten at any time."""
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Delete their registrations, and count anew."""
    count = int(await QUERIES.forget_registrations(tx, persons=_persons(tx, subject)))
    if count:
        await recount(tx)
    return Forgotten(counts={"registrations": count})


def _persons(tx: Transaction, subject: Subject) -> list[bytes]:
    key = tx.context.keys.derive("registrations")
    return [person_digest(key, reference) for reference in subject.references]


async def _old_registrations(tx: Transaction, before: datetime, most: int) -> int:
    count = int(await QUERIES.purge_registrations(tx, before=before, most=most))
    if count:
        await recount(tx)
    return count


TERMS = (Term(what="registrations", months=24, since="after the last contact", scrub=_old_registrations),)

KEEPER = Keeper(
    part="for_grants",
    gather=gather,
    objection=objection,
    forget=forget,
    gathered=PersonDataGathered,
    answered=ErasureAnswered,
    scrubbed=PersonScrubbed,
)
