"""Worlds to be disturbed. ``ROUNDS=20`` in the environment repeats every fault so often (``make faults``)."""

import os
from collections.abc import Iterator

import pytest

from chassis.testing import PrivatePostgres, PrivateRabbitMQ, RawProxy, RecordingMailServer
from tests.conftest import folder_of_its_own, virtual_host
from tests.faults.world import ONE_PROCESS, THREE_PROCESSES, Servers, World

ROUNDS = int(os.environ.get("ROUNDS", "1"))


@pytest.fixture(params=range(1, ROUNDS + 1), ids="round {}".format, autouse=True)
def round_number(request: pytest.FixtureRequest) -> int:
    """Which time this is."""
    return int(request.param)


@pytest.fixture(scope="package")
def one_process() -> Iterator[World]:
    """All services in one process, on the embedded PostgreSQL."""
    with RecordingMailServer() as mail, folder_of_its_own() as folder:
        world = World(folder / "home", ONE_PROCESS, mail)
        with world.alive():
            world.prepare()
            yield world


@pytest.fixture(scope="package")
def three_processes(
    tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ
) -> Iterator[World]:
    """A process for each service, on RabbitMQ and PostgreSQL."""
    with RecordingMailServer() as mail, RawProxy(rabbitmq.port) as proxy, virtual_host(rabbitmq) as address:
        servers = Servers(postgres=postgres, rabbitmq=rabbitmq, proxy=proxy, amqp_url=address)
        world = World(tmp_path_factory.mktemp("three") / "home", THREE_PROCESSES, mail, servers)
        with world.alive():
            world.prepare()
            yield world


@pytest.fixture(params=["one_process", "three_processes"], ids=["one process", "three processes"])
def world(request: pytest.FixtureRequest) -> World:
    """Either world."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, World)
    return found
