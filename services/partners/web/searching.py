"""What lists are searched by, and the one search of organisations: for the list, programs and other pages."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from chassis.database import Transaction, rows_of
from chassis.web import read_asked_id
from services.partners.domain import folded
from services.partners.queries import REGISTER

#: Organisations on one page of the list.
PAGE = 50

#: What the list may be asked for, page and API alike.
ASKS = {
    "q": "Words of the name, the identifier, the postcode, a kind, an area, or a contact's name or role.",
    "kind": "A code of the list of kinds.",
    "area": "A code of the list of areas.",
    "closeness": "A code of the list of how closely we work.",
    "tag": "A tag, in small letters without accents.",
    "state": "“open” or “closed”; both when not given.",
    "contact": "“none”: only those where nobody may be written to.",
    "after": "Where the next page begins; follow “next” instead of making one.",
}
_FILTERS = ("kind", "area", "closeness", "tag", "state", "contact")
_CHOICES = {"state": ("open", "closed"), "contact": ("none",)}


class Search:
    """What the list is asked for, and from where on."""

    def __init__(self, asked: Mapping[str, str]) -> None:
        asks = {name: cleaned(asked.get(name, "")) for name in ASKS if name != "after"}
        for name, choices in _CHOICES.items():
            asks[name] = asks[name] if asks[name] in choices else ""
        self.asked = {name: text for name, text in asks.items() if text}
        self.after = read_asked_id(asked.get("after", ""))

    @classmethod
    def of_query(cls, query: str) -> "Search":
        """What the end of an address asks for, from the beginning of the list."""
        return cls({name: text for name, text in QueryParams(query).items() if name != "after"})

    def __getitem__(self, name: str) -> str:
        return self.asked.get(name, "")

    @property
    def query(self) -> str:
        """The end of the address of this list."""
        return urlencode(self.asked)

    def filters(self, tx: Transaction) -> dict[str, Any]:
        """The parameters of the statements that list and count."""
        words = folded(self["q"]).split()
        return {
            "patterns": patterns_of(self["q"]),
            # The index finds what has them all; the patterns then decide.
            "grams": sorted({word[at : at + 3] for word in words for at in range(len(word) - 2)}),
            "today": tx.today,
            **{name: self[name] for name in _FILTERS},
        }

    async def page(self, tx: Transaction) -> tuple[int, list[Any], UUID | None]:
        """How many are found in all, those of this page, and after which one the next page begins."""
        total, rows = await self._found(tx, self.after, PAGE + 1)
        more = len(rows) > PAGE
        return total, rows[:PAGE], rows[PAGE - 1]["id"] if more else None

    async def count(self, tx: Transaction) -> int:
        """How many are found."""
        total, _ = await self._found(tx, None, 0)
        return total

    async def _found(self, tx: Transaction, after: UUID | None, most: int) -> tuple[int, list[Any]]:
        asked = {**self.filters(tx), "after": after, "most": most}
        if not self.asked:  # an index has all of them in their order: a page of it reads no others
            total, rows = await tx.together(
                REGISTER.count_organisations(tx), rows_of(REGISTER.organisations_listed(tx, **asked))
            )
            return total, rows
        rows = await rows_of(REGISTER.organisations_page(tx, **asked))
        return rows[0]["total"], [row for row in rows if row["id"]]

    async def first(self, tx: Transaction, most: int) -> list[Any]:
        """All that are found, up to a number."""
        listed = REGISTER.organisations_listed(tx, **self.filters(tx), after=None, most=most)
        return [row async for row in listed]

    def next_href(self, path: str, after: UUID | None) -> str | None:
        """The address of the next page, if there is one."""
        return f"{path}?{urlencode({**self.asked, 'after': str(after)})}" if after else None


def cleaned(text: str) -> str:
    """What somebody typed into an address, without what no name contains and at a length that one has."""
    return "".join(character for character in text[:200] if character.isprintable()).strip()


def patterns_of(text: str) -> list[str]:
    """A pattern for each word, all of which are to be found, whatever their case and accents."""
    words = folded(cleaned(text)).split()
    return [f"%{word.translate(_ESCAPED)}%" for word in words]


#: What LIKE would take for more than itself.
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\%_"})
