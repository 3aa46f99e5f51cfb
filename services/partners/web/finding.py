"""Entries of the register as other pages name them, and how one is found by what somebody types."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House, words
from services.partners.domain import Organisation
from services.partners.queries import QUERIES
from services.partners.web.searching import Search

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
    """The first entries that the list's search finds, but one itself."""
    found = await Search({"q": query}).first(tx, MOST + 1)
    return [row for row in found if row["id"] != but][:MOST]


def entry_in_words(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    """An entry as a search shows it."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "identifier": row["identifier"],
        "areas": words(house.lists["areas"], row["areas"]),
        "postcode": row["postcode"],
        "closed_on": row["closed_on"],
        "why": "",
    }
