"""Counting the registrations and saying what came out: numbers by area and profession, never a person."""

from collections.abc import Mapping
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.outbox import Announcement, announce_many
from contracts.grants import RegistrationsCounted
from services.grants.domain import price_of_not_integrating
from services.grants.queries import QUERIES


async def recount(tx: Transaction) -> int:
    """Count again and announce every count that changed.

    Returns:
        how many were announced.
    """
    today = tx.now.astimezone(LOCAL).date()
    changed = [row async for row in QUERIES.recount(tx, today=today)]
    await announce_many(tx, map(of_count, changed))
    return len(changed)


def of_count(row: Mapping[str, Any], *, snapshot: bool = False) -> Announcement:
    """What is said of one row of the counts."""
    return Announcement(
        fact=RegistrationsCounted,
        subject=f"{row['area']}/{row['profession']}",
        sequence=row["version"],
        snapshot=snapshot,
        data={name: row[name] for name in ("area", "profession", "count", "counted_on")},
    )


async def figures(tx: Transaction) -> dict[str, int]:
    """The evidence in figures: people, areas, and what their idleness costs in a year, in pence."""
    totals = await QUERIES.totals(tx)
    price = price_of_not_integrating(totals["registrations"])
    return {
        "registrations": totals["registrations"],
        "areas": totals["areas"],
        "income_tax_pence": price.income_tax_pence,
        "national_insurance_pence": price.national_insurance_pence,
    }
