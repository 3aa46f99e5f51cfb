"""Ops looks after messages while live traffic runs: copies end right, and no reaction comes a second time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from services.copies import COPIES
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(120)


def test_a_damaged_copy_is_rebuilt_while_everything_goes_on(world: World) -> None:
    world.all_promises_are_kept()
    letters = len(world.mail.messages)
    timeline = world.select(PARTNERS, "SELECT count(*) FROM timeline")
    world.select(NOTIFICATIONS, "UPDATE organisations SET name = 'damaged', closed_on = NULL")
    world.select(NOTIFICATIONS, "UPDATE contacts SET email = 'damaged@trust.example'")
    world.select(NOTIFICATIONS, "UPDATE registration_counts SET count = 0")
    world.select(GRANTS, "UPDATE organisations SET name = 'damaged'")
    with ThreadPoolExecutor() as threads:
        replaying = threads.submit(replay_everything, world)
        while not replaying.done():
            world.amend()
            world.register()
        replaying.result()
    world.all_promises_are_kept()
    assert len(world.mail.messages) == letters, "a letter went because a copy was rebuilt"
    assert world.select(PARTNERS, "SELECT count(*) FROM timeline") == timeline


def replay_everything(world: World) -> None:
    for copy in COPIES:
        replayed = world.conduit("events", "replay", "--rebuild", copy)
        assert replayed.returncode == 0, replayed.stderr


def test_a_message_that_waits_for_a_person_is_handled_once_when_its_cause_is_gone(world: World) -> None:
    """The table that a handler writes to has another name for a while: no try of its own helps."""
    world.all_promises_are_kept()
    world.select(PARTNERS, "ALTER TABLE timeline RENAME TO timeline_elsewhere")
    try:
        world.ask()
        waits = "SELECT id FROM parked WHERE next_try IS NULL AND reason = 'handler_failed'"
        [row] = eventually(lambda: world.select(PARTNERS, waits), lambda: "it is tried again for ever")
    finally:
        world.select(PARTNERS, "ALTER TABLE timeline_elsewhere RENAME TO timeline")
    assert f"{row['id']}" in world.conduit("events", "parked", "--json").stdout
    assert world.conduit("events", "retry", PARTNERS, str(row["id"])).returncode == 0
    world.all_promises_are_kept()
    assert world.select(PARTNERS, "SELECT count(*) FROM parked")[0]["count"] == 0
