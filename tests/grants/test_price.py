"""The price of not integrating."""

from collections.abc import AsyncIterator

import httpx
import pytest

from chassis.database import Database
from services.grants import web
from services.grants.imports import import_registrations
from tests.conftest import EXAMPLES, client

PAGE = "/grants/price"


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants") as browser:
        yield browser


async def test_the_forums_own_figures_are_what_is_usual(browser: httpx.AsyncClient) -> None:
    page = (await browser.get(PAGE)).text
    for said in ("3,500 × £14,000", "£49.0 million", "3,500 × £4,800", "£16.8 million", "£65.8 million"):
        assert said in page
    assert page.count("Operation Integration: The Making of New Citizens (February 2012)") >= 4
    assert "£60,000" in page
    assert page.count('<svg class="bar') == 5


async def test_assumptions_stand_in_the_address(grants: Database, browser: httpx.AsyncClient) -> None:
    page = (await browser.get(f"{PAGE}?people=1%2C000&tax=10%2C000&insurance=2000.50&salary=50000")).text
    for said in (
        "1,000 × £10,000",
        "£10.0 million",
        "1,000 × £2,000.50",
        "£2.0 million",
        "20% is income tax",
    ):
        assert said in page
    assert page.count("Chosen on this page") == 4
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    assert f"{PAGE}?people=3500" not in (await browser.get(PAGE)).text
    assert f"{PAGE}?people=3500" in (await browser.get(f"{PAGE}?people=12")).text


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        *(("people", typed) for typed in ("-1", "0", "0.5", "1e400", "NaN", "１０", "9999999", "£10")),
        *(("tax", typed) for typed in ("-1", "0", "1e400", "NaN", "１０", "10,50", "true", "[10]", "0.005")),
        ("insurance", "<b>"),
        ("salary", "\u202e1"),
    ],
)
async def test_what_cannot_be_used_is_said_and_nothing_is_worked_out_from_it(
    browser: httpx.AsyncClient, name: str, typed: str
) -> None:
    answer = await browser.get(PAGE, params={name: typed})
    assert answer.status_code == 422
    assert f'href="#{name}"' in answer.text
    assert "£49.0 million" in answer.text
