"""What becomes of one try to send something, with what a person reads of it."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chassis.apart import EndedWithoutAnswer
from chassis.database import Transaction
from services.notifications.domain import LetterState, NotificationsError
from services.notifications.handover import Fate, Outcome
from services.notifications.leaving import KeptHere
from services.notifications.ledger import LedgerAway

#: Of whom the history of a letter says what came of a try.
THE_SERVER, THE_SENDER = "the mail server", "the sender"

_LONGEST_PAUSE = timedelta(hours=4)
_CHECK_ADDRESS = "Check the address with the partner, then send it again."
_PUT_RIGHT = "Put its words or the name of the contact right, then send it again."
_ASK = "Ask the recipient, then mark it as sent or send it again."
_BROKE = "The connection broke after the letter was handed over, so it may or may not have arrived."


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What became of one try."""

    state: LetterState
    #: A line in the history of the letter, and whose it is.
    what: str
    who: str = THE_SERVER
    failure: str | None = None
    cure: str | None = None
    sent_at: datetime | None = None
    next_try: datetime | None = None
    #: Whether it counts as a try.
    tried: bool = True

    def values(self) -> dict[str, Any]:
        """As the statements that settle take it."""
        names = ("what", "who", "failure", "cure", "sent_at", "next_try")
        values = {name: getattr(self, name) for name in names}
        return {"state": self.state.value, "tried": int(self.tried), **values}


def handed_over(tx: Transaction, before: int, outcome: Outcome) -> Settlement:
    """What became of it at the mail server, after so many tries before."""
    if outcome.fate is Fate.SENT:
        return Settlement(state=LetterState.SENT, what="Taken by the mail server", sent_at=tx.now)
    if outcome.fate is Fate.UNKNOWN:
        what = "Perhaps sent: no reply came"
        return Settlement(state=LetterState.UNKNOWN, what=what, failure=_BROKE, cure=_ASK)
    if outcome.fate is Fate.REFUSED:
        return _failed(f"The mail server refused this letter: {outcome.words}", _CHECK_ADDRESS)
    if _was_the_last(tx, before):
        tries = before + 1
        return _failed(f"Given up after {tries} tries. The last answer: {outcome.words}", _CHECK_ADDRESS)
    return _later(tx, before, "Not taken yet", outcome.words)


def not_made(tx: Transaction, before: int, error: Exception) -> Settlement:
    """Its e-mail could not be made, after so many tries before.

    One over which its maker ended is tried again: that need not be its own fault. One that always ends its
    maker is given up.
    """
    if isinstance(error, EndedWithoutAnswer):
        gives_up = _was_the_last(tx, before)
        said = _failed(error.what, _PUT_RIGHT) if gives_up else _later(tx, before, "Not made yet", error.what)
    else:
        words = str(error) if isinstance(error, NotificationsError) else "Its content cannot be printed."
        cure = error.cure if isinstance(error, KeptHere) else _PUT_RIGHT
        said = _failed(f"The letter could not be made. {words}", cure)
    return replace(said, who=THE_SENDER)


def not_begun(tx: Transaction, _before: int, away: LedgerAway) -> Settlement:
    """Back as it was: nothing was handed over, and that is no fault of the letter."""
    return Settlement(
        state=LetterState.READY,
        what="Not sent yet: the send ledger cannot be written",
        who=THE_SENDER,
        failure=str(away),
        next_try=tx.now + timedelta(seconds=tx.context.settings.mail_retry),
        tried=False,
    )


def interrupted(tx: Transaction, fate: str, ended: datetime) -> Settlement:
    """What became of it, as the ledger says of a sender that was lost before it could settle that.

    What was certainly not taken is as if it had never begun, as in a database that was restored.
    """
    if fate == Fate.SENT:
        return Settlement(state=LetterState.SENT, what="Taken by the mail server", sent_at=ended)
    what = "Not taken yet: the sender was interrupted"
    return Settlement(state=LetterState.READY, what=what, failure=f"{what}.", next_try=tx.now, tried=False)


def _was_the_last(tx: Transaction, before: int) -> bool:
    return before + 1 >= tx.context.settings.mail_attempts


def _later(tx: Transaction, before: int, what: str, words: str) -> Settlement:
    """Back to the others that wait, with a pause that doubles and is never the same twice."""
    longest = min(timedelta(seconds=tx.context.settings.mail_retry) * 2**before, _LONGEST_PAUSE)
    return Settlement(
        state=LetterState.READY,
        what=what,
        failure=f"{what}, we try again by ourselves: {words}",
        next_try=tx.now + longest * random.uniform(0.5, 1),
    )


def _failed(words: str, cure: str) -> Settlement:
    return Settlement(state=LetterState.FAILED, what="Not sent", failure=words, cure=cure)
