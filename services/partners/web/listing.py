"""The list of organisations: what it may be asked for, as a page and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.house import House
from chassis.web import BadRequest, Site, give, new_key, signed_in, site_of
from services.partners import tagging
from services.partners.domain import Organisation, folded
from services.partners.queries import REGISTER
from services.partners.web.documents import OrganisationsDocument
from services.partners.web.register import document
from services.partners.web.wording import API_LIST, EXPORTS, LIST, today, word, words

#: Organisations on one page of the list.
PAGE = 50
#: Tags and saved views that the page of the list offers.
MOST_TAGS, MOST_VIEWS = 200, 50
#: Areas of one organisation that the list names.
FEW_AREAS = 4

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
        cleaned = {name: _cleaned(asked.get(name, "")) for name in ASKS if name != "after"}
        for name, choices in _CHOICES.items():
            cleaned[name] = cleaned[name] if cleaned[name] in choices else ""
        self.asked = {name: text for name, text in cleaned.items() if text}
        self.after = _after(asked.get("after", ""))

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
        asked = folded(self["q"]).split()
        return {
            "patterns": [f"%{_escaped(word)}%" for word in asked],
            # The index finds what has them all; the patterns then decide.
            "grams": sorted({word[at : at + 3] for word in asked for at in range(len(word) - 2)}),
            "today": today(tx),
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
        asked = REGISTER.organisations_page(tx, **self.filters(tx), after=after, most=most)
        rows = await rows_of(asked)
        return rows[0]["total"], [row for row in rows if row["id"]]

    async def ids(self, tx: Transaction, most: int) -> list[UUID]:
        """All that are found, up to a number."""
        listed = REGISTER.organisations_listed(tx, **self.filters(tx), after=None, most=most)
        return [row["id"] async for row in listed]

    def next_href(self, path: str, after: UUID | None) -> str | None:
        """The address of the next page, if there is one."""
        return f"{path}?{urlencode({**self.asked, 'after': str(after)})}" if after else None


def _cleaned(text: str) -> str:
    """What somebody typed into an address, without what no name contains and at a length that one has."""
    return "".join(character for character in text[:200] if character.isprintable()).strip()


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _after(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadRequest("There is no such page of this list.", "Begin the list again.") from None


async def organisations(request: Request) -> Response:
    """The register, by name, as far as the search finds."""
    site: Site = site_of(request)
    house: House = site.context.house
    search, person = Search(request.query_params), signed_in(request).id
    async with site.database.glance() as tx:
        (total, rows, after), tags, views, done = await tx.together(
            search.page(tx),
            rows_of(REGISTER.tags_all(tx, most=MOST_TAGS)),
            rows_of(REGISTER.views_of(tx, person_id=person, most=MOST_VIEWS)),
            tagging.done(tx, person, request.query_params.get("tagging", "")),
        )
    on = today(tx)
    return site.page(
        request,
        "organisations.html",
        total=total,
        rows=[_listed(row, house, on) for row in rows],
        query=search["q"],
        searched=bool(search.asked),
        search=search.query,
        choosers=_choosers(house, search, tags),
        tags=tags,
        views=[{**view, "href": f"{LIST}?{view['query']}"} for view in views],
        next_href=search.next_href(LIST, after),
        export_href=f"{EXPORTS}?{search.query}" if search.query else EXPORTS,
        most=tagging.MOST,
        key=new_key(request),
        tagged=done,
        flash=_told(request, done),
    )


def _choosers(house: House, search: Search, tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The filters, each with what may be chosen and what is."""
    lists = {name: tuple((it.code, it.name) for it in house.lists[name].values()) for name in house.lists}
    named = tuple((tag["key"], tag["name"]) for tag in tags)
    return [
        {
            "field": field,
            "label": label,
            "none": none,
            "options": options,
            "chosen": _known(search[field], options),
        }
        for field, label, none, options in (
            ("kind", "Kind", "All kinds", lists["kinds"]),
            ("area", "Area", "All areas", lists["areas"]),
            ("closeness", "How closely", "Any", lists["closeness"]),
            ("tag", "Tag", "Any or none", named),
            ("state", "Open or closed", "Both", (("open", "Open"), ("closed", "Closed"))),
            ("contact", "Contacts", "Any", (("none", "Nobody to write to"),)),
        )
    ]


def _known(code: str, options: tuple[tuple[str, str], ...]) -> str:
    return code if any(code == known for known, _ in options) else ""


def _told(request: Request, done: tagging.Done | None) -> str | None:
    if done is not None:
        return done.words
    return {"view": "The view is saved."}.get(request.query_params.get("done", ""))


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the list."""

    id: UUID
    name: str
    kinds: str
    areas: str
    closeness: str
    contacts: int
    tags: Sequence[str]
    closed: bool

    @property
    def href(self) -> str:
        return f"{LIST}/{self.id}"


def _listed(row: Mapping[str, Any], house: House, today: date) -> _Row:
    return _Row(
        id=row["id"],
        name=row["name"],
        kinds=", ".join(words(house.lists["kinds"], row["kinds"])),
        areas=", ".join(_areas(house, row["areas"])),
        closeness=word(house.lists["closeness"], row["closeness"]),
        contacts=row["contacts"],
        tags=row["tags"],
        closed=row["closed_on"] is not None and row["closed_on"] <= today,
    )


def _areas(house: House, codes: Sequence[str]) -> list[str]:
    """Areas as a line of the list has room for."""
    areas = house.lists["areas"]
    if len(codes) <= FEW_AREAS:
        return list(words(areas, codes))
    if set(codes) >= set(areas):
        return ["All areas"]
    return [*words(areas, codes[:FEW_AREAS]), f"{len(codes) - FEW_AREAS} more"]


async def api_organisations(request: Request) -> Response:
    """A page of the register as JSON, with the address of the next one."""
    site: Site = site_of(request)
    search = Search(request.query_params)
    async with site.database.reading() as tx:
        total, rows, after = await search.page(tx)
    listed = [
        {**document(Organisation.of(row)), "contacts": row["contacts"], "tags": row["tags"]} for row in rows
    ]
    next = search.next_href(API_LIST, after)
    return give(OrganisationsDocument, {"organisations": listed, "total": total, "next": next})
