"""A letter that is passed on to a colleague: suggested to partners, written to once entered there.

Whoever passed it on has acknowledged it. The colleague gets the same letter with a link of its own, and the
clock of that one starts when it is sent. Their name and address stay here only until a person has decided.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.database import Transaction
from chassis.errors import NotYetKnown
from chassis.links import link_digest
from chassis.outbox import announce
from chassis.sealed import seal
from contracts.envelope import Event
from contracts.notifications import ContactSuggested
from services.notifications.campaigns import TOKENS, addressed_to, sender_of
from services.notifications.colleagues import STAFF
from services.notifications.domain import (
    Block,
    LetterState,
    block_reason,
    message_id,
    response_token,
    stopped_block,
)
from services.notifications.leaving import kept_here
from services.notifications.letters import facts_of, lock_letter
from services.notifications.preparing import role_values
from services.notifications.queries import ANSWERING, QUERIES
from services.notifications.sending import SEND_LETTERS
from services.notifications.stops import stopped


@dataclass(frozen=True, kw_only=True)
class Colleague:
    """Who is the right one, as somebody typed it."""

    name: str = ""
    #: What they do there, in words.
    role: str = ""
    email: str = ""


async def is_suggested(tx: Transaction, letter_id: UUID, colleague: Colleague) -> bool:
    """Whether a letter was passed on to them before, and a person has not left them out since."""
    return bool(await ANSWERING.is_suggested(tx, letter_id=letter_id, email=colleague.email))


async def suggest(tx: Transaction, letter: Any, answer_id: UUID, colleague: Colleague) -> None:
    """Keep who it was passed on to, and tell partners, sealed."""
    id: UUID = uuid_utils.compat.uuid7()
    said = asdict(colleague)
    await ANSWERING.enter_suggestion(
        tx, id=id, answer_id=answer_id, letter_id=letter["id"], **said, now=tx.now
    )
    await announce(
        tx,
        ContactSuggested,
        subject=id,
        sequence=1,
        suggestion_id=id,
        suggested_at=tx.now,
        colleague=seal(tx.context.keys, ContactSuggested, "colleague", said),
        **facts_of(letter),
    )


async def write_to_colleague(tx: Transaction, event: Event) -> None:
    """Somebody of ours has decided: the colleague gets the letter, or nobody does.

    Raises:
        NotYetKnown: when the address book has not heard of them yet.
    """
    letter = await lock_letter(tx, event.data["letter_id"])
    suggestion = await ANSWERING.lock_suggestion(tx, id=event.data["suggestion_id"])
    if suggestion is None or suggestion["settled_at"] is not None:
        return
    contact_id, made = event.data["contact_id"], None
    said = {"who": STAFF, "person_id": event.data["settled_by"]}
    if contact_id is None:
        what = "The colleague was left out: nothing goes to them"
    else:
        contact = await ANSWERING.contact_to_write_to(tx, id=contact_id)
        if contact is None:
            raise NotYetKnown
        made, what = await _write(tx, letter, contact, said)
    await ANSWERING.settle_suggestion(tx, id=suggestion["id"], new_letter_id=made, now=tx.now)
    await QUERIES.note(tx, letter_id=letter["id"], what=what, **said, now=tx.now)
    await QUERIES.touch_letter(tx, id=letter["id"], now=tx.now)


async def _write(
    tx: Transaction, letter: Any, contact: Any, said: Mapping[str, Any]
) -> tuple[UUID | None, str]:
    """The letter of the same campaign to a contact, whether it was there or is made now; and what to say.

    Args:
        said: who has decided.
    """
    if contact["name"] is None:
        return None, "The colleague was withdrawn again: nothing goes to them"
    await QUERIES.lock_campaign(
        tx, id=letter["campaign_id"]
    )  # whoever else adds a letter takes the next number
    place = {"campaign_id": letter["campaign_id"], "contact_id": contact["id"]}
    known: UUID | None = await ANSWERING.letter_of_contact(tx, **place)
    if known is not None:
        return known, "The colleague has a letter of this campaign already"
    id: UUID = uuid_utils.compat.uuid7()
    block = await _block(tx, contact)
    await ANSWERING.copy_letter(tx, from_id=letter["id"], id=id, **_to(tx, id, contact, block))
    await ANSWERING.go_on_sending(tx, id=letter["campaign_id"])
    what = f"Written to whom letter {letter['reference']} was passed on"
    await QUERIES.note(tx, letter_id=id, what=what, **said, now=tx.now)
    tx.context.wake(SEND_LETTERS)
    return id, "The colleague was confirmed: a letter of their own goes to them"


async def _block(tx: Transaction, contact: Any) -> Block | None:
    if kept := kept_here(tx.context.settings, tx.context.house):
        return kept
    if stops := await stopped(tx, [contact["id"]]):
        return stopped_block(stops[contact["id"]])
    return block_reason(
        on=tx.today,
        channel=contact["channel"],
        email=contact["email"],
        postal_address=contact["postal_address"] or (),
        asks=False,
    )


def _to(tx: Transaction, id: UUID, contact: Any, block: Block | None) -> Mapping[str, Any]:
    """What the letter to somebody has of its own."""
    key = tx.context.keys.derive(TOKENS)
    return {
        "contact_id": contact["id"],
        "role": contact["role"],
        "state": (LetterState.BLOCKED if block else LetterState.READY).value,
        "channel": contact["channel"],
        "says": addressed_to(contact),
        "values": {"contact_name": contact["name"], **role_values(tx.context.house, contact["role"])},
        "token_digest": link_digest(response_token(key, id)).hex(),
        "message_id": message_id(id, sender_of(tx.context).rpartition("@")[2]),
        "dated": tx.today,
        "reason": block.reason.value if block else None,
        "failure": block.words if block else None,
        "cure": block.cure if block else None,
        "now": tx.now,
    }
