"""Who works with us, by name: for pages that say who did something.

Partners owns them. What is kept here is a copy of what they are called; what they may do stands beside it, in
what every service knows of people. Nobody outside reads these pages: a dossier says "a member of staff".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.audit import person_of
from chassis.database import Transaction
from chassis.log import logger
from chassis.sealed import Unopenable, unseal
from contracts.envelope import Event
from services.notifications.queries import COLLEAGUES

_log = logger(__name__)

#: Who did it, in a letter's history, when it was one of ours; when it was whoever the letter is for.
STAFF, THE_RECIPIENT = "a member of staff", "the recipient"
#: What is said of whoever was erased, and of what nobody did who has an account.
FORMER, NOBODY = "a former colleague", "a command"


def done_by(tx: Transaction, who: str = STAFF) -> dict[str, Any]:
    """Who did something, as a line in a letter's history keeps it; of one of ours, also which person acts."""
    return {"who": who, "person_id": person_of(tx) if who == STAFF else None}


async def names_kept(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, str | None]:
    """The names of these, by their ids: ``None`` of whoever was erased, nothing of whoever is unheard of."""
    return {row["person_id"]: row["name"] async for row in COLLEAGUES.names_of(tx, ids=list(ids))}


async def called(tx: Transaction, ids: Iterable[UUID | None]) -> Mapping[UUID | None, str]:
    """What each of these is called in the midst of a sentence, by its id; by one statement."""
    people = {id for id in ids if id}
    known = await names_kept(tx, people)
    return {None: NOBODY, **{id: known.get(id, STAFF) or FORMER for id in people}}


async def remember_colleagues(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep the newest name of each; of whoever was erased, only that there was somebody.

    What cannot be opened is left as it was, because the same event says who may still act, and that must not
    wait: whoever compares the copies is told.
    """
    states = [event.state | kept for event in events if (kept := _kept(tx, event)) is not None]
    await COLLEAGUES.remember_colleagues(tx, states=states)


def _kept(tx: Transaction, event: Event) -> dict[str, Any] | None:
    """What a row keeps of a person; nothing of whoever was erased.

    ``None`` when it cannot be opened, or was said by a partners that told names to grants alone.
    """
    if event.data["name"] is None:
        return {"name": None} if event.data["who"] is None else None
    try:
        return unseal(tx.context.keys, event.fact, "name", event.data["name"])
    except Unopenable:
        _log.error("colleague_not_opened", id=event.subject)
        return None


async def forget_colleagues(tx: Transaction, ids: Sequence[UUID]) -> int:
    """Keep no name of these. How many had one."""
    return int(await COLLEAGUES.forget_colleagues(tx, ids=list(ids)))
