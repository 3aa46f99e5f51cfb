"""Dashboards for Grafana, made from the code: ``python -m services.documents`` writes them.

*Is it well?* shows everything on one screen; then there is one for each service. A panel is a title, its
queries and a unit; where it stands follows from its width. Only what Grafana needs is written, so that a
difference between two versions of a file is a difference that somebody can see.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana" / "dashboards"

#: Grafana's grid.
_COLUMNS = 24
#: As in deploy/grafana/provisioning/datasources.
_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_SCHEMA = 39


class Kind(StrEnum):
    """How a panel shows its figures."""

    NUMBER = "stat"
    LINES = "timeseries"
    BARS = "bargauge"
    TABLE = "table"


class Unit(StrEnum):
    """Grafana's names of units."""

    COUNT = "short"
    PER_SECOND = "cps"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"
    POUNDS = "currencyGBP"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    #: Each query with what its lines are called; ``{{label}}`` stands for a label's value.
    queries: Mapping[str, str]
    unit: Unit = Unit.COUNT
    kind: Kind = Kind.LINES
    #: Red from here on, or until here where ``falling``.
    red: float | None = None
    falling: bool = False
    #: In columns of 24.
    width: int = 8
    height: int = 7


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page of panels."""

    name: str
    title: str
    panels: Sequence[Panel]


def _number(
    title: str, query: str, unit: Unit = Unit.COUNT, red: float | None = None, *, falling: bool = False
) -> Panel:
    return Panel(
        title=title,
        queries={query: ""},
        unit=unit,
        kind=Kind.NUMBER,
        red=red,
        falling=falling,
        width=4,
        height=4,
    )


_WARNINGS = 'count(ALERTS{alertstate="firing",alertname!="StillWatching"}) or vector(0)'
WELL = Dashboard(
    name="is-it-well",
    title="Is it well?",
    panels=[
        _number("Services that answer", 'sum(up{job="conduit"})'),
        _number("Warnings", _WARNINGS, red=1),
        _number("Oldest unpublished event", "max(conduit_outbox_oldest_seconds)", Unit.SECONDS, red=120),
        _number("Parked events", "sum(conduit_parked)", red=1),
        _number("Oldest waiting mail", "max(conduit_mail_oldest_waiting_seconds)", Unit.SECONDS, red=3600),
        _number("Funds that differ", "max(conduit_funds_differing)", red=1),
        _number(
            "Pages that fail",
            "sum(service:conduit_http_errors:rate5m) / (sum(service:conduit_http_requests:rate5m) > 0) "
            "or vector(0)",
            Unit.SHARE,
            red=0.02,
        ),
        _number("Letters nobody knows of", 'sum(conduit_letters{state="unknown"})', red=1),
        _number("Longest silence of a queue", "max(conduit_watchdog_silence_seconds)", Unit.SECONDS, red=60),
        _number(
            "Disk left",
            "min(conduit_disk_free_bytes / conduit_disk_size_bytes)",
            Unit.SHARE,
            red=0.15,
            falling=True,
        ),
        _number(
            "Since the last backup",
            "time() - max(conduit_backup_last_success_timestamp_seconds)",
            Unit.SECONDS,
            red=36 * 3600,
        ),
        _number(
            "Until the certificate ends",
            "min(conduit_certificate_expiry_timestamp_seconds) - time()",
            Unit.SECONDS,
            red=14 * 86400,
            falling=True,
        ),
        Panel(
            title="Events handled",
            queries={"service:conduit_events_handled:rate5m": "{{service}}"},
            unit=Unit.PER_SECOND,
        ),
        Panel(title="Queues", queries={"sum by (service) (conduit_queue_messages)": "{{service}}"}),
        Panel(title="Events not yet published", queries={"conduit_outbox_pending": "{{service}}"}),
        Panel(
            title="Pages",
            queries={"service:conduit_http_requests:rate5m": "{{service}}"},
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Time of the slowest page in twenty",
            queries={"service:conduit_http_request_seconds:p95_5m": "{{service}}"},
            unit=Unit.SECONDS,
            red=1,
        ),
        Panel(
            title="Money",
            queries={"max by (state) (conduit_fund_money_pence) / 100": "{{state}}"},
            unit=Unit.POUNDS,
        ),
        Panel(title="Letters", queries={"max by (state) (conduit_letters)": "{{state}}"}),
        Panel(
            title="Tries to mail, a minute",
            queries={
                "sum by (result) (rate(conduit_letter_tries_total[5m])) * 60": "letters: {{result}}",
                "sum by (result) (rate(conduit_notice_tries_total[5m])) * 60": "messages: {{result}}",
            },
        ),
        Panel(title="What warns", queries={'ALERTS{alertstate="firing"}': ""}, kind=Kind.TABLE),
    ],
)


def _of_any(service: str) -> Iterator[Panel]:
    """What every service has."""
    of = f'{{service="{service}"}}'
    its = f"and on (instance) conduit_http_requests_in_progress{of}"
    yield _number("Processes", f"count(conduit_http_requests_in_progress{of})")
    yield _number("Oldest unpublished event", f"max(conduit_outbox_oldest_seconds{of})", Unit.SECONDS, 120)
    yield _number("Parked events", f"sum(conduit_parked{of})", red=1)
    yield _number("Waiting in its queues", f"sum(conduit_queue_messages{of})", red=5000)
    yield _number("Who waits for the database", f"sum(conduit_database_waiting{of})", red=1)
    yield _number("Connections to the broker", f"sum(conduit_broker_connected{of})", red=1, falling=True)
    yield Panel(
        title="Pages by status",
        queries={f"sum by (status) (rate(conduit_http_requests_total{of}[5m]))": "{{status}}"},
        unit=Unit.PER_SECOND,
    )
    yield Panel(
        title="Slowest routes, on average",
        queries={
            f"topk(10, sum by (route) (rate(conduit_http_route_seconds_total{of}[5m]))"
            f" / (sum by (route) (rate(conduit_http_requests_total{of}[5m])) > 0))": "{{route}}"
        },
        unit=Unit.SECONDS,
    )
    buckets = f"sum by (le) (rate(conduit_http_request_seconds_bucket{of}[5m]))"
    yield Panel(
        title="Time to answer",
        queries={
            f"histogram_quantile({share}, {buckets})": words
            for share, words in ((0.5, "half"), (0.95, "19 in 20"), (0.99, "99 in 100"))
        },
        unit=Unit.SECONDS,
    )
    yield Panel(
        title="Events announced",
        queries={f"topk(10, sum by (type) (rate(conduit_events_announced_total{of}[5m])))": "{{type}}"},
        unit=Unit.PER_SECOND,
    )
    yield Panel(
        title="Events taken in",
        queries={f"sum by (outcome) (rate(conduit_events_handled_total{of}[5m]))": "{{outcome}}"},
        unit=Unit.PER_SECOND,
    )
    yield Panel(
        title="Slowest handlers, on average",
        queries={
            f"topk(10, sum by (type) (rate(conduit_event_handler_seconds_sum{of}[5m]))"
            f" / (sum by (type) (rate(conduit_event_handler_seconds_count{of}[5m])) > 0))": "{{type}}"
        },
        unit=Unit.SECONDS,
    )
    yield Panel(title="Parked events", queries={f"sum by (reason) (conduit_parked{of})": "{{reason}}"})
    yield Panel(
        title="Tries to publish that failed, a minute",
        queries={f"sum by (reason) (rate(conduit_relay_failures_total{of}[5m])) * 60": "{{reason}}"},
    )
    yield Panel(title="Queues", queries={f"sum by (queue) (conduit_queue_messages{of})": "{{queue}}"})
    yield Panel(
        title="Timers: since the last success",
        queries={f"time() - max by (name) (conduit_timer_last_success_timestamp_seconds{of})": "{{name}}"},
        unit=Unit.SECONDS,
        kind=Kind.BARS,
        height=10,
    )
    yield Panel(
        title="Timers: failures, a minute",
        queries={f"sum by (name) (rate(conduit_timer_failures_total{of}[5m])) * 60": "{{name}}"},
        height=10,
    )
    yield Panel(
        title="Connections to the database",
        queries={
            f"sum by (state) (conduit_database_connections{of})": "{{state}}",
            f"sum(conduit_database_waiting{of})": "waiting",
        },
        height=10,
    )
    yield Panel(
        title="Memory", queries={f"process_resident_memory_bytes {its}": "{{instance}}"}, unit=Unit.BYTES
    )
    yield Panel(
        title="Processor",
        queries={f"rate(process_cpu_seconds_total[5m]) {its}": "{{instance}}"},
        unit=Unit.SHARE,
    )
    yield Panel(title="Open files", queries={f"process_open_fds {its}": "{{instance}}"})


def _page(service: str, *panels: Panel) -> Dashboard:
    return Dashboard(name=service, title=service.capitalize(), panels=[*_of_any(service), *panels])


DASHBOARDS = (
    WELL,
    _page(
        PARTNERS,
        _number("Auditors", "max(conduit_auditors)"),
        _number(
            "Since auditors were mailed",
            "time() - max(conduit_heads_last_reported_timestamp_seconds)",
            Unit.SECONDS,
            red=9 * 86400,
        ),
    ),
    _page(
        GRANTS,
        _number("Funds that differ", "max(conduit_funds_differing)", red=1),
        _number(
            "Since partners was heard",
            f'max(conduit_sign_of_life_age_seconds{{service="{GRANTS}"}})',
            Unit.SECONDS,
            red=60,
        ),
        Panel(
            title="Money",
            queries={"max by (state) (conduit_fund_money_pence) / 100": "{{state}}"},
            unit=Unit.POUNDS,
            width=16,
        ),
    ),
    _page(
        NOTIFICATIONS,
        _number("Mails that wait", "max(conduit_mail_waiting)"),
        _number("Oldest waiting mail", "max(conduit_mail_oldest_waiting_seconds)", Unit.SECONDS, red=3600),
        _number("Longest due letter", "max(conduit_letters_oldest_waiting_seconds)", Unit.SECONDS, red=3600),
        _number(
            "Since partners was heard",
            f'max(conduit_sign_of_life_age_seconds{{service="{NOTIFICATIONS}"}})',
            Unit.SECONDS,
            red=60,
        ),
        Panel(title="Letters", queries={"max by (state) (conduit_letters)": "{{state}}"}, width=12),
        Panel(
            title="Tries to mail, a minute",
            queries={
                "sum by (result) (rate(conduit_letter_tries_total[5m])) * 60": "letters: {{result}}",
                "sum by (result) (rate(conduit_notice_tries_total[5m])) * 60": "messages: {{result}}",
            },
            width=12,
        ),
        Panel(
            title="Mails that came, an hour",
            queries={"sum by (kind) (rate(conduit_incoming_mails_total[1h])) * 3600": "{{kind}}"},
            width=8,
        ),
        Panel(
            title="Looks into the mailbox, an hour",
            queries={"sum by (result) (rate(conduit_mailbox_looks_total[1h])) * 3600": "{{result}}"},
            width=8,
        ),
        Panel(
            title="Mails handed over by LMTP, an hour",
            queries={"sum by (result) (rate(conduit_lmtp_mails_total[1h])) * 3600": "{{result}}"},
            width=8,
        ),
    ),
)


def files() -> dict[Path, str]:
    """Every dashboard as the file that Grafana reads."""
    return {
        FOLDER / f"{each.name}.json": json.dumps(_document(each), indent=2, ensure_ascii=False) + "\n"
        for each in DASHBOARDS
    }


def _document(dashboard: Dashboard) -> dict[str, Any]:
    others = [each for each in DASHBOARDS if each is not dashboard]
    return {
        "uid": f"conduit-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["conduit"],
        "timezone": "browser",
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "schemaVersion": _SCHEMA,
        "links": [
            {"type": "link", "title": each.title, "url": f"/d/conduit-{each.name}", "keepTime": True}
            for each in others
        ],
        "panels": [
            _picture(number, panel, place)
            for number, (panel, place) in enumerate(_placed(dashboard.panels), 1)
        ],
    }


def _placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, dict[str, int]]]:
    """Each panel with its place: from left to right, a new row where the width is used up."""
    x = y = height = 0
    for panel in panels:
        if x + panel.width > _COLUMNS:
            x, y, height = 0, y + height, 0
        yield panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}
        x, height = x + panel.width, max(height, panel.height)


def _picture(number: int, panel: Panel, place: Mapping[str, int]) -> dict[str, Any]:
    lasting = panel.kind is Kind.LINES
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": words or "__auto",
                "range": lasting,
                "instant": not lasting,
                **({"format": "table"} if panel.kind is Kind.TABLE else {}),
            }
            for place, (query, words) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit.value,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": _steps(panel)},
                **({} if lasting else {"color": {"mode": "thresholds"}}),
            },
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind is Kind.NUMBER else {},
    }


def _steps(panel: Panel) -> list[dict[str, Any]]:
    """From which figure on which colour holds."""
    well, ill = ("red", "green") if panel.falling else ("green", "red")
    later = [] if panel.red is None else [{"color": ill, "value": panel.red}]
    return [{"color": well, "value": None}, *later]
