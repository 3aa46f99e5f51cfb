"""The second factor: showing it before what matters, setting it up, and what to do without the telephone."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.web import fault, new_key, once, read_form, require_proof, see, signed_in, site_of
from chassis.web.access import acts, check_key, to_sign_in
from contracts.access import ACCOUNT, PROVE, needs_proof
from services.partners import second_factor
from services.partners.attempts import TooMany
from services.partners.queries import PEOPLE
from services.partners.signing_in import Began
from services.partners.web.shown_once import brought, page_once, show_once
from services.partners.web.sign_in import again_first, by_way_of, give_session, go_on_anew, safe_path

SET_UP = f"{ACCOUNT}/second-factor"
CODES = f"{ACCOUNT}/recovery-codes"

_WRONG = fault(
    "This is not the code of the moment.",
    "Each is good for half a minute, once. Wait for the next one, or set the telephone’s clock.",
)


async def first(request: Request) -> Response:
    """Where one is sent who must show the second factor first; what they were sending is kept."""
    return await by_way_of(request, PROVE, safe_path(request.query_params.get("next", "/")))


async def show(request: Request) -> Response:
    """The form for the code; whoever has no second factor yet is led to setting it up."""
    next = safe_path(request.query_params.get("next", "/"))
    if (await _known(request))["second_factor"] is None:
        return see(f"{SET_UP}?{urlencode({'next': next})}")
    return _form(request, next, {})


def _form(request: Request, next: str, faults: dict[str, Any], status: int = 200) -> Response:
    return site_of(request).page(
        request, "prove.html", status=status, next=next, faults=faults, key=new_key(request), prove=PROVE
    )


async def prove(request: Request) -> Response:
    """Take the code, and go on."""
    form, person = await read_form(request), signed_in(request)
    check_key(request, str(form.get("key", "")))
    next = safe_path(str(form.get("next", "/")))
    try:
        async with acts(request) as tx:
            proved = await second_factor.prove(tx, person, str(form.get("code", "")))
            began = await go_on_anew(request, tx) if proved else None
    except TooMany as refused:
        return _form(request, next, _too_many(refused), refused.status)
    if not proved:
        return _form(request, next, {"code": _WRONG}, 422)
    return _go_on(request, see(next), began)


def _too_many(refused: TooMany) -> dict[str, Any]:
    return {"code": fault(refused.what, "Wait an hour, then type the code of that moment.")}


def _go_on(request: Request, response: Response, began: Began | None) -> Response:
    if began is None:  # the session ended meanwhile
        return to_sign_in(request)
    give_session(request, response, began)
    return response


async def show_set_up(request: Request) -> Response:
    """The picture for the app to read."""
    known, next = await _known(request), safe_path(request.query_params.get("next", ACCOUNT))
    if known["second_factor"] is not None:
        require_proof(request)
    first = await again_first(request, f"{SET_UP}?{urlencode({'next': next})}")
    return first or _set_up(request, known, next, {})


def _set_up(request: Request, known: Any, next: str, faults: dict[str, Any], status: int = 200) -> Response:
    context = site_of(request).context
    secret = second_factor.new_secret(context, signed_in(request), known)
    return site_of(request).page(
        request,
        "second_factor.html",
        status=status,
        picture=second_factor.qr_code(context, known, secret),
        secret=" ".join(secret[place : place + 4] for place in range(0, len(secret), 4)),
        replaces=known["second_factor"] is not None,
        faults=faults,
        next=next,
        key=new_key(request),
        set_up=SET_UP,
    )


async def set_up(request: Request) -> Response:
    """Use it from now on, and show the recovery codes this once."""
    form, person = await read_form(request), signed_in(request)
    check_key(request, str(form.get("key", "")))
    known, next = await _known(request), safe_path(str(form.get("next", ACCOUNT)))
    if known["second_factor"] is not None:
        require_proof(request)
    if first := await again_first(request, SET_UP):
        return first
    try:
        async with acts(request) as tx:
            codes = await second_factor.take(tx, person, known, str(form.get("code", "")))
            began = await go_on_anew(request, tx) if codes else None
    except TooMany as refused:
        return _set_up(request, known, next, _too_many(refused), refused.status)
    if codes is None:
        return _set_up(request, known, next, {"code": _WRONG}, 422)
    return _go_on(request, _codes(request, codes, next), began)


async def show_codes(request: Request) -> Response:
    """Recovery codes that were just made; that they were shown, when the page is opened again."""
    made = brought(request) or {"codes": [], "next": ACCOUNT}
    return page_once(request, "recovery_codes.html", **made)


async def renew_codes(request: Request) -> Response:
    """New recovery codes, shown this once."""
    require_proof(request)
    if first := await again_first(request, CODES):
        return first

    async def act(tx: Transaction) -> Response:
        return _codes(request, await second_factor.renew_recovery_codes(tx, signed_in(request).id), ACCOUNT)

    return await once(request, act)


def _codes(request: Request, codes: list[str], next: str) -> Response:
    return show_once(request, CODES, codes=codes, next=next)


async def remove(request: Request) -> Response:
    """Use none any more, where no role needs one."""
    require_proof(request)
    known = await _known(request)
    if needs_proof(known["roles"]):
        cure = "Set up another one instead."
        raise Conflict("Your roles need a second factor.", cure)
    if first := await again_first(request, f"{SET_UP}/remove"):
        return first

    async def act(tx: Transaction) -> Response:
        await second_factor.forget(tx, known["id"])
        return see(f"{ACCOUNT}?done=removed")

    return await once(request, act)


async def _known(request: Request) -> Any:
    async with site_of(request).database.reading() as tx:
        known = await PEOPLE.person_by_id(tx, id=signed_in(request).id)
    if known is None:
        raise NotFound
    return known
