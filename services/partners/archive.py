"""What was gathered on somebody as one file that they can take away: JSON for programs, a page for people."""

import asyncio
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from chassis.clock import LOCAL
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.rights import Held
from chassis.web import environment, when
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.partners import rights
from services.partners.queries import RIGHTS
from services.partners.rights import State

_TEMPLATES = Path(__file__).parent / "templates"

#: What people call each service.
SECTIONS = {PARTNERS: "Partners", GRANTS: "Grants", NOTIFICATIONS: "Letters"}

#: Bytes up to which an archive stays in memory.
_IN_MEMORY = 4 * 1024 * 1024

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+\d\d:\d\d|Z)")


async def archive_of(tx: Transaction, id: UUID) -> IO[bytes]:
    """The archive of a request: all that was gathered and not left out.

    Raises:
        NotFound, Conflict: when there is no such request, nobody has looked through it, or it is gone.
    """
    row = await RIGHTS.request(tx, id=id)
    if row is None:
        raise NotFound
    if row["state"] != State.RELEASED:
        raise Conflict("Nobody has looked through it yet.", "Look at every file, then say that you have.")
    if row["subject"] is None:
        raise Conflict("What was gathered has had its time and is gone.", "Ask for it anew.")
    files = [
        (SECTIONS[file["service"]], await rights.read_file(tx, id, file["service"], file["number"]))
        for file in await rights.files_of(tx, id)
        if file["left_out"] is None
    ]
    left_out = [file["left_out"] for file in await rights.files_of(tx, id) if file["left_out"]]
    index = (
        environment(tx.context.house, (), _TEMPLATES)
        .get_template("archive.html")
        .render(
            who=", ".join(rights.opened(tx.context, row).names),
            files=[(section, held, readable(held)) for section, held in files],
            left_out=left_out,
            asked_at=row["asked_at"],
            at=tx.now,
        )
    )
    return await asyncio.to_thread(_zipped, files, index, tx.now)


def _zipped(files: Iterable[tuple[str, Held]], index: str, at: datetime) -> IO[bytes]:
    """A ZIP with each file in the folder of its section, and a page that shows all of them. Blocks."""
    # It is given to whoever sends it, who closes it.
    archive = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    stamp = at.astimezone(LOCAL).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(zipfile.ZipInfo("index.html", stamp), index)
        for section, held in files:
            zipped.writestr(zipfile.ZipInfo(f"{section.lower()}/{held.path}", stamp), held.content)
    archive.seek(0)
    return archive


def readable(held: Held) -> Any:
    """What a file of JSON says, as people write it and without what is empty; nothing when it is no JSON."""
    if not held.path.endswith(".json"):
        return None
    return _in_words(json.loads(held.content))


def _in_words(value: Any) -> Any:
    if isinstance(value, Mapping):
        said = {name: each for name, each in value.items() if each not in (None, "", [])}
        return {str(name).replace("_", " "): _in_words(each) for name, each in said.items()}
    if isinstance(value, list):
        return [_in_words(each) for each in value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return when(datetime.fromisoformat(value))
    return value
