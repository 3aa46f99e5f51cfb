"""What a panel decides on a case: recorded once, with the money committed for it, and changed by another one.

The money, the decision and what it rests on are written in one transaction. Until the decisions of the round
are published nobody outside is told; a decision after that is told at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, Refused
from chassis.failpoints import reach
from chassis.web import pounds
from services.grants import ledger, publishing
from services.grants.applicants import Applicant, applicant_of
from services.grants.domain import Overtaken
from services.grants.meetings import check_running
from services.grants.queries import APPLICATIONS, MEETING
from services.grants.redaction import names_whom
from services.grants.rounds import RoundState
from services.grants.sitting import Item, Sitting, sitting
from services.grants.states import Mover, State, check_move

#: Characters of a reason.
LONGEST_WORDS = 1_500


class Kind(StrEnum):
    """What is decided."""

    AWARD = "award"
    DECLINE = "decline"
    DEFER = "defer"


#: Where a decision moves an application, once it is told.
MOVES_TO: Mapping[Kind, State] = {
    Kind.AWARD: State.AWARDED,
    Kind.DECLINE: State.DECLINED,
    Kind.DEFER: State.DEFERRED,
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody says that the panel has decided."""

    kind: Kind
    #: Of an award.
    amount_pence: int | None = None
    #: What the applicant is told: for a refusal it is needed.
    words: str = ""
    #: The number of the decision that it follows on; 0 when it is the first.
    follows: int = 0
    #: Why it is another one.
    why_changed: str = ""
    #: Scores that are not there yet are not waited for.
    without_missing: bool = False


async def record(tx: Transaction, meeting_id: UUID, case_id: UUID, said: Decision, by: UUID) -> UUID:
    """Record what was decided. The same once more, following on the same, changes nothing.

    Raises:
        NotFound: when the meeting has no such case.
        Refused: when what is said is not whole: names the field.
        Conflict: when the meeting is over, too few are there, somebody else has recorded another one, the
            application has moved on, or the fund has too little.
    """
    held = await MEETING.meeting_by_id(tx, id=meeting_id)
    if held is None:
        raise NotFound
    round_row = await APPLICATIONS.hold_round(tx, id=held["round_id"])
    check_running(await MEETING.hold_meeting(tx, id=meeting_id))
    application_id = await MEETING.item_of(tx, meeting_id=meeting_id, case_id=case_id)
    row = await APPLICATIONS.lock_application(tx, id=application_id) if application_id else None
    if row is None:
        raise NotFound
    await rows_of(MEETING.lock_reviews(tx, application_id=application_id))
    found = await sitting(tx, meeting_id, only=application_id)
    item = found.item(case_id)
    before = _recorded(found, item, said)
    if before is not None:
        return before
    check_move(State(row["state"]), MOVES_TO[said.kind], Mover.PANEL)
    _check(found, item, said)
    _check_names(said, await applicant_of(tx, item.application_id))
    reach("decision.checked")
    id = await _enter(tx, found, item, said, by)
    reach("decision.entered")
    await ledger.release_all(tx, award=item.application_id, cause=id)
    if said.amount_pence is not None:
        await ledger.commit(tx, found.plan.fund_id, said.amount_pence, award=item.application_id, cause=id)
    reach("decision.settled")
    if round_row["state"] == RoundState.PUBLISHED:
        await publishing.tell(tx, round_row, by, only=item.application_id)
    return id


def _recorded(found: Sitting, item: Item, said: Decision) -> UUID | None:
    """The very same decision, if it is there; nothing when this one is to be recorded.

    Raises:
        Conflict: when another one was recorded meanwhile.
    """
    if item.number == said.follows:
        return None
    row = item.decision
    if row is not None and item.number == said.follows + 1:
        recorded = (row["kind"], row["amount_pence"], row["words"] or "", row["meeting_id"])
        if recorded == (said.kind, said.amount_pence, said.words, found.id):
            id: UUID = row["id"]
            return id
    raise Overtaken(
        "Somebody has recorded a decision on this case meanwhile.",
        "Look at it below. If it is to be another one, record that.",
        field="follows",
    )


def _check(found: Sitting, item: Item, said: Decision) -> None:
    """Refuse what is not whole, and what those who are there may not decide."""
    most = min(item.amount_pence, found.plan.most_pence or item.amount_pence)
    if said.kind is Kind.AWARD and not said.amount_pence:
        raise Refused("An award needs an amount.", "Write how much.", field="amount")
    if said.kind is not Kind.AWARD and said.amount_pence is not None:
        raise Refused("Only an award has an amount.", "Leave it empty.", field="amount")
    if said.amount_pence is not None and said.amount_pence < 0:
        raise Refused("An award is more than nothing.", "Write how much.", field="amount")
    if said.amount_pence is not None and said.amount_pence > most:
        cure = f"At most {pounds(most)}: no more than was asked for, and than one award may be in this round."
        raise Refused("This is too much.", cure, field="amount")
    if said.kind is Kind.DECLINE and not said.words:
        raise Refused("A refusal needs a reason.", "Write what the applicant is told.", field="words")
    if item.number and not said.why_changed:
        raise Refused("It is not said why this changes.", "Write why, for the minutes.", field="why_changed")
    if said.kind is not Kind.DEFER:
        _check_quorum(found, item)
        if found.awaited(item) and not said.without_missing:
            raise Refused(
                "Not all have said what they think.",
                "Wait for them, or tick that the panel does not wait.",
                field="without_missing",
            )


def _check_names(said: Decision, who: Applicant | None) -> None:
    """Members read these words in their minutes, and do not know who applies."""
    for field, words in (("words", said.words), ("why_changed", said.why_changed)):
        if who is not None and (named := names_whom(words, who)):
            cure = "Write it without: members of the panel read this too."
            raise Refused(f"This says who applies. {' '.join(named)}", cure, field=field)


def _check_quorum(found: Sitting, item: Item) -> None:
    lacking = found.quorum(item).lacking
    if lacking:
        cure = "Call a reserve in, or put the case off to a later meeting."
        raise Conflict(
            f"The panel may not decide on this now. Missing: {', '.join(lacking)}.", cure, field="quorum"
        )


async def _enter(tx: Transaction, found: Sitting, item: Item, said: Decision, by: UUID) -> UUID:
    id: UUID = uuid_utils.compat.uuid7()
    counted = {seat.person_id for seat in found.quorum(item).counted}
    here = {seat.person_id for seat in found.seats if seat.here}
    await MEETING.enter_decision(
        tx,
        id=id,
        application_id=item.application_id,
        number=item.number + 1,
        meeting_id=found.id,
        kind=said.kind,
        amount_pence=said.amount_pence,
        present=sorted(counted),
        stepped_out=sorted(here & item.removed),
        acquainted=sorted(counted & item.acquainted),
        basis=_basis(found, item),
        words=said.words,
        why_changed=said.why_changed,
        by=by,
        now=tx.now,
    )
    after = {
        "decision": id,
        "number": item.number + 1,
        "kind": said.kind.value,
        "amount_pence": said.amount_pence,
        "words": digest_of(tx, said.words) if said.words else None,
    }
    note(tx, "decision_recorded", "application", item.application_id, after=after)
    return id


def _basis(found: Sitting, item: Item) -> dict[str, Any]:
    """What a decision rests on. Means are exact: as fractions."""
    mean, of_criteria, quorum = found.mean(item), found.means(item), found.quorum(item)
    return {
        "asked_pence": item.amount_pence,
        "most_pence": found.plan.most_pence,
        "mean": str(mean) if mean is not None else None,
        "criteria": [
            {
                "id": str(row["id"]),
                "name": row["name"],
                "weight": row["weight"],
                "mean": str(of_criteria[row["id"]]) if row["id"] in of_criteria else None,
            }
            for row in found.criteria
        ],
        "scores": [
            {"person": str(each.person_id), "criterion": str(each.criterion_id), "score": each.score}
            for each in sorted(found.scores(item), key=lambda each: (each.person_id, each.criterion_id))
        ],
        "not_waited_for": sorted(str(seat.person_id) for seat in found.awaited(item)),
        "quorum": {
            "least": found.plan.quorum,
            "peer": found.plan.needs_peer,
            "funder": found.plan.needs_funder,
            "counted": len(quorum.counted),
            "stood_in": sorted(
                str(seat.person_id) for seat in quorum.counted if seat.person_id in item.standing_in
            ),
            "lacking": list(quorum.lacking),
        },
    }
