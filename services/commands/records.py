"""What was done and decided, how long it is kept, and the keys and the clock of it all."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Annotated

import typer

from contracts.topology import SERVICES
from services.commands import DatabaseUrl, DryRun, Home, Json, installation_of
from services.installation import Installation

#: Commands that belong to no group.
app = typer.Typer()
audit = typer.Typer(help="What people have done.", no_args_is_help=True)
dossiers = typer.Typer(help="How decisions on grants came about.", no_args_is_help=True)
keys = typer.Typer(help="The keys of this installation.", no_args_is_help=True)
clock = typer.Typer(help="The clock of the example.", no_args_is_help=True)


@audit.command("verify")
def verify_audit(
    service: Annotated[str | None, typer.Option(help="With --row and --digest: whose record.")] = None,
    row: Annotated[int | None, typer.Option(min=1, help="The row that was mailed to an auditor.")] = None,
    digest: Annotated[str | None, typer.Option(help="Its digest, as it stands in the mail.")] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Read each service's record from its beginning: is every row as it was written, and none missing?

    With --service, --row and --digest, from a mail: is the record up to this row still the same, and its end
    not cut off?
    """
    installation = installation_of(home=home, database_url=database_url)
    if service is None and row is None and digest is None:
        _verify_all(installation, as_json)
    elif service is None or row is None or digest is None:
        raise typer.BadParameter("--service, --row and --digest go together: type all of the mail's line.")
    else:
        _compare(installation, service, row, digest.strip().lower(), as_json)


def _compare(installation: Installation, service: str, row: int, digest: str, as_json: bool) -> None:
    from services.auditing import compare

    if service not in SERVICES:
        raise typer.BadParameter(f"--service is one of: {', '.join(SERVICES)}.")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise typer.BadParameter("--digest has 64 signs, 0 to 9 and a to f: copy it whole from the mail.")
    found = compare(installation, service, row, digest)
    typer.echo(json.dumps(found.as_dict()) if as_json else f"{service}: {found}")
    if not found.same:
        raise typer.Exit(1)


def _verify_all(installation: Installation, as_json: bool) -> None:
    from services.auditing import verify_all

    chains = verify_all(installation)
    if as_json:
        typer.echo(json.dumps({service: dataclasses.asdict(chain) for service, chain in chains.items()}))
    else:
        for service, chain in chains.items():
            whole = f"{chain.rows:,} rows, whole; the last one's digest is {chain.head}"
            said = whole if chain.rows else "nothing yet"
            broken = f"BROKEN at row {chain.broken_at}: it is not what was written, or one is missing there"
            typer.echo(f"{service}: {broken if chain.broken_at else said}")
    if any(chain.broken_at for chain in chains.values()):
        raise typer.Exit(1)


@audit.command("export")
def export_audit(
    service: Annotated[str, typer.Argument(help="partners, grants or notifications.")],
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print a service's record, one JSON object a line, the oldest first."""
    from services.auditing import export

    if service not in SERVICES:
        raise typer.BadParameter(f"choose from: {', '.join(SERVICES)}")
    installation = installation_of(home=home, database_url=database_url)
    export(installation, service, lambda row: typer.echo(json.dumps(row)))


@dossiers.command("verify")
def verify_dossier(
    file: Annotated[Path, typer.Argument(help="A dossier as JSON.", exists=True, dir_okay=False)],
    home: Home = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Was this dossier made here and not changed since, and is what is kept here still the same?"""
    from services.dossiers import verify
    from services.grants.dossiers import NoDossier

    try:
        found = verify(installation_of(home=home, database_url=database_url), file)
    except NoDossier:
        raise typer.BadParameter("This is no dossier: take the file to check from its page again.") from None
    typer.echo(json.dumps(found.as_dict()) if as_json else str(found))
    raise typer.Exit(0 if found.good else 1)


@app.command()
def retention(
    dry_run: DryRun = False, home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let go of what has had its time, as happens every night; with --dry-run, say what that would be."""
    from services import keeping

    done = keeping.let_go(installation_of(home=home, database_url=database_url), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in done]))
        return
    for each in done:
        kept = "1 month" if each.months == 1 else f"{each.months} months"
        typer.echo(f"{each.service}: {each.count:,} {each.what}, kept {kept} {each.since}")
    typer.echo("A dry run: nothing was changed." if dry_run else "Done.")


@keys.command()
def rotate(home: Home = None) -> None:
    """Sign sessions with a new key from now on. Nobody is signed out."""
    from chassis.access import rotate_session_key

    installation = installation_of(home=home)
    installation.check_begun()
    installation.make_keys()
    typer.echo(
        f"Sessions are signed with {rotate_session_key(installation.settings.keys_folder)} from now on."
    )


@keys.command()
def accept(home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Go on with other keys than before, which are lost for good: what was sealed with them stays closed."""
    from services.messages import accept_keys

    accept_keys(installation_of(home=home, database_url=database_url))
    typer.echo("The keys that are there now are those of this installation. Type: conduit up")


@clock.command("advance")
def advance_clock(
    working_days: Annotated[int, typer.Option(min=1, max=250, help="So many working days ahead.")],
    home: Home = None,
) -> None:
    """Move the clock of the example, to see who is late by then. Refused anywhere else."""
    from services.example_clock import advance

    day = advance(installation_of(home=home), working_days)
    typer.echo(f"In the example it is {day.day} {day:%B %Y} now. If it runs, it follows within a second.")
    typer.echo(
        "Everybody is signed out then: sign in again. Codes of a second factor stay those of the true time."
    )
