"""What the operations port says is what the library would write."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary, generate_latest

from chassis.exposition import Exposition


def test_it_writes_what_the_library_writes_also_of_lines_that_come_later() -> None:
    registry = CollectorRegistry()
    asked = Counter("asked_total", 'With a \\ and a\nnew "line"', ["route", "status"], registry=registry)
    waiting, alone = Gauge("waiting", "", ["of"], registry=registry), Gauge("alone", "", registry=registry)
    took = Histogram("took_seconds", "", ["service"], buckets=(0.1, 2.5), registry=registry)
    handled = Summary("handled_seconds", "", ["type"], registry=registry)
    Info("build", "", registry=registry).info({"version": '1"2\\3'})
    exposition = Exposition(registry)
    for number in range(3):
        assert exposition.text() == generate_latest(registry)
        asked.labels('/a "b"\\{c}\n\u2028', str(number)).inc(10.0**number * 1234567)
        waiting.labels(f"x {number}").set((math.inf, math.nan, -0.5)[number])
        alone.set(number)
        took.labels(f"s{number % 2}").observe(number)
        handled.labels(f"t{number % 2}").observe(0.1 * number)
    asked.clear()
    assert exposition.text() == generate_latest(registry)
