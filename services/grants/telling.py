"""What is told in parts, each with facts, texts or a table: the same on a page and on paper.

Nothing here knows the database or the clock, nor what is told.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from chassis.press import Press, printable

_press = Press(Path(__file__).parent / "telling.typ", "telling.json")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of what is told. All of it is words."""

    title: str
    #: Each with what it is called.
    facts: Sequence[tuple[str, str]] = ()
    texts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    #: From this column on, a table has numbers.
    numbers_from: int = 99
    #: What is said below the rest.
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """All of it."""

    title: str
    lede: str
    parts: Sequence[Part]
    #: At the foot of each sheet of paper.
    foot: str


def print_told(told: Told, author: str, dated: date) -> bytes:
    """All of it as a PDF; may be called from any thread."""
    day = {"year": dated.year, "month": dated.month, "day": dated.day}
    values = _seen(asdict(told)) | {"author": printable(author), "date": day}
    return _press.print(values, dated)


def _seen(value: Any) -> Any:
    """The same with nothing in its texts that no page can show."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [_seen(each) for each in value]
    return {name: _seen(each) for name, each in value.items()} if isinstance(value, dict) else value


def lines_of(told: Told) -> list[tuple[str, ...]]:
    """All of it as the lines of a table: the part, the line, what it says, and its words."""
    lines: list[tuple[str, ...]] = []
    for part in told.parts:
        lines += [(part.title, "", label, words) for label, words in (*part.facts, *part.texts)]
        for name, *words in part.rows:
            lines += [(part.title, name, *each) for each in zip(part.head[1:], words, strict=True)]
    return lines
