"""Taking up a suggestion: whoever a letter was passed on to is heard of, and entered as a contact.

Nobody becomes a contact because somebody else said so. Whoever is entered gets the letter: that is announced,
and made by whoever writes letters.
"""

from dataclasses import replace
from uuid import UUID

from chassis.database import Transaction
from chassis.sealed import unseal
from contracts.envelope import Event
from services.partners import amending, suggestions
from services.partners.domain import Contact
from services.partners.held import was_erased
from services.partners.queries import REGISTER, SUGGESTIONS


async def remember(tx: Transaction, event: Event) -> None:
    """Keep who was suggested. Whoever has asked to be forgotten is left out at once."""
    sealed = event.data["colleague"]
    if sealed is None:  # forgotten before it was heard
        return
    said = unseal(tx.context.keys, event.fact, "colleague", sealed)
    id, erased = event.data["suggestion_id"], await was_erased(tx, said["email"])
    facts = {name: event.data[name] for name in ("organisation_id", "letter_id", "suggested_at")}
    blank = dict.fromkeys(("name", "role", "email"), "")
    await SUGGESTIONS.enter_suggestion(tx, id=id, **facts, **(blank if erased else said))
    if erased:
        await suggestions.leave_out(tx, id)


async def accept(tx: Transaction, id: UUID, new: Contact) -> Contact:
    """Enter somebody as a contact; who has this role and name there already is taken as they are.

    Raises:
        NotFound, Conflict, Refused: names the field.
    """
    found = await suggestions.lock(tx, id)
    new = replace(new, id=id, organisation_id=found["organisation_id"])
    organisation_id, role, name = new.key
    known = await REGISTER.contact_of_key(tx, organisation_id=organisation_id, role=role, name=name)
    there = Contact.of(await REGISTER.contact_known(tx, id=known)) if known else None
    contact = there if there and there.withdrawn_on is None else await amending.list_contact(tx, new)
    await suggestions.settle(tx, found, contact.id)
    return contact
