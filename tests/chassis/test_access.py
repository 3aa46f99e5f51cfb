"""Session tokens: what is taken for one and what is not, keys that change, and versions that move on."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.access import (
    LIFETIME,
    NoSession,
    SessionKeys,
    Silence,
    Standings,
    create_session_key,
    remember_standings,
    remember_tokens,
    rotate_session_key,
    token_digest,
)
from chassis.clock import real_now
from chassis.errors import DatabaseAway
from chassis.keys import KeysError
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS
from tests.access import EVERYTHING, Said
from tests.conftest import MakeDatabase, hear

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
PERSON = replace(EVERYTHING, seen_at=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_session_key(tmp_path)
    return tmp_path


@pytest.fixture
def keys(folder: Path) -> SessionKeys:
    return SessionKeys(folder)


def refused(keys: SessionKeys, token: str, now: datetime = NOW) -> str:
    with pytest.raises(NoSession) as caught:
        keys.verify(token, now)
    return caught.value.reason


def forged(folder: Path, *, headers: dict[str, Any] | None = None, **changed: Any) -> str:
    """A token that the right key has signed, with other claims; ``None`` leaves one out."""
    (path,) = folder.glob("session-*.signing")
    good = SessionKeys(folder).sign(PERSON)
    claims = jwt.decode(good, options={"verify_signature": False}) | changed
    claims = {name: value for name, value in claims.items() if value is not None}
    kid = {"kid": path.stem.removeprefix("session-"), **(headers or {})}
    key: Any = load_pem_private_key(path.read_bytes(), None)
    return jwt.encode(claims, key, algorithm="EdDSA", headers=kid)


def test_what_was_signed_is_read_again(keys: SessionKeys) -> None:
    assert keys.verify(keys.sign(PERSON), NOW + LIFETIME / 2) == PERSON


def test_a_token_ends_and_does_not_begin_in_the_future(keys: SessionKeys) -> None:
    token = keys.sign(PERSON)
    assert refused(keys, token, NOW + LIFETIME) == "expired"
    assert refused(keys, token, NOW - timedelta(minutes=2)) == "expired"
    assert keys.verify(token, NOW - timedelta(seconds=30)) == PERSON
    assert keys.verify(token, None) == PERSON


def test_no_bit_of_it_may_change(keys: SessionKeys) -> None:
    token = keys.sign(PERSON)
    for place, sign in enumerate(token):
        other = "A" if sign != "A" else "Q"
        changed = token[:place] + other + token[place + 1 :]
        # The last letter of a part carries bits that mean nothing; what it stands for must be the same then.
        if _bytes(changed) != _bytes(token):
            assert refused(keys, changed) == "invalid", place


def _bytes(token: str) -> list[bytes]:
    try:
        return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]
    except ValueError:
        return []


@pytest.mark.parametrize("length", [0, 1, 20, 100, 300, -1, -20])
def test_none_of_it_may_be_missing(keys: SessionKeys, length: int) -> None:
    assert refused(keys, keys.sign(PERSON)[:length]) == "invalid"


def test_another_way_of_signing_is_none(folder: Path, keys: SessionKeys) -> None:
    header, claims, _ = keys.sign(PERSON).split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    public = (folder / f"session-{kid}.verifying").read_bytes()

    def part(document: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT', 'kid': kid})}.{claims}."
    assert refused(keys, unsigned) == "invalid"
    body = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{claims}"
    mark = hmac.new(public, body.encode(), hashlib.sha256).digest()
    assert refused(keys, f"{body}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}") == "invalid"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "conduit letter"},
        {"iss": "somebody else"},
        {"sub": "nobody"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"ver": [1]},
        {"ver": None},
        {"roles": 5},
        {"iat": 1e30},
    ],
)
def test_a_token_for_something_else_is_none(folder: Path, keys: SessionKeys, changed: dict[str, Any]) -> None:
    assert keys.verify(forged(folder), NOW) == PERSON
    assert refused(keys, forged(folder, **changed)) == "invalid"


def test_a_longer_life_cannot_be_written_into_it(folder: Path, keys: SessionKeys) -> None:
    token = forged(folder, exp=NOW.timestamp() + 1e6)
    assert refused(keys, token, NOW + LIFETIME) == "expired"


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "x" * 5_000, "20260701T120000000000-00000000"])
def test_a_key_that_is_not_ours_opens_nothing(folder: Path, keys: SessionKeys, kid: str) -> None:
    assert refused(keys, forged(folder, headers={"kid": kid})) == "invalid"


def test_a_key_of_somebody_else_opens_nothing(folder: Path, keys: SessionKeys, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    create_session_key(theirs)
    (ours,) = (path.stem.removeprefix("session-") for path in folder.glob("session-*.signing"))
    assert refused(keys, forged(theirs)) == "invalid"
    assert refused(keys, forged(theirs, headers={"kid": ours})) == "invalid"


def test_a_rotation_signs_nobody_out_and_needs_no_restart(folder: Path, keys: SessionKeys) -> None:
    now = datetime.now(UTC)
    before = keys.sign(replace(PERSON, seen_at=now))
    new = rotate_session_key(folder)
    after = keys.sign(replace(PERSON, seen_at=now))
    assert jwt.get_unverified_header(after)["kid"] == new != jwt.get_unverified_header(before)["kid"]
    for token in (before, after):
        assert keys.verify(token, now).id == PERSON.id
        assert SessionKeys(folder).verify(token, now).id == PERSON.id


def test_a_stolen_key_is_worthless_after_a_rotation(folder: Path) -> None:
    stolen = SessionKeys(folder)
    stolen.sign(PERSON)
    (old,) = folder.glob("session-*.signing")
    key: Any = load_pem_private_key(old.read_bytes(), None)
    rotate_session_key(folder)
    later = datetime.now(UTC) + timedelta(minutes=5)
    claims = jwt.decode(stolen.sign(PERSON), options={"verify_signature": False}) | {"iat": later.timestamp()}
    kid = {"kid": old.stem.removeprefix("session-")}
    token = jwt.encode(claims, key, algorithm="EdDSA", headers=kid)
    assert refused(SessionKeys(folder), token, later) == "invalid"


def test_without_a_key_it_is_said_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="conduit keys rotate"):
        SessionKeys(tmp_path).sign(PERSON)


def test_only_its_owner_can_read_a_key(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in folder.glob("session-*")} == {0o600}


def test_the_key_of_a_form_belongs_to_one_session() -> None:
    other = replace(PERSON, forms="another secret")
    assert PERSON.form_mark("key") == replace(PERSON, seen_at=NOW + LIFETIME).form_mark("key")
    assert PERSON.form_mark("key") != other.form_mark("key")
    assert PERSON.form_mark("key") != PERSON.form_mark("yek")


async def test_a_token_is_void_when_its_person_has_moved_on(make_database: MakeDatabase) -> None:
    database = await make_database(GRANTS)
    stranger = replace(PERSON, id=uuid4(), version=(1, 7))
    await Standings(database).check(stranger)  # nothing was heard of them yet: their token came first
    for version, good in (((1, 6), True), ((1, 7), True), ((1, 8), False), ((1, 7), False)):
        async with database.transaction() as tx:
            await _heard(tx, stranger.id, version)
        if good:
            await Standings(database).check(stranger)
        else:
            with pytest.raises(NoSession, match="revoked"):
                await Standings(database).check(stranger)
    await Standings(database).check(replace(stranger, version=(2, 1)))


async def _heard(
    tx: Any, id: Any, version: tuple[int, int], *, roles: Sequence[str] = ("staff",), barred: bool = False
) -> None:
    said: Any = Said(version, person_id=id, roles=list(roles), barred=barred)
    await remember_standings(tx, [said])


async def _issued(tx: Any, token: str, of: Any, version: tuple[int, int], *, revoked: bool = False) -> None:
    said: Any = Said(
        version,
        token_id=UUID(int=7),
        person_id=of,
        digest=token_digest(token),
        role="staff",
        writes=False,
        expires_at=NOW + timedelta(days=36_500),
        revoked=revoked,
    )
    await remember_tokens(tx, [said])


class TestRebuilding:
    """A copy is brought back from snapshots, which say the present state and version once more."""

    async def test_nothing_is_forgotten_and_what_was_damaged_is_mended(
        self, make_database: MakeDatabase
    ) -> None:
        database = await make_database(GRANTS)
        async with database.transaction() as tx:
            await _heard(tx, PERSON.id, (1, 5), roles=["staff", "payer"])
            await _issued(tx, "conduit_x", PERSON.id, (1, 2))
            await tx.execute("UPDATE standings SET roles = '{}', barred = true")
            await tx.execute("UPDATE tokens SET role = 'auditor', revoked = true")
        # Before the snapshots have come, and for a service that starts anew meanwhile.
        with pytest.raises(NoSession, match="revoked"):
            await Standings(database).check(replace(PERSON, version=(1, 4)))
        async with database.transaction() as tx:
            await _heard(tx, PERSON.id, (1, 5), roles=["staff", "payer"])
            await _issued(tx, "conduit_x", PERSON.id, (1, 2))
        with pytest.raises(NoSession, match="revoked"):
            await Standings(database).check(replace(PERSON, version=(1, 4)))
        assert (await Standings(database).of_token("conduit_x", NOW)).roles == {"staff"}

    async def test_what_comes_late_does_not_give_back_what_was_taken(
        self, make_database: MakeDatabase
    ) -> None:
        """An older state, tried again after it was parked, between a rebuild's order and its snapshots."""
        database = await make_database(GRANTS)
        async with database.transaction() as tx:
            await _heard(tx, PERSON.id, (1, 5), barred=True)
            await _issued(tx, "conduit_x", PERSON.id, (1, 2), revoked=True)
            await _heard(tx, PERSON.id, (1, 4))
            await _issued(tx, "conduit_x", PERSON.id, (1, 1))
        async with database.reading() as tx:
            assert await tx.fetchval("SELECT barred FROM standings")
            assert await tx.fetchval("SELECT revoked FROM tokens")


class TestSilence:
    """Whoever signs sessions was last heard so many seconds ago; 60 is the limit."""

    async def test_a_sign_of_life_holds_for_the_limit(self, make_database: MakeDatabase) -> None:
        database = await make_database(GRANTS)
        for ago, silent in ((0, False), (50, False), (61, True), (86_400, True)):
            await hear(database, PARTNERS, ago)
            silence = await Standings(database).silence()
            assert (silence is not None) is silent, ago
            if silence is not None:
                assert silence.since is not None
                assert abs(real_now() - timedelta(seconds=ago) - silence.since) < timedelta(seconds=5)

    async def test_never_heard_is_silent(self, make_database: MakeDatabase) -> None:
        database = await make_database(NOTIFICATIONS)
        async with database.transaction() as tx:
            await tx.execute("DELETE FROM signs_of_life")
        assert await Standings(database).silence() == Silence(None)

    async def test_whoever_signs_needs_no_sign_of_itself(self, make_database: MakeDatabase) -> None:
        database = await make_database(PARTNERS)
        async with database.transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM signs_of_life WHERE service = $1", PARTNERS) == 0
        assert await Standings(database).silence() is None

    async def test_business_time_is_not_looked_at(self, make_database: MakeDatabase) -> None:
        database = await make_database(GRANTS)
        for days in (400, -800):
            database.context.clock.advance(timedelta(days=days))
            assert await Standings(database).silence() is None

    async def test_a_sign_that_comes_ends_it_within_a_second_or_two(
        self, make_database: MakeDatabase
    ) -> None:
        database = await make_database(GRANTS)
        standings = Standings(database)
        await hear(database, PARTNERS, 61)
        assert await standings.silence()
        await hear(database, PARTNERS)
        await asyncio.sleep(1.1)
        assert await standings.silence() is None

    async def test_with_the_database_away_what_was_heard_still_holds(
        self, make_database: MakeDatabase
    ) -> None:
        database = await make_database(GRANTS)
        standings = Standings(database)
        assert await standings.silence() is None
        await database.close()
        assert await standings.silence() is None
        with pytest.raises(DatabaseAway):
            await Standings(database).silence()


def test_a_late_token_is_taken_for_as_long_as_it_is_said(keys: SessionKeys) -> None:
    token, idle = keys.sign(PERSON), timedelta(hours=12)
    assert keys.verify(token, NOW + LIFETIME, idle) == PERSON
    assert keys.verify(token, NOW + idle - timedelta(seconds=1), idle) == PERSON
    for moment in (NOW + idle, NOW - timedelta(minutes=2)):
        with pytest.raises(NoSession, match="expired"):
            keys.verify(token, moment, idle)
