"""Contacts of an organisation: entering one, changing one, withdrawing one and taking that back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import uuid_utils.compat
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis import sheets
from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, NotFound, Refused
from chassis.house import House, word
from chassis.sheets import Column
from chassis.web import (
    Difference,
    Faults,
    base_of,
    day,
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
    see,
    site_of,
)
from services.partners import amending
from services.partners.domain import Contact
from services.partners.partners_file import NEEDED, NEEDED_FOR, columns
from services.partners.queries import REGISTER
from services.partners.web.hrefs import LIST, MOUNT

HERE = f"{MOUNT}/contacts"

#: The fields, by the names of our file's columns: what people call each, and where a contact has it.
FIELDS = {
    "contact_role": ("Role", "role"),
    "contact_name": ("Name", "name"),
    "contact_channel": ("How we write to them", "channel"),
    "contact_email": ("E-mail address", "email"),
    "contact_address": ("Address", "postal_address"),
    "contact_postcode": ("Postcode", "postcode"),
    "contact_source": ("Where we got this", "source"),
    "contact_listed_on": ("Listed on", "listed_on"),
}
_LABELS = {field: label for field, (label, _) in FIELDS.items()}

Typed = Mapping[str, str]


def typed_in(form: FormData) -> Typed:
    return {field: str(form.get(field, "")) for field in FIELDS}


def _typed_of(contact: Contact) -> Typed:
    said = {field: getattr(contact, name) for field, (_, name) in FIELDS.items()}
    return {
        **{field: str(value or "") for field, value in said.items()},
        "contact_address": "\n".join(contact.postal_address),
    }


def _columns(house: House, present: Contact | None) -> list[Column]:
    """The columns of our file. A role that somebody has may stay."""
    roles = {*house.lists["contact_roles"], *([present.role] if present else ())}
    own = {column.name: column for column in columns(house)}
    own["contact_role"] = replace(own["contact_role"], read=sheets.one_of(roles))
    return [replace(own[field], required=field in NEEDED) for field in FIELDS]


def read_contact(house: House, typed: Typed, present: Contact | None = None) -> tuple[dict[str, Any], Faults]:
    """What was typed, by what a contact has; and what is wrong with it."""
    said, faults = read_fields(_columns(house, present), typed)
    for field in NEEDED_FOR.get(said.get("contact_channel") or "", ()):
        if field not in faults and said[field] is None:
            faults[field] = fault("This is needed to write to them that way.", "Fill it in.")
    listed, withdrawn = said.get("contact_listed_on"), present.withdrawn_on if present else None
    if listed and withdrawn and listed > withdrawn:
        faults["contact_listed_on"] = fault(
            f"They were withdrawn on {day(withdrawn)}.", "Write an earlier day."
        )
    made = {name: said.get(field) for field, (_, name) in FIELDS.items()}
    return {**made, "postal_address": made["postal_address"] or ()}, faults


async def show_new(request: Request) -> Response:
    """The empty form."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        organisation = await _organisation(tx, id)
    typed = {**dict.fromkeys(FIELDS, ""), "contact_channel": "email"}
    typed["contact_listed_on"] = tx.today.isoformat()
    return contact_form(request, organisation, typed, {})


async def _organisation(tx: Transaction, id: UUID) -> Any:
    row = await REGISTER.organisation_known(tx, id=id)
    if row is None or row["merged_into"] is not None:
        raise NotFound
    return row


async def add(request: Request) -> Response:
    """Enter a contact, or show the form again with what is wrong."""
    form, site, id = await read_form(request), site_of(request), read_id(request)
    typed = typed_in(form)
    said, faults = read_contact(site.context.house, typed)

    async def act(tx: Transaction) -> Response:
        organisation = await amending.lock_organisation(tx, id)
        place = {"id": organisation.id, "name": organisation.name}
        if faults:
            return contact_form(request, place, typed, faults, 422)
        new = Contact(id=uuid_utils.compat.uuid7(), organisation_id=id, withdrawn_on=None, **said)
        try:
            await amending.list_contact(tx, new)
        except Refused as refused:
            return contact_form(request, place, typed, fault_of(refused), refused.status)
        return see(f"{LIST}/{id}?done=listed")

    return await once(request, act)


async def show_edit(request: Request) -> Response:
    """The form with what the register says."""
    async with site_of(request).database.reading() as tx:
        row = await REGISTER.contact_known(tx, id=read_id(request))
        if row is None or row["merged_into"] is not None:
            raise NotFound
    present = Contact.of(row)
    place = {"id": row["organisation_id"], "name": row["organisation"]}
    return contact_form(request, place, _typed_of(present), {}, present=present)


async def amend(request: Request) -> Response:
    """Change a contact, or show the form again with what is wrong or what somebody else has changed."""
    form, site, id = await read_form(request), site_of(request), read_id(request)
    house, revision, base = site.context.house, read_revision(form), read_base(form)

    async def act(tx: Transaction) -> Response:
        present = await amending.lock_contact(tx, id)
        place = await _organisation(tx, present.organisation_id)
        typed: Typed = typed_in(form)
        both = set[str]()
        if revision != present.version:
            typed, both = merged(base, _typed_of(present), typed)
        said, faults = read_contact(house, typed, present)
        again: dict[str, Any] = {"present": present, "revision": revision, "base": base}
        if faults:
            return contact_form(request, place, typed, faults, 422, **again)
        yours = replace(present, **said)
        labels = {field: label for field, label in _LABELS.items() if field in both}
        if found := differences(labels, _in_words(house, present), _in_words(house, yours)):
            status, changed = ChangedMeanwhile.status, await meanwhile(request, found, id, "contact_amended")
            return contact_form(request, place, typed, {}, status, present=present, changed=changed)
        try:
            await amending.amend_contact(tx, id, lambda _: yours, present.version)
        except Refused as refused:
            return contact_form(request, place, typed, fault_of(refused), refused.status, **again)
        return see(f"{LIST}/{present.organisation_id}?done=contact")

    return await once(request, act)


async def withdraw(request: Request) -> Response:
    """From today on, nobody writes to them."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        contact = await amending.withdraw_contact(tx, id)
        return see(f"{LIST}/{contact.organisation_id}?done=withdrawn&contact={id}")

    return await once(request, act)


async def relist(request: Request) -> Response:
    """They may be written to again."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        contact = await amending.relist_contact(tx, id)
        return see(f"{LIST}/{contact.organisation_id}?done=relisted")

    return await once(request, act)


def contact_form(
    request: Request,
    organisation: Mapping[str, Any],
    typed: Typed,
    faults: Faults,
    status: int = 200,
    *,
    present: Contact | None = None,
    revision: int | None = None,
    base: Typed | None = None,
    changed: list[Difference] | None = None,
    action: str = "",
    title: str = "",
    suggested: Mapping[str, Any] | None = None,
) -> Response:
    """The form of a contact: of a new one, of one who is there, or of one who was suggested."""
    site = site_of(request)
    lists = site.context.house.lists
    roles = {code: entry.name for code, entry in lists["contact_roles"].items()}
    if typed["contact_role"]:
        roles.setdefault(typed["contact_role"], typed["contact_role"])
    return site.page(
        request,
        "contact_form.html",
        status=status,
        values=typed,
        faults=faults,
        roles=[{"code": code, "name": name} for code, name in roles.items()],
        channels=[{"code": code, "name": word(lists["channels"], code)} for code in NEEDED_FOR],
        changed=changed,
        revision=revision or (present.version if present else None),
        base=base_of(base or _typed_of(present)) if present else "",
        title=title or ("New contact" if present is None else "Change a contact"),
        organisation={"name": organisation["name"], "href": f"{LIST}/{organisation['id']}"},
        action=action
        or (f"{HERE}/{present.id}/edit" if present else f"{LIST}/{organisation['id']}/contacts/new"),
        suggested=suggested,
        withdrawn_on=present.withdrawn_on if present else None,
        key=new_key(request),
    )


def _in_words(house: House, contact: Contact) -> dict[str, str]:
    return {
        **_typed_of(contact),
        "contact_role": word(house.lists["contact_roles"], contact.role),
        "contact_channel": word(house.lists["channels"], contact.channel),
        "contact_address": ", ".join(contact.postal_address),
        "contact_listed_on": day(contact.listed_on),
    }
