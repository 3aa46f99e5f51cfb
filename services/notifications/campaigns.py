"""A campaign as it is kept: what it is for, to whom it goes, what it says and asks, while it is a draft."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.house import House
from services.notifications.domain import (
    CAMPAIGN_STAGES,
    AskFormula,
    ByPost,
    CampaignState,
)
from services.notifications.parts import in_parts
from services.notifications.plans import LONGEST, Plan, Purpose, Recipients, Words, plan_faults
from services.notifications.queries import COMPOSING, QUERIES

#: What the key of the response tokens is derived for.
TOKENS = "response tokens"


async def create_campaign(tx: Transaction, plan: Plan, by: UUID | None) -> UUID:
    """Enter a draft. It has no letters yet; see :mod:`services.notifications.preparing`.

    Args:
        by: who wrote it, and so may not approve it; nobody, when a command did.

    Raises:
        Refused: names the first field at fault.
    """
    for fault in plan_faults(plan, tx.context.house):
        raise fault
    id = await begin_campaign(tx, plan, by)
    await enter_recipients(tx, id, plan)
    await enter_words(tx, id, plan, by)
    return id


async def begin_campaign(tx: Transaction, purpose: Purpose, by: UUID | None) -> UUID:
    """Enter a draft of which only the purpose is known, which is sound."""
    id: UUID = uuid_utils.compat.uuid7()
    note(tx, "campaign_made", "campaign", id, after={"asks": purpose.formula is not None})
    await COMPOSING.enter_campaign(tx, id=id, by=by, now=tx.now, **_columns(purpose))
    return id


async def enter_purpose(tx: Transaction, id: UUID, purpose: Purpose) -> None:
    """What a locked draft is for; sound."""
    note(tx, "campaign_purpose_changed", "campaign", id, after={"asks": purpose.formula is not None})
    await COMPOSING.set_purpose(tx, id=id, **_columns(purpose))


async def enter_recipients(tx: Transaction, id: UUID, recipients: Recipients) -> None:
    """Who receives a locked draft; sound."""
    roles, areas = list(dict.fromkeys(recipients.roles)), list(dict.fromkeys(recipients.areas))
    chosen = {"kind": recipients.kind, "areas": areas, "roles": roles, "in_turn": recipients.in_turn}
    chosen["by_post"] = recipients.by_post.value
    note(tx, "campaign_recipients_changed", "campaign", id, after=chosen)
    await COMPOSING.set_recipients(tx, id=id, **chosen)


async def enter_words(tx: Transaction, id: UUID, words: Words, by: UUID | None) -> None:
    """What a locked draft says; sound. Words that are other than before are a version of their own."""
    note(tx, "campaign_words_changed", "campaign", id, after={"words": digest_of(tx, words.body)})
    await COMPOSING.set_words(tx, id=id, subject=words.subject, body=words.body, by=by, now=tx.now)
    await COMPOSING.set_signatory(tx, id=id, signatory=words.signatory)


def _columns(purpose: Purpose) -> dict[str, Any]:
    formula = purpose.formula
    return {
        "name": purpose.name,
        "purpose": purpose.purpose,
        "fund": purpose.fund if formula else "",
        "profession": purpose.profession if formula else None,
        "formula_version": formula.version if formula else None,
        "least_pence": formula.least_pence if formula else None,
        "each_pence": formula.each_pence if formula else None,
        "step_pence": formula.step_pence if formula else None,
        "most_pence": formula.most_pence if formula else None,
    }


async def campaign_called(tx: Transaction, name: str) -> UUID | None:
    """The newest campaign of that name."""
    id: UUID | None = await QUERIES.campaign_called(tx, name=name)
    return id


def formula_of(campaign: Any) -> AskFormula | None:
    """The formula that a campaign was given; none when it asks for no money."""
    if not campaign["asks"]:
        return None
    return AskFormula(
        version=campaign["formula_version"],
        least_pence=campaign["least_pence"],
        each_pence=campaign["each_pence"],
        step_pence=campaign["step_pence"],
        most_pence=campaign["most_pence"],
    )


def purpose_of(campaign: Any) -> Purpose:
    """What a campaign is for, as another one is begun that says so in its name."""
    return Purpose(
        name=f"Copy of {campaign['name']}"[: LONGEST["name"]].rstrip(),
        purpose=campaign["purpose"],
        fund=campaign["fund"],
        profession=campaign["profession"] or "",
        formula=formula_of(campaign),
    )


def recipients_of(campaign: Any) -> Recipients:
    """Who receives a campaign."""
    return Recipients(
        kind=campaign["kind"],
        areas=campaign["areas"],
        roles=campaign["roles"],
        in_turn=campaign["in_turn"],
        by_post=ByPost(campaign["by_post"]),
    )


def formula_words_of(house: House, campaign: Any) -> str | None:
    """The formula as letters and pages tell it; nothing when the campaign asks for no money."""
    formula = formula_of(campaign)
    profession = house.lists["professions"].get(campaign["profession"])
    return formula.words(profession.name.lower() if profession else "person") if formula else None


def is_whole(campaign: Any) -> bool:
    """Whether it is known who receives it, what it says and who signs it, so that letters can be made."""
    return bool(campaign["roles"] and campaign["words_version"] and campaign["signatory"])


async def lock_campaign(tx: Transaction, campaign_id: UUID) -> Any:
    """The campaign, which nobody else changes until this transaction ends.

    Raises:
        NotFound: when there is no such campaign.
    """
    campaign = await QUERIES.lock_campaign(tx, id=campaign_id)
    if campaign is None:
        raise NotFound
    return campaign


async def lock_draft(tx: Transaction, campaign_id: UUID) -> Any:
    """The same, of a campaign that may be changed.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
    """
    campaign = await lock_campaign(tx, campaign_id)
    if campaign["state"] != CampaignState.DRAFT:
        stage = CAMPAIGN_STAGES[CampaignState(campaign["state"])].staff
        cure = "Open it to see where it stands. What waits for approval can be taken back."
        raise Conflict(f"This campaign is no draft any more. It is: {stage}.", cure)
    return campaign


def addressed_to(row: Mapping[str, Any]) -> dict[str, Any]:
    """Where a letter goes by post, and how we know, as a letter keeps it; from the address book."""
    return {
        "recipient_address": postal_lines(row),
        "address_source": row["source"] or "our own address book",
    }


def postal_lines(row: Mapping[str, Any]) -> list[str]:
    """The postal address of a contact, from the address book."""
    return [*(row["postal_address"] or ()), *filter(None, [row["postcode"]])]


def sender_of(context: Any) -> str:
    """The address that letters come from."""
    address: str = context.settings.mail_from or context.house.email
    return address


async def discard_campaign(tx: Transaction, campaign_id: UUID) -> None:
    """Throw a draft away, with its letters.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
    """
    await lock_draft(tx, campaign_id)
    await in_parts(QUERIES.forget_letters, tx, campaign_id=campaign_id)
    await QUERIES.discard_campaign(tx, id=campaign_id)
    note(tx, "campaign_discarded", "campaign", campaign_id)
