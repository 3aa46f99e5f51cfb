"""By which words the register is searched: whatever stands on an organisation's line, or on that of an entry
that was merged into it, or about its contacts.

They are kept beside each organisation, folded, and written again in the transaction that changes what they
are made of. What is made of the house's lists is written again when these have changed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.house import Entry, House
from services.partners.domain import folded, name_words
from services.partners.queries import QUERIES, REGISTER

#: Goes up when words are made in another way.
_WAY = 2
#: Organisations whose words are written by one transaction.
_AT_A_TIME = 500
_LISTS = ("kinds", "areas", "contact_roles")


async def write_words(tx: Transaction, organisations: Iterable[UUID]) -> None:
    """Write anew what these organisations are found by. Whoever changes them or their contacts calls it."""
    lists = tx.context.house.lists
    rows = [row async for row in REGISTER.words_of(tx, ids=list(set(organisations)))]
    await REGISTER.write_words(
        tx,
        ids=[row["id"] for row in rows],
        searched=[_searched(row, lists) for row in rows],
        listed_as=[folded(row["name"]) for row in rows],
        name_words=[" ".join(name_words(row["name"])) for row in rows],
    )


def _searched(row: Mapping[str, Any], lists: Mapping[str, Mapping[str, Entry]]) -> str:
    said: Sequence[str] = [
        row["name"],
        row["identifier"],
        row["postcode"] or "",
        *row["merged"],
        *_named(lists["kinds"], row["kinds"]),
        *_named(lists["areas"], row["areas"]),
        *_named(lists["contact_roles"], row["roles"]),
        *row["contacts"],
    ]
    # Each word once: a body of a thousand contacts repeats most of them.
    return " ".join(dict.fromkeys(folded("\n".join(said)).split()))


def _named(entries: Mapping[str, Entry], codes: Iterable[str]) -> list[str]:
    return [entries[code].name if code in entries else code for code in codes]


async def keep_words(database: Database) -> None:
    """Write all words anew when the house's lists are not those that they were made of."""
    made_of = _made_of(database.context.house)
    async with database.reading() as tx:
        if await REGISTER.words_made_of(tx) == made_of:
            return
    after: UUID | None = None
    while True:
        async with database.transaction() as tx:
            await REGISTER.begin_amending(tx)
            ids = [row["id"] async for row in QUERIES.organisations_after(tx, after=after, most=_AT_A_TIME)]
            if not ids:
                await REGISTER.note_words_written(tx, made_of=made_of)
                return
            await write_words(tx, ids)
            after = ids[-1]


def _made_of(house: House) -> str:
    named = {name: {code: entry.name for code, entry in house.lists[name].items()} for name in _LISTS}
    return json.dumps([_WAY, named])
