"""What members write of cases, looked through by somebody of ours before other members read it.

All of it waits, whatever it says. Were only that held which names the applicant, a member could write one
name after the other, and see on another's screen which of them was held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction
from services.grants.applicants import Applicant
from services.grants.queries import COMMENTS
from services.grants.redaction import still_says


@dataclass(frozen=True, kw_only=True)
class Comment:
    """What a member says of a case, as they wrote it."""

    application_id: UUID
    person_id: UUID
    #: Of the case.
    label: str
    words: str
    #: Of what the member says of the case: it changes whenever they write it anew.
    version: int
    #: What in it says who applies, each in a sentence.
    found: Sequence[str]

    @classmethod
    def of(cls, tx: Transaction, row: Any) -> Self:
        """The comment in a row."""
        who = Applicant.opened(tx.context, row["sealed"]) if row["sealed"] else None
        same = {name: row[name] for name in ("application_id", "person_id", "label", "version")}
        return cls(**same, words=row["comment"], found=still_says(row["comment"], who) if who else ())


@dataclass(frozen=True, kw_only=True)
class LookedThrough:
    """What the others are to read for a comment; without words nothing of it."""

    application_id: UUID
    person_id: UUID
    #: The one that was looked at.
    version: int
    words: str


async def waiting(tx: Transaction, round_id: UUID, most: int) -> list[Comment]:
    """What waits to be looked through in a round, by label; first what a machine finds something in."""
    rows = [row async for row in COMMENTS.comments_waiting(tx, round_id=round_id, most=most)]
    return sorted((Comment.of(tx, row) for row in rows), key=lambda each: not each.found)


async def let_read(tx: Transaction, round_id: UUID, said: Sequence[LookedThrough]) -> int:
    """Let the others read it. How many that were; what was written anew meanwhile waits on."""
    rows = [
        row
        async for row in COMMENTS.let_read(
            tx,
            round_id=round_id,
            applications=[each.application_id for each in said],
            people=[each.person_id for each in said],
            versions=[each.version for each in said],
            words=[each.words for each in said],
        )
    ]
    for row in rows:
        after = {"person": row["person_id"], "words": digest_of(tx, row["words"])}
        note(tx, "comment_passed", "application", row["application_id"], after=after)
    return len(rows)
