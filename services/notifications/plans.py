"""What a campaign is to be, before anything is made of it: written down, and what is wrong with it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.documents import load
from chassis.errors import Refused
from chassis.house import House
from chassis.writing import can_be_shown
from services.notifications.documents import PlanDocument
from services.notifications.domain import AskFormula, ByPost, InvalidFormula
from services.notifications.wording import check_template, fields_for

LONGEST = {"name": 200, "purpose": 500, "fund": 200, "subject": 200, "body": 20_000}


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
    by_post: ByPost = ByPost.LISTED


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
        by_post=ByPost(recipients["by_post"]),
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
        yield from text_faults(field, getattr(purpose, field), required=asks or field != "fund")
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
        yield from text_faults(field, text, multiline=field == "body")
    if subject and body:
        for fault in check_template(body, subject, fields_for(asks=asks)):
            yield Refused(fault.words, fault.place, field=fault.part)


def text_faults(
    field: str, text: str, *, required: bool = True, multiline: bool = False
) -> Iterator[Refused]:
    """What is wrong with a text, whatever it says."""
    if not text and required:
        yield Refused("This is empty.", "Write something here.", field=field)
    elif len(text) > LONGEST[field]:
        yield Refused("This is too long.", f"Write at most {LONGEST[field]:,} characters.", field=field)
    elif not can_be_shown(text, lines=multiline):
        yield Refused("This has characters that cannot be printed.", "Type it anew.", field=field)


def _unknown(field: str, code: str, known: Collection[str]) -> Iterator[Refused]:
    if not code:
        yield Refused("Nothing is chosen here.", "Choose one from the list.", field=field)
    elif code not in known:
        yield Refused("This is not in our list.", "Choose one of the list.", field=field)
