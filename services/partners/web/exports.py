"""Taking the register away: as tables of what the list shows, and as address cards. Each time is noted."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.audit import acting, note
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.house import word
from chassis.web import Streamed, give_table, read_id, saved_as, site_of
from chassis.web.access import actor_of
from services.partners import exports
from services.partners.domain import Contact, Organisation
from services.partners.exports import CONTACTS, ORGANISATIONS, SLICE
from services.partners.queries import QUERIES, REGISTER
from services.partners.web.hrefs import EXPORTS
from services.partners.web.searching import Search

_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CARDS = "text/vcard; charset=utf-8"


async def show(request: Request) -> Response:
    """What can be taken away of what the list shows."""
    site, search = site_of(request), Search(request.query_params)
    async with site.database.reading() as tx:
        total = await search.count(tx)
    asked = f"?{search.query}" if search.query else ""
    return site.page(
        request,
        "exports.html",
        total=total,
        searched=bool(search.asked),
        organisations_href=f"{EXPORTS}/organisations.csv{asked}",
        contacts_href=f"{EXPORTS}/contacts.csv{asked}",
        workbook_href=f"{EXPORTS}/register.xlsx{asked}",
    )


async def organisations(request: Request) -> Response:
    """The organisations of a search as CSV."""
    lines = exports.organisation_lines(site_of(request).database, _pages(request))
    return give_table(await _noted(request, "organisations", "csv"), ORGANISATIONS, lines)


async def contacts(request: Request) -> Response:
    """The same with a line for each contact, in the form that can be taken in again."""
    lines = exports.contact_lines(site_of(request).database, _pages(request))
    return give_table(await _noted(request, "contacts", "csv"), CONTACTS, lines)


async def workbook(request: Request) -> Response:
    """Both as the sheets of a workbook."""
    database, page = site_of(request).database, _pages(request)
    content = exports.as_workbook(
        [
            ("Organisations", ORGANISATIONS, exports.organisation_lines(database, page)),
            ("Contacts", CONTACTS, exports.contact_lines(database, page)),
        ]
    )
    name = saved_as(await _noted(request, "register", "xlsx"))
    headers = {"content-disposition": f"attachment; {name}"}
    return Streamed(content, media_type=_WORKBOOK, headers=headers)


def _pages(request: Request) -> Callable[[Transaction, UUID | None], AsyncIterator[Any]]:
    """The organisations that the list would show, some at a time."""
    search = Search(request.query_params)

    def page(tx: Transaction, after: UUID | None) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = REGISTER.organisations_listed(
            tx, **search.filters(tx), after=after, most=SLICE
        )
        return found

    return page


async def _noted(request: Request, what: str, ending: str) -> str:
    """Note that a table is taken, and whether it was all of it; under which name it is saved."""
    searched = bool(Search(request.query_params).asked)
    async with acting(site_of(request).database, actor_of(request)) as tx:
        note(tx, "exported", what, "", after={"as": ending, "searched": searched})
        today = tx.today
    return f"{what}-{today.isoformat()}.{ending}"


async def card(request: Request) -> Response:
    """One contact as an address card."""
    id = read_id(request)
    async with acting(site_of(request).database, actor_of(request)) as tx:
        rows = [row async for row in QUERIES.contacts_by_id(tx, ids=[id])]
        found = [Contact.of(row) for row in rows if row["withdrawn_on"] is None]
        if not found:
            raise NotFound
        return await _cards(tx, found[0].organisation_id, found, "contact", id)


async def cards(request: Request) -> Response:
    """Everybody at an organisation to whom we may write, as address cards."""
    id = read_id(request)
    async with acting(site_of(request).database, actor_of(request)) as tx:
        rows = [row async for row in QUERIES.contacts_of(tx, organisations=[id])]
        found = [Contact.of(row) for row in rows if row["withdrawn_on"] is None]
        return await _cards(tx, id, found, "contacts_of", id)


async def _cards(
    tx: Transaction, organisation_id: UUID, contacts: list[Contact], what: str, id: UUID
) -> Response:
    row = await QUERIES.organisation_by_id(tx, id=organisation_id)
    if row is None:
        raise NotFound
    note(tx, "exported", what, id, after={"as": "vcf", "count": len(contacts)})
    roles = tx.context.house.lists["contact_roles"]
    made = exports.as_cards(
        Organisation.of(row),
        sorted(contacts, key=lambda each: (each.role, each.name)),
        lambda code: word(roles, code),
    )
    headers = {"content-disposition": f"attachment; {saved_as(f'contacts-{str(id)[-8:]}.vcf')}"}
    return Response(made, media_type=_CARDS, headers=headers)
