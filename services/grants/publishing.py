"""Publishing what a panel has decided: of a whole round in one step, and after that each decision at once.

Before, nobody outside can tell that anything was decided. In one transaction every application moves, every
award is offered and every letter goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound
from chassis.failpoints import reach
from chassis.outbox import Announcement, announce_many
from contracts.envelope import pounds_sterling
from contracts.grants import ApplicationDecided
from services.grants import applying
from services.grants.applicants import Applicant
from services.grants.domain import Overtaken
from services.grants.doubts import doubts_in
from services.grants.meetings import waiting
from services.grants.queries import MEETING, ROUNDS
from services.grants.rounds import Round, RoundState
from services.grants.states import Mover, State, check_move

#: How long an award can be accepted.
ANSWER_WITHIN = timedelta(days=28)

_STATES = {"award": State.AWARDED, "decline": State.DECLINED, "defer": State.DEFERRED}


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What publishing a round would do, and what stands against it."""

    #: Rows, by label.
    decided: Sequence[Any]
    #: Sentences.
    against: Sequence[str]
    #: Rows: who had a part in a decision, and is or may be too close after all.
    doubts: Sequence[Any]

    @property
    def awarded_pence(self) -> int:
        """All that is awarded."""
        return sum(row["amount_pence"] or 0 for row in self.decided)

    def count(self, kind: str) -> int:
        """How many letters say so."""
        return sum(row["kind"] == kind for row in self.decided)


async def ahead(tx: Transaction, round_row: Any) -> Ahead:
    """What publishing a round would do."""
    id, against = round_row["id"], []
    if round_row["state"] not in (RoundState.CLOSED, RoundState.DECIDED):
        published = round_row["state"] == RoundState.PUBLISHED
        against.append("It is published already." if published else "The round has not closed.")
    if await MEETING.running_meeting(tx, round_id=id) is not None:
        against.append("A meeting is going on. End it first.")
    to_hand_over, undecided = await waiting(tx, id)
    if to_hand_over:
        against.append(f"Applications that are not with the panel yet: {to_hand_over}.")
    if undecided:
        against.append(f"Cases without a decision: {undecided}.")
    doubts = await doubts_in(tx, id)
    if doubts:
        labels = ", ".join(dict.fromkeys(row["label"] for row in doubts))
        against.append(f"A member who may be too close had a part in the decision on: {labels}.")
    decided = await rows_of(MEETING.decided_in(tx, round_id=id, only=None))
    return Ahead(decided=decided, against=against, doubts=doubts)


async def publish(tx: Transaction, round_id: UUID, by: UUID) -> None:
    """Tell every applicant of a round what was decided, and offer the awards.

    Raises:
        NotFound, Conflict: when there is no such round, or something stands against it.
    """
    row = await ROUNDS.lock_round(tx, id=round_id)
    if row is None:
        raise NotFound
    await MEETING.lock_applications(tx, round_id=round_id, only=None)
    found = await ahead(tx, row)
    if found.against:
        refusal = Overtaken if row["state"] == RoundState.PUBLISHED else Conflict
        raise refusal(found.against[0], "See to that first. Nothing was published.")
    await ROUNDS.set_state(tx, id=round_id, state=RoundState.PUBLISHED, now=tx.now)
    note(tx, "round_published", "round", round_id, after={"decisions": len(found.decided)})
    await tell(tx, row, by)


async def tell(tx: Transaction, round_row: Any, by: UUID, *, only: UUID | None = None) -> None:
    """Move applications to what was decided last, offer awards, and have the letters written.

    Args:
        only: one application, locked; else all of the round, locked.

    Raises:
        Conflict: when one of them has come too far.
    """
    decided = await rows_of(MEETING.decided_in(tx, round_id=round_row["id"], only=only))
    for row in decided:
        check_move(State(row["state"]), _STATES[row["kind"]], Mover.PANEL)
    ids, states = [row["id"] for row in decided], [_STATES[row["kind"]].value for row in decided]
    moved = {row["id"]: row["version"] async for row in MEETING.move_decided(
        tx, ids=ids, states=states, now=tx.now
    )}  # fmt: skip
    words = [row["words"] or "" for row in decided]
    await MEETING.enter_decided(tx, ids=ids, states=states, words=words, person_id=by, now=tx.now)
    reach("publishing.moved")
    answer_by = tx.today + ANSWER_WITHIN
    awarded = [row for row in decided if row["kind"] == "award"]
    await MEETING.take_back_offers(tx, ids=[row["id"] for row in decided if row["kind"] != "award"])
    await MEETING.offer_awards(
        tx,
        ids=[row["id"] for row in awarded],
        pence=[row["amount_pence"] for row in awarded],
        fund_id=round_row["fund_id"],
        answer_by=answer_by,
        now=tx.now,
    )
    reach("publishing.offered")
    plan = Round.of(round_row)
    await announce_many(
        tx, [_said(tx, row, round_row["id"], plan, moved[row["id"]], answer_by) for row in decided]
    )
    for row, state in zip(decided, states, strict=True):
        note(tx, f"application_{state}", "application", row["id"], before={"state": row["state"]})


def _said(
    tx: Transaction, row: Any, round_id: UUID, plan: Round, version: int, answer_by: Any
) -> Announcement:
    who = Applicant.opened(tx.context, row["sealed"]) if row["sealed"] is not None else None
    award = row["kind"] == "award"
    data = {
        "application_id": row["id"],
        "round_id": round_id,
        "letter": applying.letter_to(tx, ApplicationDecided, row, plan, who, row["words"] or ""),
        "decision": row["kind"],
        "number": row["number"],
        "replaces": row["state"] != State.UNDER_REVIEW,  # what was decided is told by moving it
        "purpose": row["purpose"],
        "asked": pounds_sterling(row["asked_pence"]),
        "awarded": pounds_sterling(row["amount_pence"]) if award else None,
        "answer_by": answer_by if award else None,
    }
    return Announcement(fact=ApplicationDecided, subject=row["id"], sequence=version, data=data)
