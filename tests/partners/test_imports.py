"""Importing the list of partners: all or nothing, and the same file twice is the same as once."""

import asyncio
import csv
import gc
import io
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from chassis.database import Database
from services.partners.imports import ImportReport, import_partners
from tests.conftest import EXAMPLES, announced
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, everything, line, partners_csv

NHS_LINE = (
    *(
        "5LA",
        "KENSINGTON AND CHELSEA PCT",
        "Q36",
        "Q36",
        "2 EXAMPLE ROAD",
        "",
        "",
        "LONDON",
        "GREATER LONDON",
    ),
    *("w10 6dz", "20010401", "", "A", "", "Q36", "20060701", "", "020 7946 0131", *[""] * 9),
)


def nhs_csv(*bodies: Sequence[str]) -> bytes:
    """Bodies as the register of the NHS writes them."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(bodies)
    return text.getvalue().encode()


def counts(report: ImportReport) -> dict[str, int]:
    """The counts of a report that are not zero."""
    names = (
        *("new", "same", "changed", "closed"),
        *("contacts_new", "contacts_same", "contacts_changed", "contacts_withdrawn"),
    )
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def faults(report: ImportReport) -> list[tuple[int, str | None]]:
    """Where the faults of a report are."""
    return [(fault.line, fault.column) for fault in report.faults]


async def test_the_example_is_imported_whole(register: Database) -> None:
    report = await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    assert report.faults == []
    assert report.notices == []
    assert counts(report) == {"new": 135, "contacts_new": 247}
    assert report.lines == 251
    async with register.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM organisations") == 135
        assert await tx.fetchval("SELECT count(*) FROM contacts") == 247
        unlinked = "SELECT count(*) FROM organisations WHERE closed_on IS NOT NULL AND successor_id IS NULL"
        assert await tx.fetchval(unlinked) == 0
    assert len(await announced(register)) == 135 + 247


async def test_a_dry_run_finds_out_everything_and_changes_nothing(register: Database) -> None:
    before = await everything(register)
    report = await import_partners(register, EXAMPLES / "partners.csv", dry_run=True)
    assert counts(report) == {"new": 135, "contacts_new": 247}
    assert report.dry_run
    assert await everything(register) == before == [[], [], [], []]


async def test_the_same_file_twice_changes_nothing_and_announces_nothing(register: Database) -> None:
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    before = await everything(register)
    report = await import_partners(register, EXAMPLES / "partners.csv", dry_run=False)
    assert counts(report) == {"same": 135, "contacts_same": 247}
    assert await everything(register) == before


async def test_one_bad_line_and_nothing_is_imported(bring: Bring, register: Database) -> None:
    report = await bring(line(TRUST, OFFICER), line(SUCCESSOR, closeness="close"))
    assert faults(report) == [(3, "closeness")]
    assert counts(report) == {}
    assert await everything(register) == [[], [], [], []]


async def test_a_file_that_is_not_there_is_a_fault(register: Database, tmp_path: Path) -> None:
    report = await import_partners(register, tmp_path / "nothing.csv", dry_run=False)
    assert faults(report) == [(0, None)]


async def test_progress_counts_up_to_every_line_and_every_announcement(register: Database) -> None:
    seen: list[int] = []
    await import_partners(register, EXAMPLES / "partners.csv", dry_run=False, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 251 + 135 + 247


async def test_a_change_is_the_next_version(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER))
    report = await bring(line(TRUST, OFFICER, closeness="strategic", contact_email="new@trust.example"))
    assert counts(report) == {"changed": 1, "contacts_changed": 1}
    async with register.reading() as tx:
        row = await tx.fetchrow("SELECT closeness, version FROM organisations")
        assert row is not None
        assert tuple(row) == ("strategic", 2)
        row = await tx.fetchrow("SELECT email, version FROM contacts")
        assert row is not None
        assert tuple(row) == ("new@trust.example", 2)


async def test_an_organisation_closes_in_favour_of_one_on_a_later_line(
    bring: Bring, register: Database
) -> None:
    await bring(line(TRUST))
    report = await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"), line(SUCCESSOR))
    assert counts(report) == {"closed": 1, "new": 1}
    async with register.reading() as tx:
        successor = await tx.fetchval(
            "SELECT s.identifier FROM organisations o JOIN organisations s ON s.id = o.successor_id"
        )
    assert successor == "GB-NHS-08Y"


async def test_a_successor_may_be_in_the_register_only(bring: Bring) -> None:
    await bring(line(SUCCESSOR))
    report = await bring(line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y"))
    assert counts(report) == {"new": 1}
    assert [notice.kind for notice in report.notices] == ["organisations-not-in-file"]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_an_unknown_successor_is_a_fault(bring: Bring, register: Database, dry_run: bool) -> None:
    report = await bring(
        line(SUCCESSOR), line(TRUST, closed_on="2013-03-31", successor="GB-NHS-NONE"), dry_run=dry_run
    )
    assert faults(report) == [(3, "successor")]
    assert counts(report) == {}
    assert await everything(register) == [[], [], [], []]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("name", "Kensington Primary Care Trust"),
        ("kinds", "primary_care_trust;funder"),
        ("areas", "E09000033"),
        ("closeness", "strategic"),
        ("opened_on", "2002-04-02"),
        ("closed_on", "2013-03-31"),
        ("successor", "GB-NHS-08Y"),
    ],
)
async def test_lines_of_one_organisation_agree(bring: Bring, column: str, cell: str) -> None:
    other = {**OFFICER, "contact_role": "chief_executive"}
    report = await bring(line(TRUST, OFFICER), line(TRUST, other, **{column: cell}))
    assert faults(report) == [(3, column)]
    assert "Line 2" in report.faults[0].fault


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"contact_name": ""}, "contact_name"),
        ({"contact_role": ""}, "contact_role"),
        ({"contact_channel": ""}, "contact_channel"),
        ({"contact_email": ""}, "contact_email"),
        ({"contact_source": ""}, "contact_source"),
        ({"contact_listed_on": ""}, "contact_listed_on"),
        ({"contact_withdrawn_on": "2011-10-11"}, "contact_withdrawn_on"),
        ({"contact_channel": "post", "contact_postcode": "W10 0XX"}, "contact_address"),
        ({"contact_channel": "post", "contact_address": "1 Example Road;London"}, "contact_postcode"),
        ({"contact_channel": "fax"}, "contact_channel"),
        ({"contact_address": ";".join("a" * 9)}, "contact_address"),
        ({"contact_address": "a" * 201}, "contact_address"),
        ({"identifier": "5LA"}, "identifier"),
        ({"closed_on": "2002-03-31"}, "closed_on"),
        ({"successor": "GB-NHS-5LA"}, "successor"),
        ({"kinds": ""}, "kinds"),
    ],
)
async def test_what_cannot_be_used_is_named(bring: Bring, cells: dict[str, str], column: str) -> None:
    report = await bring(line(TRUST, OFFICER, **cells))
    assert faults(report) == [(2, column)]
    assert report.faults[0].cure


async def test_one_person_in_one_role_stands_there_once(bring: Bring) -> None:
    report = await bring(line(TRUST, OFFICER), line(TRUST, OFFICER))
    assert faults(report) == [(3, "contact_name")]


async def test_one_person_may_have_two_roles_and_two_people_one_role(bring: Bring) -> None:
    second_role = line(TRUST, OFFICER, contact_role="chief_executive")
    second_person = line(TRUST, OFFICER, contact_name="Carys Bevan")
    report = await bring(line(TRUST, OFFICER), second_role, second_person)
    assert counts(report) == {"new": 1, "contacts_new": 3}


async def test_a_contact_withdrawn_and_listed_again(bring: Bring) -> None:
    await bring(line(TRUST, OFFICER))
    withdrawn = await bring(line(TRUST, OFFICER, contact_withdrawn_on="2012-01-09"))
    again = await bring(line(TRUST, OFFICER))
    assert counts(withdrawn) == {"same": 1, "contacts_withdrawn": 1}
    assert counts(again) == {"same": 1, "contacts_changed": 1}


async def test_what_the_file_does_not_name_stays_and_is_pointed_out(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER), line(SUCCESSOR))
    before = await everything(register)
    report = await bring(line(TRUST))
    assert [notice.kind for notice in report.notices] == ["organisations-not-in-file", "contacts-not-in-file"]
    assert await everything(register) == before


async def test_five_thousand_contacts_are_written_by_a_few_statements(register: Database) -> None:
    rows = (line(TRUST, OFFICER, contact_name=f"Officer {number}") for number in range(5_000))
    report = await import_partners(register, partners_csv(*rows), dry_run=False)
    assert counts(report) == {"new": 1, "contacts_new": 5_000}


async def test_a_longer_file_takes_no_more_memory(register: Database, tmp_path: Path) -> None:
    peaks = []
    for number in (1_500, 1_500, 6_000):  # the first one fills caches
        path = tmp_path / f"{number}.csv"
        path.write_bytes(partners_csv(*(line(TRUST, identifier=f"CONDUIT-{n}") for n in range(number))))
        gc.collect()  # what other tests have left is none of this file's
        tracemalloc.start()
        report = await import_partners(register, path, dry_run=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.lines == number
    assert peaks[2] < 1.5 * peaks[1]


async def test_a_thousand_faults_are_enough(bring: Bring) -> None:
    rows = (line(TRUST, OFFICER, contact_name=f"Officer {n}", closeness="close") for n in range(1_200))
    report = await bring(*rows)
    assert 1_000 <= len(report.faults) <= 1_001


async def test_two_imports_at_once_wait_for_each_other(bring: Bring, register: Database) -> None:
    reports = await asyncio.gather(*(bring(line(TRUST, OFFICER), line(SUCCESSOR)) for _ in range(4)))
    made = [counts(report) for report in reports]
    assert made.count({"new": 2, "contacts_new": 1}) == 1
    assert made.count({"same": 2, "contacts_same": 1}) == 3
    assert len(await announced(register)) == 3
