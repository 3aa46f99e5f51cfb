"""Two people at one form, or one in two windows: the second sees what the first changed, and loses nothing.

A form carries the version that it was made from, and what its fields said then. Where that is no longer the
present one, a field that only one of the two has changed says what they want. Where both have changed one,
the form is shown again with what was typed, beside what stands there now.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request

from chassis.audit import did_last
from chassis.errors import Refused
from chassis.web.access import signed_in
from chassis.web.errors import BadRequest
from chassis.web.pages import site_of


class Unconditional(Refused):
    """A program would change something without saying which version of it it has read."""

    status = 428


class Stale(Refused):
    """A program would change something that has changed since it was read."""

    status = 412


@dataclass(frozen=True)
class Difference:
    """A field that says something else now than whoever sent the form has seen or wants."""

    field: str
    #: What people call the field.
    label: str
    #: What stands there now, in words.
    theirs: str
    #: What was typed, in words.
    yours: str


class Meanwhile(list[Difference]):
    """Where what stands there now differs from what was typed, and whether one person did both.

    Args:
        mine: whether whoever typed has changed it themselves, in another window.
    """

    def __init__(self, found: Iterable[Difference], *, mine: bool) -> None:
        super().__init__(found)
        self.mine = mine


async def meanwhile(
    request: Request, found: Iterable[Difference], object: object, *actions: str, **facts: Any
) -> Meanwhile:
    """What was found to differ, with whose change that is.

    Args:
        object, actions, facts: what is noted of such a change.
    """
    async with site_of(request).database.glance() as tx:
        last = await did_last(tx, object, *actions, **facts)
    return Meanwhile(found, mine=last == signed_in(request).id)


def read_revision(form: FormData, field: str = "revision") -> int:
    """The version from which a form was made.

    Raises:
        BadRequest: when it carries none.
    """
    text = str(form.get(field, ""))
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise BadRequest("The form has lost its version.", "Go back, reload the page and send it again.")
    return int(text)


def base_of(values: Mapping[str, str]) -> str:
    """What the fields of a form say when it is made, for the form to carry."""
    return json.dumps(dict(values), ensure_ascii=False)


def read_base(form: FormData) -> dict[str, str]:
    """What the fields of a form said when it was made; nothing when it does not carry it."""
    try:
        found = json.loads(str(form.get("base", "")))
    except (ValueError, RecursionError):
        return {}
    return {name: str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def same_text(field: str, one: str, other: str) -> bool:
    """Whether two texts are the same but for what a browser makes of line breaks and of blanks at an end."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def merged(
    base: Mapping[str, str],
    theirs: Mapping[str, str],
    yours: Mapping[str, str],
    same: Callable[[str, str, str], bool] = same_text,
) -> tuple[dict[str, str], set[str]]:
    """What two people who began from the same say together, and the fields that both have changed.

    Of such a field yours is given.

    Args:
        base: what both began from; a field that is not in it counts as changed by both.
        theirs, yours: by field, as it is typed.
        same: whether two texts of a field say the same.
    """
    said, both = dict(yours), set[str]()
    for field, typed in yours.items():
        there = theirs.get(field, "")
        if same(field, typed, there):
            continue
        if field in base and same(field, typed, base[field]):
            said[field] = there
        elif field not in base or not same(field, there, base[field]):
            both.add(field)
    return said, both


def etag(version: int) -> str:
    """What a program sends back as ``If-Match``."""
    return f'"{version}"'


def read_if_match(request: Request) -> int:
    """The version that a program has read.

    Raises:
        Unconditional: when it names none.
        Stale: when it is none of ours.
    """
    given = request.headers.get("if-match", "").strip()
    if not given:
        cure = "Read it first, and send its ETag as If-Match."
        raise Unconditional("If-Match is missing: somebody else may have changed this.", cure)
    text = given.strip('"')
    if given != f'"{text}"' or not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise stale()
    return int(text)


def stale() -> Stale:
    """What a program is told that has read another version."""
    return Stale("This has changed since you read it.", "Read it again, and send its new ETag as If-Match.")


def differences(
    labels: Mapping[str, str], theirs: Mapping[str, str], yours: Mapping[str, str]
) -> list[Difference]:
    """Where what stands there now and what was typed say different things, in the order of the labels.

    Args:
        labels: what people call each field.
        theirs, yours: by field, in words.
    """
    return [
        Difference(field, label, theirs.get(field, ""), yours.get(field, ""))
        for field, label in labels.items()
        if theirs.get(field, "") != yours.get(field, "")
    ]
