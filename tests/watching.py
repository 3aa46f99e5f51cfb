"""Counting what a page asks the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg.pool import PoolConnectionProxy

from chassis.context import Context
from chassis.database import Database


class Watched(Database):
    """A database that remembers what it was asked."""

    def __init__(self, url: str, context: Context) -> None:
        super().__init__(url, context)
        self.asked: list[str] = []

    @asynccontextmanager
    async def connection(self, *, glancing: bool = False) -> AsyncIterator[PoolConnectionProxy]:
        async with super().connection(glancing=glancing) as connection:
            with connection.query_logger(lambda record: self.asked.append(record.query)):
                yield connection
