"""``python -m tests.benchmarks.letter_sender FOLDER DATABASE_URL SMTP_URL``: send everything that is due.

A process of its own, so that the peak of its memory is the sender's and nobody else's: its own, and that of
the processes which make letters for it. It answers with one line of JSON: letters sent, seconds, and
megabytes at the peak.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from contracts.topology import NOTIFICATIONS
from services.installation import EXAMPLES
from services.notifications.sending import Sender
from tests.benchmarks.servers import family, peak_megabytes


async def send(folder: Path, database_url: str, smtp_url: str) -> dict[str, float]:
    settings = Settings(home=folder, smtp_url=smtp_url, mail_rate=100_000.0)
    keys, house = read_keys(settings.keys_folder, NOTIFICATIONS), read_house(EXAMPLES / "house.toml")
    context = Context(service=NOTIFICATIONS, settings=settings, house=house, keys=keys)
    database = Database(database_url, context)
    await database.open()
    try:
        before = await _sent(database)
        started = time.monotonic()
        while await Sender(database).turn():
            pass
        took = time.monotonic() - started
        sent = await _sent(database) - before
    finally:
        await database.close()
    peak = sum(map(peak_megabytes, family(os.getpid())))  # with those that make letters
    return {"sent": sent, "seconds": took, "peak_mb": round(peak, 1)}


async def _sent(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM letters WHERE state = 'sent'"))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))), flush=True)
