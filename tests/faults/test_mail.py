"""The mail server hesitates, refuses, breaks off or is slow: no letter goes twice, none is lost silently."""

from collections.abc import Iterator

import pytest

from chassis.testing import (
    CUT_AFTER_DOT,
    CUT_BEFORE_DOT,
    GREYLISTED,
    LATER,
    NO_SUCH_MAILBOX,
    REFUSED,
    Treatment,
)
from contracts.topology import NOTIFICATIONS
from tests.faults.world import MAIL_TIMEOUT, World, eventually

pytestmark = pytest.mark.timeout(400)

#: To whom, how their mail server meets a letter, how often, and what must become of the letter.
MEETINGS = [
    ("chief_executive.0.0@trust.example", LATER, 1, "sent"),
    ("dental_care.0.0@trust.example", GREYLISTED, 2, "sent"),
    ("chief_executive.1.0@trust.example", NO_SUCH_MAILBOX, None, "failed"),
    ("dental_care.1.0@trust.example", CUT_BEFORE_DOT, 1, "sent"),
    ("chief_executive.2.0@trust.example", CUT_AFTER_DOT, 1, "unknown"),
    ("dental_care.2.0@trust.example", REFUSED, None, "failed"),
]
SLOW = Treatment(delay=MAIL_TIMEOUT / 4)
SILENT = Treatment(delay=MAIL_TIMEOUT * 2)


@pytest.fixture(autouse=True)
def friendly_again(world: World) -> Iterator[None]:
    yield
    world.mail.accept_everything()


@pytest.mark.parametrize("kind", ["letters", "chasers"])
def test_each_meets_its_own_fate_and_none_goes_twice(world: World, kind: str) -> None:
    world.all_promises_are_kept()
    campaign = world.begin_campaign()
    if kind == "chasers":
        world.sends(campaign)
    addresses = sorted(set(world.fates("letters", campaign)) - {address for address, *_ in MEETINGS})
    others = dict(zip(addresses, ((SLOW, "sent"), (SILENT, "unknown")), strict=True))
    for address, treatment, times, _ in MEETINGS:
        world.mail.treat(treatment, recipient=address, times=times)
    for address, (treatment, _) in others.items():
        world.mail.treat(treatment, recipient=address, times=1)
    expected = {address: fate for address, *_, fate in MEETINGS}
    expected |= {address: fate for address, (_, fate) in others.items()}
    (world.send if kind == "letters" else world.chase)(campaign)
    eventually(
        lambda: world.fates(kind, campaign) == expected, lambda: f"became {world.fates(kind, campaign)}"
    )
    world.all_promises_are_kept()


def test_while_the_mail_server_is_away_letters_wait_and_then_go_once(world: World) -> None:
    campaign = world.begin_campaign()
    world.mail.stop()
    whole = world.send(campaign)
    failures = (
        "SELECT count(*) FROM letters WHERE campaign_id = $1 AND state = 'ready' AND failure IS NOT NULL"
    )
    eventually(
        lambda: world.select(NOTIFICATIONS, failures, campaign)[0]["count"] == whole,
        lambda: "the letters do not say what they wait for",
    )
    world.mail.start()
    eventually(
        lambda: world.letters(campaign) == {"sent": whole}, lambda: f"became {world.letters(campaign)}"
    )
    world.all_promises_are_kept()
