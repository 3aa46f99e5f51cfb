"""Who decides on a case, and whether they may: members who are there and not too close to it. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Somebody who takes part in a round."""

    person_id: UUID
    reserve: bool
    #: Codes: for applicants of these they are a peer.
    professions: frozenset[str]
    for_funder: bool
    #: Whether they are at the meeting.
    here: bool


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Who must be there for a case, after those who are too close have gone."""

    least: int
    #: One of them of the applicant's profession, one for the funder.
    peer: bool
    funder: bool


@dataclass(frozen=True, kw_only=True)
class Quorum:
    """Whether those who are there may decide on a case."""

    #: Who counts.
    counted: Sequence[Seat]
    #: What is missing, in words, each a part of a sentence.
    lacking: Sequence[str]
    #: Reserves who are there: who would mend all of it, and who would mend some.
    menders: Sequence[Seat] = ()
    helpers: Sequence[Seat] = ()

    @property
    def holds(self) -> bool:
        """Whether they may."""
        return not self.lacking


def quorum(
    needs: Needs,
    profession: str,
    seats: Iterable[Seat],
    *,
    removed: Collection[UUID],
    standing_in: Collection[UUID],
) -> Quorum:
    """Count for one case: whoever is there and not removed; a reserve only where they stand in.

    Args:
        profession: of the applicant.
    """
    free = [seat for seat in seats if seat.here and seat.person_id not in removed]
    counted = [seat for seat in free if not seat.reserve or seat.person_id in standing_in]
    lacking = list(_lacking(needs, profession, counted))
    left = {
        seat.person_id: list(_lacking(needs, profession, [*counted, seat]))
        for seat in free
        if seat not in counted
    }
    waiting = [seat for seat in free if left.get(seat.person_id, lacking) != lacking]
    return Quorum(
        counted=counted,
        lacking=lacking,
        menders=[seat for seat in waiting if not left[seat.person_id]],
        helpers=[seat for seat in waiting if left[seat.person_id]],
    )


def _lacking(needs: Needs, profession: str, counted: Sequence[Seat]) -> Iterator[str]:
    short = needs.least - len(counted)
    if short > 0:
        yield f"{short} more {'member' if short == 1 else 'members'}"
    if needs.peer and not any(profession in seat.professions for seat in counted):
        yield "somebody of the applicant’s profession"
    if needs.funder and not any(seat.for_funder for seat in counted):
        yield "somebody for the funder"
