"""How many requests one computer may send: some at once, and so many a minute.

It is counted in the memory of each process, because looking at a page writes nothing. What must not be
guessed or asked for too often is counted elsewhere, in a database, and much lower.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from time import monotonic

from chassis.config import is_loopback

#: Computers that are remembered; whoever sent last longest ago is forgotten first.
_MOST = 10_000


class Pace:
    """A bucket for each source, which a minute fills from empty.

    This computer itself is let through: whoever is on it may do worse.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        #: By source: what was left in the bucket, and when.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, host: str) -> bool:
        """Whether one more request of this computer may come in. Counts it if so."""
        if is_loopback(host):
            return True
        source, now = source_of(host), self._clock()
        left, at = self._buckets.pop(source, (float(self._a_minute), now))
        left = min(left + (now - at) * self._a_minute / 60, self._a_minute)
        admitted = left >= 1
        self._buckets[source] = (left - admitted, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return admitted


def source_of(host: str) -> str:
    """The computer that asks; of version 6 addresses the network, because each computer has many."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network(f"{address}/64", strict=False)) if address.version == 6 else host
