"""Cases: what the panel reads of an application, prepared by somebody of ours, then handed over.

What is handed over stays as it is: those who have read it go by it. As long as nobody has begun to score it,
it can be taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from services.grants import conflicts
from services.grants.applicants import applicant_of
from services.grants.applying import move
from services.grants.domain import Overtaken, signs
from services.grants.queries import APPLICATIONS, PANEL
from services.grants.redaction import redact
from services.grants.rounds import RoundState
from services.grants.states import Mover, State, check_move

#: Signs of what the panel reads: what the applicant wrote and some more, because a name may be short.
LONGEST_WORDS, LONGEST_PAPERS = 4_000, 1_500
#: Cases that are handed over at one press of the button.
AT_A_TIME = 200

#: Signs of a label, and labels that are tried: with very many cases one may be taken.
_SIGNS, _TRIES = 4, 20


@dataclass(frozen=True)
class HandedOver:
    """What came of handing over all that are prepared."""

    done: int
    #: Those on which a suggestion of a conflict waits.
    waiting: int


async def first_words(tx: Transaction, row: Mapping[str, Any]) -> str:
    """With what one begins to prepare an application: its own words, as far as a machine can redact them.

    Args:
        row: of the application.
    """
    who = await applicant_of(tx, row["id"])
    words: str = row["words"]
    return redact(words, who) if who else words


@dataclass(frozen=True)
class Preparing:
    """An application that waits for the panel, locked, with what is prepared of it if anything is."""

    application_id: UUID
    case: Any
    #: Who sits on the panel.
    members: Sequence[UUID]


async def to_prepare(tx: Transaction, application_id: UUID) -> Preparing:
    """Lock an application in order to write what the panel will read.

    Raises:
        NotFound, Conflict: when there is no such application, or it does not wait for the panel.
    """
    row, members = await _held(tx, application_id)
    if row["state"] != State.ELIGIBLE:
        cure = "Open the page again to see where it stands."
        raise Overtaken("This application does not wait for the panel.", cure, field="words")
    return Preparing(application_id, await PANEL.lock_case(tx, application_id=application_id), members)


async def prepare(tx: Transaction, at: Preparing, *, words: str, papers: str) -> None:
    """Write what the panel will read. What follows from members' interests is suggested at once."""
    if at.case is None:
        await _begin(tx, at.application_id, words, papers)
    else:
        said = {"application_id": at.application_id, "words": words, "papers": papers}
        await PANEL.write_case(tx, **said, now=tx.now)
    await conflicts.derive(tx, at.application_id, at.members)
    note(
        tx, "case_prepared", "application", at.application_id, after={"words": digest_of(tx, words + papers)}
    )


async def _begin(tx: Transaction, application_id: UUID, words: str, papers: str) -> None:
    said = {"application_id": application_id, "words": words, "papers": papers, "now": tx.now}
    for _ in range(_TRIES):
        if await PANEL.begin_case(tx, id=uuid4(), label=signs(_SIGNS), **said):
            return
    raise Conflict("No label is free.", "Try it again.")


async def hand_over(tx: Transaction, application_id: UUID, by: UUID) -> None:
    """Let the panel have it.

    Raises:
        NotFound, Conflict: when there is no such application, it does not wait for the panel, or its round
            still takes others.
        Refused: when it is not prepared, or a suggestion of a conflict waits.
    """
    row, members = await _held(tx, application_id)
    check_move(State(row["state"]), State.UNDER_REVIEW, Mover.OFFICER)
    case = await PANEL.lock_case(tx, application_id=application_id)
    if case is None or not (case["words"] and case["papers"]):
        cure = "Write what the panel reads and what the papers show."
        raise Refused("It is not prepared yet.", cure, field="hand_over")
    if case["changed_at"] < row["submitted_at"]:
        cure = "Read what it says now, and save what the panel reads."
        raise Refused("It was sent again after it was prepared.", cure, field="hand_over")
    await conflicts.derive(tx, application_id, members)
    if await conflicts.suggested_on(tx, [application_id]):
        raise SuggestionWaits
    await PANEL.hand_over(tx, application_id=application_id, handed_at=tx.now, by=by, now=tx.now)
    await move(tx, row, State.UNDER_REVIEW, by=by)


class SuggestionWaits(Conflict):
    """A member of the panel may be too close to whoever applies, and nobody has looked at it."""

    def __init__(self) -> None:
        super().__init__(
            "A member may be too close to this applicant.",
            "Settle that first, then hand it over.",
            field="hand_over",
        )


async def hand_over_all(tx: Transaction, round_id: UUID, by: UUID) -> HandedOver:
    """Let the panel have everything that is prepared, but for what a suggestion of a conflict waits on.

    Raises:
        NotFound, Conflict: when there is no such round, or it still takes others.
    """
    ids = [row["id"] async for row in PANEL.prepared_cases(tx, round_id=round_id, most=AT_A_TIME)]
    members = await conflicts.hold_members(tx, round_id)
    await _hold_closed(tx, round_id)
    for id in ids:
        await conflicts.derive(tx, id, members)
    waiting = await conflicts.suggested_on(tx, ids)
    ready = [id for id in ids if id not in waiting]
    for id in ready:
        await hand_over(tx, id, by)
    return HandedOver(done=len(ready), waiting=len(waiting))


async def take_back(tx: Transaction, application_id: UUID, by: UUID) -> None:
    """Prepare it once more: the panel has it no longer.

    Raises:
        NotFound, Conflict: when there is no such application, the panel does not have it, or somebody has
            begun to score it.
    """
    row, _ = await _held(tx, application_id)
    check_move(State(row["state"]), State.ELIGIBLE, Mover.OFFICER)
    case = await PANEL.lock_case(tx, application_id=application_id)
    if case is None or case["handed_at"] is None:
        raise Overtaken("The panel does not have it.", "Open the page again to see where it stands.")
    if await PANEL.is_begun(tx, application_id=application_id):
        what = "A member has begun to score it, or it is on the agenda of a meeting."
        raise Conflict(what, "It stays with the panel as it is.", field="hand_over")
    await PANEL.hand_over(tx, application_id=application_id, handed_at=None, by=None, now=tx.now)
    await move(tx, row, State.ELIGIBLE, by=by)


async def _held(tx: Transaction, application_id: UUID) -> tuple[Any, list[UUID]]:
    """An application of a closed round, locked, and the members of its panel, held before it is."""
    found = await APPLICATIONS.application_by_id(tx, id=application_id)
    if found is None or found["submitted_at"] is None:
        raise NotFound
    members = await conflicts.hold_members(tx, found["round_id"])
    await _hold_closed(tx, found["round_id"])
    return await APPLICATIONS.lock_application(tx, id=application_id), members


async def _hold_closed(tx: Transaction, round_id: UUID) -> None:
    row = await APPLICATIONS.hold_round(tx, id=round_id)
    if row is None:
        raise NotFound
    if row["state"] != RoundState.CLOSED:
        what = "This round is not closed yet, or its panel has done its work."
        raise Conflict(what, "Look at the round’s page.", field="hand_over")
