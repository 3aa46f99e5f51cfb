"""Brings our list of partners in: a CSV file with one line per contact, all of it or nothing.

Reading the file knows nothing of the register; comparing with the register changes nothing; only then is
anything written, in one transaction with what is announced. A dry run stops before that.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import uuid_utils.compat

from chassis.database import Database, Transaction
from chassis.house import House
from chassis.outbox import Announcement, announce_many
from chassis.sheets import Fault, Notice, Row, read_sheet
from services.partners import announcements
from services.partners.domain import Contact, Fate, Organisation, contact_after, organisation_after
from services.partners.partners_file import PartnersFile, columns, fault_of
from services.partners.queries import QUERIES

#: Rows that one statement writes, and lines read before others get a turn.
SLICE = 500

#: Faults that are listed; what causes more of them is one thing.
MOST_FAULTS = 1_000

_Thing = TypeVar("_Thing")

Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of a file, or in a dry run what would."""

    dry_run: bool
    #: Lines under the header that could be read.
    lines: int
    #: Organisations, by what the file made of them.
    new: int = 0
    same: int = 0
    changed: int = 0
    closed: int = 0
    #: Contacts, likewise.
    contacts_new: int = 0
    contacts_same: int = 0
    contacts_changed: int = 0
    contacts_withdrawn: int = 0
    #: What to look at although nothing is wrong.
    notices: list[Notice] = field(default_factory=list)
    #: What cannot be used. When there is any, nothing was imported.
    faults: list[Fault] = field(default_factory=list)


async def import_partners(
    database: Database, source: Path | bytes, *, dry_run: bool, progress: Progress | None = None
) -> ImportReport:
    """Import a list of partners. The same file twice changes nothing and announces nothing.

    Args:
        dry_run: find out everything, change nothing.
        progress: told from time to time how many steps are done: lines read, then things announced.
    """
    steps, plan = _Steps(progress), _Plan()
    sheet = await _read(source, database.context.house, steps)
    if not sheet.faults:
        async with database.reading() if dry_run else _changing(database) as tx:
            plan = await _compared(tx, sheet)
            if not dry_run:
                await _carry_out(tx, plan, steps)
    return _report(sheet, plan, dry_run)


class _Steps:
    """Counts what is done and lets others have a turn."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0

    async def more(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done)
        await asyncio.sleep(0)


@asynccontextmanager
async def _changing(database: Database) -> AsyncIterator[Transaction]:
    """A transaction in which nobody else changes the register, so that what was compared stays true."""
    async with database.transaction() as tx:
        await QUERIES.lock_register(tx)
        yield tx


async def _read(source: Path | bytes, house: House, steps: _Steps) -> PartnersFile:
    """The file as lines by organisation. Reading stops when there are more faults than anybody reads."""
    sheet = PartnersFile()
    items = read_sheet(source, columns(house))
    while piece := list(islice(items, SLICE)):
        for item in piece:
            if isinstance(item, Row):
                sheet.enter(item)
            elif isinstance(item, Fault):
                sheet.faults.append(item)
            else:
                sheet.notices.append(item)
        if len(sheet.faults) > MOST_FAULTS:
            del sheet.faults[MOST_FAULTS:]
            break
        await steps.more(len(piece))
    return sheet


@dataclass(kw_only=True)
class _Plan:
    """What is to be done with each organisation and each contact of a file."""

    organisations: list[tuple[Organisation, Fate]] = field(default_factory=list)
    contacts: list[tuple[Contact, Fate]] = field(default_factory=list)


def _report(sheet: PartnersFile, plan: _Plan, dry_run: bool) -> ImportReport:
    organisations = Counter(fate for _, fate in plan.organisations)
    contacts = Counter(fate for _, fate in plan.contacts)
    return ImportReport(
        dry_run=dry_run,
        lines=sheet.lines,
        new=organisations[Fate.NEW],
        same=organisations[Fate.SAME],
        changed=organisations[Fate.CHANGED],
        closed=organisations[Fate.CLOSED],
        contacts_new=contacts[Fate.NEW],
        contacts_same=contacts[Fate.SAME],
        contacts_changed=contacts[Fate.CHANGED],
        contacts_withdrawn=contacts[Fate.WITHDRAWN],
        notices=sheet.notices,
        faults=sorted(sheet.faults, key=lambda fault: fault.line),
    )


async def _compared(tx: Transaction, sheet: PartnersFile) -> _Plan:
    """The file beside the register. A successor that neither has is a fault, and then nothing is planned."""
    successors = {row.cells["successor"] for row in sheet.organisations.values()} - {None}
    sought = list(successors | set(sheet.organisations))
    found = [Organisation.of(row) async for row in QUERIES.organisations_identified(tx, identifiers=sought)]
    known = {organisation.identifier: organisation for organisation in found}
    ids = {organisation.identifier: organisation.id for organisation in found}
    unheard = [identifier for identifier in sheet.organisations if identifier not in known]
    ids |= {identifier: uuid_utils.compat.uuid7() for identifier in unheard}
    sheet.faults += _unknown_successors(sheet, ids)
    if sheet.faults:
        return _Plan()
    plan = _Plan()
    for identifier, row in sheet.organisations.items():
        plan.organisations.append(organisation_after(known.get(identifier), _organisation(row, ids)))
    mentioned = [ids[identifier] for identifier in sheet.organisations]
    before = [Contact.of(row) async for row in QUERIES.contacts_of(tx, organisations=mentioned)]
    _compare_contacts(plan, sheet, ids, {contact.key: contact for contact in before})
    absent = await QUERIES.organisations_unmentioned(tx, identifiers=list(sheet.organisations))
    sheet.notices += _absences(absent, len(before) - sum(fate != Fate.NEW for _, fate in plan.contacts))
    return plan


def _compare_contacts(
    plan: _Plan, sheet: PartnersFile, ids: Mapping[str, UUID], known: Mapping[tuple[UUID, str, str], Contact]
) -> None:
    for (identifier, role, name), row in sheet.contacts.items():
        before = known.get((ids[identifier], role, name))
        contact_id = before.id if before else uuid_utils.compat.uuid7()
        plan.contacts.append(contact_after(before, _contact(row, contact_id, ids[identifier])))


def _unknown_successors(sheet: PartnersFile, ids: Mapping[str, UUID]) -> Iterator[Fault]:
    for row in sheet.organisations.values():
        successor = row.cells["successor"]
        if successor is not None and successor not in ids:
            yield fault_of(
                row,
                "successor",
                f"{successor} is neither in this file nor in the register.",
                "Add a line for it, correct the identifier, or leave the cell empty.",
            )


def _absences(organisations: int, contacts: int) -> Iterator[Notice]:
    """What the register has and the file does not say: it stays as it is."""
    if organisations:
        told = "1 organisation is" if organisations == 1 else f"{organisations:,} organisations are"
        notice = f"{told} in the register but not in the file. Nothing changes there."
        yield Notice("organisations-not-in-file", notice)
    if contacts:
        told = "1 contact is" if contacts == 1 else f"{contacts:,} contacts are"
        yield Notice(
            "contacts-not-in-file",
            f"{told} in the register but not in the file, at organisations that are. Nothing changes there: "
            "to stop writing to somebody, give the line a contact_withdrawn_on.",
        )


def _organisation(row: Row, ids: Mapping[str, UUID]) -> Organisation:
    cells = row.cells
    return Organisation(
        id=ids[cells["identifier"]],
        identifier=cells["identifier"],
        name=cells["name"],
        kinds=cells["kinds"],
        areas=cells["areas"] or (),
        closeness=cells["closeness"],
        opened_on=cells["opened_on"],
        closed_on=cells["closed_on"],
        successor_id=ids[cells["successor"]] if cells["successor"] else None,
    )


def _contact(row: Row, contact_id: UUID, organisation_id: UUID) -> Contact:
    cells = row.cells
    return Contact(
        id=contact_id,
        organisation_id=organisation_id,
        role=cells["contact_role"],
        name=cells["contact_name"],
        channel=cells["contact_channel"],
        email=cells["contact_email"],
        postal_address=cells["contact_address"] or (),
        postcode=cells["contact_postcode"],
        source=cells["contact_source"],
        listed_on=cells["contact_listed_on"],
        withdrawn_on=cells["contact_withdrawn_on"],
    )


async def _carry_out(tx: Transaction, plan: _Plan, steps: _Steps) -> None:
    """Write and announce what is different, organisations before the contacts that belong to them."""
    for organisations in _slices(each for each in plan.organisations if each[1] != Fate.SAME):
        await _write_organisations(tx, [organisation for organisation, _ in organisations])
        await _say(tx, (announcements.of_organisation(each, fate) for each, fate in organisations), steps)
    for contacts in _slices((contact for contact, fate in plan.contacts if fate != Fate.SAME)):
        await _write_contacts(tx, contacts)
        await _say(tx, (announcements.of_contact(tx.context.keys, contact) for contact in contacts), steps)


async def _say(tx: Transaction, said: Iterable[Announcement], steps: _Steps) -> None:
    await steps.more(len(await announce_many(tx, said)))


def _slices(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    remaining = iter(things)
    while piece := list(islice(remaining, SLICE)):
        yield piece


async def _write_organisations(tx: Transaction, organisations: Sequence[Organisation]) -> None:
    await QUERIES.write_organisations(
        tx,
        ids=_each(organisations, "id"),
        identifiers=_each(organisations, "identifier"),
        names=_each(organisations, "name"),
        listed_as=_each(organisations, "listed_as"),
        kinds=["\n".join(each.kinds) for each in organisations],
        areas=["\n".join(each.areas) for each in organisations],
        closeness=_each(organisations, "closeness"),
        opened_on=_each(organisations, "opened_on"),
        closed_on=_each(organisations, "closed_on"),
        successors=_each(organisations, "successor_id"),
        versions=_each(organisations, "version"),
        now=tx.now,
    )


async def _write_contacts(tx: Transaction, contacts: Sequence[Contact]) -> None:
    await QUERIES.write_contacts(
        tx,
        ids=_each(contacts, "id"),
        organisations=_each(contacts, "organisation_id"),
        roles=_each(contacts, "role"),
        names=_each(contacts, "name"),
        channels=_each(contacts, "channel"),
        emails=_each(contacts, "email"),
        postal_addresses=["\n".join(each.postal_address) for each in contacts],
        postcodes=_each(contacts, "postcode"),
        sources=_each(contacts, "source"),
        listed_on=_each(contacts, "listed_on"),
        withdrawn_on=_each(contacts, "withdrawn_on"),
        versions=_each(contacts, "version"),
        now=tx.now,
    )


def _each(things: Sequence[object], name: str) -> list[Any]:
    return [getattr(thing, name) for thing in things]
