"""Many who ask the same kind of question at the same moment are answered by one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Gathered(Generic[Key, Value]):
    """Answers of one question about many keys.

    Nobody is given an answer that was worked out before they asked.

    Args:
        ask: the answers by key. What has none, whoever asks for it is given ``None``.
    """

    def __init__(self, ask: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._ask = ask
        self._keys: set[Key] = set()
        self._next: asyncio.Task[Mapping[Key, Value]] | None = None
        self._running: asyncio.Task[Mapping[Key, Value]] | None = None

    async def get(self, key: Key) -> Value | None:
        """The answer about one key."""
        self._keys.add(key)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._turn(self._running))
        # Whoever goes away meanwhile takes nobody's answer with them.
        return (await asyncio.shield(self._next)).get(key)

    async def _turn(self, before: asyncio.Task[Mapping[Key, Value]] | None) -> Mapping[Key, Value]:
        """Ask once the question before is answered: meanwhile those gather who come next."""
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(0)  # all those who are awake have asked by then
        keys, self._keys = self._keys, set()
        self._running, self._next = self._next, None
        return await self._ask(list(keys))
