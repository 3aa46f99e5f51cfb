"""How somebody signs in: a mailed link, or the code beside it; then a session, renewed without a word.

Whoever asks gets the same answer whether we know the address or not. Everything secret is kept as a digest.
What is counted to slow down guessing stands in the database, so that a restart forgives nothing.
"""

import hashlib
import hmac
import json
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from chassis.access import Person, form_mark
from chassis.config import Settings
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Refused
from chassis.outbox import QUERIES as MESSAGES
from chassis.outbox import Announcement, announce_many
from chassis.sealed import seal
from contracts.access import SIGN_IN
from contracts.partners import SignInRequested
from services.partners import attempts, people
from services.partners.queries import PEOPLE

#: How long a link and its code are good.
GOOD_FOR = timedelta(minutes=10)
#: How long a link is good that is shown to whoever starts the example.
READY_FOR = timedelta(hours=12)
#: How long a form is kept that was posted too late.
KEPT_FOR = timedelta(hours=1)

#: Wrong codes after which a sign-in is over, and over all sign-ins of one person in an hour.
GUESSES, GUESSES_AN_HOUR = 5, 15
#: How often one source may ask for one address, everybody for one address, and one source for any address, in
#: a quarter of an hour. So nobody keeps somebody else out by asking in their place.
ASKS, ASKS_FOR_ADDRESS, ASKS_OF_SOURCE, ASKS_WITHIN = 5, 20, 40, timedelta(minutes=15)
#: Forms of one source that are kept in the same time: whoever sends them need not have signed in.
KEPT_OF_SOURCE = 40
#: Sessions of one person that are looked through for the one in which a form was made.
_SESSIONS = 200
#: How long ago somebody may have signed in who changes how one signs in as them.
LATELY = timedelta(minutes=15)


class NotGood(Refused):
    """A link or a code opens nothing: it is wrong, was used, is too old, or belongs to another browser.

    ``reason`` is one of a few words, safe for logs; ``next`` is where whoever asked for it wanted to go.
    """

    status = 422

    def __init__(self, reason: str, what: str, cure: str, *, next: str = "/") -> None:
        super().__init__(what, cure)
        self.reason = reason
        self.next = next


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Somebody wants to sign in."""

    email: str
    #: The secret that the asking browser keeps.
    browser: str
    #: Where the request came from: the address of a computer or of its network.
    source: str
    #: Where to go afterwards: a path of this site.
    next: str


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """The browser that signs in."""

    #: The secret that it has kept since it asked.
    browser: str
    #: What it says it is.
    agent: str
    #: What it has renewed a session with until now, if any: that session is over.
    renewal: str = ""


@dataclass(frozen=True, kw_only=True)
class Began:
    """A session has begun, or goes on under a new secret."""

    person: Person
    #: What the browser renews its session with.
    renewal: str
    next: str


async def ask(tx: Transaction, asked: Asked) -> None:
    """Note that somebody wants to sign in; when we know them, let them be sent a link and a code.

    Raises:
        TooMany: the same for every address, known or not.
    """
    email_key = asked.email.strip().casefold()
    for kind, name, most in (
        ("ask", f"{email_key} {asked.source}", ASKS),
        ("ask for", email_key, ASKS_FOR_ADDRESS),
        ("ask from", asked.source, ASKS_OF_SOURCE),
    ):
        await attempts.count(tx, kind, attempts.who(tx, name), most, ASKS_WITHIN)
    person = await PEOPLE.person_by_email(tx, email_key=email_key)
    known = person is not None and person["barred_at"] is None
    link, code = _new_secret(), f"{secrets.randbelow(1_000_000):06}"
    id = await _begin(
        tx,
        person_id=person["id"] if known else None,
        asker=attempts.who(tx, email_key),
        browser=digest(asked.browser),
        link=link,
        code=code,
        next=asked.next,
        good_for=GOOD_FOR,
    )
    if known:
        keys = {
            "name": person["name"],
            "email": person["email"],
            "link": f"{tx.context.settings.origin}{SIGN_IN}/{link}",
            "code": code,
        }
        sealed = seal(tx.context.keys, SignInRequested, "keys", keys)
        data = {"person_id": person["id"], "expires_at": tx.now + GOOD_FOR, "keys": sealed}
        await announce_many(tx, [Announcement(fact=SignInRequested, subject=id, sequence=1, data=data)])


async def ready_link(tx: Transaction, person_id: UUID) -> str:
    """A link by which any browser signs in as this person, once. For the example on this computer alone."""
    if not may_be_shown(tx.context.settings):
        raise PermissionError("a ready link is for an example that nobody else can reach")
    link = _new_secret()
    await _begin(
        tx,
        person_id=person_id,
        asker=attempts.who(tx, str(person_id)),
        browser=None,
        link=link,
        code=_new_secret(),
        next="/",
        good_for=READY_FOR,
    )
    return f"{tx.context.settings.origin}{SIGN_IN}/{link}"


def may_be_shown(settings: Settings) -> bool:
    """Whether a link may be printed instead of mailed: embedded, and only this computer reaches the pages."""
    return settings.embedded_database and settings.on_loopback and not settings.over_tls


async def _begin(tx: Transaction, *, link: str, code: str, good_for: timedelta, **more: Any) -> UUID:
    id: UUID = uuid_utils.compat.uuid7()
    secrets_kept = {"link": digest(link), "code": _code_digest(tx.context, id, code)}
    await PEOPLE.begin_sign_in(tx, id=id, **secrets_kept, **more, now=tx.now, expires_at=tx.now + good_for)
    return id


async def look_at_link(tx: Transaction, link: str, browser: str) -> None:
    """See whether a link would sign this browser in.

    Raises:
        NotGood: says what to do instead.
    """
    await _by_link(tx, link, browser)


async def sign_in_by_link(tx: Transaction, link: str, visitor: Visitor) -> Began:
    """Use a link up.

    Raises:
        NotGood: says what to do instead.
    """
    return await _sign_in(tx, await _by_link(tx, link, visitor.browser), visitor)


async def _by_link(tx: Transaction, link: str, browser: str) -> Any:
    found = await PEOPLE.sign_in_by_link(tx, link=digest(link)) if _SECRET.fullmatch(link) else None
    if found is None:
        raise _spent()
    ours = found["browser"] is not None and hmac.compare_digest(bytes(found["browser"]), digest(browser))
    if not _open(tx, found):
        raise _spent(found["next"] if ours else "/")
    if found["browser"] is not None and not ours:
        cure = "Open it in the browser in which you asked, or type the six digits from the same mail there."
        raise NotGood("another_browser", "This link was asked for in another browser.", cure)
    return found


async def sign_in_by_code(tx: Transaction, code: str, visitor: Visitor) -> Began | NotGood:
    """Use up the sign-in that this browser has asked for, by its code. A wrong code counts; it is not raised.

    Raises:
        TooMany: when there were too many wrong ones.
    """
    found = await PEOPLE.sign_in_of_browser(tx, browser=digest(visitor.browser))
    if found is None:
        return _wrong_code()
    await attempts.refuse_more(tx, "guess", bytes(found["asker"]), GUESSES_AN_HOUR, timedelta(hours=1))
    right = hmac.compare_digest(bytes(found["code"]), _code_digest(tx.context, found["id"], _digits(code)))
    if found["person_id"] is not None and right and found["guesses"] < GUESSES and _open(tx, found):
        return await _sign_in(tx, found, visitor)
    await PEOPLE.count_guess(tx, id=found["id"])
    await attempts.note(tx, "guess", bytes(found["asker"]))
    if found["guesses"] < GUESSES:
        return _wrong_code()
    cure = "Open the link in the mail, which still works, or ask for a new mail."
    return NotGood("codes_spent", "Five wrong codes were typed, so the code works no more.", cure)


def _wrong_code() -> NotGood:
    cure = "Copy all six digits from the newest mail. After five wrong tries, ask for a new one."
    return NotGood("wrong_code", "This is not the code, or it is too old.", cure)


def _spent(next: str = "/") -> NotGood:
    cure = "It may have been used, or is too old. Ask for a new one."
    return NotGood("spent", "This link opens nothing any more.", cure, next=next)


def _open(tx: Transaction, found: Mapping[str, Any]) -> bool:
    return found["used_at"] is None and found["expires_at"] > tx.now and found["barred_at"] is None


async def _sign_in(tx: Transaction, found: Mapping[str, Any], visitor: Visitor) -> Began:
    """Begin a session, with secrets that nobody has seen before. The one before it in this browser ends."""
    used = [row["id"] async for row in PEOPLE.use_sign_ins(tx, person_id=found["person_id"], now=tx.now)]
    if found["id"] not in used:  # somebody else was faster by a moment
        raise _spent()
    before = await _session(tx, visitor.renewal)
    if before is not None:
        await people.sign_out(tx, before["person_id"], before["id"])
    person = await PEOPLE.lock_person(tx, id=found["person_id"])
    await PEOPLE.forget_unreached(tx, person_id=found["person_id"])
    id, renewal, agent = uuid_utils.compat.uuid7(), _new_secret(), agent_words(visitor.agent)
    await PEOPLE.begin_session(
        tx, id=id, person_id=person["id"], renewal=digest(renewal), agent=agent, now=tx.now
    )
    if await kept_form(tx, visitor.browser, person["id"]) is None:  # what is kept is somebody else's
        await forget_kept_forms(tx, visitor.browser)
    return Began(person=await _person(tx, id, person["id"], person), renewal=renewal, next=found["next"])


async def renew(tx: Transaction, renewal: str) -> Person | None:
    """Whoever has this session, as they are now; nothing when it has ended."""
    found = await _session(tx, renewal)
    if found is None:
        return None
    await PEOPLE.note_renewal(tx, id=found["id"], now=tx.now)
    return await _person(tx, found["id"], found["person_id"], found)


async def go_on_anew(tx: Transaction, renewal: str) -> Began | None:
    """The same session under a new secret, as when a second factor was shown; nothing when it has ended.

    Whoever has come to know the secret before has nothing of it.
    """
    found = await _session(tx, renewal)
    if found is None:
        return None
    new = _new_secret()
    await PEOPLE.replace_renewal(tx, id=found["id"], renewal=digest(new), now=tx.now)
    return Began(person=await _person(tx, found["id"], found["person_id"], found), renewal=new, next="/")


async def began_lately(tx: Transaction, session: UUID) -> bool:
    """Whether somebody has signed in for this session a few minutes ago, and not only kept it open."""
    return bool(await PEOPLE.session_begun_since(tx, id=session, since=tx.now - LATELY))


async def _session(tx: Transaction, renewal: str) -> Any:
    if not _SECRET.fullmatch(renewal):
        return None
    return await PEOPLE.session_to_renew(tx, renewal=digest(renewal), **good_since(tx))


def good_since(tx: Transaction) -> dict[str, Any]:
    """Since when a session must have been used, and begun, to be good."""
    settings = tx.context.settings
    return {
        "idle_since": tx.now - timedelta(hours=settings.session_idle),
        "began_since": tx.now - timedelta(hours=settings.session_longest),
    }


async def _person(tx: Transaction, session: UUID, id: UUID, known: Mapping[str, Any]) -> Person:
    epoch = await MESSAGES.present_epoch(tx)
    proved_at = known.get("proved_at")
    return Person(
        id=id,
        session=session,
        roles=frozenset(known["roles"]),
        version=(epoch, known["version"]),
        seen_at=tx.now,
        forms=_forms_secret(tx.context, session),
        proved_at=proved_at,
        owes_proof=known["second_factor"] is not None and proved_at is None,
    )


def _forms_secret(context: Context, session: UUID) -> str:
    """What signs the keys of a session's forms."""
    return hmac.new(context.keys.derive("forms"), str(session).encode(), hashlib.sha256).hexdigest()


# Forms that were posted too late


async def keep_form(
    tx: Transaction, browser: str, source: str, path: str, fields: list[tuple[str, str]]
) -> None:
    """Keep what was posted after the session had ended. Only this browser and its person can read it.

    Raises:
        TooMany: when so many were kept for the same source.
    """
    await attempts.count(tx, "keep", attempts.who(tx, source), KEPT_OF_SOURCE, ASKS_WITHIN)
    content = json.dumps({"path": path, "fields": fields}).encode()
    sealed = SecretBox(_form_key(browser)).encrypt(content)
    await PEOPLE.keep_form(
        tx, id=uuid_utils.compat.uuid7(), browser=digest(browser), sealed=bytes(sealed), now=tx.now
    )


async def kept_form(tx: Transaction, browser: str, person: UUID) -> tuple[str, list[tuple[str, str]]] | None:
    """The form that this person posted too late in this browser: its address and its fields.

    Whose it is, its key says, which bears the mark of the session in which it was made.
    """
    found = await PEOPLE.kept_form(tx, browser=digest(browser), since=tx.now - KEPT_FOR)
    if found is None:
        return None
    try:
        content = json.loads(SecretBox(_form_key(browser)).decrypt(bytes(found["sealed"])))
    except CryptoError:
        return None
    fields = [(name, value) for name, value in content["fields"]]
    if not await _is_theirs(tx, dict(fields).get("key", ""), person):
        return None
    return content["path"], fields


async def _is_theirs(tx: Transaction, key: str, person: UUID) -> bool:
    bare, _, rest = key.partition(".")
    sessions = [row["id"] async for row in PEOPLE.last_sessions_of(tx, person_id=person, most=_SESSIONS)]
    marks = (form_mark(_forms_secret(tx.context, session), bare) for session in sessions)
    return any(hmac.compare_digest(rest[:32].encode(), mark.encode()) for mark in marks)


async def forget_kept_forms(tx: Transaction, browser: str) -> None:
    """Keep nothing any more of what this browser has posted too late."""
    await PEOPLE.forget_kept_forms(tx, browser=digest(browser))


async def tidy(tx: Transaction) -> None:
    """Forget what is no longer counted and what nobody came back for."""
    await attempts.tidy(tx)
    await PEOPLE.purge_kept_forms(tx, before=tx.now - KEPT_FOR)


# Secrets

_SECRET = re.compile("[a-z2-7]{32}")


def _new_secret() -> str:
    """160 bits that can be typed into an address."""
    return b32encode(secrets.token_bytes(20)).decode().lower()


def new_browser() -> str:
    """A secret for a browser to be known by while it signs in."""
    return _new_secret()


def is_browser(secret: str) -> bool:
    """Whether this is a secret of ours, by its form."""
    return bool(_SECRET.fullmatch(secret))


def digest(secret: str) -> bytes:
    """What is kept of a secret that nobody could guess."""
    return hashlib.sha256(secret.encode()).digest()


def _form_key(browser: str) -> bytes:
    return hashlib.sha256(b"kept form " + browser.encode()).digest()


def _code_digest(context: Context, sign_in: UUID, code: str) -> bytes:
    """What is kept of a code: keyed, because a million codes are soon tried."""
    return hmac.new(
        context.keys.derive("sign-in codes"), f"{sign_in} {code}".encode(), hashlib.sha256
    ).digest()


def _digits(code: str) -> str:
    return "".join(sign for sign in code if sign in "0123456789")[:10]


# Browsers

_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "a Mac",
    "Linux": "Linux",
}


def agent_words(agent: str) -> str:
    """``Firefox on Windows``: enough to recognise one's own browser by, and no more than that is kept."""
    browser = next((name for mark, name in _BROWSERS.items() if f"{mark}/" in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS.items() if mark in agent), "a computer")
    return f"{browser} on {system}"
