"""Signing in: asking for a link, using it or the code beside it, and renewing a session without a word.

Opening a page signs nobody in: mail programs open links by themselves. A button does.
"""

from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.audit import acting, note
from chassis.context import current_cause
from chassis.database import Transaction
from chassis.errors import Refused
from chassis.log import logger
from chassis.web import fault, new_key, private, read_form, see, signed_in, site_of
from chassis.web.access import actor_of, check_key, read_cookie, set_session
from chassis.web.pace import source_of
from chassis.writing import mailable
from contracts.access import RENEW, SIGN_IN
from contracts.topology import PARTNERS
from services.partners import signing_in
from services.partners.attempts import TooMany
from services.partners.signing_in import Asked, Began, NotGood, Visitor

_log = logger(__name__)

KEPT = "/partners/kept"

#: Both cookies go to the pages of partners alone.
_PATH = "/partners"


async def show(request: Request) -> Response:
    """The form: one's address, and nothing else."""
    return _form(request, "", {})


def _form(
    request: Request,
    email: str,
    faults: dict[str, Any],
    *,
    refused: Any = None,
    next: str = "",
    status: int = 200,
) -> Response:
    next = safe_path(next or request.query_params.get("next", "/"))
    response = site_of(request).page(
        request,
        "sign_in.html",
        status=status,
        values={"email": email},
        faults=faults,
        refused=refused,
        again="again" in request.query_params,
        next=next,
        kept=next == KEPT,
        key=new_key(request),
    )
    return private(response)


async def ask(request: Request) -> Response:
    """Let a link be sent to whoever has this address. The answer is the same for every address."""
    form = await read_form(request)
    check_key(request, str(form.get("key", "")))
    email = str(form.get("email", "")).strip()[:254]
    if not mailable(email):
        cure = "Write one such as name@body.example."
        faults = {"email": fault("No mail can be sent to this address.", cure)}
        return _form(request, email, faults, next=str(form.get("next", "/")), status=422)
    browser = browser_of(request) or signing_in.new_browser()
    asked = Asked(
        email=email, browser=browser, source=_source(request), next=safe_path(str(form.get("next", "/")))
    )
    try:
        async with site_of(request).database.transaction() as tx:
            await signing_in.ask(tx, asked)
    except TooMany as refused:
        _log_refusal("too_many")
        return _form(request, email, {}, refused=refused, next=asked.next, status=refused.status)
    response = see(f"{SIGN_IN}/sent")
    keep_browser(request, response, browser)
    return response


async def sent(request: Request) -> Response:
    """Where the code can be typed."""
    return _sent(request, {})


def _sent(request: Request, faults: dict[str, Any], status: int = 200) -> Response:
    minutes = int(signing_in.GOOD_FOR.total_seconds() // 60)
    return site_of(request).page(
        request, "sign_in_sent.html", status=status, faults=faults, minutes=minutes, key=new_key(request)
    )


async def by_code(request: Request) -> Response:
    """Sign in by the six digits, in the browser that asked for them."""
    form = await read_form(request)
    check_key(request, str(form.get("key", "")))
    try:
        async with acting(site_of(request).database) as tx:
            began = await signing_in.sign_in_by_code(tx, str(form.get("code", "")), _visitor(request))
            if isinstance(began, Began):
                _note(request, tx, began, "code")
    except TooMany as refused:
        _log_refusal("too_many")
        return _code_refused(request, refused)
    if isinstance(began, NotGood):
        _log_refusal(began.reason)
        return _code_refused(request, began)
    return _signed_in(request, began)


def _code_refused(request: Request, refused: Refused) -> Response:
    return _sent(request, {"code": fault(refused.what, refused.cure)}, refused.status)


async def show_link(request: Request) -> Response:
    """A button. Opening the link has used nothing up."""
    try:
        async with site_of(request).database.reading() as tx:
            await signing_in.look_at_link(tx, request.path_params["link"], browser_of(request))
    except NotGood as refused:
        _log_refusal(refused.reason)
        return _form(request, "", {}, refused=refused, next=refused.next, status=refused.status)
    return private(site_of(request).page(request, "sign_in_link.html", key=new_key(request)))


async def by_link(request: Request) -> Response:
    """Sign in."""
    form = await read_form(request)
    check_key(request, str(form.get("key", "")))
    try:
        async with acting(site_of(request).database) as tx:
            began = await signing_in.sign_in_by_link(tx, request.path_params["link"], _visitor(request))
            _note(request, tx, began, "link")
    except NotGood as refused:
        _log_refusal(refused.reason)
        return _form(request, "", {}, refused=refused, next=refused.next, status=refused.status)
    return _signed_in(request, began)


def _visitor(request: Request) -> Visitor:
    agent, renewal = request.headers.get("user-agent", ""), read_cookie(request, _renewal_name(request))
    return Visitor(browser=browser_of(request), agent=agent, renewal=renewal)


def _note(request: Request, tx: Transaction, began: Began, by: str) -> None:
    tx.actor = actor_of(request, began.person)
    note(tx, "signed_in", "session", began.person.session, after={"by": by})


def _log_refusal(reason: str) -> None:
    """Nobody has acted, so it stands in the log and not in the audit."""
    _log.warning(
        "sign_in_refused", service=PARTNERS, reason=reason, correlationid=current_cause().correlationid
    )


def _signed_in(request: Request, began: Began) -> Response:
    response = see(safe_path(began.next))
    give_session(request, response, began)
    return response


def give_session(request: Request, response: Response, began: Began) -> None:
    """Let the browser have a session, and what it renews that with."""
    site = site_of(request)
    set_session(response, site.context.settings, site.sessions.sign(began.person))
    hours = site.context.settings.session_longest
    _set(request, response, _renewal_name(request), began.renewal, seconds=int(hours * 3600))


async def go_on_anew(request: Request, tx: Transaction) -> Began | None:
    """This browser's session under a new secret; nothing when it has ended."""
    return await signing_in.go_on_anew(tx, read_cookie(request, _renewal_name(request)))


async def renew(request: Request) -> Response:
    """Give the browser a new token and send it back with what it was sending; or to sign in, keeping that."""
    site, next = site_of(request), safe_path(request.query_params.get("next", "/"))
    async with site.database.transaction() as tx:
        person = await signing_in.renew(tx, read_cookie(request, _renewal_name(request)))
    if person is not None:
        response = RedirectResponse(next, 303 if request.method == "GET" else 307)
        set_session(response, site.context.settings, site.sessions.sign(person))
        return response
    return await by_way_of(request, SIGN_IN, next)


async def again_first(request: Request, path: str) -> Response | None:
    """Where to go first, for whoever has not signed in lately; nothing for whoever has.

    A session that was left open is not enough to change how one signs in.
    """
    async with site_of(request).database.reading() as tx:
        if await signing_in.began_lately(tx, signed_in(request).session):
            return None
    return await by_way_of(request, SIGN_IN, path, again="yes")


async def by_way_of(request: Request, place: str, path: str, **said: str) -> Response:
    """Go to a place first and come back; what was being sent to ``path`` is kept until then."""
    if request.method == "GET":
        return see(f"{place}?{urlencode({'next': path, **said})}")
    try:
        form = await read_form(request)
    except Refused:
        return see(f"{place}?{urlencode({'next': '/', **said})}")
    fields = [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
    browser = browser_of(request) or signing_in.new_browser()
    async with site_of(request).database.transaction() as tx:
        await signing_in.keep_form(tx, browser, _source(request), path, fields)
    response = see(f"{place}?{urlencode({'next': KEPT, **said})}")
    keep_browser(request, response, browser)
    return response


def safe_path(text: str) -> str:
    """A path of this site to go to; the first page instead of anything else.

    Browsers read a backslash as a slash, and drop line breaks and tabs.
    """
    plain = text.isascii() and text.isprintable() and len(text) <= 2_000 and "\\" not in text
    if not plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    leads_back = parts.path.startswith((SIGN_IN, RENEW))
    return "/" if parts.scheme or parts.netloc or leads_back else text


def _source(request: Request) -> str:
    return source_of(request.client.host if request.client else "")


# Cookies


def browser_of(request: Request) -> str:
    """The secret by which this browser is known while it signs in; nothing when it has none of ours."""
    found = read_cookie(request, _name(request, "browser"))
    return found if signing_in.is_browser(found) else ""


def keep_browser(request: Request, response: Response, secret: str) -> None:
    """Let the browser be known for as long as anything waits for it."""
    seconds = int(signing_in.KEPT_FOR.total_seconds())
    _set(request, response, _name(request, "browser"), secret, seconds=seconds)


def forget_renewal(request: Request, response: Response) -> None:
    """Let the browser renew nothing any more."""
    over_tls = site_of(request).context.settings.over_tls
    name = _renewal_name(request)
    response.delete_cookie(name, path=_PATH, secure=over_tls, httponly=True, samesite="lax")


def _renewal_name(request: Request) -> str:
    return _name(request, "renewal")


def _name(request: Request, what: str) -> str:
    prefix = "__Secure-" if site_of(request).context.settings.over_tls else ""
    return f"{prefix}conduit-{what}"


def _set(request: Request, response: Response, name: str, value: str, *, seconds: int) -> None:
    over_tls = site_of(request).context.settings.over_tls
    response.set_cookie(
        name, value, max_age=seconds, path=_PATH, secure=over_tls, httponly=True, samesite="lax"
    )
