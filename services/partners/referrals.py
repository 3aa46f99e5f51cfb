"""Referrals: somebody is sent on to a partner, who says whether they take them, and later whether it helped.

Of the person nothing is known here but a reference of ours; their side stands on a slip that they carry. The
partner answers by a link without an account, or by telephone, and then somebody of ours records it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.house import word
from chassis.links import link_digest, link_token
from chassis.outbox import Announcement, announce, announce_many
from chassis.sealed import seal
from chassis.working_days import working_days_after
from contracts.envelope import Fact
from contracts.partners import ReferralAnswered, ReferralClosed, ReferralMade, ReferralReminded
from services.partners.holding import hold_open
from services.partners.queries import REFERRALS, TIMELINE
from services.partners.today import Needed

#: Whole working days after which somebody of ours asks: for an answer, and for what came of it.
ANSWER_WITHIN, OUTCOME_WITHIN = 5, 20
#: Characters of why a referral was declined.
LONGEST_REASON = 300
#: Contacts that are offered.
_MOST_CONTACTS = 100


class State(StrEnum):
    """Where a referral stands."""

    MADE = "made"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    HELPED = "helped"
    NOT_HELPED = "not_helped"
    NOT_KNOWN = "not_known"
    TAKEN_BACK = "taken_back"
    #: The organisation closed, and nobody took over from it.
    ENDED = "ended"


_S = State

#: What came of it, as far as anybody can say.
OUTCOMES = frozenset({_S.HELPED, _S.NOT_HELPED, _S.NOT_KNOWN})
#: What can be recorded of an answer.
ANSWERS = frozenset({_S.ACCEPTED, _S.DECLINED}) | OUTCOMES


@dataclass(frozen=True)
class Stage:
    """One row of the table of a referral's states."""

    words: str
    #: What a partner is told.
    public: str
    #: What a partner may say next.
    then: frozenset[State] = frozenset()
    #: What we may record next: somebody may have pressed, or heard, the wrong thing.
    ours: frozenset[State] = frozenset()


STAGES: Mapping[State, Stage] = {
    _S.MADE: Stage(
        "Waiting for their answer",
        "You have not answered yet.",
        frozenset({_S.ACCEPTED, _S.DECLINED}),
        frozenset({_S.ACCEPTED, _S.DECLINED, _S.TAKEN_BACK}),
    ),
    _S.ACCEPTED: Stage(
        "Accepted, outcome not known yet",
        "You told us that you can help.",
        OUTCOMES | {_S.DECLINED},
        OUTCOMES | {_S.DECLINED, _S.TAKEN_BACK},
    ),
    _S.DECLINED: Stage("Declined", "You told us that you cannot help.", ours=ANSWERS - {_S.DECLINED}),
    _S.HELPED: Stage("Helped", "You told us that it helped.", ours=ANSWERS - {_S.HELPED}),
    _S.NOT_HELPED: Stage("Did not help", "You told us that it did not help.", ours=ANSWERS - {_S.NOT_HELPED}),
    _S.NOT_KNOWN: Stage(
        "Outcome cannot be known",
        "You told us that you do not know what came of it.",
        frozenset({_S.HELPED, _S.NOT_HELPED}),
        ANSWERS - {_S.NOT_KNOWN},
    ),
    _S.TAKEN_BACK: Stage("Taken back", "We have taken this back. You need do nothing more."),
    _S.ENDED: Stage("Ended: the organisation closed", "This has ended. You need do nothing more."),
}

#: What the timeline says of an answer.
_ENTERED = {
    _S.ACCEPTED: "Referral accepted",
    _S.DECLINED: "Referral declined",
    _S.HELPED: "Referral: it helped",
    _S.NOT_HELPED: "Referral: it did not help",
    _S.NOT_KNOWN: "Referral: nobody can say what came of it",
}

#: States in which something is still expected of the partner.
OPEN = (_S.MADE, _S.ACCEPTED)


# Our reference


_REFERENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9./_-]{0,22}[A-Za-z0-9])?")
_LETTERS = re.compile(r"[A-Za-z]+")
_DATE = re.compile(r"\d{1,2}[./_-]\d{1,2}[./_-]\d{2,4}|(?:19|20)\d\d[./_-]\d{1,2}[./_-]\d{1,2}")
#: Letters that a reference may have in one run, such as ``MRCF``: hardly a name has so few.
_MOST_LETTERS = 4
_CURE = "Give our own reference, with figures and at most four letters together, such as SG-00417."


def check_reference(text: str) -> str:
    """Our reference of somebody, as it was typed.

    Raises:
        Refused: when it could tell somebody else who they are.
    """
    if "@" in text:
        raise _not_a_reference("This looks like an e-mail address.")
    digits = "".join(character for character in text if character.isdecimal())
    if len(digits) == 10 and _is_nhs_number(digits):
        raise _not_a_reference("This looks like an NHS number.")
    if not _LETTERS.search(text) and (text[:1] in ("+", "(") or (text[:1] == "0" and len(digits) >= 10)):
        raise _not_a_reference("This looks like a telephone number.")
    if any(len(run) > _MOST_LETTERS for run in _runs(text)) or (text and not digits):
        raise _not_a_reference("This looks like a name.")
    if _DATE.search(text):
        raise _not_a_reference("This looks like a date of birth.")
    if not _REFERENCE.fullmatch(text):
        raise _not_a_reference("This is not a reference of ours.")
    return text


def _not_a_reference(what: str) -> Refused:
    return Refused(what, _CURE, field="reference")


def _runs(text: str) -> Iterable[str]:
    """What stands together in letters, of whatever script."""
    return "".join(sign if sign.isalpha() else " " for sign in text).split()


def _is_nhs_number(digits: str) -> bool:
    """Whether the tenth digit is what the NHS works out from the other nine, modulo 11."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(digits[9])


# The link


def token_of(context: Context, id: UUID) -> str:
    """What stands in a referral's link: the same in every letter and on every slip."""
    return link_token(context.keys.derive("referral links"), "conduit referral link", id)


def link_of(context: Context, id: UUID) -> str:
    """The address by which a partner answers."""
    return f"{context.settings.origin}/partners/referred/{token_of(context, id)}"


async def by_token(tx: Transaction, token: str) -> Any:
    """The referral that a link leads to; nothing when it leads nowhere."""
    return await REFERRALS.referral_by_token(tx, digest=link_digest(token[:200]))


# Making one


async def contacts_of(tx: Transaction, organisation_id: UUID) -> list[Any]:
    """Whom one may write to at an organisation."""
    rows = REFERRALS.contacts_for_referral(tx, organisation_id=organisation_id, most=_MOST_CONTACTS)
    return [row async for row in rows]


async def make(
    tx: Transaction,
    organisation_id: UUID,
    *,
    reference: str,
    need: str,
    contact_id: UUID | None,
    by: UUID,
    another: bool = False,
) -> UUID:
    """Send somebody on; the contact, if there is one, gets a letter with the link.

    Args:
        another: whether it is one more where the same was already made today.

    Raises:
        NotFound: when there is no such organisation, or no such contact there who can be written to.
        Refused: names the field.
    """
    organisation = await hold_open(tx, organisation_id, field="reference")
    today = tx.today
    if need not in tx.context.house.lists["needs"]:
        raise Refused("It is not said what they need.", "Choose one of the list.", field="need")
    id: UUID = uuid_utils.compat.uuid7()
    contact = await _contact(tx, organisation_id, contact_id)
    reference = check_reference(reference)
    if not another:
        await _check_first(tx, organisation_id, reference, need)
    await REFERRALS.enter_referral(
        tx,
        id=id,
        reference=reference,
        need=need,
        organisation_id=organisation_id,
        contact_id=contact_id,
        made_by=by,
        due_on=_ask_on(today, ANSWER_WITHIN),
        token_digest=link_digest(token_of(tx.context, id)),
        now=tx.now,
    )
    said = {"id": id, "organisation_id": organisation_id, "need": need, "reference": reference}
    await _enter(tx, said, "referral_made", f"Referral made: {_need(tx, need)}", by)
    about = {"organisation": organisation_id, "need": need, "reference": digest_of(tx, reference)}
    note(tx, "referral_made", "referral", id, after=about)
    facts: dict[str, Any] = {
        "referral_id": id,
        "organisation_id": organisation_id,
        "need": need,
        "contact_id": contact_id,
    }
    letter = _letter(tx, ReferralMade, {**said, "organisation": organisation["name"]}, contact)
    await announce(tx, ReferralMade, subject=id, sequence=1, **facts, made_on=today, letter=letter)
    return id


async def _check_first(tx: Transaction, organisation_id: UUID, reference: str, need: str) -> None:
    """That the same was not made today.

    Raises:
        Conflict: when it was.
    """
    since = datetime.combine(tx.today, time(), LOCAL)
    same = {"organisation_id": organisation_id, "reference": reference, "need": need}
    if await REFERRALS.referral_made_since(tx, **same, since=since):
        cure = "Tick the box if it is another one. Otherwise there is nothing to do."
        raise Conflict(f"You referred {reference} there today.", cure, field="another")


async def _contact(tx: Transaction, organisation_id: UUID, contact_id: UUID | None) -> Any:
    """Whom to write to by e-mail; nobody when nobody was chosen.

    Raises:
        NotFound: when they cannot be.
    """
    if contact_id is None:
        return None
    for row in await contacts_of(tx, organisation_id):
        if row["id"] == contact_id and row["email"]:
            return row
    raise NotFound


def _letter(tx: Transaction, fact: type[Fact], referral: Mapping[str, Any], contact: Any) -> str | None:
    """What a letter to the partner needs, sealed; nothing when nobody is written to."""
    if contact is None:
        return None
    return seal(
        tx.context.keys,
        fact,
        "letter",
        {
            "name": contact["name"],
            "email": contact["email"],
            "organisation": referral["organisation"],
            "reference": referral["reference"],
            "need": _need(tx, referral["need"]),
            "link": link_of(tx.context, referral["id"]),
        },
    )


# What is said of one


async def answer(
    tx: Transaction, id: UUID, state: State, *, reason: str = "", by: UUID | None = None
) -> None:
    """Record what a partner says: that they take somebody or not, or what came of it.

    Args:
        by: who of ours records it; nobody when the partner does.

    Raises:
        NotFound: when there is no such referral.
        Conflict: when that cannot be said any more.
        Refused: when a reason is missing or too long.
    """
    referral = await _locked(tx, id)
    stage = STAGES[State(referral["state"])]
    if state in ANSWERS and referral["state"] == state:
        return
    if state not in ANSWERS & (stage.then if by is None else stage.ours):
        cure = "Open the page again to see where it stands."
        raise Conflict("This cannot be said of it any more.", cure)
    if state is State.DECLINED and not 3 <= len(reason) <= LONGEST_REASON:
        cure = f"Say why in 3 to {LONGEST_REASON} characters. Name nobody."
        raise Refused(_fault_of_reason(reason), cure, field="reason")
    reason = reason if state is State.DECLINED else ""
    due_on = _ask_on(tx.today, OUTCOME_WITHIN) if state is State.ACCEPTED else None
    await _move(tx, referral, state, reason=reason, due_on=due_on, by=by)
    await _enter(tx, referral, "referral_answered", _ENTERED[state], by)
    if state in OUTCOMES:
        await _announce(tx, ReferralClosed, referral, outcome=state.value)
    else:
        await _announce(tx, ReferralAnswered, referral, answer=state.value)


def _fault_of_reason(reason: str) -> str:
    if not reason:
        return "There is no reason."
    return f"The reason is too {'long' if len(reason) > LONGEST_REASON else 'short'}."


async def take_back(tx: Transaction, id: UUID, by: UUID) -> None:
    """Nothing more is expected of the partner.

    Raises:
        NotFound, Conflict: when there is no such referral, or it is over.
    """
    referral = await _locked(tx, id)
    if State.TAKEN_BACK not in STAGES[State(referral["state"])].ours:
        raise Conflict("This referral is over.", "Open the page again to see where it stands.")
    await _move(tx, referral, State.TAKEN_BACK, reason="", due_on=None, by=by)
    await _enter(tx, referral, "referral_taken_back", "Referral taken back", by)
    await _announce(tx, ReferralClosed, referral, outcome=State.TAKEN_BACK.value)


async def remind(tx: Transaction, id: UUID, by: UUID) -> bool:
    """Ask once more, by a letter where there is an address; whether one goes. Else somebody of ours has.

    Raises:
        NotFound, Conflict: when there is no such referral, or nothing is expected any more.
    """
    locked = await _locked(tx, id)
    if locked["state"] not in OPEN:
        raise Conflict("Nothing more is expected of them.", "Open the page again to see where it stands.")
    referral = await REFERRALS.referral(tx, id=id)
    contact = {"name": referral["contact"], "email": referral["email"]} if referral["email"] else None
    await REFERRALS.put_off_referral(tx, id=id, due_on=_ask_on(tx.today, ANSWER_WITHIN))
    what = f"Referral: asked again{' by letter' if contact else ''}"
    await _enter(tx, referral, "referral_reminded", what, by)
    note(tx, "referral_reminded", "referral", id)
    wanted = "answer" if referral["state"] == State.MADE else "outcome"
    letter = _letter(tx, ReferralReminded, referral, contact)
    about = {"contact_id": referral["contact_id"], "wanted": wanted, "letter": letter}
    await _announce(tx, ReferralReminded, locked, **about)
    return contact is not None


async def _locked(tx: Transaction, id: UUID) -> Any:
    referral = await REFERRALS.lock_referral(tx, id=id)
    if referral is None:
        raise NotFound
    return referral


async def _move(
    tx: Transaction, referral: Any, state: State, *, reason: str, due_on: date | None, by: UUID | None
) -> None:
    said = {"state": state, "reason": reason, "due_on": due_on, "changed_by": by}
    await REFERRALS.move_referral(tx, id=referral["id"], **said, now=tx.now)
    states = {"before": {"state": referral["state"]}, "after": {"state": state}}
    note(tx, "referral_moved", "referral", referral["id"], **states)


async def _announce(tx: Transaction, fact: type[Fact], referral: Mapping[str, Any], **more: Any) -> None:
    said = {"referral_id": referral["id"]} | {name: referral[name] for name in ("organisation_id", "need")}
    sequence = referral["version"] + 1
    await announce(tx, fact, subject=referral["id"], sequence=sequence, **said, **more)


async def _enter(tx: Transaction, referral: Mapping[str, Any], kind: str, what: str, by: UUID | None) -> None:
    """Say on the organisation's timeline what happened, with who of ours did it. The reference and the reason
    stand with the referral alone, where they are let go of.
    """
    await TIMELINE.enter_note(
        tx,
        id=uuid_utils.compat.uuid7(),
        organisation_id=referral["organisation_id"],
        happened_at=tx.now,
        kind=kind,
        what=what,
        detail="",
        written_by=by,
        ends_at=None,
        place="",
        our_people=[],
        their_contacts=[],
        referral_id=referral["id"],
        now=tx.now,
    )


def _need(tx: Transaction, code: str) -> str:
    return word(tx.context.house.lists["needs"], code)


def _ask_on(since: date, days: int) -> date:
    """The first working day on which so many whole working days have gone by."""
    return working_days_after(since, days + 1)


# Figures


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How many referrals came how far."""

    made: int
    declined: int
    #: By us, or because the organisation closed.
    taken_back: int
    helped: int
    not_helped: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Figures":
        """The figures in a row that counts."""
        return cls(**{name: row[name] for name in ("made", "declined", "taken_back", "helped", "not_helped")})

    @property
    def expected(self) -> int:
        """Of how many an outcome is to become known."""
        return self.made - self.declined - self.taken_back

    @property
    def closed(self) -> int:
        """Of how many it is known."""
        return self.helped + self.not_helped

    @property
    def percent(self) -> int | None:
        """The share of loops that are closed; nothing when there are none to be closed."""
        return round(100 * self.closed / self.expected) if self.expected else None


# Merging and closing


async def move(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """Who was sent on to one organisation was sent to the other that it is merged into."""
    await REFERRALS.move_referrals(tx, losing=losing, surviving=surviving)


async def open_of(tx: Transaction, organisation_id: UUID) -> int:
    """How many referrals to an organisation are not over."""
    return int(await REFERRALS.open_referrals_of(tx, organisation_id=organisation_id))


async def hand_over(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """The successor of a closed organisation helps whom that was to help. The links in letters stay good."""
    await REFERRALS.hand_over_referrals(tx, losing=losing, surviving=surviving)


async def end(tx: Transaction, losing: UUID) -> None:
    """An organisation closed, and nobody helps whom it was to help."""
    rows = [row async for row in REFERRALS.end_referrals(tx, losing=losing, now=tx.now)]
    await announce_many(tx, [_ended(row) for row in rows])


def _ended(row: Mapping[str, Any]) -> Announcement:
    data = {"referral_id": row["id"], "organisation_id": row["organisation_id"], "need": row["need"]}
    fact, subject = ReferralClosed, row["id"]
    said = {**data, "outcome": State.ENDED.value}
    return Announcement(fact=fact, subject=subject, sequence=row["version"], data=said)


# Today's work


async def needed(tx: Transaction, today: date, most: int) -> list[Needed]:
    """Referrals that nobody has answered, and those of which nobody has said what came of them."""
    return [_due(row) async for row in REFERRALS.referrals_due(tx, today=today, most=most)]


def _due(row: Mapping[str, Any]) -> Needed:
    unanswered = row["state"] == State.MADE
    what = "Ask for an answer to referral" if unanswered else "Ask what came of referral"
    return Needed(
        kind="referral_unanswered" if unanswered else "outcome_missing",
        what=f"{what} {row['reference']}",
        organisation_id=row["organisation_id"],
        organisation=row["organisation"],
        due_on=row["due_on"],
        href=f"/partners/referrals/{row['id']}#answer",
    )
