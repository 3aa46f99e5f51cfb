"""To those who are asked to decide."""

from datetime import timedelta

from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.domain import day_words
from services.notifications.notices.writing import farewell, opened, write

#: An invitation to a panel is worth sending for so long.
_INVITATION = timedelta(days=7)


async def invite_to_panel(tx: Transaction, event: Event) -> None:
    """Ask somebody to sit on the panel of a round, or to be ready if another member cannot."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    house, meets_on = tx.context.house, day_words(event.data["meets_on"])
    asked = "to sit on the panel that decides"
    if event.data["reserve"]:
        asked = "to be a reserve of the panel that decides: you step in where another member cannot be there"
    body = f"""Dear {letter["name"]},

{house.name} asks you {asked}. It is about “{letter["round"]}”. The panel meets on {meets_on}.

What you do: you read each application on your phone or computer, without names, and give it scores. You tell
us if you know somebody who applies, so that you have no part in that one. Then you meet and decide together.

Please sign in with this e-mail address, and tell us whether you can:

{letter["link"]}

Please do not talk about applications with anybody but the panel.

Do you have a question? Ring {letter["help_name"]} on {letter["help_telephone"]}.

{farewell(tx)}"""
    subject = f"Will you sit on our panel? {meets_on}"
    await write(tx, event, "panel", letter["email"], subject, body, tx.now + _INVITATION)
