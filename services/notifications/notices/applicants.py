"""To those who register and those who apply."""

from datetime import timedelta
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.notices.writing import Value, opened, write

#: A letter to somebody who applies is worth sending for so long.
_APPLICATION = timedelta(days=3)


async def ask_to_confirm_registration(tx: Transaction, event: Event) -> None:
    """Ask somebody who registers whether the address is theirs."""
    address, keys = opened(tx, event, "address"), opened(tx, event, "link")
    if address is None or keys is None:
        return
    until = event.data["expires_at"]
    values = {"link": keys["link"], "until": until.astimezone(LOCAL).date()}
    await write(tx, event, "registration", address, values, until)


async def send_application_link(tx: Transaction, event: Event) -> None:
    """Send somebody who applies the link by which they go on."""
    await to_applicant(tx, event, "application_link", send_by=event.data["send_by"] or "")


async def remind_of_draft(tx: Transaction, event: Event) -> None:
    """Tell somebody who has begun to apply that the last day is near."""
    await to_applicant(tx, event, "application_reminder", closes_on=event.data["closes_on"])


async def acknowledge_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application has come, and what happens next."""
    await to_applicant(tx, event, "application_received", meets_on=event.data["meets_on"])


async def ask_for_more(tx: Transaction, event: Event) -> None:
    """Ask somebody who applies for what is missing."""
    await to_applicant(tx, event, "application_incomplete", meets_on=event.data["meets_on"])


async def refuse_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application cannot go to the panel, by which rule, and what they can do."""
    await to_applicant(tx, event, "application_refused")


async def take_refusal_back(tx: Transaction, event: Event) -> None:
    """Tell somebody who was refused that their application goes to the panel after all."""
    await to_applicant(tx, event, "application_reopened", meets_on=event.data["meets_on"])


async def confirm_withdrawal(tx: Transaction, event: Event) -> None:
    """Tell somebody that they have taken their application back."""
    await to_applicant(tx, event, "application_withdrawn")


async def to_applicant(
    tx: Transaction, event: Event, kind: str, good_for: timedelta = _APPLICATION, **values: Value
) -> None:
    """Write to somebody who applies, unless they are forgotten: what the event says to them, and this."""
    letter: dict[str, Any] | None = opened(tx, event, "letter")
    if letter is not None:
        await write(tx, event, kind, letter, letter | values, tx.now + good_for)
