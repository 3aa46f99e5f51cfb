"""The sender: takes letters that are due, renders them, hands them over and records what became of each.

A letter is claimed in a transaction of its own before anything is sent, and settled in another afterwards.
Between the two a crash leaves it in ``sending``; when its lease is over it becomes ``unknown``, because it
may have left, and a person decides. Nothing is ever sent a second time by itself once it was handed over.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.policy import SMTP
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from chassis.context import Context
from chassis.database import Database, Transaction
from chassis.errors import DatabaseAway
from chassis.failpoints import reach
from chassis.log import describe, logger
from chassis.outbox import announce
from contracts.notifications import CampaignSent
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.domain import LetterState, NotificationsError
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.hrefs import stop_href
from services.notifications.letters import announce_failed, announce_sent, content_of, token_of
from services.notifications.queries import QUERIES
from services.notifications.readdressing import follow_bodies
from services.notifications.rendering import build_message, render_pdf
from services.notifications.replies import reply_address
from services.notifications.stages import release_scheduled, set_aside_stopped
from services.notifications.stops import set_aside_if_stopped

_log = logger(__name__)
_T = TypeVar("_T")

#: The timer that sends; whoever releases letters wakes it.
SEND_LETTERS = "send letters"

#: Connections to the mail server at once.
CONNECTIONS = 8
#: Seconds for which one turn takes further letters; stopping waits for the end of a turn.
TURN = 4.0

_LONGEST_PAUSE = timedelta(hours=4)
_ASK = "Ask the recipient, then mark it as sent or send it again."
_BROKE = "The connection broke after the letter was handed over, so it may or may not have arrived."
_AWAY = "The mail server cannot be reached. We try again by ourselves."


class Sender:
    """Sends what is due, within the rate that the settings allow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._context = database.context
        self._settings = database.context.settings
        self._sender = sender_of(database.context)
        self._next_slot = 0.0

    async def turn(self) -> bool:
        """Send for a few seconds. Whether there is more to do at once."""
        if not self._settings.smtp_url:
            return False
        due = await self._tidy()
        if due:
            await self._send(min(due, CONNECTIONS))
        await self._finish_campaigns()
        async with self._database.reading() as tx:
            return bool(due and await self._due(tx, 1))

    async def _due(self, tx: Transaction, most: int) -> int:
        today = self._context.clock.today()
        return int(await QUERIES.due_letters(tx, now=tx.now, today=today, most=most))

    async def _tidy(self) -> int:
        """Give up claims of lost senders and set aside what may not go. How many are due, up to a few."""
        # Whoever lives is done with a letter long before: see Connection.hand_over.
        lease = timedelta(seconds=self._settings.mail_timeout * 3 + 60)
        async with self._database.transaction() as tx:
            lost = [row async for row in QUERIES.give_up_claims(tx, before=tx.now - lease, now=tx.now)]
            await release_scheduled(tx)
            await set_aside_stopped(tx)
            await follow_bodies(tx)
            due = await self._due(tx, CONNECTIONS)
        if lost:
            metrics.TRIES.labels("unknown").inc(len(lost))
        return due

    async def _send(self, workers: int) -> None:
        """Work on several connections at once. One that fails does not disturb the others."""
        first = self._connection()
        try:
            await first.open()
        except ServerAway:
            await self._wait_for_server()
            return
        until = monotonic() + TURN
        connections = [first, *(self._connection() for _ in range(workers - 1))]
        work = [self._work(connection, until) for connection in connections]
        for outcome in await asyncio.gather(*work, return_exceptions=True):
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
            await QUERIES.postpone_due(tx, next_try=tx.now + pause, failure=_AWAY, now=tx.now)

    async def _work(self, connection: Connection, until: float) -> None:
        """Letter after letter, each with a connection that stands before the letter is claimed."""
        try:
            while monotonic() < until:
                await self._slot()
                await connection.open()
                letter = await self._claim()
                if letter is None:
                    return
                await self._deliver(connection, letter)
        except ServerAway:
            return
        finally:
            await connection.close()

    async def _slot(self) -> None:
        """Wait for the next moment at which the rate allows a letter."""
        moment = max(monotonic(), self._next_slot)
        self._next_slot = moment + 1 / self._settings.mail_rate
        await asyncio.sleep(moment - monotonic())

    async def _claim(self) -> Any:
        async with self._database.transaction() as tx:
            letter = await self._claim_in(tx)
        if letter is not None:
            reach("mail.claimed")
        return letter

    async def _claim_in(self, tx: Transaction) -> Any:
        """The next letter that may go; those to people who want none any more are set aside on the way."""
        today = self._context.clock.today()
        while (letter := await QUERIES.claim_letter(tx, now=tx.now, today=today)) is not None:
            if not await set_aside_if_stopped(tx, letter):
                return letter
        return None

    async def _deliver(self, connection: Connection, letter: Any) -> None:
        try:
            message = await asyncio.to_thread(compose, self._context, letter, letter["claimed_at"])
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one letter must not stop the others
            _log.error("letter_not_made", id=str(letter["id"]), **describe(error))
            words = str(error) if isinstance(error, NotificationsError) else "Its content cannot be printed."
            metrics.TRIES.labels("not_made").inc()
            await self._persist(partial(self._failed, letter, f"The letter could not be made. {words}"))
            return
        # What cannot be delivered comes back to the envelope's sender: to the letter's own address.
        sender = reply_address(self._context, letter["id"]) if self._settings.reply_to else self._sender
        outcome = await connection.hand_over(sender, letter["email"], message)
        if outcome.fate is Fate.SENT:
            reach("mail.handed_over")
        metrics.TRIES.labels(outcome.fate.value).inc()
        await self._persist(partial(self._settle, letter, outcome))

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

    async def _settle(self, letter: Any, outcome: Outcome, tx: Transaction) -> None:
        if outcome.fate is Fate.SENT:
            await self._sent(letter, tx)
        elif outcome.fate is Fate.UNKNOWN:
            await self._record(tx, letter, LetterState.UNKNOWN, "Perhaps sent: no reply came", _BROKE, _ASK)
        elif outcome.fate is Fate.REFUSED:
            await self._failed(letter, f"The mail server refused this letter: {outcome.words}", tx)
        elif letter["attempts"] + 1 >= self._settings.mail_attempts:
            tries = letter["attempts"] + 1
            await self._failed(letter, f"Given up after {tries} tries. The last answer: {outcome.words}", tx)
        else:
            await self._later(letter, outcome, tx)

    async def _sent(self, letter: Any, tx: Transaction) -> None:
        settled = await self._record(tx, letter, LetterState.SENT, "Taken by the mail server", sent_at=tx.now)
        if settled is not None:
            await announce_sent(tx, settled)

    async def _failed(self, letter: Any, words: str, tx: Transaction) -> None:
        cure = "Check the address with the partner, then send it again."
        settled = await self._record(tx, letter, LetterState.FAILED, "Not sent", words, cure)
        if settled is not None:
            await announce_failed(tx, settled)

    async def _later(self, letter: Any, outcome: Outcome, tx: Transaction) -> None:
        """Back to the others that wait, with a pause that doubles and is never the same twice."""
        longest = min(timedelta(seconds=self._settings.mail_retry) * 2 ** letter["attempts"], _LONGEST_PAUSE)
        next_try = tx.now + longest * random.uniform(0.5, 1)
        words = f"Not taken yet, we try again by ourselves: {outcome.words}"
        await self._record(tx, letter, LetterState.READY, "Not taken yet", words, next_try=next_try)

    async def _record(
        self,
        tx: Transaction,
        letter: Any,
        state: LetterState,
        what: str,
        failure: str | None = None,
        cure: str | None = None,
        *,
        sent_at: datetime | None = None,
        next_try: datetime | None = None,
    ) -> Any:
        """Settle a letter that this sender has claimed; nothing when its claim was given up and resolved."""
        settled = await QUERIES.settle_letter(
            tx,
            id=letter["id"],
            claimed_at=letter["claimed_at"],
            state=state.value,
            sent_at=sent_at,
            next_try=next_try,
            failure=failure,
            cure=cure,
            now=tx.now,
        )
        if settled is not None:
            await QUERIES.note(tx, letter_id=letter["id"], what=what, who="the mail server", now=tx.now)
        return settled

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


def compose(context: Context, letter: Any, sent_at: datetime) -> bytes:
    """A letter as the bytes of an e-mail. Slow enough for a thread: most of it is the PDF.

    Args:
        letter: with the template of its campaign and the e-mail address of its contact.
    """
    content = content_of(context, letter)
    message = build_message(
        content,
        sender_of(context),
        reply_address(context, letter["id"]),
        letter["email"],
        letter["message_id"],
        render_pdf(content),
        sent_at=sent_at,
        list_unsubscribe=(
            letter["frozen"]["origin"] + stop_href(token_of(context, letter["id"])),
            f"mailto:{context.house.email}?subject=No%20more%20letters%20{letter['reference']}",
        ),
    )
    return message.as_bytes(policy=SMTP)
