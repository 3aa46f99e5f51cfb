"""The three real services in either world, with work for them to do and orders to die at a named place.

In one process they run on the embedded PostgreSQL and hand events to each other; in three, each under a
supervisor of its own, they meet on a private RabbitMQ and PostgreSQL. A fault is ordered in a file (see
:mod:`chassis.failpoints`), so that a process which has obeyed comes back and goes on.
"""

import asyncio
import csv
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
import kombu

from chassis.config import Settings
from chassis.embedded import AlreadyRunning
from chassis.errors import DatabaseAway
from chassis.keys import read_keys
from chassis.testing import PrivatePostgres, PrivateRabbitMQ, RawProxy, ReceivedMail, RecordingMailServer
from chassis.web.access import public_mark
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.installation import Installation
from services.intake import take_in
from services.messages import opened
from services.notifications.answers import MOST_ANSWERS
from services.notifications.chasing import order_chasers
from tests.conftest import EXAMPLES
from tests.faults.checker import broken_promises, count_effects
from tests.journeys.running import Running, conduit
from tests.notifications.composing import approve_at

T = TypeVar("T")

#: The longest wait for anything, in seconds: other suites may want the processors as well.
PATIENCE = 120.0

#: Of AMQP, in seconds.
HEARTBEAT = 4

#: The longest that the mail server may take to answer, in seconds.
MAIL_TIMEOUT = 4

#: The longest that one statement of a command may take, in seconds.
COMMAND_TIMEOUT = 20.0

#: Quick to try again; waits that are long in use are short here.
_QUICK = {
    "CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml"),
    "CONDUIT_RETRY_FIRST": "0.1",
    "CONDUIT_POLL": "0.5",
    "CONDUIT_HEARTBEAT": str(HEARTBEAT),
    "CONDUIT_CONFIRM_TIMEOUT": "2",
    "CONDUIT_ACQUIRE_TIMEOUT": "2",
    "CONDUIT_DATABASE_TIMEOUT": "3",
    "CONDUIT_CLOSE_TIMEOUT": "1",
    "CONDUIT_RETRY_LONGEST": "2",
    "CONDUIT_ATTEMPTS": "4",
    "CONDUIT_MAIL_RATE": "500",
    "CONDUIT_MAIL_DOMAIN_RATE": "0",
    "CONDUIT_MAIL_RETRY": "0.5",
    "CONDUIT_MAIL_TIMEOUT": str(MAIL_TIMEOUT),
}

#: Where each service's pages begin.
PATHS = {PARTNERS: "/partners", GRANTS: "/grants", NOTIFICATIONS: "/letters"}

#: The longest that a page may take, in seconds: a wait for a connection, then for a statement.
LONGEST_PAGE = 8.0

#: Answers that are given to one letter before the next one's turn comes.
_ANSWERS = MOST_ANSWERS - 1
#: Questions that one test may ask.
_FEW = 60

_AREAS = ("E09000012", "E09000020", "E09000030", "E09000033")
_ROLES = ("chief_executive", "dental_care")


def eventually(look: Callable[[], T], otherwise: Callable[[], str], within: float = PATIENCE) -> T:
    """What ``look`` gives once it gives something true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)
    return seen


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What three processes meet on; the broker through a proxy that can let connections go deaf."""

    postgres: PrivatePostgres
    rabbitmq: PrivateRabbitMQ
    proxy: RawProxy
    #: The broker's address, not through the proxy.
    amqp_url: str
    #: What its databases are called.
    prefix: str = "faults"

    def variables(self) -> dict[str, str]:
        through = self.amqp_url.replace(f":{self.rabbitmq.port}/", f":{self.proxy.port}/")
        return {
            "CONDUIT_DATABASE_URL": self.postgres.url,
            "CONDUIT_DATABASE_PREFIX": self.prefix,
            "CONDUIT_AMQP_URL": through,
        }


class World:
    """Running services, the mail server that records what they send, and the work that they are given."""

    def __init__(
        self,
        home: Path,
        groups: Sequence[Sequence[str]],
        mail: RecordingMailServer,
        servers: Servers | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Own are further settings of one service's process, by its name."""
        self.mail = mail
        self._servers = servers
        self.amqp_url = servers.amqp_url if servers else ""
        self._home = home
        self._variables = {
            **_QUICK,
            "CONDUIT_SMTP_URL": f"smtp://{mail.host}:{mail.port}",
            **(servers.variables() if servers else {}),
        }
        # Whoever types a command waits as long as anybody would: a large import takes its time.
        settings = Settings.load({**self._variables, "CONDUIT_HOME": str(home)})
        self.installation = Installation(replace(settings, database_timeout=COMMAND_TIMEOUT))
        self.running: dict[str, Running] = {}
        self._orders: dict[str, Path] = {}
        for group in groups:
            orders = home.parent / f"orders-{group[0]}"
            only = [f"--only={service}" for service in group] if len(groups) > 1 else []
            variables = self._variables | dict((own or {}).get(group[0], {}))
            process = Running(home, *only, CONDUIT_FAILPOINTS=f"@{orders}", **variables)
            self.running |= dict.fromkeys(group, process)
            self._orders |= dict.fromkeys(group, orders)
        self._names = count(1)
        self._asked = 0

    @property
    def servers(self) -> Servers:
        """What it runs on, where that is not embedded."""
        assert self._servers is not None
        return self._servers

    @property
    def processes(self) -> list[Running]:
        return list(dict.fromkeys(self.running.values()))

    def conduit(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """A command of ops, beside the running services."""
        return conduit(*arguments, home=self._home, **self._variables, **variables)

    # Life and death

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Start everything; stop it in good order afterwards."""
        if self.amqp_url:  # one step before several processes would take it at once
            prepared = conduit("migrate", home=self._home, **self._variables)
            assert prepared.returncode == 0, prepared.stderr
        try:
            for process in self.processes:
                process.start()
            for process in self.processes:
                process.wait_until_ready(PATIENCE)
            yield
        finally:
            with ThreadPoolExecutor() as threads:
                stopped = threads.map(lambda process: process.stop(within=PATIENCE), self.processes)
        assert set(stopped) == {0}

    @contextmanager
    def replica(self, service: str) -> Iterator[Running]:
        """One more process of a service, for as long as the block lasts."""
        second = Running(self._home, f"--only={service}", **self._variables)
        second.start()
        try:
            second.wait_until_ready(PATIENCE)
            yield second
        finally:
            assert second.stop(within=PATIENCE) == 0

    def order(self, orders: Mapping[str, Sequence[str]]) -> None:
        """The process of each service dies when it next reaches each of its places.

        Where several run in one process, what was ordered for the last of them is carried out.
        """
        for file, places in {self._orders[service]: places for service, places in orders.items()}.items():
            draft = file.with_suffix(".draft")
            draft.write_text(",".join(f"{place}=kill" for place in places))
            draft.replace(file)

    def no_orders(self) -> None:
        """Whoever has not come to such a place yet does not die there any more."""
        for file in self._orders.values():
            file.write_text("")

    def kill(self, service: str) -> None:
        """SIGKILL the process of a service, wherever it is; its supervisor brings it back."""
        supervisor = self.running[service].pid
        for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def an_hour_goes_by(self) -> None:
        """For the claims of lost senders: longer than any sender that lives works on one letter."""
        for late in ("letters", "chasers"):
            back = f"UPDATE {late} SET claimed_at = claimed_at - interval '1 hour' WHERE state = 'sending'"
            self.select(NOTIFICATIONS, back)

    def died(self, *services: str) -> bool:
        """Whether every one of these has obeyed."""
        return not any(self._orders[service].read_text() for service in services)

    def deaths(self, service: str) -> int:
        """How often this service's process was killed and noticed by its supervisor."""
        return self.log(service).count('"status": -9')

    def log(self, service: str) -> str:
        return self.running[service].log.read_text()

    def ends(self) -> int:
        """How often any process has ended and was brought back by its supervisor."""
        return sum(process.log.read_text().count("services_died") for process in self.processes)

    # Looking

    def all_promises_are_kept(self, within: float = PATIENCE) -> None:
        """Wait until it is quiet; whatever is still broken when patience ends, is broken."""
        broken: list[str] = ["nobody has looked yet"]

        def none_broken() -> bool:
            broken[:] = broken_promises(
                self.installation, [message.raw for message in list(self.mail.messages)], self.amqp_url
            )
            return not broken

        eventually(none_broken, lambda: "\n".join(broken), within)
        self._write_more_letters()

    def _write_more_letters(self) -> None:
        """When few questions are left to be asked: a letter takes a limited number of them."""
        if self.questions_left() < _FEW:
            eventually(lambda: self._all_letters_sent(self.begin_campaign()), lambda: "no letters go out")

    def questions_left(self) -> int:
        """How many more can be asked at the letters that went out."""
        return len(self._letters_out()) * _ANSWERS - self._asked

    def pages(self) -> dict[str, int]:
        """How each service's first page answers, within a bounded time; 0 for no answer at all."""
        return {service: self._status(service) for service in SERVICES}

    def pages_are_well(self) -> None:
        """Every service's pages answer again, soon."""
        eventually(lambda: set(self.pages().values()) == {200}, lambda: f"pages answer {self.pages()}")

    def _status(self, service: str) -> int:
        try:
            running = self.running[service]
            page = httpx.get(running.url + PATHS[service], timeout=LONGEST_PAGE, cookies=running.cookies)
            return page.status_code
        except httpx.TransportError:
            return 0

    def metric(self, service: str, line: str) -> float:
        """The value of a metric of a service, by its name and labels as they are printed; 0 without it."""
        return self.metric_of(self.running[service], line)

    def metric_of(self, process: Running, line: str) -> float:
        """The same of one process, where a service has several."""
        text = httpx.get(f"http://127.0.0.1:{process.metrics_port}/metrics", timeout=5).text
        lines = (each.rpartition(" ") for each in text.splitlines())
        return next((float(value) for name, _, value in lines if name == line), 0.0)

    def select(self, service: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Look into a service's database, or put something there, as the service itself may."""
        return self._ask(self.installation.urls()[service], query, *arguments)

    def alter(self, service: str, statement: str) -> None:
        """Change a table in a service's database, as its owner."""
        self._ask(self.installation.owner_urls()[service], statement)

    def _ask(self, url: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        async def ask() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(url)
            try:
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def pending(self, service: str, tries: int = 0) -> int:
        """How many events of a service wait to be published, and were refused so often."""
        waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND attempts >= $1"
        return int(self.select(service, waiting, tries)[0]["count"])

    def relayed(self) -> int:
        """How many events have been published."""
        published = "SELECT count(*) FROM outbox WHERE published_at IS NOT NULL"
        return sum(int(self.select(service, published)[0]["count"]) for service in SERVICES)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel to the broker, as an administrator."""
        with kombu.Connection(self.amqp_url) as connection:
            yield connection.default_channel

    # Work

    def work(self) -> None:
        """Something for everybody: facts of partners, facts of grants, a question to notifications."""
        self.amend()
        self.register()
        self.ask()

    def prepare(self) -> None:
        """A register of four bodies with two contacts each, people registered, a letter to each contact."""
        count_effects(self.installation)
        self.amend()
        self.register(*(area for area in _AREAS for _ in range(6)))
        eventually(lambda: self._all_letters_sent(self.begin_campaign()), lambda: "no letters go out")

    def amend(self) -> None:
        """Partners imports its register with one name and one address changed: two facts or more."""
        self._import_partners(_register(next(self._names)))

    def enlarge(self, size: int) -> None:
        """Partners imports so many libraries, or gives those that are there another name: a fact for each."""
        number = next(self._names)
        body = ["library", _AREAS[0], "contact", *([""] * 12)]
        rows = [[f"CONDUIT-L{place}", f"Library {place}.{number}", *body] for place in range(size)]
        self._import_partners(rows)

    def twins(self, pairs: int) -> list[tuple[str, str]]:
        """Partners imports so many schools, each in two entries with two contacts; their identifiers."""
        number = next(self._names)
        made = [(f"CONDUIT-A{number}-{pair}", f"CONDUIT-B{number}-{pair}") for pair in range(pairs)]
        self._import_partners([row for pair in made for identifier in pair for row in _school(identifier)])
        return made

    def _import_partners(self, rows: Sequence[Sequence[str]]) -> None:
        file = self._home.parent / "partners.csv"
        _write(file, (EXAMPLES / "partners.csv").read_text("utf-8").splitlines()[0], rows)
        self._take_in("partners", file)

    def register(self, *areas: str) -> None:
        """Grants imports people who live in these areas: a count changes in each."""
        header = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
        rows = [[f"P-{next(self._names)}", "2011-03-01", "dentist", area, "PH", "ore_1", "consent"]
                for area in areas or _AREAS[:1]]  # fmt: skip
        file = self._home.parent / "registrations.csv"
        _write(file, header, rows)
        self._take_in("registrations", file)

    def ask(self) -> None:
        """A recipient asks something at the link in a letter, until an answer says that it was recorded."""
        path, fields = self.question()
        self._persist("POST", path, 303, data=fields)

    def ask_once(self) -> int:
        """The same without trying again. The status; 0 when the connection was cut."""
        path, fields = self.question()
        try:
            return httpx.post(self.running[NOTIFICATIONS].url + path, timeout=20, data=fields).status_code
        except httpx.TransportError:
            return 0

    def question(self) -> tuple[str, dict[str, str]]:
        """A question, and the response page that it is sent to."""
        self._asked += 1
        fields = {"answer": "ask", "question": "When does it begin?", "key": self._form_key()}
        return self._link((self._asked - 1) // _ANSWERS), fields

    def _form_key(self) -> str:
        """The key of a form on a page for people outside, as if it had been opened before all this."""
        key = str(uuid4())
        return f"{key}.{public_mark(read_keys(self.installation.settings.keys_folder, NOTIFICATIONS), key)}"

    def _letters_out(self) -> list[ReceivedMail]:
        """The letters that the mail server has taken: a chaser answers one of them and has the same link."""
        heads = ((mail, mail.raw.partition(b"\r\n\r\n")[0]) for mail in list(self.mail.messages))
        return [mail for mail, head in heads if b"\nIn-Reply-To:" not in head]

    def _link(self, number: int) -> str:
        """The response page of one of the letters so far; each takes a limited number of answers."""
        message = self._letters_out()[number].parsed.get_body(("plain",))
        assert message is not None
        found = re.search(r"/letters/r/[0-9a-z]{26}", message.get_content())
        assert found is not None
        return found.group()

    def begin_campaign(self, kind: str = "primary_care_trust") -> str:
        """A draft with a letter to every contact of a kind of body, as far as notifications has heard."""
        plan = {
            "name": f"Campaign {next(self._names)}",
            "purpose": "Exam fees",
            "fund": "training scheme",
            "subject": "Training in {areas}",
            "signatory": "director",
            "profession": "dentist",
            "body": "Dear {contact_name},\n\nWe ask {body_name} for {ask}. Please answer at {response_url}.",
            "recipients": {"kind": kind, "roles": list(_ROLES)},
            "ask": {
                "version": 1,
                "least_pence": 300_000,
                "each_pence": 1_000,
                "step_pence": 10_000,
                "most_pence": 500_000,
            },
        }
        made = self._persist("POST", "/letters/api/v1/campaigns", 201, json=plan, headers=_once())
        return str(made.json()["id"])

    def send(self, campaign: str) -> int:
        """Submit a draft, approve it as somebody else, and let its letters go. How many."""
        address = f"/letters/api/v1/campaigns/{campaign}"
        self._persist("POST", f"{address}/submit", 200, json={}, headers=_once())
        eventually(lambda: self._approved(campaign), lambda: "nobody can approve it")
        sent = self._persist(
            "POST", f"/letters/api/v1/campaigns/{campaign}/send", 202, json={}, headers=_once()
        )
        return int(sent.json()["letters"])

    def chase(self, campaign: str) -> int:
        """Let each letter of a campaign have gone without an answer for long, and chase it. How many."""
        long_ago = (
            "UPDATE letters SET waits_since = waits_since - interval '60 days' WHERE campaign_id = $1 "
            "RETURNING id"
        )
        ids = [row["id"] for row in self.select(NOTIFICATIONS, long_ago, campaign)]
        # Nobody is chased about two campaigns on one day, and a test has no time to wait for the next.
        yesterday = "changed_at = changed_at - interval '2 days', sent_at = sent_at - interval '2 days'"
        self.select(NOTIFICATIONS, f"UPDATE chasers SET {yesterday} WHERE state IN ('sent', 'unknown')")

        async def order() -> int:
            async with opened(self.installation, NOTIFICATIONS) as database, database.transaction() as tx:
                return (await order_chasers(tx, ids, after=timedelta(0))).chasers

        return asyncio.run(order())

    def sends(self, campaign: str) -> None:
        """Send a campaign and see all of it leave."""
        whole = self.send(campaign)
        eventually(lambda: self.letters(campaign) == {"sent": whole}, lambda: "letters stay behind")

    def outgoing(self, kind: str, campaign: str) -> Counter[str]:
        """How many letters or chasers of a campaign stand in which state."""
        return Counter(self.fates(kind, campaign).values())

    def fates(self, kind: str, campaign: str) -> dict[str, str]:
        """What became of each letter or chaser of a campaign, by address."""
        queries = {
            "letters": "SELECT c.email, l.state FROM letters l JOIN contacts c ON c.id = l.contact_id "
            "WHERE l.campaign_id = $1",
            "chasers": "SELECT c.email, k.state FROM chasers k JOIN letters l ON l.id = k.letter_id "
            "JOIN contacts c ON c.id = l.contact_id WHERE l.campaign_id = $1",
        }
        return {row["email"]: row["state"] for row in self.select(NOTIFICATIONS, queries[kind], campaign)}

    def _approved(self, campaign: str) -> bool:
        """Whether it is approved, by now or from now on."""
        found = self._persist("GET", f"/letters/api/v1/campaigns/{campaign}", 200).json()
        if found["state"] == "approved":
            return True
        try:
            url, keys = self.running[NOTIFICATIONS].url, self.installation.settings.keys_folder
            return approve_at(url, keys, campaign)
        except httpx.TransportError:
            return False

    def letters(self, campaign: str) -> dict[str, int]:
        """How many letters of a campaign stand in which state."""
        found: dict[str, Any] = self._persist("GET", f"/letters/api/v1/campaigns/{campaign}", 200).json()
        return {state: number for state, number in found["letters"].items() if number}

    def _all_letters_sent(self, campaign: str) -> bool:
        whole = len(_AREAS) * len(_ROLES)
        if self.letters(campaign).get("draft") != whole:
            return False
        self.send(campaign)
        return eventually(lambda: self.letters(campaign).get("sent") == whole, lambda: "letters stay behind")

    def _take_in(self, kind: str, file: Path) -> None:
        """The same file again changes nothing, so it is repeated until the database has taken it."""

        def taken() -> bool:
            try:
                report = take_in(self.installation, kind, file, dry_run=False, progress=lambda done: None)
            except (DatabaseAway, AlreadyRunning):  # away, or embedded and about to come back
                return False
            assert not report.faults, report.faults[:3]
            return True

        eventually(taken, lambda: f"{kind} cannot be imported")

    def _persist(self, method: str, path: str, status: int, **content: Any) -> httpx.Response:
        """Repeat a request with the same key, as a browser that is reloaded, until it is answered."""

        def answer() -> httpx.Response | None:
            try:
                running = self.running[NOTIFICATIONS]
                url, cookies = running.url + path, running.cookies
                found = httpx.request(method, url, timeout=20, cookies=cookies, **content)
            except httpx.TransportError:
                return None
            return found if found.status_code == status else None

        return eventually(answer, lambda: f"{method} {path} is not answered") or httpx.Response(500)


def _once() -> dict[str, str]:
    return {"idempotency-key": str(uuid4())}


def _register(number: int) -> list[list[str]]:
    """The lines of the register; the first body's name and the last contact's address carry the number."""
    rows = []
    for place, area in enumerate(_AREAS):
        for role in _ROLES:
            name = f"Trust {place} renamed {number}" if place == 0 else f"Trust {place}"
            address = f"{role}.{place}.{number if place == len(_AREAS) - 1 else 0}@trust.example"
            body = [f"CONDUIT-T{place}", name, "primary_care_trust", area, "contact", "2001-04-01", "", ""]
            contact = [
                f"Jo {role}",
                role,
                "email",
                address,
                "1 Example Road;London",
                "W10 0XX",
                "its web page",
            ]
            rows.append([*body, *contact, "2011-11-01", ""])
    return rows


def _school(identifier: str) -> list[list[str]]:
    """A school's lines: the head is called the same in both of its entries, whoever teaches is not."""
    body = [identifier, f"School {identifier}", "school", _AREAS[0], "contact", "2001-04-01", "", ""]
    rows = []
    for role, name in zip(_ROLES, ("Jo Head", f"Sam {identifier}"), strict=True):
        address = f"{role}.{identifier.lower()}@school.example"
        rows.append([*body, name, role, "email", address, "", "", "its web page", "2011-11-01", ""])
    return rows


def _write(file: Path, header: str, rows: Sequence[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        opened.write(header + "\n")
        csv.writer(opened).writerows(rows)


ONE_PROCESS = [list(SERVICES)]
THREE_PROCESSES = [[PARTNERS], [GRANTS], [NOTIFICATIONS]]
