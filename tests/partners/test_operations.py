"""The page of ops: what each service says of itself, each red line, messages tried again or dropped."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis import metrics
from chassis.database import Database
from chassis.inbox import Inbox
from chassis.reports import LEAST, MOST, report, take_report
from chassis.transports import Delivery
from contracts import grants, notifications
from contracts.access import OPERATIONS, PROVE, Action, Role, may
from contracts.catalogue import FACTS, sample
from contracts.envelope import Event
from contracts.operations import ParkedAsk, ServiceReport
from contracts.partners import ParkedDiscardAsked, ParkedRetryAsked
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.documents import runbook_page
from services.grants.handlers import SUBSCRIPTIONS as OF_GRANTS
from services.notifications.handlers import SUBSCRIPTIONS as OF_NOTIFICATIONS
from services.partners import backed_up
from services.partners.operations import note_own_report
from services.partners.web import build
from services.sections import SECTIONS
from tests.access import EVERYTHING
from tests.conftest import MakeDatabase, announced, client, move_to, take
from tests.conftest import hear as hear_sign
from tests.partners.browsing import MOUNT, key_in, rows
from tests.partners.conftest import hear

NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
#: The clock goes on while a test runs.
LENIENCE = timedelta(seconds=20)
REPORTED: dict[str, type[ServiceReport]] = {
    GRANTS: grants.ServiceReported,
    NOTIFICATIONS: notifications.ServiceReported,
}
MAREK = replace(EVERYTHING, roles=frozenset({Role.OPS}))
MINA = replace(MAREK, id=uuid4(), session=uuid4())

#: What is said where nothing is wrong.
WELL: dict[str, Any] = {
    "outbox_pending": 0,
    "outbox_seconds": 0,
    "parked": [],
    "parked_by_reason": [],
    "certificate_end": NOW + timedelta(days=60),
    "figures": [],
    "settled": [],
}


def said_by(service: str, version: int = 1, at: datetime = NOW, **more: Any) -> Event:
    golden = sample(REPORTED[service])
    data = {**golden.data, **WELL, **more}
    return replace(golden, id=uuid4(), subject=service, sequence=version, time=at, data=data)


@pytest.fixture
async def register(register: Database) -> Database:
    """Partners on a morning on which all is well: backed up last night, everybody has said how they are."""
    for gauge in (metrics.CERTIFICATE_END, metrics.TIMER_SUCCESS):
        gauge.clear()  # of this process, whose other tests have seen certificates and begun timers
    move_to(register, NOW)
    async with register.transaction() as tx:
        await backed_up.enter_backup(tx, "conduit-1", NOW - timedelta(hours=8), 4_200_000, 12.0)
        await note_own_report(tx)
    await hear(register, [said_by(GRANTS), said_by(NOTIFICATIONS)])
    return register


async def page_of(register: Database, path: str = OPERATIONS) -> str:
    async with client(build(register), MOUNT, MAREK) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def red_lines_on(page: str) -> list[tuple[str, str]]:
    """What each says, without markup, and where its link leads."""
    _, _, rest = page.partition('id="needs-title"')
    listed, _, _ = rest.partition("</ul>")
    found = re.findall(r"<li>(.*?) <a href=\"([^\"]+)\"", listed, re.DOTALL)
    return [(re.sub(r"<[^>]+>", "", words), href) for words, href in found]


#: What one service says or does, who, the beginning of the red line, and the part of the runbook.
RED: Sequence[tuple[str, dict[str, Any], str, str]] = (
    (GRANTS, {"build": "0.0.9"}, "Versions: not all services run the same version", "versionsdiffer"),
    (
        GRANTS,
        {"outbox_pending": 3, "outbox_seconds": 500, "outbox_failure": "not_declared"},
        "Outbox of grants: 3 waiting, the oldest for 500 s; the last try said: not_declared. Run",
        "outboxold",
    ),
    (
        NOTIFICATIONS,
        {"parked_by_reason": [{"name": "handler_failed", "number": 60}, {"name": "not_json", "number": 2}]},
        "Parked by notifications: 62 parked. Look at: conduit events parked",
        "eventsparked",
    ),
    (
        GRANTS,
        {"parked_by_reason": [{"name": "dead_lettered", "number": 1}]},
        "Parked by grants: 1",
        "eventsgivenup",
    ),
    (
        GRANTS,
        {"queues": [{"name": "grants.inbox", "number": 5001}]},
        "Queue of grants: 5,001 messages",
        "queuelong",
    ),
    (GRANTS, {"broker": "away"}, "Broker: grants is not connected", "brokeraway"),
    (GRANTS, {"broker": "blocked"}, "Broker: it takes nothing from grants", "brokerblocked"),
    (
        NOTIFICATIONS,
        {"timers": [{"name": "send letters", "seconds": 900, "behind": True}]},
        "Timers of notifications: “send letters” has not succeeded for too long",
        "timerbehind",
    ),
    (
        GRANTS,
        {"heard_seconds": 150},
        "Partners heard by grants: 150 s ago: nobody acts on money",
        "partnerssilent",
    ),
    (GRANTS, {"heard_seconds": None}, "Partners heard by grants: never", "partnerssilent"),
    (GRANTS, {"disk_free": 10, "disk_size": 100}, "Disk of grants: 10 % is free. Make room:", "diskfilling"),
    (
        GRANTS,
        {"disk_free": 4, "disk_size": 100},
        "Disk of grants: 4 % is free. Make room at once",
        "diskfull",
    ),
    (
        GRANTS,
        {"certificate_end": NOW + timedelta(days=3, hours=2)},
        "Certificate: ends in 3 days",
        "certificateending",
    ),
    (GRANTS, {"certificate_end": NOW - timedelta(hours=2)}, "Certificate: has ended", "certificateending"),
    (
        NOTIFICATIONS,
        {"figures": [{"name": "letters_unknown", "number": 2}]},
        "Letters: 2 may or may not have arrived",
        "lettersunknown",
    ),
    (
        NOTIFICATIONS,
        {"figures": [{"name": "mail_waiting", "number": 7}, {"name": "mail_waiting_seconds", "number": 901}]},
        "Waiting mail: 7, the oldest for 901 s",
        "mailstuck",
    ),
    (
        GRANTS,
        {"figures": [{"name": "funds_differing", "number": 1}]},
        "Ledger: the entries of a fund",
        "fundsdiffer",
    ),
)


async def test_each_red_line_says_what_is_wrong_and_leads_to_what_to_do(register: Database) -> None:
    page = await page_of(register)
    assert red_lines_on(page) == []
    assert '<p class="lede">Everything is well.</p>' in page
    headings = re.findall(r'<h3 id="(\w+)">', runbook_page())
    for version, (service, wrong, words, runbook) in enumerate(RED, 2):
        await hear(register, [said_by(service, version, **wrong)])
        page = await page_of(register)
        [(says, href)] = red_lines_on(page)
        assert says.startswith(words)
        assert href == f"{OPERATIONS}/runbook#{runbook}"
        assert runbook in headings
        card = page.split("<dt>Certificate</dt>")[1].split("</dd>")[0]
        assert ("<svg" in card) == (runbook == "certificateending")
        assert '<p class="lede">1 thing needs you.</p>' in page
        await hear(register, [said_by(service, version + 100)])
        assert red_lines_on(await page_of(register)) == []
        async with register.transaction() as tx:
            await tx.execute("UPDATE service_reports SET version = 1")
    assert f'id="{RED[0][3]}"' in await page_of(register, f"{OPERATIONS}/runbook")


async def test_what_partners_sees_by_itself_is_said_as_well(register: Database) -> None:
    """A service that falls silent or says no more how it is, backups, auditors, people without a mailbox."""
    await hear_sign(register, GRANTS, ago=185)
    [(says, href)] = red_lines_on(await page_of(register))
    assert says.startswith("Grants: not heard for 3 minutes")
    assert href.endswith("#servicedown")
    async with register.transaction() as tx:
        await tx.execute("DELETE FROM signs_of_life WHERE service = 'grants'")
    [(says, _)] = red_lines_on(await page_of(register))
    assert says.startswith("Grants: never heard")
    await hear_sign(register, PARTNERS, ago=5)  # its own, from when it listens: it was started a moment ago
    page = await page_of(register)
    assert red_lines_on(page) == []
    assert "waiting for its first sign" in page
    await hear_sign(register, PARTNERS, ago=65)
    [(says, _)] = red_lines_on(await page_of(register))
    assert says.startswith("Grants: never heard")
    await hear_sign(register, GRANTS)
    move_to(register, NOW + timedelta(minutes=12))
    async with register.transaction() as tx:
        await note_own_report(tx)
    silent = [each for each, _ in red_lines_on(await page_of(register))]
    assert [each.partition(" how")[0] for each in silent] == [
        f"{name}: has not said for 12 minutes" for name in ("Grants", "Notifications")
    ]
    move_to(register, NOW + timedelta(hours=40))
    async with register.transaction() as tx:
        await note_own_report(tx)
    await hear(register, [said_by(each, 9, NOW + timedelta(hours=40)) for each in REPORTED])
    [(says, href)] = red_lines_on(await page_of(register))
    assert href == f"{OPERATIONS}/runbook#backupold"
    assert says.startswith("Backup: the last one is 2 days old")
    async with register.transaction() as tx:
        await tx.execute("DELETE FROM backups")
    [(says, _)] = red_lines_on(await page_of(register))
    assert says.startswith("Backup: none was ever made. Run: conduit backup")


async def test_a_service_speaks_for_itself_and_an_old_report_changes_nothing(register: Database) -> None:
    new = said_by(GRANTS, 5, outbox_pending=1, outbox_seconds=200)
    await hear(register, [new, said_by(GRANTS, 4), new])
    await hear(register, [said_by(GRANTS, 4)])
    await hear(register, [replace(said_by(NOTIFICATIONS, 2), subject=GRANTS)])
    assert len(red_lines_on(await page_of(register))) == 1
    # Grants was restored: what it says from now on counts, whatever its number.
    await hear(register, [replace(said_by(GRANTS, 2), epoch=2)])
    assert red_lines_on(await page_of(register)) == []
    found = await rows(register, "SELECT service, epoch, version FROM service_reports ORDER BY service")
    assert [tuple(row.values()) for row in found] == [(GRANTS, 2, 2), (NOTIFICATIONS, 1, 2), (PARTNERS, 1, 1)]


async def test_it_says_when_each_has_spoken_last_and_why_these_times_differ(register: Database) -> None:
    page = await page_of(register)
    assert page.count('data-label="Last said"') == 3
    assert "otherwise every five minutes. So the times differ." in page


async def test_until_the_others_have_spoken_the_page_says_so(make_database: MakeDatabase) -> None:
    register = await make_database(PARTNERS)
    async with register.transaction() as tx:
        await backed_up.enter_backup(tx, "conduit-1", tx.now, 1, 1.0)
    page = await page_of(register)
    assert "So far all is well. Partners and Grants and Notifications will say how it is" in page
    assert page.count("It has not said yet how it is.") == 3


async def test_a_report_is_made_by_one_replica_when_something_changes_and_every_five_minutes(
    make_database: MakeDatabase,
) -> None:
    letters = await make_database(NOTIFICATIONS)
    move_to(letters, NOW)

    async def turn() -> int | None:
        async with letters.transaction() as tx:
            taken = await take_report(tx)
        return taken and taken[0]

    assert [await turn(), await turn()] == [1, None]
    await park(letters, b"{")
    assert await turn() is None, "not within a minute"
    later = NOW + LEAST + LENIENCE
    move_to(letters, later)
    assert [await turn(), await turn()] == [2, None]
    move_to(letters, later + MOST - LENIENCE)
    assert await turn() is None, "nothing has changed"
    move_to(letters, later + MOST + LENIENCE)
    async with letters.transaction() as tx, letters.transaction() as other:
        first, second = await take_report(tx), await take_report(other)
    assert first is not None
    assert (first[0], second) == (3, None)


async def test_who_has_just_been_started_says_how_it_is_once_it_has_heard_partners(
    make_database: MakeDatabase,
) -> None:
    letters = await make_database(NOTIFICATIONS)
    move_to(letters, NOW)

    async def said() -> int | None:
        async with letters.transaction() as tx:
            taken = await take_report(tx)
        return taken and taken[1]["heard_seconds"]

    await hear_sign(letters, PARTNERS, ago=5400)
    await hear_sign(letters, NOTIFICATIONS, ago=5)
    assert await said() is None, "it waits"
    await hear_sign(letters, PARTNERS)
    assert await said() == 0
    move_to(letters, NOW + MOST + LENIENCE)
    await hear_sign(letters, PARTNERS, ago=5400)
    await hear_sign(letters, NOTIFICATIONS, ago=65)
    assert await said() == 5400, "nobody comes any more"


# Messages that were put aside, across the services


async def park(database: Database, *bodies: bytes) -> None:
    """Let a service receive what it cannot read."""
    subscriptions = {GRANTS: OF_GRANTS, NOTIFICATIONS: OF_NOTIFICATIONS}.get(database.context.service, ())
    await Inbox(database, subscriptions).take([Delivery(body=body) for body in bodies])


async def parked_in(database: Database) -> list[UUID]:
    return [row["id"] for row in await rows(database, "SELECT id FROM parked ORDER BY id")]


class Three:
    """Three services, whose events are carried when the test says so."""

    def __init__(self, register: Database, grants: Database, letters: Database) -> None:
        self.register, self.grants, self.letters = register, grants, letters

    async def report(self) -> None:
        """Both say how they are, partners hears it."""
        for database in (self.grants, self.letters):
            async with database.transaction() as tx:
                await report(tx, REPORTED[database.context.service])
            said = [each for each in await announced(database) if issubclass(each.fact, ServiceReport)]
            await hear(self.register, said)

    async def carry(self) -> list[Event]:
        """Bring what was asked to both, all of it, as often as this is called."""
        asked = [each for each in await announced(self.register) if issubclass(each.fact, ParkedAsk)]
        for database, subscriptions in ((self.grants, OF_GRANTS), (self.letters, OF_NOTIFICATIONS)):
            await take(database, subscriptions, *asked)
        return asked

    async def later(self, **time: float) -> None:
        for database in (self.register, self.grants, self.letters):
            database.context.clock.advance(timedelta(**time))


@pytest.fixture
async def three(register: Database, make_database: MakeDatabase) -> Three:
    found = Three(register, await make_database(GRANTS), await make_database(NOTIFICATIONS))
    async with register.transaction() as tx:
        await tx.execute("DELETE FROM service_reports WHERE service <> 'partners'")
    for database in (found.grants, found.letters):
        move_to(database, NOW)
    return found


async def settles(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    """Through the page that asks once more."""
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return await send(browser, page, path)


async def send(browser: httpx.AsyncClient, page: httpx.Response, path: str, **more: str) -> httpx.Response:
    [seen] = re.findall(r'name="seen" value="([^"]+)"', page.text)
    return await browser.post(path, data={"key": key_in(page), "seen": seen, "confirm": "yes", **more})


async def test_messages_of_another_service_are_settled_there_once_and_the_page_says_when(
    three: Three,
) -> None:
    await park(three.grants, b"{1", b"{2", b"{3")
    await park(three.letters, b"{4")
    await three.report()
    first, *others = await parked_in(three.grants)
    app = build(three.register)
    async with client(app, MOUNT, MAREK) as marek, client(app, MOUNT, MINA) as mina:
        page = (await marek.get(OPERATIONS)).text
        assert str(first) in page
        assert "{1" not in page
        one = f"{OPERATIONS}/grants/discard/{first}"
        seen_by_mina = await mina.get(one)
        shown = await marek.get(one)
        refused = await send(marek, shown, one, confirm="")
        assert (refused.status_code, "You have not said that it may be done." in refused.text) == (422, True)
        # Two people, and one of them twice.
        for browser, seen in ((marek, shown), (marek, shown), (mina, seen_by_mina)):
            answer = await send(browser, seen, one)
            assert (answer.status_code, answer.headers["location"]) == (303, f"{OPERATIONS}?done=asked#asked")
        assert "not done yet" in (await marek.get(OPERATIONS)).text
        [asked] = await three.carry()
        assert asked.fact is ParkedDiscardAsked
        assert await three.carry() == [asked]
        assert await parked_in(three.grants) == others
        assert len(await parked_in(three.letters)) == 1, "it was not theirs"
        await three.report()
        assert "asked 10:30, done at 10:30: 1 message" in (await marek.get(OPERATIONS)).text
        # One comes after the page was looked at: it is left alone.
        all_of_it = f"{OPERATIONS}/grants/discard/not_json"
        before = await marek.get(all_of_it)
        assert "Discard: 2 messages" in before.text
        await three.later(minutes=2)
        await park(three.grants, b"{5")
        await three.report()
        assert (await send(marek, before, all_of_it)).status_code == 303
        await three.carry()
        [late] = await parked_in(three.grants)
        assert late not in others
        await three.report()
        assert "done at 10:32: 2 messages" in (await marek.get(OPERATIONS)).text
        # What has gone meanwhile is no fault, and what is there no more cannot be asked for.
        again = f"{OPERATIONS}/grants/retry/{late}"
        shown = await marek.get(again)
        assert (await send(marek, shown, again)).status_code == 303
        async with three.grants.transaction() as tx:
            await tx.execute("DELETE FROM parked")
        [*_, asked] = await three.carry()
        assert asked.fact is ParkedRetryAsked
        await three.report()
        assert "there was nothing left to do" in (await marek.get(OPERATIONS)).text
        assert (await marek.get(again)).status_code == 404
    done = await rows(three.register, "SELECT action, object, after, person_id FROM audit ORDER BY number")
    assert [(row["action"], row["object"]) for row in done] == [
        ("parked_discard", str(first)),
        ("parked_discard", str(first)),
        ("parked_discard", "not_json"),
        ("parked_retry", str(late)),
    ]
    assert [row["person_id"] for row in done] == [MAREK.id, MINA.id, MAREK.id, MAREK.id]
    outcomes = await rows(
        three.grants, "SELECT outcome, count(*) FROM inbox WHERE type = 'unknown' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in outcomes] == [("discarded", 3), ("parked", 1)]


async def test_a_message_of_partners_own_is_tried_again_and_dropped_at_once(register: Database) -> None:
    await park(register, b"{1", b"{2")
    move_to(register, NOW + LEAST + LENIENCE)
    async with register.transaction() as tx:
        await note_own_report(tx)
    ids = await parked_in(register)
    async with client(build(register), MOUNT, MAREK) as marek:
        answer = await settles(marek, f"{OPERATIONS}/partners/retry/not_json")
        assert answer.headers["location"] == f"{OPERATIONS}?done=done#asked"
        due = await rows(register, "SELECT next_try FROM parked")
        assert all(NOW + LEAST < row["next_try"] < NOW + 2 * LEAST for row in due)
        await settles(marek, f"{OPERATIONS}/partners/discard/{ids[0]}")
    assert await parked_in(register) == ids[1:]
    assert [each for each in await announced(register) if each.fact.type() in FACTS] == []


async def test_who_may_and_what_is_asked_wrongly(register: Database) -> None:
    await hear(register, [said_by(GRANTS, 2, parked_by_reason=[{"name": "not_json", "number": 1}])])
    which = f"{OPERATIONS}/grants/discard/not_json"
    app = build(register)
    [section] = [each for each in SECTIONS if each.href == OPERATIONS]
    assert [role for role in Role if may(Action(section.action), {role})] == [Role.OPS]
    for role in Role:
        async with client(app, MOUNT, replace(EVERYTHING, roles=frozenset({role}))) as browser:
            assert (await browser.get(OPERATIONS)).status_code == (200 if role is Role.OPS else 403)
    async with client(app, MOUNT, replace(MAREK, proved_at=None)) as browser:
        asked = await browser.get(which)
        assert asked.headers["location"].startswith(PROVE)
        assert f'href="{which}"' in (await browser.get(OPERATIONS)).text
    async with client(app, MOUNT, MAREK) as marek:
        page = await marek.get(which)
        for wrong in ("x/discard/not_json", "grants/x/not_json", "grants/retry/x", "grants/retry/1' OR 1=1"):
            assert (await marek.get(f"{OPERATIONS}/{wrong}")).status_code == 404, wrong
            assert (await send(marek, page, f"{OPERATIONS}/{wrong}")).status_code == 404, wrong
        assert (await send(marek, page, which, seen="soon")).status_code == 400
    assert await rows(register, "SELECT FROM parked_asks") == []
