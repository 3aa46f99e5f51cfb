"""What is shown once and never again: a new token, new recovery codes.

A POST sends the browser on to the page that shows it, so that a reload does not act again. Between the two
it travels in the browser alone: sealed with a key of this service, for one session, in a cookie that the page
takes away. Nothing of it is kept here.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from starlette.requests import Request
from starlette.responses import Response

from chassis.web import see, signed_in, site_of
from chassis.web.access import read_cookie
from contracts.access import ACCOUNT

#: How long a browser may take from one page to the next.
_GOOD_FOR = timedelta(minutes=2)


def show_once(request: Request, path: str, **what: Any) -> Response:
    """Send the browser on to the page at this path, with what it is to show."""
    until = _now(request) + _GOOD_FOR
    said = {
        "what": what,
        "path": path,
        "session": str(signed_in(request).session),
        "until": until.isoformat(),
    }
    sealed = urlsafe_b64encode(_box(request).encrypt(json.dumps(said).encode())).decode()
    response = see(path)
    response.set_cookie(_name(request), sealed, max_age=int(_GOOD_FOR.total_seconds()), **_kept(request))
    return response


def brought(request: Request) -> Mapping[str, Any] | None:
    """What this page is to show; nothing when it was shown before, is too old, or of another session."""
    try:
        sealed = urlsafe_b64decode(read_cookie(request, _name(request)))
        said = json.loads(_box(request).decrypt(sealed))
    except (CryptoError, ValueError):
        return None
    fits = said["path"] == request.scope["path"] and said["session"] == str(signed_in(request).session)
    if not fits or datetime.fromisoformat(said["until"]) <= _now(request):
        return None
    found: Mapping[str, Any] = said["what"]
    return found


def page_once(request: Request, template: str, **values: Any) -> Response:
    """The page that shows it, after which the browser has it no more."""
    response = site_of(request).page(request, template, **values)
    response.delete_cookie(_name(request), **_kept(request))
    return response


def _now(request: Request) -> datetime:
    return site_of(request).context.clock.now()


def _box(request: Request) -> SecretBox:
    return SecretBox(site_of(request).context.keys.derive("shown once"))


def _name(request: Request) -> str:
    prefix = "__Secure-" if site_of(request).context.settings.over_tls else ""
    return f"{prefix}conduit-shown"


def _kept(request: Request) -> dict[str, Any]:
    over_tls = site_of(request).context.settings.over_tls
    return {"path": ACCOUNT, "secure": over_tls, "httponly": True, "samesite": "strict"}
