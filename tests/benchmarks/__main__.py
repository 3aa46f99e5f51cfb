"""``python -m tests.benchmarks [events|letters]``: a table, and ``.conduit/bench.json`` with its figures.

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

from tests.benchmarks import events, letters
from tests.journeys.running import ROOT

PARTS: Mapping[str, Callable[[], dict[str, float]]] = {"events": events.measure, "letters": letters.measure}

#: What a figure is, in words.
WORDS = {
    (
        "events",
        "conduit_per_s",
    ): "announced, relayed with confirms, taken in, one effect query each: events/s",
    ("events", "limit_per_s"): "the raw limit of that path: messages/s",
    ("events", "share_of_limit"): "Conduit's share of the limit",
    ("events", "p50_ms"): f"from commit to effect at {events.RATE} events/s, median: ms",
    ("events", "p99_ms"): f"from commit to effect at {events.RATE} events/s, 99th percentile: ms",
    ("letters", "conduit_per_s"): "rendered as text, HTML and PDF with a QR code: letters/s",
    ("letters", "sent_per_s"): "claimed, rendered, accepted by a local mail server, settled: letters/s",
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
                table.add_row(name, figure, f"{value:,}", WORDS[name, figure])
    return table


def _keep(measured: Mapping[str, Any]) -> None:
    """Write the figures; those of parts that were not measured this time stay."""
    FILE.parent.mkdir(exist_ok=True)
    before = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(before | dict(measured), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
