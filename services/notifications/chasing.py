"""Chasing: another word about a letter that nobody has answered, and about no other.

Whom to chase is looked up when a chaser is ordered, again in the transaction that claims it, with the letter
locked, and once more when it is about to be handed over. A chaser that may go no longer is kept, with why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, Refused
from services.notifications.campaigns import STAFF, sender_of
from services.notifications.domain import (
    LATE_AFTER,
    AnswerState,
    LetterState,
    message_id,
)
from services.notifications.letters import content_of, values_of
from services.notifications.patience import (
    LONGEST_PAUSE,
    MOST_CHASERS,
    Refusal,
    Waiting,
    because,
    chased_before,
    waiting_before,
    why_not,
)
from services.notifications.queries import CHASING, QUERIES
from services.notifications.rendering import LetterContent
from services.notifications.stops import stopped
from services.notifications.wording import check_template, merge

#: How long those who order chasers may call them back.
SECOND_THOUGHTS = timedelta(minutes=2)
#: Bodies that are chased at once, on the page and by itself.
MOST = 200
#: Chasers that are looked at in one claim, when most of them may go no longer.
_LOOKS = 50
LONGEST_WORDS = 5_000

#: What a chaser says until a campaign says it otherwise.
FIRST_WORDS = """Dear {contact_name},

Some weeks ago we wrote to you at {body_name}. We have not heard from you yet. Letters do go astray,
so here is ours once more: it is attached.

It takes one minute to answer, and needs no account:
{response_url}

You can say there that the letter has reached you, which commits you to nothing. A “no” helps us as well.

Yours sincerely,"""

CALLED_BACK = "It was called back before it was sent."
_LOST = "We were interrupted while this chaser was being sent, so it may or may not have arrived."
_ASK = "Ask the recipient, then mark it as sent or send it again."


# Ordering


@dataclass(frozen=True)
class Order:
    """What came of an order to chase."""

    batch_id: UUID
    #: How many chasers go.
    chasers: int
    #: Why others do not, by letter.
    refused: Mapping[UUID, Refusal]


async def order_chasers(
    tx: Transaction, letter_ids: Sequence[UUID], *, who: str = STAFF, after: timedelta = SECOND_THOUGHTS
) -> Order:
    """Chase about these letters, as far as that may be done, once there was time to think again."""
    await CHASING.lock_letters(tx, ids=list(letter_ids))
    facts = await _waiting(tx, letter_ids)
    refused = {id: refusal for id, (row, letter) in facts.items() if (refusal := why_not(letter, tx.today))}
    chosen = {id: found for id, found in facts.items() if id not in refused}
    batch_id: UUID = uuid_utils.compat.uuid7()
    chasers = [_chaser(tx, row, "email", because(letter, tx.today)) for row, letter in chosen.values()]
    await _enter(tx, batch_id, chasers, who, tx.now + after)
    return Order(batch_id=batch_id, chasers=len(chasers), refused=refused)


def _chaser(tx: Transaction, row: Any, channel: str, why: str) -> dict[str, Any]:
    number = row["numbers"] + 1
    domain = sender_of(tx.context).rpartition("@")[2]
    return {
        "id": str(uuid_utils.compat.uuid7()),
        **{name: str(row[column]) for name, column in _COPIED.items()},
        "number": number,
        "channel": channel,
        "message_id": message_id(row["id"], domain, number + 1),
        "because": why,
    }


_COPIED = {"letter_id": "id", "campaign_id": "campaign_id", "contact_id": "contact_id"}


async def _enter(
    tx: Transaction, batch_id: UUID, chasers: Sequence[Mapping[str, Any]], who: str, next_try: datetime
) -> None:
    campaigns = sorted({UUID(chaser["campaign_id"]) for chaser in chasers})
    await CHASING.enter_first_words(tx, ids=campaigns, body=FIRST_WORDS, now=tx.now)
    await CHASING.enter_chasers(
        tx, chasers=list(chasers), batch_id=batch_id, next_try=next_try, who=who, now=tx.now
    )


async def chase_bodies(tx: Transaction, bodies: Sequence[tuple[UUID, UUID]]) -> Order:
    """Chase about every letter to these bodies (campaign, organisation) that is due.

    Raises:
        Conflict: when none of them is.
    """
    ids = [row["id"] for each in bodies async for row in letters_due_of(tx, *each)]
    order = await order_chasers(tx, ids)
    if not order.chasers:
        why = next(iter(order.refused.values()), None)
        raise Conflict("Nobody of these is chased any more.", why.words if why else "Reload the page.")
    note(tx, "chased", "chasers", order.batch_id, after={"chasers": order.chasers})
    return order


async def order_by_post(tx: Transaction, letter_id: UUID, batch_id: UUID) -> None:
    """Let a person post what a chaser says, however often it was mailed."""
    row, letter = (await _waiting(tx, [letter_id]))[letter_id]
    await _enter(tx, batch_id, [_chaser(tx, row, "post", because(letter, tx.today))], STAFF, tx.now)


def letters_due_of(tx: Transaction, campaign_id: UUID, organisation_id: UUID) -> Any:
    """The ids of the letters that went to a body in a campaign."""
    return CHASING.letters_due_of(tx, campaign_id=campaign_id, organisation_id=organisation_id)


async def call_back(tx: Transaction, batch_id: UUID) -> int:
    """Send none of these chasers that nobody has begun to send. How many."""
    back = int(await CHASING.call_back(tx, batch_id=batch_id, words=CALLED_BACK, who=STAFF, now=tx.now))
    note(tx, "chasers_called_back", "chasers", batch_id, after={"chasers": back})
    return back


async def chase_by_itself(tx: Transaction) -> int:
    """Order chasers in campaigns that want it so. How many bodies."""
    rows = await due(tx, by_itself=True)
    if rows:
        ids = [id for row in rows for id in row["letter_ids"]]
        await order_chasers(tx, ids, who="the calendar", after=timedelta(0))
    return len(rows)


# Whom to chase


async def due(
    tx: Transaction,
    *,
    campaign_id: UUID | None = None,
    organisation_id: UUID | None = None,
    by_itself: bool = False,
    enough: bool = False,
    most: int = MOST,
) -> list[Any]:
    """The bodies to chase today, one row each; with `enough`, those that were chased as often as we do."""
    found = CHASING.due_to_be_chased(
        tx,
        today=tx.today,
        late_before=waiting_before(tx.today, LATE_AFTER),
        chased_before=chased_before(tx.today),
        campaign_id=campaign_id,
        organisation_id=organisation_id,
        by_itself=by_itself,
        enough=enough,
        most=most,
    )
    return await rows_of(found)


async def waiting_of(tx: Transaction, letter_id: UUID) -> Waiting:
    """What decides whether somebody is chased about a letter.

    Raises:
        NotFound: when there is no such letter.
    """
    facts = await _waiting(tx, [letter_id])
    if letter_id not in facts:
        raise NotFound
    return facts[letter_id][1]


async def _waiting(
    tx: Transaction, letter_ids: Sequence[UUID], but_chaser: UUID | None = None
) -> dict[UUID, tuple[Any, Waiting]]:
    found = CHASING.waiting_letters(tx, ids=list(letter_ids), today=tx.today, but_chaser=but_chaser)
    rows = [row async for row in found]
    stops = await stopped(tx, [row["contact_id"] for row in rows])
    return {row["id"]: (row, _read(row, wants_none=row["contact_id"] in stops)) for row in rows}


_ANSWERS = list(AnswerState)


def _read(row: Any, *, wants_none: bool) -> Waiting:
    answers = map(AnswerState, row["body_answers"])
    return Waiting(
        state=LetterState(row["state"]),
        answer=AnswerState(row["answer"]),
        body_answer=max(answers, key=_ANSWERS.index),
        since=_day(row["waits_since"]),
        last_chased_on=_day(row["last_at"]),
        most=row["chase_most"],
        every=row["chase_every"],
        listed=row["listed"] is True,
        has_address=row["has_address"] is True,
        stopped=row["stopped"] or wants_none,
        **{name: row[name] for name in ("came_back", "chased", "under_way", "closed_on")},
    )


def _day(moment: datetime | None) -> Any:
    return moment.astimezone(LOCAL).date() if moment else None


# Sending


async def claim_next(tx: Transaction) -> Any:
    """The chaser that is due longest and may go; whatever may not, is withheld with the reason.

    The letter is locked first and looked at afterwards: an answer that is being recorded at this moment is
    either seen here, or its chaser is passed over until it is.
    """
    for _ in range(_LOOKS):
        chaser = await CHASING.lock_due_chaser(tx, now=tx.now)
        if chaser is None:
            return None
        refusal = await _refusal(tx, chaser["id"], chaser["letter_id"])
        if refusal is None:
            return await CHASING.claim_chaser(tx, id=chaser["id"], now=tx.now)
        await _withhold(tx, chaser["id"], refusal, claimed_at=None)
    return None


async def no_longer(tx: Transaction, chaser_id: UUID, letter_id: UUID, claimed_at: datetime) -> bool:
    """Whether a claimed chaser may go no longer, because somebody answered meanwhile; then it is withheld."""
    await CHASING.lock_letters(tx, ids=[letter_id])
    refusal = await _refusal(tx, chaser_id, letter_id)
    if refusal is not None:
        await _withhold(tx, chaser_id, refusal, claimed_at=claimed_at)
    return refusal is not None


async def _refusal(tx: Transaction, chaser_id: UUID, letter_id: UUID) -> Refusal | None:
    _, letter = (await _waiting(tx, [letter_id], but_chaser=chaser_id))[letter_id]
    return why_not(letter, tx.today)


async def _withhold(tx: Transaction, chaser_id: UUID, why: Refusal, *, claimed_at: datetime | None) -> None:
    await CHASING.withhold_chaser(
        tx, id=chaser_id, reason=why.code.value, words=why.words, claimed_at=claimed_at, now=tx.now
    )


async def give_up_lost(tx: Transaction, before: datetime) -> int:
    """Chasers that were claimed before are unknown: their sender was lost. How many."""
    lost = CHASING.give_up_chasers(tx, before=before, failure=_LOST, cure=_ASK, now=tx.now)
    return len([row async for row in lost])


async def chasers_on_their_way(tx: Transaction) -> int:
    """How many chasers were ordered and are not settled yet."""
    return int(await CHASING.chasers_on_their_way(tx))


def chaser_content(context: Context, letter: Any, words: str) -> LetterContent:
    """What a chaser says: a reply to the letter, with the same link."""
    first = content_of(context, letter)
    said = {"subject": f"Re: {first.subject}", "body": merge(words, values_of(context, letter))}
    return replace(first, **said, dated=context.clock.today(), evidence=None)


# One chaser, for a person


async def send_chaser_again(tx: Transaction, chaser_id: UUID) -> UUID:
    """Let a chaser go again that was refused, or of which nobody knows whether it left. Its letter."""
    chaser = await _lock(tx, chaser_id, (LetterState.FAILED, LetterState.UNKNOWN))
    note(tx, "chaser_sent_again", "chaser", chaser_id, before={"state": chaser["state"]})
    await CHASING.resend_chaser(tx, id=chaser_id, now=tx.now)
    return await _noted(tx, chaser, f"Chaser {chaser['number']}: to be sent again")


async def mark_chaser_sent(tx: Transaction, chaser_id: UUID) -> UUID:
    """Note that a chaser arrived, or that it was posted. Its letter."""
    chaser = await _lock(tx, chaser_id, (LetterState.UNKNOWN, LetterState.READY))
    posted = chaser["channel"] == "post"
    if not posted and chaser["state"] == LetterState.READY:
        raise _moved_on()
    note(tx, "chaser_marked_sent", "chaser", chaser_id, before={"state": chaser["state"]})
    await CHASING.mark_chaser_sent(tx, id=chaser_id, now=tx.now)
    return await _noted(tx, chaser, f"Chaser {chaser['number']}: {'posted' if posted else 'it arrived'}")


async def _lock(tx: Transaction, chaser_id: UUID, befores: Sequence[LetterState]) -> Any:
    chaser = await CHASING.lock_chaser(tx, id=chaser_id)
    if chaser is None:
        raise NotFound
    if chaser["state"] not in befores:
        raise _moved_on()
    return chaser


def _moved_on() -> Conflict:
    return Conflict("This chaser has moved on meanwhile.", "Reload the page to see where it stands.")


async def _noted(tx: Transaction, chaser: Any, what: str) -> UUID:
    letter_id: UUID = chaser["letter_id"]
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what=what, who=STAFF, now=tx.now)
    return letter_id


# What a campaign sets


@dataclass(frozen=True, kw_only=True)
class Chasing:
    """How a campaign chases."""

    #: How often at most, and how many working days apart.
    most: int
    every: int
    by_itself: bool
    words: str


def chasing_faults(chasing: Chasing) -> Iterator[Refused]:
    """Everything that has to be mended; the fields are named as on the form."""
    if not 0 <= chasing.most <= MOST_CHASERS:
        yield Refused(
            "We chase nobody that often.", f"Write a number from 0 to {MOST_CHASERS}.", field="most"
        )
    if not 1 <= chasing.every <= LONGEST_PAUSE:
        cure = f"Write a number of working days from 1 to {LONGEST_PAUSE}."
        yield Refused("This is no pause that we can keep.", cure, field="every")
    if len(chasing.words) > LONGEST_WORDS:
        yield Refused("This is too long.", f"Write at most {LONGEST_WORDS:,} characters.", field="words")
    for fault in check_template(chasing.words, "Re:"):
        yield Refused(fault.words, f"Line {fault.line}, character {fault.column}.", field="words")
    if "overdue" in chasing.words.casefold():
        cure = "It is courtesy, not law: say that you have not heard from them."
        yield Refused("This calls their answer overdue.", cure, field="words")


async def set_chasing(tx: Transaction, campaign_id: UUID, chasing: Chasing) -> None:
    """Chase in this way from now on. Chasers that were ordered before keep their words.

    Raises:
        NotFound: when there is no such campaign.
        Refused: names the first field at fault.
    """
    for fault in chasing_faults(chasing):
        raise fault
    if await QUERIES.lock_campaign(tx, id=campaign_id) is None:
        raise NotFound
    sets = {"most": chasing.most, "every": chasing.every, "by_itself": chasing.by_itself}
    note(tx, "chasing_set", "campaign", campaign_id, after={**sets, "words": digest_of(tx, chasing.words)})
    await CHASING.set_chasing(tx, id=campaign_id, **sets)
    newest = await words_of(tx, campaign_id)
    if newest["body"] != chasing.words:
        version = newest["version"] + 1
        await CHASING.enter_first_words(tx, ids=[campaign_id], body=FIRST_WORDS, now=tx.now)
        await CHASING.enter_words(
            tx, campaign_id=campaign_id, version=version, body=chasing.words, now=tx.now
        )


async def words_of(tx: Transaction, campaign_id: UUID) -> Mapping[str, Any]:
    """The words of a campaign's chasers, with their version."""
    found = await CHASING.chaser_words_of(tx, campaign_id=campaign_id)
    return dict(found) if found else {"version": 1, "body": FIRST_WORDS, "made_at": None}
