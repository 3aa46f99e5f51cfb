"""Whether a copy is what its owner has: both are read side by side, page by page, and what differs is named.

Values are digested as they are read, with a key that lives as long as the look, so that nothing that stands
in either leaves this module or stays in memory: a difference has an id, versions and the names of columns.
"""

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chassis.database import Database, read_queries

QUERIES = read_queries(__file__, "copies.sql")

#: Rows of each side that are in memory at once.
_PAGE = 500

#: The next rows after an id, in the order of ids: columns ``id``, ``version``, and those to be compared.
ReadPage = Callable[..., AsyncIterator[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How a copy is read, and how rows go that its owner has never had."""

    read: ReadPage
    #: Takes a transaction and ``ids``.
    drop: Callable[..., Awaitable[Any]]


class Fault(StrEnum):
    """In which way a row of a copy is not what the owner has."""

    MISSING = "missing"
    #: The owner has no such row.
    STRANGE = "not the owner's"
    BEHIND = "behind"
    AHEAD = "ahead"
    #: The same version says something else.
    DIFFERENT = "different"


@dataclass(frozen=True)
class Difference:
    """One row in which a copy and its owner differ."""

    id: Any
    fault: Fault
    owned_version: int | None = None
    copied_version: int | None = None
    #: Which columns say something else.
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.fault is Fault.DIFFERENT:
            return f"{self.id} different in {', '.join(self.columns)} at version {self.owned_version}"
        ours = "none" if self.copied_version is None else self.copied_version
        theirs = "none" if self.owned_version is None else self.owned_version
        return f"{self.id} {self.fault.value}: version {ours}, the owner's {theirs}"


@dataclass(frozen=True, slots=True)
class _Row:
    id: Any
    version: int
    #: Digests, by column.
    columns: Mapping[str, bytes]


async def differences(
    owner: Database, owned: ReadPage, keeper: Database, copied: ReadPage
) -> AsyncIterator[Difference]:
    """Every row in which a copy is not what its owner has, in the order of ids.

    What is on its way while both are read looks like a difference: one look alone proves nothing.
    """
    key = secrets.token_bytes(32)
    ours, theirs = _rows(keeper, copied, key), _rows(owner, owned, key)
    copy, original = await anext(ours, None), await anext(theirs, None)
    while copy is not None or original is not None:
        if copy is not None and (original is None or copy.id < original.id):
            yield Difference(copy.id, Fault.STRANGE, None, copy.version)
            copy = await anext(ours, None)
        elif original is not None and (copy is None or original.id < copy.id):
            yield Difference(original.id, Fault.MISSING, original.version, None)
            original = await anext(theirs, None)
        elif original is not None and copy is not None:
            if found := _difference(original, copy):
                yield found
            copy, original = await anext(ours, None), await anext(theirs, None)


async def _rows(database: Database, read: ReadPage, key: bytes) -> AsyncIterator[_Row]:
    """All rows, a page at a time."""
    after = None
    while True:
        async with database.reading() as tx:
            page = [_digested(row, key) async for row in read(tx, after=after, most=_PAGE)]
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _digested(row: Mapping[str, Any], key: bytes) -> _Row:
    values = {name: value for name, value in row.items() if name not in ("id", "version")}
    said = {name: json.dumps(value, default=str).encode() for name, value in values.items()}
    columns = {name: hmac.digest(key, text, "sha256") for name, text in said.items()}
    return _Row(row["id"], row["version"], columns)


def _difference(original: _Row, copy: _Row) -> Difference | None:
    if copy.version != original.version:
        fault = Fault.BEHIND if copy.version < original.version else Fault.AHEAD
        return Difference(copy.id, fault, original.version, copy.version)
    wrong = tuple(name for name, value in copy.columns.items() if original.columns.get(name) != value)
    return Difference(copy.id, Fault.DIFFERENT, original.version, copy.version, wrong) if wrong else None


async def drop_strangers(keeper: Database, kept: Kept, strangers: Sequence[Difference]) -> None:
    """Take rows out of a copy that its owner has never had."""
    async with keeper.transaction() as tx:
        await kept.drop(tx, ids=[each.id for each in strangers])


#: What every service keeps of whoever may act.
COPIED: Mapping[str, Kept] = {
    "people": Kept(read=QUERIES.people_copied, drop=QUERIES.drop_people),
    "tokens": Kept(read=QUERIES.tokens_copied, drop=QUERIES.drop_tokens),
}
