"""What the sender sends: letters, and the chasers that go after them. The sender treats both alike.

Each is claimed in one transaction, handed over, and settled in another; what differs is where it stands,
what it says and whom it is announced to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.policy import SMTP
from typing import Any, Protocol
from uuid import UUID

from chassis.context import Context
from chassis.database import Transaction
from services.notifications.campaigns import sender_of
from services.notifications.chasing import chaser_content, claim_next, give_up_lost, no_longer
from services.notifications.domain import LetterState
from services.notifications.hrefs import stop_href
from services.notifications.letters import announce_failed, announce_sent, content_of, token_of
from services.notifications.queries import CHASING, QUERIES
from services.notifications.rendering import LetterContent, build_message, render_pdf
from services.notifications.replies import reply_address
from services.notifications.stops import set_aside_if_stopped


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A letter or a chaser that this sender has claimed."""

    id: UUID
    letter_id: UUID
    claimed_at: datetime
    #: Tries before this one.
    attempts: int
    #: Where it goes.
    email: str
    #: The letter, with its campaign's words and, for a chaser, its own.
    row: Any


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What became of one try, with what a person reads of it."""

    state: LetterState
    #: A line in the history of the letter.
    what: str
    failure: str | None = None
    cure: str | None = None
    sent_at: datetime | None = None
    next_try: datetime | None = None

    def values(self) -> Mapping[str, Any]:
        """As the statements that settle take it."""
        names = ("failure", "cure", "sent_at", "next_try")
        return {"state": self.state.value, **{name: getattr(self, name) for name in names}}


class Outgoing(Protocol):
    """One kind of thing that goes out."""

    #: Whether it may become needless while its e-mail is made.
    looks_again: bool

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        """Those that were claimed before are unknown: their sender was lost. How many."""

    async def due(self, tx: Transaction, most: int) -> int:
        """How many could go now, counted no further than needed."""

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        """Whatever is due waits."""

    async def claim(self, tx: Transaction) -> Claimed | None:
        """The one that is due longest and may still go."""

    def compose(self, context: Context, claimed: Claimed) -> bytes:
        """The e-mail. Slow enough for a thread: most of it is the PDF."""

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        """Whether it may go no longer, at the last moment; then it is settled."""

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        """Enter what became of it and announce it, unless somebody else has settled it meanwhile."""


class Letters:
    """What we ask one contact, once."""

    looks_again = False

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return len([row async for row in QUERIES.give_up_claims(tx, before=before, now=tx.now)])

    async def due(self, tx: Transaction, most: int) -> int:
        return int(await QUERIES.due_letters(tx, now=tx.now, today=tx.today, most=most))

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await QUERIES.postpone_due(tx, next_try=next_try, failure=failure, now=tx.now)

    async def claim(self, tx: Transaction) -> Claimed | None:
        row = await QUERIES.claim_letter(tx, now=tx.now, today=tx.today)
        while row is not None and await set_aside_if_stopped(tx, row):
            row = await QUERIES.claim_letter(tx, now=tx.now, today=tx.today)
        if row is None:
            return None
        names = ("id", "claimed_at", "attempts", "email")
        return Claimed(letter_id=row["id"], row=row, **{name: row[name] for name in names})

    def compose(self, context: Context, claimed: Claimed) -> bytes:
        content = content_of(context, claimed.row)
        return _message(context, claimed, content, content, claimed.row["message_id"])

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        return False

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        settled = await QUERIES.settle_letter(
            tx, id=claimed.id, claimed_at=claimed.claimed_at, now=tx.now, **settlement.values()
        )
        if settled is None:
            return
        await _note(tx, claimed, settlement.what)
        if settlement.state is LetterState.SENT:
            await announce_sent(tx, settled)
        elif settlement.state is LetterState.FAILED:
            await announce_failed(tx, settled)


class Chasers:
    """What goes after a letter that nobody has answered: a reply to it, with the letter attached."""

    looks_again = True

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return await give_up_lost(tx, before)

    async def due(self, tx: Transaction, most: int) -> int:
        return int(await CHASING.due_chasers(tx, now=tx.now, most=most))

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await CHASING.postpone_due_chasers(tx, next_try=next_try, failure=failure, now=tx.now)

    async def claim(self, tx: Transaction) -> Claimed | None:
        row = await claim_next(tx)
        if row is None:
            return None
        return Claimed(
            id=row["chaser_id"],
            letter_id=row["id"],
            claimed_at=row["chaser_claimed_at"],
            attempts=row["chaser_attempts"],
            email=row["email"],
            row=row,
        )

    def compose(self, context: Context, claimed: Claimed) -> bytes:
        row = claimed.row
        first, chaser = content_of(context, row), chaser_content(context, row, row["chaser_body"])
        return _message(context, claimed, chaser, first, row["chaser_message_id"], row["message_id"])

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        return await no_longer(tx, claimed.id, claimed.letter_id, claimed.claimed_at)

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        settled = await CHASING.settle_chaser(
            tx, id=claimed.id, claimed_at=claimed.claimed_at, now=tx.now, **settlement.values()
        )
        if settled is not None:
            await QUERIES.touch_letter(tx, id=claimed.letter_id, now=tx.now)
            await _note(tx, claimed, f"Chaser {claimed.row['chaser_number']}: {settlement.what.lower()}")


#: In the order in which they go: nobody waits for a first letter while others are chased.
KINDS: tuple[Outgoing, ...] = (Letters(), Chasers())


async def _note(tx: Transaction, claimed: Claimed, what: str) -> None:
    await QUERIES.note(tx, letter_id=claimed.letter_id, what=what, who="the mail server", now=tx.now)


def _message(
    context: Context,
    claimed: Claimed,
    content: LetterContent,
    printed: LetterContent,
    message_id: str,
    in_reply_to: str | None = None,
) -> bytes:
    """An e-mail that says `content`, with `printed` attached."""
    message = build_message(
        content,
        sender_of(context),
        reply_address(context, claimed.letter_id),
        claimed.email,
        message_id,
        render_pdf(printed),
        sent_at=claimed.claimed_at,
        list_unsubscribe=(
            claimed.row["frozen"]["origin"] + stop_href(token_of(context, claimed.letter_id)),
            f"mailto:{context.house.email}?subject=No%20more%20letters%20{content.reference}",
        ),
        in_reply_to=in_reply_to,
    )
    return message.as_bytes(policy=SMTP)
