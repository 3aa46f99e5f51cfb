"""What a panel might award out of what is free: a proposal, never a decision. Pure.

By the weighted mean, funded downwards until the next cannot be paid in full. Those with the same mean are
alike: where there is not enough for all of them, none is put before another, and the panel chooses. The other
way looks for the highest total of means that fits; it favours cheap exams, and is taken only when chosen.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, groupby
from math import gcd, lcm
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A case that asks for money."""

    id: UUID
    label: str
    asked_pence: int
    #: From 0 to 5; nothing where nobody could judge.
    mean: Fraction | None


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What is proposed for one case."""

    case: Candidate
    #: The place by mean, the same for those with the same mean; nothing without a mean.
    place: int | None
    #: Others have the same mean.
    tied: bool
    #: What it would be given at the most.
    full_pence: int
    #: What is proposed; nothing is 0.
    pence: int


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A proposal for all cases, the highest mean first."""

    cases: Sequence[Proposed]
    left_pence: int
    #: Those who come next and cannot all be paid in full: one, or several with the same mean.
    next: Sequence[Proposed] = ()

    @property
    def part_pence(self) -> int:
        """What is left for them: it may be awarded in part."""
        return min(self.left_pence, sum(each.full_pence for each in self.next))


def by_mean(candidates: Iterable[Candidate], pot_pence: int, most_pence: int) -> Allocation:
    """Fund by the weighted mean, downwards, until the next cannot be paid in full.

    Args:
        pot_pence: what is free.
        most_pence: the most that one award may be.
    """
    left, waiting = pot_pence, list[Proposed]()
    cases: list[Proposed] = []
    for group in _groups(candidates, most_pence):
        needs = sum(each.full_pence for each in group)
        ranked = group[0].place is not None
        if ranked and not waiting and needs <= left:
            left -= needs
            cases += [_given(each, each.full_pence) for each in group]
            continue
        if ranked and not waiting:
            waiting = group
        cases += group
    return Allocation(cases=cases, left_pence=left, next=waiting)


def by_total(candidates: Iterable[Candidate], pot_pence: int, most_pence: int) -> Allocation:
    """Fund so that the means of those funded come to the highest total that fits, to the penny.

    Of several such ways, the one that costs least.
    """
    cases = [each for group in _groups(candidates, most_pence) for each in group]
    chosen = _best([each for each in cases if each.case.mean], pot_pence)
    given = [_given(each, each.full_pence if each.case.id in chosen else 0) for each in cases]
    return Allocation(cases=given, left_pence=pot_pence - sum(each.pence for each in given))


def _given(proposed: Proposed, pence: int) -> Proposed:
    return Proposed(**{**vars(proposed), "pence": pence})


def _groups(candidates: Iterable[Candidate], most_pence: int) -> list[list[Proposed]]:
    """Those with the same mean together, the highest first; last, those without one."""

    def rank(case: Candidate) -> tuple[bool, Fraction]:
        return case.mean is None, -(case.mean or Fraction(0))

    ordered = sorted(candidates, key=lambda case: (*rank(case), case.label, case.id))
    groups, place = [], 1
    for (without, _), found in groupby(ordered, key=rank):
        alike = list(found)
        groups.append(
            [
                Proposed(
                    case=case,
                    place=None if without else place,
                    tied=len(alike) > 1 and not without,
                    full_pence=min(case.asked_pence, most_pence),
                    pence=0,
                )
                for case in alike
            ]
        )
        place += len(alike)
    return groups


# The highest total


@dataclass(frozen=True)
class _Way:
    """Some of those looked at so far: what they cost, what they are worth, and which they are."""

    cost: int
    worth: int
    last: UUID | None = None
    before: "_Way | None" = None

    def ids(self) -> set[UUID]:
        """Which they are."""
        found, way = set[UUID](), self
        while way.before is not None and way.last is not None:
            found.add(way.last)
            way = way.before
        return found


def _best(proposed: Sequence[Proposed], pot_pence: int) -> set[UUID]:
    """Which of them have the highest total within the pot.

    Of all the ways to choose among those looked at so far only such are kept that nothing cheaper is worth as
    much as, and that could still come to more than the best that is certain. Worths are whole numbers.
    """
    scale = lcm(*(each.case.mean.denominator for each in proposed if each.case.mean))
    unit = gcd(*(each.full_pence for each in proposed)) or 1
    things = [
        (each.full_pence // unit, int((each.case.mean or 0) * scale), each.case.id) for each in proposed
    ]
    things.sort(key=lambda thing: Fraction(thing[1], thing[0]), reverse=True)
    room = pot_pence // unit
    costs = [0, *accumulate(cost for cost, _, _ in things)]
    worths = [0, *accumulate(worth for _, worth, _ in things)]
    ways = [_Way(0, 0)]
    for number, (cost, worth, id) in enumerate(things):
        added = [_Way(way.cost + cost, way.worth + worth, id, way) for way in ways if way.cost + cost <= room]
        ways = _undominated([*ways, *added])
        rest, after = things[number + 1 :], number + 1
        certain = ways[-1].worth + _greedily(rest, room - ways[-1].cost)
        ways = [
            way
            for way in ways
            if way.worth + _at_most(things, costs, worths, after, room - way.cost) >= certain
        ]
    return max(ways, key=lambda way: (way.worth, -way.cost)).ids()


def _undominated(ways: Iterable[_Way]) -> list[_Way]:
    """Those that nothing is worth as much as and costs no more; the cheapest first."""
    kept: list[_Way] = []
    for way in sorted(ways, key=lambda way: (way.cost, -way.worth)):
        if not kept or way.worth > kept[-1].worth:
            kept.append(way)
    return kept


def _greedily(things: Sequence[tuple[int, int, UUID]], room: int) -> int:
    """What one surely gets out of the rest."""
    total = 0
    for cost, worth, _ in things:
        if cost <= room:
            room, total = room - cost, total + worth
    return total


def _at_most(
    things: Sequence[tuple[int, int, UUID]],
    costs: Sequence[int],
    worths: Sequence[int],
    first: int,
    room: int,
) -> int:
    """What no choice among the rest can exceed: as if the last one could be split."""
    end = bisect_right(costs, costs[first] + room) - 1
    whole = worths[end] - worths[first]
    if end == len(things):
        return whole
    cost, worth, _ = things[end]
    return whole + worth * (room - (costs[end] - costs[first])) // cost
