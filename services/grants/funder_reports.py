"""What a funder is told of a fund: the money, how many asked and what became of it, and no person.

It leaves the house, so that small numbers are left out of it whoever makes it, with all that would give one
away. Who may make one sees the applications themselves: two reports of different days, laid side by side,
tell them nothing new.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.house import House
from chassis.web import day, pounds
from services.grants.demographics import Crossed, Number, alone, cross, single
from services.grants.queries import SHOW
from services.grants.telling import Part, Told

#: What becomes of an application, as a funder is told it.
FATES: Mapping[str, str] = {"awarded": "Awarded", "declined": "Declined", "open": "Open or taken back"}

RESULTS: Mapping[str, str] = {"passed": "Passed", "not_passed": "Not passed", "not_sat": "Did not sit it"}


@dataclass(frozen=True, kw_only=True)
class Period:
    """From one day to another, both included."""

    first: date
    last: date

    @property
    def moments(self) -> dict[str, datetime]:
        """When it begins, and when it has ended."""
        return {"since": _midnight(self.first), "until": _midnight(self.last + timedelta(days=1))}

    def __str__(self) -> str:
        return f"{day(self.first)} to {day(self.last)}"


def _midnight(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=LOCAL)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A fund in a period."""

    #: In pence, by what it is.
    money: Mapping[str, int]
    #: By exam and by profession, each by what became of it.
    by_purpose: Crossed
    by_profession: Crossed
    results: Mapping[str, Number]
    in_post: Number
    conflicts: Number


async def report(tx: Transaction, fund_id: UUID, period: Period) -> Report:
    """What is told of a fund and a period."""
    moments, house = {"fund_id": fund_id, **period.moments}, tx.context.house
    days = {"fund_id": fund_id, "first": period.first, "last": period.last}
    money = dict(await SHOW.money_of_period(tx, **days))
    awarded = await SHOW.awarded_of_period(tx, **moments)
    rows = [row async for row in SHOW.applications_of_period(tx, **moments)]
    outcomes = dict(await SHOW.outcomes_of_period(tx, **moments))
    return Report(
        money=money | dict(awarded),
        by_purpose=_crossed(house, rows, "purpose"),
        by_profession=_crossed(house, rows, "profession"),
        results=alone({result: outcomes[result] for result in RESULTS}, whole=False),
        in_post=single(outcomes["in_post"]),
        conflicts=single(await SHOW.conflicts_of_period(tx, **moments)),
    )


def _crossed(house: House, rows: Sequence[Mapping[str, Any]], trait: str) -> Crossed:
    """Applications by a trait and by what became of them, without what would find anybody out."""
    counts = Counter[tuple[str, str]]()
    for row in rows:
        counts[row[trait], row["fate"]] += row["count"]
    names = {code: entry.name for code, entry in house.lists[f"{trait}s"].items()}
    names |= {code: code or "Not said" for code, _ in counts if code not in names}
    return cross(counts, names, FATES, whole=False)


# In words


def tell(found: Report, fund: Mapping[str, Any], period: Period, made_on: date) -> Told:
    """A report in words."""
    return Told(
        title=f"What became of it: {fund['name']}",
        lede=f"{period}. {fund['purpose']}",
        parts=[
            _told_money(found.money),
            _told_counts("Applications by exam", "Exam", found.by_purpose),
            _told_counts("Applications by profession", "Profession", found.by_profession),
            _told_outcomes(found),
            Part(
                title="Conflicts of interest",
                facts=[("Looked at and settled", found.conflicts.words)],
                note="Whoever is too close to an applicant neither reads, scores nor decides.",
            ),
        ],
        foot=f"{fund['name']}, {period}. Made on {day(made_on)}.",
    )


def _told_money(money: Mapping[str, int]) -> Part:
    gone = money["awarded_pence"] - money["spent_pence"] - money["open_pence"]
    lines = {
        "Received": money["received_pence"],
        "Given back to funders": money["refunded_pence"],
        "Awarded": money["awarded_pence"],
        "Paid": money["paid_pence"],
        "Came back from awards": money["returned_pence"],
        "Left at the bank at the end": money["left_pence"],
        "Of what was awarded: paid by now": money["spent_pence"],
        "Of what was awarded: not paid by now": money["open_pence"],
        "Of what was awarded: given up or came back": gone,
    }
    return Part(
        title="The money",
        head=("What", "Amount"),
        rows=[(words, pounds(pence)) for words, pence in lines.items()],
        numbers_from=1,
        note="By the days on the bank’s statements. Awarded is what was decided and published.",
    )


def _told_counts(title: str, trait: str, table: Crossed) -> Part:
    lines = [(line.name, *_words(line.cells), line.total.words) for line in table.lines]
    foot = [("Together", *_words(table.foot), table.total.words)] if lines else []
    left_out = (
        "Numbers from one to four, and what would give one away, are left out." if table.withheld else ""
    )
    return Part(
        title=title,
        facts=[] if lines else [("Together", table.total.words)],
        head=(trait, *(name for _, name in table.columns), "Asked"),
        rows=[*lines, *foot],
        numbers_from=1,
        note=left_out,
    )


def _words(numbers: Sequence[Number]) -> list[str]:
    return [number.words for number in numbers]


def _told_outcomes(found: Report) -> Part:
    return Part(
        title="How the exams went",
        head=("Result", "People"),
        rows=[
            *((words, found.results[result].words) for result, words in RESULTS.items()),
            ("Work in their profession now", found.in_post.words),
        ],
        numbers_from=1,
        note="As they told us in this time.",
    )
