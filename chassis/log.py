"""Structured logs that cannot carry personal data.

A log line is an event name and a few fields with known names. Whatever else a caller or a library passes
is dropped, and an exception appears as its type and place: its text may quote what it refused.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from chassis.context import noted_cause

#: The fields that may be logged. Ids, counts, names of types and of services: nothing about a person.
FIELDS = frozenset(
    "event level timestamp service type id ids subject reason outcome error at count attempts seconds port "
    "address adapter route method status correlationid causationid traceid version queue state pending name "
    "signal what".split()
)

#: Fields whose values came with a message.
_FROM_ELSEWHERE = {"correlationid", "causationid", "traceid"}
_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")

_ROOT = Path(__file__).parents[1]
_OURS = tuple(f"{_ROOT / package}/" for package in ("contracts", "chassis", "services", "tests"))


def configure(level: str, *, json: bool) -> None:
    """Send everything, also the libraries' own logging, through one narrow door to stderr."""
    chain: list[Any] = [
        _with_cause,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _only_known_fields,
    ]
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log free text, which may quote data: only who spoke and how badly is kept.
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    # It warns of each form that is broken, which anybody can send at will, and whoever did is told so.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


def logger(name: str) -> Any:
    """A logger that says which module spoke.

    It is made when the module is imported and asks at each line how logs are configured: ``bind`` would fix
    what was configured before, which lets every field through.
    """
    return structlog.get_logger(what=name)


def describe(error: BaseException) -> dict[str, str]:
    """An exception as it may be logged: its type and the last line of ours that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_OURS)]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in ours or frames]
    return {"error": type(error).__name__, "at": places[-1] if places else ""}


def _with_cause(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of which story a line is a part, where that is known: it leads from one service's log to another's."""
    cause = noted_cause()
    if cause is not None:
        event.setdefault("correlationid", cause.correlationid)
        event.setdefault("traceid", cause.traceparent[3:35])
    return event


def _only_known_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in FIELDS and _may_stand(key, value)}


def _may_stand(key: str, value: Any) -> bool:
    """Of which story a line is a part came with a message: it is an id, or it is left out."""
    return key not in _FROM_ELSEWHERE or _ID.fullmatch(str(value)) is not None


class _LibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        speak = logger(record.name).error if record.levelno >= logging.ERROR else logger(record.name).warning
        place = f"{record.filename}:{record.lineno}"
        speak("library_notice", **({"at": place} | (describe(error) if error else {})))
