"""Who is registered: the numbers, their tables, and what of them is for whom."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.database import Database
from services.grants import web
from services.grants.demographics import FEW, OTHERS, TRAITS, WITHHELD, Crossed, cross
from services.grants.disclosure import LEAST
from services.grants.imports import import_registrations
from tests.access import EVERYTHING
from tests.conftest import EXAMPLES, client

PAGE = "/grants/registrations"
HEAD = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
CAMDEN, KENSINGTON, BEXLEY = "E09000007", "E09000020", "E09000004"
OUTSIDERS = ("trustee", "payer", "auditor")


@pytest.fixture
async def browser(grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the staff."""
    async with client(web.build(grants), "/grants") as browser:
        yield browser


@pytest.fixture(params=OUTSIDERS)
async def outsider(request: pytest.FixtureRequest, grants: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who sees figures and nothing that could tell who somebody is."""
    person = replace(EVERYTHING, roles=frozenset({request.param}))
    async with client(web.build(grants), "/grants", person) as browser:
        yield browser


async def people(grants: Database, *some: tuple[int, str, str, str, str]) -> None:
    """So many of each kind: area, profession, country, exams."""
    lines, number = [HEAD], 0
    for count, area, profession, country, stage in some:
        for _ in range(count):
            number += 1
            lines.append(f"ref-{number},2011-10-03,{profession},{area},{country},{stage},consent")
    report = await import_registrations(grants, "\n".join(lines).encode())
    assert not report.faults


async def table(browser: httpx.AsyncClient, **query: str) -> list[list[str]]:
    answer = await browser.get(f"{PAGE}.csv", params=query)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


SOME = (
    (12, CAMDEN, "doctor", "IQ", "plab_1"),
    (3, CAMDEN, "dentist", "IR", "ore_1"),
    (9, CAMDEN, "dentist", "IQ", "ore_1"),
    (20, KENSINGTON, "dentist", "IR", "ore_1"),
    (8, KENSINGTON, "doctor", "IR", "plab_2"),
    (2, BEXLEY, "doctor", "BT", "plab_1"),
    (7, BEXLEY, "dentist", "IQ", "passed"),
)


async def test_staff_see_every_number(grants: Database, browser: httpx.AsyncClient) -> None:
    await people(grants, *SOME)
    assert await table(browser, rows="area", columns="profession") == [
        ["Borough (code)", "Borough", "Dentist", "Doctor", "Together"],
        [BEXLEY, "Bexley", "7", "2", "9"],
        [CAMDEN, "Camden", "12", "12", "24"],
        [KENSINGTON, "Kensington and Chelsea", "20", "8", "28"],
        ["", "Together", "39", "22", "61"],
    ]
    assert (await table(browser, rows="country", columns="none"))[1] == ["BT", "Bhutan", "2"]
    page = (await browser.get(PAGE)).text
    assert "61 people registered" in page
    assert 'aria-label="Bexley: 9"' in page
    assert 'aria-label="Barnet: 0"' in page


async def test_a_filter_stands_in_the_address(grants: Database, browser: httpx.AsyncClient) -> None:
    await people(grants, *SOME)
    query = {"rows": "exam_stage", "columns": "country", "area": CAMDEN, "profession": "dentist"}
    assert await table(browser, **query) == [
        ["Exams (code)", "Exams", "Iran", "Iraq", "Together"],
        ["ore_1", "ORE part 1", "3", "9", "12"],
        ["", "Together", "3", "9", "12"],
    ]
    page = (await browser.get(PAGE, params=query)).text
    assert "12 people found" in page
    assert "Borough: Camden; Profession: Dentist" in page
    none = (await browser.get(PAGE, params={"area": "<b>Atlantis"})).text
    assert "Nobody is all of this" in none
    assert "&lt;b&gt;Atlantis" in none


@pytest.mark.parametrize("query", [{"rows": "name"}, {"rows": "area", "columns": "area"}, {"columns": "'"}])
async def test_an_odd_address_is_answered(browser: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await browser.get(PAGE, params=query)).status_code == 200


async def test_others_see_no_small_number(grants: Database, outsider: httpx.AsyncClient) -> None:
    await people(grants, *SOME)
    [_, bexley, camden, kensington, together] = await table(outsider, rows="area", columns="profession")
    assert bexley == [BEXLEY, "Bexley", WITHHELD, FEW, "9"]
    assert together == ["", "Together", "39", "22", "61"]
    assert WITHHELD in camden + kensington
    [_, *countries] = await table(outsider, rows="country", columns="none")
    assert ["BT", "Bhutan", FEW] in countries
    assert [code for code, *_, count in countries if count == WITHHELD]


async def test_others_cannot_filter(grants: Database, outsider: httpx.AsyncClient) -> None:
    await people(grants, *SOME)
    assert await table(outsider, rows="area") == await table(outsider, rows="area", country="BT")
    page = (await outsider.get(PAGE, params={"country": "BT"})).text
    assert "61 people registered" in page
    assert 'id="country"' not in page


async def test_the_first_page_and_programs_say_no_more(grants: Database, outsider: httpx.AsyncClient) -> None:
    await people(grants, *SOME)
    [_, bexley, *_] = await table(outsider, rows="area", columns="profession")
    home = await outsider.get("/grants/")
    row = home.text.partition(">Bexley<")[2].partition("</tr>")[0]
    assert FEW in row
    assert bexley[2] == WITHHELD
    assert WITHHELD in row
    answer = await outsider.get("/grants/api/v1/registrations/counts")
    said = {(row["area"], row["profession"]): row["count"] for row in answer.json()["counts"]}
    assert (said[BEXLEY, "doctor"], said[BEXLEY, "dentist"]) == (None, None)
    assert answer.json()["total"] == 61


async def test_fewer_than_five_are_no_number_for_others(
    grants: Database, outsider: httpx.AsyncClient
) -> None:
    await people(grants, (3, CAMDEN, "doctor", "IQ", "plab_1"))
    for address in (PAGE, "/grants/", "/grants/price"):
        page = (await outsider.get(address)).text
        assert "Camden" not in page
        assert "3 people" not in page
    assert "Fewer than five people registered" in (await outsider.get(PAGE)).text
    assert (await outsider.get("/grants/api/v1/registrations/counts")).json()["total"] is None


async def test_so_many_statements_whatever_there_is(
    grants: Database, browser: httpx.AsyncClient, statements: list[str]
) -> None:
    for _ in range(2):  # the first time, names of types are looked up
        statements.clear()
        await browser.get(PAGE)
    few = len(statements)
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    statements.clear()
    await browser.get(PAGE, params={"rows": "country", "columns": "area"})
    assert len(statements) == few


# What can be worked out


PEOPLE = st.lists(
    st.tuples(st.integers(1, 9), *(st.sampled_from(["a", "b", "c"]) for _ in TRAITS)), max_size=14
)


def tables(people: list[Any]) -> dict[tuple[int, int], Crossed]:
    """Everything that is for everybody, by which two traits."""
    names = {code: code for code in "abc"}
    found = {}
    for down, across in permutations(range(1, 5), 2):
        counts = Counter[tuple[str, str]]()
        for one in people:
            counts[one[down], one[across]] += one[0]
        found[down, across] = cross(counts, names, names, whole=False)
    return found


@given(PEOPLE)
def test_no_table_shows_a_small_number(people: list[Any]) -> None:
    for shown in tables(people).values():
        numbers = [shown.total, *shown.foot]
        numbers += [number for line in shown.lines for number in (line.total, *line.cells)]
        assert all(number.count is None or number.count == 0 or number.count >= LEAST for number in numbers)


@given(PEOPLE)
def test_all_tables_say_the_same_of_one_trait(people: list[Any]) -> None:
    """So that what one leaves out cannot be read in another."""
    said: dict[tuple[int, str], Any] = {}
    for (down, across), shown in tables(people).items():
        for line in shown.lines:
            assert said.setdefault((down, line.code), line.total) == line.total
        for (code, _), number in zip(shown.columns, shown.foot, strict=True):
            assert said.setdefault((across, code), number) == number


@given(PEOPLE)
def test_what_is_left_out_is_more_than_one_in_each_direction(people: list[Any]) -> None:
    for shown in tables(people).values():
        lines = [line for line in shown.lines if line.total.count is not None]
        left_out = [[cell.count is None for cell in line.cells] for line in lines]
        for line in [*left_out, *zip(*left_out, strict=True)]:
            assert sum(line) != 1


def test_small_rows_and_columns_stand_together() -> None:
    names = {code: code.upper() for code in "abcd"}
    counts = dict.fromkeys(product("ab", "ab"), 10) | {("c", "a"): 3, ("d", "b"): 4, ("a", "c"): 6}
    shown = cross(counts, names, names, whole=False)
    assert [(line.code, line.name, line.total.words) for line in shown.lines] == [
        ("a", "A", "26"),
        ("b", "B", "20"),
        ("c", "C", FEW),
        ("d", "D", FEW),
        (OTHERS, "Others, together", "7"),
    ]
    assert {cell.words for cell in shown.lines[2].cells} == {WITHHELD}
    assert shown.number("c", "a").count is None
