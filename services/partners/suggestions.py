"""People to whom a letter was passed on, until somebody of ours has decided; `taking_up` enters them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.audit import note, person_of
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.house import House
from chassis.outbox import announce
from chassis.retention import Term
from chassis.rights import Subject
from chassis.web import day
from contracts.partners import ContactSuggestionSettled
from services.partners.queries import SUGGESTIONS
from services.partners.today import Needed


async def lock(tx: Transaction, id: UUID) -> Any:
    """One that waits, which nobody else decides on until this transaction ends.

    Raises:
        NotFound: when there is none.
        Conflict: when it was decided before.
    """
    found = await SUGGESTIONS.lock_suggestion(tx, id=id)
    if found is None:
        raise NotFound
    if found["settled_at"] is not None:
        raise Conflict("Somebody has decided on this before.", "Look at the contacts of the organisation.")
    return found


async def leave_out(tx: Transaction, id: UUID) -> UUID:
    """Nobody writes to them, and who it was is no longer kept. The organisation.

    Raises:
        NotFound, Conflict: see :func:`lock`.
    """
    found = await lock(tx, id)
    await settle(tx, found, None)
    return UUID(str(found["organisation_id"]))


async def settle(tx: Transaction, found: Mapping[str, Any], contact_id: UUID | None) -> None:
    """Say what was decided: who has the letter from now on, or nobody."""
    id = found["id"]
    note(tx, "suggestion_settled", "suggestion", id, after={"contact": str(contact_id or "")})
    await SUGGESTIONS.settle_suggestion(tx, id=id, contact_id=contact_id, now=tx.now)
    facts = {name: found[name] for name in ("letter_id", "organisation_id")}
    await announce(
        tx,
        ContactSuggestionSettled,
        subject=id,
        sequence=1,
        suggestion_id=id,
        contact_id=contact_id,
        settled_by=person_of(tx),
        **facts,
    )


def contact_of(found: Mapping[str, Any], house: House, today: date) -> dict[str, str]:
    """What the form of a contact begins with, by the names of its fields."""
    names = {entry.name.casefold(): code for code, entry in house.lists["contact_roles"].items()}
    on = day(found["suggested_at"].astimezone(LOCAL).date())
    return {
        "contact_role": names.get(found["role"].casefold(), ""),
        "contact_name": found["name"],
        "contact_channel": "email",
        "contact_email": found["email"],
        "contact_source": f"a colleague there, who passed our letter on to you on {on}",
        "contact_listed_on": today.isoformat(),
    }


async def needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """Whoever waits to be confirmed."""
    return [
        Needed(
            kind="contact_suggested",
            what="Confirm whom our letter was passed on to",
            organisation_id=row["organisation_id"],
            organisation=row["organisation"],
            due_on=row["suggested_at"].astimezone(LOCAL).date(),
            href=f"/partners/suggestions/{row['id']}",
        )
        async for row in SUGGESTIONS.suggestions_waiting(tx, most=most)
    ]


async def count(tx: Transaction, id: UUID) -> int:
    """How many wait at an entry."""
    return int(await SUGGESTIONS.suggestions_at(tx, organisation_id=id))


async def move(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """Whoever waits at one entry waits at the other."""
    await SUGGESTIONS.move_suggestions(tx, losing=losing, surviving=surviving)


async def gather(tx: Transaction, subject: Subject) -> list[dict[str, Any]]:
    """Where somebody waits to be confirmed."""
    asked = {"ids": list(subject.ids), "emails": list(subject.emails)}
    names = [name.lower() for name in subject.names]
    return [dict(row) async for row in SUGGESTIONS.suggestions_held(tx, **asked, names=names)]


async def forget(tx: Transaction, subject: Subject) -> int:
    """Leave them out wherever they wait. How often."""
    asked = {"ids": list(subject.ids), "emails": list(subject.emails)}
    ids = [row["id"] async for row in SUGGESTIONS.suggestions_to_forget(tx, **asked)]
    for id in ids:
        await leave_out(tx, id)
    return len(ids)


async def _old_suggestions(tx: Transaction, before: datetime, most: int) -> int:
    ids = [row["id"] async for row in SUGGESTIONS.suggestions_until(tx, before=before, most=most)]
    for id in ids:
        await leave_out(tx, id)
    return len(ids)


TERMS = (
    Term(
        what="suggested-contacts",
        months=3,
        since="after a letter was passed on to them, when nobody has decided",
        scrub=_old_suggestions,
    ),
)
