"""What is held on somebody: telling it, saying what is against forgetting it, and forgetting it.

A service knows how to do each of the three with what is its own; hearing the request and answering it is the
same for all of them and stands here. A request is answered once, however often it is heard.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from chassis.audit import QUERIES as AUDIT
from chassis.audit import as_written
from chassis.database import Transaction
from chassis.inbox import Subscription, reaction
from chassis.outbox import Announcement, announce_many
from chassis.scrub import scrub_about
from chassis.sealed import seal, unseal
from contracts.envelope import Event, Fact
from contracts.rights import RightsRequest

#: Bytes of a file that travel in one event.
PIECE = 128 * 1024


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Somebody, by everything that we know them by."""

    ids: Sequence[UUID] = ()
    #: Casefolded.
    emails: Sequence[str] = ()
    names: Sequence[str] = ()
    #: What they are registered under.
    references: Sequence[str] = ()

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> Self:
        """The somebody in an opened part of a request."""
        return cls(**{name: tuple(part[name]) for name in ("ids", "emails", "names", "references")})

    def part(self) -> dict[str, list[Any]]:
        """As it travels, sealed."""
        return {
            "ids": list(self.ids),
            "emails": list(self.emails),
            "names": list(self.names),
            "references": list(self.references),
        }


@dataclass(frozen=True, kw_only=True)
class Held:
    """A file with something that is held on somebody. Path and title name nobody."""

    path: str
    title: str
    content: bytes


def written(path: str, title: str, content: Mapping[str, Any]) -> Held:
    """What is held as a file of JSON."""
    said = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return Held(path=path, title=title, content=said.encode())


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was done about somebody who is to be forgotten."""

    #: How many things of each kind were rid of them.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: What stays, each with its reason, in a sentence that names nobody.
    kept: Sequence[str] = ()


Gather = Callable[[Transaction, Subject], AsyncIterator[Held]]
#: Why somebody cannot be forgotten yet, and what has to happen first; nothing when they can.
Object = Callable[[Transaction, Subject], Awaitable[str | None]]
Forget = Callable[[Transaction, Subject], Awaitable[Forgotten]]


async def everything(tx: Transaction, gather: Gather, subject: Subject) -> AsyncIterator[Held]:
    """What a service holds of its own on somebody, and the record of what they have done in it."""
    async for held in gather(tx, subject):
        yield held
    acts = [as_written(row) async for row in AUDIT.rows_of(tx, people=list(subject.ids))]
    if acts:
        yield written("what-they-did.json", "What they have done here, as recorded", {"acts": acts})


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """What a service can do for somebody's rights, and the facts by which it says what came of it."""

    #: The part of a request that is sealed to this service.
    part: str
    gather: Gather
    objection: Object
    forget: Forget
    gathered: type[Fact]
    answered: type[Fact]
    scrubbed: type[Fact]

    def subscriptions(
        self,
        *,
        requested: type[RightsRequest],
        erasure: type[RightsRequest],
        erased: type[RightsRequest],
    ) -> tuple[Subscription, ...]:
        """What this service has to hear."""
        return (
            reaction(requested, self.tell_everything),
            reaction(erasure, self.answer),
            reaction(erased, self.forget_somebody),
        )

    async def tell_everything(self, tx: Transaction, event: Event) -> None:
        """Say, sealed, everything that is held on somebody."""
        found = everything(tx, self.gather, self._subject(tx, event))
        pieces = [piece async for held in found for piece in in_pieces(held)]
        sealed = [seal(tx.context.keys, self.gathered, "finding", piece) for piece in pieces]
        told: list[tuple[int, str | None]] = [*enumerate(sealed, 1)] or [(0, None)]
        await announce_many(tx, [self._gathered(event, each, len(sealed)) for each in told])

    async def answer(self, tx: Transaction, event: Event) -> None:
        """Say whether anything is against forgetting somebody."""
        objection = await self.objection(tx, self._subject(tx, event))
        await announce_many(tx, [_said(self.answered, event, objection=objection)])

    async def forget_somebody(self, tx: Transaction, event: Event) -> None:
        """Forget somebody, in what has been announced too, and say so."""
        subject = self._subject(tx, event)
        done = await self.forget(tx, subject)
        await scrub_about(tx, subject.ids)
        counts = [{"what": what, "count": count} for what, count in done.counts.items() if count]
        await announce_many(tx, [_said(self.scrubbed, event, scrubbed=counts, kept=list(done.kept))])

    def _subject(self, tx: Transaction, event: Event) -> Subject:
        sealed = event.data[self.part]
        if sealed is None:  # forgotten before it was heard: there is nobody any more whom it could be about
            return Subject()
        return Subject.of(unseal(tx.context.keys, event.fact, self.part, sealed))

    def _gathered(self, event: Event, told: tuple[int, str | None], total: int) -> Announcement:
        number, finding = told
        said = {"number": number, "total": total, "finding": finding}
        return _said(self.gathered, event, sequence=max(number, 1), **said)


def in_pieces(held: Held) -> Iterator[dict[str, Any]]:
    """A file as the parts of events."""
    starts = range(0, max(len(held.content), 1), PIECE)
    for number, start in enumerate(starts, 1):
        yield {
            "path": held.path,
            "title": held.title,
            "piece": number,
            "pieces": len(starts),
            "content": b64encode(held.content[start : start + PIECE]).decode(),
        }


def _said(fact: type[Fact], event: Event, *, sequence: int = 1, **data: Any) -> Announcement:
    """An answer to a request."""
    id = event.data["request_id"]
    return Announcement(fact=fact, subject=id, sequence=sequence, data={"request_id": id, **data})
