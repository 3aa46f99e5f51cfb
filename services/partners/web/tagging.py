"""Tags on one organisation, and on many at once: asked, confirmed, done, undone."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import BadRequest, new_key, once, read_form, read_id, see, signed_in, site_of
from services.partners import amending, tagging
from services.partners.web.hrefs import LIST, MOUNT
from services.partners.web.register import page_of
from services.partners.web.searching import Search

HERE = f"{MOUNT}/tagging"


async def tag_one(request: Request) -> Response:
    """Put a tag on one organisation, or take one from it."""
    form, id = await read_form(request), read_id(request)
    removed = str(form.get("remove", ""))

    async def act(tx: Transaction) -> Response:
        await amending.lock_organisation(tx, id)
        if removed:
            await tagging.untag(tx, id, _id(removed))
            return see(f"{LIST}/{id}?done=untagged")
        await tagging.tag(tx, id, str(form.get("tag", "")))
        return see(f"{LIST}/{id}?done=tagged")

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field:
            raise
        return await page_of(request, refused, tag=str(form.get("tag", ""))[:200])


async def ask(request: Request) -> Response:
    """Note what is to be done with the organisations that are ticked, or with all that were found."""
    form, person = await read_form(request), signed_in(request).id
    search = Search.of_query(str(form.get("search", "")))

    async def act(tx: Transaction) -> Response:
        if form.get("all") == "yes":
            ids = [row["id"] for row in await search.first(tx, tagging.MOST + 1)]
        else:
            ids = [_id(str(text)) for text in form.getlist("organisation")]
        removes = form.get("act") == "remove"
        name = str(form.get("tag", ""))
        id = await tagging.ask(tx, person, name, ids, removes=removes, query=search.query)
        return see(f"{HERE}/{id}")

    try:
        return await once(request, act)
    except Refused as refused:
        if refused.status != Refused.status:
            raise
        return site_of(request).page(
            request, "tagging_refused.html", status=refused.status, refused=refused, back=_back(search.query)
        )


async def show(request: Request) -> Response:
    """What is to be done, with the number of organisations, to be confirmed."""
    site, person = site_of(request), signed_in(request).id
    async with site.database.reading() as tx:
        row = await tagging.shown(tx, person, read_id(request))
    return site.page(
        request,
        "tagging.html",
        tagging=row,
        here=f"{HERE}/{row['id']}",
        back=_back(row["query"]),
        key=new_key(request),
    )


async def carry_out(request: Request) -> Response:
    """Do what was confirmed."""
    person, id = signed_in(request).id, read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(_back(await tagging.carry_out(tx, person, id), id))

    return await once(request, act)


async def undo(request: Request) -> Response:
    """Take back what was done."""
    person, id = signed_in(request).id, read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(_back(await tagging.undo(tx, person, id), id))

    return await once(request, act)


def _back(query: str, tagging: UUID | None = None) -> str:
    """The list from which it was begun."""
    parts = [query, f"tagging={tagging}" if tagging else ""]
    return f"{LIST}?{'&'.join(filter(None, parts))}"


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(
            "The form has lost an organisation.", "Go back, reload and tick them again."
        ) from None
