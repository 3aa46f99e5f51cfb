"""``kill -9`` at named places: nothing is lost, nothing is doubled, and nobody restarts anything by hand.

After each death the supervisor brings the process back; once everything is quiet, the one checker looks.
"""

from collections.abc import Sequence

import pytest

from contracts.topology import NOTIFICATIONS, SERVICES
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(240)

#: Where, and whose process. In the world of one process the first that gets there takes the others with it.
KILLS = [
    ("announce.before_commit", [NOTIFICATIONS]),
    ("relay.claimed", SERVICES),
    ("relay.published", SERVICES),
    ("inbox.before_commit", SERVICES),
    ("inbox.committed", SERVICES),
]


def came_back(world: World, services: Sequence[str], deaths: int, times: int = 1) -> None:
    """Each process was killed where it was to be, and its supervisor has started it again."""
    eventually(lambda: world.died(*services), lambda: f"never got there: {world.log(services[0])[-2000:]}")
    processes = {world.running[service]: service for service in services}
    for process, service in processes.items():
        process.wait_until_ready()
        assert '"status": -9' in world.log(service)
    assert sum(map(world.deaths, processes.values())) == deaths + times * len(processes)


def deaths_of(world: World, services: Sequence[str]) -> int:
    return sum(world.deaths(service) for service in {world.running[s]: s for s in services}.values())


@pytest.mark.parametrize(("place", "services"), KILLS, ids=[place for place, _ in KILLS])
def test_a_service_killed_at_work_loses_and_doubles_nothing(
    world: World, place: str, services: Sequence[str]
) -> None:
    before = deaths_of(world, services)
    world.order([place], *services)
    world.work()
    came_back(world, services, before)
    world.all_promises_are_kept()


def test_a_letter_whose_sender_was_killed_is_unknown_and_never_goes_twice(world: World) -> None:
    """Once when it has claimed a letter, and the next one when the mail server has just accepted one."""
    campaign = world.begin_campaign()
    before = deaths_of(world, [NOTIFICATIONS])
    world.order(["mail.claimed", "mail.handed_over"], NOTIFICATIONS)
    whole = world.send(campaign)
    came_back(world, [NOTIFICATIONS], before, times=2)
    eventually(lambda: "ready" not in world.letters(campaign), lambda: "letters stay behind")
    an_hour_goes_by(world)
    eventually(lambda: set(world.letters(campaign)) <= {"sent", "unknown"}, lambda: "letters stay claimed")
    world.all_promises_are_kept()
    letters = world.letters(campaign)
    assert sum(letters.values()) == whole
    assert letters["unknown"] >= 2


def an_hour_goes_by(world: World) -> None:
    """For the claims of lost senders: longer than any sender that lives works on one letter."""

    world.select(
        NOTIFICATIONS,
        "UPDATE letters SET claimed_at = claimed_at - interval '1 hour' WHERE state = 'sending'",
    )
