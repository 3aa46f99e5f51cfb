"""A campaign: what it says, to whom, and what it asks; from a draft to the day it is sent.

Letters are made all at once, in one statement, however many there are. What the ask rests on (figure,
source, date, version of the formula) is frozen into each of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.documents import load
from chassis.errors import Conflict, NotFound, Refused
from chassis.house import House
from chassis.links import link_digest
from services.notifications.documents import PlanDocument
from services.notifications.domain import (
    AskFormula,
    Block,
    BlockReason,
    InvalidFormula,
    and_words,
    block_reason,
    check_template,
    day_words,
    message_id,
    pounds,
    registered_words,
    response_token,
)
from services.notifications.queries import QUERIES

#: What the key of the response tokens is derived for.
TOKENS = "response tokens"

_LONGEST = {"name": 200, "purpose": 500, "fund": 200, "subject": 200, "body": 20_000}

STAFF = "a member of staff"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a campaign is to be, before anything is made of it."""

    name: str
    purpose: str
    fund: str
    #: Both with merge fields in braces.
    subject: str
    body: str
    #: Codes of the house's lists.
    signatory: str
    kind: str
    roles: Sequence[str]
    profession: str
    formula: AskFormula


def read_plan(document: Mapping[str, Any]) -> Plan:
    """The plan in a document, such as the body of a request or a TOML file.

    Raises:
        Refused: names the field that is missing or of the wrong kind.
    """
    return plan_of(load(PlanDocument, document))


def plan_of(document: Mapping[str, Any]) -> Plan:
    """The plan in a document that has the right form.

    Raises:
        Refused: names the field ``ask``, when its figures make no formula.
    """
    texts = {field: document[field].strip() for field in (*_LONGEST, "signatory", "profession")}
    recipients = document["recipients"]
    try:
        formula = AskFormula(**document["ask"])
    except InvalidFormula as invalid:
        raise Refused(str(invalid), "Correct the figures of the ask.", field="ask") from None
    return Plan(**texts, kind=recipients["kind"].strip(), roles=tuple(recipients["roles"]), formula=formula)


def plan_faults(plan: Plan, house: House) -> Iterator[Refused]:
    """Everything that has to be mended before the plan can become a campaign."""
    for field, longest in _LONGEST.items():
        text = getattr(plan, field)
        if not text:
            yield Refused("This is empty.", "Write something here.", field=field)
        elif len(text) > longest:
            yield Refused("This is too long.", f"Write at most {longest:,} characters.", field=field)
        elif _has_control(text, multiline=field == "body"):
            yield Refused("This has characters that cannot be printed.", "Type it anew.", field=field)
    yield from _unknown_codes(plan, house)
    if plan.subject and plan.body:
        for fault in check_template(plan.body, plan.subject):
            place = f"Line {fault.line}, character {fault.column}."
            yield Refused(fault.words, place, field=fault.part)


# Control characters, and those that turn the direction of the text around them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _has_control(text: str, *, multiline: bool) -> bool:
    allowed = "\r\n\t" if multiline else ""
    return any(sign not in allowed for sign in _UNPRINTABLE.findall(text))


def _unknown_codes(plan: Plan, house: House) -> Iterator[Refused]:
    lists = house.lists
    for field, code, known in (
        ("kind", plan.kind, lists["kinds"]),
        ("profession", plan.profession, lists["professions"]),
        ("signatory", plan.signatory, house.signatories),
    ):
        if code not in known:
            yield Refused("This is not in our list.", "Choose one of the list.", field=field)
    if not plan.roles:
        yield Refused("Nobody would receive this.", "Choose at least one role.", field="roles")
    elif not set(plan.roles) <= set(lists["contact_roles"]):
        yield Refused("One of these roles is not in our list.", "Choose from the list.", field="roles")


async def create_campaign(tx: Transaction, plan: Plan) -> UUID:
    """Enter a draft. It has no letters yet; see :func:`prepare_letters`.

    Raises:
        Refused: names the first field at fault.
    """
    for fault in plan_faults(plan, tx.context.house):
        raise fault
    id: UUID = uuid_utils.compat.uuid7()
    note(tx, "campaign_made", "campaign", id, after={"kind": plan.kind, "words": digest_of(tx, plan.body)})
    await QUERIES.enter_campaign(
        tx,
        id=id,
        now=tx.now,
        name=plan.name,
        purpose=plan.purpose,
        fund=plan.fund,
        subject=plan.subject,
        body=plan.body,
        signatory=plan.signatory,
        kind=plan.kind,
        roles=list(dict.fromkeys(plan.roles)),
        profession=plan.profession,
        formula_version=plan.formula.version,
        least_pence=plan.formula.least_pence,
        each_pence=plan.formula.each_pence,
        step_pence=plan.formula.step_pence,
        most_pence=plan.formula.most_pence,
    )
    return id


async def campaign_called(tx: Transaction, name: str) -> UUID | None:
    """The newest campaign of that name."""
    id: UUID | None = await QUERIES.campaign_called(tx, name=name)
    return id


def formula_of(campaign: Any) -> AskFormula:
    """The formula that a campaign was given."""
    return AskFormula(
        version=campaign["formula_version"],
        least_pence=campaign["least_pence"],
        each_pence=campaign["each_pence"],
        step_pence=campaign["step_pence"],
        most_pence=campaign["most_pence"],
    )


async def prepare_letters(tx: Transaction, campaign_id: UUID) -> int:
    """Make one letter for each contact of the chosen roles, from what is known now. How many.

    Done again on a draft, it makes them anew. A letter that cannot go is made as well, and says why.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
    """
    campaign = await _lock_draft(tx, campaign_id)
    today = tx.context.clock.today()
    counts = {row["area"]: row async for row in QUERIES.counts_of(tx, profession=campaign["profession"])}
    recipients = QUERIES.recipients(tx, kind=campaign["kind"], roles=campaign["roles"], today=today)
    maker = _Maker(tx, campaign, counts)
    letters = [maker.letter(number, row) async for number, row in _numbered(recipients)]
    await QUERIES.forget_letters(tx, campaign_id=campaign_id)
    await QUERIES.enter_letters(tx, campaign_id=campaign_id, letters=letters, now=tx.now)
    note(tx, "letters_written", "campaign", campaign_id, after={"letters": len(letters)})
    await QUERIES.note_in_all(tx, campaign_id=campaign_id, what="Written", who=STAFF, now=tx.now)
    return len(letters)


async def prepare_letter(tx: Transaction, campaign: Any, number: int, row: Any) -> dict[str, Any]:
    """One letter more of a campaign, to the recipient `row`, as what enters letters takes it."""
    profession = campaign["profession"]
    counts = {counted["area"]: counted async for counted in QUERIES.counts_of(tx, profession=profession)}
    return _Maker(tx, campaign, counts).letter(number, row)


async def _numbered(rows: Any) -> Any:
    number = 0
    async for row in rows:
        number += 1
        yield number, row


async def _lock_draft(tx: Transaction, campaign_id: UUID) -> Any:
    campaign = await QUERIES.lock_campaign(tx, id=campaign_id)
    if campaign is None:
        raise NotFound
    if campaign["state"] != "draft":
        raise Conflict("This campaign was sent before.", "Open it to see where its letters stand.")
    return campaign


class _Maker:
    """Makes the letters of one campaign: everything but their template, their date and their link."""

    def __init__(self, tx: Transaction, campaign: Any, counts: Mapping[str, Any]) -> None:
        self._context = tx.context
        self._house = tx.context.house
        self._today = tx.context.clock.today()
        self._campaign = campaign
        self._counts = counts
        self._formula = formula_of(campaign)
        self._profession = self._house.lists["professions"].get(campaign["profession"])
        self._token_key = tx.context.keys.derive(TOKENS)
        self._domain = sender_of(tx.context).rpartition("@")[2]

    def letter(self, number: int, row: Any) -> dict[str, Any]:
        """A letter as the statement that enters all of them takes it."""
        id: UUID = uuid_utils.compat.uuid7()
        areas = {code: self._counts.get(code) for code in row["areas"]}
        block = self._block(row, areas)
        count = None if None in areas.values() else sum(known["count"] for known in areas.values() if known)
        ask = None if block or count is None else self._formula.ask(count)
        dates = [known["counted_on"] for known in areas.values() if known]
        reference = f"C{self._campaign['number']}-{number:03d}"
        return {
            "id": str(id),
            "organisation_id": str(row["organisation_id"]),
            "contact_id": str(row["contact_id"]),
            "number": number,
            "reference": reference,
            "role": row["role"],
            "body_name": row["body_name"],
            "areas": row["areas"],
            "state": "blocked" if block else "draft",
            "ask_pence": ask,
            "count": count,
            "evidence_on": max(dates).isoformat() if dates else None,
            "evidence_source": self._source(),
            "formula_version": self._formula.version,
            "frozen": self._frozen(row, count, ask, max(dates, default=None)),
            "token_digest": link_digest(response_token(self._token_key, id)).hex(),
            "message_id": message_id(id, self._domain),
            "reason": block.reason.value if block else None,
            "failure": block.words if block else None,
            "cure": block.cure if block else None,
        }

    def _block(self, row: Any, areas: Mapping[str, Any]) -> Block | None:
        if row["channel"] == "post":
            return Block(
                BlockReason.BY_POST,
                "This contact is written to by post.",
                "Print the letter and post it, or give the contact an e-mail address.",
            )
        named = {self._area(code): known["count"] if known else None for code, known in areas.items()}
        return block_reason(
            on=self._today,
            closed_on=row["closed_on"],
            successor=row["successor"],
            channel=row["channel"],
            email=row["email"],
            counts=named,
        )

    def _frozen(self, row: Any, count: int | None, ask: int | None, counted_on: Any) -> dict[str, Any]:
        house, signatory = self._house, self._house.signatories[self._campaign["signatory"]]
        areas = and_words([self._area(code) for code in row["areas"]])
        registered = registered_words(count) if count is not None else "?"
        role = house.lists["contact_roles"].get(row["role"])
        values = {
            "contact_name": row["name"],
            "contact_role": role.name if role else row["role"],
            "body_name": row["body_name"],
            "areas": areas,
            "registered": registered,
            "profession_plural": self._plural(),
            "ask": pounds(ask) if ask is not None else "?",
            "evidence_date": day_words(counted_on) if counted_on else "?",
            "evidence_source": self._source(),
            "fund": self._campaign["fund"],
            "signatory_name": signatory.name,
            "signatory_position": signatory.position,
            "house_name": house.name,
            "house_short_name": house.short_name,
            "house_telephone": house.telephone,
            "house_email": house.email,
        }
        return {
            "values": values,
            "house_number": house.number,
            "house_address": list(house.address),
            "house_website": house.website,
            "recipient_address": [*(row["postal_address"] or ()), *filter(None, [row["postcode"]])],
            "address_source": row["source"] or "our own address book",
            "how_to_stop": f"If you want no more letters from us, write to {house.email} or ring "
            f"{house.telephone}, and we shall stop.",
            "formula": self._formula.words(self._profession.name.lower() if self._profession else "person"),
            "figure": f"{registered} registered {self._plural()} in {areas}",
            "counted_on": counted_on.isoformat() if counted_on else None,
            "origin": self._context.settings.origin,
        }

    def _area(self, code: str) -> str:
        known = self._house.lists["areas"].get(code)
        return known.name if known else code

    def _plural(self) -> str:
        if self._profession is None:
            return "people"
        return str(self._profession.attributes.get("plural", f"{self._profession.name.lower()}s"))

    def _source(self) -> str:
        return f"{self._house.short_name}’s register of {self._plural()}"


def sender_of(context: Any) -> str:
    """The address that letters come from."""
    address: str = context.settings.mail_from or context.house.email
    return address


async def discard_campaign(tx: Transaction, campaign_id: UUID) -> None:
    """Throw a draft away, with its letters.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
    """
    await _lock_draft(tx, campaign_id)
    await QUERIES.forget_letters(tx, campaign_id=campaign_id)
    await QUERIES.discard_campaign(tx, id=campaign_id)
    note(tx, "campaign_discarded", "campaign", campaign_id)


async def send_campaign(tx: Transaction, campaign_id: UUID) -> int:
    """Let every letter of a draft go that can go. How many; the sender takes them from here.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it was sent before.
        Refused: when no letter can go.
    """
    await _lock_draft(tx, campaign_id)
    released = await QUERIES.release_letters(
        tx, campaign_id=campaign_id, dated=tx.context.clock.today(), who=STAFF, now=tx.now
    )
    if not released:
        raise Refused(
            "None of these letters can go.",
            "Look at the reasons beside them, put them right, and make the letters again.",
        )
    await QUERIES.start_campaign(tx, id=campaign_id, now=tx.now)
    note(tx, "campaign_sent", "campaign", campaign_id, after={"letters": int(released)})
    return int(released)
