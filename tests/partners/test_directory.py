"""The directory of services as staff use it: found, entered, put right, checked, retired, printed."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, time
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import verify
from chassis.clock import LOCAL, months_before
from chassis.database import Database
from contracts.access import Role
from services.partners import directory
from services.partners.directory import SERVICES
from services.partners.services_file import import_services
from services.partners.web import build
from services.partners.web.directory import ON_SLIP, PAGE
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, client
from tests.partners.browsing import MOUNT, key_in, later, post, rows
from tests.partners.conftest import SUCCESSOR, TRUST, Bring, line
from tests.partners.directory import OFFER, fill, id_of, take_example, watched

FIELDS: dict[str, Any] = {
    "name": "Housing drop-in",
    "description": "Advice for people who may lose their home.\nBring your letters.",
    "needs": ["housing", "legal"],
    "areas": ["E09000020"],
    "languages": ["ar", "so"],
    "charge": "charged",
    "cost": "£2 for each visit",
    "telephone": "020 7946 0101",
    "email": "help@body.example",
    "website": "https://body.example/help",
    "postal_address": "The Hall\r\n9 Acorn Road\r\nLondon",
    "postcode": "w105nt",
    "opening_hours": "Tuesdays, 10am to 1pm",
    "public_channels": ["telephone", "address"],
    "status": "active",
}


@pytest.fixture
async def browser(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT) as browser:
        yield browser


@pytest.fixture
async def example(register: Database) -> None:
    """The example's bodies and what they offer."""
    await take_example(register)


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    """A body that may offer something."""
    await bring(line(TRUST))
    return await id_of(register, TRUST)


async def adds(browser: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    """Fill in the form for another service of the trust and send it."""
    fields = {"identifier": TRUST["identifier"], **FIELDS, **changed}
    return await post(browser, f"{SERVICES}/new", **fields)


async def added(browser: httpx.AsyncClient, **changed: Any) -> str:
    """The address of a service that was entered."""
    answer = await adds(browser, **changed)
    assert answer.status_code == 303, words(answer)
    return str(httpx.URL(answer.headers["location"]).path)


async def edits(browser: httpx.AsyncClient, href: str, revision: object, **changed: Any) -> httpx.Response:
    fields = {**FIELDS, "revision": str(revision), **changed}
    return await post(browser, f"{href}/edit", **fields)


def words(page: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


async def names(browser: httpx.AsyncClient, **asked: str) -> list[str]:
    """The names on the first page of a search."""
    answer = await browser.get(SERVICES, params=asked)
    assert answer.status_code == 200
    return [unescape(name) for name in re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', answer.text)]


async def acts(register: Database) -> list[str]:
    return [row["action"] for row in await rows(register, "SELECT action FROM audit ORDER BY number")]


# Finding


async def test_an_empty_directory_says_what_belongs_there(browser: httpx.AsyncClient) -> None:
    page = await browser.get(SERVICES)
    assert "No services yet" in page.text
    assert f'href="{SERVICES}/new"' in page.text


@pytest.mark.usefixtures("example")
async def test_it_is_searched_by_words_need_area_language_and_cost(browser: httpx.AsyncClient) -> None:
    assert len(await names(browser)) == 13
    assert await names(browser, q="ESOL") == []
    assert await names(browser, q="cafe") == []
    assert await names(browser, q="creche") == ["English for speakers of other languages"]
    assert await names(browser, q="CAO TUOI") == ["Lunch for Vietnamese elders"]
    assert await names(browser, q="law centre drop-in") == ["Immigration and asylum drop-in"]
    assert await names(browser, need="health") == ["Sudanese health circle", "Talking therapies for refugees"]
    assert await names(browser, language="ti", area="E09000005") == [
        "Talking therapies for refugees",
        "Therapy after torture",
    ]
    assert await names(browser, cost="charged", need="work") == [
        "English for speakers of other languages",
        "Study circle for overseas dentists",
    ]
    assert await names(browser, cost="free", need="food", area="E09000020") == [
        "Casework for people without status",
        "Food and clothes for families",
    ]
    assert await names(browser, need="no_such_need") == []
    assert await names(browser, show="retired") == []
    page = await browser.get(SERVICES, params={"q": "zzz"})
    assert "Nothing found" in page.text


@pytest.mark.usefixtures("example")
async def test_where_a_service_is_for_many_areas_the_list_stays_short(browser: httpx.AsyncClient) -> None:
    said = words(await browser.get(SERVICES, params={"q": "torture"}))
    assert "Everywhere" in said.partition("Therapy after torture")[2]
    assert "Hackney, Lewisham" in words(await browser.get(SERVICES, params={"q": "vietnamese"}))


async def test_the_list_goes_on_until_every_service_was_shown_once(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    await fill(register, 2 * PAGE + 20, organisations=3)
    href: str | None = f"{SERVICES}?need=housing"
    seen: list[str] = []
    while href:
        page = await browser.get(href)
        assert "120 services found" in words(page)
        seen += re.findall(rf'<th scope="row"><a href="({SERVICES}/[^"]*)"', page.text)
        found = re.search(r'rel="next" href="([^"]*)"', page.text)
        href = unescape(found[1]) if found else None
        assert not href or href.startswith(f"{SERVICES}?need=housing&after=")
    assert len(seen) == len(set(seen)) == 120


async def test_a_page_asks_the_same_whatever_there_is(register: Database) -> None:
    asked = []
    async with watched(register) as database, client(build(database), MOUNT) as browser:
        for number in (1, 200):
            [body] = await fill(register, number, organisations=1)
            for path in (f"{SERVICES}?q=help&language=so", f"{MOUNT}/organisations/{body}"):
                database.asked.clear()
                assert (await browser.get(path)).status_code == 200
                asked.append([each for each in database.asked if "offered_services" in each])
    assert [len(each) for each in asked] == [2, 1, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        "q=%25%25_%5C&need=%27%20OR%201%3D1--",
        "after=x&area=%F0%9F%92%A9",
        "after=00000000-0000-0000-0000-000000000000",
        "q=%E2%80%AE%D8%B9%D8%B1%D8%A8%D9%8A&language=" + "x" * 3000,
        "show=all&cost=nothing",
        "q=" + "a%20" * 2000,
    ],
)
@pytest.mark.usefixtures("example")
async def test_nothing_that_is_asked_breaks_the_list(browser: httpx.AsyncClient, query: str) -> None:
    for path in (SERVICES, f"{SERVICES}/slip", f"{SERVICES}/new"):
        assert (await browser.get(f"{path}?{query}")).status_code == 200


# Entering and changing


async def test_a_service_is_entered_and_shown(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    body = await browser.get(f"{MOUNT}/organisations/{trust}")
    assert "Nothing in the directory yet" in body.text
    start = await browser.get(f"{SERVICES}/new", params={"organisation": str(trust)})
    assert f'value="{TRUST["identifier"]}"' in start.text
    href = await added(browser)
    page = words(await browser.get(f"{href}?done=added"))
    for said in (
        "It is in the directory.",
        TRUST["name"],
        "Advice for people who may lose their home.",
        "Housing, Legal advice",
        "Kensington and Chelsea",
        "Arabic, Somali",
        "£2 for each visit",
        "020 7946 0101 Everybody may read it",
        "help@body.example For us alone",
        "The Hall, 9 Acorn Road, London, W10 5NT",
        "Open to people now",
    ):
        assert said in page
    assert "Housing drop-in" in words(await browser.get(f"{MOUNT}/organisations/{trust}"))
    assert await acts(register) == ["service_added"]
    [row] = await rows(register, "SELECT checked_by, after FROM offered_services, audit")
    assert row["checked_by"] == EVERYTHING.id
    assert "Housing" not in str(row["after"])


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("identifier", "GB-CHC-0", "There is no such organisation."),
        ("name", " ", "It has no name."),
        ("name", "x" * 300, "there is room for 200"),
        ("name", "Help\u202egnp.exe", "an invisible character (U+202E)"),
        ("name", "=1+1", "as a formula"),
        ("description", "", "Nothing says what it is."),
        ("description", "x" * 2_001, "there is room for 2,000"),
        ("needs", [], "Nothing is ticked."),
        ("needs", ["housing", "gold"], "“gold” is not a known code."),
        ("areas", ["E09000099"], "“E09000099” is not a known code."),
        ("languages", ["xx"], "“xx” is not a known code."),
        ("cost", "", "Nothing says what it costs."),
        ("telephone", "ask Amina", "is not a telephone number."),
        ("email", "help", "is not an e-mail address."),
        ("website", "javascript:alert(1)", "is not the address of a website."),
        ("website", "https://user@body.example", "is not the address of a website."),
        ("postal_address", "1\n2\n3\n4\n5\n6\n7", "This address is too long."),
        ("postcode", "SW1", "is not a UK postcode."),
        ("public_channels", ["fax"], "“fax” is not a known code."),
        ("status", "", "Nothing is chosen."),
        ("status", "defunct", "“defunct” is not a known code."),
    ],
)
async def test_the_form_comes_back_with_the_fault_and_with_what_was_typed(
    register: Database, browser: httpx.AsyncClient, trust: UUID, field: str, value: Any, fault: str
) -> None:
    answer = await adds(browser, **{field: value})
    assert answer.status_code == 422
    assert fault in words(answer)
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    kept = "Bring your letters." if field != "description" else "Housing drop-in"
    assert kept in unescape(answer.text)
    assert await rows(register, "SELECT * FROM offered_services") == []


async def test_a_service_that_nobody_could_find_is_refused(browser: httpx.AsyncClient, trust: UUID) -> None:
    answer = await adds(browser, telephone="", email="", website="", postal_address="")
    assert answer.status_code == 422
    assert "Nobody could find this service." in words(answer)


@pytest.mark.parametrize(
    "name",
    [
        "L'Échoppe d'Hélène",
        "مساعدة في السكن",
        "Giúp đỡ người cao tuổi",
        "<script>alert(1)</script>",
        "x" * 200,
    ],
)
async def test_names_of_all_kinds(browser: httpx.AsyncClient, trust: UUID, name: str) -> None:
    href = await added(browser, name=name, description=f"{name}\n{{{{ 7 * 7 }}}}", charge="free")
    page = await browser.get(href)
    assert name in words(page) if "<" not in name else "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert "{{ 7 * 7 }}" in page.text
    found = re.sub(r"<[^>]*>", "", name) if "<" not in name else "alert"
    assert len(await names(browser, q=found[:200].casefold())) == 1


async def test_a_change_is_kept_and_may_be_a_check(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    before = register.context.clock.today()
    href = await added(browser)
    later(register, days=200)
    assert (await edits(browser, href, 1, charge="free", status="inactive")).status_code == 303
    page = words(await browser.get(href))
    assert "Cost Free" in page
    assert "Not for the moment" in page
    [row] = await rows(register, "SELECT cost, version, checked_on FROM offered_services")
    assert (row["cost"], row["version"]) == ("", 2)
    assert (await edits(browser, href, 2, charge="free", status="inactive", checked="yes")).status_code == 303
    [after] = await rows(register, "SELECT version, checked_on FROM offered_services")
    assert after["version"] == 3
    assert (row["checked_on"], after["checked_on"]) == (before, register.context.clock.today())
    assert (await edits(browser, href, 3, charge="free", status="inactive")).status_code == 303
    assert (await rows(register, "SELECT version FROM offered_services")) == [{"version": 3}]


async def test_whoever_comes_second_sees_what_the_first_has_changed_and_loses_nothing(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser)
    assert (await edits(browser, href, 1, telephone="020 7946 0999")).status_code == 303
    second = await edits(browser, href, 1, opening_hours="Wednesdays", needs=["money"])
    assert second.status_code == 409
    said = words(second)
    assert "You have changed this meanwhile, in another window" in said
    assert "020 7946 0999 020 7946 0101" in said
    assert "Housing, Legal advice Money and debts" in said
    assert 'name="revision" value="2"' in second.text
    assert "Wednesdays" in second.text
    assert (await edits(browser, href, 2, opening_hours="Wednesdays", needs=["money"])).status_code == 303
    [row] = await rows(register, "SELECT opening_hours, telephone, version FROM offered_services")
    assert row == {"opening_hours": "Wednesdays", "telephone": "020 7946 0101", "version": 3}


async def test_what_two_people_change_in_different_fields_is_kept_of_both(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser)
    page = (await browser.get(f"{href}/edit")).text
    base = unescape(re.findall(r'name="base" value="([^"]*)"', page)[0])
    assert (await edits(browser, href, 1, telephone="020 7946 0999", needs=["money"])).status_code == 303
    second = await edits(browser, href, 1, opening_hours="Wednesdays", base=base)
    assert second.status_code == 303, words(second)
    [row] = await rows(register, "SELECT opening_hours, telephone, needs FROM offered_services")
    assert row == {"opening_hours": "Wednesdays", "telephone": "020 7946 0999", "needs": ["money"]}
    clash = await edits(browser, href, 1, telephone="020 7946 0888", cost="£3", base=base)
    assert clash.status_code == 409
    assert "020 7946 0999 020 7946 0888" in words(clash)


async def test_two_at_once_wait_for_each_other(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser)
    answers = await asyncio.gather(*(edits(browser, href, 1, cost=f"£{number}") for number in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]


async def test_a_form_without_its_version_is_refused(browser: httpx.AsyncClient, trust: UUID) -> None:
    href = await added(browser)
    assert (await edits(browser, href, "")).status_code == 400


async def test_a_code_that_the_house_no_longer_lists_stays_good_where_it_was(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser)
    async with register.transaction() as tx:
        await tx.execute("UPDATE offered_services SET needs = '{housing,coal}'")
    assert 'value="coal" checked' in (await browser.get(f"{href}/edit")).text
    assert (await edits(browser, href, 1, needs=["housing", "coal"])).status_code == 303
    assert "Housing, coal" in words(await browser.get(href))


# Checking and retiring


async def test_a_service_that_nobody_has_checked_for_a_year_is_todays_work(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser)

    async def work() -> list[Any]:
        async with register.reading() as tx:
            return await directory.needed(tx, tx.now.astimezone(LOCAL).date(), 10)

    assert await work() == []
    later(register, days=366)
    [one] = await work()
    [row] = await rows(register, "SELECT checked_on FROM offered_services")
    assert one.what == "Check that “Housing drop-in” is still there"
    assert (one.organisation_id, one.organisation) == (trust, TRUST["name"])
    assert one.href == f"{href}#checked-title"
    noon = datetime.combine(row["checked_on"], time(12))
    assert one.due_on == months_before(noon, -12).date()
    assert "Long ago" in words(await browser.get(href))
    assert "Long ago" in words(await browser.get(SERVICES))
    assert "Not checked since" in words(await browser.get(f"{MOUNT}/organisations/{trust}"))
    answer = await post(browser, f"{href}/check", on=href)
    assert answer.headers["location"] == f"{href}?done=checked"
    assert await work() == []
    assert "Long ago" not in words(await browser.get(href))
    assert (await acts(register))[-1] == "service_amended"


async def test_who_checked_it_is_named_as_long_as_we_know_them(
    register: Database, browser: httpx.AsyncClient, trust: UUID, amina: UUID
) -> None:
    href = await added(browser)
    async with register.transaction() as tx:
        await tx.execute("UPDATE offered_services SET checked_by = $1", amina)
    assert "by Amina Marker" in words(await browser.get(href))


async def test_what_a_closed_body_offers_is_nobodys_work(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    await added(browser)
    later(register, days=400)
    async with register.transaction() as tx:
        await tx.execute("UPDATE organisations SET closed_on = '2013-03-31'")
        assert await directory.needed(tx, date(2999, 1, 1), 10) == []


async def test_a_service_is_retired_and_brought_back_as_it_was(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    href = await added(browser, status="inactive")
    for _ in range(2):  # pressed twice, from two pages
        assert (await post(browser, f"{href}/retire", on=f"{href}/edit")).status_code == 303
    page = await browser.get(f"{href}?done=retired")
    assert "This service was retired on" in words(page)
    assert await names(browser) == []
    assert await names(browser, show="retired") == ["Housing drop-in"]
    assert (await edits(browser, href, 2)).status_code == 409
    assert (await post(browser, f"{href}/bring-back", on=href)).status_code == 303
    assert "Not for the moment" in words(await browser.get(href))
    assert [act for act in await acts(register) if act.startswith("service")] == [
        "service_added",
        "service_retired",
        "service_brought_back",
    ]
    async with register.reading() as tx:
        assert (await verify(tx)).broken_at is None


async def test_an_address_says_all_ways_in_which_it_can_be_used(browser: httpx.AsyncClient) -> None:
    answer = await browser.request("DELETE", f"{SERVICES}/new")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_closed_body_offers_nothing_more(
    bring: Bring, browser: httpx.AsyncClient, register: Database, trust: UUID
) -> None:
    await bring(line(SUCCESSOR))
    successor = await id_of(register, SUCCESSOR)
    service = await added(browser)
    await post(browser, f"{service}/retire", service)
    key = key_in(await browser.get(service))
    async with register.transaction() as tx:
        closing = "UPDATE organisations SET closed_on = '2013-03-31', successor_id = $2 WHERE id = $1"
        await tx.execute(closing, trust, successor)
    link = f'href="{MOUNT}/organisations/{successor}"'
    form = await browser.get(f"{SERVICES}/new?organisation={trust}")
    assert "This organisation has closed" in form.text
    assert link in form.text
    refused = await adds(browser)
    assert refused.status_code == 409
    assert "Choose the organisation that took over from it." in refused.text
    assert FIELDS["name"] in refused.text
    page = await browser.get(service)
    assert "bring it back" not in page.text
    refused = await browser.post(f"{service}/bring-back", data={"key": key})
    assert refused.status_code == 409
    assert link in refused.text
    assert len(await rows(register, "SELECT id FROM offered_services WHERE retired_at IS NULL")) == 0


async def test_what_is_not_there_is_not_found(browser: httpx.AsyncClient, trust: UUID) -> None:
    key = key_in(await browser.get(f"{SERVICES}/new"))
    for id in (str(uuid4()), "x", "1' OR 1=1"):
        assert (await browser.get(f"{SERVICES}/{id}")).status_code == 404
        assert (await browser.get(f"{SERVICES}/{id}/edit")).status_code == 404
        for act in ("check", "retire", "bring-back"):
            answer = await browser.post(f"{SERVICES}/{id}/{act}", data={"key": key})
            assert answer.status_code == 404
    assert (await browser.get(f"{SERVICES}/new", params={"organisation": str(uuid4())})).status_code == 404


async def test_whoever_only_reads_sees_no_way_to_change(register: Database, trust: UUID) -> None:
    await fill(register, 1, organisations=1)
    [row] = await rows(register, "SELECT id FROM offered_services")
    auditor = replace(EVERYTHING, roles=frozenset({Role.AUDITOR}))
    async with client(build(register), MOUNT, auditor) as reader:
        page = await reader.get(f"{SERVICES}/{row['id']}")
        assert page.status_code == 200
        assert "<form" not in page.text.partition("<main")[2]
        assert "Add a service" not in (await reader.get(SERVICES)).text
        for path in (f"{SERVICES}/new", f"{SERVICES}/{row['id']}/edit"):
            assert (await reader.get(path)).status_code == 403


# On paper


async def test_a_slip_has_what_everybody_may_read_and_no_more(
    register: Database, browser: httpx.AsyncClient, trust: UUID
) -> None:
    shown = await added(browser)
    hidden = await added(browser, name="Nothing to tell", public_channels=[])
    paused = await added(browser, name="Not now", status="inactive")
    ids = [href.rpartition("/")[2] for href in (shown, hidden, paused)]
    page = words(await browser.get(f"{SERVICES}/slip", params={"id": [*ids, "x", str(uuid4())]}))
    assert "020 7946 0101" in page
    assert "help@body.example" not in page
    assert "Nothing to tell" in page
    assert "How to get there Ask us: " in page
    assert "Not now" not in page
    assert "Nothing is on the slip" in (await browser.get(f"{SERVICES}/slip")).text


async def test_a_slip_is_no_longer_than_a_page_or_two(register: Database, browser: httpx.AsyncClient) -> None:
    await fill(register, ON_SLIP + 5, organisations=1)
    ids = [str(row["id"]) for row in await rows(register, "SELECT id FROM offered_services")]
    page = await browser.get(f"{SERVICES}/slip", params={"id": ids})
    assert page.text.count('<section class="sheet">') == ON_SLIP


# Bodies that are merged or close


async def test_services_go_where_their_body_goes(bring: Bring, register: Database) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    trust, successor = await id_of(register, TRUST), await id_of(register, SUCCESSOR)
    async with register.transaction() as tx:
        kept = await directory.add(tx, trust, OFFER)
        gone = await directory.add(tx, trust, OFFER)
        await directory.retire(tx, gone)
        assert await directory.open_of(tx, trust) == 1
        assert await directory.hand_over(tx, trust, successor) == 1
        assert await directory.open_of(tx, trust) == 0
        assert (await directory.locked(tx, kept)).organisation_id == successor
        assert (await directory.locked(tx, gone)).organisation_id == trust
        assert await directory.move(tx, trust, successor) == 1
        assert (await directory.locked(tx, gone)).organisation_id == successor
        assert await directory.end(tx, successor) == 1
        assert await directory.open_of(tx, successor) == 0
        assert (await directory.locked(tx, kept)).version == 3


# The file


async def test_the_file_may_be_taken_in_again(register: Database, example: None) -> None:
    before = await rows(register, "SELECT * FROM offered_services ORDER BY id")
    assert await import_services(register, EXAMPLES / "services.csv") == []
    assert await rows(register, "SELECT * FROM offered_services ORDER BY id") == before


async def test_with_a_fault_nothing_is_taken_in(register: Database, trust: UUID) -> None:
    header = "identifier,name,description,needs,cost,telephone,status\n"
    good = f"{TRUST['identifier']},Help,All of it,housing,Free,020 7946 0101,active\n"
    bad = "CONDUIT-X,Help,All of it,housing,Free,020 7946 0101,active\n"
    bad += f"{TRUST['identifier']},Lost,It,money,Free,,active\n"
    faults = await import_services(register, (header + good + bad).encode())
    assert [(fault.line, fault.fault) for fault in faults] == [
        (3, "There is no such organisation."),
        (4, "Nobody could find this service."),
    ]
    assert await rows(register, "SELECT * FROM offered_services") == []
    assert await import_services(register, (header + good).encode()) == []
    [row] = await rows(register, "SELECT name, free, checked_by FROM offered_services")
    assert row == {"name": "Help", "free": True, "checked_by": None}
