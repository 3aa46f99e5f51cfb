"""Entries of the register as other pages name them, and how one is found by what somebody types."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House
from services.partners.domain import Organisation, folded
from services.partners.queries import MERGING, QUERIES
from services.partners.web.wording import words

#: Entries that a search shows.
MOST = 20


async def open_entry(tx: Transaction, id: UUID) -> Organisation:
    """The entry; one that was merged is not there any more.

    Raises:
        NotFound: when there is none.
    """
    row = await QUERIES.organisation_by_id(tx, id=id)
    if row is None or row["merged_into"] is not None:
        raise NotFound
    return Organisation.of(row)


async def entries_found(tx: Transaction, query: str, but: UUID) -> Sequence[Mapping[str, Any]]:
    """The first entries with all words of a search in name or identifier, a merged one's as well."""
    escaped = (word.translate(_WILD) for word in folded(query).split())
    patterns = [f"%{word}%" for word in escaped]
    return [row async for row in MERGING.entries_found(tx, patterns=patterns, but=but, most=MOST)]


#: What LIKE would take for more than itself.
_WILD = str.maketrans({sign: f"\\{sign}" for sign in "\\%_"})


def entry_in_words(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    """An entry as a search shows it."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "identifier": row["identifier"],
        "areas": words(house.lists["areas"], row["areas"]),
        "postcode": row["postcode"],
        "closed_on": row["closed_on"],
    }


def typed(text: object) -> str:
    """What somebody typed into a search, without what no name contains and at a length that one has."""
    return "".join(character for character in str(text or "")[:200] if character.isprintable()).strip()
