"""The register: organisations, each with its contacts and its timeline."""

import dataclasses
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.house import Entry, House, word, words
from chassis.web import Site, etag, fault_of, give, new_key, read_id, see, site_of
from contracts.access import RIGHTS
from services.partners.domain import Contact, Organisation, folded
from services.partners.queries import QUERIES, REGISTER
from services.partners.web import agreements, directory, due, letters, merging, referrals, suggested, timeline
from services.partners.web.documents import WholeOrganisationDocument
from services.partners.web.hrefs import API_LIST, LIST, MOUNT

CONTACTS = f"{MOUNT}/contacts"

#: The newest entries of a timeline that a program is told, and those of all that the first page shows.
TIMELINE, LATELY = 200, 10
_DONE = {
    "registered": "Entered in the register. Next, say whom one may write to there.",
    "saved": "Saved.",
    "listed": "Listed: they may be written to from now on.",
    "contact": "The contact is changed.",
    "suggested": "They are a contact now, and the letter goes to them within a minute.",
    "left_out": "Left out: nothing goes to them, and we no longer keep who it was.",
    "withdrawn": "Nobody writes to them any more.",
    "relisted": "They are listed again.",
    "tagged": "The tag is put on.",
    "untagged": "The tag is taken off.",
    "merged": "They are one entry now. The other sections follow within seconds.",
    "closed": "It is closed. The other sections follow within seconds.",
    "reopened": "It is open again.",
}


async def at_a_glance(tx: Transaction) -> dict[str, Any]:
    """How many organisations there are of each kind, how closely we work, and what happened lately."""
    house = tx.context.house
    kinds = {row["code"]: row["count"] async for row in QUERIES.organisations_by_kind(tx)}
    closeness = {row["code"]: row["count"] async for row in QUERIES.organisations_by_closeness(tx)}
    by_kind = _counted(house.lists["kinds"], kinds, "kind")
    return {
        "total": await QUERIES.organisations_count(tx),
        "by_kind": sorted(by_kind, key=lambda row: -row["count"]),
        "by_closeness": _counted(house.lists["closeness"], closeness, "closeness"),
        "timeline": [_lately(row) async for row in QUERIES.timeline_lately(tx, now=tx.now, most=LATELY)],
        "as_of": await QUERIES.timeline_heard_at(tx),
    }


def _counted(entries: Mapping[str, Entry], counts: Mapping[str, int], field: str) -> list[dict[str, Any]]:
    """The counts in the order of the house's list; codes that the list no longer has come last."""
    codes = [code for code in entries if code in counts] + [code for code in counts if code not in entries]
    return [
        {"name": word(entries, code), "count": counts[code], "href": f"{LIST}?{urlencode({field: code})}"}
        for code in codes
    ]


def _lately(row: Mapping[str, Any]) -> dict[str, Any]:
    href = f"{LIST}/{row['organisation_id']}"
    said = {"what": row["what"], "detail": row["name"], "source_words": "", "href": href}
    return {"at": row["happened_at"], **said}


async def organisation(request: Request) -> Response:
    """One organisation: what it is, whom we know there, and what happened. One that was merged leads on."""
    return await page_of(request)


async def page_of(request: Request, refused: Refused | None = None, **typed: str) -> Response:
    """The page of one organisation; with what is wrong and what was typed, when something was refused."""
    site: Site = site_of(request)
    house: House = site.context.house
    id = read_id(request)
    async with site.database.glance() as tx:
        row, contacts, sections, tags, heard_at, merged = await tx.together(
            _found(tx, id),
            _contacts(tx, id, house),
            _sections(tx, house, id),
            rows_of(REGISTER.tags_of(tx, organisation_id=id)),
            QUERIES.timeline_heard_at(tx),
            merging.of_organisation(tx, house, id),
        )
    if row["merged_into"]:
        return see(f"{LIST}/{row['merged_into']}")
    return site.page(
        request,
        "organisation.html",
        status=refused.status if refused else 200,
        faults=fault_of(refused) if refused else {},
        values=typed,
        **sections,
        organisation=_in_words(row, house, tx.today),
        contacts=[_contact_in_words(contact, house) for contact in contacts],
        cards_href=f"{LIST}/{row['id']}/contacts.vcf",
        due=due.of_organisation(sections, tx.today),
        tags=tags,
        merging=merged,
        revision=row["version"],
        as_of=heard_at,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
        undo=_undo(request, contacts),
    )


async def _sections(tx: Transaction, house: House, id: UUID) -> dict[str, Any]:
    """What each other part of the register shows of an organisation."""
    parts = (timeline, agreements, referrals, letters, directory, suggested)
    shown = await tx.together(*(part.of_organisation(tx, house, id) for part in parts))
    return {name: value for section in shown for name, value in section.items()}


def _undo(request: Request, contacts: list[Contact]) -> str | None:
    """Where what has just been done is taken back."""
    asked = request.query_params
    if asked.get("done") != "withdrawn":
        return None
    found = (each.id for each in contacts if str(each.id) == asked.get("contact"))
    return next((f"{CONTACTS}/{id}/relist" for id in found), None)


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await QUERIES.organisation_by_id(tx, id=id)
    if row is None:
        raise NotFound
    return row


async def _contacts(tx: Transaction, organisation_id: UUID, house: House) -> list[Contact]:
    """Those who may be written to first, then in the order of the house's list of roles."""
    order = {code: place for place, code in enumerate(house.lists["contact_roles"])}
    found = [Contact.of(row) async for row in QUERIES.contacts_of(tx, organisations=[organisation_id])]
    return sorted(
        found,
        key=lambda each: (each.withdrawn_on is not None, order.get(each.role, len(order)), folded(each.name)),
    )


def _in_words(row: Mapping[str, Any], house: House, today: date) -> dict[str, Any]:
    found = Organisation.of(row)
    successor = {"name": row["successor_name"], "href": f"{LIST}/{found.successor_id}"}
    return {
        "href": f"{LIST}/{found.id}",
        "name": found.name,
        "identifier": found.identifier,
        "address": [*found.postal_address, *([found.postcode] if found.postcode else [])],
        "telephone": found.telephone,
        "website": found.website,
        "kinds": words(house.lists["kinds"], found.kinds),
        "areas": words(house.lists["areas"], found.areas),
        "closeness_words": _closeness(house, found.closeness),
        "opened_on": found.opened_on,
        "closed": found.closed_by(today),
        "closed_on": found.closed_on,
        "successor": successor if found.successor_id else None,
    }


def _closeness(house: House, code: str) -> str:
    """``Strategic: we plan together and have done so for years.``"""
    entry = house.lists["closeness"].get(code)
    meaning = str(entry.attributes.get("meaning", "")) if entry else ""
    name = entry.name if entry else code
    return f"{name}: {meaning[:1].lower()}{meaning[1:]}" if meaning else name


def _contact_in_words(contact: Contact, house: House) -> dict[str, Any]:
    return {
        "id": contact.id,
        "name": contact.name,
        "role": word(house.lists["contact_roles"], contact.role),
        "channel": word(house.lists["channels"], contact.channel).lower(),
        "email": contact.email,
        "address": [*contact.postal_address, *([contact.postcode] if contact.postcode else [])],
        "source": contact.source,
        "listed_on": contact.listed_on,
        "withdrawn_on": contact.withdrawn_on,
        "rights_href": f"{RIGHTS}/new?who={contact.id}",
        "card_href": f"{CONTACTS}/{contact.id}/card.vcf",
        "href": f"{CONTACTS}/{contact.id}",
    }


async def api_organisation(request: Request) -> Response:
    """One organisation as JSON, with its contacts by role: their names and addresses are for the page."""
    site: Site = site_of(request)
    async with site.database.reading() as tx:
        row = await _found(tx, read_id(request))
        if row["merged_into"]:
            return see(f"{API_LIST}/{row['merged_into']}")
        contacts = await _contacts(tx, row["id"], site.context.house)
        entries = [each async for each in QUERIES.timeline_of(tx, organisation_id=row["id"], most=TIMELINE)]
    told = [{**each, "at": each["happened_at"], "what": _impersonal(each)} for each in entries]
    found = Organisation.of(row)
    whole = {**document(found), "contacts": contacts, "timeline": told}
    return give(WholeOrganisationDocument, whole, headers={"etag": etag(found.version)})


def _impersonal(entry: Mapping[str, Any]) -> str:
    """What an entry says to programs: where a person wrote it, or it is about one, only its kind."""
    kind, what = str(entry["kind"]), str(entry["what"])
    about_a_person = entry["written_by"] is not None or kind.startswith("referral")
    return kind.replace("_", " ").capitalize() if about_a_person else what


def document(organisation: Organisation) -> dict[str, Any]:
    """An organisation as the API gives it."""
    return {**dataclasses.asdict(organisation), "href": f"{API_LIST}/{organisation.id}"}
