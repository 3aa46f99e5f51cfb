"""Where our letters have not helped: a letter to somebody else at the body, or the same once more by post."""

from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from services.notifications.chasing import due, letters_due_of, order_by_post, waiting_by_post
from services.notifications.domain import Channel, LetterState
from services.notifications.preparing import enter_letters, prepare_letter
from services.notifications.queries import CHASING, QUERIES


async def others_at(tx: Transaction, bodies: list[dict[str, str]]) -> dict[tuple[UUID, UUID], list[Any]]:
    """Who else could be written to, by campaign and body; the campaign's own roles first."""
    found: dict[tuple[UUID, UUID], list[Any]] = {}
    async for row in CHASING.others_at(tx, bodies=bodies, today=tx.today):
        found.setdefault((row["campaign_id"], row["organisation_id"]), []).append(row)
    return found


async def write_to_other(tx: Transaction, campaign_id: UUID, contact_id: UUID) -> Channel:
    """Write the campaign's letter to somebody else at a body that has not answered; it goes now. How.

    Raises:
        NotFound: when there is no such campaign.
        Conflict: when that person has a letter of it or may not be written to, or the letter cannot go.
    """
    campaign = await QUERIES.lock_campaign(tx, id=campaign_id)
    if campaign is None:
        raise NotFound
    row = await CHASING.recipient(tx, campaign_id=campaign_id, contact_id=contact_id, today=tx.today)
    if row is None or campaign["state"] not in ("sending", "sent"):
        raise Conflict("They cannot be written to in this campaign.", "Open the page again and choose again.")
    letter = await prepare_letter(tx, campaign, row["number"], row)
    if letter["state"] == LetterState.BLOCKED:
        raise Conflict(letter["failure"], letter["cure"])
    id = UUID(letter["id"])
    await enter_letters(tx, campaign_id, [letter], "Written because letters to others there have not helped")
    await CHASING.release_letter(tx, id=id, dated=tx.today, now=tx.now)
    await CHASING.go_on_sending(tx, id=campaign_id)
    note(tx, "letter_to_other", "letter", id, after={"campaign": str(campaign_id)})
    return Channel(letter["channel"])


async def hand_to_post(tx: Transaction, campaign_id: UUID, organisation_id: UUID) -> UUID:
    """Let a person post the letter once more to a body that chasing has not moved. Its letter.

    Raises:
        Conflict: when the body has moved meanwhile, or has no address to which one could post.
    """
    ids = [row["id"] async for row in letters_due_of(tx, campaign_id, organisation_id)]
    await CHASING.lock_letters(tx, ids=ids)
    rows = await due(tx, campaign_id=campaign_id, organisation_id=organisation_id, enough=True)
    if not rows:
        raise Conflict("This body has moved on meanwhile.", "Open the page again to see where it stands.")
    waiting = await waiting_by_post(tx, rows[0]["letter_ids"])
    for letter_id in rows[0]["letter_ids"]:
        if waiting[letter_id].has_address:
            await order_by_post(tx, letter_id, uuid_utils.compat.uuid7())
            note(tx, "handed_to_post", "letter", letter_id)
            return UUID(str(letter_id))
    raise Conflict(
        "We know no postal address of theirs.", "Add one to the contact, or write to somebody else there."
    )
