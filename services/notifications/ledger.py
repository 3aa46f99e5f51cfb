"""The send ledger: what was begun to be sent, in files that no backup of the database takes back.

A line for each attempt is on the disk before the mail server hears of it, and a line for how it ended
follows. A database that was restored from a backup believes things unsent that have left long ago; the
ledger knows better. It holds ids, times and keyed digests of addresses: nothing from which a person is known.
"""

import asyncio
import errno
import fcntl
import getpass
import hashlib
import hmac
import json
import os
import re
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from chassis.context import Context
from chassis.log import describe, logger
from chassis.refusals import refused, unusable
from services.notifications.domain import NotificationsError

_log = logger(__name__)

#: The purpose of the key under which addresses are digested.
DIGESTS = "send ledger"

_NAME = re.compile(r"sent-\d{4}-\d{2}-[0-9A-Za-z.-]+\.jsonl")


class LedgerAway(NotificationsError):
    """The send ledger cannot be written, so nothing is sent: is its disk full, may we write there?"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to send one thing."""

    #: letter, chaser or notice.
    kind: str
    id: UUID
    message_id: str
    #: 1 for the first; it never begins anew.
    number: int


@dataclass(frozen=True)
class Page:
    """What stands in one part of a file."""

    #: Attempts that were begun, as JSON knows them, and how attempts ended.
    begun: Sequence[Mapping[str, Any]]
    ended: Sequence[Mapping[str, Any]]
    #: Where the next part begins, in bytes.
    reached: int


class _Line(NamedTuple):
    """A line that waits for being written."""

    text: str
    #: Whether it is to be on the disk once it is written.
    lasting: bool
    written: asyncio.Future[None]


class Ledger:
    """Writes to the file of this month and this computer; several processes may do so at once."""

    def __init__(self, context: Context) -> None:
        self._folder = context.settings.ledger_folder
        self._clock = context.clock
        self._key = context.keys.derive(DIGESTS)
        self._waiting: list[_Line] = []
        self._writing: asyncio.Task[None] | None = None

    async def begin(self, attempt: Attempt, recipient: str) -> None:
        """Note that an attempt begins. It is on the disk when this returns; those that wait share the disk.

        Raises:
            LedgerAway: when it could not be written; then nothing may be sent.
        """
        digest = hmac.new(self._key, recipient.strip().lower().encode(), hashlib.sha256)
        line = {
            "begun": self._clock.now().isoformat(),
            "kind": attempt.kind,
            "id": str(attempt.id),
            "message_id": attempt.message_id,
            "attempt": attempt.number,
            "to": digest.hexdigest()[:32],
        }
        await self._write(line, lasting=True)

    async def end(self, attempt: Attempt, fate: str) -> None:
        """Note how an attempt ended. Should this be lost, it counts as one of which nobody knows."""
        line = {
            "ended": self._clock.now().isoformat(),
            "message_id": attempt.message_id,
            "attempt": attempt.number,
            "fate": fate,
        }
        try:
            await self._write(line, lasting=False)
        except LedgerAway as away:  # what became of it is settled in the database all the same
            _log.error("ledger_away", **describe(away.__cause__ or away))

    async def _write(self, line: Mapping[str, Any], *, lasting: bool) -> None:
        """Write a line, together with all that wait meanwhile."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(_Line(json.dumps(line, separators=(",", ":")) + "\n", lasting, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        await written

    async def _write_waiting(self) -> None:
        while self._waiting:
            lines, self._waiting = self._waiting, []
            failure: Exception | None = None
            try:
                text = "".join(line.text for line in lines)
                await asyncio.to_thread(self._append, text, lasting=any(line.lasting for line in lines))
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
                failure = error
            for line in lines:
                if line.written.cancelled():
                    continue
                if failure is None:
                    line.written.set_result(None)
                else:
                    line.written.set_exception(failure)
        self._writing = None

    def _append(self, lines: str, *, lasting: bool) -> None:
        """Add whole lines to the file of this month, on the disk where they are to last. Blocks.

        Raises:
            LedgerAway: when not all of it could be written.
        """
        path = self._folder / f"sent-{self._clock.now():%Y-%m}-{_this_computer()}.jsonl"
        try:
            _make(path)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                size = os.fstat(descriptor).st_size
                torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
                text = ("\n" * bool(torn) + lines).encode()
                if os.write(descriptor, text) != len(text):
                    raise OSError("the disk took a part only")
                if lasting:
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerAway from error


def _this_computer() -> str:
    return re.sub(r"[^0-9A-Za-z.-]", "-", socket.gethostname()) or "here"


def _make(path: Path) -> None:
    """Make the file and what it lies in, so that they are there after the power went."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def files_of(folder: Path) -> dict[Path, int]:
    """The files of every computer, oldest first, with their sizes in bytes. Blocks.

    Raises:
        OSError: when the folder is there and cannot be read: it is not taken for an empty one.
    """
    found = [path for path in _in(folder) if _NAME.fullmatch(path.name)]
    return {path: path.stat().st_size for path in found}


def shut(folder: Path) -> str | None:
    """Why nothing can be noted in the ledger, and the cure; nothing where it can. Blocks."""
    try:
        places = [each for each in (folder, *folder.absolute().parents) if each.exists()][:1]
        why = [*map(unusable, places), *map(_not_for_us, files_of(folder))]
    except OSError as error:
        why = [refused(error, folder)]
    said = next(filter(None, why), None)
    if said is None:
        return None
    ours = shlex.quote(getpass.getuser())
    return (
        f"{said} Until it can be written, no letter and no message leaves. The folder {folder} must be that "
        f"of whoever runs Conduit: chown -R {ours} {shlex.quote(str(folder))}"
    )


def _not_for_us(path: Path) -> str | None:
    shut_to_us = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return None if os.access(path, os.R_OK | os.W_OK) else refused(shut_to_us)


def _in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # nothing was begun yet, or what writes there says it
        return []


def read_page(path: Path, start: int, most: int = 1_000, *, end: float = inf) -> Page:
    """So many whole lines of a file, from a place on. What is torn was never acted on. Blocks."""
    begun: list[Mapping[str, Any]] = []
    ended: list[Mapping[str, Any]] = []
    reached = start
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(most):
            line = file.readline()
            if not line.endswith(b"\n") or reached + len(line) > end:
                break
            reached += len(line)
            for entry in _entries(line):
                (begun if "begun" in entry else ended).append(entry)
    return Page(begun, ended, reached)


def _entries(line: bytes) -> Iterator[Mapping[str, Any]]:
    """The entry of a line, if it is one."""
    try:
        entry = json.loads(line)
        whole = {"message_id", "attempt"} <= entry.keys() and ("begun" in entry or "fate" in entry)
    except (ValueError, AttributeError):
        return
    if whole:
        yield entry


def drop_old(folder: Path, before: datetime) -> int:
    """Delete the files of months that ended before a moment. How many. Blocks."""
    old = [path for path in files_of(folder) if _ends(path) < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _ends(path: Path) -> datetime:
    year, month = map(int, path.name.split("-")[1:3])
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
