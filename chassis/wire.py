"""py-amqp on the wire, with fewer calls: by itself it reads frames part by part and writes one at a time.

Measured on a batch of 500 small events: a fifth of the processor time of publisher, broker and consumer
together. Both functions replace one callable of py-amqp's transport, and a test shows that they still do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import amqp
from amqp.transport import TCPTransport

#: Bytes asked of the socket at once. What is not used yet is copied for each part of a frame, so: not many.
_READ = 8 * 1024
#: Bytes written at once.
_WRITE = 64 * 1024


def read_ahead(connection: amqp.Connection) -> None:
    """Take from the socket what is there; py-amqp keeps what it does not use yet. TLS does that by itself."""
    transport = connection.transport
    if isinstance(transport, TCPTransport):
        receive = transport.sock.recv
        transport._quick_recv = lambda _wanted: receive(_READ)


@contextmanager
def writing_together(connection: amqp.Connection) -> Iterator[None]:
    """What is written within the block leaves in few pieces, the last at its end; not when it raises."""
    transport = connection.transport
    pending = _Pending(transport._write)
    transport._write = pending.add
    try:
        yield
    finally:
        transport._write = pending.send
    pending.flush()


class _Pending:
    """Bytes on their way to the socket."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes | memoryview) -> None:
        # A copy, because py-amqp writes the next frame into the same memory.
        self._parts.append(bytes(part))
        self._size += len(part)
        if self._size >= _WRITE:
            self.flush()

    def flush(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts:
            self.send(b"".join(parts))
