"""Meetings of a panel: begun when a round has closed, with whoever is there; one item after the other; ended.

Whoever locks several of these goes from the round to the meeting to the application to the fund.
"""

from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound
from services.grants.domain import Overtaken
from services.grants.queries import ATTENDING, MEETING, ROUNDS
from services.grants.rounds import RoundState
from services.grants.sitting import sitting_with

#: Meetings of a round that are listed; cases that may be put on the agenda besides.
MOST = 50

#: States of a round in which its panel may meet.
MAY_MEET = frozenset({RoundState.CLOSED, RoundState.DECIDED, RoundState.PUBLISHED})


class MeetingGoesOn(Conflict):
    """A meeting of this round is going on."""

    def __init__(self, id: UUID) -> None:
        super().__init__("A meeting of this round is going on.", "Go on with it, or end it first.")
        self.id = id


class NothingToDecide(Conflict):
    """The panel has nothing to look at."""

    def __init__(self) -> None:
        super().__init__("There is nothing to decide.", "Hand cases over to the panel first.")


async def begin(tx: Transaction, round_id: UUID, by: UUID) -> UUID:
    """Begin a meeting; on its agenda is whatever waits for a decision or was put off.

    Raises:
        NotFound, Conflict: when there is no such round, or it has not closed.
        MeetingGoesOn, NothingToDecide: when one of it goes on; or there would be nothing to look at.
    """
    row = await ROUNDS.lock_round(tx, id=round_id)
    if row is None:
        raise NotFound
    if row["state"] not in MAY_MEET:
        raise Conflict("The panel cannot meet yet.", "Close the round first: until then people may apply.")
    if (running := await MEETING.running_meeting(tx, round_id=round_id)) is not None:
        raise MeetingGoesOn(running)
    if not await MEETING.anything_to_meet_on(tx, round_id=round_id):
        raise NothingToDecide
    id: UUID = uuid_utils.compat.uuid7()
    await MEETING.begin_meeting(tx, id=id, round_id=round_id, by=by, now=tx.now)
    await MEETING.put_on_agenda(tx, meeting_id=id, round_id=round_id)
    note(tx, "meeting_begun", "meeting", id, after={"round": round_id})
    return id


async def running(tx: Transaction, meeting_id: UUID) -> Any:
    """A meeting that goes on, locked.

    Raises:
        NotFound, Conflict: when there is none, or it is over.
    """
    row = await MEETING.lock_meeting(tx, id=meeting_id)
    if row is None:
        raise NotFound
    check_running(row)
    return row


def check_running(row: Any) -> None:
    """Let nothing be done at a meeting that is over.

    Raises:
        Conflict: says what to do.
    """
    if row["ended_at"] is not None:
        raise Overtaken("This meeting is over.", "Begin another one on the page of the round.")


async def check_seen(tx: Transaction, meeting_id: UUID, viewer: UUID) -> None:
    """Let a member do nothing at a meeting that is not there for them.

    Raises:
        NotFound: when there is none that looks at something they may see.
    """
    if not await ATTENDING.is_seen(tx, meeting_id=meeting_id, viewer=viewer):
        raise NotFound


async def arrive(tx: Transaction, meeting_id: UUID, person_id: UUID) -> None:
    """Somebody who takes part is there. Once more changes nothing.

    Raises:
        NotFound, Conflict: when they do not take part, or the meeting is over.
    """
    row = await running(tx, meeting_id)
    await _check_seat(tx, row, person_id)
    await MEETING.arrive(tx, meeting_id=meeting_id, person_id=person_id, now=tx.now)
    note(tx, "came_to_meeting", "meeting", meeting_id, after={"person": person_id})


async def leave(tx: Transaction, meeting_id: UUID, person_id: UUID) -> None:
    """Somebody has gone. Once more changes nothing.

    Raises:
        NotFound, Conflict: when they do not take part, or the meeting is over.
    """
    row = await running(tx, meeting_id)
    await _check_seat(tx, row, person_id)
    await MEETING.leave(tx, meeting_id=meeting_id, person_id=person_id, now=tx.now)
    note(tx, "left_meeting", "meeting", meeting_id, after={"person": person_id})


async def _check_seat(tx: Transaction, row: Any, person_id: UUID) -> None:
    seats = await rows_of(MEETING.seats_at(tx, meeting_id=row["id"]))
    if all(each["person_id"] != person_id for each in seats):
        raise NotFound


async def open_item(tx: Transaction, meeting_id: UUID, case_id: UUID) -> None:
    """Turn to a case; one that is not on the agenda is put there, as far as it may still be decided.

    Raises:
        NotFound, Conflict: when it is none of this round, or the meeting is over.
    """
    row = await running(tx, meeting_id)
    application_id = await _case_of(tx, row, case_id)
    await MEETING.open_item(tx, meeting_id=meeting_id, application_id=application_id, now=tx.now)
    note(tx, "item_opened", "meeting", meeting_id, after={"application": application_id})


async def _case_of(tx: Transaction, row: Any, case_id: UUID) -> UUID:
    found: UUID | None = await MEETING.may_be_opened(tx, case_id=case_id, round_id=row["round_id"])
    if found is None:
        raise NotFound
    return found


async def stand_in(tx: Transaction, meeting_id: UUID, case_id: UUID, person_id: UUID) -> None:
    """Let a reserve count for a case.

    Raises:
        NotFound, Conflict: when they are no reserve, the case is kept from them, or the meeting is over.
    """
    item_id, reserve = await _reserve(tx, meeting_id, case_id, person_id)
    if not reserve:
        raise Conflict("They cannot stand in here.", "Only a reserve can, who is not too close to the case.")
    await MEETING.stand_in(tx, meeting_id=meeting_id, application_id=item_id, person_id=person_id)
    note(tx, "reserve_called", "meeting", meeting_id, after={"application": item_id, "person": person_id})


async def stand_back(tx: Transaction, meeting_id: UUID, case_id: UUID, person_id: UUID) -> None:
    """Let a reserve count for a case no more.

    Raises:
        NotFound, Conflict: when there is no such case, or the meeting is over.
    """
    item_id, _ = await _reserve(tx, meeting_id, case_id, person_id)
    await MEETING.stand_back(tx, meeting_id=meeting_id, application_id=item_id, person_id=person_id)
    note(tx, "reserve_sent_back", "meeting", meeting_id, after={"application": item_id, "person": person_id})


async def _reserve(tx: Transaction, meeting_id: UUID, case_id: UUID, person_id: UUID) -> tuple[UUID, bool]:
    """The application of a case on the agenda, and whether somebody may stand in for it."""
    await running(tx, meeting_id)
    found = await sitting_with(tx, meeting_id, case_id)
    item = found.item(case_id)
    free = [seat for seat in found.seats if seat.reserve and seat.person_id not in item.removed]
    return item.application_id, any(seat.person_id == person_id for seat in free)


async def end(tx: Transaction, meeting_id: UUID) -> None:
    """End a meeting. When nothing of its round waits any more, the round is decided.

    Raises:
        NotFound, Conflict: when there is none, or it is over.
    """
    row = await MEETING.meeting_by_id(tx, id=meeting_id)
    if row is None:
        raise NotFound
    plan = await ROUNDS.lock_round(tx, id=row["round_id"])
    await running(tx, meeting_id)
    await MEETING.end_meeting(tx, id=meeting_id, now=tx.now)
    note(tx, "meeting_ended", "meeting", meeting_id)
    if plan["state"] == RoundState.CLOSED and not sum(await waiting(tx, plan["id"])):
        await ROUNDS.set_state(tx, id=plan["id"], state=RoundState.DECIDED, now=tx.now)
        note(tx, "round_decided", "round", plan["id"])


async def waiting(tx: Transaction, round_id: UUID) -> tuple[int, int]:
    """How many applications of a round are not with the panel yet, and how many it has not decided."""
    row = await MEETING.undecided_in(tx, round_id=round_id)
    return row["to_hand_over"], row["undecided"]


async def meetings_of(tx: Transaction, round_id: UUID) -> list[Any]:
    """The meetings of a round, the newest first: id, begun_at, ended_at, items, decisions."""
    return await rows_of(MEETING.meetings_of(tx, round_id=round_id, most=MOST))
