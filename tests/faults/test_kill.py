"""``kill -9`` at named places: nothing is lost, nothing is doubled, and nobody restarts anything by hand.

After each death the supervisor brings the process back; once everything is quiet, the one checker looks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from contracts.topology import NOTIFICATIONS, SERVICES
from tests.faults.world import PATIENCE, World, eventually

pytestmark = pytest.mark.timeout(400)

#: Where, and whose process. In the world of one process the first that gets there takes the others with it.
KILLS = [
    ("announce.before_commit", [NOTIFICATIONS]),
    ("relay.claimed", SERVICES),
    ("relay.published", SERVICES),
    ("inbox.before_commit", SERVICES),
    ("inbox.committed", SERVICES),
]


def came_back(world: World, orders: Mapping[str, Sequence[str]], before: Mapping[str, int]) -> None:
    """Each process was killed wherever it was to be, and its supervisor has started it again.

    Args:
        orders: the places, by service.
        before: how often each was killed before.
    """
    [first, *_] = orders
    eventually(lambda: world.died(*orders), lambda: f"never got there: {world.log(first)[-2000:]}")
    killed = {world.running[service]: (service, len(places)) for service, places in orders.items()}
    for process, (service, times) in killed.items():
        eventually(
            lambda service=service, times=times: world.deaths(service) == before[service] + times,  # type: ignore[misc]
            lambda service=service: f"{service} was killed {world.deaths(service)} times",  # type: ignore[misc]
        )
        process.wait_until_ready(PATIENCE)


def deaths(world: World) -> dict[str, int]:
    return {service: world.deaths(service) for service in SERVICES}


@pytest.mark.parametrize(("place", "services"), KILLS, ids=[place for place, _ in KILLS])
def test_a_service_killed_at_work_loses_and_doubles_nothing(
    world: World, place: str, services: Sequence[str]
) -> None:
    before, orders = deaths(world), dict.fromkeys(services, (place,))
    world.order(orders)
    world.work()
    came_back(world, orders, before)
    world.all_promises_are_kept()


@pytest.mark.parametrize("kind", ["letters", "chasers"])
def test_what_a_killed_sender_had_in_its_hands_is_unknown_and_never_goes_twice(
    world: World, kind: str
) -> None:
    """When it has claimed one, when the next stands in the ledger, and when one was just accepted.

    What it was only making goes by itself.
    """
    whole, campaigns = 0, []
    for place in ("mail.made", "mail.claimed", "mail.entered", "mail.handed_over"):
        campaigns.append(world.begin_campaign())
        if kind == "chasers":
            world.sends(campaigns[-1])
        before, orders = deaths(world), {NOTIFICATIONS: [place]}
        world.order(orders)
        whole += (world.send if kind == "letters" else world.chase)(campaigns[-1])
        came_back(world, orders, before)

    def became() -> Counter[str]:
        return sum((world.outgoing(kind, campaign) for campaign in campaigns), Counter())

    eventually(lambda: "ready" not in became(), lambda: f"{kind} stay behind")
    world.an_hour_goes_by()
    eventually(lambda: set(became()) <= {"sent", "unknown"}, lambda: f"{kind} stay claimed")
    world.all_promises_are_kept()
    assert became().total() == whole
    assert became()["unknown"] >= 3
