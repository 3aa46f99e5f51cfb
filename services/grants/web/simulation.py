"""What if these were funded? A page that proposes and reckons, and commits nothing.

All there is of it stands in its address.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Refused
from chassis.web import BadRequest, Faults, fault, read_id, read_pounds, site_of
from services.grants import allocation
from services.grants.allocation import Allocation, Candidate, Proposed
from services.grants.decisions import Kind
from services.grants.sitting import Item, Sitting, sitting
from services.grants.web.agenda import Agenda, mean_words
from services.grants.web.hrefs import meeting_href, round_href
from services.grants.web.meeting import pot_of

#: Ways to share out, by their code in the address.
_WAYS: Mapping[str, Callable[[Sequence[Candidate], int, int], Allocation]] = {
    "mean": allocation.by_mean,
    "total": allocation.by_total,
}


async def simulate(request: Request) -> Response:
    """What if these were funded? Commits nothing: all there is of it stands in the address."""
    site, id, query = site_of(request), read_id(request), request.query_params
    way = query.get("way", "mean")
    if way not in _WAYS:
        raise BadRequest("There is no such way to share out.", "Choose one from the page.")
    async with site.database.reading() as tx:
        found = await sitting(tx, id)
        pot = await pot_of(tx, id)
    agenda = Agenda(found, site.context.house)
    open_items = {item.case_id: item for item in found.items if _waits(item)}
    proposal = _WAYS[way](
        [_candidate(found, item) for item in open_items.values()],
        pot["free_pence"],
        found.plan.most_pence or pot["free_pence"],
    )
    given, faults = _tried(request, proposal)
    rows = [_simulated(each, agenda, open_items, given) for each in proposal.cases]
    spent = sum(given.values())
    return site.page(
        request,
        "meeting_simulation.html",
        status=422 if faults else 200,
        meeting=found,
        round=found.plan,
        round_href=round_href(found.round_id),
        rows=rows,
        way=way,
        proposal=proposal,
        next=[each.case.label for each in proposal.next],
        tried="tried" in query,
        spent_pence=spent,
        left_pence=pot["free_pence"] - spent,
        pot=pot,
        faults=faults,
        href=meeting_href(id),
    )


def _waits(item: Item) -> bool:
    """Whether money may still go to it."""
    undecided = item.decision is None or item.decision["kind"] == Kind.DEFER
    return undecided and item.state in ("under_review", "deferred")


def _candidate(found: Sitting, item: Item) -> Candidate:
    return Candidate(id=item.case_id, label=item.label, asked_pence=item.amount_pence, mean=found.mean(item))


def _tried(request: Request, proposal: Allocation) -> tuple[dict[UUID, int], Faults]:
    """What each case is given in this simulation: as ticked and typed, or as proposed when it begins."""
    query = request.query_params
    if "tried" not in query:
        return {each.case.id: each.pence for each in proposal.cases}, {}
    ticked, given, faults = set(query.getlist("fund")), dict[UUID, int](), Faults()
    for each in proposal.cases:
        id, field = each.case.id, f"amount-{each.case.id}"
        if str(id) not in ticked:
            continue
        try:
            given[id] = read_pounds(query.get(field, ""), field=field)
        except Refused as refused:
            faults[field] = fault(f"{each.case.label}: {refused.what}", refused.cure)
    return given, faults


def _simulated(
    proposed: Proposed, agenda: Agenda, items: Mapping[UUID, Item], given: Mapping[UUID, int]
) -> dict[str, Any]:
    id = proposed.case.id
    pence = given.get(id, 0)
    return {
        **agenda.line(items[id]),
        "place": proposed.place,
        "tied": proposed.tied,
        "mean": mean_words(proposed.case.mean),
        "full_pence": proposed.full_pence,
        "given_pence": pence,
        "typed": (pence or proposed.full_pence) / 100,
    }
