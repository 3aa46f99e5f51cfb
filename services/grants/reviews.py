"""What members of a panel say of a case: scores and a comment, theirs alone until they have handed it in.

A case that is kept from somebody is none for them, here as everywhere: whatever they ask for or do about it
meets what an unknown one would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from services.grants.queries import DESK

#: Signs of a comment.
LONGEST_COMMENT = 3_000


@dataclass(frozen=True, kw_only=True)
class Review:
    """What somebody says of a case."""

    #: By criterion; ``None`` where they cannot judge, and nothing where they have not said anything yet.
    scores: Mapping[UUID, int | None] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What another member has handed in."""

    person_id: UUID
    #: They are there if another one cannot.
    reserve: bool
    review: Review


async def case_for(tx: Transaction, viewer: UUID, id: UUID) -> Any:
    """A case with what somebody has said of it.

    Raises:
        NotFound: when there is none for them.
    """
    row = await DESK.case_for(tx, person_id=viewer, id=id)
    if row is None:
        raise NotFound
    return row


def is_settled(case: Any) -> bool:
    """Whether the scores of a case stay as they are."""
    return bool(case["decided"] or case["published"])


async def own_scores(tx: Transaction, viewer: UUID, id: UUID) -> dict[UUID, int | None]:
    """What somebody has given a case so far."""
    rows = DESK.scores_by(tx, person_id=viewer, id=id)
    return {row["criterion_id"]: row["score"] async for row in rows}


async def of_case(tx: Transaction, viewer: UUID, id: UUID) -> list[Given]:
    """What the others say of a case; nothing before the viewer has handed in their own."""
    found: dict[UUID, Given] = {}
    scores: dict[UUID, dict[UUID, int | None]] = {}
    async for row in DESK.reviews_of_others(tx, person_id=viewer, id=id):
        person = row["person_id"]
        given = scores.setdefault(person, {})
        if row["criterion_id"] is not None:
            given[row["criterion_id"]] = row["score"]
        said = Review(scores=given, comment=row["comment"])
        found[person] = Given(person_id=person, reserve=row["seat"] == "reserve", review=said)
    return list(found.values())


async def hold(tx: Transaction, viewer: UUID, id: UUID) -> Any:
    """What somebody has said of a case, held until the end of the transaction, with the case itself.

    Raises:
        NotFound: when there is no such case for them.
        Conflict: when the panel has decided on it.
    """
    if await DESK.hold_review(tx, person_id=viewer, id=id, now=tx.now) is None:
        raise NotFound
    case = await case_for(tx, viewer, id)  # anew: whoever decides may have been faster
    if is_settled(case):
        cure = "What you had saved before still counts."
        raise Conflict("The panel has decided on this case: its scores stay as they are.", cure)
    return case


async def save(tx: Transaction, viewer: UUID, case: Any, said: Review, *, submit: bool) -> None:
    """Write what somebody says of a case that they hold. What it does not speak of stays.

    Args:
        submit: hand it in, for the others to see. It can still be changed after that.
    """
    about = {"application_id": case["application_id"], "person_id": viewer}
    criteria, scores = list(said.scores), list(said.scores.values())
    await DESK.write_scores(tx, **about, round_id=case["round_id"], criteria=criteria, scores=scores)
    await DESK.write_review(tx, **about, comment=said.comment, submit=submit, now=tx.now)
    act = "review_submitted" if submit and case["submitted_at"] is None else "review_saved"
    note(tx, act, "case", case["id"], after={"said": digest_of(tx, _in_a_line(said))})


def _in_a_line(said: Review) -> str:
    given: Sequence[str] = [f"{criterion} {score}" for criterion, score in sorted(said.scores.items())]
    return "\n".join((*given, said.comment))
