"""What a funder is told: money by the ledger, applications without small numbers, and no person."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations, product
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pypdf import PdfReader

from chassis.database import Database
from services.grants import ledger, web
from services.grants.demographics import Number
from services.grants.disclosure import LEAST
from services.grants.funder_reports import FATES, RESULTS, Period, Report, split, tell, together
from services.grants.telling import Part
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
        await ledger.pay(tx, at.fund, pence, award=award, payment=uuid4(), on=tx.today)
        if back:
            await ledger.take_back(tx, at.fund, back, award=award, cause=uuid4(), on=tx.today)


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
                    "INSERT INTO awards VALUES ($1, $2, 100, $3, $4)", id, fund, tx.now, tx.today
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


async def test_awards_by_exam_show_no_more_than_the_applications_and_are_everywhere_the_same(
    grants: Database, officer: httpx.AsyncClient
) -> None:
    fund = await a_fund(grants, restrictions=())
    await money_comes(grants, fund, 500_000)
    round = await a_round(grants, fund, opened=True)
    exams = ["plab_1"] * 7 + ["plab_2"] * 6 + ["oet"] * 2 + ["ielts"] * 3
    for number, exam in enumerate(exams):
        asked = replace(ASKED, purpose=exam)
        id = await an_application(grants, round, who=an_applicant(number), asked=asked)
        await to_state(grants, id, "awarded")
        async with grants.transaction() as tx:
            await ledger.commit(tx, fund, 1_000 + number, award=id)
            said = (id, fund, 1_000 + number, tx.now, tx.today)
            await tx.execute("INSERT INTO awards VALUES ($1, $2, $3, $4, $5)", *said)
    table = await the_lines(officer, fund)
    awards = {key[1:]: value for key, value in table.items() if key[0] == "Awards by exam"}
    assert awards["PLAB 1", "Awards"] == "7"
    assert awards["PLAB 1", "Amount"] == "£70.21"
    assert awards["PLAB 2", "Amount"] == "£60.57"
    assert not any(line in ("OET", "IELTS") for line, _ in awards)
    assert awards["Others, together", "Awards"] == "5"
    assert awards["Others, together", "Amount"] == "£50.75"
    assert awards["Together", "Amount"] == "£181.53"
    by_exam = [key for key in table if key[0] == "Applications by exam"]
    assert {what for _, _, what in by_exam} == {"Awarded", "Asked"}
    assert table["Applications", "", "Awarded"] == table["Applications", "", "Asked"] == "18"
    page = (await officer.get(path(fund))).text
    pdf = await officer.get(path(fund, ".pdf"))
    paper = "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(pdf.content)).pages)
    for text in (page, paper):
        assert "Awards by exam" in text
        assert all(value in text for value in awards.values())


# What can be worked out

EXAMS = {"a": "PLAB 1", "b": "PLAB 2", "c": "OET", "d": "IELTS"}
PLACES = [(exam, fate) for exam in EXAMS for fate in FATES]
WORLDS = st.fixed_dictionaries({place: st.one_of(st.integers(0, 6), st.integers(0, 20)) for place in PLACES})
World = dict[tuple[str, str], int]


def the_parts(world: World) -> dict[str, Part]:
    """The parts of a report that speak of applications, by their titles."""
    counts, fates = Counter(world), Counter[str]()
    for (_, fate), count in world.items():
        fates[fate] += count
    by_exam = split(counts, dict.fromkeys(EXAMS, 100), EXAMS)
    found = Report(
        money=Counter[str](),
        applications=together(fates),
        by_purpose=by_exam,
        by_profession=by_exam,
        results=dict.fromkeys(RESULTS, Number(0)),
        in_post=Number(0),
        conflicts=Number(0),
    )
    fund, today = {"name": "Fund", "purpose": "Fees"}, date(2026, 11, 26)
    return {part.title: part for part in tell(found, fund, Period(first=today, last=today), today).parts}


def meant(heading: str, headings: Collection[str], names: Mapping[str, str], whole: str) -> set[str]:
    """The codes that a heading stands for: all, one, or those that have no heading of their own."""
    if heading == whole:
        return set(names)
    own = {code for code, name in names.items() if name in headings}
    return {code for code in names if names[code] == heading} or set(names) - own


def the_sums(world: World) -> list[tuple[set[tuple[str, str]], str]]:
    """Every number that a report says of applications, as words, with what it is the sum of."""
    parts, sums = the_parts(world), []
    facts = [name for name, _ in parts["Applications"].facts]
    for name, words in parts["Applications"].facts:
        fates = meant(name, facts, FATES, "Asked")
        sums.append(({place for place in PLACES if place[1] in fates}, words))
    for part in (parts[title] for title in parts if title.endswith("by exam")):
        head = ["Awarded" if words == "Awards" else words for words in part.head]
        down = [row[0] for row in part.rows]
        for row in part.rows:
            for heading, words in zip(head[1:], row[1:], strict=True):
                exams, fates = meant(row[0], down, EXAMS, "Together"), meant(heading, head, FATES, "Asked")
                if heading != "Amount":
                    sums.append(
                        ({place for place in PLACES if place[0] in exams and place[1] in fates}, words)
                    )
    return sums


def the_changes() -> list[World]:
    """Ways in which a world could be another one: by one person more or less at a place, by one who is moved,
    or by some who change exams with each other; the smallest first.
    """
    columns = [
        [dict(zip(EXAMS, signs, strict=True)) for signs in product((-1, 0, 1), repeat=4) if not sum(signs)]
        for _ in FATES
    ]
    found: list[World] = [{place: by} for place in PLACES for by in (-1, 1)]
    found += [{there: -1, here: 1} for there, here in permutations(PLACES, 2)]
    for grid in product(*columns):
        moved = {
            (exam, fate): by[exam] for fate, by in zip(FATES, grid, strict=True) for exam in EXAMS if by[exam]
        }
        found += [moved] if moved else []
    return sorted(found, key=len)


CHANGES = the_changes()

#: Of whom no small number may come out: of an exam, of a fate, of both, and those who were awarded nothing.
TOLD_OF = [
    {place for place in PLACES if place[0] in exams and place[1] in fates}
    for exams in [*({exam} for exam in EXAMS), set(EXAMS)]
    for fates in [*({fate} for fate in FATES), {"declined", "open"}, set(FATES)]
]


@given(WORLDS)
@example(dict.fromkeys(PLACES, 0) | {("a", "awarded"): 9, ("b", "awarded"): 8, ("a", "declined"): 2})
@example(dict.fromkeys(PLACES, 0) | {("a", "awarded"): 9, ("b", "awarded"): 3, ("b", "open"): 2})
@example(dict.fromkeys(PLACES, 0) | {("a", "awarded"): 4, ("b", "awarded"): 4, ("a", "open"): 9})
@example(dict.fromkeys(PLACES, 1))
def test_no_small_number_can_be_worked_out_of_all_that_a_report_says(world: World) -> None:
    def of(places: Collection[tuple[str, str]], there: World) -> int:
        return sum(there.get(place, 0) for place in places)

    said = [
        (places, int(words.replace(",", ""))) for places, words in the_sums(world) if words[0].isdecimal()
    ]
    for places, number in said:
        assert number == of(places, world)
        assert number == 0 or number >= LEAST
    for places in TOLD_OF:
        if 0 < of(places, world) < LEAST:
            assert any(
                of(places, change)
                and all(world[place] + by >= 0 for place, by in change.items())
                and not any(of(known, change) for known, _ in said)
                for change in CHANGES
            ), (world, places)


def test_it_tells_awards_where_how_many_asked_would_give_somebody_away() -> None:
    world = dict.fromkeys(PLACES, 0) | {("a", "awarded"): 9, ("b", "awarded"): 8, ("c", "awarded"): 3}
    world |= {("d", "awarded"): 2, ("a", "declined"): 3, ("b", "declined"): 2, ("c", "declined"): 1}
    parts = the_parts(world)
    assert [row[:2] for row in parts["Awards by exam"].rows] == [
        ("PLAB 1", "9"),
        ("PLAB 2", "8"),
        ("Others, together", "5"),
        ("Together", "22"),
    ]
    assert "Applications by exam" not in parts
    few = dict.fromkeys(PLACES, 0) | {("a", "awarded"): 1, ("b", "declined"): 3, ("c", "awarded"): 3}
    assert not the_parts(few)["Applications by exam"].rows
    assert "Awards by exam" not in the_parts(few)


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
                "INSERT INTO outcomes (application_id, result, said_at, in_post, in_post_at)"
                " VALUES ($1, 'passed', $2, true, $2)",
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
    said = await the_lines(officer, fund)
    assert said["The money", "Received", "Amount"] == "£0"
    assert [key for key in said if key[0].startswith("Applications")] == [("Applications", "", "Asked")]
