"""Whoever a letter was passed on to: looked at, entered as a contact or left out."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House
from chassis.web import Faults, fault_of, once, read_form, read_id, see, site_of
from services.partners import suggestions, taking_up
from services.partners.domain import Contact
from services.partners.queries import SUGGESTIONS
from services.partners.web import contacts
from services.partners.web.hrefs import LIST, MOUNT

HERE = f"{MOUNT}/suggestions"


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """Whoever waits to be confirmed at one organisation."""
    rows = SUGGESTIONS.suggestions_of(tx, organisation_id=organisation_id)
    return {"suggested": [{**row, "href": f"{HERE}/{row['id']}"} async for row in rows]}


async def show(request: Request) -> Response:
    """The form of a contact with what was typed."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        found = await _waiting(tx, id)
    typed = suggestions.contact_of(found, site.context.house, tx.today)
    return _form(request, found, typed, {})


async def _waiting(tx: Transaction, id: UUID) -> Any:
    found = await SUGGESTIONS.suggestion(tx, id=id)
    if found is None or found["settled_at"] is not None:
        raise NotFound
    return found


async def accept(request: Request) -> Response:
    """Enter them as a contact, or show the form again with what is wrong."""
    form, site, id = await read_form(request), site_of(request), read_id(request)
    typed = contacts.typed_in(form)
    said, faults = contacts.read_contact(site.context.house, typed)

    async def act(tx: Transaction) -> Response:
        found = await _waiting(tx, id)
        if faults:
            return _form(request, found, typed, faults, 422)
        new = Contact(id=id, organisation_id=found["organisation_id"], withdrawn_on=None, **said)
        try:
            contact = await taking_up.accept(tx, id, new)
        except Refused as refused:
            return _form(request, found, typed, fault_of(refused), refused.status)
        return see(f"{LIST}/{contact.organisation_id}?done=suggested")

    return await once(request, act)


async def leave_out(request: Request) -> Response:
    """Nobody writes to them."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{LIST}/{await suggestions.leave_out(tx, id)}?done=left_out")

    return await once(request, act)


def _form(
    request: Request, found: Mapping[str, Any], typed: Mapping[str, str], faults: Faults, status: int = 200
) -> Response:
    suggested = {
        "role": found["role"],
        "on": found["suggested_at"],
        "same_address": found["same_address"],
        "letter_href": f"/letters/letters/{found['letter_id']}",
        "leave_out_href": f"{HERE}/{found['id']}/leave-out",
    }
    return contacts.contact_form(
        request,
        {"id": found["organisation_id"], "name": found["organisation"]},
        {**dict.fromkeys(contacts.FIELDS, ""), **typed},
        faults,
        status,
        action=f"{HERE}/{found['id']}",
        title="Our letter was passed on to them",
        suggested=suggested,
    )
