"""PostgreSQL by asyncpg: one pool per service, every wait bounded, every error of absence the same.

Statements stand in ``queries.sql`` beside the code that asks them; Python knows their names. Business time
is ``tx.now``, read from the clock once per transaction.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosql
import asyncpg
from aiosql.adapters.asyncpg import AsyncPGAdapter
from asyncpg.pool import PoolConnectionProxy

from chassis import metrics
from chassis.clock import LOCAL
from chassis.context import Cause, Context, current_cause
from chassis.errors import DatabaseAway, DatabaseFull, DatabaseRefuses
from chassis.failpoints import reach
from chassis.reachable import sentence, why_not
from chassis.together import Asked, ask, combined, drive, in_step

Ask = TypeVar("Ask", bound=Callable[..., Awaitable[Any]])

#: Another transaction was in the way; the same again will do.
IN_THE_WAY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    # A newer release has migrated: the statement was prepared for the columns that there were.
    asyncpg.InvalidCachedStatementError,
)

#: The server said that it is going, or the connection broke under a statement. A statement that the server
#: cancelled for its length is not among them: that is the statement's fault and would come again.
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Something was asked while the server's goodbye was being read: asyncpg does not expect that of itself.
    asyncpg.InternalClientError,
    TimeoutError,
)

#: Why a connection cannot be had. asyncpg speaks of the interface when its pool is closing.
_UNREACHABLE = (*_GONE, OSError, asyncpg.InterfaceError, asyncpg.TooManyConnectionsError)


#: The server answers and does not let us in.
_REFUSING = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


#: The one form in which PostgreSQL sends and takes jsonb that is not mere text.
_JSON_FORM = b"\x01"


@contextmanager
def database_errors() -> Iterator[None]:
    """Tell a server that cannot be reached from one that refuses us; neither quotes an address."""
    try:
        yield
    except _REFUSING as error:
        raise DatabaseRefuses from error
    except asyncpg.DiskFullError as error:
        raise DatabaseFull from error
    except _UNREACHABLE as error:
        raise DatabaseAway(sentence("The database", _why_away(error))) from error


def _why_away(error: Exception) -> str:
    if isinstance(error, asyncpg.CannotConnectNowError):
        return "is starting or stopping: wait a moment"
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return "takes no more connections: raise CONDUIT_DATABASE_CONNECTIONS, or its own max_connections"
    return why_not(error, "CONDUIT_DATABASE_URL")


def read_queries(folder: str | Path, name: str = "queries.sql") -> Any:
    """The statements of ``queries.sql`` beside a module, by name; each takes a transaction first."""
    path = Path(folder)
    return aiosql.from_path(
        (path if path.is_dir() else path.parent) / name,
        cast(Any, _Asking),
        mandatory_parameters=False,
    )


class _Asking(AsyncPGAdapter):
    """Asks the transaction that it is given; aiosql's own looks each time whether it is a pool."""

    def _values(self, name: str, parameters: Any) -> Sequence[Any]:
        values: Sequence[Any] = self.maybe_order_params(name, parameters)  # type: ignore[no-untyped-call]
        return values

    async def select(
        self, conn: "Transaction", query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncIterator[Any]:
        for row in await conn.fetch(sql, *self._values(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: "Transaction", query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        return await conn.fetchrow(sql, *self._values(query_name, parameters))

    async def select_value(self, conn: "Transaction", query_name: str, sql: str, parameters: Any) -> Any:
        return await conn.fetchval(sql, *self._values(query_name, parameters))

    async def insert_update_delete(
        self, conn: "Transaction", query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await conn.execute(sql, *self._values(query_name, parameters))


#: The columns that statements bring, by statement, as far as they were asked together with others.
_COLUMNS: dict[str, Sequence[str]] = {}


class Transaction:
    """One PostgreSQL transaction and the moment it happens at.

    What it announces, it announces with this cause and this time. Give it as first argument to every
    query.
    """

    def __init__(self, connection: PoolConnectionProxy, context: Context, cause: Cause) -> None:
        self.connection = connection
        self.context = context
        self.cause = cause
        self.now: datetime = context.clock.now()
        self._fetch = _answered(connection.fetch)
        self._fetchrow = _answered(connection.fetchrow)
        self._fetchval = _answered(connection.fetchval)
        self.execute = self._alone(_answered(connection.execute))
        self.executemany = self._alone(_answered(connection.executemany))
        self.copy_records_to_table = self._alone(_answered(connection.copy_records_to_table))
        self.prepare = connection.prepare
        self.cursor = connection.cursor
        #: Set by an announcement: the relay is woken when, and only when, this commits.
        self.announced = 0
        #: The owner's epoch, once it was read.
        self.epoch = 0
        #: Whoever acts in it, and what they have done so far.
        self.actor: Any = None
        self.notes: list[Any] = []
        #: Whether parts take turns in it, so that what they ask is gathered.
        self._in_step = False

    @property
    def today(self) -> date:
        """The date where the users are."""
        return self.now.astimezone(LOCAL).date()

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """All rows."""
        if self._in_step:
            return await self._ask_in_step(statement, arguments)
        found: list[Any] = await self._fetch(statement, *arguments)
        return found

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        """The first row, if there is one."""
        if self._in_step:
            return next(iter(await self._ask_in_step(statement, arguments)), None)
        return await self._fetchrow(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first value of the first row, if there is one."""
        if self._in_step:
            row = next(iter(await self._ask_in_step(statement, arguments)), None)
            return None if row is None else next(iter(row.values()))
        return await self._fetchval(statement, *arguments)

    async def _ask_in_step(self, statement: str, arguments: tuple[Any, ...]) -> list[Any]:
        [rows] = await ask([Asked(statement, arguments)])
        return rows

    def _alone(self, ask: Ask) -> Ask:
        """What is for no part of several, because it changes data or brings no rows."""

        async def ask_alone(*arguments: Any, **options: Any) -> Any:
            if self._in_step:
                raise RuntimeError("Parts that take turns read, and do nothing else.")
            return await ask(*arguments, **options)

        return cast(Ask, ask_alone)

    async def together(self, *parts: Coroutine[Any, Any, Any]) -> list[Any]:
        """What parts of a page bring. They take turns, and what they ask at the same step is one statement.

        They may read in this transaction and wait for nothing else; a part may have parts.
        """
        if self._in_step:
            return await in_step(parts)
        self._in_step = True
        try:
            return await drive(in_step(parts), self._answer)
        finally:
            self._in_step = False

    async def _answer(self, asked: Sequence[Asked]) -> list[list[Any]]:
        if len(asked) == 1:
            return [await self._fetch(asked[0].statement, *asked[0].arguments)]
        whole = combined(
            tuple(each.statement for each in asked), tuple(len(each.arguments) for each in asked)
        )
        values = [value for each in asked for value in each.arguments]
        names = [await self._names(each.statement) for each in asked]
        [lists] = await self._fetch(whole, *values)
        if any(rows and len(rows[0]) != len(of_row) for rows, of_row in zip(lists, names, strict=True)):
            # A newer release has added columns meanwhile. All is asked anew: names that are asked for between
            # an answer and the next question would leave that one a view of before.
            names = [await self._names(each.statement, anew=True) for each in asked]
            self._ask_anew()
            [lists] = await self._fetch(whole, *values)
        return [
            [dict(zip(of_row, row, strict=True)) for row in rows or ()]
            for of_row, rows in zip(names, lists, strict=True)
        ]

    def _ask_anew(self) -> None:
        """What was answered is not used."""

    async def _names(self, statement: str, *, anew: bool = False) -> Sequence[str]:
        """The columns of a statement; rows within a row have none."""
        names = None if anew else _COLUMNS.get(statement)
        if names is None:
            prepared = await self.prepare(statement)
            names = _COLUMNS[statement] = [column.name for column in prepared.get_attributes()]
        return names


class _Glance(Transaction):
    """One statement, which is a transaction by itself."""

    def __init__(self, connection: PoolConnectionProxy, context: Context, cause: Cause) -> None:
        super().__init__(connection, context, cause)
        self._asked = False
        for name in ("_fetch", "_fetchrow", "_fetchval", "execute"):
            setattr(self, name, self._once(getattr(self, name)))

    def _ask_anew(self) -> None:
        self._asked = False

    def _once(self, ask: Ask) -> Ask:
        async def ask_once(*arguments: Any, **options: Any) -> Any:
            if self._asked:
                raise RuntimeError("A glance is one statement: ask together, or read.")
            self._asked = True
            return await ask(*arguments, **options)

        return cast(Ask, ask_once)


async def rows_of(rows: AsyncIterator[Any]) -> list[Any]:
    """The rows of a statement."""
    return [row async for row in rows]


class Database:
    """The pool of one service."""

    def __init__(self, url: str, context: Context) -> None:
        self._url = url
        self.context = context
        self._pool: asyncpg.Pool | None = None
        #: Of connections that can only look.
        self._glancing: asyncpg.Pool | None = None
        self._waiting = metrics.POOL_WAITING.labels(context.service)
        self._refused = metrics.POOL_REFUSED.labels(context.service)
        for state in metrics.CONNECTION_STATES:
            metrics.POOL.labels(context.service, state)

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseAway: when the server cannot be reached in time.
        """
        most = self.context.settings.pool_size
        with database_errors():
            self._pool = await self._connect(most)
            try:
                # Every transaction on these is one view, and the server lets it write nothing.
                one_view = {
                    "default_transaction_read_only": "on",
                    "default_transaction_isolation": "repeatable read",
                }
                self._glancing = await self._connect(most // 2, **one_view)
            except BaseException:
                self._pool.terminate()
                raise

    async def _connect(self, most: int, **server_settings: str) -> asyncpg.Pool:
        settings = self.context.settings
        milliseconds = str(int(settings.database_timeout * 1000))
        return await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=most,
            timeout=settings.acquire_timeout,
            command_timeout=settings.database_timeout + 1,
            max_inactive_connection_lifetime=60,
            max_cacheable_statement_size=0,  # what is asked together is long, and the same each time
            init=_speak_json,
            reset=_as_it_is,
            server_settings={
                "application_name": f"conduit {self.context.service}",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": str(int(settings.database_timeout * 4000)),
                "timezone": "UTC",
                **server_settings,
            },
        )

    async def close(self) -> None:
        """Give every connection back; cut those that are still busy after the grace period."""
        pools = [pool for pool in (self._pool, self._glancing) if pool is not None]
        self._pool = self._glancing = None
        await asyncio.gather(*(self._close(pool) for pool in pools))

    async def _close(self, pool: asyncpg.Pool) -> None:
        try:
            await asyncio.wait_for(pool.close(), self.context.settings.close_timeout)
        except _UNREACHABLE:
            pool.terminate()

    @asynccontextmanager
    async def transaction(self, cause: Cause | None = None) -> AsyncIterator[Transaction]:
        """All of the block or nothing of it.

        Raises:
            DatabaseAway: when no connection is to be had, or it is lost in the middle. Nothing was changed,
                unless the loss was in the commit itself.
        """
        async with self.connection() as connection, connection.transaction():
            tx = Transaction(connection, self.context, cause or current_cause())
            yield tx
            if tx.announced:
                reach("announce.before_commit")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """One consistent view of the data that cannot change any."""
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Transaction(connection, self.context, current_cause())

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[Transaction]:
        """What one statement can tell, or several together: one consistent view that cannot change any data.

        Such a statement is a transaction by itself, which makes it the only journey to the server. A second
        one might see another state: it is refused.
        """
        async with self.connection(glancing=True) as connection:
            yield _Glance(connection, self.context, current_cause())

    @asynccontextmanager
    async def connection(self, *, glancing: bool = False) -> AsyncIterator[PoolConnectionProxy]:
        """A connection of the pool, waited for a bounded time.

        Args:
            glancing: one that can only look.

        Raises:
            DatabaseAway: when there is none in time, or it broke while it was used.
        """
        pool = self._glancing if glancing else self._pool
        if pool is None:
            raise DatabaseAway
        self._waiting.inc()
        try:
            connection = await pool.acquire(timeout=self.context.settings.acquire_timeout)
        except (*_UNREACHABLE, *_REFUSING) as error:  # a password that was changed there may be put right
            self._refused.inc()
            raise DatabaseAway from error
        finally:
            self._waiting.dec()
        try:
            yield connection
        except asyncpg.DiskFullError as error:  # also in the commit
            raise DatabaseFull from error
        except Exception as error:
            if isinstance(error, _GONE) or (_lost(connection) and not isinstance(error, DatabaseFull)):
                raise DatabaseAway from error
            raise
        finally:
            await self._release(pool, connection)

    async def _release(self, pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
        """Give it back also while the pool is closing, which waits for that.

        Whatever is wrong with it, asyncpg's own complaints about its state included, concerns nobody any
        more: what the block did was committed or undone before, and the connection is not used again.
        """
        try:
            await pool.release(connection, timeout=self.context.settings.close_timeout)
        except Exception:  # noqa: BLE001
            with suppress(asyncpg.InterfaceError):  # the pool has cut it already
                connection.terminate()

    async def listen(self) -> asyncpg.Connection:
        """A connection of its own, outside the pool, for notifications."""
        with database_errors():
            return await asyncpg.connect(self._url, timeout=self.context.settings.acquire_timeout)

    def busy(self) -> dict[str, int]:
        """How many connections are in use and idle."""
        pools = [pool for pool in (self._pool, self._glancing) if pool is not None]
        idle = sum(pool.get_idle_size() for pool in pools)
        return {"in_use": sum(pool.get_size() for pool in pools) - idle, "idle": idle}

    async def observe(self) -> None:
        """Bring the gauges of connections up to date."""
        for state, count in self.busy().items():
            metrics.POOL.labels(self.context.service, state).set(count)


def _answered(ask: Ask) -> Ask:
    """A statement that the server leaves without an answer means that it is away.

    Whoever waits with a limit of their own sees their own ``TimeoutError``, which means no such thing.
    """

    async def ask_in_time(*arguments: Any, **options: Any) -> Any:
        try:
            return await ask(*arguments, **options)
        except TimeoutError as error:
            raise DatabaseAway from error
        except asyncpg.DiskFullError as error:
            raise DatabaseFull from error

    return cast(Ask, ask_in_time)


def _lost(connection: PoolConnectionProxy) -> bool:
    """Whether it broke. The pool takes a broken one out of our hands, and then it answers nothing at all."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Nothing of ours outlives its transaction, so nothing is reset: that is a journey for every page."""


async def _speak_json(connection: asyncpg.Connection) -> None:
    """JSON as PostgreSQL sends it also within rows of rows: its text behind the number of that form."""

    def write(value: Any) -> bytes:  # ids, dates and times as PostgreSQL reads them
        return _JSON_FORM + json.dumps(value, default=str).encode()

    def read(sent: bytes) -> Any:
        return json.loads(sent[len(_JSON_FORM) :])

    await connection.set_type_codec(
        "jsonb", encoder=write, decoder=read, schema="pg_catalog", format="binary"
    )
