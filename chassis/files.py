"""Files that people gave us, kept in the database in parts: none needs memory for the whole of it."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat

from chassis.database import Database, Transaction
from chassis.outbox import QUERIES

#: Bytes that are read, kept and given out together.
PART = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """What is known of a file beside its content."""

    id: UUID
    name: str
    media_type: str
    #: Bytes.
    size: int
    #: SHA-256 of the content.
    digest: bytes

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The file in a row of the table."""
        return cls(**{name: row[name] for name in ("id", "name", "media_type", "size", "digest")})


async def keep_file(
    tx: Transaction, *, name: str, media_type: str, content: AsyncIterator[bytes]
) -> StoredFile:
    """Keep a file. It goes with the transaction if that is undone.

    Args:
        content: in parts of any length.
    """
    id, size, digest = uuid_utils.compat.uuid7(), 0, hashlib.sha256()
    await QUERIES.enter_file(tx, id=id, name=name, media_type=media_type, now=tx.now)
    number = 0
    async for part in content:
        size += len(part)
        digest.update(part)
        await QUERIES.enter_file_part(tx, file_id=id, number=number, content=part)
        number += 1
    await QUERIES.complete_file(tx, id=id, size=size, digest=digest.digest())
    return StoredFile(id=id, name=name, media_type=media_type, size=size, digest=digest.digest())


async def stored_file(tx: Transaction, id: UUID) -> StoredFile | None:
    """What is known of a file; nothing when there is none, or no longer."""
    row = await QUERIES.file_by_id(tx, id=id)
    return StoredFile.of(row) if row else None


async def file_parts(database: Database, id: UUID) -> AsyncIterator[bytes]:
    """The content of a file, each part read by itself: no transaction lasts while a browser reads."""
    number = 0
    while True:
        async with database.reading() as tx:
            part = await QUERIES.file_part(tx, file_id=id, number=number)
        if part is None:
            return
        yield bytes(part)
        number += 1


@asynccontextmanager
async def on_disk(database: Database, id: UUID) -> AsyncIterator[tuple[Path, int]]:
    """A kept file where it can be read twice, and how many line breaks it has."""
    breaks = 0
    with tempfile.NamedTemporaryFile(prefix="conduit-file-") as copy:
        async for part in file_parts(database, id):
            breaks += part.count(b"\n")
            await asyncio.to_thread(copy.write, part)
        copy.flush()
        yield Path(copy.name), breaks


async def file_content(tx: Transaction, id: UUID) -> bytes:
    """All of a file at once: only where it is known to be small."""
    content = bytearray()
    number = 0
    while (part := await QUERIES.file_part(tx, file_id=id, number=number)) is not None:
        content += part
        number += 1
    return bytes(content)


async def drop_files(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Let go of files, content and all."""
    await QUERIES.drop_files(tx, ids=list(ids))
