"""Closing a body: when, who took over, and what of its letters, referrals, agreements, services goes there.

What is not handed over ends. Whoever keeps referrals, agreements or services carries that out by a
``Handover``; whoever sends letters, by what is announced. No body succeeds itself, by and by either.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, Conflict, NotFound, Refused
from chassis.outbox import announce_many
from chassis.web import day
from services.partners import agreements, announcements, directory, referrals
from services.partners.domain import HandedOver, Organisation, organisation_after
from services.partners.queries import MERGING, QUERIES
from services.partners.register import enter_on_timeline, write_organisations

#: What these are called on the timeline.
CLOSED, REOPENED = "closed", "reopened"


@dataclass(frozen=True, kw_only=True)
class Handover:
    """How one kind of thing goes from a closed body to the one that takes it over, or ends."""

    what: HandedOver
    #: How many are open.
    count: Callable[[Transaction, UUID], Awaitable[int]]
    #: From the closed body to the last one of its chain that is open.
    hand_over: Callable[[Transaction, UUID, UUID], Awaitable[object]]
    end: Callable[[Transaction, UUID], Awaitable[object]]


#: Of those who keep agreements, referrals and services.
HANDOVERS: tuple[Handover, ...] = (
    Handover(
        what=HandedOver.AGREEMENTS,
        count=agreements.open_agreements,
        hand_over=agreements.hand_over_agreements,
        end=agreements.end_agreements,
    ),
    Handover(
        what=HandedOver.REFERRALS, count=referrals.open_of, hand_over=referrals.hand_over, end=referrals.end
    ),
    Handover(
        what=HandedOver.SERVICES, count=directory.open_of, hand_over=directory.hand_over, end=directory.end
    ),
)


def heir(chain: Sequence[Mapping[str, Any]], what: HandedOver, today: date) -> Mapping[str, Any] | None:
    """The first open body of a chain that something was handed over to all the way; nothing when it ended.

    Args:
        chain: rows of ``chain_of``, the body itself first.
    """
    for each in chain:
        if each["closed_on"] is None or each["closed_on"] > today:
            return each
        if what not in each["handed_over"]:
            return None
    return None


async def close(
    tx: Transaction,
    id: UUID,
    *,
    closed_on: date,
    successor: UUID | None,
    handed_over: Iterable[HandedOver] = (),
    version: int | None = None,
) -> None:
    """Close a body, or say anew how it closed; announce it, and carry out what becomes of what is open there.

    Args:
        version: as whoever closes it has seen it.

    Raises:
        NotFound: when there is no such body.
        Conflict: when it was merged into another one.
        ChangedMeanwhile: when it has another version by now.
        Refused: names the field.
    """
    known = await _lock(tx, id, version)
    _refuse_day(tx, known, closed_on)
    successor = await _successor(tx, known, successor)
    given = tuple(what.value for what in HandedOver if what in set(handed_over))
    if given and successor is None:
        raise Refused("There is nobody to hand anything over to.", "Choose who took over.", field="successor")
    said = replace(known, closed_on=closed_on, successor_id=successor, handed_over=given)
    await _say(tx, known, said)
    chain = [row async for row in MERGING.chain_of(tx, id=id)]
    await _carry_out(tx, id, chain)
    name = chain[1]["name"] if successor else ""
    detail = f"Its work went to {name}." if name else ""
    await enter_on_timeline(tx, id, CLOSED, f"Closed on {day(closed_on)}", detail)
    after = {"closed_on": closed_on, "successor": successor, "handed_over": given}
    note(tx, "organisation_closed", "organisation", id, before={"version": known.version}, after=after)


async def reopen(tx: Transaction, id: UUID, version: int | None = None) -> None:
    """Say that a body is open after all. What was handed over or has ended stays as it is.

    Raises:
        NotFound: when there is no such body.
        Conflict: when it is open, or was merged into another one.
        ChangedMeanwhile: when it has another version by now.
    """
    known = await _lock(tx, id, version)
    if known.closed_on is None:
        raise Conflict("This organisation is open.", "Open the page again.")
    await _say(tx, known, replace(known, closed_on=None, successor_id=None, handed_over=()))
    await enter_on_timeline(tx, id, REOPENED, "Opened again", "It was recorded as closed before.")
    before = {"closed_on": known.closed_on, "successor": known.successor_id, "handed_over": known.handed_over}
    note(tx, "organisation_reopened", "organisation", id, before=before)


async def _lock(tx: Transaction, id: UUID, version: int | None) -> Organisation:
    """The body, in a register that nobody else changes until this ends: no ring grows meanwhile."""
    await QUERIES.lock_register(tx)
    rows = [row async for row in QUERIES.organisations_by_id(tx, ids=[id])]
    if not rows:
        raise NotFound
    known = Organisation.of(rows[0])
    if known.merged_into is not None:
        raise Conflict("This entry was merged into another one.", "Close that one.")
    if version is not None and version != known.version:
        raise ChangedMeanwhile
    return known


def _refuse_day(tx: Transaction, known: Organisation, closed_on: date) -> None:
    if closed_on > tx.today:
        cure = "An organisation that will close is still open: come back on the day."
        raise Refused("This day is still to come.", cure, field="closed_on")
    if known.opened_on is not None and closed_on < known.opened_on:
        cure = f"It opened on {day(known.opened_on)}: write that day or a later one."
        raise Refused("It cannot have closed before it opened.", cure, field="closed_on")


async def _successor(tx: Transaction, known: Organisation, id: UUID | None) -> UUID | None:
    """The body that takes over, or the one that it was merged into."""
    if id is None:
        return None
    rows = [row async for row in QUERIES.organisations_by_id(tx, ids=[id])]
    if not rows:
        cure = "Choose one of the list."
        raise Refused("This organisation is not in the register.", cure, field="successor")
    id = rows[0]["merged_into"] or rows[0]["id"]
    if id == known.id:
        what = "An organisation cannot take over from itself."
        raise Refused(what, "Choose another one.", field="successor")
    if known.id in {row["id"] async for row in MERGING.chain_of(tx, id=id)}:
        what = f"{rows[0]['name']} has closed, and its work came here by and by."
        raise Refused(what, "Choose the organisation that is open today.", field="successor")
    found: UUID = id
    return found


async def _say(tx: Transaction, known: Organisation, said: Organisation) -> None:
    after, fate = organisation_after(known, said)
    if after.version != known.version:
        await write_organisations(tx, [after])
        await announce_many(tx, [announcements.of_organisation(after, fate)])


async def _carry_out(tx: Transaction, id: UUID, chain: Sequence[Mapping[str, Any]]) -> None:
    for each in HANDOVERS:
        taker = heir(chain, each.what, tx.today)
        if taker is not None:
            await each.hand_over(tx, id, taker["id"])
        else:
            await each.end(tx, id)
