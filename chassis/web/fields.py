"""What people type into the fields of a form: read by the same readers as the cells of a file, so that both
refuse the same in the same words. All faults come back at once, each with its field.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chassis.errors import Refused
from chassis.sheets import Column, Unreadable, read_cell

#: By field, what is wrong there and what to do about it; and whatever else is wrong there, under ``more``.
Faults = dict[str, dict[str, Any]]


def read_fields(columns: Sequence[Column], typed: Mapping[str, str]) -> tuple[dict[str, Any], Faults]:
    """What each field says, None where it is empty, and what is wrong with those that cannot be used."""
    said: dict[str, Any] = {}
    faults: Faults = {}
    for column in columns:
        text = typed.get(column.name, "").replace("\r\n", "\n")
        try:
            said[column.name] = read_cell(column, text)
        except Unreadable as why:
            faults[column.name] = fault(_of_a_form(why.fault), _of_a_form(why.cure))
    return said, faults


def read_field(column: Column, typed: str) -> Any:
    """What the only field of a form says.

    Raises:
        Refused: names the field, and says what to write instead.
    """
    said, faults = read_fields([column], {column.name: typed})
    for wrong in faults.values():
        raise Refused(wrong["fault"], wrong["cure"], field=column.name)
    return said[column.name]


def fault(what: str, cure: str) -> dict[str, Any]:
    """A fault as templates show it."""
    return {"fault": what, "cure": cure, "more": []}


def add_faults(faults: Faults, found: Iterable[Refused]) -> None:
    """Note everything that was found, but nothing more of a field that could not be read."""
    unread = set(faults)
    for wrong in found:
        if wrong.field not in unread:
            noted = fault(wrong.what, wrong.cure)
            first = faults.setdefault(wrong.field, noted)
            if first is not noted:
                first["more"].append(noted)


def fault_of(refused: Refused) -> Faults:
    """A refusal that names a field, to be shown there; any other goes on as it is."""
    if not refused.field:
        raise refused
    return {refused.field: fault(refused.what, refused.cure)}


def _of_a_form(words: str) -> str:
    """A form has no cells, and not every field of it must be filled in."""
    words = words.replace("Fill it in: every line needs it.", "Fill it in.")
    return words.replace("The cell", "This field").replace("the cell", "the field")
