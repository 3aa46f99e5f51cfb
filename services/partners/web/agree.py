"""Where somebody at another body reads an agreement and signs it. No account; looking is no act.

The secret in the address is compared by digest and stands in no log, metric or Referer.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import fault_of, new_key, once, private, read_form, see, site_of
from services.partners import agreements, signing
from services.partners.agreements import SIGN
from services.partners.signing import Signer
from services.partners.terms import TEXTS, Side, Terms
from services.partners.web.versions import pdf_of, prepared

_FIELDS = ("name", "position")


async def show(request: Request) -> Response:
    """The page behind the link. Opening it is no signature."""
    return await _page(request)


async def sign(request: Request) -> Response:
    """Sign, or show the page again with what is wrong. A second time changes nothing."""
    token = request.path_params["token"]
    if await _find(request) is None:
        return _unknown(request)
    form = await read_form(request)
    values = {name: str(form.get(name, "")) for name in _FIELDS}

    async def act(tx: Transaction) -> Response:
        signer = Signer.typed(**values)
        if form.get("confirm") != "yes":
            cure = "Tick the box if you may. Otherwise let the right person have this page."
            raise Refused("You have not said that you may sign.", cure, field="confirm")
        await signing.sign_theirs(tx, token, signer)
        return see(f"{SIGN}/{token}?done=signed")

    try:
        return private(await once(request, act))
    except agreements.Incomplete:
        return await _page(request, status=409, stuck=True, values=values)
    except Refused as refused:
        return await _page(request, status=refused.status, values=values, faults=fault_of(refused))


async def as_pdf(request: Request) -> Response:
    """The version that the link belongs to."""
    async with site_of(request).database.reading() as tx:
        version = await signing.by_token(tx, request.path_params["token"])
        if version is None:
            return _unknown(request)
        printed = await prepared(tx, version["organisation_id"], version)
    return private(await pdf_of(*printed))


async def _find(request: Request) -> Any:
    async with site_of(request).database.reading() as tx:
        return await signing.by_token(tx, request.path_params["token"])


async def _page(request: Request, *, status: int = 200, **values: Any) -> Response:
    site, token = site_of(request), request.path_params["token"]
    async with site.database.reading() as tx:
        version = await signing.by_token(tx, token)
        if version is None:
            return _unknown(request)
        terms = Terms.of(version["content"]["terms"])
        _, signatures, name_of = await prepared(tx, version["organisation_id"], version)
    sides = {each["side"]: each for each in signatures}
    shown = {"values": dict.fromkeys(_FIELDS, ""), "faults": {}, "stuck": False, **values}
    response = site.page(
        request,
        "agree.html",
        status=status,
        version=version,
        body=version["content"]["organisation"]["name"],
        terms=terms,
        labels={name: label for name, label in TEXTS.items() if name != "title"},
        outcomes=[
            {"it": each, "owner": name_of(each.owner_id) if each.owner_id else ""} for each in terms.outcomes
        ],
        ours=sides.get(Side.OURS),
        theirs=sides.get(Side.THEIRS),
        pdf_href=f"{SIGN}/{token}/pdf",
        key=new_key(request),
        **shown,
    )
    return private(response)


def _unknown(request: Request) -> Response:
    return private(site_of(request).page(request, "agree_unknown.html", status=404))
