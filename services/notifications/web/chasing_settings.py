"""How a campaign chases, on a page: written by one person, with how it reads, and approved by another."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import Faults, add_faults, new_key, once, read_form, read_id, see, signed_in, site_of
from services.notifications.chasing_settings import (
    Chasing,
    chaser_fields,
    chasing_faults,
    chasing_of,
    chasing_that_waits,
    set_chasing,
)
from services.notifications.colleagues import called
from services.notifications.domain import CampaignState
from services.notifications.hrefs import campaign_href, chasing_href, step_href
from services.notifications.web.specimens import give_specimen
from services.notifications.web.steps import read_campaign
from services.notifications.web.words import chaser_checked

_DONE = {
    "set": "Saved. Chasers that were ordered before keep the words that they had.",
    "waits": "Saved. Somebody else reads it and says whether it may be done so.",
    "approved": "Approved. The campaign chases like this from now on.",
}


async def show(request: Request) -> Response:
    """How a campaign is to chase."""
    async with site_of(request).database.reading() as tx:
        return await _page(request, tx)


async def check(request: Request) -> Response:
    """The same page with what is typed, what is wrong with it and how it would read. Nothing is kept."""
    form = await read_form(request)
    async with site_of(request).database.reading() as tx:
        return await _page(request, tx, typed=_typed(form))


async def mail(request: Request) -> Response:
    """The e-mail of a chaser that says what is typed, or the words that there are, as a file."""
    site, typed = site_of(request), _typed(await read_form(request)) if request.method == "POST" else None
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, read_id(request))
        words = typed["words"] if typed else (await chasing_of(tx, campaign["id"])).chasing.words
        preview = (await chaser_checked(tx, campaign, words))["preview"]
        if preview is None:
            return await _page(request, tx, typed=typed)
    return await give_specimen(site.context, *preview["mail"], what="chaser")


async def save(request: Request) -> Response:
    """Write it anew, for somebody else to approve, or the form again with every fault."""
    site, id, form = site_of(request), read_id(request), await read_form(request)
    typed = _typed(form)
    chasing = Chasing(
        most=_number(typed["most"]),
        every=_number(typed["every"]),
        by_itself=typed["by_itself"],
        words=typed["words"],
    )
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, id)
        faults: Faults = {}
        add_faults(faults, chasing_faults(chasing, asks=campaign["asks"]))
        if faults:
            return await _page(request, tx, typed=typed, faults=faults)

    async def act(tx: Transaction) -> Response:
        written = await set_chasing(tx, id, chasing, signed_in(request).id)
        return see(f"{step_href(id, 'chasing')}?done={'waits' if written.waits else 'set'}")

    return await once(request, act)


def _typed(form: FormData) -> dict[str, Any]:
    typed = {name: str(form.get(name, "")).strip() for name in ("most", "every", "words")}
    typed["words"] = typed["words"].replace("\r\n", "\n")
    return {**typed, "by_itself": form.get("by_itself") == "yes"}


def _number(text: str) -> int:
    """A number as it was typed; one that is refused where there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1


async def _page(
    request: Request,
    tx: Transaction,
    *,
    typed: Mapping[str, Any] | None = None,
    faults: Faults | None = None,
) -> Response:
    campaign = await read_campaign(tx, read_id(request))
    newest = await chasing_of(tx, campaign["id"])
    values = typed or asdict(newest.chasing)
    state = CampaignState(campaign["state"])
    response: Response = site_of(request).page(
        request,
        "chasing_settings.html",
        status=422 if faults else 200,
        campaign=campaign,
        href=campaign_href(campaign["id"]),
        newest=newest,
        returned=(await called(tx, [newest.returned_by]))[newest.returned_by],
        waits=await chasing_that_waits(tx, campaign) is not None,
        fixed=state.is_before_sending and state is not CampaignState.DRAFT,
        values=values,
        faults=faults or {},
        fields=chaser_fields(asks=campaign["asks"]),
        check=await chaser_checked(tx, campaign, values["words"]),
        list_href=chasing_href(campaign["id"]),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )
    return response
