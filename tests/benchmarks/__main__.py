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

from tests.benchmarks import events, idle, imports, incoming, letters, meeting, panel, register, sessions
from tests.benchmarks.load import USERS
from tests.journeys.running import ROOT

PARTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "events": events.measure,
    "letters": letters.measure,
    "incoming": incoming.measure,
    "import": imports.measure,
    "register": register.measure,
    "panel": panel.measure,
    "sessions": sessions.measure,
    "meeting": meeting.measure,
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
    "letters": {
        "conduit_per_s": "set as PDF with a QR code, a thread for each processor: letters/s",
        "weasyprint_per_s": "the same text by WeasyPrint, a process for each processor: letters/s",
        "ratio_weasyprint": "Conduit to WeasyPrint; 5 is the aim",
        "sent_per_s": "claimed, set, accepted by a local mail server, settled: letters/s",
        "peak_mb": "the sender's memory at its peak, by number of letters; flat is the aim: MB",
        "ms_per_letter": "time to send one, by number of letters; the same is the aim: ms",
    },
    "incoming": {
        "read_per_s": "taken apart and told apart, nothing kept: mails/s",
        "matched_per_s": f"read, matched to their letters and kept, {incoming.MAILS:,} one by one: mails/s",
        "mails": "how many of each kind",
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
    console.print(_table(measured))
    _keep(measured)
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
        return "\n".join(f"{int(size):,}: {each:,}" for size, each in value.items())
    return f"{value:,}"


def _keep(measured: Mapping[str, Any]) -> None:
    """Write the figures; those of parts that were not measured this time stay."""
    FILE.parent.mkdir(exist_ok=True)
    before = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(before | dict(measured), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
