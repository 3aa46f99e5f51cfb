"""Settings: one frozen object, read once at start from the environment.

Every field carries its unit and its default. A missing or wrong value names its variable and the cure,
and never repeats the value, which may be a password.
"""

import dataclasses
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from chassis.writing import mailable

PREFIX = "CONDUIT_"

#: Any setting may stand in a file: CONDUIT_SMTP_URL_FILE names the one that holds CONDUIT_SMTP_URL.
FROM_FILE = "_FILE"

#: Not a setting: how the supervisor tells its child which descriptor leads to it.
SUPERVISOR = "CONDUIT_SUPERVISOR"


class SettingsError(Exception):
    """A setting is missing or cannot be used. The message names the variable and what to write there."""


#: Names of this computer that no other site can make a browser send for it.
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

#: Listening everywhere is no name that a link could carry.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not listened on

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_TERM = re.compile(r"[a-z][a-z -]*\s*=\s*[1-9][0-9]{0,3}")
_REPLY_TO = re.compile(
    r"[0-9A-Za-z._+=-]{0,20}\{token\}[0-9A-Za-z._+=-]{0,4}@[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+"
)
#: Bytes that the path of a socket must not reach.
_LONGEST_SOCKET = 108
_SERVER = re.compile(r"[0-9a-fA-F.:]+:[0-9]{1,5}")
_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9a-fA-F:]+")


def _setting(
    default: Any,
    help: str,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    *,
    secret: bool = False,
) -> Any:
    """One field. What may hold a password stays out of the object's representation."""
    notes = {"help": help, "unit": unit, "least": least, "most": most}
    return field(default=default, metadata=notes, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that may differ between two installations."""

    home: Path = _setting(
        Path(".conduit"),
        "where the embedded database, keys and mail are kept; as root, where PostgreSQL does not run, the "
        "database may stand in /var/lib/conduit-embedded, as conduit check says",
        "folder",
    )
    house_file: Path | None = _setting(None, "the house file; <home>/house.toml when not given", "file")
    keys: Path | None = _setting(None, "the folder of keys; <home>/keys when not given", "folder")
    ledger: Path | None = _setting(
        None,
        "where it is noted what was sent, which no restored backup may take back; shared by all who send; "
        "<home>/ledger when not given",
        "folder",
    )
    database_url: str = _setting(
        "",
        "PostgreSQL: one address with {service} in it, or an administrator's address from which the roles "
        "and the database of each service are made; the embedded server when empty",
        "postgresql://…",
        secret=True,
    )
    database_prefix: str = _setting("conduit", "roles and databases are called <prefix>_<service>", "name")
    database_connections: int = _setting(
        30, "connections that PostgreSQL lets each service have, all its processes together", "connections", 5
    )
    amqp_url: str = _setting(
        "", "RabbitMQ; events stay inside the process when empty", "amqp://…", secret=True
    )
    amqp_admin_url: str = _setting(
        "", "RabbitMQ address of a user who may declare and look", "amqp://…", secret=True
    )
    smtp_url: str = _setting("", "the mail server; the built-in mail box when empty", "smtp://…", secret=True)
    mail_from: str = _setting("", "the sender's address; the house's when empty", "address")
    reply_to: str = _setting(
        "",
        "where answers to our mails go, an address for each: answers+{token}@forum.example; the house's "
        "when empty",
        "address with {token}",
    )
    imap_url: str = _setting(
        "",
        "the mailbox that answers come to, with its folder; none is read when empty",
        "imaps://user:password@host/INBOX",
        secret=True,
    )
    lmtp: str = _setting(
        "",
        "where this computer's own mail server hands answers over by LMTP: one of its loopback addresses, or "
        "a socket; nowhere when empty",
        "address:port or /path",
    )
    mail_checked_by: str = _setting(
        "",
        "the name by which our own mail server signs its checks of senders (Authentication-Results); every "
        "sender counts as not checked when empty",
        "name",
    )
    name_server: str = _setting(
        "", "whom conduit check mail asks about our domain; this computer's when empty", "address:port"
    )
    backup_to: Path | None = _setting(None, "where backups go; none are made when empty", "folder")
    backup_for: tuple[str, ...] = _setting(
        (), "who can open backups: what conduit backup key prints", "age1…, comma between"
    )
    backup_keys_to: Path | None = _setting(
        None, "where the keys are kept that belong to backups: another place than theirs", "folder"
    )
    host: str = _setting("127.0.0.1", "where pages are served", "address")
    port: int = _setting(8000, "where pages are served", "port", 0, 65535)
    metrics_host: str = _setting("127.0.0.1", "where metrics and health are served", "address")
    metrics_port: int = _setting(9108, "where metrics and health are served; 0 for none", "port", 0, 65535)
    public_url: str = _setting("", "the address in links; http://<host>:<port> when empty", "http(s)://…")
    hosts: tuple[str, ...] = _setting((), "further Host names that are answered", "names, comma between")
    proxies: tuple[str, ...] = _setting(
        ("127.0.0.1", "::1"),
        "the proxies before us: who asks is whoever they say (X-Forwarded-For), once PUBLIC_URL is https",
        "addresses or networks, comma between",
    )

    pool_size: int = _setting(
        10, "database connections per service; half as many more only look", "connections", 2
    )
    database_timeout: float = _setting(10.0, "the longest that a statement may take", "seconds", 0.1)
    acquire_timeout: float = _setting(5.0, "the longest wait for a free connection", "seconds", 0.1)
    heartbeat: int = _setting(20, "AMQP heartbeat; a peer silent for two of them is gone", "seconds", 1)
    confirm_timeout: float = _setting(5.0, "the longest wait for the broker's confirms", "seconds", 0.1)
    close_timeout: float = _setting(3.0, "the longest that closing a connection may take", "seconds", 0.1)
    prefetch: int = _setting(1000, "messages that the broker hands out ahead", "messages", 1)
    batch: int = _setting(500, "messages handled in one transaction, rows relayed at once", "messages", 1)
    poll: float = _setting(
        5.0, "how often the outbox is looked at when nothing wakes the relay", "seconds", 0.05
    )
    retry_first: float = _setting(
        2.0, "the first wait before a parked message is tried again", "seconds", 0.01
    )
    retry_longest: float = _setting(600.0, "the longest wait between two tries", "seconds", 0.01)
    handler_timeout: float = _setting(30.0, "the longest that handling one message may take", "seconds", 0.1)
    attempts: int = _setting(8, "tries before a parked message waits for a person", "tries", 1)
    watchdog: float = _setting(90.0, "silence on one's own queue after which one is deaf", "seconds", 1)
    silence: float = _setting(
        60.0,
        "silence of the service that signs sessions after which nothing that weighs is done",
        "seconds",
        3,
    )
    grace: float = _setting(8.0, "the longest that stopping may take", "seconds", 0.5)
    request_timeout: float = _setting(20.0, "the longest that a page may take", "seconds", 0.5)
    pace: int = _setting(
        1200,
        "requests that one other computer may send, style and script not counted",
        "requests a minute",
        60,
        1_000_000,
    )
    body_limit: int = _setting(1_048_576, "the largest request body", "bytes", 1024)
    session_idle: float = _setting(12.0, "hours without a page after which one signs in again", "hours", 0.01)
    session_longest: float = _setting(168.0, "hours after which everybody signs in again", "hours", 0.01)
    outbox_days: int = _setting(30, "how long published events are kept for tracing", "days", 1)
    inbox_days: int = _setting(
        400, "how long handled ids and the send ledger are kept; longer than any backup", "days", 1
    )
    retain: tuple[str, ...] = _setting(
        (), "what is kept for another time than usual: its name = months", "names and months, comma between"
    )
    mail_rate: float = _setting(50.0, "mails sent at the most", "mails a second", 0.1)
    mail_domain_rate: float = _setting(
        30.0, "mails sent to many that one domain gets at the most; 0 for no limit", "mails a minute", 0
    )
    mail_timeout: float = _setting(20.0, "the longest that a mail server may take to answer", "seconds", 0.1)
    mail_attempts: int = _setting(6, "tries to hand over a mail before it counts as failed", "tries", 1)
    mail_retry: float = _setting(60.0, "the first wait before a mail is tried again", "seconds", 0.01)
    otlp_url: str = _setting(
        "",
        "the collector that traces are sent to (OTLP over HTTP, port 4318); none when empty",
        "http(s)://…",
        secret=True,
    )
    log_level: str = _setting("info", "the least that is logged: debug, info, warning, error", "word")
    failpoints: str = _setting("", "tests only: name=act, comma between, or @FILE", "text")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            environ: the variables; the process's own when not given.
            overrides: values by field name that beat the environment (command-line options). ``None`` is
                ignored.

        Raises:
            SettingsError: names the variable at fault and what it should hold.
        """
        variables = dict(os.environ if environ is None else environ)
        names = {PREFIX + f.name.upper() for f in dataclasses.fields(cls)}
        known = names | {name + FROM_FILE for name in names} | {SUPERVISOR}
        variables |= _from_files(names, variables)
        values = {f.name: _read(f, variables) for f in dataclasses.fields(cls) if _given(f, variables)}
        unknown = [name for name in variables if name.startswith(PREFIX) and name not in known]
        if unknown:
            raise SettingsError(
                f"{sorted(unknown)[0]} is not a setting of Conduit. Remove it or correct its name."
            )
        values.update({name: value for name, value in overrides.items() if value is not None})
        settings = cls(**values)
        settings._check()
        return settings

    def environment(self) -> dict[str, str]:
        """The settings as variables that :meth:`load` reads back: how they reach a child process.

        All of them, so that no variable that a command-line option has overruled comes back in the child.
        """
        names = {f.name: PREFIX + f.name.upper() for f in dataclasses.fields(self)}
        files = {name + FROM_FILE: "" for name in names.values()}
        return files | {name: _write(getattr(self, attribute)) for attribute, name in names.items()}

    @property
    def embedded_database(self) -> bool:
        return not self.database_url

    @property
    def administers_database(self) -> bool:
        """Whether the given address is an administrator's, from which those of the services are made."""
        return bool(self.database_url) and "{service}" not in self.database_url

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.home / "keys"

    @property
    def ledger_folder(self) -> Path:
        return self.ledger or self.home / "ledger"

    @property
    def house_path(self) -> Path:
        return self.house_file or self.home / "house.toml"

    @property
    def origin(self) -> str:
        """Scheme, host and port as they stand in links, without a slash at the end."""
        host = "127.0.0.1" if self.host in _EVERYWHERE else self.host
        return (self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}").rstrip("/")

    @property
    def over_tls(self) -> bool:
        """Whether browsers reach us over HTTPS, ours or a proxy's."""
        return self.origin.startswith("https://")

    def leads_nowhere(self, url: str) -> bool:
        """Whether mail with this link leaves for another computer, where the link leads to nobody.

        What a mail server on this computer does with mail, nobody can tell: it may keep all, as ours does.
        """
        leaves = bool(self.smtp_url) and not is_loopback(urlsplit(self.smtp_url).hostname or "")
        try:
            return leaves and is_loopback(urlsplit(url).hostname or "")
        except ValueError:  # it only looks like one
            return False

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this computer is meant to reach the pages, by itself or through a proxy."""
        return all(map(is_loopback, {self.host, *self.known_hosts}))

    @property
    def known_hosts(self) -> frozenset[str]:
        """The Host names that are answered; a browser can be made to send any other one to loopback."""
        own = {self.host, urlsplit(self.origin).hostname or ""} - _EVERYWHERE
        return frozenset({name.lower() for name in own | _LOOPBACK | set(self.hosts) if name})

    @property
    def terms(self) -> dict[str, int]:
        """For how many months things are kept that are not kept as long as usual, by their names."""
        parts = (each.partition("=") for each in self.retain)
        return {name.strip(): int(months) for name, _, months in parts}

    def _check(self) -> None:
        for f in dataclasses.fields(self):
            _check_range(f, getattr(self, f.name))
        _check_url("DATABASE_URL", self.database_url, ("postgresql", "postgres"))
        _check_url("AMQP_URL", self.amqp_url, ("amqp", "amqps"))
        _check_url("AMQP_ADMIN_URL", self.amqp_admin_url, ("amqp", "amqps"))
        _check_url("SMTP_URL", self.smtp_url, ("smtp", "smtps"))
        _check_url("IMAP_URL", self.imap_url, ("imap", "imaps"))
        _check_mail_from(self.mail_from)
        _check_reply_to(self.reply_to)
        _check_lmtp(self.lmtp)
        _check_backups(self.backup_to, self.backup_keys_to, self.backup_for)
        _check_name_server(self.name_server)
        _check_url("PUBLIC_URL", self.public_url, ("http", "https"))
        _check_url("OTLP_URL", self.otlp_url, ("http", "https"))
        if urlsplit(self.public_url).path not in ("", "/"):
            raise SettingsError(f"{PREFIX}PUBLIC_URL must be scheme, host and port alone, without a path.")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"{PREFIX}LOG_LEVEL must be one of debug, info, warning, error.")
        if not _NAME.fullmatch(self.database_prefix):
            raise SettingsError(
                f"{PREFIX}DATABASE_PREFIX must be a short name of lower-case a to z, digits and _."
            )
        if not all(_HOST.fullmatch(name) for name in (self.host, self.metrics_host, *self.hosts)):
            raise SettingsError(
                f"{PREFIX}HOST, {PREFIX}METRICS_HOST and {PREFIX}HOSTS must hold names or addresses, "
                "without a port."
            )
        if not all(map(_is_network, self.proxies)):
            raise SettingsError(
                f"{PREFIX}PROXIES must hold addresses or networks, such as 10.0.0.5 or 10.0.0.0/24."
            )
        if not all(_TERM.fullmatch(each) for each in self.retain):
            raise SettingsError(
                f"{PREFIX}RETAIN must say what is kept for how many months: sign-ins=6, comma between."
            )
        if not self.on_loopback and not (self.over_tls and self.smtp_url):
            raise SettingsError(
                f"{PREFIX}HOST, {PREFIX}HOSTS and {PREFIX}PUBLIC_URL may lead to others than this computer "
                f"only with {PREFIX}PUBLIC_URL=https://… and {PREFIX}SMTP_URL: people sign in by mail, and "
                "neither that nor their sessions may be open to everybody."
            )
        if self.port and self.port == self.metrics_port:
            raise SettingsError(f"{PREFIX}METRICS_PORT must differ from {PREFIX}PORT; 0 serves no metrics.")


def _given(f: "dataclasses.Field[Any]", variables: Mapping[str, str]) -> bool:
    """An empty variable is one that was not set: compose files cannot leave one out."""
    return bool(variables.get(PREFIX + f.name.upper(), "").strip())


def _from_files(names: Iterable[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The settings that stand in files, as secrets do where containers run. Never says what is in one."""
    found = {}
    for name in names:
        path = variables.get(name + FROM_FILE, "").strip()
        if not path or name + FROM_FILE in names:
            continue
        if variables.get(name, "").strip():
            raise SettingsError(f"{name} and {name}{FROM_FILE} are both given. Keep one of them.")
        try:
            found[name] = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise SettingsError(
                f"{name}{FROM_FILE} names a file that cannot be read as this user. It should hold {name}."
            ) from None
    return found


def _read(f: "dataclasses.Field[Any]", variables: Mapping[str, str]) -> Any:
    name = PREFIX + f.name.upper()
    text = variables[name].strip()
    default: Any = f.default
    try:
        if isinstance(default, tuple):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if default is None or isinstance(default, Path):
            return Path(text)
        return type(default)(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        unit, help = f.metadata["unit"], f.metadata["help"]
        raise SettingsError(f"{name} must be {kind} ({unit}). It sets {help}.") from None


def _write(value: Any) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _check_name_server(address: str) -> None:
    if address and not _SERVER.fullmatch(address):
        raise SettingsError(f"{PREFIX}NAME_SERVER must be an address and a port, such as 10.0.0.1:53.")


def _check_lmtp(place: str) -> None:
    """Whoever hands over mail by LMTP is believed in what it says of it: nobody elsewhere may (RFC 2033)."""
    try:
        host, port = host_and_port(place)
        well = is_loopback(host) and port > 0
    except ValueError:
        well = place.startswith("/") and len(os.fsencode(place)) < _LONGEST_SOCKET
    if place and not well:
        raise SettingsError(
            f"{PREFIX}LMTP must be an address of this computer alone and a port, such as 127.0.0.1:2424, "
            "or the path of a socket, such as /run/conduit/lmtp."
        )


def _check_range(f: "dataclasses.Field[Any]", value: Any) -> None:
    if not isinstance(value, int | float):
        return
    name, unit = PREFIX + f.name.upper(), f.metadata["unit"]
    least, most = f.metadata["least"], f.metadata["most"]
    if not math.isfinite(value):
        raise SettingsError(f"{name} must be a number of {unit}.")
    if least is not None and value < least:
        raise SettingsError(f"{name} must be at least {least} ({unit}).")
    if most is not None and value > most:
        raise SettingsError(f"{name} must be at most {most} ({unit}).")


def host_and_port(place: str) -> tuple[str, int]:
    """An address and its port, 0 where there is none.

    Raises:
        ValueError: when it is neither.
    """
    parts = urlsplit(f"//{place}")
    if parts.netloc != place or parts.username is not None:
        raise ValueError
    return parts.hostname or "", parts.port or 0


@lru_cache(maxsize=1_000)
def is_loopback(host: str) -> bool:
    """Whether a name or an address is of this computer alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    """Whether this is an address or a network, and not everybody: whom we believe cannot be all the world."""
    try:
        return ip_network(text).prefixlen > 0
    except ValueError:
        return False


def _check_mail_from(address: str) -> None:
    if address and not mailable(address):
        raise SettingsError(f"{PREFIX}MAIL_FROM must be one e-mail address, such as post@body.example.")


def _check_backups(to: Path | None, keys_to: Path | None, recipients: tuple[str, ...]) -> None:
    """Refuse at start what would show in the night, at the first backup."""
    if to is not None and to == keys_to:
        raise SettingsError(
            f"{PREFIX}BACKUP_KEYS_TO must be another place than {PREFIX}BACKUP_TO: what lies together "
            "is lost together."
        )
    if not recipients:
        return
    from pyrage import RecipientError, x25519  # slow to load, and most commands need nothing of it

    try:
        for each in recipients:
            x25519.Recipient.from_str(each)
    except RecipientError:
        raise SettingsError(
            f"{PREFIX}BACKUP_FOR must hold public keys, age1…, as conduit backup key prints them."
        ) from None


def _check_reply_to(address: str) -> None:
    if address and not _REPLY_TO.fullmatch(address):
        raise SettingsError(f"{PREFIX}REPLY_TO must be an address with {{token}} before the @, once.")


def _check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """Refuse what is no address of these schemes. What urlsplit says is dropped: it quotes the address."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        well = parts.scheme in schemes and "://" in url
        if not parts.scheme.startswith("postgres"):  # PostgreSQL's may name several servers, or a socket
            well = well and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well = False
    if not well:
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        cure = "followed by host and port; write / # ? @ in a password as %2F %23 %3F %40"
        raise SettingsError(f"{PREFIX}{name} must start with {starts}, {cure}.")
