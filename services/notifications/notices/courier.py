"""Sending them: each at the most once, none after its time."""

import html
from collections.abc import Iterable
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from chassis.database import Database, Transaction
from chassis.log import describe, logger
from chassis.outbox import Announcement, announce_many
from contracts.notifications import NoticeFailed
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.notices.writing import SIGN_IN_KIND
from services.notifications.queries import QUERIES
from services.notifications.rendering import addressed

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

    async def turn(self) -> bool:
        """Send what is due. Whether there is more to do at once."""
        if not self._settings.smtp_url:
            return False
        connection: Connection | None = None
        try:
            for _ in range(_A_TURN):
                notice = await self._claim()
                if notice is None:
                    return False
                connection = connection or self._connection()
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
            late = [row async for row in QUERIES.let_go_of_late_notices(tx, now=tx.now)]
            await _say_failed(tx, [row for row in late if row["kind"] != SIGN_IN_KIND])

    def _connection(self) -> Connection:
        greeting = sender_of(self._context).rpartition("@")[2] or "localhost"
        return Connection(self._settings.smtp_url, greeting=greeting, timeout=self._settings.mail_timeout)

    async def _claim(self) -> Any:
        async with self._database.transaction() as tx:
            return await QUERIES.claim_notice(tx, now=tx.now)

    async def _deliver(self, connection: Connection, notice: Any) -> None:
        try:
            await connection.open()
            sender = sender_of(self._context)
            outcome = await connection.hand_over(sender, notice["email"], self._message(notice))
        except ServerAway:
            outcome = Outcome(Fate.LATER)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one must not stop the others
            _log.error("notice_not_made", id=str(notice["id"]), kind=notice["kind"], **describe(error))
            outcome = Outcome(Fate.REFUSED)
        metrics.NOTICES.labels(notice["kind"], outcome.fate.value).inc()
        await self._settle(notice, outcome.fate)

    def _message(self, notice: Any) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"] = addressed("From", self._context.house.name, sender_of(self._context))
        message["To"] = addressed("To", "", notice["email"])
        message["Subject"] = notice["subject"]
        message["Date"] = notice["claimed_at"]
        message["Message-ID"] = f"<{notice['id']}@{sender_of(self._context).rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice["body"], cte="quoted-printable")
        message.add_alternative(_as_html(notice["body"]), subtype="html", cte="quoted-printable")
        return message.as_bytes()

    async def _settle(self, notice: Any, fate: Fate) -> None:
        claim = {"id": notice["id"], "claimed_at": notice["claimed_at"]}
        states = {Fate.SENT: "sent", Fate.UNKNOWN: "unknown", Fate.REFUSED: "failed"}
        again = fate is Fate.LATER and notice["attempts"] < self._settings.mail_attempts
        async with self._database.transaction() as tx:
            if again:
                pause = timedelta(seconds=min(self._settings.mail_retry, 5) * 2 ** notice["attempts"])
                await QUERIES.put_back_notice(tx, **claim, next_try=tx.now + pause)
            else:
                state = states.get(fate, "failed")
                settled = await QUERIES.settle_notice(tx, **claim, state=state, now=tx.now)
                if settled is not None and state == "failed":
                    await _say_failed(tx, [settled])


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


def _as_html(body: str) -> str:
    """The same words; an address becomes a link, a code is large enough to copy, a command looks like one."""
    parts = []
    for part in body.strip().split("\n\n"):
        said = html.escape(part).replace("\n", "<br>" if len(part) < 200 else " ")
        if part.startswith(("http://", "https://")):
            said = f'<a href="{said}">{said}</a>'
        elif part.replace(" ", "").isdigit():
            said = f'<span style="font-size:2em;letter-spacing:.1em">{said}</span>'
        elif part.startswith("conduit "):
            said = f"<code>{said}</code>"
        parts.append(f"<p>{said}</p>")
    body = f'<body style="font-family:sans-serif;overflow-wrap:anywhere">{"".join(parts)}</body>'
    return f'<!doctype html><html lang="en-GB">{body}</html>\n'
