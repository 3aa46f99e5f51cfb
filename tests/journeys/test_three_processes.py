"""The whole campaign in the large world: one process per service, RabbitMQ, PostgreSQL, a mail server."""

import asyncio
import csv
import json
import re
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pyotp
import pytest
from amqp import Message

from chassis.access import LIFETIME, Person
from chassis.config import Settings
from chassis.declare import administrator
from chassis.testing import CUT_AFTER_DOT, PrivatePostgres, RecordingMailServer, Treatment
from contracts.envelope import CONTENT_TYPE
from contracts.topology import EXCHANGES, GRANTS, INBOXES, NOTIFICATIONS, PARTNERS, SERVICES
from services.installation import Installation
from tests.access import EVERYTHING, cookies, form_key
from tests.conftest import EXAMPLES
from tests.journeys.running import Running, conduit, last_line_as_json
from tests.notifications.composing import approve_at

#: What others may come to read; the last of them only partners has.
_LOOKED_AT = ("outbox", "inbox", "parked", "audit", "idempotency", "sign_ins", "attempts", "kept_forms")

#: Somebody whose name, address and words stand nowhere else.
ZOE, ZOES_MAIL = "Zoë Markerová", "zoe.marker@hospital.example"
ZOES_POST, ZOES_WORDS = "Head of Marker Affairs", "Does the marker know?"
MARKED = {ZOE, ZOES_MAIL, ZOES_POST, ZOES_WORDS, "nobody.marker@hospital.example", "Marker figures"}

#: Where a copy of everything goes that the broker carries.
_TAP = "tap"

#: Seconds without a sign of life of partners after which nothing is done that weighs.
SILENCE = 8

pytestmark = pytest.mark.timeout(240)


@dataclass
class World:
    """Three running services and what stands around them."""

    home: Path
    variables: dict[str, str]
    running: dict[str, Running]
    mail: RecordingMailServer
    broker: str

    @property
    def urls(self) -> dict[str, str]:
        """The address of each service's database."""
        settings = Settings.load({"CONDUIT_HOME": str(self.home), **self.variables})
        return Installation(settings).urls()

    def get(self, service: str, path: str) -> httpx.Response:
        running = self.running[service]
        return httpx.get(running.url + path, timeout=20, follow_redirects=True, cookies=running.cookies)

    def get_as(self, service: str, path: str, person: Person, ago: timedelta) -> httpx.Response:
        """With a token that was made so long ago, and no way to another one."""
        held = cookies(self.home / "keys", person, now=datetime.now(UTC) - ago)
        return httpx.get(self.running[service].url + path, timeout=20, cookies=held)

    def select(self, service: str, query: str) -> list[asyncpg.Record]:
        """Look into the database of a service."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.urls[service])
            try:
                return list(await connection.fetch(query))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def post_json(self, path: str, document: Any) -> httpx.Response:
        once = {"idempotency-key": str(uuid4())}
        return self.post(path, json=document, headers=once)

    def post(self, path: str, service: str = NOTIFICATIONS, **content: Any) -> httpx.Response:
        running = self.running[service]
        return httpx.post(running.url + path, timeout=20, cookies=running.cookies, **content)

    def send(self, campaign: str) -> httpx.Response:
        """Submit a draft, approve it as somebody else, and let its letters go."""
        page = f"/letters/api/v1/campaigns/{campaign}"
        assert self.post_json(f"{page}/submit", {}).status_code == 200
        assert approve_at(self.running[NOTIFICATIONS].url, self.home / "keys", campaign)
        return self.post_json(f"{page}/send", {})

    def command(self, *arguments: str) -> str:
        done = conduit(*arguments, home=self.home, **self.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def eventually(look: Callable[[], Any], within: float = 60) -> Any:
    """What ``look`` gives once it gives something true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)
    return seen


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres, module_broker: str
) -> Iterator[World]:
    home = tmp_path_factory.mktemp("large") / "home"
    with RecordingMailServer() as mail:
        variables = {
            "CONDUIT_HOUSE_FILE": str(EXAMPLES / "house.toml"),
            "CONDUIT_DATABASE_URL": postgres.url,
            "CONDUIT_DATABASE_PREFIX": "three_processes",
            "CONDUIT_AMQP_URL": module_broker,
            "CONDUIT_SMTP_URL": f"smtp://{mail.host}:{mail.port}",
            "CONDUIT_MAIL_RATE": "500",
            "CONDUIT_SILENCE": str(SILENCE),
            "CONDUIT_MAIL_RETRY": "0.2",
        }
        for command in ("migrate", "declare"):
            prepared = conduit(command, home=home, **variables)
            assert prepared.returncode == 0, prepared.stderr
        listen_in(module_broker)
        running = {service: Running(home, "--only", service, **variables) for service in SERVICES}
        try:
            for service in SERVICES:
                running[service].start()
            for service in SERVICES:
                running[service].wait_until_ready()
            yield World(home, variables, running, mail, module_broker)
        finally:
            codes = {service: running[service].stop() for service in SERVICES}
        assert set(codes.values()) == {0}


def test_the_campaign_goes_from_files_to_answers(world: World) -> None:
    """One long test, because it is one story: each part needs what the part before has brought about."""
    files_are_imported_and_heard_of(world)
    campaign = the_campaign_is_written_and_sent(world)
    every_letter_arrived_once(world)
    two_answer_from_the_link_in_their_letter(world)
    figures = figures_of(world, campaign)
    assert {name: figures[name] for name in ("asked", "declined", "acknowledged", "never_acknowledged")} == {
        "asked": 33,
        "declined": 1,
        "acknowledged": 2,
        "never_acknowledged": 31,
    }
    partners_shows_it_on_the_timeline(world)
    somebody_is_invited_signs_in_and_is_barred(world)
    somebody_sees_everything_that_is_held_on_them(world)
    an_auditor_is_mailed_how_far_the_records_go(world)
    letters_meet_every_fate(world)
    somebody_answers_everything_there_is(world)
    somebody_looks_after_her_account_and_makes_mistakes(world)
    errors_quote_nobody(world)
    nothing_is_left_over(world)
    nobody_is_named_where_others_look(world)
    somebody_is_forgotten_everywhere(world)


def figures_of(world: World, campaign: str) -> Any:
    return world.get(NOTIFICATIONS, f"/letters/api/v1/campaigns/{campaign}").json()


def findings_of(world: World) -> Any:
    """What ``conduit check`` finds, good or bad."""
    return last_line_as_json(conduit("check", "--json", home=world.home, **world.variables).stdout)


def files_are_imported_and_heard_of(world: World) -> None:
    first = world.command("import", "partners", str(EXAMPLES / "partners.csv"), "--json")
    assert last_line_as_json(first)["new"] == 135
    again = world.command("import", "partners", str(EXAMPLES / "partners.csv"), "--json")
    assert last_line_as_json(again)["new"] == 0
    world.command("import", "registrations", str(EXAMPLES / "registrations.csv"))
    eventually(lambda: no_outbox_waits(world))


def the_campaign_is_written_and_sent(world: World) -> str:
    plan = tomllib.loads((EXAMPLES / "campaign.toml").read_text(encoding="utf-8"))
    made = world.post_json("/letters/api/v1/campaigns", plan)
    assert made.status_code == 201, made.text
    campaign = str(made.json()["id"])

    def heard_of_everything() -> bool:
        """The letters are written from copies; written anew until the copies have come."""
        written = world.post(f"/letters/campaigns/{campaign}/letters", data={"key": form_key()})
        assert written.status_code == 303
        return bool(figures_of(world, campaign)["letters"]["draft"] == 99)

    eventually(heard_of_everything)
    sent = world.send(campaign)
    assert (sent.status_code, sent.json()["letters"]) == (202, 99)
    eventually(lambda: figures_of(world, campaign)["letters"]["sent"] == 99)
    return campaign


def every_letter_arrived_once(world: World) -> None:
    recipients = Counter(message.recipients[0] for message in world.mail.messages)
    assert len(recipients) == 99
    assert set(recipients.values()) == {1}


def two_answer_from_the_link_in_their_letter(world: World) -> None:
    answer(world, "chief.executive@camden-pct.example", {"answer": "acknowledge"})
    answer(
        world,
        "chief.executive@westminster-pct.example",
        {"answer": "decline", "reason": "No means. Jo Bloggs"},
    )


def answer(world: World, address: str, fields: dict[str, str]) -> None:
    url = response_page(world, address)
    key = key_on(httpx.get(url, timeout=20))
    assert httpx.post(url, data={**fields, "key": key}, timeout=20).status_code == 303


def response_page(world: World, address: str) -> str:
    """Where the first letter to this address can be answered."""
    message = world.mail.to(address)[0]
    text = message.parsed.get_body(("plain",))
    assert text is not None
    link = re.search(r"http://\S+/letters/r/[0-9a-z]{26}", text.get_content())
    assert link
    return world.running[NOTIFICATIONS].url + "/letters/r/" + link.group().rpartition("/")[2]


def partners_shows_it_on_the_timeline(world: World) -> None:
    listed = world.get(PARTNERS, "/partners/organisations?q=westminster+primary+care+trust").text
    found = re.search(r"/partners/organisations/[0-9a-f-]{36}", listed)
    assert found
    page = eventually(lambda: (t := world.get(PARTNERS, found.group()).text) and ("refusal" in t) and t)
    assert "sent" in page
    assert "Jo Bloggs" not in page


def somebody_is_invited_signs_in_and_is_barred(world: World) -> None:
    """By the command and by mail; each process learns by itself what they may do."""
    amina, marek = "amina@forum.example", "marek@forum.example"
    for email, role in ((marek, "ops"), (amina, "staff")):
        world.command("person", "invite", email, "--name", "Marker Person", "--role", role)
    eventually(lambda: world.mail.to(marek) and world.mail.to(amina))
    with httpx.Client(timeout=20) as browser:
        sign_in(world, browser, amina)
        letters = world.running[NOTIFICATIONS].url + "/letters/"
        assert browser.get(letters).status_code == 200
        world.command("person", "roles", amina, "--role", "trustee")
        eventually(lambda: browser.get(letters).status_code == 303, within=30)
        renewed = browser.get(world.running[PARTNERS].url + "/partners/renew")
        assert renewed.status_code == 303
        assert browser.get(letters).status_code == 403
        assert browser.get(world.running[GRANTS].url + "/grants/").status_code == 200
        world.command("person", "bar", amina)
        grants = world.running[GRANTS].url + "/grants/"
        eventually(lambda: browser.get(grants).status_code == 303, within=30)
        said = browser.get(world.running[PARTNERS].url + "/partners/renew").headers["location"]
        assert said.startswith("/partners/sign-in")
    listed = last_line_as_json(world.command("person", "list", "--json"))
    assert {(each["email"], each["barred_at"] is None) for each in listed} == {(amina, False), (marek, True)}


def an_auditor_is_mailed_how_far_the_records_go(world: World) -> None:
    """Each service looks once an hour whether a week has begun, and when it starts: so they are restarted."""
    ingrid = "ingrid@forum.example"
    world.command("person", "invite", ingrid, "--name", "Marker Person", "--role", "auditor")
    eventually(lambda: world.mail.to(ingrid))
    # Partners last, so that it has heard of the others when it looks; and once more, when all is said.
    for services in ((GRANTS, NOTIFICATIONS), (PARTNERS,), SERVICES):
        for service in services:
            assert world.running[service].stop() == 0
            world.running[service].start()
        for service in services:
            world.running[service].wait_until_ready()
            eventually(partial(has_looked, world, service))
        eventually(lambda: no_outbox_waits(world))
    (message,) = eventually(lambda: world.mail.to(ingrid)[1:])
    text = message.parsed.get_body(("plain",)).get_content()
    commands = re.findall(r"^conduit (audit verify --service (\w+) .*?)\r?$", text, re.MULTILINE)
    assert [service for _, service in commands] == [PARTNERS, GRANTS, NOTIFICATIONS]
    for command, service in commands:
        assert world.command(*command.split()).startswith(f"{service}: row ")
    said = [row["type"] for row in world.select(PARTNERS, "SELECT type FROM outbox")]
    assert said.count("partners.chain_heads_reported.v1") == 1


def has_looked(world: World, service: str) -> bool:
    """Whether this process has seen to it that it is known how far its record goes."""
    running = world.running[service]
    text = httpx.get(f"http://127.0.0.1:{running.metrics_port}/metrics", timeout=20).text
    line = r'^conduit_timer_last_success_timestamp_seconds\{name="\w+ heads?",service="%s"\} (\S+)$'
    (moment,) = re.findall(line % service, text, re.MULTILINE)
    return float(moment) > 0


def sign_in(world: World, browser: httpx.Client, email: str) -> None:
    """By the code in the mail. Cookies do not know ports, so one browser goes to all three processes."""
    page = world.running[PARTNERS].url + "/partners/sign-in"
    before = len(world.mail.to(email))
    browser.post(page, data={"key": key_on(browser.get(page)), "email": email})
    message = eventually(lambda: world.mail.to(email)[before:])[0]
    text = message.parsed.get_body(("plain",))
    code = re.search(r"\b(\d{3}) (\d{3})\r?$", text.get_content(), re.MULTILINE)
    assert code
    fields = {"key": key_on(browser.get(f"{page}/sent")), "code": "".join(code.groups())}
    assert browser.post(f"{page}/code", data=fields).status_code == 303


CEO = "chief.executive@westminster-pct.example"


def somebody_sees_everything_that_is_held_on_them(world: World) -> None:
    """By the command; a member of staff looks through it on its page before it leaves."""
    said = world.command("person", "export", CEO)
    for service in SERVICES:
        assert f"{service}: gathered" in said
    found = re.search(r"http://\S+(/partners/rights/[0-9a-f-]{36})", said)
    assert found
    page = found.group(1)
    file = world.home.parent / "everything.zip"
    early = conduit("person", "export", CEO, "--to", str(file), home=world.home, **world.variables)
    assert early.returncode == 1
    assert "looked through" in early.stderr
    partners = world.running[PARTNERS]
    fields = {"key": key_on(world.get(PARTNERS, page)), "confirm": "yes"}
    released = httpx.post(f"{partners.url}{page}/release", data=fields, cookies=partners.cookies, timeout=20)
    assert released.status_code == 303
    world.command("person", "export", CEO, "--to", str(file))
    assert file.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(file) as archive:
        assert CEO in archive.read("index.html").decode()
        told = [json.loads(archive.read(name)) for name in archive.namelist() if "/letters/" in name]
    assert [answer["detail"] for letter in told for answer in letter["answers"]] == ["No means. Jo Bloggs"]


def somebody_is_forgotten_everywhere(world: World) -> None:
    refused = conduit("person", "erase", "marek@forum.example", "--yes", home=world.home, **world.variables)
    assert refused.returncode == 1
    assert "They may still sign in" in refused.stderr
    letters = len(world.mail.to(CEO))
    said = world.command("person", "erase", CEO, "--yes")
    assert "They are forgotten." in said
    assert "Stays: That letters went to their organisation" in said
    [told] = eventually(lambda: world.mail.to(CEO)[letters:])
    assert "You have asked us to forget you" in str(told.parsed.get_body(("plain",)))
    for service, url in world.urls.items():
        whole = asyncio.run(everything_in(url))
        assert [words for words in (CEO, "Jo Bloggs") if words in whole] == [], service
    chains = last_line_as_json(world.command("audit", "verify", "--json"))
    assert [chain["broken_at"] for chain in chains.values()] == [None] * 3


async def everything_in(url: str) -> str:
    """All rows of all tables of a service, as text."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables")
        rows = [await connection.fetch(f'SELECT * FROM "{table["relname"]}"') for table in tables]
    finally:
        await connection.close()
    return as_text(rows)


def key_on(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found
    return found.group(1)


def letters_meet_every_fate(world: World) -> None:
    """Some are refused, delayed or lost, by mail servers that name the recipient; a person settles them."""
    refused, later, lost = (f"chief.executive@{area}-pct.example" for area in ("camden", "brent", "ealing"))
    world.mail.treat(Treatment(reply=f"550 5.1.1 <{refused}> is not here", to="recipient"), refused)
    world.mail.treat(Treatment(reply=f"451 4.3.0 <{later}> is busy"), later, times=1)
    world.mail.treat(CUT_AFTER_DOT, lost)
    plan = tomllib.loads((EXAMPLES / "campaign.toml").read_text(encoding="utf-8"))
    plan |= {"name": "Once more", "recipients": {"kind": "primary_care_trust", "roles": ["chief_executive"]}}
    campaign = str(world.post_json("/letters/api/v1/campaigns", plan).json()["id"])
    assert world.send(campaign).status_code == 202

    def settled() -> bool:
        states = figures_of(world, campaign)["letters"]
        return (states["sent"], states["failed"], states["unknown"]) == (31, 1, 1)

    eventually(settled)
    world.mail.accept_everything()
    trouble = world.select(
        NOTIFICATIONS, "SELECT id, state FROM letters WHERE state IN ('failed', 'unknown')"
    )
    for letter in trouble:
        act = "again" if letter["state"] == "failed" else "arrived"
        told = world.post(f"/letters/letters/{letter['id']}/{act}", data={"key": form_key()})
        assert told.status_code == 303
    eventually(lambda: figures_of(world, campaign)["letters"]["sent"] == 33)


def somebody_answers_everything_there_is(world: World) -> None:
    """With her name, her position and her words; and staff see to it."""
    who = {"name": ZOE, "position": ZOES_POST}
    answer(world, "dental.care@camden-pct.example", {"answer": "pledge", "amount": "1,500", **who})
    answer(world, "dental.care@ealing-pct.example", {"answer": "ask", "question": ZOES_WORDS, **who})
    answer(world, "dental.care@brent-pct.example", {"answer": "decline", "reason": ZOES_WORDS, **who})
    for row in world.select(NOTIFICATIONS, "SELECT id, kind FROM answers WHERE kind IN ('pledge', 'ask')"):
        path = f"pledges/{row['id']}/confirm" if row["kind"] == "pledge" else f"answers/{row['id']}/settle"
        assert world.post(f"/letters/{path}", data={"key": form_key()}).status_code == 303
    eventually(lambda: world.select(GRANTS, "SELECT FROM pledges"))


def sends_early(world: World, browser: httpx.Client) -> None:
    """A form before one has signed in: it is kept."""
    partners = world.running[PARTNERS].url
    early = {"name": ZOE, "email": ZOES_MAIL, "roles": "staff", "key": form_key()}
    sent = browser.post(f"{partners}/partners/people/invite", data=early)
    kept = browser.post(partners + sent.headers["location"], data=early)
    assert kept.headers["location"].startswith("/partners/sign-in")


def somebody_looks_after_her_account_and_makes_mistakes(world: World) -> None:
    """A second factor, a program, wrong codes, a form that comes too early; she is barred in the end."""
    partners, account = world.running[PARTNERS].url + "/partners", "/account"
    world.command("person", "invite", ZOES_MAIL, "--name", ZOE, "--role", "ops", "--role", "staff")
    eventually(lambda: world.mail.to(ZOES_MAIL))
    with httpx.Client(timeout=20) as browser:
        sends_early(world, browser)
        for address in ("nobody.marker@hospital.example", ZOES_MAIL):
            form = {"key": key_on(browser.get(f"{partners}/sign-in")), "email": address}
            browser.post(f"{partners}/sign-in", data=form)
            wrong = {"key": key_on(browser.get(f"{partners}/sign-in/sent")), "code": "0"}
            assert browser.post(f"{partners}/sign-in/code", data=wrong).status_code == 422
        eventually(lambda: len(world.mail.to(ZOES_MAIL)) == 2)
        sign_in(world, browser, ZOES_MAIL)
        assert ZOE not in browser.get(f"{partners}/kept").text, "it was made in nobody's session"
        page = browser.get(f"{partners}{account}/second-factor")
        found = re.search(r'class="code">([A-Z2-7 ]+)<', page.text)
        assert found
        totp = pyotp.TOTP(found.group(1).replace(" ", ""))
        for code in ("000000", totp.now()):
            browser.post(f"{partners}{account}/second-factor", data={"key": key_on(page), "code": code})
        form = {"key": key_on(browser.get(f"{partners}{account}/tokens")), "name": "Marker figures"}
        made = browser.post(f"{partners}{account}/tokens", data={**form, "role": "staff", "days": "3"})
        assert "conduit_" in browser.get(partners.removesuffix("/partners") + made.headers["location"]).text
        browser.post(f"{partners}{account}/sign-out", data={"key": key_on(browser.get(partners + account))})
    with httpx.Client(timeout=20) as another:
        sends_early(world, another)  # and never comes back for it
    world.command("person", "bar", ZOES_MAIL)


def errors_quote_nobody(world: World) -> None:
    """What is refused is told by what is wrong with it, and not by what it was."""
    api, page = "/letters/api/v1/campaigns", "/partners/organisations"
    document, once = {"name": ZOE, "purpose": ZOES_WORDS, "fund": 3}, {"idempotency-key": "zoe-12345678"}
    token = response_page(world, "dental.care@brent-pct.example").partition("/letters/")[2]
    pledge = {"answer": "pledge", "amount": "1", "name": ZOE, "position": ZOES_POST}
    somebody = {"key": "12345678", "name": ZOE, "email": ZOES_MAIL, "roles": "staff"}
    answers = [
        (422, world.post(api, json=document, headers=once)),
        (400, world.post(api, content=f"{{{ZOE}", headers={"content-type": "application/json"})),
        (415, world.post(api, content=ZOES_MAIL, headers={"content-type": "text/plain"})),
        (400, world.post(f"/letters/{token}", data=pledge)),
        (422, world.post(f"/letters/{token}", data={"answer": ZOES_WORDS})),
        (409, world.post("/partners/people/invite", PARTNERS, data=somebody)),
        (405, world.post("/partners/organisations", PARTNERS, data={"name": ZOE})),
        (404, world.get(PARTNERS, f"{page}/{ZOES_MAIL}")),
        (404, world.get(PARTNERS, f"/partners/api/v1/organisations/{ZOES_MAIL}")),
        (400, world.get(PARTNERS, f"{page}?after={ZOES_MAIL}")),
        (404, world.get(NOTIFICATIONS, f"/letters/r/{ZOES_MAIL}")),
        (404, world.get(GRANTS, f"/grants/{ZOES_MAIL}")),
    ]
    for status, answer in answers:
        said = answer.text + str(answer.headers)
        assert answer.status_code == status, answer.request.url
        assert [word for word in MARKED if word in said] == [], answer.request.url


def nothing_is_left_over(world: World) -> None:
    eventually(lambda: no_outbox_waits(world))
    assert last_line_as_json(world.command("events", "parked", "--json")) == []
    chains = last_line_as_json(world.command("audit", "verify", "--json"))
    assert all(chain["rows"] and chain["broken_at"] is None for chain in chains.values()), chains
    said = [json.loads(line) for line in world.command("audit", "export", PARTNERS).splitlines()]
    assert [row["number"] for row in said] == list(range(1, len(said) + 1))
    theirs = {"second_factor_set_up", "recovery_codes_made", "wrong_code", "token_issued", "signed_out"}
    assert {"partners_imported", "admitted", "signed_in", "roles_changed", "barred"} | theirs <= {
        row["action"] for row in said
    }
    assert {"export_requested", "released", "given_out"} <= {row["action"] for row in said}
    assert not re.search("@|Marker", str(said))
    findings = last_line_as_json(world.command("check", "--json"))
    assert [finding for finding in findings if not finding["good"]] == []
    says = {finding["what"]: finding["says"] for finding in findings}
    assert says.keys() >= {"partners.inbox", "grants.dead", "database of grants"}
    assert [says[f"outbox of {service}"] for service in SERVICES] == ["everything is published"] * 3
    for service in SERVICES:
        log = world.running[service].log.read_text()
        assert "Jo Bloggs" not in log
        assert "@" not in log.replace("you@body.example", "what to type first is no address")


def nobody_is_named_where_others_look(world: World) -> None:
    """The people of this story in no log, metric, event, reason for parking or row of the audit."""
    with (EXAMPLES / "partners.csv").open(encoding="utf-8", newline="") as file:
        contacts = [row for row in csv.DictReader(file) if row["contact_name"]]
    people = {"Marker Person", "Jo Bloggs", *MARKED}
    people |= {f"{name}@forum.example" for name in ("amina", "marek", "ingrid")}
    columns = ("contact_name", "contact_email", "contact_postcode")
    people |= {row[column] for row in contacts for column in columns if row[column]}
    lines = [line for row in contacts for line in row["contact_address"].split(";")]
    people |= {line for line in lines if re.match(r"\d+ \w+ \w+", line)}
    assert len(people) > 300
    carried = overheard(world.broker)
    assert len(carried) > 500
    assert {
        "partners.contact_listed.v1",
        "partners.sign_in_requested.v1",
        "notifications.letter_failed.v1",
    } <= {
        json.loads(body)["type"] for body in carried if body.startswith("{")
    }  # the others are signs of life
    seen = {"the broker": "\n".join(carried)}
    for service in SERVICES:
        running = world.running[service]
        seen[f"the log of {service}"] = running.log.read_text()
        metrics = httpx.get(f"http://127.0.0.1:{running.metrics_port}/metrics", timeout=20)
        seen[f"the metrics of {service}"] = metrics.text
        seen[f"the tables of {service}"] = kept(world, service)
    for place, text in seen.items():
        assert text, place
        assert [name for name in people if name in text or json.dumps(name)[1:-1] in text] == [], place


def kept(world: World, service: str) -> str:
    """What a service has said to others, could not use, and keeps of what people did."""
    tables = [table for table in _LOOKED_AT if service == PARTNERS or table in _LOOKED_AT[:5]]
    found = {table: world.select(service, f"SELECT * FROM {table}") for table in tables}
    assert found["outbox"]
    assert service != PARTNERS or (found["kept_forms"] and found["sign_ins"])
    return as_text(found.values())


def as_text(tables: Iterable[Any]) -> str:
    return "\n".join(
        value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for rows in tables
        for row in rows
        for value in row.values()
    )


def listen_in(url: str) -> None:
    """Have the broker keep a copy of everything that it carries."""
    with administrator(url) as channel:
        channel.queue_declare(_TAP, durable=True, auto_delete=False)
        for exchange in EXCHANGES.values():
            channel.queue_bind(_TAP, exchange, "#")


def overheard(url: str) -> list[str]:
    """The bodies of everything that the broker has carried."""
    carried = []
    with administrator(url) as channel:
        while (message := channel.basic_get(_TAP, no_ack=True)) is not None:
            body = message.body
            carried.append(body.decode(errors="replace") if isinstance(body, bytes) else str(body))
    return carried


def no_outbox_waits(world: World) -> bool:
    waiting = "SELECT FROM outbox WHERE published_at IS NULL LIMIT 1"
    return not any(world.select(service, waiting) for service in SERVICES)


def test_ops_settles_what_grants_has_put_aside(world: World) -> None:
    """On the page of partners, which hears of it from grants and is told when it is done."""
    page = "/partners/ops"
    with administrator(world.broker) as channel:
        channel.basic_publish(Message(b"{", content_type=CONTENT_TYPE), routing_key=INBOXES[GRANTS])
    [row] = eventually(lambda: world.select(GRANTS, "SELECT id FROM parked"))
    shown = eventually(lambda: (t := world.get(PARTNERS, page).text) and str(row["id"]) in t and t, within=90)
    for service in SERVICES:
        assert f"{service.capitalize()}: " in shown, "it has said what it does by itself"
    assert "not heard" not in shown
    asks = f"{page}/grants/discard/{row['id']}"
    form = world.get(PARTNERS, asks)
    [seen] = re.findall(r'name="seen" value="([^"]+)"', form.text)
    fields = {"key": key_on(form), "seen": seen, "confirm": "yes"}
    assert [world.post(asks, PARTNERS, data=fields).status_code for _ in range(2)] == [303, 303]
    eventually(lambda: not world.select(GRANTS, "SELECT FROM parked"))
    eventually(lambda: ": 1 message<" in world.get(PARTNERS, page).text)


def test_a_service_that_is_away_hears_of_everything_later(world: World) -> None:
    """Grants is stopped; partners announces; grants comes back and knows."""
    world.running[GRANTS].stop()
    lines = (EXAMPLES / "partners.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if CEO not in line]  # who was forgotten is in no list any more
    file = world.home.parent / "changed.csv"
    file.write_text("\n".join(kept).replace("Migrants Rights Network", "MRN renamed"), encoding="utf-8")
    report = last_line_as_json(world.command("import", "partners", str(file), "--json"))
    assert report["changed"] == 1
    eventually(lambda: no_outbox_waits(world))
    assert any(f["what"] == "grants.inbox" and not f["good"] for f in findings_of(world))

    world.running[GRANTS].start()
    world.running[GRANTS].wait_until_ready()

    def grants_inbox() -> bool:
        (found,) = [each for each in findings_of(world) if each["what"] == "grants.inbox"]
        return bool(found["good"]) and found["says"].startswith("0 waiting")

    eventually(grants_inbox)


def test_a_copy_is_rebuilt_from_its_owner_and_no_letter_goes_twice(world: World) -> None:
    before = len(world.mail.messages)
    said = world.command("events", "replay", "--rebuild", "notifications.contacts")
    assert said.startswith("247 announced again")
    eventually(lambda: no_outbox_waits(world))
    assert len(world.mail.messages) == before
    assert last_line_as_json(world.command("events", "parked", "--json")) == []


def test_while_partners_is_away_people_read_on_and_money_waits(world: World) -> None:
    """Beyond the end of their sessions. Nobody is let in who was barred, and what waited is done later."""
    pledge = somebody_pledges(world)
    late = LIFETIME * 2
    assert world.get_as(NOTIFICATIONS, "/letters/", EVERYTHING, late).status_code == 303
    world.running[PARTNERS].stop()

    eventually(lambda: world.get_as(NOTIFICATIONS, "/letters/", EVERYTHING, late).status_code == 200)
    for service, path in ((NOTIFICATIONS, "/letters/"), (GRANTS, "/grants/")):
        for ago in (timedelta(0), late):
            page = eventually(lambda: is_told(world.get_as(service, path, EVERYTHING, ago)))  # noqa: B023
            assert "you can read; what concerns money or decisions waits." in page
    assert world.get_as(GRANTS, "/grants/api/v1/registrations/counts", EVERYTHING, late).status_code == 200
    refused = world.post(f"/letters/pledges/{pledge}/confirm", data={"key": form_key()})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "Partners, which says who may still act, has not been heard from since" in refused.text
    assert "Nothing was changed." in refused.text
    assert heard(world) == {GRANTS: False, NOTIFICATIONS: False}
    a_copy_that_is_rebuilt_meanwhile_forgets_nobody(world)

    world.running[PARTNERS].start()
    world.running[PARTNERS].wait_until_ready()
    eventually(lambda: heard(world) == {GRANTS: True, NOTIFICATIONS: True})
    done = eventually(lambda: confirmed(world, pledge))
    assert done.headers["location"].endswith("?done=confirmed")
    assert world.get_as(NOTIFICATIONS, "/letters/", EVERYTHING, late).status_code == 303
    assert 'class="hush"' not in world.get(GRANTS, "/grants/").text


def somebody_pledges(world: World) -> str:
    """The id of a pledge that waits to be confirmed."""
    fields = {"answer": "pledge", "amount": "3,400", "name": "Jo Bloggs", "position": "Finance"}
    answer(world, "chief.executive@barnet-pct.example", fields)
    [row] = world.select(
        NOTIFICATIONS, "SELECT id FROM answers WHERE kind = 'pledge' AND confirmed_at IS NULL"
    )
    return str(row["id"])


def is_told(page: httpx.Response) -> str:
    """The page, once its frame says that partners is silent."""
    return page.text if page.status_code == 200 and 'class="hush"' in page.text else ""


def confirmed(world: World, pledge: str) -> httpx.Response | None:
    response = world.post(f"/letters/pledges/{pledge}/confirm", data={"key": form_key()})
    return response if response.status_code == 303 else None


def heard(world: World) -> dict[str, bool]:
    """Who hears partners, as ``conduit check`` says it."""
    said = {finding["what"]: finding["good"] for finding in findings_of(world)}
    return {service: said[f"partners heard by {service}"] for service in (GRANTS, NOTIFICATIONS)}


def a_copy_that_is_rebuilt_meanwhile_forgets_nobody(world: World) -> None:
    """The snapshots wait in partners' outbox; meanwhile grants goes by what it has, and starts anew."""
    rows = [json.loads(line) for line in world.command("audit", "export", PARTNERS).splitlines()]
    barred, *_ = [UUID(row["object"]) for row in rows if row["action"] == "barred"]
    amina = replace(EVERYTHING, id=barred)
    statement = "SELECT epoch, version, roles, barred FROM standings ORDER BY person_id"
    before = world.select(GRANTS, statement)
    assert world.command("events", "replay", "--rebuild", "grants.people").startswith("4 announced again")
    assert world.command("events", "replay", "--rebuild", "grants.tokens").startswith("1 announced again")
    assert world.select(GRANTS, statement) == before
    world.running[GRANTS].stop()
    world.running[GRANTS].start()
    world.running[GRANTS].wait_until_ready()
    for ago in (timedelta(0), LIFETIME * 2):
        assert world.get_as(GRANTS, "/grants/", amina, ago).status_code == 303
    assert world.get_as(GRANTS, "/grants/", EVERYTHING, LIFETIME * 2).status_code == 200
