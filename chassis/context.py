"""What a handler or a page may rely on besides its transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex
from uuid import uuid4

from chassis.clock import Clock
from chassis.config import Settings
from chassis.house import House
from chassis.keys import Keyring


@dataclass(frozen=True)
class WayIn:
    """Where the start page leads somebody who has no account."""

    title: str
    href: str
    purpose: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One service as the navigation shows it."""

    title: str
    href: str
    purpose: str
    #: What those may do for whom the section is there; a code of ``contracts.access.Action``.
    action: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """One service's surroundings: its name, the settings, the house it serves, its keys, the clock."""

    service: str
    settings: Settings
    house: House
    keys: Keyring
    clock: Clock = field(default_factory=Clock)
    #: The navigation: every section, whichever of them lives in this process.
    sections: tuple[Section, ...] = ()
    #: Lets the service's timer of this name take its next turn now.
    wake: Callable[[str], None] = lambda name: None


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why something is being done: carried from the request or the event into what it announces."""

    correlationid: str = ""
    causationid: str = ""
    traceparent: str = ""

    @classmethod
    def new(cls, traceparent: str = "") -> "Cause":
        """The start of a new story."""
        trace = traceparent or f"00-{token_hex(16)}-{token_hex(8)}-01"
        return cls(correlationid=str(uuid4()), traceparent=trace)


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def noted_cause() -> Cause | None:
    """The cause of what runs now, where one was noted."""
    return _current.get()


def current_cause() -> Cause:
    """The cause of what runs now; a new one where nothing was noted."""
    return _current.get() or Cause.new()


@contextmanager
def because_of(cause: Cause) -> Iterator[None]:
    """Note the cause for the length of a block."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)
