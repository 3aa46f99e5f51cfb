"""What each service keeps and for how long: real rows on both sides of the term."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.retention import rehearse, scrub_old
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.partners import people, rights
from tests.conftest import MakeDatabase, announced, move_to
from tests.partners.conftest import OFFICER, TRUST, line, partners_csv


async def let_go(database: Database) -> dict[str, int]:
    """What goes now; a rehearsal has said the same."""
    terms = import_module(f"services.{database.context.service}.held").TERMS
    said = await rehearse(database, terms)
    done = await scrub_old(database, terms)
    assert said == done
    return {what: count for what, count in done.items() if count}


def later(database: Database, **time: float) -> None:
    database.context.clock.advance(timedelta(**time))


async def test_registrations_go_two_years_after_the_last_contact(make_database: MakeDatabase) -> None:
    from services.grants.imports import import_registrations

    grants = await make_database(GRANTS)
    head = "reference,registered_on,profession,area,country,exam_stage,lawful_basis"
    lines = [f"ref-{n},2011-10-03,dentist,E09000020,IQ,ore_1,consent" for n in range(3)]
    await import_registrations(grants, "\n".join([head, *lines]).encode())
    later(grants, days=400)
    changed = lines[0].replace("ore_1", "ore_2")
    await import_registrations(grants, "\n".join([head, changed]).encode())
    later(grants, days=330)
    assert await let_go(grants) == {}
    later(grants, days=2)
    assert await let_go(grants) == {"registrations": 2}
    assert [event.data["count"] for event in await announced(grants)] == [3, 1]
    later(grants, days=400)
    assert await let_go(grants) == {"registrations": 1}
    assert [event.data["count"] for event in await announced(grants)][-1] == 0


async def test_whom_a_letter_was_for_goes_six_years_after_the_last_word(make_database: MakeDatabase) -> None:
    from services.notifications.held import NAME_GONE

    letters = await make_database(NOTIFICATIONS)
    campaign, new, old = uuid4(), uuid4(), uuid4()
    async with letters.transaction() as tx:
        await tx.execute(
            "INSERT INTO campaigns (id, name, purpose, fund, subject, body, signatory, kind, roles, "
            "profession, formula_version, least_pence, each_pence, step_pence, most_pence, state, "
            "created_at, version) "
            "VALUES ($1, 'x', 'x', 'x', 'x', 'x', 'x', 'x', '{x}', 'x', 1, 0, 0, 1, 0, 'sent', $2, 1)",
            campaign,
            tx.now,
        )
        for id, age in ((old, 6 * 366), (new, 6 * 365 - 5)):
            at = tx.now - timedelta(days=age)
            frozen = {
                "values": {"contact_name": "Marker"},
                "recipient_address": ["1 Road"],
                "address_source": "x",
            }
            await tx.execute(
                "INSERT INTO letters (id, campaign_id, organisation_id, contact_id, number, reference, role, "
                "body_name, areas, state, evidence_source, formula_version, frozen, token_digest, "
                "message_id, changed_at, failure, cure) "
                "VALUES ($1, $2, $1, $1, 1, $3, 'x', 'x', '{}', 'failed', 'x', 1, $4, $5, $3, $6, "
                "'550 no marker@x.example', 'x')",
                id,
                campaign,
                str(id),
                frozen,
                id.bytes,
                at,
            )
            await tx.execute(
                "INSERT INTO answers (id, letter_id, kind, detail, at) "
                "VALUES ($1, $1, 'ask', 'Marker asks', $2)",
                id,
                at,
            )
    assert await let_go(letters) == {"letters": 1}
    async with letters.reading() as tx:
        kept = {row["id"]: row for row in await tx.fetch("SELECT * FROM letters")}
        answers = {row["letter_id"]: row["detail"] for row in await tx.fetch("SELECT * FROM answers")}
    assert answers == {old: "", new: "Marker asks"}
    assert kept[old]["frozen"] == {
        "values": {"contact_name": NAME_GONE},
        "recipient_address": [],
        "address_source": "",
    }
    assert kept[old]["failure"] == "Why is no longer kept."
    assert kept[new]["frozen"]["values"]["contact_name"] == "Marker"
    assert "marker@" in kept[new]["failure"]


@pytest.fixture
async def register(make_database: MakeDatabase) -> Database:
    return await make_database(PARTNERS)


async def invite(register: Database, name: str, *roles: str) -> UUID:
    async with register.transaction() as tx:
        return await people.invite(tx, name=name, email=f"{name.lower()}@forum.example", roles=roles)


async def test_names_go_two_years_after_somebody_was_barred_or_withdrawn(register: Database) -> None:
    from services.partners.imports import import_partners

    withdrawn = {"contact_withdrawn_on": register.context.clock.today().isoformat()}
    await import_partners(register, partners_csv(line(TRUST, OFFICER, withdrawn)), dry_run=False)
    await invite(register, "Chief", "ops")
    leaver = await invite(register, "Leaver", "staff")
    async with register.transaction() as tx:
        await people.bar(tx, leaver)
    later(register, days=720)
    assert await let_go(register) == {}
    later(register, days=13)
    assert await let_go(register) == {"contacts": 1, "people": 1}
    async with register.reading() as tx:
        names = {row["name"] for row in await tx.fetch("SELECT name FROM people")}
        [contact] = await tx.fetch("SELECT * FROM contacts")
    assert names == {"Chief", "Somebody who was erased"}
    assert contact["name"].startswith("Somebody who was erased")
    assert (contact["email"], contact["source"]) == (None, "")
    assert [e.data["address"] for e in await announced(register) if e.fact.NAME == "contact_withdrawn"] == [
        None
    ] * 2
    assert await let_go(register) == {}


async def test_a_term_that_is_told_in_days_ends_with_the_day_where_the_users_are(register: Database) -> None:
    from services.partners.imports import import_partners

    withdrawn = {"contact_withdrawn_on": "2026-07-02"}
    await import_partners(register, partners_csv(line(TRUST, OFFICER, withdrawn)), dry_run=False)
    move_to(register, datetime(2028, 7, 2, 23, 30, tzinfo=UTC))  # a summer's day, half past midnight
    assert await let_go(register) == {"contacts": 1}


async def test_how_people_signed_in_goes_after_three_months(register: Database) -> None:
    person = await invite(register, "Chief", "ops")
    async with register.transaction() as tx:
        await tx.execute(
            "INSERT INTO sign_ins (id, person_id, asker, link, code, next, asked_at, expires_at) "
            "VALUES ($1, $2, '', 'l', '', '/', $3, $3)",
            uuid4(),
            person,
            tx.now,
        )
        await tx.execute(
            "INSERT INTO sessions (id, person_id, renewal, agent, began_at, renewed_at) "
            "VALUES ($1, $2, 'r', 'x', $3, $3)",
            uuid4(),
            person,
            tx.now,
        )
    later(register, days=85)
    assert await let_go(register) == {}
    later(register, days=8)
    assert await let_go(register) == {"sign-ins": 1, "sessions": 1}


async def test_what_was_gathered_goes_three_months_after_the_last_step(register: Database) -> None:
    person = await invite(register, "Marker", "ops")
    async with register.transaction() as tx:
        id = await rights.ask_for_everything(tx, await rights.subject_of(tx, [person], []))
        await tx.execute("UPDATE rights_requests SET state = 'released' WHERE id = $1", id)
    later(register, days=85)
    assert await let_go(register) == {}
    later(register, days=8)
    assert await let_go(register) == {"requests": 1}
    async with register.reading() as tx:
        assert await rights.files_of(tx, id) == []
        assert await tx.fetchval("SELECT subject FROM rights_requests") is None
