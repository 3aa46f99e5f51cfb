"""The panel of a round as the officer keeps it: who is asked, who answered, and what is still missing."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.house import House
from chassis.web import Faults, new_key, once, read_form, read_id, see, site_of
from services.grants import panel
from services.grants.colleagues import called
from services.grants.panel import NOT_AGAIN, SEATS, Member, Place, Seat
from services.grants.queries import ROUNDS
from services.grants.rounds import Round, RoundState
from services.grants.web.forms import Fields, Values, submit
from services.grants.web.hrefs import member_href, panel_href, round_href, ways

_SEVERAL = ("professions",)

#: Of whom nothing is kept any more.
NAMELESS = "Somebody whose account is gone"

_DONE = {
    "invited": "They are asked. A letter with the way to their desk is on its way.",
    "again": "They are asked once more, by a new letter.",
    "saved": "Saved.",
    "left": "They are off the panel, and see nothing of it any more.",
}

#: How each answer looks, and what it is called.
_ANSWERS: Mapping[bool | None, tuple[str, str]] = {
    True: ("done", "Takes part"),
    False: ("declined", "Said no"),
    None: ("asked", "No answer yet"),
}

#: States in which the members of a round may change.
_CHANGING = (RoundState.OPEN, RoundState.CLOSED)


async def show(request: Request) -> Response:
    """Who sits on the panel, and the form to ask somebody."""
    return await _page(request, {"seat": Seat.MEMBER.value, "professions": []}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await _round(tx, id)
        members = await panel.members_of(tx, id)
        names = await called(tx, [member.person_id for member in members])
        free = await panel.those_free(tx, members)
    plan, house = Round.of(row), site.context.house
    seated = [member for member in members if member.left_at is None]
    return site.page(
        request,
        "panel.html",
        status=status,
        round=row,
        round_href=round_href(id),
        ways=ways(id, panel_href),
        changing=row["state"] in _CHANGING,
        members=[_member(id, member, names, house) for member in seated],
        left=[_member(id, member, names, house) for member in members if member.left_at is not None],
        lacking=panel.lacking(plan, members, profession_names(house)),
        free=[{"code": str(who.id), "name": f"{who.name}, {who.email}"} for who in free],
        **_choices(house, plan),
        values={"person": "", "for_funder": "", **values},
        faults=faults,
        href=panel_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def profession_names(house: House) -> dict[str, str]:
    """What each profession is called, by its code."""
    return {code: entry.name for code, entry in house.lists["professions"].items()}


def _choices(house: House, plan: Round) -> dict[str, Any]:
    """What the form offers: the professions of those who may apply before all others."""
    entries = house.lists["professions"].values()
    return {
        "seats": [{"code": seat.value, "name": name} for seat, name in SEATS.items()],
        "professions": sorted(entries, key=lambda entry: entry.code not in plan.professions),
    }


def _member(round_id: UUID, member: Member, names: Mapping[UUID, str], house: House) -> dict[str, Any]:
    known, (look, words) = profession_names(house), _ANSWERS[member.takes_part]
    return {
        "name": names.get(member.person_id, NAMELESS),
        "seat": SEATS[member.place.seat],
        "peer_of": ", ".join(known.get(code, code) for code in member.place.professions),
        "for_funder": member.place.for_funder,
        "look": look,
        "answer": words,
        "invited_at": member.invited_at,
        "answered_at": member.answered_at,
        "left_at": member.left_at,
        "href": member_href(round_id, member.person_id),
    }


async def _round(tx: Transaction, id: UUID) -> Any:
    row = await ROUNDS.round_by_id(tx, id=id)
    if row is None or row["state"] == RoundState.DRAFT:
        raise NotFound
    return row


async def invite(request: Request) -> Response:
    """Ask somebody, or show the form again with every fault."""
    fields, id = Fields(await read_form(request), several=_SEVERAL), read_id(request)
    place, person = _read(fields, site_of(request).context.house), fields.person("person")

    async def act(tx: Transaction) -> Response:
        await panel.invite(tx, id, person, place)
        return see(f"{panel_href(id)}?done=invited")

    return await submit(request, fields, act, partial(_page, request))


def _read(fields: Fields, house: House) -> Place:
    seat = fields.one_of("seat", {seat.value: seat for seat in Seat})
    return Place(
        seat=seat or Seat.MEMBER,
        professions=fields.codes("professions", house.lists["professions"]),
        for_funder=fields.ticked("for_funder"),
    )


# One member


async def show_member(request: Request) -> Response:
    """How somebody sits, and what can be changed."""
    return await _member_page(request, None, {})


async def _member_page(
    request: Request, values: Mapping[str, Any] | None, faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id, person = site_of(request), read_id(request), read_id(request, "person")
    async with site.database.reading() as tx:
        row = await _round(tx, id)
        found = {member.person_id: member for member in await panel.members_of(tx, id)}
        names = await called(tx, [person])
        now = tx.now
    member = found.get(person)
    if member is None:
        raise NotFound
    plan, house, place = Round.of(row), site.context.house, member.place
    held = {
        "seat": place.seat.value,
        "professions": list(place.professions),
        "for_funder": "yes" if place.for_funder else "",
    }
    return site.page(
        request,
        "panel_member.html",
        status=status,
        round=row,
        round_href=round_href(id),
        panel_href=panel_href(id),
        member=_member(id, member, names, house),
        changing=row["state"] in _CHANGING and member.left_at is None,
        may_ask_again=not member.takes_part,
        asked_lately=member.invited_at > now - NOT_AGAIN,
        **_choices(house, plan),
        values=held if values is None else values,
        faults=faults,
        href=member_href(id, person),
        key=new_key(request),
    )


async def change(request: Request) -> Response:
    """Write anew how somebody sits, or show the form again with every fault."""
    fields, id = Fields(await read_form(request), several=_SEVERAL), read_id(request)
    person, place = read_id(request, "person"), _read(fields, site_of(request).context.house)

    async def act(tx: Transaction) -> Response:
        await panel.change(tx, id, person, place)
        return see(f"{panel_href(id)}?done=saved")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return await _member_page(request, {"for_funder": "", **values}, faults, status=status)

    return await submit(request, fields, act, again)


async def invite_again(request: Request) -> Response:
    """Ask somebody once more."""
    return await _do(request, panel.invite_again, "again")


async def leave(request: Request) -> Response:
    """Take somebody off the panel."""
    if (await read_form(request)).get("confirm") != "yes":
        raise Refused("You have not said that they go.", "Go back and tick the box.", field="confirm")
    return await _do(request, panel.leave, "left")


async def _do(
    request: Request, act_on: Callable[[Transaction, UUID, UUID], Awaitable[None]], done: str
) -> Response:
    id, person = read_id(request), read_id(request, "person")

    async def act(tx: Transaction) -> Response:
        await act_on(tx, id, person)
        return see(f"{panel_href(id)}?done={done}")

    return await once(request, act)
