"""Whom to chase today: the list, the order, thinking again, and what a letter's page says of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.house import House, word
from chassis.web import Find, new_key, read_form, read_id, see, site_of
from chassis.working_days import working_days_between
from services.notifications.chasing import (
    MOST,
    call_back,
    chase_bodies,
    chaser_content,
    mark_chaser_sent,
    said_elsewhere,
    send_chaser_again,
    waiting_of,
    whom_to_chase,
)
from services.notifications.domain import CampaignState, Channel, LetterState, pounds
from services.notifications.hrefs import (
    campaign_href,
    chaser_href,
    chasing_href,
    letter_href,
    post_href,
    step_href,
)
from services.notifications.letters import HIDDEN, content_of
from services.notifications.patience import Refusal, WhyNot, because, times, why_not
from services.notifications.printing import as_printed
from services.notifications.queries import CHASING, POSTING, QUERIES
from services.notifications.reaching import hand_to_post, others_at, write_to_other
from services.notifications.sending import SEND_LETTERS
from services.notifications.web.pressing import press
from services.notifications.web.printing import give_pdf
from services.notifications.web.specimens import give_specimen

#: Campaigns in which one may write to somebody else.
_GOES_ON = (CampaignState.SENDING, CampaignState.SENT)
#: Other people at a body that are offered at once.
_OTHERS = 3

_DONE = {
    "ordered": "Ordered. The chasers go in two minutes; until then you can call them back below.",
    "back": "Called back. None of these chasers is sent.",
    "other": "The letter to somebody else there goes now.",
    "other_before": "You have ordered the letter to them before.",
    "other_by_post": "The letter to somebody else there waits to be printed.",
    "post": "It waits to be printed now, with other post.",
}


def done_words(request: Request) -> str | None:
    """What was just done, as the address says it."""
    return _DONE.get(request.query_params.get("done", ""))


# The list


async def show(request: Request) -> Response:
    """Whom to chase today, and where chasing has not helped."""
    site, campaign_id = site_of(request), _campaign_in(request)
    async with site.database.reading() as tx:
        campaign = await QUERIES.campaign(tx, id=campaign_id) if campaign_id else None
        if campaign_id and campaign is None:
            raise NotFound
        found = await whom_to_chase(tx, campaign_id=campaign_id)
        elsewhere = await said_elsewhere(tx, found.rows)
        stuck = await whom_to_chase(tx, campaign_id=campaign_id, enough=True)
        others = await others_at(tx, [_body(row) for row in stuck.rows])
        batches = await rows_of(CHASING.batches_waiting(tx, campaign_id=campaign_id, most=MOST))
        posts = await rows_of(POSTING.waiting_to_be_printed(tx, campaign_id=campaign_id))
    house, ticks = site.context.house, request.query_params.get("tick") != "none"
    ours, left_out = (
        [each for each in found.left_out if (each[1].code is WhyNot.OUR_TURN) is our_turn]
        for our_turn in (True, False)
    )
    response: Response = site.page(
        request,
        "chasing.html",
        campaign=campaign and {"name": campaign["name"], "href": campaign_href(campaign["id"])},
        rows=_first_of_each(
            sorted(
                (_row(row, tx.today, house) | {"said": _said(row, elsewhere)} for row in found.rows),
                key=lambda row: (row["since"], row["body_name"].casefold()),
            )
        ),
        ticks=ticks,
        tick_href=f"?{request.url.include_query_params(tick='none' if ticks else 'all').query}",
        in_all=found.in_all,
        our_turn=_shown(ours, tx.today, house),
        our_turn_in_all=_bodies_in(ours),
        left_out=_shown(left_out, tx.today, house),
        left_out_in_all=_bodies_in(left_out),
        stuck=[_row(row, tx.today, house) | _ways(row, others, house) for row in stuck.rows],
        stuck_in_all=stuck.in_all,
        batches=[
            {**row, "back_href": chasing_href(campaign_id, f"{row['batch_id']}/back")} for row in batches
        ],
        to_print=sum(row["letters"] + row["chasers"] for row in posts),
        chase_href=chasing_href(campaign_id),
        other_href=chasing_href(campaign_id, "other"),
        by_post_href=chasing_href(campaign_id, "post"),
        post_href=post_href(),
        key=new_key(request),
        flash=done_words(request),
    )
    return response


def _first_of_each(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with whether another campaign to the same body stands above it."""
    above: set[UUID] = set()
    shown = []
    for row in rows:
        shown.append({**row, "again": row["organisation_id"] in above})
        above.add(row["organisation_id"])
    return shown


def _shown(
    not_chased: Sequence[tuple[Mapping[str, Any], Refusal]], today: Any, house: House
) -> list[dict[str, Any]]:
    """Who is not chased and why, once for all campaigns."""
    rows = [_row(row, today, house) | {"why": refusal.words} for row, refusal in not_chased]
    return list({(row["organisation_id"], *row["roles"], row["why"]): row for row in rows}.values())[:MOST]


def _bodies_in(not_chased: Sequence[tuple[Mapping[str, Any], Refusal]]) -> int:
    return len({row["organisation_id"] for row, _ in not_chased})


def _said(row: Mapping[str, Any], elsewhere: Mapping[Any, Sequence[Any]]) -> list[str]:
    """What a body has said in other campaigns for the same fund meanwhile."""
    found = elsewhere.get((row["campaign_id"], row["organisation_id"]), ())
    return [f"{_in_words(each['pledge_pence'])} in “{each['campaign']}”" for each in found]


def _in_words(pledge_pence: int) -> str:
    return f"Pledged {pounds(pledge_pence)}" if pledge_pence else "Declined"


def _campaign_in(request: Request) -> UUID | None:
    """The campaign whose list one looks at, and stays in; none in that of all."""
    text = request.query_params.get("campaign", "")
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
        "organisation_id": row["organisation_id"],
        "body_name": row["body_name"],
        "href": letter_href(row["letter_ids"][0]),
        "campaign": row["campaign"],
        "reads_href": step_href(row["campaign_id"], "chasing"),
        "since": since,
        "days": working_days_between(since, today),
        "acknowledged": row["acknowledged"],
        "letters": len(row["letter_ids"]),
        "roles": [_role(house, code) for code in dict.fromkeys(row["roles"])],
        "chased": times(row["chased"]),
        "last_at": row["last_at"],
    }


def _role(house: House, code: str) -> str:
    return word(house.lists["contact_roles"], code)


def _ways(row: Mapping[str, Any], others: Mapping[Any, Sequence[Any]], house: House) -> dict[str, Any]:
    """What else can be tried with a body: the next role, and the other channel."""
    there = others.get((row["campaign_id"], row["organisation_id"]), ())
    shown = [
        {
            "contact_id": each["contact_id"],
            "name": each["name"],
            "role": _role(house, each["role"]),
            "by_post": each["channel"] == Channel.POST,
        }
        for each in there[:_OTHERS]
    ]
    return {"others": shown, **_body(row)}


# Acts


async def chase(request: Request) -> Response:
    """Chase one body, or all that are ticked."""
    form, campaign = await read_form(request), _campaign_in(request)
    only = str(form.get("only", ""))
    bodies = [_pair(str(text)) for text in ([only] if only else form.getlist("body"))]
    if not bodies:
        raise Refused("You have ticked nobody.", "Go back and tick whom to chase.", field="body")

    async def act(tx: Transaction) -> Response:
        await chase_bodies(tx, bodies[:MOST])
        return see(chasing_href(campaign, done="ordered"))

    return await press(request, act, _about(bodies), {}, chasing_href(campaign))


def _about(bodies: Sequence[tuple[UUID, UUID]]) -> Find:
    """What shows who chased these bodies last, or did something else there."""
    asked = [{"campaign_id": str(campaign), "organisation_id": str(body)} for campaign, body in bodies]

    async def find(tx: Transaction) -> Sequence[UUID]:
        return [row["id"] async for row in CHASING.about_bodies(tx, bodies=asked)]

    return find


def _pair(text: str) -> tuple[UUID, UUID]:
    try:
        campaign, organisation = map(UUID, text.split(":"))
    except ValueError:
        raise Refused("We could not read whom to chase.", "Open the page again and try again.") from None
    return campaign, organisation


async def back(request: Request) -> Response:
    """Think again: nothing of this order is sent that is not on its way, in the campaign one looks at."""
    id, campaign = read_id(request), _campaign_in(request)

    async def act(tx: Transaction) -> Response:
        await call_back(tx, id, campaign)
        return see(there)

    there = chasing_href(campaign, done="back")
    return await press(request, act, id, {"chasers_called_back": there}, chasing_href(campaign))


async def other(request: Request) -> Response:
    """Write to somebody else at a body."""
    form, campaign = await read_form(request), _campaign_in(request)
    campaign_id, contact_id = _pair(f"{form.get('campaign_id', '')}:{form.get('contact_id', '')}")

    async def act(tx: Transaction) -> Response:
        by_post = await write_to_other(tx, campaign_id, contact_id) is Channel.POST
        return see(chasing_href(campaign, done="other_by_post" if by_post else "other"))

    async def find(tx: Transaction) -> Sequence[UUID]:
        theirs = CHASING.letters_to_person(tx, campaign_id=campaign_id, contact_id=contact_id)
        return [row["id"] async for row in theirs]

    does = {"letter_to_other": chasing_href(campaign, done="other_before")}
    response = await press(request, act, find, does, chasing_href(campaign))
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def post(request: Request) -> Response:
    """Hand a letter to a person who posts it."""
    form, campaign = await read_form(request), _campaign_in(request)
    campaign_id, organisation_id = _pair(f"{form.get('campaign_id', '')}:{form.get('organisation_id', '')}")

    async def act(tx: Transaction) -> Response:
        await hand_to_post(tx, campaign_id, organisation_id)
        return see(chasing_href(campaign, done="post"))

    return await press(request, act, _about([(campaign_id, organisation_id)]), {}, chasing_href(campaign))


async def arrived(request: Request) -> Response:
    """A person knows that a chaser arrived."""
    return await act_on_chaser(request, mark_chaser_sent, "arrived", "chaser_marked_sent")


async def again(request: Request) -> Response:
    """A person wants a chaser to go again."""
    response = await act_on_chaser(request, send_chaser_again, "again", "")
    site_of(request).context.wake(SEND_LETTERS)
    return response


async def act_on_chaser(
    request: Request, change: Callable[[Transaction, UUID], Awaitable[UUID]], done: str, noted: str
) -> Response:
    """Change one chaser and go back to its letter.

    Args:
        noted: what the audit calls it; nothing where to do it twice may be to do something else.
    """
    id, page = read_id(request), letter_href((await _read_chaser(request))["id"])
    there = f"{page}?done=chaser_{done}"

    async def act(tx: Transaction) -> Response:
        await change(tx, id)
        return see(there)

    return await press(request, act, id, {noted: there} if noted else {}, page)


async def as_pdf(request: Request) -> Response:
    """A chaser as it was printed and posted, or would be today."""
    chaser = await _read_chaser(request)
    has_it = chaser["chaser_acknowledged"]
    words, made_on = chaser["chaser_body"], chaser["made_on"]
    content = chaser_content(site_of(request).context, chaser, words, made_on, acknowledged=has_it)
    if chaser["says"] is not None:
        content = as_printed(content, chaser["says"])
    return await give_pdf(content, f"chaser-{chaser['reference']}-{chaser['chaser_number']}.pdf")


async def as_file(request: Request) -> Response:
    """A chaser's e-mail, as that of a letter."""
    site, chaser = site_of(request), await _read_chaser(request)
    first = content_of(site.context, chaser, HIDDEN)
    on = chaser["chaser_sent_at"] and chaser["chaser_sent_at"].astimezone(LOCAL).date()
    has_it = chaser["chaser_acknowledged"]
    content = chaser_content(site.context, chaser, chaser["chaser_body"], on, HIDDEN, acknowledged=has_it)
    number = chaser["chaser_number"]
    return await give_specimen(site.context, content, first, what="chaser", number=number)


async def _read_chaser(request: Request) -> Any:
    async with site_of(request).database.reading() as tx:
        chaser = await CHASING.chaser(tx, id=read_id(request))
    if chaser is None:
        raise NotFound
    return chaser


# On the page of a letter


async def of_letter(tx: Transaction, row: Any, house: House) -> dict[str, Any]:
    """What a letter's page shows of chasing: why or why not, every chaser, and whom else to try."""
    letter = await waiting_of(tx, row["id"])
    chasers = await rows_of(CHASING.chasers_of(tx, letter_id=row["id"]))
    shown: dict[str, Any] = {"chasers": [_chaser(each) for each in chasers], "chasing": None}
    came_back = letter.came_back or any(each["delivery"] for each in chasers)
    if came_back and not letter.body_answer.is_answer and row["campaign_state"] in _GOES_ON:
        others = await others_at(tx, [_body(row)])
        shown["elsewhere"] = _ways(row, others, house) | {"href": chasing_href(row["campaign_id"], "other")}
    if letter.state is not LetterState.SENT:
        return shown
    refusal = why_not(letter, tx.today)
    words = (
        f"Not chased now: {_begun_small(refusal.words)}"
        if refusal
        else (f"Is chased today, {because(letter, tx.today)}. It stands on the list of whom to chase.")
    )
    return {**shown, "chasing": words}


def _begun_small(words: str) -> str:
    return words[:1].lower() + words[1:]


_STATES = {
    "ready": "Waits to be sent",
    "printed": "Printed: to be posted",
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
        "state": row["delivery"] or {"withheld": "stopped"}.get(state, state),
        "state_words": _by_post(row) if by_post else _STATES[state],
        "because": row["because"],
        "failure": " ".join(filter(None, [row["failure"], row["cure"]])),
        "at": row["sent_at"] or row["changed_at"],
        "arrived_href": f"{href}/arrived" if state == "unknown" else None,
        "again_href": f"{href}/again" if state in ("unknown", "failed") else None,
        "pdf_href": f"{href}/pdf" if by_post else None,
        "mail_href": None if by_post else f"{href}/mail",
        "returned_href": f"{href}/returned" if by_post and state == "sent" and not row["delivery"] else None,
    }


def _by_post(row: Mapping[str, Any]) -> str:
    if row["delivery"]:
        return "Came back by post"
    return {"ready": "Waits to be printed", "sent": "Posted"}.get(row["state"], _STATES[row["state"]])
