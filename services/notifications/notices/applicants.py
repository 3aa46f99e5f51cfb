"""To those who register and those who apply."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chassis.clock import LOCAL
from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.domain import day_words
from services.notifications.notices.writing import farewell, opened, write

#: A letter to somebody who applies is worth sending for so long.
_APPLICATION = timedelta(days=3)


async def ask_to_confirm_registration(tx: Transaction, event: Event) -> None:
    """Ask somebody who registers whether the address is theirs."""
    address, keys = opened(tx, event, "address"), opened(tx, event, "link")
    if address is None or keys is None:
        return
    house, until = tx.context.house, event.data["expires_at"]
    body = f"""Hello,

somebody has filled in our form to register with {house.name}, with this e-mail address.

If it was you, please open this page and press the button. You are not registered before you do.

{keys["link"]}

The button works until {day_words(until.astimezone(LOCAL).date())}. Please keep this mail afterwards: on the
same page you see what we hold, and can leave at any time. Do not pass the link on.

If it was not you, do nothing. What was typed is then deleted, and you hear no more of it.

{farewell(tx)}"""
    subject = f"Please confirm: register with {house.short_name}"
    await write(tx, event, "registration", address["email"], subject, body, until)


async def send_application_link(tx: Transaction, event: Event) -> None:
    """Send somebody who applies the link by which they go on."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    send_by = event.data["send_by"]
    told = "There you see where it stands."
    if send_by is not None:
        told = f"""You can stop at any time and go on later with this link. The last day to send your
application is {day_words(send_by)}."""
    body = f"""{greeting(letter)}

this is your own link to your application for “{letter["round"]}”:

{letter["link"]}

{told}

Please do not pass the link on: whoever has it can read and change your application. If you did not ask for
it, do nothing.

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"Your link: {letter['round']}", body)


async def remind_of_draft(tx: Transaction, event: Event) -> None:
    """Tell somebody who has begun to apply that the last day is near."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    closes_on = day_words(event.data["closes_on"])
    body = f"""{greeting(letter)}

you have begun an application for “{letter["round"]}”, and you have not sent it yet. The last day is
{closes_on}. After that day we cannot take it.

Go on here:

{letter["link"]}

If you do not want to apply any more, do nothing. One month after the last day we delete what you wrote.

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"Please send it by {closes_on}: {letter['round']}", body)


async def acknowledge_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application has come, and what happens next."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{greeting(letter)}

thank you. We have your application for “{letter["round"]}”.

Your reference is {letter["reference"]}.

What happens next: we check that nothing is missing. If we need more, we write to you. Then a panel reads it.
The panel meets on {day_words(event.data["meets_on"])}. After that we write to you.

You can see where it stands, or take it back, here:

{letter["link"]}

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"We have your application {letter['reference']}", body)


async def ask_for_more(tx: Transaction, event: Event) -> None:
    """Ask somebody who applies for what is missing."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{greeting(letter)}

we have looked at your application {letter["reference"]} for “{letter["round"]}”. We need more from you:

{letter["words"]}

Please add it here, then send your application again:

{letter["link"]}

You have time until the day before the panel meets, which is on {day_words(event.data["meets_on"])}.

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"We need more from you: application {letter['reference']}", body)


async def refuse_application(tx: Transaction, event: Event) -> None:
    """Tell somebody that their application cannot go to the panel, by which rule, and what they can do."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    body = f"""{greeting(letter)}

thank you for your application {letter["reference"]} for “{letter["round"]}”. We are sorry: we cannot take it.

The reason is:

{letter["words"]}

What you can do:

If you think that this is wrong, ring {letter["help_name"]} on {letter["help_telephone"]}. {house.complaints}

You may apply again in another round. This answer does not count against you.

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"About your application {letter['reference']}", body)


async def take_refusal_back(tx: Transaction, event: Event) -> None:
    """Tell somebody who was refused that their application goes to the panel after all."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{greeting(letter)}

we wrote to you that we cannot take your application {letter["reference"]} for “{letter["round"]}”. That was
not the last word: we have looked again, and it goes to the panel after all. We are sorry for the trouble.

What happens next: the panel meets on {day_words(event.data["meets_on"])}. After that we write to you.
You need to do nothing.

You can see where it stands, or take it back, here:

{letter["link"]}

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"We take your application {letter['reference']} after all", body)


async def confirm_withdrawal(tx: Transaction, event: Event) -> None:
    """Tell somebody that they have taken their application back."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{greeting(letter)}

you have taken back your application {letter["reference"]} for “{letter["round"]}”. Nobody will decide on it.
You need to do nothing more.

If it was not you, please ring us soon.

{help_with(tx, letter)}"""
    await _apply(tx, event, letter, f"You have taken back your application {letter['reference']}", body)


def greeting(letter: Mapping[str, Any]) -> str:
    return f"Dear {letter['name']}," if letter["name"] else "Hello,"


def help_with(tx: Transaction, letter: Mapping[str, Any]) -> str:
    """Whom they may ring, and who writes."""
    asked = f"Do you need help? Ring {letter['help_name']} on {letter['help_telephone']}."
    return f"{asked}\n\n{farewell(tx)}"


async def _apply(tx: Transaction, event: Event, letter: Mapping[str, Any], subject: str, body: str) -> None:
    await write(tx, event, "application", letter["email"], subject, body, tx.now + _APPLICATION)
