"""What is heard of others' work and counted for the figures: letters that ask for money, outcomes, referrals.

Each fact is kept by its id, so that the same one counts once, whatever comes first.
"""

from chassis.database import Transaction
from contracts.envelope import Event
from services.grants.queries import SHOW


async def hear_of_sending(tx: Transaction, event: Event) -> None:
    """A letter went out; it counts where it asks for money."""
    if event.data["ask"] is not None:
        await _hear_of_letter(tx, event, asked=True)


async def hear_of_answer(tx: Transaction, event: Event) -> None:
    """A letter was answered."""
    await _hear_of_letter(tx, event, answered=True)


async def _hear_of_letter(
    tx: Transaction, event: Event, *, asked: bool = False, answered: bool = False
) -> None:
    said = {name: event.data[name] for name in ("letter_id", "organisation_id")}
    await SHOW.hear_of_letter(tx, **said, asked=asked, answered=answered, now=tx.now)


async def hear_of_outcome(tx: Transaction, event: Event) -> None:
    """What was agreed on was achieved."""
    await _hear_of_result(tx, event, "outcome_met", counts=True, id_field="outcome_id")


async def hear_of_referral(tx: Transaction, event: Event) -> None:
    """What came of a referral is known: it counts where somebody was told whether it helped."""
    counts = event.data["outcome"] in ("helped", "not_helped")
    await _hear_of_result(tx, event, "referral_closed", counts=counts, id_field="referral_id")


async def _hear_of_result(tx: Transaction, event: Event, kind: str, *, counts: bool, id_field: str) -> None:
    epoch, version = event.version
    said = {"id": event.data[id_field], "epoch": epoch, "version": version}
    await SHOW.hear_of_result(tx, kind=kind, counts=counts, **said, now=tx.now)
