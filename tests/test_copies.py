"""``conduit check --copies``: what is wrong in a copy is named, by ids and versions alone, and mended."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from chassis import copies
from chassis.copies import Difference, Fault, differences
from chassis.database import Database
from chassis.inbox import Inbox
from chassis.transports import Delivery
from contracts.catalogue import FACTS
from contracts.envelope import decode
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES
from services.copies import COPIES, kept, lasting, owned
from services.grants.handlers import SUBSCRIPTIONS as OF_GRANTS
from services.grants.imports import import_registrations
from services.installation import Installation
from services.messages import opened, replay
from services.notifications.handlers import SUBSCRIPTIONS as OF_NOTIFICATIONS
from services.partners import people, tokens
from services.partners.closing import close
from services.partners.domain import HandedOver
from services.partners.imports import import_partners
from services.partners.merging import merge
from tests.conftest import EXAMPLES, MakeDatabase
from tests.journeys.running import conduit

SUBSCRIPTIONS = {GRANTS: OF_GRANTS, NOTIFICATIONS: OF_NOTIFICATIONS}
UNKNOWN = "00000000-0000-4000-8000-00000000abcd"


def run(installation: Installation, service: str, *statements: str) -> list[dict[str, Any]]:
    """Have something done to a service's database; the rows of the last statement."""

    async def act() -> list[dict[str, Any]]:
        async with opened(installation, service) as database, database.transaction() as tx:
            return [[dict(row) for row in await tx.fetch(each)] for each in statements][-1]

    return asyncio.run(act())


def carry(installation: Installation) -> None:
    """Bring everything that was announced to whoever hears it."""

    async def act() -> None:
        bodies: list[bytes] = []
        for service in SERVICES:
            async with opened(installation, service) as database, database.transaction() as tx:
                rows = await tx.fetch(
                    "SELECT body FROM outbox WHERE published_at IS NULL ORDER BY recorded_at, id"
                )
                bodies += [bytes(row["body"]) for row in rows]
                await tx.execute("UPDATE outbox SET published_at = $1", tx.now)
        for service, subscriptions in SUBSCRIPTIONS.items():
            heard = {each.fact for each in subscriptions}
            deliveries = [Delivery(body=body) for body in bodies if decode(body, FACTS).fact in heard]
            async with opened(installation, service) as database:
                for start in range(0, len(deliveries), 500):
                    await Inbox(database, subscriptions).take(deliveries[start : start + 500])

    asyncio.run(act())


@pytest.fixture
def filled(installation: Installation) -> Installation:
    """The example in the register, counts, people with a token, two that were merged, one that closed."""

    async def act() -> None:
        async with opened(installation, PARTNERS) as database:
            await import_partners(database, EXAMPLES / "partners.csv", dry_run=False)
            async with database.transaction() as tx:
                id = await people.invite(
                    tx, name="Amina", email="amina@forum.example", roles=["staff", "ops"]
                )
                await people.invite(tx, name="Bo", email="bo@forum.example", roles=["staff"])
                await tokens.issue(tx, id, name="figures", role="staff", writes=True, days=3)
                a, b, c, d = [
                    row["id"] for row in await tx.fetch("SELECT id FROM organisations ORDER BY id LIMIT 4")
                ]
                await merge(tx, a, b, {})
                letters = [HandedOver.LETTERS]
                await close(tx, c, closed_on=tx.today, successor=d, handed_over=letters)
        async with opened(installation, GRANTS) as database:
            await import_registrations(database, EXAMPLES / "registrations.csv")

    asyncio.run(act())
    carry(installation)
    return installation


def check(installation: Installation) -> tuple[int, dict[str, dict[str, Any]], str]:
    """The exit code, each finding by what it is about, and everything that was printed."""
    settings = installation.settings
    done = conduit("check", "--copies", "--json", home=settings.home, **settings.environment())
    assert done.stdout, done.stderr
    found = {each["what"]: each for each in json.loads(done.stdout)}
    return done.returncode, found, done.stdout + done.stderr


def rebuild(installation: Installation, name: str) -> None:
    replay(installation, name, lambda done: None)
    carry(installation)


def one(which: str, table: str) -> str:
    """The first or the last row of a table: ``min`` or ``max``."""
    return f"WHERE id = (SELECT {which}(id::text)::uuid FROM {table})"


_TOKEN = f"SELECT '{UNKNOWN}', 1, 1, person_id, 'digest', 'ops', true, expires_at, false FROM tokens"
_ONE = "WHERE person_id = (SELECT {}(person_id::text)::uuid FROM colleagues)"
_CONTACT = "(id, organisation_id, role, channel, listed_on, epoch, version)"
_NOBODY = f"('{UNKNOWN}', '{UNKNOWN}', 'x', 'email', '2012-01-01', 1, 1)"

#: What is done to each copy, and the words that must stand there.
TAMPERED = {
    "grants.organisations": [
        (f"UPDATE organisations SET name = 'Marker' {one('min', 'organisations')}", "different in name"),
        (f"DELETE FROM organisations {one('max', 'organisations')}", "missing: version none"),
        (
            f"INSERT INTO organisations (id, name, epoch, version) VALUES ('{UNKNOWN}', 'Marker', 1, 4)",
            f"{UNKNOWN} not the owner's: version 4",
        ),
    ],
    "grants.people": [
        ("UPDATE standings SET barred = true", "different in barred"),
        (f"INSERT INTO standings VALUES ('{UNKNOWN}', 1, 1, '{{ops}}', false)", f"{UNKNOWN} not the owner's"),
    ],
    "grants.colleagues": [
        (f"UPDATE colleagues SET sealed = '\\x00' {_ONE.format('min')}", "different in name, email"),
        (f"DELETE FROM colleagues {_ONE.format('max')}", "missing: version none"),
        (f"INSERT INTO colleagues VALUES ('{UNKNOWN}', 1, 3)", f"{UNKNOWN} not the owner's: version 3"),
    ],
    "grants.tokens": [
        ("UPDATE tokens SET expires_at = expires_at + interval '9 years'", "different in expires_at")
    ],
    "notifications.colleagues": [
        (f"UPDATE colleagues SET name = 'Marker' {_ONE.format('min')}", "different in name"),
        (f"DELETE FROM colleagues {_ONE.format('max')}", "missing: version none"),
        (f"INSERT INTO colleagues VALUES ('{UNKNOWN}', 1, 3)", f"{UNKNOWN} not the owner's: version 3"),
    ],
    "notifications.people": [("UPDATE standings SET roles = '{staff,payer}'", "different in roles")],
    "notifications.tokens": [
        (f"INSERT INTO tokens {_TOKEN}", f"{UNKNOWN} not the owner's"),
        ("UPDATE tokens SET version = 0 WHERE digest <> 'digest'", "behind: version 0, the owner's 1"),
    ],
    "notifications.organisations": [
        ("UPDATE organisations SET merged_into = NULL", "different in merged_into"),
        ("UPDATE organisations SET handed_over = '{}'", "different in handed_over"),
        (f"UPDATE organisations SET version = 99 {one('max', 'organisations')}", "ahead: version 99"),
    ],
    "notifications.contacts": [
        (f"UPDATE contacts SET email = 'marker@evil.example' {one('min', 'contacts')}", "different in email"),
        (f"UPDATE contacts SET source = 'Marker' {one('max', 'contacts')}", "different in source"),
        (f"INSERT INTO contacts {_CONTACT} VALUES {_NOBODY}", f"{UNKNOWN} not the owner's"),
    ],
    "notifications.registration_counts": [
        (
            "UPDATE registration_counts SET count = count + 1 WHERE area = 'E09000020'",
            "E09000020/dentist different in count",
        ),
        ("DELETE FROM registration_counts WHERE area = 'E09000033'", "E09000033/dentist missing"),
        (
            "INSERT INTO registration_counts VALUES ('E99', 'dentist', 5, '2012-01-01', 1, 1)",
            "E99/dentist not the owner's",
        ),
    ],
}


@pytest.mark.timeout(400)
def test_every_copy_is_compared_named_and_mended(filled: Installation) -> None:
    code, found, _ = check(filled)
    assert (code, set(found)) == (0, {f"copy {name}" for name in COPIES})
    assert set(TAMPERED) == set(COPIES)
    for name, changes in TAMPERED.items():
        run(filled, name.partition(".")[0], *(statement for statement, _ in changes))
    code, found, printed = check(filled)
    assert code == 1
    assert "marker" not in printed.casefold(), "what stands in a copy is said"
    for name, changes in TAMPERED.items():
        says = found[f"copy {name}"]["says"]
        for _, words in changes:
            assert words in says, f"{name}: {says}"
        assert says.endswith(f"Run: conduit events replay --rebuild {name}")
    for name in TAMPERED:
        rebuild(filled, name)
    code, found, _ = check(filled)
    assert (code, [each for each in found.values() if not each["good"]]) == (0, [])


def test_many_differences_are_counted_and_the_first_named(filled: Installation) -> None:
    run(filled, NOTIFICATIONS, "UPDATE contacts SET name = 'Marker' WHERE name IS NOT NULL")
    _, found, printed = check(filled)
    says = found["copy notifications.contacts"]["says"]
    assert says.count("different in name") == 10
    assert " more. Run:" in says
    assert len(printed) < 10_000


async def test_what_is_on_its_way_is_no_difference(make_database: MakeDatabase) -> None:
    """The copy follows while it is looked at."""
    owner, keeper = await make_database(PARTNERS), await make_database(NOTIFICATIONS)
    await import_partners(owner, EXAMPLES / "partners.csv", dry_run=False)
    looking = asyncio.create_task(lasting("notifications.organisations", owner, keeper))
    await asyncio.sleep(0.3)
    async with owner.reading() as tx:
        deliveries = [
            Delivery(body=bytes(row["body"]))
            for row in await tx.fetch("SELECT body FROM outbox")
            if b"organisation_registered" in bytes(row["body"])
        ]
    await Inbox(keeper, OF_NOTIFICATIONS).take(deliveries)
    assert await looking == []


async def test_both_sides_are_read_a_page_at_a_time(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of a page, the same differences: at its ends, beyond them, with one side empty."""
    owner, keeper = await make_database(GRANTS), await make_database(NOTIFICATIONS)
    areas = [f"E{number:02}" for number in range(12)]
    async with owner.transaction() as tx:
        for area in areas[:10]:
            await tx.execute(
                "INSERT INTO registration_counts VALUES ($1, 'dentist', 7, $2, 1)", area, tx.today
            )
    async with keeper.transaction() as tx:
        for area in [*areas[2:5], *areas[6:]]:
            await tx.execute(
                "INSERT INTO registration_counts VALUES ($1, 'dentist', 7, $2, 1, 1)", area, tx.today
            )
    expected = [
        *(Difference(f"{areas[n]}/dentist", Fault.MISSING, 1, None) for n in (0, 1, 5)),
        *(Difference(f"{areas[n]}/dentist", Fault.STRANGE, None, 1) for n in (10, 11)),
    ]
    empty = await make_database(NOTIFICATIONS)
    for size in (1, 2, 3, 5, 500):
        monkeypatch.setattr(copies, "_PAGE", size)
        assert await found(owner, keeper) == expected
        assert len(await found(owner, empty)) == 10


async def found(owner: Database, keeper: Database) -> Sequence[Difference]:
    name = "notifications.registration_counts"
    return [each async for each in differences(owner, owned(name), keeper, kept(name).read)]
