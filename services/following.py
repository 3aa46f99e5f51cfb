"""``conduit events follow``: one message's whole way through all services, with whatever it caused.

It goes by the three databases, so it works beside services that run or without any. A message is known by its
id, a story by the ``correlationid`` that everything in it bears. What is shown are ids, types, moments and
reasons: never what is in a message. Published events are kept for 30 days (``CONDUIT_OUTBOX_DAYS``).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Database
from chassis.errors import ChassisError
from chassis.outbox import QUERIES
from contracts.catalogue import FACTS
from contracts.topology import NOTIFICATIONS, SERVICES
from services.installation import Installation
from services.messages import opened
from services.notifications import stories

#: Events of one story that are shown.
MOST = 5_000


class NothingKnown(ChassisError):
    """No service knows a message or a story of this id. Published events are kept for a limited time."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a message at one service that should hear of it."""

    service: str
    #: handled, ignored, parked, discarded; or not received.
    outcome: str
    at: datetime | None = None
    #: Of a parked one: why, after how many tries, and when the next one is; none waits for a person.
    reason: str = ""
    failure: str = ""
    attempts: int = 0
    next_try: datetime | None = None

    def __str__(self) -> str:
        words = f"{self.service}: {self.outcome}"
        if self.at:
            words += f" {_moment(self.at)}"
        if self.reason:
            tries = "1 try" if self.attempts == 1 else f"{self.attempts} tries"
            then = f"the next {_moment(self.next_try)}" if self.next_try else "waits for you"
            words += f", because {self.reason} ({self.failure or 'no error'}), {tries}, {then}"
        return words


@dataclass(frozen=True, kw_only=True)
class Mailed:
    """What was mailed in a story: one message to somebody, or the letters of a campaign by their state."""

    what: str
    state: str
    count: int
    #: When the last of them came into this state.
    at: datetime | None

    def __str__(self) -> str:
        count = f"{self.count:,} " if self.count > 1 else ""
        return f"mailed by notifications: {count}{self.what}, {self.state}" + (
            f" {_moment(self.at)}" if self.at else ""
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One message, what became of it, and what it caused."""

    id: UUID
    type: str
    #: The aggregate that it is about.
    subject: str
    announced_by: str
    announced_at: datetime | None
    published_at: datetime | None
    #: Tries to publish it, and why the last one failed.
    attempts: int
    failure: str
    fates: Sequence[Fate]
    mailed: Sequence[Mailed]
    caused: Sequence["Step"]

    def lines(self, indent: str = "") -> Iterator[str]:
        """For a person to read."""
        yield f"{indent}{self.type} {self.id}" + (f" about {self.subject}" if self.subject else "")
        inner = indent + "  "
        if self.announced_at:
            yield f"{inner}{self.announced_by}: announced {_moment(self.announced_at)}, {self._published()}"
        yield from (f"{inner}{each}" for each in (*self.fates, *self.mailed))
        for step in self.caused:
            yield from step.lines(inner + "  ")

    def _published(self) -> str:
        tries = "1 try" if self.attempts == 1 else f"{self.attempts} tries"
        if self.published_at:
            return f"published {_moment(self.published_at)} ({tries})"
        return f"not published yet ({tries}{': ' + self.failure if self.failure else ''})"


@dataclass(frozen=True, kw_only=True)
class Story:
    """Everything with one ``correlationid``, or of it what began with one message."""

    correlationid: str
    #: What caused the message that was asked for, the first one first.
    because_of: Sequence[str]
    steps: Sequence[Step]
    #: Letters that a request in this story let go.
    mailed: Sequence[Mailed]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For a person to read."""
        if self.correlationid:
            yield f"Story {self.correlationid}"
        yield from (f"Because of {each}" for each in self.because_of)
        for step in self.steps:
            yield from step.lines()
        yield from map(str, self.mailed)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the databases say, by service."""

    #: Events by their id, each with who announced it.
    events: Mapping[UUID, Mapping[str, Any]]
    fates: Mapping[UUID, Mapping[str, Mapping[str, Any]]]
    notices: Mapping[UUID, Mapping[str, Any]]
    letters: Sequence[Mapping[str, Any]]


def follow(installation: Installation, id: str) -> Story:
    """The way of a message, or of a whole story.

    Raises:
        NothingKnown: when no service knows the id.
    """
    try:
        asked = UUID(id)
    except ValueError:
        raise NothingKnown("That is not an id. Copy it from a log line or: conduit events parked") from None
    with installation.database():
        return asyncio.run(_follow(installation, asked))


async def _follow(installation: Installation, asked: UUID) -> Story:
    async with AsyncExitStack() as stack:
        databases = {
            service: await stack.enter_async_context(opened(installation, service)) for service in SERVICES
        }
        correlationid = await _story_of(databases, asked)
        known = await _look(databases, asked, correlationid or str(asked))
    if not (known.events or known.fates or known.letters):
        raise NothingKnown
    caused: dict[str, list[UUID]] = {}
    for event in known.events.values():
        caused.setdefault(event["causationid"], []).append(event["id"])
    message = asked in known.events or asked in known.fates
    return Story(
        correlationid=correlationid or ("" if message else str(asked)),
        because_of=_ancestors(known, asked),
        steps=[_step(known, caused, each) for each in ([asked] if message else _beginnings(known))],
        mailed=[_letters(row) for row in known.letters],
    )


async def _story_of(databases: Mapping[str, Database], asked: UUID) -> str:
    """The story that a message is a part of; empty when nobody has announced it."""
    for database in databases.values():
        async with database.reading() as tx:
            if found := await QUERIES.story_of(tx, id=asked):
                return str(found)
    return ""


async def _look(databases: Mapping[str, Database], asked: UUID, correlationid: str) -> _Known:
    events: dict[UUID, Mapping[str, Any]] = {}
    fates: dict[UUID, dict[str, Mapping[str, Any]]] = {}
    for service, database in databases.items():
        async with database.reading() as tx:
            rows = QUERIES.announced_in(tx, correlationid=correlationid, id=asked, most=MOST)
            events |= {row["id"]: {**row, "announced_by": service} async for row in rows}
    ids = [asked, *events]
    for service, database in databases.items():
        async with database.reading() as tx:
            async for row in QUERIES.fates_of(tx, ids=ids):
                fates.setdefault(row["id"], {})[service] = row
    async with databases[NOTIFICATIONS].reading() as tx:
        notices = await stories.notices_of(tx, ids)
        letters = await stories.letters_in(tx, correlationid)
    return _Known(events=events, fates=fates, notices=notices, letters=letters)


def _beginnings(known: _Known) -> list[UUID]:
    """What no message in the story has caused: a request did."""
    ids = {str(id) for id in known.events}
    return [event["id"] for event in known.events.values() if event["causationid"] not in ids]


def _ancestors(known: _Known, asked: UUID) -> list[str]:
    path: list[str] = []
    event = known.events.get(asked)
    while event is not None and event["causationid"]:
        above = known.events.get(UUID(event["causationid"]))
        path.append(f"{above['type']} {above['id']}" if above else event["causationid"])
        event = above
    return path[::-1]


def _step(known: _Known, caused: Mapping[str, Sequence[UUID]], id: UUID) -> Step:
    event, fates = known.events.get(id, {}), known.fates.get(id, {})
    type = event.get("type") or next(iter(fates.values()))["type"]
    heard_by = FACTS[type].SUBSCRIBERS if type in FACTS else tuple(fates)
    notice = known.notices.get(id)
    return Step(
        id=id,
        type=type,
        subject=event.get("subject", ""),
        announced_by=event.get("announced_by", ""),
        announced_at=event.get("recorded_at"),
        published_at=event.get("published_at"),
        attempts=event.get("attempts", 0),
        failure=event.get("last_failure") or "",
        fates=[_fate(service, fates.get(service)) for service in heard_by],
        mailed=[_notice(notice)] if notice else [],
        caused=[_step(known, caused, each) for each in caused.get(str(id), ())],
    )


def _fate(service: str, row: Mapping[str, Any] | None) -> Fate:
    if row is None:
        return Fate(service=service, outcome="not received")
    waits = row["reason"] is not None
    return Fate(
        service=service,
        outcome=row["outcome"],
        at=row["handled_at"],
        reason=row["reason"] or "",
        failure=row["failure"] or "",
        attempts=row["attempts"] if waits else 0,
        next_try=row["next_try"],
    )


def _notice(row: Mapping[str, Any]) -> Mailed:
    return Mailed(what=f"message “{row['kind']}”", state=row["state"], count=1, at=row["at"])


def _letters(row: Mapping[str, Any]) -> Mailed:
    return Mailed(what="letters", state=row["state"], count=row["count"], at=row["at"])


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
