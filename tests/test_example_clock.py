"""The clock of the example is moved by a command, and no other clock is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.clock import Clock, real_now
from chassis.working_days import working_days_after
from services.example_clock import Follower, NotMovable, advance, clock_of, play_on
from services.installation import Installation, NothingBegun


@pytest.fixture
def example(installation: Installation) -> Installation:
    """An example that was begun and does not run."""
    settings = replace(installation.settings, house_file=None, database_url="", amqp_url="")
    example = Installation(settings)
    example.take_example_house()
    return example


async def test_a_process_follows_each_step(example: Installation) -> None:
    clock = Clock()
    follower = Follower(example.settings, clock)
    await follower.look()
    today = clock.today()
    for step in (21, 1):
        day = advance(example, step)
        today = working_days_after(today, step)
        await follower.look()
        await follower.look()
        assert day == clock.today() == today
        assert abs(clock.on_watches() - real_now()) < timedelta(minutes=1), "codes are of the true time"


async def test_a_process_that_starts_again_is_where_it_was(example: Installation) -> None:
    advance(example, 5)
    clock = Clock()
    await Follower(example.settings, clock).look()
    assert clock.now() - real_now() > timedelta(days=4)


async def test_commands_go_by_what_is_played_until_another_process_begins(example: Installation) -> None:
    """Else ``conduit check`` would say of each mail of seven weeks ago that it has waited for as long."""
    advance(example, 5)
    clock = Clock()
    await Follower(example.settings, clock).begin()
    for days in (-49, 8):
        play_on(example.settings, clock, timedelta(days=days))
        assert abs(clock_of(example.settings).now() - clock.now()) < timedelta(minutes=1)
    await Follower(example.settings, Clock()).begin()
    assert clock_of(example.settings).now() - real_now() > timedelta(days=4)


def test_no_other_clock_is_moved(example: Installation) -> None:
    for other in (
        replace(example.settings, database_url="postgresql://host.example/"),
        replace(example.settings, amqp_url="amqp://host.example"),
    ):
        with pytest.raises(NotMovable):
            advance(Installation(other), 1)
    (example.settings.home / "example").unlink()
    with pytest.raises(NotMovable):
        advance(example, 1)
    example.settings.house_path.unlink()
    with pytest.raises(NothingBegun):
        advance(example, 1)
