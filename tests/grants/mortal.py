"""Something that another process does to a database, in the middle of which it may be killed."""

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from contracts.topology import GRANTS
from tests.conftest import EXAMPLES

#: Forks each process off one that has imported everything.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["pytest", "services.grants.web", __name__])


async def elsewhere(database: Database, act: Callable[..., Coroutine[Any, Any, None]], *told: Any) -> int:
    """Have something done by another process; its exit code.

    Args:
        act: a function at the top of a module, which is given the same database, and what it is told.
    """
    folder = database.context.settings.keys_folder
    process = _PROCESSES.Process(target=_do, args=(database._url, folder, act, told))
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode is not None
    return process.exitcode


def _do(url: str, keys: Path, act: Callable[..., Coroutine[Any, Any, None]], told: tuple[Any, ...]) -> None:
    context = Context(
        service=GRANTS,
        settings=Settings(home=keys.parent),
        house=read_house(EXAMPLES / "house.toml"),
        keys=read_keys(keys, GRANTS),
    )

    async def run() -> None:
        database = Database(url, context)
        await database.open()
        await act(database, *told)
        await database.close()

    asyncio.run(run())
