"""Many who ask at the same moment are answered by one question, and never by an old answer."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.gathering import Gathered


async def test_those_who_ask_at_once_are_answered_by_one_question() -> None:
    asked: list[Sequence[int]] = []
    state = "old"

    async def ask(keys: Sequence[int]) -> dict[int, str]:
        asked.append(sorted(keys))
        said = {key: f"{state} {key}" for key in keys if key != 3}
        await asyncio.sleep(0.01)
        return said

    gathered = Gathered(ask)
    first = asyncio.gather(*(gathered.get(key) for key in (1, 2, 3, 2)))
    await asyncio.sleep(0.005)
    state = "new"
    assert await gathered.get(1) == "new 1", "it was asked after the other question had begun"
    assert await first == ["old 1", "old 2", None, "old 2"]
    assert asked == [[1, 2, 3], [1]]


async def test_whoever_goes_away_takes_nobodys_answer_with_them() -> None:
    async def ask(keys: Sequence[int]) -> dict[int, int]:
        await asyncio.sleep(0.02)
        return {key: key for key in keys}

    gathered = Gathered(ask)
    leaving, staying = (asyncio.create_task(gathered.get(key)) for key in (1, 2))
    await asyncio.sleep(0.005)
    leaving.cancel()
    assert await staying == 2


async def test_a_question_that_fails_fails_for_those_who_asked_and_for_no_others() -> None:
    fails = True

    async def ask(keys: Sequence[int]) -> dict[int, int]:
        if fails:
            raise OSError("away")
        return {key: key for key in keys}

    gathered = Gathered(ask)
    with pytest.raises(OSError, match="away"):
        await gathered.get(1)
    fails = False
    assert await gathered.get(1) == 1
