"""What partners counts of its own for whoever sums up the year."""

from chassis.database import Transaction
from services.partners.queries import QUERIES


async def figures(tx: Transaction) -> dict[str, int]:
    """How many organisations the register has, and how many contacts may be written to."""
    return {
        "organisations": await QUERIES.organisations_count(tx),
        "contacts": await QUERIES.contacts_count(tx),
    }
