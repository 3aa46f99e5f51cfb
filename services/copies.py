"""Which copies there are of what, and whether each is what its owner has.

What is on its way is no difference: only what stays from one look to the next counts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from chassis.copies import COPIED, Difference, Fault, Kept, ReadPage, differences
from chassis.database import Database
from contracts.topology import GRANTS, PARTNERS

#: Differences of one copy that are looked at; what causes more of them is one thing.
MOST = 1_000

#: How often both are read while they differ, and the seconds between: an event takes less than that.
_LOOKS, _PAUSE = 4, 1.0


@dataclass(frozen=True)
class Copy:
    """A copy that a service keeps of what another one owns.

    Where its versions are forgotten before it is rebuilt, its name stands in ``handlers.FORGETTING``.
    """

    owner: str
    #: The owner's name for it, in its ``snapshots.SNAPSHOTS`` and its ``copies.OWNED``.
    snapshot: str


#: By the service that keeps it, and its own name for it.
COPIES = {
    "grants.organisations": Copy(PARTNERS, "organisations"),
    "grants.people": Copy(PARTNERS, "people"),
    "grants.colleagues": Copy(PARTNERS, "colleagues"),
    "grants.tokens": Copy(PARTNERS, "tokens"),
    "notifications.people": Copy(PARTNERS, "people"),
    "notifications.colleagues": Copy(PARTNERS, "colleagues"),
    "notifications.tokens": Copy(PARTNERS, "tokens"),
    "notifications.organisations": Copy(PARTNERS, "organisations"),
    "notifications.contacts": Copy(PARTNERS, "contacts"),
    "notifications.registration_counts": Copy(GRANTS, "registration_counts"),
}


def owned(name: str) -> ReadPage:
    """How the owner's side of a copy is read."""
    copy = COPIES[name]
    found: ReadPage = import_module(f"services.{copy.owner}.copies").OWNED[copy.snapshot]
    return found


def kept(name: str) -> Kept:
    """How the copy itself is read."""
    keeper, table = name.split(".")
    if table in COPIED:
        return COPIED[table]
    found: Kept = import_module(f"services.{keeper}.copies").COPIED[table]
    return found


async def lasting(name: str, owner: Database, keeper: Database) -> Sequence[Difference]:
    """In what a copy differs from its owner, look after look; the first thousand."""
    found = await _look(name, owner, keeper, frozenset(Fault))
    for _ in range(_LOOKS - 1):
        if not found:
            break
        await asyncio.sleep(_PAUSE)
        found = _also_in(found, await _look(name, owner, keeper, frozenset(Fault)))
    return found


async def strangers(name: str, owner: Database, keeper: Database) -> Sequence[Difference]:
    """Rows of a copy that no state of the owner would mend, because it has no such thing; the first thousand.

    One that is strange in two looks is so for certain: its owner would have had it before the copy.
    """
    only = frozenset({Fault.STRANGE})
    found = await _look(name, owner, keeper, only)
    return _also_in(found, await _look(name, owner, keeper, only)) if found else []


async def _look(name: str, owner: Database, keeper: Database, faults: frozenset[Fault]) -> list[Difference]:
    found: list[Difference] = []
    async for each in differences(owner, owned(name), keeper, kept(name).read):
        if each.fault in faults:
            found.append(each)
        if len(found) == MOST:
            break
    return found


def _also_in(before: Sequence[Difference], now: Sequence[Difference]) -> list[Difference]:
    seen = {(each.id, each.fault) for each in before}
    return [each for each in now if (each.id, each.fault) in seen]


def in_words(name: str, found: Sequence[Difference], named: int = 10) -> str:
    """What differs, by ids and versions, and what to do about it."""
    count = f"{len(found):,}{' or more' if len(found) == MOST else ''}"
    rows = "row is not as" if len(found) == 1 else "rows are not as"
    more = f"; {len(found) - named:,} more" if len(found) > named else ""
    said = "; ".join(map(str, found[:named]))
    return (
        f"{count} {rows} {COPIES[name].owner} has: {said}{more}. Run: conduit events replay --rebuild {name}"
    )
