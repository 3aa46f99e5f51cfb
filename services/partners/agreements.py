"""Agreements with other bodies: drafting, offering a version, ending it. Signing one stands beside this.

What is offered is frozen under a digest. It is signed by each side, once, as long as nothing is missing;
then its outcomes and its review dates are what counts. Every step locks the agreement first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis import audit
from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.links import link_digest, link_token
from chassis.outbox import Announcement, announce_many
from chassis.sealed import seal
from contracts.partners import AgreementOffered
from services.partners.holding import hold_open
from services.partners.people import own_identifier
from services.partners.queries import AGREEMENTS, PEOPLE, QUERIES
from services.partners.register import enter_on_timeline
from services.partners.terms import (
    LONGEST_LINE,
    STAGES,
    Missing,
    Side,
    State,
    Terms,
    digest_of,
    line_of,
    missing,
)

#: What the key of the tokens in links is derived for.
LINKS = "agreement links"
_PURPOSE = "agreement"

#: Where an agreement is, for staff; and where somebody without an account signs one.
PAGE, SIGN = "/partners/agreements", "/partners/agree"

#: Versions of one agreement: enough for a life of it.
MOST_VERSIONS = 50


class Incomplete(Conflict):
    """Something is missing without which nobody can sign."""

    def __init__(self, lacks: Sequence[Missing]) -> None:
        self.lacks = lacks
        cure = "Complete the draft first: " + " ".join(each.words for each in lacks)
        super().__init__("This agreement is not complete.", cure)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Somebody who owns outcomes, or could."""

    id: UUID
    name: str
    side: Side
    #: Whether they may sign in, or be written to, and are at the body that it is about.
    present: bool = True
    #: Their role, as a code, if they are a contact.
    role: str | None = None
    email: str | None = None


# Whom it is about


async def owners_to_choose(tx: Transaction, organisation_id: UUID) -> list[Owner]:
    """Our own people, and the contacts of a body."""
    own = own_identifier(tx.context.house)
    asked = {"organisation_id": organisation_id, "own": own, "today": tx.today}
    return [
        Owner(id=row["id"], name=row["name"], side=Side(row["side"]), role=row["role"], email=row["email"])
        async for row in AGREEMENTS.owners_to_choose(tx, **asked)
    ]


async def owners_of(tx: Transaction, organisation_id: UUID, terms: Iterable[Terms]) -> dict[UUID, Owner]:
    """Whoever is named as an owner in any of these, also if they are gone."""
    ids = {each.owner_id for said in terms for each in said.outcomes if each.owner_id}
    rows = AGREEMENTS.owners_named(tx, ids=sorted(ids), organisation_id=organisation_id, today=tx.today)
    return {
        row["id"]: Owner(id=row["id"], name=row["name"], side=Side(row["side"]), present=row["present"])
        async for row in rows
    }


def naming(owners: Mapping[UUID, Owner], ours: str, theirs: str) -> Callable[[UUID], str]:
    """How owners are named: ``Amina Kovačević, Migrant Forum``."""

    def name_of(id: UUID) -> str:
        owner = owners.get(id)
        if owner is None:
            return "somebody who is not known any more"
        return f"{owner.name}, {ours if owner.side is Side.OURS else theirs}"

    return name_of


async def lacks(tx: Transaction, agreement: Mapping[str, Any]) -> list[Missing]:
    """What is missing from an agreement today."""
    terms = Terms.of(agreement["terms"])
    owners = await owners_of(tx, agreement["organisation_id"], [terms])
    return missing(terms, {id for id, owner in owners.items() if owner.present})


# Drafting


async def begin(tx: Transaction, organisation_id: UUID, title: str, person_id: UUID | None) -> UUID:
    """Begin a draft with a body.

    Args:
        person_id: who looks after it on our side.

    Raises:
        NotFound: when there is no such body.
        Closed: when it is closed.
        Refused: names the field at fault.
    """
    await hold_open(tx, organisation_id, field="title")
    id = uuid_utils.compat.uuid7()
    terms = Terms(title=_title(title))
    keeper = person_id if await _may_keep(tx, person_id) else None
    said = {"organisation_id": organisation_id, "terms": terms.document(), "kept_by": keeper}
    await AGREEMENTS.begin_agreement(tx, id=id, **said, now=tx.now)
    note(tx, "agreement_begun", "agreement", id, after={"organisation": organisation_id, **_said(tx, terms)})
    return id


def _title(typed: str) -> str:
    title = line_of(typed)
    if not 1 <= len(title) <= LONGEST_LINE:
        cure = f"Say in a few words what it is about, at most {LONGEST_LINE} characters."
        raise Refused("The agreement has no name yet." if not title else "The name is too long.", cure,
                      field="title")  # fmt: skip
    return title


async def _may_keep(tx: Transaction, person_id: UUID | None) -> bool:
    if person_id is None:
        return False
    person = await PEOPLE.person_by_id(tx, id=person_id)
    return person is not None and person["barred_at"] is None


def _said(tx: Transaction, terms: Terms) -> dict[str, Any]:
    """What the audit says of a draft: whether it is the same as another."""
    return {"terms": audit.digest_of(tx, digest_of(terms.document()).hex())}


async def save(tx: Transaction, agreement: Mapping[str, Any], terms: Terms, kept_by: UUID | None) -> None:
    """Write what a draft says now.

    Args:
        agreement: the row, locked.

    Raises:
        Conflict: when it is no draft.
        Refused: when an owner is nobody of ours and no contact of theirs.
    """
    if agreement["state"] != State.DRAFT:
        cure = "Open it to see where it stands; a signed agreement is changed by a new version."
        raise Conflict("This agreement is no longer a draft.", cure)
    before = Terms.of(agreement["terms"])
    choices = {(each.side, each.id) for each in await owners_to_choose(tx, agreement["organisation_id"])}
    known = choices | {(each.side, each.owner_id) for each in before.outcomes}
    for number, outcome in enumerate(terms.outcomes, 1):
        if outcome.owner_id and (outcome.side, outcome.owner_id) not in known:
            cure = "Choose one of our own people, or one of their contacts."
            raise Refused("This owner is not there.", cure, field=f"outcome-{number}-owner_id")
    if kept_by is not None and (Side.OURS, kept_by) not in choices and kept_by != agreement["kept_by"]:
        raise Refused("This person is not there.", "Choose one of our own people.", field="kept_by")
    await AGREEMENTS.write_draft(tx, id=agreement["id"], terms=terms.document(), kept_by=kept_by, now=tx.now)
    note(
        tx,
        "agreement_drafted",
        "agreement",
        agreement["id"],
        before=_said(tx, before),
        after=_said(tx, terms),
    )


async def lock(tx: Transaction, id: UUID) -> Any:
    """One agreement, which nobody else changes until the transaction ends.

    Raises:
        NotFound: when there is none.
    """
    agreement = await AGREEMENTS.lock_agreement(tx, id=id)
    if agreement is None:
        raise NotFound
    return agreement


# Offering


async def offer(tx: Transaction, id: UUID, revision: int, contact_id: UUID | None) -> int:
    """Freeze what the draft says, and let a contact be told where to sign it. The number of the version.

    Args:
        revision: of the draft that whoever offers it has read.
        contact_id: nobody when it goes by hand.

    Raises:
        NotFound, Incomplete.
        Conflict: when it was changed meanwhile, or is no draft.
        Refused: when the contact cannot be written to by mail.
    """
    agreement = await lock(tx, id)
    _step(agreement, State.OFFERED)
    if agreement["revision"] != revision:
        raise Conflict("Somebody has changed the draft meanwhile.", "Read it again, then offer it.")
    if found := await lacks(tx, agreement):
        raise Incomplete(found)
    newest = await AGREEMENTS.newest_version(tx, agreement_id=id)
    number = newest["number"] + 1 if newest else 1
    if number > MOST_VERSIONS:
        raise Conflict("This agreement has had very many versions.", "End it and begin a new one.")
    content = await _content(tx, agreement)
    token = token_of(tx, id, number)
    await AGREEMENTS.enter_version(
        tx,
        agreement_id=id,
        number=number,
        content=content,
        digest=digest_of(content),
        link=link_digest(token),
        now=tx.now,
    )
    await move_to(tx, agreement, State.OFFERED, contact_id=None)
    after = {"version": number, "digest": digest_of(content).hex()}
    note(tx, "agreement_offered", "agreement", id, after=after)
    await tell(tx, agreement, "agreement_offered", f"Agreement offered: “{title_of(agreement)}”",
                f"Version {number}, to be signed by both.")  # fmt: skip
    if contact_id is not None:
        await send(tx, id, contact_id)
    return number


async def _content(tx: Transaction, agreement: Mapping[str, Any]) -> dict[str, Any]:
    organisation = await QUERIES.organisation_by_id(tx, id=agreement["organisation_id"])
    said = {"name": organisation["name"], "identifier": organisation["identifier"]}
    return {"house": tx.context.house.name, "organisation": said, "terms": agreement["terms"]}


def token_of(tx: Transaction, id: UUID, number: int) -> str:
    """The secret in the link by which the other side signs a version: the same however often it is sent."""
    return link_token(tx.context.keys.derive(LINKS), _PURPOSE, id, number)


async def send(tx: Transaction, id: UUID, contact_id: UUID) -> None:
    """Let a contact be told where the version that is offered can be signed.

    Raises:
        NotFound: when there is no such agreement.
        Conflict: when nothing is offered.
        Refused: when they are no contact of the body, or have no e-mail address.
    """
    agreement = await lock(tx, id)
    version = await offered_version(tx, agreement)
    choices = await owners_to_choose(tx, agreement["organisation_id"])
    contact = next((each for each in choices if each.id == contact_id and each.side is Side.THEIRS), None)
    if contact is None:
        raise Refused("This contact is not there.", "Choose one of their contacts.", field="contact")
    if not contact.email:
        cure = "Choose somebody else, or print the PDF and post it."
        raise Refused("This contact has no e-mail address.", cure, field="contact")
    await AGREEMENTS.send_agreement_to(tx, id=id, contact_id=contact_id, now=tx.now)
    notice = {
        "name": contact.name,
        "email": contact.email,
        "title": title_of(agreement),
        "organisation": version["content"]["organisation"]["name"],
        "link": f"{tx.context.settings.origin}{SIGN}/{token_of(tx, id, version['number'])}",
    }
    data = {
        "agreement_id": id,
        "organisation_id": agreement["organisation_id"],
        "contact_id": contact_id,
        "version": version["number"],
        "notice": seal(tx.context.keys, AgreementOffered, "notice", notice),
    }
    said = Announcement(fact=AgreementOffered, subject=id, sequence=agreement["revision"] + 1, data=data)
    await announce_many(tx, [said])
    note(tx, "agreement_sent", "agreement", id, after={"version": version["number"], "contact": contact_id})


async def take_back(tx: Transaction, id: UUID, *, discard: bool = False) -> None:
    """Take back what is offered: it is a draft again, and its link opens nothing to sign any more.

    Args:
        discard: whether a signature may be lost by it.

    Raises:
        Refused: when it would lose a signature unasked.
        NotFound: when there is no such agreement.
        Conflict: when nothing is offered.
    """
    agreement = await lock(tx, id)
    version = await offered_version(tx, agreement)
    if not discard and [row async for row in signatures(tx, version)]:
        cure = "Tick the box if it may no longer count. Otherwise leave the version as it is."
        raise Refused("Somebody has signed this version.", cure, field="discard")
    await settle_version(tx, version, "withdrawn")
    await move_to(tx, agreement, State.DRAFT)
    note(tx, "agreement_taken_back", "agreement", id, before={"version": version["number"]})


async def amend(tx: Transaction, id: UUID) -> None:
    """Draft a new version of a signed agreement; the signed one is in force until the new one is signed.

    Raises:
        NotFound: when there is no such agreement.
        Conflict: when it is not signed.
    """
    agreement = await lock(tx, id)
    if agreement["state"] != State.SIGNED:
        raise Conflict(
            "Only a signed agreement is changed by a new version.", "Open it to see where it stands."
        )
    await move_to(tx, agreement, State.DRAFT)
    note(tx, "agreement_to_be_amended", "agreement", id, before={"version": agreement["in_force"]})


async def give_up(tx: Transaction, id: UUID) -> None:
    """Give up a draft that was to amend a signed version, which stays as it is.

    Raises:
        NotFound: when there is no such agreement.
        Conflict: when there is no such draft.
    """
    agreement = await lock(tx, id)
    if agreement["state"] != State.DRAFT or agreement["in_force"] is None:
        raise Conflict(
            "There is no changed version to give up.", "Open the agreement to see where it stands."
        )
    signed = await AGREEMENTS.version(tx, agreement_id=id, number=agreement["in_force"])
    await move_to(tx, agreement, State.SIGNED, terms=signed["content"]["terms"])
    note(tx, "agreement_amendment_given_up", "agreement", id, after={"version": agreement["in_force"]})


async def end(tx: Transaction, id: UUID, why: str) -> None:
    """End an agreement: what is open of it is dropped.

    Raises:
        NotFound: when there is no such agreement.
        Conflict: when it has ended before.
        Refused: when it is not said why.
    """
    why = line_of(why)
    if not 1 <= len(why) <= LONGEST_LINE:
        cure = f"Say in a few words why it ends, at most {LONGEST_LINE} characters."
        raise Refused("The reason is missing or too long.", cure, field="why")
    await _end(tx, await lock(tx, id), why)


async def _end(tx: Transaction, agreement: Mapping[str, Any], why: str) -> None:
    _step(agreement, State.ENDED)
    id, today = agreement["id"], tx.today
    if agreement["state"] == State.OFFERED:
        await settle_version(tx, await offered_version(tx, agreement), "withdrawn")
    dropped = {"agreement_id": id, "ids": [], "today": today, "now": tx.now}
    await AGREEMENTS.drop_other_outcomes(tx, **dropped, note="The agreement has ended.")
    await AGREEMENTS.end_agreement(tx, id=id, why=why, today=today, now=tx.now)
    note(tx, "agreement_ended", "agreement", id, before={"state": agreement["state"]})
    await tell(tx, agreement, "agreement_ended", f"Agreement ended: “{title_of(agreement)}”", why)


# What several steps have in common


def _step(agreement: Mapping[str, Any], to: State) -> None:
    """Refuse what cannot follow."""
    if to not in STAGES[State(agreement["state"])].then:
        words = STAGES[State(agreement["state"])].words.lower()
        raise Conflict(f"This cannot be done now: the agreement is {words}.", "Open the page again.")


async def offered_version(tx: Transaction, agreement: Mapping[str, Any]) -> Any:
    """The version that is offered.

    Raises:
        Conflict: when none is.
    """
    version = await AGREEMENTS.newest_version(tx, agreement_id=agreement["id"])
    if agreement["state"] != State.OFFERED or version is None:
        raise Conflict("Nothing is offered to be signed.", "Open the page again.")
    return version


def signatures(tx: Transaction, version: Mapping[str, Any]) -> Any:
    """Who has signed a version, each with their side."""
    rows = AGREEMENTS.signatures_of(tx, agreement_id=version["agreement_id"])
    return (row async for row in rows if row["number"] == version["number"])


async def settle_version(tx: Transaction, version: Mapping[str, Any], state: str, **more: Any) -> None:
    """Say how a version stands."""
    said = {"signed_at": None, "copy_id": None, **more}
    of = {"agreement_id": version["agreement_id"], "number": version["number"]}
    await AGREEMENTS.set_version(tx, **of, state=state, **said)


async def move_to(tx: Transaction, agreement: Mapping[str, Any], to: State, **changed: Any) -> None:
    """Let an agreement go on to a state.

    Raises:
        Conflict: when that cannot follow.
    """
    _step(agreement, to)
    same = {name: agreement[name] for name in ("terms", "in_force", "contact_id")}
    await AGREEMENTS.move_agreement(tx, id=agreement["id"], state=to, **{**same, **changed}, now=tx.now)


def title_of(agreement: Mapping[str, Any]) -> str:
    """What an agreement is called."""
    title: str = agreement["terms"]["title"]
    return title


async def tell(tx: Transaction, agreement: Mapping[str, Any], kind: str, what: str, detail: str = "") -> None:
    """Enter on the timeline what became of an agreement."""
    await enter_on_timeline(tx, agreement["organisation_id"], kind, what, detail)


# Bodies that are merged, or close


async def open_agreements(tx: Transaction, organisation_id: UUID) -> int:
    """How many agreements with a body have not ended."""
    return int(await AGREEMENTS.open_agreements_of(tx, organisation_id=organisation_id))


async def hand_over_agreements(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """A successor takes over what has not ended. What was offered to the closed body is a draft again, and
    an outcome that one of its contacts owned has no owner until somebody gives it one.
    """
    moved = [row["id"] async for row in AGREEMENTS.open_agreements_to_lock(tx, organisation_id=losing)]
    await AGREEMENTS.hand_over_agreements(tx, losing=losing, surviving=surviving, now=tx.now)
    for id in moved:
        note(tx, "agreement_handed_over", "agreement", id, before={"of": losing}, after={"of": surviving})


async def end_agreements(tx: Transaction, losing: UUID, why: str = "The organisation has closed.") -> None:
    """Nobody takes over what has not ended: it ends."""
    open_ones = [row async for row in AGREEMENTS.open_agreements_to_lock(tx, organisation_id=losing)]
    for agreement in open_ones:
        await _end(tx, agreement, why)


async def move_agreements(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """Two bodies are one: everything that was agreed on with either is with the one that stays."""
    await AGREEMENTS.move_agreements(tx, losing=losing, surviving=surviving)
