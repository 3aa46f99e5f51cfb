"""Alembic's entry: one transaction, one lock, over asyncpg."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

#: Two migrations of one database at once wait for each other.
_LOCK = 7_204_011

#: As long may a table be waited for, in seconds: whoever wants it meanwhile waits behind us.
_PATIENCE = 2


def _upgrade(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
        context.run_migrations()
        # In the same step, so that nobody meets a new table, by a trigger perhaps, that they may not use yet.
        connection.exec_driver_sql(f"SET LOCAL conduit.runtime = '{context.config.attributes['runtime']}'")
        connection.exec_driver_sql(context.config.attributes["walls"])


async def _connect() -> None:
    address = context.config.attributes["url"].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(address, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()


asyncio.run(_connect())
