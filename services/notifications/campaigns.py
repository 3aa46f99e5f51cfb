"""A campaign: what it is for, to whom it goes, what it says and asks; and the letters that are made of it.

Letters are made all at once, in one statement, however many there are. What the ask rests on (figure,
source, date, version of the formula) is frozen into each of them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    CAMPAIGN_STAGES,
    AskFormula,
    Block,
    BlockReason,
    CampaignState,
    InvalidFormula,
    StopScope,
    and_words,
    block_reason,
    day_words,
    message_id,
    pounds,
    registered_words,
    response_token,
    stopped_block,
)
from services.notifications.queries import COMPOSING, QUERIES
from services.notifications.stops import stopped
from services.notifications.wording import MISSING, check_template, fields_for

#: What the key of the response tokens is derived for.
TOKENS = "response tokens"

LONGEST = {"name": 200, "purpose": 500, "fund": 200, "subject": 200, "body": 20_000}

STAFF = "a member of staff"


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a campaign is for."""

    name: str
    purpose: str
    #: What the money is for. Both this and the profession are empty in a campaign that asks for none.
    fund: str = ""
    #: Whom we count, a code of the house's list.
    profession: str = ""
    #: What it asks; none in a campaign that asks for no money.
    formula: AskFormula | None


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Who receives a campaign, as codes of the house's lists."""

    kind: str
    #: None means everywhere.
    areas: Sequence[str] = ()
    roles: Sequence[str]
    #: One role after the other instead of all at once, in the order of the roles.
    in_turn: bool = False


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a campaign's letters say, as templates, and who signs them."""

    subject: str
    body: str
    #: A code of the house's list.
    signatory: str


@dataclass(frozen=True, kw_only=True)
class Plan(Purpose, Recipients, Words):
    """What a campaign is to be, before anything is made of it."""


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
    texts = {field: document[field].strip() for field in (*LONGEST, "signatory", "profession")}
    recipients = document["recipients"]
    try:
        formula = AskFormula(**document["ask"]) if document["ask"] else None
    except InvalidFormula as invalid:
        raise Refused(str(invalid), "Correct the figures of the ask.", field="ask") from None
    return Plan(
        **texts,
        kind=recipients["kind"].strip(),
        areas=tuple(recipients["areas"]),
        roles=tuple(recipients["roles"]),
        in_turn=recipients["in_turn"],
        formula=formula,
    )


def plan_faults(plan: Plan, house: House) -> Iterator[Refused]:
    """Everything that has to be mended before the plan can become a campaign."""
    yield from purpose_faults(plan, house)
    yield from recipients_faults(plan, house)
    yield from words_faults(plan, house, asks=plan.formula is not None)


def purpose_faults(purpose: Purpose, house: House) -> Iterator[Refused]:
    """What has to be mended in what a campaign is for."""
    asks = purpose.formula is not None
    for field in ("name", "purpose", "fund"):
        yield from _text_faults(field, getattr(purpose, field), required=asks or field != "fund")
    if asks:
        yield from _unknown("profession", purpose.profession, house.lists["professions"])


def recipients_faults(recipients: Recipients, house: House) -> Iterator[Refused]:
    """What has to be mended in who receives a campaign."""
    yield from _unknown("kind", recipients.kind, house.lists["kinds"])
    if not set(recipients.areas) <= set(house.lists["areas"]):
        yield Refused("One of these areas is not in our list.", "Choose from the list.", field="areas")
    if not recipients.roles:
        yield Refused("Nobody would receive this.", "Choose at least one role.", field="roles")
    elif not set(recipients.roles) <= set(house.lists["contact_roles"]):
        yield Refused("One of these roles is not in our list.", "Choose from the list.", field="roles")


def words_faults(words: Words, house: House, *, asks: bool) -> Iterator[Refused]:
    """What has to be mended in what letters say."""
    yield from template_faults(words.subject, words.body, asks=asks)
    yield from _unknown("signatory", words.signatory, house.signatories)


def template_faults(subject: str, body: str, *, asks: bool) -> Iterator[Refused]:
    """What has to be mended in a template, each with its place."""
    for field, text in (("subject", subject), ("body", body)):
        yield from _text_faults(field, text, multiline=field == "body")
    if subject and body:
        for fault in check_template(body, subject, fields_for(asks=asks)):
            yield Refused(fault.words, fault.place, field=fault.part)


# Control characters, and those that turn the direction of the text around them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _text_faults(
    field: str, text: str, *, required: bool = True, multiline: bool = False
) -> Iterator[Refused]:
    allowed = "\r\n\t" if multiline else ""
    if not text and required:
        yield Refused("This is empty.", "Write something here.", field=field)
    elif len(text) > LONGEST[field]:
        yield Refused("This is too long.", f"Write at most {LONGEST[field]:,} characters.", field=field)
    elif any(sign not in allowed for sign in _UNPRINTABLE.findall(text)):
        yield Refused("This has characters that cannot be printed.", "Type it anew.", field=field)


def _unknown(field: str, code: str, known: Collection[str]) -> Iterator[Refused]:
    if code not in known:
        yield Refused("This is not in our list.", "Choose one of the list.", field=field)


async def create_campaign(tx: Transaction, plan: Plan, by: UUID | None) -> UUID:
    """Enter a draft. It has no letters yet; see :func:`prepare_letters`.

    Args:
        by: who wrote it, and so may not approve it; nobody, when a command did.

    Raises:
        Refused: names the first field at fault.
    """
    for fault in plan_faults(plan, tx.context.house):
        raise fault
    id = await begin_campaign(tx, plan, by)
    await enter_recipients(tx, id, plan)
    await enter_words(tx, id, plan, by)
    return id


async def begin_campaign(tx: Transaction, purpose: Purpose, by: UUID | None) -> UUID:
    """Enter a draft of which only the purpose is known, which is sound."""
    id: UUID = uuid_utils.compat.uuid7()
    note(tx, "campaign_made", "campaign", id, after={"asks": purpose.formula is not None})
    await COMPOSING.enter_campaign(tx, id=id, by=by, now=tx.now, **_columns(purpose))
    return id


async def enter_purpose(tx: Transaction, id: UUID, purpose: Purpose) -> None:
    """What a locked draft is for; sound."""
    note(tx, "campaign_purpose_changed", "campaign", id, after={"asks": purpose.formula is not None})
    await COMPOSING.set_purpose(tx, id=id, **_columns(purpose))


async def enter_recipients(tx: Transaction, id: UUID, recipients: Recipients) -> None:
    """Who receives a locked draft; sound."""
    roles, areas = list(dict.fromkeys(recipients.roles)), list(dict.fromkeys(recipients.areas))
    chosen = {"kind": recipients.kind, "areas": areas, "roles": roles, "in_turn": recipients.in_turn}
    note(tx, "campaign_recipients_changed", "campaign", id, after=chosen)
    await COMPOSING.set_recipients(tx, id=id, **chosen)


async def enter_words(tx: Transaction, id: UUID, words: Words, by: UUID | None) -> None:
    """What a locked draft says; sound. Words that are other than before are a version of their own."""
    note(tx, "campaign_words_changed", "campaign", id, after={"words": digest_of(tx, words.body)})
    await COMPOSING.set_words(tx, id=id, subject=words.subject, body=words.body, by=by, now=tx.now)
    await COMPOSING.set_signatory(tx, id=id, signatory=words.signatory)


def _columns(purpose: Purpose) -> dict[str, Any]:
    formula = purpose.formula
    return {
        "name": purpose.name,
        "purpose": purpose.purpose,
        "fund": purpose.fund if formula else "",
        "profession": purpose.profession if formula else None,
        "formula_version": formula.version if formula else None,
        "least_pence": formula.least_pence if formula else None,
        "each_pence": formula.each_pence if formula else None,
        "step_pence": formula.step_pence if formula else None,
        "most_pence": formula.most_pence if formula else None,
    }


async def campaign_called(tx: Transaction, name: str) -> UUID | None:
    """The newest campaign of that name."""
    id: UUID | None = await QUERIES.campaign_called(tx, name=name)
    return id


def formula_of(campaign: Any) -> AskFormula | None:
    """The formula that a campaign was given; none when it asks for no money."""
    if not campaign["asks"]:
        return None
    return AskFormula(
        version=campaign["formula_version"],
        least_pence=campaign["least_pence"],
        each_pence=campaign["each_pence"],
        step_pence=campaign["step_pence"],
        most_pence=campaign["most_pence"],
    )


@dataclass(frozen=True)
class Made:
    """What came of making the letters of a draft."""

    letters: int
    #: Of those with words of their own: how many kept them, and how many did not or are not written now.
    kept: int
    dropped: int


async def prepare_letters(tx: Transaction, campaign_id: UUID, *, keep_own: bool = True) -> Made:
    """Make one letter for each contact of the chosen roles, from what is known now.

    Done again on a draft, it makes them anew. A letter that cannot go is made as well, and says why.

    Args:
        keep_own: whether a letter that was given words of its own keeps them.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
        Refused: when it is not known yet who receives it or what it says.
    """
    campaign = await lock_draft(tx, campaign_id)
    if not is_whole(campaign):
        raise Refused("This campaign is not finished.", "Say who receives it and what it says first.")
    today = tx.context.clock.today()
    counts = {row["area"]: row async for row in QUERIES.counts_of(tx, profession=campaign["profession"])}
    own = {row["contact_id"]: row async for row in COMPOSING.own_words_of(tx, campaign_id=campaign_id)}
    chosen = {name: campaign[name] for name in ("kind", "areas", "roles", "in_turn")}
    recipients = [row async for row in QUERIES.recipients(tx, **chosen, today=today)]
    stops = await stopped(tx, [row["contact_id"] for row in recipients])
    maker = _Maker(tx, campaign, counts, own if keep_own else {}, stops)
    letters = [maker.letter(number, row) for number, row in enumerate(recipients, 1)]
    await QUERIES.forget_letters(tx, campaign_id=campaign_id)
    await QUERIES.enter_letters(tx, campaign_id=campaign_id, letters=letters, now=tx.now)
    note(tx, "letters_written", "campaign", campaign_id, after={"letters": len(letters)})
    await QUERIES.note_in_all(tx, campaign_id=campaign_id, what="Written", who=STAFF, now=tx.now)
    kept = sum(letter["own_body"] is not None for letter in letters)
    return Made(letters=len(letters), kept=kept, dropped=len(own) - kept)


def is_whole(campaign: Any) -> bool:
    """Whether it is known who receives it and what it says, so that letters can be made."""
    return bool(campaign["roles"] and campaign["words_version"])


async def prepare_letter(tx: Transaction, campaign: Any, number: int, row: Any) -> dict[str, Any]:
    """One letter more of a campaign, to the recipient `row`, as what enters letters takes it."""
    profession = campaign["profession"]
    counts = {counted["area"]: counted async for counted in QUERIES.counts_of(tx, profession=profession)}
    stops = await stopped(tx, [row["contact_id"]])
    return _Maker(tx, campaign, counts, {}, stops).letter(number, row)


async def lock_campaign(tx: Transaction, campaign_id: UUID) -> Any:
    """The campaign, which nobody else changes until this transaction ends.

    Raises:
        NotFound: when there is no such campaign.
    """
    campaign = await QUERIES.lock_campaign(tx, id=campaign_id)
    if campaign is None:
        raise NotFound
    return campaign


async def lock_draft(tx: Transaction, campaign_id: UUID) -> Any:
    """The same, of a campaign that may be changed.

    Raises:
        NotFound, Conflict: when there is no such campaign, or it is no draft any more.
    """
    campaign = await lock_campaign(tx, campaign_id)
    if campaign["state"] != CampaignState.DRAFT:
        stage = CAMPAIGN_STAGES[CampaignState(campaign["state"])].staff
        cure = "Open it to see where it stands. What waits for approval can be taken back."
        raise Conflict(f"This campaign is no draft any more. It is: {stage}.", cure)
    return campaign


class _Maker:
    """Makes the letters of one campaign: everything but their template, their date and their link."""

    def __init__(
        self,
        tx: Transaction,
        campaign: Any,
        counts: Mapping[str, Any],
        own: Mapping[UUID, Any],
        stops: Mapping[UUID, StopScope],
    ) -> None:
        self._context = tx.context
        self._house = tx.context.house
        self._today = tx.context.clock.today()
        self._campaign = campaign
        self._counts = counts
        #: What letters say instead, by the contact they are for.
        self._own = own
        self._stops = stops
        self._formula = formula_of(campaign)
        self._profession = self._house.lists["professions"].get(campaign["profession"])
        self._token_key = tx.context.keys.derive(TOKENS)
        self._domain = sender_of(tx.context).rpartition("@")[2]

    def letter(self, number: int, row: Any) -> dict[str, Any]:
        """A letter as the statement that enters all of them takes it."""
        id: UUID = uuid_utils.compat.uuid7()
        areas = {code: self._counts.get(code) for code in row["areas"]}
        block = self._block(row, areas)
        count = self._count(areas)
        ask = None if block or count is None or self._formula is None else self._formula.ask(count)
        own = self._own.get(row["contact_id"])
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
            "evidence_source": self._source() if self._formula else None,
            "formula_version": self._formula.version if self._formula else None,
            "frozen": self._frozen(row, count, ask, max(dates, default=None)),
            "token_digest": link_digest(response_token(self._token_key, id)).hex(),
            "message_id": message_id(id, self._domain),
            "reason": block.reason.value if block else None,
            "failure": block.words if block else None,
            "cure": block.cure if block else None,
            "words_version": self._campaign["words_version"],
            "own_subject": own["own_subject"] if own else None,
            "own_body": own["own_body"] if own else None,
        }

    def _count(self, areas: Mapping[str, Any]) -> int | None:
        """How many people an ask rests on; nothing where some area was not counted, or nothing is asked."""
        if self._formula is None or None in areas.values():
            return None
        total: int = sum(known["count"] for known in areas.values() if known)
        return total

    def _block(self, row: Any, areas: Mapping[str, Any]) -> Block | None:
        if row["contact_id"] in self._stops:
            return stopped_block(self._stops[row["contact_id"]])
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
            asks=self._formula is not None,
            counts=named,
        )

    def _frozen(self, row: Any, count: int | None, ask: int | None, counted_on: Any) -> dict[str, Any]:
        house, signatory = self._house, self._house.signatories[self._campaign["signatory"]]
        areas = and_words([self._area(code) for code in row["areas"]])
        role = house.lists["contact_roles"].get(row["role"])
        values = {
            "contact_name": row["name"],
            "contact_role": role.name if role else row["role"],
            "body_name": row["body_name"],
            "areas": areas,
            "fund": self._campaign["fund"],
            "signatory_name": signatory.name,
            "signatory_position": signatory.position,
            "house_name": house.name,
            "house_short_name": house.short_name,
            "house_telephone": house.telephone,
            "house_email": house.email,
            **self._evidence(count, ask, counted_on),
        }
        return {
            "values": values,
            "house_number": house.number,
            "house_address": list(house.address),
            "house_website": house.website,
            "recipient_address": [*(row["postal_address"] or ()), *filter(None, [row["postcode"]])],
            "address_source": row["source"] or "our own address book",
            "how_to_stop": "If you want no more letters from us, say so on the page where you answer, write "
            f"to {house.email} or ring {house.telephone}, and we shall stop.",
            "formula": self._formula_words(),
            "figure": f"{values['registered']} registered {self._plural()} in {areas}"
            if self._formula
            else None,
            "counted_on": counted_on.isoformat() if counted_on else None,
            "origin": self._context.settings.origin,
        }

    def _evidence(self, count: int | None, ask: int | None, counted_on: Any) -> dict[str, str]:
        """What a letter says of the ask and what it rests on; nothing where nothing is asked."""
        if self._formula is None:
            return {}
        return {
            "registered": registered_words(count) if count is not None else MISSING,
            "profession_plural": self._plural(),
            "ask": pounds(ask) if ask is not None else MISSING,
            "evidence_date": day_words(counted_on) if counted_on else MISSING,
            "evidence_source": self._source(),
        }

    def _formula_words(self) -> str | None:
        if self._formula is None:
            return None
        return self._formula.words(self._profession.name.lower() if self._profession else "person")

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
    await lock_draft(tx, campaign_id)
    await QUERIES.forget_letters(tx, campaign_id=campaign_id)
    await QUERIES.discard_campaign(tx, id=campaign_id)
    note(tx, "campaign_discarded", "campaign", campaign_id)
