"""``conduit audit``: whether the record of what people have done is whole, and the record itself."""

import asyncio
from collections.abc import Callable
from typing import Any

from chassis.audit import Chain, every_row, verify
from contracts.topology import SERVICES
from services.installation import Installation
from services.messages import opened


def verify_all(installation: Installation) -> dict[str, Chain]:
    """The chain of each service, read from its beginning."""

    async def look(service: str) -> Chain:
        async with opened(installation, service) as database, database.reading() as tx:
            return await verify(tx)

    with installation.database():
        return {service: asyncio.run(look(service)) for service in SERVICES}


def export(installation: Installation, service: str, write: Callable[[dict[str, Any]], None]) -> None:
    """Give out every row of a service, the oldest first."""

    async def run() -> None:
        async with opened(installation, service) as database, database.reading() as tx:
            async for row in every_row(tx):
                write(row)

    with installation.database():
        asyncio.run(run())
