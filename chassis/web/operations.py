"""Metrics and health, on a port of their own: for the people and programs that keep the service running."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chassis import metrics
from chassis.exposition import CONTENT_TYPE_LATEST, Exposition


def operations(alive: Callable[[], bool], ready: Callable[[], bool]) -> Starlette:
    """``/metrics``, ``/health/live`` (restart me when not) and ``/health/ready`` (send me requests)."""
    seen = Exposition(metrics.REGISTRY)

    async def scrape(request: Request) -> Response:
        return Response(seen.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def live_now(request: Request) -> Response:
        return _told(alive(), "alive", "deaf: receives nothing")

    async def ready_now(request: Request) -> Response:
        return _told(ready(), "ready", "starting or stopping")

    return Starlette(
        routes=[
            Route("/metrics", scrape),
            Route("/health/live", live_now),
            Route("/health/ready", ready_now),
        ]
    )


def _told(well: bool, yes: str, no: str) -> Response:
    return PlainTextResponse(f"{yes if well else no}\n", 200 if well else 503, {"cache-control": "no-store"})
