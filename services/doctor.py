"""``conduit doctor``: what somebody who helps needs to know, in one file that names nobody.

Only what cannot hold personal data goes in: versions, numbers, states, ids, reasons. Free text of ours is
put in after everything that the house file and the settings say was taken out of it, and every address.
"""

import asyncio
import dataclasses
import json
import platform
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from chassis.clock import real_now
from chassis.config import PREFIX, Settings
from chassis.embedded import EmbeddedPostgres
from chassis.errors import ChassisError
from chassis.house import TEXTS, House
from chassis.log import FIELDS
from chassis.migrations import newest, version_of
from chassis.outbox import QUERIES
from chassis.refusals import unusable
from chassis.signs import signs_heard
from contracts.topology import SERVICES
from services.checks import run_checks
from services.installation import Installation, migrations_of
from services.messages import opened, parked

WELCOME: Final = """What Conduit says of itself here, for somebody who helps.

It is meant to name nobody: numbers, states, ids and versions. Look through it before you give it to anybody.

versions.json   this Conduit, its Python, and what they are built on
settings.json   numbers as they are; of everything else, whether it is set
checks.json     what conduit check says
services.json   for each service: revision, size of its tables, what waits to be announced, what it has heard
parked.json     messages that could not be handled: the reason, never the content
log-*.txt       the last lines of its logs, as far as they are Conduit's own or PostgreSQL's
"""

#: Lines of a log that go in.
_LINES = 2_000
_MAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
_ADDRESS = re.compile(r"(?i)\b(?:https?|smtps?|imaps?|amqps?|postgres(?:ql)?)://\S+")
_IP = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
#: Shorter words of a house file stand in too much that is no secret.
_SHORTEST = 4


class NotWritten(ChassisError):
    """The file could not be written. Names it."""


def write_bundle(installation: Installation, to: Path, logs: Sequence[Path]) -> list[str]:
    """Gather everything into a new ZIP file that its owner alone can read; what is missing is said in it.

    Args:
        logs: files with what the services wrote to stderr.

    Returns:
        the names of what is in it.

    Raises:
        NotWritten: when the file exists or cannot be made.
    """
    if shut := unusable(installation.settings.home, writing=False):
        raise NotWritten(shut)
    try:
        with to.open("xb") as file:
            try:
                to.chmod(0o600)
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
                    for name, text in _everything(installation, logs):
                        bundle.writestr(name, text)
                file.flush()
            except BaseException:
                to.unlink()
                raise
            return bundle.namelist()
    except OSError as error:
        raise NotWritten(f"{to} cannot be written: {error.strerror}. Choose another: --to FILE") from error


def _everything(installation: Installation, logs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    settings = installation.settings
    redact = _redactor(installation)
    yield "README.txt", WELCOME
    yield "versions.json", _json(_versions())
    yield "settings.json", _json(_settings(settings))
    looks: dict[str, Callable[[], Any]] = {
        "checks.json": lambda: [each.as_dict() for each in run_checks(installation)],
        "services.json": lambda: {each: asyncio.run(_service(installation, each)) for each in SERVICES},
        "parked.json": lambda: parked(installation),
    }
    if settings.embedded_database:
        logs = [EmbeddedPostgres(settings.home).log, *logs]
    for path in logs:
        looks[f"log-{path.name}.txt"] = partial(_log, path)
    for name, look in looks.items():
        yield name, redact(_whatever(look))


def _whatever(look: Callable[[], Any]) -> Any:
    """What is wrong with one part keeps none of the others out."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001  it is gathered because something is wrong
        return f"could not be looked at: {type(error).__name__}"


def _versions() -> dict[str, Any]:
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {"python": platform.python_version(), "system": platform.platform(), "packages": packages}


def _settings(settings: Settings) -> dict[str, Any]:
    """Numbers as they are; a text may name somebody, and so it is only said whether it is there."""
    said = {}
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        plain = isinstance(value, int | float) or value == each.default
        said[PREFIX + each.name.upper()] = value if plain else "set"
    return said


async def _service(installation: Installation, service: str) -> dict[str, Any]:
    async with opened(installation, service) as database:
        version = await version_of(database)
        async with database.reading() as tx:
            signs = await signs_heard(tx)
            return {
                "revision": version,
                "this_code": newest(migrations_of(service)),
                "postgresql": tx.connection.get_server_version().major,
                "tables": {row["name"]: row["rows"] async for row in QUERIES.table_sizes(tx)},
                "outbox": dict(await QUERIES.outbox_state(tx) or {}),
                "parked": {row["reason"]: row["count"] async for row in QUERIES.parked_by_reason(tx)},
                "listens_since": signs.listening_since,
                "heard": signs.sent_at,
            }


def _log(path: Path) -> str:
    lines = list(_log_lines(path))
    return "\n".join(lines) or "None of its lines is Conduit's own or PostgreSQL's."


def _log_lines(path: Path) -> Iterator[str]:
    """The last lines of a log: of ours the fields that a log may carry, of PostgreSQL the message alone.

    What stands before a line of ours, as journalctl and docker compose print it, is left out.
    """
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]:
        try:
            said = json.loads(line[line.index("{") :])
        except ValueError:
            if re.match(r"\d{4}-\d\d-\d\d .*(LOG|WARNING|ERROR|FATAL|PANIC): ", line):
                yield re.sub('"[^"]*"', '"…"', line)
        else:
            kept = {name: _code(said[name]) for name in said if name in FIELDS}
            yield json.dumps(kept, ensure_ascii=False)


def _code(value: Any) -> Any:
    """A value of a log line: what is no code, but words, is none of ours."""
    return "…" if isinstance(value, str) and " " in value else value


def _redactor(installation: Installation) -> Callable[[str], str]:
    """Takes out what the house file and the settings say, and every address."""
    known = {text for text in _texts(installation.settings) if len(text) >= _SHORTEST}
    house = _whatever(installation.house)
    if isinstance(house, House):
        known |= {text for text in _strings(house) if len(text) >= _SHORTEST}
    words = sorted(known, key=len, reverse=True)

    def redact(text: Any) -> str:
        said = text if isinstance(text, str) else _json(text)
        said = _IP.sub("…", _MAIL.sub("…", _ADDRESS.sub("…", said)))
        for word in words:
            said = said.replace(word, "…")
        return said

    return redact


def _texts(settings: Settings) -> Iterator[str]:
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, Path):  # often below somebody's name
            yield from {str(value), str(value.resolve())}
        elif value != each.default:
            yield from value if isinstance(value, tuple) else [value] if isinstance(value, str) else []
    yield str(Path.home())


def _strings(house: House) -> Iterator[str]:
    """Every text in the part of a house that says who it is."""
    yield from (getattr(house, name) for name in (*TEXTS, "identifier", "publisher"))
    yield from house.address
    for person in house.signatories.values():
        yield from (person.name, person.position)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def bundle_name() -> Path:
    """What a bundle is called that nobody gave a name."""
    return Path(f"conduit-doctor-{real_now():%Y%m%d-%H%M%S}.zip")
