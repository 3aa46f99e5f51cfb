"""Imports: organisations by CSV, checked, compared, written, announced, beside ``COPY`` of the same rows."""

import asyncio
import csv
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg

from chassis.keys import create_keys
from chassis.migrations import migrate
from contracts.topology import PARTNERS, SERVICES
from services.installation import EXAMPLES, migrations_of
from tests.benchmarks.servers import DurablePostgres, execute, line_from, program

#: Organisations in a file; the last one gives the speed, both together what memory does.
SIZES = (10_000, 100_000)

_COPIED = ("identifier", "name", "kinds", "areas", "closeness")


def measure() -> dict[str, Any]:
    """Organisations a second by either, the share, and megabytes at the peak of the import by size."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
        postgres = stack.enter_context(DurablePostgres())
        create_keys(folder / "keys", SERVICES)
        imported = {size: _imported(folder, postgres, size) for size in SIZES}
        copied = _copied(folder, postgres, SIZES[-1])
    ours = imported[SIZES[-1]]["lines"] / imported[SIZES[-1]]["seconds"]
    return {
        "conduit_per_s": round(ours),
        "copy_per_s": round(copied),
        "share_of_copy": round(ours / copied, 3),
        "peak_mb": {str(size): imported[size]["peak_mb"] for size in SIZES},
    }


def written(folder: Path, size: int) -> Path:
    """A file with so many organisations."""
    path = folder / f"{size}.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        opened.write((EXAMPLES / "partners.csv").read_text("utf-8").splitlines()[0] + "\n")
        csv.writer(opened).writerows(
            [f"CONDUIT-{number}", f"Body {number}", "library", "E09000020", "contact", *([""] * 12)]
            for number in range(size)
        )
    return path


def _imported(folder: Path, postgres: DurablePostgres, size: int) -> dict[str, float]:
    database = f"partners_{size}"
    execute(postgres.url, f"CREATE DATABASE {database}")
    url = postgres.database_url(database)
    migrate(url, migrations_of(PARTNERS))
    with program("tests.benchmarks.importer", str(folder), url, str(written(folder, size))) as importer:
        figures: dict[str, float] = json.loads(line_from(importer))
    assert figures["lines"] == size
    return figures


def _copied(folder: Path, postgres: DurablePostgres, size: int) -> float:
    """Rows a second by ``COPY`` from the same file, into the same columns with the same keys."""
    path, columns = written(folder, size), ", ".join(f"{name} text" for name in _COPIED)
    execute(postgres.url, f"CREATE TABLE copied (id serial PRIMARY KEY, {columns}, UNIQUE (identifier))")

    async def copy() -> None:
        connection = await asyncpg.connect(postgres.url)
        try:
            with path.open(encoding="utf-8", newline="") as opened:
                rows = [tuple(row[name] for name in _COPIED) for row in csv.DictReader(opened)]
            await connection.copy_records_to_table("copied", records=rows, columns=_COPIED)
        finally:
            await connection.close()

    started = time.monotonic()
    asyncio.run(copy())
    return size / (time.monotonic() - started)
