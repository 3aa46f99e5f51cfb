"""Where things of grants are found."""

from uuid import UUID

MOUNT = "/grants"
FUNDS = f"{MOUNT}/funds"
ROUNDS = f"{MOUNT}/rounds"


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
