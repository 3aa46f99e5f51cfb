"""What goes by itself when it has had its time: once a night, by the terms that the settings name.

A term says of one kind of thing when it has had its time and how it is scrubbed. A rehearsal does the same
and takes it back, so that what it says is exact.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis import metrics
from chassis.audit import Actor, acting, note
from chassis.clock import LOCAL, months_before
from chassis.config import Settings
from chassis.database import Database, Transaction
from chassis.log import logger
from chassis.outbox import QUERIES

_log = logger(__name__)

#: Things that are scrubbed in one transaction.
AT_A_TIME = 500

#: The hour, where the users are, from which on the night's work is done.
_HOUR = 3

#: What a row of the audit says of this work, which nobody but the clock has ordered.
BY_NIGHT = Actor(person=None, source="nightly", action="scrubbed")

#: Scrub what is older than a moment, at most so many. How many were.
Scrub = Callable[[Transaction, datetime, int], Awaitable[int]]


@dataclass(frozen=True, kw_only=True)
class Term:
    """How long one kind of thing is kept."""

    #: What it is, in a word: by this name the settings give it another time.
    what: str
    #: How long it is kept, in months, and from when on: ``after the last mail``.
    months: int
    since: str
    scrub: Scrub

    def kept_for(self, settings: Settings) -> int:
        """How long it is kept here, in months."""
        return settings.terms.get(self.what, self.months)


async def nightly(database: Database, terms: Sequence[Term]) -> None:
    """Scrub once a night, whichever replica comes first."""
    async with database.transaction() as tx:
        local = tx.now.astimezone(LOCAL)
        if local.hour < _HOUR or not await QUERIES.begin_night(tx, night=local.date(), now=tx.now):
            return
    done = await scrub_old(database, terms)
    _log.info("scrubbed", service=database.context.service, count=sum(done.values()))


async def scrub_old(database: Database, terms: Sequence[Term]) -> dict[str, int]:
    """Scrub everything that has had its time, a part at a time. How many of each."""
    service, done = database.context.service, dict[str, int]()
    for term in terms:
        done[term.what] = 0
        while True:
            async with acting(database) as tx:
                count = await term.scrub(tx, _until(tx, term), AT_A_TIME)
                if count:
                    tx.actor = BY_NIGHT
                    note(tx, BY_NIGHT.action, term.what, "", after={"count": count})
            done[term.what] += count
            metrics.SCRUBBED.labels(service, term.what).inc(count)
            if count < AT_A_TIME:
                break
    return done


async def rehearse(database: Database, terms: Sequence[Term]) -> dict[str, int]:
    """What would be scrubbed now. Nothing is."""
    done = dict[str, int]()
    try:
        async with database.transaction() as tx:
            for term in terms:
                done[term.what] = 0
                while count := await term.scrub(tx, _until(tx, term), AT_A_TIME):
                    done[term.what] += count
            raise _TakenBack
    except _TakenBack:
        return done


class _TakenBack(Exception):
    """Ends the transaction without a trace."""


def _until(tx: Transaction, term: Term) -> datetime:
    """Months back by the calendar and the clock where the users are: UTC may be at another hour, or day."""
    local = tx.now.astimezone(LOCAL)
    return months_before(local, term.kept_for(tx.context.settings)).astimezone(UTC)
