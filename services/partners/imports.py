"""Takes files into the register: all of it or nothing, whatever kind of file it is.

By command a file is read, compared and applied in one transaction. On the pages there are two steps with a
person between them: what would become of each line is shown first, and applied only if it is still the same
when it is done. Each step is one transaction in the background, of whichever replica comes first.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import Actor, acting, note
from chassis.database import Database, Transaction
from chassis.errors import Refused
from chassis.files import on_disk
from chassis.house import House
from chassis.imports import Changed, File, GivenUp, Importing, State, by, moved_on
from chassis.sheets import Fault, Notice
from services.partners import staging
from services.partners.domain import Fate, Plan
from services.partners.formats import FORMATS, OURS, Format, recognised, speaks_of
from services.partners.queries import IMPORTS, QUERIES
from services.partners.staging import Compared, Staged, compare, take_in, tell_apart

Progress = Callable[[int], None]

#: The timer that reads and applies files, by its name for whoever wakes it.
TAKE_FILES = "take files"

#: What it is in the audit when a file was taken in.
_TAKEN_IN = "partners_imported"


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a body is to us that only another register knows."""

    kinds: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    closeness: str = ""

    def check(self, house: House) -> None:
        """Refuse what is no code of the house's lists, or nothing where something is needed.

        Raises:
            Refused: names the field.
        """
        lists = house.lists
        if not self.kinds or not set(self.kinds) <= set(lists["kinds"]):
            cure = f"Choose one at least: {', '.join(lists['kinds'])}."
            raise Refused("It is not said what kind the new organisations are.", cure, field="kinds")
        if not set(self.areas) <= set(lists["areas"]):
            raise Refused("There is no such area.", "Choose areas of the list, or none.", field="areas")
        if self.closeness not in lists["closeness"]:
            cure = f"Choose one: {', '.join(lists['closeness'])}."
            raise Refused(
                "It is not said how closely we work with the new organisations.", cure, field="closeness"
            )


@dataclass(frozen=True, kw_only=True)
class Chosen(File):
    """One file that is or was taken in, and what was said of it."""

    format: Format
    #: The column of ours that each of its columns is; nothing: as its own header says.
    names: tuple[str, ...] | None
    #: The columns in which it may change what the register has.
    speaks_of: tuple[str, ...]
    defaults: Defaults

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """The file in a row of the table."""
        return cls.of(
            row,
            format=FORMATS[row["format"]],
            names=None if row["names"] is None else tuple(row["names"]),
            speaks_of=tuple(row["speaks_of"]),
            defaults=Defaults(
                kinds=tuple(row["kinds"]), areas=tuple(row["areas"]), closeness=row["closeness"] or ""
            ),
        )

    @property
    def staged(self) -> Staged:
        """How its lines are taken."""
        return _staged(self.id, self.format, self.speaks_of, self.defaults)


def _staged(id: UUID, format: Format, speaks_of: Iterable[str], defaults: Defaults) -> Staged:
    plan = Plan(
        speaks_of=frozenset(speaks_of),
        foreign=format.foreign,
        kinds=defaults.kinds,
        areas=defaults.areas,
        closeness=defaults.closeness,
    )
    return Staged(id=id, format=format, plan=plan)


# By command


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
    format: Format | None = None,
    defaults: Defaults | None = None,
    progress: Progress | None = None,
    actor: Actor | None = None,
) -> ImportReport:
    """Import a file. The same file twice changes nothing and announces nothing.

    Args:
        dry_run: find out everything, change nothing.
        format: recognised when not given.
        defaults: what a body is to us that only another register knows.
        actor: whoever imports, for the audit.
        progress: told from time to time how many steps are done: lines read, then things compared.

    Raises:
        Refused: when it is another register's and it is not said what its bodies are to us.
    """
    house = database.context.house
    staged = _by_command(source, house, format, defaults or Defaults())
    steps = _Told(progress)
    try:
        async with acting(database) as tx:
            await _enter(tx, staged)
            items = staged.format.read(source, house, None)
            lines = await take_in(tx, staged, items, steps)
            if not dry_run:
                # Nobody else changes the register from here on, so that what is compared stays true.
                await QUERIES.lock_register(tx)
            refused = await tell_apart(tx, staged)
            good = not await _faults(tx, staged)
            compared = Compared()
            if good:
                compared = await compare(tx, staged, refused, steps, write=not dry_run, listed=True)
            report = await _report(tx, staged, lines, compared, dry_run)
            if dry_run or report.faults:
                raise _TakenBack
            tx.actor = actor
            note(tx, _TAKEN_IN, "file", "", after=_counts(compared))
            await IMPORTS.drop_import(tx, id=staged.id)
    except _TakenBack:
        pass
    return report


async def import_by_command(
    database: Database,
    file: Path,
    *,
    dry_run: bool,
    progress: Progress,
    actor: Actor,
    format: str = "",
    kinds: Sequence[str] = (),
    areas: Sequence[str] = (),
    closeness: str = "",
) -> ImportReport:
    """Import a file as somebody at the computer has said what it is.

    Raises:
        Refused: when there is no such format, or it is not said what bodies of another register are to us.
    """
    if format and format not in FORMATS:
        raise Refused("There is no such format.", f"Choose one: {', '.join(FORMATS)}.", field="format")
    defaults = Defaults(kinds=tuple(kinds), areas=tuple(areas), closeness=closeness)
    return await import_partners(
        database,
        file,
        dry_run=dry_run,
        format=FORMATS[format] if format else None,
        defaults=defaults,
        progress=progress,
        actor=actor,
    )


class _TakenBack(Exception):
    """Ends the transaction without a trace."""


def _by_command(source: Path | bytes, house: House, format: Format | None, defaults: Defaults) -> Staged:
    found = format or recognised(source, house)
    found = OURS if isinstance(found, Fault) else found  # whose reader then says what is wrong with it
    if found.foreign:
        defaults.check(house)
    said = speaks_of(found, source, house, None)
    return _staged(uuid_utils.compat.uuid7(), found, said, defaults)


async def _enter(tx: Transaction, staged: Staged) -> None:
    plan = staged.plan
    await IMPORTS.enter_import(
        tx,
        id=staged.id,
        state=State.READING,
        file_id=None,
        file_name="",
        format=staged.format.code,
        names=None,
        speaks_of=sorted(plan.speaks_of),
        kinds=list(plan.kinds),
        areas=list(plan.areas),
        closeness=plan.closeness,
        source="command",
        now=tx.now,
    )


class _Told:
    """Counts steps, says so, and lets others have a turn."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = 0

    async def more(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done)
        await asyncio.sleep(0)


async def _faults(tx: Transaction, staged: Staged) -> list[Fault]:
    return [
        Fault(line=row["line"], column=row["column_name"], fault=row["reason"], cure=row["cure"])
        async for row in IMPORTS.faults_of(tx, import_id=staged.id, most=staging.MOST_FAULTS + 1)
    ]


async def _report(
    tx: Transaction, staged: Staged, lines: int, compared: Compared, dry_run: bool
) -> ImportReport:
    faults = await _faults(tx, staged)
    notices = [
        Notice(row["name"], row["reason"]) async for row in IMPORTS.notices_of(tx, import_id=staged.id)
    ]
    organisations, contacts = compared.organisations, compared.contacts
    if faults:
        return ImportReport(dry_run=dry_run, lines=lines, notices=notices, faults=faults)
    return ImportReport(
        dry_run=dry_run,
        lines=lines,
        new=organisations[Fate.NEW],
        same=organisations[Fate.SAME],
        changed=organisations[Fate.CHANGED],
        closed=organisations[Fate.CLOSED],
        contacts_new=contacts[Fate.NEW],
        contacts_same=contacts[Fate.SAME],
        contacts_changed=contacts[Fate.CHANGED],
        contacts_withdrawn=contacts[Fate.WITHDRAWN],
        notices=[*notices, *_absences(*await unmentioned(tx, staged))],
    )


async def unmentioned(tx: Transaction, staged: Staged) -> tuple[int, int]:
    """How many organisations and contacts the register has and the file does not name."""
    organisations = await IMPORTS.organisations_unmentioned(
        tx, import_id=staged.id, prefix=staged.format.prefix
    )
    names_contacts = "contact_name" in staged.plan.speaks_of and not staged.format.foreign
    if not names_contacts:
        return organisations, 0
    contacts = await IMPORTS.contacts_unmentioned(tx, import_id=staged.id)
    return organisations, contacts


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


def _counts(compared: Compared) -> dict[str, int]:
    counts = {fate.value: number for fate, number in compared.organisations.items()}
    return {**counts, "contacts": compared.contacts.total()}


# On the pages


async def begin(tx: Transaction, *, file_id: UUID, file_name: str, format: Format, source: str) -> UUID:
    """Begin with a file that somebody has chosen."""
    id: UUID = uuid_utils.compat.uuid7()
    await IMPORTS.enter_import(
        tx,
        id=id,
        state=State.CHOSEN,
        file_id=file_id,
        file_name=file_name,
        format=format.code,
        names=None,
        speaks_of=[],
        kinds=[],
        areas=[],
        closeness=None,
        source=source,
        now=tx.now,
    )
    note(tx, "import_begun", "import", id, after={"format": format.code})
    return id


async def choose(
    tx: Transaction,
    id: UUID,
    *,
    format: Format,
    names: Sequence[str] | None,
    speaks_of: Sequence[str],
    defaults: Defaults,
    actor: Actor,
) -> None:
    """Say what a file is, and let it be read and compared.

    Raises:
        Conflict: when it is being read already, or is over.
    """
    found = await IMPORTS.choose_import(
        tx,
        id=id,
        format=format.code,
        names=None if names is None else list(names),
        speaks_of=list(speaks_of),
        kinds=list(defaults.kinds),
        areas=list(defaults.areas),
        closeness=defaults.closeness,
        **by(actor),
        now=tx.now,
    )
    if found is None:
        raise moved_on()
    note(tx, "import_read", "import", id, after={"format": format.code})


# In the background


async def _step(tx: Transaction, database: Database, file: Chosen) -> None:
    if file.state is State.APPLYING:
        await _apply(tx, file, await IMPORTING.begin(database, file, None))
        return
    if file.file_id is None:
        raise GivenUp
    async with on_disk(database, file.file_id) as (path, breaks):
        # Each line is read, and then compared: its organisation, and in our list its contact.
        passes = 2 if file.format.foreign else 3
        about = None if file.format.unit == "entry" else passes * max(breaks, 1)
        await _read(tx, file, path, await IMPORTING.begin(database, file, about))


async def _read(tx: Transaction, file: Chosen, path: Path, steps: staging.Steps) -> None:
    """Read a file anew and write down what would become of each line."""
    staged, house = file.staged, tx.context.house
    await _forget(tx, file.id)
    lines = await take_in(tx, staged, file.format.read(path, house, file.names), steps)
    refused = await tell_apart(tx, staged)
    compared = await compare(tx, staged, refused, steps, write=False, listed=True)
    await IMPORTING.show(tx, file, lines=lines, shown=compared.digest)


async def _apply(tx: Transaction, file: Chosen, steps: staging.Steps) -> None:
    """Carry out what was shown, if the same comes out while nobody else changes the register."""
    staged = file.staged
    await QUERIES.lock_register(tx)
    await IMPORTS.drop_organisations(tx, import_id=file.id)
    if await tell_apart(tx, staged, listed=False):
        raise Changed
    compared = await compare(tx, staged, set(), steps, write=True, listed=False)
    if compared.digest != file.shown:
        raise Changed
    await IMPORTING.finish(tx, file, _counts(compared))


async def _forget(tx: Transaction, id: UUID) -> None:
    await IMPORTS.drop_fates(tx, import_id=id)
    await IMPORTS.drop_organisations(tx, import_id=id)
    await IMPORTS.drop_lines(tx, import_id=id)


IMPORTING = Importing(
    queries=IMPORTS,
    file=Chosen.from_row,
    step=_step,
    forget=_forget,
    action=_TAKEN_IN,
    timer=TAKE_FILES,
)
