"""The second factor: six digits that change every half minute, from an app on a telephone (RFC 6238).

The secret is kept sealed with a key of this service. Each code counts once. What is shown instead, when the
telephone is lost, is one of ten recovery codes, each good once and kept as a digest.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyotp
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from chassis.access import Person
from chassis.audit import note
from chassis.context import Context
from chassis.database import Transaction
from chassis.errors import Conflict, NotFound
from chassis.keys import KeysError
from chassis.qr import qr_address
from services.partners import attempts
from services.partners.queries import PEOPLE

#: Wrong codes of one person in an hour, after which none is looked at.
GUESSES_AN_HOUR = 10
#: Half minutes that a telephone's clock may be wrong by.
_CLOCKS_DIFFER = 1
RECOVERY_CODES = 10

_HOUR = timedelta(hours=1)


def new_secret(context: Context, person: Person, known: Any) -> str:
    """The secret for somebody's app: the same one until they use it, and kept nowhere until then."""
    since = known["second_factor_since"]
    said = f"{person.session} {since.isoformat() if since else 'never'}"
    made = hmac.new(context.keys.derive("new second factors"), said.encode(), hashlib.sha256).digest()
    return base64.b32encode(made[:20]).decode()


def qr_code(context: Context, known: Any, secret: str) -> str:
    """What an app reads with its camera, as the address of a picture."""
    address = pyotp.TOTP(secret).provisioning_uri(
        name=known["email"], issuer_name=f"Conduit, {context.house.short_name}"
    )
    return qr_address(address)


async def take(tx: Transaction, person: Person, known: Any, code: str) -> list[str] | None:
    """Use the secret that is shown now, if the code is one of it. The recovery codes; nothing if not.

    Raises:
        TooMany: after too many wrong codes.
    """
    await _not_too_often(tx, person.id)
    secret = new_secret(tx.context, person, known)
    step = _step_of(tx, secret, code, after=0)
    if step is None:
        await _count(tx, person.id)
        return None
    sealed = bytes(_box(tx.context).encrypt(secret.encode()))
    note(
        tx,
        "second_factor_set_up",
        "person",
        person.id,
        before={"had_one": known["second_factor"] is not None},
    )
    await PEOPLE.take_second_factor(tx, id=person.id, secret=sealed, step=step, now=tx.now)
    await PEOPLE.note_proof(tx, id=person.session, now=tx.now)
    return await renew_recovery_codes(tx, person.id)


async def prove(tx: Transaction, person: Person, code: str) -> bool:
    """Whether this is the code of the moment, or a recovery code. Either counts once.

    Raises:
        TooMany: after too many wrong codes.
    """
    await _not_too_often(tx, person.id)
    known = await PEOPLE.lock_person(tx, id=person.id)
    if known is None or known["second_factor"] is None:
        return False
    secret = _opened(tx.context, known["second_factor"])
    step = _step_of(tx, secret, code, after=known["second_factor_step"])
    if step is not None:
        await PEOPLE.note_step(tx, id=person.id, step=step)
        note(tx, "second_factor_shown", "session", person.session)
    elif await PEOPLE.use_recovery_code(tx, person_id=person.id, code=_digest(tx, code), now=tx.now):
        note(tx, "recovery_code_used", "session", person.session)
    else:
        await _count(tx, person.id)
        return False
    await PEOPLE.note_proof(tx, id=person.session, now=tx.now)
    return True


async def renew_recovery_codes(tx: Transaction, person_id: UUID) -> list[str]:
    """New ones, to be shown once; the old ones open nothing any more."""
    note(tx, "recovery_codes_made", "person", person_id)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    await PEOPLE.forget_recovery_codes(tx, person_id=person_id)
    await PEOPLE.keep_recovery_codes(tx, person_id=person_id, codes=[_digest(tx, code) for code in codes])
    return codes


async def forget(tx: Transaction, person_id: UUID) -> None:
    """Use no second factor any more; whoever must have one sets up another before they act.

    Raises:
        NotFound, Conflict: when there is nobody, or nothing to forget.
    """
    known = await PEOPLE.lock_person(tx, id=person_id)
    if known is None:
        raise NotFound
    if known["second_factor"] is None:
        raise Conflict("They have no second factor.", "So there is nothing to forget: they can set one up.")
    note(tx, "second_factor_forgotten", "person", person_id)
    await PEOPLE.forget_second_factor(tx, id=person_id)
    await PEOPLE.forget_recovery_codes(tx, person_id=person_id)


def _opened(context: Context, sealed: bytes) -> str:
    try:
        return _box(context).decrypt(bytes(sealed)).decode()
    except (CryptoError, ValueError):
        raise KeysError("A second factor cannot be opened: restore the keys that were used.") from None


def _step_of(tx: Transaction, secret: str, code: str, *, after: int) -> int | None:
    """The half minute that a code is of; nothing when it is of none that may still be used."""
    totp, digits = pyotp.TOTP(secret), re.sub(r"\s", "", code)
    now = totp.timecode(tx.context.clock.on_watches())
    near = range(max(now - _CLOCKS_DIFFER, after + 1), now + _CLOCKS_DIFFER + 1)
    good = [step for step in near if hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode())]
    return good[0] if good else None


def _new_code() -> str:
    """A hundred and twenty bits, which nobody can try out who has the digest, in groups to be read aloud."""
    signs = base64.b32encode(secrets.token_bytes(15)).decode().lower()
    return "-".join(signs[place : place + 6] for place in range(0, len(signs), 6))


def _digest(tx: Transaction, code: str) -> bytes:
    plain = re.sub(r"[^a-z2-7]", "", code.lower())[:40]
    return hmac.new(tx.context.keys.derive("recovery codes"), plain.encode(), hashlib.sha256).digest()


def _box(context: Context) -> SecretBox:
    return SecretBox(context.keys.derive("second factors"))


async def _not_too_often(tx: Transaction, person_id: UUID) -> None:
    await attempts.refuse_more(tx, "proof", attempts.who(tx, str(person_id)), GUESSES_AN_HOUR, _HOUR)


async def _count(tx: Transaction, person_id: UUID) -> None:
    note(tx, "wrong_code", "person", person_id)
    await attempts.note(tx, "proof", attempts.who(tx, str(person_id)))
