"""A collector that takes every trace and keeps none. It says its port, and when it first took something."""

import asyncio
import re

from chassis.testing import LOOPBACK

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


async def serve() -> None:
    told = False

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        length = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
        assert length
        await reader.readexactly(int(length[1]))
        writer.write(_TAKEN)
        await writer.drain()
        writer.close()
        if not told:
            told = True
            print("taken", flush=True)

    server = await asyncio.start_server(take, LOOPBACK, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
