"""Decisions in which somebody had a part who came out to be too close afterwards.

Nothing is published before each is settled: another decision without them, a word on why this one stands, or
the conflict dismissed.
"""

from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, Refused
from services.grants.conflicts import Standing
from services.grants.queries import CONFLICTS, DOUBTS


async def doubts_in(tx: Transaction, round_id: UUID, *, only: UUID | None = None) -> list[Any]:
    """Who throws doubt on which decisions of a round, by label. Rows as the statement gives them.

    Args:
        only: one application.
    """
    return await rows_of(DOUBTS.doubts_in(tx, round_id=round_id, only=only))


async def uphold(tx: Transaction, conflict_id: UUID, by: UUID, words: str) -> None:
    """Say why a decision stands although this member had a part in it.

    Raises:
        NotFound: when there is no such conflict, or it is about whoever would say so.
        Conflict: when it is not settled yet, or throws doubt on nothing any more.
        Refused: without a word.
    """
    row = await CONFLICTS.lock_conflict(tx, id=conflict_id)
    if row is None or row["person_id"] == by:
        raise NotFound
    if row["state"] == Standing.SUGGESTED:
        raise Conflict("It is not settled whether they are close.", "Settle that first.")
    about = {"application_id": row["application_id"], "person_id": row["person_id"]}
    decision = await DOUBTS.doubted_decision(tx, **about)
    if decision is None:
        raise Conflict(
            "Nothing is to be said on this any more.", "Open the page again to see where it stands."
        )
    if not words:
        raise Refused("It is not said why.", "Write why it stands: it is in the minutes.", field="stands")
    await DOUBTS.uphold(tx, decision_id=decision, person_id=row["person_id"], words=words, by=by, now=tx.now)
    after = {"decision": decision, "person": row["person_id"], "words": digest_of(tx, words)}
    note(tx, "decision_upheld", "application", row["application_id"], after=after)
