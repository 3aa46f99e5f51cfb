"""Saying the present state once more, page by page, so that others can rebuild their copies."""

from collections.abc import Awaitable, Callable, Mapping

from chassis.database import Transaction, read_queries
from chassis.outbox import announce_many
from services.partners import announcements
from services.partners.domain import Contact, Organisation

QUERIES = read_queries(__file__)

#: Announces up to so many aggregates after the given id; the id to go on after, or None when all were said.
Snapshot = Callable[[Transaction, str | None, int], Awaitable[str | None]]


async def announce_organisations(tx: Transaction, after: str | None, most: int) -> str | None:
    """Repeat the state of the next organisations in the order of their ids."""
    found = [Organisation.of(row) async for row in QUERIES.organisations_after(tx, after=after, most=most)]
    await announce_many(tx, map(announcements.snapshot_of_organisation, found))
    return str(found[-1].id) if found else None


async def announce_contacts(tx: Transaction, after: str | None, most: int) -> str | None:
    """Repeat the state of the next contacts in the order of their ids."""
    found = [Contact.of(row) async for row in QUERIES.contacts_after(tx, after=after, most=most)]
    await announce_many(
        tx, (announcements.of_contact(tx.context.keys, contact, snapshot=True) for contact in found)
    )
    return str(found[-1].id) if found else None


SNAPSHOTS: Mapping[str, Snapshot] = {
    "organisations": announce_organisations,
    "contacts": announce_contacts,
}
