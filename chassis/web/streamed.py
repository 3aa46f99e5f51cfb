"""Answers that are made part by part, and no further once nobody reads them."""

from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Streamed(StreamingResponse):
    """An answer that is made part by part, until nobody reads it any more.

    Starlette would cancel whoever makes the parts, and again at each step after that: also at the end of the
    transaction that they are in, so that its connection goes back to the pool in the midst of it. Here a part
    that was begun is finished, and no other is begun.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = Request(scope, receive)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self.body_iterator) as parts:  # type: ignore[type-var]  # a generator, all of them
            async for part in parts:
                # By this the loop also hears of a loss, so that no more is written after it.
                if await reader.is_disconnected():
                    return
                content = part.encode(self.charset) if isinstance(part, str) else part
                await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
