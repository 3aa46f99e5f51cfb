"""A mail taken apart, whatever its bytes are: its headers as people read them, its text, its files.

It believes nothing that a mail says of itself and knows nothing of where it came from. The old, lenient way
of the standard library is used: the new one fails over headers that real programs write.
"""

import codecs
import email
import email.errors
import email.header
import email.utils
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.policy import compat32

#: Character sets that text may be in. Others of Python's need time that grows with the square of the text
#: (punycode, idna), or are no character sets at all.
_CHARSETS = re.compile(
    r"ascii|utf-(8|8-sig|16|16-be|16-le|32|32-be|32-le|7)|iso8859-\d+|cp\d+|koi8-[rut]|mac-[a-z]+|big5(hkscs)?|"
    r"gb2312|gbk|gb18030|hz|euc_(jp|kr|jis_2004|jisx0213)|shift_ji[sx]\w*|iso2022_\w+|johab|tis-620|ptcp154"
)

#: Characters of a header that are looked at.
_LONGEST_HEADER = 20_000


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that came with a message."""

    name: str
    type: str
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)


class Mail:
    """A message taken apart. Whatever its bytes are, this does not fail: at worst it is plain text."""

    def __init__(self, raw: bytes, id: str = "") -> None:
        self.id = id
        self.text = ""
        self.html = ""
        self.attachments: list[Attachment] = []
        try:
            self._headers = email.message_from_bytes(raw, policy=compat32)
            leaves = list(_leaves(self._headers))
        except RecursionError:  # parts in parts in parts, a thousand deep
            self._headers, leaves = Message(), []
            self.text = raw.decode("utf-8", "replace")
        for part in leaves:
            self._take(part)

    def values(self, name: str) -> list[str]:
        """Every header of this name, as people read them."""
        return [_shown(value) for value in _raw(self._headers, name)]

    def parts(self, *kinds: str) -> Iterator[Message]:
        """The parts of these types, at any depth, in their order."""
        return (part for part in self._headers.walk() if part.get_content_type() in kinds)

    def parameter(self, name: str) -> str:
        """A parameter of the mail's own type, such as ``report-type``, in lower case."""
        value = self._headers.get_param(name)
        return value.lower() if isinstance(value, str) else ""

    @property
    def message(self) -> Message:
        """As the standard library has it, for other libraries."""
        return self._headers

    @property
    def subject(self) -> str:
        return _header(self._headers, "subject")

    @property
    def sender(self) -> str:
        return _header(self._headers, "from") or _header(self._headers, "return-path")

    @property
    def address(self) -> str:
        """The address that it says it is from, in lower case; empty when that is none, or more than one."""
        # Before encoded words are read: in them stands whatever the writer likes, commas and brackets too.
        told = [value[:1000] for value in _raw(self._headers, "from")[:2]]
        found = email.utils.getaddresses(told)
        addresses = {address.lower() for _, address in found if "@" in address}
        return addresses.pop() if len(addresses) == 1 else ""

    @property
    def name(self) -> str:
        """The name that it says it is from."""
        return _shown(email.utils.parseaddr("".join(_raw(self._headers, "from")[:1])[:1000])[0])

    @property
    def to(self) -> str:
        return _header(self._headers, "to") or _header(self._headers, "delivered-to")

    @property
    def sent_at(self) -> datetime | None:
        return _sent_at(self._headers)

    def _take(self, part: Message) -> None:
        kind, attached = part.get_content_type(), part.get_content_disposition() == "attachment"
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            content = b""
        if kind == "text/plain" and not attached and not self.text:
            self.text = _decoded(part, content)
        elif kind == "text/html" and not attached and not self.html:
            self.html = _decoded(part, content)
        elif content:
            number = len(self.attachments) + 1
            self.attachments.append(Attachment(name=_file_name(part, number), type=kind, content=content))


def _leaves(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _decoded(part: Message, content: bytes) -> str:
    with suppress(LookupError, ValueError):  # a character set that does not exist
        return content.decode(_charset(part.get_content_charset("utf-8")), "replace")
    return content.decode("utf-8", "replace")


def _charset(name: str) -> str:
    """A character set by Python's name. Raises LookupError for what is none that text may be in."""
    found = codecs.lookup(name).name
    if not _CHARSETS.fullmatch(found):
        raise LookupError(name)
    return found


def _words(value: str) -> str:
    """What encoded words in a header say. Raises LookupError or ValueError when their encoding is none."""
    pieces = email.header.decode_header(value[:_LONGEST_HEADER])
    known = [(text, _charset(charset) if charset else None) for text, charset in pieces]
    return str(email.header.make_header(known))


def _header(message: Message, name: str) -> str:
    """A header as people read it, on one line."""
    return _shown("".join(_raw(message, name)[:1]))[:1000]


def _raw(message: Message, name: str) -> list[str]:
    """Every header of this name, encoded words still encoded. Bytes beyond ASCII are UTF-8 (RFC 6532)."""
    found = (value for known, value in message.raw_items() if known.lower() == name)
    return [str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace") for value in found]


def _shown(value: object, unseen: str = " ") -> str:
    text = str(value)[:_LONGEST_HEADER]
    with suppress(LookupError, ValueError, email.errors.HeaderParseError):  # left as it is then
        text = _words(text)
    text = text.encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else unseen for character in text).strip()


def _file_name(part: Message, number: int) -> str:
    """The name of an attached file, without folders and without anything that cannot be seen."""
    given = _shown(part.get_filename() or "", unseen="")
    name = re.split(r"[/\\]", given)[-1].strip(" .")[-100:]
    return name or f"attachment-{number}"


def _sent_at(message: Message) -> datetime | None:
    """When the message says that it was sent, by the clock of who wrote it; not when it came here."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        told = email.utils.parsedate_to_datetime(_header(message, "date"))
        sent = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
        return sent if 1970 <= sent.year < 9999 else None  # at the ends of time no time zone can be added
    return None
