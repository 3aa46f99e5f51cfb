"""``conduit person``: admitting, trusting and barring people, with or without services that run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from chassis.audit import BY_COMMAND, acting
from chassis.database import Database, Transaction
from chassis.errors import ChassisError
from contracts.topology import PARTNERS
from services.installation import Installation
from services.messages import opened
from services.partners import people, second_factor, tokens
from services.partners.queries import PEOPLE

T = TypeVar("T")


#: What to say, and to type, where nobody may sign in.
NOBODY_YET = (
    "Nobody may sign in yet. Begin with yourself: "
    "conduit person invite you@body.example --name 'Your Name' --role ops --role staff"
)


class Nobody(ChassisError):
    """Nobody with this address was ever admitted. See who was: conduit person list"""


def invite(
    installation: Installation, *, email: str, name: str, roles: Sequence[str], organisation: str
) -> None:
    """Let somebody sign in.

    Raises:
        Refused: says what is wrong and the cure.
    """

    async def act(tx: Transaction) -> None:
        await people.invite(tx, name=name, email=email, roles=roles, organisation=organisation)

    _change(installation, act)


def change_roles(installation: Installation, email: str, roles: Sequence[str]) -> None:
    """Trust somebody with these roles.

    Raises:
        Nobody, Refused: says what is wrong and the cure.
    """

    async def act(tx: Transaction) -> None:
        await people.change_roles(tx, await _id(tx, email), roles)

    _change(installation, act)


def bar(installation: Installation, email: str) -> None:
    """Let somebody in no more.

    Raises:
        Nobody, Refused: says what is wrong and the cure.
    """

    async def act(tx: Transaction) -> None:
        await people.bar(tx, await _id(tx, email))

    _change(installation, act)


def forget_second_factor(installation: Installation, email: str) -> None:
    """Let somebody who has lost their telephone set up another one.

    Raises:
        Nobody: says what to type.
    """

    async def act(tx: Transaction) -> None:
        await second_factor.forget(tx, await _id(tx, email))

    _change(installation, act)


def issue_token(
    installation: Installation, email: str, *, name: str, role: str, writes: bool, days: int
) -> str:
    """Let a program act in somebody's name. The token, which is shown now and never again.

    Raises:
        Nobody, Refused: says what is wrong and the cure.
    """
    made = []

    async def act(tx: Transaction) -> None:
        id = await _id(tx, email)
        made.append(await tokens.issue(tx, id, name=name, role=role, writes=writes, days=days))

    _change(installation, act)
    return made[0]


def everybody(installation: Installation) -> list[dict[str, Any]]:
    """Name, address, roles, organisation and state of everybody who was ever admitted."""

    async def look(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as tx:
            rows = [row async for row in PEOPLE.people_listed(tx)]
        wanted = ("name", "email", "roles", "organisation", "admitted_at", "barred_at")
        return [{name: row[name] for name in wanted} for row in rows]

    return _on(installation, look)


async def _id(tx: Transaction, email: str) -> UUID:
    known = await PEOPLE.person_by_email(tx, email_key=email.strip().casefold())
    if known is None:
        raise Nobody
    id: UUID = known["id"]
    return id


def _change(installation: Installation, act: Callable[[Transaction], Awaitable[None]]) -> None:
    async def change(database: Database) -> None:
        async with acting(database, BY_COMMAND) as tx:
            await act(tx)

    _on(installation, change)


def _on(installation: Installation, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        async with opened(installation, PARTNERS) as database:
            return await work(database)

    with installation.database():
        return asyncio.run(run())
