"""Being told of commits: one connection per service listens while anybody looks, and wakes those concerned.

PostgreSQL tells at the commit and never before it, so that whoever is woken finds what has changed. What gets
lost while the connection is away is made good for: everybody is woken when it is back, and looks.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from chassis.database import Database
from chassis.errors import DatabaseAway, DatabaseRefuses
from chassis.outbox import CHANNEL as OUTBOX

#: PostgreSQL notification channel; what is told there is a topic.
CHANNEL = "live"
#: The topic of whoever follows something without one: whatever the service announces.
ANYTHING = ""
#: Seconds until a lost connection is replaced.
_AGAIN = 1.0


class Listener:
    """Wakes those who follow a topic when a transaction commits that tells of it.

    There is a connection while somebody follows something, and none otherwise.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def following(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about the topic may have changed."""
        awake = asyncio.Event()
        self._followers[topic].add(awake)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._listen(), name="listen")
        try:
            yield awake
        finally:
            self._followers[topic].discard(awake)
            if not any(self._followers.values()):
                self._task.cancel()
                self._task = None

    async def _listen(self) -> None:
        while True:
            with suppress(
                DatabaseAway, DatabaseRefuses, asyncpg.PostgresError, asyncpg.InterfaceError, OSError
            ):
                await self._until_lost(await self._database.listen())
            await asyncio.sleep(_AGAIN)

    async def _until_lost(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._told)
            await connection.add_listener(OUTBOX, lambda *_: self._wake(ANYTHING))
            for topic in list(self._followers):
                self._wake(topic)
            await lost.wait()
        finally:
            connection.terminate()

    def _told(self, connection: Any, pid: int, channel: str, topic: Any) -> None:
        self._wake(topic)

    def _wake(self, topic: str) -> None:
        for awake in self._followers.get(topic, ()):
            awake.set()
