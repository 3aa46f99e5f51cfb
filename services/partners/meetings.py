"""A meeting as a file that a calendar takes in (RFC 5545).

Calendars are kept by others: the file says what, when and where, and leads back here for the rest.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar

from chassis.clock import LOCAL

#: How long a meeting is taken to last that says nothing of its end.
_USUAL = timedelta(hours=1)


def as_calendar(entry: Mapping[str, Any], *, origin: str, href: str) -> bytes:
    """The meeting, under a name that stays, so that a later file moves it and makes no second one.

    Args:
        entry: a row of the timeline with the name of its organisation.
        origin: where this instance is, such as ``https://forum.example``.
        href: the path of the meeting's page.
    """
    begins: datetime = entry["happened_at"].astimezone(LOCAL)
    ends = (entry["ends_at"] or entry["happened_at"] + _USUAL).astimezone(LOCAL)
    event = icalendar.Event()
    event.add("uid", f"{entry['id']}@{urlsplit(origin).hostname or 'localhost'}")
    event.add("dtstamp", (entry["changed_at"] or entry["heard_at"]).astimezone(UTC))
    event.add("sequence", entry["version"] - 1)
    event.add("dtstart", begins)
    event.add("dtend", ends)
    event.add("summary", f"{entry['organisation']}: {entry['what']}")
    if entry["place"]:
        event.add("location", entry["place"])
    event.add("url", f"{origin}{href}")
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Conduit//Partners//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    calendar.add_missing_timezones(date(begins.year, 1, 1), date(begins.year + 2, 1, 1))
    for summer in calendar.walk("DAYLIGHT"):
        _begin_in_winter_time(summer)
    return bytes(calendar.to_ical())


def _begin_in_winter_time(summer: Any) -> None:
    """Say when summer time begins in the time that ends, as RFC 5545 (3.6.5) asks: 01:00 GMT, not 02:00."""
    gained = summer["TZOFFSETTO"].td - summer["TZOFFSETFROM"].td
    begins = summer.pop("DTSTART").dt - gained
    repeats = summer.pop("RDATE", None)
    summer.add("dtstart", begins)
    if repeats is not None:
        lists = repeats if isinstance(repeats, list) else [repeats]
        summer.add("rdate", [each.dt - gained for several in lists for each in several.dts])
