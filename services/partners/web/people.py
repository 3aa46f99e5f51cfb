"""People who may sign in: the list, inviting somebody, what each is trusted with."""

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import has_proved, new_key, once, read_form, read_id, see, site_of
from contracts.access import PROVE, RIGHTS, ROLES, Role, needs_proof
from services.partners import people, second_factor, signing_in
from services.partners.queries import PEOPLE

LIST = "/partners/people"

_DONE = {
    "invited": "They were sent a message that says how to sign in.",
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
        return await once(request, site_of(request).database, str(form.get("key", "")), act)
    except Refused as refused:
        if not refused.field:
            raise
        fault = {"fault": refused.what, "cure": refused.cure}
        return _invitation(request, values, {refused.field: fault}, refused.status)


async def show(request: Request) -> Response:
    """One person."""
    site = site_of(request)
    async with site.database.reading() as tx:
        known = await PEOPLE.person_by_id(tx, id=read_id(request))
        if known is None:
            raise NotFound
        since = signing_in.good_since(tx)
        sessions = [row async for row in PEOPLE.sessions_of(tx, person_id=known["id"], **since)]
    return site.page(
        request,
        "person.html",
        known=known,
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
        await people.change_roles(tx, id, roles)
        return _back(id, "roles")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def bar_somebody(request: Request) -> Response:
    """Let somebody in no more."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back and tick the box."
        raise Refused("You have not said that they may be barred.", cure, field="confirm")

    async def act(tx: Transaction) -> Response:
        await people.bar(tx, id)
        return _back(id, "barred")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def forget_second_factor(request: Request) -> Response:
    """For somebody who has lost their telephone and their recovery codes: they set up another one."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        if await PEOPLE.lock_person(tx, id=id) is None:
            raise NotFound
        await second_factor.forget(tx, id)
        return _back(id, "forgotten")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def admit_again(request: Request) -> Response:
    """Let somebody in again who was barred, with the roles that they had."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        known = await PEOPLE.lock_person(tx, id=id)
        if known is None:
            raise NotFound
        await people.invite(tx, name=known["name"], email=known["email"], roles=known["roles"])
        return _back(id, "invited")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


def _back(id: UUID, done: str) -> Response:
    return see(f"{LIST}/{id}?done={done}")


def _names(roles: list[str]) -> list[str]:
    return [ROLES[Role(role)][0] for role in roles]


def _all_roles() -> list[dict[str, str]]:
    return [{"code": role, "name": name, "meaning": meaning} for role, (name, meaning) in ROLES.items()]
