"""What somebody looks at before letters go: what cannot go and why, what was said before, what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from services.notifications.domain import BlockReason
from services.notifications.queries import COMPOSING

#: For so long the same words are not sent to the same body again without somebody seeing it.
SAID_BEFORE = timedelta(days=90)

#: Letters on one page of a list.
MOST = 100

#: In an address, with its words for a list of letters.
LISTS = {
    "all": "All letters",
    "email": "Letters that go by e-mail",
    "post": "Letters that go by post",
    "own": "Letters with words of their own",
    "twice": "Letters that say what we have said lately",
}

#: What is wrong with blocked letters, for one and for several.
BLOCKED = {
    BlockReason.BODY_CLOSED: "The body is closed",
    BlockReason.NO_EMAIL: "There is no e-mail address",
    BlockReason.NO_POSTAL_ADDRESS: "There is no postal address",
    BlockReason.BY_POST: "The contact is written to by post",
    BlockReason.WITHDRAWN: "The contact was withdrawn",
    BlockReason.NO_AREA: "We do not know which area the body serves",
    BlockReason.NOT_COUNTED: "Nobody has been counted there yet",
    BlockReason.NO_REGISTRATIONS: "Nobody is registered there",
    BlockReason.STOPPED: "The campaign was stopped",
}


@dataclass(frozen=True)
class Check:
    """What a campaign would send, as of now."""

    #: Counts and amounts, as the statement names them.
    figures: Any
    #: Why letters cannot go, and how many.
    blocked: Sequence[tuple[BlockReason, int]]
    #: Letters that say to a body what it was told lately.
    twice: int


async def check_of(tx: Transaction, campaign_id: UUID) -> Check:
    """Look at the letters of a campaign, whatever it has."""
    rows = COMPOSING.blocked_by(tx, campaign_id=campaign_id)
    return Check(
        figures=await COMPOSING.check_of(tx, campaign_id=campaign_id),
        blocked=[(BlockReason(row["reason"]), row["count"]) async for row in rows],
        twice=len(await _said_before(tx, campaign_id)),
    )


async def listed(tx: Transaction, campaign_id: UUID, which: str, after: int) -> list[Any]:
    """The next letters of one of the lists, or of those that a reason blocks; one more than a page shows."""
    ids = await _said_before(tx, campaign_id) if which == "twice" else []
    rows = COMPOSING.letters_listed(
        tx, campaign_id=campaign_id, which=which, after=after, ids=ids, most=MOST + 1
    )
    return [row async for row in rows]


async def _said_before(tx: Transaction, campaign_id: UUID) -> list[UUID]:
    since = tx.now - SAID_BEFORE
    return [
        row["id"] async for row in COMPOSING.letters_said_before(tx, campaign_id=campaign_id, since=since)
    ]
