"""The one web server of a process: services mount and unmount themselves, nothing else restarts."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.config import Settings
from chassis.context import Section, WayIn
from chassis.house import House
from chassis.ports import listen_to_all
from chassis.web.errors import Absent
from chassis.web.gate import Gate, Protected
from chassis.web.operations import operations
from chassis.web.pages import application
from chassis.web.protocol import Protocol
from chassis.web.static import STATIC
from chassis.web.stream import STOPPING
from chassis.web.templates import environment, render


class WebServer:
    """uvicorn inside the process: services mount and unmount themselves, nothing else restarts.

    Args:
        sections: the navigation, whichever of them live in this process.
        ways_in: where those who have no account are led.
        mail_href: where mail that was sent can be read, when it can.
        alive: whether this process still receives (liveness).
    """

    def __init__(
        self,
        settings: Settings,
        house: House,
        sections: Sequence[Section],
        *,
        ways_in: Sequence[WayIn] = (),
        mail_href: str = "",
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._alive = alive
        self._mail_href = mail_href
        self._ways_in = tuple(ways_in)
        #: The navigation.
        self.sections = tuple(sections)
        #: The ports that are listened on: pages, then metrics.
        self.ports: tuple[int, ...] = ()
        self.templates = environment(house, self.sections)
        self._hrefs = tuple(section.href.rstrip("/") for section in self.sections)
        # Whoever comes while a section is away may be from outside, so all of it is answered as public.
        routes = [Route("/", self._start_page), *STATIC]
        self._site = application("site", settings, routes, self.templates, public=self._hrefs)
        self._not_found, self._site.router.default = self._site.router.default, self._unserved
        self._mounted: dict[str, ASGIApp] = {}
        self._stopping = asyncio.Event()
        self._servers: list[uvicorn.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen.

        Raises:
            PortTaken: names the port.
        """
        gate = Gate(self, self._settings, self.templates)
        apps: list[ASGIApp] = [gate, Protected(operations(self._alive, self._ready))]
        listening = listen_to_all(self._settings)
        self.ports = tuple(each.getsockname()[1] for each in listening)
        for app, each in zip(apps, listening, strict=False):  # none of metrics, none of health
            self._serve(app, each)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to whoever is mounted there, else to the pages of the process itself."""
        path = self._mount_of(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self._site(scope, receive, send)
        else:
            inner = {**scope, "root_path": path, STOPPING: self._stopping}
            if scope["path"] == path:
                inner["path"] = path + "/"
            await self._mounted[path](inner, receive, send)

    async def _unserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A section that is not served here just now is no wrong address."""
        if any(_is_under(href, scope["path"]) for href in self._hrefs):
            raise Absent
        await self._not_found(scope, receive, send)

    def _mount_of(self, path: str) -> str | None:
        return next((mount for mount in self._mounted if _is_under(mount, path)), None)

    async def mount(self, path: str, app: ASGIApp) -> None:
        """Serve an application under a path from now on."""
        self._mounted[path] = app

    async def unmount(self, path: str) -> None:
        """Serve it no longer; what it is answering goes on."""
        self._mounted.pop(path, None)

    async def drain(self) -> None:
        """Take no more requests and end live streams; what is being answered goes on."""
        self._stopping.set()
        for server in self._servers:
            server.should_exit = True

    async def stop(self) -> None:
        """Drain, and cut what is still being answered after the grace period."""
        await self.drain()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._settings.grace)
            for task in late:
                task.cancel()

    def _ready(self) -> bool:
        """Whether a section is served: the mail box alone, or the start page, is not what people came for."""
        return not self._stopping.is_set() and not set(self._hrefs).isdisjoint(self._mounted)

    def _serve(self, app: ASGIApp, listening: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            # Also where httptools stands by: that is faster, bounds no headers and takes what is no HTTP.
            http=Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=15,
            limit_concurrency=500,
            # Whom a request is from is said by a proxy that we know, or it is whoever sends it.
            proxy_headers=self._settings.over_tls,
            forwarded_allow_ips=list(self._settings.proxies),
        )
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        self._servers.append(server)
        self._tasks.append(asyncio.get_running_loop().create_task(server.serve([listening])))

    async def _start_page(self, request: Request) -> Response:
        values = {"mail_href": self._mail_href, "ways_in": self._ways_in}
        return render(self.templates, request, "start.html", 200, values)


def _is_under(mount: str, path: str) -> bool:
    return path == mount or path.startswith(mount + "/")
