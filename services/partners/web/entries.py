"""Entering an organisation, and changing one: as a form and for programs, by the same rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import uuid_utils.compat
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis import sheets
from chassis.audit import acting
from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, Conflict, NotFound, Refused
from chassis.house import House, word, words
from chassis.sheets import Column
from chassis.web import (
    Difference,
    Faults,
    base_of,
    day,
    differences,
    etag,
    fault,
    fault_of,
    give,
    meanwhile,
    merged,
    new_key,
    once,
    read_base,
    read_document,
    read_fields,
    read_form,
    read_id,
    read_if_match,
    read_revision,
    same_text,
    see,
    site_of,
    stale,
)
from chassis.web.access import actor_of
from services.partners import amending
from services.partners.domain import Organisation, folded
from services.partners.likeness import Alike
from services.partners.partners_file import columns
from services.partners.queries import REGISTER
from services.partners.web.documents import (
    ChangeDocument,
    EntryChangeDocument,
    NewOrganisationDocument,
    OrganisationDocument,
)
from services.partners.web.hrefs import API_LIST, LIST
from services.partners.web.register import document

#: What may be changed here, as people call it. How a body closes is said elsewhere.
_LABELS = {
    "name": "Name",
    "identifier": "Identifier",
    "kinds": "Kinds",
    "areas": "Areas",
    "closeness": "How closely we work",
    "opened_on": "Opened on",
    "postal_address": "Address",
    "postcode": "Postcode",
    "telephone": "Telephone",
    "website": "Website",
}
_LISTS = {"kinds": ";", "areas": ";", "postal_address": "\n"}

#: What somebody has typed, by field; several things stand in one text as `_LISTS` says.
Typed = Mapping[str, str]


def _fields(house: House, present: Organisation | None) -> list[Column]:
    """The fields, read as the columns of our file are. Codes that an organisation has may stay."""
    own = {column.name: column for column in columns(house)}
    kinds = {*house.lists["kinds"], *(present.kinds if present else ())}
    areas = {*house.lists["areas"], *(present.areas if present else ())}
    closeness = {*house.lists["closeness"], *([present.closeness] if present else ())}
    return [
        own["name"],
        replace(own["identifier"], required=present is not None),
        replace(own["kinds"], read=sheets.many_of(kinds)),
        replace(own["areas"], read=sheets.many_of(areas)),
        replace(own["closeness"], read=sheets.one_of(closeness)),
        own["opened_on"],
        replace(own["contact_address"], name="postal_address"),
        replace(own["contact_postcode"], name="postcode"),
        Column(name="telephone", read=sheets.telephone),
        Column(name="website", read=sheets.web_address),
    ]


def _same(field: str, one: str, other: str) -> bool:
    """Whether two texts of a field say the same; what is ticked has no order."""
    if field in ("kinds", "areas"):
        return set(one.split(";")) == set(other.split(";"))
    return same_text(field, one, other)


def _typed(form: FormData) -> Typed:
    return {name: _LISTS.get(name, "").join(map(str, form.getlist(name))) for name in _LABELS}


def _typed_of(organisation: Organisation) -> Typed:
    """What somebody would type who wanted an organisation as it is."""
    said = {name: getattr(organisation, name) for name in _LABELS}
    return {
        name: _LISTS[name].join(value) if name in _LISTS else str(value or "") for name, value in said.items()
    }


@dataclass(frozen=True)
class _Read:
    """What was typed, and what it makes of an organisation."""

    said: Mapping[str, Any]
    faults: Faults

    @classmethod
    def of(cls, house: House, typed: Typed, present: Organisation | None = None) -> "_Read":
        said, faults = read_fields(_fields(house, present), typed)
        if not typed["kinds"]:
            faults["kinds"] = fault("No kind is ticked.", "Tick at least one.")
        opened, closed = said.get("opened_on"), present.closed_on if present else None
        if opened and closed and opened > closed:
            faults["opened_on"] = fault(f"It closed on {day(closed)}.", "Write an earlier day.")
        return cls(said, faults)

    def new(self) -> Organisation:
        """A new organisation."""
        id = uuid_utils.compat.uuid7()
        blank = Organisation(
            id=id, identifier="", name="", kinds=(), areas=(), closeness="",
            opened_on=None, closed_on=None, successor_id=None,
        )  # fmt: skip
        made = self.changed(blank)
        return made if made.identifier else replace(made, identifier=_identifier_of(made))

    def changed(self, present: Organisation) -> Organisation:
        """An organisation as it is now said to be. The order of what was ticked makes no difference."""
        said = {name: self.said[name] for name in _LABELS}
        for name in _LISTS:
            said[name] = said[name] or ()
        for name in ("kinds", "areas"):
            known: tuple[str, ...] = getattr(present, name)
            said[name] = known if set(known) == set(said[name]) else said[name]
        return replace(present, **{**said, "identifier": said["identifier"] or ""})


def _identifier_of(organisation: Organisation) -> str:
    """One of our own, for a body that no register has."""
    slug = "-".join("".join(each if each.isascii() and each.isalnum() else " "
                            for each in folded(organisation.name)).split())  # fmt: skip
    return f"CONDUIT-{slug[:30].strip('-')}{'-' if slug else ''}{organisation.id.hex[-6:]}"


# The forms


async def show_new(request: Request) -> Response:
    """The empty form."""
    return _form(request, dict.fromkeys(_LABELS, ""), {})


async def register(request: Request) -> Response:
    """Enter an organisation, or ask whether it is one of those that are alike."""
    form, site = await read_form(request), site_of(request)
    typed = _typed(form)
    read = _Read.of(site.context.house, typed)
    if read.faults:
        return _form(request, typed, read.faults, 422)

    async def act(tx: Transaction) -> Response:
        made = await amending.register_organisation(tx, read.new(), _ids(str(form.get("another", ""))))
        return see(f"{LIST}/{made.id}?done=registered")

    try:
        return await once(request, act)
    except amending.PerhapsKnown as known:
        return _form(request, typed, {}, known.status, alike=list(known.found))
    except Refused as refused:
        return _form(request, typed, fault_of(refused), refused.status)


async def show_edit(request: Request) -> Response:
    """The form with what the register says."""
    async with site_of(request).database.reading() as tx:
        row = await REGISTER.organisation_known(tx, id=read_id(request))
    if row is None:
        raise NotFound
    if row["merged_into"]:
        return see(f"{LIST}/{row['merged_into']}")
    present = Organisation.of(row)
    return _form(request, _typed_of(present), {}, present=present)


async def amend(request: Request) -> Response:
    """Change an organisation, or show the form again with what is wrong or what somebody else has changed."""
    form, site, id = await read_form(request), site_of(request), read_id(request)
    house, revision, base = site.context.house, read_revision(form), read_base(form)

    async def act(tx: Transaction) -> Response:
        present = await amending.lock_organisation(tx, id)
        typed: Typed = _typed(form)
        both = set[str]()
        if revision != present.version:
            typed, both = merged(base, _typed_of(present), typed, _same)
        read = _Read.of(house, typed, present)
        again: dict[str, Any] = {"present": present, "revision": revision, "base": base}
        if read.faults:
            return _form(request, typed, read.faults, 422, **again)
        yours = _in_words(house, read.changed(present))
        labels = {field: label for field, label in _LABELS.items() if field in both}
        if found := differences(labels, _in_words(house, present), yours):
            changed = await meanwhile(request, found, id, "organisation_amended")
            return _form(request, typed, {}, ChangedMeanwhile.status, present=present, changed=changed)
        try:
            await amending.amend_organisation(tx, id, read.changed, present.version)
        except Refused as refused:
            return _form(request, typed, fault_of(refused), refused.status, **again)
        return see(f"{LIST}/{id}?done=saved")

    return await once(request, act)


def _form(
    request: Request,
    typed: Typed,
    faults: Faults,
    status: int = 200,
    *,
    present: Organisation | None = None,
    revision: int | None = None,
    base: Typed | None = None,
    alike: list[Alike] | None = None,
    changed: list[Difference] | None = None,
) -> Response:
    site = site_of(request)
    lists = site.context.house.lists
    ticked = {name: typed[name].split(";") for name in ("kinds", "areas")}
    return site.page(
        request,
        "organisation_form.html",
        status=status,
        values=typed,
        ticked=ticked,
        faults=faults,
        choices={name: _choices(lists[name], ticked.get(name, [typed["closeness"]])) for name in _CHOICES},
        alike=[_alike(each) for each in alike or ()],
        another=" ".join(str(each.organisation.id) for each in alike or ()),
        changed=changed,
        revision=revision or (present.version if present else None),
        base=base_of(base or _typed_of(present)) if present else "",
        title="New organisation" if present is None else f"Change {present.name}",
        back={"href": LIST, "name": "Organisations"}
        if present is None
        else {"href": f"{LIST}/{present.id}", "name": present.name},
        action=f"{LIST}/new" if present is None else f"{LIST}/{present.id}/edit",
        key=new_key(request),
    )


_CHOICES = ("kinds", "areas", "closeness")


def _choices(entries: Mapping[str, Any], chosen: list[str]) -> list[dict[str, str]]:
    """The house's list, and what is chosen although the house no longer lists it."""
    codes = [*entries, *(code for code in chosen if code and code not in entries)]
    return [{"code": code, "name": word(entries, code)} for code in codes]


def _alike(each: Alike) -> dict[str, Any]:
    found = each.organisation
    return {
        "href": f"{LIST}/{found.id}",
        "name": found.name,
        "why": each.why,
        "identifier": found.identifier,
        "postcode": found.postcode,
    }


def _in_words(house: House, organisation: Organisation) -> dict[str, str]:
    """What may be changed, as people read it."""
    return {
        **_typed_of(organisation),
        "kinds": ", ".join(sorted(words(house.lists["kinds"], organisation.kinds))),
        "areas": ", ".join(sorted(words(house.lists["areas"], organisation.areas))),
        "closeness": word(house.lists["closeness"], organisation.closeness),
        "opened_on": day(organisation.opened_on) if organisation.opened_on else "",
        "postal_address": ", ".join(organisation.postal_address),
    }


def _ids(text: str) -> set[UUID]:
    """Those that were looked at. What is no id is none of them."""
    found = set[UUID]()
    for part in text.split():
        try:
            found.add(UUID(part))
        except ValueError:
            continue
    return found


# For programs


async def api_register(request: Request) -> Response:
    """Enter an organisation. When some are alike, they are named in the refusal: say not_one_of to go on."""
    site, given = site_of(request), await read_document(request, NewOrganisationDocument)
    looked_at = set(given.pop("not_one_of", ()))
    made = _checked(_Read.of(site.context.house, _typed_by_program(given))).new()

    async def act(tx: Transaction) -> Response:
        try:
            new = await amending.register_organisation(tx, made, looked_at)
        except amending.PerhapsKnown as known:
            raise _perhaps_known(known) from None
        headers = {"location": f"{API_LIST}/{new.id}", "etag": etag(new.version)}
        return give(OrganisationDocument, document(new), 201, headers)

    return await once(request, act)


def _perhaps_known(known: amending.PerhapsKnown) -> Refused:
    hrefs = ", ".join(f"{API_LIST}/{each.organisation.id}" for each in known.found)
    cure = f"Look at {hrefs}. If it is none of them, send it again with their ids in not_one_of."
    return Conflict(known.what, cure)


async def api_replace(request: Request) -> Response:
    """Change an organisation to what is sent; what is not sent is empty."""
    given = await read_document(request, EntryChangeDocument)
    return await _api_amend(request, lambda present: _typed_by_program(given))


async def api_amend(request: Request) -> Response:
    """Change what is sent of an organisation, and nothing else."""
    given = await read_document(request, ChangeDocument)
    return await _api_amend(request, lambda present: {**_typed_of(present), **_typed_by_program(given, {})})


async def _api_amend(request: Request, typed: Callable[[Organisation], Typed]) -> Response:
    site, id, revision = site_of(request), read_id(request), read_if_match(request)
    house = site.context.house

    def change(present: Organisation) -> Organisation:
        return _checked(_Read.of(house, typed(present), present)).changed(present)

    async with acting(site.database, actor_of(request)) as tx:
        try:
            amended = await amending.amend_organisation(tx, id, change, revision)
        except ChangedMeanwhile:
            raise stale() from None
    return give(OrganisationDocument, document(amended), headers={"etag": etag(amended.version)})


def _typed_by_program(given: Mapping[str, Any], rest: Typed | None = None) -> dict[str, str]:
    """A document, as somebody would have typed it."""
    said = {
        name: _LISTS[name].join(value or ()) if name in _LISTS else str(value or "")
        for name, value in given.items()
    }
    return {**(dict.fromkeys(_LABELS, "") if rest is None else rest), **said}


def _checked(read: _Read) -> _Read:
    """What a program has sent, when all of it can be used.

    Raises:
        Refused: names the first field at fault.
    """
    for field, wrong in read.faults.items():
        raise Refused(wrong["fault"], wrong["cure"], field=field)
    return read
