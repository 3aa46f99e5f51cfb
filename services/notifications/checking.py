"""What somebody looks at before letters go: what cannot go and why, what was said before, what is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from services.notifications.domain import BlockReason, CampaignState
from services.notifications.queries import COMPOSING

#: For so long the same words are not sent to the same body again without somebody seeing it.
SAID_BEFORE = timedelta(days=90)

#: Letters on one page of a list.
MOST = 100

#: So many lines of an address stand below each other in the window, under a name, a role and a body.
MOST_LINES = 5

#: In an address, with its words for a list of letters.
LISTS = {
    "all": "All letters",
    "email": "Letters that go by e-mail",
    "post": "Letters that go by post",
    "own": "Letters with words of their own",
    "suspect": "Letters to addresses that may be dead",
    "squeezed": "Letters with an address too long for the window",
    "twice": "Letters that say what we have said lately",
    "pledged": "Letters to bodies that have pledged for this fund",
    "written_back": "Letters to bodies whose pledge for this fund will not come",
    "declined": "Letters to bodies that have declined this fund",
    "open": "Letters to bodies that were asked for this fund and have not decided yet",
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
    BlockReason.STOPPED: "They want no letters from us",
    BlockReason.ANSWERED: "They have answered already",
    BlockReason.UNPRINTABLE: "The letter cannot be printed",
    BlockReason.HOUSE_UNFINISHED: "The house file is not filled in",
    BlockReason.LINKS_NOWHERE: "Links would lead to our own computer only",
}


def blocked_words(campaign: Mapping[str, Any]) -> Mapping[BlockReason, str]:
    """What is wrong with blocked letters; in a campaign that was stopped, what had not gone then as well."""
    if campaign["state"] != CampaignState.STOPPED:
        return BLOCKED
    return {**BLOCKED, BlockReason.STOPPED: "The campaign was stopped, or they want no letters from us"}


@dataclass(frozen=True)
class Check:
    """What a campaign would send, as of now."""

    #: Counts and amounts, as the statement names them.
    figures: Any
    #: Why letters cannot go, and how many.
    blocked: Sequence[tuple[BlockReason, int]]
    #: Letters that say to a body what it was told lately.
    twice: int
    #: Letters to bodies that were asked for the same fund before, by what came of it: one of the lists each.
    again: Mapping[str, int]


async def check_of(tx: Transaction, campaign_id: UUID) -> Check:
    """Look at the letters of a campaign, whatever it has."""
    rows = COMPOSING.blocked_by(tx, campaign_id=campaign_id)
    return Check(
        figures=await COMPOSING.check_of(tx, campaign_id=campaign_id, most_lines=MOST_LINES),
        blocked=[(BlockReason(row["reason"]), row["count"]) async for row in rows],
        twice=len(await _said_before(tx, campaign_id)),
        again=Counter((await _asked_before(tx, campaign_id)).values()),
    )


async def listed(
    tx: Transaction, campaign_id: UUID, which: str, after: int, body: UUID | None = None
) -> list[Any]:
    """The next letters of one of the lists, or of those that a reason blocks; one more than a page shows.

    Args:
        body: only the letters to this one.
    """
    ids = await _named(tx, campaign_id, which)
    rows = COMPOSING.letters_listed(
        tx,
        campaign_id=campaign_id,
        which=which if ids is None else "named",
        after=after,
        body=body,
        ids=ids or [],
        most_lines=MOST_LINES,
        most=MOST + 1,
    )
    return [row async for row in rows]


async def _named(tx: Transaction, campaign_id: UUID, which: str) -> list[UUID] | None:
    """The letters of a list that is made of what other campaigns have said; nothing for other lists."""
    if which == "twice":
        return await _said_before(tx, campaign_id)
    if which in ("pledged", "written_back", "declined", "open"):
        return [id for id, said in (await _asked_before(tx, campaign_id)).items() if said == which]
    return None


async def _asked_before(tx: Transaction, campaign_id: UUID) -> dict[UUID, str]:
    rows = COMPOSING.letters_asking_again(tx, campaign_id=campaign_id)
    return {row["id"]: row["said"] async for row in rows}


async def _said_before(tx: Transaction, campaign_id: UUID) -> list[UUID]:
    since = tx.now - SAID_BEFORE
    return [
        row["id"] async for row in COMPOSING.letters_said_before(tx, campaign_id=campaign_id, since=since)
    ]
