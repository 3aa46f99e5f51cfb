"""Files that a service takes in on pages: nothing of one is done before somebody has seen what would be.

A file goes through two steps with a person between them. What would become of each line is found out and
shown; it is carried out only if it is still the same by then. Each step is one transaction in the
background, of whichever replica comes first. That it was begun, and how far it is, is noted in others, so
that it is seen, and stays when the step is undone.

What lines say, and what becomes of them, is the service's: it hands over its statements and what a step does.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from time import monotonic
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from chassis.audit import Actor, acting, note
from chassis.database import Database, Transaction
from chassis.errors import Conflict
from chassis.files import drop_files

#: How long a file is kept at the most, and all that was found out about it.
KEPT = timedelta(days=1)

#: How often a step is begun before it is given up.
MOST_ATTEMPTS = 3

#: Seconds between two words of how far a step is.
_SAID_EVERY = 0.5


class State(StrEnum):
    """Where a file stands."""

    #: It is still to be said what it is; not every service asks.
    CHOSEN = "chosen"
    READING = "reading"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    CANCELLED = "cancelled"
    FAILED = "failed"


#: In which states a file is not wanted any more when somebody says so.
OPEN = (State.CHOSEN, State.READING, State.READY, State.APPLYING)


@dataclass(frozen=True, kw_only=True)
class File:
    """One file that is or was taken in."""

    id: UUID
    state: State
    #: Nothing where it was given by command, and once it is not needed any more.
    file_id: UUID | None
    file_name: str
    #: How far the present step is, of how much; nothing where that is not known.
    done: int
    total: int | None
    #: Lines that could be read.
    lines: int
    #: A digest of all that was found out.
    shown: bytes | None
    #: Whether it is shown again, because what it was compared with has changed.
    changed_since: bool

    @classmethod
    def of(cls, row: Mapping[str, Any], **more: Any) -> Self:
        """The file in a row of its table.

        Args:
            more: what else a service says of it.
        """
        said = {field.name: row[field.name] for field in fields(cls) if field.name not in more}
        return cls(**said | more | {"state": State(row["state"])})


class NotWanted(Exception):
    """Somebody has cancelled it meanwhile."""


class Changed(Exception):
    """What it was compared with is not any more what it was."""


class GivenUp(Exception):
    """It was begun too often, or cannot be done."""


_F = TypeVar("_F", bound=File)


@dataclass(frozen=True, kw_only=True)
class Importing(Generic[_F]):
    """How a service takes files in."""

    #: Its statements. They are named alike in every service: ``claim_import``, ``import_by_id``,
    #: ``next_import``, ``order_import``, ``show_import``, ``move_import``, ``begin_attempt``,
    #: ``note_progress`` and ``drop_old_imports``; and for its pages ``imports_listed``, ``fates_counted`` and
    #: ``fates_after``.
    queries: Any
    #: The file in a row of its table.
    file: Callable[[Mapping[str, Any]], _F]
    #: Reads and compares a file, or carries out what was shown, as its state says. May raise ``Changed``.
    step: Callable[[Transaction, Database, _F], Awaitable[None]]
    #: Forgets what was found out about the lines of a file.
    forget: Callable[[Transaction, UUID], Awaitable[None]]
    #: What it is in the audit when a file was taken in.
    action: str
    #: The timer that takes the steps, by its name for whoever wakes it.
    timer: str

    # What people ask for

    async def found(self, tx: Transaction, id: UUID) -> _F | None:
        """One file."""
        row = await self.queries.import_by_id(tx, id=id)
        return self.file(row) if row else None

    async def order(self, tx: Transaction, id: UUID, *, shown: bytes, actor: Actor) -> None:
        """Let what was shown be carried out.

        Raises:
            Conflict: when something else is shown by now, a line is refused, or it is done already.
        """
        if await self.queries.order_import(tx, id=id, shown=shown, **by(actor), now=tx.now) is None:
            raise moved_on()
        note(tx, "import_ordered", "import", id)

    async def cancel(self, tx: Transaction, id: UUID) -> None:
        """Nobody wants it any more. A step that goes on is undone.

        Raises:
            Conflict: when it is over.
        """
        if not await self._move(tx, id, State.CANCELLED, *OPEN):
            raise moved_on()
        await self.forget(tx, id)
        note(tx, "import_cancelled", "import", id)

    # In the background

    async def turn(self, database: Database) -> bool:
        """Take the next step of the file that has waited longest; true when there may be more to do."""
        async with acting(database) as tx:
            if await self.queries.next_import(tx) is None:
                await drop(tx, self.queries.drop_old_imports(tx, before=tx.now - KEPT))
                return False
            if not await self.queries.claim_import(tx):
                return False
            row = await self.queries.next_import(tx)  # anew: another replica may have been faster
            if row is None:
                return False
            if await self._attempt(tx, database, self.file(row)) and tx.notes:
                tx.actor = Actor(
                    person=row["person_id"],
                    session=row["session_id"],
                    source=row["source"],
                    action=self.action,
                    object=str(row["id"]),
                )
        return True

    async def _attempt(self, tx: Transaction, database: Database, file: _F) -> bool:
        """Take a step whole or not at all. Whether it was done."""
        try:
            async with tx.connection.transaction():
                await self.step(tx, database, file)
        except NotWanted:
            tx.notes.clear()
        except Changed:
            tx.notes.clear()
            await self._move(tx, file.id, State.READING, State.APPLYING, changed_since=True)
        except GivenUp:
            tx.notes.clear()
            await self._move(tx, file.id, State.FAILED, State.READING, State.APPLYING)
        else:
            return True
        return False

    async def begin(self, database: Database, file: _F, total: int | None) -> "Steps":
        """Count that a step is begun, and note from now on how far it is.

        Args:
            total: how many steps there are, where that is known.

        Raises:
            NotWanted, GivenUp: when it was cancelled, or was begun too often.
        """

        async def say(tx: Transaction, done: int) -> object:
            return await self.queries.note_progress(tx, id=file.id, state=file.state, done=done)

        async with database.transaction() as tx:
            attempts = await self.queries.begin_attempt(tx, id=file.id, total=total)
        if attempts is None:
            raise NotWanted
        if attempts > MOST_ATTEMPTS:
            raise GivenUp
        return Steps(database, say)

    async def show(self, tx: Transaction, file: _F, *, lines: int, shown: bytes) -> None:
        """A file was read and compared: end the first step.

        Raises:
            NotWanted: when it was cancelled.
        """
        if await self.queries.show_import(tx, id=file.id, lines=lines, shown=shown, now=tx.now) is None:
            raise NotWanted

    async def finish(self, tx: Transaction, file: _F, counts: Mapping[str, int]) -> None:
        """A file was taken in: end the second step.

        Args:
            counts: what became of how many, for the audit.

        Raises:
            NotWanted: when it was cancelled.
        """
        note(tx, self.action, "import", file.id, after=dict(counts))
        if not await self._move(tx, file.id, State.APPLIED, State.APPLYING):
            raise NotWanted

    async def _move(
        self, tx: Transaction, id: UUID, state: State, *before: State, changed_since: bool = False
    ) -> bool:
        """Let a file go on to a state. What was given is not kept once that is over: it names people."""
        row = await self.queries.move_import(
            tx, id=id, state=state, before=list(before), changed_since=changed_since, now=tx.now
        )
        if row is not None and row["file_id"] and state not in OPEN:
            await drop_files(tx, [row["file_id"]])
        return row is not None


class Steps:
    """Notes how far a step is where others see it, and ends it when nobody wants it any more."""

    def __init__(self, database: Database, say: Callable[[Transaction, int], Awaitable[object]]) -> None:
        self._database = database
        self._say = say
        self._done = 0
        self._said_at = monotonic()

    async def more(self, steps: int) -> None:
        """So many more are done.

        Raises:
            NotWanted: when it was cancelled.
        """
        self._done += steps
        if monotonic() - self._said_at < _SAID_EVERY:
            await asyncio.sleep(0)
            return
        async with self._database.transaction() as tx:
            wanted = await self._say(tx, self._done)
        if wanted is None:
            raise NotWanted
        self._said_at = monotonic()


def by(actor: Actor) -> dict[str, Any]:
    """Who asks for the next step, as statements are told."""
    return {"person_id": actor.person, "session_id": actor.session, "source": actor.source}


def moved_on() -> Conflict:
    """What whoever acts on a file is told that stands elsewhere by now."""
    return Conflict("This file has moved on meanwhile.", "Reload its page to see where it stands.")


async def drop(tx: Transaction, dropped: AsyncIterable[Mapping[str, Any]]) -> None:
    """Let go of what was given of files whose rows have been dropped."""
    if ids := [row["file_id"] async for row in dropped if row["file_id"] is not None]:
        await drop_files(tx, ids)
