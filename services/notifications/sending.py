"""The sender: takes letters and chasers that are due, hands them over and records what became of each.

Its e-mail is made first; a sender that is lost over that has sent nothing, and others make it again. Then it
is claimed in a transaction of its own, handed over, and settled in another. Between the two a crash leaves it
in ``sending``; when its lease is over it becomes ``unknown``, because it may have left, and a person decides.
Nothing is ever sent a second time by itself once it was handed over.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import islice
from time import monotonic
from uuid import UUID

from chassis.config import Settings
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
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.ledger import Ledger, LedgerAway
from services.notifications.outgoing import KINDS, Claimed, Outgoing, Taken
from services.notifications.pacing import pick_up, slow_down, spread
from services.notifications.queries import QUERIES
from services.notifications.readdressing import follow_bodies
from services.notifications.replies import reply_address
from services.notifications.restored import compare_with_ledger, hold_begun
from services.notifications.settling import Settlement, handed_over, not_begun, not_made
from services.notifications.stages import release_scheduled, set_aside_stopped

_log = logger(__name__)

#: The timer that sends; whoever releases letters wakes it.
SEND_LETTERS = "send letters"

#: Connections to the mail server at once.
CONNECTIONS = 8
#: Letters under way at once: some are being made or settled while others are on a connection.
UNDER_WAY = CONNECTIONS * 2
#: Letters that are looked up at once, to be taken a few at a time.
_AHEAD = 200
#: Seconds for which one turn takes further letters; stopping waits for the end of a turn.
TURN = 4.0

_AWAY = "The mail server cannot be reached. We try again by ourselves."

#: Seconds after which a claim is tried again: somebody may have been changing something at the body.
_AGAIN = (0.05, 0.2)

#: Connections that nobody uses at the moment; first the one that was used last, which stands most surely.
_Free = asyncio.LifoQueue[Connection]


def lease(settings: Settings) -> timedelta:
    """How long a claim lasts. Whoever lives is done with a letter long before: see Connection.hand_over."""
    return timedelta(seconds=settings.mail_timeout * 3 + 60)


class Sender:
    """Sends what is due, within the rate that the settings allow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._context = database.context
        self._settings = database.context.settings
        self._sender = sender_of(database.context)
        self._ledger = Ledger(database.context)
        self._next_slot = 0.0
        #: What is due, in order, and what of it is ours to make.
        self._ahead: deque[tuple[Outgoing, UUID]] = deque()
        self._taken: deque[tuple[Outgoing, Taken]] = deque()
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
            await QUERIES.follow_order(tx)
            self._ahead = deque([(kind, id) for kind in KINDS for id in await kind.due(tx, _AHEAD)])
        return bool(self._ahead)

    async def _tidy(self) -> None:
        """Give up claims of lost senders and set aside what may not go."""
        async with self._database.transaction() as tx:
            await QUERIES.follow_indexes(tx)
            lost = sum([await kind.give_up(tx, tx.now - lease(self._settings)) for kind in KINDS])
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
            outcomes = await asyncio.gather(*work, return_exceptions=True)
        finally:
            await asyncio.gather(*(connection.close() for connection in connections))
        while self._taken:  # nobody was left to make it
            await self._put_back(*self._taken.popleft())
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

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
            while True:
                await self._slot()
                found = await self._next(until)
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

    async def _next(self, until: float) -> tuple[Outgoing, Taken] | None:
        """The next to be made; nothing when there is none, or time is up and all that was taken is made."""
        async with self._looking:  # the others wait for what one of them finds
            if not self._taken and (monotonic() >= until or not await self._take()):
                return None
            return self._taken.popleft()

    async def _take(self) -> bool:
        """Take as many as go within a second, and as are under way at the most. Whether there were any."""
        most = max(1, min(UNDER_WAY, int(self._settings.mail_rate)))
        for _ in range(2):
            while self._ahead:
                kind = self._ahead[0][0]
                ids = [id for other, id in islice(self._ahead, most) if other is kind]
                async with self._database.transaction() as tx:
                    self._taken.extend((kind, taken) for taken in await kind.take(tx, ids))
                for _ in ids:
                    self._ahead.popleft()
                if self._taken:
                    return True
            if not await self._look_ahead():
                return False
        return False

    async def _deliver(self, free: _Free, kind: Outgoing, taken: Taken) -> None:
        message = await self._made(kind, taken)
        if message is None:
            return
        reach("mail.made")
        connection = await free.get()
        try:
            await connection.open()
            claimed = await self._claim(kind, taken)
            if claimed is None:
                return
            outcome = await self._handed_over(connection, kind, claimed, message)
        except ServerAway:
            await self._put_back(kind, taken)
            raise
        finally:
            free.put_nowait(connection)
        await self._ledger.end(claimed.attempt, outcome.fate.value)
        reach("mail.ended")
        metrics.TRIES.labels(outcome.fate.value).inc()
        await self._settle(kind, claimed, handed_over, outcome)

    async def _made(self, kind: Outgoing, taken: Taken) -> bytes | None:
        """The e-mail; nothing where it could not be made, which is settled then."""
        try:
            return await kind.compose(self._context, taken)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one letter must not stop the others
            _log.error("letter_not_made", id=str(taken.letter_id), **describe(error))
            metrics.TRIES.labels("not_made").inc()
            await self._claim(kind, taken, error)
            return None

    async def _claim(
        self,
        kind: Outgoing,
        taken: Taken,
        wrong: Exception | None = None,
    ) -> Claimed | None:
        """What goes now; nothing where it may go no longer, or where somebody goes on changing it.

        Args:
            wrong: why its e-mail could not be made: it does not go, which is settled with the claim.
        """
        for pause in (*_AGAIN, 0):
            async with self._database.transaction() as tx:
                claimed = await kind.claim(tx, taken)
                if claimed and wrong:
                    await kind.settle(tx, claimed, not_made(tx, claimed.attempts, wrong))
            if claimed:
                reach("mail.claimed")
                return claimed
            await asyncio.sleep(pause)
        await self._put_back(kind, taken)
        metrics.TRIES.labels("held_back").inc()
        return None

    async def _put_back(self, kind: Outgoing, taken: Taken) -> None:
        async with self._database.transaction() as tx:
            await kind.put_back(tx, taken)

    async def _handed_over(
        self, connection: Connection, kind: Outgoing, claimed: Claimed, message: bytes
    ) -> Outcome:
        """What became of it at the mail server.

        Raises:
            LedgerAway: it was not begun, which is settled.
        """
        try:
            await self._ledger.begin(claimed.attempt, claimed.email)
        except LedgerAway as away:
            await self._settle(kind, claimed, not_begun, away)
            raise
        reach("mail.entered")
        # What cannot be delivered comes back to the envelope's sender: to the letter's own address.
        own = reply_address(self._context, claimed.letter_id)
        sender = own if self._settings.reply_to else self._sender
        outcome = await connection.hand_over(sender, claimed.email, message)
        if outcome.fate is Fate.SENT:
            reach("mail.handed_over")
        return outcome

    async def _persist(self, act: Callable[[Transaction], Awaitable[None]]) -> None:
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
        how: Outcome | LedgerAway,
    ) -> None:
        """Record what became of it, as of when that can be done."""

        async def act(tx: Transaction) -> None:
            await kind.settle(tx, claimed, became(tx, claimed.attempts, how))
            if isinstance(how, Outcome) and how.too_much:
                await slow_down(tx, claimed.email)
            elif isinstance(how, Outcome) and how.fate is Fate.SENT and claimed.row["slowed"]:
                await pick_up(tx, claimed.email)

        await self._persist(act)

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
