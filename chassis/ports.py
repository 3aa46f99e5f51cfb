"""The ports of a process: for its pages, and for its metrics. One that is taken is said with the way out."""

import errno
import socket

from chassis.config import Settings
from chassis.errors import ChassisError

#: Beside a port is often another one of ours: make run takes two.
_FAR = 10


class PortTaken(ChassisError):
    """Another program listens on the port, or it may not be used. Says which and what to do."""


def listen_to_all(settings: Settings) -> list[socket.socket]:
    """Sockets that listen: for pages, and for metrics unless there are none. All or none.

    Raises:
        PortTaken: names the port.
    """
    listening = [_listen(settings.host, settings.port, "CONDUIT", "--port")]
    if settings.metrics_port:
        try:
            where = settings.metrics_host, settings.metrics_port
            listening.append(_listen(*where, "CONDUIT_METRICS", "--metrics-port"))
        except PortTaken:
            listening[0].close()
            raise
    return listening


def refuse_taken(settings: Settings) -> None:
    """Say at once that a port is taken, before anything that lasts.

    Raises:
        PortTaken: names the port.
    """
    for listening in listen_to_all(settings):
        listening.close()


def _listen(host: str, port: int, settings: str, option: str) -> socket.socket:
    """A listening socket: who connects before the server runs waits a moment instead of being refused.

    What is accepted on it sends at once, as on the sockets that asyncio opens itself. Otherwise the end of
    an answer waits for the other side to confirm its beginning, which takes 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    another = port + _FAR if port + _FAR < 65_536 else port - _FAR
    named = f"or where you have named it: {option}, or PORT= with make run"
    cure = f"Choose another one: {settings}_PORT={another}, {named}."
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"Port {port} is taken. {cure}") from None
        if error.errno == errno.EACCES:
            raise PortTaken(f"Port {port} needs rights that this user does not have. {cure}") from None
        message = f"Nothing can be served at {host}: this computer has no such address. Set {settings}_HOST."
        raise PortTaken(message) from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
