"""Who is asking: session tokens, the keys that sign them, and who has been signed out since.

One service signs a token for a quarter of an hour; the others verify it by themselves with its public key.
A token carries the version of the person that it was made at. As soon as a service hears of a newer one
(other roles, barred, signed out), the token is no longer good, and the browser fetches another one or learns
why not. While the one that signs is silent, nobody can be told so: that is known here as well.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from chassis.clock import real_now
from chassis.database import Database, Transaction, read_queries
from chassis.errors import DatabaseAway
from chassis.keys import KeysError, create_file
from chassis.signs import signs_heard
from contracts.access import SIGNED_BY
from contracts.envelope import Event

QUERIES = read_queries(__file__, "access.sql")

#: How long a token is good. Nothing but a version that has moved on ends one sooner.
LIFETIME = timedelta(minutes=15)

#: Seconds for which what is known of people's versions is taken for true.
_FRESH = 5.0
#: The same where a token is not known, or nothing was heard of its maker: that may have come a moment ago.
_FRESH_IN_DOUBT = 1.0
#: Seconds after which it is no longer, even if the database is away.
_STALE = 45.0

#: What the clocks of two computers may differ by.
_CLOCKS_DIFFER = timedelta(minutes=1)

#: Tokens that are remembered as well signed.
_MOST_VERIFIED = 1_000

#: Only this way of signing is accepted, whatever a token says of itself.
_ALGORITHM = "EdDSA"
_MADE_AT = "%Y%m%dT%H%M%S%f"
_ISSUER, _AUDIENCE = "conduit", "conduit session"


class NoSession(Exception):
    """A token is not good. ``reason`` is one of a few words, safe for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who has signed in."""

    id: UUID
    session: UUID
    roles: frozenset[str]
    #: The version of the person that the token was made at: epoch, then number.
    version: tuple[int, int]
    #: When the present token was made.
    seen_at: datetime
    #: Signs the keys of this session's forms.
    forms: str
    #: When they have shown their second factor in this session; nothing when they have not.
    proved_at: datetime | None = None
    #: They have a second factor, and must show it before anything else.
    owes_proof: bool = False
    #: A program acts for them, by a token of its own: its id stands for the session.
    by_token: bool = False
    #: And it may change nothing.
    reads_only: bool = False

    def expired_by(self, now: datetime) -> bool:
        """Whether the present token has come to its end."""
        return now >= self.seen_at + LIFETIME

    def proved_since(self, moment: datetime) -> bool:
        """Whether they have shown their second factor after this."""
        return self.proved_at is not None and self.proved_at > moment

    def form_mark(self, key: str) -> str:
        """What makes a form's key one of this session's."""
        return form_mark(self.forms, key)


class SessionKeys:
    """The key pairs of session tokens: a folder with ``session-<id>.signing`` and ``session-<id>.verifying``.

    The newest signs. An older one verifies what it signed before there was a newer one, and nothing else: a
    stolen key is worthless a quarter of an hour after a rotation. The folder is read again now and then, so
    that a rotation needs no restart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: By id, with the moment after which nothing was signed with it any more.
        self._verifying: dict[str, tuple[Ed25519PublicKey, datetime]] = {}
        self._signing: tuple[str, Ed25519PrivateKey] | None = None
        #: Tokens whose signature was found good, each with its key's id. Time, key and standing are looked at
        #: whenever one is shown.
        self._verified: dict[str, tuple[str, Person]] = {}
        self._read_at = -_FRESH

    def sign(self, person: Person) -> str:
        """A token for this person, good from ``person.seen_at`` on.

        Raises:
            KeysError: where there is no key that signs.
        """
        id, key = self._newest()
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(person.id),
            "sid": str(person.session),
            "roles": sorted(person.roles),
            "ver": list(person.version),
            "iat": person.seen_at.timestamp(),
            "exp": int((person.seen_at + LIFETIME).timestamp()),
            "forms": person.forms,
            "proved": person.proved_at.timestamp() if person.proved_at else None,
            "owes": person.owes_proof,
        }
        return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": id})

    def verify(self, token: str, now: datetime | None, good_for: timedelta = LIFETIME) -> Person:
        """The person in a token.

        Args:
            now: the present moment; nothing to take an expired token as well.
            good_for: for how long a token is taken after it was made.

        Raises:
            NoSession: ``invalid`` or ``expired``.
        """
        try:
            id, person = self._verified.get(token) or self._verify(token)
            _, until = self._key(id)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
            raise NoSession("invalid") from None
        if person.seen_at > until:
            raise NoSession("invalid")
        if now is not None and not person.seen_at - _CLOCKS_DIFFER <= now < person.seen_at + good_for:
            raise NoSession("expired")
        return person

    def _verify(self, token: str) -> tuple[str, Person]:
        """Whom a signature is good for, and by which key. A browser sends the same with each page."""
        id = str(jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(
            token,
            self._key(id)[0],
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            # By our own clock, which tests and the example move.
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "sub"]},
        )
        if len(self._verified) >= _MOST_VERIFIED:
            self._verified.clear()
        found = self._verified[token] = id, _person(claims)
        return found

    def _key(self, id: str) -> tuple[Ed25519PublicKey, datetime]:
        if id not in self._verifying or monotonic() - self._read_at > _FRESH:
            self._read_at = monotonic()
            paths = sorted(self._folder.glob("session-*.verifying"))
            ends = [_made_at(path) + _CLOCKS_DIFFER for path in paths[1:]]
            last = datetime.max.replace(tzinfo=UTC)
            self._verifying = {
                _id_of(path): (_public(path), end) for path, end in zip(paths, [*ends, last], strict=False)
            }
        return self._verifying[id]

    def signs_with(self) -> str:
        """The id of the key that signs.

        Raises:
            KeysError: where there is none.
        """
        return self._newest()[0]

    def _newest(self) -> tuple[str, Ed25519PrivateKey]:
        """The signing key; looked for every time, because a rotation may have made a newer one."""
        paths = sorted(self._folder.glob("session-*.signing"))
        if not paths:
            raise KeysError(f"No key for signing sessions is in {self._folder}. Run: conduit keys rotate")
        id = _id_of(paths[-1])
        if self._signing is None or self._signing[0] != id:
            self._signing = id, _private(paths[-1])
        return self._signing


def create_session_key(folder: Path, now: datetime | None = None) -> str:
    """Make a new key pair, which signs from now on. Its id. The older ones go on verifying."""
    id = f"{(now or datetime.now(UTC)):{_MADE_AT}}-{token_hex(4)}"
    key = Ed25519PrivateKey.generate()
    # The public half first: nobody is to meet a signature that they cannot verify.
    create_file(
        folder / f"session-{id}.verifying",
        lambda: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    create_file(
        folder / f"session-{id}.signing",
        lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return id


def rotate_session_key(folder: Path) -> str:
    """Sign with a new key from now on. The public half of the one before stays: its tokens are out there."""
    signing, verifying = (sorted(folder.glob(f"session-*.{half}")) for half in ("signing", "verifying"))
    id = create_session_key(folder)
    for path in (*signing, *verifying[:-1]):
        path.unlink()
    return id


@dataclass(frozen=True)
class _Standing:
    """How a person stands, as far as it was heard."""

    version: tuple[int, int]
    roles: frozenset[str]
    barred: bool


@dataclass(frozen=True)
class Silence:
    """The service that signs is not heard from."""

    #: When its newest sign of life was sent; nothing when there was none.
    since: datetime | None


def silence_after(heard_at: datetime | None, limit: float) -> Silence | None:
    """What a newest sign of life means, after so many seconds in which none must have come."""
    if heard_at is not None and real_now() - heard_at <= timedelta(seconds=limit):
        return None
    return Silence(heard_at)


class Standings:
    """What a service has heard of people, programs and whoever signs, looked up at most every few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signs_itself = database.context.service == SIGNED_BY
        self._heard_at: datetime | None = None
        self._known: dict[UUID, _Standing] = {}
        self._tokens: dict[str, Any] = {}
        self._read_at = -_STALE

    async def silence(self) -> Silence | None:
        """Whether the service that signs is silent: then it is not known who may still act.

        Raises:
            DatabaseAway: when what is known is too old to go by.
        """
        if self._signs_itself:
            return None
        if self._silence() is not None:
            await self._read(_FRESH_IN_DOUBT)
        return self._silence()

    def _silence(self) -> Silence | None:
        return silence_after(self._heard_at, self._database.context.settings.silence)

    async def check(self, person: Person) -> None:
        """Refuse a session token that is older than what was heard of its person.

        Raises:
            NoSession: ``revoked``.
            DatabaseAway: when what is known is too old to go by.
        """
        await self._read(_FRESH)
        known = self._known.get(person.id)
        if known is not None and person.version < known.version:
            raise NoSession("revoked")

    async def of_token(self, token: str, now: datetime) -> Person:
        """Whoever a program acts for, with the one role that its token has.

        Raises:
            NoSession: ``invalid``, ``expired`` or ``revoked``.
            DatabaseAway: when what is known is too old to go by.
        """
        digest = token_digest(token)
        await self._read(_FRESH if digest in self._tokens else _FRESH_IN_DOUBT)
        found = self._tokens.get(digest)
        if found is None:
            raise NoSession("invalid")
        if found["expires_at"] <= now:
            raise NoSession("expired")
        known = self._known.get(found["person_id"])
        if known is None or known.barred or found["role"] not in known.roles:
            raise NoSession("revoked")
        return Person(
            id=found["person_id"],
            session=found["token_id"],
            roles=frozenset({found["role"]}),
            version=known.version,
            seen_at=now,
            forms="",
            by_token=True,
            reads_only=not found["writes"],
        )

    async def _read(self, fresh: float) -> None:
        if monotonic() - self._read_at <= fresh:
            return
        try:
            async with self._database.reading() as tx:
                people = [row async for row in QUERIES.standings(tx)]
                tokens = [row async for row in QUERIES.tokens_in_use(tx, now=tx.now)]
                signs = await signs_heard(tx)
        except DatabaseAway:
            if monotonic() - self._read_at > _STALE:
                raise
            return
        self._known = {
            row["person_id"]: _Standing(
                (row["epoch"], row["version"]), frozenset(row["roles"]), row["barred"]
            )
            for row in people
        }
        self._tokens = {row["digest"]: row for row in tokens}
        self._heard_at = signs.sent_at.get(SIGNED_BY)
        self._read_at = monotonic()


async def check_now(tx: Transaction, person: Person) -> None:
    """Refuse an act of somebody whose standing has changed since anybody looked.

    Looked up in the transaction of the act itself: whoever changes their standing at the same moment waits
    for the act, or the act for them.

    Raises:
        NoSession: ``revoked``.
    """
    known = await QUERIES.lock_standing(tx, person_id=person.id)
    if known is None:
        return
    if person.by_token:
        revoked = await QUERIES.token_revoked(tx, token_id=person.session)
        good = not revoked and not known["barred"] and person.roles <= set(known["roles"])
    else:
        good = person.version >= (known["epoch"], known["version"])
    if not good:
        raise NoSession("revoked")


def token_digest(token: str) -> str:
    """What is kept of a program's token, which nobody could guess."""
    return hashlib.sha256(token.encode()).hexdigest()


async def remember_standings(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep the newest version of each person."""
    await QUERIES.remember_standings(tx, states=[_state(event) for event in events])


async def remember_tokens(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep the newest version of each token."""
    await QUERIES.remember_tokens(tx, states=[_state(event) for event in events])


def _state(event: Event) -> dict[str, Any]:
    return {**event.data, "epoch": event.epoch, "version": event.sequence}


def form_mark(forms: str, key: str) -> str:
    """What makes a form's key one of the session with this secret."""
    return hmac.new(forms.encode(), key.encode(), hashlib.sha256).hexdigest()[:32]


def _person(claims: dict[str, Any]) -> Person:
    epoch, number = claims["ver"]
    return Person(
        id=UUID(claims["sub"]),
        session=UUID(claims["sid"]),
        roles=frozenset(map(str, claims["roles"])),
        version=(int(epoch), int(number)),
        seen_at=_moment(claims["iat"]),
        forms=str(claims["forms"]),
        proved_at=_moment(claims["proved"]) if claims["proved"] is not None else None,
        owes_proof=bool(claims["owes"]),
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _made_at(path: Path) -> datetime:
    return datetime.strptime(_id_of(path).partition("-")[0], _MADE_AT).replace(tzinfo=UTC)


def _id_of(path: Path) -> str:
    return path.stem.removeprefix("session-")


def _private(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{path.name} is no Ed25519 key. Restore it from your backup.")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise KeysError(f"{path.name} is no Ed25519 key. Restore it from your backup.")
    return key
