"""Style, script and pictures, under addresses that change with their content and may be cached for ever.

They are few and small: read once, served from memory. An address with another digest is not answered, so
that a cache never keeps one version under the address of another.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis.errors import NotFound

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, kw_only=True)
class _Asset:
    """One file."""

    content: bytes
    type: str
    digest: str


def _read(path: Path) -> _Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return _Asset(content=content, type=_TYPES[path.suffix], digest=digest)


_ASSETS = {path.name: _read(path) for path in (Path(__file__).parents[1] / "static").glob("*.*")}


def asset(name: str) -> str:
    """The address of a static file."""
    return f"/static/{_ASSETS[name].digest}/{name}"


_ADDRESSES = frozenset(map(asset, _ASSETS))


def is_asset(path: str) -> bool:
    """Whether a static file stands under this address."""
    return path in _ADDRESSES


async def _show(request: Request) -> Response:
    found = _ASSETS.get(request.path_params["name"])
    if found is None or found.digest != request.path_params["digest"]:
        raise NotFound
    return Response(found.content, headers=_FOR_EVER, media_type=found.type)


async def _favicon(request: Request) -> Response:
    """Browsers ask here when what they show is no page, such as a PDF."""
    return RedirectResponse(asset("favicon.svg"))


async def _robots(request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


STATIC = (
    Route("/static/{digest}/{name}", _show),
    Route("/favicon.ico", _favicon),
    Route("/robots.txt", _robots),
)
