"""The ``conduit`` command: everything that a person types, gathered from :mod:`services.commands`."""

import sys

import typer

from services.commands import backups, checking, events, imports, in_words, people, records, running

app = typer.Typer(
    name="conduit",
    help="Partnerships, small grants and outreach letters for community organisations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for single in (running.app, checking.app, backups.app, records.app):
    app.add_typer(single)
app.add_typer(checking.checks, name="check")
app.add_typer(people.people, name="person")
app.add_typer(people.tokens, name="token")
app.add_typer(imports.imports, name="import")
app.add_typer(imports.mail, name="mail")
app.add_typer(events.events, name="events")
app.add_typer(records.audit, name="audit")
app.add_typer(records.dossiers, name="dossier")
app.add_typer(backups.backups, name="backup")
app.add_typer(records.keys, name="keys")
app.add_typer(records.clock, name="clock")
app.add_typer(running.deploying, name="deploy")


def main() -> None:
    """Run the command; an error that a person can cure is one sentence, not a trace."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        words = in_words(error)
        if words is None:
            raise
        typer.echo(words, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
