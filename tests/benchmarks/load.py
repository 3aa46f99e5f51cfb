"""So many users at once who ask for one page after the other, over connections that stay open."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

USERS = 20

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def load(
    port: int, paths: Sequence[str], headers: str, seconds: float, users: int = USERS
) -> list[float]:
    """Let the users ask for so many seconds, each for other pages. The seconds that each answer took."""
    until = time.perf_counter() + seconds
    theirs = [islice(cycle(paths), number * len(paths) // users, None) for number in range(users)]
    waits = await asyncio.gather(*(_user(port, asked, headers, until) for asked in theirs))
    return [took for each in waits for took in each]


async def _user(port: int, paths: Iterator[str], headers: str, until: float) -> list[float]:
    waits: list[float] = []
    connection: Connection | None = None
    while (started := time.perf_counter()) < until:
        connection, body = await ask(port, next(paths), headers, connection)
        waits.append(time.perf_counter() - started)
        assert body
    if connection is not None:
        connection[1].close()
    return waits


async def ask(
    port: int, path: str, headers: str, connection: Connection | None = None
) -> tuple[Connection | None, bytes]:
    """One page. The connection, unless the server closes it, and the body."""
    reader, writer = connection or await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), f"{path}: {head!r}"
    length = _LENGTH.search(head)
    assert length, head
    body = await reader.readexactly(int(length[1]))
    if not _CLOSES.search(head):
        return (reader, writer), body
    writer.close()
    return None, body
