"""Where things of grants are found."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

MOUNT = "/grants"
FUNDS = f"{MOUNT}/funds"
ROUNDS = f"{MOUNT}/rounds"
APPLICATIONS = f"{MOUNT}/applications"
APPLYING = f"{MOUNT}/applying"
DESK = f"{MOUNT}/desk"
AWARDS = f"{MOUNT}/awards"
PAYMENTS = f"{MOUNT}/payments"


def fund_href(id: UUID) -> str:
    """A fund's page."""
    return f"{FUNDS}/{id}"


def report_href(fund_id: UUID) -> str:
    """What a funder is told of a fund."""
    return f"{fund_href(fund_id)}/report"


def pledge_href(id: UUID) -> str:
    """A pledge's page."""
    return f"{MOUNT}/pledges/{id}"


def contribution_href(id: UUID) -> str:
    """The page of money that came."""
    return f"{MOUNT}/contributions/{id}"


def round_href(id: UUID) -> str:
    """A round's page."""
    return f"{ROUNDS}/{id}"


def applications_href(round_id: UUID) -> str:
    """The applications of a round."""
    return f"{round_href(round_id)}/applications"


def application_href(id: UUID) -> str:
    """An application's page, for staff."""
    return f"{APPLICATIONS}/{id}"


def apply_href(round_id: UUID) -> str:
    """Where people begin to apply in a round."""
    return f"{MOUNT}/apply/{round_id}"


def panel_href(round_id: UUID) -> str:
    """Who sits on the panel of a round."""
    return f"{round_href(round_id)}/panel"


def member_href(round_id: UUID, person_id: UUID) -> str:
    """How somebody sits on the panel of a round."""
    return f"{panel_href(round_id)}/{person_id}"


def conflicts_href(round_id: UUID) -> str:
    """Who may be too close to whom in a round."""
    return f"{round_href(round_id)}/conflicts"


def conflict_href(id: UUID) -> str:
    """One conflict of interest."""
    return f"{MOUNT}/conflicts/{id}"


def cases_href(round_id: UUID) -> str:
    """What a round's panel reads, and how far it is."""
    return f"{round_href(round_id)}/cases"


def comments_href(round_id: UUID) -> str:
    """What members of a round's panel wrote, before others read it."""
    return f"{round_href(round_id)}/comments"


def case_href(application_id: UUID) -> str:
    """What the panel reads of an application."""
    return f"{application_href(application_id)}/case"


def closeness_href(application_id: UUID) -> str:
    """Who may be too close to the applicant of an application."""
    return f"{application_href(application_id)}/conflicts"


def desk_round_href(id: UUID) -> str:
    """The desk of a panel member, narrowed to a round."""
    return f"{DESK}?round={id}"


def desk_case_href(id: UUID) -> str:
    """A case, by its own id, for a panel member."""
    return f"{DESK}/cases/{id}"


def award_href(id: UUID) -> str:
    """An award's page, for staff."""
    return f"{AWARDS}/{id}"


def payment_href(id: UUID) -> str:
    """A payment's page."""
    return f"{PAYMENTS}/{id}"


def meeting_href(id: UUID) -> str:
    """A meeting, for whoever leads it."""
    return f"{MOUNT}/meetings/{id}"


def attend_href(id: UUID) -> str:
    """A meeting, for a member."""
    return f"{MOUNT}/attend/{id}"


def dossier_href(application_id: UUID) -> str:
    """How the decision on an application came about."""
    return f"{application_href(application_id)}/dossier"


#: The pages on the work in a round, in the order in which it is done.
_OF_ROUND: dict[str, Callable[[UUID], str]] = {
    "The round": round_href,
    "Applications": applications_href,
    "Panel": panel_href,
    "Conflicts of interest": conflicts_href,
    "Cases and progress": cases_href,
    "Comments": comments_href,
}


def ways(round_id: UUID, here: Callable[[UUID], str]) -> list[dict[str, Any]]:
    """Between the pages on the work in a round."""
    return [
        {"words": words, "href": href(round_id), "here": href is here} for words, href in _OF_ROUND.items()
    ]
