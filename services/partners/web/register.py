"""The register: organisations, each with its contacts and its timeline."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import Entry, House
from chassis.web import BadRequest, Site, give, read_id, site_of
from contracts.access import RIGHTS
from contracts.grants import ContributionReceived, ContributionRefunded
from services.partners.domain import Contact, Organisation, folded
from services.partners.queries import QUERIES
from services.partners.queries import RIGHTS as REQUESTS
from services.partners.web.documents import OrganisationsDocument, WholeOrganisationDocument

MOUNT = "/partners"
LIST = f"{MOUNT}/organisations"
API_LIST = f"{MOUNT}/api/v1/organisations"

#: Where a letter is shown: an address of the site, used like the links in its navigation.
LETTER = "/letters/letters"

#: Organisations on one page of the list.
PAGE = 50
#: The newest entries of a timeline that a page shows, and of the first page's.
TIMELINE, LATELY = 200, 10


async def home(request: Request) -> Response:
    """How many organisations there are of each kind, how closely we work, and what happened lately."""
    site: Site = site_of(request)
    house: House = site.context.house
    async with site.database.reading() as tx:
        total = await QUERIES.organisations_count(tx)
        kinds = {row["code"]: row["count"] async for row in QUERIES.organisations_by_kind(tx)}
        closeness = {row["code"]: row["count"] async for row in QUERIES.organisations_by_closeness(tx)}
        lately = [_lately(row) async for row in QUERIES.timeline_lately(tx, most=LATELY)]
        heard_at = await QUERIES.timeline_heard_at(tx)
        waiting = await REQUESTS.requests_waiting(tx)
    by_kind = _counted(house.lists["kinds"], kinds, "kind")
    return site.page(
        request,
        "home.html",
        total=total,
        by_kind=sorted(by_kind, key=lambda row: -row["count"]),
        by_closeness=_counted(house.lists["closeness"], closeness, "closeness"),
        timeline=lately,
        as_of=heard_at,
        requests={**waiting, "href": RIGHTS},
    )


def _counted(entries: Mapping[str, Entry], counts: Mapping[str, int], field: str) -> list[dict[str, Any]]:
    """The counts in the order of the house's list; codes that the list no longer has come last."""
    codes = [code for code in entries if code in counts] + [code for code in counts if code not in entries]
    return [
        {"name": _word(entries, code), "count": counts[code], "href": f"{LIST}?{urlencode({field: code})}"}
        for code in codes
    ]


def _lately(row: Mapping[str, Any]) -> dict[str, Any]:
    href = f"{LIST}/{row['organisation_id']}"
    said = {"what": row["what"], "detail": row["name"], "source_words": "", "href": href}
    return {"at": row["happened_at"], **said}


#: What the list may be asked for, page and API alike.
ASKS = {
    "q": "Words of the name, or an identifier.",
    "kind": "A code of the list of kinds.",
    "area": "A code of the list of areas.",
    "closeness": "A code of the list of how closely we work.",
    "after": "Where the next page begins; follow “next” instead of making one.",
}


class _Search:
    """What the list is asked for: words of the name, a kind, an area, how closely, and from where on."""

    def __init__(self, request: Request) -> None:
        asked = {name: _cleaned(request.query_params.get(name, "")) for name in ASKS if name != "after"}
        self.asked = {name: text for name, text in asked.items() if text}
        self.after = _after(request.query_params.get("after", ""))

    def __getitem__(self, name: str) -> str:
        return self.asked.get(name, "")

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters of the two statements that list and count."""
        return {
            "patterns": [f"%{_escaped(word)}%" for word in folded(self["q"]).split()],
            "kind": self["kind"],
            "area": self["area"],
            "closeness": self["closeness"],
        }

    async def page(self, tx: Transaction) -> tuple[int, list[Any], UUID | None]:
        """How many are found in all, those of this page, and after which one the next page begins."""
        total = await QUERIES.organisations_found(tx, **self.filters)
        listed = QUERIES.organisations_listed(tx, **self.filters, after=self.after, most=PAGE + 1)
        rows = [row async for row in listed]
        more = len(rows) > PAGE
        return total, rows[:PAGE], rows[PAGE - 1]["id"] if more else None

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
    search = _Search(request)
    async with site.database.reading() as tx:
        total, rows, after = await search.page(tx)
    today = _today(tx)
    return site.page(
        request,
        "organisations.html",
        total=total,
        rows=[_listed(row, house, today) for row in rows],
        query=search["q"],
        selected={name: search[name] for name in ("kind", "area", "closeness")},
        filters={name: list(house.lists[name].values()) for name in ("kinds", "areas", "closeness")},
        next_href=search.next_href(LIST, after),
    )


def _listed(row: Mapping[str, Any], house: House, today: date) -> dict[str, Any]:
    found = Organisation.of(row)
    return {
        "href": f"{LIST}/{found.id}",
        "name": found.name,
        "kinds": _words(house.lists["kinds"], found.kinds),
        "areas": _words(house.lists["areas"], found.areas),
        "closeness": _word(house.lists["closeness"], found.closeness),
        "contacts": row["contacts"],
        "state": "closed" if found.closed_by(today) else "open",
    }


async def organisation(request: Request) -> Response:
    """One organisation: what it is, whom we know there, and what happened."""
    site: Site = site_of(request)
    house: House = site.context.house
    async with site.database.reading() as tx:
        row = await _found(tx, read_id(request))
        contacts = await _contacts(tx, row["id"], house)
        entries = [each async for each in QUERIES.timeline_of(tx, organisation_id=row["id"], most=TIMELINE)]
        letters = await QUERIES.letters_of(tx, organisation_id=row["id"])
        heard_at = await QUERIES.timeline_heard_at(tx)
    return site.page(
        request,
        "organisation.html",
        organisation=_in_words(row, house, _today(tx)),
        contacts=[_contact_in_words(contact, house) for contact in contacts],
        timeline=[_entry(each) for each in entries],
        letters_figures=dict(letters),
        as_of=heard_at,
    )


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
        "name": found.name,
        "identifier": found.identifier,
        "kinds": _words(house.lists["kinds"], found.kinds),
        "areas": _words(house.lists["areas"], found.areas),
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
        "name": contact.name,
        "role": _word(house.lists["contact_roles"], contact.role),
        "channel": _word(house.lists["channels"], contact.channel).lower(),
        "email": contact.email,
        "address": [*contact.postal_address, *([contact.postcode] if contact.postcode else [])],
        "source": contact.source,
        "listed_on": contact.listed_on,
        "withdrawn_on": contact.withdrawn_on,
        "rights_href": f"{RIGHTS}/new?who={contact.id}",
    }


#: Kinds of entries that Grants has told.
_BY_GRANTS = {ContributionReceived.NAME, ContributionRefunded.NAME}


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": row["happened_at"],
        "what": row["what"],
        "detail": row["detail"],
        "source_words": f"Told us by {'Grants' if row['kind'] in _BY_GRANTS else 'Letters'}",
        "href": f"{LETTER}/{row['letter_id']}" if row["letter_id"] else None,
    }


async def api_organisations(request: Request) -> Response:
    """A page of the register as JSON, with the address of the next one."""
    site: Site = site_of(request)
    search = _Search(request)
    async with site.database.reading() as tx:
        total, rows, after = await search.page(tx)
    listed = [{**_document(row), "contacts": row["contacts"]} for row in rows]
    next = search.next_href(API_LIST, after)
    return give(OrganisationsDocument, {"organisations": listed, "total": total, "next": next})


async def api_organisation(request: Request) -> Response:
    """One organisation as JSON, with its contacts by role: their names and addresses are for the page."""
    site: Site = site_of(request)
    async with site.database.reading() as tx:
        row = await _found(tx, read_id(request))
        contacts = await _contacts(tx, row["id"], site.context.house)
        entries = [each async for each in QUERIES.timeline_of(tx, organisation_id=row["id"], most=TIMELINE)]
    timeline = [{**each, "at": each["happened_at"]} for each in entries]
    whole = {**_document(row), "contacts": contacts, "timeline": timeline}
    return give(WholeOrganisationDocument, whole)


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    found = Organisation.of(row)
    return {**dataclasses.asdict(found), "href": f"{API_LIST}/{found.id}"}


def _today(tx: Transaction) -> date:
    return tx.now.astimezone(LOCAL).date()


def _word(entries: Mapping[str, Entry], code: str) -> str:
    """A code's name for people; the code itself when the house no longer lists it."""
    return entries[code].name if code in entries else code


def _words(entries: Mapping[str, Entry], codes: Iterable[str]) -> Sequence[str]:
    return [_word(entries, code) for code in codes]
