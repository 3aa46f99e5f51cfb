"""Fixtures for every test: real PostgreSQL, a clock that moves, the Forum's house.

Each service's migrations run once into a template database; a test gets a clone of it, which takes
milliseconds and leaves nothing behind for the next one.
"""

import asyncio
import html
import json
import logging
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from starlette.types import ASGIApp
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

import chassis
from chassis import access, log
from chassis.access import Person, create_session_key
from chassis.audit import BY_COMMAND, acting, note
from chassis.clock import real_now
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import House, read_house
from chassis.inbox import Inbox, Subscription
from chassis.keys import create_keys, read_keys
from chassis.migrations import migrate
from chassis.outbox import QUERIES as MESSAGES
from chassis.testing import Guardian, PrivatePostgres, PrivateRabbitMQ, memory_folder
from chassis.transports import Delivery
from chassis.web.access import session_name
from contracts.catalogue import FACTS
from contracts.envelope import Event, decode, encode
from contracts.topology import SERVICES, signs_heard_by
from services.installation import Installation, migrations_of
from tests.access import EVERYTHING, token

EXAMPLES = Path(__file__).parent.parent / "examples"

MakeDatabase = Callable[[str], Awaitable[Database]]

_numbers = count(1)

# What an example takes says how busy the machine is; a test as a whole has its own limit.
hypothesis_settings.register_profile(
    "patient", hypothesis_settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")


#: Folders whose tests mostly wait, for servers that come and go.
WAITING = ("tests/faults/", "tests/operations/", "tests/upgrade/", "tests/deploy/")
#: Of these, those whose files share worlds that take long to start: each is for one process.
SHARING = ("tests/faults/", "tests/operations/", "tests/upgrade/")
#: What is long and keeps the processors busy.
COMPUTING = ("tests/grants/test_firewall.py", "tests/journeys/")


class TwoEnds(LoadFileScheduling):  # type: ignore[misc]  # it publishes no types
    """Deals tests out to processes, each with servers of its own: a file to one, or a folder.

    The first process begins with what waits, the others at the other end, with what computes: so the
    processors are never idle, and faults never meet the faults of others. Short files are between the two.
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in SHARING if nodeid.startswith(folder)), None)
        return folder or str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: Any) -> None:
        if node is not self.nodes[0]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoEnds:
    return TwoEnds(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = (*WAITING, "", *COMPUTING)

    def place(item: pytest.Item) -> int:
        own = (
            number
            for number, beginning in enumerate(order)
            if beginning and item.nodeid.startswith(beginning)
        )
        return next(own, order.index(""))

    items.sort(key=place)


@contextmanager
def folder_of_its_own(*, on_disk: bool = False) -> Iterator[Path]:
    """A folder for homes, in memory where there is room; PostgreSQL's own user reaches it.

    It goes with all that runs in it, also when the tests are killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="conduit-test-", dir=None if on_disk else memory_folder()))
    folder.chmod(0o711)
    guardian = Guardian(folder)
    try:
        yield folder
    finally:
        guardian.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    with PrivatePostgres(memory_folder()) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[PrivateRabbitMQ]:
    with PrivateRabbitMQ(memory_folder()) as server:
        yield server


@pytest.fixture
def broker(rabbitmq: PrivateRabbitMQ) -> Iterator[str]:
    """The address of a virtual host of the test's own on the private broker."""
    with virtual_host(rabbitmq) as address:
        yield address


@pytest.fixture(scope="module")
def module_broker(rabbitmq: PrivateRabbitMQ) -> Iterator[str]:
    """The address of a virtual host of the module's own."""
    with virtual_host(rabbitmq) as address:
        yield address


@contextmanager
def virtual_host(rabbitmq: PrivateRabbitMQ) -> Iterator[str]:
    """The address of a new virtual host, which goes afterwards."""
    name = f"test{next(_numbers)}"
    rabbitmq.add_virtual_host(name)
    yield rabbitmq.url_for("guest", "guest", name)
    rabbitmq.control("delete_vhost", name)


@pytest.fixture(scope="session")
def templates(postgres: PrivatePostgres) -> dict[str, str]:
    """The name of a migrated, empty database for each service."""
    names = {}
    for service in SERVICES:
        names[service] = f"template_{service}"
        asyncio.run(administer(postgres, f'CREATE DATABASE "{names[service]}"'))
        migrate(postgres.database_url(names[service]), migrations_of(service))
    return names


async def administer(server: PrivatePostgres, *statements: str) -> None:
    """Run statements as the administrator of the private server."""
    connection = await asyncpg.connect(server.database_url("postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def clone(server: PrivatePostgres, databases: Mapping[str, str]) -> None:
    """Make databases, each a copy of the template beside its name."""
    await administer(
        server,
        *(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
            for name, template in databases.items()
        ),
    )


async def drop(server: PrivatePostgres, databases: Iterable[str]) -> None:
    await administer(server, *(f'DROP DATABASE "{name}" WITH (FORCE)' for name in databases))


@pytest.fixture(scope="session")
def house() -> House:
    return read_house(EXAMPLES / "house.toml")


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys of an installation: made once, since each is written down to the disk."""
    folder = tmp_path_factory.mktemp("made") / "keys"
    create_keys(folder, SERVICES)
    create_session_key(folder)
    return folder


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for an installation of its own; it does not exist yet."""
    with folder_of_its_own() as folder:
        yield folder / "home"


@pytest.fixture
def settings(tmp_path: Path, made_keys: Path) -> Settings:
    """Settings of a quick test: short waits, and keys that it may spoil."""
    shutil.copytree(made_keys, tmp_path / "keys")
    return Settings(home=tmp_path, retry_first=0.05, poll=0.2, database_timeout=5.0, mail_retry=0.05)


@pytest.fixture(scope="session")
def bare_template(postgres: PrivatePostgres) -> str:
    """The name of a database with the chassis's own tables and nothing else."""

    async def prepare() -> None:
        await administer(postgres, "CREATE DATABASE template_bare")
        connection = await asyncpg.connect(postgres.database_url("template_bare"))
        for number in ("0001", "0004", "0006", "0008"):
            await connection.execute((Path(chassis.__file__).parent / "schema" / f"{number}.sql").read_text())
        await connection.execute("CREATE TABLE effects (id serial, subject text, sequence integer)")
        await connection.close()

    asyncio.run(prepare())
    return "template_bare"


@pytest.fixture
async def make_bare(
    postgres: PrivatePostgres, bare_template: str, settings: Settings, house: House
) -> AsyncIterator[MakeDatabase]:
    """Makes a database for the chassis's own tests: its tables, and one named ``effects``."""
    async with databases(postgres, lambda service: bare_template, settings, house) as make:
        yield make


@pytest.fixture
async def make_database(
    postgres: PrivatePostgres, templates: dict[str, str], settings: Settings, house: House
) -> AsyncIterator[MakeDatabase]:
    """Makes a migrated database for a service, with a clock of its own, and opens it.

    Whoever signs sessions was heard a moment ago.
    """
    async with databases(postgres, templates.__getitem__, settings, house) as make:
        yield make


@pytest.fixture
def installation(
    postgres: PrivatePostgres, templates: dict[str, str], settings: Settings
) -> Iterator[Installation]:
    """A whole installation, migrated and with its keys, of which nothing runs but the databases."""
    name = f"whole_{next(_numbers)}"
    databases = {f"{name}_{service}": templates[service] for service in SERVICES}
    asyncio.run(clone(postgres, databases))
    url = postgres.database_url(f"{name}_NAME").replace("NAME", "{service}")
    house = EXAMPLES / "house.toml"
    yield Installation(replace(settings, house_file=house, database_url=url))
    asyncio.run(drop(postgres, databases))


@asynccontextmanager
async def databases(
    postgres: PrivatePostgres, template: Callable[[str], str], settings: Settings, house: House
) -> AsyncIterator[MakeDatabase]:
    """Makes databases from templates, and drops them afterwards."""
    made: list[tuple[Database, str]] = []

    async def make(service: str) -> Database:
        name = f"test_{service}_{next(_numbers)}"
        await clone(postgres, {name: template(service)})
        context = Context(
            service=service, settings=settings, house=house, keys=read_keys(settings.keys_folder, service)
        )
        database = Database(postgres.database_url(name), context)
        await database.open()
        made.append((database, name))
        for sender in signs_heard_by(service):
            await hear(database, sender)
        return database

    try:
        yield make
    finally:
        for database, name in made:
            await database.close()
            await drop(postgres, [name])


async def hear(database: Database, sender: str, ago: float = 0) -> datetime:
    """Let the newest sign of life of a service be one that it sent so many seconds ago; the moment."""
    sent_at = real_now() - timedelta(seconds=ago)
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM signs_of_life WHERE service = $1", sender)
        await MESSAGES.note_life(tx, services=[sender], moments=[sent_at])
    return sent_at


@pytest.fixture
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may still act is asked once, however long a test takes that counts statements."""
    moment = monotonic()
    monkeypatch.setattr(access, "monotonic", lambda: moment)


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged from now on."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    log.configure("info", json=True)
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.reset_defaults()
    root.handlers, root.level = before, level


async def take(database: Database, subscriptions: Sequence[Subscription], *events: Event) -> None:
    """Let a service receive these events in one delivery, through its inbox."""
    await Inbox(database, subscriptions).take([Delivery(body=encode(event)) for event in events])


async def somebody_acts(database: Database, times: int = 1) -> None:
    """Acts of a person, each a row of the audit."""
    for number in range(times):
        async with acting(database, BY_COMMAND) as tx:
            note(tx, "opened", "thing", number)


def move_to(database: Database, moment: datetime) -> None:
    """Let a service's clock go on from this moment."""
    clock = database.context.clock
    clock.advance(moment - clock.now())


async def announced(database: Database) -> list[Event]:
    """Everything in a service's outbox, in the order in which it was said."""
    async with database.reading() as tx:
        rows = await tx.fetch("SELECT body FROM outbox ORDER BY recorded_at, id")
    return [decode(bytes(row["body"]), FACTS) for row in rows]


#: What does not say by itself what it is about.
_OF_WHAT = re.compile(
    r"This (is|has|contains|day|number|amount|field|cell|person)\b|(Nothing|Nobody) is chosen"
)


def summed_up(page: str) -> list[str]:
    """What a page says on top of what is wrong with a form."""
    [summary] = re.findall(r'id="faults">(.*?)</ul>', page, re.DOTALL)
    return [html.unescape(each) for each in re.findall(r'<a href="#[^"]*">(.*?)</a>', summary)]


async def leads_to_its_fields(response: httpx.Response) -> None:
    """Wherever a page sums up what is wrong with a form, each fault leads to its field, and names it."""
    if not response.headers.get("content-type", "").startswith("text/html"):
        return
    await response.aread()
    for summary in re.findall(r'id="faults">(.*?)</ul>', response.text, re.DOTALL):
        for field, words in re.findall(r'<a href="#([^"]*)">(.*?)</a>', summary):
            assert f'id="{field}"' in response.text, f"{words} There is no {field} on {response.url}."
            assert not _OF_WHAT.match(words), f"{words} Give {field} a label on {response.url}."


def client(
    app: ASGIApp, mount: str = "", person: Person | None = EVERYTHING, age: timedelta = timedelta(0)
) -> httpx.AsyncClient:
    """A browser on an application, as if it were mounted under ``mount``.

    Where there are sessions it is signed in as this person, with a token that is new for each request, or of
    the given age: tests move the clock.
    """
    transport = httpx.ASGITransport(app, root_path=mount, raise_app_exceptions=True)
    site = getattr(getattr(app, "state", None), "site", None)

    async def sign_in(request: httpx.Request) -> None:
        if site is not None and person is not None:
            settings = site.context.settings
            made = token(settings.keys_folder, person, now=site.context.clock.now() - age)
            request.headers["cookie"] = f"{session_name(settings)}={made}"

    hooks: dict[str, list[Any]] = {"request": [sign_in], "response": [leads_to_its_fields]}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", event_hooks=hooks)
