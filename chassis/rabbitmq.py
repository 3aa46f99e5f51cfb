"""RabbitMQ: a publisher that believes only confirms, and a consumer with one ack path.

Every connection has one owner at a time, because two green threads on one socket fail. Nothing waits
without a limit: a broker that is frozen, blocked or cut off costs a timeout and a new connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from time import monotonic, time
from typing import Any
from uuid import UUID

import amqp

from chassis import metrics
from chassis.config import Settings
from chassis.declare import address_of
from chassis.log import describe, logger
from chassis.loop import Event, GreenletExit, Queue, Timeout, green, sleep, spawn
from chassis.transports import Delivery, Outgoing
from chassis.wire import read_ahead, writing_together
from contracts.envelope import CONTENT_TYPE
from contracts.topology import CANARIES, DEAD_LETTERS, EXCHANGES, INBOXES

_log = logger(__name__)

#: Seconds after which a reader looks up: is it to stop, or to send a heartbeat?
_LOOK_UP = 0.5


def connect(settings: Settings, name: str, **options: Any) -> amqp.Connection:
    """A raw connection, without kombu's own recovery: on any trouble it is collected and replaced.

    kombu reads the address; its pools and its closing, which waits for the peer without limit, are not
    used.

    Args:
        name: what ops reads in the broker's list of connections.
    """
    options["client_properties"] = {"connection_name": name}
    with Timeout(settings.acquire_timeout, TimeoutError()):
        address = address_of(settings.amqp_url, heartbeat=settings.heartbeat, transport_options=options)
        connection = address.transport.establish_connection()
    read_ahead(connection)
    return connection


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
        for queue in ("inbox", "dead"):
            metrics.QUEUE.labels(service, queue).set(0)

    async def publish(self, batch: Sequence[Outgoing]) -> dict[UUID, str]:
        async with self._one_owner:
            return await green(self._publish, batch)

    async def observe(self) -> None:
        """Ask the broker how much waits in the service's own queues; nothing while there is no connection."""
        async with self._one_owner:
            if self._connection is not None:
                await green(self._observe)

    def _observe(self) -> None:
        """On a channel of its own, because a queue that is missing closes it."""
        try:
            with Timeout(self._settings.confirm_timeout, TimeoutError()):
                channel = self._connection.channel()
                for queue, of in (("inbox", INBOXES), ("dead", DEAD_LETTERS)):
                    answer = channel.queue_declare(of[self._service], passive=True)
                    metrics.QUEUE.labels(self._service, queue).set(answer.message_count)
                channel.close()
        except GreenletExit:
            self._hang_up()
            raise
        except Exception as error:  # noqa: BLE001 - every trouble is cured by a new connection
            self._hang_up()
            _log.warning("queues_not_seen", service=self._service, **describe(error))

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
                with writing_together(self._connection):
                    for event in batch:
                        self._send(event)
                unsent.clear()
                self._await_confirms()
        except GreenletExit:
            self._hang_up()
            raise
        except Exception as error:  # noqa: BLE001 - every trouble is cured by a new connection
            self._hang_up()
            _log.warning("publishing_failed", service=self._service, count=len(batch), **describe(error))
            return self._refused | dict.fromkeys(unsent | set(self._unconfirmed.values()), _reason(error))
        if "queue_refused" in self._refused.values():
            # A quorum queue tells a channel only once that it takes messages again, and not in every case.
            self._hang_up()
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
        self._connection = connect(self._settings, f"{self._service} publish", on_blocked=self._blocked)
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
        # They are kept in the order of their tags.
        tags = list(takewhile(lambda each: each <= tag, self._unconfirmed)) if multiple else [tag]
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
    """Reads one service's inbox and dead letters, and has what it read taken in, a batch at a time.

    Two green threads share the work. One reads without pause, which also answers heartbeats; the other takes
    whatever is there by then, up to a batch, and acknowledges all of it with one ack. So a lone message
    waits for nobody, and under load the batches grow by themselves.

    A batch and its ack live and die with the connection that delivered them: after a reconnect there is
    nothing left to acknowledge, the broker delivers again and the inbox knows what it has seen.

    Args:
        take: called with the deliveries; true when every one of them has its outcome and may be
            acknowledged, false when they must be offered again.
    """

    def __init__(self, service: str, settings: Settings, take: Callable[[Sequence[Delivery]], bool]) -> None:
        self._service = service
        self._settings = settings
        self._take = take
        self._stopping = False
        self._reconnect = False
        #: Connections that failed one after the other; one that stood begins anew and is replaced at once.
        self._failures = 0
        self._finished = Event()
        #: Monotonic seconds at which the own queue last brought anything.
        self.last_received = monotonic()
        #: Holds a batch: the broker may have handed out all that it hands out ahead.
        self.busy = False
        metrics.BROKER_CONNECTED.labels(service, "consume").set(0)

    def run(self) -> None:
        """Consume until stopped, across every kind of loss of the broker."""
        try:
            while not self._stopping:
                try:
                    self._consume()
                except Exception as error:  # noqa: BLE001 - every trouble is cured by a new connection
                    self._failures += 1
                    reason = describe(error)
                    _log.warning("consuming_failed", service=self._service, attempts=self._failures, **reason)
                    _rest(min(0.1 * 2 ** min(self._failures, 6), 5.0), lambda: self._stopping)
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
        self._reconnect = False
        held, settled = _Held(), Event()
        connection = connect(self._settings, f"{self._service} consume")
        try:
            channel = self._subscribe(connection, held)
            self._failures = 0
            spawn(self._settle_all, channel, held, settled)
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(1)
            while not settled.ready():
                self._read(connection, held)
        except BaseException:
            drop(connection)
            raise
        finally:
            held.let_go()
            metrics.BROKER_CONNECTED.labels(self._service, "consume").set(0)
        let_go(self._settings, connection)

    def _subscribe(self, connection: amqp.Connection, held: "_Held") -> Any:
        with Timeout(self._settings.acquire_timeout, TimeoutError()):
            channel = connection.channel()
            channel.auto_decode = False
            channel.basic_qos(0, self._settings.prefetch, False)
            for queue, dead in ((INBOXES, False), (DEAD_LETTERS, True)):
                channel.basic_consume(queue=queue[self._service], callback=self._noting(held, dead))
        return channel

    def _noting(self, held: "_Held", dead: bool) -> Callable[[Any], None]:
        def note(message: Any) -> None:
            self.last_received = monotonic()
            # By its type, not its routing key: dead-lettering gives it another one of those.
            sender = CANARIES.get(str(message.properties.get("type")), "")
            # One that was moved to the dead letters says nothing any more, and not who sent it.
            nothing = sender == self._service or (sender and dead)
            held.add(message.delivery_tag, None if nothing else _delivery(message, dead, sender))

        return note

    def _read(self, connection: amqp.Connection, held: "_Held") -> None:
        """What there is, or the next heartbeat. While it stops, it reads on until the last ack is out."""
        if self._reconnect:
            raise ConnectionResetError
        if self._stopping:
            held.let_go()
        with suppress(TimeoutError):
            connection.drain_events(timeout=_LOOK_UP)
        connection.heartbeat_tick()

    def _settle_all(self, channel: Any, held: "_Held", settled: Event) -> None:
        """Batch after batch, until nothing more is to be taken from this connection."""
        try:
            while (batch := held.take(self._settings.batch)) is not None:
                metrics.LAST_RECEIVED.labels(self._service).set(time())
                tag, deliveries = batch
                if not self._settle(deliveries, held):
                    return
                channel.basic_ack(tag, multiple=True)
        except Exception as error:  # noqa: BLE001 - the connection is gone; what it brought comes again
            _log.warning("acknowledging_failed", service=self._service, **describe(error))
            self._reconnect = self._reconnect or not held.over
        finally:
            settled.send(None)

    def _settle(self, deliveries: Sequence[Delivery], held: "_Held") -> bool:
        """Offer a batch until it is settled, or it is nobody's any more. Whether it may be acknowledged."""
        pause = 0.1
        self.busy = bool(deliveries)
        try:
            while deliveries and not self._take(deliveries):
                _rest(pause, lambda: held.over)
                if held.over:
                    return False
                pause = min(pause * 2, 2.0)
        finally:
            self.busy = False
        return True


class _Held:
    """What one connection has delivered and nobody has taken in yet; the broker bounds it by the prefetch."""

    def __init__(self) -> None:
        self._queue = Queue()
        #: Nothing more is to be taken: the service stops, or the connection is gone.
        self.over = False

    def add(self, tag: int, delivery: Delivery | None) -> None:
        """One's own canary is nothing to take in, but it has a tag to be acknowledged."""
        self._queue.put((tag, delivery))

    def let_go(self) -> None:
        """Have :meth:`take` answer that it is over."""
        self.over = True
        self._queue.put((0, None))

    def take(self, most: int) -> tuple[int, list[Delivery]] | None:
        """Wait for something, then take what is there, up to ``most``; ``None`` when it is over.

        Returns:
            the last delivery tag and the deliveries, in the order in which they came.
        """
        entries = [self._queue.get()]
        while len(entries) < most and not self._queue.empty():
            entries.append(self._queue.get())
        if self.over:
            return None
        return entries[-1][0], [delivery for _, delivery in entries if delivery is not None]


def _rest(seconds: float, over: Callable[[], bool]) -> None:
    end = monotonic() + seconds
    while not over() and monotonic() < end:
        sleep(0.1)


def _delivery(message: Any, dead: bool, life_of: str) -> Delivery:
    """The raw bytes. Headers are not looked at: nothing in them may reach nameko.

    Only a service itself can say that it lives; what another one says so is an event, and none that is known.
    """
    body = message.body
    exchange = str(message.delivery_info.get("exchange") or "")
    forged = life_of and exchange not in ("", EXCHANGES[life_of])
    return Delivery(
        body=body.encode() if isinstance(body, str) else bytes(body),
        content_type=str(message.properties.get("content_type") or ""),
        exchange=exchange,
        dead=dead,
        life_of="" if forged else life_of,
    )
