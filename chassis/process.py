"""One operating-system process: the nameko containers in it and what they share.

The three services may live in one process (the embedded default) or in one each; the code is the same. A
process has one clock, one web server, one metrics server, one watchdog and, without a broker, one
in-process port.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chassis import failpoints
from chassis.background import Background
from chassis.clock import Clock
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import House
from chassis.keys import read_keys
from chassis.transports import InProcess, PublishPort
from chassis.watchdog import Watchdog

if TYPE_CHECKING:
    from chassis.web import WebServer

#: Where the process stands in nameko's configuration.
PROCESS = "conduit"


@dataclass(kw_only=True)
class Process:
    """What the services of one process share.

    Args:
        urls: the database of each service.
        web: the web server that they mount their pages on.
        carrier: makes the publish port of a service when events travel by a broker.
    """

    settings: Settings
    house: House
    urls: Mapping[str, str]
    web: "WebServer"
    carrier: Callable[[str], PublishPort] | None = None
    clock: Clock = field(default_factory=Clock)
    local: InProcess = field(default_factory=InProcess)
    watchdog: Watchdog = field(init=False)
    #: Take the next turn now, by (service, name of the timer).
    wakers: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    _databases: dict[str, Database] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(self.settings.watchdog)
        self.clock.advance(timedelta(seconds=self.settings.clock_offset))
        failpoints.arm(self.settings.failpoints)

    def context(self, service: str) -> Context:
        return Context(
            service=service,
            settings=self.settings,
            house=self.house,
            keys=read_keys(self.settings.keys_folder, service),
            clock=self.clock,
        )

    def database(self, service: str) -> Database:
        """The database of a service, the same object for all of its extensions."""
        if service not in self._databases:
            self._databases[service] = Database(self.urls[service], self.context(service))
        return self._databases[service]

    def port(self, service: str) -> PublishPort:
        return self.carrier(service) if self.carrier else self.local

    def wake(self, service: str, name: str) -> None:
        """Do not wait for the pause to end: there is work."""
        if waker := self.wakers.get((service, name)):
            waker()


def run(process: Process, services: Sequence[type], *, ready: Callable[[], None]) -> int:
    """Serve until a signal comes, then finish what is in flight. The exit code.

    Blocks the main green thread. Dies with the first container that dies: a supervisor, or a person, sees
    it and starts it again.
    """
    from nameko.runners import ServiceRunner

    from chassis.log import describe, logger
    from chassis.loop import Timeout, spawn, until_signalled, wait

    log = logger(__name__)
    runner = ServiceRunner({PROCESS: process, "max_workers": 50, "AMQP_URI": "memory://"})
    for service in services:
        runner.add_service(service)
    wait(process.web.start())
    try:
        runner.start()
        watching = Background(
            "process", "watchdog", process.watchdog.look, pause=process.watchdog.limit / 4, longest=30
        )
        wait(_started(watching))
        ready()
        spawn(_end_with, runner)
        number = until_signalled()
        log.info("stopping", signal=number)
        return 0
    except Exception as error:
        log.error("start_failed", **describe(error))
        raise
    finally:
        with Timeout(process.settings.grace, False):
            wait(process.web.drain())
            runner.stop()
        with Timeout(2, False):
            wait(process.web.stop())


async def _started(turns: Background) -> None:
    turns.start()


def _end_with(runner: Any) -> None:
    """End the process when a container dies."""
    import os
    import signal

    try:
        runner.wait()
    except Exception:
        os.kill(os.getpid(), signal.SIGTERM)
