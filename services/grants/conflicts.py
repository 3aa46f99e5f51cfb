"""Who is too close to whom: what members and applicants say, what follows from it, what we settle.

A close tie keeps an application from a member, and so does what is only suggested, until somebody of ours has
looked at it. An acquaintance is noted, and stays. Nobody lifts one for themselves.

Whoever hands an application over holds the seats of its round, and whoever says something new of themselves
locks their own: of two at once, the second sees what the first has done, and nothing slips through between.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat
from nacl.secret import SecretBox

from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Refused
from services.grants.queries import CONFLICTS

#: Things that one person says that they are close to, and signs of each.
MOST_INTERESTS, LONGEST_INTEREST = 40, 200


class Tie(StrEnum):
    """How somebody is close to an applicant."""

    SELF = "self"
    FAMILY = "family"
    TEAM = "team"
    REFEREE = "referee"
    MONEY = "money"
    #: Noted, and stays. All others keep the application from them.
    ACQUAINTANCE = "acquaintance"


class Kind(StrEnum):
    """What somebody can be close to, so that applicants are compared with it."""

    EMPLOYER = "employer"
    TEAM = "team"
    PERSON = "person"


@dataclass(frozen=True)
class Interest:
    """One thing that a member is close to: where they work, with whom, or a close person."""

    kind: Kind
    words: str

    def sealed(self, context: Context) -> bytes:
        """As the database keeps it."""
        return bytes(_box(context).encrypt(json.dumps(self.words).encode()))

    @classmethod
    def of(cls, context: Context, row: Mapping[str, Any]) -> Self:
        """The interest in a row."""
        return cls(Kind(row["kind"]), json.loads(_box(context).decrypt(bytes(row["sealed"]))))


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("interests"))


# Interests


async def interests_of(tx: Transaction, person_id: UUID) -> list[Interest] | None:
    """What somebody says that they are close to; ``None`` when they have not said anything yet."""
    if await CONFLICTS.interests_said_at(tx, person_id=person_id) is None:
        return None
    rows = CONFLICTS.interests_of(tx, person_ids=[person_id])
    return [Interest.of(tx.context, row) async for row in rows if row["ended_at"] is None]


async def say_interests(tx: Transaction, person_id: UUID, interests: Sequence[Interest]) -> None:
    """Somebody says what they are close to, all of it; nothing, when there is nothing.

    What follows is suggested at once. What was suggested before stays, also where they do not say it any
    more: somebody of ours settles it.

    Raises:
        Refused: when it is too much.
    """
    if len(interests) > MOST_INTERESTS:
        raise Refused(f"Write at most {MOST_INTERESTS} lines.", "Leave out what matters least.")
    rows = [row async for row in CONFLICTS.interests_of(tx, person_ids=[person_id])]
    known = {Interest.of(tx.context, row): row["id"] for row in rows if row["ended_at"] is None}
    gone = [id for interest, id in known.items() if interest not in interests]
    await CONFLICTS.end_interests(tx, ids=gone, now=tx.now)
    new = [interest for interest in dict.fromkeys(interests) if interest not in known]
    for interest in new:  # a few lines of one person
        sealed = interest.sealed(tx.context)
        id = uuid_utils.compat.uuid7()
        kind = interest.kind
        await CONFLICTS.add_interest(tx, id=id, person_id=person_id, kind=kind, sealed=sealed, now=tx.now)
    await CONFLICTS.note_interests_said(tx, person_id=person_id, now=tx.now)
    note(tx, "interests_said", "person", person_id, after={"new": len(new), "taken_back": len(gone)})


# What people say


async def declare(tx: Transaction, person_id: UUID, application_id: UUID, tie: Tie) -> None:
    """A member says that they are close to the applicant of one of their cases: it counts at once."""
    said = {"application_id": application_id, "person_id": person_id, "tie": tie}
    id = await CONFLICTS.declare(tx, id=uuid_utils.compat.uuid7(), **said, now=tx.now)
    if id is not None:
        note(tx, "conflict_declared", "conflict", id, after=said)
