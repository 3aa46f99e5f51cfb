"""Tokens: what a program shows instead of signing in. Each has one role of its person, a scope and an end.

The token is shown once; what is kept, and said to the other services, is its digest.
"""

import secrets
from base64 import b32encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.access import remember_tokens, token_digest
from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.outbox import Announcement, announce_many
from contracts.access import ROLES, Role
from contracts.envelope import Fact
from contracts.partners import TokenIssued, TokenRevoked
from services.partners.queries import PEOPLE

#: So that somebody who finds one in a file knows what it opens, and so does a program that looks for leaks.
PREFIX = "conduit_"
LONGEST_DAYS = 366
#: Characters of what a token is called.
LONGEST_NAME = 100
#: Of one person at the same time.
MOST = 20


async def issue(tx: Transaction, person_id: UUID, *, name: str, role: str, writes: bool, days: int) -> str:
    """Let a program act in somebody's name. The token, which is shown now and never again.

    Raises:
        NotFound: when there is nobody.
        Refused: names the field and the cure.
        Conflict: when they may not sign in, or have too many.
    """
    person = await PEOPLE.lock_person(tx, id=person_id)
    if person is None:
        raise NotFound
    if person["barred_at"] is not None:
        raise Conflict("They are barred: nothing acts in their name.", "Let them in again first.")
    name = " ".join(name.split())
    _check_name(name)
    if role not in person["roles"]:
        theirs = ", ".join(ROLES[Role(each)][0] for each in person["roles"])
        raise Refused("This is not one of your roles.", f"Choose from: {theirs}.", field="role")
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused("It cannot last so long.", f"Write 1 to {LONGEST_DAYS} days.", field="days")
    if len([row async for row in PEOPLE.tokens_of(tx, person_id=person_id, now=tx.now)]) >= MOST:
        raise Conflict(f"You have {MOST} tokens.", "Revoke one that is not used any more.")
    token = PREFIX + b32encode(secrets.token_bytes(20)).decode().lower()
    row = await PEOPLE.issue_token(
        tx,
        id=uuid_utils.compat.uuid7(),
        person_id=person_id,
        name=name,
        digest=token_digest(token),
        role=role,
        writes=writes,
        now=tx.now,
        expires_at=tx.now + timedelta(days=days),
    )
    after = {"role": role, "writes": writes, "days": days, "name": digest_of(tx, name)}
    note(tx, "token_issued", "token", row["id"], after=after)
    await _say(tx, TokenIssued, row)
    return token


def _check_name(name: str) -> None:
    if not name:
        cure = "Write what it is for, such as “figures for the website”."
        raise Refused("It has no name.", cure, field="name")
    if len(name) > LONGEST_NAME:
        raise Refused(
            f"The name is too long: {len(name)} characters.", f"Use at most {LONGEST_NAME}.", field="name"
        )
    if not name.isprintable():
        cure = "Type it anew by hand."
        raise Refused("The name has a character that cannot be seen.", cure, field="name")


async def revoke(tx: Transaction, person_id: UUID, id: UUID) -> None:
    """Let a program act no more.

    Raises:
        NotFound: when the person has no such token, or it was revoked before.
    """
    row = await PEOPLE.revoke_token(tx, id=id, person_id=person_id, now=tx.now)
    if row is None:
        raise NotFound
    note(tx, "token_revoked", "token", id)
    await _say(tx, TokenRevoked, row)


def state_of(
    token: Mapping[str, Any], fact: type[Fact] = TokenIssued, *, snapshot: bool = False
) -> Announcement:
    """What is announced of a token."""
    said = ("person_id", "digest", "role", "writes", "expires_at")
    return Announcement(
        fact=fact,
        subject=token["id"],
        sequence=token["version"],
        snapshot=snapshot,
        data={
            "token_id": token["id"],
            **{name: token[name] for name in said},
            "revoked": token["revoked_at"] is not None,
        },
    )


async def _say(tx: Transaction, fact: type[Fact], token: Mapping[str, Any]) -> None:
    """Announce it, and go by it here at once."""
    [event] = await announce_many(tx, [state_of(token, fact)])
    await remember_tokens(tx, [event])
