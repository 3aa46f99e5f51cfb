"""Conflicts of interest as the officer settles them: of a round, each by itself, and of an application."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import Faults, new_key, read_form, read_id, see, signed_in, site_of
from services.grants import conflicts, doubts, panel
from services.grants.applicants import Applicant, applicant_of
from services.grants.colleagues import called
from services.grants.conflicts import LONGEST_WORDS, TIES, Interest, Kind, Source, Standing, Tie
from services.grants.queries import APPLICATIONS, CONFLICTS, DOUBTS, ROUNDS
from services.grants.rounds import RoundState
from services.grants.web.forms import Fields, Values, submit
from services.grants.web.hrefs import (
    application_href,
    applications_href,
    closeness_href,
    conflict_href,
    conflicts_href,
    panel_href,
    round_href,
    ways,
)
from services.grants.web.panel import NAMELESS
from services.grants.web.people import FORMER
from services.grants.web.pressing import press

#: Conflicts on the list of a round.
MOST = 300

#: Where each is known from.
SOURCES: Mapping[Source, str] = {
    Source.DECLARED: "The member says so",
    Source.TICKED: "The applicant says so",
    Source.DERIVED: "Found by comparing",
    Source.ENTERED: "Entered by one of us",
}

_KINDS: Mapping[Kind, str] = {
    Kind.EMPLOYER: "works for",
    Kind.TEAM: "works in the team",
    Kind.PERSON: "is close to",
}

#: What is only suggested asks for nothing where another tie keeps the case from them.
_ELSEWHERE = "Steps out for another reason"

_DONE = {
    "confirmed": "It is confirmed.",
    "dismissed": "It is dismissed. The member sees the case, unless something else keeps it from them.",
    "upheld": "It is noted why the decision stands.",
    "entered": "It is entered, and counts from now on.",
}


async def show_all(request: Request) -> Response:
    """What waits to be settled in a round, then what has been."""
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await ROUNDS.round_by_id(tx, id=id)
        if row is None or row["state"] == RoundState.DRAFT:
            raise NotFound
        rows = [each async for each in CONFLICTS.conflicts_of_round(tx, round_id=id, most=MOST)]
        shown = await _shown(tx, rows)
    return site.page(
        request,
        "conflicts.html",
        round=row,
        round_href=round_href(id),
        ways=ways(id, conflicts_href),
        waiting=[it for it in shown if it["waits"] and it["sits"] and not it["steps_out"]],
        settled=[it for it in shown if not it["waits"] or it["steps_out"]],
        full=len(rows) == MOST,
        most=MOST,
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def _shown(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conflicts in words."""
    ids = {id for row in rows for id in (row["person_id"], row["settled_by"]) if id}
    names = await called(tx, ids)
    why = await conflicts.reasons(tx, rows)
    return [_in_words(tx, row, names, why.get(row["id"], ())) for row in rows]


def _in_words(
    tx: Transaction, row: Mapping[str, Any], names: Mapping[UUID, str], why: Sequence[Interest]
) -> dict[str, Any]:
    who = Applicant.opened(tx.context, row["sealed"]) if row["sealed"] else None
    standing, tie = Standing(row["state"]), row["tie"]
    waits = standing is Standing.SUGGESTED
    return {
        "member": names.get(row["person_id"], NAMELESS),
        "applicant": who.name if who else "No longer kept",
        "reference": row.get("reference"),
        "source": SOURCES[Source(row["source"])],
        "why": [f"{_KINDS[interest.kind]}: {interest.words}" for interest in why],
        "own_address": row["source"] == Source.DERIVED and not why,
        "tie": TIES[Tie(tie)] if tie else "",
        "waits": waits,
        "sits": row.get("sits", True),
        "steps_out": row["steps_out"],
        "look": _look(standing, tie),
        "effect": _ELSEWHERE if row["steps_out"] and waits else _effect(standing, tie, keeps=row["keeps"]),
        "words": row["words"],
        "since": row["noticed_at"],
        "settled_at": row["settled_at"],
        "settled_by": names.get(row["settled_by"], FORMER) if row["settled_by"] else "",
        "href": conflict_href(row["id"]),
        "application_href": closeness_href(row["application_id"]),
    }


def _look(standing: Standing, tie: str | None) -> str:
    if standing is Standing.SUGGESTED:
        return "question"
    return "done" if standing is Standing.DISMISSED or tie == Tie.ACQUAINTANCE else "declined"


def _effect(standing: Standing, tie: str | None, *, keeps: bool) -> str:
    """What it means for what the member sees."""
    if standing is Standing.DISMISSED:
        return "No conflict"
    if standing is Standing.SUGGESTED:
        return "Kept from them for now" if keeps else "They still see it"
    return "Noted, and stays" if tie == Tie.ACQUAINTANCE else "Steps out"


async def doubts_in_words(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who had a part in decisions, and is or may be too close after all."""
    names = await called(tx, {row["person_id"] for row in rows}) if rows else {}
    return [
        {
            "label": row["label"],
            "name": names.get(row["person_id"], NAMELESS),
            "settled": row["state"] == Standing.CONFIRMED,
            "href": conflict_href(row["conflict_id"]),
        }
        for row in rows
    ]


# One of them


async def show(request: Request) -> Response:
    """One conflict, and what can be said of it."""
    return await _page(request, {"tie": "", "words": ""}, {})


async def _page(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await CONFLICTS.conflict_by_id(tx, id=id)
        if row is None:
            raise NotFound
        [shown] = await _shown(tx, [row])
        round_row = await ROUNDS.round_by_id(tx, id=row["round_id"])
        about = {"application_id": row["application_id"], "person_id": row["person_id"]}
        doubted = await DOUBTS.doubted_decision(tx, **about) is not None
    return site.page(
        request,
        "conflict.html",
        status=status,
        round=round_row,
        round_href=round_href(row["round_id"]),
        list_href=conflicts_href(row["round_id"]),
        application_href=application_href(row["application_id"]),
        conflict=shown,
        application_words=row["application_words"],
        state=row["state"],
        doubted=doubted,
        ties=_ties(),
        values={"tie": row["tie"] or "", "words": "", "stands": "", **values},
        faults=faults,
        most=LONGEST_WORDS,
        href=conflict_href(id),
        key=new_key(request),
    )


def _ties() -> list[dict[str, str]]:
    return [{"code": tie.value, "name": name} for tie, name in TIES.items()]


async def confirm(request: Request) -> Response:
    """Say how they are close."""
    fields = Fields(await read_form(request))
    tie = fields.one_of("tie", {tie.value: tie for tie in Tie})
    return await _settle(request, fields, tie, "")


async def dismiss(request: Request) -> Response:
    """Say that it is none, and why."""
    fields = Fields(await read_form(request))
    return await _settle(request, fields, None, fields.words("words", most=LONGEST_WORDS))


async def uphold(request: Request) -> Response:
    """Say why the decision stands although they had a part in it."""
    fields, id, by = Fields(await read_form(request)), read_id(request), signed_in(request).id
    words = fields.words("stands", most=LONGEST_WORDS)

    async def act(tx: Transaction) -> Response:
        found = await CONFLICTS.conflict_by_id(tx, id=id)
        if found is None:
            raise NotFound
        await doubts.uphold(tx, id, by, words)
        return see(f"{conflicts_href(found['round_id'])}?done=upheld")

    return await submit(request, fields, act, partial(_page, request))


async def _settle(request: Request, fields: Fields, tie: Tie | None, words: str) -> Response:
    id, by = read_id(request), signed_in(request).id
    seen = fields.one_of("seen", {standing.value: standing for standing in Standing})

    async def act(tx: Transaction) -> Response:
        found = await CONFLICTS.conflict_by_id(tx, id=id)
        if found is None:
            raise NotFound
        await conflicts.settle(tx, id, by, tie=tie, words=words, seen=seen)
        return see(f"{conflicts_href(found['round_id'])}?done={'confirmed' if tie else 'dismissed'}")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return await _page(request, {"tie": "", "words": "", **values}, faults, status=status)

    pressed = partial(press, of=id, does={}, back=conflict_href(id))
    return await submit(request, fields, act, again, pressed)


# Those on an application


async def show_of(request: Request) -> Response:
    """Who may be too close to an applicant, and the form to enter somebody."""
    return await _page_of(request, {"person": "", "tie": ""}, {})


async def _page_of(
    request: Request, values: Mapping[str, Any], faults: Mapping[str, Any], *, status: int = 200
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await APPLICATIONS.application_by_id(tx, id=id)
        if row is None or row["submitted_at"] is None:
            raise NotFound
        round_row = await ROUNDS.round_by_id(tx, id=row["round_id"])
        who = await applicant_of(tx, id)
        shown = await _shown(
            tx, [each async for each in CONFLICTS.conflicts_of_application(tx, application_id=id)]
        )
        members = [it for it in await panel.members_of(tx, row["round_id"]) if it.left_at is None]
        names = await called(tx, [member.person_id for member in members])
    return site.page(
        request,
        "application_conflicts.html",
        status=status,
        application=row,
        who=who,
        round=round_row,
        round_href=round_href(row["round_id"]),
        list_href=applications_href(row["round_id"]),
        application_href=application_href(id),
        panel_href=panel_href(row["round_id"]),
        conflicts=shown,
        members=[{"code": str(person), "name": name} for person, name in names.items()],
        ties=_ties(),
        values=values,
        faults=faults,
        href=closeness_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def enter(request: Request) -> Response:
    """Enter that a member is close to an applicant."""
    fields, id, by = Fields(await read_form(request)), read_id(request), signed_in(request).id
    tie = fields.one_of("tie", {tie.value: tie for tie in Tie})
    person = fields.person("person")

    async def act(tx: Transaction) -> Response:
        await conflicts.enter(tx, id, person, tie, by)
        return see(f"{closeness_href(id)}?done=entered")

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return await _page_of(request, {"person": "", "tie": "", **values}, faults, status=status)

    return await submit(request, fields, act, again)
