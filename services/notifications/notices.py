"""What is said to one person by mail and is no letter of a campaign: how to sign in, how far the records go.

Each is written down in the transaction that heard of it and sent at the most once. When it is settled, its
words and the address are forgotten: what remains is that there was one.
"""

import html
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Database, Transaction
from chassis.log import describe, logger
from chassis.outbox import Announcement, announce_many
from chassis.sealed import unseal
from contracts.access import SIGN_IN
from contracts.envelope import Event
from contracts.notifications import NoticeFailed
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.notifications import metrics
from services.notifications.campaigns import sender_of
from services.notifications.domain import day_words
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
#: So is asking somebody to sign, or to look at what was agreed.
_AGREEMENT = timedelta(days=3)
#: The heads of a week are worth sending until there are those of the next one.
_HEADS = timedelta(days=7)

#: Whoever waits for this one asks again by themselves: that it came too late is no news.
_SIGN_IN = "sign_in"
#: A letter about a referral is worth sending for so long; then somebody of ours is told to ask.
_REFERRAL = timedelta(days=3)
#: Whoever waits for this one fills in the form again.
_REGISTRATION = "registration"
#: What a partner is asked once more.
_REFERRAL_QUESTIONS = {
    "answer": "Please tell us whether you can help them.",
    "outcome": "You told us that you can help them. Please tell us whether it did.",
}

#: So is a letter to somebody who applies.
_APPLICATION = timedelta(days=3)

#: What people call the record of each service: as the section that it belongs to.
_RECORDS = {PARTNERS: "Partners", GRANTS: "Grants", NOTIFICATIONS: "Letters"}


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
    await _write(tx, event, _SIGN_IN, keys["email"], "Your link and your code to sign in", body, until)


async def say_forgotten(tx: Transaction, event: Event) -> None:
    """Tell somebody, for the last time, that they were forgotten, and what stays and why."""
    address = _opened(tx, event, "address")
    if address is None:
        return
    house = tx.context.house
    kept = "\n\n".join(event.data["kept"]) or "Nothing."
    body = f"""Dear {address["name"]},

you have asked us to forget you. We have done so, today, in everything that we keep. This is our last message
to you. We keep neither your name nor this address, unless they stand below.

What stays:

{kept}

If you think that something is wrong, write to us or ring us. You may also complain to the Information
Commissioner's Office.

{_farewell(tx)}"""
    subject = f"You are forgotten at {house.short_name}"
    await _write(tx, event, "forgotten", address["email"], subject, body, tx.now + _INVITATION)


async def send_heads(tx: Transaction, event: Event) -> None:
    """Tell an auditor how far the record of each service goes, and how to see later whether it still does."""
    address = _opened(tx, event, "address")
    if address is None:
        return
    week = day_words(event.data["week"])
    heads = {head["service"]: head for head in event.data["heads"]}
    body = f"""Dear {address["name"]},

everything that people do in Conduit is written down, one row for each act, in one record for each section.
A record shows by itself when a row in it was changed or taken out. It cannot show that its end was cut off,
or that all of it was written anew. So each auditor is told once a week how far every record goes, with the
digest of its last row: 64 letters and figures that are others if that row, or any before it, is changed.

Keep this mail. It helps only where nobody can change or delete it who looks after Conduit.

In the week from Monday, {week}:

{_paragraphs(_as_they_were(heads))}

To see on a later day whether this is still so, have these lines typed on the computer that Conduit runs on:

{_paragraphs(map(_command, _in_order(heads)))}

Each answers whether every row up to that one is still the same. If one says that something was changed or cut
off, and no backup was restored in the meantime, somebody has interfered with the record: tell the trustees.

{_farewell(tx)}"""
    not_after = tx.now + _HEADS
    subject = f"Please keep: how far the records go, week from {week}"
    await _write(tx, event, "chain_heads", address["email"], subject, body, not_after)


async def offer_agreement(tx: Transaction, event: Event) -> None:
    """Tell somebody at another body that an agreement is there to be read and signed, and where."""
    told = _opened(tx, event, "notice")
    if told is None:
        return
    house = tx.context.house
    body = f"""Dear {told["name"]},

{house.name} and {told["organisation"]} want to put down in writing what they do together:

{told["title"]}

You can read all of it here, take it away as a PDF, and sign it with your name and position. You need no
account. Opening the page commits you to nothing.

{told["link"]}

Please do not pass the link on: whoever has it can sign for {told["organisation"]}. If somebody else has to
sign, or if you want something changed, ring us or write to us.

{_farewell(tx)}"""
    subject = f"To read and sign: an agreement with {house.short_name}"
    await _write(tx, event, "agreement", told["email"], subject, body, tx.now + _AGREEMENT)


async def remind_of_review(tx: Transaction, event: Event) -> None:
    """Tell somebody that the day is near on which an agreement is looked at again."""
    told = _opened(tx, event, "notice")
    if told is None:
        return
    house, on = tx.context.house, day_words(event.data["review_on"])
    where = f"\n\nYou can read what was agreed here:\n\n{told['link']}" if told["link"] else ""
    body = f"""Dear {told["name"]},

{house.name} and {told["organisation"]} agreed to look together, on {on}, at how this is going:

{told["title"]}

Please agree with each other on a time: what was achieved, what was not, and whether something should
change.{where}

{_farewell(tx)}"""
    subject = f"To look at together on {on}: our agreement"
    await _write(tx, event, "review", told["email"], subject, body, tx.now + _AGREEMENT)


async def send_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner whether they take on somebody whom we have sent to them."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    body = f"""Dear {letter["name"]},

we have sent somebody on to {letter["organisation"]}. They need: {letter["need"]}.

Our reference is {letter["reference"]}. For their privacy this mail does not say who they are: they bring a
slip with this reference, or we ring you.

Please tell us whether you can help them. It takes one click and no account:

{letter["link"]}

The same page asks you later whether it helped. Please do not pass the link on, and please do not send us
their name by e-mail.

{_farewell(tx)}"""
    subject = f"Can you help? Referral {letter['reference']} from {house.short_name}"
    await _write(tx, event, "referral", letter["email"], subject, body, tx.now + _REFERRAL)


async def remind_of_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner once more: whether they take somebody on, or what came of it."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    question = _REFERRAL_QUESTIONS[event.data["wanted"]]
    body = f"""Dear {letter["name"]},

we sent somebody on to {letter["organisation"]}, who needed: {letter["need"]}. Our reference is
{letter["reference"]}.

{question} It takes one click and no account:

{letter["link"]}

If you would rather talk, please ring us. Please do not send us their name by e-mail.

{_farewell(tx)}"""
    subject = f"Referral {letter['reference']} from {house.short_name}: a short question"
    await _write(tx, event, "referral", letter["email"], subject, body, tx.now + _REFERRAL)


async def ask_to_confirm_registration(tx: Transaction, event: Event) -> None:
    """Ask somebody who registers whether the address is theirs."""
    address, keys = _opened(tx, event, "address"), _opened(tx, event, "link")
    if address is None or keys is None:
        return
    house, until = tx.context.house, event.data["expires_at"]
    body = f"""Hello,

somebody has filled in our form to register with {house.name}, with this e-mail address.

If it was you, please open this page and press the button. You are not registered before you do.

{keys["link"]}

The button works until {day_words(until.astimezone(LOCAL).date())}. Please keep this mail afterwards: on the
same page you see what we hold, and can leave at any time. Do not pass the link on.

If it was not you, do nothing. What was typed is then deleted, and you hear no more of it.

{_farewell(tx)}"""
    subject = f"Please confirm: register with {house.short_name}"
    await _write(tx, event, _REGISTRATION, address["email"], subject, body, until)


async def send_application_link(tx: Transaction, event: Event) -> None:
    """Send somebody who applies the link by which they go on."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    send_by = event.data["send_by"]
    told = "There you see where it stands."
    if send_by is not None:
        told = f"""You can stop at any time and go on later with this link. The last day to send your
application is {day_words(send_by)}."""
    body = f"""{_greeting(letter)}

this is your own link to your application for “{letter["round"]}”:

{letter["link"]}

{told}

Please do not pass the link on: whoever has it can read and change your application. If you did not ask for
it, do nothing.

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"Your link: {letter['round']}", body)


async def remind_of_draft(tx: Transaction, event: Event) -> None:
    """Tell somebody who has begun to apply that the last day is near."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    closes_on = day_words(event.data["closes_on"])
    body = f"""{_greeting(letter)}

you have begun an application for “{letter["round"]}”, and you have not sent it yet. The last day is
{closes_on}. After that day we cannot take it.

Go on here:

{letter["link"]}

If you do not want to apply any more, do nothing. One month after the last day we delete what you wrote.

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"Please send it by {closes_on}: {letter['round']}", body)


async def acknowledge_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application has come, and what happens next."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{_greeting(letter)}

thank you. We have your application for “{letter["round"]}”.

Your reference is {letter["reference"]}.

What happens next: we check that nothing is missing. If we need more, we write to you. Then a panel reads it.
The panel meets on {day_words(event.data["meets_on"])}. After that we write to you.

You can see where it stands, or take it back, here:

{letter["link"]}

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"We have your application {letter['reference']}", body)


async def ask_for_more(tx: Transaction, event: Event) -> None:
    """Ask somebody who applies for what is missing."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{_greeting(letter)}

we have looked at your application {letter["reference"]} for “{letter["round"]}”. We need more from you:

{letter["words"]}

Please add it here, then send your application again:

{letter["link"]}

You have time until the day before the panel meets, which is on {day_words(event.data["meets_on"])}.

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"We need more from you: application {letter['reference']}", body)


async def refuse_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application cannot go to the panel, by which rule, and what they can do."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    body = f"""{_greeting(letter)}

thank you for your application {letter["reference"]} for “{letter["round"]}”. We are sorry: we cannot take it.

The reason is:

{letter["words"]}

What you can do:

If you think that this is wrong, ring {letter["help_name"]} on {letter["help_telephone"]}. {house.complaints}

You may apply again in another round. This answer does not count against you.

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"About your application {letter['reference']}", body)


async def confirm_withdrawal(tx: Transaction, event: Event) -> None:
    """Tell somebody that they have taken their application back."""
    letter = _opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{_greeting(letter)}

you have taken back your application {letter["reference"]} for “{letter["round"]}”. Nobody will decide on it.
You need to do nothing more.

If it was not you, please ring us soon.

{_help(tx, letter)}"""
    await _apply(tx, event, letter, f"You have taken back your application {letter['reference']}", body)


def _greeting(letter: Mapping[str, Any]) -> str:
    return f"Dear {letter['name']}," if letter["name"] else "Hello,"


def _help(tx: Transaction, letter: Mapping[str, Any]) -> str:
    """Whom they may ring, and who writes."""
    asked = f"Do you need help? Ring {letter['help_name']} on {letter['help_telephone']}."
    return f"{asked}\n\n{_farewell(tx)}"


async def _apply(tx: Transaction, event: Event, letter: Mapping[str, Any], subject: str, body: str) -> None:
    await _write(tx, event, "application", letter["email"], subject, body, tx.now + _APPLICATION)


def _as_they_were(heads: Mapping[str, Any]) -> Iterator[str]:
    """How far each record went, also where that is not known."""
    for head in _in_order(heads):
        name = _RECORDS.get(head["service"], head["service"])
        yield f"{name}: the last row is number {head['number']:,}, and its digest is\n{head['digest']}"
    for service, name in _RECORDS.items():
        if service not in heads:
            yield f"{name}: not known. Either nobody has done anything there yet, or it was not running."


def _command(head: Mapping[str, Any]) -> str:
    chosen = f"--service {head['service']} --row {head['number']} --digest {head['digest']}"
    return f"conduit audit verify {chosen}"


def _in_order(heads: Mapping[str, Any]) -> list[Any]:
    """The heads in the order of the sections; one that we have no name for comes last."""
    return [heads[service] for service in sorted(heads, key=[*_RECORDS, *heads].index)]


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(parts)


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
    whom = event.data.get("person_id")
    await QUERIES.write_notice(tx, id=event.id, person_id=whom, **words, now=tx.now)
    tx.context.wake(SEND_NOTICES)


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
            await _say_failed(tx, [row for row in late if row["kind"] != _SIGN_IN])

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
