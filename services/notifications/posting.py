"""Post: what waits to be printed, batches that are printed as one file, and what became of them.

Whatever goes into a batch is looked at in the transaction that makes it, as an e-mail is in the one that
claims it. From then on it is in no other batch until a person has said what became of this one: posted, or
spoiled and to be printed again. Between printing and posting something may change; it is told on the batch's
page, and whoever posts it takes those sheets out. Nothing is printed a second time by itself.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note
from chassis.clock import LOCAL
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import Announcement, announce, announce_many
from contracts.notifications import LetterBounced, LetterSent
from services.notifications.campaigns import addressed_to
from services.notifications.chasing import waiting_by_post
from services.notifications.colleagues import done_by
from services.notifications.domain import (
    AnswerState,
    Block,
    BlockReason,
    Channel,
    LetterState,
    StopScope,
    answered_block,
    block_reason,
    closed_block,
    day_words,
    stopped_block,
    withdrawn_block,
)
from services.notifications.letters import facts_of, lock_letter, said_sent
from services.notifications.patience import waits_from, why_not_by_post
from services.notifications.queries import CHASING, INCOMING, POSTING, QUERIES
from services.notifications.readdressing import follow_bodies
from services.notifications.stages import set_aside_stopped
from services.notifications.stops import check_reason, stopped
from services.notifications.suspecting import suspect_returned

#: Letters of one batch: what a person prints, folds and posts together.
MOST = 1_500
#: More than a batch has.
_ALL = 1_000_000

SPOILED = "The sheet was spoiled."


@dataclass(frozen=True)
class Ordered:
    """What came of an order to print."""

    #: None where nothing could go.
    batch_id: UUID | None
    letters: int
    #: Set aside, each with its reason.
    aside: int


async def order_batch(tx: Transaction, campaign_id: UUID | None, *, duplex: bool, by: UUID | None) -> Ordered:
    """Put what waits for the post into a batch; its file is made in the background.

    Args:
        campaign_id: of this campaign alone; None for all.

    Raises:
        NotFound: when there is no such campaign.
        Conflict: when nothing waits.
    """
    if campaign_id is not None and await QUERIES.campaign(tx, id=campaign_id) is None:
        raise NotFound
    await follow_bodies(tx)
    await set_aside_stopped(tx)
    chasers = await rows_of(POSTING.lock_chasers_to_print(tx, campaign_id=campaign_id, most=MOST))
    most = MOST - len(chasers)
    letters = await rows_of(POSTING.lock_letters_to_print(tx, campaign_id=campaign_id, most=most))
    if not (letters or chasers):
        cure = "Open the page again: perhaps a colleague has just made the file."
        raise Conflict("Nothing waits to be printed.", cure)
    facts, blocks, refusals = await _looked_at(tx, letters, chasers)
    await _set_aside(tx, blocks, refusals)
    going = [
        *({"letter_id": row["id"], "chaser_id": None} for row in letters if row["id"] not in blocks),
        *(
            {"letter_id": row["id"], "chaser_id": row["chaser_id"]}
            for row in chasers
            if row["chaser_id"] not in refusals
        ),
    ]
    aside = len(blocks) + len(refusals)
    if not going:
        return Ordered(None, 0, aside)
    items = [
        {
            "number": number,
            "letter_id": str(each["letter_id"]),
            "chaser_id": str(each["chaser_id"]) if each["chaser_id"] else None,
            "says": addressed_to(facts[each["letter_id"]]),
        }
        for number, each in enumerate(going, 1)
    ]
    id: UUID = uuid_utils.compat.uuid7()
    made = {"today": tx.today, "now": tx.now}
    number = await POSTING.enter_batch(tx, id=id, campaign_id=campaign_id, duplex=duplex, by=by, **made)
    await POSTING.fill_batch(tx, batch_id=id, batch_number=number, items=items, **done_by(tx), **made)
    note(tx, "post_ordered", "post_batch", id, after={"letters": len(items), "set_aside": aside})
    return Ordered(id, len(items), aside)


@dataclass(frozen=True)
class Why:
    """Why something is not posted: a code for counting, words for staff, and what to do about it."""

    code: str
    words: str
    cure: str = ""


Whys = dict[UUID, Why]


async def _looked_at(
    tx: Transaction, letters: Sequence[Any], chasers: Sequence[Any]
) -> tuple[Mapping[UUID, Any], Whys, Whys]:
    """What is known of these letters; which of them, and which of the chasers, may not go."""
    ids = [row["id"] for row in (*letters, *chasers)]
    facts = {row["id"]: row async for row in POSTING.facts_of_letters(tx, ids=ids, today=tx.today)}
    stops = await stopped(tx, [row["contact_id"] for row in facts.values()])
    blocks: dict[UUID, Block | None] = {
        row["id"]: _block(facts[row["id"]], stops, tx.today) for row in letters
    }
    waiting = await waiting_by_post(tx, [row["id"] for row in chasers]) if chasers else {}
    refusals = {row["chaser_id"]: why_not_by_post(waiting[row["id"]], tx.today) for row in chasers}
    return (
        facts,
        {id: Why(block.reason, block.words, block.cure) for id, block in blocks.items() if block},
        {id: Why(refusal.code, refusal.words) for id, refusal in refusals.items() if refusal},
    )


def _block(row: Any, stops: Mapping[UUID, StopScope], today: date) -> Block | None:
    """Why a letter may not be posted, or None when it may."""
    if row["campaign_stopped"]:
        return Block(BlockReason.STOPPED, "The campaign was stopped.", "There is nothing to do.")
    if row["contact_id"] in stops:
        return stopped_block(stops[row["contact_id"]])
    if row["closed_on"] is not None and row["closed_on"] <= today:
        return closed_block(row["closed_on"], row["successor"])
    if not row["listed"]:
        return withdrawn_block()
    if row["body_answered"] and not row["answered_on_its_page"]:
        return answered_block()  # whoever answers on the letter's own page has it: it was posted
    address = row["postal_address"] or ()
    return block_reason(on=today, channel=Channel.POST, postal_address=address, asks=False)


async def _set_aside(tx: Transaction, blocks: Whys, refusals: Whys) -> None:
    if blocks:
        letters = [
            {"id": str(id), "reason": why.code, "failure": why.words, "cure": why.cure}
            for id, why in blocks.items()
        ]
        await POSTING.set_letters_aside(tx, letters=letters, **done_by(tx, "the printer"), now=tx.now)
    if refusals:
        chasers = [{"id": str(id), "reason": why.code, "failure": why.words} for id, why in refusals.items()]
        await POSTING.withhold_chasers(tx, chasers=chasers, **done_by(tx, "the printer"), now=tx.now)


# Between printing and posting


_MOVED = Why("moved", "Their address has changed since it was printed.", "It is printed again.")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What has changed for one sheet of a batch since it was printed."""

    number: int
    letter_id: UUID
    body_name: str
    reference: str
    why: Why
    #: It is to be printed again, to another address, and not left out altogether.
    again: bool


async def changes_in(tx: Transaction, batch_id: UUID) -> list[Change]:
    """The sheets of a batch that are not to be posted any more, in order, as of now."""
    found = POSTING.items_of(tx, batch_id=batch_id, after=0, state="printed", most=_ALL)
    items = [{**row, "id": row["letter_id"]} async for row in found]
    if not items:
        return []
    letters = [row for row in items if row["chaser_id"] is None]
    chasers = [row for row in items if row["chaser_id"] is not None]
    facts, blocks, refusals = await _looked_at(tx, letters, chasers)
    changes = []
    for row in items:
        why = refusals.get(row["chaser_id"]) if row["chaser_id"] else blocks.get(row["letter_id"])
        again = why is None and _elsewhere(row, facts[row["letter_id"]])
        if why is None and again:
            why = _MOVED
        if why is not None:
            told = {name: row[name] for name in ("number", "letter_id", "body_name", "reference")}
            changes.append(Change(**told, why=why, again=again))
    return changes


def _elsewhere(item: Mapping[str, Any], row: Any) -> bool:
    address = addressed_to(row)["recipient_address"]
    return bool(item["says"]) and item["says"]["recipient_address"] != address


# What became of a batch


_NUMBERS = re.compile(r"([0-9]{1,6})(?:\s*[-–—]\s*([0-9]{1,6}))?")


def read_numbers(text: str, last: int) -> set[int]:
    """The numbers in what somebody typed: ``3, 17-19``.

    Raises:
        Refused: names the field ``spoiled``, when a part of it is no number of the batch.
    """
    numbers: set[int] = set()
    for part in filter(None, re.split(r"[\s,;]*[,;\n][\s,;]*|\s+and\s+", text.strip())):
        found = _NUMBERS.fullmatch(part.strip())
        first, end = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= end <= last:
            cure = f"Write numbers from 1 to {last} with commas between them, such as 3, 17-19."
            raise Refused(f"“{part.strip()[:40]}” is no number of this batch.", cure, field="spoiled")
        numbers |= set(range(first, end + 1))
    return numbers


async def confirm_posted(
    tx: Transaction,
    batch_id: UUID,
    posted_on: date,
    *,
    spoiled: Collection[int] = (),
    taken_out: Collection[int] = (),
    by: UUID | None,
) -> int:
    """Note on which day a batch was posted; the clock of its letters begins two working days later.

    Args:
        spoiled: sheets that were not posted and are to be printed again, by number.
        taken_out: sheets that were not posted because something has changed; of others it is no matter.

    Returns:
        How many were posted.

    Raises:
        NotFound: when there is no such batch.
        Conflict: when it has moved on meanwhile.
        Refused: names the field at fault.
    """
    batch = await _lock(tx, batch_id)
    _check_day(tx, batch, posted_on)
    await _settle_exceptions(tx, batch_id, set(spoiled), set(taken_out))
    said = _said_posted(tx, posted_on)
    letters = await rows_of(POSTING.post_batch(tx, batch_id=batch_id, **said))
    await POSTING.settle_batch(tx, id=batch_id, state="posted", posted_on=posted_on, by=by, now=tx.now)
    figures = await POSTING.batch(tx, id=batch_id)
    counts = {name: figures[name] for name in ("posted", "spoiled", "withheld")}
    note(tx, "post_confirmed", "post_batch", batch_id, after={"posted_on": posted_on.isoformat(), **counts})
    await announce_many(tx, (_sent(letter) for letter in letters))
    return int(figures["posted"])


def _check_day(tx: Transaction, batch: Any, posted_on: date) -> None:
    cure = "Write the day on which it was posted."
    if posted_on > tx.today:
        raise Refused("This day has not come yet.", cure, field="posted_on")
    if posted_on < batch["made_on"]:
        what = f"The file was made on {day_words(batch['made_on'])}, after this day."
        raise Refused(what, cure, field="posted_on")


def _said_posted(tx: Transaction, posted_on: date) -> dict[str, Any]:
    """What a statement notes of letters that were posted on a day."""
    sent_at = min(datetime.combine(posted_on, time(12), LOCAL), tx.now)
    moments = {"sent_at": sent_at, "waits_since": waits_from(posted_on), "now": tx.now}
    return {"day": day_words(posted_on), **done_by(tx), **moments}


async def correct_day(
    tx: Transaction, batch_id: UUID, posted_on: date, *, because: str, by: UUID | None
) -> None:
    """Another day is the one on which a batch was posted; its letters count their time from that one.

    Raises:
        NotFound: when there is no such batch.
        Conflict: when it was not posted, or something has happened to one of its letters since.
        Refused: names the field at fault.
    """
    batch = await POSTING.lock_batch(tx, id=batch_id)
    if batch is None:
        raise NotFound
    if batch["state"] != "posted":
        raise Conflict("This batch was not posted.", "Open the page again to see where it stands.")
    found = POSTING.items_of(tx, batch_id=batch_id, after=0, state="posted", most=_ALL)
    await CHASING.lock_letters(tx, ids=[row["letter_id"] async for row in found])
    if await POSTING.happened_since(tx, batch_id=batch_id):
        what = "Something has happened to letters of this batch since, so its day stays as it is."
        raise Conflict(what, "The history of each letter says what.")
    _check_day(tx, batch, posted_on)
    if posted_on == batch["posted_on"]:
        raise Refused("This day stands there already.", "Write the right one.", field="posted_on")
    check_reason(because, "Write how the wrong day came there.")
    said = _said_posted(tx, posted_on)
    letters = await rows_of(POSTING.repost_batch(tx, batch_id=batch_id, because=because, **said))
    await POSTING.settle_batch(tx, id=batch_id, state="posted", posted_on=posted_on, by=by, now=tx.now)
    days = {"before": batch["posted_on"], "after": posted_on}
    told = {when: {"posted_on": day.isoformat()} for when, day in days.items()}
    note(tx, "post_day_corrected", "post_batch", batch_id, **told)
    await announce_many(tx, (_sent(letter) for letter in letters))


def _sent(letter: Any) -> Announcement:
    return Announcement(
        fact=LetterSent, subject=letter["id"], sequence=letter["version"], data=said_sent(letter)
    )


async def drop_batch(tx: Transaction, batch_id: UUID, *, by: UUID | None) -> None:
    """Nothing of a batch was posted: all of it waits to be printed again, but what may not go any more.

    Raises:
        NotFound, Conflict: when there is no such batch, or it has moved on meanwhile.
    """
    batch = await _lock(tx, batch_id, also_making=True)
    gone = {change.number for change in await changes_in(tx, batch_id) if not change.again}
    found = POSTING.items_of(tx, batch_id=batch_id, after=0, state="printed", most=_ALL)
    numbers = {row["number"] async for row in found}
    await _settle_exceptions(tx, batch_id, numbers - gone, gone)
    await POSTING.settle_batch(tx, id=batch_id, state="dropped", posted_on=None, by=by, now=tx.now)
    note(tx, "post_dropped", "post_batch", batch_id, before={"state": batch["state"]})


async def _lock(tx: Transaction, batch_id: UUID, *, also_making: bool = False) -> Any:
    """The batch, while nobody has said what became of it; nobody answers its letters until this ends."""
    batch = await POSTING.lock_batch(tx, id=batch_id)
    if batch is None:
        raise NotFound
    if batch["state"] not in ("made", "making") or (batch["state"] == "making" and not also_making):
        raise Conflict("This batch has moved on meanwhile.", "Open the page again to see where it stands.")
    found = POSTING.items_of(tx, batch_id=batch_id, after=0, state="printed", most=_ALL)
    await CHASING.lock_letters(tx, ids=[row["letter_id"] async for row in found])
    return batch


async def _settle_exceptions(tx: Transaction, batch_id: UUID, spoiled: set[int], taken_out: set[int]) -> None:
    changes = {change.number: change for change in await changes_in(tx, batch_id)}
    exceptions = [*_taken_out(changes, taken_out), *_spoiled(changes, spoiled, taken_out)]
    if exceptions:
        await POSTING.settle_exceptions(
            tx, batch_id=batch_id, exceptions=exceptions, **done_by(tx), now=tx.now
        )


def _taken_out(changes: Mapping[int, Change], numbers: set[int]) -> Iterator[dict[str, Any]]:
    for number in sorted(numbers & changes.keys()):
        why, state = changes[number].why, "spoiled" if changes[number].again else "withheld"
        yield {
            "number": number,
            "state": state,
            "why": why.words,
            "reason": why.code,
            "cure": why.cure,
        }


def _spoiled(
    changes: Mapping[int, Change], numbers: set[int], taken_out: set[int]
) -> Iterator[dict[str, Any]]:
    for number in sorted(numbers - (taken_out & changes.keys())):
        yield {"number": number, "state": "spoiled", "why": SPOILED, "reason": None, "cure": None}


# What came back


async def returned_letter(tx: Transaction, letter_id: UUID) -> None:
    """Note that a posted letter came back: nobody there has seen it, and the address is bad.

    Raises:
        NotFound: when there is no such letter.
        Conflict: when it was not posted, has come back before, or somebody there has it.
    """
    letter = await lock_letter(tx, letter_id)
    if (letter["state"], letter["channel"]) != (LetterState.SENT, Channel.POST) or letter["delivery"]:
        raise Conflict(
            "This letter cannot have come back by post.", "Open the page again to see where it stands."
        )
    if AnswerState(letter["answer"]) not in (AnswerState.SILENT, AnswerState.AUTO_REPLIED):
        raise Conflict("Somebody there has this letter.", "Look at what they said.")
    note(tx, "letter_returned", "letter", letter_id)
    returned = await INCOMING.set_delivery(tx, id=letter_id, delivery="returned", now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what="Came back by post", **done_by(tx), now=tx.now)
    await _suspect(tx, returned, returned["frozen"]["recipient_address"])
    await announce(
        tx,
        LetterBounced,
        subject=letter_id,
        sequence=returned["version"],
        bounced_at=tx.now,
        permanent=True,
        **facts_of(returned),
    )


async def returned_chaser(tx: Transaction, chaser_id: UUID) -> UUID:
    """Note that a posted chaser came back. Its letter.

    Raises:
        Conflict: when it was not posted, or has come back before.
    """
    chaser = await POSTING.lock_posted_chaser(tx, id=chaser_id)
    if chaser is None or chaser["delivery"]:
        raise Conflict(
            "This chaser cannot have come back by post.", "Open the page again to see where it stands."
        )
    letter_id: UUID = chaser["letter_id"]
    note(tx, "chaser_returned", "chaser", chaser_id)
    await POSTING.chaser_returned(tx, id=chaser_id, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter_id, now=tx.now)
    what = f"Chaser {chaser['number']}: came back by post"
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx), now=tx.now)
    await _suspect(tx, await QUERIES.letter(tx, id=letter_id), chaser["says"].get("recipient_address", []))
    return letter_id


async def _suspect(tx: Transaction, letter: Any, printed: Sequence[str]) -> None:
    """From now on the address on what came back is suspect, if it still is that of the contact."""
    [facts] = await rows_of(POSTING.facts_of_letters(tx, ids=[letter["id"]], today=tx.today))
    if facts["listed"]:
        of = {name: letter[name] for name in ("contact_id", "organisation_id", "role")}
        await suspect_returned(tx, {**facts, **of}, printed)


async def take_file(tx: Transaction, batch_id: UUID) -> UUID:
    """Note that somebody takes the file of a batch, to print it. The file.

    Raises:
        NotFound: when there is no such batch, or its file is not there.
    """
    batch = await POSTING.lock_batch(tx, id=batch_id)
    if batch is None or batch["file_id"] is None:
        raise NotFound
    note(tx, "post_file_taken", "post_batch", batch_id, after={"times": batch["taken"] + 1})
    await POSTING.take_batch(tx, id=batch_id, now=tx.now)
    return UUID(str(batch["file_id"]))
