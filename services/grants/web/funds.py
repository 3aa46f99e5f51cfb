"""Funds: the list, each one's page, the form that describes it, its terms."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.files import stored_file
from chassis.house import Entry, word
from chassis.web import (
    PDF,
    Difference,
    Faults,
    give_file,
    meanwhile,
    new_key,
    read_form,
    read_id,
    read_revision,
    read_upload,
    see,
    site_of,
    size_in_words,
)
from services.grants import funds, ledger
from services.grants.funds import Fund
from services.grants.ledger import Balance
from services.grants.queries import FUNDS, ROUNDS
from services.grants.rounds import STATES, RoundState
from services.grants.web.bodies import offered, read_bodies
from services.grants.web.forms import ChangedMeanwhile, Fields, Values, check_revision, submit
from services.grants.web.hrefs import FUNDS as LIST
from services.grants.web.hrefs import contribution_href, fund_href, pledge_href, round_href
from services.grants.web.pressing import press

#: Rows of each table of a fund's page.
MOST = 200

#: Where a body is shown: an address of the site, used like the links in its navigation.
BODY = "/partners/organisations"

_FUNDERS = ("funder_1", "funder_2", "funder_3")

_LABELS = {
    "name": "Name",
    "purpose": "What it is for",
    "restriction": "What it may be spent on",
    "restrictions": "Allowed",
    "funder_1": "Funder",
    "funder_2": "Second funder",
    "funder_3": "Third funder",
    "opened_on": "Open since",
}

_DONE = {
    "opened": "The fund is open. Next: enter the money that has come for it.",
    "saved": "Saved.",
    "closed": "The fund is closed.",
    "open_again": "The fund is open again.",
    "terms": "The terms are on file.",
    "received": "The money is in the ledger. From now on it can be committed.",
    "pledged": "The pledge is entered. It counts as money only once it has come.",
}


async def show_all(request: Request) -> Response:
    """Every fund with what it has."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in FUNDS.funds_listed(tx)]
        waiting = [row async for row in FUNDS.pledges_without_fund(tx, most=MOST)]
    return site.page(
        request,
        "funds.html",
        funds=[listed(row) for row in rows],
        total=Balance.of({name: sum(row[name] for row in rows) for name in Balance.__dataclass_fields__}),
        promised_pence=sum(row["promised_pence"] for row in rows),
        waiting=[{**row, "href": pledge_href(row["id"])} for row in waiting],
        new_href=f"{LIST}/new",
    )


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A fund as a list shows it."""
    return {**row, "balance": Balance.of(row), "href": fund_href(row["id"])}


async def show(request: Request) -> Response:
    """One fund: what it is, what it has, and what it can do next."""
    return await _page(request, read_id(request), {})


async def _page(request: Request, id: UUID, faults: Mapping[str, Any], status: int = 200) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        fund = await _found(tx, id)
        values = {
            "balance": await ledger.balance(tx, id),
            "promised": await FUNDS.promised_to(tx, fund_id=id),
            "terms": [_terms(row) async for row in FUNDS.terms_of(tx, fund_id=id)],
            "pledges": [_pledge(row) async for row in FUNDS.pledges_of(tx, fund_id=id, most=MOST)],
            "contributions": [_given(row) async for row in FUNDS.contributions_of(tx, fund_id=id, most=MOST)],
            "rounds": [round_listed(row) async for row in ROUNDS.rounds_of(tx, fund_id=id, most=MOST)],
            "funders": [_funder(row) async for row in FUNDS.names_of_bodies(tx, ids=fund["funders"])],
        }
    return site.page(
        request,
        "fund.html",
        status=status,
        fund=fund,
        href=fund_href(id),
        shared_out=_shared_out(fund["restrictions"], site.context.house.lists["restrictions"]),
        allowed_words=[word(site.context.house.lists["restrictions"], code) for code in fund["restrictions"]],
        **values,
        faults=faults,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _shared_out(codes: Sequence[str], restrictions: Mapping[str, Entry]) -> bool:
    """Whether anybody may be given money of a fund for anything."""
    allowed = funds.allowed_by(codes, restrictions)
    return frozenset() not in (allowed.professions, allowed.purposes)


def round_listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A round as a list shows it."""
    return {**row, "href": round_href(row["id"]), "state_words": STATES[RoundState(row["state"])].staff}


def _funder(row: Mapping[str, Any]) -> dict[str, str]:
    return {"name": row["name"], "href": f"{BODY}/{row['shown_id']}"}


def _terms(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "size_words": size_in_words(row["size"]), "href": f"/grants/terms/{row['id']}"}


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "href": contribution_href(row["id"])}


def _pledge(row: Mapping[str, Any]) -> dict[str, Any]:
    open_pence = row["amount_pence"] - row["received_pence"] - row["written_back_pence"]
    return {**row, "open_pence": open_pence, "href": pledge_href(row["id"])}


async def _found(tx: Transaction, id: UUID) -> Any:
    row = await FUNDS.fund_by_id(tx, id=id)
    if row is None:
        raise NotFound
    return row


async def show_new(request: Request) -> Response:
    """The empty form."""
    return await _form(request, {}, {})


async def open_one(request: Request) -> Response:
    """Open a fund, or show the form again with every fault."""
    fields = Fields(await read_form(request), several=("restrictions",))
    fund = await _read(request, fields)

    async def act(tx: Transaction) -> Response:
        return see(f"{fund_href(await funds.open_fund(tx, fund))}?done=opened")

    return await submit(request, fields, act, partial(_form, request))


async def show_edit(request: Request) -> Response:
    """The form with what the fund is now."""
    id = read_id(request)
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, id)
        values = await _values(tx, row)
    return await _form(request, values, {}, row=row)


async def amend(request: Request) -> Response:
    """Put right what a fund is, unless somebody else has meanwhile: then both are shown."""
    id, form = read_id(request), await read_form(request)
    fields, revision = Fields(form, several=("restrictions",)), read_revision(form)
    async with site_of(request).database.reading() as tx:
        row = await _found(tx, id)
    fund = await _read(request, fields)

    async def act(tx: Transaction) -> Response:
        present = await FUNDS.lock_fund(tx, id=id)
        theirs = _in_words(tx, await _values(tx, present))
        check_revision(present, revision, _LABELS, theirs, _in_words(tx, fields.values))
        await funds.amend_fund(tx, id, fund)
        return see(f"{fund_href(id)}?done=saved")

    try:
        return await submit(request, fields, act, partial(_form, request, row={**row, "version": revision}))
    except ChangedMeanwhile as other:
        now = other.row
        changed = await meanwhile(request, other.differences, id, "fund_amended")
        return await _form(request, fields.values, {}, row=now, status=409, changed=changed)


async def close(request: Request) -> Response:
    """Let nothing come and nothing be promised any more."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back and tick the box, or keep the fund open."
        raise Refused("You have not said that the fund may be closed.", cure, field="confirm")

    there = f"{fund_href(id)}?done=closed"

    async def act(tx: Transaction) -> Response:
        await funds.close_fund(tx, id)
        return see(there)

    return await press(request, act, id, {"fund_closed": there}, fund_href(id))


async def open_again(request: Request) -> Response:
    """Take back that a fund was closed."""
    id = read_id(request)
    there = f"{fund_href(id)}?done=open_again"

    async def act(tx: Transaction) -> Response:
        await funds.open_again(tx, id)
        return see(there)

    return await press(request, act, id, {"fund_opened_again": there}, fund_href(id))


async def keep_terms(request: Request) -> Response:
    """Put terms on file, or show the page again with what is wrong with the file."""
    form, id = await read_form(request), read_id(request)
    fields = Fields(form)
    upload = await _uploaded(form, fields)

    async def act(tx: Transaction) -> Response:
        await funds.keep_terms(
            tx,
            id,
            name=upload.name,
            media_type=upload.kind.media_type,
            content=upload.parts(),
            requires_status=fields.ticked("requires_status"),
        )
        return see(f"{fund_href(id)}?done=terms")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return await _page(request, id, faults, status)

    return await submit(request, fields, act, again)


async def _uploaded(form: FormData, fields: Fields) -> Any:
    """The file of the form; with a fault, nothing."""
    try:
        upload = await read_upload(form, "file", [PDF])
        if upload is None:
            raise Refused("No file was chosen.", "Choose the PDF with the terms.", field="file")
    except Refused as fault:
        fields.add(fault)
        return None
    return upload


async def give_terms(request: Request) -> Response:
    """The file of some terms."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        file_id = await FUNDS.terms_file(tx, id=id)
        file = await stored_file(tx, file_id) if file_id else None
    if file is None:
        raise NotFound
    return give_file(site.database, file)


async def _read(request: Request, fields: Fields) -> Fund:
    """The fund that a form describes; with faults, as far as it can be read."""
    site = site_of(request)
    async with site.database.reading() as tx:
        funders = await read_bodies(tx, fields, _FUNDERS)
    if not funders and not fields.faults:
        fields.add(Refused("Nobody is named here.", "Say who gives the money.", field="funder_1"))
    return Fund(
        name=fields.line("name"),
        purpose=fields.line("purpose", most=500),
        restriction=fields.words("restriction"),
        restrictions=fields.codes("restrictions", site.context.house.lists["restrictions"]),
        funders=tuple(funders),
        opened_on=fields.day("opened_on", latest=site.context.clock.today()) or site.context.clock.today(),
    )


async def _values(tx: Transaction, row: Mapping[str, Any]) -> dict[str, Any]:
    """A fund as its form holds it."""
    names = {each["id"]: each["name"] async for each in FUNDS.names_of_bodies(tx, ids=row["funders"])}
    funders = [names.get(id, "") for id in row["funders"]]
    return {
        **{name: row[name] for name in ("name", "purpose", "restriction", "restrictions")},
        **dict(zip(_FUNDERS, funders, strict=False)),
        "opened_on": row["opened_on"].isoformat(),
    }


def _in_words(tx: Transaction, values: Mapping[str, Any]) -> dict[str, str]:
    restrictions = tx.context.house.lists["restrictions"]
    allowed = ", ".join(word(restrictions, code) for code in values["restrictions"])
    return {name: str(values.get(name, "")) for name in _LABELS} | {"restrictions": allowed}


async def _form(
    request: Request,
    values: Mapping[str, Any],
    faults: Mapping[str, Any],
    *,
    row: Mapping[str, Any] | None = None,
    status: int = 200,
    changed: Sequence[Difference] = (),
) -> Response:
    site = site_of(request)
    async with site.database.reading() as tx:
        bodies = await offered(tx)
    return site.page(
        request,
        "fund_edit.html",
        status=status,
        fund=row,
        href=fund_href(row["id"]) if row else None,
        list_href=LIST,
        values=dict.fromkeys(_LABELS, "") | {"restrictions": []} | dict(values),
        faults=faults,
        changed=changed,
        restrictions=list(site.context.house.lists["restrictions"].values()),
        bodies=bodies,
        key=new_key(request),
    )
