"""The life of an application as a table: its states, what each is called, and who may move it where.

Pure. Whoever moves an application asks here first; a page shows only what is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.grants.domain import Overtaken


class State(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    UNDER_REVIEW = "under_review"
    #: In full or in part: the amount of the award says which.
    AWARDED = "awarded"
    DECLINED = "declined"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    PAID = "paid"
    REPORTED = "reported"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class Mover(StrEnum):
    """Who moves an application on."""

    APPLICANT = "applicant"
    OFFICER = "officer"
    PANEL = "panel"
    PAYER = "payer"
    #: Nobody: a last day is over.
    TIME = "time"


@dataclass(frozen=True)
class Stage:
    """One row of the table."""

    staff: str
    #: What the applicant is told, and what happens next.
    public: str
    next: str
    #: By where it may go, who may move it there.
    moves: Mapping[State, Mover] = field(default_factory=dict)


_S, _M = State, Mover

STAGES: Mapping[State, Stage] = {
    _S.DRAFT: Stage(
        "Draft",
        "Not sent yet",
        "Fill in the form and send it. We do not look at it before that.",
        {_S.SUBMITTED: _M.APPLICANT, _S.LAPSED: _M.TIME},
    ),
    _S.SUBMITTED: Stage(
        "To be checked",
        "Sent",
        "We check that nothing is missing. If we need more, we write to you.",
        {
            _S.RETURNED: _M.OFFICER,
            _S.ELIGIBLE: _M.OFFICER,
            _S.INELIGIBLE: _M.OFFICER,
            _S.WITHDRAWN: _M.APPLICANT,
        },
    ),
    _S.RETURNED: Stage(
        "Returned for more",
        "We need more from you",
        "Add what is missing, then send it again.",
        {
            _S.SUBMITTED: _M.APPLICANT,
            _S.INELIGIBLE: _M.OFFICER,
            _S.WITHDRAWN: _M.APPLICANT,
            _S.LAPSED: _M.TIME,
        },
    ),
    _S.ELIGIBLE: Stage(
        "Eligible",
        "Checked: it goes to the panel",
        "A panel reads it and decides.",
        {
            _S.UNDER_REVIEW: _M.OFFICER,
            _S.RETURNED: _M.OFFICER,
            _S.INELIGIBLE: _M.OFFICER,
            _S.WITHDRAWN: _M.APPLICANT,
        },
    ),
    _S.INELIGIBLE: Stage(
        "Refused: not eligible",
        "We cannot take it",
        "Our letter says why, how to complain, and how to apply again.",
        {_S.ELIGIBLE: _M.OFFICER},
    ),
    _S.UNDER_REVIEW: Stage(
        "Under review",
        "The panel is reading it",
        "The panel meets and decides. Then we write to you.",
        {
            _S.AWARDED: _M.PANEL,
            _S.DECLINED: _M.PANEL,
            _S.DEFERRED: _M.PANEL,
            # Taken back by whoever has handed it over, while nobody has scored it.
            _S.ELIGIBLE: _M.OFFICER,
            _S.WITHDRAWN: _M.APPLICANT,
        },
    ),
    _S.DEFERRED: Stage(
        "Deferred",
        "The panel needs more time",
        "The panel decides at a later meeting. Then we write to you.",
        {
            _S.AWARDED: _M.PANEL,
            _S.DECLINED: _M.PANEL,
            _S.DEFERRED: _M.PANEL,
            _S.WITHDRAWN: _M.APPLICANT,
        },
    ),
    _S.AWARDED: Stage(
        "Awarded",
        "You are offered money",
        "Our letter says how much, and how to say yes.",
        {
            _S.ACCEPTED: _M.APPLICANT,
            _S.WITHDRAWN: _M.APPLICANT,
            _S.LAPSED: _M.TIME,
            # Another amount, or none: only as long as nobody has said yes.
            _S.AWARDED: _M.PANEL,
            _S.DECLINED: _M.PANEL,
        },
    ),
    _S.DECLINED: Stage(
        "Declined",
        "The panel said no",
        "Our letter says why, how to complain, and how to apply again.",
        {_S.AWARDED: _M.PANEL},
    ),
    _S.ACCEPTED: Stage(
        "Accepted",
        "You have said yes",
        "We pay for your exam.",
        {_S.PAID: _M.PAYER, _S.WITHDRAWN: _M.APPLICANT},
    ),
    _S.PAID: Stage(
        "Paid",
        "Paid",
        "After your exam, tell us how it went.",
        {_S.REPORTED: _M.APPLICANT, _S.ACCEPTED: _M.PAYER},
    ),
    _S.REPORTED: Stage("Reported", "Finished", "Thank you. You need to do nothing more."),
    _S.WITHDRAWN: Stage("Withdrawn", "You took it back", "You need to do nothing more."),
    _S.LAPSED: Stage(
        "Lapsed",
        "The last day is over",
        "We did not hear from you in time, so it has ended. You may apply in another round.",
    ),
}

#: States in which it counts as an application in its round.
COUNTING = frozenset(State) - {State.DRAFT, State.INELIGIBLE, State.WITHDRAWN, State.LAPSED}
#: States after which nothing more comes, unless somebody of ours decides anew.
ENDED = frozenset({State.INELIGIBLE, State.DECLINED, State.REPORTED, State.WITHDRAWN, State.LAPSED})


def may_move(state: State, to: State, mover: Mover) -> bool:
    """Whether somebody may move an application from one state to another."""
    return STAGES[state].moves.get(to) is mover


def check_move(state: State, to: State, mover: Mover) -> None:
    """Refuse a move that the table does not have.

    Raises:
        Conflict: says to look where it stands.
    """
    if not may_move(state, to, mover):
        raise Overtaken("This application has moved on.", "Open the page again to see where it stands.")
