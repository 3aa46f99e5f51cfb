"""The page of what people have done in one service: the same in every service, for whoever may read it."""

import re
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import QUERIES
from chassis.clock import LOCAL
from chassis.web.access import page
from chassis.web.fields import fault
from contracts.access import PEOPLE, Action

#: Rows on one page.
_MOST = 100
_FILTERS = ("person", "action", "object", "since", "until")


async def show(request: Request) -> Response:
    """The newest acts, or those that were chosen."""
    site = request.app.state.site
    asked = {name: request.query_params.get(name, "").strip()[:100] for name in _FILTERS}
    faults: dict[str, Any] = {}
    chosen = {
        "person": _read(asked, "person", _person, "Copy it from this table, or the whole id.", faults),
        "action": asked["action"] or None,
        "object": asked["object"] or None,
        "since": _read(asked, "since", _day, "A day, such as 2026-11-25.", faults),
        "until": _read(asked, "until", _day_after, "A day, such as 2026-11-25.", faults),
        "below": _number(request.query_params.get("below", "")),
    }
    async with site.database.reading() as tx:
        last = await QUERIES.last_row(tx)
        actions = [row["action"] async for row in QUERIES.actions_known(tx)]
        rows = [] if faults else [row async for row in QUERIES.rows_chosen(tx, **chosen, most=_MOST + 1)]
    kept = {name: text for name, text in asked.items() if text}
    response: Response = site.page(
        request,
        "audit.html",
        status=422 if faults else 200,
        rows=rows[:_MOST],
        total=last["number"] if last else 0,
        head=last["digest"] if last else "",
        actions=actions,
        asked=asked,
        faults=faults,
        people_href=PEOPLE,
        older_href=f"?{urlencode({**kept, 'below': rows[_MOST - 1]['number']})}"
        if len(rows) > _MOST
        else None,
        newest_href=f"?{urlencode(kept)}" if chosen["below"] else None,
    )
    return response


AUDIT = page("/audit", show, Action.READ_AUDIT)


def _read(asked: dict[str, str], name: str, read: Any, cure: str, faults: dict[str, Any]) -> Any:
    """What was asked for under a name; nothing when it was left open."""
    if not asked[name]:
        return None
    try:
        return read(asked[name])
    except ValueError:
        faults[name] = fault("This cannot be looked for.", cure)
        return None


def _person(text: str) -> str:
    """A whole id, or its end as it stands in the table."""
    if re.fullmatch("[0-9a-f]{12}", text.lower()):
        return text.lower()
    return str(UUID(text))


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), LOCAL)


def _day_after(text: str) -> datetime:
    return _day((date.fromisoformat(text) + timedelta(days=1)).isoformat())


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 18 else None
