"""The directory as everybody's programs read it: what Open Referral UK 3.0 asks for, and nothing of a person.

The rules of fields are those of HSDS 3.0: which are required, their types, formats and lists of values.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.house import House
from chassis.web import Gate, environment
from services.partners import directory
from services.partners.web import build
from services.partners.web.openreferral import MOST_PER_PAGE, PER_PAGE, TAXONOMY_ID, term_id
from tests.access import token
from tests.conftest import client
from tests.partners.browsing import MOUNT, later, rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, line
from tests.partners.directory import OFFER, fill, id_of, take_example, watched

ROOT = f"{MOUNT}/openreferral"
SERVICES, ORGANIZATIONS = f"{ROOT}/services", f"{ROOT}/organizations"

#: What nothing here is called.
UNKNOWN = UUID("6f9b1d2e-0c4a-4d57-8e21-3a5c7b9d0f11")


@pytest.fixture
async def anybody(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A program that has never signed in."""
    async with client(build(register), MOUNT, None) as program:
        yield program


@pytest.fixture
async def example(register: Database) -> None:
    """The example's bodies and what they offer."""
    await take_example(register)


@pytest.fixture
async def trust(bring: Bring, register: Database) -> UUID:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    return await id_of(register, TRUST)


async def offered(register: Database, organisation: UUID, **changed: Any) -> UUID:
    async with register.transaction() as tx:
        return await directory.add(tx, organisation, replace(OFFER, **changed))


async def given(program: httpx.AsyncClient, path: str, **asked: str) -> Any:
    answer = await program.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def names(program: httpx.AsyncClient, path: str = SERVICES, **asked: str) -> list[str]:
    return [each["name"] for each in (await given(program, path, **asked))["contents"]]


# The rules of HSDS

Rule = Callable[[Any], bool]


def of_text(value: Any) -> bool:
    return isinstance(value, str)


def a_uuid(value: Any) -> bool:
    return of_text(value) and str(UUID(value)) == value


def a_uri(value: Any) -> bool:
    return of_text(value) and value.isascii() and bool(urlsplit(value).scheme and urlsplit(value).netloc)


def an_email(value: Any) -> bool:
    return of_text(value) and re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value) is not None


def a_date(value: Any) -> bool:
    return of_text(value) and date.fromisoformat(value).isoformat() == value


def a_moment(value: Any) -> bool:
    return of_text(value) and datetime.fromisoformat(value).tzinfo is not None


def a_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def one_of(*choices: str) -> Rule:
    return lambda value: value in choices


def every(rules: dict[str, Rule], *required: str) -> Rule:
    return lambda value: isinstance(value, list) and all(obeys(each, rules, *required) for each in value)


def obeys(document: Any, rules: dict[str, Rule], *required: str) -> bool:
    """Whether every field is known and right, and none that is required is missing or empty."""
    for name in required:
        assert document.get(name) not in (None, ""), f"{name} is required: {document}"
    for name, value in document.items():
        assert rules[name](value), f"{name}: {value!r}"
    return True


TERM: dict[str, Rule] = {
    "id": a_uuid,
    "code": of_text,
    "name": of_text,
    "description": of_text,
    "taxonomy": of_text,
    "taxonomy_detail": lambda it: obeys(
        it, {"id": a_uuid, "name": of_text, "description": of_text}, "id", "name", "description"
    ),
}
ATTRIBUTE: dict[str, Rule] = {
    "id": a_uuid,
    "link_id": a_uuid,
    "link_type": of_text,
    "link_entity": one_of("service"),
    "taxonomy_term_id": a_uuid,
    "taxonomy_term": lambda it: obeys(it, TERM, "id", "name", "description"),
}
ADDRESS: dict[str, Rule] = dict.fromkeys(
    ("address_1", "address_2", "city", "state_province", "postal_code"), of_text
) | {"id": a_uuid, "country": one_of("GB"), "address_type": one_of("physical", "postal", "virtual")}
LOCATION: dict[str, Rule] = {
    "id": a_uuid,
    "location_type": one_of("physical", "postal", "virtual"),
    "addresses": every(ADDRESS, "id", "address_1", "city", "country", "address_type"),
}
IDENTIFIER: dict[str, Rule] = {
    "id": a_uuid,
    "identifier_scheme": of_text,
    "identifier_type": of_text,
    "identifier": of_text,
}
ORGANIZATION: dict[str, Rule] = {
    "id": a_uuid,
    "name": of_text,
    "description": of_text,
    "organization_identifiers": every(IDENTIFIER, "id", "identifier_type", "identifier"),
    "services": lambda it: all(obeys(each, SERVICE, "id", "name", "status") for each in it),
}
SERVICE: dict[str, Rule] = {
    "id": a_uuid,
    "organization_id": a_uuid,
    "name": of_text,
    "description": of_text,
    "url": a_uri,
    "email": an_email,
    "status": one_of("active", "inactive", "defunct", "temporarily closed"),
    "fees_description": of_text,
    "assured_date": a_date,
    "last_modified": a_moment,
    "organization": lambda it: obeys(it, ORGANIZATION, "id", "name", "description"),
    "phones": every({"id": a_uuid, "number": of_text, "type": one_of("voice")}, "id", "number"),
    "schedules": every({"id": a_uuid, "description": of_text}, "id"),
    "languages": every({"id": a_uuid, "code": of_text, "name": of_text}, "id"),
    "cost_options": every(
        {
            "id": a_uuid,
            "option": of_text,
            "amount": a_number,
            "currency": one_of("GBP"),
            "amount_description": of_text,
        },
        "id",
    ),
    "service_areas": every({"id": a_uuid, "name": of_text, "uri": a_uri}, "id"),
    "service_at_locations": every(
        {
            "id": a_uuid,
            "service_id": a_uuid,
            "location": lambda it: obeys(it, LOCATION, "id", "location_type"),
        },
        "id",
    ),
    "attributes": every(ATTRIBUTE, "id"),
}
#: What a list of services gives: nothing of which there may be several.
_SEVERAL = {name for name in SERVICE if name.endswith("s") and name != "status"} - {"status"}


@pytest.mark.usefixtures("example")
async def test_every_service_of_the_example_obeys_the_rules(anybody: httpx.AsyncClient) -> None:
    page = await given(anybody, SERVICES, full="true")
    assert page["total_items"] == len(page["contents"]) == 12
    for service in page["contents"]:
        assert obeys(service, SERVICE, "id", "name", "status")
        assert await given(anybody, f"{SERVICES}/{service['id']}") == service
    plain = await given(anybody, SERVICES)
    assert not {name for service in plain["contents"] for name in service} & _SEVERAL
    listed = [
        {name: value for name, value in each.items() if name not in _SEVERAL} for each in page["contents"]
    ]
    assert plain["contents"] == listed


@pytest.mark.usefixtures("example")
async def test_every_organization_that_offers_something_obeys_the_rules(anybody: httpx.AsyncClient) -> None:
    page = await given(anybody, ORGANIZATIONS)
    assert page["total_items"] == len(page["contents"]) == 11
    for organization in page["contents"]:
        assert obeys(organization, ORGANIZATION, "id", "name", "description")
        whole = await given(anybody, f"{ORGANIZATIONS}/{organization['id']}")
        assert obeys(whole, ORGANIZATION, "id", "name", "description")
        assert {**organization, "services": whole["services"]} == whole
        assert whole["services"]


async def test_a_service_says_what_is_known_of_it(
    register: Database, anybody: httpx.AsyncClient, trust: UUID
) -> None:
    id = await offered(register, trust)
    service = await given(anybody, f"{SERVICES}/{id}")
    assert (service["id"], service["organization_id"], service["status"]) == (str(id), str(trust), "active")
    assert service["fees_description"] == "Free"
    assert service["cost_options"][0]["amount"] == 0
    assert [(each["code"], each["name"]) for each in service["languages"]] == [
        ("ar", "Arabic"),
        ("so", "Somali"),
    ]
    assert service["service_areas"][0]["name"] == "Kensington and Chelsea"
    assert service["service_areas"][0]["uri"].endswith("/E09000020")
    [place] = service["service_at_locations"]
    address = place["location"]["addresses"][0]
    assert [address[name] for name in ("address_1", "address_2", "city", "postal_code")] == [
        "The Hall",
        "9 Acorn Road",
        "London",
        "W10 5NT",
    ]
    terms = [each["taxonomy_term"] for each in service["attributes"]]
    assert [(term["code"], term["name"]) for term in terms] == [
        ("housing", "Housing"),
        ("legal", "Legal advice"),
    ]
    assert service["organization"] == {
        "id": str(trust),
        "name": TRUST["name"],
        "description": "Primary Care Trust; works in Kensington and Chelsea",
        "organization_identifiers": service["organization"]["organization_identifiers"],
    }
    assert service["organization"]["organization_identifiers"][0]["identifier"] == "5LA"
    again = await given(anybody, f"{SERVICES}/{id}")
    assert again == service, "the ids of the parts stay the same"


async def test_the_root_says_what_this_is(anybody: httpx.AsyncClient, house: House) -> None:
    about = await given(anybody, ROOT)
    assert about["version"] == "HSDS-UK-3.0"
    assert a_uri(about["profile"])
    assert a_uri(about["openapi_url"])
    assert about["publisher"]["name"] == house.name
    assert (await anybody.get(f"{ROOT}/", follow_redirects=True)).json() == about


# Who is published, and who is not


async def test_only_what_is_active_and_of_an_open_body_is_published(
    register: Database, anybody: httpx.AsyncClient, trust: UUID
) -> None:
    shown = await offered(register, trust)
    paused = await offered(register, trust, active=False)
    retired = await offered(register, trust)
    async with register.transaction() as tx:
        await directory.retire(tx, retired)
    assert [each["id"] for each in (await given(anybody, SERVICES))["contents"]] == [str(shown)]
    for id in (paused, retired):
        assert (await anybody.get(f"{SERVICES}/{id}")).status_code == 404
    body = await given(anybody, f"{ORGANIZATIONS}/{trust}")
    assert [each["id"] for each in body["services"]] == [str(shown)]
    today = "SELECT id FROM organisations WHERE id <> $1"
    for change in ("closed_on = '2013-03-31'", f"merged_into = ({today})"):
        async with register.transaction() as tx:
            arguments = (trust,) if "$1" in change else ()
            where = f"WHERE identifier = '{TRUST['identifier']}'"
            await tx.execute(f"UPDATE organisations SET {change} {where}", *arguments)
        assert await names(anybody) == await names(anybody, ORGANIZATIONS) == []
        for path in (f"{SERVICES}/{shown}", f"{ORGANIZATIONS}/{trust}"):
            assert (await anybody.get(path)).status_code == 404
        async with register.transaction() as tx:
            await tx.execute("UPDATE organisations SET closed_on = NULL")


async def test_a_body_that_will_close_is_there_until_then(
    register: Database, anybody: httpx.AsyncClient, trust: UUID
) -> None:
    await offered(register, trust)
    async with register.transaction() as tx:
        day = tx.today + timedelta(days=10)
        await tx.execute("UPDATE organisations SET closed_on = $1", day)
    assert len(await names(anybody)) == 1
    later(register, days=11)
    assert await names(anybody) == []


async def test_a_way_to_get_it_that_is_not_ticked_is_nowhere(
    register: Database, anybody: httpx.AsyncClient, trust: UUID
) -> None:
    id = await offered(register, trust, public_channels=())
    said = "".join([(await anybody.get(path)).text for path in (f"{SERVICES}/{id}", f"{SERVICES}?full=true")])
    for secret in ("7946 0101", "help@", "body.example", "Acorn", "W10"):
        assert secret not in said
    service = await given(anybody, f"{SERVICES}/{id}")
    assert service["phones"] == service["service_at_locations"] == []


async def test_nothing_of_a_person_and_nothing_of_how_we_work_together(
    register: Database, anybody: httpx.AsyncClient, trust: UUID, amina: UUID
) -> None:
    id = await offered(register, trust)
    async with register.transaction() as tx:
        await tx.execute("UPDATE offered_services SET checked_by = $1", amina)
        await tx.execute(
            "UPDATE organisations SET telephone = '020 7946 0777', postal_address = '{Own Road}'"
        )
    paths = (
        ROOT,
        SERVICES,
        f"{SERVICES}?full=true",
        f"{SERVICES}/{id}",
        ORGANIZATIONS,
        f"{ORGANIZATIONS}/{trust}",
    )
    said = "".join([(await anybody.get(path)).text for path in paths]).casefold()
    for private in ("marker", "amina", str(amina), "working", "7946 0777", "own road", "checked_by"):
        assert private not in said


async def test_an_identifier_that_we_made_up_is_nobodys_business(
    register: Database, anybody: httpx.AsyncClient
) -> None:
    await fill(register, 1, organisations=1)
    [service] = (await given(anybody, SERVICES))["contents"]
    assert "organization_identifiers" not in service["organization"]


@pytest.mark.parametrize(
    "name",
    ["L'Échoppe d'Hélène", "مساعدة في السكن", "Giúp đỡ người cao tuổi", "</script><b>\"'&\\", "x" * 300],
)
async def test_words_of_all_kinds_arrive_as_they_are(
    register: Database, anybody: httpx.AsyncClient, trust: UUID, name: str
) -> None:
    id = await offered(register, trust, name=name, description=f"{name}\n{name}")
    service = await given(anybody, f"{SERVICES}/{id}")
    assert (service["name"], service["description"]) == (name, f"{name}\n{name}")


# Finding and paging


@pytest.mark.usefixtures("example")
async def test_services_are_found_by_words_term_body_and_time(
    register: Database, anybody: httpx.AsyncClient
) -> None:
    assert await names(anybody, search="creche ENGLISH") == ["English for speakers of other languages"]
    assert await names(anybody, search="law centre") == ["Housing law help", "Immigration and asylum drop-in"]
    assert await names(anybody, search="100%_\\") == []
    assert await names(anybody, taxonomy_term_id=str(term_id("health"))) == [
        "Sudanese health circle",
        "Talking therapies for refugees",
    ]
    assert len(await names(anybody, taxonomy_id=str(TAXONOMY_ID))) == 12
    assert await names(anybody, taxonomy_id=str(uuid4())) == []
    assert await names(anybody, taxonomy_term_id="no such term") == []
    [one] = (await given(anybody, ORGANIZATIONS, search="nile"))["contents"]
    assert await names(anybody, organization_id=one["id"]) == ["Sudanese health circle"]
    assert await names(anybody, organization_id=str(uuid4())) == []
    assert await names(anybody, ORGANIZATIONS, taxonomy_term_id=str(term_id("family"))) == [
        "Golborne Somali Families Project",
        "Sunday Welcome School",
    ]
    now = register.context.clock.now()
    assert await names(anybody, modified_after=(now + timedelta(hours=1)).isoformat()) == []
    assert len(await names(anybody, modified_after=(now - timedelta(days=1)).date().isoformat())) == 12
    later(register, hours=30)
    [row] = await rows(register, "SELECT id FROM offered_services WHERE name LIKE 'Sunday%'")
    async with register.transaction() as tx:
        await directory.check(tx, row["id"])
    after = (now + timedelta(hours=1)).isoformat()
    assert await names(anybody, modified_after=after) == ["Sunday homework club"]


async def test_pages_say_where_one_is(register: Database, anybody: httpx.AsyncClient) -> None:
    await fill(register, 25, organisations=3)
    seen = []
    for number in (1, 2, 3):
        page = await given(anybody, SERVICES, page=str(number), per_page="10")
        seen += [each["id"] for each in page.pop("contents")]
        assert page == {
            "total_items": 25,
            "total_pages": 3,
            "page_number": number,
            "size": 5 if number == 3 else 10,
            "first_page": number == 1,
            "last_page": number == 3,
            "empty": False,
        }
    assert len(set(seen)) == 25
    beyond = await given(anybody, SERVICES, page="4", per_page="10")
    assert (beyond["empty"], beyond["last_page"], beyond["contents"]) == (True, True, [])
    assert (await given(anybody, ORGANIZATIONS, per_page="2"))["total_pages"] == 2


async def test_an_empty_directory_is_a_page_without_anything(anybody: httpx.AsyncClient) -> None:
    for path in (SERVICES, ORGANIZATIONS):
        assert await given(anybody, path) == {
            "total_items": 0,
            "total_pages": 0,
            "page_number": 1,
            "size": 0,
            "first_page": True,
            "last_page": True,
            "empty": True,
            "contents": [],
        }


async def test_ten_thousand_services_are_read_by_as_few_statements_as_one(register: Database) -> None:
    asked: dict[str, list[int]] = {}
    async with watched(register) as database, client(build(database), MOUNT, None) as program:
        for number in (1, 9_999):
            [body, *_] = await fill(register, number, organisations=min(number, 500))
            [row] = await rows(register, "SELECT id FROM offered_services LIMIT 1")
            last = f"{SERVICES}?full=true&page={max(1, number // MOST_PER_PAGE)}&per_page={MOST_PER_PAGE}"
            for name, path in {
                "first": SERVICES,
                "last": last,
                "search": f"{SERVICES}?search=help%2000001&taxonomy_term_id={term_id('housing')}",
                "one": f"{SERVICES}/{row['id']}",
                "organizations": f"{ORGANIZATIONS}?search=body",
                "organization": f"{ORGANIZATIONS}/{body}",
            }.items():
                database.asked.clear()
                answer = await program.get(path)
                assert answer.status_code == 200
                assert len(answer.content) < 400_000
                asked.setdefault(name, []).append(len(database.asked))
        assert (await given(program, SERVICES))["total_items"] == 10_000
        assert len((await given(program, SERVICES))["contents"]) == PER_PAGE
    assert all(few == many for few, many in asked.values()), asked


# What is refused


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{SERVICES}?per_page=101", "per_page"),
        (f"{SERVICES}?per_page=0", "per_page"),
        (f"{SERVICES}?page=0", "page"),
        (f"{SERVICES}?page=-1", "page"),
        (f"{SERVICES}?page=1e3", "page"),
        (f"{SERVICES}?page=%D9%A3", "page"),
        (f"{SERVICES}?page=99999999999999999999", "page"),
        (f"{SERVICES}?full=yes", "full"),
        (f"{SERVICES}?organization_id=1%27%20OR%201=1", "organization_id"),
        (f"{SERVICES}?modified_after=yesterday", "modified_after"),
        (f"{SERVICES}?modified_after=0001-01-01T00:00:00%2B14:00", "modified_after"),
        (f"{SERVICES}?postcode=W10", "postcode"),
        (f"{SERVICES}?search=a&q=b", "q"),
        (f"{SERVICES}?{'x' * 500}=1", "x" * 60),
        (f"{SERVICES}/{UNKNOWN}?full=true", "full"),
        (f"{ORGANIZATIONS}?organization_id={UNKNOWN}", "organization_id"),
        (f"{ORGANIZATIONS}/{UNKNOWN}?page=1", "page"),
        (f"{ROOT}?page=1", "page"),
    ],
)
async def test_a_parameter_that_is_not_known_or_makes_no_sense_is_named(
    anybody: httpx.AsyncClient, path: str, field: str
) -> None:
    for accept in ("*/*", "text/html", "application/json"):
        answer = await anybody.get(path, headers={"accept": accept})
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["field"] == field
        assert answer.json()["detail"].startswith("It takes")


async def test_what_is_not_there_is_a_problem_in_json(anybody: httpx.AsyncClient) -> None:
    paths = [f"{SERVICES}/{uuid4()}", f"{SERVICES}/x", f"{ORGANIZATIONS}/{uuid4()}", f"{ROOT}/taxonomies"]
    for path in paths:
        answer = await anybody.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_it_is_read_only(register: Database, anybody: httpx.AsyncClient, trust: UUID) -> None:
    id = await offered(register, trust)
    for path in (ROOT, SERVICES, f"{SERVICES}/{id}", ORGANIZATIONS, f"{ORGANIZATIONS}/{trust}"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await anybody.request(method, path)
            assert answer.status_code == 405
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await anybody.head(path)).status_code == 200


# Caches and other sites


async def test_what_has_not_changed_is_not_sent_again(
    register: Database, anybody: httpx.AsyncClient, trust: UUID
) -> None:
    await offered(register, trust)
    first = await anybody.get(SERVICES)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in first.headers
    for given in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await anybody.get(SERVICES, headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    await offered(register, trust, name="Another")
    changed = await anybody.get(SERVICES, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


@pytest.fixture
def at_the_gate(register: Database) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A browser of somebody who is signed in, at the gate."""
    settings = register.context.settings
    gate = Gate(build(register), settings, environment(register.context.house, ()))
    transport = httpx.ASGITransport(gate, root_path=MOUNT)
    cookies = {"conduit": token(settings.keys_folder)}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", cookies=cookies)


async def test_pages_of_other_sites_may_read_it_and_nothing_else(
    register: Database, trust: UUID, at_the_gate: AbstractAsyncContextManager[httpx.AsyncClient]
) -> None:
    id = await offered(register, trust)
    fetched = {
        "origin": "https://other.example",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "cors",
        "sec-fetch-dest": "empty",
    }
    async with at_the_gate as browser:
        for path in (ROOT, SERVICES, f"{SERVICES}/{id}", f"{SERVICES}?page=0", f"{ROOT}/nothing"):
            answer = await browser.get(path, headers=fetched)
            assert answer.status_code in (200, 400, 404)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert "access-control-allow-credentials" not in answer.headers
        assert (await browser.post(SERVICES, headers=fetched)).status_code == 403
        for path in (f"{MOUNT}/services", f"{ROOT}x/services", f"{MOUNT}/api/v1/organisations"):
            answer = await browser.get(path, headers=fetched)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
        known = await browser.get(SERVICES)
    async with client(build(register), MOUNT, None) as anybody:
        assert (await anybody.get(SERVICES)).content == known.content, "whoever has signed in sees no more"


async def test_the_pace_holds_here_too(register: Database) -> None:
    settings = replace(register.context.settings, pace=3)
    gate = Gate(build(register), settings, environment(register.context.house, ()))
    transport = httpx.ASGITransport(gate, root_path=MOUNT, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as program:
        answers = [await program.get(SERVICES) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert json.loads(answers[3].content)["status"] == 429
    assert answers[3].headers["access-control-allow-origin"] == "*"
