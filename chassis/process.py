"""One operating-system process: the nameko containers in it and what they share.

The three services may live in one process (the embedded default) or in one each; the code is the same. A
process has one clock, one web server, one metrics server, one watchdog and, without a broker, one
in-process port.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from chassis import failpoints
from chassis.background import Background, start_all, stop_all
from chassis.clock import Clock
from chassis.config import SUPERVISOR, Settings
from chassis.context import Context, Section
from chassis.database import Database
from chassis.errors import Away
from chassis.house import House
from chassis.keys import read_keys
from chassis.log import describe, logger
from chassis.supervisor import say_that_we_serve
from chassis.surroundings import Surroundings
from chassis.telemetry import Exporter
from chassis.traces import collect_with
from chassis.transports import InProcess, PublishPort
from chassis.watchdog import Watchdog

if TYPE_CHECKING:
    from chassis.web import WebServer

_log = logger(__name__)

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
    sections: tuple[Section, ...] = ()
    clock: Clock = field(default_factory=Clock)
    local: InProcess = field(default_factory=InProcess)
    watchdog: Watchdog = field(init=False)
    #: Whether it was told to stop.
    ending: Callable[[], bool] = lambda: False
    #: Take the next turn now, by (service, name of the timer).
    wakers: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    _databases: dict[str, Database] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(self.settings.watchdog)
        failpoints.arm(self.settings.failpoints)

    def context(self, service: str) -> Context:
        return Context(
            service=service,
            settings=self.settings,
            house=self.house,
            keys=read_keys(self.settings.keys_folder, service),
            clock=self.clock,
            sections=self.sections,
            wake=partial(self.wake, service),
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

    async def close(self) -> None:
        """Close the databases, after everything that uses them."""
        await asyncio.gather(*(database.close() for database in self._databases.values()))


def run(process: Process, services: Sequence[type], *, ready: Callable[[], None]) -> int:
    """Serve until a signal comes or the supervisor goes, then finish what is in flight. The exit code.

    Blocks the main green thread. Ends with the first container that dies: a supervisor, or a person, sees
    it and starts it again.
    """
    from nameko.runners import ServiceRunner

    from chassis.loop import Event, spawn, wait

    ended = Event()
    _note_signals(lambda number: ended.ready() or ended.send(number))
    process.ending = ended.ready
    runner = ServiceRunner({PROCESS: process, "max_workers": 50})
    for service in services:
        runner.add_service(service)
    limit = process.watchdog.limit
    watching = [
        Background("process", "watchdog", process.watchdog.look, pause=limit / 4, longest=30),
        *Surroundings(process.settings).turns,
    ]
    if process.settings.otlp_url:
        exporter = Exporter(process.settings.otlp_url)
        collect_with(exporter.collect)
        watching.append(Background("process", "traces", exporter.turn, pause=1, longest=30))
    wait(process.web.start())
    try:
        try:
            _start(runner)
        except Away:
            if not ended.ready():
                raise
            return 0
        for container in runner.containers:
            spawn(_tell_of_death, container, ended)
        wait(start_all(watching))
        _settle_memory()
        say_that_we_serve(os.environ)
        ready()
        number = ended.wait()
        _log.info("stopping", signal=number)
        return 0 if number else 1
    finally:
        _stop(process, runner, watching)


def _settle_memory() -> None:
    """What the start has made stays: to look for garbage in it stops the loop for tens of milliseconds."""
    gc.collect()
    gc.freeze()


def _note_signals(note: Callable[[int], object]) -> None:
    """Ctrl-C, SIGTERM, and the connection that closes when the supervisor is gone, however it went."""
    from chassis.loop import when_closed, when_signalled

    when_signalled(note)
    if supervisor := os.environ.get(SUPERVISOR):
        when_closed(int(supervisor), lambda: note(signal.SIGHUP))


def _start(runner: Any) -> None:
    """Start every container or none."""
    try:
        runner.start()
    except Exception as error:
        _log.error("start_failed", **describe(error))
        runner.kill()
        raise


def _tell_of_death(container: Any, ended: Any) -> None:
    try:
        container.wait()
    except Exception as error:  # noqa: BLE001 - nameko raises what the container died of
        _log.error("container_died", service=container.service_name, **describe(error))
        if not ended.ready():
            ended.send(0)


def _stop(process: Process, runner: Any, watching: Sequence[Background]) -> None:
    """No new requests and messages, then what is in flight, then the databases: within the grace period."""
    from chassis.loop import Timeout, end, wait

    with Timeout(process.settings.grace, False):
        wait(stop_all(watching, 0))
        wait(process.web.drain())
        runner.stop()
        wait(process.web.stop())
    wait(process.close())
    end()
