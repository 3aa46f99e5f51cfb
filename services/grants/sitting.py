"""A meeting as it is seen: who is there, what it looks at, who counts for what, what was said and decided.

For a member it is made of what they may see, and of nothing else.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from chassis.database import Transaction, rows_of
from chassis.errors import NotFound
from services.grants.colleagues import called
from services.grants.queries import ATTENDING, MEETING
from services.grants.quorum import Needs, Quorum, Seat, quorum
from services.grants.rounds import Round
from services.grants.scoring import Scored, means, weighted_mean


@dataclass(frozen=True, kw_only=True)
class Item:
    """A case that a meeting looks at."""

    application_id: UUID
    case_id: UUID
    label: str
    profession: str
    purpose: str
    amount_pence: int
    exam_on: date | None
    words: str
    papers: str
    #: Of the application; nothing for a member.
    state: str | None
    opened_at: datetime | None
    #: From whom it is kept; who is only acquainted; which reserves count for it.
    removed: frozenset[UUID]
    acquainted: frozenset[UUID]
    standing_in: frozenset[UUID]
    #: Who has said what they think, with their comments, and their scores.
    comments: Mapping[UUID, str]
    scores: Sequence[Scored]
    #: Rows, the first first.
    decisions: Sequence[Any]

    @property
    def decision(self) -> Any:
        """The row of the last decision; nothing when there is none."""
        return self.decisions[-1] if self.decisions else None

    @property
    def number(self) -> int:
        """The number of the last decision."""
        return self.decision["number"] if self.decisions else 0


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """A meeting."""

    id: UUID
    round_id: UUID
    begun_at: datetime
    ended_at: datetime | None
    plan: Round
    #: Of the round.
    state: str
    #: Rows.
    criteria: Sequence[Any]
    seats: Sequence[Seat]
    #: What they are called; nothing for whoever was erased.
    names: Mapping[UUID, str]
    #: By label.
    items: Sequence[Item]

    @property
    def weights(self) -> dict[UUID, int]:
        """How much each criterion counts."""
        return {row["id"]: row["weight"] for row in self.criteria}

    @property
    def present(self) -> Item | None:
        """What was opened last of what is seen."""
        opened = [item for item in self.items if item.opened_at is not None]
        return max(opened, key=lambda item: (item.opened_at, item.label), default=None)

    def item(self, case_id: UUID) -> Item:
        """One of them.

        Raises:
            NotFound: when it is none of them.
        """
        for item in self.items:
            if item.case_id == case_id:
                return item
        raise NotFound

    def quorum(self, item: Item) -> Quorum:
        """Whether those who are there may decide on it."""
        plan = self.plan
        needs = Needs(least=plan.quorum or 1, peer=plan.needs_peer, funder=plan.needs_funder)
        return quorum(needs, item.profession, self.seats, removed=item.removed, standing_in=item.standing_in)

    def stepping_out(self, item: Item) -> list[Seat]:
        """Who is there, and must go out for it."""
        return [seat for seat in self.seats if seat.here and seat.person_id in item.removed]

    def judges(self, item: Item) -> list[Seat]:
        """Whose scores count for it, whether they are there or not."""
        return [
            seat
            for seat in self.seats
            if seat.person_id not in item.removed and (not seat.reserve or seat.person_id in item.standing_in)
        ]

    def awaited(self, item: Item) -> list[Seat]:
        """Whose scores count for it, and are not there yet."""
        return [seat for seat in self.judges(item) if seat.person_id not in item.comments]

    def scores(self, item: Item) -> list[Scored]:
        """The scores that count for it."""
        judges = {seat.person_id for seat in self.judges(item)}
        return [each for each in item.scores if each.person_id in judges]

    def means(self, item: Item) -> dict[UUID, Fraction]:
        """The mean for each criterion."""
        return means(self.scores(item))

    def mean(self, item: Item) -> Fraction | None:
        """The weighted mean; nothing where nobody could judge."""
        return weighted_mean(self.scores(item), self.weights)

    def is_decided(self, item: Item) -> bool:
        """Whether it was decided in this meeting, and not only put off."""
        row = self.decided_here(item)
        return row is not None and row["kind"] != "defer"

    def decided_here(self, item: Item) -> Any:
        """The row of its last decision if that is of this meeting."""
        row = item.decision
        return row if row is not None and row["meeting_id"] == self.id else None


async def sitting(tx: Transaction, meeting_id: UUID, *, only: UUID | None = None) -> Sitting:
    """A meeting with all there is; or with one application, and without names.

    Raises:
        NotFound: when there is none.
    """
    items = MEETING.items_of(tx, meeting_id=meeting_id, only=only)
    return await _read(tx, meeting_id, items, named=only is None)


async def sitting_with(tx: Transaction, meeting_id: UUID, case_id: UUID | None) -> Sitting:
    """A meeting with this one of its cases, or else with the one that is on; with one at the most.

    Raises:
        NotFound: when there is none.
    """
    return await _read(
        tx, meeting_id, MEETING.item_on(tx, meeting_id=meeting_id, case_id=case_id), named=True
    )


async def sitting_on_wall(tx: Transaction, meeting_id: UUID) -> Sitting:
    """A meeting with what it has decided and with what is on.

    Raises:
        NotFound: when there is none.
    """
    return await _read(tx, meeting_id, MEETING.items_on_wall(tx, meeting_id=meeting_id), named=True)


async def sitting_for(tx: Transaction, meeting_id: UUID, viewer: UUID) -> Sitting:
    """A meeting as a member sees it.

    Raises:
        NotFound: when there is none for them: it looks at nothing that they may see.
    """
    found = await sittings_for(tx, meeting_id, [viewer])
    if viewer not in found:
        raise NotFound
    return found[viewer]


async def sittings_for(tx: Transaction, meeting_id: UUID, viewers: Sequence[UUID]) -> dict[UUID, Sitting]:
    """A meeting as each of these members sees it; nothing for those who may see nothing of it.

    For those who may see the very same it is read once.
    """
    alike: dict[tuple[UUID, ...], list[UUID]] = defaultdict(list)
    async for row in ATTENDING.seen_by(tx, meeting_id=meeting_id, viewers=list(viewers)):
        alike[tuple(row["ids"])].append(row["viewer"])
    found: dict[UUID, Sitting] = {}
    for some in alike.values():
        items = ATTENDING.items_for(tx, meeting_id=meeting_id, viewer=some[0])
        found |= dict.fromkeys(some, await _read(tx, meeting_id, items, named=True))
    return found


async def _read(tx: Transaction, meeting_id: UUID, items: Any, *, named: bool) -> Sitting:
    row, plan, criteria, seats, rows = await tx.together(
        MEETING.meeting_by_id(tx, id=meeting_id),
        MEETING.round_at(tx, meeting_id=meeting_id),
        rows_of(MEETING.criteria_at(tx, meeting_id=meeting_id)),
        rows_of(MEETING.seats_at(tx, meeting_id=meeting_id)),
        rows_of(items),
    )
    if row is None:
        raise NotFound
    ids = [each["application_id"] for each in rows]
    names, *belonging = await tx.together(
        called(tx, [seat["person_id"] for seat in seats] if named else []),
        rows_of(MEETING.ties_of(tx, ids=ids)),
        rows_of(MEETING.standing_in(tx, meeting_id=meeting_id, ids=ids)),
        rows_of(MEETING.reviews_of(tx, ids=ids)),
        rows_of(MEETING.scores_of(tx, ids=ids)),
        rows_of(MEETING.decisions_of(tx, ids=ids)),
    )
    return Sitting(
        **{name: row[name] for name in ("id", "round_id", "begun_at", "ended_at")},
        plan=Round.of(plan),
        state=plan["state"],
        criteria=criteria,
        seats=[_seat(each) for each in seats],
        names=names,
        items=_items(rows, *belonging),
    )


def _seat(row: Mapping[str, Any]) -> Seat:
    return Seat(
        person_id=row["person_id"],
        reserve=row["seat"] == "reserve",
        professions=frozenset(row["professions"]),
        for_funder=row["for_funder"],
        here=row["here"],
    )


def _items(rows: Sequence[Mapping[str, Any]], ties: Sequence[Any], *others: Sequence[Any]) -> list[Item]:
    """What belongs to these, and to nothing else."""
    standing_in, reviews, scores, decisions = map(_by_item, others)
    removed = _by_item(each for each in ties if each["removed"])
    acquainted = _by_item(each for each in ties if not each["removed"])

    def people(found: Mapping[UUID, Sequence[Any]], id: UUID) -> frozenset[UUID]:
        return frozenset(each["person_id"] for each in found.get(id, ()))

    return [
        Item(
            **row,
            removed=people(removed, id),
            acquainted=people(acquainted, id) - people(removed, id),
            standing_in=people(standing_in, id),
            comments={each["person_id"]: each["comment"] for each in reviews.get(id, ())},
            scores=[
                Scored(each["person_id"], each["criterion_id"], each["score"]) for each in scores.get(id, ())
            ],
            decisions=decisions.get(id, ()),
        )
        for row in rows
        for id in [row["application_id"]]
    ]


def _by_item(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["application_id"]].append(row)
    return dict(found)
