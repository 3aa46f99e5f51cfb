"""Who applies: sealed in the database, and found again only by whoever knows what they are looking for.

The case that a panel reads is kept elsewhere and knows nothing of this.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID

from nacl.secret import SecretBox

from chassis.context import Context
from chassis.database import Transaction
from services.grants.domain import person_digest
from services.grants.queries import APPLICATIONS


@dataclass(frozen=True, kw_only=True)
class Applicant:
    """Somebody who applies, and how to reach them. A draft may lack all but the e-mail address."""

    email: str
    name: str = ""
    telephone: str = ""
    address: str = ""
    #: What they are registered under with us.
    registration: str = ""
    #: Where they work or train.
    workplace: str = ""
    #: In which they would like to be written to, a code of the house's list; nothing is English.
    language: str = ""

    def digests(self, context: Context) -> dict[str, bytes | None]:
        """By what they are recognised; nothing where nothing was written."""
        key = _digest_key(context)
        digits = "".join(filter(str.isdecimal, self.telephone)).removeprefix("44").lstrip("0")
        registered = context.keys.derive("registrations")
        return {
            "email_digest": email_digest(context, self.email),
            "name_digest": person_digest(key, f"name {self.name}") if self.name else None,
            "telephone_digest": person_digest(key, f"telephone {digits}") if digits else None,
            "person_digest": person_digest(registered, self.registration) if self.registration else None,
        }

    def sealed(self, context: Context) -> bytes:
        """As the database keeps it."""
        return bytes(_box(context).encrypt(json.dumps(asdict(self)).encode()))

    @classmethod
    def opened(cls, context: Context, sealed: bytes) -> Self:
        """Whoever was sealed."""
        found: dict[str, Any] = json.loads(_box(context).decrypt(bytes(sealed)))
        return cls(**found)


def email_digest(context: Context, email: str) -> bytes:
    """By what somebody is recognised who has this address: an applicant, or a colleague."""
    return person_digest(_digest_key(context), f"email {email}")


def _digest_key(context: Context) -> bytes:
    return context.keys.derive("applicant digests")


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("applicants"))


async def applicant_of(tx: Transaction, application_id: UUID) -> Applicant | None:
    """Who applies; nobody once they are forgotten."""
    sealed = await APPLICATIONS.applicant(tx, application_id=application_id)
    return Applicant.opened(tx.context, sealed) if sealed is not None else None


async def keep_applicant(tx: Transaction, application_id: UUID, who: Applicant) -> None:
    """Enter who applies, or write it anew."""
    said: Mapping[str, Any] = {"sealed": who.sealed(tx.context), **who.digests(tx.context)}
    await APPLICATIONS.keep_applicant(tx, application_id=application_id, **said)


async def applications_by(tx: Transaction, emails: Sequence[str], references: Sequence[str]) -> list[Any]:
    """Every application of whoever is known by these, also those that were not sent."""
    context = tx.context
    by_email = [email_digest(context, email) for email in emails]
    people = [
        Applicant(email="", registration=reference).digests(context)["person_digest"]
        for reference in references
        if reference
    ]
    rows = APPLICATIONS.applications_by(tx, emails=by_email, people=people)
    return [row async for row in rows]
