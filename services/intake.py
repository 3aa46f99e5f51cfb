"""``conduit import``: a file into the service that owns what is in it."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from chassis.audit import BY_COMMAND
from chassis.sheets import Fault
from services.installation import Installation
from services.messages import opened

#: What may be imported: the service that owns it and the function that takes it in.
KINDS = {
    "partners": ("partners", "import_by_command"),
    "registrations": ("grants", "import_registrations"),
}

#: Faults that are told at once.
_MOST_TOLD = 20


def take_in(
    installation: Installation,
    kind: str,
    file: Path,
    *,
    dry_run: bool,
    progress: Callable[[int], None],
    **said: Any,
) -> Any:
    """Import one file; all of it or nothing. The service's report.

    Args:
        said: what else somebody has said about the file, as the service understands it.
    """
    service, function = KINDS[kind]
    importing = getattr(import_module(f"services.{service}.imports"), function)

    async def run() -> Any:
        async with opened(installation, service) as database:
            return await importing(
                database, file, dry_run=dry_run, progress=progress, actor=BY_COMMAND, **said
            )

    with installation.database():
        return asyncio.run(run())


def as_document(report: Any) -> dict[str, Any]:
    """A report for machines: every figure under its name, faults and notices as objects."""
    document = dataclasses.asdict(report)
    return document | {"faults": list(document["faults"]), "notices": list(document["notices"])}


def in_words(report: Any) -> list[str]:
    """A report for people, line by line: every fault, or what was done."""
    lines = [str(notice) for notice in report.notices]
    if report.faults:
        cure = "Nothing was imported. Correct these lines and import again."
        return [*lines, *_faults_in_words(report.faults), cure]
    figures = {
        field.name.replace("_", " "): getattr(report, field.name)
        for field in dataclasses.fields(report)
        if type(getattr(report, field.name)) is int
    }
    told = ", ".join(f"{name}: {figure:,}" for name, figure in figures.items())
    return [*lines, told, _outcome(report, figures)]


def _faults_in_words(faults: Sequence[Fault]) -> Iterator[str]:
    """Each fault once, with the first line that has it and how many more; no more than anybody reads."""
    alike: dict[tuple[str | None, str, str], list[Fault]] = {}
    for each in faults:
        alike.setdefault((each.column, each.fault, each.cure), []).append(each)
    for first, *others in list(alike.values())[:_MOST_TOLD]:
        yield f"{first} And {len(others):,} more like it." if others else str(first)
    untold = sum(len(same) for same in list(alike.values())[_MOST_TOLD:])
    if untold:
        yield f"And {untold:,} more."


def _outcome(report: Any, figures: dict[str, int]) -> str:
    if report.dry_run:
        return "A dry run: nothing was changed."
    changed = any(figure for name, figure in figures.items() if name != "lines" and not name.endswith("same"))
    return "Imported." if changed else "Everything in this file was there already. Nothing was changed."
