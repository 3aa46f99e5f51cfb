"""``python -m tests.benchmarks [PART …]``: a table, and ``.conduit/bench.json`` with its figures.

Everything is measured in one run, in rounds that take turns; a figure is the median of its rounds.
"""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    board,
    events,
    idle,
    imports,
    incoming,
    letters,
    mailing,
    meeting,
    metrics,
    panel,
    register,
    replicas,
    sessions,
    tracing,
)
from tests.benchmarks.load import USERS
from tests.journeys.running import ROOT

PARTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "events": events.measure,
    "replicas": replicas.measure,
    "letters": letters.measure,
    "mailing": mailing.measure,
    "incoming": incoming.measure,
    "board": board.measure,
    "import": imports.measure,
    "register": register.measure,
    "panel": panel.measure,
    "sessions": sessions.measure,
    "meeting": meeting.measure,
    "metrics": metrics.measure,
    "tracing": tracing.measure,
    "idle": idle.measure,
}

#: What a figure is, in words.
WORDS = {
    "events": {
        "conduit_per_s": "announced, relayed with confirms, taken in, one effect query each: events/s",
        "conduit_set_per_s": "the same with one effect query for many: events/s",
        "faststream_per_s": "FastStream, aio-pika and asyncpg with the same outbox and inbox: events/s",
        "nameko_per_s": "plain nameko and asyncpg with the same outbox and inbox, classic queue: events/s",
        "limit_per_s": "the raw limit of that path, nothing checked or remembered: messages/s",
        "ratio_faststream": "Conduit to FastStream; 3 is the aim",
        "ratio_set_faststream": "Conduit in sets to FastStream; 5 is the aim",
        "ratio_nameko": "Conduit to plain nameko",
        "share_of_limit": "Conduit's share of the limit; 0.35 is the aim",
        "share_of_limit_set": "Conduit's share of the limit in sets; 0.5 is the aim",
        "p50_ms": f"from commit to effect at {events.RATE} events/s, median: ms",
        "p99_ms": f"from commit to effect at {events.RATE} events/s, 99th percentile: ms; 30 is the aim",
    },
    "replicas": {
        "per_s": "taken in from a full queue, one effect query each, by number of processes: events/s",
        "ratio_two": "two processes to one",
        "ratio_four": "four processes to one",
        "busy_percent": "how busy all processors were: %",
    },
    "letters": {
        "conduit_per_s": "merged and set as PDF with a QR code, a process for each processor: letters/s",
        "weasyprint_per_s": "the same text by WeasyPrint, a process for each processor: letters/s",
        "ratio_weasyprint": "Conduit to WeasyPrint; 5 is the aim",
        "libreoffice_per_s": "the same by LibreOffice's mail merge, one for each processor: letters/s",
        "ratio_libreoffice": "Conduit to LibreOffice; 20 is the aim",
        "sent_per_s": "claimed, set, accepted by a local mail server, settled: letters/s",
        "django_sent_per_s": "the same by Django, WeasyPrint and Django's mail, a process each: letters/s",
        "ratio_django_sent": "Conduit to Django; 5 is the aim",
        "peak_mb": "the sender's memory at its peak, by number of letters; flat is the aim: MB",
        "ms_per_letter": "time to send one, by number of letters; the same is the aim: ms",
    },
    "mailing": {
        "letters": "letters of one campaign, sent by the whole of Conduit in one process",
        "sent_per_s": "from “send” until the mail server has taken the last one: letters/s",
        "peak_mb": "all of its processes at their peak: MB",
        "pages": "pages that somebody opened meanwhile, ten a second",
        "pages_p99_ms": "the same, 99th percentile; 100 is the aim: ms",
        "by_page_p99_ms": "the same by page: ms",
        "board_p99_ms": "the campaign's board afterwards, 99th percentile; 100 is the aim: ms",
    },
    "incoming": {
        "read_per_s": "taken apart and told apart, nothing kept: mails/s",
        "matched_per_s": f"read, matched to their letters and kept, {incoming.MAILS:,} one by one: mails/s",
        "mails": "how many of each kind",
    },
    "board": {
        "board_1_p99_ms": "a board with 100,000 letters, one user, 99th percentile: ms; 100 is the aim",
        "board_1_per_s": "the same: pages/s",
        f"board_{USERS}_p99_ms": f"the same, {USERS} parallel users, 99th percentile: ms",
        f"board_{USERS}_per_s": "the same: pages/s",
        "chasing_1_p99_ms": "whom to chase today in it, one user, 99th percentile: ms",
        "chasing_1_per_s": "the same: pages/s",
        "worked_1_p99_ms": "what worked in it, one user, 99th percentile: ms; 100 is the aim",
        "worked_1_per_s": "the same: pages/s",
        "campaigns_1_p99_ms": "the list of campaigns with what is to do today, 99th percentile: ms",
        "campaigns_1_per_s": "the same: pages/s",
        "board_statements": "statements for a board, by letters; the same is the aim",
        "chasing_statements": "statements for whom to chase, by letters",
        "worked_statements": "statements for what worked, by letters",
        "campaigns_statements": "statements for the list of campaigns, by letters",
    },
    "import": {
        "conduit_per_s": "organisations read, checked, compared, written and announced: lines/s",
        "copy_per_s": "the same rows by COPY: lines/s",
        "share_of_copy": "the import's share of COPY",
        "peak_mb": "the import's memory at its peak, by number of lines; flat is the aim: MB",
    },
    "register": {
        "conduit_list_per_s": f"the list with a search, {USERS} parallel users: pages/s",
        "conduit_list_p99_ms": "the same, 99th percentile: ms",
        "conduit_list_cpu_ms": "the same, time of a processor for a page, without PostgreSQL's: ms",
        "django_list_per_s": "the same by Django, its ORM and its templates, one worker of gunicorn: pages/s",
        "django_list_p99_ms": "the same, 99th percentile: ms",
        "django_list_cpu_ms": "the same, time of a processor: ms",
        "ratio_list": "Conduit to Django; 3 is the aim",
        "conduit_organisation_per_s": "the page of one organisation: pages/s",
        "conduit_organisation_p99_ms": "the same, 99th percentile: ms",
        "conduit_organisation_cpu_ms": "the same, time of a processor: ms",
        "django_organisation_per_s": "the same by Django: pages/s",
        "django_organisation_p99_ms": "the same, 99th percentile: ms",
        "django_organisation_cpu_ms": "the same, time of a processor: ms",
        "ratio_organisation": "Conduit to Django; 3 is the aim",
        "conduit_list_statements": "statements for a list, by organisations; the same is the aim",
        "django_list_statements": "the same by Django",
        "conduit_organisation_statements": "statements for one organisation, by organisations",
        "django_organisation_statements": "the same by Django",
    },
    "panel": {
        "conduit_desk_per_s": f"a panel member's desk with 10,000 cases, {USERS} parallel users: pages/s",
        "conduit_desk_p99_ms": "the same, 99th percentile: ms",
        "conduit_desk_cpu_ms": "the same, time of a processor for a page, without PostgreSQL's: ms",
        "django_desk_per_s": "the same by Django: pages/s",
        "django_desk_p99_ms": "the same, 99th percentile: ms",
        "django_desk_cpu_ms": "the same, time of a processor: ms",
        "ratio_desk": "Conduit to Django; 3 is the aim",
        "conduit_case_per_s": "one case with what 20 members say of it: pages/s",
        "conduit_case_p99_ms": "the same, 99th percentile: ms",
        "conduit_case_cpu_ms": "the same, time of a processor for a page, without PostgreSQL's: ms",
        "django_case_per_s": "the same by Django: pages/s",
        "django_case_p99_ms": "the same, 99th percentile: ms",
        "django_case_cpu_ms": "the same, time of a processor: ms",
        "ratio_case": "Conduit to Django; 3 is the aim",
        "conduit_agenda_per_s": "a meeting whose agenda of 10,000 cases is ranked by 540,000 scores: pages/s",
        "conduit_agenda_p99_ms": "the same, 99th percentile: ms",
        "conduit_agenda_cpu_ms": "the same, time of a processor for a page, without PostgreSQL's: ms",
        "django_agenda_per_s": "the same by Django: pages/s",
        "django_agenda_p99_ms": "the same, 99th percentile: ms",
        "django_agenda_cpu_ms": "the same, time of a processor: ms",
        "ratio_agenda": "Conduit to Django; 3 is the aim",
        "conduit_desk_statements": "statements for a desk, by cases; the same is the aim",
        "django_desk_statements": "the same by Django",
        "conduit_case_statements": "statements for a case, by cases; the same is the aim",
        "django_case_statements": "the same by Django",
        "conduit_agenda_statements": "statements for a meeting, by cases; the same is the aim",
        "django_agenda_statements": "the same by Django",
    },
    "sessions": {
        "page_us": "a page of the register, from request to answer, in the process: µs",
        "session_us": "to verify its session: µs",
        "percent": "what that is of the page; at most 5 is the aim: %",
    },
    "meeting": {
        "viewers": "pages of one meeting that are open at once, one of them the screen on the wall",
        "told_p50_ms": "from the officer's button until a viewer's browser hears of the decision, median: ms",
        "told_p99_ms": "the same, 99th percentile: ms; 200 is the aim",
        "shown_p50_ms": "until it has fetched the page that shows it, all of them at once, median: ms",
        "shown_p99_ms": "the same, 99th percentile: ms",
    },
    "metrics": {
        "p50_ms": "a look at the metrics of all services in one process, median: ms",
        "p99_ms": "the same, 99th percentile: ms; 20 is the aim",
        "cpu_ms": "the same, time of a processor: ms",
        "lines": "lines that it brings, after every route was asked for",
    },
    "tracing": {
        "events_off_per_s": "announced, relayed, taken in, while nobody collects traces: events/s",
        "events_on_per_s": "the same with a collector: events/s",
        "ratio_events": "with to without, by rounds; at least 0.9 is the aim",
        "events_off_cpu_us": "time of a processor for an event, without PostgreSQL's and RabbitMQ's: µs",
        "events_on_cpu_us": "the same with a collector: µs",
        "pages_off_per_s": f"the register's list, {USERS} parallel users, while nobody collects: pages/s",
        "pages_on_per_s": "the same with a collector: pages/s",
        "ratio_pages": "with to without, by rounds; at least 0.9 is the aim",
        "pages_off_cpu_us": "time of a processor for a page, without PostgreSQL's: µs",
        "pages_on_cpu_us": "the same with a collector: µs",
        "span_off_us": "a span that nobody collects: µs",
        "span_on_us": "one that is collected and written as it is sent: µs",
    },
    "idle": {
        "cpu_percent": "of one core, everything together; at most 3 is the aim: %",
        "rss_mb": "everything together, shared pages once; at most 400 is the aim: MB",
    },
}

FILE = ROOT / ".conduit" / "bench.json"


def main(arguments: Sequence[str]) -> int:
    """Measure the named parts, or all of them."""
    if unknown := [name for name in arguments if name not in PARTS]:
        print(f"There is no benchmark {unknown[0]}. Choose from: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    console = Console()
    measured: dict[str, dict[str, Any]] = {}
    for name in arguments or PARTS:
        with Console(stderr=True).status(f"Measuring {name} …"):
            measured[name] = PARTS[name]() | {"measured": _circumstances()}
            _keep(measured)  # at once: some parts take half an hour, and a later one may fail
    console.print(_table(measured))
    return 0


def _circumstances() -> dict[str, Any]:
    """When and on what: a figure without them means nothing."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _table(measured: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("part", "figure", "value", "what it is")
    for name, figures in measured.items():
        for figure, value in figures.items():
            if figure != "measured":
                table.add_row(name, figure, _shown(value), WORDS[name][figure])
    return table


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{_shown(int(of)) if of.isdigit() else of}: {each:,}" for of, each in value.items())
    return f"{value:,}"


def _keep(measured: Mapping[str, Any]) -> None:
    """Write the figures; those of parts that were not measured this time stay."""
    FILE.parent.mkdir(exist_ok=True)
    before = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(before | dict(measured), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
