"""What everybody has who signs in: their own sessions, and a form that was posted too late."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import has_proved, new_key, once, read_id, see, signed_in, site_of
from chassis.web.access import end_session, marked
from contracts.access import ACCOUNT, PROVE, ROLES, Role, needs_proof
from services.partners import people, signing_in
from services.partners.queries import PEOPLE
from services.partners.web.sign_in import KEPT, browser_of, forget_renewal

_DONE = {
    "discarded": "Your form is not sent, and no longer kept.",
    "ended": "That session has ended.",
    "removed": "You have no second factor any more.",
    "asked": "We are gathering it. Somebody looks through it and gives it to you within a month.",
}


async def show(request: Request) -> Response:
    """Who one is here, and where one is signed in."""
    site, person = site_of(request), signed_in(request)
    async with site.database.reading() as tx:
        known = await PEOPLE.person_by_id(tx, id=person.id)
        if known is None:
            raise NotFound
        since = signing_in.good_since(tx)
        sessions = [row async for row in PEOPLE.sessions_of(tx, person_id=person.id, **since)]
        codes_left = await PEOPLE.recovery_codes_left(tx, person_id=person.id)
    return site.page(
        request,
        "account.html",
        known=known,
        roles=[ROLES[Role(role)] for role in known["roles"]],
        sessions=[{**row, "this": row["id"] == person.session} for row in sessions],
        account_href=ACCOUNT,
        needs_second_factor=needs_proof(known["roles"]),
        codes_left=codes_left,
        proved=has_proved(request),
        prove_href=f"{PROVE}?next={ACCOUNT}",
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def sign_out(request: Request) -> Response:
    """End this session."""
    return await _leave(request, signed_in(request).session)


async def sign_out_everywhere(request: Request) -> Response:
    """End every session, this one too."""
    return await _leave(request, None)


async def _leave(request: Request, session: UUID | None) -> Response:
    person, site = signed_in(request), site_of(request)

    async def act(tx: Transaction) -> Response:
        await people.sign_out(tx, person.id, session)
        return see("/?done=signed_out")

    response = await once(request, act)
    end_session(response, site.context.settings)
    forget_renewal(request, response)
    # Nothing may be kept anyway; this is for browsers that did. "cookies" would reach the body's other sites.
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


async def end(request: Request) -> Response:
    """End one of one's own sessions. Those of others are answered like those that do not exist."""
    person, id = signed_in(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        if not await people.sign_out(tx, person.id, id):
            raise NotFound
        return see(f"{ACCOUNT}?done=ended")

    return await once(request, act)


async def kept(request: Request) -> Response:
    """The form that was posted when the session had ended, to be sent now."""
    async with site_of(request).database.reading() as tx:
        found = await signing_in.kept_form(tx, browser_of(request), signed_in(request).id)
    path, fields = found or ("", [])
    return site_of(request).page(
        request,
        "kept.html",
        kept=KEPT,
        path=path,
        fields=[(name, _marked_anew(request, value) if name == "key" else value) for name, value in fields],
        flash=_DONE.get(request.query_params.get("done", "")),
        shown=[(name.replace("_", " "), value) for name, value in fields if name != "key" and value.strip()],
    )


async def send_kept(request: Request) -> Response:
    """Send the form that was kept to where it was going, and keep it no longer."""
    return await _let_go(request, send=True)


async def discard_kept(request: Request) -> Response:
    """Keep the form no longer; it is not sent."""
    return await _let_go(request, send=False)


async def _let_go(request: Request, *, send: bool) -> Response:
    browser = browser_of(request)

    async def act(tx: Transaction) -> Response:
        found = await signing_in.kept_form(tx, browser, signed_in(request).id)
        if found is None:
            return see(KEPT)
        await signing_in.forget_kept_forms(tx, browser)
        return RedirectResponse(found[0], 307) if send else see(f"{KEPT}?done=discarded")

    return await once(request, act)


def _marked_anew(request: Request, key: str) -> str:
    """The key of a form, for the session that there is now; it is still the same form."""
    bare, _, rest = key.partition(".")
    return marked(request, bare) + rest[32:]
