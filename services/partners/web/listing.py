"""The list of organisations, as a page and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import rows_of
from chassis.house import House, word, words
from chassis.web import Site, give, new_key, signed_in, site_of
from services.partners import tagging
from services.partners.domain import Organisation
from services.partners.queries import REGISTER
from services.partners.web.documents import OrganisationsDocument
from services.partners.web.hrefs import API_LIST, EXPORTS, LIST
from services.partners.web.register import document
from services.partners.web.searching import Search

#: Tags and saved views that the page of the list offers.
MOST_TAGS, MOST_VIEWS = 200, 50
#: Areas of one organisation that the list names.
FEW_AREAS = 4


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
    return site.page(
        request,
        "organisations.html",
        total=total,
        rows=[_listed(row, house, tx.today) for row in rows],
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
