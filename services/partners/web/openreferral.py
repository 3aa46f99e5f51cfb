"""The directory for everybody's programs, as Open Referral UK 3.0 (HSDS): read only, without signing in.

Only active services of bodies that are open, and of the ways to get them those that staff have ticked. Of a
body no more than its name, its kinds, its areas and its number in a public register; nothing of a person.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any
from uuid import UUID, uuid5

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.house import House, words
from chassis.web import BadRequest, publish, read_id, site_of
from services.partners.directory import Channel, OfferedService
from services.partners.queries import DIRECTORY
from services.partners.web.searching import patterns_of

VERSION = "HSDS-UK-3.0"
PROFILE = "https://docs.openreferraluk.org/en/latest/"
OPENAPI = "https://docs.openreferraluk.org/en/latest/openapi30.json"

#: Where the areas of the Office for National Statistics are told apart by their codes.
_AREA = "http://statistics.data.gov.uk/id/statistical-geography/"

#: The ids of what has none of its own here are made of this and of what it belongs to: they stay the same.
_NAMESPACE = UUID("6f6ed7a1-4a0b-5c0e-9a36-1f0f6a5f6f0d")
TAXONOMY_ID = uuid5(_NAMESPACE, "needs")
TAXONOMY = "Needs"

#: Services, or bodies, on a page: at least, unless told otherwise, at most.
PER_PAGE, MOST_PER_PAGE = 50, 100
#: Services of a body that are named with it.
_OF_BODY = 100


async def about(request: Request) -> Response:
    """What this is, and who publishes it."""
    _Asked(request, set())
    house = site_of(request).context.house.shown
    publisher = {"name": house.name, "email": house.email, "website": house.website or None}
    described = f"Services that people are told of by {house.name}."
    links = {"profile": PROFILE, "openapi_url": OPENAPI}
    return publish(request, {"version": VERSION, **links, "description": described, "publisher": publisher})


async def services(request: Request) -> Response:
    """A page of the services."""
    asked = _Asked(
        request,
        {"search", "taxonomy_term_id", "taxonomy_id", "organization_id", "modified_after", "full", *_PAGING},
    )
    site = site_of(request)
    house = site.context.house
    full = asked.yes_or_no("full")
    sought = {
        "patterns": patterns_of(asked.text("search")),
        "need": asked.need(house),
        "organisation_id": asked.id("organization_id"),
        "modified_after": asked.moment("modified_after"),
    }
    async with site.database.reading() as tx:
        total = await DIRECTORY.published_services_found(tx, today=tx.today, **sought)
        found = DIRECTORY.published_services(tx, today=tx.today, **sought, **asked.window)
        rows = [row async for row in found]
    return publish(request, asked.page(total, [service_document(row, house, full=full) for row in rows]))


async def service(request: Request) -> Response:
    """One service with all that belongs to it."""
    _Asked(request, set())
    site = site_of(request)
    async with site.database.reading() as tx:
        row = await DIRECTORY.published_service(tx, id=read_id(request), today=tx.today)
    if row is None:
        raise NotFound("There is no such service.", "Look for it in the list of services.")
    return publish(request, service_document(row, site.context.house, full=True))


async def organizations(request: Request) -> Response:
    """A page of the bodies that offer them."""
    asked = _Asked(request, {"search", "taxonomy_term_id", "taxonomy_id", *_PAGING})
    site = site_of(request)
    house = site.context.house
    sought = {"patterns": patterns_of(asked.text("search")), "need": asked.need(house)}
    async with site.database.reading() as tx:
        total = await DIRECTORY.published_organisations_found(tx, today=tx.today, **sought)
        found = DIRECTORY.published_organisations(tx, today=tx.today, **sought, **asked.window)
        rows = [row async for row in found]
    return publish(request, asked.page(total, [organization_document(row, house) for row in rows]))


async def organization(request: Request) -> Response:
    """One body with the services that it offers."""
    _Asked(request, set())
    site = site_of(request)
    house = site.context.house
    everything: dict[str, Any] = {"patterns": [], "need": "", "modified_after": None}
    async with site.database.reading() as tx:
        found = DIRECTORY.published_services(
            tx, **everything, organisation_id=read_id(request), today=tx.today, most=_OF_BODY, skipped=0
        )
        rows = [row async for row in found]
    if not rows:
        raise NotFound("There is no such organisation.", "Look for it in the list of organisations.")
    offered = [service_document(row, house, full=False) for row in rows]
    named = [{name: each[name] for name in ("id", "name", "description", "status")} for each in offered]
    return publish(request, {**organization_document(rows[0], house), "services": named})


# What is asked

_PAGING = ("page", "per_page")


class _Asked:
    """The parameters of a request, each of which is known and makes sense.

    Raises:
        BadRequest: names the parameter and what it takes.
    """

    def __init__(self, request: Request, known: set[str]) -> None:
        self._given = request.query_params
        for name in self._given:
            if name not in known:
                takes = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
                raise BadRequest("This address does not take such a parameter.", takes, field=name[:60])
        self._page = self._number("page", 1, 1_000_000)
        self._size = self._number("per_page", PER_PAGE, MOST_PER_PAGE)

    @property
    def window(self) -> dict[str, int]:
        """Which rows stand on the page."""
        return {"most": self._size, "skipped": (self._page - 1) * self._size}

    def page(self, total: int, contents: list[dict[str, Any]]) -> dict[str, Any]:
        """The page, as HSDS wants it. Beyond the last one it is empty."""
        pages = ceil(total / self._size)
        return {
            "total_items": total,
            "total_pages": pages,
            "page_number": self._page,
            "size": len(contents),
            "first_page": self._page == 1,
            "last_page": self._page >= pages,
            "empty": not contents,
            "contents": contents,
        }

    def text(self, name: str) -> str:
        return self._given.get(name, "")

    def yes_or_no(self, name: str) -> bool:
        text = self.text(name) or "false"
        if text not in ("true", "false"):
            raise _wrong(name, "true or false")
        return text == "true"

    def id(self, name: str) -> UUID | None:
        try:
            return UUID(self.text(name)) if self.text(name) else None
        except ValueError:
            raise _wrong(name, "the id of an organisation") from None

    def moment(self, name: str) -> datetime | None:
        """A moment, or the beginning of a day; in UTC when it does not say otherwise."""
        text = self.text(name)
        try:
            moment = datetime.fromisoformat(text) if text else None
            if moment is None or moment.tzinfo is not None:
                return moment.astimezone(UTC) if moment else None
            return moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise _wrong(name, "a date or a moment such as 2012-01-31T09:30:00Z") from None

    def need(self, house: House) -> str:
        """The need that a term stands for; one that nobody has for a term that is none of ours."""
        taxonomy, term = self.text("taxonomy_id"), self.text("taxonomy_term_id")
        if taxonomy and taxonomy != str(TAXONOMY_ID):
            return _NO_NEED
        if not term:
            return ""
        return next((code for code in house.lists["needs"] if str(term_id(code)) == term), _NO_NEED)

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.text(name) or str(default)
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
            raise _wrong(name, f"a whole number from 1 to {most:,}")
        return int(text)


#: No code of a list has a space.
_NO_NEED = " "


def _wrong(name: str, takes: str) -> BadRequest:
    return BadRequest("A parameter cannot be used.", f"It takes {takes}.", field=name)


# What is given


def term_id(need: str) -> UUID:
    """The id of the taxonomy term for a need."""
    return uuid5(TAXONOMY_ID, need)


def service_document(row: Mapping[str, Any], house: House, *, full: bool) -> dict[str, Any]:
    """A service as HSDS has it. What is not known is left out.

    Args:
        full: with what it has several of as well.
    """
    service = OfferedService.of(row)
    document = {
        "id": service.id,
        "organization_id": service.organisation_id,
        "name": service.name,
        "description": service.description,
        "url": service.website if service.is_public(Channel.WEBSITE) else None,
        "email": service.email if service.is_public(Channel.EMAIL) else None,
        "status": service.status,
        "fees_description": "Free" if service.free else service.cost,
        "assured_date": service.checked_on.isoformat(),
        "last_modified": row["changed_at"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "organization": organization_document(row, house),
    }
    if full:
        document |= _several(service, house)
    return {name: value for name, value in document.items() if value is not None}


def _several(service: OfferedService, house: House) -> dict[str, Any]:
    def part(*names: str) -> UUID:
        return uuid5(service.id, " ".join(names))

    phones, hours = [], []
    if service.telephone and service.is_public(Channel.TELEPHONE):
        phones = [{"id": part("phone"), "number": service.telephone, "type": "voice"}]
    if service.opening_hours:
        hours = [{"id": part("schedule"), "description": service.opening_hours}]
    languages = [
        {"id": part("language", code), "code": code, "name": name}
        for code, name in zip(
            service.languages, words(house.lists["languages"], service.languages), strict=True
        )
    ]
    fee = {"amount": 0, "currency": "GBP"} if service.free else {"amount_description": service.cost}
    return {
        "phones": phones,
        "schedules": hours,
        "languages": languages,
        "cost_options": [{"id": part("cost"), "option": "Free" if service.free else "Charged", **fee}],
        "service_areas": [
            {"id": part("area", code), "name": name, **_gss(code)}
            for code, name in zip(service.areas, words(house.lists["areas"], service.areas), strict=True)
        ],
        "service_at_locations": _locations(service, part),
        "attributes": [
            {
                "id": part("attribute", code),
                "link_id": service.id,
                "link_type": "need",
                "link_entity": "service",
                "taxonomy_term_id": term_id(code),
                "taxonomy_term": _term(code, name),
            }
            for code, name in zip(service.needs, words(house.lists["needs"], service.needs), strict=True)
        ],
    }


def _gss(code: str) -> dict[str, str]:
    """The URI of an area of the Office for National Statistics; a house may have areas of its own as well."""
    ours = len(code) == 9 and code[:1] in "EWSNK" and code[1:].isdecimal()
    return {"uri": f"{_AREA}{code}"} if ours else {}


def _term(code: str, name: str) -> dict[str, Any]:
    detail = {"id": TAXONOMY_ID, "name": TAXONOMY, "description": "What people need help with."}
    described = {"name": name, "description": f"Help with: {name}"}
    return {"id": term_id(code), "code": code, **described, "taxonomy": TAXONOMY, "taxonomy_detail": detail}


def _locations(service: OfferedService, part: Any) -> list[dict[str, Any]]:
    """Where it is given. HSDS wants a city and a province of every address; the last line is the city."""
    if not (service.postal_address and service.is_public(Channel.ADDRESS)):
        return []
    first, *between = service.postal_address
    city = between.pop() if between else first
    address = {
        "id": part("address"),
        "address_1": first,
        **({"address_2": ", ".join(between)} if between else {}),
        "city": city,
        "state_province": "",
        "postal_code": service.postcode or "",
        "country": "GB",
        "address_type": "physical",
    }
    location = {"id": part("location"), "location_type": "physical", "addresses": [address]}
    return [{"id": part("service at location"), "service_id": service.id, "location": location}]


def organization_document(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    """A body as HSDS has it: what it is and where it works is its description."""
    document = {
        "id": row["organisation_id"],
        "name": row["organisation"],
        "description": _described(row["kinds"], row["organisation_areas"], house),
    }
    scheme, _, number = row["identifier"].rpartition("-")
    if scheme.count("-") == 1:  # an org-id; what we call a body that is in no register is nobody's business
        of_register = {
            "identifier_scheme": scheme,
            "identifier_type": scheme,
            "identifier": number,
        }
        document["organization_identifiers"] = [{"id": uuid5(row["organisation_id"], number), **of_register}]
    return document


def _described(kinds: Iterable[str], areas: Iterable[str], house: House) -> str:
    """``Specialist advice, forum or network; works in Brent, Ealing``."""
    what = ", ".join(words(house.lists["kinds"], kinds)) or "Organisation"
    where = list(areas)
    return f"{what}; works in {', '.join(words(house.lists['areas'], where))}" if where else what
