"""The nameko extensions that a service is wired from: database, relay, subscription, timers, pages.

nameko hosts: it binds these to a service class, starts them, hands work to workers and stops them in
order. What they do is plain asyncio in the modules that they name. Everything that a service needs hangs
on its :class:`~chassis.process.Process`, which stands in nameko's configuration.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar, cast

import asyncpg
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import DependencyProvider, Entrypoint, register_entrypoint

from chassis import metrics
from chassis.background import Background, start_all, stop_all
from chassis.belonging import refuse_other_keys
from chassis.database import Database
from chassis.errors import DatabaseAway
from chassis.inbox import REASONS, Inbox, Subscription
from chassis.log import describe, logger
from chassis.loop import Event, GreenletExit, green, wait
from chassis.migrations import refuse_to_start_behind
from chassis.outbox import CHANNEL
from chassis.patience import until_there
from chassis.process import PROCESS, Process
from chassis.rabbitmq import RabbitConsumer
from chassis.relay import Relay
from chassis.signs import begin_to_listen
from chassis.transports import Delivery, sign_of_life
from contracts.catalogue import FACTS
from contracts.topology import signs_heard_by

_log = logger(__name__)

#: The timer that sends signs of life, by its name for logs, metrics and whoever wakes it.
_CANARY = "canary"
#: Seconds after which one that was not taken everywhere is sent again.
_CANARY_AGAIN = 2.0

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])


class _Hosted:
    """What every extension knows of where it is bound."""

    container: Any

    @property
    def service(self) -> str:
        return str(self.container.service_name)

    @property
    def process(self) -> Process:
        process: Process = self.container.config[PROCESS]
        return process

    @property
    def database(self) -> Database:
        return self.process.database(self.service)


class Store(_Hosted, DependencyProvider):  # type: ignore[misc]
    """The service's database: open before anything starts; the process closes it after everything.

    While there is none it is waited for: the process answers that it is starting. Since when the service
    listens is noted here: extensions start in no order, and a timer that asks may be the first.
    """

    def __init__(self, migrations: Path) -> None:
        self._migrations = migrations

    def setup(self) -> None:
        until_there(self._open, self.process.ending)

    def _open(self) -> None:
        try:
            wait(self._begin(), self.process.settings.acquire_timeout * 4)
        except TimeoutError as error:
            raise DatabaseAway from error

    async def _begin(self) -> None:
        await self.database.open()
        try:
            await refuse_to_start_behind(self.database, self._migrations)
            await refuse_other_keys(self.database)
            async with self.database.transaction() as tx:
                await begin_to_listen(tx)
        except BaseException:
            await self.database.close()
            raise

    def get_dependency(self, worker_ctx: Any) -> Database:
        return self.database


class Announcements(_Hosted, DependencyProvider):  # type: ignore[misc]
    """Carries the outbox away: the relay with its port, woken at commit. Past the outbox, signs of life."""

    def setup(self) -> None:
        settings = self.process.settings
        self._port = self.process.port(self.service)
        relay = Relay(self.database, self._port)
        announced = [type for type, fact in FACTS.items() if self.service == fact.OWNER]
        metrics.initialise_announcing(self.service, announced)
        self._ear: asyncpg.Connection | None = None
        self._relaying = Background(self.service, "relay", relay.turn, pause=settings.poll, longest=120)
        often = min(settings.watchdog / 4, settings.heartbeat, settings.silence / 3)
        self._canary = Background(self.service, _CANARY, self._send_canary, pause=often, longest=60)
        self.process.wakers[self.service, _CANARY] = self._canary.wake
        self._turns = [
            self._relaying,
            Background(self.service, "outbox gauges", relay.observe, pause=10, longest=30),
            Background(self.service, "queue gauges", self._port.observe, pause=15, longest=30),
            Background(self.service, "connection gauges", self.database.observe, pause=5, longest=5),
            Background(self.service, "wake relay", self._listen, pause=5, longest=30),
            self._canary,
        ]

    def start(self) -> None:
        wait(start_all(self._turns))

    def stop(self) -> None:
        wait(self._stop())

    def get_dependency(self, worker_ctx: Any) -> None:
        return None

    async def _listen(self) -> None:
        """Be told of commits; a lost connection is replaced at the next turn."""
        if self._ear is None or self._ear.is_closed():
            self._ear = await self.database.listen()
            await self._ear.add_listener(CHANNEL, lambda *_: self._relaying.wake())
            self._relaying.wake()

    async def _send_canary(self) -> None:
        """Say that this service lives.

        A broker must bring what it has confirmed back through the service's own queue: the watchdog waits for
        it. It also is what keeps the connection alive.
        """
        since = monotonic()
        if await self._port.publish([sign_of_life(self.service)]):
            self.process.watchdog.excuse(self.service)
            asyncio.get_running_loop().call_later(_CANARY_AGAIN, self._canary.wake)
        else:
            self.process.watchdog.expect(self.service, since)

    async def _stop(self) -> None:
        await stop_all(self._turns, self.process.settings.grace / 2)
        if self._ear is not None:
            self._ear.terminate()
        await self._port.close()


class Pages(_Hosted, DependencyProvider):  # type: ignore[misc]
    """Serves the service's pages and API under its path, on the process's one web server.

    Args:
        build: makes the ASGI application from the service's database.
        path: where it is mounted, such as ``/section``.
    """

    def __init__(self, build: Callable[[Database], Any], path: str) -> None:
        self._build = build
        self._path = path

    def start(self) -> None:
        wait(self.process.web.mount(self._path, self._build(self.database)))

    def stop(self) -> None:
        wait(self.process.web.unmount(self._path))

    def get_dependency(self, worker_ctx: Any) -> None:
        return None


class Listener(Protocol):
    """Takes what comes to a place of its own."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Listening(_Hosted, DependencyProvider):  # type: ignore[misc]
    """Listens at a place of the service's own, for others than browsers, for as long as it serves.

    Args:
        build: makes what listens from the service's database.
    """

    def __init__(self, build: Callable[[Database], Listener]) -> None:
        self._build = build

    def setup(self) -> None:
        self._listener = self._build(self.database)

    def start(self) -> None:
        wait(self._listener.start())

    def stop(self) -> None:
        wait(self._listener.stop())

    def get_dependency(self, worker_ctx: Any) -> None:
        return None


class _AsyncEntrypoint(_Hosted, Entrypoint):  # type: ignore[misc]
    """An entrypoint whose method is ``async def``."""

    #: Seconds after which the method is cancelled.
    longest: float | None = None

    def call(self, *arguments: Any) -> Any:
        """Run the method in a nameko worker and wait for it, in a green thread.

        Errors come back as they were raised; nameko never sees one, because it would log its text.
        """
        done = Event()

        def settle(worker: Any, outcome: Any, exc_info: Any) -> tuple[Any, Any]:
            done.send(outcome)
            return outcome, exc_info

        self.container.spawn_worker(self, arguments, {}, handle_result=settle)
        result, error = done.wait()
        if error is not None:
            raise error
        return result


class Subscribe(_AsyncEntrypoint):
    """Hands what the service receives, batch by batch, to the method, which takes it into the inbox."""

    def __init__(self, subscriptions: Sequence[Subscription], **kwargs: Any) -> None:
        self._subscriptions = subscriptions
        super().__init__(**kwargs)

    def setup(self) -> None:
        first_retry = min(self.process.settings.retry_first, 5.0)
        self._inbox = Inbox(self.database, self._subscriptions)
        self._consumer: RabbitConsumer | None = None
        self._turns = [
            Background(self.service, "retry parked", self._inbox.retry, pause=first_retry, longest=60),
            Background(self.service, "inbox gauges", self._inbox.observe, pause=10, longest=30),
            Background(self.service, "tidy", self._inbox.tidy, pause=6 * 3600, longest=600),
        ]
        types = [each.fact.type() for each in self._subscriptions]
        metrics.initialise_receiving(self.service, types, REASONS, signs_heard_by(self.service))

    def start(self) -> None:
        wait(start_all(self._turns))
        if self.process.settings.amqp_url:
            self._consumer = RabbitConsumer(self.service, self.process.settings, self._offer)
            self.process.watchdog.watch(self.service, self._consumer)
            self.container.spawn_managed_thread(self._consumer.run, identifier="consumer")
        else:
            self.process.local.register(self.service, self._receive)
            for sender in signs_heard_by(self.service):  # which may have spoken before anybody listened
                self.process.wake(sender, _CANARY)

    def stop(self) -> None:
        grace = self.process.settings.grace
        self.process.local.withdraw(self.service)
        self.process.watchdog.forget(self.service)
        if self._consumer is not None:
            self._consumer.stop(grace)
        wait(stop_all(self._turns, grace / 2))

    def _offer(self, deliveries: Sequence[Delivery]) -> bool:
        """True when the batch is settled. The consumer keeps it otherwise and offers it again."""
        try:
            self.call(self._inbox, deliveries)
        except DatabaseAway:
            return False
        except Exception as error:  # noqa: BLE001 - the batch is kept and offered again
            _log.error("batch_not_taken", service=self.service, count=len(deliveries), **describe(error))
            return False
        return True

    async def _receive(self, deliveries: Sequence[Delivery]) -> None:
        await green(self.call, self._inbox, deliveries)


class Every(_AsyncEntrypoint):
    """Calls the method again and again; a true answer means that there is more to do at once.

    Replicas each take their turn: the method claims its work with row locks, or takes an advisory lock.
    """

    def __init__(self, *, seconds: float, name: str, longest: float, **kwargs: Any) -> None:
        self._seconds, self._name, self.longest = seconds, name, longest
        # The bridge's own limit comes first: it cancels what the method is waiting for.
        self._patience = longest + 5
        super().__init__(**kwargs)

    def setup(self) -> None:
        self._turns = Background(
            self.service, self._name, self._turn, pause=self._seconds, longest=self._patience
        )
        self.process.wakers[self.service, self._name] = self._turns.wake

    def start(self) -> None:
        wait(self._turns.start())

    def stop(self) -> None:
        wait(self._turns.stop(self.process.settings.grace))

    async def _turn(self) -> bool:
        return bool(await green(self.call))


def subscribe(subscriptions: Sequence[Subscription]) -> Callable[[Method], Method]:
    """This method takes what the service receives: ``async def receive(self, inbox, deliveries)``."""
    return _bind(Subscribe(subscriptions))


def every(*, seconds: float, name: str, longest: float = 120) -> Callable[[Method], Method]:
    """This method is called again and again: ``async def send(self)``.

    Args:
        seconds: the pause between two calls, unless the first answered that there is more to do.
        name: for logs, metrics and whoever wakes it.
        longest: seconds after which it is cancelled.
    """
    return _bind(Every(seconds=seconds, name=name, longest=longest))


def _bind(entrypoint: _AsyncEntrypoint) -> Callable[[Method], Method]:
    """Register an ``async def`` method: nameko's worker gets a function that waits for it."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def waiting(service: Any, *arguments: Any) -> tuple[Any, Exception | None]:
            try:
                return wait(method(service, *arguments), entrypoint.longest), None
            except GreenletExit:
                return None, ContainerBeingKilled()
            except Exception as error:  # noqa: BLE001 - raised again where the call was made
                return None, error

        register_entrypoint(waiting, entrypoint)
        return cast(Method, waiting)

    return decorate
