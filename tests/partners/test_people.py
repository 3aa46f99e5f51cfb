"""Admitting, trusting and barring people: what others hear of it, and the pages for it."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.errors import Conflict, Refused
from chassis.keys import read_keys
from chassis.rights import Subject
from chassis.sealed import Unopenable, unseal
from contracts.access import ALONE, Role
from contracts.catalogue import sample
from contracts.envelope import Event
from contracts.notifications import NoticeFailed
from contracts.partners import (
    OrganisationRegistered,
    PersonAdmitted,
    PersonBarred,
    PersonInvited,
    PersonSignedOut,
    RolesChanged,
)
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.partners import held, people
from services.partners.queries import PEOPLE
from services.partners.snapshots import SNAPSHOTS
from services.partners.web import build
from tests.access import EVERYTHING
from tests.conftest import announced, client
from tests.partners.conftest import TRUST, Bring, hear, line

LIST = "/partners/people"


@pytest.fixture
async def browser(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), "/partners") as visitor:
        yield visitor


async def admit(register: Database, name: str, *roles: str, **more: str) -> UUID:
    email = f"{name.lower()}@marker.example"
    async with register.transaction() as tx:
        return await people.invite(tx, name=name, email=email, roles=roles, **more)


async def change(register: Database, what: Any, *values: Any) -> None:
    async with register.transaction() as tx:
        await what(tx, *values)


async def key_on(browser: httpx.AsyncClient, path: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', (await browser.get(path)).text)
    assert found
    return found.group(1)


async def about(register: Database, id: UUID) -> list[Event]:
    """What was said of somebody, beside the mails to them."""
    return [
        e for e in await announced(register) if e.data.get("person_id") == id and e.fact is not PersonInvited
    ]


async def test_what_others_hear_of_somebody(register: Database) -> None:
    id = await admit(register, "Amina", "staff", "ops")
    await admit(register, "Other", "ops")
    await change(register, people.change_roles, id, ["outreach"])
    await change(register, people.change_roles, id, ["outreach"])
    await change(register, people.bar, id)
    await change(register, people.bar, id)
    await admit(register, "Amina", "staff")
    said = await about(register, id)
    assert [(e.fact, e.sequence, e.data["roles"], e.data["barred"]) for e in said] == [
        (PersonAdmitted, 1, ["ops", "staff"], False),
        (RolesChanged, 2, ["outreach"], False),
        (PersonBarred, 3, ["outreach"], True),
        (PersonAdmitted, 4, ["staff"], False),
    ]
    golden = sample(PersonAdmitted)
    assert set(said[0].data) == set(golden.data)
    assert "Amina" not in str(await announced(register))
    assert "marker.example" not in str(await announced(register))
    assert await names_in(register, said) == [("Amina", "amina@marker.example")] * 4


async def names_in(register: Database, events: Sequence[Event]) -> list[tuple[str, str] | None]:
    """Name and address in each event about a person, which grants alone can open; letters only the name."""
    folder = register.context.settings.keys_folder
    found: list[tuple[str, str] | None] = []
    for event in events:
        sealed = event.data["who"]
        if sealed is None:
            assert event.data["name"] is None
            found.append(None)
            continue
        for other in (PARTNERS, NOTIFICATIONS):
            with pytest.raises(Unopenable):
                unseal(read_keys(folder, other), event.fact, "who", sealed)
        who = unseal(read_keys(folder, GRANTS), event.fact, "who", sealed)
        found.append((who["name"], who["email"]))
        assert _told_to_letters(folder, event) == {"name": who["name"]}
    return found


def _told_to_letters(folder: Path, event: Event) -> dict[str, Any]:
    """What letters alone can open: no address."""
    sealed = event.data["name"]
    for other in (PARTNERS, GRANTS):
        with pytest.raises(Unopenable):
            unseal(read_keys(folder, other), event.fact, "name", sealed)
    return unseal(read_keys(folder, NOTIFICATIONS), event.fact, "name", sealed)


async def test_of_whoever_was_erased_everybody_hears_that_there_is_no_name_any_more(
    register: Database,
) -> None:
    """On request or because their time has come."""
    await admit(register, "Ops", "ops")
    one, other = [await admit(register, name, "panel_member") for name in ("Amina", "Bo")]
    for id in (one, other):
        await change(register, people.bar, id)
    async with register.transaction() as tx:
        await held.forget(tx, Subject(ids=(one,)))
        [term] = [each for each in held.TERMS if each.what == "people"]
        assert await term.scrub(tx, tx.now + timedelta(days=1), 10) == 1
        assert await SNAPSHOTS["people"](tx, None, 10)
    for id, name in ((one, "amina"), (other, "bo")):
        admitted, barred, erased, snapshot = await about(register, id)
        assert await names_in(register, [admitted, barred]) == [(name.title(), f"{name}@marker.example")] * 2
        assert (erased.fact, erased.sequence) == (PersonBarred, 3)
        assert (snapshot.sequence, snapshot.data["barred"]) == (3, True)
        assert await names_in(register, [erased, snapshot]) == [None, None]


async def test_an_invitation_is_sealed_for_the_one_service_that_writes(register: Database) -> None:
    await admit(register, "Amina", "staff")
    (event,) = [e for e in await announced(register) if e.fact is PersonInvited]
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    opened = unseal(keys, PersonInvited, "address", event.data["address"])
    assert opened == {"name": "Amina", "email": "amina@marker.example"}


async def test_at_the_start_there_is_nobody(register: Database) -> None:
    """No administrator that everybody knows, and no program."""
    async with register.reading() as tx:
        assert await people.nobody_yet(tx)
        for table in ("people", "sessions", "standings", "issued_tokens", "tokens"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_our_own_people_belong_to_our_own_body(register: Database, bring: Bring) -> None:
    await bring(line(TRUST))
    await admit(register, "Amina", "staff")
    await admit(register, "Bo", "staff")
    at_trust = await admit(register, "Chi", "panel_member", organisation="GB-NHS-5LA")
    own = [e for e in await announced(register) if e.fact is OrganisationRegistered]
    assert [e.data["name"] for e in own][1:] == [register.context.house.name]
    (admitted,) = await about(register, at_trust)
    assert admitted.data["organisation_id"] == own[0].data["organisation_id"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"email": "amina"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "a@"}, "email"),
        ({"email": "a..b@c.example"}, "email"),
        ({"email": ".a@c.example"}, "email"),
        ({"email": "a@-c.example"}, "email"),
        ({"email": "a@192.0.2.1"}, "email"),
        ({"email": "é@c.example"}, "email"),
        ({"email": "a" * 65 + "@c.example"}, "email"),
        ({"name": "Amina\u202e"}, "name"),
        ({"name": "\u2066Amina"}, "name"),
        ({"name": "\u200c"}, "name"),
        ({"email": "a@b.example\nbcc: c@d.example"}, "email"),
        ({"email": '"a b"@c.example'}, "email"),
        ({"email": "a\x01b@c.example"}, "email"),
        ({"roles": []}, "roles"),
        ({"roles": ["king"]}, "roles"),
        ({"roles": ["staff", "auditor"]}, "roles"),
        ({"roles": ["panel_member", "payer"]}, "roles"),
        ({"roles": ["panel_member", "auditor"]}, "roles"),
        ({"organisation": "GB-NHS-NONE"}, "organisation"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_left(
    register: Database, changed: dict[str, Any], field: str
) -> None:
    given = {"name": "Amina", "email": "a@b.example", "roles": ["staff"], **changed}
    with pytest.raises(Refused) as caught:
        await change(register, lambda tx: people.invite(tx, **given))
    assert caught.value.field == field
    assert caught.value.cure
    assert await announced(register) == []


async def test_one_address_is_one_person_however_it_is_written(register: Database) -> None:
    await admit(register, "Amina", "staff")
    with pytest.raises(Conflict):
        await change(
            register,
            lambda tx: people.invite(tx, name="Two", email="AMINA@Marker.example", roles=["staff"]),
        )


async def test_nobody_locks_the_door_from_inside(register: Database) -> None:
    last = await admit(register, "Amina", "ops", "staff")
    for what in (lambda tx: people.bar(tx, last), lambda tx: people.change_roles(tx, last, ["staff"])):
        with pytest.raises(Conflict, match="Nobody would be left"):
            await change(register, what)
    await admit(register, "Bo", "ops")
    await change(register, people.bar, last)


@pytest.mark.parametrize("takes", [people.bar, partial(people.change_roles, roles=["staff"])])
async def test_two_who_take_the_role_from_each_other_at_the_same_moment_leave_one(
    register: Database, takes: Any
) -> None:
    one, two = await admit(register, "Amina", "ops"), await admit(register, "Bo", "ops")
    async with register.transaction() as first:
        await people.bar(first, two)
        second = asyncio.create_task(change(register, takes, one))
        await asyncio.sleep(0.2)
        assert not second.done()
    with pytest.raises(Conflict, match="Nobody would be left"):
        await second
    async with register.reading() as tx:
        left = [row["id"] async for row in PEOPLE.people_trusted_as(tx, role=Role.OPS)]
    assert left == [one]


async def test_a_snapshot_says_how_somebody_stands_now(register: Database) -> None:
    id = await admit(register, "Amina", "staff")
    await admit(register, "Bo", "ops")
    await change(register, people.bar, id)
    async with register.transaction() as tx:
        last = await SNAPSHOTS["people"](tx, None, 10)
        assert last is not None
        assert await SNAPSHOTS["people"](tx, last, 10) is None
    *_, again = await about(register, id)
    assert (again.fact, again.sequence, again.data["barred"], again.snapshot) == (
        PersonAdmitted,
        2,
        True,
        True,
    )


async def test_signing_out_moves_the_version_on(register: Database) -> None:
    id = await admit(register, "Amina", "staff")
    async with register.transaction() as tx:
        assert await people.sign_out(tx, id) == 0
    assert [e.fact for e in await about(register, id)] == [PersonAdmitted]
    async with register.transaction() as tx:
        await tx.execute(
            "INSERT INTO sessions VALUES ($1, $2, 'x', 'A browser', $3, $3)", uuid4(), id, tx.now
        )
        assert await people.sign_out(tx, id) == 1
    assert [e.fact for e in await about(register, id)] == [PersonAdmitted, PersonSignedOut]


# Pages


async def test_somebody_is_invited_on_the_page(browser: httpx.AsyncClient, register: Database) -> None:
    form = {
        "key": await key_on(browser, f"{LIST}/invite"),
        "name": " Noor  Haddad ",
        "email": "noor@marker.example",
        "roles": ["staff", "payer"],
        "organisation": "",
    }
    answers = [await browser.post(f"{LIST}/invite", data=form) for _ in range(2)]
    assert {(a.status_code, a.headers["location"]) for a in answers} == {(303, f"{LIST}?done=invited")}
    page = await browser.get(answers[0].headers["location"])
    assert "Noor Haddad" in page.text
    assert "They were sent a message" in page.text
    assert "Payer, Staff" in page.text
    assert len([e for e in await announced(register) if e.fact is PersonInvited]) == 1


async def test_a_form_with_faults_comes_back_as_it_was(browser: httpx.AsyncClient) -> None:
    form = {
        "key": await key_on(browser, f"{LIST}/invite"),
        "name": "Noor <i>",
        "email": "noor",
        "roles": ["auditor"],
    }
    answer = await browser.post(f"{LIST}/invite", data=form)
    assert answer.status_code == 422
    assert 'value="Noor &lt;i&gt;"' in answer.text
    assert "Write one such as name@body.example." in answer.text
    assert re.search(r'value="auditor"\s+checked', answer.text)


async def test_roles_are_changed_and_somebody_is_barred_and_let_in_again(
    browser: httpx.AsyncClient, register: Database
) -> None:
    await admit(register, "Bo", "ops")
    id = await admit(register, "Amina", "staff")
    page = f"{LIST}/{id}"
    steps: Sequence[tuple[str, dict[str, Any], str]] = (
        ("roles", {"roles": ["trustee", "outreach"]}, "Outreach, Trustee"),
        ("bar", {"confirm": "yes"}, "barred"),
        ("admit", {}, "Outreach, Trustee"),
    )
    for step, fields, shown in steps:
        key = await key_on(browser, page)
        suffix = "-bar" if step == "bar" else ""
        answer = await browser.post(f"{page}/{step}", data={"key": key + suffix, **fields})
        assert answer.status_code == 303, answer.text
        assert shown in (await browser.get(answer.headers["location"])).text
    assert "barred" not in (await browser.get(page)).text


async def test_nobody_changes_their_own_roles(register: Database) -> None:
    await admit(register, "Bo", "ops")
    id = await admit(register, "Amina", "ops")
    page = f"{LIST}/{id}"
    async with client(build(register), "/partners", replace(EVERYTHING, id=id)) as own:
        shown = await own.get(page)
        assert "Ask a colleague with the role Operations." in shown.text
        assert f'action="{page}/roles"' not in shown.text
        form = {"key": await key_on(own, page), "roles": ["ops", "payer"]}
        answer = await own.post(f"{page}/roles", data=form)
    assert answer.status_code == 422
    assert "Nobody changes their own roles." in answer.text
    assert [e.fact for e in await about(register, id)] == [PersonAdmitted]
    await change(register, people.change_roles, id, ["ops", "payer"])  # as by command


@pytest.mark.parametrize(
    ("role", "said"),
    [("panel_member", "A panel member has no other role."), ("auditor", "An auditor has no other role.")],
)
async def test_who_decides_and_who_checks_do_nothing_else(
    browser: httpx.AsyncClient, register: Database, role: str, said: str
) -> None:
    """It stands where people are admitted, and is said with the reason when roles are given."""
    assert said in (await browser.get(f"{LIST}/invite")).text
    id = await admit(register, "Amina", "staff")
    page = f"{LIST}/{id}"
    form = {"key": await key_on(browser, page), "roles": ["staff", role]}
    answer = await browser.post(f"{page}/roles", data=form)
    assert answer.status_code == 422
    assert f"{said}</" in answer.text or f">{said}" in answer.text
    assert html.escape(ALONE[Role(role)][1]) in answer.text
    assert [e.fact for e in await about(register, id)] == [PersonAdmitted]
    await change(register, people.change_roles, id, [role])


async def test_barring_wants_a_tick(browser: httpx.AsyncClient, register: Database) -> None:
    id = await admit(register, "Amina", "staff")
    key = await key_on(browser, f"{LIST}/{id}")
    answer = await browser.post(f"{LIST}/{id}/bar", data={"key": key})
    assert answer.status_code == 422
    assert "Tick the box" in answer.text


async def test_an_auditor_reads_and_has_nothing_to_press(register: Database) -> None:
    id = await admit(register, "Amina", "staff")
    auditor = replace(EVERYTHING, roles=frozenset({"auditor"}))
    async with client(build(register), "/partners", auditor) as browser:
        for path in (LIST, f"{LIST}/{id}"):
            page = await browser.get(path)
            assert "Amina" in page.text
            assert "<form method" not in page.text
            assert "Invite" not in page.text


# Names and addresses


@pytest.mark.parametrize(
    "name", ["علی\u200cرضا نوری", "ක්\u200dරිස්", "Nguyễn Thị Ánh", "O’Neil-d'Arcy", "王小明"]
)
async def test_names_of_every_script_are_kept_as_they_are(
    browser: httpx.AsyncClient, register: Database, name: str
) -> None:
    form = {"key": await key_on(browser, f"{LIST}/invite"), "email": "noor@marker.example", "roles": "staff"}
    assert (await browser.post(f"{LIST}/invite", data={**form, "name": name})).status_code == 303
    assert html.escape(name) in (await browser.get(LIST)).text.replace("&#39;", "&#x27;")


async def test_a_character_that_cannot_be_seen_is_said_to_be_one(browser: httpx.AsyncClient) -> None:
    form = {"key": await key_on(browser, f"{LIST}/invite"), "email": "noor@marker.example", "roles": "staff"}
    answer = await browser.post(f"{LIST}/invite", data={**form, "name": "Noor\u202etxt"})
    assert answer.status_code == 422
    assert "The name has a character that cannot be seen." in answer.text
    assert "Letters of every script may stand in it." in answer.text


def not_arrived(id: UUID, kind: str = "invitation", hours: int = 0) -> Event:
    golden = sample(NoticeFailed)
    at = golden.data["failed_at"] + timedelta(hours=hours)
    said = {"person_id": id, "kind": kind, "failed_at": at}
    return replace(golden, id=uuid4(), subject=str(uuid4()), data={**golden.data, **said})


async def test_an_invitation_that_does_not_arrive_is_shown_and_put_right(
    browser: httpx.AsyncClient, register: Database
) -> None:
    id = await admit(register, "Amina", "staff")
    await admit(register, "Bo", "ops")
    page = f"{LIST}/{id}"
    assert "Nothing arrives" not in (await browser.get(page)).text
    await hear(register, [not_arrived(id, hours=1), not_arrived(id, "sign_in"), not_arrived(uuid4())])
    assert (await browser.get(LIST)).text.count("not reached") == 1
    shown = (await browser.get(page)).text
    assert "The invitation of 6 February 2012, 10:00 did not arrive." in re.sub("<[^>]+>", "", shown)
    for wrong, words in (("amina@", "No mail can be sent"), ("bo@marker.example", "Somebody else has this")):
        form = {"key": await key_on(browser, page) + "-address", "email": wrong}
        answer = await browser.post(f"{page}/address", data=form)
        assert answer.status_code in (409, 422)
        assert words in answer.text
        assert f'value="{wrong}"' in answer.text
    form = {"key": await key_on(browser, page) + "-address", "email": " Amina.Right@marker.example "}
    answer = await browser.post(f"{page}/address", data=form)
    assert answer.headers["location"] == f"{page}?done=address"
    after = (await browser.get(answer.headers["location"])).text
    assert "They are written to at the new address" in after
    assert "Nothing arrives" not in after
    *_, event = [e for e in await announced(register) if e.fact is PersonInvited]
    keys = read_keys(register.context.settings.keys_folder, NOTIFICATIONS)
    opened = unseal(keys, PersonInvited, "address", event.data["address"])
    assert opened == {"name": "Amina", "email": "Amina.Right@marker.example"}
    async with register.reading() as tx:
        said = str(await tx.fetch("SELECT * FROM audit"))
    assert "address_put_right" in said
    assert "@" not in said


async def test_an_address_at_which_mail_arrives_is_nobodys_to_change(
    browser: httpx.AsyncClient, register: Database
) -> None:
    """Whoever could change it could sign in as them."""
    id = await admit(register, "Amina", "staff")
    form = {"key": await key_on(browser, f"{LIST}/{id}"), "email": "mine@marker.example"}
    answer = await browser.post(f"{LIST}/{id}/address", data=form)
    assert answer.status_code == 409
    assert "Their address is not known to be wrong." in answer.text
    async with register.reading() as tx:
        assert await tx.fetchval("SELECT email FROM people WHERE id = $1", id) == "amina@marker.example"


async def test_whoever_is_barred_is_not_missed(register: Database, browser: httpx.AsyncClient) -> None:
    id = await admit(register, "Amina", "staff")
    await hear(register, [not_arrived(id)])
    await change(register, people.bar, id)
    await hear(register, [not_arrived(id, hours=2)])
    assert "not reached" not in (await browser.get(LIST)).text


async def test_what_was_typed_wrongly_about_somebody_stands_on_their_page(
    browser: httpx.AsyncClient, register: Database
) -> None:
    id = await admit(register, "Amina", "ops", "staff")
    page = f"{LIST}/{id}"
    for step, fields, status, words in (
        ("bar", {}, 422, "You have not said that they may be barred."),
        ("bar", {"confirm": "yes"}, 409, "Nobody would be left who may admit people."),
        ("roles", {}, 422, "No role is chosen."),
        ("roles", {"roles": ["auditor"]}, 409, "Give somebody else the role Operations first."),
    ):
        answer = await browser.post(f"{page}/{step}", data={"key": await key_on(browser, page), **fields})
        assert answer.status_code == status, answer.text
        assert words in answer.text
        assert "<h1>Amina</h1>" in answer.text
        assert re.findall(r'value="(\w+)" checked', answer.text) == (
            fields.get("roles", []) if step == "roles" else ["staff", "ops"]
        )
