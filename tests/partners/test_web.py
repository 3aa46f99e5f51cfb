"""The pages and the API of partners: what they show, what they find, and how they answer nonsense."""

import re
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.audit import every_row
from chassis.database import Database
from contracts.notifications import LetterAcknowledged, LetterSent
from services.partners import people
from services.partners.imports import import_partners
from services.partners.web import build
from tests.conftest import EXAMPLES, client
from tests.crawling import contents, opened
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, hear, line, told

MOUNT = "/partners"
API = f"{MOUNT}/api/v1/organisations"


@pytest.fixture
async def browser(register: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(build(register), MOUNT) as browser:
        yield browser


@pytest.fixture
async def example(register: Database) -> None:
    """The whole example in the register."""
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)


async def id_of(register: Database, identifier: str) -> UUID:
    async with register.reading() as tx:
        found: UUID = await tx.fetchval("SELECT id FROM organisations WHERE identifier = $1", identifier)
    return found


def words(page: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", "", page.text).split())


async def names(browser: httpx.AsyncClient, **asked: str) -> list[str]:
    """The names on the first page of a search."""
    answer = await browser.get(API, params=asked)
    assert answer.status_code == 200
    return [each["name"] for each in answer.json()["organisations"]]


async def test_an_empty_register_says_what_to_do(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/organisations"):
        page = await browser.get(MOUNT + path)
        assert page.status_code == 200
        assert "conduit import partners FILE" in page.text
    assert (await browser.get(API)).json() == {"organisations": [], "total": 0, "next": None}


@pytest.mark.usefixtures("example")
async def test_the_first_page_counts_by_kind_and_closeness(browser: httpx.AsyncClient) -> None:
    page = await browser.get(f"{MOUNT}/")
    assert page.status_code == 200
    assert "See all 135 organisations" in page.text
    assert 'href="/partners/organisations?kind=primary_care_trust"' in page.text
    assert 'href="/partners/organisations?closeness=strategic"' in page.text


@pytest.mark.usefixtures("example")
async def test_the_list_goes_on_until_every_organisation_was_shown_once(browser: httpx.AsyncClient) -> None:
    href: str | None = API
    seen: list[str] = []
    while href:
        answer = (await browser.get(href)).json()
        assert answer["total"] == 135
        seen += [each["id"] for each in answer["organisations"]]
        href = answer["next"]
    assert len(seen) == len(set(seen)) == 135
    page = await browser.get(f"{MOUNT}/organisations")
    assert 'rel="next" href="/partners/organisations?after=' in page.text


@pytest.mark.usefixtures("example")
async def test_a_search_keeps_its_filters_on_the_next_page(browser: httpx.AsyncClient) -> None:
    href = (await browser.get(API, params={"q": "o", "closeness": "contact"})).json()["next"]
    assert href.startswith(f"{API}?q=o&closeness=contact&after=")


async def test_the_list_is_searched_by_words_kind_area_and_closeness(
    bring: Bring, browser: httpx.AsyncClient
) -> None:
    kalyna = {
        "identifier": "CONDUIT-K",
        "name": "Kálýna 100% Group",
        "kinds": "funder",
        "closeness": "contact",
    }
    await bring(line(TRUST, OFFICER), line(SUCCESSOR), line(kalyna))
    trust, group, society = TRUST["name"], SUCCESSOR["name"], kalyna["name"]
    assert await names(browser) == [society, trust, group]
    assert await names(browser, q="KALYNA") == [society]
    assert await names(browser, q="trust kensington") == [trust]
    assert await names(browser, q="100%") == [society]
    assert await names(browser, q="gb-nhs-08y") == [group]
    assert await names(browser, q="%") == [society]
    assert await names(browser, q="_") == []
    assert await names(browser, kind="funder") == [society]
    assert await names(browser, area="E09000020") == [trust]
    assert await names(browser, closeness="working") == [trust]
    assert await names(browser, kind="no_such_kind") == []
    page = await browser.get(f"{MOUNT}/organisations", params={"q": "nobody"})
    assert "Nothing found" in page.text


async def test_an_organisation_with_its_contacts_and_its_timeline(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(
        line(TRUST, OFFICER),
        line(TRUST, OFFICER, contact_name="Carys Bevan", contact_withdrawn_on="2012-01-09"),
    )
    trust = await id_of(register, "GB-NHS-5LA")
    await hear(register, [told(fact, organisation_id=trust) for fact in (LetterSent, LetterAcknowledged)])
    page = await browser.get(f"{MOUNT}/organisations/{trust}")
    assert page.status_code == 200
    for words in (TRUST["name"], "Marker Zzyzxova", "Carys Bevan", "Kensington and Chelsea", "asking £3,700"):
        assert words in page.text
    assert "Working: we work together" in page.text
    assert "We do not write to this person" in page.text
    assert page.text.index("Marker Zzyzxova") < page.text.index("Carys Bevan")
    home = await browser.get(f"{MOUNT}/")
    assert "asking £3,700" in home.text
    assert f'href="/partners/organisations/{trust}"' in home.text


async def test_a_closed_organisation_points_to_its_successor(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    page = await browser.get(f"{MOUNT}/organisations/{await id_of(register, 'GB-NHS-5LA')}")
    assert "closed on 31 March 2013" in words(page)
    assert f'href="/partners/organisations/{await id_of(register, "GB-NHS-08Y")}"' in page.text


async def test_a_closing_date_to_come_is_not_yet_closed(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, closed_on="2060-03-31"))
    page = await browser.get(f"{MOUNT}/organisations/{await id_of(register, 'GB-NHS-5LA')}")
    assert "will close on 31 March 2060" in words(page)
    assert ">Open<" in page.text


async def test_the_api_says_nothing_personal(
    bring: Bring, register: Database, browser: httpx.AsyncClient
) -> None:
    await bring(line(TRUST, OFFICER))
    trust = await id_of(register, "GB-NHS-5LA")
    answer = await browser.get(f"{API}/{trust}")
    assert answer.status_code == 200
    assert "marker" not in answer.text.lower()
    document = answer.json()
    assert (document["identifier"], document["version"], document["timeline"]) == ("GB-NHS-5LA", 1, [])
    assert [(each["role"], each["listed_on"]) for each in document["contacts"]] == [
        ("dental_care", "2011-10-12")
    ]


async def test_a_bad_id_and_an_unknown_one_are_told_in_the_same_words(browser: httpx.AsyncClient) -> None:
    answers = set()
    for id in (uuid4(), "5LA", "0", "%00", "é" * 300, "{}", "null"):
        problem = await browser.get(f"{API}/{id}")
        assert problem.status_code == 404
        assert problem.headers["content-type"] == "application/problem+json"
        answers.add((problem.json()["title"], problem.json()["detail"]))
        page = await browser.get(f"{MOUNT}/organisations/{id}")
        assert page.status_code == 404
        assert "This page does not exist." in page.text
    assert len(answers) == 1


@pytest.mark.parametrize("after", ["x", "\x00", "1", "' OR 1=1", "%"])
async def test_a_page_that_cannot_be_is_the_callers_mistake(browser: httpx.AsyncClient, after: str) -> None:
    assert (await browser.get(API, params={"after": after})).status_code == 400
    assert (await browser.get(f"{MOUNT}/organisations", params={"after": after})).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=%ff%fe",
        "q=" + "a" * 5000,
        "q=\\",
        "kind=%00&area=%00",
        "q=%ed%a0%80",
        "q=&q=1&kind=a&kind=b",
    ],
)
async def test_nothing_that_is_asked_breaks_a_page(browser: httpx.AsyncClient, query: str) -> None:
    for path in (f"{MOUNT}/organisations", API):
        assert (await browser.get(f"{path}?{query}")).status_code == 200


async def test_pages_change_nothing(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/organisations"):
        assert (await browser.post(MOUNT + path)).status_code == 405
    assert (await browser.get(f"{MOUNT}/nothing")).status_code == 404


@pytest.mark.usefixtures("example")
async def test_opening_pages_changes_nothing(browser: httpx.AsyncClient, register: Database) -> None:
    async with register.transaction() as tx:
        id = await people.invite(tx, name="Amina", email="a@forum.example", roles=["ops"])
    before = await contents(register)
    found = await opened(browser, MOUNT, f"{MOUNT}/people", MOUNT + "/", API)
    assert len(found) > 100
    assert f"{MOUNT}/people/{id}" in found
    assert found.pop(f"{MOUNT}/account") == 404, "the account of nobody who was ever admitted"
    assert set(found.values()) <= {200, 405}, found
    now = await contents(register)
    assert {table for table in before if now[table] != before[table]} == {"audit"}
    async with register.reading() as tx:
        assert {row["action"] async for row in every_row(tx)} == {"exported"}, "what was taken away is noted"
