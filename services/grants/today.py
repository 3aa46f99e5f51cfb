"""What waits for the grants officer today: one line for each thing, from whichever part of grants knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.web import day, pounds
from contracts.access import Action, may
from services.grants.panel import OVERDUE, Member, lacking
from services.grants.queries import APPLICATIONS, COMMENTS, CONFLICTS, DOUBTS, FUNDS, MONEY, PANEL, ROUNDS
from services.grants.rounds import Round, RoundState


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One thing that waits for somebody of ours."""

    #: What to do, in a sentence without a full stop.
    what: str
    #: Why, in a sentence with one.
    why: str
    #: Where it is done.
    href: str
    #: What one does there: it is shown only to whoever may.
    action: Action


async def needed(tx: Transaction, today: date, most: int, roles: Iterable[str] | None = None) -> list[Needed]:
    """What waits, the most pressing first.

    Args:
        roles: only what somebody with these may do; all of it without.
    """
    pledges = [row async for row in FUNDS.pledges_without_fund(tx, most=most)]
    to_check = [row async for row in APPLICATIONS.applications_to_check(tx, most=most)]
    rounds = [row async for row in ROUNDS.rounds_waiting(tx, most=most)]
    sent_back = [row async for row in MONEY.payments_sent_back(tx, most=most)]
    of_money = [*map(_of_sent_back, sent_back), *_of_awards(await MONEY.money_waiting(tx))]
    of_rounds = [_of_round(row, today) for row in rounds]
    of_panel = await _of_panels(tx, most)
    of_people = [*map(_of_applications, to_check), *of_panel]
    lines = [*of_people, *of_money, *map(_of_pledge, pledges), *filter(None, of_rounds)]
    return [each for each in lines if roles is None or may(each.action, roles)][:most]


async def _of_panels(tx: Transaction, most: int) -> list[Needed]:
    """What the panels of rounds wait for, that are not decided yet."""
    conflicts = [row async for row in CONFLICTS.suggestions_waiting(tx, most=most)]
    cases = [row async for row in PANEL.cases_to_prepare(tx, most=most)]
    rounds = [row async for row in PANEL.rounds_to_decide(tx, most=most)]
    members: dict[UUID, list[Member]] = {row["id"]: [] for row in rounds}
    async for row in PANEL.members_of_rounds(tx, round_ids=list(members)):
        members[row["round_id"]].append(Member.of(row))
    professions = {code: entry.name for code, entry in tx.context.house.lists["professions"].items()}
    doubts = [row async for row in DOUBTS.doubts_waiting(tx, most=most)]
    written = [row async for row in COMMENTS.rounds_with_comments(tx, most=most)]
    lines = [*map(_of_doubts, doubts), *map(_of_conflicts, conflicts), *map(_of_cases, cases)]
    lines += map(_of_comments, written)
    for row in rounds:
        lines += _of_panel(row, members[row["id"]], professions, tx.now)
    return lines


#: By whether all of them keep the case from the member while they wait.
_UNTIL_THEN = {
    True: "Until then the case is kept from the member.",
    False: "Until then a member reads a case that they may be too close to.",
}


def _of_conflicts(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} conflicts of interest" if row["count"] != 1 else "a conflict of interest"
    return Needed(
        what=f"Settle {many} in “{row['name']}”",
        why=f"{_UNTIL_THEN[row['kept']]} The first is of {day(row['since'])}.",
        href=f"/grants/rounds/{row['round_id']}/conflicts",
        action=Action.READ_APPLICATIONS,
    )


def _of_doubts(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} decisions" if row["count"] != 1 else "a decision"
    then = "" if row["published"] else " Nothing is published before."
    return Needed(
        what=f"Look again at {many} in “{row['name']}”",
        why=f"A member had a part in it who may be too close.{then}",
        href=f"/grants/rounds/{row['round_id']}/publish",
        action=Action.READ_APPLICATIONS,
    )


def _of_cases(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} cases" if row["count"] != 1 else "a case"
    return Needed(
        what=f"Prepare {many} of “{row['name']}”, and hand over",
        why=f"The panel meets on {day(row['meets_on'])}.",
        href=f"/grants/rounds/{row['round_id']}/cases",
        action=Action.READ_APPLICATIONS,
    )


def _of_comments(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} comments" if row["count"] != 1 else "a comment"
    return Needed(
        what=f"Look through {many} in “{row['name']}”",
        why="Until then the other members do not read it."
        if row["count"] == 1
        else "Until then the other members do not read them.",
        href=f"/grants/rounds/{row['round_id']}/comments",
        action=Action.READ_APPLICATIONS,
    )


def _of_panel(
    row: Mapping[str, Any], members: Sequence[Member], professions: Mapping[str, str], now: datetime
) -> Iterator[Needed]:
    """Members who have not answered; and once nobody can apply any more, what the panel lacks."""
    href = f"/grants/rounds/{row['id']}/panel"
    late = [member for member in members if member.unanswered and member.invited_at <= now - OVERDUE]
    if late:
        many = f"{len(late)} members" if len(late) != 1 else "a member"
        since = day(min(member.invited_at for member in late))
        yield Needed(
            what=f"Ask {many} of the panel of “{row['name']}” again",
            why=f"There is no answer. The first was asked on {since}.",
            href=href,
            action=Action.READ_APPLICATIONS,
        )
    if row["state"] == RoundState.CLOSED and (missing := lacking(Round.of(row), members, professions)):
        yield Needed(
            what=f"Complete the panel of “{row['name']}”",
            why=missing[0],
            href=href,
            action=Action.READ_APPLICATIONS,
        )


async def to_make(tx: Transaction, person: UUID) -> Needed | None:
    """What waits for somebody who makes payments: those that they have not prepared themselves."""
    row = await MONEY.to_make_counted(tx, but_by=person)
    if not row["count"]:
        return None
    return Needed(
        what=f"Make {_many(row['count'], 'payment')}",
        why=f"{pounds(row['pence'])} together. Somebody else has prepared each.",
        href="/grants/payments?state=make",
        action=Action.MAKE_PAYMENTS,
    )


def _of_sent_back(row: Mapping[str, Any]) -> Needed:
    return Needed(
        what=f"Look again at a payment of {pounds(row['amount_pence'])}",
        why=f"It was sent back on {day(row['settled_at'])}.",
        href=f"/grants/payments/{row['id']}",
        action=Action.READ_PAYMENTS,
    )


def _of_awards(row: Mapping[str, Any]) -> Iterator[Needed]:
    """What waits for the officer in awards that were accepted."""
    href = "/grants/payments?state=prepare"
    lines = (
        (row["bookings"], "Look at {}", "booking confirmation", "Then it can be paid back."),
        (row["invoices"], "Look at {}", "invoice", "Then its exam body can be paid."),
        (row["ready"], "Prepare {}", "payment", "All that is needed is there."),
        (row["undecided"], "Decide on {}", "award that money came back from", "Pay it again, or give it up."),
        (row["not_sat"], "Decide on {}", "exam that was not sat", "Move it, ask the money back, or do not."),
    )
    for count, what, one, why in lines:
        if count:
            where = "/grants/payments?state=report" if "not sat" in one else href
            yield Needed(
                what=what.format(_many(count, one)), why=why, href=where, action=Action.READ_PAYMENTS
            )


def _many(count: int, one: str) -> str:
    first, *rest = one.split(" that ")
    many = f"{count} {first}s" if count != 1 else f"{'an' if first[0] in 'aeiou' else 'a'} {first}"
    return " that ".join([many, *rest])


def _of_pledge(row: Mapping[str, Any]) -> Needed:
    body = row["body_name"] or "a body whose name is still on its way"
    return Needed(
        what=f"Say which fund “{row['fund']}” means",
        why=f"{pounds(row['amount_pence'])} from {body} is pledged for it, and no fund has that name.",
        href=f"/grants/pledges/{row['id']}",
        action=Action.READ_FUNDS,
    )


def _of_applications(row: Mapping[str, Any]) -> Needed:
    many = f"{row['count']} applications" if row["count"] != 1 else "an application"
    return Needed(
        what=f"Check {many} for “{row['name']}”",
        why=f"The first was sent on {day(row['since'])}.",
        href=f"/grants/rounds/{row['round_id']}/applications?state=check",
        action=Action.READ_APPLICATIONS,
    )


def _of_round(row: Mapping[str, Any], today: date) -> Needed | None:
    name, href = row["name"], f"/grants/rounds/{row['id']}"
    closes_on, meets_on = row["closes_on"], row["meets_on"]
    if row["state"] == RoundState.DRAFT:
        return Needed(
            what=f"Finish “{name}”, then open it", why="It is a draft.", href=href, action=Action.READ_FUNDS
        )
    if row["state"] == RoundState.OPEN and closes_on < today:
        why = f"Its last day was {day(closes_on)}."
        return Needed(what=f"Close “{name}”", why=why, href=href, action=Action.READ_FUNDS)
    if row["meeting_id"]:
        why = "The panel meets now."
        return Needed(
            what=f"Go on with the meeting of “{name}”",
            why=why,
            href=f"/grants/meetings/{row['meeting_id']}",
            action=Action.READ_APPLICATIONS,
        )
    # Also where the last that waited was taken back after the meeting.
    if row["state"] == RoundState.DECIDED or (row["state"] == RoundState.CLOSED and row["all_decided"]):
        why = "Nothing waits for the panel any more. Nobody outside knows yet."
        return Needed(
            what=f"Publish what was decided in “{name}”",
            why=why,
            href=f"{href}/publish",
            action=Action.READ_APPLICATIONS,
        )
    if row["state"] == RoundState.CLOSED and meets_on > today:
        why = f"The panel meets on {day(meets_on)}."
        return Needed(what=f"Prepare the meeting of “{name}”", why=why, href=href, action=Action.READ_FUNDS)
    if row["state"] == RoundState.CLOSED:
        why = f"The panel was to meet on {day(meets_on)}." if meets_on < today else "The panel meets today."
        return Needed(
            what=f"Begin the meeting of “{name}”",
            why=why,
            href=f"{href}#meetings-title",
            action=Action.READ_APPLICATIONS,
        )
    return None
