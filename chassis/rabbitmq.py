"""RabbitMQ: a publisher that believes only confirms, a consumer with one ack path, and the declarations.

Every connection has one owner at a time, because two green threads on one socket fail. Nothing waits
without a limit: a broker that is frozen, blocked or cut off costs a timeout and a new connection.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Any
from uuid import UUID

import amqp
import kombu

from chassis import metrics
from chassis.config import Settings
from chassis.log import describe, logger
from chassis.loop import Event, GreenletExit, Timeout, green, sleep, spawn
from chassis.transports import Delivery, Outgoing
from contracts.envelope import CONTENT_TYPE
from contracts.topology import DEAD_LETTERS, EXCHANGES, INBOXES, canary_key

_log = logger(__name__)


def connect(settings: Settings, url: str, **options: Any) -> amqp.Connection:
    """A raw connection, without kombu's own recovery: on any trouble it is collected and replaced.

    kombu reads the address; its pools and its closing, which waits for the peer without limit, are not
    used.
    """
    with Timeout(settings.acquire_timeout, TimeoutError()):
        address = kombu.Connection(
            url, heartbeat=settings.heartbeat, connect_timeout=settings.acquire_timeout, transport_options=options
        )
        return address.transport.establish_connection()


def let_go(settings: Settings, connection: amqp.Connection | None) -> None:
    """Close politely for a bounded time, then drop the socket whatever happened."""
    if connection is None:
        return
    with suppress(Exception), Timeout(settings.close_timeout, TimeoutError()):
        connection.close()
    drop(connection)


def drop(connection: amqp.Connection | None) -> None:
    """Drop the socket without a word: the peer may not be listening."""
    if connection is not None:
        with suppress(Exception), Timeout(1, TimeoutError()):
            connection.collect()


class RabbitPublisher:
    """The publish port on RabbitMQ: batches, confirms tracked as a set, returns matched by message id.

    The broker sends a return *and then an ack* for an unroutable message, and acks come multiple, out of
    order and mixed with nacks, so an event counts as confirmed only when its tag was acked and its id was
    not returned. The same event has the same message id on every try.
    """

    def __init__(self, service: str, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._connection: amqp.Connection | None = None
        self._channel: Any = None
        self._unconfirmed: dict[int, UUID] = {}
        self._refused: dict[UUID, str] = {}
        self._next_tag = 1
        self._one_owner = asyncio.Lock()
        metrics.BROKER_CONNECTED.labels(service, "publish").set(0)
        metrics.BROKER_BLOCKED.labels(service).set(0)

    async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        async with self._one_owner:
            return await green(self._publish, batch)

    async def send_canary(self) -> bool:
        """Publish a message that comes back to this service's own queue. Whether it was confirmed."""
        async with self._one_owner:
            return await green(self._send_canary)

    async def close(self) -> None:
        async with self._one_owner:
            connection, self._connection = self._connection, None
            await green(let_go, self._settings, connection)

    def _publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        self._unconfirmed.clear()
        self._refused.clear()
        waiting = {event.id for event in batch}
        try:
            with Timeout(self._settings.confirm_timeout, TimeoutError()):
                channel = self._ready()
                for event in batch:
                    self._send(channel, event)
                    waiting.discard(event.id)
                self._await_confirms()
        except GreenletExit:
            drop(self._connection)
            raise
        except Exception as error:
            self._give_up(error)
            reason = "not_confirmed" if isinstance(error, TimeoutError) else "broker_away"
            late = waiting | set(self._unconfirmed.values())
            return {**self._refused, **dict.fromkeys(late, reason)}
        return dict(self._refused)

    def _send(self, channel: Any, event: Outgoing) -> None:
        message = amqp.Message(
            event.body, content_type=CONTENT_TYPE, delivery_mode=2, message_id=str(event.id), type=event.type
        )
        # Noted before it is sent: sending reads from the socket first and may meet an old ack.
        self._unconfirmed[self._next_tag] = event.id
        self._next_tag += 1
        channel.basic_publish(
            message, exchange=EXCHANGES[self._service], routing_key=event.type, mandatory=event.expected
        )

    def _await_confirms(self) -> None:
        while self._unconfirmed:
            self._connection.drain_events(timeout=self._settings.confirm_timeout)

    def _send_canary(self) -> bool:
        self._unconfirmed.clear()
        self._refused.clear()
        try:
            with Timeout(self._settings.confirm_timeout, TimeoutError()):
                channel = self._ready()
                self._unconfirmed[self._next_tag] = UUID(int=0)
                self._next_tag += 1
                channel.basic_publish(
                    amqp.Message(b"", content_type="text/plain", message_id=str(UUID(int=0)), expiration="60000"),
                    exchange=EXCHANGES[self._service],
                    routing_key=canary_key(self._service),
                    mandatory=True,
                )
                self._await_confirms()
                self._connection.heartbeat_tick()
        except GreenletExit:
            raise
        except Exception as error:
            self._give_up(error)
            return False
        return not self._refused

    def _ready(self) -> Any:
        """The channel in confirm mode, on a new connection if need be."""
        if self._connection is None:
            self._next_tag = 1
            self._connection = connect(
                self._settings, self._settings.amqp_url, on_blocked=self._blocked, on_unblocked=self._unblocked
            )
            self._channel = self._connection.channel()
            self._channel.confirm_select()
            self._channel.events["basic_ack"].add(self._acked)
            self._channel.events["basic_nack"].add(self._nacked)
            self._channel.events["basic_return"].add(self._returned)
            metrics.BROKER_CONNECTED.labels(self._service, "publish").set(1)
        return self._channel

    def _give_up(self, error: Exception) -> None:
        _log.warning("publishing_failed", service=self._service, **describe(error))
        drop(self._connection)
        self._connection = None
        metrics.BROKER_CONNECTED.labels(self._service, "publish").set(0)

    def _tags(self, tag: int, multiple: bool) -> list[int]:
        return [each for each in self._unconfirmed if each <= tag] if multiple else [tag]

    def _acked(self, tag: int, multiple: bool) -> None:
        for each in self._tags(tag, multiple):
            self._unconfirmed.pop(each, None)

    def _nacked(self, tag: int, multiple: bool) -> None:
        for each in self._tags(tag, multiple):
            if (event := self._unconfirmed.pop(each, None)) is not None:
                self._refused[event] = "queue_refused"

    def _returned(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self._refused[UUID(message.properties["message_id"])] = "no_queue_bound"

    def _blocked(self, reason: str) -> None:
        metrics.BROKER_BLOCKED.labels(self._service).set(1)
        _log.warning("broker_blocked", service=self._service)

    def _unblocked(self) -> None:
        metrics.BROKER_BLOCKED.labels(self._service).set(0)


class RabbitConsumer:
    """Reads one service's inbox and dead letters, a batch at a time.

    Args:
        take: called with the deliveries in a green thread of its own; true when every one of them has its
            outcome and may be acknowledged, false when they must be offered again.

    A batch and its ack live and die with the connection that delivered them: after a reconnect there is
    nothing left to acknowledge, the broker delivers again and the inbox knows what it has seen.
    """

    def __init__(self, service: str, settings: Settings, take: Callable[[Sequence[Delivery]], bool]) -> None:
        self._service = service
        self._settings = settings
        self._take = take
        self._stopping = False
        self._reconnect = False
        self._buffer: list[Delivery] = []
        self._last_tag = 0
        self._finished = Event()
        #: Monotonic seconds at which the own queue last brought anything.
        self.last_received = monotonic()
        #: Holds a batch and reads no further.
        self.busy = False
        metrics.BROKER_CONNECTED.labels(service, "consume").set(0)

    def run(self) -> None:
        """Consume until stopped, across every kind of loss of the broker."""
        failures = 0
        try:
            while not self._stopping:
                started = monotonic()
                try:
                    self._consume()
                except GreenletExit:
                    raise
                except Exception as error:
                    failures = 0 if monotonic() - started > 30 else failures + 1
                    _log.warning("consuming_failed", service=self._service, attempts=failures, **describe(error))
                    self._rest(min(0.2 * 2 ** min(failures, 6), 5.0))
        finally:
            self._finished.send(None)

    def stop(self, grace: float) -> None:
        """Finish the batch in hand, acknowledge it, close. Waits at the most ``grace`` seconds."""
        self._stopping = True
        with suppress(TimeoutError), Timeout(grace, TimeoutError()):
            self._finished.wait()

    def reconnect(self) -> None:
        """Drop the connection and make a new one: what the watchdog does first."""
        self._reconnect = True

    def _consume(self) -> None:
        self._buffer, self._reconnect = [], False
        connection = connect(self._settings, self._settings.amqp_url)
        try:
            with Timeout(self._settings.acquire_timeout, TimeoutError()):
                channel = connection.channel()
                channel.auto_decode = False
                channel.basic_qos(0, self._settings.prefetch, False)
                for queue, dead in ((INBOXES, False), (DEAD_LETTERS, True)):
                    channel.basic_consume(queue=queue[self._service], callback=self._noting(dead))
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(1)
            self._serve(connection, channel)
        except BaseException:
            drop(connection)
            raise
        finally:
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(0)
        let_go(self._settings, connection)

    def _serve(self, connection: amqp.Connection, channel: Any) -> None:
        while not self._stopping:
            if self._reconnect:
                raise ConnectionResetError
            self._gather(connection)
            if self._last_tag:
                self._settle(connection, channel)
            connection.heartbeat_tick()

    def _gather(self, connection: amqp.Connection) -> None:
        """Wait for a message, then take what else is there already, up to a batch."""
        patience = 0.002 if self._buffer else 0.5
        while len(self._buffer) < self._settings.batch:
            try:
                connection.drain_events(timeout=patience)
            except (TimeoutError, socket.timeout):
                return
            patience = 0.002

    def _settle(self, connection: amqp.Connection, channel: Any) -> None:
        """Hand the batch over and acknowledge all of it with one ack; keep the connection alive meanwhile."""
        batch, tag = self._buffer, self._last_tag
        self._buffer, self._last_tag = [], 0
        pause = 0.1
        self.busy = True
        try:
            while batch and not self._ask(connection, batch):
                if self._stopping:
                    return
                self._keep_alive(connection, pause)
                pause = min(pause * 2, 2.0)
        finally:
            self.busy = False
        channel.basic_ack(tag, multiple=True)

    def _ask(self, connection: amqp.Connection, batch: list[Delivery]) -> bool:
        settled = Event()
        spawn(lambda: settled.send(self._take(batch)))
        while not settled.ready():
            with suppress(TimeoutError), Timeout(1.0, TimeoutError()):
                settled.wait()
            if not settled.ready():
                self._keep_alive(connection, 0.002)
        return bool(settled.wait())

    def _keep_alive(self, connection: amqp.Connection, seconds: float) -> None:
        """Read and answer heartbeats while a batch is in hand. What arrives belongs to the next batch."""
        with suppress(TimeoutError, socket.timeout):
            connection.drain_events(timeout=seconds)
        connection.heartbeat_tick()

    def _noting(self, dead: bool) -> Callable[[Any], None]:
        def note(message: Any) -> None:
            self.last_received = monotonic()
            metrics.LAST_RECEIVED.labels(self._service).set(time())
            self._last_tag = message.delivery_tag
            if message.delivery_info.get("routing_key") != canary_key(self._service):
                self._buffer.append(_delivery(message, dead))

        return note

    def _rest(self, seconds: float) -> None:
        end = monotonic() + seconds
        while not self._stopping and monotonic() < end:
            sleep(0.1)


def _delivery(message: Any, dead: bool) -> Delivery:
    """The raw bytes. Headers are not looked at: nothing in them may reach nameko."""
    body = message.body
    if isinstance(body, memoryview):
        body = body.tobytes()
    return Delivery(
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=str(message.properties.get("content_type") or ""),
        dead=dead,
    )
