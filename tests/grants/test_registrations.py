"""Registering by the public form: confirmed by a mailed link, counted, amended, left, exported, forgotten."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.database import Database
from chassis.retention import scrub_old
from chassis.rights import Subject
from contracts.grants import RegistrationAsked, RegistrationsCounted
from services.grants import held, registrations, web
from services.grants.imports import import_registrations
from services.grants.registrations import MOST_TO_ONE, NOTICE, TooManyMails
from tests.conftest import announced, client
from tests.crawling import contents
from tests.grants.registering import ADDRESS, EMAIL, FORM, asks, mails, post, registers, rows

CAMDEN = "E09000007"


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody outside, who has no account."""
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


async def counts(grants: Database) -> list[tuple[str, str, int]]:
    """What was announced, the oldest first."""
    return [
        (event.data["area"], event.data["profession"], event.data["count"])
        for event in await announced(grants)
        if event.fact is RegistrationsCounted
    ]


async def test_somebody_registers_confirms_and_leaves(grants: Database, browser: httpx.AsyncClient) -> None:
    answer = await post(browser, ADDRESS, **FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ADDRESS}/sent")
    assert "Look into your mail" in (await browser.get(answer.headers["location"])).text
    assert await counts(grants) == []
    [mail] = await mails(grants)
    assert mail["email"] == EMAIL
    link = httpx.URL(mail["link"]).path

    page = await browser.get(link)
    assert "Is this right?" in page.text
    assert "Camden" in page.text
    assert "Iraq" in page.text
    assert page.headers["referrer-policy"] == "strict-origin"
    assert await counts(grants) == [], "looking is no answer"

    confirmed = await post(browser, f"{link}/confirm", on=link)
    assert confirmed.headers["location"] == f"{link}?done=confirmed"
    assert "You are registered" in (await browser.get(confirmed.headers["location"])).text
    assert await counts(grants) == [(CAMDEN, "doctor", 1)]

    await everybody_has_heard(grants)
    left = await post(browser, f"{link}/leave", on=link)
    assert "You have left" in (await browser.get(left.headers["location"])).text
    assert await counts(grants) == [(CAMDEN, "doctor", 1), (CAMDEN, "doctor", 0)]
    assert (await browser.get(link)).status_code == 404
    for table in ("registrations", "registration_askings", "registration_purposes"):
        assert await rows(grants, table) == []
    assert await sealed(grants) == [None]


async def test_what_is_kept_cannot_be_read(grants: Database) -> None:
    await registers(grants, reference="SG-00417")
    kept = json.dumps(await contents(grants), default=str)
    for secret in (EMAIL, "amina", "SG-00417"):
        assert secret.casefold() not in kept.casefold()
    [row] = await rows(grants, "registrations")
    assert row["email"] == row["person"]
    assert row["email"] != hashlib.sha256(EMAIL.encode()).digest()


async def test_each_purpose_has_its_basis_and_its_notice(grants: Database) -> None:
    await registers(grants, purposes=list(registrations.Purpose))
    [row] = await rows(grants, "registrations")
    assert (row["lawful_basis"], row["notice_version"]) == ("legitimate_interests", NOTICE)
    assert row["address"]
    given = await rows(grants, "registration_purposes")
    assert {each["purpose"]: each["lawful_basis"] for each in given} == {
        "study_group": "consent",
        "grants": "consent",
    }
    assert {each["notice_version"] for each in given} == {NOTICE}


async def test_an_address_is_not_kept_for_whoever_wants_no_mail(grants: Database) -> None:
    await registers(grants, purposes=[])
    [row] = await rows(grants, "registrations")
    assert row["address"] is None
    assert await rows(grants, "registration_purposes") == []


async def test_the_same_person_again_puts_their_registration_right(grants: Database) -> None:
    first = await registers(grants, purposes=list(registrations.Purpose))
    again = await registers(grants, " AMINA.Marker@mail.example", area="E09000020", purposes=[])
    [row] = await rows(grants, "registrations")
    assert (row["area"], row["version"], row["address"]) == ("E09000020", 2, None)
    assert {each["withdrawn_at"] is None for each in await rows(grants, "registration_purposes")} == {False}
    assert sorted(await counts(grants)) == [
        (CAMDEN, "doctor", 0),
        (CAMDEN, "doctor", 1),
        ("E09000020", "doctor", 1),
    ]
    async with grants.reading() as tx:
        found = [await registrations.by_token(tx, token) for token in (first, again)]
    assert {each["registration_id"] for each in found} == {row["id"]}


HEAD = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
LINE = f"SG-00417,2007-01-05,doctor,{CAMDEN},IQ,ielts,consent"


async def imported(grants: Database, *lines: str) -> None:
    report = await import_registrations(grants, "\n".join([HEAD, *(lines or (LINE,))]).encode())
    assert not report.faults


async def test_whoever_is_in_the_list_already_is_not_counted_twice(grants: Database) -> None:
    await imported(grants)
    await registers(grants, reference="sg-00417 ")
    [row] = await rows(grants, "registrations")
    assert row["exam_stage"] == "plab_1"
    assert row["registered_on"].isoformat() == "2007-01-05"
    await imported(grants)
    assert len(await rows(grants, "registrations")) == 1
    assert await counts(grants) == [(CAMDEN, "doctor", 1)]


async def test_whoever_has_registered_twice_becomes_one(grants: Database) -> None:
    await imported(grants)
    await registers(grants)
    assert len(await rows(grants, "registrations")) == 2
    await registers(grants, reference="SG-00417")
    await imported(grants)
    assert len(await rows(grants, "registrations")) == 1
    assert (await counts(grants))[-1] == (CAMDEN, "doctor", 1)


@pytest.mark.parametrize("guessed", [{"country": "IR"}, {"area": "E09000020"}, {"profession": "dentist"}])
async def test_a_guessed_reference_takes_nothing_over(grants: Database, guessed: dict[str, str]) -> None:
    await imported(grants)
    before = await rows(grants, "registrations")
    await registers(grants, "mallory@mail.example", reference="SG-00417", **guessed)
    assert before[0] in await rows(grants, "registrations")
    assert len(await rows(grants, "registrations")) == 2


async def test_a_reference_of_somebody_with_an_address_takes_nothing_over(grants: Database) -> None:
    await imported(grants)
    await registers(grants, reference="SG-00417")
    before = await rows(grants, "registrations")
    await registers(grants, "mallory@mail.example", reference="SG-00417")
    assert before[0] in await rows(grants, "registrations")


async def test_a_list_of_addresses_knows_whoever_came_by_the_form(grants: Database) -> None:
    await registers(grants)
    await imported(grants, LINE.replace("SG-00417", EMAIL.upper()))
    assert len(await rows(grants, "registrations")) == 1


async def test_buttons_pressed_at_once_count_everybody_once(grants: Database) -> None:
    tokens = [await asks(grants, f"person{n}@mail.example") for n in range(6)]

    async def confirm(token: str) -> None:
        async with grants.transaction() as tx:
            await registrations.confirm(tx, token)

    await asyncio.gather(*(confirm(token) for token in tokens * 2))
    assert len(await rows(grants, "registrations")) == 6
    said = [event for event in await announced(grants) if event.fact is RegistrationsCounted]
    assert sorted((event.sequence, event.data["count"]) for event in said) == [(n, n) for n in range(1, 7)]


async def test_a_link_confirms_for_a_week(grants: Database, browser: httpx.AsyncClient) -> None:
    late, kept = await asks(grants), await registers(grants, "minh@mail.example")
    key = {"key": "x" * 20}
    grants.context.clock.advance(timedelta(days=8))
    assert (await browser.get(f"{ADDRESS}/{late}")).status_code == 404
    assert (await browser.get(f"{ADDRESS}/{kept}")).status_code == 200
    [page] = [await browser.get(f"{ADDRESS}/{kept}")]
    assert page.status_code == 200
    answer = await post(browser, f"{ADDRESS}/{late}/confirm", on=ADDRESS)
    assert answer.status_code == 404
    assert len(await rows(grants, "registrations")) == 1
    assert (await browser.post(f"{ADDRESS}/{kept}/leave", data=key)).status_code == 409


async def test_nobody_can_have_an_address_flooded(grants: Database, browser: httpx.AsyncClient) -> None:
    answers = [await post(browser, ADDRESS, **FORM) for _ in range(MOST_TO_ONE + 1)]
    assert [answer.status_code for answer in answers] == [303] * MOST_TO_ONE + [429]
    assert "We have sent 3 mails to this address today." in answers[-1].text
    assert len(await mails(grants)) == MOST_TO_ONE
    grants.context.clock.advance(timedelta(days=1, minutes=1))
    assert (await post(browser, ADDRESS, **FORM)).status_code == 303


async def test_so_many_at_once_send_so_many_mails(grants: Database) -> None:
    async def one() -> bool:
        try:
            await asks(grants)
        except TooManyMails:
            return False
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(10)))) == MOST_TO_ONE


async def test_all_together_have_an_end(grants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrations, "MOST_TO_ALL", 2)
    for n in range(2):
        await asks(grants, f"person{n}@mail.example")
    with pytest.raises(TooManyMails, match="no more mails"):
        await asks(grants, "person3@mail.example")


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("email", "", "This is empty."),
        ("email", "amina@", "No mail can be sent to this address."),
        ("email", "amina@mail.example\r\nBcc: all@mail.example", "a sign that cannot be shown"),
        ("email", "a" * 300 + "@mail.example", "This is too long"),
        ("profession", "wizard", "Nothing is chosen here."),
        ("area", "Atlantis", "This is not on the list."),
        ("area", "bar", "Do you mean Barking and Dagenham or Barnet?"),
        ("area", "\u202eCamden", "a sign that cannot be shown"),
        ("area", "كامدن", "This is not on the list."),
        ("country", "Nước Việt Nam’s", "This is not on the list."),
        ("country", "'; DROP TABLE registrations; --", "This is not on the list."),
        ("exam_stage", "ore_1", "ORE part 1 is an exam of another profession."),
        ("reference", "x" * 300, "This is too long"),
        ("purposes", "everything", "not on the list any more"),
    ],
)
async def test_every_fault_stands_by_its_field_and_nothing_is_lost(
    grants: Database, browser: httpx.AsyncClient, field: str, typed: str, said: str
) -> None:
    answer = await post(browser, ADDRESS, **FORM | {field: typed})
    assert answer.status_code == 422
    assert said in answer.text
    assert f'href="#{field}"' in answer.text
    assert 'value="Iraq"' in answer.text or field == "country"
    assert await rows(grants, "registration_askings") == []


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("CAMDEN", CAMDEN),
        ("kensington", "E09000020"),
        ("tower ham", "E09000030"),
        ("king", "E09000021"),
        ("e09000007", CAMDEN),
    ],
)
async def test_a_borough_is_found_as_people_write_it(
    grants: Database, browser: httpx.AsyncClient, typed: str, code: str
) -> None:
    assert (await post(browser, ADDRESS, **FORM | {"area": typed})).status_code == 303
    [row] = await rows(grants, "registration_askings")
    assert row["area"] == code


async def test_the_form_works_without_scripts_and_offers_all_boroughs(browser: httpx.AsyncClient) -> None:
    page = (await browser.get(ADDRESS)).text
    assert page.count("<option value=") > 33 + 200
    assert 'list="areas"' in page
    assert '<datalist id="areas">' in page


async def test_forms_of_another_site_do_nothing(grants: Database, browser: httpx.AsyncClient) -> None:
    for key in ("", "x" * 20, "0123456789.abcdef"):
        answer = await browser.post(ADDRESS, data={**FORM, "key": key})
        assert answer.status_code in (400, 409)
    assert await rows(grants, "registration_askings") == []


#: What the notice said on each day that it has.
NOTICES = {"2026-11-26": "713155b8d7dd494f", "2026-11-27": "79c0d0659ea62c91"}


def test_another_notice_has_another_day() -> None:
    path = Path(web.__file__).parents[1] / "templates" / "register_privacy.html"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert NOTICES[NOTICE] == digest, "the notice says something else: give it another day, and keep the old"


# People's rights


async def sealed(grants: Database) -> list[str | None]:
    """The sealed addresses in what was announced, all of which has been heard."""
    return [each.data["address"] for each in await announced(grants) if each.fact is RegistrationAsked]


async def everybody_has_heard(grants: Database) -> None:
    async with grants.transaction() as tx:
        await tx.execute("UPDATE outbox SET published_at = $1", tx.now)


async def test_somebody_gets_everything_and_is_forgotten(grants: Database) -> None:
    await registers(grants)
    await asks(grants, area="E09000020")
    await everybody_has_heard(grants)
    subject = Subject(emails=(EMAIL,))
    async with grants.transaction() as tx:
        found = {each.path: json.loads(each.content) async for each in held.gather(tx, subject)}
        assert set(found) == {"registration-1.json", "unconfirmed-registration-1.json"}
        told: dict[str, Any] = found["registration-1.json"]
        assert told["area"] == CAMDEN
        assert told["address kept sealed"] is True
        assert [each["purpose"] for each in told["purposes"]] == ["grants"]
        done = await held.forget(tx, subject)
    assert {what: count for what, count in done.counts.items() if count} == {
        "registrations": 1,
        "unconfirmed registrations": 1,
    }
    assert await sealed(grants) == [None, None], "nor does what was announced hold the address any more"
    assert await rows(grants, "registration_askings") == []
    assert (await counts(grants))[-1] == (CAMDEN, "doctor", 0)


async def test_what_was_never_confirmed_goes_after_a_month(grants: Database) -> None:
    await asks(grants)
    token = await registers(grants, "minh@mail.example")
    grants.context.clock.advance(timedelta(days=32))
    done = await scrub_old(grants, held.TERMS)
    assert {what: count for what, count in done.items() if count} == {"unconfirmed registrations": 1}
    async with grants.reading() as tx:
        assert await registrations.by_token(tx, token) is not None
    grants.context.clock.advance(timedelta(days=720))
    assert (await scrub_old(grants, held.TERMS))["registrations"] == 1
    assert await rows(grants, "registration_askings") == []
