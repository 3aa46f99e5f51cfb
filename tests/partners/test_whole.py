"""An organisation with everything that the parts of the register keep of it: merged, and closed."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.audit import acting
from chassis.database import Database
from chassis.keys import read_keys
from chassis.sealed import unseal
from contracts.access import Role
from contracts.notifications import LetterSent
from contracts.partners import OrganisationClosed, ReferralReminded
from contracts.topology import NOTIFICATIONS
from services.notifications import handlers as letters_handlers
from services.notifications.readdressing import follow_bodies
from services.partners import agreements, directory, outcomes, people, referrals, signing, tagging, timeline
from services.partners.closing import close
from services.partners.domain import HandedOver
from services.partners.holding import Closed
from services.partners.merging import merge
from services.partners.queries import QUERIES, REGISTER
from services.partners.signing import Signer
from services.partners.terms import Side, Terms
from services.partners.timeline import Entry, Kind
from services.partners.web import build
from tests.access import EVERYTHING
from tests.conftest import MakeDatabase, announced, client, take
from tests.notifications.conftest import counted, released
from tests.partners.browsing import MOUNT, key_in, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, told
from tests.partners.directory import OFFER
from tests.partners.test_agreements import outcome, whole
from tests.partners.test_merging import TWICE, ids

LIST = f"{MOUNT}/organisations"
NOON = datetime(2012, 2, 7, 12, tzinfo=UTC)
FILE = b"%PDF-1.7 minutes"


@dataclass(frozen=True, kw_only=True)
class Everything:
    """The ids of what there is with an organisation."""

    officer: UUID
    note: UUID
    meeting: UUID
    referral: UUID
    draft: UUID
    offered: UUID
    #: The secret in the link by which the other side signs what is offered.
    link: str
    signed: UUID
    service: UUID
    person: UUID


@pytest.fixture
async def amina(register: Database) -> UUID:
    async with register.transaction() as tx:
        return await people.invite(tx, name="Amina Marker", email="amina@forum.example", roles=["staff"])


@pytest.fixture
async def browser(register: Database, amina: UUID) -> AsyncIterator[httpx.AsyncClient]:
    staff = replace(EVERYTHING, id=amina, roles=frozenset({Role.STAFF}))
    async with client(build(register), MOUNT, staff) as browser:
        yield browser


async def officer_at(register: Database, organisation: UUID) -> UUID:
    found = f"SELECT id FROM contacts WHERE organisation_id = '{organisation}' AND role = 'dental_care'"
    [row] = await rows(register, found)
    return UUID(str(row["id"]))


async def filled(register: Database, organisation: UUID, amina: UUID) -> Everything:
    """Everything that can be with an organisation, all of it with its officer."""
    officer = await officer_at(register, organisation)
    async with acting(register) as tx:
        await tagging.tag(tx, organisation, "Dentists’ friends")
        said: dict[str, Any] = {"what": "Who pays?", "their_contacts": (officer,), "our_people": (amina,)}
        note = await timeline.enter(tx, organisation, Entry(kind=Kind.NOTE, happened_at=NOON, **said), amina)
        said["what"] = "Plans"
        ahead: dict[str, Any] = {
            "happened_at": tx.now + timedelta(days=1),
            "ends_at": tx.now + timedelta(days=1, hours=1),
        }
        meeting = await timeline.enter(tx, organisation, Entry(kind=Kind.MEETING, **ahead, **said), amina)
        row = await timeline.lock(tx, note, amina)
        await timeline.attach(tx, row, name="Minutes.pdf", media_type="application/pdf", content=_content())
        asked: dict[str, Any] = {"reference": "SG-00417", "need": "housing", "contact_id": officer}
        referral = await referrals.make(tx, organisation, **asked, by=amina)
        service = await directory.add(tx, organisation, OFFER)
        person = await people.invite(
            tx, name="Bo", email="bo@trust.example", roles=["panel_member"], organisation=OFFERS_AT
        )
    draft = await _agreement(register, organisation, officer, amina, "A draft")
    offered = await _agreement(register, organisation, officer, amina, "Offered to them")
    signed = await _agreement(register, organisation, officer, amina, "Signed by both")
    link = await _offer(register, offered, officer, amina)
    await _sign(register, await _offer(register, signed, officer, amina))
    letter = {"organisation_id": organisation, "contact_id": officer}
    await hear(register, [told(LetterSent, **letter)])
    return Everything(
        officer=officer,
        note=note,
        meeting=meeting,
        referral=referral,
        draft=draft,
        offered=offered,
        link=link,
        signed=signed,
        service=service,
        person=person,
    )


#: The identifier of the organisation that is merged or closed.
OFFERS_AT = TWICE["identifier"]


async def _content() -> AsyncIterator[bytes]:
    yield FILE


async def _agreement(register: Database, organisation: UUID, officer: UUID, amina: UUID, title: str) -> UUID:
    theirs = outcome(what=f"{title}: they send ten dentists", owner_id=officer)
    ours = outcome(what=f"{title}: we teach them", side=Side.OURS, owner_id=amina)
    async with register.transaction() as tx:
        id = await agreements.begin(tx, organisation, title, amina)
        terms = whole(theirs, ours, title=title)
        await agreements.save(tx, await agreements.lock(tx, id), terms, amina)
    return id


async def _offer(register: Database, id: UUID, officer: UUID, amina: UUID) -> str:
    """Offer it and sign it for us; the secret in their link."""
    async with register.transaction() as tx:
        row = await agreements.lock(tx, id)
        number = await agreements.offer(tx, id, row["revision"], officer)
        await signing.sign_ours(tx, id, number, amina, "Director")
        return agreements.token_of(tx, id, number)


async def _sign(register: Database, link: str) -> None:
    async with register.transaction() as tx:
        await signing.sign_theirs(tx, link, Signer(name="Marker Zzyzxova", position="Officer"))


#: Every table of the register that says of which organisation something is.
_PLACES = ("timeline", "referrals", "agreements", "offered_services", "organisation_tags", "people")


async def left_at(register: Database, organisation: UUID) -> dict[str, int]:
    """How much each table still has of an organisation."""
    counted = {}
    for table in _PLACES:
        where = f"SELECT count(*) FROM {table} WHERE organisation_id = '{organisation}'"
        [row] = await rows(register, where)
        counted[table] = row["count"]
    return counted


async def found(browser: httpx.AsyncClient, asked: str) -> list[str]:
    """The ids that the list finds; the page and the API say the same."""
    page = await browser.get(LIST, params={"q": asked})
    said = (await browser.get(f"{MOUNT}/api/v1/organisations", params={"q": asked})).json()
    listed = [each["id"] for each in said["organisations"]]
    assert sorted(set(re.findall(rf'href="{LIST}/([0-9a-f-]{{36}})"', page.text))) == sorted(listed)
    return listed


@pytest.fixture
async def two(bring: Bring, register: Database) -> tuple[UUID, UUID]:
    """One trust in two entries, with an officer in both and somebody else in the one that goes."""
    twin = {**OFFICER, "contact_email": "marker.two@trust.example"}
    other = {"contact_name": "Nguyễn Thị Ánh", "contact_role": "chief_executive"}
    await bring(line(TRUST, OFFICER), line(TWICE, twin), line(TWICE, OFFICER, other))
    at = await ids(register)
    return at[TRUST["identifier"]], at[OFFERS_AT]


async def test_everything_of_an_entry_that_goes_is_found_at_the_one_that_stays(
    register: Database, two: tuple[UUID, UUID], amina: UUID, browser: httpx.AsyncClient
) -> None:
    stays, goes = two
    officer = await officer_at(register, stays)
    there = await filled(register, goes, amina)
    before = await rows(register, "SELECT content, digest FROM agreement_versions ORDER BY digest")
    async with register.transaction() as tx:
        await merge(tx, stays, goes, {})
    assert not any((await left_at(register, goes)).values())

    # Each search leads to the one that stays, and to it alone.
    for asked in (OFFERS_AT, TWICE["name"], "nguyen thi anh", "marker zzyzxova", TRUST["identifier"]):
        assert await found(browser, asked) == [str(stays)], asked
    page = (await browser.get(f"{LIST}/{stays}")).text
    for said in ("Nguyễn Thị Ánh", "Dentists’ friends", "Who pays?", "Plans", "SG-00417", OFFER.name):
        assert said in page, said
    for title in ("A draft", "Offered to them", "Signed by both"):
        assert title in page, title

    # Whatever named the contact that was withdrawn names the one that stays.
    for table in ("agreements", "agreement_outcomes", "agreement_signatures", "referrals", "timeline"):
        named = await rows(register, f"SELECT contact_id FROM {table} WHERE contact_id IS NOT NULL")
        assert named, table
        assert {row["contact_id"] for row in named} == {officer}, table
    took_part = await rows(register, "SELECT their_contacts FROM timeline WHERE their_contacts <> '{}'")
    assert [row["their_contacts"] for row in took_part] == [[officer], [officer]]
    assert await rows(register, "SELECT 1 FROM owned_outcomes WHERE gone_on IS NOT NULL") == []
    async with register.transaction() as tx:
        draft = await agreements.lock(tx, there.draft)
        assert await agreements.lacks(tx, draft) == []
    assert {each.owner_id for each in Terms.of(draft["terms"]).outcomes} == {officer, amina}

    # What was offered is signed as it was offered; its outcome is owned by the one that stays.
    await _sign(register, there.link)
    assert await rows(register, "SELECT content, digest FROM agreement_versions ORDER BY digest") == before
    async with register.reading() as tx:
        of_offered = await outcomes.listed(tx, agreement_id=there.offered, most=9)
    assert {(row["owner_id"], row["gone_on"]) for row in of_offered} == {(officer, None), (amina, None)}

    # A reminder goes to the address of the contact that stays, and the file is given out.
    async with acting(register) as tx:
        assert await referrals.remind(tx, there.referral, amina)
    *_, reminder = [event for event in await announced(register) if event.fact is ReferralReminded]
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    letter = unseal(keys, ReferralReminded, "letter", reminder.data["letter"])
    assert (reminder.data["organisation_id"], letter["email"]) == (stays, OFFICER["contact_email"])
    entry = (await browser.get(f"{MOUNT}/timeline/{there.note}")).text
    [href] = re.findall(rf'href="({MOUNT}/timeline/{there.note}/files/[^"]+)"', entry)
    assert (await browser.get(href)).content == FILE


async def test_letters_that_wait_go_to_the_one_that_stays(
    register: Database, two: tuple[UUID, UUID], make_database: MakeDatabase
) -> None:
    stays, goes = two
    letters = await make_database("notifications")
    heard = [event for event in await announced(register) if NOTIFICATIONS in event.fact.SUBSCRIBERS]
    await take(
        letters, letters_handlers.SUBSCRIPTIONS, *heard, counted("E09000020", 52), counted("E09000033", 187)
    )
    await released(letters)
    async with register.transaction() as tx:
        await merge(tx, stays, goes, {})
    since = [event for event in await announced(register) if event.id not in {each.id for each in heard}]
    await take(letters, letters_handlers.SUBSCRIPTIONS, *since)
    async with letters.transaction() as tx:
        await follow_bodies(tx)
    said = await rows(letters, "SELECT organisation_id, contact_id, state FROM letters")
    assert {row["organisation_id"] for row in said} == {stays}
    waiting = [row["contact_id"] for row in said if row["state"] == "ready"]
    here = await rows(register, f"SELECT id FROM contacts WHERE organisation_id = '{stays}'")
    assert waiting
    assert len(waiting) == len(set(waiting))
    assert set(waiting) <= {row["id"] for row in here}


async def test_a_form_that_was_open_for_an_entry_that_goes_writes_nothing_to_it(
    register: Database, two: tuple[UUID, UUID], amina: UUID, browser: httpx.AsyncClient
) -> None:
    stays, goes = two
    officer = await officer_at(register, goes)
    old = f"{LIST}/{goes}"
    keys = {
        "edit": await browser.get(f"{old}/edit"),
        "contacts/new": await browser.get(f"{old}/contacts/new"),
        "timeline/new": await browser.get(f"{old}/timeline/new?kind=note"),
        "referrals/new": await browser.get(f"{old}/referrals/new"),
        "agreements/new": await browser.get(f"{old}/agreements/new"),
        "close": await browser.get(f"{old}/close"),
    }
    service = await browser.get(f"{MOUNT}/services/new?organisation={goes}")
    contact = await browser.get(f"{MOUNT}/contacts/{officer}/edit")
    async with register.transaction() as tx:
        await merge(tx, stays, goes, {})
    before = await rows(register, f"SELECT * FROM organisations WHERE id = '{goes}'")
    fields: dict[str, dict[str, str]] = {
        "edit": {
            "revision": "1",
            "name": "X",
            "kinds": "funder",
            "closeness": "contact",
            "identifier": "X-1",
        },
        "contacts/new": {**OFFICER, "contact_name": "New"},
        "timeline/new": {"kind": "note", "what": "They rang", "day": "2012-02-07"},
        "referrals/new": {"reference": "SG-1", "need": "housing", "contact": "by_hand"},
        "agreements/new": {"title": "Together"},
        "close": {"closed_on": "2013-03-31", "revision": "1"},
    }
    said = {
        path: (await browser.post(f"{old}/{path}", data={"key": key_in(page), **fields[path]})).status_code
        for path, page in keys.items()
    }
    assert said == {
        "edit": 404,
        "contacts/new": 404,
        "timeline/new": 303,  # at the one that stays
        "referrals/new": 409,
        "agreements/new": 409,
        "close": 409,
    }
    changed = {"key": key_in(contact), "revision": "1", **OFFICER}
    assert (await browser.post(f"{MOUNT}/contacts/{officer}/edit", data=changed)).status_code == 404
    tagged = {"key": key_in(keys["edit"]), "tag": "Friends"}
    assert (await browser.post(f"{old}/tags", data=tagged)).status_code == 404
    offer = {
        "key": key_in(service),
        "identifier": OFFERS_AT,
        "name": OFFER.name,
        "description": OFFER.description,
        "needs": "housing",
        "telephone": str(OFFER.telephone),
        "charge": "free",
        "status": "active",
    }
    assert (await browser.post(f"{MOUNT}/services/new", data=offer)).status_code == 303
    assert not any((await left_at(register, goes)).values())
    assert await rows(register, f"SELECT * FROM organisations WHERE id = '{goes}'") == before
    at = await rows(register, "SELECT organisation_id FROM offered_services")
    assert at == [{"organisation_id": stays}]


async def test_what_is_begun_while_two_are_merged_waits_and_is_at_the_one_that_stays(
    register: Database, two: tuple[UUID, UUID], amina: UUID
) -> None:
    stays, goes = two
    async with register.transaction() as tx:
        await tagging.tag(tx, stays, "Friends")
        [tag] = [row async for row in REGISTER.tags_all(tx, most=1)]

    async def agree() -> None:
        async with register.transaction() as tx:
            await agreements.begin(tx, goes, "Together", amina)

    async def offer() -> None:
        async with register.transaction() as tx:
            where = await QUERIES.organisation_identified(tx, identifier=OFFERS_AT)
            await directory.add(tx, where, OFFER)

    async def label() -> None:
        async with register.transaction() as tx:
            asked = {"tag_id": tag["id"], "organisations": [goes], "now": tx.now}
            assert [row async for row in REGISTER.tag_organisations(tx, **asked)] == []

    async with register.transaction() as tx:
        await merge(tx, stays, goes, {})
        waiting = [asyncio.create_task(each()) for each in (agree, offer, label)]
        await asyncio.sleep(0.3)
        assert not any(each.done() for each in waiting)
    said = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in said] == [Closed, type(None), type(None)]
    assert not any((await left_at(register, goes)).values())
    at = await rows(register, "SELECT organisation_id FROM offered_services")
    assert at == [{"organisation_id": stays}]


# Closing


@pytest.mark.parametrize("handed", [*((what,) for what in HandedOver), tuple(HandedOver), ()])
async def test_what_is_handed_over_goes_on_at_the_successor_and_the_rest_ends(
    bring: Bring, register: Database, amina: UUID, browser: httpx.AsyncClient, handed: tuple[HandedOver, ...]
) -> None:
    await bring(line(TWICE, OFFICER), line(SUCCESSOR))
    at = await ids(register)
    closes, successor = at[OFFERS_AT], at[SUCCESSOR["identifier"]]
    there = await filled(register, closes, amina)
    async with register.transaction() as tx:
        today = tx.context.clock.today()
        await close(tx, closes, closed_on=today, successor=successor, handed_over=handed)
    states: dict[UUID, tuple[UUID, Any]] = {}
    for statement in (
        "SELECT id, organisation_id, state FROM referrals",
        "SELECT id, organisation_id, state FROM agreements",
        "SELECT id, organisation_id, retired_at IS NULL AS state FROM offered_services",
    ):
        found = await rows(register, statement)
        states |= {row["id"]: (row["organisation_id"], row["state"]) for row in found}
    goes_on: dict[HandedOver, dict[UUID, tuple[Any, Any]]] = {
        HandedOver.REFERRALS: {there.referral: ("made", "ended")},
        HandedOver.AGREEMENTS: {
            there.draft: ("draft", "ended"),
            there.offered: ("draft", "ended"),
            there.signed: ("signed", "ended"),
        },
        HandedOver.SERVICES: {there.service: (True, False)},
    }
    for what, things in goes_on.items():
        for id, (open_as, ended_as) in things.items():
            expected = (successor, open_as) if what in handed else (closes, ended_as)
            assert states[id] == expected, what
    [event] = [event for event in await announced(register) if event.fact is OrganisationClosed]
    assert event.data["handed_over"] == [what.value for what in HandedOver if what in handed]
    assert event.data["successor_id"] == successor
    page = " ".join(re.sub(r"<[^>]*>", " ", (await browser.get(f"{LIST}/{closes}")).text).split())
    for what, words in (
        (HandedOver.LETTERS, "Letters that are not sent yet"),
        (HandedOver.SERVICES, "Services"),
    ):
        assert re.search(rf"{words}[^:]*: {'go to' if what in handed else 'end here'}", page), words
    at_successor = (await browser.get(f"{LIST}/{successor}")).text
    for words, of_what in (
        ("SG-00417", HandedOver.REFERRALS),
        ("Signed by both", HandedOver.AGREEMENTS),
        (OFFER.name, HandedOver.SERVICES),
    ):
        assert (words in at_successor) is (of_what in handed), words
