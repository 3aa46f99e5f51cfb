"""The heads of all chains of what people have done, gathered and reported to every auditor once a week.

Partners knows who the auditors are, and so hears of the other services' heads. A mail that an auditor keeps
is out of reach of whoever could cut off the end of a chain.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from chassis.database import Database, Transaction
from chassis.heads import take_head, week_of
from chassis.outbox import Announcement, announce_many
from chassis.sealed import seal
from contracts.access import Role
from contracts.envelope import Event
from contracts.partners import ChainHeadsReported
from contracts.topology import SERVICES
from services.partners.queries import PEOPLE, QUERIES

#: How long the first head of a week waits for the others. Where nobody has done anything yet, there is none.
PATIENCE = timedelta(days=1)


async def turn(database: Database) -> None:
    """Note the own head and report all of them, each unless that was done in this week.

    Two transactions, so that a report that fails leaves the head.
    """
    async with database.transaction() as tx:
        await note_own_head(tx)
    async with database.transaction() as tx:
        await report(tx)


async def note_head(tx: Transaction, event: Event) -> None:
    """Keep how far another service's chain went: that of the one which says so, whatever else it says."""
    await _enter(tx, {**event.data, "service": event.fact.OWNER})


async def note_own_head(tx: Transaction) -> None:
    """Keep how far our own chain goes, as it is said once a week."""
    head = await take_head(tx)
    if head is not None:
        await _enter(tx, head)


async def report(tx: Transaction) -> None:
    """Announce this week's heads to everybody who is an auditor now, all at once.

    Where there is no auditor yet, the week stays open for the first one.
    """
    week = week_of(tx.now)
    heads = [row async for row in QUERIES.heads_of(tx, week=week)]
    if not _together([head["heard_at"] for head in heads], tx.now):
        return
    auditors = [row async for row in PEOPLE.people_trusted_as(tx, role=Role.AUDITOR)]
    if auditors and await QUERIES.begin_report(tx, week=week, now=tx.now):
        await announce_many(tx, [_report(tx, auditor, week, heads) for auditor in auditors])


def _together(heard: Sequence[datetime], now: datetime) -> bool:
    """Whether the heads of a week are all here, or the first of them has waited long enough."""
    return len(heard) == len(SERVICES) or (bool(heard) and now - min(heard) >= PATIENCE)


def _report(
    tx: Transaction, auditor: Mapping[str, Any], week: date, heads: Sequence[Mapping[str, Any]]
) -> Announcement:
    address = {"name": auditor["name"], "email": auditor["email"]}
    return Announcement(
        fact=ChainHeadsReported,
        subject=f"{auditor['id']}/{week}",
        sequence=1,
        data={
            "person_id": auditor["id"],
            "week": week,
            "heads": [{name: head[name] for name in ("service", "number", "digest")} for head in heads],
            "address": seal(tx.context.keys, ChainHeadsReported, "address", address),
        },
    )


async def _enter(tx: Transaction, head: Mapping[str, Any]) -> None:
    said = {name: head[name] for name in ("week", "service", "number", "digest")}
    await QUERIES.enter_head(tx, **said, now=tx.now)
