"""Whether all is well, and what somebody who helps needs to know."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import AmqpUrl, DatabaseUrl, Home, Json, installation_of

if TYPE_CHECKING:
    from services.checks import Finding

#: Commands that belong to no group.
app = typer.Typer()
checks = typer.Typer(help="Say whether everything is well: one line each.")


@checks.callback(invoke_without_command=True)
def check(
    context: typer.Context,
    copies: Annotated[
        bool, typer.Option("--copies", help="Compare every copy with what its owner has, and nothing else.")
    ] = False,
    home: Home = None,
    amqp_url: AmqpUrl = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Say whether everything is configured, reachable, declared and migrated: one line each."""
    from services.checks import compare_copies, run_checks

    if context.invoked_subcommand:
        return
    look = compare_copies if copies else run_checks
    about = installation_of(logs=False, home=home, amqp_url=amqp_url, database_url=database_url)
    _report(look(about), as_json)


@checks.command("mail")
def check_mail(
    selector: Annotated[str, typer.Option(help="DKIM's, under which your mail server's key stands.")] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Does the domain that letters come from say that they are its own: SPF, DKIM, DMARC?"""
    from services.mail_domain import check_domain

    _report(check_domain(installation_of(logs=False, home=home), selector), as_json)


def _report(findings: "Sequence[Finding]", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings]))
    else:
        for finding in findings:
            typer.echo(str(finding))
    raise typer.Exit(0 if all(finding.good for finding in findings) else 1)


@app.command()
def doctor(
    to: Annotated[Path | None, typer.Option(help="New ZIP file (conduit-doctor-DAY-TIME.zip).")] = None,
    log: Annotated[
        list[Path] | None, typer.Option(help="File with our log; may be repeated.", exists=True)
    ] = None,
    home: Home = None,
    amqp_url: AmqpUrl = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Gather what somebody who helps needs to know into one file that names nobody."""
    from services.doctor import bundle_name, write_bundle

    installation = installation_of(logs=False, home=home, amqp_url=amqp_url, database_url=database_url)
    path = to or bundle_name()
    names = write_bundle(installation, path, log or [])
    typer.echo(f"{path}: {', '.join(names)}. It is meant to name nobody; look through it all the same.")
