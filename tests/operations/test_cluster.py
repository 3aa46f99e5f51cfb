"""A broker of three nodes: any of them may die under load, nothing is lost and the services go on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.testing import PrivatePostgres, RecordingMailServer, memory_folder
from contracts.topology import DEAD_LETTERS, INBOXES, SERVICES
from tests.conftest import virtual_host
from tests.faults.world import THREE_PROCESSES, Servers, World, eventually
from tests.operations.cluster import Balancer, Cluster, Node

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(memory_folder()) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres, cluster: Cluster
) -> Iterator[World]:
    first = cluster.nodes[0]
    with RecordingMailServer() as mail, Balancer(cluster) as balancer, virtual_host(first) as address:
        servers = Servers(
            postgres=postgres, rabbitmq=first, proxy=balancer, amqp_url=address, prefix="cluster"
        )
        world = World(tmp_path_factory.mktemp("cluster") / "home", THREE_PROCESSES, mail, servers)
        with world.alive():
            world.prepare()
            yield world


def test_any_node_dies_under_load_and_nothing_is_lost(world: World, cluster: Cluster) -> None:
    """One after the other: whoever leads the inboxes now, and then those that took over."""
    ends = world.ends()
    name = world.amqp_url.rpartition("/")[2]
    assert set(cluster.leaders(name)) == {*INBOXES.values(), *DEAD_LETTERS.values()}
    for node in cluster.nodes:
        dies_under_load(world, cluster, node)
    world.all_promises_are_kept()
    assert world.ends() == ends, "a process was restarted"


def dies_under_load(world: World, cluster: Cluster, node: Node) -> None:
    announced = world.relayed()
    with ThreadPoolExecutor() as threads:
        load = threads.submit(work_on, world)
        node.kill()
        load.result()
    eventually(lambda: world.relayed() > announced, lambda: "nothing moves with two nodes of three")
    assert world.pages() == dict.fromkeys(SERVICES, 200)
    eventually(lambda: not sum(map(world.pending, SERVICES)), lambda: "two nodes do not take everything")
    assert node.node not in cluster.leaders(world.amqp_url.rpartition("/")[2]).values()
    node.start()


def work_on(world: World) -> None:
    for _ in range(8):
        world.work()
