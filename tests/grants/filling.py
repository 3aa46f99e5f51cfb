"""Funds, money and rounds for tests that are about something else."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from chassis.database import Database
from services.grants import contributions, funds, rounds
from services.grants.contributions import Receipt
from services.grants.funds import Fund
from services.grants.rounds import Criterion, Round
from tests.access import form_key

#: What a form that describes a fund holds.
FUND = {
    "name": "Exam fund",
    "purpose": "Fees of exams",
    "restriction": "Only exams of refugee doctors.",
    "restrictions": "doctors_exams",
    "funder_1": "Camden Primary Care Trust",
    "opened_on": "2012-01-01",
}


async def a_fund(database: Database, name: str = "Exam fund", **more: Any) -> UUID:
    """A fund for doctors' exams, empty."""
    today = database.context.clock.today()
    described: dict[str, Any] = {
        "name": name,
        "purpose": "Fees of exams",
        "restriction": "Only exams of refugee doctors.",
        "restrictions": ("doctors_exams",),
        "funders": (UUID(int=7),),
        "opened_on": today,
    }
    async with database.transaction() as tx:
        return await funds.open_fund(tx, Fund(**described | more))


async def money_comes(database: Database, fund: UUID, pence: int = 500_000, **more: Any) -> UUID:
    """A contribution of Camden's."""
    today = database.context.clock.today()
    said: dict[str, Any] = {
        "received_on": today,
        "bank_reference": f"FP {uuid4()}",
        "organisation_id": UUID(int=7),
    }
    async with database.transaction() as tx:
        return await contributions.receive(tx, fund, Receipt(amount_pence=pence, **said | more))


def a_plan(database: Database, fund: UUID, **more: Any) -> Round:
    """A round for doctors' exams, of which nothing is missing but criteria."""
    today = database.context.clock.today()
    described: dict[str, Any] = {
        "name": "Doctors’ exams, spring",
        "fund_id": fund,
        "opens_on": today,
        "closes_on": today + timedelta(days=28),
        "meets_on": today + timedelta(days=42),
        "most_pence": 43_000,
        "professions": ("doctor",),
        "purposes": ("ielts", "plab_1", "plab_2"),
        "eligibility": ("profession", "exam_ahead"),
        "quorum": 3,
        "needs_peer": True,
        "needs_funder": True,
        "help_name": "Marker Helper",
        "help_telephone": "020 7946 0001",
    }
    return Round(**described | more)


CRITERION = Criterion(name="Need", weight=60, words=("none", "a little", "some", "much", "more", "most"))


async def a_round(database: Database, fund: UUID, *, opened: bool = False, **more: Any) -> UUID:
    """A round with one criterion."""
    async with database.transaction() as tx:
        id = await rounds.begin_round(tx, a_plan(database, fund, **more))
        await rounds.add_criterion(tx, id, CRITERION)
        if opened:
            await rounds.open_round(tx, id)
    return id


async def post(browser: httpx.AsyncClient, path: str, fields: dict[str, Any], **more: Any) -> httpx.Response:
    """Send a form as the page does."""
    return await browser.post(path, data={"key": form_key(), **fields}, **more)
