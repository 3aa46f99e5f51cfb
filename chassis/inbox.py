"""The inbox: each message has its effect once, whatever is delivered twice, late or broken.

One transaction per batch: the ids are entered first, then the new events are handled in the order of their
subjects: one by one by reactions, all together by copies. When a handler raises, the batch is taken back and
its messages are taken one by one; what still fails is parked with its reason, in the same transaction as its
inbox row. A sign of life is noted in its place among the events, together with those of its batch. Nothing
here acknowledges anything: the caller does, when :meth:`Inbox.take` has returned.
"""

import asyncio
import hashlib
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid5

from chassis import metrics
from chassis.clock import real_now
from chassis.context import Cause
from chassis.database import IN_THE_WAY, Database, Transaction
from chassis.errors import DatabaseAway, HandlerTooSlow, NotYetKnown
from chassis.failpoints import reach
from chassis.log import describe, logger
from chassis.outbox import QUERIES
from chassis.scrub import scrub_published
from chassis.signs import signs_heard
from chassis.traces import Kind, collecting, doing, going_on
from chassis.transports import Delivery
from contracts.envelope import Event, Fact, Undecodable, decode
from contracts.topology import EXCHANGES, signs_heard_by

_log = logger(__name__)

#: Names the messages that have no usable id of their own, by what they contain.
_NAMELESS = UUID("6d1a4f2e-7e0b-4a53-9f2b-5c9a54d2a0c1")

#: Reasons for which trying again by itself cannot help.
HOPELESS = frozenset(
    {
        "not_json",
        "wrong_charset",
        "unknown_content_type",
        "invalid_number",
        "invalid_text",
        "not_an_event",
        "unknown_type",
        "invalid_data",
        "id_reused",
        "dead_lettered",
        "not_theirs",
    }
)
REASONS = HOPELESS | {"handler_failed", "not_yet_known"}

#: Does something about one event.
React = Callable[[Transaction, Event], Awaitable[None]]

#: Brings a copy up to date with the newest event about each of several subjects, in the order of subjects.
Remember = Callable[[Transaction, Sequence[Event]], Awaitable[None]]

#: When services said last that they live, by the name of each.
_Signs = Mapping[str, datetime]

#: Lets any version replace what a copy holds, before it is rebuilt from snapshots.
Forget = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Which handler answers which fact, and of which kind it is."""

    fact: type[Fact]
    react: React | None = None
    remember: Remember | None = None


def copy(fact: type[Fact], remember: Remember) -> Subscription:
    """This handler keeps a copy: it is versioned, only moves forward and may be rebuilt from snapshots.

    A copy needs only the newest state, so the handler is given the newest event about each subject, of all
    the facts that it answers, many at a time: one statement takes them all.
    """
    return Subscription(fact=fact, remember=remember)


def reaction(fact: type[Fact], react: React) -> Subscription:
    """This handler does something once (what was mailed, what was paid): it never sees a snapshot."""
    return Subscription(fact=fact, react=react)


@dataclass(frozen=True, slots=True)
class _Message:
    """A delivery after a first look: an event, or the reason why it is none."""

    id: UUID
    digest: bytes
    delivery: Delivery
    event: Event | None = None
    reason: str = ""
    detail: str = ""

    @property
    def type(self) -> str:
        return self.event.fact.type() if self.event else "unknown"

    @property
    def subject(self) -> str:
        return self.event.subject if self.event else ""


class Inbox:
    """Takes in what one service receives."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription]) -> None:
        self._database = database
        self._service = database.context.service
        self._settings = database.context.settings
        self._subscriptions = {each.fact.type(): each for each in subscriptions}
        self._facts = {each.fact.type(): each.fact for each in subscriptions}

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Take in a batch. When this returns, every message had its effect, was known, or is parked.

        Raises:
            DatabaseAway: nothing is certain; keep the messages and offer them again.
        """
        started = monotonic()
        messages = _each_once(self._look(each) for each in deliveries if not each.life_of)
        signs = self._newest_signs(each for each in deliveries if each.life_of)
        if messages:
            outcomes = await self._settle(messages, signs)
            for (type, outcome), count in Counter((m.type, outcomes[m.id]) for m in messages).items():
                metrics.HANDLED.labels(self._service, type, outcome).inc(count)
            metrics.HANDLING.labels(self._service).observe(monotonic() - started)
        elif signs:
            await self._note_life_alone(signs)

    def _newest_signs(self, deliveries: Iterable[Delivery]) -> _Signs:
        """When each service last said that it lives. What cannot be read says nothing, and harms nobody."""
        heard = set(signs_heard_by(self._service))
        signs: dict[str, datetime] = {}
        for each in deliveries:
            moment = _moment(each.body)
            if moment is not None and each.life_of in heard:
                signs[each.life_of] = max(moment, signs.get(each.life_of, moment))
        return signs

    async def _settle(self, messages: list[_Message], signs: _Signs) -> dict[UUID, str]:
        try:
            return await self._handle_together(messages, signs)
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises, its message is parked
            if len(messages) == 1:
                outcomes = {messages[0].id: await self._park(messages[0], error)}
            else:
                outcomes = await self._settle_one_by_one(messages)
        if signs:
            await self._note_life_alone(signs)
        return outcomes

    async def _settle_one_by_one(self, messages: list[_Message]) -> dict[UUID, str]:
        outcomes: dict[UUID, str] = {}
        for message in messages:
            outcomes.update(await self._settle([message], {}))
        return outcomes

    async def _handle_together(self, messages: list[_Message], signs: _Signs) -> dict[UUID, str]:
        """One transaction for all; the same again when another transaction was in the way."""
        for attempt in range(5):
            try:
                return await self._handle_once(messages, signs)
            except IN_THE_WAY:
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))
        return await self._handle_once(messages, signs)

    async def _handle_once(self, messages: list[_Message], signs: _Signs) -> dict[UUID, str]:
        async with self._database.transaction() as tx:
            new = await self._unseen(tx, messages)
            outcomes = {message.id: "known" for message in messages}
            outcomes |= await self._handle(tx, new)
            await _note_life(tx, signs)
            reach("inbox.before_commit")
        reach("inbox.committed")
        return outcomes

    async def _note_life_alone(self, signs: _Signs) -> None:
        async with self._database.transaction() as tx:
            await _note_life(tx, signs)

    async def _unseen(self, tx: Transaction, messages: list[_Message]) -> list[_Message]:
        """The messages that were never seen before. One that reuses an id for something else is parked."""
        new = await _enter(tx, messages, "handled")
        if len(new) < len(messages):
            seen = [m for m in messages if m.id not in new]
            known = QUERIES.known_digests(tx, ids=[message.id for message in seen])
            digests = {row["id"]: row["digest"] async for row in known}
            reused = [_renamed(m) for m in seen if bytes(digests[m.id]) != m.digest]
            fresh = await _enter(tx, reused, "parked") if reused else set()
            for message in reused:
                if message.id in fresh:
                    await self._keep(tx, message, message.reason, message.detail, None)
        return [message for message in messages if message.id in new]

    async def _handle(self, tx: Transaction, new: list[_Message]) -> dict[UUID, str]:
        outcomes = dict.fromkeys((message.id for message in new), "handled")
        for message in new:
            if message.event is None:
                outcomes[message.id] = "parked"
                await self._keep(tx, message, message.reason, message.detail, None)
        ignored = await self._act(tx, [message.event for message in new if message.event])
        outcomes |= dict.fromkeys(ignored, "ignored")
        for outcome in ("parked", "ignored"):
            if ids := [id for id, each in outcomes.items() if each == outcome]:
                await QUERIES.set_outcome(tx, ids=ids, outcome=outcome, now=tx.now)
        return outcomes

    async def _act(self, tx: Transaction, events: Sequence[Event]) -> list[UUID]:
        """Copies first, because reactions look at them; either in the order of subjects, so that two replicas
        never wait for each other in a ring.

        Returns:
            the ids of the snapshots, as far as they are for copies only.
        """
        newest: dict[Remember, dict[str, Event]] = {}
        reactions: list[tuple[React, Event]] = []
        for event in sorted(events, key=_by_subject):
            subscription = self._subscriptions[event.fact.type()]
            if subscription.remember is not None:
                newest.setdefault(subscription.remember, {})[event.subject] = event
            if subscription.react is not None:
                reactions.append((subscription.react, event))
        for remember in sorted(newest, key=_name):
            states = list(newest[remember].values())
            with self._keeping(states):
                await self._within_time(remember(tx, states), states)
        for react, event in reactions:
            if not event.snapshot:
                with going_on(
                    self._service,
                    f"process {event.fact.type()}",
                    Kind.CONSUMER,
                    _cause(event),
                    **_named(event),
                ) as tx.cause:
                    await self._within_time(react(tx, event), [event])
        return [event.id for _, event in reactions if event.snapshot]

    @contextmanager
    def _keeping(self, states: Sequence[Event]) -> Iterator[None]:
        """A copy is taken in one step from many stories: a span in each of them, where anybody wants one."""
        with ExitStack() as spans:
            for event in states if collecting() else ():
                name = f"process {event.fact.type()}"
                spans.enter_context(
                    doing(self._service, name, Kind.CONSUMER, event.traceparent, **_named(event))
                )
            yield

    async def _within_time(self, act: Awaitable[None], events: Sequence[Event]) -> None:
        """A handler whose own waiting ends in a ``TimeoutError`` is too slow as well."""
        started, outcome = monotonic(), "failed"
        try:
            async with asyncio.timeout(self._settings.handler_timeout):
                await act
            outcome = "handled"
        except TimeoutError:
            raise HandlerTooSlow from None
        finally:
            share = (monotonic() - started) / len(events)
            for type, count in Counter(event.fact.type() for event in events).items():
                measured = metrics.HANDLER_SECONDS.labels(self._service, type, outcome)
                for _ in range(count):
                    measured.observe(share)

    async def _park(self, message: _Message, error: Exception) -> str:
        """Keep one message that its handler could not take, and remember that it was seen."""
        reason = "not_yet_known" if isinstance(error, NotYetKnown) else "handler_failed"
        told = {"service": self._service, "id": str(message.id), "type": message.type, "reason": reason}
        told |= {"correlationid": message.event.correlationid} if message.event else {}
        _log.warning("message_parked", **told, **describe(error))
        async with self._database.transaction() as tx:
            entered = await _enter(tx, [message], "parked")
            if entered:
                await self._keep(tx, message, reason, type(error).__name__, tx.now + self._pause(1))
        return "parked" if entered else "known"

    async def _keep(
        self, tx: Transaction, message: _Message, reason: str, failure: str, next_try: datetime | None
    ) -> None:
        await QUERIES.park(
            tx,
            id=message.id,
            type=message.type,
            subject=message.subject,
            body=message.delivery.body,
            content_type=message.delivery.content_type,
            reason=reason,
            failure=failure,
            attempts=1,
            now=tx.now,
            next_try=next_try,
        )

    async def retry(self) -> bool:
        """Try the parked message that is due first; lock, act and delete in one transaction.

        Returns:
            whether there was one.
        """
        try:
            async with self._database.transaction() as tx:
                row = await QUERIES.lock_due_parked(tx, now=tx.now)
                if row is None:
                    return False
                try:
                    await self._try_again(tx, row)
                except IN_THE_WAY:
                    raise
                except Exception as error:
                    raise _GivenUp(row, error) from error
        except _GivenUp as given_up:
            await self._postpone(given_up.row, given_up.error)
        return True

    async def _try_again(self, tx: Transaction, row: Any) -> None:
        message = self._look(Delivery(body=bytes(row["body"]), content_type=row["content_type"]))
        if message.event is None:
            raise Undecodable(message.reason, message.detail)
        if row["reason"] == "not_theirs":
            raise Undecodable("not_theirs")
        outcome = "ignored" if await self._act(tx, [message.event]) else "handled"
        await QUERIES.set_outcome(tx, ids=[row["id"]], outcome=outcome, now=tx.now)
        await QUERIES.unpark(tx, id=row["id"])
        metrics.HANDLED.labels(self._service, message.type, outcome).inc()

    async def _postpone(self, row: Any, error: Exception) -> None:
        attempts = row["attempts"] + 1
        reason = _reason(error)
        final = reason in HOPELESS or attempts >= self._settings.attempts
        async with self._database.transaction() as tx:
            await QUERIES.postpone_parked(
                tx,
                id=row["id"],
                attempts=attempts,
                reason=reason,
                failure=type(error).__name__,
                next_try=None if final else tx.now + self._pause(attempts),
            )

    async def observe(self) -> None:
        """Bring the gauges of parked messages and of signs of life up to date."""
        async with self._database.reading() as tx:
            counts = {row["reason"]: row["count"] async for row in QUERIES.parked_by_reason(tx)}
            signs = await signs_heard(tx)
        for reason in REASONS:
            metrics.PARKED.labels(self._service, reason).set(counts.get(reason, 0))
        for sender in signs_heard_by(self._service):
            silent_for = signs.silent_for(sender)
            age = math.inf if silent_for is None else silent_for
            metrics.SIGN_OF_LIFE_AGE.labels(self._service, sender).set(age)

    async def tidy(self) -> None:
        """Forget what was published, handled and answered so long ago, and what was sealed in it."""
        async with self._database.transaction() as tx:
            await QUERIES.purge_outbox(tx, before=tx.now - timedelta(days=self._settings.outbox_days))
            await QUERIES.purge_inbox(tx, before=tx.now - timedelta(days=self._settings.inbox_days))
            await QUERIES.purge_answers(tx, before=tx.now - timedelta(days=2))
            await QUERIES.purge_settled(tx, before=tx.now - timedelta(days=2))
        await scrub_published(self._database)

    def _look(self, delivery: Delivery) -> _Message:
        digest = hashlib.sha256(delivery.body).digest()
        try:
            event = decode(delivery.body, self._facts, content_type=delivery.content_type)
        except Undecodable as refused:
            return _Message(_nameless(digest), digest, delivery, reason=refused.reason, detail=refused.detail)
        if delivery.exchange not in ("", EXCHANGES[event.fact.OWNER]):
            # Under an id of its own: the owner may still say this itself.
            told = "another service than its owner said it"
            return _Message(_nameless(digest), digest, delivery, reason="not_theirs", detail=told)
        if delivery.dead:
            return _Message(event.id, digest, delivery, reason="dead_lettered")
        return _Message(event.id, digest, delivery, event)

    def _pause(self, attempts: int) -> timedelta:
        """Back-off with full jitter."""
        longest = min(self._settings.retry_first * 2 ** min(attempts - 1, 20), self._settings.retry_longest)
        return timedelta(seconds=random.uniform(0, longest))


async def _note_life(tx: Transaction, signs: _Signs) -> None:
    """Last of all, so that its row is locked for a moment only: every replica writes the same one."""
    if signs:
        await QUERIES.note_life(tx, services=sorted(signs), moments=[signs[name] for name in sorted(signs)])


class _GivenUp(Exception):
    """Takes a failed retry out of its transaction, together with the row it was about."""

    def __init__(self, row: Any, error: Exception) -> None:
        super().__init__()
        self.row = row
        self.error = error


async def _enter(tx: Transaction, messages: Sequence[_Message], outcome: str) -> set[UUID]:
    """Remember that these were seen; the ids of those that were not seen before."""
    entered = QUERIES.enter_inbox(
        tx,
        ids=[message.id for message in messages],
        digests=[message.digest for message in messages],
        types=[message.type for message in messages],
        outcome=outcome,
        now=tx.now,
    )
    return {row["id"] async for row in entered}


def _each_once(messages: Iterable[_Message]) -> list[_Message]:
    """A batch may bring one message twice, or two messages under one id."""
    once: dict[UUID, _Message] = {}
    for message in messages:
        known = once.setdefault(message.id, message)
        if known.digest != message.digest:
            other = _renamed(message)
            once.setdefault(other.id, other)
    return list(once.values())


def _moment(body: bytes) -> datetime | None:
    """When a sign of life was sent; never later than now, whatever its sender's clock says."""
    try:
        sent_at = datetime.fromisoformat(body.decode("ascii"))
        return min(sent_at.astimezone(UTC), real_now()) if sent_at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, Undecodable):
        return error.reason
    return "not_yet_known" if isinstance(error, NotYetKnown) else "handler_failed"


def _by_subject(event: Event) -> tuple[str, int, int]:
    return (event.subject, event.epoch, event.sequence)


def _name(handler: Remember) -> str:
    return str(getattr(handler, "__qualname__", ""))


def _cause(event: Event) -> Cause:
    """What is announced because of this event says so."""
    return Cause(correlationid=event.correlationid, causationid=str(event.id), traceparent=event.traceparent)


def _named(event: Event) -> dict[str, str | int]:
    """What a span says of an event."""
    return {"messaging.message.id": str(event.id), "conduit.correlationid": event.correlationid}


def _nameless(digest: bytes) -> UUID:
    """An id made of the content, for a message that has none of its own."""
    return uuid5(_NAMELESS, digest.hex())


def _renamed(message: _Message) -> _Message:
    """The same message under an id made of its content, because its own id belongs to another."""
    return _Message(
        _nameless(message.digest),
        message.digest,
        message.delivery,
        reason="id_reused",
        detail="another message had this id",
    )
