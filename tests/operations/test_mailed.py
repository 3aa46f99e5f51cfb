"""A warning reaches the volunteer's mailbox: by a real Alertmanager, with the example's words and routes."""

import subprocess
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import yaml

from chassis.testing import LOOPBACK, RecordingMailServer, free_port
from tests.faults.world import eventually
from tests.operations.test_rules import PROMETHEUS, alerts


def settings(folder: Path, mail: RecordingMailServer) -> Path:
    """The example with a mail server of our own, and without its patience."""
    document = yaml.safe_load((PROMETHEUS / "alertmanager.yml.example").read_text("utf-8"))
    document["global"] = {
        "smtp_smarthost": f"{mail.host}:{mail.port}",
        "smtp_from": document["global"]["smtp_from"],
        "smtp_require_tls": False,
    }
    document["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    written = folder / "alertmanager.yml"
    written.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return written


def warn(url: str, name: str, /, *, until: datetime | None = None, **labels: str) -> None:
    """What Prometheus says of an alert; with a moment, that it is over then."""
    alert = alerts()[name]
    document = {
        "labels": {"alertname": name, **alert["labels"], **labels},
        "annotations": alert["annotations"],
    }
    document["startsAt"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    document |= {"endsAt": until.isoformat()} if until else {}
    assert httpx.post(f"{url}/api/v2/alerts", json=[document], timeout=20).status_code == 200


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def told(mail: RecordingMailServer) -> list[EmailMessage]:
    return [each.parsed for each in mail.to("volunteer@forum.example")]


def subjects(mail: RecordingMailServer) -> list[str]:
    return [str(each["subject"]) for each in told(mail)]


def test_one_cause_is_one_mail_that_says_what_to_do_and_another_when_it_is_over(tmp_path: Path) -> None:
    url = f"http://{LOOPBACK}:{free_port()}"
    with RecordingMailServer() as mail, (tmp_path / "log").open("wb") as log:
        command = [
            *("setpriv", "--pdeathsig", "TERM", "/usr/bin/prometheus-alertmanager"),
            f"--config.file={settings(tmp_path, mail)}",
            f"--storage.path={tmp_path}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]
        with subprocess.Popen(command, stdout=log, stderr=log) as server:
            try:
                eventually(lambda: answers(url), (tmp_path / "log").read_text)
                warn(url, "ServiceDown", instance="grants:9108")
                warn(url, "TimerBehind", instance="grants:9108", service="grants", name="x")
                eventually(lambda: told(mail), (tmp_path / "log").read_text)
                [first] = told(mail)
                warn(url, "ServiceDown", until=datetime.now(UTC), instance="grants:9108")
                over = "Conduit: over: ServiceDown"
                eventually(lambda: over in subjects(mail), (tmp_path / "log").read_text)
            finally:
                server.terminate()
    assert first["subject"] == "Conduit: ServiceDown"
    body = first.get_body(("plain",))
    assert body is not None
    assert "does not answer. Its pages are away" in body.get_content()
    assert "What to do: docs/runbook.md#servicedown" in body.get_content()
