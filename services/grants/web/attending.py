"""A meeting as a member sees it, on their phone: what is on, who counts, what was said and decided.

Made of what they may see and of nothing else; no money of the round, before it is published or after.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import new_key, once, read_form, read_id, see, signed_in, site_of
from services.grants import meetings
from services.grants.decisions import Kind
from services.grants.sitting import Item, Sitting
from services.grants.web.agenda import Agenda
from services.grants.web.hrefs import attend_href
from services.grants.web.watching import follow_meeting, sitting_seen

_DONE = {"here": "Noted: you are here.", "gone": "Noted: you have gone."}


async def show(request: Request) -> Response:
    """The meeting."""
    site, id, viewer = site_of(request), read_id(request), signed_in(request).id
    found = await sitting_seen(request, viewer)
    agenda = Agenda(found, site.context.house)
    item = found.present
    return site.page(
        request,
        "attend.html",
        meeting=found,
        round=found.plan,
        here=any(seat.here for seat in found.seats if seat.person_id == viewer),
        seats=agenda.seats(),
        item=agenda.whole(item) if item else None,
        scores=agenda.scores(item) if item and _shown(found, item, viewer) else None,
        reviewed=item is not None and viewer in item.comments,
        lines=[agenda.line(each) for each in found.items],
        href=attend_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _shown(found: Sitting, item: Item, viewer: Any) -> bool:
    """Whether a member sees what others gave: all are there and theirs is, or it was decided.

    What was only put off is still scored.
    """
    if item.decision is not None and item.decision["kind"] != Kind.DEFER:
        return bool(item.comments)
    return viewer in item.comments and not found.awaited(item)


async def follow(request: Request) -> Response:
    """One event whenever something changes that they see."""
    return await follow_meeting(request, signed_in(request).id)


async def say_here(request: Request) -> Response:
    """Say that one is here, or goes."""
    form, id, me = await read_form(request), read_id(request), signed_in(request).id
    comes = form.get("here") == "yes"

    async def act(tx: Transaction) -> Response:
        await meetings.check_seen(tx, id, me)
        await (meetings.arrive if comes else meetings.leave)(tx, id, me)
        return see(f"{attend_href(id)}?done={'here' if comes else 'gone'}")

    return await once(request, act)
