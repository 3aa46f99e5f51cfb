"""Looking at a meeting as a browser does that follows it, and what it is sent by each thing that happens."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

from chassis.access import Person
from chassis.gathering import Gathered
from chassis.web.access import session_name
from chassis.web.stream import STOPPING
from tests.access import token
from tests.grants.worlds import World

#: Sent by time alone, so that nobody learns anything from it.
_STILL_HERE = b": still here\n\n"

Answer = tuple[int, tuple[tuple[str, str], ...], bytes]


class Counting(Gathered[Any, Any]):
    """What stands for what each viewer sees, with how often it was looked up for them."""

    def __init__(self, marks: Gathered[Any, Any]) -> None:
        super().__init__(marks._ask)
        self.looked: Counter[Any] = Counter()
        self._turned = asyncio.Event()

    async def get(self, key: Any) -> Any:
        found = await super().get(key)
        self.looked[key] += 1
        self._turned.set()
        return found

    async def turn(self) -> None:
        """Wait until it is looked up for somebody."""
        self._turned.clear()
        await self._turned.wait()


class Stream:
    """One answer that does not end."""

    def __init__(self) -> None:
        self.head: tuple[int, tuple[tuple[str, str], ...]] = (0, ())
        self.sent: list[bytes] = []
        self.stopping = asyncio.Event()
        self.begun = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.stopping.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = tuple((name.decode(), value.decode()) for name, value in message["headers"])
            self.head = message["status"], headers
        elif message["body"] != _STILL_HERE:
            self.sent.append(message["body"])
            self.begun.set()


@asynccontextmanager
async def following(world: World, viewer: Person, address: str) -> AsyncIterator[Stream]:
    """Somebody looks at an address until they are told not to any more."""
    stream, settings = Stream(), world.grants.context.settings
    made = token(settings.keys_folder, viewer, now=world.grants.context.clock.now())
    cookie = f"{session_name(settings)}={made}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": address,
        "raw_path": address.encode(),
        "root_path": "/grants",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookie.encode())],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 123),
        STOPPING: stream.stopping,
    }
    task = asyncio.ensure_future(world.app(scope, stream.receive, stream.send))  # type: ignore[arg-type]
    begun = asyncio.ensure_future(stream.begun.wait())
    try:
        await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
        yield stream
    finally:
        begun.cancel()
        stream.stopping.set()
        await task


async def a_glance(world: World, viewer: Person, address: str) -> Answer:
    """What they get who look and go away."""
    async with following(world, viewer, address) as stream:
        pass
    return (*stream.head, b"".join(stream.sent))


class Following:
    """A member who follows every meeting that there is for them."""

    def __init__(self, world: World, viewer: Person, streams: AsyncExitStack) -> None:
        self._world, self._viewer, self._streams = world, viewer, streams
        self._open: dict[UUID, Stream] = {}
        world.app.state.watching = Counting(world.app.state.watching)

    async def sent(self, meetings: Sequence[UUID]) -> list[Any]:
        """What they were sent since they were asked last, by meeting.

        Args:
            meetings: all there are anywhere. What was not there for them before is tried again.
        """
        await self._settled()
        found: list[Any] = []
        for meeting in meetings:
            if meeting not in self._open:
                address = f"/grants/attend/{meeting}/changes"
                stream = await self._streams.enter_async_context(
                    following(self._world, self._viewer, address)
                )
                if stream.head[0] == 200:
                    self._open[meeting] = stream
                found.append((stream.head, b"".join(stream.sent)))
                stream.sent.clear()
                continue
            stream = self._open[meeting]
            found.append(list(stream.sent))
            stream.sent.clear()
        return found

    async def _settled(self) -> None:
        """Wait until each has compared after what happened: perhaps it was at it, so it is twice."""
        counting = self._world.app.state.watching
        looked = counting.looked
        for _ in range(2):
            before = {meeting: looked[meeting, self._viewer.id] for meeting in self._open}
            async with self._world.grants.transaction() as tx:
                await tx.execute("SELECT pg_notify('live', 'meetings')")
            while any(looked[meeting, self._viewer.id] == count for meeting, count in before.items()):
                await counting.turn()
