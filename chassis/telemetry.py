"""Handing spans to a collector: OTLP over HTTP, as JSON.

The protocol is a document that is posted, so nothing needs to be installed for it. Spans wait in memory, a
bounded number of them, as they will be sent; while the collector is away the oldest go. Nothing that is done
waits for any of it.
"""

import asyncio
import json
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from chassis import metrics
from chassis.log import describe, logger
from chassis.traces import Span

_log = logger(__name__)

#: Spans that wait at the most, and that are posted at once.
_MOST, _AT_ONCE = 20_000, 1_000
#: A text as JSON has it.
_quoted = json.JSONEncoder().encode
#: OTLP's status of what did not succeed.
_FAILED = '{"code":2}'
#: Seconds that a collector may take.
_PATIENCE = 10.0


#: The service, and one of its spans as text.
Written = tuple[str, str]


class Exporter:
    """Keeps spans until they were posted.

    Args:
        url: the collector's, without the path that OTLP gives it.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url.rstrip("/") + "/v1/traces")
        self._spans = deque[Written](maxlen=_MOST)
        metrics.SPANS_LOST.inc(0)

    def collect(self, span: Span) -> None:
        """Take a span that has ended."""
        if len(self._spans) == _MOST:
            metrics.SPANS_LOST.inc()
        self._spans.append(written(span))

    async def turn(self) -> bool:
        """Post some. Whether as many wait again. What could not be posted is tried again with the next ones.

        A few wait until there are more of them: to post each as it comes costs more than all the rest.
        """
        taken = [self._spans.popleft() for _ in range(min(_AT_ONCE, len(self._spans)))]
        if not taken:
            return False
        try:
            await asyncio.wait_for(self._post(document(taken).encode()), _PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            room = _MOST - len(self._spans)
            metrics.SPANS_LOST.inc(max(len(taken) - room, 0))
            self._spans.extendleft(reversed(taken[max(len(taken) - room, 0) :]))
            _log.warning("traces_not_taken", count=len(self._spans), **describe(error))
            return False
        return len(self._spans) >= _AT_ONCE

    async def _post(self, body: bytes) -> None:
        """One request on a connection of its own.

        Raises:
            OSError, ValueError: when nobody took it.
        """
        where, secure = self._address, self._address.scheme == "https"
        port = where.port or (443 if secure else 80)
        tls = ssl.create_default_context() if secure else None
        reader, writer = await asyncio.open_connection(where.hostname, port, ssl=tls)
        try:
            writer.write(_head(where, len(body)) + body)
            await writer.drain()
            answer = (await reader.readline()).split()
        finally:
            writer.transport.abort()  # closing politely over TLS would last until they say goodbye
        if len(answer) < 2 or not answer[1].startswith(b"2"):
            raise ValueError("the collector did not take it")


def _head(where: SplitResult, size: int) -> bytes:
    lines = [
        f"POST {where.path} HTTP/1.1",
        f"Host: {where.netloc.rpartition('@')[2]}",
        "Content-Type: application/json",
        f"Content-Length: {size}",
        "Connection: close",
    ]
    if where.username:
        pair = f"{unquote(where.username)}:{unquote(where.password or '')}"
        lines.append(f"Authorization: Basic {b64encode(pair.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def document(spans: Sequence[Written]) -> str:
    """The spans as OTLP has them: by service."""
    services = dict.fromkeys(service for service, _ in spans)
    resources = (
        f'{{"resource":{{"attributes":[{_attribute("service.namespace", "conduit")},'
        f"{_attribute('service.name', service)},{_attribute('service.version', metrics.VERSION)}]}},"
        f'"scopeSpans":[{{"scope":{{"name":"conduit"}},"spans":[{_of(service, spans)}]}}]}}'
        for service in services
    )
    return f'{{"resourceSpans":[{",".join(resources)}]}}'


def _of(service: str, spans: Sequence[Written]) -> str:
    return ",".join(text for whose, text in spans if whose == service)


def written(span: Span) -> Written:
    """A span as OTLP has it. What is kept so is no burden to whoever looks for garbage."""
    parent = f'"parentSpanId":"{span.parent}",' if span.parent else ""
    attributes = ",".join([_attribute(key, value) for key, value in span.attributes.items()])
    return span.service, (
        f'{{"traceId":"{span.trace}","spanId":"{span.id}",{parent}"name":{_quoted(span.name)},'
        f'"kind":{span.kind.value},"startTimeUnixNano":"{span.began_ns}","endTimeUnixNano":"{span.ended_ns}",'
        f'"attributes":[{attributes}],"status":{_FAILED if span.failed else "{}"}}}'
    )


def _attribute(key: str, value: str | int) -> str:
    told = f'"intValue":"{value}"' if isinstance(value, int) else f'"stringValue":{_quoted(value)}'
    return f'{{"key":"{key}","value":{{{told}}}}}'
