"""Registering by the public form: asked, confirmed from a mailed link, amended the same way, left any time.

A person is found again by a keyed digest of their address, or of the reference under which we know them
already; neither stands here so that it could be read. Nobody counts before they have confirmed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.clock import LOCAL
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import NotFound, Refused
from chassis.links import link_digest, link_token
from chassis.outbox import announce
from chassis.scrub import scrub_about
from chassis.sealed import seal
from contracts.grants import RegistrationAsked
from services.grants.counting import recount
from services.grants.domain import person_digest
from services.grants.queries import QUERIES, REGISTRATIONS

#: The privacy notice that the form shows now. Whoever changes its words gives it another day.
NOTICE = "2026-11-27"

#: How long the button behind a mailed link confirms.
GOOD_FOR = timedelta(days=7)

#: Mails that the form sends to one address in a day, and to all addresses in an hour.
MOST_TO_ONE, MOST_TO_ALL = 3, 500


class Purpose(StrEnum):
    """What somebody may agree to beside being counted."""

    STUDY_GROUP = "study_group"
    GRANTS = "grants"


#: What we count on: figures are nobody's, and whoever does not want to be among them leaves.
COUNTED_ON = "legitimate_interests"

#: What each purpose rests on.
BASES: Mapping[Purpose, str] = {Purpose.STUDY_GROUP: "consent", Purpose.GRANTS: "consent"}


class TooManyMails(Refused):
    """The form has sent so many mails that it sends no more for a while."""

    status = 429


@dataclass(frozen=True, kw_only=True)
class Registrant:
    """What somebody says of themselves."""

    email: str
    profession: str
    #: A code of the house's list.
    area: str
    #: Where they qualified: two letters of ISO 3166.
    country: str
    exam_stage: str
    purposes: Sequence[Purpose] = ()
    #: Under which we may know them already.
    reference: str = ""
    #: In which they would like to be written to, a code of the house's list; nothing is English.
    language: str = ""


# The link


def token_of(context: Context, asking_id: UUID) -> str:
    """What stands in the link of a mail."""
    return link_token(context.keys.derive("registration links"), "conduit registration", asking_id)


async def by_token(tx: Transaction, token: str) -> Any:
    """What a link leads to; nothing when it leads nowhere, or was not confirmed in time."""
    row = await REGISTRATIONS.asking_by_token(tx, digest=link_digest(token[:200]))
    if row is None or (row["registration_id"] is None and row["asked_at"] < tx.now - GOOD_FOR):
        return None
    return row


# Asking


async def ask(tx: Transaction, registrant: Registrant) -> UUID:
    """Keep what somebody typed, and let a mail go to the address that they gave.

    Raises:
        TooManyMails: when the address, or everybody together, has had too many.
    """
    key = tx.context.keys.derive("registrations")
    email = person_digest(key, registrant.email)
    await _check_pace(tx, email)
    id: UUID = uuid_utils.compat.uuid7()
    token = token_of(tx.context, id)
    whom = {"email": registrant.email, "language": registrant.language}
    address = seal(tx.context.keys, RegistrationAsked, "address", whom)
    link = {"link": f"{tx.context.settings.origin}/grants/register/{token}"}
    await REGISTRATIONS.enter_asking(
        tx,
        id=id,
        token_digest=link_digest(token),
        email=email,
        reference=person_digest(key, registrant.reference) if registrant.reference else None,
        profession=registrant.profession,
        area=registrant.area,
        country=registrant.country,
        exam_stage=registrant.exam_stage,
        purposes=[purpose.value for purpose in registrant.purposes],
        address=address if registrant.purposes else None,
        notice_version=NOTICE,
        now=tx.now,
    )
    await announce(
        tx,
        RegistrationAsked,
        subject=id,
        sequence=1,
        asking_id=id,
        expires_at=tx.now + GOOD_FOR,
        address=address,
        link=seal(tx.context.keys, RegistrationAsked, "link", link),
    )
    return id


async def _check_pace(tx: Transaction, email: bytes) -> None:
    await REGISTRATIONS.lock_askings(tx)
    day, hour = tx.now - timedelta(days=1), tx.now - timedelta(hours=1)
    asked = await REGISTRATIONS.asked_since(tx, email=email, day=day, hour=hour)
    if asked["to_one"] >= MOST_TO_ONE:
        cure = "Look among the unwanted mail, or try again tomorrow, or ring us."
        what = f"We have sent {MOST_TO_ONE} mails to this address today."
        raise TooManyMails(what, cure, field="email")
    if asked["to_all"] >= MOST_TO_ALL:
        cure = "Try again in an hour, or ring us."
        raise TooManyMails(
            "So many people register just now that we send no more mails.", cure, field="email"
        )


# Confirming and leaving


async def confirm(tx: Transaction, token: str) -> None:
    """Register whoever a link leads to, or put their registration right, and count anew. Twice is once.

    Raises:
        NotFound: when the link leads nowhere.
    """
    asking = await _alone(tx, token)
    if asking["registration_id"] is not None:
        return
    known = await _known(tx, asking)
    id = known["id"] if known else uuid_utils.compat.uuid7()
    said = {name: asking[name] for name in ("profession", "area", "country", "exam_stage")}
    kept = {name: asking[name] for name in ("email", "address", "notice_version")}
    person = known["person"] if known else asking["email"]
    told = {"id": id, "person": person, "lawful_basis": COUNTED_ON, **said, **kept, "now": tx.now}
    if known:
        await REGISTRATIONS.amend_registration(tx, **told)
    else:
        today = tx.now.astimezone(LOCAL).date()
        await REGISTRATIONS.enter_registration(tx, **told, today=today)
    await REGISTRATIONS.withdraw_purposes(tx, registration_id=id, purposes=asking["purposes"], now=tx.now)
    await REGISTRATIONS.give_purposes(
        tx,
        registration_id=id,
        purposes=asking["purposes"],
        lawful_bases=[BASES[Purpose(purpose)] for purpose in asking["purposes"]],
        notice_version=asking["notice_version"],
        now=tx.now,
    )
    await REGISTRATIONS.settle_asking(tx, id=asking["id"], registration_id=id)
    await recount(tx)


async def leave(tx: Transaction, token: str) -> None:
    """Delete the registration, or what was typed, that a link leads to, and count anew.

    Raises:
        NotFound: when the link leads nowhere.
    """
    asking = await _alone(tx, token)
    await forget(tx, [asking["email"]])


async def forget(tx: Transaction, persons: Sequence[bytes]) -> tuple[int, int]:
    """Delete everything about these people, in what was announced too, and count anew.

    Returns:
        how many registrations there were, and how many that nobody had confirmed.
    """
    await QUERIES.lock_counts(tx)
    # First what was typed: with its registration it would go without a word.
    askings = [row async for row in REGISTRATIONS.forget_askings(tx, persons=persons)]
    count = int(await REGISTRATIONS.forget_registrations(tx, persons=persons))
    if askings:
        await scrub_about(tx, [row["id"] for row in askings])
    if count:
        await recount(tx)
    return count, sum(row["registration_id"] is None for row in askings)


async def _alone(tx: Transaction, token: str) -> Any:
    """What a link leads to, while nobody else changes registrations."""
    await QUERIES.lock_counts(tx)
    asking = await by_token(tx, token)
    if asking is None:
        raise NotFound
    return asking


async def _known(tx: Transaction, asking: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The registration that somebody has already: under their address, or under a reference of ours.

    A reference can be guessed, so it counts only where all else agrees; nothing can be found out by it.
    """
    of_address = await REGISTRATIONS.registration_of_address(tx, email=asking["email"])
    traits = {name: asking[name] for name in ("reference", "profession", "area", "country")}
    of_reference = await REGISTRATIONS.registration_to_claim(tx, **traits) if asking["reference"] else None
    if of_address and of_reference and of_address["id"] != of_reference["id"]:
        await REGISTRATIONS.forget_registration(tx, id=of_reference["id"])
        return {"id": of_address["id"], "person": of_reference["person"]}
    return of_address or of_reference
