"""An upgrade as it is made: from a supported release's databases, with services that go on meanwhile."""

import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest

from chassis.database import IN_THE_WAY
from chassis.migrations import migrate, newest, raise_walls, runtime_role
from chassis.supervisor import GIVE_UP
from chassis.testing import PrivatePostgres, PrivateRabbitMQ, RawProxy, RecordingMailServer, free_port
from contracts.topology import GRANTS, SERVICES
from services.copies import COPIES
from services.installation import migrations_of
from tests.conftest import virtual_host
from tests.faults.world import LONGEST_PAGE, PATHS, PATIENCE, THREE_PROCESSES, Servers, World, eventually
from tests.journeys.running import conduit
from tests.upgrade.releases import Release

pytestmark = pytest.mark.timeout(600)

#: What a next release might do: tables that are always in use get a column.
_NEXT = '''
from chassis.migrations import run

revision, down_revision, branch_labels, depends_on = "9999", "{newest}", None, None


def upgrade() -> None:
    run("""
        DO $$ DECLARE name text; BEGIN
            FOREACH name IN ARRAY ARRAY['outbox', 'inbox', 'parked', 'organisations', 'standings'] LOOP
                EXECUTE format('ALTER TABLE %I ADD COLUMN of_the_next text NOT NULL DEFAULT %L', name, '');
            END LOOP;
        END $$
    """)
'''
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


@pytest.fixture
def world(
    tmp_path: Path, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ, release: Release
) -> Iterator[World]:
    """A release's installation with this code, not migrated yet; nothing runs."""
    prefix = f"of_{release.day:%Y%m%d}"
    with RecordingMailServer() as mail, RawProxy(rabbitmq.port) as proxy, virtual_host(rabbitmq) as address:
        servers = Servers(postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address, prefix=prefix)
        world = World(tmp_path / "home", THREE_PROCESSES, mail, servers)
        release.write_keys(world.installation.settings.keys_folder)
        world.installation.prepare()
        for service, owner_url in world.installation.owner_urls().items():
            url = postgres.database_url(f"{prefix}_{service}")
            asyncio.run(release.restore(service, url, owner_url))
            asyncio.run(raise_walls(owner_url, runtime_role(prefix, service)))
        yield world


class Load:
    """Something that is done again and again beside an upgrade, and how it went."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self._stop = threading.Event()

    def again(self, act: Callable[[], str]) -> None:
        while not self._stop.wait(0.5):
            self.done[act()] += 1

    @contextmanager
    def beside(self, *acts: Callable[[], str]) -> Iterator[None]:
        self._stop.clear()
        with ThreadPoolExecutor() as threads:
            going = [threads.submit(self.again, act) for act in acts]
            try:
                yield
            finally:
                self._stop.set()
        for each in going:
            each.result()


def counts(world: World) -> dict[str, int]:
    """How many rows each table has."""
    found: dict[str, int] = {}
    for service in SERVICES:
        names = [row["tablename"] for row in world.select(service, _TABLES)]
        number = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) FROM {name}" for name in names)
        found |= {f"{service}.{row['name']}": row["count"] for row in world.select(service, number)}
    return found


async def answers(url: str, statements: dict[str, str]) -> dict[str, str]:
    """How a database answers each statement without values: that it did, or the class of its refusal."""
    found = {}
    connection = await asyncpg.connect(url)
    try:
        for name, sql in statements.items():
            undone = connection.transaction()
            await undone.start()
            try:
                one = await connection.prepare(sql)
                await one.fetch(*[None] * len(one.get_parameters()))
                found[name] = "answered"
            except (asyncpg.PostgresError, asyncpg.DataError) as refused:
                found[name] = type(refused).__name__
            finally:
                await undone.rollback()
    finally:
        await connection.close()
    return found


def as_of_old(world: World, release: Release, service: str) -> Callable[[], str]:
    """Ask as the code of that day does; nothing may be answered otherwise than before."""
    url, statements = world.installation.urls()[service], release.statements(service)
    before = asyncio.run(answers(url, statements))
    assert Counter(before.values())["answered"] > 100

    def act() -> str:
        now = asyncio.run(answers(url, statements))
        other = {name: how for name, how in now.items() if how != before[name]}
        return f"{service}: {other}" if other else f"{service} as before"

    return act


def look(world: World, service: str) -> Callable[[], str]:
    """Read a service's first page as a browser does; how it answers, 0 where nobody does."""

    def act() -> str:
        running = world.running[service]
        try:
            page = httpx.get(running.url + PATHS[service], timeout=LONGEST_PAGE, cookies=running.cookies)
        except httpx.TransportError:
            return f"{service} 0"
        return f"{service} {page.status_code}"

    return act


def write(world: World) -> Callable[[], str]:
    """Change the register, which everybody hears of."""

    def act() -> str:
        try:
            world.amend()
        except IN_THE_WAY:  # a migration was: whoever typed this types it again
            return "in the way"
        return "written"

    return act


def all_is_well(world: World) -> None:
    """Whatever was said was heard by everybody, copies agree with their owners, and the record is whole."""
    eventually(
        lambda: not any(world.pending(service) for service in SERVICES), lambda: "events stay in the outbox"
    )
    parked = [row for service in SERVICES for row in world.select(service, "SELECT type, reason FROM parked")]
    assert parked == []
    copies: list[str] = []

    def agree() -> bool:
        checked = world.conduit("check", "--copies")
        copies[:] = [checked.stdout]
        return checked.returncode == 0

    eventually(agree, lambda: copies[0])
    audited = world.conduit("audit", "verify")
    assert audited.returncode == 0, audited.stdout + audited.stderr


def rebuild_new_copies(world: World, before: Container[str], after: Container[str]) -> None:
    """A copy that the release did not keep is empty until its owner was asked, as the checks say."""
    for name in COPIES:
        if name in after and name not in before:
            asked = world.conduit("events", "replay", "--rebuild", name)
            assert asked.returncode == 0, asked.stderr


def refuses_to_start(world: World, service: str) -> None:
    """Before its database was migrated, in a sentence that says what to type."""
    world.alter(service, "UPDATE alembic_version SET version_num = '0' || version_num")  # behind in any case
    settings = world.installation.settings
    settings = replace(settings, port=free_port(), metrics_port=free_port())
    refused = conduit("serve", service, home=settings.home, **settings.environment())
    [behind] = world.select(service, "SELECT version_num FROM alembic_version")
    world.alter(service, "UPDATE alembic_version SET version_num = substr(version_num, 2)")
    assert refused.returncode == GIVE_UP
    needed = newest(migrations_of(service))
    assert (
        f"The database of {service} is at {behind['version_num']}, this code needs {needed}" in refused.stderr
    )
    assert "Run: conduit migrate" in refused.stderr


def migrate_to_the_next(world: World, folder: Path) -> None:
    """What a later release does first, beside this one's services."""
    for service, url in world.installation.owner_urls().items():
        next_ = folder / f"{service}_next"
        shutil.copytree(migrations_of(service), next_)
        (next_ / "9999_next.py").write_text(_NEXT.format(newest=newest(next_)))
        migrate(url, next_, runtime_role(world.servers.prefix, service))


def test_a_release_is_upgraded_while_it_is_used_and_this_one_by_the_next(
    world: World, release: Release, tmp_path: Path
) -> None:
    refuses_to_start(world, GRANTS)
    before, old = counts(world), Load()
    with old.beside(*(as_of_old(world, release, service) for service in SERVICES)):
        migrated = world.conduit("migrate")
        assert migrated.returncode == 0, migrated.stderr
    assert set(old.done) == {f"{service} as before" for service in SERVICES}
    after = counts(world)
    assert {name: after[name] for name in before} == before

    load = Load()
    with world.alive():
        with load.beside(*(look(world, service) for service in SERVICES), write(world)):
            migrate_to_the_next(world, tmp_path)
            for process in world.processes:
                assert process.stop(within=PATIENCE) == 0
                process.start()
                process.wait_until_ready(PATIENCE)
        rebuild_new_copies(world, before, after)
        all_is_well(world)
    # Nobody sees a fault: a page is there, or says “try again” while tables change, or is being started anew.
    assert set(load.done) <= {
        "written",
        *(f"{service} {how}" for service in SERVICES for how in (0, 200, 503)),
    }
    assert load.done["written"] > 0
    for service in SERVICES:
        assert load.done[f"{service} 200"] > load.done[f"{service} 503"]
