"""Traces by W3C trace context: of which story something is a part, and spans for whoever collects them.

Whatever is done has a span of its own, whose parent is the request or the event that caused it; what it
announces carries its span on. Where nobody collects, a request has one and what follows from it carries that
on; else each span is handed over when it ends. A span says what was done and when, by names and ids; nothing
about a person.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from random import getrandbits
from time import time_ns
from typing import Any

from chassis.context import Cause, because_of

#: Later versions may say more behind what the first one says.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[!-~]*)?"
)
_SAMPLED = 1


class Kind(IntEnum):
    """What a span is, by OpenTelemetry's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(slots=True, kw_only=True)
class Span:
    """Something that was done, and because of what."""

    service: str
    name: str
    kind: Kind
    trace: str
    #: The span of what caused it; empty at the beginning of a story.
    parent: str
    flags: str
    #: Chosen so that no two are the same; that somebody may guess one harms nobody.
    id: str = field(default_factory=lambda: f"{getrandbits(64) or 1:016x}")
    began_ns: int = field(default_factory=time_ns)
    ended_ns: int = 0
    failed: bool = False
    attributes: dict[str, str | int] = field(default_factory=dict)

    @property
    def traceparent(self) -> str:
        """What is handed on to whatever this causes."""
        return f"00-{self.trace}-{self.id}-{self.flags}"

    @property
    def sampled(self) -> bool:
        """Whether whoever began the story wants it collected."""
        return bool(int(self.flags, 16) & _SAMPLED)


_collect: Callable[[Span], None] | None = None


def collect_with(collect: Callable[[Span], None] | None) -> None:
    """Hand over every span from now on; ``None`` for nothing more."""
    global _collect
    _collect = collect


def collecting() -> bool:
    """Whether anybody wants spans: what is only for them need not be looked up otherwise."""
    return _collect is not None


def _read(text: str) -> re.Match[str] | None:
    found = _TRACEPARENT.fullmatch(text)
    return None if found is None or (found["version"] == "00" and found["more"]) else found


def begin(service: str, name: str, kind: Kind, parent: str, **attributes: str | int) -> Span:
    """A span that begins now.

    Args:
        parent: the trace context of what caused it; anything else begins a new story.
    """
    found = _read(parent)
    trace, above, flags = (
        (found["trace"], found["span"], found["flags"])
        if found
        else (f"{getrandbits(128) or 1:032x}", "", "01")
    )
    return Span(
        service=service, name=name, kind=kind, trace=trace, parent=above, flags=flags, attributes=attributes
    )


def end(span: Span, *, failed: bool = False) -> None:
    """It is over: it goes to whoever collects."""
    span.ended_ns = time_ns()
    span.failed = span.failed or failed
    if _collect is not None and span.sampled:
        _collect(span)


@contextmanager
def doing(service: str, name: str, kind: Kind, parent: str, **attributes: str | int) -> Iterator[Span]:
    """A span for the length of a block."""
    span = begin(service, name, kind, parent, **attributes)
    try:
        yield span
    except BaseException:
        span.failed = True
        raise
    finally:
        end(span)


def cause_in(row: Mapping[str, Any], causationid: str = "") -> Cause:
    """The cause that was kept with something that was left for later; a new one where none was."""
    if not row["correlationid"]:
        return Cause.new()
    story = {name: row[name] for name in ("correlationid", "traceparent")}
    return Cause(causationid=causationid, **story)


@contextmanager
def going_on(service: str, name: str, kind: Kind, cause: Cause, **attributes: str | int) -> Iterator[Cause]:
    """Do something because of this, for the length of a block: a span of its own within the same story.

    Where nobody collects, the story goes on as it came.
    """
    if _collect is None and _read(cause.traceparent):
        with because_of(cause):
            yield cause
        return
    with doing(service, name, kind, cause.traceparent, **attributes) as span:
        within = Cause(
            correlationid=cause.correlationid, causationid=cause.causationid, traceparent=span.traceparent
        )
        with because_of(within):
            yield within
