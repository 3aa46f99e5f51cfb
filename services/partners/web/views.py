"""Saved views of the list: saving one, and looking after those that are there."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import new_key, once, read_form, read_id, see, signed_in, site_of
from services.partners import views
from services.partners.queries import REGISTER
from services.partners.web.hrefs import LIST, MOUNT
from services.partners.web.listing import MOST_VIEWS
from services.partners.web.searching import Search

HERE = f"{MOUNT}/views"

_DONE = {
    "renamed": "The view has its new name.",
    "deleted": "The view is deleted.",
    "restored": "The view is back.",
}


async def show_all(request: Request) -> Response:
    """The views that one may use, each to be renamed or deleted."""
    return await _page(request)


async def _page(request: Request, refused: Refused | None = None, of: str = "", typed: str = "") -> Response:
    site, person = site_of(request), signed_in(request).id
    async with site.database.reading() as tx:
        rows = [row async for row in REGISTER.views_of(tx, person_id=person, most=MOST_VIEWS)]
    done, deleted = request.query_params.get("done", ""), request.query_params.get("view", "")
    return site.page(
        request,
        "views.html",
        status=refused.status if refused else 200,
        views=[{**row, "href": f"{LIST}?{row['query']}", "place": f"{HERE}/{row['id']}"} for row in rows],
        refused=refused,
        of=of,
        typed=typed,
        key=new_key(request),
        flash=_DONE.get(done),
        undo=f"{HERE}/{deleted}/restore"
        if done == "deleted" and deleted.replace("-", "").isalnum()
        else None,
    )


async def save(request: Request) -> Response:
    """Keep what the list was asked."""
    form, person = await read_form(request), signed_in(request).id
    query = Search.of_query(str(form.get("search", ""))).query

    async def act(tx: Transaction) -> Response:
        await views.save(tx, person, str(form.get("name", "")), query, shared=form.get("shared") == "yes")
        return see(f"{LIST}?{query}{'&' if query else ''}done=view")

    return await once(request, act)


async def rename(request: Request) -> Response:
    """Call a view something else."""
    form, person, id = await read_form(request), signed_in(request).id, read_id(request)
    name = str(form.get("name", ""))

    async def act(tx: Transaction) -> Response:
        await views.rename(tx, person, id, name)
        return see(f"{HERE}?done=renamed")

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field:
            raise
        return await _page(request, refused, str(id), name)


async def delete(request: Request) -> Response:
    """Take a view away."""
    person, id = signed_in(request).id, read_id(request)

    async def act(tx: Transaction) -> Response:
        await views.delete(tx, person, id)
        return see(f"{HERE}?done=deleted&view={id}")

    return await once(request, act)


async def restore(request: Request) -> Response:
    """Have a view back that was deleted."""
    person, id = signed_in(request).id, read_id(request)

    async def act(tx: Transaction) -> Response:
        await views.restore(tx, person, id)
        return see(f"{HERE}?done=restored")

    return await once(request, act)
