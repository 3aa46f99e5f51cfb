"""The traps of the given stack, and the test that shows each one closed.

A trap that has no test of its own here names the test that closes it, so that a test which is renamed or
removed is missed. What a trap is, its test says in its name.
"""

import ast
import re
from pathlib import Path
from time import monotonic

import pytest

from chassis import watchdog
from chassis.config import Settings
from chassis.watchdog import Watchdog
from contracts.topology import NOTIFICATIONS
from tests.chassis.conftest import ROOT

HERE = "tests/chassis/test_pitfalls.py"
HOSTING = "tests/chassis/test_hosting.py"
RABBITMQ = "tests/chassis/test_rabbitmq.py"
MESSAGES = "tests/chassis/test_messages.py"
ARCHITECTURE = "tests/test_architecture.py"

#: By number: the tests that show the trap closed.
TRAPS = {
    1: [f"{RABBITMQ}::TestConsuming::test_headers_that_nameko_would_trip_over_are_not_looked_at"],
    2: [f"{RABBITMQ}::TestConsuming::test_neighbours_of_what_nobody_can_read_are_handled"],
    3: [f"{RABBITMQ}::TestConsuming::test_a_handler_that_raises_waits_before_it_is_tried_again"],
    4: [f"{RABBITMQ}::TestConsuming::test_what_a_killed_consumer_held_is_delivered_again_and_handled_once"],
    5: [f"{RABBITMQ}::TestPublishing::test_a_message_carries_what_the_contract_says"],
    6: [f"{RABBITMQ}::TestTrouble::test_a_slow_handler_ends_and_is_acknowledged_before_the_process_stops"],
    7: [
        f"{RABBITMQ}::TestTrouble::test_a_connection_whose_bytes_vanish_is_replaced_and_never_hinders_the_end",
        f"{HERE}::TestWatchdog::test_a_consumer_that_stays_deaf_gets_a_new_connection_and_then_ends_the_process",
    ],
    8: [f"{RABBITMQ}::TestTrouble::test_a_broker_that_takes_no_messages_costs_a_bounded_wait"],
    9: [f"{RABBITMQ}::TestPublishing::test_an_unroutable_event_stays_pending_until_somebody_is_bound"],
    10: ["tests/contracts/test_envelope.py::test_bytes_that_are_no_event"],
    11: [f"{HERE}::test_namekos_own_web_server_and_messaging_are_not_used"],
    12: [
        f"{HOSTING}::test_the_bridge_cancels_what_nobody_waits_for_any_longer",
        f"{HOSTING}::TestServing::test_a_hung_turn_is_undone_and_does_not_stop_its_timer",
    ],
    13: [
        f"{HOSTING}::TestServing::test_a_query_that_takes_too_long_is_an_error_without_a_trace",
        f"{HOSTING}::test_the_bridge_cancels_what_nobody_waits_for_any_longer",
    ],
    14: [f"{ARCHITECTURE}::test_services_know_nothing_of_green_threads"],
    15: [f"{RABBITMQ}::TestTrouble::test_what_arrived_while_nobody_was_there_is_handled_at_the_start"],
    16: [f"{HOSTING}::TestServing::test_a_hung_turn_is_undone_and_does_not_stop_its_timer"],
    17: [f"{RABBITMQ}::TestPublishing::test_two_publishers_share_a_connection_without_meeting"],
    18: [f"{HERE}::test_namekos_own_web_server_and_messaging_are_not_used"],
    19: [f"{RABBITMQ}::TestTrouble::test_a_frozen_broker_costs_a_bounded_wait"],
    20: [
        f"{HOSTING}::test_the_loop_refuses_a_process_that_was_started_without_its_hub",
        f"{HOSTING}::TestStopping::test_finishes_what_is_in_flight",
    ],
    21: [f"{RABBITMQ}::TestDeclaring::test_every_queue_outlives_a_restart_and_is_replicated"],
    22: [f"{HOSTING}::TestServing::test_lost_database_connections_are_replaced"],
    23: [f"{HERE}::test_namekos_own_plugin_for_tests_is_off"],
    24: [f"{ARCHITECTURE}::test_eventlet_is_imported_in_one_place"],
    26: ["tests/notifications/test_rendering.py::test_no_control_character_reaches_a_header"],
    27: [
        f"{HOSTING}::TestServing::test_files_threads_programs_and_names_work_under_the_patch",
        f"{HOSTING}::TestStopping::test_threads_that_worked_for_a_page_do_not_keep_it_alive",
    ],
    28: [f"{HERE}::test_no_module_of_ours_can_be_taken_for_a_library"],
    29: [
        f"{RABBITMQ}::TestPublishing::test_an_unroutable_event_stays_pending_until_somebody_is_bound",
        f"{RABBITMQ}::TestPublishing::test_a_queue_that_refuses_keeps_it_pending_and_the_others_get_their_copy_once",
    ],
    30: [f"{RABBITMQ}::TestConsuming::test_neighbours_of_what_nobody_can_read_are_handled"],
    31: [
        f"{RABBITMQ}::TestTrouble::"
        "test_a_batch_that_ends_after_a_reconnect_is_acknowledged_by_nobody_and_handled_once"
    ],
    32: [f"{MESSAGES}::TestInbox::test_handles_a_batch_in_the_order_of_subjects"],
    33: [f"{RABBITMQ}::TestDeclaring::test_services_need_no_right_to_declare"],
    34: [f"{HOSTING}::TestStopping::test_finishes_what_is_in_flight"],
    35: ["tests/chassis/test_embedded.py::test_the_module_imports_neither_eventlet_nor_the_wheels_helper"],
    36: ["tests/notifications/test_copies.py::test_any_order_of_delivery_ends_in_the_same_copy"],
}

#: Traps of what does not exist yet, with what must exist before they can be fallen into.
NOT_YET = {
    25: "sign-in by a mailed link: nobody signs in yet",
    37: "the audit chain: nothing is chained yet",
}


def test_every_trap_is_closed_or_cannot_be_fallen_into_yet() -> None:
    assert sorted([*TRAPS, *NOT_YET]) == list(range(1, 38))


@pytest.mark.parametrize("named", sorted({test for tests in TRAPS.values() for test in tests}))
def test_the_test_that_closes_a_trap_exists(named: str) -> None:
    path, *names = named.split("::")
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for name in names:
        found = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert found, f"{named} closes a trap and is gone: name its successor in TRAPS"
        body = found[0].body


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_namekos_own_web_server_and_messaging_are_not_used() -> None:
    """No memory:// transport, no pools, no entrypoints of nameko's own."""
    used = re.compile(
        r"memory://|nameko\.(web|events|messaging|rpc|timer|amqp|standalone)|kombu\.(pools|mixins)"
    )
    assert [path.name for path in sources("chassis", "services") if used.search(path.read_text())] == []


def test_namekos_own_plugin_for_tests_is_off(pytestconfig: pytest.Config) -> None:
    assert not pytestconfig.pluginmanager.has_plugin("pytest_nameko")


def test_no_module_of_ours_can_be_taken_for_a_library() -> None:
    """Everything is in a package and run with -m, so that no folder of ours comes first in the search."""
    assert list(ROOT.glob("*.py")) == []
    run_as_scripts = re.compile(r"(\$\(BIN\)/python|sys\.executable,) +\S*\.py\b")
    files = [ROOT / "Makefile", *sources("chassis", "services")]
    assert [path.name for path in files if run_as_scripts.search(path.read_text())] == []


class TestWatchdog:
    """Silence is death only where something was to be heard."""

    class Consumer:
        def __init__(self) -> None:
            self.last_received = monotonic()
            self.busy = False
            self.connections = 1

        def reconnect(self) -> None:
            self.connections += 1

    @pytest.fixture
    def consumer(self) -> Consumer:
        return self.Consumer()

    @pytest.fixture
    def dog(self, consumer: Consumer) -> Watchdog:
        self.ends = 0
        self.passed = 0.0
        dog = Watchdog(limit=10, end=self.end)
        dog.watch(NOTIFICATIONS, consumer)
        return dog

    def end(self) -> None:
        self.ends += 1

    def later(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        """Let so many seconds pass for the watchdog."""
        self.passed += seconds
        moment = monotonic() + self.passed
        monkeypatch.setattr(watchdog, "monotonic", lambda: moment)

    async def test_a_consumer_that_stays_deaf_gets_a_new_connection_and_then_ends_the_process(
        self, dog: Watchdog, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dog.expect(NOTIFICATIONS, monotonic())
        for seconds, connections, ends in [(9, 1, 0), (2, 2, 0), (8, 2, 0), (2, 2, 1)]:
            self.later(monkeypatch, seconds)
            await dog.look()
            assert (consumer.connections, self.ends) == (connections, ends)
        assert dog.deaf

    async def test_a_canary_that_comes_back_is_life(
        self, dog: Watchdog, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dog.expect(NOTIFICATIONS, monotonic())
        consumer.last_received = monotonic()
        self.later(monkeypatch, 60)
        await dog.look()
        assert (dog.deaf, consumer.connections) == (False, 1)

    @pytest.mark.parametrize("reason", ["a quiet night", "no confirms", "no database", "stopped"])
    async def test_other_silence_is_not_death(
        self, dog: Watchdog, consumer: Consumer, monkeypatch: pytest.MonkeyPatch, reason: str
    ) -> None:
        if reason != "a quiet night":
            dog.expect(NOTIFICATIONS, monotonic())
        if reason == "no confirms":
            dog.excuse(NOTIFICATIONS)
        consumer.busy = reason == "no database"
        if reason == "stopped":
            dog.forget(NOTIFICATIONS)
        self.later(monkeypatch, 3600)
        await dog.look()
        assert (dog.deaf, consumer.connections, self.ends) == (False, 1, 0)


def test_every_wait_has_a_limit_in_the_settings() -> None:
    """Traps 7, 8, 12, 19 and 22 are waits without one; a limit of nought would be none."""
    names = "database acquire confirm close request mail".split()
    limits = {name: getattr(Settings(), f"{name}_timeout") for name in names}
    assert all(0 < limit <= 30 for limit in limits.values()), limits
    assert Settings().heartbeat > 0
