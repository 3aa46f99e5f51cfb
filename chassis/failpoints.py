"""Named places at which a test can make the process die or an operation fail.

``CONDUIT_FAILPOINTS=relay.published=kill`` kills the process the first time that it gets there.
``CONDUIT_FAILPOINTS=@FILE`` takes such orders from a file, also while the process runs, and strikes each
one out before it acts: the process that a supervisor brings back is not killed by the same order again, and
an empty file proves that everything was carried out. With nothing armed, :func:`reach` is one dictionary
look-up.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

_armed: dict[str, str] = {}

#: Where orders are taken from, if they come in a file.
_orders: Path | None = None

#: Every place there is. Arming another one is refused, so that a renamed place cannot silence a test.
PLACES = frozenset(
    {
        "announce.before_commit",
        "relay.claimed",
        "relay.published",
        "inbox.before_commit",
        "inbox.committed",
        "mail.made",
        "mail.claimed",
        "mail.entered",
        "mail.handed_over",
        "mail.ended",
        "mail.taken_in",
        "mail.kept",
        "post.claimed",
        "post.printed",
        "post.kept",
        "ledger.locked",
        "ledger.entered",
        "ledger.settled",
        "decision.checked",
        "decision.entered",
        "decision.settled",
        "publishing.moved",
        "publishing.offered",
        "restore.loaded",
    }
)


class FailPoint(Exception):
    """A fail-point armed with ``raise`` was reached."""


def arm(description: str) -> None:
    """Arm places from ``name=act,name=act``, or from ``@FILE``; acts are ``kill`` (SIGKILL) and ``raise``.

    Raises:
        ValueError: for a place or an act that does not exist.
    """
    global _orders
    _orders = Path(description.removeprefix("@")) if description.startswith("@") else None
    _armed.clear()
    _armed.update({} if _orders else read_orders(description))


def read_orders(description: str) -> dict[str, str]:
    """The act for each place.

    Raises:
        ValueError: for a place or an act that does not exist.
    """
    orders = {}
    for part in filter(None, (p.strip() for p in description.split(","))):
        place, _, act = part.partition("=")
        if place not in PLACES or act not in ("kill", "raise"):
            places = ", ".join(sorted(PLACES))
            raise ValueError(f"no such fail-point: {part}; places: {places}; acts: kill, raise")
        orders[place] = act
    return orders


def reach(place: str) -> None:
    """Say that this place was reached. Each order acts once."""
    act = _armed.pop(place, None) if _orders is None else _struck_out(_orders, place)
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "raise":
        raise FailPoint(place)


def _struck_out(file: Path, place: str) -> str | None:
    """Take the order for a place out of the file. Whoever gives orders replaces the file as a whole."""
    orders = {}
    with suppress(FileNotFoundError):
        orders = read_orders(file.read_text())
    act = orders.pop(place, None)
    if act is not None:
        file.write_text(",".join(f"{name}={each}" for name, each in orders.items()))
    return act
