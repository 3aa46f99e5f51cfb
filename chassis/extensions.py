"""The nameko extensions that a service is wired from: database, relay, subscription, timers, pages.

nameko hosts: it binds these to a service class, starts them, hands work to workers and stops them in
order. What they do is plain asyncio in the modules that they name. Everything that a service needs hangs
on its :class:`~chassis.process.Process`, which stands in nameko's configuration.
"""

import functools
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from nameko.extensions import DependencyProvider, Entrypoint, register_entrypoint

from chassis import metrics
from chassis.background import Background
from chassis.database import Database
from chassis.errors import DatabaseAway
from chassis.inbox import REASONS, Inbox, Subscription
from chassis.log import describe, logger
from chassis.loop import Event, green, wait
from chassis.migrations import refuse_to_start_behind
from chassis.process import PROCESS, Process
from chassis.rabbitmq import RabbitConsumer, RabbitPublisher
from chassis.relay import Relay
from chassis.transports import Delivery

_log = logger(__name__)

AsyncMethod = Callable[..., Coroutine[Any, Any, Any]]


def _process(extension: Any) -> Process:
    process: Process = extension.container.config[PROCESS]
    return process


class Store(DependencyProvider):  # type: ignore[misc]
    """The service's database, open before anything of the service starts."""

    def __init__(self, migrations: Path) -> None:
        self._migrations = migrations

    def setup(self) -> None:
        process = _process(self)
        database = process.database(self.container.service_name)
        wait(database.open(), process.settings.acquire_timeout * 3)
        wait(refuse_to_start_behind(database, self._migrations), process.settings.acquire_timeout)

    def stop(self) -> None:
        process = _process(self)
        wait(process.database(self.container.service_name).close(), process.settings.grace)

    def kill(self) -> None:
        self.stop()

    def get_dependency(self, worker_ctx: Any) -> Database:
        return _process(self).database(self.container.service_name)


class Announcements(DependencyProvider):  # type: ignore[misc]
    """Carries the outbox away: the relay with its port, woken at commit, and the canary."""

    def setup(self) -> None:
        self._process = _process(self)
        self._database = self._process.database(self.container.service_name)
        self._port = self._process.port(self.container.service_name)
        self._relay = Relay(self._database, self._port)
        self._turns: list[Background] = []
        self._ear: Any = None

    def start(self) -> None:
        settings, name = self._process.settings, self.container.service_name
        relay = Background(name, "relay", self._relay.turn, pause=min(settings.poll, 60.0), longest=120)
        self._turns = [
            relay,
            Background(name, "outbox gauges", self._relay.observe, pause=10, longest=30),
            Background(name, "wake relay", functools.partial(self._listen, relay), pause=5, longest=30),
        ]
        if isinstance(self._port, RabbitPublisher):
            self._turns.append(
                Background(name, "canary", self._send_canary, pause=settings.watchdog / 4, longest=60)
            )
        wait(self._start())

    async def _start(self) -> None:
        for each in self._turns:
            each.start()

    async def _listen(self, relay: Background) -> None:
        """Be told of commits; a lost connection is replaced at the next turn."""
        if self._ear is None or self._ear.is_closed():
            self._ear = await self._database.listen()
            await self._ear.add_listener("outbox", lambda *_: relay.wake())
            relay.wake()

    async def _send_canary(self) -> None:
        """A confirmed canary must come back through the service's own queue."""
        if await self._port.send_canary():
            self._process.watchdog.expect(self.container.service_name)

    def stop(self) -> None:
        wait(self._stop())

    async def _stop(self) -> None:
        for each in self._turns:
            await each.stop(self._process.settings.grace / 2)
        if self._ear is not None:
            self._ear.terminate()
        await self._port.close()

    def get_dependency(self, worker_ctx: Any) -> None:
        return None


class _AsyncEntrypoint(Entrypoint):  # type: ignore[misc]
    """An entrypoint whose method is ``async def``."""

    #: Seconds after which the method is cancelled.
    longest: float | None = None

    def call(self, *arguments: Any) -> Any:
        """Run the method in a nameko worker and wait for it, in a green thread.

        Errors come back as they were raised; nameko never sees one, because it would log its text.
        """
        done = Event()

        def settle(worker: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
            done.send(result)
            return result, exc_info

        self.container.spawn_worker(self, arguments, {}, handle_result=settle)
        result, error = done.wait()
        if error is not None:
            raise error
        return result

    @classmethod
    def decorator(cls, *args: Any, **kwargs: Any) -> Any:
        """Register an ``async def`` method: nameko's worker gets a function that waits for it."""

        entrypoint = cls(*args, **kwargs)

        def decorate(method: AsyncMethod) -> Any:
            @functools.wraps(method)
            def waiting(service: Any, *arguments: Any) -> tuple[Any, BaseException | None]:
                try:
                    return wait(method(service, *arguments), entrypoint.longest), None
                except Exception as error:
                    return None, error

            register_entrypoint(waiting, entrypoint)
            return waiting

        return decorate


class Subscribe(_AsyncEntrypoint):
    """Hands what the service receives, batch by batch, to the method, which takes it into the inbox."""

    def __init__(self, subscriptions: Sequence[Subscription], **kwargs: Any) -> None:
        self._subscriptions = subscriptions
        super().__init__(**kwargs)

    def setup(self) -> None:
        self._process = _process(self)
        name = self.container.service_name
        self._inbox = Inbox(self._process.database(name), self._subscriptions)
        self._consumer: RabbitConsumer | None = None
        self._turns: list[Background] = []
        metrics.initialise(name, [each.fact.type() for each in self._subscriptions], REASONS)

    def start(self) -> None:
        settings, name = self._process.settings, self.container.service_name
        self._turns = [
            Background(name, "retry parked", self._inbox.retry, pause=min(settings.retry_first, 5.0), longest=60),
            Background(name, "inbox gauges", self._inbox.observe, pause=10, longest=30),
            Background(name, "tidy", self._inbox.tidy, pause=6 * 3600, longest=600),
        ]
        wait(self._start())
        if settings.amqp_url:
            self._consumer = RabbitConsumer(name, settings, self._offer)
            self._process.watchdog.watch(name, self._consumer)
            self.container.spawn_managed_thread(self._consumer.run, identifier="consumer")
        else:
            self._process.local.register(name, self._receive)

    async def _start(self) -> None:
        for each in self._turns:
            each.start()

    def stop(self) -> None:
        settings = self._process.settings
        if self._consumer is not None:
            self._process.watchdog.forget(self.container.service_name)
            self._consumer.stop(settings.grace)
        self._process.local.withdraw(self.container.service_name)
        wait(self._stop())

    async def _stop(self) -> None:
        for each in self._turns:
            await each.stop(self._process.settings.grace / 2)

    def _offer(self, deliveries: Sequence[Delivery]) -> bool:
        """True when the batch is settled. The consumer keeps it otherwise and offers it again."""
        try:
            self.call(self._inbox, deliveries)
        except DatabaseAway:
            return False
        except Exception as error:
            _log.error("batch_not_taken", service=self.container.service_name, **describe(error))
            return False
        return True

    async def _receive(self, deliveries: Sequence[Delivery]) -> None:
        await green(self.call, self._inbox, deliveries)


class Every(_AsyncEntrypoint):
    """Calls the method again and again; a true answer means that there is more to do at once.

    Replicas each take their turn: the method claims its work with row locks, or takes an advisory lock.
    """

    def __init__(self, *, seconds: float, name: str, longest: float = 120, **kwargs: Any) -> None:
        self._seconds, self._name, self.longest = seconds, name, longest
        super().__init__(**kwargs)

    def setup(self) -> None:
        self._turns = Background(
            self.container.service_name, self._name, self._turn, pause=self._seconds, longest=self.longest + 5
        )
        _process(self).wakers[self.container.service_name, self._name] = self._turns.wake

    def start(self) -> None:
        wait(self._start())

    async def _start(self) -> None:
        self._turns.start()

    def stop(self) -> None:
        wait(self._turns.stop(_process(self).settings.grace))

    async def _turn(self) -> bool:
        return bool(await green(self.call))


class Pages(DependencyProvider):  # type: ignore[misc]
    """Serves the service's pages and API under its path, on the process's one web server.

    Args:
        build: makes the ASGI application from the service's database.
        path: where it is mounted, such as ``/partners``.
    """

    def __init__(self, build: Callable[[Database], Any], path: str) -> None:
        self._build = build
        self._path = path

    def start(self) -> None:
        process = _process(self)
        wait(process.web.mount(self._path, self._build(process.database(self.container.service_name))))

    def stop(self) -> None:
        wait(_process(self).web.unmount(self._path))

    def get_dependency(self, worker_ctx: Any) -> None:
        return None


subscribe = Subscribe.decorator
every = Every.decorator
