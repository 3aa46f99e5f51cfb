"""RabbitMQ: a publisher that believes only confirms, and a consumer with one ack path.

Every connection has one owner at a time, because two green threads on one socket fail. Nothing waits
without a limit: a broker that is frozen, blocked or cut off costs a timeout and a new connection.
"""

import asyncio
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

#: Seconds to wait for the first message of a batch, and for each further one.
_FIRST, _FURTHER = 0.5, 0.002


def connect(settings: Settings, **options: Any) -> amqp.Connection:
    """A raw connection, without kombu's own recovery: on any trouble it is collected and replaced.

    kombu reads the address; its pools and its closing, which waits for the peer without limit, are not
    used.
    """
    with Timeout(settings.acquire_timeout, TimeoutError()):
        address = kombu.Connection(settings.amqp_url, heartbeat=settings.heartbeat, transport_options=options)
        return address.transport.establish_connection()


def let_go(settings: Settings, connection: amqp.Connection | None) -> None:
    """Close politely for a bounded time, then drop the socket whatever happened."""
    if connection is not None:
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
        self._connection: Any = None
        self._channel: Any = None
        self._unconfirmed: dict[int, UUID] = {}
        self._refused: dict[UUID, str] = {}
        self._last_tag = 0
        self._one_owner = asyncio.Lock()
        metrics.BROKER_CONNECTED.labels(service, "publish").set(0)
        metrics.BROKER_BLOCKED.labels(service).set(0)

    async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        async with self._one_owner:
            return await green(self._publish, batch)

    async def send_canary(self) -> bool:
        """Publish a message that comes back to this service's own queue. Whether it was confirmed.

        Sent often enough, it also is what keeps the connection alive.
        """
        canary = Outgoing(id=UUID(int=0), type=canary_key(self._service), body=b"", expected=True)
        return not await self.publish([canary])

    async def close(self) -> None:
        async with self._one_owner:
            connection, self._connection = self._connection, None
            await green(let_go, self._settings, connection)

    def _publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        self._unconfirmed.clear()
        self._refused.clear()
        unsent = {event.id for event in batch}
        try:
            with Timeout(self._settings.confirm_timeout, TimeoutError()):
                self._connect()
                for event in batch:
                    self._send(event)
                    unsent.discard(event.id)
                self._await_confirms()
        except GreenletExit:
            self._hang_up()
            raise
        except Exception as error:  # noqa: BLE001 - every trouble is cured by a new connection
            self._hang_up()
            _log.warning("publishing_failed", service=self._service, count=len(batch), **describe(error))
            return self._refused | dict.fromkeys(unsent | set(self._unconfirmed.values()), _reason(error))
        return dict(self._refused)

    def _send(self, event: Outgoing) -> None:
        message = amqp.Message(
            event.body, content_type=CONTENT_TYPE, delivery_mode=2, message_id=str(event.id), type=event.type
        )
        # Noted before it is sent: sending reads from the socket first and may meet an earlier ack.
        self._last_tag += 1
        self._unconfirmed[self._last_tag] = event.id
        self._channel.basic_publish(
            message, exchange=EXCHANGES[self._service], routing_key=event.type, mandatory=event.expected
        )

    def _await_confirms(self) -> None:
        while self._unconfirmed:
            self._connection.drain_events()
        metrics.BROKER_BLOCKED.labels(self._service).set(0)

    def _connect(self) -> None:
        """A channel in confirm mode, on a new connection if need be."""
        if self._connection is not None:
            return
        self._last_tag = 0
        self._connection = connect(self._settings, on_blocked=self._blocked)
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._acked)
        self._channel.events["basic_nack"].add(self._nacked)
        self._channel.events["basic_return"].add(self._returned)
        metrics.BROKER_CONNECTED.labels(self._service, "publish").set(1)

    def _hang_up(self) -> None:
        drop(self._connection)
        self._connection = None
        metrics.BROKER_CONNECTED.labels(self._service, "publish").set(0)

    def _settled(self, tag: int, multiple: bool) -> list[UUID]:
        tags = [each for each in self._unconfirmed if each <= tag] if multiple else [tag]
        return [self._unconfirmed.pop(each) for each in tags if each in self._unconfirmed]

    def _acked(self, tag: int, multiple: bool) -> None:
        self._settled(tag, multiple)

    def _nacked(self, tag: int, multiple: bool) -> None:
        self._refused.update(dict.fromkeys(self._settled(tag, multiple), "queue_refused"))

    def _returned(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        self._refused[UUID(message.properties["message_id"])] = "no_queue_bound"

    def _blocked(self, reason: str) -> None:
        metrics.BROKER_BLOCKED.labels(self._service).set(1)
        _log.warning("broker_blocked", service=self._service)


def _reason(error: Exception) -> str:
    if isinstance(error, amqp.NotFound):
        return "not_declared"
    return "not_confirmed" if isinstance(error, TimeoutError) else "broker_away"


class RabbitConsumer:
    """Reads one service's inbox and dead letters, a batch at a time.

    A batch and its ack live and die with the connection that delivered them: after a reconnect there is
    nothing left to acknowledge, the broker delivers again and the inbox knows what it has seen.

    Args:
        take: called with the deliveries in a green thread of its own; true when every one of them has its
            outcome and may be acknowledged, false when they must be offered again.
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
                except Exception as error:  # noqa: BLE001 - every trouble is cured by a new connection
                    failures = 0 if monotonic() - started > 30 else failures + 1
                    reason = describe(error)
                    _log.warning("consuming_failed", service=self._service, attempts=failures, **reason)
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
        """One connection, from its beginning to its end."""
        self._buffer, self._last_tag, self._reconnect = [], 0, False
        connection = connect(self._settings)
        try:
            channel = self._subscribe(connection)
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(1)
            while not self._stopping:
                self._take_turn(connection, channel)
        except BaseException:
            drop(connection)
            raise
        finally:
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(0)
        let_go(self._settings, connection)

    def _subscribe(self, connection: amqp.Connection) -> Any:
        with Timeout(self._settings.acquire_timeout, TimeoutError()):
            channel = connection.channel()
            channel.auto_decode = False
            channel.basic_qos(0, self._settings.prefetch, False)
            for queue, dead in ((INBOXES, False), (DEAD_LETTERS, True)):
                channel.basic_consume(queue=queue[self._service], callback=self._noting(dead))
        return channel

    def _take_turn(self, connection: amqp.Connection, channel: Any) -> None:
        if self._reconnect:
            raise ConnectionResetError
        self._gather(connection)
        if self._last_tag:
            self._settle(connection, channel)
        connection.heartbeat_tick()

    def _gather(self, connection: amqp.Connection) -> None:
        """Wait for a message, then take what else is there already, up to a batch."""
        patience = _FURTHER if self._last_tag else _FIRST
        with suppress(TimeoutError):
            while len(self._buffer) < self._settings.batch:
                connection.drain_events(timeout=patience)
                patience = _FURTHER

    def _settle(self, connection: amqp.Connection, channel: Any) -> None:
        """Hand the batch over and acknowledge all of it with one ack; offer it again until it is settled."""
        batch, tag = self._buffer, self._last_tag
        self._buffer, self._last_tag = [], 0
        pause = 0.1
        self.busy = True
        try:
            while batch and not self._offer(connection, batch):
                if self._stopping:
                    return
                self._keep_alive(connection, pause)
                pause = min(pause * 2, 2.0)
        finally:
            self.busy = False
        channel.basic_ack(tag, multiple=True)

    def _offer(self, connection: amqp.Connection, batch: list[Delivery]) -> bool:
        """Have the batch taken in a green thread of its own, and keep the connection alive meanwhile."""
        taken = Event()
        spawn(lambda: taken.send(self._take(batch)))
        while not taken.ready():
            with suppress(TimeoutError), Timeout(1.0, TimeoutError()):
                taken.wait()
            if not taken.ready():
                self._keep_alive(connection, _FURTHER)
        return bool(taken.wait())

    def _keep_alive(self, connection: amqp.Connection, seconds: float) -> None:
        """Read, and answer heartbeats, for so long. What arrives belongs to the next batch."""
        end = monotonic() + seconds
        with suppress(TimeoutError):
            while (left := end - monotonic()) > 0:
                connection.drain_events(timeout=left)
        connection.heartbeat_tick()

    def _noting(self, dead: bool) -> Callable[[Any], None]:
        def note(message: Any) -> None:
            self.last_received = monotonic()
            metrics.LAST_RECEIVED.labels(self._service).set(time())
            self._last_tag = message.delivery_tag
            # By its type, not its routing key: dead-lettering gives it another one of those.
            if message.properties.get("type") != canary_key(self._service):
                self._buffer.append(_delivery(message, dead))

        return note

    def _rest(self, seconds: float) -> None:
        end = monotonic() + seconds
        while not self._stopping and monotonic() < end:
            sleep(0.1)


def _delivery(message: Any, dead: bool) -> Delivery:
    """The raw bytes. Headers are not looked at: nothing in them may reach nameko."""
    body = message.body
    return Delivery(
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=str(message.properties.get("content_type") or ""),
        dead=dead,
    )
