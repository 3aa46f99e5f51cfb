"""What a campaign has come to, counted by body: several letters to one body are one body asked.

Where each body stands is kept beside the letters by the database itself. One look at it serves the board, the
API and the story, so that they cannot disagree.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from time import monotonic
from typing import Any
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.errors import DatabaseAway, NotFound
from services.notifications.domain import (
    BODY_STATUSES,
    LATE_AFTER,
    VERY_LATE_AFTER,
    AnswerState,
    BodyStatus,
    CampaignState,
    LetterState,
)
from services.notifications.patience import waiting_before
from services.notifications.queries import BOARD, CHASING, QUERIES

#: Campaigns whose standings are kept: as many as a list of them has.
KEPT = 200

#: Bodies of a campaign that are many to count for every look at it.
MANY = 5_000
#: Seconds after which they are counted again at the soonest while it is being sent, and how many times as
#: long as it took to count them: the rest of the time is for sending.
AGAIN, REST = 2.0, 20
#: How old a count may be meanwhile, in seconds.
OLDEST = 30.0

#: What may become of letters that did not arrive as far as we know, in words for several; shown apart.
APART = {
    "bounced": "came back by e-mail",
    "returned": "came back by post",
    "failed": "were refused by the mail server",
    "unknown": "may or may not have arrived",
}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bodies that serve the same areas and stand at the same."""

    #: Codes.
    areas: Sequence[str]
    #: As it is shown. A question that we have answered is their turn.
    status: BodyStatus
    bodies: int
    #: They have said more than "it is here".
    answered: bool
    #: None when no letter to them can go, or none asks for anything.
    asked_pence: int | None
    least_pence: int | None
    most_pence: int | None
    letters: int
    #: Of these, letters that have not gone yet, and letters that cannot.
    waiting: int
    blocked: int
    #: Letters that need a person.
    in_trouble: int
    #: Where the figures behind the asks come from, and the first and the last day as of which they are: each
    #: letter has that of its own areas. None where nothing is asked for.
    evidence_source: str | None
    evidence_first: date | None
    evidence_last: date | None
    #: Letters that did not arrive as far as we know, by what became of them: the keys of `APART`.
    apart: Mapping[str, int]
    #: The letter that says most about one of them.
    letter_id: UUID

    @property
    def asked(self) -> bool:
        return BODY_STATUSES[self.status].asked


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a campaign has come to."""

    campaign: Mapping[str, Any]
    groups: Sequence[Group]
    #: Confirmed, but for what will not come.
    pledged_pence: int
    pledged_bodies: int
    #: What of confirmed pledges will not come.
    written_back_pence: int
    #: What came in answer and did not go back.
    received_pence: int

    @property
    def state(self) -> str:
        state: str = self.campaign["state"]
        return state

    def bodies(self, *statuses: BodyStatus) -> int:
        """How many bodies stand at one of these; at any, where none is named."""
        return sum(group.bodies for group in self.groups if not statuses or group.status in statuses)

    @property
    def asked(self) -> int:
        return sum(group.bodies for group in self.groups if group.asked)

    @property
    def acknowledged(self) -> int:
        return sum(group.bodies for group in self.groups if BODY_STATUSES[group.status].acknowledged)

    @property
    def answered(self) -> int:
        return sum(group.bodies for group in self.groups if group.answered)

    @property
    def never_acknowledged(self) -> int:
        """Bodies that were asked and have not said a word; none whose letters were all lost."""
        return self.asked - self.acknowledged

    @property
    def apart(self) -> dict[str, int]:
        """How many letters did not arrive as far as we know, by what became of them."""
        return {what: sum(group.apart[what] for group in self.groups) for what in APART}

    def letters(self, what: str = "letters") -> int:
        """How many letters there are: all, or those ``waiting``, ``blocked`` or ``in_trouble``."""
        return sum(getattr(group, what) for group in self.groups)

    @property
    def evidence_source(self) -> str | None:
        """Where the figures behind the asks come from."""
        return max((group.evidence_source for group in self.groups if group.evidence_source), default=None)

    @property
    def evidence_days(self) -> list[date]:
        """As of when these are, as letters say: one day, or the first and the last; none without letters."""
        first = {group.evidence_first for group in self._asking if group.evidence_first}
        last = {group.evidence_last for group in self._asking if group.evidence_last}
        return sorted({min(first), max(last)}) if first and last else []

    @property
    def asks(self) -> dict[str, int]:
        """What bodies are asked for, in pence."""
        return {
            "min": min((group.least_pence or 0 for group in self._asking), default=0),
            "max": max((group.most_pence or 0 for group in self._asking), default=0),
            "total": sum(group.asked_pence or 0 for group in self._asking),
        }

    @property
    def _asking(self) -> list[Group]:
        """Bodies whose letters ask for money: those that were asked, or before sending those that will be."""
        before = CampaignState(self.state).is_before_sending
        return [group for group in self.groups if group.least_pence is not None and (group.asked or before)]


@dataclass(frozen=True)
class _Counted:
    """Groups of bodies, and of what they were counted."""

    groups: Sequence[Group]
    #: The newest change and the days that make late; None where older changes were still under way.
    mark: Sequence[Any] | None
    #: When counting began, by a clock that only runs on, and how long it took in seconds.
    at: float
    took: float

    @property
    def many(self) -> bool:
        return sum(group.bodies for group in self.groups) >= MANY

    def of(self, mark: Sequence[Any] | None) -> bool:
        """Whether it was counted of what this mark stands for."""
        return mark is not None and mark == self.mark


class Standings:
    """Where the bodies of campaigns stand: counted again only once something about one of them has changed.

    The same for whoever asks, and never older than what the asking transaction sees; but for a large campaign
    while it is being sent, which changes a hundred times a second: then nobody waits for what is out of date
    at once, and it is counted every few seconds beside them, the more seldom the longer it takes.
    """

    def __init__(self, database: Database | None = None) -> None:
        """
        Args:
            database: to count beside those who ask; without one nobody is given what is older.
        """
        self._database = database
        self._kept: OrderedDict[UUID, _Counted] = OrderedDict()
        self._counting: dict[UUID, asyncio.Task[None]] = {}

    async def of(self, tx: Transaction, campaigns: Sequence[UUID]) -> Mapping[UUID, Sequence[Group]]:
        """The bodies of each of these campaigns in groups."""
        late = lateness(tx)
        marks: dict[UUID, Sequence[Any]] = {}
        going: set[UUID] = set()
        async for row in BOARD.marks_of(tx, campaigns=campaigns):
            if row["settled"]:
                marks[row["campaign_id"]] = (row["changed_in"], *late.values())
            if row["going"]:
                going.add(row["campaign_id"])
        found: dict[UUID, Sequence[Group]] = {}
        for id in campaigns:
            kept = self._kept.get(id)
            if kept and (kept.of(marks.get(id)) or self._will_do(id, kept, going)):
                self._kept.move_to_end(id)
                found[id] = kept.groups
        return found | await self._count(tx, [id for id in campaigns if id not in found], marks, late)

    def _will_do(self, id: UUID, kept: _Counted, going: Container[UUID]) -> bool:
        """Whether nobody has to wait for what is newer; it is counted beside them then."""
        age = monotonic() - kept.at
        if self._database is None or id not in going or not kept.many or age > OLDEST:
            return False
        if age > max(AGAIN, REST * kept.took) and id not in self._counting:
            task = asyncio.create_task(self._count_beside(self._database, id))
            self._counting[id] = task
            task.add_done_callback(lambda _: self._counting.pop(id, None))
        return True

    async def _count_beside(self, database: Database, id: UUID) -> None:
        with suppress(DatabaseAway):  # whoever asks next is told
            async with database.reading() as tx:
                await self._count(tx, [id], {}, lateness(tx))

    async def _count(
        self,
        tx: Transaction,
        campaigns: Sequence[UUID],
        marks: Mapping[UUID, Sequence[Any]],
        late: Mapping[str, Any],
    ) -> dict[UUID, Sequence[Group]]:
        started = monotonic()
        anew: dict[UUID, list[Group]] = {id: [] for id in campaigns}
        if anew:
            async for row in BOARD.standings_of(tx, campaigns=campaigns, **late):
                anew[row["campaign_id"]].append(_group(row))
        took = monotonic() - started
        for id, groups in anew.items():
            self._kept[id] = _Counted(groups, marks.get(id), started, took)
            self._kept.move_to_end(id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return dict(anew)


async def figures(tx: Transaction, campaign_id: UUID, standings: Standings | None = None) -> Figures:
    """What a campaign has come to by now.

    Args:
        standings: what was counted before, for those who look often.

    Raises:
        NotFound: when there is no such campaign.
    """
    campaign, groups, pledged, received = await tx.together(
        QUERIES.campaign(tx, id=campaign_id),
        (standings or Standings()).of(tx, [campaign_id]),
        QUERIES.pledged_in(tx, campaign_id=campaign_id),
        QUERIES.received_in(tx, campaign_id=campaign_id),
    )
    if campaign is None:
        raise NotFound
    return Figures(
        campaign=campaign,
        groups=groups[campaign_id],
        pledged_pence=pledged["pence"],
        pledged_bodies=pledged["bodies"],
        written_back_pence=pledged["written_back_pence"],
        received_pence=received,
    )


def lateness(tx: Transaction) -> dict[str, Any]:
    """Since when somebody must have waited to be late and very late today, as statements take it."""
    return {
        "late_before": waiting_before(tx.today, LATE_AFTER),
        "very_late_before": waiting_before(tx.today, VERY_LATE_AFTER),
    }


#: What a group has as the statement brings it.
_SAME = (
    *("areas", "bodies", "asked_pence", "least_pence", "most_pence", "letters", "waiting", "blocked"),
    *("in_trouble", "evidence_source", "evidence_first", "evidence_last"),
)


def _group(row: Any) -> Group:
    return Group(
        status=BodyStatus(row["status"]),
        answered=row["standing"] in set(AnswerState) and AnswerState(row["standing"]).is_answer,
        apart={what: row[what] for what in APART},
        letter_id=row["letter_id"],
        **{name: row[name] for name in _SAME},
    )


async def document(tx: Transaction, campaign_id: UUID) -> dict[str, Any]:
    """What a campaign has come to, as the API and the story tell it. Amounts are whole pence."""
    found = await figures(tx, campaign_id)
    states = {row["state"]: row["count"] async for row in BOARD.letters_by_state(tx, campaign_id=campaign_id)}
    return {
        "asked": found.asked,
        "acknowledged": found.acknowledged,
        "answered": found.answered,
        "declined": found.bodies(BodyStatus.DECLINED),
        "never_acknowledged": found.never_acknowledged,
        "problems": found.bodies(BodyStatus.PROBLEM, BodyStatus.BLOCKED),
        "chased": await CHASING.chased_in(tx, campaign_id=campaign_id),
        "asks_pence": found.asks,
        "pledged": {
            "bodies": found.pledged_bodies,
            "pence": found.pledged_pence,
            "written_back_pence": found.written_back_pence,
        },
        "letters": {state.value: states.get(state.value, 0) for state in LetterState},
    }
