"""Addresses that may be dead: which, since when, and saying that one works."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import new_key, read_form, read_id, see, site_of
from services.notifications.campaigns import postal_lines
from services.notifications.domain import Channel
from services.notifications.hrefs import MOUNT
from services.notifications.queries import SUSPECTING
from services.notifications.suspecting import say_it_works
from services.notifications.web.pressing import press

MOST = 200
_WHY = {"email": "Nothing has ever come from there", "post": "Our letter came back by post"}
_DONE = {"works": "Noted. We count from the beginning for this address."}


async def show(request: Request) -> Response:
    """The addresses that have swallowed everything, and those from which post came back."""
    site = site_of(request)
    async with site.database.reading() as tx:
        found = [row async for row in SUSPECTING.suspects(tx, most=MOST)]
    roles: Any = site.context.house.lists["contact_roles"]
    response: Response = site.page(
        request,
        "suspects.html",
        rows=[
            {
                **row,
                "role": roles[row["role"]].name if row["role"] in roles else row["role"],
                "address": row["email"] if row["channel"] == Channel.EMAIL else ", ".join(postal_lines(row)),
                "why": _WHY[row["channel"]],
                "works_href": f"{MOUNT}/suspects/{row['contact_id']}/works",
            }
            for row in found
        ],
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response


async def works(request: Request) -> Response:
    """A member of staff knows that the address works."""
    form, id = await read_form(request), read_id(request)
    channel = Channel.POST if form.get("channel") == "post" else Channel.EMAIL

    async def act(tx: Transaction) -> Response:
        await say_it_works(tx, id, channel)
        return see(there)

    here = f"{MOUNT}/suspects"
    there = f"{here}?done=works"
    return await press(request, act, id, {"suspicion_lifted": there}, here, channel=channel.value)
