"""Two processes of one service share its work: no ring of waiting, nothing twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.topology import NOTIFICATIONS, PARTNERS
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(400)

#: Transactions that PostgreSQL had to end because they waited for each other in a ring.
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

#: Batches that a process has taken in.
_BATCHES = f'conduit_event_batch_seconds_count{{service="{NOTIFICATIONS}"}}'


def enlarge_again_and_again(world: World) -> None:
    for _ in range(3):
        world.enlarge(1_500)


def test_two_replicas_under_load_neither_deadlock_nor_double(three_processes: World) -> None:
    world = three_processes
    before = world.select(NOTIFICATIONS, _DEADLOCKS)
    with world.replica(NOTIFICATIONS) as second, ThreadPoolExecutor() as threads:
        importing = threads.submit(enlarge_again_and_again, world)
        while not importing.done():
            world.send(world.begin_campaign())
        importing.result()
        eventually(lambda: world.pending(PARTNERS) == 0, lambda: "events stay in the outbox")
        world.all_promises_are_kept()
        shares = [world.metric_of(process, _BATCHES) for process in (world.running[NOTIFICATIONS], second)]
    assert min(shares) > 0, "one of the two did nothing"
    assert world.select(NOTIFICATIONS, _DEADLOCKS) == before
