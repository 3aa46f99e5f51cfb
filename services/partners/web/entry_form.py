"""The form for a note, a call or a meeting: what stands in it, and what was typed into it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData

from chassis.clock import LOCAL
from chassis.errors import NotFound, Refused
from chassis.web import Faults, fault
from services.partners.timeline import Entry, Kind

#: Characters of what it was about, of the whole text, and of a place.
LONGEST_WHAT, LONGEST_DETAIL, LONGEST_PLACE = 200, 10_000, 200

#: What people call each field.
LABELS = {
    "what": "What it was about",
    "day": "Day",
    "begins": "Begins",
    "ends": "Ends",
    "place": "Place",
    "detail": "What was said",
    "took_part": "Who took part",
}

#: The first day and how many years ahead something may be entered.
_FIRST, _YEARS_AHEAD = date(1990, 1, 1), 5

#: A meeting that ends earlier in the day than it begins goes over midnight, and lasts at most this long.
_LONGEST_NIGHT = timedelta(hours=12)

#: Signs that turn the direction of a line, or that no line has.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(9), *range(11, 32), 127])


def values_of(entry: Entry) -> dict[str, Any]:
    """What stands in the fields of the form."""
    begins = entry.happened_at.astimezone(LOCAL)
    meeting = entry.kind is Kind.MEETING
    return {
        "what": entry.what,
        "day": begins.date().isoformat(),
        "begins": f"{begins:%H:%M}" if meeting else "",
        "ends": f"{entry.ends_at.astimezone(LOCAL):%H:%M}" if entry.ends_at else "",
        "place": entry.place,
        "detail": entry.detail,
        "ours": list(entry.our_people),
        "theirs": list(entry.their_contacts),
    }


def typed(form: FormData) -> dict[str, Any]:
    """What was typed, as the form shows it again."""
    texts: dict[str, Any] = {name: str(form.get(name, ""))[: 2 * LONGEST_DETAIL] for name in LABELS}
    return texts | {name: [str(id)[:36] for id in form.getlist(name)] for name in ("ours", "theirs")}


def read_entry(
    form: FormData, kind: Kind, now: datetime, before: Entry | None, faults: Faults
) -> Entry | None:
    """What a form says; nothing when there are faults, which are then in ``faults``."""
    said: dict[str, Any] = {}

    def take(field: str, read: Any, *arguments: Any) -> None:
        try:
            said[field] = read(field, *arguments)
        except Refused as refused:
            faults[refused.field or field] = fault(refused.what, refused.cure)

    def text(field: str, longest: int, needed: str = "") -> str:
        typed = str(form.get(field, "")).replace("\r\n", "\n").translate(_TURNING).strip()
        if field != "detail":
            typed = " ".join(typed.split())
        if needed and not typed:
            raise Refused("This is empty.", needed, field=field)
        if len(typed) > longest:
            cure = f"Use at most {longest:,} characters; you have {len(typed):,}."
            raise Refused("This is too long.", cure, field=field)
        return typed

    take("what", text, LONGEST_WHAT, "Say in a few words what it was about.")
    take("detail", text, LONGEST_DETAIL)
    take("place", text, LONGEST_PLACE)
    take("when", lambda _: _moments(form, kind, now, before))
    if faults:
        return None
    begins, ends = said["when"]
    return Entry(
        kind=kind,
        happened_at=begins,
        ends_at=ends,
        what=said["what"],
        detail=said["detail"],
        place=said["place"] if kind is Kind.MEETING else "",
        our_people=_ids(form, "ours"),
        their_contacts=_ids(form, "theirs"),
    )


def _moments(
    form: FormData, kind: Kind, now: datetime, before: Entry | None
) -> tuple[datetime, datetime | None]:
    """When something begins and ends. Only a meeting has a time of day; the others are of a day."""
    today = now.astimezone(LOCAL).date()
    on = _day(str(form.get("day", "")), today, ahead=kind is Kind.MEETING)
    if kind is not Kind.MEETING:
        if before is not None and before.happened_at.astimezone(LOCAL).date() == on:
            return before.happened_at, None
        return (now if on == today else datetime.combine(on, time(12), LOCAL)), None
    begins = _clock(form, "begins")
    if begins is None:
        raise Refused("It is not said when it begins.", "Give a time, such as 14:30.", field="begins")
    ends = _clock(form, "ends")
    start = _moment(on, begins, "begins")
    if ends is None:
        return start, None
    overnight = ends < begins
    until = _moment(on + timedelta(days=overnight), ends, "ends")
    if until <= start or (overnight and until - start > _LONGEST_NIGHT):
        raise Refused("It ends before it begins.", "Give a later time, or leave it empty.", field="ends")
    return start, until


def _moment(on: date, clock: time, field: str) -> datetime:
    """When clocks here show that, in UTC, where moments can be compared."""
    moment = datetime.combine(on, clock, LOCAL).astimezone(UTC)
    if moment.astimezone(LOCAL).time() != clock:
        what = "There is no such time on that day: the clocks go forward."
        raise Refused(what, f"Give {moment.astimezone(LOCAL):%H:%M} or another time.", field=field)
    return moment


def _day(text: str, today: date, *, ahead: bool) -> date:
    try:
        on = date.fromisoformat(text.strip())
    except ValueError:
        raise Refused("This is not a day.", "Give it as 2026-11-30.", field="day") from None
    if not ahead and on > today:
        raise Refused("This day has not come yet.", "Enter what is to come as a meeting.", field="day")
    if not _FIRST <= on <= today + timedelta(days=366 * _YEARS_AHEAD):
        raise Refused("This day cannot be right.", "Check the year.", field="day")
    return on


def _clock(form: FormData, field: str) -> time | None:
    text = str(form.get(field, "")).strip()
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None) if text else None
    except ValueError:
        raise Refused("This is not a time.", "Give it as 14:30.", field=field) from None


def _ids(form: FormData, field: str) -> tuple[UUID, ...]:
    try:
        return tuple(dict.fromkeys(UUID(str(id)) for id in form.getlist(field)))
    except ValueError:
        raise NotFound from None
