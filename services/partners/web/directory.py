"""The directory for staff: services that partners offer, found, checked, retired, handed out."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House, words
from chassis.web import (
    Site,
    new_key,
    once,
    read_id,
    see,
    site_of,
)
from services.partners import directory
from services.partners.directory import SERVICES, Channel, OfferedService, Status
from services.partners.holding import Closed
from services.partners.queries import DIRECTORY, QUERIES
from services.partners.services_file import FREE
from services.partners.web.closed import closed_body
from services.partners.web.hrefs import LIST
from services.partners.web.searching import cleaned, patterns_of

#: Services on a page of the list, of a body that its page shows, and on one slip.
PAGE, OF_BODY, ON_SLIP = 50, 5, 20

#: Areas that a line of the list names.
_NAMED = 3

STATUS = {
    Status.ACTIVE: ("open", "Open to people now"),
    Status.INACTIVE: ("stopped", "Not for the moment"),
    Status.DEFUNCT: ("closed", "Retired"),
}
CHANNELS = {
    Channel.TELEPHONE: "Telephone",
    Channel.EMAIL: "E-mail address",
    Channel.WEBSITE: "Website",
    Channel.ADDRESS: "Address",
}
_COSTS = {FREE: "Free", "charged": "Costs something"}
_SHOWN = {"retired": "Retired ones"}

_DONE = {
    "added": "It is in the directory.",
    "saved": "It is changed.",
    "checked": "Noted: all of it was checked today.",
    "retired": "It is out of the directory. You can bring it back below.",
    "back": "It is back, as it was.",
}


# Finding


class _Search:
    """What the list is asked for."""

    NAMES = ("q", "need", "area", "language", "cost", "show")

    def __init__(self, request: Request) -> None:
        asked = {name: cleaned(request.query_params.get(name, "")) for name in self.NAMES}
        self.asked = {name: text for name, text in asked.items() if text}
        try:
            self.after: UUID | None = UUID(request.query_params.get("after", ""))
        except ValueError:
            self.after = None

    def __getitem__(self, name: str) -> str:
        return self.asked.get(name, "")

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters of the two statements that list and count."""
        codes = {name: self[name] for name in ("need", "area", "language", "cost")}
        return {"patterns": patterns_of(self["q"]), **codes, "retired": self["show"] == "retired"}

    async def page(self, tx: Transaction) -> tuple[int, list[Any], str | None]:
        """How many are found in all, those of this page, and the address of the next one."""
        total = await DIRECTORY.services_found(tx, **self.filters)
        listed = DIRECTORY.services_listed(
            tx, **self.filters, today=tx.today, after=self.after, most=PAGE + 1
        )
        rows = [row async for row in listed]
        last = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
        next_href = f"{SERVICES}?{urlencode({**self.asked, 'after': str(last)})}" if last else None
        return total, rows[:PAGE], next_href


async def show_all(request: Request) -> Response:
    """A page of the directory."""
    site: Site = site_of(request)
    house: House = site.context.house
    search = _Search(request)
    async with site.database.reading() as tx:
        total, rows, next_href = await search.page(tx)
    return site.page(
        request,
        "services.html",
        total=total,
        rows=[_listed(row, house) for row in rows],
        next_href=next_href,
        filters=(
            ("need", "Need", "All needs", entries_of(house, "needs")),
            ("area", "Area", "All areas", entries_of(house, "areas")),
            ("language", "Language", "Any language", entries_of(house, "languages")),
            ("cost", "Cost", "Any", _COSTS.items()),
            ("show", "Show", "Those in the directory", _SHOWN.items()),
        ),
        asked=search.asked,
        href=SERVICES,
        most=ON_SLIP,
    )


def entries_of(house: House, name: str) -> list[tuple[str, str]]:
    """What may be chosen of a list of the house."""
    return [(entry.code, entry.name) for entry in house.lists[name].values()]


def _listed(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    service = OfferedService.of(row)
    badge, status = STATUS[service.status]
    return {
        "id": service.id,
        "href": f"{SERVICES}/{service.id}",
        "name": service.name,
        "organisation": row.get("organisation"),
        "needs": words(house.lists["needs"], service.needs),
        "areas": _areas(service, house),
        "languages": words(house.lists["languages"], service.languages),
        "cost": "Free" if service.free else service.cost,
        "badge": badge,
        "status": status,
        "checked_on": service.checked_on,
        "stale": row["stale"],
    }


def _areas(service: OfferedService, house: House) -> str:
    """``Brent, Ealing``; ``Brent, Ealing, Camden and 4 more``; ``Everywhere``."""
    if not service.areas or set(service.areas) >= set(house.lists["areas"]):
        return "Everywhere"
    named = words(house.lists["areas"], service.areas[:_NAMED])
    more = len(service.areas) - len(named)
    return f"{', '.join(named)} and {more} more" if more else ", ".join(named)


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """What the page of a body shows of the services that it offers."""
    found = DIRECTORY.services_of(tx, organisation_id=organisation_id, today=tx.today, most=OF_BODY)
    rows = [row async for row in found]
    return {
        "services": [_listed(row, house) for row in rows],
        "services_total": rows[0]["total"] if rows else 0,
        "services_href": SERVICES,
        "new_service_href": f"{SERVICES}/new?{urlencode({'organisation': organisation_id})}",
    }


# One service


async def show(request: Request) -> Response:
    """One service."""
    return await _page(request)


async def _page(request: Request, status: int = 200) -> Response:
    site: Site = site_of(request)
    house: House = site.context.house
    async with site.database.reading() as tx:
        row = await DIRECTORY.service_by_id(tx, id=read_id(request), today=tx.today)
        if row is None:
            raise NotFound
        service = OfferedService.of(row)
        closed = await closed_of(tx, service.organisation_id) if service.retired_at else None
    return site.page(
        request,
        "service.html",
        status=status,
        closed=closed,
        service=service,
        listed=_listed(row, house),
        areas=words(house.lists["areas"], service.areas),
        ways=_ways(service),
        checker=row["checker"],
        organisation_href=f"{LIST}/{service.organisation_id}",
        href=f"{SERVICES}/{service.id}",
        list_href=SERVICES,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def closed_of(tx: Transaction, organisation_id: UUID) -> dict[str, Any] | None:
    """What is said of a body that has closed; nothing when it is open."""
    row = await QUERIES.organisation_by_id(tx, id=organisation_id)
    if row is None:
        raise NotFound
    return closed_body(row, tx.today)


def _ways(service: OfferedService) -> list[dict[str, Any]]:
    """The ways to get it that are known, each with whether everybody may read it."""
    address = [*service.postal_address, *([service.postcode] if service.postcode else [])]
    known = {
        Channel.TELEPHONE: (service.telephone, None),
        Channel.EMAIL: (service.email, f"mailto:{service.email}"),
        Channel.WEBSITE: (service.website, service.website),
        Channel.ADDRESS: (", ".join(address), None),
    }
    return [
        {"name": CHANNELS[channel], "words": words, "href": href, "public": service.is_public(channel)}
        for channel, (words, href) in known.items()
        if words
    ]


async def slip(request: Request) -> Response:
    """Some services on paper, for somebody to take away: what everybody may read of them."""
    site: Site = site_of(request)
    house: House = site.context.house
    ids = []
    for text in request.query_params.getlist("id")[:ON_SLIP]:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    async with site.database.reading() as tx:
        rows = [row async for row in DIRECTORY.services_by_id(tx, ids=ids)]
        day = tx.today
    chosen = [(row["organisation"], OfferedService.of(row)) for row in rows]
    return site.page(
        request,
        "services_slip.html",
        chosen=[
            {
                "organisation": organisation,
                "service": service,
                "ways": [way for way in _ways(service) if way["public"]],
                "languages": words(house.lists["languages"], service.languages),
            }
            for organisation, service in chosen
            if service.status is Status.ACTIVE
        ],
        day=day,
        list_href=SERVICES,
    )


# What is done with one


async def check(request: Request) -> Response:
    """Note that all of it is still right."""
    return await _act(request, directory.check, "checked")


async def retire(request: Request) -> Response:
    """Take it out of the directory."""
    return await _act(request, directory.retire, "retired")


async def bring_back(request: Request) -> Response:
    """Undo that it was retired."""
    try:
        return await _act(request, directory.bring_back, "back")
    except Closed as refused:
        return await _page(request, refused.status)


async def _act(request: Request, change: Any, done: str) -> Response:
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return to_service(id, done)

    return await once(request, act)


def to_service(id: UUID, done: str) -> Response:
    """Show one, and say what was done."""
    return see(f"{SERVICES}/{id}?done={done}")
