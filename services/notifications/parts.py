"""What is done to all letters of a campaign is done in parts, so that no statement takes long."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

from chassis.database import Transaction

#: Letters in one part.
PART = 2_000

_T = TypeVar("_T")


async def in_parts(statement: Callable[..., Awaitable[Any]], tx: Transaction, **values: Any) -> int:
    """Repeat a statement that sees to a part of them and says of how many, until none is left. How many."""
    total = 0
    while count := int(await statement(tx, most=PART, **values)):
        total += count
    return total


def parts_of(whole: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """A long sequence, part by part."""
    return (whole[start : start + PART] for start in range(0, len(whole), PART))
