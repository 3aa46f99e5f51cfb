"""A meeting as the officer leads it: who is there, what is on, who counts, what was decided; the wall.

Everything is here that panel members do not see: the pot, and what is kept from some of them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.errors import NotFound, Refused
from chassis.web import (
    BadRequest,
    Faults,
    new_key,
    once,
    read_form,
    read_id,
    see,
    signed_in,
    site_of,
    when,
)
from services.grants import decisions, meetings
from services.grants.decisions import LONGEST_WORDS, Decision, Kind
from services.grants.doubts import doubts_in
from services.grants.ledger import Balance
from services.grants.queries import MEETING
from services.grants.sitting import Item, Sitting, sitting_on_wall, sitting_with
from services.grants.web.agenda import Agenda
from services.grants.web.conflicts import doubts_in_words
from services.grants.web.forms import Fields, Values, submit
from services.grants.web.hrefs import meeting_href, round_href
from services.grants.web.pressing import press
from services.grants.web.watching import follow_meeting

_DONE = {
    "begun": "The meeting has begun. Say who is here.",
    "goes-on": "This meeting was begun before. It goes on.",
    "here": "Noted.",
    "opened": "This case is on now.",
    "reserve": "Noted who stands in.",
    "decided": "The decision is recorded.",
    "ended": "The meeting is over.",
}

_KINDS = {kind.value: kind for kind in Kind}

#: Cases of the agenda on one page.
PAGE = 50

#: What a form that decides holds.
_EMPTY = {"kind": "", "amount": "", "words": "", "why_changed": "", "without_missing": ""}


async def of_round(tx: Transaction, round_id: UUID) -> dict[str, Any]:
    """What the page of a round shows of its meetings."""
    rows = await meetings.meetings_of(tx, round_id)
    return {
        "meetings": [{**row, "href": meeting_href(row["id"])} for row in rows],
        "meets": any(row["ended_at"] is None for row in rows),
        "to_meet_on": await MEETING.anything_to_meet_on(tx, round_id=round_id),
    }


async def begin(request: Request) -> Response:
    """Begin a meeting of a round; or go on with the one that was begun meanwhile."""
    id, by = read_id(request), signed_in(request).id

    async def act(tx: Transaction) -> Response:
        return see(f"{meeting_href(await meetings.begin(tx, id, by))}?done=begun")

    try:
        return await once(request, act)
    except meetings.MeetingGoesOn as other:
        return see(f"{meeting_href(other.id)}?done=goes-on")
    except meetings.NothingToDecide:
        return see(f"{round_href(id)}?done=nothing#meetings-title")


async def show(request: Request) -> Response:
    """The meeting, with what is on now."""
    return await _page(request, _EMPTY, {})


async def _page(
    request: Request,
    values: Mapping[str, Any],
    faults: Faults,
    *,
    status: int = 200,
    case: UUID | None = None,
) -> Response:
    """Args:
        case: the one that a form was about, which is then shown whatever was opened meanwhile.
    """  # fmt: skip
    site, id = site_of(request), read_id(request)
    part, after, find = _asked(request)
    wanted = {"meeting_id": id, "part": part, "after": after, "find": find, "most": PAGE + 1}
    async with site.database.reading() as tx:
        found, pot, rows, doubts = await tx.together(
            sitting_with(tx, id, case),
            pot_of(tx, id),
            rows_of(MEETING.agenda_of(tx, **wanted)),
            _doubts(tx, id),
        )
        others = "besides" in request.query_params and MEETING.not_on_agenda(
            tx, meeting_id=id, round_id=found.round_id, most=meetings.MOST
        )
        besides = await rows_of(others) if others else None
        attended = await rows_of(MEETING.attendance_of(tx, meeting_id=id)) if found.ended_at else ()
    agenda = Agenda(found, site.context.house)
    item = found.items[0] if found.items else None
    href, more = meeting_href(id), len(rows) > PAGE
    return site.page(
        request,
        "meeting.html",
        status=status,
        meeting=found,
        ended=found.ended_at and _until(found.begun_at, found.ended_at),
        round=found.plan,
        round_href=round_href(found.round_id),
        published=found.state == "published",
        seats=agenda.seats({row["person_id"] for row in attended}),
        lines=[agenda.listed(row) for row in rows[:PAGE]],
        more_href=_from(href, rows[PAGE - 1], find) if more else None,
        later=after is not None,
        find=find,
        besides=besides,
        doubts=doubts,
        item=agenda.whole(item) if item else None,
        scores=agenda.scores(item) if item and _all_in(found, item) else None,
        most_pence=min(item.amount_pence, found.plan.most_pence or item.amount_pence) if item else 0,
        pot=pot,
        values=values,
        faults=faults,
        href=href,
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _until(begun: datetime, ended: datetime) -> str:
    """When a meeting ended: the time alone where that was on the day on which it began."""
    same = begun.astimezone(LOCAL).date() == ended.astimezone(LOCAL).date()
    return f"{ended.astimezone(LOCAL):%H:%M}" if same else when(ended)


async def _doubts(tx: Transaction, meeting_id: UUID) -> list[dict[str, Any]]:
    """Who throws doubt on decisions of a meeting's round, in words."""
    row = await MEETING.meeting_by_id(tx, id=meeting_id)
    return await doubts_in_words(tx, await doubts_in(tx, row["round_id"])) if row else []


def _asked(request: Request) -> tuple[int, UUID | None, str]:
    """The part of the agenda and the case in it after which the list begins; with what labels begin."""
    part, after, find = (
        request.query_params.get(name, "")[:50].strip() for name in ("part", "after", "find")
    )
    try:
        if not after:
            return 0, None, find.upper()
        return ("0", "1", "2").index(part), UUID(after), find.upper()
    except ValueError:
        raise BadRequest("There is no such page of the agenda.", "Begin at the meeting again.") from None


def _from(href: str, last: Mapping[str, Any], find: str) -> str:
    """Where the agenda goes on after a row."""
    said = {"part": last["part"], "after": last["case_id"], **({"find": find} if find else {})}
    return f"{href}?{urlencode(said)}"


def _all_in(found: Sitting, item: Item) -> bool:
    """Whether scores are shown: all are there, or the panel has decided without waiting."""
    return bool(item.comments) and (not found.awaited(item) or item.decision is not None)


async def pot_of(tx: Transaction, meeting_id: UUID) -> dict[str, int]:
    """What is free in the fund, and what the round of a meeting has taken of it.

    Raises:
        NotFound: when there is no such meeting.
    """
    row = await MEETING.pot_of(tx, meeting_id=meeting_id)
    if row is None:
        raise NotFound
    free, awarded = Balance.of(row).free_pence, row["awarded_pence"]
    return {"free_pence": free, "awarded_pence": awarded, "whole_pence": free + awarded}


async def follow(request: Request) -> Response:
    """One event whenever something about the meeting changes."""
    return await follow_meeting(request, None)


async def show_screen(request: Request) -> Response:
    """The wall: what is on, who counts, the pot going down, what was decided."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        found, pot, of = await tx.together(
            sitting_on_wall(tx, id), pot_of(tx, id), MEETING.items_counted(tx, meeting_id=id)
        )
    agenda = Agenda(found, site.context.house)
    item = found.present
    decided = [each for each in found.items if found.is_decided(each)]
    # Whoever comes back into the room does not read there what they went out for.
    lines = [agenda.line(each) for each in decided if not found.stepping_out(each)]
    return site.page(
        request,
        "meeting_screen.html",
        meeting=found,
        round=found.plan,
        item=agenda.whole(item) if item else None,
        decided=lines,
        done=len(decided),
        of=of,
        pot=pot,
        href=meeting_href(id),
    )


# What the officer does


async def attend(request: Request) -> Response:
    """Say that somebody is here, or has gone."""

    async def act(tx: Transaction, id: UUID, form: Mapping[str, str]) -> str:
        change = meetings.arrive if form.get("here") == "yes" else meetings.leave
        await change(tx, id, _id(form, "person"))
        return "here"

    return await _do(request, act)


async def open_item(request: Request) -> Response:
    """Turn to a case."""

    async def act(tx: Transaction, id: UUID, form: Mapping[str, str]) -> str:
        await meetings.open_item(tx, id, _id(form, "case"))
        return "opened"

    return await _do(request, act, of="case")


async def call_reserve(request: Request) -> Response:
    """Let a reserve stand in for a case, or no more."""

    async def act(tx: Transaction, id: UUID, form: Mapping[str, str]) -> str:
        change = meetings.stand_in if form.get("in") == "yes" else meetings.stand_back
        await change(tx, id, _id(form, "case"), _id(form, "person"))
        return "reserve"

    return await _do(request, act)


async def end(request: Request) -> Response:
    """End the meeting."""

    async def act(tx: Transaction, id: UUID, form: Mapping[str, str]) -> str:
        if form.get("confirm") != "yes":
            raise Refused("You have not said that it is over.", "Go back and tick the box.", field="confirm")
        await meetings.end(tx, id)
        return "ended"

    return await _do(request, act, noted="meeting_ended")


Doing = Callable[[Transaction, UUID, Mapping[str, str]], Awaitable[str]]


async def _do(request: Request, doing: Doing, *, of: str = "", noted: str = "") -> Response:
    """Args:
        noted: what the audit calls it, where to do it twice is to do the same.
        of: the field by whose value buttons of one form differ: each acts once.
    """  # fmt: skip
    form, id = await read_form(request), read_id(request)
    said = {name: str(value) for name, value in form.items()}
    key = said.get("key", "")
    if of:
        key = f"{key}-{said.get(of, '')[-12:]}"  # of a random id: enough to tell them apart

    async def act(tx: Transaction) -> Response:
        return see(f"{meeting_href(id)}?done={await doing(tx, id, said)}")

    does = {noted: f"{meeting_href(id)}?done=ended"} if noted else {}
    return await press(request, act, id, does, meeting_href(id), key=key)


def _id(form: Mapping[str, str], field: str) -> UUID:
    try:
        return UUID(form.get(field, ""))
    except ValueError:
        raise NotFound from None


async def decide(request: Request) -> Response:
    """Record what the panel has decided on a case."""
    form = await read_form(request)
    fields, id, by = Fields(form), read_id(request), signed_in(request).id
    case_id = _id({name: str(value) for name, value in form.items()}, "case")
    said = Decision(
        kind=fields.one_of("kind", _KINDS),
        amount_pence=fields.pounds("amount") if fields.values.get("kind") == Kind.AWARD else None,
        words=fields.words("words", most=LONGEST_WORDS, required=False),
        why_changed=fields.words("why_changed", most=LONGEST_WORDS, required=False),
        follows=_whole(fields.values.get("follows", "")),
        without_missing=fields.ticked("without_missing"),
    )

    async def act(tx: Transaction) -> Response:
        await decisions.record(tx, id, case_id, said, by)
        return see(f"{meeting_href(id)}?done=decided")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        values = {**_EMPTY, **values}
        return await _page(request, values, faults, status=status, case=case_id)

    async def both(tx: Transaction) -> Sequence[UUID]:
        return [id, case_id]

    pressed = partial(press, of=both, does={}, back=meeting_href(id))
    return await submit(request, fields, act, again, pressed)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        raise BadRequest(
            "The form does not say what it follows on.", "Open the page again and send it again."
        )
    return int(text)
