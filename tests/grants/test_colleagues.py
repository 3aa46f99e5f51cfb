"""What grants knows of colleagues: their names and addresses, sealed, and nothing once they are erased."""

import json
from collections.abc import Callable
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.keys import read_keys
from chassis.rights import Subject
from chassis.sealed import seal
from contracts.access import Role
from contracts.envelope import Event, Fact, encode
from contracts.partners import PersonAdmitted, PersonBarred, PersonSignedOut, RolesChanged
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.grants import colleagues, held
from services.grants.applicants import Applicant
from services.grants.colleagues import Colleague
from services.grants.handlers import FORGETTING, SUBSCRIPTIONS
from tests.conftest import take
from tests.grants.test_handlers import an_event

HANA, TEKLE = UUID(int=21), UUID(int=22)
MARKER, ADDRESS = "Marker Zzyzxova", "marker.zzyzxova@panel.example"


def a_person(
    grants: Database,
    id: UUID,
    version: int,
    name: str | None = MARKER,
    *,
    fact: type[Fact] = PersonAdmitted,
    roles: tuple[str, ...] = (Role.PANEL_MEMBER,),
    barred: bool = False,
    email: str = ADDRESS,
    **more: Any,
) -> Event:
    """What partners says of somebody; of somebody who was erased, without a name."""
    keys = read_keys(grants.context.settings.keys_folder, PARTNERS)
    who = seal(keys, fact, "who", {"name": name, "email": email}) if name else None
    data = {"person_id": id, "organisation_id": UUID(int=2), "roles": list(roles), "barred": barred}
    return an_event(fact, id, {**data, "who": who}, sequence=version, **more)


async def hear(grants: Database, *events: Event) -> None:
    for event in events:
        await take(grants, SUBSCRIPTIONS, event)
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM parked") == 0


async def known(grants: Database, *ids: UUID) -> dict[UUID, Colleague]:
    async with grants.reading() as tx:
        return await colleagues.colleagues(tx, ids)


async def barred(grants: Database, id: UUID) -> bool:
    async with grants.reading() as tx:
        return bool(await tx.fetchval("SELECT barred FROM standings WHERE person_id = $1", id))


@pytest.mark.parametrize("name", [MARKER, "O’Neil-d'Arcy", "علی\u200cرضا نوری", "Nguyễn Thị Ánh", "x" * 200])
async def test_names_of_every_script_come_as_they_are(grants: Database, name: str) -> None:
    await hear(grants, a_person(grants, HANA, 1, name))
    assert await known(grants, HANA, TEKLE) == {HANA: Colleague(HANA, name, ADDRESS)}
    async with grants.reading() as tx:
        assert await colleagues.called(tx, [HANA, TEKLE]) == {HANA: name}
        assert await colleagues.called(tx, []) == {}


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_the_copy_ends_the_same_in_any_order(grants: Database, order: tuple[int, ...]) -> None:
    """The last thing heard of somebody who was erased is not the last that was said."""
    said = (
        a_person(grants, HANA, 1),
        a_person(grants, HANA, 2, fact=RolesChanged, roles=(Role.TRUSTEE,)),
        a_person(grants, HANA, 3, fact=PersonBarred, barred=True),
        a_person(grants, HANA, 4, None, fact=PersonBarred, barred=True),
    )
    await hear(grants, *(said[number] for number in order))
    async with grants.reading() as tx:
        [row] = await tx.fetch("SELECT * FROM colleagues")
    assert tuple(row) == (HANA, 1, 4, None, None)
    assert await barred(grants, HANA)
    assert await known(grants, HANA) == {}


async def test_a_name_that_was_put_right_is_the_new_one(grants: Database) -> None:
    await hear(grants, a_person(grants, HANA, 1), a_person(grants, HANA, 2, "Hana", email="h@panel.example"))
    assert await known(grants, HANA) == {HANA: Colleague(HANA, "Hana", "h@panel.example")}


async def test_an_event_from_before_there_were_names_is_still_understood(grants: Database) -> None:
    event = a_person(grants, HANA, 1, barred=True, fact=PersonBarred)
    old = json.loads(encode(event))
    del old["data"]["who"]
    data = {name: value for name, value in event.data.items() if name != "who"}
    bare = an_event(PersonBarred, HANA, data, sequence=1)
    assert "who" not in json.loads(encode(bare))["data"]
    await hear(grants, bare)
    assert await barred(grants, HANA)
    assert await known(grants, HANA) == {}


async def test_nothing_in_the_database_shows_a_name(grants: Database) -> None:
    await hear(grants, a_person(grants, HANA, 1))
    async with grants.reading() as tx:
        [row] = await tx.fetch("SELECT * FROM colleagues")
    assert b"Marker" not in row["sealed"]
    assert b"marker" not in row["sealed"]
    assert row["email_digest"] == Applicant(email=ADDRESS.upper()).digests(grants.context)["email_digest"]


async def test_who_has_a_role_is_listed_by_name_without_those_who_are_barred(grants: Database) -> None:
    named = {"élan": UUID(int=31), "Bo": UUID(int=32), "amina": UUID(int=33)}
    await hear(
        grants,
        *(a_person(grants, id, 1, name) for name, id in named.items()),
        a_person(grants, UUID(int=34), 1, "Barred", fact=PersonBarred, barred=True),
        a_person(grants, UUID(int=35), 1, "Staff", roles=(Role.STAFF, Role.PAYER)),
        a_person(grants, UUID(int=36), 1, None),
    )
    async with grants.reading() as tx:
        assert [who.name for who in await colleagues.colleagues_with(tx, Role.PANEL_MEMBER)] == [
            "amina",
            "Bo",
            "élan",
        ]
        assert [who.name for who in await colleagues.colleagues_with(tx, Role.PAYER)] == ["Staff"]
        assert await colleagues.colleagues_with(tx, "x' OR true") == []


async def test_any_number_of_them_is_one_statement(grants: Database, statements: list[str]) -> None:
    ids = [uuid4() for _ in range(30)]
    await take(grants, SUBSCRIPTIONS, *(a_person(grants, id, 1) for id in ids))
    entered = [each for each in statements if "INTO colleagues" in each]
    assert len(entered) == 1
    statements.clear()
    assert len(await known(grants, *ids)) == 30
    assert len([each for each in statements if "FROM colleagues" in each]) == 1


async def test_whoever_is_barred_is_so_even_when_their_name_cannot_be_opened(
    grants: Database, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    await hear(grants, a_person(grants, HANA, 1))
    wrong = a_person(grants, HANA, 2, fact=PersonBarred, barred=True)
    keys = read_keys(grants.context.settings.keys_folder, PARTNERS)
    keys.public[GRANTS] = keys.public[NOTIFICATIONS]
    sealed = seal(keys, PersonBarred, "who", {"name": MARKER, "email": ADDRESS})
    await hear(grants, an_event(PersonBarred, HANA, {**wrong.data, "who": sealed}, sequence=2))
    assert await barred(grants, HANA)
    assert (await known(grants, HANA))[HANA].name == MARKER
    async with grants.reading() as tx:
        assert await tx.fetchval("SELECT version FROM colleagues") == 1
    [line] = [each for each in logged() if each["event"] == "colleague_not_opened"]
    assert line["id"] == str(HANA)
    assert "Marker" not in str(line)


async def test_one_that_was_damaged_is_as_one_who_has_left(grants: Database) -> None:
    await hear(grants, a_person(grants, HANA, 1), a_person(grants, TEKLE, 1, "Tekle"))
    async with grants.transaction() as tx:
        await tx.execute("UPDATE colleagues SET sealed = '\\x00' WHERE person_id = $1", HANA)
    assert set(await known(grants, HANA, TEKLE)) == {TEKLE}


async def test_it_is_rebuilt_from_snapshots(grants: Database) -> None:
    await hear(grants, a_person(grants, HANA, 2))
    async with grants.transaction() as tx:
        await tx.execute("UPDATE colleagues SET sealed = '\\x00'")
        await FORGETTING["colleagues"](tx)
    await hear(grants, a_person(grants, HANA, 2, snapshot=True))
    assert (await known(grants, HANA))[HANA].name == MARKER


# What people ask about what is held on them


async def test_what_is_held_on_a_colleague_is_told(grants: Database) -> None:
    await hear(grants, a_person(grants, HANA, 1), a_person(grants, TEKLE, 1, "Somebody Else"))
    async with grants.reading() as tx:
        told = [each async for each in held.gather(tx, Subject(ids=(HANA,), emails=(ADDRESS,)))]
    assert [json.loads(each.content) for each in told] == [{"name": MARKER, "email": ADDRESS}]
    assert MARKER not in told[0].path + told[0].title


async def test_whoever_is_forgotten_is_not_brought_back_by_what_was_said_before(grants: Database) -> None:
    said = a_person(grants, HANA, 1)
    await hear(grants, said, a_person(grants, TEKLE, 1, "Tekle"))
    async with grants.transaction() as tx:
        done = await held.forget(tx, Subject(ids=(HANA,), emails=(ADDRESS,), names=(MARKER,)))
        again = await held.forget(tx, Subject(ids=(HANA,)))
    assert (done.counts["names of colleagues"], again.counts["names of colleagues"]) == (1, 0)
    await hear(grants, a_person(grants, HANA, 1), a_person(grants, HANA, 1, fact=PersonSignedOut))
    assert set(await known(grants, HANA, TEKLE)) == {TEKLE}


async def test_a_colleague_with_the_address_of_somebody_who_is_forgotten_stays(grants: Database) -> None:
    """Several people are written to at one address; partners erases an account by its id."""
    await hear(grants, a_person(grants, HANA, 1))
    async with grants.transaction() as tx:
        await held.forget(tx, Subject(ids=(uuid4(),), emails=(ADDRESS,)))
    assert set(await known(grants, HANA)) == {HANA}
