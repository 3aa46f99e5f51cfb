"""``conduit check``: is everything configured, reachable, migrated, declared, and does everything move?"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from chassis.access import SessionKeys, silence_after
from chassis.audit import Chain, verify
from chassis.clock import real_now
from chassis.config import PREFIX, Settings, is_loopback
from chassis.copies import Difference
from chassis.database import Transaction
from chassis.embedded import EmbeddedPostgres
from chassis.errors import ChassisError
from chassis.keys import read_keys
from chassis.migrations import newest, version_of
from chassis.outbox import QUERIES
from contracts.access import PEOPLE, Role
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES, signs_heard_by
from services.admission import NOBODY_YET, everybody
from services.copies import COPIES, in_words, lasting
from services.grants import ledger
from services.installation import Installation, migrations_of
from services.messages import opened
from services.notifications.handover import Connection, ServerAway
from services.notifications.notices.courier import waiting_mail
from services.partners.people import unreached_count

#: Older than this many seconds, an unpublished event is a fault and no longer a queue.
_STUCK = 120

#: Older than this many seconds, mail that waits is held up, and no longer one of many of a campaign.
_MAIL_LATE = 900


#: Why an event is not published, where waiting alone does not help, and what does.
_CURES = {
    "no_queue_bound": ". Run: conduit declare",
    "not_declared": ". Run: conduit declare",
    "queue_refused": ". A queue takes no more: start the service that reads it",
    "subscriber_away": ". Start the other services",
}


#: No fault, because Conduit works without: what to do about it.
NO_AUDITOR = (
    "nobody is mailed how far the records go, so an end that is cut off would not show. Trust somebody who "
    "does not look after Conduit: conduit person invite them@body.example --name 'Their Name' --role auditor"
)

#: Halves of key pairs that may be seen.
_PUBLIC = {".public", ".verifying"}
#: What servers are delivered with, and what examples say.
_KNOWN_PASSWORDS = {None, "", "guest", "postgres", "password", "secret", "conduit", "changeme"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    says: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'BAD '} {self.what}: {self.says}"


def run_checks(installation: Installation) -> list[Finding]:
    """Look at everything; one fault never hides another."""
    return list(_all(installation))


def _all(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings
    yield _try("house file", partial(_house, installation))
    for service in SERVICES:
        yield _try(f"keys of {service}", partial(_keys, settings, service))
    yield _try("keys of sessions", partial(_session_keys, settings))
    yield _try("keys", partial(_only_ours, settings))
    yield _try("passwords", partial(_no_defaults, settings))
    if settings.embedded_database and not EmbeddedPostgres(settings.home).running:
        yield Finding("database", False, "the embedded server does not run. Start Conduit with: conduit up")
    else:
        for service in SERVICES:
            yield from _service(installation, service)
        yield from _people(installation)
    if settings.amqp_url:
        yield from _broker(settings)
    else:
        yield Finding("broker", True, "none: events stay inside the process")
    yield _try("mail", partial(_mail, installation))


def compare_copies(installation: Installation) -> list[Finding]:
    """Every copy beside what its owner has: one finding for each, which names what differs."""
    with installation.database():
        return [_try(f"copy {name}", partial(_copy, installation, name)) for name in sorted(COPIES)]


def _copy(installation: Installation, name: str) -> str:
    found = asyncio.run(_lasting(installation, name))
    if found:
        raise ChassisError(in_words(name, found))
    return f"as {COPIES[name].owner} has it"


async def _lasting(installation: Installation, name: str) -> Sequence[Difference]:
    keeper = name.partition(".")[0]
    async with opened(installation, COPIES[name].owner) as owner, opened(installation, keeper) as keeping:
        return await lasting(name, owner, keeping)


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (ChassisError, OSError) as error:
        return Finding(what, False, str(error))
    except Exception as error:  # noqa: BLE001  a check reports whatever it meets
        return Finding(what, False, f"could not be checked ({type(error).__name__})")


def _house(installation: Installation) -> str:
    house = installation.house()
    if house.unfinished:
        left = ", ".join(house.unfinished)
        raise ChassisError(f"still TO DO in {installation.settings.house_path}: {left}")
    return house.name


def _keys(settings: Settings, service: str) -> str:
    keys = read_keys(settings.keys_folder, service)
    missing = [name for name in SERVICES if name not in keys.public]
    if missing:
        raise ChassisError(f"the public key of {missing[0]} is missing. Copy it into {settings.keys_folder}.")
    return "complete"


def _session_keys(settings: Settings) -> str:
    keys = SessionKeys(settings.keys_folder)
    return f"signed with {keys.signs_with()}"


def _only_ours(settings: Settings) -> str:
    """Keys that others on this computer can read are none."""
    open_to_others = [path.name for path in _key_files(settings) if path.stat().st_mode & 0o077]
    if open_to_others:
        what = f"others on this computer can read {', '.join(open_to_others[:3])}"
        raise ChassisError(f"{what}. Type: chmod 600 {settings.keys_folder}/*")
    return "only their owner can read them"


def _key_files(settings: Settings) -> list[Path]:
    return [path for path in sorted(settings.keys_folder.glob("*")) if path.suffix not in _PUBLIC]


def _no_defaults(settings: Settings) -> str:
    """A server that others reach must not have the password that everybody knows."""
    for name, address in (("AMQP_URL", settings.amqp_url), ("DATABASE_URL", settings.database_url)):
        parts = urlsplit(address)
        known = parts.password in _KNOWN_PASSWORDS or parts.password == parts.username
        if parts.hostname and not is_loopback(parts.hostname) and parts.username and known:
            cure = "Give the user one of its own"
            raise ChassisError(f"{PREFIX}{name} has a password that everybody knows or none. {cure}.")
    return "none that everybody knows"


def _people(installation: Installation) -> Iterator[Finding]:
    roles: list[list[str]] = []
    state: dict[str, int] = {}

    def look() -> str:
        roles.extend(each["roles"] for each in everybody(installation) if each["barred_at"] is None)
        state["auditors"] = sum(Role.AUDITOR in each for each in roles)
        if not roles:
            raise ChassisError(NOBODY_YET)
        return f"{len(roles)} may sign in"

    yield _try("people", look)
    if "auditors" in state:
        mailed = f"auditors who are mailed each week how far the records go: {state['auditors']}"
        yield Finding("audit", True, mailed if state["auditors"] else NO_AUDITOR)


def _service(installation: Installation, service: str) -> Iterator[Finding]:
    state: dict[str, Any] = {}

    def look() -> str:
        state.update(asyncio.run(_look(installation, service)))
        version, needed = state["version"], state["needed"]
        if version is None or version < needed:
            raise ChassisError(f"at {version or 'nothing'}, needs {needed}. Run: conduit migrate")
        return f"reachable, at {version}"

    yield _try(f"database of {service}", look)
    if "pending" in state:
        yield _outbox(service, state)
        parked = state["parked"]
        words = "nothing parked" if not parked else f"{parked} parked. Look at: conduit events parked"
        yield Finding(f"parked by {service}", not parked, words)
        yield _audit(service, state["audit"])
        if "waiting" in state:
            yield _waiting(*state["waiting"])
        if "unreached" in state:
            yield _unreached(state["unreached"], installation.origin)
        if "differing" in state:
            yield _ledger(state["differing"])
        for sender in signs_heard_by(service):
            yield _life(installation.settings, service, sender, state["heard_at"].get(sender))


async def _look(installation: Installation, service: str) -> dict[str, Any]:
    async with opened(installation, service) as database:
        needed = newest(migrations_of(service))
        state: dict[str, Any] = {"version": await version_of(database), "needed": needed}
        if state["version"] and state["version"] >= needed:
            async with database.reading() as tx:
                outbox = await QUERIES.outbox_state(tx)
                state |= {
                    "pending": outbox["pending"],
                    "failure": outbox["failure"],
                    "age": (tx.now - outbox["oldest"]).total_seconds() if outbox["oldest"] else 0,
                    "parked": sum([row["count"] async for row in QUERIES.parked_by_reason(tx)]),
                    "audit": await verify(tx),
                    **await _of_service(tx, service),
                    "heard_at": {row["service"]: row["sent_at"] async for row in QUERIES.signs_of_life(tx)},
                }
        return state


async def _of_service(tx: Transaction, service: str) -> dict[str, Any]:
    """What is looked at in one service alone."""
    if service == NOTIFICATIONS:
        return {"waiting": await waiting_mail(tx)}
    if service == PARTNERS:
        return {"unreached": await unreached_count(tx)}
    if service == GRANTS:
        return {"differing": await ledger.differing(tx)}
    return {}


def _audit(service: str, chain: Chain) -> Finding:
    if chain.broken_at:
        words = f"row {chain.broken_at} is not what was written. Compare with a backup: conduit audit verify"
        return Finding(f"audit of {service}", False, words)
    return Finding(f"audit of {service}", True, f"{chain.rows} rows, whole")


def _ledger(differing: Sequence[UUID]) -> Finding:
    if differing:
        words = f"the entries of {differing[0]} do not come to its balance. Compare with a backup"
        return Finding("ledger", False, words)
    return Finding("ledger", True, "every entry comes to its fund's balance")


def _life(settings: Settings, service: str, sender: str, heard_at: datetime | None) -> Finding:
    """Where whoever signs sessions is not heard, nothing is done that weighs."""
    what = f"{sender} heard by {service}"
    said = f"{max(0, round((real_now() - heard_at).total_seconds())):,} s ago" if heard_at else "never"
    if silence_after(heard_at, settings.silence) is None:
        return Finding(what, True, said)
    cure = "Are both up, and the broker? After an update run: conduit declare"
    return Finding(what, False, f"{said}: nobody acts on money or decisions until it is heard. {cure}")


def _outbox(service: str, state: dict[str, Any]) -> Finding:
    what = f"outbox of {service}"
    if not state["pending"]:
        return Finding(what, True, "everything is published")
    words = f"{state['pending']} waiting, the oldest for {round(state['age'])} s"
    if state["failure"]:
        words += f"; the last try said: {state['failure']}"
    good = state["age"] < _STUCK and state["failure"] not in _CURES
    return Finding(what, good, words + _CURES.get(state["failure"], ""))


def _mail(installation: Installation) -> str:
    """Whether the mail server takes connections as they will be made, its TLS and our password included."""
    if not installation.settings.smtp_url:
        return "letters go to the built-in mail box"
    try:
        return asyncio.run(_greet(installation))
    except ServerAway as away:
        raise ChassisError(f"the mail server at {away}") from None


async def _greet(installation: Installation) -> str:
    """Say hello to the mail server and goodbye. What may be said of it.

    Raises:
        ServerAway: says why it is of no use.
    """
    settings = installation.settings
    ours = (settings.mail_from or installation.house().email).rpartition("@")[2]
    connection = Connection(settings.smtp_url, greeting=ours, timeout=min(settings.mail_timeout, 10))
    try:
        await connection.open()
        how = "over TLS" if connection.encrypted else "without TLS"
        return f"the mail server at {connection.where} answers, {how}"
    finally:
        await connection.close()


def _waiting(count: int, seconds: float) -> Finding:
    """How long what is to be mailed has been waiting."""
    if not count:
        return Finding("waiting mail", True, "none")
    words = f"{count:,}, the oldest for {round(seconds):,} s"
    return Finding("waiting mail", seconds < _MAIL_LATE, words)


def _unreached(count: int, origin: str) -> Finding:
    """People to whom a message did not arrive."""
    if not count:
        return Finding("messages to people", True, "none has failed")
    cure = f"Put their addresses right on their pages: {origin}{PEOPLE}"
    return Finding("messages to people", False, f"did not arrive at {count:,}. {cure}")


def _broker(settings: Settings) -> Iterator[Finding]:
    from chassis.declare import verify, waiting

    found: dict[str, tuple[int, int]] = {}

    def look() -> str:
        found.update(waiting(settings.amqp_url))
        return "reachable, queues declared"

    if settings.amqp_admin_url:
        yield _try("broker declarations", lambda: f"{verify(settings.amqp_admin_url)} queues as intended")
    yield _try("broker", look)
    for queue, (count, consumers) in found.items():
        words = f"{count} waiting, {consumers} reading"
        yield Finding(queue, consumers > 0, words if consumers else f"{words}: is its service up?")
