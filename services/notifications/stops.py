"""Never write again: who told us so, and whether somebody may be written to.

A stop is known by digests of what it is about: the addresses of one person, or the id of a body. They are
keyed, so that nobody reads an address back from them, and they outlive the address book: a contact who was
forgotten and is entered anew with the same address is not written to. Nothing of a campaign beats a stop.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

import uuid_utils.compat

from chassis.audit import note, person_of
from chassis.context import Context
from chassis.database import Transaction, rows_of
from chassis.errors import Conflict, NotFound, Refused
from services.notifications.colleagues import STAFF, done_by
from services.notifications.domain import StopScope, stopped_block
from services.notifications.queries import ANSWERING, QUERIES

#: What the key of the digests is derived for.
STOPS = "stops"

LONGEST_REASON = 500

#: Why a stop was lifted that whoever gave it has taken back.
TAKEN_BACK = "They took it back on the letter’s page."

#: By a mail that whoever has a letter, or their mail program, writes as the letter offers.
BY_MAIL = "mail"

#: The ways of a stop that nobody here had a part in.
_BY_THEMSELVES = ("page", "one_click", BY_MAIL)

_NOTED = {
    StopScope.PERSON: "They asked us never to write to them again",
    StopScope.BODY: "They asked us never to write to anybody at this body again",
}


async def stopped(tx: Transaction, contacts: Collection[UUID]) -> Mapping[UUID, StopScope]:
    """Which of these contacts may not be written to, and why: the one place that says so.

    Asked when letters are prepared, and again in the transaction that claims one.
    """
    rows = [row async for row in ANSWERING.addresses_of_contacts(tx, ids=list(contacts))]
    return await _stopped(tx, {row["id"]: row for row in rows})


async def _stopped(tx: Transaction, contacts: Mapping[UUID, Any]) -> Mapping[UUID, StopScope]:
    """The same where their addresses and bodies are at hand."""
    theirs = {id: list(_digests(tx.context, row)) for id, row in contacts.items()}
    asked = list({digest for some in theirs.values() for digest in some})
    if not asked:
        return {}
    found = {
        bytes(row["digest"]): StopScope(row["scope"])
        async for row in ANSWERING.stops_among(tx, digests=asked)
    }
    return {id: found[hit] for id, some in theirs.items() if (hit := next(_in(found, some), None))}


def _in(found: Mapping[bytes, StopScope], digests: Collection[bytes]) -> Iterator[bytes]:
    return (digest for digest in digests if digest in found)


def _digests(context: Context, row: Mapping[str, Any]) -> Iterator[bytes]:
    """By what a contact may be stopped: their body first, then themselves."""
    yield from _of_bodies(context, row["bodies"])
    yield from _of_person(context, row)


def _of_bodies(context: Context, ids: Collection[UUID]) -> Iterator[bytes]:
    return (_digest(context, "body", str(id)) for id in ids)


def _of_person(context: Context, row: Mapping[str, Any]) -> Iterator[bytes]:
    """Of their e-mail address; and of their name with the postcode, however the lines are written."""
    if row["email"]:
        yield _digest(context, "email", row["email"])
    if row["name"] and row["postcode"]:
        yield _digest(context, "post", f"{row['name']}\0{''.join(row['postcode'].split())}")


def _digest(context: Context, kind: str, what: str) -> bytes:
    told = f"{kind}\0{what.strip().casefold()}"
    return hmac.digest(context.keys.derive(STOPS), told.encode(), hashlib.sha256)


async def stop(tx: Transaction, letter: Any, scope: StopScope, *, way: str, who: str) -> bool:
    """Never write again to whom this letter is for, or to their body. Whether that was not known before.

    What waits for them is set aside; what is being claimed is waited for, so that nothing is claimed after
    this has committed.

    Args:
        letter: locked.

    Raises:
        Conflict: when nothing is known any more of whom it was for.
    """
    [row] = [each async for each in ANSWERING.addresses_of_contacts(tx, ids=[letter["contact_id"]])] or [None]
    digests = _to_stop(tx.context, letter, row, scope)
    if not digests:
        what = "We no longer know the address of whoever this letter was for, so nothing is sent there."
        raise Conflict(what, "You need do nothing.")
    known = [each async for each in ANSWERING.stops_among(tx, digests=digests)]
    if {bytes(each["digest"]) for each in known if each["scope"] == scope} >= set(digests):
        return False
    id: UUID = uuid_utils.compat.uuid7()
    organisation_id = row["organisation_id"] if row else letter["organisation_id"]
    about = {"contact_id": letter["contact_id"], "organisation_id": organisation_id}
    note(tx, "letters_stopped", "stop", id, after={"scope": scope.value, "letter": letter["id"], "way": way})
    await ANSWERING.enter_stop(
        tx, id=id, scope=scope.value, digests=digests, way=way, letter_id=letter["id"], **about, now=tx.now
    )
    await QUERIES.note(tx, letter_id=letter["id"], what=_NOTED[scope], **done_by(tx, who), now=tx.now)
    await _set_aside(tx, letter, row, scope, who)
    await QUERIES.touch_letter(tx, id=letter["id"], now=tx.now)
    return True


def _to_stop(context: Context, letter: Any, row: Any, scope: StopScope) -> list[bytes]:
    if scope is StopScope.BODY:
        return list(_of_bodies(context, row["bodies"] if row else [letter["organisation_id"]]))
    return list(_of_person(context, row)) if row else []


async def _set_aside(tx: Transaction, letter: Any, row: Any, scope: StopScope, who: str) -> None:
    """Nothing that waits for them goes."""
    if scope is StopScope.BODY:
        found = ANSWERING.contacts_at_bodies(tx, bodies=row["bodies"] if row else [letter["organisation_id"]])
    else:
        found = ANSWERING.contacts_at_address(
            tx, **{name: row[name] for name in ("email", "name", "postcode")}
        )
    contacts = [each["id"] async for each in found]
    block = stopped_block(scope)
    await ANSWERING.set_aside_stopped(
        tx, contacts=contacts, failure=block.words, cure=block.cure, **done_by(tx, who), now=tx.now
    )


async def set_aside_if_stopped(tx: Transaction, letter: Any) -> bool:
    """Whether a letter that is about to go may not: then it is set aside, with the reason.

    Args:
        letter: as it was claimed, with the addresses and bodies of its contact.
    """
    found = await _stopped(tx, {letter["contact_id"]: letter})
    if not found:
        return False
    block = stopped_block(found[letter["contact_id"]])
    said = {"reason": block.reason.value, "failure": block.words, "cure": block.cure}
    await ANSWERING.set_aside_letter(tx, id=letter["id"], **said, now=tx.now)
    what = "Set aside: they want no letter any more"
    await QUERIES.note(tx, letter_id=letter["id"], what=what, **done_by(tx, "the sender"), now=tx.now)
    return True


async def take_back(
    tx: Transaction,
    letter_id: UUID,
    *,
    who: str,
    ways: Collection[str] = _BY_THEMSELVES,
    because: str = TAKEN_BACK,
) -> None:
    """Whoever said by way of a letter that we are to stop wants our letters after all, or never said so.

    Only what they said by themselves: what they told a person, a person lifts.
    """
    for row in await rows_of(ANSWERING.stops_of_letter(tx, letter_id=letter_id)):
        if may_be_taken_back(row) and row["way"] in ways:
            await lift(tx, row["id"], because, who)


def may_be_taken_back(row: Mapping[str, Any]) -> bool:
    """Whether whoever has the letter can lift this stop."""
    return row["lifted_at"] is None and row["way"] in _BY_THEMSELVES


def check_reason(because: str, cure: str) -> None:
    """See that there is a reason, and that it is short enough to be read.

    Args:
        cure: what to write where there is none.

    Raises:
        Refused: names the field ``because``.
    """
    if not because:
        raise Refused("There is no reason yet.", cure, field="because")
    if len(because) > LONGEST_REASON:
        cure = f"Write at most {LONGEST_REASON} characters."
        raise Refused("The reason is too long.", cure, field="because")


async def lift(tx: Transaction, stop_id: UUID, because: str, who: str = STAFF) -> None:
    """They may be written to again, for this reason. What was set aside stays so.

    Args:
        who: wants it, one of ours or the recipient.

    Raises:
        NotFound: when there is no such stop.
        Refused: names the field ``because``.
        Conflict: when it was lifted before.
    """
    check_reason(because, "Write who asked for it, and when.")
    found = await ANSWERING.lock_stop(tx, id=stop_id)
    if found is None:
        raise NotFound
    if found["lifted_at"] is not None:
        raise Conflict("This was lifted before.", "Open the page again.")
    note(tx, "stop_lifted", "stop", stop_id, before={"scope": found["scope"]})
    await ANSWERING.lift_stop(tx, id=stop_id, by=person_of(tx), because=because, now=tx.now)
    what = "They may be written to again: a stop was lifted"
    await QUERIES.note(tx, letter_id=found["letter_id"], what=what, **done_by(tx, who), now=tx.now)
    await QUERIES.touch_letter(tx, id=found["letter_id"], now=tx.now)
