"""The directory for staff: services that partners offer, found, put right, checked, retired, handed out."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House
from chassis.sheets import Unreadable
from chassis.web import (
    Difference,
    Faults,
    Site,
    base_of,
    differences,
    fault,
    fault_of,
    merged,
    new_key,
    once,
    read_base,
    read_fields,
    read_form,
    read_id,
    read_revision,
    same_text,
    see,
    site_of,
)
from services.partners import directory
from services.partners.directory import SERVICES, Channel, Offer, OfferedService, Status
from services.partners.holding import Closed
from services.partners.queries import DIRECTORY, QUERIES
from services.partners.services_file import FREE, LISTS, columns, offer_of
from services.partners.web.closed import closed_body
from services.partners.web.searching import cleaned, patterns_of
from services.partners.web.wording import LIST, words

#: Services on a page of the list, of a body that its page shows, and on one slip.
PAGE, OF_BODY, ON_SLIP = 50, 5, 20

#: Areas that a line of the list names.
_NAMED = 3

_STATUS = {
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
            ("need", "Need", "All needs", _entries(house, "needs")),
            ("area", "Area", "All areas", _entries(house, "areas")),
            ("language", "Language", "Any language", _entries(house, "languages")),
            ("cost", "Cost", "Any", _COSTS.items()),
            ("show", "Show", "Those in the directory", _SHOWN.items()),
        ),
        asked=search.asked,
        href=SERVICES,
        most=ON_SLIP,
    )


def _entries(house: House, name: str) -> list[tuple[str, str]]:
    return [(entry.code, entry.name) for entry in house.lists[name].values()]


def _listed(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    service = OfferedService.of(row)
    badge, status = _STATUS[service.status]
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
        closed = await _closed(tx, service.organisation_id) if service.retired_at else None
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


async def _closed(tx: Transaction, organisation_id: UUID) -> dict[str, Any] | None:
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


# Writing

#: What people call each field of the form, in its order.
LABELS = {
    "name": "Name",
    "description": "What it is and for whom",
    "needs": "What it helps with",
    "areas": "Where people must live",
    "languages": "Languages",
    "cost": "Cost",
    "telephone": "Telephone",
    "email": "E-mail address",
    "website": "Website",
    "postal_address": "Address",
    "postcode": "Postcode",
    "opening_hours": "When it is open",
    "public_channels": "What everybody may read",
    "status": "Open to people",
}
_SEVERAL = ("needs", "areas", "languages", "public_channels")

Values = dict[str, Any]


async def show_new(request: Request) -> Response:
    """The form for another service, of the body that the address names or of one that is to be named."""
    site: Site = site_of(request)
    identifier, closed = "", None
    try:
        organisation = UUID(request.query_params.get("organisation", ""))
    except ValueError:
        organisation = None
    if organisation:
        async with site.database.reading() as tx:
            row = await QUERIES.organisation_by_id(tx, id=organisation)
        if row is None:
            raise NotFound
        identifier, closed = row["identifier"], closed_body(row, tx.today)
    empty: Values = dict.fromkeys(LABELS, "") | {name: [] for name in _SEVERAL}
    start = {"charge": FREE, "status": "active", "identifier": identifier}
    return _form(request, empty | start, {}, closed=closed)


async def add(request: Request) -> Response:
    """Enter a service, or show the form again with what is wrong."""
    form = await read_form(request)
    house: House = site_of(request).context.house
    values = _typed(form) | {"identifier": str(form.get("identifier", "")).strip()}
    offer, faults = _read(house, values)

    async def act(tx: Transaction) -> Response:
        body = await QUERIES.organisation_identified(tx, identifier=values["identifier"])
        if body is None:
            cure = "Write its identifier as its page shows it, such as GB-CHC-276886."
            unknown = {"identifier": fault("There is no such organisation.", cure)}
            return _form(request, values, unknown | faults, status=422)
        if offer is None:
            return _form(request, values, faults, status=422)
        try:
            return _to(await directory.add(tx, body, offer), "added")
        except Closed as refused:
            closed = await _closed(tx, body)
            return _form(request, values, fault_of(refused), status=refused.status, closed=closed)

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def show_edit(request: Request) -> Response:
    """The form with what is known of a service."""
    async with site_of(request).database.reading() as tx:
        row = await DIRECTORY.service_by_id(tx, id=read_id(request), today=tx.today)
    if row is None:
        raise NotFound
    service = OfferedService.of(row)
    return _form(request, _values_of(service), {}, service=service)


async def edit(request: Request) -> Response:
    """Put right what is said of a service, or show the form again with what is wrong, or what has changed."""
    form, id = await read_form(request), read_id(request)
    house: House = site_of(request).context.house
    revision, base, checked = read_revision(form), read_base(form), form.get("checked") == "yes"

    async def act(tx: Transaction) -> Response:
        known = await directory.locked(tx, id)
        values, both = _typed(form), set[str]()
        if revision != known.version:
            flat, both = merged(base, _flat(_values_of(known)), _flat(values), _same)
            values = _unflat(flat)
        offer, faults = _read(house, values, known)
        if offer is None:
            return _form(
                request,
                values,
                faults,
                status=422,
                service=known,
                revision=revision,
                base=base,
                checked=checked,
            )
        both |= {"cost"} if "charge" in both else set()
        labels = {field: label for field, label in LABELS.items() if field in both}
        changed = differences(labels, _in_words(known.offer, house), _in_words(offer, house))
        if changed:
            return _form(request, values, {}, status=409, service=known, changed=changed, checked=checked)
        await directory.amend(tx, known, offer, checked=checked)
        return _to(id, "saved")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


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
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return _to(id, done)

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


def _to(id: UUID, done: str) -> Response:
    return see(f"{SERVICES}/{id}?done={done}")


def _form(
    request: Request,
    values: Values,
    faults: Faults,
    *,
    status: int = 200,
    service: OfferedService | None = None,
    revision: int | None = None,
    base: Mapping[str, str] | None = None,
    changed: Sequence[Difference] = (),
    checked: bool = False,
    closed: Mapping[str, Any] | None = None,
) -> Response:
    house: House = site_of(request).context.house
    href = f"{SERVICES}/{service.id}" if service else SERVICES
    return site_of(request).page(
        request,
        "service_form.html",
        status=status,
        values=values,
        faults=faults,
        service=service,
        revision=service.version if service and revision is None else revision,
        base=base_of(base or _flat(_values_of(service))) if service else "",
        changed=changed,
        checked=checked,
        closed=closed,
        choices={
            "needs": _choices(house, "needs", values["needs"]),
            "areas": _choices(house, "areas", values["areas"]),
            "languages": _choices(house, "languages", values["languages"]),
            "public_channels": list(CHANNELS.items()),
        },
        labels=LABELS,
        post_href=f"{href}/edit" if service else f"{SERVICES}/new",
        href=href,
        list_href=SERVICES,
        key=new_key(request),
    )


def _choices(house: House, name: str, chosen: Sequence[str]) -> list[tuple[str, str]]:
    """What may be chosen: the house's list, and what was chosen before and is no longer on it."""
    gone = [code for code in chosen if code not in house.lists[name]]
    return [*_entries(house, name), *((code, code) for code in gone)]


def _typed(form: FormData) -> Values:
    """What the form says, as it is shown again."""
    values: Values = {name: str(form.get(name, "")).strip() for name in LABELS}
    return values | {
        "charge": str(form.get("charge", "")),
        **{name: [str(each) for each in form.getlist(name)] for name in _SEVERAL},
    }


def _values_of(service: OfferedService) -> Values:
    """What is known, as the form shows it."""
    said = {name: getattr(service, name, "") or "" for name in LABELS}
    return said | {
        "postal_address": "\n".join(service.postal_address),
        "charge": FREE if service.free else "charged",
        "status": Status.ACTIVE if service.active else Status.INACTIVE,
        **{name: list(getattr(service, name)) for name in _SEVERAL},
    }


def _flat(values: Values) -> dict[str, str]:
    """Each field as one text."""
    return {
        name: ";".join(values[name]) if name in _SEVERAL else str(values[name])
        for name in (*LABELS, "charge")
    }


def _unflat(flat: Mapping[str, str]) -> Values:
    several = {name: [each for each in flat[name].split(";") if each] for name in _SEVERAL}
    return {**flat, **several}


def _same(field: str, one: str, other: str) -> bool:
    """Whether two texts of a field say the same; what is ticked has no order."""
    if field in _SEVERAL:
        return set(one.split(";")) == set(other.split(";"))
    return same_text(field, one, other)


#: What is said where something needed is missing.
_MISSING = {
    "name": ("It has no name.", "Write what people call it."),
    "description": ("Nothing says what it is.", "Write it in a sentence or two, in plain words."),
    "needs": ("Nothing is ticked.", "Tick at least one."),
    "cost": ("Nothing says what it costs.", "Write it in words, or choose “Free”."),
    "status": ("Nothing is chosen.", "Choose one of the two."),
}


def _read(house: House, values: Values, known: OfferedService | None = None) -> tuple[Offer | None, Faults]:
    """What the form says, each field read as a cell of a file is; or what is wrong with which field."""
    several = {name: ";".join(values[name]) for name in _SEVERAL}
    typed = {**values, **several, **({"cost": FREE} if values["charge"] == FREE else {})}
    cells, faults = read_fields(columns(house, known), typed)
    faults |= {name: fault(*_MISSING[name]) for name in faults if not typed[name]}
    if faults:
        return None, faults
    try:
        return offer_of(cells), {}
    except Unreadable as error:
        return None, {"telephone": fault(error.fault, error.cure)}


def _in_words(offer: Offer, house: House) -> dict[str, str]:
    """What somebody says of a service, field by field, to be laid beside what somebody else says."""
    listed = {name: ", ".join(words(house.lists[name], getattr(offer, name))) for name in LISTS}
    same = ("name", "description", "telephone", "email", "website", "postcode", "opening_hours")
    return {
        **{name: getattr(offer, name) or "" for name in same},
        **listed,
        "cost": "Free" if offer.free else offer.cost,
        "postal_address": ", ".join(offer.postal_address),
        "public_channels": ", ".join(CHANNELS[Channel(each)] for each in offer.public_channels),
        "status": _STATUS[Status.ACTIVE if offer.active else Status.INACTIVE][1],
    }
