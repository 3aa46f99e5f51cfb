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


INCOMING = f"{MOUNT}/incoming"


def incoming_href(mail_id: UUID) -> str:
    return f"{INCOMING}/{mail_id}"
