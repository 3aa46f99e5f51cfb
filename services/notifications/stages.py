"""A campaign from stage to stage: submitted, approved by somebody else, sent, paused, stopped.

Whoever moves a campaign holds its row meanwhile, so of two who do so at once the second sees what the first
has done. What was approved is what is sent: only a draft is changed, and an approval counts for the version
that was read.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, Refused
from services.notifications.campaigns import is_whole, lock_campaign
from services.notifications.chasing_settings import (
    approve_chasing,
    chasing_that_waits,
    send_chasing_back,
)
from services.notifications.checking import MOST_LINES
from services.notifications.colleagues import STAFF, done_by
from services.notifications.domain import CAMPAIGN_STAGES, CampaignState, can
from services.notifications.leaving import kept_here
from services.notifications.parts import in_parts
from services.notifications.queries import COMPOSING, QUERIES

#: Of a reason for sending a campaign back, in characters.
LONGEST_REASON = 2_000

#: How far ahead letters may be told to go, in days.
FURTHEST = 366

_C = CampaignState


class SecondPersonNeeded(Refused):
    """Somebody would approve what they have written, changed or submitted themselves."""

    status = 403

    def __init__(self) -> None:
        what = "You have written, changed or submitted this campaign, so somebody else approves it."
        super().__init__(what, "Ask a colleague who has had no part in it.")


async def submit_campaign(tx: Transaction, campaign_id: UUID, by: UUID | None) -> None:
    """Ask for the approval of a draft.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft.
        Refused: when something is missing, or no letter can go.
    """
    campaign = await _moved(tx, campaign_id, _C.SUBMITTED)
    if not is_whole(campaign):
        raise Refused("This campaign is not finished.", "Say who receives it and what it says first.")
    if not (await COMPOSING.check_of(tx, campaign_id=campaign_id, most_lines=MOST_LINES))["going"]:
        raise Refused(
            "None of these letters can go.",
            "Look at the reasons beside them, put them right, and make the letters again.",
        )
    note(tx, "campaign_submitted", "campaign", campaign_id, after={"words": campaign["words_version"]})
    await COMPOSING.submit_campaign(tx, id=campaign_id, by=by, now=tx.now)


async def take_back(tx: Transaction, campaign_id: UUID) -> None:
    """Make a campaign a draft again of which no letter has gone; an approval is void then.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no longer possible.
    """
    campaign = await _moved(tx, campaign_id, _C.DRAFT)
    note(tx, "campaign_taken_back", "campaign", campaign_id, before={"state": campaign["state"]})
    await COMPOSING.reopen_campaign(tx, id=campaign_id, returned_by=None, because="")


async def approve_campaign(tx: Transaction, campaign_id: UUID, by: UUID, revision: int) -> CampaignState:
    """Let a campaign be sent, or chase in another way, as somebody who has had no part in that.

    Returns its state after it.

    Args:
        revision: the version that they have read.

    Raises:
        NotFound, Conflict: when there is no such campaign, it does not wait for this, or has changed.
        SecondPersonNeeded: when they had a part in it.
    """
    campaign = await _read_by_a_second(tx, campaign_id, by, revision)
    await approve_chasing(tx, campaign_id, by)
    if campaign["state"] != _C.SUBMITTED:
        return CampaignState(campaign["state"])
    note(tx, "campaign_approved", "campaign", campaign_id, after={"words": campaign["words_version"]})
    await COMPOSING.approve_campaign(tx, id=campaign_id, by=by, now=tx.now)
    return _C.APPROVED


async def send_back(tx: Transaction, campaign_id: UUID, by: UUID, revision: int, because: str) -> None:
    """Make a campaign a draft again, or let it chase as it did, with what is to be put right.

    Raises:
        NotFound, Conflict, SecondPersonNeeded: as an approval does.
        Refused: without a reason, or with one that is too long.
    """
    if not because:
        raise Refused("This is empty.", "Say what is to be put right.", field="because")
    if len(because) > LONGEST_REASON:
        cure = f"Write at most {LONGEST_REASON:,} characters."
        raise Refused("This is too long.", cure, field="because")
    campaign = await _read_by_a_second(tx, campaign_id, by, revision)
    if campaign["state"] != _C.SUBMITTED:
        await send_chasing_back(tx, campaign_id, by, because)
        return
    note(tx, "campaign_sent_back", "campaign", campaign_id, after={"because": digest_of(tx, because)})
    await COMPOSING.reopen_campaign(tx, id=campaign_id, returned_by=by, because=because)


async def _read_by_a_second(tx: Transaction, campaign_id: UUID, by: UUID, revision: int) -> Any:
    campaign = await lock_campaign(tx, campaign_id)
    hands = await hands_in(tx, campaign)
    if hands is None:
        raise _moved_on(campaign)
    if campaign["version"] != revision:
        raise Conflict(
            "This campaign has changed since you read it.", "Open the page again and read it again."
        )
    if by in hands:
        raise SecondPersonNeeded
    return campaign


async def hands_in(tx: Transaction, campaign: Any) -> Sequence[UUID] | None:
    """Who had a part in what of a campaign waits for approval: its letters, or how it chases once they went.

    Nothing when neither does.
    """
    if campaign["state"] == _C.SUBMITTED:
        return list(campaign["hands"])
    chasing = await chasing_that_waits(tx, campaign)
    return chasing.hands if chasing else None


async def send_campaign(tx: Transaction, campaign_id: UUID) -> int:
    """Let every letter of an approved campaign go that can go. How many; the sender takes them from here.

    Raises:
        NotFound, Conflict: when there is no such campaign, nobody has approved it, or it was sent before.
        Refused: when no letter can go; says why where it lies with none of them.
    """
    await _moved(tx, campaign_id, _C.SENDING, only_from=_C.APPROVED)
    if kept := kept_here(tx.context.settings, tx.context.house):
        raise Refused(kept.words, kept.cure)
    released = await _release(tx, campaign_id, STAFF)
    if not released:
        raise Refused("None of these letters can go.", "Take the campaign back and look at the reasons.")
    note(tx, "campaign_sent", "campaign", campaign_id, after={"letters": released})
    return released


async def _release(tx: Transaction, campaign_id: UUID, who: str) -> int:
    today = tx.context.clock.today()
    said = {"dated": today, **done_by(tx, who), "now": tx.now}
    released = await in_parts(QUERIES.release_letters, tx, campaign_id=campaign_id, **said)
    story = {"correlationid": tx.cause.correlationid, "traceparent": tx.cause.traceparent}
    await COMPOSING.start_campaign(tx, id=campaign_id, now=tx.now, **story)
    return released


async def schedule_campaign(tx: Transaction, campaign_id: UUID, send_at: datetime | None) -> None:
    """Say when the letters of an approved campaign go by themselves; nothing, that they wait for a person.

    Raises:
        NotFound, Conflict: when there is no such campaign, nobody has approved it, or it was sent before.
        Refused: when the moment is past or too far away.
    """
    campaign = await lock_campaign(tx, campaign_id)
    if campaign["state"] != _C.APPROVED:
        raise _moved_on(campaign)
    if send_at is not None and send_at <= tx.now:
        raise Refused("This moment has gone by.", "Choose one that is still to come.", field="send_on")
    if send_at is not None and (send_at - tx.now).days >= FURTHEST:
        raise Refused("This is too far away.", "Choose a day within a year.", field="send_on")
    when = send_at.astimezone(LOCAL).isoformat() if send_at else None
    note(tx, "campaign_scheduled", "campaign", campaign_id, after={"send_at": when})
    await COMPOSING.schedule_campaign(tx, id=campaign_id, send_at=send_at)


async def release_scheduled(tx: Transaction) -> None:
    """Let the letters of each campaign go whose time has come; of several senders, one does."""
    async for row in COMPOSING.scheduled(tx, now=tx.now):
        await _release(tx, row["id"], "the clock")


async def pause_campaign(tx: Transaction, campaign_id: UUID) -> int:
    """Let no more letters go for now; what is being handed over this moment still does. How many wait.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is not being sent.
    """
    await _moved(tx, campaign_id, _C.PAUSED)
    await COMPOSING.pause_campaign(tx, id=campaign_id)
    waiting = await in_parts(COMPOSING.hold_waiting, tx, id=campaign_id, now=tx.now)
    note(tx, "campaign_paused", "campaign", campaign_id, after={"waiting": waiting})
    return waiting


async def resume_campaign(tx: Transaction, campaign_id: UUID) -> int:
    """Let the letters of a paused campaign go on. How many wait.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is not paused.
    """
    await _moved(tx, campaign_id, _C.SENDING, only_from=_C.PAUSED)
    await COMPOSING.resume_campaign(tx, id=campaign_id)
    waiting = await in_parts(COMPOSING.let_waiting_go, tx, id=campaign_id, now=tx.now)
    note(tx, "campaign_resumed", "campaign", campaign_id, after={"waiting": waiting})
    return waiting


async def stop_campaign(tx: Transaction, campaign_id: UUID) -> int:
    """Set aside, for good, whatever has not gone; what is being handed over still goes. How many letters.

    Raises:
        NotFound, Conflict: when there is no such campaign, or its letters do not go or wait.
    """
    await _moved(tx, campaign_id, _C.STOPPED)
    await COMPOSING.stop_campaign(tx, id=campaign_id, now=tx.now)
    aside = await set_aside_stopped(tx, STAFF)
    note(tx, "campaign_stopped", "campaign", campaign_id, after={"set_aside": aside})
    return aside


async def set_aside_stopped(tx: Transaction, who: str = "the sender") -> int:
    """Set aside what waits in stopped campaigns, also what was put back only after the stop. How many."""
    return await in_parts(COMPOSING.set_aside_stopped, tx, **done_by(tx, who), now=tx.now)


async def _moved(
    tx: Transaction, campaign_id: UUID, after: CampaignState, only_from: CampaignState | None = None
) -> Any:
    """The campaign, locked, if the table lets this state follow its own."""
    campaign = await lock_campaign(tx, campaign_id)
    before = CampaignState(campaign["state"])
    if not can(before, after) or before is not (only_from or before):
        raise _moved_on(campaign)
    return campaign


def _moved_on(campaign: Any) -> Conflict:
    stage = CAMPAIGN_STAGES[CampaignState(campaign["state"])].staff
    what = f"That is not possible now. The campaign is at: {stage}."
    return Conflict(what, "Open the page again to see where it stands.")
