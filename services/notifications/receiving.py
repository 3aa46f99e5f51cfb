"""Mail that comes: kept as it is, told apart, matched to the one letter that it is about, or held.

A mail is taken in once, however often and by whichever way it comes. It is matched by the address that it
came to, then by what it answers; when that names no letter, or two, a person decides. Nothing is thrown away
and nothing is ever answered from here: no loop can begin.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.context import Context
from chassis.database import IN_THE_WAY, Database, Transaction
from chassis.errors import Conflict, DatabaseAway, NotFound, Refused
from chassis.failpoints import reach
from chassis.files import PART, keep_file
from chassis.log import describe, logger
from chassis.outbox import announce
from contracts.notifications import LetterBounced
from services.notifications import metrics
from services.notifications.answers import Answer, record_answer
from services.notifications.campaigns import STAFF, sender_of
from services.notifications.domain import AnswerKind, AnswerState, LetterState, can, day_words
from services.notifications.letters import facts_of, lock_letter, mark_sent
from services.notifications.queries import INCOMING, QUERIES
from services.notifications.reading.kinds import BEGINNING, LARGEST_MAIL, Kind, Reading, digest_of, read
from services.notifications.replies import letters_addressed, letters_followed

_log = logger(__name__)

#: Who did it, in a letter's history.
THEIR_MAIL = "their e-mail"
THEIR_SERVER = "their mail server"

_BY_ADDRESS = "By the letter’s own address."
_BY_THREAD = "By the letter that it answers."
_BY_RETURNED = "By the letter that came back with it."
_BY_HAND = "By hand."

_NONE = "It names no letter of ours."
_TWO = "It names more than one letter."
_NOT_SENT = "It names a letter that has not been sent."
_FAILED = "It could not be matched by itself."
_TOO_LARGE = "Only its beginning was kept: the whole is still in the mailbox that it came to."

#: States of a letter about which nothing can have come yet.
_NOT_OUT = frozenset({LetterState.DRAFT, LetterState.BLOCKED})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a mailbox a mail stands."""

    mailbox: bytes
    uid_validity: int
    uid: int


async def receive(
    database: Database, raw: bytes, *, place: Place | None = None, cut: bool = False
) -> UUID | None:
    """Take in one mail. Its id; nothing when it was taken in before.

    Args:
        place: where it stands in a mailbox, which is read on from there once this is done.
        cut: whether there was more of it than this.

    Raises:
        DatabaseAway: when it could not be kept; it has to come again.
    """
    reading = await asyncio.to_thread(_read, database.context, raw)
    take = partial(_take_in, database, raw, reading, place)
    held = _TOO_LARGE if cut or len(raw) > LARGEST_MAIL else ""
    try:
        id = await take(held or (reading.why if reading.kind is Kind.UNREADABLE else ""))
    except (DatabaseAway, *IN_THE_WAY):
        raise
    except Refused as refused:  # by the letter's own rules: a person sees to it
        id = await take(refused.what)
    except Exception as error:  # noqa: BLE001 - one odd mail must not stand in the way of those behind it
        _log.error("mail_not_matched", **describe(error))
        id = await take(_FAILED)
    metrics.INCOMING.labels("again" if id is None else reading.kind.value).inc()
    return id


async def _take_in(
    database: Database, raw: bytes, reading: Reading, place: Place | None, held: str
) -> UUID | None:
    """Keep a mail and match it, unless it is held for a reason that is known already."""
    digest = await asyncio.to_thread(digest_of, raw, database.context.keys.derive("incoming mail"))
    async with database.transaction() as tx:
        id: UUID | None = await INCOMING.take_in(
            tx, id=uuid_utils.compat.uuid7(), digest=digest, now=tx.now, **_row(reading)
        )
        if id is not None:
            kept = raw[:BEGINNING] if held == _TOO_LARGE else raw
            file = await keep_file(tx, name="mail.eml", media_type="message/rfc822", content=_parts(kept))
            await INCOMING.keep_raw(tx, id=id, file_id=file.id)
            letter_id, reason = (None, held) if held else await _letter_of(tx, reading)
            if letter_id is None:
                await INCOMING.hold(tx, id=id, reason=reason)
            else:
                await _match(tx, id, letter_id, _row(reading), reason)
        if place is not None:
            await INCOMING.reach(tx, id=place.mailbox, uid_validity=place.uid_validity, uid=place.uid)
        reach("mail.taken_in")
    return id


def _read(context: Context, raw: bytes) -> Reading:
    ours = frozenset({context.house.email.lower(), sender_of(context).lower()})
    return read(raw, on=context.clock.today(), ours=ours, checked_by=context.settings.mail_checked_by)


def _row(reading: Reading) -> dict[str, Any]:
    fields = ("sender", "sender_name", "verified", "subject", "words", "folded", "returns_on", "why", "hard")
    return {
        **{field: getattr(reading, field) for field in fields},
        "kind": reading.kind.value,
        "moved_to": list(reading.moved_to),
        "failed": list(reading.failed),
    }


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PART):
        yield content[start : start + PART]


# which letter


async def _letter_of(tx: Transaction, reading: Reading) -> tuple[UUID | None, str]:
    """The one letter that a mail is about and how that is known; or none, and why not."""
    addressed = letters_addressed(tx.context, reading.addressed)
    followed = letters_followed(reading.follows)
    found = {row["id"]: row async for row in INCOMING.meant(tx, ids=sorted(addressed | followed))}
    addressed &= found.keys()
    followed &= found.keys()
    is_report = reading.kind is Kind.BOUNCE or (reading.kind is Kind.NOTICE and bool(reading.why))
    if is_report:
        meant, how = followed, _BY_RETURNED
        if not meant:  # nothing came back: the letter's own address will do, if it is this one's recipient
            meant, how = {id for id in addressed if found[id]["email"] in reading.failed}, _BY_ADDRESS
        elif addressed and addressed != meant:
            return None, _TWO
    else:
        meant, how = addressed | followed, _BY_ADDRESS if addressed else _BY_THREAD
    if len(meant) != 1:
        return None, _TWO if meant else _NONE
    [id] = meant
    if LetterState(found[id]["state"]) in _NOT_OUT:
        return None, _NOT_SENT
    return id, how


async def match_by_hand(tx: Transaction, id: UUID, letter_id: UUID) -> None:
    """A person says which letter a held mail is about.

    Raises:
        NotFound: when there is no such mail or no such letter.
        Conflict: when it was matched or set aside meanwhile, or the letter has not been sent.
    """
    mail = await _held(tx, id)
    letter = await lock_letter(tx, letter_id)
    if LetterState(letter["state"]) in _NOT_OUT:
        raise Conflict("This letter has not been sent yet.", "Choose a letter that was sent.")
    note(tx, "mail_matched", "incoming", id, after={"letter": str(letter_id)})
    await QUERIES.note(tx, letter_id=letter_id, what="A mail was matched by hand", who=STAFF, now=tx.now)
    await _match(tx, id, letter_id, mail, _BY_HAND)


async def set_aside(tx: Transaction, id: UUID) -> None:
    """A person says that a held mail is about no letter. It is kept for as long as others.

    Raises:
        NotFound: when there is no such mail.
        Conflict: when it was matched or set aside meanwhile.
    """
    await _held(tx, id)
    note(tx, "mail_set_aside", "incoming", id)
    await INCOMING.set_aside(tx, id=id, now=tx.now)


async def settle_mail(tx: Transaction, id: UUID) -> None:
    """A person has seen to what a mail says: it is our turn no longer.

    Raises:
        NotFound: when there is no such mail, or it is about no letter.
        Conflict: when it was settled before.
    """
    mail = await INCOMING.lock_incoming(tx, id=id)
    if mail is None or mail["state"] != "matched":
        raise NotFound
    if mail["settled_at"] is not None:
        raise Conflict("This was settled before.", "Reload the page.")
    note(tx, "mail_settled", "incoming", id)
    await INCOMING.settle(tx, id=id, now=tx.now)
    await QUERIES.touch_letter(tx, id=mail["letter_id"], now=tx.now)
    await QUERIES.note(
        tx, letter_id=mail["letter_id"], what="Their e-mail was seen to", who=STAFF, now=tx.now
    )


async def _held(tx: Transaction, id: UUID) -> Any:
    mail = await INCOMING.lock_incoming(tx, id=id)
    if mail is None:
        raise NotFound
    if mail["state"] != "held":
        raise Conflict("Somebody has dealt with this mail meanwhile.", "Reload the page to see how.")
    return mail


# what follows from it


async def _match(tx: Transaction, id: UUID, letter_id: UUID, mail: Any, how: str) -> None:
    """Enter that a mail is about a letter, with all that follows for the letter."""
    kind = Kind(mail["kind"])
    open_ = kind is Kind.ANSWER or bool(mail["moved_to"])
    await INCOMING.match(tx, id=id, letter_id=letter_id, reason=how, settled_at=None if open_ else tx.now)
    letter = await lock_letter(tx, letter_id)
    first = not await INCOMING.came_before(tx, letter_id=letter_id, kind=kind.value, id=id)
    said = partial(QUERIES.note, tx, letter_id=letter_id, now=tx.now)
    if kind is Kind.ANSWER:
        await said(what="Answered by e-mail: our turn", who=THEIR_MAIL)
        await record_answer(tx, letter_id, Answer(kind=AnswerKind.ACKNOWLEDGE), who=THEIR_MAIL)
    elif kind is Kind.AUTO_REPLY:
        if first:
            await said(what=f"Automatic reply, which is no answer{_away(mail)}", who=THEIR_MAIL)
        if can(AnswerState(letter["answer"]), AnswerState.AUTO_REPLIED):
            await QUERIES.set_answer(tx, id=letter_id, answer=AnswerState.AUTO_REPLIED.value, now=tx.now)
    elif kind is Kind.BOUNCE:
        if first:
            await said(what=f"Came back: {mail['why']}", who=THEIR_SERVER)
        await _bounced(tx, letter, mail)
    elif first:
        await said(what=mail["why"] or "A notice of their mail program", who=THEIR_SERVER)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)


def _away(mail: Any) -> str:
    return f": back on {day_words(mail['returns_on'])}" if mail["returns_on"] else ""


async def _bounced(tx: Transaction, letter: Any, mail: Any) -> None:
    """A letter did not arrive. Once, and not where somebody has said that it did."""
    answer = AnswerState(letter["answer"])
    if letter["delivery"] == "bounced" or answer not in (AnswerState.SILENT, AnswerState.AUTO_REPLIED):
        return
    if letter["state"] == LetterState.UNKNOWN:
        await mark_sent(tx, letter["id"], who=THEIR_SERVER)  # what came back had left
    settled = await INCOMING.set_bounced(tx, id=letter["id"], now=tx.now)
    await announce(
        tx,
        LetterBounced,
        subject=letter["id"],
        sequence=settled["version"],
        bounced_at=tx.now,
        permanent=mail["hard"],
        **facts_of(settled),
    )
