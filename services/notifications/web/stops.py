"""Who wants no more letters: the list, and lifting one with a reason."""

from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import Faults, fault_of, new_key, read_form, read_id, see, site_of
from services.notifications.colleagues import THE_RECIPIENT, called
from services.notifications.hrefs import letter_href, stops_href
from services.notifications.queries import ANSWERING
from services.notifications.stops import lift
from services.notifications.web.pressing import press

#: On one page.
MOST = 50

_WAYS = {
    "page": "on the letter’s page",
    "one_click": "by one click in their mail program",
    "mail": "by a mail, as the letter offers",
    "email": "by e-mail",
    "post": "by post",
    "telephone": "by telephone",
    "person": "in person",
}
_DONE = {"lifted": "Lifted: they may be written to again. Letters that were set aside stay so."}


async def show(request: Request) -> Response:
    """The stops, newest first."""
    return await _page(request)


async def lift_one(request: Request) -> Response:
    """Let somebody be written to again, or show the list again with what is wrong."""
    form, id = await read_form(request), read_id(request)
    because = str(form.get("because", "")).strip()

    async def act(tx: Transaction) -> Response:
        await lift(tx, id, because)
        return see(f"{stops_href()}?done=lifted")

    try:
        return await press(request, act, id, {}, stops_href())  # a second reason is another one
    except Refused as refused:
        return await _page(request, fault_of(refused), id, because, refused.status)


async def _page(
    request: Request,
    faults: Faults | None = None,
    at: UUID | None = None,
    because: str = "",
    status: int = 200,
) -> Response:
    site, (before, before_id) = site_of(request), _before(request.query_params.get("before", ""))
    async with site.database.reading() as tx:
        asked = ANSWERING.stops(tx, before=before, before_id=before_id, most=MOST + 1)
        rows = [row async for row in asked]
        # Nobody without an account lifts one but whoever gave it, on the letter's page.
        names = {**await called(tx, [row["lifted_by"] for row in rows]), None: THE_RECIPIENT}
    shown, more = rows[:MOST], len(rows) > MOST
    last = shown[-1] if more else None
    roles = site.context.house.lists["contact_roles"]
    response: Response = site.page(
        request,
        "stops.html",
        status=status,
        stops=[_shown(row, roles) | {"lifted_by": names[row["lifted_by"]]} for row in shown],
        at=str(at) if at else "",
        values={"because": because},
        faults=faults or {},
        summary={f"{at}-{field}": it for field, it in (faults or {}).items()},
        older_href=f"{stops_href()}?before={last['stopped_at'].isoformat()}_{last['id']}" if last else None,
        newer_href=stops_href() if before else None,
        flash=_DONE.get(request.query_params.get("done", "")),
        key=new_key(request),
    )
    return response


def _before(text: str) -> tuple[datetime | None, UUID]:
    """From where the list goes on; from its beginning, when the address says nothing that can be used."""
    moment, _, id = text.replace(" ", "+").partition("_")
    try:
        found = datetime.fromisoformat(moment)
        return (found if found.tzinfo else None), UUID(id)
    except ValueError:
        return None, UUID(int=0)


def _shown(row: Any, roles: Any) -> dict[str, Any]:
    role = roles[row["role"]].name if row["role"] in roles else row["role"] or ""
    return {
        **row,
        "id": str(row["id"]),
        "whole_body": row["scope"] == "body",
        "name": row["name"] or "Somebody whose name is no longer kept",
        "role": role,
        "way_words": _WAYS[row["way"]],
        "letter_href": letter_href(row["letter_id"]) if row["reference"] else None,
        "lift_href": stops_href(row["id"]),
    }
