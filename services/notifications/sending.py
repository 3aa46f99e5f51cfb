"""The sender: takes letters and chasers that are due, hands them over and records what became of each.

Each is claimed in a transaction of its own before anything is sent, and settled in another afterwards.
Between the two a crash leaves it in ``sending``; when its lease is over it becomes ``unknown``, because it
may have left, and a person decides. Nothing is ever sent a second time by itself once it was handed over.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TypeVar
from uuid import UUID

from chassis.apart import EndedWithoutAnswer
from chassis.database import Database, Transaction
from chassis.errors import DatabaseAway
from chassis.failpoints import reach
from chassis.log import describe, logger
from chassis.outbox import announce
from chassis.traces import Kind, cause_in, going_on
from contracts.notifications import CampaignSent
from contracts.topology import NOTIFICATIONS
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.domain import LetterState, NotificationsError
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.leaving import KeptHere
from services.notifications.ledger import Ledger, LedgerAway
from services.notifications.outgoing import KINDS, THE_SENDER, THE_SERVER, Claimed, Outgoing, Settlement
from services.notifications.pacing import pick_up, slow_down, spread
from services.notifications.queries import QUERIES
from services.notifications.readdressing import follow_bodies
from services.notifications.replies import reply_address
from services.notifications.restored import compare_with_ledger, hold_begun
from services.notifications.stages import release_scheduled, set_aside_stopped

_log = logger(__name__)
_T = TypeVar("_T")

#: The timer that sends; whoever releases letters wakes it.
SEND_LETTERS = "send letters"

#: Connections to the mail server at once.
CONNECTIONS = 8
#: Letters under way at once: some are being set or settled while others are on a connection.
UNDER_WAY = CONNECTIONS + 4
#: Letters that are looked up at once, to be claimed one by one.
_AHEAD = 200
#: Seconds for which one turn takes further letters; stopping waits for the end of a turn.
TURN = 4.0

_LONGEST_PAUSE = timedelta(hours=4)
_CHECK_ADDRESS = "Check the address with the partner, then send it again."
_PUT_RIGHT = "Put its words or the name of the contact right, then send it again."
_ASK = "Ask the recipient, then mark it as sent or send it again."
_BROKE = "The connection broke after the letter was handed over, so it may or may not have arrived."
_AWAY = "The mail server cannot be reached. We try again by ourselves."


#: Connections that nobody uses at the moment; first the one that was used last, which stands most surely.
_Free = asyncio.LifoQueue[Connection]


class Sender:
    """Sends what is due, within the rate that the settings allow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._context = database.context
        self._settings = database.context.settings
        self._sender = sender_of(database.context)
        self._ledger = Ledger(database.context)
        self._next_slot = 0.0
        #: What is due, in order, to be claimed by whichever connection is free next.
        self._ahead: deque[tuple[Outgoing, UUID]] = deque()
        self._looking = asyncio.Lock()

    async def turn(self) -> bool:
        """Send for a few seconds. Whether there is more to do at once.

        Without a mail server e-mail waits; what goes by post is released and comes to its end all the same.
        """
        await compare_with_ledger(self._database)
        await self._tidy()
        mails = bool(self._settings.smtp_url) and await self._look_ahead()
        if mails:
            await self._send(min(len(self._ahead), UNDER_WAY))
        await self._finish_campaigns()
        return mails and (bool(self._ahead) or await self._look_ahead())

    async def _look_ahead(self) -> bool:
        """See what is due, in order. Whether there is anything."""
        async with self._database.reading() as tx:
            await QUERIES.follow_indexes(tx)
            self._ahead = deque([(kind, id) for kind in KINDS for id in await kind.due(tx, _AHEAD)])
        return bool(self._ahead)

    async def _tidy(self) -> None:
        """Give up claims of lost senders and set aside what may not go."""
        # Whoever lives is done with a letter long before: see Connection.hand_over.
        lease = timedelta(seconds=self._settings.mail_timeout * 3 + 60)
        async with self._database.transaction() as tx:
            lost = sum([await kind.give_up(tx, tx.now - lease) for kind in KINDS])
            await release_scheduled(tx)
            await set_aside_stopped(tx)
            await follow_bodies(tx)
            await hold_begun(tx)
        if lost:
            metrics.TRIES.labels("unknown").inc(lost)
        await self._spread()

    async def _spread(self) -> None:
        """Move out of the way what waits for a domain: part by part, and for no longer than we then send."""
        more, until = True, monotonic() + TURN
        while more and monotonic() < until:
            async with self._database.transaction() as tx:
                more = await spread(tx)

    async def _send(self, workers: int) -> None:
        """Work on several letters at once. One that fails does not disturb the others."""
        first = self._connection()
        try:
            await first.open()
        except ServerAway:
            await self._wait_for_server()
            return
        until = monotonic() + TURN
        connections = [*(self._connection() for _ in range(min(workers, CONNECTIONS) - 1)), first]
        free = _Free()
        for connection in connections:
            free.put_nowait(connection)
        try:
            work = [self._work(free, until) for _ in range(workers)]
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if outcome is not None:
                    raise outcome
        finally:
            await asyncio.gather(*(connection.close() for connection in connections))

    def _connection(self) -> Connection:
        greeting = self._sender.rpartition("@")[2] or "localhost"
        return Connection(self._settings.smtp_url, greeting=greeting, timeout=self._settings.mail_timeout)

    async def _wait_for_server(self) -> None:
        """Nothing was claimed, so nothing is lost: what is due waits."""
        metrics.TRIES.labels("server_away").inc()
        async with self._database.transaction() as tx:
            pause = timedelta(seconds=self._settings.mail_retry)
            for kind in KINDS:
                await kind.postpone(tx, tx.now + pause, _AWAY)

    async def _work(self, free: _Free, until: float) -> None:
        """One after the other, with whichever connection is free."""
        try:
            while monotonic() < until:
                await self._slot()
                found = await self._claim()
                if found is None:
                    return
                with going_on(NOTIFICATIONS, "send letter", Kind.CLIENT, cause_in(found[1].row)):
                    await self._deliver(free, *found)
        except LedgerAway as away:
            metrics.TRIES.labels("ledger_away").inc()
            _log.error("ledger_away", **describe(away.__cause__ or away))
        except ServerAway:
            metrics.TRIES.labels("server_away").inc()

    async def _slot(self) -> None:
        """Wait for the next moment at which the rate allows a letter."""
        moment = max(monotonic(), self._next_slot)
        self._next_slot = moment + 1 / self._settings.mail_rate
        await asyncio.sleep(moment - monotonic())

    async def _claim(self) -> tuple[Outgoing, Claimed] | None:
        """The next that may go; nothing when none of those may that are due."""
        for _ in range(2):
            while self._ahead:
                kind, id = self._ahead.popleft()
                async with self._database.transaction() as tx:
                    claimed = await kind.claim(tx, id)
                if claimed is not None:
                    reach("mail.claimed")
                    return kind, claimed
            async with self._looking:  # the others wait for what one of them finds
                if not self._ahead and not await self._look_ahead():
                    return None
        return None

    async def _deliver(self, free: _Free, kind: Outgoing, claimed: Claimed) -> None:
        message = await self._made(kind, claimed)
        if message is None:
            return
        connection = await free.get()
        try:
            outcome = await self._handed_over(connection, kind, claimed, message)
        except (LedgerAway, ServerAway) as away:
            await self._settle(kind, claimed, self._not_begun, away)
            raise
        finally:
            free.put_nowait(connection)
        if outcome is None:
            metrics.TRIES.labels("held_back").inc()
            return
        await self._ledger.end(claimed.attempt, outcome.fate.value)
        metrics.TRIES.labels(outcome.fate.value).inc()
        await self._settle(kind, claimed, self._became, outcome)

    async def _made(self, kind: Outgoing, claimed: Claimed) -> bytes | None:
        """The e-mail; nothing where it could not be made, which is settled then."""
        try:
            return await kind.compose(self._context, claimed)
        except EndedWithoutAnswer as ended:
            _log.error("letter_not_made", id=str(claimed.letter_id), **describe(ended))
            metrics.TRIES.labels("not_made").inc()
            await self._settle(kind, claimed, self._not_made, ended.what)
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one letter must not stop the others
            _log.error("letter_not_made", id=str(claimed.letter_id), **describe(error))
            words = str(error) if isinstance(error, NotificationsError) else "Its content cannot be printed."
            cure = error.cure if isinstance(error, KeptHere) else _PUT_RIGHT
            metrics.TRIES.labels("not_made").inc()
            became = partial(_failed, cure=cure, who=THE_SENDER)
            await self._settle(kind, claimed, became, f"The letter could not be made. {words}")
            return None

    async def _handed_over(
        self, connection: Connection, kind: Outgoing, claimed: Claimed, message: bytes
    ) -> Outcome | None:
        """What became of it at the mail server; nothing where it was held back at the last moment."""
        await connection.open()
        if kind.looks_again and await self._persist(partial(_held_back, kind, claimed)):
            return None
        await self._ledger.begin(claimed.attempt, claimed.email)
        reach("mail.entered")
        # What cannot be delivered comes back to the envelope's sender: to the letter's own address.
        own = reply_address(self._context, claimed.letter_id)
        sender = own if self._settings.reply_to else self._sender
        outcome = await connection.hand_over(sender, claimed.email, message)
        if outcome.fate is Fate.SENT:
            reach("mail.handed_over")
        return outcome

    async def _persist(self, act: Callable[[Transaction], Awaitable[_T]]) -> _T:
        """Record what happened; the database may be away for a moment, and what happened stays true."""
        for attempt in range(5):
            try:
                async with self._database.transaction() as tx:
                    return await act(tx)
            except DatabaseAway:
                await asyncio.sleep(0.2 * 2**attempt)
        async with self._database.transaction() as tx:
            return await act(tx)

    async def _settle(
        self,
        kind: Outgoing,
        claimed: Claimed,
        became: Callable[..., Settlement],
        how: str | Outcome | Exception,
    ) -> None:
        """Record what became of it, as of when that can be done."""

        async def act(tx: Transaction) -> None:
            await kind.settle(tx, claimed, became(tx, claimed, how))
            if isinstance(how, Outcome) and how.too_much:
                await slow_down(tx, claimed.email)
            elif isinstance(how, Outcome) and how.fate is Fate.SENT and claimed.row["slowed"]:
                await pick_up(tx, claimed.email)

        await self._persist(act)

    def _became(self, tx: Transaction, claimed: Claimed, outcome: Outcome) -> Settlement:
        tries = claimed.attempts + 1
        if outcome.fate is Fate.SENT:
            return Settlement(state=LetterState.SENT, what="Taken by the mail server", sent_at=tx.now)
        if outcome.fate is Fate.UNKNOWN:
            what = "Perhaps sent: no reply came"
            return Settlement(state=LetterState.UNKNOWN, what=what, failure=_BROKE, cure=_ASK)
        if outcome.fate is Fate.REFUSED:
            return _failed(tx, claimed, f"The mail server refused this letter: {outcome.words}")
        if tries >= self._settings.mail_attempts:
            words = f"Given up after {tries} tries. The last answer: {outcome.words}"
            return _failed(tx, claimed, words)
        return self._later(tx, claimed, outcome.words)

    def _not_made(self, tx: Transaction, claimed: Claimed, words: str) -> Settlement:
        """Tried again: it need not be the fault of the letter. One that always ends its maker is given up."""
        if claimed.attempts + 1 >= self._settings.mail_attempts:
            return _failed(tx, claimed, words, cure=_PUT_RIGHT, who=THE_SENDER)
        return replace(self._later(tx, claimed, words, "Not made yet"), who=THE_SENDER)

    def _not_begun(self, tx: Transaction, claimed: Claimed, away: Exception) -> Settlement:
        """Back as it was: nothing was handed over, and that is no fault of the letter."""
        pause = timedelta(seconds=self._settings.mail_retry)
        server = isinstance(away, ServerAway)
        why = "the mail server is away" if server else "the send ledger cannot be written"
        return Settlement(
            state=LetterState.READY,
            what=f"Not sent yet: {why}",
            who=THE_SENDER,
            failure=_AWAY if server else str(away),
            next_try=tx.now + pause,
            tried=False,
        )

    def _later(
        self, tx: Transaction, claimed: Claimed, words: str, what: str = "Not taken yet"
    ) -> Settlement:
        """Back to the others that wait, with a pause that doubles and is never the same twice."""
        longest = min(timedelta(seconds=self._settings.mail_retry) * 2**claimed.attempts, _LONGEST_PAUSE)
        return Settlement(
            state=LetterState.READY,
            what=what,
            failure=f"{what}, we try again by ourselves: {words}",
            next_try=tx.now + longest * random.uniform(0.5, 1),
        )

    async def _finish_campaigns(self) -> None:
        """A campaign whose last letter was settled is sent."""
        async with self._database.transaction() as tx:
            async for campaign in QUERIES.finish_campaigns(tx, now=tx.now):
                await announce(
                    tx,
                    CampaignSent,
                    subject=campaign["id"],
                    sequence=campaign["version"],
                    campaign_id=campaign["id"],
                    campaign=campaign["name"],
                    bodies=campaign["bodies"],
                    letters=campaign["letters"],
                )


async def _held_back(kind: Outgoing, claimed: Claimed, tx: Transaction) -> bool:
    return await kind.held_back(tx, claimed)


def _failed(
    tx: Transaction, claimed: Claimed, words: str, *, cure: str = _CHECK_ADDRESS, who: str = THE_SERVER
) -> Settlement:
    return Settlement(state=LetterState.FAILED, what="Not sent", who=who, failure=words, cure=cure)
