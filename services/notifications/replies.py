"""Where an answer to a letter comes back to: an address for each letter, and its Message-ID.

The address is made of the letter's id and a code that only this service can make for it, so nothing is stored
and nobody can guess where another letter's answers go. Case does not matter: mail servers change it.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from chassis.context import Context

#: What stands in the setting for the part that differs from letter to letter.
TOKEN = "{token}"  # noqa: S105  # a place for one

_PURPOSE = "reply addresses"
#: Bytes of the code: 72 bits, which nobody tries out by mail.
_CODE = 9
#: What stands between the name of a mailbox and what mail servers let anybody add to it.
_BETWEEN = "+-="
#: Characters of the whole.
_LENGTH = 40

_OUR_ID = re.compile(r"<letter-([0-9a-f]{32})-\d{1,4}@", re.IGNORECASE)


def reply_address(context: Context, letter_id: UUID) -> str:
    """Where answers to a letter go: the house's own address when the settings name none for each letter."""
    pattern = context.settings.reply_to
    return pattern.replace(TOKEN, _token(context, letter_id)) if pattern else context.house.email


def is_like_replies(context: Context, address: str) -> bool:
    """Whether an address is written like those that letters have, with whatever stands for the letter.

    That may be nothing: servers on the way may cut off what stands behind the plus.
    """
    before, found, after = context.settings.reply_to.lower().partition(TOKEN)
    told = address.lower()
    without = before.rstrip(_BETWEEN)
    like = len(told) > len(before) + len(after) and told.startswith(before) and told.endswith(after)
    return bool(found) and (like or (bool(without) and told == without + after))


def letters_addressed(context: Context, text: str) -> set[UUID]:
    """The letters whose addresses stand in a text. What only looks like one is none."""
    return set(_opened(context, _tokens(text.lower(), *context.settings.reply_to.lower().partition(TOKEN))))


def _tokens(text: str, before: str, found: str, after: str) -> Iterator[str]:
    """What stands in the place of the token wherever the rest of such an address is, all in lower case."""
    at = text.find(after, _LENGTH) if found else -1
    while at >= 0:
        if text.endswith(before, 0, at - _LENGTH):
            yield text[at - _LENGTH : at]
        at = text.find(after, at + 1)


def letters_followed(message_ids: Iterable[str]) -> set[UUID]:
    """The letters, or chasers of them, that bear these Message-IDs, if there are such."""
    return {UUID(match[1]) for id in message_ids if (match := _OUR_ID.match(id))}


def _token(context: Context, letter_id: UUID) -> str:
    return base64.b32encode(letter_id.bytes + _code(context, letter_id)).decode().lower()


def _opened(context: Context, tokens: Iterable[str]) -> Iterator[UUID]:
    for token in tokens:
        try:
            told = base64.b32decode(token.upper())
            id = UUID(bytes=told[:-_CODE])
        except ValueError:  # other letters, or fewer
            continue
        if hmac.compare_digest(told[-_CODE:], _code(context, id)):
            yield id


def _code(context: Context, letter_id: UUID) -> bytes:
    return hmac.digest(context.keys.derive(_PURPOSE), letter_id.bytes, "sha256")[:_CODE]
