"""To those who applied and were decided on: what it is, that money is on its way, and how it went."""

from datetime import timedelta
from typing import Any

from chassis.database import Transaction
from chassis.web import pounds
from contracts.envelope import Event
from services.notifications.domain import day_words
from services.notifications.notices.applicants import greeting, help_with
from services.notifications.notices.writing import opened, write

#: What was decided is worth sending for long: there is no other way in which they hear of it.
_GOOD_FOR = timedelta(days=21)

_REPORTS = ("", "This is our second letter about it. ", "This is our third letter about it, and the last. ")


async def say_decision(tx: Transaction, event: Event) -> None:
    """Tell somebody what the panel has decided, why, and what they can do."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    said = _DECISIONS[event.data["decision"]](tx, event, letter)
    changed = ""
    if event.data["replaces"]:
        changed = "\n\nThis takes the place of what we wrote to you before."
    body = f"""{greeting(letter)}

{said}{changed}

{help_with(tx, letter)}"""
    subject = f"The panel’s answer: application {letter['reference']}"
    await _write(tx, event, letter, subject, body)


def _read(letter: dict[str, Any]) -> str:
    return f"the panel has read your application {letter['reference']} for “{letter['round']}”"


def _award(tx: Transaction, event: Event, letter: dict[str, Any]) -> str:
    asked, awarded = _pence(event, "asked"), _pence(event, "awarded")
    part = ""
    if awarded < asked:
        part = f" You asked for {pounds(asked)}."
    entry = tx.context.house.lists["purposes"].get(event.data["purpose"] or "")
    exam = f" for your exam, {entry.name}" if entry else ""
    words = f"\n\nThe panel says:\n\n{letter['words']}" if letter["words"] else ""
    return f"""{_read(letter)}. We are glad to tell you that you are
offered {pounds(awarded)}{exam}.{part}{words}

To say yes, and to tell us how to pay, open this page by {day_words(event.data["answer_by"])}:

{letter["link"]}

If you do not answer by that day, the money goes to somebody else."""


def _decline(tx: Transaction, event: Event, letter: dict[str, Any]) -> str:
    ring = f"ring {letter['help_name']} on {letter['help_telephone']}"
    return f"""{_read(letter)}. We are sorry: we cannot give you
money this time. The panel says:

{letter["words"]}

If you think that this is wrong, {ring}. {tx.context.house.complaints}

You may apply again in another round. This answer does not count against you."""


def _defer(tx: Transaction, event: Event, letter: dict[str, Any]) -> str:
    words = f" The panel says:\n\n{letter['words']}" if letter["words"] else ""
    return f"""{_read(letter)}. It has not decided yet: it will look
at it again at a later meeting.{words}

You need to do nothing. We write to you after that meeting. You can see where it stands, or take it back,
here:

{letter["link"]}"""


_DECISIONS = {"award": _award, "decline": _decline, "defer": _defer}


async def remind_of_award(tx: Transaction, event: Event) -> None:
    """Tell somebody that the last day is near on which they can say yes."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    awarded, answer_by = pounds(_pence(event, "awarded")), day_words(event.data["answer_by"])
    body = f"""{greeting(letter)}

you are offered {awarded}, and we have not heard from you. It is for your application {letter["reference"]},
“{letter["round"]}”. The last day to say yes is {answer_by}. After that day the money goes to somebody else.

To say yes or no, open this page:

{letter["link"]}

{help_with(tx, letter)}"""
    await _write(tx, event, letter, f"Please answer by {answer_by}: application {letter['reference']}", body)


async def confirm_acceptance(tx: Transaction, event: Event) -> None:
    """Tell somebody that their yes has come, and what happens next."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    body = f"""{greeting(letter)}

thank you. You have said yes to {pounds(_pence(event, "awarded"))}. It is for your application
{letter["reference"]}, “{letter["round"]}”.

What happens next: {_NEXT.get(event.data["paid_to"], "we pay for your exam.")} If we need a paper from you,
this page says which, and there you can add it:

{letter["link"]}

{help_with(tx, letter)}"""
    await _write(tx, event, letter, f"Thank you: application {letter['reference']}", body)


_NEXT = {
    "person": "we pay when we have seen that your exam is booked.",
    "exam_body": "we pay the body that holds your exam, by its invoice.",
}


async def say_paid(tx: Transaction, event: Event) -> None:
    """Tell somebody that money was paid, to them or to the body that holds their exam."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    paid, on = pounds(_pence(event, "paid")), day_words(event.data["paid_on"])
    to = "to your bank account. It can take three working days to arrive"
    if event.data["paid_to"] == "exam_body":
        to = "to the body that holds your exam"
    body = f"""{greeting(letter)}

on {on} we paid {paid} {to}. It is for your application {letter["reference"]}, “{letter["round"]}”.

Please keep your receipt. After your exam, tell us how it went, here:

{letter["link"]}

If you cannot sit the exam, or if the money does not arrive, ring us soon.

{help_with(tx, letter)}"""
    await _write(tx, event, letter, f"We have paid {paid}: application {letter['reference']}", body)


async def say_returned(tx: Transaction, event: Event) -> None:
    """Tell somebody that money for them is free again, why, and what they can do."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    returned = pounds(_pence(event, "returned"))
    why = _RETURNS.get(event.data["why"], "It will not be paid.")
    words = f"\n\n{letter['words']}" if letter["words"] else ""
    body = f"""{greeting(letter)}

this is about the {returned} for your application {letter["reference"]}, “{letter["round"]}”. {why}{words}

You can see where it stands here:

{letter["link"]}

{help_with(tx, letter)}"""
    await _write(tx, event, letter, f"About your money: application {letter['reference']}", body)


_RETURNS = {
    "came_back": "We paid it, and the bank sent it back.",
    "bank_refused": "The bank did not take our payment. Please give us your bank details once more.",
    "not_answered": "You have not told us by the last day that you want it. So it goes to somebody else.",
    "given_up": "It is not needed any more, so it goes back to the fund. If that surprises you, ring us.",
    "not_sat": "The exam was not sat, so the money goes back to the fund.",
}


async def ask_for_report(tx: Transaction, event: Event) -> None:
    """Ask somebody whose exam was paid for how it went."""
    letter = opened(tx, event, "letter")
    if letter is None:
        return
    again = _REPORTS[min(event.data["asked_before"], len(_REPORTS) - 1)]
    body = f"""{greeting(letter)}

we paid for your exam (application {letter["reference"]}, “{letter["round"]}”). How did it go?

{again}Please tell us by {day_words(event.data["due_on"])}, and add the receipt. It takes two minutes:

{letter["link"]}

It does not matter for the money whether you passed. Those who gave it want to know that it was used for
exams.

{help_with(tx, letter)}"""
    subject = f"How did your exam go? Application {letter['reference']}"
    await _write(tx, event, letter, subject, body)


def _pence(event: Event, name: str) -> int:
    pence: int = event.data[name]["amount_pence"]
    return pence


async def _write(tx: Transaction, event: Event, letter: dict[str, Any], subject: str, body: str) -> None:
    await write(tx, event, "application", letter["email"], subject, body, tx.now + _GOOD_FOR)
