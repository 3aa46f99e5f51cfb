"""Where the pages of this service are, as links on them say."""

from uuid import UUID

#: Where the service is mounted.
MOUNT = "/letters"


def campaign_href(campaign_id: UUID) -> str:
    return f"{MOUNT}/campaigns/{campaign_id}"


def letter_href(letter_id: UUID) -> str:
    return f"{MOUNT}/letters/{letter_id}"


def response_href(token: str) -> str:
    return f"{MOUNT}/r/{token}"


def settle_href(answer_id: UUID) -> str:
    return f"{MOUNT}/answers/{answer_id}/settle"


def confirm_href(pledge_id: UUID) -> str:
    return f"{MOUNT}/pledges/{pledge_id}/confirm"


def chasing_href(campaign_id: UUID | None = None) -> str:
    """Whom to chase today, in one campaign or in all."""
    return f"{MOUNT}/chasing?campaign={campaign_id}" if campaign_id else f"{MOUNT}/chasing"


def chaser_href(chaser_id: UUID) -> str:
    return f"{MOUNT}/chasers/{chaser_id}"
