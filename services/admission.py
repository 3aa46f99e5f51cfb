"""``conduit person``: admitting, trusting and barring people, with or without services that run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from chassis.audit import BY_COMMAND, acting, note
from chassis.database import Database, Transaction
from chassis.errors import ChassisError
from chassis.keys import create_file
from chassis.rights import Subject
from contracts.access import ROLES
from contracts.topology import PARTNERS
from services.installation import Installation
from services.messages import opened
from services.partners import people, rights, second_factor, tokens
from services.partners.archive import archive_of
from services.partners.queries import PEOPLE, RIGHTS
from services.partners.rights import State

T = TypeVar("T")


#: What to say, and to type, where nobody may sign in.
NOBODY_YET = (
    "Nobody may sign in yet. Begin with yourself: "
    "conduit person invite you@body.example --name 'Your Name' --role ops --role staff"
)


class Nobody(ChassisError):
    """Nobody with this address or id is known. See who may sign in: conduit person list"""


class Several(ChassisError):
    """Several people have this address. Give the id of one."""


class FileThere(ChassisError):
    """There is such a file already."""


class CannotWrite(ChassisError):
    """The file cannot be written there."""


class NothingReleased(ChassisError):
    """Nothing on them has been looked through. Ask for it without --to, and look through it on its page."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a request stands, and who has answered what."""

    state: State
    answers: list[dict[str, Any]]

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state not in (State.GATHERING, State.ASKING, State.ERASING)

    @property
    def found_nobody(self) -> bool:
        """Whether they were to be forgotten, and nothing was known of them anywhere."""
        return self.state is State.ERASED and rights.nothing_known(self.answers)


def invite(
    installation: Installation, *, email: str, name: str, roles: Sequence[str], organisation: str
) -> None:
    """Let somebody sign in.

    Raises:
        Refused: says what is wrong and the cure.
    """

    async def act(tx: Transaction) -> None:
        wanted = [role_code(role) for role in roles]
        await people.invite(tx, name=name, email=email, roles=wanted, organisation=organisation)

    _change(installation, act)


def change_roles(installation: Installation, email: str, roles: Sequence[str]) -> None:
    """Trust somebody with these roles.

    Raises:
        Nobody, Refused: says what is wrong and the cure.
    """

    async def act(tx: Transaction) -> None:
        await people.change_roles(tx, await _id(tx, email), [role_code(role) for role in roles])

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
        made.append(await tokens.issue(tx, id, name=name, role=role_code(role), writes=writes, days=days))

    _change(installation, act)
    return made[0]


def role_code(typed: str) -> str:
    """A role as it is kept, from its code or its name however it is written."""
    plain = typed.strip().casefold()
    names = {name.casefold(): code.value for code, (name, _) in ROLES.items()}
    return names.get(plain, plain.replace(" ", "_"))


def everybody(installation: Installation) -> list[dict[str, Any]]:
    """Name, address, roles, organisation and state of everybody who was ever admitted."""

    async def look(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as tx:
            rows = [row async for row in PEOPLE.people_listed(tx)]
        wanted = ("name", "email", "roles", "organisation", "admitted_at", "barred_at")
        return [{name: row[name] for name in wanted} for row in rows]

    return _on(installation, look)


def ask_for_everything(installation: Installation, who: str, references: Sequence[str]) -> UUID:
    """Let every section tell what it holds on somebody. The request's id.

    Raises:
        Nobody, Several, Refused: says what to type instead.
    """
    return _ask(installation, rights.ask_for_everything, who, references)


def ask_to_forget(installation: Installation, who: str, references: Sequence[str]) -> UUID:
    """Let every section say whether somebody can be forgotten; then they are. The request's id.

    Raises:
        Nobody, Several, Refused, Conflict: says what to do first.
    """
    return _ask(installation, rights.ask_to_forget, who, references)


def _ask(
    installation: Installation,
    ask: Callable[[Transaction, Subject], Awaitable[UUID]],
    who: str,
    references: Sequence[str],
) -> UUID:
    made = []

    async def act(tx: Transaction) -> None:
        entries = await _meant(tx, who, references)
        made.append(await ask(tx, await rights.subject_of(tx, entries, references)))

    _change(installation, act)
    return made[0]


async def _meant(tx: Transaction, who: str, references: Sequence[str]) -> list[UUID]:
    """Everything by which one person is known; an address may be that of several.

    Raises:
        Nobody, Several: when it is not clear who is meant.
    """
    found = await rights.find(tx, who) if who else []
    if len({known.name.casefold() for known in found}) > 1:
        listed = "; ".join(f"{known.id} ({known.kind} at {known.where})" for known in found)
        raise Several(f"Several people have this address. Give one of their ids: {listed}")
    if not found and (who or not references):
        raise Nobody
    return [known.id for known in found]


def progress_of(installation: Installation, request: UUID) -> Progress:
    """Where a request stands."""

    async def look(database: Database) -> Progress:
        async with database.reading() as tx:
            row = await RIGHTS.request(tx, id=request)
            answers = [dict(answer) async for answer in RIGHTS.answers_to(tx, request_id=request)]
        return Progress(state=State(row["state"]), answers=answers)

    return _on(installation, look)


def look_up(installation: Installation, who: str, references: Sequence[str]) -> None:
    """See whether it is clear who is meant.

    Raises:
        Nobody, Several: says what to type instead.
    """

    async def look(database: Database) -> None:
        async with database.reading() as tx:
            await _meant(tx, who, references)

    _on(installation, look)


def write_archive(installation: Installation, who: str, references: Sequence[str], file: Path) -> None:
    """Write what was gathered on somebody, once it was looked through, for the file's owner alone to read.

    Raises:
        FileThere, CannotWrite: when there is such a file, or there can be none.
        Nobody, Several: says what to type instead.
        NothingReleased: when nobody has looked through anything about them.
    """
    if file.exists():
        raise FileThere(f"{file} exists already. Give the name of a file that does not.")
    if not file.absolute().parent.is_dir():
        raise CannotWrite(f"There is no folder {file.absolute().parent}. Make it first, or name another one.")

    async def act(tx: Transaction) -> None:
        about = {*await _meant(tx, who, references), *references}
        async for row in RIGHTS.requests(tx, most=1000):
            released = row["state"] == State.RELEASED and row["subject"] is not None
            subject = rights.opened(tx.context, row)
            if released and about & {*subject.ids, *subject.references}:
                with await archive_of(tx, row["id"]) as archive:
                    _write(file, archive.read)
                note(tx, "given_out", "request", row["id"])
                return
        raise NothingReleased

    _change(installation, act)


def _write(file: Path, read: Callable[[], bytes]) -> None:
    try:
        create_file(file, read)
    except OSError as error:
        raise CannotWrite(f"{file} cannot be written ({error.strerror}). Name another file.") from None


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
