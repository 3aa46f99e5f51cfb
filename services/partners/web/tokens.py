"""Access for one's own programs: tokens, made and revoked by whoever they act for."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.web import fault, new_key, once, read_form, read_id, require_proof, see, signed_in, site_of
from contracts.access import ACCOUNT, ROLES, Role
from services.partners import tokens
from services.partners.queries import PEOPLE
from services.partners.web.shown_once import brought, page_once, show_once
from services.partners.web.sign_in import again_first

TOKENS = f"{ACCOUNT}/tokens"

_DONE = {"revoked": "It opens nothing any more, in every section within a few seconds."}


async def show(request: Request) -> Response:
    """One's tokens, and the form for another one."""
    return await _page(request, {"name": "", "role": "", "days": "90", "writes": ""}, {})


async def _page(
    request: Request, values: dict[str, Any], faults: dict[str, Any], status: int = 200
) -> Response:
    async with site_of(request).database.reading() as tx:
        known = await PEOPLE.person_by_id(tx, id=signed_in(request).id)
        mine = [row async for row in PEOPLE.tokens_of(tx, person_id=signed_in(request).id, now=tx.now)]
    if known is None:
        raise NotFound
    if known["second_factor"] is not None:
        require_proof(request)
    return site_of(request).page(
        request,
        "tokens.html",
        status=status,
        tokens=[{**row, "role": _name(row["role"])} for row in mine],
        roles=[(role, _name(role)) for role in known["roles"]],
        longest=tokens.LONGEST_DAYS,
        values=values,
        faults=faults,
        href=TOKENS,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def issue(request: Request) -> Response:
    """Make one, and go on to where it is shown this once."""
    form, person = await read_form(request), signed_in(request)
    if first := await again_first(request, TOKENS):
        return first
    values = {name: str(form.get(name, "")).strip() for name in ("name", "role", "days", "writes")}
    days = int(values["days"]) if values["days"].isdecimal() and len(values["days"]) < 5 else 0
    wanted: dict[str, Any] = {
        "name": values["name"],
        "role": values["role"],
        "writes": bool(values["writes"]),
        "days": days,
    }

    async def act(tx: Transaction) -> Response:
        known = await PEOPLE.person_by_id(tx, id=person.id)
        if known is not None and known["second_factor"] is not None:
            require_proof(request)
        token = await tokens.issue(tx, person.id, **wanted)
        return show_once(request, f"{TOKENS}/new", token=token, name=values["name"])

    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field and type(refused) is not Conflict:
            raise
        faults = {refused.field or "name": fault(refused.what, refused.cure)}
        return await _page(request, values, faults, refused.status)


async def show_new(request: Request) -> Response:
    """A token that was just made; or that there is none, when the page is opened again or directly."""
    made = brought(request) or {"token": "", "name": "A new one"}
    return page_once(request, "token.html", **made, href=TOKENS)


async def revoke(request: Request) -> Response:
    """Let it open nothing any more. Those of others are answered like those that do not exist."""
    person, id = signed_in(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await tokens.revoke(tx, person.id, id)
        return see(f"{TOKENS}?done=revoked")

    return await once(request, act)


def _name(role: str) -> str:
    return ROLES[Role(role)][0]
