"""What partners does when it hears of letters and of money: it notes them on the organisation's timeline.

Each note is an insert that commutes with every other, so the order of arrival makes no difference. A note
about an organisation that is not in the register waits until it is. So are the heads of other chains noted.
"""

from datetime import datetime

from chassis.database import Transaction
from chassis.errors import NotYetKnown
from chassis.house import word_within
from chassis.inbox import copy, reaction
from chassis.web import day, pounds
from contracts import grants, notifications
from contracts.envelope import Event
from contracts.notifications import (
    ContactCleared,
    ContactSuggested,
    ContactSuspected,
    ContributionPledged,
    LetterAcknowledged,
    LetterAnswerCorrected,
    LetterAnswered,
    LetterBounced,
    LetterFailed,
    LetterOverdue,
    LetterSent,
    NoticeFailed,
)
from services.partners import heads, operations, people, rights, taking_up
from services.partners.queries import QUERIES

#: What an answer is called between "Letter to … answered" and the name of the campaign, and what it means.
_ANSWERS = {
    "pledged": ("with a pledge", "It counts as soon as a member of staff has confirmed it."),
    "will_meet": ("with an offer to meet", "Somebody of ours agrees on a day with them."),
    "declined": ("with a refusal", "The reason stands with the letter."),
    "asked": ("with a question", "It is our turn: the question stands with the letter."),
}


async def note_letter_sent(tx: Transaction, event: Event) -> None:
    """Note that a letter went out, and what it asked for."""
    ask = event.data["ask"]
    what = f"{_letter(tx, event)} sent: “{event.data['campaign']}”"
    if ask is not None:
        what += f", asking {pounds(ask['amount_pence'])}"
    await _note(tx, event, what, happened_at=event.data["sent_at"])


async def note_letter_failed(tx: Transaction, event: Event) -> None:
    """Note that a letter did not arrive."""
    what = f"{_letter(tx, event)} did not arrive: “{event.data['campaign']}”"
    detail = "Their mail server refused it, so nobody there has seen it."
    await _note(tx, event, what, detail, happened_at=event.data["failed_at"])


async def note_letter_bounced(tx: Transaction, event: Event) -> None:
    """Note that a letter came back."""
    what = f"{_letter(tx, event)} came back: “{event.data['campaign']}”"
    bad = "The address does not work any more: it has to be put right."
    detail = bad if event.data["permanent"] else "It was not delivered, so nobody there has seen it."
    await _note(tx, event, what, detail, happened_at=event.data["bounced_at"])


async def note_letter_acknowledged(tx: Transaction, event: Event) -> None:
    """Note that somebody there said the letter arrived."""
    what = f"{_letter(tx, event)} acknowledged: “{event.data['campaign']}”"
    detail = "They said that it arrived, which commits them to nothing."
    await _note(tx, event, what, detail, happened_at=event.data["acknowledged_at"])


async def note_letter_answered(tx: Transaction, event: Event) -> None:
    """Note which answer a letter had."""
    answer, detail = _ANSWERS[event.data["answer"]]
    what = f"{_letter(tx, event)} answered {answer}: “{event.data['campaign']}”"
    await _note(tx, event, what, detail, happened_at=event.data["answered_at"])


#: Where an answer stands after it was put right.
_STANDS = {
    "silent": "no answer",
    "auto_replied": "no answer but an automatic one",
    "acknowledged": "acknowledged",
    "asked": "a question",
    "declined": "a refusal",
    "will_meet": "an offer to meet",
    "pledged": "a pledge",
}


async def note_answer_corrected(tx: Transaction, event: Event) -> None:
    """Note that an answer had been entered wrongly, and what it is."""
    what = f"Answer put right: {_STANDS[event.data['answer']]}, “{event.data['campaign']}”"
    detail = f"{_letter(tx, event)}: what was entered before was a mistake."
    await _note(tx, event, what, detail, happened_at=event.data["corrected_at"])


async def note_contact_suggested(tx: Transaction, event: Event) -> None:
    """Note that a letter was passed on, and keep to whom until somebody of ours has decided."""
    what = f"{_letter(tx, event)} passed on to a colleague: “{event.data['campaign']}”"
    detail = "A member of staff decides whether the colleague becomes a contact."
    await _note(tx, event, what, detail, happened_at=event.data["suggested_at"])
    await taking_up.remember(tx, event)


#: How late an answer is, and how long that is.
_LATE = {"late": ("late", "20"), "very_late": ("very late", "40")}


async def note_letter_overdue(tx: Transaction, event: Event) -> None:
    """Note that an answer is late."""
    late, days = _LATE[event.data["lateness"]]
    what = f"{_letter(tx, event)}, answer {late}: “{event.data['campaign']}”"
    detail = f"Over {days} working days without an answer. It is courtesy, not law."
    await _note(tx, event, what, detail, happened_at=event.time)


async def note_contact_suspected(tx: Transaction, event: Event) -> None:
    """Note that nothing ever comes from an address, or that our letter came back from there."""
    if event.data.get("channel") == "post":
        what = f"The postal address of {_addressee(tx, event)} may be wrong"
        detail = "Our letter came back by post. Telephone, and put it right."
    else:
        what = f"The address of {_addressee(tx, event)} may be dead"
        detail = "It has swallowed all that we sent up to 25 working days ago. Telephone, and put it right."
    await _note(tx, event, what, detail, happened_at=event.data["suspected_at"])


async def note_contact_cleared(tx: Transaction, event: Event) -> None:
    """Note that an address works after all."""
    what = f"The address of {_addressee(tx, event)} works after all"
    await _note(tx, event, what, happened_at=event.data["cleared_at"])


async def note_contribution_pledged(tx: Transaction, event: Event) -> None:
    """Note what was pledged, and for which fund."""
    what = f"{_money(event)} pledged for “{event.data['fund']}”: “{event.data['campaign']}”"
    # Whoever is known stands on the timeline by name.
    confirmed = "" if event.data["confirmed_by"] else " and confirmed by a member of staff"
    detail = f"Pledged on {day(event.data['pledged_on'])}{confirmed}."
    if event.data["replaces"]:
        detail += " It comes instead of what they had pledged before."
    await _note(tx, event, what, detail, happened_at=event.time)


async def note_contribution_received(tx: Transaction, event: Event) -> None:
    """Note which money came, and for which fund."""
    what = f"{_money(event)} received for “{event.data['fund']}”"
    detail = f"It came on {day(event.data['received_on'])}."
    await _note(tx, event, what, detail, happened_at=event.time)


async def note_contribution_refunded(tx: Transaction, event: Event) -> None:
    """Note which money went back."""
    what = f"{_money(event)} given back, from “{event.data['fund']}”"
    detail = f"It went on {day(event.data['refunded_on'])}."
    await _note(tx, event, what, detail, happened_at=event.time)


async def note_contribution_written_back(tx: Transaction, event: Event) -> None:
    """Note which money was pledged and will not come, or that it is expected after all."""
    what = f"{_money(event)} will not come, of what was pledged for “{event.data['fund']}”"
    detail = f"Nobody waits for it since {day(event.data['written_back_on'])}."
    if event.data["amount"]["amount_pence"] == 0:
        again = event.data["expected_again"]  # an earlier release did not say how much
        which = f"{pounds(again['amount_pence'])} of what" if again else "What"
        what = f"{which} was pledged for “{event.data['fund']}” is expected after all"
        detail = f"It is waited for again since {day(event.data['written_back_on'])}."
    await _note(tx, event, what, detail, happened_at=event.time)


def _money(event: Event) -> str:
    return pounds(event.data["amount"]["amount_pence"])


def _letter(tx: Transaction, event: Event) -> str:
    """Which letter, in words: ``Letter to the chief executive``."""
    return f"Letter to {_addressee(tx, event)}"


def _addressee(tx: Transaction, event: Event) -> str:
    return word_within(tx.context.house.lists["contact_roles"], event.data["contact_role"])


async def _note(tx: Transaction, event: Event, what: str, detail: str = "", *, happened_at: datetime) -> None:
    said = {"what": what, "detail": detail, "kind": event.fact.NAME, "happened_at": happened_at}
    where = {"id": event.id, "organisation_id": event.data["organisation_id"], "now": tx.now}
    whose = {name: event.data.get(name) for name in ("letter_id", "contact_id", "confirmed_by")}
    if await QUERIES.enter_on_timeline(tx, **said, **where, **whose) is None:
        raise NotYetKnown


SUBSCRIPTIONS = (
    reaction(LetterSent, note_letter_sent),
    reaction(LetterFailed, note_letter_failed),
    reaction(LetterBounced, note_letter_bounced),
    reaction(LetterAcknowledged, note_letter_acknowledged),
    reaction(LetterAnswered, note_letter_answered),
    reaction(LetterAnswerCorrected, note_answer_corrected),
    reaction(ContactSuggested, note_contact_suggested),
    reaction(LetterOverdue, note_letter_overdue),
    reaction(ContactSuspected, note_contact_suspected),
    reaction(ContactCleared, note_contact_cleared),
    reaction(ContributionPledged, note_contribution_pledged),
    reaction(NoticeFailed, people.note_unreached),
    reaction(grants.ContributionReceived, note_contribution_received),
    reaction(grants.ContributionRefunded, note_contribution_refunded),
    reaction(grants.ContributionWrittenBack, note_contribution_written_back),
    reaction(grants.PersonDataGathered, rights.take_finding),
    reaction(notifications.PersonDataGathered, rights.take_finding),
    reaction(grants.ErasureAnswered, rights.take_answer),
    reaction(notifications.ErasureAnswered, rights.take_answer),
    reaction(grants.PersonScrubbed, rights.take_scrubbed),
    reaction(notifications.PersonScrubbed, rights.take_scrubbed),
    reaction(grants.ChainHeadTold, heads.note_head),
    reaction(notifications.ChainHeadTold, heads.note_head),
    copy(grants.ServiceReported, operations.remember_reports),
    copy(notifications.ServiceReported, operations.remember_reports),
)
