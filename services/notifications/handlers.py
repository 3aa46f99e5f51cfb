"""What this service does when it hears of something: it keeps copies, each of which only moves forward.

Every event that feeds a copy carries the whole state and its version, so the order of arrival does not
matter. Nothing is sent because an event arrived.
"""

from typing import Any

from chassis.database import Transaction
from chassis.inbox import Forget, copy
from chassis.sealed import unseal
from contracts.envelope import Event
from contracts.grants import RegistrationsCounted
from contracts.partners import (
    ContactListed,
    ContactWithdrawn,
    OrganisationAmended,
    OrganisationClosed,
    OrganisationRegistered,
)
from services.notifications.queries import QUERIES

#: What remains of a contact that may no longer be written to.
_STONE: dict[str, Any] = dict.fromkeys(("name", "email", "postal_address", "postcode", "source"))


async def remember_organisation(tx: Transaction, event: Event) -> None:
    """Keep what letters need to know of a body."""
    epoch, version = event.version
    await QUERIES.remember_organisation(
        tx,
        id=event.data["organisation_id"],
        name=event.data["name"],
        kinds=event.data["kinds"],
        areas=event.data["areas"],
        closed_on=event.data["closed_on"],
        successor_id=event.data["successor_id"],
        epoch=epoch,
        version=version,
    )


async def remember_contact(tx: Transaction, event: Event) -> None:
    """Enter a contact in the address book; of one that was withdrawn, keep only that there was one."""
    epoch, version = event.version
    sealed = event.data["address"]
    gone = sealed is None or event.data["withdrawn_on"] is not None
    address = _STONE if gone else unseal(tx.context.keys, event.fact, "address", sealed)
    await QUERIES.remember_contact(
        tx,
        id=event.data["contact_id"],
        organisation_id=event.data["organisation_id"],
        role=event.data["role"],
        channel=event.data["channel"],
        listed_on=event.data["listed_on"],
        withdrawn_on=event.data["withdrawn_on"],
        epoch=epoch,
        version=version,
        **{field: address[field] for field in _STONE},
    )


async def remember_count(tx: Transaction, event: Event) -> None:
    """Keep how many people of one profession are registered in one area."""
    epoch, version = event.version
    await QUERIES.remember_count(
        tx,
        area=event.data["area"],
        profession=event.data["profession"],
        count=event.data["count"],
        counted_on=event.data["counted_on"],
        epoch=epoch,
        version=version,
    )


#: By the name of the copy. What it holds stays in use until the snapshots come.
FORGETTING: dict[str, Forget] = {
    "organisations": QUERIES.forget_organisations,
    "contacts": QUERIES.forget_contacts,
    "registration_counts": QUERIES.forget_registration_counts,
}

SUBSCRIPTIONS = (
    copy(OrganisationRegistered, remember_organisation),
    copy(OrganisationAmended, remember_organisation),
    copy(OrganisationClosed, remember_organisation),
    copy(ContactListed, remember_contact),
    copy(ContactWithdrawn, remember_contact),
    copy(RegistrationsCounted, remember_count),
)
