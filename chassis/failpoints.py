"""Named places at which a test can make the process die or an operation fail.

``CONDUIT_FAILPOINTS=relay.published=kill`` kills the process the first time that it gets there. With
nothing armed, :func:`reach` is one dictionary look-up.
"""

import os
import signal

_armed: dict[str, str] = {}

#: Every place there is. Arming another one is refused, so that a renamed place cannot silence a test.
PLACES = frozenset(
    {
        "announce.before_commit",
        "relay.claimed",
        "relay.published",
        "inbox.before_commit",
        "inbox.committed",
        "mail.claimed",
        "mail.handed_over",
    }
)


class FailPoint(Exception):
    """A fail-point armed with ``raise`` was reached."""


def arm(description: str) -> None:
    """Arm places from ``name=act,name=act``; acts are ``kill`` (SIGKILL at once) and ``raise``.

    Raises:
        ValueError: for a place or an act that does not exist.
    """
    _armed.clear()
    for part in filter(None, (p.strip() for p in description.split(","))):
        place, _, act = part.partition("=")
        if place not in PLACES or act not in ("kill", "raise"):
            places = ", ".join(sorted(PLACES))
            raise ValueError(f"no such fail-point: {part}; places: {places}; acts: kill, raise")
        _armed[place] = act


def reach(place: str) -> None:
    """Say that this place was reached. Acts once."""
    act = _armed.pop(place, None)
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "raise":
        raise FailPoint(place)
