"""Two people at the same form: whoever comes second sees what the first has changed, and loses nothing.

A form carries the version that it was made from. Where that is no longer the present one, the form is shown
again with what was typed, beside what stands there now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import FormData

from chassis.web.errors import BadRequest


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
