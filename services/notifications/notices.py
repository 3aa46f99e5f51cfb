"""What is said to one person by mail and is no letter of a campaign: how to sign in, for now.

Each is written down in the transaction that heard of it and sent at the most once. When it is settled, its
words and the address are forgotten: what remains is that there was one.
"""

import html
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Database, Transaction
from chassis.log import describe, logger
from chassis.sealed import unseal
from contracts.access import SIGN_IN
from contracts.envelope import Event
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.handover import Connection, Fate, Outcome, ServerAway
from services.notifications.queries import QUERIES
from services.notifications.rendering import addressed

_log = logger(__name__)

#: The timer that sends; whoever writes a notice wakes it.
SEND_NOTICES = "send notices"

#: Notices that one turn sends at the most, one after the other on one connection.
_A_TURN = 50
#: An invitation is worth sending for so long.
_INVITATION = timedelta(days=3)


async def welcome(tx: Transaction, event: Event) -> None:
    """Tell somebody that they may sign in, and how."""
    address = _opened(tx, event, "address")
    if address is None:
        return
    house, origin = tx.context.house, tx.context.settings.origin
    body = f"""Dear {address["name"]},

you may now use Conduit, where {house.name} keeps its partners, grants and letters.

To sign in, open this page and type this e-mail address:

{origin}{SIGN_IN}

There is no password. Each time you are sent a link and a code.

{_farewell(tx)}"""
    not_after = tx.now + _INVITATION
    await _write(
        tx, event, "invitation", address["email"], f"You may sign in at {house.short_name}", body, not_after
    )


async def send_keys(tx: Transaction, event: Event) -> None:
    """Send somebody the link and the code that they have asked for."""
    keys = _opened(tx, event, "keys")
    if keys is None:
        return
    until: datetime = event.data["expires_at"]
    body = f"""Dear {keys["name"]},

to sign in, open this link in the browser in which you asked for it:

{keys["link"]}

Or type this code there:

{keys["code"][:3]} {keys["code"][3:]}

Both work once, until {until.astimezone(LOCAL):%H:%M}. If you have not asked for this, do nothing: nobody
can sign in without this mail. Never tell anybody the code; we shall not ask you for it.

{_farewell(tx)}"""
    await _write(tx, event, "sign_in", keys["email"], "Your link and your code to sign in", body, until)


async def say_forgotten(tx: Transaction, event: Event) -> None:
    """Tell somebody, for the last time, that they were forgotten, and what stays and why."""
    address = _opened(tx, event, "address")
    if address is None:
        return
    house = tx.context.house
    kept = "\n\n".join(event.data["kept"]) or "Nothing."
    body = f"""Dear {address["name"]},

you have asked us to forget you. We have done so, today, in everything that we keep. This is our last message;
we do not keep this address.

What stays:

{kept}

If you think that something is wrong, write to us or ring us. You may also complain to the Information
Commissioner's Office.

{_farewell(tx)}"""
    subject = f"You are forgotten at {house.short_name}"
    await _write(tx, event, "forgotten", address["email"], subject, body, tx.now + _INVITATION)


def _farewell(tx: Transaction) -> str:
    house = tx.context.house
    return f"{house.name}\n{house.telephone}\n{house.email}\n"


def _opened(tx: Transaction, event: Event, name: str) -> dict[str, Any] | None:
    """The sealed part of an event; nothing when it was scrubbed."""
    sealed = event.data[name]
    return unseal(tx.context.keys, event.fact, name, sealed) if sealed is not None else None


async def _write(
    tx: Transaction, event: Event, kind: str, email: str, subject: str, body: str, not_after: datetime
) -> None:
    words = {"kind": kind, "email": email, "subject": subject, "body": body, "not_after": not_after}
    await QUERIES.write_notice(tx, id=event.id, **words, now=tx.now)
    tx.context.wake(SEND_NOTICES)


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
            await QUERIES.let_go_of_late_notices(tx, now=tx.now)

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
                await QUERIES.settle_notice(tx, **claim, state=states.get(fate, "failed"), now=tx.now)


def _as_html(body: str) -> str:
    """The same words; a line that is an address becomes a link, and a code is large enough to be copied."""
    parts = []
    for part in body.strip().split("\n\n"):
        said = html.escape(part).replace("\n", "<br>" if len(part) < 200 else " ")
        if part.startswith(("http://", "https://")):
            said = f'<a href="{said}">{said}</a>'
        elif part.replace(" ", "").isdigit():
            said = f'<span style="font-size:2em;letter-spacing:.1em">{said}</span>'
        parts.append(f"<p>{said}</p>")
    body = f'<body style="font-family:sans-serif">{"".join(parts)}</body>'
    return f'<!doctype html><html lang="en-GB">{body}</html>\n'
