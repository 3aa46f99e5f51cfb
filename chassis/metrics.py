"""What is counted, declared in one place.

Names follow Prometheus practice: base units, ``_total`` for counters, no identifiers in labels. Services
and outcomes are labels; every label set that is known beforehand is initialised, so that a rate over it
exists before the first event.
"""

import math
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    Summary,
    disable_created_metrics,
)

# When a counter began is a line for each that nobody reads: Prometheus sees a restart by itself.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

BUILD = Info("conduit_build", "Version of the running code", registry=REGISTRY)
HANDLED = Counter(
    "conduit_events_handled_total",
    "Events taken in, by outcome",
    ["service", "type", "outcome"],
    registry=REGISTRY,
)
HANDLING = Histogram(
    "conduit_event_batch_seconds",
    "Time to take in one batch",
    ["service"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
HANDLER_SECONDS = Summary(
    "conduit_event_handler_seconds",
    "Time in the handlers of an event, by how they ended; a copy's time is shared by what it took together",
    ["service", "type", "outcome"],
    registry=REGISTRY,
)
ANNOUNCED = Counter(
    "conduit_events_announced_total", "Events published", ["service", "type"], registry=REGISTRY
)
RELAY_FAILURES = Counter(
    "conduit_relay_failures_total",
    "Publishing tries that failed, by reason",
    ["service", "reason"],
    registry=REGISTRY,
)
OUTBOX_PENDING = Gauge("conduit_outbox_pending", "Events not yet published", ["service"], registry=REGISTRY)
OUTBOX_AGE = Gauge(
    "conduit_outbox_oldest_seconds", "Age of the oldest unpublished event", ["service"], registry=REGISTRY
)
PARKED = Gauge("conduit_parked", "Parked messages by reason", ["service", "reason"], registry=REGISTRY)
TIMER_SUCCESS = Gauge(
    "conduit_timer_last_success_timestamp_seconds",
    "Last success of a timer",
    ["service", "name"],
    registry=REGISTRY,
)
TIMER_PATIENCE = Gauge(
    "conduit_timer_patience_seconds",
    "Without success for longer than this, a timer is behind",
    ["service", "name"],
    registry=REGISTRY,
)
TIMER_FAILURES = Counter(
    "conduit_timer_failures_total", "Failed turns of a timer", ["service", "name"], registry=REGISTRY
)
BROKER_CONNECTED = Gauge(
    "conduit_broker_connected", "1 while connected to the broker", ["service", "purpose"], registry=REGISTRY
)
BROKER_BLOCKED = Gauge(
    "conduit_broker_blocked", "1 while the broker refuses to take messages", ["service"], registry=REGISTRY
)
LAST_RECEIVED = Gauge(
    "conduit_last_received_timestamp_seconds",
    "When the own queue last brought anything",
    ["service"],
    registry=REGISTRY,
)
WATCHDOG_SILENCE = Gauge(
    "conduit_watchdog_silence_seconds",
    "For how long a sign of life that was sent through the own queue has not come back",
    ["service"],
    registry=REGISTRY,
)
QUEUE = Gauge(
    "conduit_queue_messages",
    "Messages that the broker holds for a service and has not handed out",
    ["service", "queue"],
    registry=REGISTRY,
)
SCRUBBED = Counter(
    "conduit_scrubbed_total",
    "Things that went when they had had their time",
    ["service", "what"],
    registry=REGISTRY,
)
SIGN_OF_LIFE_AGE = Gauge(
    "conduit_sign_of_life_age_seconds",
    "Since the newest sign of life of another service was sent; infinite when there was none",
    ["service", "sender"],
    registry=REGISTRY,
)
POOL = Gauge(
    "conduit_database_connections", "Database connections by state", ["service", "state"], registry=REGISTRY
)
POOL_WAITING = Gauge(
    "conduit_database_waiting", "Who waits for a database connection", ["service"], registry=REGISTRY
)
POOL_REFUSED = Counter(
    "conduit_database_refused_total",
    "Times that no database connection was to be had",
    ["service"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "conduit_http_requests_total",
    "Requests answered",
    ["service", "route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "conduit_http_request_seconds", "Time to answer", ["service"], buckets=_SECONDS, registry=REGISTRY
)
#: A sum alone, because there are hundreds of routes: a bucket would be a line for each of them.
ROUTE_SECONDS = Counter(
    "conduit_http_route_seconds_total",
    "Time taken to answer, by route",
    ["service", "route"],
    registry=REGISTRY,
)
IN_PROGRESS = Gauge(
    "conduit_http_requests_in_progress", "Requests being answered", ["service"], registry=REGISTRY
)

SPANS_LOST = Counter(
    "conduit_spans_lost_total",
    "Spans that no collector took while there was room for them",
    registry=REGISTRY,
)
DISK_FREE = Gauge(
    "conduit_disk_free_bytes", "Room left where this installation keeps its files", registry=REGISTRY
)
DISK_SIZE = Gauge(
    "conduit_disk_size_bytes", "Room there is where this installation keeps its files", registry=REGISTRY
)
CERTIFICATE_END = Gauge(
    "conduit_certificate_expiry_timestamp_seconds",
    "When the certificate ends that browsers are shown; infinite until it was seen",
    ["host"],
    registry=REGISTRY,
)
try:
    #: Of the running code.
    VERSION = version("conduit")
except PackageNotFoundError:  # run from its folder, without having been installed
    VERSION = "unknown"
BUILD.info({"version": VERSION})

OUTCOMES = ("handled", "known", "parked", "ignored")
#: How a handler ends.
HANDLED_OR_NOT = ("handled", "failed")
#: Why publishing fails, as far as it is foreseen.
RELAY_REASONS = (
    "broker_away",
    "no_queue_bound",
    "not_confirmed",
    "not_declared",
    "queue_refused",
    "subscriber_away",
    "DatabaseAway",
)
CONNECTION_STATES = ("in_use", "idle")


def initialise_receiving(
    service: str, types: Iterable[str], reasons: Iterable[str], senders: Iterable[str]
) -> None:
    """Make every label set of what a service receives exist, with zero, before anything came.

    Args:
        types: of the events that it takes.
        reasons: for which it parks messages.
        senders: the services whose signs of life it hears.
    """
    for kind in types:
        for outcome in OUTCOMES:
            HANDLED.labels(service, kind, outcome)
        for outcome in HANDLED_OR_NOT:
            HANDLER_SECONDS.labels(service, kind, outcome)
    HANDLED.labels(service, "unknown", "parked")
    HANDLING.labels(service)
    for reason in reasons:
        PARKED.labels(service, reason).set(0)
    for sender in senders:
        SIGN_OF_LIFE_AGE.labels(service, sender).set(math.inf)
    LAST_RECEIVED.labels(service).set(0)


def initialise_announcing(service: str, types: Iterable[str]) -> None:
    """The same for what a service announces.

    Args:
        types: of the events that it announces.
    """
    for kind in types:
        ANNOUNCED.labels(service, kind)
    for reason in RELAY_REASONS:
        RELAY_FAILURES.labels(service, reason)
    OUTBOX_PENDING.labels(service).set(0)
    OUTBOX_AGE.labels(service).set(0)


def initialise_pages(service: str) -> None:
    """The same for a service's pages. Their routes come as they are asked for."""
    IN_PROGRESS.labels(service).set(0)
    REQUEST_SECONDS.labels(service)
