"""``conduit mail receive``: one mail from a pipe, kept before the mail server is told that it was."""

import asyncio
from typing import BinaryIO

from contracts.topology import NOTIFICATIONS
from services.installation import Installation
from services.messages import opened
from services.notifications.reading.kinds import LARGEST_MAIL
from services.notifications.receiving import receive

#: How a program says to a mail server that it should try again later (sysexits.h).
TRY_AGAIN = 75


def take_in(installation: Installation, pipe: BinaryIO) -> bool:
    """Take in the mail that comes through a pipe. False when it was taken in before.

    Of one that is too large the beginning is kept, and the rest is read and let go.
    """
    raw = pipe.read(LARGEST_MAIL + 1)
    while pipe.read(1024 * 1024):
        pass

    async def act() -> bool:
        async with opened(installation, NOTIFICATIONS) as database:
            return await receive(database, raw) is not None

    with installation.database():
        return asyncio.run(act())
