"""Choosing a body in a form: its name is typed or taken from the browser's list, and must be one we know."""

from collections.abc import Iterable
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import Refused
from services.grants.queries import FUNDS
from services.grants.web.forms import Fields

_NOBODY = UUID(int=0)

#: Names that a form offers; others can be typed.
MOST = 2_000


async def offered(tx: Transaction) -> list[str]:
    """The names that a form offers."""
    return [row["name"] async for row in FUNDS.bodies_offered(tx, most=MOST)]


async def read_bodies(tx: Transaction, fields: Fields, names: Iterable[str]) -> list[UUID]:
    """The bodies that are named in these fields; empty ones name nobody."""
    typed = {name: fields.line(name, required=False) for name in names}
    rows = [row async for row in FUNDS.bodies_called(tx, names=list(typed.values()))]
    found: list[UUID] = []
    for field, text in typed.items():
        ids = [row["id"] for row in rows if row["name"].casefold() == text.casefold()]
        if text and len(ids) != 1:
            fields.add(_unclear(field, len(ids)))
        found += ids[:1]
    return list(dict.fromkeys(found))


async def read_body(tx: Transaction, fields: Fields, name: str) -> UUID:
    """The body that must be named in this field; with a fault, nobody."""
    fields.line(name)
    return next(iter(await read_bodies(tx, fields, [name])), _NOBODY)


def _unclear(field: str, found: int) -> Refused:
    if found:
        cure = "Let whoever keeps the partners give them different names."
        return Refused("Several bodies are called this.", cure, field=field)
    cure = "Choose a name from the list. If it is new to us, enter it under Partners first."
    return Refused("We know no body of this name.", cure, field=field)
