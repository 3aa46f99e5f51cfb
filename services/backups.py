"""Backups: the three databases as of one moment, and the house file; the keys apart.

The ledger of what was sent is in none: it must be newer than any backup that is brought back.

A backup is a folder. ``manifest.json`` says in plain sight what is in it and names nobody; the rest is
encrypted with age to a key whose secret half this computer does not have: whoever takes the computer, or
the folder, reads no backup. The keys of the installation go into a file of their own, for another place: they
open what is sealed in the databases.

Times in a manifest are UTC, sizes bytes, digests SHA-256 of the files as they lie there.
"""

import asyncio
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

from pyrage import DecryptError, EncryptError, IdentityError, decrypt_io, encrypt_io, x25519

from chassis.clock import real_now
from chassis.dumps import Cut, cut, dumped
from chassis.embedded import make_home
from chassis.errors import ChassisError
from chassis.keys import create_file
from chassis.refusals import refused
from contracts.topology import PARTNERS, SERVICES
from services.installation import Installation
from services.messages import opened
from services.partners.backed_up import enter_backup

MANIFEST = "manifest.json"
_NAME = re.compile(r"conduit-\d{8}T\d{6}Z")
_PART = 1024 * 1024

#: Every backup of this many days is kept, and one a week for this many weeks. Whoever was erased is gone
#: from the last backup after that.
KEPT_DAYS, KEPT_WEEKS = 7, 5


class NoBackup(ChassisError):
    """A backup could not be made or read. Says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that lies somewhere."""

    folder: Path
    made_at: datetime
    #: Of all its files together.
    size: int
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name


def create_identity(path: Path) -> str:
    """Make the pair of keys for backups. Its secret half goes into a new file, to be kept elsewhere.

    Returns:
        the public half, for ``CONDUIT_BACKUP_FOR``.

    Raises:
        NoBackup: when the file exists: what was encrypted to it needs it.
    """
    if path.exists():
        raise NoBackup(f"{path} exists already. Earlier backups may need it: choose another file.")
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    create_file(path, f"# public key: {recipient}\n{identity}\n".encode)
    return recipient


def make_backup(installation: Installation, *, progress: Callable[[int], None] = lambda done: None) -> Backup:
    """Back everything up into a new folder, whole or not at all. Services go on meanwhile.

    Args:
        progress: told how many bytes are written.

    Raises:
        NoBackup: when a setting is missing, a place cannot be written, or there is no room.
        NoDump: when PostgreSQL refuses.
    """
    settings = installation.settings
    if settings.backup_to is None or not settings.backup_for:
        raise NoBackup(
            "Say where backups go and for whom: CONDUIT_BACKUP_TO=FOLDER and CONDUIT_BACKUP_FOR=age1…, the "
            "public key that this prints: conduit backup key --to FILE"
        )
    recipients = [x25519.Recipient.from_str(text) for text in settings.backup_for]
    began = real_now()
    folder = settings.backup_to / f"conduit-{began:%Y%m%dT%H%M%SZ}"
    draft = folder.with_name(f".{folder.name}.part")
    for each in filter(None, (settings.backup_to, settings.backup_keys_to)):
        _refuse_missing(each)
        _check_takes(each)
    with _writing(settings.backup_to), _alone(settings.backup_to), installation.database():
        for left in settings.backup_to.glob(".conduit-*.part"):  # by one that was killed
            shutil.rmtree(left)
        make_home(draft)
        try:
            into = _Encrypting(draft, recipients, progress)
            manifest = asyncio.run(_write(installation, into, began))
            _write_down(draft / MANIFEST, json.dumps(manifest, indent=2).encode())
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if settings.backup_keys_to:
            _back_up_keys(settings.keys_folder, settings.backup_keys_to, manifest["keys"], recipients)
        made = _read(folder)
        asyncio.run(_note(installation, made, (real_now() - began).total_seconds()))
    _let_go(settings.backup_to, began)
    return made


async def _write(installation: Installation, into: "_Encrypting", began: datetime) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        urls = installation.urls()
        cuts = await stack.enter_async_context(cut(urls))
        services = {}
        for service in SERVICES:
            written = await asyncio.to_thread(_dump, into, service, urls[service], cuts[service])
            seen = cuts[service]
            services[service] = {
                **written,
                "version": seen.version,
                "announced": seen.announced,
                "heard": seen.heard,
            }
    return {
        "made_at": began.isoformat(),
        "conduit": version_of("conduit"),
        "services": services,
        "house": into.take(
            installation.settings.house_path.name, installation.settings.house_path.open("rb")
        ),
        "keys": keys_digest(installation.settings.keys_folder),
    }


def _dump(into: "_Encrypting", service: str, url: str, seen: Cut) -> dict[str, Any]:
    with dumped(url, seen) as content:
        return into.take(f"{service}.dump", content)


class _Encrypting:
    """Writes encrypted files into a folder, and remembers how much that was."""

    def __init__(self, folder: Path, recipients: Sequence[Any], progress: Callable[[int], None]) -> None:
        self._folder, self._recipients, self._progress = folder, recipients, progress
        self._done = 0

    def take(self, name: str, content: IO[bytes]) -> dict[str, Any]:
        """Write one file; what a manifest says of it."""
        path = self._folder / f"{name}.age"
        with path.open("xb") as file, content:
            digesting = _Digesting(file, self._tell)
            encrypt_io(content, cast(IO[bytes], digesting), self._recipients)
            file.flush()
            os.fsync(file.fileno())
        return {"file": path.name, "size": digesting.size, "sha256": digesting.digest.hexdigest()}

    def _tell(self, count: int) -> None:
        self._done += count
        self._progress(self._done)


class _Digesting:
    """Passes on what is written, and digests it."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file, self._tell = file, tell
        self.size, self.digest = 0, hashlib.sha256()

    def write(self, part: bytes) -> int:
        self._file.write(part)
        self.digest.update(part)
        self.size += len(part)
        self._tell(len(part))
        return len(part)

    def flush(self) -> None:
        self._file.flush()


def keys_digest(folder: Path) -> str:
    """By which one sees that keys belong to a backup: a digest of their public halves."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.public")))).hexdigest()


def _back_up_keys(folder: Path, to: Path, digest: str, recipients: Sequence[Any]) -> None:
    """Keep the present keys, once more only when they have changed since."""
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    path = to / f"conduit-keys-{digest[:12]}-{hashlib.sha256(content).hexdigest()[:12]}.age"
    with _writing(to):
        if path.exists():
            return
        packed, encrypted = io.BytesIO(), io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for each in sorted(folder.iterdir()):
                if each.is_file() and not each.name.startswith("."):
                    tar.add(each, arcname=each.name)
        packed.seek(0)
        encrypt_io(packed, encrypted, recipients)
        create_file(path, encrypted.getvalue)


def read_backup(folder: Path) -> Backup:
    """What a folder holds, after a look whether every file of it is as it was written.

    Raises:
        NoBackup: names the file at fault.
    """
    backup = _read(folder)
    for told in files_of(backup):
        path = folder / told["file"]
        if not path.exists():
            raise NoBackup(f"{path} is missing. Take another backup.")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(_PART):
                digest.update(part)
        if digest.hexdigest() != told["sha256"]:
            raise NoBackup(f"{path} is not as it was written. Take another backup.")
    return backup


def files_of(backup: Backup) -> list[Mapping[str, Any]]:
    """What the manifest says of each file."""
    return [*backup.manifest["services"].values(), backup.manifest["house"]]


def backups_in(folder: Path) -> list[Backup]:
    """The finished backups in a folder that can be read, the newest first."""
    return [each for each in _looked_at(folder) if isinstance(each, Backup)]


def unreadable_in(folder: Path) -> list[NoBackup]:
    """What is called a backup there and cannot be read, with the cure. The others do not suffer from it."""
    return [each for each in _looked_at(folder) if isinstance(each, NoBackup)]


def _looked_at(folder: Path) -> Iterator[Backup | NoBackup]:
    for path in sorted(
        (each for each in folder.glob("conduit-*") if _NAME.fullmatch(each.name)), reverse=True
    ):
        try:
            yield _read(path)
        except NoBackup as fault:
            yield fault


def _read(folder: Path) -> Backup:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        made_at = datetime.fromisoformat(manifest["made_at"])
        if made_at.tzinfo is None:
            raise ValueError
        size = sum(each["size"] for each in [*manifest["services"].values(), manifest["house"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoBackup(
            f"There is no backup in {folder}: it has no {MANIFEST} that can be read. Take that folder away."
        ) from error
    return Backup(folder=folder, made_at=made_at, size=size, manifest=manifest)


def decrypt(path: Path, identity: Any, writer: IO[bytes]) -> None:
    """Decrypt a file into a writer.

    Raises:
        NoBackup: when it was encrypted to another key, or is cut off.
    """
    try:
        with path.open("rb") as file:
            decrypt_io(file, writer, [identity])
    except BrokenPipeError:
        raise  # whoever was to take it has ended, and says why
    except (DecryptError, OSError) as error:
        raise NoBackup(
            f"{path} does not open with this key. Use the file that conduit backup key wrote for it."
        ) from error


def read_identity(path: Path) -> Any:
    """The secret half of the keys for backups, from the file that `create_identity` wrote.

    Raises:
        NoBackup: when it holds none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        (secret,) = [line for line in lines if line and not line.startswith("#")]
        return x25519.Identity.from_str(secret)
    except (OSError, ValueError, IdentityError) as error:
        raise NoBackup(f"{path} holds no key for backups: one line AGE-SECRET-KEY-…") from error


def _refuse_missing(folder: Path) -> None:
    """One that is not there may be of a disk that is not mounted: we would make it on this one."""
    if not os.path.lexists(folder):
        raise NoBackup(
            f"There is no folder {folder}. Mount its disk; if it never was there, make it: mkdir -p"
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into what to do."""
    try:
        yield
    except (OSError, EncryptError) as error:
        full = "its disk is full, or went away. Make room there, or choose another."
        why = refused(error, folder) if isinstance(error, OSError) else full
        raise NoBackup(f"{folder} cannot be written: {why}") from error


def _check_takes(folder: Path) -> None:
    """Write a file that is gone at once, before work begins that would be for nothing.

    Raises:
        NoBackup: when the folder takes none.
    """
    with _writing(folder), TemporaryFile(dir=folder) as file:
        file.write(bytes(_PART))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One backup at a time goes into a folder: a timer and a person may both begin one.

    Raises:
        NoBackup: when one is being made.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise NoBackup(f"A backup is being made in {folder}. Wait until it is done.") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _write_down(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


async def _note(installation: Installation, made: Backup, seconds: float) -> None:
    """Say in the database of partners that a backup was made: metrics and the page of ops read it there."""
    async with opened(installation, PARTNERS) as database, database.transaction() as tx:
        await enter_backup(tx, made.name, made.made_at, made.size, seconds)


def _let_go(folder: Path, now: datetime) -> None:
    with _writing(folder):
        for backup in superseded(backups_in(folder), now):
            shutil.rmtree(backup.folder)


def superseded(backups: Sequence[Backup], now: datetime) -> list[Backup]:
    """Those that are not needed any more: neither of these days, nor the newest of a week that is kept.

    The newest of all stays, however old it is.
    """
    weeks: dict[tuple[int, int], Backup] = {}
    for backup in sorted(backups, key=lambda each: each.made_at):
        weeks[backup.made_at.isocalendar()[:2]] = backup
    since, young = now - timedelta(weeks=KEPT_WEEKS), now - timedelta(days=KEPT_DAYS)
    kept = {each.name for each in weeks.values() if each.made_at >= since}
    kept |= {each.name for each in sorted(backups, key=lambda each: each.made_at)[-1:]}
    return [each for each in backups if each.made_at < young and each.name not in kept]
