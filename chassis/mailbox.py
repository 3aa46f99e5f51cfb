"""The built-in mail box: a mail server on loopback that keeps what it is given, and pages to read it.

It stands in for a real mail server where none is configured, and nothing that it takes leaves this
computer. Each message is one file, on disk before the sender is told that it was accepted. It does not
know who writes to whom, and believes no message: what others wrote is shown in a sandbox.
"""

import asyncio
import heapq
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.clock import Clock
from chassis.config import Settings
from chassis.errors import NotFound
from chassis.house import House
from chassis.log import describe, logger
from chassis.mail_sessions import Hooks, MailListener, MailSession
from chassis.message import Mail
from chassis.web import FILE_POLICY, Forbidden, Section, application, environment, render, saved_as
from chassis.web.access import at_a_glance
from contracts.access import Action, may

_log = logger(__name__)

#: The largest message that is taken, in bytes.
SIZE_LIMIT = 10 * 1024 * 1024

#: Messages on one page of the list.
PAGE = 50

#: As much of a message as is read for its line in the list.
_HEAD = 64 * 1024

#: Nanoseconds since 1970, then something random: names sort by arrival.
_ID = re.compile(r"[0-9]{20}-[0-9a-f]{12}")

#: What somebody else wrote: no scripts, no forms, nothing fetched. A link opens in a tab of its own.
HTML_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

#: File types that are announced as what they are; all others are bytes to a browser.
_NAMED_TYPES = frozenset({"application/pdf"})


class MailBox:
    """The messages in a folder, and the mail server that fills it. Runs on the caller's asyncio loop."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder = folder
        self._clock = clock or Clock()
        self._listener = MailListener(self._session)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen.

        Returns:
            the port.
        """
        await asyncio.to_thread(self._prepare)
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Take no more messages; those that were accepted are on disk."""
        await self._listener.stop()

    def _session(self, sessions: set[MailSession]) -> MailSession:
        return MailSession(_Hooks(self), sessions, ident="mail box", data_size_limit=SIZE_LIMIT)

    async def keep(self, envelope: Envelope) -> str:
        """Store a message; when this returns it is on disk.

        Returns:
            its id.
        """
        arrived = int(self._clock.now().timestamp() * 1_000_000) * 1000
        id = f"{arrived:020d}-{token_hex(6)}"
        content = envelope.original_content or b""
        await asyncio.to_thread(self._write, id, _stamped(envelope) + content)
        return id

    def page(
        self, *, before: str = "", after: str = "", most: int = PAGE
    ) -> tuple[list["Entry"], int, bool, bool]:
        """A page of the list, newest first; only its own messages are opened. Blocks.

        Args:
            before: only messages that came earlier than this one.
            after: only messages that came later than this one, the nearest of them.

        Returns:
            the entries, how many messages there are, whether there are newer ones, whether older ones.
        """
        ids = self._ids()
        if after:
            chosen = sorted(heapq.nsmallest(most, (id for id in ids if id > after)), reverse=True)
        else:
            chosen = heapq.nlargest(most, (id for id in ids if not before or id < before))
        entries = [entry for id in chosen if (entry := self._entry(id))]
        newer = bool(chosen) and max(ids) > chosen[0]
        older = bool(chosen) and min(ids) < chosen[-1]
        return entries, len(ids), newer, older

    def read(self, id: str) -> "Mail":
        """A whole message. Blocks.

        Raises:
            NotFound: when there is none of this id, or it is no id.
        """
        if not _ID.fullmatch(id):
            raise NotFound
        try:
            raw = (self.folder / f"{id}.eml").read_bytes()
        except FileNotFoundError:
            raise NotFound from None
        return Mail(raw, id)

    def routes(self) -> list[Route]:
        """The pages, relative to where they are mounted."""
        return _Pages(self).routes()

    def _ids(self) -> list[str]:
        names: list[str] = []
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            names = [entry.name[:-4] for entry in entries if entry.name.endswith(".eml")]
        return [name for name in names if _ID.fullmatch(name)]

    def _entry(self, id: str) -> "Entry | None":
        with suppress(FileNotFoundError), (self.folder / f"{id}.eml").open("rb") as file:
            head = re.split(rb"\r?\n\r?\n", file.read(_HEAD), maxsplit=1)[0]
            mail = Mail(head, id)
            return Entry(id=id, subject=mail.subject, to=mail.to, sent_at=mail.sent_at)
        return None

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.folder.glob("*.new"):
            left.unlink()

    def _write(self, id: str, content: bytes) -> None:
        draft = self.folder / f"{id}.new"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.folder / f"{id}.eml")
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def pages(mailbox: MailBox, settings: Settings, house: House, sections: Sequence[Section]) -> ASGIApp:
    """The application that shows a mail box, to be mounted under ``/mail``."""
    templates = environment(house, sections)
    app = application("mail", settings, mailbox.routes(), templates)
    app.state.templates = templates
    return app


# the server


class _Hooks(Hooks):
    """Keeps what is handed in."""

    def __init__(self, mailbox: MailBox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        try:
            await self._mailbox.keep(envelope)
        except OSError as error:
            _log.error("mail_not_kept", **describe(error))
            return "452 4.3.1 The message could not be stored; try again later"
        return "250 2.0.0 Kept"


def _stamped(envelope: Envelope) -> bytes:
    """What a server that delivers a message writes above it: from whom and to whom it really went."""
    lines = [f"Return-Path: <{envelope.mail_from or ''}>"]
    lines += [f"Delivered-To: {address}" for address in envelope.rcpt_tos]
    cleaned = (re.sub(r"[\x00-\x1f\x7f]", "", line) for line in lines)
    return "".join(f"{line}\r\n" for line in cleaned).encode("utf-8", "surrogateescape")


# messages


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A message as the list shows it."""

    id: str
    subject: str
    to: str
    sent_at: datetime | None


# the pages


class _Pages:
    """Shows one mail box."""

    def __init__(self, mailbox: MailBox) -> None:
        self._mailbox = mailbox

    def routes(self) -> list[Route]:
        return [
            Route("/", self.newest),
            Route("/{id}", self.message),
            Route("/{id}/html", self.html),
            Route("/{id}/attachments/{number}", self.attachment),
        ]

    async def newest(self, request: Request) -> Response:
        """The newest messages, or a page of older ones."""
        _check(request)
        mount = request.scope.get("root_path", "")
        before, after = _read_bound(request, "before"), _read_bound(request, "after")
        entries, total, newer, older = await asyncio.to_thread(self._mailbox.page, before=before, after=after)
        return _show(
            request,
            "mail_list.html",
            total=total,
            messages=[
                {
                    "href": f"{mount}/{entry.id}",
                    "subject": entry.subject,
                    "to": entry.to,
                    "sent_at": entry.sent_at,
                }
                for entry in entries
            ],
            newer_href=f"{mount}/?after={entries[0].id}" if entries and newer else None,
            older_href=f"{mount}/?before={entries[-1].id}" if entries and older else None,
        )

    async def message(self, request: Request) -> Response:
        """One message: who, what, and its files."""
        mount = request.scope.get("root_path", "")
        mail = await self._read(request)
        here = f"{mount}/{mail.id}"
        return _show(
            request,
            "mail_message.html",
            list_href=f"{mount}/",
            subject=mail.subject,
            from_=mail.sender,
            to=mail.to,
            sent_at=mail.sent_at,
            text=mail.text,
            html_href=f"{here}/html" if mail.html else None,
            attachments=[
                {"name": each.name, "size": each.size, "href": f"{here}/attachments/{number}"}
                for number, each in enumerate(mail.attachments, 1)
            ],
        )

    async def html(self, request: Request) -> Response:
        """What somebody wrote, as most people see it: at an address of its own, in a sandbox."""
        mail = await self._read(request)
        if not mail.html:
            raise NotFound
        page = _links_outside(mail.html).encode("utf-8", "replace")
        return Response(page, headers=_guarded(HTML_POLICY), media_type="text/html")

    async def attachment(self, request: Request) -> Response:
        """A file that came with a message, to be saved and never to be run here."""
        mail = await self._read(request)
        number = request.path_params["number"]
        if not re.fullmatch("[1-9][0-9]{0,3}", number) or int(number) > len(mail.attachments):
            raise NotFound
        found = mail.attachments[int(number) - 1]
        headers = _guarded(FILE_POLICY) | {"content-disposition": f"attachment; {saved_as(found.name)}"}
        kind = found.type if found.type in _NAMED_TYPES else "application/octet-stream"
        return Response(found.content, headers=headers, media_type=kind)

    async def _read(self, request: Request) -> Mail:
        _check(request)
        return await asyncio.to_thread(self._mailbox.read, request.path_params["id"])


#: The box is on the computer of whoever looks. It is kept from a role, so that one sees with its eyes.
_OTHERWISE = (
    "The mail box has all that is sent to anybody, and your roles do not see all of that; what you have "
    "sent is on its own page. For a link to sign in, or what goes to somebody without an account, open "
    "this page in a window that is not signed in: whoever sits at this computer may read it."
)


def _check(request: Request) -> None:
    """Show a box to nobody who has signed in and may not see all that is sent.

    Raises:
        Forbidden: to them.
    """
    who = at_a_glance(request)
    if who is not None and not may(Action.READ_MAIL_BOX, who.roles):
        raise Forbidden(_OTHERWISE)


def _show(request: Request, template: str, **values: Any) -> Response:
    return render(request.app.state.templates, request, template, 200, values)


def _read_bound(request: Request, name: str) -> str:
    bound = request.query_params.get(name, "")
    if bound and not _ID.fullmatch(bound):
        raise NotFound
    return bound


def _guarded(policy: str) -> dict[str, str]:
    return {"content-security-policy": policy, "x-content-type-options": "nosniff"}


def _links_outside(page: str) -> str:
    """The page with its links opening outside the frame that shows it."""
    start = re.match(r"\s*<!doctype[^>]*>", page, re.IGNORECASE)
    at = start.end() if start else 0
    return f'{page[:at]}<base target="_blank">{page[at:]}'
