"""The minutes of a meeting as a PDF: who was there, who counted for each case, what was decided and why.

Made of a meeting as somebody sees it, and of nothing else; the same gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.house import House
from chassis.press import Press, all_printable
from chassis.web import day, pounds
from services.grants.colleagues import called
from services.grants.queries import DOUBTS, MEETING
from services.grants.scoring import in_figures
from services.grants.sitting import Item, Sitting

_press = Press(Path(__file__).parent / "minutes.typ", "minutes.json")

_WHAT = {"award": "Awarded", "decline": "Declined", "defer": "Put off to a later meeting"}
_NOBODY = "Somebody who is no longer kept"


async def values_of(tx: Transaction, found: Sitting, *, whole: bool) -> dict[str, Any]:
    """What the minutes say of a meeting.

    Args:
        whole: also what was awarded in all, and why decisions stand although somebody was too close.
    """
    upheld = await rows_of(DOUBTS.upheld_at(tx, meeting_id=found.id)) if whole else []
    attended = await rows_of(MEETING.attendance_of(tx, meeting_id=found.id))
    people = {row["person_id"] for row in attended}
    for item in found.items:
        for row in item.decisions:
            people.update(row["present"], row["stepped_out"], row["acquainted"], [row["decided_by"]])
    people |= {row["person_id"] for row in upheld}
    names = await called(tx, people)
    values = _values(found, attended, names, tx.context.house, whole=whole)
    for item, shown in zip(found.items, values["items"], strict=True):
        decisions = [row for row in item.decisions if row["meeting_id"] == found.id]
        for row, decision in zip(decisions, shown["decisions"], strict=True):
            decision["lines"] += [_stands(each, names) for each in upheld if each["decision_id"] == row["id"]]
    return values


def _stands(row: Any, names: Mapping[UUID, str]) -> str:
    who = names.get(row["person_id"], _NOBODY)
    return f"Came out afterwards to be too close: {who}. The decision stands, because: {row['words']}"


def _values(
    found: Sitting, attended: Sequence[Any], names: Mapping[UUID, str], house: House, *, whole: bool
) -> dict[str, Any]:
    begun = found.begun_at.astimezone(LOCAL)
    awarded = sum(
        row["amount_pence"] or 0
        for item in found.items
        if item.state != "withdrawn" and (row := found.decided_here(item))
    )
    money = f"Awarded in this meeting: {pounds(awarded)}." if whole else ""
    return {
        "title": f"Minutes of the panel: {found.plan.name}",
        "house": house.name,
        "date": {"year": begun.year, "month": begun.month, "day": begun.day},
        "when": f"{day(found.begun_at)}, {_time(found.begun_at)} to {_time(found.ended_at)}",
        "over": found.ended_at is not None,
        "needs": _needs(found),
        "attendance": _attendance(attended, names),
        "items": [_item(found, item, names, house) for item in found.items],
        "money": money,
    }


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(LOCAL):%H:%M}" if moment is not None else "now"


def _needs(found: Sitting) -> str:
    plan = found.plan
    parts = [f"at least {plan.quorum} of its members"]
    parts += ["one of the applicant’s profession"] if plan.needs_peer else []
    parts += ["one for the funder"] if plan.needs_funder else []
    return f"For each case, after those who step out: {', '.join(parts)}."


def _attendance(rows: Sequence[Any], names: Mapping[UUID, str]) -> list[dict[str, str]]:
    """Each person once, with all the times at which they were there."""
    times: dict[UUID, list[str]] = {}
    for row in rows:
        said = f"{_time(row['arrived_at'])} to {_time(row['left_at'])}"
        times.setdefault(row["person_id"], []).append(said)
    found = [{"name": names.get(id, _NOBODY), "times": ", ".join(when)} for id, when in times.items()]
    return sorted(found, key=lambda each: each["name"].casefold())


def _item(found: Sitting, item: Item, names: Mapping[UUID, str], house: House) -> dict[str, Any]:
    purposes = house.lists["purposes"]
    purpose = purposes[item.purpose].name if item.purpose in purposes else item.purpose
    taken_back = ", taken back since" if item.state == "withdrawn" else ""
    return {
        "title": f"{item.label}: {purpose}, {pounds(item.amount_pence)} asked for{taken_back}",
        "decisions": [_decision(row, names) for row in item.decisions if row["meeting_id"] == found.id],
    }


def _decision(row: Any, names: Mapping[UUID, str]) -> dict[str, Any]:
    amount = f" {pounds(row['amount_pence'])}" if row["amount_pence"] else ""
    by = names.get(row["decided_by"], "the grants officer")
    return {
        "what": f"{_WHAT[row['kind']]}{amount}",
        "lines": [f"{label}: {words}" for label, words in _rests_on(row, names) if words],
        "reason": (row["words"] or "").split("\n"),
        "recorded": f"Recorded at {_time(row['decided_at'])} by {by}.",
    }


def _rests_on(row: Any, names: Mapping[UUID, str]) -> list[tuple[str, str]]:
    basis = row["basis"]
    mean, quorum = basis.get("mean"), basis.get("quorum", {})
    return [
        ("Instead of an earlier decision, because", row["why_changed"] or ""),
        ("Who counted", _named(row["present"], names)),
        ("Who stepped out", _named(row["stepped_out"], names)),
        ("Who is acquainted with the applicant, and stayed", _named(row["acquainted"], names)),
        ("What was missing to decide", ", ".join(quorum.get("lacking", ()))),
        # What was put off is still scored, by some who have not seen what others gave.
        ("Weighted mean of the scores, of 5", _mean(mean) if row["kind"] != "defer" else ""),
        ("Scores not waited for", str(len(basis.get("not_waited_for", ())) or "")),
    ]


def _named(ids: Sequence[UUID], names: Mapping[UUID, str]) -> str:
    return ", ".join(sorted((names.get(id, _NOBODY) for id in ids), key=str.casefold))


def _mean(text: str | None) -> str:
    """A mean as people read it, from the fraction that a decision keeps."""
    return in_figures(Fraction(text)) if text else ""


def print_minutes(values: Mapping[str, Any]) -> bytes:
    """The PDF; may be called from any thread."""
    date = values["date"]
    dated = datetime(date["year"], date["month"], date["day"], tzinfo=LOCAL).date()
    return _press.print(all_printable(dict(values)), dated)
