"""What is published for everybody: JSON that may be kept for a while, and is not sent twice."""

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

#: Seconds for which a copy is good enough.
FRESH = 300


def publish(request: Request, document: Any) -> Response:
    """A document as JSON, or 304 for whoever has it as it is. The same document has the same entity tag."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={FRESH}"}
    if tag in _tags(request):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _tags(request: Request) -> set[str]:
    """What the client has; a cache on the way may have marked it as weak."""
    given = request.headers.get("if-none-match", "")
    return {each.strip().removeprefix("W/") for each in given.split(",")}
