"""What somebody did on panels: told to them, and forgotten as far as no decision rests on it.

A decision must be explained for as long as it is kept: who counted, what each gave, who had stepped out. So
seats, scores, attendance and decisions stay, by an id that nobody's name belongs to any more. Comments are
free words, and no decision keeps them: they go. Whoever was forgotten sits on no panel that has not published
yet; what they gave there counts no more, so that nobody is judged by somebody who can no longer be asked.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction, rows_of
from services.grants.queries import SERVED

#: What stays of whoever sat on a panel or recorded what it decided.
KEPT = (
    "That somebody sat on a panel, when they were at its meetings, what scores they gave and what they "
    "decided, without a name or any of their words: decisions on other people rest on that."
)


async def held_on(tx: Transaction, person_ids: Sequence[UUID]) -> dict[str, list[dict[str, Any]]]:
    """What is kept of what these people did, without a word on who applied.

    What others have noted of them at a decision is told once it is published: before, it could tell them of a
    case that is kept from them.
    """
    ids = list(person_ids)
    found = {
        "seats": SERVED.seats_held(tx, person_ids=ids),
        "attendance": SERVED.attendance_held(tx, person_ids=ids),
        "reviews": SERVED.reviews_held(tx, person_ids=ids),
        "decisions": SERVED.decisions_held(tx, person_ids=ids),
    }
    return {what: [dict(row) for row in await rows_of(rows)] for what, rows in found.items()}


async def forget_people(tx: Transaction, person_ids: Sequence[UUID]) -> tuple[int, bool]:
    """Forget their words, and let them sit on no panel now. How many comments, and whether more stays."""
    ids = list(person_ids)
    await SERVED.end_seats(tx, person_ids=ids, now=tx.now)
    await SERVED.drop_unsent_reviews(tx, person_ids=ids)
    comments: int = await SERVED.forget_comments_by(tx, person_ids=ids)
    return comments, bool(await SERVED.have_served(tx, person_ids=ids))


async def forget_applications(tx: Transaction, application_ids: Sequence[UUID]) -> None:
    """Forget what was said of these applicants."""
    await SERVED.forget_comments_on(tx, application_ids=list(application_ids))
