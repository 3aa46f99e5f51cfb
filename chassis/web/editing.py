"""Two people at the same form: whoever comes second sees what the first has changed, and loses nothing.

A form carries the version that it was made from. Where that is no longer the present one, the form is shown
again with what was typed, beside what stands there now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request

from chassis.errors import Refused
from chassis.web.errors import BadRequest


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


def read_revision(form: FormData, field: str = "revision") -> int:
    """The version from which a form was made.

    Raises:
        BadRequest: when it carries none.
    """
    text = str(form.get(field, ""))
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise BadRequest("The form has lost its version.", "Go back, reload the page and send it again.")
    return int(text)


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
