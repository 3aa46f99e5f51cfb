"""What comes of agreements: outcomes that are met, dropped or given to another owner; reviews; reminders."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Database, Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import Announcement, announce_many
from chassis.sealed import seal
from contracts.partners import AgreementReviewDue, OutcomeMet
from services.partners.agreements import (
    PAGE,
    SIGN,
    lock,
    owners_to_choose,
    token_of,
)
from services.partners.queries import AGREEMENTS
from services.partners.register import enter_on_timeline
from services.partners.terms import LONGEST_TEXT, REMIND_BEFORE, Side, text_of
from services.partners.today import Needed

#: Where the outcomes of all agreements are.
BOARD = "/partners/outcomes"

#: Reviews that one transaction reminds of.
_AT_A_TIME = 50

_EVERYTHING: dict[str, Any] = {
    **dict.fromkeys(
        ("id", "agreement_id", "organisation_id", "owner_id", "since", "until", "gone_by", "after")
    ),
    "state": "",
    "most": 1,
}


async def listed(tx: Transaction, **asked: Any) -> list[Any]:
    """Outcomes of signed agreements, by their date, as far as they are asked for.

    Args:
        asked: ``id``, ``agreement_id``, ``organisation_id``, ``owner_id``; ``state``; due ``since`` and
            ``until`` a day; ``gone_by`` a day, for those without an owner on it; ``after`` which one the
            page begins, and how many at ``most``.
    """
    return [row async for row in AGREEMENTS.outcomes_listed(tx, **{**_EVERYTHING, **asked})]


async def outcome(tx: Transaction, id: UUID) -> Any:
    """One outcome.

    Raises:
        NotFound: when there is none.
    """
    found = await listed(tx, id=id)
    if not found:
        raise NotFound
    return found[0]


async def _open(tx: Transaction, id: UUID) -> Any:
    """One outcome that is open, locked."""
    if await AGREEMENTS.lock_outcome(tx, id=id) is None:
        raise NotFound
    found = await outcome(tx, id)
    if found["state"] != "open":
        raise Conflict(f"This outcome is {found['state']} already.", "Open the page again.")
    return found


async def meet(tx: Transaction, id: UUID, met_on: date, achieved: str) -> None:
    """Note that an outcome was met, when, and what was achieved.

    Raises:
        NotFound, Conflict.
        Refused: names the field at fault.
    """
    if met_on > tx.today:
        raise Refused("This day is still to come.", "Give the day on which it was met.", field="met_on")
    known = await _close(tx, id, "met", met_on, achieved, "achieved", "Say what was achieved.")
    data = {
        "outcome_id": id,
        "agreement_id": known["agreement_id"],
        "organisation_id": known["organisation_id"],
        "met_on": met_on,
    }
    await announce_many(tx, [Announcement(fact=OutcomeMet, subject=id, sequence=1, data=data)])


async def drop(tx: Transaction, id: UUID, why: str) -> None:
    """Note that nobody goes on with an outcome, and why.

    Raises:
        NotFound, Conflict.
        Refused: names the field at fault.
    """
    await _close(tx, id, "dropped", tx.today, why, "why", "Say why nobody goes on with it.")


async def _close(tx: Transaction, id: UUID, state: str, on: date, typed: str, field: str, cure: str) -> Any:
    words = _words(typed, field, cure)
    known = await _open(tx, id)
    await AGREEMENTS.close_outcome(tx, id=id, state=state, closed_on=on, note=words, now=tx.now)
    note(tx, f"outcome_{state}", "outcome", id, before={"state": "open"}, after={"state": state, "on": on})
    what = f"Outcome {state}: “{known['what'][:120]}”"
    await enter_on_timeline(tx, known["organisation_id"], f"outcome_{state}", what, words)
    return known


def _words(typed: str, field: str, cure: str) -> str:
    words = text_of(typed)
    if not words:
        raise Refused("There are no words yet.", cure, field=field)
    if len(words) > LONGEST_TEXT:
        raise Refused("This is too long.", f"Write at most {LONGEST_TEXT:,} characters.", field=field)
    return words


async def give(tx: Transaction, id: UUID, owner_id: UUID | None) -> None:
    """Give an outcome to another person on the side that owns it: the body itself stays bound.

    Raises:
        NotFound, Conflict.
        Refused: when they are not on that side.
    """
    known = await _open(tx, id)
    side = Side(known["side"])
    choices = await owners_to_choose(tx, known["organisation_id"])
    if owner_id not in {each.id for each in choices if each.side is side}:
        raise Refused("This owner is not there.", "Choose somebody of the list.", field="owner")
    ours = side is Side.OURS
    whose = {"person_id": owner_id if ours else None, "contact_id": None if ours else owner_id}
    await AGREEMENTS.give_outcome(tx, id=id, **whose, now=tx.now)
    note(tx, "outcome_given", "outcome", id, before={"owner": known["owner_id"]}, after={"owner": owner_id})


# Reviews


async def review(tx: Transaction, id: UUID, review_on: date, typed: str) -> None:
    """Note what came of a review.

    Raises:
        NotFound: when there is no such agreement.
        Conflict: when there is no such open review.
        Refused: when nothing is said.
    """
    words = _words(typed, "note", "Say what came of it, in a sentence or two.")
    agreement = await lock(tx, id)
    said = {"agreement_id": id, "review_on": review_on, "note": words, "today": tx.today}
    if await AGREEMENTS.note_review(tx, **said) is None:
        raise Conflict("This review was noted before.", "Open the page again.")
    note(tx, "agreement_reviewed", "agreement", id, after={"review_on": review_on})
    what = f"Agreement reviewed: “{agreement['terms']['title']}”"
    await enter_on_timeline(tx, agreement["organisation_id"], "agreement_reviewed", what, words)


async def remind(database: Database) -> None:
    """Let both sides be told of each review that comes, once."""
    while True:
        async with database.transaction() as tx:
            today = tx.today
            asked = {"today": today, "until": today + REMIND_BEFORE, "most": _AT_A_TIME}
            rows = [row async for row in AGREEMENTS.reviews_to_tell(tx, **asked)]
            await announce_many(tx, [said for row in rows for said in _reminders(tx, row)])
            told = {"agreements": [r["agreement_id"] for r in rows], "days": [r["review_on"] for r in rows]}
            await AGREEMENTS.note_told(tx, **told, now=tx.now)
        if len(rows) < _AT_A_TIME:
            return


def _reminders(tx: Transaction, row: Mapping[str, Any]) -> Iterator[Announcement]:
    """One for our own person and one for their contact, as far as there are such and they have an address."""
    id, origin = row["agreement_id"], tx.context.settings.origin
    theirs = f"{SIGN}/{token_of(tx, id, row['in_force'])}"
    for whom, link in (("person", f"{PAGE}/{id}"), ("contact", theirs)):
        if not row[f"{whom}_email"]:
            continue
        notice = {
            "name": row[whom],
            "email": row[f"{whom}_email"],
            "title": row["title"],
            "organisation": row["organisation"],
            "link": origin + link,
        }
        recipient = row[f"{whom}_id"]
        yield Announcement(
            fact=AgreementReviewDue,
            subject=f"{id}/{row['review_on']}/{recipient}",
            sequence=1,
            data={
                "agreement_id": id,
                "organisation_id": row["organisation_id"],
                "review_on": row["review_on"],
                "recipient_id": recipient,
                "notice": seal(tx.context.keys, AgreementReviewDue, "notice", notice),
            },
        )


# Today's work


#: What to do, and where.
_WHAT = {
    "signature_waiting": ("Sign for us: “{}”", f"{PAGE}/{{}}#sign-title"),
    "review_due": ("Look at it together: “{}”", f"{PAGE}/{{}}#review-title"),
    "outcome_late": ("Late: “{}”", f"{BOARD}/{{}}#met-title"),
    "outcome_unowned": ("Nobody owns it any more: “{}”", f"{BOARD}/{{}}#owner-title"),
}


async def needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """What waits for somebody of ours: our signature, reviews, outcomes that are late or have no owner."""
    asked = {"today": today, "until": today + REMIND_BEFORE, "most": most}
    return [
        Needed(
            kind=row["kind"],
            what=_WHAT[row["kind"]][0].format(row["title"].replace("\n", " ")[:160]),
            organisation_id=row["organisation_id"],
            organisation=row["organisation"],
            due_on=row["due_on"],
            href=_WHAT[row["kind"]][1].format(row["id"]),
        )
        async for row in AGREEMENTS.needed_today(tx, **asked)
    ]
