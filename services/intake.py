"""``conduit import``: a file into the service that owns what is in it."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from services.installation import Installation
from services.messages import opened

#: What may be imported: the service that owns it and the function that takes it in.
KINDS = {
    "partners": ("partners", "import_partners"),
    "registrations": ("grants", "import_registrations"),
}


def take_in(
    installation: Installation, kind: str, file: Path, *, dry_run: bool, progress: Callable[[int], None]
) -> Any:
    """Import one file; all of it or nothing. The service's report."""
    service, function = KINDS[kind]
    importing = getattr(import_module(f"services.{service}.imports"), function)

    async def run() -> Any:
        async with opened(installation, service) as database:
            return await importing(database, file, dry_run=dry_run, progress=progress)

    with installation.database():
        return asyncio.run(run())
