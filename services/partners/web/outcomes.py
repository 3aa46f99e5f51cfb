"""The outcomes of all agreements on one board, and one outcome with what can be done about it."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import fault_of, new_key, once, read_asked_id, read_form, read_id, see, site_of
from services.partners import agreements, outcomes
from services.partners.outcomes import BOARD
from services.partners.queries import AGREEMENTS
from services.partners.terms import DUE_WITHIN, STANDING_WORDS, Side, Standing, window
from services.partners.web.agreements import outcome_in_words

#: Outcomes on one page; owners and bodies to choose from.
MOST, MOST_CHOICES = 50, 500

_UNOWNED = "unowned"
_STATES = {**{each.value: words for each, words in STANDING_WORDS.items()}, _UNOWNED: "Without an owner"}

_DONE = {
    "met": "Met. It stands on the timeline.",
    "dropped": "Dropped. It stands on the timeline.",
    "given": "It has a new owner.",
}


async def board(request: Request) -> Response:
    """Outcomes by their date: the open ones, or those that were asked for."""
    site = site_of(request)
    asked = {name: request.query_params.get(name, "")[:40] for name in ("organisation", "owner", "state")}
    whose = {
        "organisation_id": read_asked_id(asked["organisation"]),
        "owner_id": read_asked_id(asked["owner"]),
    }
    after = read_asked_id(request.query_params.get("after", ""))
    async with site.database.reading() as tx:
        today = tx.today
        counts = await AGREEMENTS.outcomes_counted(tx, **whose, today=today, soon=today + DUE_WITHIN)
        chosen = _chosen(asked["state"], today)
        rows = await outcomes.listed(tx, **whose, **chosen, after=after, most=MOST + 1)
        owners = [row async for row in AGREEMENTS.outcome_owners(tx, most=MOST_CHOICES)]
        bodies = [row async for row in AGREEMENTS.outcome_organisations(tx, most=MOST_CHOICES)]
    kept = {name: text for name, text in asked.items() if text}

    def href(**changed: str) -> str:
        return f"{BOARD}?{urlencode({k: v for k, v in {**kept, **changed}.items() if v})}"

    choices = [
        {"words": "All open", "count": counts["on_track"] + counts["due"] + counts["late"], "state": ""}
    ]
    choices += [{"words": words, "count": counts[code], "state": code} for code, words in _STATES.items()]
    return site.page(
        request,
        "outcomes.html",
        rows=[outcome_in_words(row, site.context.house, today) for row in rows[:MOST]],
        standing_words=STANDING_WORDS,
        choices=[{**each, "href": href(state=each["state"])} for each in choices],
        asked=asked,
        owners=[{"code": str(row["id"]), "name": row["name"]} for row in owners],
        organisations=[{"code": str(row["id"]), "name": row["name"]} for row in bodies],
        older_href=href(after=str(rows[MOST - 1]["id"])) if len(rows) > MOST else None,
        newest_href=href() if after else None,
    )


def _chosen(state: str, today: date) -> dict[str, Any]:
    """What the statement is asked for under a word of the filter; all that is open under none."""
    if state == _UNOWNED:
        return {"state": "open", "gone_by": today}
    if state not in set(Standing):
        return {"state": "open"}
    found = window(Standing(state), today)
    return {"state": found.state, "since": found.since, "until": found.until}


async def show(request: Request) -> Response:
    """One outcome."""
    return await _page(request, read_id(request))


async def _page(
    request: Request, id: UUID, *, status: int = 200, values: Any = None, faults: Any = None
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        row, today = await outcomes.outcome(tx, id), tx.today
        people = await agreements.owners_to_choose(tx, row["organisation_id"])
    shown = outcome_in_words(row, site.context.house, today)
    return site.page(
        request,
        "outcome.html",
        status=status,
        outcome=shown,
        standing_words=STANDING_WORDS,
        people=[
            {"code": str(each.id), "name": each.name}
            for each in people
            if each.side is Side(row["side"]) and each.id != row["owner_id"]
        ],
        values=values or {"met_on": today.isoformat()},
        faults=faults or {},
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


Act = Callable[[Transaction, UUID, Any], Awaitable[None]]


async def _step(request: Request, act: Act, done: str) -> Response:
    form, id = await read_form(request), read_id(request)

    async def step(tx: Transaction) -> Response:
        await act(tx, id, form)
        return see(f"{BOARD}/{id}?done={done}")

    try:
        return await once(request, step)
    except Refused as refused:
        values = {name: value for name, value in form.items() if isinstance(value, str)}
        return await _page(request, id, status=refused.status, values=values, faults=fault_of(refused))


async def meet(request: Request) -> Response:
    """It was achieved."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        try:
            on = date.fromisoformat(str(form.get("met_on", "")).strip())
        except ValueError:
            cure = "Write it as 2026-11-30, or choose it."
            raise Refused("This is not a day.", cure, field="met_on") from None
        await outcomes.meet(tx, id, on, str(form.get("achieved", "")))

    return await _step(request, act, "met")


async def drop(request: Request) -> Response:
    """Nobody goes on with it."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        await outcomes.drop(tx, id, str(form.get("why", "")))

    return await _step(request, act, "dropped")


async def give(request: Request) -> Response:
    """Somebody else owns it from now on."""

    async def act(tx: Transaction, id: UUID, form: Any) -> None:
        try:
            owner = UUID(str(form.get("owner", "")))
        except ValueError:
            raise Refused("Nobody is chosen.", "Choose somebody of the list.", field="owner") from None
        await outcomes.give(tx, id, owner)

    return await _step(request, act, "given")
