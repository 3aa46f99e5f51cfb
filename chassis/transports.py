"""The publish port: what the relay needs of whatever carries events, and the adapter inside one process.

The other adapter, for RabbitMQ, is in :mod:`chassis.rabbitmq`. "Confirmed" means the same for both: whoever
must hear of it has it on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chassis.clock import real_now
from contracts.catalogue import FACTS
from contracts.envelope import CONTENT_TYPE
from contracts.topology import CANARIES, HEARD_BY, canary_key


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One event, or a sign of life, on its way out."""

    id: UUID
    type: str
    body: bytes
    #: Somebody must hear of it.
    expected: bool


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it arrived: bytes that nobody has looked into yet."""

    body: bytes
    content_type: str = CONTENT_TYPE
    #: By which exchange it came, so as whose. Empty where no service has a say in that: inside one process,
    #: when the broker moved it, and when an administrator put it into the queue.
    exchange: str = ""
    #: Set when the broker gave up on it; it is parked without another try.
    dead: bool = False
    #: No event, but a sign of life of this service.
    life_of: str = ""


def sign_of_life(service: str) -> Outgoing:
    """What a service sends now and then, past its outbox: that it is there, and when that was."""
    moment = real_now().isoformat()
    return Outgoing(id=UUID(int=0), type=canary_key(service), body=moment.encode(), expected=True)


class PublishPort(Protocol):
    """Carries events to everybody who must hear of them."""

    async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        """Publish all of the batch. Whatever is not in the answer is confirmed.

        Returns:
            the reason for each event that was not confirmed, by id. The others are safe with every
            subscriber.
        """

    async def observe(self) -> None:
        """Bring the gauges of the service's own queues up to date, where it has any."""

    async def close(self) -> None:
        """Let go of the connection."""


Receiver = Callable[[Sequence[Delivery]], Awaitable[None]]


class InProcess:
    """Hands events straight to the inboxes of the services in this process.

    A subscriber's call returns when its inbox transaction has committed, so a crash in between leaves the
    row in the outbox and the next try meets the inbox's memory of it.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, Receiver] = {}

    def register(self, service: str, receiver: Receiver) -> None:
        """Deliver to this service from now on."""
        self._receivers[service] = receiver

    def withdraw(self, service: str) -> None:
        """Deliver no more to this service; what is for it stays in the outboxes."""
        self._receivers.pop(service, None)

    async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        refused: dict[UUID, str] = {}
        wanted: dict[str, list[Outgoing]] = {}
        for event in batch:
            for subscriber in _audience(event.type):
                wanted.setdefault(subscriber, []).append(event)
        answers = await asyncio.gather(*(self._deliver(*each) for each in wanted.items()))
        for reason, events in answers:
            refused.update({event.id: reason for event in events} if reason else {})
        return refused

    async def _deliver(self, service: str, events: list[Outgoing]) -> tuple[str, list[Outgoing]]:
        receiver = self._receivers.get(service)
        if receiver is None:
            return "subscriber_away", events
        try:
            await receiver(
                [Delivery(body=event.body, life_of=CANARIES.get(event.type, "")) for event in events]
            )
        except Exception as error:  # noqa: BLE001  the events stay in the outbox and are offered again
            return type(error).__name__, events
        return "", events

    async def observe(self) -> None:
        """There are no queues: what nobody has taken yet is in the outboxes."""

    async def close(self) -> None:
        """Nothing to let go of: the receivers withdraw themselves."""


def _audience(type: str) -> Sequence[str]:
    sender = CANARIES.get(type)
    return FACTS[type].SUBSCRIBERS if sender is None else HEARD_BY.get(sender, ())
