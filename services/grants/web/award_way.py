"""An award in words: what it is, its payments, and everything that happened to it, in one order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.house import House
from chassis.web import day, pounds
from services.grants.awards import Award, Payee, award_of
from services.grants.payments import PaymentState, Why, exam_body
from services.grants.queries import MONEY
from services.grants.reporting import RESULTS, Result
from services.grants.states import STAGES
from services.grants.web.hrefs import application_href, award_href, payment_href
from services.grants.web.looks import LOOKS
from services.grants.web.people import People

#: How each state of a payment looks, and what it is called.
PAYMENT_LOOKS: Mapping[PaymentState, tuple[str, str]] = {
    PaymentState.PREPARED: ("ready", "To be made"),
    PaymentState.SENT_BACK: ("question", "Sent back"),
    PaymentState.CANCELLED: ("withdrawn", "Cancelled"),
    PaymentState.PAID: ("pledged", "Made"),
    PaymentState.RETURNED: ("returned", "Came back"),
}

#: Why money came back.
WHYS: Mapping[Why, str] = {
    Why.BANK_REFUSED: "The bank refused it",
    Why.CAME_BACK: "It was sent back to us",
    Why.NOT_SAT: "The exam was not sat",
}

#: What was done about an award, by what it is kept as.
STEPS = {
    "booking_added": "A booking confirmation was added",
    "booking_seen": "The booking was confirmed",
    "booking_returned": "Another booking confirmation was asked for",
    "invoice_added": "An invoice was added",
    "invoice_seen": "The invoice was confirmed",
    "invoice_returned": "Another invoice was asked for",
    "receipt_added": "A receipt was added",
    "receipt_seen": "A receipt was seen on paper",
    "exam_moved": "The exam was moved",
    "waived": "The money is not asked back",
    "committed_again": "Promised again",
    "released": "No longer promised",
    "given_up": "Given up",
}

_SETTLED = {
    PaymentState.SENT_BACK: "Payment {} sent back",
    PaymentState.CANCELLED: "Payment {} cancelled",
    PaymentState.PAID: "Payment {} made",
    PaymentState.RETURNED: "Payment {} made",
}


def in_words(award: Award, house: House) -> dict[str, Any]:
    """An award in a few words."""
    purposes = house.lists["purposes"]
    return {
        "id": award.application_id,
        "href": award_href(award.application_id),
        "application_href": application_href(award.application_id),
        "reference": award.reference,
        "purpose": purposes[award.purpose].name
        if award.purpose and award.purpose in purposes
        else award.purpose,
        "state": LOOKS[award.state],
        "state_words": STAGES[award.state].staff,
        "payee": payee_in_words(award.payee, house, award),
    }


def payee_in_words(payee: str | None, house: House, row: Any) -> str:
    """To whom something is paid, without a name of a person."""
    if payee is None:
        return "Not said yet"
    if payee == Payee.PERSON:
        return "The applicant"
    purpose = row.purpose if isinstance(row, Award) else row["purpose"]
    return exam_body(house, {"purpose": purpose}) or "The body that holds the exam"


async def of_application(tx: Transaction, application_id: UUID) -> dict[str, Any] | None:
    """What the pages of an application and of its award say of it; nothing where nothing is awarded."""
    award = await award_of(tx, application_id)
    if award is None:
        return None
    house = tx.context.house
    id = application_id
    payments = [row async for row in MONEY.payments_of(tx, application_id=id)]
    returns = [row async for row in MONEY.returns_of(tx, application_id=id)]
    steps = [row async for row in MONEY.award_steps_of(tx, application_id=id)]
    outcome = await MONEY.outcome_of(tx, application_id=id)
    acted = [row[name] for row in payments for name in ("prepared_by", "settled_by")]
    acted += [row["person_id"] for row in steps] + [row["recorded_by"] for row in returns]
    people = await People.of(tx, [*acted, outcome["said_by"] if outcome else None])
    return {
        **in_words(award, house),
        "it": award,
        "payments": [_listed(row, house, award) for row in payments],
        "outcome": {**outcome, "words": RESULTS[Result(outcome["result"])]} if outcome else None,
        "way": _way(award, payments, returns, steps, outcome, people),
    }


def _listed(row: Mapping[str, Any], house: House, award: Award) -> dict[str, Any]:
    look, words = PAYMENT_LOOKS[PaymentState(row["state"])]
    to = payee_in_words(row["payee"], house, award)
    return {**row, "href": payment_href(row["id"]), "look": look, "look_words": words, "to": to}


def _way(
    award: Award,
    payments: Sequence[Any],
    returns: Sequence[Any],
    steps: Sequence[Any],
    outcome: Any,
    people: People,
) -> list[dict[str, Any]]:
    """Everything that happened, the newest first."""
    happened = [
        _entry(award.offered_at, "Offered", f"{pounds(award.amount_pence)}, until {day(award.answer_by)}"),
        *([_entry(award.accepted_at, "Accepted")] if award.accepted_at else []),
        *[_step(row, people) for row in steps],
        *[entry for row in payments for entry in _of_payment(row, people)],
        *[_return(row, payments, people) for row in returns],
    ]
    if outcome:
        by = people.by(outcome["said_by"])
        happened.append(_entry(outcome["said_at"], RESULTS[Result(outcome["result"])], by=by))
        if outcome["in_post"] is not None:
            words = "Works in the profession" if outcome["in_post"] else "Not in a post yet"
            happened.append(_entry(outcome["in_post_at"], words))
    return sorted(happened, key=lambda entry: entry["at"], reverse=True)


def _entry(at: Any, what: str, detail: str = "", *, by: str = "", href: str | None = None) -> dict[str, Any]:
    return {"at": at, "what": what, "detail": detail, "source_words": by, "href": href}


def _step(row: Any, people: People) -> dict[str, Any]:
    details = [
        pounds(row["amount_pence"]) if row["amount_pence"] else "",
        day(row["day"]) if row["day"] else "",
    ]
    said = ". ".join(filter(None, [*details, row["words"]]))
    by = people.by(row["person_id"])
    return _entry(row["happened_at"], STEPS[row["what"]], said, by=by)


def _of_payment(row: Any, people: People) -> Iterator[dict[str, Any]]:
    href, amount = payment_href(row["id"]), pounds(row["amount_pence"])
    by = people.by(row["prepared_by"])
    yield _entry(row["prepared_at"], f"Payment {row['number']} prepared", amount, by=by, href=href)
    if row["settled_at"]:
        by = people.by(row["settled_by"])
        detail = row["words"] or (f"{amount} on {day(row['paid_on'])}" if row["paid_on"] else "")
        what = _SETTLED[PaymentState(row["state"])].format(row["number"])
        yield _entry(row["settled_at"], what, detail, by=by, href=href)


def _return(row: Any, payments: Sequence[Any], people: People) -> dict[str, Any]:
    number = next(each["number"] for each in payments if each["id"] == row["payment_id"])
    what = f"{pounds(row['amount_pence'])} of payment {number} came back"
    said = f"{WHYS[Why(row['why'])]}, on {day(row['returned_on'])}. {row['words']}".strip()
    by, href = people.by(row["recorded_by"]), payment_href(row["payment_id"])
    return _entry(row["recorded_at"], what, said, by=by, href=href)
