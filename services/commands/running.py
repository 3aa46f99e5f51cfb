"""Beginning, serving, and what must stand before: keys, databases, queues."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from chassis.config import SettingsError
from contracts.topology import SERVICES
from services.commands import AmqpUrl, DatabaseUrl, Home, Json, installation_of, show_progress

#: Commands that belong to no group.
app = typer.Typer()
deploying = typer.Typer(help="Containers.", no_args_is_help=True)


def _given(text: str) -> str:
    """What somebody typed, unless that is nothing."""
    if not text.strip():
        raise typer.BadParameter("This is needed. Write something, or stop with ctrl-C.")
    return text


def _asked(question: str, said: str) -> Any:
    """An option that is asked for where it is not given, again until it is, each time with the reason."""
    return typer.Option(prompt=question, help=said, parser=_given, show_default=False, metavar="TEXT")


@app.command()
def init(
    name: Annotated[str, _asked("Name of your organisation", "Name of your organisation.")] = "",
    email: Annotated[str, _asked("Its e-mail address", "Where letters come from.")] = "",
    person: Annotated[str, _asked("Your own name", "The first person: signs the letters.")] = "",
    home: Home = None,
) -> None:
    """Make an empty start for your own organisation: a house file, keys, no examples."""
    from services.installation import left_behind_in_words
    from services.start import begin

    installation = installation_of(home=home)
    path = begin(installation, name=name, email=email, person=person)
    where = f" --home {home}" if home else ""
    if apart := installation.place_apart():
        typer.echo(apart)
    for said in left_behind_in_words():
        typer.echo(said, err=True)
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

    installation = installation_of(
        home=home,
        port=port,
        metrics_port=metrics_port,
        smtp_url=smtp_url,
        amqp_url=amqp_url,
        database_url=database_url,
    )
    raise typer.Exit(serve(installation, only=only or [], example=example, progress=show_progress))


@app.command()
def migrate(
    only: Annotated[list[str] | None, typer.Option(help="Only of this service; may be repeated.")] = None,
    home: Home = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Bring the databases to the version of this code, as their owner."""
    from services.start import known

    installation = installation_of(home=home, database_url=database_url)
    with installation.database(whole=False):
        for service in installation.migrate(known(only)):
            typer.echo(f"{service}: up to date")


@app.command()
def prepare(home: Home = None, database_url: DatabaseUrl = None) -> None:
    """Make the roles and databases on PostgreSQL, by an administrator's address."""
    installation = installation_of(home=home, database_url=database_url)
    if not installation.settings.administers_database:
        raise SettingsError("Say where PostgreSQL is, by an administrator's address: CONDUIT_DATABASE_URL.")
    installation.prepare()
    for service in SERVICES:
        typer.echo(f"{service}: roles and database are there")


@app.command()
def serve(
    services: Annotated[list[str] | None, typer.Argument(help="Which ones; all when not given.")] = None,
) -> None:
    """Serve where everything is prepared, migrated and declared: for containers. Others type: conduit up."""
    from services.start import known

    command = [sys.executable, "-m", "services.serve", *known(services)]
    os.execve(sys.executable, command, {**os.environ, "EVENTLET_HUB": "asyncio"})  # noqa: S606


@app.command()
def declare(home: Home = None, amqp_url: AmqpUrl = None) -> None:
    """Make the exchanges, queues and bindings on RabbitMQ."""
    from chassis.declare import declare as declare_on

    installation = installation_of(home=home, amqp_url=amqp_url)
    url = installation.settings.amqp_admin_url or installation.settings.amqp_url
    if not url:
        raise SettingsError("Say where RabbitMQ is: --amqp-url or CONDUIT_AMQP_ADMIN_URL.")
    for queue in declare_on(url):
        typer.echo(f"{queue}: declared")


@deploying.command("init")
def deploy_init(
    domain: Annotated[
        str, typer.Option(prompt="Name by which browsers reach it", help="Name that browsers use.")
    ],
    home: Home = Path("deploy/home"),
) -> None:
    """Make what containers need: keys, passwords and addresses in files that docker-compose.yml names."""
    from services.deploying import deploy

    made = deploy(installation_of(home=home), domain)
    typer.echo(
        f"Secrets are in {made.secrets}, what differs from one computer to the next in {made.variables}."
    )
    typer.echo(f"Write your mail server's address into {made.secrets / 'smtp-url'}.")


@app.command()
def story(as_json: Json = False, amqp_url: AmqpUrl = None, database_url: DatabaseUrl = None) -> None:
    """Play the Forum's year from empty to finished on a throwaway instance, and print the figures."""
    from services.start import tell_story

    raise typer.Exit(
        tell_story(amqp_url=amqp_url, database_url=database_url, as_json=as_json, progress=show_progress)
    )
