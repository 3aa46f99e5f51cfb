"""The first page of partners: what needs somebody of ours today, and how things stand."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from contracts.access import Role
from contracts.envelope import Event
from contracts.notifications import LetterAcknowledged, LetterFailed, LetterSent
from services.partners import directory, people, referrals, timeline
from services.partners.timeline import Entry, Kind
from services.partners.web import build
from services.partners.web.today import KINDS, MOST, PARTS
from tests.access import EVERYTHING
from tests.conftest import client, move_to
from tests.partners.browsing import MOUNT, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, told
from tests.partners.directory import OFFER
from tests.partners.suggesting import passed_on
from tests.partners.test_agreements import drafted, offered, signed

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
BY = UUID(int=7)


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    move_to(register, MONDAY)
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    [row] = await rows(register, "SELECT id FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    return UUID(str(row["id"]))


@pytest.fixture
async def staff(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT, replace(EVERYTHING, roles=frozenset({Role.STAFF}))) as browser:
        yield browser


async def today(browser: httpx.AsyncClient) -> list[tuple[str, str]]:
    """What the page asks for, and since when, in its order."""
    page = await browser.get(f"{MOUNT}/")
    assert page.status_code == 200
    lines = re.findall(
        r'<a class="strong" href="[^"]+">([^<]+)</a>.*?<span class="quiet small">([^<]+)<',
        page.text,
        re.DOTALL,
    )
    return [(what, when) for what, when in lines]


async def meets(register: Database, trust: UUID, at: datetime, what: str = "Plans") -> UUID:
    async with acting(register) as tx:
        said = Entry(kind=Kind.MEETING, happened_at=at, what=what)
        return await timeline.enter(tx, trust, said, BY)


def of_letter(trust: UUID, contact: UUID, fact: type, at: datetime, **data: object) -> Event:
    event = told(fact, organisation_id=trust, contact_id=contact, **data)
    return replace(event, id=UUID(int=int(at.timestamp())), time=at)


async def test_when_nothing_waits_it_says_so(staff: httpx.AsyncClient, trust: UUID) -> None:
    page = (await staff.get(f"{MOUNT}/")).text
    assert "Nothing needs you today." in page
    assert "How closely we work" in page


async def test_meetings_of_today_and_tomorrow(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    """By the day in London: half past midnight in June is still yesterday's evening by Greenwich."""
    await meets(register, trust, datetime(2026, 5, 31, 22, 30, tzinfo=UTC), "Yesterday")
    await meets(register, trust, datetime(2026, 5, 31, 23, 30, tzinfo=UTC), "Early")
    await meets(register, trust, datetime(2026, 6, 2, 22, 59, tzinfo=UTC), "Late")
    await meets(register, trust, datetime(2026, 6, 2, 23, 0, tzinfo=UTC), "Wednesday")
    gone = await meets(register, trust, MONDAY, "Removed")
    async with acting(register) as tx:
        await timeline.remove(tx, await timeline.lock(tx, gone, BY))
    assert await today(staff) == [
        ("Meeting at 00:30: Early", "Today"),
        ("Meeting at 23:59: Late", "Tomorrow"),
    ]


async def test_referrals_wait_in_the_order_of_their_days(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    async with acting(register) as tx:
        one = await referrals.make(tx, trust, reference="SG-1", need="housing", contact_id=None, by=BY)
        await referrals.answer(tx, one, referrals.State.ACCEPTED, by=BY)
    move_to(register, datetime(2026, 6, 3, 9, tzinfo=UTC))
    for reference in ("SG-2", "SG-3"):
        async with acting(register) as tx:
            await referrals.make(tx, trust, reference=reference, need="housing", contact_id=None, by=BY)
        register.context.clock.advance(timedelta(days=1))
    move_to(register, datetime(2026, 6, 30, 9, tzinfo=UTC))
    assert await today(staff) == [
        ("Ask for an answer to referral SG-2", "Since 11 June 2026"),
        ("Ask for an answer to referral SG-3", "Since 12 June 2026"),
        ("Ask what came of referral SG-1", "Today"),
    ]
    page = (await staff.get(f"{MOUNT}/")).text
    [href] = re.findall(r'href="([^"]+)">Ask what came of', page)
    assert href == f"{MOUNT}/referrals/{one}#answer"
    assert 'id="answer"' in (await staff.get(href)).text


async def test_a_letter_that_did_not_arrive_waits_until_the_contact_is_put_right(
    staff: httpx.AsyncClient, bring: Bring, trust: UUID, register: Database
) -> None:
    [row] = await rows(register, "SELECT id FROM contacts")
    contact = row["id"]
    failed = MONDAY + timedelta(hours=1)
    move_to(register, MONDAY + timedelta(days=1))
    await hear(register, [of_letter(trust, contact, LetterFailed, failed, failed_at=failed)])
    assert await today(staff) == [("Put right the address of: Dental care", "Since yesterday")]
    page = (await staff.get(f"{MOUNT}/")).text
    assert f'href="{MOUNT}/contacts/{contact}/edit"' in page
    await bring(line(TRUST, OFFICER, contact_email="new@trust.example"))
    assert await today(staff) == []
    again = MONDAY + timedelta(days=2)
    move_to(register, again + timedelta(hours=1))
    await hear(register, [of_letter(trust, contact, LetterFailed, again, failed_at=again)])
    assert len(await today(staff)) == 1
    later = again + timedelta(minutes=10)
    await hear(register, [of_letter(trust, contact, LetterSent, later, sent_at=later)])
    assert await today(staff) == []


async def test_who_was_withdrawn_waits_for_nobody(
    staff: httpx.AsyncClient, bring: Bring, trust: UUID, register: Database
) -> None:
    [row] = await rows(register, "SELECT id FROM contacts")
    at = MONDAY + timedelta(hours=1)
    move_to(register, MONDAY + timedelta(days=1))
    await hear(
        register,
        [
            of_letter(trust, row["id"], LetterFailed, at, failed_at=at),
            of_letter(trust, row["id"], LetterAcknowledged, MONDAY, acknowledged_at=MONDAY),
        ],
    )
    assert len(await today(staff)) == 1, "an acknowledgement of before says nothing of it"
    await bring(line(TRUST, OFFICER, contact_withdrawn_on="2026-06-02"))
    assert await today(staff) == []


async def test_what_is_shown_is_bounded_and_says_that_there_is_more(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    for number in range(MOST + 5):
        await meets(register, trust, MONDAY + timedelta(minutes=number), f"Meeting {number} <b>")
    assert len(await today(staff)) == MOST
    page = (await staff.get(f"{MOUNT}/")).text
    assert "There is more than fits here." in page
    assert "<b>Meeting" not in page


async def test_every_line_leads_to_where_it_is_done(
    staff: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    async with register.transaction() as tx:
        amina = await people.invite(tx, name="Amina", email="a@forum.example", roles=[Role.STAFF])
    await signed(register, await drafted(register, trust, amina), amina)
    await offered(register, await drafted(register, trust, amina))
    [contact] = await rows(register, "SELECT id FROM contacts")
    asked: dict[str, Any] = {"reference": "SG-1", "need": "housing", "contact_id": None}
    async with acting(register) as tx:
        await referrals.make(tx, trust, **asked, by=amina)
        accepted = await referrals.make(tx, trust, **asked, by=amina, another=True)
        await referrals.answer(tx, accepted, referrals.State.ACCEPTED, by=amina)
        await directory.add(tx, trust, OFFER)
    move_to(register, register.context.clock.now() + timedelta(days=400))
    now = register.context.clock.now()
    await meets(register, trust, now)
    await hear(register, [of_letter(trust, contact["id"], LetterFailed, now, failed_at=now)])
    await hear(register, [passed_on(register, trust)])
    async with register.transaction() as tx:
        await people.bar(tx, amina)
    page = (await staff.get(f"{MOUNT}/")).text
    kinds = dict(
        re.findall(r'<div class="sheet[^"]*" id="(\w+)">.*?<li><span><a[^>]* href="([^"]+)"', page, re.DOTALL)
    )
    assert set(kinds) == set(KINDS)
    for kind, href in kinds.items():
        there = await staff.get(href)
        assert there.status_code == 200, kind
        anchor = href.partition("#")[2]
        assert not anchor or f'id="{anchor}"' in there.text, kind
        done_here = there.text.partition(f'id="{anchor}"')[2] if anchor else there.text
        assert kind == "meeting" or '<form method="post"' in done_here, kind


async def test_every_part_gives_at_most_what_it_is_asked_for(trust: UUID, register: Database) -> None:
    for number in range(3):
        await meets(register, trust, MONDAY + timedelta(minutes=number))
    async with register.reading() as tx:
        for part in PARTS:
            assert len(await part(tx, date(2026, 6, 1), 2)) <= 2


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.GRANTS_OFFICER])
async def test_who_cannot_do_anything_about_it_is_not_asked_to(
    register: Database, trust: UUID, role: Role
) -> None:
    await meets(register, trust, MONDAY)
    async with client(build(register), MOUNT, replace(EVERYTHING, roles=frozenset({role}))) as browser:
        page = (await browser.get(f"{MOUNT}/")).text
    assert "What needs you today" not in page
    assert "How closely we work" in page


async def test_whoever_answers_requests_is_told_that_one_waits(
    staff: httpx.AsyncClient, register: Database, trust: UUID
) -> None:
    async with register.transaction() as tx:
        await people.invite(tx, name="Amina", email="a@forum.example", roles=[Role.STAFF])
        await tx.execute(
            "INSERT INTO rights_requests (id, kind, state, asked_at, due_on, changed_at)"
            " VALUES ($1, 'export', 'gathered', $2, '2026-07-01', $2)",
            UUID(int=1),
            MONDAY,
        )
    page = (await staff.get(f"{MOUNT}/")).text
    assert "1 request</a>" in page.replace(" about what we hold on somebody", "")
    assert "Nothing needs you today." not in page
    async with client(build(register), MOUNT, replace(EVERYTHING, roles=frozenset({Role.OUTREACH}))) as other:
        assert "about what we hold" not in (await other.get(f"{MOUNT}/")).text
