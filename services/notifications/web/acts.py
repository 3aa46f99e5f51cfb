"""What colleagues did with a campaign, by name, as its page tells it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from services.notifications.colleagues import called
from services.notifications.hrefs import campaign_href
from services.notifications.queries import COLLEAGUES

_COPIED = "campaign_copied"

#: By what the audit calls each. How a draft was changed shows in the versions of its words.
ACTS: Mapping[str, str] = {
    "campaign_made": "The draft was begun",
    _COPIED: "It was made as a copy",
    "campaign_submitted": "It was submitted",
    "campaign_taken_back": "It was taken back",
    "campaign_sent_back": "It was sent back",
    "campaign_approved": "It was approved",
    "campaign_scheduled": "When it goes was set",
    "campaign_sent": "It was sent",
    "campaign_paused": "It was paused",
    "campaign_resumed": "It was let go on",
    "campaign_stopped": "It was stopped",
    "chasing_set": "How it chases was set",
}
#: As many of them as are told.
_MOST = 30


async def acts_on(tx: Transaction, campaign_id: UUID) -> list[dict[str, Any]]:
    """What was done with a campaign, newest first, as a timeline shows it."""
    asked = {"campaign_id": str(campaign_id), "actions": list(ACTS), "most": _MOST}
    rows = await rows_of(COLLEAGUES.acts_on(tx, **asked))
    names = await called(tx, [row["person_id"] for row in rows])
    return [
        {
            "at": row["at"],
            "what": ACTS[row["action"]],
            "detail": _detail(row),
            "source_words": f"By {names[row['person_id']]}, {row['at'].astimezone(LOCAL):%H:%M}",
            "href": campaign_href(row["from_id"]) if row["from_id"] else None,
        }
        for row in rows
    ]


def _detail(row: Any) -> str:
    if row["action"] != _COPIED:
        return ""
    return f"Of “{row['from_name']}”" if row["from_id"] else "Of a draft that was thrown away"
