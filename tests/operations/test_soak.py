"""Everything at once for a while: requests, imports, campaigns, and a fault every few seconds; then peace.

``make soak SECONDS=1200 SEED=7`` for a long one; the suite takes a short one. The seed is printed, and with
it the faults come again in the same order.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from chassis.testing import (
    CUT_AFTER_DOT,
    CUT_BEFORE_DOT,
    GREYLISTED,
    LATER,
    PrivatePostgres,
    PrivateRabbitMQ,
    RawProxy,
    RecordingMailServer,
    Treatment,
)
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from tests.conftest import virtual_host
from tests.faults.world import PATHS, THREE_PROCESSES, Servers, World, eventually

DURATION = float(os.environ.get("SOAK_SECONDS") or 30)
SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(10_000))

pytestmark = pytest.mark.timeout(DURATION + 400)

#: Seconds from one fault to the next, and how long one lasts.
_BETWEEN, _LASTING = ((10.0, 20.0), (1.0, 6.0)) if DURATION > 120 else ((3.0, 6.0), (0.5, 3.0))
#: Questions that stay free, so that several threads never ask one letter too many.
_RESERVE = 20


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ
) -> Iterator[World]:
    with RecordingMailServer() as mail, RawProxy(rabbitmq.port) as proxy, virtual_host(rabbitmq) as address:
        servers = Servers(postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address, prefix="soak")
        world = World(tmp_path_factory.mktemp("soak") / "home", THREE_PROCESSES, mail, servers)
        with world.alive():
            world.prepare()
            yield world


@dataclass
class Load:
    """What people and programs do meanwhile, until it is over."""

    world: World
    chance: random.Random
    over: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """One thread for each kind of work: each repeats what was not answered, with the same key."""
        kinds = {"page": self.look, "question": self.ask, "import": self.take_in, "campaign": self.write}
        with ThreadPoolExecutor() as threads:
            for each in [threads.submit(self.keep_on, name, act) for name, act in kinds.items()]:
                each.result()

    def keep_on(self, name: str, act: Callable[[], None]) -> None:
        while not self.over.is_set():
            act()
            self.done[name] += 1

    def look(self) -> None:
        """A page; while something is broken it may say so, and may not hang."""
        service = self.chance.choice(SERVICES)
        running = self.world.running[service]
        try:
            found = httpx.get(running.url + PATHS[service], timeout=20, cookies=running.cookies)
            assert found.status_code in (200, 503), found.status_code
        except httpx.TransportError:
            self.done["no answer"] += 1
        time.sleep(self.chance.uniform(0.02, 0.15))

    def ask(self) -> None:
        if self.world.questions_left() > _RESERVE:
            self.world.ask()
        time.sleep(self.chance.uniform(0.05, 0.3))

    def take_in(self) -> None:
        self.chance.choice([self.world.amend, self.world.register])()
        time.sleep(self.chance.uniform(0.1, 0.6))

    def write(self) -> None:
        self.world.send(self.world.begin_campaign())
        time.sleep(self.chance.uniform(2, 6))


@dataclass
class Trouble:
    """Faults in a seeded order; each ends before the next one begins."""

    world: World
    chance: random.Random
    came: Counter[str] = field(default_factory=Counter)

    def go_on(self, until: float) -> None:
        faults = [self.kill_service, self.kill_at_a_place, self.restart_service, self.kill_broker]
        faults += [self.freeze_broker, self.cut_connections, self.deafen, self.kill_database]
        faults += [self.stop_database, self.upset_mail_server]
        while time.monotonic() < until:
            # Each once before any comes again: a short soak meets as many as it has time for.
            for fault in self.chance.sample(faults, len(faults)):
                if time.monotonic() > until:
                    return
                fault()
                self.came[fault.__name__] += 1
                time.sleep(self.chance.uniform(*_BETWEEN))

    def lasts(self) -> None:
        time.sleep(self.chance.uniform(*_LASTING))

    def kill_service(self) -> None:
        self.world.kill(self.chance.choice(SERVICES))

    def kill_at_a_place(self) -> None:
        places = ["announce.before_commit", "relay.claimed", "relay.published", "inbox.before_commit"]
        place = self.chance.choice(places)
        self.world.order({self.chance.choice(SERVICES): [place]})
        self.lasts()

    def restart_service(self) -> None:
        """As an upgrade does."""
        process = self.world.running[self.chance.choice(SERVICES)]
        assert process.stop(within=60) == 0
        process.start()

    def kill_broker(self) -> None:
        self.world.servers.rabbitmq.kill()
        self.lasts()
        self.world.servers.rabbitmq.start()

    def freeze_broker(self) -> None:
        self.world.servers.rabbitmq.freeze()
        self.lasts()
        self.world.servers.rabbitmq.thaw()

    def cut_connections(self) -> None:
        self.world.servers.proxy.cut()

    def deafen(self) -> None:
        self.world.servers.proxy.drop()
        self.lasts()
        self.world.servers.proxy.heal()

    def kill_database(self) -> None:
        self.world.servers.postgres.kill()
        self.lasts()
        self.world.servers.postgres.start()

    def stop_database(self) -> None:
        self.world.servers.postgres.stop()
        self.lasts()
        self.world.servers.postgres.start()

    def upset_mail_server(self) -> None:
        treatments = [LATER, GREYLISTED, CUT_BEFORE_DOT, CUT_AFTER_DOT, Treatment(delay=5)]
        self.world.mail.treat(self.chance.choice(treatments), times=self.chance.randint(1, 4))
        self.lasts()


def test_whatever_happens_for_a_while_every_promise_is_kept(world: World) -> None:
    chance = random.Random(SEED)
    load, trouble = Load(world, random.Random(SEED + 1)), Trouble(world, chance)
    with ThreadPoolExecutor() as threads:
        working = threads.submit(load.run)
        try:
            trouble.go_on(time.monotonic() + DURATION)
        finally:
            world.mail.accept_everything()
            world.no_orders()
            load.over.set()
        working.result()
    print(f"seed {SEED}, {DURATION:.0f} s: {dict(load.done)}; {dict(trouble.came)}")
    for process in world.processes:
        process.wait_until_ready()
    world.an_hour_goes_by()
    world.all_promises_are_kept(within=180)
    assert world.pages() == dict.fromkeys(SERVICES, 200)
    assert all(load.done[kind] for kind in ("page", "question", "import", "campaign")), load.done
    for command in (["check", "--copies"], ["audit", "verify"]):
        done = world.conduit(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    waits = {
        service: world.select(service, "SELECT count(*) FROM parked")[0]["count"] for service in SERVICES
    }
    assert waits == dict.fromkeys((PARTNERS, GRANTS, NOTIFICATIONS), 0)
    eventually(lambda: sum(map(world.pending, SERVICES)) == 0, lambda: "something is not announced")
