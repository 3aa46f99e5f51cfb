"""Saying the present state once more, page by page, so that others can rebuild their copies."""

from collections.abc import Mapping

from chassis.database import Transaction
from chassis.outbox import AnnouncePage, announce_many
from services.partners import announcements, tokens
from services.partners.domain import Contact, Organisation
from services.partners.people import state_of
from services.partners.queries import PEOPLE, QUERIES


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


async def announce_people(tx: Transaction, after: str | None, most: int) -> str | None:
    """Repeat the state of the next people in the order of their ids."""
    found = [row async for row in PEOPLE.people_after(tx, after=after, most=most)]
    await announce_many(tx, (state_of(tx.context.keys, person, snapshot=True) for person in found))
    return str(found[-1]["id"]) if found else None


async def announce_tokens(tx: Transaction, after: str | None, most: int) -> str | None:
    """Repeat the state of the next tokens in the order of their ids."""
    found = [row async for row in PEOPLE.tokens_after(tx, after=after, most=most)]
    await announce_many(tx, (tokens.state_of(token, snapshot=True) for token in found))
    return str(found[-1]["id"]) if found else None


SNAPSHOTS: Mapping[str, AnnouncePage] = {
    "organisations": announce_organisations,
    "contacts": announce_contacts,
    "people": announce_people,
    "colleagues": announce_people,
    "tokens": announce_tokens,
}
