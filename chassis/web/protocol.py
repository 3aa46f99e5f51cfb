"""HTTP/1.1 as uvicorn speaks it, also with those who send what is no HTTP."""

import logging
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: uvicorn warns of each request that is no HTTP, which anybody can send at will. This alone is news.
_FOR_US = "Exceeded concurrency limit."

#: Seconds for which a server that stops still waits for the rest of a body: less than what is answered has.
_LAST_WAIT = 2

_log = logging.getLogger("uvicorn.error.protocol")
_log.addFilter(lambda record: record.levelno > logging.WARNING or record.msg == _FOR_US)


class Protocol(H11Protocol):
    """Where a body breaks off in what is no HTTP, whoever answers the request hears that nobody reads on.

    uvicorn would say "400" beside that answer, or in the midst of it, and fail in one of both. When the
    server stops, a body that does not come is not waited for.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.logger = _log

    def shutdown(self) -> None:
        """End the connection, at once or after what is being answered; but wait for no body much longer."""
        super().shutdown()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(_LAST_WAIT, self._give_up)

    def _give_up(self) -> None:
        """As if the connection were lost: uvicorn would cancel whoever reads it, and call that a fault."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Say that it is no HTTP, unless something else was said; and end the connection."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
