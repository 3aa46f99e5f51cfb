"""What earlier releases were, kept in the tree: what they said, what they asked, what their databases held.

Each has a folder that is named for its day and never edited:

- ``samples.json``: the golden sample of each fact, and ``shapes.json``: what its readers took.
- ``SERVICE.schema.sql`` and ``SERVICE.rows.sql.gz``: its databases, with the example in them.
- ``SERVICE.statements.sql``: every statement that its code runs.
- ``keys.json``: the keys that the example's rows are sealed with. They open nothing else.

Supported is whatever has a folder: from there one may upgrade to this code without a stop. A release stays
supported for a year after the next one; then its folder goes, and so may what was kept for its sake alone
(:mod:`tests.upgrade.contracted`). ``make snapshot`` adds the present one.
"""

import gzip
import json
import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg

RELEASES = Path(__file__).parent / "releases"

_HEAD = re.compile(r"^-- statement: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """One that is still supported, or is being kept."""

    folder: Path

    @property
    def day(self) -> date:
        return date.fromisoformat(self.folder.name)

    @cached_property
    def samples(self) -> dict[str, dict[str, Any]]:
        """What was said, by wire type."""
        return dict(self._json("samples"))

    @cached_property
    def shapes(self) -> dict[str, dict[str, Any]]:
        """What was understood, by wire type: see :mod:`contracts.shapes`."""
        return dict(self._json("shapes"))

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key files of the installation that the rows come from, by name."""
        return dict(self._json("keys"))

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def statements(self, service: str) -> dict[str, str]:
        """What the code of that day asked of a service's database, by file and name."""
        _, *parts = _HEAD.split((self.folder / f"{service}.statements.sql").read_text("utf-8"))
        return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))

    async def restore(self, service: str, url: str, owner_url: str = "") -> None:
        """Make of an empty database what a service had on that day.

        Args:
            url: of an administrator, who may enter rows in any order.
            owner_url: of the role that is to own the tables, where it is another one.
        """
        await _run(owner_url or url, (self.folder / f"{service}.schema.sql").read_text("utf-8"))
        rows = gzip.decompress((self.folder / f"{service}.rows.sql.gz").read_bytes()).decode()
        await _run(url, "SET session_replication_role = replica;" + rows)

    def write_keys(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700)
        for name, key in self.keys.items():
            (folder / name).write_text(key)


async def _run(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


#: The oldest first.
SUPPORTED = [Release(folder) for folder in sorted(RELEASES.iterdir())]
