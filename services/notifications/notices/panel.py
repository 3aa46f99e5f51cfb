"""To those who are asked to decide."""

from datetime import timedelta

from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.notices.writing import opened, write

#: An invitation to a panel is worth sending for so long.
_INVITATION = timedelta(days=7)


async def invite_to_panel(tx: Transaction, event: Event) -> None:
    """Ask somebody to sit on the panel of a round, or to be ready if another member cannot."""
    if (letter := opened(tx, event, "letter")) is not None:
        values = letter | {"meets_on": event.data["meets_on"], "reserve": event.data["reserve"]}
        await write(tx, event, "panel_invitation", letter, values, tx.now + _INVITATION)
