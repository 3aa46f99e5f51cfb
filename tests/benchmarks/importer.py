"""``python -m tests.benchmarks.importer FOLDER DATABASE_URL FILE``: import a list of partners.

A process of its own, so that the peak of its memory is the import's. It answers with one line of JSON: lines,
seconds, and megabytes at the peak.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from chassis.config import Settings
from chassis.context import Context
from chassis.database import Database
from chassis.house import read_house
from chassis.keys import read_keys
from contracts.topology import PARTNERS
from services.installation import EXAMPLES
from services.partners.imports import import_partners
from tests.benchmarks.servers import peak_megabytes


async def take_in(folder: Path, database_url: str, file: Path) -> dict[str, float]:
    settings = Settings(home=folder, database_timeout=120)
    keys, house = read_keys(settings.keys_folder, PARTNERS), read_house(EXAMPLES / "house.toml")
    database = Database(database_url, Context(service=PARTNERS, settings=settings, house=house, keys=keys))
    await database.open()
    try:
        started = time.monotonic()
        report = await import_partners(database, file, dry_run=False)
        took = time.monotonic() - started
    finally:
        await database.close()
    assert not report.faults
    return {"lines": report.new, "seconds": took, "peak_mb": peak_megabytes()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(take_in(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))), flush=True)
