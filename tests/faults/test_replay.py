"""Ops looks after messages while live traffic runs: copies end right, and no reaction comes a second time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(400)


#: The copies that are damaged here; each other one is rebuilt where all of them are compared.
DAMAGED = (
    "notifications.organisations",
    "notifications.contacts",
    "notifications.registration_counts",
    "grants.organisations",
)


def test_a_damaged_copy_is_rebuilt_while_everything_goes_on(world: World) -> None:
    world.all_promises_are_kept()
    letters = len(world.mail.messages)
    timeline = world.select(PARTNERS, "SELECT count(*) FROM timeline")
    world.select(NOTIFICATIONS, "UPDATE organisations SET name = 'damaged', closed_on = NULL")
    world.select(NOTIFICATIONS, "UPDATE contacts SET email = 'damaged@trust.example'")
    world.select(NOTIFICATIONS, "UPDATE registration_counts SET count = 0")
    world.select(GRANTS, "UPDATE organisations SET name = 'damaged'")
    with ThreadPoolExecutor() as threads:
        replaying = threads.submit(replay_damaged, world)
        while not replaying.done():
            world.amend()
            world.register()
            time.sleep(0.5)  # a person who types needs the processors as well
        replaying.result()
    world.all_promises_are_kept()
    assert len(world.mail.messages) == letters, "a letter went because a copy was rebuilt"
    assert world.select(PARTNERS, "SELECT count(*) FROM timeline") == timeline


def replay_damaged(world: World) -> None:
    for copy in DAMAGED:
        replayed = world.conduit("events", "replay", "--rebuild", copy)
        assert replayed.returncode == 0, replayed.stderr


def test_a_message_that_waits_for_a_person_is_handled_once_when_its_cause_is_gone(world: World) -> None:
    """The table that a handler writes to has another name for a while: no try of its own helps."""
    world.all_promises_are_kept()
    world.alter(PARTNERS, "ALTER TABLE timeline RENAME TO timeline_elsewhere")
    try:
        world.ask()
        waits = "SELECT id FROM parked WHERE next_try IS NULL AND reason = 'handler_failed'"
        [row] = eventually(lambda: world.select(PARTNERS, waits), lambda: "it is tried again for ever")
    finally:
        world.alter(PARTNERS, "ALTER TABLE timeline_elsewhere RENAME TO timeline")
    assert f"{row['id']}" in world.conduit("events", "parked", "--json").stdout
    assert f"{PARTNERS} {row['id']}  " in world.conduit("events", "parked").stdout
    elsewhere = world.conduit("events", "retry", GRANTS, str(row["id"]))
    assert (elsewhere.returncode, "not parked by grants" in elsewhere.stderr) == (1, True)
    assert world.conduit("events", "retry", PARTNERS, str(row["id"])).returncode == 0
    world.all_promises_are_kept()
    assert world.select(PARTNERS, "SELECT count(*) FROM parked")[0]["count"] == 0
