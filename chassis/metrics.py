"""What is counted, declared in one place.

Names follow Prometheus practice: base units, ``_total`` for counters, no identifiers in labels. Services
and outcomes are labels; every label set that is known beforehand is initialised, so that a rate over it
exists before the first event.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

REGISTRY = CollectorRegistry()

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
REQUESTS = Counter(
    "conduit_http_requests_total",
    "Requests answered",
    ["service", "route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "conduit_http_request_seconds",
    "Time to answer",
    ["service", "route"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
IN_PROGRESS = Gauge(
    "conduit_http_requests_in_progress", "Requests being answered", ["service"], registry=REGISTRY
)

try:
    BUILD.info({"version": version("conduit")})
except PackageNotFoundError:  # run from its folder, without having been installed
    BUILD.info({"version": "unknown"})

OUTCOMES = ("handled", "known", "parked", "ignored")


def initialise(service: str, types: Iterable[str], reasons: Iterable[str]) -> None:
    """Make every label set of a service exist, with zero, before anything happened."""
    for kind in types:
        for outcome in OUTCOMES:
            HANDLED.labels(service, kind, outcome)
    for reason in reasons:
        PARKED.labels(service, reason).set(0)
    OUTBOX_PENDING.labels(service).set(0)
    OUTBOX_AGE.labels(service).set(0)
    LAST_RECEIVED.labels(service).set(0)
    IN_PROGRESS.labels(service).set(0)
