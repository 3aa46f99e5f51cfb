"""What worked: who answers, by kind of body, role, channel and chasers, and how long they take.

Counted by body: one that several campaigns ask is one body, since it is no second witness of how bodies
answer. Its time goes from our first letter to its first answer. Bodies that have no letter of ours are left
out and shown apart; those that are silent stay in, as not yet answered. A share of a few bodies says little
about the next ones, so each comes with the range in which the true one lies, and of fewer than five bodies
none is given.

What came of our letters to each body is kept by the database: here is counted how many bodies are alike. Of
which body something has changed is marked with the change, and until it is kept anew it is reckoned at each
look; so the figures are always those of this moment, and nobody who changes a letter waits.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction, rows_of
from chassis.working_days import working_days_between
from services.notifications.queries import LOOKING_BACK

#: Of fewer bodies nothing is said.
FEWEST = 5
#: How far the curve of answers goes, in working days.
DAYS = 40
#: Days that are named beside it.
NAMED_DAYS = (5, 10, 20, 40)
#: Working days after which so many have answered.
QUARTERS = {"A quarter": 0.25, "Half": 0.5, "Three quarters": 0.75}

#: Stands for all campaigns together.
ALL = UUID(int=0)
#: Bodies whose outcomes are kept at once.
MOST = 500

#: Two-sided 95 %.
_Z = 1.959963984540054


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's score without continuity correction.

    E. B. Wilson, “Probable inference, the law of succession, and statistical inference”, Journal of the
    American Statistical Association 22 (1927), 209–212; method 3 in R. G. Newcombe, Statistics in Medicine 17
    (1998), 857–872, whose figures it is tested with.

    Raises:
        ValueError: when there are fewer than none, or more than all.
    """
    if not 0 <= count <= of or of == 0:
        raise ValueError("A share is of so many out of at least as many, and of at least one.")
    share, z2 = count / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return (0.0 if count == 0 else middle - half, 1.0 if count == of else middle + half)


@dataclass(frozen=True)
class Share:
    """So many of so many bodies."""

    count: int
    of: int

    @property
    def in_hundred(self) -> tuple[int, int] | None:
        """Between which whole numbers in a hundred the true share lies; None of too few."""
        if self.of < FEWEST:
            return None
        low, high = wilson(self.count, self.of)
        return math.floor(low * 100), math.ceil(high * 100)

    @property
    def words(self) -> str:
        found = self.in_hundred
        return f"between {found[0]} and {found[1]} in 100" if found else "too few to say"


@dataclass(frozen=True)
class Line:
    """One group of bodies."""

    name: str
    acknowledged: Share
    answered: Share


@dataclass(frozen=True)
class Point:
    """Of the bodies that have had our letter for so many working days, those that had answered by then."""

    day: int
    share: Share


@dataclass(frozen=True, kw_only=True)
class LookBack:
    """What worked, in one campaign or in all."""

    #: All bodies to which a letter came.
    whole: Line
    kinds: Sequence[Line]
    roles: Sequence[Line]
    channels: Sequence[Line]
    #: Of the bodies that were chased so often before, those that then answered before they were chased again.
    chasers: Sequence[Line]
    curve: Sequence[Point]
    #: Letters that did not arrive by what became of them, and ``bodies`` that have none.
    apart: Mapping[str, int]
    #: In how many ``campaigns`` bodies were asked, and how many ``times`` one was.
    asked: Mapping[str, int]

    def reached(self, share: float) -> int | None:
        """The first working day by which so many had answered; None while they have not."""
        found = (p.day for p in self.curve if p.share.of >= FEWEST and p.share.count >= share * p.share.of)
        return next(found, None)


async def look_back(
    tx: Transaction, names: Callable[[str, str], str], campaign_id: UUID | None = None
) -> LookBack:
    """Look at what was answered.

    Args:
        names: what a code of a list is called, given the list.
    """
    which = {"campaign_id": campaign_id}
    alike = await rows_of(LOOKING_BACK.outcomes_alike(tx, scope=campaign_id or ALL))
    said = [(json.loads(row["said"]), row["bodies"]) for row in alike if row["said"] is not None]
    replies = [row for row in alike if row["sent_on"] is not None]
    bodies = sum(row["bodies"] for row in replies)
    return LookBack(
        whole=Line(
            "All",
            Share(_number(replies, "acknowledged"), bodies),
            Share(_number(replies, "answered"), bodies),
        ),
        kinds=_lines(said, _by_kind, partial(names, "kinds")),
        roles=_lines(said, itemgetter("roles"), partial(names, "contact_roles")),
        channels=_lines(said, itemgetter("channels"), partial(names, "channels")),
        chasers=_by_chasers(replies),
        curve=_curve(replies, tx.today),
        apart=dict(await LOOKING_BACK.apart_of(tx, **which)),
        asked={
            "campaigns": await LOOKING_BACK.campaigns_that_came(tx, **which),
            "times": sum(row["times"] for row in alike if row["said"] is not None),
        },
    )


async def keep_outcomes(database: Database) -> bool:
    """Keep anew what came of our letters to bodies of which something has changed. Whether there are more."""
    async with database.transaction() as tx:
        if not await LOOKING_BACK.keep_alone(tx):
            return False
        changed = await rows_of(LOOKING_BACK.take_changed(tx, most=MOST))
        if bodies := sorted({row["organisation_id"] for row in changed}):
            await LOOKING_BACK.forget_outcomes(tx, organisations=bodies)
            await LOOKING_BACK.keep_outcomes(tx, organisations=bodies)
    return len(changed) == MOST


def _number(replies: Iterable[Any], what: str) -> int:
    return sum(row["bodies"] for row in replies if row[f"{what}_on"] is not None)


def _by_kind(said: Mapping[str, Any]) -> dict[str, int]:
    """How far each of a body's kinds got: as far as the one there who said most."""
    return dict.fromkeys(said["kinds"] or (), max(said["roles"].values()))


def _lines(
    said: Iterable[tuple[Mapping[str, Any], int]],
    grouped: Callable[[Mapping[str, Any]], Mapping[str, int]],
    name: Callable[[str], str],
) -> list[Line]:
    """Those to whom a letter came by group, the largest first.

    Args:
        said: by so many bodies each.
        grouped: how far each group got, of what one body said.
    """
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for each, bodies in said:
        for code, far in grouped(each).items():
            found[code][far] += bodies
    in_order = sorted(found.items(), key=lambda group: (-group[1].total(), group[0]))
    return [
        Line(name(code), Share(far[1] + far[2], far.total()), Share(far[2], far.total()))
        for code, far in in_order
    ]


def _by_chasers(replies: Sequence[Any]) -> list[Line]:
    most = max((row["before_answered"] for row in replies), default=-1)
    return [
        Line(_chasers(n), _after(replies, "acknowledged", n), _after(replies, "answered", n))
        for n in range(most + 1)
    ]


def _chasers(n: int) -> str:
    return {0: "Before any chaser", 1: "After one chaser"}.get(n, f"After {n} chasers")


def _after(replies: Iterable[Any], what: str, n: int) -> Share:
    """Of the bodies that had said nothing before they were chased so often, those that then did."""
    chased = [row for row in replies if row[f"before_{what}"] >= n]
    return Share(
        _number((row for row in chased if row[f"before_{what}"] == n), what),
        sum(row["bodies"] for row in chased),
    )


def _curve(replies: Sequence[Any], today: date) -> list[Point]:
    waits = [
        (
            row["bodies"],
            working_days_between(row["sent_on"], today),
            working_days_between(row["sent_on"], max(row["answered_on"], row["sent_on"]))
            if row["answered_on"]
            else None,
        )
        for row in replies
    ]
    longest = max((had for _, had, _ in waits), default=-1)
    points = []
    for day in range(min(longest, DAYS) + 1):
        there = [(bodies, took) for bodies, had, took in waits if had >= day]
        count = sum(bodies for bodies, took in there if took is not None and took <= day)
        points.append(Point(day, Share(count, sum(bodies for bodies, _ in there))))
    return points
