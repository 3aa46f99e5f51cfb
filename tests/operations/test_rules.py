"""Rules and alerts: Prometheus takes them; each is shown to fire and to stay quiet, and says what to do."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from services.__main__ import app
from services.partners.faults import BACKUP_OLD
from tests.journeys.running import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"

#: Fires always: the mail of each week that shows that warnings arrive.
NEVER_QUIET = "StillWatching"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def rules() -> Iterator[Mapping[str, Any]]:
    for group in read(PROMETHEUS / "rules.yml")["groups"]:
        yield from group["rules"]


def alerts() -> dict[str, Mapping[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def headings() -> list[str]:
    """The warnings that the runbook speaks of."""
    return re.findall(r"^### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)


def test_prometheus_and_alertmanager_take_the_files_and_each_alert_does_what_its_test_shows() -> None:
    shows = sorted(str(path.relative_to(PROMETHEUS)) for path in (PROMETHEUS / "tests").glob("*.yml"))
    for command in (
        "promtool check rules --lint=all --lint-fatal rules.yml",
        "promtool check config prometheus.yml",
        "amtool check-config alertmanager.yml.example",
        f"promtool test rules {' '.join(shows)}",
    ):
        done = subprocess.run(
            shlex.split(command), cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_shown_to_fire_and_to_stay_quiet() -> None:
    fired, quiet = set[str](), {NEVER_QUIET}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for case in (case for test in read(path)["tests"] for case in test["alert_rule_test"]):
            (fired if case["exp_alerts"] else quiet).add(case["alertname"])
    assert fired == quiet == set(alerts())


def test_each_alert_says_how_grave_it_is_and_leads_to_its_part_of_the_runbook() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in {"critical", "warning", "none"}, name
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert alert["annotations"]["summary"].endswith(".")
    hours = BACKUP_OLD // timedelta(hours=1)
    assert alerts()["BackupOld"]["expr"].endswith(f"> {hours} * 3600"), "what conduit check says as well"
    assert sorted(headings()) == sorted(alerts())
    links = re.findall(r"\]\(#(\w+)\)", RUNBOOK.read_text("utf-8"))
    assert set(links) <= {name.lower() for name in headings()}


def test_what_the_runbook_says_to_type_can_be_typed() -> None:
    typed = re.findall(r"`conduit ([a-z -]+?)[`<A-Z]", RUNBOOK.read_text("utf-8").replace("\n", " "))
    assert typed
    for words in (each.split() for each in typed):
        command: Any = get_command(app)
        for word in words:
            if word.startswith("--"):
                assert any(word in parameter.opts for parameter in command.params), words
            else:
                command = command.commands[word]
