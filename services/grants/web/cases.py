"""Cases as the officer prepares them: what the panel reads of each application, and how far the panel is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.web import (
    Difference,
    Faults,
    meanwhile,
    new_key,
    once,
    read_form,
    read_id,
    read_revision,
    see,
    signed_in,
    site_of,
)
from services.grants import applying, cases, conflicts, panel
from services.grants.applicants import Applicant, applicant_of
from services.grants.cases import LONGEST_PAPERS, LONGEST_WORDS
from services.grants.colleagues import called
from services.grants.panel import Member
from services.grants.queries import APPLICATIONS, PANEL, ROUNDS
from services.grants.redaction import still_says
from services.grants.rounds import Round, RoundState
from services.grants.states import STAGES, State
from services.grants.web.applications import paper
from services.grants.web.forms import ChangedMeanwhile, Fields, Values, check_revision, submit
from services.grants.web.hrefs import (
    application_href,
    case_href,
    cases_href,
    closeness_href,
    conflicts_href,
    panel_href,
    round_href,
    ways,
)
from services.grants.web.panel import NAMELESS, profession_names
from services.grants.web.pressing import application, press

#: Cases on one page of the list.
PAGE = 50

_LABELS = {"words": "What the panel reads", "papers": "What the papers show"}

_DONE = {
    "saved": "Saved. The panel does not have it yet.",
    "handed": "The panel has it.",
    "back": "It is back with you. The panel has it no longer.",
    "none": "Nothing was handed over: on what is prepared, a conflict of interest waits to be settled.",
    "some": "What is prepared was handed over, but for that on which a conflict of interest waits.",
    "all": "Everything that is prepared was handed over.",
}


async def show_all(request: Request) -> Response:
    """What may go to the panel and what is there, with how far each member is."""
    site, id, after = site_of(request), read_id(request), request.query_params.get("after") or None
    async with site.database.reading() as tx:
        row = await ROUNDS.round_by_id(tx, id=id)
        if row is None or row["state"] == RoundState.DRAFT:
            raise NotFound
        counted = await PANEL.cases_counted(tx, round_id=id)
        rows = [each async for each in PANEL.cases_listed(tx, round_id=id, after=after, most=PAGE + 1)]
        removed = await conflicts.removed_from(tx, [each["id"] for each in rows])
        members = await panel.members_of(tx, id)
        progress = [each async for each in PANEL.done_by_members(tx, round_id=id)]
        names = await called(tx, [each["person_id"] for each in progress])
        listed = [_listed(tx, each, row, members, removed[each["id"]]) for each in rows[:PAGE]]
    older = (
        f"{cases_href(id)}?{urlencode({'after': rows[PAGE - 1]['reference']})}" if len(rows) > PAGE else None
    )
    return site.page(
        request,
        "cases.html",
        round=row,
        round_href=round_href(id),
        ways=ways(id, cases_href),
        closed=row["state"] == RoundState.CLOSED,
        counted=counted,
        rows=listed,
        lacking=panel.lacking(Round.of(row), members, profession_names(site.context.house)),
        panel_href=panel_href(id),
        progress=sorted(
            ({**each, "name": names.get(each["person_id"], NAMELESS)} for each in progress),
            key=lambda each: each["name"].casefold(),
        ),
        conflicts_href=conflicts_href(id),
        older_href=older,
        href=cases_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


def _listed(
    tx: Transaction,
    row: Mapping[str, Any],
    round_row: Mapping[str, Any],
    members: Sequence[Member],
    removed: set[UUID],
) -> dict[str, Any]:
    house, state = tx.context.house, State(row["state"])
    who = Applicant.opened(tx.context, row["sealed"]) if row["sealed"] else None
    purposes, there = house.lists["purposes"], [it for it in members if it.person_id not in removed]
    look, words = _standing(row, state)
    return {
        "label": row["label"],
        "reference": row["reference"],
        "name": who.name if who else "No longer kept",
        "purpose": purposes[row["purpose"]].name if row["purpose"] in purposes else row["purpose"],
        "amount_pence": row["amount_pence"],
        "look": look,
        "standing": words,
        "suggestions": row["suggestions"],
        "handed": state is not State.ELIGIBLE,
        "done": row["done"],
        "of": sum(1 for member in there if member.takes_part and member.left_at is None),
        "lacking": panel.lacking_for(Round.of(round_row), row["profession"], members, removed),
        "href": case_href(row["id"]),
        "conflicts_href": closeness_href(row["id"]),
    }


def _standing(row: Mapping[str, Any], state: State) -> tuple[str, str]:
    if state is not State.ELIGIBLE:
        return "asked", "With the panel"
    return ("done", "Prepared") if row["prepared"] else ("late", "To be prepared")


async def hand_over_all(request: Request) -> Response:
    """Let the panel have everything that is prepared."""
    id, by = read_id(request), signed_in(request).id

    async def act(tx: Transaction) -> Response:
        came = await cases.hand_over_all(tx, id, by)
        done = "all" if not came.waiting else "some" if came.done else "none"
        return see(f"{cases_href(id)}?done={done}")

    return await once(request, act)


# One case


async def show(request: Request) -> Response:
    """What the panel reads of an application, and the form to prepare it."""
    return await _page(request, None, {})


async def _page(
    request: Request,
    values: Mapping[str, Any] | None,
    faults: Mapping[str, Any],
    *,
    status: int = 200,
    revision: int | None = None,
    changed: Sequence[Difference] = (),
) -> Response:
    site, id = site_of(request), read_id(request)
    async with site.database.reading() as tx:
        row = await APPLICATIONS.application_by_id(tx, id=id)
        if row is None or row["submitted_at"] is None:
            raise NotFound
        case = await PANEL.case_of(tx, application_id=id)
        state = State(row["state"])
        if case is None and state is not State.ELIGIBLE:
            raise NotFound
        who = await applicant_of(tx, id)
        held = {"words": case["words"], "papers": case["papers"]} if case else None
        first = held or {"words": await cases.first_words(tx, row), "papers": ""}
        evidence = await applying.evidence_of(tx, id)
        waiting = await conflicts.suggested_on(tx, [id])
        begun = bool(case) and await PANEL.is_begun(tx, application_id=id)
        round_row = await ROUNDS.round_by_id(tx, id=row["round_id"])
    shown = {**first, **(values or {})}
    closed = round_row["state"] == RoundState.CLOSED
    return site.page(
        request,
        "case.html",
        status=status,
        application=row,
        state_words=STAGES[state].staff,
        who=who,
        round=round_row,
        round_href=round_href(row["round_id"]),
        list_href=cases_href(row["round_id"]),
        application_href=application_href(id),
        conflicts_href=closeness_href(id),
        case=case,
        version=revision if revision is not None else case["version"] if case else 0,
        editable=closed and state is State.ELIGIBLE,
        closed=closed,
        handed=state is not State.ELIGIBLE,
        stale=case is not None and state is State.ELIGIBLE and case["changed_at"] < row["submitted_at"],
        begun=begun,
        may_take_back=closed and state is State.UNDER_REVIEW and not begun,
        waiting=bool(waiting),
        warnings=still_says(shown["words"], who) + still_says(shown["papers"], who) if who else [],
        evidence=[paper(each) for each in evidence],
        values=shown,
        faults=faults,
        changed=changed,
        href=case_href(id),
        key=new_key(request),
        flash=_DONE.get(request.query_params.get("done", "")),
    )


async def prepare(request: Request) -> Response:
    """Write what the panel will read, unless somebody else has meanwhile: then both are shown."""
    id, form = read_id(request), await read_form(request)
    fields, revision = Fields(form), read_revision(form)
    words = fields.words("words", most=LONGEST_WORDS)
    papers = fields.words("papers", most=LONGEST_PAPERS)

    async def act(tx: Transaction) -> Response:
        present = await cases.to_prepare(tx, id)
        if present.case is not None:
            yours = {"words": words, "papers": papers}
            check_revision(present.case, revision, _LABELS, present.case, yours)
        await cases.prepare(tx, present, words=words, papers=papers)
        return see(f"{case_href(id)}?done=saved")

    try:
        return await submit(request, fields, act, partial(_page, request, revision=revision))
    except ChangedMeanwhile as other:
        found, now = await meanwhile(request, other.differences, id, "case_prepared"), other.row["version"]
        return await _page(request, fields.values, {}, status=409, revision=now, changed=found)


async def hand_over(request: Request) -> Response:
    """Let the panel have it."""
    return await _do(request, cases.hand_over, "handed", "application_under_review")


async def take_back(request: Request) -> Response:
    """Prepare it once more."""
    return await _do(request, cases.take_back, "back", "application_eligible")


async def _do(
    request: Request, act_on: Callable[[Transaction, UUID, UUID], Awaitable[None]], done: str, noted: str
) -> Response:
    fields, id, by = Fields(await read_form(request)), read_id(request), signed_in(request).id
    there = f"{case_href(id)}?done={done}"

    async def act(tx: Transaction) -> Response:
        await act_on(tx, id, by)
        return see(there)

    async def again(values: Values, faults: Faults, *, status: int) -> Response:
        return await _page(request, None, faults, status=status)

    pressed = partial(press, of=application(id), does={noted: there}, back=case_href(id))
    return await submit(request, fields, act, again, pressed)
