"""What a person types: a module for each group of commands. Here stands what all of them share.

Exit codes: 0 done, 1 could not be done (the message says what to do), 2 typed wrongly.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console

from chassis import log
from chassis.config import Settings, SettingsError
from chassis.embedded import EmbeddedError
from chassis.errors import ChassisError, Refused
from chassis.refusals import refused
from services.installation import Installation

Home = Annotated[Path | None, typer.Option(help="Folder of this installation (.conduit when not given).")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; events stay inside the process when not given.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; an embedded one when not given.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
File = Annotated[Path, typer.Argument(help="A CSV file.", exists=True, dir_okay=False, readable=True)]

#: What PostgreSQL refuses that a person can cure.
_REFUSALS = {
    asyncpg.DiskFullError: "The disk of the database is full. Make room there, and type it again.",
    asyncpg.UniqueViolationError: "Somebody has just done the same. Look, and type it again if need be.",
    asyncpg.InsufficientPrivilegeError: "PostgreSQL lets us no further here. Type: conduit migrate",
}

_err = Console(stderr=True)


def installation_of(*, logs: bool = True, **overrides: Any) -> Installation:
    """The installation that a command is about: options beat the environment.

    Args:
        logs: whether the log is written; not where the command itself says in sentences all that it finds.
    """
    settings = Settings.load(**overrides)
    log.configure(settings.log_level if logs else "critical", json=not sys.stderr.isatty())
    return Installation(settings)


def in_words(error: Exception) -> str | None:
    """An error that a person can cure, as a sentence; nothing for any other."""
    if isinstance(error, Refused):
        return f"{error.what} {error.cure}"
    if isinstance(error, SettingsError | ChassisError | EmbeddedError):
        return str(error)
    if isinstance(error, OSError):
        return refused(error)
    if isinstance(error, asyncpg.PostgresError):  # its text may quote a row
        return _REFUSALS.get(type(error)) or f"PostgreSQL refuses it ({type(error).__name__})."
    return None


@contextmanager
def show_progress(title: str) -> Iterator[Any]:
    """A progress bar where somebody watches; a silent function elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    if not sys.stderr.isatty():
        yield lambda done: None
        return
    words, count = TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}")
    with Progress(words, BarColumn(), count, TimeElapsedColumn(), console=_err, transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done: bars.update(task, completed=done)
