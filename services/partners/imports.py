"""Brings our list of partners in: a CSV file with one line per contact, all of it or nothing.

The file is read into temporary tables and compared with the register there, slice by slice; what is different
is written in the same transaction with what is announced. A dry run stops before that.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chassis.audit import Actor, acting, note
from chassis.database import Database, Transaction
from chassis.outbox import announce_many
from chassis.sheets import Fault, Notice
from services.partners import announcements, staging
from services.partners.domain import Contact, Fate, Organisation, contact_after, organisation_after
from services.partners.queries import QUERIES
from services.partners.register import write_contacts, write_organisations
from services.partners.staging import Reading

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
    database: Database,
    source: Path | bytes,
    *,
    dry_run: bool,
    progress: Progress | None = None,
    actor: Actor | None = None,
) -> ImportReport:
    """Import a list of partners. The same file twice changes nothing and announces nothing.

    Args:
        dry_run: find out everything, change nothing.
        actor: whoever imports, for the audit.
        progress: told from time to time how many steps are done: lines read, then things announced.
    """
    steps = _Steps(progress)
    async with acting(database) as tx:
        found = await staging.stage(tx, source, steps)
        if not dry_run:
            # Nobody else changes the register from here on, so that what is compared stays true.
            await QUERIES.lock_register(tx)
        found.faults += await staging.faults_between_lines(tx)
        carry_out = None if dry_run else steps
        fates = _Fates() if found.faults else await _compare(tx, found, carry_out)
        if not (dry_run or found.faults):
            tx.actor = actor
            counts: dict[str, int] = {fate.value: number for fate, number in fates.organisations.items()}
            counts["contacts"] = fates.contacts.total()
            note(tx, "partners_imported", "file", "", after=counts)
    return _report(found, fates, dry_run)


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


@dataclass(frozen=True)
class _Fates:
    """How many organisations and contacts of a file the register has, and how."""

    organisations: Counter[Fate] = field(default_factory=Counter)
    contacts: Counter[Fate] = field(default_factory=Counter)


async def _compare(tx: Transaction, found: Reading, carry_out: _Steps | None) -> _Fates:
    """Settle what becomes of all that the file names, organisations before the contacts that they have."""
    fates = _Fates()
    async for organisations in staging.organisations(tx):
        settled = [organisation_after(known, said) for known, said in organisations]
        fates.organisations.update(fate for _, fate in settled)
        if carry_out:
            await _amend_organisations(tx, [each for each in settled if each[1] != Fate.SAME], carry_out)
    async for contacts in staging.contacts(tx):
        met = [contact_after(known, said) for known, said in contacts]
        fates.contacts.update(fate for _, fate in met)
        if carry_out:
            await _amend_contacts(tx, [contact for contact, fate in met if fate != Fate.SAME], carry_out)
    found.notices += _absences(
        await QUERIES.organisations_unmentioned(tx), await QUERIES.contacts_unmentioned(tx)
    )
    return fates


async def _amend_organisations(
    tx: Transaction, amended: Sequence[tuple[Organisation, Fate]], steps: _Steps
) -> None:
    await write_organisations(tx, [organisation for organisation, _ in amended])
    said = await announce_many(tx, (announcements.of_organisation(each, fate) for each, fate in amended))
    await steps.more(len(said))


async def _amend_contacts(tx: Transaction, amended: Sequence[Contact], steps: _Steps) -> None:
    await write_contacts(tx, amended)
    said = await announce_many(tx, (announcements.of_contact(tx.context.keys, each) for each in amended))
    await steps.more(len(said))


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


def _report(found: Reading, fates: _Fates, dry_run: bool) -> ImportReport:
    organisations, contacts = fates.organisations, fates.contacts
    return ImportReport(
        dry_run=dry_run,
        lines=found.lines,
        new=organisations[Fate.NEW],
        same=organisations[Fate.SAME],
        changed=organisations[Fate.CHANGED],
        closed=organisations[Fate.CLOSED],
        contacts_new=contacts[Fate.NEW],
        contacts_same=contacts[Fate.SAME],
        contacts_changed=contacts[Fate.CHANGED],
        contacts_withdrawn=contacts[Fate.WITHDRAWN],
        notices=found.notices,
        faults=sorted(found.faults, key=lambda fault: fault.line)[: staging.MOST_FAULTS + 1],
    )
