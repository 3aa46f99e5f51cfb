"""Importing registrations: all or nothing, each change announced once, nobody recognisable."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from chassis.database import Database
from chassis.sheets import Fault
from contracts.envelope import Event
from contracts.grants import RegistrationsCounted
from services.grants.counting import figures
from services.grants.domain import ImportRunning, person_digest
from services.grants.imports import import_registrations
from services.grants.queries import IMPORTS, QUERIES
from services.grants.snapshots import SNAPSHOTS
from tests.conftest import EXAMPLES, announced

HEADER = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
KENSINGTON, CAMDEN = "E09000020", "E09000007"


def a_line(
    reference: object,
    *,
    on: str = "2011-05-03",
    profession: str = "dentist",
    area: str = KENSINGTON,
    country: str = "IQ",
    stage: str = "ielts",
    basis: str = "consent",
) -> str:
    return f"{reference},{on},{profession},{area},{country},{stage},{basis}"


def a_file(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode()


async def everything(database: Database) -> dict[str, list[Any]]:
    """All that the import may touch, as it stands."""
    statements = {
        "registrations": "SELECT * FROM registrations ORDER BY person",
        "counts": "SELECT * FROM registration_counts ORDER BY area, profession",
        "outbox": "SELECT * FROM outbox ORDER BY id",
    }
    async with database.reading() as tx:
        return {name: await tx.fetch(statement) for name, statement in statements.items()}


def said(events: Iterable[Event]) -> list[tuple[str, int, int]]:
    return [(event.subject, event.data["count"], event.sequence) for event in events]


async def test_the_example_gives_the_figures_of_the_story(grants: Database) -> None:
    told: list[int] = []
    report = await import_registrations(grants, EXAMPLES / "registrations.csv", progress=told.append)
    assert (report.lines, report.new, report.same, report.changed, report.faults) == (3500, 3500, 0, 0, ())
    assert told[-1] == 3500
    async with grants.reading() as tx:
        assert await figures(tx) == {
            "registrations": 3500,
            "areas": 33,
            "income_tax_pence": 4_900_000_000,
            "national_insurance_pence": 1_680_000_000,
        }
    events = await announced(grants)
    assert len(events) == report.counts == 33
    assert {event.fact for event in events} == {RegistrationsCounted}
    assert sum(event.data["count"] for event in events) == 3500


async def test_the_same_file_twice_changes_and_announces_nothing(grants: Database) -> None:
    await import_registrations(grants, EXAMPLES / "registrations.csv")
    before = await everything(grants)
    grants.context.clock.advance(timedelta(days=3))
    report = await import_registrations(grants, EXAMPLES / "registrations.csv")
    assert (report.new, report.same, report.changed, report.counts) == (0, 3500, 0, 0)
    assert await everything(grants) == before


async def test_only_counts_that_changed_are_announced_each_with_the_next_version(grants: Database) -> None:
    await import_registrations(
        grants, a_file(a_line("a"), a_line("b"), a_line("c", profession="doctor"), a_line("d", area=CAMDEN))
    )
    first = await announced(grants)
    assert sorted(said(first)) == [
        (f"{CAMDEN}/dentist", 1, 1),
        (f"{KENSINGTON}/dentist", 2, 1),
        (f"{KENSINGTON}/doctor", 1, 1),
    ]
    report = await import_registrations(
        grants,
        a_file(a_line("b", area=CAMDEN), a_line("c", profession="doctor", stage="plab_1"), a_line("e")),
    )
    assert (report.new, report.changed, report.same) == (1, 2, 0)
    assert sorted(said((await announced(grants))[len(first) :])) == [(f"{CAMDEN}/dentist", 2, 2)]


async def test_a_count_that_falls_to_nothing_is_announced(grants: Database) -> None:
    await import_registrations(grants, a_file(a_line("a", area=CAMDEN)))
    await import_registrations(grants, a_file(a_line("a")))
    assert said(await announced(grants))[1:] == [(f"{CAMDEN}/dentist", 0, 2), (f"{KENSINGTON}/dentist", 1, 1)]
    async with grants.reading() as tx:
        assert (await figures(tx))["areas"] == 1


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(grants: Database) -> None:
    await import_registrations(grants, a_file(a_line("a"), a_line("b")))
    before = await everything(grants)
    lines = a_file(a_line("a"), a_line("b", stage="ore_1"), a_line("c"))
    dry = await import_registrations(grants, lines, dry_run=True)
    assert (dry.new, dry.changed, dry.same, dry.counts) == (1, 1, 1, 1)
    assert await everything(grants) == before
    wet = await import_registrations(grants, lines)
    assert (wet.new, wet.changed, wet.same, wet.counts) == (1, 1, 1, 1)


async def test_one_bad_line_keeps_every_good_one_out(grants: Database) -> None:
    report = await import_registrations(
        grants,
        a_file(
            a_line("a"),
            a_line("b", area="E0900002"),
            a_line("c", on="2031-01-01"),
            a_line("d", country="Iraq"),
            a_line("", stage="ielts"),
            a_line("=1+1"),
        ),
    )
    assert [(fault.line, fault.column) for fault in report.faults] == [
        (3, "area"),
        (4, "registered_on"),
        (5, "country"),
        (6, "reference"),
        (7, "reference"),
    ]
    assert all(fault.cure for fault in report.faults)
    assert (report.new, report.counts) == (0, 0)
    assert await everything(grants) == {"registrations": [], "counts": [], "outbox": []}


async def test_a_fault_after_the_first_chunk_takes_everything_back(
    grants: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.grants.imports.CHUNK", 2)
    lines = [a_line(number) for number in range(7)]
    report = await import_registrations(grants, a_file(*lines, a_line(7, basis="none")))
    assert [fault.line for fault in report.faults] == [9]
    assert await everything(grants) == {"registrations": [], "counts": [], "outbox": []}
    assert (await import_registrations(grants, a_file(*lines))).new == 7


async def test_the_same_person_twice_in_a_file_is_a_fault_that_names_both_lines(grants: Database) -> None:
    report = await import_registrations(
        grants, a_file(a_line("SG-1"), a_line("SG-2"), a_line("sg-1", area=CAMDEN), a_line("SG-1"))
    )
    assert report.faults == (
        Fault(
            line=4,
            column="reference",
            fault="The same reference stands on line 2 already, and each person is registered once.",
            cure="Delete line 2 or line 4, or correct the reference on one of them.",
        ),
        Fault(
            line=5,
            column="reference",
            fault="The same reference stands on line 2 already, and each person is registered once.",
            cure="Delete line 2 or line 5, or correct the reference on one of them.",
        ),
    )


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", HEADER.encode(), b"PK\x03\x04xl/", HEADER.encode() + b'\n"SG-1']
)
async def test_a_file_that_is_no_table_of_registrations_is_refused(grants: Database, content: bytes) -> None:
    report = await import_registrations(grants, content)
    assert report.faults
    assert report.lines == 0


async def test_windows_1252_and_semicolons_are_read_and_said(grants: Database) -> None:
    content = a_file(a_line("é1")).decode().replace(",", ";").encode("cp1252")
    report = await import_registrations(grants, content)
    assert (report.new, [notice.kind for notice in report.notices]) == (1, ["windows-1252"])


async def test_no_reference_is_kept_or_announced_in_clear(
    grants: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await import_registrations(grants, a_file(a_line("XYZZY-77"), a_line("XYZZY-78")))
    kept = repr(await everything(grants)).casefold()
    assert "xyzzy" not in kept
    assert all("xyzzy" not in str(event).casefold() for event in await announced(grants))
    output = capsys.readouterr()
    assert "xyzzy" not in (output.out + output.err).casefold()
    key = grants.context.keys.derive("registrations")
    async with grants.reading() as tx:
        assert await tx.fetchval(
            "SELECT count(*) FROM registrations WHERE person = $1", person_digest(key, "XYZZY-77")
        )


async def test_two_imports_at_once_do_not_mix(grants: Database) -> None:
    lines = a_file(*(a_line(number) for number in range(2000)))
    outcomes = await asyncio.gather(
        import_registrations(grants, lines), import_registrations(grants, lines), return_exceptions=True
    )
    assert Counter(type(outcome).__name__ for outcome in outcomes) in (
        {"ImportReport": 1, "ImportRunning": 1},
        {"ImportReport": 2},
    )
    assert said(await announced(grants)) == [(f"{KENSINGTON}/dentist", 2000, 1)]


async def test_an_import_that_meets_another_says_so(grants: Database) -> None:
    async with grants.transaction() as tx:
        assert await IMPORTS.claim_import(tx)
        with pytest.raises(ImportRunning, match="Wait until it has ended"):
            await import_registrations(grants, a_file(a_line("a")))


async def test_an_import_waits_for_whoever_forgets_registrations(grants: Database) -> None:
    """Every night, and as soon as a service is started after three: that is no other import."""
    async with grants.transaction() as tx:
        await QUERIES.lock_counts(tx)
        importing = asyncio.create_task(import_registrations(grants, a_file(a_line("a"))))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        while not importing.done() and not await tx.fetchval(waits):
            pass
    assert (await importing).new == 1


async def test_a_hundred_thousand_lines_come_in_at_once(grants: Database) -> None:
    areas = list(grants.context.house.lists["areas"])
    content = a_file(*(a_line(f"SG-{number:06}", area=areas[number % 33]) for number in range(100_000)))
    report = await import_registrations(grants, content)
    assert (report.new, report.counts) == (100_000, 33)


async def test_snapshots_repeat_the_present_counts_in_pages(grants: Database) -> None:
    await import_registrations(
        grants, a_file(a_line("a"), a_line("b", area=CAMDEN), a_line("c", profession="doctor"))
    )
    await import_registrations(grants, a_file(a_line("b")))
    present = len(await announced(grants))
    after, pages = None, 0
    while after is not None or not pages:
        async with grants.transaction() as tx:
            after = await SNAPSHOTS["registration_counts"](tx, after, 2)
        pages += 1
    repeated = (await announced(grants))[present:]
    assert pages == 3
    assert all(event.snapshot for event in repeated)
    assert said(repeated) == [
        (f"{CAMDEN}/dentist", 0, 2),
        (f"{KENSINGTON}/dentist", 2, 2),
        (f"{KENSINGTON}/doctor", 1, 1),
    ]
