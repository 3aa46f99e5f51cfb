"""Working days: when offices in England are open, for whatever is due after so many of them."""

from datetime import date, timedelta
from functools import cache

import holidays


@cache
def _bank_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year))


def is_working_day(day: date) -> bool:
    """Say whether offices in England are open: not at weekends, not on bank holidays."""
    return day.weekday() < 5 and day not in _bank_holidays(day.year)


def working_days_after(start: date, n: int) -> date:
    """Return the n-th working day after this one, counting from the day after it."""
    day = start
    while n > 0:
        day += timedelta(days=1)
        n -= is_working_day(day)
    return day
