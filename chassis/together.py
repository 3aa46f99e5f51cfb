"""Parts of a page that ask the database side by side: what they ask at the same step is one statement.

A page that shows ten parts of one thing asks for them one after the other in Python, each where it is used.
Sent one by one, they cost ten journeys to the server; together they cost one. Nothing runs at the same time:
the parts take turns, each until it asks.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import coroutine
from typing import Any

#: What makes a statement a list of its rows. Only statements come between, never a value.
_LIST = ("(SELECT array_agg(one_row) FROM (\n", "\n) AS one_row)")

_NUMBERED = re.compile(r"\$([0-9]+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that brings rows and changes none, with its arguments."""

    statement: str
    arguments: tuple[Any, ...]


@coroutine
def ask(asked: list[Asked]) -> Generator[list[Asked], list[list[Any]], list[list[Any]]]:
    """The rows of each statement, from whoever lets the parts take turns."""
    return (yield asked)


async def in_step(parts: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What the parts return; each of their steps is one `ask` of this coroutine.

    A part that fails ends all of them; the first one's error is raised.
    """
    results: list[Any] = [None] * len(parts)
    going: dict[int, list[list[Any]] | None] = dict.fromkeys(range(len(parts)))
    try:
        while going:
            waiting: dict[int, list[Asked]] = {}
            for number, rows in going.items():
                try:
                    asked = parts[number].send(rows)
                except StopIteration as end:
                    results[number] = end.value
                    continue
                if not isinstance(asked, list):
                    raise RuntimeError("Parts that take turns ask the database, and wait for nothing else.")
                waiting[number] = asked
            if not waiting:
                break
            answers = iter(await ask([each for asked in waiting.values() for each in asked]))
            going = {number: [next(answers) for _ in asked] for number, asked in waiting.items()}
    finally:
        for part in parts:
            part.close()
    return results


async def drive(
    running: Coroutine[Any, Any, list[Any]], answer: Callable[[Sequence[Asked]], Awaitable[list[list[Any]]]]
) -> list[Any]:
    """Run what asks, and answer it, until its end."""
    try:
        asked = running.send(None)
        while True:
            asked = running.send(await answer(asked))
    except StopIteration as end:
        result: list[Any] = end.value
        return result
    finally:
        running.close()


@lru_cache(maxsize=500)
def combined(statements: tuple[str, ...], arguments: tuple[int, ...]) -> str:
    """One statement that brings a list of rows for each of these. Within brackets, no statement may write.

    Args:
        arguments: how many parameters each of them has.
    """
    lists, before = [], 0
    for statement, count in zip(statements, arguments, strict=True):
        lists.append(_numbered_from(statement.rstrip().rstrip(";"), before).join(_LIST))
        before += count
    return f"SELECT {', '.join(lists)}"


def _numbered_from(statement: str, before: int) -> str:
    """The statement, its parameters behind so many others."""
    return _NUMBERED.sub(lambda found: f"${int(found[1]) + before}", statement)
