"""What people ask about what is held on them, through all three services and what they say to each other."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import acting, verify
from chassis.database import Database
from chassis.inbox import Inbox
from chassis.relay import Relay
from chassis.rights import PIECE, Held, Subject, in_pieces
from chassis.sealed import unseal
from chassis.transports import Delivery
from contracts.access import ACCOUNT, RIGHTS, Role
from contracts.catalogue import sample
from contracts.envelope import encode
from contracts.grants import ErasureAnswered, PersonScrubbed
from contracts.partners import ErasureCompleted, PersonDataRequested
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services import play
from services.copies import lasting
from services.grants.colleagues import called
from services.grants.imports import import_registrations
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import create_campaign
from services.notifications.domain import AnswerKind
from services.notifications.preparing import prepare_letters
from services.notifications.sending import Sender
from services.notifications.stages import send_campaign
from services.partners import people, rights, views
from services.partners.imports import import_partners
from services.partners.naming import GONE
from services.play import plan
from tests.access import EVERYTHING
from tests.conftest import MakeDatabase, announced, client
from tests.crawling import contents
from tests.notifications.conftest import WRITER, approve
from tests.partners.browsing import post
from tests.partners.conftest import OFFICER, TRUST, line, partners_csv
from tests.world import World, make_world

NAME, EMAIL, REFERENCE = "Marker Zzyzxova", "marker.zzyzxova@trust.example", "marker-ref-77"
COLLEAGUE, WRITES = "Colleague Qwertyson", "We asked Colleague Qwertyson, who is ill"
DENTIST = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"


@pytest.fixture
async def world(make_database: MakeDatabase) -> World:
    return await make_world(make_database)


@pytest.fixture
async def story(world: World) -> dict[str, UUID]:
    """A body with two contacts, a letter to each and an answer; an account; registrations. Ids of theirs."""
    colleague = {
        "contact_name": COLLEAGUE,
        "contact_role": "chief_executive",
        "contact_email": "ceo@trust.example",
    }
    csv = partners_csv(line(TRUST, OFFICER), line(TRUST, OFFICER, colleague))
    report = await import_partners(world[PARTNERS], csv, dry_run=False)
    assert not report.faults
    lines = [f"{each},2011-10-03,dentist,E09000020,IQ,ore_1,consent" for each in (REFERENCE, "somebody-else")]
    registered = await import_registrations(world[GRANTS], "\n".join([DENTIST, *lines]).encode())
    assert not registered.faults, registered.faults
    async with acting(world[PARTNERS]) as tx:
        account = await people.invite(tx, name=NAME, email=EMAIL, roles=["staff"])
        await people.invite(tx, name="Somebody Else", email="ops@forum.example", roles=["ops"])
    await world.carry()
    async with world[NOTIFICATIONS].transaction() as tx:
        campaign = await create_campaign(
            tx, replace(plan(), roles=("dental_care", "chief_executive")), WRITER
        )
        await prepare_letters(tx, campaign)
        await approve(tx, campaign)
        await send_campaign(tx, campaign)
        letters = {row["role"]: row["id"] for row in await tx.fetch("SELECT id, role FROM letters")}
        await record_answer(tx, letters["dental_care"], Answer(kind=AnswerKind.ASK, detail=WRITES))
    await world.carry()
    async with world[PARTNERS].reading() as tx:
        rows = await tx.fetch("SELECT id, name FROM contacts")
    return {"account": account, **{row["name"]: row["id"] for row in rows}}


@asynccontextmanager
async def member_of_staff(world: World, *roles: Role) -> AsyncIterator[httpx.AsyncClient]:
    app = import_module("services.partners.web").build(world[PARTNERS])
    person = replace(EVERYTHING, roles=frozenset(roles or {Role.STAFF}))
    async with client(app, "/partners", person) as browser:
        yield browser


async def ask(
    world: World, *entries: UUID, kind: str = "export", references: tuple[str, ...] = (), carry: bool = True
) -> UUID:
    async with acting(world[PARTNERS]) as tx:
        subject = await rights.subject_of(tx, entries, references)
        wanted = rights.ask_for_everything if kind == "export" else rights.ask_to_forget
        id = await wanted(tx, subject)
    if carry:
        await world.carry()
    return id


async def bar(world: World, id: UUID) -> None:
    async with acting(world[PARTNERS]) as tx:
        await people.bar(tx, id)


async def state_of(world: World, id: UUID) -> str:
    async with world[PARTNERS].reading() as tx:
        return str(await tx.fetchval("SELECT state FROM rights_requests WHERE id = $1", id))


async def everything_in(world: World) -> dict[str, str]:
    """Every table of every service as text, bytes as what they would read as."""
    found = {}
    for service, database in world.databases.items():
        async with database.reading() as tx:
            for row in await tx.fetch("SELECT relname FROM pg_stat_user_tables"):
                rows = await tx.fetch(f'SELECT * FROM "{row["relname"]}"')
                values = [value for each in rows for value in each.values()]
                text = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
                found[f"{service}.{row['relname']}"] = "\n".join(text)
    return found


async def seen(browser: httpx.AsyncClient, id: UUID) -> str:
    return (await browser.get(f"{RIGHTS}/{id}")).text


# Seeing everything


async def test_everything_comes_together_from_all_three(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story["account"], story[NAME], references=(REFERENCE,))
    assert await state_of(world, id) == "gathered"
    async with member_of_staff(world) as browser:
        page = await seen(browser, id)
        assert re.findall(r"(Partners|Grants|Letters) has told", page) == ["Partners", "Grants", "Letters"]
        links = re.findall(rf'href="({RIGHTS}/{id}/files/[^"]+)"', page)
        assert (await browser.get(f"{RIGHTS}/{id}/archive")).status_code == 409
        shown = {link: (await browser.get(link)).text for link in links}
        assert {status.status_code for status in [await browser.get(link) for link in links]} == {200}
        about_somebody_else = next(link for link, text in shown.items() if COLLEAGUE in text)
        left_out = await post(
            browser,
            f"{about_somebody_else}/leave-out",
            on=about_somebody_else,
            reason="It speaks of a colleague",
        )
        assert left_out.headers["location"] == f"{RIGHTS}/{id}?done=out"
        released = await post(browser, f"{RIGHTS}/{id}/release", on=f"{RIGHTS}/{id}", confirm="yes")
        assert released.headers["location"].endswith("done=released")
        archive = await browser.get(f"{RIGHTS}/{id}/archive")
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        names = files.namelist()
        whole = {name: files.read(name).decode() for name in names}
    index = whole.pop("index.html")
    assert {name.partition("/")[0] for name in whole} == {"partners", "grants", "letters"}
    assert all(isinstance(json.loads(text), dict) for text in whole.values())
    for marker in (NAME, EMAIL, "Partners", "Grants", "It speaks of a colleague", "E09000020"):
        assert marker in index
    for other in (COLLEAGUE, WRITES, "Somebody Else", "ceo@trust.example"):
        assert other not in index + "".join(whole.values())


async def test_a_letter_is_told_with_what_came_back(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story[NAME])
    async with world[PARTNERS].reading() as tx:
        files = [file for file in await rights.files_of(tx, id) if file["path"].startswith("letters/")]
        [letter] = [await rights.read_file(tx, id, NOTIFICATIONS, file["number"]) for file in files]
    told = json.loads(letter.content)
    assert told["to"] == NAME
    assert told["answers"][0]["detail"] == WRITES
    assert told["history"]
    assert NAME not in letter.title + letter.path


async def test_who_looks_and_who_takes_it_is_in_the_audit(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story["account"])
    async with member_of_staff(world) as browser:
        link = re.findall(rf'href="({RIGHTS}/{id}/files/[^"]+)"', await seen(browser, id))[0]
        await browser.get(link)
        await post(browser, f"{RIGHTS}/{id}/release", on=f"{RIGHTS}/{id}", confirm="yes")
        await browser.get(f"{RIGHTS}/{id}/archive")
    async with world[PARTNERS].reading() as tx:
        acts = [
            row["action"] for row in await tx.fetch("SELECT action FROM audit WHERE object = $1", str(id))
        ]
        said = str(await tx.fetch("SELECT * FROM audit"))
        assert (await verify(tx)).broken_at is None
    assert acts[-3:] == ["looked_at", "released", "given_out"]
    assert not re.search("Marker|@", said)


async def test_nothing_held_is_an_answer_too(world: World) -> None:
    id = await ask(world, references=("nobody-has-this",))
    assert await state_of(world, id) == "gathered"
    async with member_of_staff(world) as browser:
        assert (await seen(browser, id)).count("Nothing is held there.") == 3


async def test_answers_come_in_any_order_and_twice(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story[NAME], references=(REFERENCE,), carry=False)
    await Relay(world[PARTNERS], world.port).turn()
    said = [
        e
        for s in (NOTIFICATIONS, GRANTS)
        for e in await announced(world[s])
        if e.data.get("request_id") == id
    ]
    handlers = import_module("services.partners.handlers")
    inbox = Inbox(world[PARTNERS], handlers.SUBSCRIPTIONS)
    for event in [*reversed(said), *said]:
        await inbox.take([Delivery(body=encode(event))])
    assert len(said) > 3
    assert await state_of(world, id) == "gathered"
    async with world[PARTNERS].reading() as tx:
        assert len(await rights.files_of(tx, id)) == len(
            {file["path"] for file in await rights.files_of(tx, id)}
        )
        assert await tx.fetchval("SELECT count(*) FROM parked") == 0


async def test_while_one_section_is_away_the_request_waits_for_it(
    world: World, story: dict[str, UUID]
) -> None:
    world.port.withdraw(GRANTS)
    id = await ask(world, story[NAME], carry=False)
    for _ in range(3):
        for service in (PARTNERS, NOTIFICATIONS):
            await Relay(world[service], world.port).turn()
    assert await state_of(world, id) == "gathering"
    async with member_of_staff(world) as browser:
        assert "Waiting for Grants" in await seen(browser, id)


async def test_what_is_cancelled_is_gone_and_stays_gone(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story[NAME], carry=False)
    async with member_of_staff(world) as browser:
        await post(browser, f"{RIGHTS}/{id}/cancel", on=f"{RIGHTS}/{id}")
    await world.carry()
    assert await state_of(world, id) == "cancelled"
    async with world[PARTNERS].reading() as tx:
        assert await rights.files_of(tx, id) == []
        assert await tx.fetchval("SELECT subject FROM rights_requests WHERE id = $1", id) is None


async def test_people_ask_for_themselves(world: World, story: dict[str, UUID]) -> None:
    app = import_module("services.partners.web").build(world[PARTNERS])
    me = replace(EVERYTHING, id=story["account"], roles=frozenset({Role.PANEL_MEMBER}))
    async with client(app, "/partners", me) as browser:
        asked = await post(browser, f"{ACCOUNT}/everything", on=ACCOUNT)
        assert "within a month" in (await browser.get(asked.headers["location"])).text
    async with member_of_staff(world) as browser:
        assert NAME in (await browser.get(RIGHTS)).text
        await world.carry()
        assert "1 request</a>" in re.sub(
            r"about.*?</a>", "</a>", (await browser.get("/partners/")).text
        ).replace(" </a>", "</a>")


async def test_a_file_of_any_size_travels_in_pieces() -> None:
    for size in (0, 1, PIECE, PIECE + 1, 3 * PIECE):
        pieces = list(in_pieces(Held(path="x", title="x", content=bytes(size))))
        assert [piece["piece"] for piece in pieces] == list(range(1, max(1, -(-size // PIECE)) + 1))
        assert {piece["pieces"] for piece in pieces} == {len(pieces)}


# Recording it


async def test_the_form_finds_them_and_says_what_is_missing(world: World, story: dict[str, UUID]) -> None:
    async with member_of_staff(world) as browser:
        form = f"{RIGHTS}/new"
        found = await browser.post(f"{form}/find", data={"who": EMAIL.upper()})
        assert 'name="entries" value="' in found.text
        assert not re.search(r'name="entries" value="[^"]+" checked', found.text)
        ticked = re.findall(r'name="entries" value="([^"]+)"', found.text)
        assert set(ticked) == {str(story["account"]), str(story[NAME])}
        from_a_link = await browser.get(f"{form}?who={story[NAME]}")
        assert re.findall(r'name="entries" value="([^"]+)" checked', from_a_link.text) == [str(story[NAME])]
        nobody = await browser.post(f"{form}/find", data={"who": "nobody@x.example"})
        assert "Nobody is known here" in nobody.text

        async def send(**fields: Any) -> httpx.Response:
            key = re.findall(r'name="key" value="([^"]+)"', (await browser.get(f"{form}?who=x")).text)[-1]
            return await browser.post(form, data={"key": key, "who": EMAIL, **fields})

        good = {"entries": ticked, "kind": "export", "confirm": "yes"}
        for missing, words in (
            ("entries", "It is not said whom this is about."),
            ("kind", "It is not said what they want."),
            ("confirm", "You have not said that it is they who ask."),
        ):
            again = await send(**{name: value for name, value in good.items() if name != missing})
            assert again.status_code == 422, missing
            assert words in again.text
            assert 'value="marker.zzyzxova@trust.example"' in again.text
        done = await send(**good)
        assert re.fullmatch(rf"{RIGHTS}/[0-9a-f-]+\?done=export", done.headers["location"])


async def test_what_is_missing_is_said_where_it_is_missing(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story[NAME])
    async with member_of_staff(world) as browser:
        page = f"{RIGHTS}/{id}"
        early = await post(browser, f"{page}/release", on=page)
        assert early.status_code == 422
        assert "You have not said that you have looked through it." in early.text
        assert "What was gathered" in early.text
        link = re.findall(rf'href="({page}/files/[^"]+)"', early.text)[0]
        for reason in ("x", "y" * 301):
            short = await post(browser, f"{link}/leave-out", on=link, reason=reason)
            assert short.status_code == 422
            assert "Say why in 3 to 300 characters." in short.text
            assert f'value="{reason}"' in short.text
    assert await state_of(world, id) == "gathered"


async def test_whoever_does_not_answer_requests_sees_that_there_is_one_and_not_whose(
    world: World, story: dict[str, UUID]
) -> None:
    id = await ask(world, story[NAME])
    async with member_of_staff(world, Role.AUDITOR) as browser:
        for path in (RIGHTS, f"{RIGHTS}/{id}"):
            page = await browser.get(path)
            assert page.status_code == 200
            assert NAME not in page.text
        assert (await browser.get(f"{RIGHTS}/{id}/archive")).status_code == 403


async def test_addresses_that_are_wrong_are_not_there(world: World, story: dict[str, UUID]) -> None:
    id = await ask(world, story[NAME])
    async with member_of_staff(world) as browser:
        for path in (f"{uuid4()}", f"{id}/files/partners/99", f"{id}/files/x/1", f"{id}/files/partners/x"):
            assert (await browser.get(f"{RIGHTS}/{path}")).status_code == 404, path


# Being forgotten


async def test_nothing_anywhere_names_whoever_was_forgotten(world: World, story: dict[str, UUID]) -> None:
    async with acting(world[PARTNERS]) as tx:
        asked = {"q": f"{NAME.lower()} dental", "area": "E09000020"}
        await views.save(tx, uuid4(), f"Letters to {NAME}", urlencode(asked), shared=False)
        await views.save(tx, uuid4(), "Trusts", "kind=primary_care_trust", shared=True)
    before = await everything_in(world)
    assert any(NAME in text for text in before.values())
    await bar(world, story["account"])
    id = await ask(world, story["account"], story[NAME], references=(REFERENCE,), kind="erasure")
    assert await state_of(world, id) == "erased"
    last_words = await rows_of(world[NOTIFICATIONS], "SELECT * FROM notices WHERE kind = 'forgotten'")
    assert EMAIL in str(last_words), "told once more, and then never"
    async with world[NOTIFICATIONS].transaction() as tx:
        await tx.execute("DELETE FROM notices WHERE kind = 'forgotten'")
    after = await everything_in(world)
    kept = await rows_of(world[PARTNERS], "SELECT name, query FROM saved_views ORDER BY id")
    assert [(view["name"], dict(parse_qsl(view["query"]))) for view in kept] == [
        (f"Letters to {GONE}", {"q": f"{GONE} dental", "area": "E09000020"}),
        ("Trusts", {"kind": "primary_care_trust"}),
    ]
    for marker in (NAME, EMAIL, REFERENCE, WRITES):
        assert [table for table, text in after.items() if marker in text] == [], marker
    assert COLLEAGUE in after["partners.contacts"]
    assert COLLEAGUE in after["notifications.contacts"]
    async with world[GRANTS].reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM registrations") == 1
        assert await tx.fetchval("SELECT count FROM registration_counts") == 1
    async with world[NOTIFICATIONS].reading() as tx:
        letters = await tx.fetch("SELECT ask_pence, answer, frozen FROM letters ORDER BY role")
    assert [letter["answer"] for letter in letters] == ["silent", "asked"]
    assert all(letter["ask_pence"] for letter in letters)
    for database in world.databases.values():
        async with database.reading() as tx:
            assert (await verify(tx)).broken_at is None


async def rows_of(database: Database, query: str) -> list[dict[str, Any]]:
    async with database.reading() as tx:
        return [dict(row) for row in await tx.fetch(query)]


async def test_the_page_says_what_was_done_and_what_stays(world: World, story: dict[str, UUID]) -> None:
    await bar(world, story["account"])
    id = await ask(world, story["account"], story[NAME], references=(REFERENCE,), kind="erasure")
    async with member_of_staff(world) as browser:
        page = await seen(browser, id)
    for done in ("accounts", "entries in the register", "registrations", "letters", "answers"):
        assert re.search(f"{done}: 1\\b", page, re.IGNORECASE), done
    assert page.count("Stays:") == 2
    assert NAME not in page
    [told] = [e for e in await announced(world[PARTNERS]) if e.fact is ErasureCompleted]
    assert len(told.data["kept"]) == 2


async def test_they_can_no_longer_sign_in_or_be_written_to(world: World, story: dict[str, UUID]) -> None:
    await bar(world, story["account"])
    await ask(world, story["account"], story[NAME], kind="erasure")
    async with world[NOTIFICATIONS].reading() as tx:
        [book] = await tx.fetch("SELECT * FROM contacts WHERE id = $1", story[NAME])
        [standing] = await tx.fetch("SELECT barred FROM standings WHERE person_id = $1", story["account"])
        waiting = await tx.fetchval(
            "SELECT count(*) FROM letters WHERE contact_id = $1 AND state = 'ready'", story[NAME]
        )
    assert (book["name"], book["email"], book["withdrawn_on"] is not None) == (None, None, True)
    assert standing["barred"]
    assert waiting == 1
    await Sender(world[NOTIFICATIONS])._tidy()
    async with world[NOTIFICATIONS].reading() as tx:
        assert await tx.fetchval("SELECT state FROM letters WHERE contact_id = $1", story[NAME]) == "blocked"


async def test_grants_knows_their_name_until_they_are_forgotten(world: World, story: dict[str, UUID]) -> None:
    async def known() -> set[str]:
        async with world[GRANTS].reading() as tx:
            ids = [row["person_id"] for row in await tx.fetch("SELECT person_id FROM colleagues")]
            return set((await called(tx, ids)).values())

    assert await known() == {NAME, "Somebody Else"}
    id = await ask(world, story["account"])
    async with world[PARTNERS].reading() as tx:
        paths = [file["path"] for file in await rights.files_of(tx, id) if file["service"] == GRANTS]
        assert "colleague-1.json" in paths
    await bar(world, story["account"])
    await world.carry()
    assert await known() == {NAME, "Somebody Else"}, "minutes say who was there"
    await ask(world, story["account"], kind="erasure")
    assert await known() == {"Somebody Else"}
    assert await lasting("grants.colleagues", world[PARTNERS], world[GRANTS]) == []


async def test_letters_knows_what_they_are_called_until_they_are_forgotten(
    world: World, story: dict[str, UUID]
) -> None:
    async def known() -> set[str]:
        async with world[NOTIFICATIONS].reading() as tx:
            return {row["name"] for row in await tx.fetch("SELECT name FROM colleagues WHERE name <> ''")}

    assert await known() == {NAME, "Somebody Else"}
    await bar(world, story["account"])
    await world.carry()
    assert await known() == {NAME, "Somebody Else"}, "histories say who it was"
    await ask(world, story["account"], kind="erasure")
    assert await known() == {"Somebody Else"}
    assert await lasting("notifications.colleagues", world[PARTNERS], world[NOTIFICATIONS]) == []


async def test_no_list_brings_them_back(world: World, story: dict[str, UUID]) -> None:
    await ask(world, story[NAME], kind="erasure")
    report = await import_partners(world[PARTNERS], partners_csv(line(TRUST, OFFICER)), dry_run=False)
    assert [(fault.line, fault.column) for fault in report.faults] == [(2, "contact_email")]
    assert "asked to be forgotten" in report.faults[0].fault


async def test_whoever_may_still_sign_in_is_barred_first_by_somebody_else(
    world: World, story: dict[str, UUID]
) -> None:
    async with member_of_staff(world) as browser:
        form = f"{RIGHTS}/new"
        key = re.findall(r'name="key" value="([^"]+)"', (await browser.get(f"{form}?who=x")).text)[-1]
        wanted = {"who": EMAIL, "entries": str(story["account"]), "kind": "erasure", "confirm": "yes"}
        refused = await browser.post(form, data={"key": key, **wanted})
        assert refused.status_code == 409
        assert "They may still sign in." in refused.text
        assert "Operations bar them first" in refused.text
    await bar(world, story["account"])
    assert await state_of(world, await ask(world, story["account"], kind="erasure")) == "erased"


async def test_whoever_comes_back_meanwhile_is_not_forgotten(world: World, story: dict[str, UUID]) -> None:
    await bar(world, story["account"])
    id = await ask(world, story["account"], kind="erasure", carry=False)
    async with acting(world[PARTNERS]) as tx:
        await people.invite(tx, name=NAME, email=EMAIL, roles=["staff"])
    await world.carry()
    assert await state_of(world, id) == "objected"


async def test_where_nothing_was_known_nothing_is_said_to_be_forgotten(
    world: World, story: dict[str, UUID]
) -> None:
    id = await ask(world, references=("nobody-has-this",), kind="erasure")
    assert await state_of(world, id) == "erased"
    async with member_of_staff(world) as browser:
        page = await seen(browser, id)
    assert "No section knows anything by what was given, so nothing was forgotten." in page
    known = await ask(world, references=(REFERENCE,), kind="erasure")
    async with member_of_staff(world) as browser:
        assert "Nothing was known" not in await seen(browser, known)


async def test_loading_the_example_again_brings_nobody_back(world: World) -> None:
    """Whoever was forgotten stays so; whoever was never there comes."""
    [first, *others] = play.example_people()
    async with acting(world[PARTNERS]) as tx:
        id = await people.invite(tx, **first)
        await people.invite(tx, name="Another", email="another@forum.example", roles=["ops"])
    await bar(world, id)
    await ask(world, id, kind="erasure")
    async with world[PARTNERS].transaction() as tx:
        await play.admit_example(tx)
    emails = {row["email"] for row in await rows_of(world[PARTNERS], "SELECT email FROM people")}
    assert first["email"] not in emails
    assert {each["email"] for each in others} <= emails


async def test_when_a_section_has_something_against_it_nothing_is_forgotten(
    world: World, story: dict[str, UUID]
) -> None:
    world.port.withdraw(GRANTS)
    id = await ask(world, story[NAME], kind="erasure", carry=False)
    for service in (PARTNERS, NOTIFICATIONS):
        await Relay(world[service], world.port).turn()
    golden = sample(ErasureAnswered)
    objecting = replace(
        golden, data={"request_id": id, "objection": "A payment is under way."}, subject=str(id)
    )
    before = await contents(world[PARTNERS])
    handlers = import_module("services.partners.handlers")
    await Inbox(world[PARTNERS], handlers.SUBSCRIPTIONS).take([Delivery(body=encode(objecting))])
    assert await state_of(world, id) == "objected"
    after = await contents(world[PARTNERS])
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {"rights_requests", "rights_answers", "inbox"}
    async with member_of_staff(world) as browser:
        page = await seen(browser, id)
    assert "A payment is under way." in page
    assert "Nothing was forgotten." in page


async def test_what_a_section_says_after_it_is_over_changes_nothing(
    world: World, story: dict[str, UUID]
) -> None:
    id = await ask(world, story[NAME], kind="erasure")
    late = replace(sample(PersonScrubbed), data={**sample(PersonScrubbed).data, "request_id": id}, id=uuid4())
    before = await contents(world[PARTNERS])
    handlers = import_module("services.partners.handlers")
    await Inbox(world[PARTNERS], handlers.SUBSCRIPTIONS).take([Delivery(body=encode(late))])
    after = await contents(world[PARTNERS])
    assert {table for table in before if before[table] != after[table]} == {"inbox"}


async def test_only_the_service_it_is_for_can_read_who_it_is_about(
    world: World, story: dict[str, UUID]
) -> None:
    await ask(world, story[NAME], carry=False)
    [event] = [e for e in await announced(world[PARTNERS]) if e.fact is PersonDataRequested]
    keys = world[GRANTS].context.keys
    assert Subject.of(unseal(keys, PersonDataRequested, "for_grants", event.data["for_grants"])).names == (
        NAME,
    )
    with pytest.raises(Exception, match="cannot be opened"):
        unseal(keys, PersonDataRequested, "for_notifications", event.data["for_notifications"])
    assert NAME not in str(encode(event))
