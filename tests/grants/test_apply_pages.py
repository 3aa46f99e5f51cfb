"""Applying, as people do: begun with an address, written in steps, left and resumed, sent, taken back."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.database import Database
from contracts.grants import ApplicationSubmitted
from services.grants import web
from tests.conftest import client
from tests.grants.applying import (
    EMAIL,
    YOU,
    adds,
    begins,
    letters,
    sends,
    writes,
)
from tests.grants.filling import a_fund, a_round


@pytest.fixture
async def round(grants: Database) -> UUID:
    return await a_round(grants, await a_fund(grants), opened=True)


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without an account."""
    async with client(web.build(grants), "/grants", None) as browser:
        yield browser


async def one(grants: Database) -> Any:
    async with grants.reading() as tx:
        return await tx.fetchrow("SELECT * FROM applications")


async def test_from_the_first_page_to_a_reference(
    grants: Database, round: UUID, browser: httpx.AsyncClient
) -> None:
    first = await browser.get(f"/grants/apply/{round}")
    assert first.status_code == 200
    assert "PLAB 1" in first.text
    path = await begins(browser, round)
    assert "We have sent your own link" in (await browser.get(f"{path}/you?done=begun")).text
    await writes(browser, path)
    assert (await adds(browser, path)).status_code == 303
    page = (await browser.get(path)).text
    assert "Zyta Zzyzxová-O&#39;Brien" in page
    assert "booking.pdf" in page
    assert "Still missing" not in page
    answer = await sends(browser, path)
    assert answer.headers["location"] == f"{path}?done=sent"
    row = await one(grants)
    assert row["state"] == "submitted"
    status = (await browser.get(path)).text
    assert row["reference"] in status
    assert "The panel meets on" in status
    assert str(row["id"]) not in status
    [letter] = await letters(grants, ApplicationSubmitted)
    assert (letter["email"], letter["name"], letter["reference"]) == (EMAIL, YOU["name"], row["reference"])
