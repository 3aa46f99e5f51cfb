"""Connections of those who hand in mail: their library, with an end that comes when we say so."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from chassis.log import describe, logger

_log = logger(__name__)


class MailSession(SMTP):
    """One sender's connection, to be made on a running loop.

    Args:
        hooks: answers what the library asks of whoever receives.
        sessions: those that are open, this one among them until it ends.
    """

    #: Lines are taken as long as programs write them, and read in larger pieces than the standard's 1,001.
    line_length_limit = 64 * 1024

    def __init__(self, hooks: "Hooks", sessions: set["MailSession"], **options: Any) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(hooks, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options)
        self._sessions = sessions
        sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._sessions.discard(self)
        super().connection_lost(error)

    async def end(self) -> None:
        """Hang up and wait until the connection is gone."""
        work = self._handler_coroutine
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if work is not None:
            await asyncio.wait({work}, timeout=3)


class Hooks:
    """What the library asks of whoever receives. The names are its own."""

    async def handle_exception(self, error: Exception) -> str:
        """The answer to the sender; the library's own would quote the error."""
        _log.error("mail_session_failed", **describe(error))
        return "451 4.3.0 Something went wrong here; try again later"


class MailListener:
    """Takes connections until it is stopped.

    Args:
        session: makes what speaks with one sender.
    """

    def __init__(self, session: Callable[[set[MailSession]], asyncio.Protocol]) -> None:
        self._session = session
        self._sessions: set[MailSession] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen at an address. The port.

        Raises:
            OSError: when nobody can.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._session(self._sessions), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def start_at(self, path: str) -> None:
        """Listen at a socket, which its user and its group may open.

        Raises:
            OSError: when nobody can.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: self._session(self._sessions), path)
        await asyncio.to_thread(Path(path).chmod, 0o660)

    async def stop(self) -> None:
        """Take no more, and hang up."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        await asyncio.gather(*(session.end() for session in list(self._sessions)))
        await server.wait_closed()
