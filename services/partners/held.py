"""What partners holds on somebody: telling it, saying what is against forgetting it, and forgetting it."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import imports
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.files import drop_files
from chassis.outbox import announce_many
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Subject, written
from services.partners import announcements, mentions, people, suggestions, tokens
from services.partners.domain import Contact
from services.partners.queries import AGREEMENTS, IMPORTS, PEOPLE, REGISTER, RIGHTS
from services.partners.words import write_words

#: Columns that say nothing about the person, or that only machines can use.
_NOT_TOLD = ("id", "organisation_id", "person_id", "email_key", "version", "changed_at", "erased_at")
_SECRETS = ("second_factor", "second_factor_step")

#: What stays here when somebody was forgotten.
KEPT = "What they did in Conduit, by a number and without their name: the record of acts must stay whole."
KEPT_COPIES = (
    "Signed copies of agreements on paper, for six years after the agreement has ended: they show what was "
    "agreed on, if there is ever a dispute."
)

KEPT_ADDRESS = "This e-mail address: other people are written to at it, and what is sent there is for them."

#: What stands under an agreement instead of the name.
NAME_GONE = "Somebody whose name is no longer kept"


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Their account and how they signed in; every entry that others have made of them."""
    for number, id in enumerate(subject.ids, 1):
        person = await PEOPLE.person_by_id(tx, id=id)
        if person is not None:
            yield written(f"account-{number}.json", "Their account", await _account(tx, person))
    contacts = [row async for row in RIGHTS.contacts_held(tx, ids=list(subject.ids))]
    for number, row in enumerate(contacts, 1):
        yield written(f"contact-{number}.json", f"Entry {number} in the register", _told(row))
    agreed = await _agreements(tx, list(subject.ids))
    if any(agreed.values()):
        yield written("agreements.json", "What they own or have signed in agreements", agreed)
    asked = {"ids": list(subject.ids), "names": [name.lower() for name in subject.names]}
    elsewhere = [_told(row) async for row in AGREEMENTS.signatures_by_name(tx, **asked)]
    if elsewhere:
        title = "Signatures that were found by the name alone: perhaps somebody else's"
        yield written("signatures-by-name.json", title, {"signatures": elsewhere})
    if suggested := await suggestions.gather(tx, subject):
        title = "Where somebody named them as the right person for a letter"
        yield written("suggested.json", title, {"suggested": suggested})
    async for held in mentions.gather(tx, subject):
        yield held


async def _agreements(tx: Transaction, ids: list[UUID]) -> dict[str, Any]:
    return {
        "outcomes": [_told(row) async for row in AGREEMENTS.agreement_outcomes_held(tx, ids=ids)],
        "signatures": [_told(row) async for row in AGREEMENTS.signatures_held(tx, ids=ids)],
    }


async def _account(tx: Transaction, person: Any) -> dict[str, Any]:
    id = person["id"]
    return {
        **_told(person),
        "second factor": "in use" if person["second_factor"] else "none",
        "signed in": [dict(row) async for row in RIGHTS.sessions_held(tx, person_id=id)],
        "tokens": [dict(row) async for row in RIGHTS.tokens_held(tx, person_id=id)],
        "saved views": [dict(row) async for row in REGISTER.views_held(tx, person_id=id)],
    }


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {*_NOT_TOLD, *_SECRETS}
    return {name.replace("_", " "): value for name, value in row.items() if name not in hidden}


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """Whoever may still sign in is barred first, by somebody else: nobody erases a colleague alone."""
    if await RIGHTS.may_sign_in(tx, ids=list(subject.ids)):
        return "They may still sign in. Let somebody with the role Operations bar them first, then ask again."
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Bar them, withdraw them, and keep no name and no address."""
    ids = list(subject.ids)
    copies = await AGREEMENTS.copies_signed_by(tx, ids=ids)
    names = [name.lower() for name in subject.names]
    signatures = await AGREEMENTS.forget_signatures(tx, ids=ids, names=names, name=NAME_GONE)
    counts = {"accounts": 0, "entries in the register": 0, "signatures": signatures}
    counts["suggestions"] = await suggestions.forget(tx, subject)
    for id in ids:
        counts["accounts"] += await _erase_person(tx, id)
        counts["entries in the register"] += await erase_contact(tx, id)
    for email in subject.emails:
        digest = address_digest(tx, email)
        await RIGHTS.note_erased_address(tx, digest=digest, now=tx.now)
        await imports.drop(tx, IMPORTS.drop_imports_with(tx, digest=digest))
    done, stays = await mentions.forget(tx, subject)
    kept = [
        *([KEPT] if counts["accounts"] else []),
        *([KEPT_COPIES] if copies else []),
        *([KEPT_ADDRESS] if await _others_at(tx, subject.emails) else []),
        *stays,
    ]
    return Forgotten(counts=counts | done, kept=kept)


async def _others_at(tx: Transaction, emails: Sequence[str]) -> bool:
    """Whether somebody else is known by one of these addresses, now that whoever was forgotten is not."""
    asked = {"ids": list[UUID](), "emails": list(emails)}
    people = [row async for row in RIGHTS.people_known_by(tx, **asked)]
    return bool(people or [row async for row in RIGHTS.contacts_known_by(tx, **asked)])


async def _erase_person(tx: Transaction, id: UUID) -> int:
    person = await PEOPLE.lock_person(tx, id=id)
    if person is None or person["erased_at"] is not None:
        return 0
    await people.bar(tx, id)
    async for token in PEOPLE.tokens_of(tx, person_id=id, now=tx.now):
        await tokens.revoke(tx, id, token["id"])
    await RIGHTS.forget_token_names(tx, person_id=id)
    await RIGHTS.forget_ways_in(tx, person_id=id)
    await REGISTER.forget_views_of(tx, person_id=id)
    await people.say_how_they_stand(tx, [await RIGHTS.erase_person(tx, id=id, now=tx.now)])
    return 1


async def erase_contact(tx: Transaction, id: UUID) -> int:
    """Withdraw a contact for good. Whether there was one."""
    today = tx.today
    await REGISTER.lock_organisation_of_contact(tx, contact_id=id)
    row = await RIGHTS.erase_contact(tx, id=id, today=today, now=tx.now)
    if row is None:
        return 0
    await write_words(tx, [row["organisation_id"]])
    await announce_many(tx, [announcements.of_contact(tx.context.keys, Contact.of(row))])
    return 1


def address_digest(tx: Transaction, email: str) -> bytes:
    """By what an address is known that we are to forget."""
    key = tx.context.keys.derive("erased addresses")
    return hmac.new(key, email.strip().casefold().encode(), hashlib.sha256).digest()


async def was_erased(tx: Transaction, email: str) -> bool:
    """Whether whoever had this address was forgotten: nothing brings them back by itself."""
    return bool(await REGISTER.address_was_erased(tx, digest=address_digest(tx, email)))


# What goes by itself


async def _old_contacts(tx: Transaction, before: datetime, most: int) -> int:
    asked = {"before": before.astimezone(LOCAL).date(), "most": most}
    ids = [row["id"] async for row in RIGHTS.contacts_withdrawn_until(tx, **asked)]
    return sum([await erase_contact(tx, id) for id in ids])


async def _old_agreements(tx: Transaction, before: datetime, most: int) -> int:
    asked = {"before": before.astimezone(LOCAL).date(), "name": NAME_GONE, "most": most}
    ids = [row["id"] async for row in AGREEMENTS.agreements_ended_until(tx, **asked)]
    await AGREEMENTS.scrub_signatures(tx, ids=ids, name=NAME_GONE)
    await drop_files(tx, [row["copy_id"] async for row in AGREEMENTS.let_go_of_copies(tx, ids=ids)])
    return len(ids)


async def _old_people(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["id"] async for row in RIGHTS.people_barred_until(tx, before=before, most=most)]
    return sum([await _erase_person(tx, id) for id in ids])


async def _old_sign_ins(tx: Transaction, before: datetime, most: int) -> int:
    return int(await PEOPLE.purge_sign_ins(tx, before=before, most=most))


async def _old_sessions(tx: Transaction, before: datetime, most: int) -> int:
    return int(await PEOPLE.purge_sessions(tx, before=before, most=most))


async def _old_views(tx: Transaction, before: datetime, most: int) -> int:
    return int(await REGISTER.purge_views(tx, before=before, most=most))


async def _old_requests(tx: Transaction, before: datetime, most: int) -> int:
    return int(await RIGHTS.purge_requests(tx, before=before, most=most))


TERMS = (
    Term(what="contacts", months=24, since="after they were withdrawn", scrub=_old_contacts),
    Term(
        what="agreements",
        months=72,
        since="after an agreement has ended: who signed it, and the copy on paper",
        scrub=_old_agreements,
    ),
    Term(what="people", months=24, since="after they were barred", scrub=_old_people),
    Term(what="sign-ins", months=3, since="after somebody asked to sign in", scrub=_old_sign_ins),
    Term(what="sessions", months=3, since="after they were used last", scrub=_old_sessions),
    Term(what="views", months=1, since="after they were deleted", scrub=_old_views),
    Term(what="requests", months=3, since="after the last step of somebody's request", scrub=_old_requests),
    *suggestions.TERMS,
    *mentions.TERMS,
)
