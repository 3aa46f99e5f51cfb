"""Publishing a round: what will go out, and what stands against it; then, once, all of it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import new_key, read_form, read_id, see, signed_in, site_of
from services.grants import ledger, publishing
from services.grants.queries import ROUNDS
from services.grants.rounds import RoundState
from services.grants.web.agenda import DECIDED, decision_words
from services.grants.web.conflicts import doubts_in_words
from services.grants.web.hrefs import application_href, round_href
from services.grants.web.pressing import press


async def show(request: Request) -> Response:
    """What publishing does."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await ROUNDS.round_by_id(tx, id=id)
        if row is None or row["state"] in (RoundState.DRAFT, RoundState.OPEN):
            raise NotFound
        ahead = await publishing.ahead(tx, row)
        doubts = await doubts_in_words(tx, ahead.doubts)
        free = (await ledger.balance(tx, row["fund_id"])).free_pence
    return site.page(
        request,
        "round_publish.html",
        round=row,
        round_href=round_href(id),
        published=row["state"] == RoundState.PUBLISHED,
        ahead=ahead,
        doubts=doubts,
        rows=[_row(each) for each in ahead.decided],
        counts={kind: ahead.count(kind) for kind in DECIDED},
        unreachable=sum(each["sealed"] is None for each in ahead.decided),
        free_pence=free,
        days=publishing.ANSWER_WITHIN.days,
        href=f"{round_href(id)}/publish",
        key=new_key(request),
    )


def _row(row: Any) -> dict[str, Any]:
    return {
        "label": row["label"],
        "reference": row["reference"],
        "href": application_href(row["id"]),
        "decided": decision_words(row),
        "look": DECIDED[row["kind"]][0],
        "words": row["words"] or "",
    }


async def publish(request: Request) -> Response:
    """Tell everybody."""
    form, id, by = await read_form(request), read_id(request), signed_in(request).id
    if form.get("confirm") != "yes":
        raise Refused("You have not said that it may go out.", "Go back and tick the box.", field="confirm")

    there = f"{round_href(id)}?done=published"

    async def act(tx: Transaction) -> Response:
        await publishing.publish(tx, id, by)
        return see(there)

    return await press(request, act, id, {"round_published": there}, round_href(id))
