"""Taking in tables that somebody exported elsewhere, and mail."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services import commands
from services.commands import DatabaseUrl, DryRun, File, Home, Json, installation_of, show_progress

imports = typer.Typer(help="Take in a table that you exported from somewhere.", no_args_is_help=True)
mail = typer.Typer(help="Mail that comes to us.", no_args_is_help=True)


@imports.command("partners")
def import_partners(
    file: Annotated[Path, typer.Argument(help="A CSV or JSON file.", exists=True, dir_okay=False)],
    format: Annotated[str, typer.Option(help="ours, nhs or charities; recognised when not given.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="What new ones are; may be repeated.")] = None,
    area: Annotated[list[str] | None, typer.Option(help="Where new ones work; may be repeated.")] = None,
    closeness: Annotated[str, typer.Option(help="How closely you work with new ones.")] = "",
    dry_run: DryRun = False,
    home: Home = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Organisations and contacts. All lines or none; the same file twice changes nothing.

    Of another register say what organisations are to you that only it knows.
    """
    said = {"format": format, "kinds": kind or [], "areas": area or [], "closeness": closeness}
    _import("partners", file, dry_run, home, database_url, as_json, **said)


@imports.command("registrations")
def import_registrations(
    file: File,
    dry_run: DryRun = False,
    home: Home = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Registered people, one line each. All lines or none; the same file twice changes nothing."""
    _import("registrations", file, dry_run, home, database_url, as_json)


def _import(
    what: str,
    file: Path,
    dry_run: bool,
    home: Path | None,
    database_url: str | None,
    as_json: bool,
    **said: Any,
) -> None:
    from services.intake import as_document, in_words, take_in

    installation = installation_of(home=home, database_url=database_url)
    with show_progress(f"Reading {file.name}") as step:
        report = take_in(installation, what, file, dry_run=dry_run, progress=step, **said)
    if as_json:
        typer.echo(json.dumps(as_document(report), default=str))
    else:
        for line in in_words(report):
            typer.echo(line, err=bool(report.faults))
    raise typer.Exit(1 if report.faults else 0)


@mail.command("receive")
def receive_mail(home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Take in one mail from standard input: for a mail server's pipe, such as | conduit mail receive.

    Ends with 75 when the mail could not be kept, so that the mail server tries again later.
    """
    from services.mail import TRY_AGAIN, take_in

    try:
        taken = take_in(installation_of(home=home, database_url=database_url), sys.stdin.buffer)
    except Exception as error:  # noqa: BLE001  whatever it is, a mail server must not take it for final
        unknown = f"It could not be kept ({type(error).__name__}). Type: conduit check"
        typer.echo(commands.in_words(error) or unknown, err=True)
        raise typer.Exit(TRY_AGAIN) from None
    typer.echo("Taken in." if taken else "Taken in before.")
