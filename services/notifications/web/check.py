"""From a draft to its end: what would go, the approval, the sending, a pause and a stop."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import fault_of, new_key, once, read_form, read_id, read_revision, see, signed_in, site_of
from services.notifications import stages
from services.notifications.campaigns import Made
from services.notifications.checking import BLOCKED, LISTS, MOST, check_of, listed
from services.notifications.composing import write_anew
from services.notifications.domain import LETTER_STAGES, LetterState
from services.notifications.hrefs import campaign_href, letter_href, step_href
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.sending import SEND_LETTERS
from services.notifications.web.steps import called, done, flash_of, framed, read_campaign

Act = Callable[[Transaction, UUID, FormData], Awaitable[Made | None]]


async def show_check(request: Request) -> Response:
    """What would go, what cannot and why, and what was said before."""
    return await _page(request, "check")


async def show_approval(request: Request) -> Response:
    """What is to be approved, and by whom it may be."""
    return await _page(request, "approve")


async def show_sending(request: Request) -> Response:
    """How the letters of an approved campaign go: now, or at a time."""
    return await _page(request, "send")


async def _page(request: Request, step: str, refused: Refused | None = None, **typed: str) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, id)
        check = await check_of(tx, id)
        first = await QUERIES.first_letter(tx, campaign_id=id)
    signed = signed_in(request).id
    response: Response = site.page(
        request,
        f"campaign_{step}.html",
        status=refused.status if refused else 200,
        **framed(campaign, step),
        check=check,
        lines=_lines(campaign, check),
        preview_href=letter_href(first) if first else None,
        had_a_hand=signed in campaign["hands"],
        who={name: called(request, campaign[f"{name}_by"]) for name in ("submitted", "approved", "returned")},
        faults=fault_of(refused) if refused else {},
        values={"because": "", "send_on": "", "send_at": "09:00"} | typed,
        key=new_key(request),
        flash=flash_of(request),
    )
    return response


def _lines(campaign: Any, check: Any) -> list[dict[str, Any]]:
    """What somebody looks at, each with how many letters it is about and where they are."""
    figures = check.figures

    def line(which: str, count: int, look: str, one: str, several: str) -> dict[str, Any]:
        href = f"{campaign_href(campaign['id'])}/letters?which={which}"
        return {"count": count, "words": one if count == 1 else several, "href": href, "look": look}

    lately = "what the same body has heard in the last 90 days"
    return [
        line("email", figures["email"], "ready", "goes by e-mail", "go by e-mail"),
        line("post", figures["post"], "ready", "goes by post", "go by post"),
        *(
            line(reason, count, "blocked", *[f"cannot go: {_lower(BLOCKED[reason])}"] * 2)
            for reason, count in check.blocked
        ),
        line("twice", check.twice, "stale", f"says {lately}", f"say {lately}"),
        line("own", figures["own"], "asked", "has words of its own", "have words of their own"),
    ]


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


async def show_letters(request: Request) -> Response:
    """The letters that one line of the check list is about."""
    site, id = site_of(request), read_id(request)
    asked = request.query_params
    which, after = asked.get("which", "all"), asked.get("after", "0")
    words = LISTS.get(which) or {reason.value: words for reason, words in BLOCKED.items()}.get(which)
    if words is None:
        raise NotFound
    number = int(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, id)
        rows = await listed(tx, id, which, number)
    roles = site.context.house.lists["contact_roles"]
    here = f"{campaign_href(id)}/letters?which={which}"
    response: Response = site.page(
        request,
        "campaign_letters.html",
        **framed(campaign),
        title=words,
        letters=[
            {
                **row,
                "href": letter_href(row["id"]),
                "role": roles[row["role"]].name if row["role"] in roles else row["role"],
                "state_words": LETTER_STAGES[LetterState(row["state"])].staff,
            }
            for row in rows[:MOST]
        ],
        first_href=here if number else None,
        next_href=f"{here}&after={rows[MOST - 1]['number']}" if len(rows) > MOST else None,
    )
    return response


async def jump(request: Request) -> Response:
    """Lead to the letter with a number."""
    id, text = read_id(request), request.query_params.get("number", "").strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
    async with site_of(request).database.reading() as tx:
        await read_campaign(tx, id)
        found = await COMPOSING.letter_at(tx, campaign_id=id, number=number)
    if found is None:
        raise NotFound
    return see(letter_href(found))


async def write(request: Request) -> Response:
    """Make the letters of a draft again; those with words of their own keep them, or not, as was chosen."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> Made:
        return await write_anew(tx, id, signed_in(request).id, keep_own=form.get("own") != "drop")

    return await _act(request, act, "check", "written")


async def submit(request: Request) -> Response:
    """Ask for the approval."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        await stages.submit_campaign(tx, id, signed_in(request).id)

    return await _act(request, act, "approve", "submitted")


async def take_back(request: Request) -> Response:
    """Make it a draft again."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        await stages.take_back(tx, id)

    return await _act(request, act, "check", "taken_back")


async def approve(request: Request) -> Response:
    """Say, as somebody else than whoever wrote them, that the letters may go."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        _confirmed(form, "You have not said that the letters may go.")
        await stages.approve_campaign(tx, id, signed_in(request).id, read_revision(form))

    return await _act(request, act, "send", "approved")


async def send_back(request: Request) -> Response:
    """Say what is to be put right first."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        because = str(form.get("because", "")).strip().replace("\r\n", "\n")
        await stages.send_back(tx, id, signed_in(request).id, read_revision(form), because)

    return await _act(request, act, "approve", "sent_back", again="approve")


async def send(request: Request) -> Response:
    """Let the letters go."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        _confirmed(form, "You have not said that the letters may go.")
        await stages.send_campaign(tx, id)

    return _woken(request, await _act(request, act, "", "sending"))


async def schedule(request: Request) -> Response:
    """Let the letters go by themselves at a time; or not any more."""
    form = await read_form(request)
    off = form.get("off") == "yes"

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        await stages.schedule_campaign(tx, id, None if off else _moment(form))

    return await _act(request, act, "send", "unscheduled" if off else "scheduled", again="send")


async def pause(request: Request) -> Response:
    """Let no more letters go for now."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        await stages.pause_campaign(tx, id)

    return await _act(request, act, "", "paused")


async def resume(request: Request) -> Response:
    """Let them go on."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        await stages.resume_campaign(tx, id)

    return _woken(request, await _act(request, act, "", "resumed"))


async def stop(request: Request) -> Response:
    """Set aside, for good, what has not gone."""

    async def act(tx: Transaction, id: UUID, form: FormData) -> None:
        _confirmed(form, "You have not said that the campaign is to stop.")
        await stages.stop_campaign(tx, id)

    return await _act(request, act, "", "stopped")


async def _act(request: Request, change: Act, step: str, code: str, *, again: str = "") -> Response:
    """Move a campaign and go on to a step's page, or to its board; a fault of a field shows a page again."""
    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        made = await change(tx, id, form)
        return see((step_href(id, step) if step else campaign_href(id)) + done(code, made))

    try:
        return await once(request, site_of(request).database, str(form.get("key", "")), act)
    except Refused as refused:
        if not (again and refused.field):
            raise
        typed = {name: str(form.get(name, "")) for name in ("because", "send_on", "send_at") if name in form}
        return await _page(request, again, refused, **typed)


def _woken(request: Request, response: Response) -> Response:
    site_of(request).context.wake(SEND_LETTERS)
    return response


def _confirmed(form: FormData, otherwise: str) -> None:
    if form.get("confirm") != "yes":
        raise Refused(otherwise, "Go back and tick the box.", field="confirm")


def _moment(form: FormData) -> datetime:
    """The moment that was chosen, as clocks in London show it."""
    try:
        day = date.fromisoformat(str(form.get("send_on", "")))
    except ValueError:
        raise Refused(
            "This is not a day.", "Choose it, or write it like 2026-11-30.", field="send_on"
        ) from None
    try:
        clock = time.fromisoformat(str(form.get("send_at", ""))).replace(second=0, microsecond=0)
    except ValueError:
        raise Refused("This is not a time.", "Write it like 09:00.", field="send_at") from None
    if clock.tzinfo is not None:
        raise Refused("This is not a time.", "Write it like 09:00.", field="send_at")
    moment = datetime.combine(day, clock, LOCAL)
    if _is_skipped(moment):
        raise Refused(
            "The clocks go forward then: there is no such time.", "Choose another.", field="send_at"
        )
    return moment


def _is_skipped(moment: datetime) -> bool:
    """Whether no clock in London ever shows this: an hour is left out in March."""
    as_shown = datetime.fromtimestamp(moment.timestamp(), LOCAL)
    return as_shown.replace(tzinfo=None) != moment.replace(tzinfo=None)
