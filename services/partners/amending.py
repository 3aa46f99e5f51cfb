"""Changes to one entry of the register by one person: new, amended, withdrawn, listed again.

Each is written, announced and noted in one transaction. Whoever comes second to the same entry is told what
is there now (`ChangedMeanwhile`) and writes over nothing unseen.
"""

from collections.abc import Callable, Collection
from dataclasses import fields, replace
from datetime import date
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, Conflict, NotFound, Refused
from chassis.outbox import announce_many
from services.partners import announcements, likeness
from services.partners.domain import (
    Contact,
    Fate,
    Organisation,
    contact_after,
    day_fault,
    name_words,
    organisation_after,
)
from services.partners.held import address_digest
from services.partners.likeness import Alike
from services.partners.queries import QUERIES, REGISTER
from services.partners.register import write_contacts, write_organisations

#: As many as are looked at more closely before something is entered.
_MOST_COMPARED = 60


class PerhapsKnown(Conflict):
    """It may be in the register already."""

    def __init__(self, found: Collection[Alike]) -> None:
        super().__init__(
            "This may be in the register already.",
            "Look at those that are alike. If it is another one, say so.",
        )
        self.found = found


# Organisations


async def register_organisation(
    tx: Transaction, new: Organisation, not_one_of: Collection[UUID]
) -> Organisation:
    """Enter an organisation.

    Args:
        not_one_of: those that are alike and were looked at: it is none of them.

    Raises:
        PerhapsKnown: names those that are alike and were not looked at.
    """
    await QUERIES.lock_register(tx)  # two people who enter the same body come one after the other
    _check_day(tx, "opened_on", new.opened_on)
    alike = await organisations_alike(tx, new)
    if any(each.organisation.id not in not_one_of for each in alike):
        raise PerhapsKnown(alike)
    if alike and alike[0].organisation.identifier == new.identifier:
        raise _taken(alike[0].organisation.name)
    await _write(tx, new, Fate.NEW)
    note(tx, "organisation_registered", "organisation", new.id, after={"version": new.version})
    return new


async def organisations_alike(tx: Transaction, this: Organisation) -> list[Alike]:
    """Those of the register that may be the same as this one, the likest first."""
    found = REGISTER.organisations_alike(
        tx,
        identifier=this.identifier,
        words=list(name_words(this.name)),
        postcode=this.postcode,
        most=_MOST_COMPARED,
    )
    return likeness.alike(this, [Organisation.of(row) async for row in found])


async def amend_organisation(
    tx: Transaction, id: UUID, change: Callable[[Organisation], Organisation], revision: int
) -> Organisation:
    """Change an organisation. What changes nothing is no change, whatever it was read from.

    Args:
        revision: the version that it was changed from.

    Raises:
        NotFound, ChangedMeanwhile, Refused: names the field.
    """
    present = await lock_organisation(tx, id)
    amended, fate = organisation_after(present, change(present))
    if fate is Fate.SAME:
        return present
    if revision != present.version:
        raise ChangedMeanwhile(present)
    if amended.opened_on != present.opened_on:
        _check_day(tx, "opened_on", amended.opened_on)
    if amended.identifier != present.identifier:
        known = await REGISTER.name_identified(tx, identifier=amended.identifier)
        if known is not None:
            raise _taken(known)
    await _write(tx, amended, fate)
    _note_change(tx, "organisation_amended", "organisation", present, amended)
    return amended


async def lock_organisation(tx: Transaction, id: UUID) -> Organisation:
    """An organisation as it is, which nobody else changes until this transaction ends.

    Raises:
        NotFound: also when it was merged: then it is found in the other entry.
    """
    await REGISTER.begin_amending(tx)
    row = await REGISTER.lock_organisation(tx, id=id)
    if row is None or row["merged_into"] is not None:
        raise NotFound
    return Organisation.of(row)


async def _write(tx: Transaction, organisation: Organisation, fate: Fate) -> None:
    await write_organisations(tx, [organisation])
    await announce_many(tx, [announcements.of_organisation(organisation, fate)])


def _check_day(tx: Transaction, field: str, on: date | None, *, ahead: bool = True) -> None:
    found = day_fault(on, tx.today, ahead=ahead) if on else None
    if found is not None:
        raise Refused(*found, field=field)


def _taken(name: str) -> Refused:
    what = f"“{name}” has this identifier already."
    return Refused(what, "Correct it, or open that one instead.", field="identifier")


# Contacts


async def list_contact(tx: Transaction, new: Contact) -> Contact:
    """Enter a contact at an organisation.

    Raises:
        NotFound, Refused: names the field.
    """
    await lock_organisation(tx, new.organisation_id)
    await _check_contact(tx, None, new)
    await _write_contact(tx, new)
    note(tx, "contact_listed", "contact", new.id, after={"version": new.version})
    return new


async def amend_contact(
    tx: Transaction, id: UUID, change: Callable[[Contact], Contact], revision: int | None
) -> Contact:
    """Change a contact. What changes nothing is no change, whatever it was read from.

    Args:
        revision: the version that it was changed from; None where any will do.

    Raises:
        NotFound, ChangedMeanwhile, Refused: names the field.
    """
    present = await lock_contact(tx, id)
    amended, fate = contact_after(present, change(present))
    if fate is Fate.SAME:
        return present
    if revision not in (None, present.version):
        raise ChangedMeanwhile(present)
    await _check_contact(tx, present, amended)
    await _write_contact(tx, amended)
    act = "contact_withdrawn" if fate is Fate.WITHDRAWN else "contact_amended"
    _note_change(tx, act, "contact", present, amended)
    return amended


async def withdraw_contact(tx: Transaction, id: UUID) -> Contact:
    """From today on, nobody writes to them."""
    today = tx.today
    return await amend_contact(tx, id, lambda present: _withdrawn(present, today), None)


def _withdrawn(contact: Contact, today: date) -> Contact:
    return replace(contact, withdrawn_on=contact.withdrawn_on or max(contact.listed_on, today))


async def relist_contact(tx: Transaction, id: UUID) -> Contact:
    """They may be written to again."""
    return await amend_contact(tx, id, lambda present: replace(present, withdrawn_on=None), None)


async def lock_contact(tx: Transaction, id: UUID) -> Contact:
    """A contact as they are, whom nobody else changes until this transaction ends.

    Raises:
        NotFound: also when they were forgotten, or their organisation was merged.
    """
    await REGISTER.begin_amending(tx)
    await REGISTER.lock_organisation_of_contact(tx, contact_id=id)
    row = await REGISTER.contact_known(tx, id=id)
    if row is None or row["merged_into"] is not None:
        raise NotFound
    return Contact.of(row)


async def _check_contact(tx: Transaction, present: Contact | None, said: Contact) -> None:
    if present is None or present.listed_on != said.listed_on:
        _check_day(tx, "contact_listed_on", said.listed_on, ahead=False)
    if present is None or present.key != said.key:
        organisation_id, role, name = said.key
        known = await REGISTER.contact_of_key(tx, organisation_id=organisation_id, role=role, name=name)
        if known is not None:
            cure = "Change that entry instead; list them again if they were withdrawn."
            raise Refused(
                "The same person stands there in the same role already.", cure, field="contact_name"
            )
    if present is not None and (said.email or "").casefold() == (present.email or "").casefold():
        return  # somebody else at the same address was forgotten; this one stays as they are
    if said.email and await REGISTER.address_was_erased(tx, digest=address_digest(tx, said.email)):
        what = "Whoever has this address has asked to be forgotten."
        raise Refused(what, "Do not enter them again.", field="contact_email")


async def _write_contact(tx: Transaction, contact: Contact) -> None:
    await write_contacts(tx, [contact])
    await announce_many(tx, [announcements.of_contact(tx.context.keys, contact)])


def _note_change(
    tx: Transaction, act: str, kind: str, before: Organisation | Contact, after: Organisation | Contact
) -> None:
    """Which fields have changed, and nothing of what they said."""
    names = [field.name for field in fields(before) if field.name != "version"]
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    note(
        tx,
        act,
        kind,
        after.id,
        before={"version": before.version},
        after={"version": after.version, "fields": changed},
    )
