"""What a funder is told: money by the ledger, applications without small numbers, and no person."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from pypdf import PdfReader

from chassis.database import Database
from services.grants import ledger, web
from tests.conftest import client
from tests.grants.applying import ASKED, an_application
from tests.grants.filling import a_fund, a_round, money_comes
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_conflict,
    a_panel,
    an_applicant,
    an_award,
    to_state,
)


@pytest.fixture
async def officer(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(web.build(grants), "/grants", OFFICER) as browser:
        yield browser


def path(fund: UUID, ending: str = "") -> str:
    return f"/grants/funds/{fund}/report{ending}"


async def the_lines(
    officer: httpx.AsyncClient, fund: UUID, query: str = ""
) -> dict[tuple[str, str, str], str]:
    """The report as a table, by part, line and what is said."""
    answer = await officer.get(path(fund, ".csv") + query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0] == ["Part", "Line", "What", "Value"]
    return {(part, line, what): value for part, line, what, value in rows[1:]}


async def pays(grants: Database, at: Panelled, case: Case, pence: int, back: int = 0) -> None:
    async with grants.transaction() as tx:
        award = case.application_id
        await ledger.pay(tx, at.fund, pence, award=award, payment=uuid4(), on=tx.now.date())
        if back:
            await ledger.take_back(tx, at.fund, back, award=award, cause=uuid4(), on=tx.now.date())


async def test_it_says_where_every_pound_went(grants: Database, officer: httpx.AsyncClient) -> None:
    at = await a_panel(grants, 3)
    for case in at.cases[:2]:
        await an_award(grants, at, case, pence=20_050)
    await pays(grants, at, at.cases[0], 20_050, 50)
    said = await the_lines(officer, at.fund)
    money = {line: value for (part, line, _), value in said.items() if part == "The money"}
    assert money == {
        "Received": "£5,000",
        "Given back to funders": "£0",
        "Awarded": "£401",
        "Paid": "£200.50",
        "Came back from awards": "£0.50",
        "Left at the bank at the end": "£4,800",
        "Of what was awarded: paid by now": "£200",
        "Of what was awarded: not paid by now": "£200.50",
        "Of what was awarded: given up or came back": "£0.50",
    }


async def test_small_numbers_are_left_out_whoever_looks(grants: Database, officer: httpx.AsyncClient) -> None:
    fund = await a_fund(grants, restrictions=())
    await money_comes(grants, fund, 500_000)
    round = await a_round(grants, fund, opened=True)
    fates = ["awarded"] * 6 + ["declined"] * 8 + ["under_review"] * 7
    for number, fate in enumerate(fates):
        asked = ASKED if number else replace(ASKED, purpose="plab_2")
        id = await an_application(grants, round, who=an_applicant(number), asked=asked)
        await to_state(grants, id, fate)
        if fate == "awarded":
            async with grants.transaction() as tx:
                await ledger.commit(tx, fund, 100, award=id)
                await tx.execute(
                    "INSERT INTO awards VALUES ($1, $2, 100, $3, $4)", id, fund, tx.now, tx.now.date()
                )
    said = await the_lines(officer, fund)
    by_profession = {key[1:]: value for key, value in said.items() if key[0] == "Applications by profession"}
    assert by_profession["Doctor", "Awarded"] == "6"
    assert by_profession["Doctor", "Declined"] == "8"
    assert by_profession["Doctor", "Asked"] == "21"
    exams = {key[1:]: value for key, value in said.items() if key[0] == "Applications by exam"}
    assert "1" not in exams.values()
    assert exams.get(("PLAB 2", "Asked"), "") in ("", "fewer than five")
    assert said["How the exams went", "Passed", "People"] == "0"


async def test_only_what_happened_in_the_time_is_in_it(grants: Database, officer: httpx.AsyncClient) -> None:
    at = await a_panel(grants, 2)
    first = grants.context.clock.today()
    await an_award(grants, at, at.cases[0])
    grants.context.clock.advance(timedelta(days=40))
    last = grants.context.clock.today()
    await pays(grants, at, at.cases[0], 14_500)
    early = await the_lines(officer, at.fund, f"?from={first}&to={first}")
    late = await the_lines(officer, at.fund, f"?from={last}&to={last}")
    assert early["The money", "Received", "Amount"] == "£5,000"
    assert early["The money", "Paid", "Amount"] == "£0"
    assert early["The money", "Left at the bank at the end", "Amount"] == "£5,000"
    assert late["The money", "Received", "Amount"] == "£0"
    assert late["The money", "Awarded", "Amount"] == "£0"
    assert late["The money", "Paid", "Amount"] == "£145"
    assert late["The money", "Left at the bank at the end", "Amount"] == "£4,855"


async def test_outcomes_and_conflicts_are_counted(grants: Database, officer: httpx.AsyncClient) -> None:
    at = await a_panel(grants, 6)
    for case in at.cases:
        await an_award(grants, at, case)
        id = await a_conflict(grants, case.application_id, at.members[0], tie="acquaintance")
        async with grants.transaction() as tx:
            await tx.execute(
                "INSERT INTO outcomes (application_id, result, said_at, in_post)"
                " VALUES ($1, 'passed', $2, true)",
                case.application_id,
                tx.now,
            )
            await tx.execute("UPDATE conflicts SET settled_at = $1 WHERE id = $2", tx.now, id)
    said = await the_lines(officer, at.fund)
    assert said["How the exams went", "Passed", "People"] == "6"
    assert said["How the exams went", "Work in their profession now", "People"] == "6"
    assert said["Conflicts of interest", "", "Looked at and settled"] == "6"


async def test_page_and_paper_say_the_same_and_name_nobody(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    at = await a_panel(grants, 2)
    await an_award(grants, at, at.cases[0])
    await a_conflict(grants, at.cases[1].application_id, at.members[0])
    page = (await officer.get(path(at.fund))).text
    pdf = await officer.get(path(at.fund, ".pdf"))
    assert pdf.headers["content-type"] == "application/pdf"
    paper = "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(pdf.content)).pages)
    table = (await officer.get(path(at.fund, ".csv"))).text
    async with grants.reading() as tx:
        references = [row["reference"] for row in await tx.fetch("SELECT reference FROM applications")]
    for text in (page, paper, table):
        assert "£5,000" in text
        assert "fewer than five" in text
        for name in ("Marker", *references):
            assert name not in text


@pytest.mark.parametrize(
    "query",
    [
        "?from=yesterday",
        "?to=2999-01-01",
        "?from=2026-11-02&to=2026-11-01",
        "?from=%27%20OR%201",
        "?to=%E2%80%AE1",
    ],
)
async def test_days_that_cannot_be_used_are_said(
    grants: Database, officer: httpx.AsyncClient, query: str
) -> None:
    fund = await a_fund(grants)
    page = await officer.get(path(fund) + query)
    assert page.status_code == 422
    assert 'class="fault"' in page.text
    for ending in (".csv", ".pdf"):
        assert (await officer.get(path(fund, ending) + query)).status_code == 400


async def test_an_unknown_fund_has_none(officer: httpx.AsyncClient) -> None:
    for ending in ("", ".csv", ".pdf"):
        assert (await officer.get(path(uuid4(), ending))).status_code == 404


async def test_a_fund_without_anything_has_one_too(grants: Database, officer: httpx.AsyncClient) -> None:
    fund = await a_fund(grants, "O'Brien’s <fund> \u202e " + "x" * 100)
    assert (await officer.get(path(fund))).status_code == 200
    assert (await officer.get(path(fund, ".pdf"))).status_code == 200
    assert (await the_lines(officer, fund))["The money", "Received", "Amount"] == "£0"
