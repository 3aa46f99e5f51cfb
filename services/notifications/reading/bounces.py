"""What mail systems say of a mail that we sent: it did not arrive, it is late, it arrived.

RFC 3464 says how; flufl.bounce knows the systems that say it in ways of their own. Which of our mails is
meant stands in the headers that come back with it, and nowhere else: an address alone proves nothing.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import cast

from flufl.bounce import all_failures

from chassis.message import Mail

logging.getLogger("flufl.bounce").disabled = True  # its lines would quote what somebody wrote

#: Who such mails are from.
_DAEMON = re.compile(
    r"(mailer-?daemon|postmaster|mail-?delivery|mdaemon|bounces?|no-?reply-?bounce|mail-system)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"(undeliver|undelivered|delivery (status|failure|failed|has failed|report)|returned (mail"
    r"|to sender)|mail delivery"
    r"|failure notice|message (not|could not be) delivered|non[- ]remis|unzustellbar"
    r"|nicht zugestellt|zustellung"
    r"|échec de la remise|no se puede entregar|no entregad|mancata consegna|onbestelbaar|não entreg"
    r"|niedostarczon)",
    re.IGNORECASE,
)

#: The headers of a mail that came back, as a whole part or amid a text.
_RETURNED_ID = re.compile(r"^[>\s]{0,8}message-id:\s{0,4}(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")

#: What a status code (RFC 3463) means for us, without its first digit; and whether the address is bad.
_MEANINGS: dict[str, tuple[str, bool]] = {
    "1.0": ("There is no such address.", True),
    "1.1": ("There is no such mailbox.", True),
    "1.2": ("There is no such domain.", True),
    "1.3": ("The address is not written as it should be.", True),
    "1.6": ("The mailbox has moved and left no address.", True),
    "1.10": ("This domain takes no mail.", True),
    "2.0": ("The mailbox cannot be used.", True),
    "2.1": ("The mailbox is closed.", True),
    "2.2": ("The mailbox is full.", False),
    "2.3": ("The letter is too large for this mailbox.", False),
    "3.4": ("The letter is too large for their server.", False),
    "4.1": ("Their server did not answer.", False),
    "4.2": ("The connection to their server broke.", False),
    "4.4": ("Their server cannot be found.", True),
    "4.6": ("Their servers send the letter round in a circle.", False),
    "4.7": ("Their server did not take it in time.", False),
}
_REFUSED = ("Their server refused it by its rules.", False)
_OTHERWISE = ("Their server did not deliver it.", True)

#: Parts of a report that are looked at.
_MOST_PARTS = 50
#: Characters of text in which a returned Message-ID is looked for.
_LOOKED_AT = 200_000


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a mail system says of one mail."""

    #: It did not arrive and is not tried again. A late one may still arrive.
    final: bool
    #: The address itself is bad, so that writing there again is of no use.
    hard: bool
    #: Why, for staff; never in the words of the other server.
    words: str
    #: Whom it did not reach, in lower case.
    failed: tuple[str, ...]
    #: The Message-IDs of what came back.
    about: tuple[str, ...]


def report_of(mail: Mail) -> Report | None:
    """What a mail says of one that we sent; nothing when it is no report.

    A report that something arrived is not final and names nobody.
    """
    about = tuple(dict.fromkeys(_returned(mail)))
    if mail.parameter("report-type") == "delivery-status":
        told = list(_recipients(mail))
        if told:
            return _standard(told, about)
    if not _looks_like_one(mail):
        return None
    late, gone = _untidy(mail)
    if not late and not gone:
        return None
    status = _STATUS.search(mail.text[:_LOOKED_AT])
    words, hard = _meaning(status) if status else _OTHERWISE
    return Report(final=bool(gone), hard=bool(gone) and hard, words=words, failed=gone or late, about=about)


def _looks_like_one(mail: Mail) -> bool:
    """Whether it is worth asking: what a person wrote must not be taken for a report."""
    local = mail.address.partition("@")[0]
    nobody = "<>" in "".join(mail.values("return-path")) or not mail.address
    return bool(_DAEMON.match(local) or (nobody and _SUBJECT.match(mail.subject)))


def _recipients(mail: Mail) -> Iterator[Message]:
    """The fields for each recipient of a delivery report; the first block is of the mail as a whole."""
    for part in mail.parts("message/delivery-status", "message/global-delivery-status"):
        payload = part.get_payload()
        if isinstance(payload, list):
            blocks = cast(list[Message], payload)
            yield from (block for block in blocks[:_MOST_PARTS] if block.get("action"))


def _standard(told: list[Message], about: tuple[str, ...]) -> Report:
    gone = [block for block in told if _action(block) == "failed"]
    late = [block for block in told if _action(block) == "delayed"]
    chosen = gone or late
    if not chosen:
        return Report(
            final=False, hard=False, words="Their server says that it arrived.", failed=(), about=about
        )
    block = chosen[0]
    diagnosis = str(block.get("diagnostic-code", ""))[:1000]
    status = _STATUS.search(str(block.get("status", ""))[:100])
    if status is None or status[2] == "0":  # 5.0.0 says nothing; the server's own words may
        status = _STATUS.search(diagnosis) or status
    words, hard = _meaning(status)
    failed = (_address(block) for block in chosen)
    return Report(
        final=bool(gone),
        hard=bool(gone) and hard,
        words=words,
        failed=tuple(dict.fromkeys(address for address in failed if address)),
        about=about,
    )


def _action(block: Message) -> str:
    return str(block.get("action", "")).strip().lower()


def _address(block: Message) -> str:
    """``rfc822; somebody@there.example`` without the kind of address."""
    value = str(block.get("original-recipient") or block.get("final-recipient") or "")[:400]
    return value.rpartition(";")[2].strip(" <>\t\r\n").lower()


def _meaning(status: re.Match[str] | None) -> tuple[str, bool]:
    if status is None:
        return _OTHERWISE
    if status[2] == "7":
        return _REFUSED
    words, hard = _MEANINGS.get(f"{status[2]}.{status[3]}", _OTHERWISE)
    return words, hard and status[1] == "5"


def _untidy(mail: Mail) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Whom systems with words of their own name: mail to the first is late, to the second was lost."""
    try:
        late, gone = all_failures(mail.message)
    except Exception:  # noqa: BLE001 - detectors for odd texts meet odder ones; it is no report then
        return (), ()
    return _decoded(late), _decoded(gone)


def _decoded(addresses: frozenset[bytes]) -> tuple[str, ...]:
    return tuple(sorted(address.decode("ascii", "replace").lower() for address in addresses))


def _returned(mail: Mail) -> Iterator[str]:
    """The Message-IDs in the headers that came back, wherever they stand."""
    for number, part in enumerate(mail.parts("message/rfc822", "message/global", "text/rfc822-headers")):
        if number == _MOST_PARTS:
            return
        payload = part.get_payload()
        inner = payload[0] if isinstance(payload, list) and payload else None
        if isinstance(inner, Message):
            yield str(inner.get("message-id", "")).strip()[:300]
        elif isinstance(payload, str):
            yield from _RETURNED_ID.findall(payload[:_LOOKED_AT])
    yield from _RETURNED_ID.findall(mail.text[:_LOOKED_AT])
