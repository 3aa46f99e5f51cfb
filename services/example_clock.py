"""The clock of an example: moved by a command or by what is played, followed by whatever acts in it.

Nothing else has a clock that can be moved: an installation with people in it, or one that shares a database
or a broker with others, keeps the time of its computer.
"""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

from chassis.clock import LOCAL, Clock, real_now
from chassis.config import Settings
from chassis.errors import ChassisError
from chassis.working_days import working_days_after
from services.installation import Installation


class NotMovable(ChassisError):
    """Only the clock of an example that was begun with “conduit up --example” can be moved."""


def may_move(settings: Settings) -> bool:
    """Whether this is an example, with a database of its own and nobody beside it."""
    return settings.embedded_database and not settings.amqp_url and (settings.home / "example").exists()


def clock_of(settings: Settings) -> Clock:
    """The clock by which a command acts: that of the process that serves, whether it runs or not."""
    clock = Clock()
    if may_move(settings):
        clock.shift(_offset(_file(settings)) + _offset(_played(settings)))
    return clock


def advance(installation: Installation, working_days: int) -> date:
    """Move the clock of an example to the n-th working day from its today, the same time. Which day that is.

    Raises:
        NotMovable: when it is no example.
        NothingBegun: when nothing is in this folder.
    """
    installation.check_begun()
    settings = installation.settings
    if not may_move(settings):
        raise NotMovable
    file = _file(settings)
    now = clock_of(settings).now().astimezone(LOCAL)
    day = working_days_after(now.date(), working_days)
    then = datetime.combine(day, now.time(), LOCAL)
    _write(file, then - real_now())
    return day


def play_on(settings: Settings, clock: Clock, by: timedelta) -> None:
    """Move the clock of a process that plays, and let commands know: else all would seem to wait so long."""
    clock.advance(by)
    if may_move(settings):
        _write(_played(settings), _offset(_played(settings)) + by)


class Follower:
    """Brings the clock of a process to where the command has put it, at the start and while it runs."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._file, self._played = _file(settings), _played(settings)
        self._clock = clock
        self._followed = timedelta(0)

    async def begin(self) -> None:
        """Start where the command has put the clock: what another process has played is over."""
        self._played.unlink(missing_ok=True)
        await self.look()

    async def look(self) -> None:
        """Follow, if the clock was moved."""
        offset = _offset(self._file)
        self._clock.shift(offset - self._followed)
        self._followed = offset


def _file(settings: Settings) -> Path:
    return settings.home / "clock.json"


def _played(settings: Settings) -> Path:
    return settings.home / "clock-played.json"


def _write(file: Path, offset: timedelta) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"seconds_ahead": offset.total_seconds()}), encoding="utf-8")
    new.replace(file)


def _offset(file: Path) -> timedelta:
    if not file.exists():
        return timedelta(0)
    return timedelta(seconds=float(json.loads(file.read_text(encoding="utf-8"))["seconds_ahead"]))
