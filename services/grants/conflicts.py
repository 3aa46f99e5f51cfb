"""Who is too close to whom: what members and applicants say, what follows from it, what we settle.

A close tie keeps an application from a member, and so does what is only suggested, until somebody of ours has
looked at it. An acquaintance is noted, and stays. Nobody lifts one for themselves.

What a member adds to their interests once a case was handed over takes nothing from them before somebody of
ours has confirmed it: else they could try names, and see by what goes whether its bearer applies.

Whoever hands an application over holds the seats of its round, and whoever says something new of themselves
locks their own: of two at once, the second sees what the first has done, and nothing slips through between.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat
from nacl.secret import SecretBox

from chassis.audit import note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from services.grants import comparing
from services.grants.applicants import Applicant, email_digest
from services.grants.colleagues import colleagues
from services.grants.comparing import Pattern, Profile, whole_systems
from services.grants.domain import Overtaken
from services.grants.queries import CONFLICTS

#: Things that one person says that they are close to, and signs of each.
MOST_INTERESTS, LONGEST_INTEREST = 40, 200
#: Signs of why something is no conflict.
LONGEST_WORDS = 500

#: Conflicts that are entered together.
_AT_A_TIME = 500


class Tie(StrEnum):
    """How somebody is close to an applicant."""

    SELF = "self"
    FAMILY = "family"
    TEAM = "team"
    REFEREE = "referee"
    MONEY = "money"
    #: Noted, and stays. All others keep the application from them.
    ACQUAINTANCE = "acquaintance"


#: What each is called.
TIES: Mapping[Tie, str] = {
    Tie.SELF: "It is their own application",
    Tie.FAMILY: "Family, partner or close friend",
    Tie.TEAM: "Work or train in the same team",
    Tie.REFEREE: "Teaches, supports or recommends them",
    Tie.MONEY: "Money between them",
    Tie.ACQUAINTANCE: "Only know each other",
}


class Source(StrEnum):
    """Where we know it from."""

    DECLARED = "declared"
    TICKED = "ticked"
    DERIVED = "derived"
    ENTERED = "entered"


class Standing(StrEnum):
    """How far a conflict is."""

    SUGGESTED = "suggested"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


#: An interest is of one of these.
Kind = comparing.Kind


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

    What follows is suggested at once; said again, it keeps from them only what was not handed over yet. What
    was suggested before stays, also where they do not say it any more: somebody of ours settles it.

    Raises:
        Refused: when it is too much.
    """
    if len(interests) > MOST_INTERESTS:
        raise Refused(f"Write at most {MOST_INTERESTS} lines.", "Leave out what matters least.")
    await lock_seats(tx, person_id)
    again = await CONFLICTS.interests_said_at(tx, person_id=person_id) is not None
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
    await derive_for(tx, person_id, keeps_handed=not again)


# What follows from them


@dataclass(frozen=True)
class _Sign:
    """Something by which a member may be close to an applicant."""

    #: Nothing for the member's own name.
    interest_id: UUID | None
    interest: Interest
    pattern: Pattern
    said_at: datetime | None


@dataclass(frozen=True)
class _Known:
    """A member as applicants are compared with them."""

    id: UUID
    email_digest: bytes | None
    signs: Sequence[_Sign]


async def derive_for(tx: Transaction, person_id: UUID, *, keeps_handed: bool = True) -> None:
    """Compare somebody with every application that is prepared for a panel on which they sit.

    The caller has locked their seats.

    Args:
        keeps_handed: what is found keeps from them also what was handed over to the panel before.
    """
    members = await _known(tx, [person_id])
    found: list[dict[str, Any]] = []
    async for row in CONFLICTS.compared_for(tx, person_id=person_id):
        found += _found(tx, row, members, keeps=keeps_handed or not row["handed"])
    await _suggest(tx, found)


async def derive(tx: Transaction, application_id: UUID, person_ids: Iterable[UUID]) -> None:
    """Compare an application with members whose seats the caller holds."""
    row = await CONFLICTS.compared(tx, application_id=application_id)
    if row is not None:
        await _suggest(tx, _found(tx, row, await _known(tx, person_ids)))


async def lock_seats(tx: Transaction, person_id: UUID) -> None:
    """Let nothing be handed over to a panel on which somebody sits until this transaction has ended."""
    async for _ in CONFLICTS.lock_seats_of(tx, person_id=person_id):
        pass


async def hold_members(tx: Transaction, round_id: UUID) -> list[UUID]:
    """The members of a round, who say nothing new of themselves until this transaction has ended."""
    return [row["person_id"] async for row in CONFLICTS.hold_members_of(tx, round_id=round_id)]


async def _known(tx: Transaction, person_ids: Iterable[UUID], *, ended: bool = False) -> list[_Known]:
    """Members as applicants are compared with them.

    Whoever is named by an applicant may be the one who recommends them, or the applicant: so a member's own
    name counts as well.

    Args:
        ended: with what they do not say any more.
    """
    ids, context = list(person_ids), tx.context
    systems = whole_systems(context.house)
    people = await colleagues(tx, ids)
    signs: dict[UUID, list[_Sign]] = {id: [] for id in ids}

    def add(person_id: UUID, id: UUID | None, interest: Interest, said_at: datetime | None) -> None:
        pattern = Pattern.of(interest.kind, interest.words, systems)
        signs[person_id].append(_Sign(id, interest, pattern, said_at))

    for who in people.values():
        add(who.id, None, Interest(Kind.PERSON, who.name), None)
    async for row in CONFLICTS.interests_of(tx, person_ids=ids):
        if ended or row["ended_at"] is None:
            add(row["person_id"], row["id"], Interest.of(context, row), row["said_at"])
    digests = {who.id: email_digest(context, who.email) for who in people.values()}
    return [_Known(id, digests.get(id), found) for id, found in signs.items()]


def _profile(context: Context, sealed: bytes, words: str) -> Profile:
    who = Applicant.opened(context, sealed)
    return Profile.of(who.name, who.workplace, words)


def _found(
    tx: Transaction, row: Mapping[str, Any], members: Sequence[_Known], *, keeps: bool = True
) -> list[dict[str, Any]]:
    """Who of these may be close to an applicant, by what, and since when that is known."""
    who = _profile(tx.context, row["sealed"], row["words"])
    found = []
    for member in members:
        signs = [sign for sign in member.signs if sign.pattern.found_in(who)]
        if not signs and member.email_digest != bytes(row["email_digest"]):
            continue
        moments = [row["submitted_at"], *(sign.said_at for sign in signs)]
        since = max((moment for moment in moments if moment), default=tx.now)
        found.append(
            {
                "id": str(uuid_utils.compat.uuid7()),
                "application_id": str(row["id"]),
                "person_id": str(member.id),
                "keeps": keeps,
                "interest_id": next((str(sign.interest_id) for sign in signs if sign.interest_id), None),
                "since": since.isoformat(),
            }
        )
    return found


async def _suggest(tx: Transaction, found: Sequence[Mapping[str, Any]]) -> None:
    for begin in range(0, len(found), _AT_A_TIME):
        await CONFLICTS.suggest(tx, found=list(found[begin : begin + _AT_A_TIME]), now=tx.now)


async def reasons(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[Interest]]:
    """For each derived conflict, the interests that speak for it, in the words of the member.

    Args:
        rows: conflicts with the ``sealed`` applicant and the ``application_words``.
    """
    derived = [row for row in rows if row["source"] == Source.DERIVED and row["sealed"] is not None]
    members = await _known(tx, {row["person_id"] for row in derived}, ended=True)
    signs = {member.id: member.signs for member in members}
    found: dict[UUID, list[Interest]] = {}
    for row in derived:
        who = _profile(tx.context, row["sealed"], row["application_words"])
        theirs = [sign.interest for sign in signs[row["person_id"]] if sign.pattern.found_in(who)]
        found[row["id"]] = list(dict.fromkeys(theirs))
    return found


# What people say


async def declare(tx: Transaction, person_id: UUID, application_id: UUID, tie: Tie) -> None:
    """A member says that they are close to the applicant of one of their cases: it counts at once.

    Raises:
        NotFound: when it is not, or not any more, among their cases.
    """
    if not await CONFLICTS.is_case_for(tx, person_id=person_id, application_id=application_id):
        raise NotFound
    id = uuid_utils.compat.uuid7()
    said = {"application_id": application_id, "person_id": person_id, "tie": tie}
    id = await CONFLICTS.declare(tx, id=id, **said, now=tx.now)
    if id is not None:
        _note(tx, "conflict_declared", id, **said)


async def ticked(tx: Transaction, application_id: UUID) -> set[UUID]:
    """Which members an applicant says that they know."""
    return {row["person_id"] async for row in CONFLICTS.ticked(tx, application_id=application_id)}


async def tick(tx: Transaction, application_id: UUID, person_ids: Collection[UUID]) -> None:
    """An applicant says which members they know: all of them. The caller has locked the application."""
    if set(person_ids) == await ticked(tx, application_id):
        return
    ids, people = [uuid_utils.compat.uuid7() for _ in person_ids], list(person_ids)
    await CONFLICTS.untick(tx, application_id=application_id, person_ids=people)
    await CONFLICTS.tick(tx, application_id=application_id, ids=ids, person_ids=people, now=tx.now)
    note(tx, "members_ticked", "application", application_id, after={"people": people})


# What somebody of ours says


async def enter(tx: Transaction, application_id: UUID, person_id: UUID, tie: Tie, by: UUID) -> None:
    """Enter that a member is close to an applicant: it counts at once.

    Raises:
        NotFound: when the application was not sent.
        Refused: when they do not sit on its panel, or it would be about whoever enters it.
    """
    row = await CONFLICTS.compared(tx, application_id=application_id)
    if row is None or row["submitted_at"] is None:
        raise NotFound
    if by == person_id or not await CONFLICTS.is_member(
        tx, application_id=application_id, person_id=person_id
    ):
        raise Refused("This person is not on the panel.", "Choose one of the list.", field="person")
    said = {"application_id": application_id, "person_id": person_id, "tie": tie}
    id = await CONFLICTS.enter(tx, id=uuid_utils.compat.uuid7(), **said, by=by, now=tx.now)
    _note(tx, "conflict_entered", id, **said)


async def settle(
    tx: Transaction,
    id: UUID,
    by: UUID,
    *,
    tie: Tie | None,
    words: str = "",
    seen: Standing = Standing.SUGGESTED,
) -> UUID:
    """Say what a conflict comes to: a tie, or nothing, and then why. The application that it is on.

    Args:
        tie: nothing when it is dismissed.
        seen: how far it was when whoever settles it looked at it.

    Raises:
        NotFound: when there is none, or it is about whoever would settle it.
        Conflict: when somebody else has settled it meanwhile.
        Refused: when it is dismissed without a word.
    """
    row = await CONFLICTS.lock_conflict(tx, id=id)
    if row is None or row["person_id"] == by:
        raise NotFound
    if row["state"] != seen:
        raise Overtaken(
            "Somebody else has settled this meanwhile.", "Open the page again to see what they said."
        )
    if tie is None and not words:
        raise Refused("It is not said why.", "Write a few words: they are kept.", field="words")
    state = Standing.DISMISSED if tie is None else Standing.CONFIRMED
    await CONFLICTS.settle(
        tx, id=id, state=state, tie=tie or row["tie"], words="" if tie else words, by=by, now=tx.now
    )
    said = {"application_id": row["application_id"], "person_id": row["person_id"]}
    before = {"state": row["state"], "tie": row["tie"]}
    note(tx, f"conflict_{state}", "conflict", id, before=before, after={**said, "tie": tie})
    application_id: UUID = row["application_id"]
    return application_id


def _note(tx: Transaction, action: str, id: UUID, **said: Any) -> None:
    note(tx, action, "conflict", id, after=said)


# What counts


async def suggested_on(tx: Transaction, application_ids: Iterable[UUID]) -> set[UUID]:
    """On which of these applications a suggestion about somebody who sits on the panel waits."""
    rows = CONFLICTS.suggestions_on(tx, application_ids=list(application_ids))
    return {row["application_id"] async for row in rows}


async def removed_from(tx: Transaction, application_ids: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """From whom each of these applications is kept."""
    ids = list(application_ids)
    return await _people(ids, CONFLICTS.removed_from(tx, application_ids=ids))


async def acquainted_with(tx: Transaction, application_ids: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """Who knows the applicant of each of these, and stays: for the minutes."""
    ids = list(application_ids)
    return await _people(ids, CONFLICTS.acquainted_with(tx, application_ids=ids))


async def _people(ids: Sequence[UUID], rows: Any) -> dict[UUID, set[UUID]]:
    found: dict[UUID, set[UUID]] = {id: set() for id in ids}
    async for row in rows:
        found[row["application_id"]].add(row["person_id"])
    return found


# Forgetting


async def held_on(tx: Transaction, person_ids: Sequence[UUID]) -> dict[str, list[dict[str, Any]]]:
    """What is kept of colleagues' interests and conflicts, without a word on who applied."""
    rows = [row async for row in CONFLICTS.interests_of(tx, person_ids=list(person_ids))]
    interests = [
        {"kind": row["kind"], "words": Interest.of(tx.context, row).words, "said at": row["said_at"]}
        for row in rows
    ]
    conflicts = [dict(row) async for row in CONFLICTS.conflicts_held(tx, person_ids=list(person_ids))]
    return {"interests": interests, "conflicts": conflicts}


async def forget_people(tx: Transaction, person_ids: Sequence[UUID]) -> int:
    """Keep nothing of what colleagues were close to. How many things they had said.

    What was decided keeps who had stepped out, by their id.
    """
    ids = list(person_ids)
    await CONFLICTS.forget_conflicts(tx, person_ids=ids)
    await CONFLICTS.forget_said(tx, person_ids=ids)
    return int(await CONFLICTS.forget_interests(tx, person_ids=ids))


async def forget_old(tx: Transaction, before: datetime, most: int) -> int:
    """Keep nothing of what members of panels long past were close to. Of how many."""
    closed_before = before.astimezone(LOCAL).date()
    rows = CONFLICTS.people_done_with(tx, before=before, closed_before=closed_before, most=most)
    ids = [row["person_id"] async for row in rows]
    await forget_people(tx, ids)
    return len(ids)


async def forget_applications(tx: Transaction, application_ids: Sequence[UUID]) -> None:
    """Keep nothing of who was close to these applicants, nor what was kept only to say why."""
    await CONFLICTS.forget_applications(tx, application_ids=list(application_ids))
    await CONFLICTS.drop_ended(tx)
