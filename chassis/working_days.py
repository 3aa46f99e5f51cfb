"""Working days: when offices in England are open, for whatever is due after so many of them."""

from datetime import date, timedelta
from functools import cache, lru_cache

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


def working_days_before(day: date, n: int) -> date:
    """Return the latest date after which, this day included, there were n working days."""
    while n > 0:
        n -= is_working_day(day)
        day -= timedelta(days=1)
    return day


@lru_cache(4_000)
def working_days_between(start: date, end: date) -> int:
    """Count the working days after the first of these dates, up to and including the second."""
    return sum(is_working_day(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))
