"""The rules by which somebody may be helped in a round, each by its name. A refusal names its rule.

A round chooses which of them it goes by; a few hold in every round. Each says what it has found in one
application. Pure: whoever calls knows the database.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from chassis.web import day, pounds


@dataclass(frozen=True)
class Rule:
    """One rule."""

    #: What must hold, for staff and for whoever applies.
    asks: str
    #: What is said to whoever does not meet it.
    refusal: str
    #: It asks for immigration status: only where the funder's terms require it, and they are on file.
    of_status: bool = False


RULES: Mapping[str, Rule] = {
    "profession": Rule(
        "They belong to a profession that the round is for.",
        "This round is for other professions.",
    ),
    "qualified_abroad": Rule(
        "They qualified outside the UK.",
        "This round is for people who qualified outside the UK.",
    ),
    "area": Rule(
        "They live in an area that we serve.",
        "This round is for people who live in the areas that we serve.",
    ),
    "exam_ahead": Rule(
        "They have not passed the exam yet.",
        "This round pays for exams that are still to be passed.",
    ),
    "first_time": Rule(
        "They have had no award for the same exam before.",
        "We have paid for this exam for you before.",
    ),
    "once_in_a_round": Rule(
        "They have sent no other application in this round.",
        "You have sent another application in this round.",
    ),
    "registered": Rule(
        "They are registered with us.",
        "We could not find you among the people who are registered with us.",
    ),
    "status": Rule(
        "Their immigration status is one that the funder’s terms ask for.",
        "The funder’s terms ask for an immigration status that you did not show.",
        of_status=True,
    ),
}

#: What holds in every round. Nobody is refused over the day of the exam: it is a warning.
ALWAYS: Mapping[str, Rule] = {
    "purpose": Rule(
        "The round and its fund pay for this exam.",
        "This round does not pay for this exam.",
    ),
    "amount": Rule(
        "They ask for no more than one award may be.",
        "You asked for more than one award may be.",
    ),
    "exam_date": Rule(
        "The exam is after the panel has met.",
        "The exam is before the panel meets.",
    ),
}

#: Rules by which an application may be refused, whichever round it is in.
REFUSING = frozenset({"purpose", "amount"})

EVERY_RULE: Mapping[str, Rule] = {**ALWAYS, **RULES}


class Outcome(StrEnum):
    """What a rule has found."""

    MET = "met"
    NOT_MET = "not_met"
    #: Only somebody who looks can say.
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule has found in one application."""

    rule: str
    outcome: Outcome
    #: In a sentence, for staff. Names nobody.
    found: str

    @property
    def asks(self) -> str:
        return EVERY_RULE[self.rule].asks


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one application and its round, as far as rules go by it."""

    profession: str | None
    qualified_abroad: bool | None
    area: str | None
    purpose: str | None
    amount_pence: int | None
    exam_on: date | None
    exam_passed: bool | None
    status_met: bool | None
    #: What the round says.
    professions: Sequence[str]
    purposes: Sequence[str]
    most_pence: int
    meets_on: date
    #: What the fund allows; nothing where anything will do.
    fund_professions: frozenset[str] | None = None
    fund_purposes: frozenset[str] | None = None
    #: Its terms are on file, and ask for a rule on immigration status.
    terms_on_status: bool = False
    #: Codes of the areas that we serve.
    areas: frozenset[str] = frozenset()
    #: Whether they were found among the registered; nothing where they gave no reference.
    registered: bool | None = None
    #: Their other applications in this round that count, and those that may be theirs.
    same_in_round: int = 0
    alike_in_round: int = 0
    #: Awards that they had for the same exam.
    awards: int = 0
    #: By code, what people call it.
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, code: str | None) -> str:
        """What people call something."""
        return self.names.get(code, code) if code else "not said"

    def listed(self, codes: Iterable[str]) -> str:
        """What people call several things."""
        return ", ".join(map(self.name, codes)) or "nothing"


_Found = tuple[Outcome, str]


def check(rules: Sequence[str], known: Known) -> list[Finding]:
    """What every rule that counts has found, in the order of the list."""
    return list(_findings(rules, known))


def _findings(rules: Sequence[str], known: Known) -> Iterator[Finding]:
    for name in EVERY_RULE:
        if name in ALWAYS or name in rules:
            outcome, found = _CHECKS[name](known)
            yield Finding(rule=name, outcome=outcome, found=found)


def _of(met: bool | None) -> Outcome:
    if met is None:
        return Outcome.UNCLEAR
    return Outcome.MET if met else Outcome.NOT_MET


def _purpose(known: Known) -> _Found:
    of_fund = known.fund_purposes is None or known.purpose in known.fund_purposes
    met = known.purpose in known.purposes and of_fund
    return _of(met), f"Asked for: {known.name(known.purpose)}. Paid for: {known.listed(known.purposes)}."


def _amount(known: Known) -> _Found:
    met = known.amount_pence is not None and known.amount_pence <= known.most_pence
    return _of(met), f"Asked for: {pounds(known.amount_pence)}. The most: {pounds(known.most_pence)}."


def _exam_date(known: Known) -> _Found:
    if known.exam_on is None:
        return Outcome.UNCLEAR, "No exam is booked yet."
    said = f"The exam is on {day(known.exam_on)}, the meeting on {day(known.meets_on)}."
    return (Outcome.MET if known.exam_on > known.meets_on else Outcome.UNCLEAR), said


def _profession(known: Known) -> _Found:
    of_fund = known.fund_professions is None or known.profession in known.fund_professions
    met = known.profession in known.professions and of_fund
    return _of(met), f"Theirs: {known.name(known.profession)}. For: {known.listed(known.professions)}."


def _qualified_abroad(known: Known) -> _Found:
    said = {True: "They say that they did.", False: "They say that they did not.", None: "They did not say."}
    return _of(known.qualified_abroad), said[known.qualified_abroad]


def _area(known: Known) -> _Found:
    return _of(known.area in known.areas if known.area else None), f"They live in: {known.name(known.area)}."


def _exam_ahead(known: Known) -> _Found:
    said = {
        True: "They say that they have.",
        False: "They say that they have not.",
        None: "They did not say.",
    }
    return _of(None if known.exam_passed is None else not known.exam_passed), said[known.exam_passed]


def _first_time(known: Known) -> _Found:
    return _of(known.awards == 0), f"Awards for the same exam before: {known.awards}."


def _once_in_a_round(known: Known) -> _Found:
    if known.same_in_round:
        return Outcome.NOT_MET, f"Others of theirs in this round: {known.same_in_round}."
    if known.alike_in_round:
        return Outcome.UNCLEAR, f"Others in this round that may be theirs: {known.alike_in_round}."
    return Outcome.MET, "There is no other in this round that looks like theirs."


def _registered(known: Known) -> _Found:
    said = {
        True: "Their reference is one of ours.",
        False: "Nobody is registered under the reference that they gave.",
        None: "They gave no reference.",
    }
    return _of(known.registered), said[known.registered]


def _status(known: Known) -> _Found:
    if not known.terms_on_status:
        return Outcome.UNCLEAR, "No terms are on file that ask for it, so nobody may be refused over it."
    return _of(known.status_met), {True: "Met.", False: "Not met.", None: "They did not say."}[
        known.status_met
    ]


_CHECKS: Mapping[str, Callable[[Known], _Found]] = {
    "purpose": _purpose,
    "amount": _amount,
    "exam_date": _exam_date,
    "profession": _profession,
    "qualified_abroad": _qualified_abroad,
    "area": _area,
    "exam_ahead": _exam_ahead,
    "first_time": _first_time,
    "once_in_a_round": _once_in_a_round,
    "registered": _registered,
    "status": _status,
}
