"""How a campaign chases: how often, how far apart, by itself or not, and in which words.

One person writes it and another approves it: with the letters while they are a draft, by itself once they
have gone. Until then the campaign chases as it was approved to before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Refused
from services.notifications.campaigns import lock_campaign, lock_draft
from services.notifications.domain import CampaignState
from services.notifications.patience import LONGEST_PAUSE, MOST_CHASERS
from services.notifications.queries import CHASING, COMPOSING
from services.notifications.wording import Rules, check_template, fields_for

LONGEST_WORDS = 5_000

#: What a chaser may ask besides what its letter can say, for those who have said that the letter is there.
ACKNOWLEDGED = "acknowledged"

#: What a chaser says until a campaign says it otherwise.
FIRST_WORDS = """Dear {contact_name},

{if acknowledged}
Thank you for telling us that our letter to {body_name} has reached you. We would be glad of an answer.
The letter is attached once more.
{else}
Some weeks ago we wrote to you at {body_name}. We have not heard from you yet. Letters do go astray,
so here is ours once more: it is attached.
{end}

It takes one minute to answer, and needs no account:
{response_url}

{if acknowledged}
A “no” helps us as well.
{else}
You can say there that the letter has reached you, which commits you to nothing. A “no” helps us as well.
{end}

Yours sincerely,"""


@dataclass(frozen=True, kw_only=True)
class Chasing:
    """How a campaign chases."""

    #: How often at most, and how many working days apart.
    most: int
    every: int
    by_itself: bool
    words: str

    def asks_no_more_than(self, other: "Chasing") -> bool:
        """Whether it says the same, and neither oftener, sooner nor with fewer people looking."""
        return (
            self.words == other.words
            and self.most <= other.most
            and self.every >= other.every
            and self.by_itself <= other.by_itself
        )


@dataclass(frozen=True, kw_only=True)
class ChasingVersion:
    """One version of how a campaign chases, and who had a part in it."""

    number: int
    chasing: Chasing
    #: Who has written it since one was approved: they may not approve it.
    hands: Sequence[UUID]
    approved: bool
    #: Why it was sent back, and by whom; nothing when it was not.
    returned_by: UUID | None
    returned_because: str

    @property
    def waits(self) -> bool:
        """Whether somebody has to say whether it may be done so."""
        return not self.approved and not self.returned_because


def chasing_faults(chasing: Chasing, *, asks: bool = True) -> Iterator[Refused]:
    """Everything that has to be mended; the fields are named as on the form."""
    if not 0 <= chasing.most <= MOST_CHASERS:
        yield Refused(
            "We chase nobody that often.", f"Write a number from 0 to {MOST_CHASERS}.", field="most"
        )
    if not 1 <= chasing.every <= LONGEST_PAUSE:
        cure = f"Write a number of working days from 1 to {LONGEST_PAUSE}."
        yield Refused("This is no pause that we can keep.", cure, field="every")
    yield from chaser_words_faults(chasing.words, asks=asks)


def chaser_fields(*, asks: bool) -> Mapping[str, str]:
    """The fields that a chaser of a campaign may name."""
    says = "asks whether they have told us that our letter is there, and no more"
    return {**fields_for(asks=asks), ACKNOWLEDGED: says}


def chaser_doubts(words: str) -> Iterator[str]:
    """What of these words may not be meant for everybody whom a chaser goes to."""
    if f"{{if {ACKNOWLEDGED}}}" not in words:
        yield (
            "Whoever has told us that our letter is there reads the same as those of whom we have heard "
            f"nothing. Thank them in words of their own: {{if {ACKNOWLEDGED}}} … {{else}} … {{end}}."
        )


def chaser_words_faults(words: str, *, asks: bool) -> Iterator[Refused]:
    """What has to be mended in what a chaser says, each with its place."""
    if len(words) > LONGEST_WORDS:
        yield Refused("This is too long.", f"Write at most {LONGEST_WORDS:,} characters.", field="words")
    rules = Rules(known=chaser_fields(asks=asks), asked_only=(ACKNOWLEDGED,))
    for fault in check_template(words, "Re:", rules):
        yield Refused(fault.words, f"Line {fault.line}, character {fault.column}.", field="words")
    if "overdue" in words.casefold():
        cure = "It is courtesy, not law: say that you have not heard from them."
        yield Refused("This calls their answer overdue.", cure, field="words")


async def set_chasing(tx: Transaction, campaign_id: UUID, chasing: Chasing, by: UUID) -> ChasingVersion:
    """Write how a campaign is to chase, for somebody else to approve; chasing less needs nobody.

    Chasers that were ordered before keep their words.

    Raises:
        NotFound: when there is no such campaign.
        Conflict: when its letters wait for approval, or to be sent.
        Refused: names the first field at fault.
    """
    campaign = await lock_campaign(tx, campaign_id)
    draft = CampaignState(campaign["state"]).is_before_sending
    if draft:
        await lock_draft(tx, campaign_id)
    for fault in chasing_faults(chasing, asks=campaign["asks"]):
        raise fault
    newest = await chasing_of(tx, campaign_id)
    if newest.chasing == chasing and not newest.returned_because:
        return newest
    approved = await chasing_of(tx, campaign_id, approved=True)
    sets = {"most": chasing.most, "every": chasing.every, "by_itself": chasing.by_itself}
    words = {"words": digest_of(tx, chasing.words)}
    note(tx, "chasing_set", "campaign", campaign_id, after=sets | words)
    await CHASING.enter_first_words(tx, ids=[campaign_id], body=FIRST_WORDS, now=tx.now)
    hands = [] if newest.approved else [hand for hand in newest.hands if hand != by]
    version = newest.number + 1
    written = {"body": chasing.words, "hands": [*hands, by], **sets}
    await CHASING.enter_chasing(tx, campaign_id=campaign_id, version=version, **written, now=tx.now)
    await COMPOSING.touch_campaign(tx, id=campaign_id, by=by if draft else None)
    if chasing.asks_no_more_than(approved.chasing):
        await CHASING.approve_chasing(tx, campaign_id=campaign_id, by=None, now=tx.now)
    return await chasing_of(tx, campaign_id)


async def approve_chasing(tx: Transaction, campaign_id: UUID, by: UUID) -> None:
    """Let a locked campaign chase in the way that was written last, as somebody who had no part in it."""
    newest = await chasing_of(tx, campaign_id)
    if not newest.approved:
        words = {"words": digest_of(tx, newest.chasing.words)}
        note(tx, "chasing_approved", "campaign", campaign_id, after=words)
        await CHASING.approve_chasing(tx, campaign_id=campaign_id, by=by, now=tx.now)


async def send_chasing_back(tx: Transaction, campaign_id: UUID, by: UUID, because: str) -> None:
    """Leave a locked campaign to chase as it did, with what is to be put right in the other way."""
    note(tx, "chasing_sent_back", "campaign", campaign_id, after={"because": digest_of(tx, because)})
    await CHASING.send_chasing_back(tx, campaign_id=campaign_id, by=by, because=because)


async def chasing_that_waits(tx: Transaction, campaign: Mapping[str, Any]) -> ChasingVersion | None:
    """How a campaign of which letters have gone is to chase, if somebody has to approve that."""
    state = CampaignState(campaign["state"])
    if state.is_before_sending or state is CampaignState.STOPPED:
        return None
    newest = await chasing_of(tx, campaign["id"])
    return newest if newest.waits else None


async def chasing_of(tx: Transaction, campaign_id: UUID, *, approved: bool = False) -> ChasingVersion:
    """How a campaign is to chase, as it was written last; or as it was approved last, and does."""
    row = await CHASING.chasing_of(tx, campaign_id=campaign_id, approved=approved, first=FIRST_WORDS)
    return ChasingVersion(
        number=row["version"],
        chasing=Chasing(most=row["most"], every=row["every"], by_itself=row["by_itself"], words=row["body"]),
        hands=row["hands"],
        approved=row["approved_at"] is not None,
        returned_by=row["returned_by"],
        returned_because=row["returned_because"],
    )
