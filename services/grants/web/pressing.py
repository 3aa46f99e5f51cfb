"""What the second press of a button in Grants says was done before it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.web import Find, Press
from services.grants.domain import Overtaken
from services.grants.queries import APPLICATIONS, FUNDS, MONEY
from services.grants.states import ENDED, STAGES, State
from services.grants.web.award_way import STEPS
from services.grants.web.people import People

#: By what the audit calls each.
_SAID: Mapping[str, str] = {
    "fund_closed": "It was closed",
    "fund_opened_again": "It was opened again",
    "pledge_matched": "Its fund was chosen",
    "pledge_written_back": "It was written back",
    "pledge_expected_again": "It was expected again",
    "contribution_received": "Money was entered as received",
    "round_opened": "It was opened",
    "round_closed": "It was closed",
    "round_decided": "It was decided",
    "round_published": "The decisions were published",
    "round_removed": "The draft was deleted",
    "meeting_ended": "It was ended",
    "decision_recorded": "A decision was recorded",
    "conflict_confirmed": "It was confirmed",
    "conflict_dismissed": "It was dismissed",
    "payment_prepared": "A payment was prepared",
    "payment_made": "The payment was made",
    "payment_sent_back": "The payment was sent back",
    "payment_cancelled": "The payment was cancelled",
    "payment_returned": "It was entered that money came back",
    **{f"application_{state}": f"“{stage.staff}” was entered" for state, stage in STAGES.items()},
    **{f"award_{step}": words for step, words in STEPS.items() if step != "released"},  # another act's work
}


async def _called(tx: Transaction, ids: Iterable[UUID | None]) -> Mapping[UUID | None, str]:
    asked = list(ids)
    people = await People.of(tx, asked)
    return {id: people.within(id) for id in asked}


press = Press(_SAID, _called, late=Overtaken)


# Whom the audit does not name are those outside: of what they did, no colleague is said to have done it.


def application(id: UUID) -> Find:
    """An application, where one of ours has moved it on last."""

    async def find(tx: Transaction) -> Sequence[UUID]:
        step = await _last_step(tx, id)
        return [id] if step and step["person_id"] else []

    return find


def award(id: UUID) -> Find:
    """An award and its payments, unless whoever has it has given it up."""

    async def find(tx: Transaction) -> Sequence[UUID]:
        step = await _last_step(tx, id)
        if step is None or (step["person_id"] is None and State(step["state"]) in ENDED):
            return []
        return [id, *[row["id"] async for row in MONEY.payments_of(tx, application_id=id)]]

    return find


def pledge(id: UUID) -> Find:
    """A pledge, and the money that came of it."""

    async def find(tx: Transaction) -> Sequence[UUID]:
        return [id, *[row["id"] async for row in FUNDS.contributions_to_pledge(tx, pledge_id=id)]]

    return find


async def _last_step(tx: Transaction, id: UUID) -> Any:
    """The last step of an application; nothing of a draft."""
    steps = [row async for row in APPLICATIONS.steps_of(tx, application_id=id)]
    return steps[-1] if steps else None
