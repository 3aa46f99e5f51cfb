"""People who may sign in: the list, inviting somebody, what each is trusted with."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.web import (
    fault,
    fault_of,
    has_proved,
    new_key,
    once,
    read_form,
    read_id,
    see,
    signed_in,
    site_of,
)
from contracts.access import ALONE, PROVE, RIGHTS, ROLES, Role, needs_proof
from services.partners import people, second_factor, signing_in
from services.partners.queries import PEOPLE

LIST = "/partners/people"

#: What is called by its kind where it did not arrive.
_MESSAGES = {
    "invitation": "The invitation",
    "sign_in": "The link to sign in",
    "chain_heads": "The weekly message to auditors",
}

_DONE = {
    "invited": "They were sent a message that says how to sign in.",
    "address": "They are written to at the new address, and told how to sign in.",
    "roles": "Changed. It holds in every section within a few seconds.",
    "forgotten": "They have no second factor any more, and set up another one before they act.",
    "barred": "They are signed out everywhere and can sign in no more.",
}


async def show_all(request: Request) -> Response:
    """Everybody who was ever admitted."""
    site = site_of(request)
    async with site.database.reading() as tx:
        rows = [row async for row in PEOPLE.people_listed(tx)]
    return site.page(
        request,
        "people.html",
        people=[{**row, "href": f"{LIST}/{row['id']}", "roles": _names(row["roles"])} for row in rows],
        invite_href=f"{LIST}/invite",
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def show_invitation(request: Request) -> Response:
    """The empty form."""
    return _invitation(request, {"name": "", "email": "", "organisation": "", "roles": []}, {})


def _invitation(
    request: Request, values: dict[str, Any], faults: dict[str, Any], status: int = 200
) -> Response:
    return site_of(request).page(
        request,
        "invite.html",
        status=status,
        values=values,
        faults=faults,
        all_roles=_all_roles(),
        key=new_key(request),
    )


async def invite_somebody(request: Request) -> Response:
    """Admit somebody, or show the form again with what is wrong."""
    form = await read_form(request)
    values: dict[str, Any] = {name: str(form.get(name, "")) for name in ("name", "email", "organisation")}
    values["roles"] = [str(role) for role in form.getlist("roles")]

    async def act(tx: Transaction) -> Response:
        await people.invite(tx, **values)
        return see(f"{LIST}?done=invited")

    try:
        return await once(request, act)
    except Refused as refused:
        return _invitation(request, values, fault_of(refused), refused.status)


async def show(request: Request) -> Response:
    """One person."""
    return await _person(request)


async def _act(request: Request, act: Callable[[Transaction], Awaitable[Response]], **typed: Any) -> Response:
    """Act on a form of one person's page, or show the page again with what is wrong and what was typed."""
    try:
        return await once(request, act)
    except Refused as refused:
        if not refused.field and type(refused) is not Conflict:
            raise
        return await _person(request, refused, **typed)


async def _person(
    request: Request,
    refused: Refused | None = None,
    *,
    address: str = "",
    roles: Sequence[str] | None = None,
) -> Response:
    """The page of one person; with what is wrong, when something was sent that cannot be done."""
    site = site_of(request)
    faults = {refused.field or "person": fault(refused.what, refused.cure)} if refused else {}
    async with site.database.reading() as tx:
        known = await PEOPLE.person_by_id(tx, id=read_id(request))
        if known is None:
            raise NotFound
        since = signing_in.good_since(tx)
        sessions = [row async for row in PEOPLE.sessions_of(tx, person_id=known["id"], **since)]
    return site.page(
        request,
        "person.html",
        status=refused.status if refused else 200,
        faults=faults,
        values={"email": address or known["email"], "roles": known["roles"] if roles is None else roles},
        unreached=_MESSAGES.get(known["unreached_by"] or "", "A message"),
        known=known,
        own=known["id"] == signed_in(request).id,
        roles=_names(known["roles"]),
        all_roles=_all_roles(),
        sessions=sessions,
        href=f"{LIST}/{known['id']}",
        rights_href=f"{RIGHTS}/new?who={known['id']}",
        proved=has_proved(request),
        prove_href=f"{PROVE}?next={LIST}/{known['id']}",
        needs_second_factor=needs_proof(known["roles"]),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def give_roles(request: Request) -> Response:
    """Trust somebody with exactly the roles that are ticked."""
    form, id = await read_form(request), read_id(request)
    roles = [str(role) for role in form.getlist("roles")]

    async def act(tx: Transaction) -> Response:
        await people.change_roles(tx, id, roles, by=signed_in(request).id)
        return _back(id, "roles")

    return await _act(request, act, roles=roles)


async def put_address_right(request: Request) -> Response:
    """Invite somebody anew, at an address at which something arrives."""
    form, id = await read_form(request), read_id(request)
    email = str(form.get("email", ""))[:254]

    async def act(tx: Transaction) -> Response:
        await people.put_address_right(tx, id, email)
        return _back(id, "address")

    return await _act(request, act, address=email)


async def bar_somebody(request: Request) -> Response:
    """Let somebody in no more."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        if form.get("confirm") != "yes":
            cure = "Tick the box and send it again."
            raise Refused("You have not said that they may be barred.", cure, field="confirm")
        await people.bar(tx, id)
        return _back(id, "barred")

    return await _act(request, act)


async def forget_second_factor(request: Request) -> Response:
    """For somebody who has lost their telephone and their recovery codes: they set up another one."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        await second_factor.forget(tx, id)
        return _back(id, "forgotten")

    return await _act(request, act)


async def admit_again(request: Request) -> Response:
    """Let somebody in again who was barred, with the roles that they had."""
    id = read_id(request)

    async def act(tx: Transaction) -> Response:
        known = await PEOPLE.lock_person(tx, id=id)
        if known is None:
            raise NotFound
        await people.invite(tx, name=known["name"], email=known["email"], roles=known["roles"])
        return _back(id, "invited")

    return await _act(request, act)


def _back(id: UUID, done: str) -> Response:
    return see(f"{LIST}/{id}?done={done}")


def _names(roles: list[str]) -> list[str]:
    return [ROLES[Role(role)][0] for role in roles]


def _all_roles() -> list[dict[str, str]]:
    """The roles to choose from. One that goes with no other says so."""
    return [
        {"code": role, "name": name, "meaning": meaning, "alone": "".join(ALONE.get(role, ())[:1])}
        for role, (name, meaning) in ROLES.items()
    ]
