"""Who works with us, by name: for pages, for minutes, and to invite the panel.

Partners owns them. What is kept here is a copy, sealed with a key of grants; what they may do stands beside
it, in what every service knows of people.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from chassis.context import Context
from chassis.database import Transaction
from chassis.log import logger
from chassis.sealed import Unopenable, unseal
from contracts.envelope import Event
from services.grants.applicants import email_digest
from services.grants.domain import folded
from services.grants.queries import COLLEAGUES, COPIES

_log = logger(__name__)


@dataclass(frozen=True)
class Colleague:
    """Somebody who has, or had, an account."""

    id: UUID
    name: str
    email: str


async def colleagues(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, Colleague]:
    """These, by their ids; of whoever was erased, nothing."""
    rows = COLLEAGUES.colleagues(tx, ids=list(ids))
    return {who.id: who async for who in _opened(tx.context, rows)}


async def colleagues_with(tx: Transaction, role: str) -> list[Colleague]:
    """Those who have a role and may sign in, by name."""
    found = [who async for who in _opened(tx.context, COLLEAGUES.colleagues_with(tx, role=role))]
    return sorted(found, key=lambda who: (folded(who.name), who.id))


async def called(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, str]:
    """What these are called, by their ids; of whoever was erased, nothing."""
    return await names_in(tx.context, COLLEAGUES.colleagues(tx, ids=list(ids)))


async def names_in(context: Context, rows: AsyncIterator[Mapping[str, Any]]) -> dict[UUID, str]:
    """What those are called who stand, sealed, in rows of ``person_id`` and ``sealed``; by their ids."""
    return {who.id: who.name async for who in _opened(context, rows)}


async def remember_colleagues(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep the newest name and address of each; of whoever was erased, only that there was somebody.

    What cannot be opened is left as it was, because the same event says who may still act, and that must not
    wait: whoever compares the copies is told.
    """
    states = [event.state | kept for event in events if (kept := _kept(tx.context, event)) is not None]
    await COLLEAGUES.remember_colleagues(tx, states=states)


def _kept(context: Context, event: Event) -> dict[str, str] | None:
    """What a row keeps of a person, in hexadecimal digits; nothing of whoever was erased.

    ``None`` when it cannot be opened.
    """
    if event.data["who"] is None:
        return {}
    try:
        who = unseal(context.keys, event.fact, "who", event.data["who"])
    except Unopenable:
        _log.error("colleague_not_opened", id=event.subject)
        return None
    sealed = _box(context).encrypt(json.dumps(who).encode())
    return {"sealed": sealed.hex(), "email_digest": email_digest(context, who["email"]).hex()}


async def forget(tx: Transaction, ids: Sequence[UUID]) -> int:
    """Keep no name and no address of these. How many had one.

    By their accounts and not by an address: several people may be written to at one.
    """
    return int(await COLLEAGUES.forget_colleagues(tx, ids=list(ids)))


async def copied(tx: Transaction, *, after: UUID | None, most: int) -> AsyncIterator[Mapping[str, Any]]:
    """The next colleagues in the order of their ids, opened, to be compared with what partners has."""
    async for row in COPIES.colleagues_copied(tx, after=after, most=most):
        who = _open(tx.context, row) if row["sealed"] is not None else None
        said = {"name": who.name, "email": who.email} if who else {"name": None, "email": None}
        yield {"id": row["person_id"], "version": row["version"], **said}


async def _opened(context: Context, rows: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[Colleague]:
    async for row in rows:
        if who := _open(context, row):
            yield who


def _open(context: Context, row: Mapping[str, Any]) -> Colleague | None:
    """Who is in a row; nobody when it was damaged, which whoever compares the copies is told."""
    try:
        return Colleague(id=row["person_id"], **json.loads(_box(context).decrypt(bytes(row["sealed"]))))
    except CryptoError:
        return None


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("colleagues"))
