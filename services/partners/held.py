"""What partners holds on somebody: telling it, saying what is against forgetting it, and forgetting it."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.files import drop_files
from chassis.outbox import announce_many
from chassis.retention import Term
from chassis.rights import Forgotten, Held, Subject, written
from contracts.access import Role
from services.partners import announcements, people, tokens
from services.partners.domain import Contact
from services.partners.queries import IMPORTS, PEOPLE, RIGHTS

#: Columns that say nothing about the person, or that only machines can use.
_NOT_TOLD = ("id", "organisation_id", "person_id", "email_key", "version", "changed_at", "erased_at")
_SECRETS = ("second_factor", "second_factor_step")

#: What stays here when somebody was forgotten.
KEPT = "What they did in Conduit, by a number and without their name: the record of acts must stay whole."


async def gather(tx: Transaction, subject: Subject) -> AsyncIterator[Held]:
    """Their account and how they signed in; every entry that others have made of them."""
    for number, id in enumerate(subject.ids, 1):
        person = await PEOPLE.person_by_id(tx, id=id)
        if person is not None:
            yield written(f"account-{number}.json", "Their account", await _account(tx, person))
    contacts = [row async for row in RIGHTS.contacts_held(tx, ids=list(subject.ids))]
    for number, row in enumerate(contacts, 1):
        yield written(f"contact-{number}.json", f"Entry {number} in the register", _told(row))


async def _account(tx: Transaction, person: Any) -> dict[str, Any]:
    id = person["id"]
    return {
        **_told(person),
        "second factor": "in use" if person["second_factor"] else "none",
        "signed in": [dict(row) async for row in RIGHTS.sessions_held(tx, person_id=id)],
        "tokens": [dict(row) async for row in RIGHTS.tokens_held(tx, person_id=id)],
    }


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {*_NOT_TOLD, *_SECRETS}
    return {name.replace("_", " "): value for name, value in row.items() if name not in hidden}


async def objection(tx: Transaction, subject: Subject) -> str | None:
    """Nobody locks the door from inside."""
    administrators = {
        row["id"]
        async for row in PEOPLE.people_listed(tx)
        if Role.OPS in row["roles"] and row["barred_at"] is None
    }
    if administrators and administrators <= set(subject.ids):
        return "Nobody would be left who may admit people. Give somebody else the role Operations first."
    return None


async def forget(tx: Transaction, subject: Subject) -> Forgotten:
    """Bar them, withdraw them, and keep no name and no address."""
    counts = {"accounts": 0, "entries in the register": 0}
    for id in subject.ids:
        counts["accounts"] += await _erase_person(tx, id)
        counts["entries in the register"] += await erase_contact(tx, id)
    for email in subject.emails:
        digest = address_digest(tx, email)
        await RIGHTS.note_erased_address(tx, digest=digest, now=tx.now)
        await _drop_files_with(tx, digest)
    return Forgotten(counts=counts, kept=(KEPT,) if counts["accounts"] else ())


async def _drop_files_with(tx: Transaction, digest: bytes) -> None:
    """Let go of the files with this address that are waiting to be taken in."""
    found = IMPORTS.drop_imports_with(tx, digest=digest)
    await drop_files(tx, [row["file_id"] async for row in found if row["file_id"] is not None])


async def _erase_person(tx: Transaction, id: UUID) -> int:
    person = await PEOPLE.lock_person(tx, id=id)
    if person is None or person["erased_at"] is not None:
        return 0
    await people.bar(tx, id)
    async for token in PEOPLE.tokens_of(tx, person_id=id, now=tx.now):
        await tokens.revoke(tx, id, token["id"])
    await RIGHTS.forget_token_names(tx, person_id=id)
    await RIGHTS.forget_ways_in(tx, person_id=id)
    await RIGHTS.erase_person(tx, id=id, now=tx.now)
    return 1


async def erase_contact(tx: Transaction, id: UUID) -> int:
    """Withdraw a contact for good. Whether there was one."""
    today = tx.now.astimezone(LOCAL).date()
    row = await RIGHTS.erase_contact(tx, id=id, today=today, now=tx.now)
    if row is None:
        return 0
    await announce_many(tx, [announcements.of_contact(tx.context.keys, Contact.of(row))])
    return 1


def address_digest(tx: Transaction, email: str) -> bytes:
    """By what an address is known that we are to forget."""
    key = tx.context.keys.derive("erased addresses")
    return hmac.new(key, email.strip().casefold().encode(), hashlib.sha256).digest()


# What goes by itself


async def _old_contacts(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["id"] async for row in RIGHTS.contacts_withdrawn_until(tx, before=before.date(), most=most)]
    return sum([await erase_contact(tx, id) for id in ids])


async def _old_people(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["id"] async for row in RIGHTS.people_barred_until(tx, before=before, most=most)]
    return sum([await _erase_person(tx, id) for id in ids])


async def _old_sign_ins(tx: Transaction, before: datetime, most: int) -> int:
    return int(await PEOPLE.purge_sign_ins(tx, before=before, most=most))


async def _old_sessions(tx: Transaction, before: datetime, most: int) -> int:
    return int(await PEOPLE.purge_sessions(tx, before=before, most=most))


async def _old_requests(tx: Transaction, before: datetime, most: int) -> int:
    return int(await RIGHTS.purge_requests(tx, before=before, most=most))


TERMS = (
    Term(what="contacts", months=24, since="after they were withdrawn", scrub=_old_contacts),
    Term(what="people", months=24, since="after they were barred", scrub=_old_people),
    Term(what="sign-ins", months=3, since="after somebody asked to sign in", scrub=_old_sign_ins),
    Term(what="sessions", months=3, since="after they were used last", scrub=_old_sessions),
    Term(what="requests", months=3, since="after the last step of somebody's request", scrub=_old_requests),
)
