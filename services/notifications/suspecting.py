"""Mail boxes that swallow everything: at least two mails of ours, over 25 working days, and not a word back.

What is kept is a keyed digest of the address and which contact it belongs to. It is lifted as soon as
anything comes from there, or when a member of staff says that the address works; then it counts anew.
"""

import hashlib
import hmac
from collections.abc import Collection
from uuid import UUID

from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict
from chassis.outbox import announce
from contracts.notifications import ContactCleared, ContactSuspected
from services.notifications.patience import waiting_before
from services.notifications.queries import SUSPECTING

#: Whole working days in which nothing came.
SILENT_FOR = 25
#: Addresses that are looked at together.
MOST = 200

ANSWERED = "something came from there"
SAID_SO = "a member of staff says that the address works"


async def suspect_silent(tx: Transaction) -> int:
    """Mark addresses that have swallowed everything, and lift what has answered. How many were marked."""
    answered = [row["contact_id"] async for row in SUSPECTING.suspects_that_answered(tx)]
    for contact_id in answered:
        await _lift(tx, contact_id, ANSWERED)
    count = 0
    silent = SUSPECTING.silent_addresses(tx, before=waiting_before(tx.today, SILENT_FOR), most=MOST)
    for row in [row async for row in silent]:
        of = {name: row[name] for name in ("contact_id", "organisation_id", "role")}
        times = await SUSPECTING.suspect(tx, digest=_digest(tx.context, row["email"]), now=tx.now, **of)
        if times is None:
            continue
        count += 1
        facts = {"contact_id": of["contact_id"], "organisation_id": of["organisation_id"]}
        await announce(
            tx,
            ContactSuspected,
            subject=of["contact_id"],
            sequence=2 * times - 1,
            contact_role=of["role"],
            suspected_at=tx.now,
            **facts,
        )
    return count


async def say_it_works(tx: Transaction, contact_id: UUID) -> None:
    """A member of staff knows that the address works.

    Raises:
        Conflict: when it is not suspected any more.
    """
    note(tx, "suspicion_lifted", "contact", contact_id)
    if not await _lift(tx, contact_id, SAID_SO):
        raise Conflict("This address is not suspected any more.", "Reload the page.")


async def suspected(tx: Transaction, contacts: Collection[UUID]) -> set[UUID]:
    """Which of these contacts have an address that is suspected, for whoever writes to them."""
    return {row["contact_id"] async for row in SUSPECTING.suspected_among(tx, ids=list(contacts))}


async def _lift(tx: Transaction, contact_id: UUID, because: str) -> bool:
    lifted = await SUSPECTING.lift_suspicion(tx, contact_id=contact_id, because=because, now=tx.now)
    if lifted is None:
        return False
    await announce(
        tx,
        ContactCleared,
        subject=contact_id,
        sequence=2 * lifted["times"],
        contact_id=contact_id,
        organisation_id=lifted["organisation_id"],
        contact_role=lifted["role"],
        cleared_at=tx.now,
    )
    return True


def _digest(context: Context, email: str) -> bytes:
    return hmac.digest(context.keys.derive("suspects"), email.strip().casefold().encode(), hashlib.sha256)
