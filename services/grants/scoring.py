"""What the scores of a panel come to. Pure.

0 to 5 for each criterion. Where somebody cannot judge, they are not counted for that criterion. A criterion
counts as its weight says; one that nobody could judge does not count at all. All is exact: means are
fractions, so that a tie is a tie.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID


@dataclass(frozen=True)
class Scored:
    """What one member gave for one criterion; nothing where they cannot judge."""

    person_id: UUID
    criterion_id: UUID
    score: int | None


def means(scores: Iterable[Scored]) -> dict[UUID, Fraction]:
    """For each criterion that somebody could judge, the mean of what they gave."""
    given: dict[UUID, list[int]] = {}
    for each in scores:
        if each.score is not None:
            given.setdefault(each.criterion_id, []).append(each.score)
    return {criterion: Fraction(sum(found), len(found)) for criterion, found in given.items()}


def weighted_mean(scores: Iterable[Scored], weights: Mapping[UUID, int]) -> Fraction | None:
    """The mean over the criteria by their weights, from 0 to 5; nothing where nobody could judge any."""
    found = {criterion: mean for criterion, mean in means(scores).items() if criterion in weights}
    if not found:
        return None
    total = sum(weights[criterion] for criterion in found)
    return sum((mean * weights[criterion] for criterion, mean in found.items()), Fraction(0)) / total


def in_figures(mean: Fraction) -> str:
    """A mean as people read it: two places, a half upwards."""
    hundredths = int(mean * 100 + Fraction(1, 2))
    return f"{hundredths // 100}.{hundredths % 100:02}"
