"""One trace from the browser to the letter: through the outbox, the broker, a handler elsewhere, the mail."""

import json
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from chassis import traces
from chassis.context import Cause
from chassis.telemetry import Exporter
from chassis.testing import LOOPBACK
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from tests.access import form_key
from tests.certificates import Certificate
from tests.faults.world import World, eventually
from tests.operations.collecting import Collector, Seen, collector

pytestmark = pytest.mark.timeout(400)

#: What a browser, or a program before us, says that it is part of.
TRACE, SPAN = "a" * 31 + "b", "c" * 15 + "d"


def named(spans: Sequence[Seen], name: str, service: str) -> Seen:
    [found] = [span for span in spans if (span.name, span.service) == (name, service)]
    return found


def test_a_request_a_handler_in_another_service_and_its_mail_are_one_trace(
    world: World, collected: Collector
) -> None:
    running, address = world.running[PARTNERS], "traced@forum.example"
    invited = httpx.post(
        f"{running.url}/partners/people/invite",
        data={"name": "Marker Person", "email": address, "roles": "staff", "key": form_key()},
        headers={"traceparent": f"00-{TRACE}-{SPAN}-01"},
        cookies=running.cookies,
        timeout=20,
    )
    assert invited.status_code == 303, invited.text
    eventually(lambda: world.mail.to(address), lambda: "no mail came")
    whole = {  # each service sends its own when it gets round to it
        ("POST /people/invite", PARTNERS),
        ("publish partners.person_invited.v1", PARTNERS),
        ("process partners.person_invited.v1", NOTIFICATIONS),
        ("send message", NOTIFICATIONS),
        ("process partners.person_admitted.v1", GRANTS),
    }
    eventually(
        lambda: whole <= {(span.name, span.service) for span in collected.of(TRACE)},
        lambda: f"not all was collected: {collected.of(TRACE)}",
    )
    spans = collected.of(TRACE)
    request = named(spans, "POST /people/invite", PARTNERS)
    assert (request.parent, request.kind) == (SPAN, traces.Kind.SERVER)
    assert request.attributes["http.response.status_code"] == "303"
    published = named(spans, "publish partners.person_invited.v1", PARTNERS)
    handled = named(spans, "process partners.person_invited.v1", NOTIFICATIONS)
    mailed = named(spans, "send message", NOTIFICATIONS)
    assert (published.parent, handled.parent, mailed.parent) == (request.id, request.id, handled.id)
    assert (published.kind, handled.kind, mailed.kind) == (4, 5, 3)
    assert published.attributes["messaging.message.id"] == handled.attributes["messaging.message.id"]
    assert len({span.id for span in spans}) == len(spans)
    assert not any(span.failed for span in spans)
    said = json.dumps([span.attributes for span in spans])
    assert "Marker" not in said
    assert address not in said


async def test_a_collector_that_says_no_goodbye_has_taken_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over TLS closing politely lasts until the other side has said so as well."""
    shown, over = Certificate.write(tmp_path, LOOPBACK), threading.Event()
    monkeypatch.setenv("SSL_CERT_FILE", str(shown.certificate))

    def take(listening: socket.socket) -> None:
        with shown.context.wrap_socket(listening.accept()[0], server_side=True) as connection:
            connection.recv(100_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            over.wait(60)

    with socket.create_server((LOOPBACK, 0)) as listening:
        exporter = Exporter(f"https://{LOOPBACK}:{listening.getsockname()[1]}")
        exporter.collect(
            traces.Span(
                service=GRANTS,
                name="a",
                kind=traces.Kind.INTERNAL,
                trace=TRACE,
                parent="",
                flags="01",
                ended_ns=1,
            )
        )
        listening.settimeout(30)
        thread = threading.Thread(target=take, args=[listening])
        thread.start()
        try:
            await exporter.turn()
        finally:
            over.set()
            thread.join()
    assert "traces_not_taken" not in capsys.readouterr().out


async def test_what_a_collector_did_not_take_is_sent_again(capsys: pytest.CaptureFixture[str]) -> None:
    with collector() as found:
        exporter = Exporter(found.url)
        traces.collect_with(exporter.collect)
        try:
            with (
                pytest.raises(ZeroDivisionError),
                traces.going_on(GRANTS, "fails", traces.Kind.INTERNAL, Cause.new()) as cause,
            ):
                _ = 1 / 0
            with traces.doing(GRANTS, "not wanted", traces.Kind.INTERNAL, f"00-{TRACE}-{SPAN}-00"):
                pass
        finally:
            traces.collect_with(None)
        found.status = 503
        assert not await exporter.turn()
        assert found.spans == []
        found.status = 200
        assert not await exporter.turn()
        [span] = found.spans
        assert (span.name, span.failed) == ("fails", True)
        assert cause.traceparent == f"00-{span.trace}-{span.id}-01"
    assert "traces_not_taken" in capsys.readouterr().out
