"""Worlds to be disturbed. ``ROUNDS=20`` in the environment repeats every fault so often (``make faults``)."""

import os
from collections.abc import Iterator

import pytest

from chassis.testing import PrivatePostgres, RecordingMailServer
from tests.faults.world import ONE_PROCESS, THREE_PROCESSES, World

ROUNDS = int(os.environ.get("ROUNDS", "1"))


@pytest.fixture(params=range(1, ROUNDS + 1), ids="round {}".format, autouse=True)
def round_number(request: pytest.FixtureRequest) -> int:
    """Which time this is."""
    return int(request.param)


@pytest.fixture(scope="module", params=["one process", "three processes"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All services in one process on the embedded PostgreSQL; or one each, on RabbitMQ and PostgreSQL."""
    groups, servers = ONE_PROCESS, {}
    if request.param == "three processes":
        groups, postgres = THREE_PROCESSES, request.getfixturevalue("postgres")
        assert isinstance(postgres, PrivatePostgres)
        servers = {
            "CONDUIT_DATABASE_URL": postgres.url,
            "CONDUIT_DATABASE_PREFIX": "faults",
            "CONDUIT_AMQP_URL": request.getfixturevalue("module_broker"),
        }
    with RecordingMailServer() as mail:
        made = World(tmp_path_factory.mktemp("world") / "home", groups, mail, servers)
        with made.alive():
            made.prepare()
            yield made
