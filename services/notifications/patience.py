"""How long we wait for an answer, and whether somebody is chased: why, or why not.

Pure decisions on plain values, used by the list of whom to chase, by the sender at the moment of sending and
by the page of a letter: so that the three never disagree. It is courtesy, not law.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from chassis.clock import LOCAL
from chassis.working_days import working_days_after, working_days_before, working_days_between
from services.notifications.domain import (
    LATE_AFTER,
    VERY_LATE_AFTER,
    AnswerState,
    LetterState,
    day_words,
    late_on,
)

#: The most working days between two chasers that a campaign may set.
LONGEST_PAUSE = 60
#: The most chasers to one letter.
MOST_CHASERS = 9

#: Working days that the post takes: the clock of a posted letter begins at the end of them.
POST_TAKES = 2

#: How late an answer is: the code, and after how many working days. The milder first.
LATENESS: Mapping[str, int] = {"late": LATE_AFTER, "very_late": VERY_LATE_AFTER}


class WhyNot(StrEnum):
    """Why nobody is chased about a letter, for counting."""

    NOT_SENT = "not_sent"
    CAME_BACK = "came_back"
    ANSWERED = "answered"
    OTHER_HAS_IT = "other_has_it"
    OUR_TURN = "our_turn"
    PASSED_ON = "passed_on"
    IN_TIME = "in_time"
    ENOUGH = "enough"
    LATELY = "lately"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    NO_ADDRESS = "no_address"
    STOPPED = "stopped"
    UNDER_WAY = "under_way"
    #: A person called it back before it was sent.
    CALLED_BACK = "called_back"


@dataclass(frozen=True)
class Refusal:
    """Why nobody is chased: for counting, and as a sentence for staff."""

    code: WhyNot
    words: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What decides whether somebody is chased about a letter."""

    state: LetterState
    #: The mail system, or the post, has given it back.
    came_back: bool
    answer: AnswerState
    #: The best answer of any letter to the same body in this campaign.
    body_answer: AnswerState
    #: The day from which we count; None where the letter has not been sent.
    since: date | None
    #: Chasers that went, or may have.
    chased: int
    last_chased_on: date | None
    #: One waits to be sent or is being sent.
    under_way: bool
    #: What the campaign allows: so many chasers, so many working days apart.
    most: int
    every: int
    closed_on: date | None
    #: The contact is in the address book and may be written to.
    listed: bool
    has_address: bool
    #: The campaign was stopped.
    stopped: bool
    #: Whoever it is for wants no letters.
    wants_none: bool
    #: Somebody there has written to us, and nobody has seen to it.
    unseen: bool
    #: Somebody there has named a colleague, whom nobody has confirmed or left out.
    unconfirmed: bool
    #: Whoever it is for has passed it on; or it is the letter of a colleague to whom one was.
    passed_on: bool
    passed_to: bool
    #: What chases them goes by post.
    by_post: bool = False


def why_not_by_post(letter: Waiting, on: date) -> Refusal | None:
    """The same of a chaser that a person has handed to the post, however often others were mailed before."""
    return _finished_with(letter, on) or _cannot_go(letter, on)


def why_not(letter: Waiting, on: date) -> Refusal | None:
    """Why nobody is chased about this letter on this day, or None when somebody is."""
    return _finished_with(letter, on) or _cannot_go(letter, on) or _too_soon(letter, on)


def _finished_with(letter: Waiting, on: date) -> Refusal | None:
    if letter.state is not LetterState.SENT or letter.since is None:
        return Refusal(WhyNot.NOT_SENT, "The letter has not arrived as far as we know.")
    if letter.came_back:
        return Refusal(WhyNot.CAME_BACK, "Our letter came back: nobody there has seen it.")
    if letter.body_answer.is_answer:
        who = "They have" if letter.answer.is_answer else "Somebody else there has"
        return Refusal(WhyNot.ANSWERED, f"{who} answered.")
    if refusal := not_their_turn(
        unseen=letter.unseen, unconfirmed=letter.unconfirmed, passed_on=letter.passed_on
    ):
        return refusal
    has_it = letter.answer is AnswerState.ACKNOWLEDGED or letter.passed_to
    if letter.body_answer is AnswerState.ACKNOWLEDGED and not has_it:
        words = "Somebody else there has said that our letter is there. We wait for them."
        return Refusal(WhyNot.OTHER_HAS_IT, words)
    return None


def not_their_turn(*, unseen: bool, unconfirmed: bool, passed_on: bool) -> Refusal | None:
    """Why we do not wait for whom a letter is for, though they have not answered; or None when we do."""
    if unseen:
        words = "They have written to us and nobody has seen to it yet, so it is our turn."
        return Refusal(WhyNot.OUR_TURN, words)
    if unconfirmed:
        words = "A colleague whom they named waits to be confirmed or left out, so it is our turn."
        return Refusal(WhyNot.OUR_TURN, words)
    if passed_on:
        words = "They have passed our letter on, and we do not write to them about it again."
        return Refusal(WhyNot.PASSED_ON, words)
    return None


def _cannot_go(letter: Waiting, on: date) -> Refusal | None:
    if letter.stopped:
        return Refusal(WhyNot.STOPPED, "The campaign was stopped.")
    return out_of_reach(
        on,
        wants_none=letter.wants_none,
        closed_on=letter.closed_on,
        listed=letter.listed,
        has_address=letter.has_address,
        by_post=letter.by_post,
    )


def out_of_reach(
    on: date,
    *,
    wants_none: bool,
    closed_on: date | None,
    listed: bool,
    has_address: bool,
    by_post: bool,
) -> Refusal | None:
    """Why nothing can be sent to whom a letter is for, or None when it can."""
    if wants_none:
        return Refusal(WhyNot.STOPPED, "They want no letters from us.")
    if closed_on is not None and closed_on <= on:
        return Refusal(WhyNot.CLOSED, f"This body closed on {day_words(closed_on)}.")
    if not listed:
        return Refusal(WhyNot.WITHDRAWN, "This contact was withdrawn.")
    if not has_address:
        kind = "postal" if by_post else "e-mail"
        return Refusal(WhyNot.NO_ADDRESS, f"We have no {kind} address for this contact any more.")
    return None


def _too_soon(letter: Waiting, on: date) -> Refusal | None:
    if letter.under_way:
        return Refusal(WhyNot.UNDER_WAY, "A chaser is on its way.")
    if letter.since is not None and on < late_on(letter.since):
        return Refusal(WhyNot.IN_TIME, f"They have until {day_words(last_day(letter.since))}.")
    if letter.chased >= letter.most:
        return Refusal(WhyNot.ENOUGH, f"Chased {times(letter.chased)}, which is as often as we do.")
    if letter.last_chased_on is not None and on < next_on(letter.last_chased_on, letter.every):
        next_day = day_words(next_on(letter.last_chased_on, letter.every))
        return Refusal(
            WhyNot.LATELY, f"Chased on {day_words(letter.last_chased_on)}: not again before {next_day}."
        )
    return None


def because(letter: Waiting, on: date) -> str:
    """Why somebody is chased, as a sentence that begins with "because"."""
    if letter.since is None:
        raise ValueError("A letter that was not sent is not chased.")
    days = working_days_between(letter.since, on)
    if letter.answer is AnswerState.ACKNOWLEDGED:
        start = f"they have our letter since {day_words(letter.since)} and have not answered"
    elif letter.answer is AnswerState.AUTO_REPLIED:
        start = f"only an automatic reply has come since {day_words(letter.since)}"
    else:
        start = f"nobody has answered since {day_words(letter.since)}"
    before = f"; chased {times(letter.chased)} before" if letter.chased else ""
    return f"because {start}: {days} working days{before}"


def waits_from(posted_on: date) -> datetime:
    """Since when we wait for the answer to a letter that was posted on a day: the noon when it is there."""
    return datetime.combine(working_days_after(posted_on, POST_TAKES), time(12), LOCAL)


def times(count: int) -> str:
    """How often, in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def last_day(since: date) -> date:
    """The last day on which an answer is in time."""
    return working_days_after(since, LATE_AFTER)


def next_on(chased_on: date, every: int) -> date:
    """The first day on which somebody may be chased again."""
    return working_days_after(chased_on, every)


def waiting_before(on: date, days: int) -> datetime:
    """Whatever has waited since before this moment has waited more than so many whole working days."""
    return _end_of(working_days_before(on, days + 1))


@lru_cache(4)
def chased_before(on: date) -> Sequence[datetime]:
    """The moments before which the last chaser must have gone for the next one to go.

    The n-th is for a pause of n working days.
    """
    longest = LONGEST_PAUSE + LATE_AFTER
    return [_end_of(working_days_before(on, days)) for days in range(1, longest + 1)]


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), LOCAL)
