"""What a real Prometheus sees of three running services: every panel and every rule has something to show."""

import math
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from chassis.testing import LOOPBACK, PrivatePrometheus, memory_folder
from contracts.topology import SERVICES
from services.dashboards import DASHBOARDS, files
from tests.faults.world import PATHS, World, eventually
from tests.operations.test_rules import PROMETHEUS, rules

pytestmark = pytest.mark.timeout(400)

#: What warns of an installation that is well and was never backed up: nothing else may be near.
EXPECTED = {"StillWatching", "BackupOld", "CertificateEnding"}

#: Other suites may want the processors as well.
_MAY_BE_SLOW = {"PagesSlow"}

#: An address, or an id.
_NAMES_SOMEBODY = re.compile(r"@|[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{32}")


@pytest.fixture(scope="module")
def prometheus(world: World) -> Iterator[PrivatePrometheus]:
    """As deploy/prometheus has it, but for where the services are and how often it looks."""
    settings = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    del settings["alerting"]
    settings["global"] = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(PROMETHEUS / "rules.yml")]
    targets = [f"{LOOPBACK}:{process.metrics_port}" for process in world.processes]
    [of_conduit] = settings["scrape_configs"]
    of_conduit["static_configs"] = [{"targets": targets}]
    with PrivatePrometheus(settings, memory_folder()) as server:
        yield server


def ask(prometheus: PrivatePrometheus, query: str) -> list[float]:
    """The values that a query brings; those that are none are left out."""
    answer = httpx.get(f"{prometheus.url}/api/v1/query", params={"query": query}, timeout=20)
    assert answer.status_code == 200, f"{query}: {answer.text}"
    found = (float(each["value"][1]) for each in answer.json()["data"]["result"])
    return [value for value in found if not math.isnan(value)]


def without_data(prometheus: PrivatePrometheus, queries: dict[str, str]) -> list[str]:
    """Which of these bring nothing, however long one waits. They come by what they are for."""
    missing: list[str] = []

    def none_missing() -> bool:
        missing[:] = [f"{name}: {query}" for name, query in queries.items() if not ask(prometheus, query)]
        return not missing

    deadline = time.monotonic() + 60
    while not none_missing() and time.monotonic() < deadline:
        time.sleep(0.5)
    return missing


def story(world: World) -> None:
    """Something for every service to do, and pages that are opened and refused."""
    world.work()
    for service in SERVICES:
        running = world.running[service]
        for path in (PATHS[service], f"{PATHS[service]}/nowhere"):
            httpx.get(running.url + path, cookies=running.cookies, timeout=20)


def selectors(expression: str) -> set[str]:
    """What an expression takes from the services. What status an answer had may not have come about."""
    found = re.findall(r'\b((?:conduit|process|service:|up\b)[\w:]*)(\{(?:[^"}]|"[^"]*")*\})?', expression)
    return {name + re.sub(r'status=~"[^"]*"', "", labels) for name, labels in found}


def test_every_panel_and_every_rule_has_something_to_show(
    world: World, prometheus: PrivatePrometheus
) -> None:
    story(world)
    queries = {
        f"{dashboard.title}, {panel.title} {number}": query
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for number, query in enumerate(panel.queries)
    }
    for rule in rules():
        name = rule.get("record") or rule["alert"]
        queries |= {f"{name} {each}": each for each in selectors(rule["expr"])}
        queries |= {name: rule["record"]} if "record" in rule else {}
    eventually(lambda: ask(prometheus, "sum(up) == 3"), lambda: "not all are scraped")
    story(world)
    assert without_data(prometheus, queries) == []
    evaluated = httpx.get(f"{prometheus.url}/api/v1/rules", timeout=20).json()["data"]["groups"]
    ill = [rule for group in evaluated for rule in group["rules"] if rule["health"] != "ok"]
    assert ill == []
    states: dict[str, Any] = {
        rule["name"]: rule["state"] for group in evaluated for rule in group["rules"] if "state" in rule
    }
    near = {name for name, state in states.items() if state != "inactive"}
    assert near - _MAY_BE_SLOW == EXPECTED


def test_metrics_are_as_prometheus_wants_them_and_name_nobody(world: World) -> None:
    for service in SERVICES:
        text = httpx.get(f"http://{LOOPBACK}:{world.running[service].metrics_port}/metrics", timeout=20).text
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        named = [value for value in re.findall(r'\w+="([^"]*)"', text) if _NAMES_SOMEBODY.search(value)]
        assert named == []
        assert "_created" not in text


def test_the_dashboards_are_fresh() -> None:
    for path, text in files().items():
        assert path.read_text("utf-8") == text, "Run: make generate"
    kept = {path.name for path in next(iter(files())).parent.glob("*.json")}
    assert kept == {path.name for path in files()}
