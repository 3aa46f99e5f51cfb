"""Messages: those that could not be handled, and the way of any."""

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from services.commands import DatabaseUrl, Home, Json, installation_of, show_progress

events = typer.Typer(help="Messages that could not be handled; copies to be rebuilt.", no_args_is_help=True)


@events.command()
def parked(home: Home = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the messages that could not be handled, with the reason. Bodies are not shown."""
    from services import messages

    rows = messages.parked(installation_of(home=home, database_url=database_url))
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    if not rows:
        typer.echo("Nothing is parked.")
        return
    for row in rows:
        # Service and id come first and whole: they are what the other commands are given.
        typer.echo(f"{row['service']} {row['id']}  {row['type']}")
        when = f"{row['next_try']:%Y-%m-%d %H:%M} UTC" if row["next_try"] else "never: it waits for you"
        tried = "tried once" if row["attempts"] == 1 else f"tried {row['attempts']} times"
        said = ", ".join(filter(None, (row["reason"], row["failure"], tried)))
        typer.echo(f"    {said}; next try {when}")


@events.command()
def follow(
    id: Annotated[str, typer.Argument(help="Of a message, or the correlationid of a log line.")],
    home: Home = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Show a message's whole way through all services: what became of it, what it caused, what was mailed."""
    from services.following import follow as follow_message

    story = follow_message(installation_of(home=home, database_url=database_url), id)
    if as_json:
        typer.echo(json.dumps(story.as_dict(), default=str))
        return
    for line in story.lines():
        typer.echo(line)


@events.command()
def retry(
    service: Annotated[str, typer.Argument(help="Whose parked messages.")],
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; all of them when none is given.")] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Try parked messages again now."""
    from services import messages

    count = messages.retry(installation_of(home=home, database_url=database_url), service, ids or [])
    typer.echo(f"{count} will be tried again now.")
    _all_found(service, count, ids or [])


@events.command()
def discard(
    service: Annotated[str, typer.Argument(help="Whose parked messages.")],
    ids: Annotated[list[str], typer.Argument(help="Ids of the messages that need not be handled.")],
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Drop parked messages for good. Their ids stay known, so they never come back."""
    from services import messages

    count = messages.discard(installation_of(home=home, database_url=database_url), service, ids)
    typer.echo(f"{count} discarded.")
    _all_found(service, count, ids)


def _all_found(service: str, count: int, ids: "Sequence[str]") -> None:
    """A slip in an id, or another service's, is no success."""
    if count < len(set(ids)):
        typer.echo(f"{len(set(ids)) - count} of these ids are not parked by {service}.", err=True)
        raise typer.Exit(1)


@events.command()
def replay(
    rebuild: Annotated[str, typer.Option(help="The copy to rebuild, e.g. notifications.contacts.")] = "",
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let the owner of a copy announce its present state again. No letter goes twice because of it."""
    from services import messages
    from services.copies import COPIES

    installation = installation_of(home=home, database_url=database_url)
    if not rebuild:
        names = "\n".join(f"  {name}" for name in sorted(COPIES))
        typer.echo(f"Copies that can be rebuilt:\n{names}")
        return
    with show_progress(f"Announcing {rebuild}") as step:
        count = messages.replay(installation, rebuild, step)
    typer.echo(f"{count} announced again. The running services take them in.")
