"""Every route names its action; before anything else, it is decided who asks and whether they may.

Whoever must sign in first is sent to where that is done, and comes back: a form that was posted too late goes
there and back with its content. Programs are told with a status.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chassis.access import LIFETIME, NoSession, Person, Silence, check_now
from chassis.audit import Actor, acting
from chassis.clock import real_now
from chassis.config import Settings
from chassis.database import Transaction
from chassis.errors import Conflict, Refused
from chassis.keys import Keyring
from chassis.web.words import lately
from contracts.access import JUST_NOW, OPEN_DATA, PROVE, RENEW, RULES, SIGNED_BY, Action, may

Endpoint = Callable[[Request], Awaitable[Response]]

#: Under this name whoever has signed in travels with a request.
_PERSON = "conduit.person"
#: And under this one what they do.
_ACTION = "conduit.action"
#: And under this one that the service that signs is silent.
_SILENCE = "conduit.silence"

#: Who says who may still act, as people read it.
_SIGNER = SIGNED_BY.capitalize()


class SignInNeeded(Exception):
    """Nobody has signed in, or their session must be renewed."""


class ProofNeeded(Exception):
    """Somebody has signed in, and must show their second factor first."""


class OfAnotherSession(Conflict):
    """A form was made for another session, or by another site."""

    def __init__(self) -> None:
        cure = "Open the page again and send it again. Nothing was changed."
        super().__init__("This form was made for another session.", cure)


class Forbidden(Refused):
    """Somebody has signed in, and this is not for them."""

    status = 403

    def __init__(self, cure: str = "Ask whoever invited you if you need it.") -> None:
        super().__init__("This is not for you to see or to do.", cure)


class ReadsOnly(Refused):
    """A token that only reads was to change something."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This token only reads.", "Make one that may also change something.")


class Silent(Refused):
    """It is not known who may still act, so nothing is done that weighs, and nothing in an ended session."""

    status = 503
    retry_after = 30


def page(
    path: str,
    endpoint: Endpoint,
    action: Action,
    *,
    methods: Iterable[str] = ("GET",),
    largest: int | None = None,
) -> Route:
    """A route that only those reach who may do the action.

    Args:
        largest: bytes of a file that a form may bring; elsewhere the setting decides how large a form may be.
    """

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        request.scope[_ACTION] = action.value
        await _admit(request, action)
        return await endpoint(request)

    guarded.action = action  # type: ignore[attr-defined]
    guarded.largest = largest  # type: ignore[attr-defined]
    return Route(path, guarded, methods=list(methods))


async def _admit(request: Request, action: Action) -> None:
    """Find out who asks, and refuse those who may not.

    Raises:
        SignInNeeded, Forbidden, ReadsOnly, Silent, ProofNeeded: before the body of the request was read.
    """
    rule = RULES[action]
    if rule.public:
        return
    try:
        person = await _who(request)
    except NoSession as none:
        raise SignInNeeded from none
    silence: Silence | None = await request.app.state.site.standings.silence()
    ended = person.expired_by(_now(request))
    if ended and silence is None:  # whoever signs is there, and renews it
        raise SignInNeeded
    request.scope[_PERSON] = person
    changes = request.method not in ("GET", "HEAD")
    if not may(action, person.roles):
        raise Forbidden
    if person.reads_only and changes:
        raise ReadsOnly
    request.scope[_SILENCE] = silence
    if silence is not None and changes:
        _refuse_in_silence(silence, weighs=rule.weighs, ended=ended)
    if rule.proof or (person.owes_proof and action is not Action.PROVE):
        require_proof(request, rule.proof or JUST_NOW)


def _refuse_in_silence(silence: Silence, *, weighs: bool, ended: bool) -> None:
    """Let nothing be done that only the service that signs could allow just now.

    Raises:
        Silent: says why, since when, and what to do.
    """
    if weighs:
        what = f"{_SIGNER}, which says who may still act, {_not_heard(silence)}. Nothing was changed."
        cure = "Try again in a few minutes. Whoever looks after the computer sees why with: conduit check"
        raise Silent(what, cure)
    if ended:
        cure = (
            f"{_SIGNER} {_not_heard(silence)}. Go back: your browser has kept the form. Send it again in a "
            "few minutes. If “Your account” opens, you are signed in anew at once."
        )
        raise Silent("You cannot be signed in anew just now. Nothing was changed.", cure)


def _not_heard(silence: Silence) -> str:
    if silence.since is None:
        return "has not been heard from yet"
    return f"has not been heard from since {lately(silence.since, real_now())}"


def told_of_silence(request: Request) -> str:
    """What the frame of a page says to whoever has signed in, while the service that signs is silent."""
    silence: Silence | None = request.scope.get(_SILENCE)
    if silence is None:
        return ""
    return f"{_SIGNER} {_not_heard(silence)}: you can read; what concerns money or decisions waits."


def require_proof(request: Request, within: timedelta = JUST_NOW) -> None:
    """Go on only if whoever asks has shown their second factor within this time.

    Raises:
        ProofNeeded: if not.
    """
    if not has_proved(request, within):
        raise ProofNeeded


def has_proved(request: Request, within: timedelta = JUST_NOW) -> bool:
    """Whether whoever asks has shown their second factor within this time."""
    person = signed_in(request)
    return not person.owes_proof and person.proved_since(_now(request) - within)


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.site.context.clock.now()
    return now


async def _who(request: Request) -> Person:
    """Whoever asks: a program by its token, on the addresses that are made for programs, or a browser.

    A browser's token is taken beyond its end, for as long as one may be idle: what that is good for is not
    decided here.
    """
    site, now = request.app.state.site, _now(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if is_api(request) and scheme.lower() == "bearer":
        holder: Person = await site.standings.of_token(token.strip(), now)
        return holder
    cookie = session_cookie(request, site.context.settings)
    if not cookie:
        raise NoSession("absent")
    longest = max(LIFETIME, timedelta(hours=site.context.settings.session_idle))
    person: Person = site.sessions.verify(cookie, now, longest)
    await site.standings.check(person)
    return person


def is_api(request: Request) -> bool:
    """Whether the address is one of the API's."""
    path: str = request.scope["path"]
    return "/api/" in path


def is_open(path: str) -> bool:
    """Whether what stands under a path is published for everybody's programs."""
    return path.startswith(tuple(f"{each}/" for each in OPEN_DATA)) or path in OPEN_DATA


def signed_in(request: Request) -> Person:
    """Whoever asks. Only where the action of the route needs somebody.

    Raises:
        SignInNeeded: when nobody has signed in.
    """
    person: Person | None = request.scope.get(_PERSON)
    if person is None:
        raise SignInNeeded
    return person


def at_a_glance(request: Request) -> Person | None:
    """Whoever has a session, even one to be renewed: for a page's frame or whom to name, never for data."""
    if _PERSON in request.scope:
        return signed_in(request)
    state = request.app.state
    try:
        person: Person = state.sessions.verify(session_cookie(request, state.settings), None)
    except NoSession:
        return None
    return person


def id_of(request: Request) -> str:
    """Whoever asks, as a log says it; nothing when that is not known."""
    person: Person | None = request.scope.get(_PERSON)
    return str(person.id) if person is not None else ""


def actor_of(request: Request, person: Person | None = None) -> Actor | None:
    """Whoever asks, as the audit says it; nothing on pages for everybody, unless it came out who it is."""
    person = person or request.scope.get(_PERSON)
    if person is None:
        return None
    return Actor(
        person=person.id,
        session=person.session,
        source=request.client.host if request.client else "",
        action=request.scope[_ACTION],
        object=str(request.path_params.get("id", ""))[:100],
    )


@asynccontextmanager
async def acts(request: Request) -> AsyncIterator[Transaction]:
    """A transaction of whoever asks, if they may still act at this moment. What they did is noted in it.

    Raises:
        SignInNeeded: if they may not, or only with a newer session token.
    """
    async with acting(request.app.state.site.database, actor_of(request)) as tx:
        await check_still_good(request, tx)
        yield tx


async def check_still_good(request: Request, tx: Transaction) -> None:
    """Refuse the act of somebody who was barred a moment ago, or signed out, or has other roles by now.

    Raises:
        SignInNeeded: nothing was done yet; a browser fetches another token and sends the same again.
    """
    person: Person | None = request.scope.get(_PERSON)
    if person is None:
        return
    try:
        await check_now(tx, person)
    except NoSession as none:
        raise SignInNeeded from none


# Forms


def new_key(request: Request) -> str:
    """The hidden key of a form, which acts once however often it is sent, and in this session alone."""
    return marked(request, str(uuid4()))


def marked(request: Request, key: str) -> str:
    """A key with the mark of this session."""
    return f"{key}.{_mark(request, key)}"


def check_key(request: Request, given: str) -> None:
    """Refuse a form that was not made for this session: another site cannot know its mark.

    Raises:
        OfAnotherSession: says to reload the page.
    """
    key, _, rest = given.partition(".")
    if not hmac.compare_digest(rest[:32].encode(), _mark(request, key).encode()):
        raise OfAnotherSession


def _mark(request: Request, key: str) -> str:
    person: Person | None = request.scope.get(_PERSON)
    if person is not None:
        return person.form_mark(key)
    # A page for people outside: what it changes hangs on a secret in its address, or on a cookie of its own.
    return public_mark(request.app.state.site.context.keys, key)


def public_mark(keys: Keyring, key: str) -> str:
    """What makes the key of a form on a public page one of ours."""
    return hmac.new(keys.derive("forms of public pages"), key.encode(), hashlib.sha256).hexdigest()[:32]


# Cookies


def session_cookie(request: Request, settings: Settings) -> str:
    """The session token that the browser sent."""
    return read_cookie(request, session_name(settings))


def read_cookie(request: Request, name: str) -> str:
    """A cookie's value; nothing when there are several of that name, because one of them is not ours."""
    lines = [value.decode("latin-1") for key, value in request.scope["headers"] if key == b"cookie"]
    pairs = (pair.strip().partition("=") for line in lines for pair in line.split(";"))
    values = [value for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""


def session_name(settings: Settings) -> str:
    """Over HTTPS a name that no other host and no unencrypted page can set."""
    return "__Host-conduit" if settings.over_tls else "conduit"


def set_session(response: Response, settings: Settings, token: str) -> None:
    """Give the browser its token, to be kept beyond its end: so a late form is known for what it is, and one
    can go on reading while no session can be renewed.
    """
    kept_for = max(LIFETIME * 8, timedelta(hours=settings.session_idle))
    response.set_cookie(
        session_name(settings),
        token,
        max_age=int(kept_for.total_seconds()),
        secure=settings.over_tls,
        httponly=True,
        samesite="lax",
    )


def end_session(response: Response, settings: Settings) -> None:
    """Take the token away."""
    response.delete_cookie(session_name(settings), secure=settings.over_tls, httponly=True, samesite="lax")


def to_sign_in(request: Request) -> Response:
    """Send a browser to where its session is renewed, and back from there, with whatever it was sending."""
    return _by_way_of(RENEW, request)


def to_prove(request: Request) -> Response:
    """Send a browser to where a second factor is shown, and back from there, with whatever it was sending."""
    return _by_way_of(f"{PROVE}/first", request)


def _by_way_of(place: str, request: Request) -> Response:
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    here = f"{path}?{query}" if query else path
    status = 303 if request.method in ("GET", "HEAD") else 307
    return RedirectResponse(f"{place}?{urlencode({'next': here})}", status)
