"""People who may sign in: admitting them, what they are trusted with, barring them.

Everybody is a person at an organisation, our own included. Each change is a new version, announced in the
same transaction; what was signed for an earlier version is void everywhere as soon as it is heard of.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.access import remember_standings
from chassis.audit import digest_of, note
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from chassis.house import House
from chassis.keys import Keyring
from chassis.outbox import Announcement, announce_many
from chassis.sealed import seal
from chassis.writing import can_be_seen, mailable
from contracts.access import ALONE, ROLES, Role
from contracts.envelope import Event, Fact
from contracts.partners import PersonAdmitted, PersonBarred, PersonInvited, PersonSignedOut, RolesChanged
from services.partners import announcements
from services.partners.domain import Fate, Organisation
from services.partners.queries import PEOPLE, QUERIES
from services.partners.register import write_organisations


async def invite(
    tx: Transaction, *, name: str, email: str, roles: Iterable[str], organisation: str = ""
) -> UUID:
    """Admit somebody, or admit them again, and let them be told how to sign in.

    Args:
        organisation: the identifier of the body that they belong to; our own when empty.

    Raises:
        Refused: names the field and the cure.
        Conflict: when somebody who may sign in has the address already.
    """
    name, email, wanted = read_name(name), read_email(email), read_roles(roles)
    known = await PEOPLE.person_by_email(tx, email_key=email.casefold())
    if known is not None and known["barred_at"] is None:
        cure = "Open their page to change what they may do."
        raise Conflict("Somebody with this address may sign in already.", cure, field="email")
    if known is None:
        id = uuid_utils.compat.uuid7()
        belongs = await _organisation(tx, organisation)
        key = email.casefold()
        await PEOPLE.admit_person(
            tx,
            id=id,
            organisation_id=belongs,
            name=name,
            email=email,
            email_key=key,
            roles=wanted,
            now=tx.now,
        )
        await _say(tx, PersonAdmitted, await PEOPLE.lock_person(tx, id=id))
    else:
        id = known["id"]
        changed = await PEOPLE.change_person(tx, id=id, roles=wanted, barred_at=None, now=tx.now)
        await _say(tx, PersonAdmitted, changed)
    after = {"roles": wanted, "address": digest_of(tx, email.casefold())}
    note(tx, "admitted", "person", id, after=after)
    await _write_to(tx, id, name, email)
    return id


async def put_address_right(tx: Transaction, id: UUID, email: str) -> None:
    """Invite somebody anew at another address, because nothing arrives at the one that we have.

    Only then: who may change the address of somebody who uses it could sign in as them.

    Raises:
        NotFound: when there is nobody.
        Refused: names the field and the cure.
        Conflict: when messages to them arrive, they may not sign in, or the address is somebody else's.
    """
    email, known = read_email(email), await _known(tx, id)
    if known["barred_at"] is not None or not await PEOPLE.is_unreached(tx, person_id=id):
        raise Conflict(
            "Their address is not known to be wrong.", "Open the page again to see how they stand."
        )
    other = await PEOPLE.person_by_email(tx, email_key=email.casefold())
    if other is not None and other["id"] != id:
        raise Conflict("Somebody else has this address.", "Ask them for one of their own.", field="email")
    await PEOPLE.end_sessions(tx, person_id=id, id=None, now=tx.now)
    _ = [row async for row in PEOPLE.use_sign_ins(tx, person_id=id, now=tx.now)]
    await PEOPLE.correct_address(tx, id=id, email=email, email_key=email.casefold())
    changed = await PEOPLE.change_person(tx, id=id, roles=known["roles"], barred_at=None, now=tx.now)
    before, after = (digest_of(tx, each) for each in (known["email_key"], email.casefold()))
    note(tx, "address_put_right", "person", id, before={"address": before}, after={"address": after})
    await _say(tx, PersonSignedOut, changed)
    await _write_to(tx, id, known["name"], email)


async def _write_to(tx: Transaction, id: UUID, name: str, email: str) -> None:
    """Let somebody be told how to sign in; what could not be delivered before is forgotten."""
    await PEOPLE.forget_unreached(tx, person_id=id)
    address = {"name": name, "email": email}
    sealed = seal(tx.context.keys, PersonInvited, "address", address)
    data = {"person_id": id, "address": sealed}
    await announce_many(tx, [Announcement(fact=PersonInvited, subject=id, sequence=1, data=data)])


async def unreached_count(tx: Transaction) -> int:
    """How many do not get what is sent to them."""
    return int(await PEOPLE.unreached_count(tx))


async def note_unreached(tx: Transaction, event: Event) -> None:
    """Note that a message to somebody did not arrive, for whoever can put their address right."""
    said = {name: event.data[name] for name in ("person_id", "kind", "failed_at")}
    await PEOPLE.note_unreached(tx, **said)


async def change_roles(tx: Transaction, id: UUID, roles: Iterable[str], by: UUID | None = None) -> None:
    """Trust somebody with these roles and no others, from now on.

    Args:
        by: who does it, unless it is done by command.

    Raises:
        NotFound, Refused: when there is nobody, there is no such role, or it is oneself.
        Conflict: when nobody would be left who may admit people.
    """
    wanted = read_roles(roles)
    known = await _known(tx, id)
    if sorted(known["roles"]) == wanted:
        return
    if id == by:
        cure = "Ask a colleague with the role Operations."
        raise Refused("Nobody changes their own roles.", cure, field="roles")
    if Role.OPS not in wanted:
        await _somebody_else_administers(tx, known)
    changed = await PEOPLE.change_person(tx, id=id, roles=wanted, barred_at=known["barred_at"], now=tx.now)
    note(tx, "roles_changed", "person", id, before={"roles": known["roles"]}, after={"roles": wanted})
    await _say(tx, RolesChanged, changed)


async def bar(tx: Transaction, id: UUID) -> None:
    """Let somebody in no more, and end every session that they have.

    Raises:
        NotFound: when there is nobody.
        Conflict: when nobody would be left who may admit people.
    """
    known = await _known(tx, id)
    if known["barred_at"] is not None:
        return
    await _somebody_else_administers(tx, known)
    await PEOPLE.end_sessions(tx, person_id=id, id=None, now=tx.now)
    await PEOPLE.forget_unreached(tx, person_id=id)
    changed = await PEOPLE.change_person(tx, id=id, roles=known["roles"], barred_at=tx.now, now=tx.now)
    note(tx, "barred", "person", id, before={"roles": known["roles"]})
    await _say(tx, PersonBarred, changed)


async def sign_out(tx: Transaction, id: UUID, session: UUID | None = None) -> int:
    """End one session of a person, or all of them. How many were ended.

    What was signed for the others is void as well: their browsers fetch a new token without a word.
    """
    known = await _known(tx, id)
    ended = int(await PEOPLE.end_sessions(tx, person_id=id, id=session, now=tx.now))
    if ended:
        note(tx, "signed_out", "session" if session else "person", session or id, after={"ended": ended})
        same = {"roles": known["roles"], "barred_at": known["barred_at"]}
        await _say(tx, PersonSignedOut, await PEOPLE.change_person(tx, id=id, **same, now=tx.now))
    return ended


async def nobody_yet(tx: Transaction) -> bool:
    """Whether nobody may sign in."""
    return not await PEOPLE.people_count(tx)


def read_name(name: str) -> str:
    """A name as it is kept, with single spaces.

    Raises:
        Refused: says what is wrong with it.
    """
    name = " ".join(name.split())
    if not name:
        cure = "Write their name as letters to them should say it."
        raise Refused("Their name is missing.", cure, field="name")
    if not can_be_seen(name):
        cure = "Type it anew by hand. Letters of every script may stand in it."
        raise Refused("The name has a character that cannot be seen.", cure, field="name")
    if len(name) > 200:
        raise Refused("The name is too long.", "Write at most 200 characters.", field="name")
    return name


def read_email(email: str) -> str:
    """An address as it is kept.

    Raises:
        Refused: when no mail server could take it.
    """
    email = email.strip()
    if not mailable(email):
        cure = "Write one such as name@body.example."
        raise Refused("No mail can be sent to this address.", cure, field="email")
    return email


def read_roles(roles: Iterable[str]) -> list[str]:
    """The codes of roles, each once, in order.

    Raises:
        Refused: names what is no role, or does not go together.
    """
    wanted = sorted(set(roles))
    for role in wanted:
        if role not in set(Role):
            raise Refused(
                f"There is no role {role[:40]!r}.", f"Choose from: {', '.join(Role)}.", field="roles"
            )
    if not wanted:
        raise Refused("No role is chosen.", "Choose at least one.", field="roles")
    for role, (what, why) in ALONE.items():
        if role in wanted and len(wanted) > 1:
            raise Refused(what, f"Choose either {ROLES[role][0]} or the other roles. {why}", field="roles")
    return wanted


def state_of(
    keys: Keyring, person: Mapping[str, Any], fact: type[Fact] = PersonAdmitted, *, snapshot: bool = False
) -> Announcement:
    """What is announced of a person: their name and address sealed, and neither once they were erased."""

    def sealed(part: str, *said: str) -> str | None:
        return None if person["erased_at"] else seal(keys, fact, part, {name: person[name] for name in said})

    return Announcement(
        fact=fact,
        subject=person["id"],
        sequence=person["version"],
        snapshot=snapshot,
        data={
            "person_id": person["id"],
            "organisation_id": person["organisation_id"],
            "roles": list(person["roles"]),
            "barred": person["barred_at"] is not None,
            "who": sealed("who", "name", "email"),
            "name": sealed("name", "name"),
        },
    )


async def _say(tx: Transaction, fact: type[Fact], person: Mapping[str, Any]) -> None:
    """Announce the state of a person, and go by it here at once."""
    await remember_standings(tx, await announce_many(tx, [state_of(tx.context.keys, person, fact)]))


async def say_how_they_stand(tx: Transaction, changed: Iterable[Mapping[str, Any]]) -> None:
    """Announce people of whom something else has changed than roles, each at the version that it has."""
    keys = tx.context.keys
    said = (state_of(keys, each, PersonBarred if each["barred_at"] else PersonAdmitted) for each in changed)
    if events := await announce_many(tx, said):
        await remember_standings(tx, events)


async def _known(tx: Transaction, id: UUID) -> Any:
    known = await PEOPLE.lock_person(tx, id=id)
    if known is None:
        raise NotFound
    return known


async def _somebody_else_administers(tx: Transaction, leaving: Mapping[str, Any]) -> None:
    """Nobody locks the door from inside."""
    if Role.OPS not in leaving["roles"] or leaving["barred_at"] is not None:
        return
    await PEOPLE.one_leaves_at_a_time(tx)
    trusted = PEOPLE.people_trusted_as(tx, role=Role.OPS)
    if not [row async for row in trusted if row["id"] != leaving["id"]]:
        cure = "Give somebody else the role Operations first."
        raise Conflict("Nobody would be left who may admit people.", cure)


async def _organisation(tx: Transaction, identifier: str) -> UUID:
    """The body with this identifier; our own is entered in the register when somebody first belongs to it."""
    wanted = identifier.strip() or own_identifier(tx.context.house)
    found: UUID | None = await QUERIES.organisation_identified(tx, identifier=wanted)
    if found is not None:
        return found
    if identifier.strip():
        cure = "Enter the organisation first, or leave this empty for our own people."
        raise Refused("No organisation has this identifier.", cure, field="organisation")
    await PEOPLE.lock_house(tx)  # somebody else may be the first as well
    found = await QUERIES.organisation_identified(tx, identifier=wanted)
    return found or await _enter_house(tx, wanted)


def own_identifier(house: House) -> str:
    """The org-id of the body that runs this installation, from its number in the register of charities."""
    number = re.sub(r"[^A-Za-z0-9]", "", house.number)
    return f"GB-CHC-{number}" if number.isdigit() else "CONDUIT-HOUSE"


async def _enter_house(tx: Transaction, identifier: str) -> UUID:
    kinds = tx.context.house.lists["kinds"]
    own = Organisation(
        id=uuid_utils.compat.uuid7(),
        identifier=identifier,
        name=tx.context.house.name,
        kinds=("charity",) if "charity" in kinds else (next(iter(kinds)),),
        areas=(),
        closeness=next(iter(tx.context.house.lists["closeness"])),
        opened_on=None,
        closed_on=None,
        successor_id=None,
    )
    await write_organisations(tx, [own])
    await announce_many(tx, [announcements.of_organisation(own, Fate.NEW)])
    return own.id
