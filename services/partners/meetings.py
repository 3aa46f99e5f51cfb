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
    ends = entry["ends_at"].astimezone(LOCAL) if entry["ends_at"] else begins + _USUAL
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
    return bytes(calendar.to_ical())
