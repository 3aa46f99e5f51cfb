"""To somebody at a partner: an agreement to read and sign, somebody who was sent to them."""

from datetime import timedelta

from chassis.database import Transaction
from contracts.envelope import Event
from services.notifications.domain import day_words
from services.notifications.notices.writing import farewell, opened, write

#: Asking somebody to sign, or to look at what was agreed, is worth sending for so long.
_AGREEMENT = timedelta(days=3)
#: A letter about a referral is worth sending for so long; then somebody of ours is told to ask.
_REFERRAL = timedelta(days=3)
#: What a partner is asked once more.
_REFERRAL_QUESTIONS = {
    "answer": "Please tell us whether you can help them.",
    "outcome": "You told us that you can help them. Please tell us whether it did.",
}


async def offer_agreement(tx: Transaction, event: Event) -> None:
    """Tell somebody at another body that an agreement is there to be read and signed, and where."""
    told = opened(tx, event, "notice")
    if told is None:
        return
    house = tx.context.house
    body = f"""Dear {told["name"]},

{house.name} and {told["organisation"]} want to put down in writing what they do together:

{told["title"]}

You can read all of it here, take it away as a PDF, and sign it with your name and position. You need no
account. Opening the page commits you to nothing.

{told["link"]}

Please do not pass the link on: whoever has it can sign for {told["organisation"]}. If somebody else has to
sign, or if you want something changed, ring us or write to us.

{farewell(tx)}"""
    subject = f"To read and sign: an agreement with {house.short_name}"
    await write(tx, event, "agreement", told["email"], subject, body, tx.now + _AGREEMENT)


async def remind_of_review(tx: Transaction, event: Event) -> None:
    """Tell somebody that the day is near on which an agreement is looked at again."""
    told = opened(tx, event, "notice")
    if told is None:
        return
    house, on = tx.context.house, day_words(event.data["review_on"])
    where = f"\n\nYou can read what was agreed here:\n\n{told['link']}" if told["link"] else ""
    body = f"""Dear {told["name"]},

{house.name} and {told["organisation"]} agreed to look together, on {on}, at how this is going:

{told["title"]}

Please agree with each other on a time: what was achieved, what was not, and whether something should
change.{where}

{farewell(tx)}"""
    subject = f"To look at together on {on}: our agreement"
    await write(tx, event, "review", told["email"], subject, body, tx.now + _AGREEMENT)


async def send_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner whether they take on somebody whom we have sent to them."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    body = f"""Dear {letter["name"]},

we have sent somebody on to {letter["organisation"]}. They need: {letter["need"]}.

Our reference is {letter["reference"]}. For their privacy this mail does not say who they are: they bring a
slip with this reference, or we ring you.

Please tell us whether you can help them. It takes one click and no account:

{letter["link"]}

The same page asks you later whether it helped. Please do not pass the link on, and please do not send us
their name by e-mail.

{farewell(tx)}"""
    subject = f"Can you help? Referral {letter['reference']} from {house.short_name}"
    await write(tx, event, "referral", letter["email"], subject, body, tx.now + _REFERRAL)


async def remind_of_referral(tx: Transaction, event: Event) -> None:
    """Ask a partner once more: whether they take somebody on, or what came of it."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    house = tx.context.house
    question = _REFERRAL_QUESTIONS[event.data["wanted"]]
    body = f"""Dear {letter["name"]},

we sent somebody on to {letter["organisation"]}, who needed: {letter["need"]}. Our reference is
{letter["reference"]}.

{question} It takes one click and no account:

{letter["link"]}

If you would rather talk, please ring us. Please do not send us their name by e-mail.

{farewell(tx)}"""
    subject = f"Referral {letter['reference']} from {house.short_name}: a short question"
    await write(tx, event, "referral", letter["email"], subject, body, tx.now + _REFERRAL)
