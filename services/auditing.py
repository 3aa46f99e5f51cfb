"""``conduit audit``: whether the record of what people have done is whole, and the record itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from chassis.audit import Chain, every_row, verify
from chassis.database import Transaction
from contracts.topology import SERVICES
from services.installation import Installation
from services.messages import opened

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A head that was mailed, beside the chain as it is now up to that row."""

    service: str
    row: int
    digest: str
    chain: Chain

    @property
    def cut_off(self) -> bool:
        """Whether the row is not there any more, and those before it are as they were written."""
        return self.chain.broken_at is None and self.chain.rows < self.row

    @property
    def same(self) -> bool:
        """Whether this row, and so every row before it, is what it was when its digest was mailed."""
        reached = self.chain.broken_at is None and self.chain.rows == self.row
        return reached and self.chain.head == self.digest

    def __str__(self) -> str:
        if self.same:
            return f"row {self.row:,} is the one that was mailed, and no row before it was changed"
        if self.cut_off:
            ends = f"the record ends at row {self.chain.rows:,}" if self.chain.rows else "the record is empty"
            return f"CUT OFF: {ends}, and row {self.row:,} was there when it was mailed"
        if self.chain.broken_at:
            broken = f"row {self.chain.broken_at:,} is not what was written, or one is missing there"
            return f"CHANGED: {broken}, so row {self.row:,} is not the one that was mailed"
        return f"CHANGED: row {self.row:,} is not the one that was mailed, unless the line was typed wrongly"

    def as_dict(self) -> dict[str, Any]:
        found = {"same": self.same, "cut_off": self.cut_off, "broken_at": self.chain.broken_at}
        return {"service": self.service, "row": self.row, **found, "rows_read": self.chain.rows}


def verify_all(installation: Installation) -> dict[str, Chain]:
    """The chain of each service, read from its beginning."""
    with installation.database():
        return {service: asyncio.run(_look(installation, service, verify)) for service in SERVICES}


def compare(installation: Installation, service: str, row: int, digest: str) -> Compared:
    """What has become of a row whose digest was mailed: the chain is read from its beginning up to it."""

    async def read(tx: Transaction) -> Chain:
        return await verify(tx, row)

    with installation.database():
        chain = asyncio.run(_look(installation, service, read))
    return Compared(service=service, row=row, digest=digest, chain=chain)


def export(installation: Installation, service: str, write: Callable[[dict[str, Any]], None]) -> None:
    """Give out every row of a service, the oldest first."""

    async def give(tx: Transaction) -> None:
        async for row in every_row(tx):
            write(row)

    with installation.database():
        asyncio.run(_look(installation, service, give))


async def _look(installation: Installation, service: str, look: Callable[[Transaction], Awaitable[T]]) -> T:
    """Look at one service's database as it is at one moment."""
    async with opened(installation, service) as database, database.reading() as tx:
        return await look(tx)
