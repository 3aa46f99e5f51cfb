"""The pages and the API of grants."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from chassis.database import Database
from services.grants import web
from services.grants.imports import import_registrations
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, client
from tests.crawling import contents, opened
from tests.grants.test_handlers import ORGANISATION, a_pledge, receive


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants") as browser:
        yield browser


async def test_an_empty_home_says_how_to_begin(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/grants/")
    assert page.status_code == 200
    assert "Nobody is registered yet" in page.text
    assert "Nothing has been pledged yet" in page.text
    assert "price of not integrating" not in page.text


async def test_the_home_shows_people_price_and_pledges(grants: Database, browser: httpx.AsyncClient) -> None:
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    await receive(grants, a_pledge())
    page = (await browser.get("/grants/")).text
    assert "3,500 people registered" in page
    assert "£49.0 million" in page
    assert "£16.8 million" in page
    assert page.count('<tr><th scope="row">') == 33 + 1
    assert (
        page.index("Barking and Dagenham") < page.index("Kensington and Chelsea") < page.index("Westminster")
    )
    assert "A body whose name is still on its way" in page
    assert "£3,700" in page
    assert "5 March 2012" in page
    await receive(grants, *ORGANISATION)
    assert "Camden Primary Care Trust" in (await browser.get("/grants/")).text


async def test_areas_can_be_searched_without_javascript(grants: Database, browser: httpx.AsyncClient) -> None:
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    found = (await browser.get("/grants/?q=KENSING")).text
    assert found.count('<tr><th scope="row">') == 1
    none = (await browser.get("/grants/", params={"q": "<b>Atlantis"})).text
    assert "No area is called “&lt;b&gt;Atlantis”" in none
    assert "3,500 people registered" in none


async def test_the_api_gives_the_counts(grants: Database, browser: httpx.AsyncClient) -> None:
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    answer = await browser.get("/grants/api/v1/registrations/counts")
    document = answer.json()
    assert document["total"] == 3500 == sum(row["count"] for row in document["counts"])
    assert len(document["counts"]) == 33
    first = document["counts"][0]
    assert first == {
        "area": "E09000001",
        "area_name": "City of London",
        "profession": "dentist",
        "profession_name": "Dentist",
        "count": first["count"],
        "counted_on": grants.context.clock.today().isoformat(),
    }


async def test_what_does_not_exist_is_a_problem_with_a_cure(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/grants/api/v1/registrations")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert (await browser.post("/grants/")).status_code == 405


async def test_opening_pages_changes_nothing(grants: Database, browser: httpx.AsyncClient) -> None:
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    before = await contents(grants)
    found = await opened(browser, "/grants", "/grants/", "/grants/api/v1/registrations/counts")
    assert len(found) >= 2
    assert set(found.values()) == {200}, found
    assert await contents(grants) == before


async def test_whoever_sees_figures_only_sees_what_was_pledged_together(grants: Database) -> None:
    await receive(grants, a_pledge(), *ORGANISATION)
    trustee = replace(EVERYTHING, roles=frozenset({"trustee"}))
    async with client(web.build(grants), "/grants", trustee) as browser:
        page = (await browser.get("/grants/")).text
    assert "£3,700" in page
    assert "Camden Primary Care Trust" not in page
    assert '<th scope="col">From</th>' not in page
