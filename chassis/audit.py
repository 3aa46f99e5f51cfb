"""What people have done: a row for each act, in a chain where none can be changed, left out or put in later.

A row says who, what, on what, when and from where, and what was there before and after, as ids, codes and
digests: never a name or an address, so that nothing ever has to be scrubbed from it. Each row carries a
digest of itself and of the one before. The database refuses to change or delete one.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction, read_queries

QUERIES = read_queries(__file__, "audit.sql")

#: What the first row takes for the digest of the one before.
_NONE = "0" * 64
#: Rows that are looked at together.
_AT_A_TIME = 1000

#: What a row may say of how things were: ids, codes, numbers, digests.
Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Whoever acts, as far as a row says it."""

    #: Nobody who has signed in: somebody at the computer itself, who typed a command.
    person: UUID | None
    session: UUID | None = None
    #: The address of a computer, or ``command``.
    source: str
    #: What is said of an act that says nothing of itself: the permission that it needed, and the object's id.
    action: str
    object: str = ""


#: Somebody at the computer itself.
BY_COMMAND = Actor(person=None, source="command", action="command")


@dataclass(frozen=True, kw_only=True)
class Note:
    """One act."""

    action: str
    kind: str
    object: str
    before: Facts | None = None
    after: Facts | None = None


@asynccontextmanager
async def acting(database: Database, actor: Actor | None = None) -> AsyncIterator[Transaction]:
    """A transaction of somebody. What they did is noted in it, whether the work says what that was or not.

    Args:
        actor: whoever acts; when it comes out only in the block, it is set there as ``tx.actor``.
    """
    async with database.transaction() as tx:
        tx.actor = actor
        yield tx
        if tx.actor is not None:
            await _append(tx, tx.actor)


def note(tx: Transaction, action: str, kind: str, object: object, **states: Facts) -> None:
    """Say what an act was, with ``before`` and ``after``. Without an actor, as in a handler, it is no act."""
    tx.notes.append(Note(action=action, kind=kind, object=str(object), **states))


def person_of(tx: Transaction) -> UUID | None:
    """Who acts in a transaction; nobody where a command, a handler or somebody outside does."""
    return tx.actor.person if tx.actor else None


async def did_last(tx: Transaction, object: object, *actions: str, **facts: Any) -> UUID | None:
    """Who did the newest of these acts to something, of which these facts were noted; nobody who is known."""
    said = {name: str(fact) for name, fact in facts.items()}
    person: UUID | None = await QUERIES.last_of(tx, object=str(object), actions=list(actions), facts=said)
    return person


async def last_act(tx: Transaction, objects: Iterable[object], actions: Iterable[str]) -> Any:
    """The newest of these acts that was done to any of these things, by whom and when, if any."""
    return await QUERIES.last_act(tx, objects=list(map(str, objects)), actions=list(actions))


def digest_of(tx: Transaction, text: str) -> str:
    """What a row says instead of a text: whether two are the same, and nothing else."""
    return hmac.new(tx.context.keys.derive("audit"), text.encode(), hashlib.sha256).hexdigest()[:16]


async def _append(tx: Transaction, actor: Actor) -> None:
    """Put what was noted at the end of the chain. Last before the commit: whoever else acts waits for it."""
    notes = tx.notes or [Note(action=actor.action, kind="", object=actor.object)]
    await QUERIES.lock_chain(tx)
    last = await QUERIES.last_row(tx)
    number, digest = (last["number"], last["digest"]) if last else (0, _NONE)
    rows = []
    for said in notes:
        number += 1
        row = {
            "number": number,
            "at": tx.now.astimezone(UTC).isoformat(),
            "person_id": str(actor.person) if actor.person else None,
            "session_id": str(actor.session) if actor.session else None,
            "source": actor.source,
            "action": said.action,
            "kind": said.kind,
            "object": said.object,
            "before": _plain(said.before),
            "after": _plain(said.after),
            "cause": tx.cause.correlationid,
        }
        digest = _digest(digest, row)
        rows.append({**row, "digest": digest})
    await QUERIES.append_rows(tx, rows=rows)


def _plain(facts: Facts | None) -> dict[str, Any] | None:
    """As it will be read again."""
    return None if facts is None else json.loads(json.dumps(dict(facts), default=str))


def _digest(before: str, row: Mapping[str, Any]) -> str:
    said = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}{said}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What became of a chain when it was read from its beginning."""

    rows: int
    #: The digest of the last row: who has written it down can tell whether the end was cut off.
    head: str
    #: The number of the first row that is not what it was; nothing when all are.
    broken_at: int | None = None


async def verify(tx: Transaction, last: int | None = None) -> Chain:
    """Read a chain from its beginning, a thousand rows at a time.

    Args:
        last: the number of a row to end with; the whole chain when not given.
    """
    digest, number = _NONE, 0
    async for row in every_row(tx):
        number += 1
        digest = _digest(digest, {name: value for name, value in row.items() if name != "digest"})
        if row["number"] != number or row["digest"] != digest:
            return Chain(rows=number, head=digest, broken_at=number)
        if number == last:
            break
    return Chain(rows=number, head=digest)


async def every_row(tx: Transaction) -> AsyncIterator[dict[str, Any]]:
    """All rows of a chain as they were digested, from the first."""
    after = 0
    while rows := [row async for row in QUERIES.rows_after(tx, after=after, most=_AT_A_TIME)]:
        for row in rows:
            yield as_written(row)
        after = rows[-1]["number"]


def as_written(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what JSON can say."""
    return {name: _said(value) for name, value in row.items()}


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value
