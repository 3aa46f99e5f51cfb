"""Mail that comes: kept as it is, told apart, matched to the one letter that it is about, or held.

A mail is taken in once, however often and by whichever way it comes. It is matched by the address that it
came to, then by what it answers; when that names no letter, or two, a person decides. Nothing is thrown away
and nothing is ever answered from here: no loop can begin.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
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
from services.notifications.answers import Answer, correct_answer, record_answer
from services.notifications.campaigns import sender_of
from services.notifications.colleagues import STAFF, done_by
from services.notifications.domain import AnswerKind, AnswerState, LetterState, StopScope, can, day_words
from services.notifications.letters import (
    ARRIVED,
    HAD_LEFT,
    HANDED_OVER,
    facts_of,
    lock_letter,
    mark_sent,
)
from services.notifications.queries import INCOMING, QUERIES
from services.notifications.reading.kinds import BEGINNING, LARGEST_MAIL, Kind, Reading, digest_of, read
from services.notifications.replies import is_like_replies, letters_addressed, letters_followed
from services.notifications.stops import BY_MAIL, stop, take_back

_log = logger(__name__)

#: Who did it, in a letter's history.
THEIR_MAIL = "their e-mail"
THEIR_SERVER = "their mail server"

_BY_ADDRESS = "By the letter’s own address."
_BY_THREAD = "By the letter that it answers."
_BY_REFERENCE = "By its reference, from the address that the letter went to."
_BY_RETURNED = "By the letter that came back with it."
_BY_HAND = "By hand."

_OTHER = "It was matched to a letter that it is not about."
_ABOUT_ANOTHER = "The mail that asked for it is about another letter."
_NONE = "It names no letter of ours."
_NOT_THEIRS = "It asks for no more letters, from another address than the letter that it names went to."
_TWO = "It names more than one letter."
_NOT_SENT = "It names a letter that has not been sent."
_FAILED = "It could not be matched by itself."
#: Of a mail that is too large: where the whole of it is, by the way that it came.
_STILL_THERE = "Only its beginning was kept: the whole is still in the mailbox that it came to."
_LET_GO = "Only its beginning was kept, and here there is no more of it: ask whoever wrote it for the rest."

#: States of a letter about which nothing can have come yet.
_NOT_OUT = frozenset({LetterState.DRAFT, LetterState.BLOCKED})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a mailbox a mail stands."""

    mailbox: bytes
    uid_validity: int
    uid: int


async def receive(
    database: Database,
    raw: bytes,
    *,
    came_to: Sequence[str] = (),
    place: Place | None = None,
    cut: bool = False,
) -> UUID | None:
    """Take in one mail. Its id; nothing when it was taken in before.

    Args:
        came_to: the addresses that it was handed over for, where a mail server says so beside the mail.
        place: where it stands in a mailbox, which is read on from there once this is done.
        cut: whether there was more of it than this.

    Raises:
        DatabaseAway: when it could not be kept; it has to come again.
    """
    reading = await asyncio.to_thread(_read, database.context, raw, came_to)
    take = partial(_take_in, database, raw, reading, place)
    too_large = _STILL_THERE if place else _LET_GO
    held = too_large if cut or len(raw) > LARGEST_MAIL else ""
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
    reach("mail.kept")
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
            kept = raw[:BEGINNING] if held in (_STILL_THERE, _LET_GO) else raw
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


def is_for_us(context: Context, address: str) -> bool:
    """Whether mail to this address is for us: the house's own, or written like that of a letter.

    One that only looks like a letter's may be mistyped: its mail is held for a person.
    """
    return address.lower() in _ours(context) or is_like_replies(context, address)


def _ours(context: Context) -> frozenset[str]:
    return frozenset({context.house.email.lower(), sender_of(context).lower()})


def _read(context: Context, raw: bytes, came_to: Sequence[str]) -> Reading:
    checked_by = context.settings.mail_checked_by
    return read(raw, on=context.clock.today(), came_to=came_to, ours=_ours(context), checked_by=checked_by)


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
    named = INCOMING.meant(tx, ids=sorted(addressed | followed), reference=reading.reference)
    found = {row["id"]: row async for row in named}
    addressed &= found.keys()
    followed &= found.keys()
    if reading.kind is Kind.STOP:
        return _stopped_letter(reading, found)
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
    return _sent(found[id], how)


def _stopped_letter(reading: Reading, found: Mapping[UUID, Any]) -> tuple[UUID | None, str]:
    """The letter that a stop names: only whoever has it may say so by themselves, and of no other."""
    [letter] = [row for row in found.values() if row["reference"] == reading.reference] or [None]
    if letter is None:
        return None, _NONE
    if len(found) > 1:
        return None, _TWO
    if letter["email"] != reading.sender:
        return None, _NOT_THEIRS
    return _sent(letter, _BY_REFERENCE)


def _sent(letter: Any, how: str) -> tuple[UUID | None, str]:
    if LetterState(letter["state"]) in _NOT_OUT:
        return None, _NOT_SENT
    return letter["id"], how


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
    await QUERIES.note(tx, letter_id=letter_id, what="A mail was matched by hand", **done_by(tx), now=tx.now)
    await _match(tx, id, letter_id, mail, _BY_HAND)


async def unmatch(tx: Transaction, id: UUID) -> None:
    """A person says that a mail is not about the letter that it was matched to. It is held again.

    What followed from it for the letter is taken back, unless another mail says the same.

    Raises:
        NotFound: when there is no such mail, or it is about no letter.
    """
    mail = await INCOMING.lock_incoming(tx, id=id)
    if mail is None or mail["state"] != "matched":
        raise NotFound
    letter = await lock_letter(tx, mail["letter_id"])
    note(tx, "mail_unmatched", "incoming", id, before={"letter": str(letter["id"])})
    what = "A mail was matched by mistake: it is about another letter"
    await QUERIES.note(tx, letter_id=letter["id"], what=what, **done_by(tx), now=tx.now)
    alike = await INCOMING.another_like_it(tx, letter_id=letter["id"], kind=mail["kind"], id=id)
    if alike is None:
        await _take_back(tx, letter, mail)
    elif mail["answer_id"] is not None:
        await INCOMING.led_to(tx, id=alike, answer_id=mail["answer_id"])
    await INCOMING.unmatch(tx, id=id, reason=_OTHER)
    await QUERIES.touch_letter(tx, id=letter["id"], now=tx.now)


async def _take_back(tx: Transaction, letter: Any, mail: Any) -> None:
    kind, answer = Kind(mail["kind"]), AnswerState(letter["answer"])
    if kind is Kind.BOUNCE:
        await INCOMING.not_bounced(tx, id=letter["id"], now=tx.now)
    elif kind is Kind.STOP:
        await take_back(tx, letter["id"], who=STAFF, ways=(BY_MAIL,), because=_ABOUT_ANOTHER)
    elif kind is Kind.AUTO_REPLY and answer is AnswerState.AUTO_REPLIED:
        await QUERIES.set_answer(tx, id=letter["id"], answer=AnswerState.SILENT.value, now=tx.now)
    elif mail["answer_id"] is not None:
        found = await QUERIES.answer(tx, id=mail["answer_id"])
        if found["corrected_at"] is None:
            await correct_answer(tx, found["id"], None, None)


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
        raise Conflict("This was settled before.", "Open the page again.")
    note(tx, "mail_settled", "incoming", id)
    await INCOMING.settle(tx, id=id, now=tx.now)
    await QUERIES.touch_letter(tx, id=mail["letter_id"], now=tx.now)
    await QUERIES.note(
        tx, letter_id=mail["letter_id"], what="Their e-mail was seen to", **done_by(tx), now=tx.now
    )


async def _held(tx: Transaction, id: UUID) -> Any:
    mail = await INCOMING.lock_incoming(tx, id=id)
    if mail is None:
        raise NotFound
    if mail["state"] != "held":
        raise Conflict("Somebody has dealt with this mail meanwhile.", "Open the page again to see how.")
    return mail


# what follows from it


async def _match(tx: Transaction, id: UUID, letter_id: UUID, mail: Any, how: str) -> None:
    """Enter that a mail is about a letter, with all that follows for the letter."""
    kind = Kind(mail["kind"])
    # Whoever wants no more letters need not write anything; where they did, a person reads it.
    written = kind is Kind.STOP and bool(mail["words"])
    open_ = kind is Kind.ANSWER or written or bool(mail["moved_to"])
    await INCOMING.match(tx, id=id, letter_id=letter_id, reason=how, settled_at=None if open_ else tx.now)
    letter = await lock_letter(tx, letter_id)
    await _see_that_it_left(tx, letter, kind)
    first = not await INCOMING.came_before(tx, letter_id=letter_id, kind=kind.value, id=id)
    note_line = partial(QUERIES.note, tx, letter_id=letter_id, now=tx.now)
    if kind is Kind.ANSWER:
        await note_line(what="Answered by e-mail: our turn", **done_by(tx, THEIR_MAIL))
        await record_answer(tx, letter_id, Answer(kind=AnswerKind.ACKNOWLEDGE), who=THEIR_MAIL)
        newest = await QUERIES.newest_answer(tx, letter_id=letter_id)
        if newest is not None and newest["at"] == tx.now:
            await INCOMING.led_to(tx, id=id, answer_id=newest["id"])
    elif kind is Kind.STOP:
        await stop(tx, letter, StopScope.PERSON, way=BY_MAIL, who=THEIR_MAIL)
    elif kind is Kind.AUTO_REPLY:
        if first:
            await note_line(
                what=f"Automatic reply, which is no answer{_away(mail)}", **done_by(tx, THEIR_MAIL)
            )
        if can(AnswerState(letter["answer"]), AnswerState.AUTO_REPLIED):
            await QUERIES.set_answer(tx, id=letter_id, answer=AnswerState.AUTO_REPLIED.value, now=tx.now)
    elif kind is Kind.BOUNCE:
        if first:
            await note_line(what=f"Came back: {mail['why']}", **done_by(tx, THEIR_SERVER))
        await _bounced(tx, letter, mail)
    elif first:
        await note_line(what=mail["why"] or "A notice of their mail program", **done_by(tx, THEIR_SERVER))
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)


async def _see_that_it_left(tx: Transaction, letter: Any, kind: Kind) -> None:
    """What comes back had left: known before anything else that follows from a mail."""
    if letter["state"] in HANDED_OVER:
        by_server = kind in (Kind.BOUNCE, Kind.NOTICE)
        who, what = (THEIR_SERVER, HAD_LEFT) if by_server else (THEIR_MAIL, ARRIVED)
        await mark_sent(tx, letter["id"], who, what)


def _away(mail: Any) -> str:
    return f": back on {day_words(mail['returns_on'])}" if mail["returns_on"] else ""


async def _bounced(tx: Transaction, letter: Any, mail: Any) -> None:
    """A letter did not arrive. Once, and not where somebody has said that it did."""
    answer = AnswerState(letter["answer"])
    if letter["delivery"] == "bounced" or answer not in (AnswerState.SILENT, AnswerState.AUTO_REPLIED):
        return
    settled = await INCOMING.set_delivery(tx, id=letter["id"], delivery="bounced", now=tx.now)
    await announce(
        tx,
        LetterBounced,
        subject=letter["id"],
        sequence=settled["version"],
        bounced_at=tx.now,
        permanent=mail["hard"],
        **facts_of(settled),
    )
