"""Rounds: an invitation to apply for the money of one fund, and how it will be shared out.

A round is a draft until nothing is missing and somebody opens it. From then on those who apply rely on it:
what it is for, by what it is scored and who decides stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.outbox import announce
from contracts.envelope import Fact, pounds_sterling
from contracts.grants import RoundClosed, RoundOpened
from services.grants.domain import Overtaken
from services.grants.eligibility import RULES
from services.grants.funds import Allowed, allowed_by
from services.grants.queries import FUNDS, ROUNDS


class RoundState(StrEnum):
    """How far a round is."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    DECIDED = "decided"
    PUBLISHED = "published"


@dataclass(frozen=True)
class Words:
    """What a state is called, and which come next."""

    staff: str
    public: str
    next: tuple[RoundState, ...] = ()


STATES: Mapping[RoundState, Words] = {
    RoundState.DRAFT: Words("Draft", "Not open yet", (RoundState.OPEN,)),
    RoundState.OPEN: Words("Open", "Open", (RoundState.CLOSED,)),
    RoundState.CLOSED: Words("Closed, to be decided", "Closed: the panel decides", (RoundState.DECIDED,)),
    RoundState.DECIDED: Words("Decided, to be published", "Closed: decided", (RoundState.PUBLISHED,)),
    RoundState.PUBLISHED: Words("Published", "Decided"),
}

#: Scores that a criterion gives, each with what it means.
SCORES = range(6)
#: Criteria of one round.
MOST_CRITERIA = 8


@dataclass(frozen=True, kw_only=True)
class Round:
    """A round as somebody describes it. A draft may lack whatever can be nothing."""

    name: str
    fund_id: UUID
    opens_on: date | None
    #: The last day on which one may apply.
    closes_on: date | None
    #: When the panel meets.
    meets_on: date | None
    #: The most that one award may be.
    most_pence: int | None
    #: Codes of the house's lists.
    professions: tuple[str, ...]
    purposes: tuple[str, ...]
    #: Names of rules.
    eligibility: tuple[str, ...]
    #: How many members must be there for an item, not counting those who step out.
    quorum: int | None
    #: One of them is of the applicant's profession; one is there for the funder.
    needs_peer: bool
    needs_funder: bool
    #: Whom those who apply may ask.
    help_name: str
    help_telephone: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The round in a row."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        lists = {name: tuple(values[name]) for name in ("professions", "purposes", "eligibility")}
        return cls(**values | lists)


#: What may still be put right while a round is open or waits for its meeting.
AFTER_OPENING = frozenset({"meets_on", "help_name", "help_telephone"})


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """By what an application is scored, and what each score means."""

    name: str
    #: How much it counts, beside the others.
    weight: int
    #: For 0, 1, 2, 3, 4 and 5; a draft may lack some.
    words: tuple[str, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The criterion in a row."""
        return cls(name=row["name"], weight=row["weight"], words=tuple(row["words"]))


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a round's fund gives it, as far as that decides whether it may be opened."""

    closed: bool
    allowed: Allowed
    #: Its terms are on file, and ask for a rule on immigration status.
    terms_on_status: bool


@dataclass(frozen=True)
class Missing:
    """What a round lacks to be opened."""

    #: Where it is put right: a field of the form, or ``criteria``.
    field: str
    words: str


def missing(plan: Round, criteria: Sequence[Criterion], means: Means, today: date) -> list[Missing]:
    """What a round lacks to be opened, in the order of its form."""
    return [
        *_missing_of_fund(plan, means),
        *_missing_dates(plan, today),
        *_missing_terms(plan),
        *_missing_criteria(criteria),
    ]


def _missing_of_fund(plan: Round, means: Means) -> Iterator[Missing]:
    if means.closed:
        yield Missing("fund_id", "Its fund is closed. Choose another one, or open the fund again.")
    if not plan.professions:
        yield Missing("professions", "Say who may apply.")
    elif means.allowed.professions is not None and not means.allowed.professions.issuperset(plan.professions):
        yield Missing("professions", "Its fund is not for all of these professions.")
    if not plan.purposes:
        yield Missing("purposes", "Say what one may apply for.")
    elif means.allowed.purposes is not None and not means.allowed.purposes.issuperset(plan.purposes):
        yield Missing("purposes", "Its fund may not be spent on all of these.")
    asks_status = any(RULES[name].of_status for name in plan.eligibility if name in RULES)
    if asks_status and not means.terms_on_status:
        yield Missing(
            "eligibility",
            "Immigration status is asked only where the funder’s terms require it, and they are on file.",
        )


def _missing_dates(plan: Round, today: date) -> Iterator[Missing]:
    if plan.opens_on is None:
        yield Missing("opens_on", "Say from which day on one may apply.")
    if plan.closes_on is None:
        yield Missing("closes_on", "Say on which day it closes.")
    elif plan.closes_on < today:
        yield Missing("closes_on", "The day on which it closes is over.")
    elif plan.opens_on is not None and plan.closes_on < plan.opens_on:
        yield Missing("closes_on", "It closes before it opens.")
    if plan.meets_on is None:
        yield Missing("meets_on", "Say when the panel meets.")
    elif plan.closes_on is not None and plan.meets_on <= plan.closes_on:
        yield Missing("meets_on", "The panel meets before the round has closed.")


def _missing_terms(plan: Round) -> Iterator[Missing]:
    if plan.most_pence is None:
        yield Missing("most", "Say how much one award may be at the most.")
    if not plan.eligibility:
        yield Missing("eligibility", "Choose at least one rule on who may be helped.")
    if plan.quorum is None or plan.quorum < 1 + plan.needs_peer + plan.needs_funder:
        yield Missing("quorum", "Say how many members must be there: one more than are named below.")
    if not plan.help_name or not plan.help_telephone:
        yield Missing("help_name", "Name somebody whom those who apply can ring.")


def _missing_criteria(criteria: Sequence[Criterion]) -> Iterator[Missing]:
    if not criteria:
        yield Missing("criteria", "Add at least one criterion.")
    for each in criteria:
        if not all(each.words):
            yield Missing("criteria", f"Say what each score means for “{each.name}”.")


def takes_applications(state: str, opens_on: date | None, closes_on: date | None, today: date) -> bool:
    """Whether one may apply on this day."""
    within = opens_on is not None and closes_on is not None and opens_on <= today <= closes_on
    return state == RoundState.OPEN and within


async def begin_round(tx: Transaction, plan: Round) -> UUID:
    """Enter a round as a draft."""
    id = uuid_utils.compat.uuid7()
    await ROUNDS.begin_round(tx, id=id, **_columns(plan), now=tx.now)
    note(tx, "round_begun", "round", id, after=_facts(tx, plan))
    return id


async def amend_round(tx: Transaction, id: UUID, plan: Round) -> None:
    """Write a round anew; of one that was opened only what nobody relies on. The caller has locked it.

    Raises:
        Conflict: when it was opened and something else is different.
    """
    row = await ROUNDS.round_by_id(tx, id=id)
    before = Round.of(row)
    changed = {name for name in vars(plan) if getattr(plan, name) != getattr(before, name)}
    if row["state"] != RoundState.DRAFT and not changed <= AFTER_OPENING:
        raise _settled()
    await ROUNDS.amend_round(tx, id=id, **_columns(plan), now=tx.now)
    note(tx, "round_amended", "round", id, before=_facts(tx, before), after=_facts(tx, plan))


async def remove_draft(tx: Transaction, id: UUID) -> None:
    """Throw a draft away.

    Raises:
        NotFound, Conflict: when there is none, it was opened, or somebody was asked onto its panel.
    """
    await _lock_draft(tx, id)
    if not await ROUNDS.draft_is_alone(tx, id=id):
        raise Conflict("Somebody was asked onto the panel of this draft.", "Keep it, and change it.")
    row = await ROUNDS.round_by_id(tx, id=id)
    await ROUNDS.remove_criteria(tx, id=id)
    await ROUNDS.remove_draft(tx, id=id)
    note(tx, "round_removed", "round", id, before=_facts(tx, Round.of(row)))


async def open_round(tx: Transaction, id: UUID) -> None:
    """Let people apply, and announce it.

    Raises:
        NotFound, Conflict: when there is none, it was opened before, or something is missing.
    """
    row = await _locked(tx, id, RoundState.OPEN)
    plan = Round.of(row)
    await FUNDS.lock_fund(tx, id=plan.fund_id)  # whoever closes it waits, and finds this round open
    criteria = [Criterion.of(each) async for each in ROUNDS.criteria_of(tx, round_id=id)]
    lacking = missing(plan, criteria, await means_of(tx, plan.fund_id), tx.now.astimezone(LOCAL).date())
    if lacking:
        raise Conflict("This round cannot be opened yet.", lacking[0].words)
    await _move_on(tx, row, RoundState.OPEN, RoundOpened)


async def close_round(tx: Transaction, id: UUID) -> None:
    """Let nobody apply any more, and announce it.

    Raises:
        NotFound, Conflict: when there is none, or it is not open.
    """
    await _move_on(tx, await _locked(tx, id, RoundState.CLOSED), RoundState.CLOSED, RoundClosed)


async def means_of(tx: Transaction, fund_id: UUID) -> Means:
    """What the fund of a round gives it."""
    fund = await FUNDS.fund_by_id(tx, id=fund_id)
    terms = [row async for row in FUNDS.terms_of(tx, fund_id=fund_id)]
    return Means(
        closed=fund["closed_on"] is not None,
        allowed=allowed_by(fund["restrictions"], tx.context.house.lists["restrictions"]),
        terms_on_status=bool(terms) and terms[0]["requires_status"],
    )


async def add_criterion(tx: Transaction, round_id: UUID, criterion: Criterion) -> UUID:
    """Score by one more thing.

    Raises:
        NotFound, Conflict: when there is no such round, it was opened, or it has enough.
    """
    await _lock_draft(tx, round_id)
    if len([row async for row in ROUNDS.criteria_of(tx, round_id=round_id)]) >= MOST_CRITERIA:
        raise Conflict(f"A round has at most {MOST_CRITERIA} criteria.", "Take one out first.")
    id = uuid_utils.compat.uuid7()
    await ROUNDS.add_criterion(
        tx,
        id=id,
        round_id=round_id,
        name=criterion.name,
        weight=criterion.weight,
        words=list(criterion.words),
    )
    await ROUNDS.touch_round(tx, id=round_id, now=tx.now)
    note(tx, "criterion_added", "round", round_id, after={"criterion": id, **_said(tx, criterion)})
    return id


async def amend_criterion(tx: Transaction, id: UUID, criterion: Criterion) -> None:
    """Write a criterion of a draft anew.

    Raises:
        Conflict: when its round was opened.
    """
    row = await ROUNDS.criterion_by_id(tx, id=id)
    await _lock_draft(tx, row["round_id"])
    words = list(criterion.words)
    await ROUNDS.amend_criterion(tx, id=id, name=criterion.name, weight=criterion.weight, words=words)
    await ROUNDS.touch_round(tx, id=row["round_id"], now=tx.now)
    before = {"criterion": id, **_said(tx, Criterion.of(row))}
    note(tx, "criterion_amended", "round", row["round_id"], before=before, after=_said(tx, criterion))


async def remove_criterion(tx: Transaction, id: UUID) -> UUID:
    """Score by it no more. The round that it was of.

    Raises:
        NotFound, Conflict: when there is none, or its round was opened.
    """
    row = await ROUNDS.criterion_by_id(tx, id=id)
    if row is None:
        raise NotFound
    round_id: UUID = row["round_id"]
    await _lock_draft(tx, round_id)
    await ROUNDS.remove_criterion(tx, id=id)
    await ROUNDS.touch_round(tx, id=round_id, now=tx.now)
    note(tx, "criterion_removed", "round", round_id, before={"criterion": id})
    return round_id


async def _lock_draft(tx: Transaction, id: UUID) -> None:
    row = await ROUNDS.lock_round(tx, id=id)
    if row is None:
        raise NotFound
    if row["state"] != RoundState.DRAFT:
        raise _settled()


async def _locked(tx: Transaction, id: UUID, next: RoundState) -> Any:
    """A round that may move on to a state."""
    row = await ROUNDS.lock_round(tx, id=id)
    if row is None:
        raise NotFound
    if next not in STATES[RoundState(row["state"])].next:
        raise Overtaken("This round has moved on meanwhile.", "Open the page again to see where it stands.")
    return row


async def _move_on(tx: Transaction, row: Any, state: RoundState, fact: type[Fact]) -> None:
    version = await ROUNDS.set_state(tx, id=row["id"], state=state, now=tx.now)
    fund = await FUNDS.fund_by_id(tx, id=row["fund_id"])
    same = ("name", "fund_id", "professions", "purposes", "opens_on", "closes_on")
    await announce(
        tx,
        fact,
        subject=row["id"],
        sequence=version,
        round_id=row["id"],
        fund=fund["name"],
        most=pounds_sterling(row["most_pence"]),
        **{name: row[name] for name in same},
    )
    note(tx, fact.NAME, "round", row["id"])


def _settled() -> Conflict:
    return Conflict(
        "This round was opened: those who apply rely on what it says.",
        "Only the meeting and whom one may ring can still be changed.",
    )


def _columns(plan: Round) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(plan).items()}


def _facts(tx: Transaction, plan: Round) -> dict[str, Any]:
    """As the audit says it: codes, figures and digests."""
    words = {name: digest_of(tx, getattr(plan, name)) for name in ("name", "help_name", "help_telephone")}
    return {**_columns(plan), **words}


def _said(tx: Transaction, criterion: Criterion) -> dict[str, Any]:
    words = digest_of(tx, "\n".join((criterion.name, *criterion.words)))
    return {"weight": criterion.weight, "words": words}
