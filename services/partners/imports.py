"""Takes files into the register: all of it or nothing, whatever kind of file it is.

By command a file is read, compared and applied in one transaction. On the pages there are two steps with a
person between them: what would become of each line is shown first, and applied only if it is still the same
when it is done. Each step is one transaction in the background, of whichever replica comes first.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.audit import Actor, acting, note
from chassis.database import Database, Transaction
from chassis.errors import Conflict, Refused
from chassis.files import drop_files, file_parts
from chassis.house import House
from chassis.sheets import Fault, Notice
from services.partners import staging
from services.partners.domain import Fate, Plan
from services.partners.formats import FORMATS, OURS, Format, recognised, speaks_of
from services.partners.queries import IMPORTS, QUERIES
from services.partners.staging import Compared, Staged, compare, take_in, tell_apart

Progress = Callable[[int], None]

#: The timer that reads and applies files, by its name for whoever wakes it.
TAKE_FILES = "take files"

#: How long a file is kept, and all that was found out about it.
KEPT = timedelta(days=1)

#: How often a step is begun before it is given up.
MOST_ATTEMPTS = 3

#: Seconds between two words of how far a step is.
_SAID_EVERY = 0.5


class State(StrEnum):
    """Where a file stands."""

    CHOSEN = "chosen"
    READING = "reading"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    CANCELLED = "cancelled"
    FAILED = "failed"


#: In which states a file is not wanted any more when somebody says so.
OPEN = (State.CHOSEN, State.READING, State.READY, State.APPLYING)


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
class File:
    """One file that is or was taken in."""

    id: UUID
    state: State
    file_id: UUID | None
    file_name: str
    format: Format
    names: tuple[str, ...] | None
    speaks_of: tuple[str, ...]
    defaults: Defaults
    #: How far the present step is, of how much; nothing where that is not known.
    done: int
    total: int | None
    #: Lines that could be read.
    lines: int
    shown: bytes | None
    #: Whether it is shown again, because the register has changed.
    changed_since: bool
    #: Whoever asked for the present step.
    actor: Actor

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The file in a row of the table."""
        defaults = Defaults(
            kinds=tuple(row["kinds"]), areas=tuple(row["areas"]), closeness=row["closeness"] or ""
        )
        actor = Actor(
            person=row["person_id"],
            session=row["session_id"],
            source=row["source"],
            action="partners_imported",
            object=str(row["id"]),
        )
        same = ("id", "file_id", "file_name", "done", "total", "lines", "shown", "changed_since")
        return cls(
            **{name: row[name] for name in same},
            state=State(row["state"]),
            format=FORMATS[row["format"]],
            names=None if row["names"] is None else tuple(row["names"]),
            speaks_of=tuple(row["speaks_of"]),
            defaults=defaults,
            actor=actor,
        )

    @property
    def staged(self) -> Staged:
        """How its lines are taken."""
        plan = Plan(
            speaks_of=frozenset(self.speaks_of),
            foreign=self.format.foreign,
            kinds=self.defaults.kinds,
            areas=self.defaults.areas,
            closeness=self.defaults.closeness,
        )
        return Staged(id=self.id, format=self.format, plan=plan)


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
            note(tx, "partners_imported", "file", "", after=_counts(compared))
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
    plan = Plan(
        speaks_of=frozenset(speaks_of(found, source, house, None)),
        foreign=found.foreign,
        kinds=defaults.kinds,
        areas=defaults.areas,
        closeness=defaults.closeness,
    )
    return Staged(id=uuid_utils.compat.uuid7(), format=found, plan=plan)


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
        **_who(actor),
        now=tx.now,
    )
    if found is None:
        raise _moved_on()
    note(tx, "import_read", "import", id, after={"format": format.code})


async def order(tx: Transaction, id: UUID, *, shown: bytes, actor: Actor) -> None:
    """Let what was shown be carried out.

    Raises:
        Conflict: when something else is shown by now, a line is refused, or it is done already.
    """
    if await IMPORTS.order_import(tx, id=id, shown=shown, **_who(actor), now=tx.now) is None:
        raise _moved_on()
    note(tx, "import_ordered", "import", id)


async def cancel(tx: Transaction, id: UUID) -> None:
    """Nobody wants it any more. A step that goes on is undone.

    Raises:
        Conflict: when it is over.
    """
    if not await _move(tx, id, State.CANCELLED, OPEN):
        raise _moved_on()
    await IMPORTS.drop_fates(tx, import_id=id)
    await IMPORTS.drop_organisations(tx, import_id=id)
    await IMPORTS.drop_lines(tx, import_id=id)
    note(tx, "import_cancelled", "import", id)


def _who(actor: Actor) -> dict[str, Any]:
    return {"person_id": actor.person, "session_id": actor.session, "source": actor.source}


def _moved_on() -> Conflict:
    return Conflict("This file has moved on meanwhile.", "Reload its page to see where it stands.")


async def _move(
    tx: Transaction, id: UUID, state: State, before: Sequence[State], *, changed_since: bool = False
) -> bool:
    moved = await IMPORTS.move_import(
        tx, id=id, state=state, before=list(before), changed_since=changed_since, now=tx.now
    )
    return moved is not None


# In the background


async def turn(database: Database) -> bool:
    """Take the next step of the file that has waited longest; true when there may be more to do."""
    async with acting(database) as tx:
        if not await IMPORTS.claim_import(tx):
            return False
        row = await IMPORTS.next_import(tx)
        if row is None:
            await _drop_old(tx)
            return False
        file = File.of(row)
        try:
            async with tx.connection.transaction():
                await _step(tx, database, file)
        except _NotWanted:
            tx.notes.clear()
        except _Changed:
            tx.notes.clear()
            await _move(tx, file.id, State.READING, (State.APPLYING,), changed_since=True)
        except _GivenUp:
            tx.notes.clear()
            await _move(tx, file.id, State.FAILED, (State.READING, State.APPLYING))
        else:
            tx.actor = file.actor if tx.notes else None
    return True


class _NotWanted(Exception):
    """Somebody has cancelled it meanwhile."""


class _Changed(Exception):
    """The register is not any more what it was when the file was compared."""


class _GivenUp(Exception):
    """It was begun too often."""


async def _step(tx: Transaction, database: Database, file: File) -> None:
    if file.state is State.APPLYING:
        await _apply(tx, file, await _begun(database, file, None))
        return
    async with _on_disk(database, file) as (path, breaks):
        # Each line is read, and then compared: its organisation, and in our list its contact.
        passes = 2 if file.format.foreign else 3
        about = None if file.format.unit == "entry" else passes * max(breaks, 1)
        await _read(tx, file, path, await _begun(database, file, about))


async def _begun(database: Database, file: File, total: int | None) -> "_Noted":
    """Count that this step is begun, where it stays also when the step is undone."""
    async with database.transaction() as tx:
        attempts = await IMPORTS.begin_attempt(tx, id=file.id, total=total)
    if attempts is None:
        raise _NotWanted
    if attempts > MOST_ATTEMPTS:
        raise _GivenUp
    return _Noted(database, file)


async def _read(tx: Transaction, file: File, path: Path, steps: staging.Steps) -> None:
    """Read a file anew and write down what would become of each line."""
    staged, house = file.staged, tx.context.house
    await IMPORTS.drop_fates(tx, import_id=file.id)
    await IMPORTS.drop_organisations(tx, import_id=file.id)
    await IMPORTS.drop_lines(tx, import_id=file.id)
    lines = await take_in(tx, staged, file.format.read(path, house, file.names), steps)
    refused = await tell_apart(tx, staged)
    compared = await compare(tx, staged, refused, steps, write=False, listed=True)
    if await IMPORTS.show_import(tx, id=file.id, lines=lines, shown=compared.digest, now=tx.now) is None:
        raise _NotWanted


async def _apply(tx: Transaction, file: File, steps: staging.Steps) -> None:
    """Carry out what was shown, if the same comes out while nobody else changes the register."""
    staged = file.staged
    await QUERIES.lock_register(tx)
    await IMPORTS.drop_organisations(tx, import_id=file.id)
    if await tell_apart(tx, staged, listed=False):
        raise _Changed
    compared = await compare(tx, staged, set(), steps, write=True, listed=False)
    if compared.digest != file.shown:
        raise _Changed
    note(tx, "partners_imported", "import", file.id, after=_counts(compared))
    if not await _move(tx, file.id, State.APPLIED, (State.APPLYING,)):
        raise _NotWanted


class _Noted:
    """Notes how far a step is where others see it, and ends it when nobody wants it any more."""

    def __init__(self, database: Database, file: File) -> None:
        self._database = database
        self._file = file
        self._done = 0
        self._said_at = monotonic()

    async def more(self, steps: int) -> None:
        self._done += steps
        if monotonic() - self._said_at < _SAID_EVERY:
            await asyncio.sleep(0)
            return
        async with self._database.transaction() as tx:
            wanted = await IMPORTS.note_progress(
                tx, id=self._file.id, state=self._file.state, done=self._done
            )
        if wanted is None:
            raise _NotWanted
        self._said_at = monotonic()


@asynccontextmanager
async def _on_disk(database: Database, file: File) -> AsyncIterator[tuple[Path, int]]:
    """A kept file where it can be read twice, and how many line breaks it has."""
    if file.file_id is None:
        raise _GivenUp
    breaks = 0
    with tempfile.NamedTemporaryFile(prefix="conduit-import-") as copy:
        async for part in file_parts(database, file.file_id):
            breaks += part.count(b"\n")
            await asyncio.to_thread(copy.write, part)
        copy.flush()
        yield Path(copy.name), breaks


async def _drop_old(tx: Transaction) -> None:
    """Let go of files that have had their time."""
    files = [
        row["file_id"]
        async for row in IMPORTS.drop_old_imports(tx, before=tx.now - KEPT)
        if row["file_id"] is not None
    ]
    if files:
        await drop_files(tx, files)
