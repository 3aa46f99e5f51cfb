"""``conduit check``: is everything configured, reachable, migrated, declared, and does everything move?"""

import asyncio
import os
import shlex
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from chassis.access import SessionKeys
from chassis.audit import Chain, verify
from chassis.belonging import check_keys
from chassis.clock import real_now
from chassis.config import PREFIX, Settings, is_loopback
from chassis.copies import Difference
from chassis.database import Transaction
from chassis.embedded import EmbeddedPostgres, is_claimed
from chassis.errors import ChassisError, DatabaseRefuses
from chassis.keys import read_keys
from chassis.migrations import database_is_there, is_unfinished, newest, version_of
from chassis.outbox import QUERIES
from chassis.reachable import why_not
from chassis.refusals import refused, unusable
from chassis.signs import Signs, signs_heard
from chassis.surroundings import certificate_end
from contracts.access import PEOPLE, SIGNED_BY, Role
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS, SERVICES, signs_heard_by
from services.admission import NOBODY_YET, everybody
from services.backups import backups_in, unreadable_in
from services.copies import COPIES, in_words, lasting
from services.grants import ledger
from services.installation import Installation, NotInitialised, left_behind_in_words, migrations_of
from services.messages import opened
from services.notifications import lmtp
from services.notifications.collecting import greet
from services.notifications.handover import Connection, ServerAway
from services.notifications.hrefs import RESTORED as RESTORED_PAGE
from services.notifications.ledger import files_of, shut
from services.notifications.notices.courier import waiting_mail
from services.notifications.restored import Standing, not_compared, standing
from services.partners import faults
from services.partners.people import unreached_count
from services.partners.queries import BACKUPS

#: Seconds that a server may take for each step of our greeting it.
_PATIENCE = 5

#: Where more is said.
_ON_DISKS, _ON_ENDING = "docs/runbook.md, DiskFull", "docs/runbook.md, CertificateEnding"

#: Less of the disk than this share is too little.
_LEAST_FREE = 0.05

#: Days before its end by which a certificate should have been renewed.
_RENEWED_BY = 14

_NO_AUDITOR = (
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
    #: Conduit works without, and yet somebody should know of it.
    note: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        mark = "note" if self.note else "ok" if self.good else "BAD"
        return f"{mark:4} {self.what}: {self.says}"


class Noted(ChassisError):
    """Something that is no fault, and that somebody should know of."""


_NOBODY_SERVES = Finding("services", False, "nobody serves; the database was left alone. Type: conduit up")


def run_checks(installation: Installation) -> list[Finding]:
    """Look at everything; one fault never hides another, and none waits for another's server."""
    if alone := _in_the_way(installation):
        return [alone]
    looks = _looks(installation)
    with ThreadPoolExecutor(len(looks)) as threads:
        return [each for found in threads.map(lambda look: list(look()), looks) for each in found]


def _looks(installation: Installation) -> list[Callable[[], Iterable[Finding]]]:
    """What is looked at side by side, in the order in which it is told."""
    settings = installation.settings
    looks: list[Callable[[], Iterable[Finding]]] = [partial(_files, installation)]
    if settings.embedded_database and not EmbeddedPostgres(settings.home).running:
        looks.append(lambda: [attempt("database", partial(_no_embedded, installation))])
    else:
        if settings.embedded_database and not is_claimed(settings.home):
            looks.append(lambda: [_NOBODY_SERVES])
        looks += [partial(_service, installation, service) for service in SERVICES]
        looks.append(partial(_people, installation))
    if settings.amqp_url:
        if settings.amqp_admin_url:
            looks.append(partial(_declarations, settings))
        looks.append(partial(_broker, settings))
    else:
        looks.append(lambda: [Finding("broker", True, "none: events stay inside the process")])
    looks.append(lambda: [attempt("mail", partial(_mail, installation))])
    if settings.smtp_url and is_loopback(urlsplit(settings.origin).hostname or ""):
        looks.append(lambda: [attempt("links", partial(_links, settings))])
    if settings.imap_url:
        looks.append(lambda: [attempt("mailbox", lambda: greet(settings.imap_url, _PATIENCE))])
    if settings.lmtp:
        looks.append(lambda: [attempt("mail by LMTP", lambda: lmtp.greet(settings.lmtp, _PATIENCE))])
    if settings.over_tls:
        looks.append(lambda: [attempt("public address", partial(_certificate, settings))])
    if settings.backup_to is not None:
        looks.append(partial(_backed_up, settings.backup_to))
    return looks


def _in_the_way(installation: Installation) -> Finding | None:
    """What all else would merely follow from."""
    settings = installation.settings
    if shut := unusable(settings.home):  # by somebody else, or on a disk that can only be read
        return Finding("home folder", False, shut)
    if not settings.house_path.exists() and not settings.keys_folder.exists():
        return attempt("installation", partial(_nothing_begun, installation))
    return None


def _nothing_begun(installation: Installation) -> str:
    installation.check_begun()
    raise NotInitialised


def _no_embedded(installation: Installation) -> str:
    """What brings the embedded server back depends on what it stands on."""
    installation.check_begun()
    first = "First make room on the disk, then start" if _room(installation.settings)[0] else "Start"
    raise ChassisError(f"the embedded server does not run. {first} Conduit with: conduit up")


def _backed_up(folder: Path) -> Iterator[Finding]:
    yield attempt("backups", partial(_backups, folder))


def _files(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings
    yield attempt("house file", partial(_house, installation))
    if shut := unusable(settings.keys_folder, writing=False):
        yield Finding("keys", False, shut)
    else:
        for service in SERVICES:
            yield attempt(f"keys of {service}", partial(_keys, settings, service))
        yield attempt("keys of sessions", partial(_session_keys, settings))
        yield attempt("keys", partial(_only_ours, settings))
    yield attempt("passwords", partial(_no_defaults, settings))
    yield attempt("disk", partial(_disk, settings))
    if settings.embedded_database:
        yield from _apart(EmbeddedPostgres(settings.home))


def compare_copies(installation: Installation) -> list[Finding]:
    """Every copy beside what its owner has: one finding for each, which names what differs."""
    with installation.database():
        return [attempt(f"copy {name}", partial(_copy, installation, name)) for name in sorted(COPIES)]


def _copy(installation: Installation, name: str) -> str:
    found = asyncio.run(_lasting(installation, name))
    if found:
        raise ChassisError(in_words(name, found))
    return f"as {COPIES[name].owner} has it"


async def _lasting(installation: Installation, name: str) -> Sequence[Difference]:
    keeper = name.partition(".")[0]
    async with opened(installation, COPIES[name].owner) as owner, opened(installation, keeper) as keeping:
        return await lasting(name, owner, keeping)


def attempt(what: str, look: Callable[[], str]) -> Finding:
    """Look at one thing, whatever comes of it."""
    try:
        return Finding(what, True, look())
    except Noted as noted:
        return Finding(what, True, str(noted), note=True)
    except ChassisError as error:
        return Finding(what, False, str(error))
    except OSError as error:
        return Finding(what, False, refused(error))
    except Exception as error:  # noqa: BLE001  a check reports whatever it meets
        return Finding(what, False, f"could not be checked ({type(error).__name__})")


def _house(installation: Installation) -> str:
    house = installation.house()
    if left := house.left_to_do(installation.settings.house_path):
        raise ChassisError(f"{left}. Until then no letter goes")
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
    open_to_others = [path.name for path in _key_files(settings) if _others_read(path.stat())]
    if open_to_others:
        what = f"others on this computer can read {', '.join(open_to_others[:3])}"
        raise ChassisError(f"{what}. Type: chmod 600 {shlex.quote(str(settings.keys_folder))}/*")
    return "only their owner can read them"


def _others_read(status: os.stat_result) -> bool:
    """Where root hands keys in, as Kubernetes does, it is by a group that has one member: us."""
    handed_in = status.st_uid == 0 != os.geteuid()
    return bool(status.st_mode & (0o007 if handed_in else 0o077))


def _key_files(settings: Settings) -> list[Path]:
    found = sorted(settings.keys_folder.glob("*"))
    return [path for path in found if path.is_file() and path.suffix not in _PUBLIC]


def _no_defaults(settings: Settings) -> str:
    """A server that others reach must not have the password that everybody knows."""
    for name, address in (("AMQP_URL", settings.amqp_url), ("DATABASE_URL", settings.database_url)):
        parts = urlsplit(address)
        known = parts.password in _KNOWN_PASSWORDS or parts.password == parts.username
        if parts.hostname and not is_loopback(parts.hostname) and parts.username and known:
            cure = "Give the user one of its own"
            raise ChassisError(f"{PREFIX}{name} has a password that everybody knows or none. {cure}.")
    return "none that everybody knows"


def _apart(server: EmbeddedPostgres) -> Iterator[Finding]:
    """Where the embedded database stands if not in the home folder, and what stands there for nobody."""
    if server.apart:
        yield Finding("place of the database", True, f"{server.location}, outside of {server.home}")
    for said in left_behind_in_words():
        yield Finding("database left behind", True, said, note=True)


def _disk(settings: Settings) -> str:
    """Of the folders where files, mail and the embedded database are."""
    little, said = _room(settings)
    if little:
        raise ChassisError(f"only {said}. Make room: {_ON_DISKS}")
    return said


def _room(settings: Settings) -> tuple[bool, str]:
    """Whether there is too little room where we write; how much there is where there is least, in words."""
    places = [settings.home]
    if settings.embedded_database and (data := EmbeddedPostgres(settings.home).location).exists():
        places.append(data)
    usage, place = min(((disk_usage(each), each) for each in places), key=lambda pair: pair[0].free)
    words = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB are free at {place}"
    return usage.free < usage.total * _LEAST_FREE, words


def _certificate(settings: Settings) -> str:
    """What browsers are shown at the address that stands in links."""
    address = urlsplit(settings.origin)
    host, port = address.hostname or "", address.port or 443
    try:
        end = asyncio.run(certificate_end(host, port, ssl.create_default_context(), _PATIENCE))
    except TimeoutError:
        # Not every network leads back to itself.
        raise Noted(f"{host}:{port} cannot be seen from here. Look from another network") from None
    except OSError as error:
        raise ChassisError(f"{host}:{port} {why_not(error, PREFIX + 'PUBLIC_URL')}") from None
    days = (end - real_now()).days
    if days < _RENEWED_BY:
        raise ChassisError(
            f"{host}:{port} shows a certificate that ends in {days} days. Renew it: {_ON_ENDING}"
        )
    return f"{host}:{port} shows a certificate that is good until {end.day} {end:%B %Y}"


def _people(installation: Installation) -> Iterator[Finding]:
    state: dict[str, Any] = {}

    def look() -> str:
        state["roles"] = [each["roles"] for each in everybody(installation) if each["barred_at"] is None]
        if not state["roles"]:
            raise ChassisError(NOBODY_YET)
        return f"{len(state['roles'])} may sign in"

    def mailed() -> str:
        auditors = sum(Role.AUDITOR in each for each in state["roles"])
        if not auditors:
            raise Noted(_NO_AUDITOR)
        return f"auditors who are mailed each week how far the records go: {auditors}"

    yield attempt("people", look)
    if "roles" in state:
        yield attempt("audit", mailed)


def _service(installation: Installation, service: str) -> Iterator[Finding]:
    state: dict[str, Any] = {}

    def look() -> str:
        try:
            state.update(asyncio.run(_look(installation, service)))
        except DatabaseRefuses:
            _check_made(installation, service)
            raise
        if state["unfinished"]:
            raise ChassisError(
                "a backup was half brought back. Type it again: conduit restore … --over. "
                "Or put back what was there before: conduit backup aside --back"
            )
        version, needed = state["version"], state["needed"]
        if version is None or version < needed:
            raise ChassisError(f"at {version or 'nothing'}, needs {needed}. Run: conduit migrate")
        return f"reachable, at {version}"

    yield attempt(f"database of {service}", look)
    if "pending" in state:
        said = faults.outbox(state["pending"], state["age"], state["failure"])
        yield Finding(f"outbox of {service}", *said)
        yield Finding(f"parked by {service}", *faults.parked(state["parked"]))
        yield _audit(service, state["audit"])
        if "waiting" in state:
            yield Finding("waiting mail", *faults.waiting_mail(*state["waiting"]))
            yield _begun(installation.origin, *state["begun"])
        if "unreached" in state:
            yield from _of_partners(installation, state["unreached"], state["backed_up_at"])
        if "differing" in state:
            yield _ledger(state["differing"])
        for sender in signs_heard_by(service):
            yield _life(installation.settings, service, sender, state["signs"])


def _check_made(installation: Installation, service: str) -> None:
    """Where we are let in as the administrator, a database that refuses us may merely not be there yet."""
    settings = installation.settings
    if settings.administers_database and not database_is_there(
        settings.database_url, settings.database_prefix, service
    ):
        raise ChassisError("there is none yet. Run: conduit migrate")


async def _look(installation: Installation, service: str) -> dict[str, Any]:
    async with opened(installation, service) as database:
        needed = newest(migrations_of(service))
        if await is_unfinished(database):  # and perhaps not yet to be read by a service
            return {"unfinished": True}
        state: dict[str, Any] = {"unfinished": False, "version": await version_of(database), "needed": needed}
        if state["version"] and state["version"] >= needed:
            await check_keys(database)
            noted = _begun_by_now(installation.settings.ledger_folder)  # before what the transaction sees
            async with database.reading() as tx:
                await QUERIES.little_memory(tx)
                await QUERIES.has_room(tx)
                outbox = await QUERIES.outbox_state(tx)
                state |= {
                    "pending": outbox["pending"],
                    "failure": outbox["failure"],
                    "age": (tx.now - outbox["oldest"]).total_seconds() if outbox["oldest"] else 0,
                    "parked": sum([row["count"] async for row in QUERIES.parked_by_reason(tx)]),
                    "audit": await verify(tx),
                    **await _of_service(tx, service, noted),
                    "signs": await signs_heard(tx),
                }
        return state


def _of_partners(
    installation: Installation, unreached: int, backed_up_at: datetime | None
) -> Iterator[Finding]:
    people, settings = f"{installation.origin}{PEOPLE}", installation.settings
    yield Finding("messages to people", *faults.unreached(unreached, people))
    if settings.backup_to is None:  # else the folder itself is looked at
        good, says = faults.backed_up(real_now() - backed_up_at if backed_up_at else None)
        needed = settings.over_tls
        yield Finding("backups", good or not needed, says, note=not good and not needed)


def _begun_by_now(folder: Path) -> tuple[str | None, Mapping[Path, int]]:
    """Why the send ledger cannot be used, or how far its files go."""
    why = shut(folder)
    return why, {} if why else files_of(folder)


async def _of_service(
    tx: Transaction, service: str, ledger_files: tuple[str | None, Mapping[Path, int]]
) -> dict[str, Any]:
    """What is looked at in one service alone."""
    if service == NOTIFICATIONS:
        why, files = ledger_files
        begun = (await standing(tx), await not_compared(tx, files), why)
        return {"waiting": await waiting_mail(tx), "begun": begun}
    if service == PARTNERS:
        return {"unreached": await unreached_count(tx), "backed_up_at": await BACKUPS.last_backup(tx)}
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


def _life(settings: Settings, service: str, sender: str, signs: Signs) -> Finding:
    """Whether a service hears another one."""
    judge = faults.heard if sender == SIGNED_BY else faults.lives
    judged = judge(signs.silent_for(sender), settings.silence, signs.listening_for)
    return Finding(f"{sender} heard by {service}", *judged)


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
    connection = Connection(settings.smtp_url, greeting=ours, timeout=min(settings.mail_timeout, _PATIENCE))
    try:
        await connection.open()
        how = "over TLS" if connection.encrypted else "without TLS"
        return f"the mail server at {connection.where} answers, {how}"
    finally:
        await connection.close()


def _links(settings: Settings) -> str:
    """Where links in letters lead, while that is to this computer."""
    said = f"those in mails lead to {settings.origin}, so to nobody but this computer"
    cure = f"Set {PREFIX}PUBLIC_URL to the address at which others see our pages"
    if settings.leads_nowhere(settings.origin):
        raise ChassisError(f"{said}, and no mail with one goes. {cure}")
    raise Noted(f"{said}. If the mail server passes mail on to others: {cure[:1].lower()}{cure[1:]}")


def _backups(folder: Path) -> str:
    """When the newest was made."""
    newest_first = backups_in(folder)
    if not newest_first:
        raise ChassisError(f"there is none in {folder}. Make one: conduit backup")
    age = real_now() - newest_first[0].made_at
    said = f"the newest is {age / timedelta(hours=1):,.0f} hours old, in {folder}"
    if age > faults.BACKUP_OLD:
        raise ChassisError(f"{said}. Does the timer run? Make one: conduit backup")
    if unreadable := unreadable_in(folder):
        raise ChassisError(f"{said}. {unreadable[0]}")
    return said


def _begun(origin: str, standing: Standing, not_compared: int, shut: str | None) -> Finding:
    """Whether the send ledger can be written, and a restored backup believes unsent what was begun."""
    if shut:
        return Finding("send ledger", False, shut)
    page = f"{origin}{RESTORED_PAGE}"
    if not_compared:
        mails = "1 mail was" if not_compared == 1 else f"{not_compared:,} mails were"
        words = f"it says that {mails} begun of which the database does not know: it was restored"
        return Finding("send ledger", False, f"{words}. Start Conduit: they are held, see {page}")
    elsewhere = f"; {standing.elsewhere:,} mails of it do not exist here" if standing.elsewhere else ""
    if standing.held:
        words = (
            f"held after a backup was restored: {standing.letters:,} letters, {standing.chasers:,} chasers"
        )
        cure = f"{standing.notices:,} messages{elsewhere}. Say what became of them: {page}"
        return Finding("send ledger", False, f"{words}, {cure}")
    return Finding("send ledger", True, f"nothing was begun that the database believes unsent{elsewhere}")


def _declarations(settings: Settings) -> Iterator[Finding]:
    from chassis.declare import verify

    yield attempt("broker declarations", lambda: f"{verify(settings.amqp_admin_url)} queues as intended")


def _broker(settings: Settings) -> Iterator[Finding]:
    from chassis.declare import takes_messages, waiting

    found: dict[str, tuple[int, int]] = {}

    def look() -> str:
        found.update(waiting(settings.amqp_url))
        if not takes_messages(settings.amqp_url):
            full = "its memory or its disk is nearly used up, so it takes no messages"
            raise ChassisError(f"{full}. Nothing is lost; make room there: {_ON_DISKS}")
        return "reachable, queues declared"

    yield attempt("broker", look)
    for queue, (count, consumers) in found.items():
        words = f"{count} waiting, {consumers} reading"
        yield Finding(queue, consumers > 0, words if consumers else f"{words}: is its service up?")
