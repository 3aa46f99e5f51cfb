"""Writing to the register: organisations and contacts, many by one statement; announcing is up to others."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.database import Transaction
from services.partners.domain import Contact, Organisation
from services.partners.queries import QUERIES
from services.partners.words import write_words


async def write_organisations(tx: Transaction, organisations: Sequence[Organisation]) -> None:
    """Enter organisations, or bring those that are there up to date, with what they are found by."""
    await put_organisations(tx, organisations)
    await write_words(tx, (each.id for each in organisations))


async def put_organisations(tx: Transaction, organisations: Sequence[Organisation]) -> None:
    """The same for whoever writes what they are found by afterwards."""
    await QUERIES.write_organisations(
        tx,
        ids=_each(organisations, "id"),
        identifiers=_each(organisations, "identifier"),
        names=_each(organisations, "name"),
        listed_as=_each(organisations, "listed_as"),
        kinds=["\n".join(each.kinds) for each in organisations],
        areas=["\n".join(each.areas) for each in organisations],
        closeness=_each(organisations, "closeness"),
        opened_on=_each(organisations, "opened_on"),
        closed_on=_each(organisations, "closed_on"),
        successors=_each(organisations, "successor_id"),
        postal_addresses=["\n".join(each.postal_address) for each in organisations],
        postcodes=_each(organisations, "postcode"),
        telephones=_each(organisations, "telephone"),
        websites=_each(organisations, "website"),
        handed_over=["\n".join(each.handed_over) for each in organisations],
        merged_into=_each(organisations, "merged_into"),
        versions=_each(organisations, "version"),
        now=tx.now,
    )


async def write_contacts(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Enter contacts, or bring those that are there up to date, with what is found by them."""
    await put_contacts(tx, contacts)
    await write_words(tx, (each.organisation_id for each in contacts))


async def put_contacts(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """The same for whoever writes what is found by them afterwards."""
    await QUERIES.write_contacts(
        tx,
        ids=_each(contacts, "id"),
        organisations=_each(contacts, "organisation_id"),
        roles=_each(contacts, "role"),
        names=_each(contacts, "name"),
        channels=_each(contacts, "channel"),
        emails=_each(contacts, "email"),
        postal_addresses=["\n".join(each.postal_address) for each in contacts],
        postcodes=_each(contacts, "postcode"),
        sources=_each(contacts, "source"),
        listed_on=_each(contacts, "listed_on"),
        withdrawn_on=_each(contacts, "withdrawn_on"),
        versions=_each(contacts, "version"),
        now=tx.now,
    )


async def enter_on_timeline(tx: Transaction, id: UUID, kind: str, what: str, detail: str) -> None:
    """Note what was done here with an organisation; events of others are noted by the handlers."""
    await QUERIES.enter_on_timeline(
        tx,
        id=uuid_utils.compat.uuid7(),
        organisation_id=id,
        happened_at=tx.now,
        kind=kind,
        what=what,
        detail=detail,
        letter_id=None,
        contact_id=None,
        confirmed_by=None,
        now=tx.now,
    )


def _each(things: Sequence[object], name: str) -> list[Any]:
    return [getattr(thing, name) for thing in things]
