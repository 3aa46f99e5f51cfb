"""The panel of a round: who is asked, who has said yes, and what is still missing for it to decide."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import announce
from chassis.sealed import seal
from contracts.access import Role
from contracts.grants import PanelInvited
from services.grants import conflicts
from services.grants.colleagues import Colleague, called, colleagues, colleagues_with
from services.grants.queries import APPLICATIONS, PANEL
from services.grants.rounds import Round, RoundState

#: Where members answer and work, once they have signed in.
DESK = "/grants/desk"
#: Members of one panel.
MOST_MEMBERS = 40
#: How long nobody is asked again.
NOT_AGAIN = timedelta(days=1)
#: After how long somebody who has not answered is worth a call.
OVERDUE = timedelta(days=5)


class Seat(StrEnum):
    """How somebody sits on a panel."""

    MEMBER = "member"
    #: Reads and scores like everybody, and counts only where they stand in for somebody.
    RESERVE = "reserve"


#: What each is called.
SEATS: Mapping[Seat, str] = {Seat.MEMBER: "Member", Seat.RESERVE: "Reserve"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """How somebody is to sit."""

    seat: Seat
    #: Codes: for applicants of these professions they are a peer.
    professions: tuple[str, ...]
    for_funder: bool


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody on a panel."""

    person_id: UUID
    place: Place
    invited_at: datetime
    #: Nothing until they have answered.
    takes_part: bool | None
    answered_at: datetime | None
    left_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The member in a row."""
        place = Place(
            seat=Seat(row["seat"]), professions=tuple(row["professions"]), for_funder=row["for_funder"]
        )
        said = {name: row[name] for name in cls.__dataclass_fields__ if name != "place"}
        return cls(place=place, **said)

    @property
    def counts(self) -> bool:
        """Whether they are there, and not only in reserve."""
        return bool(self.takes_part) and self.left_at is None and self.place.seat is Seat.MEMBER

    @property
    def unanswered(self) -> bool:
        """Whether they were asked and have not said anything."""
        return self.takes_part is None and self.left_at is None


def lacking(plan: Round, members: Iterable[Member], names: Mapping[str, str]) -> list[str]:
    """What the panel of a round lacks to decide, as things stand, each in a sentence.

    Args:
        names: of professions, by code.
    """
    there, wanted = [member for member in members if member.counts], plan.quorum or 1
    said = [f"{_have_said_yes(len(there))}, and {wanted} must be there."] if len(there) < wanted else []
    unmet = [code for code in plan.professions if plan.needs_peer and not _has_peer(there, code)]
    said += [f"Nobody among them is a peer of applicants who are: {names.get(code, code)}." for code in unmet]
    if plan.needs_funder and not _has_funder(there):
        said.append("Nobody among them is there for the funder.")
    return said


def lacking_for(
    plan: Round, profession: str | None, members: Iterable[Member], removed: Collection[UUID]
) -> list[str]:
    """What it lacks for one application only because some must step out, each in a sentence."""
    whole = [member for member in members if member.counts]
    there, wanted = [member for member in whole if member.person_id not in removed], plan.quorum or 1
    said = []
    if len(there) < wanted and len(there) < len(whole):
        said.append(f"{len(there)} may decide on it, and {wanted} must be there.")
    if plan.needs_peer and profession and _has_peer(whole, profession) > _has_peer(there, profession):
        said.append("No peer of the applicant may decide on it.")
    if plan.needs_funder and _has_funder(whole) > _has_funder(there):
        said.append("Nobody for the funder may decide on it.")
    return said


def _has_peer(there: Iterable[Member], profession: str) -> bool:
    return any(profession in member.place.professions for member in there)


def _has_funder(there: Iterable[Member]) -> bool:
    return any(member.place.for_funder for member in there)


def _have_said_yes(count: int) -> str:
    return "Nobody has said yes" if not count else f"{count} {'has' if count == 1 else 'have'} said yes"


# Reading


async def members_of(tx: Transaction, round_id: UUID) -> list[Member]:
    """Everybody who sits, or has sat, on a panel; those who have left come last."""
    return [Member.of(row) async for row in PANEL.members_of(tx, round_id=round_id)]


async def those_free(tx: Transaction, members: Iterable[Member]) -> list[Colleague]:
    """Colleagues who may sit on a panel and have no seat on this one."""
    seated = {member.person_id for member in members if member.left_at is None}
    people = await colleagues_with(tx, Role.PANEL_MEMBER)
    return [who for who in people if who.id not in seated]


async def known_by_applicants(tx: Transaction, round_id: UUID) -> dict[UUID, str]:
    """The panel as those who apply see it, by name: so that they can say whom they know."""
    ids = [row["person_id"] async for row in PANEL.known_by_applicants(tx, round_id=round_id)]
    names = await called(tx, ids)
    return dict(sorted(names.items(), key=lambda each: (each[1].casefold(), each[0])))


# What somebody of ours does


async def invite(tx: Transaction, round_id: UUID, person_id: UUID, place: Place) -> None:
    """Ask somebody to sit on a panel. They get a letter.

    Raises:
        NotFound, Conflict: when there is no such round, or its panel has done its work.
        Refused: when they cannot, or already do.
    """
    plan = await _before_publication(tx, round_id)
    members = await members_of(tx, round_id)
    who = {each.id: each for each in await colleagues_with(tx, Role.PANEL_MEMBER)}.get(person_id)
    if who is None:
        cure = "Choose one of the list. Whoever admits people gives them the role of a panel member."
        raise Refused("This person cannot sit on a panel.", cure, field="person")
    if len([member for member in members if member.left_at is None]) >= MOST_MEMBERS:
        raise Refused(
            f"A panel has at most {MOST_MEMBERS} people.", "Take somebody off first.", field="person"
        )
    said = _columns(place)
    await conflicts.lock_seats(tx, person_id)
    version = await PANEL.seat(tx, round_id=round_id, person_id=person_id, **said, now=tx.now)
    if version is None:
        raise Refused("This person is on the panel already.", "Choose somebody else.", field="person")
    await conflicts.derive_for(tx, person_id)
    await _send(tx, round_id, plan, who, place.seat, version)
    note(tx, "panel_invited", "round", round_id, after={"person": person_id, **said})


async def invite_again(tx: Transaction, round_id: UUID, person_id: UUID) -> None:
    """Ask somebody once more who has not answered, or has said no.

    Raises:
        NotFound, Conflict: when there is no such seat, they have said yes, or were asked a moment ago.
    """
    plan = await _before_publication(tx, round_id)
    member = await _seated(tx, round_id, person_id)
    if member.takes_part:
        raise Conflict("They have said yes meanwhile.", "You need not ask them again.")
    if member.invited_at > tx.now - NOT_AGAIN:
        raise Conflict("They were asked less than a day ago.", "Wait until tomorrow, or ring them.")
    who = (await colleagues(tx, [person_id])).get(person_id)
    if who is None:
        raise Conflict("Their account is closed.", "Take them off, and ask somebody else.")
    version = await PANEL.invite_again(tx, round_id=round_id, person_id=person_id, now=tx.now)
    await _send(tx, round_id, plan, who, member.place.seat, version)
    note(tx, "panel_invited_again", "round", round_id, after={"person": person_id})


async def change(tx: Transaction, round_id: UUID, person_id: UUID, place: Place) -> None:
    """Write anew how somebody sits: a reserve is called up, a member becomes one.

    Raises:
        NotFound, Conflict: when there is no such seat, or the panel has done its work.
    """
    await _before_publication(tx, round_id)
    member = await _seated(tx, round_id, person_id)
    said = _columns(place)
    await PANEL.change_seat(tx, round_id=round_id, person_id=person_id, **said)
    before = {"person": person_id, **_columns(member.place)}
    note(tx, "panel_seat_changed", "round", round_id, before=before, after={"person": person_id, **said})


async def leave(tx: Transaction, round_id: UUID, person_id: UUID) -> None:
    """Take somebody off a panel: from now on they see nothing of it, and what they gave does not count.

    Raises:
        NotFound, Conflict: when there is no such seat, or the panel has done its work.
    """
    await _before_publication(tx, round_id)
    await _seated(tx, round_id, person_id)
    await PANEL.leave(tx, round_id=round_id, person_id=person_id, now=tx.now)
    note(tx, "panel_left", "round", round_id, after={"person": person_id})


# What a member does


async def answer(tx: Transaction, round_id: UUID, person_id: UUID, takes_part: bool) -> None:
    """Somebody says whether they take part. They may think again until the decisions are published.

    Not only until all is decided: that may hang on a case that is kept from them.

    Raises:
        NotFound: when they were not asked, or are off the panel.
        Conflict: when the decisions are published.
    """
    await conflicts.lock_seats(tx, person_id)
    member = await _seated(tx, round_id, person_id)
    row = await APPLICATIONS.hold_round(tx, id=round_id)
    if row is None or row["state"] == RoundState.PUBLISHED:
        raise Conflict("The panel of this round has done its work.", "Its members stay as they are.")
    if member.takes_part is takes_part:
        return
    await PANEL.answer(tx, round_id=round_id, person_id=person_id, takes_part=takes_part, now=tx.now)
    if takes_part:
        await conflicts.derive_for(tx, person_id)
    note(tx, "panel_answered", "round", round_id, after={"person": person_id, "takes_part": takes_part})


async def _before_publication(tx: Transaction, round_id: UUID) -> Round:
    """The plan of a round whose panel still has its work to do.

    Not only until all is decided: what may still change would tell its members whether a case waits that is
    kept from them.
    """
    row = await APPLICATIONS.hold_round(tx, id=round_id)
    if row is None:
        raise NotFound
    if row["state"] in (RoundState.DRAFT, RoundState.PUBLISHED):
        draft = row["state"] == RoundState.DRAFT
        what = "This round is still a draft." if draft else "The panel of this round has done its work."
        raise Conflict(what, "Open the round first." if draft else "Its members stay as they are.")
    return Round.of(row)


async def _seated(tx: Transaction, round_id: UUID, person_id: UUID) -> Member:
    row = await PANEL.lock_member(tx, round_id=round_id, person_id=person_id)
    if row is None or row["left_at"] is not None:
        raise NotFound
    return Member.of(row)


def _columns(place: Place) -> dict[str, Any]:
    return {
        "seat": place.seat.value,
        "professions": list(place.professions),
        "for_funder": place.for_funder,
    }


async def _send(
    tx: Transaction, round_id: UUID, plan: Round, who: Colleague, seat: Seat, version: int
) -> None:
    letter = {
        "name": who.name,
        "email": who.email,
        "round": plan.name,
        "link": f"{tx.context.settings.origin}{DESK}",
        "help_name": plan.help_name,
        "help_telephone": plan.help_telephone,
    }
    await announce(
        tx,
        PanelInvited,
        subject=f"{round_id}/{who.id}",
        sequence=version,
        round_id=round_id,
        person_id=who.id,
        reserve=seat is Seat.RESERVE,
        meets_on=plan.meets_on,
        letter=seal(tx.context.keys, PanelInvited, "letter", letter),
    )
