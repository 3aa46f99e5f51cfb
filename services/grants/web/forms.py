"""The fields of a posted form: each is read by itself, and every fault is kept for its field."""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from chassis.database import Transaction
from chassis.errors import Refused
from chassis.house import Entry
from chassis.web import Difference, Faults, differences, fault, once, read_pounds
from chassis.writing import can_be_seen, can_be_shown


class ChangedMeanwhile(Exception):
    """Somebody else has changed what a form is about, and says something else than whoever sent it.

    Nothing was changed. Caught where the form is shown again, outside the transaction.
    """

    def __init__(self, row: Mapping[str, Any], differences: Sequence[Difference]) -> None:
        super().__init__()
        self.row = row
        self.differences = differences


def check_revision(
    row: Mapping[str, Any],
    revision: int,
    labels: Mapping[str, str],
    theirs: Mapping[str, str],
    yours: Mapping[str, str],
) -> None:
    """Let a form be acted on that was made from the present version, or that changes nothing of a newer one.

    Args:
        row: as it is now, locked.
        theirs, yours: by field, in words.

    Raises:
        ChangedMeanwhile: otherwise.
    """
    if row["version"] != revision and (found := differences(labels, theirs, yours)):
        raise ChangedMeanwhile(row, found)


#: What was typed, by field.
Values = Mapping[str, Any]


Act = Callable[[Transaction], Awaitable[Response]]
Once = Callable[[Request, Act], Awaitable[Response]]


class Again(Protocol):
    """Shows a form with what was typed and what is wrong with it."""

    def __call__(self, values: Values, faults: Faults, *, status: int) -> Awaitable[Response]: ...


async def submit(
    request: Request, fields: "Fields", act: Act, again: Again, pressed: Once = once
) -> Response:
    """Act on a form once, or show it again with its faults, also with those that only come out in the act.

    Args:
        pressed: how it acts once, where that also says who was faster.
    """
    if fields.faults:
        return await again(fields.values, fields.faults, status=422)
    try:
        return await pressed(request, act)
    except Refused as refused:
        if not refused.field:
            raise
        fields.add(refused)
        return await again(fields.values, fields.faults, status=refused.status)


class Fields:
    """A form as it is read. What cannot be read is noted, and something sound stands in for it.

    ``values`` is what was typed, to be shown again.
    """

    def __init__(self, form: FormData, several: Collection[str] = ()) -> None:
        typed = {name: value for name, value in form.items() if isinstance(value, str)}
        self.values: dict[str, Any] = {name: value.strip() for name, value in typed.items()}
        self.values |= {name: [str(each) for each in form.getlist(name)] for name in several}
        self.faults: Faults = {}
        self.key = str(form.get("key", ""))

    def add(self, refused: Refused) -> None:
        """Note a fault of a field, unless one is noted already."""
        self.faults.setdefault(refused.field, fault(refused.what, refused.cure))

    def add_fault(self, field: str, what: str, cure: str) -> None:
        """Note what is wrong with a field, unless something is noted already."""
        self.add(Refused(what, cure, field=field))

    def _typed(self, field: str) -> str:
        return str(self.values.setdefault(field, ""))

    def line(self, field: str, *, most: int = 200, required: bool = True) -> str:
        """Words on one line."""
        text = self._typed(field)
        if text and not can_be_seen(text):
            self.add_fault(field, "This contains a sign that cannot be shown.", "Type it again by hand.")
        return self._words(field, text, most, required)

    def words(self, field: str, *, most: int = 2_000, required: bool = True) -> str:
        """Words on as many lines as somebody likes."""
        text = self._typed(field).replace("\r\n", "\n")
        if not can_be_shown(text, lines=True):
            self.add_fault(field, "This contains a sign that cannot be shown.", "Type it again by hand.")
        return self._words(field, text, most, required)

    def _words(self, field: str, text: str, most: int, required: bool) -> str:
        if required and not text:
            self.add_fault(field, "This is empty.", "Write something here.")
        elif len(text) > most:
            self.add_fault(field, f"This is too long: {len(text):,} signs.", f"Use at most {most:,}.")
        return text

    def pounds(self, field: str, *, required: bool = True) -> int | None:
        """An amount, in pence."""
        text = self._typed(field)
        if not text and not required:
            return None
        try:
            return read_pounds(text, field=field)
        except Refused as fault:
            self.add(fault)
            return None

    def day(self, field: str, *, required: bool = True, latest: date | None = None) -> date | None:
        """A day, as browsers send it."""
        text = self._typed(field)
        if not text and not required:
            return None
        try:
            day = date.fromisoformat(text if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else "")
        except ValueError:
            self.add_fault(field, "This is not a day.", "Choose it, or write it like 2026-11-30.")
            return None
        if not 1990 <= day.year <= 2100:
            self.add_fault(field, "This day is too far away.", "Check the year.")
        elif latest is not None and day > latest:
            self.add_fault(field, "This day is still to come.", "Write the day on which it happened.")
        return day

    def number(self, field: str, *, least: int, most: int, required: bool = True) -> int | None:
        """A whole number within a range."""
        text = self._typed(field)
        if not text and not required:
            return None
        found = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else least - 1
        if not least <= found <= most:
            self.add_fault(field, "This number cannot be used.", f"Write one from {least} to {most}.")
            return None
        return found

    def codes(self, field: str, known: Iterable[str]) -> tuple[str, ...]:
        """What is ticked, in the order of the list."""
        ticked, known = set(self.values[field]), list(known)
        if not ticked <= set(known):
            self.add_fault(field, "One of these is not on the list any more.", "Choose again.")
        return tuple(code for code in known if code in ticked)

    def one_of(self, field: str, known: Mapping[str, Any]) -> Any:
        """What a chosen word stands for."""
        text = self._typed(field)
        if text not in known:
            self.add_fault(field, "Nothing is chosen here.", "Choose one from the list.")
            return None
        return known[text]

    def person(self, field: str) -> UUID:
        """Who is chosen from a list; whether they may be is for whoever acts on it."""
        try:
            return UUID(self._typed(field))
        except ValueError:
            self.add_fault(field, "Nobody is chosen here.", "Choose one from the list.")
            return UUID(int=0)

    def ticked(self, field: str) -> bool:
        """Whether a box is ticked."""
        return self._typed(field) == "yes"


def read_language(fields: Fields, offered: Iterable[Entry]) -> str:
    """In which language somebody would like to be written to; nothing is English."""
    language: str = fields.one_of("language", {"": "", **{entry.code: entry.code for entry in offered}})
    return language or ""
