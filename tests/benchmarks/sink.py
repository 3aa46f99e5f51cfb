"""An SMTP server that accepts everything and keeps nothing. It says its port and serves until it is ended.

It stands for another machine, so it takes as little of this one's time as it can: it reads no address and no
message, and looks for nothing but the end of each line and of each text (RFC 5321).
"""

import asyncio

from chassis.testing import LOOPBACK

_END = b"\r\n.\r\n"
_GREETING = b"250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
_ANSWERS = {b"EHLO": _GREETING, b"DATA": b"354 Go on\r\n", b"QUIT": b"221 Goodbye\r\n"}


class _Accept(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._unread = b""
        self._in_text = False
        transport.write(b"220 mail.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while self._text_ended() if self._in_text else self._command_ended():
            pass

    def _text_ended(self) -> bool:
        text, end, rest = self._unread.partition(_END)
        self._unread = rest if end else text[-len(_END) :]
        self._in_text = not end
        if end:
            self._transport.write(b"250 OK\r\n")
        return bool(end)

    def _command_ended(self) -> bool:
        line, end, rest = self._unread.partition(b"\r\n")
        if not end:
            return False
        self._unread = rest
        word = line[:4].upper()
        self._in_text = word == b"DATA"
        self._transport.write(_ANSWERS.get(word, b"250 OK\r\n"))
        if word == b"QUIT":
            self._transport.close()
        return True


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Accept, LOOPBACK, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
