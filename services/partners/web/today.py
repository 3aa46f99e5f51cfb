"""The first page: what needs somebody of ours today, across all partners, and below it how things stand."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.web import day, signed_in, site_of
from contracts.access import OPERATIONS, RIGHTS, Action, may
from services.partners import directory, outcomes, referrals, suggestions, timeline
from services.partners.operations import whole
from services.partners.queries import RIGHTS as REQUESTS
from services.partners.red_lines import red_lines
from services.partners.today import Needed
from services.partners.web import register

#: Asks one part what it has for today: which day it is, and how many lines at the most.
Part = Callable[[Transaction, date, int], Awaitable[Sequence[Needed]]]

#: Every part of the register that has something for today.
PARTS: tuple[Part, ...] = (
    timeline.meetings_needed,
    timeline.letters_needed,
    suggestions.needed,
    referrals.needed,
    outcomes.needed,
    directory.needed,
)

#: Lines that each part gives at the most.
MOST = 50

#: What lines of one kind are called together.
KINDS = {
    "meeting": "Meetings today and tomorrow",
    "letter_failed": "Letters that did not arrive",
    "contact_suggested": "Letters that were passed on",
    "referral_unanswered": "Referrals without an answer",
    "outcome_missing": "Referrals of which the outcome is not known",
    "signature_waiting": "Agreements that wait for our signature",
    "review_due": "Agreements to look at together",
    "outcome_late": "Outcomes that are late",
    "outcome_unowned": "Outcomes that nobody owns",
    "service_unchecked": "Services to check again",
}


async def show(request: Request) -> Response:
    """What needs me today; then the figures, and what happened lately."""
    site = site_of(request)
    roles = signed_in(request).roles
    async with site.database.reading() as tx:
        today = tx.today
        found = await _needed(tx, today) if may(Action.WRITE_PARTNERS, roles) else None
        waiting = await REQUESTS.requests_waiting(tx) if may(Action.ANSWER_RIGHTS, roles) else None
        wrong = await _wrong(tx) if may(Action.READ_OPERATIONS, roles) else 0
        figures = await register.at_a_glance(tx)
    return site.page(
        request,
        "home.html",
        groups=_grouped(found[0], today) if found is not None else [],
        cut=found is not None and found[1],
        works=found is not None or waiting is not None,
        wrong={"count": wrong, "href": OPERATIONS},
        requests={**waiting, "href": RIGHTS} if waiting else {"count": 0},
        **figures,
    )


async def _wrong(tx: Transaction) -> int:
    """How many things are not well with Conduit itself."""
    return len(red_lines(await whole(tx), tx.context.settings.silence))


async def _needed(tx: Transaction, today: date) -> tuple[list[Needed], bool]:
    """What every part has, the longest due first; and whether one of them has more than is shown."""
    lines, cut = list[Needed](), False
    for part in PARTS:
        of_part = await part(tx, today, MOST + 1)
        cut = cut or len(of_part) > MOST
        lines += of_part[:MOST]
    return sorted(lines, key=lambda line: line.due_on), cut


def _grouped(lines: Iterable[Needed], today: date) -> list[dict[str, Any]]:
    """The lines by kind, the kind with the longest due line first."""
    by_kind = sorted(lines, key=lambda line: line.kind)
    groups = [(kind, list(some)) for kind, some in groupby(by_kind, key=lambda line: line.kind)]
    groups.sort(key=lambda group: (group[1][0].due_on, group[0]))
    return [
        {
            "kind": kind,
            "title": KINDS.get(kind, kind.replace("_", " ").capitalize()),
            "lines": [{"line": line, "when": _when(line, today)} for line in some],
        }
        for kind, some in groups
    ]


def _when(line: Needed, today: date) -> str:
    words = {0: "Today", 1: "Tomorrow", -1: "Since yesterday"}
    days = (line.due_on - today).days
    return words.get(days, f"{'Since' if days < 0 else 'On'} {day(line.due_on)}")
