"""Signing in without the pages, for tests that are about something else."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from chassis.access import Person, SessionKeys
from contracts.access import Role

#: Somebody who may do whatever anybody may.
EVERYTHING = Person(
    id=UUID("0134c1e9-0100-7a11-8a6f-3a1f6f3d2b10"),
    session=UUID("0134c1e9-0100-7b22-8a6f-3a1f6f3d2b10"),
    roles=frozenset(Role),
    version=(1, 1),
    seen_at=datetime(2026, 1, 1, tzinfo=UTC),
    forms="the secret of this session",
    proved_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class Said:
    """As much of an event as the copies of people and of tokens look at."""

    def __init__(self, version: tuple[int, int] = (1, 1), **data: Any) -> None:
        self.epoch, self.sequence = version
        self.data = data


def token(keys: Path, person: Person = EVERYTHING, *, now: datetime | None = None) -> str:
    """A session token that was made now, by somebody who has shown their second factor now if ever."""
    now = now or datetime.now(UTC)
    return SessionKeys(keys).sign(replace(person, seen_at=now, proved_at=person.proved_at and now))


def cookies(keys: Path, person: Person = EVERYTHING, *, now: datetime | None = None) -> dict[str, str]:
    """The cookie of a browser that is signed in."""
    return {"conduit": token(keys, person, now=now)}


def form_key(person: Person = EVERYTHING) -> str:
    """The key of a new form that was made for this person's session."""
    key = str(uuid4())
    return f"{key}.{person.form_mark(key)}"
