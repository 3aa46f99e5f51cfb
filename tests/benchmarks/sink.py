"""An SMTP server that accepts everything and keeps nothing. It says its port and serves until it is ended."""

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis.testing import LOOPBACK


class _Accept:
    """The name of the hook is aiosmtpd's."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        return "250 OK"


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(_Accept(), hostname="mail.example", enable_SMTPUTF8=True, loop=loop), LOOPBACK, 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
