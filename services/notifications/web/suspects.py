"""Addresses that may be dead: which, since when, and saying that one works."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import new_key, once, read_form, read_id, see, site_of
from services.notifications.hrefs import MOUNT
from services.notifications.queries import SUSPECTING
from services.notifications.suspecting import say_it_works

MOST = 200
_DONE = {"works": "Noted. We count from the beginning for this address."}


async def show(request: Request) -> Response:
    """The addresses that have swallowed everything."""
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

    async def act(tx: Transaction) -> Response:
        await say_it_works(tx, id)
        return see(f"{MOUNT}/suspects?done=works")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)
