"""What a funder is told of a fund: the money, how many asked and what became of it, and no person.

It leaves the house, so that small numbers are left out of it whoever makes it, with all that would give one
away. Who may make one sees the applications themselves: two reports of different days, laid side by side,
tell them nothing new.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.house import House
from chassis.web import day, pounds
from services.grants.demographics import (
    OTHERS,
    TOGETHER,
    WITHHELD,
    Counts,
    Crossed,
    Line,
    Number,
    alone,
    cross,
    single,
)
from services.grants.disclosure import LEAST, hide_some
from services.grants.queries import SHOW
from services.grants.telling import Part, Told

AWARDED = "awarded"
#: What becomes of an application, as a funder is told it.
FATES: Mapping[str, str] = {AWARDED: "Awarded", "declined": "Declined", "open": "Open or taken back"}

_NOT_AWARDED = "not_awarded"

#: Stands for what nobody has said, or what is not kept any more.
_NOT_SAID = "not_said"

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


class View(StrEnum):
    """What is told of applications by one of their traits. Never two of these beside each other: how many
    asked and how many were awarded money say how many were not, and that may be one person.
    """

    #: How many asked, and what became of them.
    FATES = "fates"
    #: How many were awarded money, and no more.
    AWARDS = "awards"
    #: How many asked, and no more.
    ASKED = "asked"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Split:
    """Applications by one of their traits, as far as nobody can be found out."""

    view: View
    #: With what became of them across in the first view only.
    table: Crossed
    #: What they were awarded, in pence, by the code of the trait.
    pence: Mapping[str, int]

    @property
    def lines(self) -> Sequence[Line]:
        """Those that can be told by themselves, then all others together."""
        return [line for line in self.table.lines if line.total.count is not None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A fund in a period."""

    #: In pence, by what it is.
    money: Mapping[str, int]
    #: How many asked and what became of them, each by what it is called.
    applications: Sequence[tuple[str, Number]]
    by_purpose: Split
    by_profession: Split
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
    fates = Counter[str]()
    for row in rows:
        fates[row["fate"]] += row["count"]
    outcomes = dict(await SHOW.outcomes_of_period(tx, **moments))
    return Report(
        money=money | dict(awarded),
        applications=together(fates),
        by_purpose=_split(house, rows, "purpose"),
        by_profession=_split(house, rows, "profession"),
        results=alone({result: outcomes[result] for result in RESULTS}, whole=False),
        in_post=single(outcomes["in_post"]),
        conflicts=single(await SHOW.conflicts_of_period(tx, **moments)),
    )


def _split(house: House, rows: Sequence[Mapping[str, Any]], trait: str) -> Split:
    counts, pence = Counter[tuple[str, str]](), Counter[str]()
    for row in rows:
        code = row[trait] or _NOT_SAID
        counts[code, row["fate"]] += row["count"]
        pence[code] += row["awarded_pence"]
    names = {code: entry.name for code, entry in house.lists[f"{trait}s"].items()}
    names |= {code: code for code, _ in counts if code not in names} | {_NOT_SAID: "Not said"}
    return split(counts, pence, names)


def split(counts: Counts, pence: Mapping[str, int], names: Mapping[str, str]) -> Split:
    """Applications by a trait and by what became of them, in the view that tells most of awards.

    Args:
        pence: what they were awarded, by the code of the trait.
        names: what the trait may be, by code, in order.
    """
    fates, asked, awards = Counter[str](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for (code, fate), count in counts.items():
        fates[fate] += count
        asked[code, ""] += count
        if fate == AWARDED:
            awards[code, ""] += count
    tables = {
        View.FATES: _by_fate(counts, names),
        View.AWARDS: cross(awards, names, None, whole=False),
        View.ASKED: cross(asked, names, None, whole=False),
    }
    best = max((Split(view=view, table=tables[view], pence=pence) for view in _may_show(fates)), key=_tells)
    return best if any(_tells(best)) else replace(best, view=View.NOTHING)


def _by_fate(counts: Counts, names: Mapping[str, str]) -> Crossed:
    """Applications by a trait and by what became of them; or only by whether they were awarded money, where
    what is left out of a row would come to a few people.
    """
    found = cross(counts, names, FATES, whole=False)
    if not any(0 < _left_out(line) < LEAST for line in found.lines):
        return found
    two = Counter[tuple[str, str]]()
    for (code, fate), count in counts.items():
        two[code, fate if fate == AWARDED else _NOT_AWARDED] += count
    return cross(two, names, {AWARDED: FATES[AWARDED], _NOT_AWARDED: "Not awarded"}, whole=False)


def _left_out(line: Line) -> int:
    """How many people a row leaves out of what it shows by itself."""
    return (line.total.count or 0) - sum(cell.count or 0 for cell in line.cells)


def _may_show(fates: Mapping[str, int]) -> Sequence[View]:
    """The views that go with the totals that are shown."""
    if fates.get(AWARDED, 0) < LEAST:
        return (View.FATES, View.ASKED)
    return (View.FATES, View.AWARDS, View.ASKED) if _asked_beside(fates) else (View.AWARDS,)


def _asked_beside(fates: Mapping[str, int]) -> bool:
    """Whether it may be said how many asked, beside how many were awarded money."""
    hidden = hide_some(fates)
    return hidden is not None and AWARDED not in hidden


def _tells(found: Split) -> tuple[int, int]:
    """Of how many kinds it tells the awards, each by itself; and of how many it tells anything."""
    kinds = [line for line in found.lines if line.code != OTHERS]
    if found.view is View.FATES:
        kinds = [line for line in kinds if any(cell.count is not None for cell in line.cells)]
    return len(_awards(found)), len(kinds)


def _awards(found: Split) -> list[tuple[Line, int]]:
    """The kinds whose awards are told by themselves, with how many those are."""
    place = _awarded_at(found.table)
    if found.view is View.AWARDS:
        numbers = [(line, line.total) for line in found.lines]
    elif found.view is View.FATES and place is not None:
        numbers = [(line, line.cells[place]) for line in found.lines]
    else:
        numbers = []
    return [(line, each.count) for line, each in numbers if line.code != OTHERS and each.count is not None]


def _awarded_at(table: Crossed) -> int | None:
    """In which column it stands how many were awarded money."""
    return next((place for place, (code, _) in enumerate(table.columns) if code == AWARDED), None)


def together(fates: Mapping[str, int]) -> list[tuple[str, Number]]:
    """How many asked and what became of them, whatever they asked for."""
    asked, awarded = sum(fates.values()), fates.get(AWARDED, 0)
    if awarded >= LEAST and not _asked_beside(fates):
        return [(FATES[AWARDED], Number(awarded))]
    told, hidden = [("Asked", single(asked))], hide_some(fates)
    if hidden is None or asked < LEAST:
        return told
    told += [(words, Number(fates.get(fate, 0))) for fate, words in FATES.items() if fate not in hidden]
    if hidden:
        words = ", ".join(FATES[fate] for fate in FATES if fate in hidden)
        told.append((words.capitalize(), Number(sum(fates[fate] for fate in hidden))))
    return told


# In words


def tell(found: Report, fund: Mapping[str, Any], period: Period, made_on: date) -> Told:
    """A report in words."""
    return Told(
        title=f"What became of it: {fund['name']}",
        lede=f"{period}. {fund['purpose']}",
        parts=[
            _told_money(found.money),
            *_told_applications(found),
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


_LEFT_OUT = "Numbers from one to four, and what would give one away, are left out."


def _told_applications(found: Report) -> list[Part]:
    facts = [(words, number.words) for words, number in found.applications]
    if found.applications[0][1].count == 0:
        return [Part(title="Applications", facts=facts)]
    note = "" if len(facts) > len(FATES) else _LEFT_OUT
    return [
        Part(title="Applications", facts=facts, note=note),
        *_told_split("exam", found.by_purpose),
        *_told_split("profession", found.by_profession),
    ]


def _told_split(trait: str, found: Split) -> list[Part]:
    """Applications and awards by a trait: what can be told of them, or one sentence that nothing can."""
    if found.view is View.NOTHING:
        few = f"Too few people to tell them apart by {trait}."
        return [Part(title=f"Applications by {trait}", texts=[("", few)])]
    if found.view is View.AWARDS:
        why = f"How many asked is not told by {trait}: beside the awards it would give single people away."
        return [_told_awards(trait, found, why)]
    asked = _told_counts(trait, found.table, found.lines)
    return [asked, _told_awards(trait, found)] if _awards(found) else [asked]


def _told_counts(trait: str, table: Crossed, lines: Sequence[Line]) -> Part:
    """A table with its totals; what stands for all that there is says nothing beside them."""
    across = [
        place for place, (code, _) in enumerate(table.columns) if len(table.columns) > 1 or code != OTHERS
    ]

    def row(name: str, cells: Sequence[Number], total: Number) -> tuple[str, ...]:
        return (name, *(cells[place].words for place in across), total.words)

    return Part(
        title=f"Applications by {trait}",
        head=(trait.capitalize(), *(table.columns[place][1] for place in across), "Asked"),
        rows=[
            *(row(line.name, line.cells, line.total) for line in lines),
            row("Together", table.foot, table.total),
        ],
        numbers_from=1,
        note=_LEFT_OUT if table.withheld else "",
    )


def _told_awards(trait: str, found: Split, why: str = "") -> Part:
    """How many were awarded money, by a trait, and how much.

    Args:
        why: no other number is told by it.
    """
    kinds, place, table = _awards(found), _awarded_at(found.table), found.table
    whole = table.total if place is None else table.foot[place]
    rest = (whole.count or 0) - sum(count for _, count in kinds)
    pence = {line.code: found.pence.get(line.code, 0) for line, _ in kinds}
    left = single(rest)
    others = pounds(sum(found.pence.values()) - sum(pence.values())) if left.count else WITHHELD
    rows = [(line.name, f"{count:,}", pounds(pence[line.code])) for line, count in kinds]
    rows += [(TOGETHER, left.words, others)] if rest else []
    notes = ["Of those who applied in this time, whenever it was decided.", why]
    notes += [_LEFT_OUT] if rest else []
    return Part(
        title=f"Awards by {trait}",
        head=(trait.capitalize(), "Awards", "Amount"),
        rows=[*rows, ("Together", whole.words, pounds(sum(found.pence.values())))],
        numbers_from=1,
        note=" ".join(filter(None, notes)),
    )


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
