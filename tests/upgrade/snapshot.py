"""Keep what this release is, so that later ones are held to it: ``python -m tests.upgrade.snapshot DAY``.

The example is loaded into a throwaway installation and its databases are dumped.
"""

import asyncio
import gzip
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
from nacl.encoding import HexEncoder
from nacl.public import PublicKey, SealedBox

from chassis.config import Settings
from chassis.embedded import installed_programs
from contracts.catalogue import FACTS, sample_file, shapes
from contracts.envelope import Fact, Sealed
from contracts.shapes import Shape, fields_of
from contracts.topology import GRANTS, SERVICES
from services.installation import Installation
from tests.journeys.running import Running
from tests.statements import statements_of
from tests.upgrade.releases import RELEASES

#: Rows that say the same again and again: what was published and heard, and most of a long list.
_TRIM = {
    GRANTS: "DELETE FROM registrations WHERE id NOT IN (SELECT id FROM registrations ORDER BY id LIMIT 100);",
}
_TRIM_EVERYWHERE = """
DELETE FROM outbox WHERE published_at IS NOT NULL AND id NOT IN
    (SELECT DISTINCT ON (type) id FROM outbox ORDER BY type, recorded_at DESC, id);
"""

#: Of the roles in PostgreSQL: each installation makes its own.
_PASSWORDS = {".database", ".owner"}

#: What stands in sealed parts.
_TEXTS = {
    "email": "sam@body.example",
    "link": f"https://forum.example/partners/sign-in/{'a' * 32}",
    "content": "U2Ft",  # of a file: base64
}
_VALUES: dict[str, Any] = {
    "whole number": 1,
    "uuid": "0134c1e9-0100-7a11-8a6f-3a1f6f3d2b10",
    "date": "2012-01-09",
    "moment": "2012-01-09T10:00:00Z",
    "yes or no": True,
}


def keep(folder: Path) -> None:
    """Write everything into a new folder."""
    folder.mkdir(parents=True)
    _write(folder / "shapes.json", shapes())
    for service in SERVICES:
        kept = [f"-- statement: {name}\n{sql.strip()}\n" for name, sql in statements_of(service).items()]
        (folder / f"{service}.statements.sql").write_text("\n".join(kept), "utf-8")
    with TemporaryDirectory() as place:
        home = Path(place) / "home"
        with Running(home, "--example") as example:
            example.wait_for_words("Later: ask for a link")
            for service, url in Installation(Settings(home=home)).urls().items():
                asyncio.run(_trim(service, url))
                _dump(service, url, folder)
        kept_keys = [path for path in sorted((home / "keys").iterdir()) if path.suffix not in _PASSWORDS]
        _write(folder / "keys.json", {path.name: path.read_text() for path in kept_keys})
        _write(
            folder / "samples.json", {type_: _sample(fact, home / "keys") for type_, fact in FACTS.items()}
        )


def _sample(fact: type[Fact], keys: Path) -> dict[str, Any]:
    """The golden sample, with sealed parts that these keys open."""
    sample: dict[str, Any] = json.loads(sample_file(fact).read_bytes())
    for name, field in fact().fields.items():
        if isinstance(field, Sealed) and sample["data"].get(name) is not None:
            part = {each: _invented(each, shape) for each, shape in fields_of(field.part()).items()}
            field.inside.load(part)
            box = SealedBox(PublicKey((keys / f"{field.to}.public").read_bytes(), HexEncoder))
            sample["data"][name] = b64encode(box.encrypt(json.dumps(part).encode())).decode()
    return sample


def _invented(name: str, shape: Shape) -> Any:
    """A value that a field takes."""
    if "values" in shape:
        return shape["values"][0]
    if shape["kind"] == "list":
        return [_invented(name, shape["items"])]
    if shape["kind"] == "text":
        least, most = shape.get("length", (0, None))
        return _TEXTS.get(name, "Sam").ljust(least or 0, "x")[:most]
    return _VALUES[shape["kind"]]


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n", "utf-8")


async def _trim(service: str, url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TRIM_EVERYWHERE + _TRIM.get(service, ""))
    finally:
        await connection.close()


def _dump(service: str, url: str, folder: Path) -> None:
    schema = _dumped(url, "--schema-only")
    (folder / f"{service}.schema.sql").write_text(schema, "utf-8")
    rows = _dumped(url, "--data-only", "--inserts", "--rows-per-insert=100")
    (folder / f"{service}.rows.sql.gz").write_bytes(gzip.compress(rows.encode(), mtime=0))


def _dumped(url: str, *arguments: str) -> str:
    """What the database says of itself, without what only ``psql`` understands."""
    command: list[str | Path] = [
        installed_programs()[0]["pg_dump"],
        "--no-owner",
        "--no-privileges",
        f"--dbname={url}",
        *arguments,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith(("\\", "--")))


def main(arguments: Sequence[str]) -> int:
    """Keep the release of a day, or say why that cannot be."""
    try:
        [day] = map(date.fromisoformat, arguments)
    except ValueError:
        print("usage: python -m tests.upgrade.snapshot 2026-12-31", file=sys.stderr)
        return 2
    folder = RELEASES / day.isoformat()
    if folder.exists():
        print(f"{folder} is there already, and what was released is never edited", file=sys.stderr)
        return 1
    keep(folder)
    print(f"kept {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
