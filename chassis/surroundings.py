"""What a process stands on: the disk of its installation, and the certificate that browsers are shown."""

import asyncio
import math
import shutil
import ssl
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509

from chassis import metrics
from chassis.background import Background
from chassis.config import Settings
from chassis.log import describe, logger

_log = logger(__name__)

#: Seconds that a server may take to show its certificate.
_PATIENCE = 10.0


class Surroundings:
    """Looks at them now and then, for the gauges of the process."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        address = urlsplit(settings.origin)
        self._host, self._port = address.hostname or "", address.port or 443
        self.turns = [Background("process", "disk", self.look_at_disk, pause=60, longest=10)]
        if settings.over_tls:
            metrics.CERTIFICATE_END.labels(self._host).set(math.inf)
            looking = Background("process", "certificate", self.look_at_certificate, pause=3600, longest=30)
            self.turns.append(looking)

    async def look_at_disk(self) -> None:
        """How much room there is, and how much is left."""
        usage = await asyncio.to_thread(shutil.disk_usage, self._home)
        metrics.DISK_FREE.set(usage.free)
        metrics.DISK_SIZE.set(usage.total)

    async def look_at_certificate(self) -> None:
        """When it ends, as far as it is to be seen from here: not every network leads back to itself."""
        try:
            end = await certificate_end(self._host, self._port, _whatever_it_is(), _PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            _log.info("certificate_not_seen", **describe(error))
            return
        metrics.CERTIFICATE_END.labels(self._host).set(end.timestamp())


async def certificate_end(host: str, port: int, context: ssl.SSLContext, patience: float) -> datetime:
    """When the certificate ends that a server shows.

    Args:
        context: says what must be right about it.
        patience: seconds that the server may take to show it.

    Raises:
        OSError: when the server cannot be reached or its certificate is wrong.
        TimeoutError: when it takes longer.
    """
    shown = await asyncio.wait_for(_shown_certificate(host, port, context), patience)
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


def _whatever_it_is() -> ssl.SSLContext:
    """Nothing but the certificate is taken from there."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _shown_certificate(host: str, port: int, context: ssl.SSLContext) -> bytes:
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()  # closing politely would last until the other side says goodbye
    if shown is None:
        raise ValueError("a server without a certificate")
    return shown
