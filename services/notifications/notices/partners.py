"""To somebody at a partner: an agreement to read and sign, somebody who was sent to them."""

from datetime import timedelta

from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.notices.writing import Value, opened, write

#: Asking somebody to sign, or to look at what was agreed, is worth sending for so long.
_AGREEMENT = timedelta(days=3)
#: A letter about a referral is worth sending for so long; then somebody of ours is told to ask.
_REFERRAL = timedelta(days=3)


async def offer_agreement(tx: Transaction, event: Event) -> None:
    """Tell somebody at another body that an agreement is there to be read and signed, and where."""
    await _write(tx, event, "agreement_offered", "notice", _AGREEMENT)


async def remind_of_review(tx: Transaction, event: Event) -> None:
    """Tell somebody that the day is near on which an agreement is looked at again."""
    on = event.data["review_on"]
    await _write(tx, event, "agreement_review", "notice", _AGREEMENT, review_on=on)


async def send_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner whether they take on somebody whom we have sent to them."""
    await _write(tx, event, "referral", "letter", _REFERRAL)


async def remind_of_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner once more: whether they take somebody on, or what came of it."""
    helped = event.data["wanted"] == "outcome"
    await _write(tx, event, "referral_reminder", "letter", _REFERRAL, helped=helped)


async def _write(
    tx: Transaction, event: Event, kind: str, sealed: str, good_for: timedelta, **values: Value
) -> None:
    if (whom := opened(tx, event, sealed)) is not None:
        await write(tx, event, kind, whom, whom | values, tx.now + good_for)
