"""Addresses that may be dead: mail boxes that swallow everything, and where post comes back from.

A mail box is suspect after two mails of ours, each over 25 working days old, and not a word back; a postal
address as soon as something came back from it. What is kept is a keyed digest of the address and which
contact it belongs to. It is lifted as soon as anything comes from there, the address is put right, or a
member of staff says that it works; then it counts anew.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict
from chassis.outbox import announce
from contracts.notifications import ContactCleared, ContactSuspected
from services.notifications.campaigns import postal_lines
from services.notifications.domain import Channel
from services.notifications.patience import waiting_before
from services.notifications.queries import SUSPECTING

#: Whole working days in which nothing came, for each of the mails.
SILENT_FOR = 25
#: How far the first of them and the last are apart, at least: no one bad day explains both.
APART = timedelta(days=7)
#: Addresses that are looked at together.
MOST = 200

ANSWERED = "something came from there"
SAID_SO = "a member of staff says that the address works"
PUT_RIGHT = "the address was put right"


async def suspect_silent(tx: Transaction) -> int:
    """Mark mail boxes that have swallowed everything, and lift what works by now. How many were marked."""
    for row in await rows_of(SUSPECTING.suspects_that_answered(tx)):
        await _lift(tx, row["contact_id"], row["channel"], ANSWERED)
    for row in await rows_of(SUSPECTING.addresses_suspected(tx)):
        if row["digest"] != _digest(tx.context, _address(row, row["channel"])):
            await _lift(tx, row["contact_id"], row["channel"], PUT_RIGHT)
    before = waiting_before(tx.today, SILENT_FOR)
    silent = SUSPECTING.silent_addresses(tx, before=before, apart=APART, most=MOST)
    return sum([await _suspect(tx, row, Channel.EMAIL, row["email"]) for row in await rows_of(silent)])


async def suspect_returned(tx: Transaction, contact: Any, printed: Sequence[str]) -> None:
    """Mark the postal address of a contact from which something came back, unless it was put right since.

    Args:
        contact: as the address book has it.
        printed: the address that stood on what came back.
    """
    address = "\n".join(printed)
    if address == _address(contact, Channel.POST):
        await _suspect(tx, contact, Channel.POST, address)


async def _suspect(tx: Transaction, contact: Any, channel: Channel, address: str) -> bool:
    """Whether it was not suspected before."""
    of = {name: contact[name] for name in ("contact_id", "organisation_id", "role")}
    digest = _digest(tx.context, address)
    told = await SUSPECTING.suspect(tx, channel=channel.value, digest=digest, now=tx.now, **of)
    if told is None:
        return False
    await announce(
        tx,
        ContactSuspected,
        subject=of["contact_id"],
        sequence=told,
        contact_id=of["contact_id"],
        organisation_id=of["organisation_id"],
        contact_role=of["role"],
        channel=channel.value,
        suspected_at=tx.now,
    )
    return True


def _address(contact: Mapping[str, Any], channel: str) -> str:
    if channel == Channel.POST:
        return "\n".join(postal_lines(contact))
    return contact["email"] or ""


async def say_it_works(tx: Transaction, contact_id: UUID, channel: Channel) -> None:
    """A member of staff knows that the address works.

    Raises:
        Conflict: when it is not suspected any more.
    """
    note(tx, "suspicion_lifted", "contact", contact_id, after={"channel": channel.value})
    if not await _lift(tx, contact_id, channel, SAID_SO):
        raise Conflict("This address is not suspected any more.", "Open the page again.")


async def _lift(tx: Transaction, contact_id: UUID, channel: str, because: str) -> bool:
    """Whether it was suspected until now; announced once no address of theirs is."""
    of = {"contact_id": contact_id, "channel": str(channel)}
    lifted = await SUSPECTING.lift_suspicion(tx, because=because, now=tx.now, **of)
    if lifted is not None and not lifted["still"]:
        await announce(
            tx,
            ContactCleared,
            subject=contact_id,
            sequence=lifted["told"],
            contact_id=contact_id,
            organisation_id=lifted["organisation_id"],
            contact_role=lifted["role"],
            cleared_at=tx.now,
        )
    return lifted is not None


def _digest(context: Context, address: str) -> bytes:
    return hmac.digest(context.keys.derive("suspects"), address.strip().casefold().encode(), hashlib.sha256)
