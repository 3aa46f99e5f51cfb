"""What partners says of an organisation and of a contact: always the whole public state, at its version."""

from chassis.keys import Keyring
from chassis.outbox import Announcement
from chassis.sealed import seal
from contracts.envelope import Fact
from contracts.partners import (
    ContactListed,
    ContactWithdrawn,
    OrganisationAmended,
    OrganisationClosed,
    OrganisationRegistered,
)
from services.partners.domain import Contact, Fate, Organisation

_FACTS: dict[Fate, type[Fact]] = {
    Fate.NEW: OrganisationRegistered,
    Fate.CHANGED: OrganisationAmended,
    Fate.CLOSED: OrganisationClosed,
}


def of_organisation(organisation: Organisation, fate: Fate) -> Announcement:
    """That an organisation was registered, amended or closed."""
    return _state_of(organisation, _FACTS[fate], snapshot=False)


def snapshot_of_organisation(organisation: Organisation) -> Announcement:
    """The present state of an organisation once more."""
    fact = OrganisationClosed if organisation.closed_on else OrganisationRegistered
    return _state_of(organisation, fact, snapshot=True)


def _state_of(organisation: Organisation, fact: type[Fact], *, snapshot: bool) -> Announcement:
    return Announcement(
        fact=fact,
        subject=organisation.id,
        sequence=organisation.version,
        snapshot=snapshot,
        data={
            "organisation_id": organisation.id,
            "name": organisation.name,
            "identifier": organisation.identifier,
            "kinds": list(organisation.kinds),
            "areas": list(organisation.areas),
            "closeness": organisation.closeness,
            "opened_on": organisation.opened_on,
            "closed_on": organisation.closed_on,
            "successor_id": organisation.successor_id,
            "handed_over": list(organisation.handed_over),
            "merged_into": organisation.merged_into,
        },
    )


def of_contact(keys: Keyring, contact: Contact, *, snapshot: bool = False) -> Announcement:
    """That a contact may be written to, with the address sealed; or no longer, and then without one."""
    fact: type[Fact] = ContactWithdrawn if contact.withdrawn_on else ContactListed
    return Announcement(
        fact=fact,
        subject=contact.id,
        sequence=contact.version,
        snapshot=snapshot,
        data={
            "contact_id": contact.id,
            "organisation_id": contact.organisation_id,
            "role": contact.role,
            "channel": contact.channel,
            "listed_on": contact.listed_on,
            "withdrawn_on": contact.withdrawn_on,
            "address": None if contact.withdrawn_on else _sealed_address(keys, contact),
        },
    )


def _sealed_address(keys: Keyring, contact: Contact) -> str:
    address = {
        "name": contact.name,
        "email": contact.email,
        "postal_address": list(contact.postal_address),
        "postcode": contact.postcode,
        "source": contact.source,
    }
    return seal(keys, ContactListed, "address", address)
