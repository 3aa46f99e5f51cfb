"""The proxy's own file, run by a real Caddy before three servers that say what they were asked."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from chassis.testing import LOOPBACK, free_port
from chassis.web import LARGEST_FILE
from contracts.topology import SERVICES

DEPLOY = Path(__file__).parents[2] / "deploy"
CADDYFILE, SINGLE = DEPLOY / "caddy" / "Caddyfile", DEPLOY / "systemd" / "Caddyfile"
#: What stands there until somebody writes their own.
DOMAIN = "conduit.body.example"


class _Echo(BaseHTTPRequestHandler):
    """Says which service was asked, for what, and by whom as the proxy has it."""

    service = ""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        asked_by = self.headers.get_all("x-forwarded-for")
        told = json.dumps({"service": self.service, "path": self.path, "by": asked_by}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@dataclass
class Proxied:
    origin: str
    servers: dict[str, ThreadingHTTPServer]
    log: Path

    def get(self, path: str, **options: str) -> httpx.Response:
        return httpx.get(self.origin + path, timeout=20, headers=options)


def _echoing(name: str) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer((LOOPBACK, 0), type("Echo", (_Echo,), {"service": name}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def _caddy(file: Path, servers: dict[str, ThreadingHTTPServer], **variables: str) -> Iterator[Proxied]:
    """A real one with this file, at the address that stands in it."""
    log, origin = file.with_name("log"), variables["CONDUIT_DOMAIN"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "caddy", "run", "--config", file, "--adapter", "caddyfile"],
            env={"PATH": os.environ["PATH"], "HOME": str(file.parent), **variables},
            stdout=output,
            stderr=output,
        )
    try:
        there = Proxied(origin, servers, log)
        _wait(there)
        yield there
    finally:
        process.terminate()
        process.wait(timeout=30)
        for server in servers.values():
            server.shutdown()
            server.server_close()


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    servers = {service: _echoing(service) for service in SERVICES}
    file = tmp_path / "Caddyfile"
    file.write_text(CADDYFILE.read_text(encoding="utf-8"))
    where = {name.upper(): f"{LOOPBACK}:{server.server_port}" for name, server in servers.items()}
    with _caddy(file, servers, CONDUIT_DOMAIN=f"http://{LOOPBACK}:{free_port()}", **where) as there:
        yield there


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Proxied]:
    """Before one process, with the file that stands beside its unit."""
    server, origin = _echoing("conduit"), f"http://{LOOPBACK}:{free_port()}"
    text, file = SINGLE.read_text(encoding="utf-8"), tmp_path / "Caddyfile"
    for written, here in (
        (f"{LOOPBACK}:8000", f"{LOOPBACK}:{server.server_port}"),
        ("\n" + DOMAIN, "\n" + origin),
    ):
        assert text.count(written) == 1
        text = text.replace(written, here)
    file.write_text(text)
    with _caddy(file, {"conduit": server}, CONDUIT_DOMAIN=origin) as there:
        yield there


def _wait(proxied: Proxied) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            proxied.get("/")
        except httpx.HTTPError:
            assert time.monotonic() < deadline, proxied.log.read_text()
            time.sleep(0.1)
        else:
            return


def test_each_section_comes_from_its_service_and_one_that_is_away_takes_nothing_along(
    proxied: Proxied,
) -> None:
    for path, service in (
        ("/partners", "partners"),
        ("/partners/organisations?q=a", "partners"),
        ("/grants/", "grants"),
        ("/letters/answers/secret-token", "notifications"),
        ("/", "partners"),
        ("/static/conduit.css", "partners"),
        ("/grantsomething", "partners"),
    ):
        # Who asks is whoever connects, whatever they say of themselves.
        told = proxied.get(path, **{"x-forwarded-for": "192.0.2.7"}).json()
        assert told == {"service": service, "path": path, "by": [LOOPBACK]}
    for away in ("partners", "notifications"):
        proxied.servers[away].shutdown()
        proxied.servers[away].server_close()
    gone = proxied.get("/letters/answers/secret-token")
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "10")
    assert "try again" in gone.text
    assert proxied.get("/grants").json()["service"] == "grants"
    assert proxied.get("/").json()["service"] == "grants"
    assert "secret-token" not in proxied.log.read_text()


def test_the_largest_file_gets_through_and_nothing_much_larger(proxied: Proxied) -> None:
    """The form around a file takes a little room as well."""
    room = 64 * 1024
    taken = httpx.post(f"{proxied.origin}/grants/x", content=bytes(LARGEST_FILE + room), timeout=30)
    assert taken.status_code == 200
    refused = httpx.post(f"{proxied.origin}/grants/x", content=bytes(40_000_000), timeout=30)
    assert refused.status_code >= 400


def test_each_file_is_one_that_caddy_takes() -> None:
    for file in (CADDYFILE, SINGLE):
        done = subprocess.run(
            ["caddy", "validate", "--config", file, "--adapter", "caddyfile"],
            env={"PATH": os.environ["PATH"], "HOME": "/tmp", "CONDUIT_DOMAIN": DOMAIN},  # noqa: S108
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_one_process_has_every_page_behind_its_file(alone: Proxied) -> None:
    for path in ("/", "/partners", "/grants/x?q=a", "/letters/answers/secret-token", "/static/conduit.css"):
        told = alone.get(path, **{"x-forwarded-for": "192.0.2.7"}).json()
        assert told == {"service": "conduit", "path": path, "by": [LOOPBACK]}
    taken = httpx.post(f"{alone.origin}/grants/x", content=bytes(LARGEST_FILE + 64 * 1024), timeout=30)
    assert taken.status_code == 200
    assert httpx.post(f"{alone.origin}/x", content=bytes(40_000_000), timeout=30).status_code >= 400
    alone.servers["conduit"].shutdown()
    alone.servers["conduit"].server_close()
    gone = alone.get("/letters/answers/secret-token")
    assert (gone.status_code, "try again" in gone.text) == (502, True)
    assert "secret-token" not in alone.log.read_text()
