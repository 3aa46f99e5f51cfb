"""Three RabbitMQ nodes that are one broker, and before them what spreads connections over those that live."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from chassis.testing import LOOPBACK, Guardian, PrivateRabbitMQ, RawProxy, TestServerError, free_port

#: By which the nodes know that they belong together; it lives as long as the test.
_COOKIE = "conduit-test"


class Node(PrivateRabbitMQ):
    """One of several nodes: it shares the others' register of names, and their cookie."""

    def __init__(self, folder: Path | None, epmd_port: int) -> None:
        super().__init__(folder)
        self._shared_epmd_port = epmd_port
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(_COOKIE)
        cookie.chmod(0o400)

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "ERL_EPMD_PORT": str(self._shared_epmd_port)}

    def _command(self) -> list[str]:
        return ["/bin/sh", "-c", f'exec "{self._scripts / "rabbitmq-server"}" -noinput']

    def join(self, other: PrivateRabbitMQ) -> None:
        """Become one broker with another node, which keeps what it has."""
        self.control("stop_app")
        self.control("join_cluster", other.node)
        self.control("start_app")


class Cluster:
    """Three nodes; leaving the block removes them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._epmd_port = free_port()
        self.nodes = [Node(folder, self._epmd_port) for _ in range(3)]
        self._open = ExitStack()

    def __enter__(self) -> Self:
        epmd = shutil.which("epmd") or "/usr/bin/epmd"
        guardian = Guardian(self.nodes[0].directory)
        self._open.callback(guardian.close)
        guardian.spawn(
            [epmd, "-port", str(self._epmd_port), "-address", LOOPBACK],
            {},
            self.nodes[0].directory / "epmd.log",
        )
        for node in self.nodes:
            self._open.callback(node.close)
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(lambda node: node.start(), self.nodes))
            for node in self.nodes[1:]:
                node.join(self.nodes[0])
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def leaders(self, virtual_host: str) -> dict[str, str]:
        """Which node leads each queue."""
        alive = next(node for node in self.nodes if node.running)
        told = alive.control("list_queues", "-p", virtual_host, "name", "leader", "--no-table-headers")
        return dict(line.split("\t") for line in told.strip().splitlines())


class Balancer(RawProxy):
    """Gives each new connection to the next node that lives, as a service address or HAProxy does."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turns = count()
        super().__init__(cluster.nodes[0].port)

    @property
    def upstream(self) -> tuple[str, int]:
        for _ in self._cluster.nodes:
            node = self._cluster.nodes[next(self._turns) % len(self._cluster.nodes)]
            if node.running:
                return LOOPBACK, node.port
        raise TestServerError("no node lives")

    @upstream.setter
    def upstream(self, _: tuple[str, int]) -> None:
        """Where it goes is found out anew for each connection."""
