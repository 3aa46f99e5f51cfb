"""Backups, and bringing one back."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.topology import SERVICES
from services.commands import AmqpUrl, DatabaseUrl, Home, installation_of, show_progress

#: Commands that belong to no group.
app = typer.Typer()
backups = typer.Typer(help="Back everything up, encrypted; services go on meanwhile.")


@backups.callback(invoke_without_command=True)
def back_up(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option(help="Folder of backups (CONDUIT_BACKUP_TO).")] = None,
    keys_to: Annotated[Path | None, typer.Option(help="Another folder, for the keys.")] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Back everything up, encrypted, as of one moment; services go on meanwhile. Old ones are thinned out."""
    if context.invoked_subcommand:
        return
    from services.backups import make_backup, unreadable_in

    installation = installation_of(home=home, database_url=database_url, backup_to=to, backup_keys_to=keys_to)
    with show_progress("Backing up") as step:
        made = make_backup(installation, progress=step)
    typer.echo(f"{made.folder}: {made.size:,} bytes, as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC")
    for fault in unreadable_in(made.folder.parent):
        typer.echo(str(fault), err=True)
    if not installation.settings.backup_keys_to:
        typer.echo(
            "Without the keys. They open what is sealed in it: keep "
            f"{installation.settings.keys_folder} in another place, or set CONDUIT_BACKUP_KEYS_TO.",
            err=True,
        )


@backups.command("key")
def make_backup_key(
    to: Annotated[Path, typer.Option(help="New file for the secret half, to be kept elsewhere.")],
) -> None:
    """Make the pair of keys for backups: prints the public half, for CONDUIT_BACKUP_FOR."""
    from services.backups import create_identity

    typer.echo(f"CONDUIT_BACKUP_FOR={create_identity(to)}")
    typer.echo(f"Without {to} no backup can be opened. Keep it where this computer is not.", err=True)


@backups.command("list")
def list_backups(
    to: Annotated[Path | None, typer.Option(help="Folder of backups (CONDUIT_BACKUP_TO).")] = None,
    home: Home = None,
) -> None:
    """The backups there are, the newest first, and whether each is as it was written."""
    from services.backups import NoBackup, backups_in, read_backup, unreadable_in

    folder = installation_of(home=home, backup_to=to).settings.backup_to
    if folder is None:
        raise NoBackup("Say where they are: --to FOLDER, or CONDUIT_BACKUP_TO.")
    found, unreadable = backups_in(folder), unreadable_in(folder)
    for fault in unreadable:
        typer.echo(str(fault), err=True)
    damaged = bool(unreadable)
    for each in found:
        try:
            read_backup(each.folder)
        except NoBackup as changed:
            damaged = True
            typer.echo(str(changed), err=True)
        else:
            typer.echo(f"{each.folder}: {each.size:,} bytes, as of {each.made_at:%Y-%m-%d %H:%M:%S} UTC")
    if not found:
        typer.echo(f"There is no backup in {folder}.")
    raise typer.Exit(1 if damaged or not found else 0)


@backups.command("aside")
def list_put_aside(
    drop: Annotated[bool, typer.Option("--drop", help="Drop them for good.")] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Put back those of a restore that was killed, services stopped.")
    ] = False,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """The databases that conduit restore --over has put aside. Whoever was erased since is still in them."""
    from chassis.migrations import aside, in_waiting
    from services.restoring import take_back

    installation = installation_of(home=home, database_url=database_url)
    if back:
        taken = take_back(installation)
        typer.echo(f"As it was before the restore: {', '.join(taken)}." if taken else "There is none.")
        return
    with installation.database(whole=False):
        where = installation.admin_url(), installation.settings.database_prefix, SERVICES
        waiting = in_waiting(*where).values()
        found = aside(*where, drop=drop)
    for name in found:
        done = "dropped" if drop else "kept"
        typer.echo(f"{name}: {'a restore was killed, add --back' if name in waiting else done}")
    if not found:
        typer.echo("There is none.")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of one backup.", exists=True, file_okay=False)],
    identity: Annotated[Path, typer.Option(help="The file that conduit backup key wrote.", exists=True)],
    keys: Annotated[Path | None, typer.Option(help="The file of the keys, where they are gone.")] = None,
    over: Annotated[bool, typer.Option("--over", help="Put what is there aside, under other names.")] = False,
    files: Annotated[
        bool, typer.Option("--files", help="Only house file and keys: the first step with containers.")
    ] = False,
    home: Home = None,
    amqp_url: AmqpUrl = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Bring a backup back, with the services stopped. No letter goes twice because of it."""
    from services.restoring import restore as bring_back
    from services.restoring import restore_files

    installation = installation_of(home=home, amqp_url=amqp_url, database_url=database_url)
    if files:
        restore_files(installation, folder, identity, keys=keys, tell=typer.echo)
        typer.echo(f"House file and keys are in {installation.settings.home}; the databases are not touched.")
        return
    done = bring_back(installation, folder, identity, keys=keys, over=over, tell=typer.echo)
    for name in done.put_aside:
        typer.echo(f"What was there before is kept as the database {name}.")
    if done.put_aside:
        typer.echo("When you do not need it any more: conduit backup aside --drop")
    typer.echo(
        f"It is {done.made_at:%Y-%m-%d %H:%M:%S} UTC again. {done.sent_again:,} events go out once more, "
        f"{done.announced:,} states go to copies, {done.dropped:,} messages of the lost time are gone."
    )
    if done.doubted:
        typer.echo(
            f"The ledger of what was sent is not in {installation.settings.ledger_folder}: {done.doubted:,} "
            f"letters and messages wait until somebody says at {installation.origin}/letters/restored what "
            "became of them."
        )
    typer.echo("Now start the services, and then: conduit check --copies; conduit audit verify")
