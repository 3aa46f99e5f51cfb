"""What may be tried only so and so often: asking for a link, guessing a code.

It is counted in the database, so that a restart forgives nothing, and by digest, so that nobody can read
there who it was.
"""

import hashlib
import hmac
from datetime import timedelta

from chassis.database import Transaction
from chassis.errors import Refused
from services.partners.queries import PEOPLE


class TooMany(Refused):
    """Somebody has tried too often."""

    status = 429

    def __init__(self, minutes: int) -> None:
        cure = f"Wait {minutes} minutes, then try again. Links that you were sent before still work."
        super().__init__("This was tried too often.", cure)


def who(tx: Transaction, name: str) -> bytes:
    """Whose attempt it is."""
    return hmac.new(tx.context.keys.derive("attempts"), name.encode(), hashlib.sha256).digest()


async def count(tx: Transaction, kind: str, by: bytes, most: int, within: timedelta) -> None:
    """Count one more, if it may be.

    Raises:
        TooMany: if not.
    """
    await refuse_more(tx, kind, by, most, within)
    await note(tx, kind, by)


async def refuse_more(tx: Transaction, kind: str, by: bytes, most: int, within: timedelta) -> None:
    """Refuse whatever comes after so many; two at once wait for each other.

    Raises:
        TooMany: when there were so many.
    """
    await PEOPLE.lock_attempts(tx, kind=kind, who=by)
    if await PEOPLE.attempts_since(tx, kind=kind, who=by, since=tx.now - within) >= most:
        raise TooMany(int(within.total_seconds() // 60))


async def note(tx: Transaction, kind: str, by: bytes) -> None:
    """Count one that has failed."""
    await PEOPLE.note_attempt(tx, kind=kind, who=by, now=tx.now)


async def tidy(tx: Transaction) -> None:
    """Forget those that count no more."""
    await PEOPLE.purge_attempts(tx, before=tx.now - timedelta(days=1))
