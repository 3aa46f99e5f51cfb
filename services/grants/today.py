"""What waits for the grants officer today: one line for each thing, from whichever part of grants knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from chassis.database import Transaction
from chassis.web import day, pounds
from services.grants.queries import APPLICATIONS, FUNDS, ROUNDS
from services.grants.rounds import RoundState


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One thing that waits for somebody of ours."""

    #: What to do, in a sentence without a full stop.
    what: str
    #: Why, in a sentence with one.
    why: str
    #: Where it is done.
    href: str


async def needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """What waits, the most pressing first."""
    pledges = [row async for row in FUNDS.pledges_without_fund(tx, most=most)]
    to_check = [row async for row in APPLICATIONS.applications_to_check(tx, most=most)]
    rounds = [row async for row in ROUNDS.rounds_waiting(tx, most=most)]
    of_rounds = [_of_round(row, today) for row in rounds]
    return [*map(_of_applications, to_check), *map(_of_pledge, pledges), *filter(None, of_rounds)][:most]


def _of_pledge(row: Mapping[str, Any]) -> Needed:
    body = row["body_name"] or "a body whose name is still on its way"
    return Needed(
        what=f"Say which fund “{row['fund']}” means",
        why=f"{pounds(row['amount_pence'])} from {body} is pledged for it, and no fund has that name.",
        href=f"/grants/pledges/{row['id']}",
    )


def _of_applications(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} applications" if row["count"] != 1 else "an application"
    return Needed(
        what=f"Check {many} for “{row['name']}”",
        why=f"The first was sent on {day(row['since'])}.",
        href=f"/grants/rounds/{row['round_id']}/applications?state=check",
    )


def _of_round(row: Mapping[str, Any], today: date) -> Needed | None:
    name, href = row["name"], f"/grants/rounds/{row['id']}"
    closes_on, meets_on = row["closes_on"], row["meets_on"]
    if row["state"] == RoundState.DRAFT:
        return Needed(what=f"Finish “{name}”, then open it", why="It is a draft.", href=href)
    if row["state"] == RoundState.OPEN and closes_on < today:
        why = f"Its last day was {day(closes_on)}."
        return Needed(what=f"Close “{name}”", why=why, href=href)
    if row["state"] == RoundState.CLOSED and meets_on >= today:
        why = f"The panel meets on {day(meets_on)}."
        return Needed(what=f"Prepare the meeting of “{name}”", why=why, href=href)
    return None
