"""The ``conduit`` command: everything that a person types.

The work is done in the modules beside this one; here stand the words, the options and the exit codes: 0 done,
1 could not be done (the message says what to do), 2 typed wrongly.
"""

import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from chassis import log
from chassis.config import Settings, SettingsError
from chassis.embedded import EmbeddedError
from chassis.errors import ChassisError, Refused
from contracts.access import RIGHTS
from contracts.topology import SERVICES
from services.installation import Installation

app = typer.Typer(
    name="conduit",
    help="Partnerships, small grants and outreach letters for community organisations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
events = typer.Typer(help="Messages that could not be handled; copies to be rebuilt.", no_args_is_help=True)
imports = typer.Typer(help="Take in a table that you exported from somewhere.", no_args_is_help=True)
people = typer.Typer(help="Who may sign in, and what each is trusted with.", no_args_is_help=True)
tokens = typer.Typer(help="Access for programs.", no_args_is_help=True)
audit = typer.Typer(help="What people have done.", no_args_is_help=True)
dossiers = typer.Typer(help="How decisions on grants came about.", no_args_is_help=True)
mail = typer.Typer(help="Mail that comes to us.", no_args_is_help=True)
keys = typer.Typer(help="The keys of this installation.", no_args_is_help=True)
clock = typer.Typer(help="The clock of the example.", no_args_is_help=True)
app.add_typer(people, name="person")
app.add_typer(mail, name="mail")
app.add_typer(keys, name="keys")
app.add_typer(clock, name="clock")
app.add_typer(tokens, name="token")
app.add_typer(audit, name="audit")
app.add_typer(dossiers, name="dossier")
app.add_typer(events, name="events")
app.add_typer(imports, name="import")

Home = Annotated[Path | None, typer.Option(help="Folder of this installation (.conduit when not given).")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; events stay inside the process when not given.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; an embedded one when not given.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
File = Annotated[Path, typer.Argument(help="A CSV file.", exists=True, dir_okay=False, readable=True)]

_err = Console(stderr=True)
_out = Console()


@app.command()
def init(
    name: Annotated[str, typer.Option(prompt="Name of your organisation", help="Name of your organisation.")],
    email: Annotated[str, typer.Option(prompt="Its e-mail address", help="Where letters come from.")],
    person: Annotated[str, typer.Option(prompt="Your own name", help="The first person: signs the letters.")],
    home: Home = None,
) -> None:
    """Make an empty start for your own organisation: a house file, keys, no examples."""
    from services.start import begin

    installation = _installation(home=home)
    path = begin(installation, name=name, email=email, person=person)
    where = f" --home {home}" if home else ""
    typer.echo(f"Your house file is {path}. Fill in what says TO DO, then start with: conduit up{where}")


@app.command()
def up(
    only: Annotated[list[str] | None, typer.Option(help="Serve only this service; may be repeated.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Load the Forum's year as an example.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the pages (8000).")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of metrics.")] = None,
    smtp_url: Annotated[str | None, typer.Option(help="Mail server; a mail box when not given.")] = None,
    home: Home = None,
    amqp_url: AmqpUrl = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Start the services and serve until ctrl-C."""
    from services.start import serve

    installation = _installation(
        home=home,
        port=port,
        metrics_port=metrics_port,
        smtp_url=smtp_url,
        amqp_url=amqp_url,
        database_url=database_url,
    )
    raise typer.Exit(serve(installation, only=only or [], example=example, progress=_progress))


@app.command()
def migrate(home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Bring the databases to the version of this code."""
    installation = _installation(home=home, database_url=database_url)
    with installation.database():
        installation.make_keys()
        for service in installation.migrate():
            typer.echo(f"{service}: up to date")


@app.command()
def declare(home: Home = None, amqp_url: AmqpUrl = None) -> None:
    """Make the exchanges, queues and bindings on RabbitMQ."""
    from chassis.declare import declare as declare_on

    installation = _installation(home=home, amqp_url=amqp_url)
    url = installation.settings.amqp_admin_url or installation.settings.amqp_url
    if not url:
        raise SettingsError("Say where RabbitMQ is: --amqp-url or CONDUIT_AMQP_ADMIN_URL.")
    for queue in declare_on(url):
        typer.echo(f"{queue}: declared")


@app.command()
def check(
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

    look = compare_copies if copies else run_checks
    findings = look(_installation(home=home, amqp_url=amqp_url, database_url=database_url))
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings]))
    else:
        for finding in findings:
            typer.echo(str(finding))
    raise typer.Exit(0 if all(finding.good for finding in findings) else 1)


@app.command()
def story(as_json: Json = False, amqp_url: AmqpUrl = None, database_url: DatabaseUrl = None) -> None:
    """Play the Forum's year from empty to finished on a throwaway instance, and print the figures."""
    from services.start import tell_story

    raise typer.Exit(
        tell_story(amqp_url=amqp_url, database_url=database_url, as_json=as_json, progress=_progress)
    )


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


Roles = Annotated[list[str], typer.Option("--role", help="What they are trusted with; may be repeated.")]
Email = Annotated[str, typer.Argument(help="Their e-mail address.")]


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

    installation = _installation(home=home, database_url=database_url)
    admission.invite(installation, email=email, name=name, roles=role, organisation=organisation)
    typer.echo(f"They may sign in at {installation.origin}/partners/sign-in and get a mail that says so.")


@people.command("roles")
def give_roles(email: Email, role: Roles, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Trust somebody with these roles and no others."""
    from services import admission

    admission.change_roles(_installation(home=home, database_url=database_url), email, role)
    typer.echo("Changed. It holds in every section within a few seconds.")


@people.command("bar")
def bar(email: Email, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Let somebody in no more, and sign them out everywhere."""
    from services import admission

    admission.bar(_installation(home=home, database_url=database_url), email)
    typer.echo("They are signed out everywhere and can sign in no more.")


@people.command("forget-second-factor")
def forget_second_factor(email: Email, home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Let somebody who has lost their telephone set up another one. Make sure that it is they who ask."""
    from services import admission

    admission.forget_second_factor(_installation(home=home, database_url=database_url), email)
    typer.echo("They have no second factor any more, and set up another one before they act.")


Who = Annotated[str, typer.Argument(help="Their e-mail address, or the id of their account or entry.")]
Reference = Annotated[
    list[str] | None, typer.Option("--reference", help="What they are registered under; may be repeated.")
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the sections.")]


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

    installation = _installation(home=home, database_url=database_url)
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

    installation = _installation(home=home, database_url=database_url)
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


@app.command()
def retention(
    dry_run: DryRun = False, home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let go of what has had its time, as happens every night; with --dry-run, say what that would be."""
    from services import keeping

    done = keeping.let_go(_installation(home=home, database_url=database_url), dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in done]))
        return
    for each in done:
        kept = "1 month" if each.months == 1 else f"{each.months} months"
        typer.echo(f"{each.service}: {each.count:,} {each.what}, kept {kept} {each.since}")
    typer.echo("A dry run: nothing was changed." if dry_run else "Done.")


@clock.command("advance")
def advance_clock(
    working_days: Annotated[int, typer.Option(min=1, max=250, help="So many working days ahead.")],
    home: Home = None,
) -> None:
    """Move the clock of the example, to see who is late by then. Refused anywhere else."""
    from services.example_clock import advance

    day = advance(_installation(home=home), working_days)
    typer.echo(f"In the example it is {day.day} {day:%B %Y} now. If it runs, it follows within a second.")


@people.command("list")
def list_people(home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Everybody who was ever admitted."""
    from services import admission

    rows = admission.everybody(_installation(home=home, database_url=database_url))
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

    installation = _installation(home=home, database_url=database_url)
    typer.echo(admission.issue_token(installation, email, name=name, role=role, writes=writes, days=days))


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
    installation = _installation(home=home, database_url=database_url)
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
        found = verify(_installation(home=home, database_url=database_url), file)
    except NoDossier:
        raise typer.BadParameter("This is no dossier: take the file to check from its page again.") from None
    typer.echo(json.dumps(found.as_dict()) if as_json else str(found))
    raise typer.Exit(0 if found.good else 1)


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
    installation = _installation(home=home, database_url=database_url)
    export(installation, service, lambda row: typer.echo(json.dumps(row)))


@mail.command("receive")
def receive_mail(home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Take in one mail from standard input: for a mail server's pipe, such as | conduit mail receive.

    Ends with 75 when the mail could not be kept, so that the mail server tries again later.
    """
    from services.mail import TRY_AGAIN, take_in

    try:
        taken = take_in(_installation(home=home, database_url=database_url), sys.stdin.buffer)
    except (SettingsError, ChassisError, EmbeddedError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(TRY_AGAIN) from None
    typer.echo("Taken in." if taken else "Taken in before.")


@keys.command()
def rotate(home: Home = None) -> None:
    """Sign sessions with a new key from now on. Nobody is signed out."""
    from chassis.access import rotate_session_key

    installation = _installation(home=home)
    installation.check_begun()
    installation.make_keys()
    typer.echo(
        f"Sessions are signed with {rotate_session_key(installation.settings.keys_folder)} from now on."
    )


@events.command()
def parked(home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the messages that could not be handled, with the reason. Bodies are not shown."""
    from services import messages

    rows = messages.parked(_installation(home=home, database_url=database_url))
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        typer.echo("Nothing is parked.")
        return
    table = Table("service", "id", "type", "reason", "failure", "tries", "parked at", "next try")
    for row in rows:
        table.add_row(*(str(row[name] or "waits for you") for name in messages.COLUMNS))
    _out.print(table)


@events.command()
def retry(
    service: Annotated[str, typer.Argument(help="Whose parked messages.")],
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; all of them when none is given.")] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Try parked messages again now."""
    from services import messages

    count = messages.retry(_installation(home=home, database_url=database_url), service, ids or [])
    typer.echo(f"{count} will be tried again now.")


@events.command()
def discard(
    service: Annotated[str, typer.Argument(help="Whose parked messages.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of the messages that need not be handled.")],
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Drop parked messages for good. Their ids stay known, so they never come back."""
    from services import messages

    count = messages.discard(_installation(home=home, database_url=database_url), service, ids)
    typer.echo(f"{count} discarded.")


@events.command()
def replay(
    rebuild: Annotated[str, typer.Option(help="The copy to rebuild, e.g. notifications.contacts.")] = "",
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let the owner of a copy announce its present state again. No letter goes twice because of it."""
    from services import messages
    from services.copies import COPIES

    installation = _installation(home=home, database_url=database_url)
    if not rebuild:
        names = "\n".join(f"  {name}" for name in sorted(COPIES))
        typer.echo(f"Copies that can be rebuilt:\n{names}")
        return
    with _progress(f"Announcing {rebuild}") as step:
        count = messages.replay(installation, rebuild, step)
    typer.echo(f"{count} announced again. The running services take them in.")


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

    installation = _installation(home=home, database_url=database_url)
    with _progress(f"Reading {file.name}") as step:
        report = take_in(installation, what, file, dry_run=dry_run, progress=step, **said)
    if as_json:
        typer.echo(json.dumps(as_document(report), default=str))
    else:
        for line in in_words(report):
            typer.echo(line, err=bool(report.faults))
    raise typer.Exit(1 if report.faults else 0)


@contextmanager
def _progress(title: str) -> Iterator[Any]:
    """A progress bar where somebody watches; a silent function elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    if not sys.stderr.isatty():
        yield lambda done: None
        return
    words, count = TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}")
    with Progress(words, BarColumn(), count, TimeElapsedColumn(), console=_err, transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done: bars.update(task, completed=done)


def _installation(**overrides: Any) -> Installation:
    settings = Settings.load(**overrides)
    log.configure(settings.log_level, json=not sys.stderr.isatty())
    return Installation(settings)


def main() -> None:
    """Run the command; an error that a person can cure is one sentence, not a trace."""
    try:
        app()
    except Refused as refused:
        typer.echo(f"{refused.what} {refused.cure}", err=True)
        sys.exit(1)
    except (SettingsError, ChassisError, EmbeddedError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
