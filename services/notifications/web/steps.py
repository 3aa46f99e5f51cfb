"""The way of a campaign as its pages show it: its steps, which are done, and which may be opened."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web.words import when
from services.notifications.campaigns import is_whole
from services.notifications.domain import CAMPAIGN_STAGES, CampaignState
from services.notifications.hrefs import campaign_href, step_href
from services.notifications.preparing import Made
from services.notifications.queries import QUERIES

#: In the order in which one goes through them; what stands in the address, with its words.
STEPS = {
    "purpose": "Purpose",
    "who": "Who",
    "words": "Words",
    "check": "Check",
    "approve": "Approve",
    "send": "Send",
}

_DONE = {
    "saved": "Saved.",
    "copied": "Copied, as a draft. Give it a name of its own, and change what is different this time.",
    "written": "The letters were written anew.",
    "submitted": "It waits for approval now. Somebody else reads it and says whether it may go.",
    "taken_back": "It is a draft again, and can be changed.",
    "approved": "Approved. Its letters can be sent.",
    "sent_back": "Sent back, with your reason.",
    "scheduled": "It goes by itself at that time.",
    "unscheduled": "It waits for somebody to send it.",
    "own": "This letter has words of its own now.",
    "common": "This letter says what all letters say.",
    "paused": "Paused. What was being handed over still goes; the rest waits.",
    "resumed": "Sending goes on.",
    "stopped": "Stopped. What had not gone is set aside.",
    "discarded": "The draft was thrown away. Nothing was sent.",
}


async def read_campaign(tx: Transaction, id: UUID) -> Any:
    """The campaign.

    Raises:
        NotFound: when there is none.
    """
    campaign = await QUERIES.campaign(tx, id=id)
    if campaign is None:
        raise NotFound
    return campaign


def framed(campaign: Mapping[str, Any], here: str = "") -> dict[str, Any]:
    """What the frame of each of these pages shows of a campaign."""
    state = CampaignState(campaign["state"])
    return {
        "campaign": campaign,
        "href": campaign_href(campaign["id"]),
        "state_words": state_words(campaign),
        "steps": steps_of(campaign, here),
        "may_change": state is CampaignState.DRAFT,
        "whole": is_whole(campaign),
    }


def state_words(campaign: Mapping[str, Any]) -> str:
    """Where a campaign stands; one that goes by itself says when, and one that was sent back that it was."""
    if campaign["returned_because"] and campaign["state"] == CampaignState.DRAFT:
        return "Sent back: to be put right"
    if campaign["send_at"] and campaign["state"] == CampaignState.APPROVED:
        return f"Approved: goes by itself on {when(campaign['send_at'])}"
    return CAMPAIGN_STAGES[CampaignState(campaign["state"])].staff


def next_step(campaign: Mapping[str, Any]) -> str:
    """Where somebody goes on who comes back to a campaign: the first step that is not done."""
    return next((step for step, done in _done(campaign).items() if not done), "send")


def steps_of(campaign: Mapping[str, Any] | None, here: str) -> list[dict[str, Any]]:
    """All steps; those that are done or come next lead to their pages, some only while it is a draft."""
    if campaign is None:
        return [
            {"words": words, "href": None, "done": False, "here": step == here}
            for step, words in STEPS.items()
        ]
    done, coming = _done(campaign), next_step(campaign)
    draft = campaign["state"] == CampaignState.DRAFT
    return [
        {
            "words": words,
            "href": step_href(campaign["id"], step)
            if (done[step] or step == coming) and (draft or step not in ("purpose", "who", "words"))
            else None,
            "done": done[step],
            "here": step == here,
        }
        for step, words in STEPS.items()
    ]


def _done(campaign: Mapping[str, Any]) -> dict[str, bool]:
    state = CampaignState(campaign["state"])
    return {
        "purpose": True,
        "who": bool(campaign["roles"]),
        "words": is_whole(campaign),
        "check": state is not CampaignState.DRAFT,
        "approve": campaign["approved_at"] is not None or not state.is_before_sending,
        "send": not state.is_before_sending,
    }


def flash_of(request: Request) -> str | None:
    """A word of confirmation by its code in the address, with what became of words of single letters."""
    asked = request.query_params
    words = _DONE.get(asked.get("done", ""))
    kept, dropped = (_number(asked.get(name, "")) for name in ("kept", "dropped"))
    if words and kept:
        words += f" {_own_words(kept)} kept."
    if words and dropped:
        words += f" {_own_words(dropped)} thrown away."
    return words


def done(code: str, made: Made | None = None) -> str:
    """What an address says for that: ``?done=…``."""
    counts = {"kept": made.kept, "dropped": made.dropped} if made else {}
    return f"?done={code}" + "".join(f"&{name}={count}" for name, count in counts.items() if count)


def _own_words(count: int) -> str:
    if count == 1:
        return "1 letter had words of its own: they were"
    return f"{count:,} letters had words of their own: those were"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0
