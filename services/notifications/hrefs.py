"""Where the pages of this service are, as links on them say."""

from urllib.parse import urlencode
from uuid import UUID

#: Where the service is mounted.
MOUNT = "/letters"


def campaign_href(campaign_id: UUID) -> str:
    return f"{MOUNT}/campaigns/{campaign_id}"


def step_href(campaign_id: UUID, step: str) -> str:
    """One page of those on which a campaign is made: ``purpose``, ``who``, ``words``, ``check`` …"""
    return f"{campaign_href(campaign_id)}/{step}"


def letter_href(letter_id: UUID) -> str:
    return f"{MOUNT}/letters/{letter_id}"


def response_href(token: str) -> str:
    return f"{MOUNT}/r/{token}"


def stop_href(token: str) -> str:
    """Where somebody says, or their mail program in their place, that they want no more letters."""
    return f"{response_href(token)}/stop"


def take_back_href(token: str) -> str:
    """Where somebody says that they want our letters after all."""
    return f"{stop_href(token)}/take-back"


def stops_href(stop_id: UUID | None = None) -> str:
    """Who wants no more letters; or where one such stop is lifted."""
    return f"{MOUNT}/stops" + (f"/{stop_id}/lift" if stop_id else "")


def enter_href(letter_id: UUID, corrects: UUID | None = None) -> str:
    """Where staff enter an answer that came another way, or put one right."""
    return f"{letter_href(letter_id)}/answers/new" + (f"?corrects={corrects}" if corrects else "")


def settle_href(answer_id: UUID) -> str:
    return f"{MOUNT}/answers/{answer_id}/settle"


def confirm_href(pledge_id: UUID) -> str:
    return f"{MOUNT}/pledges/{pledge_id}/confirm"


INCOMING = f"{MOUNT}/incoming"

#: What a restored backup believes unsent.
RESTORED = f"{MOUNT}/restored"


def incoming_href(mail_id: UUID) -> str:
    return f"{INCOMING}/{mail_id}"


def post_href() -> str:
    """What waits to be printed and posted."""
    return f"{MOUNT}/post"


def batch_href(batch_id: UUID) -> str:
    return f"{post_href()}/{batch_id}"


def chasing_href(campaign_id: UUID | None = None, act: str = "", *, done: str = "") -> str:
    """Whom to chase today, in one campaign or in all; or what is done there, and what it says then."""
    said = {"campaign": campaign_id, "done": done}
    query = urlencode({name: value for name, value in said.items() if value})
    return f"{MOUNT}/chasing{act and f'/{act}'}{query and f'?{query}'}"


def chaser_href(chaser_id: UUID) -> str:
    return f"{MOUNT}/chasers/{chaser_id}"


NOTICES = f"{MOUNT}/words"


def notice_href(kind: str, language: str, page: str = "") -> str:
    """What a kind of message to one person says in a language; or a page below that."""
    return f"{NOTICES}/{kind}/{language}/{page}".rstrip("/")


def worked_href(campaign_id: UUID | None = None) -> str:
    """What worked, in one campaign or in all."""
    return f"{campaign_href(campaign_id)}/worked" if campaign_id else f"{MOUNT}/worked"
