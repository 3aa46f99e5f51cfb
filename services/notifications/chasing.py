"""Chasing: another word about a letter that nobody has answered, and about no other.

Whom to chase is looked up when a chaser is ordered, again in the transaction that claims it, with the letter
locked, and once more when it is about to be handed over. A chaser that may go no longer is kept, with why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import compress
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound
from services.notifications.campaigns import sender_of
from services.notifications.chasing_settings import ACKNOWLEDGED, FIRST_WORDS
from services.notifications.colleagues import STAFF, done_by
from services.notifications.domain import (
    LATE_AFTER,
    AnswerState,
    Channel,
    LetterState,
    StopScope,
    message_id,
)
from services.notifications.letters import content_of, values_of
from services.notifications.pacing import spacing
from services.notifications.patience import (
    Refusal,
    Waiting,
    WhyNot,
    because,
    chased_before,
    not_their_turn,
    out_of_reach,
    waiting_before,
    why_not,
)
from services.notifications.queries import CHASING, QUERIES
from services.notifications.rendering import LetterContent
from services.notifications.stops import stopped
from services.notifications.wording import merge

#: How long those who order chasers may call them back.
SECOND_THOUGHTS = timedelta(minutes=2)
#: Bodies that are chased at once, on the page and by itself.
MOST = 200
#: Bodies whose turn it is that are looked at at once: some of them cannot be reached.
_LOOKED_AT = 5 * MOST

#: Two campaigns may ask the same person: they hear of one of them on one day.
_TWICE = Refusal(WhyNot.LATELY, "They are chased about another campaign today: chase them tomorrow.")
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
    busy = {row["contact_id"] async for row in _chased_today(tx, facts)}
    chosen = {}
    for id, found in facts.items():  # the oldest letter first
        if id in refused:
            continue
        if (contact_id := found[0]["contact_id"]) in busy:
            refused[id] = _TWICE
        else:
            busy.add(contact_id)
            chosen[id] = found
    batch_id: UUID = uuid_utils.compat.uuid7()
    chasers = [_chaser(tx, row, row["channel"], because(letter, tx.today)) for row, letter in chosen.values()]
    await _enter(tx, batch_id, chasers, who, tx.now + after)
    return Order(batch_id=batch_id, chasers=len(chasers), refused=refused)


def _chased_today(tx: Transaction, facts: Mapping[UUID, tuple[Any, Waiting]]) -> Any:
    contact_ids = list({row["contact_id"] for row, _ in facts.values()})
    return CHASING.chased_on(tx, contact_ids=contact_ids, on=tx.today)


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
        tx, chasers=list(chasers), batch_id=batch_id, next_try=next_try, **done_by(tx, who), now=tx.now
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
        raise Conflict("Nobody of these is chased any more.", why.words if why else "Open the page again.")
    note(tx, "chased", "chasers", order.batch_id, after={"chasers": order.chasers})
    return order


async def order_by_post(tx: Transaction, letter_id: UUID, batch_id: UUID) -> None:
    """Let a person post what a chaser says, however often it was mailed."""
    row, letter = (await _waiting(tx, [letter_id]))[letter_id]
    await _enter(tx, batch_id, [_chaser(tx, row, Channel.POST, because(letter, tx.today))], STAFF, tx.now)


def letters_due_of(tx: Transaction, campaign_id: UUID, organisation_id: UUID) -> Any:
    """The ids of the letters that went to a body in a campaign."""
    return CHASING.letters_due_of(tx, campaign_id=campaign_id, organisation_id=organisation_id)


async def call_back(tx: Transaction, batch_id: UUID, campaign_id: UUID | None = None) -> int:
    """Send none of these chasers that nobody has begun to send, in one campaign or in all. How many.

    Raises:
        Conflict: when there is none.
    """
    which = {"batch_id": batch_id, "campaign_id": campaign_id}
    back = int(await CHASING.call_back(tx, **which, words=CALLED_BACK, **done_by(tx), now=tx.now))
    if not back:
        raise Conflict("It is too late to call these chasers back.", "They were sent, or called back before.")
    note(tx, "chasers_called_back", "chasers", batch_id, after={"chasers": back})
    return back


async def chase_by_itself(tx: Transaction) -> int:
    """Order chasers in campaigns that want it so. How many bodies."""
    rows = await due(tx, by_itself=True)
    elsewhere = await said_elsewhere(tx, rows)
    rows = [row for row in rows if (row["campaign_id"], row["organisation_id"]) not in elsewhere]
    if rows:
        ids = [id for row in rows for id in row["letter_ids"]]
        await order_chasers(tx, ids, who="the calendar", after=timedelta(0))
    return len(rows)


# Whom to chase


@dataclass(frozen=True)
class ToChase:
    """Whose turn it is to be chased, whoever has waited longest first."""

    #: One for each body of a campaign, with the letters about which somebody can be chased.
    rows: Sequence[Mapping[str, Any]]
    #: Whose turn it is and who is not chased, with why: for each reason one row of a body of a campaign.
    left_out: Sequence[tuple[Mapping[str, Any], Refusal]]
    #: Bodies to chase, each once whatever campaigns ask it; where there are more rows than one looks at, as
    #: many as it is the turn of.
    in_all: int


async def due(tx: Transaction, **which: Any) -> Sequence[Mapping[str, Any]]:
    """The bodies to chase today, one row each. Which, as `whom_to_chase` says."""
    return (await whom_to_chase(tx, **which)).rows


async def whom_to_chase(
    tx: Transaction,
    *,
    campaign_id: UUID | None = None,
    organisation_id: UUID | None = None,
    by_itself: bool = False,
    enough: bool = False,
    most: int = MOST,
) -> ToChase:
    """Whose turn it is today; with `enough`, those that were chased as often as we do."""
    rows = await rows_of(
        CHASING.due_to_be_chased(
            tx,
            today=tx.today,
            organisation_id=organisation_id,
            by_itself=by_itself,
            most=_LOOKED_AT,
            **_turns(tx, campaign_id, enough=enough),
        )
    )
    stops = await stopped(tx, list({id for row in rows for id in row["contact_ids"]}))
    turns = await _turns_of(tx, [id for row in rows for id in row["letter_ids"]])
    found, left_out = [], []
    for row in rows:
        refusals = [
            not_their_turn(**_not_theirs(turns[id])) or _refused(row, n, stops, tx.today, enough=enough)
            for n, id in enumerate(row["letter_ids"])
        ]
        for refusal in dict.fromkeys(refusals):
            part = _part(row, [why == refusal for why in refusals])
            if refusal is None:
                found.append(part)
            else:
                left_out.append((part, refusal))
    count = await _count_turns(tx, campaign_id, enough=enough)
    return ToChase(found[:most], left_out, count if len(rows) == _LOOKED_AT else _bodies_in(found))


async def _turns_of(tx: Transaction, letter_ids: Sequence[UUID]) -> dict[UUID, Any]:
    return {row["id"]: row async for row in CHASING.turns_of(tx, ids=list(letter_ids))}


def _not_theirs(turn: Any) -> dict[str, Any]:
    return {name: turn[name] for name in ("unseen", "unconfirmed", "passed_on")}


def _part(row: Mapping[str, Any], which: Sequence[bool]) -> Mapping[str, Any]:
    """A body with some of its letters, and the roles of those whom they went to."""
    return {**row, **{name: [*compress(row[name], which)] for name in ("letter_ids", "roles")}}


def _bodies_in(rows: Sequence[Mapping[str, Any]]) -> int:
    return len({row["organisation_id"] for row in rows})


def _refused(
    row: Mapping[str, Any], n: int, stops: Mapping[UUID, StopScope], on: date, *, enough: bool
) -> Refusal | None:
    """Why nobody is chased about the n-th of a body's letters; with `enough`, somebody else there may be."""
    scope = stops.get(row["contact_ids"][n])
    return out_of_reach(
        on,
        wants_none=scope is StopScope.BODY or (scope is not None and not enough),
        closed_on=row["closed_on"],
        listed=enough or row["listed"][n],
        has_address=enough or row["has_address"][n],
        by_post=row["channels"][n] == Channel.POST,
    )


async def said_elsewhere(
    tx: Transaction, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[UUID, UUID], list[Any]]:
    """What bodies to chase have said in other campaigns for the same fund meanwhile, by campaign and body."""
    bodies = [{name: str(row[name]) for name in ("campaign_id", "organisation_id")} for row in rows]
    found: dict[tuple[UUID, UUID], list[Any]] = {}
    async for row in CHASING.said_elsewhere(tx, bodies=bodies):
        found.setdefault((row["campaign_id"], row["organisation_id"]), []).append(row)
    return found


async def count_due(tx: Transaction, campaign_id: UUID | None = None) -> int:
    """How many bodies to chase; where there are more than one looks at, as many as it is the turn of."""
    turns = await _count_turns(tx, campaign_id, enough=False)
    return turns if turns > _LOOKED_AT else (await whom_to_chase(tx, campaign_id=campaign_id)).in_all


async def _count_turns(tx: Transaction, campaign_id: UUID | None, *, enough: bool) -> int:
    return int(await CHASING.count_due(tx, **_turns(tx, campaign_id, enough=enough)))


def _turns(tx: Transaction, campaign_id: UUID | None, *, enough: bool) -> dict[str, Any]:
    return {
        "late_before": waiting_before(tx.today, LATE_AFTER),
        "chased_before": chased_before(tx.today),
        "campaign_id": campaign_id,
        "enough": enough,
    }


async def waiting_of(tx: Transaction, letter_id: UUID) -> Waiting:
    """What decides whether somebody is chased about a letter.

    Raises:
        NotFound: when there is no such letter.
    """
    facts = await _waiting(tx, [letter_id])
    if letter_id not in facts:
        raise NotFound
    return facts[letter_id][1]


async def waiting_by_post(tx: Transaction, letter_ids: Sequence[UUID]) -> dict[UUID, Waiting]:
    """What decides whether somebody is chased by post about each of these letters."""
    return {id: letter for id, (_, letter) in (await _waiting(tx, letter_ids, by_post=True)).items()}


async def _waiting(
    tx: Transaction, letter_ids: Sequence[UUID], but_chaser: UUID | None = None, *, by_post: bool = False
) -> dict[UUID, tuple[Any, Waiting]]:
    found = CHASING.waiting_letters(tx, ids=list(letter_ids), today=tx.today, but_chaser=but_chaser)
    rows = [row async for row in found]
    stops = await stopped(tx, [row["contact_id"] for row in rows])
    turns = await _turns_of(tx, letter_ids)

    def read(row: Any) -> Waiting:
        wants_none = row["contact_id"] in stops
        return _read(row, turns[row["id"]], wants_none=wants_none, by_post=by_post or _posted(row))

    return {row["id"]: (row, read(row)) for row in rows}


def _posted(row: Any) -> bool:
    """Whether whoever got this letter is chased by post: whom we do not mail, we do not mail chasers."""
    return bool(row["channel"] == Channel.POST)


_ANSWERS = list(AnswerState)


def _read(row: Any, turn: Any, *, wants_none: bool, by_post: bool) -> Waiting:
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
        has_address=row["has_postal" if by_post else "has_email"] is True,
        by_post=by_post,
        stopped=row["stopped"],
        wants_none=wants_none,
        passed_to=turn["passed_to"],
        **_not_theirs(turn),
        **{name: row[name] for name in ("came_back", "chased", "under_way", "closed_on")},
    )


def _day(moment: datetime | None) -> Any:
    return moment.astimezone(LOCAL).date() if moment else None


# Sending


async def take_chasers(tx: Transaction, ids: Sequence[UUID], until: datetime) -> Sequence[Any]:
    """Of these chasers those that may go, with all that they say; the others are withheld."""
    locked = await rows_of(CHASING.lock_due_chasers(tx, ids=ids, now=tx.now))
    may_go = [row["id"] for row in locked if not await _withheld(tx, row["id"], row["letter_id"])]
    apart = spacing(tx.context.settings)
    return await rows_of(CHASING.take_chasers(tx, ids=may_go, spacing=apart, until=until, now=tx.now))


async def claim_chaser(tx: Transaction, chaser: Any, until: datetime) -> int | None:
    """Which try of a chaser that was taken this is, if it still may go; where it may not, it is withheld.

    The letters are locked first and looked at afterwards: whoever has begun to answer, from whichever letter
    to the body, is waited for.

    Args:
        chaser: as it was taken.
    """
    await CHASING.lock_letters_beside(tx, letter_id=chaser["id"])
    as_made = {name: chaser[name] for name in ("version", "email")}
    id = chaser["chaser_id"]
    if not await CHASING.lock_taken_chaser(tx, id=id, until=until, **as_made):
        return None
    if await _withheld(tx, id, chaser["id"]):
        return None
    return int(await CHASING.claim_chaser(tx, id=id, now=tx.now))


async def _withheld(tx: Transaction, chaser_id: UUID, letter_id: UUID) -> bool:
    """Whether a chaser may not go; then it is withheld."""
    _, letter = (await _waiting(tx, [letter_id], but_chaser=chaser_id))[letter_id]
    refusal = why_not(letter, tx.today)
    if refusal is not None:
        said = {"reason": refusal.code.value, "words": refusal.words}
        await CHASING.withhold_chaser(tx, id=chaser_id, **said, now=tx.now)
    return refusal is not None


async def give_up_lost(tx: Transaction, before: datetime) -> int:
    """Chasers that were claimed before are unknown: their sender was lost. How many."""
    lost = CHASING.give_up_chasers(tx, before=before, failure=_LOST, cure=_ASK, now=tx.now)
    return len([row async for row in lost])


async def chasers_on_their_way(tx: Transaction) -> int:
    """How many chasers were ordered and are not settled yet."""
    return int(await CHASING.chasers_on_their_way(tx))


def chaser_content(
    context: Context,
    letter: Any,
    words: str,
    dated: date | None = None,
    token: str = "",
    *,
    acknowledged: bool,
) -> LetterContent:
    """What a chaser says: a reply to the letter, with the same link; dated today unless made before.

    Args:
        token: as for the content of the letter.
        acknowledged: whether somebody has said, by then, that the letter is there.
    """
    first = content_of(context, letter, token)
    values = values_of(context, letter, token) | {ACKNOWLEDGED: "yes" if acknowledged else ""}
    subject, body = f"Re: {first.subject}", merge(words, values)
    return replace(first, subject=subject, body=body, dated=dated or context.clock.today(), evidence=None)


# One chaser, for a person


async def send_chaser_again(tx: Transaction, chaser_id: UUID) -> UUID:
    """Let a chaser go again that was refused, or of which nobody knows whether it left. Its letter."""
    chaser = await _lock(tx, chaser_id, (LetterState.FAILED, LetterState.UNKNOWN))
    note(tx, "chaser_sent_again", "chaser", chaser_id, before={"state": chaser["state"]})
    await CHASING.resend_chaser(tx, id=chaser_id, now=tx.now)
    return await _noted(tx, chaser, f"Chaser {chaser['number']}: to be sent again")


async def mark_chaser_sent(tx: Transaction, chaser_id: UUID) -> UUID:
    """Note that a chaser arrived of which nobody knew whether it had left. Its letter."""
    chaser = await _lock(tx, chaser_id, (LetterState.UNKNOWN,))
    note(tx, "chaser_marked_sent", "chaser", chaser_id, before={"state": chaser["state"]})
    await CHASING.mark_chaser_sent(tx, id=chaser_id, now=tx.now)
    return await _noted(tx, chaser, f"Chaser {chaser['number']}: it arrived")


async def _lock(tx: Transaction, chaser_id: UUID, befores: Sequence[LetterState]) -> Any:
    chaser = await CHASING.lock_chaser(tx, id=chaser_id)
    if chaser is None:
        raise NotFound
    if chaser["state"] not in befores:
        raise _moved_on()
    return chaser


def _moved_on() -> Conflict:
    return Conflict("This chaser has moved on meanwhile.", "Open the page again to see where it stands.")


async def _noted(tx: Transaction, chaser: Any, what: str) -> UUID:
    letter_id: UUID = chaser["letter_id"]
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx), now=tx.now)
    return letter_id
