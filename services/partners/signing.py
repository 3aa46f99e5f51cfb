"""Signing an agreement: by each side, once, in one of three ways; with the second signature it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.files import StoredFile
from chassis.links import link_digest
from chassis.outbox import Announcement, announce_many
from contracts.partners import AgreementSigned
from services.partners.agreements import (
    Incomplete,
    lacks,
    lock,
    move_to,
    offered_version,
    settle_version,
    signatures,
    tell,
    title_of,
)
from services.partners.queries import AGREEMENTS, PEOPLE
from services.partners.terms import LONGEST_LINE, Outcome, Side, State, Terms, line_of


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Whoever signs, as they write themselves."""

    name: str
    position: str

    @classmethod
    def typed(cls, name: str, position: str, *, prefix: str = "") -> "Signer":
        """Whoever typed this.

        Args:
            prefix: what the names of the two fields begin with.

        Raises:
            Refused: names the field at fault.
        """
        read = cls(name=line_of(name), position=line_of(position))
        for field, text in (("name", read.name), ("position", read.position)):
            if not text:
                raise Refused(
                    f"The {field} is missing.", "We need it under the agreement.", field=prefix + field
                )
            if len(text) > LONGEST_LINE:
                cure = f"Write at most {LONGEST_LINE} characters."
                raise Refused(f"The {field} is too long.", cure, field=prefix + field)
        return read


async def sign_ours(tx: Transaction, id: UUID, number: int, person_id: UUID, position: str) -> None:
    """Sign for our side, as somebody who has signed in.

    Args:
        number: of the version that they have read.

    Raises:
        NotFound, Incomplete.
        Conflict: when something else is offered by now, or nothing.
        Refused: names the field at fault.
    """
    agreement = await lock(tx, id)
    version = await offered_version(tx, agreement)
    if version["number"] != number:
        raise Conflict("Another version is offered by now.", "Read it, then sign it.")
    person = await PEOPLE.person_by_id(tx, id=person_id)
    if person is None:
        raise Conflict("Nobody is entered under your session.", "Sign out and in again.")
    signer = Signer.typed(person["name"], position)
    await _sign(tx, agreement, version, Side.OURS, "signed_in", signer, person_id=person_id)


async def sign_theirs(tx: Transaction, token: str, signer: Signer) -> None:
    """Sign for their side, by the secret in the link. A second time changes nothing.

    Raises:
        NotFound: when there is no such link.
        Incomplete: when an owner has gone since it was offered.
        Conflict: when it is not offered any more.
    """
    found = await by_token(tx, token)
    if found is None:
        raise NotFound
    agreement = await lock(tx, found["agreement_id"])
    version = await AGREEMENTS.version(tx, agreement_id=agreement["id"], number=found["number"])
    signed = {row["side"] async for row in signatures(tx, version)}
    if Side.THEIRS in signed:
        return
    if version["state"] != "offered":
        cure = f"Please {tx.context.house.to_reach}."
        raise Conflict("This version can no longer be signed.", cure)
    by = {"contact_id": agreement["contact_id"]}
    await _sign(tx, agreement, version, Side.THEIRS, "link", signer, **by)


async def sign_on_paper(
    tx: Transaction, id: UUID, number: int, person_id: UUID, theirs: Signer, copy: StoredFile
) -> None:
    """Attach a copy on paper that both sides have signed.

    Args:
        person_id: who of ours attaches it and says so.
        theirs: who signed for them, as it stands on the paper.

    Raises:
        NotFound, Incomplete.
        Conflict: when something else is offered by now, or nothing.
    """
    agreement = await lock(tx, id)
    version = await offered_version(tx, agreement)
    if version["number"] != number:
        raise Conflict("Another version is offered by now.", "Look which one was signed on paper.")
    person = await PEOPLE.person_by_id(tx, id=person_id)
    if person is None:
        raise Conflict("Nobody is entered under your session.", "Sign out and in again.")
    await settle_version(tx, version, "offered", copy_id=copy.id)
    ours = Signer(name=person["name"], position="attached the signed copy")
    await _sign(tx, agreement, version, Side.THEIRS, "paper", theirs, contact_id=agreement["contact_id"])
    await _sign(tx, agreement, version, Side.OURS, "paper", ours, person_id=person_id)
    after = {"version": number, "file": copy.digest.hex()}
    note(tx, "signed_copy_attached", "agreement", id, after=after)


async def by_token(tx: Transaction, token: str) -> Any:
    """The version that a secret in a link is for; nothing when there is none."""
    return await AGREEMENTS.version_by_link(tx, link=link_digest(token[:200]))


async def _sign(
    tx: Transaction,
    agreement: Mapping[str, Any],
    version: Mapping[str, Any],
    side: Side,
    way: str,
    signer: Signer,
    **by: UUID | None,
) -> None:
    id, number = agreement["id"], version["number"]
    if found := await lacks(tx, agreement):
        raise Incomplete(found)
    whom = {"name": signer.name, "position": signer.position, "person_id": None, "contact_id": None, **by}
    entered = await AGREEMENTS.sign(
        tx, agreement_id=id, number=number, side=side, way=way, **whom, now=tx.now
    )
    if entered is None:
        return
    note(tx, f"agreement_signed_{side}", "agreement", id, after={"version": number, "way": way})
    signed = {row["side"] async for row in signatures(tx, version)}
    if signed == set(Side):
        await _complete(tx, agreement, version)
    else:
        who = "We" if side is Side.OURS else "They"
        what = f"{who} signed the agreement “{title_of(agreement)}”"
        await tell(tx, agreement, "agreement_signed_by_one", what, "The other side has not signed yet.")


async def _complete(tx: Transaction, agreement: Mapping[str, Any], version: Mapping[str, Any]) -> None:
    """Both have signed: from now on this version counts, and the one before it does not."""
    # What was offered, with owners by the ids that they have today: two contacts may have become one since.
    id, number, terms = agreement["id"], version["number"], Terms.of(agreement["terms"])
    if agreement["in_force"] is not None:
        before = await AGREEMENTS.version(tx, agreement_id=id, number=agreement["in_force"])
        await settle_version(tx, before, "replaced")
    await settle_version(tx, version, "signed", signed_at=tx.now)
    await move_to(tx, agreement, State.SIGNED, in_force=number)
    await _write_outcomes(tx, id, terms.outcomes, f"Not in version {number} of the agreement any more.")
    days = {"agreement_id": id, "days": list(terms.reviews)}
    await AGREEMENTS.drop_other_reviews(tx, **days)
    await AGREEMENTS.write_reviews(tx, **days)
    what = f"Agreement signed by both: “{terms.title}”"
    await tell(tx, agreement, "agreement_signed", what, f"Version {number}, with {_counted(terms.outcomes)}.")
    data = {
        "agreement_id": id,
        "organisation_id": agreement["organisation_id"],
        "version": number,
        "signed_on": tx.today,
        "outcomes": len(terms.outcomes),
    }
    await announce_many(tx, [Announcement(fact=AgreementSigned, subject=id, sequence=number, data=data)])


def _counted(outcomes: Sequence[Outcome]) -> str:
    return "one outcome" if len(outcomes) == 1 else f"{len(outcomes)} outcomes"


async def _write_outcomes(tx: Transaction, id: UUID, outcomes: Sequence[Outcome], left_out: str) -> None:
    ids = [each.id for each in outcomes]
    await AGREEMENTS.write_outcomes(
        tx,
        agreement_id=id,
        ids=ids,
        whats=[each.what for each in outcomes],
        measures=[each.measure for each in outcomes],
        due_on=[each.due_on for each in outcomes],
        people=[each.owner_id if each.side is Side.OURS else None for each in outcomes],
        contacts=[each.owner_id if each.side is Side.THEIRS else None for each in outcomes],
        now=tx.now,
    )
    gone = {"agreement_id": id, "ids": ids, "today": tx.today, "now": tx.now}
    await AGREEMENTS.drop_other_outcomes(tx, **gone, note=left_out)
