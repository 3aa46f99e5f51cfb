"""Making one entry of two that are the same body: what was at the losing one is at the surviving one then.

The losing row stays and points to the surviving one, so that old addresses, its identifier and events that
still come lead there. Nothing is undone. What another part keeps of a body moves by its own ``Move``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.audit import note
from chassis.database import Transaction
from chassis.errors import ChangedMeanwhile, Conflict, NotFound, Refused
from chassis.outbox import announce_many
from services.partners import (
    agreements,
    announcements,
    directory,
    people,
    referrals,
    suggestions,
    tagging,
    timeline,
)
from services.partners.domain import Contact, Fate, Organisation
from services.partners.queries import AGREEMENTS, MERGING, QUERIES, REFERRALS, TIMELINE
from services.partners.register import enter_on_timeline, write_contacts, write_organisations
from services.partners.words import write_words

#: What it is called on the timeline.
MERGED = "merged"


class Side(StrEnum):
    """Which of two entries a value is taken from."""

    SURVIVING = "surviving"
    LOSING = "losing"
    #: What either has; for lists alone.
    BOTH = "both"


#: Fields of which one entry's value stays, by the name of the choice; those in a group go together.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "kinds": ("kinds",),
    "areas": ("areas",),
    "closeness": ("closeness",),
    "opened_on": ("opened_on",),
    "address": ("postal_address", "postcode"),
    "telephone": ("telephone",),
    "website": ("website",),
}
#: Fields that may be united.
LISTS = ("kinds", "areas")


@dataclass(frozen=True, kw_only=True)
class Move:
    """How one kind of thing goes from a losing entry to the surviving one."""

    #: What it is called: one, and several.
    one: str
    many: str
    #: How many an entry has.
    count: Callable[[Transaction, UUID], Awaitable[int]]
    #: Moves them from the losing entry to the surviving one, and says so to whoever keeps copies.
    move: Callable[[Transaction, UUID, UUID], Awaitable[object]]


def combined(surviving: Organisation, losing: Organisation, chosen: Mapping[str, Side]) -> Organisation:
    """The surviving entry with the values that were chosen, at its next version.

    Raises:
        Refused: when it would have closed before it opened.
    """
    values: dict[str, Any] = {}
    for choice, fields in FIELDS.items():
        side = chosen.get(choice, Side.SURVIVING)
        for field in fields:
            ours, theirs = getattr(surviving, field), getattr(losing, field)
            if side is Side.BOTH:
                values[field] = tuple(dict.fromkeys([*ours, *theirs]))
            else:
                values[field] = theirs if side is Side.LOSING else ours
    merged = replace(surviving, **values, version=surviving.version + 1)
    if merged.opened_on and merged.closed_on and merged.opened_on > merged.closed_on:
        what = "The entry that stays would have opened after it closed."
        raise Refused(what, "Choose the other day on which it opened.", field="opened_on")
    return merged


async def merge(
    tx: Transaction,
    surviving: UUID,
    losing: UUID,
    chosen: Mapping[str, Side],
    *,
    versions: tuple[int, int] | None = None,
) -> None:
    """Make one entry of two, and announce it. Changes to the register wait meanwhile.

    Args:
        chosen: whose value stays, by the names of ``FIELDS``; the surviving one's where nothing is said.
        versions: of the surviving and the losing entry, as whoever merges has seen them.

    Raises:
        NotFound: when there is no such entry.
        Conflict: when one was merged before.
        ChangedMeanwhile: when one has another version by now.
        Refused: when the surviving one would be its own successor.
    """
    await QUERIES.lock_register(tx)
    _ = [row async for row in MERGING.lock_entries(tx, ids=[surviving, losing])]
    stays, goes = await both(tx, surviving, losing)
    if versions is not None and versions != (stays.version, goes.version):
        raise ChangedMeanwhile
    await refuse_ring(tx, stays, goes)
    merged = combined(stays, goes, chosen)
    await _write(tx, merged, goes)
    counts = {each.many: await each.count(tx, losing) for each in MOVES}
    for each in MOVES:
        await each.move(tx, losing, surviving)
    await write_words(tx, [surviving, losing])
    detail = f"Its identifier, {goes.identifier}, still finds this entry."
    await enter_on_timeline(tx, surviving, MERGED, f"Merged with “{goes.name}”", detail)
    note(
        tx,
        "organisations_merged",
        "organisation",
        surviving,
        before={"losing": losing, "versions": [stays.version, goes.version]},
        after={"moved": counts, "chosen": {name: side.value for name, side in chosen.items()}},
    )


async def both(tx: Transaction, surviving: UUID, losing: UUID) -> tuple[Organisation, Organisation]:
    """The two entries, neither of which was merged before.

    Raises:
        NotFound: when there is no such entry, or they are one.
        Conflict: when one was merged before.
    """
    rows = QUERIES.organisations_by_id(tx, ids=[surviving, losing])
    found = {row["id"]: Organisation.of(row) async for row in rows}
    if len(found) < 2:
        raise NotFound
    if any(each.merged_into for each in found.values()):
        raise Conflict("One of the two was merged before.", "Look for the entry that it went to.")
    return found[surviving], found[losing]


async def refuse_ring(tx: Transaction, stays: Organisation, goes: Organisation) -> None:
    """Refuse to merge into an entry what has, by and by, taken over from it.

    Raises:
        Refused: says which of the two took over.
    """
    if goes.id in {row["id"] async for row in MERGING.chain_of(tx, id=stays.id)}:
        what = f"{goes.name} took over from {stays.name}, so they are two organisations."
        raise Refused(what, "If they are the same after all, reopen the one that was closed first.")


async def _write(tx: Transaction, merged: Organisation, goes: Organisation) -> None:
    """The surviving entry, the losing one, and those that led to the losing one and lead on from now on."""
    amended = [merged, replace(goes, merged_into=merged.id, version=goes.version + 1)]
    async for row in MERGING.entries_leading_to(tx, id=goes.id):
        other = Organisation.of(row)
        amended.append(
            replace(
                other,
                merged_into=merged.id if other.merged_into == goes.id else other.merged_into,
                successor_id=merged.id if other.successor_id == goes.id else other.successor_id,
                version=other.version + 1,
            )
        )
    await write_organisations(tx, amended)
    await announce_many(tx, (announcements.of_organisation(each, Fate.CHANGED) for each in amended))


# What moves


async def move_contacts(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """Contacts go along. One of a role and name that is there already is one from now on, see ``folded``, and
    what was of the one that is withdrawn is of the other.
    """
    today = tx.today
    rows = MERGING.contacts_in_both(tx, losing=losing, surviving=surviving)
    pairs = [(row["losing_id"], row["surviving_id"]) async for row in rows]
    found = QUERIES.contacts_by_id(tx, ids=[id for pair in pairs for id in pair])
    known = {row["id"]: Contact.of(row) async for row in found}
    settled = [after for theirs, ours in pairs for after in folded(known[ours], known[theirs], today)]
    moved = [
        Contact.of(row)
        async for row in MERGING.move_contacts(tx, losing=losing, surviving=surviving, now=tx.now)
    ]
    await write_contacts(tx, settled)
    if pairs:
        gone, stays = map(list, zip(*pairs, strict=True))
        one = {"organisations": [losing, surviving], "losing": gone, "surviving": stays}
        await AGREEMENTS.fold_contacts_of_agreements(tx, **one)
        await REFERRALS.fold_contacts_of_referrals(tx, **one)
        await TIMELINE.fold_contacts_of_timeline(tx, **one)
    said = (announcements.of_contact(tx.context.keys, contact) for contact in [*moved, *settled])
    await announce_many(tx, said)


def folded(ours: Contact, theirs: Contact, today: date) -> Sequence[Contact]:
    """What changes when two contacts of one role and name become one, each at its next version.

    Ours stays as it is, and theirs is withdrawn. Where ours was withdrawn and theirs was listed after that,
    they may be written to again, as theirs says.
    """
    changed = []
    if _listed_since(ours, theirs):
        reach = ("channel", "email", "postal_address", "postcode", "source", "listed_on", "withdrawn_on")
        again = {name: getattr(theirs, name) for name in reach}
        changed.append(replace(ours, **again, version=ours.version + 1))
    if theirs.withdrawn_on is None:
        gone = max(today, theirs.listed_on)
        changed.append(replace(theirs, withdrawn_on=gone, version=theirs.version + 1))
    return changed


def _listed_since(ours: Contact, theirs: Contact) -> bool:
    if ours.withdrawn_on is None or theirs.withdrawn_on is not None:
        return False
    return theirs.listed_on > ours.withdrawn_on


async def count_contacts(tx: Transaction, id: UUID) -> int:
    """How many contacts an entry has."""
    return int(await MERGING.contacts_at(tx, organisation_id=id))


async def count_timeline(tx: Transaction, id: UUID) -> int:
    """How much happened with an entry."""
    return int(await MERGING.entries_on_timeline(tx, organisation_id=id))


async def count_agreements(tx: Transaction, id: UUID) -> int:
    """How many agreements there were with an entry."""
    return int(await MERGING.agreements_with(tx, organisation_id=id))


async def count_referrals(tx: Transaction, id: UUID) -> int:
    """How many were sent on to an entry."""
    return int(await MERGING.referrals_to(tx, organisation_id=id))


async def count_services(tx: Transaction, id: UUID) -> int:
    """How many services an entry offers or has offered."""
    return int(await MERGING.services_at(tx, organisation_id=id))


async def count_tags(tx: Transaction, id: UUID) -> int:
    """How many tags an entry has."""
    return int(await MERGING.tags_at(tx, organisation_id=id))


async def count_people(tx: Transaction, id: UUID) -> int:
    """How many who were ever admitted belong to an entry."""
    return int(await MERGING.people_at(tx, organisation_id=id))


async def move_people(tx: Transaction, losing: UUID, surviving: UUID) -> None:
    """Whoever signs in belongs to the other from now on, and goes on with what they were doing."""
    rows = [row async for row in MERGING.move_people(tx, losing=losing, surviving=surviving, now=tx.now)]
    await people.say_how_they_stand(tx, rows)


#: What moves, in this order: the words for the page, and the function that does it.
MOVES: tuple[Move, ...] = (
    Move(one="contact", many="contacts", count=count_contacts, move=move_contacts),
    Move(one="suggested contact", many="suggested contacts", count=suggestions.count, move=suggestions.move),
    Move(
        one="line of what happened", many="lines of what happened", count=count_timeline, move=timeline.move
    ),
    Move(one="agreement", many="agreements", count=count_agreements, move=agreements.move_agreements),
    Move(one="referral", many="referrals", count=count_referrals, move=referrals.move),
    Move(one="service", many="services", count=count_services, move=directory.move),
    Move(one="tag", many="tags", count=count_tags, move=tagging.move),
    Move(one="person who signs in", many="people who sign in", count=count_people, move=move_people),
)
