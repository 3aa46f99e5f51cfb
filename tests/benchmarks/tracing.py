"""What traces cost: events and pages while nobody collects spans, and while they go to a collector.

The two sides are the same but for that, on servers of their own, in rounds that take turns; and so does the
order within a round. A ratio is the median of the rounds' ratios.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from chassis import traces
from chassis.config import Settings
from chassis.context import Cause
from chassis.telemetry import document, written
from chassis.testing import LOOPBACK, PrivateRabbitMQ
from contracts.topology import GRANTS, PARTNERS
from services.installation import EXAMPLES, Installation
from tests.access import EVERYTHING
from tests.benchmarks.events import EVENTS, Hosts, conduit_per_second, hosts
from tests.benchmarks.pages import Side, conduit_up
from tests.benchmarks.servers import DurablePostgres, line_from, processor_seconds, program

#: Rounds that count, after one that warms everything up.
ROUNDS = 6
#: Spans that are made in a row.
SPANS = 5_000

_PAGE = "/partners/organisations"

#: A round of one side: how many a second, and seconds of a processor for each.
Round = Callable[[], tuple[float, float]]


def measure() -> dict[str, float]:
    """Events and pages a second without and with a collector, their ratios, and microseconds of a span."""
    figures: dict[str, float] = {}
    for what, sides in (("events", _events), ("pages", _pages)):
        with ExitStack() as stack:
            sink = stack.enter_context(program("tests.benchmarks.trace_sink"))
            figures |= _compared(what, *sides(stack, f"http://{LOOPBACK}:{line_from(sink)}"))
            assert line_from(sink) == "taken"
    return figures | {"span_off_us": _span(), "span_on_us": _collected_span()}


def _compared(what: str, off: Round, on: Round) -> dict[str, float]:
    off(), on()
    rounds = [(off(), on()) if number % 2 else (on(), off())[::-1] for number in range(ROUNDS)]
    without, collected = zip(*rounds, strict=True)
    return {
        f"{what}_off_per_s": round(median(speed for speed, _ in without), 1),
        f"{what}_on_per_s": round(median(speed for speed, _ in collected), 1),
        f"ratio_{what}": round(median(on / off for (off, _), (on, _) in rounds), 3),
        f"{what}_off_cpu_us": round(median(cost for _, cost in without) * 1e6),
        f"{what}_on_cpu_us": round(median(cost for _, cost in collected) * 1e6),
    }


def _events(stack: ExitStack, collector: str) -> Iterator[Round]:
    """A process that announces and one that reacts to each event, and the same with a collector."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-")))
    postgres = stack.enter_context(DurablePostgres())
    broker = stack.enter_context(PrivateRabbitMQ())
    for name, url in (("off", ""), ("on", collector)):
        both = hosts(stack, folder, postgres, broker, name, "tests.chassis.hosted", otlp_url=url)
        yield partial(_events_round, both)


def _events_round(both: Hosts) -> tuple[float, float]:
    def used() -> float:
        return sum(processor_seconds(each.process.pid) for each in (both.publisher, *both.subscribers))

    before = used()
    return conduit_per_second(both.publisher, both.effects), (used() - before) / EVENTS


def _pages(stack: ExitStack, collector: str) -> Iterator[Round]:
    """The example's register, and the same with a collector."""
    for url in ("", collector):
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conduit-bench-"))) / "home"
        postgres = stack.enter_context(DurablePostgres())
        installation = Installation(
            Settings(home=home, house_file=EXAMPLES / "house.toml", database_url=postgres.url)
        )
        installation.make_keys()
        assert len(list(installation.migrate())) == 3
        rows = [str(home), installation.urls()[PARTNERS], str(EXAMPLES / "partners.csv")]
        with program("tests.benchmarks.importer", *rows) as importer:
            line_from(importer)
        side = stack.enter_context(conduit_up(home, postgres, {_PAGE: EVERYTHING}, CONDUIT_OTLP_URL=url))
        yield partial(_pages_round, side)


def _pages_round(side: Side) -> tuple[float, float]:
    measured = side.round(_PAGE, [_PAGE], 0)
    return measured.per_second, measured.processor


# One span


def _span() -> float:
    """Microseconds of one span that nobody collects."""
    return round(median(_spans() for _ in range(ROUNDS)) * 1e6, 1)


def _collected_span() -> float:
    """Microseconds of one that is collected and written as it is sent, without the sending."""
    rounds = []
    for _ in range(ROUNDS):
        collected: list[tuple[str, str]] = []
        traces.collect_with(lambda span: collected.append(written(span)))  # noqa: B023
        try:
            began = time.perf_counter()
            _spans()
            document(collected)
            rounds.append((time.perf_counter() - began) / SPANS)
        finally:
            traces.collect_with(None)
    return round(median(rounds) * 1e6, 1)


def _spans() -> float:
    """Seconds of one of many."""
    cause, began = Cause.new(), time.perf_counter()
    for _ in range(SPANS):
        with traces.going_on(GRANTS, "process", traces.Kind.CONSUMER, cause, id="x"):
            pass
    return (time.perf_counter() - began) / SPANS
