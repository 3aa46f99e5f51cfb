"""What is wrong, in the same words wherever it is said: by ``conduit check`` and on the page of ops.

Each says what it saw, and of a fault also what to do.
"""

from datetime import timedelta
from typing import NamedTuple

from chassis.reports import STUCK
from chassis.signs import is_awaited

#: Older than this many seconds, mail that waits is held up, and no longer one of many of a campaign.
MAIL_LATE = 900
#: More messages than this wait for a service only after an import of many lines.
QUEUE_LONG = 5_000

#: The newest backup is older than this: a night was left out. The warning that is mailed has the same figure.
BACKUP_OLD = timedelta(hours=36)

#: Why an event is not published, where waiting alone does not help, and what does.
_CURES = {
    "no_queue_bound": ". Run: conduit declare",
    "not_declared": ". Run: conduit declare",
    "queue_refused": ". A queue takes no more: start the service that reads it",
    "subscriber_away": ". Start the other services",
}


class Judged(NamedTuple):
    """Whether something is well, and what there is to say."""

    good: bool
    says: str


def outbox(pending: int, seconds: float, failure: str | None) -> Judged:
    """What a service has announced and not yet published."""
    if not pending:
        return Judged(True, "everything is published")
    words = f"{pending} waiting, the oldest for {round(seconds)} s"
    if failure:
        words += f"; the last try said: {failure}"
    return Judged(seconds < STUCK and failure not in _CURES, words + _CURES.get(failure or "", ""))


def parked(count: int) -> Judged:
    """Messages that could not be handled."""
    return Judged(not count, f"{count} parked. Look at: conduit events parked" if count else "nothing parked")


def waiting_mail(count: int, seconds: float) -> Judged:
    """How long what is to be mailed has been waiting."""
    if not count:
        return Judged(True, "none")
    return Judged(seconds < MAIL_LATE, f"{count:,}, the oldest for {round(seconds):,} s")


def heard(seconds: float | None, limit: float, listening: float | None = None) -> Judged:
    """Where whoever signs sessions is not heard, nothing is done that weighs.

    Args:
        seconds: since the newest sign of life; nothing where there was none.
        limit: seconds in which one must come.
        listening: seconds since whoever hears it was started; nothing where that is not known.
    """
    if is_awaited(seconds, limit, listening):
        return _awaited(listening)
    said = "never" if seconds is None else f"{max(0, round(seconds)):,} s ago"
    if seconds is not None and seconds <= limit:
        return Judged(True, said)
    cure = "Are both up, and the broker? After an update run: conduit declare"
    return Judged(False, f"{said}: nobody acts on money or decisions until it is heard. {cure}")


def lives(seconds: float | None, limit: float, listening: float | None = None) -> Judged:
    """Whether a service is there; said of the same as by `heard`."""
    if is_awaited(seconds, limit, listening):
        return _awaited(listening)
    if seconds is None:
        return Judged(False, "never heard. Start it. After an update run: conduit declare")
    if seconds <= limit:
        return Judged(True, f"{max(0, round(seconds)):,} s ago")
    return Judged(False, f"not heard for {in_words(seconds)}. Start it, and the broker, if it is not up")


def _awaited(listening: float | None) -> Judged:
    return Judged(True, f"waiting for the first sign, for {round(listening or 0):,} s")


def unreached(count: int, people: str) -> Judged:
    """People to whom a message did not arrive; where their pages are."""
    if not count:
        return Judged(True, "none has failed")
    return Judged(False, f"did not arrive at {count:,}. Put their addresses right on their pages: {people}")


def backed_up(age: timedelta | None) -> Judged:
    """How old the newest backup is; nothing where none was ever made."""
    if age is None:
        return Judged(False, "none was ever made. Run: conduit backup")
    said = f"the last one is {in_words(age.total_seconds())} old"
    return Judged(True, said) if age <= BACKUP_OLD else Judged(False, f"{said}. Run: conduit backup")


def in_words(seconds: float) -> str:
    """A time as one says it: ``3 minutes``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
