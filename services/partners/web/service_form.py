"""The form of a service that a partner offers: entering one, and putting one right."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import House, words
from chassis.sheets import Unreadable
from chassis.web import (
    Difference,
    Faults,
    Site,
    base_of,
    differences,
    fault,
    fault_of,
    meanwhile,
    merged,
    new_key,
    once,
    read_base,
    read_fields,
    read_form,
    read_id,
    read_revision,
    same_text,
    site_of,
)
from services.partners import directory
from services.partners.directory import SERVICES, Channel, Offer, OfferedService, Status
from services.partners.holding import Closed
from services.partners.queries import DIRECTORY, QUERIES
from services.partners.services_file import FREE, LISTS, columns, offer_of
from services.partners.web.closed import closed_body
from services.partners.web.directory import CHANNELS, STATUS, closed_of, entries_of, to_service

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
            return to_service(await directory.add(tx, body, offer), "added")
        except Closed as refused:
            closed = await closed_of(tx, body)
            return _form(request, values, fault_of(refused), status=refused.status, closed=closed)

    return await once(request, act)


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
        if found := differences(labels, _in_words(known.offer, house), _in_words(offer, house)):
            changed = await meanwhile(request, found, id, "service_amended")
            return _form(request, values, {}, status=409, service=known, changed=changed, checked=checked)
        await directory.amend(tx, known, offer, checked=checked)
        return to_service(id, "saved")

    return await once(request, act)


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
    return [*entries_of(house, name), *((code, code) for code in gone)]


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
        "status": STATUS[Status.ACTIVE if offer.active else Status.INACTIVE][1],
    }
