"""Mail that this computer's own mail server hands over by LMTP (RFC 2033).

The server is told that we have a mail only when we have; until then it keeps it and comes again, and what
comes twice is known by its digest. It is told so for each recipient, and at once of one who is none of ours.
Of mails that are being handed over a few are in memory, each no larger than mails may be: whoever else comes
waits before the first byte of it.
"""

import asyncio
import errno
import os
import re
import smtplib
from asyncio import LimitOverrunError
from time import monotonic

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from chassis.config import host_and_port
from chassis.database import Database
from chassis.errors import ChassisError
from chassis.log import describe, logger
from chassis.mail_sessions import Hooks, MailListener, MailSession
from chassis.reachable import why_not
from services.notifications import metrics
from services.notifications.reading.kinds import LARGEST_MAIL, TOO_LARGE
from services.notifications.receiving import is_for_us, receive

_log = logger(__name__)

#: Connections at once; a mail server opens 20 unless it was told otherwise.
MOST_CONNECTIONS = 30
#: Mails that are heard at once.
MOST_MAILS = 4
#: Recipients of one mail; what nobody may refuse is 100 (RFC 5321).
MOST_RECIPIENTS = 100
#: Seconds that a mail server may take for a command, and for one mail.
_PATIENCE = 60.0

_LINE_END, _DOT = b"\r\n", b"."
#: Bytes of a mail on its way: each of its lines may begin with a dot that another one is put before.
_MOST_BYTES = 2 * LARGEST_MAIL

_KEPT = "250 2.0.0 Kept"
_LATER = "451 4.3.0 It could not be kept now; try again later"
_REFUSED = f"552 5.3.4 {TOO_LARGE}"
_NOBODY = "550 5.1.1 Nobody here has this address"
_MANY = "452 4.5.3 Too many recipients; send it again for the others"
_FULL = b"421 4.3.2 Too many connections; try again later\r\n"

#: What we can do, to whoever greets us.
_GREETING = "\r\n".join(
    (
        "250-localhost",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250-8BITMIME",
        "250-SMTPUTF8",
        f"250 SIZE {LARGEST_MAIL}",
    )
)
#: A reply of the library's without the enhanced status code that LMTP asks for; the first line has none.
_BARE = re.compile(r"^(?!220)([245])\d\d (?!\d\.\d)")

#: Seconds for which a place may be held: what is left of a process after `kill -9` ends in good order, and
#: listens until then. And how often to look.
HELD, _LOOK = 10.0, 0.2


class LmtpServer:
    """Listens where the settings say, if they say so."""

    def __init__(self, database: Database) -> None:
        self._place = database.context.settings.lmtp
        self._hooks = _Intake(database)
        self._listener = MailListener(self._session)

    async def start(self) -> None:
        """Take mails from now on; where somebody listens there already, as soon as they have ended.

        Raises:
            CannotListen: says where and why.
        """
        until = monotonic() + HELD
        while not await self._listens():
            if monotonic() > until:
                raise CannotListen(self._place, os.strerror(errno.EADDRINUSE))
            await asyncio.sleep(_LOOK)

    async def _listens(self) -> bool:
        """Whether we listen now; not yet where somebody else does."""
        try:
            if self._place.startswith("/"):
                await self._listener.start_at(self._place)
            elif self._place:
                await self._listener.start(*host_and_port(self._place))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise CannotListen(self._place, reason) from None
        return True

    async def stop(self) -> None:
        """Take none any more: one that was being handed over comes again."""
        await self._listener.stop()

    def _session(self, sessions: set[MailSession]) -> asyncio.Protocol:
        return _Session(self._hooks, sessions) if len(sessions) < MOST_CONNECTIONS else _Full()


class CannotListen(ChassisError):
    """The place where mail is to be handed over cannot be used."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"Nobody can listen at {place} ({reason}). Free it, or correct CONDUIT_LMTP.")


class LmtpAway(ChassisError):
    """Nobody takes mail by LMTP. Says where and why."""


def greet(place: str, patience: float) -> str:
    """Greet our own LMTP server and leave. What may be said of it. Blocks; so many seconds until it answers.

    Raises:
        LmtpAway: says why it is of no use, and what to do.
    """
    host, port = (place, 0) if place.startswith("/") else host_and_port(place)
    try:
        with smtplib.LMTP(host, port, local_hostname="localhost", timeout=patience) as connection:
            connection.ehlo()
            if connection.esmtp_features.get("size") != str(LARGEST_MAIL):
                raise LmtpAway(f"at {place} another program answers: correct CONDUIT_LMTP, or stop that one")
    except (OSError, smtplib.SMTPException) as error:
        raise LmtpAway(f"our own at {place} {why_not(error, 'CONDUIT_LMTP')}") from None
    return f"mail is taken at {place}"


class _Full(asyncio.Protocol):
    """Sends somebody away because there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.write(_FULL)
        transport.close()


class _Intake(Hooks):
    """Says whose mail we take, and takes it in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Who may hand over the words of a mail now.
        self.turns = asyncio.Semaphore(MOST_MAILS)
        # A mail that is taken apart takes many times its size, as from the mailbox: one after the other.
        self._one = asyncio.Lock()

    async def take_in(self, raw: bytes, came_to: list[str]) -> str:
        """Keep a mail. The reply to each of its recipients."""
        try:
            async with self._one:
                await receive(self._database, raw, came_to=came_to)
        except Exception as error:  # noqa: BLE001 - whatever it is, a mail server must not take it for final
            _log.warning("mail_put_off", **describe(error))
            metrics.HANDED_OVER.labels("put_off").inc()
            return _LATER
        metrics.HANDED_OVER.labels("kept").inc()
        return _KEPT

    def refuse(self) -> str:
        """The reply to each recipient of a mail that is too large."""
        metrics.HANDED_OVER.labels("too_large").inc()
        return _REFUSED

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, _replies: list[str]
    ) -> list[str]:
        session.host_name = name
        return [_GREETING]

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        sizes = (option.removeprefix("SIZE=") for option in options if option.startswith("SIZE="))
        if any(int(size) > LARGEST_MAIL for size in sizes):
            return self.refuse()
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if not is_for_us(self._database.context, address):
            return _NOBODY
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return _MANY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"


class _Session(MailSession, LMTP):
    """One connection of a mail server."""

    def __init__(self, intake: _Intake, sessions: set[MailSession]) -> None:
        super().__init__(intake, sessions, ident="Conduit", data_size_limit=None, timeout=_PATIENCE)
        self._intake = intake

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        """Take in a mail. One reply for each recipient, as LMTP wants; the library knows one for all."""
        came_to = self.envelope.rcpt_tos if self.envelope else []
        if arg or not came_to:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 There is no recipient")
            return
        async with self._intake.turns:
            self._reset_timeout()
            # The line end before the first line: nobody may say a word of it until we have told them to.
            self._reader.feed_data(_LINE_END)
            await self.push("354 End with a dot on a line of its own")
            raw = await self._read_mail()
            self._reset_timeout()
            reply = self._intake.refuse() if raw is None else await self._intake.take_in(raw, came_to)
        self.envelope = self._create_envelope()
        for _ in came_to:
            await self.push(reply)

    async def _read_mail(self) -> bytes | None:
        """What comes until the dot, every byte as it is; nothing when that is too large.

        Only a dot between two whole line ends is one: a mail with others in it stays one mail.
        """
        kept, size, ended = bytearray(), 0, False
        while not ended:
            try:
                piece, ended = await self._reader.readuntil(_LINE_END + _DOT + _LINE_END), True
            except LimitOverrunError as long:
                piece = await self._reader.read(long.consumed)
            size += len(piece)
            if size <= _MOST_BYTES:
                kept += piece
            else:
                kept.clear()
        raw = kept.removesuffix(_DOT + _LINE_END).replace(_LINE_END + _DOT, _LINE_END)[len(_LINE_END) :]
        return bytes(raw) if size <= _MOST_BYTES and len(raw) <= LARGEST_MAIL else None

    async def push(self, status: str | bytes) -> None:
        text = status if isinstance(status, str) else status.decode()
        await super().push(_BARE.sub(r"\g<0>\1.0.0 ", text))
