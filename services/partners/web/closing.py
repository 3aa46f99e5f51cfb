"""Closing a body: who took over, since when, and what goes there; and opening it again."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, Refused
from chassis.web import fault_of, new_key, once, read_form, read_id, read_revision, see, site_of
from services.partners.closing import HANDOVERS, close, reopen
from services.partners.domain import HandedOver, Organisation
from services.partners.queries import QUERIES
from services.partners.web.finding import entries_found, entry_in_words, open_entry
from services.partners.web.hrefs import LIST
from services.partners.web.merging import HANDED
from services.partners.web.searching import cleaned


async def show(request: Request) -> Response:
    """The form: first who took over, then the day and what goes there."""
    id, asked = read_id(request), request.query_params
    async with site_of(request).database.reading() as tx:
        known = await open_entry(tx, id)
        before = {what: _went(known, what) for what in HandedOver}
        successor = asked.get("successor") or ("" if asked.get("nobody") else str(known.successor_id or ""))
        values = {"closed_on": known.closed_on.isoformat() if known.closed_on else "", "successor": successor}
        return await _form(request, tx, known, values | before, {})


def _went(known: Organisation, what: HandedOver) -> str:
    """What was said before of letters, referrals or agreements, if anything was."""
    if known.closed_on is None or known.successor_id is None:
        return ""
    return "goes" if what in known.handed_over else "ends"


async def _form(
    request: Request,
    tx: Transaction,
    known: Organisation,
    values: Mapping[str, str],
    faults: Mapping[str, Any],
    *,
    changed: bool = False,
    status: int = 200,
) -> Response:
    site = site_of(request)
    query = cleaned(request.query_params.get("q", ""))
    found = await entries_found(tx, query, but=known.id) if query else []
    house, href = site.context.house, f"{LIST}/{known.id}"
    chosen = [
        {**entry_in_words(row, house), "choose_href": f"{href}/close?successor={row['id']}"} for row in found
    ]
    counts = {each.what: await each.count(tx, known.id) for each in HANDOVERS}
    return site.page(
        request,
        "close.html",
        status=status,
        name=known.name,
        href=href,
        closed=known.closed_on is not None,
        values=values,
        faults=faults,
        changed=changed,
        query=query,
        found=chosen,
        successor=await _chosen(tx, values["successor"]),
        handed=[
            {"code": what.value, "words": HANDED[what], "count": counts.get(what)} for what in HandedOver
        ],
        revision=known.version,
        key=new_key(request),
    )


async def _chosen(tx: Transaction, text: str) -> Mapping[str, Any] | None:
    """The body that was chosen to take over; nothing when none was, or there is none of that id."""
    id = _id(text)
    row = await QUERIES.organisation_by_id(tx, id=id) if id else None
    return {"id": str(row["id"]), "name": row["name"], "identifier": row["identifier"]} if row else None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def do_close(request: Request) -> Response:
    """Close it, or show the form again with what is wrong or what has changed."""
    site, id, form = site_of(request), read_id(request), await read_form(request)
    names = ("closed_on", "successor", *(what.value for what in HandedOver))
    values = {name: str(form.get(name, "")).strip() for name in names}

    async def act(tx: Transaction) -> Response:
        successor = _id(values["successor"])
        await close(
            tx,
            id,
            closed_on=_read_day(values["closed_on"]),
            successor=successor,
            handed_over=_handed(values) if successor else (),
            version=read_revision(form),
        )
        return see(f"{LIST}/{id}?done=closed")

    try:
        return await once(request, act)
    except Refused as refused:
        changed = isinstance(refused, ChangedMeanwhile)
        if not (refused.field or changed):
            raise
        faults = {} if changed else fault_of(refused)
        async with site.database.reading() as tx:
            known = await open_entry(tx, id)
            return await _form(request, tx, known, values, faults, changed=changed, status=refused.status)


def _read_day(text: str) -> date:
    """The day that was typed or picked.

    Raises:
        Refused: names the field.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(
            "This is not a day.", "Write it as year-month-day, such as 2013-03-31.", field="closed_on"
        ) from None


def _handed(values: Mapping[str, str]) -> list[HandedOver]:
    """What goes to the successor.

    Raises:
        Refused: when nothing was said of one; names it.
    """
    for what in HandedOver:
        if values[what] not in ("goes", "ends"):
            raise Refused(f"{HANDED[what]}: where do they go?", "Choose one of the two.", field=what.value)
    return [what for what in HandedOver if values[what] == "goes"]


async def do_reopen(request: Request) -> Response:
    """Say that it is open after all."""
    id, form = read_id(request), await read_form(request)

    async def act(tx: Transaction) -> Response:
        await reopen(tx, id, read_revision(form))
        return see(f"{LIST}/{id}?done=reopened")

    return await once(request, act)
