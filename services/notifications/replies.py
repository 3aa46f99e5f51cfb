"""Where an answer to a letter comes back to: an address for each letter, and its Message-ID.

The address is made of the letter's id and a code that only this service can make for it, so nothing is stored
and nobody can guess where another letter's answers go. Case does not matter: mail servers change it.
"""

import base64
import binascii
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
#: Characters of the whole.
_LENGTH = 40

_OUR_ID = re.compile(r"<letter-([0-9a-f]{32})-\d{1,4}@", re.IGNORECASE)


def reply_address(context: Context, letter_id: UUID) -> str:
    """Where answers to a letter go: the house's own address when the settings name none for each letter."""
    pattern = context.settings.reply_to
    return pattern.replace(TOKEN, _token(context, letter_id)) if pattern else context.house.email


def letters_addressed(context: Context, text: str) -> set[UUID]:
    """The letters whose addresses stand in a text. What only looks like one is none."""
    before, found, after = context.settings.reply_to.partition(TOKEN)
    if not found:
        return set()
    address = rf"{re.escape(before)}([a-z2-7]{{{_LENGTH}}}){re.escape(after)}"
    return set(_opened(context, re.findall(address, text, re.IGNORECASE)))


def letters_followed(message_ids: Iterable[str]) -> set[UUID]:
    """The letters, or chasers of them, that bear these Message-IDs, if there are such."""
    return {UUID(match[1]) for id in message_ids if (match := _OUR_ID.match(id))}


def _token(context: Context, letter_id: UUID) -> str:
    return base64.b32encode(letter_id.bytes + _code(context, letter_id)).decode().lower()


def _opened(context: Context, tokens: Iterable[str]) -> Iterator[UUID]:
    for token in tokens:
        try:
            told = base64.b32decode(token.upper())
        except binascii.Error:
            continue
        id = UUID(bytes=told[:-_CODE])
        if hmac.compare_digest(told[-_CODE:], _code(context, id)):
            yield id


def _code(context: Context, letter_id: UUID) -> bytes:
    return hmac.digest(context.keys.derive(_PURPOSE), letter_id.bytes, "sha256")[:_CODE]
