"""Every route of every service, with things in it that are there: looking changes nothing, and nothing is
changed by a request that another site could send.
"""

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.audit import BY_COMMAND, acting, note
from chassis.config import Settings
from chassis.database import Database, Transaction
from chassis.files import keep_file
from chassis.inbox import Inbox
from chassis.transports import Delivery
from chassis.web import Gate, environment
from contracts.access import ACCOUNT, OPEN_DATA, RENEW, RULES, Action, Role
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.grants import imports as registration_imports
from services.grants import meetings
from services.grants.applying import token_of as token_of_application
from services.grants.contributions import Pledge, enter_pledge
from services.grants.funds import keep_terms
from services.grants.imports import import_registrations
from services.notifications.answers import Answer, record_answer
from services.notifications.chasing import order_by_post
from services.notifications.domain import AnswerKind, StopScope
from services.notifications.letters import letter_to_area, lock_letter, token_of
from services.notifications.posting import order_batch
from services.notifications.printing import Printer
from services.notifications.receiving import receive as take_in_mail
from services.notifications.stops import stop
from services.partners import (
    agreements,
    imports,
    people,
    referrals,
    rights,
    signing,
    tagging,
    timeline,
    tokens,
    views,
)
from services.partners.examples import agree
from services.partners.formats import OURS
from services.partners.imports import Defaults, import_partners
from services.partners.operations import note_own_report
from services.partners.partners_file import ORGANISATION_COLUMNS
from services.partners.services_file import import_services
from services.partners.signing import Signer
from tests.access import EVERYTHING, form_key, token
from tests.conftest import EXAMPLES, MakeDatabase
from tests.crawling import contents
from tests.grants.applying import an_application
from tests.grants.awarding import INVOICED, a_paid, a_prepared
from tests.grants.awarding import token_of as token_of_award
from tests.grants.filling import a_fund, a_round, money_comes
from tests.grants.panelling import a_case, a_conflict, a_member, closes, sits
from tests.grants.registering import asks as asks_to_register
from tests.grants.registering import registers
from tests.grants.test_handlers import a_pledge, receive
from tests.grants.test_published import a_decided
from tests.notifications.conftest import AREAS, drafted, fill, released
from tests.partners.browsing import EMAIL, asks, key_in, mailed, path_of, sets_up, signs_in
from tests.test_permission import MOUNTS

#: A column that says when somebody was here last, and is no content.
SEEN = "renewed_at"
#: What goes on after a sign-in, form and all: it is kept until then, and acts by being sent once more.
GOES_ON = {"/renew", "/prove/first"}
#: What only looks, and is sent so that whom one looks for, or what one writes, stands in no address.
LOOKS = {
    "/rights/new/find",
    "/campaigns/{id}/who/check",
    "/campaigns/{id}/words/check",
    "/campaigns/{id}/chasing/check",
    "/letters/{id}/words/check",
}
LOOKS |= {"/words/{kind}/{language}/check"}
LOOKS |= {"/campaigns/{id}/words/mail", "/campaigns/{id}/chasing/mail", "/letters/{id}/words/mail"}
#: Where it is written down that somebody looked.
NOTED = {"/rights/{id}/archive", "/rights/{id}/files/{service}/{number}"}
NOTED |= {"/exports/organisations.csv", "/exports/contacts.csv", "/exports/register.xlsx"}
NOTED |= {"/applications/{id}/dossier.json", "/applications/{id}/dossier.pdf"}
NOTED |= {"/organisations/{id}/contacts.vcf", "/contacts/{id}/card.vcf"}
#: Where somebody is paid.
NOTED |= {"/payments/{id}/make"}


@dataclass
class Opened:
    """A service with something of each kind in it, and a browser of somebody who may do everything."""

    app: Starlette
    mount: str
    database: Database
    browser: httpx.AsyncClient
    #: The key of a form of their session.
    key: str
    #: What may stand in braces in an address, besides the ids in the database.
    words: dict[str, list[str]]
    #: These, once they were looked up.
    ids: Sequence[str] = ()

    def routes(self, method: str) -> Iterator[Route]:
        yield from (r for r in self.app.routes if isinstance(r, Route) and method in (r.methods or ()))

    async def addresses(self, route: Route) -> list[str]:
        """Where the route leads, with whatever is there."""
        names = re.findall(r"\{(\w+)\}", route.path)
        self.ids = self.ids or await ids_in(self.database)
        choices = [self.words.get(name) or self.ids for name in names]
        return [
            self.mount + route.path.format(**dict(zip(names, chosen, strict=True)))
            for chosen in product(*choices)
        ]


async def ids_in(database: Database) -> list[str]:
    """Two ids of every column that holds some."""
    async with database.reading() as tx:
        columns = await tx.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'uuid' ORDER BY 1, 2"
        )
        found: list[UUID] = []
        for table, column in columns:
            rows = await tx.fetch(
                f'SELECT DISTINCT "{column}" AS id FROM "{table}" WHERE "{column}" IS NOT NULL LIMIT 2'
            )
            found += [row["id"] for row in rows]
    return [str(id) for id in dict.fromkeys(found)]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, public_url="https://forum.example", smtp_url="smtp://127.0.0.1:1")


@pytest.fixture(params=SERVICES)
async def opened(request: pytest.FixtureRequest, make_database: MakeDatabase) -> AsyncIterator[Opened]:
    service: str = request.param
    database = await make_database(service)
    app: Starlette = import_module(f"services.{service}.web").build(database)
    async with gated(app, database, service) as browser:
        opened = Opened(app, MOUNTS[service], database, browser, form_key(), {})
        await FILLING[service](opened)
        async with acting(database, BY_COMMAND) as tx:
            note(tx, "opened", "thing", "1")
        yield opened


@asynccontextmanager
async def gated(app: Starlette, database: Database, service: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the gate, by the public name."""
    settings = database.context.settings
    gate = Gate(app, settings, environment(database.context.house, ()))
    transport = httpx.ASGITransport(gate, root_path=MOUNTS[service])
    async with httpx.AsyncClient(transport=transport, base_url="https://forum.example") as browser:
        browser.cookies.set("__Host-conduit", token(settings.keys_folder), "forum.example", "/")
        yield browser


async def files_to_take_in(database: Database) -> None:
    """A file that nobody has said anything of, and one that was read and compared."""
    for read in (False, True):
        async with database.transaction() as tx:
            kept = await keep_file(tx, name="list.csv", media_type="text/csv", content=a_list())
            id = await imports.begin(tx, file_id=kept.id, file_name=kept.name, format=OURS, source="test")
            if read:
                await imports.choose(
                    tx,
                    id,
                    format=OURS,
                    names=None,
                    speaks_of=ORGANISATION_COLUMNS,
                    defaults=Defaults(),
                    actor=BY_COMMAND,
                )
    while await imports.IMPORTING.turn(database):
        pass


async def registrations_to_take_in(database: Database) -> None:
    """A file of registrations that was read and compared."""
    async with database.transaction() as tx:
        kept = await keep_file(tx, name="list.csv", media_type="text/csv", content=some_registrations())
        await registration_imports.begin(tx, file_id=kept.id, file_name=kept.name, actor=BY_COMMAND)
    while await registration_imports.IMPORTING.turn(database):
        pass


async def something_put_aside(database: Database) -> None:
    """A message that could not be read, and that it is said so."""
    await Inbox(database, ()).take([Delivery(body=b"{")])
    async with database.transaction() as tx:
        await note_own_report(tx)


async def some_registrations() -> AsyncIterator[bytes]:
    yield (EXAMPLES / "registrations.csv").read_bytes()[:20_000]


async def a_list() -> AsyncIterator[bytes]:
    yield (EXAMPLES / "partners.csv").read_bytes()


async def a_register(opened: Opened) -> None:
    """Partners with people in it, one of whom has signed in in two browsers and waits for another link."""
    await import_partners(opened.database, EXAMPLES / "partners.csv", dry_run=False)
    assert await import_services(opened.database, EXAMPLES / "services.csv") == []
    await files_to_take_in(opened.database)
    await something_put_aside(opened.database)
    async with opened.database.transaction() as tx:
        id = await people.invite(tx, name="Amina", email=EMAIL, roles=[Role.OPS, Role.STAFF])
        # Nobody is given all roles; here one has to see every page.
        await tx.execute("UPDATE people SET roles = $1 WHERE id = $2", [*Role], id)
        await tokens.issue(tx, id, name="figures", role="staff", writes=True, days=3)
        request = await rights.ask_for_everything(tx, await rights.subject_of(tx, [id], []))
        await tx.execute("UPDATE rights_requests SET state = 'released' WHERE id = $1", request)
        await tx.execute(
            "INSERT INTO suggested_contacts"
            " SELECT $1, id, $1, 'Mai', '', 'mai@trust.example', $2 FROM organisations LIMIT 1",
            uuid4(),
            tx.now,
        )
        await views.save(tx, id, "Trusts", "kind=primary_care_trust", shared=True)
        some = [await tx.fetchval("SELECT id FROM organisations ORDER BY id LIMIT 1")]
        await tagging.tag(tx, some[0], "Dental network")
        await tagging.ask(tx, id, "Dental network", some, removes=True, query="")
        referral = await dealings(tx, id)
    token = await some_agreements(opened.database, id)
    opened.browser.cookies.clear()
    for _ in range(2):
        await signs_in(opened.browser, opened.database)
    await sets_up(opened.browser, opened.database)
    await asks(opened.browser)
    link = path_of(await mailed(opened.database)).rpartition("/")[2]
    referred = referrals.token_of(opened.database.context, referral)
    async with opened.database.reading() as tx:
        file = await tx.fetchval("SELECT file_id FROM timeline_files")
    opened.words = {
        "file": [str(file), str(uuid4())],
        "link": [link, "a" * 32],
        "service": [PARTNERS, GRANTS],
        "number": ["1", "99"],
        "act": ["retry", "discard"],
        "which": ["not_json"],
        "token": [token, referred, "0" * 26],
    }
    opened.key = key_in(await opened.browser.get("/partners/account"))


async def some_agreements(database: Database, person: UUID) -> str:
    """A draft, one that was signed on paper, and one that waits for signatures, with the link to that one."""
    told = tomllib.loads((EXAMPLES / "agreements.toml").read_text("utf-8"))["agreements"]

    async def scan() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7"

    async with database.transaction() as tx:
        for said in told:
            owned = [{**each, "owner": "Amina"} for each in said.get("outcomes", ())]
            signed = {"sent_to", "our_signer", "their_signer"}
            unsigned = {name: value for name, value in said.items() if name not in signed}
            await agree(tx, {**unsigned, "kept_by": "Amina", "outcomes": owned})
        rows = await tx.fetch("SELECT id FROM agreements WHERE state = 'offered' ORDER BY id")
        copy = await keep_file(tx, name="copy.pdf", media_type="application/pdf", content=scan())
        theirs = Signer(name="Sam", position="Head")
        await signing.sign_on_paper(tx, rows[0]["id"], 1, person, theirs, copy)
        return agreements.token_of(tx, rows[1]["id"], 1)


async def dealings(tx: Transaction, by: UUID) -> UUID:
    """A meeting with a file beside it, by somebody; and a referral, whose id comes back."""
    trust = await tx.fetchval("SELECT id FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    ends_at = tx.now + timedelta(hours=1)
    meeting = timeline.Entry(kind=timeline.Kind.MEETING, happened_at=tx.now, ends_at=ends_at, what="Training")
    row = await timeline.lock(tx, await timeline.enter(tx, trust, meeting, by), by)

    async def content() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7"

    await timeline.attach(tx, row, name="minutes.pdf", media_type="application/pdf", content=content())
    return await referrals.make(tx, trust, reference="SG-1", need="housing", contact_id=None, by=by)


async def counts(opened: Opened) -> None:
    """Registrations, a fund with terms, money and two pledges, one for no fund; a draft and a round, in which
    somebody has applied and somebody has begun to; a panel with two cases, one kept from whoever looks; a
    decided round with awards.
    """
    database = opened.database
    await import_registrations(database, EXAMPLES / "registrations.csv")
    await registrations_to_take_in(database)
    await receive(database, a_pledge())
    await a_decided(database)
    fund = await a_fund(database, "Another exam fund")
    await money_comes(database, fund)
    await a_round(database, fund)
    round = await a_round(database, fund, opened=True)
    await an_application(database, round, papers=2)
    draft = await an_application(database, round, sent=False)
    token = token_of_application(database.context, draft, 1)
    invoiced, _ = await a_paid(database, round=round, email="paid@mail.example", how=INVOICED)
    awarded, _ = await a_prepared(database, round=round, email="prepared@mail.example")
    await a_meeting_that_decides(database, fund)
    steps = ["you", "work", "exam", "evidence", "none"]
    async with database.transaction() as tx:
        pledge = Pledge(organisation_id=UUID(int=7), amount_pence=100, pledged_on=tx.today)
        await enter_pledge(tx, fund, pledge)
        terms: dict[str, Any] = {"name": "terms.pdf", "media_type": "application/pdf", "content": a_pdf()}
        await keep_terms(tx, fund, requires_status=True, **terms)
    await sits(database, round, EVERYTHING)
    case, kept = [await a_case(database, round, number) for number in (1, 2)]
    await a_case(database, round, 3, handed=False)
    await a_conflict(database, kept.application_id, EVERYTHING)
    await a_conflict(
        database, case.application_id, await a_member(database, round), tie=None, state="suggested"
    )
    asked, registered = await asks_to_register(database), await registers(database, "minh@mail.example")
    async with database.reading() as tx:
        invoice = await tx.fetchval("SELECT file_id FROM award_papers WHERE application_id = $1", invoiced)
    opened.words = {
        "file": [str(invoice), str(uuid4())],
        "token": [token, token_of_award(database, awarded), asked, registered, "0" * 26],
        "step": steps,
        "round": [str(round), str(uuid4())],
        "person": [str(EVERYTHING.id), str(uuid4())],
    }


async def a_meeting_that_decides(database: Database, fund: UUID) -> None:
    """A round that has closed, whose panel meets and has opened a case; everybody sits on it."""
    round = await a_round(database, fund, opened=True, name="A round that is decided")
    case = await a_case(database, round, 7)
    await sits(database, round, EVERYTHING, professions=["doctor"])
    await closes(database, round)
    async with acting(database) as tx:
        meeting = await meetings.begin(tx, round, EVERYTHING.id)
        await meetings.arrive(tx, meeting, EVERYTHING.id)
        await meetings.open_item(tx, meeting, case.id)


async def a_pdf() -> AsyncIterator[bytes]:
    yield b"%PDF-1.7"


#: A mail that is about no letter, with a page and a file.
WITH_A_FILE = b"""From: a@trust.example
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html

<p>Hello</p>
--b
Content-Type: application/pdf; name=report.pdf
Content-Disposition: attachment; filename=report.pdf

%PDF-1.7
--b--
"""


async def campaigns(opened: Opened) -> None:
    """One draft, and one campaign whose letters go, with an answer of each kind and a chaser."""
    await fill(opened.database, AREAS)
    await drafted(opened.database)
    campaign = await released(opened.database)
    async with opened.database.transaction() as tx:
        for area, kind in zip(AREAS, (AnswerKind.PLEDGE, AnswerKind.DECLINE, AnswerKind.ASK), strict=True):
            letter = await letter_to_area(tx, campaign, area)
            said = Answer(kind=kind, detail="Why?", pledge_pence=100_000, name="Sam", position="Head")
            await record_answer(tx, letter, said)
        sent = (
            "UPDATE letters SET state = 'sent', sent_at = changed_at, waits_since = changed_at WHERE id = $1"
        )
        await tx.execute(sent, letter)
        await order_by_post(tx, letter, uuid4())
        posted = await letter_to_area(tx, campaign, next(iter(AREAS)))
        await tx.execute("UPDATE letters SET channel = 'post' WHERE id = $1", posted)
        await order_batch(tx, None, duplex=False, by=None)
        await stop(tx, await lock_letter(tx, letter), StopScope.PERSON, way="page", who="the recipient")
    assert await Printer(opened.database).turn()
    await take_in_mail(opened.database, WITH_A_FILE)
    opened.words = {"token": [token_of(opened.database.context, letter), "0" * 26], "number": ["1"]}
    opened.words |= {"kind": ["application_received", "sign_in"], "language": ["en", "ar", "fr"]}


FILLING: dict[str, Callable[[Opened], Any]] = {
    PARTNERS: a_register,
    GRANTS: counts,
    NOTIFICATIONS: campaigns,
}


async def opens(browser: httpx.AsyncClient, address: str) -> httpx.Response | None:
    """The answer; nothing when it goes on for as long as somebody looks."""
    try:
        return await asyncio.wait_for(
            browser.get(address), 0.5 if address.endswith(("/live", "/changes")) else 60
        )
    except TimeoutError:
        return None


@pytest.mark.timeout(400)
async def test_looking_at_everything_changes_nothing(opened: Opened) -> None:
    before = await contents(opened.database, but=SEEN)
    assert len(before) > 5
    forms = {route.path for route in opened.routes("POST") if "/api/" not in route.path}
    for route in opened.routes("GET"):
        statuses = set[int]()
        for address in await opened.addresses(route):
            answer = await opens(opened.browser, address)
            statuses.add(answer.status_code if answer is not None else 200)
            if answer is not None:
                says_what_it_is(answer)
                leads_to_signing_out(route, answer)
                if route.path in forms and answer.status_code == 200:
                    assert "</html>" in answer.text, (
                        f"{route.path}: whoever goes back from its form finds it here"
                    )
        assert statuses & {200, 303}, f"{route.path}: nothing of the kind is there to be looked at"
        assert statuses <= {200, 303, 404, 422}, f"{route.path}: {statuses}"
        now = await contents(opened.database, but=SEEN)
        changed = {table for table in before if now[table] != before[table]}
        if route.path in NOTED:
            assert changed == {"audit"}, f"GET {route.path}: nobody can see who looked"
            changed, before = set(), now
        assert not changed, f"GET {route.path} changed {changed}: let a POST do that"


def says_what_it_is(answer: httpx.Response) -> None:
    kind = answer.headers.get("content-type", "")
    assert kind or not answer.content, answer.request.url
    if kind.startswith("text/") or re.search(r"\bxml\b", kind):
        assert kind.endswith("charset=utf-8"), answer.request.url
    assert answer.headers["x-content-type-options"] == "nosniff"
    open_data = answer.request.url.path.startswith(OPEN_DATA) and answer.status_code == 200
    assert answer.headers["cache-control"] == ("public, max-age=300" if open_data else "no-store")
    assert ("access-control-allow-origin" in answer.headers) is answer.request.url.path.startswith(OPEN_DATA)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "max-age=63072000" in answer.headers["strict-transport-security"]


def leads_to_signing_out(route: Route, answer: httpx.Response) -> None:
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    sandboxed = "sandbox" in answer.headers["content-security-policy"]
    action: Action = route.endpoint.action  # type: ignore[attr-defined]
    if is_page and not sandboxed and not RULES[action].public:
        assert f'href="{ACCOUNT}"' in answer.text, answer.request.url


@pytest.mark.timeout(400)
@pytest.mark.parametrize("by", ["another site", "text/plain", "no key", "a key of another session"])
async def test_what_another_site_could_send_changes_nothing(opened: Opened, by: str) -> None:
    """Signed in, at the right address, with everything but what only our own pages have."""
    before = await contents(opened.database, but=SEEN)
    sent = 0
    for route in opened.routes("POST"):
        for address in await opened.addresses(route):
            if route.path in GOES_ON and by != "another site":
                continue
            answer = await opened.browser.post(address, **content(opened, by, "/api/" in address))
            sent += 1
            refused = {403} if by == "another site" else {400, 404, 409, 415, 422}
            if route.path in LOOKS and by != "another site":
                refused |= {200}
            assert answer.status_code in refused, f"{route.path}: {answer.status_code}"
        now = await contents(opened.database, but=SEEN)
        changed = [table for table in before if now[table] != before[table]]
        assert not changed, f"POST {route.path} changed {changed}: act through once(), or call check_key()"
    assert sent


def content(opened: Opened, by: str, is_api: bool) -> dict[str, Any]:
    """A form or a document that would do something, but for one thing."""
    fields = {"confirm": "yes", "answer": "acknowledge", "email": EMAIL, "roles": "staff", "code": "000000"}
    if by == "another site":
        good = {"idempotency-key": "12345678", "origin": "https://evil.example"}
        return {"json": {}, "headers": good} if is_api else {
            "data": {**fields, "key": opened.key},
            "headers": {"origin": "https://evil.example"},
        }  # fmt: skip
    if by == "text/plain":
        return {"content": b'{"key": "x"}', "headers": {"content-type": "text/plain"}}
    if is_api:
        return {"json": {}}
    other = form_key(replace(EVERYTHING, forms="another secret"))
    return {"data": fields if by == "no key" else {**fields, "key": other}}


async def test_there_is_no_way_round_the_sign_in(opened: Opened) -> None:
    """The renewal of a session is the only public route that gives a cookie for one that there was."""
    opened.browser.cookies.clear()
    answer = await opened.browser.get(RENEW if opened.mount == MOUNTS[PARTNERS] else f"{opened.mount}/")
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
