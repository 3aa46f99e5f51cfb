"""What keeps letters and messages here, whoever they are for: it lies with the installation, not with them.

A letter keeps what it says of the house from when it was made. So it is looked at twice: before letters are
made, from the settings of now, and as one leaves, from what is printed on it. A message leaves out what is
not filled in, because people have to sign in before; but it leads nobody nowhere either.
"""

import re

from chassis.config import PREFIX, Settings
from chassis.house import House, is_filled_in
from services.notifications.domain import Block, BlockReason, NotificationsError
from services.notifications.rendering import LetterContent

#: A link of ours: it stands on a line of its own, and what somebody has typed hardly ever does.
_LINK = re.compile(r"^https?://\S+$", re.MULTILINE)

_ANEW = "start Conduit again and write the letters anew"


class KeptHere(NotificationsError):
    """A letter would tell its reader something that is not true of us, or lead them nowhere."""

    cure = "Stop what has not gone of its campaign, and write to them in another one."


def kept_here(settings: Settings, house: House) -> Block | None:
    """Why no letter can go that is made now; nothing where letters can."""
    if left := house.left_to_do(settings.house_path):
        words = f"The house file is not filled in, and letters print it: {left}."
        return Block(BlockReason.HOUSE_UNFINISHED, words, f"Fill that in, {_ANEW}.")
    if settings.leads_nowhere(settings.origin):
        words = f"Links in mails would lead to {settings.origin}, so to nobody but this computer."
        cure = f"Set {PREFIX}PUBLIC_URL to the address at which others see our pages, {_ANEW}."
        return Block(BlockReason.LINKS_NOWHERE, words, cure)
    return None


def check_may_leave(settings: Settings, content: LetterContent) -> None:
    """Look once more at what is about to be mailed or printed.

    Raises:
        KeptHere: says what on it is not fit to be read by anybody else.
    """
    printed = (
        *(content.house_name, content.house_number, content.house_telephone, content.house_website),
        *(*content.house_address, content.signatory_name, content.signatory_position),
    )
    if not all(map(is_filled_in, printed)):
        raise KeptHere("Its letterhead says TO DO: it was made before the house file was filled in.")
    check_links_lead_there(settings, content.response_url)


def check_links_lead_there(settings: Settings, text: str) -> None:
    """Look at the links in what is about to be mailed.

    Raises:
        KeptHere: when one of them leads to nobody but this computer.
    """
    if any(map(settings.leads_nowhere, _LINK.findall(text))):
        raise KeptHere("Its link leads to this computer only: it was made before CONDUIT_PUBLIC_URL was set.")
