"""What needs a member of staff today: one line for each thing, from whichever part of the register knows."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One thing that waits for somebody of ours."""

    #: Why, as a code: ``review_due``, ``outcome_late``, ``outcome_unowned``, ``referral_unanswered`` …
    kind: str
    #: What to do, in a sentence without a full stop.
    what: str
    organisation_id: UUID
    #: The organisation's name.
    organisation: str
    #: Since when it is due, or from when on.
    due_on: date
    #: Where it is done.
    href: str
