"""Merging two entries of one body: find the other, compare, read what moves, and only then do it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction, rows_of
from chassis.errors import ChangedMeanwhile, NotFound, Refused
from chassis.house import House, words
from chassis.web import day, new_key, once, read_form, read_id, read_revision, see, site_of
from services.partners.amending import organisations_alike
from services.partners.closing import heir
from services.partners.domain import HandedOver, Organisation
from services.partners.merging import FIELDS, LISTS, MOVES, Side, both, combined, merge, refuse_ring
from services.partners.queries import MERGING
from services.partners.web.finding import entries_found, entry_in_words, open_entry
from services.partners.web.hrefs import LIST
from services.partners.web.searching import cleaned

LABELS: Mapping[str, str] = {
    "name": "Name",
    "kinds": "Kind",
    "areas": "Areas",
    "closeness": "How closely we work",
    "opened_on": "Opened",
    "address": "Postal address",
    "telephone": "Telephone",
    "website": "Website",
}


async def find(request: Request) -> Response:
    """Look for the other entry; without words, those that may be the same body."""
    site, id = site_of(request), read_id(request)
    query, house = cleaned(request.query_params.get("q", "")), site.context.house
    async with site.database.reading() as tx:
        this = await open_entry(tx, id)
        if query:
            found = [entry_in_words(row, house) for row in await entries_found(tx, query, but=id)]
        else:
            alike = await organisations_alike(tx, this)
            found = [{**entry_in_words(vars(each.organisation), house), "why": each.why} for each in alike]
    entries = [{**each, "choose_href": compare_href(id, each["id"])} for each in found]
    return site.page(
        request, "merge_find.html", name=this.name, href=f"{LIST}/{id}", entries=entries, query=query
    )


def compare_href(id: UUID, other: UUID | str) -> str:
    """Where two entries stand side by side."""
    return f"{LIST}/{id}/merge/compare?{urlencode({'with': other})}"


async def compare(request: Request) -> Response:
    """Both entries side by side, to choose which stays and whose values."""
    site, id = site_of(request), read_id(request)
    other_id = _other(request.query_params)
    async with site.database.reading() as tx:
        await open_entry(tx, id)
        if other_id is None:
            return see(f"{LIST}/{id}/merge")
        this, other = await both(tx, id, other_id)
        contacts = {each: await MERGING.contacts_at(tx, organisation_id=each) for each in (id, other_id)}
    return site.page(
        request,
        "merge_compare.html",
        href=f"{LIST}/{id}",
        this=_side(this, site.context.house, contacts),
        other=_side(other, site.context.house, contacts),
        rows=[_row(field, this, other, site.context.house) for field in FIELDS],
    )


def _side(entry: Organisation, house: House, contacts: Mapping[UUID, int]) -> dict[str, Any]:
    return {**entry_in_words(vars(entry), house), "contacts": contacts[entry.id]}


def _row(field: str, this: Organisation, other: Organisation, house: House) -> dict[str, Any]:
    """One field of both entries; where they say the same, there is nothing to choose."""
    ours, theirs = value_in_words(field, this, house), value_in_words(field, other, house)
    chosen = "both" if field in LISTS else "this" if ours or not theirs else "other"
    return {
        "field": field,
        "label": LABELS[field],
        "this": ours,
        "other": theirs,
        "same": ours == theirs,
        "unites": field in LISTS,
        "chosen": chosen,
    }


def value_in_words(field: str, entry: Organisation, house: House) -> str:
    """What an entry says in a field, for people; nothing when it says nothing."""
    if field in LISTS:
        return ", ".join(words(house.lists[field], getattr(entry, field)))
    if field == "closeness":
        return words(house.lists[field], [entry.closeness])[0]
    if field == "opened_on":
        return day(entry.opened_on) if entry.opened_on else ""
    if field == "address":
        return ", ".join([*entry.postal_address, *([entry.postcode] if entry.postcode else [])])
    return str(getattr(entry, field) or "")


async def confirm(request: Request) -> Response:
    """In words: what stays, what moves, what is in both."""
    site, id, asked = site_of(request), read_id(request), request.query_params
    other_id = _other(asked)
    async with site.database.reading() as tx:
        await open_entry(tx, id)
        if other_id is None or asked.get("survives") not in ("this", "other"):
            return see(f"{LIST}/{id}/merge")
        return await _confirmation(request, tx, id, other_id, asked)


async def _confirmation(
    request: Request,
    tx: Transaction,
    id: UUID,
    other_id: UUID,
    asked: QueryParams | FormData,
    status: int = 200,
) -> Response:
    site = site_of(request)
    house = site.context.house
    surviving, losing = _sides(asked, id, other_id)
    stays, goes = await both(tx, surviving, losing)
    await refuse_ring(tx, stays, goes)
    chosen = _chosen(asked)
    merged = combined(stays, goes, chosen)
    counts = [(each, await each.count(tx, losing)) for each in MOVES]
    in_both = [row async for row in MERGING.contacts_in_both(tx, losing=losing, surviving=surviving)]
    return site.page(
        request,
        "merge_confirm.html",
        status=status,
        href=f"{LIST}/{id}",
        back_href=compare_href(id, other_id),
        stays=_short(stays),
        goes=_short(goes),
        values=[(LABELS[field], value_in_words(field, merged, house)) for field in FIELDS],
        moves=[f"{count:,} {each.one if count == 1 else each.many}" for each, count in counts if count],
        in_both=[_pair(row, house) for row in in_both],
        hidden={"with": other_id, "survives": asked["survives"], **_choices(asked)},
        revision=stays.version,
        other_revision=goes.version,
        changed=status == ChangedMeanwhile.status,
        key=new_key(request),
    )


def _short(entry: Organisation) -> dict[str, Any]:
    return {"name": entry.name, "identifier": entry.identifier, "closed_on": entry.closed_on}


def _pair(row: Mapping[str, Any], house: House) -> dict[str, Any]:
    return {
        "name": row["name"],
        "role": words(house.lists["contact_roles"], [row["role"]])[0],
        "stays": row["surviving_address"],
        "goes": row["losing_address"],
        "withdrawn": row["surviving_withdrawn_on"],
    }


async def do(request: Request) -> Response:
    """Merge the two, and show the one that stays."""
    site, id, form = site_of(request), read_id(request), await read_form(request)
    other_id = _other(form)

    async def act(tx: Transaction) -> Response:
        await open_entry(tx, id)
        if other_id is None or form.get("survives") not in ("this", "other"):
            raise Refused("The form has lost which two entries it is about.", "Begin again.")
        if form.get("confirm") != "yes":
            what = "You have not said that they are the same organisation."
            raise Refused(what, "Go back and tick the box.")
        surviving, losing = _sides(form, id, other_id)
        seen = (read_revision(form), read_revision(form, "other_revision"))
        await merge(tx, surviving, losing, _chosen(form), versions=seen)
        return see(f"{LIST}/{surviving}?done=merged")

    try:
        return await once(request, act)
    except ChangedMeanwhile:
        async with site.database.reading() as tx:
            return await _confirmation(request, tx, id, other_id or id, form, ChangedMeanwhile.status)


def _other(asked: QueryParams | FormData) -> UUID | None:
    """The other entry, if one is named."""
    text = asked.get("with")
    if not text:
        return None
    try:
        return UUID(str(text))
    except ValueError:
        raise NotFound from None


def _sides(asked: QueryParams | FormData, id: UUID, other: UUID) -> tuple[UUID, UUID]:
    """Which entry stays, and which goes."""
    return (id, other) if asked.get("survives") == "this" else (other, id)


def _choices(asked: QueryParams | FormData) -> dict[str, str]:
    """What was chosen of each field, as the form says it."""
    allowed = {"this", "other"}
    said = {field: str(asked.get(field, "")) for field in FIELDS}
    return {
        field: side for field, side in said.items() if side in allowed or (side == "both" and field in LISTS)
    }


def _chosen(asked: QueryParams | FormData) -> dict[str, Side]:
    """The same as sides of the merge."""
    survives = asked.get("survives")
    return {
        field: Side.BOTH if side == "both" else Side.SURVIVING if side == survives else Side.LOSING
        for field, side in _choices(asked).items()
    }


async def of_organisation(tx: Transaction, house: House, organisation_id: UUID) -> dict[str, Any]:
    """What an organisation's page says of it: what was merged into it, and where its work went, by and by."""
    merged, chain = await tx.together(
        rows_of(MERGING.entries_merged_into(tx, id=organisation_id)),
        rows_of(MERGING.chain_of(tx, id=organisation_id)),
    )
    closed_on = chain[0]["closed_on"]
    gone = closed_on is not None and closed_on <= tx.today
    takers = {what: heir(chain, what, tx.today) for what in HandedOver} if gone else {}
    return {
        "href": f"{LIST}/{organisation_id}",
        "also_called": [f"{row['name']} ({row['identifier']})" for row in merged],
        "way": [{"name": row["name"], "href": f"{LIST}/{row['id']}"} for row in chain[1:]],
        "takers": [
            {
                "what": HANDED[what],
                "name": taker["name"] if taker else None,
                "href": f"{LIST}/{taker['id']}" if taker else None,
            }
            for what, taker in takers.items()
        ],
        "closed": gone,
        "closing": closed_on is not None,
    }


#: What may be handed over, as a sentence begins with it.
HANDED: Mapping[HandedOver, str] = {
    HandedOver.LETTERS: "Letters that are not sent yet",
    HandedOver.REFERRALS: "Open referrals",
    HandedOver.AGREEMENTS: "Agreements",
    HandedOver.SERVICES: "Services in the directory",
}
