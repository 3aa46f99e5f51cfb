"""Who may sign in, with what, and what is held on whom."""

import json
import shlex
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any
from uuid import UUID

import typer

from contracts.access import RIGHTS
from services.commands import DatabaseUrl, Home, Json, installation_of
from services.installation import Installation

people = typer.Typer(help="Who may sign in, and what each is trusted with.", no_args_is_help=True)
tokens = typer.Typer(help="Access for programs.", no_args_is_help=True)

Roles = Annotated[list[str], typer.Option("--role", help="What they are trusted with; may be repeated.")]
Email = Annotated[str, typer.Argument(help="Their e-mail address.")]
Who = Annotated[str, typer.Argument(help="Their e-mail address, or the id of their account or entry.")]
Reference = Annotated[
    list[str] | None, typer.Option("--reference", help="What they are registered under; may be repeated.")
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the sections.")]


@people.command("invite")
def invite(
    email: Email,
    name: Annotated[str, typer.Option(help="Their name, as letters to them should say it.")],
    role: Roles,
    organisation: Annotated[str, typer.Option(help="Identifier of their body; yours when not given.")] = "",
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let somebody sign in, or let them in again. They get a mail that says how."""
    from services import admission

    installation = installation_of(home=home, database_url=database_url)
    admission.invite(installation, email=email, name=name, roles=role, organisation=organisation)
    if installation.is_placed:
        typer.echo(f"They may sign in at {installation.origin}/partners/sign-in and get a mail that says so.")
    else:
        typer.echo("They may sign in, and get a mail that says where, once it is started: conduit up")


@people.command("roles")
def give_roles(email: Email, role: Roles, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Trust somebody with these roles and no others."""
    from services import admission

    admission.change_roles(installation_of(home=home, database_url=database_url), email, role)
    typer.echo("Changed. It holds in every section within a few seconds.")


@people.command("bar")
def bar(email: Email, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Let somebody in no more, and sign them out everywhere."""
    from services import admission

    admission.bar(installation_of(home=home, database_url=database_url), email)
    typer.echo("They are signed out everywhere and can sign in no more.")


@people.command("forget-second-factor")
def forget_second_factor(email: Email, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Let somebody who has lost their telephone set up another one. Make sure that it is they who ask."""
    from services import admission

    admission.forget_second_factor(installation_of(home=home, database_url=database_url), email)
    typer.echo("They have no second factor any more, and set up another one before they act.")


@people.command("list")
def list_people(home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Everybody who was ever admitted."""
    from services import admission

    rows = admission.everybody(installation_of(home=home, database_url=database_url))
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        typer.echo(admission.NOBODY_YET)
        return
    for row in rows:
        state = "barred" if row["barred_at"] else ", ".join(row["roles"])
        typer.echo(f"{row['email']}  {row['name']}, {row['organisation']}: {state}")


@tokens.command("create")
def create_token(
    email: Email,
    role: Annotated[str, typer.Option(help="One of their roles.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "made by command",
    writes: Annotated[bool, typer.Option("--writes", help="It may also change something.")] = False,
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 90,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let a program act in somebody's name. Prints the token, this once; their account revokes it."""
    from services import admission

    installation = installation_of(home=home, database_url=database_url)
    typer.echo(admission.issue_token(installation, email, name=name, role=role, writes=writes, days=days))


@people.command("export")
def export_person(
    who: Who = "",
    reference: Reference = None,
    to: Annotated[Path | None, typer.Option(help="Write what was looked through to this file.")] = None,
    wait: Wait = 30,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Gather everything that is held on somebody, for a member of staff to look through; then, write it."""
    from services import admission

    installation = installation_of(home=home, database_url=database_url)
    if to is not None:
        admission.write_archive(installation, who, reference or [], to)
        typer.echo(f"Written to {to}. Give it to them in a way that only they can open.")
        return
    request = admission.ask_for_everything(installation, who, reference or [])
    progress = _follow(installation, request, wait)
    page = f"{installation.origin}{RIGHTS}/{request}"
    if not progress.over:
        typer.echo("Not all have answered yet: they do while they run.")
    again = " ".join(
        [*filter(None, [who]), *(f"--reference {shlex.quote(each)}" for each in reference or [])]
    )
    typer.echo(f"Look through it at {page}, then write it: conduit person export {again} --to FILE")


@people.command("erase")
def erase_person(
    who: Who = "",
    reference: Reference = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False,
    wait: Wait = 30,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Forget somebody in every section, unless something is against it. This cannot be undone."""
    from services import admission

    installation = installation_of(home=home, database_url=database_url)
    admission.look_up(installation, who, reference or [])
    if not yes:
        typer.confirm(
            "Everything that names them goes, in every section, for good. Is it they who ask?", abort=True
        )
    progress = _follow(installation, admission.ask_to_forget(installation, who, reference or []), wait)
    if not progress.over:
        typer.echo("Not all have answered yet: they do while they run, and then it is done.")
        return
    if progress.found_nobody:
        typer.echo("Nothing is known by that in any section, so nothing was forgotten.", err=True)
        raise typer.Exit(1)
    objections = [f"{each['service']}: {each['objection']}" for each in progress.answers if each["objection"]]
    for sentence in objections or ["They are forgotten."]:
        typer.echo(sentence, err=bool(objections))
    for sentence in dict.fromkeys(kept for each in progress.answers for kept in each["kept"] or []):
        typer.echo(f"Stays: {sentence}")
    if objections:
        raise typer.Exit(1)


def _follow(installation: Installation, request: UUID, seconds: float) -> Any:
    """Say who answers a request, as they do, until nothing more happens or the time is over."""
    from services import admission

    said, end = set[tuple[str, str]](), monotonic() + seconds
    while True:
        progress = admission.progress_of(installation, request)
        for each in progress.answers:
            if (each["service"], each["step"]) not in said:
                said.add((each["service"], each["step"]))
                typer.echo(f"{each['service']}: {each['step']} {each['answered_at']:%Y-%m-%d %H:%M:%S} UTC")
        if progress.over or monotonic() > end:
            return progress
        sleep(0.3)
