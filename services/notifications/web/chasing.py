"""Whom to chase today: the list, the order, thinking again, and what a campaign sets for its chasers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House
from chassis.web import new_key, once, read_form, read_id, see, site_of
from chassis.working_days import working_days_between
from services.notifications.chasing import (
    MOST,
    Chasing,
    call_back,
    chase_bodies,
    chaser_content,
    chasing_faults,
    due,
    mark_chaser_sent,
    send_chaser_again,
    set_chasing,
    waiting_of,
    words_of,
)
from services.notifications.domain import LetterState
from services.notifications.hrefs import campaign_href, chaser_href, chasing_href, letter_href
from services.notifications.patience import because, times, why_not
from services.notifications.queries import CHASING, QUERIES
from services.notifications.reaching import hand_to_post, others_at, write_to_other
from services.notifications.sending import SEND_LETTERS
from services.notifications.web.printing import give_pdf
from services.notifications.wording import MERGE_FIELDS

#: Other people at a body that are offered at once.
_OTHERS = 3

_DONE = {
    "ordered": "Ordered. The chasers go in two minutes; until then you can call them back below.",
    "back": "Called back. None of these chasers is sent.",
    "none": "It was too late: these chasers were sent, or called back before.",
    "other": "The letter to somebody else there goes now.",
    "post": "It stands under “To be posted by you” now.",
    "posted": "Noted as posted.",
    "set": "Saved. Chasers that were ordered before keep the words that they had.",
}


def done_words(request: Request) -> str | None:
    """What was just done, as the address says it."""
    return _DONE.get(request.query_params.get("done", ""))


# The list


async def show(request: Request) -> Response:
    """Whom to chase today, and where chasing has not helped."""
    site, campaign_id = site_of(request), _campaign_in(request.query_params.get("campaign", ""))
    async with site.database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=campaign_id) if campaign_id else None
        if campaign_id and campaign is None:
            raise NotFound
        rows = await due(tx, campaign_id=campaign_id)
        stuck = await due(tx, campaign_id=campaign_id, enough=True)
        others = await others_at(tx, [_body(row) for row in stuck])
        batches = [row async for row in CHASING.batches_waiting(tx, most=MOST)]
        posts = [row async for row in CHASING.to_be_posted(tx, most=MOST)]
    house = site.context.house
    response: Response = site.page(
        request,
        "chasing.html",
        campaign=campaign and {"name": campaign["name"], "href": campaign_href(campaign["id"])},
        rows=[_row(row, tx.today, house) for row in rows],
        in_all=rows[0]["in_all"] if rows else 0,
        stuck=[_row(row, tx.today, house) | _ways(row, others, house) for row in stuck],
        stuck_in_all=stuck[0]["in_all"] if stuck else 0,
        batches=[{**row, "back_href": f"{chasing_href()}/{row['batch_id']}/back"} for row in batches],
        posts=[_post(row) for row in posts],
        chase_href=chasing_href(),
        other_href=f"{chasing_href()}/other",
        post_href=f"{chasing_href()}/post",
        key=new_key(request),
        flash=done_words(request),
    )
    return response


def _campaign_in(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound from None


def _body(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(row[name]) for name in ("campaign_id", "organisation_id")}


def _row(row: Mapping[str, Any], today: Any, house: House) -> dict[str, Any]:
    since = row["since"].astimezone(LOCAL).date()
    return {
        "value": f"{row['campaign_id']}:{row['organisation_id']}",
        "body_name": row["body_name"],
        "href": letter_href(row["letter_ids"][0]),
        "campaign": row["campaign"],
        "since": since,
        "days": working_days_between(since, today),
        "acknowledged": row["acknowledged"],
        "letters": len(row["letter_ids"]),
        "roles": [_role(house, code) for code in row["roles"]],
        "chased": times(row["chased"]),
        "last_at": row["last_at"],
    }


def _role(house: House, code: str) -> str:
    role = house.lists["contact_roles"].get(code)
    return role.name if role else code


def _ways(row: Mapping[str, Any], others: Mapping[Any, Sequence[Any]], house: House) -> dict[str, Any]:
    """What else can be tried with a body: the next role, and the other channel."""
    there = others.get((row["campaign_id"], row["organisation_id"]), ())
    shown = [
        {"contact_id": each["contact_id"], "name": each["name"], "role": _role(house, each["role"])}
        for each in there[:_OTHERS]
    ]
    return {"others": shown, **_body(row)}


def _post(row: Mapping[str, Any]) -> dict[str, Any]:
    href = chaser_href(row["id"])
    return {
        **row,
        "href": letter_href(row["letter_id"]),
        "pdf_href": f"{href}/pdf",
        "done_href": f"{href}/posted",
    }


# Acts


async def chase(request: Request) -> Response:
    """Chase one body, or all that are ticked."""
    form = await read_form(request)
    only = str(form.get("only", ""))
    bodies = [_pair(str(text)) for text in ([only] if only else form.getlist("body"))]
    if not bodies:
        raise Refused("You have ticked nobody.", "Go back and tick whom to chase.", field="body")

    async def act(tx: Transaction) -> Response:
        await chase_bodies(tx, bodies[:MOST])
        return see(f"{chasing_href()}?done=ordered")

    return await _once(request, form, act)


def _pair(text: str) -> tuple[UUID, UUID]:
    try:
        campaign, organisation = map(UUID, text.split(":"))
    except ValueError:
        raise Refused("We could not read whom to chase.", "Reload the page and try again.") from None
    return campaign, organisation


async def back(request: Request) -> Response:
    """Think again: nothing of this order is sent that is not on its way."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{chasing_href()}?done={'back' if await call_back(tx, id) else 'none'}")

    return await _once(request, form, act)


async def other(request: Request) -> Response:
    """Write to somebody else at a body."""
    form = await read_form(request)
    campaign_id, contact_id = _pair(f"{form.get('campaign_id', '')}:{form.get('contact_id', '')}")

    async def act(tx: Transaction) -> Response:
        await write_to_other(tx, campaign_id, contact_id)
        return see(f"{chasing_href()}?done=other")

    response = await _once(request, form, act)
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def post(request: Request) -> Response:
    """Hand a letter to a person who posts it."""
    form = await read_form(request)
    campaign_id, organisation_id = _pair(f"{form.get('campaign_id', '')}:{form.get('organisation_id', '')}")

    async def act(tx: Transaction) -> Response:
        await hand_to_post(tx, campaign_id, organisation_id)
        return see(f"{chasing_href()}?done=post")

    return await _once(request, form, act)


async def posted(request: Request) -> Response:
    """A person has posted it."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        await mark_chaser_sent(tx, id)
        return see(f"{chasing_href()}?done=posted")

    return await _once(request, form, act)


async def arrived(request: Request) -> Response:
    """A person knows that a chaser arrived."""
    return await _of_letter(request, mark_chaser_sent, "arrived")


async def again(request: Request) -> Response:
    """A person wants a chaser to go again."""
    response = await _of_letter(request, send_chaser_again, "again")
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def _of_letter(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[UUID]], done: str
) -> Response:
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        return see(f"{letter_href(await change(tx, id))}?done=chaser_{done}")

    return await _once(request, form, act)


async def _once(request: Request, form: Any, act: Callable[[Transaction], Awaitable[Response]]) -> Response:
    return await once(request, site_of(request).database, str(form.get("key", "")), act)


async def as_pdf(request: Request) -> Response:
    """A chaser as it is printed and posted."""
    site = site_of(request)
    async with site.database.reading() as tx:
        chaser = await CHASING.chaser(tx, id=read_id(request))
    if chaser is None:
        raise NotFound
    content = chaser_content(site.context, chaser, chaser["chaser_body"])
    return await give_pdf(content, f"chaser-{chaser['reference']}-{chaser['chaser_number']}.pdf")


# On the page of a letter


async def of_letter(tx: Transaction, letter_id: UUID) -> dict[str, Any]:
    """What is shown of chasing on the page of a letter: why or why not, and every chaser."""
    letter = await waiting_of(tx, letter_id)
    chasers = [row async for row in CHASING.chasers_of(tx, letter_id=letter_id)]
    if letter.state is not LetterState.SENT:
        return {"chasing": None, "chasers": [_chaser(row) for row in chasers]}
    refusal = why_not(letter, tx.today)
    words = (
        f"Not chased now: {_begun_small(refusal.words)}"
        if refusal
        else (f"Is chased today, {because(letter, tx.today)}. It stands on the list of whom to chase.")
    )
    return {"chasing": words, "chasers": [_chaser(row) for row in chasers]}


def _begun_small(words: str) -> str:
    return words[:1].lower() + words[1:]


_STATES = {
    "ready": "Waits to be sent",
    "sending": "Sending now",
    "sent": "Sent",
    "failed": "Not sent: refused",
    "unknown": "Perhaps sent: please check",
    "withheld": "Not sent",
}


def _chaser(row: Mapping[str, Any]) -> dict[str, Any]:
    href, state = chaser_href(row["id"]), row["state"]
    by_post = row["channel"] == "post"
    return {
        "title": f"Chaser {row['number']}{' by post' if by_post else ''}",
        "state": {"withheld": "stopped"}.get(state, state),
        "state_words": "To be posted by you" if by_post and state == "ready" else _STATES[state],
        "because": row["because"],
        "failure": " ".join(filter(None, [row["failure"], row["cure"]])),
        "at": row["sent_at"] or row["changed_at"],
        "arrived_href": f"{href}/arrived" if state == "unknown" else None,
        "again_href": f"{href}/again" if state in ("unknown", "failed") else None,
    }


# What a campaign sets


async def show_settings(request: Request) -> Response:
    """How a campaign chases."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=id)
        if campaign is None:
            raise NotFound
        words = await words_of(tx, id)
    values = {
        "most": campaign["chase_most"],
        "every": campaign["chase_every"],
        "by_itself": campaign["chase_by_itself"],
        "words": words["body"],
    }
    return _settings(request, campaign, words["version"], values, {})


async def keep_settings(request: Request) -> Response:
    """Chase in another way from now on, or the form again with every fault."""
    site, id, form = site_of(request), read_id(request), await read_form(request)
    values = {name: str(form.get(name, "")).strip() for name in ("most", "every", "words")}
    values["words"] = values["words"].replace("\r\n", "\n")
    by_itself = form.get("by_itself") == "yes"
    chasing = Chasing(
        most=_number(values["most"]),
        every=_number(values["every"]),
        by_itself=by_itself,
        words=values["words"],
    )
    faults: dict[str, dict[str, str]] = {}
    for fault in chasing_faults(chasing):
        faults.setdefault(fault.field, {"fault": fault.what, "cure": fault.cure})
    if faults:
        async with site.database.reading() as tx:
            campaign = await QUERIES.campaign(tx, id=id)
            if campaign is None:
                raise NotFound
            words = await words_of(tx, id)
        shown = {**values, "by_itself": by_itself}
        return _settings(request, campaign, words["version"], shown, faults, status=422)

    async def act(tx: Transaction) -> Response:
        await set_chasing(tx, id, chasing)
        return see(f"{campaign_href(id)}/chasing?done=set")

    return await _once(request, form, act)


def _number(text: str) -> int:
    """A number as it was typed; one that is refused where there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1


def _settings(
    request: Request,
    campaign: Any,
    version: int,
    values: Mapping[str, Any],
    faults: Mapping[str, Any],
    status: int = 200,
) -> Response:
    site = site_of(request)
    response: Response = site.page(
        request,
        "chasing_settings.html",
        status=status,
        campaign={"name": campaign["name"], "href": campaign_href(campaign["id"])},
        version=version,
        values=values,
        faults=faults,
        merge_fields=[{"name": name, "description": words} for name, words in MERGE_FIELDS.items()],
        href=f"{campaign_href(campaign['id'])}/chasing",
        list_href=chasing_href(campaign["id"]),
        key=new_key(request),
        flash=done_words(request),
    )
    return response
