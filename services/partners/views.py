"""Views of the list that people have saved: a name for what was asked, for oneself or for everybody.

A view is an address and no copy of what it found. One that was deleted can be had back for a while.
"""

from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.sheets import Column, text
from chassis.web import read_field
from services.partners.queries import REGISTER

_NAME = Column(name="name", read=text(60), required=True)


async def save(tx: Transaction, person: UUID, name: str, query: str, *, shared: bool) -> UUID:
    """Keep what was asked of the list.

    Raises:
        Refused: says what is wrong with the name.
    """
    id = uuid_utils.compat.uuid7()
    said = {"name": read_field(_NAME, name), "query": query, "shared": shared}
    await REGISTER.save_view(tx, id=id, person_id=person, **said, now=tx.now)
    note(tx, "view_saved", "view", id, after={"shared": shared})
    return id


async def rename(tx: Transaction, person: UUID, id: UUID, name: str) -> None:
    """Call a view something else."""
    await _locked(tx, person, id)
    await REGISTER.rename_view(tx, id=id, name=read_field(_NAME, name))
    note(tx, "view_renamed", "view", id)


async def delete(tx: Transaction, person: UUID, id: UUID) -> None:
    """Take a view away; it can be had back."""
    await _locked(tx, person, id)
    await REGISTER.set_view_deleted(tx, id=id, deleted_at=tx.now)
    note(tx, "view_deleted", "view", id)


async def restore(tx: Transaction, person: UUID, id: UUID) -> None:
    """Have a view back that was deleted."""
    await _locked(tx, person, id)
    await REGISTER.set_view_deleted(tx, id=id, deleted_at=None)
    note(tx, "view_restored", "view", id)


async def _locked(tx: Transaction, person: UUID, id: UUID) -> Any:
    row = await REGISTER.lock_view(tx, id=id, person_id=person)
    if row is None:
        raise NotFound
    return row
