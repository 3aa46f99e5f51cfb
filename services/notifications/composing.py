"""A draft is changed: step by step, and letter by letter; or begun as a copy of another campaign.

Whatever changes in it, its letters are made anew.

Everybody who changes a draft is remembered with it, because they may not approve it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from services.notifications.campaigns import (
    begin_campaign,
    enter_purpose,
    enter_recipients,
    enter_words,
    is_whole,
    lock_draft,
    purpose_of,
    recipients_of,
)
from services.notifications.colleagues import done_by
from services.notifications.plans import (
    Purpose,
    Recipients,
    Words,
    purpose_faults,
    recipients_faults,
    template_faults,
    words_faults,
)
from services.notifications.preparing import Made, prepare_letters
from services.notifications.queries import COMPOSING, QUERIES

#: Looks at a locked draft once more before it is changed; may refuse.
Look = Callable[[Any], None]


async def change_purpose(tx: Transaction, id: UUID, purpose: Purpose, by: UUID, look: Look) -> Made | None:
    """Say anew what a draft is for and what it asks. What came of its letters, if there were all they need.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
        Refused: names the first field at fault; the body, when it names a field that has no value any more.
    """
    for fault in purpose_faults(purpose, tx.context.house):
        raise fault

    async def enter(draft: Any) -> None:
        if draft["words_version"]:
            asks = purpose.formula is not None
            for fault in template_faults(draft["subject"], draft["body"], asks=asks):
                words = f"The letter does not fit this any more. {fault.what}"
                raise Conflict(words, "Change the words first, then come back to this page.")
        await enter_purpose(tx, id, purpose)

    return await _change(tx, id, by, look, enter)


async def change_recipients(
    tx: Transaction, id: UUID, recipients: Recipients, by: UUID, look: Look
) -> Made | None:
    """Say anew who receives a draft.

    Raises:
        NotFound, Conflict, Refused: as a change of the purpose does.
    """
    for fault in recipients_faults(recipients, tx.context.house):
        raise fault

    async def enter(draft: Any) -> None:
        await enter_recipients(tx, id, recipients)

    return await _change(tx, id, by, look, enter)


async def change_words(tx: Transaction, id: UUID, words: Words, by: UUID, look: Look) -> Made | None:
    """Say anew what a draft says.

    Raises:
        NotFound, Conflict, Refused: as a change of the purpose does.
    """

    async def enter(draft: Any) -> None:
        for fault in words_faults(words, tx.context.house, asks=draft["asks"]):
            raise fault
        await enter_words(tx, id, words, by)

    return await _change(tx, id, by, look, enter)


async def write_anew(tx: Transaction, id: UUID, by: UUID, *, keep_own: bool) -> Made:
    """Make the letters of a draft again, from the address book and the counts of now.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
        Refused: when it is not known yet who receives it or what it says.
    """
    made = await prepare_letters(tx, id, keep_own=keep_own)
    await COMPOSING.touch_campaign(tx, id=id, by=by)
    return made


async def copy_campaign(tx: Transaction, id: UUID, by: UUID) -> UUID:
    """Begin a draft for the same purpose, to the same kinds of people, in the same words as another campaign.

    Its letters are made from what is known now. Recipients or a signatory that our lists do not have any more
    are left open, to be chosen anew.

    Raises:
        NotFound: when there is no such campaign.
        Conflict: when it counts people whom our list does not have any more.
    """
    first = await QUERIES.campaign(tx, id=id)
    if first is None:
        raise NotFound
    house, purpose = tx.context.house, purpose_of(first)
    for fault in purpose_faults(purpose, house):
        what = f"This campaign cannot be copied: its {fault.field} does not fit any more. {fault.what}"
        raise Conflict(what, "Start a new campaign instead.")
    copy = await begin_campaign(tx, purpose, by)
    note(tx, "campaign_copied", "campaign", copy, after={"from": str(id)})
    recipients = recipients_of(first)
    if not any(recipients_faults(recipients, house)):
        await enter_recipients(tx, copy, recipients)
    if first["words_version"]:
        words = Words(subject=first["subject"], body=first["body"], signatory=first["signatory"])
        if any(words_faults(words, house, asks=first["asks"])):
            words = replace(words, signatory="")
        await enter_words(tx, copy, words, by)
    if is_whole(await QUERIES.campaign(tx, id=copy)):
        await prepare_letters(tx, copy)
    return copy


async def _change(
    tx: Transaction, id: UUID, by: UUID, look: Look, enter: Callable[[Any], Awaitable[None]]
) -> Made | None:
    draft = await lock_draft(tx, id)
    look(draft)
    await enter(draft)
    await COMPOSING.touch_campaign(tx, id=id, by=by)
    return await prepare_letters(tx, id) if is_whole(await QUERIES.campaign(tx, id=id)) else None


async def give_own_words(
    tx: Transaction, letter_id: UUID, own: tuple[str, str] | None, by: UUID, look: Look
) -> None:
    """Let one letter of a draft say something else than the others; or nothing else any more.

    Args:
        own: its subject and its body, as templates; ``None`` for the words that all have.

    Raises:
        NotFound: when there is no such letter.
        Conflict: when its campaign is no draft any more.
        Refused: names the first field at fault.
    """
    found = await QUERIES.letter(tx, id=letter_id)
    draft = await lock_draft(tx, found["campaign_id"]) if found else None
    letter = await QUERIES.letter(tx, id=letter_id)  # as whoever held the draft meanwhile has left it
    if draft is None or letter is None:
        raise NotFound
    look(letter)
    if own == (draft["subject"], draft["body"]):
        own = None
    subject, body = own or (None, None)
    if own:
        for fault in template_faults(*own, asks=draft["asks"]):
            raise fault
    what = "Given words of its own" if own else "Given the words that all letters have"
    note(
        tx,
        "letter_words_changed",
        "letter",
        letter_id,
        after={"words": digest_of(tx, body) if body else None},
    )
    await COMPOSING.set_own_words(tx, id=letter_id, subject=subject, body=body, now=tx.now)
    await QUERIES.note(tx, letter_id=letter_id, what=what, **done_by(tx), now=tx.now)
    await COMPOSING.touch_campaign(tx, id=draft["id"], by=by)
