"""Documents that others hand in: what their schema makes of them, or what is wrong and where."""

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError

from chassis.errors import Refused


def load(takes: Callable[[], Schema], document: Mapping[str, Any]) -> dict[str, Any]:
    """A document, as its schema wants it.

    Raises:
        Refused: names the first field at fault.
    """
    try:
        loaded: dict[str, Any] = takes().load(document, unknown=RAISE)
    except ValidationError as error:
        messages: Any = error.messages
        field, words = _first(messages)
        cure = "Correct it and send it again."
        raise Refused(f"“{field}” cannot be used: {words}", cure, field=field) from None
    return loaded


def _first(messages: Mapping[Any, Any], place: str = "") -> tuple[str, str]:
    """The first fault and where it is, such as ``ask.step_pence``. Quotes nothing of what was sent."""
    name, inner = next(iter(messages.items()))
    here = f"{place}.{str(name)[:40]}".strip(".")
    return _first(inner, here) if isinstance(inner, Mapping) else (here, " ".join(inner))
