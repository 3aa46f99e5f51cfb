"""The Forum's year as ``conduit story --json`` tells it, in both worlds."""

from pathlib import Path
from typing import Any

import pytest

from chassis.testing import PrivatePostgres
from tests.journeys.running import conduit, last_line_as_json


def check(story: dict[str, Any]) -> None:
    """What the year must come to, whatever carries the events."""
    assert story["partners"]["organisations"] >= 100
    assert story["evidence"] == {
        "registrations": 3500,
        "areas": 33,
        "income_tax_pence": 4_900_000_000,
        "national_insurance_pence": 1_680_000_000,
    }
    letters = story["letters"]
    assert {name: letters[name] for name in ("asked", "answered", "declined", "never_acknowledged")} == {
        "asked": 33,
        "answered": 2,
        "declined": 2,
        "never_acknowledged": 31,
    }
    asks = letters["asks_pence"]
    assert 300_000 <= asks["min"] <= asks["max"] <= 500_000
    assert asks["min"] % 10_000 == asks["max"] % 10_000 == asks["total"] % 10_000 == 0
    assert asks["total"] == 13_130_000
    grants = story["grants"]
    assert grants["fund_pence"] == 500_000
    assert grants["applications"] == 21
    assert grants["asked_pence"] > 500_000
    assert grants["awarded_pence"] == 500_000, "to the penny"
    assert grants["awarded_in_part"] >= 2, "there is not enough for everybody"
    assert grants["returned_pence"] > 0
    assert grants["paid_pence"] == grants["awarded_pence"] - grants["returned_pence"]
    assert grants["conflicts"] >= 3
    assert 0 < grants["passed"] < grants["awards"]
    assert story["events"]["parked"] == story["events"]["outbox_pending"] == 0
    assert story["events"]["announced"] > 500
    assert story["events"]["handled"] > story["events"]["announced"]


def test_the_story_on_the_embedded_servers(tmp_path: Path) -> None:
    told = conduit("story", "--json", home=tmp_path / "unused")
    assert told.returncode == 0, told.stderr
    check(last_line_as_json(told.stdout))
    assert not (tmp_path / "unused").exists()


@pytest.mark.timeout(180)
def test_the_story_on_rabbitmq_and_postgresql(tmp_path: Path, postgres: PrivatePostgres, broker: str) -> None:
    told = conduit(
        "story", "--json", "--amqp-url", broker, "--database-url", postgres.url, home=tmp_path / "unused"
    )
    assert told.returncode == 0, told.stderr
    check(last_line_as_json(told.stdout))
