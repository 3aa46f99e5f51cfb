"""To those who applied and were decided on: what it is, that money is on its way, and how it went."""

from datetime import timedelta

from chassis.database import Transaction
from chassis.web import pounds
from contracts.envelope import Event
from services.notifications.notices.applicants import to_applicant
from services.notifications.notices.writing import Value

#: What was decided is worth sending for long: there is no other way in which they hear of it.
_GOOD_FOR = timedelta(days=21)

#: Why money is free again, as far as the words know the reason.
_WHYS = ("came_back", "bank_refused", "not_answered", "given_up", "not_sat")


async def say_decision(tx: Transaction, event: Event) -> None:
    """Tell somebody what the panel has decided, why, and what they can do."""
    said = event.data
    exam = tx.context.house.lists["purposes"].get(said["purpose"] or "")
    values: dict[str, Value] = {"exam": exam.name if exam else "", "replaces": said["replaces"]}
    if said["decision"] == "award":
        asked, awarded = _pence(event, "asked"), _pence(event, "awarded")
        values |= {
            "awarded": pounds(awarded),
            "asked": pounds(asked) if awarded < asked else "",
            "answer_by": said["answer_by"],
        }
    await _write(tx, event, f"decision_{said['decision']}", **values)


async def remind_of_award(tx: Transaction, event: Event) -> None:
    """Tell somebody that the last day is near on which they can say yes."""
    awarded, answer_by = pounds(_pence(event, "awarded")), event.data["answer_by"]
    await _write(tx, event, "award_reminder", awarded=awarded, answer_by=answer_by)


async def confirm_acceptance(tx: Transaction, event: Event) -> None:
    """Tell somebody that their yes has come, and what happens next."""
    to = event.data["paid_to"]
    await _write(
        tx,
        event,
        "award_accepted",
        awarded=pounds(_pence(event, "awarded")),
        to_person=to == "person",
        to_exam_body=to == "exam_body",
        otherwise=to is None,
        own_share=_own_share(event),
    )


async def ask_for_proof(tx: Transaction, event: Event) -> None:
    """Ask somebody for another booking or invoice, and say what is wrong with the one that they sent."""
    await _write(tx, event, "award_proof", invoice=event.data["proof"] == "invoice")


async def say_paid(tx: Transaction, event: Event) -> None:
    """Tell somebody that money was paid, to them or to the body that holds their exam."""
    await _write(
        tx,
        event,
        "award_paid",
        paid=pounds(_pence(event, "paid")),
        paid_on=event.data["paid_on"],
        to_exam_body=event.data["paid_to"] == "exam_body",
        own_share=_own_share(event),
    )


async def say_returned(tx: Transaction, event: Event) -> None:
    """Tell somebody that money for them is free again, why, and what they can do."""
    why = event.data["why"]
    reasons: dict[str, Value] = {code: code == why for code in _WHYS}
    returned = pounds(_pence(event, "returned"))
    await _write(tx, event, "award_returned", returned=returned, **reasons, otherwise=why not in _WHYS)


async def ask_for_report(tx: Transaction, event: Event) -> None:
    """Ask somebody whose exam was paid for how it went."""
    before = event.data["asked_before"]
    await _write(tx, event, "report_due", due_on=event.data["due_on"], second=before == 1, last=before > 1)


async def ask_for_post(tx: Transaction, event: Event) -> None:
    """Ask somebody who has passed their exam, and had no post then, whether they have one now."""
    await _write(tx, event, "post_asked")


def _own_share(event: Event) -> str:
    """What somebody pays to the exam body themselves; nothing where all of it is paid for them."""
    partly = event.data["paid_to"] == "exam_body" and event.data["own_share"]
    return pounds(_pence(event, "own_share")) if partly else ""


def _pence(event: Event, name: str) -> int:
    pence: int = event.data[name]["amount_pence"]
    return pence


async def _write(tx: Transaction, event: Event, kind: str, **values: Value) -> None:
    await to_applicant(tx, event, kind, _GOOD_FOR, **values)
