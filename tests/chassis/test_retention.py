"""What has had its time goes at night, once, a part at a time; a rehearsal says what it would be."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.audit import verify
from chassis.clock import LOCAL, months_before
from chassis.config import Settings, SettingsError
from chassis.database import Database, Transaction
from chassis.retention import AT_A_TIME, Term, nightly, rehearse, scrub_old
from contracts.topology import GRANTS
from services.keeping import check_terms
from tests.conftest import MakeDatabase


async def _old_effects(tx: Transaction, before: datetime, most: int) -> int:
    gone = await tx.fetch(
        "DELETE FROM effects WHERE id IN (SELECT id FROM effects WHERE subject < $1 LIMIT $2) RETURNING id",
        before.isoformat(),
        most,
    )
    return len(gone)


TERMS = (Term(what="effects", months=24, since="after they were had", scrub=_old_effects),)


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    """With things of the last 60 months, a month apart; it is noon."""
    made = await make_database(GRANTS)
    clock = made.context.clock
    clock.advance(clock.now().replace(hour=12, minute=0) - clock.now())
    async with made.transaction() as tx:
        await tx.execute("CREATE TABLE effects (id serial, subject text)")
        for months in range(60):
            moment = months_before(tx.now.astimezone(LOCAL), months).astimezone(UTC) - timedelta(minutes=1)
            await tx.execute("INSERT INTO effects (subject) VALUES ($1)", moment.isoformat())
    return made


async def left(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM effects"))


async def acts(database: Database) -> list[tuple[str, str, object]]:
    async with database.reading() as tx:
        rows = await tx.fetch("SELECT source, action, kind, after FROM audit ORDER BY number")
        assert (await verify(tx)).broken_at is None
    return [(row["action"], row["kind"], row["after"]) for row in rows]


async def test_what_has_had_its_time_goes_and_it_is_written_down(database: Database) -> None:
    assert await scrub_old(database, TERMS) == {"effects": 36}
    assert await left(database) == 24
    assert await acts(database) == [("scrubbed", "effects", {"count": 36})]
    assert await scrub_old(database, TERMS) == {"effects": 0}
    assert len(await acts(database)) == 1


async def test_a_rehearsal_says_the_same_and_changes_nothing(database: Database) -> None:
    assert await rehearse(database, TERMS) == {"effects": 36}
    assert await left(database) == 60
    assert await acts(database) == []


async def test_a_setting_gives_another_time(database: Database) -> None:
    settings = replace(database.context.settings, retain=("effects=50",))
    object.__setattr__(database.context, "settings", settings)
    assert await rehearse(database, TERMS) == {"effects": 10}


async def test_there_may_be_more_than_one_transaction_holds(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO effects (subject) SELECT '2001-01-01' FROM generate_series(1, $1)", 2 * AT_A_TIME
        )
    assert await rehearse(database, TERMS) == {"effects": 2 * AT_A_TIME + 36}
    assert await scrub_old(database, TERMS) == {"effects": 2 * AT_A_TIME + 36}
    assert [kind for _, kind, _ in await acts(database)] == ["effects"] * 3


async def test_it_is_done_once_a_night_by_one_of_several(database: Database) -> None:
    await asyncio.gather(*(nightly(database, TERMS) for _ in range(4)))
    assert await left(database) == 24
    assert len(await acts(database)) == 1
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO effects (subject) VALUES ('2001-01-01')")
    await nightly(database, TERMS)
    assert await left(database) == 25
    database.context.clock.advance(timedelta(days=1))
    await nightly(database, TERMS)
    assert await left(database) == 24


async def test_the_night_begins_at_three(database: Database) -> None:
    clock = database.context.clock
    clock.advance(timedelta(days=1) + clock.now().replace(hour=1, minute=30) - clock.now())
    await nightly(database, TERMS)
    assert await left(database) == 60
    clock.advance(timedelta(hours=3))
    await nightly(database, TERMS)
    assert await left(database) == 24


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [
        (datetime(2026, 11, 27, 4, tzinfo=UTC), 6, "2026-05-27T03:00:00+00:00"),
        (datetime(2027, 5, 27, 3, tzinfo=UTC), 6, "2026-11-27T04:00:00+00:00"),
        (datetime(2026, 7, 31, 23, 30, tzinfo=UTC), 1, "2026-06-30T23:30:00+00:00"),
    ],
    ids=["summer_time_began", "summer_time_ended", "first_hour_of_a_month"],
)
async def test_a_term_ends_at_the_hour_where_the_users_are(
    make_bare: MakeDatabase, now: datetime, months: int, before: str
) -> None:
    database = await make_bare(GRANTS)
    clock = database.context.clock
    clock.advance(now - clock.now())
    told = list[datetime]()

    async def scrub(tx: Transaction, before: datetime, most: int) -> int:
        told.append(before.replace(second=0, microsecond=0))
        return 0

    await rehearse(database, [Term(what="effects", months=months, since="x", scrub=scrub)])
    assert [each.isoformat() for each in told] == [before]


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        ((2026, 3, 31), 1, (2026, 2, 28)),
        ((2024, 3, 31), 1, (2024, 2, 29)),
        ((2026, 1, 15), 1, (2025, 12, 15)),
        ((2026, 11, 25), 24, (2024, 11, 25)),
        ((2026, 1, 31), -1, (2026, 2, 28)),
        ((2026, 12, 5), -1, (2027, 1, 5)),
    ],
)
def test_months_are_those_of_the_calendar(
    moment: tuple[int, int, int], months: int, before: tuple[int, int, int]
) -> None:
    assert months_before(datetime(*moment, 9, tzinfo=UTC), months) == datetime(*before, 9, tzinfo=UTC)


@pytest.mark.parametrize("written", ["letters", "letters=", "letters=0", "letters=x", "=5", "letters=12.5"])
def test_a_time_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match="CONDUIT_RETAIN"):
        Settings.load({"CONDUIT_RETAIN": written})


def test_a_time_for_something_that_nobody_keeps_is_refused() -> None:
    check_terms(Settings.load({"CONDUIT_RETAIN": "letters=36, sign-ins = 6"}))
    with pytest.raises(SettingsError, match=r"nothing is called leters.*registrations.*letters"):
        check_terms(Settings.load({"CONDUIT_RETAIN": "leters=36"}))
