"""From an idea to letters on their way: the form, the draft, the button."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.web import new_key, once, read_form, read_id, read_pounds, see, site_of
from services.notifications.campaigns import (
    Plan,
    create_campaign,
    discard_campaign,
    plan_faults,
    prepare_letters,
    send_campaign,
)
from services.notifications.domain import MERGE_FIELDS, AskFormula, InvalidFormula
from services.notifications.hrefs import MOUNT, campaign_href
from services.notifications.sending import SEND_LETTERS

_AMOUNTS = {
    "ask_least": "least_pence",
    "ask_each": "each_pence",
    "ask_step": "step_pence",
    "ask_most": "most_pence",
}
_TEXTS = ("name", "purpose", "fund", "subject", "body", "signatory", "kind", "profession")

Faults = dict[str, dict[str, str]]


async def show_form(request: Request) -> Response:
    """The empty form."""
    return _form(request, {"roles": []}, {})


async def create(request: Request) -> Response:
    """Make a draft and all of its letters, or show the form again with every fault."""
    form = await read_form(request)
    values: dict[str, Any] = {name: str(form.get(name, "")).strip() for name in (*_TEXTS, *_AMOUNTS)}
    values["roles"] = [str(role) for role in form.getlist("roles")]
    site = site_of(request)
    faults: Faults = {}
    plan = _read_plan(values, faults)
    for fault in plan_faults(plan, site.context.house):
        _add(faults, fault)
    if faults:
        return _form(request, values, faults, status=422)

    async def act(tx: Transaction) -> Response:
        id = await create_campaign(tx, plan)
        await prepare_letters(tx, id)
        return see(campaign_href(id))

    return await once(request, site.database, str(form.get("key", "")), act)


async def write_anew(request: Request) -> Response:
    """Make the letters of a draft again, from the address book and the counts of now."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await prepare_letters(tx, id)
        return see(f"{campaign_href(id)}?done=written")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def send(request: Request) -> Response:
    """Let the letters go."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back, read the letters and tick the box."
        raise Refused("You have not said that the letters may go.", cure, field="confirm")

    async def act(tx: Transaction) -> Response:
        await send_campaign(tx, id)
        return see(campaign_href(id))

    response = await once(request, site_of(request).database, str(form.get("key", "")), act)
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def discard(request: Request) -> Response:
    """Throw a draft away."""
    form, id = await read_form(request), read_id(request)
    if form.get("confirm") != "yes":
        cure = "Go back and tick the box, or keep the draft."
        raise Refused("You have not said that the draft may go.", cure, field="confirm")

    async def act(tx: Transaction) -> Response:
        await discard_campaign(tx, id)
        return see(f"{MOUNT}/?done=discarded")

    return await once(request, site_of(request).database, str(form.get("key", "")), act)


def _read_plan(values: dict[str, Any], faults: Faults) -> Plan:
    """The plan in the form; what cannot be read is noted and stands in as the smallest sound figure."""
    pence = dict.fromkeys(_AMOUNTS.values(), 1)
    for field, name in _AMOUNTS.items():
        try:
            pence[name] = read_pounds(values[field], field=field)
        except Refused as fault:
            _add(faults, fault)
    formula = AskFormula(version=1, least_pence=1, each_pence=0, step_pence=1, most_pence=1)
    if not faults:
        try:
            formula = AskFormula(version=1, **pence)
        except InvalidFormula as invalid:
            _add(faults, Refused(str(invalid), "Correct these figures.", field="ask_least"))
    return Plan(**{name: values[name] for name in _TEXTS}, roles=values["roles"], formula=formula)


def _add(faults: Faults, fault: Refused) -> None:
    faults.setdefault(fault.field, {"fault": fault.what, "cure": fault.cure})


def _form(request: Request, values: dict[str, Any], faults: Faults, status: int = 200) -> Response:
    site = site_of(request)
    house = site.context.house
    options = {
        "kinds": list(house.lists["kinds"].values()),
        "roles": list(house.lists["contact_roles"].values()),
        "professions": list(house.lists["professions"].values()),
        "signatories": list(house.signatories.values()),
        "merge_fields": [{"name": name, "description": words} for name, words in MERGE_FIELDS.items()],
    }
    response: Response = site.page(
        request,
        "campaign_new.html",
        status=status,
        values=dict.fromkeys((*_TEXTS, *_AMOUNTS), "") | values,
        faults=faults,
        options=options,
        key=new_key(request),
    )
    return response
