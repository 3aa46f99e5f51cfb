"""What is published for everybody: files that may be kept for a while, and are not sent twice."""

import hashlib
import json
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.web.files import JSON, Kind

#: Seconds for which a copy is good enough.
FRESH = 300


def publish(request: Request, document: Any, *, modified: datetime | None = None) -> Response:
    """A document as JSON, or 304 for whoever has it as it is. The same document has the same entity tag."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    return publish_file(request, body, JSON, modified=modified)


def publish_file(
    request: Request, content: bytes, kind: Kind, *, modified: datetime | None = None
) -> Response:
    """A file, or 304 for whoever has it as it is.

    Args:
        modified: when it last became another one, where that is known.
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={FRESH}"}
    if modified is not None:
        headers["last-modified"] = format_datetime(modified.astimezone(UTC), usegmt=True)
    if _has(request, tag, modified):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind.media_type, headers=headers)


def _has(request: Request, tag: str, modified: datetime | None) -> bool:
    """Whether the client has the file as it is. A tag says more than a time: it counts first."""
    if "if-none-match" in request.headers:
        return tag in _tags(request)
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return modified is not None and since.tzinfo is not None and modified.replace(microsecond=0) <= since


def _tags(request: Request) -> set[str]:
    """What the client has; a cache on the way may have marked it as weak."""
    given = request.headers.get("if-none-match", "")
    return {each.strip().removeprefix("W/") for each in given.split(",")}
