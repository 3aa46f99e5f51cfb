"""What people may type: words that can be seen as they are, and addresses that a mail server takes."""

import re

#: Characters that cannot be seen: control characters could break out of a mail header, direction marks
#: make text read as what it is not, the rest is left over from pasting.  Joiners (U+200C, U+200D) stay,
#: because names in Persian and several Indian scripts need them.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffd-\uffff]"
)

#: What no words need, however many lines they have: control characters, and those that turn the direction
#: of whatever stands behind them.  Marks of direction (U+200E, U+200F) stay: keyboards of Arabic and Hebrew
#: set them, and they turn nothing.
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_WEB_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
    r"(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~]*)?"
)


def can_be_seen(text: str) -> bool:
    """Whether every character of a line shows, and it shows what it says. Empty words do not."""
    return not UNSEEN.search(text) and bool(text.strip(" \u200c\u200d"))


def can_be_shown(text: str, *, lines: bool = False) -> bool:
    """Whether words stay as they were typed, and leave those around them as they are.

    Args:
        lines: whether they may go on in another line.
    """
    return not _UNSHOWN.search(text) and (lines or not set("\t\r\n") & set(text))


def mailable(address: str) -> bool:
    """Whether every mail server can take this as an address; that somebody reads there, only a mail shows.

    A dot-atom before the @ and a domain with a dot (RFC 5321 and 5322, without quotes and without signs
    that need SMTPUTF8); a domain with accents has a spelling that begins with xn--.
    """
    local, _, domain = address.rpartition("@")
    labels = domain.split(".")
    return (
        len(address) <= 254
        and len(local) <= 64
        and all(map(_ATOM.fullmatch, local.split(".")))
        and len(labels) > 1
        and all(map(_LABEL.fullmatch, labels))
        and not labels[-1].isdecimal()
    )


def is_web_address(text: str) -> bool:
    """Whether this is the whole address of a page."""
    return len(text) <= 300 and bool(_WEB_ADDRESS.fullmatch(text))
