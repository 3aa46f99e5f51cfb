"""What the sender sends: letters, and the chasers that go after them. The sender treats both alike.

Each is claimed in one transaction, handed over, and settled in another; what differs is where it stands,
what it says and whom it is announced to.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

from chassis.apart import apart
from chassis.context import Context
from chassis.database import Transaction
from services.notifications.campaigns import sender_of
from services.notifications.chasing import chaser_content, claim_chaser, give_up_lost, no_longer
from services.notifications.domain import LetterState
from services.notifications.hrefs import stop_href
from services.notifications.leaving import check_may_leave
from services.notifications.ledger import Attempt
from services.notifications.letters import announce_failed, announce_sent, content_of, token_of
from services.notifications.pacing import spacing
from services.notifications.queries import CHASING, QUERIES
from services.notifications.reading.phrases import no_more_letters
from services.notifications.rendering import LetterContent, render_mail
from services.notifications.replies import reply_address
from services.notifications.stops import set_aside_if_stopped

#: Of whom the history of a letter says what came of a try.
THE_SERVER, THE_SENDER = "the mail server", "the sender"


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A letter or a chaser that this sender has claimed."""

    id: UUID
    letter_id: UUID
    claimed_at: datetime
    #: Tries before this one.
    attempts: int
    #: This try, as the ledger knows it.
    attempt: Attempt
    #: Where it goes.
    email: str
    #: The letter, with its campaign's words and, for a chaser, its own.
    row: Any


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What became of one try, with what a person reads of it."""

    state: LetterState
    #: A line in the history of the letter, and whose it is.
    what: str
    who: str = THE_SERVER
    failure: str | None = None
    cure: str | None = None
    sent_at: datetime | None = None
    next_try: datetime | None = None
    #: Whether it counts as a try.
    tried: bool = True

    def values(self) -> dict[str, Any]:
        """As the statements that settle take it."""
        names = ("what", "who", "failure", "cure", "sent_at", "next_try")
        values = {name: getattr(self, name) for name in names}
        return {"state": self.state.value, "tried": int(self.tried), **values}


class Outgoing(Protocol):
    """One kind of thing that goes out."""

    #: Whether it may become needless while its e-mail is made.
    looks_again: bool

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        """Those that were claimed before are unknown: their sender was lost. How many."""

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        """Those that could go now, due longest first."""

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        """Whatever is due waits."""

    async def claim(self, tx: Transaction, id: UUID) -> Claimed | None:
        """One of those, unless somebody else has it or it may go no longer."""

    async def compose(self, context: Context, claimed: Claimed) -> bytes:
        """The e-mail. It is made apart: most of it is the PDF."""

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        """Whether it may go no longer, at the last moment; then it is settled."""

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        """Enter what became of it and announce it, unless somebody else has settled it meanwhile."""


class Letters:
    """What we ask one contact, once."""

    looks_again = False

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return len([row async for row in QUERIES.give_up_claims(tx, before=before, now=tx.now)])

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        return [row["id"] async for row in QUERIES.due_letters(tx, now=tx.now, today=tx.today, most=most)]

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await QUERIES.postpone_due(tx, next_try=next_try, failure=failure, now=tx.now)

    async def claim(self, tx: Transaction, id: UUID) -> Claimed | None:
        apart = spacing(tx.context.settings)
        row = await QUERIES.claim_letter(tx, id=id, spacing=apart, now=tx.now, today=tx.today)
        if row is None or await set_aside_if_stopped(tx, row):
            return None
        names = ("id", "claimed_at", "attempts", "email")
        attempt = Attempt(kind="letter", id=row["id"], message_id=row["message_id"], number=row["begun"])
        return Claimed(letter_id=row["id"], row=row, attempt=attempt, **{name: row[name] for name in names})

    async def compose(self, context: Context, claimed: Claimed) -> bytes:
        content = content_of(context, claimed.row)
        return await _message(context, claimed, content, content, claimed.row["message_id"])

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        return False

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        which = {"id": claimed.id, "claimed_at": claimed.claimed_at}
        settled = await QUERIES.settle_letter(tx, **which, now=tx.now, **settlement.values())
        if settled is None:
            return
        if settlement.state is LetterState.SENT:
            await announce_sent(tx, settled)
        elif settlement.state is LetterState.FAILED:
            await announce_failed(tx, settled)


class Chasers:
    """What goes after a letter that nobody has answered: a reply to it, with the letter attached."""

    looks_again = True

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return await give_up_lost(tx, before)

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        return [row["id"] async for row in CHASING.due_chasers(tx, now=tx.now, most=most)]

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await CHASING.postpone_due_chasers(tx, next_try=next_try, failure=failure, now=tx.now)

    async def claim(self, tx: Transaction, id: UUID) -> Claimed | None:
        row = await claim_chaser(tx, id)
        if row is None:
            return None
        message_id = row["chaser_message_id"]
        return Claimed(
            id=id,
            attempt=Attempt(kind="chaser", id=id, message_id=message_id, number=row["chaser_begun"]),
            letter_id=row["id"],
            claimed_at=row["chaser_claimed_at"],
            attempts=row["chaser_attempts"],
            email=row["email"],
            row=row,
        )

    async def compose(self, context: Context, claimed: Claimed) -> bytes:
        row = claimed.row
        first, chaser = content_of(context, row), chaser_content(context, row, row["chaser_body"])
        return await _message(context, claimed, chaser, first, row["chaser_message_id"], row["message_id"])

    async def held_back(self, tx: Transaction, claimed: Claimed) -> bool:
        return await no_longer(tx, claimed.id, claimed.letter_id, claimed.claimed_at)

    async def settle(self, tx: Transaction, claimed: Claimed, settlement: Settlement) -> None:
        # First the letter, then where the body stands: so does whoever answers at this moment.
        await CHASING.lock_letters(tx, ids=[claimed.letter_id])
        what = f"Chaser {claimed.row['chaser_number']}: {settlement.what.lower()}"
        which = {"id": claimed.id, "claimed_at": claimed.claimed_at}
        await CHASING.settle_chaser(tx, **which, now=tx.now, **settlement.values() | {"what": what})


#: In the order in which they go: nobody waits for a first letter while others are chased.
KINDS: tuple[Outgoing, ...] = (Letters(), Chasers())


async def _message(
    context: Context,
    claimed: Claimed,
    content: LetterContent,
    printed: LetterContent,
    message_id: str,
    in_reply_to: str | None = None,
) -> bytes:
    """An e-mail that says `content`, with `printed` attached."""
    check_may_leave(context.settings, content)
    return await apart(
        render_mail,
        content,
        printed,
        sender_of(context),
        reply_address(context, claimed.letter_id),
        claimed.email,
        message_id,
        sent_at=claimed.claimed_at,
        list_unsubscribe=(
            claimed.row["frozen"]["origin"] + stop_href(token_of(context, claimed.letter_id)),
            f"mailto:{context.house.email}?subject={quote(no_more_letters(content.reference))}",
        ),
        in_reply_to=in_reply_to,
    )
