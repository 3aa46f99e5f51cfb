"""Importing the list of partners: all or nothing, and the same file twice is the same as once."""

import asyncio
import csv
import gc
import io
import json
import tracemalloc
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chassis.database import Database
from chassis.errors import Refused
from chassis.keys import create_keys
from chassis.sheets import Fault
from chassis.testing import PrivatePostgres
from contracts.topology import PARTNERS, SERVICES
from services.intake import in_words
from services.partners.capitals import readable
from services.partners.imports import Defaults, ImportReport, import_partners
from tests.benchmarks.imports import written
from tests.benchmarks.servers import line_from, program
from tests.conftest import EXAMPLES, announced, clone, drop
from tests.partners.browsing import rows
from tests.partners.conftest import OFFICER, SUCCESSOR, TRUST, Bring, everything, line, partners_csv
from tests.partners.directory import watched

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


def test_equal_faults_are_told_once_and_no_more_than_anybody_reads() -> None:
    equal = [Fault(line=n, column="areas", fault="Unknown.", cure="Correct it.") for n in range(2, 40)]
    others = [Fault(line=n, column="name", fault=f"“{n}” is odd.", cure="Correct it.") for n in range(30)]
    first, *rest, untold, cure = in_words(ImportReport(dry_run=True, lines=70, faults=[*equal, *others]))
    assert first == "Line 2, column “areas”: Unknown. Correct it. And 37 more like it."
    assert (len(rest), untold) == (19, "And 11 more.")
    assert cure.startswith("Nothing was imported.")


async def test_days_that_cannot_be_are_refused(bring: Bring, register: Database) -> None:
    days = {"opened_on": "1066-10-14", "closed_on": "2999-01-01", "contact_listed_on": "2999-01-01"}
    report = await bring(line(TRUST, OFFICER, **days))
    assert [(each.column, each.fault) for each in report.faults] == [
        ("opened_on", "This day is before 1800."),
        ("closed_on", "This day is more than 50 years ahead."),
        ("contact_listed_on", "This day is still to come."),
    ]
    assert (await everything(register))[0] == []


async def test_a_file_without_columns_for_contacts_misses_none(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, OFFICER))
    file = ",".join(TRUST) + "\n" + ",".join(TRUST.values()) + "\n"
    report = await import_partners(register, file.encode(), dry_run=False)
    assert report.notices == []


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
    assert peaks[2] < 2 * peaks[1], peaks


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


# Columns that are not in the file


REACH = {
    "postal_address": "2 Example Road;London",
    "postcode": "w10 6dz",
    "telephone": "020 7946 0131",
    "website": "www.trust.example",
}


def without(content: bytes, *columns: str) -> bytes:
    """A file without some of its columns."""
    read = list(csv.DictReader(io.StringIO(content.decode())))
    text = io.StringIO()
    writer = csv.DictWriter(text, [name for name in read[0] if name not in columns], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(read)
    return text.getvalue().encode()


async def test_how_a_body_is_reached(bring: Bring, register: Database) -> None:
    await bring(line(TRUST, REACH))
    [row] = await rows(register, f"SELECT {', '.join(REACH)} FROM organisations")
    assert row == {
        "postal_address": ["2 Example Road", "London"],
        "postcode": "W10 6DZ",
        "telephone": "020 7946 0131",
        "website": "https://www.trust.example",
    }


async def test_a_column_that_is_not_there_changes_nothing_and_an_empty_cell_does(
    bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER, REACH, contact_withdrawn_on="2012-05-01"))
    absent = without(partners_csv(line(TRUST, OFFICER)), *REACH, "areas", "opened_on", "contact_withdrawn_on")
    report = await import_partners(register, absent, dry_run=False)
    assert counts(report) == {"same": 1, "contacts_same": 1}
    await bring(line(TRUST, OFFICER, contact_withdrawn_on="2012-05-01"))
    [row] = await rows(register, "SELECT postal_address, postcode, telephone, website FROM organisations")
    assert row == {"postal_address": [], "postcode": None, "telephone": None, "website": None}


@pytest.mark.parametrize(
    "website", ["javascript:alert(1)", "http://", "a b.example", "https://x@y.example", "x"]
)
async def test_a_website_is_one(bring: Bring, website: str) -> None:
    assert faults(await bring(line(TRUST, website=website))) == [(2, "website")]


async def test_a_date_must_fit_what_the_register_has(bring: Bring, register: Database) -> None:
    await bring(line(TRUST))
    closes = without(partners_csv(line(TRUST, closed_on="1999-01-01")), "opened_on")
    report = await import_partners(register, closes, dry_run=False)
    assert faults(report) == [(2, "closed_on")]
    assert len(await announced(register)) == 1


# Successors


async def test_a_chain_of_three_is_resolved_in_any_order(bring: Bring, register: Database) -> None:
    trust = line(TRUST, closed_on="2013-03-31", successor="GB-NHS-08Y")
    group = line(SUCCESSOR, closed_on="2022-07-01", successor="GB-NHS-QRV")
    board = line(SUCCESSOR, identifier="GB-NHS-QRV", name="North West London Integrated Care Board")
    assert counts(await bring(trust, group, board)) == {"new": 3}
    assert counts(await bring(board, trust, group)) == {"same": 3}
    found = await rows(
        register,
        "SELECT o.identifier, s.identifier AS successor FROM organisations o"
        " LEFT JOIN organisations s ON s.id = o.successor_id ORDER BY o.opened_on, o.closed_on NULLS LAST",
    )
    assert [(row["identifier"], row["successor"]) for row in found] == [
        ("GB-NHS-5LA", "GB-NHS-08Y"),
        ("GB-NHS-08Y", "GB-NHS-QRV"),
        ("GB-NHS-QRV", None),
    ]


def chain(*identifiers: str) -> list[dict[str, str]]:
    """Bodies of which each one succeeds the one before."""
    return [
        line(SUCCESSOR, identifier=one, name=one, closed_on="2013-03-31", successor=next)
        for one, next in pairwise(identifiers)
    ]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_ring_of_successors_is_refused(bring: Bring, register: Database, dry_run: bool) -> None:
    ring = chain("GB-NHS-AA", "GB-NHS-BB", "GB-NHS-CC", "GB-NHS-AA")
    report = await bring(line(TRUST), *ring, dry_run=dry_run)
    assert faults(report) == [(3, "successor"), (4, "successor"), (5, "successor")]
    assert await everything(register) == [[], [], [], []]


async def test_a_ring_that_the_register_closes_is_refused(bring: Bring, register: Database) -> None:
    await bring(*chain("GB-NHS-AA", "GB-NHS-BB"), line(SUCCESSOR, identifier="GB-NHS-BB", name="GB-NHS-BB"))
    report = await bring(*chain("GB-NHS-BB", "GB-NHS-AA"))
    assert faults(report) == [(2, "successor")]


async def test_a_chain_without_end_is_refused(bring: Bring) -> None:
    names = [f"GB-NHS-A{number:02}" for number in range(30)]
    report = await bring(*chain(*names), line(SUCCESSOR, identifier=names[-1], name=names[-1]))
    assert faults(report)
    assert "never comes to an end" in report.faults[0].fault


async def test_what_an_organisation_is_found_by_is_written_once_when_all_of_it_is_there(
    register: Database,
) -> None:
    people = [line(TRUST, OFFICER, contact_name=f"Somebody {number}") for number in range(700)]
    async with watched(register) as database:
        content = partners_csv(*people, line(SUCCESSOR))
        report = await import_partners(database, content, dry_run=False)
        asked = [query for query in database.asked if "SET searched" in query]
        assert len(asked) == 1
        await import_partners(database, content, dry_run=False)
        assert len([query for query in database.asked if "SET searched" in query]) == 1, "nothing has changed"
    assert report.contacts_new == 700
    [row] = await rows(register, "SELECT searched FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    assert {"kensington", "somebody", "0", "699"} <= set(row["searched"].split())


# Bodies that were merged here


async def merge(register: Database, losing: str, surviving: str) -> None:
    """One body is part of another one from now on."""
    async with register.transaction() as tx:
        await tx.execute(
            "UPDATE organisations SET merged_into = (SELECT id FROM organisations WHERE identifier = $2),"
            " version = version + 1 WHERE identifier = $1",
            losing,
            surviving,
        )


async def test_a_body_that_was_merged_is_refused_by_its_survivor(bring: Bring, register: Database) -> None:
    third = line(SUCCESSOR, identifier="GB-NHS-QRV", name="Board")
    await bring(line(TRUST), line(SUCCESSOR), third)
    await merge(register, "GB-NHS-5LA", "GB-NHS-08Y")
    await merge(register, "GB-NHS-08Y", "GB-NHS-QRV")
    report = await bring(line(TRUST), line(third, closed_on="2020-01-01", successor="GB-NHS-08Y"))
    assert faults(report)[0] == (2, "identifier")
    assert "GB-NHS-5LA was merged into GB-NHS-QRV here." in report.faults[0].fault
    assert "GB-NHS-QRV" in report.faults[0].cure
    assert (3, "successor") in faults(report)


async def test_of_another_register_a_merged_body_is_passed_over(bring: Bring, register: Database) -> None:
    await bring(line(TRUST), line(SUCCESSOR))
    await merge(register, "GB-NHS-5LA", "GB-NHS-08Y")
    report = await foreign(register, nhs_csv(NHS_LINE, ("08Y", "WEST LONDON CCG", *NHS_LINE[2:])))
    assert counts(report) == {"changed": 1}
    [row] = await rows(register, "SELECT name FROM organisations WHERE identifier = 'GB-NHS-5LA'")
    assert row == {"name": TRUST["name"]}


# The register of the NHS


PCT = Defaults(kinds=("primary_care_trust",), closeness="contact")


async def foreign(register: Database, content: bytes, dry_run: bool = False) -> ImportReport:
    return await import_partners(register, content, dry_run=dry_run, defaults=PCT)


async def test_the_trusts_of_2012(register: Database) -> None:
    report = await import_partners(register, EXAMPLES / "trusts_2012_ods.csv", dry_run=False, defaults=PCT)
    assert counts(report) == {"new": 31}
    [row] = await rows(register, "SELECT * FROM organisations WHERE identifier = 'GB-NHS-5A8'")
    assert row["name"] == "Greenwich Teaching PCT"
    assert row["postal_address"] == ["Civic Quarter", "14 Mulberry Terrace", "London", "Greater London"]
    assert (row["postcode"], row["telephone"]) == ("SE18 4AU", "020 7946 0103")
    assert (row["opened_on"], row["closed_on"]) == (date(2001, 4, 1), None)
    assert (row["kinds"], row["areas"], row["closeness"]) == (["primary_care_trust"], [], "contact")
    assert counts(await foreign(register, (EXAMPLES / "trusts_2012_ods.csv").read_bytes())) == {"same": 31}


async def test_what_a_body_is_to_us_is_not_the_other_registers_to_say(
    bring: Bring, register: Database
) -> None:
    await bring(line(TRUST, OFFICER, REACH, kinds="funder", closeness="strategic"))
    report = await foreign(
        register, nhs_csv((*NHS_LINE[:11], "20130331", *NHS_LINE[12:17], "", *NHS_LINE[18:]))
    )
    assert counts(report) == {"closed": 1}
    [row] = await rows(register, "SELECT kinds, closeness, telephone, closed_on FROM organisations")
    assert (row["kinds"], row["closeness"]) == (["funder"], "strategic")
    assert row["telephone"] == REACH["telephone"], "what it leaves empty it does not deny"
    assert row["closed_on"] == date(2013, 3, 31)
    assert await rows(register, "SELECT 1 FROM contacts WHERE withdrawn_on IS NOT NULL") == []


async def test_a_body_that_stands_twice_and_alike_is_one(register: Database) -> None:
    other = ("5LB", *NHS_LINE[1:])
    assert counts(await foreign(register, nhs_csv(NHS_LINE, other, NHS_LINE))) == {"new": 2}


async def test_a_body_that_stands_twice_and_differs_is_refused_with_both_lines(register: Database) -> None:
    differs = (*NHS_LINE[:4], "3 OTHER ROAD", *NHS_LINE[5:])
    report = await foreign(register, nhs_csv(NHS_LINE, ("5LB", *NHS_LINE[1:]), differs))
    assert faults(report) == [(3, "postal_address")]
    assert "Line 1" in report.faults[0].fault
    assert "line 3" in report.faults[0].fault
    assert await everything(register) == [[], [], [], []]


@pytest.mark.parametrize(
    ("place", "cell", "column"),
    [
        (1, "5 LA", "code"),
        (2, "", "name"),
        (11, "2001-04-01", "opened"),
        (12, "20130231", "closed"),
        (12, "19990101", "closed"),
    ],
)
async def test_a_line_of_the_nhs_that_cannot_be_used(
    register: Database, place: int, cell: str, column: str
) -> None:
    broken = (*NHS_LINE[: place - 1], cell, *NHS_LINE[place:])
    report = await foreign(register, nhs_csv(("5LB", *NHS_LINE[1:]), broken))
    assert faults(report) == [(2, column)]


async def test_another_register_needs_to_be_told_what_its_bodies_are(register: Database) -> None:
    with pytest.raises(Refused) as refused:
        await import_partners(register, nhs_csv(NHS_LINE), dry_run=True)
    assert refused.value.field == "kinds"


@pytest.mark.parametrize(
    ("capitals", "name"),
    [
        ("BARKING AND DAGENHAM PCT", "Barking and Dagenham PCT"),
        ("THE WALTON CENTRE NHS FOUNDATION TRUST", "The Walton Centre NHS Foundation Trust"),
        ("ST GEORGE'S HEALTHCARE NHS TRUST", "St George's Healthcare NHS Trust"),
        ("STOKE-ON-TRENT PCT", "Stoke-on-Trent PCT"),
        ("O'BRIEN & MCDONALD GP SURGERY", "O'Brien & McDonald GP Surgery"),
        ("NHS NORTH WEST LONDON ICB - W2U3Z", "NHS North West London ICB - W2U3Z"),
        ("(THE) SURGERY, 12B HIGH ST", "(The) Surgery, 12B High St"),
        ("Already as People write It", "Already as People write It"),
        ("NGUYỄN VĂN", "Nguyễn Văn"),
        ("منتدى", "منتدى"),
        ("", ""),
    ],
)
def test_capitals_become_readable(capitals: str, name: str) -> None:
    assert readable(capitals) == name


# The register of charities


def charity(number: int, **said: Any) -> dict[str, Any]:
    """A charity as the extract has it."""
    return {
        "date_of_extract": "2026-01-01T00:00:00",
        "registered_charity_number": number,
        "linked_charity_number": 0,
        "charity_name": "THE MIGRANTS' FORUM",
        "charity_registration_status": "Registered",
        "date_of_registration": "1995-06-01T00:00:00",
        "date_of_removal": None,
        "latest_income": 12.5,
        "charity_contact_address1": "2 EXAMPLE ROAD",
        "charity_contact_address3": "LONDON",
        "charity_contact_postcode": "w10 6dz",
        "charity_contact_phone": "02079460000",
        "charity_contact_web": "www.forum.example",
        "trustees": [{"name": "X"}],
        **said,
    }


CHARITY = Defaults(kinds=("voluntary_organisation",), closeness="contact")


async def charities(register: Database, content: bytes, dry_run: bool = False) -> ImportReport:
    return await import_partners(register, content, dry_run=dry_run, defaults=CHARITY)


async def test_an_extract_of_charities(register: Database) -> None:
    removed = charity(1047693, date_of_removal="2012-03-01T00:00:00", charity_registration_status="Removed")
    linked = charity(1047692, linked_charity_number=1)
    content = json.dumps([charity(1047692), removed, linked], indent=1).encode("utf-8-sig")
    assert counts(await charities(register, content)) == {"new": 2}
    [row] = await rows(register, "SELECT * FROM organisations WHERE identifier = 'GB-CHC-1047692'")
    assert row["name"] == "The Migrants' Forum"
    assert row["postal_address"] == ["2 Example Road", "London"]
    assert (row["postcode"], row["telephone"]) == ("W10 6DZ", "02079460000")
    assert row["website"] == "https://www.forum.example"
    assert row["opened_on"] == date(1995, 6, 1)
    [row] = await rows(register, "SELECT closed_on FROM organisations WHERE identifier = 'GB-CHC-1047693'")
    assert row["closed_on"] == date(2012, 3, 1)
    assert counts(await charities(register, content)) == {"same": 2}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[", "This is not JSON."),
        (b"{}", "This is not JSON."),
        (b"[]", "There is no list of charities"),
        (b"[1]", "This entry is not a charity."),
        (b"[" * 200_000, "This is not JSON."),
        (b'[{"a":' * 200_000, "This is not JSON."),
        (b'[{"registered_charity_number":' + b"9" * 10_000 + b"}]", ""),
        (b'[{"registered_charity_number":"1 OR 1=1"}]', "This is not the number of a charity."),
        (b'[\n{"charity_name":"\n\xff"}]', "Line 3 of the file has a character that cannot be decoded."),
        (json.dumps([charity(1047692, charity_name="x" * 300)]).encode(), "there is room for 200"),
        (json.dumps([charity(1047692, charity_name="a\u202eb")]).encode(), "invisible character (U+202E)"),
        (json.dumps([charity(1047692, date_of_removal="1990-01-01")]).encode(), "removed before"),
        (json.dumps([charity(1047692)]).encode() + b"]", "What follows entry 1 is not JSON."),
    ],
)
async def test_an_extract_that_cannot_be_used(register: Database, content: bytes, words: str) -> None:
    report = await charities(register, content)
    assert len(report.faults) == 1
    assert words in str(report.faults[0])
    assert await everything(register) == [[], [], [], []]


# How much it takes


@pytest.mark.timeout(420)
def test_a_hundred_thousand_lines_take_no_more_memory_than_ten_thousand(
    postgres: PrivatePostgres, templates: dict[str, str], tmp_path: Path
) -> None:
    create_keys(tmp_path / "keys", SERVICES)
    peaks = {}
    for size in (10_000, 100_000):
        database = f"import_{size}"
        asyncio.run(clone(postgres, {database: templates[PARTNERS]}))
        url = postgres.database_url(database)
        file = written(tmp_path, size)
        with program("tests.benchmarks.importer", str(tmp_path), url, str(file)) as importer:
            told = json.loads(line_from(importer))
        assert told["lines"] == size
        peaks[size] = told["peak_mb"]
        asyncio.run(drop(postgres, [database]))
    assert peaks[100_000] < peaks[10_000] + 40, peaks
