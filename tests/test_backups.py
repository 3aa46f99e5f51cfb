"""Backups: what is in them, who can open them, which are kept; what a restore refuses, changing nothing."""

import asyncio
import json
import multiprocessing
import secrets
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis import failpoints
from chassis.config import Settings
from chassis.dumps import NoDump, cut, dumped, restoring
from chassis.errors import ChassisError, NotMigrated
from chassis.failpoints import FailPoint
from chassis.migrations import aside, drop_databases, keep_aside, mark_unfinished, refuse_to_start_behind
from chassis.testing import PrivatePostgres
from contracts.topology import GRANTS, PARTNERS, SERVICES
from services.auditing import verify_all
from services.backups import (
    KEPT_WEEKS,
    MANIFEST,
    Backup,
    NoBackup,
    backups_in,
    create_identity,
    make_backup,
    superseded,
    unreadable_in,
)
from services.installation import Installation, migrations_of
from services.intake import take_in
from services.messages import opened
from services.partners.faults import BACKUP_OLD
from services.restoring import Restored, restore, take_back
from tests.conftest import EXAMPLES
from tests.journeys.running import conduit
from tests.test_checks import finding

pytestmark = pytest.mark.timeout(400)

TOLD = "SELECT string_agg(name, '|' ORDER BY id) FROM organisations"


def mounted(folder: Path) -> Path:
    """A folder that is there."""
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def installation(
    postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The Forum's partners, with a place for backups."""
    folder = tmp_path_factory.mktemp("backed-up")
    recipient = create_identity(folder / "identity")
    settings = Settings(
        home=folder / "home",
        database_url=postgres.url,
        database_prefix=f"backup_{secrets.token_hex(4)}",
        backup_to=mounted(folder / "backups"),
        backup_for=(recipient,),
        backup_keys_to=mounted(folder / "keys"),
    )
    made = Installation(settings)
    made.take_example_house()
    list(made.migrate())
    take_in(made, "partners", EXAMPLES / "partners.csv", dry_run=False, progress=lambda done: None)
    yield made
    drop_databases(postgres.url, settings.database_prefix, SERVICES)


@pytest.fixture(scope="module")
def backup(installation: Installation) -> Backup:
    return make_backup(installation)


@pytest.fixture
def elsewhere(
    postgres: PrivatePostgres, installation: Installation, tmp_path: Path
) -> Iterator[Installation]:
    """Another computer, on which there is nothing."""
    prefix = f"restored_{secrets.token_hex(4)}"
    yield Installation(replace(installation.settings, home=tmp_path / "home", database_prefix=prefix))
    drop_databases(postgres.url, prefix, SERVICES)


def bring_back(to: Installation, backup: Backup, **changes: Any) -> Restored:
    folder = backup.folder.parent.parent
    (keys,) = (folder / "keys").iterdir()
    given = {"identity": folder / "identity", "keys": keys, "over": False, **changes}
    return restore(
        to, given.pop("folder", backup.folder), given.pop("identity"), tell=lambda said: None, **given
    )


def ask(installation: Installation, service: str, query: str) -> Any:
    return ask_at(installation.urls()[service], query)


def ask_at(url: str, query: str) -> Any:
    async def look() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(look())


def test_what_is_backed_up_comes_back_on_another_computer(
    installation: Installation, backup: Backup, elsewhere: Installation
) -> None:
    """House and keys as well, with everything that waited to be announced, and with a higher epoch."""
    waiting = f"SELECT count(*) FROM outbox WHERE published_at IS NULL AND recorded_at < '{backup.made_at}'"
    done = bring_back(elsewhere, backup)
    assert ask(elsewhere, PARTNERS, TOLD) == ask(installation, PARTNERS, TOLD)
    assert ask(elsewhere, PARTNERS, waiting) == ask(installation, PARTNERS, waiting) > 0
    assert [ask(elsewhere, service, "SELECT value FROM epoch") for service in SERVICES] == [2, 2, 2]
    assert (done.made_at, done.put_aside) == (backup.made_at, [])
    assert elsewhere.house() == installation.house()
    assert not any(chain.broken_at for chain in verify_all(elsewhere).values())
    assert ask(elsewhere, GRANTS, "SELECT count(*) FROM audit WHERE action = 'restored'") == 1


def test_nobody_reads_a_backup_without_its_key(backup: Backup) -> None:
    """The manifest names nobody; whatever else there is begins as age begins, and has no plain text in it."""
    names = ("Hillingdon", "Forum", "chief_executive", "PGDMP", "organisation")
    for path in [*backup.folder.iterdir(), *(backup.folder.parent.parent / "keys").iterdir()]:
        content = path.read_bytes()
        assert not any(name.encode() in content for name in names if path.name != MANIFEST), path
        assert path.name == MANIFEST or content.startswith(b"age-encryption.org/v1"), path
    assert "Forum" not in (backup.folder / MANIFEST).read_text()


def damaged(backup: Backup, to: Path) -> Path:
    copy = to / backup.name
    shutil.copytree(backup.folder, copy)
    path = copy / "grants.dump.age"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return copy


def cut_off(backup: Backup, to: Path) -> Path:
    copy = to / backup.name
    shutil.copytree(backup.folder, copy)
    (copy / "notifications.dump.age").unlink()
    return copy


def of_tomorrow(backup: Backup, to: Path) -> Path:
    copy = to / backup.name
    shutil.copytree(backup.folder, copy)
    manifest = json.loads((copy / MANIFEST).read_bytes())
    manifest["services"][GRANTS]["version"] = "9999"
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return copy


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (damaged, "grants.dump.age is not as it was written"),
        (cut_off, "notifications.dump.age is missing"),
        (of_tomorrow, "of a newer Conduit: its grants is at 9999"),
        (lambda backup, to: to, "There is no backup in"),
    ],
)
def test_what_is_no_whole_backup_of_this_code_is_refused(
    backup: Backup, elsewhere: Installation, tmp_path: Path, spoil: Any, says: str
) -> None:
    with pytest.raises(NoBackup, match=says):
        bring_back(elsewhere, backup, folder=spoil(backup, tmp_path))
    assert not elsewhere.settings.home.exists()


def test_other_keys_are_refused_before_anything_is_touched(
    backup: Backup, elsewhere: Installation, tmp_path: Path
) -> None:
    """Another key for backups; the installation's own keys missing; those of somebody else."""
    create_identity(tmp_path / "other")
    with pytest.raises(NoBackup, match="does not open with this key"):
        bring_back(elsewhere, backup, identity=tmp_path / "other", over=True)
    (tmp_path / "none").write_text("nothing")
    with pytest.raises(NoBackup, match="holds no key"):
        bring_back(elsewhere, backup, identity=tmp_path / "none")
    for wrong in (tmp_path / "other", backup.folder / "grants.dump.age"):
        with pytest.raises(NoBackup, match=f"{wrong} holds no keys, .* Give to --keys the newest"):
            bring_back(elsewhere, backup, keys=wrong)
    with pytest.raises(NoBackup, match="--keys FILE"):
        bring_back(elsewhere, backup, keys=None)
    elsewhere.make_keys()
    with pytest.raises(NoBackup, match="--keys FILE"):
        bring_back(elsewhere, backup)
    with pytest.raises(NoBackup, match="exists already"):
        create_identity(tmp_path / "other")


def test_what_is_there_is_kept_under_another_name_and_only_when_nobody_uses_it(
    backup: Backup, elsewhere: Installation, postgres: PrivatePostgres
) -> None:
    bring_back(elsewhere, backup)
    with pytest.raises(NoBackup, match="--over"):
        bring_back(elsewhere, backup)

    async def while_used() -> None:
        connection = await asyncpg.connect(elsewhere.urls()[GRANTS])
        try:
            with pytest.raises(NoBackup, match="grants is running"):
                await asyncio.to_thread(bring_back, elsewhere, backup, over=True)
        finally:
            await connection.close()

    asyncio.run(while_used())
    done = bring_back(elsewhere, backup, over=True)
    prefix = elsewhere.settings.database_prefix
    assert aside(postgres.url, prefix, SERVICES) == sorted(done.put_aside)
    kept = dict(zip(done.put_aside, SERVICES, strict=True))
    assert all(name.startswith(f"{elsewhere.settings.database_prefix}_{kept[name]}_until_") for name in kept)
    assert len(aside(postgres.url, prefix, SERVICES, drop=True)) == 3
    assert aside(postgres.url, prefix, SERVICES) == []


def test_what_fails_in_the_middle_leaves_everything_as_it_was(
    backup: Backup, elsewhere: Installation, postgres: PrivatePostgres
) -> None:
    """PostgreSQL refuses the second dump: what was put aside comes back. Killed there, nobody starts."""
    bring_back(elsewhere, backup)
    ask(
        elsewhere,
        PARTNERS,
        "UPDATE organisations SET name = 'Present' WHERE id = (SELECT id FROM organisations LIMIT 1)",
    )
    before = ask(elsewhere, PARTNERS, TOLD)
    failpoints.arm("restore.loaded=raise")
    try:
        with pytest.raises(FailPoint):
            bring_back(elsewhere, backup, over=True)
    finally:
        failpoints.arm("")
    assert ask(elsewhere, PARTNERS, TOLD) == before
    assert aside(postgres.url, elsewhere.settings.database_prefix, SERVICES) == []
    mark_unfinished(elsewhere.owner_urls()[GRANTS], unfinished=True)
    said = finding(elsewhere.settings, "database of grants")
    assert (said.good, "half brought back" in said.says) == (False, True)
    for use in (lambda: asyncio.run(starts(elsewhere, GRANTS)), lambda: make_backup(elsewhere)):
        with pytest.raises(NotMigrated, match="conduit restore"):
            use()
    bring_back(elsewhere, backup, over=True)
    assert finding(elsewhere.settings, "database of grants").good
    aside(postgres.url, elsewhere.settings.database_prefix, SERVICES, drop=True)


def bring_back_and_die(to: Installation, backup: Backup) -> None:
    failpoints.arm("restore.loaded=kill")
    bring_back(to, backup, over=True)


def killed(installation: Installation, backup: Backup) -> None:
    """A restore in a process of its own, which dies when the first database is back."""
    process = multiprocessing.get_context("spawn").Process(
        target=bring_back_and_die, args=(installation, backup)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(NotMigrated, match="conduit backup aside --back"):
        asyncio.run(starts(installation, PARTNERS))
    said = finding(installation.settings, "database of partners")
    assert (said.good, "conduit backup aside --back" in said.says) == (False, True)


@pytest.fixture
def in_use(elsewhere: Installation, backup: Backup) -> Iterator[Installation]:
    """An installation in which something happened since the backup that was brought back there."""
    bring_back(elsewhere, backup)
    change = "UPDATE organisations SET name = 'Present' WHERE id = (SELECT id FROM organisations LIMIT 1)"
    ask(elsewhere, PARTNERS, change)
    yield elsewhere
    aside(elsewhere.admin_url(), elsewhere.settings.database_prefix, SERVICES, drop=True)


def test_what_a_restore_put_aside_that_was_killed_is_put_back(in_use: Installation, backup: Backup) -> None:
    before, prefix = ask(in_use, PARTNERS, TOLD), in_use.settings.database_prefix
    killed(in_use, backup)
    killed(in_use, backup)
    put_aside = aside(in_use.admin_url(), prefix, SERVICES)
    assert len(put_aside) == 3, "what stood there by half is not kept as well"
    assert aside(in_use.admin_url(), prefix, SERVICES, drop=True) == put_aside
    assert aside(in_use.admin_url(), prefix, SERVICES) == put_aside, "what is to be put back is not dropped"
    settings = {"CONDUIT_DATABASE_URL": in_use.settings.database_url, "CONDUIT_DATABASE_PREFIX": prefix}
    listed = conduit("backup", "aside", home=in_use.settings.home, **settings)
    assert listed.stdout.count("a restore was killed, add --back") == 3, listed
    back = conduit("backup", "aside", "--back", home=in_use.settings.home, **settings)
    assert back.stdout == "As it was before the restore: partners, grants, notifications.\n", back
    assert ask(in_use, PARTNERS, TOLD) == before
    for service in SERVICES:
        asyncio.run(starts(in_use, service))
    again = conduit("backup", "aside", "--back", home=in_use.settings.home, **settings)
    assert (again.stdout, ask(in_use, PARTNERS, TOLD)) == ("There is none.\n", before)


def test_a_restore_that_was_killed_is_typed_again(in_use: Installation, backup: Backup) -> None:
    before = ask(in_use, PARTNERS, TOLD)
    killed(in_use, backup)
    done = bring_back(in_use, backup, over=True)
    assert ask(in_use, PARTNERS, TOLD) != before
    assert len(done.put_aside) == 3
    assert take_back(in_use) == [], "it has come to its end"
    [kept] = [name for name in done.put_aside if "_partners_" in name]
    was = in_use.urls()[PARTNERS].replace(f"{in_use.settings.database_prefix}_partners?", f"{kept}?")
    assert ask_at(was, TOLD) == before


def test_what_was_begun_since_a_restore_was_killed_is_not_dropped(
    in_use: Installation, backup: Backup
) -> None:
    killed(in_use, backup)
    for url in in_use.owner_urls().values():
        mark_unfinished(url, unfinished=False)
    with pytest.raises(NoBackup, match="something new was begun in the database of partners since"):
        take_back(in_use)
    assert len(aside(in_use.admin_url(), in_use.settings.database_prefix, SERVICES)) == 3
    for name in aside(in_use.admin_url(), in_use.settings.database_prefix, SERVICES):
        keep_aside(in_use.admin_url(), {PARTNERS: name})


async def starts(installation: Installation, service: str) -> None:
    async with opened(installation, service) as database:
        await refuse_to_start_behind(database, migrations_of(service))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backup_to": None}, "CONDUIT_BACKUP_TO"),
        ({"backup_for": ()}, "CONDUIT_BACKUP_FOR"),
        ({"backup_to": Path("/proc")}, "/proc cannot be written"),
        ({"backup_to": Path("/srv/not-mounted")}, "There is no folder /srv/not-mounted. Mount its disk"),
        ({"backup_keys_to": Path("/srv/not-mounted")}, "There is no folder /srv/not-mounted. Mount its disk"),
    ],
)
def test_a_setting_that_does_not_do_is_said(
    installation: Installation, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(NoBackup, match=says):
        make_backup(Installation(replace(installation.settings, **changes)))


def test_a_backup_that_fails_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    """Here a table that its role may not read."""
    settings = replace(installation.settings, backup_to=mounted(tmp_path / "new"))
    before = ask(installation, PARTNERS, "SELECT count(*) FROM backups")

    async def change(statement: str) -> None:
        url = installation.admin_url().replace("/postgres?", f"/{settings.database_prefix}_grants?")
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(change("CREATE TABLE hidden (); REVOKE ALL ON hidden FROM PUBLIC"))
    try:
        with pytest.raises(NoDump, match=r"_grants: pg_dump says: .*hidden"):
            make_backup(Installation(settings))
    finally:
        asyncio.run(change("DROP TABLE hidden"))
    assert list((tmp_path / "new").iterdir()) == []
    assert ask(installation, PARTNERS, "SELECT count(*) FROM backups") == before


def test_one_backup_is_made_at_a_time(installation: Installation, tmp_path: Path) -> None:
    settings = replace(installation.settings, backup_to=mounted(tmp_path / "new"))
    with ThreadPoolExecutor() as threads:
        tries = [threads.submit(make_backup, Installation(settings)) for _ in range(3)]
    refused = [each.exception() for each in tries if each.exception()]
    assert 0 < len(backups_in(tmp_path / "new")) == 3 - len(refused)
    assert all("A backup is being made" in str(each) for each in refused), refused


def test_the_check_says_when_the_newest_is_old(installation: Installation, tmp_path: Path) -> None:
    settings = replace(installation.settings, backup_to=tmp_path)
    assert "Make one: conduit backup" in finding(settings, "backups").says
    made = make_backup(Installation(settings))
    assert finding(settings, "backups").good
    manifest = json.loads((made.folder / MANIFEST).read_bytes())
    manifest["made_at"] = (made.made_at - BACKUP_OLD - timedelta(hours=1)).isoformat()
    (made.folder / MANIFEST).write_text(json.dumps(manifest))
    said = finding(settings, "backups")
    assert (said.good, "the newest is 37 hours old" in said.says) == (False, True)
    outside: dict[str, Any] = {
        "backup_to": None,
        "public_url": "https://conduit.body.example",
        "smtp_url": "smtp://127.0.0.1:1",
    }
    said = finding(replace(settings, **outside), "backups")
    assert (said.good, said.says) == (True, "the last one is less than a minute old"), "as the database knows"


def test_a_dump_is_brought_in_whole_or_not_at_all(
    installation: Installation, elsewhere: Installation
) -> None:
    elsewhere.prepare()
    url = installation.urls()[PARTNERS]

    async def half() -> bytes:
        async with cut({PARTNERS: url}) as cuts:
            with dumped(url, cuts[PARTNERS]) as content:
                whole = content.read()
                return whole[: len(whole) * 2 // 3]

    with pytest.raises(ChassisError), restoring(elsewhere.urls()[PARTNERS]) as database:
        database.write(asyncio.run(half()))
    assert ask(elsewhere, PARTNERS, "SELECT count(*) FROM pg_class WHERE relname = 'organisations'") == 0


def test_which_backups_are_kept() -> None:
    """All of seven days, then the newest of each week, for five weeks: nobody erased is in one after that."""
    now = datetime(2026, 11, 26, 3, tzinfo=UTC)
    all_of_them = [
        Backup(folder=Path(f"{day}"), made_at=now - timedelta(days=day), size=1, manifest={})
        for day in range(100)
    ]
    gone = {each.name for each in superseded(all_of_them, now)}
    kept = [day for day in range(100) if str(day) not in gone]
    assert kept[:8] == [*range(8)]
    assert len(kept) == 8 + KEPT_WEEKS - 1
    assert all((now - timedelta(days=day)).isoweekday() == 7 for day in kept[8:])
    assert max(kept) < KEPT_WEEKS * 7
    assert superseded(all_of_them[:1], now + timedelta(days=400)) == [], "the only one there is"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"made_at": "2026-11-01", "services": []}', None])
def test_one_that_cannot_be_read_keeps_nothing_from_the_others(
    installation: Installation, tmp_path: Path, content: str | None
) -> None:
    settings = replace(installation.settings, backup_to=tmp_path)
    old, broken = tmp_path / "conduit-20260701T010101Z", tmp_path / "conduit-20260702T010101Z"
    for folder, text in ((old, _MANIFEST_OF_JULY), (broken, content)):
        folder.mkdir()
        if text is not None:
            (folder / MANIFEST).write_text(text)
    made = make_backup(Installation(settings))
    assert [each.name for each in backups_in(tmp_path)] == [made.name], "what had had its time went"
    (fault,) = unreadable_in(tmp_path)
    assert f"no backup in {broken}" in str(fault)
    assert "Take that folder away" in str(fault)
    said = finding(settings, "backups")
    assert (said.good, str(fault) in said.says) == (False, True)
    listed = conduit("backup", "list", "--to", str(tmp_path), home=settings.home)
    assert f"{made.folder}: " in listed.stdout
    assert (str(fault) in listed.stderr, listed.returncode) == (True, 1)


_MANIFEST_OF_JULY = '{"made_at": "2026-07-01T01:01:01+00:00", "services": {}, "house": {"size": 1}}'


def test_a_folder_that_takes_no_keys_is_said_before_anything_is_made(
    installation: Installation, tmp_path: Path
) -> None:
    settings = replace(
        installation.settings, backup_to=mounted(tmp_path / "new"), backup_keys_to=Path("/proc")
    )
    with pytest.raises(NoBackup, match="/proc cannot be written"):
        make_backup(Installation(settings))
    assert list((tmp_path / "new").iterdir()) == []


def test_the_list_says_which_is_damaged(installation: Installation, backup: Backup, tmp_path: Path) -> None:
    damaged(backup, tmp_path)
    assert [each.name for each in backups_in(installation.settings.backup_to or tmp_path)] == [backup.name]
    assert [each.name for each in backups_in(tmp_path)] == [backup.name]
