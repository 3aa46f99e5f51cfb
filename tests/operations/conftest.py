"""Three running services to be looked at: by Prometheus, by a collector of traces, by a person."""

from collections.abc import Iterator

import pytest

from chassis.testing import LOOPBACK, PrivatePostgres, PrivateRabbitMQ, RawProxy, RecordingMailServer
from contracts.topology import GRANTS, SERVICES
from tests.certificates import Certificate, in_front_of
from tests.conftest import virtual_host
from tests.faults.world import THREE_PROCESSES, Servers, World
from tests.operations.collecting import Collector, collector


@pytest.fixture(scope="package")
def collected() -> Iterator[Collector]:
    """Where the services of the world send their traces."""
    with collector() as found:
        yield found


@pytest.fixture(scope="package")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PrivatePostgres,
    rabbitmq: PrivateRabbitMQ,
    collected: Collector,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("watched")
    with (
        RecordingMailServer() as mail,
        RawProxy(rabbitmq.port) as proxy,
        virtual_host(rabbitmq) as address,
        in_front_of(0, Certificate.write(folder, LOOPBACK)) as https,
    ):
        servers = Servers(
            postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address, prefix="watched"
        )
        own = {service: {"CONDUIT_OTLP_URL": collected.url} for service in SERVICES}
        own[GRANTS] |= {"CONDUIT_PUBLIC_URL": f"https://{LOOPBACK}:{https}"}
        world = World(folder / "home", THREE_PROCESSES, mail, servers, own)
        with world.alive():
            world.prepare()
            yield world
