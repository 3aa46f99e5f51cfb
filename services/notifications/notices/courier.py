"""Sending them: each at the most once, none after its time."""

from collections.abc import Iterable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from chassis.database import Database, Transaction
from chassis.failpoints import reach
from chassis.log import describe, logger
from chassis.outbox import Announcement, announce_many
from chassis.traces import Kind, cause_in, going_on
from contracts.notifications import NoticeFailed
from contracts.topology import NOTIFICATIONS
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.leaving import KeptHere, check_links_lead_there
from services.notifications.ledger import Attempt, Ledger, LedgerAway
from services.notifications.notices.looks import render_page
from services.notifications.notices.writing import SIGN_IN_KIND
from services.notifications.queries import QUERIES, RESTORED
from services.notifications.rendering import POLICY, addressed
from services.notifications.restored import compare_with_ledger, hold_begun

_log = logger(__name__)

#: Notices that one turn sends at the most, one after the other on one connection.
_A_TURN = 50


async def waiting_mail(tx: Transaction) -> tuple[int, float]:
    """How many messages and letters wait to be sent, and for how many seconds the oldest has."""
    found = await QUERIES.waiting_since(tx)
    return found["count"], (tx.now - found["since"]).total_seconds() if found["since"] else 0.0


class Courier:
    """Sends the notices that are due."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._context = database.context
        self._settings = database.context.settings
        self._ledger = Ledger(database.context)

    async def turn(self) -> bool:
        """Send what is due. Whether there is more to do at once."""
        if not self._settings.smtp_url:
            return False
        await self._look_back()
        connection: Connection | None = None
        try:
            for _ in range(_A_TURN):
                notice = await self._claim()
                if notice is None:
                    return False
                connection = connection or self._connection()
                # A notice has the id of the event that asked for it.
                cause = cause_in(notice, causationid=str(notice["id"]))
                with going_on(NOTIFICATIONS, "send message", Kind.CLIENT, cause):
                    await self._deliver(connection, notice)
            return True
        finally:
            if connection is not None:
                await connection.close()

    async def tidy(self) -> None:
        """Give up what a lost sender held and what comes too late."""
        lease = timedelta(seconds=self._settings.mail_timeout * 3 + 60)
        async with self._database.transaction() as tx:
            await QUERIES.give_up_notices(tx, before=tx.now - lease, now=tx.now)
            await RESTORED.let_go_of_held_notices(tx, now=tx.now)
            late = [row async for row in QUERIES.let_go_of_late_notices(tx, now=tx.now)]
            await _say_failed(tx, [row for row in late if row["kind"] != SIGN_IN_KIND])

    async def _look_back(self) -> None:
        """Hold what a restored backup believes unsent."""
        await compare_with_ledger(self._database)
        async with self._database.transaction() as tx:
            await hold_begun(tx)

    def _connection(self) -> Connection:
        greeting = sender_of(self._context).rpartition("@")[2] or "localhost"
        return Connection(self._settings.smtp_url, greeting=greeting, timeout=self._settings.mail_timeout)

    async def _claim(self) -> Any:
        async with self._database.transaction() as tx:
            return await QUERIES.claim_notice(tx, now=tx.now)

    async def _deliver(self, connection: Connection, notice: Any) -> None:
        attempt = Attempt(
            kind="notice", id=notice["id"], message_id=self._message_id(notice), number=notice["attempts"]
        )
        try:
            check_links_lead_there(self._settings, notice["body"])
            await connection.open()
            sender, message = sender_of(self._context), self._message(notice)
            await self._ledger.begin(attempt, notice["email"])
            reach("mail.entered")
            outcome = await connection.hand_over(sender, notice["email"], message)
            await self._ledger.end(attempt, outcome.fate.value)
        except ServerAway:
            outcome = Outcome(Fate.LATER)
        except LedgerAway as away:
            metrics.NOTICES.labels("ledger_away").inc()
            _log.error("ledger_away", **describe(away.__cause__ or away))
            await self._put_back(notice, pause=self._settings.mail_retry, untried=1)
            return
        except KeptHere as kept:
            _log.error("notice_kept_here", id=str(notice["id"]), kind=notice["kind"], **describe(kept))
            outcome = Outcome(Fate.REFUSED)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one must not stop the others
            _log.error("notice_not_made", id=str(notice["id"]), kind=notice["kind"], **describe(error))
            outcome = Outcome(Fate.REFUSED)
        metrics.NOTICES.labels(outcome.fate.value).inc()
        await self._settle(notice, outcome.fate)

    def _message_id(self, notice: Any) -> str:
        return f"<{notice['id']}@{sender_of(self._context).rpartition('@')[2]}>"

    def _message(self, notice: Any) -> bytes:
        message = EmailMessage(policy=POLICY)
        message["From"] = addressed("From", self._context.house.name, sender_of(self._context))
        message["To"] = addressed("To", "", notice["email"])
        message["Subject"] = notice["subject"]
        message["Date"] = notice["claimed_at"]
        message["Message-ID"] = self._message_id(notice)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice["body"], cte="quoted-printable")
        said = (notice["subject"], notice["body"], notice["language"], notice["runs"])
        page = render_page(*said, self._settings.origin)
        message.add_alternative(page, subtype="html", cte="quoted-printable")
        message["Content-Language"] = notice["language"]
        return message.as_bytes()

    async def _settle(self, notice: Any, fate: Fate) -> None:
        states = {Fate.SENT: "sent", Fate.UNKNOWN: "unknown", Fate.REFUSED: "failed"}
        if fate is Fate.LATER and notice["attempts"] < self._settings.mail_attempts:
            await self._put_back(notice, pause=min(self._settings.mail_retry, 5) * 2 ** notice["attempts"])
            return
        async with self._database.transaction() as tx:
            state = states.get(fate, "failed")
            settled = await QUERIES.settle_notice(tx, **_claim_of(notice), state=state, now=tx.now)
            if settled is not None and state == "failed":
                await _say_failed(tx, [settled])

    async def _put_back(self, notice: Any, *, pause: float, untried: int = 0) -> None:
        """Try again after so many seconds. What could not even begin has lost no try."""
        async with self._database.transaction() as tx:
            again = tx.now + timedelta(seconds=pause)
            await QUERIES.put_back_notice(tx, **_claim_of(notice), next_try=again, untried=untried)


def _claim_of(notice: Any) -> dict[str, Any]:
    return {"id": notice["id"], "claimed_at": notice["claimed_at"]}


async def _say_failed(tx: Transaction, settled: Iterable[Any]) -> None:
    """Let it be known for whom nothing arrived; not of those who have no account any more."""
    facts = [
        Announcement(
            fact=NoticeFailed,
            subject=row["id"],
            sequence=1,
            data={"person_id": row["person_id"], "kind": row["kind"], "failed_at": row["settled_at"]},
        )
        for row in settled
        if row["person_id"] is not None
    ]
    await announce_many(tx, facts)
