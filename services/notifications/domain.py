"""The rules of a letter: what it asks, where it stands, when it is late; and where its campaign stands.

Pure decisions on plain values: no clock, no database, no network and no library of pages is known here.
Money is whole pence; dates are dates of the calendar in London.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import overload
from uuid import UUID

from chassis.links import link_token
from chassis.working_days import working_days_after


class NotificationsError(Exception):
    """The letters service could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class InvalidFormula(NotificationsError, ValueError):
    """The formula of the ask cannot be used."""


# Money and counts in words


def pounds(pence: int) -> str:
    """Print an amount as people write it: £3,400, or £3,400.50 when there are odd pence."""
    whole, odd = divmod(abs(pence), 100)
    sign = "-" if pence < 0 else ""
    return f"{sign}£{whole:,}" + (f".{odd:02d}" if odd else "")


def registered_words(count: int) -> str:
    """Print a count of registered people for outsiders, who never learn an exact figure from 1 to 4."""
    return "fewer than five" if 1 <= count <= 4 else f"{count:,}"


@dataclass(frozen=True, kw_only=True)
class AskFormula:
    """What a campaign asks of a body, given how many registered people live in its areas.

    The ask never falls as the count rises, is a whole number of steps, and lies between least and most.
    """

    #: Goes up whenever a figure below changes; frozen into every letter.
    version: int
    least_pence: int
    each_pence: int
    step_pence: int
    most_pence: int

    def __post_init__(self) -> None:
        figures = (self.version, self.least_pence, self.each_pence, self.step_pence, self.most_pence)
        if any(type(figure) is not int for figure in figures):
            raise InvalidFormula("The figures of the ask must be whole numbers of pence.")
        if self.version < 1 or self.step_pence < 1 or self.least_pence < 0 or self.each_pence < 0:
            raise InvalidFormula(
                "Version and step start at 1; the other figures of the ask may not be negative."
            )
        if self.most_pence < self.least_pence:
            raise InvalidFormula("The most that is asked may not be lower than the least.")
        if self.least_pence % self.step_pence or self.most_pence % self.step_pence:
            raise InvalidFormula("The least and the most that is asked must be whole steps.")

    def ask(self, count: int) -> int:
        """Return the ask in pence for this many registered people."""
        if count < 0:
            raise InvalidFormula("A count of people cannot be negative.")
        wanted = self.least_pence + self.each_pence * count
        return min(wanted - wanted % self.step_pence, self.most_pence)

    def words(self, profession: str = "person") -> str:
        """Say the formula in plain words, for pages and letters; `profession` is in the singular."""
        least, each, step, most = map(
            pounds, (self.least_pence, self.each_pence, self.step_pence, self.most_pence)
        )
        return (
            f"{least}, plus {each} for each registered {profession} in the area, "
            f"rounded down to the nearest {step}, and never more than {most}"
        )


# How a letter goes


class Channel(StrEnum):
    """How one letter goes."""

    EMAIL = "email"
    POST = "post"


class ByPost(StrEnum):
    """Who gets a campaign's letter by post."""

    #: Those whose contact says so.
    LISTED = "listed"
    #: Those as well who have no e-mail address.
    NO_EMAIL = "no_email"
    ALL = "all"


def channel_of(by_post: ByPost, *, listed: str, email: str | None) -> Channel:
    """How a letter goes to a contact whose entry says `listed`."""
    without = by_post is ByPost.NO_EMAIL and not (email or "").strip()
    return Channel.POST if by_post is ByPost.ALL or without else Channel(listed)


# Where a letter stands


class LetterState(StrEnum):
    """Where one letter stands on its way out."""

    DRAFT = "draft"
    BLOCKED = "blocked"
    READY = "ready"
    #: In a file that a person prints and posts.
    PRINTED = "printed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AnswerState(StrEnum):
    """What has come back for one letter; the last four are answers."""

    SILENT = "silent"
    AUTO_REPLIED = "auto_replied"
    ACKNOWLEDGED = "acknowledged"
    ASKED = "asked"
    DECLINED = "declined"
    WILL_MEET = "will_meet"
    PLEDGED = "pledged"

    @property
    def is_answer(self) -> bool:
        return self in (AnswerState.ASKED, AnswerState.DECLINED, AnswerState.WILL_MEET, AnswerState.PLEDGED)


class AnswerKind(StrEnum):
    """What a recipient can say, on the response page or in another way."""

    ACKNOWLEDGE = "acknowledge"
    PLEDGE = "pledge"
    MEET = "meet"
    DECLINE = "decline"
    ASK = "ask"
    #: Somebody else there is the right one.
    PASS_ON = "pass_on"  # noqa: S105 - no password


@dataclass(frozen=True)
class LetterStage:
    """One row of the table of a letter's states."""

    #: What staff read.
    staff: str
    #: What anybody else reads.
    public: str
    #: The states that may come next.
    then: frozenset[LetterState]


@dataclass(frozen=True)
class AnswerStage:
    """One row of the table of an answer's states."""

    staff: str
    public: str
    then: frozenset[AnswerState]


_L = LetterState
_A = AnswerState

#: A sending that handed nothing to the mail server goes back to ready; one that may have is unknown, and
#: only a person moves it on. What is printed is sent when a person says on which day it was posted; a sheet
#: that was spoiled is printed again. A letter that was sent stays sent: a chaser is a letter of its own.
LETTER_STAGES: Mapping[LetterState, LetterStage] = MappingProxyType(
    {
        _L.DRAFT: LetterStage("Draft", "Being written", frozenset({_L.READY, _L.BLOCKED})),
        _L.BLOCKED: LetterStage("Blocked", "Being written", frozenset({_L.DRAFT, _L.READY})),
        _L.READY: LetterStage(
            "Ready to send", "Being sent", frozenset({_L.SENDING, _L.PRINTED, _L.DRAFT, _L.BLOCKED})
        ),
        _L.PRINTED: LetterStage(
            "Printed: to be posted", "Being sent", frozenset({_L.SENT, _L.READY, _L.BLOCKED, _L.FAILED})
        ),
        _L.SENDING: LetterStage(
            "Sending now", "Being sent", frozenset({_L.SENT, _L.FAILED, _L.UNKNOWN, _L.READY})
        ),
        _L.SENT: LetterStage("Sent", "Sent", frozenset()),
        _L.FAILED: LetterStage("Not sent: refused", "Did not arrive", frozenset({_L.READY, _L.BLOCKED})),
        _L.UNKNOWN: LetterStage(
            "Perhaps sent: please check", "May not have arrived", frozenset({_L.SENT, _L.FAILED, _L.READY})
        ),
    }
)

#: Nothing here moves down: an acknowledgement after an answer, or a question after a pledge, changes nothing.
#: People do change their minds, so pledged and declined may follow each other; a meeting changes a refusal
#: and no pledge.
_ANY_ANSWER = frozenset({_A.ASKED, _A.DECLINED, _A.WILL_MEET, _A.PLEDGED})

ANSWER_STAGES: Mapping[AnswerState, AnswerStage] = MappingProxyType(
    {
        _A.SILENT: AnswerStage("Silent", "No answer yet", _ANY_ANSWER | {_A.AUTO_REPLIED, _A.ACKNOWLEDGED}),
        _A.AUTO_REPLIED: AnswerStage(
            "Automatic reply only", "No answer yet", _ANY_ANSWER | {_A.ACKNOWLEDGED}
        ),
        _A.ACKNOWLEDGED: AnswerStage("Acknowledged", "Acknowledged", _ANY_ANSWER),
        _A.ASKED: AnswerStage("Asked us something: our turn", "Asked a question", _ANY_ANSWER - {_A.ASKED}),
        _A.DECLINED: AnswerStage("Declined", "Answered: no", frozenset({_A.WILL_MEET, _A.PLEDGED})),
        _A.WILL_MEET: AnswerStage(
            "They will meet", "Answered: will meet", frozenset({_A.DECLINED, _A.PLEDGED})
        ),
        _A.PLEDGED: AnswerStage("Pledged", "Answered: yes", frozenset({_A.DECLINED})),
    }
)

#: The state that each kind of answer leads to from silence.
ANSWER_LEADS_TO: Mapping[AnswerKind, AnswerState] = MappingProxyType(
    {
        AnswerKind.ACKNOWLEDGE: _A.ACKNOWLEDGED,
        AnswerKind.PLEDGE: _A.PLEDGED,
        AnswerKind.MEET: _A.WILL_MEET,
        AnswerKind.DECLINE: _A.DECLINED,
        AnswerKind.ASK: _A.ASKED,
        AnswerKind.PASS_ON: _A.ACKNOWLEDGED,
    }
)


@overload
def can(before: LetterState, after: LetterState) -> bool: ...
@overload
def can(before: AnswerState, after: AnswerState) -> bool: ...
@overload
def can(before: CampaignState, after: CampaignState) -> bool: ...
def can(
    before: LetterState | AnswerState | CampaignState, after: LetterState | AnswerState | CampaignState
) -> bool:
    """Say whether the tables here let this state follow that one."""
    if isinstance(before, LetterState):
        return after in LETTER_STAGES[before].then
    if isinstance(before, CampaignState):
        return after in CAMPAIGN_STAGES[before].then
    return after in ANSWER_STAGES[before].then


def answer_after(current: AnswerState, kind: AnswerKind, *, counted: bool = False) -> AnswerState:
    """Return where an answer of this kind leaves the letter; a later answer never lowers it.

    A pledge that we have confirmed and that was not written back counts as money, so no answer moves it: only
    a person does.
    """
    arriving = ANSWER_LEADS_TO[kind]
    if counted:
        return AnswerState.PLEDGED
    return arriving if can(current, arriving) else current


# Where a campaign stands


class CampaignState(StrEnum):
    """Where one campaign stands, from the first word to the last letter."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    STOPPED = "stopped"

    @property
    def is_before_sending(self) -> bool:
        """No letter of it has been released."""
        return self in (CampaignState.DRAFT, CampaignState.SUBMITTED, CampaignState.APPROVED)


@dataclass(frozen=True)
class CampaignStage:
    """One row of the table of a campaign's states."""

    #: What staff read.
    staff: str
    #: The states that may come next.
    then: frozenset[CampaignState]


_C = CampaignState

#: Only a draft is changed, so what was approved is what is sent: to change it, somebody takes it back first.
#: A campaign of which letters have gone is never a draft again.
CAMPAIGN_STAGES: Mapping[CampaignState, CampaignStage] = MappingProxyType(
    {
        _C.DRAFT: CampaignStage("Draft: nothing sent", frozenset({_C.SUBMITTED})),
        _C.SUBMITTED: CampaignStage("Waits for approval", frozenset({_C.DRAFT, _C.APPROVED})),
        _C.APPROVED: CampaignStage("Approved: not sent yet", frozenset({_C.DRAFT, _C.SENDING})),
        _C.SENDING: CampaignStage("Sending now", frozenset({_C.PAUSED, _C.SENT, _C.STOPPED})),
        _C.PAUSED: CampaignStage("Paused", frozenset({_C.SENDING, _C.STOPPED})),
        _C.SENT: CampaignStage("Sent", frozenset()),
        _C.STOPPED: CampaignStage("Stopped", frozenset()),
    }
)


# Why a letter cannot go


class BlockReason(StrEnum):
    """Why a letter cannot go."""

    BODY_CLOSED = "body_closed"
    NO_EMAIL = "no_email"
    NO_POSTAL_ADDRESS = "no_postal_address"
    #: Made before letters could be posted; written anew, it goes.
    BY_POST = "by_post"
    WITHDRAWN = "withdrawn"
    NO_AREA = "no_area"
    NOT_COUNTED = "not_counted"
    NO_REGISTRATIONS = "no_registrations"
    STOPPED = "stopped"
    #: They answered before it was posted.
    ANSWERED = "answered"
    #: What it says cannot be set.
    UNPRINTABLE = "unprintable"
    #: Its letterhead would say what a starter file says.
    HOUSE_UNFINISHED = "house_unfinished"
    #: Its links would lead to nobody but us.
    LINKS_NOWHERE = "links_nowhere"


@dataclass(frozen=True)
class Block:
    """A letter that cannot go: why, in words for staff, and what to do about it."""

    reason: BlockReason
    words: str
    cure: str


def block_reason(
    *,
    on: date,
    closed_on: date | None = None,
    successor: str | None = None,
    channel: str = "email",
    email: str | None = None,
    postal_address: Sequence[str] = (),
    asks: bool = True,
    counts: Mapping[str, int | None] | None = None,
) -> Block | None:
    """Return why the letter cannot go, or None when it can.

    `counts` has each area's name and its registered people, None where nobody has counted; a campaign without
    an ask (`asks=False`) needs none.
    """
    if closed_on is not None and closed_on <= on:
        return closed_block(closed_on, successor)
    if channel == "email" and not (email or "").strip():
        return Block(
            BlockReason.NO_EMAIL,
            "We have no e-mail address for this contact.",
            "Add the address and where it came from to the contact, or write by post.",
        )
    if channel == "post" and not any(line.strip() for line in postal_address):
        return Block(
            BlockReason.NO_POSTAL_ADDRESS,
            "We have no postal address for this contact.",
            "Add the address and where it came from to the contact, or write by e-mail.",
        )
    return _evidence_missing(counts or {}) if asks else None


def withdrawn_block() -> Block:
    """Why a letter to a contact who is no longer in the address book cannot go."""
    return Block(
        BlockReason.WITHDRAWN,
        "This contact was withdrawn after the letter was written.",
        "Write to somebody else at this body.",
    )


def answered_block() -> Block:
    """Why a letter to a body that has answered is not posted."""
    return Block(BlockReason.ANSWERED, "They have answered already.", "There is nothing to do.")


def closed_block(closed_on: date, successor: str | None) -> Block:
    """Why a letter to a closed body cannot go."""
    cure = (
        f"Write to its successor, {successor}."
        if successor
        else "Find out who took over its work, or leave it out."
    )
    return Block(BlockReason.BODY_CLOSED, f"This body closed on {day_words(closed_on)}.", cure)


class StopScope(StrEnum):
    """Whom somebody told us never to write to again."""

    #: One person, at every address that we had of them.
    PERSON = "person"
    #: Everybody at a body.
    BODY = "body"


def stopped_block(scope: StopScope) -> Block:
    """Why a letter to somebody who wants none cannot go."""
    whom = "them" if scope is StopScope.PERSON else "anybody at this body"
    return Block(
        BlockReason.STOPPED,
        f"We were asked never to write to {whom} again.",
        "Leave them out. If they have changed their mind, lift the stop with your reason.",
    )


def _evidence_missing(counts: Mapping[str, int | None]) -> Block | None:
    if not counts:
        return Block(
            BlockReason.NO_AREA,
            "We do not know which area this body serves, so the ask cannot be worked out.",
            "Add its areas to the organisation.",
        )
    missing = [area for area, count in counts.items() if count is None]
    if missing:
        return Block(
            BlockReason.NOT_COUNTED,
            f"No registrations have been counted for {and_words(missing)}, so the ask cannot be worked out.",
            "Import the registrations of this area, or wait until their count arrives.",
        )
    if sum(count or 0 for count in counts.values()) == 0:
        return Block(
            BlockReason.NO_REGISTRATIONS,
            f"Nobody is registered in {and_words(list(counts))}, so there is no evidence for an ask.",
            "Check the registrations of this area, or leave this body out of the campaign.",
        )
    return None


def and_words(names: Sequence[str]) -> str:
    """Join names as a sentence does: Sutton; Sutton and Merton; Brent, Sutton and Merton."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def day_words(day: date) -> str:
    """Print a date as letters do: 3 February 2012."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


# Spelt out here, because strftime follows the locale of the machine.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


# Time: courtesy, not law

LATE_AFTER = 20
VERY_LATE_AFTER = 40


def late_on(sent_on: date) -> date:
    """Return the first working day on which silence is late: 20 whole working days have gone by."""
    return working_days_after(sent_on, LATE_AFTER + 1)


# Where a body stands: several letters to one body are one body asked


class BodyStatus(StrEnum):
    """Where one body stands in a campaign, over all the letters to it: the best answer wins.

    The database says which, beside the letters. No body is called silent over a letter that never arrived,
    and a chaser does not restart the clock.
    """

    PLEDGED = "pledged"
    #: They have pledged and Grants says that nothing more of it will come: an answer, but no money.
    WRITTEN_BACK = "written_back"
    WILL_MEET = "will_meet"
    DECLINED = "declined"
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    SILENT = "silent"
    LATE = "late"
    VERY_LATE = "very_late"
    WAITING = "waiting"
    #: Letters went, and as far as we know none arrived.
    PROBLEM = "problem"
    #: No letter to it can go.
    BLOCKED = "blocked"


@dataclass(frozen=True)
class StatusWords:
    """One row of the table of a body's statuses."""

    staff: str
    #: The body has shown that somebody read the letter.
    acknowledged: bool = False
    #: The letter arrived as far as we know, and nobody has said a word.
    silent: bool = False

    @property
    def asked(self) -> bool:
        """A letter has arrived there, or was answered."""
        return self.acknowledged or self.silent


_B = BodyStatus

BODY_STATUSES: Mapping[BodyStatus, StatusWords] = MappingProxyType(
    {
        _B.PLEDGED: StatusWords("Pledged", acknowledged=True),
        _B.WRITTEN_BACK: StatusWords("Pledged, but it will not come", acknowledged=True),
        _B.WILL_MEET: StatusWords("They will meet", acknowledged=True),
        _B.DECLINED: StatusWords("Declined", acknowledged=True),
        _B.ASKED: StatusWords("Asked us something: our turn", acknowledged=True),
        _B.ACKNOWLEDGED: StatusWords("Acknowledged", acknowledged=True),
        _B.SILENT: StatusWords("Silent, still in time", silent=True),
        _B.LATE: StatusWords(f"Silent for over {LATE_AFTER} working days", silent=True),
        _B.VERY_LATE: StatusWords(f"Silent for over {VERY_LATE_AFTER} working days", silent=True),
        _B.WAITING: StatusWords("Not sent yet"),
        _B.PROBLEM: StatusWords("Our letters did not arrive"),
        _B.BLOCKED: StatusWords("Cannot go"),
    }
)


# The link on a letter

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def response_token(key: bytes, letter_id: UUID, number: int = 1) -> str:
    """Derive the letter's 128-bit token as 26 characters; the same letter always gets the same one.

    A new `number` makes a new token for the same letter and leaves the old one behind.
    """
    return link_token(key, "conduit response token", letter_id, number)


def message_id(letter_id: UUID, domain: str, number: int = 1) -> str:
    """Return the letter's Message-ID, the same on every try; `number` tells its chasers apart."""
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("The domain of the Message-ID is not a host name.")
    return f"<letter-{letter_id.hex}-{number}@{domain.lower()}>"
