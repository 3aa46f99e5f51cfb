"""Two worlds that differ by one application alone, and what can happen in them.

Each world is a database of its own. What happens, happens in both, at the same moments and with the same ids;
but what is about the one application happens only where it is. Whatever a member of a panel could do or learn
belongs here: a part of grants that adds something adds an act to ``ACTS``.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from unittest import mock
from uuid import UUID

import uuid_utils.compat
from hypothesis import strategies as st
from starlette.applications import Starlette

from chassis.access import Person
from chassis.audit import acting
from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import Refused
from services.grants import applying, comments, conflicts, decisions, meetings, panel, reviews, rounds, web
from services.grants.comments import LookedThrough
from services.grants.conflicts import Interest, Tie
from services.grants.conflicts import Kind as Close
from services.grants.decisions import Decision, Kind
from services.grants.panel import Place, Seat
from services.grants.reviews import Review
from tests.conftest import MakeDatabase
from tests.grants.filling import CRITERION, a_fund, a_plan, money_comes
from tests.grants.panelling import (
    OFFICER,
    Case,
    Panelled,
    a_case,
    a_member,
    closes,
)

BEGINNING = datetime(2026, 11, 26, 9, tzinfo=UTC)

#: Where each member sits: seat, whether a doctor, whether for the funder.
SEATS = (("member", True, False), ("member", True, False), ("member", False, True), ("reserve", True, False))
MOST_CASES = 4
RESERVE = 3


class Still(Clock):
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = BEGINNING

    def now(self) -> datetime:
        return self.moment


@contextmanager
def the_same(step: object) -> Iterator[None]:
    """Let whatever is drawn by lot in a step be the same in both worlds, whatever was drawn before."""
    lots = random.Random(str(step))

    def of_time() -> UUID:
        drawn = UUID(bytes=lots.randbytes(16), version=4).hex
        return UUID(f"{drawn[:12]}7{drawn[13:]}")

    with mock.patch("os.urandom", lots.randbytes), mock.patch.object(uuid_utils.compat, "uuid7", of_time):
        yield


@dataclass
class World:
    """A round with a panel, with or without one of its cases."""

    grants: Database
    app: Starlette
    at: Panelled
    #: By number.
    cases: dict[int, Case]
    #: The last one is the present one.
    meetings: list[UUID] = field(default_factory=list)

    def member(self, number: int) -> Person:
        return self.at.members[number % len(self.at.members)]

    def case(self, number: int) -> Case:
        """The case of a number.

        Raises:
            KeyError: where it is not.
        """
        return self.cases[number]

    @property
    def meeting(self) -> UUID:
        """The present one.

        Raises:
            KeyError: where there was none.
        """
        if not self.meetings:
            raise KeyError("meeting")
        return self.meetings[-1]

    async def keeps(self, viewer: Person, case: int) -> bool:
        """Whether a case is kept from somebody."""
        async with self.grants.reading() as tx:
            found = await tx.fetchval(
                "SELECT EXISTS (SELECT FROM removals WHERE application_id = $1 AND person_id = $2)",
                self.case(case).application_id,
                viewer.id,
            )
        return bool(found)


async def begin(make: MakeDatabase, cases: int, without: int | None = None) -> World:
    """A world in which all that the panel has was handed over, but one case perhaps."""
    grants = await make("grants")
    grants.context = replace(grants.context, clock=Still())
    with the_same("round"):
        fund = await a_fund(grants)
        await money_comes(grants, fund)
        async with grants.transaction() as tx:
            round = await rounds.begin_round(tx, a_plan(grants, fund))
            criteria = [await rounds.add_criterion(tx, round, replace(CRITERION, name=name)) for name in "AB"]
            await rounds.open_round(tx, round)
    handed: dict[int, Case] = {}
    for number in range(cases):
        if number != without:
            with the_same(f"case {number}"):
                handed[number] = await a_case(grants, round, number)
    members = [await _member(grants, round, number) for number in range(len(SEATS))]
    with the_same("closing"):
        await closes(grants, round)
    at = Panelled(fund, round, list(handed.values()), members, criteria)
    app = web.build(grants)
    assert isinstance(app, Starlette)
    return World(grants, app, at, handed)


async def _member(grants: Database, round: UUID, number: int) -> Person:
    seat, doctor, for_funder = SEATS[number]
    with the_same(f"member {number}"):
        name, professions = f"Marker Member {number}", ["doctor"] if doctor else []
        person = await a_member(
            grants, round, name, seat=seat, professions=professions, for_funder=for_funder
        )
        async with acting(grants) as tx:
            await conflicts.say_interests(tx, person.id, [])
    return person


# What can happen. An act that is about a case carries its number.


@dataclass(frozen=True)
class Act:
    """Something that happens. What is refused in one world is refused, and that is all."""

    member: int

    async def happen(self, world: World) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class OnCase(Act):
    """Something that is about a case: where the case is not, it does not happen."""

    case: int


@dataclass(frozen=True)
class Says(Act):
    """A member says what they are close to: nothing, or the name of one who applies."""

    number: int | None
    #: They had not said anything before.
    first: bool = False

    async def happen(self, world: World) -> None:
        said = (
            [] if self.number is None else [Interest(Close.PERSON, f"Marker Applicant {_sign(self.number)}")]
        )
        member = world.member(self.member).id
        async with acting(world.grants) as tx:
            if self.first:
                await tx.execute("DELETE FROM interests_said WHERE person_id = $1", member)
            await conflicts.say_interests(tx, member, said)


def _sign(number: int) -> str:
    return f"{chr(65 + number % 26)}{number}"


@dataclass(frozen=True)
class Answers(Act):
    """A member takes part, or not any more."""

    takes_part: bool

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            await panel.answer(tx, world.at.id, world.member(self.member).id, self.takes_part)


@dataclass(frozen=True)
class Gives(OnCase):
    """A member scores a case, and perhaps hands it in."""

    score: int | None
    comment: str
    submit: bool

    async def happen(self, world: World) -> None:
        viewer, case = world.member(self.member).id, world.case(self.case)
        said = Review(scores=dict.fromkeys(world.at.criteria, self.score), comment=self.comment)
        async with acting(world.grants) as tx:
            held = await reviews.hold(tx, viewer, case.id)
            await reviews.save(tx, viewer, held, said, submit=self.submit)


@dataclass(frozen=True)
class Passed(OnCase):
    """Somebody of ours lets others read what a member wrote of a case."""

    async def happen(self, world: World) -> None:
        writer, case = world.member(self.member).id, world.case(self.case).application_id
        async with acting(world.grants) as tx:
            await comments.let_read(
                tx,
                world.at.id,
                [
                    LookedThrough(
                        application_id=each.application_id,
                        person_id=each.person_id,
                        version=each.version,
                        words=each.words,
                    )
                    for each in await comments.waiting(tx, world.at.id, 50)
                    if (each.application_id, each.person_id) == (case, writer)
                ],
            )


@dataclass(frozen=True)
class Declares(OnCase):
    """A member says how they know whoever applies."""

    tie: Tie

    async def happen(self, world: World) -> None:
        viewer, case = world.member(self.member).id, world.case(self.case)
        async with acting(world.grants) as tx:
            await conflicts.declare(tx, viewer, case.application_id, self.tie)


@dataclass(frozen=True)
class Ticked(OnCase):
    """Whoever applies says that they know a member."""

    async def happen(self, world: World) -> None:
        case, person = world.case(self.case), world.member(self.member)
        async with acting(world.grants) as tx:
            await conflicts.tick(tx, case.application_id, [person.id])


@dataclass(frozen=True)
class Entered(OnCase):
    """The officer enters what they know."""

    tie: Tie

    async def happen(self, world: World) -> None:
        case, person = world.case(self.case), world.member(self.member)
        async with acting(world.grants) as tx:
            await conflicts.enter(tx, case.application_id, person.id, self.tie, OFFICER.id)


@dataclass(frozen=True)
class Settled(OnCase):
    """The officer settles what is suggested."""

    dismissed: bool

    async def happen(self, world: World) -> None:
        case, person = world.case(self.case), world.member(self.member)
        tie, words = (None, "Somebody else.") if self.dismissed else (Tie.TEAM, "")
        async with acting(world.grants) as tx:
            rows = await tx.fetch(
                "SELECT id FROM conflicts WHERE application_id = $1 AND person_id = $2"
                " AND state = 'suggested' ORDER BY source",
                case.application_id,
                person.id,
            )
            for row in rows:
                await conflicts.settle(tx, row["id"], OFFICER.id, tie=tie, words=words)


@dataclass(frozen=True)
class Withdrawn(OnCase):
    """Whoever applies takes it back."""

    async def happen(self, world: World) -> None:
        id = world.case(self.case).application_id
        async with acting(world.grants) as tx:
            number = await tx.fetchval("SELECT link_number FROM applications WHERE id = $1", id)
            await applying.withdraw(tx, applying.token_of(tx.context, id, number))


@dataclass(frozen=True)
class Reseated(Act):
    """The officer writes anew how somebody sits."""

    seat: Seat

    async def happen(self, world: World) -> None:
        place = Place(seat=self.seat, professions=("doctor",), for_funder=True)
        async with acting(world.grants) as tx:
            await panel.change(tx, world.at.id, world.member(self.member).id, place)


@dataclass(frozen=True)
class AskedAnew(Act):
    """Somebody is taken off the panel, and asked again. They get a letter."""

    async def happen(self, world: World) -> None:
        id, place = world.member(self.member).id, Place(seat=Seat.MEMBER, professions=(), for_funder=False)
        async with acting(world.grants) as tx:
            await panel.leave(tx, world.at.id, id)
            await panel.invite(tx, world.at.id, id, place)


# What happens at meetings. The officer does it, and begins one where there is something to decide.


@dataclass(frozen=True)
class Begins(Act):
    """A meeting begins, the first or a later one; nobody is there yet."""

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            id = await meetings.begin(tx, world.at.id, OFFICER.id)
        world.meetings.append(id)


@dataclass(frozen=True)
class Arrives(Act):
    """Somebody comes."""

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            await meetings.arrive(tx, world.meeting, world.member(self.member).id)


@dataclass(frozen=True)
class Leaves(Act):
    """Somebody goes."""

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            await meetings.leave(tx, world.meeting, world.member(self.member).id)


@dataclass(frozen=True)
class Opens(OnCase):
    """The meeting turns to a case."""

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            await meetings.open_item(tx, world.meeting, world.case(self.case).id)


@dataclass(frozen=True)
class StandsIn(OnCase):
    """A reserve counts for a case, or no more."""

    stands_in: bool

    async def happen(self, world: World) -> None:
        change = meetings.stand_in if self.stands_in else meetings.stand_back
        async with acting(world.grants) as tx:
            await change(tx, world.meeting, world.case(self.case).id, world.member(self.member).id)


@dataclass(frozen=True)
class Decided(OnCase):
    """The panel decides on a case, for the first time or anew."""

    kind: Kind

    async def happen(self, world: World) -> None:
        case = world.case(self.case)
        async with acting(world.grants) as tx:
            number = await tx.fetchval(
                "SELECT count(*) FROM decisions WHERE application_id = $1", case.application_id
            )
            said = Decision(
                kind=self.kind,
                amount_pence=14_500 if self.kind is Kind.AWARD else None,
                words="The panel has read it with care.",
                follows=number,
                why_changed="The panel has thought again." if number else "",
                without_missing=True,
            )
            await decisions.record(tx, world.meeting, case.id, said, OFFICER.id)


@dataclass(frozen=True)
class Ended(Act):
    """The meeting is over, and the round decided when nothing waits any more."""

    async def happen(self, world: World) -> None:
        async with acting(world.grants) as tx:
            await meetings.end(tx, world.meeting)


_MEMBER, _CASE = st.integers(0, len(SEATS) - 1), st.integers(0, MOST_CASES - 1)
_CLOSE = st.sampled_from([tie for tie in Tie if tie is not Tie.ACQUAINTANCE])
_SCORE = st.none() | st.integers(0, 5)

#: Everything that can happen. Whoever adds a part of grants that members may notice adds its acts here.
ACTS: st.SearchStrategy[Act] = st.one_of(
    st.builds(Says, member=_MEMBER, number=st.none() | _CASE),
    st.builds(Answers, member=_MEMBER, takes_part=st.booleans()),
    st.builds(
        Gives,
        member=_MEMBER,
        case=_CASE,
        score=_SCORE,
        comment=st.sampled_from(["", "é"]),
        submit=st.booleans(),
    ),
    st.builds(Passed, member=_MEMBER, case=_CASE),
    st.builds(Declares, member=_MEMBER, case=_CASE, tie=st.sampled_from(Tie)),
    st.builds(Ticked, member=_MEMBER, case=_CASE),
    st.builds(Entered, member=_MEMBER, case=_CASE, tie=st.sampled_from(Tie)),
    st.builds(Settled, member=_MEMBER, case=_CASE, dismissed=st.booleans()),
    st.builds(Withdrawn, member=_MEMBER, case=_CASE),
    st.builds(Reseated, member=_MEMBER, seat=st.sampled_from(Seat)),
    st.builds(AskedAnew, member=_MEMBER),
    st.builds(Begins, member=_MEMBER),
    st.builds(Arrives, member=_MEMBER),
    st.builds(Leaves, member=_MEMBER),
    st.builds(Opens, member=_MEMBER, case=_CASE),
    st.builds(StandsIn, member=st.just(RESERVE), case=_CASE, stands_in=st.booleans()),
    st.builds(Decided, member=_MEMBER, case=_CASE, kind=st.sampled_from(Kind)),
    st.builds(Ended, member=_MEMBER),
)


def removals(member: int, case: int) -> st.SearchStrategy[Act]:
    """How a case can come to be kept from a member."""
    return st.one_of(
        st.builds(Declares, member=st.just(member), case=st.just(case), tie=_CLOSE),
        st.builds(Entered, member=st.just(member), case=st.just(case), tie=_CLOSE),
        st.builds(Ticked, member=st.just(member), case=st.just(case)),
        st.builds(Says, member=st.just(member), number=st.just(case), first=st.just(True)),
    )


#: A meeting to which everybody has come: without it a draw rarely brings a decision.
OPENING: Sequence[Act] = (Begins(0), *(Arrives(member) for member in range(len(SEATS))))


async def happen(world: World, number: int, act: Act) -> None:
    """Let something happen, as the one of this number."""
    world.grants.context.clock.moment = BEGINNING + timedelta(minutes=number)  # type: ignore[attr-defined]
    with the_same(f"act {number}"), suppress(KeyError, Refused):
        await act.happen(world)
