"""A collector of traces of the tests' own: takes OTLP over HTTP as JSON, and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chassis.testing import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span, as it came."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: Mapping[str, str]


@dataclass
class Collector:
    """What was sent so far."""

    spans: list[Seen] = field(default_factory=list)
    #: What is answered from now on.
    status: int = 200
    url: str = ""

    def of(self, trace: str) -> list[Seen]:
        return [span for span in list(self.spans) if span.trace == trace]

    def take(self, document: Mapping[str, Any]) -> None:
        for of_service in document["resourceSpans"]:
            service = _values(of_service["resource"]["attributes"])["service.name"]
            for scope in of_service["scopeSpans"]:
                self.spans += [_seen(service, span) for span in scope["spans"]]


def _values(attributes: list[Mapping[str, Any]]) -> dict[str, str]:
    return {each["key"]: next(iter(each["value"].values())) for each in attributes}


def _seen(service: str, span: Mapping[str, Any]) -> Seen:
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    return Seen(
        service=service,
        name=span["name"],
        kind=span["kind"],
        trace=span["traceId"],
        id=span["spanId"],
        parent=span.get("parentSpanId", ""),
        failed=span["status"].get("code") == 2,
        attributes=_values(span["attributes"]),
    )


@contextmanager
def collector() -> Iterator[Collector]:
    """Collects until the block ends."""
    found = Collector()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            well = (self.path, self.headers["content-type"]) == ("/v1/traces", "application/json")
            status = found.status if well else 404
            if status == 200:
                found.take(json.loads(body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer((LOOPBACK, 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.1])
        thread.start()
        found.url = f"http://{LOOPBACK}:{server.server_address[1]}"
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
