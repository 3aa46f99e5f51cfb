"""Bringing a backup back: the databases, the house file, the keys; and the time that was lost, seen to.

What comes back is one moment. Whatever event was on its way then is published once more; those who had it
know it. Every service's epoch goes up and every copy is announced anew, so that nothing that is still under
way from the lost time beats what is true now. Letters are the business of the ledger, which lies outside the
databases: what it says was sent since is not sent again.
"""

import asyncio
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.audit import BY_COMMAND, acting, note
from chassis.database import Database
from chassis.dumps import is_empty, restoring, users_of
from chassis.embedded import make_home
from chassis.failpoints import reach
from chassis.keys import create_file
from chassis.migrations import (
    brought_back_by_half,
    in_waiting,
    keep_aside,
    mark_unfinished,
    newest,
    put_aside,
    put_back,
)
from chassis.outbox import QUERIES
from contracts.catalogue import FACTS
from contracts.topology import NOTIFICATIONS, SERVICES
from services.backups import Backup, NoBackup, decrypt, files_of, keys_digest, read_backup, read_identity
from services.copies import COPIES
from services.installation import Installation, migrations_of
from services.messages import announce_anew, opened
from services.notifications.restored import doubt_without_ledger

_NIL = UUID(int=0)
_PAGE = 5_000

#: Told what is done next.
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore has done."""

    made_at: datetime
    #: Databases that were there before, under the names that they have now.
    put_aside: Sequence[str]
    #: Events that had not reached everybody by then.
    sent_again: int
    #: States that were announced anew for copies.
    announced: int
    #: Messages of the lost time that waited at the broker.
    dropped: int
    #: Letters and other mail of which nobody knows whether they were sent since: the ledger is gone.
    doubted: int


def restore(
    installation: Installation, folder: Path, identity: Path, *, keys: Path | None, over: bool, tell: Tell
) -> Restored:
    """Bring a backup back into an installation that holds nothing yet, with the services stopped.

    Args:
        identity: the file with the secret half of the keys for backups.
        keys: the file with the installation's keys, where they are gone as well.
        over: put the present databases aside, under other names. What one that was killed has put aside comes
            back first, so that it is kept once, and not what stands there by half.

    Raises:
        NoBackup: when something is missing, damaged, newer than this code, or in the way. Nothing is changed.
        NoDump: when PostgreSQL refuses a dump. What was there before is put back.
    """
    backup, opener = restore_files(installation, folder, identity, keys=keys, tell=tell)
    with installation.in_use(), _room(installation, over, tell) as aside:
        for service, url in installation.owner_urls().items():
            tell(f"Bringing {service} back")
            with restoring(url) as database:
                decrypt(folder / backup.manifest["services"][service]["file"], opener, database)
            reach("restore.loaded")
        tell("Bringing the databases to this code")
        for _ in installation.migrate():
            pass
        tell("Looking for what was on its way")
        sent_again = asyncio.run(_begin_again(installation, backup))
        tell("Announcing the copies anew")
        announced = sum(announce_anew(installation, name, lambda count: None) for name in sorted(COPIES))
        dropped = _empty_queues(installation)
        doubted = asyncio.run(_doubt(installation))
    return Restored(
        made_at=backup.made_at,
        put_aside=list(aside.values()),
        sent_again=sent_again,
        announced=announced,
        dropped=dropped,
        doubted=doubted,
    )


def restore_files(
    installation: Installation, folder: Path, identity: Path, *, keys: Path | None, tell: Tell
) -> tuple[Backup, Any]:
    """Bring the house file and the keys back where they are gone, and no database. The backup, and its key.

    Raises:
        NoBackup: when something is missing, damaged, newer than this code, or in the way.
    """
    tell("Looking through the backup")
    backup, opener = read_backup(folder), read_identity(identity)
    _check_versions(backup)
    _check_opens(backup, opener)
    settings = installation.settings
    make_home(settings.home)
    if keys is not None:
        _bring_keys(keys, opener, settings.keys_folder)
    _check_keys(backup, settings.keys_folder)
    if not settings.house_path.exists():
        _bring_house(backup, opener, settings.house_path)
    return backup, opener


def _check_versions(backup: Backup) -> None:
    for service in SERVICES:
        told, known = backup.manifest["services"][service]["version"], newest(migrations_of(service))
        if told > known:
            raise NoBackup(
                f"The backup is of a newer Conduit: its {service} is at {told}, this code knows {known}. "
                f"Install {backup.manifest['conduit']} or newer, and restore with that."
            )


def _check_opens(backup: Backup, opener: Any) -> None:
    """Open every file to its end before anything is touched."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device is no path of ours
        for told in files_of(backup):
            decrypt(backup.folder / told["file"], opener, nowhere)


def _bring_keys(path: Path, opener: Any, folder: Path) -> None:
    """Bring back the keys that are missing; one that is there stays."""
    packed = io.BytesIO()
    try:
        decrypt(path, opener, packed)
        packed.seek(0)
        kept = tarfile.open(fileobj=packed)  # noqa: SIM115  closed below
    except (NoBackup, tarfile.TarError) as error:
        raise NoBackup(
            f"{path} holds no keys, or opens with another key than the backup. Give to --keys the newest "
            "conduit-keys-….age from where CONDUIT_BACKUP_KEYS_TO pointed."
        ) from error
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with kept as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and "/" not in member.name and not member.name.startswith("."):
                create_file(folder / member.name, content.read)


def _check_keys(backup: Backup, folder: Path) -> None:
    if keys_digest(folder) != backup.manifest["keys"]:
        raise NoBackup(
            f"The keys in {folder} are not those that this backup was made with: what is sealed in it would "
            "stay closed. Bring them back from where CONDUIT_BACKUP_KEYS_TO pointed: --keys FILE"
        )


def _bring_house(backup: Backup, opener: Any, path: Path) -> None:
    content = io.BytesIO()
    decrypt(backup.folder / backup.manifest["house"]["file"], opener, content)
    create_file(path, content.getvalue)


@contextmanager
def _room(installation: Installation, over: bool, tell: Tell) -> Iterator[dict[str, str]]:
    """An empty database for each service, marked until the block has come to its end; none starts before.

    Gives the names under which what stood there is kept, by service. When the block fails it is put back.
    """
    for service in _take_back(installation):
        tell(f"Putting {service} back that was put aside before")
    aside = _put_aside(installation, over)
    try:
        installation.prepare()
        for url in installation.owner_urls().values():
            mark_unfinished(url, unfinished=True)
        yield aside
        if aside:
            keep_aside(installation.admin_url(), aside)
        for url in installation.owner_urls().values():
            mark_unfinished(url, unfinished=False)
    except BaseException:
        if aside:
            put_back(installation.admin_url(), installation.settings.database_prefix, aside)
        raise


def take_back(installation: Installation) -> list[str]:
    """Put back, with the services stopped, what a restore has put aside that was killed. Whose it is.

    Raises:
        NoBackup: when something stands in its place that the restore has not brought. Nothing is changed.
    """
    with installation.in_use():
        return _take_back(installation)


def _take_back(installation: Installation) -> list[str]:
    installation.prepare()
    if "{service}" in installation.settings.database_url:
        return []
    admin_url, prefix = installation.admin_url(), installation.settings.database_prefix
    waiting = in_waiting(admin_url, prefix, SERVICES)
    for service in waiting:
        url = installation.owner_urls()[service]
        if not asyncio.run(is_empty(url)) and not brought_back_by_half(url):
            raise NoBackup(
                f"A restore was killed, and something new was begun in the database of {service} since. Look "
                f"which you need: what was there before is kept as the database {waiting[service]}."
            )
    put_back(admin_url, prefix, waiting)
    return list(waiting)


def _put_aside(installation: Installation, over: bool) -> dict[str, str]:
    full = [name for name, url in installation.urls().items() if not asyncio.run(is_empty(url))]
    if not full:
        return {}
    if "{service}" in installation.settings.database_url:
        raise NoBackup(f"The database of {full[0]} is not empty, and making another is not ours to do there.")
    if not over:
        raise NoBackup(
            f"There is something in the database of {full[0]} already. To put it aside and bring the backup "
            "back in its place, add --over."
        )
    used = [name for name in full if asyncio.run(users_of(installation.urls()[name]))]
    if used:
        raise NoBackup(f"{used[0]} is running. Stop the services first.")
    return put_aside(installation.admin_url(), installation.settings.database_prefix, full)


async def _begin_again(installation: Installation, backup: Backup) -> int:
    """Raise the epochs, and make due again what had not reached everybody. How many events that was."""
    count = 0
    for service in SERVICES:
        async with opened(installation, service) as owner:
            async with acting(owner, BY_COMMAND) as tx:
                await QUERIES.raise_epoch(tx)
                note(tx, "restored", "backup", backup.name)
            count += await _send_again(installation, owner)
    return count


async def _send_again(installation: Installation, owner: Database) -> int:
    after, count = _NIL, 0
    while True:
        async with owner.reading() as tx:
            page = [row async for row in QUERIES.published_page(tx, after=after, most=_PAGE)]
        if not page:
            return count
        after = page[-1]["id"]
        lost = set[UUID]()
        for subscriber in SERVICES:
            due = [row["id"] for row in page if subscriber in _hearers(row["type"])]
            lost |= await _never_heard(installation, subscriber, due)
        async with owner.transaction() as tx:
            await QUERIES.publish_again(tx, ids=sorted(lost), now=tx.now)
        count += len(lost)


def _hearers(kind: str) -> Sequence[str]:
    return FACTS[kind].SUBSCRIBERS if kind in FACTS else ()


async def _never_heard(installation: Installation, subscriber: str, ids: Sequence[UUID]) -> set[UUID]:
    if not ids:
        return set()
    async with opened(installation, subscriber) as database, database.reading() as tx:
        return {row["id"] async for row in QUERIES.never_heard(tx, ids=ids)}


async def _doubt(installation: Installation) -> int:
    async with opened(installation, NOTIFICATIONS) as database, database.transaction() as tx:
        return await doubt_without_ledger(tx)


def _empty_queues(installation: Installation) -> int:
    """Drop what the broker still holds of the lost time: it was said by nobody who is here now."""
    url = installation.settings.amqp_admin_url or installation.settings.amqp_url
    if not url:
        return 0
    from chassis.declare import declare, empty

    declare(url)
    return empty(url)
