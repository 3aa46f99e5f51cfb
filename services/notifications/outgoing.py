"""What the sender sends: letters, and the chasers that go after them. The sender treats both alike.

Some are taken, so that nobody else makes them; each e-mail is made, claimed in one transaction, handed over,
and settled in another. What differs is where it stands, what it says and whom it is announced to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

from chassis.apart import apart
from chassis.context import Context
from chassis.database import Transaction, rows_of
from services.notifications.campaigns import sender_of
from services.notifications.chasing import chaser_content, claim_chaser, give_up_lost, take_chasers
from services.notifications.domain import AnswerState, LetterState
from services.notifications.hrefs import stop_href
from services.notifications.leaving import check_may_leave
from services.notifications.ledger import Attempt
from services.notifications.letters import announce_failed, announce_sent, content_of, token_of
from services.notifications.pacing import spacing
from services.notifications.queries import CHASING, QUERIES
from services.notifications.reading.phrases import no_more_letters
from services.notifications.rendering import LetterContent, render_mail
from services.notifications.replies import reply_address
from services.notifications.settling import Settlement
from services.notifications.stops import set_aside_if_stopped


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One that goes, or went when its sender was lost: what is to be settled."""

    id: UUID
    letter_id: UUID
    #: Which chaser of its letter; nothing for the letter itself.
    number: int | None
    claimed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A letter or a chaser that this sender makes; until its time is up nobody else does."""

    id: UUID
    letter_id: UUID
    number: int | None
    taken_at: datetime
    until: datetime
    #: Tries before this one.
    attempts: int
    #: Where it goes.
    email: str
    #: The letter, with its campaign's words and, for a chaser, its own.
    row: Any


@dataclass(frozen=True, kw_only=True)
class Claimed(Claim, Taken):
    """One that goes now: from here on it may have left."""

    #: This try, as the ledger knows it.
    attempt: Attempt


class Outgoing(Protocol):
    """One kind of thing that goes out."""

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        """Those that were claimed before are unknown: their sender was lost. How many."""

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        """Those that could go now, due longest first."""

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        """Whatever is due waits."""

    async def take(self, tx: Transaction, ids: Sequence[UUID]) -> list[Taken]:
        """Those of them that may go and that nobody else has."""

    async def compose(self, context: Context, taken: Taken) -> bytes:
        """The e-mail. It is made apart: most of it is the PDF."""

    async def claim(self, tx: Transaction, taken: Taken) -> Claimed | None:
        """It goes now, if it still may and still says what it said when it was taken."""

    async def put_back(self, tx: Transaction, taken: Taken) -> None:
        """It could not be claimed: it is due as it was, unless it has changed."""

    async def settle(self, tx: Transaction, claimed: Claim, settlement: Settlement) -> None:
        """Enter what became of it and announce it, unless somebody else has settled it meanwhile."""


class Letters:
    """What we ask one contact, once."""

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return len(await rows_of(QUERIES.give_up_claims(tx, before=before, now=tx.now)))

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        return [row["id"] async for row in QUERIES.due_letters(tx, now=tx.now, today=tx.today, most=most)]

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await QUERIES.postpone_due(tx, next_try=next_try, failure=failure, now=tx.now)

    async def take(self, tx: Transaction, ids: Sequence[UUID]) -> list[Taken]:
        when = _now_until(tx)
        apart = spacing(tx.context.settings)
        await QUERIES.follow_indexes(tx)
        rows = await rows_of(
            QUERIES.take_letters(tx, ids=ids, spacing=apart, until=when["until"], now=tx.now)
        )
        return [
            Taken(
                id=row["id"],
                letter_id=row["id"],
                number=None,
                attempts=row["attempts"],
                email=row["email"],
                row=row,
                **when,
            )
            for row in sorted(rows, key=itemgetter("number"))
        ]

    async def compose(self, context: Context, taken: Taken) -> bytes:
        content = content_of(context, taken.row)
        return await _message(context, taken, content, content, taken.row["message_id"])

    async def claim(self, tx: Transaction, taken: Taken) -> Claimed | None:
        as_made = {"until": taken.until, "version": taken.row["version"], "email": taken.email}
        row = await QUERIES.claim_letter(tx, id=taken.id, **as_made, now=tx.now, today=tx.today)
        if row is None or await set_aside_if_stopped(tx, row):
            return None
        message_id = taken.row["message_id"]
        attempt = Attempt(kind="letter", id=taken.id, message_id=message_id, number=row["begun"])
        return Claimed(claimed_at=tx.now, attempt=attempt, **vars(taken))

    async def put_back(self, tx: Transaction, taken: Taken) -> None:
        await QUERIES.put_back_letter(tx, id=taken.id, until=taken.until, due_since=taken.row["due_since"])

    async def settle(self, tx: Transaction, claimed: Claim, settlement: Settlement) -> None:
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

    async def give_up(self, tx: Transaction, before: datetime) -> int:
        return await give_up_lost(tx, before)

    async def due(self, tx: Transaction, most: int) -> list[UUID]:
        return [row["id"] async for row in CHASING.due_chasers(tx, now=tx.now, most=most)]

    async def postpone(self, tx: Transaction, next_try: datetime, failure: str) -> None:
        await CHASING.postpone_due_chasers(tx, next_try=next_try, failure=failure, now=tx.now)

    async def take(self, tx: Transaction, ids: Sequence[UUID]) -> list[Taken]:
        when = _now_until(tx)
        return [
            Taken(
                id=row["chaser_id"],
                letter_id=row["id"],
                number=row["chaser_number"],
                attempts=row["chaser_attempts"],
                email=row["email"],
                row=row,
                **when,
            )
            for row in await take_chasers(tx, ids, when["until"])
        ]

    async def compose(self, context: Context, taken: Taken) -> bytes:
        row = taken.row
        first, has_it = content_of(context, row), row["answer"] == AnswerState.ACKNOWLEDGED
        chaser = chaser_content(context, row, row["chaser_body"], acknowledged=has_it)
        return await _message(context, taken, chaser, first, row["chaser_message_id"], row["message_id"])

    async def claim(self, tx: Transaction, taken: Taken) -> Claimed | None:
        begun = await claim_chaser(tx, taken.row, taken.until)
        if begun is None:
            return None
        message_id = taken.row["chaser_message_id"]
        attempt = Attempt(kind="chaser", id=taken.id, message_id=message_id, number=begun)
        return Claimed(claimed_at=tx.now, attempt=attempt, **vars(taken))

    async def put_back(self, tx: Transaction, taken: Taken) -> None:
        await CHASING.put_back_chaser(tx, id=taken.id, until=taken.until, due_since=taken.row["due_since"])

    async def settle(self, tx: Transaction, claimed: Claim, settlement: Settlement) -> None:
        # First the letter, then where the body stands: so does whoever answers at this moment.
        await CHASING.lock_letters(tx, ids=[claimed.letter_id])
        what = f"Chaser {claimed.number}: {settlement.what.lower()}"
        which = {"id": claimed.id, "claimed_at": claimed.claimed_at}
        await CHASING.settle_chaser(tx, **which, now=tx.now, **settlement.values() | {"what": what})


LETTERS, CHASERS = Letters(), Chasers()

#: In the order in which they go: nobody waits for a first letter while others are chased.
KINDS: tuple[Outgoing, ...] = (LETTERS, CHASERS)


def _now_until(tx: Transaction) -> dict[str, datetime]:
    """For how long what is taken is left to whoever takes it: should they be lost, others make it after that.

    As long as one may have to wait for a connection. Making it takes less, and a claim that comes too late
    comes to nothing.
    """
    return {"taken_at": tx.now, "until": tx.now + timedelta(seconds=tx.context.settings.mail_timeout)}


async def _message(
    context: Context,
    taken: Taken,
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
        reply_address(context, taken.letter_id),
        taken.email,
        message_id,
        sent_at=taken.taken_at,
        list_unsubscribe=(
            taken.row["frozen"]["origin"] + stop_href(token_of(context, taken.letter_id)),
            f"mailto:{context.house.email}?subject={quote(no_more_letters(content.reference))}",
        ),
        in_reply_to=in_reply_to,
    )
