"""What a campaign has come to, counted by body: several letters to one body are one body asked.

One look at the database serves the board, the API and the story, so that they cannot disagree.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import NotFound
from services.notifications.domain import (
    BODY_STATUSES,
    AnswerState,
    BodyStatus,
    CampaignState,
    LetterState,
    Standing,
    body_status,
)
from services.notifications.queries import CHASING, QUERIES

#: Answers that say more than "it is here".
_ANSWERED = (
    BodyStatus.ANSWERED_PLEDGED,
    BodyStatus.ANSWERED_WILL_MEET,
    BodyStatus.ANSWERED_DECLINED,
    BodyStatus.ASKED,
)


@dataclass(frozen=True, kw_only=True)
class Body:
    """One body that a campaign writes to."""

    organisation_id: UUID
    name: str
    #: Codes.
    areas: Sequence[str]
    #: None when no letter to it can go.
    ask_pence: int | None
    count: int | None
    status: BodyStatus
    letters: int
    #: Letters that its mail server took.
    arrived: int
    #: How often it was chased; several letters chased at once are one time.
    chased: int
    #: Every letter to it is set aside for a reason.
    blocked: bool
    #: The letter that says most about it.
    letter_id: UUID
    changed_at: datetime

    @property
    def asked(self) -> bool:
        """A letter to it left, or it has answered one."""
        return self.arrived > 0 or self.acknowledged

    @property
    def acknowledged(self) -> bool:
        return BODY_STATUSES[self.status].acknowledged

    @property
    def answered(self) -> bool:
        return self.status in _ANSWERED


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a campaign has come to."""

    state: str
    bodies: Sequence[Body]
    letters: dict[str, int]
    pledged_pence: int
    pledged_bodies: int
    #: What came in answer and did not go back.
    received_pence: int

    def count(self, chosen: Iterable[bool]) -> int:
        return sum(map(bool, chosen))

    @property
    def asked(self) -> int:
        return self.count(body.asked for body in self.bodies)

    @property
    def acknowledged(self) -> int:
        return self.count(body.acknowledged for body in self.bodies)

    @property
    def answered(self) -> int:
        return self.count(body.answered for body in self.bodies)

    @property
    def declined(self) -> int:
        return self.count(body.status is BodyStatus.ANSWERED_DECLINED for body in self.bodies)

    @property
    def chased(self) -> int:
        """How often bodies were chased, over all of them."""
        return sum(body.chased for body in self.bodies)

    @property
    def never_acknowledged(self) -> int:
        """Bodies that were asked and have not said a word; none whose letters were all lost."""
        return self.count(body.asked and not body.acknowledged for body in self.bodies)

    @property
    def asks(self) -> list[int]:
        """What each body is asked for: those that were asked, or before sending those that will be."""
        before = CampaignState(self.state).is_before_sending
        chosen = [body for body in self.bodies if body.asked or before]
        return [body.ask_pence for body in chosen if body.ask_pence is not None]

    def document(self) -> dict[str, Any]:
        """As the API and the story tell it. Amounts are whole pence."""
        asks = self.asks
        return {
            "asked": self.asked,
            "acknowledged": self.acknowledged,
            "answered": self.answered,
            "declined": self.declined,
            "never_acknowledged": self.never_acknowledged,
            "problems": self.count(body.status is BodyStatus.PROBLEM for body in self.bodies),
            "chased": self.chased,
            "asks_pence": {"min": min(asks, default=0), "max": max(asks, default=0), "total": sum(asks)},
            "pledged": {"bodies": self.pledged_bodies, "pence": self.pledged_pence},
            "letters": self.letters,
        }


async def figures(tx: Transaction, campaign_id: UUID) -> Figures:
    """What a campaign has come to by now.

    Raises:
        NotFound: when there is no such campaign.
    """
    campaign = await QUERIES.campaign(tx, id=campaign_id)
    if campaign is None:
        raise NotFound
    rows = [row async for row in QUERIES.bodies_of(tx, campaign_id=campaign_id)]
    pledged = await QUERIES.pledged_in(tx, campaign_id=campaign_id)
    chased = {
        row["organisation_id"]: row["chased"] async for row in CHASING.chased_in(tx, campaign_id=campaign_id)
    }
    states = Counter(state for row in rows for state in row["states"])
    return Figures(
        state=campaign["state"],
        bodies=[_body(tx, row, chased.get(row["organisation_id"], 0)) for row in rows],
        letters={state.value: states.get(state.value, 0) for state in LetterState},
        pledged_pence=pledged["pence"],
        pledged_bodies=pledged["bodies"],
        received_pence=await QUERIES.received_in(tx, campaign_id=campaign_id),
    )


def _body(tx: Transaction, row: Any, chased: int) -> Body:
    standings = [
        Standing(
            state=LetterState(state),
            answer=AnswerState(answer),
            sent_on=since.astimezone(LOCAL).date() if since else None,
        )
        for state, answer, since in zip(row["states"], row["answers"], row["waits_since"], strict=True)
    ]
    return Body(
        organisation_id=row["organisation_id"],
        name=row["body_name"],
        areas=list(dict.fromkeys(chain.from_iterable(row["areas"]))),
        ask_pence=row["ask_pence"],
        count=row["count"],
        status=body_status(standings, tx.context.clock.today()),
        letters=len(standings),
        arrived=sum(standing.state is LetterState.SENT for standing in standings),
        chased=chased,
        blocked=all(standing.state is LetterState.BLOCKED for standing in standings),
        letter_id=row["ids"][_most_telling(standings)],
        changed_at=row["changed_at"],
    )


_ANSWERS = list(AnswerState)
_TROUBLE = (LetterState.UNKNOWN, LetterState.FAILED, LetterState.BLOCKED)


def _most_telling(standings: Sequence[Standing]) -> int:
    """Which letter to open: the best answer, else the first in trouble, else the first."""
    best = max(standings, key=lambda standing: _ANSWERS.index(standing.answer))
    if best.answer is not AnswerState.SILENT:
        return standings.index(best)
    return next((n for n, standing in enumerate(standings) if standing.state in _TROUBLE), 0)
