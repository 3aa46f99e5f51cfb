"""Where things of grants are found."""

from uuid import UUID

MOUNT = "/grants"
FUNDS = f"{MOUNT}/funds"
ROUNDS = f"{MOUNT}/rounds"
APPLICATIONS = f"{MOUNT}/applications"
APPLYING = f"{MOUNT}/applying"


def fund_href(id: UUID) -> str:
    """A fund's page."""
    return f"{FUNDS}/{id}"


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


def meeting_href(id: UUID) -> str:
    """A meeting, for whoever leads it."""
    return f"{MOUNT}/meetings/{id}"


def attend_href(id: UUID) -> str:
    """A meeting, for a member."""
    return f"{MOUNT}/attend/{id}"
