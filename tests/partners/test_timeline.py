"""What people write on a timeline: entering, changing, removing, files, calendars, and their own rights."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import icalendar
import pytest

from chassis.access import Person
from chassis.audit import acting
from chassis.clock import LOCAL
from chassis.database import Database
from chassis.retention import scrub_old
from chassis.rights import Subject
from contracts.access import Role
from contracts.notifications import ContributionPledged, LetterSent
from services.partners import amending, held, people, rights, timeline
from services.partners.naming import GONE, Naming
from services.partners.timeline import Entry, Kind
from services.partners.web import build
from tests.access import EVERYTHING
from tests.conftest import client
from tests.partners.browsing import MOUNT, key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, told

NOON = datetime(2012, 2, 7, 12, tzinfo=UTC)
HOSTILE = ("O'Brien’s <b>&amp;", "مركز اللاجئين", "Trần Thị Lệ Hằng", "Ħ" * 200)


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    [row] = await rows(register, "SELECT id FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    return UUID(str(row["id"]))


@pytest.fixture
async def us(register: Database) -> dict[str, Person]:
    """Two members of staff and an auditor, admitted and signed in."""
    made = {}
    for name, role in (("Amina", Role.STAFF), ("Marek", Role.OUTREACH), ("Ingrid", Role.AUDITOR)):
        async with register.transaction() as tx:
            email = f"{name.lower()}@forum.example"
            id = await people.invite(tx, name=f"{name} Marker", email=email, roles=[role])
        made[name] = replace(EVERYTHING, id=id, roles=frozenset({role}))
    return made


@pytest.fixture
async def amina(register: Database, us: dict[str, Person]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT, us["Amina"]) as browser:
        yield browser


@pytest.fixture
async def marek(register: Database, us: dict[str, Person]) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT, us["Marek"]) as browser:
        yield browser


def form_of(trust: UUID, kind: str) -> str:
    return f"{MOUNT}/organisations/{trust}/timeline/new?kind={kind}"


async def sends(browser: httpx.AsyncClient, page: str, **fields: Any) -> httpx.Response:
    """Fill in the form on a page and send it, with what stands in its hidden fields."""
    shown = await browser.get(page)
    assert shown.status_code == 200, shown.status_code
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown.text))
    return await browser.post(page.partition("?")[0], data={**hidden, **fields})


async def writes(browser: httpx.AsyncClient, trust: UUID, kind: str = "note", **fields: Any) -> str:
    """Enter something; the address of its page."""
    said = {"what": "They rang", "day": "2012-02-07", **fields}
    answer = await sends(browser, form_of(trust, kind), **said)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


async def presses(browser: httpx.AsyncClient, page: str, button: str, **fields: Any) -> httpx.Response:
    """Press a button that stands on a page, as a form of its own."""
    shown = await browser.get(page)
    key = re.search(
        rf'action="{re.escape(button)}"[^>]*>\s*<input type="hidden" name="key" value="([^"]+)"', shown.text
    )
    assert key, shown.text[-3000:]
    return await browser.post(button, data={"key": key.group(1), **fields})


# Entering


async def test_a_note_says_who_wrote_it_and_what(
    amina: httpx.AsyncClient, marek: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    entry = await writes(amina, trust, what="Who pays?", detail="The trust asks for figures.")
    page = (await marek.get(entry)).text
    for words in ("Who pays?", "The trust asks for figures.", "Amina Marker", "7 February 2012"):
        assert words in page
    listed = (await marek.get(f"{MOUNT}/organisations/{trust}")).text
    assert "Note by Amina Marker" in listed
    audit = await rows(register, "SELECT action, before, after FROM audit WHERE action = 'entry_written'")
    assert len(audit) == 1
    assert "Who pays" not in str(audit)


@pytest.mark.parametrize("text", HOSTILE)
async def test_any_script_is_kept_as_it_was_typed(
    amina: httpx.AsyncClient, trust: UUID, text: str, register: Database
) -> None:
    entry = await writes(amina, trust, what=text, detail=text)
    [row] = await rows(register, "SELECT what, detail FROM timeline")
    assert row == {"what": text, "detail": text}
    for page in (entry, f"{entry}/edit", f"{MOUNT}/organisations/{trust}/timeline"):
        shown = (await amina.get(page)).text
        assert html.escape(text).replace("&#x27;", "&#39;") in shown
        assert "’s <b>" not in shown


async def test_a_turned_line_is_set_right_and_a_long_one_refused(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    await writes(amina, trust, what="Pay \u202egnp.exe\u2066", detail="two\r\nlines\x07")
    [row] = await rows(register, "SELECT what, detail FROM timeline")
    assert (row["what"], row["detail"]) == ("Pay gnp.exe", "two\nlines")
    refused = await sends(amina, form_of(trust, "note"), what="x" * 300, day="2012-02-07", detail="kept")
    assert refused.status_code == 422
    assert "Use at most 200 characters; you have 300." in refused.text
    assert ">kept</textarea>" in refused.text


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("note", {"what": ""}, "Say in a few words what it was about."),
        ("note", {"day": "yesterday"}, "This is not a day."),
        ("call", {"day": "2999-01-01"}, "Enter what is to come as a meeting."),
        ("meeting", {"day": "2999-01-01", "begins": "10:00"}, "This day cannot be right."),
        ("note", {"day": "0001-01-01"}, "This day cannot be right."),
        ("meeting", {"begins": ""}, "It is not said when it begins."),
        ("meeting", {"begins": "25:00"}, "This is not a time."),
        ("meeting", {"begins": "10:00", "ends": "09:00"}, "It ends before it begins."),
        ("meeting", {"begins": "10:00", "ends": "10:00"}, "It ends before it begins."),
        ("meeting", {"day": "2026-03-29", "begins": "01:30", "ends": "02:30"}, "Give 02:30 or another time."),
        ("meeting", {"day": "2026-03-29", "begins": "00:30", "ends": "01:30"}, "There is no such time"),
    ],
)
async def test_every_fault_says_what_to_do(
    amina: httpx.AsyncClient, trust: UUID, kind: str, fields: dict[str, str], words: str
) -> None:
    said = {"what": "Talk", "day": "2012-02-07", **fields}
    refused = await sends(amina, form_of(trust, kind), **said)
    assert refused.status_code == 422
    assert words in refused.text
    assert (await amina.get(f"{MOUNT}/organisations/{trust}/timeline")).text.count("<time") == 0


async def test_only_those_are_said_to_have_taken_part_who_were_offered(
    amina: httpx.AsyncClient, trust: UUID, us: dict[str, Person], register: Database
) -> None:
    [contact] = await rows(register, "SELECT id FROM contacts")
    said = {"begins": "10:00", "ours": [str(us["Marek"].id)], "theirs": [str(contact["id"])]}
    entry = await writes(amina, trust, "meeting", **said)
    page = (await amina.get(entry)).text
    assert "Marek Marker (the Forum)" in page
    assert "Marker Zzyzxova (Dental care)" in page
    for stranger, status in ((str(uuid4()), 422), ("x", 404)):
        fields = {"what": "Talk", "day": "2012-02-07", "theirs": [stranger]}
        assert (await sends(amina, form_of(trust, "call"), **fields)).status_code == status


@pytest.mark.parametrize("kept", [False, True])
async def test_a_note_is_not_lost_when_whoever_took_part_was_withdrawn_meanwhile(
    amina: httpx.AsyncClient, trust: UUID, register: Database, kept: bool
) -> None:
    [contact] = await rows(register, "SELECT id FROM contacts")
    place = f"{await writes(amina, trust)}/edit" if kept else form_of(trust, "note")
    async with acting(register) as tx:
        await amending.withdraw_contact(tx, contact["id"])
    said = {"what": "Talk", "day": "2012-02-07", "detail": "A long text.", "theirs": [str(contact["id"])]}
    answer = await sends(amina, place, **said)
    assert answer.status_code == 422
    assert "A long text." in answer.text
    assert 'id="took_part-fault"' in answer.text
    assert (await sends(amina, place, **{**said, "theirs": []})).status_code == 303


async def test_a_note_for_a_body_that_was_merged_goes_where_that_went(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    async with register.transaction() as tx:
        other = await tx.fetchval("SELECT id FROM organisations WHERE identifier = 'GB-NHS-08Y'")
        await writes(amina, trust, what="Before")
        await timeline.move(tx, trust, other)
        await tx.execute("UPDATE organisations SET merged_into = $1 WHERE id = $2", other, trust)
    await writes(amina, trust, what="After")
    found = await rows(register, "SELECT organisation_id, what FROM timeline ORDER BY what")
    assert [(row["organisation_id"], row["what"]) for row in found] == [(other, "After"), (other, "Before")]


async def test_a_note_waits_for_a_merge_that_has_begun(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    """Whoever merges locks the organisation first; what is entered meanwhile is not left behind."""
    async with register.transaction() as tx:
        other = await tx.fetchval("SELECT id FROM organisations WHERE identifier = 'GB-NHS-08Y'")
        await tx.execute("UPDATE organisations SET merged_into = $1 WHERE id = $2", other, trust)
        writing = asyncio.create_task(writes(amina, trust, what="Meanwhile"))
        await asyncio.sleep(0.5)
        assert not writing.done()
        await timeline.move(tx, trust, other)
    await writing
    [row] = await rows(register, "SELECT organisation_id FROM timeline")
    assert row["organisation_id"] == other


# Changing


async def test_two_people_at_one_meeting_the_second_sees_both_and_loses_nothing(
    amina: httpx.AsyncClient, marek: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    entry = await writes(amina, trust, "meeting", begins="10:00", place="Their office")
    first, second = [(await each.get(f"{entry}/edit")) for each in (amina, marek)]
    fields = {"what": "They rang", "day": "2012-02-07", "begins": "10:00"}
    said = {**fields, "place": "Our office", "revision": "1", "key": key_in(first)}
    assert (await amina.post(f"{entry}/edit", data=said)).status_code == 303
    late = {**fields, "place": "By telephone", "detail": "Long text", "revision": "1", "key": key_in(second)}
    shown = await marek.post(f"{entry}/edit", data=late)
    assert shown.status_code == 409
    for words in ("Somebody else has changed this meanwhile", "Our office", "By telephone", ">Long text<"):
        assert words in shown.text
    assert 'name="revision" value="2"' in shown.text
    again = await marek.post(f"{entry}/edit", data={**late, "revision": "2", "key": key_in(shown)})
    assert again.status_code == 303
    [row] = await rows(register, "SELECT place, detail, version FROM timeline")
    assert row == {"place": "By telephone", "detail": "Long text", "version": 3}


async def test_a_note_is_changed_and_removed_by_whoever_wrote_it_alone(
    amina: httpx.AsyncClient, marek: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    entry = await writes(amina, trust)
    assert (await marek.get(entry)).status_code == 200
    assert f"{entry}/edit" not in (await marek.get(entry)).text
    key = key_in(await marek.get(form_of(trust, "note")))
    said = {"key": key, "revision": "1", "what": "x", "day": "2012-02-07"}
    for way in ("edit", "remove", "restore"):
        assert (await marek.post(f"{entry}/{way}", data=said)).status_code == 404
    assert (await marek.get(f"{entry}/edit")).status_code == 404
    changed = await sends(amina, f"{entry}/edit", what="Better", day="2012-02-07")
    assert changed.status_code == 303
    [row] = await rows(register, "SELECT what, version FROM timeline")
    assert row == {"what": "Better", "version": 2}


async def test_what_was_removed_can_be_put_back_until_it_is_let_go(
    amina: httpx.AsyncClient, marek: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    today = register.context.clock.today().isoformat()
    entry = await writes(amina, trust, what="Gone soon", day=today)
    whole = f"{MOUNT}/organisations/{trust}/timeline"
    assert (await presses(amina, entry, f"{entry}/remove")).status_code == 303
    assert "Gone soon" not in (await amina.get(whole)).text
    assert (await marek.get(entry)).status_code == 404
    assert (await presses(amina, entry, f"{entry}/restore")).status_code == 303
    assert "Gone soon" in (await amina.get(whole)).text
    await presses(amina, entry, f"{entry}/remove")
    register.context.clock.advance(timedelta(days=32))
    assert (await scrub_old(register, held.TERMS))["removed-notes"] == 1
    assert (await amina.get(entry)).status_code == 404


async def test_who_only_reads_sees_no_button_and_may_press_none(
    register: Database, us: dict[str, Person], amina: httpx.AsyncClient, trust: UUID
) -> None:
    entry = await writes(amina, trust, "meeting", begins="10:00")
    async with client(build(register), MOUNT, us["Ingrid"]) as auditor:
        for page in (entry, f"{MOUNT}/organisations/{trust}", f"{MOUNT}/organisations/{trust}/timeline"):
            shown = await auditor.get(page)
            assert shown.status_code == 200
            assert "/timeline/new" not in shown.text
            assert "/remove" not in shown.text
        assert (await auditor.get(form_of(trust, "note"))).status_code == 403
        assert (await auditor.post(f"{entry}/remove")).status_code == 403


# Reading


async def test_a_pledge_names_who_confirmed_it_until_they_are_erased(
    amina: httpx.AsyncClient, us: dict[str, Person], trust: UUID, register: Database
) -> None:
    marek = us["Marek"].id
    await hear(register, [told(ContributionPledged, organisation_id=trust, confirmed_by=marek)])
    for page in (f"{MOUNT}/organisations/{trust}", f"{MOUNT}/organisations/{trust}/timeline"):
        shown = (await amina.get(page)).text
        assert "Told us by Letters · confirmed by Marek Marker" in shown
        assert "a member of staff" not in shown
    async with register.transaction() as tx:
        await people.bar(tx, marek)
        await held.forget(tx, Subject(ids=(marek,)))
    shown = (await amina.get(f"{MOUNT}/organisations/{trust}/timeline")).text
    assert "Marek" not in shown
    assert "confirmed by Somebody who was erased" in shown


async def test_a_pledge_that_a_command_confirmed_names_nobody(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    await hear(register, [told(ContributionPledged, organisation_id=trust, confirmed_by=None)])
    shown = (await amina.get(f"{MOUNT}/organisations/{trust}/timeline")).text
    assert "and confirmed by a member of staff." in shown
    assert "· confirmed by" not in shown


async def test_the_timeline_is_filtered_by_kind_in_the_address(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    await hear(register, [told(fact, organisation_id=trust) for fact in (LetterSent, ContributionPledged)])
    await writes(amina, trust, "note", what="A note here")
    await writes(amina, trust, "call", what="A call here")
    seen = {}
    whole = f"{MOUNT}/organisations/{trust}/timeline"
    for kind in ("", "notes", "calls", "letters", "pledges", "meetings"):
        page = (await amina.get(whole, params={"kind": kind} if kind else {})).text
        words = {"A note here", "A call here", "asking £3,700", "pledged for"}
        seen[kind] = {each for each in words if each in page}
    assert len(seen[""]) == 4
    assert seen["notes"] == {"A note here"}
    assert seen["calls"] == {"A call here"}
    assert seen["letters"] == {"asking £3,700"}
    assert seen["pledges"] == {"pledged for"}
    assert seen["meetings"] == set()
    assert (await amina.get(whole, params={"kind": "x"})).status_code == 400
    assert (await amina.get(whole, params={"after": "x"})).status_code == 400


async def test_a_long_timeline_goes_on_until_every_entry_was_shown_once(
    amina: httpx.AsyncClient, trust: UUID, register: Database, us: dict[str, Person]
) -> None:
    async with register.transaction() as tx:
        for number in range(120):
            at = NOON + timedelta(hours=number // 3)
            said = Entry(kind=Kind.NOTE, happened_at=at, what=f"Entry {number:03}.")
            await timeline.enter(tx, trust, said, us["Amina"].id)
    href: str | None = f"{MOUNT}/organisations/{trust}/timeline?kind=notes"
    seen: list[str] = []
    while href:
        page = (await amina.get(href)).text
        seen += re.findall(r"Entry \d{3}\.", page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        href = f"{MOUNT}/organisations/{trust}/timeline{found[1].replace('&amp;', '&')}" if found else None
    assert len(seen) == len(set(seen)) == 120


async def test_programs_are_told_the_kind_and_never_the_words(amina: httpx.AsyncClient, trust: UUID) -> None:
    await writes(amina, trust, what="Marker Zzyzxova is ill", detail="Marker")
    answer = await amina.get(f"{MOUNT}/api/v1/organisations/{trust}")
    assert "Marker" not in answer.text
    assert [each["what"] for each in answer.json()["timeline"]] == ["Note"]


async def test_what_is_to_come_stands_apart_and_not_among_what_happened_lately(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    day = (register.context.clock.today() + timedelta(days=30)).isoformat()
    await writes(amina, trust, "meeting", what="To plan the year", day=day, begins="10:00")
    page = (await amina.get(f"{MOUNT}/organisations/{trust}")).text
    assert page.index("To come") < page.index("To plan the year")
    assert "To plan the year" not in (await amina.get(f"{MOUNT}/")).text


# Calendar and files


def events_in(file: httpx.Response) -> list[Any]:
    return list(icalendar.Calendar.from_ical(file.content).walk("VEVENT"))


@pytest.mark.parametrize(("day", "offset"), [("2026-07-01", 1), ("2026-12-01", 0)])
async def test_a_meeting_is_a_file_that_calendars_read(
    amina: httpx.AsyncClient, trust: UUID, day: str, offset: int, register: Database
) -> None:
    said = {"what": "Plan; talk, eat\\drink", "detail": "Secret", "place": "Room 1, مركز"}
    entry = await writes(amina, trust, "meeting", **said, day=day, begins="10:00", ends="11:30")
    file = await amina.get(f"{entry}/calendar")
    assert file.headers["content-type"] == "text/calendar; charset=utf-8"
    assert b"Secret" not in file.content
    assert b"METHOD" not in file.content
    calendar = icalendar.Calendar.from_ical(file.content)
    [event] = events_in(file)
    assert event["SUMMARY"] == f"{TRUST['name']}: Plan; talk, eat\\drink"
    assert event["LOCATION"] == "Room 1, مركز"
    assert event["DTSTART"].params["TZID"] == "Europe/London"
    assert event.start.utcoffset() == timedelta(hours=offset)
    assert event.end - event.start == timedelta(hours=1.5)
    assert event["DTSTAMP"].dt.tzinfo is not None
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/London"]
    await sends(amina, f"{entry}/edit", what="Moved", day=day, begins="12:00")
    [moved] = events_in(await amina.get(f"{entry}/calendar"))
    assert moved["UID"] == event["UID"]
    assert (int(event["SEQUENCE"]), int(moved["SEQUENCE"])) == (0, 1)
    assert moved.start.astimezone(LOCAL).hour == 12


async def test_a_meeting_goes_over_midnight_and_over_the_change_of_clocks(
    amina: httpx.AsyncClient, trust: UUID
) -> None:
    for day, ends, hours in (("2026-03-28", "02:30", 3.5), ("2026-10-24", "02:30", 5.5)):
        entry = await writes(amina, trust, "meeting", day=day, begins="22:00", ends=ends)
        assert "until 02:30 the next day" in (await amina.get(entry)).text
        assert 'value="02:30"' in (await amina.get(f"{entry}/edit")).text
        [event] = events_in(await amina.get(f"{entry}/calendar"))
        assert event.end.astimezone(UTC) - event.start.astimezone(UTC) == timedelta(hours=hours)
    calendar = (await amina.get(f"{entry}/calendar")).text
    summer = calendar.partition("BEGIN:DAYLIGHT")[2].partition("END:DAYLIGHT")[0]
    assert "DTSTART:20260329T010000" in summer
    assert "RDATE:20270328T010000" in summer


async def test_a_note_is_no_file_for_a_calendar(amina: httpx.AsyncClient, trust: UUID) -> None:
    entry = await writes(amina, trust)
    assert (await amina.get(f"{entry}/calendar")).status_code == 404


async def attaches(browser: httpx.AsyncClient, entry: str, name: str, content: bytes) -> httpx.Response:
    page = await browser.get(entry)
    files = {"file": (name, content)}
    return await browser.post(f"{entry}/files", data={"key": key_in(page)}, files=files)


async def test_a_file_is_attached_given_out_and_removed(
    amina: httpx.AsyncClient, marek: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    entry = await writes(amina, trust, day=register.context.clock.today().isoformat())
    content = b"%PDF-1.7 " + bytes(range(256)) * 2000
    assert (await attaches(amina, entry, "Protokoll “Ž”.pdf", content)).status_code == 303
    page = (await marek.get(entry)).text
    [href] = re.findall(rf'href="({entry}/files/[^"]+)"', page)
    assert "Protokoll" in page
    given = await marek.get(href)
    assert given.content == content
    assert given.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in given.headers["content-security-policy"]
    key = key_in(await marek.get(form_of(trust, "note")))
    assert (await marek.post(f"{href}/remove", data={"key": key})).status_code == 404
    assert (await presses(amina, entry, f"{href}/remove")).status_code == 303
    assert (await marek.get(href)).status_code == 404
    assert "Put it back" not in (await marek.get(entry)).text
    assert (await presses(amina, entry, f"{href}/restore")).status_code == 303
    assert (await marek.get(href)).content == content
    await presses(amina, entry, f"{href}/remove")
    register.context.clock.advance(timedelta(days=20))
    assert (await scrub_old(register, held.TERMS))["removed-files"] == 0
    register.context.clock.advance(timedelta(days=20))
    assert (await scrub_old(register, held.TERMS))["removed-files"] == 1
    assert await rows(register, "SELECT 1 FROM file_parts") == []


@pytest.mark.parametrize(
    ("name", "content"), [("a.exe", b"MZ"), ("a.pdf", b"<html>"), ("a.png", b""), ("a.svg", b"<svg/>")]
)
async def test_other_files_are_refused(
    amina: httpx.AsyncClient, trust: UUID, register: Database, name: str, content: bytes
) -> None:
    entry = await writes(amina, trust)
    answer = await attaches(amina, entry, name, content)
    assert answer.status_code == 422
    assert 'id="file-fault"' in answer.text
    assert "They rang" in answer.text
    assert await rows(register, "SELECT 1 FROM files") == []


async def test_a_file_of_another_entry_is_not_there(amina: httpx.AsyncClient, trust: UUID) -> None:
    one, other = [await writes(amina, trust) for _ in range(2)]
    await attaches(amina, one, "a.csv", b"a;b\n")
    [href] = re.findall(rf'href="({one}/files/[^"]+)"', (await amina.get(one)).text)
    assert (await amina.get(href)).status_code == 200
    assert (await amina.get(href.replace(one, other))).status_code == 404


# Rights


async def test_who_took_part_or_is_named_sees_it_and_is_taken_out_of_it(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    [contact] = await rows(register, "SELECT id FROM contacts")
    who = str(contact["id"])
    await writes(
        amina, trust, "meeting", what="With Zzyzxova", begins="10:00", theirs=[who], detail="Marker agreed."
    )
    await writes(amina, trust, detail="Write to MARKER.ZZYZXOVA@trust.example, marker zzyzxova’s address.")
    await writes(amina, trust, what="Pens", detail="About somebody else")
    async with register.transaction() as tx:
        subject = await rights.subject_of(tx, [contact["id"]], [])
        files = [each async for each in held.gather(tx, subject)]
        told_of = [each for each in files if each.path.startswith("timeline-")]
        assert len(told_of) == 2
        assert b"Marker agreed." in b"".join(each.content for each in told_of)
        done = await held.forget(tx, subject)
    assert done.counts["notes, calls and meetings"] == 2
    found = await rows(register, "SELECT what, detail, their_contacts FROM timeline ORDER BY what, detail")
    assert found == [
        {"what": "Pens", "detail": "About somebody else", "their_contacts": []},
        {"what": "They rang", "detail": f"Write to {GONE}, {GONE} address.", "their_contacts": []},
        {"what": f"With {GONE}", "detail": f"{GONE} agreed.", "their_contacts": []},
    ]


def without(text: str, name: str, *emails: str, near: bool = True) -> str:
    return Naming.of(Subject(names=(name,), emails=emails)).without(text, near=near)


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("Nora O’Brien", "Ms O’Brien’s aunt and an o’brien", f"Ms {GONE} aunt and an o’brien"),
        ("فاطمة حسن", "قالت فاطمة نعم", f"قالت {GONE} نعم"),
        ("Trần Thị Lệ Hằng", "With tran thi le hang.", f"With {GONE}."),
        ("Jane Whitmore", "Whitmore, Jane came; Jane's list", f"{GONE} came; {GONE} list"),
        (
            "Theresa May",
            "In May she may. Theresa rang. Theresa May!",
            f"In May she may. {GONE} rang. {GONE}!",
        ),
        ("Fatima", "Fatima rang", f"{GONE} rang"),
    ],
)
def test_a_name_is_taken_out_of_what_is_of_their_organisation(name: str, text: str, left: str) -> None:
    assert without(text, name) == left


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("The Practice Manager", "The practice manager of the Trust met the Manager."),
        ("April", "In April, not before."),
        ("Dr Will", "Will they come?"),
        ("Finance Office", "The finance office pays."),
    ],
)
def test_words_that_name_nobody_stay_everywhere(name: str, text: str) -> None:
    assert without(text, name) == text


def test_elsewhere_only_the_whole_name_and_the_address_mean_somebody() -> None:
    text = "Jane and Mrs Whitmore, not JANE WHITMORE; jw@trust.example"
    left = f"Jane and Mrs Whitmore, not {GONE}; {GONE}"
    assert without(text, "Jane Whitmore", "jw@trust.example", near=False) == left


async def test_forgetting_one_leaves_notes_about_others_alone(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    [contact] = await rows(register, "SELECT id FROM contacts")
    query = "SELECT id FROM organisations WHERE id NOT IN (SELECT organisation_id FROM contacts)"
    other = (await rows(register, query))[0]["id"]
    await writes(amina, other, what="Marker Smith rang", detail="Not Marker Zzyzxova.")
    await writes(amina, trust, what="Marker rang", detail="No marker was set.")
    async with register.transaction() as tx:
        subject = await rights.subject_of(tx, [contact["id"]], [])
        found = await rights.find(tx, str(contact["id"]))
        [naming] = await rights.notes_naming(tx, found)
        assert {row["what"] for row in naming} == {"Marker Smith rang", "Marker rang"}
        await held.forget(tx, subject)
    assert await rows(register, "SELECT what, detail FROM timeline ORDER BY what") == [
        {"what": "Marker Smith rang", "detail": f"Not {GONE}."},
        {"what": f"{GONE} rang", "detail": "No marker was set."},
    ]


async def test_notes_go_six_years_after_what_they_are_about(
    amina: httpx.AsyncClient, trust: UUID, register: Database
) -> None:
    entry = await writes(amina, trust)
    await attaches(amina, entry, "a.csv", b"a;b\n")
    await writes(amina, trust, day=register.context.clock.today().isoformat())
    assert (await scrub_old(register, held.TERMS))["notes"] == 1
    assert len(await rows(register, "SELECT 1 FROM timeline")) == 1
    assert await rows(register, "SELECT 1 FROM files") == []
