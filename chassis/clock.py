"""The clock that all business time is read from, so that a test or an example can move it."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

LOCAL = ZoneInfo("Europe/London")


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time so many months earlier; the month's last day where there is no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def real_now() -> datetime:
    """What the computer's own clock says, however business time was moved."""
    return datetime.now(UTC)


class Clock:
    """Real time plus an offset. Always aware, always UTC."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset
        self._shifted = timedelta(0)

    def now(self) -> datetime:
        return real_now() + self._offset

    def on_watches(self) -> datetime:
        """What a person's telephone shows, which does not follow where an example's time was moved."""
        return self.now() - self._shifted

    def today(self) -> date:
        """The date where the users are."""
        return self.now().astimezone(LOCAL).date()

    def advance(self, by: timedelta) -> None:
        """Move the clock. For examples and tests."""
        self._offset += by

    def shift(self, by: timedelta) -> None:
        """Move the time of an example, and not what the telephones of those who look at it show."""
        self._shifted += by
        self.advance(by)
