"""Liveness that means "this process still receives", not "HTTP answers".

Each service sends itself a canary through its own queue. When a confirmed canary does not come back for too
long, the connection is replaced; when that did not help either, the process ends itself, because a
supervisor can cure a dead process but not a deaf one. Silence alone is not death: while the broker confirms
nothing, nothing is expected, and a consumer that waits for its database pauses on purpose.
"""

import os
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from chassis import metrics
from chassis.log import logger

_log = logger(__name__)


class Receiver(Protocol):
    """A consumer, as the watchdog sees it."""

    #: Monotonic seconds at which its queue last brought anything.
    last_received: float
    #: It holds a batch and reads no further on purpose.
    busy: bool

    def reconnect(self) -> None: ...


class Watchdog:
    """Watches the consumers of a process.

    Args:
        limit: seconds without an expected canary that count as deaf.
        end: ends the process; replaced in tests.
    """

    def __init__(self, limit: float, end: Callable[[], None] = lambda: os._exit(70)) -> None:
        self.limit = limit
        self._end = end
        self._receivers: dict[str, Receiver] = {}
        self._expected: dict[str, float] = {}
        self._warned: set[str] = set()

    def watch(self, service: str, receiver: Receiver) -> None:
        self._receivers[service] = receiver
        metrics.WATCHDOG_SILENCE.labels(service).set(0)

    def forget(self, service: str) -> None:
        self._receivers.pop(service, None)
        self._expected.pop(service, None)

    def expect(self, service: str, since: float) -> None:
        """A canary was sent at this monotonic moment and confirmed: the service's queue must bring it."""
        if service in self._receivers:
            self._expected.setdefault(service, since)

    def excuse(self, service: str) -> None:
        """The broker confirms nothing at present: the silence is not the receiver's."""
        self._expected.pop(service, None)

    def silence(self, service: str) -> float:
        """For how many seconds an expected canary has not come."""
        receiver, since = self._receivers.get(service), self._expected.get(service)
        if receiver is None or since is None:
            return 0.0
        if receiver.busy or receiver.last_received >= since:
            self._expected.pop(service)
            return 0.0
        return monotonic() - since

    @property
    def deaf(self) -> bool:
        """Whether any consumer has been silent for too long: liveness is then false."""
        return any(self.silence(service) > self.limit for service in self._receivers)

    async def look(self) -> None:
        for service, receiver in list(self._receivers.items()):
            silence = self.silence(service)
            metrics.WATCHDOG_SILENCE.labels(service).set(silence)
            if silence <= self.limit:
                self._warned.discard(service)
            elif service not in self._warned:
                _log.error("deaf", service=service, seconds=round(silence))
                self._warned.add(service)
                receiver.reconnect()
            elif silence > self.limit * 2:
                _log.error("deaf_for_good", service=service, seconds=round(silence))
                self._end()
