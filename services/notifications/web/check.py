"""From a draft to its end: what would go, the approval, the sending, a pause and a stop."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.web import (
    fault_of,
    new_key,
    read_asked_id,
    read_form,
    read_id,
    read_revision,
    see,
    signed_in,
    site_of,
)
from chassis.working_days import is_working_day
from contracts.access import Action
from services.notifications import stages
from services.notifications.chasing_settings import chasing_of
from services.notifications.checking import LISTS, MOST, blocked_words, check_of, listed
from services.notifications.colleagues import called
from services.notifications.composing import write_anew
from services.notifications.domain import LETTER_STAGES, Block, CampaignState, LetterState
from services.notifications.hrefs import campaign_href, letter_href, step_href
from services.notifications.leaving import kept_here
from services.notifications.preparing import Made
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.sending import SEND_LETTERS
from services.notifications.web.posting import postage
from services.notifications.web.pressing import press
from services.notifications.web.roles import roles_that_may
from services.notifications.web.steps import done, flash_of, framed, read_campaign
from services.notifications.web.words import chaser_checked, looked_over

#: Hours at which letters may come without waking anybody.
_BY_DAY = range(7, 20)

#: What the audit calls what was done, by the code that stands in an address; of acts that say nothing more.
_NOTED = {
    "submitted": "campaign_submitted",
    "taken_back": "campaign_taken_back",
    "sending": "campaign_sent",
    "paused": "campaign_paused",
    "resumed": "campaign_resumed",
    "stopped": "campaign_stopped",
}

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
        doubts = await looked_over(site.context.house, campaign, campaign["subject"], campaign["body"])
        hands = await stages.hands_in(tx, campaign)
        chasing = (await chasing_of(tx, id)).chasing
        chaser = await chaser_checked(tx, campaign, chasing.words)
        acted = {name: campaign[f"{name}_by"] for name in ("submitted", "approved", "returned")}
        names = await called(tx, acted.values())
    signed = signed_in(request).id
    response: Response = site.page(
        request,
        f"campaign_{step}.html",
        status=refused.status if refused else 200,
        **framed(campaign, step),
        check=check,
        kept=_kept(site.context, campaign),
        lines=_lines(campaign, check),
        doubts=doubts,
        cost=postage(site.context.house, check.figures["post"]),
        preview_href=letter_href(first) if first else None,
        caution=_caution(campaign["send_at"]),
        waits=hands is not None,
        approvers=roles_that_may(Action.APPROVE_LETTERS),
        had_a_hand=signed in (hands or ()),
        chasing=chasing,
        chaser=chaser,
        who={name: names[person] for name, person in acted.items()},
        faults=fault_of(refused) if refused else {},
        values={"because": "", "send_on": "", "send_at": "09:00"} | typed,
        key=new_key(request),
        flash=flash_of(request, campaign),
    )
    return response


def _kept(context: Context, campaign: Any) -> Block | None:
    """Why none of its letters can go, where they are still to go."""
    waits = CampaignState(campaign["state"]).is_before_sending
    return kept_here(context.settings, context.house) if waits else None


def _lines(campaign: Any, check: Any) -> list[dict[str, Any]]:
    """What somebody looks at, each with how many letters it is about and where they are."""
    figures, blocked = check.figures, blocked_words(campaign)

    def line(which: str, count: int, look: str, one: str, several: str) -> dict[str, Any]:
        href = f"{campaign_href(campaign['id'])}/letters?which={which}"
        return {"count": count, "words": one if count == 1 else several, "href": href, "look": look}

    dead = "to an address that may be dead"
    squeezed = "an address of so many lines that they stand behind each other in the window"
    lately = "what the same body has heard in the last 90 days"
    return [
        line("email", figures["email"], "ready", "goes by e-mail", "go by e-mail"),
        line("post", figures["post"], "ready", "goes by post", "go by post"),
        *(
            line(reason, count, "blocked", *[f"cannot go: {_lower(blocked[reason])}"] * 2)
            for reason, count in check.blocked
        ),
        *(
            line(which, check.again.get(which, 0), look, f"goes to a body that {one}", f"go to {many}")
            for which, look, one, many in _again(campaign["fund"])
        ),
        line("twice", check.twice, "stale", f"says {lately}", f"say {lately}"),
        line("suspect", figures["suspect"], "stale", f"goes {dead}", f"go {dead}"),
        line("squeezed", figures["squeezed"], "stale", f"has {squeezed}", f"have {squeezed}"),
        line("own", figures["own"], "asked", "has words of its own", "have words of their own"),
    ]


def _again(fund: str) -> Sequence[tuple[str, str, str, str]]:
    """What bodies have said that another campaign has asked for the same fund, of one and of several."""
    undecided = f"asked for the {fund} before and {{}} not decided yet"
    return (
        ("pledged", "pledged", f"has pledged for the {fund}", f"bodies that have pledged for the {fund}"),
        (
            *("written_back", "closed"),
            f"has pledged for the {fund}, which will not come",
            f"bodies that have pledged for the {fund}, which will not come",
        ),
        ("declined", "declined", f"has declined the {fund}", f"bodies that have declined the {fund}"),
        ("open", "stale", "was " + undecided.format("has"), "bodies that were " + undecided.format("have")),
    )


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


async def show_letters(request: Request) -> Response:
    """The letters that one line of the check list is about; or those to one body."""
    site, id = site_of(request), read_id(request)
    asked = request.query_params
    which, after = asked.get("which", "all"), asked.get("after", "0")
    number = int(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0
    body = read_asked_id(asked.get("body", ""))
    async with site.database.reading() as tx:
        campaign = await read_campaign(tx, id)
        blocked = {reason.value: words for reason, words in blocked_words(campaign).items()}
        words = (LISTS | blocked).get(which)
        if words is None:
            raise NotFound
        rows = await listed(tx, id, which, number, body)
    roles = site.context.house.lists["contact_roles"]
    here = f"{campaign_href(id)}/letters?which={which}" + (f"&body={body}" if body else "")
    response: Response = site.page(
        request,
        "campaign_letters.html",
        **framed(campaign),
        title=f"Letters to {rows[0]['body_name']}" if body and rows else words,
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
    """Say, as somebody else than whoever wrote them, that the letters may go, or chasers like these."""

    form, id = await read_form(request), read_id(request)

    async def act(tx: Transaction) -> Response:
        _confirmed(form, "You have not said that the letters may go.")
        state = await stages.approve_campaign(tx, id, signed_in(request).id, read_revision(form))
        return see(step_href(id, "send" if state.is_before_sending else "chasing") + done("approved"))

    leads = {
        f"{what}_approved": step_href(id, step) + done("approved")
        for what, step in (("campaign", "send"), ("chasing", "chasing"))
    }
    return await press(request, act, id, leads, step_href(id, "approve"))


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
        return see(_leads(id, step) + done(code, made))

    leads = {_NOTED[code]: _leads(id, step) + done(code)} if code in _NOTED else {}
    try:
        return await press(request, act, id, leads, _leads(id, step))
    except Refused as refused:
        if not (again and refused.field):
            raise
        typed = {name: str(form.get(name, "")) for name in ("because", "send_on", "send_at") if name in form}
        return await _page(request, again, refused, **typed)


def _leads(id: UUID, step: str) -> str:
    return step_href(id, step) if step else campaign_href(id)


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


def _caution(moment: datetime | None) -> str:
    """What somebody may not have thought of who chose a moment; nothing where it is a good one."""
    if moment is None:
        return ""
    there = moment.astimezone(LOCAL)
    if there.weekday() >= 5:
        return "That is a weekend: nobody may be there to read them."
    if not is_working_day(there.date()):
        return "That is a bank holiday: nobody may be there to read them."
    return "" if there.hour in _BY_DAY else "That is at night: nobody may be there to read them."


def _is_skipped(moment: datetime) -> bool:
    """Whether no clock in London ever shows this: an hour is left out in March."""
    as_shown = datetime.fromtimestamp(moment.timestamp(), LOCAL)
    return as_shown.replace(tzinfo=None) != moment.replace(tzinfo=None)
