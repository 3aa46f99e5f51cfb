"""Handing one message to the mail server, and knowing exactly what became of it.

RFC 5321 gives the moment: until the dot that ends the message is written, the server has accepted nothing
and the message may be offered again. After it, only the server's reply says what happened; a connection
that breaks between the two leaves an outcome that nobody can know (RFC 1047). So DATA is driven by hand:
the text goes first, the machine at the other end must have taken all of it while the connection is still
whole, and then the dot goes alone.
"""

import asyncio
import contextlib
import re
import ssl
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.protocol import SMTPProtocol

from chassis.log import describe, logger
from chassis.reachable import why_not
from contracts.topology import NOTIFICATIONS

_log = logger(__name__)

#: Servers of which it was said that they are away, until they are back.
_AWAY: set[str] = set()

#: Where a server is when its address does not say.
_PORTS = {"smtp": 25, "smtps": 465}

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

#: What a connection that is of no more use raises, in the words of all the layers below.
_BROKEN = (SMTPException, OSError, TimeoutError)


#: Seconds between the text and the dot. A server that hangs up over the text is noticed here, where the
#: message may still be offered again, and not after the dot, where it may not.
_SETTLE = 0.05


#: How servers say that they take no more for now: RFC 3463's 4.7.x of policy, or in words.
_TOO_MUCH = re.compile(
    r"\b4\.7\.(0|1|28|500|650|651)\b|too (many|much|fast)|rate.?limit|throttl", re.IGNORECASE
)


class Fate(StrEnum):
    """What became of a message."""

    #: The server took responsibility for it.
    SENT = "sent"
    #: It was certainly not taken; later is another chance.
    LATER = "later"
    #: The server refused it for good.
    REFUSED = "refused"
    #: It was handed over whole and no reply came.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What became of a message, with the server's own words for staff. They may name the recipient."""

    fate: Fate
    words: str = ""
    #: Whether it was not taken because the server takes no more of us for now.
    too_much: bool = False


class ServerAway(Exception):
    """The mail server cannot be reached or does not let us in, which is no fault of any message.

    Says which server and why, in words for whoever looks after the installation.
    """


class Connection:
    """One connection to the mail server, for one message after the other.

    Args:
        url: ``smtp://`` or ``smtps://``, with user and password where the server wants them.
        greeting: the name that we give ourselves.
        timeout: seconds until the server counts as silent.
    """

    def __init__(self, url: str, *, greeting: str, timeout: float) -> None:
        parts = urlsplit(url)
        #: The server, as people are told of it.
        self.where = f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
        user = unquote(parts.username) if parts.username else None
        over_tls = parts.scheme == "smtps"
        # A password leaves this machine under TLS only. Without one, TLS is used where the server offers it.
        must = True if user and not over_tls and parts.hostname not in _LOOPBACK else None
        self._smtp = aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=user,
            password=unquote(parts.password or "") if user else None,
            local_hostname=greeting,
            timeout=timeout,
            use_tls=over_tls,
            start_tls=None if over_tls else must,
        )
        self._timeout = timeout
        #: Kept here as well: aiosmtplib lets go of it before it is closed, which takes TLS a while.
        self._transport: asyncio.BaseTransport | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection that stands is."""
        return self._smtp.get_transport_info("sslcontext") is not None

    async def open(self) -> None:
        """Connect, unless the connection stands.

        Raises:
            ServerAway: when there is nobody, or nobody who lets us in.
        """
        if self._smtp.is_connected:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._smtp.connect()
            self._transport = self._smtp.transport
        except (*_BROKEN, ValueError) as error:
            self._drop()
            away = ServerAway(f"{self.where} {_why(error)}")
            if self.where not in _AWAY:  # once, until it is back
                _AWAY.add(self.where)
                _log.warning("mail_server_away", service=NOTIFICATIONS, reason=str(away), **describe(error))
            raise away from error
        if self.where in _AWAY:
            _AWAY.discard(self.where)
            _log.info("mail_server_back", service=NOTIFICATIONS, address=self.where)

    async def close(self) -> None:
        """Say goodbye, briefly."""
        with contextlib.suppress(*_BROKEN):
            async with asyncio.timeout(min(self._timeout, 2)):
                if self._smtp.is_connected:
                    await self._smtp.quit()
        self._drop()

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> Outcome:
        """Offer a message and see what becomes of it. Takes at most twice the timeout."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._offer(sender, recipient)
                protocol = await self._write(_dotted(message))
        except SMTPResponseException as refused:
            await self._start_over()
            return _verdict(refused.code, refused.message, otherwise=Fate.LATER)
        except UnicodeError:
            await self._start_over()
            return Outcome(Fate.REFUSED, "The address has signs that the mail server cannot read.")
        except _BROKEN:
            self._drop()
            return Outcome(Fate.LATER, "The connection broke before the letter was handed over.")
        return await self._finish(protocol)

    async def _offer(self, sender: str, recipient: str) -> None:
        await self._smtp.mail(sender)
        await self._smtp.rcpt(recipient)
        reply = await self._smtp.execute_command(b"DATA")
        if reply.code != 354:
            raise SMTPResponseException(reply.code, reply.message)

    async def _write(self, text: bytes) -> SMTPProtocol:
        """Write all but the dot, and wait until the other machine has it.

        Raises:
            SMTPServerDisconnected: when the connection broke meanwhile: the dot was not written.
        """
        protocol = self._smtp.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        protocol.write(text)
        while True:
            await asyncio.sleep(_SETTLE)
            transport: Any = protocol.transport
            if transport is None or transport.is_closing():
                raise SMTPServerDisconnected("Connection lost")
            if not transport.get_write_buffer_size() and not _under_way(transport):
                return protocol

    async def _finish(self, protocol: SMTPProtocol) -> Outcome:
        """Write the dot and read the reply. From here nothing but the reply can be believed."""
        try:
            protocol.write(b".\r\n")
            reply = await protocol.read_response(timeout=self._timeout)
        except SMTPResponseException as gibberish:
            self._drop()
            return Outcome(Fate.UNKNOWN, _shown(gibberish.message))
        except _BROKEN:
            self._drop()
            return Outcome(Fate.UNKNOWN)
        except asyncio.CancelledError:
            self._drop()
            raise
        outcome = _verdict(reply.code, reply.message, otherwise=Fate.UNKNOWN)
        if outcome.fate is not Fate.SENT and reply.code == 421:
            self._drop()
        return outcome

    async def _start_over(self) -> None:
        """After a refusal the next message begins anew; a server that cannot do that is left."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._smtp.rset()
        except _BROKEN:
            self._drop()

    def _drop(self) -> None:
        """Leave at once: half a message must not be completed by a polite goodbye."""
        for transport in (self._smtp.transport, self._transport):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        self._transport = None
        self._smtp.close()


def _why(error: BaseException) -> str:
    """What is wrong with a mail server, and what to look at."""
    cause = error.__cause__ if isinstance(error, SMTPException) and error.__cause__ else error
    if isinstance(error, SMTPAuthenticationError):
        return "does not let us in: correct user and password in CONDUIT_SMTP_URL"
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError):
        return "does not speak TLS there: smtps:// is for port 465, smtp:// for port 587"
    if isinstance(error, SMTPResponseException):
        return f"refuses us with {error.code}: see its log"
    if cause is error and isinstance(error, SMTPException) and "AUTH" in str(error):
        return "takes no password: take user and password out of CONDUIT_SMTP_URL"
    if cause is error and isinstance(error, SMTPException) and "TLS" in str(error):
        return "offers no TLS, and without it no password is sent"
    if isinstance(error, SMTPTimeoutError):
        cause = TimeoutError()
    return why_not(cause, "CONDUIT_SMTP_URL")


def _dotted(message: bytes) -> bytes:
    """The message as it travels: lines end in CR LF, a dot that begins one is doubled (RFC 5321, 4.5.2)."""
    text = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if not text.endswith(b"\r\n"):
        text += b"\r\n"
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]


def _under_way(transport: Any) -> int:
    """Bytes that we have written and the other machine has not confirmed; 0 where that cannot be asked."""
    connection = transport.get_extra_info("socket")
    try:
        import fcntl
        import termios

        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])
    except (ImportError, OSError, AttributeError):
        return 0


def _verdict(code: int, words: str, *, otherwise: Fate) -> Outcome:
    fates = {2: Fate.SENT, 4: Fate.LATER, 5: Fate.REFUSED}
    fate = fates.get(code // 100, otherwise)
    too_much = fate is Fate.LATER and (code == 421 or _TOO_MUCH.search(words) is not None)
    return Outcome(fate, f"{code} {_shown(words)}", too_much)


def _shown(words: str) -> str:
    """A server's words as they may stand on a page: short, on one line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:300]
