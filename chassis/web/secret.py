"""Pages behind a link for somebody who has no account: whoever has the address reads them."""

from starlette.requests import Request
from starlette.responses import Response

from chassis.web.gate import SECRET_ADDRESS
from chassis.web.pages import site_of


def private(response: Response) -> Response:
    """The address is the key: it must not travel on as a Referer."""
    response.headers.update(SECRET_ADDRESS)
    return response


def unknown_link(request: Request) -> Response:
    """The answer to a link that leads nowhere, or nowhere any more: the same for both."""
    return private(site_of(request).page(request, "unknown_link.html", status=404))
