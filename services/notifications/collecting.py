"""Collecting mail from a mailbox by IMAP.

The mailbox is only read: nothing in it is marked, moved or deleted, so whatever happens here the mail is
still there. How far it was read stands in the database and moves in the transaction that keeps the mail.
When the server gives its mails new numbers, everything is looked at again, and what was taken in before is
known by its digest.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from imaplib import IMAP4
from typing import Any
from urllib.parse import unquote, urlsplit

from imap_tools import (
    BaseMailBox,
    ImapToolsError,
    MailBox,
    MailboxFolderSelectError,
    MailboxLoginError,
    MailBoxStartTls,
    MailBoxUnencrypted,
)

from chassis.config import is_loopback
from chassis.database import Database
from chassis.errors import ChassisError
from chassis.log import describe, logger
from chassis.reachable import why_not
from services.notifications import metrics
from services.notifications.queries import INCOMING
from services.notifications.reading.kinds import BEGINNING, LARGEST_MAIL
from services.notifications.receiving import Place, receive

_log = logger(__name__)

#: Seconds between two looks into the mailbox.
LOOK = 30

#: Seconds until the server counts as silent.
_TIMEOUT = 20.0
#: Where a server is when its address does not say.
_PORTS = {"imap": 143, "imaps": 993}
#: Mails that are fetched over one connection, and their bytes after which no more are.
_MOST = 50
_MOST_BYTES = 32 * 1024 * 1024
#: Numbers that are asked about at once: the answer has to fit into one line.
_WINDOW = 50_000


@dataclass(frozen=True)
class _Fetched:
    """One mail as it lies in the mailbox, or its beginning where it is too large."""

    uid: int
    raw: bytes
    cut: bool


class _Odd(Exception):
    """The server's answer is none that we understand."""


#: Whatever may be wrong with a server at the other end.
_BROKEN = (OSError, IMAP4.error, ImapToolsError, _Odd, ssl.SSLError)


class Collector:
    """Takes in what is new in the mailbox that the settings name, if they name one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._url = database.context.settings.imap_url

    async def turn(self) -> bool:
        """Take in some. Whether there may be more at once.

        A mail that cannot be kept now stays where it is: it and those after it come again at the next look.
        """
        if not self._url:
            return False
        mailbox = hashlib.sha256(self._url.encode()).digest()
        try:
            validity = await asyncio.to_thread(_validity, self._url)
            fetched = await asyncio.to_thread(_fetch, self._url, await self._reached(mailbox, validity))
        except _BROKEN as error:
            metrics.MAILBOX.labels("away").inc()
            _log.warning("mailbox_away", **describe(error))
            return False
        metrics.MAILBOX.labels("looked").inc()
        for mail in fetched:
            place = Place(mailbox=mailbox, uid_validity=validity, uid=mail.uid)
            await receive(self._database, mail.raw, place=place, cut=mail.cut)
        return bool(fetched)

    async def _reached(self, mailbox: bytes, validity: int) -> int:
        async with self._database.reading() as tx:
            return int(await INCOMING.reached(tx, id=mailbox, uid_validity=validity) or 0)


class MailboxAway(ChassisError):
    """The mailbox cannot be read. Says whose and why."""


def greet(url: str, patience: float) -> str:
    """Sign in to the mailbox and leave. What may be said of it. Blocks; so many seconds until it answers.

    Raises:
        MailboxAway: says why it is of no use, and what to do.
    """
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    try:
        connection = _opened(url, patience)
    except _BROKEN as error:
        raise MailboxAway(f"the server at {where} {_why(error, url)}") from None
    encrypted = isinstance(connection.client.sock, ssl.SSLSocket)
    _close(connection)
    return f"the server at {where} lets us read it, {'over' if encrypted else 'without'} TLS"


def _why(error: Exception, url: str) -> str:
    if isinstance(error, MailboxLoginError):
        return "does not let us in: correct user and password in CONDUIT_IMAP_URL"
    if isinstance(error, MailboxFolderSelectError):
        return f"has no folder {folder_of(url)} for us: correct the end of CONDUIT_IMAP_URL"
    if isinstance(error, IMAP4.error) and "STARTTLS" in str(error).upper():
        return "offers no TLS, and without it no password is sent: use imaps:// in CONDUIT_IMAP_URL"
    return why_not(error, "CONDUIT_IMAP_URL")


def _opened(url: str, patience: float = _TIMEOUT) -> BaseMailBox:
    """A connection that has signed in. A password leaves this computer under TLS alone. Blocks."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context()
    connection: BaseMailBox
    if parts.scheme == "imaps":
        connection = MailBox(host, port, timeout=patience, ssl_context=context)
    elif is_loopback(host):
        connection = MailBoxUnencrypted(host, port, timeout=patience)
    else:
        connection = MailBoxStartTls(host, port, timeout=patience, ssl_context=context)
    # Whoever was given a wrong password makes the next one wait, longer each time.
    connection.client.sock.settimeout(_TIMEOUT)
    try:
        connection.login(unquote(parts.username or ""), unquote(parts.password or ""), initial_folder=None)
        connection.folder.set(folder_of(url), readonly=True)
    except BaseException:
        _close(connection)
        raise
    return connection


def folder_of(url: str) -> str:
    """The folder that an address names: what stands after the server, INBOX when nothing does."""
    return unquote(urlsplit(url).path.strip("/")) or "INBOX"


def _close(connection: BaseMailBox) -> None:
    with suppress(*_BROKEN):
        connection.client.logout()


def _validity(url: str) -> int:
    connection = _opened(url)
    try:
        return _status(connection, url)["UIDVALIDITY"]
    finally:
        _close(connection)


def _status(connection: BaseMailBox, url: str) -> dict[str, int]:
    return connection.folder.status(folder_of(url), ["UIDVALIDITY", "UIDNEXT"])


def _fetch(url: str, reached: int) -> list[_Fetched]:
    """The next mails after a number, oldest first, a bounded amount of them. Blocks."""
    connection = _opened(url)
    fetched: list[_Fetched] = []
    size = 0
    try:
        ending = _status(connection, url)["UIDNEXT"]
        for uid in _numbers(connection, reached + 1, ending):
            mail = _one(connection, uid)
            if mail is not None:
                fetched.append(mail)
                size += len(mail.raw)
            if len(fetched) >= _MOST or size >= _MOST_BYTES:
                break
    finally:
        _close(connection)
    return fetched


def _numbers(connection: BaseMailBox, start: int, ending: int) -> Iterator[int]:
    for first in range(start, ending, _WINDOW):
        found = _asked(connection, "SEARCH", None, f"UID {first}:{min(first + _WINDOW, ending) - 1}")
        words = b" ".join(line for line in found if isinstance(line, bytes)).split()
        yield from sorted(int(word) for word in words if word.isdigit())


def _one(connection: BaseMailBox, uid: int) -> _Fetched | None:
    """One mail; nothing when it was deleted meanwhile."""
    sizes = _asked(connection, "FETCH", str(uid), "(RFC822.SIZE)")
    told = b" ".join(line for line in sizes if isinstance(line, bytes)).upper().split(b"RFC822.SIZE", 1)
    if len(told) < 2:
        return None
    size = int(told[1].split()[0].strip(b")"))
    cut = size > LARGEST_MAIL
    section = f"BODY.PEEK[]<0.{BEGINNING}>" if cut else "BODY.PEEK[]"
    found = _asked(connection, "FETCH", str(uid), f"({section})")
    raw = next((line[1] for line in found if isinstance(line, tuple)), None)
    return _Fetched(uid, bytes(raw), cut) if raw is not None else None


def _asked(connection: BaseMailBox, command: str, *arguments: Any) -> list[Any]:
    state, answer = connection.client.uid(command, *arguments)
    if state != "OK":
        raise _Odd
    return list(answer)
