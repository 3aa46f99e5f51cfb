"""What an agreement says, what is missing from it, what one version says that another did not.

Pure: no database, no clock. People are ids here; whoever shows them looks their names up, so that a name
that is forgotten is forgotten in every version.
"""

import hashlib
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from chassis.web import day

#: Signs of one line, of what an outcome is and how it is measured, and of any other text.
LONGEST_LINE, LONGEST_OUTCOME, LONGEST_TEXT = 200, 500, 2_000
#: Outcomes and review dates of one agreement.
MOST_OUTCOMES, MOST_REVIEWS = 12, 4
#: So long before its date an outcome is due, and so long before its day a review is spoken of.
DUE_WITHIN, REMIND_BEFORE = timedelta(days=30), timedelta(days=14)


class Side(StrEnum):
    """Which of the two an outcome, a signature or a turn is of."""

    OURS = "ours"
    THEIRS = "theirs"


class State(StrEnum):
    """Where an agreement stands."""

    DRAFT = "draft"
    OFFERED = "offered"
    SIGNED = "signed"
    ENDED = "ended"


@dataclass(frozen=True)
class Stage:
    """One row of the table of an agreement's states."""

    words: str
    then: frozenset[State] = frozenset()


_S = State

STAGES: Mapping[State, Stage] = {
    # A draft that was made to amend a signed version goes back to that when it is given up.
    _S.DRAFT: Stage("Draft", frozenset({_S.OFFERED, _S.SIGNED, _S.ENDED})),
    _S.OFFERED: Stage("Waiting for signatures", frozenset({_S.DRAFT, _S.SIGNED, _S.ENDED})),
    _S.SIGNED: Stage("Signed", frozenset({_S.DRAFT, _S.ENDED})),
    _S.ENDED: Stage("Ended"),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Something that one named person at one of the two bodies sees to."""

    id: UUID
    what: str = ""
    measure: str = ""
    due_on: date | None = None
    side: Side | None = None
    #: A person of ours or a contact of theirs.
    owner_id: UUID | None = None


#: The texts of an agreement, by field, as people call them.
TEXTS: Mapping[str, str] = {
    "title": "Name of the agreement",
    "purpose": "Purpose",
    "our_agenda": "Our agenda",
    "their_agenda": "Their agenda",
    "our_interest": "What we gain from it ourselves",
    "their_interest": "What they gain from it themselves",
    "our_resources": "What we bring",
    "their_resources": "What they bring",
    "we_expect": "What we expect of them",
    "they_expect": "What they expect of us",
}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Everything that the two agree on."""

    title: str
    purpose: str = ""
    our_agenda: str = ""
    their_agenda: str = ""
    our_interest: str = ""
    their_interest: str = ""
    our_resources: str = ""
    their_resources: str = ""
    we_expect: str = ""
    they_expect: str = ""
    outcomes: tuple[Outcome, ...] = ()
    #: The days on which both look at it together, in order.
    reviews: tuple[date, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON can say it."""
        said: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return said

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """What ``document`` said."""
        texts = {name: document[name] for name in TEXTS}
        outcomes = tuple(_outcome(each) for each in document["outcomes"])
        return cls(**texts, outcomes=outcomes, reviews=tuple(map(date.fromisoformat, document["reviews"])))


def _outcome(said: Mapping[str, Any]) -> Outcome:
    return Outcome(
        id=UUID(said["id"]),
        what=said["what"],
        measure=said["measure"],
        due_on=date.fromisoformat(said["due_on"]) if said["due_on"] else None,
        side=Side(said["side"]) if said["side"] else None,
        owner_id=UUID(said["owner_id"]) if said["owner_id"] else None,
    )


def digest_of(content: Mapping[str, Any]) -> bytes:
    """SHA-256 of a version, the same however the database orders its parts."""
    said = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(said.encode()).digest()


# What is missing


@dataclass(frozen=True)
class Missing:
    """Something without which nobody can sign."""

    #: The field of the form where it is mended.
    field: str
    words: str


def missing(terms: Terms, present: Container[UUID | None]) -> list[Missing]:
    """What is missing, in the order of the form; nothing when it can be signed.

    Args:
        present: whoever of the owners may sign in, or be written to, today.
    """
    found = [
        Missing(field, f"“{label}” is blank.") for field, label in TEXTS.items() if not getattr(terms, field)
    ]
    if not terms.outcomes:
        found.append(Missing("outcome-1-what", "There is no outcome yet."))
    for number, outcome in enumerate(terms.outcomes, 1):
        found.extend(_missing_of(outcome, number, present))
    if not terms.reviews:
        found.append(Missing("review-1", "There is no review date yet."))
    return found


def _missing_of(outcome: Outcome, number: int, present: Container[UUID | None]) -> Iterator[Missing]:
    for field, words in (
        ("what", "does not say what will be achieved"),
        ("measure", "has no measure"),
        ("due_on", "has no date"),
        ("owner_id", "has no owner"),
    ):
        if not getattr(outcome, field):
            yield Missing(f"outcome-{number}-{field}", f"Outcome {number} {words}.")
    if outcome.owner_id and outcome.owner_id not in present:
        yield Missing(f"outcome-{number}-owner_id", f"Outcome {number}: its owner is no longer there.")


# What differs


class Kept(StrEnum):
    """What became of a piece of text from one version to the next."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True)
class Change:
    """A part of an agreement that two versions do not have in common."""

    label: str
    pieces: Sequence[tuple[Kept, str]]


NameOf = Callable[[UUID], str]


def changes(old: Terms, new: Terms, name_of: NameOf) -> list[Change]:
    """Part by part, which words went and which came; parts that are the same are not there."""
    before, after = _parts(old, name_of), _parts(new, name_of)
    labels = {**{key: label for key, (label, _) in before.items()}, **{k: v for k, (v, _) in after.items()}}
    found = []
    for key, label in labels.items():
        was, is_now = before.get(key, ("", ""))[1], after.get(key, ("", ""))[1]
        if was != is_now:
            found.append(Change(label, word_by_word(was, is_now)))
    return found


def word_by_word(old: str, new: str) -> list[tuple[Kept, str]]:
    """The words of both, each marked; neighbours with the same mark are one piece."""
    before, after = (re.findall(r"\S+\s*|\s+", text) for text in (old, new))
    pieces: list[tuple[Kept, str]] = []
    for what, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append((Kept.SAME, "".join(after[k:m])))
        else:
            gone, come = "".join(before[i:j]), "".join(after[k:m])
            pieces += [(kept, text) for kept, text in ((Kept.REMOVED, gone), (Kept.ADDED, come)) if text]
    return pieces


def _parts(terms: Terms, name_of: NameOf) -> dict[str, tuple[str, str]]:
    """Every part by what it is known by, with what people call it and what it says."""
    parts = {field: (label, getattr(terms, field)) for field, label in TEXTS.items()}
    for number, outcome in enumerate(terms.outcomes, 1):
        parts[str(outcome.id)] = (f"Outcome {number}", in_words(outcome, name_of))
    parts["reviews"] = ("Review dates", ", ".join(map(day, terms.reviews)))
    return parts


def in_words(outcome: Outcome, name_of: NameOf) -> str:
    """An outcome as one text."""
    owner = name_of(outcome.owner_id) if outcome.owner_id else "nobody yet"
    due = day(outcome.due_on) if outcome.due_on else "not said"
    return f"{outcome.what}\nMeasured by: {outcome.measure}\nBy: {due}\nOwner: {owner}"


# Where an outcome stands


class Standing(StrEnum):
    """Where an outcome of a signed agreement stands on a day."""

    ON_TRACK = "on_track"
    DUE = "due"
    LATE = "late"
    MET = "met"
    DROPPED = "dropped"


STANDING_WORDS: Mapping[Standing, str] = {
    Standing.ON_TRACK: "On track",
    Standing.DUE: "Due within 30 days",
    Standing.LATE: "Late",
    Standing.MET: "Met",
    Standing.DROPPED: "Dropped",
}


def standing(state: str, due_on: date, today: date) -> Standing:
    """Where an outcome stands today.

    Args:
        state: ``open``, ``met`` or ``dropped``.
    """
    if state != "open":
        return Standing(state)
    if due_on < today:
        return Standing.LATE
    return Standing.DUE if due_on <= today + DUE_WITHIN else Standing.ON_TRACK


@dataclass(frozen=True)
class Window:
    """The outcomes that stand in one way: in which state, and due from when until when."""

    state: str
    since: date | None = None
    until: date | None = None


def window(of: Standing, today: date) -> Window:
    """Which outcomes have this standing today."""
    soon, one = today + DUE_WITHIN, timedelta(days=1)
    windows = {
        Standing.ON_TRACK: Window("open", since=soon + one),
        Standing.DUE: Window("open", since=today, until=soon),
        Standing.LATE: Window("open", until=today - one),
    }
    return windows.get(of) or Window(of.value)


# Whose turn it is


@dataclass(frozen=True)
class Turn:
    """Who has to do something next."""

    #: Nobody when it is in force or over.
    whose: frozenset[Side]
    words: str


def turn(state: State, signed: Container[str], *, amends: bool = False) -> Turn:
    """Whose turn it is, in words that always say something.

    Args:
        signed: the sides that have signed what is offered.
        amends: whether there is a signed version that this is to take the place of.
    """
    ours, theirs = frozenset({Side.OURS}), frozenset({Side.THEIRS})
    if state is State.DRAFT:
        again = "the changed version" if amends else "the draft"
        return Turn(ours, f"Our turn: finish {again} and offer it")
    if state is State.OFFERED:
        if Side.OURS in signed:
            return Turn(theirs, "Their turn: we have signed, they have not")
        if Side.THEIRS in signed:
            return Turn(ours, "Our turn: they have signed, we have not")
        return Turn(ours | theirs, "Both have to sign: neither has yet")
    over = "Nobody’s turn: it has ended" if state is State.ENDED else "Nobody’s turn: both have signed"
    return Turn(frozenset(), over)


# What was typed


#: Signs that cannot be seen: they break out of lines or make text read as what it is not. Joiners stay,
#: because names in Persian and several Indian scripts need them.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]"
)


def text_of(typed: str) -> str:
    """A text as it is kept: lines that can be seen, none of them blank twice in a row."""
    seen = _UNSEEN.sub("", typed.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in seen.split("\n"))).strip()


def line_of(typed: str) -> str:
    """A text as one line."""
    return " ".join(text_of(typed).split())
