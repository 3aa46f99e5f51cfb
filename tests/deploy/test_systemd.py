"""The units for those without containers: as systemd itself reads them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
DOCS = FOLDER.parents[1] / "docs"
UNIT = FOLDER / "conduit.service"
#: What each of them starts.
STARTS = {"conduit.service": "up", "conduit-backup.service": "backup"}

#: Of 10, the more the more exposed; what has no sandbox at all has 9.6.
MOST_EXPOSED = 25


@pytest.fixture(params=STARTS)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as it would stand on a computer where Conduit is installed elsewhere, with all others."""
    for path in FOLDER.glob("conduit*"):
        text = path.read_text(encoding="utf-8")
        assert (
            path.suffix == ".timer"
            or f"ExecStart=/opt/conduit/.venv/bin/conduit {STARTS[path.name]}\n" in text
        )
        (tmp_path / path.name).write_text(text.replace("/opt/conduit/.venv/bin/conduit", sys.executable))
    return tmp_path / str(request.param)


def analysed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        check=False,
    )


def test_systemd_finds_no_fault_in_it(unit: Path) -> None:
    done = analysed("verify", "--man=no", str(unit))
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
    assert done.returncode == 0


def test_a_backup_is_made_every_night(unit: Path) -> None:
    done = analysed("verify", "--man=no", str(unit.with_name("conduit-backup.timer")))
    assert (done.returncode, "conduit-backup" in done.stderr) == (0, False), done.stderr
    calendar = (FOLDER / "conduit-backup.timer").read_text().split("OnCalendar=")[1].splitlines()[0]
    assert analysed("calendar", calendar).returncode == 0


def test_it_is_well_shut_in(unit: Path) -> None:
    done = analysed("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-200:]


def test_it_is_given_the_time_that_stopping_may_take() -> None:
    lines = dict(
        line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#"
    )
    assert lines["KillMode"] == "mixed"
    assert int(lines["TimeoutStopSec"]) >= 60
    assert lines["User"] != "root"


def test_the_drop_in_for_backups_elsewhere_is_one_that_systemd_takes(unit: Path, tmp_path: Path) -> None:
    written = (DOCS / "operate.md").read_text(encoding="utf-8").split("      [Service]\n")[1].split("\n\n")[0]
    folders = written.strip().removeprefix("ReadWritePaths=").split()
    assert folders == ["/mnt/backups", "/mnt/keys"]
    drop_in = tmp_path / "conduit-backup.service.d" / "override.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\n" + written)
    done = analysed("verify", "--man=no", str(tmp_path / "conduit-backup.service"))
    assert (done.returncode, "override.conf" in done.stderr) == (0, False), done.stderr
    example = (DOCS / "operate.md").read_text(encoding="utf-8")
    assert all(f"={folder}" in example for folder in folders), "what is named is what the settings name"


def test_what_is_typed_as_its_user_are_options_of_systemd_run() -> None:
    typed = (DOCS / "setup.md").read_text(encoding="utf-8").split("systemd-run ")[1].split("/opt/conduit")[0]
    known = subprocess.run(["systemd-run", "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"--[a-z-]+", typed)
    assert len(options) > 5
    assert [each for each in options if each not in known] == []
