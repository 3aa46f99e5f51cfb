"""Orders to die that come in a file are each carried out once, however often the process comes back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis import failpoints
from chassis.failpoints import FailPoint, arm, reach
from tests.journeys.running import ROOT


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "orders"
    arm(f"@{file}")
    yield file
    arm("")


def test_without_a_file_nothing_is_ordered(orders: Path) -> None:
    reach("relay.claimed")
    assert not orders.exists()


def test_an_order_given_later_is_carried_out_once_and_struck_out(orders: Path) -> None:
    orders.write_text("relay.claimed=raise,inbox.committed=raise")
    with pytest.raises(FailPoint):
        reach("relay.claimed")
    reach("relay.claimed")
    assert orders.read_text() == "inbox.committed=raise"
    with pytest.raises(FailPoint):
        reach("inbox.committed")
    assert orders.read_text() == ""


def test_a_place_that_does_not_exist_is_refused_also_in_a_file(orders: Path) -> None:
    orders.write_text("relay.renamed=kill")
    with pytest.raises(ValueError, match="no such fail-point"):
        reach("relay.claimed")


def test_a_supervised_process_dies_of_an_order_once(tmp_path: Path) -> None:
    """The supervisor gives each child the same environment; the second one lives to its end."""
    orders, said = tmp_path / "orders", tmp_path / "said"
    orders.write_text("relay.claimed=kill")
    (tmp_path / "mortal.py").write_text(
        "from chassis import failpoints\n"
        f"failpoints.arm('@{orders}')\n"
        f"open({str(said)!r}, 'a').write('born ')\n"
        "failpoints.reach('relay.claimed')\n"
        f"open({str(said)!r}, 'a').write('survived')\n"
    )
    parent = "import chassis.supervisor as s; exit(s.supervise('mortal', [], {}, 5))"
    ended = subprocess.run(
        [sys.executable, "-c", parent],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert said.read_text() == "born born survived"
    assert orders.read_text() == ""


def test_every_place_is_reached_somewhere() -> None:
    """A place that the code no longer passes would silence the tests that order something there."""
    code = "".join(
        path.read_text("utf-8")
        for folder in ("chassis", "services")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert [place for place in sorted(failpoints.PLACES) if f'reach("{place}")' not in code] == []
